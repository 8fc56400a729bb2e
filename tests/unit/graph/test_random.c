/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random graphs of every kind of node: the same bits fused (natively) and unfused (by the block
 * executor), also where a result takes an input's memory; and of operations that are exact on small
 * integers, what a plain evaluation gives. HG_SEED and HG_GRAPHS choose others, and more.
 */
#include "tests/unit/graph/evaluate.h"

#define NODES_MAX 24
#define OUTPUTS   3

static uint64_t state;
static uint32_t made[HG_GRAPH_KIND_COUNT]; /* how often each kind of node came */

static uint64_t below(uint64_t limit)
{
    return random_next(&state) % limit;
}

/* ---- random graphs --------------------------------------------------------------------------- */

struct sample {
    struct hg_graph *graph;
    struct tensor inputs[INPUTS_MAX];
    uint32_t input_count;
    struct value values[NODES_MAX]; /* by node */
    uint32_t count;
};

static void add_input(struct sample *sample, uint8_t rank, const uint64_t *sizes)
{
    struct hg_graph_node node;
    hg_graph_node_init(&node, HG_GRAPH_KIND_INPUT);
    node.type = HG_F64;
    node.rank = HG_GRAPH_RANK_OPEN;
    snprintf(node.name, sizeof node.name, "x%u", sample->input_count);
    struct hg_error error = HG_ERROR_INIT;
    uint32_t index;
    assert_int_equal(hg_graph_add(sample->graph, &node, &index, &error), HG_OK);
    struct tensor *tensor = &sample->inputs[sample->input_count++];
    *tensor = tensor_new(HG_F64, rank, sizes);
    struct value *value = &sample->values[sample->count++];
    *value = value_new(&tensor->binding.shape, HG_F64, true);
    for (uint64_t i = 0; i < tensor->elements; i++) {
        double number = (double)below(7) - 3;
        ((double *)tensor->data)[i] = number;
        value->data[i] = number;
    }
}

/* Composed of others or made of them: a graph has none by itself, or only as a number. */
static bool is_made(enum hg_graph_kind kind)
{
    enum hg_graph_class class = hg_graph_kind_info(kind)->class;
    return class != HG_GRAPH_SOURCE && class != HG_GRAPH_INTERNAL && kind != HG_GRAPH_KIND_SIZE;
}

/* What brings shapes and programs together comes more often than what does not. */
static enum hg_graph_kind random_kind(void)
{
    static const uint8_t frequent[] = {
        HG_GRAPH_KIND_ADD,       HG_GRAPH_KIND_SUBTRACT, HG_GRAPH_KIND_MULTIPLY,
        HG_GRAPH_KIND_WHERE,     HG_GRAPH_KIND_SUM,      HG_GRAPH_KIND_AMAX,
        HG_GRAPH_KIND_TRANSPOSE, HG_GRAPH_KIND_MATMUL,   HG_GRAPH_KIND_CONCATENATE,
        HG_GRAPH_KIND_LESS,      HG_GRAPH_KIND_MAXIMUM,
    };
    if (below(2) == 0) {
        return (enum hg_graph_kind)frequent[below(sizeof frequent)];
    }
    enum hg_graph_kind kind;
    do {
        kind = (enum hg_graph_kind)below(HG_GRAPH_KIND_COUNT);
    } while (!is_made(kind));
    return kind;
}

/* Another order of the axes, another shape of the elements, or a larger one to fill. */
static void choose_shape(struct hg_graph_node *node, const struct value *a)
{
    uint64_t rank = a->shape.rank;
    if (node->kind == HG_GRAPH_KIND_TRANSPOSE && below(2) == 0) {
        uint64_t turn = rank == 0 ? 0 : below(rank);
        node->rank = (uint8_t)rank;
        for (unsigned i = 0; i < rank; i++) {
            node->sizes[i] = (i + turn) % rank;
        }
    } else if (node->kind == HG_GRAPH_KIND_RESHAPE) {
        uint64_t rows = rank > 0 && below(2) == 0 ? a->shape.size[rank - 1] : 1;
        node->rank = 2;
        node->sizes[0] = rows;
        node->sizes[1] = rows == 0 ? a->elements : a->elements / rows;
    } else if (node->kind == HG_GRAPH_KIND_BROADCAST) {
        uint64_t before = rank < 3 ? below(2) : 0;
        node->rank = (uint8_t)(rank + before);
        node->sizes[0] = 2;
        for (unsigned i = 0; i < rank; i++) {
            uint64_t size = a->shape.size[i];
            node->sizes[before + i] = size == 1 ? 1 + below(3) : size;
        }
    }
}

static void choose_attributes(struct hg_graph_node *node, const struct value *a)
{
    uint32_t attributes = hg_graph_kind_info((enum hg_graph_kind)node->kind)->attributes;
    bool moves = node->kind == HG_GRAPH_KIND_CONCATENATE || node->kind == HG_GRAPH_KIND_TAKE;
    if ((attributes & HG_GRAPH_AXIS) != 0) {
        node->axis = !moves && below(3) == 0 ? HG_GRAPH_AXIS_ALL : (int32_t)below(3);
    }
    if ((attributes & HG_GRAPH_KEEPDIMS) != 0) {
        node->keepdims = below(2) == 0;
    }
    if ((attributes & (HG_GRAPH_EPS | HG_GRAPH_TEMPERATURE)) != 0) {
        node->number = below(2) == 0 ? 0.5 : 0.125;
    }
    if (node->kind == HG_GRAPH_KIND_CAST) {
        node->type = HG_F64;
    }
    choose_shape(node, a);
}

/* Small enough to be exact, and to be computed often. */
static bool is_small(const struct value *value)
{
    bool small = value->elements <= ELEMENTS_MAX;
    for (uint64_t i = 0; i < value->elements && small; i++) {
        small = fabs(value->data[i]) < 0x1p40;
    }
    return small;
}

/* One random node that fits; false if this try does not. */
static bool add_node(struct sample *sample)
{
    struct hg_graph_node node;
    enum hg_graph_kind kind = random_kind();
    hg_graph_node_init(&node, kind);
    node.input_count = kind == HG_GRAPH_KIND_CONCATENATE ? 2 : hg_graph_kind_info(kind)->inputs_min;
    assert_in_range(node.input_count, 1, 3);
    const struct value *in[3] = {&sample->values[0], &sample->values[0], &sample->values[0]};
    for (unsigned i = 0; i < node.input_count; i++) {
        /* The latest are the likeliest: chains. */
        uint64_t back = below(1 + below(sample->count));
        node.inputs[i] = sample->count - 1 - (uint32_t)back;
        in[i] = &sample->values[node.inputs[i]];
    }
    choose_attributes(&node, in[0]);
    struct value *result = &sample->values[sample->count];
    if (!evaluate(&node, in, result)) {
        return false;
    }
    if (!is_small(result)) {
        free(result->data); /* NOLINT(clang-analyzer-unix.Malloc): nobody else has it */
        return false;
    }
    struct hg_error error = HG_ERROR_INIT;
    uint32_t index;
    if (hg_graph_add(sample->graph, &node, &index, &error) != HG_OK) {
        fail_msg("%s: %s", hg_graph_kind_info(kind)->name, error.message);
    }
    assert_int_equal(index, sample->count);
    sample->count++;
    made[kind]++;
    return true;
}

/* Around vectors, blocks and leaves in rows; and rows that are folded in several rounds. */
static const uint64_t shapes[][2] = {
    {1, 1},  {1, 100}, {1, 3300},  {2, 7},    {2, 1536}, {3, 1},    {3, 1600},
    {5, 2},  {5, 100}, {16, 1536}, {16, 7},   {31, 3},   {32, 2},   {33, 100},
    {64, 1}, {65, 16}, {70, 300},  {100, 64}, {1057, 2}, {1797, 7}, {3300, 5},
};

static void sample_make(struct sample *sample)
{
    struct hg_error error = HG_ERROR_INIT;
    memset(sample, 0, sizeof *sample);
    assert_int_equal(hg_graph_create(&sample->graph, &error), HG_OK);
    const uint64_t *sizes = shapes[below(sizeof shapes / sizeof shapes[0])];
    add_input(sample, 2, sizes);
    add_input(sample, 2, sizes);
    add_input(sample, 1, &sizes[1]);
    add_input(sample, 2, (const uint64_t[]){sizes[0], 1});
    add_input(sample, 0, NULL);
    uint32_t wanted = sample->count + 2 + (uint32_t)below(NODES_MAX - sample->count - 2);
    for (unsigned tries = 0; sample->count < wanted && tries < 400; tries++) {
        add_node(sample);
    }
    for (uint32_t i = 0; i < OUTPUTS; i++) {
        char name[8];
        snprintf(name, sizeof name, "y%u", i);
        uint32_t node = i == 0 ? sample->count - 1 : (uint32_t)below(sample->count);
        assert_int_equal(hg_graph_add_output(sample->graph, node, name, strlen(name), &error),
                         HG_OK);
    }
}

static void sample_free(struct sample *sample)
{
    for (uint32_t i = 0; i < sample->input_count; i++) {
        free(sample->inputs[i].data);
    }
    for (uint32_t i = 0; i < sample->count; i++) {
        free(sample->values[i].data);
    }
    hg_graph_destroy(&sample->graph);
}

/* ---- checks ---------------------------------------------------------------------------------- */

static void fail_with(const struct sample *sample, const char *what)
{
    char text[8192];
    hg_graph_print(sample->graph, text, sizeof text);
    char shape[HG_IR_SHAPE_TEXT];
    for (uint32_t i = 0; i < sample->input_count; i++) {
        print_error("input %u: %s\n", i, hg_ir_shape_text(&sample->inputs[i].binding.shape, shape));
    }
    fail_msg("%s\n%s", text, what);
}

/* Output I in OUTPUTS is what the evaluation gives, as far as that is known. */
static void check_output(const struct sample *sample, uint32_t i, const struct tensor *output,
                         const char *how)
{
    const struct value *expected = &sample->values[sample->graph->outputs[i].node];
    bool same = hg_ir_shape_equal(&output->binding.shape, &expected->shape) &&
                output->binding.type == expected->type;
    for (uint64_t k = 0; same && expected->known && k < expected->elements; k++) {
        same = tensor_get(output, k) == expected->data[k];
        if (!same) {
            print_error("output %u, element %d of %d: %g, expected %g\n", i, (int)k,
                        (int)expected->elements, tensor_get(output, k), expected->data[k]);
        }
    }
    if (!same) {
        fail_with(sample, how);
    }
}

/* All NaNs are equal. */
static void check_same(const struct sample *sample, uint32_t i, const struct tensor *a,
                       const struct tensor *b, const char *how)
{
    size_t width = hg_dtype_bytes(a->binding.type);
    for (uint64_t k = 0; k < a->elements; k++) {
        const uint8_t *left = (const uint8_t *)a->data + k * width;
        const uint8_t *right = (const uint8_t *)b->data + k * width;
        bool nan = a->binding.type == HG_F64 && isnan(tensor_get(a, k)) && isnan(tensor_get(b, k));
        if (!nan && memcmp(left, right, width) != 0) {
            print_error("output %u, element %d of %d: %.17g and %.17g\n", i, (int)k,
                        (int)a->elements, tensor_get(a, k), tensor_get(b, k));
            fail_with(sample, how);
        }
    }
}

/* Runs the graph by RULES; with SHARED, outputs are in the memory of inputs. */
static void run(const struct sample *sample, uint32_t rules, const uint32_t *shared,
                struct tensor outputs[OUTPUTS])
{
    struct hg_graph_binding bindings[INPUTS_MAX];
    struct tensor inputs[INPUTS_MAX];
    for (uint32_t i = 0; i < sample->input_count; i++) {
        bindings[i] = sample->inputs[i].binding;
        inputs[i] = tensor_new(bindings[i].type, bindings[i].shape.rank, bindings[i].shape.size);
        memcpy(inputs[i].data, sample->inputs[i].data, tensor_bytes(&inputs[i]));
    }
    struct hg_plan_options options = {.rules = rules, .shared = shared};
    struct hg_graph_plan *plan = NULL;
    struct hg_error error = HG_ERROR_INIT;
    if (hg_graph_plan(sample->graph, bindings, sample->input_count, &options, &plan, &error) !=
        HG_OK) {
        fail_with(sample, error.message);
    }
    for (uint32_t i = 0; i < OUTPUTS; i++) {
        struct hg_graph_binding output;
        hg_graph_plan_output(plan, i, &output);
        outputs[i] = tensor_new(output.type, output.shape.rank, output.shape.size);
        memset(outputs[i].data, 0xa5, tensor_bytes(&outputs[i]));
    }
    for (uint32_t i = 0; shared != NULL && i < sample->input_count; i++) {
        if (shared[i] != UINT32_MAX) {
            free(outputs[shared[i]].data);
            outputs[shared[i]].data = inputs[i].data;
            inputs[i].data = NULL;
        }
    }
    for (uint32_t i = 0; shared != NULL && i < sample->input_count; i++) {
        if (shared[i] != UINT32_MAX) {
            inputs[i].data = outputs[shared[i]].data;
        }
    }
    if (run_plan(plan, inputs, outputs, &error) != HG_OK) {
        fail_with(sample, error.message);
    }
    for (uint32_t i = 0; i < sample->input_count; i++) {
        if (shared == NULL || shared[i] == UINT32_MAX) {
            free(inputs[i].data);
        }
    }
    hg_graph_plan_destroy(&plan);
}

/* Each input is in the memory of an output that has its type and shape and is not taken, if there
 * is one. */
static bool share(const struct sample *sample, uint32_t shared[INPUTS_MAX])
{
    bool taken[OUTPUTS] = {false};
    bool any = false;
    for (uint32_t i = 0; i < sample->input_count; i++) {
        shared[i] = UINT32_MAX;
        for (uint32_t k = 0; k < OUTPUTS && shared[i] == UINT32_MAX; k++) {
            const struct value *value = &sample->values[sample->graph->outputs[k].node];
            if (!taken[k] && value->type == HG_F64 &&
                hg_ir_shape_equal(&value->shape, &sample->inputs[i].binding.shape)) {
                shared[i] = k;
                taken[k] = any = true;
            }
        }
    }
    return any;
}

static void check(const struct sample *sample)
{
    struct tensor fused[OUTPUTS];
    struct tensor unfused[OUTPUTS];
    struct tensor together[OUTPUTS];
    uint32_t shared[INPUTS_MAX];
    bool shares = share(sample, shared);
    run(sample, HG_FUSION_RULES_ALL, NULL, fused);
    run(sample, 0, NULL, unfused);
    if (shares) {
        run(sample, HG_FUSION_RULES_ALL, shared, together);
    }
    for (uint32_t i = 0; i < OUTPUTS; i++) {
        check_output(sample, i, &fused[i], "wrong when fused");
        check_output(sample, i, &unfused[i], "wrong when not fused");
        check_same(sample, i, &fused[i], &unfused[i], "fused and unfused differ");
        if (shares) {
            check_same(sample, i, &fused[i], &together[i], "in an input's memory it differs");
            free(together[i].data);
        }
        free(fused[i].data);
        free(unfused[i].data);
    }
}

static void random_graphs_are_right(void **unused)
{
    (void)unused;
    const char *seed_text = getenv("HG_SEED");
    const char *graphs_text = getenv("HG_GRAPHS");
    uint64_t seed = seed_text != NULL ? strtoull(seed_text, NULL, 0) : 1;
    uint64_t graphs = graphs_text != NULL ? strtoull(graphs_text, NULL, 0) : 1000;
    print_message("seeds from %d on\n", (int)seed);
    for (uint64_t i = 0; i < graphs; i++) {
        state = (seed + i) * UINT64_C(0x9e3779b97f4a7c15) | 1;
        random_next(&state);
        struct sample sample;
        sample_make(&sample);
        check(&sample);
        sample_free(&sample);
    }
    /* A new kind of node is found here until the evaluation knows it. */
    for (unsigned kind = 0; graphs >= 1000 && kind < HG_GRAPH_KIND_COUNT; kind++) {
        if (is_made((enum hg_graph_kind)kind) && made[kind] == 0) {
            fail_msg("no graph had a %s", hg_graph_kind_info((enum hg_graph_kind)kind)->name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_graphs_are_right)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
