/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the emitter. A region becomes a list of vector operations in single assignment: each entry
 * is an operation and the value that it gives, named by its index. Values are the same for all
 * lanes of a stretch (computed once, in front of the loop) or differ (computed in the loop).
 *
 * A vector has as many lanes as fit for the widest type that the region computes in; narrower types
 * use the low part of a register.
 *
 * Threads: an emission lives on its caller's stack.
 */
#ifndef HG_LIB_NATIVE_EMIT_H
#define HG_LIB_NATIVE_EMIT_H

#include "lib/native/native.h"

typedef uint16_t hg_val;
#define HG_VAL_NONE UINT16_MAX

enum hg_vop_code {
#define HG_VOP(name, form, ...) HG_VOP_##name,
#include "lib/native/emit.def"
#undef HG_VOP
    HG_VOP_COUNT
};

/* How an operation is encoded and what it reads; emit.def has one per row. */
enum hg_vop_form {
    HG_VFORM_SOURCE,  /* from nothing: constants, parameters, loads */
    HG_VFORM_BINARY,  /* a, b */
    HG_VFORM_UNARY,   /* a */
    HG_VFORM_SHIFT,   /* a, by a constant */
    HG_VFORM_FUSED,   /* a * b + c, c - a * b */
    HG_VFORM_COMPARE, /* a, b: a mask */
    HG_VFORM_CONVERT, /* a, of another width */
    HG_VFORM_NARROW,  /* the same, with the operands of its encoding the other way round */
    HG_VFORM_SELECT,  /* mask a ? b : c */
    HG_VFORM_MASK,    /* masks a, b: a mask */
    HG_VFORM_GATHER,  /* element a + constant of a table */
    HG_VFORM_EFFECT   /* stores, checks, reductions: gives no value */
};

/* Conditions of FCMP, as x86 numbers them: ordered ones are false if one is NaN; and of ICMPS and
 * ICMPU. */
enum {
    HG_CMP_EQ = 0x00,
    HG_CMP_UNORDERED = 0x03,
    HG_CMP_NE = 0x04,
    HG_CMP_LT = 0x11,
    HG_CMP_LE = 0x12,
    HG_CMP_GE = 0x1d,
    HG_CMP_GT = 0x1e
};
enum { HG_ICMP_EQ, HG_ICMP_LT, HG_ICMP_LE, HG_ICMP_FALSE, HG_ICMP_NE, HG_ICMP_GE, HG_ICMP_GT };

/* Of an operation. */
#define HG_VOP_UNIFORM 0x01u /* the same for all lanes of a stretch */
#define HG_VOP_ROW     0x02u /* uniform, but may differ from row to row */
#define HG_VOP_QUIET   0x04u /* no signalling NaN, and flushed where that is asked for */
#define HG_VOP_MASK    0x08u /* its value is in a mask register */

struct hg_vop {
    uint8_t op;    /* enum hg_vop_code */
    uint8_t width; /* log2 of the bytes of an element; of a mask, of what was compared */
    uint8_t imm;   /* condition, shift, stream or index; of constants their place in consts */
    uint8_t flags;
    hg_val a, b, c;
    uint16_t uses; /* how many sources it is */
    uint64_t bits; /* of constants; of loads and stores the offset from the stream */
};

/* How the elements of a stream lie. */
enum hg_stream_kind {
    HG_STREAM_LANE, /* one per lane */
    HG_STREAM_COL,  /* one per column */
    HG_STREAM_ROW,  /* one per row */
    HG_STREAM_ONE
};

/* A pointer that loads and stores share. */
struct hg_stream {
    uint8_t slot;  /* of frame->base */
    uint8_t kind;  /* enum hg_stream_kind */
    uint8_t width; /* log2 of the bytes of an element */
};

#define HG_EMIT_OPS     1024 /* of a region */
#define HG_EMIT_STREAMS 16
#define HG_EMIT_CONSTS  128
/* Of the table that finds constants; a power of two. */
#define HG_EMIT_CONST_SLOTS 256

/* What becomes a region of the code object. */
struct hg_emit_region {
    bool has_lanes, by_row, can_fail, hops;
    uint32_t fuel;
    uint8_t product;    /* enum hg_native_product */
    uint8_t rows, cols; /* of WHOLE */
    uint8_t reduce_count, input_count, output_count;
    struct hg_native_reduce reduces[HG_NATIVE_REDUCES];
    struct hg_native_value inputs[HG_NATIVE_VALUES];
    struct hg_native_value outputs[HG_NATIVE_VALUES];
};

/* A REDUCE that ends the region. */
struct hg_emit_reduce {
    uint8_t op;    /* 0 ADD, 1 MIN, 2 MAX, 3 MUL */
    uint8_t width; /* log2 of the bytes of an accumulator */
    bool is_float, is_signed;
    hg_val start; /* what accumulators start from */
};

struct hg_emit {
    enum hg_isa_level level;
    bool ftz;
    bool failed; /* something is not emitted, or too large */
    enum hg_native_form form;
    uint8_t lanes;
    uint16_t op_count;
    uint16_t const_count;
    uint16_t uniform_count; /* operations in front of the loop that are no constants */
    uint8_t stream_count;
    bool row_loads, row_stores, one_loads, one_stores; /* uniform memory */
    bool lane_stores;
    struct hg_emit_region *region;
    struct hg_stream streams[HG_EMIT_STREAMS];
    struct hg_emit_reduce reduces[HG_NATIVE_REDUCES];
    hg_val consts[HG_EMIT_CONSTS];
    uint8_t const_slots[HG_EMIT_CONST_SLOTS]; /* by their bits: 1 + which of consts, or 0 */
    struct hg_vop ops[HG_EMIT_OPS];
};

/* ---- emit_build.c: making operations --------------------------------------------------------- */

void hg_emit_init(struct hg_emit *emit, enum hg_isa_level level, enum hg_fp_mode mode,
                  unsigned lanes, struct hg_emit_region *region);
/* Appends an operation of FORM's sources; those it does not have are HG_VAL_NONE. */
hg_val hg_emit_op(struct hg_emit *emit, enum hg_vop_code op, unsigned width, unsigned imm, hg_val a,
                  hg_val b, hg_val c);
/* BITS in all lanes; of types narrower than four bytes, repeated. */
hg_val hg_emit_const(struct hg_emit *emit, unsigned width, uint64_t bits);
hg_val hg_emit_const_f32(struct hg_emit *emit, float value);
hg_val hg_emit_const_f64(struct hg_emit *emit, double value);
/* The number of a stream; 0 and emit->failed if there are too many. */
unsigned hg_emit_stream(struct hg_emit *emit, unsigned slot, enum hg_stream_kind kind,
                        unsigned width);

/* Lanes of T where MASK holds, else of F. */
hg_val hg_emit_select(struct hg_emit *emit, unsigned width, hg_val mask, hg_val t, hg_val f);

/* log2 of the bytes of an element. */
static inline unsigned hg_emit_width(enum hg_dtype type)
{
    return (unsigned)__builtin_ctz(hg_dtype_bytes(type));
}

/* The width whose elements fill a register: a mask of it has a bit for each lane. */
static inline unsigned hg_emit_mask_width(const struct hg_emit *emit)
{
    return (unsigned)__builtin_ctz((emit->level == HG_ISA_AVX512 ? 64u : 32u) / emit->lanes);
}

static inline bool hg_emit_is_const(const struct hg_emit *emit, hg_val v)
{
    return emit->ops[v].op == HG_VOP_CONST;
}

static inline hg_val hg_emit_binary(struct hg_emit *emit, enum hg_vop_code op, unsigned width,
                                    hg_val a, hg_val b)
{
    return hg_emit_op(emit, op, width, 0, a, b, HG_VAL_NONE);
}

static inline hg_val hg_emit_unary(struct hg_emit *emit, enum hg_vop_code op, unsigned width,
                                   hg_val a)
{
    return hg_emit_op(emit, op, width, 0, a, HG_VAL_NONE, HG_VAL_NONE);
}

/* ---- emit_expand.c --------------------------------------------------------------------------- */

/* With AVX2: the value of an operation that it has no instruction for, by way of others; else
 * HG_VAL_NONE. */
hg_val hg_emit_expand(struct hg_emit *emit, enum hg_vop_code op, unsigned width, unsigned imm,
                      hg_val a, hg_val b);

/* ---- emit_lower*.c: from instructions to operations ------------------------------------------ */

/* What the registers of a program hold while a region is lowered. */
struct hg_lower {
    struct hg_emit *emit;
    const struct hg_insn_uses *uses; /* of the program's instructions */
    hg_val regs[HG_REGISTER_COUNT];
    hg_val preds[HG_PREDICATE_COUNT];
    const bool *row_level; /* registers of earlier regions that may differ from row to row, */
    const bool *row_preds; /*   and predicates */
    uint8_t slot_count;
    uint64_t handle[HG_SLOT_COUNT_MAX];
    uint8_t handle_count;
    uint8_t loops;        /* that the instruction at hand is in */
    bool multiplies_cols; /* columns by what the launch says */
    uint32_t pc;
};

/* Lanes of a vector for instructions FIRST .. END-1 and the REDUCE from END on. */
unsigned hg_lower_lanes(const struct hg_insn *insns, uint32_t first, uint32_t end,
                        enum hg_isa_level level);
/* Lowers INSNS FIRST .. END-1, loops as often as they run; emit->failed if that is not possible. */
void hg_lower_insns(struct hg_lower *lower, const struct hg_insn *insns, uint32_t first,
                    uint32_t end);
void hg_lower_reduce(struct hg_lower *lower, const struct hg_insn *insn);
/* What register REG, read as TYPE, holds. */
hg_val hg_lower_read(struct hg_lower *lower, uint8_t reg, enum hg_dtype type);
/* LDG and STG. */
hg_val hg_lower_load(struct hg_lower *lower, const struct hg_insn *insn);
void hg_lower_store(struct hg_lower *lower, const struct hg_insn *insn);
/* Whether INSN computes an offset for each lane, of 8 bytes. */
bool hg_address_is_indexed(const struct hg_insn *insn);
/* Arithmetic with values: A, B, C as INSN reads them. */
hg_val hg_lower_float(struct hg_emit *emit, const struct hg_insn *insn, hg_val a, hg_val b,
                      hg_val c);
hg_val hg_lower_int(struct hg_emit *emit, const struct hg_insn *insn, hg_val a, hg_val b, hg_val c,
                    uint32_t pc);
/* REDUCE.REGS of COUNT values of the instruction's type. */
hg_val hg_lower_fold(struct hg_emit *emit, const struct hg_insn *insn, const hg_val *values,
                     unsigned count);
hg_val hg_lower_convert(struct hg_emit *emit, enum hg_dtype to, enum hg_dtype from, hg_val a);
hg_val hg_lower_compare(struct hg_emit *emit, enum hg_cond cond, enum hg_dtype type, hg_val a,
                        hg_val b);
/* Integers of 2^WIDTH bytes; COND as AVX-512 has it. */
hg_val hg_lower_int_compare(struct hg_emit *emit, unsigned width, bool is_signed, unsigned cond,
                            hg_val a, hg_val b);
/* A half as F32, and back. */
hg_val hg_lower_widen(struct hg_emit *emit, enum hg_dtype type, hg_val a);
hg_val hg_lower_narrow(struct hg_emit *emit, enum hg_dtype type, hg_val a);
/* Integers of 2^FROM bytes as 2^TO bytes. */
hg_val hg_lower_resize(struct hg_emit *emit, unsigned to, unsigned from, bool is_signed, hg_val a);
/* The value of a float that MIN, MAX and CVT take: quiet, and flushed under FTZ. */
hg_val hg_lower_quiet(struct hg_emit *emit, unsigned width, hg_val a);

/* ---- emit_math.c ----------------------------------------------------------------------------- */

/* The transcendental OP of WIDTH 2 (F32) or 3 (F64); B of POW. */
hg_val hg_emit_math(struct hg_emit *emit, enum hg_opcode op, unsigned width, hg_val a, hg_val b);

/* ---- emit_code.c ----------------------------------------------------------------------------- */

/* Writes the function of EMIT into BUFFER of SIZE bytes and gives its length with its constants; 0
 * if it does not fit or needs more registers than there are. */
size_t hg_emit_code(struct hg_emit *emit, uint8_t *buffer, size_t size);

#endif
