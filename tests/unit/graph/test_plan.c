/* SPDX-License-Identifier: Apache-2.0 */
/* Plans: right results, the same bits fused and unfused, and as few launches as the rules promise.
 */
#include "lib/base/alloc.h"
#include "tests/unit/graph/support.h"

/* Runs both ways, compares the bits, and gives the outputs and the number of fused launches. */
static uint32_t run_both(const char *text, const struct tensor *inputs, uint32_t count,
                         struct tensor outputs[HG_GRAPH_OUTPUTS_MAX])
{
    struct tensor unfused[HG_GRAPH_OUTPUTS_MAX] = {0};
    uint32_t launches;
    uint32_t single;
    uint32_t output_count = run_text(text, inputs, count, HG_FUSION_RULES_ALL, outputs, &launches);
    assert_int_equal(run_text(text, inputs, count, 0, unfused, &single), output_count);
    for (uint32_t i = 0; i < output_count; i++) {
        if (memcmp(outputs[i].data, unfused[i].data, tensor_bytes(&outputs[i])) != 0) {
            fail_msg("%s\noutput %u: fused and unfused differ", text, i);
        }
        free(unfused[i].data);
    }
    assert_true(launches <= single);
    return launches;
}

static struct tensor numbers(uint8_t rank, const uint64_t *sizes, const double *values)
{
    struct tensor tensor = tensor_new(HG_F32, rank, sizes);
    for (uint64_t i = 0; i < tensor.elements; i++) {
        tensor_set(&tensor, i, values[i]);
    }
    return tensor;
}

struct golden {
    const char *text;
    uint32_t launches; /* fused */
    uint64_t count;
    double values[12];
};

/* x = [[1, 2, 3], [4, 5, 6]], y = [10, 20, 30], z = [[-1], [1]]. */
static const struct golden goldens[] = {
    {"x + y", 1, 6, {11, 22, 33, 14, 25, 36}},
    {"x * z", 1, 6, {-1, -2, -3, 4, 5, 6}},
    {"z + y", 1, 6, {9, 19, 29, 11, 21, 31}},
    {"2 * x - 1", 1, 6, {1, 3, 5, 7, 9, 11}},
    {"x / (2 * 2)", 1, 6, {.25, .5, .75, 1, 1.25, 1.5}},
    {"-x", 1, 6, {-1, -2, -3, -4, -5, -6}},
    {"abs(z)", 1, 2, {1, 1}},
    {"x ** 2", 1, 6, {1, 4, 9, 16, 25, 36}},
    {"sqrt(x * x)", 1, 6, {1, 2, 3, 4, 5, 6}},
    {"relu(x - 3)", 1, 6, {0, 0, 0, 1, 2, 3}},
    {"clip(x, 2, 4)", 1, 6, {2, 2, 3, 4, 4, 4}},
    {"where(x > 3, x, -x)", 1, 6, {-1, -2, -3, 4, 5, 6}},
    {"where((x > 1) & (x < 5), x, 0)", 1, 6, {0, 2, 3, 4, 0, 0}},
    {"x >= 4", 1, 6, {0, 0, 0, 1, 1, 1}},
    {"sum(x)", 1, 1, {21}},
    {"sum(x, axis=1)", 1, 2, {6, 15}},
    {"sum(x, axis=0)", 1, 3, {5, 7, 9}},
    {"sum(x * x)", 1, 1, {91}},
    {"max(x, axis=-1)", 1, 2, {3, 6}},
    {"min(x)", 1, 1, {1}},
    {"prod(x, axis=1)", 1, 2, {6, 120}},
    {"mean(x)", 1, 1, {3.5}},
    {"mean(x, axis=1, keepdims=True)", 1, 2, {2, 5}},
    {"mean(x, axis=0)", 1, 3, {2.5, 3.5, 4.5}},
    {"var(x)", 1, 1, {35.0 / 12}},
    {"var(x, axis=1)", 1, 2, {2.0 / 3, 2.0 / 3}},
    {"argmax(x)", 1, 1, {5}},
    {"argmax(-x, axis=1)", 1, 2, {0, 0}},
    {"argmax(x, axis=0)", 3, 3, {1, 1, 1}},
    {"softmax(x)", 1, 6, {.09003057, .24472848, .66524094, .09003057, .24472848, .66524094}},
    {"softmax(x, axis=0)[0]", 5, 3, {.04742587, .04742587, .04742587}},
    {"x.T", 1, 6, {1, 4, 2, 5, 3, 6}},
    {"x.T + 0", 1, 6, {1, 4, 2, 5, 3, 6}},
    {"(x + 1).T", 2, 6, {2, 5, 3, 6, 4, 7}},
    {"x.reshape(3, 2)", 1, 6, {1, 2, 3, 4, 5, 6}},
    {"x.reshape(-1) + 1", 1, 6, {2, 3, 4, 5, 6, 7}},
    {"(x + 1).reshape(3, 2) * 2", 1, 6, {4, 6, 8, 10, 12, 14}},
    {"broadcast_to(y, (2, 3))", 1, 6, {10, 20, 30, 10, 20, 30}},
    {"concatenate((x, x + 6))", 2, 12, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
    {"concatenate((x, z), axis=1)", 1, 8, {1, 2, 3, -1, 4, 5, 6, 1}},
    {"concatenate((z, z, z), axis=1)", 2, 6, {-1, -1, -1, 1, 1, 1}},
    {"x[1]", 1, 3, {4, 5, 6}},
    {"x[-1]", 1, 3, {4, 5, 6}},
    {"take(x, argmax(x, axis=1), axis=1)", 2, 4, {3, 3, 6, 6}},
    {"x @ y", 1, 2, {140, 320}},
    {"x @ x.T", 1, 4, {14, 32, 32, 77}},
    {"x.T @ x", 1, 9, {17, 22, 27, 22, 29, 36, 27, 36, 45}},
    {"y @ y", 1, 1, {1400}},
    {"relu(x @ x.T - 40)", 1, 4, {0, 0, 0, 37}},
    {"x @ x.T + z", 1, 4, {13, 31, 33, 78}},
    {"(x + 1) @ x.T", 2, 4, {20, 47, 38, 92}},
    {"i32(x) / 2", 1, 6, {0, 1, 1, 2, 2, 3}},
    {"i32(x) << 2", 1, 6, {4, 8, 12, 16, 20, 24}},
    {"f32(x > 2) + 1", 1, 6, {1, 1, 2, 2, 2, 2}},
    {"mse(x, x + 1)", 1, 1, {1}},
    {"cross_entropy(softmax(x), softmax(x))", 2, 1, {.8324 / 3}},
    {"sum(x, axis=0) / x.shape[0]", 1, 3, {2.5, 3.5, 4.5}},
    {"x / size(x)", 1, 6, {1.0 / 6, 2.0 / 6, 3.0 / 6, 4.0 / 6, 5.0 / 6, 1}},
    {"x * (1 / x.shape[1])", 1, 6, {1.0 / 3, 2.0 / 3, 1, 4.0 / 3, 5.0 / 3, 2}},
    {"5", 1, 1, {5}},
    {"y", 1, 3, {10, 20, 30}},
    {"x - mean(x, axis=1, keepdims=True)", 1, 6, {-1, 0, 1, -1, 0, 1}},
    {"layer_norm(x, eps=0)", 1, 6, {-1.2247449, 0, 1.2247449, -1.2247449, 0, 1.2247449}},
    {"layer_norm(x, y / y, y, eps=0)",
     2,
     6,
     {8.7752551, 20, 31.2247449, 8.7752551, 20, 31.2247449}},
    {"sum(exp(x - x), axis=1) + sum(x, axis=1)", 1, 2, {9, 18}},
};

/* Values worked out by hand (or NumPy); as many launches as fusion promises; equal bits. */
static void golden_values(void **state)
{
    (void)state;
    const uint64_t x_sizes[] = {2, 3};
    const uint64_t y_sizes[] = {3};
    const uint64_t z_sizes[] = {2, 1};
    const double x_values[] = {1, 2, 3, 4, 5, 6};
    const double y_values[] = {10, 20, 30};
    const double z_values[] = {-1, 1};
    struct tensor inputs[3] = {numbers(2, x_sizes, x_values), numbers(1, y_sizes, y_values),
                               numbers(2, z_sizes, z_values)};
    bool wrong = false;
    for (size_t i = 0; i < sizeof goldens / sizeof goldens[0]; i++) {
        const struct golden *golden = &goldens[i];
        char text[256];
        snprintf(text, sizeof text, "x: f32[2, 3]; y: f32[3]; z: f32[2, 1]; r = %s; return r",
                 golden->text);
        struct tensor outputs[HG_GRAPH_OUTPUTS_MAX] = {0};
        uint32_t launches = run_both(text, inputs, 3, outputs);
        for (uint64_t k = 0; k < golden->count; k++) {
            double value = tensor_get(&outputs[0], k);
            if (outputs[0].elements != golden->count ||
                fabs(value - golden->values[k]) > 1e-4 * fmax(1, fabs(golden->values[k]))) {
                print_error("%s: element %d of %d is %.9g, expected %.9g\n", golden->text, (int)k,
                            (int)outputs[0].elements, value, golden->values[k]);
                wrong = true;
            }
        }
        if (launches != golden->launches) {
            print_error("%s: %u launches, expected %u\n", golden->text, launches, golden->launches);
            wrong = true;
        }
        free(outputs[0].data); /* NOLINT(clang-analyzer-unix.Malloc): unfused ones are freed too */
    }
    for (unsigned i = 0; i < 3; i++) {
        free(inputs[i].data);
    }
    assert_false(wrong);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
