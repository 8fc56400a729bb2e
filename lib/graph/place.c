/* SPDX-License-Identifier: Apache-2.0 */
/* Where every operand of a plan's launches is: inputs, outputs, and pieces of the arena. */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/graph/planner.h"
#include "lib/program/builder.h"

static uint64_t bytes_of(const struct hg_ir_node *node)
{
    return node->elements * hg_dtype_bytes((enum hg_dtype)node->type);
}

/* ---- places ---------------------------------------------------------------------------------- */

static enum hg_status add_piece(struct hg_graph_planner *planner, uint64_t bytes, uint32_t first,
                                uint32_t *index)
{
    if (planner->piece_count == planner->piece_capacity) {
        uint32_t capacity = planner->piece_capacity == 0 ? 16 : 2 * planner->piece_capacity;
        struct hg_arena_piece *pieces =
            hg_realloc(HG_TAG_GRAPH, planner->pieces, capacity * sizeof *pieces);
        if (pieces == NULL) {
            return hg_fail(planner->error, HG_RESOURCE_EXHAUSTED, "no memory for a graph's plan");
        }
        planner->pieces = pieces;
        planner->piece_capacity = capacity;
    }
    *index = planner->piece_count++;
    planner->pieces[*index] = (struct hg_arena_piece){bytes, first, first, 0};
    return HG_OK;
}

/* The first of the graph's outputs that NODE is; UINT32_MAX if it is none. */
static uint32_t first_output(const struct hg_ir *ir, uint32_t node)
{
    uint32_t i = 0;
    while (i < ir->output_count && hg_ir_base(ir, ir->outputs[i]) != node) {
        i++;
    }
    return i < ir->output_count ? i : UINT32_MAX;
}

/* Where an operand is that a program calls by its node, or by an output of it. */
static enum hg_status place_operand(struct hg_graph_planner *planner, uint32_t launch,
                                    unsigned slot, struct hg_plan_operand *operand)
{
    const struct hg_ir *ir = planner->plan->ir;
    uint32_t node = planner->lowered[launch].operands[slot].node;
    uint32_t output = planner->lowered[launch].operands[slot].output;
    uint32_t level = planner->plan->launches[launch].level;
    *operand = (struct hg_plan_operand){.writes = planner->lowered[launch].operands[slot].writes,
                                        .node = node,
                                        .bytes = bytes_of(hg_planner_node(planner, node))};
    if (ir->nodes[node].kind == HG_GRAPH_KIND_INPUT) {
        operand->place = HG_PLACE_INPUT;
        operand->index = (uint16_t)ir->nodes[node].bits;
        return HG_OK;
    }
    bool home = output == UINT32_MAX;
    output = home ? first_output(ir, node) : output;
    uint32_t *piece = output == UINT32_MAX ? &planner->piece[node] : &planner->delayed[output];
    if (output != UINT32_MAX && *piece == UINT32_MAX && hg_planner_may_store(planner, output)) {
        operand->place = HG_PLACE_OUTPUT;
        operand->index = (uint16_t)output;
        return HG_OK;
    }
    enum hg_status status = HG_OK;
    if (*piece == UINT32_MAX) {
        status = add_piece(planner, operand->bytes, level, piece);
    }
    if (status == HG_OK) {
        HG_REQUIRE(*piece < planner->piece_count && planner->pieces != NULL);
        struct hg_arena_piece *memory = &planner->pieces[*piece];
        memory->first = level < memory->first ? level : memory->first;
        memory->last = level > memory->last ? level : memory->last;
        operand->place = HG_PLACE_ARENA;
        operand->offset = *piece; /* until the arena has been laid out */
    }
    return status;
}

static enum hg_status place_operands(struct hg_graph_planner *planner)
{
    struct hg_graph_plan *plan = planner->plan;
    for (uint32_t i = 0; i < plan->launch_count; i++) {
        struct hg_plan_launch *launch = &plan->launches[i];
        launch->operand_count = planner->lowered[i].operand_count;
        for (unsigned k = 0; k < launch->operand_count; k++) {
            enum hg_status status = place_operand(planner, i, k, &launch->operands[k]);
            if (status != HG_OK) {
                return status;
            }
        }
    }
    return HG_OK;
}

/* ---- copies at the end ------------------------------------------------------------------------
 */

static void write_copy(struct hg_builder *builder, enum hg_dtype type, enum hg_program_form form)
{
    struct hg_key key;
    hg_key_init(&key);
    key.form = (uint8_t)form;
    hg_builder_init(builder, 2);
    hg_build_blocks_begin(builder, &key);
    uint8_t value = hg_build_load(builder, type, hg_addr_slot(0, HG_LANE_STRIDE));
    hg_build_store(builder, type, hg_addr_slot(1, HG_LANE_STRIDE), value);
    hg_build_blocks_end(builder);
}

static enum hg_status make_copy(struct hg_graph_planner *planner, const struct hg_ir_node *node,
                                struct hg_program **program)
{
    struct hg_builder builder;
    enum hg_dtype type = (enum hg_dtype)node->type;
    bool loop = node->elements > HG_BLOCK_BYTES / hg_dtype_bytes(type);
    write_copy(&builder, type, loop ? HG_PROGRAM_LOOP : HG_PROGRAM_UNROLLED);
    const struct hg_code code = {
        .header = {.slot_count = 2}, .insns = builder.insns, .insn_count = builder.count};
    return planner->options->make != NULL
               ? planner->options->make(planner->options->context, &code, program, planner->error)
               : hg_program_create(&code, NULL, program, planner->error);
}

static enum hg_status add_copies(struct hg_graph_planner *planner)
{
    struct hg_graph_plan *plan = planner->plan;
    uint32_t level = plan->level_count;
    for (uint32_t i = 0; i < plan->ir->output_count; i++) {
        uint32_t piece = planner->delayed[i];
        if (piece == UINT32_MAX) {
            continue;
        }
        uint32_t index = hg_ir_base(plan->ir, plan->ir->outputs[i]);
        const struct hg_ir_node *node = hg_planner_node(planner, index);
        struct hg_plan_launch *launch = &plan->launches[plan->launch_count];
        enum hg_status status = make_copy(planner, node, &launch->program);
        if (status != HG_OK) {
            return status;
        }
        launch->group = HG_GROUP_NONE;
        launch->level = level;
        launch->params[HG_PARAM_N] = node->elements;
        launch->params[HG_PARAM_ROWS] = 1;
        launch->params[HG_PARAM_COLS] = node->elements;
        launch->operand_count = 2;
        launch->operands[0] = (struct hg_plan_operand){
            .place = HG_PLACE_ARENA, .node = index, .offset = piece, .bytes = bytes_of(node)};
        launch->operands[1] = (struct hg_plan_operand){.place = HG_PLACE_OUTPUT,
                                                       .writes = true,
                                                       .index = (uint16_t)i,
                                                       .node = index,
                                                       .bytes = bytes_of(node)};
        HG_REQUIRE(piece < planner->piece_count && planner->pieces != NULL);
        planner->pieces[piece].last = level;
        plan->launch_count++;
        plan->level_count = level + 1;
    }
    return HG_OK;
}

static enum hg_status lay_out(struct hg_graph_planner *planner)
{
    struct hg_graph_plan *plan = planner->plan;
    if (!hg_arena_place(planner->pieces, planner->piece_count, &plan->arena_bytes)) {
        return hg_fail(planner->error, HG_RESOURCE_EXHAUSTED,
                       "the values between the graph's launches have too many elements");
    }
    for (uint32_t i = 0; i < plan->launch_count; i++) {
        for (unsigned k = 0; k < plan->launches[i].operand_count; k++) {
            struct hg_plan_operand *operand = &plan->launches[i].operands[k];
            plan->bytes_moved += operand->bytes;
            if (operand->place == HG_PLACE_ARENA) {
                HG_REQUIRE(operand->offset < planner->piece_count && planner->pieces != NULL);
                operand->offset = planner->pieces[operand->offset].offset;
            }
        }
    }
    return HG_OK;
}

/* Memory is shared out by levels, so launches run in their order. */
static enum hg_status sort_by_level(struct hg_graph_planner *planner)
{
    struct hg_graph_plan *plan = planner->plan;
    struct hg_plan_launch *sorted =
        hg_malloc(HG_TAG_GRAPH, ((size_t)plan->launch_count + 1) * sizeof *sorted);
    if (sorted == NULL) {
        return hg_fail(planner->error, HG_RESOURCE_EXHAUSTED, "no memory for a graph's launches");
    }
    uint32_t count = 0;
    for (uint32_t level = 0; level < plan->level_count; level++) {
        for (uint32_t i = 0; i < plan->launch_count; i++) {
            if (plan->launches[i].level == level) {
                sorted[count++] = plan->launches[i];
            }
        }
    }
    HG_REQUIRE(count == plan->launch_count);
    hg_free(HG_TAG_GRAPH, plan->launches);
    plan->launches = sorted;
    return HG_OK;
}

enum hg_status hg_planner_place(struct hg_graph_planner *planner)
{
    enum hg_status status = place_operands(planner);
    if (status == HG_OK) {
        status = add_copies(planner);
    }
    if (status == HG_OK) {
        status = lay_out(planner);
    }
    return status == HG_OK ? sort_by_level(planner) : status;
}
