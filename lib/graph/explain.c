/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/graph/explain.h"

#include <inttypes.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/graph/text.h"

static const struct hg_ir_node *node_at(const struct hg_graph_plan *plan, uint32_t index)
{
    return &plan->ir->nodes[index];
}

static const char *kind_name(const struct hg_ir_node *node)
{
    return hg_graph_kind_info((enum hg_graph_kind)node->kind)->name;
}

/* The input's name, of others their number. */
static void put_value(struct hg_text *text, const struct hg_graph *graph,
                      const struct hg_graph_plan *plan, uint32_t index)
{
    uint32_t base = hg_ir_base(plan->ir, index);
    const struct hg_ir_node *node = node_at(plan, base);
    if (node->kind == HG_GRAPH_KIND_INPUT) {
        hg_text_put(text, "%s", graph->nodes[node->origin].name);
    } else if (node->kind == HG_GRAPH_KIND_LITERAL) {
        hg_text_put(text, node->measured ? "size" : "number");
    } else {
        hg_text_put(text, "%%%" PRIu32, base);
    }
}

static void put_node(struct hg_text *text, const struct hg_graph *graph,
                     const struct hg_graph_plan *plan, uint32_t index)
{
    const struct hg_ir_node *node = node_at(plan, index);
    char shape[HG_IR_SHAPE_TEXT];
    hg_text_put(text, "%%%" PRIu32 " = %s(", index, kind_name(node));
    for (unsigned i = 0; i < node->input_count; i++) {
        hg_text_put(text, i == 0 ? "" : ", ");
        put_value(text, graph, plan, node->inputs[i]);
    }
    hg_text_put(text, ") %s%s", hg_dtype_name((enum hg_dtype)node->type),
                hg_ir_shape_text(&node->shape, shape));
}

static void put_operand(struct hg_text *text, const struct hg_graph *graph,
                        const struct hg_graph_plan *plan, const struct hg_plan_operand *operand)
{
    static const char *const places[] = {
        [HG_PLACE_INPUT] = "input", [HG_PLACE_OUTPUT] = "output", [HG_PLACE_ARENA] = "arena"};
    hg_text_put(text, "%s %s ", operand->writes ? "writes" : "reads", places[operand->place]);
    switch (operand->place) {
    case HG_PLACE_INPUT:
        put_value(text, graph, plan, operand->node);
        break;
    case HG_PLACE_OUTPUT:
        hg_text_put(text, "%s", graph->outputs[operand->index].name);
        break;
    default:
        hg_text_put(text, "+%" PRIu64, operand->offset);
    }
    hg_text_put(text, ", %" PRIu64 " bytes\n", operand->bytes);
}

static void put_program(struct hg_text *text, const struct hg_program *program)
{
    const struct hg_code_facts *facts = &program->facts;
    struct hg_insn *insns = hg_malloc(HG_TAG_GRAPH, (facts->insn_count + 1) * sizeof *insns);
    if (insns == NULL) {
        hg_text_put(text, "    (no memory to disassemble)\n");
        return;
    }
    hg_program_unpack(program, insns);
    const struct hg_code code = {
        .header = {.slot_count = facts->slot_count, .scratch_bytes = facts->scratch_bytes},
        .insns = insns,
        .insn_count = facts->insn_count};
    size_t length = hg_disassemble(&code, NULL, 0);
    char *lines = hg_malloc(HG_TAG_GRAPH, length + 1);
    if (lines != NULL) {
        hg_disassemble(&code, lines, length + 1);
        for (const char *line = lines; *line != '\0';) {
            int end = 0;
            while (line[end] != '\0' && line[end] != '\n') {
                end++;
            }
            hg_text_put(text, "      %.*s\n", end, line);
            line += line[end] == '\n' ? end + 1 : end;
        }
    }
    hg_free(HG_TAG_GRAPH, lines);
    hg_free(HG_TAG_GRAPH, insns);
}

static void put_launch(struct hg_text *text, const struct hg_graph *graph,
                       const struct hg_graph_plan *plan, uint32_t index)
{
    const struct hg_plan_launch *launch = &plan->launches[index];
    hg_text_put(text, "launch %" PRIu32 ": %" PRIu64 " x %" PRIu64 " lanes, level %" PRIu32 "\n",
                index, launch->params[HG_PARAM_ROWS], launch->params[HG_PARAM_COLS], launch->level);
    if (launch->group == HG_GROUP_NONE) {
        hg_text_put(text, "  a copy: the result shares its memory with an input that is read "
                          "after it is known\n");
    } else {
        const struct hg_group *group = &plan->fusion.groups[launch->group];
        hg_text_put(text, "  a program of its own because: %s\n", group->reason);
        for (uint32_t i = group->first; i <= group->last; i++) {
            const struct hg_fused_node *fused = &plan->fusion.nodes[i];
            if (fused->group == launch->group) {
                hg_text_put(text, "    ");
                put_node(text, graph, plan, i);
                hg_text_put(text, fused->level == HG_FUSED_ROW ? "  per row" : "");
                hg_text_put(text, fused->in_memory ? "  stored" : "");
                hg_text_put(text, fused->rule < HG_FUSION_RULE_COUNT ? "  (%s)\n" : "\n",
                            fused->rule < HG_FUSION_RULE_COUNT
                                ? hg_fusion_rule_info((enum hg_fusion_rule)fused->rule)->why
                                : "");
            }
        }
    }
    for (unsigned i = 0; i < launch->operand_count; i++) {
        hg_text_put(text, "    b%u ", i);
        put_operand(text, graph, plan, &launch->operands[i]);
    }
    put_program(text, launch->program);
}

size_t hg_graph_explain(const struct hg_graph *graph, const struct hg_graph_plan *plan,
                        const struct hg_graph_plan *single, char *text, size_t size)
{
    struct hg_text writer = {text, size, 0};
    hg_text_put(&writer,
                "%" PRIu32 " launches (without fusion %" PRIu32 "), %" PRIu64
                " bytes moved (%" PRIu64 "), %" PRIu64 " bytes between them (%" PRIu64 ")\n",
                plan->launch_count, single->launch_count, plan->bytes_moved, single->bytes_moved,
                plan->arena_bytes, single->arena_bytes);
    for (uint32_t i = 0; i < plan->launch_count; i++) {
        put_launch(&writer, graph, plan, i);
    }
    return writer.length;
}

/* ---- dot ------------------------------------------------------------------------------------- */

static void put_dot_launch(struct hg_text *text, const struct hg_graph_plan *plan, uint32_t index)
{
    const struct hg_plan_launch *launch = &plan->launches[index];
    if (launch->group == HG_GROUP_NONE) {
        return;
    }
    const struct hg_group *group = &plan->fusion.groups[launch->group];
    hg_text_put(text, "  subgraph cluster_%" PRIu32 " {\n    label=\"launch %" PRIu32 "\";\n",
                index, index);
    for (uint32_t i = group->first; i <= group->last; i++) {
        const struct hg_ir_node *node = node_at(plan, i);
        if (plan->fusion.nodes[i].group == launch->group) {
            char shape[HG_IR_SHAPE_TEXT];
            hg_text_put(text, "    n%" PRIu32 " [label=\"%s\\n%s%s\"];\n", i, kind_name(node),
                        hg_dtype_name((enum hg_dtype)node->type),
                        hg_ir_shape_text(&node->shape, shape));
        }
    }
    hg_text_put(text, "  }\n");
}

static void put_dot_edges(struct hg_text *text, const struct hg_graph *graph,
                          const struct hg_graph_plan *plan, uint32_t index)
{
    const struct hg_ir_node *node = node_at(plan, index);
    if (node->kind == HG_GRAPH_KIND_INPUT) {
        hg_text_put(text, "  n%" PRIu32 " [shape=box, label=\"%s\"];\n", index,
                    graph->nodes[node->origin].name);
    }
    for (unsigned i = 0; plan->fusion.nodes[index].group != HG_GROUP_NONE && i < node->input_count;
         i++) {
        bool transposed = false;
        uint32_t input = node->kind == HG_GRAPH_KIND_MATMUL
                             ? hg_fusion_operand(plan->ir, node, i, &transposed)
                             : node->inputs[i];
        uint32_t base = hg_ir_base(plan->ir, input);
        if (node_at(plan, base)->kind != HG_GRAPH_KIND_LITERAL) {
            hg_text_put(text, "  n%" PRIu32 " -> n%" PRIu32 "%s;\n", base, index,
                        transposed ? " [label=\"T\"]" : "");
        }
    }
}

size_t hg_graph_dot(const struct hg_graph *graph, const struct hg_graph_plan *plan, char *text,
                    size_t size)
{
    struct hg_text writer = {text, size, 0};
    hg_text_put(&writer, "digraph plan {\n  rankdir=LR;\n");
    for (uint32_t i = 0; i < plan->launch_count; i++) {
        put_dot_launch(&writer, plan, i);
    }
    for (uint32_t i = 0; i < plan->ir->count; i++) {
        put_dot_edges(&writer, graph, plan, i);
    }
    for (uint32_t i = 0; i < plan->ir->output_count; i++) {
        hg_text_put(&writer, "  o%" PRIu32 " [shape=box, label=\"%s\"];\n", i,
                    graph->outputs[i].name);
        hg_text_put(&writer, "  n%" PRIu32 " -> o%" PRIu32 ";\n",
                    hg_ir_base(plan->ir, plan->ir->outputs[i]), i);
    }
    hg_text_put(&writer, "}\n");
    return writer.length;
}
