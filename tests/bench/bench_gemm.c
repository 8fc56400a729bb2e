/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matrix products of F32 beside the libraries that Debian has: OpenBLAS, BLIS, oneDNN, LIBXSMM. All
 * take turns in slots shorter than a scheduler's; in each round the machine's peak is measured too.
 * One thread, by its own CPU time (so that others on the machine matter little), then two, by the
 * clock; then products with a vector beside OpenBLAS's, and relu(x w + b) as one program beside
 * what the libraries make of it, with w as any operand, and with a constant w, which both we and
 * oneDNN have packed before.
 *
 * Rows: "gemm MxNxK vs peer" is the warm call (finding what to run included), with "kernel" in the
 * name the product alone. Values are GFLOP/s; a ratio below 1 means that we take less time.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/check.h"
#include "lib/ops/ops.h"
#include "tests/bench/bench.h"
#include "tests/bench/gemm_subjects.h"

#define ROUNDS_MAX 101

struct shape {
    int m, n, k;
};

static const struct shape shapes[] = {
    {16, 16, 16},   {32, 32, 32},  {64, 64, 64},   {128, 128, 128}, {8, 256, 256},
    {64, 256, 256}, {1, 256, 256}, {1, 128, 784},  {512, 512, 512}, {1024, 1024, 1024},
    {7, 7, 7},      {13, 13, 13},  {33, 33, 33},   {100, 100, 100}, {257, 257, 257},
    {7, 13, 33},    {33, 7, 13},   {13, 33, 7},    {7, 100, 257},   {257, 7, 100},
    {100, 257, 7},  {13, 257, 33}, {33, 100, 13},  {100, 13, 257},  {257, 33, 100},
    {51, 51, 51},   {77, 99, 55},  {129, 65, 127}, {200, 300, 150}, {31, 511, 63},
};
static const struct shape vector_shapes[] = {{16, 1, 16},    {64, 1, 64},    {256, 1, 256},
                                             {100, 1, 1000}, {1000, 1, 100}, {1024, 1, 1024}};
static const struct shape fused_shapes[] = {{8, 256, 256}, {64, 256, 256},  {1, 256, 256},
                                            {1, 128, 784}, {128, 128, 128}, {512, 512, 512}};
static const struct shape shared_shapes[] = {{64, 64, 64},    {128, 128, 128}, {64, 256, 256},
                                             {257, 257, 257}, {512, 512, 512}, {1024, 1024, 1024}};

static struct {
    unsigned rounds;
    double slot_ms;
    unsigned threads_max;
    const char *only; /* one shape, as written in rows */
} options = {25, 1, 2, NULL};

/* One thing that is timed: a subject, in one of its ways. */
struct entry {
    const char *name;
    void (*run)(void);
    const struct gemm_subject *subject;
    size_t calls; /* a slot */
    double rate;  /* median GFLOP/s */
    double rounds[ROUNDS_MAX];
};
#define ENTRIES_MAX (2 * GEMM_SUBJECTS_MAX + 1)

struct contest {
    const char *kind; /* "gemm", "linear" */
    struct gemm_case task;
    unsigned threads;
    struct entry entries[ENTRIES_MAX];
    unsigned count;
    double peak;
};

/* Sums of logarithms of what we have by the best peer. */
struct means {
    double kernel, warm;
    unsigned count;
};

/* ---- cases ----------------------------------------------------------------------------------- */

static float *matrix(size_t rows, size_t cols, unsigned seed)
{
    size_t count = rows * cols;
    float *data = aligned_alloc(64, (count * sizeof *data + 127) / 64 * 64);
    HG_REQUIRE(data != NULL);
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        data[i] = (float)(seed >> 8) / 8388608.0f - 1.0f;
    }
    return data;
}

static struct gemm_case make_case(struct shape shape)
{
    size_t m = (size_t)shape.m;
    size_t n = (size_t)shape.n;
    size_t k = (size_t)shape.k;
    return (struct gemm_case){shape.m,         shape.n,         shape.k,        matrix(m, k, 1),
                              matrix(k, n, 2), matrix(m, n, 3), matrix(1, n, 4)};
}

static void free_case(struct gemm_case *task)
{
    free(task->a);
    free(task->b);
    free(task->c);
    free(task->bias);
}

/* Ends the program if the output is not the product that was asked for. */
static void check(const struct contest *contest, const struct entry *entry)
{
    const struct gemm_case *task = &contest->task;
    bool fused = strncmp(contest->kind, "linear", strlen("linear")) == 0;
    size_t step = (size_t)task->m * (size_t)task->n / 997 + 1;
    for (size_t at = 0; at < (size_t)task->m * (size_t)task->n; at += step) {
        size_t row = at / (size_t)task->n;
        size_t col = at % (size_t)task->n;
        double sum = 0;
        double size = 0;
        for (size_t p = 0; p < (size_t)task->k; p++) {
            double term =
                (double)task->a[row * (size_t)task->k + p] * task->b[p * (size_t)task->n + col];
            sum += term;
            size += fabs(term);
        }
        if (fused) {
            sum = fmax(sum + task->bias[col], 0);
            size += fabs((double)task->bias[col]);
        }
        if (!(fabs(sum - task->c[at]) <= (task->k + 2) * 0x1p-23 * size)) {
            (void)fprintf(stderr, "bench: %s: %s %dx%dx%d: element %zu is %g, not %g\n",
                          contest->kind, entry->name, task->m, task->n, task->k, at, task->c[at],
                          sum);
            exit(1);
        }
    }
}

/* ---- a contest ------------------------------------------------------------------------------- */

static double flops(const struct gemm_case *task)
{
    return 2.0 * task->m * task->n * task->k;
}

static double time_calls(const struct entry *entry, unsigned threads)
{
    uint64_t start = gemm_now_ns(threads);
    for (size_t call = 0; call < entry->calls; call++) {
        entry->run();
        __asm__ volatile("" ::: "memory");
    }
    return (double)(gemm_now_ns(threads) - start);
}

/* So many calls that a slot takes about the time that it should. */
static void calibrate(struct entry *entry, unsigned threads)
{
    entry->calls = 1;
    double ns = time_calls(entry, threads);
    while (ns < options.slot_ms * 1e6 && entry->calls < (size_t)1 << 24) {
        double times = options.slot_ms * 1e6 / (ns + 1);
        entry->calls = (size_t)((double)entry->calls * fmin(fmax(times, 1.2), 16)) + 1;
        ns = time_calls(entry, threads);
    }
}

static void add(struct contest *contest, const struct gemm_subject *subject, const char *name,
                void (*run)(void))
{
    HG_REQUIRE(contest->count < ENTRIES_MAX);
    struct entry *entry = &contest->entries[contest->count];
    *entry = (struct entry){.name = name, .run = run, .subject = subject};
    memset(contest->task.c, 0xff,
           (size_t)contest->task.m * (size_t)contest->task.n * sizeof(float));
    if (!subject->prepare(&contest->task, contest->threads)) {
        return;
    }
    run();
    check(contest, entry);
    calibrate(entry, contest->threads);
    contest->count++;
}

/* Threads that others have left spinning go to sleep meanwhile. */
static void pause_for_others(const struct contest *contest)
{
    if (contest->threads > 1) {
        const struct timespec pause = {0, 3000000};
        nanosleep(&pause, NULL);
    }
}

static void run_rounds(struct contest *contest)
{
    double peaks[ROUNDS_MAX];
    for (unsigned round = 0; round < options.rounds; round++) {
        for (unsigned i = 0; i < contest->count; i++) {
            struct entry *entry = &contest->entries[i];
            (void)entry->subject->prepare(&contest->task, contest->threads);
            pause_for_others(contest);
            entry->run();
            entry->rounds[round] =
                flops(&contest->task) * (double)entry->calls / time_calls(entry, contest->threads);
        }
        pause_for_others(contest);
        peaks[round] = gemm_peak(contest->threads, options.slot_ms);
    }
    for (unsigned i = 0; i < contest->count; i++) {
        contest->entries[i].rate = bench_median(contest->entries[i].rounds, options.rounds);
    }
    contest->peak = bench_median(peaks, options.rounds);
}

/* ---- results --------------------------------------------------------------------------------- */

static double rate_of(const struct contest *contest, const char *name, bool warm)
{
    for (unsigned i = 0; i < contest->count; i++) {
        const struct entry *entry = &contest->entries[i];
        bool is_warm = entry->run == entry->subject->warm;
        bool is_kernel = entry->run == entry->subject->kernel;
        if (strcmp(entry->name, name) == 0 && (warm ? is_warm : is_kernel)) {
            return entry->rate;
        }
    }
    return NAN;
}

static void record_row(const struct contest *contest, const char *column, const char *peer,
                       double mine, double theirs)
{
    char name[112];
    const struct gemm_case *task = &contest->task;
    snprintf(name, sizeof name, "%s %dx%dx%d%s%s vs %s", contest->kind, task->m, task->n, task->k,
             column, contest->threads > 1 ? " by 2 threads" : "", peer);
    bench_record(name, mine, "GFLOP/s", theirs, theirs / mine);
}

/* A line of the table, the rows of the JSON; adds to MEANS. */
static void report(const struct contest *contest, const struct gemm_subject *subjects,
                   unsigned count, struct means *means)
{
    const struct gemm_case *task = &contest->task;
    char shape[32];
    snprintf(shape, sizeof shape, "%dx%dx%d", task->m, task->n, task->k);
    double kernel = rate_of(contest, subjects[0].name, false);
    double warm = rate_of(contest, subjects[0].name, true);
    double best_kernel = 0;
    double best_warm = 0;
    printf("%-15s %6.1f %6.1f %5.0f%%", shape, kernel, warm, 100 * warm / contest->peak);
    for (unsigned i = 1; i < count; i++) {
        double theirs_kernel = rate_of(contest, subjects[i].name, false);
        double theirs_warm = rate_of(contest, subjects[i].name, true);
        if (isnan(theirs_warm)) {
            printf(" %15s", "-");
            continue;
        }
        printf(" %7.1f %7.1f", theirs_kernel, theirs_warm);
        best_kernel = fmax(best_kernel, theirs_kernel);
        best_warm = fmax(best_warm, theirs_warm);
        record_row(contest, "", subjects[i].name, warm, theirs_warm);
        record_row(contest, " kernel", subjects[i].name, kernel, theirs_kernel);
    }
    record_row(contest, " share", "peak", warm, contest->peak);
    if (best_warm > 0) {
        printf("  %5.2f %5.2f", kernel / best_kernel, warm / best_warm);
        record_row(contest, "", "best", warm, best_warm);
        record_row(contest, " kernel", "best", kernel, best_kernel);
        means->kernel += log(kernel / best_kernel);
        means->warm += log(warm / best_warm);
        means->count++;
    }
    printf("\n");
    fflush(stdout);
}

static void print_header(const char *kind, unsigned threads, const struct gemm_subject *subjects,
                         unsigned count)
{
    printf("\n%s, GFLOP/s, %u thread%s (kernel only, warm call)\n%-15s %13s %6s", kind, threads,
           threads > 1 ? "s" : "", "MxNxK", subjects[0].name, "peak");
    for (unsigned i = 1; i < count; i++) {
        printf(" %15.15s", subjects[i].name);
    }
    printf("  %11s\n", "by best");
}

static void contest_shape(const char *kind, struct shape shape, unsigned threads,
                          const struct gemm_subject *subjects, unsigned count, struct means *means)
{
    char name[32];
    snprintf(name, sizeof name, "%dx%dx%d", shape.m, shape.n, shape.k);
    if (options.only != NULL && strcmp(name, options.only) != 0) {
        return;
    }
    static struct contest contest;
    contest = (struct contest){.kind = kind, .task = make_case(shape), .threads = threads};
    for (unsigned i = 0; i < count; i++) {
        add(&contest, &subjects[i], subjects[i].name, subjects[i].kernel);
        if (subjects[i].warm != subjects[i].kernel) {
            add(&contest, &subjects[i], subjects[i].name, subjects[i].warm);
        }
    }
    if (contest.count > 0) {
        run_rounds(&contest);
        report(&contest, subjects, count, means);
    }
    free_case(&contest.task);
}

static void contest_shapes(const char *kind, const struct shape *list, size_t list_count,
                           unsigned threads, const struct gemm_subject *subjects, unsigned count)
{
    struct means means = {0};
    print_header(kind, threads, subjects, count);
    for (size_t i = 0; i < list_count; i++) {
        contest_shape(kind, list[i], threads, subjects, count, &means);
    }
    if (means.count == 0) {
        return;
    }
    char name[112];
    const char *by = threads > 1 ? " by 2 threads" : "";
    double warm = exp(means.warm / means.count);
    double kernel = exp(means.kernel / means.count);
    snprintf(name, sizeof name, "%s%s geomean vs best", kind, by);
    bench_row(name, warm, "", 1, 1 / warm);
    snprintf(name, sizeof name, "%s kernel%s geomean vs best", kind, by);
    bench_row(name, kernel, "", 1, 1 / kernel);
}

/* ---- all ------------------------------------------------------------------------------------- */

static void parse_options(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--rounds") == 0) {
            unsigned rounds = (unsigned)strtoul(argv[i + 1], NULL, 10);
            options.rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
        } else if (strcmp(argv[i], "--slot-ms") == 0) {
            options.slot_ms = strtod(argv[i + 1], NULL);
        } else if (strcmp(argv[i], "--threads") == 0) {
            options.threads_max = (unsigned)strtoul(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--shape") == 0) {
            options.only = argv[i + 1];
        } else {
            (void)fprintf(stderr, "bench_gemm [--rounds N] [--slot-ms MS] [--threads 1|2] "
                                  "[--shape MxNxK]\n");
            exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    /* Threads that wait for work give up soon: they would take the others' time. */
    setenv("OPENBLAS_THREAD_TIMEOUT", "20", 0);
    setenv("GOMP_SPINCOUNT", "100000", 0);
    parse_options(argc, argv);
    struct gemm_subject plain[GEMM_SUBJECTS_MAX] = {
        {"hologram", gemm_ours_prepare, gemm_ours_kernel, gemm_ours_warm}};
    struct gemm_subject fused[GEMM_SUBJECTS_MAX] = {
        {"hologram", gemm_ours_linear_prepare, gemm_ours_kernel, gemm_ours_warm}};
    unsigned plain_count = 1;
    unsigned fused_count = 1;
    gemm_openblas(plain, &plain_count, fused, &fused_count);
    gemm_blis(plain, &plain_count);
    gemm_onednn(plain, &plain_count, fused, &fused_count);
    gemm_libxsmm(plain, &plain_count, fused, &fused_count);
    gemm_ours_start();
    bench_begin("gemm");
    bench_plain("FMA peak, one thread", gemm_peak(1, 50), "GFLOP/s");
    bench_plain("FMA peak, two threads", gemm_peak(2, 50), "GFLOP/s");
    for (unsigned threads = 1; threads <= options.threads_max; threads++) {
        contest_shapes("gemm", threads == 1 ? shapes : shared_shapes,
                       threads == 1 ? HG_ARRAY_COUNT(shapes) : HG_ARRAY_COUNT(shared_shapes),
                       threads, plain, plain_count);
    }
    struct gemm_subject vector[GEMM_SUBJECTS_MAX] = {plain[0]};
    unsigned vector_count = 1;
    gemm_openblas_vector(vector, &vector_count);
    contest_shapes("matvec", vector_shapes, HG_ARRAY_COUNT(vector_shapes), 1, vector, vector_count);
    if (hg_op_find("linear", strlen("linear")) != NULL) {
        contest_shapes("linear", fused_shapes, HG_ARRAY_COUNT(fused_shapes), 1, fused, fused_count);
        fused[0] = (struct gemm_subject){"hologram", gemm_ours_constant_prepare, gemm_ours_kernel,
                                         gemm_ours_constant_warm};
        contest_shapes("linear, w constant", fused_shapes, HG_ARRAY_COUNT(fused_shapes), 1, fused,
                       fused_count);
    }
    gemm_ours_stop();
    return bench_end();
}
