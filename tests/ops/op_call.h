/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of operations for tests: operands of one type without memory behind them (until a test
 * gives them some), attributes by name.
 */
#ifndef HG_TESTS_OPS_OP_CALL_H
#define HG_TESTS_OPS_OP_CALL_H

#include <string.h>

#include "lib/base/check.h"
#include "lib/ops/ops.h"
#include "lib/ops/reference_value.h"

/* Far apart, so that no two operands overlap; never dereferenced. */
static inline const void *op_pretended_base(unsigned i)
{
    return (const void *)((uintptr_t)(i + 1) << 40); /* NOLINT(performance-no-int-to-ptr) */
}

static inline void op_operand_shape(struct hg_op_operand *operand, uint64_t rows, uint64_t cols)
{
    operand->rank = 2;
    operand->shape[0] = rows;
    operand->shape[1] = cols;
    operand->elements = rows * cols;
}

static inline void op_operand_vector(struct hg_op_operand *operand, uint64_t elements)
{
    operand->rank = 1;
    operand->shape[0] = elements;
    operand->elements = elements;
}

/* A call of operation ID that works in TYPE, whose operands are all vectors of ELEMENTS in heap
 * memory. */
static inline struct hg_op_call op_call(enum hg_op_id id, enum hg_dtype type, uint64_t elements)
{
    struct hg_op_call call;
    memset(&call, 0, sizeof call);
    call.op = hg_op_info(id);
    call.operand_count = (uint8_t)(call.op->inputs + call.op->outputs);
    call.policy = (struct hg_op_policy){.fusion = true, .specialize_full = false, .phi = true};
    for (unsigned i = 0; i < call.operand_count; i++) {
        struct hg_op_operand *operand = &call.operands[i];
        operand->type = hg_op_operand_type(call.op, i, type);
        op_operand_vector(operand, elements);
        operand->base = op_pretended_base(i);
        operand->handle = 1000 + i;
        operand->boundary_class = -1;
    }
    return call;
}

static inline unsigned op_attribute_index(const struct hg_op *op, const char *name)
{
    unsigned index = 0;
    while (strcmp(op->attributes[index].name, name) != 0) {
        index++;
        HG_REQUIRE(index < op->attribute_count);
    }
    return index;
}

static inline void op_set_bits(struct hg_op_call *call, const char *name, uint64_t bits)
{
    unsigned index = op_attribute_index(call->op, name);
    call->attribute[index] = bits;
    call->attributes_given |= 1u << index;
}

/* VALUE in the type that the attribute has. */
static inline void op_set(struct hg_op_call *call, const char *name, double value)
{
    enum hg_dtype type = hg_op_call_type(call);
    switch (call->op->attributes[op_attribute_index(call->op, name)].kind) {
    case HG_ATTRIBUTE_OPERAND:
        if (!hg_dtype_in(type, HG_DT_FLOAT)) {
            uint64_t mask = UINT64_MAX >> (64 - 8 * hg_dtype_bytes(type));
            op_set_bits(call, name, (uint64_t)(int64_t)value & mask);
            return;
        }
        break;
    case HG_ATTRIBUTE_WIDE:
        type = type == HG_F64 ? HG_F64 : HG_F32;
        break;
    case HG_ATTRIBUTE_SIZE:
    case HG_ATTRIBUTE_FLAG:
        op_set_bits(call, name, (uint64_t)value);
        return;
    }
    op_set_bits(call, name, hg_reference_round(type, (long double)value));
}

static inline bool op_has_attribute(const struct hg_op *op, const char *name)
{
    for (unsigned i = 0; i < op->attribute_count; i++) {
        if (strcmp(op->attributes[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* The attribute of product OP that transposes its operand 0 or 1; NULL if there is none. */
static inline const char *op_transposes(const struct hg_op *op, unsigned operand)
{
    static const char *const names[2][3] = {{"trans_a", "trans", NULL},
                                            {"trans_b", "trans_w", NULL}};
    for (unsigned i = 0; names[operand][i] != NULL; i++) {
        if (op_has_attribute(op, names[operand][i])) {
            return names[operand][i];
        }
    }
    return NULL;
}

/* Gives every required attribute a value that does something. */
static inline void op_set_required(struct hg_op_call *call)
{
    if (op_has_attribute(call->op, "lo")) {
        op_set(call, "lo", 1);
        op_set(call, "hi", 5);
    }
    if (op_has_attribute(call->op, "s")) {
        op_set(call, "s", 3);
    }
    if (op_has_attribute(call->op, "value")) {
        op_set(call, "value", 7);
    }
}

/* True of operations whose operands have shapes of their own, each another. */
static inline bool op_has_shapes(const struct hg_op *op)
{
    return strcmp(op->module, "linalg") == 0 || strcmp(op->module, "movement") == 0;
}

/* Shapes for an operation that moves elements, of ROWS x COLS lanes; outputs may be larger. */
static inline void op_shape_movement(struct hg_op_call *call, uint64_t rows, uint64_t cols)
{
    op_operand_shape(&call->operands[0], rows, cols);
    op_operand_vector(&call->operands[call->op->inputs], rows * cols);
    if (strcmp(call->op->name, "gather_rows") == 0) {
        op_operand_vector(&call->operands[1], rows);
    } else if (strcmp(call->op->name, "concat") == 0) {
        op_operand_shape(&call->operands[0], rows, cols / 2);
        op_operand_shape(&call->operands[1], rows, cols - cols / 2);
        op_set(call, "rows", (double)rows);
    }
}

/* The same of N lanes, in a few rows if possible. */
static inline void op_shape_lanes(struct hg_op_call *call, uint64_t n)
{
    uint64_t rows = n != 0 && n % 4 == 0 ? 4 : 1;
    op_shape_movement(call, rows, n / rows);
}

/* Makes the operands of a matrix product m x k by k x n, stored plainly, with a bias between where
 * there are three inputs. Others stay as they are. */
static inline void op_shape_product(struct hg_op_call *call, uint64_t m, uint64_t k, uint64_t n)
{
    op_operand_shape(&call->operands[0], m, k);
    op_operand_shape(&call->operands[1], k, n);
    op_operand_shape(&call->operands[call->op->inputs], m, n);
    if (call->op->inputs == 3) {
        op_operand_vector(&call->operands[2], n);
    }
}

#endif
