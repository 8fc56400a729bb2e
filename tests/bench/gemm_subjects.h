/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who takes part in the contest of matrix products: ours and the libraries', each as functions over
 * one case at a time. A subject whose library is not there says so by its name being NULL.
 */
#ifndef HG_TESTS_BENCH_GEMM_SUBJECTS_H
#define HG_TESTS_BENCH_GEMM_SUBJECTS_H

#include <stdbool.h>
#include <stdint.h>

/* c = a b, row-major, without gaps; or, fused, c = relu(a b + bias). */
struct gemm_case {
    int m, n, k;
    float *a, *b, *c, *bias;
};

struct gemm_subject {
    const char *name;
    /* Gets ready for CASE on THREADS threads; false if the subject does not do such. */
    bool (*prepare)(const struct gemm_case *task, unsigned threads);
    void (*kernel)(void); /* as little as possible beside the product */
    void (*warm)(void);   /* and with finding what to run */
};

#define GEMM_SUBJECTS_MAX 8

/* Ours, first in every list. */
void gemm_ours_start(void);
void gemm_ours_stop(void);
bool gemm_ours_prepare(const struct gemm_case *task, unsigned threads);
void gemm_ours_kernel(void);
void gemm_ours_warm(void);
/* The same with planning from shapes and pointers, as a call that knows nothing from before. */
void gemm_ours_call(void);
bool gemm_ours_linear_prepare(const struct gemm_case *task, unsigned threads);
/* The same with a constant b: in panels, where those pay, which are packed here. */
bool gemm_ours_constant_prepare(const struct gemm_case *task, unsigned threads);
void gemm_ours_constant_warm(void);
/* Whether native code ran the case that was prepared last. */
const char *gemm_ours_executor(void);

/* Each adds its subjects to LIST at *COUNT; those that are fused to FUSED. */
void gemm_openblas(struct gemm_subject *list, unsigned *count, struct gemm_subject *fused,
                   unsigned *fused_count);
void gemm_blis(struct gemm_subject *list, unsigned *count);
void gemm_libxsmm(struct gemm_subject *list, unsigned *count, struct gemm_subject *fused,
                  unsigned *fused_count);
void gemm_onednn(struct gemm_subject *list, unsigned *count, struct gemm_subject *fused,
                 unsigned *fused_count);

/* OpenBLAS's product of a matrix and a vector, for cases with n = 1. */
void gemm_openblas_vector(struct gemm_subject *list, unsigned *count);

/* relu(c + bias), in place: what a library without an epilogue needs besides. */
void gemm_epilogue_pass(const struct gemm_case *task);

/* The clock of measurements on THREADS threads: of one, the CPU time that it has had. */
uint64_t gemm_now_ns(unsigned threads);
/* Runs fused multiply-adds that depend on nothing for about MS milliseconds, on THREADS threads:
 * GFLOP/s, the machine's peak. */
double gemm_peak(unsigned threads, double ms);

#endif
