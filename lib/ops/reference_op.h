/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the oracle (reference.h): what its parts by module share. */
#ifndef HG_LIB_OPS_REFERENCE_OP_H
#define HG_LIB_OPS_REFERENCE_OP_H

#include "lib/ops/reference_value.h"

enum hg_op_id hg_reference_id(const struct hg_op_call *call);
/* A size attribute, or OTHERWISE when not given. */
uint64_t hg_reference_size(const struct hg_op_call *call, const char *name, uint64_t otherwise);
/* Bits of an attribute that is given. */
uint64_t hg_reference_attribute(const struct hg_op_call *call, const char *name);
/* Value of a WIDE attribute, or its default. */
long double hg_reference_wide(const struct hg_op_call *call, const char *name);
/* The type in which composites compute. */
enum hg_dtype hg_reference_wide_type(const struct hg_op_call *call);
uint64_t hg_reference_cols(const struct hg_op_call *call, uint64_t n);

struct hg_expected hg_reference_near(long double value, long double error_max);
struct hg_expected hg_reference_exactly(uint64_t bits);

struct hg_reference_product {
    uint64_t m, n, k;
    bool trans_a, trans_b;
};
void hg_reference_product_init(const struct hg_op_call *call, struct hg_reference_product *product);

/* COUNT elements, STRIDE apart. */
struct hg_reference_line {
    uint64_t first, stride, count;
};
struct hg_expected hg_reference_sum(enum hg_dtype type, const void *data,
                                    const struct hg_reference_line *line);
uint64_t hg_reference_movement_count(const struct hg_op_call *call);

/* By module; COUNT is the output's elements. */
void hg_reference_elementwise(const struct hg_op_call *call, const void *const *contents,
                              uint64_t count, struct hg_expected *expected);
void hg_reference_where(const struct hg_op_call *call, const void *const *contents, uint64_t count,
                        struct hg_expected *expected);
void hg_reference_activation(const struct hg_op_call *call, const void *const *contents,
                             uint64_t count, struct hg_expected *expected);
void hg_reference_softmax(const struct hg_op_call *call, const void *const *contents,
                          uint64_t count, struct hg_expected *expected);
void hg_reference_reduce(const struct hg_op_call *call, const void *const *contents, uint64_t count,
                         struct hg_expected *expected);
void hg_reference_statistic(const struct hg_op_call *call, const void *const *contents,
                            uint64_t count, struct hg_expected *expected);
void hg_reference_layer_norm(const struct hg_op_call *call, const void *const *contents,
                             uint64_t count, struct hg_expected *expected);
void hg_reference_movement(const struct hg_op_call *call, const void *const *contents,
                           uint64_t count, struct hg_expected *expected);
void hg_reference_linalg(const struct hg_op_call *call, const void *const *contents,
                         struct hg_expected *expected);
void hg_reference_loss(const struct hg_op_call *call, const void *const *contents,
                       struct hg_expected *expected);

#endif
