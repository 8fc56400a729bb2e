/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenBLAS and BLIS, opened at run time (both have a cblas_sgemm), and LIBXSMM, linked if it is
 * there. OpenBLAS is told its core type: left to itself Debian's falls back to SSE3 kernels on CPUs
 * it does not know.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/gemm_subjects.h"

#if GEMM_HAS_LIBXSMM
#include <libxsmm.h>
#endif

enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111 };

typedef void sgemm_fn(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
                      const float *a, int lda, const float *b, int ldb, float beta, float *c,
                      int ldc);
typedef void sgemv_fn(int order, int trans_a, int m, int n, float alpha, const float *a, int lda,
                      const float *x, int step_x, float beta, float *y, int step_y);
typedef void set_threads_fn(int threads);

struct blas {
    sgemm_fn *sgemm;
    sgemv_fn *sgemv;
    set_threads_fn *set_threads;
};

static struct blas openblas;
static struct blas blis;
static struct gemm_case now;

static void *symbol(void *library, const char *name)
{
    return library != NULL ? dlsym(library, name) : NULL;
}

static bool open_blas(struct blas *blas, const char *file, const char *set_threads)
{
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    void *sgemm = symbol(library, "cblas_sgemm");
    void *sgemv = symbol(library, "cblas_sgemv");
    void *threads = symbol(library, set_threads);
    *(void **)&blas->sgemm = sgemm; /* C has no cast for this */
    *(void **)&blas->sgemv = sgemv;
    *(void **)&blas->set_threads = threads;
    return sgemm != NULL && threads != NULL;
}

__attribute__((target_clones("default", "avx2", "avx512f"))) void
gemm_epilogue_pass(const struct gemm_case *task)
{
    for (int i = 0; i < task->m; i++) {
        float *restrict row = task->c + (long)i * task->n;
        const float *restrict bias = task->bias;
        for (int j = 0; j < task->n; j++) {
            float sum = row[j] + bias[j];
            row[j] = sum > 0 ? sum : 0;
        }
    }
}

static void multiply(const struct blas *blas)
{
    blas->sgemm(ROW_MAJOR, NO_TRANSPOSE, NO_TRANSPOSE, now.m, now.n, now.k, 1, now.a, now.k, now.b,
                now.n, 0, now.c, now.n);
}

/* ---- OpenBLAS -------------------------------------------------------------------------------- */

static bool openblas_prepare(const struct gemm_case *task, unsigned threads)
{
    now = *task;
    openblas.set_threads((int)threads);
    return true;
}

static void openblas_run(void)
{
    multiply(&openblas);
}

static void openblas_fused(void)
{
    multiply(&openblas);
    gemm_epilogue_pass(&now);
}

void gemm_openblas(struct gemm_subject *list, unsigned *count, struct gemm_subject *fused,
                   unsigned *fused_count)
{
    setenv("OPENBLAS_CORETYPE", __builtin_cpu_supports("avx512bw") ? "SkylakeX" : "Haswell", 0);
    if (!open_blas(&openblas, "libopenblas.so.0", "openblas_set_num_threads")) {
        printf("without OpenBLAS: make bench-deps\n");
        return;
    }
    list[(*count)++] =
        (struct gemm_subject){"OpenBLAS", openblas_prepare, openblas_run, openblas_run};
    fused[(*fused_count)++] = (struct gemm_subject){"OpenBLAS + a pass", openblas_prepare,
                                                    openblas_fused, openblas_fused};
}

static void openblas_vector(void)
{
    openblas.sgemv(ROW_MAJOR, NO_TRANSPOSE, now.m, now.k, 1, now.a, now.k, now.b, 1, 0, now.c, 1);
}

void gemm_openblas_vector(struct gemm_subject *list, unsigned *count)
{
    if (openblas.sgemv != NULL) { /* opened before */
        list[(*count)++] = (struct gemm_subject){"OpenBLAS gemv", openblas_prepare, openblas_vector,
                                                 openblas_vector};
    }
}

/* ---- BLIS ------------------------------------------------------------------------------------ */

static bool blis_prepare(const struct gemm_case *task, unsigned threads)
{
    now = *task;
    blis.set_threads((int)threads);
    return true;
}

static void blis_run(void)
{
    multiply(&blis);
}

void gemm_blis(struct gemm_subject *list, unsigned *count)
{
    if (!open_blas(&blis, "libblis.so.4", "bli_thread_set_num_threads")) {
        printf("without BLIS: make bench-deps\n");
        return;
    }
    list[(*count)++] = (struct gemm_subject){"BLIS", blis_prepare, blis_run, blis_run};
}

/* ---- LIBXSMM --------------------------------------------------------------------------------- */

#if GEMM_HAS_LIBXSMM
static libxsmm_smmfunction generated;

/* Column-major: the transposed product. */
static libxsmm_smmfunction dispatch(void)
{
    const float alpha = 1;
    const float beta = 0;
    const int flags = LIBXSMM_GEMM_FLAG_NONE;
    return libxsmm_smmdispatch(now.n, now.m, now.k, &now.n, &now.k, &now.n, &alpha, &beta, &flags,
                               NULL);
}

/* It is made for small products on one thread, and unrolls what it is given. */
static bool libxsmm_prepare(const struct gemm_case *task, unsigned threads)
{
    now = *task;
    if (threads != 1 || task->m > 512 || task->n > 512 || task->k > 784) {
        return false;
    }
    generated = dispatch();
    return generated != NULL;
}

static void libxsmm_kernel(void)
{
    generated(now.b, now.a, now.c);
}

static void libxsmm_warm(void)
{
    dispatch()(now.b, now.a, now.c);
}

static void libxsmm_fused(void)
{
    dispatch()(now.b, now.a, now.c);
    gemm_epilogue_pass(&now);
}

void gemm_libxsmm(struct gemm_subject *list, unsigned *count, struct gemm_subject *fused,
                  unsigned *fused_count)
{
    libxsmm_init();
    list[(*count)++] =
        (struct gemm_subject){"LIBXSMM", libxsmm_prepare, libxsmm_kernel, libxsmm_warm};
    fused[(*fused_count)++] =
        (struct gemm_subject){"LIBXSMM + a pass", libxsmm_prepare, libxsmm_fused, libxsmm_fused};
}
#else
void gemm_libxsmm(struct gemm_subject *list, unsigned *count, struct gemm_subject *fused,
                  unsigned *fused_count)
{
    (void)list, (void)count, (void)fused, (void)fused_count;
    printf("without LIBXSMM: make bench-deps\n");
}
#endif
