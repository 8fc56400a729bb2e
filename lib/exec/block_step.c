/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The instructions that compute: each is one call of a kernel, for a tile, or for one element where
 * all sources are launch-uniform.
 */
#include <string.h>

#include "lib/base/check.h"
#include "lib/exec/block.h"

/* Sources and destination of an instruction, as a kernel takes them. */
struct operands {
    const void *source[3];
    void *dst;
    uint64_t count;   /* elements to compute; 0 = none */
    uint64_t uniform; /* the result, when it is launch-uniform */
    enum hg_level level;
};

static enum hg_level highest(const struct hg_pass *pass, const uint16_t *places, unsigned count)
{
    enum hg_level level = HG_LEVEL_LAUNCH;
    for (unsigned i = 0; i < count; i++) {
        enum hg_level other = (enum hg_level)pass->values[places[i]].level;
        level = other > level ? other : level;
    }
    return level;
}

/* Where elements of BYTES go that the instruction at PC computes. */
static void *target(struct hg_pass *pass, uint32_t pc, enum hg_level level, uint32_t bytes)
{
    const struct hg_step *step = &pass->run->code.steps[pc];
    if ((step->flags & HG_STEP_DIRECT) != 0 && !pass->rows_only) {
        void *dst = hg_pass_destination(pass, pc + 1);
        hg_pass_set_elements(pass, step->dst, level, bytes, dst);
        return dst;
    }
    return hg_pass_tile(pass, step->dst, level, bytes);
}

/* Readies COUNT sources at PLACES with elements of BYTES[i], and a destination of DST_BYTES. */
static void ready(struct hg_pass *pass, uint32_t pc, const uint16_t *places, const uint32_t *bytes,
                  unsigned count, uint32_t dst_bytes, struct operands *operands)
{
    uint16_t dst = pass->run->code.steps[pc].dst;
    operands->level = highest(pass, places, count);
    operands->uniform = 0;
    if (operands->level == HG_LEVEL_LAUNCH) {
        for (unsigned i = 0; i < count; i++) {
            operands->source[i] = &pass->values[places[i]].bits;
        }
        operands->dst = &operands->uniform;
        operands->count = 1;
        return;
    }
    if (operands->level == HG_LEVEL_LANE && pass->rows_only) {
        hg_pass_tile(pass, dst, HG_LEVEL_LANE, dst_bytes);
        operands->count = 0;
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        operands->source[i] = hg_pass_source(pass, places[i], bytes[i], dst, dst_bytes, i % 2);
    }
    operands->dst = target(pass, pc, operands->level, dst_bytes);
    operands->count = pass->count;
}

/* Makes a launch-uniform result the place's value; others are where they belong already. */
static void finish(struct hg_pass *pass, uint32_t pc, const struct operands *operands)
{
    if (operands->level == HG_LEVEL_LAUNCH) {
        hg_pass_set_uniform(pass, pass->run->code.steps[pc].dst, operands->uniform);
    }
}

static void unary(struct hg_pass *pass, uint32_t pc, hg_kernel1 *kernel, uint32_t src_bytes,
                  uint32_t dst_bytes)
{
    struct operands operands;
    ready(pass, pc, &pass->run->code.steps[pc].a, &src_bytes, 1, dst_bytes, &operands);
    if (operands.count != 0) {
        kernel(operands.dst, operands.source[0], operands.count);
    }
    finish(pass, pc, &operands);
}

static void move(struct hg_pass *pass, uint32_t pc)
{
    const struct hg_step *step = &pass->run->code.steps[pc];
    uint32_t bytes = step->bytes;
    struct operands operands;
    ready(pass, pc, &step->a, &bytes, 1, bytes, &operands);
    if (operands.count != 0) {
        memmove(operands.dst, operands.source[0], operands.count * bytes);
    }
    finish(pass, pc, &operands);
}

static void divide(struct hg_pass *pass, uint32_t pc, struct operands *operands)
{
    hg_kernel_div *kernel = pass->kernels->divide[pass->run->code.steps[pc].insn.type];
    uint64_t divided =
        kernel(operands->dst, operands->source[0], operands->source[1], operands->count);
    if (divided < operands->count) {
        hg_run_fail_division(pass->run, hg_pass_lane(pass, divided), pc);
        hg_pass_cut(pass, divided);
    }
}

static void binary(struct hg_pass *pass, uint32_t pc, uint32_t b_bytes)
{
    const struct hg_step *step = &pass->run->code.steps[pc];
    const uint16_t places[] = {step->a, step->b};
    const uint32_t bytes[] = {step->bytes, b_bytes};
    hg_kernel2 *kernel = pass->kernels->binary[pass->run->ftz][step->insn.op][step->insn.type];
    struct operands operands;
    ready(pass, pc, places, bytes, 2, step->bytes, &operands);
    if (operands.count != 0 && kernel == NULL) {
        divide(pass, pc, &operands);
    } else if (operands.count != 0) {
        kernel(operands.dst, operands.source[0], operands.source[1], operands.count);
    }
    finish(pass, pc, &operands);
}

static void ternary(struct hg_pass *pass, uint32_t pc)
{
    const struct hg_step *step = &pass->run->code.steps[pc];
    const uint16_t places[] = {step->a, step->b, step->c};
    const uint32_t bytes[] = {step->bytes, step->bytes, step->bytes};
    struct operands operands;
    ready(pass, pc, places, bytes, 3, step->bytes, &operands);
    if (operands.count != 0) {
        pass->kernels->ternary[step->insn.op][step->insn.type](operands.dst, operands.source[0],
                                                               operands.source[1],
                                                               operands.source[2], operands.count);
    }
    finish(pass, pc, &operands);
}

static void compare(struct hg_pass *pass, uint32_t pc)
{
    const struct hg_step *step = &pass->run->code.steps[pc];
    const uint16_t places[] = {step->a, step->b};
    const uint32_t bytes[] = {step->bytes, step->bytes};
    struct operands operands;
    ready(pass, pc, places, bytes, 2, 1, &operands);
    if (operands.count != 0) {
        pass->kernels->compare[pass->run->ftz][step->insn.cond][step->insn.type](
            operands.dst, operands.source[0], operands.source[1], operands.count);
    }
    finish(pass, pc, &operands);
}

static void choose(struct hg_pass *pass, uint32_t pc)
{
    const struct hg_step *step = &pass->run->code.steps[pc];
    const uint16_t places[] = {step->pred, step->a, step->b};
    const uint32_t bytes[] = {1, step->bytes, step->bytes};
    struct operands operands;
    ready(pass, pc, places, bytes, 3, step->bytes, &operands);
    if (operands.count != 0) {
        pass->kernels->select[hg_log2_bytes(step->bytes)](operands.dst, operands.source[0],
                                                          operands.source[1], operands.source[2],
                                                          operands.count);
    }
    finish(pass, pc, &operands);
}

static uint64_t low_bits(uint64_t bits, uint32_t bytes)
{
    return bits & UINT64_MAX >> (64 - 8 * bytes);
}

/* ---- REDUCE.REGS ----------------------------------------------------------------------------- */

/* Folds from the left in the accumulators' type, from the first register as an instruction that
 * computes takes it in (flushed, in that mode), and rounds once. */
static void fold_registers(struct hg_pass *pass, const struct hg_step *step, uint64_t count,
                           const void *const *registers, void *dst)
{
    static const uint8_t ops[] = {HG_OP_ADD, HG_OP_MIN, HG_OP_MAX, HG_OP_MUL};
    unsigned type = step->insn.type;
    bool half = hg_dtype_in((enum hg_dtype)type, HG_DT_HALF);
    unsigned wide = half ? HG_F32 : type;
    const struct hg_kernels *kernels = pass->kernels;
    bool ftz = pass->run->ftz;
    hg_kernel2 *fold = kernels->binary[ftz][ops[step->insn.op - HG_OP_REDUCE_REGS_ADD]][wide];
    void *sum = pass->workspace->temporary[0];
    void *term = pass->workspace->temporary[1];
    kernels->convert[ftz][wide][type](sum, registers[0], count);
    for (unsigned i = 1; i < step->insn.count; i++) {
        const void *next = registers[i];
        if (half) {
            kernels->convert[ftz][wide][type](term, next, count);
            next = term;
        }
        fold(sum, sum, next, count);
    }
    kernels->convert[ftz][type][wide](dst, sum, count);
}

static void reduce_registers(struct hg_pass *pass, uint32_t pc)
{
    const struct hg_step *step = &pass->run->code.steps[pc];
    unsigned count = step->insn.count;
    if (count == 0) {
        unsigned op = step->insn.op - HG_OP_REDUCE_REGS_ADD;
        hg_pass_set_uniform(pass, step->dst, pass->kernels->reduce[0][op][step->insn.type].empty);
        return;
    }
    uint16_t places[HG_REGISTER_COUNT];
    const void *registers[HG_REGISTER_COUNT];
    for (unsigned i = 0; i < count; i++) {
        places[i] = (uint16_t)(step->a + i);
    }
    enum hg_level level = highest(pass, places, count);
    if (level == HG_LEVEL_LAUNCH) {
        for (unsigned i = 0; i < count; i++) {
            registers[i] = &pass->values[places[i]].bits;
        }
        uint64_t uniform = 0;
        fold_registers(pass, step, 1, registers, &uniform);
        hg_pass_set_uniform(pass, step->dst, uniform);
        return;
    }
    if (level == HG_LEVEL_LANE && pass->rows_only) {
        hg_pass_tile(pass, step->dst, HG_LEVEL_LANE, step->bytes);
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        registers[i] = hg_pass_elements(pass, places[i], step->bytes);
    }
    fold_registers(pass, step, pass->count, registers,
                   hg_pass_tile(pass, step->dst, level, step->bytes));
}

/* ---- MMA ------------------------------------------------------------------------------------- */

static uint64_t product_cost(const struct hg_product *product)
{
    uint64_t terms;
    if (!hg_mul_u64(product->m, product->n, &terms) || !hg_mul_u64(terms, product->k, &terms)) {
        return UINT64_MAX;
    }
    return terms / 4096;
}

static void take_sums(struct hg_pass *pass, uint32_t pc)
{
    const struct hg_step *step = &pass->run->code.steps[pc];
    uint32_t bytes = step->bytes < 4 ? 4 : step->bytes;
    if (pass->rows_only) {
        hg_pass_tile(pass, step->dst, HG_LEVEL_LANE, bytes);
        return;
    }
    if (!hg_walk_burn(&pass->walk, product_cost(&pass->run->product))) {
        hg_run_fail_fuel(pass->run, hg_pass_lane(pass, 0), pc);
        hg_pass_cut(pass, 0);
        return;
    }
    hg_pass_set_elements(pass, step->dst, HG_LEVEL_LANE, bytes, pass->sums);
}

/* ---- all ------------------------------------------------------------------------------------- */

void hg_pass_step(struct hg_pass *pass, uint32_t pc)
{
    const struct hg_step *step = &pass->run->code.steps[pc];
    const struct hg_insn *insn = &step->insn;
    switch (hg_insn_info((enum hg_opcode)insn->op)->form) {
    case HG_FORM_LOAD:
        hg_pass_load(pass, pc);
        break;
    case HG_FORM_STORE:
        hg_pass_store(pass, pc);
        break;
    case HG_FORM_MOV:
        if (insn->op == HG_OP_MOV) {
            move(pass, pc);
        } else {
            unary(pass, pc, pass->kernels->unary[insn->op][insn->type], step->bytes, step->bytes);
        }
        break;
    case HG_FORM_IMM:
        hg_pass_set_uniform(pass, step->dst, low_bits(insn->u.imm, step->bytes));
        break;
    case HG_FORM_PARAM:
        hg_pass_set_uniform(pass, step->dst,
                            low_bits(pass->run->launch.params[insn->count], step->bytes));
        break;
    case HG_FORM_CVT:
        unary(pass, pc, pass->kernels->convert[pass->run->ftz][insn->type][insn->type2],
              hg_dtype_bytes((enum hg_dtype)insn->type2), step->bytes);
        break;
    case HG_FORM_BINARY:
        binary(pass, pc, step->bytes);
        break;
    case HG_FORM_SHIFT:
        binary(pass, pc, sizeof(uint32_t));
        break;
    case HG_FORM_TERNARY:
        ternary(pass, pc);
        break;
    case HG_FORM_SETCC:
        compare(pass, pc);
        break;
    case HG_FORM_SEL:
        choose(pass, pc);
        break;
    case HG_FORM_REDUCE_REGS:
        reduce_registers(pass, pc);
        break;
    case HG_FORM_MMA:
        take_sums(pass, pc);
        break;
    case HG_FORM_POOL_ALLOC:
    case HG_FORM_POOL_FREE:
    case HG_FORM_POOL_LOAD:
    case HG_FORM_POOL_STORE:
        hg_pass_pool(pass, pc);
        break;
    default:
        hg_pass_class(pass, pc);
        break;
    }
}
