/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers. Values of the loop get one where they are made and give it back where they are last
 * read; each copy of the loop's body starts anew. Values from in front of the loop stay in the
 * registers that the body leaves, those that are computed before constants; the others are read
 * from the frame, and constants from behind the code.
 */
#include <stddef.h>
#include <string.h>

#include "lib/native/emit_code.h"

/* Registers beyond what the body's values need: for operands that must be loaded. */
#define SPARE 2
/* Mask registers that the loop's own masks have at least. */
#define BODY_MASKS 3

static unsigned vector_count(const struct hg_emit *emit)
{
    return emit->level == HG_ISA_AVX512 ? 32 : 16;
}

static inline bool gives_mask(const struct hg_vop *vop)
{
    return (vop->flags & HG_VOP_MASK) != 0;
}

/* ---- planning -------------------------------------------------------------------------------- */

/* Operation AT, read after those behind it, reads V. */
static inline void note_use(struct hg_code_gen *gen, hg_val v, uint16_t at, bool uniform,
                            unsigned *alive)
{
    if (v == HG_VAL_NONE) {
        return;
    }
    const struct hg_vop *vop = &gen->emit->ops[v];
    if (uniform) {
        gen->last_uniform[v] = gen->last_uniform[v] != 0 ? gen->last_uniform[v] : at;
        return;
    }
    if (gen->last_body[v] == 0) {
        gen->last_body[v] = at;
        *alive += (vop->flags & HG_VOP_UNIFORM) == 0 && !gives_mask(vop);
    }
    if ((vop->flags & HG_VOP_UNIFORM) != 0) {
        /* Masks from in front of the loop stay, unless they are many. */
        gen->kind[v] = HG_USED_IN_BODY | (gives_mask(vop) ? HG_KEPT_IN_REG : 0);
    }
}

/* Reads the operations from the last to the first, to find who reads each value last; gives how
 * many values of the loop are alive at once. */
static unsigned find_uses(struct hg_code_gen *gen)
{
    const struct hg_emit *emit = gen->emit;
    memset(gen->reg, HG_NO_REG, emit->op_count * sizeof *gen->reg);
    memset(gen->slot, 0, emit->op_count * sizeof *gen->slot);
    memset(gen->kind, 0, emit->op_count * sizeof *gen->kind);
    memset(gen->last_body, 0, emit->op_count * sizeof *gen->last_body);
    memset(gen->last_uniform, 0, emit->op_count * sizeof *gen->last_uniform);
    unsigned alive = 0;
    unsigned most = 0;
    for (uint16_t i = emit->op_count; i-- > 0;) {
        const struct hg_vop *vop = &emit->ops[i];
        bool uniform = (vop->flags & HG_VOP_UNIFORM) != 0;
        if (!uniform && gen->last_body[i] != 0 && !gives_mask(vop)) {
            alive--;
        }
        note_use(gen, vop->a, i, uniform, &alive);
        note_use(gen, vop->b, i, uniform, &alive);
        note_use(gen, vop->c, i, uniform, &alive);
        most = alive > most ? alive : most;
    }
    return most + 1; /* a result beside its sources */
}

/* Keeps V in a register over the loop, if that reads it and there is ROOM. */
static void keep(struct hg_code_gen *gen, hg_val v, unsigned *room)
{
    if (*room > 0 && gen->kind[v] == HG_USED_IN_BODY) {
        gen->kind[v] |= HG_KEPT_IN_REG;
        (*room)--;
    }
}

/* Values that are computed before constants, which come from memory as easily. */
static void keep_uniform(struct hg_code_gen *gen, unsigned room)
{
    const struct hg_emit *emit = gen->emit;
    for (uint16_t i = 0; emit->uniform_count > 0 && i < emit->op_count; i++) {
        if (emit->ops[i].op != HG_VOP_CONST) {
            keep(gen, i, &room);
        }
    }
    for (unsigned i = 0; i < emit->const_count; i++) {
        keep(gen, emit->consts[i], &room);
    }
}

void hg_regs_plan(struct hg_code_gen *gen)
{
    const struct hg_emit *emit = gen->emit;
    unsigned count = vector_count(emit);
    gen->free = count == 32 ? UINT32_MAX : (1u << count) - 1;
    gen->free_masks = (1u << HG_MASK_END) - (1u << HG_FIRST_MASK);
    gen->locked = gen->kept = 0;
    gen->spill_count = gen->spill_base = 0;
    for (unsigned r = 0; r < 32; r++) {
        gen->holds[r] = HG_VAL_NONE;
    }
    unsigned needed = find_uses(gen) + SPARE;
    for (unsigned i = 0; i < emit->region->reduce_count; i++) {
        needed += gen->sum_count[i];
    }
    needed += gen->held;
    needed += emit->level == HG_ISA_AVX512 ? 0 : 4; /* masks of the tail, copies of compares */
    keep_uniform(gen, needed < count ? count - needed : 0);
}

/* What a copy of the body has put away another cannot read. */
static void forget_spills(struct hg_code_gen *gen)
{
    for (uint16_t i = 0; i < gen->emit->op_count && gen->spill_count > gen->spill_base; i++) {
        if (gen->slot[i] > gen->spill_base) {
            gen->slot[i] = 0;
        }
    }
    gen->spill_count = gen->spill_base;
}

void hg_regs_restart(struct hg_code_gen *gen)
{
    if (gen->in_body) {
        forget_spills(gen);
    } else {
        gen->spill_base = gen->spill_count;
    }
    uint32_t all = vector_count(gen->emit) == 32 ? UINT32_MAX : 0xffff;
    for (uint32_t busy = all & ~gen->free & ~gen->kept; busy != 0; busy &= busy - 1) {
        unsigned r = (unsigned)__builtin_ctz(busy);
        if (gen->holds[r] != HG_VAL_NONE) {
            gen->reg[gen->holds[r]] = HG_NO_REG;
            gen->holds[r] = HG_VAL_NONE;
        }
        gen->free |= 1u << r;
    }
    gen->locked = gen->kept;
}

/* ---- taking ---------------------------------------------------------------------------------- */

/* Puts V, in register R, into the frame. */
static void spill(struct hg_code_gen *gen, hg_val v, unsigned r)
{
    if (gen->slot[v] != 0 || gen->emit->ops[v].op == HG_VOP_CONST) {
        return;
    }
    if (gen->spill_count == HG_NATIVE_SPILLS) {
        gen->failed = true;
        return;
    }
    gen->slot[v] = ++gen->spill_count;
    hg_x86_mr(&gen->x, HG_X86_VMOVUPS_M | hg_code_length(gen, gen->emit->ops[v].width),
              hg_regs_memory(gen, v), r);
}

static uint16_t last_use(const struct hg_code_gen *gen, hg_val v)
{
    return gen->in_body ? gen->last_body[v] : gen->last_uniform[v];
}

/* Constants go first, for they cost no store, then what is read last. */
static unsigned evict(struct hg_code_gen *gen)
{
    unsigned victim = HG_NO_REG;
    uint32_t worth = 0;
    for (unsigned r = 0; r < vector_count(gen->emit); r++) {
        hg_val v = gen->holds[r];
        if ((gen->locked >> r & 1u) != 0 || v == HG_VAL_NONE) {
            continue;
        }
        bool free_to_go = gen->emit->ops[v].op == HG_VOP_CONST || gen->slot[v] != 0;
        uint32_t score = (free_to_go ? 0x10000u : 0u) + last_use(gen, v) + 1;
        if (score > worth) {
            worth = score;
            victim = r;
        }
    }
    if (victim == HG_NO_REG) {
        gen->failed = true;
        return 0;
    }
    hg_val v = gen->holds[victim];
    spill(gen, v, victim);
    gen->reg[v] = HG_NO_REG;
    gen->holds[victim] = HG_VAL_NONE;
    return victim;
}

unsigned hg_regs_take(struct hg_code_gen *gen)
{
    unsigned r;
    if (gen->free != 0) {
        r = (unsigned)__builtin_ctz(gen->free);
        gen->free &= ~(1u << r);
    } else {
        r = evict(gen);
    }
    gen->locked |= 1u << r;
    return r;
}

unsigned hg_regs_take_mask(struct hg_code_gen *gen)
{
    if (gen->free_masks == 0) {
        gen->failed = true;
        return HG_FIRST_MASK;
    }
    unsigned k = (unsigned)__builtin_ctz(gen->free_masks);
    gen->free_masks &= ~(1u << k);
    return k;
}

/* Constants that stay over the loop: nothing but these takes registers here. */
void hg_regs_hold_constants(struct hg_code_gen *gen)
{
    const struct hg_emit *emit = gen->emit;
    for (unsigned i = 0; i < emit->const_count; i++) {
        hg_val v = emit->consts[i];
        if ((gen->kind[v] & HG_KEPT_IN_REG) != 0) {
            unsigned r = hg_regs_of(gen, v);
            gen->kept |= 1u << r;
            gen->locked |= 1u << r;
        }
    }
}

/* ---- reading --------------------------------------------------------------------------------- */

unsigned hg_regs_fetch(struct hg_code_gen *gen, hg_val v)
{
    const struct hg_vop *vop = &gen->emit->ops[v];
    unsigned r = hg_regs_take(gen);
    if (vop->op == HG_VOP_CONST) {
        hg_code_broadcast(gen, vop->width, r, hg_x86_code(0));
        hg_regs_refer(gen, v, 0);
    } else if (gen->slot[v] != 0) {
        hg_x86_rm(&gen->x, HG_X86_VMOVUPS | hg_code_length(gen, vop->width), r,
                  hg_regs_memory(gen, v));
    } else {
        gen->failed = true;
    }
    gen->reg[v] = (uint8_t)r;
    gen->holds[r] = v;
    return r;
}

unsigned hg_regs_mask_of(struct hg_code_gen *gen, hg_val v)
{
    if (gen->reg[v] == HG_NO_REG && gen->slot[v] != 0) {
        unsigned k = hg_regs_take_mask(gen);
        hg_x86_rm(&gen->x, HG_X86_KMOVQ, k, hg_regs_memory(gen, v));
        gen->reg[v] = (uint8_t)k;
    }
    if (gen->reg[v] == HG_NO_REG) {
        gen->failed = true;
        return HG_FIRST_MASK;
    }
    return gen->reg[v];
}

bool hg_regs_is_away(const struct hg_code_gen *gen, hg_val v, bool may_broadcast, bool *broadcast)
{
    if (gen->emit->ops[v].op != HG_VOP_CONST) {
        return gen->slot[v] != 0;
    }
    *broadcast = true;
    return may_broadcast && gen->emit->level == HG_ISA_AVX512;
}

struct hg_x86_mem hg_regs_memory(const struct hg_code_gen *gen, hg_val v)
{
    if (gen->emit->ops[v].op == HG_VOP_CONST) {
        return hg_x86_code(0);
    }
    size_t offset = offsetof(struct hg_native_frame, spills) + (gen->slot[v] - 1u) * 64;
    return hg_x86_at(HG_X86_RDI, (int32_t)offset);
}

void hg_regs_refer(struct hg_code_gen *gen, hg_val v, unsigned trailing)
{
    if (v < HG_EMIT_OPS && gen->emit->ops[v].op != HG_VOP_CONST) {
        return;
    }
    if (gen->refer_count == HG_CODE_REFERS) {
        gen->failed = true;
        return;
    }
    gen->refers[gen->refer_count++] =
        (struct hg_code_refer){hg_x86_reference(&gen->x, trailing), v};
}

/* ---- giving back ----------------------------------------------------------------------------- */

bool hg_regs_dies_in_front(const struct hg_code_gen *gen, hg_val v)
{
    bool put_away = gives_mask(&gen->emit->ops[v]) && gen->slot[v] != 0;
    return gen->last_uniform[v] == gen->at && (gen->kind[v] == 0 || put_away);
}

static void release(struct hg_code_gen *gen, hg_val v)
{
    if (v == HG_VAL_NONE || gen->reg[v] == HG_NO_REG || !hg_regs_dies(gen, v)) {
        return;
    }
    unsigned r = gen->reg[v];
    gen->reg[v] = HG_NO_REG;
    if (gives_mask(&gen->emit->ops[v])) {
        gen->free_masks |= 1u << r;
    } else {
        gen->free |= 1u << r;
        gen->holds[r] = HG_VAL_NONE;
    }
}

void hg_regs_release(struct hg_code_gen *gen)
{
    const struct hg_vop *vop = &gen->emit->ops[gen->at];
    release(gen, vop->a);
    release(gen, vop->b);
    release(gen, vop->c);
    gen->locked = gen->kept;
}

void hg_regs_define(struct hg_code_gen *gen, hg_val v, unsigned r)
{
    gen->reg[v] = (uint8_t)r;
    gen->holds[r] = v;
    gen->free &= ~(1u << r);
    if (gen->in_body || gen->kind[v] == 0) {
        return;
    }
    if ((gen->kind[v] & HG_KEPT_IN_REG) != 0) {
        gen->kept |= 1u << r;
        gen->locked |= 1u << r;
    } else {
        spill(gen, v, r);
    }
}

/* Mask V, in R, from in front of the loop: to where both read it from. */
static void put_mask_away(struct hg_code_gen *gen, hg_val v, unsigned r)
{
    if (gen->spill_count == HG_NATIVE_SPILLS) {
        gen->failed = true;
        return;
    }
    gen->slot[v] = ++gen->spill_count;
    hg_x86_mr(&gen->x, HG_X86_KMOVQ_M, hg_regs_memory(gen, v), r);
    gen->kind[v] &= (uint8_t)~HG_KEPT_IN_REG;
    gen->reg[v] = HG_NO_REG;
    gen->free_masks |= 1u << r;
}

void hg_regs_define_mask(struct hg_code_gen *gen, hg_val v, unsigned r)
{
    gen->reg[v] = (uint8_t)r;
    gen->free_masks &= ~(1u << r);
    bool stays = !gen->in_body && (gen->kind[v] & HG_KEPT_IN_REG) != 0;
    if (stays && __builtin_popcount(gen->free_masks) < BODY_MASKS) {
        put_mask_away(gen, v, r);
    }
}
