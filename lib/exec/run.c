/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Beginning and ending of runs. Runs are pooled with what they have decoded and allocated, so that
 * the next launch of the same program finds everything ready.
 */
#include "lib/exec/run.h"
#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/exec/memory.h"
#include "lib/exec/workspace.h"

/* ---- pooling --------------------------------------------------------------------------------- */

#define POOLED_RUNS 16
/* A pooled run with more than this of scratch gives it back first. */
#define POOLED_BYTES (1u << 20)

/*
 * Process-wide state: runs that nobody uses. A slot is taken by exchanging it with NULL (acquire,
 * pairs with the release of putting back), so a run has one owner at all times.
 */
static _Atomic(struct hg_run *) pooled[POOLED_RUNS];

/* Programs find the run that ran them last when nothing else has taken it. */
static uint32_t home_slot(const struct hg_program *program)
{
    uint64_t address = (uint64_t)(uintptr_t)program;
    return (uint32_t)(address * 0x9e3779b97f4a7c15u >> 60) % POOLED_RUNS;
}

static void trim(struct hg_run *run)
{
    if (run->row_capacity > POOLED_BYTES) {
        hg_free(HG_TAG_EXEC, run->row_memory);
        run->row_memory = NULL;
        run->row_capacity = 0;
    }
    if (run->leaf_capacity > POOLED_BYTES) {
        hg_free(HG_TAG_EXEC, run->leaves);
        run->leaves = NULL;
        run->leaf_capacity = 0;
    }
}

static void destroy(struct hg_run *run)
{
    hg_block_memory_destroy(&run->memory);
    hg_free(HG_TAG_EXEC, run->leaves);
    hg_free(HG_TAG_EXEC, run->row_memory);
    hg_free(HG_TAG_EXEC, run->kept);
    hg_exec_code_fini(&run->code);
    hg_mutex_fini(&run->failure.mutex);
    hg_free(HG_TAG_EXEC, run);
}

static struct hg_run *take(const struct hg_program *program)
{
    uint32_t home = home_slot(program);
    for (uint32_t i = 0; i < POOLED_RUNS; i++) {
        _Atomic(struct hg_run *) *slot = &pooled[(home + i) % POOLED_RUNS];
        if (atomic_load_explicit(slot, memory_order_relaxed) == NULL) {
            continue;
        }
        struct hg_run *run = atomic_exchange_explicit(slot, NULL, memory_order_acquire);
        if (run != NULL) {
            return run;
        }
    }
    struct hg_run *run = hg_calloc(HG_TAG_EXEC, 1, sizeof *run);
    if (run != NULL) {
        hg_mutex_init(&run->failure.mutex, HG_RANK_RUN);
    }
    return run;
}

static void put_back(struct hg_run *run)
{
    trim(run);
    uint32_t home = home_slot(run->launch.program);
    for (uint32_t i = 0; i < POOLED_RUNS; i++) {
        _Atomic(struct hg_run *) *slot = &pooled[(home + i) % POOLED_RUNS];
        struct hg_run *expected = NULL;
        if (atomic_load_explicit(slot, memory_order_relaxed) == NULL &&
            atomic_compare_exchange_strong_explicit(slot, &expected, run, memory_order_release,
                                                    memory_order_relaxed)) {
            return;
        }
    }
    destroy(run);
}

void hg_exec_release_cached(void)
{
    for (uint32_t i = 0; i < POOLED_RUNS; i++) {
        struct hg_run *run = atomic_exchange_explicit(&pooled[i], NULL, memory_order_acquire);
        if (run != NULL) {
            destroy(run);
        }
    }
    hg_workspace_release_cached();
}

/* ---- beginning ------------------------------------------------------------------------------- */

static enum hg_status reserve_kept(struct hg_run *run)
{
    uint32_t count = run->code.place_count;
    if (count > run->kept_capacity) {
        hg_free(HG_TAG_EXEC, run->kept);
        run->kept = hg_malloc(HG_TAG_EXEC, count * sizeof *run->kept);
        run->kept_capacity = run->kept != NULL ? count : 0;
        if (run->kept == NULL) {
            return HG_RESOURCE_EXHAUSTED;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        run->kept[i] = (struct hg_kept){.level = HG_LEVEL_LANE};
    }
    return HG_OK;
}

/* Bytes of all row arrays of CODE, each 8-aligned; false beyond what can be allocated. */
static bool row_array_bytes(const struct hg_exec_code *code, uint64_t rows, uint64_t *bytes)
{
    uint64_t each;
    return hg_mul_u64(rows, sizeof(uint64_t), &each) &&
           hg_mul_u64(each, code->row_array_count, bytes);
}

static enum hg_status reserve_rows(struct hg_run *run)
{
    const struct hg_exec_code *code = &run->code;
    if (run->one_row || code->row_array_count == 0 || run->cut.rows == 0) {
        return HG_OK;
    }
    uint64_t bytes;
    if (!row_array_bytes(code, run->cut.rows, &bytes)) {
        return HG_RESOURCE_EXHAUSTED;
    }
    if (bytes > run->row_capacity) {
        hg_free(HG_TAG_EXEC, run->row_memory);
        run->row_memory = hg_malloc(HG_TAG_EXEC, bytes);
        run->row_capacity = run->row_memory != NULL ? bytes : 0;
        if (run->row_memory == NULL) {
            return HG_RESOURCE_EXHAUSTED;
        }
    }
    uint8_t *next = run->row_memory;
    for (uint32_t i = 0; i < code->place_count; i++) {
        if (code->row_arrays[i] > 0) {
            run->kept[i].rows = next;
            next += run->cut.rows * sizeof(uint64_t);
        }
        if (code->row_arrays[i] > 1) {
            run->kept[i].rows_next = next;
            next += run->cut.rows * sizeof(uint64_t);
        }
    }
    return HG_OK;
}

/* The scratch and pool of the block that top-level code runs in. */
static enum hg_status reserve_memory(struct hg_run *run)
{
    if ((run->code.facts.facts & (HG_FACT_SCRATCH | HG_FACT_POOL)) == 0) {
        return HG_OK;
    }
    if (run->memory == NULL) {
        run->memory = hg_block_memory_new();
        if (run->memory == NULL) {
            return HG_RESOURCE_EXHAUSTED;
        }
    }
    return hg_block_memory_reset(run->memory, run->code.facts.scratch_bytes);
}

static void reset_failure(struct hg_failure *failure)
{
    atomic_store_explicit(&failure->lane, UINT64_MAX, memory_order_relaxed);
    atomic_store_explicit(&failure->stopped, false, memory_order_relaxed);
}

static enum hg_status prepare(struct hg_run *run, struct hg_error *error)
{
    const struct hg_launch *launch = &run->launch;
    enum hg_status status = hg_exec_code_load(&run->code, launch->program);
    if (status == HG_OK) {
        status = hg_run_bind(run, error);
        if (status != HG_OK) {
            return status;
        }
        status = reserve_kept(run);
    }
    if (status == HG_OK) {
        status = reserve_rows(run);
    }
    if (status == HG_OK) {
        status = reserve_memory(run);
    }
    if (status != HG_OK) {
        return hg_fail(error, status, "no memory for the launch");
    }
    return HG_OK;
}

enum hg_status hg_run_begin(const struct hg_launch *launch, struct hg_run **out,
                            struct hg_error *error)
{
    struct hg_run *run = take(launch->program);
    if (run == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "no memory for the launch");
    }
    run->launch = *launch;
    run->kernels =
        launch->executor == HG_EXECUTOR_REFERENCE ? &hg_kernels_generic : hg_kernels_now();
    run->ftz = launch->fp_mode == HG_FP_FTZ;
    run->native = launch->executor == HG_EXECUTOR_NATIVE
                      ? hg_native_code_of(launch->program, launch->fp_mode)
                      : NULL;
    run->stream.run = NULL;
    if (run->native != NULL &&
        !hg_native_is_plain(launch->params[HG_PARAM_N], launch->params[HG_PARAM_COLS])) {
        run->native = hg_native_suited(launch->program, run->native, launch->params);
        run->stream = hg_native_stream_of(launch->program, run->native, launch->params);
    }
    run->done = false;
    run->phase = 0;
    reset_failure(&run->failure);
    enum hg_status status = prepare(run, error);
    if (status != HG_OK) {
        put_back(run);
        return status;
    }
    hg_run_settle(run, 0);
    if (run->done) {
        run->region.units = 0;
        run->region.parts = 1;
    }
    *out = run;
    return HG_OK;
}

/* ---- running and ending ---------------------------------------------------------------------- */

void hg_run_part(struct hg_run *run, uint32_t part)
{
    if (run->done || hg_run_poll(run, true)) {
        return;
    }
    HG_REQUIRE(part < run->region.parts);
    uint32_t saved = hg_fp_enter(run->launch.fp_mode);
    if (run->launch.executor == HG_EXECUTOR_REFERENCE) {
        hg_reference_part(run, part);
    } else if (run->native_region != NULL) {
        hg_native_part(run, part);
    } else {
        hg_block_part(run, part);
    }
    hg_fp_restore(saved);
}

enum hg_status hg_run_finish(struct hg_run **run, struct hg_error *error)
{
    struct hg_run *ended = *run;
    *run = NULL;
    const struct hg_failure *failure = &ended->failure;
    const struct hg_error *found = NULL;
    if (atomic_load_explicit(&failure->lane, memory_order_relaxed) != UINT64_MAX) {
        found = &failure->error;
    } else if (atomic_load_explicit(&failure->stopped, memory_order_relaxed)) {
        found = &failure->stop_error;
    }
    enum hg_status status = HG_OK;
    if (found != NULL) {
        status = found->status;
        if (error != NULL) {
            *error = *found;
        }
    }
    put_back(ended);
    return status;
}

enum hg_status hg_exec_launch(const struct hg_launch *launch, struct hg_error *error)
{
    enum hg_status status;
    if (launch->executor == HG_EXECUTOR_NATIVE && hg_native_launch(launch, &status, error)) {
        return status;
    }
    struct hg_run *run = NULL;
    status = hg_run_begin(launch, &run, error);
    if (status != HG_OK) {
        return status;
    }
    HG_REQUIRE(run != NULL);
    do {
        uint32_t parts = hg_run_parts(run, 1);
        for (uint32_t part = 0; part < parts; part++) {
            hg_run_part(run, part);
        }
    } while (hg_run_advance(run));
    return hg_run_finish(&run, error);
}

/* ---- figures --------------------------------------------------------------------------------- */

uint64_t hg_exec_scratch_bytes(const struct hg_program *program, uint64_t rows, uint64_t cols)
{
    const struct hg_code_facts *facts = &program->facts;
    uint64_t bytes = facts->scratch_bytes;
    bool crossing = (facts->facts & HG_FACT_REDUCE) != 0 || facts->segment_count > 1;
    if (!crossing) {
        return bytes;
    }
    if (rows > 1) {
        uint8_t arrays[HG_PLACE_MAX];
        uint64_t each = hg_exec_row_arrays(program, arrays) * sizeof(uint64_t);
        uint64_t total;
        if (!hg_mul_u64(rows, each, &total) || !hg_add_u64(bytes, total, &bytes)) {
            return UINT64_MAX;
        }
    }
    /* No region has more REDUCE than the program has destinations. */
    uint64_t leaves = hg_div_up_u64(cols, HG_LEAF_LANES);
    uint64_t count;
    if ((facts->facts & HG_FACT_REDUCE) != 0 &&
        (!hg_mul_u64(rows, leaves, &count) ||
         !hg_mul_u64(count, facts->reduce_count * sizeof(uint64_t), &count) ||
         !hg_add_u64(bytes, count, &bytes))) {
        return UINT64_MAX;
    }
    return bytes;
}

const char *hg_executor_name(enum hg_executor executor)
{
    static const char *const names[HG_EXECUTOR_COUNT] = {"block", "reference", "native"};
    HG_REQUIRE(executor < HG_EXECUTOR_COUNT);
    return names[executor];
}

const char *hg_exec_isa_level(void)
{
    return hg_kernels_now()->name;
}
