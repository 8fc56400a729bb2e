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
    emit->lanes = (uint8_t)lanes;
    emit->op_count = 0;
    emit->const_count = 0;
    emit->const_next = 0;
    emit->uniform_count = 0;
    emit->stream_count = 0;
    emit->row_loads = emit->row_stores = emit->one_loads = emit->one_stores = false;
    emit->lane_stores = false;
    emit->region = region;
}

/* Notes that V is read; gives what that makes of the reader's flags. */
static uint8_t use(struct hg_emit *emit, hg_val v, uint8_t flags)
{
    if (v == HG_VAL_NONE) {
        return flags;
    }
    struct hg_vop *source = &emit->ops[v];
    source->uses++;
    uint8_t uniform = flags & source->flags & HG_VOP_UNIFORM;
    return (uint8_t)(uniform | ((flags | source->flags) & HG_VOP_ROW));
}

/* Floats that were computed are quiet, and flushed. */
static uint8_t quiet(enum hg_vop_code op)
{
    bool computed =
        (op >= HG_VOP_FADD && op <= HG_VOP_FNMA && op != HG_VOP_FMAX && op != HG_VOP_FMIN) ||
        (op >= HG_VOP_F64_F32 && op <= HG_VOP_F32_U64);
    return computed ? HG_VOP_QUIET : 0;
}

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
    bool lanes = op == HG_VOP_LOAD || op == HG_VOP_SUM || op == HG_VOP_INDEX ||
                 op == HG_VOP_STORE || op == HG_VOP_SCATTER || op == HG_VOP_CHECK ||
                 op == HG_VOP_BOUND || op == HG_VOP_REDUCE;
    uint8_t flags = (uint8_t)(lanes ? 0 : HG_VOP_UNIFORM);
    flags = use(emit, a, flags);
    flags = use(emit, b, flags);
    flags = use(emit, c, flags);
    emit->ops[at] = (struct hg_vop){.op = (uint8_t)op,
                                    .width = (uint8_t)width,
                                    .imm = (uint8_t)imm,
                                    .flags = flags | quiet(op),
                                    .a = a,
                                    .b = b,
                                    .c = c};
    if (op != HG_VOP_CONST && (flags & HG_VOP_UNIFORM) != 0) {
        emit->uniform_count++;
    }
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
    uint16_t count = emit->const_count;
    for (uint16_t looked = 0, i = emit->const_next; looked < count; looked++, i++) {
        i = i < count ? i : 0;
        const struct hg_vop *known = &emit->ops[emit->consts[i]];
        if (known->bits == bits && known->width == width) {
            emit->const_next = (uint16_t)(i + 1);
            return emit->consts[i];
        }
    }
    if (emit->const_count == HG_EMIT_CONSTS) {
        emit->failed = true;
        return 0;
    }
    hg_val v = hg_emit_op(emit, HG_VOP_CONST, width, emit->const_count, HG_VAL_NONE, HG_VAL_NONE,
                          HG_VAL_NONE);
    emit->ops[v].bits = bits;
    emit->consts[emit->const_count++] = v;
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
