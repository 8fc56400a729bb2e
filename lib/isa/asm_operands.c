/* SPDX-License-Identifier: Apache-2.0 */
/* Operands of the assembler's text: registers, addresses, constants, the sizes of a product. */
#include <string.h>

#include "lib/isa/asm.h"

bool hg_asm_numbered(const char *word, uint32_t length, const char *prefix, uint64_t *number)
{
    uint32_t prefix_length = (uint32_t)strlen(prefix);
    return length > prefix_length && memcmp(word, prefix, prefix_length) == 0 &&
           hg_integer_parse(word + prefix_length, length - prefix_length, number);
}

enum hg_status hg_asm_integer(struct hg_assembler *assembler, const char *what, uint64_t max,
                              uint64_t *value)
{
    const struct hg_token token = assembler->token;
    uint64_t number;
    if (token.kind != HG_TOKEN_NUMBER) {
        return hg_asm_unexpected(assembler, what);
    }
    if (!hg_integer_parse(token.start, token.length, &number) || number > max) {
        return hg_asm_fail(assembler, token.start, "%s is an integer of at most %llu", what,
                           (unsigned long long)max);
    }
    *value = number;
    hg_asm_advance(assembler);
    return HG_OK;
}

/* A word of PREFIX and a number below LIMIT. */
static enum hg_status numbered(struct hg_assembler *assembler, const char *prefix, const char *what,
                               uint64_t limit, uint8_t *result)
{
    const struct hg_token *token = &assembler->token;
    uint64_t number;
    if (token->kind != HG_TOKEN_WORD ||
        !hg_asm_numbered(token->start, token->length, prefix, &number)) {
        return hg_asm_unexpected(assembler, what);
    }
    if (number >= limit) {
        return hg_asm_fail(assembler, token->start, "%s0 to %s%llu exist, not '%.*s'", prefix,
                           prefix, (unsigned long long)limit - 1,
                           token->length < 40 ? (int)token->length : 40, token->start);
    }
    *result = (uint8_t)number;
    hg_asm_advance(assembler);
    return HG_OK;
}

enum hg_status hg_asm_register(struct hg_assembler *assembler, uint8_t *reg)
{
    return numbered(assembler, "r", "a register", HG_REGISTER_COUNT, reg);
}

static enum hg_status phi_base(struct hg_assembler *assembler, struct hg_addr *addr)
{
    static const char *const names[] = {"the class of Φ", "the page of Φ", "the byte of Φ"};
    static const uint64_t limits[] = {HG_CLASS_COUNT, HG_CLASS_PAGES, HG_PAGE_BYTES};
    uint64_t parts[3] = {0};
    hg_asm_advance(assembler);
    for (unsigned i = 0; i < 3; i++) {
        enum hg_status status = hg_asm_expect(assembler, i == 0 ? '(' : ',');
        if (status == HG_OK) {
            status = hg_asm_integer(assembler, names[i], limits[i] - 1, &parts[i]);
        }
        if (status != HG_OK) {
            return status;
        }
    }
    addr->mode = HG_ADDR_PHI;
    if (!hg_phi_offset(parts[0], parts[1], parts[2], &addr->offset)) {
        return hg_asm_unexpected(assembler, "a place in the boundary pool");
    }
    return hg_asm_expect(assembler, ')');
}

static enum hg_status addr_base(struct hg_assembler *assembler, struct hg_addr *addr)
{
    const struct hg_token *token = &assembler->token;
    if (token->kind == HG_TOKEN_PHI || hg_asm_is_word(assembler, "phi")) {
        return phi_base(assembler, addr);
    }
    if (hg_asm_is_word(assembler, "s")) {
        addr->mode = HG_ADDR_SCRATCH;
        hg_asm_advance(assembler);
        return HG_OK;
    }
    addr->mode = HG_ADDR_BUFFER;
    if (token->kind == HG_TOKEN_WORD &&
        hg_asm_numbered(token->start, token->length, "buf", &addr->handle)) {
        addr->slot = HG_SLOT_HANDLE;
        hg_asm_advance(assembler);
        return HG_OK;
    }
    return numbered(assembler, "b", "a slot, a handle, s or Φ", HG_SLOT_COUNT_MAX, &addr->slot);
}

/* The m of lane%m and lane/m: `cols` or a number from 1 on. */
static enum hg_status lane_period(struct hg_assembler *assembler, struct hg_addr *addr)
{
    if (hg_asm_is_word(assembler, "cols")) {
        hg_asm_advance(assembler);
        addr->factor = 0;
        return HG_OK;
    }
    const char *at = assembler->token.start;
    uint64_t period = 0;
    enum hg_status status = hg_asm_integer(assembler, "the period of lanes", UINT32_MAX, &period);
    if (status == HG_OK && period == 0) {
        return hg_asm_fail(assembler, at, "the period of lanes is at least 1");
    }
    if (status == HG_OK) {
        addr->factor = (uint32_t)period;
    }
    return status;
}

static enum hg_status lane_term(struct hg_assembler *assembler, struct hg_addr *addr)
{
    bool row = hg_asm_is_word(assembler, "row");
    if (addr->lane != HG_LANE_NONE) {
        return hg_asm_fail(assembler, assembler->token.start, "an address has one lane term");
    }
    hg_asm_advance(assembler);
    if (row) {
        addr->lane = HG_LANE_ROW;
        return HG_OK;
    }
    if (hg_asm_accept(assembler, '%')) {
        addr->lane = HG_LANE_MOD;
        return lane_period(assembler, addr);
    }
    if (hg_asm_accept(assembler, '/')) {
        addr->lane = HG_LANE_DIV;
        return lane_period(assembler, addr);
    }
    addr->lane = HG_LANE_STRIDE;
    addr->factor = 1;
    if (!hg_asm_accept(assembler, '*')) {
        return HG_OK;
    }
    const char *at = assembler->token.start;
    uint64_t stride = 0;
    enum hg_status status = hg_asm_integer(assembler, "the stride of lanes", UINT32_MAX, &stride);
    if (status == HG_OK && stride == 0) {
        return hg_asm_fail(assembler, at, "the stride of lanes is at least 1");
    }
    if (status == HG_OK) {
        addr->factor = (uint32_t)stride;
    }
    return status;
}

/* What parts of an address were there. */
struct addr_parts {
    bool offset;
    bool reg;
};

static enum hg_status offset_term(struct hg_assembler *assembler, bool negative,
                                  struct hg_addr *addr, struct addr_parts *parts)
{
    const char *at = assembler->token.start;
    uint64_t offset = 0;
    enum hg_status status = hg_asm_integer(assembler, "an offset", INT64_MAX, &offset);
    if (status != HG_OK) {
        return status;
    }
    if (parts->offset || addr->mode == HG_ADDR_PHI) {
        return hg_asm_fail(assembler, at, "an address has one offset");
    }
    addr->offset = negative ? -(int64_t)offset : (int64_t)offset;
    parts->offset = true;
    return HG_OK;
}

static enum hg_status addr_term(struct hg_assembler *assembler, bool negative, struct hg_addr *addr,
                                struct addr_parts *parts)
{
    const char *at = assembler->token.start;
    if (negative || assembler->token.kind == HG_TOKEN_NUMBER) {
        return offset_term(assembler, negative, addr, parts);
    }
    if (hg_asm_is_word(assembler, "lane") || hg_asm_is_word(assembler, "row")) {
        return lane_term(assembler, addr);
    }
    enum hg_status status = numbered(assembler, "r", "an offset, a register or a lane term",
                                     HG_REGISTER_COUNT, &addr->reg);
    if (status != HG_OK) {
        return status;
    }
    if (parts->reg || addr->mode == HG_ADDR_PHI || addr->mode == HG_ADDR_SCRATCH) {
        return hg_asm_fail(assembler, at, "an offset register goes with a slot or handle, once");
    }
    parts->reg = true;
    return HG_OK;
}

/* [b1: r10 - 32] behind the colon. */
static enum hg_status indirect(struct hg_assembler *assembler, struct hg_addr *addr)
{
    if (addr->mode != HG_ADDR_BUFFER) {
        return hg_asm_fail(assembler, assembler->token.start,
                           "an offset register goes with a slot or handle");
    }
    hg_asm_advance(assembler);
    addr->mode = HG_ADDR_INDIRECT;
    enum hg_status status = hg_asm_register(assembler, &addr->reg);
    if (status != HG_OK) {
        return status;
    }
    struct addr_parts parts = {false, false};
    bool negative = hg_asm_is_mark(assembler, '-');
    if (negative || hg_asm_is_mark(assembler, '+')) {
        hg_asm_advance(assembler);
        status = offset_term(assembler, negative, addr, &parts);
    }
    return status == HG_OK ? hg_asm_expect(assembler, ']') : status;
}

enum hg_status hg_asm_addr(struct hg_assembler *assembler, struct hg_addr *addr)
{
    enum hg_status status = hg_asm_expect(assembler, '[');
    if (status == HG_OK) {
        status = addr_base(assembler, addr);
    }
    if (status == HG_OK && hg_asm_is_mark(assembler, ':')) {
        return indirect(assembler, addr);
    }
    struct addr_parts parts = {false, false};
    while (status == HG_OK && (hg_asm_is_mark(assembler, '+') || hg_asm_is_mark(assembler, '-'))) {
        bool negative = hg_asm_is_mark(assembler, '-');
        hg_asm_advance(assembler);
        status = addr_term(assembler, negative, addr, &parts);
    }
    if (status != HG_OK) {
        return status;
    }
    if (parts.reg) {
        if (parts.offset) {
            return hg_asm_fail(assembler, assembler->token.start,
                               "an address with an offset register has no constant offset");
        }
        addr->mode = HG_ADDR_COMPUTED;
    }
    return hg_asm_expect(assembler, ']');
}

static enum hg_status immediate(struct hg_assembler *assembler, struct hg_insn *insn)
{
    bool negative = hg_asm_accept(assembler, '-');
    const struct hg_token *token = &assembler->token;
    if (token->kind != HG_TOKEN_NUMBER && token->kind != HG_TOKEN_WORD) {
        return hg_asm_unexpected(assembler, "a constant");
    }
    if (!hg_imm_parse(insn->type, negative, token->start, token->length, &insn->u.imm)) {
        return hg_asm_fail(assembler, token->start, "'%s%.*s' is not a constant of type %s",
                           negative ? "-" : "", token->length < 40 ? (int)token->length : 40,
                           token->start, hg_dtype_name(insn->type));
    }
    hg_asm_advance(assembler);
    return HG_OK;
}

static enum hg_status target(struct hg_assembler *assembler, struct hg_insn *insn)
{
    const struct hg_token token = assembler->token;
    if (token.kind != HG_TOKEN_TARGET) {
        return hg_asm_unexpected(assembler, "a target, @label");
    }
    /* The label's number, until all labels are known. */
    enum hg_status status = hg_asm_label(assembler, token.start, token.length, &insn->target);
    if (status != HG_OK) {
        return status;
    }
    struct hg_label *label = &assembler->labels->labels[insn->target];
    if (label->first_use == NULL) {
        label->first_use = token.start;
    }
    hg_asm_advance(assembler);
    return HG_OK;
}

static enum hg_status count_operand(struct hg_assembler *assembler, struct hg_insn *insn)
{
    uint64_t count = 0;
    enum hg_status status =
        insn->op == HG_OP_PARAM
            ? hg_asm_integer(assembler, "a parameter", HG_PARAM_COUNT - 1, &count)
            : hg_asm_integer(assembler, "a count of registers", HG_REGISTER_COUNT, &count);
    if (status == HG_OK) {
        insn->count = (uint16_t)count;
    }
    return status;
}

static enum hg_status operand(struct hg_assembler *assembler, char letter, struct hg_insn *insn)
{
    switch (letter) {
    case 'd':
        return hg_asm_register(assembler, &insn->dst);
    case 'a':
        return hg_asm_register(assembler, &insn->a);
    case 'b':
        return hg_asm_register(assembler, &insn->b);
    case 'c':
        return hg_asm_register(assembler, &insn->c);
    case 'q':
        return numbered(assembler, "p", "a predicate", HG_PREDICATE_COUNT, &insn->dst);
    case 'p':
        return numbered(assembler, "p", "a predicate", HG_PREDICATE_COUNT, &insn->pred);
    case 'm':
        return hg_asm_addr(assembler, &insn->u.addr);
    case 'i':
        return immediate(assembler, insn);
    case 'k':
        return count_operand(assembler, insn);
    case 't':
        return target(assembler, insn);
    default:
        return hg_asm_mma(assembler, insn);
    }
}

enum hg_status hg_asm_operands(struct hg_assembler *assembler, struct hg_insn *insn)
{
    const char *syntax = hg_insn_syntax(insn->op);
    for (const char *letter = syntax; *letter != '\0'; letter++) {
        enum hg_status status = letter == syntax ? HG_OK : hg_asm_expect(assembler, ',');
        if (status == HG_OK) {
            status = operand(assembler, *letter, insn);
        }
        if (status != HG_OK) {
            return status;
        }
    }
    return HG_OK;
}
