/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/grpc_subjects.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/hologram/v1/hologram.pb-c.h"
#include "tests/bench/grpc_client.h"
#include "tests/bench/grpc_peers.h"

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

struct grpc_unary {
    struct grpc_client client;
    void *method;
    grpc_slice request;
};

void grpc_unary_trip(void *context)
{
    struct grpc_unary *unary = context;
    grpc_slice_unref(grpc_client_call(&unary->client, unary->method, unary->request));
}

static void *allocate(size_t size)
{
    void *memory = calloc(1, size);
    if (memory == NULL) {
        die("out of memory");
    }
    return memory;
}

struct grpc_unary *grpc_unary_open(const char *daemon_path)
{
    struct grpc_unary *unary = allocate(sizeof *unary);
    struct grpc_client *client = &unary->client;
    *client = grpc_client_open(daemon_path);
    grpc_client_open_session(client);
    void *method = grpc_client_method(client, GRPC_SERVICE "Alloc");
    for (uint64_t id = 1; id <= BUFFERS; id++) {
        const Hologram__V1__Alloc alloc = alloc_message(id);
        const grpc_slice request = pack(&alloc.base);
        grpc_slice_unref(grpc_client_call(client, method, request));
        grpc_slice_unref(request);
    }
    const Hologram__V1__Execute execute = add_message();
    unary->method = grpc_client_method(client, GRPC_SERVICE "Execute");
    unary->request = pack(&execute.base);
    return unary;
}

struct grpc_unary *grpc_unary_open_echo(const char *echo_path)
{
    const Hologram__V1__Execute execute = add_message();
    struct grpc_unary *unary = allocate(sizeof *unary);
    unary->client = grpc_client_open(echo_path);
    unary->method = grpc_client_method(&unary->client, GRPC_ECHO_METHOD);
    unary->request = pack(&execute.base);
    /* As long as a session's, so that all calls move the same bytes. */
    grpc_client_name_session(&unary->client,
                             grpc_slice_from_static_string("0123456789abcdef0123456789abcdef"));
    return unary;
}

void grpc_unary_close(struct grpc_unary *unary)
{
    grpc_slice_unref(unary->request);
    grpc_client_close(&unary->client);
    free(unary);
}

/* ---- the Session stream ---------------------------------------------------------------------- */

struct grpc_session {
    struct grpc_client client;
    struct grpc_stream stream;
    grpc_slice requests[GRPC_WINDOW]; /* additions */
};

static void expect_ok(struct grpc_session *session)
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

static void ask(struct grpc_session *session, const Hologram__V1__Request *request)
{
    const grpc_slice bytes = pack(&request->base);
    grpc_client_stream_send(&session->client, &session->stream, bytes, false);
    grpc_slice_unref(bytes);
    expect_ok(session);
}

struct grpc_session *grpc_session_open(const char *daemon_path)
{
    struct grpc_session *session = allocate(sizeof *session);
    session->client = grpc_client_open(daemon_path);
    session->stream = grpc_client_stream_open(
        &session->client, grpc_client_method(&session->client, GRPC_SERVICE "Session"));
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
    for (uint64_t i = 0; i < GRPC_WINDOW; i++) {
        request.id = i + 1;
        session->requests[i] = pack(&request.base);
    }
    return session;
}

void grpc_session_close(struct grpc_session *session)
{
    for (size_t i = 0; i < GRPC_WINDOW; i++) {
        grpc_slice_unref(session->requests[i]);
    }
    grpc_client_stream_close(&session->client, &session->stream);
    grpc_client_close(&session->client);
    free(session);
}

void grpc_session_flight(void *context)
{
    struct grpc_session *session = context;
    for (size_t i = 0; i < GRPC_WINDOW; i++) {
        grpc_client_stream_send(&session->client, &session->stream, session->requests[i],
                                i + 1 < GRPC_WINDOW);
    }
    for (size_t i = 0; i < GRPC_WINDOW; i++) {
        expect_ok(session);
    }
}
