/* SPDX-License-Identifier: Apache-2.0 */
/* What may differ from row to row, followed through a program's text. */
#include "lib/native/compiler.h"

#include <string.h>

void hg_rows_init(struct hg_rows *rows)
{
    memset(rows, 0, sizeof *rows);
    rows->regs[HG_REG_ROW] = true;
}

/* Whether the result of INSN may differ. */
static bool has_row_result(const struct hg_rows *rows, const struct hg_insn *insn,
                           const struct hg_insn_uses *uses)
{
    bool row = hg_insn_reduces(insn) ||
               (hg_insn_has_addr(insn) &&
                (insn->u.addr.lane == HG_LANE_ROW ||
                 (hg_addr_computed(&insn->u.addr) && rows->regs[insn->u.addr.reg])));
    for (unsigned r = 0; r < uses->read_count; r++) {
        for (unsigned j = 0; j < (r == 0 ? uses->run : 1u); j++) {
            row |= rows->regs[uses->reads[r].reg + j];
        }
    }
    return row || (uses->pred_read != HG_PRED_NONE && rows->preds[uses->pred_read]);
}

/* What holds in front of a loop's body also holds for what each round leaves. */
static void follow_loop(struct hg_rows *rows, const struct hg_insn *insns,
                        const struct hg_insn_uses *uses, uint32_t at)
{
    struct hg_rows before;
    do {
        before = *rows;
        hg_rows_follow(rows, insns, uses, at + 1, insns[at].target);
        for (unsigned r = 0; r < HG_REGISTER_COUNT; r++) {
            rows->regs[r] |= before.regs[r];
        }
        for (unsigned p = 0; p < HG_PREDICATE_COUNT; p++) {
            rows->preds[p] |= before.preds[p];
        }
    } while (memcmp(rows, &before, sizeof before) != 0);
}

void hg_rows_follow(struct hg_rows *rows, const struct hg_insn *insns,
                    const struct hg_insn_uses *uses, uint32_t first, uint32_t end)
{
    for (uint32_t i = first; i < end; i++) {
        if (insns[i].op == HG_OP_LOOP) {
            follow_loop(rows, insns, uses, i);
            i = insns[i].target - 1;
            continue;
        }
        bool row = has_row_result(rows, &insns[i], &uses[i]);
        if (uses[i].pred_write != HG_PRED_NONE) {
            rows->preds[uses[i].pred_write] = row;
        }
        if (uses[i].writes) {
            rows->regs[uses[i].write.reg] = row;
        }
    }
}
