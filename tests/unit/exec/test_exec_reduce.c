/* SPDX-License-Identifier: Apache-2.0 */
/*
 * REDUCE and MMA against straightforward code of this file that follows the instruction set's text,
 * not the library: exact order, both executors, every ISA level, any cut into parts.
 */
#include <math.h>

#include "support.h"

#include "lib/exec/scalar.h"

static uint64_t seed = 99;

/* ---- one sum, written down from the text ----------------------------------------------------- */

enum fold { FOLD_ADD, FOLD_MIN, FOLD_MAX, FOLD_MUL };
static const char *const fold_names[] = {"add", "min", "max", "mul"};

static double minimum(double a, double b)
{
    if (a != a || b != b) {
        return a != a ? b : a;
    }
    if (a == b) {
        return signbit(a) ? a : b;
    }
    return a < b ? a : b;
}

static double maximum(double a, double b)
{
    if (a != a || b != b) {
        return a != a ? b : a;
    }
    if (a == b) {
        return signbit(a) ? b : a;
    }
    return a > b ? a : b;
}

/* In F32 unless DOUBLE; F64 holds F32 exactly, so only sums and products need the narrow type. */
static double apply(enum fold fold, bool is_double, double a, double b)
{
    switch (fold) {
    case FOLD_ADD:
        return is_double ? a + b : (double)((float)a + (float)b);
    case FOLD_MUL:
        return is_double ? a * b : (double)((float)a * (float)b);
    case FOLD_MIN:
        return minimum(a, b);
    default:
        return maximum(a, b);
    }
}

static double leaf_of(enum fold fold, bool is_double, const double *x, uint64_t n)
{
    unsigned width = is_double ? 32 : 64;
    double start = fold == FOLD_ADD ? -0.0 : fold == FOLD_MUL ? 1.0 : NAN;
    double acc[64];
    for (unsigned i = 0; i < width; i++) {
        acc[i] = start;
    }
    for (uint64_t i = 0; i < n; i++) {
        acc[i % width] = apply(fold, is_double, acc[i % width], x[i]);
    }
    for (unsigned h = width / 2; h >= 1; h /= 2) {
        for (unsigned i = 0; i < h; i++) {
            acc[i] = apply(fold, is_double, acc[i], acc[i + h]);
        }
    }
    return acc[0];
}

/* Leaves LO .. HI-1 of the tree whose level has them in pairs from an even index: by recursion from
 * the top, the left part being the largest power of two. */
static double tree_of(enum fold fold, bool is_double, const double *leaves, uint64_t count)
{
    if (count == 1) {
        return leaves[0];
    }
    uint64_t left = 1;
    while (left * 2 < count) {
        left *= 2;
    }
    return apply(fold, is_double, tree_of(fold, is_double, leaves, left),
                 tree_of(fold, is_double, leaves + left, count - left));
}

static double reduce_of(enum fold fold, bool is_double, const double *x, uint64_t n)
{
    if (n == 0) {
        return fold == FOLD_ADD   ? 0.0
               : fold == FOLD_MUL ? 1.0
               : fold == FOLD_MIN ? (double)INFINITY
                                  : -(double)INFINITY;
    }
    uint64_t count = (n + 1535) / 1536;
    double *leaves = malloc(count * sizeof *leaves);
    assert_non_null(leaves);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t left = n - i * 1536;
        leaves[i] = leaf_of(fold, is_double, x + i * 1536, left < 1536 ? left : 1536);
    }
    double result = tree_of(fold, is_double, leaves, count);
    free(leaves);
    return result;
}

/* ---- float elements -------------------------------------------------------------------------- */

static double value_of(enum hg_dtype type, uint64_t bits)
{
    switch (type) {
    case HG_F16:
        return (double)hg_scalar_f32_of_f16((uint16_t)bits);
    case HG_BF16:
        return (double)hg_scalar_f32_of_bf16((uint16_t)bits);
    case HG_F32:
        return (double)hg_scalar_get_f32(bits);
    default:
        return hg_scalar_get_f64(bits);
    }
}

static uint64_t bits_of(enum hg_dtype type, double value)
{
    switch (type) {
    case HG_F16:
        return hg_scalar_f16_of_f32((float)value);
    case HG_BF16:
        return hg_scalar_bf16_of_f32((float)value);
    case HG_F32:
        return hg_scalar_put_f32((float)value);
    default:
        return hg_scalar_put_f64(value);
    }
}

/* ---- launches -------------------------------------------------------------------------------- */

static struct hg_program *reduce_program(enum fold fold, enum hg_dtype type, bool looped)
{
    char text[400];
    snprintf(text, sizeof text,
             "%sldg.%s r1, [b0 + lane]\nreduce.%s.%s r2, r1\n%sstg.%s [b1 + row], r2\nexit\n",
             looped ? "loop.blocks @end\n" : "", hg_dtype_name(type), fold_names[fold],
             hg_dtype_name(type), looped ? "end:\n" : "", hg_dtype_name(type));
    return program_of(text);
}

struct shape {
    uint64_t rows, cols;
};

static const struct shape shapes[] = {
    {1, 0},    {1, 1},    {1, 2},     {1, 63},    {1, 64},     {1, 65},    {1, 1535},
    {1, 1536}, {1, 1537}, {1, 3071},  {1, 3072},  {1, 3073},   {1, 4609},  {1, 6144},
    {1, 7681}, {1, 9217}, {1, 12288}, {1, 12289}, {1, 100003}, {3, 0},     {0, 7},
    {2, 5},    {100, 3},  {65, 64},   {5, 1536},  {4, 1537},   {3, 3072},  {2, 6145},
    {3, 3073}, {2000, 2}, {70, 100},  {2, 25000}, {5000, 1},   {3, 12289},
};

static void check_outputs(const struct hg_program *program, const struct region *in,
                          const struct region *want, enum hg_dtype type, struct shape shape)
{
    for (int run = 0; run <= 2 * HG_ISA_LEVEL_COUNT; run++) {
        bool reference = run == 2 * HG_ISA_LEVEL_COUNT;
        enum hg_isa_level level = (enum hg_isa_level)(reference ? HG_ISA_AVX512 : run / 2);
        hg_cpu_limit(level);
        struct region out = region_new(shape.rows * hg_dtype_bytes(type), 1);
        struct hg_launch launch = launch_of(program, shape.rows, shape.cols);
        launch.executor = reference ? HG_EXECUTOR_REFERENCE : HG_EXECUTOR_BLOCK;
        launch_bind(&launch, in, false);
        launch_bind(&launch, &out, true);
        struct hg_error error = HG_ERROR_INIT;
        assert_int_equal(run_in_parts(&launch, run % 2 == 0 ? 1 : 5, &error), HG_OK);
        for (uint64_t row = 0; row < shape.rows; row++) {
            uint64_t got = element_at(out.data, type, row);
            uint64_t expected = element_at(want->data, type, row);
            if (!same_element(type, got, expected)) {
                print_error("%s, run %d, %llu x %llu, row %llu: %llx, expected %llx\n",
                            hg_dtype_name(type), run, (unsigned long long)shape.rows,
                            (unsigned long long)shape.cols, (unsigned long long)row,
                            (unsigned long long)got, (unsigned long long)expected);
                fail();
            }
        }
        region_free(&out);
    }
    hg_cpu_limit(HG_ISA_AVX512);
}

static void fill(struct region *in, enum hg_dtype type, uint64_t count, bool specials)
{
    for (uint64_t i = 0; i < count; i++) {
        uint64_t bits = random_element(type, &seed);
        if (!specials && hg_dtype_in(type, HG_DT_FLOAT)) {
            bits =
                bits_of(type, 1.0 + (double)(int64_t)(next_random(&seed) % 2001) / 3000.0 - 0.333);
        }
        set_element(in->data, type, i, bits);
    }
}

static void expect_floats(struct region *want, const struct region *in, enum fold fold,
                          enum hg_dtype type, struct shape shape)
{
    double *values = malloc((shape.cols + 1) * sizeof *values);
    assert_non_null(values);
    for (uint64_t row = 0; row < shape.rows; row++) {
        for (uint64_t i = 0; i < shape.cols; i++) {
            values[i] = value_of(type, element_at(in->data, type, row * shape.cols + i));
        }
        set_element(want->data, type, row,
                    bits_of(type, reduce_of(fold, type == HG_F64, values, shape.cols)));
    }
    free(values);
}

/* Integers wrap or compare: any order will do, so the simplest does. */
static void expect_integers(struct region *want, const struct region *in, enum fold fold,
                            enum hg_dtype type, struct shape shape)
{
    unsigned unused = 64 - 8 * hg_dtype_bytes(type);
    bool is_signed = hg_dtype_in(type, HG_DT_SINT);
    for (uint64_t row = 0; row < shape.rows; row++) {
        uint64_t limit = UINT64_MAX >> unused;
        uint64_t result = fold == FOLD_ADD   ? 0
                          : fold == FOLD_MUL ? 1
                          : fold == FOLD_MIN ? (is_signed ? limit >> 1 : limit)
                                             : (is_signed ? (limit >> 1) + 1 : 0);
        for (uint64_t i = 0; i < shape.cols; i++) {
            uint64_t x = element_at(in->data, type, row * shape.cols + i);
            bool less =
                is_signed ? (int64_t)(x << unused) < (int64_t)(result << unused) : x < result;
            switch (fold) {
            case FOLD_ADD:
                result += x;
                break;
            case FOLD_MUL:
                result *= x;
                break;
            case FOLD_MIN:
                result = less ? x : result;
                break;
            default:
                result = less ? result : x;
                break;
            }
        }
        set_element(want->data, type, row, result);
    }
}

static void check_reduce(enum fold fold, enum hg_dtype type, struct shape shape, bool specials)
{
    uint64_t n = shape.rows * shape.cols;
    struct region in = region_new(n * hg_dtype_bytes(type), 2);
    struct region want = region_new(shape.rows * hg_dtype_bytes(type), 0);
    fill(&in, type, n, specials);
    if (hg_dtype_in(type, HG_DT_FLOAT)) {
        expect_floats(&want, &in, fold, type, shape);
    } else {
        expect_integers(&want, &in, fold, type, shape);
    }
    struct hg_program *looped = reduce_program(fold, type, true);
    check_outputs(looped, &in, &want, type, shape);
    if (n <= looped->facts.block_lanes) {
        struct hg_program *unrolled = reduce_program(fold, type, false);
        check_outputs(unrolled, &in, &want, type, shape);
        hg_program_unref(&unrolled);
    }
    hg_program_unref(&looped);
    region_free(&in);
    region_free(&want);
}

/* Every fold of every type over shapes around leaves and blocks is folded in the stated order. */
static void reductions(void **state)
{
    (void)state;
    for (unsigned type = 0; type < HG_DTYPE_COUNT; type++) {
        for (unsigned fold = FOLD_ADD; fold <= FOLD_MUL; fold++) {
            for (size_t i = 0; i < COUNT_OF(shapes); i++) {
                /* The longest shapes for the types whose order matters. */
                bool ordered = type == HG_F32 || type == HG_F64;
                if (shapes[i].rows * shapes[i].cols > 40000 && !(ordered && fold == FOLD_ADD)) {
                    continue;
                }
                check_reduce((enum fold)fold, (enum hg_dtype)type, shapes[i], i % 2 == 0);
            }
        }
    }
}

/* All-NaN rows give NaN, one number among NaN wins, and zeros are ordered by sign. */
static void edges_of_min(void **state)
{
    (void)state;
    static const float rows[3][3] = {{NAN, NAN, NAN}, {NAN, 5.0f, NAN}, {0.0f, -0.0f, 0.0f}};
    struct region in = region_new(sizeof rows, 0);
    struct region out = region_new(3 * sizeof(float), 0);
    memcpy(in.data, rows, sizeof rows);
    struct hg_program *program = reduce_program(FOLD_MIN, HG_F32, false);
    struct hg_launch launch = launch_of(program, 3, 3);
    launch_bind(&launch, &in, false);
    launch_bind(&launch, &out, true);
    launch_ok(&launch);
    assert_true(is_nan_bits(HG_F32, element_at(out.data, HG_F32, 0)));
    assert_int_equal(element_at(out.data, HG_F32, 1), 0x40a00000);
    assert_int_equal(element_at(out.data, HG_F32, 2), 0x80000000);
    hg_program_unref(&program);
    region_free(&in);
    region_free(&out);
}

/* Several REDUCE that end one segment, row-uniform arithmetic on their results at top level, and a
 * later segment that reads it: the row's mean and range, then the elements less the mean. */
static void several_at_once(void **state)
{
    (void)state;
    static const char *const text =
        "param.f32 r9, 3\n"
        "loop.blocks @a\nldg.f32 r1, [b0 + lane]\nreduce.add.f32 r2, r1\nreduce.min.f32 r3, r1\n"
        "reduce.max.f32 r4, r1\na:\ndiv.f32 r5, r2, r9\nsub.f32 r6, r4, r3\n"
        "stg.f32 [b1 + row], r6\n"
        "loop.blocks @b\nldg.f32 r1, [b0 + lane]\nsub.f32 r1, r1, r5\nstg.f32 [b2 + lane], r1\n"
        "b:\nexit\n";
    static const struct shape sizes[] = {{1, 5000}, {7, 1000}, {4, 5000}, {900, 11}, {200, 2}};
    struct hg_program *program = program_of(text);
    for (size_t s = 0; s < COUNT_OF(sizes); s++) {
        uint64_t n = sizes[s].rows * sizes[s].cols;
        struct region in = region_new(n * 4, 0);
        fill(&in, HG_F32, n, false);
        struct region range[2];
        struct region out[2];
        for (int e = 0; e < 2; e++) {
            range[e] = region_new(sizes[s].rows * 4, 0);
            out[e] = region_new(n * 4, 0);
            struct hg_launch launch = launch_of(program, sizes[s].rows, sizes[s].cols);
            float cols = (float)sizes[s].cols;
            memcpy(&launch.params[3], &cols, sizeof cols);
            launch.executor = (enum hg_executor)e;
            launch_bind(&launch, &in, false);
            launch_bind(&launch, &range[e], true);
            launch_bind(&launch, &out[e], true);
            struct hg_error error = HG_ERROR_INIT;
            assert_int_equal(run_in_parts(&launch, 3, &error), HG_OK);
        }
        assert_memory_equal(range[0].data, range[1].data, range[0].size);
        assert_memory_equal(out[0].data, out[1].data, out[0].size);
        double *values = malloc(sizes[s].cols * sizeof *values);
        assert_non_null(values);
        for (uint64_t i = 0; i < sizes[s].cols; i++) {
            values[i] = value_of(HG_F32, element_at(in.data, HG_F32, i));
        }
        float mean =
            (float)reduce_of(FOLD_ADD, false, values, sizes[s].cols) / (float)sizes[s].cols;
        assert_int_equal(element_at(out[0].data, HG_F32, 0),
                         hg_scalar_put_f32((float)values[0] - mean));
        free(values);
        for (int e = 0; e < 2; e++) {
            region_free(&range[e]);
            region_free(&out[e]);
        }
        region_free(&in);
    }
    hg_program_unref(&program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reductions),
        cmocka_unit_test(edges_of_min),
        cmocka_unit_test(several_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
