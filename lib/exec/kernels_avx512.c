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

/* 24 sums, 3 columns and a row element of 32 registers. */
#define TILE_ROWS 8
#define TILES(N)  TILES_8(N)

#define DOT_ROWS 4

#define FMA_FLUSHES true

#include "lib/exec/kernels_body.h"
