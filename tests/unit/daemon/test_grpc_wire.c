/* SPDX-License-Identifier: Apache-2.0 */
/* Protobuf's wire format as gRPC's typed calls need it, and the descriptors that reflection gives
 * out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/transport/grpc_descriptor.h"
#include "daemon/transport/grpc_wire.h"
#include "lib/base/check.h"

#define BYTES(...)                                                                                 \
    ((struct hg_bytes){(const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})})

/* ---- fields -------------------------------------------------------------------------------------
 */

/* Every wire type, with values of several bytes and a key that ends where the message does. */
static void reads_every_type(void **state)
{
    (void)state;
    const struct hg_bytes text = BYTES(0x08, 0x96, 0x01,                    /* 1: 150 */
                                       0x11, 1, 2, 3, 4, 5, 6, 7, 8,        /* 2: fixed64 */
                                       0x1a, 2, 'h', 'g',                   /* 3: bytes */
                                       0x25, 1, 0, 0, 0x80,                 /* 4: fixed32 */
                                       0xfa, 0xff, 0xff, 0xff, 0x0f, 0x00); /* 2^29-1: "" */
    struct hg_wire wire = hg_wire_of(text);
    struct hg_wire_field field;
    assert_true(hg_wire_next(&wire, &field));
    assert_int_equal(field.number, 1);
    assert_int_equal(field.value, 150);
    assert_true(hg_wire_next(&wire, &field));
    assert_true(field.value == 0x0807060504030201ull);
    assert_true(hg_wire_next(&wire, &field));
    assert_int_equal(field.bytes.size, 2);
    assert_memory_equal(field.bytes.data, "hg", 2);
    assert_int_equal(field.start, 12);
    assert_true(hg_wire_next(&wire, &field));
    assert_true(field.value == 0x80000001ull);
    assert_true(hg_wire_next(&wire, &field));
    assert_int_equal(field.number, 536870911);
    assert_int_equal(field.bytes.size, 0);
    assert_false(hg_wire_next(&wire, &field));
    assert_false(wire.failed);
}

/* Truncated, overlong, of no type, of no number: the reader stops and says so. */
static void refuses_what_is_no_message(void **state)
{
    (void)state;
    const struct hg_bytes wrong[] = {
        BYTES(0x08),                                                       /* no value */
        BYTES(0x08, 0x80),                                                 /* half a value */
        BYTES(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80), /* endless key */
        BYTES(0x11, 1, 2, 3),                                              /* half a fixed64 */
        BYTES(0x25, 1),                                                    /* half a fixed32 */
        BYTES(0x1a, 2, 'h'),                                               /* half of the bytes */
        BYTES(0x1a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1), /* 2^64-1 bytes */
        BYTES(0x0b),                                                          /* a group */
        BYTES(0x0f, 0),                                                       /* type 7 */
        BYTES(0x00, 0),                                                       /* number 0 */
    };
    for (size_t i = 0; i < HG_ARRAY_COUNT(wrong); i++) {
        /* A copy of its own, so that a sanitizer sees a read past its end. */
        uint8_t *copy = malloc(wrong[i].size);
        assert_non_null(copy);
        memcpy(copy, wrong[i].data, wrong[i].size);
        struct hg_wire wire = hg_wire_of((struct hg_bytes){copy, wrong[i].size});
        struct hg_wire_field field;
        assert_false(hg_wire_next(&wire, &field));
        assert_true(wire.failed);
        assert_false(hg_wire_next(&wire, &field));
        free(copy);
    }
}

/* The last of several counts, as protobuf has it; other types of the same number do not. */
static void finds_a_field(void **state)
{
    (void)state;
    const struct hg_bytes text = BYTES(0x0a, 1, 'a', 0x0a, 2, 'b', 'c', 0x08, 7);
    assert_int_equal(hg_wire_find(text, 1).size, 2);
    assert_null(hg_wire_find(text, 2).data);
    assert_null(hg_wire_find(BYTES(0x0a, 1, 'a', 0x0a), 1).data);
}

/* What is written is what is read, for lengths around every size of a varint. */
static void writes_what_it_reads(void **state)
{
    (void)state;
    for (unsigned shift = 0; shift < 64; shift++) {
        for (uint64_t less = 0; less <= 1; less++) {
            const uint64_t value = ((uint64_t)1 << shift) - less;
            uint8_t out[1 + HG_WIRE_VARINT_MAX] = {0x08};
            const size_t size = hg_wire_put_varint(out + 1, value);
            struct hg_wire wire = hg_wire_of((struct hg_bytes){out, 1 + size});
            struct hg_wire_field field;
            assert_true(hg_wire_next(&wire, &field));
            assert_true(field.value == value);
            assert_int_equal(wire.position, 1 + size);
        }
    }
}

/* ---- typed calls --------------------------------------------------------------------------------
 */

/* A body becomes a Request's field and comes out of it again. */
static void wraps_and_unwraps(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 127, 128, 16383, 16384};
    static uint8_t body[16384];
    struct hg_arena arena;
    hg_arena_init(&arena, HG_TAG_TEST, 4096, 1 << 20);
    for (size_t i = 0; i < HG_ARRAY_COUNT(sizes); i++) {
        const struct hg_bytes whole = hg_wire_wrap(&arena, 27, (struct hg_bytes){body, sizes[i]});
        assert_non_null(whole.data);
        assert_int_equal(hg_wire_unwrap(whole).size, sizes[i]);
    }
    assert_null(hg_wire_unwrap((struct hg_bytes){0}).data);
    hg_arena_fini(&arena);
}

/* Out of memory is said, not met. */
static void wrapping_needs_memory(void **state)
{
    (void)state;
    struct hg_arena arena;
    hg_arena_init(&arena, HG_TAG_TEST, 4096, 64);
    assert_null(hg_wire_wrap(&arena, 1, (struct hg_bytes){(const uint8_t *)"", 1000}).data);
    hg_arena_fini(&arena);
}

/* Id, offset and bytes, in any order and with unknown fields between; the bytes are not copied. */
static void parses_a_write(void **state)
{
    (void)state;
    struct hg_error error = HG_ERROR_INIT;
    struct hg_write_args write;
    const struct hg_bytes text =
        BYTES(0x1a, 3, 'a', 'b', 'c', 0x7a, 1, 0, 0x10, 0x80, 0x01, 0x08, 9);
    assert_int_equal(hg_wire_parse_write(text, &write, &error), HG_OK);
    assert_int_equal(write.id, 9);
    assert_int_equal(write.offset, 128);
    assert_ptr_equal(write.data.data, text.data + 2);
    assert_int_equal(write.data.size, 3);
    assert_int_equal(hg_wire_parse_write((struct hg_bytes){0}, &write, &error), HG_OK);
    assert_int_equal(write.data.size, 0);
    assert_int_equal(hg_wire_parse_write(BYTES(0x1a, 9, 'a'), &write, &error), HG_INVALID_ARGUMENT);
}

/* ---- descriptors --------------------------------------------------------------------------------
 */

/* All files are there, each after those that it imports. */
static void descriptors_are_in_order(void **state)
{
    (void)state;
    struct hg_descriptors set;
    hg_descriptors_load(&set);
    const int messages = hg_descriptors_file(&set, "hologram/v1/hologram.proto");
    const int services = hg_descriptors_file(&set, "hologram/v1/service.proto");
    assert_true(messages >= 0 && services > messages);
    assert_true(hg_descriptors_file(&set, "grpc/health/v1/health.proto") >= 0);
    assert_int_equal(hg_descriptors_file(&set, "hologram/v1"), -1);
    struct hg_bytes files[HG_DESCRIPTOR_FILES_MAX];
    assert_int_equal(hg_descriptors_closure(&set, services, files), 2);
    assert_ptr_equal(files[0].data, set.files[messages].data);
    assert_ptr_equal(files[1].data, set.files[services].data);
    assert_int_equal(hg_descriptors_closure(&set, messages, files), 1);
}

/* Services, methods, messages, nested types and enums are found in the file that defines them. */
static void symbols_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *symbol;
        const char *file; /* NULL: nowhere */
    } rows[] = {
        {"hologram.v1.Hologram", "hologram/v1/service.proto"},
        {"hologram.v1.Hologram.Ping", "hologram/v1/service.proto"},
        {"hologram.v1.Ping", "hologram/v1/hologram.proto"},
        {"hologram.v1.Alloc.shape", "hologram/v1/hologram.proto"},
        {"hologram.v1.DType", "hologram/v1/hologram.proto"},
        {"grpc.health.v1.HealthCheckResponse.ServingStatus", "grpc/health/v1/health.proto"},
        {"grpc.reflection.v1.ServerReflection", "grpc/reflection/v1/reflection.proto"},
        {"hologram.v1.Hologra", NULL},
        {"hologram.v1.Hologram.Ping.x", NULL},
        {"hologram.v1.Hologram.", NULL},
        {"hologram.v1", NULL},
        {"hologram", NULL},
        {".hologram.v1.Hologram", NULL},
        {"", NULL},
    };
    struct hg_descriptors set;
    hg_descriptors_load(&set);
    for (size_t i = 0; i < HG_ARRAY_COUNT(rows); i++) {
        const int expected = rows[i].file != NULL ? hg_descriptors_file(&set, rows[i].file) : -1;
        assert_int_equal(hg_descriptors_symbol(&set, rows[i].symbol), expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_type),  cmocka_unit_test(refuses_what_is_no_message),
        cmocka_unit_test(finds_a_field),     cmocka_unit_test(writes_what_it_reads),
        cmocka_unit_test(wraps_and_unwraps), cmocka_unit_test(wrapping_needs_memory),
        cmocka_unit_test(parses_a_write),    cmocka_unit_test(descriptors_are_in_order),
        cmocka_unit_test(symbols_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
