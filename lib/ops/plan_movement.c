/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "lib/base/check.h"
#include "lib/ops/build.h"
#include "lib/ops/plan.h"

/* The call's operand as bits: as the unsigned type of its width. */
static struct hg_step_operand use_bits(const struct hg_planner *planner, unsigned operand,
                                       enum hg_operand_mode mode)
{
    static const uint8_t by_log2[] = {HG_U8, HG_U16, HG_U32, HG_U64};
    struct hg_step_operand used = hg_step_use(planner, operand, mode);
    used.type = by_log2[__builtin_ctz(hg_dtype_bytes((enum hg_dtype)used.type))];
    return used;
}

/* ---- sum_axis -------------------------------------------------------------------------------- */

/* a as outer x length x inner elements. */
struct axis {
    uint64_t outer;
    uint64_t length;
    uint64_t inner;
};

/* What stands behind one element of the first axis. */
static uint64_t default_inner(const struct hg_planner *planner, unsigned n)
{
    const struct hg_op_operand *a = &planner->call->operands[0];
    uint64_t inner = 1; /* as the shape's product, it does not overflow */
    for (unsigned i = 1; !hg_plan_given(planner, n) && i < a->rank; i++) {
        inner *= a->shape[i];
    }
    return inner;
}

static enum hg_status resolve_axis(struct hg_planner *planner, uint64_t n, struct axis *axis)
{
    enum { N, LENGTH, INNER };
    const uint64_t *attribute = planner->call->attribute;
    axis->inner = hg_plan_given(planner, INNER) ? attribute[INNER] : default_inner(planner, N);
    axis->length = hg_plan_given(planner, LENGTH) ? attribute[LENGTH]
                   : axis->inner == 0             ? 0
                                                  : n / axis->inner;
    uint64_t slice;
    if (!hg_mul_u64(axis->length, axis->inner, &slice) || (slice == 0 ? n != 0 : n % slice != 0)) {
        return hg_plan_refuse(planner, HG_INVALID_ARGUMENT,
                              "length: expected length x inner to divide n = %" PRIu64
                              ", got %" PRIu64 " x %" PRIu64,
                              n, axis->length, axis->inner);
    }
    /* Of an axis without elements: sums of nothing, as many as stand behind it. */
    axis->outer = slice == 0 ? 1 : n / slice;
    return HG_OK;
}

/* Where nothing stands behind the axis its elements are rows: the program of `sum`. */
static void add_sum(struct hg_planner *planner, const struct axis *axis)
{
    bool is_last = axis->inner == 1;
    const struct hg_step step = {
        .cache = is_last ? HG_CACHE_SUM : HG_CACHE_SUM_AXIS,
        .structure = !is_last && axis->outer != 1 ? HG_STRUCTURE_OUTER : 0u,
        .rows = axis->outer * axis->inner,
        .cols = axis->length,
        .operands = {hg_step_use(planner, 0, is_last ? HG_OPERAND_LANE : HG_OPERAND_COMPUTED),
                     hg_step_use(planner, 1, HG_OPERAND_PER_ROW)},
        .operand_count = 2,
        .scalars = {is_last ? 0 : axis->inner},
    };
    hg_plan_step(planner, &step);
}

enum hg_status hg_plan_sum_axis(struct hg_planner *planner)
{
    enum { N };
    bool given = hg_plan_given(planner, N);
    uint64_t n = hg_shape_count(planner, N, 0);
    struct axis axis = {0};
    enum hg_status status = hg_shape_need(planner, 0, n, given);
    if (status == HG_OK) {
        status = resolve_axis(planner, n, &axis);
    }
    if (status == HG_OK) {
        status = hg_shape_need(planner, 1, axis.outer * axis.inner, given);
    }
    if (status == HG_OK && axis.outer * axis.inner != 0) {
        add_sum(planner, &axis);
    }
    return status;
}

/* ---- transpose ------------------------------------------------------------------------------- */

enum hg_status hg_plan_transpose(struct hg_planner *planner)
{
    enum { ROWS, COLS };
    uint64_t rows = 0;
    uint64_t cols = 0;
    enum hg_status status = hg_shape_dimension(planner, ROWS, 0, 0, &rows);
    if (status == HG_OK) {
        status = hg_shape_dimension(planner, COLS, 0, 1, &cols);
    }
    for (unsigned i = 0; status == HG_OK && i < 2; i++) {
        status = hg_shape_need_matrix(planner, i, rows, cols);
    }
    if (status != HG_OK || rows == 0 || cols == 0) {
        return status;
    }
    const struct hg_step step = {
        .cache = HG_CACHE_TRANSPOSE,
        .rows = cols,
        .cols = rows,
        .operands = {use_bits(planner, 0, HG_OPERAND_COMPUTED),
                     use_bits(planner, 1, HG_OPERAND_LANE)},
        .operand_count = 2,
    };
    hg_plan_step(planner, &step);
    return HG_OK;
}

/* ---- concat ---------------------------------------------------------------------------------- */

enum { CONCAT_A, CONCAT_B, CONCAT_OUT };

static void add_concat(struct hg_planner *planner, uint64_t rows, uint64_t a_cols, uint64_t b_cols)
{
    const struct hg_step step = {
        .cache = HG_CACHE_CONCAT,
        .rows = rows,
        .cols = a_cols + b_cols,
        .operands = {use_bits(planner, CONCAT_A, HG_OPERAND_COMPUTED),
                     use_bits(planner, CONCAT_B, HG_OPERAND_COMPUTED),
                     use_bits(planner, CONCAT_OUT, HG_OPERAND_LANE)},
        .operand_count = 3,
        .scalars = {a_cols},
    };
    hg_plan_step(planner, &step);
}

/* Where one part has no elements the other is copied. */
static void add_copy(struct hg_planner *planner, unsigned from, uint64_t n)
{
    const struct hg_step step = {
        .cache = HG_CACHE_COPY,
        .rows = 1,
        .cols = n,
        .operands = {hg_step_use(planner, from, HG_OPERAND_LANE),
                     hg_step_use(planner, CONCAT_OUT, HG_OPERAND_LANE)},
        .operand_count = 2,
    };
    hg_plan_step(planner, &step);
}

enum hg_status hg_plan_concat(struct hg_planner *planner)
{
    enum { ROWS };
    uint64_t rows = hg_plan_given(planner, ROWS) ? planner->call->attribute[ROWS] : 1;
    uint64_t elements[CONCAT_OUT];
    uint64_t total;
    for (unsigned i = CONCAT_A; i <= CONCAT_B; i++) {
        elements[i] = planner->call->operands[i].elements;
        if (rows == 0 || elements[i] % rows != 0) {
            char role[48];
            return hg_plan_refuse(planner, HG_INVALID_ARGUMENT,
                                  "rows: expected a divisor of the %" PRIu64
                                  " elements of %s, got %" PRIu64,
                                  elements[i], hg_plan_role(planner, i, role), rows);
        }
        enum hg_status status = hg_shape_need(planner, i, elements[i], false);
        HG_REQUIRE(status == HG_OK);
    }
    if (!hg_add_u64(elements[CONCAT_A], elements[CONCAT_B], &total)) {
        return hg_plan_refuse(planner, HG_OUT_OF_RANGE, "more elements than can be");
    }
    enum hg_status status = hg_shape_need(planner, CONCAT_OUT, total, false);
    if (status != HG_OK || total == 0) {
        return status;
    }
    if (elements[CONCAT_A] != 0 && elements[CONCAT_B] != 0) {
        add_concat(planner, rows, elements[CONCAT_A] / rows, elements[CONCAT_B] / rows);
    } else {
        add_copy(planner, elements[CONCAT_A] != 0 ? CONCAT_A : CONCAT_B, total);
    }
    return HG_OK;
}

/* ---- gather_rows ----------------------------------------------------------------------------- */

enum { GATHER_TABLE, GATHER_INDICES, GATHER_OUT };

enum hg_status hg_plan_gather_rows(struct hg_planner *planner)
{
    enum { N, ROWS, COLS };
    uint64_t n = hg_shape_count(planner, N, GATHER_INDICES);
    uint64_t rows = 0;
    uint64_t cols = 0;
    enum hg_status status = hg_shape_dimension(planner, ROWS, GATHER_TABLE, 0, &rows);
    if (status == HG_OK) {
        status = hg_shape_dimension(planner, COLS, GATHER_TABLE, 1, &cols);
    }
    if (status == HG_OK) {
        status = hg_shape_need_matrix(planner, GATHER_TABLE, rows, cols);
    }
    if (status == HG_OK) {
        status = hg_shape_need(planner, GATHER_INDICES, n, hg_plan_given(planner, N));
    }
    if (status == HG_OK) {
        status = hg_shape_need_matrix(planner, GATHER_OUT, n, cols);
    }
    if (status != HG_OK || n == 0 || cols == 0) {
        return status;
    }
    const struct hg_step step = {
        .cache = HG_CACHE_GATHER_ROWS,
        .rows = n,
        .cols = cols,
        .operands = {hg_step_use(planner, GATHER_INDICES, HG_OPERAND_PER_ROW),
                     use_bits(planner, GATHER_TABLE, HG_OPERAND_COMPUTED),
                     use_bits(planner, GATHER_OUT, HG_OPERAND_LANE)},
        .operand_count = 3,
        .scalars = {rows},
    };
    hg_plan_step(planner, &step);
    return HG_OK;
}

static int64_t index_at(enum hg_dtype type, const void *indices, uint64_t i)
{
    if (type == HG_I64) {
        int64_t index;
        memcpy(&index, (const uint8_t *)indices + i * sizeof index, sizeof index);
        return index;
    }
    uint32_t bits;
    memcpy(&bits, (const uint8_t *)indices + i * sizeof bits, sizeof bits);
    return type == HG_I32 ? (int64_t)(int32_t)bits : (int64_t)bits;
}

/* Looks for the first index outside: a run stops at one, but tells of an offset. The indices are
 * the program's first operand. */
void hg_explain_gather_rows(const struct hg_key *key, const uint64_t params[HG_PARAM_COUNT],
                            const void *const *operands, unsigned operand_count,
                            struct hg_error *error)
{
    int64_t rows = (int64_t)params[HG_PARAM_TABLE_ROWS];
    HG_REQUIRE(operand_count > 0);
    for (uint64_t i = 0; i < params[HG_PARAM_ROWS]; i++) {
        int64_t index = index_at((enum hg_dtype)key->type[0], operands[0], i);
        if (index < -rows || index >= rows) {
            (void)hg_fail_detail(error, HG_OUT_OF_RANGE, HG_DETAIL_OUT_OF_BOUNDS,
                                 "input indices: element %" PRIu64 " is %" PRId64
                                 ", the table has %" PRId64 " rows",
                                 i, index, rows);
            return;
        }
    }
}
