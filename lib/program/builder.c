/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/program/builder.h"

#include "lib/base/check.h"

#define NO_LOOP UINT32_MAX

void hg_builder_init(struct hg_builder *builder, uint8_t slot_count)
{
    builder->count = 0;
    builder->slot_count = slot_count;
    builder->next_register = 0;
    builder->next_predicate = 0;
    builder->overflowed = false;
    builder->loop_start = NO_LOOP;
}

static bool is_phi(const struct hg_key *key)
{
    return key->form == HG_PROGRAM_UNROLLED_PHI || key->form == HG_PROGRAM_LOOP_PHI;
}

static bool is_loop(const struct hg_key *key)
{
    return key->form == HG_PROGRAM_LOOP || key->form == HG_PROGRAM_LOOP_PHI;
}

void hg_builder_init_for(struct hg_builder *builder, const struct hg_key *key)
{
    uint8_t slot_count = 0;
    if (!is_phi(key) && (key->policy & HG_KEY_FULL) == 0) {
        for (unsigned i = 0; i < HG_KEY_OPERANDS; i++) {
            slot_count = (uint8_t)(slot_count + (key->mode[i] != HG_OPERAND_NONE));
        }
    }
    hg_builder_init(builder, slot_count);
}

enum hg_status hg_builder_finish(const struct hg_builder *builder, const struct hg_key *key,
                                 struct hg_program **program, struct hg_error *error)
{
    HG_REQUIRE(builder->loop_start == NO_LOOP);
    if (builder->overflowed) {
        return hg_fail(error, HG_INTERNAL,
                       "program: needs more than the builder's %d instructions, %d registers or %d "
                       "predicates",
                       HG_BUILDER_INSNS, HG_REG_SPECIAL, HG_PREDICATE_COUNT);
    }
    const struct hg_code code = {
        .header = {.slot_count = builder->slot_count, .scratch_bytes = 0},
        .insns = builder->insns,
        .insn_count = builder->count,
    };
    return hg_program_create(&code, key, program, error);
}

/* ---- addresses ------------------------------------------------------------------------------- */

/* Plain `lane` is a stride of one element; MOD and DIV take the launch's cols (factor 0). */
static uint32_t lane_factor(enum hg_lane_mode lane)
{
    return lane == HG_LANE_STRIDE ? 1 : 0;
}

struct hg_addr hg_addr_slot(uint8_t slot, enum hg_lane_mode lane)
{
    return (struct hg_addr){
        .mode = HG_ADDR_BUFFER, .slot = slot, .lane = (uint8_t)lane, .factor = lane_factor(lane)};
}

struct hg_addr hg_addr_phi(uint64_t boundary_offset, enum hg_lane_mode lane)
{
    return (struct hg_addr){.mode = HG_ADDR_PHI,
                            .lane = (uint8_t)lane,
                            .factor = lane_factor(lane),
                            .offset = (int64_t)boundary_offset};
}

struct hg_addr hg_addr_handle(uint64_t handle, enum hg_lane_mode lane)
{
    return (struct hg_addr){.mode = HG_ADDR_BUFFER,
                            .slot = HG_SLOT_HANDLE,
                            .lane = (uint8_t)lane,
                            .factor = lane_factor(lane),
                            .handle = handle};
}

static enum hg_lane_mode lane_mode(enum hg_operand_mode mode)
{
    switch (mode) {
    case HG_OPERAND_LANE:
        return HG_LANE_STRIDE;
    case HG_OPERAND_ROW_BROADCAST:
        return HG_LANE_MOD;
    case HG_OPERAND_COLUMN_BROADCAST:
        return HG_LANE_DIV;
    case HG_OPERAND_PER_ROW:
        return HG_LANE_ROW;
    case HG_OPERAND_NONE:
    case HG_OPERAND_SCALAR:
    case HG_OPERAND_MATRIX:
    case HG_OPERAND_COMPUTED:
        break;
    }
    return HG_LANE_NONE;
}

struct hg_addr hg_addr_operand(const struct hg_key *key, unsigned index)
{
    HG_REQUIRE(index < HG_KEY_OPERANDS);
    enum hg_lane_mode lane = lane_mode((enum hg_operand_mode)key->mode[index]);
    if (is_phi(key)) {
        return hg_addr_phi(key->operand[index], lane);
    }
    if ((key->policy & HG_KEY_FULL) != 0) {
        return hg_addr_handle(key->operand[index], lane);
    }
    return hg_addr_slot((uint8_t)index, lane);
}

/* ---- instructions ---------------------------------------------------------------------------- */

void hg_build(struct hg_builder *builder, const struct hg_insn *insn)
{
    if (builder->count == HG_BUILDER_INSNS) {
        builder->overflowed = true;
        return;
    }
    builder->insns[builder->count++] = *insn;
}

static uint8_t fresh_register(struct hg_builder *builder)
{
    if (builder->next_register == HG_REG_SPECIAL) {
        builder->overflowed = true;
        return 0;
    }
    return builder->next_register++;
}

static uint8_t fresh_predicate(struct hg_builder *builder)
{
    if (builder->next_predicate == HG_PREDICATE_COUNT) {
        builder->overflowed = true;
        return 0;
    }
    return builder->next_predicate++;
}

/* Gives INSN a fresh destination register and appends it. */
static uint8_t build_result(struct hg_builder *builder, struct hg_insn *insn)
{
    insn->dst = fresh_register(builder);
    hg_build(builder, insn);
    return insn->dst;
}

uint8_t hg_build_load(struct hg_builder *builder, enum hg_dtype type, struct hg_addr addr)
{
    struct hg_insn insn = {.op = HG_OP_LDG, .type = (uint8_t)type, .u.addr = addr};
    return build_result(builder, &insn);
}

void hg_build_store(struct hg_builder *builder, enum hg_dtype type, struct hg_addr addr, uint8_t a)
{
    hg_build(builder,
             &(struct hg_insn){.op = HG_OP_STG, .type = (uint8_t)type, .a = a, .u.addr = addr});
}

uint8_t hg_build_imm(struct hg_builder *builder, enum hg_dtype type, uint64_t bits)
{
    struct hg_insn insn = {.op = HG_OP_MOV_IMM, .type = (uint8_t)type, .u.imm = bits};
    return build_result(builder, &insn);
}

uint8_t hg_build_imm_f64(struct hg_builder *builder, enum hg_dtype type, double value)
{
    HG_REQUIRE(type == HG_F32 || type == HG_F64);
    uint64_t bits = 0;
    if (type == HG_F64) {
        memcpy(&bits, &value, sizeof value);
    } else {
        float narrow = (float)value;
        uint32_t narrow_bits;
        memcpy(&narrow_bits, &narrow, sizeof narrow);
        bits = narrow_bits;
    }
    return hg_build_imm(builder, type, bits);
}

uint8_t hg_build_param(struct hg_builder *builder, enum hg_dtype type, unsigned index)
{
    struct hg_insn insn = {.op = HG_OP_PARAM, .type = (uint8_t)type, .count = (uint16_t)index};
    return build_result(builder, &insn);
}

uint8_t hg_build_unary(struct hg_builder *builder, enum hg_opcode op, enum hg_dtype type, uint8_t a)
{
    struct hg_insn insn = {.op = (uint8_t)op, .type = (uint8_t)type, .a = a};
    return build_result(builder, &insn);
}

uint8_t hg_build_binary(struct hg_builder *builder, enum hg_opcode op, enum hg_dtype type,
                        uint8_t a, uint8_t b)
{
    struct hg_insn insn = {.op = (uint8_t)op, .type = (uint8_t)type, .a = a, .b = b};
    return build_result(builder, &insn);
}

uint8_t hg_build_ternary(struct hg_builder *builder, enum hg_opcode op, enum hg_dtype type,
                         uint8_t a, uint8_t b, uint8_t c)
{
    struct hg_insn insn = {.op = (uint8_t)op, .type = (uint8_t)type, .a = a, .b = b, .c = c};
    return build_result(builder, &insn);
}

uint8_t hg_build_convert(struct hg_builder *builder, enum hg_dtype to, enum hg_dtype from,
                         uint8_t a)
{
    if (to == from) {
        return a;
    }
    struct hg_insn insn = {.op = HG_OP_CVT, .type = (uint8_t)to, .type2 = (uint8_t)from, .a = a};
    return build_result(builder, &insn);
}

uint8_t hg_build_compare(struct hg_builder *builder, enum hg_cond cond, enum hg_dtype type,
                         uint8_t a, uint8_t b)
{
    struct hg_insn insn = {.op = HG_OP_SETCC,
                           .type = (uint8_t)type,
                           .cond = (uint8_t)cond,
                           .dst = fresh_predicate(builder),
                           .a = a,
                           .b = b};
    hg_build(builder, &insn);
    return insn.dst;
}

uint8_t hg_build_select(struct hg_builder *builder, enum hg_dtype type, uint8_t predicate,
                        uint8_t if_true, uint8_t if_false)
{
    struct hg_insn insn = {
        .op = HG_OP_SEL, .type = (uint8_t)type, .pred = predicate, .a = if_true, .b = if_false};
    return build_result(builder, &insn);
}

uint8_t hg_build_reduce(struct hg_builder *builder, enum hg_opcode op, enum hg_dtype type,
                        uint8_t a)
{
    return hg_build_unary(builder, op, type, a);
}

uint8_t hg_build_mma(struct hg_builder *builder, enum hg_dtype type, const struct hg_mma *mma)
{
    struct hg_insn insn = {.op = HG_OP_MMA, .type = (uint8_t)type, .u.mma = *mma};
    return build_result(builder, &insn);
}

void hg_build_barrier(struct hg_builder *builder)
{
    hg_build(builder, &(struct hg_insn){.op = HG_OP_BAR_SYNC});
}

void hg_build_exit(struct hg_builder *builder)
{
    hg_build(builder, &(struct hg_insn){.op = HG_OP_EXIT, .pred = HG_PRED_NONE});
}

void hg_build_blocks_begin(struct hg_builder *builder, const struct hg_key *key)
{
    HG_REQUIRE(builder->loop_start == NO_LOOP);
    if (is_loop(key)) {
        builder->loop_start = builder->count;
        hg_build(builder, &(struct hg_insn){.op = HG_OP_LOOP_BLOCKS});
    }
}

void hg_build_blocks_end(struct hg_builder *builder)
{
    if (builder->loop_start == NO_LOOP) {
        return;
    }
    /* A builder that overflowed has no such instruction; finish refuses it. */
    if (builder->loop_start < builder->count) {
        builder->insns[builder->loop_start].target = builder->count;
    }
    builder->loop_start = NO_LOOP;
}
