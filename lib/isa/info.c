/* SPDX-License-Identifier: Apache-2.0 */
/* What the table says about an instruction, and which registers it reads and writes. */
#include "lib/base/check.h"
#include "lib/isa/insn.h"

static const struct hg_insn_info infos[HG_OPCODE_COUNT] = {
#define HG_INSN(name, text, form, types, flags, summary)                                           \
    [HG_OP_##name] = {#name, text, HG_FORM_##form, types, flags, summary},
#include "lib/isa/isa.def"
#undef HG_INSN
};

/* Operand types of the class arithmetic: a type, or one of these. */
enum { CLASS_NONE = 255, CLASS_PRED = 254 };
enum {
    CLASS_U8 = HG_U8,
    CLASS_U32 = HG_U32,
    CLASS_U64 = HG_U64,
    CLASS_F64 = HG_F64,
};

struct class_operands {
    uint8_t dst, a, b, c;
};

static const struct class_operands class_operands[HG_OPCODE_COUNT] = {
#define HG_CLASS_INSN(name, dst, a, b, c)                                                          \
    [HG_OP_##name] = {CLASS_##dst, CLASS_##a, CLASS_##b, CLASS_##c},
#include "lib/isa/isa.def"
#undef HG_CLASS_INSN
};

const struct hg_insn_info *hg_insn_info(enum hg_opcode opcode)
{
    HG_REQUIRE(opcode < HG_OPCODE_COUNT);
    return &infos[opcode];
}

static const char *class_syntax(enum hg_opcode opcode)
{
    const struct class_operands *operands = &class_operands[opcode];
    if (operands->dst == CLASS_NONE) {
        return operands->b == CLASS_NONE ? "a" : "ab";
    }
    if (operands->dst == CLASS_PRED) {
        return "qa";
    }
    if (operands->a == CLASS_NONE) {
        return "d";
    }
    if (operands->b == CLASS_NONE) {
        return "da";
    }
    return operands->c == CLASS_NONE ? "dab" : "dabc";
}

const char *hg_insn_syntax(enum hg_opcode opcode)
{
    static const char *const syntaxes[] = {
        [HG_FORM_NONE] = "",           [HG_FORM_EXIT] = "",         [HG_FORM_LOAD] = "dm",
        [HG_FORM_STORE] = "ma",        [HG_FORM_MOV] = "da",        [HG_FORM_IMM] = "di",
        [HG_FORM_PARAM] = "dk",        [HG_FORM_CVT] = "da",        [HG_FORM_BINARY] = "dab",
        [HG_FORM_SHIFT] = "dab",       [HG_FORM_TERNARY] = "dabc",  [HG_FORM_SETCC] = "qab",
        [HG_FORM_SEL] = "dpab",        [HG_FORM_BRANCH] = "t",      [HG_FORM_CALL] = "t",
        [HG_FORM_LOOP] = "at",         [HG_FORM_LOOP_BLOCKS] = "t", [HG_FORM_REDUCE] = "da",
        [HG_FORM_REDUCE_REGS] = "dak", [HG_FORM_MMA] = "x",         [HG_FORM_POOL_ALLOC] = "da",
        [HG_FORM_POOL_FREE] = "a",     [HG_FORM_POOL_LOAD] = "dab", [HG_FORM_POOL_STORE] = "abc",
    };
    const struct hg_insn_info *info = hg_insn_info(opcode);
    return info->form == HG_FORM_CLASS ? class_syntax(opcode) : syntaxes[info->form];
}

static void add_read(struct hg_insn_uses *uses, uint8_t reg, uint8_t type)
{
    uses->reads[uses->read_count++] = (struct hg_reg_use){reg, type};
}

static void set_write(struct hg_insn_uses *uses, uint8_t reg, uint8_t type)
{
    uses->writes = true;
    uses->write = (struct hg_reg_use){reg, type};
}

static void class_uses(const struct hg_insn *insn, struct hg_insn_uses *uses)
{
    const struct class_operands *operands = &class_operands[insn->op];
    const uint8_t types[3] = {operands->a, operands->b, operands->c};
    const uint8_t regs[3] = {insn->a, insn->b, insn->c};
    for (unsigned i = 0; i < 3 && types[i] != CLASS_NONE; i++) {
        add_read(uses, regs[i], types[i]);
    }
    if (operands->dst == CLASS_PRED) {
        uses->pred_write = insn->dst;
    } else if (operands->dst != CLASS_NONE) {
        set_write(uses, insn->dst, operands->dst);
    }
}

static void memory_uses(const struct hg_insn *insn, bool store, struct hg_insn_uses *uses)
{
    if (store) {
        add_read(uses, insn->a, insn->type);
    } else {
        set_write(uses, insn->dst, insn->type);
    }
    if (hg_addr_computed(&insn->u.addr)) {
        add_read(uses, insn->u.addr.reg, HG_U64);
    }
}

/* Arithmetic with COUNT sources of the instruction's own type and a destination of it. */
static void plain_uses(const struct hg_insn *insn, unsigned count, struct hg_insn_uses *uses)
{
    const uint8_t regs[3] = {insn->a, insn->b, insn->c};
    for (unsigned i = 0; i < count; i++) {
        add_read(uses, regs[i], insn->type);
    }
    set_write(uses, insn->dst, insn->type);
}

void hg_insn_uses(const struct hg_insn *insn, struct hg_insn_uses *uses)
{
    *uses = (struct hg_insn_uses){.run = 1, .pred_read = HG_PRED_NONE, .pred_write = HG_PRED_NONE};
    switch (hg_insn_info(insn->op)->form) {
    case HG_FORM_NONE:
    case HG_FORM_CALL:
    case HG_FORM_LOOP_BLOCKS:
        break;
    case HG_FORM_EXIT:
    case HG_FORM_BRANCH:
        uses->pred_read = insn->pred;
        break;
    case HG_FORM_LOAD:
        memory_uses(insn, false, uses);
        break;
    case HG_FORM_STORE:
        memory_uses(insn, true, uses);
        break;
    case HG_FORM_IMM:
    case HG_FORM_PARAM:
        plain_uses(insn, 0, uses);
        break;
    case HG_FORM_MOV:
    case HG_FORM_REDUCE:
        plain_uses(insn, 1, uses);
        break;
    case HG_FORM_BINARY:
        plain_uses(insn, 2, uses);
        break;
    case HG_FORM_TERNARY:
        plain_uses(insn, 3, uses);
        break;
    case HG_FORM_CVT:
        add_read(uses, insn->a, insn->type2);
        set_write(uses, insn->dst, insn->type);
        break;
    case HG_FORM_SHIFT:
        add_read(uses, insn->a, insn->type);
        add_read(uses, insn->b, HG_U32);
        set_write(uses, insn->dst, insn->type);
        break;
    case HG_FORM_SETCC:
        add_read(uses, insn->a, insn->type);
        add_read(uses, insn->b, insn->type);
        uses->pred_write = insn->dst;
        break;
    case HG_FORM_SEL:
        plain_uses(insn, 2, uses);
        uses->pred_read = insn->pred;
        break;
    case HG_FORM_LOOP:
        add_read(uses, insn->a, HG_U32);
        break;
    case HG_FORM_REDUCE_REGS:
        plain_uses(insn, insn->count != 0 ? 1 : 0, uses);
        uses->run = insn->count;
        break;
    case HG_FORM_MMA:
        set_write(uses, insn->dst, hg_dtype_in(insn->type, HG_DT_HALF) ? HG_F32 : insn->type);
        break;
    case HG_FORM_POOL_ALLOC:
        add_read(uses, insn->a, HG_U64);
        set_write(uses, insn->dst, HG_U64);
        break;
    case HG_FORM_POOL_FREE:
        add_read(uses, insn->a, HG_U64);
        break;
    case HG_FORM_POOL_LOAD:
        add_read(uses, insn->a, HG_U64);
        add_read(uses, insn->b, HG_U64);
        set_write(uses, insn->dst, insn->type);
        break;
    case HG_FORM_POOL_STORE:
        add_read(uses, insn->a, HG_U64);
        add_read(uses, insn->b, HG_U64);
        add_read(uses, insn->c, insn->type);
        break;
    case HG_FORM_CLASS:
        class_uses(insn, uses);
        break;
    }
}

bool hg_phi_offset(uint64_t class_index, uint64_t page, uint64_t byte, int64_t *offset)
{
    if (class_index >= HG_CLASS_COUNT || page >= HG_CLASS_PAGES || byte >= HG_PAGE_BYTES) {
        return false;
    }
    *offset = (int64_t)(class_index * HG_CLASS_BYTES + page * HG_PAGE_BYTES + byte);
    return true;
}

bool hg_phi_page(uint64_t class_offset, uint32_t *page, uint32_t *byte)
{
    if (class_offset >= HG_CLASS_BYTES) {
        return false;
    }
    *page = (uint32_t)(class_offset / HG_PAGE_BYTES);
    *byte = (uint32_t)(class_offset % HG_PAGE_BYTES);
    return true;
}
