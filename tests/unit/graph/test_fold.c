/* SPDX-License-Identifier: Apache-2.0 */
/* Reductions over the first axis: their order is the one that is written down, for every type and
 * size, and they are done so where lanes lie side by side. */
#include "tests/unit/graph/support.h"

#define SLICES HG_FOLD_PARTS_MAX

struct reduction {
    const char *name;
    float (*fold)(float a, float b);
};

static float add(float a, float b)
{
    return a + b;
}

static float multiply(float a, float b)
{
    return a * b;
}

/* What is folded has no NaN and no zeros of two signs: fminf and fmaxf do. */
static const struct reduction reductions[] = {
    {"sum", add}, {"prod", multiply}, {"min", fminf}, {"max", fmaxf}};

/* Row I of the first COUNT slices of ROWS rows, each of LANES, folded from the first slice on. */
static void fold_slices(const struct reduction *reduction, const float *from, uint64_t count,
                        uint64_t lanes, float *to)
{
    for (uint64_t lane = 0; lane < lanes; lane++) {
        float folded = from[lane];
        for (uint64_t i = 1; i < count; i++) {
            folded = reduction->fold(folded, from[i * lanes + lane]);
        }
        to[lane] = folded;
    }
}

/* The order as fold.c describes it, by recursion: LANES results of ROWS rows. */
static void fold_rows(const struct reduction *reduction, const float *from, uint64_t rows,
                      uint64_t lanes, float *to)
{
    if (rows <= SLICES) {
        fold_slices(reduction, from, rows, lanes, to);
        return;
    }
    uint64_t slice = rows / SLICES;
    uint64_t rest = rows % SLICES;
    float *parts = malloc((slice + 1) * lanes * sizeof *parts);
    assert_non_null(parts);
    float *left = parts + slice * lanes;
    fold_slices(reduction, from, SLICES, slice * lanes, parts);
    fold_rows(reduction, parts, slice, lanes, to);
    if (rest > 0) {
        fold_slices(reduction, from + (rows - rest) * lanes, rest, lanes, left);
        for (uint64_t lane = 0; lane < lanes; lane++) {
            to[lane] = reduction->fold(to[lane], left[lane]);
        }
    }
    free(parts);
}

static void compare(const struct reduction *reduction, uint64_t rows, uint64_t cols)
{
    char text[96];
    snprintf(text, sizeof text, "x: f32[%d, %d]; y = %s(x, axis=0)", (int)rows, (int)cols,
             reduction->name);
    uint64_t state = 1 + rows * 31 + cols;
    const uint64_t sizes[] = {rows, cols};
    struct tensor x = tensor_random(HG_F32, 2, sizes, &state);
    float *wanted = malloc(cols * sizeof *wanted);
    assert_non_null(wanted);
    fold_rows(reduction, x.data, rows, cols, wanted);
    for (unsigned rules = 0; rules < 2; rules++) {
        struct tensor outputs[HG_GRAPH_OUTPUTS_MAX] = {{.data = NULL}};
        uint32_t launches;
        assert_int_equal(
            run_text(text, &x, 1, rules == 0 ? 0 : HG_FUSION_RULES_ALL, outputs, &launches), 1);
        if (memcmp(outputs[0].data, wanted, cols * sizeof *wanted) != 0) {
            fail_msg("%s: another order", text);
        }
        free(outputs[0].data);
    }
    free(wanted);
    free(x.data);
}

/* The bits are those of the order that is written down, with every number of slices and of rows
 * that are left, and more rounds than one. */
static void the_order_is_the_documented_one(void **state)
{
    (void)state;
    static const uint64_t rows[] = {2,   3,    31,   32,   33,   63,   64,   65,
                                    100, 1023, 1024, 1056, 1057, 1797, 40000};
    static const uint64_t cols[] = {2, 3, 16, 64, 100};
    for (size_t i = 0; i < sizeof reductions / sizeof reductions[0]; i++) {
        for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
            for (size_t c = 0; c < sizeof cols / sizeof cols[0]; c++) {
                compare(&reductions[i], rows[r], cols[c]);
            }
        }
    }
}

/* A sum of 100,000 rows is as right as 3 * 32 roundings are. */
static void errors_stay_small(void **state)
{
    (void)state;
    const uint64_t sizes[] = {100000, 2};
    struct tensor x = tensor_new(HG_F32, 2, sizes);
    for (uint64_t i = 0; i < x.elements; i++) {
        tensor_set(&x, i, 0.1);
    }
    struct tensor outputs[HG_GRAPH_OUTPUTS_MAX] = {{.data = NULL}};
    uint32_t launches;
    assert_int_equal(run_text("y = sum(x, axis=0)", &x, 1, HG_FUSION_RULES_ALL, outputs, &launches),
                     1);
    double exact = 100000 * (double)0.1f;
    for (uint64_t i = 0; i < 2; i++) {
        double error = fabs(tensor_get(&outputs[0], i) - exact);
        assert_true(error <= 4 * SLICES * 0x1p-24 * exact);
    }
    free(outputs[0].data); /* NOLINT(clang-analyzer-unix.Malloc): there is one output */
    free(x.data);
}

struct place {
    const char *text;
    uint32_t folds; /* nodes of the plan that are FOLDs */
};

static uint32_t count_folds(const char *text)
{
    char source[160];
    snprintf(source, sizeof source,
             "x: f32[40, 6]; h: f16[40, 6]; t: f32[4, 5, 6]; i: i32[40, 6]; y = %s; return y",
             text);
    struct hg_graph *graph = parse_text(source);
    static const struct hg_graph_binding bindings[] = {{HG_F32, {2, {40, 6}}},
                                                       {HG_F16, {2, {40, 6}}},
                                                       {HG_F32, {3, {4, 5, 6}}},
                                                       {HG_I32, {2, {40, 6}}}};
    struct hg_graph_plan *plan = NULL;
    struct hg_error error = HG_ERROR_INIT;
    struct hg_plan_options options = {.rules = HG_FUSION_RULES_ALL};
    if (hg_graph_plan(graph, bindings, 4, &options, &plan, &error) != HG_OK) {
        fail_msg("%s: %s", source, error.message);
        abort(); /* not reached: says so to analysers */
    }
    uint32_t folds = 0;
    for (uint32_t i = 0; i < plan->ir->count; i++) {
        folds += plan->ir->nodes[i].kind == HG_GRAPH_KIND_FOLD ? 1 : 0;
    }
    hg_graph_plan_destroy(&plan);
    hg_graph_destroy(&graph);
    return folds;
}

/* The first axis of every kind of reduction and type is folded; others, and rows, are not. */
static void only_first_axes_fold(void **state)
{
    (void)state;
    static const struct place places[] = {
        {"sum(x, axis=0)", 2},
        {"sum(x, axis=-2)", 2},
        {"max(i, axis=0)", 2},
        {"prod(h, axis=0)", 2},
        {"mean(x, axis=0)", 2},
        {"var(x, axis=0)", 4},
        {"argmax(x, axis=0)", 4},
        {"softmax(h, axis=0)", 4},
        {"sum(t, axis=0)", 1},
        {"sum(t.reshape(1, 4, 30), axis=1)", 1},
        {"sum(x, axis=1)", 0},
        {"sum(x)", 0},
        {"sum(t, axis=1)", 0},
        {"sum(x.T, axis=0)", 0},
        {"sum(x.T.T, axis=0)", 2},
        {"sum(x.reshape(240, 1), axis=0)", 0},
        {"sum(x.reshape(1, 240), axis=0)", 0},
    };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        uint32_t folds = count_folds(places[i].text);
        if (folds != places[i].folds) {
            fail_msg("%s: %u folds, expected %u", places[i].text, folds, places[i].folds);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_is_the_documented_one),
        cmocka_unit_test(errors_stay_small),
        cmocka_unit_test(only_first_axes_fold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
