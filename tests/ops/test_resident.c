/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 4,096 distinct programs in the cache take less than 1,000,000 bytes: keys, facts, instructions
 * and the cache's tables together, as the allocator counts them.
 *
 * The programs: every operation × type × form × address mode once (products with small and with
 * large sizes), then Φ forms of all operations and types in turn, with ever other classes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/cache/cache.h"
#include "tests/ops/op_call.h"

#define PROGRAMS  4096
#define BYTES_MAX 1000000

struct resident {
    struct hg_cache *cache;
    uint64_t sizes[PROGRAMS];
    uint32_t count;
};

static enum hg_status build(const struct hg_key *key, void *context, struct hg_program **program,
                            struct hg_error *error)
{
    (void)context;
    return hg_op_build(key, program, error);
}

/* Puts the programs of CALL into the cache, up to the number wanted. */
static void keep(struct resident *resident, const struct hg_op_call *call)
{
    struct hg_plan plan;
    struct hg_error error = HG_ERROR_INIT;
    assert_int_equal(hg_op_plan(call, &plan, &error), HG_OK);
    for (uint32_t i = 0; i < plan.step_count && resident->count < PROGRAMS; i++) {
        struct hg_cache_pin pin;
        struct hg_cache_result result;
        assert_int_equal(hg_cache_acquire(resident->cache, &plan.steps[i].key, build, NULL, &pin,
                                          &result, &error),
                         HG_OK);
        if (result.outcome == HG_CACHE_BUILD) {
            resident->sizes[resident->count++] = hg_program_bytes(pin.program);
        }
        hg_cache_release(resident->cache, &pin);
    }
}

static struct hg_op_call sized_call(enum hg_op_id id, enum hg_dtype type, bool large)
{
    struct hg_op_call call = op_call(id, type, large ? 20000 : 100);
    op_set_required(&call);
    if (id == HG_OP_ID_GEMM || id == HG_OP_ID_LINEAR) {
        op_shape_product(&call, large ? 200 : 8, large ? 200 : 8, large ? 200 : 8);
    } else if (id == HG_OP_ID_MATVEC) {
        op_shape_product(&call, large ? 20000 : 8, 8, 1);
    } else if (op_has_shapes(call.op)) {
        op_shape_lanes(&call, call.operands[0].elements);
    }
    return call;
}

/* Both forms by slot, with every address mode of the second operand, fused and as steps. */
static void keep_slot_forms(struct resident *resident, enum hg_op_id id, enum hg_dtype type)
{
    for (unsigned large = 0; large < 2; large++) {
        for (unsigned fusion = 0; fusion < 2; fusion++) {
            struct hg_op_call call = sized_call(id, type, large != 0);
            call.policy.fusion = fusion != 0;
            keep(resident, &call);
            if (call.op->inputs == 2 && call.op->elementwise) {
                op_operand_vector(&call.operands[1], 1);
                keep(resident, &call);
                op_operand_vector(&call.operands[1], 50);
                keep(resident, &call);
            }
        }
    }
}

static void keep_phi_form(struct resident *resident, enum hg_op_id id, enum hg_dtype type,
                          unsigned round)
{
    struct hg_op_call call = sized_call(id, type, false);
    for (unsigned i = 0; i < call.operand_count; i++) {
        call.operands[i].boundary_class = (int)((round + 5 * i) % HG_CLASS_COUNT);
    }
    keep(resident, &call);
}

typedef void keep_fn(struct resident *resident, enum hg_op_id id, enum hg_dtype type,
                     unsigned round);

static void keep_slots_of_round(struct resident *resident, enum hg_op_id id, enum hg_dtype type,
                                unsigned round)
{
    (void)round;
    keep_slot_forms(resident, id, type);
}

static void for_every_operation(struct resident *resident, unsigned round, keep_fn *fn)
{
    for (unsigned id = 0; id < HG_OP_ID_COUNT; id++) {
        for (unsigned type = 0; type < HG_DTYPE_COUNT; type++) {
            if (hg_dtype_in((enum hg_dtype)type, hg_op_info((enum hg_op_id)id)->dtypes)) {
                fn(resident, (enum hg_op_id)id, (enum hg_dtype)type, round);
            }
        }
    }
}

static int compare_sizes(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void programs_fit_in_a_million_bytes(void **state)
{
    (void)state;
    static struct resident resident;
    uint64_t before = hg_alloc_live_bytes(HG_TAG_PROGRAM) + hg_alloc_live_bytes(HG_TAG_CACHE);
    const struct hg_cache_options options = {
        .region_count = HG_CACHE_COUNT, .entries_max = PROGRAMS, .bytes_max = 64u << 20};
    struct hg_error error = HG_ERROR_INIT;
    assert_int_equal(hg_cache_create(&options, &resident.cache, &error), HG_OK);
    for_every_operation(&resident, 0, keep_slots_of_round);
    uint32_t by_slot = resident.count;
    for (unsigned round = 0; resident.count < PROGRAMS && round < HG_CLASS_COUNT; round++) {
        for_every_operation(&resident, round, keep_phi_form);
    }
    assert_int_equal(resident.count, PROGRAMS);
    assert_int_equal(hg_cache_entries(resident.cache), PROGRAMS);
    uint64_t programs = hg_alloc_live_bytes(HG_TAG_PROGRAM);
    uint64_t tables = hg_alloc_live_bytes(HG_TAG_CACHE);
    uint64_t total = programs + tables - before;
    qsort(resident.sizes, PROGRAMS, sizeof resident.sizes[0], compare_sizes);
    print_message("%u programs, %u by slot: %llu bytes (programs %llu, tables %llu); each median "
                  "%llu, maximum %llu\n",
                  PROGRAMS, by_slot, (unsigned long long)total, (unsigned long long)programs,
                  (unsigned long long)tables, (unsigned long long)resident.sizes[PROGRAMS / 2],
                  (unsigned long long)resident.sizes[PROGRAMS - 1]);
    assert_true(resident.sizes[PROGRAMS - 1] <= 1024);
#ifndef HG_NO_JEMALLOC
    assert_true(total < BYTES_MAX);
#endif
    hg_cache_destroy(&resident.cache);
    assert_int_equal(hg_alloc_live_bytes(HG_TAG_PROGRAM) + hg_alloc_live_bytes(HG_TAG_CACHE),
                     before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_fit_in_a_million_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
