/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The op matrix: every operation but those whose operands have shapes of their own
 * (test_products.c, test_movement.c) × its types × sizes around
 * every boundary × heap and boundary buffers × fusion × specialisation × executors. One result is
 * judged by the oracle; every other way to run must give the same bits.
 *
 * The quick form leaves out sizes around other types' blocks and the reference executor for large
 * sizes; HG_FULL=1 runs all of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/ops/op_run.h"

#define LARGE 100003

static const uint64_t block_sizes[] = {1536, 3072, 6144, 12288};

static bool full_matrix(void)
{
    return getenv("HG_FULL") != NULL;
}

static void run_size(enum hg_op_id id, enum hg_dtype type, uint64_t n, bool with_reference)
{
    struct op_random random = {.state = 0x9e3779b97f4a7c15u ^ n ^ (uint64_t)id << 32 ^
                                        (uint64_t)type << 40};
    struct hg_op_call call = op_call(id, type, n);
    op_set_required(&call);
    if (!call.op->elementwise && call.op->inputs > 0) {
        /* Three elements of output, of which one is written. */
        op_operand_vector(&call.operands[call.op->inputs], 3);
    }
    struct op_case op_case;
    op_case_init(&op_case, &call, &random);
    op_case_all_ways(&op_case, with_reference);
    op_case_fini(&op_case);
}

/* True if N elements are nothing that the operation accepts. */
static bool refuses(enum hg_op_id id, uint64_t n)
{
    const struct hg_op *op = hg_op_info(id);
    return n == 0 && !op->elementwise && id != HG_OP_ID_SUM && id != HG_OP_ID_FILL;
}

static void run_type(enum hg_op_id id, enum hg_dtype type)
{
    static const uint64_t small[] = {0, 1, 2, 15, 16, 17};
    uint64_t own_block = HG_BLOCK_BYTES / hg_dtype_bytes(type);
    for (size_t i = 0; i < sizeof small / sizeof small[0]; i++) {
        if (!refuses(id, small[i])) {
            run_size(id, type, small[i], true);
        }
    }
    for (size_t i = 0; i < sizeof block_sizes / sizeof block_sizes[0]; i++) {
        if (!full_matrix() && block_sizes[i] != own_block && block_sizes[i] != 3072) {
            continue;
        }
        for (uint64_t n = block_sizes[i] - 1; n <= block_sizes[i] + 1; n++) {
            bool interesting = n == own_block + 1 && type % 3 == (unsigned)id % 3;
            run_size(id, type, n, full_matrix() || interesting);
        }
    }
    if (full_matrix() || type == HG_F32) {
        run_size(id, type, LARGE, full_matrix());
    }
}

/* One operation over all its types; the operation is the initial state. */
static void operation_is_right_in_every_way(void **state)
{
    const enum hg_op_id id = *(const enum hg_op_id *)*state;
    for (unsigned type = 0; type < HG_DTYPE_COUNT; type++) {
        if (hg_dtype_in((enum hg_dtype)type, hg_op_info(id)->dtypes)) {
            run_type(id, (enum hg_dtype)type);
        }
    }
}

int main(void)
{
    static enum hg_op_id ids[HG_OP_ID_COUNT];
    struct CMUnitTest tests[HG_OP_ID_COUNT] = {{0}};
    size_t count = 0;
    for (unsigned id = 0; id < HG_OP_ID_COUNT; id++) {
        if (!op_has_shapes(hg_op_info((enum hg_op_id)id))) {
            tests[count].name = hg_op_info((enum hg_op_id)id)->name;
            tests[count].test_func = operation_is_right_in_every_way;
            ids[id] = (enum hg_op_id)id;
            tests[count++].initial_state = &ids[id];
        }
    }
    return _cmocka_run_group_tests("ops", tests, count, NULL, NULL);
}
