/* SPDX-License-Identifier: Apache-2.0 */
/* Headers of .npy files: what NumPy writes is read, the rest is refused with a reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "client/cli/npy.h"

/* Puts a header of VERSION around TEXT; gives its length. */
static size_t make(uint8_t *header, int version, const char *text)
{
    static const uint8_t magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};
    size_t length = strlen(text);
    size_t start = version == 1 ? 10 : 12;
    memset(header, 0, NPY_PREFIX_BYTES);
    memcpy(header, magic, sizeof magic);
    header[6] = (uint8_t)version;
    header[8] = (uint8_t)length;
    header[9] = (uint8_t)(length >> 8);
    for (size_t i = 0; i < length; i++) {
        header[start + i] = (uint8_t)text[i];
    }
    return start + length;
}

static bool parse(int version, const char *text, struct npy *npy, char *error)
{
    uint8_t header[1024] = {0};
    size_t bytes = 0;
    size_t made = make(header, version, text);
    if (!npy_header_bytes(header, &bytes, error)) {
        return false;
    }
    assert_int_equal(bytes, made);
    return npy_parse(header, bytes, npy, error);
}

/* Versions 1 to 3, quotes of both kinds, any order of the keys, scalars and vectors. */
static void headers_of_numpy_are_read(void **state)
{
    (void)state;
    char error[NPY_ERROR_MAX];
    struct npy npy = {.rank = 77};
    assert_true(
        parse(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }   \n", &npy, error));
    assert_int_equal(npy.dtype, HOLOGRAM_F32);
    assert_int_equal(npy.rank, 2);
    assert_int_equal(npy.shape[1], 4);
    assert_int_equal(npy.data_bytes, 48);
    assert_true(
        parse(2, "{\"shape\": (), \"descr\": \"|u1\", \"fortran_order\": False}", &npy, error));
    assert_int_equal(npy.rank, 0);
    assert_int_equal(npy.data_bytes, 1);
    assert_true(
        parse(3, "{'descr': '<i8', 'fortran_order': True, 'shape': (7,), }\n", &npy, error));
    assert_int_equal(npy.rank, 1);
    assert_int_equal(npy.data_bytes, 56);
    assert_true(parse(1, "{'descr': '=u2', 'fortran_order': False, 'shape': (0, 9)}", &npy, error));
    assert_int_equal(npy.dtype, HOLOGRAM_U16);
    assert_int_equal(npy.data_bytes, 0);
}

/* What is written is read back the same, for every type and rank, on a multiple of 64 bytes. */
static void written_headers_are_read(void **state)
{
    (void)state;
    for (int dtype = HOLOGRAM_I8; dtype <= HOLOGRAM_F64; dtype++) {
        for (uint32_t rank = 0; rank <= HOLOGRAM_RANK_MAX; rank++) {
            uint8_t header[NPY_HEADER_BYTES_MAX];
            char error[NPY_ERROR_MAX];
            struct npy wrote = {.dtype = (hologram_dtype)dtype, .rank = rank};
            struct npy npy = {.rank = 77};
            size_t bytes = 0;
            for (uint32_t i = 0; i < rank; i++) {
                wrote.shape[i] = i + 1;
            }
            size_t length = npy_format(&wrote, header);
            assert_int_equal(length % 64, 0);
            assert_true(npy_header_bytes(header, &bytes, error));
            assert_int_equal(bytes, length);
            assert_true(npy_parse(header, bytes, &npy, error));
            assert_int_equal(npy.dtype, dtype == HOLOGRAM_BF16 ? HOLOGRAM_U16 : dtype);
            assert_int_equal(npy.rank, rank);
            assert_memory_equal(npy.shape, wrote.shape, sizeof npy.shape);
        }
    }
}

/* Each wrong header is refused with its reason and leaves the result alone. */
static void wrong_headers_are_refused(void **state)
{
    (void)state;
    static const struct {
        int version;
        const char *text;
        const char *reason;
    } cases[] = {
        {4, "{}", "version 4"},
        {1, "[]", "not a dictionary"},
        {1, "{}", "lacks"},
        {1, "{'descr': '<f4', 'shape': (3,)}", "lacks"},
        {1, "{'descr': '>f4', 'fortran_order': False, 'shape': (3,)}", "big-endian"},
        {1, "{'descr': '<c8', 'fortran_order': False, 'shape': (3,)}", "'<c8'"},
        {1, "{'descr': '|b1', 'fortran_order': False, 'shape': (3,)}", "'|b1'"},
        {1, "{'descr': '', 'fortran_order': False, 'shape': (3,)}", "''"},
        {1, "{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (3,)}", "element type"},
        {1, "{'descr': '<f4', 'fortran_order': True, 'shape': (3, 2)}", "column-major"},
        {1, "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (3, 2)}", "neither"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': 3}", "not a tuple"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3", "does not end"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}", "not a number"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551616,)}",
         "not a number"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775808, 2)}",
         "too large"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}",
         "more than 8"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}", "unknown key"},
        {1, "{'descr': '<f4' 'fortran_order': False, 'shape': (1,)}", "not a dictionary"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)", "not a dictionary"},
        {1, "{'descr", "not a dictionary"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char error[NPY_ERROR_MAX] = "";
        struct npy npy = {.rank = 77};
        assert_false(parse(cases[i].version, cases[i].text, &npy, error));
        if (!strstr(error, cases[i].reason)) {
            fail_msg("%s: '%s' is not in '%s'", cases[i].text, cases[i].reason, error);
        }
        assert_int_equal(npy.rank, 77);
    }
}

/* Something else, and a header that is too long to be one. */
static void prefixes_are_checked(void **state)
{
    (void)state;
    char error[NPY_ERROR_MAX];
    size_t bytes = 0;
    static const uint8_t zip[NPY_PREFIX_BYTES] = {'P', 'K', 3, 4};
    static const uint8_t huge[NPY_PREFIX_BYTES] = {0x93, 'N', 'U',  'M',  'P',  'Y',
                                                   2,    0,   0xff, 0xff, 0xff, 0xff};
    static const uint8_t empty[NPY_PREFIX_BYTES] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, 0, 0};
    assert_false(npy_header_bytes(zip, &bytes, error));
    assert_string_equal(error, "not a .npy file");
    assert_false(npy_header_bytes(huge, &bytes, error));
    assert_false(npy_header_bytes(empty, &bytes, error));
    assert_int_equal(bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_of_numpy_are_read),
        cmocka_unit_test(written_headers_are_read),
        cmocka_unit_test(wrong_headers_are_refused),
        cmocka_unit_test(prefixes_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
