/* SPDX-License-Identifier: Apache-2.0 */
/* Values of one type as another: what CVT, and instructions on narrow types, are made of. */
#include "lib/native/emit.h"

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
    hg_val is_nan = hg_emit_op(emit, HG_VOP_FCMP, 2, HG_CMP_UNORDERED, a, a, HG_VAL_NONE);
    hg_val nan = hg_emit_const(emit, 2, 0x7fc0);
    hg_val bits = hg_emit_select(emit, 2, is_nan, nan, rounded);
    return hg_lower_resize(emit, 1, 2, false, bits);
}

hg_val hg_lower_narrow(struct hg_emit *emit, enum hg_dtype type, hg_val a)
{
    return type == HG_F16 ? hg_emit_unary(emit, HG_VOP_F16_F32, 1, a) : narrow_bf16(emit, a);
}

/* ---- widths of integers ---------------------------------------------------------------------- */

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

/* ---- conversions ----------------------------------------------------------------------------- */

/* Integers to F32 or F64: rounded once by the hardware. */
static hg_val float_of_int(struct hg_emit *emit, unsigned to, enum hg_dtype from, hg_val a)
{
    unsigned width = hg_emit_width(from);
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
    hg_val large = hg_emit_op(emit, HG_VOP_FCMP, from, HG_CMP_GE, a, limit, HG_VAL_NONE);
    result = hg_emit_select(emit, to, large, most, result);
    hg_val is_nan = hg_emit_op(emit, HG_VOP_FCMP, from, HG_CMP_UNORDERED, a, a, HG_VAL_NONE);
    return hg_emit_select(emit, to, is_nan, hg_emit_const(emit, to, 0), result);
}

/* Narrow ones: clamped to their range as floats. */
static hg_val narrow_int(struct hg_emit *emit, enum hg_dtype to, unsigned from, hg_val a)
{
    unsigned width = hg_emit_width(to);
    double most = width == 0 ? 255 : 65535;
    double least = 0;
    if (hg_dtype_in(to, HG_DT_SINT)) {
        most = width == 0 ? 127 : 32767;
        least = -most - 1;
    }
    hg_val x = hg_emit_binary(emit, HG_VOP_FMAX, from, a, float_const(emit, from, least));
    x = hg_emit_binary(emit, HG_VOP_FMIN, from, x, float_const(emit, from, most));
    hg_val result = hg_emit_unary(emit, from == 3 ? HG_VOP_TI32_F64 : HG_VOP_TI32_F32, 2, x);
    hg_val is_nan = hg_emit_op(emit, HG_VOP_FCMP, from, HG_CMP_UNORDERED, a, a, HG_VAL_NONE);
    result = hg_emit_select(emit, 2, is_nan, hg_emit_const(emit, 2, 0), result);
    return hg_lower_resize(emit, width, 2, false, result);
}

static hg_val int_of_float(struct hg_emit *emit, enum hg_dtype to, unsigned from, hg_val a)
{
    unsigned width = hg_emit_width(to);
    if (width < 2) {
        return narrow_int(emit, to, from, a);
    }
    return hg_dtype_in(to, HG_DT_SINT) ? wide_signed(emit, width, from, a)
                                       : wide_unsigned(emit, width, from, a);
}

hg_val hg_lower_convert(struct hg_emit *emit, enum hg_dtype to, enum hg_dtype from, hg_val a)
{
    bool to_int = hg_dtype_in(to, HG_DT_INT);
    unsigned width = hg_emit_width(from);
    if (to_int && hg_dtype_in(from, HG_DT_INT)) {
        return hg_lower_resize(emit, hg_emit_width(to), width, hg_dtype_in(from, HG_DT_SINT), a);
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
