/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unary calls of hologramd beside an echo of the same request on the same gRPC library, bare and
 * with the hop from the queue's thread to a loop that any server with a loop of its own needs. The
 * difference from the latter is ours; all else is C core's.
 */
#include "tests/bench/grpc_rows.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/hologram/v1/hologram.pb-c.h"
#include "tests/bench/bench.h"
#include "tests/bench/grpc_client.h"
#include "tests/bench/grpc_peers.h"

#define SERVICE          "/hologram.v1.Hologram/"
#define ROUNDS           15
#define TRIPS            300 /* unary calls a round */
#define FLIGHTS          30  /* of the stream, a round */
#define WINDOW           64
#define WARM_UP          100
#define ELEMENTS         256
#define BUFFERS          3
#define PROTOCOL_VERSION 1

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bench: gRPC: %s\n", what);
    exit(1);
}

/* ---- messages -------------------------------------------------------------------------------- */

static grpc_slice pack(const ProtobufCMessage *message)
{
    grpc_slice slice = grpc_slice_malloc(protobuf_c_message_get_packed_size(message));
    protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(slice));
    return slice;
}

static Hologram__V1__Alloc alloc_message(uint64_t id)
{
    static uint64_t shape[] = {ELEMENTS};
    Hologram__V1__Alloc alloc = HOLOGRAM__V1__ALLOC__INIT;
    alloc.id = id;
    alloc.dtype = HOLOGRAM__V1__DTYPE__F32;
    alloc.n_shape = 1;
    alloc.shape = shape;
    return alloc;
}

static Hologram__V1__Execute add_message(void)
{
    static char op[] = "vector_add";
    static uint64_t inputs[] = {1, 2};
    static uint64_t outputs[] = {3};
    Hologram__V1__Execute execute = HOLOGRAM__V1__EXECUTE__INIT;
    execute.op = op;
    execute.n_inputs = 2;
    execute.inputs = inputs;
    execute.n_outputs = 1;
    execute.outputs = outputs;
    return execute;
}

/* ---- unary ----------------------------------------------------------------------------------- */

struct unary {
    struct grpc_client client;
    void *method;
    grpc_slice request;
};

static void trip(struct unary *unary)
{
    grpc_slice_unref(grpc_client_call(&unary->client, unary->method, unary->request));
}

/* The token is the first field of OpenSessionResult: its key, its length in one byte, its text. */
static grpc_slice token_of(grpc_slice result)
{
    const uint8_t *bytes = GRPC_SLICE_START_PTR(result);
    const size_t size = GRPC_SLICE_LENGTH(result);
    if (size < 2 || bytes[0] != (1 << 3 | 2) || bytes[1] > 127 || size - 2 < bytes[1]) {
        die("expected the token in front of an OpenSessionResult");
    }
    return grpc_slice_from_copied_buffer((const char *)bytes + 2, bytes[1]);
}

/* A session with three vectors, and the addition of two of them. */
static struct unary open_daemon(const char *path)
{
    struct unary unary = {.client = grpc_client_open(path)};
    struct grpc_client *client = &unary.client;
    const grpc_slice result = grpc_client_call(
        client, grpc_client_method(client, SERVICE "OpenSession"), grpc_empty_slice());
    grpc_client_name_session(client, token_of(result));
    grpc_slice_unref(result);
    void *method = grpc_client_method(client, SERVICE "Alloc");
    for (uint64_t id = 1; id <= BUFFERS; id++) {
        const Hologram__V1__Alloc alloc = alloc_message(id);
        const grpc_slice request = pack(&alloc.base);
        grpc_slice_unref(grpc_client_call(client, method, request));
        grpc_slice_unref(request);
    }
    const Hologram__V1__Execute execute = add_message();
    unary.method = grpc_client_method(client, SERVICE "Execute");
    unary.request = pack(&execute.base);
    return unary;
}

static struct unary open_echo(const char *path)
{
    const Hologram__V1__Execute execute = add_message();
    struct unary unary = {.client = grpc_client_open(path), .request = pack(&execute.base)};
    unary.method = grpc_client_method(&unary.client, GRPC_ECHO_METHOD);
    /* As long as a session's, so that all calls move the same bytes. */
    grpc_client_name_session(&unary.client,
                             grpc_slice_from_static_string("0123456789abcdef0123456789abcdef"));
    return unary;
}

static void close_unary(struct unary *unary)
{
    grpc_slice_unref(unary->request);
    grpc_client_close(&unary->client);
}

/* ---- the Session stream ---------------------------------------------------------------------- */

struct session {
    struct grpc_client client;
    struct grpc_stream stream;
    grpc_slice requests[WINDOW]; /* additions */
};

static void expect_ok(struct session *session)
{
    const grpc_slice bytes = grpc_client_stream_receive(&session->client, &session->stream);
    Hologram__V1__Response *response =
        hologram__v1__response__unpack(NULL, GRPC_SLICE_LENGTH(bytes), GRPC_SLICE_START_PTR(bytes));
    if (response == NULL) {
        die("expected a Response on the Session stream");
    }
    if (response->status != NULL && response->status->code != 0) {
        die(response->status->message);
    }
    hologram__v1__response__free_unpacked(response, NULL);
    grpc_slice_unref(bytes);
}

static void ask(struct session *session, const Hologram__V1__Request *request)
{
    const grpc_slice bytes = pack(&request->base);
    grpc_client_stream_send(&session->client, &session->stream, bytes, false);
    grpc_slice_unref(bytes);
    expect_ok(session);
}

static void open_session(struct session *session, const char *path)
{
    session->client = grpc_client_open(path);
    session->stream = grpc_client_stream_open(
        &session->client, grpc_client_method(&session->client, SERVICE "Session"));
    Hologram__V1__Hello hello = HOLOGRAM__V1__HELLO__INIT;
    hello.protocol_version_min = PROTOCOL_VERSION;
    hello.protocol_version_max = PROTOCOL_VERSION;
    Hologram__V1__Request request = HOLOGRAM__V1__REQUEST__INIT;
    request.id = 1;
    request.body_case = HOLOGRAM__V1__REQUEST__BODY_HELLO;
    request.hello = &hello;
    ask(session, &request);
    for (uint64_t id = 1; id <= BUFFERS; id++) {
        Hologram__V1__Alloc alloc = alloc_message(id);
        request.body_case = HOLOGRAM__V1__REQUEST__BODY_ALLOC;
        request.alloc = &alloc;
        ask(session, &request);
    }
    Hologram__V1__Execute execute = add_message();
    request.body_case = HOLOGRAM__V1__REQUEST__BODY_EXECUTE;
    request.execute = &execute;
    for (uint64_t i = 0; i < WINDOW; i++) {
        request.id = i + 1;
        session->requests[i] = pack(&request.base);
    }
}

static void close_session(struct session *session)
{
    for (size_t i = 0; i < WINDOW; i++) {
        grpc_slice_unref(session->requests[i]);
    }
    grpc_client_stream_close(&session->client, &session->stream);
    grpc_client_close(&session->client);
}

static void flight(struct session *session)
{
    for (size_t i = 0; i < WINDOW; i++) {
        grpc_client_stream_send(&session->client, &session->stream, session->requests[i],
                                i + 1 < WINDOW);
    }
    for (size_t i = 0; i < WINDOW; i++) {
        expect_ok(session);
    }
}

/* ---- rows ------------------------------------------------------------------------------------ */

enum kind { BARE, ONE_HOP, DAEMON, KINDS };

struct round {
    double p50_us[KINDS];
    double unary_rate;
    double stream_rate;
};

static double per_second(uint64_t count, uint64_t start_ns)
{
    return (double)count / ((double)(bench_now_ns() - start_ns) / 1e9);
}

static double time_trips(struct unary *unary)
{
    static double times[TRIPS];
    for (size_t i = 0; i < TRIPS; i++) {
        uint64_t start = bench_now_ns();
        trip(unary);
        times[i] = (double)(bench_now_ns() - start) / 1e3;
    }
    return bench_median(times, TRIPS);
}

static struct round measure_round(struct unary unaries[KINDS], struct session *session)
{
    struct round round;
    uint64_t start = 0;
    for (size_t kind = 0; kind < KINDS; kind++) {
        start = bench_now_ns();
        round.p50_us[kind] = time_trips(&unaries[kind]);
    }
    round.unary_rate = per_second(TRIPS, start);
    start = bench_now_ns();
    for (size_t i = 0; i < FLIGHTS; i++) {
        flight(session);
    }
    round.stream_rate = per_second((uint64_t)FLIGHTS * WINDOW, start);
    return round;
}

static void report(const struct round rounds[ROUNDS])
{
    static double values[ROUNDS];
    double p50[KINDS];
    for (size_t kind = 0; kind < KINDS; kind++) {
        for (size_t i = 0; i < ROUNDS; i++) {
            values[i] = rounds[i].p50_us[kind];
        }
        p50[kind] = bench_median(values, ROUNDS);
    }
    bench_plain("grpc echo p50", p50[BARE], "us");
    bench_row("grpc echo one hop p50", p50[ONE_HOP], "us", p50[BARE], p50[ONE_HOP] / p50[BARE]);
    bench_row("grpc unary p50", p50[DAEMON], "us", p50[ONE_HOP], p50[DAEMON] / p50[ONE_HOP]);
    bench_row("grpc unary p50 vs bare echo", p50[DAEMON], "us", p50[BARE], p50[DAEMON] / p50[BARE]);
    for (size_t i = 0; i < ROUNDS; i++) {
        values[i] = rounds[i].unary_rate;
    }
    double unary_rate = bench_median(values, ROUNDS);
    for (size_t i = 0; i < ROUNDS; i++) {
        values[i] = rounds[i].stream_rate;
    }
    double stream_rate = bench_median(values, ROUNDS);
    bench_row("grpc session stream 64", stream_rate, "ops/s", unary_rate, unary_rate / stream_rate);
}

static void measure_rounds(struct unary unaries[KINDS], struct session *session)
{
    static struct round rounds[ROUNDS];
    for (size_t kind = 0; kind < KINDS; kind++) {
        for (size_t i = 0; i < WARM_UP; i++) {
            trip(&unaries[kind]);
        }
    }
    flight(session);
    for (size_t i = 0; i < ROUNDS; i++) {
        rounds[i] = measure_round(unaries, session);
    }
    report(rounds);
}

void measure_grpc(const char *directory, const char *daemon_path)
{
    char bare_path[96], hop_path[96];
    snprintf(bare_path, sizeof bare_path, "%s/grpc-bare.sock", directory);
    snprintf(hop_path, sizeof hop_path, "%s/grpc-hop.sock", directory);
    pid_t bare = grpc_echo_start(bare_path, GRPC_ECHO_BARE);
    pid_t hop = grpc_echo_start(hop_path, GRPC_ECHO_ONE_HOP);
    struct unary unaries[KINDS] = {
        [BARE] = open_echo(bare_path),
        [ONE_HOP] = open_echo(hop_path),
        [DAEMON] = open_daemon(daemon_path),
    };
    struct session session;
    open_session(&session, daemon_path);
    measure_rounds(unaries, &session);
    close_session(&session);
    for (size_t kind = 0; kind < KINDS; kind++) {
        close_unary(&unaries[kind]);
    }
    grpc_echo_stop(bare);
    grpc_echo_stop(hop);
    unlink(bare_path);
    unlink(hop_path);
}
