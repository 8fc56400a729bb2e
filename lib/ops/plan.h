/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of planning: what the plan function of an operation works with. Used by lib/ops only.
 *
 * A plan function resolves sizes, checks operands against them (which also notes what is used, for
 * the check of aliasing that follows) and appends steps; hg_plan_step turns the description of a
 * step into key and launch parameters.
 */
#ifndef HG_LIB_OPS_PLAN_H
#define HG_LIB_OPS_PLAN_H

#include "lib/ops/ops.h"

struct hg_planner {
    const struct hg_op_call *call;
    struct hg_plan *plan;
    struct hg_error *error;
    uint64_t used_elements[HG_OP_OPERANDS_MAX]; /* from the first; 0 until checked */
    bool lane[HG_OP_OPERANDS_MAX];              /* lane i handles element i */
};

/* ---- attributes (plan.c) --------------------------------------------------------------------- */

static inline bool hg_plan_given(const struct hg_planner *planner, unsigned attribute)
{
    return (planner->call->attributes_given >> attribute & 1u) != 0;
}
/* The given bits, else those of the default value. Not for sizes. */
uint64_t hg_plan_attribute(const struct hg_planner *planner, unsigned attribute);
/* The type that WIDE attributes have and composites compute in: F64 for F64, else F32. */
enum hg_dtype hg_plan_wide_type(const struct hg_planner *planner);
/* Fails the call: "op: " and then the text. */
enum hg_status hg_plan_refuse(struct hg_planner *planner, enum hg_status status, const char *format,
                              ...) HG_PRINTF(3, 4);
/* "input b" or "output c". */
const char *hg_plan_role(const struct hg_planner *planner, unsigned operand, char text[48]);

/* ---- sizes (shape.c) ------------------------------------------------------------------------- */

/* The attribute if given, else the elements of OPERAND. */
static inline uint64_t hg_shape_count(const struct hg_planner *planner, unsigned attribute,
                                      unsigned operand)
{
    return hg_plan_given(planner, attribute) ? planner->call->attribute[attribute]
                                             : planner->call->operands[operand].elements;
}
enum hg_status hg_shape_refuse_short(struct hg_planner *planner, unsigned operand,
                                     uint64_t elements, bool given);
/* The first ELEMENTS of OPERAND will be used: there must be as many. GIVEN: the caller asked for
 * that many (the error is OUT_OF_RANGE then, else INVALID_ARGUMENT). */
HG_MUST_CHECK static inline enum hg_status
hg_shape_need(struct hg_planner *planner, unsigned operand, uint64_t elements, bool given)
{
    if (planner->call->operands[operand].elements < elements) {
        return hg_shape_refuse_short(planner, operand, elements, given);
    }
    planner->used_elements[operand] = elements;
    return HG_OK;
}
/* As hg_shape_need, for an operand whose element i belongs to lane i. */
HG_MUST_CHECK static inline enum hg_status
hg_shape_need_lanes(struct hg_planner *planner, unsigned operand, uint64_t lanes, bool given)
{
    planner->lane[operand] = true;
    return hg_shape_need(planner, operand, lanes, given);
}
/* How the first N lanes read OPERAND, which may be shorter: as it is, one element for all, or
 * broadcast by rows of *COLS. */
HG_MUST_CHECK enum hg_status hg_shape_broadcast(struct hg_planner *planner, unsigned operand,
                                                uint64_t n, bool given, enum hg_operand_mode *mode,
                                                uint64_t *cols);
/* Attribute COLS if given, else the last dimension of a matrix when all of it is worked on (N is
 * not given), else 0. */
uint64_t hg_shape_cols(const struct hg_planner *planner, unsigned n, unsigned cols);
/* N elements as rows of COLS, 0 meaning one row of N. */
HG_MUST_CHECK enum hg_status hg_shape_rows(struct hg_planner *planner, uint64_t n, uint64_t cols,
                                           uint64_t *rows, uint64_t *row_elements);
/* One dimension of a matrix: the attribute if given, else dimension INDEX of OPERAND, which must
 * have rank 2 then. */
HG_MUST_CHECK enum hg_status hg_shape_dimension(struct hg_planner *planner, unsigned attribute,
                                                unsigned operand, unsigned index, uint64_t *size);
/* ROWS x COLS elements of OPERAND will be used. */
HG_MUST_CHECK enum hg_status hg_shape_need_matrix(struct hg_planner *planner, unsigned operand,
                                                  uint64_t rows, uint64_t cols);

/* ---- steps (step.c) -------------------------------------------------------------------------- */

struct hg_step_operand {
    uint8_t source; /* index of the call's operand, or HG_PLAN_TEMP + i */
    uint8_t type;   /* enum hg_dtype */
    uint8_t mode;   /* enum hg_operand_mode */
    bool writes;
};

/* Small and in line throughout: one is filled and read for each step of each call. */
#define HG_STEP_SCALARS_MAX 5

struct hg_step {
    enum hg_cache_id cache;
    bool fused;         /* a composite as one program */
    uint32_t structure; /* HG_STRUCTURE_*, build.h */
    uint64_t constant;  /* baked */
    uint64_t divisor;   /* of losses: baked under specialize_full */
    uint32_t size[3];   /* baked */
    uint64_t rows;
    uint64_t cols;
    struct hg_step_operand operands[HG_KEY_OPERANDS]; /* in the order of the program's slots */
    uint8_t operand_count;
    uint64_t scalars[HG_STEP_SCALARS_MAX]; /* k3 and on */
};

/* The call's operand as a step reads or writes it. */
static inline struct hg_step_operand hg_step_use(const struct hg_planner *planner, unsigned operand,
                                                 enum hg_operand_mode mode)
{
    return (struct hg_step_operand){.source = (uint8_t)operand,
                                    .type = (uint8_t)planner->call->operands[operand].type,
                                    .mode = (uint8_t)mode,
                                    .writes = planner->call->op->operands[operand].output};
}

static inline struct hg_step_operand hg_step_temp(unsigned temp, enum hg_dtype type,
                                                  enum hg_operand_mode mode, bool writes)
{
    return (struct hg_step_operand){.source = (uint8_t)(HG_PLAN_TEMP + temp),
                                    .type = (uint8_t)type,
                                    .mode = (uint8_t)mode,
                                    .writes = writes};
}

void hg_plan_step(struct hg_planner *planner, const struct hg_step *step);
/* Another temporary of ELEMENTS of TYPE, numbered as they come. */
HG_MUST_CHECK enum hg_status hg_plan_temp(struct hg_planner *planner, uint64_t elements,
                                          enum hg_dtype type);

/* gelu of X, ROWS x COLS lanes of it, to C as its sub-programs (fusion = off), with a temporary of
 * its own. In plan_activation.c. */
HG_MUST_CHECK enum hg_status hg_plan_gelu_steps(struct hg_planner *planner, uint64_t rows,
                                                uint64_t cols, struct hg_step_operand x,
                                                struct hg_step_operand c);

/* ---- the plan functions of ops.def ----------------------------------------------------------- */

enum hg_status hg_plan_binary(struct hg_planner *planner);
enum hg_status hg_plan_unary(struct hg_planner *planner);
enum hg_status hg_plan_clip(struct hg_planner *planner);
enum hg_status hg_plan_scalar(struct hg_planner *planner);
enum hg_status hg_plan_where(struct hg_planner *planner);
enum hg_status hg_plan_gelu(struct hg_planner *planner);
enum hg_status hg_plan_softmax(struct hg_planner *planner);
enum hg_status hg_plan_reduce(struct hg_planner *planner);
enum hg_status hg_plan_statistic(struct hg_planner *planner);
enum hg_status hg_plan_layer_norm(struct hg_planner *planner);
enum hg_status hg_plan_sum_axis(struct hg_planner *planner);
enum hg_status hg_plan_transpose(struct hg_planner *planner);
enum hg_status hg_plan_concat(struct hg_planner *planner);
enum hg_status hg_plan_gather_rows(struct hg_planner *planner);
void hg_explain_gather_rows(const struct hg_key *key, const uint64_t params[HG_PARAM_COUNT],
                            const void *const *operands, unsigned operand_count,
                            struct hg_error *error);
enum hg_status hg_plan_gemm(struct hg_planner *planner);
enum hg_status hg_plan_matvec(struct hg_planner *planner);
enum hg_status hg_plan_linear(struct hg_planner *planner);
enum hg_status hg_plan_mse(struct hg_planner *planner);
enum hg_status hg_plan_cross_entropy(struct hg_planner *planner);
enum hg_status hg_plan_binary_cross_entropy(struct hg_planner *planner);
enum hg_status hg_plan_fill(struct hg_planner *planner);

#endif
