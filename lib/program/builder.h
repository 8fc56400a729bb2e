/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes programs: a bounded list of instructions with labels-by-index and shorthands for what
 * operations need. An overflow is remembered and reported once, by hg_builder_finish.
 *
 *     struct hg_builder builder;
 *     hg_builder_init(&builder, 3);
 *     uint8_t a = hg_build_load(&builder, HG_F32, hg_addr_slot(0, HG_LANE_STRIDE));
 *     …
 *     hg_builder_finish(&builder, &key, &program, error);
 *
 * Threads: one thread at a time; lives on the stack, allocates nothing until finish.
 */
#ifndef HG_LIB_PROGRAM_BUILDER_H
#define HG_LIB_PROGRAM_BUILDER_H

#include "lib/program/program.h"

#define HG_BUILDER_INSNS 128 /* programs of operations are 4 to 30 instructions */

struct hg_builder {
    struct hg_insn insns[HG_BUILDER_INSNS];
    uint32_t count;
    uint8_t slot_count;
    uint8_t next_register;
    uint8_t next_predicate;
    bool overflowed;
    uint32_t loop_start; /* index of an open LOOP.BLOCKS, UINT32_MAX if none */
};

void hg_builder_init(struct hg_builder *builder, uint8_t slot_count);
/* The same with as many slots as a program of KEY declares: its operands, or none when their
 * addresses are baked as handles or Φ classes. */
void hg_builder_init_for(struct hg_builder *builder, const struct hg_key *key);
/* Verifies and packs. Errors: as hg_program_create; HG_INTERNAL if the builder overflowed (of
 * instructions, registers or predicates). */
HG_MUST_CHECK enum hg_status hg_builder_finish(const struct hg_builder *builder,
                                               const struct hg_key *key,
                                               struct hg_program **program, struct hg_error *error);

/* Addresses. */
struct hg_addr hg_addr_slot(uint8_t slot, enum hg_lane_mode lane);
struct hg_addr hg_addr_phi(uint64_t boundary_offset, enum hg_lane_mode lane);
struct hg_addr hg_addr_handle(uint64_t handle, enum hg_lane_mode lane);
/* The address of operand INDEX as KEY says: slot, Φ or baked handle by its form and policy, the
 * lane term by its mode. */
struct hg_addr hg_addr_operand(const struct hg_key *key, unsigned index);

/* Each appends one instruction; those with a result give the fresh register (or predicate). */
void hg_build(struct hg_builder *builder, const struct hg_insn *insn);
uint8_t hg_build_load(struct hg_builder *builder, enum hg_dtype type, struct hg_addr addr);
void hg_build_store(struct hg_builder *builder, enum hg_dtype type, struct hg_addr addr, uint8_t a);
uint8_t hg_build_imm(struct hg_builder *builder, enum hg_dtype type, uint64_t bits);
/* TYPE is F32 or F64, the types that constants of operations have. */
uint8_t hg_build_imm_f64(struct hg_builder *builder, enum hg_dtype type, double value);
uint8_t hg_build_param(struct hg_builder *builder, enum hg_dtype type, unsigned index);
uint8_t hg_build_unary(struct hg_builder *builder, enum hg_opcode op, enum hg_dtype type,
                       uint8_t a);
uint8_t hg_build_binary(struct hg_builder *builder, enum hg_opcode op, enum hg_dtype type,
                        uint8_t a, uint8_t b);
uint8_t hg_build_ternary(struct hg_builder *builder, enum hg_opcode op, enum hg_dtype type,
                         uint8_t a, uint8_t b, uint8_t c);
/* A itself when TO is FROM. */
uint8_t hg_build_convert(struct hg_builder *builder, enum hg_dtype to, enum hg_dtype from,
                         uint8_t a);
uint8_t hg_build_compare(struct hg_builder *builder, enum hg_cond cond, enum hg_dtype type,
                         uint8_t a, uint8_t b);
uint8_t hg_build_select(struct hg_builder *builder, enum hg_dtype type, uint8_t predicate,
                        uint8_t if_true, uint8_t if_false);
uint8_t hg_build_reduce(struct hg_builder *builder, enum hg_opcode op, enum hg_dtype type,
                        uint8_t a);
uint8_t hg_build_mma(struct hg_builder *builder, enum hg_dtype type, const struct hg_mma *mma);
void hg_build_barrier(struct hg_builder *builder);
void hg_build_exit(struct hg_builder *builder);
/* Opens a LOOP.BLOCKS body if KEY's form is a LOOP form, else nothing; and closes it. */
void hg_build_blocks_begin(struct hg_builder *builder, const struct hg_key *key);
void hg_build_blocks_end(struct hg_builder *builder);

#endif
