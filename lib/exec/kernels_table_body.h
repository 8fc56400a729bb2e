/* SPDX-License-Identifier: Apache-2.0 */
/* Part of kernels_body.h: the table. */

/* clang-format off */
#define ENTRY(NAME, f) [HG_##NAME] = f

#define ALL_TYPES(f)                                                                               \
    {ENTRY(I8, f##_i8), ENTRY(I16, f##_i16), ENTRY(I32, f##_i32), ENTRY(I64, f##_i64),             \
     ENTRY(U8, f##_u8), ENTRY(U16, f##_u16), ENTRY(U32, f##_u32), ENTRY(U64, f##_u64),             \
     ENTRY(F16, f##_f16), ENTRY(BF16, f##_bf16), ENTRY(F32, f##_f32), ENTRY(F64, f##_f64)}
#define INT_TYPES(f)                                                                               \
    {ENTRY(I8, f##_i8), ENTRY(I16, f##_i16), ENTRY(I32, f##_i32), ENTRY(I64, f##_i64),             \
     ENTRY(U8, f##_u8), ENTRY(U16, f##_u16), ENTRY(U32, f##_u32), ENTRY(U64, f##_u64)}
#define FLOAT_TYPES(f)                                                                             \
    {ENTRY(F16, f##_f16), ENTRY(BF16, f##_bf16), ENTRY(F32, f##_f32), ENTRY(F64, f##_f64)}
#define SIGNED_TYPES(f)                                                                            \
    {ENTRY(I8, f##_i8), ENTRY(I16, f##_i16), ENTRY(I32, f##_i32), ENTRY(I64, f##_i64),             \
     ENTRY(F16, f##_f16), ENTRY(BF16, f##_bf16), ENTRY(F32, f##_f32), ENTRY(F64, f##_f64)}
#define MAD_TYPES(f)                                                                               \
    {ENTRY(I32, f##_i32), ENTRY(I64, f##_i64),                                                     \
     ENTRY(F16, f##_f16), ENTRY(BF16, f##_bf16), ENTRY(F32, f##_f32), ENTRY(F64, f##_f64)}
#define WIDTHS(f)      {f##_u8, f##_u16, f##_u32, f##_u64}

#define UNARY_MATH(NAME, f)  [HG_OP_##NAME] = FLOAT_TYPES(f),

#define BINARY_TABLE(min, max)                                                                     \
    {[HG_OP_ADD] = ALL_TYPES(add), [HG_OP_SUB] = ALL_TYPES(sub), [HG_OP_MUL] = ALL_TYPES(mul),     \
     [HG_OP_DIV] = FLOAT_TYPES(div), [HG_OP_MIN] = ALL_TYPES(min), [HG_OP_MAX] = ALL_TYPES(max),   \
     [HG_OP_AND] = INT_TYPES(and), [HG_OP_OR] = INT_TYPES(or), [HG_OP_XOR] = INT_TYPES(xor),       \
     [HG_OP_SHL] = INT_TYPES(shl), [HG_OP_SHR] = INT_TYPES(shr), [HG_OP_POW] = FLOAT_TYPES(pow)}

#define COMPARE_ROW(NAME, name, operator, mode)                                                    \
    [HG_COND_##NAME] = ALL_TYPES(name##_##mode),
#define COMPARE_UNSIGNED(NAME, name, mode)                                                         \
    [HG_COND_##NAME##U] = {ENTRY(U8, name##_##mode##_u8), ENTRY(U16, name##_##mode##_u16),         \
                           ENTRY(U32, name##_##mode##_u32), ENTRY(U64, name##_##mode##_u64)}
#define COMPARE_TABLE(mode)                                                                        \
    {HG_SCALAR_CONDITIONS(COMPARE_ROW, mode)                                                       \
     COMPARE_UNSIGNED(LT, lt, mode), COMPARE_UNSIGNED(LE, le, mode),                               \
     COMPARE_UNSIGNED(GT, gt, mode), COMPARE_UNSIGNED(GE, ge, mode)}

#define CONVERT_TABLE(mode)                                                                        \
    {ENTRY(I8, ALL_TYPES(convert_##mode##_i8)), ENTRY(I16, ALL_TYPES(convert_##mode##_i16)),       \
     ENTRY(I32, ALL_TYPES(convert_##mode##_i32)), ENTRY(I64, ALL_TYPES(convert_##mode##_i64)),     \
     ENTRY(U8, ALL_TYPES(convert_##mode##_u8)), ENTRY(U16, ALL_TYPES(convert_##mode##_u16)),       \
     ENTRY(U32, ALL_TYPES(convert_##mode##_u32)), ENTRY(U64, ALL_TYPES(convert_##mode##_u64)),     \
     ENTRY(F16, ALL_TYPES(convert_##mode##_f16)), ENTRY(BF16, ALL_TYPES(convert_##mode##_bf16)),   \
     ENTRY(F32, ALL_TYPES(convert_##mode##_f32)), ENTRY(F64, ALL_TYPES(convert_##mode##_f64))}

#define REDUCE_ENTRY(NAME, op, t, EMPTY)                                                           \
    [HG_##NAME] = {op##_start_##t, op##_add_##t, op##_fold_##t, op##_combine_##t, EMPTY,           \
                   op##_finish_##t}
#define REDUCE_ROW(op, e_i8, e_i16, e_i32, e_i64, e_u8, e_u16, e_u32, e_u64, e_f16, e_bf16, e_f32, \
                   e_f64, FTZ)                                                                     \
    {REDUCE_ENTRY(I8, op, i8, e_i8), REDUCE_ENTRY(I16, op, i16, e_i16),                            \
     REDUCE_ENTRY(I32, op, i32, e_i32), REDUCE_ENTRY(I64, op, i64, e_i64),                         \
     REDUCE_ENTRY(U8, op, u8, e_u8), REDUCE_ENTRY(U16, op, u16, e_u16),                            \
     REDUCE_ENTRY(U32, op, u32, e_u32), REDUCE_ENTRY(U64, op, u64, e_u64),                         \
     REDUCE_ENTRY(F16, op##FTZ, f16, e_f16), REDUCE_ENTRY(BF16, op##FTZ, bf16, e_bf16),            \
     REDUCE_ENTRY(F32, op##FTZ, f32, e_f32), REDUCE_ENTRY(F64, op##FTZ, f64, e_f64)}
/* Images of 0; 1; the greatest; the least value of each type. */
#define REDUCE_TABLE(FTZ)                                                                          \
    {REDUCE_ROW(sum, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ),                                        \
     REDUCE_ROW(least, 0x7f, 0x7fff, 0x7fffffff, 0x7fffffffffffffff, 0xff, 0xffff, 0xffffffff,     \
                UINT64_MAX, 0x7c00, 0x7f80, 0x7f800000, 0x7ff0000000000000, FTZ),                  \
     REDUCE_ROW(most, 0x80, 0x8000, 0x80000000, 0x8000000000000000, 0, 0, 0, 0, 0xfc00, 0xff80,    \
                0xff800000, 0xfff0000000000000, FTZ),                                              \
     REDUCE_ROW(product, 1, 1, 1, 1, 1, 1, 1, 1, 0x3c00, 0x3f80, 0x3f800000, 0x3ff0000000000000, )}

const struct hg_kernels HG_KERNELS_TABLE = {
    .name = HG_KERNELS_NAME,
    .unary = {[HG_OP_ABS] = SIGNED_TYPES(abs), [HG_OP_NEG] = SIGNED_TYPES(neg),
              [HG_OP_NOT] = INT_TYPES(not), HG_SCALAR_MATH1(UNARY_MATH)},
    .binary = {BINARY_TABLE(min, max), BINARY_TABLE(min_ftz, max_ftz)},
    .ternary = {[HG_OP_MAD] = MAD_TYPES(mad), [HG_OP_FMA] = FLOAT_TYPES(fma)},
    .divide = INT_TYPES(divide),
    .compare = {COMPARE_TABLE(ieee), COMPARE_TABLE(ftz)},
    .convert = {CONVERT_TABLE(ieee), CONVERT_TABLE(ftz)},
    .reduce = {REDUCE_TABLE(), REDUCE_TABLE(_ftz)},
    .select = WIDTHS(select),
    .fill = WIDTHS(fill),
    .load_stride = WIDTHS(load_stride),
    .store_stride = WIDTHS(store_stride),
    .gather = WIDTHS(gather),
    .scatter = WIDTHS(scatter),
    .count64 = count64,
    .count32 = count32,
    .offsets = offsets,
    .first_above = first_above,
    .fma_flushes = FMA_FLUSHES,
    .matrix32 = {TILE_ROWS, VECTOR32_LANES, TILE_VECTORS * VECTOR32_LANES, product32, dots32},
    .matrix64 = {TILE_ROWS, VECTOR64_LANES, TILE_VECTORS * VECTOR64_LANES, product64, dots64},
};
/* clang-format on */
