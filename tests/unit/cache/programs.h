/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and small programs for the cache's tests. */
#ifndef HG_TESTS_UNIT_CACHE_PROGRAMS_H
#define HG_TESTS_UNIT_CACHE_PROGRAMS_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/cache/cache.h"

#define TEST_REGIONS 4

/* The key of region REGION whose constant is NUMBER. */
static inline struct hg_key test_key(uint16_t region, uint64_t number)
{
    struct hg_key key;
    hg_key_init(&key);
    key.cache = region;
    key.constant[0] = number;
    return key;
}

/* What a build was asked to do and what it counted. */
struct test_build {
    uint32_t builds;
    uint32_t constants; /* instructions before the EXIT: makes programs of different sizes */
    enum hg_status fail_with;
};

/* Builds a program that loads some constants and ends, or fails. */
static inline enum hg_status test_build_program(const struct hg_key *key, void *context,
                                                struct hg_program **program, struct hg_error *error)
{
    struct test_build *build = context;
    build->builds++;
    if (build->fail_with != HG_OK) {
        return hg_fail(error, build->fail_with, "the build was told to fail");
    }
    struct hg_insn insns[64] = {0};
    uint32_t count = 0;
    for (; count < build->constants; count++) {
        insns[count] = (struct hg_insn){
            .op = HG_OP_MOV_IMM,
            .type = HG_U64,
            .dst = (uint8_t)count,
            .pred = HG_PRED_NONE,
            .u.imm = UINT64_MAX - count,
        };
    }
    insns[count++] = (struct hg_insn){.op = HG_OP_EXIT, .pred = HG_PRED_NONE};
    struct hg_code code = {.insns = insns, .insn_count = count};
    return hg_program_create(&code, key, program, error);
}

static inline struct hg_cache *test_cache(uint64_t entries_max, uint64_t bytes_max)
{
    struct hg_cache_options options = {
        .region_count = TEST_REGIONS,
        .entries_max = entries_max,
        .bytes_max = bytes_max,
    };
    struct hg_cache *cache = NULL;
    struct hg_error error = HG_ERROR_INIT;
    assert_int_equal(hg_cache_create(&options, &cache, &error), HG_OK);
    return cache;
}

/* Acquires KEY, which must succeed, and tells how it was answered. */
static inline enum hg_cache_outcome test_acquire(struct hg_cache *cache, struct hg_key key,
                                                 struct test_build *build, struct hg_cache_pin *pin)
{
    struct hg_cache_result result;
    struct hg_error error = HG_ERROR_INIT;
    enum hg_status status =
        hg_cache_acquire(cache, &key, test_build_program, build, pin, &result, &error);
    if (status != HG_OK) {
        fail_msg("%s", error.message);
    }
    assert_true(hg_key_equal(&pin->program->key, &key));
    return result.outcome;
}

/* Acquires and releases at once. */
static inline enum hg_cache_outcome test_touch(struct hg_cache *cache, struct hg_key key,
                                               struct test_build *build)
{
    struct hg_cache_pin pin;
    enum hg_cache_outcome outcome = test_acquire(cache, key, build, &pin);
    hg_cache_release(cache, &pin);
    return outcome;
}

static inline struct hg_cache_region_stats test_region(const struct hg_cache *cache,
                                                       uint16_t region)
{
    struct hg_cache_region_stats stats;
    hg_cache_region_stats(cache, region, &stats);
    return stats;
}

#endif
