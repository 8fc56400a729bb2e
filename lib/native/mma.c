/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of products: a small one as a whole, or tiles of a shape. */
#include "lib/native/mma.h"

#include <stddef.h>

static struct hg_x86_mem frame(size_t offset)
{
    return hg_x86_at(HG_X86_RDI, (int32_t)offset);
}
#define FRAME(field) frame(offsetof(struct hg_native_frame, field))

/* ---- a tile ---------------------------------------------------------------------------------- */

/* Registers for the sums, from the top; what is left is free for the terms. */
static void take_registers(struct hg_mma_tile *tile)
{
    struct hg_code_gen *gen = tile->gen;
    unsigned count = tile->rows * tile->vectors;
    unsigned taken = 0;
    unsigned left = 0;
    for (unsigned r = 32; r-- > 0;) {
        if ((gen->free >> r & 1u) == 0) {
            continue;
        }
        if (taken < count) {
            tile->sums[taken++] = (uint8_t)r;
            gen->free &= ~(1u << r);
            gen->kept |= 1u << r;
            gen->locked |= 1u << r;
        } else {
            tile->free[left++] = (uint8_t)r;
        }
    }
    gen->failed |=
        taken < count || left < hg_mma_spare(gen->emit->level, tile->rows, tile->vectors);
}

/* Whatever they hold now. */
static void give_registers_back(struct hg_mma_tile *tile)
{
    struct hg_code_gen *gen = tile->gen;
    for (unsigned i = 0; i < tile->rows * tile->vectors; i++) {
        gen->kept &= ~(1u << tile->sums[i]);
        gen->free |= 1u << tile->sums[i];
        gen->holds[tile->sums[i]] = HG_VAL_NONE;
    }
    gen->locked = gen->kept;
    gen->in_body = true;
    hg_regs_restart(gen);
}

static void start_from_zero(const struct hg_mma_tile *tile)
{
    for (unsigned i = 0; i < tile->rows * tile->vectors; i++) {
        unsigned r = tile->sums[i];
        uint32_t insn =
            hg_code_has_masks(tile->gen) ? HG_X86_VPXORD | HG_X86_512 : HG_X86_VXORPS | HG_X86_256;
        hg_x86_rrr(&tile->gen->x, insn, r, r, r);
    }
}

static void move_sums(const struct hg_mma_tile *tile, bool load)
{
    struct hg_x86 *x = &tile->gen->x;
    uint32_t length = hg_code_length(tile->gen, tile->width);
    hg_x86_rm(x, HG_X86_MOV | HG_X86_W64, HG_X86_RAX, FRAME(strip.sums));
    for (unsigned i = 0; i < tile->rows * tile->vectors; i++) {
        struct hg_x86_mem memory = hg_x86_at(HG_X86_RAX, (int32_t)(i * HG_NATIVE_VECTOR));
        if (load) {
            hg_x86_rm(x, HG_X86_VMOVUPS | length, tile->sums[i], memory);
        } else {
            hg_x86_mr(x, HG_X86_VMOVUPS_M | length, memory, tile->sums[i]);
        }
    }
}

/* All exceptions masked, to nearest; denormals honoured, or taken as and made zero (Intel SDM vol.
 * 1 §10.2.3). */
#define MXCSR_PLAIN    0x1f80
#define MXCSR_FLUSHING 0x9fc0

static void set_mode(const struct hg_mma_tile *tile, int32_t mxcsr)
{
    struct hg_x86 *x = &tile->gen->x;
    if (tile->flushes) {
        hg_x86_mi(x, HG_X86_MOV_I, FRAME(strip.mode), mxcsr);
        hg_x86_m(x, HG_X86_VLDMXCSR, FRAME(strip.mode));
    }
}

/* Of some terms, of which there may have been others and may come others. */
static void staged_tile(const struct hg_mma_tile *tile)
{
    struct hg_x86 *x = &tile->gen->x;
    hg_x86_mi(x, HG_X86_TEST_I, FRAME(strip.stage), HG_NATIVE_FIRST);
    uint32_t others_before = hg_x86_jump_if(x, HG_X86_CC_E);
    start_from_zero(tile);
    uint32_t started = hg_x86_jump(x);
    hg_x86_land(x, others_before);
    move_sums(tile, true);
    hg_x86_land(x, started);
    hg_mma_fetch_results(tile);
    set_mode(tile, MXCSR_FLUSHING);
    hg_mma_terms(tile);
    set_mode(tile, MXCSR_PLAIN);
    hg_x86_mi(x, HG_X86_TEST_I, FRAME(strip.stage), HG_NATIVE_LAST);
    uint32_t last = hg_x86_jump_if(x, HG_X86_CC_NE);
    move_sums(tile, false);
    uint32_t done = hg_x86_jump(x);
    hg_x86_land(x, last);
    hg_mma_follow(tile, 0);
    hg_x86_land(x, done);
}

/* ---- functions ------------------------------------------------------------------------------- */

/* For tiles of any shape. */
static void start_gen(struct hg_code_gen *gen, struct hg_emit *emit, uint8_t *buffer, size_t size,
                      bool saves_all)
{
    hg_code_init(gen, emit, buffer, size);
    gen->is_product = true;
    gen->held = (uint8_t)hg_mma_tile_sums(emit->level);
    hg_regs_plan(gen);
    hg_code_enter(gen, saves_all);
    hg_code_front(gen);
}

/* To the tile below: of A, of the lanes, of the sums kept. */
static void step_down(const struct hg_mma_tile *tile)
{
    struct hg_x86 *x = &tile->gen->x;
    int32_t rows = (int32_t)tile->rows;
    if (tile->trans_a) {
        hg_x86_mi(x, HG_X86_ADD_I | HG_X86_W64, FRAME(strip.tile_a), rows << tile->width);
    } else {
        hg_x86_rmi(x, HG_X86_IMUL_I | HG_X86_W64, HG_X86_RAX, FRAME(strip.a_step), rows);
        hg_x86_mr(x, HG_X86_ADD_M | HG_X86_W64, FRAME(strip.tile_a), HG_X86_RAX);
    }
    hg_x86_rmi(x, HG_X86_IMUL_I | HG_X86_W64, HG_X86_RAX, FRAME(strip.cols), rows);
    hg_x86_mr(x, HG_X86_ADD_M | HG_X86_W64, FRAME(lane), HG_X86_RAX);
    hg_x86_mi(x, HG_X86_ADD_I | HG_X86_W64, FRAME(strip.sums),
              rows * (int32_t)(tile->vectors * HG_NATIVE_VECTOR));
}

static void copy_field(struct hg_x86 *x, struct hg_x86_mem to, struct hg_x86_mem from)
{
    hg_x86_rm(x, HG_X86_MOV | HG_X86_W64, HG_X86_RAX, from);
    hg_x86_mr(x, HG_X86_MOV_M | HG_X86_W64, to, HG_X86_RAX);
}

/* To the first tile of the strip that the frame describes. */
static void start_strip(struct hg_x86 *x)
{
    copy_field(x, FRAME(strip.tile_a), FRAME(strip.a));
    copy_field(x, FRAME(strip.tiles_left), FRAME(strip.tiles));
    copy_field(x, FRAME(lane), FRAME(strip.lane));
    copy_field(x, FRAME(row), FRAME(strip.row));
    hg_x86_rm(x, HG_X86_MOV | HG_X86_W64, HG_X86_RAX, FRAME(strip.terms));
    hg_x86_rm(x, HG_X86_IMUL | HG_X86_W64, HG_X86_RAX, FRAME(strip.b_step));
    hg_x86_rm(x, HG_X86_ADD | HG_X86_W64, HG_X86_RAX, FRAME(strip.b));
    hg_x86_mr(x, HG_X86_MOV_M | HG_X86_W64, FRAME(strip.ahead), HG_X86_RAX);
}

/* To the strip beside. */
static void step_aside(const struct hg_mma_tile *tile)
{
    struct hg_x86 *x = &tile->gen->x;
    int32_t columns = (int32_t)(tile->vectors * tile->gen->emit->lanes);
    hg_x86_rm(x, HG_X86_MOV | HG_X86_W64, HG_X86_RAX, FRAME(strip.b_next));
    hg_x86_mr(x, HG_X86_ADD_M | HG_X86_W64, FRAME(strip.b), HG_X86_RAX);
    hg_x86_mi(x, HG_X86_ADD_I | HG_X86_W64, FRAME(strip.lane), columns);
    hg_x86_mi(x, HG_X86_ADD_I | HG_X86_W64, FRAME(col), columns);
}

size_t hg_mma_emit_tiles(struct hg_emit *emit, const struct hg_insn *insn,
                         struct hg_native_tile shape, uint8_t *buffer, size_t size)
{
    struct hg_code_gen gen;
    start_gen(&gen, emit, buffer, size, true);
    struct hg_mma_tile tile = {.gen = &gen,
                               .width = insn->type == HG_F64 ? 3 : 2,
                               .rows = shape.rows,
                               .vectors = shape.vectors,
                               .masked = shape.masked,
                               .trans_a = (insn->u.mma.flags & HG_MMA_TRANS_A) != 0,
                               .flushes = insn->type == HG_BF16 && !emit->ftz};
    struct hg_x86 *x = &gen.x;
    if (shape.masked) {
        hg_x86_rm(x, HG_X86_MOV | HG_X86_W64, HG_X86_RCX, FRAME(strip.last));
        hg_code_last_lanes(&gen);
    }
    take_registers(&tile);
    uint32_t strip = hg_x86_here(x);
    start_strip(x);
    uint32_t top = hg_x86_here(x);
    staged_tile(&tile);
    step_down(&tile);
    hg_x86_mi(x, HG_X86_SUB_I | HG_X86_W64, FRAME(strip.tiles_left), 1);
    hg_x86_jump_if_to(x, HG_X86_CC_NE, top);
    step_aside(&tile);
    hg_x86_mi(x, HG_X86_SUB_I | HG_X86_W64, FRAME(strip.strips), 1);
    hg_x86_jump_if_to(x, HG_X86_CC_NE, strip);
    return hg_code_leave(&gen, true);
}

/* ---- whole products -------------------------------------------------------------------------- */

struct whole {
    struct hg_code_gen gen;
    const struct hg_mma *mma;
    unsigned width;
};

/* COUNT tiles of ROWS under each other. */
static void whole_tiles(struct whole *whole, struct hg_native_tile shape, unsigned count)
{
    const struct hg_mma *mma = whole->mma;
    struct hg_x86 *x = &whole->gen.x;
    struct hg_mma_tile tile = {.gen = &whole->gen,
                               .width = whole->width,
                               .rows = shape.rows,
                               .vectors = shape.vectors,
                               .masked = shape.masked,
                               .trans_a = (mma->flags & HG_MMA_TRANS_A) != 0,
                               .is_known = true,
                               .a_step = (int32_t)(mma->lda << whole->width),
                               .b_step = (int32_t)(mma->ldb << whole->width),
                               .terms = mma->k};
    if (count > 1) {
        hg_x86_mi(x, HG_X86_MOV_I | HG_X86_W64, FRAME(strip.tiles_left), (int32_t)count);
    }
    take_registers(&tile);
    uint32_t top = hg_x86_here(x);
    start_from_zero(&tile);
    hg_mma_terms(&tile);
    hg_mma_follow(&tile, mma->n);
    give_registers_back(&tile);
    int32_t rows = shape.rows;
    hg_x86_mi(x, HG_X86_ADD_I | HG_X86_W64, FRAME(strip.tile_a),
              tile.trans_a ? rows << whole->width : rows * tile.a_step);
    hg_x86_mi(x, HG_X86_ADD_I | HG_X86_W64, FRAME(lane), rows * (int32_t)mma->n);
    if (count > 1) {
        hg_x86_mi(x, HG_X86_SUB_I | HG_X86_W64, FRAME(strip.tiles_left), 1);
        hg_x86_jump_if_to(x, HG_X86_CC_NE, top);
    }
}

/* A strip of columns from top to bottom. */
static void whole_strip(struct whole *whole, struct hg_native_tile shape, unsigned col)
{
    const struct hg_mma *mma = whole->mma;
    struct hg_x86 *x = &whole->gen.x;
    hg_x86_rm(x, HG_X86_MOV | HG_X86_W64, HG_X86_RAX,
              frame(offsetof(struct hg_native_frame, base) + mma->a.slot * sizeof(uint8_t *)));
    hg_x86_rm(x, HG_X86_MOV | HG_X86_W64, HG_X86_RDX,
              frame(offsetof(struct hg_native_frame, base) + mma->b.slot * sizeof(uint8_t *)));
    if (mma->a.offset != 0) {
        hg_x86_ri(x, HG_X86_ADD_I | HG_X86_W64, HG_X86_RAX, (int32_t)mma->a.offset);
    }
    int64_t offset = mma->b.offset + (int64_t)((uint64_t)col << whole->width);
    if (offset != 0) {
        hg_x86_ri(x, HG_X86_ADD_I | HG_X86_W64, HG_X86_RDX, (int32_t)offset);
    }
    hg_x86_mr(x, HG_X86_MOV_M | HG_X86_W64, FRAME(strip.tile_a), HG_X86_RAX);
    hg_x86_mr(x, HG_X86_MOV_M | HG_X86_W64, FRAME(strip.b), HG_X86_RDX);
    hg_x86_mi(x, HG_X86_MOV_I | HG_X86_W64, FRAME(lane), (int32_t)col);
    hg_x86_mi(x, HG_X86_MOV_I | HG_X86_W64, FRAME(col), (int32_t)col);
    hg_x86_mi(x, HG_X86_MOV_I | HG_X86_W64, FRAME(row), 0);
    unsigned tiles = (mma->m + shape.rows - 1u) / shape.rows;
    unsigned longer = mma->m - tiles * (shape.rows - 1u); /* tiles of that many rows */
    whole_tiles(whole, shape, longer);
    if (longer < tiles) {
        shape.rows--;
        whole_tiles(whole, shape, tiles - longer);
    }
}

size_t hg_mma_emit_whole(struct hg_emit *emit, const struct hg_insn *insn, uint8_t *buffer,
                         size_t size)
{
    const struct hg_mma *mma = &insn->u.mma;
    struct whole whole = {.mma = mma, .width = insn->type == HG_F64 ? 3 : 2};
    unsigned lanes = emit->lanes;
    unsigned vectors = (mma->n + lanes - 1) / lanes;
    unsigned rest = mma->n % lanes;
    bool crosses = mma->ldb % lanes != 0;
    struct hg_native_tile shape =
        hg_native_choose_tile(emit->level, mma->m, vectors, mma->k, crosses);
    if (mma->a.offset > INT32_MAX / 2 || mma->b.offset > INT32_MAX / 2) {
        return 0;
    }
    start_gen(&whole.gen, emit, buffer, size, false);
    if (rest != 0) {
        hg_x86_load(&whole.gen.x, HG_X86_RCX, rest);
        hg_code_last_lanes(&whole.gen);
    }
    for (unsigned v = 0; v < vectors; v += shape.vectors) {
        if (vectors - v < shape.vectors) {
            shape = hg_native_choose_tile(emit->level, mma->m, vectors - v, mma->k, crosses);
        }
        shape.masked = rest != 0 && v + shape.vectors == vectors;
        whole_strip(&whole, shape, v * lanes);
    }
    return hg_code_leave(&whole.gen, false);
}
