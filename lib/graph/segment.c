/* SPDX-License-Identifier: Apache-2.0 */
/* Segments of groups, and which values must be in memory. */
#include "lib/graph/fuse.h"

/* A per-lane value of at most this many cheap instructions is computed again in a later segment:
 * about what a store and a load cost. */
#define CHEAP_COST 6
#define DEAR_COST  100

static uint8_t own_cost(const struct hg_ir_node *node)
{
    switch (node->kind) {
    case HG_GRAPH_KIND_NEGATIVE:
    case HG_GRAPH_KIND_ABSOLUTE:
    case HG_GRAPH_KIND_RELU:
    case HG_GRAPH_KIND_CAST:
    case HG_GRAPH_KIND_ADD:
    case HG_GRAPH_KIND_SUBTRACT:
    case HG_GRAPH_KIND_MULTIPLY:
    case HG_GRAPH_KIND_MINIMUM:
    case HG_GRAPH_KIND_MAXIMUM:
    case HG_GRAPH_KIND_FMA:
    case HG_GRAPH_KIND_WHERE:
    case HG_GRAPH_KIND_BROADCAST:
        return 1;
    default:
        return hg_graph_kind_info((enum hg_graph_kind)node->kind)->class == HG_GRAPH_COMPARE
                   ? 1
                   : DEAR_COST;
    }
}

/* Segments follow from the inputs', which come before. */
static void assign(struct hg_fusion *fusion, uint32_t index)
{
    const struct hg_ir *ir = fusion->ir;
    const struct hg_ir_node *node = &ir->nodes[index];
    struct hg_fused_node *fused = &fusion->nodes[index];
    unsigned cost = own_cost(node);
    unsigned segment = 0;
    for (unsigned i = 0; i < node->input_count; i++) {
        const struct hg_fused_node *input = &fusion->nodes[hg_ir_base(ir, node->inputs[i])];
        if (input->group != fused->group) {
            cost += 1; /* a load */
            continue;
        }
        segment = input->available > segment ? input->available : segment;
        cost += input->level == HG_FUSED_LANE ? input->cost : 0;
    }
    fused->segment = (uint16_t)segment;
    fused->available = (uint16_t)(segment + (hg_ir_reduces(node) ? 1 : 0));
    fused->cost = (uint8_t)(cost < DEAR_COST ? cost : DEAR_COST);
    struct hg_group *group = &fusion->groups[fused->group];
    unsigned end = fused->available + 1u;
    group->segments = (uint16_t)(end > group->segments ? end : group->segments);
}

/* What USER reads from elsewhere, or from an earlier segment. */
static void note_reads(struct hg_fusion *fusion, uint32_t user)
{
    const struct hg_ir *ir = fusion->ir;
    const struct hg_ir_node *node = &ir->nodes[user];
    for (unsigned i = 0; i < node->input_count; i++) {
        bool transposed;
        uint32_t index = node->kind == HG_GRAPH_KIND_MATMUL
                             ? hg_fusion_operand(ir, node, i, &transposed)
                             : node->inputs[i];
        struct hg_fused_node *input = &fusion->nodes[hg_ir_base(ir, index)];
        if (input->group == HG_GROUP_NONE) {
            continue;
        }
        bool later = input->level == HG_FUSED_LANE &&
                     input->segment < fusion->nodes[user].segment && input->cost > CHEAP_COST;
        if (input->group != fusion->nodes[user].group || later) {
            input->in_memory = true;
        }
    }
}

void hg_fusion_assign_segments(struct hg_fusion *fusion)
{
    const struct hg_ir *ir = fusion->ir;
    for (uint32_t i = 0; i < ir->count; i++) {
        if (fusion->nodes[i].group != HG_GROUP_NONE) {
            assign(fusion, i);
        }
    }
    for (uint32_t i = 0; i < ir->count; i++) {
        if (fusion->nodes[i].group != HG_GROUP_NONE) {
            note_reads(fusion, i);
        }
    }
    for (uint32_t i = 0; i < ir->output_count; i++) {
        fusion->nodes[hg_ir_base(ir, ir->outputs[i])].in_memory = true;
    }
}
