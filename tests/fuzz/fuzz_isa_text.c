/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ISA text: whatever assembles packs; whatever verifies comes back from its own text, and as the
 * same text again.
 */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/isa/code.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct hg_code *code)
{
    size_t length = hg_disassemble(code, NULL, 0);
    char *text = hg_malloc(HG_TAG_TEST, length + 1);
    HG_REQUIRE(text != NULL);
    HG_REQUIRE(hg_disassemble(code, text, length + 1) == length);
    struct hg_code back;
    struct hg_insn *insns;
    struct hg_error error = HG_ERROR_INIT;
    enum hg_status status =
        hg_assemble(text, length, &back.header, &insns, &back.insn_count, &error);
    /* A program's text can be longer than the assembler takes; that is the only reason to refuse.
     */
    if (length > HG_TEXT_BYTES_MAX) {
        HG_REQUIRE(status == HG_INVALID_ARGUMENT);
        hg_free(HG_TAG_TEST, text);
        return;
    }
    HG_REQUIRE(status == HG_OK);
    HG_REQUIRE(back.insn_count == code->insn_count);
    HG_REQUIRE(back.header.slot_count == code->header.slot_count);
    HG_REQUIRE(back.header.scratch_bytes == code->header.scratch_bytes);
    HG_REQUIRE(memcmp(insns, code->insns, back.insn_count * sizeof *insns) == 0);
    hg_free(HG_TAG_PROGRAM, insns);
    hg_free(HG_TAG_TEST, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hg_code code;
    struct hg_insn *insns;
    struct hg_error error = HG_ERROR_INIT;
    if (hg_assemble((const char *)data, size, &code.header, &insns, &code.insn_count, &error) !=
        HG_OK) {
        return 0;
    }
    code.insns = insns;
    for (uint32_t i = 0; i < code.insn_count; i++) {
        uint64_t words[HG_INSN_WORDS_MAX];
        HG_REQUIRE(hg_insn_pack(&insns[i], words) != 0);
    }
    struct hg_code_facts facts;
    if (hg_code_verify(&code, &facts, &error) == HG_OK) {
        check_round_trip(&code);
    }
    hg_free(HG_TAG_PROGRAM, insns);
    return 0;
}
