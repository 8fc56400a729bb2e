/* SPDX-License-Identifier: Apache-2.0 */
/* The assembler and the disassembler: what text means, how it comes back, where it is wrong. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/isa/support.h"

static struct hg_insn first_insn(const char *text)
{
    struct hg_code code = code_of(text);
    struct hg_insn insn = code.insns[0];
    assert_text_round_trip(&code);
    release_code(&code);
    return insn;
}

static uint64_t constant(const char *type, const char *text)
{
    char line[256];
    snprintf(line, sizeof line, "mov_imm.%s r1, %s", type, text);
    return first_insn(line).u.imm;
}

/* A constant prints as TEXT, too. */
static void assert_prints(const char *type, uint64_t bits, const char *text)
{
    char expected[256];
    char got[256];
    snprintf(expected, sizeof expected, ".slots 0\n    mov_imm.%s r1, %s\n", type, text);
    struct hg_insn insn = {.op = HG_OP_MOV_IMM, .dst = 1, .u.imm = bits};
    enum hg_dtype parsed;
    assert_true(hg_dtype_parse(type, (uint32_t)strlen(type), &parsed));
    insn.type = (uint8_t)parsed;
    struct hg_code code = {{0, 0}, &insn, 1};
    hg_disassemble(&code, got, sizeof got);
    assert_string_equal(got, expected);
}

static void assert_error(const char *text, const char *message)
{
    struct hg_code_header header;
    struct hg_insn *insns = NULL;
    uint32_t count;
    struct hg_error error = HG_ERROR_INIT;
    uint64_t live = hg_alloc_live_bytes(HG_TAG_PROGRAM);
    enum hg_status status = hg_assemble(text, strlen(text), &header, &insns, &count, &error);
    if (status != HG_INVALID_ARGUMENT || strcmp(error.message, message) != 0) {
        fail_msg("status %d, \"%s\"\ninstead of \"%s\"\nfor:\n%s", status, error.message, message,
                 text);
    }
    assert_null(insns);
    assert_int_equal(hg_alloc_live_bytes(HG_TAG_PROGRAM), live);
}

/* The examples of the reference mean what it says. */
static void examples_assemble(void **state)
{
    (void)state;
    struct hg_code code = code_of("ldg.f32 r1, [b0 + lane]\n"
                                  "ldg.f32 r2, [b1 + lane]\n"
                                  "add.f32 r3, r1, r2\n"
                                  "setlt.f32 p0, r1, r2\n"
                                  "cvt.i32.f32 r2, r1\n"
                                  "mov_imm.f32 r9, 0.044715\n"
                                  "param.u64 r4, 0\n"
                                  "stg.f32 [b2 + lane], r3\n"
                                  "bra.p0 @done\n"
                                  "done:\n");
    assert_int_equal(code.header.slot_count, 3);
    assert_int_equal(code.insn_count, 9);
    assert_int_equal(code.insns[2].op, HG_OP_ADD);
    assert_int_equal(code.insns[2].dst, 3);
    assert_int_equal(code.insns[2].a, 1);
    assert_int_equal(code.insns[2].b, 2);
    assert_int_equal(code.insns[3].cond, HG_COND_LT);
    assert_int_equal(code.insns[4].type, HG_I32);
    assert_int_equal(code.insns[4].type2, HG_F32);
    assert_int_equal(code.insns[5].u.imm, 0x3d372713);
    assert_int_equal(code.insns[6].count, 0);
    assert_int_equal(code.insns[7].a, 3);
    assert_int_equal(code.insns[7].u.addr.slot, 2);
    assert_int_equal(code.insns[8].pred, 0);
    assert_int_equal(code.insns[8].target, 9);
    assert_text_round_trip(&code);
    release_code(&code);
}

static void assert_addr(const char *text, struct hg_addr expected)
{
    char line[256];
    snprintf(line, sizeof line, "ldg.f32 r1, [%s]", text);
    struct hg_insn insn = first_insn(line);
    assert_memory_equal(&insn.u.addr, &expected, sizeof expected);
}

/* Every way to write an address. */
static void addresses_assemble(void **state)
{
    (void)state;
    assert_addr("b3", (struct hg_addr){.slot = 3});
    assert_addr("b3+64", (struct hg_addr){.slot = 3, .offset = 64});
    assert_addr("b3 + 0x40 + lane",
                (struct hg_addr){.slot = 3, .offset = 64, .lane = HG_LANE_STRIDE, .factor = 1});
    assert_addr("b3 + lane + 64",
                (struct hg_addr){.slot = 3, .offset = 64, .lane = HG_LANE_STRIDE, .factor = 1});
    assert_addr("b3 + lane*7", (struct hg_addr){.slot = 3, .lane = HG_LANE_STRIDE, .factor = 7});
    assert_addr("b3 + lane % cols", (struct hg_addr){.slot = 3, .lane = HG_LANE_MOD});
    assert_addr("b3 + lane%9", (struct hg_addr){.slot = 3, .lane = HG_LANE_MOD, .factor = 9});
    assert_addr("b3 + lane/cols", (struct hg_addr){.slot = 3, .lane = HG_LANE_DIV});
    assert_addr("b3 + lane/4294967295",
                (struct hg_addr){.slot = 3, .lane = HG_LANE_DIV, .factor = UINT32_MAX});
    assert_addr("b3 + row", (struct hg_addr){.slot = 3, .lane = HG_LANE_ROW});
    assert_addr("buf42 + 8 + lane", (struct hg_addr){.slot = HG_SLOT_HANDLE,
                                                     .handle = 42,
                                                     .offset = 8,
                                                     .lane = HG_LANE_STRIDE,
                                                     .factor = 1});
    assert_addr("buf18446744073709551615",
                (struct hg_addr){.slot = HG_SLOT_HANDLE, .handle = UINT64_MAX});
    assert_addr("b1: r10 - 32",
                (struct hg_addr){.mode = HG_ADDR_INDIRECT, .slot = 1, .reg = 10, .offset = -32});
    assert_addr("b1:r10", (struct hg_addr){.mode = HG_ADDR_INDIRECT, .slot = 1, .reg = 10});
    assert_addr("b0 + r5", (struct hg_addr){.mode = HG_ADDR_COMPUTED, .reg = 5});
    assert_addr(
        "b0 + r5 + lane",
        (struct hg_addr){.mode = HG_ADDR_COMPUTED, .reg = 5, .lane = HG_LANE_STRIDE, .factor = 1});
    assert_addr("s + 16 + lane",
                (struct hg_addr){
                    .mode = HG_ADDR_SCRATCH, .offset = 16, .lane = HG_LANE_STRIDE, .factor = 1});
    const struct hg_addr phi = {
        .mode = HG_ADDR_PHI, .offset = 12803, .lane = HG_LANE_STRIDE, .factor = 1};
    assert_addr("Φ(1, 2, 3) + lane", phi);
    assert_addr("phi(1,2,3)+lane", phi);
}

/* Φ(1,2,3) = 12803; offset 1024 is page 4 byte 0; 12287 is (47,255); 12288 and class 96 are errors.
 */
static void phi_has_its_places(void **state)
{
    (void)state;
    int64_t offset = -1;
    uint32_t page = 9;
    uint32_t byte = 9;
    assert_true(hg_phi_offset(1, 2, 3, &offset));
    assert_int_equal(offset, 12803);
    assert_true(hg_phi_offset(95, 47, 255, &offset));
    assert_int_equal(offset, 1179647);
    assert_false(hg_phi_offset(96, 0, 0, &offset));
    assert_false(hg_phi_offset(0, 48, 0, &offset));
    assert_false(hg_phi_offset(0, 0, 256, &offset));
    assert_int_equal(offset, 1179647);
    assert_true(hg_phi_page(1024, &page, &byte));
    assert_int_equal(page, 4);
    assert_int_equal(byte, 0);
    assert_true(hg_phi_page(12287, &page, &byte));
    assert_int_equal(page, 47);
    assert_int_equal(byte, 255);
    assert_false(hg_phi_page(12288, &page, &byte));
    assert_int_equal(page, 47);
    assert_error("ldg.f32 r1, [Φ(96, 0, 0)]",
                 "line 1, column 16: the class of Φ is an integer of at most 95");
    assert_error("ldg.f32 r1, [Φ(1, 48, 0)]",
                 "line 1, column 19: the page of Φ is an integer of at most 47");
    assert_error("ldg.f32 r1, [Φ(1, 2, 256)]",
                 "line 1, column 22: the byte of Φ is an integer of at most 255");
}

/* Integers are cut to their type; floats are rounded to nearest, hex integers are their bits. */
static void constants_have_their_bits(void **state)
{
    (void)state;
    assert_int_equal(constant("u8", "255"), 255);
    assert_int_equal(constant("u8", "300"), 44);
    assert_int_equal(constant("i8", "-1"), 0xff);
    assert_int_equal(constant("i16", "-0x8000"), 0x8000);
    assert_true(constant("u64", "18446744073709551615") == UINT64_MAX);
    assert_true(constant("i64", "-9223372036854775808") == UINT64_C(1) << 63);
    assert_int_equal(constant("f32", "1"), 0x3f800000);
    assert_int_equal(constant("f32", "-0.0"), 0x80000000);
    assert_int_equal(constant("f32", "0x1.8p1"), 0x40400000);
    assert_int_equal(constant("f32", "0x3f800000"), 0x3f800000);
    assert_int_equal(constant("f32", "inf"), 0x7f800000);
    assert_int_equal(constant("f32", "-inf"), 0xff800000);
    assert_int_equal(constant("f32", "nan"), 0x7fc00000);
    assert_int_equal(constant("f32", "1e-45"), 1);
    assert_int_equal(constant("f32", "1e-50"), 0);
    assert_int_equal(constant("f32", "3.4028235e+38"), 0x7f7fffff);
    /* Rounded once: by way of binary64 it would be a tie, and end one lower. */
    assert_int_equal(constant("f32", "1.000000059604644775390625000000001"), 0x3f800001);
    assert_true(constant("f64", "0.1") == UINT64_C(0x3fb999999999999a));
    assert_true(constant("f64", "5e-324") == 1);
    assert_int_equal(constant("f16", "1"), 0x3c00);
    assert_int_equal(constant("f16", "65504"), 0x7bff);
    assert_int_equal(constant("f16", "65519"), 0x7bff);
    assert_int_equal(constant("f16", "5.9604644775390625e-8"), 1);
    assert_int_equal(constant("f16", "2.98023223876953125e-8"), 0); /* a tie, to even */
    assert_int_equal(constant("f16", "2.99e-8"), 1);
    assert_int_equal(constant("f16", "6.103515625e-5"), 0x0400);
    assert_int_equal(constant("f16", "6.1e-5"), 0x03ff);
    assert_int_equal(constant("f16", "nan"), 0x7e00);
    assert_int_equal(constant("bf16", "1.00390625"), 0x3f80); /* ties, to even */
    assert_int_equal(constant("bf16", "1.01171875"), 0x3f82);
    assert_int_equal(constant("bf16", "-inf"), 0xff80);
    assert_int_equal(constant("bf16", "3.3895314e38"), 0x7f7f);
}

/* Constants print as short as may be and give back their bits. */
static void constants_print_short(void **state)
{
    (void)state;
    assert_prints("f32", 0x3d372713, "0.044715");
    assert_prints("f32", 0x3f800000, "1");
    assert_prints("f32", 0x80000000, "-0");
    assert_prints("f32", 0xff800000, "-inf");
    assert_prints("f32", 0x7fc00001, "0x7fc00001");
    assert_prints("f64", UINT64_C(0x3fb999999999999a), "0.1");
    assert_prints("bf16", 0x4049, "3.14");
    assert_prints("f16", 1, "6e-08");
    assert_prints("i8", 0x80, "-128");
    assert_prints("i64", UINT64_C(1) << 63, "-9223372036854775808");
    assert_prints("u16", 65535, "65535");
}

/* All 65,536 patterns of both half types go through text and back. */
static void every_half_goes_round(void **state)
{
    (void)state;
    static struct hg_insn insns[4096];
    for (unsigned type = HG_F16; type <= HG_BF16; type++) {
        for (uint32_t start = 0; start < 65536; start += 4096) {
            for (uint32_t i = 0; i < 4096; i++) {
                memset(&insns[i], 0, sizeof insns[i]);
                insns[i].op = HG_OP_MOV_IMM;
                insns[i].type = (uint8_t)type;
                insns[i].u.imm = start + i;
            }
            struct hg_code code = {{0, 0}, insns, 4096};
            assert_text_round_trip(&code);
        }
    }
}

/* Another locale's decimal comma changes nothing. */
static void locale_does_not_matter(void **state)
{
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "C.UTF-8"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (setlocale(LC_ALL, names[i]) != NULL) {
            break;
        }
    }
    assert_int_equal(constant("f32", "0.5"), 0x3f000000);
    assert_prints("f32", 0x3f000000, "0.5");
    setlocale(LC_ALL, "C");
}

/* Comments, labels on their own line or several on one, directives, no last newline. */
static void lines_are_free(void **state)
{
    (void)state;
    struct hg_code code = code_of("; a comment\n"
                                  "# another\n"
                                  "// and another\r\n"
                                  "\t.slots 5 ; unused ones too\n"
                                  ".scratch 256\n"
                                  "\n"
                                  "a: b.c: _d:\n"
                                  "e:exit.p15 // stop\n"
                                  "bra @a # on\n"
                                  "bra.p3 @b.c\n"
                                  "loop r7, @end\n"
                                  "bar.sync\n"
                                  "end: ret");
    assert_int_equal(code.header.slot_count, 5);
    assert_int_equal(code.header.scratch_bytes, 256);
    assert_int_equal(code.insn_count, 6);
    assert_int_equal(code.insns[0].pred, 15);
    assert_int_equal(code.insns[1].target, 0);
    assert_int_equal(code.insns[1].pred, HG_PRED_NONE);
    assert_int_equal(code.insns[2].target, 0);
    assert_int_equal(code.insns[3].target, 5);
    assert_text_round_trip(&code);
    release_code(&code);
}

/* A product's operands in any order. */
static void products_assemble(void **state)
{
    (void)state;
    struct hg_insn insn =
        first_insn("mma.bf16 r3, [b0 + 8], [buf5], trans_b, ldb=9, lda=8, k=7, n=6, m=5, trans_a");
    assert_int_equal(insn.dst, 3);
    assert_int_equal(insn.type, HG_BF16);
    assert_int_equal(insn.u.mma.a.offset, 8);
    assert_int_equal(insn.u.mma.b.handle, 5);
    assert_int_equal(insn.u.mma.m, 5);
    assert_int_equal(insn.u.mma.n, 6);
    assert_int_equal(insn.u.mma.k, 7);
    assert_int_equal(insn.u.mma.lda, 8);
    assert_int_equal(insn.u.mma.ldb, 9);
    assert_int_equal(insn.u.mma.flags, HG_MMA_TRANS_A | HG_MMA_TRANS_B);
    insn = first_insn("mma.f32 r1, [Φ(1,0,0)], [b1], m=%1, n=%2, k=%3, lda=%3, ldb=%2, dot");
    assert_int_equal(insn.u.mma.flags, HG_MMA_PARAMS | HG_MMA_ORDER_DOT);
    assert_int_equal(insn.u.mma.k, 3);
}

/* Each thing that text can get wrong, with its place. */
static void errors_name_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"", "line 1, column 1: a program has at least one instruction"},
        {"; nothing\n", "line 2, column 1: a program has at least one instruction"},
        {"foo.f32 r1, r2", "line 1, column 1: expected an instruction, not 'foo.f32'"},
        {"exit\n  addd.f32 r1, r2, r3",
         "line 2, column 3: expected an instruction, not 'addd.f32'"},
        {"add r1, r2, r3", "line 1, column 4: expected a type behind 'add'"},
        {"add.f8 r1, r2, r3", "line 1, column 5: expected a type behind 'add'"},
        {"and.f32 r1, r2, r3", "line 1, column 1: 'and' is not defined for type f32"},
        {"cvt.f32 r1, r2", "line 1, column 8: expected a source type behind 'cvt.f32'"},
        {"add.f32.f32 r1, r2, r3", "line 1, column 9: 'f32' does not go with 'add'"},
        {"add.f32. r1, r2, r3", "line 1, column 9: '' does not go with 'add'"},
        {"bra.p16 @x", "line 1, column 5: 'p16' does not go with 'bra'"},
        {"ret.p1", "line 1, column 5: 'p1' does not go with 'ret'"},
        {"add.f32 r1, r2", "line 1, column 15: expected ',', not the end of the line"},
        {"add.f32 r1, r2, r3, r4", "line 1, column 19: expected the end of the line, not ','"},
        {"add.f32 r1, r256, r3", "line 1, column 13: r0 to r255 exist, not 'r256'"},
        {"add.f32 r1, x, r3", "line 1, column 13: expected a register, not 'x'"},
        {"seteq.f32 p16, r1, r2", "line 1, column 11: p0 to p15 exist, not 'p16'"},
        {"setxx.f32 p1, r1, r2", "line 1, column 1: expected an instruction, not 'setxx.f32'"},
        {"ldg.f32 r1, [b16]", "line 1, column 14: b0 to b15 exist, not 'b16'"},
        {"ldg.f32 r1, b0", "line 1, column 13: expected '[', not 'b0'"},
        {"ldg.f32 r1, [q]", "line 1, column 14: expected a slot, a handle, s or Φ, not 'q'"},
        {"ldg.f32 r1, [b0 + lane", "line 1, column 23: expected ']', not the end of the line"},
        {"ldg.f32 r1, [b0 + lane + row]", "line 1, column 26: an address has one lane term"},
        {"ldg.f32 r1, [b0 + 4 + 4]", "line 1, column 23: an address has one offset"},
        {"ldg.f32 r1, [b0 + r1 + r2]",
         "line 1, column 24: an offset register goes with a slot or handle, once"},
        {"ldg.f32 r1, [b0 + r1 + 4]",
         "line 1, column 25: an address with an offset register has no constant offset"},
        {"ldg.f32 r1, [Φ(1,2,3) + 4]", "line 1, column 25: an address has one offset"},
        {"ldg.f32 r1, [s: r1]", "line 1, column 15: an offset register goes with a slot or handle"},
        {"ldg.f32 r1, [b0 + lane*0]", "line 1, column 24: the stride of lanes is at least 1"},
        {"ldg.f32 r1, [b0 + lane%0]", "line 1, column 24: the period of lanes is at least 1"},
        {"ldg.f32 r1, [b0 + lane/x]", "line 1, column 24: expected the period of lanes, not 'x'"},
        {"mov_imm.i32 r1, 1.5", "line 1, column 17: '1.5' is not a constant of type i32"},
        {"mov_imm.u64 r1, 18446744073709551616",
         "line 1, column 17: '18446744073709551616' is not a constant of type u64"},
        {"mov_imm.f32 r1, 1e39", "line 1, column 17: '1e39' is not a constant of type f32"},
        {"mov_imm.f16 r1, 65520", "line 1, column 17: '65520' is not a constant of type f16"},
        {"mov_imm.f32 r1, 1.0x", "line 1, column 17: '1.0x' is not a constant of type f32"},
        {"mov_imm.f32 r1, infinity", "line 1, column 17: 'infinity' is not a constant of type f32"},
        {"mov_imm.f32 r1,", "line 1, column 16: expected a constant, not the end of the line"},
        {"param.u64 r1, 16", "line 1, column 15: a parameter is an integer of at most 15"},
        {"reduce.regs.add.f32 r1, r2, 257",
         "line 1, column 29: a count of registers is an integer of at most 256"},
        {"bra @nowhere", "line 1, column 6: label 'nowhere' is not defined"},
        {"bra nowhere", "line 1, column 5: expected a target, @label, not 'nowhere'"},
        {"x: exit\nx: exit", "line 2, column 1: label 'x' is defined twice"},
        {"exit exit", "line 1, column 6: expected the end of the line, not 'exit'"},
        {"exit\n$", "line 2, column 1: expected the end of the line, not byte 0x24"},
        {".slot 3\nexit",
         "line 1, column 1: expected an instruction, .slots or .scratch, not '.slot'"},
        {".slots 17\nexit", "line 1, column 8: a number of slots is an integer of at most 16"},
        {".slots 3\n.slots 3\nexit", "line 2, column 1: '.slots' is given twice"},
        {".scratch 65537\nexit",
         "line 1, column 10: a size of scratch is an integer of at most 65536"},
        {"mma.f32 r1, [b0], [b1], m=2, n=2, k=2, lda=2",
         "line 1, column 45: expected each of m, n, k, lda, ldb, not the end of the line"},
        {"mma.f32 r1, [b0], [b1], m=2, m=2", "line 1, column 30: m is given twice"},
        {"mma.f32 r1, [b0], [b1], m=65", "line 1, column 27: a size is an integer of at most 64"},
        {"mma.f32 r1, [b0], [b1], m=%16",
         "line 1, column 28: a parameter is an integer of at most 15"},
        {"mma.f32 r1, [b0], [b1], m=%1, n=2, k=2, lda=2, ldb=2",
         "line 1, column 53: sizes are all constants or all parameters"},
        {"mma.f32 r1, [b0 + lane], [b1]", "line 1, column 13: a matrix is [b + offset] or [Φ(…)]"},
        {"mma.f32 r1, [b0], [b1], fast",
         "line 1, column 25: expected m, n, k, lda, ldb, trans_a, trans_b or dot, not 'fast'"},
        {"x234567890123456789012345678901234567890123456789012345678901234x: exit",
         "line 1, column 1: a label has at most 64 characters"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_error(cases[i].text, cases[i].message);
    }
}

/* Text, instructions and labels are bounded. */
static void text_is_bounded(void **state)
{
    (void)state;
    static char text[HG_TEXT_BYTES_MAX + 2];
    size_t length = 0;
    memset(text, ' ', sizeof text - 1);
    assert_error(text, "a program's text has at most 1048576 bytes, not 1048577");
    for (unsigned i = 0; i < HG_PROGRAM_INSNS_MAX; i++) {
        length += (size_t)snprintf(text + length, sizeof text - length, "L%u: exit\n", i);
    }
    struct hg_code code = code_of(text);
    assert_int_equal(code.insn_count, HG_PROGRAM_INSNS_MAX);
    release_code(&code);
    snprintf(text + length, sizeof text - length, "exit\n");
    assert_error(text, "line 4097, column 1: more than 4096 instructions");
    snprintf(text + length, sizeof text - length, "more:\n");
    assert_error(text, "line 4097, column 1: more than 4096 labels");
}

/* Too small a buffer gets what fits, and the length needed is told. */
static void disassembly_is_cut(void **state)
{
    (void)state;
    struct hg_code code = code_of("exit");
    char whole[64];
    size_t length = hg_disassemble(&code, whole, sizeof whole);
    assert_string_equal(whole, ".slots 0\n    exit\n");
    for (size_t size = 1; size <= length + 1; size++) {
        char part[64];
        memset(part, 0x5a, sizeof part);
        assert_int_equal(hg_disassemble(&code, part, size), length);
        assert_int_equal(strlen(part), size - 1);
        assert_memory_equal(part, whole, size - 1);
        assert_int_equal(part[size], 0x5a);
    }
    assert_int_equal(hg_disassemble(&code, NULL, 0), length);
    release_code(&code);
}

/* Running out of memory is reported at every allocation and loses nothing. */
static void out_of_memory_is_reported(void **state)
{
    (void)state;
    char text[2048];
    size_t length = (size_t)snprintf(text, sizeof text, "x: bra @x\n");
    for (unsigned i = 0; i < 80; i++) {
        length += (size_t)snprintf(text + length, sizeof text - length, "exit\n");
    }
    uint64_t live = hg_alloc_live_bytes(HG_TAG_PROGRAM);
    for (uint64_t skip = 0;; skip++) {
        struct hg_code_header header;
        struct hg_insn *insns = NULL;
        uint32_t count;
        struct hg_error error = HG_ERROR_INIT;
        hg_alloc_fault_set(skip, false);
        enum hg_status status = hg_assemble(text, strlen(text), &header, &insns, &count, &error);
        bool fired = hg_alloc_fault_fired();
        hg_alloc_fault_clear();
        if (!fired) {
            assert_int_equal(status, HG_OK);
            assert_true(skip > 2);
            hg_free(HG_TAG_PROGRAM, insns);
            break;
        }
        assert_int_equal(status, HG_RESOURCE_EXHAUSTED);
        assert_string_equal(error.message, "out of memory while assembling");
        assert_null(insns);
        assert_int_equal(hg_alloc_live_bytes(HG_TAG_PROGRAM), live);
    }
    assert_int_equal(hg_alloc_live_bytes(HG_TAG_PROGRAM), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_assemble),         cmocka_unit_test(addresses_assemble),
        cmocka_unit_test(phi_has_its_places),        cmocka_unit_test(constants_have_their_bits),
        cmocka_unit_test(constants_print_short),     cmocka_unit_test(every_half_goes_round),
        cmocka_unit_test(locale_does_not_matter),    cmocka_unit_test(lines_are_free),
        cmocka_unit_test(products_assemble),         cmocka_unit_test(errors_name_their_place),
        cmocka_unit_test(text_is_bounded),           cmocka_unit_test(disassembly_is_cut),
        cmocka_unit_test(out_of_memory_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
