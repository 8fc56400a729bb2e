/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Native products: that there is code for every type at every level, whatever follows the sums, and
 * that this gives the reference interpreter's bits; and that sums are as near to the exact ones as
 * the standard bound promises.
 */
#include <math.h>

#include "support.h"

#include "lib/exec/scalar.h"
#include "lib/native/native.h"

static uint64_t seed = 11;

struct sizes {
    uint64_t m, n, k;
};

struct product {
    enum hg_dtype type;
    struct sizes sizes;
    bool trans_a, trans_b;
};

static enum hg_dtype sum_type(enum hg_dtype type)
{
    return type == HG_F64 ? HG_F64 : HG_F32;
}

static uint64_t number_bits(enum hg_dtype type, double value)
{
    float narrow = (float)value;
    return type == HG_F64   ? hg_scalar_put_f64(value)
           : type == HG_F32 ? hg_scalar_put_f32(narrow)
           : type == HG_F16 ? hg_scalar_f16_of_f32(narrow)
                            : hg_scalar_bf16_of_f32(narrow);
}

static double number_of(enum hg_dtype type, uint64_t bits)
{
    return type == HG_F64   ? hg_scalar_get_f64(bits)
           : type == HG_F32 ? (double)hg_scalar_get_f32(bits)
           : type == HG_F16 ? (double)hg_scalar_f32_of_f16((uint16_t)bits)
                            : (double)hg_scalar_f32_of_bf16((uint16_t)bits);
}

/* COUNT numbers of both signs and sizes from 2^-SPREAD to 2^SPREAD. */
static struct region numbers(enum hg_dtype type, uint64_t count, int spread)
{
    struct region region = region_new(count * hg_dtype_bytes(type), 8);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t draw = next_random(&seed);
        double value = ldexp((double)(draw >> 11) * 0x1p-52 - 1.0,
                             (int)(draw % (unsigned)(2 * spread + 1)) - spread);
        set_element(region.data, type, i, number_bits(type, value));
    }
    return region;
}

/* ---- programs -------------------------------------------------------------------------------- */

/* What may stand behind the sum r1 of F32: operands b2 is the result's, b3 a column's, b4 a row's.
 */
static const struct {
    const char *name;
    const char *text;
    bool writes_half;
} epilogues[] = {
    {"nothing", "stg.f32 [b2 + lane], r1\n", false},
    {"alpha and beta",
     "param.f32 r8, 6\nparam.f32 r9, 7\nmul.f32 r1, r1, r8\nldg.f32 r2, [b2 + lane]\n"
     "mul.f32 r2, r2, r9\nadd.f32 r1, r1, r2\nstg.f32 [b2 + lane], r1\n",
     false},
    {"a column's bias and relu",
     "ldg.f32 r2, [b3 + lane%cols]\nadd.f32 r1, r1, r2\nmov_imm.f32 r3, 0\nmax.f32 r1, r1, r3\n"
     "stg.f32 [b2 + lane], r1\n",
     false},
    {"a row's bias", "ldg.f32 r2, [b4 + lane/cols]\nadd.f32 r1, r1, r2\nstg.f32 [b2 + lane], r1\n",
     false},
    {"a row's factor, computed, and a column's bias",
     "ldg.f32 r2, [b4 + lane/cols]\nparam.f32 r8, 6\nmul.f32 r2, r2, r8\nmul.f32 r1, r1, r2\n"
     "ldg.f32 r3, [b3 + lane%cols]\nadd.f32 r1, r1, r3\nstg.f32 [b2 + lane], r1\n",
     false},
    {"tiny results", "mov_imm.f32 r3, 0x00000100\nmul.f32 r1, r1, r3\nstg.f32 [b2 + lane], r1\n",
     false},
    {"a long chain",
     "ldg.f32 r2, [b3 + lane%cols]\nadd.f32 r1, r1, r2\nmul.f32 r3, r1, r1\nmul.f32 r3, r3, r1\n"
     "mov_imm.f32 r4, 0.044715\nmul.f32 r3, r3, r4\nadd.f32 r3, r3, r1\ntanh.f32 r5, r3\n"
     "mov_imm.f32 r6, 1\nadd.f32 r5, r5, r6\nmul.f32 r1, r1, r5\nstg.f32 [b2 + lane], r1\n",
     false},
    {"half a result", "cvt.f16.f32 r2, r1\nstg.f16 [b2 + lane], r2\n", true},
};

static struct hg_program *program_for(const struct product *product, const char *epilogue)
{
    char text[900];
    snprintf(
        text, sizeof text,
        "loop.blocks @end\nmma.%s r1, [b0], [b1], m=%%1, n=%%2, k=%%3, lda=%%4, ldb=%%5%s%s%s\n"
        "%send:\nexit\n",
        hg_dtype_name(product->type), product->trans_a ? ", trans_a" : "",
        product->trans_b ? ", trans_b" : "", product->sizes.n == 1 ? ", dot" : "", epilogue);
    return program_of(text);
}

/* Whether there is code for tiles of PROGRAM's product, which starts behind LOOP.BLOCKS. */
static bool has_code(const struct hg_program *program, enum hg_isa_level level)
{
    struct hg_native_code *code = NULL;
    const struct hg_native_tile tile = {4, 2, true};
    assert_int_equal(hg_native_compile_tile(program, level, HG_FP_IEEE, 1, tile, &code), HG_OK);
    bool has = code != NULL;
    hg_native_destroy(&code);
    return has;
}

static void bind(struct hg_launch *launch, const struct product *product,
                 const struct region *operands, unsigned count)
{
    const struct sizes *sizes = &product->sizes;
    float alpha = 0.625f;
    float beta = -1.5f;
    launch->params[3] = sizes->k;
    launch->params[4] = product->trans_a ? sizes->m : sizes->k;
    launch->params[5] = product->trans_b ? sizes->k : sizes->n;
    memcpy(&launch->params[6], &alpha, sizeof alpha);
    memcpy(&launch->params[7], &beta, sizeof beta);
    for (unsigned i = 0; i < count; i++) {
        launch_bind(launch, &operands[i], i == 2);
    }
}

/* ---- tests ----------------------------------------------------------------------------------- */

static const struct sizes sizes[] = {{1, 2, 1},   {3, 40, 7},    {13, 33, 20},  {29, 17, 64},
                                     {70, 65, 9}, {57, 130, 31}, {75, 1, 1600}, {9, 1, 70}};
static const enum hg_dtype types[] = {HG_F16, HG_BF16, HG_F32};

/* Runs PROGRAM of PRODUCT with EXECUTOR into RESULT, a copy of what is in OPERANDS[2]. */
static void run(const struct hg_program *program, const struct product *product,
                const struct region *operands, enum hg_executor executor, enum hg_fp_mode mode,
                const struct region *result)
{
    struct hg_launch launch = launch_of(program, product->sizes.m, product->sizes.n);
    const struct region bound[] = {operands[0], operands[1], *result, operands[3], operands[4]};
    memcpy(result->data, operands[2].data, result->size);
    bind(&launch, product, bound, program->facts.slot_count);
    launch.executor = executor;
    launch.fp_mode = mode;
    launch_ok(&launch);
}

static void check_epilogue(const struct product *product, size_t e)
{
    const struct sizes *size = &product->sizes;
    uint64_t lanes = size->m * size->n;
    struct region operands[] = {
        numbers(product->type, size->m * size->k, 3), numbers(product->type, size->k * size->n, 3),
        numbers(HG_F32, lanes, 3), numbers(HG_F32, size->n, 3), numbers(HG_F32, size->m, 3)};
    struct region want = region_new(lanes * sizeof(float), 4);
    struct region got = region_new(lanes * sizeof(float), 4);
    struct hg_program *program = program_for(product, epilogues[e].text);
    for (unsigned level = HG_ISA_AVX2; hg_native_available() && level <= hg_native_level();
         level++) {
        bool tells_apart = strstr(epilogues[e].text, "cols]") != NULL;
        bool may_lack =
            (level == HG_ISA_AVX2 && epilogues[e].writes_half) || (size->n == 1 && tells_apart);
        if (!may_lack && !has_code(program, (enum hg_isa_level)level)) {
            print_error("%s, level %u: %s\n", hg_dtype_name(product->type), level,
                        epilogues[e].name);
            fail();
        }
    }
    for (unsigned i = 0; i < 2u * HG_ISA_LEVEL_COUNT; i++) {
        enum hg_fp_mode mode = i % 2 == 0 ? HG_FP_IEEE : HG_FP_FTZ;
        hg_cpu_limit((enum hg_isa_level)(i / 2));
        run(program, product, operands, HG_EXECUTOR_REFERENCE, mode, &want);
        run(program, product, operands, HG_EXECUTOR_NATIVE, mode, &got);
        if (memcmp(want.data, got.data, want.size) != 0) {
            print_error("%s, %llu x %llu x %llu, level %u: %s\n", hg_dtype_name(product->type),
                        (unsigned long long)size->m, (unsigned long long)size->n,
                        (unsigned long long)size->k, i / 2, epilogues[e].name);
            fail();
        }
    }
    hg_cpu_limit(HG_ISA_AVX512);
    hg_program_unref(&program);
    region_free(&want);
    region_free(&got);
    for (unsigned i = 0; i < COUNT_OF(operands); i++) {
        region_free(&operands[i]);
    }
}

/* Whatever follows the sums: every type has native code at every level, and its bits are those of
 * the reference interpreter, in both floating-point modes. */
static void what_follows(void **state)
{
    (void)state;
    for (size_t t = 0; t < COUNT_OF(types); t++) {
        for (size_t s = 0; s < COUNT_OF(sizes); s++) {
            for (size_t e = 0; e < COUNT_OF(epilogues); e++) {
                struct product product = {types[t], sizes[s], (s & 1) != 0, (s & 2) != 0};
                check_epilogue(&product, e);
            }
        }
    }
}

/* |sum - exact| <= gamma_k |A||B| for all elements of PRODUCT at the level that is set. */
static void check_bound(const struct product *product, const struct region *a,
                        const struct region *b, const struct region *c)
{
    const struct sizes *size = &product->sizes;
    enum hg_dtype wide = sum_type(product->type);
    long double unit = wide == HG_F64 ? 0x1p-53L : 0x1p-24L;
    long double gamma = (long double)size->k * unit / (1 - (long double)size->k * unit);
    for (uint64_t at = 0; at < size->m * size->n; at++) {
        uint64_t i = at / size->n;
        uint64_t j = at % size->n;
        long double exact = 0;
        long double absolute = 0;
        for (uint64_t p = 0; p < size->k; p++) {
            uint64_t from_a = product->trans_a ? p * size->m + i : i * size->k + p;
            uint64_t from_b = product->trans_b ? j * size->k + p : p * size->n + j;
            long double term =
                (long double)number_of(product->type, element_at(a->data, product->type, from_a)) *
                (long double)number_of(product->type, element_at(b->data, product->type, from_b));
            exact += term;
            absolute += fabsl(term);
        }
        long double sum = (long double)number_of(wide, element_at(c->data, wide, at));
        if (!(fabsl(sum - exact) <= gamma * absolute)) {
            print_error("%s, %llu x %llu x %llu: element %llu is %Lg, not %Lg\n",
                        hg_dtype_name(product->type), (unsigned long long)size->m,
                        (unsigned long long)size->n, (unsigned long long)size->k,
                        (unsigned long long)at, sum, exact);
            fail();
        }
    }
}

/* Sums are within the standard bound of the exact ones: every type, transposition and level, sizes
 * from 1 to 40 and some that are packed. */
static void within_the_bound(void **state)
{
    (void)state;
    static const enum hg_dtype all[] = {HG_F16, HG_BF16, HG_F32, HG_F64};
    static const struct sizes large[] = {{161, 70, 300}, {20, 190, 1100}};
    for (unsigned i = 0; i < 200; i++) {
        uint64_t draw = next_random(&seed);
        struct product product = {
            .type = all[i % 4],
            .sizes = {1 + (draw >> 8) % 40, 2 + (draw >> 16) % 39, 1 + (draw >> 24) % 40},
            .trans_a = (draw & 1) != 0,
            .trans_b = (draw & 2) != 0};
        if (i < 8) {
            product.sizes = large[i / 4];
        }
        const struct sizes *size = &product.sizes;
        enum hg_dtype wide = sum_type(product.type);
        struct region operands[] = {numbers(product.type, size->m * size->k, 6),
                                    numbers(product.type, size->k * size->n, 6),
                                    region_new(size->m * size->n * hg_dtype_bytes(wide), 8)};
        struct hg_program *program = program_for(
            &product, wide == HG_F64 ? "stg.f64 [b2 + lane], r1\n" : "stg.f32 [b2 + lane], r1\n");
        for (unsigned level = 0; level < HG_ISA_LEVEL_COUNT; level++) {
            hg_cpu_limit((enum hg_isa_level)level);
            struct hg_launch launch = launch_of(program, size->m, size->n);
            bind(&launch, &product, operands, 3);
            launch.executor = HG_EXECUTOR_NATIVE;
            launch_ok(&launch);
            check_bound(&product, &operands[0], &operands[1], &operands[2]);
        }
        hg_cpu_limit(HG_ISA_AVX512);
        hg_program_unref(&program);
        for (unsigned o = 0; o < COUNT_OF(operands); o++) {
            region_free(&operands[o]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_follows),
        cmocka_unit_test(within_the_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
