/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions that compute, as sequences of vector operations. */
#include "lib/native/emit.h"

/* x86's predicates of comparisons: ordered ones are false if one is NaN. */
enum { CMP_EQ = 0x00, CMP_LT = 0x11, CMP_LE = 0x12, CMP_NE = 0x04, CMP_GE = 0x1d, CMP_GT = 0x1e };
enum { CMP_UNORDERED = 0x03 };
/* Those of integers. */
enum { ICMP_EQ, ICMP_LT, ICMP_LE, ICMP_FALSE, ICMP_NE, ICMP_GE, ICMP_GT };

static unsigned log2_bytes(enum hg_dtype type)
{
    return (unsigned)__builtin_ctz(hg_dtype_bytes(type));
}

/* ---- halves ---------------------------------------------------------------------------------- */

hg_val hg_lower_widen(struct hg_emit *emit, enum hg_dtype type, hg_val a)
{
    if (type == HG_F16) {
        return hg_emit_unary(emit, HG_VOP_F32_F16, 2, a);
    }
    hg_val wide = hg_lower_resize(emit, 2, 1, false, a);
    return hg_emit_op(emit, HG_VOP_ISHL, 2, 16, wide, HG_VAL_NONE, HG_VAL_NONE);
}

/* BF16: the upper half, rounded to nearest even; NaNs stay NaNs. */
static hg_val narrow_bf16(struct hg_emit *emit, hg_val a)
{
    hg_val odd = hg_emit_op(emit, HG_VOP_ISHR, 2, 16, a, HG_VAL_NONE, HG_VAL_NONE);
    hg_val bit = hg_emit_binary(emit, HG_VOP_IAND, 2, odd, hg_emit_const(emit, 2, 1));
    hg_val up = hg_emit_binary(emit, HG_VOP_IADD, 2, bit, hg_emit_const(emit, 2, 0x7fff));
    hg_val sum = hg_emit_binary(emit, HG_VOP_IADD, 2, up, a);
    hg_val rounded = hg_emit_op(emit, HG_VOP_ISHR, 2, 16, sum, HG_VAL_NONE, HG_VAL_NONE);
    hg_val is_nan = hg_emit_op(emit, HG_VOP_FCMP, 2, CMP_UNORDERED, a, a, HG_VAL_NONE);
    hg_val nan = hg_emit_const(emit, 2, 0x7fc0);
    hg_val bits = hg_emit_select(emit, 2, is_nan, nan, rounded);
    return hg_lower_resize(emit, 1, 2, false, bits);
}

hg_val hg_lower_narrow(struct hg_emit *emit, enum hg_dtype type, hg_val a)
{
    return type == HG_F16 ? hg_emit_unary(emit, HG_VOP_F16_F32, 1, a) : narrow_bf16(emit, a);
}

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
    hg_val is_nan = hg_emit_op(emit, HG_VOP_FCMP, width, CMP_UNORDERED, b, b, HG_VAL_NONE);
    hg_val number = hg_emit_select(emit, width, is_nan, a, chosen);
    hg_val equal = hg_emit_op(emit, HG_VOP_FCMP, width, CMP_EQ, a, b, HG_VAL_NONE);
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
        return sign_op(emit, op, log2_bytes(type), a);
    }
    if (!hg_dtype_in(type, HG_DT_HALF)) {
        return float_op(emit, op, log2_bytes(type), a, b, c);
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

/* ---- integers -------------------------------------------------------------------------------- */

hg_val hg_lower_resize(struct hg_emit *emit, unsigned to, unsigned from, bool is_signed, hg_val a)
{
    static const uint8_t zero[4][4] = {
        [1] = {HG_VOP_ZX_1_0},
        [2] = {HG_VOP_ZX_2_0, HG_VOP_ZX_2_1},
        [3] = {HG_VOP_ZX_3_0, HG_VOP_ZX_3_1, HG_VOP_ZX_3_2},
    };
    static const uint8_t cut[4][4] = {
        [0] = {[1] = HG_VOP_CUT_0_1, [2] = HG_VOP_CUT_0_2, [3] = HG_VOP_CUT_0_3},
        [1] = {[2] = HG_VOP_CUT_1_2, [3] = HG_VOP_CUT_1_3},
        [2] = {[3] = HG_VOP_CUT_2_3},
    };
    if (to == from) {
        return a;
    }
    if (to < from) {
        return hg_emit_op(emit, (enum hg_vop_code)cut[to][from], to, from, a, HG_VAL_NONE,
                          HG_VAL_NONE);
    }
    unsigned op = zero[to][from] + (is_signed ? HG_VOP_SX_1_0 - HG_VOP_ZX_1_0 : 0u);
    return hg_emit_op(emit, (enum hg_vop_code)op, to, from, a, HG_VAL_NONE, HG_VAL_NONE);
}

/* A divisor that may be 0 is found before it divides; with AVX2 as one of at least 32 bits. */
static void check_divisor(struct hg_emit *emit, unsigned width, hg_val b, uint32_t pc)
{
    if (emit->ops[b].op == HG_VOP_CONST && emit->ops[b].bits != 0) {
        return;
    }
    if (emit->level != HG_ISA_AVX512 && width < 2) {
        b = hg_lower_resize(emit, 2, width, false, b);
        width = 2;
    }
    hg_val check = hg_emit_op(emit, HG_VOP_CHECK, width, 0, b, HG_VAL_NONE, HG_VAL_NONE);
    emit->ops[check].bits = pc;
    emit->region->can_fail = true;
}

/* The divisors that a division traps on are replaced in the register that divides: by -1 it is
 * negation, of which MIN is its own. */
static hg_val divide_longs(struct hg_emit *emit, bool is_signed, hg_val a, hg_val b)
{
    hg_val zero = hg_emit_const(emit, 3, 0);
    hg_val one = hg_emit_const(emit, 3, 1);
    hg_val is_zero = hg_lower_int_compare(emit, 3, is_signed, ICMP_EQ, b, zero);
    hg_val divisor = hg_emit_select(emit, 3, is_zero, one, b);
    if (!is_signed) {
        return hg_emit_op(emit, HG_VOP_QUOT, 3, 0, a, divisor, HG_VAL_NONE);
    }
    hg_val minus_one = hg_emit_const(emit, 3, UINT64_MAX);
    hg_val negates = hg_lower_int_compare(emit, 3, true, ICMP_EQ, b, minus_one);
    divisor = hg_emit_select(emit, 3, negates, one, divisor);
    hg_val quotient = hg_emit_op(emit, HG_VOP_QUOT, 3, 1, a, divisor, HG_VAL_NONE);
    hg_val negated = hg_emit_binary(emit, HG_VOP_ISUB, 3, zero, a);
    return hg_emit_select(emit, 3, negates, negated, quotient);
}

/*
 * Quotients of up to 32 bits are exact after truncation of a float quotient with twice the bits; a
 * zero divisor is found first. MIN / -1 truncates to MIN: up to 16 bits as 2^15 wraps, of 32 as
 * what x86 gives for a number out of range.
 */
static hg_val divide(struct hg_emit *emit, enum hg_dtype type, hg_val a, hg_val b, uint32_t pc)
{
    unsigned width = log2_bytes(type);
    bool is_signed = hg_dtype_in(type, HG_DT_SINT);
    check_divisor(emit, width, b, pc);
    if (width == 3) {
        return divide_longs(emit, is_signed, a, b);
    }
    if (width < 2) {
        hg_val x =
            hg_emit_unary(emit, HG_VOP_F32_I32, 2, hg_lower_resize(emit, 2, width, is_signed, a));
        hg_val y =
            hg_emit_unary(emit, HG_VOP_F32_I32, 2, hg_lower_resize(emit, 2, width, is_signed, b));
        hg_val q =
            hg_emit_unary(emit, HG_VOP_TI32_F32, 2, hg_emit_binary(emit, HG_VOP_FDIV, 2, x, y));
        return hg_lower_resize(emit, width, 2, false, q);
    }
    enum hg_vop_code widen = is_signed ? HG_VOP_F64_I32 : HG_VOP_F64_U32;
    hg_val x = hg_emit_unary(emit, widen, 3, a);
    hg_val y = hg_emit_unary(emit, widen, 3, b);
    hg_val q = hg_emit_binary(emit, HG_VOP_FDIV, 3, x, y);
    return hg_emit_unary(emit, is_signed ? HG_VOP_TI32_F64 : HG_VOP_TU32_F64, 2, q);
}

/* Amounts are U32, masked by the width of the type; narrow types are shifted in 32 bits. */
static hg_val shift(struct hg_emit *emit, enum hg_opcode op, enum hg_dtype type, hg_val a, hg_val b)
{
    unsigned width = log2_bytes(type);
    bool is_signed = hg_dtype_in(type, HG_DT_SINT);
    unsigned wide = width < 2 ? 2 : width;
    enum hg_vop_code code = op == HG_OP_SHL ? HG_VOP_ISHLV
                            : is_signed     ? HG_VOP_ISARV
                                            : HG_VOP_ISHRV;
    hg_val amount =
        hg_emit_binary(emit, HG_VOP_IAND, 2, b, hg_emit_const(emit, 2, (8u << width) - 1));
    amount = hg_lower_resize(emit, wide, 2, false, amount);
    hg_val value = hg_lower_resize(emit, wide, width, is_signed, a);
    value = hg_emit_binary(emit, code, wide, value, amount);
    return hg_lower_resize(emit, width, wide, false, value);
}

static hg_val multiply(struct hg_emit *emit, enum hg_dtype type, hg_val a, hg_val b)
{
    unsigned width = log2_bytes(type);
    if (width != 0) {
        return hg_emit_binary(emit, HG_VOP_IMUL, width, a, b);
    }
    hg_val wide = hg_emit_binary(emit, HG_VOP_IMUL, 1, hg_lower_resize(emit, 1, 0, false, a),
                                 hg_lower_resize(emit, 1, 0, false, b));
    return hg_lower_resize(emit, 0, 1, false, wide);
}

hg_val hg_lower_int(struct hg_emit *emit, const struct hg_insn *insn, hg_val a, hg_val b, hg_val c,
                    uint32_t pc)
{
    enum hg_dtype type = (enum hg_dtype)insn->type;
    unsigned width = log2_bytes(type);
    bool is_signed = hg_dtype_in(type, HG_DT_SINT);
    switch (insn->op) {
    case HG_OP_ADD:
        return hg_emit_binary(emit, HG_VOP_IADD, width, a, b);
    case HG_OP_SUB:
        return hg_emit_binary(emit, HG_VOP_ISUB, width, a, b);
    case HG_OP_MUL:
        return multiply(emit, type, a, b);
    case HG_OP_MAD:
        return hg_emit_binary(emit, HG_VOP_IADD, width, multiply(emit, type, a, b), c);
    case HG_OP_DIV:
        return divide(emit, type, a, b, pc);
    case HG_OP_MIN:
        return hg_emit_binary(emit, is_signed ? HG_VOP_IMINS : HG_VOP_IMINU, width, a, b);
    case HG_OP_MAX:
        return hg_emit_binary(emit, is_signed ? HG_VOP_IMAXS : HG_VOP_IMAXU, width, a, b);
    case HG_OP_AND:
        return hg_emit_binary(emit, HG_VOP_IAND, width, a, b);
    case HG_OP_OR:
        return hg_emit_binary(emit, HG_VOP_IOR, width, a, b);
    case HG_OP_XOR:
        return hg_emit_binary(emit, HG_VOP_IXOR, width, a, b);
    case HG_OP_NOT:
        return hg_emit_binary(emit, HG_VOP_IXOR, width, a, hg_emit_const(emit, width, UINT64_MAX));
    case HG_OP_ABS:
        return hg_emit_unary(emit, HG_VOP_IABS, width, a);
    case HG_OP_NEG:
        return hg_emit_binary(emit, HG_VOP_ISUB, width, hg_emit_const(emit, width, 0), a);
    default:
        return shift(emit, (enum hg_opcode)insn->op, type, a, b);
    }
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
        return hg_emit_const(emit, log2_bytes(type), empty_fold((enum hg_opcode)step.op, type));
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

/* AVX2 has but EQ and, signed, GT. */
hg_val hg_lower_int_compare(struct hg_emit *emit, unsigned width, bool is_signed, unsigned cond,
                            hg_val a, hg_val b)
{
    if (emit->level == HG_ISA_AVX512) {
        return hg_emit_op(emit, is_signed ? HG_VOP_ICMPS : HG_VOP_ICMPU, width, cond, a, b,
                          HG_VAL_NONE);
    }
    bool equality = cond == ICMP_EQ || cond == ICMP_NE;
    if (!is_signed && !equality) {
        hg_val sign = hg_emit_const(emit, width, UINT64_C(1) << ((8u << width) - 1));
        a = hg_emit_binary(emit, HG_VOP_IXOR, width, a, sign);
        b = hg_emit_binary(emit, HG_VOP_IXOR, width, b, sign);
    }
    bool swap = cond == ICMP_LT || cond == ICMP_GE;
    hg_val mask = hg_emit_op(emit, HG_VOP_ICMPS, width, equality ? ICMP_EQ : ICMP_GT, swap ? b : a,
                             swap ? a : b, HG_VAL_NONE);
    bool negate = cond == ICMP_NE || cond == ICMP_LE || cond == ICMP_GE;
    return negate ? hg_emit_unary(emit, HG_VOP_MNOT, width, mask) : mask;
}

hg_val hg_lower_compare(struct hg_emit *emit, enum hg_cond cond, enum hg_dtype type, hg_val a,
                        hg_val b)
{
    static const uint8_t floats[] = {CMP_EQ, CMP_NE, CMP_LT, CMP_LE, CMP_GT, CMP_GE};
    static const uint8_t ints[] = {ICMP_EQ, ICMP_NE, ICMP_LT, ICMP_LE, ICMP_GT,
                                   ICMP_GE, ICMP_LT, ICMP_LE, ICMP_GT, ICMP_GE};
    unsigned width = log2_bytes(type);
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

/* ---- conversions ----------------------------------------------------------------------------- */

/* Integers to F32 or F64: rounded once by the hardware. */
static hg_val float_of_int(struct hg_emit *emit, unsigned to, enum hg_dtype from, hg_val a)
{
    unsigned width = log2_bytes(from);
    bool is_signed = hg_dtype_in(from, HG_DT_SINT);
    if (width < 2) {
        a = hg_lower_resize(emit, 2, width, is_signed, a);
        return hg_emit_unary(emit, to == 3 ? HG_VOP_F64_I32 : HG_VOP_F32_I32, to, a);
    }
    enum hg_vop_code op;
    if (width == 2) {
        op = to == 3 ? (is_signed ? HG_VOP_F64_I32 : HG_VOP_F64_U32)
                     : (is_signed ? HG_VOP_F32_I32 : HG_VOP_F32_U32);
    } else {
        op = to == 3 ? (is_signed ? HG_VOP_F64_I64 : HG_VOP_F64_U64)
                     : (is_signed ? HG_VOP_F32_I64 : HG_VOP_F32_U64);
    }
    return hg_emit_unary(emit, op, to, a);
}

static hg_val float_const(struct hg_emit *emit, unsigned width, double value)
{
    return width == 3 ? hg_emit_const_f64(emit, value) : hg_emit_const_f32(emit, (float)value);
}

/* Unsigned of 32 and 64 bits: what is negative or NaN becomes 0 first, and what is too large gives
 * the largest, which is what x86 gives for it. */
static hg_val wide_unsigned(struct hg_emit *emit, unsigned to, unsigned from, hg_val a)
{
    hg_val x = hg_emit_binary(emit, HG_VOP_FMAX, from, a, float_const(emit, from, 0));
    enum hg_vop_code op = to == 3 ? (from == 3 ? HG_VOP_TU64_F64 : HG_VOP_TU64_F32)
                                  : (from == 3 ? HG_VOP_TU32_F64 : HG_VOP_TU32_F32);
    return hg_emit_unary(emit, op, to, x);
}

/* Signed of 32 and 64 bits: x86 gives MIN for all that is out of range. */
static hg_val wide_signed(struct hg_emit *emit, unsigned to, unsigned from, hg_val a)
{
    enum hg_vop_code op = to == 3 ? (from == 3 ? HG_VOP_TI64_F64 : HG_VOP_TI64_F32)
                                  : (from == 3 ? HG_VOP_TI32_F64 : HG_VOP_TI32_F32);
    hg_val limit = float_const(emit, from, to == 3 ? 0x1p+63 : 0x1p+31);
    hg_val most = hg_emit_const(emit, to, to == 3 ? INT64_MAX : INT32_MAX);
    hg_val result = hg_emit_unary(emit, op, to, a);
    hg_val large = hg_emit_op(emit, HG_VOP_FCMP, from, CMP_GE, a, limit, HG_VAL_NONE);
    result = hg_emit_select(emit, to, large, most, result);
    hg_val is_nan = hg_emit_op(emit, HG_VOP_FCMP, from, CMP_UNORDERED, a, a, HG_VAL_NONE);
    return hg_emit_select(emit, to, is_nan, hg_emit_const(emit, to, 0), result);
}

/* Narrow ones: clamped to their range as floats. */
static hg_val narrow_int(struct hg_emit *emit, enum hg_dtype to, unsigned from, hg_val a)
{
    unsigned width = log2_bytes(to);
    double most = width == 0 ? 255 : 65535;
    double least = 0;
    if (hg_dtype_in(to, HG_DT_SINT)) {
        most = width == 0 ? 127 : 32767;
        least = -most - 1;
    }
    hg_val x = hg_emit_binary(emit, HG_VOP_FMAX, from, a, float_const(emit, from, least));
    x = hg_emit_binary(emit, HG_VOP_FMIN, from, x, float_const(emit, from, most));
    hg_val result = hg_emit_unary(emit, from == 3 ? HG_VOP_TI32_F64 : HG_VOP_TI32_F32, 2, x);
    hg_val is_nan = hg_emit_op(emit, HG_VOP_FCMP, from, CMP_UNORDERED, a, a, HG_VAL_NONE);
    result = hg_emit_select(emit, 2, is_nan, hg_emit_const(emit, 2, 0), result);
    return hg_lower_resize(emit, width, 2, false, result);
}

static hg_val int_of_float(struct hg_emit *emit, enum hg_dtype to, unsigned from, hg_val a)
{
    unsigned width = log2_bytes(to);
    if (width < 2) {
        return narrow_int(emit, to, from, a);
    }
    return hg_dtype_in(to, HG_DT_SINT) ? wide_signed(emit, width, from, a)
                                       : wide_unsigned(emit, width, from, a);
}

hg_val hg_lower_convert(struct hg_emit *emit, enum hg_dtype to, enum hg_dtype from, hg_val a)
{
    bool to_int = hg_dtype_in(to, HG_DT_INT);
    unsigned width = log2_bytes(from);
    if (to_int && hg_dtype_in(from, HG_DT_INT)) {
        return hg_lower_resize(emit, log2_bytes(to), width, hg_dtype_in(from, HG_DT_SINT), a);
    }
    bool to_half = hg_dtype_in(to, HG_DT_HALF);
    /* What must be rounded once from more than F32 holds takes other ways. */
    if (to_half && (from == HG_F64 || (hg_dtype_in(from, HG_DT_INT) && width > 1))) {
        emit->failed = true;
        return 0;
    }
    if (to == from) {
        bool flushed = emit->ftz && to != HG_F16;
        if (!flushed) {
            return a;
        }
    }
    if (hg_dtype_in(from, HG_DT_HALF)) {
        a = hg_lower_widen(emit, from, a);
        width = 2;
        if (from == HG_BF16 && emit->ftz) {
            a = hg_lower_quiet(emit, 2, a);
        }
    }
    if (to_int) {
        return int_of_float(emit, to, width, a);
    }
    unsigned wide = to == HG_F64 ? 3 : 2;
    if (hg_dtype_in(from, HG_DT_INT)) {
        a = float_of_int(emit, wide, from, a);
    } else if (width != wide) {
        a = hg_emit_unary(emit, wide == 3 ? HG_VOP_F64_F32 : HG_VOP_F32_F64, wide, a);
    } else if (emit->ftz) {
        a = hg_lower_quiet(emit, width, a);
    }
    return to_half ? hg_lower_narrow(emit, to, a) : a;
}
