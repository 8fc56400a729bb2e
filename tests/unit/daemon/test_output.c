/* SPDX-License-Identifier: Apache-2.0 */
/* A connection's output: replies and payloads leave in their order, however the peer reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/transport/output.h"
#include "lib/base/alloc.h"
#include "lib/base/check.h"

#define REPLIES 200u

/* Payloads of the test are views of plain memory; nobody releases them here. */
static struct hg_request requests[REPLIES];
static uint8_t payloads[REPLIES][3000];

static void open_pair(int fds[2])
{
    const int small = 4096;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
}

/* Queues replies of various sizes, every third with a payload (some of them empty), and writes down
 * what has to arrive. */
static size_t queue_all(struct hg_output *output, uint8_t *expected)
{
    size_t length = 0;
    for (unsigned i = 0; i < REPLIES; i++) {
        const size_t size = i * 37 % 500 + 1;
        uint8_t *room = hg_output_reserve(output, size);
        assert_non_null(room);
        memset(room, (int)i, size);
        memset(expected + length, (int)i, size);
        length += size;
        if (i % 3 != 0) {
            continue;
        }
        struct hg_request *request = &requests[i];
        request->view.data = payloads[i];
        request->view.length = i % 2 == 0 ? sizeof(payloads[i]) : i % 5;
        memset(payloads[i], (int)(i ^ 0xff), sizeof(payloads[i]));
        hg_output_payload(output, request);
        memset(expected + length, (int)(i ^ 0xff), request->view.length);
        length += request->view.length;
    }
    return length;
}

/* Whatever the peer takes at a time, it gets exactly what was queued, and each payload ends once.
 */
static void everything_arrives_in_order(void **state)
{
    (void)state;
    static uint8_t expected[1 << 20];
    static uint8_t got[1 << 20];
    for (size_t taken_at_once = 1000; taken_at_once < 50000;
         taken_at_once = taken_at_once * 5 + 7) {
        struct hg_output output = {0};
        struct hg_request *ended = NULL;
        uint64_t sent = 0;
        size_t received = 0;
        int fds[2];
        open_pair(fds);
        const size_t length = queue_all(&output, expected);
        while (received < length) {
            assert_int_not_equal(hg_output_send(&output, fds[0], &sent, &ended), HG_SENT_BROKEN);
            const ssize_t size = recv(fds[1], got + received, taken_at_once, MSG_DONTWAIT);
            assert_true(size > 0);
            received += (size_t)size;
        }
        assert_true(hg_output_empty(&output));
        assert_int_equal(sent, length);
        assert_memory_equal(got, expected, length);
        unsigned count = 0;
        for (; ended != NULL; ended = ended->next) {
            count++;
        }
        assert_int_equal(count, (REPLIES + 2) / 3);
        hg_output_fini(&output, &ended);
        close(fds[0]);
        close(fds[1]);
    }
    assert_int_equal(hg_alloc_live_bytes(HG_TAG_TRANSPORT), 0);
}

/* A peer that is gone is an error, not a signal; what was not sent is given back. */
static void a_peer_that_is_gone(void **state)
{
    (void)state;
    static uint8_t expected[1 << 20];
    struct hg_output output = {0};
    struct hg_request *ended = NULL;
    uint64_t sent = 0;
    int fds[2];
    open_pair(fds);
    close(fds[1]);
    (void)queue_all(&output, expected);
    assert_int_equal(hg_output_send(&output, fds[0], &sent, &ended), HG_SENT_BROKEN);
    hg_output_fini(&output, &ended);
    unsigned count = 0;
    for (; ended != NULL; ended = ended->next) {
        count++;
    }
    assert_int_equal(count, (REPLIES + 2) / 3);
    close(fds[0]);
    assert_int_equal(hg_alloc_live_bytes(HG_TAG_TRANSPORT), 0);
}

/* A descriptor comes with its reply's first byte, never earlier, whatever is queued around it; the
 * others come with theirs. */
static void descriptors_come_with_their_reply(void **state)
{
    (void)state;
    enum { REPLY_BYTES = 10, COUNT = 20 };
    struct hg_output output = {0};
    struct hg_request *ended = NULL;
    uint64_t sent = 0;
    int fds[2], ends[COUNT][2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(pipe(ends[i]), 0);
        if (i % 3 != 0) {
            struct hg_descriptor passing = {.fd = ends[i][1]};
            assert_true(hg_output_descriptor(&output, &passing));
            assert_int_equal(passing.fd, -1);
        }
        memset(hg_output_reserve(&output, REPLY_BYTES), i, REPLY_BYTES);
    }
    assert_int_equal(hg_output_send(&output, fds[0], &sent, &ended), HG_SENT_ALL);
    assert_int_equal(sent, REPLY_BYTES * COUNT);
    for (int i = 0; i < COUNT; i++) {
        char bytes[REPLY_BYTES], text = 0;
        union {
            struct cmsghdr align;
            char bytes[CMSG_SPACE(sizeof(int) * 4)];
        } room;
        struct iovec part = {bytes, sizeof bytes};
        struct msghdr message = {.msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = room.bytes,
                                 .msg_controllen = sizeof room.bytes};
        assert_int_equal(recvmsg(fds[1], &message, 0), REPLY_BYTES);
        assert_int_equal(bytes[0], i);
        const struct cmsghdr *control = CMSG_FIRSTHDR(&message);
        if (i % 3 == 0) {
            assert_null(control);
        } else {
            int fd;
            assert_non_null(control);
            assert_int_equal(control->cmsg_len, CMSG_LEN(sizeof fd));
            memcpy(&fd, CMSG_DATA(control), sizeof fd);
            assert_int_equal(write(fd, "x", 1), 1);
            assert_int_equal(read(ends[i][0], &text, 1), 1);
            close(fd);
        }
        close(ends[i][0]);
        close(ends[i][1]);
    }
    hg_output_fini(&output, &ended);
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(hg_alloc_live_bytes(HG_TAG_TRANSPORT), 0);
}

/* Without memory a reservation fails and the queue stays as it was. */
static void out_of_memory(void **state)
{
    (void)state;
    struct hg_output output = {0};
    struct hg_request *ended = NULL;
    assert_non_null(hg_output_reserve(&output, 100));
    hg_alloc_fault_set(0, true);
    assert_null(hg_output_reserve(&output, 1 << 20));
    hg_alloc_fault_clear();
    assert_int_equal(hg_output_queued(&output), 100);
    assert_non_null(hg_output_reserve(&output, 1 << 20));
    assert_null(hg_output_reserve(&output, SIZE_MAX / 2));
    hg_output_fini(&output, &ended);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_arrives_in_order),
        cmocka_unit_test(a_peer_that_is_gone),
        cmocka_unit_test(descriptors_come_with_their_reply),
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
