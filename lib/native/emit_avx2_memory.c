/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory with AVX2: masked, by vectors, for elements of 4 and 8 bytes only; smaller ones of a
 * vector that has fewer go one by one through the frame's stage.
 */
#include "lib/native/emit_code.h"

#include <stddef.h>

/* ---- memory ---------------------------------------------------------------------------------- */

static struct hg_x86_mem frame(size_t offset)
{
    return hg_x86_at(HG_X86_RDI, (int32_t)offset);
}

static struct hg_x86_mem stage(void)
{
    return frame(offsetof(struct hg_native_frame, stage));
}

void hg_avx2_load_whole(struct hg_code_gen *gen, unsigned width, unsigned d,
                        struct hg_x86_mem memory)
{
    unsigned bytes = (unsigned)gen->emit->lanes << width;
    if (bytes >= 16) {
        hg_x86_rm(&gen->x, HG_X86_VMOVUPS | HG_X86_LENGTH(bytes * 8), d, memory);
    } else {
        hg_x86_rm(&gen->x, bytes == 8 ? HG_X86_VMOVQ_X : HG_X86_VMOVD, d, memory);
    }
}

void hg_avx2_store_whole(struct hg_code_gen *gen, unsigned width, unsigned a,
                         struct hg_x86_mem memory)
{
    unsigned bytes = (unsigned)gen->emit->lanes << width;
    if (bytes >= 16) {
        hg_x86_mr(&gen->x, HG_X86_VMOVUPS_M | HG_X86_LENGTH(bytes * 8), memory, a);
    } else {
        hg_x86_mr(&gen->x, bytes == 8 ? HG_X86_VMOVQ_M : HG_X86_VMOVD_M, memory, a);
    }
}

/* The elements of the lanes that exist, one by one from the last: to the stage from MEMORY, or the
 * other way. Clobbers rdx and r11. */
static void copy_elements(struct hg_code_gen *gen, unsigned width, struct hg_x86_mem memory,
                          bool to_stage)
{
    struct hg_x86 *x = &gen->x;
    hg_x86_rm(x, HG_X86_LEA | HG_X86_W64, HG_X86_R11, memory);
    hg_x86_mr(x, HG_X86_MOV_M | HG_X86_W64, frame(offsetof(struct hg_native_frame, saved)),
              HG_X86_RCX);
    hg_x86_rm(x, HG_X86_MOV | HG_X86_W64, HG_X86_RDX,
              frame(offsetof(struct hg_native_frame, live)));
    uint32_t test = hg_x86_jump(x);
    uint32_t top = hg_x86_here(x);
    struct hg_x86_mem element = hg_x86_indexed(HG_X86_R11, HG_X86_RDX, width, 0);
    struct hg_x86_mem staged = hg_x86_indexed(HG_X86_RDI, HG_X86_RDX, width,
                                              (int32_t)offsetof(struct hg_native_frame, stage));
    hg_x86_rm(x, width == 0 ? HG_X86_MOVZX8 : HG_X86_MOVZX16, HG_X86_RCX,
              to_stage ? element : staged);
    hg_x86_mr(x, width == 0 ? HG_X86_MOV_M8 : HG_X86_MOV_M16, to_stage ? staged : element,
              HG_X86_RCX);
    hg_x86_land(x, test);
    hg_x86_ri(x, HG_X86_SUB_I | HG_X86_W64, HG_X86_RDX, 1);
    hg_x86_jump_if_to(x, HG_X86_CC_AE, top);
    hg_x86_rm(x, HG_X86_MOV | HG_X86_W64, HG_X86_RCX,
              frame(offsetof(struct hg_native_frame, saved)));
}

/* Whether all lanes exist: gives what is to land where they do. */
static uint32_t jump_if_whole(struct hg_code_gen *gen)
{
    hg_x86_mi(&gen->x, HG_X86_CMP_I | HG_X86_W64, frame(offsetof(struct hg_native_frame, live)),
              gen->emit->lanes);
    return hg_x86_jump_if(&gen->x, HG_X86_CC_E);
}

/* Memory is masked for elements of 4 and 8 bytes only. */
static void load_narrow(struct hg_code_gen *gen, unsigned width, unsigned d,
                        struct hg_x86_mem memory)
{
    struct hg_x86 *x = &gen->x;
    uint32_t whole = jump_if_whole(gen);
    hg_x86_rrr(x, HG_X86_VPXOR | HG_X86_256, d, d, d);
    hg_x86_mr(x, HG_X86_VMOVUPS_M | HG_X86_256, stage(), d);
    copy_elements(gen, width, memory, true);
    hg_avx2_load_whole(gen, width, d, stage());
    uint32_t done = hg_x86_jump(x);
    hg_x86_land(x, whole);
    hg_avx2_load_whole(gen, width, d, memory);
    hg_x86_land(x, done);
}

static void store_narrow(struct hg_code_gen *gen, unsigned width, unsigned a,
                         struct hg_x86_mem memory)
{
    uint32_t whole = jump_if_whole(gen);
    hg_avx2_store_whole(gen, width, a, stage());
    copy_elements(gen, width, memory, false);
    uint32_t done = hg_x86_jump(&gen->x);
    hg_x86_land(&gen->x, whole);
    hg_avx2_store_whole(gen, width, a, memory);
    hg_x86_land(&gen->x, done);
}

void hg_avx2_load(struct hg_code_gen *gen, unsigned width, unsigned d, struct hg_x86_mem memory)
{
    if (!gen->masked) {
        hg_avx2_load_whole(gen, width, d, memory);
    } else if (width != 2 && width != 3) {
        load_narrow(gen, width, d, memory);
    } else {
        hg_x86_rrm(&gen->x,
                   (width == 3 ? HG_X86_VPMASKMOVQ : HG_X86_VPMASKMOVD) |
                       hg_code_length(gen, width),
                   d, gen->tail_mask[width], memory);
    }
}

void hg_avx2_store(struct hg_code_gen *gen, unsigned width, unsigned a, struct hg_x86_mem memory)
{
    if (!gen->masked) {
        hg_avx2_store_whole(gen, width, a, memory);
    } else if (width != 2 && width != 3) {
        store_narrow(gen, width, a, memory);
    } else {
        hg_x86_mrr(&gen->x,
                   (width == 3 ? HG_X86_VPMASKMOVQ_M : HG_X86_VPMASKMOVD_M) |
                       hg_code_length(gen, width),
                   memory, gen->tail_mask[width], a);
    }
}

/* ---- the tail -------------------------------------------------------------------------------- */

void hg_avx2_take_masks(struct hg_code_gen *gen)
{
    const struct hg_emit *emit = gen->emit;
    for (uint16_t i = 0; i < emit->op_count; i++) {
        const struct hg_vop *vop = &emit->ops[i];
        bool moves = vop->op == HG_VOP_LOAD || vop->op == HG_VOP_STORE;
        bool masked = (moves && vop->width >= 2) || vop->op == HG_VOP_REDUCE;
        if (!masked || gen->tail_mask[vop->width] != HG_NO_REG) {
            continue;
        }
        unsigned r = hg_regs_take(gen);
        gen->tail_mask[vop->width] = (uint8_t)r;
        gen->kept |= 1u << r;
        gen->locked |= 1u << r;
    }
}

void hg_avx2_all_lanes(struct hg_code_gen *gen)
{
    hg_x86_mi(&gen->x, HG_X86_MOV_I | HG_X86_W64, frame(offsetof(struct hg_native_frame, live)),
              gen->emit->lanes);
    for (unsigned i = 0; i < HG_TAIL_MASKS; i++) {
        unsigned r = gen->tail_mask[i];
        if (r != HG_NO_REG) {
            hg_x86_rrr(&gen->x, HG_X86_VPCMPEQD | HG_X86_256, r, r, r);
        }
    }
}

/* From a row of ones and zeros, as many elements before its middle as there are lanes. */
void hg_avx2_set_lanes(struct hg_code_gen *gen)
{
    struct hg_x86 *x = &gen->x;
    hg_x86_mr(x, HG_X86_MOV_M | HG_X86_W64, frame(offsetof(struct hg_native_frame, live)),
              HG_X86_R11);
    hg_x86_rm(x, HG_X86_LEA | HG_X86_W64, HG_X86_RDX, hg_x86_code(0));
    hg_regs_refer(gen, HG_REFER_MASKS, 0);
    hg_x86_r(x, HG_X86_NEG | HG_X86_W64, HG_X86_R11);
    for (unsigned i = 0; i < HG_TAIL_MASKS; i++) {
        if (gen->tail_mask[i] != HG_NO_REG) {
            struct hg_x86_mem ones = hg_x86_indexed(HG_X86_RDX, HG_X86_R11, i < 3 ? i : 2, 32);
            hg_x86_rm(x, (i < 3 ? HG_X86_VMOVUPS : HG_X86_VPMOVSXDQ) | HG_X86_256,
                      gen->tail_mask[i], ones);
        }
    }
}

void hg_avx2_last_lanes(struct hg_code_gen *gen)
{
    hg_x86_rr(&gen->x, HG_X86_MOV | HG_X86_W64, HG_X86_R11, HG_X86_RCX);
    hg_avx2_set_lanes(gen);
}
