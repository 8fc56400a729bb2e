/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs verified programs: binding of a launch, the reference interpreter, the block executor, and
 * the cutting of a run into parts that several threads may work on.
 *
 * A run is a sequence of regions (the stretches of a program between points where all lanes must
 * meet); a region is a number of parts that may run in any order and at the same time:
 *
 *     hg_run_begin ──► [ hg_run_part(0 … parts-1) ──► hg_run_advance ]* ──► hg_run_finish
 *
 * Both executors give identical bits for every program (lib/isa/README.md).
 *
 * Threads: a run belongs to whoever drives it; hg_run_part may be called from several threads at
 * once with different parts. Between the last part of a region and hg_run_advance the caller must
 * provide a happens-before edge (the scheduler's does).
 */
#ifndef HG_LIB_EXEC_EXEC_H
#define HG_LIB_EXEC_EXEC_H

#include <stdatomic.h>

#include "lib/base/cpu.h"
#include "lib/program/program.h"

/* NATIVE runs what has native code so, and the rest as BLOCK does. */
enum hg_executor {
    HG_EXECUTOR_BLOCK,
    HG_EXECUTOR_REFERENCE,
    HG_EXECUTOR_NATIVE,
    HG_EXECUTOR_COUNT
};
const char *hg_executor_name(enum hg_executor executor);

struct hg_panels; /* lib/exec/panels.h */

/* Memory that a slot is bound to. */
struct hg_operand {
    void *base;
    uint64_t bytes;
    bool writable;
};

struct hg_launch {
    const struct hg_program *program;
    struct hg_operand operands[HG_SLOT_COUNT_MAX]; /* declared slots, then baked handles */
    uint32_t operand_count;
    uint64_t params[HG_PARAM_COUNT]; /* n, rows, cols (n = rows * cols), then the operation's */
    uint8_t *boundary_base;        /* of the boundary pool, for Φ addresses; NULL = none allowed */
    uint64_t boundary_classes[2];  /* bit set of the classes that the launch may address */
    int first_class;               /* CLS.GET: class of the first operand bound, else -1 */
    uint64_t fuel;                 /* per block and segment; 0 = unlimited (verified builders) */
    uint64_t deadline_ns;          /* hg_clock time; 0 = none */
    const _Atomic bool *cancelled; /* NULL = never */
    const struct hg_panels *panels; /* of one of the operands, which does not change; or NULL */
    enum hg_executor executor;
    enum hg_fp_mode fp_mode;
};

struct hg_run;

/*
 * Checks LAUNCH against its program (operand count, writability, bounds of every lane-affine
 * address, aliasing of outputs, lanes against the form, Φ classes) and prepares a run. LAUNCH is
 * copied, its program must stay alive until finish. Errors: HG_INVALID_ARGUMENT, HG_OUT_OF_RANGE
 * (detail OUT_OF_BOUNDS), HG_PERMISSION_DENIED (a class that the launch may not address),
 * HG_RESOURCE_EXHAUSTED.
 */
HG_MUST_CHECK enum hg_status hg_run_begin(const struct hg_launch *launch, struct hg_run **run,
                                          struct hg_error *error);
/* Parts of the current region when up to WORKERS threads share it; at least 1. Fixed until advance.
 */
uint32_t hg_run_parts(struct hg_run *run, uint32_t workers);
/* Runs part PART of the current region on the calling thread, in the launch's floating-point mode.
 */
void hg_run_part(struct hg_run *run, uint32_t part);
/* Completes the region (folds reductions). True if another region follows; false at the end or
 * after a failure. */
bool hg_run_advance(struct hg_run *run);
/* Gives the outcome, frees the run and NULLs *RUN. Of several failures the one of the lowest lane
 * is reported: HG_INVALID_ARGUMENT (DIVISION_BY_ZERO), HG_OUT_OF_RANGE (OUT_OF_BOUNDS),
 * HG_RESOURCE_EXHAUSTED (FUEL_EXHAUSTED), HG_DEADLINE_EXCEEDED, HG_CANCELLED. */
HG_MUST_CHECK enum hg_status hg_run_finish(struct hg_run **run, struct hg_error *error);

/* The whole of it on the calling thread. */
HG_MUST_CHECK enum hg_status hg_exec_launch(const struct hg_launch *launch, struct hg_error *error);

/*
 * For a launch that is made again and again as it is, without deadline and cancellation: true if
 * its native code runs it from beginning to end. Then launch_direct, which does the same without
 * the checks, is right for LAUNCH with any program of the same key, as long as nothing else of it
 * changes.
 */
bool hg_exec_is_direct(const struct hg_launch *launch);
HG_MUST_CHECK enum hg_status hg_exec_launch_direct(const struct hg_launch *launch,
                                                   struct hg_error *error);

/* Does now what the first launch of PROGRAM would do first: compiles it, if EXECUTOR is NATIVE.
 * Before others have the program, so that its bytes count (hg_program_bytes). */
void hg_exec_prepare(const struct hg_program *program, enum hg_executor executor,
                     enum hg_fp_mode mode);
/* Tells profilers that PROGRAM's native code for MODE, if it has any, is NAME. */
void hg_exec_name(const struct hg_program *program, enum hg_fp_mode mode, const char *name);
/* Bytes of launch scratch that a run of PROGRAM over ROWS x COLS lanes will allocate. */
uint64_t hg_exec_scratch_bytes(const struct hg_program *program, uint64_t rows, uint64_t cols);
/* Estimated nanoseconds on one thread, from facts.cost and the lanes. */
uint64_t hg_exec_estimate_ns(const struct hg_program *program,
                             const uint64_t params[HG_PARAM_COUNT]);
/* Frees what finished runs have left for later ones (for tests that count bytes, and at the end).
 */
void hg_exec_release_cached(void);
/* "generic", "avx2" or "avx512": the kernels that the block executor uses. */
const char *hg_exec_isa_level(void);

#endif
