/* SPDX-License-Identifier: Apache-2.0 */
/* What kind of product an MMA is, and whether the instructions behind it can follow tile by tile.
 */
#include <stddef.h>

#include "lib/native/mma.h"

/* Whether a step of ELEMENTS for each of up to 64 rows or terms can be part of an address. */
static bool is_short(uint32_t elements)
{
    return elements < 1u << 20;
}

void hg_mma_lower(struct hg_lower *lower, const struct hg_insn *insn)
{
    struct hg_emit *emit = lower->emit;
    const struct hg_mma *mma = &insn->u.mma;
    bool is_float = insn->type == HG_F32 || insn->type == HG_F64;
    bool is_avx512 = emit->level == HG_ISA_AVX512;
    unsigned width = insn->type == HG_F64 ? 3 : 2;
    unsigned bytes = is_avx512 ? HG_NATIVE_VECTOR : HG_NATIVE_VECTOR / 2;
    if (emit->lanes != bytes >> width) {
        emit->failed = true;
        return;
    }
    bool whole = is_float &&
                 (mma->flags & (HG_MMA_PARAMS | HG_MMA_TRANS_B | HG_MMA_ORDER_DOT)) == 0 &&
                 is_short(mma->lda) && is_short(mma->ldb) && mma->a.mode == HG_ADDR_BUFFER &&
                 mma->b.mode == HG_ADDR_BUFFER && mma->a.slot != HG_SLOT_HANDLE &&
                 mma->b.slot != HG_SLOT_HANDLE && mma->m != 0 && mma->n != 0;
    emit->region->product = whole ? HG_NATIVE_WHOLE : HG_NATIVE_TILES;
    emit->region->rows = whole ? (uint8_t)mma->m : 0;
    emit->region->cols = whole ? (uint8_t)mma->n : 0;
    emit->region->has_lanes = true;
    lower->regs[insn->dst] =
        hg_emit_op(emit, HG_VOP_SUM, width, 0, HG_VAL_NONE, HG_VAL_NONE, HG_VAL_NONE);
}

/* What differs from row to row is computed in front of the lanes elsewhere: here a function spans
 * rows, and it is computed with them. Reductions, checks and stores that lanes share need stretches
 * that start and end somewhere. Of order=dot the lanes of a vector are rows: nothing may tell these
 * apart, or columns. */
void hg_mma_check(struct hg_emit *emit, const struct hg_insn *insn)
{
    bool dot = (insn->u.mma.flags & HG_MMA_ORDER_DOT) != 0;
    const struct hg_emit_region *region = emit->region;
    emit->failed |= region->reduce_count != 0 || region->can_fail || region->input_count != 0 ||
                    region->output_count != 0;
    for (uint16_t i = 0; i < emit->op_count; i++) {
        struct hg_vop *vop = &emit->ops[i];
        bool is_row = vop->op == HG_VOP_FIELD && vop->bits == offsetof(struct hg_native_frame, row);
        emit->failed |= vop->op == HG_VOP_INDEX || (vop->op == HG_VOP_FIELD && !is_row) ||
                        vop->op > HG_VOP_STORE;
        bool by_col = vop->op == HG_VOP_LOAD && emit->streams[vop->imm].kind == HG_STREAM_COL;
        emit->failed |= dot && (by_col || (vop->flags & HG_VOP_ROW) != 0);
        if ((vop->flags & HG_VOP_ROW) != 0) {
            vop->flags &= (uint8_t)~HG_VOP_UNIFORM;
        }
    }
    emit->region->by_row = false;
}

struct hg_native_mma hg_mma_of(const struct hg_insn *insn)
{
    const struct hg_mma *mma = &insn->u.mma;
    return (struct hg_native_mma){.a_slot = mma->a.slot,
                                  .b_slot = mma->b.slot,
                                  .type = insn->type,
                                  .flags = mma->flags,
                                  .m = mma->m,
                                  .n = mma->n,
                                  .k = mma->k,
                                  .lda = mma->lda,
                                  .ldb = mma->ldb};
}

/* Of a product that is not WHOLE the ends say nothing: its launches find them. */
bool hg_mma_accesses(const struct hg_insn *insn, struct hg_native_access accesses[2])
{
    const struct hg_mma *mma = &insn->u.mma;
    uint32_t bytes = hg_dtype_bytes((enum hg_dtype)insn->type);
    bool trans_a = (mma->flags & HG_MMA_TRANS_A) != 0;
    uint32_t a_rows = trans_a ? mma->k : mma->m;
    uint32_t a_cols = trans_a ? mma->m : mma->k;
    bool any = a_rows != 0 && a_cols != 0;
    accesses[0] = (struct hg_native_access){
        .slot = mma->a.slot,
        .lane = HG_NATIVE_MATRIX,
        .width = (uint8_t)bytes,
        .offset = any ? ((a_rows - 1) * mma->lda + a_cols) * bytes : 0,
    };
    accesses[1] = (struct hg_native_access){
        .slot = mma->b.slot,
        .lane = HG_NATIVE_MATRIX,
        .width = (uint8_t)bytes,
        .offset = mma->k != 0 ? ((mma->k - 1) * mma->ldb + mma->n) * bytes : 0,
    };
    return mma->a.mode == HG_ADDR_BUFFER && mma->b.mode == HG_ADDR_BUFFER &&
           mma->a.slot != HG_SLOT_HANDLE && mma->b.slot != HG_SLOT_HANDLE && mma->a.offset == 0 &&
           mma->b.offset == 0;
}
