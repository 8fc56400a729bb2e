/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels for AVX2 with FMA, F16C and BMI2: compiled with those flags, see module.mk. */
#include <immintrin.h>

#define HG_KERNELS_TABLE hg_kernels_avx2
#define HG_KERNELS_NAME  "avx2"

typedef __m256 vector32;
#define VECTOR32_LANES        8
#define VECTOR32_LOAD(p)      _mm256_loadu_ps(p)
#define VECTOR32_STORE(p, v)  _mm256_storeu_ps(p, v)
#define VECTOR32_SET(x)       _mm256_set1_ps(x)
#define VECTOR32_ZERO()       _mm256_setzero_ps()
#define VECTOR32_FMA(a, b, c) _mm256_fmadd_ps(a, b, c)

typedef __m256d vector64;
#define VECTOR64_LANES        4
#define VECTOR64_LOAD(p)      _mm256_loadu_pd(p)
#define VECTOR64_STORE(p, v)  _mm256_storeu_pd(p, v)
#define VECTOR64_SET(x)       _mm256_set1_pd(x)
#define VECTOR64_ZERO()       _mm256_setzero_pd()
#define VECTOR64_FMA(a, b, c) _mm256_fmadd_pd(a, b, c)

static inline float fold32(__m256 v)
{
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

static inline double fold64(__m256d v)
{
    __m128d two = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

static inline __m256 some32(const float *p, size_t n, float rest)
{
    __m256i mask =
        _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    __m256 read = _mm256_maskload_ps(p, mask);
    return _mm256_blendv_ps(_mm256_set1_ps(rest), read, _mm256_castsi256_ps(mask));
}

static inline __m256d some64(const double *p, size_t n, double rest)
{
    __m256i mask =
        _mm256_cmpgt_epi64(_mm256_set1_epi64x((long long)n), _mm256_setr_epi64x(0, 1, 2, 3));
    __m256d read = _mm256_maskload_pd(p, mask);
    return _mm256_blendv_pd(_mm256_set1_pd(rest), read, _mm256_castsi256_pd(mask));
}

#define VECTOR32_SOME(p, n, rest) some32(p, n, rest)
#define VECTOR64_SOME(p, n, rest) some64(p, n, rest)
#define VECTOR32_FOLD(v)          fold32(v)
#define VECTOR64_FOLD(v)          fold64(v)

/* 12 sums, 3 columns and a row element of 16 registers. */
#define TILE_ROWS 4
#define TILES(N)  TILES_4(N)

#define DOT_ROWS 1

#define FMA_FLUSHES true

#include "lib/exec/kernels_body.h"
