/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The accumulators of REDUCE: W elements of each, that are as many vectors. They are registers,
 * side by side, or where AVX2 has too few, vectors in the frame.
 */
#include "lib/native/emit_code.h"

#include <stddef.h>

static unsigned vectors_of(const struct hg_emit *emit, unsigned index)
{
    return (emit->reduces[index].width == 3 ? 32u : 64u) / emit->lanes;
}

void hg_sums_plan(struct hg_code_gen *gen)
{
    const struct hg_emit *emit = gen->emit;
    unsigned room = hg_code_has_masks(gen) ? UINT8_MAX : 8; /* of the 16 of AVX2 */
    for (unsigned i = 0; i < emit->region->reduce_count; i++) {
        unsigned count = vectors_of(emit, i);
        gen->sum_count[i] = (uint8_t)(count <= room ? count : 0);
        room -= gen->sum_count[i];
    }
}

static struct hg_x86_mem frame(size_t offset)
{
    return hg_x86_at(HG_X86_RDI, (int32_t)offset);
}

/* Vector R of those of REDUCE number INDEX in the frame. */
static struct hg_x86_mem vector_memory(const struct hg_code_gen *gen, unsigned index, unsigned r)
{
    unsigned bytes = (unsigned)gen->emit->lanes << gen->emit->reduces[index].width;
    return frame(offsetof(struct hg_native_frame, sums) + index * HG_NATIVE_SUM_BYTES + r * bytes);
}

static uint32_t sums_length(const struct hg_code_gen *gen, unsigned index)
{
    return hg_code_length(gen, gen->emit->reduces[index].width);
}

static void start_in_frame(struct hg_code_gen *gen, unsigned index)
{
    const struct hg_emit_reduce *reduce = &gen->emit->reduces[index];
    unsigned spare = hg_regs_take(gen);
    hg_code_broadcast(gen, gen->emit->ops[reduce->start].width, spare, hg_x86_code(0));
    hg_regs_refer(gen, reduce->start, 0);
    for (unsigned r = 0; r < vectors_of(gen->emit, index); r++) {
        hg_avx2_store_whole(gen, reduce->width, spare, vector_memory(gen, index, r));
    }
    gen->free |= 1u << spare;
    gen->locked = gen->kept;
}

void hg_sums_start(struct hg_code_gen *gen)
{
    const struct hg_emit *emit = gen->emit;
    for (unsigned i = 0; i < emit->region->reduce_count; i++) {
        const struct hg_emit_reduce *reduce = &emit->reduces[i];
        unsigned count = gen->sum_count[i];
        if (count == 0) {
            start_in_frame(gen, i);
            continue;
        }
        /* Neighbours, so that copy u finds its own. */
        unsigned first = (hg_code_has_masks(gen) ? 32u : 16u) - count;
        while (first > 0 && (gen->free >> first & ((1u << count) - 1)) != (1u << count) - 1) {
            first--;
        }
        gen->failed |= (gen->free >> first & ((1u << count) - 1)) != (1u << count) - 1;
        gen->sum_first[i] = (uint8_t)first;
        uint32_t block = ((1u << count) - 1) << first;
        gen->free &= ~block;
        gen->kept |= block;
        gen->locked |= block;
        uint32_t length = hg_code_length(gen, reduce->width);
        hg_code_broadcast(gen, emit->ops[reduce->start].width, first, hg_x86_code(0));
        hg_regs_refer(gen, reduce->start, 0);
        for (unsigned r = 1; r < count; r++) {
            hg_x86_rr(&gen->x, HG_X86_VMOVAPS | length, first + r, first);
        }
    }
}

/* The next vector's accumulators become the first: they go round, so that one copy of the body
 * serves all. Where in the round it ends makes no difference, because folding adds the same pairs.
 */
void hg_sums_rotate(struct hg_code_gen *gen)
{
    for (unsigned i = 0; i < gen->emit->region->reduce_count; i++) {
        unsigned first = gen->sum_first[i];
        unsigned count = gen->sum_count[i];
        if (count <= 1) {
            continue;
        }
        uint32_t move = HG_X86_VMOVAPS | hg_code_length(gen, gen->emit->reduces[i].width);
        unsigned spare = hg_regs_take(gen);
        hg_x86_rr(&gen->x, move, spare, first);
        for (unsigned r = 0; r + 1 < count; r++) {
            hg_x86_rr(&gen->x, move, first + r, first + r + 1);
        }
        hg_x86_rr(&gen->x, move, first + count - 1, spare);
        gen->free |= 1u << spare;
        gen->locked = gen->kept;
    }
}

/* Those in the frame are where their lanes say. */
static void add_in_frame(struct hg_code_gen *gen, unsigned index, unsigned r)
{
    struct hg_x86 *x = &gen->x;
    unsigned width = gen->emit->reduces[index].width;
    uint32_t length = sums_length(gen, index);
    unsigned acc = hg_regs_take(gen);
    hg_x86_rm(x, HG_X86_LEA | HG_X86_W64, HG_X86_RDX,
              hg_x86_at(HG_X86_RAX, gen->copy * gen->emit->lanes));
    hg_x86_ri(x, HG_X86_AND_I, HG_X86_RDX, width == 3 ? 31 : 63);
    struct hg_x86_mem memory =
        hg_x86_indexed(HG_X86_RDI, HG_X86_RDX, width, vector_memory(gen, index, 0).disp);
    hg_avx2_load_whole(gen, width, acc, memory);
    hg_code_accumulate(gen, index, acc, r, length, gen->masked);
    hg_avx2_store_whole(gen, width, acc, memory);
    gen->free |= 1u << acc;
}

void hg_sums_add(struct hg_code_gen *gen, unsigned index, unsigned r)
{
    unsigned count = gen->sum_count[index];
    if (count == 0) {
        add_in_frame(gen, index, r);
        return;
    }
    hg_code_accumulate(gen, index, gen->sum_first[index] + gen->copy % count, r,
                       sums_length(gen, index), gen->masked);
}

/* The upper half of R's first BYTES bytes into the lower half of D. */
static void upper_half(struct hg_x86 *x, unsigned d, unsigned r, unsigned bytes)
{
    switch (bytes) {
    case 64:
        hg_x86_rri(x, HG_X86_VEXTRACTF64X4 | HG_X86_512, d, r, 1);
        break;
    case 32:
        hg_x86_rri(x, r < 16 ? HG_X86_VEXTRACTF128 | HG_X86_256 : HG_X86_VEXTRACTF32X4 | HG_X86_256,
                   d, r, 1);
        break;
    case 16:
        hg_x86_rri(x, HG_X86_VPSHUFD, d, r, 0x4e);
        break;
    default:
        hg_x86_rri(x, HG_X86_VPSHUFD, d, r, 0xb1);
        break;
    }
}

/* Vectors in the frame, pair by pair; the last one comes into a register. */
static unsigned fold_in_frame(struct hg_code_gen *gen, unsigned index)
{
    uint32_t length = sums_length(gen, index);
    unsigned width = gen->emit->reduces[index].width;
    unsigned low = hg_regs_take(gen);
    unsigned high = hg_regs_take(gen);
    for (unsigned count = vectors_of(gen->emit, index) / 2; count > 0; count /= 2) {
        for (unsigned r = 0; r < count; r++) {
            hg_avx2_load_whole(gen, width, low, vector_memory(gen, index, r));
            hg_avx2_load_whole(gen, width, high, vector_memory(gen, index, count + r));
            hg_code_accumulate(gen, index, low, high, length, false);
            hg_avx2_store_whole(gen, width, low, vector_memory(gen, index, r));
        }
    }
    gen->free |= 1u << high;
    return low;
}

static unsigned fold_registers(struct hg_code_gen *gen, unsigned index)
{
    unsigned first = gen->sum_first[index];
    for (unsigned count = gen->sum_count[index] / 2u; count > 0; count /= 2) {
        for (unsigned r = 0; r < count; r++) {
            hg_code_accumulate(gen, index, first + r, first + count + r, sums_length(gen, index),
                               false);
        }
    }
    return first;
}

/* a[i] op= a[i + h] for h = W / 2 … 1: vector by vector first, then inside the one left, which this
 * gives. */
static unsigned fold(struct hg_code_gen *gen, unsigned index)
{
    unsigned width = gen->emit->reduces[index].width;
    unsigned first =
        gen->sum_count[index] == 0 ? fold_in_frame(gen, index) : fold_registers(gen, index);
    unsigned spare = hg_regs_take(gen);
    unsigned bytes = (unsigned)gen->emit->lanes << width;
    for (; bytes > 1u << width; bytes /= 2) {
        upper_half(&gen->x, spare, first, bytes);
        hg_code_accumulate(gen, index, first, spare, HG_X86_LENGTH(bytes * 4), false);
    }
    gen->free |= 1u << spare;
    gen->locked = gen->kept;
    return first;
}

void hg_sums_store(struct hg_code_gen *gen)
{
    for (unsigned i = 0; i < gen->emit->region->reduce_count; i++) {
        if (gen->emit->region->reduces[i].folds) {
            unsigned sum = fold(gen, i);
            hg_x86_mr(&gen->x, HG_X86_VMOVQ_M, vector_memory(gen, i, 0), sum);
            continue;
        }
        for (unsigned r = 0; r < gen->sum_count[i]; r++) {
            hg_x86_mr(&gen->x, HG_X86_VMOVUPS_M | sums_length(gen, i), vector_memory(gen, i, r),
                      gen->sum_first[i] + r);
        }
    }
}
