/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/native/x86.h"

#include <string.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Which operand goes into which field; see x86.def. */
enum form {
    FORM_RM,
    FORM_MR,
    FORM_RVM,
    FORM_RMV,
    FORM_MVR,
    FORM_RMI,
    FORM_MRI,
    FORM_VMI,
    FORM_RVMI,
    FORM_RVMR,      /* the fourth register is the upper half of the immediate */
    FORM_GATHER,    /* RM, the index a vector */
    FORM_GATHER_V,  /* RMV, the index a vector */
    FORM_SCATTER,   /* MR, the index a vector */
    FORM_M,         /* one operand */
    FORM_M_FAR,     /* the same, of 64 bits without saying so */
    FORM_MI,        /* an immediate of 32 bits, or of 8 with bit 1 of the opcode set */
    FORM_MI_LONG,   /* of 32 bits */
    FORM_MI8,       /* of 8 bits */
    FORM_RMI_SHORT, /* as MI */
    FORM_O,         /* the register is part of the opcode */
    FORM_NONE,
    FORM_NONE_EXT, /* a register form without register */
};
#define IS(form) (1u << FORM_##form)

enum tuple {
    TUPLE_NONE,
    TUPLE_FV32,
    TUPLE_FV64,
    TUPLE_HV32,
    TUPLE_FVM,
    TUPLE_HVM,
    TUPLE_QVM,
    TUPLE_OVM,
    TUPLE_T1_8,
    TUPLE_T1_16,
    TUPLE_T1_32,
    TUPLE_T1_64,
    TUPLE_M128,
    TUPLE_M256,
    TUPLE_DUP,
    TUPLE_COUNT
};

/* log2 of what an 8-bit displacement counts, by length (manual, 2.7.5, "disp8*N"). */
static const uint8_t scales[TUPLE_COUNT][4] = {
    [TUPLE_FV32] = {4, 5, 6},  [TUPLE_FV64] = {4, 5, 6},  [TUPLE_HV32] = {3, 4, 5},
    [TUPLE_FVM] = {4, 5, 6},   [TUPLE_HVM] = {3, 4, 5},   [TUPLE_QVM] = {2, 3, 4},
    [TUPLE_OVM] = {1, 2, 3},   [TUPLE_T1_16] = {1, 1, 1}, [TUPLE_T1_32] = {2, 2, 2},
    [TUPLE_T1_64] = {3, 3, 3}, [TUPLE_M128] = {4, 4, 4},  [TUPLE_M256] = {5, 5, 5},
    [TUPLE_DUP] = {3, 5, 6},
};

enum pp { PP_NP, PP_66, PP_F3, PP_F2 };
static const uint8_t legacy_prefixes[] = {[PP_66] = 0x66, [PP_F3] = 0xf3, [PP_F2] = 0xf2};

struct row {
    uint8_t opcode;
    uint8_t form;
    uint8_t map : 2, pp : 2, length : 2; /* length: or-ed to what the caller asks for */
    uint8_t digit : 4, vex_w : 1, byte_reg : 1, byte_rm : 1; /* byte: sil is not dh */
    uint8_t vex;  /* enum hg_x86_feature; BASE: neither VEX nor EVEX */
    uint8_t evex; /* enum hg_x86_feature */
    uint8_t tuple;
    uint32_t evex_word; /* of register 0 everywhere, the shortest vector, no mask */
};
#define EVEX_WORD(map, pp, w, length)                                                              \
    (0x62u | (0xf0u | (map)) << 8 | (0x7cu | (unsigned)(w) << 7 | (pp)) << 16 |                    \
     (0x08u | (unsigned)(length) << 5) << 24)

/* Columns of x86.def that say one thing for many rows: 1 where they are what is asked, else 0. */
enum { IS_B_B = 1, IS_B_V = 0, IS_B_H = 0, IS_B_Q = 0, IS_B_E = 0, IS_B_X = 0, IS_B_Y = 0 };
enum { IS_B_K = 0, IS_B_G = 0, IS_B_L = 0, IS_B_W = 0, IS_B_H16 = 0, IS_B__ = 0 };
enum { LENGTH__ = 0, LENGTH_ALL = 0, LENGTH_L256UP = 0, LENGTH_UP256 = 0, LENGTH_L128 = 0 };
enum { LENGTH_LIG = 0, LENGTH_L256 = 1, LENGTH_L512 = 2 };

static const struct row rows[HG_X86_OP_COUNT] = {
#define HG_X86_ROW(name, form_, d, a, b, rm, map_, pp_, opcode_, digit_, vex_, vw, evex_, ew,      \
                   tuple_, lengths, mask, round)                                                   \
    [HG_X86_##name] = {                                                                            \
        .opcode = (opcode_),                                                                       \
        .form = FORM_##form_,                                                                      \
        .map = (map_),                                                                             \
        .pp = PP_##pp_,                                                                            \
        .length = LENGTH_##lengths,                                                                \
        .digit = (digit_),                                                                         \
        .vex_w = (vw),                                                                             \
        .byte_reg = FORM_##form_ == FORM_MR && IS_B_##a,                                           \
        .byte_rm = (FORM_##form_ == FORM_M && IS_B_##d) || (FORM_##form_ == FORM_RM && IS_B_##a),  \
        .vex = HG_X86_FEATURE_##vex_,                                                              \
        .evex = HG_X86_FEATURE_##evex_,                                                            \
        .tuple = TUPLE_##tuple_,                                                                   \
        .evex_word = EVEX_WORD(map_, PP_##pp_, ew, LENGTH_##lengths),                              \
    },
#include "lib/native/x86.def"
#undef HG_X86_ROW
};

/* The fields of an instruction, whatever its prefix. Without memory, rm is a register. */
struct fields {
    unsigned reg, vvvv, rm;
    struct hg_x86_mem mem;
    bool is_mem, is_vsib;
    unsigned imm_bytes;
    int32_t imm;
};

enum { MODIFIERS_OP = 0x3ff, MODIFIERS_LENGTH = 10, MODIFIERS_W64 = 12, MODIFIERS_K = 13 };
#define NEEDS_EVEX                                                                                 \
    (HG_X86_512 | HG_X86_K(7) | HG_X86_ZERO | HG_X86_BROADCAST | HG_X86_SAE | HG_X86_ROUND(3) |    \
     HG_X86_FORCE_EVEX)

ALWAYS_INLINE const struct row *row_of(uint32_t insn)
{
    return &rows[insn & MODIFIERS_OP];
}

ALWAYS_INLINE uint8_t *put32(uint8_t *p, uint32_t value)
{
    memcpy(p, &value, sizeof(value));
    return p + sizeof(value);
}

/* Remembers that something could not be encoded. */
static void wrong(struct hg_x86 *x)
{
    x->is_wrong = true;
}

/* Room for one instruction; once there is none, there is none for shorter ones either. */
ALWAYS_INLINE bool has_room(struct hg_x86 *x)
{
    if (__builtin_expect(x->end - x->at < HG_X86_BYTES_MAX, 0)) {
        x->is_full = true;
        x->end = x->at;
        return false;
    }
    return true;
}

/* Bit 3 and bit 4 of what extends the three-bit fields. Inverted, as VEX and EVEX have them. */
ALWAYS_INLINE unsigned index_bits(const struct fields *f)
{
    return f->is_mem && f->mem.index != HG_X86_NO_REGISTER ? f->mem.index : 0;
}

ALWAYS_INLINE unsigned base_bits(const struct fields *f)
{
    return f->is_mem ? (f->mem.base < HG_X86_NO_REGISTER ? f->mem.base : 0u) : f->rm;
}

ALWAYS_INLINE uint8_t *put_legacy(uint8_t *p, uint32_t insn, const struct row *row,
                                  const struct fields *f)
{
    unsigned w = (insn >> MODIFIERS_W64 & 1) | row->vex_w;
    unsigned rex = w << 3 | f->reg >> 3 << 2 | index_bits(f) >> 3 << 1 | base_bits(f) >> 3;
    bool low_byte = (row->byte_reg && f->reg >= 4) || (row->byte_rm && !f->is_mem && f->rm >= 4);
    if (row->pp != PP_NP) {
        *p++ = legacy_prefixes[row->pp];
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
ALWAYS_INLINE uint8_t *put_vex(uint8_t *p, uint32_t insn, const struct row *row,
                               const struct fields *f)
{
    unsigned w = (insn >> MODIFIERS_W64 & 1) | row->vex_w;
    unsigned length = (insn >> MODIFIERS_LENGTH & 1) | row->length;
    unsigned last = (~f->vvvv & 15) << 3 | length << 2 | row->pp;
    unsigned xb = (index_bits(f) >> 3 & 1) << 1 | (base_bits(f) >> 3 & 1);
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
ALWAYS_INLINE uint32_t evex_reg(unsigned reg, unsigned vvvv)
{
    return (reg & 8) << 12 | (reg & 16) << 8 | (vvvv & 15) << 19 | (vvvv & 16) << 23;
}

ALWAYS_INLINE uint32_t evex_rm(unsigned rm)
{
    return (rm & 24) << 10;
}

/* What stands for no register has neither bit. */
ALWAYS_INLINE uint32_t evex_memory(struct hg_x86_mem m)
{
    return (m.index & 8u) << 11 | (m.base & 8u) << 10;
}

ALWAYS_INLINE uint32_t evex_mask(uint32_t insn)
{
    return (insn & HG_X86_K(7)) << 11 | (insn & HG_X86_ZERO) << 15;
}

ALWAYS_INLINE uint8_t *put_evex(uint8_t *p, uint32_t insn, const struct row *row,
                                const struct fields *f)
{
    uint32_t word = row->evex_word;
    word ^= evex_reg(f->reg, f->is_vsib ? f->mem.index & 16u : f->vvvv);
    word ^= f->is_mem ? evex_memory(f->mem) : evex_rm(f->rm);
    bool is_rounded = (insn & HG_X86_ROUND(0)) != 0;
    bool b_bit = (insn & (HG_X86_BROADCAST | HG_X86_SAE | HG_X86_ROUND(0))) != 0;
    uint32_t length = is_rounded ? insn >> 20 & 3 : insn >> MODIFIERS_LENGTH & 3;
    return put32(p, word | length << 29 | (uint32_t)b_bit << 28 | evex_mask(insn));
}

/* ModRM, SIB and displacement; SCALE is log2 of what an 8-bit displacement counts. */
ALWAYS_INLINE uint8_t *put_memory(const struct hg_x86 *x, uint8_t *p, const struct fields *f,
                                  unsigned scale)
{
    const struct hg_x86_mem m = f->mem;
    const unsigned reg = (f->reg & 7) << 3;
    const bool has_index = m.index != HG_X86_NO_REGISTER;
    if (m.base == HG_X86_RIP) {
        *p++ = (uint8_t)(reg | 5);
        uint32_t after = (uint32_t)(p + 4 - x->start) + f->imm_bytes;
        return put32(p, (uint32_t)m.disp - after);
    }
    if (m.base == HG_X86_NO_REGISTER) {
        *p++ = (uint8_t)(reg | 4);
        *p++ = (uint8_t)((unsigned)m.scale << 6 | (has_index ? m.index & 7u : 4u) << 3 | 5);
        return put32(p, (uint32_t)m.disp);
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
        p = put32(p, (uint32_t)m.disp);
    }
    return p;
}

ALWAYS_INLINE unsigned scale_of(uint32_t insn, const struct row *row)
{
    if ((insn & HG_X86_BROADCAST) != 0) {
        return row->tuple == TUPLE_FV64 ? 3 : 2;
    }
    return scales[row->tuple][(insn >> MODIFIERS_LENGTH & 3) | row->length];
}

/* Writes one instruction. OPCODE_BITS are or-ed to the row's opcode. */
ALWAYS_INLINE void encode(struct hg_x86 *x, uint32_t insn, const struct row *row,
                          const struct fields *f, unsigned opcode_bits)
{
    if (!has_room(x)) {
        return;
    }
    uint8_t *p = x->at;
    unsigned scale = 0;
    unsigned high =
        f->reg | f->vvvv | (f->is_mem ? 0 : f->rm) | (f->is_vsib ? (unsigned)f->mem.index : 0);
    bool evex_only =
        (insn & NEEDS_EVEX) != 0 || (high & 16) != 0 || (f->is_mem && row->form == FORM_VMI);
    if (!evex_only && (x->features >> row->vex & 1) != 0) {
        p = row->vex == HG_X86_FEATURE_BASE ? put_legacy(p, insn, row, f)
                                            : put_vex(p, insn, row, f);
    } else if ((x->features >> row->evex & 1) != 0) {
        p = put_evex(p, insn, row, f);
        scale = scale_of(insn, row);
    } else {
        wrong(x);
        return;
    }
    *p++ = (uint8_t)(row->opcode | opcode_bits);
    if (f->is_mem) {
        p = put_memory(x, p, f, scale);
    } else {
        *p++ = (uint8_t)(0xc0 | (f->reg & 7) << 3 | (f->rm & 7));
    }
    if (f->imm_bytes == 1) {
        *p++ = (uint8_t)f->imm;
    } else if (f->imm_bytes == 4) {
        p = put32(p, (uint32_t)f->imm);
    }
    x->at = p;
}

/*
 * Instructions of 512 bits, most of what is emitted: EVEX without asking. Those with a rounding of
 * their own are rare.
 */
ALWAYS_INLINE bool is_wide(const struct hg_x86 *x, uint32_t insn, const struct row *row)
{
    const uint32_t asked = HG_X86_SAE | HG_X86_ROUND(0) | 3u << MODIFIERS_LENGTH;
    return (insn & asked) == HG_X86_512 && (x->features >> row->evex & 1) != 0;
}

ALWAYS_INLINE void encode_wide(struct hg_x86 *x, uint32_t insn, const struct row *row, unsigned reg,
                               unsigned vvvv, unsigned rm)
{
    if (has_room(x)) {
        uint32_t word = row->evex_word ^ evex_reg(reg, vvvv) ^ evex_rm(rm);
        word |= 2u << 29 | evex_mask(insn);
        uint64_t tail = row->opcode | (0xc0 | (reg & 7) << 3 | (rm & 7)) << 8;
        uint64_t bytes = word | tail << 32;
        memcpy(x->at, &bytes, sizeof(bytes)); /* two more than there are: has_room counts 15 */
        x->at += 6;
    }
}

ALWAYS_INLINE void encode_wide_memory(struct hg_x86 *x, uint32_t insn, const struct row *row,
                                      unsigned reg, unsigned vvvv, struct hg_x86_mem m)
{
    if (has_room(x)) {
        uint32_t word = row->evex_word ^ evex_reg(reg, vvvv) ^ evex_memory(m);
        word |= 2u << 29 | (insn & HG_X86_BROADCAST) << 11 | evex_mask(insn);
        uint8_t *p = put32(x->at, word);
        *p++ = row->opcode;
        struct fields f = {.reg = reg, .mem = m, .is_mem = true};
        x->at = put_memory(x, p, &f, m.base == HG_X86_RIP ? 0 : scale_of(insn, row));
    }
}

/* encode() for rows of FORMS alone. */
ALWAYS_INLINE void encode_one_of(struct hg_x86 *x, uint32_t insn, uint32_t forms, struct fields f)
{
    const struct row *row = row_of(insn);
    if ((forms >> row->form & 1) == 0) {
        wrong(x);
        return;
    }
    encode(x, insn, row, &f, 0);
}

void hg_x86_init(struct hg_x86 *x, void *buffer, size_t size, uint32_t features)
{
    *x = (struct hg_x86){.at = buffer,
                         .end = (uint8_t *)buffer + size,
                         .start = buffer,
                         .features = features & ~HG_X86_HAS(NO)};
}

enum hg_status hg_x86_fini(const struct hg_x86 *x, size_t *size)
{
    if (x->is_wrong) {
        return HG_INTERNAL;
    }
    if (x->is_full) {
        return HG_RESOURCE_EXHAUSTED;
    }
    *size = (size_t)(x->at - x->start);
    return HG_OK;
}

void hg_x86_0(struct hg_x86 *x, uint32_t insn)
{
    const struct row *row = row_of(insn);
    struct fields f = {.reg = row->digit};
    if (row->form == FORM_NONE_EXT) {
        encode(x, insn, row, &f, 0);
    } else if (row->form == FORM_NONE) {
        uint8_t *before = x->at;
        encode(x, insn, row, &f, 0);
        x->at -= x->at != before; /* there is no ModRM */
    } else {
        wrong(x);
    }
}

void hg_x86_r(struct hg_x86 *x, uint32_t insn, unsigned r)
{
    const struct row *row = row_of(insn);
    if (row->form == FORM_O) {
        uint8_t *before = x->at;
        encode(x, insn, row, &(struct fields){.rm = r}, r & 7);
        x->at -= x->at != before;
        return;
    }
    encode_one_of(x, insn, IS(M) | IS(M_FAR), (struct fields){.reg = row->digit, .rm = r});
}

void hg_x86_m(struct hg_x86 *x, uint32_t insn, struct hg_x86_mem m)
{
    encode_one_of(x, insn, IS(M) | IS(M_FAR),
                  (struct fields){.reg = row_of(insn)->digit, .mem = m, .is_mem = true});
}

/* Instructions with an immediate of 32 bits, or of 8 that are sign-extended. */
ALWAYS_INLINE void encode_sized(struct hg_x86 *x, uint32_t insn, struct fields f)
{
    const struct row *row = row_of(insn);
    bool may_be_short = row->form == FORM_MI || row->form == FORM_RMI_SHORT;
    bool is_short = may_be_short && f.imm == (int8_t)f.imm;
    f.imm_bytes = is_short || row->form == FORM_MI8 ? 1 : 4;
    encode(x, insn, row, &f, is_short ? 2 : 0);
}

/* Counters are stepped by few: REX if need be, opcode, ModRM and a byte. */
ALWAYS_INLINE void encode_step(struct hg_x86 *x, uint32_t insn, const struct row *row, unsigned r,
                               int32_t i)
{
    if (has_room(x)) {
        unsigned rex = (insn >> MODIFIERS_W64 & 1) << 3 | r >> 3;
        uint8_t *p = x->at;
        *p = (uint8_t)(0x40 | rex);
        p += rex != 0;
        p[0] = (uint8_t)(row->opcode | 2);
        p[1] = (uint8_t)(0xc0 | (unsigned)row->digit << 3 | (r & 7));
        p[2] = (uint8_t)i;
        x->at = p + 3;
    }
}

void hg_x86_ri(struct hg_x86 *x, uint32_t insn, unsigned r, int32_t i)
{
    const struct row *row = row_of(insn);
    if (row->form == FORM_MI && i == (int8_t)i && (insn & ~(HG_X86_W64 | MODIFIERS_OP)) == 0 &&
        (x->features & HG_X86_HAS(BASE)) != 0) {
        encode_step(x, insn, row, r, i);
        return;
    }
    if (((IS(MI) | IS(MI_LONG) | IS(MI8)) >> row->form & 1) == 0) {
        wrong(x);
        return;
    }
    encode_sized(x, insn, (struct fields){.reg = row->digit, .rm = r, .imm = i});
}

void hg_x86_mi(struct hg_x86 *x, uint32_t insn, struct hg_x86_mem m, int32_t i)
{
    const struct row *row = row_of(insn);
    if (((IS(MI) | IS(MI_LONG) | IS(MI8)) >> row->form & 1) == 0) {
        wrong(x);
        return;
    }
    encode_sized(x, insn, (struct fields){.reg = row->digit, .mem = m, .is_mem = true, .imm = i});
}

void hg_x86_rr(struct hg_x86 *x, uint32_t insn, unsigned d, unsigned a)
{
    const struct row *row = row_of(insn);
    if (row->form == FORM_RM && is_wide(x, insn, row)) {
        encode_wide(x, insn, row, d, 0, a);
        return;
    }
    bool swap = row->form == FORM_MR;
    encode_one_of(x, insn, IS(RM) | IS(MR),
                  (struct fields){.reg = swap ? a : d, .rm = swap ? d : a});
}

void hg_x86_rm(struct hg_x86 *x, uint32_t insn, unsigned d, struct hg_x86_mem m)
{
    const struct row *row = row_of(insn);
    if (row->form == FORM_RM && is_wide(x, insn, row)) {
        encode_wide_memory(x, insn, row, d, 0, m);
        return;
    }
    encode_one_of(
        x, insn, IS(RM) | IS(GATHER),
        (struct fields){.reg = d, .mem = m, .is_mem = true, .is_vsib = row->form == FORM_GATHER});
}

void hg_x86_mr(struct hg_x86 *x, uint32_t insn, struct hg_x86_mem m, unsigned a)
{
    const struct row *row = row_of(insn);
    if (row->form == FORM_MR && is_wide(x, insn, row)) {
        encode_wide_memory(x, insn, row, a, 0, m);
        return;
    }
    encode_one_of(
        x, insn, IS(MR) | IS(SCATTER),
        (struct fields){.reg = a, .mem = m, .is_mem = true, .is_vsib = row->form == FORM_SCATTER});
}

void hg_x86_rri(struct hg_x86 *x, uint32_t insn, unsigned d, unsigned a, int32_t i)
{
    const struct row *row = row_of(insn);
    struct fields f = {.reg = d, .rm = a, .imm = i, .imm_bytes = 1};
    switch ((enum form)row->form) {
    case FORM_RMI:
        break;
    case FORM_MRI:
        f.reg = a;
        f.rm = d;
        break;
    case FORM_VMI:
        f.reg = row->digit;
        f.vvvv = d;
        break;
    case FORM_RMI_SHORT:
        encode_sized(x, insn, f);
        return;
    default:
        wrong(x);
        return;
    }
    encode(x, insn, row, &f, 0);
}

void hg_x86_rmi(struct hg_x86 *x, uint32_t insn, unsigned d, struct hg_x86_mem m, int32_t i)
{
    const struct row *row = row_of(insn);
    struct fields f = {.reg = d, .mem = m, .is_mem = true, .imm = i, .imm_bytes = 1};
    if (row->form == FORM_RMI_SHORT) {
        encode_sized(x, insn, f);
        return;
    }
    if (row->form == FORM_VMI) {
        f.reg = row->digit;
        f.vvvv = d;
    }
    encode_one_of(x, insn, IS(RMI) | IS(VMI), f);
}

void hg_x86_mri(struct hg_x86 *x, uint32_t insn, struct hg_x86_mem m, unsigned a, int32_t i)
{
    encode_one_of(x, insn, IS(MRI),
                  (struct fields){.reg = a, .mem = m, .is_mem = true, .imm = i, .imm_bytes = 1});
}

void hg_x86_rrr(struct hg_x86 *x, uint32_t insn, unsigned d, unsigned a, unsigned b)
{
    const struct row *row = row_of(insn);
    if (row->form == FORM_RVM && is_wide(x, insn, row)) {
        encode_wide(x, insn, row, d, a, b);
        return;
    }
    bool swap = row->form == FORM_RMV;
    encode_one_of(x, insn, IS(RVM) | IS(RMV),
                  (struct fields){.reg = d, .vvvv = swap ? b : a, .rm = swap ? a : b});
}

void hg_x86_rrm(struct hg_x86 *x, uint32_t insn, unsigned d, unsigned a, struct hg_x86_mem m)
{
    const struct row *row = row_of(insn);
    if (row->form == FORM_RVM && is_wide(x, insn, row)) {
        encode_wide_memory(x, insn, row, d, a, m);
        return;
    }
    encode_one_of(x, insn, IS(RVM), (struct fields){.reg = d, .vvvv = a, .mem = m, .is_mem = true});
}

void hg_x86_rmr(struct hg_x86 *x, uint32_t insn, unsigned d, struct hg_x86_mem m, unsigned b)
{
    encode_one_of(x, insn, IS(RMV) | IS(GATHER_V),
                  (struct fields){.reg = d,
                                  .vvvv = b,
                                  .mem = m,
                                  .is_mem = true,
                                  .is_vsib = row_of(insn)->form == FORM_GATHER_V});
}

void hg_x86_mrr(struct hg_x86 *x, uint32_t insn, struct hg_x86_mem m, unsigned a, unsigned b)
{
    encode_one_of(x, insn, IS(MVR), (struct fields){.reg = b, .vvvv = a, .mem = m, .is_mem = true});
}

void hg_x86_rrri(struct hg_x86 *x, uint32_t insn, unsigned d, unsigned a, unsigned b, int32_t i)
{
    encode_one_of(x, insn, IS(RVMI),
                  (struct fields){.reg = d, .vvvv = a, .rm = b, .imm = i, .imm_bytes = 1});
}

void hg_x86_rrmi(struct hg_x86 *x, uint32_t insn, unsigned d, unsigned a, struct hg_x86_mem m,
                 int32_t i)
{
    encode_one_of(
        x, insn, IS(RVMI),
        (struct fields){.reg = d, .vvvv = a, .mem = m, .is_mem = true, .imm = i, .imm_bytes = 1});
}

void hg_x86_rrrr(struct hg_x86 *x, uint32_t insn, unsigned d, unsigned a, unsigned b, unsigned c)
{
    encode_one_of(
        x, insn, IS(RVMR),
        (struct fields){.reg = d, .vvvv = a, .rm = b, .imm = (int32_t)(c << 4), .imm_bytes = 1});
}

void hg_x86_rrmr(struct hg_x86 *x, uint32_t insn, unsigned d, unsigned a, struct hg_x86_mem m,
                 unsigned c)
{
    encode_one_of(x, insn, IS(RVMR),
                  (struct fields){.reg = d,
                                  .vvvv = a,
                                  .mem = m,
                                  .is_mem = true,
                                  .imm = (int32_t)(c << 4),
                                  .imm_bytes = 1});
}

void hg_x86_load(struct hg_x86 *x, unsigned r, uint64_t value)
{
    if (!has_room(x)) {
        return;
    }
    uint8_t *p = x->at;
    if (value <= UINT32_MAX) { /* mov r32, imm32: zero-extended */
        if (r >= 8) {
            *p++ = 0x41;
        }
        *p++ = (uint8_t)(0xb8 | (r & 7));
        x->at = put32(p, (uint32_t)value);
    } else if ((int64_t)value == (int32_t)value) {
        hg_x86_ri(x, HG_X86_MOV_I | HG_X86_W64, r, (int32_t)value);
    } else { /* mov r64, imm64 */
        *p++ = (uint8_t)(0x48 | r >> 3);
        *p++ = (uint8_t)(0xb8 | (r & 7));
        memcpy(p, &value, sizeof(value));
        x->at = p + sizeof(value);
    }
}

/* ---- places ---------------------------------------------------------------------------------- */

/* A jump with 32 bits to the place, relative to the jump's end. */
static void put_jump(struct hg_x86 *x, int cc, uint32_t place)
{
    if (!has_room(x)) {
        return;
    }
    uint8_t *p = x->at;
    if (cc < 0) {
        *p++ = 0xe9;
    } else {
        *p++ = 0x0f;
        *p++ = (uint8_t)(0x80 | cc);
    }
    x->at = put32(p, place - (uint32_t)(p + 4 - x->start));
}

uint32_t hg_x86_jump(struct hg_x86 *x)
{
    put_jump(x, -1, 0);
    return hg_x86_here(x);
}

uint32_t hg_x86_jump_if(struct hg_x86 *x, enum hg_x86_cc cc)
{
    put_jump(x, (int)cc, 0);
    return hg_x86_here(x);
}

void hg_x86_land(struct hg_x86 *x, uint32_t jump)
{
    if (!x->is_full) {
        put32(x->start + jump - 4, hg_x86_here(x) - jump);
    }
}

static void jump_back(struct hg_x86 *x, int cc, uint32_t place)
{
    int64_t distance = (int64_t)place - (int64_t)hg_x86_here(x) - 2;
    if (distance != (int8_t)distance) {
        put_jump(x, cc, place);
        return;
    }
    if (has_room(x)) {
        x->at[0] = cc < 0 ? 0xeb : (uint8_t)(0x70 | cc);
        x->at[1] = (uint8_t)distance;
        x->at += 2;
    }
}

void hg_x86_jump_to(struct hg_x86 *x, uint32_t place)
{
    jump_back(x, -1, place);
}

void hg_x86_jump_if_to(struct hg_x86 *x, enum hg_x86_cc cc, uint32_t place)
{
    jump_back(x, (int)cc, place);
}

void hg_x86_refer(struct hg_x86 *x, uint32_t reference, uint32_t offset)
{
    if (x->is_full || x->is_wrong) {
        return;
    }
    uint8_t *field = x->start + (reference >> 1) - (reference & 1) - 4;
    uint32_t relative;
    memcpy(&relative, field, sizeof(relative));
    put32(field, relative + offset);
}

/* ---- data ------------------------------------------------------------------------------------ */

void hg_x86_align(struct hg_x86 *x, uint32_t alignment)
{
    /* The manual's recommended NOPs (volume 2, "NOP"). */
    static const uint8_t nops[9][9] = {
        {0x90},
        {0x66, 0x90},
        {0x0f, 0x1f, 0x00},
        {0x0f, 0x1f, 0x40, 0x00},
        {0x0f, 0x1f, 0x44, 0x00, 0x00},
        {0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00},
        {0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00},
        {0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
        {0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
    };
    uint32_t missing = -hg_x86_here(x) & (alignment - 1);
    for (; missing > 9; missing -= 9) {
        hg_x86_data(x, nops[8], 9);
    }
    if (missing > 0) {
        hg_x86_data(x, nops[missing - 1], missing);
    }
}

void hg_x86_data(struct hg_x86 *x, const void *data, size_t size)
{
    if ((size_t)(x->end - x->at) < size) {
        x->is_full = true;
        x->end = x->at;
        return;
    }
    if (size != 0) {
        memcpy(x->at, data, size);
        x->at += size;
    }
}
