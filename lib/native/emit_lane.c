/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations that may fail for a lane, and those that take lanes one by one: memory at computed
 * addresses, and what there is no vector instruction for.
 *
 * Lanes exist up to the first that has failed: k1 says which, with AVX2 frame->live. Nothing is
 * read or written for others.
 */
#include "lib/native/emit_code.h"

#include <stddef.h>

#define STAGE(i) (offsetof(struct hg_native_frame, stage) + (i)*HG_NATIVE_VECTOR)

static struct hg_x86_mem frame(size_t offset)
{
    return hg_x86_at(HG_X86_RDI, (int32_t)offset);
}

#define FRAME(field) frame(offsetof(struct hg_native_frame, field))

/* Element INDEX, a register, of the stage's vector I. */
static struct hg_x86_mem staged(unsigned i, unsigned index, unsigned width)
{
    return hg_x86_indexed(HG_X86_RDI, index, width, (int32_t)STAGE(i));
}

static struct hg_x86_mem of_slot(size_t array, unsigned slot)
{
    return frame(array + slot * sizeof(uint64_t));
}

static void load_base(struct hg_code_gen *gen, unsigned r, unsigned slot)
{
    hg_x86_rm(&gen->x, HG_X86_MOV | HG_X86_W64, r,
              of_slot(offsetof(struct hg_native_frame, base), slot));
}

static void put_stage(struct hg_code_gen *gen, unsigned i, unsigned r, unsigned width)
{
    hg_x86_mr(&gen->x, HG_X86_VMOVUPS_M | hg_code_length(gen, width), frame(STAGE(i)), r);
}

/* ---- failures -------------------------------------------------------------------------------- */

/* Lane rdx of the vector fails: it is remembered, with its offset in register OFFSETS, and only
 * lanes below it go on. */
static void note_failure(struct hg_code_gen *gen, const struct hg_vop *vop, unsigned offsets)
{
    struct hg_x86 *x = &gen->x;
    if (offsets != HG_NO_REG) {
        put_stage(gen, 0, offsets, 3);
        hg_x86_rm(x, HG_X86_MOV | HG_X86_W64, HG_X86_R11, staged(0, HG_X86_RDX, 3));
        hg_x86_mr(x, HG_X86_MOV_M | HG_X86_W64, FRAME(fail_offset), HG_X86_R11);
    }
    if (hg_code_has_masks(gen)) {
        hg_x86_load(x, HG_X86_R11, UINT64_MAX);
        hg_x86_rrr(x, HG_X86_BZHI | HG_X86_W64, HG_X86_R11, HG_X86_R11, HG_X86_RDX);
        hg_x86_rr(x, HG_X86_KMOVQ_R, HG_TAIL_MASK, HG_X86_R11);
    } else {
        hg_x86_mr(x, HG_X86_MOV_M | HG_X86_W64, FRAME(live), HG_X86_RDX);
    }
    hg_x86_rr(x, HG_X86_ADD | HG_X86_W64, HG_X86_RDX, HG_X86_RAX);
    hg_x86_rm(x, HG_X86_ADD | HG_X86_W64, HG_X86_RDX, FRAME(lane));
    hg_x86_mr(x, HG_X86_MOV_M | HG_X86_W64, FRAME(fail_lane), HG_X86_RDX);
    hg_x86_load(x, HG_X86_R11, vop->bits);
    hg_x86_mr(x, HG_X86_MOV_M | HG_X86_W64, FRAME(fail_pc), HG_X86_R11);
    if (!hg_code_has_masks(gen)) {
        hg_x86_rm(x, HG_X86_MOV | HG_X86_W64, HG_X86_R11, FRAME(live));
        hg_avx2_set_lanes(gen);
    }
}

/* Those of the lanes in the mask k2 fail. */
static void fail_mask(struct hg_code_gen *gen, const struct hg_vop *vop, unsigned offsets)
{
    struct hg_x86 *x = &gen->x;
    hg_x86_rr(x, HG_X86_KORTESTQ, HG_SPARE_MASK, HG_SPARE_MASK);
    uint32_t fine = hg_x86_jump_if(x, HG_X86_CC_E);
    hg_x86_rr(x, HG_X86_KMOVQ_G, HG_X86_RDX, HG_SPARE_MASK);
    hg_x86_rr(x, HG_X86_TZCNT | HG_X86_W64, HG_X86_RDX, HG_X86_RDX);
    note_failure(gen, vop, offsets);
    hg_x86_land(x, fine);
}

/* Those of the lanes whose elements of WIDTH in R are negative fail: with AVX2. */
static void fail_negative(struct hg_code_gen *gen, const struct hg_vop *vop, unsigned width,
                          unsigned r, unsigned offsets)
{
    struct hg_x86 *x = &gen->x;
    hg_x86_rr(x, (width == 3 ? HG_X86_VMOVMSKPD : HG_X86_VMOVMSKPS) | hg_code_length(gen, width),
              HG_X86_RDX, r);
    hg_x86_rm(x, HG_X86_MOV | HG_X86_W64, HG_X86_R11, FRAME(live));
    hg_x86_rrr(x, HG_X86_BZHI | HG_X86_W64, HG_X86_RDX, HG_X86_RDX, HG_X86_R11);
    hg_x86_rr(x, HG_X86_TEST, HG_X86_RDX, HG_X86_RDX);
    uint32_t fine = hg_x86_jump_if(x, HG_X86_CC_E);
    hg_x86_rr(x, HG_X86_TZCNT | HG_X86_W64, HG_X86_RDX, HG_X86_RDX);
    note_failure(gen, vop, offsets);
    hg_x86_land(x, fine);
}

/* A divisor that is 0. */
static void check(struct hg_code_gen *gen, const struct hg_vop *vop, uint32_t insn)
{
    unsigned ra = hg_regs_of(gen, vop->a);
    if (hg_code_has_masks(gen)) {
        hg_x86_rrr(&gen->x, insn | HG_X86_K(HG_TAIL_MASK), HG_SPARE_MASK, ra, ra);
        fail_mask(gen, vop, HG_NO_REG);
        return;
    }
    unsigned zero = hg_regs_take(gen);
    uint32_t length = hg_code_length(gen, vop->width);
    hg_x86_rrr(&gen->x, HG_X86_VPXOR | length, zero, zero, zero);
    hg_x86_rrr(&gen->x, (vop->width == 3 ? HG_X86_VPCMPEQQ : HG_X86_VPCMPEQD) | length, zero, zero,
               ra);
    fail_negative(gen, vop, vop->width, zero, HG_NO_REG);
    gen->free |= 1u << zero;
}

/* An offset at or above the limit. With AVX2, which compares with a sign, both have it flipped, and
 * c is the offset itself. */
static void bound(struct hg_code_gen *gen, const struct hg_vop *vop, uint32_t insn)
{
    const unsigned not_below = 5;
    unsigned ra = hg_regs_of(gen, vop->a);
    unsigned rb = hg_regs_of(gen, vop->b);
    if (hg_code_has_masks(gen)) {
        hg_x86_rrri(&gen->x, insn | HG_X86_K(HG_TAIL_MASK), HG_SPARE_MASK, ra, rb, not_below);
        fail_mask(gen, vop, ra);
        return;
    }
    unsigned rc = hg_regs_of(gen, vop->c);
    unsigned outside = hg_regs_take(gen);
    unsigned ones = hg_regs_take(gen);
    hg_x86_rrr(&gen->x, HG_X86_VPCMPGTQ | HG_X86_256, outside, rb, ra);
    hg_x86_rrr(&gen->x, HG_X86_VPCMPEQD | HG_X86_256, ones, ones, ones);
    hg_x86_rrr(&gen->x, HG_X86_VPXOR | HG_X86_256, outside, outside, ones);
    fail_negative(gen, vop, 3, outside, rc);
    gen->free |= 1u << outside | 1u << ones;
}

void hg_lane_limit(struct hg_code_gen *gen, const struct hg_vop *vop, unsigned d)
{
    struct hg_x86 *x = &gen->x;
    hg_x86_rm(x, HG_X86_MOV | HG_X86_W64, HG_X86_R11,
              of_slot(offsetof(struct hg_native_frame, bytes), vop->imm));
    if (vop->bits != 0) {
        hg_x86_ri(x, HG_X86_SUB_I | HG_X86_W64, HG_X86_R11, (1 << vop->bits) - 1);
        uint32_t some = hg_x86_jump_if(x, HG_X86_CC_AE);
        hg_x86_rr(x, HG_X86_XOR, HG_X86_R11, HG_X86_R11); /* no element fits: all are outside */
        hg_x86_land(x, some);
    }
    hg_x86_rr(x, HG_X86_VMOVQ, d, HG_X86_R11);
    hg_x86_rr(x, HG_X86_VPBROADCASTQ | hg_code_length(gen, 3), d, d);
}

/* ---- memory at offsets ----------------------------------------------------------------------- */

/* By way of r11. */
static void move_element(struct hg_code_gen *gen, unsigned width, struct hg_x86_mem to,
                         struct hg_x86_mem from)
{
    static const uint32_t loads[] = {HG_X86_MOVZX8, HG_X86_MOVZX16, HG_X86_MOV,
                                     HG_X86_MOV | HG_X86_W64};
    static const uint32_t stores[] = {HG_X86_MOV_M8, HG_X86_MOV_M16, HG_X86_MOV_M,
                                      HG_X86_MOV_M | HG_X86_W64};
    hg_x86_rm(&gen->x, loads[width], HG_X86_R11, from);
    hg_x86_mr(&gen->x, stores[width], to, HG_X86_R11);
}

/* frame->live, where it is not known yet; clobbers rdx. */
static void count_lanes(struct hg_code_gen *gen)
{
    if (hg_code_has_masks(gen)) {
        hg_x86_rr(&gen->x, HG_X86_KMOVQ_G, HG_X86_RDX, HG_TAIL_MASK);
        hg_x86_rr(&gen->x, HG_X86_POPCNT | HG_X86_W64, HG_X86_RDX, HG_X86_RDX);
        hg_x86_mr(&gen->x, HG_X86_MOV_M | HG_X86_W64, FRAME(live), HG_X86_RDX);
    }
}

/* For each lane that exists, in their order, the offset in the stage's first vector and the element
 * in its second: from the operand, or to it. */
static void move_each(struct hg_code_gen *gen, const struct hg_vop *vop, bool to_operand)
{
    struct hg_x86 *x = &gen->x;
    count_lanes(gen);
    hg_x86_mr(x, HG_X86_MOV_M | HG_X86_W64, FRAME(saved), HG_X86_RCX);
    hg_x86_rr(x, HG_X86_XOR, HG_X86_RCX, HG_X86_RCX);
    uint32_t test = hg_x86_jump(x);
    uint32_t top = hg_x86_here(x);
    hg_x86_rm(x, HG_X86_MOV | HG_X86_W64, HG_X86_RDX, staged(0, HG_X86_RCX, 3));
    hg_x86_rm(x, HG_X86_ADD | HG_X86_W64, HG_X86_RDX,
              of_slot(offsetof(struct hg_native_frame, base), vop->imm));
    struct hg_x86_mem element = staged(1, HG_X86_RCX, vop->width);
    struct hg_x86_mem memory = hg_x86_at(HG_X86_RDX, 0);
    move_element(gen, vop->width, to_operand ? memory : element, to_operand ? element : memory);
    hg_x86_ri(x, HG_X86_ADD_I | HG_X86_W64, HG_X86_RCX, 1);
    hg_x86_land(x, test);
    hg_x86_rm(x, HG_X86_CMP | HG_X86_W64, HG_X86_RCX, FRAME(live));
    hg_x86_jump_if_to(x, HG_X86_CC_B, top);
    hg_x86_rm(x, HG_X86_MOV | HG_X86_W64, HG_X86_RCX, FRAME(saved));
}

/* The one element for all lanes, at an offset that may be outside: what is checked is the register
 * that is used. Outside, where the body finds the failure, it is 0. */
static void fetch_one(struct hg_code_gen *gen, const struct hg_vop *vop)
{
    struct hg_x86 *x = &gen->x;
    unsigned ra = hg_regs_of(gen, vop->a);
    unsigned d = hg_regs_take(gen);
    hg_x86_rrr(x, HG_X86_VPXOR | HG_X86_128, d, d, d);
    hg_x86_rr(x, HG_X86_VMOVQ_M, HG_X86_RDX, ra);
    hg_x86_rm(x, HG_X86_MOV | HG_X86_W64, HG_X86_R11,
              of_slot(offsetof(struct hg_native_frame, bytes), vop->imm));
    hg_x86_ri(x, HG_X86_SUB_I | HG_X86_W64, HG_X86_R11, 1 << vop->width);
    uint32_t none = hg_x86_jump_if(x, HG_X86_CC_B);
    hg_x86_rr(x, HG_X86_CMP | HG_X86_W64, HG_X86_RDX, HG_X86_R11);
    uint32_t outside = hg_x86_jump_if(x, HG_X86_CC_A);
    load_base(gen, HG_X86_R11, vop->imm);
    hg_code_broadcast(gen, vop->width, d, hg_x86_indexed(HG_X86_R11, HG_X86_RDX, 0, 0));
    hg_x86_land(x, none);
    hg_x86_land(x, outside);
    hg_regs_release(gen);
    hg_regs_define(gen, gen->at, d);
}

/* One by one, from offsets in RA. */
static void fetch_each(struct hg_code_gen *gen, const struct hg_vop *vop, unsigned d, unsigned ra)
{
    put_stage(gen, 0, ra, 3);
    move_each(gen, vop, false);
    hg_x86_rm(&gen->x, HG_X86_VMOVUPS | hg_code_length(gen, vop->width), d, frame(STAGE(1)));
}

/* D = doublewords, or INSN's elements, at offsets INDEX of the operand. */
static void gather(struct hg_code_gen *gen, const struct hg_vop *vop, uint32_t insn, unsigned d,
                   unsigned index)
{
    struct hg_x86 *x = &gen->x;
    load_base(gen, HG_X86_R11, vop->imm);
    hg_x86_rr(x, HG_X86_KMOVQ, HG_SPARE_MASK, HG_TAIL_MASK);
    hg_x86_rrr(x, HG_X86_VPXORD | HG_X86_512, d, d, d);
    hg_x86_rm(x, insn | HG_X86_512 | HG_X86_K(HG_SPARE_MASK), d,
              hg_x86_indexed(HG_X86_R11, index, 0, 0));
}

/* Elements of 1 and 2 bytes: of each the doubleword that it starts, or the operand's last one, and
 * shifted. An operand of less than that has its elements one by one. */
static void gather_narrow(struct hg_code_gen *gen, const struct hg_vop *vop, unsigned d,
                          unsigned ra)
{
    struct hg_x86 *x = &gen->x;
    /* In front of the branch: what makes room for them is put away on both ways. */
    unsigned start = hg_regs_take(gen);
    unsigned rest = hg_regs_take(gen);
    hg_x86_rm(x, HG_X86_MOV | HG_X86_W64, HG_X86_R11,
              of_slot(offsetof(struct hg_native_frame, bytes), vop->imm));
    hg_x86_ri(x, HG_X86_SUB_I | HG_X86_W64, HG_X86_R11, 4);
    uint32_t small = hg_x86_jump_if(x, HG_X86_CC_B);
    hg_x86_rr(x, HG_X86_VPBROADCASTQ_R | HG_X86_512, start, HG_X86_R11);
    hg_x86_rrr(x, HG_X86_VPMINUQ | HG_X86_512, start, start, ra);
    hg_x86_rrr(x, HG_X86_VPSUBQ | HG_X86_512, rest, ra, start);
    hg_x86_rri(x, HG_X86_VPSLLQ_I | HG_X86_512, rest, rest, 3);
    hg_x86_rr(x, HG_X86_VPMOVQD | HG_X86_512, rest, rest);
    gather(gen, vop, HG_X86_VPGATHERQD, d, start);
    hg_x86_rrr(x, HG_X86_VPSRLVD | HG_X86_256, d, d, rest);
    hg_x86_rr(x, (vop->width == 0 ? HG_X86_VPMOVDB : HG_X86_VPMOVDW) | HG_X86_256, d, d);
    uint32_t done = hg_x86_jump(x);
    hg_x86_land(x, small);
    fetch_each(gen, vop, d, ra);
    hg_x86_land(x, done);
    gen->free |= 1u << start | 1u << rest;
}

/* With AVX2 whole vectors of 4 and 8 bytes. */
static void gather_avx2(struct hg_code_gen *gen, const struct hg_vop *vop, unsigned d, unsigned ra)
{
    struct hg_x86 *x = &gen->x;
    unsigned mask = hg_regs_take(gen);
    hg_x86_mi(x, HG_X86_CMP_I | HG_X86_W64, FRAME(live), gen->emit->lanes);
    uint32_t part = hg_x86_jump_if(x, HG_X86_CC_NE);
    load_base(gen, HG_X86_R11, vop->imm);
    hg_x86_rrr(x, HG_X86_VPCMPEQD | HG_X86_256, mask, mask, mask);
    hg_x86_rmr(x, (vop->width == 3 ? HG_X86_VPGATHERQQ_V : HG_X86_VPGATHERQD_V) | HG_X86_256, d,
               hg_x86_indexed(HG_X86_R11, ra, 0, 0), mask);
    uint32_t done = hg_x86_jump(x);
    hg_x86_land(x, part);
    fetch_each(gen, vop, d, ra);
    hg_x86_land(x, done);
    gen->free |= 1u << mask;
}

static void fetch(struct hg_code_gen *gen, const struct hg_vop *vop, uint32_t insn)
{
    if ((vop->flags & HG_VOP_UNIFORM) != 0) {
        fetch_one(gen, vop);
        return;
    }
    unsigned ra = hg_regs_of(gen, vop->a);
    unsigned d = hg_regs_take(gen);
    if (hg_code_has_masks(gen)) {
        if (vop->width >= 2) {
            gather(gen, vop, insn, d, ra);
        } else {
            gather_narrow(gen, vop, d, ra);
        }
    } else if (vop->width >= 2) {
        gather_avx2(gen, vop, d, ra);
    } else {
        fetch_each(gen, vop, d, ra);
    }
    hg_regs_release(gen);
    hg_regs_define(gen, gen->at, d);
}

static void scatter(struct hg_code_gen *gen, const struct hg_vop *vop, uint32_t insn)
{
    struct hg_x86 *x = &gen->x;
    unsigned ra = hg_regs_of(gen, vop->a);
    unsigned rb = hg_regs_of(gen, vop->b);
    if (hg_code_has_masks(gen) && vop->width >= 2) {
        load_base(gen, HG_X86_R11, vop->imm);
        hg_x86_rr(x, HG_X86_KMOVQ, HG_SPARE_MASK, HG_TAIL_MASK);
        hg_x86_mr(x, insn | HG_X86_512 | HG_X86_K(HG_SPARE_MASK),
                  hg_x86_indexed(HG_X86_R11, rb, 0, 0), ra);
        return;
    }
    put_stage(gen, 0, rb, 3);
    put_stage(gen, 1, ra, vop->width);
    move_each(gen, vop, true);
}

/* ---- 64-bit quotients ------------------------------------------------------------------------ */

/* The divisor is neither 0 nor -1, whatever the lane: nothing traps. */
static void quotient(struct hg_code_gen *gen, const struct hg_vop *vop)
{
    struct hg_x86 *x = &gen->x;
    unsigned ra = hg_regs_of(gen, vop->a);
    unsigned rb = hg_regs_of(gen, vop->b);
    put_stage(gen, 0, ra, 3);
    put_stage(gen, 1, rb, 3);
    hg_regs_release(gen);
    unsigned d = hg_regs_take(gen);
    hg_x86_mr(x, HG_X86_MOV_M | HG_X86_W64, FRAME(saved), HG_X86_RAX);
    hg_x86_load(x, HG_X86_R11, gen->emit->lanes);
    uint32_t top = hg_x86_here(x);
    struct hg_x86_mem element = hg_x86_indexed(HG_X86_RDI, HG_X86_R11, 3, (int32_t)STAGE(0) - 8);
    struct hg_x86_mem divisor = hg_x86_indexed(HG_X86_RDI, HG_X86_R11, 3, (int32_t)STAGE(1) - 8);
    hg_x86_rm(x, HG_X86_MOV | HG_X86_W64, HG_X86_RAX, element);
    if (vop->imm != 0) {
        hg_x86_0(x, HG_X86_CDQ | HG_X86_W64);
        hg_x86_m(x, HG_X86_IDIV | HG_X86_W64, divisor);
    } else {
        hg_x86_rr(x, HG_X86_XOR, HG_X86_RDX, HG_X86_RDX);
        hg_x86_m(x, HG_X86_DIV | HG_X86_W64, divisor);
    }
    hg_x86_mr(x, HG_X86_MOV_M | HG_X86_W64, element, HG_X86_RAX);
    hg_x86_ri(x, HG_X86_SUB_I | HG_X86_W64, HG_X86_R11, 1);
    hg_x86_jump_if_to(x, HG_X86_CC_NE, top);
    hg_x86_rm(x, HG_X86_MOV | HG_X86_W64, HG_X86_RAX, FRAME(saved));
    hg_x86_rm(x, HG_X86_VMOVUPS | hg_code_length(gen, 3), d, frame(STAGE(0)));
    hg_regs_define(gen, gen->at, d);
}

void hg_lane_vop(struct hg_code_gen *gen, uint32_t insn)
{
    const struct hg_vop *vop = &gen->emit->ops[gen->at];
    switch (vop->op) {
    case HG_VOP_CHECK:
        check(gen, vop, insn | hg_code_length(gen, vop->width));
        hg_regs_release(gen);
        break;
    case HG_VOP_BOUND:
        bound(gen, vop, insn | hg_code_length(gen, vop->width));
        hg_regs_release(gen);
        break;
    case HG_VOP_SCATTER:
        scatter(gen, vop, insn);
        hg_regs_release(gen);
        break;
    case HG_VOP_FETCH:
        fetch(gen, vop, insn);
        break;
    default:
        quotient(gen, vop);
        break;
    }
}
