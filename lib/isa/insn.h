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
    HG_FORM_NONE,        /* ret, bar.sync, memfence */
    HG_FORM_EXIT,        /* exit[.pK] */
    HG_FORM_LOAD,        /* ty dst, addr */
    HG_FORM_STORE,       /* ty addr, a */
    HG_FORM_MOV,         /* ty dst, a (also one-source arithmetic) */
    HG_FORM_IMM,         /* ty dst, immediate */
    HG_FORM_PARAM,       /* ty dst, k */
    HG_FORM_CVT,         /* ty.type2 dst, a */
    HG_FORM_BINARY,      /* ty dst, a, b */
    HG_FORM_SHIFT,       /* ty dst, a, b with b U32 */
    HG_FORM_TERNARY,     /* ty dst, a, b, c */
    HG_FORM_SETCC,       /* cond.ty pred, a, b */
    HG_FORM_SEL,         /* ty dst, pred, a, b */
    HG_FORM_BRANCH,      /* [.pK] @target */
    HG_FORM_CALL,        /* @target */
    HG_FORM_LOOP,        /* a, @end */
    HG_FORM_LOOP_BLOCKS, /* @end */
    HG_FORM_REDUCE,      /* ty dst, a */
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
#define HG_INSN_BLOCK       8u /* works on the block's own state: an error in a segment of MMA */

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

/* Fields that a mode does not use are ignored, and zero after unpacking and assembling. */
struct hg_addr {
    uint8_t mode;    /* enum hg_addr_mode */
    uint8_t slot;    /* operand slot, or HG_SLOT_HANDLE */
    uint8_t lane;    /* enum hg_lane_mode */
    uint8_t reg;     /* offset register (U64, bytes) of INDIRECT and COMPUTED */
    uint32_t factor; /* of the lane term: STRIDE k >= 1; MOD, DIV m, 0 = the launch's cols */
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

/* As with addresses, fields that an instruction's form does not use are ignored. */
struct hg_insn {
    uint8_t op;      /* enum hg_opcode */
    uint8_t type;    /* enum hg_dtype; destination type of CVT */
    uint8_t type2;   /* source type of CVT */
    uint8_t cond;    /* enum hg_cond of SETcc */
    uint8_t dst;     /* register, or predicate of SETcc and UNITY.TEST */
    uint8_t a, b, c; /* source registers; of the value stored by STORE: a */
    uint8_t pred;    /* of SEL, BRA, EXIT; HG_PRED_NONE if unconditional */
    uint16_t count;  /* REDUCE.REGS: registers; PARAM: k */
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

/*
 * Which operands an instruction has, in the order in which text writes them, one letter each:
 * d destination register, q destination predicate, a b c source registers, p source predicate,
 * m address, i immediate, k count (PARAM, REDUCE.REGS), t target, x the operands of MMA. The
 * predicate of BRA and EXIT is a suffix of the mnemonic and not listed. OPCODE < HG_OPCODE_COUNT.
 */
const char *hg_insn_syntax(enum hg_opcode opcode);

/* A register as an instruction uses it: its number and the type it is used as. */
struct hg_reg_use {
    uint8_t reg;
    uint8_t type; /* enum hg_dtype */
};

/* What an instruction reads and writes. */
struct hg_insn_uses {
    struct hg_reg_use reads[4]; /* values in the order a, b, c; an address's offset register last */
    uint8_t read_count;
    uint16_t run; /* registers that reads[0] stands for: 1, or the count of REDUCE.REGS */
    bool writes;
    struct hg_reg_use write;
    uint8_t pred_read;  /* or HG_PRED_NONE */
    uint8_t pred_write; /* or HG_PRED_NONE */
};

/* INSN has a valid opcode and valid types. */
void hg_insn_uses(const struct hg_insn *insn, struct hg_insn_uses *uses);

/* Whether the instruction has an address in u.addr, and one whose offset register is read. */
static inline bool hg_insn_has_addr(const struct hg_insn *insn)
{
    return insn->op <= HG_OP_STS; /* LDG, STG, LDS, STS open the table */
}

static inline bool hg_addr_computed(const struct hg_addr *addr)
{
    return addr->mode == HG_ADDR_INDIRECT || addr->mode == HG_ADDR_COMPUTED;
}

/* Φ(class, page, byte) as a byte offset in the boundary pool; false if one is out of range. */
HG_MUST_CHECK bool hg_phi_offset(uint64_t class_index, uint64_t page, uint64_t byte,
                                 int64_t *offset);
/* Page and byte of an offset inside a class; false if the class ends before it. */
HG_MUST_CHECK bool hg_phi_page(uint64_t class_offset, uint32_t *page, uint32_t *byte);

/*
 * Packs INSN and gives the number of words, at most HG_INSN_WORDS_MAX. The form is canonical:
 * packing what hg_insn_unpack read gives the same words. An immediate is cut to its type. Gives 0
 * for what no word can express: an unknown opcode or type, a field beyond its width.
 */
#define HG_INSN_WORDS_MAX 10
uint32_t hg_insn_pack(const struct hg_insn *insn, uint64_t words[HG_INSN_WORDS_MAX]);
/*
 * Reads one instruction at *POSITION of COUNT words and advances. Errors, with INSN and POSITION
 * untouched: HG_INVALID_ARGUMENT for words that no instruction packs to (unknown opcode or type,
 * bits set where none may be, not canonical, truncated).
 */
HG_MUST_CHECK enum hg_status hg_insn_unpack(const uint64_t *words, uint32_t count,
                                            uint32_t *position, struct hg_insn *insn);

#endif
