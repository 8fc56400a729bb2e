/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/ops/reference_value.h"

#include <math.h>

#include "lib/base/check.h"
#include "lib/ops/value.h"

/* The formats of IEEE 754 and bfloat16: digits of the significand, exponents of the least and the
 * greatest normal number. */
struct format {
    int digits;
    int exponent_min;
    int exponent_max;
};

static const struct format *format_of(enum hg_dtype type)
{
    static const struct format half = {11, -14, 15};
    static const struct format brain = {8, -126, 127};
    static const struct format single = {24, -126, 127};
    static const struct format twice = {53, -1022, 1023};
    switch (type) {
    case HG_F16:
        return &half;
    case HG_BF16:
        return &brain;
    case HG_F32:
        return &single;
    default:
        HG_REQUIRE(type == HG_F64);
        return &twice;
    }
}

uint64_t hg_reference_bits(enum hg_dtype type, const void *data, uint64_t index)
{
    uint64_t bits = 0;
    uint32_t bytes = hg_dtype_bytes(type);
    memcpy(&bits, (const uint8_t *)data + index * bytes, bytes);
    return bits;
}

long double hg_reference_float(enum hg_dtype type, uint64_t bits)
{
    return (long double)hg_value_float(type, bits);
}

/* Exponent of VALUE's leading digit, not below that of the least normal number. */
static int leading_exponent(const struct format *format, long double value)
{
    int exponent;
    (void)frexpl(value, &exponent); /* 0.5 <= fraction < 1 */
    return exponent - 1 < format->exponent_min ? format->exponent_min : exponent - 1;
}

long double hg_reference_ulp(enum hg_dtype type, long double value)
{
    const struct format *format = format_of(type);
    int exponent = value == 0 ? format->exponent_min : leading_exponent(format, value);
    if (exponent > format->exponent_max) {
        exponent = format->exponent_max;
    }
    return ldexpl(1, exponent - (format->digits - 1));
}

long double hg_reference_unit(enum hg_dtype type)
{
    return ldexpl(1, -format_of(type)->digits);
}

uint64_t hg_reference_round(enum hg_dtype type, long double value)
{
    const struct format *format = format_of(type);
    int width = (int)hg_dtype_bytes(type) * 8;
    uint64_t sign = signbit(value) ? UINT64_C(1) << (width - 1) : 0;
    uint64_t infinity = ((UINT64_C(1) << (width - format->digits)) - 1) << (format->digits - 1);
    if (isnan(value)) {
        return infinity | UINT64_C(1) << (format->digits - 2);
    }
    long double magnitude = fabsl(value);
    if (isinf(magnitude)) {
        return sign | infinity;
    }
    if (magnitude == 0) {
        return sign;
    }
    int exponent = leading_exponent(format, magnitude);
    if (exponent > format->exponent_max) {
        return sign | infinity;
    }
    long double quantum = ldexpl(1, exponent - (format->digits - 1));
    /* Whole quanta; rounding up may carry into the exponent, which the sum below does right. */
    uint64_t quanta = (uint64_t)rintl(magnitude / quantum);
    uint64_t steps = (uint64_t)(exponent - format->exponent_min) << (format->digits - 1);
    uint64_t rounded = steps + quanta;
    return sign | (rounded > infinity ? infinity : rounded);
}

long double hg_reference_gamma(enum hg_dtype type, uint64_t n)
{
    /* Additions between an element and the result: down a lane of a leaf, across its lanes, up the
     * tree of leaves. */
    uint64_t lanes = type == HG_F64 ? 32 : 64;
    uint64_t depth = HG_LEAF_LANES / lanes + 6;
    for (uint64_t leaves = hg_div_up_u64(n, HG_LEAF_LANES); leaves > 1; leaves = (leaves + 1) / 2) {
        depth++;
    }
    if (depth > n + 1) {
        depth = n + 1;
    }
    enum hg_dtype folds = type == HG_F64 ? HG_F64 : HG_F32;
    return (long double)depth * hg_reference_unit(folds);
}
