/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From groups to launches: order, dependencies, and where every operand is. Launches have levels;
 * those of one level depend only on earlier ones and may run at the same time.
 */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/graph/arena.h"
#include "lib/graph/plan.h"
#include "lib/program/builder.h"

/* A plan on its way. */
struct planner {
    struct hg_graph_plan *plan;
    const struct hg_plan_options *options;
    struct hg_error *error;
    struct hg_lowered *lowered; /* by launch */
    uint32_t *writer;           /* by node: the launch that puts it into memory, UINT32_MAX */
    uint32_t *piece;            /* by node: its piece of the arena, UINT32_MAX */
    uint64_t *reads_shared;     /* by launch: outputs whose input it reads, as bits */
    uint32_t input_of[HG_GRAPH_OUTPUTS_MAX]; /* by output: the input (a node) that it shares its
                                                memory with, UINT32_MAX */
    struct hg_arena_piece *pieces;
    uint32_t piece_count;
    uint32_t piece_capacity;
    uint32_t delayed[HG_GRAPH_OUTPUTS_MAX]; /* by output: the piece that is copied to it at the end,
                                               UINT32_MAX */
};

static const struct hg_ir_node *node_at(const struct planner *planner, uint32_t index)
{
    return &planner->plan->ir->nodes[index];
}

static uint64_t bytes_of(const struct hg_ir_node *node)
{
    return node->elements * hg_dtype_bytes((enum hg_dtype)node->type);
}

/* ---- programs -------------------------------------------------------------------------------- */

static void drop_launches(struct hg_graph_plan *plan)
{
    for (uint32_t i = 0; i < plan->launch_count; i++) {
        hg_program_unref(&plan->launches[i].program);
    }
    plan->launch_count = 0;
}

static enum hg_status lower_groups(struct planner *planner)
{
    struct hg_graph_plan *plan = planner->plan;
    /* Every output may need a copy at the end. */
    size_t room = (size_t)plan->fusion.group_count + plan->ir->output_count + 1;
    plan->launches = hg_calloc(HG_TAG_GRAPH, room, sizeof *plan->launches);
    planner->lowered = hg_calloc(HG_TAG_GRAPH, room, sizeof *planner->lowered);
    if (plan->launches == NULL || planner->lowered == NULL) {
        return hg_fail(planner->error, HG_RESOURCE_EXHAUSTED, "no memory for a graph's launches");
    }
    for (uint32_t i = 0; i < plan->fusion.group_count; i++) {
        if (plan->fusion.groups[i].dead) {
            continue;
        }
        struct hg_plan_launch *launch = &plan->launches[plan->launch_count];
        enum hg_status status =
            hg_lower_group(&plan->fusion, i, planner->options,
                           &planner->lowered[plan->launch_count], &launch->program, planner->error);
        if (status != HG_OK) {
            return status;
        }
        launch->group = i;
        memcpy(launch->params, planner->lowered[plan->launch_count].params, sizeof launch->params);
        plan->launch_count++;
    }
    return HG_OK;
}

/* Fuses less where a program becomes too large; a single node always fits. */
static enum hg_status fuse_and_lower(struct planner *planner)
{
    struct hg_graph_plan *plan = planner->plan;
    uint32_t limit = HG_FUSION_LIMIT;
    for (;; limit /= 2) {
        enum hg_status status =
            hg_fuse(plan->ir, limit, planner->options->rules, &plan->fusion, planner->error);
        if (status == HG_OK) {
            status = lower_groups(planner);
        }
        if (status != HG_INTERNAL || limit == 1) {
            return status;
        }
        *planner->error = (struct hg_error)HG_ERROR_INIT; /* nothing failed yet */
        drop_launches(plan);
        hg_free(HG_TAG_GRAPH, plan->launches);
        hg_free(HG_TAG_GRAPH, planner->lowered);
        plan->launches = NULL;
        planner->lowered = NULL;
        hg_fusion_fini(&plan->fusion);
    }
}

/* ---- levels ---------------------------------------------------------------------------------- */

static void find_writers(struct planner *planner)
{
    for (uint32_t i = 0; i < planner->plan->launch_count; i++) {
        const struct hg_lowered *lowered = &planner->lowered[i];
        for (unsigned k = 0; k < lowered->operand_count; k++) {
            if (lowered->operands[k].writes) {
                planner->writer[lowered->operands[k].node] = i;
            }
        }
    }
}

/* The INPUT with that number, as a node; UINT32_MAX if it is not read at all. */
static uint32_t find_input(const struct hg_ir *ir, uint32_t number)
{
    uint32_t node = 0;
    while (node < ir->count &&
           !(ir->nodes[node].kind == HG_GRAPH_KIND_INPUT && ir->nodes[node].bits == number)) {
        node++;
    }
    return node < ir->count ? node : UINT32_MAX;
}

static bool uses(const struct hg_lowered *lowered, uint32_t node)
{
    unsigned k = 0;
    while (k < lowered->operand_count && lowered->operands[k].node != node) {
        k++;
    }
    return k < lowered->operand_count;
}

_Static_assert(HG_GRAPH_OUTPUTS_MAX <= 64, "sets of outputs are bits of a word");

static void find_readers(struct planner *planner)
{
    const struct hg_graph_plan *plan = planner->plan;
    for (uint32_t i = 0; i < plan->ir->output_count; i++) {
        uint32_t number =
            planner->options->shared != NULL ? planner->options->shared[i] : UINT32_MAX;
        uint32_t input = number != UINT32_MAX ? find_input(plan->ir, number) : UINT32_MAX;
        planner->input_of[i] = input;
        for (uint32_t k = 0; input != UINT32_MAX && k < plan->launch_count; k++) {
            planner->reads_shared[k] |= uses(&planner->lowered[k], input) ? UINT64_C(1) << i : 0;
        }
    }
}

/* What takes an input's place waits for the others that read the input. */
static uint32_t level_after_readers(const struct planner *planner, uint32_t launch)
{
    const struct hg_graph_plan *plan = planner->plan;
    uint32_t level = 0;
    for (uint32_t i = 0; i < plan->ir->output_count; i++) {
        uint32_t stored = hg_ir_base(plan->ir, plan->ir->outputs[i]);
        if (planner->input_of[i] == UINT32_MAX || planner->writer[stored] != launch) {
            continue;
        }
        for (uint32_t k = 0; k < plan->launch_count; k++) {
            bool reader = k != launch && (planner->reads_shared[k] >> i & 1u) != 0;
            if (reader && plan->launches[k].level >= level) {
                level = plan->launches[k].level + 1;
            }
        }
    }
    return level;
}

static uint32_t level_after_writers(const struct planner *planner, uint32_t launch)
{
    const struct hg_lowered *lowered = &planner->lowered[launch];
    uint32_t level = 0;
    for (unsigned k = 0; k < lowered->operand_count; k++) {
        uint32_t writer = planner->writer[lowered->operands[k].node];
        if (writer != UINT32_MAX && writer != launch) {
            HG_REQUIRE(writer < launch);
            uint32_t after = planner->plan->launches[writer].level + 1;
            level = after > level ? after : level;
        }
    }
    return level;
}

/*
 * The least levels that satisfy everybody, from below. Launches are in an order in which they can
 * run, so only an output that waits for a later launch needs another round. False if that does not
 * end: what waits for readers has one that needs its result.
 */
static bool find_levels(struct planner *planner, bool wait_for_readers)
{
    struct hg_graph_plan *plan = planner->plan;
    for (uint32_t i = 0; i < plan->launch_count; i++) {
        plan->launches[i].level = 0;
    }
    bool changed = true;
    for (uint32_t round = 0; changed && round < plan->ir->output_count + 2; round++) {
        changed = false;
        for (uint32_t i = 0; i < plan->launch_count; i++) {
            uint32_t level = level_after_writers(planner, i);
            uint32_t after = wait_for_readers ? level_after_readers(planner, i) : 0;
            level = after > level ? after : level;
            if (level > plan->launches[i].level) {
                plan->launches[i].level = level;
                changed = true;
            }
        }
    }
    return !changed;
}

static void assign_levels(struct planner *planner)
{
    struct hg_graph_plan *plan = planner->plan;
    if (!find_levels(planner, true)) {
        bool found = find_levels(planner, false);
        HG_REQUIRE(found); /* launches are in an order in which they can run */
    }
    for (uint32_t i = 0; i < plan->launch_count; i++) {
        if (plan->launches[i].level >= plan->level_count) {
            plan->level_count = plan->launches[i].level + 1;
        }
    }
}

/* ---- outputs in the memory of inputs ----------------------------------------------------------
 */

/* The last segment that runs lanes. */
static uint16_t last_lane_segment(const struct hg_fusion *fusion, uint32_t number)
{
    uint16_t last = 0;
    for (uint32_t i = fusion->groups[number].first; i <= fusion->groups[number].last; i++) {
        const struct hg_fused_node *node = &fusion->nodes[i];
        if (node->group == number && node->level == HG_FUSED_LANE && node->segment > last) {
            last = node->segment;
        }
    }
    return last;
}

/* True if USER, which reads the input that OUTPUT shares its memory with, does so before OUTPUT's
 * node is stored there, or at its own lane only. */
static bool reads_in_time(const struct planner *planner, uint32_t user, uint32_t input,
                          uint32_t stored)
{
    const struct hg_graph_plan *plan = planner->plan;
    const struct hg_fused_node *reader = &plan->fusion.nodes[user];
    const struct hg_fused_node *writer = &plan->fusion.nodes[stored];
    uint32_t launch = planner->writer[stored];
    if (reader->group != writer->group) {
        for (uint32_t i = 0; i < plan->launch_count; i++) {
            if (plan->launches[i].group == reader->group) {
                return plan->launches[i].level < plan->launches[launch].level;
            }
        }
        return true;
    }
    const struct hg_ir_node *node = node_at(planner, user);
    for (unsigned k = 0; k < node->input_count; k++) {
        struct hg_access access = hg_fusion_access(plan->ir, user, k);
        if (hg_ir_base(plan->ir, node->inputs[k]) == input && access.kind != HG_ACCESS_LANE) {
            return false;
        }
    }
    if (writer->level == HG_FUSED_ROW) {
        /* Row by row, in the order of the nodes. */
        return reader->level == HG_FUSED_ROW && reader->segment == reader->available &&
               user <= stored;
    }
    /* A reduction reads at its segment's end, after what the segment stores. */
    bool before =
        reader->level == HG_FUSED_LANE ? user <= stored : reader->segment < writer->segment;
    return before && writer->segment == last_lane_segment(&plan->fusion, writer->group);
}

static bool reads(const struct hg_ir *ir, uint32_t user, uint32_t input)
{
    const struct hg_ir_node *node = &ir->nodes[user];
    for (unsigned k = 0; k < node->input_count; k++) {
        bool transposed;
        uint32_t from = node->kind == HG_GRAPH_KIND_MATMUL
                            ? hg_fusion_operand(ir, node, k, &transposed)
                            : node->inputs[k];
        if (hg_ir_base(ir, from) == input) {
            return true;
        }
    }
    return false;
}

/* True if output INDEX may be stored while the graph runs. */
static bool may_store(const struct planner *planner, uint32_t index)
{
    const struct hg_graph_plan *plan = planner->plan;
    const struct hg_ir *ir = plan->ir;
    uint32_t input = planner->input_of[index];
    uint32_t stored = hg_ir_base(ir, ir->outputs[index]);
    for (uint32_t user = input; input != UINT32_MAX && user < ir->count; user++) {
        if (plan->fusion.nodes[user].group != HG_GROUP_NONE && reads(ir, user, input) &&
            !reads_in_time(planner, user, input, stored)) {
            return false;
        }
    }
    return true;
}

/* ---- places ---------------------------------------------------------------------------------- */

static enum hg_status add_piece(struct planner *planner, uint64_t bytes, uint32_t first,
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
static enum hg_status place_operand(struct planner *planner, uint32_t launch, unsigned slot,
                                    struct hg_plan_operand *operand)
{
    const struct hg_ir *ir = planner->plan->ir;
    uint32_t node = planner->lowered[launch].operands[slot].node;
    uint32_t output = planner->lowered[launch].operands[slot].output;
    uint32_t level = planner->plan->launches[launch].level;
    *operand = (struct hg_plan_operand){.writes = planner->lowered[launch].operands[slot].writes,
                                        .node = node,
                                        .bytes = bytes_of(node_at(planner, node))};
    if (ir->nodes[node].kind == HG_GRAPH_KIND_INPUT) {
        operand->place = HG_PLACE_INPUT;
        operand->index = (uint16_t)ir->nodes[node].bits;
        return HG_OK;
    }
    bool home = output == UINT32_MAX;
    output = home ? first_output(ir, node) : output;
    uint32_t *piece = output == UINT32_MAX ? &planner->piece[node] : &planner->delayed[output];
    if (output != UINT32_MAX && *piece == UINT32_MAX && may_store(planner, output)) {
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

static enum hg_status place_operands(struct planner *planner)
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

static enum hg_status make_copy(struct planner *planner, const struct hg_ir_node *node,
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

static enum hg_status add_copies(struct planner *planner)
{
    struct hg_graph_plan *plan = planner->plan;
    uint32_t level = plan->level_count;
    for (uint32_t i = 0; i < plan->ir->output_count; i++) {
        uint32_t piece = planner->delayed[i];
        if (piece == UINT32_MAX) {
            continue;
        }
        uint32_t index = hg_ir_base(plan->ir, plan->ir->outputs[i]);
        const struct hg_ir_node *node = node_at(planner, index);
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

static enum hg_status lay_out(struct planner *planner)
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
static enum hg_status sort_by_level(struct planner *planner)
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

/* ---- the whole ------------------------------------------------------------------------------- */

static enum hg_status plan_launches(struct planner *planner)
{
    struct hg_graph_plan *plan = planner->plan;
    size_t nodes = (size_t)plan->ir->count + 1;
    enum hg_status status = fuse_and_lower(planner);
    if (status != HG_OK) {
        return status;
    }
    planner->writer = hg_malloc(HG_TAG_GRAPH, nodes * sizeof *planner->writer);
    planner->piece = hg_malloc(HG_TAG_GRAPH, nodes * sizeof *planner->piece);
    planner->reads_shared =
        hg_calloc(HG_TAG_GRAPH, (size_t)plan->launch_count + 1, sizeof *planner->reads_shared);
    if (planner->writer == NULL || planner->piece == NULL || planner->reads_shared == NULL) {
        return hg_fail(planner->error, HG_RESOURCE_EXHAUSTED, "no memory for a graph's plan");
    }
    memset(planner->writer, 0xff, nodes * sizeof *planner->writer);
    memset(planner->piece, 0xff, nodes * sizeof *planner->piece);
    memset(planner->delayed, 0xff, sizeof planner->delayed);
    find_writers(planner);
    find_readers(planner);
    assign_levels(planner);
    status = place_operands(planner);
    if (status == HG_OK) {
        status = add_copies(planner);
    }
    if (status == HG_OK) {
        status = lay_out(planner);
    }
    return status == HG_OK ? sort_by_level(planner) : status;
}

enum hg_status hg_graph_plan(const struct hg_graph *graph, const struct hg_graph_binding *bindings,
                             uint32_t count, const struct hg_plan_options *options,
                             struct hg_graph_plan **plan, struct hg_error *error)
{
    struct hg_graph_plan *made = hg_calloc(HG_TAG_GRAPH, 1, sizeof *made);
    if (made == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "no memory for a graph's plan");
    }
    struct planner planner = {.plan = made, .options = options, .error = error};
    enum hg_status status = hg_ir_bind(graph, bindings, count, &made->ir, error);
    if (status == HG_OK) {
        status = plan_launches(&planner);
    }
    hg_free(HG_TAG_GRAPH, planner.lowered);
    hg_free(HG_TAG_GRAPH, planner.writer);
    hg_free(HG_TAG_GRAPH, planner.piece);
    hg_free(HG_TAG_GRAPH, planner.reads_shared);
    hg_free(HG_TAG_GRAPH, planner.pieces);
    if (status != HG_OK) {
        hg_graph_plan_destroy(&made);
        return status;
    }
    *plan = made;
    return HG_OK;
}

void hg_graph_plan_destroy(struct hg_graph_plan **plan)
{
    if (*plan == NULL) {
        return;
    }
    drop_launches(*plan);
    hg_free(HG_TAG_GRAPH, (*plan)->launches);
    hg_fusion_fini(&(*plan)->fusion);
    hg_ir_destroy(&(*plan)->ir);
    hg_free(HG_TAG_GRAPH, *plan);
    *plan = NULL;
}

void hg_graph_plan_output(const struct hg_graph_plan *plan, uint32_t index,
                          struct hg_graph_binding *output)
{
    HG_REQUIRE(index < plan->ir->output_count);
    const struct hg_ir_node *node = &plan->ir->nodes[plan->ir->outputs[index]];
    output->type = (enum hg_dtype)node->type;
    output->shape = node->shape;
}
