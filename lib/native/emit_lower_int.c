/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions that compute with integers, as sequences of vector operations. */
#include "lib/native/emit.h"

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
    hg_val is_zero = hg_lower_int_compare(emit, 3, is_signed, HG_ICMP_EQ, b, zero);
    hg_val divisor = hg_emit_select(emit, 3, is_zero, one, b);
    if (!is_signed) {
        return hg_emit_op(emit, HG_VOP_QUOT, 3, 0, a, divisor, HG_VAL_NONE);
    }
    hg_val minus_one = hg_emit_const(emit, 3, UINT64_MAX);
    hg_val negates = hg_lower_int_compare(emit, 3, true, HG_ICMP_EQ, b, minus_one);
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
    unsigned width = hg_emit_width(type);
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
    unsigned width = hg_emit_width(type);
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
    unsigned width = hg_emit_width(type);
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
    unsigned width = hg_emit_width(type);
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

/* AVX2 has but EQ and, signed, GT. */
hg_val hg_lower_int_compare(struct hg_emit *emit, unsigned width, bool is_signed, unsigned cond,
                            hg_val a, hg_val b)
{
    if (emit->level == HG_ISA_AVX512) {
        return hg_emit_op(emit, is_signed ? HG_VOP_ICMPS : HG_VOP_ICMPU, width, cond, a, b,
                          HG_VAL_NONE);
    }
    bool equality = cond == HG_ICMP_EQ || cond == HG_ICMP_NE;
    if (!is_signed && !equality) {
        hg_val sign = hg_emit_const(emit, width, UINT64_C(1) << ((8u << width) - 1));
        a = hg_emit_binary(emit, HG_VOP_IXOR, width, a, sign);
        b = hg_emit_binary(emit, HG_VOP_IXOR, width, b, sign);
    }
    bool swap = cond == HG_ICMP_LT || cond == HG_ICMP_GE;
    hg_val mask = hg_emit_op(emit, HG_VOP_ICMPS, width, equality ? HG_ICMP_EQ : HG_ICMP_GT,
                             swap ? b : a, swap ? a : b, HG_VAL_NONE);
    bool negate = cond == HG_ICMP_NE || cond == HG_ICMP_LE || cond == HG_ICMP_GE;
    return negate ? hg_emit_unary(emit, HG_VOP_MNOT, width, mask) : mask;
}
