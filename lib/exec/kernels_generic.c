/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernels for the architecture's baseline. Products go one element at a time: without an FMA
 * instruction a correctly rounded fma is a function call anyway.
 */
#include <math.h>
#include <string.h>

#define HG_KERNELS_TABLE hg_kernels_generic
#define HG_KERNELS_NAME  "generic"

typedef float vector32;
typedef double vector64;

static inline float load32(const void *p)
{
    float value;
    memcpy(&value, p, sizeof value);
    return value;
}

static inline double load64(const void *p)
{
    double value;
    memcpy(&value, p, sizeof value);
    return value;
}

#define VECTOR32_LANES            1
#define VECTOR32_LOAD(p)          load32(p)
#define VECTOR32_STORE(p, v)      (*(p) = (v))
#define VECTOR32_SET(x)           (x)
#define VECTOR32_ZERO()           0.0f
#define VECTOR32_FMA(a, b, c)     fmaf(a, b, c)
#define VECTOR32_SOME(p, n, rest) ((void)(n), (void)(rest), load32(p)) /* one lane: all */
#define VECTOR32_FOLD(v)          (v)

#define VECTOR64_LANES            1
#define VECTOR64_LOAD(p)          load64(p)
#define VECTOR64_STORE(p, v)      (*(p) = (v))
#define VECTOR64_SET(x)           (x)
#define VECTOR64_ZERO()           0.0
#define VECTOR64_FMA(a, b, c)     fma(a, b, c)
#define VECTOR64_SOME(p, n, rest) ((void)(n), (void)(rest), load64(p))
#define VECTOR64_FOLD(v)          (v)

#define TILE_ROWS 4
#define TILES(N)  TILES_4(N)

#define DOT_ROWS 1

#define FMA_FLUSHES false

#include "lib/exec/kernels_body.h"
