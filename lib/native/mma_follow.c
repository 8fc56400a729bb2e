/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What follows the sums of a tile. Where these leave no registers for the operations, or the
 * operations are many, the sums go through the frame's tile and the operations are written once for
 * each vector of a row, in a loop over rows.
 */
#include <stddef.h>

#include "lib/native/mma.h"

/* Operations up to which each vector of sums has its own copy of them. */
#define FLAT_OPS 6
/* Terms from which on the lines of results are fetched meanwhile. */
#define FETCHING_TERMS 128

static struct hg_x86_mem frame(size_t offset)
{
    return hg_x86_at(HG_X86_RDI, (int32_t)offset);
}
#define FRAME(field) frame(offsetof(struct hg_native_frame, field))

static unsigned body_length(const struct hg_emit *emit)
{
    unsigned length = 0;
    for (uint16_t i = 0; i < emit->op_count; i++) {
        const struct hg_vop *vop = &emit->ops[i];
        length += (vop->flags & HG_VOP_UNIFORM) == 0 && (vop->uses > 0 || vop->op >= HG_VOP_STORE);
    }
    return length;
}

static bool is_flat(const struct hg_code_gen *gen)
{
    return body_length(gen->emit) <= FLAT_OPS;
}

static bool tells_rows_apart(const struct hg_emit *emit)
{
    for (uint16_t i = 0; i < emit->op_count; i++) {
        if ((emit->ops[i].flags & HG_VOP_ROW) != 0) {
            return true;
        }
    }
    return false;
}

/* rax: lanes from the tile's first row to the one at hand; one row further. */
static void next_row(const struct hg_mma_tile *tile, uint32_t cols)
{
    struct hg_x86 *x = &tile->gen->x;
    if (tells_rows_apart(tile->gen->emit)) {
        hg_x86_mi(x, HG_X86_ADD_I | HG_X86_W64, FRAME(row), 1);
    }
    if (tile->is_known) {
        hg_x86_ri(x, HG_X86_ADD_I | HG_X86_W64, HG_X86_RAX, (int32_t)cols);
    } else {
        hg_x86_rm(x, HG_X86_ADD | HG_X86_W64, HG_X86_RAX, FRAME(strip.cols));
    }
}

static void follow_row(const struct hg_mma_tile *tile, const uint8_t *sums)
{
    struct hg_code_gen *gen = tile->gen;
    for (unsigned v = 0; v < tile->vectors; v++) {
        gen->copy = (uint8_t)v;
        gen->masked = tile->masked && v + 1 == tile->vectors;
        gen->sum = sums != NULL ? sums[v] : HG_NO_REG;
        hg_code_body(gen);
    }
}

static void follow_flat(const struct hg_mma_tile *tile, uint32_t cols)
{
    for (unsigned row = 0; row < tile->rows; row++) {
        follow_row(tile, tile->sums + row * tile->vectors);
        next_row(tile, cols);
    }
}

/* Through the frame's tile. */
static void follow_in_loop(const struct hg_mma_tile *tile, uint32_t cols)
{
    struct hg_code_gen *gen = tile->gen;
    struct hg_x86 *x = &gen->x;
    unsigned count = tile->rows * tile->vectors;
    uint32_t store = HG_X86_VMOVUPS_M | hg_code_length(gen, tile->width);
    for (unsigned i = 0; i < count; i++) {
        hg_x86_mr(x, store,
                  frame(offsetof(struct hg_native_frame, tile) + (size_t)i * HG_NATIVE_VECTOR),
                  tile->sums[i]);
        gen->free |= 1u << tile->sums[i];
        gen->kept &= ~(1u << tile->sums[i]);
    }
    hg_x86_rr(x, HG_X86_XOR, HG_X86_RCX, HG_X86_RCX);
    uint32_t top = hg_x86_here(x);
    follow_row(tile, NULL);
    next_row(tile, cols);
    hg_x86_ri(x, HG_X86_ADD_I | HG_X86_W64, HG_X86_RCX,
              (int32_t)(tile->vectors * HG_NATIVE_VECTOR));
    hg_x86_ri(x, HG_X86_CMP_I | HG_X86_W64, HG_X86_RCX, (int32_t)(count * HG_NATIVE_VECTOR));
    hg_x86_jump_if_to(x, HG_X86_CC_B, top);
}

void hg_mma_follow(const struct hg_mma_tile *tile, uint32_t cols)
{
    struct hg_code_gen *gen = tile->gen;
    hg_code_load_pointers(gen);
    hg_x86_rr(&gen->x, HG_X86_XOR, HG_X86_RAX, HG_X86_RAX);
    if (is_flat(gen)) {
        follow_flat(tile, cols);
    } else {
        follow_in_loop(tile, cols);
    }
}

/* The stream that results go to, or that has what they are added to; NULL if none is lane by lane.
 */
static const struct hg_stream *result_stream(const struct hg_emit *emit)
{
    const struct hg_stream *found = NULL;
    for (uint16_t i = 0; i < emit->op_count; i++) {
        if (emit->ops[i].op == HG_VOP_STORE) {
            found = &emit->streams[emit->ops[i].imm];
        }
    }
    return found;
}

void hg_mma_fetch_results(const struct hg_mma_tile *tile)
{
    struct hg_x86 *x = &tile->gen->x;
    const struct hg_stream *stream = result_stream(tile->gen->emit);
    if (stream == NULL) {
        return;
    }
    hg_x86_mi(x, HG_X86_CMP_I | HG_X86_W64, FRAME(strip.terms), FETCHING_TERMS);
    uint32_t few = hg_x86_jump_if(x, HG_X86_CC_B);
    hg_x86_rm(x, HG_X86_MOV | HG_X86_W64, HG_X86_RDX, FRAME(lane));
    hg_x86_rm(x, HG_X86_MOV | HG_X86_W64, HG_X86_RCX, FRAME(strip.cols));
    hg_x86_rm(x, HG_X86_MOV | HG_X86_W64, HG_X86_RAX,
              frame(offsetof(struct hg_native_frame, base) + stream->slot * sizeof(uint8_t *)));
    hg_x86_rm(x, HG_X86_LEA | HG_X86_W64, HG_X86_RAX,
              hg_x86_indexed(HG_X86_RAX, HG_X86_RDX, stream->width, 0));
    int32_t bytes = (int32_t)(tile->vectors * tile->gen->emit->lanes << stream->width);
    for (unsigned row = 0; row < tile->rows; row++) {
        for (int32_t at = 0; at < bytes; at += HG_NATIVE_VECTOR) {
            hg_x86_m(x, HG_X86_PREFETCHW, hg_x86_at(HG_X86_RAX, at));
        }
        hg_x86_rm(x, HG_X86_LEA | HG_X86_W64, HG_X86_RAX,
                  hg_x86_indexed(HG_X86_RAX, HG_X86_RCX, stream->width, 0));
    }
    hg_x86_land(x, few);
}
