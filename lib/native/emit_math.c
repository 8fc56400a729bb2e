/* SPDX-License-Identifier: Apache-2.0 */
/* The transcendentals, from their one definition: each primitive appends its vector operation. */
#include "lib/isa/math_tables.h"
#include "lib/native/emit.h"

static hg_val op1(struct hg_emit *emit, enum hg_vop_code op, unsigned width, hg_val a)
{
    return hg_emit_op(emit, op, width, 0, a, HG_VAL_NONE, HG_VAL_NONE);
}

static hg_val op2(struct hg_emit *emit, enum hg_vop_code op, unsigned width, hg_val a, hg_val b)
{
    return hg_emit_op(emit, op, width, 0, a, b, HG_VAL_NONE);
}

static hg_val op3(struct hg_emit *emit, enum hg_vop_code op, unsigned width, hg_val a, hg_val b,
                  hg_val c)
{
    return hg_emit_op(emit, op, width, 0, a, b, c);
}

/* Comparisons and shifts: what else they take is part of the operation. */
static hg_val op_imm(struct hg_emit *emit, enum hg_vop_code op, unsigned width, unsigned imm,
                     hg_val a, hg_val b)
{
    return hg_emit_op(emit, op, width, imm, a, b, HG_VAL_NONE);
}

static hg_val lookup(struct hg_emit *emit, const double *table, hg_val index)
{
    hg_val v = op1(emit, HG_VOP_GATHER, 3, index);
    emit->ops[v].bits = (uint64_t)(uintptr_t)table;
    return v;
}

/* 2^K for an integer K that the exponent's field can hold. */
static hg_val shifted_power(struct hg_emit *emit, unsigned width, hg_val k)
{
    unsigned mantissa = width == 3 ? 52 : 23;
    uint64_t one = width == 3 ? UINT64_C(0x3ff0000000000000) : 0x3f800000;
    return op2(emit, HG_VOP_IADD, width, op_imm(emit, HG_VOP_ISHL, width, mantissa, k, HG_VAL_NONE),
               hg_emit_const(emit, width, one));
}

/* AVX2 has no instruction for it: 2^K in two factors, as in math_scalar.h. */
static hg_val scale(struct hg_emit *emit, unsigned width, hg_val a, hg_val shifted, hg_val k)
{
    if (emit->level == HG_ISA_AVX512) {
        return op2(emit, HG_VOP_FSCALE, width, a, k);
    }
    hg_val half = op_imm(emit, HG_VOP_ISHR, width, 1, shifted, HG_VAL_NONE);
    hg_val rest = op2(emit, HG_VOP_ISUB, width, shifted, half);
    hg_val product = op2(emit, HG_VOP_FMUL, width, a, shifted_power(emit, width, half));
    return op2(emit, HG_VOP_FMUL, width, product, shifted_power(emit, width, rest));
}

static hg_val power(struct hg_emit *emit, unsigned width, hg_val shifted, hg_val k)
{
    if (emit->level != HG_ISA_AVX512) {
        return shifted_power(emit, width, shifted);
    }
    hg_val one = width == 3 ? hg_emit_const_f64(emit, 1.0) : hg_emit_const_f32(emit, 1.0f);
    return op2(emit, HG_VOP_FSCALE, width, one, k);
}

/* The primitives of math.def. */
#define HGM_UNARY32(name, x)                                                                       \
    static hg_val math_##name(struct hg_emit *emit, hg_val x, hg_val unused)                       \
    {                                                                                              \
        (void)unused;
#define HGM_UNARY64 HGM_UNARY32
#define HGM_BINARY32(name, x, y)                                                                   \
    static hg_val math_##name(struct hg_emit *emit, hg_val x, hg_val y)                            \
    {
#define HGM_BINARY64     HGM_BINARY32
#define HGM_END          }
#define HGM_RESULT(e)    return (e)
#define HGM_LET32(v, e)  const hg_val v = (e)
#define HGM_LET64(v, e)  const hg_val v = (e)
#define HGM_LETI32(v, e) const hg_val v = (e)
#define HGM_LETI64(v, e) const hg_val v = (e)
#define HGM_LETM32(v, e) const hg_val v = (e)
#define HGM_LETM64(v, e) const hg_val v = (e)

#define HGM_C32(c)           hg_emit_const_f32(emit, c)
#define HGM_IC32(c)          hg_emit_const(emit, 2, (uint32_t)(c))
#define HGM_ADD32(a, b)      op2(emit, HG_VOP_FADD, 2, a, b)
#define HGM_SUB32(a, b)      op2(emit, HG_VOP_FSUB, 2, a, b)
#define HGM_MUL32(a, b)      op2(emit, HG_VOP_FMUL, 2, a, b)
#define HGM_DIV32(a, b)      op2(emit, HG_VOP_FDIV, 2, a, b)
#define HGM_FMA32(a, b, c)   op3(emit, HG_VOP_FMA, 2, a, b, c)
#define HGM_FNMA32(a, b, c)  op3(emit, HG_VOP_FNMA, 2, a, b, c)
#define HGM_SQRT32(a)        op1(emit, HG_VOP_FSQRT, 2, a)
#define HGM_SCALE32(a, s, k) scale(emit, 2, a, s, k)
#define HGM_POWER32(s, k)    power(emit, 2, s, k)
#define HGM_MAX32(a, b)      op2(emit, HG_VOP_FMAX, 2, a, b)
#define HGM_MIN32(a, b)      op2(emit, HG_VOP_FMIN, 2, a, b)
#define HGM_LT32(a, b)       op_imm(emit, HG_VOP_FCMP, 2, HG_CMP_LT, a, b)
#define HGM_EQ32(a, b)       op_imm(emit, HG_VOP_FCMP, 2, HG_CMP_EQ, a, b)
#define HGM_SEL32(m, t, f)   hg_emit_select(emit, 2, m, t, f)
#define HGM_BITS32(a)        (a)
#define HGM_FLOAT32(i)       (i)
#define HGM_IADD32(a, b)     op2(emit, HG_VOP_IADD, 2, a, b)
#define HGM_ISUB32(a, b)     op2(emit, HG_VOP_ISUB, 2, a, b)
#define HGM_IAND32(a, b)     op2(emit, HG_VOP_IAND, 2, a, b)
#define HGM_IOR32(a, b)      op2(emit, HG_VOP_IOR, 2, a, b)
#define HGM_IXOR32(a, b)     op2(emit, HG_VOP_IXOR, 2, a, b)
#define HGM_ISHL32(i, k)     op_imm(emit, HG_VOP_ISHL, 2, k, i, HG_VAL_NONE)
#define HGM_ISHR32(i, k)     op_imm(emit, HG_VOP_ISHR, 2, k, i, HG_VAL_NONE)

#define HGM_C64(c)           hg_emit_const_f64(emit, c)
#define HGM_IC64(c)          hg_emit_const(emit, 3, c)
#define HGM_ADD64(a, b)      op2(emit, HG_VOP_FADD, 3, a, b)
#define HGM_SUB64(a, b)      op2(emit, HG_VOP_FSUB, 3, a, b)
#define HGM_MUL64(a, b)      op2(emit, HG_VOP_FMUL, 3, a, b)
#define HGM_DIV64(a, b)      op2(emit, HG_VOP_FDIV, 3, a, b)
#define HGM_FMA64(a, b, c)   op3(emit, HG_VOP_FMA, 3, a, b, c)
#define HGM_FNMA64(a, b, c)  op3(emit, HG_VOP_FNMA, 3, a, b, c)
#define HGM_SQRT64(a)        op1(emit, HG_VOP_FSQRT, 3, a)
#define HGM_SCALE64(a, s, k) scale(emit, 3, a, s, k)
#define HGM_POWER64(s, k)    power(emit, 3, s, k)
#define HGM_MAX64(a, b)      op2(emit, HG_VOP_FMAX, 3, a, b)
#define HGM_MIN64(a, b)      op2(emit, HG_VOP_FMIN, 3, a, b)
#define HGM_LT64(a, b)       op_imm(emit, HG_VOP_FCMP, 3, HG_CMP_LT, a, b)
#define HGM_EQ64(a, b)       op_imm(emit, HG_VOP_FCMP, 3, HG_CMP_EQ, a, b)
#define HGM_MAND64(m, n)     op2(emit, HG_VOP_MAND, 3, m, n)
#define HGM_MOR64(m, n)      op2(emit, HG_VOP_MOR, 3, m, n)
#define HGM_MNOT64(m)        op1(emit, HG_VOP_MNOT, 3, m)
#define HGM_SEL64(m, t, f)   hg_emit_select(emit, 3, m, t, f)
#define HGM_BITS64(a)        (a)
#define HGM_FLOAT64(i)       (i)
#define HGM_IADD64(a, b)     op2(emit, HG_VOP_IADD, 3, a, b)
#define HGM_ISUB64(a, b)     op2(emit, HG_VOP_ISUB, 3, a, b)
#define HGM_IAND64(a, b)     op2(emit, HG_VOP_IAND, 3, a, b)
#define HGM_IOR64(a, b)      op2(emit, HG_VOP_IOR, 3, a, b)
#define HGM_IXOR64(a, b)     op2(emit, HG_VOP_IXOR, 3, a, b)
#define HGM_ISHL64(i, k)     op_imm(emit, HG_VOP_ISHL, 3, k, i, HG_VAL_NONE)
#define HGM_ISHR64(i, k)     op_imm(emit, HG_VOP_ISHR, 3, k, i, HG_VAL_NONE)

#define HGM_RINT64(a)             op1(emit, HG_VOP_FRINT, 3, a)
#define HGM_WIDEN(a)              op1(emit, HG_VOP_F64_F32, 3, a)
#define HGM_NARROW(a)             op1(emit, HG_VOP_F32_F64, 2, a)
#define HGM_LOOKUP64(table, i, k) lookup(emit, (table) + (k), i)
#define HGM_INZ64(i)              hg_lower_int_compare(emit, 3, true, 4, i, HGM_IC64(0))

#include "lib/isa/math.def"

typedef hg_val math_fn(struct hg_emit *emit, hg_val a, hg_val b);

hg_val hg_emit_math(struct hg_emit *emit, enum hg_opcode op, unsigned width, hg_val a, hg_val b)
{
#define ROW(NAME, name) [HG_OP_##NAME - HG_OP_EXP] = { math_##name##_f32, math_##name##_f64 }
    static math_fn *const rows[][2] = {
        ROW(EXP, exp),         ROW(LOG, log), ROW(LOG2, log2), ROW(LOG10, log10), ROW(SQRT, sqrt),
        ROW(RSQRT, rsqrt),     ROW(SIN, sin), ROW(COS, cos),   ROW(TAN, tan),     ROW(TANH, tanh),
        ROW(SIGMOID, sigmoid), ROW(ERF, erf), ROW(POW, pow),
    };
#undef ROW
    return rows[op - HG_OP_EXP][width == 3](emit, a, b);
}
