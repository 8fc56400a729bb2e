/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/exec/reference.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/exec/memory.h"

#define ROWS_AT_ONCE 4096

/* ---- values ---------------------------------------------------------------------------------- */

uint64_t hg_ref_read(const struct hg_ref *ref, uint16_t place, struct hg_ref_at at)
{
    const struct hg_ref_value *value = &ref->values[place];
    switch (value->level) {
    case HG_LEVEL_LAUNCH:
        return value->bits;
    case HG_LEVEL_ROW:
        return value->images[at.row - ref->first_row];
    default:
        return value->images[at.lane - ref->first];
    }
}

static uint64_t special(const struct hg_ref *ref, unsigned reg, struct hg_ref_at at)
{
    switch (reg) {
    case HG_REG_ROW:
        return at.row;
    case HG_REG_COLUMN:
        return at.lane % ref->run->cut.cols;
    case HG_REG_BLOCK_LANE:
        return (uint32_t)(at.lane - ref->start);
    case HG_REG_BLOCK:
        return (uint32_t)ref->block;
    case HG_REG_BLOCK_SIZE:
        return ref->run->cut.block_lanes;
    default:
        return at.lane;
    }
}

static uint64_t row_start(const struct hg_ref *ref, uint64_t row)
{
    uint64_t lane = row * ref->run->cut.cols;
    return !ref->rows_only && lane < ref->first ? ref->first : lane;
}

/* INSTANCE has failed: lanes from LANE on are given up, those before it go on. */
static void give_up(struct hg_ref *ref, struct hg_ref_at at)
{
    if (ref->rows_only) {
        ref->row_count = at.row - ref->first_row;
        ref->failed = ref->row_count == 0;
        return;
    }
    ref->count = at.lane - ref->first;
    ref->failed = ref->count == 0;
    if (!ref->failed && !ref->run->one_row) {
        ref->row_count = (at.lane - 1) / ref->run->cut.cols - ref->first_row + 1;
    }
}

static void each_row(struct hg_ref *ref, uint32_t pc, hg_ref_instance_fn *instance)
{
    for (uint64_t r = 0; r < ref->row_count; r++) {
        struct hg_ref_at at = {.lane = row_start(ref, ref->first_row + r),
                               .row = ref->first_row + r};
        uint64_t result = 0;
        if (!instance(ref, pc, HG_LEVEL_ROW, at, &result)) {
            give_up(ref, at);
            return;
        }
        ref->results[r] = result;
    }
}

static void each_lane(struct hg_ref *ref, uint32_t pc, hg_ref_instance_fn *instance)
{
    for (uint64_t i = 0; i < ref->count; i++) {
        uint64_t lane = ref->first + i;
        struct hg_ref_at at = {.lane = lane, .row = lane / ref->run->cut.cols};
        uint64_t result = 0;
        if (!instance(ref, pc, HG_LEVEL_LANE, at, &result)) {
            give_up(ref, at);
            return;
        }
        ref->results[i] = result;
    }
}

static void once(struct hg_ref *ref, uint32_t pc, struct hg_ref_value *value,
                 hg_ref_instance_fn *instance)
{
    struct hg_ref_at at = {.lane =
                               ref->rows_only ? ref->first_row * ref->run->cut.cols : ref->first,
                           .row = ref->first_row};
    uint64_t result = 0;
    if (!instance(ref, pc, HG_LEVEL_LAUNCH, at, &result)) {
        ref->failed = true;
    } else if (value != NULL) {
        value->bits = result;
    }
}

void hg_ref_each(struct hg_ref *ref, uint32_t pc, enum hg_level level, uint16_t dst, uint32_t bytes,
                 hg_ref_instance_fn *instance)
{
    struct hg_ref_value *value = dst != HG_PLACE_NONE ? &ref->values[dst] : NULL;
    if (level == HG_LEVEL_ROW && ref->run->one_row) {
        level = HG_LEVEL_LAUNCH;
    }
    if (level == HG_LEVEL_LAUNCH) {
        once(ref, pc, value, instance);
    } else if (level == HG_LEVEL_ROW) {
        each_row(ref, pc, instance);
    } else if (!ref->rows_only) {
        each_lane(ref, pc, instance);
    }
    if (value != NULL) {
        /* Only now: the destination may have been a source, of another level. */
        if (level != HG_LEVEL_LAUNCH) {
            uint64_t *results = ref->results;
            ref->results = value->images;
            value->images = results;
        }
        value->level = level;
        value->bytes = (uint8_t)bytes;
        value->kept = false;
    }
}

/* ---- start and end of a pass ----------------------------------------------------------------- */

static void start_values(struct hg_ref *ref)
{
    const struct hg_run *run = ref->run;
    for (uint32_t place = 0; place < run->code.place_count; place++) {
        struct hg_ref_value *value = &ref->values[place];
        const struct hg_kept *kept = &run->kept[place];
        value->level = (enum hg_level)kept->level;
        value->bits = kept->bits;
        value->kept = true;
        value->images = ref->images + place * ref->capacity;
        ref->results = ref->images + run->code.place_count * ref->capacity;
        for (uint64_t r = 0;
             kept->level == HG_LEVEL_ROW && kept->rows != NULL && r < ref->row_count; r++) {
            value->images[r] = 0;
            memcpy(&value->images[r], kept->rows + (ref->first_row + r) * kept->bytes, kept->bytes);
        }
    }
}

static bool special_instance(struct hg_ref *ref, uint32_t reg, enum hg_level level,
                             struct hg_ref_at at, uint64_t *result)
{
    (void)level;
    *result = special(ref, reg, at);
    return true;
}

static void start_specials(struct hg_ref *ref)
{
    for (unsigned i = 0; i < HG_ARRAY_COUNT(ref->run->code.special); i++) {
        unsigned reg = HG_REG_SPECIAL + i;
        uint16_t place = ref->run->code.special[i];
        if (place != HG_PLACE_NONE) {
            enum hg_level level = reg == HG_REG_ROW          ? HG_LEVEL_ROW
                                  : reg == HG_REG_BLOCK_SIZE ? HG_LEVEL_LAUNCH
                                                             : HG_LEVEL_LANE;
            hg_ref_each(ref, reg, level, place, 8, special_instance);
            ref->values[place].kept = true;
        }
    }
}

static bool is_special(const struct hg_run *run, uint32_t place)
{
    for (unsigned i = 0; i < HG_ARRAY_COUNT(run->code.special); i++) {
        if (run->code.special[i] == place) {
            return true;
        }
    }
    return false;
}

/* What top-level code leaves for later segments. A row's value is put away by the pass that has its
 * last lane. */
static void keep_values(struct hg_ref *ref)
{
    struct hg_run *run = ref->run;
    for (uint32_t place = 0; place < run->code.place_count; place++) {
        const struct hg_ref_value *value = &ref->values[place];
        struct hg_kept *kept = &run->kept[place];
        bool new_rows = value->level == HG_LEVEL_ROW && !value->kept && kept->rows_next != NULL;
        if (is_special(run, place) || (value->level != HG_LEVEL_LAUNCH && !new_rows)) {
            continue;
        }
        for (uint64_t r = 0; new_rows && r < ref->row_count; r++) {
            uint64_t row = ref->first_row + r;
            if (ref->rows_only || (row + 1) * run->cut.cols <= ref->first + ref->count) {
                memcpy(kept->rows_next + row * value->bytes, &value->images[r], value->bytes);
            }
        }
        if (ref->owner) {
            kept->next_level = (uint8_t)value->level;
            kept->next_bits = value->bits;
            kept->next_bytes = new_rows ? value->bytes : run->code.width[place];
        }
    }
    if (ref->owner) {
        run->next_phase = ref->phase;
    }
}

static uint64_t read_uniform(void *context, uint16_t place)
{
    const struct hg_ref *ref = context;
    return ref->values[place].bits;
}

static void end_pass(struct hg_ref *ref, enum hg_walk_event event)
{
    struct hg_run *run = ref->run;
    uint32_t pc = event == HG_WALK_EXIT ? run->code.facts.insn_count : ref->walk.pc;
    if (event == HG_WALK_SEGMENT_END && hg_step_reduces(&run->code.steps[pc]) && !ref->rows_only) {
        hg_ref_reduce(ref);
    }
    if (hg_run_stopped_at(run, pc) && run->region.limit == HG_NO_LIMIT) {
        keep_values(ref);
    }
}

static void run_instructions(struct hg_ref *ref)
{
    struct hg_run *run = ref->run;
    for (;;) {
        enum hg_walk_event event =
            hg_walk_next(&ref->walk, &run->code, run->region.limit, read_uniform, ref);
        switch (event) {
        case HG_WALK_DATA:
            hg_ref_step(ref, ref->walk.pc);
            if (ref->failed) {
                return;
            }
            ref->walk.pc++;
            break;
        case HG_WALK_POLL:
            if (hg_run_poll(run, true)) {
                return;
            }
            break;
        case HG_WALK_NO_FUEL:
            hg_run_fail_fuel(run, ref->rows_only ? ref->first_row * run->cut.cols : ref->first,
                             ref->walk.pc);
            return;
        default:
            end_pass(ref, event);
            return;
        }
    }
}

static void run_pass(struct hg_ref *ref)
{
    const struct hg_run *run = ref->run;
    ref->owner = ref->rows_only ? ref->first_row == 0 : ref->first == 0;
    ref->failed = false;
    ref->phase = run->region.limit == HG_NO_LIMIT ? run->phase : 0;
    hg_walk_start(&ref->walk, run->region.start, run->launch.fuel);
    start_values(ref);
    start_specials(ref);
    run_instructions(ref);
}

/* ---- units ----------------------------------------------------------------------------------- */

static bool start_block_memory(struct hg_ref *ref)
{
    struct hg_run *run = ref->run;
    if ((run->code.facts.facts & (HG_FACT_SCRATCH | HG_FACT_POOL)) == 0) {
        return true;
    }
    if (run->region.limit == HG_NO_LIMIT) {
        ref->memory = run->memory;
        return true;
    }
    if (ref->memory == NULL) {
        ref->memory = hg_block_memory_new();
    }
    if (ref->memory == NULL ||
        hg_block_memory_reset(ref->memory, run->code.facts.scratch_bytes) != HG_OK) {
        hg_run_stop(run, HG_RESOURCE_EXHAUSTED, "no memory for a block's scratch");
        return false;
    }
    return true;
}

static void run_lanes(struct hg_ref *ref, const struct hg_span *span)
{
    const struct hg_cut *cut = &ref->run->cut;
    uint64_t step = ref->run->code.lane_by_lane ? 1 : span->count;
    ref->block = span->block;
    ref->start = span->start;
    for (uint64_t lane = span->first; lane < span->first + span->count; lane += step) {
        if (hg_run_skips(ref->run, lane)) {
            return;
        }
        ref->first = lane;
        ref->count = step;
        ref->first_row = lane / cut->cols;
        ref->row_count = (lane + step - 1) / cut->cols - ref->first_row + 1;
        run_pass(ref);
    }
}

static void run_rows(struct hg_ref *ref)
{
    struct hg_run *run = ref->run;
    uint64_t row = 0;
    ref->rows_only = true;
    ref->first = ref->count = 0;
    do {
        uint64_t left = run->cut.rows - row;
        ref->first_row = row;
        ref->row_count = left < ref->capacity ? left : ref->capacity;
        run_pass(ref);
        row += ref->capacity;
    } while (row < run->cut.rows && !hg_run_skips(run, row * run->cut.cols) &&
             !hg_run_poll(run, true));
}

/* Lanes of a product's unit are run row by row of it. */
static void run_product_unit(struct hg_ref *ref, uint64_t unit)
{
    const struct hg_product *product = &ref->run->product;
    uint64_t row = unit % product->row_tiles * product->tile_rows;
    uint64_t col = unit / product->row_tiles * product->tile_cols;
    uint64_t cols = product->n - col < product->tile_cols ? product->n - col : product->tile_cols;
    for (uint64_t i = row; i < product->m && i < row + product->tile_rows; i++) {
        for (uint64_t done = 0; done < cols; done += ref->capacity) {
            uint64_t left = cols - done;
            struct hg_span span = {.first = i * product->n + col + done,
                                   .count = left < ref->capacity ? left : ref->capacity};
            run_lanes(ref, &span);
        }
    }
}

static void run_units(struct hg_ref *ref, uint32_t part)
{
    struct hg_run *run = ref->run;
    if (run->region.kind == HG_REGION_ROWS) {
        if (start_block_memory(ref)) {
            run_rows(ref);
        }
        return;
    }
    uint64_t unit;
    uint64_t end;
    for (hg_run_units(run, part, &unit, &end); unit < end && !hg_run_poll(run, true); unit++) {
        struct hg_span span = {.count = run->cut.lanes};
        if (run->region.mma != HG_NO_STEP) {
            run_product_unit(ref, unit);
            continue;
        }
        if (run->region.kind == HG_REGION_BLOCKS) {
            hg_cut_block(&run->cut, unit, &span);
        }
        if (!start_block_memory(ref)) {
            return;
        }
        run_lanes(ref, &span);
    }
}

static uint64_t capacity_of(const struct hg_run *run)
{
    if (run->region.kind != HG_REGION_ROWS) {
        return run->cut.block_lanes + 1;
    }
    uint64_t rows = run->cut.rows;
    return run->code.one_pass || rows < ROWS_AT_ONCE ? rows + 1 : ROWS_AT_ONCE;
}

void hg_reference_part(struct hg_run *run, uint32_t part)
{
    const struct hg_exec_code *code = &run->code;
    struct hg_ref ref = {.run = run, .capacity = capacity_of(run)};
    uint64_t images = 0;
    bool fits = hg_mul_u64(ref.capacity, code->place_count + 1u, &images);
    ref.values = hg_calloc(HG_TAG_EXEC, code->place_count, sizeof *ref.values);
    ref.images = fits ? hg_calloc(HG_TAG_EXEC, images, sizeof *ref.images) : NULL;
    ref.leaves = hg_calloc(HG_TAG_EXEC, code->reduce_max, sizeof *ref.leaves);
    ref.walk.frames = hg_calloc(HG_TAG_EXEC, code->frame_max, sizeof *ref.walk.frames);
    if (ref.values == NULL || ref.images == NULL || ref.leaves == NULL || ref.walk.frames == NULL) {
        hg_run_stop(run, HG_RESOURCE_EXHAUSTED, "no memory for the reference interpreter");
    } else {
        run_units(&ref, part);
    }
    if (ref.memory != run->memory) {
        hg_block_memory_destroy(&ref.memory);
    }
    hg_free(HG_TAG_EXEC, ref.walk.frames);
    hg_free(HG_TAG_EXEC, ref.leaves);
    hg_free(HG_TAG_EXEC, ref.images);
    hg_free(HG_TAG_EXEC, ref.values);
}
