/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instructions that compute with floats, as sequences of vector operations; and those that compute
 * with either kind, folds and comparisons.
 */
#include "lib/native/emit.h"

/* ---- floats ---------------------------------------------------------------------------------- */

/* A constant that is no NaN, and no denormal. */
static bool plain_constant(const struct hg_vop *vop, unsigned width)
{
    if (vop->op != HG_VOP_CONST) {
        return false;
    }
    unsigned mantissa = width == 3 ? 52 : 23;
    uint64_t exponents = width == 3 ? 0x7ff : 0xff;
    uint64_t exponent = vop->bits >> mantissa & exponents;
    uint64_t fraction = vop->bits & ((UINT64_C(1) << mantissa) - 1);
    return exponent == 0 ? fraction == 0 : exponent != exponents || fraction == 0;
}

/* A product with 1 changes nothing else. */
hg_val hg_lower_quiet(struct hg_emit *emit, unsigned width, hg_val a)
{
    const struct hg_vop *vop = &emit->ops[a];
    if ((vop->flags & HG_VOP_QUIET) != 0 || plain_constant(vop, width)) {
        return a;
    }
    hg_val one = width == 3 ? hg_emit_const_f64(emit, 1.0) : hg_emit_const_f32(emit, 1.0f);
    return hg_emit_binary(emit, HG_VOP_FMUL, width, a, one);
}

/* x86's MIN and MAX give the second operand where one is NaN or both are 0: with a constant that is
 * right but for one of the zeros. */
static bool suits_plain(const struct hg_emit *emit, unsigned width, hg_val b, bool greatest)
{
    const struct hg_vop *vop = &emit->ops[b];
    if (!plain_constant(vop, width)) {
        return false;
    }
    uint64_t sign = width == 3 ? UINT64_C(1) << 63 : UINT64_C(1) << 31;
    return vop->bits != (greatest ? sign : 0);
}

static hg_val minmax(struct hg_emit *emit, unsigned width, hg_val a, hg_val b, bool greatest)
{
    enum hg_vop_code plain = greatest ? HG_VOP_FMAX : HG_VOP_FMIN;
    if (emit->ftz) {
        a = hg_lower_quiet(emit, width, a);
        b = hg_lower_quiet(emit, width, b);
    }
    if (suits_plain(emit, width, b, greatest)) {
        return hg_emit_binary(emit, plain, width, a, b);
    }
    if (suits_plain(emit, width, a, greatest)) {
        return hg_emit_binary(emit, plain, width, b, a);
    }
    if (emit->level == HG_ISA_AVX512) {
        a = hg_lower_quiet(emit, width, a);
        b = hg_lower_quiet(emit, width, b);
        return hg_emit_op(emit, HG_VOP_FRANGE, width, greatest ? 5 : 4, a, b, HG_VAL_NONE);
    }
    /* The other operand for a NaN in b, which is the second; of equals both's bits, or what they
     * share: they are the same but for the sign of a zero. */
    hg_val chosen = hg_emit_binary(emit, plain, width, a, b);
    hg_val is_nan = hg_emit_op(emit, HG_VOP_FCMP, width, HG_CMP_UNORDERED, b, b, HG_VAL_NONE);
    hg_val number = hg_emit_select(emit, width, is_nan, a, chosen);
    hg_val equal = hg_emit_op(emit, HG_VOP_FCMP, width, HG_CMP_EQ, a, b, HG_VAL_NONE);
    hg_val both = hg_emit_binary(emit, greatest ? HG_VOP_IAND : HG_VOP_IOR, width, a, b);
    return hg_emit_select(emit, width, equal, both, number);
}

/* F32 and F64. */
static hg_val float_op(struct hg_emit *emit, enum hg_opcode op, unsigned width, hg_val a, hg_val b,
                       hg_val c)
{
    switch (op) {
    case HG_OP_ADD:
        return hg_emit_binary(emit, HG_VOP_FADD, width, a, b);
    case HG_OP_SUB:
        return hg_emit_binary(emit, HG_VOP_FSUB, width, a, b);
    case HG_OP_MUL:
        return hg_emit_binary(emit, HG_VOP_FMUL, width, a, b);
    case HG_OP_DIV:
        return hg_emit_binary(emit, HG_VOP_FDIV, width, a, b);
    case HG_OP_MAD:
        return hg_emit_binary(emit, HG_VOP_FADD, width,
                              hg_emit_binary(emit, HG_VOP_FMUL, width, a, b), c);
    case HG_OP_FMA:
        return hg_emit_op(emit, HG_VOP_FMA, width, 0, a, b, c);
    case HG_OP_MIN:
    case HG_OP_MAX:
        return minmax(emit, width, a, b, op == HG_OP_MAX);
    default:
        return hg_emit_math(emit, op, width, a, b);
    }
}

/* ABS and NEG move bits, in the type's own width. */
static hg_val sign_op(struct hg_emit *emit, enum hg_opcode op, unsigned width, hg_val a)
{
    uint64_t sign = UINT64_C(1) << ((8u << width) - 1);
    if (op == HG_OP_ABS) {
        return hg_emit_binary(emit, HG_VOP_IAND, width, a, hg_emit_const(emit, width, sign - 1));
    }
    return hg_emit_binary(emit, HG_VOP_IXOR, width, a, hg_emit_const(emit, width, sign));
}

hg_val hg_lower_float(struct hg_emit *emit, const struct hg_insn *insn, hg_val a, hg_val b,
                      hg_val c)
{
    enum hg_dtype type = (enum hg_dtype)insn->type;
    enum hg_opcode op = (enum hg_opcode)insn->op;
    if (op == HG_OP_ABS || op == HG_OP_NEG) {
        return sign_op(emit, op, hg_emit_width(type), a);
    }
    if (!hg_dtype_in(type, HG_DT_HALF)) {
        return float_op(emit, op, hg_emit_width(type), a, b, c);
    }
    /* Each instruction rounds once, at its destination; MAD is two. */
    hg_val wide[3] = {a, b, c};
    for (unsigned i = 0; i < 3; i++) {
        wide[i] = wide[i] != HG_VAL_NONE ? hg_lower_widen(emit, type, wide[i]) : HG_VAL_NONE;
    }
    if (op == HG_OP_MAD) {
        hg_val product = hg_emit_binary(emit, HG_VOP_FMUL, 2, wide[0], wide[1]);
        product = hg_lower_widen(emit, type, hg_lower_narrow(emit, type, product));
        return hg_lower_narrow(emit, type, hg_emit_binary(emit, HG_VOP_FADD, 2, product, wide[2]));
    }
    return hg_lower_narrow(emit, type, float_op(emit, op, 2, wide[0], wide[1], wide[2]));
}

/* ---- folds ----------------------------------------------------------------------------------- */

/* What a fold of nothing gives. */
static uint64_t empty_fold(enum hg_opcode op, enum hg_dtype type)
{
    static const uint64_t ones[HG_DTYPE_COUNT] = {
        1, 1, 1, 1, 1, 1, 1, 1, 0x3c00, 0x3f80, 0x3f800000, 0x3ff0000000000000};
    static const uint64_t infinities[HG_DTYPE_COUNT] = {[HG_F16] = 0x7c00,
                                                        [HG_BF16] = 0x7f80,
                                                        [HG_F32] = 0x7f800000,
                                                        [HG_F64] = 0x7ff0000000000000};
    uint64_t sign = UINT64_C(1) << (8 * hg_dtype_bytes(type) - 1);
    if (op == HG_OP_ADD) {
        return 0;
    }
    if (op == HG_OP_MUL) {
        return ones[type];
    }
    if (hg_dtype_in(type, HG_DT_FLOAT)) {
        return infinities[type] | (op == HG_OP_MAX ? sign : 0);
    }
    bool is_signed = hg_dtype_in(type, HG_DT_SINT);
    uint64_t most = is_signed ? sign - 1 : UINT64_MAX;
    return op == HG_OP_MIN ? most : is_signed ? sign : 0;
}

/* From the left, halves in F32 and rounded once; the first is taken in as any operand is. */
hg_val hg_lower_fold(struct hg_emit *emit, const struct hg_insn *insn, const hg_val *values,
                     unsigned count)
{
    static const uint8_t ops[] = {HG_OP_ADD, HG_OP_MIN, HG_OP_MAX, HG_OP_MUL};
    enum hg_dtype type = (enum hg_dtype)insn->type;
    enum hg_dtype wide = hg_dtype_in(type, HG_DT_HALF) ? HG_F32 : type;
    struct hg_insn step = {.op = ops[insn->op - HG_OP_REDUCE_REGS_ADD], .type = (uint8_t)wide};
    if (count == 0) {
        return hg_emit_const(emit, hg_emit_width(type), empty_fold((enum hg_opcode)step.op, type));
    }
    hg_val sum = hg_lower_convert(emit, wide, type, values[0]);
    for (unsigned i = 1; i < count; i++) {
        hg_val next = hg_lower_convert(emit, wide, type, values[i]);
        sum = hg_dtype_in(wide, HG_DT_FLOAT) ? hg_lower_float(emit, &step, sum, next, HG_VAL_NONE)
                                             : hg_lower_int(emit, &step, sum, next, HG_VAL_NONE, 0);
    }
    return hg_lower_convert(emit, type, wide, sum);
}

/* ---- comparisons ----------------------------------------------------------------------------- */

hg_val hg_lower_compare(struct hg_emit *emit, enum hg_cond cond, enum hg_dtype type, hg_val a,
                        hg_val b)
{
    static const uint8_t floats[] = {HG_CMP_EQ, HG_CMP_NE, HG_CMP_LT,
                                     HG_CMP_LE, HG_CMP_GT, HG_CMP_GE};
    static const uint8_t ints[] = {HG_ICMP_EQ, HG_ICMP_NE, HG_ICMP_LT, HG_ICMP_LE, HG_ICMP_GT,
                                   HG_ICMP_GE, HG_ICMP_LT, HG_ICMP_LE, HG_ICMP_GT, HG_ICMP_GE};
    unsigned width = hg_emit_width(type);
    if (hg_dtype_in(type, HG_DT_INT)) {
        return hg_lower_int_compare(emit, width, hg_dtype_in(type, HG_DT_SINT), ints[cond], a, b);
    }
    if (hg_dtype_in(type, HG_DT_HALF)) {
        a = hg_lower_widen(emit, type, a);
        b = hg_lower_widen(emit, type, b);
        width = 2;
    }
    return hg_emit_op(emit, HG_VOP_FCMP, width, floats[cond], a, b, HG_VAL_NONE);
}
