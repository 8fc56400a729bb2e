/* SPDX-License-Identifier: Apache-2.0 */
/* The native frame's header: what is accepted, what is refused, and how early. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/transport/frame.h"

#define MESSAGE_MAX 1000u
#define PAYLOAD_MAX 5000u

static enum hg_frame_state decode(const uint8_t *data, size_t size, struct hg_frame *frame,
                                  struct hg_error *error)
{
    *error = (struct hg_error)HG_ERROR_INIT;
    return hg_frame_decode(data, size, MESSAGE_MAX, PAYLOAD_MAX, frame, error);
}

/* What is encoded is decoded, at the limits too; every shorter piece asks for more. */
static void encode_and_decode_are_inverse(void **state)
{
    (void)state;
    const struct hg_frame frames[] = {
        {0, 0}, {1, 2}, {MESSAGE_MAX, 0}, {0, PAYLOAD_MAX}, {MESSAGE_MAX, PAYLOAD_MAX}};
    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        uint8_t data[HG_FRAME_BYTES];
        struct hg_frame frame = {0};
        struct hg_error error;
        hg_frame_encode(data, &frames[i]);
        for (size_t size = 0; size < sizeof(data); size++) {
            assert_int_equal(decode(data, size, &frame, &error), HG_FRAME_PARTIAL);
        }
        assert_int_equal(decode(data, sizeof(data), &frame, &error), HG_FRAME_COMPLETE);
        assert_int_equal(frame.message_bytes, frames[i].message_bytes);
        assert_int_equal(frame.payload_bytes, frames[i].payload_bytes);
    }
}

/* The layout of the documentation, byte by byte. */
static void layout_is_as_documented(void **state)
{
    (void)state;
    const uint8_t expected[HG_FRAME_BYTES] = {'H', 'G', 'R', 'M', 1, 0, 0, 0, 4, 3, 2, 1,
                                              0,   0,   0,   0,   8, 7, 6, 5, 4, 3, 2, 1};
    const struct hg_frame frame = {0x01020304, 0x0102030405060708};
    uint8_t data[HG_FRAME_BYTES];
    hg_frame_encode(data, &frame);
    assert_memory_equal(data, expected, sizeof(data));
}

/* A byte that differs is refused where it differs, without waiting for the rest. */
static void wrong_bytes_are_refused_early(void **state)
{
    (void)state;
    const struct hg_frame good = {1, 1};
    for (size_t at = 0; at < 6; at++) {
        uint8_t data[HG_FRAME_BYTES];
        struct hg_frame frame;
        struct hg_error error;
        hg_frame_encode(data, &good);
        data[at] ^= 0x40;
        /* The version is two bytes, looked at together. */
        const size_t needed = at < 4 ? at + 1 : 6;
        assert_int_equal(decode(data, needed - 1, &frame, &error), HG_FRAME_PARTIAL);
        assert_int_equal(decode(data, needed, &frame, &error), HG_FRAME_WRONG);
        assert_int_equal(error.status, at < 4 ? HG_INVALID_ARGUMENT : HG_UNIMPLEMENTED);
    }
}

/* Reserved bytes and lengths over their limits are refused with the limit. */
static void reserved_and_lengths_are_checked(void **state)
{
    (void)state;
    const struct {
        struct hg_frame frame;
        size_t spoil; /* a byte to set, or 0 */
        enum hg_status status;
    } rows[] = {
        {{1, 1}, 6, HG_INVALID_ARGUMENT},
        {{1, 1}, 15, HG_INVALID_ARGUMENT},
        {{MESSAGE_MAX + 1, 0}, 0, HG_RESOURCE_EXHAUSTED},
        {{UINT32_MAX, 0}, 0, HG_RESOURCE_EXHAUSTED},
        {{0, PAYLOAD_MAX + 1}, 0, HG_RESOURCE_EXHAUSTED},
        {{0, UINT64_MAX}, 0, HG_RESOURCE_EXHAUSTED},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t data[HG_FRAME_BYTES];
        struct hg_frame frame;
        struct hg_error error;
        hg_frame_encode(data, &rows[i].frame);
        if (rows[i].spoil != 0) {
            data[rows[i].spoil] = 1;
        }
        assert_int_equal(decode(data, sizeof(data), &frame, &error), HG_FRAME_WRONG);
        assert_int_equal(error.status, rows[i].status);
        assert_true(error.message[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encode_and_decode_are_inverse),
        cmocka_unit_test(layout_is_as_documented),
        cmocka_unit_test(wrong_bytes_are_refused_early),
        cmocka_unit_test(reserved_and_lengths_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
