/* SPDX-License-Identifier: Apache-2.0 */
/* One vector operation after the other: AVX-512, and what AVX2 has the same. */
#include "lib/native/emit_code.h"

#include <stddef.h>

#define HG_X86_ABSENT HG_X86_OP_COUNT

struct row {
    uint16_t form;
    uint16_t insn[4]; /* by log2 of the bytes of an element */
};

static const struct row rows[HG_VOP_COUNT] = {
#define HG_VOP(name, form, x1, x2, x4, x8)                                                         \
    {HG_VFORM_##form, {HG_X86_##x1, HG_X86_##x2, HG_X86_##x4, HG_X86_##x8}},
#include "lib/native/emit.def"
#undef HG_VOP
};

/* ---- arithmetic ------------------------------------------------------------------------------ */

static bool commutes(unsigned op)
{
    return op == HG_VOP_FADD || op == HG_VOP_FMUL || op == HG_VOP_IADD || op == HG_VOP_FRANGE ||
           (op >= HG_VOP_IMUL && op <= HG_VOP_IMAXU) || (op >= HG_VOP_IAND && op <= HG_VOP_IXOR);
}

/* Whether a constant may stand in memory as one element: instructions on elements of 4 and 8
 * bytes. A mask of less than a doubleword has been repeated. */
static bool takes_broadcast(const struct hg_code_gen *gen, const struct hg_vop *vop, hg_val v)
{
    unsigned width = gen->emit->ops[v].width;
    bool bitwise = vop->op >= HG_VOP_IAND && vop->op <= HG_VOP_IXOR;
    return bitwise || (vop->width >= 2 && width == vop->width);
}

/* Whether VOP can read V from memory; as one element for all lanes if BROADCAST says so. */
static inline bool in_memory(const struct hg_code_gen *gen, const struct hg_vop *vop, hg_val v,
                             bool *broadcast)
{
    *broadcast = false;
    return gen->reg[v] == HG_NO_REG &&
           hg_regs_is_away(gen, v, takes_broadcast(gen, vop, v), broadcast);
}

/* Sources a and b, and what is done with them: with b in memory or in a register. */
static void two_sources(struct hg_code_gen *gen, const struct hg_vop *vop, uint32_t insn, bool mask)
{
    hg_val a = vop->a;
    hg_val b = vop->b;
    bool broadcast;
    if (commutes(vop->op) && in_memory(gen, vop, a, &broadcast)) {
        a = vop->b;
        b = vop->a;
    }
    unsigned ra = hg_regs_of(gen, a);
    bool immediate = vop->op == HG_VOP_FRANGE || mask;
    bool away = in_memory(gen, vop, b, &broadcast);
    unsigned rb = away ? 0 : hg_regs_of(gen, b);
    struct hg_x86_mem memory = away ? hg_regs_memory(gen, b) : hg_x86_at(HG_X86_RDI, 0);
    hg_regs_release(gen);
    unsigned d = mask ? hg_regs_take_mask(gen) : hg_regs_take(gen);
    insn |= away && broadcast ? HG_X86_BROADCAST : 0;
    if (!away) {
        if (immediate) {
            hg_x86_rrri(&gen->x, insn, d, ra, rb, vop->imm);
        } else {
            hg_x86_rrr(&gen->x, insn, d, ra, rb);
        }
    } else if (immediate) {
        hg_x86_rrmi(&gen->x, insn, d, ra, memory, vop->imm);
        hg_regs_refer(gen, b, 1);
    } else {
        hg_x86_rrm(&gen->x, insn, d, ra, memory);
        hg_regs_refer(gen, b, 0);
    }
    if (mask) {
        hg_regs_define_mask(gen, gen->at, d);
    } else {
        hg_regs_define(gen, gen->at, d);
    }
}

/*
 * a * b + c, or c - a * b. The destination is one of the sources: one that dies, or a copy. With it
 * go the three forms 213 (in front of it 132, behind it 231): the digits say which operand of
 * `multiplied by … plus …` stands where.
 */
static void fused(struct hg_code_gen *gen, const struct hg_vop *vop, uint32_t insn)
{
    const uint32_t form_132 = insn - (HG_X86_VFMADD213PS - HG_X86_VFMADD132PS);
    const uint32_t form_231 = insn + (HG_X86_VFMADD231PS - HG_X86_VFMADD213PS);
    hg_val a = vop->a;
    hg_val b = vop->b;
    hg_val c = vop->c;
    if (!hg_regs_dies(gen, a) && hg_regs_dies(gen, b)) {
        a = vop->b;
        b = vop->a;
    }
    bool ignored;
    bool c_dies = hg_regs_dies(gen, c) && c != a && c != b && gen->reg[c] != HG_NO_REG;
    bool a_dies = hg_regs_dies(gen, a) && gen->reg[a] != HG_NO_REG;
    bool b_memory = b != a && in_memory(gen, vop, b, &ignored);
    bool c_memory = c != a && in_memory(gen, vop, c, &ignored);
    unsigned d;
    uint32_t form;
    hg_val middle;
    hg_val last;
    if (a_dies && (!c_dies || c_memory || b == a)) {
        d = hg_regs_of(gen, a);
        bool swap = b_memory && !c_memory && b != a;
        form = swap ? form_132 : insn;
        middle = swap ? c : b;
        last = swap ? b : c;
    } else if (c_dies) {
        d = hg_regs_of(gen, c);
        bool swap = in_memory(gen, vop, a, &ignored);
        form = form_231;
        middle = swap ? b : a;
        last = swap ? a : b;
    } else {
        /* A copy: of the constant, which is loaded anyway, or of c. */
        unsigned from = c_memory ? HG_NO_REG : hg_regs_of(gen, c);
        d = hg_regs_take(gen);
        if (from != HG_NO_REG) {
            hg_x86_rr(&gen->x, HG_X86_VMOVAPS | hg_code_length(gen, vop->width), d, from);
        } else if (gen->emit->ops[c].op == HG_VOP_CONST) {
            hg_code_broadcast(gen, vop->width, d, hg_x86_code(0));
            hg_regs_refer(gen, c, 0);
        } else {
            hg_x86_rm(&gen->x, HG_X86_VMOVUPS | hg_code_length(gen, vop->width), d,
                      hg_regs_memory(gen, c));
        }
        bool swap = in_memory(gen, vop, a, &ignored);
        form = form_231;
        middle = swap ? b : a;
        last = swap ? a : b;
    }
    unsigned rm = hg_regs_of(gen, middle);
    bool broadcast;
    if (in_memory(gen, vop, last, &broadcast)) {
        hg_x86_rrm(&gen->x, form | (broadcast ? HG_X86_BROADCAST : 0), d, rm,
                   hg_regs_memory(gen, last));
        hg_regs_refer(gen, last, 0);
    } else {
        hg_x86_rrr(&gen->x, form, d, rm, hg_regs_of(gen, last));
    }
    hg_regs_release(gen);
    hg_regs_define(gen, gen->at, d);
}

static void one_source(struct hg_code_gen *gen, const struct hg_vop *vop, uint32_t insn,
                       bool immediate)
{
    unsigned ra = hg_regs_of(gen, vop->a);
    hg_regs_release(gen);
    unsigned d = hg_regs_take(gen);
    if (immediate) {
        hg_x86_rri(&gen->x, insn, d, ra, vop->imm);
    } else {
        hg_x86_rr(&gen->x, insn, d, ra);
    }
    hg_regs_define(gen, gen->at, d);
}

/* The longer of the two vectors gives the length. */
static void convert(struct hg_code_gen *gen, const struct hg_vop *vop, uint32_t insn)
{
    bool integer = vop->op >= HG_VOP_ZX_1_0;
    unsigned from = integer ? vop->imm : gen->emit->ops[vop->a].width;
    unsigned wide = from > vop->width ? from : vop->width;
    unsigned ra = hg_regs_of(gen, vop->a);
    hg_regs_release(gen);
    unsigned d = hg_regs_take(gen);
    insn |= hg_code_length(gen, wide);
    if (vop->op == HG_VOP_F16_F32) {
        hg_x86_rri(&gen->x, insn, d, ra, 0); /* to nearest even */
    } else {
        hg_x86_rr(&gen->x, insn, d, ra);
    }
    hg_regs_define(gen, gen->at, d);
}

static void select_lanes(struct hg_code_gen *gen, const struct hg_vop *vop, uint32_t insn)
{
    unsigned k = hg_regs_mask_of(gen, vop->a);
    unsigned rc = hg_regs_of(gen, vop->c);
    bool broadcast;
    bool away = in_memory(gen, vop, vop->b, &broadcast);
    unsigned rb = away ? 0 : hg_regs_of(gen, vop->b);
    struct hg_x86_mem memory = away ? hg_regs_memory(gen, vop->b) : hg_x86_at(HG_X86_RDI, 0);
    hg_regs_release(gen);
    unsigned d = hg_regs_take(gen);
    insn |= HG_X86_K(k);
    if (away) {
        hg_x86_rrm(&gen->x, insn | (broadcast ? HG_X86_BROADCAST : 0), d, rc, memory);
        hg_regs_refer(gen, vop->b, 0);
    } else {
        hg_x86_rrr(&gen->x, insn, d, rc, rb);
    }
    hg_regs_define(gen, gen->at, d);
}

static void mask_op(struct hg_code_gen *gen, const struct hg_vop *vop, uint32_t insn)
{
    unsigned ka = hg_regs_mask_of(gen, vop->a);
    unsigned kb = vop->b != HG_VAL_NONE ? hg_regs_mask_of(gen, vop->b) : 0;
    hg_regs_release(gen);
    unsigned d = hg_regs_take_mask(gen);
    if (vop->b != HG_VAL_NONE) {
        hg_x86_rrr(&gen->x, insn, d, ka, kb);
    } else {
        hg_x86_rr(&gen->x, insn, d, ka);
    }
    hg_regs_define_mask(gen, gen->at, d);
}

/* Every index is inside its table, whatever the lane holds: those that do not exist hold zeros. */
static void gather(struct hg_code_gen *gen, const struct hg_vop *vop, uint32_t insn)
{
    unsigned ra = hg_regs_of(gen, vop->a);
    unsigned d = hg_regs_take(gen);
    hg_x86_load(&gen->x, HG_X86_R11, vop->bits);
    hg_x86_rrr(&gen->x, HG_X86_KXNORQ, HG_SPARE_MASK, HG_SPARE_MASK, HG_SPARE_MASK);
    hg_x86_rm(&gen->x, insn | HG_X86_K(HG_SPARE_MASK), d, hg_x86_indexed(HG_X86_R11, ra, 3, 0));
    hg_regs_release(gen);
    hg_regs_define(gen, gen->at, d);
}

/* ---- effects --------------------------------------------------------------------------------- */

enum hg_vop_code hg_code_reduce_op(const struct hg_emit_reduce *reduce)
{
    static const uint8_t ops[3][4] = {
        {HG_VOP_IADD, HG_VOP_IMINU, HG_VOP_IMAXU, HG_VOP_IMUL},
        {HG_VOP_IADD, HG_VOP_IMINS, HG_VOP_IMAXS, HG_VOP_IMUL},
        {HG_VOP_FADD, HG_VOP_FRANGE, HG_VOP_FRANGE, HG_VOP_FMUL},
    };
    return (enum hg_vop_code)ops[reduce->is_float ? 2 : reduce->is_signed][reduce->op];
}

uint32_t hg_code_insn(enum hg_vop_code op, unsigned width)
{
    return rows[op].insn[width];
}

void hg_code_accumulate(struct hg_code_gen *gen, unsigned index, unsigned acc, unsigned r,
                        uint32_t length, bool masked)
{
    const struct hg_emit_reduce *reduce = &gen->emit->reduces[index];
    enum hg_vop_code op = hg_code_reduce_op(reduce);
    uint32_t insn = rows[op].insn[reduce->width];
    if (insn == HG_X86_ABSENT) {
        gen->failed = true;
        return;
    }
    if (!hg_code_has_masks(gen)) {
        hg_avx2_accumulate(gen, index, acc, r, length, masked);
        return;
    }
    insn |= length | (masked ? HG_X86_K(HG_TAIL_MASK) : 0);
    if (op == HG_VOP_FRANGE) {
        hg_x86_rrri(&gen->x, insn, acc, acc, r, reduce->op == 2 ? 5 : 4);
    } else {
        hg_x86_rrr(&gen->x, insn, acc, acc, r);
    }
}

static void effect(struct hg_code_gen *gen, const struct hg_vop *vop)
{
    unsigned ra = hg_regs_of(gen, vop->a);
    size_t offset = offsetof(struct hg_native_frame, outputs) + vop->imm * sizeof(uint64_t);
    switch (vop->op) {
    case HG_VOP_STORE:
        hg_code_store(gen, vop, ra);
        break;
    case HG_VOP_STOREU:
        hg_code_store_one(gen, vop, ra);
        break;
    case HG_VOP_OUTPUT:
        hg_x86_mr(&gen->x, HG_X86_VMOVQ_M, hg_x86_at(HG_X86_RDI, (int32_t)offset), ra);
        break;
    default: /* REDUCE */
        hg_sums_add(gen, vop->imm, ra);
        break;
    }
    hg_regs_release(gen);
}

/* ---- all ------------------------------------------------------------------------------------- */

void hg_code_vop(struct hg_code_gen *gen)
{
    const struct hg_vop *vop = &gen->emit->ops[gen->at];
    const struct row *row = &rows[vop->op];
    if (vop->uses == 0 && row->form != HG_VFORM_EFFECT) {
        hg_regs_release(gen);
        return;
    }
    bool lanes = row->form >= HG_VFORM_GATHER; /* one by one, some of these */
    if (lanes && (hg_lane_needs_mask(vop->op) || vop->op == HG_VOP_QUOT)) {
        hg_lane_vop(gen, row->insn[vop->width]);
        return;
    }
    if (!hg_code_has_masks(gen) && hg_avx2_vop(gen)) {
        return;
    }
    uint32_t insn = row->insn[vop->width] | hg_code_length(gen, vop->width);
    switch (row->form) {
    case HG_VFORM_SOURCE:
        if (vop->op == HG_VOP_SUM && gen->sum != HG_NO_REG) {
            gen->kept &= ~(1u << gen->sum); /* from here on a value like others */
            gen->locked = gen->kept;
            hg_regs_define(gen, gen->at, gen->sum);
        } else if (vop->op != HG_VOP_CONST) {
            unsigned d = hg_regs_take(gen);
            hg_code_source(gen, vop, d);
            hg_regs_define(gen, gen->at, d);
            gen->locked = gen->kept;
        }
        break;
    case HG_VFORM_BINARY:
        two_sources(gen, vop, insn, false);
        break;
    case HG_VFORM_COMPARE:
        two_sources(gen, vop, insn, true);
        break;
    case HG_VFORM_UNARY:
        one_source(gen, vop, insn, vop->op == HG_VOP_FRINT);
        break;
    case HG_VFORM_SHIFT:
        one_source(gen, vop, insn, true);
        break;
    case HG_VFORM_FUSED:
        fused(gen, vop, insn);
        break;
    case HG_VFORM_CONVERT:
    case HG_VFORM_NARROW:
        convert(gen, vop, row->insn[0]);
        break;
    case HG_VFORM_SELECT:
        select_lanes(gen, vop, insn);
        break;
    case HG_VFORM_MASK:
        mask_op(gen, vop, row->insn[0]);
        break;
    case HG_VFORM_GATHER:
        gather(gen, vop, insn);
        break;
    default:
        effect(gen, vop);
        break;
    }
}
