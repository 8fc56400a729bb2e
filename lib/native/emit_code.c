/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The function of a region:
 *
 *     pointers of streams; what is uniform; accumulators
 *     main:   copies of the body, without masks         where the body is short
 *     vector: the body under k1, all ones but at the end
 *     accumulators to the frame; constants behind the code
 */
#include "lib/native/emit_code.h"

#include <stddef.h>
#include <string.h>

/* Registers for pointers; those from RBX on are the caller's and are saved. */
static const uint8_t pointer_registers[] = {HG_X86_RSI, HG_X86_R8,  HG_X86_R9,  HG_X86_R10,
                                            HG_X86_RBX, HG_X86_RBP, HG_X86_R12, HG_X86_R13,
                                            HG_X86_R14, HG_X86_R15};
#define FREE_POINTERS 4

static struct hg_x86_mem frame(size_t offset)
{
    return hg_x86_at(HG_X86_RDI, (int32_t)offset);
}

static bool is_uniform(const struct hg_vop *vop)
{
    return (vop->flags & HG_VOP_UNIFORM) != 0;
}

/* ---- pointers -------------------------------------------------------------------------------- */

static unsigned pointer_count(const struct hg_emit *emit)
{
    unsigned count = 0;
    for (unsigned i = 0; i < emit->stream_count; i++) {
        unsigned kind = emit->streams[i].kind;
        count += kind == HG_STREAM_LANE || kind == HG_STREAM_COL;
    }
    return count;
}

void hg_code_enter(struct hg_code_gen *gen, bool saves_all)
{
    unsigned used = 0;
    for (unsigned i = 0; i < gen->emit->stream_count; i++) {
        unsigned kind = gen->emit->streams[i].kind;
        if (kind != HG_STREAM_LANE && kind != HG_STREAM_COL) {
            continue;
        }
        if (used == sizeof pointer_registers) {
            gen->failed = true;
            return;
        }
        gen->pointer[i] = pointer_registers[used++];
    }
    used = saves_all ? sizeof pointer_registers : used;
    for (unsigned i = FREE_POINTERS; i < used; i++) {
        hg_x86_r(&gen->x, HG_X86_PUSH, pointer_registers[i]);
    }
}

void hg_code_load_pointers(struct hg_code_gen *gen)
{
    struct hg_x86 *x = &gen->x;
    bool lane_ready = false;
    for (unsigned i = 0; i < gen->emit->stream_count; i++) {
        const struct hg_stream *stream = &gen->emit->streams[i];
        if (stream->kind != HG_STREAM_LANE && stream->kind != HG_STREAM_COL) {
            continue;
        }
        bool col = stream->kind == HG_STREAM_COL;
        if (col || !lane_ready) {
            hg_x86_rm(x, HG_X86_MOV | HG_X86_W64, col ? HG_X86_RDX : HG_X86_RAX,
                      frame(col ? offsetof(struct hg_native_frame, col)
                                : offsetof(struct hg_native_frame, lane)));
            lane_ready |= !col;
        }
        unsigned pointer = gen->pointer[i];
        hg_x86_rm(x, HG_X86_MOV | HG_X86_W64, pointer,
                  frame(offsetof(struct hg_native_frame, base) + stream->slot * 8u));
        hg_x86_rm(x, HG_X86_LEA | HG_X86_W64, pointer,
                  hg_x86_indexed(pointer, col ? HG_X86_RDX : HG_X86_RAX, stream->width, 0));
    }
}

/* ---- the front ------------------------------------------------------------------------------- */

void hg_code_front(struct hg_code_gen *gen)
{
    const struct hg_emit *emit = gen->emit;
    gen->in_body = false;
    bool alone = !emit->region->has_lanes; /* what may fail has no body to do that in */
    bool some = emit->uniform_count > 0 || alone;
    for (uint16_t i = 0; some && i < emit->op_count; i++) {
        if ((is_uniform(&emit->ops[i]) || alone) && emit->ops[i].op != HG_VOP_CONST) {
            gen->at = i;
            hg_code_vop(gen);
        }
    }
    hg_regs_hold_constants(gen);
    hg_regs_restart(gen);
    hg_sums_start(gen);
    if (!hg_code_has_masks(gen) && emit->region->has_lanes) {
        hg_avx2_take_masks(gen);
    }
}

/* ---- the loops ------------------------------------------------------------------------------- */

void hg_code_body(struct hg_code_gen *gen)
{
    const struct hg_emit *emit = gen->emit;
    gen->in_body = true;
    hg_regs_restart(gen);
    for (uint16_t i = 0; i < emit->op_count; i++) {
        if (!is_uniform(&emit->ops[i])) {
            gen->at = i;
            hg_code_vop(gen);
        }
    }
}

/* How often the body is repeated without masks: 0 if it needs them; 1 is not worth a loop of its
 * own, but with AVX2. */
static unsigned unrolled(const struct hg_code_gen *gen)
{
    const struct hg_emit *emit = gen->emit;
    unsigned length = 0;
    bool alone = false;
    for (uint16_t i = 0; i < emit->op_count; i++) {
        const struct hg_vop *vop = &emit->ops[i];
        length += !is_uniform(vop) && (vop->uses > 0 || vop->op >= HG_VOP_STORE);
        if (hg_lane_needs_mask(vop->op) && !is_uniform(vop)) {
            return 0;
        }
        alone |= vop->op == HG_VOP_INDEX || vop->op == HG_VOP_QUOT;
    }
    if (alone) {
        return 1;
    }
    unsigned copies = length <= 6 ? 4 : length <= 10 ? 2 : 1;
    for (unsigned i = 0; i < emit->region->reduce_count; i++) {
        copies = length > 8 ? 1 : gen->sum_count[i] > copies ? gen->sum_count[i] : copies;
    }
    return copies;
}

static void main_loop(struct hg_code_gen *gen)
{
    struct hg_x86 *x = &gen->x;
    int32_t step = (int32_t)(gen->unroll * gen->emit->lanes);
    hg_x86_ri(x, HG_X86_SUB_I | HG_X86_W64, HG_X86_RCX, step);
    uint32_t rest = hg_x86_jump_if(x, HG_X86_CC_B);
    hg_x86_align(x, 32);
    uint32_t top = hg_x86_here(x);
    gen->masked = false;
    for (gen->copy = 0; gen->copy < gen->unroll; gen->copy++) {
        hg_code_body(gen);
    }
    gen->copy = 0;
    if (gen->unroll == 1) {
        hg_sums_rotate(gen); /* more copies are as many as there are accumulators, or multiples */
    }
    hg_x86_ri(x, HG_X86_ADD_I | HG_X86_W64, HG_X86_RAX, step);
    hg_x86_ri(x, HG_X86_SUB_I | HG_X86_W64, HG_X86_RCX, step);
    hg_x86_jump_if_to(x, HG_X86_CC_AE, top);
    hg_x86_land(x, rest);
    hg_x86_ri(x, HG_X86_ADD_I | HG_X86_W64, HG_X86_RCX, step);
}

/* The mask for a whole vector: as many ones as there are lanes, which the shortest register may
 * have more of. */
static void all_lanes(struct hg_code_gen *gen)
{
    unsigned lanes = gen->emit->lanes;
    uint32_t ones = lanes == 8    ? HG_X86_KXNORB
                    : lanes == 16 ? HG_X86_KXNORW
                    : lanes == 32 ? HG_X86_KXNORD
                                  : HG_X86_KXNORQ;
    if (hg_code_has_masks(gen)) {
        hg_x86_rrr(&gen->x, ones, HG_TAIL_MASK, HG_TAIL_MASK, HG_TAIL_MASK);
    } else {
        hg_avx2_all_lanes(gen);
    }
}

void hg_code_last_lanes(struct hg_code_gen *gen)
{
    struct hg_x86 *x = &gen->x;
    if (!hg_code_has_masks(gen)) {
        hg_avx2_last_lanes(gen);
        return;
    }
    hg_x86_load(x, HG_X86_RDX, UINT64_MAX);
    hg_x86_rrr(x, HG_X86_BZHI | HG_X86_W64, HG_X86_RDX, HG_X86_RDX, HG_X86_RCX);
    hg_x86_rr(x, HG_X86_KMOVQ_R, HG_TAIL_MASK, HG_X86_RDX);
}

/* The rest, a vector at a time; the last one has fewer lanes. */
static void masked_loop(struct hg_code_gen *gen)
{
    struct hg_x86 *x = &gen->x;
    int32_t lanes = gen->emit->lanes;
    all_lanes(gen);
    hg_x86_ri(x, HG_X86_SUB_I | HG_X86_W64, HG_X86_RCX, lanes);
    uint32_t last = hg_x86_jump_if(x, HG_X86_CC_B);
    uint32_t top = hg_x86_here(x);
    gen->masked = true;
    hg_code_body(gen);
    hg_sums_rotate(gen);
    uint32_t failed = 0;
    if (gen->emit->region->can_fail) {
        hg_x86_mi(x, HG_X86_CMP_I | HG_X86_W64, frame(offsetof(struct hg_native_frame, fail_lane)),
                  -1);
        failed = hg_x86_jump_if(x, HG_X86_CC_NE);
    }
    hg_x86_ri(x, HG_X86_ADD_I | HG_X86_W64, HG_X86_RAX, lanes);
    hg_x86_ri(x, HG_X86_SUB_I | HG_X86_W64, HG_X86_RCX, lanes);
    hg_x86_jump_if_to(x, HG_X86_CC_AE, top);
    hg_x86_land(x, last);
    hg_x86_ri(x, HG_X86_ADD_I | HG_X86_W64, HG_X86_RCX, lanes);
    uint32_t done = hg_x86_jump_if(x, HG_X86_CC_LE);
    hg_code_last_lanes(gen);
    hg_x86_rr(x, HG_X86_XOR, HG_X86_RCX, HG_X86_RCX);
    hg_x86_jump_to(x, top);
    hg_x86_land(x, done);
    if (gen->emit->region->can_fail) {
        hg_x86_land(x, failed);
    }
}

/* ---- the end --------------------------------------------------------------------------------- */

/* Where VALUE's bytes lie; those that are no operation's have places of their own. */
static uint32_t place(struct hg_code_gen *gen, hg_val value)
{
    static const uint64_t counting[] = {0, 1, 2, 3, 4, 5, 6, 7};
    static const uint64_t masks[] = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, 0, 0, 0, 0};
    uint32_t at = hg_x86_here(&gen->x);
    if (value == HG_REFER_INDEX) {
        hg_x86_data(&gen->x, counting, sizeof counting);
    } else if (value == HG_REFER_MASKS) {
        hg_x86_data(&gen->x, masks, sizeof masks);
    } else {
        const struct hg_vop *vop = &gen->emit->ops[value];
        hg_x86_data(&gen->x, &vop->bits, 1u << vop->width);
    }
    return at;
}

static void place_constants(struct hg_code_gen *gen)
{
    const struct hg_emit *emit = gen->emit;
    uint32_t places[HG_EMIT_CONSTS + 2]; /* 0: none yet */
    if (gen->refer_count == 0) {
        return;
    }
    memset(places, 0, emit->const_count * sizeof *places);
    places[HG_EMIT_CONSTS] = places[HG_EMIT_CONSTS + 1] = 0;
    hg_x86_align(&gen->x, 8);
    for (unsigned r = 0; r < gen->refer_count; r++) {
        hg_val v = gen->refers[r].value;
        unsigned i = v == HG_REFER_INDEX   ? HG_EMIT_CONSTS
                     : v == HG_REFER_MASKS ? HG_EMIT_CONSTS + 1
                                           : emit->ops[v].imm;
        if (places[i] == 0) {
            places[i] = place(gen, v);
        }
        hg_x86_refer(&gen->x, gen->refers[r].reference, places[i]);
    }
}

void hg_code_init(struct hg_code_gen *gen, struct hg_emit *emit, uint8_t *buffer, size_t size)
{
    gen->emit = emit;
    gen->failed = false;
    gen->refer_count = 0;
    gen->copy = 0;
    gen->masked = false;
    gen->is_product = false;
    gen->held = 0;
    memset(gen->tail_mask, HG_NO_REG, sizeof gen->tail_mask);
    unsigned most = emit->level == HG_ISA_AVX512 ? 64 : 32;
    for (unsigned width = 0; width < 4; width++) {
        /* Constants of narrow types have been repeated: they fill a register. */
        unsigned bytes = (unsigned)emit->lanes << width;
        gen->lengths[width] = HG_X86_LENGTH((bytes < most ? bytes : most) * 8);
    }
    hg_x86_init(&gen->x, buffer, size,
                emit->level == HG_ISA_AVX512 ? HG_X86_AVX512_FEATURES : HG_X86_AVX2_FEATURES);
}

size_t hg_code_leave(struct hg_code_gen *gen, bool saves_all)
{
    if (gen->failed) {
        return 0; /* for lack of registers, too: there are more streams than these */
    }
    if (gen->emit->form == HG_NATIVE_PAST_CACHE) {
        hg_x86_0(&gen->x, HG_X86_SFENCE); /* such stores come in no order with others */
    }
    hg_x86_0(&gen->x, HG_X86_VZEROUPPER);
    unsigned saved = saves_all ? sizeof pointer_registers : pointer_count(gen->emit);
    for (unsigned i = saved; i > FREE_POINTERS; i--) {
        hg_x86_r(&gen->x, HG_X86_POP, pointer_registers[i - 1]);
    }
    hg_x86_0(&gen->x, HG_X86_RET);
    place_constants(gen);
    size_t written;
    if (gen->failed || hg_x86_fini(&gen->x, &written) != HG_OK) {
        return 0;
    }
    return written;
}

size_t hg_emit_code(struct hg_emit *emit, uint8_t *buffer, size_t size)
{
    struct hg_code_gen gen;
    hg_code_init(&gen, emit, buffer, size);
    hg_sums_plan(&gen);
    hg_regs_plan(&gen);
    hg_code_enter(&gen, false);
    hg_code_load_pointers(&gen);
    if (emit->region->has_lanes) {
        hg_x86_rm(&gen.x, HG_X86_MOV | HG_X86_W64, HG_X86_RCX,
                  frame(offsetof(struct hg_native_frame, count)));
        hg_x86_rr(&gen.x, HG_X86_XOR, HG_X86_RAX, HG_X86_RAX);
    } else if (emit->region->can_fail) {
        hg_x86_rr(&gen.x, HG_X86_XOR, HG_X86_RAX, HG_X86_RAX);
        all_lanes(&gen);
    }
    hg_code_front(&gen);
    if (emit->region->has_lanes) {
        gen.unroll = (uint8_t)unrolled(&gen);
        bool masked_does = hg_code_has_masks(&gen) && emit->form != HG_NATIVE_PAST_CACHE;
        if (gen.unroll > (masked_does ? 1 : 0)) {
            main_loop(&gen);
        }
        masked_loop(&gen);
        hg_sums_store(&gen);
    }
    return hg_code_leave(&gen, false);
}
