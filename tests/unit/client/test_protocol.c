/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever a server sends or leaves out, the client answers with a status and a text. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/client/fake.h"

static struct fake fake;

/* Ends the test's client and server. */
static void end(hologram_client **client)
{
    hologram_close(client);
    fake_join(&fake);
}

/* Connects, and asks for the status of a ping that HANDLER answers. */
static hologram_client *ping(fake_handler *handler, hologram_status expected)
{
    hologram_client *client;
    fake.greeting = NULL;
    fake_connect(&fake, handler, NULL, &client);
    assert_int_equal(hologram_ping(client), expected);
    return client;
}

static void assert_text(const hologram_client *client, const char *part)
{
    if (!strstr(hologram_last_error(client)->message, part)) {
        fail_msg("'%s' is not in '%s'", part, hologram_last_error(client)->message);
    }
}

/* ---- greeting -------------------------------------------------------------------------------- */

/* The greeting's facts are there as long as the client is. */
static void greeting_is_kept(void **state)
{
    (void)state;
    hologram_client *client = ping(fake_ok, HOLOGRAM_OK);
    const hologram_server_info *server = hologram_server(client);
    assert_string_equal(server->version, "1.2.3");
    assert_int_equal(server->protocol_version, 1);
    assert_int_equal(server->feature_count, 2);
    assert_string_equal(server->features[1], "programs");
    assert_int_equal(server->session_id, 77);
    assert_true(server->admin);
    assert_int_equal(server->payload_bytes_max, FAKE_PAYLOAD_MAX);
    end(&client);
}

static bool greet_other_version(struct fake *server, const Hologram__V1__Request *request)
{
    Hologram__V1__HelloResult hello = HOLOGRAM__V1__HELLO_RESULT__INIT;
    hello.protocol_version = 9;
    Hologram__V1__Response response = HOLOGRAM__V1__RESPONSE__INIT;
    response.id = request->id;
    response.body_case = HOLOGRAM__V1__RESPONSE__BODY_HELLO;
    response.hello = &hello;
    return fake_send(server, &response, NULL, 0);
}

static bool greet_full(struct fake *server, const Hologram__V1__Request *request)
{
    return fake_fail(server, request->id, HOLOGRAM_RESOURCE_EXHAUSTED, "256 connections are open");
}

static bool greet_not(struct fake *server, const Hologram__V1__Request *request)
{
    (void)server;
    (void)request;
    return true;
}

static bool hang_up(struct fake *server, const Hologram__V1__Request *request)
{
    (void)server;
    (void)request;
    return false;
}

/* Connecting fails with the reason when the server refuses, speaks another version, hangs up or
 * says nothing. */
static void greeting_can_fail(void **state)
{
    (void)state;
    static const struct {
        fake_handler *greeting;
        hologram_status status;
        const char *text;
    } cases[] = {
        {greet_other_version, HOLOGRAM_UNIMPLEMENTED, "version 9"},
        {greet_full, HOLOGRAM_RESOURCE_EXHAUSTED, "256 connections are open"},
        {hang_up, HOLOGRAM_UNAVAILABLE, "closed the connection"},
        {greet_not, HOLOGRAM_DEADLINE_EXCEEDED, "did not answer in time"},
    };
    const hologram_options options = {.connect_timeout_us = 100000};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hologram_client *client = NULL;
        hologram_error error;
        fake.greeting = cases[i].greeting;
        fake_start(&fake, fake_ok, NULL);
        assert_int_equal(hologram_connect_fd(fake.client_fd, &options, &client, &error),
                         cases[i].status);
        assert_non_null(strstr(error.message, cases[i].text));
        assert_null(client);
        fake_join(&fake);
    }
    fake.greeting = NULL;
}

/* Nobody listens: UNAVAILABLE and the path. A path that no address can hold: INVALID_ARGUMENT. */
static void connect_names_the_path(void **state)
{
    (void)state;
    hologram_client *client = NULL;
    hologram_error error;
    hologram_options options = {.socket_path = "/nonexistent/socket"};
    assert_int_equal(hologram_connect(&options, &client, &error), HOLOGRAM_UNAVAILABLE);
    assert_non_null(strstr(error.message, "/nonexistent/socket"));
    char path[200];
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    options.socket_path = path;
    assert_int_equal(hologram_connect(&options, &client, &error), HOLOGRAM_INVALID_ARGUMENT);
    assert_null(client);
}

/* The socket's path comes from the options, then from the environment in the documented order. */
static void socket_path_has_an_order(void **state)
{
    (void)state;
    char path[64];
    const hologram_options options = {.socket_path = "/given"};
    unsetenv("HOLOGRAM_SOCKET");
    unsetenv("RUNTIME_DIRECTORY");
    unsetenv("XDG_RUNTIME_DIR");
    assert_int_equal(hologram_socket_path(NULL, path, sizeof path), HOLOGRAM_OK);
    assert_string_equal(path, "/run/hologram/hologram.sock");
    setenv("XDG_RUNTIME_DIR", "/xdg", 1);
    assert_int_equal(hologram_socket_path(NULL, path, sizeof path), HOLOGRAM_OK);
    assert_string_equal(path, "/xdg/hologram.sock");
    setenv("RUNTIME_DIRECTORY", "/runtime", 1);
    assert_int_equal(hologram_socket_path(NULL, path, sizeof path), HOLOGRAM_OK);
    assert_string_equal(path, "/runtime/hologram.sock");
    setenv("HOLOGRAM_SOCKET", "/socket", 1);
    assert_int_equal(hologram_socket_path(NULL, path, sizeof path), HOLOGRAM_OK);
    assert_string_equal(path, "/socket");
    assert_int_equal(hologram_socket_path(&options, path, sizeof path), HOLOGRAM_OK);
    assert_string_equal(path, "/given");
    unsetenv("HOLOGRAM_SOCKET");
    unsetenv("RUNTIME_DIRECTORY");
    unsetenv("XDG_RUNTIME_DIR");
}

/* ---- what is no answer ----------------------------------------------------------------------- */

/* The server goes away: this call and every later one say UNAVAILABLE. */
static void closed_is_unavailable(void **state)
{
    (void)state;
    hologram_client *client = ping(hang_up, HOLOGRAM_UNAVAILABLE);
    assert_text(client, "closed the connection");
    hologram_buffer buffer;
    assert_int_equal(hologram_alloc_vector(client, HOLOGRAM_F32, 1, &buffer), HOLOGRAM_UNAVAILABLE);
    assert_int_equal(hologram_flush(client), HOLOGRAM_UNAVAILABLE);
    assert_int_equal(hologram_wait_all(client), HOLOGRAM_UNAVAILABLE);
    end(&client);
}

static bool send_half_header(struct fake *server, const Hologram__V1__Request *request)
{
    (void)request;
    fake_send_bytes(server, "HGRM\1\0", 6);
    return false;
}

static bool send_half_message(struct fake *server, const Hologram__V1__Request *request)
{
    (void)request;
    fake_send_bytes(server, "HGRM\1\0\0\0\20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0abc", 27);
    return false;
}

/* An answer that ends early is UNAVAILABLE and says so. */
static void truncated_is_unavailable(void **state)
{
    (void)state;
    static fake_handler *const handlers[] = {send_half_header, send_half_message};
    for (size_t i = 0; i < 2; i++) {
        hologram_client *client = ping(handlers[i], HOLOGRAM_UNAVAILABLE);
        assert_text(client, "in the middle of an answer");
        end(&client);
    }
}

static bool send_garbage(struct fake *server, const Hologram__V1__Request *request)
{
    (void)request;
    return fake_send_bytes(server, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
}

static bool send_other_frame_version(struct fake *server, const Hologram__V1__Request *request)
{
    (void)request;
    return fake_send_bytes(server, "HGRM\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24);
}

static bool send_huge_message(struct fake *server, const Hologram__V1__Request *request)
{
    (void)request;
    return fake_send_bytes(server, "HGRM\1\0\0\0\1\0\20\0\0\0\0\0\0\0\0\0\0\0\0\0", 24);
}

static bool send_no_protobuf(struct fake *server, const Hologram__V1__Request *request)
{
    (void)request;
    return fake_send_frame(server, "\xff\xff\xff\xff", 4, NULL, 0);
}

static bool send_other_id(struct fake *server, const Hologram__V1__Request *request)
{
    Hologram__V1__Request other = *request;
    other.id = 4711;
    return fake_ok(server, &other);
}

static bool send_payload_unasked(struct fake *server, const Hologram__V1__Request *request)
{
    Hologram__V1__Response response = HOLOGRAM__V1__RESPONSE__INIT;
    response.id = request->id;
    return fake_send(server, &response, "12345678", 8);
}

/* What is not the protocol is INTERNAL, names what came, and stays. */
static void garbage_is_internal(void **state)
{
    (void)state;
    static const struct {
        fake_handler *handler;
        const char *text;
    } cases[] = {
        {send_garbage, "48 54 54 50"},  {send_other_frame_version, "version 2"},
        {send_huge_message, "1048577"}, {send_no_protobuf, "4 bytes that are none"},
        {send_other_id, "4711"},        {send_payload_unasked, "0 bytes of data, got 8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hologram_client *client = ping(cases[i].handler, HOLOGRAM_INTERNAL);
        assert_text(client, cases[i].text);
        assert_int_equal(hologram_ping(client), HOLOGRAM_INTERNAL);
        assert_text(client, cases[i].text);
        end(&client);
    }
}

static bool fail_connection(struct fake *server, const Hologram__V1__Request *request)
{
    (void)request;
    fake_fail(server, 0, HOLOGRAM_RESOURCE_EXHAUSTED, "frame too large");
    return false;
}

/* An error without a request is the connection's: the server's reason is not lost. */
static void connection_error_is_reported(void **state)
{
    (void)state;
    hologram_client *client = ping(fail_connection, HOLOGRAM_RESOURCE_EXHAUSTED);
    assert_text(client, "frame too large");
    end(&client);
}

/* The server says why and closes while a large write is under way: the reason is reported, not the
 * broken pipe. */
static void reason_survives_a_broken_pipe(void **state)
{
    (void)state;
    static uint8_t data[FAKE_PAYLOAD_MAX];
    hologram_client *client;
    fake_connect(&fake, fail_connection, NULL, &client);
    hologram_status status = HOLOGRAM_OK;
    for (int i = 0; i < 64 && status == HOLOGRAM_OK; i++) {
        status = hologram_submit_write(client, 16 | HOLOGRAM_U8, 0, data, sizeof data, NULL);
    }
    assert_int_equal(status, HOLOGRAM_RESOURCE_EXHAUSTED);
    assert_text(client, "frame too large");
    end(&client);
}

static bool answer_other_kind(struct fake *server, const Hologram__V1__Request *request)
{
    Hologram__V1__OpenResult open = HOLOGRAM__V1__OPEN_RESULT__INIT;
    Hologram__V1__Response response = HOLOGRAM__V1__RESPONSE__INIT;
    response.id = request->id;
    response.body_case = HOLOGRAM__V1__RESPONSE__BODY_OPEN;
    response.open = &open;
    return fake_send(server, &response, NULL, 0);
}

/* An answer of the wrong kind, or one that describes nothing, fails its request only. */
static void wrong_kind_fails_one_request(void **state)
{
    (void)state;
    hologram_client *client;
    hologram_buffer buffer = 5;
    hologram_stats *stats = NULL;
    fake_connect(&fake, answer_other_kind, NULL, &client);
    assert_int_equal(hologram_alloc_vector(client, HOLOGRAM_F32, 1, &buffer), HOLOGRAM_INTERNAL);
    assert_int_equal(hologram_get_stats(client, &stats), HOLOGRAM_INTERNAL);
    assert_int_equal(hologram_open(client, "x", false, &buffer, NULL), HOLOGRAM_INTERNAL);
    assert_int_equal(buffer, 5);
    assert_null(stats);
    assert_int_equal(hologram_ping(client), HOLOGRAM_OK);
    end(&client);
}

/* 500,000 empty operations in a message below the limit unpack to more than the client is willing
 * to hold. */
static bool send_bomb(struct fake *server, const Hologram__V1__Request *request)
{
    enum { COUNT = 500000 };
    uint8_t *message = malloc(2 * COUNT + 32);
    size_t at = 0;
    message[at++] = 0x08; /* id, a varint */
    for (uint64_t id = request->id; id != 0; id >>= 7) {
        message[at++] = (uint8_t)((id & 0x7f) | (id > 0x7f ? 0x80 : 0));
    }
    message[at++] = 0xc2; /* list_ops, field 24 */
    message[at++] = 0x01;
    for (uint64_t rest = 2 * COUNT; rest != 0; rest >>= 7) {
        message[at++] = (uint8_t)((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    }
    for (int i = 0; i < COUNT; i++) {
        message[at++] = 0x0a; /* ops, field 1: 0 bytes */
        message[at++] = 0;
    }
    bool sent = fake_send_frame(server, message, at, NULL, 0);
    free(message);
    return sent;
}

/* A message that would unpack to more than the cap is refused. */
static void bomb_is_refused(void **state)
{
    (void)state;
    hologram_client *client;
    hologram_ops *ops = NULL;
    fake_connect(&fake, send_bomb, NULL, &client);
    assert_int_equal(hologram_list_ops(client, &ops), HOLOGRAM_RESOURCE_EXHAUSTED);
    assert_null(ops);
    end(&client);
}

/* ---- reads ----------------------------------------------------------------------------------- */

/* Sends LENGTH + *context bytes, each the low byte of its offset. */
static bool answer_read(struct fake *server, const Hologram__V1__Request *request)
{
    static uint8_t data[FAKE_PAYLOAD_MAX];
    if (request->body_case != HOLOGRAM__V1__REQUEST__BODY_READ) {
        return fake_ok(server, request);
    }
    int64_t more = server->context ? *(int64_t *)server->context : 0;
    uint64_t length = (uint64_t)((int64_t)request->read->length + more);
    for (uint64_t i = 0; i < length; i++) {
        data[i] = (uint8_t)(request->read->offset + i);
    }
    Hologram__V1__ReadResult result = HOLOGRAM__V1__READ_RESULT__INIT;
    result.length = length;
    Hologram__V1__Response response = HOLOGRAM__V1__RESPONSE__INIT;
    response.id = request->id;
    response.body_case = HOLOGRAM__V1__RESPONSE__BODY_READ;
    response.read = &result;
    return fake_send(server, &response, data, length);
}

/* A read larger than the server's payloads is split, and every byte is in its place. */
static void long_read_is_split(void **state)
{
    (void)state;
    enum { BYTES = 3 * FAKE_PAYLOAD_MAX + 77 };
    hologram_client *client;
    uint8_t *data = malloc(BYTES + 1);
    data[BYTES] = 0xee;
    fake_connect(&fake, answer_read, NULL, &client);
    assert_int_equal(hologram_read(client, 16, 5, data, BYTES), HOLOGRAM_OK);
    for (size_t i = 0; i < BYTES; i++) {
        assert_int_equal(data[i], (uint8_t)(i + 5));
    }
    assert_int_equal(data[BYTES], 0xee);
    assert_int_equal(hologram_read(client, 16, 0, NULL, 0), HOLOGRAM_OK);
    end(&client);
    free(data);
}

/* More or fewer bytes than asked for never reach the caller's memory. */
static void payload_has_to_fit(void **state)
{
    (void)state;
    static const int64_t differences[] = {1, -1, 1000};
    for (size_t i = 0; i < 3; i++) {
        int64_t difference = differences[i];
        hologram_client *client;
        uint8_t data[64];
        memset(data, 0xee, sizeof data);
        fake_connect(&fake, answer_read, &difference, &client);
        assert_int_equal(hologram_read(client, 16, 0, data, 32), HOLOGRAM_INTERNAL);
        for (size_t at = 0; at < sizeof data; at++) {
            assert_int_equal(data[at], 0xee);
        }
        end(&client);
    }
}

static bool cut_read(struct fake *server, const Hologram__V1__Request *request)
{
    Hologram__V1__ReadResult result = HOLOGRAM__V1__READ_RESULT__INIT;
    Hologram__V1__Response response = HOLOGRAM__V1__RESPONSE__INIT;
    response.id = request->id;
    response.body_case = HOLOGRAM__V1__RESPONSE__BODY_READ;
    response.read = &result;
    fake_send(server, &response, NULL, request->read->length);
    fake_send_bytes(server, "half", 4);
    return false;
}

/* The server goes away in the middle of a payload. */
static void truncated_payload_is_unavailable(void **state)
{
    (void)state;
    hologram_client *client;
    uint8_t data[64];
    fake_connect(&fake, cut_read, NULL, &client);
    assert_int_equal(hologram_read(client, 16, 0, data, sizeof data), HOLOGRAM_UNAVAILABLE);
    assert_text(client, "in the middle of an answer");
    end(&client);
}

/* ---- partial and interrupted ----------------------------------------------------------------- */

/* Sends an answer byte by byte. */
static bool answer_slowly(struct fake *server, const Hologram__V1__Request *request)
{
    Hologram__V1__Response response = HOLOGRAM__V1__RESPONSE__INIT;
    response.id = request->id;
    uint8_t frame[64] = {'H', 'G', 'R', 'M', 1};
    size_t bytes = hologram__v1__response__pack(&response, frame + 24);
    frame[8] = (uint8_t)bytes;
    for (size_t i = 0; i < 24 + bytes; i++) {
        struct timespec pause = {.tv_nsec = 200000};
        nanosleep(&pause, NULL);
        if (!fake_send_bytes(server, frame + i, 1)) {
            return false;
        }
    }
    return true;
}

/* An answer may come byte by byte. */
static void partial_frames_are_joined(void **state)
{
    (void)state;
    hologram_client *client = ping(answer_slowly, HOLOGRAM_OK);
    assert_int_equal(hologram_ping(client), HOLOGRAM_OK);
    end(&client);
}

static void on_alarm(int number)
{
    (void)number;
}

/* Signals interrupt system calls a thousand times a second and nobody notices. */
static void signals_do_not_disturb(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = on_alarm};
    struct sigaction before;
    sigaction(SIGALRM, &action, &before);
    struct itimerval timer = {.it_interval.tv_usec = 1000, .it_value.tv_usec = 1000};
    hologram_client *client;
    static uint8_t data[FAKE_PAYLOAD_MAX];
    fake_connect(&fake, answer_read, NULL, &client);
    setitimer(ITIMER_REAL, &timer, NULL);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(hologram_write(client, 16, 0, data, sizeof data), HOLOGRAM_OK);
        assert_int_equal(hologram_read(client, 16, 0, data, sizeof data), HOLOGRAM_OK);
    }
    memset(&timer, 0, sizeof timer);
    setitimer(ITIMER_REAL, &timer, NULL);
    sigaction(SIGALRM, &before, NULL);
    assert_int_equal(data[77], 77);
    end(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greeting_is_kept),
        cmocka_unit_test(greeting_can_fail),
        cmocka_unit_test(connect_names_the_path),
        cmocka_unit_test(socket_path_has_an_order),
        cmocka_unit_test(closed_is_unavailable),
        cmocka_unit_test(truncated_is_unavailable),
        cmocka_unit_test(garbage_is_internal),
        cmocka_unit_test(connection_error_is_reported),
        cmocka_unit_test(reason_survives_a_broken_pipe),
        cmocka_unit_test(wrong_kind_fails_one_request),
        cmocka_unit_test(bomb_is_refused),
        cmocka_unit_test(long_read_is_split),
        cmocka_unit_test(payload_has_to_fit),
        cmocka_unit_test(truncated_payload_is_unavailable),
        cmocka_unit_test(partial_frames_are_joined),
        cmocka_unit_test(signals_do_not_disturb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
