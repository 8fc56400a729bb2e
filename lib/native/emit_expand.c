/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What AVX2 has no instruction for, by way of what it has: 64-bit integers, conversions of unsigned
 * and wide integers, elements cut to less. Every way gives the bits of the instruction that it
 * stands for, where that is relied on.
 *
 * Masks of AVX2 are vectors: a comparison's is -1 or 0, and may be computed with.
 */
#include "lib/native/emit.h"

/* 2^52 and 2^84, whose last places are 1 and 2^32: an integer below 2^32 in the low half of such a
 * number's bits has been added to it. */
#define ONES_BITS  UINT64_C(0x4330000000000000)
#define UPPER_BITS UINT64_C(0x4530000000000000)

static hg_val shifted(struct hg_emit *emit, enum hg_vop_code op, unsigned width, unsigned by,
                      hg_val a)
{
    return hg_emit_op(emit, op, width, by, a, HG_VAL_NONE, HG_VAL_NONE);
}

static hg_val binary_const(struct hg_emit *emit, enum hg_vop_code op, hg_val a, uint64_t bits)
{
    return hg_emit_binary(emit, op, 3, a, hg_emit_const(emit, 3, bits));
}

/* ---- 64-bit integers ------------------------------------------------------------------------- */

/* -1 where A is negative, else 0. */
static hg_val sign_of(struct hg_emit *emit, hg_val a)
{
    return hg_emit_op(emit, HG_VOP_ICMPS, 3, HG_ICMP_GT, hg_emit_const(emit, 3, 0), a, HG_VAL_NONE);
}

/* Low halves multiplied, and both products of a low and a high one added to the upper half. */
static hg_val multiply(struct hg_emit *emit, hg_val a, hg_val b)
{
    hg_val high_a = shifted(emit, HG_VOP_ISHR, 3, 32, a);
    hg_val high_b = shifted(emit, HG_VOP_ISHR, 3, 32, b);
    hg_val crossed =
        hg_emit_binary(emit, HG_VOP_IADD, 3, hg_emit_binary(emit, HG_VOP_IMULH, 3, high_a, b),
                       hg_emit_binary(emit, HG_VOP_IMULH, 3, a, high_b));
    return hg_emit_binary(emit, HG_VOP_IADD, 3, hg_emit_binary(emit, HG_VOP_IMULH, 3, a, b),
                          shifted(emit, HG_VOP_ISHL, 3, 32, crossed));
}

static hg_val extreme(struct hg_emit *emit, enum hg_vop_code op, hg_val a, hg_val b)
{
    bool is_signed = op == HG_VOP_IMINS || op == HG_VOP_IMAXS;
    bool least = op == HG_VOP_IMINS || op == HG_VOP_IMINU;
    hg_val greater = hg_lower_int_compare(emit, 3, is_signed, HG_ICMP_GT, a, b);
    return hg_emit_select(emit, 3, greater, least ? b : a, least ? a : b);
}

static hg_val wide_integer(struct hg_emit *emit, enum hg_vop_code op, hg_val a, hg_val b)
{
    hg_val sign;
    switch (op) {
    case HG_VOP_IMUL:
        return multiply(emit, a, b);
    case HG_VOP_IMINS:
    case HG_VOP_IMAXS:
    case HG_VOP_IMINU:
    case HG_VOP_IMAXU:
        return extreme(emit, op, a, b);
    case HG_VOP_IABS: /* of what is negative the complement, and 1 more */
        sign = sign_of(emit, a);
        return hg_emit_binary(emit, HG_VOP_ISUB, 3, hg_emit_binary(emit, HG_VOP_IXOR, 3, a, sign),
                              sign);
    case HG_VOP_ISARV: /* what is negative is shifted as its complement */
        sign = sign_of(emit, a);
        a = hg_emit_binary(emit, HG_VOP_IXOR, 3, a, sign);
        a = hg_emit_binary(emit, HG_VOP_ISHRV, 3, a, b);
        return hg_emit_binary(emit, HG_VOP_IXOR, 3, a, sign);
    default:
        return HG_VAL_NONE;
    }
}

/* ---- to floats ------------------------------------------------------------------------------- */

/* Both halves are exact as floats: their sum is rounded once. */
static hg_val f32_of_u32(struct hg_emit *emit, hg_val a)
{
    hg_val high = hg_emit_unary(emit, HG_VOP_F32_I32, 2, shifted(emit, HG_VOP_ISHR, 2, 16, a));
    hg_val low =
        hg_emit_unary(emit, HG_VOP_F32_I32, 2,
                      hg_emit_binary(emit, HG_VOP_IAND, 2, a, hg_emit_const(emit, 2, 0xffff)));
    high = hg_emit_binary(emit, HG_VOP_FMUL, 2, high, hg_emit_const_f32(emit, 65536.0f));
    return hg_emit_binary(emit, HG_VOP_FADD, 2, high, low);
}

static hg_val f64_of_u32(struct hg_emit *emit, hg_val a)
{
    hg_val bits = binary_const(emit, HG_VOP_IOR, hg_lower_resize(emit, 3, 2, false, a), ONES_BITS);
    return binary_const(emit, HG_VOP_FSUB, bits, ONES_BITS);
}

/* The halves as floats, the upper one less all that stands in both beside them: exact. Their sum is
 * rounded once. */
static hg_val f64_of_wide(struct hg_emit *emit, bool is_signed, hg_val a)
{
    hg_val mask = binary_const(emit, HG_VOP_IAND, a, UINT32_MAX);
    hg_val low = binary_const(emit, HG_VOP_IOR, mask, ONES_BITS);
    hg_val high = shifted(emit, HG_VOP_ISHR, 3, 32, a);
    high = binary_const(emit, HG_VOP_IXOR, high, UPPER_BITS | (is_signed ? 0x80000000u : 0));
    double beside = 0x1p+84 + 0x1p+52 + (is_signed ? 0x1p+63 : 0);
    high = hg_emit_binary(emit, HG_VOP_FSUB, 3, high, hg_emit_const_f64(emit, beside));
    return hg_emit_binary(emit, HG_VOP_FADD, 3, high, low);
}

/* What has more than 53 bits is rounded to odd first, in bit 11: then rounding it again, to 24
 * bits, is right. */
static hg_val f32_of_wide(struct hg_emit *emit, bool is_signed, hg_val a)
{
    hg_val rest = binary_const(emit, HG_VOP_IAND, a, 0x7ff);
    rest = binary_const(emit, HG_VOP_IADD, rest, 0x7ff);
    hg_val odd = hg_emit_binary(emit, HG_VOP_IOR, 3, a, rest);
    odd = binary_const(emit, HG_VOP_IAND, odd, ~UINT64_C(0x7ff));
    uint64_t most = UINT64_C(1) << 53;
    hg_val large =
        hg_lower_int_compare(emit, 3, is_signed, HG_ICMP_GT, a, hg_emit_const(emit, 3, most));
    if (is_signed) {
        hg_val small = hg_lower_int_compare(emit, 3, true, HG_ICMP_GT,
                                            hg_emit_const(emit, 3, UINT64_C(0) - most), a);
        large = hg_emit_binary(emit, HG_VOP_MOR, 3, large, small);
    }
    hg_val wide = f64_of_wide(emit, is_signed, hg_emit_select(emit, 3, large, odd, a));
    return hg_emit_unary(emit, HG_VOP_F32_F64, 2, wide);
}

/* ---- from floats ----------------------------------------------------------------------------- */

/* From 2^31 on, as much less; from 2^32 on, the most. A is 0 or more. */
static hg_val u32_of_f32(struct hg_emit *emit, hg_val a)
{
    hg_val half = hg_emit_const_f32(emit, 0x1p+31f);
    hg_val above = hg_emit_binary(emit, HG_VOP_FSUB, 2, a, half);
    hg_val low = hg_emit_unary(emit, HG_VOP_TI32_F32, 2, a);
    hg_val high = hg_emit_unary(emit, HG_VOP_TI32_F32, 2, above);
    high = hg_emit_binary(emit, HG_VOP_IXOR, 2, high, hg_emit_const(emit, 2, 0x80000000u));
    hg_val is_high = hg_emit_op(emit, HG_VOP_FCMP, 2, HG_CMP_GE, a, half, HG_VAL_NONE);
    hg_val result = hg_emit_select(emit, 2, is_high, high, low);
    hg_val is_most = hg_emit_op(emit, HG_VOP_FCMP, 2, HG_CMP_GE, a,
                                hg_emit_const_f32(emit, 0x1p+32f), HG_VAL_NONE);
    return hg_emit_select(emit, 2, is_most, hg_emit_const(emit, 2, UINT32_MAX), result);
}

static hg_val truncated(struct hg_emit *emit, hg_val a)
{
    return hg_emit_op(emit, HG_VOP_FRINT, 3, 3, a, HG_VAL_NONE, HG_VAL_NONE);
}

/* An integer below 2^32 is the low half of its sum with 2^52. A is 0 or more. */
static hg_val u32_of_f64(struct hg_emit *emit, hg_val a)
{
    hg_val most = hg_emit_const_f64(emit, 4294967295.0);
    a = truncated(emit, hg_emit_binary(emit, HG_VOP_FMIN, 3, a, most));
    return hg_lower_resize(emit, 2, 3, false, binary_const(emit, HG_VOP_FADD, a, ONES_BITS));
}

/* An integer of less than 64 bits in two halves, each the low part of its sum with a power of two;
 * the upper one may be negative. */
static hg_val integer_of(struct hg_emit *emit, hg_val a)
{
    const double signed_ones = 0x1.8p+52;
    hg_val scaled = hg_emit_binary(emit, HG_VOP_FMUL, 3, a, hg_emit_const_f64(emit, 0x1p-32));
    hg_val high = hg_emit_op(emit, HG_VOP_FRINT, 3, 1, scaled, HG_VAL_NONE, HG_VAL_NONE);
    hg_val low = hg_emit_op(emit, HG_VOP_FNMA, 3, 0, high, hg_emit_const_f64(emit, 0x1p+32), a);
    high = hg_emit_binary(emit, HG_VOP_FADD, 3, high, hg_emit_const_f64(emit, signed_ones));
    low =
        binary_const(emit, HG_VOP_IXOR, binary_const(emit, HG_VOP_FADD, low, ONES_BITS), ONES_BITS);
    return hg_emit_binary(emit, HG_VOP_IADD, 3, shifted(emit, HG_VOP_ISHL, 3, 32, high), low);
}

/* What is below -2^63 gives the least; of what is above nothing is relied on. */
static hg_val i64_of_float(struct hg_emit *emit, unsigned from, hg_val a)
{
    a = from == 2 ? hg_emit_unary(emit, HG_VOP_F64_F32, 3, a) : a;
    a = hg_emit_binary(emit, HG_VOP_FMAX, 3, a, hg_emit_const_f64(emit, -0x1p+63));
    return integer_of(emit, truncated(emit, a));
}

/* A is 0 or more; what is too large gives the most. */
static hg_val u64_of_float(struct hg_emit *emit, unsigned from, hg_val a)
{
    a = from == 2 ? hg_emit_unary(emit, HG_VOP_F64_F32, 3, a) : a;
    hg_val result = integer_of(emit, truncated(emit, a));
    hg_val is_most = hg_emit_op(emit, HG_VOP_FCMP, 3, HG_CMP_GE, a,
                                hg_emit_const_f64(emit, 0x1p+64), HG_VAL_NONE);
    return hg_emit_select(emit, 3, is_most, hg_emit_const(emit, 3, UINT64_MAX), result);
}

/* ---- narrower elements ----------------------------------------------------------------------- */

/*
 * The bytes that stay are moved to the front of each half of the register, and the halves joined:
 * constants have eight bytes, and no half has more of them to give.
 */
static hg_val cut(struct hg_emit *emit, enum hg_vop_code op, unsigned to, unsigned from, hg_val a)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < 8; i++) {
        unsigned element = i >> to;
        unsigned byte = (element << from) + (i & ((1u << to) - 1));
        bytes |= (uint64_t)(byte & 15) << 8 * i;
    }
    return hg_emit_op(emit, op, to, from, a, hg_emit_const(emit, 3, bytes), HG_VAL_NONE);
}

hg_val hg_emit_expand(struct hg_emit *emit, enum hg_vop_code op, unsigned width, unsigned imm,
                      hg_val a, hg_val b)
{
    switch (op) {
    case HG_VOP_F32_U32:
        return f32_of_u32(emit, a);
    case HG_VOP_F64_U32:
        return f64_of_u32(emit, a);
    case HG_VOP_F64_I64:
    case HG_VOP_F64_U64:
        return f64_of_wide(emit, op == HG_VOP_F64_I64, a);
    case HG_VOP_F32_I64:
    case HG_VOP_F32_U64:
        return f32_of_wide(emit, op == HG_VOP_F32_I64, a);
    case HG_VOP_TU32_F32:
        return u32_of_f32(emit, a);
    case HG_VOP_TU32_F64:
        return u32_of_f64(emit, a);
    case HG_VOP_TI64_F32:
    case HG_VOP_TI64_F64:
        return i64_of_float(emit, op == HG_VOP_TI64_F32 ? 2 : 3, a);
    case HG_VOP_TU64_F32:
    case HG_VOP_TU64_F64:
        return u64_of_float(emit, op == HG_VOP_TU64_F32 ? 2 : 3, a);
    case HG_VOP_CUT_0_1:
    case HG_VOP_CUT_0_2:
    case HG_VOP_CUT_0_3:
    case HG_VOP_CUT_1_2:
    case HG_VOP_CUT_1_3:
        return b == HG_VAL_NONE ? cut(emit, op, width, imm, a) : HG_VAL_NONE;
    default:
        return width == 3 ? wide_integer(emit, op, a, b) : HG_VAL_NONE;
    }
}
