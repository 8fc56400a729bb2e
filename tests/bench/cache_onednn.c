/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What oneDNN's primitive cache costs, in the same run: a primitive made again, which it finds, and
 * made for the first time, which it generates code for. Left out where libdnnl-dev is not
 * installed. Its descriptors are made each time, as our plans are.
 */
#if __has_include(<dnnl.h>)

#include <dnnl.h>

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/check.h"
#include "tests/bench/bench.h"
#include "tests/bench/cache_parts.h"

enum { CALLS = 2000, COLD_CALLS = 200 };

static dnnl_engine_t engine;

static void require(dnnl_status_t status)
{
    if (status != dnnl_success) {
        (void)fprintf(stderr, "bench_cache: oneDNN: status %d\n", (int)status);
        exit(1);
    }
}

/* Makes the primitive of DESCRIPTION and drops it. */
static void make(const_dnnl_op_desc_t description)
{
    dnnl_primitive_desc_t made;
    dnnl_primitive_t primitive;
    require(dnnl_primitive_desc_create(&made, description, NULL, engine, NULL));
    require(dnnl_primitive_create(&primitive, made));
    require(dnnl_primitive_desc_destroy(made));
    require(dnnl_primitive_destroy(primitive));
}

static void make_relu(int64_t elements)
{
    const dnnl_dims_t sides = {elements};
    dnnl_memory_desc_t memory;
    dnnl_eltwise_desc_t description;
    require(dnnl_memory_desc_init_by_tag(&memory, 1, sides, dnnl_f32, dnnl_a));
    require(dnnl_eltwise_forward_desc_init(&description, dnnl_forward_inference, dnnl_eltwise_relu,
                                           &memory, 0, 0));
    make(&description);
}

static void make_product(int64_t side)
{
    const dnnl_dims_t sides = {side, side};
    dnnl_memory_desc_t memory;
    dnnl_matmul_desc_t description;
    require(dnnl_memory_desc_init_by_tag(&memory, 2, sides, dnnl_f32, dnnl_ab));
    require(dnnl_matmul_desc_init(&description, &memory, &memory, NULL, &memory));
    make(&description);
}

/* Median nanoseconds of COUNT calls: all of SIZE, or of as many sizes from there on. */
static double time_calls(void (*call)(int64_t), int64_t size, int64_t step, unsigned count)
{
    static double ns[CALLS];
    HG_REQUIRE(count <= CALLS);
    for (unsigned i = 0; i < count; i++) {
        uint64_t start_ns = bench_now_ns();
        call(size + step * i);
        ns[i] = (double)(bench_now_ns() - start_ns);
    }
    return bench_median(ns, count);
}

void bench_cache_onednn(const struct bench_cache_costs *ours)
{
    require(dnnl_engine_create(&engine, dnnl_cpu, 0));
    make_relu(256);
    make_product(16);
    double hit_ns = time_calls(make_relu, 256, 0, CALLS);
    double relu_us = time_calls(make_relu, 257, 1, COLD_CALLS) / 1e3;
    double product_us = time_calls(make_product, 17, 1, 47) / 1e3;
    bench_row("hit hot 1 thread / oneDNN", ours->hit_ns, "ns", hit_ns, ours->hit_ns / hit_ns);
    bench_row("cold relu, build and insert / oneDNN", ours->relu_us, "us", relu_us,
              ours->relu_us / relu_us);
    bench_row("cold gemm 16x16x16, build and insert / oneDNN", ours->gemm_us, "us", product_us,
              ours->gemm_us / product_us);
    require(dnnl_engine_destroy(engine));
}

#else

#include "tests/bench/cache_parts.h"

void bench_cache_onednn(const struct bench_cache_costs *ours)
{
    (void)ours;
}

#endif
