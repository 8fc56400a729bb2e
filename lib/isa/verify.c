/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/isa/verify.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"

enum hg_status hg_verify_fail(const struct hg_verify *verify, uint32_t index, const char *format,
                              ...)
{
    char reason[200];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    uint8_t op = verify->code->insns[index].op;
    if (op >= HG_OPCODE_COUNT) {
        return hg_fail(verify->error, HG_INVALID_ARGUMENT, "instruction %u: %s", index, reason);
    }
    return hg_fail(verify->error, HG_INVALID_ARGUMENT, "instruction %u (%s): %s", index,
                   hg_insn_info(op)->text, reason);
}

enum hg_status hg_verify_no_memory(const struct hg_verify *verify)
{
    return hg_fail(verify->error, HG_RESOURCE_EXHAUSTED, "out of memory while verifying");
}

static void add_handle(const struct hg_addr *addr, uint64_t handles[HG_SLOT_COUNT_MAX],
                       uint8_t *count)
{
    bool slotted = addr->mode != HG_ADDR_PHI && addr->mode != HG_ADDR_SCRATCH;
    if (!slotted || addr->slot != HG_SLOT_HANDLE || *count > HG_SLOT_COUNT_MAX) {
        return;
    }
    for (uint8_t i = 0; i < *count; i++) {
        if (handles[i] == addr->handle) {
            return;
        }
    }
    if (*count < HG_SLOT_COUNT_MAX) {
        handles[*count] = addr->handle;
    }
    ++*count;
}

uint8_t hg_code_handles(const struct hg_code *code, uint64_t handles[HG_SLOT_COUNT_MAX])
{
    uint8_t count = 0;
    for (uint32_t i = 0; i < code->insn_count; i++) {
        const struct hg_insn *insn = &code->insns[i];
        if (hg_insn_has_addr(insn)) {
            add_handle(&insn->u.addr, handles, &count);
        } else if (insn->op == HG_OP_MMA) {
            add_handle(&insn->u.mma.a, handles, &count);
            add_handle(&insn->u.mma.b, handles, &count);
        }
    }
    return count;
}

uint8_t hg_verify_slot(const struct hg_verify *verify, const struct hg_addr *addr)
{
    if (addr->slot != HG_SLOT_HANDLE) {
        return addr->slot;
    }
    uint8_t index = 0;
    /* Every handle of the program is there: they were collected before anything else. */
    while (verify->handles[index] != addr->handle) {
        index++;
    }
    return (uint8_t)(verify->code->header.slot_count + index);
}

uint32_t hg_verify_contexts(const struct hg_verify *verify, uint32_t index)
{
    const struct hg_note *note = &verify->notes[index];
    if (note->routine > HG_MAIN) {
        return verify->routines[note->routine - 1].contexts;
    }
    uint32_t contexts = (note->flags & HG_NOTE_BLOCKS) != 0 ? HG_CONTEXT_BLOCKS : HG_CONTEXT_TOP;
    return contexts | ((note->flags & HG_NOTE_MMA) != 0 ? HG_CONTEXT_MMA : 0);
}

void hg_verify_writes(const struct hg_verify *verify, uint32_t from, uint32_t to,
                      struct hg_reg_set *set)
{
    for (uint32_t i = from; i < to; i++) {
        const struct hg_insn *insn = &verify->code->insns[i];
        struct hg_insn_uses uses;
        hg_insn_uses(insn, &uses);
        if (uses.writes) {
            hg_reg_set_add(set, uses.write.reg);
        }
        if (uses.pred_write != HG_PRED_NONE) {
            set->preds |= (uint16_t)(1u << uses.pred_write);
        }
        if (insn->op == HG_OP_CALL && verify->notes[insn->target].entry != 0) {
            const struct hg_routine *callee =
                &verify->routines[verify->notes[insn->target].entry - 1];
            for (unsigned word = 0; word < HG_REGISTER_COUNT / 64; word++) {
                set->regs[word] |= callee->writes.regs[word];
            }
            set->preds |= callee->writes.preds;
        }
    }
}

static enum hg_status check_header(struct hg_verify *verify)
{
    const struct hg_code *code = verify->code;
    if (code->insn_count == 0 || code->insn_count > HG_PROGRAM_INSNS_MAX) {
        return hg_fail(verify->error, HG_INVALID_ARGUMENT,
                       "a program has 1 to %u instructions, not %u", HG_PROGRAM_INSNS_MAX,
                       code->insn_count);
    }
    if (code->header.scratch_bytes > HG_SCRATCH_BYTES_MAX) {
        return hg_fail(verify->error, HG_INVALID_ARGUMENT,
                       "a program has at most %u bytes of scratch, not %u", HG_SCRATCH_BYTES_MAX,
                       code->header.scratch_bytes);
    }
    verify->handle_count = hg_code_handles(code, verify->handles);
    if (code->header.slot_count + verify->handle_count > HG_SLOT_COUNT_MAX) {
        return hg_fail(verify->error, HG_INVALID_ARGUMENT,
                       "a program has at most %u slots and handles, not %u and %u%s",
                       HG_SLOT_COUNT_MAX, code->header.slot_count, verify->handle_count,
                       verify->handle_count > HG_SLOT_COUNT_MAX ? " or more" : "");
    }
    return HG_OK;
}

static enum hg_status run_passes(struct hg_verify *verify, struct hg_code_facts *facts)
{
    static enum hg_status (*const passes[])(struct hg_verify *) = {
        hg_verify_form, hg_verify_flow, hg_verify_routines, hg_verify_types, hg_verify_memory,
    };
    for (size_t i = 0; i < sizeof passes / sizeof passes[0]; i++) {
        enum hg_status status = passes[i](verify);
        if (status != HG_OK) {
            return status;
        }
    }
    hg_verify_facts(verify, facts);
    return HG_OK;
}

static enum hg_status verify_code(const struct hg_code *code, uint8_t *levels,
                                  struct hg_code_facts *facts, struct hg_error *error)
{
    struct hg_verify verify;
    memset(&verify, 0, sizeof verify - sizeof verify.inline_notes);
    verify.code = code;
    verify.error = error;
    enum hg_status status = check_header(&verify);
    if (status != HG_OK) {
        return status;
    }
    struct hg_note *allocated = NULL;
    if (code->insn_count <= HG_VERIFY_INLINE) {
        verify.notes = verify.inline_notes;
        memset(verify.notes, 0, code->insn_count * sizeof *verify.notes);
    } else {
        allocated = hg_calloc(HG_TAG_PROGRAM, code->insn_count, sizeof *allocated);
        if (allocated == NULL) {
            return hg_verify_no_memory(&verify);
        }
        verify.notes = allocated;
    }
    status = run_passes(&verify, facts);
    if (status == HG_OK && levels != NULL) {
        for (uint32_t i = 0; i < code->insn_count; i++) {
            levels[i] = verify.notes[i].level;
        }
    }
    hg_free(HG_TAG_PROGRAM, verify.joins);
    hg_free(HG_TAG_PROGRAM, verify.routines);
    hg_free(HG_TAG_PROGRAM, allocated);
    return status;
}

enum hg_status hg_code_verify(const struct hg_code *code, struct hg_code_facts *facts,
                              struct hg_error *error)
{
    return verify_code(code, NULL, facts, error);
}

enum hg_status hg_code_levels(const struct hg_code *code, uint8_t *levels,
                              struct hg_code_facts *facts, struct hg_error *error)
{
    return verify_code(code, levels, facts, error);
}

uint32_t hg_block_lanes(const struct hg_code *code)
{
    struct hg_code_facts facts = {.block_lanes = 0};
    return hg_code_verify(code, &facts, NULL) == HG_OK ? facts.block_lanes : 0;
}
