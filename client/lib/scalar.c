/* SPDX-License-Identifier: Apache-2.0 */
/* Element types, and scalars as bits of one. */
#include <math.h>
#include <string.h>

#include "client/lib/internal.h"

struct dtype_row {
    const char *name;
    uint32_t bytes;
};

static const struct dtype_row dtypes[] = {
    [HOLOGRAM_I8] = {"i8", 1},     [HOLOGRAM_I16] = {"i16", 2}, [HOLOGRAM_I32] = {"i32", 4},
    [HOLOGRAM_I64] = {"i64", 8},   [HOLOGRAM_U8] = {"u8", 1},   [HOLOGRAM_U16] = {"u16", 2},
    [HOLOGRAM_U32] = {"u32", 4},   [HOLOGRAM_U64] = {"u64", 8}, [HOLOGRAM_F16] = {"f16", 2},
    [HOLOGRAM_BF16] = {"bf16", 2}, [HOLOGRAM_F32] = {"f32", 4}, [HOLOGRAM_F64] = {"f64", 8},
};

static bool valid(hologram_dtype dtype)
{
    return dtype >= HOLOGRAM_I8 && dtype <= HOLOGRAM_F64;
}

uint32_t hologram_dtype_bytes(hologram_dtype dtype)
{
    return valid(dtype) ? dtypes[dtype].bytes : 0;
}

const char *hologram_dtype_name(hologram_dtype dtype)
{
    return valid(dtype) ? dtypes[dtype].name : "invalid";
}

bool hologram_dtype_parse(const char *name, hologram_dtype *dtype)
{
    for (int i = HOLOGRAM_I8; i <= HOLOGRAM_F64; i++) {
        if (strcmp(name, dtypes[i].name) == 0) {
            *dtype = (hologram_dtype)i;
            return true;
        }
    }
    return false;
}

/* ---- floats ---------------------------------------------------------------------------------- */

static uint64_t bits_of_double(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double double_of_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint64_t bits_of_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double float_of_bits(uint64_t bits)
{
    uint32_t low = (uint32_t)bits;
    float value;
    memcpy(&value, &low, sizeof value);
    return (double)value;
}

/* A 16-bit format: its exponent and mantissa bits, and the exponent of its smallest normal. */
struct half_format {
    int exponent_bits;
    int mantissa_bits;
    int min_exponent;
};

static const struct half_format f16 = {5, 10, -14};
static const struct half_format bf16 = {8, 7, -126};

/* SIGNIFICAND without its DROP lowest bits, rounded to nearest even. */
static uint64_t round_off(uint64_t significand, int drop)
{
    if (drop > 53) {
        return 0; /* less than half of the last place that is kept */
    }
    uint64_t kept = significand >> drop;
    uint64_t rest = significand & ((1ull << drop) - 1);
    uint64_t half = 1ull << (drop - 1);
    return kept + (rest > half || (rest == half && (kept & 1) != 0));
}

static uint64_t narrow(double value, const struct half_format *format)
{
    uint64_t bits = bits_of_double(value);
    uint64_t sign = bits >> 63 << 15;
    uint64_t infinity = ((1ull << format->exponent_bits) - 1) << format->mantissa_bits;
    if (isnan(value)) {
        return sign | infinity | 1ull << (format->mantissa_bits - 1);
    }
    if (isinf(value)) {
        return sign | infinity;
    }
    int exponent = (int)(bits >> 52 & 0x7ff) - 1023;
    if (exponent == -1023) {
        return sign; /* zero, or too small for either format */
    }
    uint64_t significand = (bits & ((1ull << 52) - 1)) | 1ull << 52;
    int below = exponent < format->min_exponent ? format->min_exponent - exponent : 0;
    int above = exponent < format->min_exponent ? 0 : exponent - format->min_exponent;
    /* The implicit bit of a normal, and a carry from rounding, add 1 to the exponent field. */
    uint64_t magnitude = ((uint64_t)above << format->mantissa_bits) +
                         round_off(significand, 52 - format->mantissa_bits + below);
    return sign | (magnitude > infinity ? infinity : magnitude);
}

static double power_of_two(int exponent)
{
    return double_of_bits((uint64_t)(exponent + 1023) << 52);
}

static double widen(uint64_t bits, const struct half_format *format)
{
    uint64_t mantissa = bits & ((1ull << format->mantissa_bits) - 1);
    uint64_t field_max = (1ull << format->exponent_bits) - 1;
    uint64_t field = bits >> format->mantissa_bits & field_max;
    double magnitude;
    if (field == field_max) {
        magnitude = mantissa != 0 ? (double)NAN : (double)INFINITY;
    } else {
        uint64_t implicit = field != 0 ? 1ull << format->mantissa_bits : 0;
        int above = field != 0 ? (int)field - 1 : 0;
        magnitude = (double)(mantissa | implicit) *
                    power_of_two(format->min_exponent + above - format->mantissa_bits);
    }
    return (bits >> 15 & 1) != 0 ? -magnitude : magnitude;
}

/* ---- conversion ------------------------------------------------------------------------------ */

static bool integer_bits(hologram_dtype dtype, double value, uint64_t *bits)
{
    int width = (int)hologram_dtype_bytes(dtype) * 8;
    double half = (double)(1ull << (width - 1));
    uint64_t all;
    if (dtype <= HOLOGRAM_I64) {
        if (!(value >= -half && value < half) || (double)(int64_t)value != value) {
            return false;
        }
        all = (uint64_t)(int64_t)value;
    } else {
        if (!(value >= 0 && value < half * 2) || (double)(uint64_t)value != value) {
            return false;
        }
        all = (uint64_t)value;
    }
    *bits = width == 64 ? all : all & ((1ull << width) - 1);
    return true;
}

bool hologram_bits_from_double(hologram_dtype dtype, double value, uint64_t *bits)
{
    switch (dtype) {
    case HOLOGRAM_F16:
        *bits = narrow(value, &f16);
        return true;
    case HOLOGRAM_BF16:
        *bits = narrow(value, &bf16);
        return true;
    case HOLOGRAM_F32:
        *bits = bits_of_float((float)value);
        return true;
    case HOLOGRAM_F64:
        *bits = bits_of_double(value);
        return true;
    default:
        return valid(dtype) && integer_bits(dtype, value, bits);
    }
}

double hologram_bits_to_double(hologram_dtype dtype, uint64_t bits)
{
    switch (dtype) {
    case HOLOGRAM_I8:
        return (double)(int8_t)bits;
    case HOLOGRAM_I16:
        return (double)(int16_t)bits;
    case HOLOGRAM_I32:
        return (double)(int32_t)bits;
    case HOLOGRAM_I64:
        return (double)(int64_t)bits;
    case HOLOGRAM_U8:
        return (double)(uint8_t)bits;
    case HOLOGRAM_U16:
        return (double)(uint16_t)bits;
    case HOLOGRAM_U32:
        return (double)(uint32_t)bits;
    case HOLOGRAM_U64:
        return (double)bits;
    case HOLOGRAM_F16:
        return widen(bits, &f16);
    case HOLOGRAM_BF16:
        return widen(bits, &bf16);
    case HOLOGRAM_F32:
        return float_of_bits(bits);
    case HOLOGRAM_F64:
        return double_of_bits(bits);
    }
    return NAN;
}
