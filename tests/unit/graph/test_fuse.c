/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of fusion, one by one: each saves launches where it applies, and none where its guard
 * forbids it; results are the same with any set of them. */
#include "lib/graph/explain.h"
#include "tests/unit/graph/support.h"

#define INPUT_COUNT 4

struct rule_case {
    enum hg_fusion_rule rule;
    const char *applies;   /* fewer launches with the rule than without */
    const char *forbidden; /* its guard keeps these apart, in */
    uint32_t launches;
    const char *reason; /* why, in the explanation */
};

static const struct rule_case cases[] = {
    {HG_FUSION_RULE_MAP_LANES, "exp(x) + 1", "y = exp(x); z = y.T + 1", 2,
     "it reads elements that other lanes compute"},
    {HG_FUSION_RULE_MAP_LANES, "exp(r) * 2", "y = exp(r) + x", 2, "it has another number of lanes"},
    {HG_FUSION_RULE_MAP_LANES, "exp(x) + 1", "sum(exp(x), axis=0)", 2,
     "it has another number of lanes"},
    {HG_FUSION_RULE_MAP_ROWS, "sqrt(sum(x, axis=1))", "sum(x.reshape(2, 2, 4), axis=2) + s", 2,
     "an input is not one value per row"},
    {HG_FUSION_RULE_REDUCE_LANES, "sum(exp(x), axis=1)", "relu(a @ x) .sum(axis=1)", 2,
     "it reduces rows of a product, whose tiles are no whole rows"},
    {HG_FUSION_RULE_REDUCE_LANES, "max(abs(x), axis=1)", "max(sum(x, axis=1))", 2,
     "it folds a value per row"},
    {HG_FUSION_RULE_REDUCE_LANES, "sum(exp(x))", "sum(softmax(x))", 2,
     "its rows have another length"},
    {HG_FUSION_RULE_EPILOGUE, "relu(a @ x + r)", "a @ x + (a @ x).T", 2,
     "it reads elements that other lanes compute"},
    {HG_FUSION_RULE_MERGE, "exp(x) + tanh(x)", "exp(x) + tanh(a @ x)", 2,
     "nothing before it is computed"},
    {HG_FUSION_RULE_MERGE, "x[0] + exp(r)", "x[0] + softmax(r)", 2,
     "nothing before it is computed"},
};

static void make_inputs(struct tensor inputs[INPUT_COUNT])
{
    uint64_t state = 7;
    inputs[0] = tensor_random(HG_F32, 2, (const uint64_t[]){4, 4}, &state);
    inputs[1] = tensor_random(HG_F32, 1, (const uint64_t[]){4}, &state);
    inputs[2] = tensor_random(HG_F32, 2, (const uint64_t[]){4, 4}, &state);
    inputs[3] = tensor_random(HG_F32, 1, (const uint64_t[]){2}, &state);
}

/* Launches of EXPRESSION by RULES, and the bits of its first result. */
static uint32_t launches_of(const char *expression, uint32_t rules, struct tensor *result)
{
    char text[512];
    snprintf(text, sizeof text, "x: f32[4, 4]; r: f32[4]; a: f32[4, 4]; s: f32[2]\n%s", expression);
    struct tensor inputs[INPUT_COUNT];
    make_inputs(inputs);
    struct tensor outputs[HG_GRAPH_OUTPUTS_MAX];
    uint32_t launches;
    uint32_t count = run_text(text, inputs, INPUT_COUNT, rules, outputs, &launches);
    *result = outputs[0];
    for (uint32_t i = 1; i < count; i++) {
        free(outputs[i].data);
    }
    for (unsigned i = 0; i < INPUT_COUNT; i++) {
        free(inputs[i].data);
    }
    return launches;
}

static void assert_same_bits(const struct tensor *a, const struct tensor *b)
{
    assert_int_equal(tensor_bytes(a), tensor_bytes(b));
    assert_memory_equal(a->data, b->data, tensor_bytes(a));
}

static uint32_t compare(const char *expression, uint32_t without)
{
    struct tensor with_it;
    struct tensor without_it;
    uint32_t all = launches_of(expression, HG_FUSION_RULES_ALL, &with_it);
    uint32_t fewer_rules =
        launches_of(expression, HG_FUSION_RULES_ALL & ~(1u << without), &without_it);
    assert_same_bits(&with_it, &without_it);
    free(with_it.data);
    free(without_it.data);
    return fewer_rules - all;
}

/* Every rule of the table saves a launch in its first text, and none in what its guard forbids. */
static void rules_apply_and_are_guarded(void **state)
{
    (void)state;
    bool covered[HG_FUSION_RULE_COUNT] = {false};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        covered[cases[i].rule] = true;
        if (compare(cases[i].applies, cases[i].rule) == 0) {
            fail_msg("%s: the rule saves nothing", cases[i].applies);
        }
        struct tensor result;
        uint32_t launches = launches_of(cases[i].forbidden, HG_FUSION_RULES_ALL, &result);
        if (launches != cases[i].launches) {
            fail_msg("%s: %u launches, expected %u", cases[i].forbidden, launches,
                     cases[i].launches);
        }
        free(result.data);
    }
    for (unsigned rule = 0; rule < HG_FUSION_RULE_COUNT; rule++) {
        if (!covered[rule]) {
            fail_msg("the rule for %s has no case", hg_fusion_rule_info(rule)->pattern);
        }
    }
}

static char *explain(const char *expression)
{
    static char text[32768];
    char source[512];
    snprintf(source, sizeof source, "x: f32[4, 4]; r: f32[4]; a: f32[4, 4]; s: f32[2]\n%s",
             expression);
    struct hg_graph *graph = parse_text(source);
    struct hg_graph_binding bindings[INPUT_COUNT] = {
        {HG_F32, {2, {4, 4}}}, {HG_F32, {1, {4}}}, {HG_F32, {2, {4, 4}}}, {HG_F32, {1, {2}}}};
    struct hg_graph_plan *plan = NULL;
    struct hg_graph_plan *single = NULL;
    struct hg_error error = HG_ERROR_INIT;
    struct hg_plan_options fused = {.rules = HG_FUSION_RULES_ALL};
    struct hg_plan_options unfused = {.rules = 0};
    assert_int_equal(hg_graph_plan(graph, bindings, INPUT_COUNT, &fused, &plan, &error), HG_OK);
    assert_int_equal(hg_graph_plan(graph, bindings, INPUT_COUNT, &unfused, &single, &error), HG_OK);
    size_t length = hg_graph_explain(graph, plan, single, text, sizeof text);
    assert_true(length < sizeof text);
    assert_int_equal(hg_graph_explain(graph, plan, single, NULL, 0), length);
    hg_graph_plan_destroy(&plan);
    hg_graph_plan_destroy(&single);
    hg_graph_destroy(&graph);
    return text;
}

static void guards_say_why(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *text = explain(cases[i].forbidden);
        if (strstr(text, cases[i].reason) == NULL) {
            fail_msg("%s: expected \"%s\" in\n%s", cases[i].forbidden, cases[i].reason, text);
        }
    }
}

/* An explanation has the launches, the values by name, the code and what moves. */
static void explanations_are_whole(void **state)
{
    (void)state;
    const char *text = explain("h = relu(x @ a + r)");
    static const char *const parts[] = {"1 launches (without fusion 3)",
                                        "launch 0: 4 x 4 lanes, level 0",
                                        "reads input x",
                                        "writes output h",
                                        "mma.f32",
                                        "max.f32",
                                        "matmul(x, a) f32[4, 4]",
                                        "the product is in registers when it comes"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (strstr(text, parts[i]) == NULL) {
            fail_msg("expected \"%s\" in\n%s", parts[i], text);
        }
    }
}

/* The picture names every program, input and result. */
static void pictures_are_whole(void **state)
{
    (void)state;
    struct hg_graph *graph = parse_text("x: f32[3]; y = softmax(x)");
    struct hg_graph_binding binding = {HG_F32, {1, {3}}};
    struct hg_graph_plan *plan = NULL;
    struct hg_error error = HG_ERROR_INIT;
    struct hg_plan_options options = {.rules = HG_FUSION_RULES_ALL};
    assert_int_equal(hg_graph_plan(graph, &binding, 1, &options, &plan, &error), HG_OK);
    char text[4096];
    assert_true(hg_graph_dot(graph, plan, text, sizeof text) < sizeof text);
    assert_non_null(strstr(text, "digraph plan {"));
    assert_non_null(strstr(text, "subgraph cluster_0"));
    assert_non_null(strstr(text, "label=\"x\""));
    assert_non_null(strstr(text, "label=\"y\""));
    assert_null(strstr(text, "cluster_1"));
    hg_graph_plan_destroy(&plan);
    hg_graph_destroy(&graph);
}

/* Networks take as few launches as their products. */
static void networks_take_few_launches(void **state)
{
    (void)state;
    struct tensor result;
    assert_int_equal(launches_of("h = relu(x @ a + r); y = softmax(h @ a + r); return y",
                                 HG_FUSION_RULES_ALL, &result),
                     3);
    free(result.data);
    assert_int_equal(launches_of("s = softmax(x @ a.T * 0.5) @ x", HG_FUSION_RULES_ALL, &result),
                     3);
    free(result.data);
    assert_int_equal(launches_of("n = layer_norm(x, r, r)", HG_FUSION_RULES_ALL, &result), 1);
    free(result.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_apply_and_are_guarded), cmocka_unit_test(guards_say_why),
        cmocka_unit_test(explanations_are_whole),      cmocka_unit_test(pictures_are_whole),
        cmocka_unit_test(networks_take_few_launches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
