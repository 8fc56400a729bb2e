/* SPDX-License-Identifier: Apache-2.0 */
/* Every key that a plan makes has a program, always the same, small, with the block that planning
 * counted on; keys that no plan makes have none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/ops/build.h"
#include "tests/ops/op_visit.h"

static struct hg_program *build(const struct hg_key *key)
{
    struct hg_program *program = NULL;
    struct hg_error error = HG_ERROR_INIT;
    enum hg_status status = hg_op_build(key, &program, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(status, HG_OK);
    return program;
}

/* ---- what is checked of each ----------------------------------------------------------------- */

/* True if some lane-by-lane instruction decides B: programs of one result per row have none. */
static bool has_lanes(const struct hg_key *key)
{
    return key->mode[0] != HG_OPERAND_PER_ROW;
}

static void check_program(const struct hg_plan_step *step, void *context)
{
    unsigned *seen = context;
    struct hg_program *program = build(&step->key);
    const struct hg_code_facts *facts = &program->facts;
    assert_true(hg_key_equal(&program->key, &step->key));
    if (has_lanes(&step->key)) {
        assert_int_equal(facts->block_lanes, hg_op_block_lanes(&step->key));
    }
    bool loop = step->key.form == HG_PROGRAM_LOOP || step->key.form == HG_PROGRAM_LOOP_PHI;
    assert_int_equal((facts->facts & HG_FACT_LOOP_BLOCKS) != 0, loop);
    if (loop) {
        assert_int_equal(facts->facts & HG_FACT_TOP_LANES, 0);
    } else if (has_lanes(&step->key)) {
        assert_true(step->params[HG_PARAM_N] <= facts->block_lanes);
    }
    bool phi = step->key.form >= HG_PROGRAM_UNROLLED_PHI;
    bool full = (step->key.policy & HG_KEY_FULL) != 0;
    assert_int_equal((facts->facts & HG_FACT_PHI) != 0, phi);
    assert_int_equal(facts->slot_count + facts->handle_count, phi ? 0 : step->operand_count);
    assert_int_equal(facts->handle_count, full && !phi ? step->operand_count : 0);
    for (unsigned i = 0; i < step->operand_count && !phi; i++) {
        assert_int_equal(facts->slots_written >> i & 1u, step->writes[i]);
    }
    assert_true(facts->insn_count <= 30);
    assert_true(hg_program_bytes(program) <= 1024);
    seen[step->key.cache]++;
    hg_program_unref(&program);
}

/* Plans and programs agree on forms, blocks, slots and what is written; every recipe occurs. */
static void programs_are_what_plans_count_on(void **state)
{
    (void)state;
    unsigned seen[HG_CACHE_COUNT] = {0};
    visit_all(check_program, seen);
    for (unsigned id = 0; id < HG_CACHE_COUNT; id++) {
        assert_int_equal(seen[id] != 0, id != HG_CACHE_USER && id != HG_CACHE_GRAPH);
    }
}

static void check_same_again(const struct hg_plan_step *step, void *context)
{
    (void)context;
    struct hg_program *first = build(&step->key);
    struct hg_program *second = build(&step->key);
    assert_int_equal(first->word_count, second->word_count);
    assert_memory_equal(first->words, second->words, first->word_count * sizeof(uint64_t));
    hg_program_unref(&first);
    hg_program_unref(&second);
}

/* A key alone decides the words: nothing is left to chance or to earlier builds. */
static void equal_keys_give_equal_words(void **state)
{
    (void)state;
    visit_all(check_same_again, NULL);
}

/* ---- keys that no plan makes ----------------------------------------------------------------- */

static struct hg_key add_key(void)
{
    struct hg_plan plan;
    struct hg_op_call call = op_call(HG_OP_ID_VECTOR_ADD, HG_F32, 10);
    assert_int_equal(hg_op_plan(&call, &plan, NULL), HG_OK);
    return plan.steps[0].key;
}

static void assert_refused(const struct hg_key *key)
{
    struct hg_program *program = NULL;
    struct hg_error error = HG_ERROR_INIT;
    assert_int_equal(hg_op_build(key, &program, &error), HG_INVALID_ARGUMENT);
    assert_null(program);
    assert_true(strlen(error.message) > 0);
}

/* Each field with a value that it cannot have is refused, never built and never a crash. */
static void malformed_keys_are_refused(void **state)
{
    (void)state;
    const struct hg_key good = add_key();
    struct hg_key key = good;
    key.cache = HG_CACHE_COUNT;
    assert_refused(&key);
    key.cache = HG_CACHE_USER;
    assert_refused(&key);
    key.cache = HG_CACHE_GRAPH;
    assert_refused(&key);
    key = good;
    key.form = HG_PROGRAM_FORM_COUNT;
    assert_refused(&key);
    key = good;
    key.policy = HG_KEY_FUSED;
    assert_refused(&key);
    key.policy = 0x80;
    assert_refused(&key);
    key = good;
    key.type[1] = HG_I32;
    assert_refused(&key);
    key.type[1] = HG_DTYPE_COUNT;
    assert_refused(&key);
    key.type[1] = 200;
    assert_refused(&key);
    key = good;
    key.type[3] = HG_F32;
    assert_refused(&key);
    key = good;
    key.mode[0] = HG_OPERAND_SCALAR;
    assert_refused(&key);
    key.mode[0] = 250;
    assert_refused(&key);
    key = good;
    key.mode[3] = HG_OPERAND_LANE;
    assert_refused(&key);
    key = good;
    key.structure = 1;
    assert_refused(&key);
    key = good;
    key.operand[0] = 1;
    assert_refused(&key);
    key = good;
    key.constant[0] = 1;
    assert_refused(&key);
    key = good;
    key.constant[1] = 1;
    assert_refused(&key);
    key = good;
    key.size[0] = 1;
    assert_refused(&key);
    key = good;
    key.form = HG_PROGRAM_UNROLLED_PHI;
    key.operand[2] = HG_BOUNDARY_BYTES;
    assert_refused(&key);
}

/* Of a comparison, whose result has a type of its own, and of what reads at computed offsets. */
static void malformed_keys_of_several_types_are_refused(void **state)
{
    (void)state;
    struct hg_plan plan;
    struct hg_op_call call = op_call(HG_OP_ID_LESS, HG_F32, 10);
    assert_int_equal(hg_op_plan(&call, &plan, NULL), HG_OK);
    struct hg_key key = plan.steps[0].key;
    key.type[2] = HG_F32;
    assert_refused(&key);
    key.type[2] = HG_U8;
    key.type[1] = HG_U8;
    assert_refused(&key);
    call = op_call(HG_OP_ID_TRANSPOSE, HG_F32, 1);
    op_shape_movement(&call, 3, 4);
    assert_int_equal(hg_op_plan(&call, &plan, NULL), HG_OK);
    key = plan.steps[0].key;
    assert_int_equal(key.type[0], HG_U32);
    key.form = HG_PROGRAM_UNROLLED_PHI;
    assert_refused(&key);
    key.form = HG_PROGRAM_UNROLLED;
    key.type[0] = key.type[1] = HG_F32;
    assert_refused(&key);
    key.type[0] = key.type[1] = HG_U32;
    key.mode[0] = HG_OPERAND_LANE;
    assert_refused(&key);
}

/* Whichever allocation fails, the build says so and leaves nothing. */
static void survives_running_out_of_memory(void **state)
{
    (void)state;
    struct hg_key key = add_key();
    uint64_t before = hg_alloc_live_bytes_all();
    bool fired = true;
    for (uint64_t skip = 0; fired; skip++) {
        struct hg_program *program = NULL;
        hg_alloc_fault_set(skip, false);
        enum hg_status status = hg_op_build(&key, &program, NULL);
        fired = hg_alloc_fault_fired();
        hg_alloc_fault_clear();
        assert_int_equal(status, fired ? HG_RESOURCE_EXHAUSTED : HG_OK);
        assert_int_equal(program == NULL, fired);
        hg_program_unref(&program);
        assert_true(fired || skip > 0);
    }
    assert_int_equal(hg_alloc_live_bytes_all(), before);
}

/* ---- sizes ----------------------------------------------------------------------------------- */

struct sizes {
    uint64_t bytes[65536];
    size_t count;
};

static void note_size(const struct hg_plan_step *step, void *context)
{
    struct sizes *sizes = context;
    struct hg_program *program = build(&step->key);
    assert_true(sizes->count < sizeof sizes->bytes / sizeof sizes->bytes[0]);
    sizes->bytes[sizes->count++] = hg_program_bytes(program);
    hg_program_unref(&program);
}

static int compare_sizes(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* No program exceeds 1 KiB, key and facts included; the median is far below. */
static void programs_are_small(void **state)
{
    (void)state;
    static struct sizes sizes;
    visit_all(note_size, &sizes);
    qsort(sizes.bytes, sizes.count, sizeof sizes.bytes[0], compare_sizes);
    uint64_t median = sizes.bytes[sizes.count / 2];
    uint64_t max = sizes.bytes[sizes.count - 1];
    print_message("%zu programs: median %llu bytes, maximum %llu bytes\n", sizes.count,
                  (unsigned long long)median, (unsigned long long)max);
    assert_true(max <= 1024);
    assert_true(median <= 256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_are_what_plans_count_on),
        cmocka_unit_test(equal_keys_give_equal_words),
        cmocka_unit_test(malformed_keys_are_refused),
        cmocka_unit_test(malformed_keys_of_several_types_are_refused),
        cmocka_unit_test(survives_running_out_of_memory),
        cmocka_unit_test(programs_are_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
