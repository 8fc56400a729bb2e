/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of lib/exec share: programs from text, launches on fenced memory, and a comparison
 * of executors bit for bit (all NaNs count as equal).
 */
#ifndef HG_TESTS_UNIT_EXEC_SUPPORT_H
#define HG_TESTS_UNIT_EXEC_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/base/cpu.h"
#include "lib/exec/exec.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* ---- random numbers: printed seed, repeatable ------------------------------------------------ */

static inline uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* ---- programs -------------------------------------------------------------------------------- */

static inline struct hg_program *program_of(const char *text)
{
    struct hg_error error = HG_ERROR_INIT;
    struct hg_code code = {.header = {0, 0}};
    struct hg_insn *insns = NULL;
    struct hg_program *program = NULL;
    enum hg_status status =
        hg_assemble(text, strlen(text), &code.header, &insns, &code.insn_count, &error);
    if (status == HG_OK) {
        code.insns = insns;
        status = hg_program_create(&code, NULL, &program, &error);
    }
    hg_free(HG_TAG_PROGRAM, insns);
    if (status != HG_OK) {
        print_error("%s\nin\n%s\n", error.message, text);
        fail();
    }
    return program;
}

/* ---- memory with fences ---------------------------------------------------------------------- */

#define FENCE      64
#define FENCE_BYTE 0xa5

/* SIZE bytes, SKEW bytes past a 64-byte line, with fences before and behind. */
struct region {
    uint8_t *block;
    uint8_t *data;
    size_t size;
    size_t block_size;
};

static inline struct region region_new(size_t size, size_t skew)
{
    struct region region = {.size = size};
    region.block_size = (size + skew + 2 * FENCE + 63) / 64 * 64;
    region.block = aligned_alloc(64, region.block_size);
    assert_non_null(region.block);
    memset(region.block, FENCE_BYTE, region.block_size);
    region.data = region.block + FENCE + skew;
    return region;
}

static inline void region_check(const struct region *region)
{
    for (const uint8_t *p = region->block; p < region->data; p++) {
        assert_int_equal(*p, FENCE_BYTE);
    }
    for (const uint8_t *p = region->data + region->size; p < region->block + region->block_size;
         p++) {
        assert_int_equal(*p, FENCE_BYTE);
    }
}

static inline void region_free(struct region *region)
{
    region_check(region);
    free(region->block);
}

/* ---- values ---------------------------------------------------------------------------------- */

static inline bool is_nan_bits(enum hg_dtype type, uint64_t bits)
{
    switch (type) {
    case HG_F16:
        return (bits & 0x7fff) > 0x7c00;
    case HG_BF16:
        return (bits & 0x7fff) > 0x7f80;
    case HG_F32:
        return (bits & 0x7fffffff) > 0x7f800000;
    case HG_F64:
        return (bits & 0x7fffffffffffffff) > 0x7ff0000000000000;
    default:
        return false;
    }
}

static inline uint64_t element_at(const uint8_t *data, enum hg_dtype type, uint64_t index)
{
    uint64_t bits = 0;
    if (data != NULL) {
        memcpy(&bits, data + index * hg_dtype_bytes(type), hg_dtype_bytes(type));
    }
    return bits;
}

static inline void set_element(uint8_t *data, enum hg_dtype type, uint64_t index, uint64_t bits)
{
    memcpy(data + index * hg_dtype_bytes(type), &bits, hg_dtype_bytes(type));
}

static inline bool same_element(enum hg_dtype type, uint64_t a, uint64_t b)
{
    return a == b || (is_nan_bits(type, a) && is_nan_bits(type, b));
}

/* A value of TYPE: often special, else random bits, or a plain number so that sums stay finite. */
static inline uint64_t random_element(enum hg_dtype type, uint64_t *seed)
{
    static const uint64_t f16[] = {0,      0x8000, 0x3c00, 0xbc00, 1,      0x83ff,
                                   0x0400, 0x7bff, 0x7c00, 0xfc00, 0x7e00, 0x7d01};
    static const uint64_t bf16[] = {0,      0x8000, 0x3f80, 0xbf80, 1,      0x807f,
                                    0x0080, 0x7f7f, 0x7f80, 0xff80, 0x7fc0, 0x7f81};
    static const uint64_t f32[] = {0,          0x80000000, 0x3f800000, 0xbf800000,
                                   1,          0x807fffff, 0x00800000, 0x7f7fffff,
                                   0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001};
    static const uint64_t f64[] = {0,
                                   0x8000000000000000,
                                   0x3ff0000000000000,
                                   0xbff0000000000000,
                                   1,
                                   0x800fffffffffffff,
                                   0x0010000000000000,
                                   0x7fefffffffffffff,
                                   0x7ff0000000000000,
                                   0xfff0000000000000,
                                   0x7ff8000000000000,
                                   0x7ff0000000000001};
    static const uint64_t ints[] = {0,          1,          2,         UINT64_MAX,
                                    0x7f,       0x80,       0x7fff,    0x8000,
                                    0x7fffffff, 0x80000000, INT64_MAX, 0x8000000000000000};
    uint64_t random = next_random(seed);
    uint64_t pick = random >> 32 & 0xff;
    const uint64_t *special = type == HG_F16    ? f16
                              : type == HG_BF16 ? bf16
                              : type == HG_F32  ? f32
                              : type == HG_F64  ? f64
                                                : ints;
    uint64_t mask = UINT64_MAX >> (64 - 8 * hg_dtype_bytes(type));
    if (pick < 40) {
        return special[random % 12] & mask;
    }
    if (pick < 100 || !hg_dtype_in(type, HG_DT_FLOAT)) {
        return next_random(seed) & mask;
    }
    float value = (float)((int64_t)(next_random(seed) % 2000001) - 1000000) / 65536.0f;
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    switch (type) {
    case HG_F16: /* truncated, for |value| in [2^-14, 2^16) */
        return (bits >> 16 & 0x8000) |
               ((bits >> 23 & 0xff) < 113 || (bits >> 23 & 0xff) > 141
                    ? 0x3c01
                    : ((bits >> 23 & 0xff) - 112) << 10 | (bits >> 13 & 0x3ff));
    case HG_BF16:
        return bits >> 16;
    case HG_F32:
        return bits;
    default: {
        double wide = value;
        uint64_t wide_bits;
        memcpy(&wide_bits, &wide, sizeof wide_bits);
        return wide_bits;
    }
    }
}

/* ---- launches -------------------------------------------------------------------------------- */

static inline struct hg_launch launch_of(const struct hg_program *program, uint64_t rows,
                                         uint64_t cols)
{
    struct hg_launch launch = {.program = program, .first_class = -1};
    launch.params[HG_PARAM_N] = rows * cols;
    launch.params[HG_PARAM_ROWS] = rows;
    launch.params[HG_PARAM_COLS] = cols;
    return launch;
}

static inline void launch_bind(struct hg_launch *launch, const struct region *region, bool writable)
{
    launch->operands[launch->operand_count++] =
        (struct hg_operand){region->data, region->size, writable};
}

/* Runs in WORKERS' parts, the last part first. */
static inline enum hg_status run_in_parts(const struct hg_launch *launch, uint32_t workers,
                                          struct hg_error *error)
{
    struct hg_run *run;
    enum hg_status status = hg_run_begin(launch, &run, error);
    if (status != HG_OK) {
        return status;
    }
    do {
        uint32_t parts = hg_run_parts(run, workers);
        while (parts-- > 0) {
            hg_run_part(run, parts);
        }
    } while (hg_run_advance(run));
    return hg_run_finish(&run, error);
}

static inline void launch_ok(const struct hg_launch *launch)
{
    struct hg_error error = HG_ERROR_INIT;
    if (hg_exec_launch(launch, &error) != HG_OK) {
        print_error("%s\n", error.message);
        fail();
    }
}

#endif
