/* SPDX-License-Identifier: Apache-2.0 */
/* Operands of a program that is being written: slots, parameters, loads and stores. */
#include "lib/base/check.h"
#include "lib/graph/lower.h"

/* ---- operands -------------------------------------------------------------------------------- */

uint8_t hg_lower_slot(struct hg_lowerer *lowerer, uint32_t node, uint32_t output, bool writes)
{
    struct hg_lowered *lowered = lowerer->lowered;
    uint8_t slot = 0;
    while (slot < lowered->operand_count &&
           (lowered->operands[slot].node != node || lowered->operands[slot].output != output)) {
        slot++;
    }
    if (slot == HG_SLOT_COUNT_MAX) {
        lowerer->overflowed = true;
        return 0;
    }
    if (slot == lowered->operand_count) {
        lowered->operands[slot].node = node;
        lowered->operands[slot].output = output;
        lowered->operands[slot].writes = false;
        lowered->operand_count++;
    }
    lowered->operands[slot].writes |= writes;
    return slot;
}

uint8_t hg_lower_param(struct hg_lowerer *lowerer, enum hg_dtype type, uint64_t bits)
{
    unsigned index = HG_PARAM_FIRST;
    unsigned end = HG_PARAM_FIRST + (unsigned)lowerer->param_count;
    while (index < end && lowerer->lowered->params[index] != bits) {
        index++;
    }
    if (index == HG_PARAM_COUNT) {
        lowerer->overflowed = true;
        return 0;
    }
    if (index == end) {
        lowerer->lowered->params[index] = bits;
        lowerer->param_count++;
    }
    return hg_build_param(&lowerer->builder, type, index);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* A period that is the launch's cols is taken from there, so that the program fits all. */
static struct hg_addr periodic(struct hg_lowerer *lowerer, uint8_t slot, enum hg_lane_mode mode,
                               uint64_t period)
{
    struct hg_addr addr = hg_addr_slot(slot, mode);
    addr.factor = period == lowerer->group->cols ? 0 : (uint32_t)period;
    return addr;
}

static uint8_t load(struct hg_lowerer *lowerer, uint32_t user, uint32_t input,
                    const struct hg_access *access)
{
    const struct hg_ir *ir = lowerer->fusion->ir;
    enum hg_dtype type = (enum hg_dtype)ir->nodes[input].type;
    bool by_rows =
        lowerer->fusion->nodes[user].level == HG_FUSED_ROW && !hg_ir_reduces(&ir->nodes[user]);
    if (access->kind == HG_ACCESS_STRIDED ||
        (access->kind != HG_ACCESS_LANE && access->kind != HG_ACCESS_SCALAR &&
         access->period > UINT32_MAX)) {
        uint64_t strides[HG_GRAPH_RANK_MAX];
        const struct hg_ir_shape *target = &ir->nodes[user].shape;
        hg_access_strides(&ir->nodes[input].shape, target, strides);
        return hg_lower_strided(lowerer, input, target, strides);
    }
    uint8_t slot = hg_lower_slot(lowerer, hg_ir_base(ir, input), UINT32_MAX, false);
    struct hg_addr addr = {0};
    switch (access->kind) {
    case HG_ACCESS_LANE:
        addr = hg_addr_slot(slot, by_rows ? HG_LANE_ROW : HG_LANE_STRIDE);
        break;
    case HG_ACCESS_SCALAR:
        addr = hg_addr_slot(slot, HG_LANE_NONE);
        break;
    case HG_ACCESS_MOD:
        addr = periodic(lowerer, slot, HG_LANE_MOD, access->period);
        break;
    default:
        addr = periodic(lowerer, slot, HG_LANE_DIV, access->period);
        break;
    }
    return hg_build_load(&lowerer->builder, type, addr);
}

uint8_t hg_lower_input(struct hg_lowerer *lowerer, uint32_t user, unsigned i)
{
    const struct hg_ir *ir = lowerer->fusion->ir;
    uint32_t input = ir->nodes[user].inputs[i];
    uint32_t base = hg_ir_base(ir, input);
    const struct hg_ir_node *node = &ir->nodes[base];
    if (node->kind == HG_GRAPH_KIND_LITERAL) {
        enum hg_dtype type = (enum hg_dtype)node->type;
        return node->measured ? hg_lower_param(lowerer, type, node->bits)
                              : hg_build_imm(&lowerer->builder, type, node->bits);
    }
    if (hg_lower_is_own(lowerer, base)) {
        uint8_t held = lowerer->registers[base - lowerer->group->first];
        HG_REQUIRE(held != HG_NO_REGISTER);
        return held;
    }
    struct hg_access access = hg_fusion_access(ir, user, i);
    return load(lowerer, user, input, &access);
}

/* ---- writing --------------------------------------------------------------------------------- */

void hg_lower_put(struct hg_lowerer *lowerer, uint32_t index, uint8_t value)
{
    const struct hg_ir *ir = lowerer->fusion->ir;
    enum hg_dtype type = (enum hg_dtype)ir->nodes[index].type;
    bool by_rows = lowerer->fusion->nodes[index].level == HG_FUSED_ROW;
    enum hg_lane_mode mode = by_rows ? HG_LANE_ROW : HG_LANE_STRIDE;
    bool stored = false;
    for (uint32_t i = 0; i < ir->output_count; i++) {
        if (hg_ir_base(ir, ir->outputs[i]) == index) {
            /* The first output is where others read it. */
            uint8_t slot = hg_lower_slot(lowerer, index, stored ? i : UINT32_MAX, true);
            hg_build_store(&lowerer->builder, type, hg_addr_slot(slot, mode), value);
            stored = true;
        }
    }
    if (!stored) {
        uint8_t slot = hg_lower_slot(lowerer, index, UINT32_MAX, true);
        hg_build_store(&lowerer->builder, type, hg_addr_slot(slot, mode), value);
    }
}
