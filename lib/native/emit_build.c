/* SPDX-License-Identifier: Apache-2.0 */
/* Making vector operations: their flags follow from their sources. */
#include "lib/native/emit.h"

#include <string.h>

void hg_emit_init(struct hg_emit *emit, enum hg_isa_level level, enum hg_fp_mode mode,
                  unsigned lanes, struct hg_emit_region *region)
{
    /* The lists are filled as they grow: most of the structure is never touched. */
    emit->level = level;
    emit->ftz = mode == HG_FP_FTZ;
    emit->failed = false;
    emit->form = HG_NATIVE_PLAIN;
    emit->lanes = (uint8_t)lanes;
    emit->op_count = 0;
    emit->const_count = 0;
    memset(emit->const_slots, 0, sizeof emit->const_slots);
    emit->uniform_count = 0;
    emit->stream_count = 0;
    emit->row_loads = emit->row_stores = emit->one_loads = emit->one_stores = false;
    emit->lane_stores = false;
    emit->region = region;
}

/* Notes that V is read; gives what that makes of the reader's flags. */
static inline uint8_t use(struct hg_emit *emit, hg_val v, uint8_t flags)
{
    if (v == HG_VAL_NONE) {
        return flags;
    }
    struct hg_vop *source = &emit->ops[v];
    source->uses++;
    uint8_t varies = ~source->flags & HG_VOP_UNIFORM;
    return (uint8_t)((flags & ~varies) | (source->flags & HG_VOP_ROW));
}

/* Floats that were computed are quiet, and flushed. */
#define IS_COMPUTED(op)                                                                            \
    (((op) >= HG_VOP_FADD && (op) <= HG_VOP_FNMA && (op) != HG_VOP_FMAX && (op) != HG_VOP_FMIN) || \
     ((op) >= HG_VOP_F64_F32 && (op) <= HG_VOP_F32_U64))
/* Lanes differ whatever the sources are. */
#define IS_BY_LANE(op)                                                                             \
    ((op) == HG_VOP_LOAD || (op) == HG_VOP_SUM || (op) == HG_VOP_INDEX || (op) == HG_VOP_STORE ||  \
     (op) == HG_VOP_SCATTER || (op) == HG_VOP_CHECK || (op) == HG_VOP_BOUND ||                     \
     (op) == HG_VOP_REDUCE)
#define IS_MASK(op)                                                                                \
    ((op) == HG_VOP_FCMP || (op) == HG_VOP_ICMPS || (op) == HG_VOP_ICMPU ||                        \
     ((op) >= HG_VOP_MAND && (op) <= HG_VOP_MNOT))

/* What is known of an operation before its sources are. */
static const uint8_t own_flags[HG_VOP_COUNT] = {
#define HG_VOP(name, ...)                                                                          \
    [HG_VOP_##name] = (IS_BY_LANE(HG_VOP_##name) ? 0 : HG_VOP_UNIFORM) |                           \
                      (IS_COMPUTED(HG_VOP_##name) ? HG_VOP_QUIET : 0) |                            \
                      (IS_MASK(HG_VOP_##name) ? HG_VOP_MASK : 0),
#include "lib/native/emit.def"
#undef HG_VOP
};

hg_val hg_emit_op(struct hg_emit *emit, enum hg_vop_code op, unsigned width, unsigned imm, hg_val a,
                  hg_val b, hg_val c)
{
    if (emit->op_count == HG_EMIT_OPS) {
        emit->failed = true;
        return 0;
    }
    if (emit->level != HG_ISA_AVX512) {
        hg_val other = hg_emit_expand(emit, op, width, imm, a, b);
        if (other != HG_VAL_NONE) {
            return other;
        }
    }
    uint16_t at = emit->op_count++;
    uint8_t flags = own_flags[op];
    flags = use(emit, a, flags);
    flags = use(emit, b, flags);
    flags = use(emit, c, flags);
    flags &= emit->level == HG_ISA_AVX512 ? UINT8_MAX : (uint8_t)~HG_VOP_MASK;
    emit->ops[at] = (struct hg_vop){.op = (uint8_t)op,
                                    .width = (uint8_t)width,
                                    .imm = (uint8_t)imm,
                                    .flags = flags,
                                    .a = a,
                                    .b = b,
                                    .c = c};
    emit->uniform_count += flags & HG_VOP_UNIFORM;
    return at;
}

/* Masks of AVX2 are vectors: of the width of what they choose. */
hg_val hg_emit_select(struct hg_emit *emit, unsigned width, hg_val mask, hg_val t, hg_val f)
{
    if (emit->level != HG_ISA_AVX512) {
        mask = hg_lower_resize(emit, width, emit->ops[mask].width, true, mask);
    }
    return hg_emit_op(emit, HG_VOP_SELECT, width, 0, mask, t, f);
}

hg_val hg_emit_const(struct hg_emit *emit, unsigned width, uint64_t bits)
{
    if (width == 0) {
        bits = (bits & 0xff) * 0x01010101u;
    } else if (width == 1) {
        bits = (bits & 0xffff) * 0x00010001u;
    } else if (width == 2) {
        bits &= 0xffffffffu;
    }
    width = width < 2 ? 2 : width;
    uint32_t slot = ((uint32_t)(bits >> 32) ^ (uint32_t)bits) * UINT32_C(0x9e3779b1) >> 24;
    uint8_t known;
    while ((known = emit->const_slots[slot]) != 0) {
        hg_val v = emit->consts[known - 1];
        if (emit->ops[v].bits == bits && emit->ops[v].width == width) {
            return v;
        }
        slot = (slot + 1) % HG_EMIT_CONST_SLOTS;
    }
    if (emit->const_count == HG_EMIT_CONSTS || emit->op_count == HG_EMIT_OPS) {
        emit->failed = true;
        return 0;
    }
    hg_val v = emit->op_count++;
    emit->ops[v] = (struct hg_vop){.op = HG_VOP_CONST,
                                   .width = (uint8_t)width,
                                   .imm = (uint8_t)emit->const_count,
                                   .flags = HG_VOP_UNIFORM,
                                   .a = HG_VAL_NONE,
                                   .b = HG_VAL_NONE,
                                   .c = HG_VAL_NONE,
                                   .bits = bits};
    emit->consts[emit->const_count++] = v;
    emit->const_slots[slot] = (uint8_t)emit->const_count;
    return v;
}

hg_val hg_emit_const_f32(struct hg_emit *emit, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return hg_emit_const(emit, 2, bits);
}

hg_val hg_emit_const_f64(struct hg_emit *emit, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return hg_emit_const(emit, 3, bits);
}

unsigned hg_emit_stream(struct hg_emit *emit, unsigned slot, enum hg_stream_kind kind,
                        unsigned width)
{
    for (unsigned i = 0; i < emit->stream_count; i++) {
        const struct hg_stream *stream = &emit->streams[i];
        if (stream->slot == slot && stream->kind == kind && stream->width == width) {
            return i;
        }
    }
    if (emit->stream_count == HG_EMIT_STREAMS) {
        emit->failed = true;
        return 0;
    }
    emit->streams[emit->stream_count] =
        (struct hg_stream){.slot = (uint8_t)slot, .kind = (uint8_t)kind, .width = (uint8_t)width};
    return emit->stream_count++;
}
