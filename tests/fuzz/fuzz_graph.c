/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Graphs from what a peer sends to their results: a text, a message, or nodes made of the bytes. In
 * a session of small quotas; whatever comes is refused or runs, and nothing is left.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/codec.h"
#include "daemon/limits.h"
#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/engine/engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUTS      4
#define NODES_MAX   64
#define FIRST_MADE  1000
#define DEADLINE_NS UINT64_C(1000000000)

static struct hg_engine *engine;
static struct hg_session *session;

/* Bytes as they are needed; zeros at the end. */
struct bytes {
    const uint8_t *at;
    size_t left;
};

static uint8_t take(struct bytes *bytes)
{
    if (bytes->left == 0) {
        return 0;
    }
    bytes->left--;
    return *bytes->at++;
}

/* At the end, so that what is left over is seen. */
static void tear_down(void)
{
    hg_engine_destroy(&engine);
}

static void set_up(void)
{
    struct hg_engine_options options;
    struct hg_error error = HG_ERROR_INIT;
    hg_engine_options_init(&options);
    options.workers = 1;
    options.spin_us = 0;
    options.lock_boundary = false;
    options.heap_bytes_max = 64 << 20;
    options.graphs_max = 64;
    options.graph_bytes_max = 8 << 20;
    HG_REQUIRE(hg_engine_create(&options, &engine, &error) == HG_OK && atexit(tear_down) == 0);
}

/* Buffers 1 to 4 of types and shapes that SHAPES tells. */
static void open_session(struct bytes *shapes)
{
    static const enum hg_dtype types[] = {HG_F32, HG_F64, HG_I32, HG_F16, HG_U8, HG_I64, HG_BF16};
    struct hg_session_options options;
    struct hg_error error = HG_ERROR_INIT;
    hg_session_options_init(&options);
    options.bytes_max = 16 << 20;
    HG_REQUIRE(hg_session_create(engine, &options, &session, &error) == HG_OK);
    for (uint64_t id = 1; id <= INPUTS; id++) {
        const uint8_t what = take(shapes);
        struct hg_buffer_spec spec = {.dtype = types[(what & 15u) % HG_ARRAY_COUNT(types)],
                                      .rank = (uint8_t)(what >> 4 & 3u)};
        const uint8_t sizes = take(shapes);
        for (unsigned i = 0; i < spec.rank; i++) {
            spec.shape[i] = sizes >> (2 * i) & 3u;
        }
        HG_REQUIRE(hg_session_alloc(session, id, &spec, NULL, &error) == HG_OK);
    }
}

static void run(const struct hg_graph_request *request)
{
    struct hg_graph_made made[HG_GRAPH_OUTPUTS_MAX];
    struct hg_graph_result result = {.outputs = made, .capacity = HG_ARRAY_COUNT(made)};
    struct hg_task task = {.allow_inline = true, .deadline_ns = hg_clock_now_ns() + DEADLINE_NS};
    const enum hg_status status = hg_session_run_graph_wait(session, request, &result, &task);
    if (status == HG_INTERNAL) {
        fprintf(stderr, "%s\n", task.error.message);
    }
    HG_REQUIRE(status != HG_INTERNAL);
    for (uint32_t i = 0; status == HG_OK && i < result.output_count; i++) {
        struct hg_view view;
        struct hg_buffer_info info;
        struct hg_error error = HG_ERROR_INIT;
        HG_REQUIRE(hg_session_view(session, made[i].id, 0, 0, false, &view, &info, &error) ==
                   HG_OK);
        HG_REQUIRE(info.spec.dtype == made[i].dtype && info.spec.rank == made[i].rank);
        hg_view_release(&view);
    }
}

/* Loads SOURCE and runs it with buffers for its inputs; with the same one for its first output if
 * IN_PLACE. */
static void load_and_run(const struct hg_graph_source *source, bool in_place)
{
    struct hg_graph_facts facts;
    struct hg_error error = HG_ERROR_INIT;
    struct hg_graph_bind binds[INPUTS];
    struct hg_graph_bind output;
    const enum hg_status status = hg_session_load_graph(session, 1, source, &facts, &error);
    HG_REQUIRE((status == HG_OK) == (error.status == HG_OK) && status != HG_INTERNAL);
    if (status != HG_OK || facts.input_count > INPUTS) {
        return;
    }
    for (uint32_t i = 0; i < facts.input_count; i++) {
        const char *name = hg_session_graph_input(session, 1, i);
        binds[i] = (struct hg_graph_bind){name, strlen(name), i + 1};
    }
    const char *name = hg_session_graph_output(session, 1, 0);
    output = (struct hg_graph_bind){name, strlen(name), 1};
    const struct hg_graph_request request = {.graph = 1,
                                             .inputs = binds,
                                             .input_count = facts.input_count,
                                             .outputs = &output,
                                             .output_count = in_place ? 1 : 0,
                                             .outputs_from = FIRST_MADE};
    run(&request);
}

/* ---- the three ways -------------------------------------------------------------------------- */

static void run_step(const struct hg_step *step)
{
    switch (step->kind) {
    case HG_REQUEST_LOAD_GRAPH:
        load_and_run(step->load_graph.source, false);
        break;
    case HG_REQUEST_EVAL:
    case HG_REQUEST_RUN_GRAPH:
        run(step->run_graph);
        break;
    case HG_REQUEST_EXPLAIN_GRAPH: {
        struct hg_error error = HG_ERROR_INIT;
        char *text = NULL;
        size_t length;
        if (hg_engine_graph_explain(step->explain_graph, &text, &length, &error) == HG_OK) {
            HG_REQUIRE(strlen(text) == length);
            hg_engine_graph_text_free(text);
        }
        break;
    }
    case HG_REQUEST_BATCH:
        for (uint32_t i = 0; i < step->batch.count && i < 8; i++) {
            run_step(&step->batch.steps[i]);
        }
        break;
    default:
        break;
    }
}

static void run_message(const uint8_t *data, size_t size)
{
    struct hg_arena arena;
    struct hg_message message;
    struct hg_error error = HG_ERROR_INIT;
    hg_arena_init(&arena, HG_TAG_TEST, HG_ARENA_CHUNK_BYTES, HG_ARENA_BYTES_MAX);
    if (size <= HG_MESSAGE_BYTES_MAX &&
        hg_codec_decode(data, size, &arena, &message, &error) == HG_DECODED_OK) {
        run_step(&message.step);
    }
    hg_arena_fini(&arena);
}

/* Each node from a few bytes: its kind, earlier nodes near it, small attributes. */
static void make_node(struct bytes *bytes, uint32_t index, struct hg_graph_node *node)
{
    hg_graph_node_init(node, (enum hg_graph_kind)(take(bytes) % HG_GRAPH_KIND_COUNT));
    const struct hg_graph_kind_info *info = hg_graph_kind_info((enum hg_graph_kind)node->kind);
    const uint8_t what = take(bytes);
    node->input_count =
        (uint8_t)(info->inputs_min + (info->inputs_max > info->inputs_min ? what % 3u : 0));
    for (unsigned i = 0; i < node->input_count && i < HG_GRAPH_NODE_INPUTS_MAX; i++) {
        node->inputs[i] = index == 0 ? 0 : index - 1 - take(bytes) % index;
    }
    if ((info->attributes & HG_GRAPH_TYPE) != 0) {
        node->type = (what & 1u) != 0 && info->class == HG_GRAPH_SOURCE
                         ? HG_GRAPH_TYPE_FLOAT
                         : (uint8_t)(what >> 1) % HG_DTYPE_COUNT;
    }
    if ((info->attributes & (HG_GRAPH_SHAPE | HG_GRAPH_AXES)) != 0) {
        const uint8_t sizes = take(bytes);
        node->rank = what & 3u;
        for (unsigned i = 0; i < node->rank; i++) {
            const uint8_t code = sizes >> (2 * i) & 3u;
            node->sizes[i] = code == 3 && (what & 0x80u) != 0 ? HG_GRAPH_SIZE_OPEN : code;
        }
    }
    if ((info->attributes & HG_GRAPH_AXIS) != 0 && (what & 0x40u) != 0) {
        node->axis = (int32_t)(what & 3u) - 1;
    }
    node->keepdims = (info->attributes & HG_GRAPH_KEEPDIMS) != 0 && (what & 0x20u) != 0;
    node->bits = what;
}

static void run_nodes(struct bytes *bytes)
{
    struct hg_graph_node nodes[NODES_MAX];
    struct hg_graph_output outputs[3];
    static const char *const names[] = {"p", "q", "r"};
    const bool in_place = (take(bytes) & 1u) != 0;
    uint32_t count = 0;
    for (; count < 2; count++) {
        hg_graph_node_init(&nodes[count], HG_GRAPH_KIND_INPUT);
        nodes[count].type = HG_GRAPH_TYPE_OPEN;
        nodes[count].rank = HG_GRAPH_RANK_OPEN;
        nodes[count].name[0] = (char)('a' + count);
    }
    while (count < NODES_MAX && bytes->left > 0) {
        make_node(bytes, count, &nodes[count]);
        count++;
    }
    for (uint32_t i = 0; i < HG_ARRAY_COUNT(outputs); i++) {
        outputs[i] = (struct hg_graph_output){.node = count - 1 - i % count};
        memcpy(outputs[i].name, names[i], 2);
    }
    const struct hg_graph_list list = {
        .nodes = nodes, .node_count = count, .outputs = outputs, .output_count = count % 3 + 1};
    const struct hg_graph_source source = {.list = &list};
    load_and_run(&source, in_place);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (engine == NULL) {
        set_up();
    }
    struct bytes bytes = {data, size};
    const uint8_t way = take(&bytes);
    open_session(&bytes);
    if (way % 3 == 0) {
        const struct hg_graph_source source = {(const char *)bytes.at, bytes.left, NULL};
        load_and_run(&source, (way & 0x80u) != 0);
    } else if (way % 3 == 1) {
        run_message(bytes.at, bytes.left);
    } else {
        run_nodes(&bytes);
    }
    hg_session_destroy(&session);
    return 0;
}
