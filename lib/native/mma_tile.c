/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inner loop of products. Of each term, either the vectors of B are loaded first and each row's
 * element of A is then multiplied with all of them, or the elements of A first and each vector of B
 * then with all of those: whichever needs fewer registers. A lone vector takes A's elements from
 * memory, a lone element B's vectors.
 */
#include <stddef.h>

#include "lib/native/mma.h"

#define UNROLL    4   /* terms in a round of the loop */
#define FLAT_SUMS 512 /* multiplications up to which a known number of terms has no loop */

/* Where rows 0, 3, 6 … of A start; r8 has row 0. With a_step as index each serves three. */
static const uint8_t row_registers[] = {HG_X86_R8,  HG_X86_R9,  HG_X86_R10, HG_X86_RBX, HG_X86_RBP,
                                        HG_X86_R12, HG_X86_R13, HG_X86_R14, HG_X86_R15, HG_X86_RAX};
#define ROWS_EACH 3
#define A_STEP    HG_X86_R11
#define B_STEP    HG_X86_RDX
#define AHEAD     HG_X86_R15 /* what of B is fetched next, where no row needs the register */
_Static_assert(sizeof row_registers *ROWS_EACH >= HG_NATIVE_TILE_SUMS, "a place for every row");

static struct hg_x86_mem strip(size_t offset)
{
    return hg_x86_at(HG_X86_RDI, (int32_t)(offsetof(struct hg_native_frame, strip) + offset));
}

static bool by_columns(unsigned rows, unsigned vectors)
{
    return rows < vectors;
}

/* Whether elements of A can be read as they are multiplied. */
static bool may_broadcast(enum hg_isa_level level, unsigned vectors)
{
    return vectors == 1 && level == HG_ISA_AVX512;
}

unsigned hg_mma_spare(enum hg_isa_level level, unsigned rows, unsigned vectors)
{
    if (by_columns(rows, vectors)) {
        return rows + 1; /* A's elements, a vector of B */
    }
    return may_broadcast(level, vectors) ? 1 : vectors + 1; /* vectors of B, an element of A */
}

/* ---- operands -------------------------------------------------------------------------------- */

static unsigned row_register_count(const struct hg_mma_tile *tile)
{
    return tile->is_known || tile->trans_a ? 1 : (tile->rows + ROWS_EACH - 1) / ROWS_EACH;
}

/* Whether each round fetches a line of what comes after B's terms: panels lie one behind the
 * other, so that the tiles of a strip fetch the next one's from the third cache into the second. */
static bool fetches_ahead(const struct hg_mma_tile *tile)
{
    unsigned count = row_register_count(tile);
    return !tile->is_known && count < sizeof row_registers - 1;
}

/* Element TERM, from where the pointers are, of row ROW. */
static struct hg_x86_mem element_of_a(const struct hg_mma_tile *tile, unsigned row, unsigned term)
{
    int32_t bytes = 1 << tile->width;
    if (tile->trans_a) {
        int32_t down = tile->is_known ? (int32_t)term * tile->a_step : 0;
        return hg_x86_at(HG_X86_R8, (int32_t)row * bytes + down);
    }
    int32_t ahead = (int32_t)term * bytes;
    if (tile->is_known) {
        return hg_x86_at(HG_X86_R8, (int32_t)row * tile->a_step + ahead);
    }
    unsigned base = row_registers[row / ROWS_EACH];
    unsigned steps = row % ROWS_EACH;
    return steps == 0 ? hg_x86_at(base, ahead) : hg_x86_indexed(base, A_STEP, steps - 1, ahead);
}

static struct hg_x86_mem vector_of_b(const struct hg_mma_tile *tile, unsigned vector, unsigned term)
{
    int32_t down = tile->is_known ? (int32_t)term * tile->b_step : 0;
    unsigned bytes = (unsigned)tile->gen->emit->lanes << tile->width;
    return hg_x86_at(HG_X86_RSI, (int32_t)(vector * bytes) + down);
}

static uint32_t whole_vector(const struct hg_mma_tile *tile)
{
    return hg_code_length(tile->gen, tile->width);
}

static void load_b(const struct hg_mma_tile *tile, unsigned d, unsigned vector, unsigned term)
{
    uint32_t insn = (tile->width == 3 ? HG_X86_VMOVUPD : HG_X86_VMOVUPS) | whole_vector(tile);
    bool masked = tile->masked && vector + 1 == tile->vectors;
    if (masked && !hg_code_has_masks(tile->gen)) {
        tile->gen->masked = true;
        hg_avx2_load(tile->gen, tile->width, d, vector_of_b(tile, vector, term));
        return;
    }
    insn |= masked ? HG_X86_K(HG_TAIL_MASK) | HG_X86_ZERO : 0;
    hg_x86_rm(&tile->gen->x, insn, d, vector_of_b(tile, vector, term));
}

static void load_a(const struct hg_mma_tile *tile, unsigned d, unsigned row, unsigned term)
{
    hg_x86_rm(&tile->gen->x,
              (tile->width == 3 ? HG_X86_VBROADCASTSD : HG_X86_VBROADCASTSS) | whole_vector(tile),
              d, element_of_a(tile, row, term));
}

static uint32_t multiply_add(const struct hg_mma_tile *tile)
{
    return (tile->width == 3 ? HG_X86_VFMADD231PD : HG_X86_VFMADD231PS) | whole_vector(tile);
}

/* ---- a term ---------------------------------------------------------------------------------- */

static void term_by_rows(const struct hg_mma_tile *tile, unsigned term)
{
    struct hg_x86 *x = &tile->gen->x;
    unsigned vectors = tile->vectors;
    for (unsigned v = 0; v < vectors; v++) {
        load_b(tile, tile->free[v], v, term);
    }
    for (unsigned row = 0; row < tile->rows; row++) {
        if (may_broadcast(tile->gen->emit->level, vectors)) {
            hg_x86_rrm(x, multiply_add(tile) | HG_X86_BROADCAST, tile->sums[row], tile->free[0],
                       element_of_a(tile, row, term));
            continue;
        }
        load_a(tile, tile->free[vectors], row, term);
        for (unsigned v = 0; v < vectors; v++) {
            hg_x86_rrr(x, multiply_add(tile), tile->sums[row * vectors + v], tile->free[vectors],
                       tile->free[v]);
        }
    }
}

static void term_by_columns(const struct hg_mma_tile *tile, unsigned term)
{
    struct hg_x86 *x = &tile->gen->x;
    for (unsigned row = 0; row < tile->rows; row++) {
        load_a(tile, tile->free[row], row, term);
    }
    for (unsigned v = 0; v < tile->vectors; v++) {
        bool in_memory = tile->rows == 1 && !(tile->masked && v + 1 == tile->vectors);
        if (in_memory) {
            hg_x86_rrm(x, multiply_add(tile), tile->sums[v], tile->free[0],
                       vector_of_b(tile, v, term));
            continue;
        }
        load_b(tile, tile->free[tile->rows], v, term);
        for (unsigned row = 0; row < tile->rows; row++) {
            hg_x86_rrr(x, multiply_add(tile), tile->sums[row * tile->vectors + v], tile->free[row],
                       tile->free[tile->rows]);
        }
    }
}

static void one_term(const struct hg_mma_tile *tile, unsigned term)
{
    if (by_columns(tile->rows, tile->vectors)) {
        term_by_columns(tile, term);
    } else {
        term_by_rows(tile, term);
    }
}

/* ---- terms whose number is in the frame ------------------------------------------------------ */

static void load_pointers(const struct hg_mma_tile *tile)
{
    struct hg_x86 *x = &tile->gen->x;
    hg_x86_rm(x, HG_X86_MOV | HG_X86_W64, HG_X86_RSI, strip(offsetof(struct hg_native_strip, b)));
    hg_x86_rm(x, HG_X86_MOV | HG_X86_W64, HG_X86_R8,
              strip(offsetof(struct hg_native_strip, tile_a)));
    if (tile->is_known) {
        return;
    }
    hg_x86_rm(x, HG_X86_MOV | HG_X86_W64, A_STEP, strip(offsetof(struct hg_native_strip, a_step)));
    hg_x86_rm(x, HG_X86_MOV | HG_X86_W64, B_STEP, strip(offsetof(struct hg_native_strip, b_step)));
    hg_x86_rm(x, HG_X86_MOV | HG_X86_W64, HG_X86_RCX,
              strip(offsetof(struct hg_native_strip, terms)));
    unsigned count = row_register_count(tile);
    if (fetches_ahead(tile)) {
        hg_x86_rm(x, HG_X86_MOV | HG_X86_W64, AHEAD,
                  strip(offsetof(struct hg_native_strip, ahead)));
    }
    for (unsigned i = 1; i < count; i++) {
        hg_x86_rm(x, HG_X86_LEA | HG_X86_W64, row_registers[i],
                  hg_x86_indexed(row_registers[i - 1], A_STEP, 1, 0));
        hg_x86_rr(x, HG_X86_ADD | HG_X86_W64, row_registers[i], A_STEP);
    }
}

/* Of B one by one, because the step is in a register; of A all at once, or with it. */
static void some_terms(const struct hg_mma_tile *tile, unsigned count)
{
    struct hg_x86 *x = &tile->gen->x;
    for (unsigned term = 0; term < count; term++) {
        one_term(tile, term);
        hg_x86_rr(x, HG_X86_ADD | HG_X86_W64, HG_X86_RSI, B_STEP);
        if (tile->trans_a) {
            hg_x86_rr(x, HG_X86_ADD | HG_X86_W64, HG_X86_R8, A_STEP);
        }
    }
    unsigned registers = row_register_count(tile);
    for (unsigned i = 0; !tile->trans_a && i < registers; i++) {
        hg_x86_ri(x, HG_X86_ADD_I | HG_X86_W64, row_registers[i], (int32_t)(count << tile->width));
    }
}

static void counted_terms(const struct hg_mma_tile *tile)
{
    struct hg_x86 *x = &tile->gen->x;
    hg_x86_ri(x, HG_X86_SUB_I | HG_X86_W64, HG_X86_RCX, UNROLL);
    uint32_t few = hg_x86_jump_if(x, HG_X86_CC_B);
    hg_x86_align(x, 32);
    uint32_t top = hg_x86_here(x);
    some_terms(tile, UNROLL);
    if (fetches_ahead(tile)) {
        hg_x86_m(x, HG_X86_PREFETCHT1, hg_x86_at(AHEAD, 0));
        hg_x86_rm(x, HG_X86_ADD | HG_X86_W64, AHEAD,
                  strip(offsetof(struct hg_native_strip, ahead_step)));
    }
    hg_x86_ri(x, HG_X86_SUB_I | HG_X86_W64, HG_X86_RCX, UNROLL);
    hg_x86_jump_if_to(x, HG_X86_CC_AE, top);
    if (fetches_ahead(tile)) {
        hg_x86_mr(x, HG_X86_MOV_M | HG_X86_W64, strip(offsetof(struct hg_native_strip, ahead)),
                  AHEAD);
    }
    hg_x86_land(x, few);
    hg_x86_ri(x, HG_X86_ADD_I | HG_X86_W64, HG_X86_RCX, UNROLL);
    uint32_t none = hg_x86_jump_if(x, HG_X86_CC_E);
    uint32_t one = hg_x86_here(x);
    some_terms(tile, 1);
    hg_x86_ri(x, HG_X86_SUB_I | HG_X86_W64, HG_X86_RCX, 1);
    hg_x86_jump_if_to(x, HG_X86_CC_NE, one);
    hg_x86_land(x, none);
}

/* ---- terms whose number is known ------------------------------------------------------------- */

static void advance(const struct hg_mma_tile *tile, unsigned terms)
{
    int32_t a = tile->trans_a ? tile->a_step : 1 << tile->width;
    hg_x86_ri(&tile->gen->x, HG_X86_ADD_I | HG_X86_W64, HG_X86_RSI, (int32_t)terms * tile->b_step);
    hg_x86_ri(&tile->gen->x, HG_X86_ADD_I | HG_X86_W64, HG_X86_R8, (int32_t)terms * a);
}

static void known_terms(const struct hg_mma_tile *tile)
{
    struct hg_x86 *x = &tile->gen->x;
    unsigned rest = tile->terms;
    if (tile->terms * tile->rows * tile->vectors > FLAT_SUMS && tile->terms >= 2 * UNROLL) {
        hg_x86_load(x, HG_X86_RCX, tile->terms / UNROLL);
        hg_x86_align(x, 32);
        uint32_t top = hg_x86_here(x);
        for (unsigned term = 0; term < UNROLL; term++) {
            one_term(tile, term);
        }
        advance(tile, UNROLL);
        hg_x86_ri(x, HG_X86_SUB_I | HG_X86_W64, HG_X86_RCX, 1);
        hg_x86_jump_if_to(x, HG_X86_CC_NE, top);
        rest = tile->terms % UNROLL;
    }
    for (unsigned term = 0; term < rest; term++) {
        one_term(tile, term);
    }
}

void hg_mma_terms(const struct hg_mma_tile *tile)
{
    load_pointers(tile);
    if (tile->is_known) {
        known_terms(tile);
    } else {
        counted_terms(tile);
    }
}
