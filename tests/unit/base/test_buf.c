/* SPDX-License-Identifier: Apache-2.0 */
/* Cursors write and read little-endian and never pass their end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/buf.h"

static const uint8_t sample[] = {0x01, 0x03, 0x02, 0x07, 0x06, 0x05, 0x04, 0x0f, 0x0e,
                                 0x0d, 0x0c, 0x0b, 0x0a, 0x09, 0x08, 'h',  'g'};

/* What is written is little-endian, byte by byte, at any alignment. */
static void writes_little_endian(void **state)
{
    (void)state;
    uint8_t data[sizeof sample];
    struct hg_writer writer;
    hg_writer_init(&writer, data, sizeof data);
    hg_write_u8(&writer, 0x01);
    hg_write_u16(&writer, 0x0203);
    hg_write_u32(&writer, 0x04050607);
    hg_write_u64(&writer, 0x08090a0b0c0d0e0full);
    hg_write_bytes(&writer, "hg", 2);
    assert_false(writer.failed);
    assert_int_equal(writer.position, sizeof data);
    assert_memory_equal(data, sample, sizeof sample);
}

/* And reading is the inverse. */
static void reads_little_endian(void **state)
{
    (void)state;
    struct hg_reader reader;
    hg_reader_init(&reader, sample, sizeof sample);
    assert_int_equal(hg_read_u8(&reader), 0x01);
    assert_int_equal(hg_read_u16(&reader), 0x0203);
    assert_int_equal(hg_read_u32(&reader), 0x04050607);
    assert_true(hg_read_u64(&reader) == 0x08090a0b0c0d0e0full);
    assert_ptr_equal(hg_read_bytes(&reader, 2), sample + 15);
    assert_false(reader.failed);
    assert_int_equal(reader.position, sizeof sample);
}

/* A read past the end fails, yields zero, and so does every later one, even if it would fit. */
static void reading_past_the_end_sticks(void **state)
{
    (void)state;
    struct hg_reader reader;
    hg_reader_init(&reader, sample, 3);
    assert_int_equal(hg_read_u32(&reader), 0);
    assert_true(reader.failed);
    assert_int_equal(hg_read_u8(&reader), 0);
    assert_null(hg_read_bytes(&reader, 1));

    hg_reader_init(&reader, sample, 3);
    assert_null(hg_read_bytes(&reader, SIZE_MAX));
    assert_true(reader.failed);
}

/* A write past the end changes nothing, and so does every later one. */
static void writing_past_the_end_sticks(void **state)
{
    (void)state;
    uint8_t data[4] = {9, 9, 9, 9};
    struct hg_writer writer;
    hg_writer_init(&writer, data, 3);
    hg_write_u16(&writer, 0x0102);
    hg_write_u16(&writer, 0x0304);
    assert_true(writer.failed);
    hg_write_u8(&writer, 5);
    hg_write_bytes(&writer, data, SIZE_MAX);
    const uint8_t expected[4] = {2, 1, 9, 9};
    assert_memory_equal(data, expected, sizeof expected);
    assert_int_equal(writer.position, 2);
}

/* Empty cursors take and give zero bytes and nothing else. */
static void empty_cursors(void **state)
{
    (void)state;
    struct hg_reader reader;
    struct hg_writer writer;
    hg_reader_init(&reader, NULL, 0);
    assert_non_null(hg_read_bytes(&reader, 0));
    assert_false(reader.failed);
    assert_int_equal(hg_read_u8(&reader), 0);
    assert_true(reader.failed);
    hg_writer_init(&writer, NULL, 0);
    hg_write_bytes(&writer, NULL, 0);
    assert_false(writer.failed);
    hg_write_u8(&writer, 1);
    assert_true(writer.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_little_endian),
        cmocka_unit_test(reads_little_endian),
        cmocka_unit_test(reading_past_the_end_sticks),
        cmocka_unit_test(writing_past_the_end_sticks),
        cmocka_unit_test(empty_cursors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
