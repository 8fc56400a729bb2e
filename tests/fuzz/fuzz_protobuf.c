/* SPDX-License-Identifier: Apache-2.0 */
/* Message bodies into the codec: bounded memory, what it gives can be walked, and its hot way takes
 * nothing that the general one refuses or understands otherwise. */
#include <stdlib.h>
#include <string.h>

#include "daemon/codec_hot.h"
#include "daemon/limits.h"
#include "lib/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t sum;

/* Reads what the message points to, for the sanitizer to look at. */
static void walk_bytes(const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        sum += ((const uint8_t *)bytes)[i];
    }
}

static void walk_execute(const struct hg_execute_request *execute)
{
    walk_bytes(execute->op, execute->op_length);
    walk_bytes(execute->inputs, execute->input_count * sizeof(*execute->inputs));
    walk_bytes(execute->outputs, execute->output_count * sizeof(*execute->outputs));
    for (uint32_t i = 0; i < execute->attribute_count; i++) {
        walk_bytes(execute->attributes[i].name, execute->attributes[i].name_length);
    }
}

static void walk_prepared(const struct hg_execute_prepared_request *prepared)
{
    walk_bytes(prepared->inputs, prepared->input_count * sizeof(*prepared->inputs));
    walk_bytes(prepared->outputs, prepared->output_count * sizeof(*prepared->outputs));
}

static void walk_step(const struct hg_step *step)
{
    switch (step->kind) {
    case HG_REQUEST_ALLOC:
        HG_REQUIRE(step->alloc.spec.rank <= HG_RANK_MAX && step->alloc.spec.dtype < HG_DTYPE_COUNT);
        break;
    case HG_REQUEST_FREE:
    case HG_REQUEST_FREEZE:
        walk_bytes(step->free.ids, step->free.count * sizeof(*step->free.ids));
        break;
    case HG_REQUEST_WRITE:
        walk_bytes(step->write.data.data, step->write.data.size);
        break;
    case HG_REQUEST_EXECUTE:
        walk_execute(&step->execute);
        break;
    case HG_REQUEST_EXECUTE_PREPARED:
        walk_prepared(&step->execute_prepared);
        break;
    case HG_REQUEST_LOAD_PROGRAM:
        walk_bytes(step->load.binary.data, step->load.binary.size);
        break;
    case HG_REQUEST_RUN_PROGRAM:
        walk_bytes(step->run.buffers, step->run.buffer_count * sizeof(*step->run.buffers));
        walk_bytes(step->run.params, step->run.param_count * sizeof(*step->run.params));
        break;
    case HG_REQUEST_BATCH:
        for (uint32_t i = 0; i < step->batch.count; i++) {
            HG_REQUIRE(step->batch.steps[i].kind != HG_REQUEST_BATCH);
            walk_step(&step->batch.steps[i]);
        }
        break;
    default:
        break;
    }
}

static bool same_bytes(const void *a, const void *b, size_t size)
{
    return size == 0 || memcmp(a, b, size) == 0;
}

static bool same_execute(const struct hg_execute_request *a, const struct hg_execute_request *b)
{
    bool same = a->op_length == b->op_length && same_bytes(a->op, b->op, a->op_length) &&
                a->input_count == b->input_count &&
                same_bytes(a->inputs, b->inputs, a->input_count * sizeof(*a->inputs)) &&
                a->output_count == b->output_count &&
                same_bytes(a->outputs, b->outputs, a->output_count * sizeof(*a->outputs)) &&
                a->attribute_count == b->attribute_count;
    for (uint32_t i = 0; same && i < a->attribute_count; i++) {
        const struct hg_named_attribute *x = &a->attributes[i];
        const struct hg_named_attribute *y = &b->attributes[i];
        same = x->bits == y->bits && x->name_length == y->name_length &&
               same_bytes(x->name, y->name, x->name_length);
    }
    return same;
}

static bool same_prepared(const struct hg_execute_prepared_request *a,
                          const struct hg_execute_prepared_request *b)
{
    return a->handle == b->handle && a->input_count == b->input_count &&
           same_bytes(a->inputs, b->inputs, a->input_count * sizeof(*a->inputs)) &&
           a->output_count == b->output_count &&
           same_bytes(a->outputs, b->outputs, a->output_count * sizeof(*a->outputs));
}

static bool same_binds(const struct hg_graph_bind *a, const struct hg_graph_bind *b, uint32_t count)
{
    bool same = true;
    for (uint32_t i = 0; same && i < count; i++) {
        same = a[i].id == b[i].id && a[i].length == b[i].length &&
               same_bytes(a[i].name, b[i].name, a[i].length);
    }
    return same;
}

static bool same_graph(const struct hg_graph_request *a, const struct hg_graph_request *b)
{
    return a->graph == b->graph && a->source.list == NULL && b->source.list == NULL &&
           a->source.length == b->source.length &&
           same_bytes(a->source.text, b->source.text, a->source.length) &&
           a->input_count == b->input_count && a->output_count == b->output_count &&
           a->outputs_from == b->outputs_from && same_binds(a->inputs, b->inputs, a->input_count) &&
           same_binds(a->outputs, b->outputs, a->output_count);
}

static bool same_step(const struct hg_step *a, const struct hg_step *b)
{
    if (a->kind != b->kind) {
        return false;
    }
    switch (a->kind) {
    case HG_REQUEST_EXECUTE:
        return same_execute(&a->execute, &b->execute);
    case HG_REQUEST_EXECUTE_PREPARED:
        return same_prepared(&a->execute_prepared, &b->execute_prepared);
    case HG_REQUEST_WRITE:
        return a->write.id == b->write.id && a->write.offset == b->write.offset &&
               a->write.data.size == b->write.data.size &&
               same_bytes(a->write.data.data, b->write.data.data, a->write.data.size);
    case HG_REQUEST_READ:
        return a->read.id == b->read.id && a->read.offset == b->read.offset &&
               a->read.length == b->read.length;
    case HG_REQUEST_BATCH:
        for (uint32_t i = 0; a->batch.count == b->batch.count && i < a->batch.count; i++) {
            if (!same_step(&a->batch.steps[i], &b->batch.steps[i])) {
                return false;
            }
        }
        return a->batch.count == b->batch.count;
    case HG_REQUEST_RUN_GRAPH:
    case HG_REQUEST_EVAL:
        return same_graph(a->run_graph, b->run_graph);
    default:
        return a->kind == HG_REQUEST_PING;
    }
}

/* What the hot way takes the general one, which defines it, understands the same. */
static void compare(const uint8_t *data, size_t size)
{
    struct hg_arena arenas[2];
    struct hg_message hot, general;
    struct hg_error error = HG_ERROR_INIT;
    hg_arena_init(&arenas[0], HG_TAG_TEST, HG_ARENA_CHUNK_BYTES, HG_ARENA_BYTES_MAX);
    hg_arena_init(&arenas[1], HG_TAG_TEST, HG_ARENA_CHUNK_BYTES, HG_ARENA_BYTES_MAX);
    if (hg_codec_decode_hot(data, size, &arenas[0], &hot)) {
        HG_REQUIRE(hg_codec_decode_general(data, size, &arenas[1], &general, &error) ==
                   HG_DECODED_OK);
        HG_REQUIRE(hot.id == general.id && hot.stream == general.stream &&
                   hot.timeout_us == general.timeout_us && same_step(&hot.step, &general.step));
    }
    hg_arena_fini(&arenas[0]);
    hg_arena_fini(&arenas[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hg_arena arena;
    struct hg_message message;
    struct hg_error error = HG_ERROR_INIT;
    if (size > HG_MESSAGE_BYTES_MAX) {
        return 0;
    }
    /* A copy of the exact size, so that a read past the end is seen. */
    uint8_t *copy = hg_malloc(HG_TAG_TEST, size);
    HG_REQUIRE(copy != NULL);
    memcpy(copy, data, size);
    compare(copy, size);
    hg_arena_init(&arena, HG_TAG_TEST, HG_ARENA_CHUNK_BYTES, HG_ARENA_BYTES_MAX);
    const enum hg_decoded decoded = hg_codec_decode(copy, size, &arena, &message, &error);
    /* What is decoded does not point into what was received. */
    hg_free(HG_TAG_TEST, copy);
    HG_REQUIRE((decoded == HG_DECODED_OK) == (error.status == HG_OK));
    if (decoded == HG_DECODED_OK) {
        walk_step(&message.step);
    }
    hg_arena_fini(&arena);
    return 0;
}
