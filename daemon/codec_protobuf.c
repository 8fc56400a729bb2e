/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/codec_protobuf.h"

#include "daemon/codec_scan.h"

/* What protobuf-c allocates from; it only says that it failed, not why. */
struct memory {
    struct hg_arena *arena;
    bool exhausted;
};

static void *arena_alloc_cb(void *context, size_t size)
{
    struct memory *memory = context;
    void *block = hg_arena_alloc(memory->arena, size);
    memory->exhausted = memory->exhausted || block == NULL;
    return block;
}

/* The arena is reset as a whole. */
static void arena_free_cb(void *context, void *block)
{
    (void)context;
    (void)block;
}

enum hg_status hg_codec_unpack(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
                               size_t size, struct hg_arena *arena, ProtobufCMessage **message,
                               struct hg_error *error)
{
    struct memory memory = {.arena = arena};
    ProtobufCAllocator allocator = {arena_alloc_cb, arena_free_cb, &memory};
    if (hg_codec_scan(descriptor, data, size, error) != HG_OK) {
        return error->status;
    }
    *message = protobuf_c_message_unpack(descriptor, &allocator, size, data);
    if (memory.exhausted) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "request: out of memory");
    }
    if (*message == NULL) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "malformed message: not a %s",
                       descriptor->short_name);
    }
    return HG_OK;
}
