/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/precompile/calls.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/engine/keyfile.h"
#include "lib/ops/value.h"

/* Beyond every block; also what one class of the boundary pool holds of bytes. */
#define MANY_LANES 20000

struct visitor {
    hg_precompile_visit_fn *visit;
    void *context;
};

/* Sizes of a product. */
struct product {
    uint64_t m, k, n;
};

static void visit_call(const struct visitor *visitor, const struct hg_op_call *call)
{
    struct hg_plan plan;
    if (hg_op_plan(call, &plan, NULL) != HG_OK) {
        return; /* some combinations of attributes and shapes go together badly */
    }
    for (uint32_t i = 0; i < plan.step_count; i++) {
        visitor->visit(&plan.steps[i].key, visitor->context);
    }
}

/* ---- attributes ------------------------------------------------------------------------------ */

static bool varies(const struct hg_op_attribute *attribute)
{
    return attribute->kind != HG_ATTRIBUTE_SIZE;
}

/* 1 as a value of TYPE. */
static uint64_t one_of(enum hg_dtype type)
{
    switch (type) {
    case HG_F16:
        return 0x3c00; /* exponent 15 (the bias), no fraction */
    case HG_BF16:
        return 0x3f80; /* the upper half of the F32 */
    case HG_F32:
    case HG_F64:
        return hg_value_from_double(type, 1);
    default:
        return 1;
    }
}

/* The one or the other value of an attribute: not given, or 0 if it must be; and then one that is
 * not its default: of operands' types 1, of factors and bounds neither 0 nor 1. */
static void set_attribute(struct hg_op_call *call, unsigned index, bool other)
{
    const struct hg_op_attribute *attribute = &call->op->attributes[index];
    enum hg_dtype type = hg_op_call_type(call);
    call->attribute[index] = 0;
    if (!other) {
        call->attributes_given |= attribute->required ? 1u << index : 0;
        return;
    }
    call->attributes_given |= 1u << index;
    if (attribute->kind == HG_ATTRIBUTE_FLAG) {
        call->attribute[index] = 1;
    } else if (attribute->kind == HG_ATTRIBUTE_OPERAND) {
        call->attribute[index] = one_of(type);
    } else {
        call->attribute[index] = hg_value_from_double(type == HG_F64 ? HG_F64 : HG_F32, 0.25);
    }
}

/* Every combination of the attributes that are no sizes. */
static void visit_attributes(const struct visitor *visitor, const struct hg_op_call *call)
{
    const struct hg_op *op = call->op;
    for (uint32_t set = 0; set < 1u << op->attribute_count; set++) {
        struct hg_op_call changed = *call;
        bool is_repeated = false;
        for (unsigned i = 0; i < op->attribute_count; i++) {
            bool other = (set >> i & 1u) != 0;
            if (varies(&op->attributes[i])) {
                set_attribute(&changed, i, other);
            } else {
                is_repeated |= other;
            }
        }
        if (!is_repeated) {
            visit_call(visitor, &changed);
        }
    }
}

/* ---- shapes ---------------------------------------------------------------------------------- */

static void set_elements(struct hg_op_call *call, unsigned index, uint64_t elements)
{
    call->operands[index].rank = 1;
    call->operands[index].shape[0] = elements;
    call->operands[index].elements = elements;
}

static void give_size(struct hg_op_call *call, const char *name, uint64_t size)
{
    for (unsigned i = 0; i < call->op->attribute_count; i++) {
        if (strcmp(call->op->attributes[i].name, name) == 0) {
            call->attribute[i] = size;
            call->attributes_given |= 1u << i;
        }
    }
}

static bool is_product(const struct hg_op *op)
{
    return strcmp(op->module, "linalg") == 0;
}

/* All operands of ELEMENTS; then, of two inputs, the second by rows and as a scalar. */
static void visit_lanes(const struct visitor *visitor, struct hg_op_call *call, uint64_t elements)
{
    for (unsigned i = 0; i < call->operand_count; i++) {
        set_elements(call, i, elements);
    }
    visit_attributes(visitor, call);
    if (call->op->inputs == 2 && call->op->elementwise) {
        set_elements(call, 1, elements / 2);
        visit_attributes(visitor, call);
        set_elements(call, 1, 1);
        visit_attributes(visitor, call);
    }
}

/* Operands as large as they have to be, sizes as attributes: n of a product's columns, or of the
 * only dimension that a vector has. */
static void visit_product(const struct visitor *visitor, struct hg_op_call *call,
                          const struct product *product)
{
    bool is_matvec = call->op == hg_op_info(HG_OP_ID_MATVEC);
    set_elements(call, 0, product->m * product->k);
    set_elements(call, 1, product->k * product->n);
    set_elements(call, 2, product->n); /* a bias, if there are three inputs */
    set_elements(call, call->op->inputs, product->m * product->n);
    call->attributes_given = 0;
    give_size(call, "m", product->m);
    give_size(call, "k", product->k);
    give_size(call, "n", is_matvec ? product->k : product->n);
    visit_attributes(visitor, call);
}

static void visit_heap(const struct visitor *visitor, struct hg_op_call *call)
{
    static const struct product products[] = {
        {8, 100, 8}, {8, 100, 1}, {200, 100, 200}, {MANY_LANES, 100, 1}};
    for (size_t i = 0; i < HG_ARRAY_COUNT(products) && is_product(call->op); i++) {
        visit_product(visitor, call, &products[i]);
    }
    if (!is_product(call->op)) {
        visit_lanes(visitor, call, 64);
        visit_lanes(visitor, call, MANY_LANES);
    }
}

/* Of halves, which compute as F32, a class holds more than a block. */
static void visit_boundary(const struct visitor *visitor, struct hg_op_call *call)
{
    static const struct product products[] = {{8, 100, 8}, {8, 100, 1}, {64, 65, 90}};
    for (unsigned i = 0; i < call->operand_count; i++) {
        call->operands[i].boundary_class = (int)i;
    }
    for (size_t i = 0; i < HG_ARRAY_COUNT(products) && is_product(call->op); i++) {
        visit_product(visitor, call, &products[i]);
    }
    if (!is_product(call->op)) {
        visit_lanes(visitor, call, 64);
        visit_lanes(visitor, call, HG_CLASS_BYTES / hg_dtype_bytes(hg_op_call_type(call)));
    }
}

/* Far apart, so that no operands overlap; never dereferenced. */
static const void *pretended_base(unsigned i)
{
    return (const void *)((uintptr_t)(i + 1) << 40); /* NOLINT(performance-no-int-to-ptr) */
}

static void init_call(struct hg_op_call *call, const struct hg_op *op, enum hg_dtype type)
{
    *call = (struct hg_op_call){.op = op, .policy = {.fusion = true, .phi = true}};
    call->operand_count = (uint8_t)(op->inputs + op->outputs);
    for (unsigned i = 0; i < call->operand_count; i++) {
        call->operands[i].type = hg_op_operand_type(op, i, type);
        call->operands[i].base = pretended_base(i);
        call->operands[i].boundary_class = -1;
    }
}

static void visit_type(const struct visitor *visitor, const struct hg_op *op, enum hg_dtype type)
{
    bool may_widen = op->wide_output && hg_dtype_in(type, HG_DT_HALF);
    for (int wide = 0; wide <= (may_widen ? 1 : 0); wide++) {
        struct hg_op_call call;
        init_call(&call, op, type);
        if (wide != 0) {
            call.operands[call.operand_count - 1].type = HG_F32;
        }
        visit_heap(visitor, &call);
        visit_boundary(visitor, &call);
    }
}

/* What many requests are made of. Comparisons, rare functions and what moves elements are built
 * when they are asked for: in every type and form they would be half of the table. */
static bool is_common(const struct hg_op *op)
{
    static const char *const rare[] = {"rsqrt", "log2", "log10", "sin", "cos", "tan", "erf"};
    bool is_rare = strcmp(op->module, "compare") == 0 || strcmp(op->module, "movement") == 0;
    for (size_t i = 0; i < HG_ARRAY_COUNT(rare); i++) {
        is_rare |= strcmp(op->name, rare[i]) == 0;
    }
    return !is_rare;
}

void hg_precompile_visit_all(hg_precompile_visit_fn *visit, void *context)
{
    const struct visitor visitor = {visit, context};
    for (unsigned id = 0; id < HG_OP_ID_COUNT; id++) {
        const struct hg_op *op = hg_op_info((enum hg_op_id)id);
        for (unsigned type = 0; is_common(op) && type < HG_DTYPE_COUNT; type++) {
            if (hg_dtype_in((enum hg_dtype)type, op->dtypes)) {
                visit_type(&visitor, op, (enum hg_dtype)type);
            }
        }
    }
}

enum hg_status hg_precompile_visit_profile(const char *path, hg_precompile_visit_fn *visit,
                                           void *context, struct hg_error *error)
{
    uint8_t *bytes;
    size_t size;
    const uint8_t *entries_at;
    uint32_t count = 0;
    enum hg_status status = hg_keyfile_read(path, &bytes, &size, error);
    if (status != HG_OK) {
        return status;
    }
    status = hg_keyfile_check(bytes, size, &entries_at, &count, error);
    for (uint32_t i = 0; status == HG_OK && i < count; i++) {
        struct hg_keyfile_entry entry;
        hg_keyfile_entry_at(entries_at, i, &entry);
        visit(&entry.key, context);
    }
    hg_free(HG_TAG_ENGINE, bytes);
    return status;
}
