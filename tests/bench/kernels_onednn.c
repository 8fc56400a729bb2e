/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/kernels_peers.h"

#if __has_include(<dnnl.h>)

#include <dnnl.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static dnnl_engine_t engine;
static dnnl_stream_t stream;

static void require(dnnl_status_t status)
{
    if (status != dnnl_success) {
        (void)fprintf(stderr, "bench_kernels: oneDNN: status %d\n", (int)status);
        exit(1);
    }
}

/* The environment is too late: its OpenMP has looked already. False if it has none. */
static bool set_threads(unsigned threads)
{
    void *symbol = dlsym(RTLD_DEFAULT, "omp_set_num_threads");
    void (*set)(int);
    if (symbol != NULL) {
        memcpy(&set, &symbol, sizeof(set)); /* C has no cast for this */
        set((int)threads);
    }
    return symbol != NULL;
}

bool kernels_onednn_start(const char *name, unsigned threads)
{
    (void)name;
    if (engine == NULL) {
        require(dnnl_engine_create(&engine, dnnl_cpu, 0));
        require(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags));
    }
    return set_threads(threads) || threads == 1;
}

static dnnl_memory_desc_t row_of(size_t n)
{
    const dnnl_dims_t sides = {1, (dnnl_dim_t)n};
    dnnl_memory_desc_t memory;
    require(dnnl_memory_desc_init_by_tag(&memory, 2, sides, dnnl_f32, dnnl_ab));
    return memory;
}

static dnnl_primitive_t primitive_of(const_dnnl_op_desc_t description)
{
    dnnl_primitive_desc_t made;
    dnnl_primitive_t primitive;
    require(dnnl_primitive_desc_create(&made, description, NULL, engine, NULL));
    require(dnnl_primitive_create(&primitive, made));
    require(dnnl_primitive_desc_destroy(made));
    return primitive;
}

static dnnl_primitive_t eltwise(dnnl_alg_kind_t kind, size_t n)
{
    dnnl_eltwise_desc_t description;
    dnnl_memory_desc_t row = row_of(n);
    require(dnnl_eltwise_forward_desc_init(&description, dnnl_forward_inference, kind, &row, 0, 0));
    return primitive_of(&description);
}

/* NULL if oneDNN has no such primitive. */
static dnnl_primitive_t find(const struct kernels_work *work)
{
    dnnl_memory_desc_t row = row_of(work->n);
    if (strcmp(work->op, "vector_add") == 0) {
        dnnl_binary_desc_t description;
        require(dnnl_binary_desc_init(&description, dnnl_binary_add, &row, &row, &row));
        return primitive_of(&description);
    }
    if (strcmp(work->op, "softmax") == 0) {
        dnnl_softmax_desc_t description;
        require(dnnl_softmax_forward_desc_init(&description, dnnl_forward_inference, &row, 1));
        return primitive_of(&description);
    }
    if (strcmp(work->op, "sum") == 0) {
        dnnl_reduction_desc_t description;
        dnnl_memory_desc_t one = row_of(1);
        require(dnnl_reduction_desc_init(&description, dnnl_reduction_sum, &row, &one, 0, 0));
        return primitive_of(&description);
    }
    return strcmp(work->op, "relu") == 0      ? eltwise(dnnl_eltwise_relu, work->n)
           : strcmp(work->op, "gelu") == 0    ? eltwise(dnnl_eltwise_gelu_tanh, work->n)
           : strcmp(work->op, "sigmoid") == 0 ? eltwise(dnnl_eltwise_logistic, work->n)
           : strcmp(work->op, "tanh") == 0    ? eltwise(dnnl_eltwise_tanh, work->n)
                                              : NULL;
}

static dnnl_memory_t memory_of(size_t n, const float *data)
{
    dnnl_memory_t memory;
    dnnl_memory_desc_t row = row_of(n);
    require(dnnl_memory_create(&memory, &row, engine, (void *)(uintptr_t)data));
    return memory;
}

double kernels_onednn_time(const char *name, const struct kernels_work *work, size_t calls)
{
    (void)name;
    (void)set_threads(work->threads); /* primitives are made for as many */
    dnnl_primitive_t primitive = find(work);
    if (primitive == NULL) {
        return -1;
    }
    bool is_binary = strcmp(work->op, "vector_add") == 0;
    dnnl_exec_arg_t args[] = {
        {DNNL_ARG_SRC_0, memory_of(work->n, work->a)},
        {DNNL_ARG_DST, memory_of(strcmp(work->op, "sum") == 0 ? 1 : work->n, work->c)},
        {DNNL_ARG_SRC_1, memory_of(work->n, work->b)},
    };
    require(dnnl_primitive_execute(primitive, stream, is_binary ? 3 : 2, args));
    uint64_t start_ns = kernels_now_ns(work->threads);
    for (size_t call = 0; call < calls; call++) {
        require(dnnl_primitive_execute(primitive, stream, is_binary ? 3 : 2, args));
    }
    require(dnnl_stream_wait(stream));
    double ns = (double)(kernels_now_ns(work->threads) - start_ns) / (double)calls;
    for (size_t i = 0; i < 3; i++) {
        require(dnnl_memory_destroy(args[i].memory));
    }
    require(dnnl_primitive_destroy(primitive));
    return ns;
}

#else

bool kernels_onednn_start(const char *name, unsigned threads)
{
    (void)name;
    (void)threads;
    return false;
}

double kernels_onednn_time(const char *name, const struct kernels_work *work, size_t calls)
{
    (void)name;
    (void)work;
    (void)calls;
    return -1;
}

#endif
