/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The BF16 pair step is what the specification says, exactly: against MPFR, against VDPBF16PS where
 * the CPU has it, whatever MXCSR holds, and with results around the smallest normal number.
 */
#include <immintrin.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <mpfr.h>

#include "lib/exec/scalar_mma.h"

#define FLUSH 0x8040u
#define LANES 16

static uint64_t random_state = 0xbb67ae8584caa73bu;

static uint64_t random_bits(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Operands of 16 lanes: a pair of BF16 on each side, the even element first. */
struct lanes {
    uint16_t a[2 * LANES], b[2 * LANES];
    float acc[LANES], result[LANES];
};

/* ftz(fma(a, b, acc)) with the definition's own words, in MPFR. */
static float exact_step(uint16_t a, uint16_t b, float acc)
{
    float x = hg_scalar_f32_of_bf16(hg_scalar_flush_bits16(a));
    float y = hg_scalar_f32_of_bf16(hg_scalar_flush_bits16(b));
    mpfr_t left, right, sum;
    mpfr_init2(left, 24);
    mpfr_init2(right, 24);
    mpfr_init2(sum, 24); /* 24 bits, the exponent unbounded */
    mpfr_set_flt(left, x, MPFR_RNDN);
    mpfr_set_flt(right, y, MPFR_RNDN);
    mpfr_set_flt(sum, hg_scalar_flush_f32(acc), MPFR_RNDN);
    mpfr_fma(sum, left, right, sum, MPFR_RNDN);
    float result;
    if (mpfr_number_p(sum) && !mpfr_zero_p(sum) && mpfr_get_exp(sum) < -125) {
        result = mpfr_signbit(sum) ? -0.0f : 0.0f;
    } else {
        result = mpfr_get_flt(sum, MPFR_RNDN);
    }
    mpfr_clears(left, right, sum, (mpfr_ptr)NULL);
    return result;
}

static bool same(float a, float b)
{
    return hg_math_bits32(a) == hg_math_bits32(b) || (isnan(a) && isnan(b));
}

static void step_all(struct lanes *lanes)
{
    for (unsigned i = 0; i < LANES; i++) {
        lanes->result[i] =
            hg_scalar_mma_pair_bf16(lanes->acc[i], lanes->a[2 * i], lanes->a[2 * i + 1],
                                    lanes->b[2 * i], lanes->b[2 * i + 1]);
    }
}

__attribute__((target("avx512bf16,avx512f,avx512bw,avx512vl"))) static void
step_hardware(const struct lanes *lanes, float *result)
{
    __m512bh a, b;
    memcpy(&a, lanes->a, sizeof(a));
    memcpy(&b, lanes->b, sizeof(b));
    _mm512_storeu_ps(result, _mm512_dpbf16_ps(_mm512_loadu_ps(lanes->acc), a, b));
}

/* Compares LANES with MPFR, with itself under FTZ and DAZ, and with the instruction. */
static void check(struct lanes *lanes)
{
    step_all(lanes);
    for (unsigned i = 0; i < LANES; i++) {
        float expected = exact_step(lanes->a[2 * i + 1], lanes->b[2 * i + 1], lanes->acc[i]);
        expected = exact_step(lanes->a[2 * i], lanes->b[2 * i], expected);
        assert_true(same(expected, lanes->result[i]));
    }
    struct lanes flushed = *lanes;
    unsigned mode = _mm_getcsr();
    _mm_setcsr(mode | FLUSH);
    step_all(&flushed);
    _mm_setcsr(mode);
    assert_memory_equal(flushed.result, lanes->result, sizeof(lanes->result));
    if (__builtin_cpu_supports("avx512bf16")) {
        float hardware[LANES];
        step_hardware(lanes, hardware);
        for (unsigned i = 0; i < LANES; i++) {
            assert_true(same(hardware[i], lanes->result[i]));
        }
    }
}

static uint16_t random_bf16(unsigned low, unsigned high)
{
    uint64_t bits = random_bits();
    return (uint16_t)((bits & 0x807f) | (low + (bits >> 16) % (high - low + 1)) << 7);
}

/* Any patterns, with infinities, NaNs and denormals, and patterns of like size that cancel. */
static void random_operands(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        struct lanes lanes;
        unsigned low = round % 2 == 0 ? 0 : 120, high = round % 2 == 0 ? 255 : 131;
        for (unsigned i = 0; i < 2 * LANES; i++) {
            lanes.a[i] = random_bf16(low, high);
            lanes.b[i] = random_bf16(low, high);
        }
        for (unsigned i = 0; i < LANES; i++) {
            lanes.acc[i] = hg_math_float32((uint32_t)random_bf16(low, high) << 16 |
                                           (uint32_t)(random_bits() & 0xffff));
        }
        check(&lanes);
    }
}

/*
 * Sums in [2^-126 - 2^-149, 2^-126], in steps far below the last place: the accumulator is 2^-126
 * or just above, the product takes a little away. From 2^-126 - 2^-151 on they round up to 2^-126,
 * and below, though above 2^-126 - 2^-150, they are flushed.
 */
static void around_the_smallest_normal(void **state)
{
    (void)state;
    unsigned flushed = 0, kept = 0;
    for (unsigned round = 0; round < 4000; round++) {
        struct lanes lanes = {0};
        for (unsigned i = 0; i < LANES; i++) {
            /* acc = 2^-126 + j 2^-149; the product is 2^-152 to 2^-147, of the other sign. */
            uint32_t above = (uint32_t)(random_bits() % 3);
            uint32_t sign = round % 2 == 0 ? 0 : 0x80000000u;
            lanes.acc[i] = hg_math_float32((0x00800000u + above) | sign);
            uint16_t x = (uint16_t)((random_bits() & 0x7f) | (127u - 76u) << 7);
            uint16_t y = (uint16_t)((random_bits() & 0x7f) | (127u - 76u + random_bits() % 4) << 7);
            unsigned odd = 2 * i + (random_bits() & 1);
            lanes.a[odd] = (uint16_t)(x | (sign != 0 ? 0 : 0x8000u));
            lanes.b[odd] = y;
        }
        check(&lanes);
        for (unsigned i = 0; i < LANES; i++) {
            flushed += lanes.result[i] == 0;
            kept += fabsf(lanes.result[i]) == 0x1p-126f;
        }
    }
    assert_true(flushed > 1000 && kept > 1000);
}

/* The borders themselves, one by one: result, and whether it survives. */
static void borders(void **state)
{
    (void)state;
    const uint16_t one = 0x3f80;
    const float smallest = 0x1p-126f;
    /* -2^-151 = -(2^-75 * 2^-76): the tie goes to the even 2^-126. */
    uint16_t p75 = (uint16_t)((127 - 75) << 7), p76 = (uint16_t)((127 - 76) << 7);
    uint16_t n75 = (uint16_t)(p75 | 0x8000);
    assert_true(hg_scalar_fma_flushed_bf16(n75, p76, smallest) == smallest);
    /* A little more than 2^-151 away: flushed, though a denormal would have rounded up. */
    assert_true(hg_scalar_fma_flushed_bf16((uint16_t)(n75 | 1), p76, smallest) == 0);
    assert_true(hg_scalar_fma_flushed_bf16(n75, p75, smallest) == 0); /* 2^-126 - 2^-150 */
    /* Denormal inputs count as zeros, and a flushed result keeps its sign. */
    assert_true(hg_scalar_fma_flushed_bf16(one, 0x007f, 0x1p-127f) == 0);
    assert_true(signbit(hg_scalar_fma_flushed_bf16(0x8000, one, -0x1p-127f)) != 0);
    assert_true(signbit(hg_scalar_fma_flushed_bf16(n75, p75, 0.0f)) != 0);
    assert_true(hg_scalar_mma_pair_bf16(1.0f, 0x4000, 0x4040, one, one) == 6.0f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operands),
        cmocka_unit_test(around_the_smallest_normal),
        cmocka_unit_test(borders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
