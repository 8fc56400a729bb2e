/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MMA against straightforward loops: order of terms, order=dot, pairs of BF16, transposes, leading
 * dimensions, edges of every tile, epilogues; all executors, every ISA level, any parts.
 */
#include <math.h>

#include "support.h"

#include "lib/exec/panels.h"
#include "lib/exec/scalar.h"

static uint64_t seed = 7;

struct gemm {
    enum hg_dtype type;
    uint64_t m, n, k;
    bool trans_a, trans_b, dot;
    uint64_t pad; /* added to the leading dimensions */
};

static uint64_t lda_of(const struct gemm *g)
{
    return (g->trans_a ? g->m : g->k) + g->pad;
}

static uint64_t ldb_of(const struct gemm *g)
{
    return (g->trans_b ? g->k : g->n) + g->pad;
}

static uint64_t bytes_a(const struct gemm *g)
{
    return (g->trans_a ? g->k : g->m) * lda_of(g) * hg_dtype_bytes(g->type);
}

static uint64_t bytes_b(const struct gemm *g)
{
    return (g->trans_b ? g->n : g->k) * ldb_of(g) * hg_dtype_bytes(g->type);
}

static uint64_t a_at(const struct gemm *g, const struct region *a, uint64_t i, uint64_t p)
{
    return element_at(a->data, g->type, g->trans_a ? p * lda_of(g) + i : i * lda_of(g) + p);
}

static uint64_t b_at(const struct gemm *g, const struct region *b, uint64_t p, uint64_t j)
{
    return element_at(b->data, g->type, g->trans_b ? j * ldb_of(g) + p : p * ldb_of(g) + j);
}

static float wide(enum hg_dtype type, uint64_t bits)
{
    return type == HG_F16    ? hg_scalar_f32_of_f16((uint16_t)bits)
           : type == HG_BF16 ? hg_scalar_f32_of_bf16((uint16_t)bits)
                             : hg_scalar_get_f32(bits);
}

/* ---- sums, written down from the text -------------------------------------------------------- */

static double fused(bool is_double, double a, double b, double sum)
{
    return is_double ? fma(a, b, sum) : (double)fmaf((float)a, (float)b, (float)sum);
}

static double add(bool is_double, double a, double b)
{
    return is_double ? a + b : (double)((float)a + (float)b);
}

static double term(const struct gemm *g, uint64_t bits)
{
    return g->type == HG_F64 ? hg_scalar_get_f64(bits) : (double)wide(g->type, bits);
}

static double tree_of(bool is_double, const double *leaves, uint64_t count)
{
    uint64_t left = 1;
    while (left * 2 < count) {
        left *= 2;
    }
    return count == 1 ? leaves[0]
                      : add(is_double, tree_of(is_double, leaves, left),
                            tree_of(is_double, leaves + left, count - left));
}

static double dot_of(const struct gemm *g, const struct region *a, const struct region *b,
                     uint64_t i)
{
    bool is_double = g->type == HG_F64;
    unsigned width = is_double ? 32 : 64;
    double leaves[16];
    uint64_t count = 0;
    for (uint64_t first = 0; first < g->k; first += 1536) {
        double acc[64];
        for (unsigned w = 0; w < width; w++) {
            acc[w] = -0.0;
        }
        for (uint64_t p = first; p < g->k && p < first + 1536; p++) {
            double *sum = &acc[(p - first) % width];
            *sum = fused(is_double, term(g, a_at(g, a, i, p)), term(g, b_at(g, b, p, 0)), *sum);
        }
        for (unsigned h = width / 2; h >= 1; h /= 2) {
            for (unsigned w = 0; w < h; w++) {
                acc[w] = add(is_double, acc[w], acc[w + h]);
            }
        }
        leaves[count++] = acc[0];
    }
    return count == 0 ? 0.0 : tree_of(is_double, leaves, count);
}

static uint64_t expected(const struct gemm *g, const struct region *a, const struct region *b,
                         uint64_t i, uint64_t j)
{
    bool is_double = g->type == HG_F64;
    double sum = 0.0;
    if (g->dot) {
        sum = dot_of(g, a, b, i);
    } else if (g->type == HG_BF16) {
        float pairs = 0.0f;
        for (uint64_t p = 0; p < g->k; p += 2) {
            bool odd = p + 1 < g->k;
            pairs = hg_scalar_mma_pair_bf16(
                pairs, (uint16_t)a_at(g, a, i, p), odd ? (uint16_t)a_at(g, a, i, p + 1) : 0,
                (uint16_t)b_at(g, b, p, j), odd ? (uint16_t)b_at(g, b, p + 1, j) : 0);
        }
        sum = (double)pairs;
    } else {
        for (uint64_t p = 0; p < g->k; p++) {
            sum = fused(is_double, term(g, a_at(g, a, i, p)), term(g, b_at(g, b, p, j)), sum);
        }
    }
    return is_double ? hg_scalar_put_f64(sum) : hg_scalar_put_f32((float)sum);
}

/* ---- launches -------------------------------------------------------------------------------- */

enum form { UNROLLED, LOOPED, BAKED };

static struct hg_program *gemm_program(const struct gemm *g, enum form form)
{
    char text[600];
    char sizes[160] = "m=%1, n=%2, k=%3, lda=%4, ldb=%5";
    if (form == BAKED) {
        snprintf(sizes, sizeof sizes, "m=%llu, n=%llu, k=%llu, lda=%llu, ldb=%llu",
                 (unsigned long long)g->m, (unsigned long long)g->n, (unsigned long long)g->k,
                 (unsigned long long)lda_of(g), (unsigned long long)ldb_of(g));
    }
    snprintf(text, sizeof text,
             "%smma.%s r1, [b0], [b1], %s%s%s%s\nstg.%s [b2 + lane], r1\n%sexit\n",
             form == LOOPED ? "loop.blocks @end\n" : "", hg_dtype_name(g->type), sizes,
             g->trans_a ? ", trans_a" : "", g->trans_b ? ", trans_b" : "", g->dot ? ", dot" : "",
             g->type == HG_F64 ? "f64" : "f32", form == LOOPED ? "end:\n" : "");
    return program_of(text);
}

static struct hg_launch gemm_launch(const struct hg_program *program, const struct gemm *g,
                                    const struct region *a, const struct region *b,
                                    const struct region *c)
{
    struct hg_launch launch = launch_of(program, g->m, g->n);
    launch.params[3] = g->k;
    launch.params[4] = lda_of(g);
    launch.params[5] = ldb_of(g);
    launch_bind(&launch, a, false);
    launch_bind(&launch, b, false);
    launch_bind(&launch, c, true);
    return launch;
}

static void compare(const struct gemm *g, const struct region *c, const uint64_t *want,
                    const char *how)
{
    enum hg_dtype type = g->type == HG_F64 ? HG_F64 : HG_F32;
    for (uint64_t i = 0; i < g->m * g->n; i++) {
        uint64_t got = element_at(c->data, type, i);
        if (!same_element(type, got, want[i])) {
            print_error("%s %s: %llu x %llu x %llu%s%s%s, element %llu: %llx, expected %llx\n", how,
                        hg_dtype_name(g->type), (unsigned long long)g->m, (unsigned long long)g->n,
                        (unsigned long long)g->k, g->trans_a ? " ta" : "", g->trans_b ? " tb" : "",
                        g->dot ? " dot" : "", (unsigned long long)i, (unsigned long long)got,
                        (unsigned long long)want[i]);
            fail();
        }
    }
}

/* Runs LAUNCH with the panels that it would like, all at once if WORKERS is 0; false if with none.
 */
static bool run_with_panels(struct hg_launch *launch, unsigned workers)
{
    struct hg_panels panels;
    if (!hg_panels_of(launch, &panels.shape)) {
        return false;
    }
    const struct hg_operand *b = &launch->operands[panels.shape.slot];
    assert_true(hg_panels_extent(&panels.shape) <= b->bytes);
    uint8_t *data = aligned_alloc(64, (hg_panels_bytes(&panels.shape) + 63) / 64 * 64);
    assert_non_null(data);
    hg_panels_pack(&panels.shape, b->base, data);
    panels.data = data;
    launch->panels = &panels;
    struct hg_error error = HG_ERROR_INIT;
    enum hg_status status = workers == 0 ? hg_exec_launch(launch, &error)
                                         : run_in_parts(launch, 2 * workers - 1, &error);
    launch->panels = NULL;
    free(data);
    assert_int_equal(status, HG_OK);
    return true;
}

/* Every executor at every level, without and with panels, all at once and in parts. */
static void check_program(const struct gemm *g, const struct hg_program *program,
                          const struct region *a, const struct region *b, const uint64_t *want)
{
    size_t size = g->m * g->n * (g->type == HG_F64 ? 8 : 4);
    for (unsigned run = 0; run < HG_EXECUTOR_COUNT * HG_ISA_LEVEL_COUNT * 3; run++) {
        enum hg_executor executor = (enum hg_executor)(run % HG_EXECUTOR_COUNT);
        enum hg_isa_level level = (enum hg_isa_level)(run / HG_EXECUTOR_COUNT % HG_ISA_LEVEL_COUNT);
        unsigned workers = run / (HG_EXECUTOR_COUNT * HG_ISA_LEVEL_COUNT); /* 0: all at once */
        if (executor == HG_EXECUTOR_REFERENCE && (level != HG_ISA_AVX512 || workers != 0)) {
            continue;
        }
        hg_cpu_limit(level);
        struct region c = region_new(size, 4);
        struct hg_launch launch = gemm_launch(program, g, a, b, &c);
        launch.executor = executor;
        struct hg_error error = HG_ERROR_INIT;
        enum hg_status status = workers == 0 ? hg_exec_launch(&launch, &error)
                                             : run_in_parts(&launch, 2 * workers - 1, &error);
        if (status != HG_OK) {
            print_error("%s\n", error.message);
            fail();
        }
        compare(g, &c, want, hg_executor_name(executor));
        memset(c.data, 0xff, size);
        if (run_with_panels(&launch, workers)) {
            compare(g, &c, want, "panels");
        }
        region_free(&c);
    }
    hg_cpu_limit(HG_ISA_AVX512);
}

static void check_gemm(const struct gemm *g, bool specials)
{
    struct region a = region_new(bytes_a(g), 8);
    struct region b = region_new(bytes_b(g), 16);
    struct region *matrices[] = {&a, &b};
    for (int i = 0; i < 2; i++) {
        for (uint64_t e = 0; e < matrices[i]->size / hg_dtype_bytes(g->type); e++) {
            uint64_t bits = random_element(g->type, &seed);
            bool number = !is_nan_bits(g->type, bits) && (specials || e % 7 != 0);
            set_element(matrices[i]->data, g->type, e,
                        number ? bits : (uint64_t)(g->type == HG_F64 ? 0 : e % 3));
        }
    }
    uint64_t *want = malloc((g->m * g->n + 1) * sizeof *want);
    assert_non_null(want);
    for (uint64_t i = 0; i < g->m * g->n; i++) {
        want[i] = expected(g, &a, &b, i / g->n, i % g->n);
    }
    uint64_t block = g->type == HG_F64 ? 1536 : 3072;
    for (enum form form = UNROLLED; form <= BAKED; form++) {
        bool fits = form == LOOPED || g->m * g->n <= block;
        bool small = g->m <= 64 && g->n <= 64 && g->k <= 64;
        if (fits && (form != BAKED || small)) {
            struct hg_program *program = gemm_program(g, form);
            check_program(g, program, &a, &b, want);
            hg_program_unref(&program);
        }
    }
    free(want);
    region_free(&a);
    region_free(&b);
}

static const struct {
    uint64_t m, n, k;
} sizes[] = {{1, 1, 1},      {2, 3, 4},      {1, 10, 64}, {8, 48, 5},     {9, 49, 7},
             {17, 33, 3},    {3, 97, 40},    {5, 0, 3},   {4, 4, 0},      {30, 2, 257},
             {7, 500, 9},    {100, 3, 2},    {2, 970, 3}, {11, 16, 513},  {97, 481, 3},
             {193, 7, 300},  {1, 449, 33},   {29, 15, 5}, {15, 32, 1537}, {170, 130, 300},
             {9, 129, 3075}, {141, 66, 1027}};

/* Every type and transposition, at sizes around register tiles, panels, units and steps over k; of
 * what takes long, one transposition for each type, unless HG_FULL asks for all. */
static void products(void **state)
{
    (void)state;
    static const enum hg_dtype types[] = {HG_F16, HG_BF16, HG_F32, HG_F64};
    const bool full = getenv("HG_FULL") != NULL;
    for (size_t t = 0; t < COUNT_OF(types); t++) {
        for (size_t s = 0; s < COUNT_OF(sizes); s++) {
            const bool is_long = sizes[s].m * sizes[s].n * sizes[s].k > 300000;
            for (unsigned trans = 0; trans < 4; trans++) {
                if (is_long && !full && trans != (s + t) % 4) {
                    continue;
                }
                struct gemm g = {.type = types[t],
                                 .m = sizes[s].m,
                                 .n = sizes[s].n,
                                 .k = sizes[s].k,
                                 .trans_a = (trans & 1) != 0,
                                 .trans_b = (trans & 2) != 0,
                                 .dot = sizes[s].n == 1,
                                 .pad = s % 3};
                check_gemm(&g, s % 2 == 0);
            }
        }
    }
}

/* Sizes from 1 to 40, every type, with any transposition and distance of rows: whatever tiles they
 * are cut into. */
static void small_products(void **state)
{
    (void)state;
    static const enum hg_dtype types[] = {HG_F32, HG_F64, HG_F16, HG_BF16};
    for (unsigned i = 0; i < 400; i++) {
        uint64_t draw = next_random(&seed);
        struct gemm g = {.type = types[draw & 3],
                         .m = 1 + (draw >> 8) % 40,
                         .n = 2 + (draw >> 16) % 39,
                         .k = 1 + (draw >> 24) % 40,
                         .trans_a = (draw >> 3 & 1) != 0,
                         .trans_b = (draw >> 4 & 3) == 0,
                         .pad = draw >> 6 & 3};
        check_gemm(&g, i % 2 == 0);
    }
}

/* order=dot: the leaves of REDUCE. */
static void dots(void **state)
{
    (void)state;
    static const enum hg_dtype types[] = {HG_F16, HG_BF16, HG_F32, HG_F64};
    static const uint64_t lengths[] = {0, 1, 2, 63, 64, 65, 1535, 1536, 1537, 4608, 7681};
    for (size_t t = 0; t < COUNT_OF(types); t++) {
        for (size_t s = 0; s < COUNT_OF(lengths); s++) {
            for (unsigned trans = 0; trans < 4; trans++) {
                struct gemm g = {.type = types[t],
                                 .m = 1 + s % 4,
                                 .n = 1,
                                 .k = lengths[s],
                                 .trans_a = (trans & 1) != 0,
                                 .trans_b = (trans & 2) != 0,
                                 .dot = true,
                                 .pad = s % 2};
                check_gemm(&g, s % 2 == 0);
            }
        }
    }
}

/* BF16 pairs flush denormal sums, also those just below the smallest normal number. */
static void pairs_flush(void **state)
{
    (void)state;
    /* 2^-63 * (2^-63 - 2^-70), and neighbours: products in [2^-126 - 2^-150, 2^-126) and around. */
    struct gemm g = {.type = HG_BF16, .m = 40, .n = 40, .k = 2};
    struct region a = region_new(bytes_a(&g), 0);
    struct region b = region_new(bytes_b(&g), 0);
    for (uint64_t i = 0; i < 80; i++) {
        set_element(a.data, HG_BF16, i, 0x2000 - 20 + i % 40 + (i % 2) * 0x8000);
        set_element(b.data, HG_BF16, i, 0x2000 - 20 + i / 2 % 40);
    }
    uint64_t want[1600];
    for (uint64_t i = 0; i < 1600; i++) {
        want[i] = expected(&g, &a, &b, i / 40, i % 40);
    }
    struct hg_program *program = gemm_program(&g, UNROLLED);
    check_program(&g, program, &a, &b, want);
    hg_program_unref(&program);
    region_free(&a);
    region_free(&b);
}

/* What follows MMA is ordinary code: alpha, beta * C, a bias for each column, relu, and a row's
 * sum. */
static void epilogues(void **state)
{
    (void)state;
    static const char *const text =
        "param.f32 r9, 4\nmov_imm.f32 r8, 0\nbar.sync\nloop.blocks @end\n"
        "mma.f32 r1, [b0], [b1], m=%1, n=%2, k=%3, lda=%3, ldb=%2\n"
        "mul.f32 r1, r1, r9\nldg.f32 r2, [b2 + lane]\nadd.f32 r1, r1, r2\n"
        "ldg.f32 r3, [b3 + lane%cols]\nadd.f32 r1, r1, r3\nmax.f32 r1, r1, r8\n"
        "stg.f32 [b2 + lane], r1\nreduce.add.f32 r4, r1\nend:\nstg.f32 [b4 + row], r4\nexit\n";
    struct hg_program *program = program_of(text);
    static const uint64_t shapes[][3] = {{5, 7, 9}, {70, 90, 20}, {3, 2000, 4}};
    for (size_t s = 0; s < COUNT_OF(shapes); s++) {
        uint64_t m = shapes[s][0];
        uint64_t n = shapes[s][1];
        uint64_t k = shapes[s][2];
        size_t bytes[] = {m * k * 4, k * n * 4, m * n * 4, n * 4, m * 4};
        struct region results[HG_EXECUTOR_COUNT][5];
        for (int e = 0; e < HG_EXECUTOR_COUNT; e++) {
            uint64_t same = 5;
            struct hg_launch launch = launch_of(program, m, n);
            launch.params[3] = k;
            float alpha = 0.75f;
            memcpy(&launch.params[4], &alpha, sizeof alpha);
            launch.executor = (enum hg_executor)e;
            for (int i = 0; i < 5; i++) {
                results[e][i] = region_new(bytes[i], 0);
                for (uint64_t x = 0; x < bytes[i] / 4; x++) {
                    float value = (float)(next_random(&same) % 100) / 16.0f - 3.0f;
                    memcpy(results[e][i].data + 4 * x, &value, 4);
                }
                launch_bind(&launch, &results[e][i], i == 2 || i == 4);
            }
            struct hg_error error = HG_ERROR_INIT;
            if (run_in_parts(&launch, 4, &error) != HG_OK) {
                print_error("%s\n", error.message);
                fail();
            }
        }
        for (int e = 1; e < HG_EXECUTOR_COUNT; e++) {
            assert_memory_equal(results[0][2].data, results[e][2].data, bytes[2]);
            assert_memory_equal(results[0][4].data, results[e][4].data, bytes[4]);
        }
        for (int i = 0; i < HG_EXECUTOR_COUNT * 5; i++) {
            region_free(&results[i / 5][i % 5]);
        }
    }
    hg_program_unref(&program);
}

/* Sizes baked as immediates; wrong launches are refused. */
static void refusals(void **state)
{
    (void)state;
    struct hg_program *program = program_of(
        "mma.f32 r1, [b0], [b1], m=2, n=3, k=4, lda=4, ldb=3\nstg.f32 [b2 + lane], r1\nexit\n");
    struct region a = region_new(32, 0);
    struct region b = region_new(48, 0);
    struct region c = region_new(24, 0);
    memset(a.data, 0, a.size);
    memset(b.data, 0, b.size);
    struct hg_error error = HG_ERROR_INIT;
    struct hg_launch launch = launch_of(program, 2, 3);
    launch_bind(&launch, &a, false);
    launch_bind(&launch, &b, false);
    launch_bind(&launch, &c, true);
    launch_ok(&launch);
    launch.operands[0].bytes = 31;
    assert_int_equal(hg_exec_launch(&launch, &error), HG_OUT_OF_RANGE);
    assert_string_equal(error.detail, HG_DETAIL_OUT_OF_BOUNDS);
    assert_non_null(strstr(error.message, "slot b0, offset 0: needs 32 bytes, has 31"));
    launch.operands[0].bytes = 32;
    launch.operands[1].base = c.data;
    launch.operands[1].bytes = 24;
    assert_int_equal(hg_exec_launch(&launch, &error), HG_OUT_OF_RANGE);
    launch.params[HG_PARAM_N] = launch.params[HG_PARAM_COLS] = 4;
    launch.params[HG_PARAM_ROWS] = 1;
    assert_int_equal(hg_exec_launch(&launch, &error), HG_INVALID_ARGUMENT);
    hg_program_unref(&program);
    region_free(&a);
    region_free(&b);
    region_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products),    cmocka_unit_test(small_products), cmocka_unit_test(dots),
        cmocka_unit_test(pairs_flush), cmocka_unit_test(epilogues),      cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
