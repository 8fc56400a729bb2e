/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Direct launches: programs whose launches are checked by a short list of accesses, and run by
 * calling their regions' functions one after the other.
 */
#include "lib/native/compiler.h"
#include "lib/native/mma.h"

/* The operand that ADDR names, as frames number them. */
static uint8_t slot_of(const struct hg_compiler *compiler, const struct hg_addr *addr)
{
    if (addr->mode == HG_ADDR_PHI || addr->slot != HG_SLOT_HANDLE) {
        return addr->mode == HG_ADDR_PHI ? HG_NATIVE_BOUNDARY : addr->slot;
    }
    uint8_t i = 0;
    while (compiler->handles[i] != addr->handle) {
        i++;
    }
    return (uint8_t)(compiler->program->facts.slot_count + i);
}

static bool add_access(struct hg_compiler *compiler, const struct hg_insn *insn)
{
    const struct hg_addr *addr = &insn->u.addr;
    bool by_cols = addr->lane == HG_LANE_STRIDE ? addr->factor == 1 : addr->factor == 0;
    if (!by_cols || hg_addr_computed(addr)) {
        return false;
    }
    const struct hg_native_access access = {
        .slot = slot_of(compiler, addr),
        .lane = addr->lane,
        .width = (uint8_t)hg_dtype_bytes((enum hg_dtype)insn->type),
        .written = insn->op == HG_OP_STG,
        .offset = (uint32_t)addr->offset, /* streams have smaller ones */
    };
    for (unsigned i = 0; i < compiler->access_count; i++) {
        struct hg_native_access *known = &compiler->accesses[i];
        if (known->slot == access.slot && known->lane == access.lane &&
            known->width == access.width && known->offset == access.offset) {
            known->written |= access.written;
            return true;
        }
    }
    if (compiler->access_count == HG_NATIVE_ACCESSES) {
        return false;
    }
    compiler->accesses[compiler->access_count++] = access;
    return true;
}

/* Whether each slot, and each class, that is written is accessed in one way: then two that overlap
 * in the same elements are in place. What is read in several ways is marked. */
static bool one_way_each(struct hg_compiler *compiler)
{
    for (unsigned i = 0; i < compiler->access_count; i++) {
        struct hg_native_access *a = &compiler->accesses[i];
        for (unsigned j = 0; j < i; j++) {
            struct hg_native_access *b = &compiler->accesses[j];
            bool classes = a->slot == HG_NATIVE_BOUNDARY &&
                           a->offset / HG_CLASS_BYTES != b->offset / HG_CLASS_BYTES;
            if (a->slot != b->slot || classes) {
                continue;
            }
            if (a->written || b->written) {
                return false;
            }
            a->many = b->many = true;
        }
    }
    return true;
}

bool hg_compiler_stores_one(const struct hg_compiler *compiler)
{
    for (unsigned i = 0; i < compiler->access_count; i++) {
        if (compiler->accesses[i].written && compiler->accesses[i].lane == HG_LANE_NONE) {
            return true;
        }
    }
    return false;
}

bool hg_compiler_is_direct(struct hg_compiler *compiler)
{
    compiler->access_count = 0;
    for (uint32_t i = 0; i < compiler->region_count; i++) {
        const struct hg_emit_region *region = &compiler->regions[i];
        bool fails = region->can_fail && compiler->region_count > 1;
        bool strips = region->product != HG_NATIVE_NO_PRODUCT && compiler->region_count > 1;
        bool has_code = compiler->offsets[i] != SIZE_MAX || region->product == HG_NATIVE_TILES;
        if (!has_code || fails || strips || region->fuel != 0) {
            return false;
        }
    }
    for (uint32_t i = 0; i < compiler->insn_count; i++) {
        const struct hg_insn *insn = &compiler->insns[i];
        if (insn->op == HG_OP_MMA) {
            struct hg_native_access *both = &compiler->accesses[compiler->access_count];
            if (compiler->access_count + 2 > HG_NATIVE_ACCESSES || !hg_mma_accesses(insn, both)) {
                return false;
            }
            compiler->access_count += 2;
            compiler->has_mma = compiler->regions[0].product == HG_NATIVE_TILES;
            compiler->mma = hg_mma_of(insn);
        } else if (hg_insn_has_addr(insn) && !add_access(compiler, insn)) {
            return false;
        }
    }
    return one_way_each(compiler);
}
