/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random graphs: the same bits fused and unfused, and, of operations that are exact on small
 * integers, what a plain evaluation gives. HG_SEED and HG_GRAPHS choose others, and more.
 */
#include "tests/unit/graph/support.h"

#define NODES_MAX 24

/* Float64 throughout, but comparisons, which are u8 of 0 and 1. */
struct value {
    bool mask;
    struct hg_ir_shape shape;
    uint64_t elements;
    double *data;
};

static uint64_t state;

static uint64_t below(uint64_t limit)
{
    return random_next(&state) % limit;
}

static struct value value_new(const struct hg_ir_shape *shape, bool mask)
{
    struct value value = {.mask = mask, .shape = *shape};
    assert_true(hg_ir_elements(shape, &value.elements));
    value.data = calloc(value.elements + 1, sizeof *value.data);
    assert_non_null(value.data);
    return value;
}

/* ---- plain evaluation -------------------------------------------------------------------------
 */

/* The element of VALUE that element INDEX of SHAPE reads when it is broadcast. */
static double broadcast_get(const struct value *value, const struct hg_ir_shape *shape,
                            uint64_t index)
{
    uint64_t offset = 0;
    uint64_t stride = 1;
    for (unsigned i = 0; i < shape->rank; i++) {
        unsigned axis = shape->rank - 1 - i;
        uint64_t at = index % shape->size[axis];
        index /= shape->size[axis];
        if (i < value->shape.rank) {
            uint64_t size = value->shape.size[value->shape.rank - 1 - i];
            offset += size == 1 ? 0 : at * stride;
            stride *= size;
        }
    }
    return value->data[offset];
}

static bool broadcast_shape(struct hg_ir_shape *shape, const struct hg_ir_shape *other)
{
    struct hg_ir_shape joined = {.rank = shape->rank > other->rank ? shape->rank : other->rank};
    for (unsigned i = 0; i < joined.rank; i++) {
        uint64_t a = i < shape->rank ? shape->size[shape->rank - 1 - i] : 1;
        uint64_t b = i < other->rank ? other->size[other->rank - 1 - i] : 1;
        if (a != b && a != 1 && b != 1) {
            return false;
        }
        joined.size[joined.rank - 1 - i] = a == 1 ? b : a;
    }
    *shape = joined;
    return true;
}

static double apply2(enum hg_graph_kind kind, double a, double b)
{
    switch (kind) {
    case HG_GRAPH_KIND_ADD:
        return a + b;
    case HG_GRAPH_KIND_SUBTRACT:
        return a - b;
    case HG_GRAPH_KIND_MULTIPLY:
        return a * b;
    case HG_GRAPH_KIND_MINIMUM:
        return fmin(a, b);
    case HG_GRAPH_KIND_MAXIMUM:
        return fmax(a, b);
    case HG_GRAPH_KIND_LESS:
        return a < b;
    case HG_GRAPH_KIND_EQUAL:
        return a == b;
    default:
        assert_int_equal(kind, HG_GRAPH_KIND_GREATER_EQUAL);
        return a >= b;
    }
}

static bool evaluate2(enum hg_graph_kind kind, const struct value *a, const struct value *b,
                      struct value *result)
{
    struct hg_ir_shape shape = a->shape;
    if (a->mask != b->mask || !broadcast_shape(&shape, &b->shape)) {
        return false;
    }
    bool compares = hg_graph_kind_info(kind)->class == HG_GRAPH_COMPARE;
    if (a->mask && !compares) {
        return false; /* u8 would wrap */
    }
    *result = value_new(&shape, compares);
    for (uint64_t i = 0; i < result->elements; i++) {
        result->data[i] = apply2(kind, broadcast_get(a, &shape, i), broadcast_get(b, &shape, i));
    }
    return true;
}

static bool evaluate_where(const struct value *c, const struct value *a, const struct value *b,
                           struct value *result)
{
    struct hg_ir_shape shape = c->shape;
    if (a->mask || b->mask || !broadcast_shape(&shape, &a->shape) ||
        !broadcast_shape(&shape, &b->shape)) {
        return false;
    }
    *result = value_new(&shape, false);
    for (uint64_t i = 0; i < result->elements; i++) {
        result->data[i] = broadcast_get(c, &shape, i) != 0 ? broadcast_get(a, &shape, i)
                                                           : broadcast_get(b, &shape, i);
    }
    return true;
}

static double fold2(enum hg_graph_kind kind, double a, double b)
{
    return kind == HG_GRAPH_KIND_SUM ? a + b : kind == HG_GRAPH_KIND_AMIN ? fmin(a, b) : fmax(a, b);
}

static bool evaluate_reduce(const struct hg_graph_node *node, const struct value *a,
                            struct value *result)
{
    if (a->mask || a->elements == 0) {
        return false;
    }
    bool all = node->axis == HG_GRAPH_AXIS_ALL;
    unsigned axis = all ? 0 : (unsigned)node->axis;
    if (!all && axis >= a->shape.rank) {
        return false;
    }
    struct hg_ir_shape shape = a->shape;
    uint64_t outer = 1;
    uint64_t inner = 1;
    for (unsigned i = 0; i < a->shape.rank; i++) {
        outer *= !all && i < axis ? shape.size[i] : 1;
        inner *= !all && i > axis ? shape.size[i] : 1;
        shape.size[i] = all || i == axis ? 1 : shape.size[i];
    }
    if (!node->keepdims) {
        struct hg_ir_shape dropped = {0};
        for (unsigned i = 0; i < shape.rank && !all; i++) {
            if (i != axis) {
                dropped.size[dropped.rank++] = shape.size[i];
            }
        }
        shape = dropped;
    }
    *result = value_new(&shape, false);
    uint64_t length = a->elements / (outer * inner);
    for (uint64_t i = 0; i < outer; i++) {
        for (uint64_t k = 0; k < inner; k++) {
            const double *first = a->data + i * length * inner + k;
            double folded = first[0];
            for (uint64_t j = 1; j < length; j++) {
                folded = fold2((enum hg_graph_kind)node->kind, folded, first[j * inner]);
            }
            result->data[i * inner + k] = folded;
        }
    }
    return true;
}

static bool evaluate_transpose(const struct value *a, struct value *result)
{
    struct hg_ir_shape shape = {.rank = a->shape.rank};
    for (unsigned i = 0; i < shape.rank; i++) {
        shape.size[i] = a->shape.size[shape.rank - 1 - i];
    }
    *result = value_new(&shape, a->mask); /* sample_free frees it */
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
    for (uint64_t i = 0; i < a->elements; i++) {
        uint64_t index = i;
        uint64_t to = 0;
        uint64_t stride = 1;
        uint64_t at[HG_GRAPH_RANK_MAX];
        for (unsigned k = shape.rank; k-- > 0;) {
            at[k] = index % a->shape.size[k];
            index /= a->shape.size[k];
        }
        for (unsigned k = shape.rank; k-- > 0;) {
            to += at[shape.rank - 1 - k] * stride;
            stride *= shape.size[k];
        }
        result->data[to] = a->data[i];
    }
    return true;
}

static bool evaluate_matmul(const struct value *a, const struct value *b, struct value *result)
{
    if (a->mask || b->mask || a->shape.rank != 2 || b->shape.rank != 2 ||
        a->shape.size[1] != b->shape.size[0]) {
        return false;
    }
    struct hg_ir_shape shape = {2, {a->shape.size[0], b->shape.size[1]}};
    uint64_t inner = a->shape.size[1];
    if (shape.size[0] * shape.size[1] * inner > 1000000) {
        return false;
    }
    *result = value_new(&shape, false);
    for (uint64_t i = 0; i < result->elements; i++) {
        uint64_t row = i / shape.size[1];
        uint64_t col = i % shape.size[1];
        for (uint64_t k = 0; k < inner; k++) {
            result->data[i] += a->data[row * inner + k] * b->data[k * shape.size[1] + col];
        }
    }
    return true;
}

static bool evaluate_concatenate(const struct value *a, const struct value *b, struct value *result)
{
    struct hg_ir_shape shape = a->shape;
    if (a->mask != b->mask || a->shape.rank == 0 || a->shape.rank != b->shape.rank) {
        return false;
    }
    for (unsigned i = 1; i < shape.rank; i++) {
        if (a->shape.size[i] != b->shape.size[i]) {
            return false;
        }
    }
    shape.size[0] += b->shape.size[0];
    *result = value_new(&shape, a->mask);
    memcpy(result->data, a->data, a->elements * sizeof *a->data);
    memcpy(result->data + a->elements, b->data, b->elements * sizeof *b->data);
    return true;
}

/* ---- random graphs ----------------------------------------------------------------------------
 */

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
    *value = value_new(&tensor->binding.shape, false);
    for (uint64_t i = 0; i < tensor->elements; i++) {
        double number = (double)below(7) - 3;
        ((double *)tensor->data)[i] = number;
        value->data[i] = number;
    }
}

/* One random node that fits; false if this try does not. */
static bool add_node(struct sample *sample)
{
    static const uint8_t kinds[] = {
        HG_GRAPH_KIND_ADD,       HG_GRAPH_KIND_SUBTRACT,      HG_GRAPH_KIND_MULTIPLY,
        HG_GRAPH_KIND_MINIMUM,   HG_GRAPH_KIND_MAXIMUM,       HG_GRAPH_KIND_LESS,
        HG_GRAPH_KIND_EQUAL,     HG_GRAPH_KIND_GREATER_EQUAL, HG_GRAPH_KIND_WHERE,
        HG_GRAPH_KIND_SUM,       HG_GRAPH_KIND_AMIN,          HG_GRAPH_KIND_AMAX,
        HG_GRAPH_KIND_TRANSPOSE, HG_GRAPH_KIND_MATMUL,        HG_GRAPH_KIND_CONCATENATE,
        HG_GRAPH_KIND_NEGATIVE,  HG_GRAPH_KIND_ADD,           HG_GRAPH_KIND_SUM,
    };
    struct hg_graph_node node;
    enum hg_graph_kind kind = (enum hg_graph_kind)kinds[below(sizeof kinds)];
    hg_graph_node_init(&node, kind);
    const struct hg_graph_kind_info *info = hg_graph_kind_info(kind);
    node.input_count = info->inputs_min > 2                ? 3
                       : kind == HG_GRAPH_KIND_CONCATENATE ? 2
                                                           : info->inputs_min;
    const struct value *in[3] = {&sample->values[0], &sample->values[0], &sample->values[0]};
    for (unsigned i = 0; i < node.input_count; i++) {
        /* The latest are the likeliest: chains. */
        uint64_t back = below(1 + below(sample->count));
        node.inputs[i] = sample->count - 1 - (uint32_t)back;
        in[i] = &sample->values[node.inputs[i]];
    }
    if (info->class == HG_GRAPH_REDUCE) {
        node.axis = below(3) == 0 ? HG_GRAPH_AXIS_ALL : (int32_t)below(2);
        node.keepdims = below(2) == 0;
    }
    struct value *result = &sample->values[sample->count];
    bool fits;
    switch (kind) {
    case HG_GRAPH_KIND_WHERE:
        fits = evaluate_where(in[0], in[1], in[2], result);
        break;
    case HG_GRAPH_KIND_SUM:
    case HG_GRAPH_KIND_AMIN:
    case HG_GRAPH_KIND_AMAX:
        fits = evaluate_reduce(&node, in[0], result);
        break;
    case HG_GRAPH_KIND_TRANSPOSE:
        fits = evaluate_transpose(in[0], result);
        break;
    case HG_GRAPH_KIND_MATMUL:
        fits = evaluate_matmul(in[0], in[1], result);
        break;
    case HG_GRAPH_KIND_CONCATENATE:
        fits = evaluate_concatenate(in[0], in[1], result);
        break;
    case HG_GRAPH_KIND_NEGATIVE:
        fits = !in[0]->mask;
        if (fits) {
            *result = value_new(&in[0]->shape, false);
            for (uint64_t i = 0; i < result->elements; i++) {
                result->data[i] = -in[0]->data[i];
            }
        }
        break;
    default:
        fits = evaluate2(kind, in[0], in[1], result);
        break;
    }
    if (!fits) {
        return false;
    }
    bool exact = result->elements <= 60000;
    for (uint64_t i = 0; i < result->elements && exact; i++) {
        exact = fabs(result->data[i]) < 0x1p40;
    }
    if (!exact) {
        free(result->data);
        return false;
    }
    struct hg_error error = HG_ERROR_INIT;
    uint32_t index;
    assert_int_equal(hg_graph_add(sample->graph, &node, &index, &error), HG_OK);
    assert_int_equal(index, sample->count);
    sample->count++;
    return true;
}

static void sample_make(struct sample *sample)
{
    static const uint64_t rows_of[] = {1, 2, 3, 5, 16};
    static const uint64_t cols_of[] = {1, 2, 7, 100, 1536, 1600, 3300};
    struct hg_error error = HG_ERROR_INIT;
    memset(sample, 0, sizeof *sample);
    assert_int_equal(hg_graph_create(&sample->graph, &error), HG_OK);
    uint64_t rows = rows_of[below(sizeof rows_of / sizeof rows_of[0])];
    uint64_t cols = cols_of[below(sizeof cols_of / sizeof cols_of[0])];
    add_input(sample, 2, (const uint64_t[]){rows, cols});
    add_input(sample, 2, (const uint64_t[]){rows, cols});
    add_input(sample, 1, (const uint64_t[]){cols});
    add_input(sample, 2, (const uint64_t[]){rows, 1});
    add_input(sample, 0, NULL);
    uint32_t wanted = sample->count + 2 + (uint32_t)below(NODES_MAX - sample->count - 2);
    for (unsigned tries = 0; sample->count < wanted && tries < 400; tries++) {
        add_node(sample);
    }
    for (uint32_t i = 0; i < 3; i++) {
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

static void check(const struct sample *sample, uint32_t rules)
{
    struct hg_graph_binding bindings[INPUTS_MAX];
    for (uint32_t i = 0; i < sample->input_count; i++) {
        bindings[i] = sample->inputs[i].binding;
    }
    struct hg_plan_options options = {.rules = rules};
    struct hg_graph_plan *plan = NULL;
    struct hg_error error = HG_ERROR_INIT;
    if (hg_graph_plan(sample->graph, bindings, sample->input_count, &options, &plan, &error) !=
        HG_OK) {
        fail_with(sample, error.message);
    }
    struct tensor outputs[3];
    for (uint32_t i = 0; i < 3; i++) {
        struct hg_graph_binding output;
        hg_graph_plan_output(plan, i, &output);
        outputs[i] = tensor_new(output.type, output.shape.rank, output.shape.size);
        memset(outputs[i].data, 0xa5, tensor_bytes(&outputs[i]));
    }
    if (run_plan(plan, sample->inputs, outputs, &error) != HG_OK) {
        fail_with(sample, error.message);
    }
    for (uint32_t i = 0; i < 3; i++) {
        const struct value *expected = &sample->values[sample->graph->outputs[i].node];
        bool same = hg_ir_shape_equal(&outputs[i].binding.shape, &expected->shape);
        for (uint64_t k = 0; same && k < expected->elements; k++) {
            same = tensor_get(&outputs[i], k) == expected->data[k];
            if (!same) {
                print_error("output %u, element %d of %d: %g, expected %g\n", i, (int)k,
                            (int)expected->elements, tensor_get(&outputs[i], k), expected->data[k]);
            }
        }
        if (!same) {
            fail_with(sample, rules != 0 ? "wrong when fused" : "wrong when not fused");
        }
        free(outputs[i].data);
    }
    hg_graph_plan_destroy(&plan);
}

static void random_graphs_are_right(void **unused)
{
    (void)unused;
    const char *seed_text = getenv("HG_SEED");
    const char *graphs_text = getenv("HG_GRAPHS");
    uint64_t seed = seed_text != NULL ? strtoull(seed_text, NULL, 0) : 1;
    uint64_t graphs = graphs_text != NULL ? strtoull(graphs_text, NULL, 0) : 400;
    print_message("seeds from %d on\n", (int)seed);
    for (uint64_t i = 0; i < graphs; i++) {
        state = (seed + i) * UINT64_C(0x9e3779b97f4a7c15) | 1;
        random_next(&state);
        struct sample sample;
        sample_make(&sample);
        check(&sample, HG_FUSION_RULES_ALL);
        check(&sample, 0);
        sample_free(&sample);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_graphs_are_right)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
