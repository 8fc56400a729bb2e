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

/* Runs PROGRAM for LANES lanes with EXECUTOR; the last operand is written. */
static enum hg_status run(const struct hg_program *program, const struct edge edges[OPERANDS],
                          uint64_t lanes, enum hg_executor executor, struct hg_error *error)
{
    struct hg_launch launch = launch_of(program, 1, lanes);
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
                         uint64_t lanes)
{
    struct hg_error expected;
    enum hg_status status = run(program, edges, lanes, HG_EXECUTOR_REFERENCE, &expected);
    size_t size = edges[OPERANDS - 1].size;
    uint8_t *want = malloc(size);
    assert_non_null(want);
    memcpy(want, edges[OPERANDS - 1].data, size);
    for (unsigned level = HG_ISA_AVX2; level <= HG_ISA_AVX512; level++) {
        struct hg_error error;
        hg_cpu_limit((enum hg_isa_level)level);
        assert_int_equal(run(program, edges, lanes, HG_EXECUTOR_NATIVE, &error), status);
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
            check_levels(program, edges, LANES);
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
            check_levels(program, edges, lanes);
            edges_free(edges);
        }
        hg_program_unref(&program);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crowded_gathers),
        cmocka_unit_test(short_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
