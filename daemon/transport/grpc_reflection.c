/* SPDX-License-Identifier: Apache-2.0 */
/* grpc.reflection v1 and v1alpha: clients without .proto files ask what the services look like. */
#include <string.h>

#include "daemon/transport/grpc_codec.h"
#include "daemon/transport/grpc_core.h"
#include "daemon/transport/grpc_descriptor.h"
#include "daemon/transport/grpc_send.h"

/* A name of a file or symbol; longer requests are no use of reflection. */
#define QUESTION_BYTES_MAX 4096
/* Responses waiting to be sent, above which no further question is taken. */
#define ANSWERS_BYTES_MAX 262144
#define SERVICES_MAX      8

/* The services of the methods, each once. */
static size_t list_services(const char **names, struct hg_arena *arena)
{
    size_t count = 0;
    for (size_t i = 0; i < hg_grpc_method_count && count < SERVICES_MAX; i++) {
        const char *path = hg_grpc_methods[i].path + 1;
        const size_t length = strcspn(path, "/");
        if (count != 0 && strlen(names[count - 1]) == length &&
            memcmp(names[count - 1], path, length) == 0) {
            continue;
        }
        char *name = hg_arena_alloc(arena, length + 1);
        if (name == NULL) {
            return count;
        }
        memcpy(name, path, length);
        name[length] = '\0';
        names[count++] = name;
    }
    return count;
}

static struct hg_bytes answer_file(const struct hg_reflection *question, struct hg_arena *arena)
{
    struct hg_descriptors set;
    struct hg_bytes files[HG_DESCRIPTOR_FILES_MAX];
    hg_descriptors_load(&set);
    const int index = question->kind == HG_REFLECT_FILE
                          ? hg_descriptors_file(&set, question->text)
                          : hg_descriptors_symbol(&set, question->text);
    if (index < 0) {
        return hg_grpc_encode_refusal(question, HG_NOT_FOUND, "no file has or defines it", arena);
    }
    return hg_grpc_encode_files(question, files, hg_descriptors_closure(&set, index, files), arena);
}

static struct hg_bytes answer(const struct hg_reflection *question, struct hg_arena *arena)
{
    const char *names[SERVICES_MAX];
    struct hg_descriptors set;
    switch (question->kind) {
    case HG_REFLECT_FILE:
    case HG_REFLECT_SYMBOL:
        return answer_file(question, arena);
    case HG_REFLECT_SERVICES:
        return hg_grpc_encode_services(question, names, list_services(names, arena), arena);
    case HG_REFLECT_EXTENSION:
        return hg_grpc_encode_refusal(question, HG_NOT_FOUND, "there are no extensions", arena);
    case HG_REFLECT_EXTENSIONS:
        hg_descriptors_load(&set);
        if (hg_descriptors_symbol(&set, question->text) < 0) {
            return hg_grpc_encode_refusal(question, HG_NOT_FOUND, "no such message", arena);
        }
        return hg_grpc_encode_extensions(question, arena);
    case HG_REFLECT_OTHER:
        break;
    }
    return hg_grpc_encode_refusal(question, HG_UNIMPLEMENTED, "no question that is known", arena);
}

/* Answers one message; false if the call has been ended for it. */
static bool answer_message(struct hg_grpc_call *call, struct hg_bytes message)
{
    struct hg_arena arena;
    struct hg_reflection question;
    enum hg_status status = HG_INVALID_ARGUMENT;
    hg_arena_init(&arena, HG_TAG_TRANSPORT, HG_ARENA_CHUNK_BYTES, HG_ARENA_BYTES_MAX);
    if (message.size <= QUESTION_BYTES_MAX) {
        status = hg_grpc_decode_reflection(message, &arena, &question);
    }
    if (status == HG_OK) {
        const struct hg_bytes body = answer(&question, &arena);
        status = body.data == NULL
                     ? HG_RESOURCE_EXHAUSTED
                     : hg_grpc_call_send(
                           call, grpc_slice_from_copied_buffer((const char *)body.data, body.size),
                           NULL, 0);
    }
    hg_arena_fini(&arena);
    if (status != HG_OK) {
        hg_grpc_call_fail(call, status,
                          status == HG_INVALID_ARGUMENT
                              ? "malformed message: not a ServerReflectionRequest"
                              : "reflection: out of memory");
    }
    return status == HG_OK;
}

void hg_grpc_reflection_start(struct hg_grpc_call *call)
{
    hg_grpc_call_listen(call);
}

void hg_grpc_reflection_progress(struct hg_grpc_call *call)
{
    while (hg_grpc_call_has_room(call, ANSWERS_BYTES_MAX)) {
        grpc_slice message;
        const enum hg_grpc_next next = hg_grpc_call_next(call, &message);
        if (next == HG_GRPC_NONE_YET) {
            return;
        }
        if (next == HG_GRPC_END) {
            const struct hg_error success = HG_ERROR_INIT;
            hg_grpc_call_finish(call, &success, HG_GRPC_NO_STEPS);
            return;
        }
        const bool good = answer_message(call, hg_grpc_bytes(&message));
        grpc_slice_unref(message);
        if (!good) {
            return;
        }
    }
}

void hg_grpc_simple_closed(struct hg_grpc_call *call)
{
    hg_grpc_call_fail(call, HG_CANCELLED, "cancelled");
}

void hg_grpc_simple_drain(struct hg_grpc_call *call)
{
    hg_grpc_call_fail(call, HG_UNAVAILABLE, "the server is stopping");
}
