/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What AVX2 does otherwise: masks are vectors, memory is masked for elements of 4 and 8 bytes only,
 * constants come in registers. Operations that it does not have at all are refused by the encoder,
 * and with them the region; so are elements of less than 4 bytes.
 */
#include "lib/native/emit_code.h"

/* Instructions for elements of 4 and 8 bytes, where they differ from AVX-512's. */
static uint32_t insn_of(const struct hg_vop *vop)
{
    bool wide = vop->width == 3;
    switch (vop->op) {
    case HG_VOP_FRINT:
        return wide ? HG_X86_VROUNDPD : HG_X86_VROUNDPS;
    case HG_VOP_FCMP:
        return wide ? HG_X86_VCMPPD : HG_X86_VCMPPS;
    case HG_VOP_ICMPS:
        if (vop->imm == 0) {
            return wide ? HG_X86_VPCMPEQQ : HG_X86_VPCMPEQD;
        }
        return wide ? HG_X86_VPCMPGTQ : HG_X86_VPCMPGTD;
    case HG_VOP_IAND:
    case HG_VOP_MAND:
        return HG_X86_VPAND;
    case HG_VOP_IOR:
    case HG_VOP_MOR:
        return HG_X86_VPOR;
    case HG_VOP_IXOR:
        return HG_X86_VPXOR;
    default:
        return HG_X86_OP_COUNT;
    }
}

/* ---- memory ---------------------------------------------------------------------------------- */

void hg_avx2_load(struct hg_code_gen *gen, unsigned width, unsigned d, struct hg_x86_mem memory)
{
    if (width < 2) {
        gen->failed = true;
    } else if (gen->masked) {
        hg_x86_rrm(&gen->x,
                   (width == 3 ? HG_X86_VPMASKMOVQ : HG_X86_VPMASKMOVD) |
                       hg_code_length(gen, width),
                   d, gen->tail_mask[width - 2], memory);
    } else {
        hg_x86_rm(&gen->x, HG_X86_VMOVUPS | hg_code_length(gen, width), d, memory);
    }
}

void hg_avx2_store(struct hg_code_gen *gen, unsigned width, unsigned a, struct hg_x86_mem memory)
{
    if (width < 2) {
        gen->failed = true;
    } else if (gen->masked) {
        hg_x86_mrr(&gen->x,
                   (width == 3 ? HG_X86_VPMASKMOVQ_M : HG_X86_VPMASKMOVD_M) |
                       hg_code_length(gen, width),
                   memory, gen->tail_mask[width - 2], a);
    } else {
        hg_x86_mr(&gen->x, HG_X86_VMOVUPS_M | hg_code_length(gen, width), memory, a);
    }
}

/* ---- the tail -------------------------------------------------------------------------------- */

void hg_avx2_take_masks(struct hg_code_gen *gen)
{
    const struct hg_emit *emit = gen->emit;
    gen->tail_mask[0] = gen->tail_mask[1] = HG_NO_REG;
    for (uint16_t i = 0; i < emit->op_count; i++) {
        const struct hg_vop *vop = &emit->ops[i];
        bool masked = vop->op == HG_VOP_LOAD || vop->op == HG_VOP_STORE || vop->op == HG_VOP_REDUCE;
        if (!masked || vop->width < 2 || gen->tail_mask[vop->width - 2] != HG_NO_REG) {
            continue;
        }
        unsigned r = hg_regs_take(gen);
        gen->tail_mask[vop->width - 2] = (uint8_t)r;
        gen->kept |= 1u << r;
        gen->locked |= 1u << r;
    }
}

void hg_avx2_all_lanes(struct hg_code_gen *gen)
{
    for (unsigned i = 0; i < 2; i++) {
        unsigned r = gen->tail_mask[i];
        if (r != HG_NO_REG) {
            hg_x86_rrr(&gen->x, HG_X86_VPCMPEQD | HG_X86_256, r, r, r);
        }
    }
}

/* From a row of ones and zeros, as many before its middle as lanes are left. */
void hg_avx2_last_lanes(struct hg_code_gen *gen)
{
    struct hg_x86 *x = &gen->x;
    hg_x86_rm(x, HG_X86_LEA | HG_X86_W64, HG_X86_RDX, hg_x86_code(0));
    hg_regs_refer(gen, HG_REFER_MASKS, 0);
    hg_x86_rr(x, HG_X86_MOV | HG_X86_W64, HG_X86_R11, HG_X86_RCX);
    hg_x86_r(x, HG_X86_NEG | HG_X86_W64, HG_X86_R11);
    struct hg_x86_mem ones = hg_x86_indexed(HG_X86_RDX, HG_X86_R11, 2, 32);
    if (gen->tail_mask[0] != HG_NO_REG) {
        hg_x86_rm(x, HG_X86_VMOVUPS | HG_X86_256, gen->tail_mask[0], ones);
    }
    if (gen->tail_mask[1] != HG_NO_REG) {
        hg_x86_rm(x, HG_X86_VPMOVSXDQ | HG_X86_256, gen->tail_mask[1], ones);
    }
}

/* ---- operations ------------------------------------------------------------------------------ */

static void two_registers(struct hg_code_gen *gen, const struct hg_vop *vop, uint32_t insn)
{
    unsigned ra = hg_regs_of(gen, vop->a);
    unsigned rb = hg_regs_of(gen, vop->b);
    hg_regs_release(gen);
    unsigned d = hg_regs_take(gen);
    if (vop->op == HG_VOP_FCMP) {
        hg_x86_rrri(&gen->x, insn, d, ra, rb, vop->imm);
    } else {
        hg_x86_rrr(&gen->x, insn, d, ra, rb);
    }
    hg_regs_define(gen, gen->at, d);
}

static void negate(struct hg_code_gen *gen, const struct hg_vop *vop, uint32_t length)
{
    unsigned ra = hg_regs_of(gen, vop->a);
    unsigned d = hg_regs_take(gen);
    hg_x86_rrr(&gen->x, HG_X86_VPCMPEQD | length, d, d, d);
    hg_x86_rrr(&gen->x, HG_X86_VPXOR | length, d, d, ra);
    hg_regs_release(gen);
    hg_regs_define(gen, gen->at, d);
}

static void blend(struct hg_code_gen *gen, const struct hg_vop *vop, uint32_t length)
{
    unsigned mask = hg_regs_of(gen, vop->a);
    unsigned t = hg_regs_of(gen, vop->b);
    unsigned f = hg_regs_of(gen, vop->c);
    hg_regs_release(gen);
    unsigned d = hg_regs_take(gen);
    hg_x86_rrrr(&gen->x, (vop->width == 3 ? HG_X86_VBLENDVPD : HG_X86_VBLENDVPS) | length, d, f, t,
                mask);
    hg_regs_define(gen, gen->at, d);
}

/* Four elements of 8 bytes to 4: the even halves. */
static void cut(struct hg_code_gen *gen, const struct hg_vop *vop)
{
    unsigned ra = hg_regs_of(gen, vop->a);
    unsigned d = hg_regs_take(gen);
    hg_x86_rri(&gen->x, HG_X86_VEXTRACTF128 | HG_X86_256, d, ra, 1);
    hg_x86_rrri(&gen->x, HG_X86_VSHUFPS, d, ra, d, 0x88);
    hg_regs_release(gen);
    hg_regs_define(gen, gen->at, d);
}

static void gather(struct hg_code_gen *gen, const struct hg_vop *vop)
{
    unsigned ra = hg_regs_of(gen, vop->a);
    unsigned d = hg_regs_take(gen);
    unsigned mask = hg_regs_take(gen);
    hg_x86_load(&gen->x, HG_X86_R11, vop->bits);
    hg_x86_rrr(&gen->x, HG_X86_VPCMPEQD | HG_X86_256, mask, mask, mask);
    hg_x86_rmr(&gen->x, HG_X86_VGATHERQPD_V | HG_X86_256, d, hg_x86_indexed(HG_X86_R11, ra, 3, 0),
               mask);
    gen->free |= 1u << mask;
    hg_regs_release(gen);
    hg_regs_define(gen, gen->at, d);
}

bool hg_avx2_vop(struct hg_code_gen *gen)
{
    const struct hg_vop *vop = &gen->emit->ops[gen->at];
    gen->failed |= vop->width < 2;
    uint32_t length = hg_code_length(gen, vop->width);
    uint32_t insn = insn_of(vop);
    switch (vop->op) {
    case HG_VOP_MNOT:
        negate(gen, vop, length);
        return true;
    case HG_VOP_SELECT:
        blend(gen, vop, length);
        return true;
    case HG_VOP_CUT_2_3:
        cut(gen, vop);
        return true;
    case HG_VOP_GATHER:
        gather(gen, vop);
        return true;
    case HG_VOP_CHECK:
        gen->failed = true;
        return true;
    case HG_VOP_FRINT: {
        unsigned ra = hg_regs_of(gen, vop->a);
        hg_regs_release(gen);
        unsigned d = hg_regs_take(gen);
        hg_x86_rri(&gen->x, insn | length, d, ra, 0);
        hg_regs_define(gen, gen->at, d);
        return true;
    }
    default:
        if (insn == HG_X86_OP_COUNT) {
            return false;
        }
        two_registers(gen, vop, insn | length);
        return true;
    }
}

/* ---- reductions ------------------------------------------------------------------------------ */

/* D = the lesser or greater number of ACC and R, neither a signalling NaN: as emit_lower_math.c has
 * it for MIN and MAX. */
static void extreme(struct hg_code_gen *gen, const struct hg_emit_reduce *reduce, unsigned d,
                    unsigned acc, unsigned r, uint32_t length)
{
    struct hg_x86 *x = &gen->x;
    bool wide = reduce->width == 3;
    bool most = reduce->op == 2;
    unsigned mask = hg_regs_take(gen);
    uint32_t compare = (wide ? HG_X86_VCMPPD : HG_X86_VCMPPS) | length;
    uint32_t blend_insn = (wide ? HG_X86_VBLENDVPD : HG_X86_VBLENDVPS) | length;
    uint32_t plain = hg_code_insn(most ? HG_VOP_FMAX : HG_VOP_FMIN, reduce->width) | length;
    hg_x86_rrr(x, plain, d, acc, r);
    hg_x86_rrri(x, compare, mask, r, r, 3); /* unordered */
    hg_x86_rrrr(x, blend_insn, d, d, acc, mask);
    hg_x86_rrri(x, compare, mask, acc, r, 0); /* equal */
    unsigned both = hg_regs_take(gen);
    hg_x86_rrr(x, (most ? HG_X86_VPAND : HG_X86_VPOR) | length, both, acc, r);
    hg_x86_rrrr(x, blend_insn, d, d, both, mask);
    gen->free |= 1u << mask | 1u << both;
}

void hg_avx2_accumulate(struct hg_code_gen *gen, unsigned index, unsigned acc, unsigned r,
                        uint32_t length, bool masked)
{
    const struct hg_emit_reduce *reduce = &gen->emit->reduces[index];
    if (reduce->width < 2) {
        gen->failed = true; /* such elements have no masks */
        return;
    }
    enum hg_vop_code op = hg_code_reduce_op(reduce);
    unsigned d = masked || op == HG_VOP_FRANGE ? hg_regs_take(gen) : acc;
    if (op == HG_VOP_FRANGE) {
        extreme(gen, reduce, d, acc, r, length);
    } else {
        hg_x86_rrr(&gen->x, hg_code_insn(op, reduce->width) | length, d, acc, r);
    }
    if (masked) {
        uint32_t blend_insn = reduce->width == 3 ? HG_X86_VBLENDVPD : HG_X86_VBLENDVPS;
        hg_x86_rrrr(&gen->x, blend_insn | length, acc, acc, d, gen->tail_mask[reduce->width - 2]);
    } else if (d != acc) {
        hg_x86_rr(&gen->x, HG_X86_VMOVAPS | length, acc, d);
    }
    if (d != acc) {
        gen->free |= 1u << d;
    }
}
