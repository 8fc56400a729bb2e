/* SPDX-License-Identifier: Apache-2.0 */
/* The assembler: lines, mnemonics, labels and directives. The grammar is in README.md. */
#include "lib/isa/asm.h"

#include <locale.h>
#include <string.h>

#include "lib/base/alloc.h"

#define INSNS_AT_FIRST 32

const char *hg_cond_name(enum hg_cond cond)
{
    static const char *const names[HG_COND_COUNT] = {"eq", "ne",  "lt",  "le",  "gt",
                                                     "ge", "ltu", "leu", "gtu", "geu"};
    return names[cond];
}

static enum hg_status no_memory(struct hg_assembler *assembler)
{
    return hg_fail(assembler->error, HG_RESOURCE_EXHAUSTED, "out of memory while assembling");
}

static uint32_t hash_name(const char *name, uint32_t length)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (uint32_t i = 0; i < length; i++) {
        hash = (hash ^ (unsigned char)name[i]) * 16777619u;
    }
    return hash;
}

enum hg_status hg_asm_label(struct hg_assembler *assembler, const char *name, uint32_t length,
                            uint32_t *label)
{
    if (length > HG_LABEL_BYTES_MAX) {
        return hg_asm_fail(assembler, name, "a label has at most %d characters",
                           HG_LABEL_BYTES_MAX);
    }
    if (assembler->labels == NULL) {
        assembler->labels = hg_calloc(HG_TAG_PROGRAM, 1, sizeof *assembler->labels);
        if (assembler->labels == NULL) {
            return no_memory(assembler);
        }
    }
    struct hg_labels *labels = assembler->labels;
    uint32_t at = hash_name(name, length) & (HG_LABEL_TABLE_SIZE - 1);
    for (; labels->table[at] != 0; at = (at + 1) & (HG_LABEL_TABLE_SIZE - 1)) {
        const struct hg_label *found = &labels->labels[labels->table[at] - 1];
        if (found->length == length && memcmp(found->name, name, length) == 0) {
            *label = labels->table[at] - 1u;
            return HG_OK;
        }
    }
    if (labels->count == HG_LABELS_MAX) {
        return hg_asm_fail(assembler, name, "more than %d labels", HG_LABELS_MAX);
    }
    *label = labels->count++;
    labels->labels[*label] = (struct hg_label){name, NULL, length, UINT32_MAX};
    labels->table[at] = (uint16_t)labels->count;
    return HG_OK;
}

/* A label's definition: the current token is its name, the next the colon. */
static enum hg_status define_label(struct hg_assembler *assembler, const struct hg_token *name)
{
    uint32_t index = 0;
    enum hg_status status = hg_asm_label(assembler, name->start, name->length, &index);
    if (status != HG_OK) {
        return status;
    }
    struct hg_label *label = &assembler->labels->labels[index];
    if (label->index != UINT32_MAX) {
        return hg_asm_fail(assembler, name->start, "label '%.*s' is defined twice",
                           (int)name->length, name->start);
    }
    label->index = assembler->count;
    hg_asm_advance(assembler);
    return HG_OK;
}

/* Numbers of labels become indices of instructions. */
static enum hg_status resolve_labels(struct hg_assembler *assembler)
{
    const struct hg_labels *labels = assembler->labels;
    for (uint32_t i = 0; labels != NULL && i < labels->count; i++) {
        const struct hg_label *label = &labels->labels[i];
        if (label->index == UINT32_MAX) {
            return hg_asm_fail(assembler, label->first_use, "label '%.*s' is not defined",
                               (int)label->length, label->name);
        }
    }
    for (uint32_t i = 0; i < assembler->count; i++) {
        struct hg_insn *insn = &assembler->insns[i];
        if (labels != NULL && strchr(hg_insn_syntax(insn->op), 't') != NULL) {
            insn->target = labels->labels[insn->target].index;
        }
    }
    return HG_OK;
}

/* Takes NAME and a point or the end off the front of *WORD. */
static bool take_name(const char **word, const char *end, const char *name, size_t length)
{
    if ((size_t)(end - *word) < length || memcmp(*word, name, length) != 0) {
        return false;
    }
    const char *behind = *word + length;
    if (behind != end && *behind != '.') {
        return false;
    }
    *word = behind == end ? end : behind + 1;
    return true;
}

/* Finds the longest mnemonic that WORD starts with; *WORD is left behind it and its point. */
static bool take_mnemonic(const char **word, const char *end, struct hg_insn *insn)
{
    const char *best = NULL;
    for (unsigned op = 0; op < HG_OPCODE_COUNT; op++) {
        const char *text = hg_insn_info(op)->text;
        const char *rest = *word;
        if (op != HG_OP_SETCC && take_name(&rest, end, text, strlen(text)) &&
            (best == NULL || rest > best)) {
            best = rest;
            insn->op = (uint8_t)op;
        }
    }
    const char *set = hg_insn_info(HG_OP_SETCC)->text;
    size_t set_length = strlen(set);
    for (unsigned cond = 0; best == NULL && cond < HG_COND_COUNT; cond++) {
        const char *rest = *word + set_length;
        const char *name = hg_cond_name(cond);
        if ((size_t)(end - *word) > set_length && memcmp(*word, set, set_length) == 0 &&
            take_name(&rest, end, name, strlen(name))) {
            best = rest;
            insn->op = HG_OP_SETCC;
            insn->cond = (uint8_t)cond;
        }
    }
    if (best == NULL) {
        return false;
    }
    *word = best;
    return true;
}

static bool take_type(const char **word, const char *end, uint8_t *result)
{
    const char *point = memchr(*word, '.', (size_t)(end - *word));
    const char *stop = point != NULL ? point : end;
    enum hg_dtype type;
    if (!hg_dtype_parse(*word, (uint32_t)(stop - *word), &type)) {
        return false;
    }
    *result = (uint8_t)type;
    *word = point != NULL ? point + 1 : end;
    return true;
}

static enum hg_status suffixes(struct hg_assembler *assembler, const char *rest, const char *end,
                               struct hg_insn *insn)
{
    const struct hg_insn_info *info = hg_insn_info(insn->op);
    if (info->types != 0 && !take_type(&rest, end, &insn->type)) {
        return hg_asm_fail(assembler, rest, "expected a type behind '%s'", info->text);
    }
    if (info->types != 0 && !hg_dtype_in(insn->type, info->types)) {
        return hg_asm_fail(assembler, assembler->token.start, "'%s' is not defined for type %s",
                           info->text, hg_dtype_name(insn->type));
    }
    if (info->form == HG_FORM_CVT && !take_type(&rest, end, &insn->type2)) {
        return hg_asm_fail(assembler, rest, "expected a source type behind '%s.%s'", info->text,
                           hg_dtype_name(insn->type));
    }
    if (info->form == HG_FORM_BRANCH || info->form == HG_FORM_EXIT) {
        insn->pred = HG_PRED_NONE;
        uint64_t number;
        if (rest != end && hg_asm_numbered(rest, (uint32_t)(end - rest), "p", &number) &&
            number < HG_PREDICATE_COUNT) {
            insn->pred = (uint8_t)number;
            rest = end;
        }
    }
    if (rest != end || end[-1] == '.') {
        return hg_asm_fail(assembler, rest, "'%.*s' does not go with '%s'",
                           end - rest < 40 ? (int)(end - rest) : 40, rest, info->text);
    }
    return HG_OK;
}

static enum hg_status add_insn(struct hg_assembler *assembler, const struct hg_insn *insn)
{
    if (assembler->count == assembler->capacity) {
        uint32_t capacity = assembler->capacity == 0 ? INSNS_AT_FIRST : 2 * assembler->capacity;
        struct hg_insn *insns =
            hg_realloc(HG_TAG_PROGRAM, assembler->insns, capacity * sizeof *insns);
        if (insns == NULL) {
            return no_memory(assembler);
        }
        assembler->insns = insns;
        assembler->capacity = capacity;
    }
    assembler->insns[assembler->count++] = *insn;
    return HG_OK;
}

static enum hg_status instruction(struct hg_assembler *assembler)
{
    struct hg_insn insn;
    memset(&insn, 0, sizeof insn);
    const struct hg_token *token = &assembler->token;
    const char *rest = token->start;
    const char *end = token->start + token->length;
    if (assembler->count == HG_PROGRAM_INSNS_MAX) {
        return hg_asm_fail(assembler, token->start, "more than %d instructions",
                           HG_PROGRAM_INSNS_MAX);
    }
    if (!take_mnemonic(&rest, end, &insn)) {
        return hg_asm_unexpected(assembler, "an instruction");
    }
    enum hg_status status = suffixes(assembler, rest, end, &insn);
    if (status != HG_OK) {
        return status;
    }
    hg_asm_advance(assembler);
    status = hg_asm_operands(assembler, &insn);
    return status == HG_OK ? add_insn(assembler, &insn) : status;
}

static enum hg_status directive(struct hg_assembler *assembler)
{
    const struct hg_token token = assembler->token;
    bool slots = token.length == 6 && memcmp(token.start, ".slots", 6) == 0;
    bool scratch = token.length == 8 && memcmp(token.start, ".scratch", 8) == 0;
    if (!slots && !scratch) {
        return hg_asm_unexpected(assembler, "an instruction, .slots or .scratch");
    }
    bool *declared = slots ? &assembler->slots_declared : &assembler->scratch_declared;
    if (*declared) {
        return hg_asm_fail(assembler, token.start, "'%.*s' is given twice", (int)token.length,
                           token.start);
    }
    *declared = true;
    hg_asm_advance(assembler);
    uint64_t value = 0;
    enum hg_status status =
        slots ? hg_asm_integer(assembler, "a number of slots", HG_SLOT_COUNT_MAX, &value)
              : hg_asm_integer(assembler, "a size of scratch", HG_SCRATCH_BYTES_MAX, &value);
    if (status == HG_OK && slots) {
        assembler->header.slot_count = (uint8_t)value;
    } else if (status == HG_OK) {
        assembler->header.scratch_bytes = (uint32_t)value;
    }
    return status;
}

/* One line: labels, then an instruction or a directive or nothing. */
static enum hg_status line(struct hg_assembler *assembler)
{
    while (assembler->token.kind == HG_TOKEN_WORD) {
        const struct hg_token word = assembler->token;
        const char *behind = assembler->next;
        hg_asm_advance(assembler);
        if (!hg_asm_is_mark(assembler, ':')) {
            assembler->token = word;
            assembler->next = behind;
            break;
        }
        enum hg_status status = define_label(assembler, &word);
        if (status != HG_OK) {
            return status;
        }
    }
    enum hg_status status = HG_OK;
    if (assembler->token.kind == HG_TOKEN_WORD) {
        status = instruction(assembler);
    } else if (assembler->token.kind == HG_TOKEN_DIRECTIVE) {
        status = directive(assembler);
    }
    if (status != HG_OK || assembler->token.kind == HG_TOKEN_END) {
        return status;
    }
    if (assembler->token.kind != HG_TOKEN_LINE) {
        return hg_asm_unexpected(assembler, "the end of the line");
    }
    hg_asm_advance(assembler);
    return HG_OK;
}

static void count_slot(struct hg_code_header *header, const struct hg_addr *addr)
{
    bool slotted = addr->mode != HG_ADDR_PHI && addr->mode != HG_ADDR_SCRATCH;
    if (slotted && addr->slot != HG_SLOT_HANDLE && addr->slot >= header->slot_count) {
        header->slot_count = (uint8_t)(addr->slot + 1);
    }
}

/* Without .slots, one more than the highest used. */
static void default_slots(struct hg_assembler *assembler)
{
    for (uint32_t i = 0; i < assembler->count && !assembler->slots_declared; i++) {
        const struct hg_insn *insn = &assembler->insns[i];
        if (hg_insn_has_addr(insn)) {
            count_slot(&assembler->header, &insn->u.addr);
        } else if (insn->op == HG_OP_MMA) {
            count_slot(&assembler->header, &insn->u.mma.a);
            count_slot(&assembler->header, &insn->u.mma.b);
        }
    }
}

static enum hg_status assemble_lines(struct hg_assembler *assembler)
{
    hg_asm_advance(assembler);
    while (assembler->token.kind != HG_TOKEN_END) {
        enum hg_status status = line(assembler);
        if (status != HG_OK) {
            return status;
        }
    }
    if (assembler->count == 0) {
        return hg_asm_fail(assembler, assembler->end, "a program has at least one instruction");
    }
    default_slots(assembler);
    return resolve_labels(assembler);
}

enum hg_status hg_assemble(const char *text, size_t length, struct hg_code_header *header,
                           struct hg_insn **insns, uint32_t *insn_count, struct hg_error *error)
{
    if (length > HG_TEXT_BYTES_MAX) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "a program's text has at most %u bytes, not %zu",
                       HG_TEXT_BYTES_MAX, length);
    }
    struct hg_assembler assembler = {
        .text = text, .end = text + length, .next = text, .error = error};
    /* Constants have a point in every locale; this thread's own comes back below. */
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c_locale == (locale_t)0) {
        return no_memory(&assembler);
    }
    locale_t own_locale = uselocale(c_locale);
    enum hg_status status = assemble_lines(&assembler);
    uselocale(own_locale);
    freelocale(c_locale);
    hg_free(HG_TAG_PROGRAM, assembler.labels);
    if (status != HG_OK) {
        hg_free(HG_TAG_PROGRAM, assembler.insns);
        return status;
    }
    *header = assembler.header;
    *insns = assembler.insns;
    *insn_count = assembler.count;
    return HG_OK;
}
