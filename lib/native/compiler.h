/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the compilation of a program:
 *
 *     native.c    regions, what passes between them
 *     pack.c      the code object
 *     rows.c      what may differ from row to row
 *     direct.c    whether a launch needs to know no more than a list of accesses
 */
#ifndef HG_LIB_NATIVE_COMPILER_H
#define HG_LIB_NATIVE_COMPILER_H

#include "lib/native/emit.h"

#define HG_COMPILER_INSNS 128   /* of a program */
#define HG_COMPILER_BYTES 32768 /* of its code */

#define HG_EVERY_REGION UINT32_MAX

/* Registers and predicates that may differ from row to row. */
struct hg_rows {
    bool regs[HG_REGISTER_COUNT];
    bool preds[HG_PREDICATE_COUNT];
};

/* What compilation needs; on the caller's stack, and mostly untouched. */
struct hg_compiler {
    const struct hg_program *program;
    enum hg_isa_level level;
    enum hg_fp_mode mode;
    uint32_t insn_count;
    uint32_t region_count;
    uint32_t emitted;
    size_t used; /* of bytes */
    size_t offsets[HG_NATIVE_REGIONS];
    struct {
        uint32_t first, end; /* instructions that compute */
        uint32_t reduces;    /* REDUCE from end on */
        bool blocks;
    } extents[HG_NATIVE_REGIONS];
    struct hg_emit_region regions[HG_NATIVE_REGIONS];
    struct hg_native_access accesses[HG_NATIVE_ACCESSES];
    uint8_t access_count;
    bool has_mma; /* that the code object needs */
    struct hg_native_mma mma;
    uint64_t handles[HG_SLOT_COUNT_MAX];
    uint8_t handle_count;
    struct hg_rows rows; /* where the region at hand starts */
    uint32_t tile_start; /* of the one region that is wanted, as tiles; or HG_EVERY_REGION */
    struct hg_native_tile tile;
    enum hg_native_form form;
    struct hg_insn insns[HG_COMPILER_INSNS];
    struct hg_insn_uses uses[HG_COMPILER_INSNS];
    struct hg_emit emit;
    uint8_t bytes[HG_COMPILER_BYTES];
};

static inline bool hg_insn_reduces(const struct hg_insn *insn)
{
    return insn->op >= HG_OP_REDUCE_ADD && insn->op <= HG_OP_REDUCE_MUL;
}

/* At the start of a program. */
void hg_rows_init(struct hg_rows *rows);
/* Follows ROWS through instructions FIRST .. END-1, exactly: what does not differ must not be said
 * to do so, for it is stored once. */
void hg_rows_follow(struct hg_rows *rows, const struct hg_insn *insns,
                    const struct hg_insn_uses *uses, uint32_t first, uint32_t end);

/* Whether the program can be launched from its accesses alone, which this finds. */
bool hg_compiler_is_direct(struct hg_compiler *compiler);
/* Whether one of those stores an element that all lanes share. */
bool hg_compiler_stores_one(const struct hg_compiler *compiler);

/* Bytes of the code object; and what is known of the regions, put behind CODE's header, whose text
 * is set. */
size_t hg_compiler_code_size(const struct hg_compiler *compiler);
void hg_compiler_pack(const struct hg_compiler *compiler, struct hg_native_code *code);

#endif
