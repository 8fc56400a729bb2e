/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What AVX2 does otherwise: masks are vectors, memory is masked for elements of 4 and 8 bytes only,
 * constants come in registers. Operations that it does not have at all were made of others
 * (emit_expand.c).
 */
#include "lib/native/emit_code.h"

#include <stddef.h>

/* Instructions by log2 of the bytes of an element, where they differ from AVX-512's. */
static uint32_t insn_of(const struct hg_vop *vop)
{
    static const uint16_t equal[] = {HG_X86_VPCMPEQB, HG_X86_VPCMPEQW, HG_X86_VPCMPEQD,
                                     HG_X86_VPCMPEQQ};
    static const uint16_t greater[] = {HG_X86_VPCMPGTB, HG_X86_VPCMPGTW, HG_X86_VPCMPGTD,
                                       HG_X86_VPCMPGTQ};
    bool wide = vop->width == 3;
    switch (vop->op) {
    case HG_VOP_FRINT:
        return wide ? HG_X86_VROUNDPD : HG_X86_VROUNDPS;
    case HG_VOP_FCMP:
        return wide ? HG_X86_VCMPPD : HG_X86_VCMPPS;
    case HG_VOP_ICMPS:
        return vop->imm == 0 ? equal[vop->width] : greater[vop->width];
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

static uint32_t blend_insn(unsigned width)
{
    return width == 3 ? HG_X86_VBLENDVPD : width == 2 ? HG_X86_VBLENDVPS : HG_X86_VPBLENDVB;
}

static void blend(struct hg_code_gen *gen, const struct hg_vop *vop, uint32_t length)
{
    unsigned mask = hg_regs_of(gen, vop->a);
    unsigned t = hg_regs_of(gen, vop->b);
    unsigned f = hg_regs_of(gen, vop->c);
    hg_regs_release(gen);
    unsigned d = hg_regs_take(gen);
    hg_x86_rrrr(&gen->x, blend_insn(vop->width) | length, d, f, t, mask);
    hg_regs_define(gen, gen->at, d);
}

/* Four elements of 8 bytes to 4: the even halves. */
static void cut_longs(struct hg_code_gen *gen, const struct hg_vop *vop)
{
    unsigned ra = hg_regs_of(gen, vop->a);
    unsigned d = hg_regs_take(gen);
    hg_x86_rri(&gen->x, HG_X86_VEXTRACTF128 | HG_X86_256, d, ra, 1);
    hg_x86_rrri(&gen->x, HG_X86_VSHUFPS, d, ra, d, 0x88);
    hg_regs_release(gen);
    hg_regs_define(gen, gen->at, d);
}

/* The bytes that stay to the front of each half, as b says which; then the halves' side by side. */
static void cut(struct hg_code_gen *gen, const struct hg_vop *vop)
{
    struct hg_x86 *x = &gen->x;
    unsigned bytes = (unsigned)gen->emit->lanes << vop->imm;
    unsigned ra = hg_regs_of(gen, vop->a);
    unsigned rb = hg_regs_of(gen, vop->b);
    unsigned d = hg_regs_take(gen);
    hg_x86_rrr(x, HG_X86_VPSHUFB | (bytes > 16 ? HG_X86_256 : HG_X86_128), d, ra, rb);
    if (bytes > 16) {
        unsigned stay = 16u >> (vop->imm - vop->width); /* bytes of a half */
        unsigned upper = hg_regs_take(gen);
        hg_x86_rri(x, HG_X86_VEXTRACTF128 | HG_X86_256, upper, d, 1);
        hg_x86_rrr(x,
                   stay == 8   ? HG_X86_VPUNPCKLQDQ
                   : stay == 4 ? HG_X86_VPUNPCKLDQ
                               : HG_X86_VPUNPCKLWD,
                   d, d, upper);
        gen->free |= 1u << upper;
    }
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
        cut_longs(gen, vop);
        return true;
    case HG_VOP_CUT_0_1:
    case HG_VOP_CUT_0_2:
    case HG_VOP_CUT_0_3:
    case HG_VOP_CUT_1_2:
    case HG_VOP_CUT_1_3:
        cut(gen, vop);
        return true;
    case HG_VOP_GATHER:
        gather(gen, vop);
        return true;
    case HG_VOP_FRINT: {
        unsigned ra = hg_regs_of(gen, vop->a);
        hg_regs_release(gen);
        unsigned d = hg_regs_take(gen);
        hg_x86_rri(&gen->x, insn | length, d, ra, vop->imm);
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
    uint32_t choose = blend_insn(reduce->width) | length;
    uint32_t plain = hg_code_insn(most ? HG_VOP_FMAX : HG_VOP_FMIN, reduce->width) | length;
    hg_x86_rrr(x, plain, d, acc, r);
    hg_x86_rrri(x, compare, mask, r, r, 3); /* unordered */
    hg_x86_rrrr(x, choose, d, d, acc, mask);
    hg_x86_rrri(x, compare, mask, acc, r, 0); /* equal */
    unsigned both = hg_regs_take(gen);
    hg_x86_rrr(x, (most ? HG_X86_VPAND : HG_X86_VPOR) | length, both, acc, r);
    hg_x86_rrrr(x, choose, d, d, both, mask);
    gen->free |= 1u << mask | 1u << both;
}

/* D = the lesser or greater of integers of 8 bytes; compared with a sign that unsigned ones have
 * flipped. */
static void extreme_longs(struct hg_code_gen *gen, const struct hg_emit_reduce *reduce, unsigned d,
                          unsigned acc, unsigned r, uint32_t length)
{
    struct hg_x86 *x = &gen->x;
    unsigned mask = hg_regs_take(gen);
    unsigned sign = hg_regs_take(gen);
    unsigned left = acc;
    if (!reduce->is_signed) {
        hg_x86_rrr(x, HG_X86_VPCMPEQD | length, sign, sign, sign);
        hg_x86_rri(x, HG_X86_VPSLLQ_I | length, sign, sign, 63);
        hg_x86_rrr(x, HG_X86_VPXOR | length, mask, r, sign);
        hg_x86_rrr(x, HG_X86_VPXOR | length, sign, acc, sign);
        left = sign;
    }
    hg_x86_rrr(x, HG_X86_VPCMPGTQ | length, mask, left, reduce->is_signed ? r : mask);
    bool most = reduce->op == 2;
    hg_x86_rrrr(x, HG_X86_VBLENDVPD | length, d, most ? r : acc, most ? acc : r, mask);
    gen->free |= 1u << mask | 1u << sign;
}

/* D = ACC * R: see multiply in emit_expand.c. */
static void multiply_longs(struct hg_code_gen *gen, unsigned d, unsigned acc, unsigned r,
                           uint32_t length)
{
    struct hg_x86 *x = &gen->x;
    unsigned crossed = hg_regs_take(gen);
    unsigned other = hg_regs_take(gen);
    hg_x86_rri(x, HG_X86_VPSRLQ_I | length, crossed, acc, 32);
    hg_x86_rrr(x, HG_X86_VPMULUDQ | length, crossed, crossed, r);
    hg_x86_rri(x, HG_X86_VPSRLQ_I | length, other, r, 32);
    hg_x86_rrr(x, HG_X86_VPMULUDQ | length, other, other, acc);
    hg_x86_rrr(x, HG_X86_VPADDQ | length, crossed, crossed, other);
    hg_x86_rri(x, HG_X86_VPSLLQ_I | length, crossed, crossed, 32);
    hg_x86_rrr(x, HG_X86_VPMULUDQ | length, d, acc, r);
    hg_x86_rrr(x, HG_X86_VPADDQ | length, d, d, crossed);
    gen->free |= 1u << crossed | 1u << other;
}

/* D = ACC op R, for all lanes. */
static void combine(struct hg_code_gen *gen, const struct hg_emit_reduce *reduce, unsigned d,
                    unsigned acc, unsigned r, uint32_t length)
{
    enum hg_vop_code op = hg_code_reduce_op(reduce);
    bool longs = reduce->width == 3 && !reduce->is_float;
    if (op == HG_VOP_FRANGE) {
        extreme(gen, reduce, d, acc, r, length);
    } else if (longs && op == HG_VOP_IMUL) {
        multiply_longs(gen, d, acc, r, length);
    } else if (longs && op != HG_VOP_IADD) {
        extreme_longs(gen, reduce, d, acc, r, length);
    } else {
        hg_x86_rrr(&gen->x, hg_code_insn(op, reduce->width) | length, d, acc, r);
    }
}

void hg_avx2_accumulate(struct hg_code_gen *gen, unsigned index, unsigned acc, unsigned r,
                        uint32_t length, bool masked)
{
    const struct hg_emit_reduce *reduce = &gen->emit->reduces[index];
    unsigned d = masked || hg_code_reduce_op(reduce) == HG_VOP_FRANGE ? hg_regs_take(gen) : acc;
    combine(gen, reduce, d, acc, r, length);
    if (masked) {
        hg_x86_rrrr(&gen->x, blend_insn(reduce->width) | length, acc, acc, d,
                    gen->tail_mask[reduce->width]);
    } else if (d != acc) {
        hg_x86_rr(&gen->x, HG_X86_VMOVAPS | length, acc, d);
    }
    if (d != acc) {
        gen->free |= 1u << d;
    }
}
