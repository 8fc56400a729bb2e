/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of x86.def, and which operand goes into which field of an instruction. */
#include <string.h>

#include "lib/native/x86_bytes.h"

/* Columns of x86.def that say one thing for many rows: 1 where they are what is asked, else 0. */
enum { IS_B_B = 1, IS_B_V = 0, IS_B_H = 0, IS_B_Q = 0, IS_B_E = 0, IS_B_X = 0, IS_B_Y = 0 };
enum { IS_B_K = 0, IS_B_G = 0, IS_B_L = 0, IS_B_W = 0, IS_B_H16 = 0, IS_B__ = 0 };
enum { LENGTH__ = 0, LENGTH_ALL = 0, LENGTH_L256UP = 0, LENGTH_UP256 = 0, LENGTH_L128 = 0 };
enum { LENGTH_LIG = 0, LENGTH_L256 = 1, LENGTH_L512 = 2 };

static const struct hg_x86_row rows[HG_X86_OP_COUNT] = {
#define HG_X86_ROW(name, form_, d, a, b, rm, map_, pp_, opcode_, digit_, vex_, vw, evex_, ew,      \
                   tuple_, lengths, mask, round)                                                   \
    [HG_X86_##name] = {                                                                            \
        .opcode = (opcode_),                                                                       \
        .form = HG_X86_FORM_##form_,                                                               \
        .map = (map_),                                                                             \
        .pp = HG_X86_PP_##pp_,                                                                     \
        .length = LENGTH_##lengths,                                                                \
        .digit = (digit_),                                                                         \
        .vex_w = (vw),                                                                             \
        .byte_reg = HG_X86_FORM_##form_ == HG_X86_FORM_MR && IS_B_##a,                             \
        .byte_rm = (HG_X86_FORM_##form_ == HG_X86_FORM_M && IS_B_##d) ||                           \
                   (HG_X86_FORM_##form_ == HG_X86_FORM_RM && IS_B_##a),                            \
        .vex = HG_X86_FEATURE_##vex_,                                                              \
        .evex = HG_X86_FEATURE_##evex_,                                                            \
        .tuple = HG_X86_TUPLE_##tuple_,                                                            \
        .evex_word = HG_X86_EVEX_WORD(map_, HG_X86_PP_##pp_, ew, LENGTH_##lengths),                \
    },
#include "lib/native/x86.def"
#undef HG_X86_ROW
};

/* Sets of forms. */
#define IS(form) (1u << HG_X86_FORM_##form)

HG_X86_INLINE const struct hg_x86_row *row_of(uint32_t insn)
{
    return &rows[insn & HG_X86_MODIFIERS_OP];
}

/* Writes an instruction whose row must be one of FORMS. */
HG_X86_INLINE void encode_one_of(struct hg_x86 *x, uint32_t insn, uint32_t forms,
                                 struct hg_x86_fields f)
{
    const struct hg_x86_row *row = row_of(insn);
    if ((forms >> row->form & 1) == 0) {
        hg_x86_wrong(x);
        return;
    }
    hg_x86_encode(x, insn, row, &f, 0);
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
    const struct hg_x86_row *row = row_of(insn);
    struct hg_x86_fields f = {.reg = row->digit};
    if (row->form == HG_X86_FORM_NONE_EXT) {
        hg_x86_encode(x, insn, row, &f, 0);
    } else if (row->form == HG_X86_FORM_NONE) {
        uint8_t *before = x->at;
        hg_x86_encode(x, insn, row, &f, 0);
        x->at -= x->at != before; /* there is no ModRM */
    } else {
        hg_x86_wrong(x);
    }
}

void hg_x86_r(struct hg_x86 *x, uint32_t insn, unsigned r)
{
    const struct hg_x86_row *row = row_of(insn);
    if (row->form == HG_X86_FORM_O) {
        uint8_t *before = x->at;
        hg_x86_encode(x, insn, row, &(struct hg_x86_fields){.rm = r}, r & 7);
        x->at -= x->at != before;
        return;
    }
    encode_one_of(x, insn, IS(M) | IS(M_FAR), (struct hg_x86_fields){.reg = row->digit, .rm = r});
}

void hg_x86_m(struct hg_x86 *x, uint32_t insn, struct hg_x86_mem m)
{
    encode_one_of(x, insn, IS(M) | IS(M_FAR),
                  (struct hg_x86_fields){.reg = row_of(insn)->digit, .mem = m, .is_mem = true});
}

/* Instructions with an immediate of 32 bits, or of 8 that are sign-extended. */
HG_X86_INLINE void encode_sized(struct hg_x86 *x, uint32_t insn, struct hg_x86_fields f)
{
    const struct hg_x86_row *row = row_of(insn);
    bool may_be_short = row->form == HG_X86_FORM_MI || row->form == HG_X86_FORM_RMI_SHORT;
    bool is_short = may_be_short && f.imm == (int8_t)f.imm;
    f.imm_bytes = is_short || row->form == HG_X86_FORM_MI8 ? 1 : 4;
    hg_x86_encode(x, insn, row, &f, is_short ? 2 : 0);
}

/* Counters are stepped by few: REX if need be, opcode, ModRM and a byte. */
HG_X86_INLINE void encode_step(struct hg_x86 *x, uint32_t insn, const struct hg_x86_row *row,
                               unsigned r, int32_t i)
{
    if (hg_x86_has_room(x)) {
        unsigned rex = (insn >> HG_X86_MODIFIERS_W64 & 1) << 3 | r >> 3;
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
    const struct hg_x86_row *row = row_of(insn);
    if (row->form == HG_X86_FORM_MI && i == (int8_t)i &&
        (insn & ~(HG_X86_W64 | HG_X86_MODIFIERS_OP)) == 0 &&
        (x->features & HG_X86_HAS(BASE)) != 0) {
        encode_step(x, insn, row, r, i);
        return;
    }
    if (((IS(MI) | IS(MI_LONG) | IS(MI8)) >> row->form & 1) == 0) {
        hg_x86_wrong(x);
        return;
    }
    encode_sized(x, insn, (struct hg_x86_fields){.reg = row->digit, .rm = r, .imm = i});
}

void hg_x86_mi(struct hg_x86 *x, uint32_t insn, struct hg_x86_mem m, int32_t i)
{
    const struct hg_x86_row *row = row_of(insn);
    if (((IS(MI) | IS(MI_LONG) | IS(MI8)) >> row->form & 1) == 0) {
        hg_x86_wrong(x);
        return;
    }
    encode_sized(x, insn,
                 (struct hg_x86_fields){.reg = row->digit, .mem = m, .is_mem = true, .imm = i});
}

void hg_x86_rr(struct hg_x86 *x, uint32_t insn, unsigned d, unsigned a)
{
    const struct hg_x86_row *row = row_of(insn);
    if (row->form == HG_X86_FORM_RM && hg_x86_is_wide(x, insn, row)) {
        hg_x86_encode_wide(x, insn, row, d, 0, a);
        return;
    }
    bool swap = row->form == HG_X86_FORM_MR;
    encode_one_of(x, insn, IS(RM) | IS(MR),
                  (struct hg_x86_fields){.reg = swap ? a : d, .rm = swap ? d : a});
}

void hg_x86_rm(struct hg_x86 *x, uint32_t insn, unsigned d, struct hg_x86_mem m)
{
    const struct hg_x86_row *row = row_of(insn);
    if (row->form == HG_X86_FORM_RM && hg_x86_is_wide(x, insn, row)) {
        hg_x86_encode_wide_memory(x, insn, row, d, 0, m);
        return;
    }
    encode_one_of(
        x, insn, IS(RM) | IS(GATHER),
        (struct hg_x86_fields){
            .reg = d, .mem = m, .is_mem = true, .is_vsib = row->form == HG_X86_FORM_GATHER});
}

void hg_x86_mr(struct hg_x86 *x, uint32_t insn, struct hg_x86_mem m, unsigned a)
{
    const struct hg_x86_row *row = row_of(insn);
    if (row->form == HG_X86_FORM_MR && hg_x86_is_wide(x, insn, row)) {
        hg_x86_encode_wide_memory(x, insn, row, a, 0, m);
        return;
    }
    encode_one_of(
        x, insn, IS(MR) | IS(SCATTER),
        (struct hg_x86_fields){
            .reg = a, .mem = m, .is_mem = true, .is_vsib = row->form == HG_X86_FORM_SCATTER});
}

void hg_x86_rri(struct hg_x86 *x, uint32_t insn, unsigned d, unsigned a, int32_t i)
{
    const struct hg_x86_row *row = row_of(insn);
    struct hg_x86_fields f = {.reg = d, .rm = a, .imm = i, .imm_bytes = 1};
    switch ((enum hg_x86_form)row->form) {
    case HG_X86_FORM_RMI:
        break;
    case HG_X86_FORM_MRI:
        f.reg = a;
        f.rm = d;
        break;
    case HG_X86_FORM_VMI:
        f.reg = row->digit;
        f.vvvv = d;
        break;
    case HG_X86_FORM_RMI_SHORT:
        encode_sized(x, insn, f);
        return;
    default:
        hg_x86_wrong(x);
        return;
    }
    hg_x86_encode(x, insn, row, &f, 0);
}

void hg_x86_rmi(struct hg_x86 *x, uint32_t insn, unsigned d, struct hg_x86_mem m, int32_t i)
{
    const struct hg_x86_row *row = row_of(insn);
    struct hg_x86_fields f = {.reg = d, .mem = m, .is_mem = true, .imm = i, .imm_bytes = 1};
    if (row->form == HG_X86_FORM_RMI_SHORT) {
        encode_sized(x, insn, f);
        return;
    }
    if (row->form == HG_X86_FORM_VMI) {
        f.reg = row->digit;
        f.vvvv = d;
    }
    encode_one_of(x, insn, IS(RMI) | IS(VMI), f);
}

void hg_x86_mri(struct hg_x86 *x, uint32_t insn, struct hg_x86_mem m, unsigned a, int32_t i)
{
    encode_one_of(
        x, insn, IS(MRI),
        (struct hg_x86_fields){.reg = a, .mem = m, .is_mem = true, .imm = i, .imm_bytes = 1});
}

void hg_x86_rrr(struct hg_x86 *x, uint32_t insn, unsigned d, unsigned a, unsigned b)
{
    const struct hg_x86_row *row = row_of(insn);
    if (row->form == HG_X86_FORM_RVM && hg_x86_is_wide(x, insn, row)) {
        hg_x86_encode_wide(x, insn, row, d, a, b);
        return;
    }
    bool swap = row->form == HG_X86_FORM_RMV;
    encode_one_of(x, insn, IS(RVM) | IS(RMV),
                  (struct hg_x86_fields){.reg = d, .vvvv = swap ? b : a, .rm = swap ? a : b});
}

void hg_x86_rrm(struct hg_x86 *x, uint32_t insn, unsigned d, unsigned a, struct hg_x86_mem m)
{
    const struct hg_x86_row *row = row_of(insn);
    if (row->form == HG_X86_FORM_RVM && hg_x86_is_wide(x, insn, row)) {
        hg_x86_encode_wide_memory(x, insn, row, d, a, m);
        return;
    }
    encode_one_of(x, insn, IS(RVM),
                  (struct hg_x86_fields){.reg = d, .vvvv = a, .mem = m, .is_mem = true});
}

void hg_x86_rmr(struct hg_x86 *x, uint32_t insn, unsigned d, struct hg_x86_mem m, unsigned b)
{
    encode_one_of(x, insn, IS(RMV) | IS(GATHER_V),
                  (struct hg_x86_fields){.reg = d,
                                         .vvvv = b,
                                         .mem = m,
                                         .is_mem = true,
                                         .is_vsib = row_of(insn)->form == HG_X86_FORM_GATHER_V});
}

void hg_x86_mrr(struct hg_x86 *x, uint32_t insn, struct hg_x86_mem m, unsigned a, unsigned b)
{
    encode_one_of(x, insn, IS(MVR),
                  (struct hg_x86_fields){.reg = b, .vvvv = a, .mem = m, .is_mem = true});
}

void hg_x86_rrri(struct hg_x86 *x, uint32_t insn, unsigned d, unsigned a, unsigned b, int32_t i)
{
    encode_one_of(x, insn, IS(RVMI),
                  (struct hg_x86_fields){.reg = d, .vvvv = a, .rm = b, .imm = i, .imm_bytes = 1});
}

void hg_x86_rrmi(struct hg_x86 *x, uint32_t insn, unsigned d, unsigned a, struct hg_x86_mem m,
                 int32_t i)
{
    encode_one_of(x, insn, IS(RVMI),
                  (struct hg_x86_fields){
                      .reg = d, .vvvv = a, .mem = m, .is_mem = true, .imm = i, .imm_bytes = 1});
}

void hg_x86_rrrr(struct hg_x86 *x, uint32_t insn, unsigned d, unsigned a, unsigned b, unsigned c)
{
    encode_one_of(x, insn, IS(RVMR),
                  (struct hg_x86_fields){
                      .reg = d, .vvvv = a, .rm = b, .imm = (int32_t)(c << 4), .imm_bytes = 1});
}

void hg_x86_rrmr(struct hg_x86 *x, uint32_t insn, unsigned d, unsigned a, struct hg_x86_mem m,
                 unsigned c)
{
    encode_one_of(x, insn, IS(RVMR),
                  (struct hg_x86_fields){.reg = d,
                                         .vvvv = a,
                                         .mem = m,
                                         .is_mem = true,
                                         .imm = (int32_t)(c << 4),
                                         .imm_bytes = 1});
}

void hg_x86_load(struct hg_x86 *x, unsigned r, uint64_t value)
{
    if (!hg_x86_has_room(x)) {
        return;
    }
    uint8_t *p = x->at;
    if (value <= UINT32_MAX) { /* mov r32, imm32: zero-extended */
        if (r >= 8) {
            *p++ = 0x41;
        }
        *p++ = (uint8_t)(0xb8 | (r & 7));
        x->at = hg_x86_put32(p, (uint32_t)value);
    } else if ((int64_t)value == (int32_t)value) {
        hg_x86_ri(x, HG_X86_MOV_I | HG_X86_W64, r, (int32_t)value);
    } else { /* mov r64, imm64 */
        *p++ = (uint8_t)(0x48 | r >> 3);
        *p++ = (uint8_t)(0xb8 | (r & 7));
        memcpy(p, &value, sizeof(value));
        x->at = p + sizeof(value);
    }
}
