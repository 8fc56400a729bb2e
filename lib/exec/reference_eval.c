/* SPDX-License-Identifier: Apache-2.0 */
/* The ALU instructions for one lane, on register images. */
#include "lib/base/check.h"
#include "lib/exec/reference.h"
#include "lib/exec/scalar.h"

/* ---- one case for each type ------------------------------------------------------------------ */

#define UNARY(NAME, t, T, U, W)                                                                    \
    case HG_##NAME:                                                                                \
        return hg_scalar_put_##t(CALL(t)(hg_scalar_get_##t(a)));
#define BINARY(NAME, t, T, U, W)                                                                   \
    case HG_##NAME:                                                                                \
        return hg_scalar_put_##t(CALL(t)(hg_scalar_get_##t(a), hg_scalar_get_##t(b)));
#define BINARY_FTZ(NAME, t, T, U, W)                                                               \
    case HG_##NAME:                                                                                \
        return hg_scalar_put_##t(CALL(t)(hg_scalar_get_##t(a), hg_scalar_get_##t(b), ftz));
#define SHIFT(NAME, t, T, U, W)                                                                    \
    case HG_##NAME:                                                                                \
        return hg_scalar_put_##t(CALL(t)(hg_scalar_get_##t(a), (uint32_t)b));
#define TERNARY(NAME, t, T, U, W)                                                                  \
    case HG_##NAME:                                                                                \
        return hg_scalar_put_##t(                                                                  \
            CALL(t)(hg_scalar_get_##t(a), hg_scalar_get_##t(b), hg_scalar_get_##t(c)));

/* A function of one instruction over its types; no other type is verified. */
#define FUNCTION(name, TYPES, FORM)                                                                \
    static uint64_t name##_of(enum hg_dtype type, uint64_t a, uint64_t b, uint64_t c, bool ftz)    \
    {                                                                                              \
        (void)b;                                                                                   \
        (void)c;                                                                                   \
        (void)ftz;                                                                                 \
        switch (type) {                                                                            \
            TYPES(FORM)                                                                            \
        default:                                                                                   \
            HG_REQUIRE(false);                                                                     \
            return 0;                                                                              \
        }                                                                                          \
    }

#define SIGNED_TYPES(ROW) HG_SCALAR_SINT(ROW) HG_SCALAR_ANY_FLOAT(ROW)
#define MAD_TYPES(ROW)                                                                             \
    ROW(I32, i32, int32_t, uint32_t, uint32_t)                                                     \
    ROW(I64, i64, int64_t, uint64_t, uint64_t)                                                     \
    HG_SCALAR_ANY_FLOAT(ROW)

#define CALL(t) hg_scalar_add_##t
FUNCTION(add, HG_SCALAR_ALL, BINARY)
#undef CALL
#define CALL(t) hg_scalar_sub_##t
FUNCTION(sub, HG_SCALAR_ALL, BINARY)
#undef CALL
#define CALL(t) hg_scalar_mul_##t
FUNCTION(mul, HG_SCALAR_ALL, BINARY)
#undef CALL
#define CALL(t) hg_scalar_div_##t
FUNCTION(div, HG_SCALAR_ALL, BINARY)
#undef CALL
#define CALL(t) hg_scalar_min_##t
FUNCTION(min, HG_SCALAR_ALL, BINARY_FTZ)
#undef CALL
#define CALL(t) hg_scalar_max_##t
FUNCTION(max, HG_SCALAR_ALL, BINARY_FTZ)
#undef CALL
#define CALL(t) hg_scalar_mad_##t
FUNCTION(mad, MAD_TYPES, TERNARY)
#undef CALL
#define CALL(t) hg_scalar_fma_##t
FUNCTION(fma, HG_SCALAR_ANY_FLOAT, TERNARY)
#undef CALL
#define CALL(t) hg_scalar_abs_##t
FUNCTION(abs, SIGNED_TYPES, UNARY)
#undef CALL
#define CALL(t) hg_scalar_neg_##t
FUNCTION(neg, SIGNED_TYPES, UNARY)
#undef CALL
#define CALL(t) hg_scalar_and_##t
FUNCTION(and, HG_SCALAR_ANY_INT, BINARY)
#undef CALL
#define CALL(t) hg_scalar_or_##t
FUNCTION(or, HG_SCALAR_ANY_INT, BINARY)
#undef CALL
#define CALL(t) hg_scalar_xor_##t
FUNCTION(xor, HG_SCALAR_ANY_INT, BINARY)
#undef CALL
#define CALL(t) hg_scalar_not_##t
FUNCTION(not, HG_SCALAR_ANY_INT, UNARY)
#undef CALL
#define CALL(t) hg_scalar_shl_##t
FUNCTION(shl, HG_SCALAR_ANY_INT, SHIFT)
#undef CALL
#define CALL(t) hg_scalar_shr_##t
FUNCTION(shr, HG_SCALAR_ANY_INT, SHIFT)
#undef CALL

/* Transcendentals: a function each, from the list in scalar.h. */
#define MATH_TYPES(CASE, f)                                                                        \
    CASE(F16, f16, f) CASE(BF16, bf16, f) CASE(F32, f32, f) CASE(F64, f64, f)
#define MATH1_CASE(NAME, t, f)                                                                     \
    case HG_##NAME:                                                                                \
        return hg_scalar_put_##t(hg_scalar_##f##_##t(hg_scalar_get_##t(a)));
#define MATH2_CASE(NAME, t, f)                                                                     \
    case HG_##NAME:                                                                                \
        return hg_scalar_put_##t(hg_scalar_##f##_##t(hg_scalar_get_##t(a), hg_scalar_get_##t(b)));
#define MATH1(NAME, f)                                                                             \
    static uint64_t f##_of(enum hg_dtype type, uint64_t a, uint64_t b, uint64_t c, bool ftz)       \
    {                                                                                              \
        (void)b;                                                                                   \
        (void)c;                                                                                   \
        (void)ftz;                                                                                 \
        switch (type) {                                                                            \
            MATH_TYPES(MATH1_CASE, f)                                                              \
        default:                                                                                   \
            HG_REQUIRE(false);                                                                     \
            return 0;                                                                              \
        }                                                                                          \
    }
#define MATH2(NAME, f)                                                                             \
    static uint64_t f##_of(enum hg_dtype type, uint64_t a, uint64_t b, uint64_t c, bool ftz)       \
    {                                                                                              \
        (void)c;                                                                                   \
        (void)ftz;                                                                                 \
        switch (type) {                                                                            \
            MATH_TYPES(MATH2_CASE, f)                                                              \
        default:                                                                                   \
            HG_REQUIRE(false);                                                                     \
            return 0;                                                                              \
        }                                                                                          \
    }
HG_SCALAR_MATH1(MATH1)
MATH2(POW, pow)

/* ---- dispatch -------------------------------------------------------------------------------- */

typedef uint64_t eval_fn(enum hg_dtype type, uint64_t a, uint64_t b, uint64_t c, bool ftz);

#define MATH_ROW(NAME, f) [HG_OP_##NAME] = f##_of,
static eval_fn *const evals[HG_OPCODE_COUNT] = {[HG_OP_ADD] = add_of,
                                                [HG_OP_SUB] = sub_of,
                                                [HG_OP_MUL] = mul_of,
                                                [HG_OP_DIV] = div_of,
                                                [HG_OP_MAD] = mad_of,
                                                [HG_OP_FMA] = fma_of,
                                                [HG_OP_MIN] = min_of,
                                                [HG_OP_MAX] = max_of,
                                                [HG_OP_ABS] = abs_of,
                                                [HG_OP_NEG] = neg_of,
                                                [HG_OP_AND] = and_of,
                                                [HG_OP_OR] = or_of,
                                                [HG_OP_XOR] = xor_of,
                                                [HG_OP_NOT] = not_of,
                                                [HG_OP_SHL] = shl_of,
                                                [HG_OP_SHR] = shr_of,
                                                HG_SCALAR_MATH1(MATH_ROW) MATH_ROW(POW, pow)};

uint64_t hg_ref_eval(const struct hg_insn *insn, uint64_t a, uint64_t b, uint64_t c, bool ftz)
{
    if (insn->op == HG_OP_MOV) {
        return a;
    }
    HG_REQUIRE(evals[insn->op] != NULL);
    return evals[insn->op]((enum hg_dtype)insn->type, a, b, c, ftz);
}

/* ---- conversions and comparisons ------------------------------------------------------------- */

#define CONVERT_FROM(NAME, from, to)                                                               \
    case HG_##NAME:                                                                                \
        return hg_scalar_put_##to(hg_scalar_cvt_##to##_##from(hg_scalar_get_##from(a), ftz));
#define CONVERT_TO(NAME, to, T, U, W)                                                              \
    static uint64_t to_##to(enum hg_dtype from, uint64_t a, bool ftz)                              \
    {                                                                                              \
        switch (from) {                                                                            \
            CONVERT_FROM(I8, i8, to)                                                               \
            CONVERT_FROM(I16, i16, to)                                                             \
            CONVERT_FROM(I32, i32, to)                                                             \
            CONVERT_FROM(I64, i64, to)                                                             \
            CONVERT_FROM(U8, u8, to)                                                               \
            CONVERT_FROM(U16, u16, to)                                                             \
            CONVERT_FROM(U32, u32, to)                                                             \
            CONVERT_FROM(U64, u64, to)                                                             \
            CONVERT_FROM(F16, f16, to)                                                             \
            CONVERT_FROM(BF16, bf16, to)                                                           \
            CONVERT_FROM(F32, f32, to)                                                             \
            CONVERT_FROM(F64, f64, to)                                                             \
        default:                                                                                   \
            HG_REQUIRE(false);                                                                     \
            return 0;                                                                              \
        }                                                                                          \
    }
HG_SCALAR_ALL(CONVERT_TO)

uint64_t hg_ref_convert(enum hg_dtype to, enum hg_dtype from, uint64_t a, bool ftz)
{
#define CONVERT_CASE(NAME, t, T, U, W)                                                             \
    case HG_##NAME:                                                                                \
        return to_##t(from, a, ftz);
    switch (to) {
        HG_SCALAR_ALL(CONVERT_CASE)
    default:
        HG_REQUIRE(false);
        return 0;
    }
}

/* The unsigned conditions are the plain ones of unsigned types. */
static enum hg_cond plain_condition(enum hg_cond cond)
{
    return cond >= HG_COND_LTU ? (enum hg_cond)(cond - HG_COND_LTU + HG_COND_LT) : cond;
}

#define COMPARE_COND(NAME, name, operator, t)                                                      \
    case HG_COND_##NAME:                                                                           \
        return hg_scalar_##name##_##t(hg_scalar_get_##t(a), hg_scalar_get_##t(b), ftz);
#define COMPARE_TYPE(NAME, t, T, U, W)                                                             \
    static bool compare_##t(enum hg_cond cond, uint64_t a, uint64_t b, bool ftz)                   \
    {                                                                                              \
        switch (cond) {                                                                            \
            HG_SCALAR_CONDITIONS(COMPARE_COND, t)                                                  \
        default:                                                                                   \
            HG_REQUIRE(false);                                                                     \
            return false;                                                                          \
        }                                                                                          \
    }
HG_SCALAR_ALL(COMPARE_TYPE)

bool hg_ref_compare(enum hg_cond cond, enum hg_dtype type, uint64_t a, uint64_t b, bool ftz)
{
#define COMPARE_CASE(NAME, t, T, U, W)                                                             \
    case HG_##NAME:                                                                                \
        return compare_##t(plain_condition(cond), a, b, ftz);
    switch (type) {
        HG_SCALAR_ALL(COMPARE_CASE)
    default:
        HG_REQUIRE(false);
        return false;
    }
}

/* ---- REDUCE.REGS ----------------------------------------------------------------------------- */

/* Left to right from the first register; halves fold in F32 and round once. */
uint64_t hg_ref_reduce_regs(const struct hg_insn *insn, const uint64_t *registers, bool ftz)
{
    static const uint8_t ops[] = {HG_OP_ADD, HG_OP_MIN, HG_OP_MAX, HG_OP_MUL};
    unsigned op = insn->op - HG_OP_REDUCE_REGS_ADD;
    enum hg_dtype type = (enum hg_dtype)insn->type;
    enum hg_dtype wide = hg_dtype_in(type, HG_DT_HALF) ? HG_F32 : type;
    if (insn->count == 0) {
        return hg_kernels_generic.reduce[0][op][type].empty;
    }
    struct hg_insn fold = {.op = ops[op], .type = (uint8_t)wide};
    uint64_t sum = hg_ref_convert(wide, type, registers[0], ftz);
    for (unsigned i = 1; i < insn->count; i++) {
        sum = hg_ref_eval(&fold, sum, hg_ref_convert(wide, type, registers[i], ftz), 0, ftz);
    }
    return hg_ref_convert(type, wide, sum, ftz);
}
