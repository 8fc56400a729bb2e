/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the encoder: what a row of x86.def says, and how an instruction's fields become bytes.
 *
 *     x86.c        the rows; which operand goes into which field
 *     x86_bytes.h  prefixes, ModRM, displacements, immediates
 *     x86_place.c  jumps and data
 *
 * All of it is inlined into each way to pass operands, where most of what is asked here is known.
 */
#ifndef HG_LIB_NATIVE_X86_BYTES_H
#define HG_LIB_NATIVE_X86_BYTES_H

#include <string.h>

#include "lib/native/x86.h"

#define HG_X86_INLINE static inline __attribute__((always_inline))

/* Which operand goes into which field; see x86.def. */
enum hg_x86_form {
    HG_X86_FORM_RM,
    HG_X86_FORM_MR,
    HG_X86_FORM_RVM,
    HG_X86_FORM_RMV,
    HG_X86_FORM_MVR,
    HG_X86_FORM_RMI,
    HG_X86_FORM_MRI,
    HG_X86_FORM_VMI,
    HG_X86_FORM_RVMI,
    HG_X86_FORM_RVMR,      /* the fourth register is the upper half of the immediate */
    HG_X86_FORM_GATHER,    /* RM, the index a vector */
    HG_X86_FORM_GATHER_V,  /* RMV, the index a vector */
    HG_X86_FORM_SCATTER,   /* MR, the index a vector */
    HG_X86_FORM_M,         /* one operand */
    HG_X86_FORM_M_FAR,     /* the same, of 64 bits without saying so */
    HG_X86_FORM_MI,        /* an immediate of 32 bits, or of 8 with bit 1 of the opcode set */
    HG_X86_FORM_MI_LONG,   /* of 32 bits */
    HG_X86_FORM_MI8,       /* of 8 bits */
    HG_X86_FORM_RMI_SHORT, /* as MI */
    HG_X86_FORM_O,         /* the register is part of the opcode */
    HG_X86_FORM_NONE,
    HG_X86_FORM_NONE_EXT, /* a register form without register */
};

enum hg_x86_tuple {
    HG_X86_TUPLE_NONE,
    HG_X86_TUPLE_FV32,
    HG_X86_TUPLE_FV64,
    HG_X86_TUPLE_HV32,
    HG_X86_TUPLE_FVM,
    HG_X86_TUPLE_HVM,
    HG_X86_TUPLE_QVM,
    HG_X86_TUPLE_OVM,
    HG_X86_TUPLE_T1_8,
    HG_X86_TUPLE_T1_16,
    HG_X86_TUPLE_T1_32,
    HG_X86_TUPLE_T1_64,
    HG_X86_TUPLE_M128,
    HG_X86_TUPLE_M256,
    HG_X86_TUPLE_DUP,
    HG_X86_TUPLE_COUNT
};

/* log2 of what an 8-bit displacement counts, by length (manual, 2.7.5, "disp8*N"). */
static const uint8_t hg_x86_scales[HG_X86_TUPLE_COUNT][4] = {
    [HG_X86_TUPLE_FV32] = {4, 5, 6},  [HG_X86_TUPLE_FV64] = {4, 5, 6},
    [HG_X86_TUPLE_HV32] = {3, 4, 5},  [HG_X86_TUPLE_FVM] = {4, 5, 6},
    [HG_X86_TUPLE_HVM] = {3, 4, 5},   [HG_X86_TUPLE_QVM] = {2, 3, 4},
    [HG_X86_TUPLE_OVM] = {1, 2, 3},   [HG_X86_TUPLE_T1_16] = {1, 1, 1},
    [HG_X86_TUPLE_T1_32] = {2, 2, 2}, [HG_X86_TUPLE_T1_64] = {3, 3, 3},
    [HG_X86_TUPLE_M128] = {4, 4, 4},  [HG_X86_TUPLE_M256] = {5, 5, 5},
    [HG_X86_TUPLE_DUP] = {3, 5, 6},
};

enum hg_x86_pp { HG_X86_PP_NP, HG_X86_PP_66, HG_X86_PP_F3, HG_X86_PP_F2 };
static const uint8_t hg_x86_legacy_prefixes[] = {
    [HG_X86_PP_66] = 0x66, [HG_X86_PP_F3] = 0xf3, [HG_X86_PP_F2] = 0xf2};

struct hg_x86_row {
    uint8_t opcode;
    uint8_t form;
    uint8_t map : 2, pp : 2, length : 2; /* length: or-ed to what the caller asks for */
    uint8_t digit : 4, vex_w : 1, byte_reg : 1, byte_rm : 1; /* byte: sil is not dh */
    uint8_t vex;  /* enum hg_x86_feature; BASE: neither VEX nor EVEX */
    uint8_t evex; /* enum hg_x86_feature */
    uint8_t tuple;
    uint32_t evex_word; /* of register 0 everywhere, the shortest vector, no mask */
};
#define HG_X86_EVEX_WORD(map, pp, w, length)                                                       \
    (0x62u | (0xf0u | (map)) << 8 | (0x7cu | (unsigned)(w) << 7 | (pp)) << 16 |                    \
     (0x08u | (unsigned)(length) << 5) << 24)

/* The fields of an instruction, whatever its prefix. Without memory, rm is a register. */
struct hg_x86_fields {
    unsigned reg, vvvv, rm;
    struct hg_x86_mem mem;
    bool is_mem, is_vsib;
    unsigned imm_bytes;
    int32_t imm;
};

/* Of an instruction with its modifiers: a mask, and places of bits. */
enum { HG_X86_MODIFIERS_OP = 0x3ff, HG_X86_MODIFIERS_LENGTH = 10, HG_X86_MODIFIERS_W64 = 12 };
#define HG_X86_NEEDS_EVEX                                                                          \
    (HG_X86_512 | HG_X86_K(7) | HG_X86_ZERO | HG_X86_BROADCAST | HG_X86_SAE | HG_X86_ROUND(3) |    \
     HG_X86_FORCE_EVEX)

HG_X86_INLINE uint8_t *hg_x86_put32(uint8_t *p, uint32_t value)
{
    memcpy(p, &value, sizeof(value));
    return p + sizeof(value);
}

/* Remembers that something could not be encoded. */
static inline void hg_x86_wrong(struct hg_x86 *x)
{
    x->is_wrong = true;
}

/* Room for one instruction; once there is none, there is none for shorter ones either. */
HG_X86_INLINE bool hg_x86_has_room(struct hg_x86 *x)
{
    if (__builtin_expect(x->end - x->at < HG_X86_BYTES_MAX, 0)) {
        x->is_full = true;
        x->end = x->at;
        return false;
    }
    return true;
}

/* Bit 3 and bit 4 of what extends the three-bit fields. Inverted, as VEX and EVEX have them. */
HG_X86_INLINE unsigned hg_x86_index_bits(const struct hg_x86_fields *f)
{
    return f->is_mem && f->mem.index != HG_X86_NO_REGISTER ? f->mem.index : 0;
}

HG_X86_INLINE unsigned hg_x86_base_bits(const struct hg_x86_fields *f)
{
    return f->is_mem ? (f->mem.base < HG_X86_NO_REGISTER ? f->mem.base : 0u) : f->rm;
}

HG_X86_INLINE uint8_t *hg_x86_put_legacy(uint8_t *p, uint32_t insn, const struct hg_x86_row *row,
                                         const struct hg_x86_fields *f)
{
    unsigned w = (insn >> HG_X86_MODIFIERS_W64 & 1) | row->vex_w;
    unsigned rex =
        w << 3 | f->reg >> 3 << 2 | hg_x86_index_bits(f) >> 3 << 1 | hg_x86_base_bits(f) >> 3;
    bool low_byte = (row->byte_reg && f->reg >= 4) || (row->byte_rm && !f->is_mem && f->rm >= 4);
    if (row->pp != HG_X86_PP_NP) {
        *p++ = hg_x86_legacy_prefixes[row->pp];
    }
    if (rex != 0 || low_byte) {
        *p++ = (uint8_t)(0x40 | rex);
    }
    if (row->map != 0) {
        *p++ = 0x0f;
    }
    return p;
}

/* Manual, 2.3.5. */
HG_X86_INLINE uint8_t *hg_x86_put_vex(uint8_t *p, uint32_t insn, const struct hg_x86_row *row,
                                      const struct hg_x86_fields *f)
{
    unsigned w = (insn >> HG_X86_MODIFIERS_W64 & 1) | row->vex_w;
    unsigned length = (insn >> HG_X86_MODIFIERS_LENGTH & 1) | row->length;
    unsigned last = (~f->vvvv & 15) << 3 | length << 2 | row->pp;
    unsigned xb = (hg_x86_index_bits(f) >> 3 & 1) << 1 | (hg_x86_base_bits(f) >> 3 & 1);
    unsigned not_r = (f->reg >> 3 & 1) ^ 1;
    if (xb == 0 && w == 0 && row->map == 1) {
        p[0] = 0xc5;
        p[1] = (uint8_t)(not_r << 7 | last);
        return p + 2;
    }
    p[0] = 0xc4;
    p[1] = (uint8_t)(not_r << 7 | (xb ^ 3) << 5 | row->map);
    p[2] = (uint8_t)(w << 7 | last);
    return p + 3;
}

/*
 * Manual, 2.7.1: four bytes as one word, to which the row's has all that no operand decides.
 * Registers are inverted there, so that they are flipped in.
 */
HG_X86_INLINE uint32_t hg_x86_evex_reg(unsigned reg, unsigned vvvv)
{
    return (reg & 8) << 12 | (reg & 16) << 8 | (vvvv & 15) << 19 | (vvvv & 16) << 23;
}

HG_X86_INLINE uint32_t hg_x86_evex_rm(unsigned rm)
{
    return (rm & 24) << 10;
}

/* What stands for no register has neither bit. */
HG_X86_INLINE uint32_t hg_x86_evex_memory(struct hg_x86_mem m)
{
    return (m.index & 8u) << 11 | (m.base & 8u) << 10;
}

HG_X86_INLINE uint32_t hg_x86_evex_mask(uint32_t insn)
{
    return (insn & HG_X86_K(7)) << 11 | (insn & HG_X86_ZERO) << 15;
}

HG_X86_INLINE uint8_t *hg_x86_put_evex(uint8_t *p, uint32_t insn, const struct hg_x86_row *row,
                                       const struct hg_x86_fields *f)
{
    uint32_t word = row->evex_word;
    word ^= hg_x86_evex_reg(f->reg, f->is_vsib ? f->mem.index & 16u : f->vvvv);
    word ^= f->is_mem ? hg_x86_evex_memory(f->mem) : hg_x86_evex_rm(f->rm);
    bool is_rounded = (insn & HG_X86_ROUND(0)) != 0;
    bool b_bit = (insn & (HG_X86_BROADCAST | HG_X86_SAE | HG_X86_ROUND(0))) != 0;
    uint32_t length = is_rounded ? insn >> 20 & 3 : insn >> HG_X86_MODIFIERS_LENGTH & 3;
    return hg_x86_put32(p, word | length << 29 | (uint32_t)b_bit << 28 | hg_x86_evex_mask(insn));
}

/* ModRM, SIB and displacement; SCALE is log2 of what an 8-bit displacement counts. */
HG_X86_INLINE uint8_t *hg_x86_put_memory(const struct hg_x86 *x, uint8_t *p,
                                         const struct hg_x86_fields *f, unsigned scale)
{
    const struct hg_x86_mem m = f->mem;
    const unsigned reg = (f->reg & 7) << 3;
    const bool has_index = m.index != HG_X86_NO_REGISTER;
    if (m.base == HG_X86_RIP) {
        *p++ = (uint8_t)(reg | 5);
        uint32_t after = (uint32_t)(p + 4 - x->start) + f->imm_bytes;
        return hg_x86_put32(p, (uint32_t)m.disp - after);
    }
    if (m.base == HG_X86_NO_REGISTER) {
        *p++ = (uint8_t)(reg | 4);
        *p++ = (uint8_t)((unsigned)m.scale << 6 | (has_index ? m.index & 7u : 4u) << 3 | 5);
        return hg_x86_put32(p, (uint32_t)m.disp);
    }
    int32_t scaled = m.disp >> scale;
    unsigned mod = 2;
    if (m.disp == 0 && (m.base & 7) != HG_X86_RBP) {
        mod = 0;
    } else if (scaled == (int8_t)scaled && (int32_t)((uint32_t)scaled << scale) == m.disp) {
        mod = 1;
    }
    if (has_index || (m.base & 7) == HG_X86_RSP) {
        *p++ = (uint8_t)(mod << 6 | reg | 4);
        *p++ =
            (uint8_t)((unsigned)m.scale << 6 | (has_index ? m.index & 7u : 4u) << 3 | (m.base & 7));
    } else {
        *p++ = (uint8_t)(mod << 6 | reg | (m.base & 7));
    }
    if (mod == 1) {
        *p++ = (uint8_t)scaled;
    } else if (mod == 2) {
        p = hg_x86_put32(p, (uint32_t)m.disp);
    }
    return p;
}

HG_X86_INLINE unsigned hg_x86_scale_of(uint32_t insn, const struct hg_x86_row *row)
{
    if ((insn & HG_X86_BROADCAST) != 0) {
        return row->tuple == HG_X86_TUPLE_FV64 ? 3 : 2;
    }
    return hg_x86_scales[row->tuple][(insn >> HG_X86_MODIFIERS_LENGTH & 3) | row->length];
}

/* Writes one instruction. OPCODE_BITS are or-ed to the row's opcode. */
HG_X86_INLINE void hg_x86_encode(struct hg_x86 *x, uint32_t insn, const struct hg_x86_row *row,
                                 const struct hg_x86_fields *f, unsigned opcode_bits)
{
    if (!hg_x86_has_room(x)) {
        return;
    }
    uint8_t *p = x->at;
    unsigned scale = 0;
    unsigned high =
        f->reg | f->vvvv | (f->is_mem ? 0 : f->rm) | (f->is_vsib ? (unsigned)f->mem.index : 0);
    bool evex_only = (insn & HG_X86_NEEDS_EVEX) != 0 || (high & 16) != 0 ||
                     (f->is_mem && row->form == HG_X86_FORM_VMI);
    if (!evex_only && (x->features >> row->vex & 1) != 0) {
        p = row->vex == HG_X86_FEATURE_BASE ? hg_x86_put_legacy(p, insn, row, f)
                                            : hg_x86_put_vex(p, insn, row, f);
    } else if ((x->features >> row->evex & 1) != 0) {
        p = hg_x86_put_evex(p, insn, row, f);
        scale = hg_x86_scale_of(insn, row);
    } else {
        hg_x86_wrong(x);
        return;
    }
    *p++ = (uint8_t)(row->opcode | opcode_bits);
    if (f->is_mem) {
        p = hg_x86_put_memory(x, p, f, scale);
    } else {
        *p++ = (uint8_t)(0xc0 | (f->reg & 7) << 3 | (f->rm & 7));
    }
    if (f->imm_bytes == 1) {
        *p++ = (uint8_t)f->imm;
    } else if (f->imm_bytes == 4) {
        p = hg_x86_put32(p, (uint32_t)f->imm);
    }
    x->at = p;
}

/*
 * Instructions of 512 bits, most of what is emitted: EVEX without asking. Those with a rounding of
 * their own are rare.
 */
HG_X86_INLINE bool hg_x86_is_wide(const struct hg_x86 *x, uint32_t insn,
                                  const struct hg_x86_row *row)
{
    const uint32_t asked = HG_X86_SAE | HG_X86_ROUND(0) | 3u << HG_X86_MODIFIERS_LENGTH;
    return (insn & asked) == HG_X86_512 && (x->features >> row->evex & 1) != 0;
}

HG_X86_INLINE void hg_x86_encode_wide(struct hg_x86 *x, uint32_t insn, const struct hg_x86_row *row,
                                      unsigned reg, unsigned vvvv, unsigned rm)
{
    if (hg_x86_has_room(x)) {
        uint32_t word = row->evex_word ^ hg_x86_evex_reg(reg, vvvv) ^ hg_x86_evex_rm(rm);
        word |= 2u << 29 | hg_x86_evex_mask(insn);
        uint64_t tail = row->opcode | (0xc0 | (reg & 7) << 3 | (rm & 7)) << 8;
        uint64_t bytes = word | tail << 32;
        memcpy(x->at, &bytes, sizeof(bytes)); /* two more than there are: has_room counts 15 */
        x->at += 6;
    }
}

HG_X86_INLINE void hg_x86_encode_wide_memory(struct hg_x86 *x, uint32_t insn,
                                             const struct hg_x86_row *row, unsigned reg,
                                             unsigned vvvv, struct hg_x86_mem m)
{
    if (hg_x86_has_room(x)) {
        uint32_t word = row->evex_word ^ hg_x86_evex_reg(reg, vvvv) ^ hg_x86_evex_memory(m);
        word |= 2u << 29 | (insn & HG_X86_BROADCAST) << 11 | hg_x86_evex_mask(insn);
        uint8_t *p = hg_x86_put32(x->at, word);
        *p++ = row->opcode;
        struct hg_x86_fields f = {.reg = reg, .mem = m, .is_mem = true};
        x->at = hg_x86_put_memory(x, p, &f, m.base == HG_X86_RIP ? 0 : hg_x86_scale_of(insn, row));
    }
}

#endif
