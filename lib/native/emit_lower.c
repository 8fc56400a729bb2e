/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions that move: constants, registers, selections; loops; and reductions. */
#include <stddef.h>

#include "lib/native/emit.h"

/* Rounds of a loop; and what all of a region's loops may come to, in instructions: not all of these
 * make operations, so that the list of those is no bound for nested loops. */
#define UNROLL_MAX   64
#define UNROLLED_MAX 4096

/* ---- the width that an instruction computes in ----------------------------------------------- */

static bool goes_through_f64(uint8_t op)
{
    return op == HG_OP_LOG2 || op == HG_OP_LOG10 || op == HG_OP_SIN || op == HG_OP_COS ||
           op == HG_OP_TAN || op == HG_OP_ERF || op == HG_OP_POW;
}

/* Bytes of the widest lane that INSN names or needs on the way. */
static unsigned widest(const struct hg_insn *insn)
{
    enum hg_dtype type = (enum hg_dtype)insn->type;
    unsigned bytes = hg_insn_info((enum hg_opcode)insn->op)->types != 0 ? hg_dtype_bytes(type) : 1;
    bool half = hg_dtype_in(type, HG_DT_HALF);
    bool integer = hg_dtype_in(type, HG_DT_INT);
    bool moves = insn->op <= HG_OP_PARAM || insn->op == HG_OP_SEL || insn->op == HG_OP_ABS ||
                 insn->op == HG_OP_NEG;
    if (insn->op == HG_OP_CVT) {
        unsigned from = hg_dtype_bytes((enum hg_dtype)insn->type2);
        bool via_f32 = half || hg_dtype_in((enum hg_dtype)insn->type2, HG_DT_HALF);
        bytes = from > bytes ? from : bytes;
        return via_f32 && bytes < 4 ? 4 : bytes;
    }
    if (goes_through_f64(insn->op) || hg_address_is_indexed(insn)) {
        return 8;
    }
    if (half && !moves) {
        return 4;
    }
    if (integer && insn->op == HG_OP_DIV) {
        return bytes < 4 ? 4 : 8;
    }
    if (insn->op == HG_OP_SHL || insn->op == HG_OP_SHR) {
        return bytes < 4 ? 4 : bytes;
    }
    if (insn->op == HG_OP_REDUCE_MUL && bytes == 1) {
        return 4;
    }
    bool multiplies = insn->op == HG_OP_MUL || insn->op == HG_OP_REDUCE_REGS_MUL;
    return multiplies && bytes == 1 ? 2 : bytes;
}

unsigned hg_lower_lanes(const struct hg_insn *insns, uint32_t first, uint32_t end,
                        enum hg_isa_level level)
{
    unsigned bytes = 1;
    for (uint32_t i = first; i < end; i++) {
        unsigned needed = widest(&insns[i]);
        bytes = needed > bytes ? needed : bytes;
    }
    return (level == HG_ISA_AVX512 ? 64u : 32u) / bytes;
}

/* ---- registers ------------------------------------------------------------------------------- */

/* A value of BYTES that an earlier region has left; 0: a predicate, which is widened. */
static hg_val take_over(struct hg_lower *lower, uint8_t reg, unsigned bytes, bool row)
{
    struct hg_emit *emit = lower->emit;
    struct hg_emit_region *region = emit->region;
    if (region->input_count == HG_NATIVE_VALUES) {
        emit->failed = true;
        return 0;
    }
    unsigned index = region->input_count++;
    region->inputs[index] =
        (struct hg_native_value){.reg = reg, .bytes = (uint8_t)bytes, .level = 0};
    unsigned width = bytes == 0 ? hg_emit_mask_width(emit) : (unsigned)__builtin_ctz(bytes);
    hg_val v = hg_emit_op(emit, HG_VOP_INPUT, width, index, HG_VAL_NONE, HG_VAL_NONE, HG_VAL_NONE);
    emit->ops[v].flags |= row ? HG_VOP_ROW : 0;
    return v;
}

/* The frame's 8 bytes at OFFSET, in all lanes. */
static hg_val field(struct hg_emit *emit, size_t offset, uint8_t flags)
{
    hg_val v = hg_emit_op(emit, HG_VOP_FIELD, 3, 0, HG_VAL_NONE, HG_VAL_NONE, HG_VAL_NONE);
    emit->ops[v].bits = offset;
    emit->ops[v].flags |= flags;
    return v;
}

static hg_val special(struct hg_lower *lower, uint8_t reg)
{
    struct hg_emit *emit = lower->emit;
    hg_val start;
    if (emit->form == HG_NATIVE_ONE_COLUMN && reg == HG_REG_COLUMN) {
        return hg_emit_const(emit, 3, 0);
    }
    if (emit->form == HG_NATIVE_ONE_COLUMN && reg == HG_REG_ROW) {
        reg = HG_REG_LANE;
    }
    switch (reg) {
    case HG_REG_ROW:
        return field(emit, offsetof(struct hg_native_frame, row), HG_VOP_ROW);
    case HG_REG_COLUMN:
        start = field(emit, offsetof(struct hg_native_frame, col), HG_VOP_ROW);
        break;
    case HG_REG_LANE:
        start = field(emit, offsetof(struct hg_native_frame, lane), 0);
        break;
    default: /* what depends on blocks: stretches do not end where they do */
        emit->failed = true;
        return 0;
    }
    emit->region->has_lanes = true;
    hg_val index = hg_emit_op(emit, HG_VOP_INDEX, 3, 0, HG_VAL_NONE, HG_VAL_NONE, HG_VAL_NONE);
    return hg_emit_binary(emit, HG_VOP_IADD, 3, index, start);
}

hg_val hg_lower_read(struct hg_lower *lower, uint8_t reg, enum hg_dtype type)
{
    if (lower->regs[reg] == HG_VAL_NONE) {
        lower->regs[reg] = reg >= HG_REG_SPECIAL
                               ? special(lower, reg)
                               : take_over(lower, reg, hg_dtype_bytes(type), lower->row_level[reg]);
    }
    return lower->regs[reg];
}

/* ---- instructions ---------------------------------------------------------------------------- */

/* The sources of the instruction at hand as values. */
static void read_sources(struct hg_lower *lower, hg_val values[3])
{
    const struct hg_insn_uses *uses = &lower->uses[lower->pc];
    for (unsigned i = 0; i < 3; i++) {
        values[i] = i < uses->read_count ? hg_lower_read(lower, uses->reads[i].reg,
                                                         (enum hg_dtype)uses->reads[i].type)
                                         : HG_VAL_NONE;
    }
}

/* Notes a product of the column and what the launch says: as an offset it is far from the next. */
static void note_multiple(struct hg_lower *lower, const struct hg_insn *insn, const hg_val v[3])
{
    if (insn->op == HG_OP_MUL && (insn->a == HG_REG_COLUMN || insn->b == HG_REG_COLUMN)) {
        const struct hg_vop *factor = &lower->emit->ops[insn->a == HG_REG_COLUMN ? v[1] : v[0]];
        lower->multiplies_cols |=
            factor->op != HG_VOP_CONST && (factor->flags & HG_VOP_UNIFORM) != 0;
    }
}

static hg_val arithmetic(struct hg_lower *lower, const struct hg_insn *insn)
{
    hg_val v[3];
    read_sources(lower, v);
    note_multiple(lower, insn, v);
    if (hg_dtype_in((enum hg_dtype)insn->type, HG_DT_FLOAT)) {
        return hg_lower_float(lower->emit, insn, v[0], v[1], v[2]);
    }
    return hg_lower_int(lower->emit, insn, v[0], v[1], v[2], lower->pc);
}

static hg_val read_predicate(struct hg_lower *lower, uint8_t pred)
{
    const unsigned not_equal = 4;
    if (lower->preds[pred] == HG_VAL_NONE) {
        unsigned width = hg_emit_mask_width(lower->emit);
        hg_val taken = take_over(lower, pred, 0, lower->row_preds[pred]);
        lower->preds[pred] = hg_lower_int_compare(lower->emit, width, false, not_equal, taken,
                                                  hg_emit_const(lower->emit, width, 0));
    }
    return lower->preds[pred];
}

static hg_val select_value(struct hg_lower *lower, const struct hg_insn *insn)
{
    enum hg_dtype type = (enum hg_dtype)insn->type;
    hg_val mask = read_predicate(lower, insn->pred);
    hg_val a = hg_lower_read(lower, insn->a, type);
    hg_val b = hg_lower_read(lower, insn->b, type);
    return hg_emit_select(lower->emit, hg_emit_width(type), mask, a, b);
}

static hg_val fold_registers(struct hg_lower *lower, const struct hg_insn *insn)
{
    hg_val values[HG_REGISTER_COUNT];
    for (unsigned i = 0; i < insn->count; i++) {
        values[i] = hg_lower_read(lower, (uint8_t)(insn->a + i), (enum hg_dtype)insn->type);
    }
    return hg_lower_fold(lower->emit, insn, values, insn->count);
}

static void lower_insn(struct hg_lower *lower, const struct hg_insn *insn)
{
    struct hg_emit *emit = lower->emit;
    enum hg_dtype type = (enum hg_dtype)insn->type;
    hg_val v = HG_VAL_NONE;
    hg_val sources[3];
    switch (hg_insn_info((enum hg_opcode)insn->op)->form) {
    case HG_FORM_LOAD:
        if (insn->op != HG_OP_LDG) {
            emit->failed = true;
            return;
        }
        v = hg_lower_load(lower, insn);
        break;
    case HG_FORM_STORE:
        if (insn->op == HG_OP_STG) {
            hg_lower_store(lower, insn);
        } else {
            emit->failed = true;
        }
        return;
    case HG_FORM_IMM:
        v = hg_emit_const(emit, hg_emit_width(type), insn->u.imm);
        break;
    case HG_FORM_PARAM:
        v = hg_emit_op(emit, HG_VOP_PARAM, hg_emit_width(type), insn->count, HG_VAL_NONE,
                       HG_VAL_NONE, HG_VAL_NONE);
        break;
    case HG_FORM_MOV:
        v = insn->op == HG_OP_MOV ? hg_lower_read(lower, insn->a, type) : arithmetic(lower, insn);
        break;
    case HG_FORM_BINARY:
    case HG_FORM_SHIFT:
    case HG_FORM_TERNARY:
        v = arithmetic(lower, insn);
        break;
    case HG_FORM_CVT:
        read_sources(lower, sources);
        v = hg_lower_convert(emit, type, (enum hg_dtype)insn->type2, sources[0]);
        break;
    case HG_FORM_SETCC:
        read_sources(lower, sources);
        lower->preds[insn->dst] =
            hg_lower_compare(emit, (enum hg_cond)insn->cond, type, sources[0], sources[1]);
        return;
    case HG_FORM_SEL:
        v = select_value(lower, insn);
        break;
    case HG_FORM_REDUCE_REGS:
        v = fold_registers(lower, insn);
        break;
    default:
        emit->failed = true;
        return;
    }
    lower->regs[insn->dst] = v;
}

/* The body of a loop as often as it runs: that must be a constant of the region. */
static void unroll(struct hg_lower *lower, const struct hg_insn *insns, uint32_t at)
{
    struct hg_emit *emit = lower->emit;
    hg_val count = lower->regs[insns[at].a];
    uint32_t first = at + 1;
    uint32_t end = insns[at].target;
    if (count == HG_VAL_NONE || !hg_emit_is_const(emit, count) ||
        emit->ops[count].bits > UNROLL_MAX) {
        emit->failed = true;
        return;
    }
    lower->loops++;
    for (uint64_t round = 0; round < emit->ops[count].bits && !emit->failed; round++) {
        emit->region->fuel += end - first;
        emit->failed |= emit->region->fuel > UNROLLED_MAX;
        hg_lower_insns(lower, insns, first, end);
    }
    lower->loops--;
}

void hg_lower_insns(struct hg_lower *lower, const struct hg_insn *insns, uint32_t first,
                    uint32_t end)
{
    for (uint32_t pc = first; pc < end && !lower->emit->failed; pc++) {
        lower->pc = pc;
        if (insns[pc].op == HG_OP_LOOP) {
            unroll(lower, insns, pc);
            pc = insns[pc].target - 1;
        } else {
            lower_insn(lower, &insns[pc]);
        }
    }
}

/* What changes nothing: -0 of sums, NaN of the least and the greatest float, which yields to the
 * first number. */
static hg_val start_of(struct hg_emit *emit, const struct hg_emit_reduce *reduce)
{
    bool wide = reduce->width == 3;
    uint64_t sign = UINT64_C(1) << ((8u << reduce->width) - 1);
    uint64_t bits;
    switch (reduce->op) {
    case 0:
        bits = reduce->is_float ? sign : 0;
        break;
    case 1:
        bits = reduce->is_signed ? sign - 1 : UINT64_MAX;
        break;
    case 2:
        bits = reduce->is_signed ? sign : 0;
        break;
    default:
        bits = !reduce->is_float ? 1 : wide ? UINT64_C(0x3ff0000000000000) : 0x3f800000;
        break;
    }
    if (reduce->is_float && (reduce->op == 1 || reduce->op == 2)) {
        bits = wide ? UINT64_C(0x7ff8000000000000) : 0x7fc00000;
    }
    return hg_emit_const(emit, reduce->width, bits);
}

void hg_lower_reduce(struct hg_lower *lower, const struct hg_insn *insn)
{
    struct hg_emit *emit = lower->emit;
    struct hg_emit_region *region = emit->region;
    enum hg_dtype type = (enum hg_dtype)insn->type;
    if (region->reduce_count == HG_NATIVE_REDUCES) {
        emit->failed = true;
        return;
    }
    unsigned index = region->reduce_count++;
    struct hg_emit_reduce *reduce = &emit->reduces[index];
    hg_val v = hg_lower_read(lower, insn->a, type);
    *reduce = (struct hg_emit_reduce){.op = (uint8_t)(insn->op - HG_OP_REDUCE_ADD),
                                      .width = (uint8_t)hg_emit_width(type),
                                      .is_float = hg_dtype_in(type, HG_DT_FLOAT),
                                      .is_signed = hg_dtype_in(type, HG_DT_SINT)};
    if (hg_dtype_in(type, HG_DT_HALF)) {
        v = hg_lower_widen(emit, type, v);
        reduce->width = 2;
    }
    if (insn->op == HG_OP_REDUCE_MUL && reduce->width == 0) { /* bytes have no such instruction */
        v = hg_lower_resize(emit, 2, 0, false, v);
        reduce->width = 2;
    }
    if (reduce->is_float && insn->op != HG_OP_REDUCE_ADD && insn->op != HG_OP_REDUCE_MUL) {
        v = hg_lower_quiet(emit, reduce->width, v);
    }
    reduce->start = start_of(emit, reduce);
    region->reduces[index] = (struct hg_native_reduce){
        .op = insn->op, .type = insn->type, .reg = insn->dst, .folds = reduce->width >= 2};
    (void)hg_emit_op(emit, HG_VOP_REDUCE, reduce->width, index, v, HG_VAL_NONE, HG_VAL_NONE);
    region->has_lanes = true;
    region->by_row = true;
}
