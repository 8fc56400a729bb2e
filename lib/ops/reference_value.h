/* SPDX-License-Identifier: Apache-2.0 */
/* Elements of the twelve types for the oracle (reference.h): reading, rounding, units in the last
 * place. Used by the oracle only. */
#ifndef HG_LIB_OPS_REFERENCE_VALUE_H
#define HG_LIB_OPS_REFERENCE_VALUE_H

#include "lib/ops/reference.h"

/* Bits of element INDEX. */
uint64_t hg_reference_bits(enum hg_dtype type, const void *data, uint64_t index);
/* Value of a float's bits, exactly. */
long double hg_reference_float(enum hg_dtype type, uint64_t bits);
/* VALUE rounded once to the nearest of TYPE, ties to even. */
uint64_t hg_reference_round(enum hg_dtype type, long double value);
/* Distance between neighbours of TYPE near VALUE; of zeros and denormals the least distance. */
long double hg_reference_ulp(enum hg_dtype type, long double value);
/* Half an ulp of 1: the bound of one rounding, relative. */
long double hg_reference_unit(enum hg_dtype type);
/* Bound of the relative error of a fold of N elements in the order that REDUCE has. */
long double hg_reference_gamma(enum hg_dtype type, uint64_t n);

#endif
