/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of gRPC's own services, health and reflection, as Debian's .proto files define them.
 * No I/O, no state.
 */
#ifndef HG_DAEMON_TRANSPORT_GRPC_CODEC_H
#define HG_DAEMON_TRANSPORT_GRPC_CODEC_H

#include "daemon/message.h"
#include "lib/base/arena.h"

/* Every function gives its message in ARENA; empty data when out of memory. */

enum hg_health { HG_HEALTH_SERVING, HG_HEALTH_NOT_SERVING, HG_HEALTH_SERVICE_UNKNOWN };

/* The service that a HealthCheckRequest names, terminated. INVALID_ARGUMENT if MESSAGE is none,
 * RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_grpc_decode_health(struct hg_bytes message, struct hg_arena *arena,
                                                   const char **service);
struct hg_bytes hg_grpc_encode_health(enum hg_health health, struct hg_arena *arena);

enum hg_reflection_kind {
    HG_REFLECT_FILE,      /* `text` is a file's name */
    HG_REFLECT_SYMBOL,    /* `text` is a full name */
    HG_REFLECT_EXTENSION, /* of message `text`; there are none */
    HG_REFLECT_EXTENSIONS,
    HG_REFLECT_SERVICES,
    HG_REFLECT_OTHER
};
struct hg_reflection {
    enum hg_reflection_kind kind;
    const char *text;
    void *request; /* the decoded message, which the answer repeats */
};
/* INVALID_ARGUMENT if MESSAGE is no ServerReflectionRequest, RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_grpc_decode_reflection(struct hg_bytes message,
                                                       struct hg_arena *arena,
                                                       struct hg_reflection *reflection);
struct hg_bytes hg_grpc_encode_files(const struct hg_reflection *reflection,
                                     const struct hg_bytes *files, size_t count,
                                     struct hg_arena *arena);
struct hg_bytes hg_grpc_encode_services(const struct hg_reflection *reflection,
                                        const char *const *names, size_t count,
                                        struct hg_arena *arena);
struct hg_bytes hg_grpc_encode_extensions(const struct hg_reflection *reflection,
                                          struct hg_arena *arena);
struct hg_bytes hg_grpc_encode_refusal(const struct hg_reflection *reflection,
                                       enum hg_status status, const char *text,
                                       struct hg_arena *arena);

#endif
