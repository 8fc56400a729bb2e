/* SPDX-License-Identifier: Apache-2.0 */
/* Packed words and the binary form: compact, canonical, and refused when they are not so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/isa/support.h"

static uint32_t words_of(const char *text)
{
    struct hg_code code = code_of(text);
    uint64_t words[HG_INSN_WORDS_MAX];
    uint32_t count = hg_insn_pack(&code.insns[0], words);
    assert_pack_round_trip(&code.insns[0]);
    release_code(&code);
    return count;
}

/* What programs of operations use takes one word; the rest as many as the table says. */
static void instructions_are_compact(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t words;
    } cases[] = {
        {"ldg.f32 r1, [b0 + lane]", 1},
        {"stg.f64 [b15 + lane], r200", 1},
        {"ldg.f32 r1, [b0]", 1},
        {"ldg.f32 r1, [b0 + row]", 1},
        {"ldg.f32 r1, [b0 + lane%cols]", 1},
        {"ldg.f32 r1, [b0 + lane/cols]", 1},
        {"ldg.f32 r1, [b0 + 65535 + lane]", 1},
        {"ldg.f32 r1, [b0 + 65536 + lane]", 2},
        {"ldg.f32 r1, [b0 + lane*2]", 2},
        {"ldg.f32 r1, [b0 + lane%7]", 2},
        {"ldg.f32 r1, [buf42 + 65536 + lane*2]", 4},
        {"ldg.f32 r1, [Φ(95, 47, 252) + lane%cols]", 1},
        {"ldg.f32 r1, [b1: r10 + 4]", 1},
        {"ldg.f32 r1, [b1: r10 - 4]", 2},
        {"ldg.f32 r1, [b1 + r10 + lane]", 1},
        {".scratch 64\nlds.f32 r1, [s + 4 + lane]", 1},
        {"mov_imm.f32 r1, 0.044715", 1},
        {"mov_imm.i64 r1, 4294967295", 1},
        {"mov_imm.i64 r1, 4294967296", 2},
        {"mov_imm.f64 r1, 0.1", 2},
        {"mma.f32 r1, [b0], [b1], m=%1, n=%2, k=%3, lda=%3, ldb=%2", 1},
        {"mma.f32 r1, [b0], [b1], m=4, n=4, k=4, lda=4, ldb=4", 3},
        {"mma.f32 r1, [buf1 + 4], [buf2 + 4], m=4, n=4, k=4, lda=4, ldb=4", 7},
        {"sel.f32 r1, p2, r3, r4", 1},
        {"reduce.regs.add.f32 r1, r2, 256", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (words_of(cases[i].text) != cases[i].words) {
            fail_msg("%s takes %u words", cases[i].text, words_of(cases[i].text));
        }
    }
}

/* The words of a few instructions, bit for bit: the binary form never changes. */
static void words_are_fixed(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t word;
    } cases[] = {
        {"ldg.f32 r1, [b2 + 16 + lane]", UINT64_C(0x0010000200011a00)},
        {"stg.f32 [b2 + lane%cols], r7", UINT64_C(0x0000000200072a01)},
        {"ldg.f32 r1, [Φ(1, 2, 3) + lane]", UINT64_C(0x0032030001011a00)},
        {"ldg.u8 r1, [b3: r9 + 5]", UINT64_C(0x0005090302010400)},
        {"mov_imm.f32 r3, 1", UINT64_C(0x3f800000) << 32 | 0x030a05},
        {"add.f64 r1, r2, r3", UINT64_C(0x0000000302010b08)},
        {"fma.f32 r1, r2, r3, r4", UINT64_C(0x0000040302010a0d)},
        {"cvt.i32.f64 r1, r2", UINT64_C(0x000000000201b207)},
        {"setge.i8 p5, r2, r3", UINT64_C(0x0000000302055018)},
        {"sel.f32 r1, p2, r3, r4", UINT64_C(0x0000020403010a19)},
        {"exit", UINT64_C(0x0000ff000000001f)},
        {"mma.f32 r1, [b2], [b3], m=%4, n=%5, k=%6, lda=%7, ldb=%8, trans_b",
         UINT64_C(0x876540030201aa37)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hg_code code = code_of(cases[i].text);
        uint64_t words[HG_INSN_WORDS_MAX];
        assert_int_equal(hg_insn_pack(&code.insns[0], words), 1);
        if (words[0] != cases[i].word) {
            fail_msg("%s is 0x%016llx", cases[i].text, (unsigned long long)words[0]);
        }
        release_code(&code);
    }
}

/* An immediate is cut to its type when packed. */
static void immediates_are_cut(void **state)
{
    (void)state;
    struct hg_insn insn = {.op = HG_OP_MOV_IMM, .type = HG_I8, .dst = 1, .u.imm = UINT64_MAX};
    uint64_t words[HG_INSN_WORDS_MAX];
    uint32_t position = 0;
    assert_int_equal(hg_insn_pack(&insn, words), 1);
    assert_int_equal(hg_insn_unpack(words, 1, &position, &insn), HG_OK);
    assert_int_equal(insn.u.imm, 0xff);
}

/* What no word can express packs to nothing. */
static void too_wide_is_not_packed(void **state)
{
    (void)state;
    const struct hg_insn insns[] = {
        {.op = HG_OPCODE_COUNT},
        {.op = HG_OP_ADD, .type = HG_DTYPE_COUNT},
        {.op = HG_OP_CVT, .type2 = HG_DTYPE_COUNT},
        {.op = HG_OP_SETCC, .cond = HG_COND_COUNT},
        {.op = HG_OP_BRA, .target = 65536},
        {.op = HG_OP_LDG, .u.addr = {.mode = HG_ADDR_SCRATCH + 1}},
        {.op = HG_OP_LDG, .u.addr = {.lane = HG_LANE_ROW + 1}},
        {.op = HG_OP_LDG, .u.addr = {.mode = HG_ADDR_PHI, .offset = HG_BOUNDARY_BYTES}},
        {.op = HG_OP_LDG, .u.addr = {.mode = HG_ADDR_PHI, .offset = -1}},
        {.op = HG_OP_MMA, .u.mma = {.flags = 16}},
        {.op = HG_OP_MMA, .u.mma = {.flags = HG_MMA_PARAMS, .k = 16}},
        {.op = HG_OP_MMA, .u.mma = {.k = 65536}},
        {.op = HG_OP_MMA, .u.mma = {.a = {.lane = HG_LANE_ROW}}},
        {.op = HG_OP_MMA, .u.mma = {.b = {.mode = HG_ADDR_COMPUTED}}},
    };
    for (size_t i = 0; i < sizeof insns / sizeof insns[0]; i++) {
        uint64_t words[HG_INSN_WORDS_MAX];
        uint8_t *bytes = NULL;
        size_t size;
        struct hg_code code = {{0, 0}, &insns[i], 1};
        struct hg_error error = HG_ERROR_INIT;
        assert_int_equal(hg_insn_pack(&insns[i], words), 0);
        assert_int_equal(hg_code_encode(&code, &bytes, &size, &error), HG_INVALID_ARGUMENT);
        assert_string_equal(error.message, "instruction 0 cannot be packed");
        assert_null(bytes);
    }
}

/* Of all words, those that unpack pack to themselves; sampled over every opcode and every bit. */
static void words_are_canonical(void **state)
{
    (void)state;
    uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);
    uint32_t accepted = 0;
    for (uint32_t i = 0; i < 2000000; i++) {
        uint64_t words[HG_INSN_WORDS_MAX];
        uint64_t again[HG_INSN_WORDS_MAX];
        for (unsigned w = 0; w < HG_INSN_WORDS_MAX; w++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            /* Sparse words are likelier to be instructions. */
            words[w] = (i & 1) != 0 ? seed & seed >> 11 & seed << 5 : seed & seed << 9;
            words[w] >>= i % 3 == 0 && w > 0 ? seed % 64 : 0;
        }
        words[0] = (words[0] & ~UINT64_C(0xff)) | i % HG_OPCODE_COUNT;
        uint32_t position = 0;
        struct hg_insn insn;
        if (hg_insn_unpack(words, HG_INSN_WORDS_MAX, &position, &insn) != HG_OK) {
            assert_int_equal(position, 0);
            continue;
        }
        accepted++;
        assert_int_equal(hg_insn_pack(&insn, again), position);
        assert_memory_equal(words, again, position * sizeof *words);
    }
    assert_true(accepted > 10000);
}

/* Flipping any single bit of a packed instruction gives another instruction or none. */
static void no_bit_is_ignored(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "ldg.f32 r1, [buf42 + 65536 + lane*2]",
        "stg.f32 [Φ(1, 2, 3)], r1",
        "exit",
        "mma.f32 r1, [buf1 + 4], [buf2 + 4], m=4, n=4, k=4, lda=4, ldb=4",
        "mov_imm.f64 r1, 0.1",
        "add.f32 r1, r2, r3",
        "reduce.add.f32 r1, r2",
        "phase.get r1"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct hg_code code = code_of(texts[i]);
        uint64_t words[HG_INSN_WORDS_MAX];
        uint32_t count = hg_insn_pack(&code.insns[0], words);
        for (uint32_t bit = 0; bit < count * 64; bit++) {
            struct hg_insn insn;
            uint32_t position = 0;
            words[bit / 64] ^= UINT64_C(1) << (bit % 64);
            if (hg_insn_unpack(words, count, &position, &insn) == HG_OK && position == count) {
                assert_memory_not_equal(&insn, &code.insns[0], sizeof insn);
            }
            words[bit / 64] ^= UINT64_C(1) << (bit % 64);
        }
        release_code(&code);
    }
}

static const char sample[] = ".slots 3\n.scratch 12288\nldg.f32 r1, [b0 + lane]\n"
                             "mov_imm.f64 r2, 0.1\nsts.f32 [s + lane], r1\n"
                             "stg.f32 [b1 + lane], r1\nexit\n";

static void encode(uint8_t **bytes, size_t *size)
{
    struct hg_code code = code_of(sample);
    struct hg_error error = HG_ERROR_INIT;
    assert_binary_round_trip(&code);
    assert_int_equal(hg_code_encode(&code, bytes, size, &error), HG_OK);
    release_code(&code);
}

static enum hg_status decode(const uint8_t *bytes, size_t size, struct hg_error *error)
{
    struct hg_code_header header;
    struct hg_insn *insns = NULL;
    uint32_t count;
    enum hg_status status = hg_code_decode(bytes, size, &header, &insns, &count, error);
    hg_free(HG_TAG_PROGRAM, insns);
    return status;
}

/* The fixed part of the binary form, byte for byte. */
static void layout_is_fixed(void **state)
{
    (void)state;
    static const uint8_t expected[] = {'H', 'G', 'P', 'R', 1, 0, 3, 0, 0x00, 0x30,
                                       0,   0,   5,   0,   0, 0, 6, 0, 0,    0};
    uint8_t *bytes;
    size_t size;
    encode(&bytes, &size);
    assert_int_equal(size, 24 + 6 * 8);
    assert_memory_equal(bytes, expected, sizeof expected);
    hg_free(HG_TAG_PROGRAM, bytes);
}

/* CRC-32C by its definition, to check and to forge. */
static uint32_t checksum(const uint8_t *bytes, size_t size)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        if (i >= 20 && i < 24) {
            continue;
        }
        crc ^= bytes[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
        }
    }
    return ~crc;
}

static void forge_checksum(uint8_t *bytes, size_t size)
{
    uint32_t crc = checksum(bytes, size);
    for (unsigned i = 0; i < 4; i++) {
        bytes[20 + i] = (uint8_t)(crc >> 8 * i);
    }
}

/* Every cut and every changed byte is refused. */
static void damage_is_found(void **state)
{
    (void)state;
    uint8_t *bytes;
    size_t size;
    struct hg_error error = HG_ERROR_INIT;
    encode(&bytes, &size);
    uint32_t crc = checksum(bytes, size);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(bytes[20 + i], crc >> 8 * i & 0xff);
    }
    for (size_t cut = 0; cut < size; cut++) {
        assert_int_equal(decode(bytes, cut, &error), HG_INVALID_ARGUMENT);
    }
    for (size_t i = 0; i < size; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes[i] ^= (uint8_t)(1u << bit);
            assert_int_equal(decode(bytes, size, &error), HG_INVALID_ARGUMENT);
            bytes[i] ^= (uint8_t)(1u << bit);
        }
    }
    assert_int_equal(decode(bytes, size, &error), HG_OK);
    hg_free(HG_TAG_PROGRAM, bytes);
}

/* Each refusal by its text, with checksums forged so that the cause is reached. */
static void refusals_say_why(void **state)
{
    (void)state;
    static const struct {
        unsigned at;
        uint8_t value;
        const char *message;
    } cases[] = {
        {0, 'X', "not a program: starts with 0x52504758"},
        {4, 2, "a program of version 2; 1 is understood"},
        {7, 1, "5 instructions in 6 words are no program"},
        {12, 0, "0 instructions in 6 words are no program"},
        {12, 7, "7 instructions in 6 words are no program"},
        {13, 0x20, "8197 instructions in 6 words are no program"},
        {16, 7, "a program of 7 words has 80 bytes, not 72"},
        {18, 1, "5 instructions in 65542 words are no program"},
        {12, 4, "1 words follow the last instruction"},
        {12, 6, "instruction 5: no instruction at word 6"},
        {24, 99, "instruction 0: no instruction at word 0"},
        {25, 0x1f, "instruction 0: no instruction at word 0"},
    };
    uint8_t *bytes;
    size_t size;
    struct hg_error error = HG_ERROR_INIT;
    encode(&bytes, &size);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t right = bytes[cases[i].at];
        bytes[cases[i].at] = cases[i].value;
        forge_checksum(bytes, size);
        assert_int_equal(decode(bytes, size, &error), HG_INVALID_ARGUMENT);
        assert_string_equal(error.message, cases[i].message);
        bytes[cases[i].at] = right;
    }
    forge_checksum(bytes, size);
    assert_int_equal(decode(bytes, size, &error), HG_OK);
    bytes[30] ^= 1;
    assert_int_equal(decode(bytes, size, &error), HG_INVALID_ARGUMENT);
    assert_string_equal(error.message, "the program's checksum does not match");
    assert_int_equal(decode(bytes, 23, &error), HG_INVALID_ARGUMENT);
    assert_string_equal(error.message, "a program has at least 24 bytes, not 23");
    hg_free(HG_TAG_PROGRAM, bytes);
}

/* Programs over the bounds are not encoded. */
static void encoding_is_bounded(void **state)
{
    (void)state;
    static struct hg_insn insns[HG_PROGRAM_INSNS_MAX + 1];
    uint8_t *bytes = NULL;
    size_t size;
    struct hg_error error = HG_ERROR_INIT;
    for (size_t i = 0; i <= HG_PROGRAM_INSNS_MAX; i++) {
        insns[i] = (struct hg_insn){.op = HG_OP_MMA,
                                    .type = HG_F32,
                                    .u.mma = {.a = {.slot = HG_SLOT_HANDLE, .offset = 4},
                                              .b = {.slot = HG_SLOT_HANDLE, .offset = 4}}};
    }
    struct hg_code code = {{0, 0}, insns, HG_PROGRAM_INSNS_MAX + 1};
    assert_int_equal(hg_code_encode(&code, &bytes, &size, &error), HG_INVALID_ARGUMENT);
    assert_string_equal(error.message, "a program has at most 4096 instructions, not 4097");
    code.insn_count = HG_PROGRAM_INSNS_MAX;
    assert_int_equal(hg_code_encode(&code, &bytes, &size, &error), HG_INVALID_ARGUMENT);
    assert_string_equal(error.message, "a program has at most 16384 words, not 28672");
    assert_null(bytes);
}

/* Running out of memory is reported and loses nothing. */
static void out_of_memory_is_reported(void **state)
{
    (void)state;
    uint8_t *bytes;
    size_t size;
    encode(&bytes, &size);
    struct hg_code code = code_of(sample);
    uint64_t live = hg_alloc_live_bytes(HG_TAG_PROGRAM);
    for (uint64_t skip = 0; skip < 3; skip++) {
        struct hg_error error = HG_ERROR_INIT;
        hg_alloc_fault_set(skip, false);
        enum hg_status status = decode(bytes, size, &error);
        bool fired = hg_alloc_fault_fired();
        hg_alloc_fault_clear();
        assert_int_equal(fired, skip < 2);
        assert_int_equal(status, fired ? HG_RESOURCE_EXHAUSTED : HG_OK);
        assert_int_equal(hg_alloc_live_bytes(HG_TAG_PROGRAM), live);
    }
    uint8_t *other = NULL;
    struct hg_error error = HG_ERROR_INIT;
    hg_alloc_fault_set(0, false);
    assert_int_equal(hg_code_encode(&code, &other, &size, &error), HG_RESOURCE_EXHAUSTED);
    hg_alloc_fault_clear();
    assert_null(other);
    assert_int_equal(hg_alloc_live_bytes(HG_TAG_PROGRAM), live);
    hg_free(HG_TAG_PROGRAM, bytes);
    release_code(&code);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instructions_are_compact),  cmocka_unit_test(words_are_fixed),
        cmocka_unit_test(immediates_are_cut),        cmocka_unit_test(too_wide_is_not_packed),
        cmocka_unit_test(words_are_canonical),       cmocka_unit_test(no_bit_is_ignored),
        cmocka_unit_test(layout_is_fixed),           cmocka_unit_test(damage_is_found),
        cmocka_unit_test(refusals_say_why),          cmocka_unit_test(encoding_is_bounded),
        cmocka_unit_test(out_of_memory_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
