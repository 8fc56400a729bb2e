/* SPDX-License-Identifier: Apache-2.0 */
/* Operands of MMA: mma.f32 r1, [b0], [b1], m=4, n=%2, k=…, lda=…, ldb=…, trans_a, trans_b, dot */
#include <string.h>

#include "lib/isa/asm.h"

enum { SIZE_COUNT = 5 };

static const char *const size_names[SIZE_COUNT] = {"m", "n", "k", "lda", "ldb"};

struct mma_parts {
    unsigned seen;   /* one bit per size */
    unsigned params; /* one bit per size that is a parameter */
};

static uint32_t *size_of(struct hg_mma *mma, unsigned index)
{
    uint32_t *const sizes[SIZE_COUNT] = {&mma->m, &mma->n, &mma->k, &mma->lda, &mma->ldb};
    return sizes[index];
}

static enum hg_status size(struct hg_assembler *assembler, unsigned index, struct hg_mma *mma,
                           struct mma_parts *parts)
{
    if ((parts->seen >> index & 1) != 0) {
        return hg_asm_fail(assembler, assembler->token.start, "%s is given twice",
                           size_names[index]);
    }
    hg_asm_advance(assembler);
    enum hg_status status = hg_asm_expect(assembler, '=');
    if (status != HG_OK) {
        return status;
    }
    bool param = hg_asm_accept(assembler, '%');
    uint64_t max = param ? HG_PARAM_COUNT - 1 : index < 3 ? HG_MMA_IMMEDIATE_MAX : UINT32_MAX;
    uint64_t value = 0;
    status = hg_asm_integer(assembler, param ? "a parameter" : "a size", max, &value);
    if (status == HG_OK) {
        *size_of(mma, index) = (uint32_t)value;
        parts->seen |= 1u << index;
        parts->params |= (param ? 1u : 0u) << index;
    }
    return status;
}

static enum hg_status part(struct hg_assembler *assembler, struct hg_mma *mma,
                           struct mma_parts *parts)
{
    static const struct {
        const char *name;
        uint8_t flag;
    } flags[] = {
        {"trans_a", HG_MMA_TRANS_A}, {"trans_b", HG_MMA_TRANS_B}, {"dot", HG_MMA_ORDER_DOT}};
    for (unsigned i = 0; i < SIZE_COUNT; i++) {
        if (hg_asm_is_word(assembler, size_names[i])) {
            return size(assembler, i, mma, parts);
        }
    }
    for (unsigned i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        if (hg_asm_is_word(assembler, flags[i].name)) {
            mma->flags |= flags[i].flag;
            hg_asm_advance(assembler);
            return HG_OK;
        }
    }
    return hg_asm_unexpected(assembler, "m, n, k, lda, ldb, trans_a, trans_b or dot");
}

enum hg_status hg_asm_mma(struct hg_assembler *assembler, struct hg_insn *insn)
{
    struct hg_mma *mma = &insn->u.mma;
    enum hg_status status = hg_asm_register(assembler, &insn->dst);
    struct hg_addr *const addrs[] = {&mma->a, &mma->b};
    for (unsigned i = 0; i < 2; i++) {
        if (status == HG_OK) {
            status = hg_asm_expect(assembler, ',');
        }
        const char *at = assembler->token.start;
        if (status == HG_OK) {
            status = hg_asm_addr(assembler, addrs[i]);
        }
        if (status == HG_OK &&
            (addrs[i]->lane != HG_LANE_NONE ||
             (addrs[i]->mode != HG_ADDR_BUFFER && addrs[i]->mode != HG_ADDR_PHI))) {
            return hg_asm_fail(assembler, at, "a matrix is [b + offset] or [Φ(…)]");
        }
    }
    struct mma_parts parts = {0, 0};
    while (status == HG_OK && hg_asm_accept(assembler, ',')) {
        status = part(assembler, mma, &parts);
    }
    if (status != HG_OK) {
        return status;
    }
    const unsigned all = (1u << SIZE_COUNT) - 1;
    if (parts.seen != all) {
        return hg_asm_unexpected(assembler, "each of m, n, k, lda, ldb");
    }
    if (parts.params != 0 && parts.params != all) {
        return hg_asm_fail(assembler, assembler->token.start,
                           "sizes are all constants or all parameters");
    }
    mma->flags |= parts.params != 0 ? HG_MMA_PARAMS : 0;
    return HG_OK;
}
