/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that somebody wrote to see what breaks: operands that end where memory does, smaller
 * than what instructions move at once, and more values than there are registers. Native code has
 * the reference's bits, and touches nothing else.
 */
#include "support.h"

#include <sys/mman.h>
#include <unistd.h>

enum { LANES = 70, OPERANDS = 3, TEXT = 16384 };

/* Rows, columns, and what programs find in k3, k4 and k5. */
struct shape {
    uint64_t rows, cols, value, lda, ldb;
};

/* SIZE bytes between two pages that may not be touched: against the first, or the last. */
struct edge {
    uint8_t *pages;
    uint8_t *data;
    size_t size, mapped;
};

static struct edge edge_new(size_t size, bool last)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t inner = (size / page + 1) * page;
    struct edge edge = {.size = size, .mapped = inner + 2 * page};
    edge.pages = mmap(NULL, edge.mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(edge.pages, MAP_FAILED);
    assert_int_equal(mprotect(edge.pages + page, inner, PROT_READ | PROT_WRITE), 0);
    edge.data = edge.pages + page + (last ? inner - size : 0);
    return edge;
}

static void edge_free(struct edge *edge)
{
    assert_int_equal(munmap(edge->pages, edge->mapped), 0);
}

/* Runs PROGRAM with EXECUTOR; the last operand is written. */
static enum hg_status run(const struct hg_program *program, const struct edge edges[OPERANDS],
                          const struct shape *shape, enum hg_executor executor,
                          struct hg_error *error)
{
    struct hg_launch launch = launch_of(program, shape->rows, shape->cols);
    launch.params[3] = shape->value;
    launch.params[4] = shape->lda;
    launch.params[5] = shape->ldb;
    launch.executor = executor;
    for (unsigned i = 0; i < OPERANDS; i++) {
        launch.operands[launch.operand_count++] =
            (struct hg_operand){edges[i].data, edges[i].size, i + 1 == OPERANDS};
    }
    *error = (struct hg_error)HG_ERROR_INIT;
    memset(edges[OPERANDS - 1].data, 0, edges[OPERANDS - 1].size);
    return hg_exec_launch(&launch, error);
}

/* Fails unless native code of each level does to EDGES what the reference does. */
static void check_levels(const struct hg_program *program, const struct edge edges[OPERANDS],
                         const struct shape *shape)
{
    struct hg_error expected;
    enum hg_status status = run(program, edges, shape, HG_EXECUTOR_REFERENCE, &expected);
    size_t size = edges[OPERANDS - 1].size;
    uint8_t *want = malloc(size);
    assert_non_null(want);
    memcpy(want, edges[OPERANDS - 1].data, size);
    for (unsigned level = HG_ISA_AVX2; level <= HG_ISA_AVX512; level++) {
        struct hg_error error;
        hg_cpu_limit((enum hg_isa_level)level);
        assert_int_equal(run(program, edges, shape, HG_EXECUTOR_NATIVE, &error), status);
        assert_string_equal(error.message, expected.message);
        if (status == HG_OK) {
            assert_memory_equal(edges[OPERANDS - 1].data, want, size);
        }
    }
    hg_cpu_limit(HG_ISA_AVX512);
    free(want);
}

static void edges_free(struct edge edges[OPERANDS])
{
    for (unsigned i = 0; i < OPERANDS; i++) {
        edge_free(&edges[i]);
    }
}

/* A gather among KEPT values that are read before and after it, from all ELEMENTS of TYPE. */
static void write_crowd(char text[TEXT], const char *type, unsigned kept)
{
    int at = snprintf(text, TEXT, "ldg.u64 r1, [b0 + lane]\n");
    for (unsigned i = 0; i < kept; i++) {
        at += snprintf(text + at, TEXT - (size_t)at, "ldg.u64 r%u, [b0 + %u + lane]\n", 10 + i,
                       8 * i);
    }
    at += snprintf(text + at, TEXT - (size_t)at, "ldg.%s r2, [b1 + r1]\ncvt.u64.%s r3, r2\n", type,
                   type);
    for (unsigned i = 0; i < kept; i++) {
        at += snprintf(text + at, TEXT - (size_t)at, "add.u64 r3, r3, r3\nxor.u64 r3, r3, r%u\n",
                       10 + i);
    }
    (void)snprintf(text + at, TEXT - (size_t)at, "stg.u64 [b2 + lane], r3\nexit\n");
}

/* Elements of an operand that is smaller than what is gathered at once, while all registers are
 * taken: what had to be put away for that comes back whichever way was gone. */
static void crowded_gathers(void **state)
{
    (void)state;
    static const char *const types[] = {"u8", "u16", "u32", "u64"};
    static char text[TEXT];
    for (unsigned way = 0; way < 12 * COUNT_OF(types); way++) {
        unsigned kept = 8 + way / (unsigned)COUNT_OF(types) * 3;
        size_t width = (size_t)1 << way % COUNT_OF(types);
        write_crowd(text, types[way % COUNT_OF(types)], kept);
        struct hg_program *program = program_of(text);
        for (size_t size = width; size < 12; size++) {
            struct edge edges[OPERANDS] = {edge_new((LANES + kept) * 8, true),
                                           edge_new(size, size % 2 == 0),
                                           edge_new(LANES * 8, true)};
            uint64_t seed = size;
            for (unsigned i = 0; i < LANES + kept; i++) {
                set_element(edges[0].data, HG_U64, i, next_random(&seed) % (size - width + 1));
            }
            memset(edges[1].data, 0x5a, size);
            edges[1].data[0] = 0x33;
            check_levels(program, edges, &(struct shape){.rows = 1, .cols = LANES});
            edges_free(edges);
        }
        hg_program_unref(&program);
    }
}

/* Lines of each type beside lanes of each width, of every length up to a few vectors, between pages
 * that may not be touched: vectors that are not whole read and write no more than their lanes. */
static void short_lines(void **state)
{
    (void)state;
    for (unsigned way = 0; way < 2 * HG_DTYPE_COUNT * HG_DTYPE_COUNT; way++) {
        enum hg_dtype type = (enum hg_dtype)(way / 2 % HG_DTYPE_COUNT);
        enum hg_dtype other = (enum hg_dtype)(way / 2 / HG_DTYPE_COUNT);
        const char *t = hg_dtype_name(type);
        const char *o = hg_dtype_name(other);
        char text[512];
        snprintf(text, sizeof text,
                 "ldg.%s r1, [b0 + lane]\nldg.%s r2, [b1 + lane]\nadd.%s r3, r2, r2\n"
                 "cvt.%s.%s r4, r3\nadd.%s r5, r1, r4\nstg.%s [b2 + lane], r5\nexit\n",
                 t, o, o, t, o, t, t);
        struct hg_program *program = program_of(text);
        for (uint64_t lanes = 1; lanes < 67; lanes += lanes < 34 ? 1 : 8) {
            struct edge edges[OPERANDS] = {edge_new(lanes * hg_dtype_bytes(type), way % 2 == 0),
                                           edge_new(lanes * hg_dtype_bytes(other), way % 2 == 0),
                                           edge_new(lanes * hg_dtype_bytes(type), way % 2 == 0)};
            check_levels(program, edges, &(struct shape){.rows = 1, .cols = lanes});
            edges_free(edges);
        }
        hg_program_unref(&program);
    }
}

/* Offsets that wrap, lie in front of an operand, at its end or far behind it, with every lane term:
 * each lane that is outside is found, and nothing outside is touched. */
static void wild_offsets(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "ldg.T r2, [b1 + r1]\nstg.T [b2 + lane], r2\n",
        "ldg.T r2, [b1: r1 - 8]\nstg.T [b2 + lane], r2\n",
        "ldg.T r2, [b1 + r1 + lane]\nstg.T [b2 + lane], r2\n",
        "ldg.T r2, [b1 + r1 + lane*3]\nstg.T [b2 + lane], r2\n",
        "ldg.T r2, [b1 + r1 + lane*4294967295]\nstg.T [b2 + lane], r2\n",
        "ldg.T r2, [b1 + r1 + lane%7]\nstg.T [b2 + lane], r2\n",
        "ldg.T r2, [b1 + r1 + lane/7]\nstg.T [b2 + lane], r2\n",
        "ldg.T r2, [b1 + r1 + lane%cols]\nstg.T [b2 + lane], r2\n",
        "ldg.T r2, [b1 + r1 + row]\nstg.T [b2 + row], r2\n",
        "add.u64 r3, r1, r250\nldg.T r2, [b1: r3 - 3]\nstg.T [b2 + lane], r2\n",
        "mul.u64 r3, r1, r255\nldg.T r2, [b1 + r3]\nstg.T [b2 + lane], r2\n",
        "sub.u64 r3, r1, r255\nldg.T r2, [b1 + r3 + lane]\nstg.T [b2 + lane], r2\n",
        "ldg.T r2, [b1]\nstg.T [b2 + r1 + lane], r2\n",
        "ldg.T r2, [b1 + lane]\nmul.u64 r3, r1, r255\nstg.T [b2 + r3], r2\n",
        "ldg.T r2, [b1 + lane]\nsub.u64 r3, r1, r255\nstg.T [b2: r3 - 1], r2\n",
        "ldg.T r2, [b1 + lane]\nstg.T [b2 + r1 + lane*4294967295], r2\n",
    };
    static const uint64_t values[] = {0,          1,         7,          8,          69,
                                      70 * 8 - 1, 70 * 8,    INT32_MAX,  UINT32_MAX, 1ull << 32,
                                      1ull << 63, INT64_MAX, UINT64_MAX, -8ull,      -552ull};
    static const uint64_t rows[] = {1, 7, LANES};
    for (unsigned way = 0; way < HG_DTYPE_COUNT * COUNT_OF(bodies); way++) {
        enum hg_dtype type = (enum hg_dtype)(way % HG_DTYPE_COUNT);
        char text[256] = "param.u64 r1, 3\nloop.blocks @e\n";
        size_t at = strlen(text);
        for (const char *c = bodies[way / HG_DTYPE_COUNT]; *c != 0; c++) {
            at += (size_t)snprintf(text + at, sizeof text - at, *c == 'T' ? "%s" : "%.1s",
                                   *c == 'T' ? hg_dtype_name(type) : c);
        }
        (void)snprintf(text + at, sizeof text - at, "e:\nexit\n");
        struct hg_program *program = program_of(text);
        size_t size = LANES * hg_dtype_bytes(type);
        struct edge edges[OPERANDS] = {edge_new(8, true), edge_new(size, way % 2 == 0),
                                       edge_new(size, way % 2 == 0)};
        for (size_t i = 0; i < size; i++) {
            edges[1].data[i] = (uint8_t)(i * 37);
        }
        for (unsigned i = 0; i < COUNT_OF(rows) * COUNT_OF(values); i++) {
            uint64_t r = rows[i % COUNT_OF(rows)];
            check_levels(
                program, edges,
                &(struct shape){.rows = r, .cols = LANES / r, .value = values[i / COUNT_OF(rows)]});
        }
        edges_free(edges);
        hg_program_unref(&program);
    }
}

static uint64_t matrix_bytes(uint64_t rows, uint64_t cols, uint64_t step, enum hg_dtype type)
{
    return ((rows - 1) * step + cols) * hg_dtype_bytes(type);
}

/* A number of TYPE from 0.5 to 1, of either sign. */
static uint64_t near_one(enum hg_dtype type, uint64_t random)
{
    switch (type) {
    case HG_F16:
        return (random & 0x83ff) | 0x3800;
    case HG_BF16:
        return (random & 0x807f) | 0x3f00;
    case HG_F32:
        return (random & 0x807fffff) | 0x3f000000;
    default:
        return (random & 0x800fffffffffffff) | 0x3fe0000000000000;
    }
}

/* Products of matrices that end, or begin, where memory does, whichever way they are read: of m
 * rows, n columns and k terms, one line of each matrix a few elements from the next. */
static void cornered_products(void **state)
{
    (void)state;
    static const enum hg_dtype types[] = {HG_F16, HG_BF16, HG_F32, HG_F64};
    static const uint64_t sizes[][3] = {{1, 2, 1},   {3, 5, 7},    {8, 33, 65}, {17, 16, 2},
                                        {29, 67, 3}, {64, 1, 129}, {5, 1, 1},   {9, 130, 9}};
    for (unsigned way = 0; way < 8 * COUNT_OF(types) * COUNT_OF(sizes); way++) {
        enum hg_dtype type = types[way / 8 % COUNT_OF(types)];
        const uint64_t *size = sizes[way / 8 / COUNT_OF(types)];
        uint64_t m = size[0];
        uint64_t n = size[1];
        uint64_t k = size[2];
        bool trans_a = way % 2 != 0;
        bool trans_b = way / 2 % 2 != 0;
        bool last = way / 4 % 2 != 0;
        enum hg_dtype sum = type == HG_F64 ? HG_F64 : HG_F32;
        char text[256];
        snprintf(text, sizeof text,
                 "mma.%s r1, [b0], [b1], m=%%1, n=%%2, k=%%3, lda=%%4, ldb=%%5%s%s%s\n"
                 "stg.%s [b2 + lane], r1\nexit\n",
                 hg_dtype_name(type), trans_a ? ", trans_a" : "", trans_b ? ", trans_b" : "",
                 n == 1 ? ", dot" : "", hg_dtype_name(sum));
        struct hg_program *program = program_of(text);
        struct shape shape = {m, n, k, (trans_a ? m : k) + way % 3, (trans_b ? k : n) + way % 3};
        struct edge edges[OPERANDS] = {
            edge_new(matrix_bytes(trans_a ? k : m, trans_a ? m : k, shape.lda, type), last),
            edge_new(matrix_bytes(trans_b ? n : k, trans_b ? k : n, shape.ldb, type), last),
            edge_new(m * n * hg_dtype_bytes(sum), last)};
        uint64_t seed = way;
        for (unsigned i = 0; i < 2; i++) {
            for (uint64_t e = 0; e < edges[i].size / hg_dtype_bytes(type); e++) {
                set_element(edges[i].data, type, e, near_one(type, next_random(&seed)));
            }
        }
        check_levels(program, edges, &shape);
        edges_free(edges);
        hg_program_unref(&program);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crowded_gathers),
        cmocka_unit_test(short_lines),
        cmocka_unit_test(wild_offsets),
        cmocka_unit_test(cornered_products),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
