/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations: ops.def describes each one once; lookup, argument checks, shape inference, cache
 * keys, builders, help, metric labels and the test matrix derive from it.
 *
 * From a call to a result:
 *     hg_op_find ──► hg_op_plan (checks, sizes, keys, launch parameters) ──► per step: cache lookup
 * by key, or hg_op_build(key) on a miss ──► launch A plan has one step; composites have several
 * when `fusion` is off.
 *
 * Threads: const tables and values.
 */
#ifndef HG_LIB_OPS_OPS_H
#define HG_LIB_OPS_OPS_H

#include "lib/program/program.h"

#define HG_RANK_MAX          8
#define HG_OP_OPERANDS_MAX   4
#define HG_OP_ATTRIBUTES_MAX 8
#define HG_PLAN_STEPS_MAX    16
#define HG_PLAN_TEMPS_MAX    6

/* The named caches (caches.def), in the order of their metric labels. */
enum hg_cache_id {
#define HG_CACHE(id, name, help) HG_CACHE_##id,
#include "lib/ops/caches.def"
#undef HG_CACHE
    HG_CACHE_COUNT
};
const char *hg_cache_name(enum hg_cache_id id);
const char *hg_cache_help(enum hg_cache_id id);
/* True of caches that count only when composites are not fused (`fusion = off`), as their help
 * says. */
bool hg_cache_is_unfused(enum hg_cache_id id);
/* The cache of that name; HG_CACHE_COUNT if there is none. */
enum hg_cache_id hg_cache_find(const char *name);

enum hg_op_id {
#define HG_OP(id, ...) HG_OP_ID_##id,
#include "lib/ops/ops.def"
#undef HG_OP
    HG_OP_ID_COUNT
};

/* The types that indices of rows may have. */
#define HG_DT_INDEX (HG_DT(I32) | HG_DT(I64) | HG_DT(U32))

/* What an attribute's 64 bits mean. */
enum hg_attribute_kind {
    HG_ATTRIBUTE_OPERAND, /* a value of the type that the operation works in */
    HG_ATTRIBUTE_WIDE,    /* F64 for F64 operands, else F32 (halves compute in F32) */
    HG_ATTRIBUTE_SIZE,    /* an unsigned integer */
    HG_ATTRIBUTE_FLAG     /* 0 or 1 */
};

struct hg_op_attribute {
    const char *name;
    enum hg_attribute_kind kind;
    bool required;
    double default_value; /* when not required; sizes default from the shapes */
    const char *summary;
};

struct hg_op_operand_info {
    const char *name; /* "a", "b", "c", "out", "x" … */
    bool output;
    uint32_t types; /* types of its own, whatever the operation works in; 0: that type */
};

struct hg_planner; /* plan.h */

struct hg_op {
    const char *name;
    const char *module; /* math, compare, activation, reduce, movement, linalg, loss, memory */
    const char *summary;
    uint32_t
        dtypes;   /* in which it works: of operand `lead`, and of all without types of their own */
    uint8_t lead; /* the first operand without types of its own */
    bool wide_output; /* for half inputs the output may also be F32 */
    bool elementwise; /* output = input is allowed */
    uint8_t inputs;   /* operands[0 .. inputs-1]; outputs follow */
    uint8_t outputs;
    struct hg_op_operand_info operands[HG_OP_OPERANDS_MAX];
    uint8_t attribute_count;
    struct hg_op_attribute attributes[HG_OP_ATTRIBUTES_MAX];
    enum hg_cache_id cache; /* of the fused or only program */
    /* Sizes, checks and steps of one call, after the checks that all operations share. */
    enum hg_status (*plan)(struct hg_planner *planner);
    /* Of an operation of one program that can fail by what its inputs hold: says in ERROR, with
     * which a run of that program of KEY ended, what it was. OPERANDS are those bound,
     * OPERAND_COUNT of them. NULL: the error says enough. */
    void (*explain)(const struct hg_key *key, const uint64_t params[HG_PARAM_COUNT],
                    const void *const *operands, unsigned operand_count, struct hg_error *error);
};

const struct hg_op *hg_op_info(enum hg_op_id id);
/* NULL if there is none of that name. */
const struct hg_op *hg_op_find(const char *name, size_t length);

/* The types that OPERAND may have when the operation works in TYPE. */
uint32_t hg_op_operand_types(const struct hg_op *op, unsigned operand, enum hg_dtype type);
/* One of them: TYPE itself if that is one, else the first. */
enum hg_dtype hg_op_operand_type(const struct hg_op *op, unsigned operand, enum hg_dtype type);

/* An operand as the engine resolved it. */
struct hg_op_operand {
    enum hg_dtype type;
    uint8_t rank;
    uint64_t shape[HG_RANK_MAX]; /* elements; rank 0 is a scalar */
    uint64_t elements;           /* capacity: product of the shape */
    const void *base;            /* identity, for aliasing; never dereferenced by planning */
    uint64_t handle;             /* for cache.specialize = full */
    int boundary_class;          /* 0 .. 95, or -1 if not in the boundary pool */
};

struct hg_op_policy {
    bool fusion;          /* composites as one program */
    bool specialize_full; /* bake handles and n, as the seed's cache did */
    bool phi;             /* allow Φ forms when every operand is in the boundary pool */
};

struct hg_op_call {
    const struct hg_op *op;
    struct hg_op_operand operands[HG_OP_OPERANDS_MAX]; /* inputs, then outputs */
    uint8_t operand_count;
    uint64_t attribute[HG_OP_ATTRIBUTES_MAX]; /* bits, by the index in op->attributes */
    uint32_t attributes_given;                /* bit set */
    struct hg_op_policy policy;
};

/* The type that the call works in. */
static inline enum hg_dtype hg_op_call_type(const struct hg_op_call *call)
{
    return call->operands[call->op->lead].type;
}

/* Operand indices of a step: a call's operand, or HG_PLAN_TEMP + i for temporary i. */
#define HG_PLAN_TEMP 128

/*
 * One launch. What a step touches is listed in operand[]; what is bound at launch is the first
 * facts.slot_count + facts.handle_count of the list: all of it for programs that address slots or
 * baked handles (then each handle once, in the order of first use), none of it for Φ forms, whose
 * programs know the boundary classes themselves.
 */
struct hg_plan_step {
    struct hg_key key;
    uint8_t operand_count;
    uint8_t operand[HG_KEY_OPERANDS];
    bool writes[HG_KEY_OPERANDS];
    uint64_t params[HG_PARAM_COUNT]; /* n, rows, cols, then the operation's scalars */
};

struct hg_plan {
    uint32_t step_count; /* 0: nothing to do (no elements) */
    struct hg_plan_step steps[HG_PLAN_STEPS_MAX];
    uint32_t temp_count;
    uint64_t temp_bytes[HG_PLAN_TEMPS_MAX];
};

/*
 * Checks CALL and plans it. Every message names the operation, the argument, what was expected and
 * what came.
 * Errors: HG_INVALID_ARGUMENT (types, shapes, sizes, attributes, aliasing), HG_OUT_OF_RANGE (n
 * beyond an operand's elements).
 */
HG_MUST_CHECK enum hg_status hg_op_plan(const struct hg_op_call *call, struct hg_plan *plan,
                                        struct hg_error *error);

/* As much of hg_op_plan as needs no shapes: number and types of the operands, and the attributes as
 * far as they mean something by themselves. Errors: HG_INVALID_ARGUMENT. */
HG_MUST_CHECK enum hg_status hg_op_check(const struct hg_op_call *call, struct hg_error *error);

/* Lanes of a block (B) of the program that KEY describes. KEY has passed a plan. */
uint32_t hg_op_block_lanes(const struct hg_key *key);

/* Builds the program that KEY describes. The same key always gives the same program.
 * Errors: HG_INVALID_ARGUMENT for a key that no plan makes; HG_RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_op_build(const struct hg_key *key, struct hg_program **program,
                                         struct hg_error *error);

#endif
