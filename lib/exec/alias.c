/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aliasing, judged on the physical memory that operands are bound to: what overlaps an output must
 * be accessed through the identical range, width and lane mode, so that every lane reads only the
 * element that it writes itself.
 */
#include <inttypes.h>

#include "lib/exec/run.h"

/* How an operand is accessed: what is common to all its accesses, or that nothing is. */
struct access {
    uintptr_t first, end; /* addresses; first == end: never accessed */
    uint64_t factor;
    uint8_t lane;
    uint8_t width;
    bool uniform; /* one range, width and lane mode only */
    bool written;
};

/* Lane modes of accesses that can never be element for element. */
#define LANE_MATRIX 254
#define LANE_ANY    255

static void add_access(struct access *operand, struct access access)
{
    if (access.first == access.end) {
        return;
    }
    if (operand->first == operand->end) {
        *operand = access;
        return;
    }
    operand->uniform &= operand->first == access.first && operand->end == access.end &&
                        operand->factor == access.factor && operand->lane == access.lane &&
                        operand->width == access.width;
    operand->written |= access.written;
    operand->first = operand->first < access.first ? operand->first : access.first;
    operand->end = operand->end > access.end ? operand->end : access.end;
}

static bool is_written(const struct hg_step *step)
{
    return step->insn.op == HG_OP_STG;
}

/* The access of a load or store. */
static struct access describe(const struct hg_run *run, const struct hg_step *step)
{
    const struct hg_addr *addr = &step->insn.u.addr;
    uintptr_t base = (uintptr_t)run->base[addr->slot];
    if (hg_addr_computed(addr)) {
        return (struct access){.first = base,
                               .end = base + run->bytes[addr->slot],
                               .lane = LANE_ANY,
                               .written = is_written(step)};
    }
    struct hg_extent extent;
    bool empty;
    /* Bounds were checked: the extent fits. */
    (void)!hg_run_extent(run, addr, step->bytes, &extent, &empty);
    bool has_factor = addr->lane != HG_LANE_NONE && addr->lane != HG_LANE_ROW;
    return (struct access){.first = base + extent.first,
                           .end = base + extent.end,
                           .factor = has_factor ? hg_run_factor(run, addr) : 0,
                           .lane = addr->lane,
                           .width = step->bytes,
                           .uniform = true,
                           .written = is_written(step)};
}

/* Matrices are read as a whole: all that follows their first byte in the operand. */
static struct access describe_matrix(const struct hg_run *run, const struct hg_addr *addr)
{
    uintptr_t base = (uintptr_t)run->base[addr->slot];
    uint64_t end = addr->mode == HG_ADDR_PHI
                       ? ((uint64_t)addr->offset / HG_CLASS_BYTES + 1) * HG_CLASS_BYTES
                       : run->bytes[addr->slot];
    uint64_t first = (uint64_t)addr->offset < end ? (uint64_t)addr->offset : end;
    return (struct access){.first = base + first, .end = base + end, .lane = LANE_MATRIX};
}

static bool conflict(const struct access *a, const struct access *b)
{
    bool empty = a->first == a->end || b->first == b->end;
    if (empty || a->first >= b->end || b->first >= a->end || !(a->written || b->written)) {
        return false;
    }
    return !(a->uniform && b->uniform && a->first == b->first && a->end == b->end &&
             a->factor == b->factor && a->lane == b->lane && a->width == b->width);
}

/* Whether any two of the launch's ranges touch where one may be written: else there is no more to
 * ask. */
static bool may_touch(const struct hg_run *run)
{
    uint32_t count = run->code.operand_count;
    bool phi = (run->code.facts.facts & HG_FACT_PHI) != 0;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = i + 1; j <= count; j++) {
            uint32_t other = j < count ? j : HG_OPERAND_BOUNDARY;
            if (j == count && !phi) {
                break;
            }
            uintptr_t a = (uintptr_t)run->base[i];
            uintptr_t b = (uintptr_t)run->base[other];
            if (a < b + run->bytes[other] && b < a + run->bytes[i]) {
                return true;
            }
        }
    }
    return false;
}

static enum hg_status refuse(uint32_t a, uint32_t b, struct hg_error *error)
{
    if (b == HG_OPERAND_BOUNDARY) {
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "slot b%u overlaps a class that the program addresses otherwise; an output "
                       "may only be the same elements as an input",
                       a);
    }
    return hg_fail(error, HG_INVALID_ARGUMENT,
                   "slots b%u and b%u overlap; an output may only be the same elements as an input",
                   a, b);
}

/* Gathers what the slots' accesses are; those of classes are compared one by one with them. */
static void gather(const struct hg_run *run, struct access operands[HG_SLOT_COUNT_MAX])
{
    for (uint32_t pc = 0; pc < run->code.facts.insn_count; pc++) {
        const struct hg_step *step = &run->code.steps[pc];
        const struct hg_insn *insn = &step->insn;
        if (hg_insn_has_addr(insn) && insn->u.addr.slot < HG_SLOT_COUNT_MAX) {
            add_access(&operands[insn->u.addr.slot], describe(run, step));
        } else if (insn->op == HG_OP_MMA) {
            const struct hg_addr *matrices[] = {&insn->u.mma.a, &insn->u.mma.b};
            for (unsigned i = 0; i < 2; i++) {
                if (matrices[i]->slot < HG_SLOT_COUNT_MAX) {
                    add_access(&operands[matrices[i]->slot], describe_matrix(run, matrices[i]));
                }
            }
        }
    }
}

static enum hg_status check_class_access(const struct hg_run *run, const struct access *operands,
                                         const struct access *access, struct hg_error *error)
{
    for (uint32_t i = 0; i < run->code.operand_count; i++) {
        if (conflict(&operands[i], access)) {
            return refuse(i, HG_OPERAND_BOUNDARY, error);
        }
    }
    return HG_OK;
}

static enum hg_status check_classes(const struct hg_run *run, const struct access *operands,
                                    struct hg_error *error)
{
    enum hg_status status = HG_OK;
    for (uint32_t pc = 0; status == HG_OK && pc < run->code.facts.insn_count; pc++) {
        const struct hg_step *step = &run->code.steps[pc];
        const struct hg_insn *insn = &step->insn;
        if (hg_insn_has_addr(insn) && insn->u.addr.slot == HG_OPERAND_BOUNDARY) {
            struct access access = describe(run, step);
            status = check_class_access(run, operands, &access, error);
        } else if (insn->op == HG_OP_MMA) {
            struct access a = describe_matrix(run, &insn->u.mma.a);
            struct access b = describe_matrix(run, &insn->u.mma.b);
            if (insn->u.mma.a.slot == HG_OPERAND_BOUNDARY) {
                status = check_class_access(run, operands, &a, error);
            }
            if (status == HG_OK && insn->u.mma.b.slot == HG_OPERAND_BOUNDARY) {
                status = check_class_access(run, operands, &b, error);
            }
        }
    }
    return status;
}

enum hg_status hg_run_check_aliasing(const struct hg_run *run, struct hg_error *error)
{
    if (!may_touch(run)) {
        return HG_OK;
    }
    struct access operands[HG_SLOT_COUNT_MAX] = {{0}};
    gather(run, operands);
    for (uint32_t i = 0; i < run->code.operand_count; i++) {
        for (uint32_t j = i + 1; j < run->code.operand_count; j++) {
            if (conflict(&operands[i], &operands[j])) {
                return refuse(i, j, error);
            }
        }
    }
    return (run->code.facts.facts & HG_FACT_PHI) != 0 ? check_classes(run, operands, error) : HG_OK;
}
