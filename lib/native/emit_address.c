/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads and stores. What lies in a line has a stream: a pointer that goes on with the lanes. Others
 * have an offset in bytes for each lane; computed ones are checked in the register that is used.
 */
#include <stddef.h>

#include "lib/native/emit.h"

/* Whether the lane term of ADDR is neither stride 1 nor by cols. */
static bool has_factor(const struct hg_addr *addr)
{
    switch (addr->lane) {
    case HG_LANE_STRIDE:
        return addr->factor != 1;
    case HG_LANE_MOD:
    case HG_LANE_DIV:
        return addr->factor != 0;
    default:
        return false;
    }
}

bool hg_address_is_indexed(const struct hg_insn *insn)
{
    const struct hg_addr *addr = &insn->u.addr;
    return (insn->op == HG_OP_LDG || insn->op == HG_OP_STG) &&
           (has_factor(addr) || hg_addr_computed(addr));
}

/* The operand of frame->base that ADDR names. */
static unsigned slot_of(struct hg_lower *lower, const struct hg_addr *addr)
{
    if (addr->mode == HG_ADDR_PHI) {
        return HG_NATIVE_BOUNDARY;
    }
    if (addr->slot != HG_SLOT_HANDLE) {
        return addr->slot;
    }
    unsigned i = 0;
    while (i < lower->handle_count && lower->handle[i] != addr->handle) {
        i++;
    }
    return lower->slot_count + i;
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* The stream of a load or store in a line; fails for what has none. */
static unsigned stream_of(struct hg_lower *lower, const struct hg_insn *insn,
                          enum hg_stream_kind *kind)
{
    struct hg_emit *emit = lower->emit;
    const struct hg_addr *addr = &insn->u.addr;
    bool line = addr->mode == HG_ADDR_BUFFER || addr->mode == HG_ADDR_PHI;
    *kind = addr->lane == HG_LANE_STRIDE ? HG_STREAM_LANE
            : addr->lane == HG_LANE_MOD  ? HG_STREAM_COL
            : addr->lane == HG_LANE_NONE ? HG_STREAM_ONE
                                         : HG_STREAM_ROW;
    if (!line || addr->offset > INT32_MAX / 2) {
        emit->failed = true;
        return 0;
    }
    return hg_emit_stream(emit, slot_of(lower, addr), *kind,
                          hg_emit_width((enum hg_dtype)insn->type));
}

static void note_load(struct hg_emit *emit, bool row)
{
    emit->row_loads |= row;
    emit->one_loads |= !row;
}

static hg_val load_line(struct hg_lower *lower, const struct hg_insn *insn)
{
    struct hg_emit *emit = lower->emit;
    enum hg_stream_kind kind;
    unsigned stream = stream_of(lower, insn, &kind);
    bool lanes = kind == HG_STREAM_LANE || kind == HG_STREAM_COL;
    hg_val v = hg_emit_op(emit, lanes ? HG_VOP_LOAD : HG_VOP_LOADU,
                          hg_emit_width((enum hg_dtype)insn->type), stream, HG_VAL_NONE,
                          HG_VAL_NONE, HG_VAL_NONE);
    emit->ops[v].bits = (uint64_t)insn->u.addr.offset;
    if (lanes) {
        emit->region->has_lanes = true;
        emit->region->by_row |= kind == HG_STREAM_COL;
        return v;
    }
    emit->ops[v].flags |= kind == HG_STREAM_ROW ? HG_VOP_ROW : 0;
    note_load(emit, kind == HG_STREAM_ROW);
    return v;
}

static void store_line(struct hg_lower *lower, const struct hg_insn *insn)
{
    struct hg_emit *emit = lower->emit;
    enum hg_stream_kind kind;
    unsigned stream = stream_of(lower, insn, &kind);
    hg_val a = hg_lower_read(lower, insn->a, (enum hg_dtype)insn->type);
    if (kind == HG_STREAM_COL) {
        emit->failed = true; /* the first lanes of the launch, not of every row */
        return;
    }
    bool lanes = kind == HG_STREAM_LANE;
    hg_val v =
        hg_emit_op(emit, lanes ? HG_VOP_STORE : HG_VOP_STOREU,
                   hg_emit_width((enum hg_dtype)insn->type), stream, a, HG_VAL_NONE, HG_VAL_NONE);
    emit->ops[v].bits = (uint64_t)insn->u.addr.offset;
    if (lanes) {
        emit->region->has_lanes = true;
        emit->lane_stores = true;
    } else if (kind == HG_STREAM_ROW) {
        emit->ops[v].flags |= HG_VOP_ROW;
        emit->row_stores = true;
    } else {
        emit->one_stores = true;
    }
}

/* ---- offsets --------------------------------------------------------------------------------- */

static hg_val plus_const(struct hg_emit *emit, hg_val a, uint64_t bits)
{
    return bits == 0 ? a : hg_emit_binary(emit, HG_VOP_IADD, 3, a, hg_emit_const(emit, 3, bits));
}

/* Of each lane, by a literal. Lanes are below 2^48, so that the quotient as F64 is rounded to no
 * integer that it does not reach. */
static hg_val divided_lane(struct hg_lower *lower, const struct hg_addr *addr)
{
    struct hg_emit *emit = lower->emit;
    hg_val lane = hg_lower_read(lower, HG_REG_LANE, HG_U64);
    hg_val wide = hg_emit_unary(emit, HG_VOP_F64_I64, 3, lane);
    hg_val divisor = hg_emit_const_f64(emit, (double)addr->factor);
    hg_val quotient = hg_emit_unary(emit, HG_VOP_TI64_F64, 3,
                                    hg_emit_binary(emit, HG_VOP_FDIV, 3, wide, divisor));
    if (addr->lane == HG_LANE_DIV) {
        return quotient;
    }
    hg_val factor = hg_emit_const(emit, 3, addr->factor);
    hg_val whole = hg_emit_binary(emit, HG_VOP_IMUL, 3, quotient, factor);
    return hg_emit_binary(emit, HG_VOP_ISUB, 3, lane, whole);
}

/* The lane term of ADDR, in elements; NONE where there is none. */
static hg_val lane_term(struct hg_lower *lower, const struct hg_addr *addr)
{
    hg_val lane;
    switch (addr->lane) {
    case HG_LANE_STRIDE:
        lane = hg_lower_read(lower, HG_REG_LANE, HG_U64);
        return addr->factor == 1 ? lane
                                 : hg_emit_binary(lower->emit, HG_VOP_IMUL, 3, lane,
                                                  hg_emit_const(lower->emit, 3, addr->factor));
    case HG_LANE_MOD:
        return addr->factor != 0 ? divided_lane(lower, addr)
                                 : hg_lower_read(lower, HG_REG_COLUMN, HG_U64);
    case HG_LANE_DIV:
        return addr->factor != 0 ? divided_lane(lower, addr)
                                 : hg_lower_read(lower, HG_REG_ROW, HG_U64);
    case HG_LANE_ROW:
        return hg_lower_read(lower, HG_REG_ROW, HG_U64);
    default:
        return HG_VAL_NONE;
    }
}

/* The byte offset of each lane's element; those that are computed modulo 2^64, and checked. */
static hg_val offsets_of(struct hg_lower *lower, const struct hg_insn *insn, unsigned slot)
{
    struct hg_emit *emit = lower->emit;
    const struct hg_addr *addr = &insn->u.addr;
    unsigned width = hg_emit_width((enum hg_dtype)insn->type);
    hg_val offset = lane_term(lower, addr);
    if (offset != HG_VAL_NONE && width != 0) {
        offset = hg_emit_op(emit, HG_VOP_ISHL, 3, width, offset, HG_VAL_NONE, HG_VAL_NONE);
    }
    if (!hg_addr_computed(addr)) {
        return plus_const(emit, offset, (uint64_t)addr->offset);
    }
    hg_val start =
        plus_const(emit, hg_lower_read(lower, addr->reg, HG_U64), (uint64_t)addr->offset);
    offset = offset == HG_VAL_NONE ? start : hg_emit_binary(emit, HG_VOP_IADD, 3, offset, start);
    hg_val limit = hg_emit_op(emit, HG_VOP_LIMIT, 3, slot, HG_VAL_NONE, HG_VAL_NONE, HG_VAL_NONE);
    emit->ops[limit].bits = width;
    hg_val checked = offset;
    hg_val original = HG_VAL_NONE;
    if (emit->level != HG_ISA_AVX512) { /* which compares with a sign only */
        hg_val sign = hg_emit_const(emit, 3, UINT64_C(1) << 63);
        original = offset;
        checked = hg_emit_binary(emit, HG_VOP_IXOR, 3, offset, sign);
        limit = hg_emit_binary(emit, HG_VOP_IXOR, 3, limit, sign);
    }
    hg_val bound = hg_emit_op(emit, HG_VOP_BOUND, 3, 0, checked, limit, original);
    emit->ops[bound].bits = lower->pc;
    emit->region->can_fail = true;
    return offset;
}

/* ---- instructions ---------------------------------------------------------------------------- */

/* INSN where rows have one lane each: these are what rows are, and there is one column. */
static struct hg_insn of_one_column(const struct hg_insn *insn)
{
    struct hg_insn changed = *insn;
    struct hg_addr *addr = &changed.u.addr;
    if (addr->lane == HG_LANE_MOD && addr->factor == 0) {
        addr->lane = HG_LANE_NONE;
    } else if (addr->lane == HG_LANE_ROW || (addr->lane == HG_LANE_DIV && addr->factor == 0)) {
        addr->lane = HG_LANE_STRIDE;
        addr->factor = 1;
    }
    return changed;
}

hg_val hg_lower_load(struct hg_lower *lower, const struct hg_insn *insn)
{
    struct hg_emit *emit = lower->emit;
    struct hg_insn changed;
    if (emit->form == HG_NATIVE_ONE_COLUMN) {
        changed = of_one_column(insn);
        insn = &changed;
    }
    /* One element for the lanes of a row, but none where there are no lanes. */
    emit->region->has_lanes |= insn->u.addr.lane == HG_LANE_DIV;
    if (!hg_address_is_indexed(insn)) {
        return load_line(lower, insn);
    }
    unsigned slot = slot_of(lower, &insn->u.addr);
    hg_val offset = offsets_of(lower, insn, slot);
    hg_val v = hg_emit_op(emit, HG_VOP_FETCH, hg_emit_width((enum hg_dtype)insn->type), slot,
                          offset, HG_VAL_NONE, HG_VAL_NONE);
    if ((emit->ops[v].flags & HG_VOP_UNIFORM) != 0) {
        note_load(emit, (emit->ops[v].flags & HG_VOP_ROW) != 0);
    } else {
        emit->region->hops |= lower->multiplies_cols;
    }
    return v;
}

/* Lanes that share an address, and rounds of a loop, whose stores go in the order of lanes, are
 * left to the block executor. */
void hg_lower_store(struct hg_lower *lower, const struct hg_insn *insn)
{
    struct hg_emit *emit = lower->emit;
    struct hg_insn changed;
    if (emit->form == HG_NATIVE_ONE_COLUMN) {
        changed = of_one_column(insn);
        insn = &changed;
    }
    const struct hg_addr *addr = &insn->u.addr;
    emit->region->has_lanes |= addr->lane == HG_LANE_DIV;
    if (!hg_address_is_indexed(insn)) {
        store_line(lower, insn);
        return;
    }
    unsigned slot = slot_of(lower, addr);
    hg_val a = hg_lower_read(lower, insn->a, (enum hg_dtype)insn->type);
    hg_val offset = offsets_of(lower, insn, slot);
    bool shared = addr->lane != HG_LANE_STRIDE && addr->lane != HG_LANE_NONE;
    emit->failed |= shared || lower->loops != 0 || (emit->ops[offset].flags & HG_VOP_UNIFORM) != 0;
    (void)hg_emit_op(emit, HG_VOP_SCATTER, hg_emit_width((enum hg_dtype)insn->type), slot, a,
                     offset, HG_VAL_NONE);
    emit->region->has_lanes = true;
    emit->lane_stores = true;
}
