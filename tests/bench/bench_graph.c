/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expressions as graphs beside numpy, numexpr and eager torch, on one thread: in process, planned
 * once and run often, as a client's handle would. Then what planning costs.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/exec/exec.h"
#include "lib/graph/language.h"
#include "lib/graph/plan.h"
#include "lib/pool/pool.h"
#include "tests/bench/bench.h"
#include "tests/bench/graph_daemon.h"
#include "tests/bench/python_peer.h"

#define ROUNDS      9
#define SIZES       3
#define INPUTS_MAX  3
#define PEERS       3
#define POOL_BYTES  (UINT64_C(1) << 30)
#define TIME_ONE_NS 3000000.0 /* what one measurement should last */

static const char *const peer_names[PEERS] = {"numpy", "numexpr", "torch"};

/* Sizes of inputs: s is the case's size, f 64 features. 's' alone is a vector. */
struct subject {
    const char *name;
    const char *text;
    const char *inputs[INPUTS_MAX]; /* names in the order of their first use, and shapes */
    const char *statements[PEERS];  /* NULL: it has no such expression */
};

static const struct subject subjects[] = {
    {"a*x+y",
     "a * x + y",
     {"a ss", "x ss", "y ss"},
     {"np.multiply(a, x, out=r); np.add(r, y, out=r)", "ne.evaluate('a * x + y', out=r)",
      "torch.addcmul(y, a, x, out=r)"}},
    {"hypot",
     "sqrt(x * x + y * y)",
     {"x ss", "y ss"},
     {"np.sqrt(x * x + y * y, out=r)", "ne.evaluate('sqrt(x * x + y * y)', out=r)",
      "torch.sqrt(x * x + y * y)"}},
    {"bias relu",
     "relu(x * 0.5 + b)",
     {"x ss", "b s"},
     {"np.maximum(x * np.float32(0.5) + b, 0, out=r)",
      "ne.evaluate('where(x * 0.5 + b > 0, x * 0.5 + b, 0)', out=r, casting='unsafe')",
      "torch.relu(x * 0.5 + b)"}},
    {"where",
     "where(x > y, x, y * 0.1)",
     {"x ss", "y ss"},
     {"np.where(x > y, x, y * np.float32(0.1))",
      "ne.evaluate('where(x > y, x, y * 0.1)', out=r, casting='unsafe')",
      "torch.where(x > y, x, y * 0.1)"}},
    {"silu",
     "x * sigmoid(x)",
     {"x ss"},
     {"x / (1 + np.exp(-x))", "ne.evaluate('x / (1 + exp(-x))', out=r, casting='unsafe')",
      "torch.nn.functional.silu(x)"}},
    {"gelu",
     "gelu(x)",
     {"x ss"},
     {"0.5 * x * (1 + np.tanh(np.float32(0.79788456) * (x + np.float32(0.044715) * x * x * x)))",
      "ne.evaluate('0.5 * x * (1 + tanh(0.79788456 * (x + 0.044715 * x * x * x)))', out=r, "
      "casting='unsafe')",
      "torch.nn.functional.gelu(x, approximate='tanh')"}},
    {"mse",
     "mean(square(x - y))",
     {"x ss", "y ss"},
     {"np.mean(np.square(x - y))", "ne.evaluate('sum((x - y) ** 2)') / x.size",
      "torch.nn.functional.mse_loss(x, y)"}},
    {"row dot",
     "sum(x * y, axis=1)",
     {"x ss", "y ss"},
     {"np.einsum('ij,ij->i', x, y)", "ne.evaluate('sum(x * y, axis=1)')", "(x * y).sum(1)"}},
    {"softmax",
     "softmax(x)",
     {"x ss"},
     {"e = np.exp(x - x.max(axis=1, keepdims=True)); e /= e.sum(axis=1, keepdims=True)", NULL,
      "torch.softmax(x, 1)"}},
    {"layer_norm",
     "layer_norm(x, g, b)",
     {"x ss", "g s", "b s"},
     {"d = x - x.mean(axis=1, keepdims=True); "
      "d / np.sqrt((d * d).mean(axis=1, keepdims=True) + np.float32(1e-5)) * g + b",
      NULL, "torch.nn.functional.layer_norm(x, (x.shape[1],), g, b)"}},
    {"dense",
     "relu(x @ w + b)",
     {"x sf", "w ff", "b f"},
     {"np.maximum(x @ w + b, 0)", NULL, "torch.relu(torch.addmm(b, x, w))"}},
    {"attention",
     "softmax(q @ k.T * 0.125) @ v",
     {"q sf", "k sf", "v sf"},
     {"t = q @ k.T * np.float32(0.125); t = np.exp(t - t.max(axis=1, keepdims=True)); "
      "(t / t.sum(axis=1, keepdims=True)) @ v",
      NULL, "torch.softmax(q @ k.T * 0.125, 1) @ v"}},
};
#define SUBJECT_COUNT (sizeof subjects / sizeof subjects[0])

/* Beside the twelve: reductions over the first axis. */
static const struct subject columns[] = {
    {"column sum",
     "sum(x, axis=0)",
     {"x ss"},
     {"x.sum(axis=0)", "ne.evaluate('sum(x, axis=0)')", "x.sum(0)"}},
    {"column var",
     "var(x, axis=0)",
     {"x ss"},
     {"x.var(axis=0)", NULL, "torch.var(x, 0, correction=0)"}},
    {"column max",
     "max(x, axis=0)",
     {"x ss"},
     {"x.max(axis=0)", "ne.evaluate('max(x, axis=0)')", "x.amax(0)"}},
    {"column argmax", "argmax(x, axis=0)", {"x ss"}, {"x.argmax(axis=0)", NULL, "x.argmax(0)"}},
    {"column sum of 64", "sum(x, axis=0)", {"x sf"}, {"x.sum(axis=0)", NULL, "x.sum(0)"}},
    {"column softmax",
     "softmax(x, axis=0)",
     {"x ss"},
     {"e = np.exp(x - x.max(axis=0)); e /= e.sum(axis=0)", NULL, "torch.softmax(x, 0)"}},
};

static struct hg_pool *pool;

static const uint64_t sizes[SIZES] = {64, 256, 1024};
#define FEATURES 64

/* A subject at a size, ready to run. */
struct contest {
    struct hg_graph *graph;
    struct hg_graph_plan *plan;
    struct hg_graph_binding bindings[INPUTS_MAX];
    uint32_t input_count;
    struct hg_block inputs[INPUTS_MAX];
    struct hg_block output;
    struct hg_block arena;
    int statements[PEERS];
};

static void require(enum hg_status status, const struct hg_error *error)
{
    if (status != HG_OK) {
        fprintf(stderr, "bench: %s: %s\n", hg_status_name(status), error->message);
        exit(1);
    }
}

/* Memory as the daemon's buffers have it. */
static struct hg_block allocate(uint64_t bytes)
{
    struct hg_error error = HG_ERROR_INIT;
    struct hg_block block;
    require(hg_pool_acquire(pool, HG_POOL_HEAP, bytes, false, &block, &error), &error);
    memset(block.base, 0, bytes);
    return block;
}

static void make_input(struct contest *contest, uint32_t index, const char *shape, uint64_t size)
{
    struct hg_graph_binding *binding = &contest->bindings[index];
    *binding = (struct hg_graph_binding){.type = HG_F32};
    uint64_t elements = 1;
    for (const char *c = shape; *c != '\0'; c++) {
        uint64_t length = *c == 's' ? size : FEATURES;
        binding->shape.size[binding->shape.rank++] = length;
        elements *= length;
    }
    contest->inputs[index] = allocate(elements * sizeof(float));
    float *values = contest->inputs[index].base;
    for (uint64_t i = 0; i < elements; i++) {
        values[i] = (float)((double)(i * 7919 % 1000) * 0.004 - 2);
    }
}

static void make_plan(struct contest *contest, const struct subject *subject)
{
    struct hg_error error = HG_ERROR_INIT;
    struct hg_plan_options options = {.rules = HG_FUSION_RULES_ALL};
    require(hg_language_parse(subject->text, strlen(subject->text), &contest->graph, &error),
            &error);
    require(hg_graph_plan(contest->graph, contest->bindings, contest->input_count, &options,
                          &contest->plan, &error),
            &error);
}

static void make_contest(struct contest *contest, const struct subject *subject, uint64_t size)
{
    memset(contest, 0, sizeof *contest);
    for (uint32_t i = 0; i < INPUTS_MAX && subject->inputs[i] != NULL; i++) {
        make_input(contest, i, strchr(subject->inputs[i], ' ') + 1, size);
        contest->input_count++;
    }
    make_plan(contest, subject);
    struct hg_graph_binding output;
    uint64_t elements = 0;
    hg_graph_plan_output(contest->plan, 0, &output);
    if (!hg_ir_elements(&output.shape, &elements)) {
        exit(1);
    }
    contest->output = allocate(elements * hg_dtype_bytes(output.type));
    contest->arena = allocate(contest->plan->arena_bytes);
}

static void free_contest(struct contest *contest)
{
    for (uint32_t i = 0; i < contest->input_count; i++) {
        hg_pool_release(pool, &contest->inputs[i]);
    }
    hg_pool_release(pool, &contest->output);
    hg_pool_release(pool, &contest->arena);
    hg_graph_plan_destroy(&contest->plan);
    hg_graph_destroy(&contest->graph);
}

/* ---- ours ------------------------------------------------------------------------------------ */

static struct hg_operand operand_of(const struct contest *contest,
                                    const struct hg_plan_operand *operand)
{
    uint8_t *base = operand->place == HG_PLACE_INPUT    ? contest->inputs[operand->index].base
                    : operand->place == HG_PLACE_OUTPUT ? contest->output.base
                                                        : contest->arena.base;
    base += operand->place == HG_PLACE_ARENA ? operand->offset : 0;
    return (struct hg_operand){base, operand->bytes, true};
}

static void run_ours(const struct contest *contest)
{
    struct hg_error error = HG_ERROR_INIT;
    for (uint32_t i = 0; i < contest->plan->launch_count; i++) {
        const struct hg_plan_launch *launch = &contest->plan->launches[i];
        struct hg_launch run = {.program = launch->program,
                                .operand_count = launch->operand_count,
                                .first_class = -1,
                                .executor = HG_EXECUTOR_NATIVE};
        memcpy(run.params, launch->params, sizeof run.params);
        for (unsigned k = 0; k < launch->operand_count; k++) {
            run.operands[k] = operand_of(contest, &launch->operands[k]);
        }
        require(hg_exec_launch(&run, &error), &error);
    }
}

static double time_ours(const struct contest *contest, unsigned times)
{
    uint64_t begin = bench_now_ns();
    for (unsigned i = 0; i < times; i++) {
        run_ours(contest);
    }
    return (double)(bench_now_ns() - begin) / times;
}

/* ---- theirs ---------------------------------------------------------------------------------- */

static void add_statements(struct contest *contest, const struct subject *subject,
                           struct python_peer *peer)
{
    static const char *const imports[PEERS] = {"import numpy as np", "import numexpr as ne",
                                               ("import torch\ntorch.set_grad_enabled(False)\n"
                                                "torch.set_num_threads(1)")};
    for (unsigned p = 0; p < PEERS; p++) {
        contest->statements[p] = -1;
        if (subject->statements[p] == NULL || peer == NULL) {
            continue;
        }
        char setup[2048];
        int length = snprintf(setup, sizeof setup, "import numpy as np\n%s\n", imports[p]);
        const struct hg_ir_shape *first = &contest->bindings[0].shape;
        for (uint32_t i = 0; i <= contest->input_count; i++) {
            const struct hg_ir_shape *shape =
                i < contest->input_count ? &contest->bindings[i].shape : first;
            const char *name = i < contest->input_count ? subject->inputs[i] : "r";
            bool matrix = shape->rank > 1;
            uint64_t rows = matrix ? shape->size[0] : 1;
            uint64_t cols = matrix ? shape->size[1] : shape->size[0];
            length += snprintf(setup + length, sizeof setup - (size_t)length,
                               "%.1s = np.arange(%" PRIu64 ", dtype=np.int64) * 7919 %% 1000\n"
                               "%.1s = (%.1s * 0.004 - 2).astype(np.float32)\n"
                               "%.1s = %.1s.reshape(%" PRIu64 ", %" PRIu64 ")%s\n"
                               "%.1s = %s(%.1s)\n",
                               name, rows * cols, name, name, name, name, rows, cols,
                               matrix ? "" : "[0]", name, p == 2 ? "torch.from_numpy" : "", name);
        }
        contest->statements[p] = python_peer_add(peer, setup, subject->statements[p]);
    }
}

static unsigned times_for(double one_ns)
{
    double times = TIME_ONE_NS / (one_ns + 1);
    return times < 1 ? 1 : times > 20000 ? 20000 : (unsigned)times;
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* Gives our time over the best of theirs, 0 if there is none. */
static double contest_row(const struct subject *subject, uint64_t size, struct python_peer *peer)
{
    struct contest contest;
    make_contest(&contest, subject, size);
    add_statements(&contest, subject, peer);
    double ours[ROUNDS];
    double theirs[PEERS][ROUNDS];
    unsigned our_times = times_for(time_ours(&contest, 3));
    unsigned times[PEERS] = {0};
    for (unsigned p = 0; p < PEERS; p++) {
        if (contest.statements[p] >= 0) {
            times[p] = times_for(python_peer_time(peer, contest.statements[p], 3));
        }
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        ours[round] = time_ours(&contest, our_times);
        for (unsigned p = 0; p < PEERS; p++) {
            theirs[p][round] =
                times[p] != 0 ? python_peer_time(peer, contest.statements[p], times[p]) : INFINITY;
        }
    }
    double value = bench_median(ours, ROUNDS);
    double best = INFINITY;
    for (unsigned p = 0; p < PEERS; p++) {
        double median = bench_median(theirs[p], ROUNDS);
        best = median < best ? median : best;
        if (times[p] != 0) {
            char name[96];
            snprintf(name, sizeof name, "%s n=%llu vs %s", subject->name, (unsigned long long)size,
                     peer_names[p]);
            bench_row(name, value / 1000, "us", median / 1000, value / median);
        }
    }
    free_contest(&contest);
    return isfinite(best) ? value / best : 0;
}

/* From text and shapes to launches, programs and their verification included. */
static void plan_row(const struct subject *subject)
{
    struct contest contest;
    make_contest(&contest, subject, sizes[0]);
    double plans[201];
    for (unsigned i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        hg_graph_plan_destroy(&contest.plan);
        hg_graph_destroy(&contest.graph);
        uint64_t begin = bench_now_ns();
        make_plan(&contest, subject);
        plans[i] = (double)(bench_now_ns() - begin) / 1000;
    }
    char name[96];
    snprintf(name, sizeof name, "plan %s p50", subject->name);
    bench_plain(name, bench_median(plans, sizeof plans / sizeof plans[0]), "us");
    free_contest(&contest);
}

int main(void)
{
    struct hg_error error = HG_ERROR_INIT;
    const struct hg_pool_options options = {.heap_bytes_max = POOL_BYTES};
    bench_begin("graph");
    require(hg_pool_create(&options, &pool, &error), &error);
    struct python_peer *peer = python_peer_start(1);
    printf("%s\n", peer != NULL ? python_peer_settings() : "no Python: no peers");
    struct python_peer *parallel = python_peer_start(2);
    bench_graph_daemon(parallel);
    python_peer_stop(&parallel);
    double logarithms = 0;
    double worst = 0;
    unsigned count = 0;
    for (size_t i = 0; i < SUBJECT_COUNT; i++) {
        for (unsigned k = 0; k < SIZES; k++) {
            double ratio = contest_row(&subjects[i], sizes[k], peer);
            if (ratio > 0) {
                logarithms += log(ratio);
                worst = ratio > worst ? ratio : worst;
                count++;
            }
        }
    }
    if (count > 0) {
        bench_row("geomean vs best", exp(logarithms / count), "of best", 1,
                  exp(logarithms / count));
        bench_row("worst vs best", worst, "of best", 1, worst);
    }
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
        for (unsigned k = 0; k < SIZES; k++) {
            (void)contest_row(&columns[i], sizes[k], peer);
        }
    }
    for (size_t i = 0; i < SUBJECT_COUNT; i++) {
        plan_row(&subjects[i]);
    }
    bench_floors();
    python_peer_stop(&peer);
    hg_pool_destroy(&pool);
    hg_exec_release_cached();
    return bench_end();
}
