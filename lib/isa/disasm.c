/* SPDX-License-Identifier: Apache-2.0 */
/* The disassembler: text that assembles to the same code. */
#include <inttypes.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/isa/asm.h"

/* Text under way; counts on when there is no more room. */
struct output {
    char *text;
    size_t size;
    size_t length;
};

static void print(struct output *output, const char *format, ...) HG_PRINTF(2, 3);

static void print(struct output *output, const char *format, ...)
{
    size_t room = output->length < output->size ? output->size - output->length : 0;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(room > 0 ? output->text + output->length : NULL, room, format, args);
    va_end(args);
    output->length += length > 0 ? (size_t)length : 0;
}

static void print_lane(struct output *output, const struct hg_addr *addr)
{
    switch (addr->lane) {
    case HG_LANE_STRIDE:
        print(output, " + lane");
        if (addr->factor != 1) {
            print(output, "*%u", addr->factor);
        }
        break;
    case HG_LANE_MOD:
    case HG_LANE_DIV:
        print(output, " + lane%c", addr->lane == HG_LANE_MOD ? '%' : '/');
        if (addr->factor == 0) {
            print(output, "cols");
        } else {
            print(output, "%u", addr->factor);
        }
        break;
    case HG_LANE_ROW:
        print(output, " + row");
        break;
    default:
        break;
    }
}

static void print_offset(struct output *output, int64_t offset)
{
    if (offset != 0) {
        uint64_t magnitude = offset < 0 ? 0 - (uint64_t)offset : (uint64_t)offset;
        print(output, " %c %" PRIu64, offset < 0 ? '-' : '+', magnitude);
    }
}

static void print_addr(struct output *output, const struct hg_addr *addr)
{
    if (addr->mode == HG_ADDR_PHI) {
        int64_t in_class = addr->offset % HG_CLASS_BYTES;
        print(output, "[Φ(%d, %d, %d)", (int)(addr->offset / HG_CLASS_BYTES),
              (int)(in_class / HG_PAGE_BYTES), (int)(in_class % HG_PAGE_BYTES));
        print_lane(output, addr);
        print(output, "]");
        return;
    }
    if (addr->mode == HG_ADDR_SCRATCH) {
        print(output, "[s");
    } else if (addr->slot == HG_SLOT_HANDLE) {
        print(output, "[buf%" PRIu64, addr->handle);
    } else {
        print(output, "[b%u", addr->slot);
    }
    if (hg_addr_computed(addr)) {
        print(output, "%s r%u", addr->mode == HG_ADDR_INDIRECT ? ":" : " +", addr->reg);
    }
    print_offset(output, addr->offset);
    print_lane(output, addr);
    print(output, "]");
}

static void print_mma(struct output *output, const struct hg_insn *insn)
{
    const struct hg_mma *mma = &insn->u.mma;
    const char *percent = (mma->flags & HG_MMA_PARAMS) != 0 ? "%" : "";
    print(output, "r%u, ", insn->dst);
    print_addr(output, &mma->a);
    print(output, ", ");
    print_addr(output, &mma->b);
    print(output, ", m=%s%u, n=%s%u, k=%s%u, lda=%s%u, ldb=%s%u", percent, mma->m, percent, mma->n,
          percent, mma->k, percent, mma->lda, percent, mma->ldb);
    print(output, "%s%s%s", (mma->flags & HG_MMA_TRANS_A) != 0 ? ", trans_a" : "",
          (mma->flags & HG_MMA_TRANS_B) != 0 ? ", trans_b" : "",
          (mma->flags & HG_MMA_ORDER_DOT) != 0 ? ", dot" : "");
}

static void print_operand(struct output *output, const struct hg_insn *insn, char letter)
{
    char constant[HG_IMM_TEXT_BYTES];
    switch (letter) {
    case 'd':
        print(output, "r%u", insn->dst);
        break;
    case 'q':
        print(output, "p%u", insn->dst);
        break;
    case 'a':
        print(output, "r%u", insn->a);
        break;
    case 'b':
        print(output, "r%u", insn->b);
        break;
    case 'c':
        print(output, "r%u", insn->c);
        break;
    case 'p':
        print(output, "p%u", insn->pred);
        break;
    case 'm':
        print_addr(output, &insn->u.addr);
        break;
    case 'i':
        hg_imm_print(insn->type, insn->u.imm, constant);
        print(output, "%s", constant);
        break;
    case 'k':
        print(output, "%u", insn->count);
        break;
    case 't':
        print(output, "@L%u", insn->target);
        break;
    default: /* x */
        print_mma(output, insn);
        break;
    }
}

static void print_insn(struct output *output, const struct hg_insn *insn)
{
    const struct hg_insn_info *info = hg_insn_info(insn->op);
    print(output, "    %s", info->text);
    if (info->form == HG_FORM_SETCC) {
        print(output, "%s", hg_cond_name(insn->cond));
    }
    if (info->types != 0) {
        print(output, ".%s", hg_dtype_name(insn->type));
    }
    if (info->form == HG_FORM_CVT) {
        print(output, ".%s", hg_dtype_name(insn->type2));
    }
    bool predicated = info->form == HG_FORM_BRANCH || info->form == HG_FORM_EXIT;
    if (predicated && insn->pred != HG_PRED_NONE) {
        print(output, ".p%u", insn->pred);
    }
    const char *syntax = hg_insn_syntax(insn->op);
    for (const char *letter = syntax; *letter != '\0'; letter++) {
        print(output, letter == syntax ? " " : ", ");
        print_operand(output, insn, *letter);
    }
    print(output, "\n");
}

/* Marks in TARGETS, one bit per index, where instructions lead. */
static void find_targets(const struct hg_code *code, uint64_t *targets)
{
    for (uint32_t i = 0; i < code->insn_count; i++) {
        const struct hg_insn *insn = &code->insns[i];
        if (strchr(hg_insn_syntax(insn->op), 't') != NULL && insn->target <= code->insn_count) {
            targets[insn->target / 64] |= UINT64_C(1) << (insn->target % 64);
        }
    }
}

size_t hg_disassemble(const struct hg_code *code, char *text, size_t size)
{
    uint64_t targets[HG_PROGRAM_INSNS_MAX / 64 + 1] = {0};
    struct output output = {text, size, 0};
    if (code->insn_count > HG_PROGRAM_INSNS_MAX) {
        print(&output, "; not a program: %u instructions\n", code->insn_count);
        return output.length;
    }
    find_targets(code, targets);
    /* Without the C locale constants of floats come out as bit patterns, which is right as well. */
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    locale_t own_locale = uselocale(c_locale);
    print(&output, ".slots %u\n", code->header.slot_count);
    if (code->header.scratch_bytes != 0) {
        print(&output, ".scratch %u\n", code->header.scratch_bytes);
    }
    for (uint32_t i = 0; i <= code->insn_count; i++) {
        if ((targets[i / 64] >> (i % 64) & 1) != 0) {
            print(&output, "L%u:\n", i);
        }
        if (i < code->insn_count) {
            print_insn(&output, &code->insns[i]);
        }
    }
    uselocale(own_locale);
    if (c_locale != (locale_t)0) {
        freelocale(c_locale);
    }
    return output.length;
}
