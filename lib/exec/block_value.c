/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of places. A launch-uniform value is kept as its bits and computed once per pass; it
 * becomes a tile only where an instruction mixes it with others, and that tile stays for later
 * passes.
 */
#include <string.h>

#include "lib/base/check.h"
#include "lib/exec/block.h"

/* ---- the start ------------------------------------------------------------------------------- */

static void start_special(struct hg_pass *pass, unsigned index)
{
    uint16_t place = pass->run->code.special[index];
    if (place == HG_PLACE_NONE) {
        return;
    }
    struct hg_value *value = &pass->values[place];
    unsigned reg = HG_REG_SPECIAL + index;
    value->state = HG_VALUE_SPECIAL;
    value->bits = 0;
    value->level = HG_LEVEL_LANE;
    if (reg == HG_REG_BLOCK_SIZE) {
        value->level = HG_LEVEL_LAUNCH;
        value->bits = pass->run->cut.block_lanes;
    } else if (reg == HG_REG_ROW) {
        value->level = pass->run->one_row ? HG_LEVEL_LAUNCH : HG_LEVEL_ROW;
    }
}

void hg_pass_start_values(struct hg_pass *pass)
{
    const struct hg_run *run = pass->run;
    for (uint32_t i = 0; i < run->code.place_count; i++) {
        struct hg_value *value = &pass->values[i];
        const struct hg_kept *kept = &run->kept[i];
        value->level = kept->level;
        value->bits = kept->bits;
        value->state = HG_VALUE_KEPT;
    }
    for (unsigned i = 0; i < HG_ARRAY_COUNT(run->code.special); i++) {
        start_special(pass, i);
    }
}

/* ---- the end --------------------------------------------------------------------------------- */

/* Puts the elements of the rows whose last lane is in this pass into the array over rows: passes go
 * up, so that no later one needs the old values of those rows. */
static void keep_rows(struct hg_pass *pass, uint16_t place, struct hg_kept *kept, uint32_t bytes)
{
    const uint8_t *elements = hg_pass_elements(pass, place, bytes);
    if (pass->rows_only) {
        memcpy(kept->rows_next + pass->first * bytes, elements, pass->count * bytes);
        return;
    }
    uint64_t cols = pass->run->cut.cols;
    uint64_t row = pass->first_row;
    for (uint64_t last = cols - 1 - pass->first_col; last < pass->count; last += cols) {
        memcpy(kept->rows_next + row * bytes, elements + last * bytes, bytes);
        row++;
    }
}

void hg_pass_keep_values(struct hg_pass *pass)
{
    struct hg_run *run = pass->run;
    for (uint16_t place = 0; place < run->code.place_count; place++) {
        const struct hg_value *value = &pass->values[place];
        struct hg_kept *kept = &run->kept[place];
        bool same = value->state == HG_VALUE_KEPT && value->level == HG_LEVEL_ROW;
        if (value->state == HG_VALUE_SPECIAL || value->level == HG_LEVEL_LANE || same ||
            (value->level == HG_LEVEL_ROW && kept->rows_next == NULL)) {
            continue;
        }
        uint32_t bytes = run->code.width[place];
        if (value->level == HG_LEVEL_ROW) {
            keep_rows(pass, place, kept, value->bytes);
            bytes = value->bytes;
        }
        if (pass->owner) {
            kept->next_level = value->level;
            kept->next_bits = value->bits;
            kept->next_bytes = (uint8_t)bytes;
        }
    }
    if (pass->owner) {
        run->next_phase = pass->phase;
    }
}

/* ---- elements -------------------------------------------------------------------------------- */

void hg_pass_spread_rows(struct hg_pass *pass, void *dst, const uint8_t *rows, uint32_t bytes)
{
    if (pass->rows_only) {
        memcpy(dst, rows, pass->count * bytes);
        return;
    }
    hg_kernel_fill *fill = pass->kernels->fill[hg_log2_bytes(bytes)];
    uint8_t *next = dst;
    uint64_t cols = pass->run->cut.cols;
    uint64_t run_left = cols - pass->first_col;
    for (uint64_t left = pass->count; left > 0; run_left = cols) {
        uint64_t count = run_left < left ? run_left : left;
        uint64_t bits = 0;
        memcpy(&bits, rows, bytes);
        fill(next, bits, count);
        rows += bytes;
        next += count * bytes;
        left -= count;
    }
}

/* The row, or the column, of each lane. */
static void write_rows(const struct hg_pass *pass, uint64_t *dst, bool columns)
{
    uint64_t row = pass->first_row;
    uint64_t col = pass->first_col;
    for (uint64_t i = 0; i < pass->count; i++) {
        dst[i] = columns ? col : row;
        if (++col >= pass->run->cut.cols) {
            col = 0;
            row++;
        }
    }
}

static void write_special(struct hg_pass *pass, uint16_t place)
{
    const uint16_t *special = pass->run->code.special;
    void *tile = pass->values[place].tile;
    if (place == special[HG_REG_ROW - HG_REG_SPECIAL]) {
        if (pass->rows_only) {
            pass->kernels->count64(tile, pass->first, pass->count);
        } else {
            write_rows(pass, tile, false);
        }
    } else if (place == special[HG_REG_COLUMN - HG_REG_SPECIAL]) {
        write_rows(pass, tile, true);
    } else if (place == special[HG_REG_LANE - HG_REG_SPECIAL]) {
        pass->kernels->count64(tile, pass->first, pass->count);
    } else if (place == special[HG_REG_BLOCK_LANE - HG_REG_SPECIAL]) {
        pass->kernels->count32(tile, (uint32_t)(pass->first - pass->span.start), pass->count);
    } else {
        pass->kernels->fill[2](tile, pass->span.block, pass->count);
    }
}

static const void *fill_uniform(struct hg_pass *pass, struct hg_value *value, uint32_t bytes)
{
    if (value->filled < pass->count || value->filled_bytes != bytes ||
        value->filled_bits != value->bits) {
        pass->kernels->fill[hg_log2_bytes(bytes)](value->tile, value->bits, pass->count);
        value->filled = (uint32_t)pass->count;
        value->filled_bytes = (uint8_t)bytes;
        value->filled_bits = value->bits;
    }
    return value->tile;
}

const void *hg_pass_elements(struct hg_pass *pass, uint16_t place, uint32_t bytes)
{
    struct hg_value *value = &pass->values[place];
    if (value->level == HG_LEVEL_LAUNCH) {
        return fill_uniform(pass, value, bytes);
    }
    if (value->state == HG_VALUE_READY) {
        return value->data;
    }
    value->filled = 0;
    value->data = value->tile;
    value->bytes = (uint8_t)bytes;
    if (pass->count == 0) {
        return value->data; /* there is no row, and no array for any */
    }
    if (value->state == HG_VALUE_KEPT) {
        const uint8_t *rows = pass->run->kept[place].rows + pass->first_row * bytes;
        hg_pass_spread_rows(pass, value->tile, rows, bytes);
    } else {
        write_special(pass, place);
    }
    value->state = HG_VALUE_READY;
    return value->data;
}

const void *hg_pass_source(struct hg_pass *pass, uint16_t place, uint32_t bytes, uint16_t dst,
                           uint32_t dst_bytes, uint32_t index)
{
    const void *elements = hg_pass_elements(pass, place, bytes);
    if (place != dst || bytes == dst_bytes) {
        return elements;
    }
    memcpy(pass->workspace->temporary[index], elements, pass->count * bytes);
    return pass->workspace->temporary[index];
}

void hg_pass_set_uniform(struct hg_pass *pass, uint16_t place, uint64_t bits)
{
    struct hg_value *value = &pass->values[place];
    value->level = HG_LEVEL_LAUNCH;
    value->state = HG_VALUE_READY;
    value->bits = bits;
}

void *hg_pass_tile(struct hg_pass *pass, uint16_t place, enum hg_level level, uint32_t bytes)
{
    struct hg_value *value = &pass->values[place];
    hg_pass_set_elements(pass, place, level, bytes, value->tile);
    value->filled = 0;
    return value->tile;
}

void hg_pass_set_elements(struct hg_pass *pass, uint16_t place, enum hg_level level, uint32_t bytes,
                          const void *data)
{
    struct hg_value *value = &pass->values[place];
    value->level = (uint8_t)level;
    value->state = HG_VALUE_READY;
    value->bytes = (uint8_t)bytes;
    value->data = data;
}

uint64_t hg_pass_lane(const struct hg_pass *pass, uint64_t element)
{
    uint64_t index = pass->first + element;
    return pass->rows_only ? index * pass->run->cut.cols : index;
}

void hg_pass_cut(struct hg_pass *pass, uint64_t element)
{
    pass->count = element < pass->count ? element : pass->count;
    pass->failed = element == 0;
}
