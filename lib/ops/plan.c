/* SPDX-License-Identifier: Apache-2.0 */
/* From a call to a plan: the checks that all operations share, around the operation's own. */
#include "lib/ops/plan.h"

#include <stdio.h>

#include "lib/base/check.h"
#include "lib/ops/value.h"

enum hg_dtype hg_plan_wide_type(const struct hg_planner *planner)
{
    return hg_op_call_type(planner->call) == HG_F64 ? HG_F64 : HG_F32;
}

uint64_t hg_plan_attribute(const struct hg_planner *planner, unsigned attribute)
{
    const struct hg_op_attribute *info = &planner->call->op->attributes[attribute];
    if (hg_plan_given(planner, attribute)) {
        uint64_t bits = planner->call->attribute[attribute];
        switch (info->kind) {
        case HG_ATTRIBUTE_OPERAND:
            return hg_value_truncate(hg_op_call_type(planner->call), bits);
        case HG_ATTRIBUTE_WIDE:
            return hg_value_truncate(hg_plan_wide_type(planner), bits);
        case HG_ATTRIBUTE_SIZE:
        case HG_ATTRIBUTE_FLAG:
            break;
        }
        return bits;
    }
    if (info->kind == HG_ATTRIBUTE_WIDE) {
        return hg_value_from_double(hg_plan_wide_type(planner), info->default_value);
    }
    return 0;
}

enum hg_status hg_plan_refuse(struct hg_planner *planner, enum hg_status status, const char *format,
                              ...)
{
    char text[sizeof planner->error->message];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return hg_fail(planner->error, status, "%s: %s", planner->call->op->name, text);
}

const char *hg_plan_role(const struct hg_planner *planner, unsigned operand, char text[48])
{
    const struct hg_op_operand_info *info = &planner->call->op->operands[operand];
    (void)snprintf(text, 48, "%s %s", info->output ? "output" : "input", info->name);
    return text;
}

/* ---- shared checks --------------------------------------------------------------------------- */

static enum hg_status refuse_type(struct hg_planner *planner, unsigned operand, uint32_t types)
{
    char role[48];
    char expected[80] = "";
    size_t used = 0;
    for (unsigned type = 0; type < HG_DTYPE_COUNT; type++) {
        if (hg_dtype_in((enum hg_dtype)type, types) && used < sizeof expected) {
            used += (size_t)snprintf(expected + used, sizeof expected - used, "%s%s",
                                     used == 0 ? "" : " or ", hg_dtype_name((enum hg_dtype)type));
        }
    }
    return hg_plan_refuse(planner, HG_INVALID_ARGUMENT, "%s: expected %s, got %s",
                          hg_plan_role(planner, operand, role), expected,
                          hg_dtype_name(planner->call->operands[operand].type));
}

static enum hg_status check_operands(struct hg_planner *planner)
{
    const struct hg_op_call *call = planner->call;
    const struct hg_op *op = call->op;
    unsigned expected = (unsigned)op->inputs + op->outputs;
    if (call->operand_count != expected) {
        return hg_plan_refuse(planner, HG_INVALID_ARGUMENT,
                              "expected %u operands (inputs and outputs together), got %u",
                              expected, call->operand_count);
    }
    for (unsigned i = 0; i < expected; i++) {
        HG_REQUIRE(call->operands[i].type < HG_DTYPE_COUNT);
        uint32_t types =
            i == op->lead ? op->dtypes : hg_op_operand_types(op, i, hg_op_call_type(call));
        if (!hg_dtype_in(call->operands[i].type, types)) {
            return refuse_type(planner, i, types);
        }
    }
    return HG_OK;
}

static enum hg_status check_attributes(struct hg_planner *planner)
{
    const struct hg_op_call *call = planner->call;
    const struct hg_op *op = call->op;
    if ((call->attributes_given >> op->attribute_count) != 0) {
        return hg_plan_refuse(planner, HG_INVALID_ARGUMENT, "expected at most %u attributes",
                              op->attribute_count);
    }
    for (unsigned i = 0; i < op->attribute_count; i++) {
        const struct hg_op_attribute *info = &op->attributes[i];
        if (!hg_plan_given(planner, i)) {
            if (info->required) {
                return hg_plan_refuse(planner, HG_INVALID_ARGUMENT,
                                      "%s: expected a value, got none", info->name);
            }
        } else if (info->kind == HG_ATTRIBUTE_FLAG && call->attribute[i] > 1) {
            return hg_plan_refuse(planner, HG_INVALID_ARGUMENT, "%s: expected 0 or 1, got %llu",
                                  info->name, (unsigned long long)call->attribute[i]);
        }
    }
    return HG_OK;
}

/* ---- aliasing -------------------------------------------------------------------------------- */

/* The memory of an operand that the call uses. */
struct extent {
    uintptr_t start;
    uint64_t bytes;
};

static struct extent used_extent(const struct hg_planner *planner, unsigned operand)
{
    const struct hg_op_operand *used = &planner->call->operands[operand];
    return (struct extent){(uintptr_t)used->base,
                           planner->used_elements[operand] * hg_dtype_bytes(used->type)};
}

static bool overlap(const struct extent *a, const struct extent *b)
{
    return a->start < b->start + b->bytes && b->start < a->start + a->bytes && a->bytes != 0 &&
           b->bytes != 0;
}

/* Lane i reads and writes the very same bytes, as elements of the same type. */
static bool in_place(const struct hg_planner *planner, unsigned a, unsigned b)
{
    const struct extent extent_a = used_extent(planner, a);
    const struct extent extent_b = used_extent(planner, b);
    return planner->call->op->elementwise && planner->lane[a] && planner->lane[b] &&
           planner->call->operands[a].type == planner->call->operands[b].type &&
           extent_a.start == extent_b.start && extent_a.bytes == extent_b.bytes;
}

static enum hg_status refuse_overlap(struct hg_planner *planner, unsigned output, unsigned other)
{
    char output_role[48];
    char other_role[48];
    return hg_plan_refuse(planner, HG_INVALID_ARGUMENT,
                          "%s: expected memory of its own%s, overlaps %s",
                          hg_plan_role(planner, output, output_role),
                          planner->call->op->elementwise ? " or exactly that of an input" : "",
                          hg_plan_role(planner, other, other_role));
}

static enum hg_status check_aliasing(struct hg_planner *planner)
{
    const struct hg_op *op = planner->call->op;
    unsigned count = (unsigned)op->inputs + op->outputs;
    struct extent extents[HG_OP_OPERANDS_MAX];
    for (unsigned i = 0; i < count; i++) {
        extents[i] = used_extent(planner, i);
    }
    for (unsigned output = op->inputs; output < count; output++) {
        for (unsigned other = 0; other < output; other++) {
            if (overlap(&extents[output], &extents[other]) && !in_place(planner, output, other)) {
                return refuse_overlap(planner, output, other);
            }
        }
    }
    return HG_OK;
}

static enum hg_status check_shapeless(struct hg_planner *planner)
{
    enum hg_status status = check_operands(planner);
    return status == HG_OK ? check_attributes(planner) : status;
}

enum hg_status hg_op_check(const struct hg_op_call *call, struct hg_error *error)
{
    struct hg_planner planner = {.call = call, .error = error};
    return check_shapeless(&planner);
}

enum hg_status hg_op_plan(const struct hg_op_call *call, struct hg_plan *plan,
                          struct hg_error *error)
{
    plan->step_count = 0;
    plan->temp_count = 0;
    struct hg_planner planner = {.call = call, .plan = plan, .error = error};
    enum hg_status status = check_shapeless(&planner);
    if (status == HG_OK) {
        status = call->op->plan(&planner);
    }
    if (status == HG_OK) {
        status = check_aliasing(&planner);
    }
    return status;
}
