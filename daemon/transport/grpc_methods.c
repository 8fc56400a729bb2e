/* SPDX-License-Identifier: Apache-2.0 */
/* Every method, once. Those of one service stand together: reflection lists services from here. */
#include "daemon/transport/grpc_core.h"
#include "lib/base/check.h"

/* A typed call: NUMBER is that of its request in a Request. */
#define TYPED(name, kind_, number, session)                                                        \
    {                                                                                              \
        .path = "/hologram.v1.Hologram/" name, .start = hg_grpc_unary_start,                       \
        .closed = hg_grpc_unary_closed, .reply = hg_grpc_unary_reply, .kind = HG_REQUEST_##kind_,  \
        .field = (number), .needs_session = (session)                                              \
    }

#define REFLECTION(version)                                                                        \
    {                                                                                              \
        .path = "/grpc.reflection." version ".ServerReflection/ServerReflectionInfo",              \
        .streams_in = true, .streams_out = true, .start = hg_grpc_reflection_start,                \
        .progress = hg_grpc_reflection_progress, .closed = hg_grpc_simple_closed,                  \
        .drain = hg_grpc_simple_drain                                                              \
    }

const struct hg_grpc_method hg_grpc_methods[] = {
    TYPED("Alloc", ALLOC, 11, true),
    TYPED("Free", FREE, 12, true),
    TYPED("Write", WRITE, 13, true),
    TYPED("Read", READ, 14, true),
    TYPED("Execute", EXECUTE, 15, true),
    TYPED("Batch", BATCH, 16, true),
    TYPED("LoadProgram", LOAD_PROGRAM, 17, true),
    TYPED("UnloadProgram", UNLOAD_PROGRAM, 18, true),
    TYPED("RunProgram", RUN_PROGRAM, 19, true),
    TYPED("Publish", PUBLISH, 20, true),
    TYPED("Unpublish", UNPUBLISH, 21, true),
    TYPED("Open", OPEN, 22, true),
    TYPED("Stats", STATS, 23, false),
    TYPED("ListOps", LIST_OPS, 24, false),
    TYPED("ListBuffers", LIST_BUFFERS, 25, true),
    TYPED("Cancel", CANCEL, 26, true),
    TYPED("Ping", PING, 27, false),
    TYPED("Prepare", PREPARE, 28, true),
    TYPED("ExecutePrepared", EXECUTE_PREPARED, 29, true),
    TYPED("Unprepare", UNPREPARE, 30, true),
    TYPED("CacheProfile", CACHE_PROFILE, 31, true),
    TYPED("CacheWarm", CACHE_WARM, 32, true),
    TYPED("Freeze", FREEZE, 33, true),
    TYPED("CacheList", CACHE_LIST, 50, true),
    TYPED("CacheTop", CACHE_TOP, 51, true),
    TYPED("CacheShow", CACHE_SHOW, 52, true),
    TYPED("CacheFlush", CACHE_FLUSH, 53, true),
    TYPED("CachePin", CACHE_PIN, 54, true),
    TYPED("CacheWhatIf", CACHE_WHAT_IF, 55, true),
    TYPED("LoadGraph", LOAD_GRAPH, 60, true),
    TYPED("UnloadGraph", UNLOAD_GRAPH, 61, true),
    TYPED("RunGraph", RUN_GRAPH, 62, true),
    TYPED("Eval", EVAL, 63, true),
    TYPED("ExplainGraph", EXPLAIN_GRAPH, 64, true),
    TYPED("SaveGraph", SAVE_GRAPH, 65, true),
    TYPED("OpenGraph", OPEN_GRAPH, 66, true),
    TYPED("RemoveGraph", REMOVE_GRAPH, 67, true),
    TYPED("ListGraphs", LIST_GRAPHS, 68, true),
    {.path = "/hologram.v1.Hologram/OpenSession",
     .start = hg_grpc_open_start,
     .reply = hg_grpc_open_reply},
    {.path = "/hologram.v1.Hologram/CloseSession", .start = hg_grpc_close_start},
    {.path = "/hologram.v1.Hologram/WriteStream",
     .streams_in = true,
     .start = hg_grpc_write_stream_start,
     .progress = hg_grpc_write_stream_progress,
     .closed = hg_grpc_write_stream_closed,
     .reply = hg_grpc_write_stream_reply,
     .kind = HG_REQUEST_WRITE},
    {.path = "/hologram.v1.Hologram/ReadStream",
     .streams_out = true,
     .start = hg_grpc_unary_start,
     .closed = hg_grpc_unary_closed,
     .reply = hg_grpc_read_stream_reply,
     .kind = HG_REQUEST_READ,
     .field = 14,
     .needs_session = true},
    {.path = "/hologram.v1.Hologram/Session",
     .streams_in = true,
     .streams_out = true,
     .start = hg_grpc_stream_start,
     .progress = hg_grpc_stream_progress,
     .closed = hg_grpc_stream_closed,
     .reply = hg_grpc_stream_reply,
     .drain = hg_grpc_stream_drain},
    {.path = "/grpc.health.v1.Health/Check", .start = hg_grpc_health_check},
    {.path = "/grpc.health.v1.Health/Watch",
     .streams_out = true,
     .start = hg_grpc_health_watch,
     .closed = hg_grpc_simple_closed,
     .drain = hg_grpc_health_drain},
    REFLECTION("v1"),
    REFLECTION("v1alpha"),
};
const size_t hg_grpc_method_count = HG_ARRAY_COUNT(hg_grpc_methods);
