/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of lib/isa share: text to code and back. Cmocka is included before this. */
#ifndef HG_TESTS_UNIT_ISA_SUPPORT_H
#define HG_TESTS_UNIT_ISA_SUPPORT_H

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/isa/code.h"

/* Assembles TEXT, which must be right; the instructions are freed with release_code. */
static inline struct hg_code code_of(const char *text)
{
    struct hg_code_header header;
    struct hg_insn *insns;
    uint32_t count;
    struct hg_error error = HG_ERROR_INIT;
    if (hg_assemble(text, strlen(text), &header, &insns, &count, &error) != HG_OK) {
        fail_msg("%s\nin:\n%s", error.message, text);
    }
    return (struct hg_code){header, insns, count};
}

static inline void release_code(struct hg_code *code)
{
    hg_free(HG_TAG_PROGRAM, (void *)code->insns);
}

/* Assembled code is zero wherever an instruction has no field, so bytes can be compared. */
static inline void assert_same_code(const struct hg_code *a, const struct hg_code *b)
{
    assert_int_equal(a->header.slot_count, b->header.slot_count);
    assert_int_equal(a->header.scratch_bytes, b->header.scratch_bytes);
    assert_int_equal(a->insn_count, b->insn_count);
    assert_memory_equal(a->insns, b->insns, a->insn_count * sizeof *a->insns);
}

/* Disassembling and assembling gives the same code, and the text the same text. */
static inline void assert_text_round_trip(const struct hg_code *code)
{
    static char text[1 << 18];
    static char again[1 << 18];
    size_t length = hg_disassemble(code, text, sizeof text);
    assert_true(length < sizeof text);
    assert_int_equal(strlen(text), length);
    struct hg_code back = code_of(text);
    assert_same_code(code, &back);
    hg_disassemble(&back, again, sizeof again);
    assert_string_equal(text, again);
    release_code(&back);
}

/* Packing and unpacking gives the same instruction, and packing that the same words. */
static inline void assert_pack_round_trip(const struct hg_insn *insn)
{
    uint64_t words[HG_INSN_WORDS_MAX];
    uint64_t again[HG_INSN_WORDS_MAX];
    struct hg_insn back;
    uint32_t position = 0;
    uint32_t count = hg_insn_pack(insn, words);
    assert_in_range(count, 1, HG_INSN_WORDS_MAX);
    assert_int_equal(hg_insn_unpack(words, count, &position, &back), HG_OK);
    assert_int_equal(position, count);
    assert_memory_equal(&back, insn, sizeof back);
    assert_int_equal(hg_insn_pack(&back, again), count);
    assert_memory_equal(words, again, count * sizeof *words);
    /* A word less is no instruction. */
    position = 0;
    assert_int_equal(hg_insn_unpack(words, count - 1, &position, &back), HG_INVALID_ARGUMENT);
    assert_int_equal(position, 0);
}

/* Encoding and decoding gives the same code, and encoding that the same bytes. */
static inline void assert_binary_round_trip(const struct hg_code *code)
{
    uint8_t *bytes;
    uint8_t *again;
    size_t size;
    size_t again_size;
    struct hg_code back;
    struct hg_insn *insns;
    struct hg_error error = HG_ERROR_INIT;
    assert_int_equal(hg_code_encode(code, &bytes, &size, &error), HG_OK);
    assert_int_equal(hg_code_decode(bytes, size, &back.header, &insns, &back.insn_count, &error),
                     HG_OK);
    back.insns = insns;
    assert_same_code(code, &back);
    assert_int_equal(hg_code_encode(&back, &again, &again_size, &error), HG_OK);
    assert_int_equal(size, again_size);
    assert_memory_equal(bytes, again, size);
    hg_free(HG_TAG_PROGRAM, bytes);
    hg_free(HG_TAG_PROGRAM, again);
    release_code(&back);
}

static inline void assert_verifies(const struct hg_code *code, struct hg_code_facts *facts)
{
    struct hg_error error = HG_ERROR_INIT;
    if (hg_code_verify(code, facts, &error) != HG_OK) {
        static char text[1 << 16];
        hg_disassemble(code, text, sizeof text);
        fail_msg("%s\nin:\n%s", error.message, text);
    }
}

/* Facts of TEXT, which must verify. */
static inline struct hg_code_facts facts_of(const char *text)
{
    struct hg_code code = code_of(text);
    struct hg_code_facts facts;
    assert_verifies(&code, &facts);
    release_code(&code);
    return facts;
}

/* TEXT assembles but is refused with exactly MESSAGE. */
static inline void assert_refused(const char *text, const char *message)
{
    struct hg_code code = code_of(text);
    struct hg_code_facts facts;
    memset(&facts, 0x5a, sizeof facts);
    const struct hg_code_facts before = facts;
    struct hg_error error = HG_ERROR_INIT;
    enum hg_status status = hg_code_verify(&code, &facts, &error);
    if (status != HG_INVALID_ARGUMENT || strcmp(error.message, message) != 0) {
        fail_msg("status %d, \"%s\"\ninstead of \"%s\"\nfor:\n%s", status, error.message, message,
                 text);
    }
    assert_memory_equal(&facts, &before, sizeof facts);
    release_code(&code);
}

#endif
