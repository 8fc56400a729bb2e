/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "client/cli/bench.h"

/* What is repeated: BATCH has DEPTH times CALL where the way is that of batches. */
struct repeated {
    hologram_client *client;
    const hologram_call *call;
    hologram_batch *batch;
    uint64_t depth;
};

typedef hologram_status act_fn(const struct repeated *repeated);

static hologram_status act_single(const struct repeated *repeated)
{
    return hologram_execute(repeated->client, repeated->call, NULL);
}

static hologram_status act_pipelined(const struct repeated *repeated)
{
    for (uint64_t i = 0; i < repeated->depth; i++) {
        hologram_status status =
            hologram_submit_execute(repeated->client, repeated->call, NULL, NULL);
        if (status != HOLOGRAM_OK) {
            return status;
        }
    }
    return hologram_wait_all(repeated->client);
}

static hologram_status act_batch(const struct repeated *repeated)
{
    return hologram_batch_run(repeated->batch, NULL);
}

static int ascending(const void *left, const void *right)
{
    const double *a = left;
    const double *b = right;
    return *a < *b ? -1 : *a > *b;
}

static double quantile(const double *sorted, size_t count, double part)
{
    size_t index = (size_t)((double)count * part);
    return sorted[index < count ? index : count - 1];
}

/* Repeats ACT for SECONDS. */
static hologram_status repeat(const struct repeated *repeated, act_fn *act, double seconds,
                              double *samples, struct bench_result *result)
{
    size_t count = 0;
    uint64_t start_ns = cli_now_ns();
    uint64_t end_ns = start_ns + (uint64_t)(seconds * 1e9);
    uint64_t now_ns = start_ns;
    do {
        uint64_t before_ns = now_ns;
        hologram_status status = act(repeated);
        if (status != HOLOGRAM_OK) {
            return status;
        }
        now_ns = cli_now_ns();
        samples[count++] = (double)(now_ns - before_ns) / (double)repeated->depth;
    } while (now_ns < end_ns && count < BENCH_SAMPLES_MAX);
    qsort(samples, count, sizeof *samples, ascending);
    result->operations = count * repeated->depth;
    result->seconds = (double)(now_ns - start_ns) / 1e9;
    result->p50_ns = quantile(samples, count, 0.5);
    result->p99_ns = quantile(samples, count, 0.99);
    result->p999_ns = quantile(samples, count, 0.999);
    return HOLOGRAM_OK;
}

static hologram_status make_batch(struct repeated *repeated)
{
    hologram_status status = hologram_batch_new(repeated->client, &repeated->batch);
    for (uint64_t i = 0; status == HOLOGRAM_OK && i < repeated->depth; i++) {
        status = hologram_batch_execute(repeated->batch, repeated->call);
    }
    return status;
}

hologram_status bench_measure(hologram_client *client, const hologram_call *call,
                              enum bench_mode mode, uint64_t depth, double seconds, double *samples,
                              struct bench_result *result)
{
    struct repeated repeated = {.client = client, .call = call, .depth = depth};
    hologram_status status = HOLOGRAM_OK;
    switch (mode) {
    case BENCH_PIPELINED:
        result->mode = "pipelined";
        return repeat(&repeated, act_pipelined, seconds, samples, result);
    case BENCH_BATCH:
        result->mode = "batch";
        status = make_batch(&repeated);
        if (status == HOLOGRAM_OK) {
            status = repeat(&repeated, act_batch, seconds, samples, result);
        }
        hologram_batch_free(&repeated.batch);
        return status;
    default:
        result->mode = "single";
        repeated.depth = 1;
        return repeat(&repeated, act_single, seconds, samples, result);
    }
}
