/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The oracle of the operations: each one computed slowly and plainly, without programs. What is
 * rounded once (arithmetic, comparisons, integers) is expected to the bit; the rest is computed in
 * long double and comes with the error that the operation is allowed.
 *
 * For tests. Threads: pure functions.
 */
#ifndef HG_LIB_OPS_REFERENCE_H
#define HG_LIB_OPS_REFERENCE_H

#include "lib/ops/ops.h"

/* What one element of the output should be. */
struct hg_expected {
    bool exact;        /* BITS, any NaN standing for every NaN; else VALUE within ERROR_MAX */
    uint64_t bits;     /* of the output's type */
    long double value; /* NaN and infinities must be met as they are */
    long double error_max;
};

/* Elements of the output that CALL, which hg_op_plan accepts, writes. */
uint64_t hg_op_reference_count(const struct hg_op_call *call);
/* Fills EXPECTED (hg_op_reference_count elements). CONTENTS holds each operand's elements as they
 * are before the call. */
void hg_op_reference(const struct hg_op_call *call, const void *const contents[HG_OP_OPERANDS_MAX],
                     struct hg_expected *expected);
/* Whether element INDEX of RESULT is as expected. */
bool hg_op_reference_meets(const struct hg_expected *expected, enum hg_dtype type,
                           const void *result, uint64_t index);

#endif
