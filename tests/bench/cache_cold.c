/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first call of an operation: miss, build, insert, first run with n = 256, all through the
 * plan that the engine makes; and how much memory 4,096 programs take, and their native code.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/exec/exec.h"
#include "tests/bench/bench.h"
#include "tests/bench/cache_parts.h"
#include "tests/ops/op_call.h"

enum { CALLS = 1000, ELEMENTS_MAX = 64 * 64, RESIDENT = 4096 };

static float memory[HG_OP_OPERANDS_MAX][ELEMENTS_MAX];

struct subject {
    const char *name;
    enum hg_op_id op;
    uint64_t side;    /* of a square product; 0 = vectors of 256 */
    double target_us; /* p50 of the whole */
};

static const struct subject subjects[] = {
    {"vector_add", HG_OP_ID_VECTOR_ADD, 0, 5},
    {"vector_mul", HG_OP_ID_VECTOR_MUL, 0, 5},
    {"vector_div", HG_OP_ID_VECTOR_DIV, 0, 5},
    {"max", HG_OP_ID_MAX, 0, 5},
    {"abs", HG_OP_ID_ABS, 0, 5},
    {"relu", HG_OP_ID_RELU, 0, 5},
    {"clip", HG_OP_ID_CLIP, 0, 5},
    {"scalar_mul", HG_OP_ID_SCALAR_MUL, 0, 5},
    {"sum", HG_OP_ID_SUM, 0, 5},
    {"copy", HG_OP_ID_COPY, 0, 5},
    {"sigmoid", HG_OP_ID_SIGMOID, 0, 10},
    {"tanh", HG_OP_ID_TANH, 0, 10},
    {"gelu", HG_OP_ID_GELU, 0, 10},
    {"softmax", HG_OP_ID_SOFTMAX, 0, 10},
    {"mse", HG_OP_ID_MSE, 0, 10},
    {"cross_entropy", HG_OP_ID_CROSS_ENTROPY, 0, 10},
    {"binary_cross_entropy", HG_OP_ID_BINARY_CROSS_ENTROPY, 0, 10},
    {"gemm 16x16x16", HG_OP_ID_GEMM, 16, 25},
    {"gemm 64x64x64", HG_OP_ID_GEMM, 64, 25},
};

static void require(enum hg_status status, const struct hg_error *error)
{
    if (status != HG_OK) {
        (void)fprintf(stderr, "bench_cache: %s\n", error->message);
        exit(1);
    }
}

static enum hg_status build(const struct hg_key *key, void *context, struct hg_program **program,
                            struct hg_error *error)
{
    (void)context;
    return hg_op_build(key, program, error);
}

static struct hg_op_call make_call(const struct subject *subject)
{
    struct hg_op_call call = op_call(subject->op, HG_F32, 256);
    op_set_required(&call);
    if (subject->side != 0) {
        op_shape_product(&call, subject->side, subject->side, subject->side);
    }
    for (unsigned i = 0; i < call.operand_count; i++) {
        call.operands[i].base = memory[i];
    }
    return call;
}

struct cold {
    double build_us; /* miss, build and insert */
    double total_us;
};

static struct cold call_once(struct hg_cache *cache, const struct hg_op_call *call)
{
    struct hg_plan plan;
    struct hg_error error = HG_ERROR_INIT;
    struct cold cold = {0, 0};
    hg_cache_flush(cache);
    require(hg_op_plan(call, &plan, &error), &error);
    for (uint32_t i = 0; i < plan.step_count; i++) {
        struct hg_cache_loan loan;
        uint64_t start_ns = bench_now_ns();
        require(hg_cache_borrow(cache, &plan.steps[i].key, build, NULL, &loan, NULL, &error),
                &error);
        uint64_t built_ns = bench_now_ns();
        struct hg_launch launch = bench_cache_launch(&plan.steps[i], call, loan.program, NULL);
        require(hg_exec_launch(&launch, &error), &error);
        cold.build_us += (double)(built_ns - start_ns) / 1e3;
        cold.total_us += (double)(bench_now_ns() - start_ns) / 1e3;
        hg_cache_return(&loan);
    }
    return cold;
}

/* Gives the median of build and insert. */
static double measure(struct hg_cache *cache, const struct subject *subject)
{
    static double build_us[CALLS];
    static double run_us[CALLS];
    static double total_us[CALLS];
    struct hg_op_call call = make_call(subject);
    for (size_t i = 0; i < CALLS; i++) {
        struct cold cold = call_once(cache, &call);
        build_us[i] = cold.build_us;
        run_us[i] = cold.total_us - cold.build_us;
        total_us[i] = cold.total_us;
    }
    char name[80];
    double median = bench_median(total_us, CALLS);
    double build_median = bench_median(build_us, CALLS);
    (void)snprintf(name, sizeof name, "cold %s p50", subject->name);
    bench_row(name, median, "us", subject->target_us, median / subject->target_us);
    (void)snprintf(name, sizeof name, "cold %s p99", subject->name);
    bench_plain(name, bench_quantile(total_us, CALLS, 0.99), "us");
    (void)snprintf(name, sizeof name, "cold %s, build and insert p50", subject->name);
    bench_plain(name, build_median, "us");
    (void)snprintf(name, sizeof name, "cold %s, first run p50", subject->name);
    bench_plain(name, bench_median(run_us, CALLS), "us");
    return build_median;
}

/* What the native code of the resident programs takes. */
struct native_sizes {
    uint64_t total;
    size_t count; /* of bytes */
    double bytes[RESIDENT];
};

/* Has native code made for PROGRAM, unless it has some. */
static void add_native(const struct hg_program *program, struct native_sizes *sizes)
{
    if (atomic_load_explicit(&program->native, memory_order_acquire) != NULL) {
        return;
    }
    uint64_t before = hg_program_bytes(program);
    hg_exec_prepare(program, HG_EXECUTOR_NATIVE, HG_FP_IEEE);
    uint64_t bytes = hg_program_bytes(program) - before;
    sizes->total += bytes;
    if (sizes->count < RESIDENT) {
        sizes->bytes[sizes->count++] = (double)bytes;
    }
}

/* Puts the programs of operation ID on TYPE in Φ form into CACHE: other classes of the boundary
 * pool are another program. */
static void keep_phi_form(struct hg_cache *cache, enum hg_op_id id, enum hg_dtype type,
                          unsigned round, struct native_sizes *sizes)
{
    struct hg_plan plan;
    struct hg_error error = HG_ERROR_INIT;
    struct hg_op_call call = op_call(id, type, 100);
    op_set_required(&call);
    if (id == HG_OP_ID_GEMM || id == HG_OP_ID_LINEAR) {
        op_shape_product(&call, 8, 8, 8);
    } else if (id == HG_OP_ID_MATVEC) {
        op_shape_product(&call, 8, 8, 1);
    } else if (op_has_shapes(call.op)) {
        op_shape_lanes(&call, 100);
    }
    for (unsigned i = 0; i < call.operand_count; i++) {
        call.operands[i].boundary_class = (int)((round + 5 * i) % HG_CLASS_COUNT);
    }
    require(hg_op_plan(&call, &plan, &error), &error);
    for (uint32_t i = 0; i < plan.step_count; i++) {
        struct hg_cache_pin pin;
        require(hg_cache_acquire(cache, &plan.steps[i].key, build, NULL, &pin, NULL, &error),
                &error);
        add_native(pin.program, sizes);
        hg_cache_release(cache, &pin);
    }
}

/* Every operation on every type in turn, until there are as many programs as wanted. */
static void measure_resident(void)
{
    static struct native_sizes sizes;
    uint64_t before = hg_alloc_live_bytes(HG_TAG_PROGRAM) + hg_alloc_live_bytes(HG_TAG_CACHE);
    struct hg_cache *cache = bench_cache_new(RESIDENT);
    for (unsigned round = 0; hg_cache_entries(cache) < RESIDENT; round++) {
        for (unsigned id = 0; id < HG_OP_ID_COUNT; id++) {
            for (unsigned type = 0; type < HG_DTYPE_COUNT; type++) {
                if (hg_dtype_in((enum hg_dtype)type, hg_op_info((enum hg_op_id)id)->dtypes)) {
                    keep_phi_form(cache, (enum hg_op_id)id, (enum hg_dtype)type, round, &sizes);
                }
            }
        }
    }
    hg_cache_reclaim(cache);
    uint64_t after = hg_alloc_live_bytes(HG_TAG_PROGRAM) + hg_alloc_live_bytes(HG_TAG_CACHE);
    bench_row("4096 resident bytes", (double)(after - before), "B", 1e6,
              (double)(after - before) / 1e6);
    bench_row("4096 resident native bytes", (double)sizes.total, "B", 3e6,
              (double)sizes.total / 3e6);
    bench_plain("native bytes of a program, median", bench_median(sizes.bytes, sizes.count), "B");
    hg_cache_destroy(&cache);
}

void bench_cache_cold(struct bench_cache_costs *costs)
{
    struct hg_cache *cache = bench_cache_new(RESIDENT);
    for (unsigned i = 0; i < HG_OP_OPERANDS_MAX; i++) {
        for (unsigned j = 0; j < ELEMENTS_MAX; j++) {
            memory[i][j] = (float)(j % 7) / 8 + 0.1f;
        }
    }
    for (size_t i = 0; i < HG_ARRAY_COUNT(subjects); i++) {
        double build_us = measure(cache, &subjects[i]);
        if (subjects[i].op == HG_OP_ID_RELU) {
            costs->relu_us = build_us;
        } else if (subjects[i].op == HG_OP_ID_GEMM && subjects[i].side == 16) {
            costs->gemm_us = build_us;
        }
    }
    hg_cache_destroy(&cache);
    measure_resident();
}
