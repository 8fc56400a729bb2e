/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gRPC in process, over socket pairs: a conversation that uses every part of the transport,
 * repeated while one allocation after the other fails. C core's own allocations never fail here: it
 * would abort, as it says.
 *
 * The loop and its handlers run on this thread, the client on another, and C core's on theirs, so
 * the n-th allocation is not the same one in every run: the sweep shows that none is fatal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <pthread.h>
#include <stdatomic.h>

#include "daemon/loop.h"
#include "daemon/server.h"
#include "daemon/transport/grpc.h"
#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "proto/hologram/v1/hologram.pb-c.h"

#define SERVICE "/hologram.v1.Hologram/"
/* A call that takes longer hangs. */
#define PATIENCE_S 20
/* Failures in turn; a conversation asks for memory less often. */
#define SWEEP_MAX   400
#define QUIET_TURNS 3
#define ELEMENTS    8192u

static struct hg_server server;

/* ---- the client ---------------------------------------------------------------------------------
 */

struct talk {
    int fd;
    grpc_channel *channel;
    grpc_completion_queue *queue;
    grpc_metadata session;
    unsigned calls;
    unsigned failures;
    bool bad; /* something that memory does not excuse */
    bool sum_is_right;
    _Atomic bool over;
};

struct outcome {
    grpc_metadata_array initial;
    grpc_metadata_array trailing;
    grpc_status_code status;
    grpc_slice text;
};

/* Starts OPS and waits for their end. */
static void act(struct talk *talk, grpc_call *call, const grpc_op *ops, size_t count)
{
    HG_REQUIRE(grpc_call_start_batch(call, ops, count, call, NULL) == GRPC_CALL_OK);
    const gpr_timespec end =
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_seconds(PATIENCE_S, GPR_TIMESPAN));
    HG_REQUIRE(grpc_completion_queue_pluck(talk->queue, call, end, NULL).type == GRPC_OP_COMPLETE);
}

static grpc_byte_buffer *pack(const ProtobufCMessage *message)
{
    grpc_slice slice =
        grpc_slice_malloc(message != NULL ? protobuf_c_message_get_packed_size(message) : 0);
    if (message != NULL) {
        protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(slice));
    }
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    return buffer;
}

/* Bytes of BUFFER, which it destroys. */
static grpc_slice unpack(grpc_byte_buffer *buffer)
{
    grpc_byte_buffer_reader reader;
    if (buffer == NULL || !grpc_byte_buffer_reader_init(&reader, buffer)) {
        return grpc_empty_slice();
    }
    const grpc_slice bytes = grpc_byte_buffer_reader_readall(&reader);
    grpc_byte_buffer_reader_destroy(&reader);
    grpc_byte_buffer_destroy(buffer);
    return bytes;
}

static grpc_call *open_call(struct talk *talk, const char *method)
{
    return grpc_channel_create_call(talk->channel, NULL, GRPC_PROPAGATE_DEFAULTS, talk->queue,
                                    grpc_slice_from_static_string(method), NULL,
                                    gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
}

/* Memory excuses a refusal, and whatever follows from one that came before. */
static void judge(struct talk *talk, grpc_status_code status, grpc_status_code expected)
{
    talk->calls++;
    talk->failures += status != expected;
    talk->bad = talk->bad || status == GRPC_STATUS_UNKNOWN || status == GRPC_STATUS_INTERNAL ||
                (status != expected && talk->failures == 1 &&
                 status != GRPC_STATUS_RESOURCE_EXHAUSTED && status != GRPC_STATUS_UNAVAILABLE);
}

/* Sends the MESSAGES, hears all answers and the status; gives the last answer. */
static grpc_slice ask(struct talk *talk, const char *method, grpc_byte_buffer **messages,
                      size_t count, grpc_status_code expected)
{
    grpc_call *call = open_call(talk, method);
    struct outcome outcome = {.text = grpc_empty_slice()};
    grpc_slice last = grpc_empty_slice();
    grpc_metadata_array_init(&outcome.initial);
    grpc_metadata_array_init(&outcome.trailing);
    const bool named = GRPC_SLICE_LENGTH(talk->session.value) != 0;
    const grpc_op begin = {
        .op = GRPC_OP_SEND_INITIAL_METADATA,
        .data.send_initial_metadata = {.count = named ? 1 : 0, .metadata = &talk->session}};
    act(talk, call, &begin, 1);
    for (size_t i = 0; i < count; i++) {
        const grpc_op send = {.op = GRPC_OP_SEND_MESSAGE,
                              .data.send_message.send_message = messages[i]};
        act(talk, call, &send, 1);
        grpc_byte_buffer_destroy(messages[i]);
    }
    const grpc_op close = {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};
    act(talk, call, &close, 1);
    const grpc_op initial = {.op = GRPC_OP_RECV_INITIAL_METADATA,
                             .data.recv_initial_metadata.recv_initial_metadata = &outcome.initial};
    act(talk, call, &initial, 1);
    for (;;) {
        grpc_byte_buffer *buffer = NULL;
        const grpc_op receive = {.op = GRPC_OP_RECV_MESSAGE,
                                 .data.recv_message.recv_message = &buffer};
        act(talk, call, &receive, 1);
        if (buffer == NULL) {
            break;
        }
        grpc_slice_unref(last);
        last = unpack(buffer);
    }
    const grpc_op finish = {.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
                            .data.recv_status_on_client = {.trailing_metadata = &outcome.trailing,
                                                           .status = &outcome.status,
                                                           .status_details = &outcome.text}};
    act(talk, call, &finish, 1);
    judge(talk, outcome.status, expected);
    grpc_slice_unref(outcome.text);
    grpc_metadata_array_destroy(&outcome.initial);
    grpc_metadata_array_destroy(&outcome.trailing);
    grpc_call_unref(call);
    return last;
}

static void say(struct talk *talk, const char *method, const ProtobufCMessage *message,
                grpc_status_code expected)
{
    grpc_byte_buffer *buffer = pack(message);
    grpc_slice_unref(ask(talk, method, &buffer, 1, expected));
}

static void open_session(struct talk *talk)
{
    grpc_byte_buffer *nothing = pack(NULL);
    const grpc_slice result = ask(talk, SERVICE "OpenSession", &nothing, 1, GRPC_STATUS_OK);
    const uint8_t *bytes = GRPC_SLICE_START_PTR(result);
    talk->session.key = grpc_slice_from_static_string("hologram-session");
    talk->session.value = GRPC_SLICE_LENGTH(result) > 34
                              ? grpc_slice_from_copied_buffer((const char *)bytes + 2, bytes[1])
                              : grpc_slice_from_static_string("none");
    grpc_slice_unref(result);
}

static Hologram__V1__Execute execute_message(void)
{
    static char op[] = "vector_add";
    static uint64_t inputs[] = {1, 1};
    static uint64_t outputs[] = {2};
    Hologram__V1__Execute execute = HOLOGRAM__V1__EXECUTE__INIT;
    execute.op = op;
    execute.n_inputs = 2;
    execute.inputs = inputs;
    execute.n_outputs = 1;
    execute.outputs = outputs;
    return execute;
}

static Hologram__V1__Alloc alloc_message(uint64_t id)
{
    static uint64_t shape = ELEMENTS;
    Hologram__V1__Alloc alloc = HOLOGRAM__V1__ALLOC__INIT;
    alloc.id = id;
    alloc.dtype = HOLOGRAM__V1__DTYPE__U32;
    alloc.n_shape = 1;
    alloc.shape = &shape;
    return alloc;
}

static Hologram__V1__Write write_message(uint64_t id)
{
    static uint32_t words[ELEMENTS];
    Hologram__V1__Write write = HOLOGRAM__V1__WRITE__INIT;
    for (size_t i = 0; i < ELEMENTS; i++) {
        words[i] = 21;
    }
    write.id = id;
    write.data = (ProtobufCBinaryData){sizeof(words), (uint8_t *)words};
    return write;
}

static bool ends_in_42(grpc_slice bytes)
{
    const uint32_t expected = 42;
    const size_t length = GRPC_SLICE_LENGTH(bytes);
    return length > ELEMENTS * sizeof(expected) &&
           memcmp(GRPC_SLICE_END_PTR(bytes) - sizeof(expected), &expected, sizeof(expected)) == 0;
}

/* Typed calls: every way in which one is answered. */
static void speak_unary(struct talk *talk)
{
    const Hologram__V1__Write write = write_message(1);
    const Hologram__V1__Execute execute = execute_message();
    Hologram__V1__Read read = HOLOGRAM__V1__READ__INIT;
    const Hologram__V1__Free free_none = HOLOGRAM__V1__FREE__INIT;
    read.id = 2;
    open_session(talk);
    for (uint64_t id = 1; id <= 2; id++) {
        const Hologram__V1__Alloc alloc = alloc_message(id);
        say(talk, SERVICE "Alloc", &alloc.base, GRPC_STATUS_OK);
    }
    say(talk, SERVICE "Write", &write.base, GRPC_STATUS_OK);
    say(talk, SERVICE "Execute", &execute.base, GRPC_STATUS_OK);
    grpc_byte_buffer *reads[] = {pack(&read.base), pack(&read.base)};
    const grpc_slice whole = ask(talk, SERVICE "Read", &reads[0], 1, GRPC_STATUS_OK);
    talk->sum_is_right = ends_in_42(whole);
    grpc_slice_unref(whole);
    grpc_slice_unref(ask(talk, SERVICE "ReadStream", &reads[1], 1, GRPC_STATUS_OK));
    say(talk, SERVICE "Free", &free_none.base, GRPC_STATUS_OK);
    say(talk, SERVICE "ListOps", NULL, GRPC_STATUS_OK);
    say(talk, SERVICE "Nothing", NULL, GRPC_STATUS_UNIMPLEMENTED);
    say(talk, "/grpc.health.v1.Health/Check", NULL, GRPC_STATUS_OK);
}

/* Streams: writes, native messages, reflection. */
static void speak_streams(struct talk *talk)
{
    const Hologram__V1__Write write = write_message(1);
    Hologram__V1__Hello hello = HOLOGRAM__V1__HELLO__INIT;
    Hologram__V1__Alloc alloc = alloc_message(1);
    Hologram__V1__Read read = HOLOGRAM__V1__READ__INIT;
    Hologram__V1__Request requests[3] = {HOLOGRAM__V1__REQUEST__INIT, HOLOGRAM__V1__REQUEST__INIT,
                                         HOLOGRAM__V1__REQUEST__INIT};
    grpc_byte_buffer *writes[] = {pack(&write.base), pack(&write.base)};
    grpc_slice_unref(ask(talk, SERVICE "WriteStream", writes, 2, GRPC_STATUS_OK));
    hello.protocol_version_min = hello.protocol_version_max = 1;
    read.id = 1;
    requests[0].body_case = HOLOGRAM__V1__REQUEST__BODY_HELLO;
    requests[0].hello = &hello;
    requests[1].body_case = HOLOGRAM__V1__REQUEST__BODY_ALLOC;
    requests[1].alloc = &alloc;
    requests[2].body_case = HOLOGRAM__V1__REQUEST__BODY_READ;
    requests[2].read = &read;
    grpc_byte_buffer *messages[3];
    for (size_t i = 0; i < 3; i++) {
        requests[i].id = i + 1;
        messages[i] = pack(&requests[i].base);
    }
    grpc_slice_unref(ask(talk, SERVICE "Session", messages, 3, GRPC_STATUS_OK));
    grpc_byte_buffer *question = pack(NULL);
    grpc_slice_unref(ask(talk,
                         "/grpc.reflection.v1.ServerReflection/"
                         "ServerReflectionInfo",
                         &question, 1, GRPC_STATUS_OK));
    say(talk, SERVICE "CloseSession", NULL, GRPC_STATUS_OK);
}

static void *client_thread(void *context)
{
    struct talk *talk = context;
    grpc_channel_credentials *insecure = grpc_insecure_credentials_create();
    talk->channel = grpc_channel_create_from_fd("pair", talk->fd, insecure, NULL);
    grpc_channel_credentials_release(insecure);
    talk->queue = grpc_completion_queue_create_for_pluck(NULL);
    talk->session.value = grpc_empty_slice();
    speak_unary(talk);
    speak_streams(talk);
    grpc_slice_unref(talk->session.value);
    grpc_channel_destroy(talk->channel);
    grpc_completion_queue_shutdown(talk->queue);
    grpc_completion_queue_destroy(talk->queue);
    atomic_store_explicit(&talk->over, true, memory_order_release);
    return NULL;
}

/* ---- the daemon ---------------------------------------------------------------------------------
 */

static void turn_until_idle(void)
{
    while (server.connection_count != 0 || server.requests.live_count != 0) {
        hg_loop_turn(server.loop);
        usleep(50);
    }
}

/* One whole conversation, SKIP allocations before the one that fails; true if one did. */
static bool converse(struct talk *talk, uint64_t skip, bool fault)
{
    const struct hg_identity identity = {.uid = getuid(), .gid = getgid(), .admin = true};
    struct hg_error error = HG_ERROR_INIT;
    pthread_t thread;
    int fds[2];
    *talk = (struct talk){.fd = -1};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    talk->fd = fds[1];
    if (fault) {
        hg_alloc_fault_set(skip, false);
    }
    if (hg_grpc_adopt(server.grpc, fds[0], &identity, &error) == HG_OK) {
        assert_int_equal(pthread_create(&thread, NULL, client_thread, talk), 0);
        while (!atomic_load_explicit(&talk->over, memory_order_acquire)) {
            hg_loop_turn(server.loop);
        }
        assert_int_equal(pthread_join(thread, NULL), 0);
    } else {
        assert_int_equal(error.status, HG_RESOURCE_EXHAUSTED);
        close(fds[1]);
    }
    turn_until_idle();
    const bool fired = fault && hg_alloc_fault_fired();
    hg_alloc_fault_clear();
    return fired;
}

static int start(void **state)
{
    static struct hg_config config;
    struct hg_error error = HG_ERROR_INIT;
    (void)state;
    hg_config_init(&config);
    HG_REQUIRE(hg_config_set(&config, "engine.workers=1", &error) == HG_OK);
    HG_REQUIRE(hg_config_set(&config, "log.level=fatal", &error) == HG_OK);
    HG_REQUIRE(hg_config_set(&config, "grpc.session_lease_s=1", &error) == HG_OK);
    HG_REQUIRE(hg_server_start_core(&server, &config, &error) == HG_OK);
    HG_REQUIRE(hg_grpc_start(&server, &server.grpc, &error) == HG_OK);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    hg_server_stop(&server);
    return hg_alloc_live_bytes_all() == 0 ? 0 : -1;
}

/* Without faults every call ends as it should, and the sum is right. */
static void a_conversation(void **state)
{
    struct talk talk;
    (void)state;
    (void)converse(&talk, 0, false);
    assert_int_equal(talk.calls, 15);
    assert_int_equal(talk.failures, 0);
    assert_true(talk.sum_is_right);
}

/* Whichever allocation fails, once: no crash, no call without an end, no code but those that memory
 * excuses, and the next conversation is as good as the first. */
static void every_allocation_may_fail(void **state)
{
    struct talk talk;
    unsigned quiet = 0;
    unsigned fired = 0;
    (void)state;
    for (uint64_t skip = 0; skip < SWEEP_MAX && quiet < QUIET_TURNS; skip++) {
        /* Requests are allocated again. */
        hg_request_pool_fini(&server.requests);
        const bool hit = converse(&talk, skip, true);
        quiet = hit ? 0 : quiet + 1;
        fired += hit;
        assert_false(talk.bad);
    }
    assert_int_equal(quiet, QUIET_TURNS);
    print_message("%u allocations failed in turn\n", fired);
    assert_true(fired > 20);
    (void)converse(&talk, 0, false);
    assert_int_equal(talk.failures, 0);
    assert_true(talk.sum_is_right);
}

/* Sessions of conversations that failed go with their lease, and what they had with them. */
static void everything_comes_back(void **state)
{
    struct hg_engine_stats stats;
    (void)state;
    for (unsigned n = 0; n < 400; n++) {
        hg_loop_turn(server.loop);
        hg_engine_stats(server.engine, &stats);
        if (stats.sessions == 0) {
            break;
        }
        usleep(10000);
    }
    assert_int_equal(stats.sessions, 0);
    assert_int_equal(stats.buffers, 0);
    assert_int_equal(stats.pool.bytes_used[HG_POOL_HEAP], 0);
}

static void stop_grpc(struct hg_grpc **grpc)
{
    hg_grpc_drain(*grpc);
    while (!hg_grpc_is_down(*grpc)) {
        hg_loop_turn(server.loop);
    }
    hg_grpc_stop(grpc);
}

/* A start that runs out of memory gives everything back, wherever it does. */
static void a_start_may_fail(void **state)
{
    unsigned failed = 0;
    bool fired = true;
    (void)state;
    for (uint64_t skip = 0; fired; skip++) {
        struct hg_grpc *grpc = NULL;
        struct hg_error error = HG_ERROR_INIT;
        const uint64_t before = hg_alloc_live_bytes(HG_TAG_TRANSPORT);
        hg_alloc_fault_set(skip, false);
        const enum hg_status status = hg_grpc_start(&server, &grpc, &error);
        fired = hg_alloc_fault_fired();
        hg_alloc_fault_clear();
        if (status == HG_OK) {
            stop_grpc(&grpc);
        } else {
            assert_int_equal(status, HG_RESOURCE_EXHAUSTED);
            failed++;
        }
        /* Closed handles are freed by the loop. */
        hg_loop_turn(server.loop);
        assert_int_equal(hg_alloc_live_bytes(HG_TAG_TRANSPORT), before);
    }
    print_message("%u starts failed\n", failed);
    assert_true(failed > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_conversation),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(everything_comes_back),
        cmocka_unit_test(a_start_may_fail),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
