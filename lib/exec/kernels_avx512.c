/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels for AVX-512 (F, BW, DQ, VL, CD): compiled with those flags, see module.mk. */
#include <immintrin.h>

#define HG_KERNELS_TABLE hg_kernels_avx512
#define HG_KERNELS_NAME  "avx512"

typedef __m512 vector32;
#define VECTOR32_LANES        16
#define VECTOR32_LOAD(p)      _mm512_loadu_ps(p)
#define VECTOR32_STORE(p, v)  _mm512_storeu_ps(p, v)
#define VECTOR32_SET(x)       _mm512_set1_ps(x)
#define VECTOR32_ZERO()       _mm512_setzero_ps()
#define VECTOR32_FMA(a, b, c) _mm512_fmadd_ps(a, b, c)

typedef __m512d vector64;
#define VECTOR64_LANES        8
#define VECTOR64_LOAD(p)      _mm512_loadu_pd(p)
#define VECTOR64_STORE(p, v)  _mm512_storeu_pd(p, v)
#define VECTOR64_SET(x)       _mm512_set1_pd(x)
#define VECTOR64_ZERO()       _mm512_setzero_pd()
#define VECTOR64_FMA(a, b, c) _mm512_fmadd_pd(a, b, c)

static inline float fold32(__m512 v)
{
    __m256 half = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

static inline double fold64(__m512d v)
{
    __m256d half = _mm256_add_pd(_mm512_castpd512_pd256(v), _mm512_extractf64x4_pd(v, 1));
    __m128d two = _mm_add_pd(_mm256_castpd256_pd128(half), _mm256_extractf128_pd(half, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

#define FIRST(n)                  ((1u << (n)) - 1)
#define VECTOR32_SOME(p, n, rest) _mm512_mask_loadu_ps(_mm512_set1_ps(rest), (__mmask16)FIRST(n), p)
#define VECTOR64_SOME(p, n, rest) _mm512_mask_loadu_pd(_mm512_set1_pd(rest), (__mmask8)FIRST(n), p)
#define VECTOR32_FOLD(v)          fold32(v)
#define VECTOR64_FOLD(v)          fold64(v)

/* 24 sums, 3 columns and a row element of 32 registers. */
#define TILE_ROWS 8
#define TILES(N)  TILES_8(N)

#define DOT_ROWS 4

#define FMA_FLUSHES true

#include "lib/exec/kernels_body.h"
