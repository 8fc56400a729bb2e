/* SPDX-License-Identifier: Apache-2.0 */
/* Generated from isa.def: every instruction with every type, in all its forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/isa/support.h"

static const struct hg_addr lane_addr = {
    .mode = HG_ADDR_BUFFER, .slot = 0, .lane = HG_LANE_STRIDE, .factor = 1};

/* A program around one instruction: what it reads is written first, control is given its like. */
struct sample {
    struct hg_insn insns[32];
    uint32_t count;
    uint32_t index; /* of the instruction itself */
};

static struct hg_insn *append(struct sample *sample)
{
    struct hg_insn *insn = &sample->insns[sample->count++];
    memset(insn, 0, sizeof *insn);
    return insn;
}

static void write_register(struct sample *sample, uint8_t reg, uint8_t type)
{
    struct hg_insn *insn = append(sample);
    insn->op = HG_OP_MOV_IMM;
    insn->type = type;
    insn->dst = reg;
    insn->u.imm = 1;
}

static void write_predicate(struct sample *sample, uint8_t pred)
{
    write_register(sample, 9, HG_U32);
    struct hg_insn *insn = append(sample);
    insn->op = HG_OP_SETCC;
    insn->type = HG_U32;
    insn->cond = HG_COND_EQ;
    insn->dst = pred;
    insn->a = 9;
    insn->b = 9;
}

/* Fills the operands of INSN by its syntax, so that it is whole and right. */
static void fill_operands(struct hg_insn *insn)
{
    for (const char *letter = hg_insn_syntax(insn->op); *letter != '\0'; letter++) {
        switch (*letter) {
        case 'd':
        case 'q':
            insn->dst = 4;
            break;
        case 'a':
            insn->a = 1;
            break;
        case 'b':
            insn->b = 2;
            break;
        case 'c':
            insn->c = 3;
            break;
        case 'p':
            insn->pred = 5;
            break;
        case 'm':
            insn->u.addr = lane_addr;
            if (insn->op == HG_OP_LDS || insn->op == HG_OP_STS) {
                insn->u.addr.mode = HG_ADDR_SCRATCH;
            }
            break;
        case 'i':
            insn->u.imm = 7;
            break;
        case 'k':
            insn->count = 2;
            break;
        case 'x':
            insn->dst = 4;
            insn->u.mma =
                (struct hg_mma){.b = {.slot = 1}, .m = 2, .n = 3, .k = 4, .lda = 4, .ldb = 3};
            break;
        default:
            break;
        }
    }
}

static void sample_of(enum hg_opcode op, enum hg_dtype type, enum hg_dtype type2, enum hg_cond cond,
                      struct sample *sample)
{
    const struct hg_insn_info *info = hg_insn_info(op);
    struct hg_insn insn;
    memset(&insn, 0, sizeof insn);
    sample->count = 0;
    insn.op = (uint8_t)op;
    insn.type = info->types != 0 ? (uint8_t)type : 0;
    insn.type2 = info->form == HG_FORM_CVT ? (uint8_t)type2 : 0;
    insn.cond = info->form == HG_FORM_SETCC ? (uint8_t)cond : 0;
    if (info->form == HG_FORM_BRANCH || info->form == HG_FORM_EXIT) {
        insn.pred = HG_PRED_NONE;
    }
    fill_operands(&insn);
    struct hg_insn_uses uses;
    hg_insn_uses(&insn, &uses);
    for (unsigned i = 0; i < uses.read_count; i++) {
        for (unsigned r = 0; r < (i == 0 ? uses.run : 1u); r++) {
            write_register(sample, (uint8_t)(uses.reads[i].reg + r), uses.reads[i].type);
        }
    }
    if (uses.pred_read != HG_PRED_NONE) {
        write_predicate(sample, uses.pred_read);
    }
    sample->index = sample->count;
    struct hg_insn *placed = append(sample);
    *placed = insn;
    if (info->form == HG_FORM_BRANCH) {
        placed->target = sample->count;
    } else if (info->form == HG_FORM_LOOP || info->form == HG_FORM_LOOP_BLOCKS) {
        write_register(sample, 20, HG_U32);
        placed->target = sample->count;
    } else if (info->form == HG_FORM_CALL) {
        append(sample)->op = HG_OP_EXIT;
        sample->insns[sample->count - 1].pred = HG_PRED_NONE;
        placed->target = sample->count;
        append(sample)->op = HG_OP_RET;
    } else if (op == HG_OP_RET) {
        /* call @2; exit; ret */
        *placed = (struct hg_insn){.op = HG_OP_CALL, .target = 2};
        append(sample)->op = HG_OP_EXIT;
        sample->insns[sample->count - 1].pred = HG_PRED_NONE;
        sample->index = sample->count;
        append(sample)->op = HG_OP_RET;
    }
}

static struct hg_code code_of_sample(const struct sample *sample)
{
    return (struct hg_code){{2, HG_BLOCK_BYTES}, sample->insns, sample->count};
}

static void check_sample(const struct sample *sample)
{
    struct hg_code code = code_of_sample(sample);
    struct hg_code_facts facts;
    assert_verifies(&code, &facts);
    assert_int_equal(facts.insn_count, code.insn_count);
    for (uint32_t i = 0; i < code.insn_count; i++) {
        assert_pack_round_trip(&code.insns[i]);
    }
    assert_text_round_trip(&code);
    assert_binary_round_trip(&code);
}

/* Every row with every type that it allows verifies, and text, words and bytes give it back. */
static void every_row_goes_round(void **state)
{
    (void)state;
    struct sample sample;
    for (unsigned op = 0; op < HG_OPCODE_COUNT; op++) {
        const struct hg_insn_info *info = hg_insn_info(op);
        for (unsigned type = 0; type < HG_DTYPE_COUNT; type++) {
            if (info->types == 0 ? type != 0 : !hg_dtype_in(type, info->types)) {
                continue;
            }
            sample_of(op, type, HG_F32, HG_COND_EQ, &sample);
            check_sample(&sample);
        }
    }
}

/* CVT goes round for all 144 pairs of types. */
static void every_conversion_goes_round(void **state)
{
    (void)state;
    struct sample sample;
    for (unsigned to = 0; to < HG_DTYPE_COUNT; to++) {
        for (unsigned from = 0; from < HG_DTYPE_COUNT; from++) {
            sample_of(HG_OP_CVT, to, from, HG_COND_EQ, &sample);
            check_sample(&sample);
        }
    }
}

/* SETcc takes every condition; unsigned ones for unsigned types only. */
static void every_condition_goes_round(void **state)
{
    (void)state;
    struct sample sample;
    for (unsigned cond = 0; cond < HG_COND_COUNT; cond++) {
        for (unsigned type = 0; type < HG_DTYPE_COUNT; type++) {
            sample_of(HG_OP_SETCC, type, 0, cond, &sample);
            if (cond < HG_COND_LTU || hg_dtype_in(type, HG_DT_UINT)) {
                check_sample(&sample);
                continue;
            }
            struct hg_code code = code_of_sample(&sample);
            struct hg_code_facts facts;
            struct hg_error error = HG_ERROR_INIT;
            char message[128];
            snprintf(message, sizeof message,
                     "instruction %u (set): an unsigned condition is not defined for type %s",
                     sample.index, hg_dtype_name(type));
            assert_int_equal(hg_code_verify(&code, &facts, &error), HG_INVALID_ARGUMENT);
            assert_string_equal(error.message, message);
        }
    }
}

/* Every row refuses every type that it does not allow, by verification and by the assembler. */
static void every_other_type_is_refused(void **state)
{
    (void)state;
    struct sample sample;
    for (unsigned op = 0; op < HG_OPCODE_COUNT; op++) {
        const struct hg_insn_info *info = hg_insn_info(op);
        for (unsigned type = 0; info->types != 0 && type <= HG_DTYPE_COUNT; type++) {
            if (type < HG_DTYPE_COUNT && hg_dtype_in(type, info->types)) {
                continue;
            }
            enum hg_dtype good = (enum hg_dtype)__builtin_ctz(info->types);
            sample_of(op, good, HG_F32, HG_COND_EQ, &sample);
            sample.insns[sample.index].type = (uint8_t)type;
            struct hg_code code = code_of_sample(&sample);
            struct hg_code_facts facts;
            struct hg_error error = HG_ERROR_INIT;
            char message[128];
            if (type == HG_DTYPE_COUNT) {
                snprintf(message, sizeof message, "instruction %u (%s): unknown type 12",
                         sample.index, info->text);
            } else {
                snprintf(message, sizeof message, "instruction %u (%s): is not defined for type %s",
                         sample.index, info->text, hg_dtype_name(type));
            }
            assert_int_equal(hg_code_verify(&code, &facts, &error), HG_INVALID_ARGUMENT);
            assert_string_equal(error.message, message);
        }
    }
}

/* Reading a register of another type than the instruction's is refused, for every source. */
static void every_source_type_is_checked(void **state)
{
    (void)state;
    struct sample sample;
    for (unsigned op = 0; op < HG_OPCODE_COUNT; op++) {
        const struct hg_insn_info *info = hg_insn_info(op);
        enum hg_dtype type = info->types != 0 ? (enum hg_dtype)__builtin_ctz(info->types) : 0;
        sample_of(op, type, HG_F32, HG_COND_EQ, &sample);
        struct hg_insn_uses uses;
        hg_insn_uses(&sample.insns[sample.index], &uses);
        for (unsigned i = 0; i < uses.read_count; i++) {
            sample_of(op, type, HG_F32, HG_COND_EQ, &sample);
            /* The writes stand in the order of the reads; REDUCE.REGS has two for its one. */
            uint32_t at = i;
            uint8_t right = uses.reads[i].type;
            uint8_t wrong = right == HG_BF16 ? HG_I16 : HG_BF16;
            sample.insns[at].type = wrong;
            struct hg_code code = code_of_sample(&sample);
            struct hg_code_facts facts;
            struct hg_error error = HG_ERROR_INIT;
            char message[128];
            snprintf(message, sizeof message, "instruction %u (%s): r%u is %s here, not %s",
                     sample.index, info->text, uses.reads[i].reg, hg_dtype_name(wrong),
                     hg_dtype_name(right));
            assert_int_equal(hg_code_verify(&code, &facts, &error), HG_INVALID_ARGUMENT);
            assert_string_equal(error.message, message);
        }
    }
}

/* Destinations may not be specials, for every instruction that has one. */
static void every_destination_spares_specials(void **state)
{
    (void)state;
    struct sample sample;
    for (unsigned op = 0; op < HG_OPCODE_COUNT; op++) {
        const struct hg_insn_info *info = hg_insn_info(op);
        enum hg_dtype type = info->types != 0 ? (enum hg_dtype)__builtin_ctz(info->types) : 0;
        for (unsigned reg = HG_REG_SPECIAL; reg < HG_REGISTER_COUNT; reg++) {
            sample_of(op, type, HG_F32, HG_COND_EQ, &sample);
            struct hg_insn_uses uses;
            hg_insn_uses(&sample.insns[sample.index], &uses);
            if (!uses.writes) {
                continue;
            }
            sample.insns[sample.index].dst = (uint8_t)reg;
            struct hg_code code = code_of_sample(&sample);
            struct hg_code_facts facts;
            struct hg_error error = HG_ERROR_INIT;
            char message[128];
            snprintf(message, sizeof message, "instruction %u (%s): r%u is read-only", sample.index,
                     info->text, reg);
            assert_int_equal(hg_code_verify(&code, &facts, &error), HG_INVALID_ARGUMENT);
            assert_string_equal(error.message, message);
        }
    }
}

/* The table itself: texts are distinct and summaries are there. */
static void rows_are_distinct(void **state)
{
    (void)state;
    for (unsigned op = 0; op < HG_OPCODE_COUNT; op++) {
        const struct hg_insn_info *info = hg_insn_info(op);
        assert_true(strlen(info->summary) > 4);
        assert_non_null(hg_insn_syntax(op));
        for (unsigned other = 0; other < op; other++) {
            assert_string_not_equal(info->text, hg_insn_info(other)->text);
        }
    }
    assert_int_equal(HG_OPCODE_COUNT, 69);
}

/* Types: codes, sizes and names are as the binary form has them. */
static void types_have_their_codes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t bytes;
    } types[HG_DTYPE_COUNT] = {{"i8", 1},  {"i16", 2},  {"i32", 4}, {"i64", 8},
                               {"u8", 1},  {"u16", 2},  {"u32", 4}, {"u64", 8},
                               {"f16", 2}, {"bf16", 2}, {"f32", 4}, {"f64", 8}};
    for (unsigned i = 0; i < HG_DTYPE_COUNT; i++) {
        enum hg_dtype type = HG_I8;
        assert_string_equal(hg_dtype_name(i), types[i].name);
        assert_int_equal(hg_dtype_bytes(i), types[i].bytes);
        assert_true(hg_dtype_parse(types[i].name, (uint32_t)strlen(types[i].name), &type));
        assert_int_equal(type, i);
    }
    enum hg_dtype type = HG_F64;
    assert_false(hg_dtype_parse("f8", 2, &type));
    assert_false(hg_dtype_parse("f32x", 4, &type));
    assert_false(hg_dtype_parse("", 0, &type));
    assert_int_equal(type, HG_F64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_have_their_codes),
        cmocka_unit_test(rows_are_distinct),
        cmocka_unit_test(every_row_goes_round),
        cmocka_unit_test(every_conversion_goes_round),
        cmocka_unit_test(every_condition_goes_round),
        cmocka_unit_test(every_other_type_is_refused),
        cmocka_unit_test(every_source_type_is_checked),
        cmocka_unit_test(every_destination_spares_specials),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
