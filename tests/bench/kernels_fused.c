/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gelu as its fused program has it, x sigmoid(x (2 s + 2 s c x^2)), with sigmoid_f32 of math.def:
 * the same operations in the same order, so the same bits, written by hand.
 */
#include <string.h>

#include "tests/bench/kernels_peers.h"

#if defined(__AVX512F__) && defined(__AVX512DQ__)

#include <immintrin.h>

#define C(value) _mm512_set1_ps(value)

/* e^-|x| */
static inline __m512 exponential(__m512 x)
{
    __m512 c = _mm512_max_ps(C(-105.0f), _mm512_or_ps(x, C(-0.0f)));
    __m512 k = _mm512_fmadd_ps(c, C(0x1.715476p+0f), C(0x1.8p+23f));
    k = _mm512_sub_ps(k, C(0x1.8p+23f));
    __m512 r = _mm512_fnmadd_ps(k, C(0x1.62e430p-1f), c);
    r = _mm512_fmadd_ps(k, C(0x1.05c610p-29f), r);
    __m512 p = _mm512_fmadd_ps(C(0x1.6db4eap-10f), r, C(0x1.123bdep-7f));
    p = _mm512_fmadd_ps(p, r, C(0x1.55545ep-5f));
    p = _mm512_fmadd_ps(p, r, C(0x1.55548ep-3f));
    p = _mm512_fmadd_ps(p, r, C(0.5f));
    p = _mm512_fmadd_ps(_mm512_fmadd_ps(p, r, C(1.0f)), r, C(1.0f));
    return _mm512_scalef_ps(p, k);
}

static inline __m512 sigmoid(__m512 x)
{
    __m512 e = exponential(x);
    __m512 y = _mm512_fmadd_ps(C(-0x1.c65286p-3f), e, C(0x1.54bde4p-1f));
    y = _mm512_fmadd_ps(_mm512_fmadd_ps(y, e, C(-0x1.e2b7aep-1f)), e, C(0x1.ff1cd6p-1f));
    __m512 t = _mm512_fnmadd_ps(y, e, _mm512_sub_ps(C(1.0f), y));
    y = _mm512_fmadd_ps(_mm512_fmadd_ps(t, t, t), y, y);
    __mmask16 below = _mm512_cmp_ps_mask(x, C(0.0f), _CMP_LT_OQ);
    return _mm512_mask_mul_ps(y, below, e, y);
}

static inline __m512 gelu(__m512 x)
{
    const double slope = 0.79788456080286535588;
    __m512 factor = _mm512_fmadd_ps(_mm512_mul_ps(x, x), C((float)(2 * slope * 0.044715)),
                                    C((float)(2 * slope)));
    return _mm512_mul_ps(x, sigmoid(_mm512_mul_ps(x, factor)));
}

/* Not inlined: each call does its work. */
static __attribute__((noinline)) void run(const struct kernels_work *work)
{
    const size_t n = work->n;
    const float *a = work->a;
    float *c = work->c;
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        _mm512_storeu_ps(c + i, gelu(_mm512_loadu_ps(a + i)));
    }
    if (i < n) {
        __mmask16 left = (__mmask16)((1u << (n - i)) - 1);
        _mm512_mask_storeu_ps(c + i, left, gelu(_mm512_maskz_loadu_ps(left, a + i)));
    }
}

bool kernels_fused_start(const char *name, unsigned threads)
{
    (void)name;
    return threads == 1 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
}

double kernels_fused_time(const char *name, const struct kernels_work *work, size_t calls)
{
    (void)name;
    if (strcmp(work->op, "gelu") != 0) {
        return -1;
    }
    uint64_t start_ns = kernels_now_ns(work->threads);
    for (size_t call = 0; call < calls; call++) {
        run(work);
    }
    return (double)(kernels_now_ns(work->threads) - start_ns) / (double)calls;
}

#else

bool kernels_fused_start(const char *name, unsigned threads)
{
    (void)name;
    (void)threads;
    return false;
}

double kernels_fused_time(const char *name, const struct kernels_work *work, size_t calls)
{
    (void)name;
    (void)work;
    (void)calls;
    return -1;
}

#endif
