/* SPDX-License-Identifier: Apache-2.0 */
/* First pass of the verifier: each instruction by itself. */
#include <inttypes.h>

#include "lib/isa/verify.h"

static enum hg_status check_types(const struct hg_verify *verify, uint32_t index,
                                  const struct hg_insn *insn)
{
    if (insn->op >= HG_OPCODE_COUNT) {
        return hg_verify_fail(verify, index, "unknown opcode %u", insn->op);
    }
    const struct hg_insn_info *info = hg_insn_info(insn->op);
    if (info->types == 0) {
        return HG_OK;
    }
    if (insn->type >= HG_DTYPE_COUNT) {
        return hg_verify_fail(verify, index, "unknown type %u", insn->type);
    }
    if (!hg_dtype_in(insn->type, info->types)) {
        return hg_verify_fail(verify, index, "is not defined for type %s",
                              hg_dtype_name(insn->type));
    }
    if (info->form == HG_FORM_CVT && insn->type2 >= HG_DTYPE_COUNT) {
        return hg_verify_fail(verify, index, "unknown source type %u", insn->type2);
    }
    if (info->form == HG_FORM_SETCC) {
        if (insn->cond >= HG_COND_COUNT) {
            return hg_verify_fail(verify, index, "unknown condition %u", insn->cond);
        }
        if (insn->cond >= HG_COND_LTU && !hg_dtype_in(insn->type, HG_DT_UINT)) {
            return hg_verify_fail(verify, index, "an unsigned condition is not defined for type %s",
                                  hg_dtype_name(insn->type));
        }
    }
    return HG_OK;
}

static enum hg_status check_registers(const struct hg_verify *verify, uint32_t index,
                                      const struct hg_insn *insn)
{
    struct hg_insn_uses uses;
    hg_insn_uses(insn, &uses);
    if (uses.writes && uses.write.reg >= HG_REG_SPECIAL) {
        return hg_verify_fail(verify, index, "r%u is read-only", uses.write.reg);
    }
    if (uses.pred_write != HG_PRED_NONE && uses.pred_write >= HG_PREDICATE_COUNT) {
        return hg_verify_fail(verify, index, "p%u does not exist", uses.pred_write);
    }
    bool optional = hg_insn_info(insn->op)->form != HG_FORM_SEL;
    if (uses.pred_read >= HG_PREDICATE_COUNT && !(optional && uses.pred_read == HG_PRED_NONE)) {
        return hg_verify_fail(verify, index, "p%u does not exist", uses.pred_read);
    }
    if (hg_insn_info(insn->op)->form == HG_FORM_REDUCE_REGS &&
        insn->a + insn->count > HG_REGISTER_COUNT) {
        return hg_verify_fail(verify, index, "%u registers from r%u on do not exist", insn->count,
                              insn->a);
    }
    if (insn->op == HG_OP_PARAM && insn->count >= HG_PARAM_COUNT) {
        return hg_verify_fail(verify, index, "parameter %u does not exist", insn->count);
    }
    return HG_OK;
}

static enum hg_status check_lane_term(const struct hg_verify *verify, uint32_t index,
                                      const struct hg_addr *addr)
{
    if (addr->lane > HG_LANE_ROW) {
        return hg_verify_fail(verify, index, "unknown lane mode %u", addr->lane);
    }
    if (addr->lane == HG_LANE_STRIDE && addr->factor == 0) {
        return hg_verify_fail(verify, index, "a lane stride is at least 1");
    }
    if (addr->mode == HG_ADDR_INDIRECT && addr->lane != HG_LANE_NONE) {
        return hg_verify_fail(verify, index, "a register-indirect address has no lane term");
    }
    if (addr->mode == HG_ADDR_SCRATCH && addr->lane != HG_LANE_NONE &&
        (addr->lane != HG_LANE_STRIDE || addr->factor != 1)) {
        return hg_verify_fail(verify, index, "a scratch address has no lane term but lane");
    }
    return HG_OK;
}

static enum hg_status check_slot(const struct hg_verify *verify, uint32_t index,
                                 const struct hg_addr *addr)
{
    if (addr->slot != HG_SLOT_HANDLE && addr->slot >= verify->code->header.slot_count) {
        return hg_verify_fail(verify, index, "slot b%u is not declared (.slots %u)", addr->slot,
                              verify->code->header.slot_count);
    }
    return HG_OK;
}

/* Φ: the first element, SIZE bytes, lies in one class; where the last one lies is known at launch.
 */
static enum hg_status check_phi(const struct hg_verify *verify, uint32_t index,
                                const struct hg_addr *addr, uint32_t size)
{
    if (addr->offset < 0 || addr->offset >= HG_BOUNDARY_BYTES) {
        return hg_verify_fail(verify, index, "offset %" PRId64 " is outside the boundary pool",
                              addr->offset);
    }
    if (addr->offset % HG_CLASS_BYTES + size > HG_CLASS_BYTES) {
        return hg_verify_fail(verify, index, "an element at byte %d leaves its class",
                              (int)(addr->offset % HG_CLASS_BYTES));
    }
    return HG_OK;
}

static enum hg_status check_addr(const struct hg_verify *verify, uint32_t index,
                                 const struct hg_addr *addr, uint32_t size, bool scratch)
{
    if (addr->mode > HG_ADDR_SCRATCH) {
        return hg_verify_fail(verify, index, "unknown address mode %u", addr->mode);
    }
    if ((addr->mode == HG_ADDR_SCRATCH) != scratch) {
        return hg_verify_fail(verify, index, "%s",
                              scratch ? "addresses scratch, [s + …]" : "does not address scratch");
    }
    enum hg_status status = check_lane_term(verify, index, addr);
    if (status != HG_OK) {
        return status;
    }
    if (addr->mode == HG_ADDR_PHI) {
        return check_phi(verify, index, addr, size);
    }
    int64_t lowest = addr->mode == HG_ADDR_INDIRECT ? -HG_ADDR_OFFSET_MAX : 0;
    int64_t highest = addr->mode == HG_ADDR_COMPUTED ? 0 : HG_ADDR_OFFSET_MAX;
    if (addr->offset < lowest || addr->offset > highest) {
        return hg_verify_fail(verify, index, "offset %" PRId64 " is not in %" PRId64 " to %" PRId64,
                              addr->offset, lowest, highest);
    }
    return scratch ? HG_OK : check_slot(verify, index, addr);
}

static enum hg_status check_mma_sizes(const struct hg_verify *verify, uint32_t index,
                                      const struct hg_mma *mma)
{
    if ((mma->flags & HG_MMA_PARAMS) != 0) {
        const uint32_t params[] = {mma->m, mma->n, mma->k, mma->lda, mma->ldb};
        for (unsigned i = 0; i < 5; i++) {
            if (params[i] >= HG_PARAM_COUNT) {
                return hg_verify_fail(verify, index, "parameter %u does not exist", params[i]);
            }
        }
        return HG_OK;
    }
    if (mma->m > HG_MMA_IMMEDIATE_MAX || mma->n > HG_MMA_IMMEDIATE_MAX ||
        mma->k > HG_MMA_IMMEDIATE_MAX) {
        return hg_verify_fail(verify, index, "m, n, k as constants are at most %d, not %u, %u, %u",
                              HG_MMA_IMMEDIATE_MAX, mma->m, mma->n, mma->k);
    }
    if ((mma->n == 1) != ((mma->flags & HG_MMA_ORDER_DOT) != 0)) {
        return hg_verify_fail(verify, index, "the order is dot if and only if n = 1");
    }
    uint32_t columns_a = (mma->flags & HG_MMA_TRANS_A) != 0 ? mma->m : mma->k;
    uint32_t columns_b = (mma->flags & HG_MMA_TRANS_B) != 0 ? mma->k : mma->n;
    if (mma->lda < columns_a || mma->ldb < columns_b) {
        return hg_verify_fail(verify, index, "lda, ldb are at least %u, %u, not %u, %u", columns_a,
                              columns_b, mma->lda, mma->ldb);
    }
    return HG_OK;
}

static enum hg_status check_mma(const struct hg_verify *verify, uint32_t index,
                                const struct hg_insn *insn)
{
    const struct hg_mma *mma = &insn->u.mma;
    const struct hg_addr *const addrs[] = {&mma->a, &mma->b};
    for (unsigned i = 0; i < 2; i++) {
        if (addrs[i]->lane != HG_LANE_NONE ||
            (addrs[i]->mode != HG_ADDR_BUFFER && addrs[i]->mode != HG_ADDR_PHI)) {
            return hg_verify_fail(verify, index, "a matrix is [b + offset] or [Φ(…)]");
        }
        enum hg_status status =
            check_addr(verify, index, addrs[i], hg_dtype_bytes(insn->type), false);
        if (status != HG_OK) {
            return status;
        }
    }
    return check_mma_sizes(verify, index, mma);
}

enum hg_status hg_verify_form(struct hg_verify *verify)
{
    for (uint32_t i = 0; i < verify->code->insn_count; i++) {
        const struct hg_insn *insn = &verify->code->insns[i];
        enum hg_status status = check_types(verify, i, insn);
        if (status == HG_OK) {
            status = check_registers(verify, i, insn);
        }
        if (status == HG_OK && hg_insn_has_addr(insn)) {
            bool scratch = insn->op == HG_OP_LDS || insn->op == HG_OP_STS;
            status = check_addr(verify, i, &insn->u.addr, hg_dtype_bytes(insn->type), scratch);
        } else if (status == HG_OK && insn->op == HG_OP_MMA) {
            status = check_mma(verify, i, insn);
        }
        if (status != HG_OK) {
            return status;
        }
    }
    return HG_OK;
}
