/* SPDX-License-Identifier: Apache-2.0 */
/* Native code that programs own: compiled by the first who runs them. */
#include <stdatomic.h>

#include "lib/base/alloc.h"
#include "lib/exec/run.h"
#include "lib/native/native.h"
#include "lib/native/perfmap.h"

#define MODES  (HG_FP_FTZ + 1)
#define LEVELS (HG_ISA_LEVEL_COUNT - 1) /* those that have native code */

/*
 * A program's code for each level and mode: 0 until somebody has tried, NONE if there is none, else
 * its address. Set once each: release, read with acquire.
 */
struct attachment {
    struct hg_program_native base; /* first: the program knows this part */
    _Atomic uintptr_t code[LEVELS][MODES];
};
#define UNTRIED 0
#define NONE    1

static void destroy(struct hg_program_native *base)
{
    struct attachment *attachment = (struct attachment *)(void *)base;
    for (unsigned i = 0; i < LEVELS * MODES; i++) {
        uintptr_t value =
            atomic_load_explicit(&attachment->code[i / MODES][i % MODES], memory_order_acquire);
        if (value > NONE) {
            struct hg_native_code *code = (struct hg_native_code *)value;
            hg_native_destroy(&code);
        }
    }
    hg_free(HG_TAG_EXEC, attachment);
}

/* Compiles for LEVEL and MODE. Two threads may do that at once, and one of them in vain. Where
 * there is no room the program has no code from then on: to try at each launch would cost more than
 * it brings. */
static uintptr_t compile(const struct hg_program *program, struct attachment *attachment,
                         enum hg_isa_level level, enum hg_fp_mode mode)
{
    struct hg_native_code *code = NULL;
    (void)!hg_native_compile(program, level, mode, &code);
    uintptr_t found = UNTRIED;
    uintptr_t made = code != NULL ? (uintptr_t)code : NONE;
    if (!atomic_compare_exchange_strong_explicit(&attachment->code[level - HG_ISA_AVX2][mode],
                                                 &found, made, memory_order_acq_rel,
                                                 memory_order_acquire)) {
        hg_native_destroy(&code);
        return found;
    }
    return made;
}

/* Gives PROGRAM what it has or will have; what is compiled before the program has it counts as the
 * program's bytes. */
static struct attachment *attach(const struct hg_program *program, enum hg_isa_level level,
                                 enum hg_fp_mode mode)
{
    struct attachment *fresh = hg_calloc(HG_TAG_EXEC, 1, sizeof *fresh);
    if (fresh == NULL) {
        return NULL;
    }
    fresh->base.destroy = destroy;
    fresh->base.bytes = hg_alloc_block_bytes(fresh);
    uintptr_t value = compile(program, fresh, level, mode);
    if (value > NONE) {
        fresh->base.bytes += hg_native_bytes((const struct hg_native_code *)value);
    }
    struct hg_program_native *attached = hg_program_attach(program, &fresh->base);
    if (attached != &fresh->base) {
        destroy(&fresh->base);
    }
    return (struct attachment *)(void *)attached;
}

const struct hg_native_code *hg_native_code_of(const struct hg_program *program,
                                               enum hg_fp_mode mode)
{
    enum hg_isa_level level = hg_native_level();
    struct attachment *attachment =
        (struct attachment *)(void *)atomic_load_explicit(&program->native, memory_order_acquire);
    if (level < HG_ISA_AVX2) {
        return NULL;
    }
    if (attachment == NULL) {
        attachment = attach(program, level, mode);
        if (attachment == NULL) {
            return NULL;
        }
    }
    uintptr_t value =
        atomic_load_explicit(&attachment->code[level - HG_ISA_AVX2][mode], memory_order_acquire);
    if (value == UNTRIED) {
        value = compile(program, attachment, level, mode);
    }
    return value > NONE ? (const struct hg_native_code *)value : NULL;
}

void hg_exec_name(const struct hg_program *program, enum hg_fp_mode mode, const char *name)
{
    const struct hg_native_code *code = hg_native_code_of(program, mode);
    if (code != NULL) {
        hg_perf_map_add(code->text, code->bytes, name);
    }
}

void hg_exec_prepare(const struct hg_program *program, enum hg_executor executor,
                     enum hg_fp_mode mode)
{
    if (executor == HG_EXECUTOR_NATIVE) {
        (void)hg_native_code_of(program, mode);
    }
}
