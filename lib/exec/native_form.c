/* SPDX-License-Identifier: Apache-2.0 */
/* Launches that have code of another form: rows of one lane, and outputs beyond the caches. */
#include "lib/exec/run.h"

/* Lanes that are worth a second call. */
#define STREAM_LANES_MIN 4096

const struct hg_native_code *hg_native_suited(const struct hg_program *program,
                                              const struct hg_native_code *code,
                                              const uint64_t params[HG_PARAM_COUNT])
{
    const struct hg_native_region *region = &code->regions[0];
    bool by_single_rows = params[HG_PARAM_COLS] == 1 && params[HG_PARAM_ROWS] > 1 &&
                          code->region_count == 1 && region->by_row && region->has_lanes &&
                          region->run != NULL && region->reduce_count == 0 &&
                          region->product == HG_NATIVE_NO_PRODUCT;
    const struct hg_native_code *form =
        by_single_rows ? hg_native_form_of(program, code, HG_NATIVE_ONE_COLUMN) : NULL;
    return form != NULL ? form : code;
}

/* The one access that writes, if no other is to its operand; else NULL. Gives the bytes of a lane
 * in all that lie in a line. */
static const struct hg_native_access *only_written(const struct hg_native_code *code,
                                                   uint64_t *lane_bytes)
{
    const struct hg_native_access *accesses = hg_native_accesses(code);
    const struct hg_native_access *written = NULL;
    *lane_bytes = 0;
    for (unsigned i = 0; i < code->access_count; i++) {
        const struct hg_native_access *access = &accesses[i];
        *lane_bytes += access->lane == HG_LANE_STRIDE ? access->width : 0;
        for (unsigned j = 0; j < i; j++) {
            bool writes = access->written || accesses[j].written;
            if (writes &&
                (accesses[j].slot == access->slot || (access->written && accesses[j].written))) {
                return NULL;
            }
        }
        written = access->written ? access : written;
    }
    return written;
}

struct hg_native_stream hg_native_stream_of(const struct hg_program *program,
                                            const struct hg_native_code *code,
                                            const uint64_t params[HG_PARAM_COUNT])
{
    struct hg_native_stream stream = {.run = NULL};
    const struct hg_native_region *region = &code->regions[0];
    if (!code->direct || code->region_count != 1 || region->by_row || region->can_fail ||
        region->reduce_count != 0 || region->product != HG_NATIVE_NO_PRODUCT) {
        return stream;
    }
    uint64_t lane_bytes;
    const struct hg_native_access *written = only_written(code, &lane_bytes);
    if (written == NULL || written->lane != HG_LANE_STRIDE ||
        params[HG_PARAM_N] < HG_NATIVE_STREAM_BYTES / lane_bytes) {
        return stream;
    }
    const struct hg_native_code *form = hg_native_form_of(program, code, HG_NATIVE_PAST_CACHE);
    if (form != NULL) {
        stream = (struct hg_native_stream){.run = form->regions[0].run,
                                           .offset = written->offset,
                                           .slot = written->slot,
                                           .width = written->width};
    }
    return stream;
}

void hg_native_run_past_cache(const struct hg_native_stream *stream,
                              const struct hg_native_region *region, struct hg_native_frame *frame)
{
    uintptr_t start =
        (uintptr_t)frame->base[stream->slot] + stream->offset + frame->lane * stream->width;
    uint64_t bytes = (0 - start) % HG_NATIVE_VECTOR;
    if (frame->count < STREAM_LANES_MIN || bytes % stream->width != 0) {
        region->run(frame); /* not worth it, or no element begins where a line does */
        return;
    }
    uint64_t count = frame->count;
    frame->count = bytes / stream->width;
    if (frame->count != 0) {
        region->run(frame);
    }
    frame->lane += frame->count;
    frame->col += frame->count;
    frame->count = count - frame->count;
    stream->run(frame);
}
