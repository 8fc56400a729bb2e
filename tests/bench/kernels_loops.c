/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "tests/bench/kernels_peers.h"

typedef void loop_fn(const struct kernels_work *work);

static void add(const struct kernels_work *work)
{
    const size_t n = work->n;
    const float *restrict a = work->a;
    const float *restrict b = work->b;
    float *restrict c = work->c;
    for (size_t i = 0; i < n; i++) {
        c[i] = a[i] + b[i];
    }
}

static void relu(const struct kernels_work *work)
{
    const size_t n = work->n;
    const float *restrict a = work->a;
    float *restrict c = work->c;
    for (size_t i = 0; i < n; i++) {
        c[i] = a[i] > 0 ? a[i] : 0;
    }
}

static void gelu(const struct kernels_work *work)
{
    const size_t n = work->n;
    const float *restrict a = work->a;
    float *restrict c = work->c;
    for (size_t i = 0; i < n; i++) {
        float x = a[i];
        c[i] = 0.5f * x * (1.0f + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
    }
}

static void sigmoid(const struct kernels_work *work)
{
    const size_t n = work->n;
    const float *restrict a = work->a;
    float *restrict c = work->c;
    for (size_t i = 0; i < n; i++) {
        c[i] = 1.0f / (1.0f + expf(-a[i]));
    }
}

static void hyperbolic(const struct kernels_work *work)
{
    const size_t n = work->n;
    const float *restrict a = work->a;
    float *restrict c = work->c;
    for (size_t i = 0; i < n; i++) {
        c[i] = tanhf(a[i]);
    }
}

static void softmax(const struct kernels_work *work)
{
    const size_t n = work->n;
    const float *restrict a = work->a;
    float *restrict c = work->c;
    float most = a[0];
    float sum = 0;
    for (size_t i = 1; i < n; i++) {
        most = a[i] > most ? a[i] : most;
    }
    for (size_t i = 0; i < n; i++) {
        c[i] = expf(a[i] - most);
        sum += c[i];
    }
    for (size_t i = 0; i < n; i++) {
        c[i] /= sum;
    }
}

static void sum(const struct kernels_work *work)
{
    const size_t n = work->n;
    const float *a = work->a;
    float total = 0;
    for (size_t i = 0; i < n; i++) {
        total += a[i];
    }
    work->c[0] = total;
}

static void mse(const struct kernels_work *work)
{
    const size_t n = work->n;
    const float *a = work->a;
    const float *b = work->b;
    float total = 0;
    for (size_t i = 0; i < n; i++) {
        float d = a[i] - b[i];
        total += d * d;
    }
    work->c[0] = total;
}

static void binary_cross_entropy(const struct kernels_work *work)
{
    const size_t n = work->n;
    const float *a = work->a;
    const float *b = work->b;
    float total = 0;
    for (size_t i = 0; i < n; i++) {
        float p = a[i];
        float t = b[i];
        total -= t * logf(p) + (1 - t) * logf(1 - p);
    }
    work->c[0] = total;
}

static const struct {
    const char *op;
    loop_fn *loop;
} loops[] = {
    {"vector_add", add},  {"relu", relu},       {"gelu", gelu},
    {"sigmoid", sigmoid}, {"tanh", hyperbolic}, {"softmax", softmax},
    {"sum", sum},         {"mse", mse},         {"binary_cross_entropy", binary_cross_entropy},
};

bool kernels_loop_start(const char *name, unsigned threads)
{
    (void)name;
    return threads == 1;
}

double kernels_loop_time(const char *name, const struct kernels_work *work, size_t calls)
{
    (void)name;
    for (size_t i = 0; i < sizeof(loops) / sizeof(loops[0]); i++) {
        if (strcmp(loops[i].op, work->op) == 0) {
            uint64_t start_ns = kernels_now_ns(work->threads);
            for (size_t call = 0; call < calls; call++) {
                loops[i].loop(work);
                __asm__ volatile("" ::: "memory");
            }
            return (double)(kernels_now_ns(work->threads) - start_ns) / (double)calls;
        }
    }
    return -1;
}
