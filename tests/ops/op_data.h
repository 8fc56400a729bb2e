/* SPDX-License-Identifier: Apache-2.0 */
/* Inputs for operations: reproducible, of each type, in the range that the operation is about. */
#ifndef HG_TESTS_OPS_OP_DATA_H
#define HG_TESTS_OPS_OP_DATA_H

#include "lib/ops/ops.h"

/* xorshift64*, of Vigna, "An experimental exploration of Marsaglia's xorshift generators" (2016).
 */
struct op_random {
    uint64_t state;
};
uint64_t op_random_bits(struct op_random *random);
/* Uniform in [LOW, HIGH). */
double op_random_between(struct op_random *random, double low, double high);

/* Fills operand OPERAND of CALL (its elements) at DATA with values that suit the operation, among
 * them the special ones where it defines them. */
void op_data_fill(const struct hg_op_call *call, unsigned operand, struct op_random *random,
                  void *data);
/* Stores VALUE, rounded, as element INDEX. */
void op_data_set(enum hg_dtype type, void *data, uint64_t index, double value);
double op_data_get(enum hg_dtype type, const void *data, uint64_t index);

#endif
