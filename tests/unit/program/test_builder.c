/* SPDX-License-Identifier: Apache-2.0 */
/* The builder writes what it is asked for and chooses addresses and loops by the key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/program/builder.h"

static struct hg_key key_of(enum hg_program_form form, uint8_t policy)
{
    struct hg_key key;
    hg_key_init(&key);
    key.form = (uint8_t)form;
    key.policy = policy;
    for (unsigned i = 0; i < 3; i++) {
        key.type[i] = HG_F32;
        key.mode[i] = HG_OPERAND_LANE;
        key.operand[i] = (uint64_t)(i + 1) * HG_CLASS_BYTES;
    }
    return key;
}

/* Each operand mode becomes its lane term; MOD and DIV take the launch's cols. */
static void modes_become_lane_terms(void **state)
{
    (void)state;
    static const struct {
        enum hg_operand_mode mode;
        enum hg_lane_mode lane;
        uint32_t factor;
    } rows[] = {
        {HG_OPERAND_LANE, HG_LANE_STRIDE, 1},       {HG_OPERAND_SCALAR, HG_LANE_NONE, 0},
        {HG_OPERAND_ROW_BROADCAST, HG_LANE_MOD, 0}, {HG_OPERAND_COLUMN_BROADCAST, HG_LANE_DIV, 0},
        {HG_OPERAND_PER_ROW, HG_LANE_ROW, 0},       {HG_OPERAND_MATRIX, HG_LANE_NONE, 0},
        {HG_OPERAND_COMPUTED, HG_LANE_NONE, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hg_key key = key_of(HG_PROGRAM_UNROLLED, 0);
        key.mode[1] = (uint8_t)rows[i].mode;
        struct hg_addr addr = hg_addr_operand(&key, 1);
        assert_int_equal(addr.mode, HG_ADDR_BUFFER);
        assert_int_equal(addr.slot, 1);
        assert_int_equal(addr.lane, rows[i].lane);
        assert_int_equal(addr.factor, rows[i].factor);
    }
}

/* Slots, Φ classes and handles: Φ wins over handles, and only slots are declared. */
static void form_and_policy_choose_the_address(void **state)
{
    (void)state;
    struct hg_builder builder;
    struct hg_key key = key_of(HG_PROGRAM_LOOP, 0);
    hg_builder_init_for(&builder, &key);
    assert_int_equal(builder.slot_count, 3);

    key = key_of(HG_PROGRAM_UNROLLED_PHI, HG_KEY_FULL);
    hg_builder_init_for(&builder, &key);
    assert_int_equal(builder.slot_count, 0);
    struct hg_addr phi = hg_addr_operand(&key, 2);
    assert_int_equal(phi.mode, HG_ADDR_PHI);
    assert_int_equal(phi.offset, 3 * HG_CLASS_BYTES);

    key = key_of(HG_PROGRAM_UNROLLED, HG_KEY_FULL);
    hg_builder_init_for(&builder, &key);
    assert_int_equal(builder.slot_count, 0);
    struct hg_addr handle = hg_addr_operand(&key, 0);
    assert_int_equal(handle.slot, HG_SLOT_HANDLE);
    assert_int_equal(handle.handle, HG_CLASS_BYTES);
}

/* The LOOP forms get a body that ends where it was closed, the unrolled ones none. */
static void blocks_follow_the_form(void **state)
{
    (void)state;
    struct hg_builder builder;
    struct hg_key key = key_of(HG_PROGRAM_UNROLLED_PHI, 0);
    hg_builder_init_for(&builder, &key);
    hg_build_blocks_begin(&builder, &key);
    hg_build_exit(&builder);
    hg_build_blocks_end(&builder);
    assert_int_equal(builder.count, 1);

    key = key_of(HG_PROGRAM_LOOP_PHI, 0);
    hg_builder_init_for(&builder, &key);
    hg_build_blocks_begin(&builder, &key);
    uint8_t value = hg_build_imm(&builder, HG_F32, 0);
    hg_build_store(&builder, HG_F32, hg_addr_operand(&key, 0), value);
    hg_build_blocks_end(&builder);
    assert_int_equal(builder.count, 3);
    assert_int_equal(builder.insns[0].op, HG_OP_LOOP_BLOCKS);
    assert_int_equal(builder.insns[0].target, 3);
}

/* A program that uses every shorthand verifies, and has the instructions in order. */
static void shorthands_write_their_instructions(void **state)
{
    (void)state;
    struct hg_builder builder;
    hg_builder_init(&builder, 2);
    uint8_t x = hg_build_load(&builder, HG_F32, hg_addr_slot(0, HG_LANE_STRIDE));
    uint8_t s = hg_build_param(&builder, HG_F32, 3);
    uint8_t half = hg_build_imm_f64(&builder, HG_F32, 0.5);
    uint8_t fused = hg_build_ternary(&builder, HG_OP_FMA, HG_F32, x, s, half);
    uint8_t root = hg_build_unary(&builder, HG_OP_SQRT, HG_F32, fused);
    uint8_t whole = hg_build_convert(&builder, HG_I32, HG_F32, root);
    uint8_t back = hg_build_convert(&builder, HG_F32, HG_I32, whole);
    uint8_t less = hg_build_compare(&builder, HG_COND_LT, HG_F32, back, x);
    uint8_t chosen = hg_build_select(&builder, HG_F32, less, back, x);
    uint8_t sum = hg_build_reduce(&builder, HG_OP_REDUCE_ADD, HG_F32, chosen);
    hg_build_barrier(&builder);
    hg_build_store(&builder, HG_F32, hg_addr_slot(1, HG_LANE_ROW), sum);
    hg_build_exit(&builder);
    /* No conversion is written between equal types. */
    assert_int_equal(hg_build_convert(&builder, HG_F32, HG_F32, sum), sum);

    static const enum hg_opcode expected[] = {
        HG_OP_LDG,      HG_OP_PARAM, HG_OP_MOV_IMM, HG_OP_FMA, HG_OP_SQRT,
        HG_OP_CVT,      HG_OP_CVT,   HG_OP_SETCC,   HG_OP_SEL, HG_OP_REDUCE_ADD,
        HG_OP_BAR_SYNC, HG_OP_STG,   HG_OP_EXIT,
    };
    struct hg_program *program = NULL;
    struct hg_error error = HG_ERROR_INIT;
    enum hg_status status = hg_builder_finish(&builder, NULL, &program, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(status, HG_OK);
    struct hg_insn insns[HG_BUILDER_INSNS];
    assert_int_equal(program->facts.insn_count, sizeof expected / sizeof expected[0]);
    hg_program_unpack(program, insns);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_int_equal(insns[i].op, expected[i]);
    }
    assert_int_equal(insns[2].u.imm, 0x3f000000);
    hg_program_unref(&program);
}

/* Too many instructions, registers or predicates are remembered and reported at the end. */
static void overflow_is_reported_once(void **state)
{
    (void)state;
    struct hg_builder builder;
    struct hg_program *program = NULL;
    struct hg_error error = HG_ERROR_INIT;
    hg_builder_init(&builder, 1);
    for (unsigned i = 0; i < HG_BUILDER_INSNS + 200; i++) {
        (void)hg_build_imm(&builder, HG_U8, i);
    }
    assert_int_equal(hg_builder_finish(&builder, NULL, &program, &error), HG_INTERNAL);
    assert_null(program);

    hg_builder_init(&builder, 1);
    uint8_t zero = hg_build_imm(&builder, HG_U8, 0);
    for (unsigned i = 0; i <= HG_PREDICATE_COUNT; i++) {
        (void)hg_build_compare(&builder, HG_COND_EQ, HG_U8, zero, zero);
    }
    assert_int_equal(hg_builder_finish(&builder, NULL, &program, &error), HG_INTERNAL);
    assert_null(program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modes_become_lane_terms),
        cmocka_unit_test(form_and_policy_choose_the_address),
        cmocka_unit_test(blocks_follow_the_form),
        cmocka_unit_test(shorthands_write_their_instructions),
        cmocka_unit_test(overflow_is_reported_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
