/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oneDNN: its sgemm, and its inner product with weights in the layout that it chose itself (packed
 * once, outside of what is measured) and bias and relu fused.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/gemm_subjects.h"

#if GEMM_HAS_ONEDNN
#include <oneapi/dnnl/dnnl.h>

static struct gemm_case now;
static dnnl_engine_t engine;
static dnnl_stream_t stream;

/* The inner product of the case at hand. */
static struct {
    dnnl_primitive_t primitive;
    dnnl_memory_t input, weights, packed, bias, output;
} product;

static void need(dnnl_status_t status, const char *what)
{
    if (status != dnnl_success) {
        (void)fprintf(stderr, "bench: oneDNN: %s: status %d\n", what, (int)status);
        exit(1);
    }
}

static void set_threads(unsigned threads)
{
    void (*set)(int);
    *(void **)&set = dlsym(RTLD_DEFAULT, "omp_set_num_threads"); /* C has no cast for this */
    if (set != NULL) {
        set((int)threads);
    }
}

/* ---- sgemm ----------------------------------------------------------------------------------- */

static bool sgemm_prepare(const struct gemm_case *task, unsigned threads)
{
    now = *task;
    set_threads(threads);
    return true;
}

static void sgemm_run(void)
{
    (void)dnnl_sgemm('N', 'N', now.m, now.n, now.k, 1, now.a, now.k, now.b, now.n, 0, now.c, now.n);
}

/* ---- the inner product ----------------------------------------------------------------------- */

static dnnl_memory_desc_t describe(int ndims, dnnl_dim_t rows, dnnl_dim_t cols,
                                   dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t desc;
    const dnnl_dims_t dims = {rows, cols};
    need(dnnl_memory_desc_init_by_tag(&desc, ndims, dims, dnnl_f32, tag), "layout");
    return desc;
}

static dnnl_memory_t memory(const dnnl_memory_desc_t *desc, void *data)
{
    dnnl_memory_t created;
    need(dnnl_memory_create(&created, desc, engine, data), "memory");
    return created;
}

static void pack(dnnl_memory_desc_t plain, const dnnl_memory_desc_t *wanted)
{
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t reorder;
    need(dnnl_reorder_primitive_desc_create(&desc, &plain, engine, wanted, engine, NULL), "layout");
    need(dnnl_primitive_create(&reorder, desc), "reorder");
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, product.weights},
                                         {DNNL_ARG_TO, product.packed}};
    need(dnnl_primitive_execute(reorder, stream, 2, arguments), "reorder");
    need(dnnl_stream_wait(stream), "reorder");
    dnnl_primitive_destroy(reorder);
    dnnl_primitive_desc_destroy(desc);
}

static void forget(void)
{
    if (product.primitive != NULL) {
        dnnl_primitive_destroy(product.primitive);
        dnnl_memory_destroy(product.input);
        dnnl_memory_destroy(product.weights);
        dnnl_memory_destroy(product.packed);
        dnnl_memory_destroy(product.bias);
        dnnl_memory_destroy(product.output);
        product.primitive = NULL;
    }
}

static dnnl_primitive_desc_t describe_product(const dnnl_memory_desc_t layouts[4])
{
    dnnl_inner_product_desc_t desc;
    dnnl_primitive_attr_t attributes;
    dnnl_post_ops_t after;
    dnnl_primitive_desc_t created;
    need(dnnl_inner_product_forward_desc_init(&desc, dnnl_forward_inference, &layouts[0],
                                              &layouts[1], &layouts[2], &layouts[3]),
         "inner product");
    need(dnnl_primitive_attr_create(&attributes), "attributes");
    need(dnnl_post_ops_create(&after), "post-ops");
    need(dnnl_post_ops_append_eltwise(after, 1, dnnl_eltwise_relu, 0, 0), "relu");
    need(dnnl_primitive_attr_set_post_ops(attributes, after), "post-ops");
    need(dnnl_primitive_desc_create(&created, &desc, attributes, engine, NULL), "inner product");
    dnnl_post_ops_destroy(after);
    dnnl_primitive_attr_destroy(attributes);
    return created;
}

static bool product_prepare(const struct gemm_case *task, unsigned threads)
{
    now = *task;
    set_threads(threads);
    forget();
    /* Weights are [output][input] here: ours is that transposed. */
    const dnnl_memory_desc_t layouts[4] = {
        describe(2, now.m, now.k, dnnl_ab), describe(2, now.n, now.k, dnnl_format_tag_any),
        describe(1, now.n, 0, dnnl_a), describe(2, now.m, now.n, dnnl_ab)};
    dnnl_memory_desc_t plain = describe(2, now.n, now.k, dnnl_ba);
    dnnl_primitive_desc_t desc = describe_product(layouts);
    need(dnnl_primitive_create(&product.primitive, desc), "inner product");
    const dnnl_memory_desc_t *wanted = dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0);
    product.input = memory(&layouts[0], now.a);
    product.weights = memory(&plain, now.b);
    product.packed = memory(wanted, DNNL_MEMORY_ALLOCATE);
    product.bias = memory(&layouts[2], now.bias);
    product.output = memory(&layouts[3], now.c);
    pack(plain, wanted);
    dnnl_primitive_desc_destroy(desc);
    return true;
}

static void product_run(void)
{
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, product.input},
                                         {DNNL_ARG_WEIGHTS, product.packed},
                                         {DNNL_ARG_BIAS, product.bias},
                                         {DNNL_ARG_DST, product.output}};
    need(dnnl_primitive_execute(product.primitive, stream, 4, arguments), "inner product");
    need(dnnl_stream_wait(stream), "inner product");
}

void gemm_onednn(struct gemm_subject *list, unsigned *count, struct gemm_subject *fused,
                 unsigned *fused_count)
{
    need(dnnl_engine_create(&engine, dnnl_cpu, 0), "engine");
    need(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags), "stream");
    list[(*count)++] = (struct gemm_subject){"oneDNN", sgemm_prepare, sgemm_run, sgemm_run};
    fused[(*fused_count)++] =
        (struct gemm_subject){"oneDNN packed, fused", product_prepare, product_run, product_run};
}
#else
void gemm_onednn(struct gemm_subject *list, unsigned *count, struct gemm_subject *fused,
                 unsigned *fused_count)
{
    (void)list, (void)count, (void)fused, (void)fused_count;
    printf("without oneDNN: make bench-deps\n");
}
#endif
