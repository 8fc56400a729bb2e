/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Constants as text. Works on bit patterns with integer arithmetic, so that neither the thread's
 * floating-point mode nor a NaN's payload matters; the caller sees to the C locale.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/isa/asm.h"

#define NUMBER_BYTES_MAX 128 /* a constant's text */

/* Binary formats by type: bits of fraction and of exponent. */
struct format {
    unsigned fraction;
    unsigned exponent;
};

static const struct format binary64 = {52, 11};

static struct format format_of(enum hg_dtype type)
{
    switch (type) {
    case HG_F16:
        return (struct format){10, 5};
    case HG_BF16:
        return (struct format){7, 8};
    case HG_F32:
        return (struct format){23, 8};
    default:
        return binary64;
    }
}

static uint64_t low_bits(unsigned count)
{
    return count == 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1;
}

static uint64_t infinity(struct format format)
{
    return low_bits(format.exponent) << format.fraction;
}

static uint64_t sign_bit(struct format format)
{
    return UINT64_C(1) << (format.fraction + format.exponent);
}

/* SIGNIFICAND >> SHIFT, to nearest, ties to even. */
static uint64_t shift_rounding(uint64_t significand, unsigned shift)
{
    if (shift > 63) {
        return 0;
    }
    uint64_t result = significand >> shift;
    uint64_t rest = significand & low_bits(shift);
    uint64_t half = UINT64_C(1) << shift >> 1;
    bool up = shift != 0 && (rest > half || (rest == half && (result & 1) != 0));
    return result + up;
}

/* A finite binary64 magnitude, rounded to FORMAT; infinity when it is too large. */
static uint64_t narrow(uint64_t bits, struct format format)
{
    int bias = (int)low_bits(format.exponent - 1);
    int exponent = (int)(bits >> binary64.fraction) - 1023 + bias;
    if (bits >> binary64.fraction == 0) {
        return 0; /* below half of the smallest of any narrower format */
    }
    uint64_t significand = (bits & low_bits(binary64.fraction)) | UINT64_C(1) << binary64.fraction;
    unsigned shift = binary64.fraction - format.fraction;
    uint64_t result;
    if (exponent >= 1) {
        /* The significand's leading bit adds the last 1 of the exponent, as does a carry. */
        result = ((uint64_t)(exponent - 1) << format.fraction) + shift_rounding(significand, shift);
    } else {
        result = shift_rounding(significand, shift + (unsigned)(1 - exponent));
    }
    return result < infinity(format) ? result : infinity(format);
}

/* A finite magnitude of FORMAT as binary64, exactly. */
static uint64_t widen(uint64_t bits, struct format format)
{
    if (format.fraction == binary64.fraction || bits == 0) {
        return bits;
    }
    int bias = (int)low_bits(format.exponent - 1);
    int exponent = (int)(bits >> format.fraction);
    uint64_t fraction = bits & low_bits(format.fraction);
    if (exponent == 0) {
        for (exponent = 1; fraction >> format.fraction == 0; exponent--) {
            fraction <<= 1;
        }
        fraction &= low_bits(format.fraction);
    }
    return (uint64_t)(exponent - bias + 1023) << binary64.fraction |
           fraction << (binary64.fraction - format.fraction);
}

bool hg_integer_parse(const char *text, uint32_t length, uint64_t *value)
{
    bool hex = length > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    uint64_t base = hex ? 16 : 10;
    uint64_t result = 0;
    for (uint32_t i = hex ? 2 : 0; i < length; i++) {
        char c = text[i];
        uint64_t digit = c >= '0' && c <= '9'   ? (uint64_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint64_t)(c - 'a') + 10
                         : c >= 'A' && c <= 'F' ? (uint64_t)(c - 'A') + 10
                                                : 16;
        if (digit >= base || !hg_mul_u64(result, base, &result) ||
            !hg_add_u64(result, digit, &result)) {
            return false;
        }
    }
    *value = result;
    return length > 0;
}

static bool is_hex_integer(const char *text, uint32_t length)
{
    uint64_t ignored;
    return length > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X') &&
           hg_integer_parse(text, length, &ignored);
}

/* A finite number's magnitude in TYPE; false if it is no number or too large. */
static bool parse_finite(enum hg_dtype type, const char *text, uint32_t length, uint64_t *bits)
{
    char copy[NUMBER_BYTES_MAX];
    if (length >= sizeof copy || length == 0 || text[0] < '0' || text[0] > '9') {
        return false;
    }
    memcpy(copy, text, length);
    copy[length] = '\0';
    char *end;
    struct format format = format_of(type);
    if (type == HG_F32) {
        /* Not by way of binary64, which would round twice. */
        float single = strtof(copy, &end);
        uint32_t pattern;
        memcpy(&pattern, &single, sizeof pattern);
        *bits = pattern;
    } else {
        double value = strtod(copy, &end);
        memcpy(bits, &value, sizeof *bits);
        if (type != HG_F64 && *bits < infinity(binary64)) {
            *bits = narrow(*bits, format);
        }
    }
    return end == copy + length && *bits < infinity(format);
}

bool hg_imm_parse(enum hg_dtype type, bool negative, const char *text, uint32_t length,
                  uint64_t *bits)
{
    unsigned width = 8 * hg_dtype_bytes(type);
    uint64_t value;
    if (hg_dtype_in(type, HG_DT_INT)) {
        if (!hg_integer_parse(text, length, &value) || (negative && value > UINT64_C(1) << 63)) {
            return false;
        }
        *bits = (negative ? 0 - value : value) & low_bits(width);
        return true;
    }
    struct format format = format_of(type);
    if (is_hex_integer(text, length)) {
        if (negative || !hg_integer_parse(text, length, &value)) {
            return false;
        }
        *bits = value & low_bits(width);
        return true;
    }
    if (length == 3 && memcmp(text, "inf", 3) == 0) {
        value = infinity(format);
    } else if (length == 3 && memcmp(text, "nan", 3) == 0) {
        value = infinity(format) | UINT64_C(1) << (format.fraction - 1);
    } else if (!parse_finite(type, text, length, &value)) {
        return false;
    }
    *bits = value | (negative ? sign_bit(format) : 0);
    return true;
}

static void print_integer(enum hg_dtype type, uint64_t bits, char text[HG_IMM_TEXT_BYTES])
{
    unsigned width = 8 * hg_dtype_bytes(type);
    bool negative = hg_dtype_in(type, HG_DT_SINT) && (bits >> (width - 1) & 1) != 0;
    uint64_t magnitude = negative ? (0 - bits) & low_bits(width) : bits;
    snprintf(text, HG_IMM_TEXT_BYTES, "%s%" PRIu64, negative ? "-" : "", magnitude);
}

void hg_imm_print(enum hg_dtype type, uint64_t bits, char text[HG_IMM_TEXT_BYTES])
{
    unsigned width = 8 * hg_dtype_bytes(type);
    bits &= low_bits(width);
    if (hg_dtype_in(type, HG_DT_INT)) {
        print_integer(type, bits, text);
        return;
    }
    struct format format = format_of(type);
    const char *sign = (bits & sign_bit(format)) != 0 ? "-" : "";
    uint64_t magnitude = bits & ~sign_bit(format);
    if (magnitude == infinity(format)) {
        snprintf(text, HG_IMM_TEXT_BYTES, "%sinf", sign);
        return;
    }
    if (magnitude < infinity(format)) {
        uint64_t wide = widen(magnitude, format);
        double value;
        memcpy(&value, &wide, sizeof value);
        /* 17 significant digits tell any two binary64 apart. */
        for (int digits = 1; digits <= 17; digits++) {
            uint64_t back;
            int length = snprintf(text, HG_IMM_TEXT_BYTES, "%s%.*g", sign, digits, value);
            const char *unsigned_text = text + strlen(sign);
            if (hg_imm_parse(type, false, unsigned_text, (uint32_t)length - (uint32_t)strlen(sign),
                             &back) &&
                back == magnitude) {
                return;
            }
        }
    }
    /* A NaN, whose payload counts; or the locale is not C. */
    snprintf(text, HG_IMM_TEXT_BYTES, "0x%" PRIx64, bits);
}
