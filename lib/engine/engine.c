/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/engine/internal.h"
#include "lib/native/arena.h"
#include "lib/native/native.h"
#include "lib/native/perfmap.h"

#define WORKERS_MAX       64
#define QUEUE_DEPTH_MAX   65536
#define SPIN_US_MAX       1000000
#define INLINE_MAX_NS_MAX 100000000 /* longer work on an event loop is a stall */
#define WORK_MS_MAX       (UINT64_C(7) * 24 * 3600 * 1000)
#define CACHE_ENTRIES_MIN 64 /* what one unfused operation needs at once, four times over */
#define CACHE_BYTES_MIN   65536
#define NATIVE_BYTES_MIN  65536
#define NATIVE_BYTES_MAX  (UINT64_C(16) << 30)
#define GRAPHS_MIN        2
#define GRAPH_BYTES_MIN   65536

void hg_engine_options_init(struct hg_engine_options *options)
{
    *options = (struct hg_engine_options){
        .workers = 0,
        .queue_depth = 1024,
        .spin_us = 50,
        .inline_max_ns = 20000,
        .work_ms_max = 60000,
        .heap_bytes_max = 0,
        .cache_entries_max = 16384,
        .cache_bytes_max = 64 << 20,
        .packed_bytes_max = 256 << 20,
        .graphs_max = 4096,
        .graph_bytes_max = 64 << 20,
        .lock_boundary = true,
        .fusion = true,
        .specialize_full = false,
        .fp_mode = HG_FP_IEEE,
        .executor = HG_EXECUTOR_NATIVE,
        .native = HG_NATIVE_AUTO,
        .native_bytes_max = HG_CODE_ARENA_BYTES_DEFAULT,
    };
}

struct range {
    const char *name;
    uint64_t value;
    uint64_t min;
    uint64_t max;
};

static enum hg_status check_options(const struct hg_engine_options *options, struct hg_error *error)
{
    const struct range ranges[] = {
        {"workers", options->workers, 0, WORKERS_MAX},
        {"queue_depth", options->queue_depth, 1, QUEUE_DEPTH_MAX},
        {"spin_us", options->spin_us, 0, SPIN_US_MAX},
        {"inline_max_ns", options->inline_max_ns, 0, INLINE_MAX_NS_MAX},
        {"work_ms_max", options->work_ms_max, 0, WORK_MS_MAX},
        {"heap_bytes_max", options->heap_bytes_max, 0, INT64_MAX},
        {"cache_entries_max", options->cache_entries_max, CACHE_ENTRIES_MIN, 1u << 30},
        {"cache_bytes_max", options->cache_bytes_max, CACHE_BYTES_MIN, INT64_MAX},
        {"packed_bytes_max", options->packed_bytes_max, 0, INT64_MAX},
        {"graphs_max", options->graphs_max, GRAPHS_MIN, 1u << 20},
        {"graph_bytes_max", options->graph_bytes_max, GRAPH_BYTES_MIN, INT64_MAX},
        {"fp_mode", options->fp_mode, HG_FP_IEEE, HG_FP_FTZ},
        {"executor", options->executor, 0, HG_EXECUTOR_COUNT - 1},
        {"native", options->native, 0, HG_NATIVE_OFF},
        {"native_bytes_max", options->native_bytes_max, NATIVE_BYTES_MIN, NATIVE_BYTES_MAX},
    };
    for (size_t i = 0; i < HG_ARRAY_COUNT(ranges); i++) {
        const struct range *range = &ranges[i];
        if (range->value < range->min || range->value > range->max) {
            return hg_fail(error, HG_INVALID_ARGUMENT,
                           "engine: %s must be %" PRIu64 " to %" PRIu64 ", got %" PRIu64,
                           range->name, range->min, range->max, range->value);
        }
    }
    return HG_OK;
}

/* Replaces what 0 stands for. */
static void settle_options(struct hg_engine_options *options)
{
    if (options->workers == 0) {
        uint32_t cores = hg_cpu_count();
        options->workers = cores < WORKERS_MAX ? cores : WORKERS_MAX;
    }
    if (options->heap_bytes_max == 0) {
        long pages = sysconf(_SC_PHYS_PAGES);
        long page_bytes = sysconf(_SC_PAGESIZE);
        HG_REQUIRE(pages > 0 && page_bytes > 0);
        options->heap_bytes_max = (uint64_t)pages * (uint64_t)page_bytes / 2;
    }
}

/* Why programs of this engine have no native code; NULL if they have. */
static const char *native_obstacle(const struct hg_engine_options *options, struct hg_error *error)
{
    static const enum hg_isa_level levels[] = {
        [HG_NATIVE_AUTO] = HG_ISA_AVX512,
        [HG_NATIVE_AVX512] = HG_ISA_AVX512,
        [HG_NATIVE_AVX2] = HG_ISA_AVX2,
        [HG_NATIVE_OFF] = HG_ISA_GENERIC,
    };
    const enum hg_isa_level level = levels[options->native];
    if (options->native == HG_NATIVE_OFF) {
        return "it is switched off";
    }
    if (hg_cpu_isa_level() < (options->native == HG_NATIVE_AUTO ? HG_ISA_AVX2 : level)) {
        return "the CPU has not the instructions";
    }
    hg_native_limit(level);
    return hg_code_arena_start(options->native_bytes_max, error) == HG_OK ? NULL : error->message;
}

/* Without native code everything runs all the same: that is said once, and no failure. */
static void settle_native(struct hg_engine_options *options)
{
    struct hg_error error = HG_ERROR_INIT;
    if (options->executor != HG_EXECUTOR_NATIVE) {
        return;
    }
    const char *obstacle = native_obstacle(options, &error);
    if (obstacle != NULL) {
        options->executor = HG_EXECUTOR_BLOCK;
        if (options->native != HG_NATIVE_OFF) {
            HG_LOG_WARN(ENGINE, "no native code", HG_STR("because", obstacle));
        }
    } else if (options->perf_map && hg_perf_map_open(&error) != HG_OK) {
        HG_LOG_WARN(ENGINE, "no map for perf", HG_STR("because", error.message));
    }
}

static enum hg_status draw_seed(uint64_t *seed, struct hg_error *error)
{
    ssize_t got;
    do {
        got = getrandom(seed, sizeof *seed, 0);
    } while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof *seed) {
        return hg_fail(error, HG_INTERNAL, "engine: no random bytes: %s", strerror(errno));
    }
    return HG_OK;
}

static enum hg_status create_parts(struct hg_engine *engine, struct hg_error *error)
{
    const struct hg_engine_options *options = &engine->options;
    const struct hg_pool_options pool = {
        .heap_bytes_max = options->heap_bytes_max,
        .lock_boundary = options->lock_boundary,
    };
    const struct hg_cache_options cache = {
        .region_count = HG_CACHE_COUNT,
        .entries_max = options->cache_entries_max,
        .bytes_max = options->cache_bytes_max,
    };
    const struct hg_sched_options sched = {
        .workers = options->workers,
        .queue_depth = options->queue_depth,
        .spin_us = options->spin_us,
    };
    enum hg_status status = draw_seed(&engine->id_seed, error);
    if (status == HG_OK) {
        status = draw_seed(&engine->name_seed, error);
    }
    if (status == HG_OK) {
        status = hg_pool_create(&pool, &engine->pool, error);
    }
    if (status == HG_OK) {
        status = hg_cache_create(&cache, &engine->cache, error);
    }
    if (status == HG_OK) {
        status = hg_sched_create(&sched, &engine->sched, error);
    }
    return status;
}

/* Each part may be missing. The workers go first: they use the others. */
static void destroy_parts(struct hg_engine *engine)
{
    atomic_store_explicit(&engine->stopping, true, memory_order_relaxed);
    if (engine->sched != NULL) {
        hg_sched_destroy(&engine->sched);
    }
    hg_exec_release_cached();
    hg_engine_drop_names(engine);
    hg_engine_drop_graph_names(engine);
    hg_graph_table_fini(&engine->graphs);
    hg_packed_table_fini(&engine->packed);
    HG_REQUIRE(engine->users == NULL);
    if (engine->cache != NULL) {
        hg_cache_destroy(&engine->cache);
    }
    if (engine->pool != NULL) {
        hg_pool_destroy(&engine->pool);
    }
    hg_free(HG_TAG_ENGINE, engine->restored);
    hg_mutex_fini(&engine->zero_lock);
    hg_mutex_fini(&engine->lock);
    hg_free(HG_TAG_ENGINE, engine);
}

enum hg_status hg_engine_create(const struct hg_engine_options *options, struct hg_engine **engine,
                                struct hg_error *error)
{
    enum hg_status status = check_options(options, error);
    if (status != HG_OK) {
        return status;
    }
    struct hg_engine *fresh = hg_calloc(HG_TAG_ENGINE, 1, sizeof *fresh);
    if (fresh == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "engine: out of memory");
    }
    hg_mutex_init(&fresh->lock, HG_RANK_ENGINE);
    hg_mutex_init(&fresh->zero_lock, HG_RANK_RUN);
    fresh->options = *options;
    settle_options(&fresh->options);
    settle_native(&fresh->options);
    fresh->policy = (struct hg_op_policy){
        .fusion = options->fusion,
        .specialize_full = options->specialize_full,
        .phi = true,
    };
    hg_packed_table_init(&fresh->packed, options->packed_bytes_max);
    hg_graph_table_init(&fresh->graphs, options->graphs_max, options->graph_bytes_max);
    status = create_parts(fresh, error);
    if (status != HG_OK) {
        destroy_parts(fresh);
        return status;
    }
    fresh->graphs.seed = fresh->id_seed;
    fresh->boundary_base = hg_pool_boundary_base(fresh->pool);
    (void)hg_clock_ticks(); /* measured once, here rather than in the first call */
    *engine = fresh;
    return HG_OK;
}

void hg_engine_destroy(struct hg_engine **engine)
{
    if (*engine == NULL) {
        return;
    }
    HG_REQUIRE((*engine)->sessions == NULL);
    destroy_parts(*engine);
    *engine = NULL;
}

static void read_native(const struct hg_engine *engine, struct hg_engine_stats *stats)
{
    struct hg_code_arena_stats code;
    stats->native = "off";
    if (engine->options.executor == HG_EXECUTOR_NATIVE) {
        stats->native = hg_isa_level_name(hg_native_level());
        hg_code_arena_read(hg_code_arena_shared(), &code);
        stats->native_bytes = code.used_bytes;
        stats->native_bytes_max = code.bytes_max;
        stats->native_emitted = code.puts;
        stats->native_refused = code.refusals;
    }
}

void hg_engine_stats(const struct hg_engine *engine, struct hg_engine_stats *stats)
{
    *stats = (struct hg_engine_stats){
        .sessions = atomic_load_explicit(&engine->session_count, memory_order_relaxed),
        .buffers = atomic_load_explicit(&engine->buffers, memory_order_relaxed),
        .buffer_bytes = atomic_load_explicit(&engine->buffer_bytes, memory_order_relaxed),
        .workers = hg_sched_workers(engine->sched),
        .queue_depth = hg_sched_depth(engine->sched),
        .worker_progress = hg_sched_progress(engine->sched),
        .active_jobs = hg_sched_active(engine->sched),
        .warmed = atomic_load_explicit(&engine->warmed, memory_order_relaxed),
        .is_warming = atomic_load_explicit(&engine->restoring, memory_order_acquire) > 0,
        .precompiled = atomic_load_explicit(&engine->precompiled, memory_order_relaxed),
        .executor = hg_executor_name(engine->options.executor),
        .isa_level = hg_exec_isa_level(),
    };
    read_native(engine, stats);
    hg_pool_stats(engine->pool, &stats->pool);
}

void hg_engine_cache_stats(const struct hg_engine *engine, enum hg_cache_id cache,
                           struct hg_cache_region_stats *stats)
{
    hg_cache_region_stats(engine->cache, (uint16_t)cache, stats);
}

uint64_t hg_engine_cache_flush(struct hg_engine *engine)
{
    hg_packed_flush(&engine->packed);
    return hg_cache_flush(engine->cache);
}
