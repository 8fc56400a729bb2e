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

/* 12 sums, 3 columns and a row element of 16 registers. */
#define TILE_ROWS 4
#define TILES(N)  TILES_4(N)

#define DOT_ROWS 1

#define FMA_FLUSHES true

#include "lib/exec/kernels_body.h"
