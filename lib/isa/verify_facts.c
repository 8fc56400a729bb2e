/* SPDX-License-Identifier: Apache-2.0 */
/* Last pass of the verifier: what everyone else wants to know of the program. */
#include <string.h>

#include "lib/isa/verify.h"

#define COST_LOOP      8         /* times that a loop is taken to run: its count is not known */
#define COST_MMA_DEPTH 64        /* k of a product, when it is a parameter */
#define COST_MAX       0xffffffu /* what its field holds */

static uint32_t operation_cost(uint8_t op)
{
    switch (op) {
    case HG_OP_DIV:
    case HG_OP_SQRT:
        return 4;
    case HG_OP_RSQRT:
    case HG_OP_EXP:
        return 8;
    case HG_OP_LOG:
    case HG_OP_LOG2:
    case HG_OP_LOG10:
    case HG_OP_SIGMOID:
        return 12;
    case HG_OP_SIN:
    case HG_OP_COS:
    case HG_OP_TANH:
    case HG_OP_ERF:
        return 16;
    case HG_OP_TAN:
        return 20;
    case HG_OP_POW:
        return 40;
    default:
        return 1;
    }
}

/* What costs next to nothing where it is the same for all lanes of a row. */
static bool is_free(uint8_t op)
{
    return op == HG_OP_MOV || op == HG_OP_MOV_IMM || op == HG_OP_PARAM || op == HG_OP_EXIT ||
           op == HG_OP_LOOP_BLOCKS || op == HG_OP_BAR_SYNC || op == HG_OP_MEMFENCE;
}

/* Cost of one lane, or row, in F32 additions: rough, for placing work, not for accounting. */
static uint64_t insn_cost(const struct hg_verify *verify, uint32_t index)
{
    const struct hg_insn *insn = &verify->code->insns[index];
    const struct hg_insn_info *info = hg_insn_info(insn->op);
    uint64_t cost = operation_cost(insn->op);
    if (insn->op == HG_OP_MMA) {
        bool params = (insn->u.mma.flags & HG_MMA_PARAMS) != 0;
        cost = params ? COST_MMA_DEPTH : insn->u.mma.k;
    } else if (info->form == HG_FORM_REDUCE_REGS) {
        cost = insn->count;
    }
    if (info->types != 0 && hg_dtype_bytes(insn->type) == 8) {
        cost *= 2;
    }
    for (uint16_t body = verify->notes[index].body; body != HG_NO_BODY;
         body = verify->notes[body - 1].body) {
        /* Nests deeper than this are costly enough. */
        if (verify->code->insns[body - 1].op == HG_OP_LOOP && cost < UINT32_MAX / COST_LOOP) {
            cost *= COST_LOOP;
        }
    }
    return cost;
}

/* Of a lane, what of it are terms of products of known sizes, and of a row. */
struct costs {
    uint64_t lane, terms, row;
};

static void add_cost(const struct hg_verify *verify, uint32_t index, struct costs *costs)
{
    const struct hg_insn *insn = &verify->code->insns[index];
    const uint64_t own = insn_cost(verify, index);
    if (verify->notes[index].level != HG_LEVEL_LANE) {
        costs->row += is_free(insn->op) ? 0 : own;
        return;
    }
    costs->lane += own;
    if (insn->op == HG_OP_MMA && (insn->u.mma.flags & HG_MMA_PARAMS) == 0) {
        costs->terms += own;
    }
}

static uint64_t at_most(uint64_t value, uint64_t most)
{
    return value < most ? value : most;
}

static void note_addr(const struct hg_verify *verify, const struct hg_addr *addr, bool store,
                      struct hg_code_facts *facts)
{
    if (addr->mode == HG_ADDR_SCRATCH) {
        facts->facts |= HG_FACT_SCRATCH;
        return;
    }
    bool by_cols = addr->lane == HG_LANE_MOD || addr->lane == HG_LANE_DIV;
    if (addr->lane == HG_LANE_ROW || (by_cols && addr->factor == 0)) {
        facts->facts |= HG_FACT_ROWS;
    }
    if (addr->mode == HG_ADDR_PHI) {
        facts->facts |= HG_FACT_PHI;
        return;
    }
    uint16_t bit = (uint16_t)(1u << hg_verify_slot(verify, addr));
    *(store ? &facts->slots_written : &facts->slots_read) |= bit;
    if (hg_addr_computed(addr)) {
        facts->facts |= HG_FACT_COMPUTED | HG_FACT_CAN_FAIL;
    }
}

static void note_mma(const struct hg_verify *verify, const struct hg_mma *mma,
                     struct hg_code_facts *facts)
{
    facts->facts |= HG_FACT_MMA;
    note_addr(verify, &mma->a, false, facts);
    note_addr(verify, &mma->b, false, facts);
    if ((mma->flags & HG_MMA_PARAMS) != 0) {
        facts->params_read |= (uint16_t)(1u << mma->m | 1u << mma->n | 1u << mma->k |
                                         1u << mma->lda | 1u << mma->ldb);
    }
}

static void note_operation(const struct hg_verify *verify, uint32_t index,
                           struct hg_code_facts *facts)
{
    const struct hg_insn *insn = &verify->code->insns[index];
    switch (insn->op) {
    case HG_OP_LDG:
    case HG_OP_LDS:
        note_addr(verify, &insn->u.addr, false, facts);
        break;
    case HG_OP_STG:
    case HG_OP_STS:
        note_addr(verify, &insn->u.addr, true, facts);
        if (insn->op == HG_OP_STG && verify->notes[index].addr_level != HG_LEVEL_LAUNCH) {
            facts->facts |= HG_FACT_LANE_SCATTER;
        }
        break;
    case HG_OP_MMA:
        note_mma(verify, &insn->u.mma, facts);
        break;
    case HG_OP_PARAM:
        facts->params_read |= (uint16_t)(1u << insn->count);
        break;
    case HG_OP_DIV:
        facts->facts |= hg_dtype_in(insn->type, HG_DT_INT) ? HG_FACT_CAN_FAIL : 0;
        break;
    case HG_OP_LOOP_BLOCKS:
        facts->facts |= HG_FACT_LOOP_BLOCKS;
        break;
    case HG_OP_POOL_ALLOC:
    case HG_OP_POOL_FREE:
    case HG_OP_POOL_LOAD:
    case HG_OP_POOL_STORE:
        facts->facts |= HG_FACT_POOL | HG_FACT_COMPUTED | HG_FACT_CAN_FAIL;
        break;
    default:
        facts->facts |= hg_is_reduce(insn->op) ? HG_FACT_REDUCE : 0;
        break;
    }
}

void hg_verify_facts(struct hg_verify *verify, struct hg_code_facts *facts)
{
    const struct hg_code *code = verify->code;
    struct hg_code_facts found;
    memset(&found, 0, sizeof found);
    found.block_lanes = (uint16_t)verify->block_lanes;
    found.slot_count = code->header.slot_count & 31u;
    found.handle_count = verify->handle_count & 31u;
    found.segment_count = verify->segment_count;
    for (unsigned word = 0; word < HG_REGISTER_COUNT / 64; word++) {
        found.reduce_count =
            (uint8_t)(found.reduce_count + __builtin_popcountll(verify->row_regs.regs[word]));
    }
    found.scratch_bytes = code->header.scratch_bytes;
    found.insn_count = (uint16_t)code->insn_count;
    found.facts = verify->has_control ? HG_FACT_CONTROL : 0;
    struct costs costs = {0, 0, 0};
    for (uint32_t i = 0; i < code->insn_count; i++) {
        note_operation(verify, i, &found);
        add_cost(verify, i, &costs);
        if (verify->notes[i].level == HG_LEVEL_LANE &&
            (hg_verify_contexts(verify, i) & HG_CONTEXT_TOP) != 0) {
            found.facts |= HG_FACT_TOP_LANES;
        }
    }
    found.cost = costs.lane == 0 ? 1 : (uint32_t)at_most(costs.lane, COST_MAX) & COST_MAX;
    found.mma_cost = at_most(costs.terms, UINT8_MAX) & UINT8_MAX;
    found.row_cost_bits = costs.row == 0 ? 0 : (64u - (unsigned)__builtin_clzll(costs.row)) & 63u;
    *facts = found;
}
