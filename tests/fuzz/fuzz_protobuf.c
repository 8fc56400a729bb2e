/* SPDX-License-Identifier: Apache-2.0 */
/* Message bodies into the codec: bounded memory, and what it gives can be walked. */
#include <stdlib.h>
#include <string.h>

#include "daemon/codec.h"
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

static void walk_step(const struct hg_step *step)
{
    switch (step->kind) {
    case HG_REQUEST_ALLOC:
        HG_REQUIRE(step->alloc.spec.rank <= HG_RANK_MAX && step->alloc.spec.dtype < HG_DTYPE_COUNT);
        break;
    case HG_REQUEST_FREE:
        walk_bytes(step->free.ids, step->free.count * sizeof(*step->free.ids));
        break;
    case HG_REQUEST_WRITE:
        walk_bytes(step->write.data.data, step->write.data.size);
        break;
    case HG_REQUEST_EXECUTE:
        walk_execute(&step->execute);
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
