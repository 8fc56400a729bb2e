/* SPDX-License-Identifier: Apache-2.0 */
/* Native code that programs own: compiled by the first who runs them. */
#include <stdatomic.h>

#include "lib/base/alloc.h"
#include "lib/exec/native_product.h"
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
    /* Release to put one in front, acquire to read. */
    _Atomic(struct tile_code *) tiles;
    _Atomic(struct form_code *) forms;
    _Atomic(struct kept_schedule *) schedules;
    _Atomic(struct kept_plan *) plans;
    _Atomic uint32_t schedule_count, plan_count; /* relaxed: bounds */
};

/* How many blocks of products a program remembers: then it is asked for shapes that do not come
 * again. */
#define SCHEDULES_MAX 16
#define PLANS_MAX     16

struct kept_schedule {
    struct kept_schedule *next;
    const struct hg_native_code *code;
    uint32_t start;
    struct hg_native_schedule schedule;
};

struct kept_plan {
    struct kept_plan *next;
    const struct hg_native_code *code;
    struct hg_native_plan plan;
};

/* Code for one shape of tiles of one region; all that a program has are a list. */
struct tile_code {
    struct tile_code *next;
    struct hg_native_code *code;
    uint32_t start;
    struct hg_native_tile tile;
};

/* Code of another form, or that there is none. */
struct form_code {
    struct form_code *next;
    struct hg_native_code *code; /* NULL: none */
    uint8_t form, level, mode;
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
    struct tile_code *tile = atomic_load_explicit(&attachment->tiles, memory_order_acquire);
    while (tile != NULL) {
        struct tile_code *next = tile->next;
        hg_native_destroy(&tile->code);
        hg_free(HG_TAG_EXEC, tile);
        tile = next;
    }
    struct form_code *form = atomic_load_explicit(&attachment->forms, memory_order_acquire);
    while (form != NULL) {
        struct form_code *next = form->next;
        hg_native_destroy(&form->code);
        hg_free(HG_TAG_EXEC, form);
        form = next;
    }
    struct kept_schedule *kept = atomic_load_explicit(&attachment->schedules, memory_order_acquire);
    while (kept != NULL) {
        struct kept_schedule *next = kept->next;
        hg_free(HG_TAG_EXEC, kept);
        kept = next;
    }
    struct kept_plan *plan = atomic_load_explicit(&attachment->plans, memory_order_acquire);
    while (plan != NULL) {
        struct kept_plan *next = plan->next;
        hg_free(HG_TAG_EXEC, plan);
        plan = next;
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

/* ---- tiles ----------------------------------------------------------------------------------- */

static struct attachment *attachment_of(const struct hg_program *program)
{
    return (struct attachment *)(void *)atomic_load_explicit(&program->native,
                                                             memory_order_acquire);
}

static struct tile_code *find_tile(struct tile_code *from, const struct hg_native_code *code,
                                   uint32_t start, struct hg_native_tile tile)
{
    for (; from != NULL; from = from->next) {
        if (from->tile.rows == tile.rows && from->tile.vectors == tile.vectors &&
            from->tile.masked == tile.masked && from->start == start &&
            from->code->level == code->level && from->code->mode == code->mode) {
            return from;
        }
    }
    return NULL;
}

static struct tile_code *compile_tile(const struct hg_program *program,
                                      const struct hg_native_code *code, uint32_t start,
                                      struct hg_native_tile tile)
{
    struct tile_code *fresh = hg_malloc(HG_TAG_EXEC, sizeof *fresh);
    if (fresh == NULL) {
        return NULL;
    }
    *fresh = (struct tile_code){.start = start, .tile = tile};
    if (hg_native_compile_tile(program, (enum hg_isa_level)code->level, (enum hg_fp_mode)code->mode,
                               start, tile, &fresh->code) != HG_OK ||
        fresh->code == NULL) {
        hg_free(HG_TAG_EXEC, fresh);
        return NULL;
    }
    return fresh;
}

static hg_native_fn *function_of(const struct tile_code *tile)
{
    for (unsigned i = 0; i < tile->code->region_count; i++) {
        if (tile->code->regions[i].run != NULL) {
            return tile->code->regions[i].run;
        }
    }
    return NULL;
}

hg_native_fn *hg_native_tile_of(const struct hg_program *program, const struct hg_native_code *code,
                                const struct hg_native_region *region, struct hg_native_tile tile)
{
    struct attachment *attachment = attachment_of(program);
    struct tile_code *front = atomic_load_explicit(&attachment->tiles, memory_order_acquire);
    struct tile_code *found = find_tile(front, code, region->start, tile);
    if (found != NULL) {
        return function_of(found);
    }
    struct tile_code *fresh = compile_tile(program, code, region->start, tile);
    if (fresh == NULL) {
        return NULL;
    }
    do { /* two threads may have compiled the same: both stay, and the last is found */
        fresh->next = front;
    } while (!atomic_compare_exchange_weak_explicit(&attachment->tiles, &front, fresh,
                                                    memory_order_release, memory_order_acquire));
    return function_of(fresh);
}

/* ---- other forms ----------------------------------------------------------------------------- */

const struct hg_native_code *hg_native_form_of(const struct hg_program *program,
                                               const struct hg_native_code *code,
                                               enum hg_native_form wanted)
{
    struct attachment *attachment = attachment_of(program);
    struct form_code *front = atomic_load_explicit(&attachment->forms, memory_order_acquire);
    for (struct form_code *form = front; form != NULL; form = form->next) {
        if (form->form == wanted && form->level == code->level && form->mode == code->mode) {
            return form->code;
        }
    }
    struct form_code *fresh = hg_malloc(HG_TAG_EXEC, sizeof *fresh);
    if (fresh == NULL) {
        return NULL;
    }
    *fresh = (struct form_code){
        .form = (uint8_t)wanted, .level = code->level, .mode = code->mode, .code = NULL};
    (void)!hg_native_compile_form(program, (enum hg_isa_level)code->level,
                                  (enum hg_fp_mode)code->mode, wanted, &fresh->code);
    if (fresh->code != NULL && fresh->code->regions[0].run == NULL) {
        hg_native_destroy(&fresh->code);
    }
    do { /* two threads may have compiled the same: both stay, and the last is found */
        fresh->next = front;
    } while (!atomic_compare_exchange_weak_explicit(&attachment->forms, &front, fresh,
                                                    memory_order_release, memory_order_acquire));
    return fresh->code;
}

/* ---- schedules ------------------------------------------------------------------------------- */

static bool same_block(const struct hg_native_block *a, const struct hg_native_block *b)
{
    return a->rows == b->rows && a->cols == b->cols && a->terms == b->terms &&
           a->rows_at_once == b->rows_at_once && a->panel == b->panel && a->crosses == b->crosses &&
           a->lanes == b->lanes;
}

const struct hg_native_schedule *hg_native_find_schedule(const struct hg_program *program,
                                                         const struct hg_native_code *code,
                                                         const struct hg_native_region *region,
                                                         const struct hg_native_block *block)
{
    const struct kept_schedule *kept =
        atomic_load_explicit(&attachment_of(program)->schedules, memory_order_acquire);
    for (; kept != NULL; kept = kept->next) {
        if (kept->code == code && kept->start == region->start &&
            same_block(&kept->schedule.block, block)) {
            return &kept->schedule;
        }
    }
    return NULL;
}

void hg_native_keep_schedule(const struct hg_program *program, const struct hg_native_code *code,
                             const struct hg_native_region *region,
                             const struct hg_native_schedule *schedule)
{
    struct attachment *attachment = attachment_of(program);
    if (atomic_fetch_add_explicit(&attachment->schedule_count, 1, memory_order_relaxed) >=
        SCHEDULES_MAX) {
        atomic_fetch_sub_explicit(&attachment->schedule_count, 1, memory_order_relaxed);
        return;
    }
    struct kept_schedule *fresh = hg_malloc(HG_TAG_EXEC, sizeof *fresh);
    if (fresh == NULL) {
        atomic_fetch_sub_explicit(&attachment->schedule_count, 1, memory_order_relaxed);
        return;
    }
    *fresh = (struct kept_schedule){.code = code, .start = region->start, .schedule = *schedule};
    struct kept_schedule *front =
        atomic_load_explicit(&attachment->schedules, memory_order_relaxed);
    do {
        fresh->next = front;
    } while (!atomic_compare_exchange_weak_explicit(&attachment->schedules, &front, fresh,
                                                    memory_order_release, memory_order_relaxed));
}

/* ---- plans ----------------------------------------------------------------------------------- */

const struct hg_native_plan *hg_native_find_plan(const struct hg_program *program,
                                                 const struct hg_native_code *code,
                                                 const struct hg_native_plan *wanted)
{
    const struct kept_plan *kept =
        atomic_load_explicit(&attachment_of(program)->plans, memory_order_acquire);
    for (; kept != NULL; kept = kept->next) {
        const struct hg_native_plan *plan = &kept->plan;
        if (plan->m == wanted->m && plan->n == wanted->n && plan->k == wanted->k &&
            plan->lda == wanted->lda && plan->ldb == wanted->ldb && plan->panel == wanted->panel &&
            kept->code == code) {
            return plan;
        }
    }
    return NULL;
}

void hg_native_keep_plan(const struct hg_program *program, const struct hg_native_code *code,
                         const struct hg_native_plan *plan)
{
    struct attachment *attachment = attachment_of(program);
    if (atomic_fetch_add_explicit(&attachment->plan_count, 1, memory_order_relaxed) >= PLANS_MAX) {
        atomic_fetch_sub_explicit(&attachment->plan_count, 1, memory_order_relaxed);
        return;
    }
    struct kept_plan *fresh = hg_malloc(HG_TAG_EXEC, sizeof *fresh);
    if (fresh == NULL) {
        atomic_fetch_sub_explicit(&attachment->plan_count, 1, memory_order_relaxed);
        return;
    }
    *fresh = (struct kept_plan){.code = code, .plan = *plan};
    struct kept_plan *front = atomic_load_explicit(&attachment->plans, memory_order_relaxed);
    do {
        fresh->next = front;
    } while (!atomic_compare_exchange_weak_explicit(&attachment->plans, &front, fresh,
                                                    memory_order_release, memory_order_relaxed));
}
