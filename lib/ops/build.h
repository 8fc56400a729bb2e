/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of building: recipes, one per named cache, and what their builders share. Used by lib/ops
 * only.
 *
 * A recipe says which keys its builder understands (hg_op_build refuses all others) and lends it an
 * opcode and a constant, so that one builder serves a family of programs. A builder writes the same
 * code for every form: hg_build_blocks_begin and hg_addr_operand choose by the key.
 */
#ifndef HG_LIB_OPS_BUILD_H
#define HG_LIB_OPS_BUILD_H

#include "lib/ops/ops.h"
#include "lib/program/builder.h"

/* Bits of a key's structure. */
#define HG_STRUCTURE_TEMPERED  0x01u  /* softmax: temperature is not 1 */
#define HG_STRUCTURE_CLAMPED   0x02u  /* losses: eps is not 0 */
#define HG_STRUCTURE_TRANS_A   0x04u  /* products: A is stored transposed */
#define HG_STRUCTURE_TRANS_B   0x08u  /* products: B is stored transposed */
#define HG_STRUCTURE_BETA      0x10u  /* gemm: beta is not 0, so C is read */
#define HG_STRUCTURE_DOT       0x20u  /* products: one column, summed as a dot product */
#define HG_STRUCTURE_IMMEDIATE 0x40u  /* products: m, n, k are baked (key.size) */
#define HG_STRUCTURE_RELU      0x80u  /* linear: relu of the sum */
#define HG_STRUCTURE_GELU      0x100u /* linear: gelu of the sum */
#define HG_STRUCTURE_SCALED    0x400u /* gemm: alpha is not 1 */
#define HG_STRUCTURE_OUTER     0x200u /* sum_axis: there are axes before the summed one */

/* Launch parameters after n, rows and cols. */
#define HG_PARAM_SCALAR      (HG_PARAM_FIRST)     /* s, lo, temperature, eps */
#define HG_PARAM_HIGH        (HG_PARAM_FIRST + 1) /* clip's hi */
#define HG_PARAM_DIVISOR     (HG_PARAM_FIRST)     /* of a loss's last sub-program: n */
#define HG_PARAM_PRODUCT_K   (HG_PARAM_FIRST)
#define HG_PARAM_PRODUCT_LDA (HG_PARAM_FIRST + 1)
#define HG_PARAM_PRODUCT_LDB (HG_PARAM_FIRST + 2)
#define HG_PARAM_ALPHA       (HG_PARAM_FIRST + 3)
#define HG_PARAM_BETA        (HG_PARAM_FIRST + 4)
#define HG_PARAM_TABLE_ROWS  (HG_PARAM_FIRST) /* gather_rows: of the table */
#define HG_PARAM_FIRST_COLS  (HG_PARAM_FIRST) /* concat: of the first input's row */
#define HG_PARAM_INNER       (HG_PARAM_FIRST) /* sum_axis: elements behind one of the axis */

/* Constants of gelu's tanh form. */
#define HG_GELU_CUBIC 0.044715
#define HG_GELU_SLOPE 0.79788456080286535588 /* sqrt(2 / pi) */

struct hg_recipe;
typedef void hg_recipe_build_fn(struct hg_builder *builder, const struct hg_key *key,
                                const struct hg_recipe *recipe);

struct hg_recipe {
    hg_recipe_build_fn *build;
    enum hg_opcode opcode;
    enum hg_cond condition; /* of comparisons */
    double constant;
    bool wide;           /* halves compute in F32, one CVT at load and store */
    bool fused;          /* a composite as one program: keys carry HG_KEY_FUSED */
    bool indexes;        /* computes indices or offsets, in 64 bits, per lane */
    bool bakes_constant; /* key.constant[0] is part of the program under either policy */
    bool divides;        /* by n or cols, which specialize_full bakes in key.constant[0] */
    uint32_t types;      /* of every operand without types of its own */
    uint32_t own_types[HG_KEY_OPERANDS]; /* of operands with types of their own; 0: none */
    uint32_t structure;                  /* bits that keys may have */
    uint8_t operand_count;
    uint8_t modes[HG_KEY_OPERANDS]; /* sets of enum hg_operand_mode, as bits */
};

/* CACHE < HG_CACHE_COUNT; NULL for caches whose programs are not built from keys (user). */
const struct hg_recipe *hg_recipe_of(enum hg_cache_id cache);

/* The type that KEY's program computes in: the widest of its operands' that have no types of their
 * own, at least F32 if wide. */
enum hg_dtype hg_recipe_type(const struct hg_recipe *recipe, const struct hg_key *key);

/* Operand INDEX in the computing type, and a value of the computing type into operand INDEX. */
uint8_t hg_recipe_load(struct hg_builder *builder, const struct hg_key *key, unsigned index,
                       enum hg_dtype type);
void hg_recipe_store(struct hg_builder *builder, const struct hg_key *key, unsigned index,
                     enum hg_dtype type, uint8_t a);
/* n, or cols, as a value of TYPE: parameter INDEX, or the constant that specialize_full bakes. */
uint8_t hg_recipe_divisor(struct hg_builder *builder, const struct hg_key *key, unsigned index,
                          enum hg_dtype type);

/* gelu of X, in the tanh form. In build_activation.c. */
uint8_t hg_build_gelu(struct hg_builder *builder, enum hg_dtype type, uint8_t x);

/* build_math.c */
hg_recipe_build_fn hg_build_op_compare;
hg_recipe_build_fn hg_build_op_where;
hg_recipe_build_fn hg_build_op_binary;
hg_recipe_build_fn hg_build_op_unary;
hg_recipe_build_fn hg_build_op_relu;
hg_recipe_build_fn hg_build_op_scalar;
hg_recipe_build_fn hg_build_op_clip;
/* build_activation.c */
hg_recipe_build_fn hg_build_op_scale;
hg_recipe_build_fn hg_build_op_add_one;
hg_recipe_build_fn hg_build_op_gelu;
hg_recipe_build_fn hg_build_op_sub_max;
hg_recipe_build_fn hg_build_op_share;
hg_recipe_build_fn hg_build_op_softmax;
/* build_reduce.c */
hg_recipe_build_fn hg_build_op_reduce;
/* build_statistics.c */
hg_recipe_build_fn hg_build_op_mean;
hg_recipe_build_fn hg_build_op_var;
hg_recipe_build_fn hg_build_op_argmax;
hg_recipe_build_fn hg_build_op_layer_norm;
/* build_movement.c */
hg_recipe_build_fn hg_build_op_transpose;
hg_recipe_build_fn hg_build_op_concat;
hg_recipe_build_fn hg_build_op_gather_rows;
hg_recipe_build_fn hg_build_op_sum_axis;
/* build_linalg.c */
hg_recipe_build_fn hg_build_op_gemm;
hg_recipe_build_fn hg_build_op_matvec;
hg_recipe_build_fn hg_build_op_linear;
/* build_loss.c */
hg_recipe_build_fn hg_build_op_divide;
hg_recipe_build_fn hg_build_op_negate_divide;
hg_recipe_build_fn hg_build_op_one_minus_clamped;
hg_recipe_build_fn hg_build_op_log_floor;
hg_recipe_build_fn hg_build_op_log_clamped;
hg_recipe_build_fn hg_build_op_mse;
hg_recipe_build_fn hg_build_op_cross_entropy;
hg_recipe_build_fn hg_build_op_binary_cross_entropy;
/* build_memory.c */
hg_recipe_build_fn hg_build_op_copy;
hg_recipe_build_fn hg_build_op_fill;

#endif
