/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on memory in lines, and all that make values from nothing else. */
#include "lib/native/emit_code.h"

#include <stddef.h>

/* How far ahead of a load its stream is prefetched where stores go past the caches: then memory is
 * waited for, and long bodies have few loads on their way. Beyond the operand it does nothing. */
#define PREFETCH_BYTES 2048

static unsigned vector_bytes(const struct hg_code_gen *gen, unsigned width)
{
    return (unsigned)gen->emit->lanes << width;
}

void hg_code_broadcast(struct hg_code_gen *gen, unsigned width, unsigned r,
                       struct hg_x86_mem memory)
{
    static const uint16_t insns[] = {HG_X86_VPBROADCASTB, HG_X86_VPBROADCASTW, HG_X86_VPBROADCASTD,
                                     HG_X86_VPBROADCASTQ};
    hg_x86_rm(&gen->x, insns[width] | hg_code_length(gen, width), r, memory);
}

/* The elements of the vector at hand in STREAM. */
static struct hg_x86_mem lane_memory(const struct hg_code_gen *gen, const struct hg_vop *vop)
{
    int32_t ahead = (int32_t)(gen->copy * vector_bytes(gen, vop->width));
    if (gen->is_product && gen->emit->streams[vop->imm].kind == HG_STREAM_COL) {
        return hg_x86_at(gen->pointer[vop->imm], (int32_t)vop->bits + ahead);
    }
    return hg_x86_indexed(gen->pointer[vop->imm], HG_X86_RAX, vop->width,
                          (int32_t)vop->bits + ahead);
}

static void load(struct hg_code_gen *gen, const struct hg_vop *vop, unsigned d)
{
    static const uint16_t masked[] = {HG_X86_VMOVDQU8, HG_X86_VMOVDQU16, HG_X86_VMOVDQU32,
                                      HG_X86_VMOVDQU64};
    struct hg_x86_mem memory = lane_memory(gen, vop);
    if (gen->emit->form == HG_NATIVE_PAST_CACHE && !gen->masked) {
        struct hg_x86_mem ahead = memory;
        ahead.disp += PREFETCH_BYTES;
        hg_x86_m(&gen->x, HG_X86_PREFETCHT0, ahead);
    }
    if (!hg_code_has_masks(gen)) {
        hg_avx2_load(gen, vop->width, d, memory);
    } else if (gen->masked) {
        hg_x86_rm(&gen->x,
                  masked[vop->width] | hg_code_length(gen, vop->width) | HG_X86_K(HG_TAIL_MASK) |
                      HG_X86_ZERO,
                  d, memory);
    } else if (vector_bytes(gen, vop->width) < 16) {
        hg_x86_rm(&gen->x, HG_X86_VMOVQ_X, d, memory);
    } else {
        hg_x86_rm(&gen->x, HG_X86_VMOVUPS | hg_code_length(gen, vop->width), d, memory);
    }
}

void hg_code_store(struct hg_code_gen *gen, const struct hg_vop *vop, unsigned a)
{
    static const uint16_t masked[] = {HG_X86_VMOVDQU8_M, HG_X86_VMOVDQU16_M, HG_X86_VMOVDQU32_M,
                                      HG_X86_VMOVDQU64_M};
    struct hg_x86_mem memory = lane_memory(gen, vop);
    if (gen->emit->form == HG_NATIVE_PAST_CACHE && !gen->masked &&
        vector_bytes(gen, vop->width) >= 16) {
        hg_x86_mr(&gen->x, HG_X86_VMOVNTPS_M | hg_code_length(gen, vop->width), memory, a);
    } else if (!hg_code_has_masks(gen)) {
        hg_avx2_store(gen, vop->width, a, memory);
    } else if (gen->masked) {
        hg_x86_mr(&gen->x,
                  masked[vop->width] | hg_code_length(gen, vop->width) | HG_X86_K(HG_TAIL_MASK),
                  memory, a);
    } else if (vector_bytes(gen, vop->width) < 16) {
        hg_x86_mr(&gen->x, HG_X86_VMOVQ_M, memory, a);
    } else {
        hg_x86_mr(&gen->x, HG_X86_VMOVUPS_M | hg_code_length(gen, vop->width), memory, a);
    }
}

/* The one element of a stream of kind ROW or ONE; clobbers rdx and r11. */
static struct hg_x86_mem one_memory(struct hg_code_gen *gen, const struct hg_vop *vop)
{
    const struct hg_stream *stream = &gen->emit->streams[vop->imm];
    size_t base = offsetof(struct hg_native_frame, base) + stream->slot * sizeof(uint8_t *);
    hg_x86_rm(&gen->x, HG_X86_MOV | HG_X86_W64, HG_X86_R11, hg_x86_at(HG_X86_RDI, (int32_t)base));
    if (stream->kind == HG_STREAM_ONE) {
        return hg_x86_at(HG_X86_R11, (int32_t)vop->bits);
    }
    hg_x86_rm(&gen->x, HG_X86_MOV | HG_X86_W64, HG_X86_RDX,
              hg_x86_at(HG_X86_RDI, (int32_t)offsetof(struct hg_native_frame, row)));
    return hg_x86_indexed(HG_X86_R11, HG_X86_RDX, vop->width, (int32_t)vop->bits);
}

/* Stores that many lanes share: by the stretch that has the first of them. */
void hg_code_store_one(struct hg_code_gen *gen, const struct hg_vop *vop, unsigned a)
{
    bool row = gen->emit->streams[vop->imm].kind == HG_STREAM_ROW;
    size_t field =
        row ? offsetof(struct hg_native_frame, col) : offsetof(struct hg_native_frame, is_first);
    hg_x86_mi(&gen->x, HG_X86_CMP_I | HG_X86_W64, hg_x86_at(HG_X86_RDI, (int32_t)field),
              row ? 0 : 1);
    uint32_t skip = hg_x86_jump_if(&gen->x, HG_X86_CC_NE);
    struct hg_x86_mem memory = one_memory(gen, vop);
    switch (vop->width) {
    case 0:
        hg_x86_mri(&gen->x, HG_X86_VPEXTRB, memory, a, 0);
        break;
    case 1:
        hg_x86_mri(&gen->x, HG_X86_VPEXTRW, memory, a, 0);
        break;
    case 2:
        hg_x86_mr(&gen->x, HG_X86_VMOVD_M, memory, a);
        break;
    default:
        hg_x86_mr(&gen->x, HG_X86_VMOVQ_M, memory, a);
        break;
    }
    hg_x86_land(&gen->x, skip);
}

/* ---- sources --------------------------------------------------------------------------------- */

void hg_code_source(struct hg_code_gen *gen, const struct hg_vop *vop, unsigned d)
{
    size_t offset;
    switch (vop->op) {
    case HG_VOP_LOAD:
        load(gen, vop, d);
        return;
    case HG_VOP_SUM:
        hg_x86_rm(&gen->x, HG_X86_VMOVUPS | hg_code_length(gen, vop->width), d,
                  hg_x86_indexed(HG_X86_RDI, HG_X86_RCX, 0,
                                 (int32_t)offsetof(struct hg_native_frame, tile) +
                                     gen->copy * HG_NATIVE_VECTOR));
        return;
    case HG_VOP_LOADU:
        hg_code_broadcast(gen, vop->width, d, one_memory(gen, vop));
        return;
    case HG_VOP_PARAM:
        offset = offsetof(struct hg_native_frame, params);
        hg_x86_rm(&gen->x, HG_X86_MOV | HG_X86_W64, HG_X86_R11,
                  hg_x86_at(HG_X86_RDI, (int32_t)offset));
        hg_code_broadcast(gen, vop->width, d, hg_x86_at(HG_X86_R11, vop->imm * 8));
        return;
    case HG_VOP_INPUT:
        offset = offsetof(struct hg_native_frame, inputs) + vop->imm * sizeof(uint64_t);
        hg_code_broadcast(gen, vop->width, d, hg_x86_at(HG_X86_RDI, (int32_t)offset));
        return;
    case HG_VOP_LIMIT:
        hg_lane_limit(gen, vop, d);
        return;
    case HG_VOP_FIELD:
        hg_code_broadcast(gen, 3, d, hg_x86_at(HG_X86_RDI, (int32_t)vop->bits));
        return;
    default: /* INDEX: the stretch's lane, and 0, 1, 2 … */
        if (hg_code_has_masks(gen)) {
            hg_x86_rr(&gen->x, HG_X86_VPBROADCASTQ_R | hg_code_length(gen, 3), d, HG_X86_RAX);
        } else {
            hg_x86_rr(&gen->x, HG_X86_VMOVQ, d, HG_X86_RAX);
            hg_x86_rr(&gen->x, HG_X86_VPBROADCASTQ | hg_code_length(gen, 3), d, d);
        }
        hg_x86_rrm(&gen->x, HG_X86_VPADDQ | hg_code_length(gen, 3), d, d, hg_x86_code(0));
        hg_regs_refer(gen, HG_REFER_INDEX, 0);
        return;
    }
}
