/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole connection in process, over a socket pair: a conversation that uses every part of the
 * daemon, repeated while one allocation after the other fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/loop.h"
#include "daemon/server.h"
#include "daemon/transport/native.h"
#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/base/log.h"
#include "proto/hologram/v1/hologram.pb-c.h"

/* Far more than any conversation takes. */
#define TURNS_MAX 20000u

static struct hg_server server;

/* ---- requests -----------------------------------------------------------------------------------
 */

struct talk {
    uint8_t bytes[65536];
    size_t length;
    unsigned requests;
};

static void say(struct talk *talk, Hologram__V1__Request *request, size_t payload)
{
    request->id = ++talk->requests;
    const struct hg_frame frame = {.message_bytes =
                                       (uint32_t)hologram__v1__request__get_packed_size(request),
                                   .payload_bytes = payload};
    assert_true(talk->length + HG_FRAME_BYTES + frame.message_bytes + payload <
                sizeof(talk->bytes));
    hg_frame_encode(talk->bytes + talk->length, &frame);
    talk->length += HG_FRAME_BYTES;
    talk->length += hologram__v1__request__pack(request, talk->bytes + talk->length);
    memset(talk->bytes + talk->length, 0x3f, payload);
    talk->length += payload;
}

static void say_hello(struct talk *talk)
{
    Hologram__V1__Request request = HOLOGRAM__V1__REQUEST__INIT;
    Hologram__V1__Hello hello = HOLOGRAM__V1__HELLO__INIT;
    hello.protocol_version_min = hello.protocol_version_max = 1;
    request.body_case = HOLOGRAM__V1__REQUEST__BODY_HELLO;
    request.hello = &hello;
    say(talk, &request, 0);
}

static void say_alloc(struct talk *talk, uint64_t id, uint64_t elements)
{
    Hologram__V1__Request request = HOLOGRAM__V1__REQUEST__INIT;
    Hologram__V1__Alloc alloc = HOLOGRAM__V1__ALLOC__INIT;
    alloc.id = id;
    alloc.dtype = HOLOGRAM__V1__DTYPE__F32;
    alloc.n_shape = 1;
    alloc.shape = &elements;
    request.body_case = HOLOGRAM__V1__REQUEST__BODY_ALLOC;
    request.alloc = &alloc;
    say(talk, &request, 0);
}

static void say_write(struct talk *talk, uint64_t id, size_t size)
{
    Hologram__V1__Request request = HOLOGRAM__V1__REQUEST__INIT;
    Hologram__V1__Write write = HOLOGRAM__V1__WRITE__INIT;
    write.id = id;
    request.body_case = HOLOGRAM__V1__REQUEST__BODY_WRITE;
    request.write = &write;
    say(talk, &request, size);
}

static void say_batch(struct talk *talk)
{
    static char op[] = "vector_add";
    uint64_t inputs[] = {1, 1};
    uint64_t outputs[] = {2};
    Hologram__V1__Execute execute = HOLOGRAM__V1__EXECUTE__INIT;
    Hologram__V1__Step step = HOLOGRAM__V1__STEP__INIT;
    Hologram__V1__Step *steps[] = {&step, &step, &step};
    Hologram__V1__Batch batch = HOLOGRAM__V1__BATCH__INIT;
    Hologram__V1__Request request = HOLOGRAM__V1__REQUEST__INIT;
    execute.op = op;
    execute.n_inputs = 2;
    execute.inputs = inputs;
    execute.n_outputs = 1;
    execute.outputs = outputs;
    step.body_case = HOLOGRAM__V1__STEP__BODY_EXECUTE;
    step.execute = &execute;
    batch.n_steps = 3;
    batch.steps = steps;
    request.body_case = HOLOGRAM__V1__REQUEST__BODY_BATCH;
    request.batch = &batch;
    say(talk, &request, 0);
}

static void say_read(struct talk *talk, uint64_t id)
{
    Hologram__V1__Request request = HOLOGRAM__V1__REQUEST__INIT;
    Hologram__V1__Read read = HOLOGRAM__V1__READ__INIT;
    read.id = id;
    request.body_case = HOLOGRAM__V1__REQUEST__BODY_READ;
    request.read = &read;
    say(talk, &request, 0);
}

static void say_lists(struct talk *talk)
{
    Hologram__V1__Request request = HOLOGRAM__V1__REQUEST__INIT;
    Hologram__V1__Stats stats = HOLOGRAM__V1__STATS__INIT;
    Hologram__V1__ListOps ops = HOLOGRAM__V1__LIST_OPS__INIT;
    Hologram__V1__ListBuffers buffers = HOLOGRAM__V1__LIST_BUFFERS__INIT;
    request.body_case = HOLOGRAM__V1__REQUEST__BODY_STATS;
    request.stats = &stats;
    say(talk, &request, 0);
    request.body_case = HOLOGRAM__V1__REQUEST__BODY_LIST_OPS;
    request.list_ops = &ops;
    say(talk, &request, 0);
    request.body_case = HOLOGRAM__V1__REQUEST__BODY_LIST_BUFFERS;
    request.list_buffers = &buffers;
    say(talk, &request, 0);
}

static void compose(struct talk *talk)
{
    talk->length = 0;
    talk->requests = 0;
    say_hello(talk);
    say_alloc(talk, 1, 4000);
    say_alloc(talk, 2, 4000);
    say_write(talk, 1, 16000);
    for (unsigned i = 0; i < 3; i++) { /* the last one is repeated */
        say_batch(talk);
    }
    say_read(talk, 2);
    say_lists(talk);
}

/* ---- answers ------------------------------------------------------------------------------------
 */

struct heard {
    unsigned replies;
    unsigned failures;
    bool last_payload_right;
    bool fault_fired;
    uint8_t bytes[1 << 18];
    size_t length;
};

static void take_reply(struct heard *heard, const uint8_t *message, const struct hg_frame *frame)
{
    Hologram__V1__Response *response =
        hologram__v1__response__unpack(NULL, frame->message_bytes, message);
    assert_non_null(response);
    heard->replies++;
    heard->failures += response->status != NULL;
    if (frame->payload_bytes != 0) {
        /* 0x3f3f3f3f doubled is 0x3fbf3f3f as F32. */
        const uint8_t expected[] = {0x3f, 0x3f, 0xbf, 0x3f};
        assert_int_equal(frame->payload_bytes, 16000);
        heard->last_payload_right =
            memcmp(message + frame->message_bytes, expected, sizeof(expected)) == 0;
    }
    hologram__v1__response__free_unpacked(response, NULL);
}

/* Takes what has arrived apart; the rest stays. */
static void listen_to(struct heard *heard, int fd)
{
    ssize_t size;
    while ((size = recv(fd, heard->bytes + heard->length, sizeof(heard->bytes) - heard->length,
                        MSG_DONTWAIT)) > 0) {
        heard->length += (size_t)size;
    }
    size_t at = 0;
    struct hg_frame frame;
    struct hg_error error = HG_ERROR_INIT;
    while (hg_frame_decode(heard->bytes + at, heard->length - at, 1 << 20, 1 << 20, &frame,
                           &error) == HG_FRAME_COMPLETE &&
           heard->length - at >= HG_FRAME_BYTES + frame.message_bytes + frame.payload_bytes) {
        take_reply(heard, heard->bytes + at + HG_FRAME_BYTES, &frame);
        at += HG_FRAME_BYTES + frame.message_bytes + (size_t)frame.payload_bytes;
    }
    memmove(heard->bytes, heard->bytes + at, heard->length - at);
    heard->length -= at;
}

/* One whole conversation; gives what was heard. */
static void converse(struct heard *heard, const struct talk *talk, uint64_t skip, bool fault)
{
    struct hg_error error = HG_ERROR_INIT;
    int fds[2];
    heard->replies = heard->failures = 0;
    heard->length = 0;
    heard->last_payload_right = false;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    if (fault) {
        hg_alloc_fault_set(skip, false);
    }
    if (hg_native_accept(&server, fds[0], &error) == HG_OK) {
        size_t sent = 0;
        for (unsigned turn = 0; turn < TURNS_MAX && server.natives != NULL; turn++) {
            const ssize_t size =
                send(fds[1], talk->bytes + sent, talk->length - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
            sent += size > 0 ? (size_t)size : 0;
            hg_loop_turn(server.loop);
            listen_to(heard, fds[1]);
            if (heard->replies == talk->requests) {
                break;
            }
            if (turn > 40) {
                usleep(50); /* a worker has it */
            }
        }
    }
    heard->fault_fired = fault && hg_alloc_fault_fired();
    hg_alloc_fault_clear();
    close(fds[1]);
    while (server.natives != NULL) {
        hg_loop_turn(server.loop);
    }
    hg_loop_turn(server.loop);
}

static int start(void **state)
{
    static struct hg_config config;
    struct hg_error error = HG_ERROR_INIT;
    (void)state;
    hg_config_init(&config);
    HG_REQUIRE(hg_config_set(&config, "engine.workers=1", &error) == HG_OK);
    HG_REQUIRE(hg_config_set(&config, "engine.inline_max_ns=100000000", &error) == HG_OK);
    HG_REQUIRE(hg_config_set(&config, "log.level=fatal", &error) == HG_OK);
    HG_REQUIRE(hg_server_start_core(&server, &config, &error) == HG_OK);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    hg_server_stop(&server);
    return hg_alloc_live_bytes_all() == 0 ? 0 : -1;
}

/* Without faults every request is answered OK, and the sum is right. */
static void a_conversation(void **state)
{
    static struct talk talk;
    static struct heard heard;
    (void)state;
    compose(&talk);
    converse(&heard, &talk, 0, false);
    assert_int_equal(heard.replies, talk.requests);
    assert_int_equal(heard.failures, 0);
    assert_true(heard.last_payload_right);
}

/* Whichever allocation fails, once: no crash, no leak, and the next conversation is as good as the
 * first. */
static void every_allocation_may_fail(void **state)
{
    static struct talk talk;
    static struct heard heard;
    uint64_t skip = 0;
    (void)state;
    compose(&talk);
    converse(&heard, &talk, 0, false);
    do {
        /* Programs are built again, and requests allocated again. */
        (void)hg_engine_cache_flush(server.engine);
        hg_request_pool_fini(&server.requests);
        const uint64_t pool_before = hg_alloc_live_bytes(HG_TAG_POOL);
        converse(&heard, &talk, skip++, true);
        struct hg_engine_stats stats;
        hg_engine_stats(server.engine, &stats);
        assert_int_equal(stats.sessions, 0);
        assert_int_equal(stats.buffers, 0);
        assert_int_equal(stats.pool.bytes_used[HG_POOL_HEAP], 0);
        assert_int_equal(server.requests.live_count, 0);
        assert_int_equal(server.connection_count, 0);
        assert_int_equal(hg_alloc_live_bytes(HG_TAG_POOL), pool_before);
    } while (heard.fault_fired);
    assert_true(skip > 16);
    print_message("%u allocations failed in turn\n", (unsigned)skip - 1);
    converse(&heard, &talk, 0, false);
    assert_int_equal(heard.replies, talk.requests);
    assert_int_equal(heard.failures, 0);
    assert_true(heard.last_payload_right);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_conversation),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
