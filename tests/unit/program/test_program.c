/* SPDX-License-Identifier: Apache-2.0 */
/* Programs keep what they were made of, go with their last reference, and report failures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/program/builder.h"

static struct hg_key copy_key(void)
{
    struct hg_key key;
    hg_key_init(&key);
    key.cache = 7;
    key.type[0] = key.type[1] = HG_F32;
    key.mode[0] = key.mode[1] = HG_OPERAND_LANE;
    return key;
}

/* b1 = b0: two instructions. */
static enum hg_status build_copy(const struct hg_key *key, struct hg_program **program,
                                 struct hg_error *error)
{
    struct hg_builder builder;
    hg_builder_init(&builder, 2);
    uint8_t a = hg_build_load(&builder, HG_F32, hg_addr_slot(0, HG_LANE_STRIDE));
    hg_build_store(&builder, HG_F32, hg_addr_slot(1, HG_LANE_STRIDE), a);
    return hg_builder_finish(&builder, key, program, error);
}

/* A program holds its key, the verifier's facts and instructions that unpack to those given. */
static void keeps_key_facts_and_instructions(void **state)
{
    (void)state;
    struct hg_key key = copy_key();
    struct hg_program *program = NULL;
    struct hg_error error = HG_ERROR_INIT;
    assert_int_equal(build_copy(&key, &program, &error), HG_OK);
    assert_true(hg_key_equal(&program->key, &key));
    assert_int_equal(program->facts.insn_count, 2);
    assert_int_equal(program->facts.slot_count, 2);
    assert_int_equal(program->facts.slots_read, 1);
    assert_int_equal(program->facts.slots_written, 2);
    assert_int_equal(program->facts.block_lanes, 3072);
    struct hg_insn insns[2];
    hg_program_unpack(program, insns);
    assert_int_equal(insns[0].op, HG_OP_LDG);
    assert_int_equal(insns[0].u.addr.lane, HG_LANE_STRIDE);
    assert_int_equal(insns[1].op, HG_OP_STG);
    assert_int_equal(insns[1].a, insns[0].dst);
    assert_int_equal(insns[1].u.addr.slot, 1);
    hg_program_unref(&program);
    assert_null(program);
}

/* Without a key the program has one of zeros. */
static void key_may_be_absent(void **state)
{
    (void)state;
    struct hg_program *program = NULL;
    assert_int_equal(build_copy(NULL, &program, NULL), HG_OK);
    struct hg_key zeros;
    hg_key_init(&zeros);
    assert_true(hg_key_equal(&program->key, &zeros));
    hg_program_unref(&program);
}

/* One allocation, counted under the tag of programs, freed with the last reference and not before.
 */
static void lives_until_the_last_reference(void **state)
{
    (void)state;
    uint64_t before = hg_alloc_live_bytes(HG_TAG_PROGRAM);
    struct hg_program *first = NULL;
    assert_int_equal(build_copy(NULL, &first, NULL), HG_OK);
    uint64_t bytes = hg_alloc_live_bytes(HG_TAG_PROGRAM) - before;
    assert_int_equal(hg_program_bytes(first), bytes);
    assert_true(bytes >= sizeof *first + first->word_count * sizeof(uint64_t));
    struct hg_program *second = hg_program_ref(first);
    assert_ptr_equal(second, first);
    hg_program_unref(&first);
    assert_int_equal(hg_alloc_live_bytes(HG_TAG_PROGRAM) - before, bytes);
    hg_program_unref(&second);
    assert_int_equal(hg_alloc_live_bytes(HG_TAG_PROGRAM), before);
    hg_program_unref(&second);
}

/* Code that does not verify is refused, and the output stays as it was. */
static void refuses_what_does_not_verify(void **state)
{
    (void)state;
    struct hg_builder builder;
    struct hg_program *program = NULL;
    struct hg_error error = HG_ERROR_INIT;
    hg_builder_init(&builder, 1);
    hg_build_store(&builder, HG_F32, hg_addr_slot(0, HG_LANE_STRIDE), 9);
    assert_int_equal(hg_builder_finish(&builder, NULL, &program, &error), HG_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "instruction 0"));
    assert_null(program);
}

/* Whichever allocation fails, the caller is told and nothing is left behind. */
static void survives_running_out_of_memory(void **state)
{
    (void)state;
    uint64_t before = hg_alloc_live_bytes_all();
    for (uint64_t skip = 0;; skip++) {
        struct hg_program *program = NULL;
        struct hg_error error = HG_ERROR_INIT;
        hg_alloc_fault_set(skip, true);
        enum hg_status status = build_copy(NULL, &program, &error);
        bool fired = hg_alloc_fault_fired();
        hg_alloc_fault_clear();
        if (!fired) {
            assert_int_equal(status, HG_OK);
            assert_true(skip > 0);
            hg_program_unref(&program);
            break;
        }
        assert_int_equal(status, HG_RESOURCE_EXHAUSTED);
        assert_null(program);
    }
    assert_int_equal(hg_alloc_live_bytes_all(), before);
}

static uint64_t destroyed_bytes;

static void destroy_native(struct hg_program_native *native)
{
    destroyed_bytes += native->bytes;
}

/* Native code counts as the program's bytes and goes with the last reference. */
static void native_code_goes_with_its_program(void **state)
{
    (void)state;
    struct hg_key key = copy_key();
    struct hg_program *program = NULL;
    struct hg_error error = HG_ERROR_INIT;
    struct hg_program_native native = {destroy_native, 320};
    assert_int_equal(build_copy(&key, &program, &error), HG_OK);
    assert_null(program->native);
    uint64_t bytes = hg_program_bytes(program);
    hg_program_attach(program, &native);
    assert_int_equal(hg_program_bytes(program), bytes + 320);
    struct hg_program *second = hg_program_ref(program);
    hg_program_unref(&program);
    assert_int_equal(destroyed_bytes, 0);
    hg_program_unref(&second);
    assert_int_equal(destroyed_bytes, 320);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_key_facts_and_instructions),
        cmocka_unit_test(key_may_be_absent),
        cmocka_unit_test(lives_until_the_last_reference),
        cmocka_unit_test(refuses_what_does_not_verify),
        cmocka_unit_test(survives_running_out_of_memory),
        cmocka_unit_test(native_code_goes_with_its_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
