/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the assembler and disassembler (private to lib/isa): tokens, constants as text, operands.
 *
 * Threads: values.
 */
#ifndef HG_LIB_ISA_ASM_H
#define HG_LIB_ISA_ASM_H

#include "lib/isa/code.h"

enum hg_token_kind {
    HG_TOKEN_END,
    HG_TOKEN_LINE,      /* end of a line */
    HG_TOKEN_WORD,      /* mnemonic, register, label: letters, digits, `_` and `.` */
    HG_TOKEN_NUMBER,    /* from a digit on; sign apart */
    HG_TOKEN_TARGET,    /* @label, without the @ */
    HG_TOKEN_DIRECTIVE, /* .word, with the point */
    HG_TOKEN_PHI,       /* Φ */
    HG_TOKEN_MARK,      /* one of , : [ ] ( ) + - * / % = */
    HG_TOKEN_INVALID
};

struct hg_token {
    enum hg_token_kind kind;
    const char *start;
    uint32_t length;
};

struct hg_label {
    const char *name;
    const char *first_use; /* NULL: not used */
    uint32_t length;
    uint32_t index; /* of the instruction, UINT32_MAX: not defined yet */
};

#define HG_LABELS_MAX       HG_PROGRAM_INSNS_MAX
#define HG_LABEL_TABLE_SIZE (2 * HG_LABELS_MAX) /* a power of two */

struct hg_labels {
    uint32_t count;
    uint16_t table[HG_LABEL_TABLE_SIZE]; /* open addressing; 1 + index in labels, 0: free */
    struct hg_label labels[HG_LABELS_MAX];
};

struct hg_assembler {
    const char *text;
    const char *end;
    const char *next;      /* behind the current token */
    struct hg_token token; /* the current one */
    struct hg_error *error;
    struct hg_insn *insns;
    uint32_t count;
    uint32_t capacity;
    struct hg_labels *labels; /* NULL until one occurs */
    struct hg_code_header header;
    bool slots_declared;
    bool scratch_declared;
};

/* Makes the next token the current one. */
void hg_asm_advance(struct hg_assembler *assembler);
bool hg_asm_is_mark(const struct hg_assembler *assembler, char mark);
bool hg_asm_is_word(const struct hg_assembler *assembler, const char *word);
/* Takes the mark or fails with "expected 'MARK', not …". */
HG_MUST_CHECK enum hg_status hg_asm_expect(struct hg_assembler *assembler, char mark);
/* Takes the mark if it is next. */
bool hg_asm_accept(struct hg_assembler *assembler, char mark);
/* Fails with "line L, column C: …" at AT, a place in the text. */
HG_MUST_CHECK enum hg_status hg_asm_fail(struct hg_assembler *assembler, const char *at,
                                         const char *format, ...) HG_PRINTF(3, 4);
/* Fails with "expected EXPECTED, not TOKEN". */
HG_MUST_CHECK enum hg_status hg_asm_unexpected(struct hg_assembler *assembler,
                                               const char *expected);

/* Takes a non-negative integer of at most MAX; WHAT names it in the error. */
HG_MUST_CHECK enum hg_status hg_asm_integer(struct hg_assembler *assembler, const char *what,
                                            uint64_t max, uint64_t *value);
/* PREFIX and a number as one word (r7, p3, b0) of LENGTH bytes: true and the number. */
bool hg_asm_numbered(const char *word, uint32_t length, const char *prefix, uint64_t *number);
/* Takes the operands of INSN, whose opcode, types and predicate suffix are set. */
HG_MUST_CHECK enum hg_status hg_asm_operands(struct hg_assembler *assembler, struct hg_insn *insn);
HG_MUST_CHECK enum hg_status hg_asm_register(struct hg_assembler *assembler, uint8_t *reg);
HG_MUST_CHECK enum hg_status hg_asm_addr(struct hg_assembler *assembler, struct hg_addr *addr);
HG_MUST_CHECK enum hg_status hg_asm_mma(struct hg_assembler *assembler, struct hg_insn *insn);
/* The label of LENGTH bytes at NAME, made if need be; fails when there are too many or no memory.
 */
HG_MUST_CHECK enum hg_status hg_asm_label(struct hg_assembler *assembler, const char *name,
                                          uint32_t length, uint32_t *label);

/* Constants. Parsing takes decimal, 0x…, and for floats decimal or hex fractions, inf, nan; a hex
 * integer for a float is its bit pattern. Integers are cut to the type. False: not a constant of
 * the type, or a finite one that the type cannot hold. */
bool hg_imm_parse(enum hg_dtype type, bool negative, const char *text, uint32_t length,
                  uint64_t *bits);
bool hg_integer_parse(const char *text, uint32_t length, uint64_t *value);
#define HG_IMM_TEXT_BYTES 32
/* Writes what hg_imm_parse reads as BITS, NUL-terminated, as short as may be. */
void hg_imm_print(enum hg_dtype type, uint64_t bits, char text[HG_IMM_TEXT_BYTES]);

/* "eq", "ltu" and so on; static. */
const char *hg_cond_name(enum hg_cond cond);

#endif
