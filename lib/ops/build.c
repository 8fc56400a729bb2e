/* SPDX-License-Identifier: Apache-2.0 */
/* The recipe of each named cache, and from a key to its program. */
#include "lib/ops/build.h"

#include "lib/base/check.h"

#define MODE(mode) (1u << HG_OPERAND_##mode)

/* Operands of the shapes that most programs have. */
#define LANES_1           .operand_count = 1, .modes = {MODE(LANE)}
#define LANES_2           .operand_count = 2, .modes = {MODE(LANE), MODE(LANE)}
#define BROADCAST         (MODE(LANE) | MODE(SCALAR) | MODE(ROW_BROADCAST))
#define LANES_3_BROADCAST .operand_count = 3, .modes = {MODE(LANE), BROADCAST, MODE(LANE)}
#define LANES_3_PER_ROW                                                                            \
    .operand_count = 3, .modes = {MODE(LANE), MODE(COLUMN_BROADCAST), MODE(LANE)}
#define ROWS_2    .operand_count = 2, .modes = {MODE(LANE), MODE(PER_ROW)}
#define RESULTS_2 .operand_count = 2, .modes = {MODE(PER_ROW), MODE(PER_ROW)}
#define LOSS_3    .operand_count = 3, .modes = {MODE(LANE), MODE(LANE), MODE(PER_ROW)}
#define PRODUCT_3 .operand_count = 3, .modes = {MODE(MATRIX), MODE(MATRIX), MODE(LANE)}
#define LINEAR_4                                                                                   \
    .operand_count = 4, .modes = {MODE(MATRIX), MODE(MATRIX), MODE(ROW_BROADCAST), MODE(LANE)}
#define BINARY(op, set)                                                                            \
    {                                                                                              \
        .build = hg_build_op_binary, .opcode = HG_OP_##op, .types = (set), LANES_3_BROADCAST       \
    }
#define COMPARE(cond)                                                                              \
    {                                                                                              \
        .build = hg_build_op_compare, .condition = HG_COND_##cond, .types = HG_DT_ALL,             \
        .own_types = {[2] = HG_DT(U8)}, LANES_3_BROADCAST                                          \
    }
#define UNARY(op, set)                                                                             \
    {                                                                                              \
        .build = hg_build_op_unary, .opcode = HG_OP_##op, .types = (set), LANES_2                  \
    }
#define REDUCE(op)                                                                                 \
    {                                                                                              \
        .build = hg_build_op_reduce, .opcode = HG_OP_REDUCE_##op, .types = HG_DT_ALL, ROWS_2       \
    }
/* Of composites: floats that compute in F32 or F64. */
#define WIDE  .wide = true, .types = HG_DT_FLOAT
#define FUSED WIDE, .fused = true

static const struct hg_recipe recipes[HG_CACHE_COUNT] = {
    [HG_CACHE_VECTOR_ADD] = BINARY(ADD, HG_DT_ALL),
    [HG_CACHE_VECTOR_SUB] = BINARY(SUB, HG_DT_ALL),
    [HG_CACHE_VECTOR_MUL] = BINARY(MUL, HG_DT_ALL),
    [HG_CACHE_VECTOR_DIV] = BINARY(DIV, HG_DT_ALL),
    [HG_CACHE_MIN] = BINARY(MIN, HG_DT_ALL),
    [HG_CACHE_MAX] = BINARY(MAX, HG_DT_ALL),
    [HG_CACHE_ABS] = UNARY(ABS, HG_DT_SIGNED),
    [HG_CACHE_NEG] = UNARY(NEG, HG_DT_SIGNED),
    [HG_CACHE_RELU] = {.build = hg_build_op_relu, .types = HG_DT_ALL, LANES_2},
    [HG_CACHE_CLIP] = {.build = hg_build_op_clip, .types = HG_DT_ALL, LANES_2},
    [HG_CACHE_SCALAR_ADD] = {.build = hg_build_op_scalar,
                             .opcode = HG_OP_ADD,
                             .types = HG_DT_ALL,
                             LANES_2},
    [HG_CACHE_SCALAR_MUL] = {.build = hg_build_op_scalar,
                             .opcode = HG_OP_MUL,
                             .types = HG_DT_ALL,
                             LANES_2},
    [HG_CACHE_SIGMOID] = UNARY(SIGMOID, HG_DT_FLOAT),
    [HG_CACHE_TANH] = UNARY(TANH, HG_DT_FLOAT),

    [HG_CACHE_SQRT] = UNARY(SQRT, HG_DT_FLOAT),
    [HG_CACHE_RSQRT] = UNARY(RSQRT, HG_DT_FLOAT),
    [HG_CACHE_EXP] = UNARY(EXP, HG_DT_FLOAT),
    [HG_CACHE_LOG] = UNARY(LOG, HG_DT_FLOAT),
    [HG_CACHE_LOG2] = UNARY(LOG2, HG_DT_FLOAT),
    [HG_CACHE_LOG10] = UNARY(LOG10, HG_DT_FLOAT),
    [HG_CACHE_SIN] = UNARY(SIN, HG_DT_FLOAT),
    [HG_CACHE_COS] = UNARY(COS, HG_DT_FLOAT),
    [HG_CACHE_TAN] = UNARY(TAN, HG_DT_FLOAT),
    [HG_CACHE_ERF] = UNARY(ERF, HG_DT_FLOAT),
    [HG_CACHE_POW] = BINARY(POW, HG_DT_FLOAT),
    [HG_CACHE_EQUAL] = COMPARE(EQ),
    [HG_CACHE_NOT_EQUAL] = COMPARE(NE),
    [HG_CACHE_LESS] = COMPARE(LT),
    [HG_CACHE_LESS_EQUAL] = COMPARE(LE),
    [HG_CACHE_GREATER] = COMPARE(GT),
    [HG_CACHE_GREATER_EQUAL] = COMPARE(GE),
    [HG_CACHE_WHERE] = {.build = hg_build_op_where,
                        .types = HG_DT_ALL,
                        .own_types = {HG_DT(U8)},
                        .operand_count = 4,
                        .modes = {MODE(LANE), BROADCAST, BROADCAST, MODE(LANE)}},

    [HG_CACHE_GELU] = {.build = hg_build_op_gelu, FUSED, LANES_2},
    [HG_CACHE_GELU_SCALAR_MUL1] = {.build = hg_build_op_scale,
                                   .constant = HG_GELU_CUBIC,
                                   WIDE,
                                   LANES_2},
    [HG_CACHE_GELU_SCALAR_MUL2] = {.build = hg_build_op_scale,
                                   .constant = HG_GELU_SLOPE,
                                   WIDE,
                                   LANES_2},
    [HG_CACHE_GELU_SCALAR_MUL3] = {.build = hg_build_op_scale, .constant = -2, WIDE, LANES_2},
    [HG_CACHE_GELU_ADD_ONE] = {.build = hg_build_op_add_one, WIDE, LANES_2},

    [HG_CACHE_SOFTMAX] = {.build = hg_build_op_softmax,
                          .structure = HG_STRUCTURE_TEMPERED,
                          FUSED,
                          LANES_2},
    [HG_CACHE_SOFTMAX_SUB_MAX] = {.build = hg_build_op_sub_max,
                                  .structure = HG_STRUCTURE_TEMPERED,
                                  WIDE,
                                  LANES_3_PER_ROW},
    [HG_CACHE_SOFTMAX_EXP] = {.build = hg_build_op_unary, .opcode = HG_OP_EXP, WIDE, LANES_2},
    [HG_CACHE_SOFTMAX_DIV] = {.build = hg_build_op_share, WIDE, LANES_3_PER_ROW},

    [HG_CACHE_SUM] = REDUCE(ADD),
    [HG_CACHE_REDUCE_MIN] = REDUCE(MIN),
    [HG_CACHE_REDUCE_MAX] = REDUCE(MAX),

    [HG_CACHE_MEAN] = {.build = hg_build_op_mean, .divides = true, WIDE, ROWS_2},
    [HG_CACHE_VAR] = {.build = hg_build_op_var, .divides = true, WIDE, ROWS_2},
    [HG_CACHE_ARGMAX] = {.build = hg_build_op_argmax,
                         .indexes = true,
                         .types = HG_DT_ALL,
                         .own_types = {[1] = HG_DT(I64)},
                         ROWS_2},
    [HG_CACHE_LAYER_NORM] = {.build = hg_build_op_layer_norm,
                             .divides = true,
                             WIDE,
                             .operand_count = 4,
                             .modes = {MODE(LANE), MODE(ROW_BROADCAST), MODE(ROW_BROADCAST),
                                       MODE(LANE)}},

    [HG_CACHE_SUM_AXIS] = {.build = hg_build_op_sum_axis,
                           .indexes = true,
                           .structure = HG_STRUCTURE_OUTER,
                           .types = HG_DT_ALL,
                           .operand_count = 2,
                           .modes = {MODE(COMPUTED), MODE(PER_ROW)}},

    [HG_CACHE_TRANSPOSE] = {.build = hg_build_op_transpose,
                            .indexes = true,
                            .types = HG_DT_UINT,
                            .operand_count = 2,
                            .modes = {MODE(COMPUTED), MODE(LANE)}},
    [HG_CACHE_CONCAT] = {.build = hg_build_op_concat,
                         .indexes = true,
                         .types = HG_DT_UINT,
                         .operand_count = 3,
                         .modes = {MODE(COMPUTED), MODE(COMPUTED), MODE(LANE)}},
    [HG_CACHE_GATHER_ROWS] = {.build = hg_build_op_gather_rows,
                              .types = HG_DT_UINT,
                              .own_types = {HG_DT_INDEX},
                              .operand_count = 3,
                              .modes = {MODE(PER_ROW), MODE(COMPUTED), MODE(LANE)}},

    [HG_CACHE_GEMM] = {.build = hg_build_op_gemm,
                       .structure = HG_STRUCTURE_TRANS_A | HG_STRUCTURE_TRANS_B |
                                    HG_STRUCTURE_SCALED | HG_STRUCTURE_BETA | HG_STRUCTURE_DOT |
                                    HG_STRUCTURE_IMMEDIATE,
                       WIDE,
                       PRODUCT_3},
    [HG_CACHE_MATVEC] = {.build = hg_build_op_matvec,
                         .structure =
                             HG_STRUCTURE_TRANS_A | HG_STRUCTURE_DOT | HG_STRUCTURE_IMMEDIATE,
                         WIDE,
                         PRODUCT_3},
    [HG_CACHE_LINEAR] = {.build = hg_build_op_linear,
                         .structure = HG_STRUCTURE_TRANS_B | HG_STRUCTURE_DOT |
                                      HG_STRUCTURE_IMMEDIATE | HG_STRUCTURE_RELU |
                                      HG_STRUCTURE_GELU,
                         FUSED,
                         LINEAR_4},

    [HG_CACHE_MSE] = {.build = hg_build_op_mse, .divides = true, FUSED, LOSS_3},
    [HG_CACHE_MSE_DIV] = {.build = hg_build_op_divide, .divides = true, WIDE, RESULTS_2},
    [HG_CACHE_CROSS_ENTROPY] = {.build = hg_build_op_cross_entropy,
                                .structure = HG_STRUCTURE_CLAMPED,
                                .divides = true,
                                FUSED,
                                LOSS_3},
    [HG_CACHE_CROSS_ENTROPY_LOG] = {.build = hg_build_op_log_floor,
                                    .structure = HG_STRUCTURE_CLAMPED,
                                    WIDE,
                                    LANES_2},
    [HG_CACHE_CROSS_ENTROPY_FINAL] = {.build = hg_build_op_negate_divide,
                                      .divides = true,
                                      WIDE,
                                      RESULTS_2},
    [HG_CACHE_BINARY_CROSS_ENTROPY] = {.build = hg_build_op_binary_cross_entropy,
                                       .structure = HG_STRUCTURE_CLAMPED,
                                       .divides = true,
                                       FUSED,
                                       LOSS_3},
    [HG_CACHE_BCE_LOG_PRED] = {.build = hg_build_op_log_clamped,
                               .structure = HG_STRUCTURE_CLAMPED,
                               WIDE,
                               LANES_2},
    [HG_CACHE_BCE_SUB_FROM_ONE_PRED] = {.build = hg_build_op_one_minus_clamped,
                                        .structure = HG_STRUCTURE_CLAMPED,
                                        WIDE,
                                        LANES_2},
    [HG_CACHE_BCE_LOG_ONE_MINUS_PRED] = {.build = hg_build_op_log_clamped, WIDE, LANES_2},
    [HG_CACHE_BCE_SUB_FROM_ONE_TARGET] = {.build = hg_build_op_one_minus_clamped, WIDE, LANES_2},
    [HG_CACHE_BCE_FINAL] = {.build = hg_build_op_negate_divide, .divides = true, WIDE, RESULTS_2},

    [HG_CACHE_COPY] = {.build = hg_build_op_copy, .types = HG_DT_ALL, LANES_2},
    [HG_CACHE_FILL] = {.build = hg_build_op_fill,
                       .bakes_constant = true,
                       .types = HG_DT_ALL,
                       LANES_1},
};

const struct hg_recipe *hg_recipe_of(enum hg_cache_id cache)
{
    HG_REQUIRE(cache < HG_CACHE_COUNT);
    return recipes[cache].build == NULL ? NULL : &recipes[cache];
}

enum hg_dtype hg_recipe_type(const struct hg_recipe *recipe, const struct hg_key *key)
{
    unsigned lead = 0;
    while (recipe->own_types[lead] != 0) {
        lead++;
    }
    enum hg_dtype widest = (enum hg_dtype)key->type[lead];
    for (unsigned i = lead + 1; i < recipe->operand_count; i++) {
        enum hg_dtype type = (enum hg_dtype)key->type[i];
        if (recipe->own_types[i] == 0 && hg_dtype_bytes(type) > hg_dtype_bytes(widest)) {
            widest = type;
        }
    }
    return recipe->wide && hg_dtype_in(widest, HG_DT_HALF) ? HG_F32 : widest;
}

uint32_t hg_op_block_lanes(const struct hg_key *key)
{
    const struct hg_recipe *recipe = hg_recipe_of((enum hg_cache_id)key->cache);
    HG_REQUIRE(recipe != NULL);
    return HG_BLOCK_BYTES / hg_dtype_bytes(recipe->indexes ? HG_U64 : hg_recipe_type(recipe, key));
}

uint8_t hg_recipe_load(struct hg_builder *builder, const struct hg_key *key, unsigned index,
                       enum hg_dtype type)
{
    enum hg_dtype stored = (enum hg_dtype)key->type[index];
    uint8_t value = hg_build_load(builder, stored, hg_addr_operand(key, index));
    return hg_build_convert(builder, type, stored, value);
}

void hg_recipe_store(struct hg_builder *builder, const struct hg_key *key, unsigned index,
                     enum hg_dtype type, uint8_t a)
{
    enum hg_dtype stored = (enum hg_dtype)key->type[index];
    uint8_t value = hg_build_convert(builder, stored, type, a);
    hg_build_store(builder, stored, hg_addr_operand(key, index), value);
}

uint8_t hg_recipe_divisor(struct hg_builder *builder, const struct hg_key *key, unsigned index,
                          enum hg_dtype type)
{
    uint8_t n = (key->policy & HG_KEY_FULL) != 0 ? hg_build_imm(builder, HG_U64, key->constant[0])
                                                 : hg_build_param(builder, HG_U64, index);
    return hg_build_convert(builder, type, HG_U64, n);
}

/* ---- from a key to a program ----------------------------------------------------------------- */

/* All without types of their own of one type, or F32 beside one of the half types. */
static bool types_go_together(const struct hg_recipe *recipe, const struct hg_key *key)
{
    uint32_t set = 0;
    for (unsigned i = 0; i < recipe->operand_count; i++) {
        set |= recipe->own_types[i] == 0 ? 1u << key->type[i] : 0u;
    }
    return (set & (set - 1)) == 0 || set == (HG_DT(F32) | HG_DT(F16)) ||
           set == (HG_DT(F32) | HG_DT(BF16));
}

static uint32_t types_of(const struct hg_recipe *recipe, unsigned operand)
{
    return recipe->own_types[operand] != 0 ? recipe->own_types[operand] : recipe->types;
}

/* Classes have no computed offsets. */
static bool operand_well_formed(const struct hg_recipe *recipe, const struct hg_key *key,
                                unsigned i)
{
    bool phi = key->form >= HG_PROGRAM_UNROLLED_PHI;
    return key->type[i] < HG_DTYPE_COUNT &&
           hg_dtype_in((enum hg_dtype)key->type[i], types_of(recipe, i)) &&
           key->mode[i] <= HG_OPERAND_COMPUTED && (recipe->modes[i] >> key->mode[i] & 1u) != 0 &&
           !(phi && key->mode[i] == HG_OPERAND_COMPUTED);
}

static bool operands_well_formed(const struct hg_recipe *recipe, const struct hg_key *key)
{
    bool slots = key->form < HG_PROGRAM_UNROLLED_PHI && (key->policy & HG_KEY_FULL) == 0;
    for (unsigned i = 0; i < HG_KEY_OPERANDS; i++) {
        bool used = i < recipe->operand_count;
        if (used && !operand_well_formed(recipe, key, i)) {
            return false;
        }
        if (!used && (key->type[i] != 0 || key->mode[i] != 0)) {
            return false;
        }
        if ((!used || slots) && key->operand[i] != 0) {
            return false;
        }
    }
    return types_go_together(recipe, key);
}

static bool constants_well_formed(const struct hg_recipe *recipe, const struct hg_key *key)
{
    bool full = (key->policy & HG_KEY_FULL) != 0;
    bool sized = full || (key->structure & HG_STRUCTURE_IMMEDIATE) != 0;
    bool constant = recipe->bakes_constant || (full && recipe->divides);
    for (unsigned i = 0; i < HG_ARRAY_COUNT(key->size); i++) {
        if (key->size[i] != 0 && (!sized || i >= 3)) {
            return false;
        }
        if ((key->structure & HG_STRUCTURE_IMMEDIATE) != 0 && key->size[i] > HG_MMA_IMMEDIATE_MAX) {
            return false;
        }
    }
    return (constant || key->constant[0] == 0) && (full || key->constant[1] == 0);
}

static bool well_formed(const struct hg_recipe *recipe, const struct hg_key *key)
{
    uint8_t policy = key->policy & (uint8_t)~HG_KEY_FULL;
    return key->form < HG_PROGRAM_FORM_COUNT && policy == (recipe->fused ? HG_KEY_FUSED : 0) &&
           (key->structure & ~recipe->structure) == 0 && operands_well_formed(recipe, key) &&
           constants_well_formed(recipe, key);
}

enum hg_status hg_op_build(const struct hg_key *key, struct hg_program **program,
                           struct hg_error *error)
{
    const struct hg_recipe *recipe =
        key->cache < HG_CACHE_COUNT ? hg_recipe_of((enum hg_cache_id)key->cache) : NULL;
    if (recipe == NULL) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "program key: cache %u builds no programs",
                       key->cache);
    }
    if (!well_formed(recipe, key)) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "program key: not one of cache %s",
                       hg_cache_name((enum hg_cache_id)key->cache));
    }
    struct hg_builder builder;
    hg_builder_init_for(&builder, key);
    recipe->build(&builder, key, recipe);
    return hg_builder_finish(&builder, key, program, error);
}
