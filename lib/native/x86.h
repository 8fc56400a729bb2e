/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An x86-64 encoder: one call appends one instruction to a bounded buffer. What an instruction is
 * stands in x86.def; here are the ways to pass its operands, always in Intel's order (destination
 * first), and named after them: r a register, m memory, i an immediate.
 *
 *     hg_x86_rrr(x, HG_X86_VADDPS | HG_X86_512, 0, 1, 2);                  vaddps zmm0, zmm1, zmm2
 *     hg_x86_rrm(x, HG_X86_VMULPS | HG_X86_512 | HG_X86_BROADCAST, 0, 1, hg_x86_at(HG_X86_RSI, 8));
 *     hg_x86_mr(x, HG_X86_VMOVUPS_M | HG_X86_512 | HG_X86_K(1), hg_x86_at(HG_X86_RDI, 64), 0);
 *     hg_x86_ri(x, HG_X86_SUB_I | HG_X86_W64, HG_X86_RCX, 64);                        sub rcx, 64
 *
 * VEX is taken where it can say the instruction and EVEX where it must; neither is taken unless
 * the features given at the start have it. Registers are numbers: general ones 0 to 15, vectors 0
 * to 31 (16 and up only with AVX-512), masks 0 to 7 (0 as a write mask means none).
 *
 * Errors: nothing is written past the buffer's end, nor after one that did not fit; what cannot be
 * encoded (no such form, a feature that is missing) is left out. Both are remembered, and told
 * once, by hg_x86_fini. An instruction is written only where HG_X86_BYTES_MAX bytes are free.
 *
 * Calling convention of generated code (System V): arguments in rdi, rsi, rdx, rcx, r8, r9; rbx,
 * rbp, r12 to r15 are the caller's; all vector and mask registers are free. A function that wrote
 * bits above 127 of registers 0 to 15 ends with vzeroupper.
 *
 * Threads: an encoder belongs to one.
 */
#ifndef HG_LIB_NATIVE_X86_H
#define HG_LIB_NATIVE_X86_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/status.h"

/* An instruction is its row, or-ed with the modifiers below. */
enum hg_x86_op {
#define HG_X86_ROW(name, ...) HG_X86_##name,
#include "lib/native/x86.def"
#undef HG_X86_ROW
    HG_X86_OP_COUNT
};
_Static_assert(HG_X86_OP_COUNT <= 1024, "ten bits");

/* Vector length; 128 bits, and scalars, are 0. */
#define HG_X86_128 0u
#define HG_X86_256 (1u << 10)
#define HG_X86_512 (2u << 10)
/* General registers of 64 bits; else 32, whose results are zero-extended. */
#define HG_X86_W64 (1u << 12)
/* Only the lanes of mask register K (1 to 7) are written; the others keep their value … */
#define HG_X86_K(k) ((uint32_t)(k) << 13)
/* … or become zero. */
#define HG_X86_ZERO (1u << 16)
/* The memory operand is one element, for all lanes. */
#define HG_X86_BROADCAST (1u << 17)
/* Register forms of 512 bits and scalars: exceptions suppressed; and with its own rounding. */
#define HG_X86_SAE          (1u << 18)
#define HG_X86_ROUND(mode)  (1u << 19 | (uint32_t)(mode) << 20) /* enum hg_x86_rounding */
#define HG_X86_FORCE_EVEX   (1u << 22)                          /* even where VEX is shorter */
#define HG_X86_LENGTH(bits) ((uint32_t)(bits) / 256u << 10)     /* 128, 256 or 512 */

enum hg_x86_rounding { HG_X86_NEAREST, HG_X86_DOWN, HG_X86_UP, HG_X86_TRUNCATE };

enum hg_x86_gpr {
    HG_X86_RAX,
    HG_X86_RCX,
    HG_X86_RDX,
    HG_X86_RBX,
    HG_X86_RSP,
    HG_X86_RBP,
    HG_X86_RSI,
    HG_X86_RDI,
    HG_X86_R8,
    HG_X86_R9,
    HG_X86_R10,
    HG_X86_R11,
    HG_X86_R12,
    HG_X86_R13,
    HG_X86_R14,
    HG_X86_R15,
    HG_X86_NO_REGISTER = 0x80, /* of a memory operand: no base, no index */
    HG_X86_RIP = 0x81          /* as base: see hg_x86_code */
};

enum hg_x86_cc {
    HG_X86_CC_O,
    HG_X86_CC_NO,
    HG_X86_CC_B,
    HG_X86_CC_AE,
    HG_X86_CC_E,
    HG_X86_CC_NE,
    HG_X86_CC_BE,
    HG_X86_CC_A,
    HG_X86_CC_S,
    HG_X86_CC_NS,
    HG_X86_CC_P,
    HG_X86_CC_NP,
    HG_X86_CC_L,
    HG_X86_CC_GE,
    HG_X86_CC_LE,
    HG_X86_CC_G
};

enum hg_x86_feature {
    HG_X86_FEATURE_NO, /* nobody has it */
    HG_X86_FEATURE_BASE,
    HG_X86_FEATURE_BMI, /* BMI1 and BMI2 */
    HG_X86_FEATURE_AVX,
    HG_X86_FEATURE_AVX2,
    HG_X86_FEATURE_FMA,
    HG_X86_FEATURE_F16C,
    HG_X86_FEATURE_F, /* AVX-512 with VL from here on */
    HG_X86_FEATURE_BW,
    HG_X86_FEATURE_DQ,
    HG_X86_FEATURE_CD,
    HG_X86_FEATURE_BF16
};
#define HG_X86_HAS(feature) (1u << HG_X86_FEATURE_##feature)
/* What enum hg_isa_level promises. */
#define HG_X86_AVX2_FEATURES                                                                       \
    (HG_X86_HAS(BASE) | HG_X86_HAS(BMI) | HG_X86_HAS(AVX) | HG_X86_HAS(AVX2) | HG_X86_HAS(FMA) |   \
     HG_X86_HAS(F16C))
#define HG_X86_AVX512_FEATURES                                                                     \
    (HG_X86_AVX2_FEATURES | HG_X86_HAS(F) | HG_X86_HAS(BW) | HG_X86_HAS(DQ) | HG_X86_HAS(CD))

/* The longest that an instruction can be. */
#define HG_X86_BYTES_MAX 15

struct hg_x86 {
    uint8_t *at;  /* where the next instruction goes */
    uint8_t *end; /* one past the last byte */
    uint8_t *start;
    uint32_t features; /* HG_X86_HAS(…) of what may be emitted */
    bool is_full;      /* something did not fit */
    bool is_wrong;     /* something could not be encoded: our bug */
};

/* [base + index * 2^scale + disp]. An index of a gather or scatter is a vector register. */
struct hg_x86_mem {
    int32_t disp;
    uint8_t base;  /* enum hg_x86_gpr */
    uint8_t index; /* a register, or HG_X86_NO_REGISTER; not RSP */
    uint8_t scale; /* 0 to 3 */
};

static inline struct hg_x86_mem hg_x86_at(unsigned base, int32_t disp)
{
    return (struct hg_x86_mem){disp, (uint8_t)base, HG_X86_NO_REGISTER, 0};
}

static inline struct hg_x86_mem hg_x86_indexed(unsigned base, unsigned index, unsigned scale,
                                               int32_t disp)
{
    return (struct hg_x86_mem){disp, (uint8_t)base, (uint8_t)index, (uint8_t)scale};
}

/* What lies OFFSET bytes from the start of this buffer, wherever the code will run. */
static inline struct hg_x86_mem hg_x86_code(uint32_t offset)
{
    return (struct hg_x86_mem){(int32_t)offset, HG_X86_RIP, HG_X86_NO_REGISTER, 0};
}

void hg_x86_init(struct hg_x86 *x, void *buffer, size_t size, uint32_t features);
/* Bytes written; or HG_RESOURCE_EXHAUSTED if they did not all fit, HG_INTERNAL if something could
 * not be encoded. */
HG_MUST_CHECK enum hg_status hg_x86_fini(const struct hg_x86 *x, size_t *size);

/* Instructions by their operands. INSN is an enum hg_x86_op with modifiers. */
void hg_x86_0(struct hg_x86 *x, uint32_t insn);
void hg_x86_r(struct hg_x86 *x, uint32_t insn, unsigned r);
void hg_x86_m(struct hg_x86 *x, uint32_t insn, struct hg_x86_mem m);
void hg_x86_ri(struct hg_x86 *x, uint32_t insn, unsigned r, int32_t i);
void hg_x86_mi(struct hg_x86 *x, uint32_t insn, struct hg_x86_mem m, int32_t i);
void hg_x86_rr(struct hg_x86 *x, uint32_t insn, unsigned d, unsigned a);
void hg_x86_rm(struct hg_x86 *x, uint32_t insn, unsigned d, struct hg_x86_mem m);
void hg_x86_mr(struct hg_x86 *x, uint32_t insn, struct hg_x86_mem m, unsigned a);
void hg_x86_rri(struct hg_x86 *x, uint32_t insn, unsigned d, unsigned a, int32_t i);
void hg_x86_rmi(struct hg_x86 *x, uint32_t insn, unsigned d, struct hg_x86_mem m, int32_t i);
void hg_x86_mri(struct hg_x86 *x, uint32_t insn, struct hg_x86_mem m, unsigned a, int32_t i);
void hg_x86_rrr(struct hg_x86 *x, uint32_t insn, unsigned d, unsigned a, unsigned b);
void hg_x86_rrm(struct hg_x86 *x, uint32_t insn, unsigned d, unsigned a, struct hg_x86_mem m);
/* bzhi and shifts of a loaded value; gathers with VEX, whose last operand is their mask. */
void hg_x86_rmr(struct hg_x86 *x, uint32_t insn, unsigned d, struct hg_x86_mem m, unsigned b);
/* Masked stores with VEX: the mask, then the value. */
void hg_x86_mrr(struct hg_x86 *x, uint32_t insn, struct hg_x86_mem m, unsigned a, unsigned b);
void hg_x86_rrri(struct hg_x86 *x, uint32_t insn, unsigned d, unsigned a, unsigned b, int32_t i);
void hg_x86_rrmi(struct hg_x86 *x, uint32_t insn, unsigned d, unsigned a, struct hg_x86_mem m,
                 int32_t i);
void hg_x86_rrrr(struct hg_x86 *x, uint32_t insn, unsigned d, unsigned a, unsigned b, unsigned c);
void hg_x86_rrmr(struct hg_x86 *x, uint32_t insn, unsigned d, unsigned a, struct hg_x86_mem m,
                 unsigned c);

/* The shortest way to put VALUE into general register R; flags are left alone. */
void hg_x86_load(struct hg_x86 *x, unsigned r, uint64_t value);

/* Bytes written so far: a place to jump to. */
static inline uint32_t hg_x86_here(const struct hg_x86 *x)
{
    return (uint32_t)(x->at - x->start);
}

/* A jump whose target is not known yet: gives what hg_x86_land, at the target, takes. */
HG_MUST_CHECK uint32_t hg_x86_jump(struct hg_x86 *x);
HG_MUST_CHECK uint32_t hg_x86_jump_if(struct hg_x86 *x, enum hg_x86_cc cc);
void hg_x86_land(struct hg_x86 *x, uint32_t jump);
/* Jumps to a place behind. */
void hg_x86_jump_to(struct hg_x86 *x, uint32_t place);
void hg_x86_jump_if_to(struct hg_x86 *x, enum hg_x86_cc cc, uint32_t place);

/*
 * Data that stands after the code: an instruction whose memory operand is hg_x86_code(0), its last
 * operand bytes, may be told later what it means. hg_x86_reference, right after the instruction,
 * gives what hg_x86_refer takes once OFFSET is known. TRAILING is the size of the instruction's
 * immediate, 0 or 1.
 */
static inline uint32_t hg_x86_reference(const struct hg_x86 *x, uint32_t trailing)
{
    return hg_x86_here(x) << 1 | trailing;
}
void hg_x86_refer(struct hg_x86 *x, uint32_t reference, uint32_t offset);

/* Fills up to a multiple of ALIGNMENT (a power of two, at most 64) with instructions that do
 * nothing; and data. */
void hg_x86_align(struct hg_x86 *x, uint32_t alignment);
void hg_x86_data(struct hg_x86 *x, const void *data, size_t size);

#endif
