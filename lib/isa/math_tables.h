/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Constant tables of math.def. Every value is the correctly rounded one of its formula, computed
 * with MPFR; tests/unit/isa/test_math_tables.c computes them again.
 */
#ifndef HG_LIB_ISA_MATH_TABLES_H
#define HG_LIB_ISA_MATH_TABLES_H

/*
 * Row g: 2^(s g) * 2/pi modulo 4, for s = 8 in two pieces and s = 32 in four, each the nearest
 * double to what the pieces before it leave.
 */
#define HG_MATH_TWO_OVER_PI32_ROWS 14
#define HG_MATH_TWO_OVER_PI64_ROWS 31
extern const double hg_math_two_over_pi32[2 * HG_MATH_TWO_OVER_PI32_ROWS];
extern const double hg_math_two_over_pi64[4 * HG_MATH_TWO_OVER_PI64_ROWS];

/*
 * Row i: v = the nearest double to 1 / c, where c is the middle of the i-th of 64 intervals whose
 * bits start at HG_MATH_LOG_BASE + (i << 46), and 1 for the interval that holds 1; then -log v,
 * rounded to a multiple of 2^-42, and the rest of it; then 0.
 */
#define HG_MATH_LOG_ROWS 64
#define HG_MATH_LOG_BASE 0x3fe6a00000000000
extern const double hg_math_log_rows[4 * HG_MATH_LOG_ROWS];

/* Row i, for u = i / 64 from 0 to 6: erf u, and its derivative 2 / sqrt(pi) * exp(-u^2). */
#define HG_MATH_ERF_ROWS 385
extern const double hg_math_erf_rows[2 * HG_MATH_ERF_ROWS];

#endif
