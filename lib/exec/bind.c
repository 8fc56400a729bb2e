/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of a launch that need no running: counts, rights, form, classes, and the bounds of every
 * address whose lanes lie in a line. After them only computed addresses can leave an operand.
 */
#include <inttypes.h>

#include "lib/base/check.h"
#include "lib/exec/run.h"

/* Lanes (and rows) of a launch; far beyond memory, and small enough that sums of a few do not wrap.
 */
#define LANES_MAX (UINT64_C(1) << 48)

static enum hg_status bind_sizes(struct hg_run *run, struct hg_error *error)
{
    const uint64_t *params = run->launch.params;
    uint64_t n = params[HG_PARAM_N];
    uint64_t rows = params[HG_PARAM_ROWS];
    uint64_t cols = params[HG_PARAM_COLS];
    uint64_t lanes;
    if (!hg_mul_u64(rows, cols, &lanes) || lanes != n) {
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "launch of %" PRIu64 " elements: expected rows * cols, %" PRIu64
                       " * %" PRIu64,
                       n, rows, cols);
    }
    if (n > LANES_MAX || rows > LANES_MAX || cols > LANES_MAX) {
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "launch of %" PRIu64 " x %" PRIu64 " elements: at most %" PRIu64, rows, cols,
                       LANES_MAX);
    }
    const struct hg_code_facts *facts = &run->code.facts;
    if ((facts->facts & HG_FACT_TOP_LANES) != 0 && n > facts->block_lanes) {
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "launch of %" PRIu64 " elements: the program has no loop over blocks and "
                       "takes at most %u",
                       n, facts->block_lanes);
    }
    hg_cut_init(&run->cut, facts, params);
    run->one_row = rows == 1;
    return HG_OK;
}

static enum hg_status bind_operands(struct hg_run *run, struct hg_error *error)
{
    const struct hg_launch *launch = &run->launch;
    const struct hg_exec_code *code = &run->code;
    if (launch->operand_count != code->operand_count) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "program takes %u operands, not %u",
                       code->operand_count, launch->operand_count);
    }
    for (uint32_t i = 0; i < launch->operand_count; i++) {
        if ((code->facts.slots_written >> i & 1u) != 0 && !launch->operands[i].writable) {
            return hg_fail(error, HG_INVALID_ARGUMENT,
                           "slot b%u: the program writes it, but it is read-only", i);
        }
        run->base[i] = launch->operands[i].base;
        run->bytes[i] = launch->operands[i].bytes;
    }
    run->base[HG_OPERAND_BOUNDARY] = launch->boundary_base;
    run->bytes[HG_OPERAND_BOUNDARY] = HG_BOUNDARY_BYTES;
    return HG_OK;
}

/* ---- bounds ---------------------------------------------------------------------------------- */

uint64_t hg_run_factor(const struct hg_run *run, const struct hg_addr *addr)
{
    return addr->factor != 0 ? addr->factor : run->cut.cols;
}

/* The highest element that the lane term reaches; false if there are no lanes for it. */
static bool last_element(const struct hg_run *run, const struct hg_addr *addr, uint64_t *last,
                         bool *overflow)
{
    uint64_t lanes = run->cut.lanes;
    *last = 0;
    switch (addr->lane) {
    case HG_LANE_NONE:
        return true;
    case HG_LANE_ROW:
        *last = run->cut.rows - 1;
        return run->cut.rows != 0;
    case HG_LANE_STRIDE:
        *overflow = lanes != 0 && !hg_mul_u64(lanes - 1, addr->factor, last);
        return lanes != 0;
    default:
        break;
    }
    if (lanes == 0) {
        return false;
    }
    uint64_t factor = hg_run_factor(run, addr);
    *last = addr->lane == HG_LANE_DIV ? (lanes - 1) / factor
            : lanes < factor          ? lanes - 1
                                      : factor - 1;
    return true;
}

bool hg_run_extent(const struct hg_run *run, const struct hg_addr *addr, uint32_t width,
                   struct hg_extent *extent, bool *empty)
{
    uint64_t last;
    bool overflow = false;
    *empty = !last_element(run, addr, &last, &overflow);
    extent->first = extent->end = 0;
    if (*empty) {
        return true;
    }
    uint64_t length;
    if (overflow || addr->offset < 0 || !hg_mul_u64(last + 1, width, &length) ||
        !hg_add_u64(length, (uint64_t)addr->offset, &extent->end)) {
        return false;
    }
    extent->first = (uint64_t)addr->offset;
    return true;
}

static enum hg_status check_class(const struct hg_run *run, uint32_t class_index,
                                  struct hg_error *error)
{
    const struct hg_launch *launch = &run->launch;
    bool allowed = class_index < HG_CLASS_COUNT && launch->boundary_base != NULL &&
                   (launch->boundary_classes[class_index / 64] >> class_index % 64 & 1u) != 0;
    if (!allowed) {
        return hg_fail(error, HG_PERMISSION_DENIED,
                       "the program addresses class %u, which this launch may not", class_index);
    }
    return HG_OK;
}

/* One past the last byte that ADDR may touch. */
static uint64_t operand_end(const struct hg_run *run, const struct hg_addr *addr)
{
    if (addr->mode != HG_ADDR_PHI) {
        return run->bytes[addr->slot];
    }
    return ((uint64_t)addr->offset / HG_CLASS_BYTES + 1) * HG_CLASS_BYTES;
}

static enum hg_status out_of_bounds(const struct hg_run *run, const struct hg_addr *addr,
                                    uint32_t pc, bool fits, uint64_t end, struct hg_error *error)
{
    const char *name = hg_insn_info(run->code.steps[pc].insn.op)->text;
    if (addr->mode == HG_ADDR_PHI) {
        uint64_t class_start = (uint64_t)addr->offset / HG_CLASS_BYTES * HG_CLASS_BYTES;
        return hg_fail_detail(error, HG_OUT_OF_RANGE, HG_DETAIL_OUT_OF_BOUNDS,
                              "instruction %u (%s): class %" PRIu64 ", offset %" PRIu64
                              ": reaches byte %" PRIu64 " of its %d",
                              pc, name, (uint64_t)addr->offset / HG_CLASS_BYTES,
                              (uint64_t)addr->offset - class_start, end - class_start,
                              HG_CLASS_BYTES);
    }
    if (!fits) {
        return hg_fail_detail(error, HG_OUT_OF_RANGE, HG_DETAIL_OUT_OF_BOUNDS,
                              "instruction %u (%s): slot b%u, offset %" PRId64
                              ": no such byte, expected less than %" PRIu64,
                              pc, name, addr->slot, addr->offset, run->bytes[addr->slot]);
    }
    return hg_fail_detail(error, HG_OUT_OF_RANGE, HG_DETAIL_OUT_OF_BOUNDS,
                          "instruction %u (%s): slot b%u, offset %" PRId64 ": needs %" PRIu64
                          " bytes, has %" PRIu64,
                          pc, name, addr->slot, addr->offset, end, run->bytes[addr->slot]);
}

static enum hg_status check_address(const struct hg_run *run, const struct hg_addr *addr,
                                    uint32_t pc, uint32_t width, struct hg_error *error)
{
    if (addr->mode == HG_ADDR_PHI) {
        enum hg_status status = check_class(run, (uint32_t)(addr->offset / HG_CLASS_BYTES), error);
        if (status != HG_OK) {
            return status;
        }
    } else if (addr->mode != HG_ADDR_BUFFER) {
        return HG_OK; /* checked as it is computed; scratch was by the verifier */
    }
    struct hg_extent extent;
    bool empty;
    bool fits = hg_run_extent(run, addr, width, &extent, &empty);
    if (fits && extent.end <= operand_end(run, addr)) {
        return HG_OK;
    }
    return out_of_bounds(run, addr, pc, fits, extent.end, error);
}

/* ---- products -------------------------------------------------------------------------------- */

static uint64_t size_of(const struct hg_run *run, const struct hg_mma *mma, uint32_t value)
{
    return (mma->flags & HG_MMA_PARAMS) != 0 ? run->launch.params[value] : value;
}

void hg_run_product(const struct hg_run *run, const struct hg_step *step,
                    struct hg_product *product)
{
    const struct hg_mma *mma = &step->insn.u.mma;
    product->m = size_of(run, mma, mma->m);
    product->n = size_of(run, mma, mma->n);
    product->k = size_of(run, mma, mma->k);
    product->lda = size_of(run, mma, mma->lda);
    product->ldb = size_of(run, mma, mma->ldb);
    product->type = (enum hg_dtype)step->insn.type;
    product->trans_a = (mma->flags & HG_MMA_TRANS_A) != 0;
    product->trans_b = (mma->flags & HG_MMA_TRANS_B) != 0;
    product->dot = (mma->flags & HG_MMA_ORDER_DOT) != 0;
    product->a = run->base[mma->a.slot];
    product->b = run->base[mma->b.slot];
    if (product->a != NULL) {
        product->a += mma->a.offset;
    }
    if (product->b != NULL) {
        product->b += mma->b.offset;
    }
}

/* Bytes from a matrix's first element to behind its last; false beyond 2^64. */
static bool matrix_bytes(uint64_t rows, uint64_t cols, uint64_t stride, uint32_t width,
                         uint64_t *bytes)
{
    uint64_t last;
    *bytes = 0;
    if (rows == 0 || cols == 0) {
        return true;
    }
    return hg_mul_u64(rows - 1, stride, &last) && hg_add_u64(last, cols, &last) &&
           hg_mul_u64(last, width, bytes);
}

static enum hg_status check_matrix(const struct hg_run *run, const struct hg_addr *addr,
                                   uint32_t pc, bool fits, uint64_t bytes, struct hg_error *error)
{
    uint64_t end = 0;
    if (addr->mode == HG_ADDR_PHI) {
        enum hg_status status = check_class(run, (uint32_t)(addr->offset / HG_CLASS_BYTES), error);
        if (status != HG_OK) {
            return status;
        }
    }
    fits = fits && addr->offset >= 0 && hg_add_u64(bytes, (uint64_t)addr->offset, &end);
    if (fits && (bytes == 0 || end <= operand_end(run, addr))) {
        return HG_OK;
    }
    return out_of_bounds(run, addr, pc, fits, end, error);
}

/* A stride below the columns would let rows overlap, and with that let a small operand stand for
 * any number of terms. The verifier has seen to strides that are constants. */
static enum hg_status check_strides(const struct hg_product *product, uint32_t pc,
                                    struct hg_error *error)
{
    uint64_t a = product->trans_a ? product->m : product->k;
    uint64_t b = product->trans_b ? product->k : product->n;
    if (product->lda >= a && product->ldb >= b) {
        return HG_OK;
    }
    return hg_fail(error, HG_INVALID_ARGUMENT,
                   "instruction %u (mma): lda, ldb are at least %" PRIu64 ", %" PRIu64
                   ", not %" PRIu64 ", %" PRIu64,
                   pc, a, b, product->lda, product->ldb);
}

static enum hg_status check_product(const struct hg_run *run, uint32_t pc, struct hg_error *error)
{
    const struct hg_step *step = &run->code.steps[pc];
    const struct hg_mma *mma = &step->insn.u.mma;
    struct hg_product product;
    hg_run_product(run, step, &product);
    uint64_t lanes;
    if (!hg_mul_u64(product.m, product.n, &lanes) || lanes != run->cut.lanes) {
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "instruction %u (mma): a product of %" PRIu64 " x %" PRIu64
                       " needs a launch of as many elements, not %" PRIu64,
                       pc, product.m, product.n, run->cut.lanes);
    }
    if (product.n != 0 && product.dot != (product.n == 1)) {
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "instruction %u (mma): the order of one column is dot, of more it is not; "
                       "this has %" PRIu64,
                       pc, product.n);
    }
    if (product.k > LANES_MAX) {
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "instruction %u (mma): k = %" PRIu64 " is more than %" PRIu64, pc, product.k,
                       LANES_MAX);
    }
    enum hg_status status = check_strides(&product, pc, error);
    if (status != HG_OK) {
        return status;
    }
    uint64_t bytes;
    bool fits = product.trans_a
                    ? matrix_bytes(product.k, product.m, product.lda, step->bytes, &bytes)
                    : matrix_bytes(product.m, product.k, product.lda, step->bytes, &bytes);
    status = check_matrix(run, &mma->a, pc, fits, bytes, error);
    if (status != HG_OK) {
        return status;
    }
    fits = product.trans_b ? matrix_bytes(product.n, product.k, product.ldb, step->bytes, &bytes)
                           : matrix_bytes(product.k, product.n, product.ldb, step->bytes, &bytes);
    return check_matrix(run, &mma->b, pc, fits, bytes, error);
}

enum hg_status hg_run_bind(struct hg_run *run, struct hg_error *error)
{
    enum hg_status status = bind_sizes(run, error);
    if (status == HG_OK) {
        status = bind_operands(run, error);
    }
    for (uint32_t pc = 0; status == HG_OK && pc < run->code.facts.insn_count; pc++) {
        const struct hg_step *step = &run->code.steps[pc];
        if (hg_insn_has_addr(&step->insn)) {
            status = check_address(run, &step->insn.u.addr, pc, step->bytes, error);
        } else if (step->insn.op == HG_OP_MMA) {
            status = check_product(run, pc, error);
        }
    }
    return status == HG_OK ? hg_run_check_aliasing(run, error) : status;
}
