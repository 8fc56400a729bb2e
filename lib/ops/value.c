/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/ops/value.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/check.h"

uint64_t hg_value_truncate(enum hg_dtype type, uint64_t bits)
{
    uint32_t width = hg_dtype_bytes(type) * 8;
    return width == 64 ? bits : bits & ((UINT64_C(1) << width) - 1);
}

/* binary16: 5 bits of exponent with bias 15, 10 of fraction. */
static double half_value(uint64_t bits)
{
    int exponent = (int)(bits >> 10 & 0x1f);
    double fraction = (double)(bits & 0x3ff);
    double magnitude;
    if (exponent == 0x1f) {
        magnitude = fraction == 0 ? (double)INFINITY : (double)NAN;
    } else if (exponent == 0) {
        magnitude = ldexp(fraction, -24);
    } else {
        magnitude = ldexp(fraction + 1024, exponent - 25);
    }
    return (bits >> 15 & 1) != 0 ? -magnitude : magnitude;
}

static double single_value(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

double hg_value_float(enum hg_dtype type, uint64_t bits)
{
    HG_REQUIRE(hg_dtype_in(type, HG_DT_FLOAT));
    switch (type) {
    case HG_F16:
        return half_value(bits);
    case HG_BF16:
        return single_value((uint32_t)(bits & 0xffff) << 16);
    case HG_F32:
        return single_value((uint32_t)bits);
    default: {
        double value;
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    }
}

uint64_t hg_value_from_double(enum hg_dtype type, double value)
{
    HG_REQUIRE(type == HG_F32 || type == HG_F64);
    if (type == HG_F64) {
        uint64_t bits;
        memcpy(&bits, &value, sizeof bits);
        return bits;
    }
    float narrow = (float)value;
    uint32_t bits;
    memcpy(&bits, &narrow, sizeof bits);
    return bits;
}

bool hg_value_is_nan(enum hg_dtype type, uint64_t bits)
{
    return hg_dtype_in(type, HG_DT_FLOAT) && isnan(hg_value_float(type, bits));
}

static int64_t signed_value(enum hg_dtype type, uint64_t bits)
{
    uint32_t unused = 64 - hg_dtype_bytes(type) * 8;
    return (int64_t)(bits << unused) >> unused;
}

bool hg_value_less(enum hg_dtype type, uint64_t a, uint64_t b)
{
    if (hg_dtype_in(type, HG_DT_FLOAT)) {
        return hg_value_float(type, a) < hg_value_float(type, b);
    }
    if (hg_dtype_in(type, HG_DT_SINT)) {
        return signed_value(type, a) < signed_value(type, b);
    }
    return hg_value_truncate(type, a) < hg_value_truncate(type, b);
}

const char *hg_value_text(enum hg_dtype type, uint64_t bits, char text[HG_VALUE_TEXT_MAX])
{
    if (hg_dtype_in(type, HG_DT_FLOAT)) {
        double value = hg_value_float(type, bits);
        if (isnan(value)) {
            (void)snprintf(text, HG_VALUE_TEXT_MAX, "nan");
        } else {
            (void)snprintf(text, HG_VALUE_TEXT_MAX, "%.9g", value);
        }
    } else if (hg_dtype_in(type, HG_DT_SINT)) {
        (void)snprintf(text, HG_VALUE_TEXT_MAX, "%" PRId64, signed_value(type, bits));
    } else {
        (void)snprintf(text, HG_VALUE_TEXT_MAX, "%" PRIu64, hg_value_truncate(type, bits));
    }
    return text;
}
