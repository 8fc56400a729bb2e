/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of the twelve types as bit patterns in 64 bits, as attributes and launch parameters carry
 * them: what checks of arguments need to know about them.
 *
 * Threads: pure functions.
 */
#ifndef HG_LIB_OPS_VALUE_H
#define HG_LIB_OPS_VALUE_H

#include <stddef.h>

#include "lib/isa/dtype.h"

#define HG_VALUE_TEXT_MAX 32

/* BITS without those beyond the width of TYPE. */
uint64_t hg_value_truncate(enum hg_dtype type, uint64_t bits);
/* The value of a float, exactly. TYPE is one of HG_DT_FLOAT. */
double hg_value_float(enum hg_dtype type, uint64_t bits);
/* VALUE as TYPE, F32 or F64. */
uint64_t hg_value_from_double(enum hg_dtype type, double value);
bool hg_value_is_nan(enum hg_dtype type, uint64_t bits);
/* a < b as TYPE compares; false if one is NaN. */
bool hg_value_less(enum hg_dtype type, uint64_t a, uint64_t b);
/* Writes the value for people; gives TEXT. */
const char *hg_value_text(enum hg_dtype type, uint64_t bits, char text[HG_VALUE_TEXT_MAX]);

#endif
