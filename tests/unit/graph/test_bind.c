/* SPDX-License-Identifier: Apache-2.0 */
/* Binding and planning: errors that name the node, memory that inputs and results share, memory
 * that runs out. */
#include "lib/base/alloc.h"
#include "tests/unit/graph/support.h"

/* What the assertions before it have made sure of, for analysers. */
static void require_plan(const struct hg_graph_plan *plan)
{
    if (plan == NULL) {
        abort();
    }
}

static enum hg_status plan_text(const char *text, const struct hg_graph_binding *bindings,
                                uint32_t count, const uint32_t *shared, struct hg_graph_plan **plan,
                                struct hg_error *error)
{
    struct hg_graph *graph = NULL;
    enum hg_status status = hg_language_parse(text, strlen(text), &graph, error);
    if (status == HG_OK) {
        struct hg_plan_options options = {.rules = HG_FUSION_RULES_ALL, .shared = shared};
        status = hg_graph_plan(graph, bindings, count, &options, plan, error);
    }
    hg_graph_destroy(&graph);
    return status;
}

/* x is f32[2, 3], k is i32[2]. */
static const struct {
    const char *text;
    const char *message;
} refusals[] = {
    {"x: f64[2, 3]; y = x + k", "node 0 (input x): it is bound to f32, expected f64"},
    {"x: f32[2]; y = x + k", "node 0 (input x): it is bound to 2 dimensions, expected 1"},
    {"x: f32[2, 4]; y = x + k", "node 0 (input x): axis 1 is 3, expected 4"},
    {"x: f32[n, n]; y = x + k", "node 0 (input x): axis 1 is 3, expected n = 2"},
    {"x: f32[a, b]; k: i32[b]; y = x + k", "node 1 (input k): axis 0 is 2, expected b = 3"},
    {"y = x + k", "node 2 (add): its inputs are f32 and i32: convert one with astype"},
    {"y = x + f32(k)", "node 3 (add): shapes [2, 3] and [2] do not broadcast"},
    {"y = x & 1; z = k", "node 3 (bitwise_and): it takes integers, not f32"},
    {"y = exp(k); z = x", "node 2 (exp): it takes floats: convert with astype(f32), not i32"},
    {"y = softmax(k); z = x",
     "node 2 (softmax): it takes floats, not i32: convert with astype(f32)"},
    {"y = -u8(k); z = x", "node 3 (negative): it takes signed types, not u8"},
    {"y = k + 0.5; z = x", "node 3 (add): the number 0.5 meets i32: convert that with astype(f32)"},
    {"y = k + 5000000000; z = x", "node 3 (add): the number 5000000000 is no i32"},
    {"y = sum(x, axis=2) + sum(k)", "node 2 (sum): axis 2 of a shape of 2 dimensions"},
    {"y = x.reshape(4, 2); z = k", "node 2 (reshape): 6 elements do not make the new shape [4, 2]"},
    {"y = x.reshape(4, -1); z = k",
     "node 2 (reshape): 6 elements do not make the new shape [4, 1]"},
    {"y = x.transpose(0, 2, 1); z = k", "node 2 (transpose): 3 axes given, the input has 2"},
    {"y = broadcast_to(x, (3, 3)); z = k",
     "node 2 (broadcast_to): [2, 3] does not broadcast to [3, 3]"},
    {"y = x @ x; z = k", "node 2 (matmul): [2, 3] @ [2, 3]: the inner sizes differ"},
    {"y = x @ k", "node 2 (matmul): it takes floats of one type, not f32 and i32"},
    {"y = x @ 2; z = k", "node 3 (matmul): it takes vectors and matrices, not 2 and 0 dimensions"},
    {"y = x[x]; z = k", "node 2 (take): it takes slices of a tensor by integers"},
    {"y = concatenate((x, k))", "node 2 (concatenate): input 1 is i32 [2], which does not continue "
                                "f32 [2, 3]"},
    {"y = concatenate((x, 1)); z = k", "node 3 (concatenate): input 1 is a number: it has no axis"},
    {"x: f32[2, 3]; y = x", "the graph has 1 inputs, 2 are bound"},
    {"y = x + f32(k[0]) + q", "node 6 (input q): it is not bound"},
    {"y = broadcast_to(x, (281474976710656, 2, 3)); z = k",
     "node 2 (broadcast_to): the result [281474976710656, 2, 3] has too many elements"},
};

/* Errors name the node, what was expected and what came. */
static void refusals_name_the_node(void **state)
{
    (void)state;
    const struct hg_graph_binding bindings[2] = {{HG_F32, {2, {2, 3}}}, {HG_I32, {1, {2}}}};
    bool wrong = false;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct hg_graph_plan *plan = NULL;
        struct hg_error error = HG_ERROR_INIT;
        char text[256]; /* x comes first, unless the text declares what it is */
        bool declares = strchr(refusals[i].text, ':') != NULL;
        snprintf(text, sizeof text, "%s%s", declares ? "" : "u = x; v = k; ", refusals[i].text);
        enum hg_status status = plan_text(text, bindings, 2, NULL, &plan, &error);
        if (status != HG_INVALID_ARGUMENT || strcmp(error.message, refusals[i].message) != 0) {
            print_error("%s\n  gives    %s\n  expected %s\n", refusals[i].text, error.message,
                        refusals[i].message);
            wrong = true;
        }
        assert_null(plan);
        hg_graph_plan_destroy(&plan);
    }
    assert_false(wrong);
}

/* An index outside fails the run, also where the next row's element would be in its place. */
static void indices_are_checked(void **state)
{
    (void)state;
    static const int32_t indices[] = {3, -4, 1000000, INT32_MIN};
    uint64_t seed = 5;
    struct tensor inputs[2] = {tensor_random(HG_F32, 2, (const uint64_t[]){2, 3}, &seed),
                               tensor_new(HG_I32, 0, NULL)};
    for (size_t i = 0; i < sizeof indices / sizeof indices[0]; i++) {
        *(int32_t *)inputs[1].data = indices[i];
        struct hg_graph_binding bindings[2] = {inputs[0].binding, inputs[1].binding};
        struct hg_graph_plan *plan = NULL;
        struct hg_error error = HG_ERROR_INIT;
        assert_int_equal(plan_text("x: f32[2, 3]; k: i32; y = take(x, k, axis=1)", bindings, 2,
                                   NULL, &plan, &error),
                         HG_OK);
        require_plan(plan);
        struct tensor output = tensor_new(HG_F32, 1, (const uint64_t[]){2});
        assert_int_equal(run_plan(plan, inputs, &output, &error), HG_OUT_OF_RANGE);
        free(output.data);
        hg_graph_plan_destroy(&plan);
    }
    free(inputs[0].data);
    free(inputs[1].data);
}

struct shared_case {
    const char *text; /* of w f32[3, 3] and g f32[3, 3]; its first result takes w's place */
    uint32_t launches;
};

static const struct shared_case shared_cases[] = {
    {"w -= 0.5 * g", 1},                             /* lane by lane */
    {"w = softmax(w) + g", 1},                       /* stored in the last segment */
    {"w = w.T + g", 2},                              /* other lanes read w */
    {"w = w @ g", 2},                                /* products read all of w */
    {"n = w * 2; v = n @ g; w = n; return w, v", 2}, /* v reads n, not w */
    {"v = w @ g; w = w + 1; return w, v", 2},        /* w is read before and at its own lane */
    {"n = w + 1; v = n @ w; w = n; return w, v", 3}, /* w is read after n is known */
    {"w = w - mean(w)", 1},
    {"w = w.reshape(9) - sum(g.reshape(9, 1) @ g.reshape(1, 9), axis=1); w = w.reshape(3, 3)", 2},
    {"n = w - g @ g; v = g @ w; w = n; return w, v", 2}, /* waits for a later one that reads w */
    {"w = (w.T @ g) * 2 + g", 2},                        /* products read transposed matrices */
    {"w = (g @ w.T) * 2 + w", 2},                        /*   where they are */
    {"w = (w + 1) @ w", 3},
    {"w = sum(w, axis=0) + w", 2},
    {"v = sum(w, axis=0); w = w + g; return w, v", 2},
    {"v = w + sum(w, axis=0); w = v - w; return w, v", 2},
};

/* A result in the memory of an input is right, and copied only where it must be. */
static void results_may_share_inputs(void **state)
{
    (void)state;
    const uint64_t sizes[] = {3, 3};
    for (size_t i = 0; i < sizeof shared_cases / sizeof shared_cases[0]; i++) {
        const struct shared_case *test = &shared_cases[i];
        uint64_t seed = 11;
        struct tensor inputs[2] = {tensor_random(HG_F32, 2, sizes, &seed),
                                   tensor_random(HG_F32, 2, sizes, &seed)};
        char text[256];
        snprintf(text, sizeof text, "w: f32[3, 3]; g: f32[3, 3]; %s", test->text);
        struct tensor apart[HG_GRAPH_OUTPUTS_MAX];
        uint32_t launches;
        uint32_t count = run_text(text, inputs, 2, HG_FUSION_RULES_ALL, apart, &launches);

        const uint32_t shared[] = {0, UINT32_MAX};
        struct hg_graph_binding bindings[2] = {inputs[0].binding, inputs[1].binding};
        struct hg_graph_plan *plan = NULL;
        struct hg_error error = HG_ERROR_INIT;
        assert_int_equal(plan_text(text, bindings, 2, shared, &plan, &error), HG_OK);
        require_plan(plan);
        struct tensor together[2] = {inputs[0], tensor_new(HG_F32, 2, sizes)};
        assert_int_equal(run_plan(plan, inputs, together, &error), HG_OK);
        for (uint32_t k = 0; k < count; k++) {
            if (memcmp(together[k].data, apart[k].data, tensor_bytes(&apart[k])) != 0) {
                fail_msg("%s: result %u is wrong", test->text, k);
            }
            free(apart[k].data);
        }
        if (plan->launch_count != test->launches) {
            fail_msg("%s: %u launches, expected %u", test->text, plan->launch_count,
                     test->launches);
        }
        hg_graph_plan_destroy(&plan);
        free(together[1].data);
        free(inputs[0].data);
        free(inputs[1].data);
    }
}

/* A value per row is put into an input's memory before a later segment reads that: it is copied. */
static void results_per_row_may_share_inputs(void **state)
{
    (void)state;
    static const char text[] = "w: f32[3, 1]; g: f32[3, 3]; m = max(g, axis=1, keepdims=True)\n"
                               "v = w * sum(exp(g - m), axis=1, keepdims=True)\n"
                               "w = minimum(m, 1); return w, v";
    const uint32_t shared[] = {0, UINT32_MAX};
    uint64_t seed = 3;
    struct tensor inputs[2] = {tensor_random(HG_F32, 2, (const uint64_t[]){3, 1}, &seed),
                               tensor_random(HG_F32, 2, (const uint64_t[]){3, 3}, &seed)};
    struct tensor apart[HG_GRAPH_OUTPUTS_MAX] = {{.data = NULL}};
    uint32_t launches;
    assert_int_equal(run_text(text, inputs, 2, HG_FUSION_RULES_ALL, apart, &launches), 2);
    struct hg_graph_binding bindings[2] = {inputs[0].binding, inputs[1].binding};
    struct hg_graph_plan *plan = NULL;
    struct hg_error error = HG_ERROR_INIT;
    assert_int_equal(plan_text(text, bindings, 2, shared, &plan, &error), HG_OK);
    require_plan(plan);
    struct tensor together[2] = {inputs[0], tensor_new(HG_F32, 2, (const uint64_t[]){3, 1})};
    assert_int_equal(run_plan(plan, inputs, together, &error), HG_OK);
    for (unsigned i = 0; i < 2; i++) {
        assert_memory_equal(together[i].data, apart[i].data, tensor_bytes(&apart[i]));
        free(apart[i].data);
    }
    hg_graph_plan_destroy(&plan);
    free(together[1].data);
    free(inputs[0].data);
    free(inputs[1].data);
}

/* Values that are not alive together have the same place. */
static void memory_between_launches_is_reused(void **state)
{
    (void)state;
    struct hg_graph_binding binding = {HG_F32, {2, {64, 64}}};
    struct hg_graph_plan *plan = NULL;
    struct hg_error error = HG_ERROR_INIT;
    assert_int_equal(plan_text("x: f32[64, 64]\na = x @ x\nb = a @ x\nc = b @ x\nd = c @ x\n",
                               &binding, 1, NULL, &plan, &error),
                     HG_OK);
    require_plan(plan);
    assert_int_equal(plan->launch_count, 4);
    assert_int_equal(plan->arena_bytes, 2 * 64 * 64 * sizeof(float));
    hg_graph_plan_destroy(&plan);
}

/* Launches that do not depend on each other have the same level. */
static void independent_launches_share_a_level(void **state)
{
    (void)state;
    struct hg_graph_binding binding = {HG_F32, {2, {8, 8}}};
    struct hg_graph_plan *plan = NULL;
    struct hg_error error = HG_ERROR_INIT;
    assert_int_equal(plan_text("x: f32[8, 8]\na = x @ x\nb = x @ x.T\nc = a @ b\n", &binding, 1,
                               NULL, &plan, &error),
                     HG_OK);
    require_plan(plan);
    assert_int_equal(plan->launch_count, 3);
    assert_int_equal(plan->level_count, 2);
    assert_int_equal(plan->launches[0].level, 0);
    assert_int_equal(plan->launches[1].level, 0);
    hg_graph_plan_destroy(&plan);
}

/* Wherever memory runs out, planning fails cleanly. */
static void memory_may_run_out(void **state)
{
    (void)state;
    static const char text[] = "x: f32[4, 4]\ny = softmax(x @ x.T) @ x\nz = layer_norm(y, x[0])\n"
                               "x = x.T\nreturn y, z, x";
    struct hg_graph_binding binding = {HG_F32, {2, {4, 4}}};
    uint32_t shared[] = {2};
    uint64_t graphs = hg_alloc_live_bytes(HG_TAG_GRAPH);
    uint64_t programs = hg_alloc_live_bytes(HG_TAG_PROGRAM);
    bool fired = true;
    for (unsigned n = 0; fired; n++) {
        struct hg_graph_plan *plan = NULL;
        struct hg_error error = HG_ERROR_INIT;
        hg_alloc_fault_set(n, false);
        enum hg_status status = plan_text(text, &binding, 1, shared, &plan, &error);
        fired = hg_alloc_fault_fired();
        hg_alloc_fault_clear();
        assert_int_equal(status, fired ? HG_RESOURCE_EXHAUSTED : HG_OK);
        hg_graph_plan_destroy(&plan);
        assert_int_equal(hg_alloc_live_bytes(HG_TAG_GRAPH), graphs);
        assert_int_equal(hg_alloc_live_bytes(HG_TAG_PROGRAM), programs);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_name_the_node),
        cmocka_unit_test(indices_are_checked),
        cmocka_unit_test(results_may_share_inputs),
        cmocka_unit_test(results_per_row_may_share_inputs),
        cmocka_unit_test(memory_between_launches_is_reused),
        cmocka_unit_test(independent_launches_share_a_level),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
