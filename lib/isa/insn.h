/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One instruction: the wide form that verification and executors work on, and its packed form of
 * 64-bit words in which programs are kept. isa.def holds one row per instruction.
 *
 * Packed form, little-endian fields of word 0: op:8 type:8 dst:8 a:8 b:8 c:8 x:16. What does not
 * fit (addresses with offsets, immediates, sizes) follows in extension words; README.md has the
 * table. Branch targets are instruction indices.
 */
#ifndef HG_LIB_ISA_INSN_H
#define HG_LIB_ISA_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/status.h"
#include "lib/isa/dtype.h"
#include "lib/isa/limits.h"

enum hg_opcode {
#define HG_INSN(name, text, form, types, flags, summary) HG_OP_##name,
#include "lib/isa/isa.def"
#undef HG_INSN
    HG_OPCODE_COUNT
};

/* Operand layouts; the assembler, disassembler, encoder and verifier are written per form. */
enum hg_insn_form {
    HG_FORM_NONE,       /* ret, bar.sync, memfence */
    HG_FORM_EXIT,       /* exit[.pK] */
    HG_FORM_LOAD,       /* ty dst, addr */
    HG_FORM_STORE,      /* ty addr, a */
    HG_FORM_MOV,        /* ty dst, a (also one-source arithmetic) */
    HG_FORM_IMM,        /* ty dst, immediate */
    HG_FORM_PARAM,      /* ty dst, k */
    HG_FORM_CVT,        /* ty.type2 dst, a */
    HG_FORM_BINARY,     /* ty dst, a, b */
    HG_FORM_SHIFT,      /* ty dst, a, b with b U32 */
    HG_FORM_TERNARY,    /* ty dst, a, b, c */
    HG_FORM_SETCC,      /* cond.ty pred, a, b */
    HG_FORM_SEL,        /* ty dst, pred, a, b */
    HG_FORM_BRANCH,     /* [.pK] @target */
    HG_FORM_CALL,       /* @target */
    HG_FORM_LOOP,       /* a, @end */
    HG_FORM_LOOP_BLOCKS, /* @end */
    HG_FORM_REDUCE,     /* ty dst, a */
    HG_FORM_REDUCE_REGS, /* ty dst, a, count */
    HG_FORM_MMA,
    HG_FORM_POOL_ALLOC, /* dst:U64, a:U64 */
    HG_FORM_POOL_FREE,  /* a:U64 */
    HG_FORM_POOL_LOAD,  /* ty dst, a (handle), b (offset U64) */
    HG_FORM_POOL_STORE, /* ty a (handle), b (offset U64), c (value) */
    HG_FORM_CLASS       /* the class arithmetic; operand types per instruction */
};

/* Flags of an isa.def row. */
#define HG_INSN_SEGMENT_END 1u /* cross-lane: ends its segment */
#define HG_INSN_UNIFORM     2u /* needs launch-uniform operands and runs once per block */
#define HG_INSN_CONTROL     4u

enum hg_cond {
    HG_COND_EQ,
    HG_COND_NE,
    HG_COND_LT,
    HG_COND_LE,
    HG_COND_GT,
    HG_COND_GE,
    HG_COND_LTU,
    HG_COND_LEU,
    HG_COND_GTU,
    HG_COND_GEU,
    HG_COND_COUNT
};

enum hg_addr_mode {
    HG_ADDR_BUFFER,   /* [bS + off + lane] or, with slot == HG_SLOT_HANDLE, [buf42 + off + lane] */
    HG_ADDR_PHI,      /* [Φ(class, page, byte) + lane] */
    HG_ADDR_INDIRECT, /* [bS: rN + disp]: offset register only, no lane term */
    HG_ADDR_COMPUTED, /* [bS + rN + lane] */
    HG_ADDR_SCRATCH   /* [s + off + lane]: LDS and STS */
};

enum hg_lane_mode {
    HG_LANE_NONE,   /* the same location for every lane */
    HG_LANE_STRIDE, /* lane * factor; factor 1 is plain `lane` */
    HG_LANE_MOD,    /* lane % m: row broadcast; factor = m, 0 = the launch's cols */
    HG_LANE_DIV,    /* lane / m: column broadcast */
    HG_LANE_ROW     /* one element per row */
};

#define HG_SLOT_HANDLE 255
#define HG_PRED_NONE   255

struct hg_addr {
    uint8_t mode;    /* enum hg_addr_mode */
    uint8_t slot;    /* operand slot, or HG_SLOT_HANDLE */
    uint8_t lane;    /* enum hg_lane_mode */
    uint8_t reg;     /* offset register (U64, bytes) of INDIRECT and COMPUTED */
    uint32_t factor; /* of the lane term, in elements */
    int64_t offset;  /* bytes; of PHI: class * 12288 + page * 256 + byte */
    uint64_t handle; /* when slot == HG_SLOT_HANDLE */
};

#define HG_MMA_TRANS_A   1u
#define HG_MMA_TRANS_B   2u
#define HG_MMA_ORDER_DOT 4u /* the summation order of matvec; iff n = 1 */
#define HG_MMA_PARAMS    8u /* m, n, k, lda, ldb are parameter indices, not immediates */

struct hg_mma {
    struct hg_addr a; /* BUFFER or PHI without lane term */
    struct hg_addr b;
    uint32_t m, n, k, lda, ldb; /* sizes, or indices of launch parameters; elements */
    uint8_t flags;
};

struct hg_insn {
    uint8_t op;     /* enum hg_opcode */
    uint8_t type;   /* enum hg_dtype; destination type of CVT */
    uint8_t type2;  /* source type of CVT */
    uint8_t cond;   /* enum hg_cond of SETcc */
    uint8_t dst;    /* register, or predicate of SETcc and UNITY.TEST */
    uint8_t a, b, c; /* source registers; of the value stored by STORE: a */
    uint8_t pred;   /* of SEL, BRA, EXIT; HG_PRED_NONE if unconditional */
    uint16_t count; /* REDUCE.REGS: registers; PARAM: k */
    uint32_t target; /* BRA, CALL: target; LOOP, LOOP.BLOCKS: index after the last of the body */
    union {
        struct hg_addr addr;
        uint64_t imm; /* bit pattern in the low bits of the type */
        struct hg_mma mma;
    } u;
};

struct hg_insn_info {
    const char *name; /* enum name: "ADD" */
    const char *text; /* assembler mnemonic without types: "add", "reduce.add" */
    enum hg_insn_form form;
    uint32_t types; /* set of enum hg_dtype that `type` may take; 0 = the instruction has no type */
    uint32_t flags;
    const char *summary;
};

/* OPCODE < HG_OPCODE_COUNT. */
const struct hg_insn_info *hg_insn_info(enum hg_opcode opcode);

/* Words that INSN takes when packed, at most HG_INSN_WORDS_MAX. */
#define HG_INSN_WORDS_MAX 10
uint32_t hg_insn_pack(const struct hg_insn *insn, uint64_t words[HG_INSN_WORDS_MAX]);
/* Reads one instruction at *POSITION of COUNT words and advances; refuses words that no instruction
 * packs to (unknown opcode or type, bits set where none may be, truncated). */
HG_MUST_CHECK enum hg_status hg_insn_unpack(const uint64_t *words, uint32_t count,
                                            uint32_t *position, struct hg_insn *insn);

#endif
