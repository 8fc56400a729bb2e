/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fifth pass of the verifier: inside a segment no lane may read what another lane writes, nor may
 * two stores race, so that lanes may run in any order. Judged by operand: different slots, handles
 * and classes are different memory (what overlaps is refused at launch).
 *
 *     load and store    the same address and type; the address one element for each lane, or
 * outside LOOP.BLOCKS one for the launch or row, where both run once store and store   the same
 * address and type, or addresses that provably never meet
 */
#include "lib/isa/verify.h"

/* Pool memory that only one POOL.ALLOC can have given. */
static bool is_fresh_handle(const struct hg_verify *verify, uint8_t reg)
{
    for (uint32_t i = 0; i < verify->code->insn_count; i++) {
        struct hg_insn_uses uses;
        hg_insn_uses(&verify->code->insns[i], &uses);
        if (uses.writes && uses.write.reg == reg && verify->code->insns[i].op != HG_OP_POOL_ALLOC) {
            return false;
        }
    }
    return true;
}

/* Whether REG holds one value for as long as it may be read: it is written in one place, once. */
static bool is_stable(const struct hg_verify *verify, uint8_t reg)
{
    uint32_t writes = 0;
    for (uint32_t i = 0; i < verify->code->insn_count; i++) {
        struct hg_insn_uses uses;
        hg_insn_uses(&verify->code->insns[i], &uses);
        if (!uses.writes || uses.write.reg != reg) {
            continue;
        }
        uint16_t body = verify->notes[i].body;
        bool in_loop = body != HG_NO_BODY && verify->code->insns[body - 1].op == HG_OP_LOOP;
        if (++writes > 1 || in_loop || verify->has_backward ||
            verify->notes[i].routine != HG_MAIN) {
            return false;
        }
    }
    return true;
}

static bool same_segment(const struct hg_verify *verify, uint32_t i, uint32_t j)
{
    const struct hg_note *a = &verify->notes[i];
    const struct hg_note *b = &verify->notes[j];
    /* What subroutines access counts as accessed in every segment. */
    return a->segment == b->segment || a->routine > HG_MAIN || b->routine > HG_MAIN;
}

/* Whether two addresses lie in the same operand. */
static bool same_operand(const struct hg_verify *verify, const struct hg_addr *a,
                         const struct hg_addr *b)
{
    bool a_apart = a->mode == HG_ADDR_PHI || a->mode == HG_ADDR_SCRATCH;
    bool b_apart = b->mode == HG_ADDR_PHI || b->mode == HG_ADDR_SCRATCH;
    if (a_apart || b_apart) {
        return a->mode == b->mode && (a->mode == HG_ADDR_SCRATCH ||
                                      a->offset / HG_CLASS_BYTES == b->offset / HG_CLASS_BYTES);
    }
    return hg_verify_slot(verify, a) == hg_verify_slot(verify, b);
}

static bool same_address(const struct hg_verify *verify, const struct hg_addr *a,
                         const struct hg_addr *b)
{
    bool factors = a->lane == HG_LANE_NONE || a->lane == HG_LANE_ROW || a->factor == b->factor;
    if (a->mode != b->mode || a->offset != b->offset || a->lane != b->lane || !factors) {
        return false;
    }
    return !hg_addr_computed(a) || (a->reg == b->reg && is_stable(verify, a->reg));
}

/* The bytes that a scratch access touches in a block: [offset, end). */
static int64_t scratch_end(const struct hg_verify *verify, const struct hg_insn *insn)
{
    int64_t size = hg_dtype_bytes(insn->type);
    int64_t lanes = insn->u.addr.lane == HG_LANE_NONE ? 1 : verify->block_lanes;
    return insn->u.addr.offset + lanes * size;
}

/* Whether two accesses of one operand can be seen never to touch the same byte in any launch. */
static bool never_meet(const struct hg_verify *verify, const struct hg_insn *a,
                       const struct hg_insn *b)
{
    const struct hg_addr *x = &a->u.addr;
    const struct hg_addr *y = &b->u.addr;
    if (x->mode == HG_ADDR_SCRATCH) {
        return scratch_end(verify, a) <= y->offset || scratch_end(verify, b) <= x->offset;
    }
    if (hg_addr_computed(x) || hg_addr_computed(y) || x->lane != y->lane) {
        return false;
    }
    int64_t size_x = hg_dtype_bytes(a->type);
    int64_t size_y = hg_dtype_bytes(b->type);
    if (x->lane == HG_LANE_NONE) {
        return x->offset + size_x <= y->offset || y->offset + size_y <= x->offset;
    }
    if (x->lane != HG_LANE_STRIDE || size_x != size_y || x->factor != y->factor) {
        return false;
    }
    /* Interleaved: their distance leaves a whole element between, in steps of the stride. */
    int64_t step = size_x * (int64_t)x->factor;
    int64_t distance = ((y->offset - x->offset) % step + step) % step;
    return distance >= size_x && distance <= step - size_x;
}

static bool is_scatter(const struct hg_verify *verify, uint32_t index)
{
    return verify->notes[index].addr_level > HG_LEVEL_LAUNCH;
}

/* Whether instruction LOAD, at the same address as a store, sees only what its own lane stores. */
static bool reads_own(const struct hg_verify *verify, uint32_t load, uint32_t store)
{
    const struct hg_addr *addr = &verify->code->insns[load].u.addr;
    if (is_scatter(verify, load) || is_scatter(verify, store)) {
        return false;
    }
    if (addr->lane == HG_LANE_STRIDE || addr->mode == HG_ADDR_SCRATCH) {
        return true;
    }
    uint32_t contexts = hg_verify_contexts(verify, load) | hg_verify_contexts(verify, store);
    return (addr->lane == HG_LANE_NONE || addr->lane == HG_LANE_ROW) &&
           (contexts & HG_CONTEXT_BLOCKS) == 0;
}

static enum hg_status check_load(const struct hg_verify *verify, uint32_t load, uint32_t store)
{
    const struct hg_insn *a = &verify->code->insns[load];
    const struct hg_insn *b = &verify->code->insns[store];
    if (!same_operand(verify, &a->u.addr, &b->u.addr) ||
        (a->u.addr.mode == HG_ADDR_SCRATCH && never_meet(verify, a, b))) {
        return HG_OK;
    }
    if (a->type == b->type && same_address(verify, &a->u.addr, &b->u.addr) &&
        reads_own(verify, load, store)) {
        return HG_OK;
    }
    return hg_verify_fail(verify, load,
                          "may read what another lane writes in this segment, at instruction %u",
                          store);
}

static enum hg_status check_stores(const struct hg_verify *verify, uint32_t i, uint32_t j)
{
    const struct hg_insn *a = &verify->code->insns[i];
    const struct hg_insn *b = &verify->code->insns[j];
    if (!same_operand(verify, &a->u.addr, &b->u.addr) || never_meet(verify, a, b)) {
        return HG_OK;
    }
    if (a->type == b->type && same_address(verify, &a->u.addr, &b->u.addr) &&
        !is_scatter(verify, i) && !is_scatter(verify, j)) {
        return HG_OK;
    }
    return hg_verify_fail(
        verify, j, "may write what another lane writes in this segment, at instruction %u", i);
}

static enum hg_status check_product(const struct hg_verify *verify, uint32_t product,
                                    uint32_t store)
{
    const struct hg_mma *mma = &verify->code->insns[product].u.mma;
    const struct hg_addr *addr = &verify->code->insns[store].u.addr;
    if (same_operand(verify, &mma->a, addr) || same_operand(verify, &mma->b, addr)) {
        return hg_verify_fail(
            verify, product, "may read what another lane writes in this segment, at instruction %u",
            store);
    }
    return HG_OK;
}

/* POOL memory: the same handle and offset registers and type; or both offsets launch-uniform, when
 * both run once; or handles of different allocations. */
static enum hg_status check_pool(const struct hg_verify *verify, uint32_t access, uint32_t store)
{
    const struct hg_insn *a = &verify->code->insns[access];
    const struct hg_insn *b = &verify->code->insns[store];
    if (a->a != b->a && is_fresh_handle(verify, a->a) && is_fresh_handle(verify, b->a)) {
        return HG_OK;
    }
    bool uniform = !is_scatter(verify, access) && !is_scatter(verify, store);
    if (a->a == b->a && (uniform || (a->b == b->b && a->type == b->type))) {
        return HG_OK;
    }
    return hg_verify_fail(verify, access,
                          "may touch what another lane writes in this segment, at instruction %u",
                          store);
}

static enum hg_status check_pair(const struct hg_verify *verify, uint32_t store, uint32_t other)
{
    uint8_t op = verify->code->insns[other].op;
    switch (verify->code->insns[store].op) {
    case HG_OP_STG:
        return op == HG_OP_LDG                    ? check_load(verify, other, store)
               : op == HG_OP_STG && other > store ? check_stores(verify, store, other)
               : op == HG_OP_MMA                  ? check_product(verify, other, store)
                                                  : HG_OK;
    case HG_OP_STS:
        return op == HG_OP_LDS                    ? check_load(verify, other, store)
               : op == HG_OP_STS && other > store ? check_stores(verify, store, other)
                                                  : HG_OK;
    default:
        return op == HG_OP_POOL_LOAD || (op == HG_OP_POOL_STORE && other > store)
                   ? check_pool(verify, other, store)
                   : HG_OK;
    }
}

static bool is_store(uint8_t op)
{
    return op == HG_OP_STG || op == HG_OP_STS || op == HG_OP_POOL_STORE;
}

static bool is_access(uint8_t op)
{
    return op <= HG_OP_STS || op == HG_OP_MMA || op == HG_OP_POOL_LOAD || op == HG_OP_POOL_STORE;
}

static bool is_reached(const struct hg_verify *verify, uint32_t index)
{
    return (verify->notes[index].flags & HG_NOTE_REACHED) != 0;
}

static enum hg_status check_store(const struct hg_verify *verify, uint32_t store)
{
    for (uint32_t i = 0; i < verify->code->insn_count; i++) {
        if (!is_access(verify->code->insns[i].op) || !is_reached(verify, i) ||
            !same_segment(verify, store, i)) {
            continue;
        }
        enum hg_status status = check_pair(verify, store, i);
        if (status != HG_OK) {
            return status;
        }
    }
    return HG_OK;
}

/* B, from the widest type that a per-lane instruction names. */
static void find_block(struct hg_verify *verify)
{
    uint32_t widest = 1;
    for (uint32_t i = 0; i < verify->code->insn_count; i++) {
        const struct hg_insn *insn = &verify->code->insns[i];
        const struct hg_insn_info *info = hg_insn_info(insn->op);
        if (verify->notes[i].level != HG_LEVEL_LANE || info->types == 0) {
            continue;
        }
        uint32_t bytes = hg_dtype_bytes(insn->type);
        uint32_t source = info->form == HG_FORM_CVT ? hg_dtype_bytes(insn->type2) : 0;
        widest = bytes > widest ? bytes : widest;
        widest = source > widest ? source : widest;
    }
    verify->block_lanes = HG_BLOCK_BYTES / widest;
}

static enum hg_status check_scratch(const struct hg_verify *verify, uint32_t index)
{
    int64_t end = scratch_end(verify, &verify->code->insns[index]);
    if (end > verify->code->header.scratch_bytes) {
        return hg_verify_fail(verify, index, "needs %lld bytes of scratch, declared are %u",
                              (long long)end, verify->code->header.scratch_bytes);
    }
    return HG_OK;
}

enum hg_status hg_verify_memory(struct hg_verify *verify)
{
    find_block(verify);
    for (uint32_t i = 0; i < verify->code->insn_count; i++) {
        uint8_t op = verify->code->insns[i].op;
        enum hg_status status = HG_OK;
        if (op == HG_OP_LDS || op == HG_OP_STS) {
            status = check_scratch(verify, i);
        }
        if (status == HG_OK && is_store(op) && is_reached(verify, i)) {
            status = check_store(verify, i);
        }
        if (status != HG_OK) {
            return status;
        }
    }
    return HG_OK;
}
