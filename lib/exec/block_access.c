/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads and stores of a pass. Addresses whose lanes lie in a line were checked at bind; computed
 * ones are written down for all elements, checked, and used from that same copy.
 */
#include <string.h>

#include "lib/exec/block.h"
#include "lib/exec/memory.h"

/* An access: the operand's memory and what varies. */
struct access {
    const struct hg_step *step;
    uint32_t pc;
    uint8_t *base;
    uint64_t bytes;         /* of the operand */
    uint32_t width;         /* of an element */
    uint64_t factor;        /* of MOD and DIV */
    enum hg_lane_mode lane; /* ROW becomes NONE where there is one row */
    enum hg_level level;    /* of the address */
    bool computed;
};

static struct access describe(const struct hg_pass *pass, uint32_t pc)
{
    const struct hg_run *run = pass->run;
    const struct hg_step *step = &run->code.steps[pc];
    const struct hg_addr *addr = &step->insn.u.addr;
    struct access access = {.step = step,
                            .pc = pc,
                            .width = step->bytes,
                            .lane = (enum hg_lane_mode)addr->lane,
                            .computed = hg_addr_computed(addr)};
    if (addr->slot == HG_OPERAND_SCRATCH) {
        access.base = pass->memory->scratch;
        access.bytes = pass->memory->scratch_bytes;
    } else {
        access.base = run->base[addr->slot];
        access.bytes = run->bytes[addr->slot];
    }
    if (access.lane == HG_LANE_ROW && run->one_row) {
        access.lane = HG_LANE_NONE;
    }
    access.factor = access.lane == HG_LANE_STRIDE ? addr->factor : hg_run_factor(run, addr);
    access.level = access.lane == HG_LANE_NONE  ? HG_LEVEL_LAUNCH
                   : access.lane == HG_LANE_ROW ? HG_LEVEL_ROW
                                                : HG_LEVEL_LANE;
    if (access.computed && pass->values[step->offset].level > access.level) {
        access.level = (enum hg_level)pass->values[step->offset].level;
    }
    return access;
}

static void fail_bounds(struct hg_pass *pass, const struct access *access, uint64_t element,
                        uint64_t offset)
{
    hg_run_fail_bounds(pass->run, hg_pass_lane(pass, element), access->pc, offset);
    hg_pass_cut(pass, element);
}

/* Whether the pass has no element of LEVEL, above LAUNCH: operands may have no memory then. */
static bool is_empty(const struct hg_pass *pass, enum hg_level level)
{
    return pass->count == 0 || (level == HG_LEVEL_LANE && pass->rows_only);
}

/* Lanes of scratch addresses count from the block's first. */
static uint64_t first_lane(const struct hg_pass *pass, const struct access *access)
{
    bool scratch = access->step->insn.u.addr.slot == HG_OPERAND_SCRATCH;
    return scratch ? pass->first - pass->span.start : pass->first;
}

/* ---- computed addresses ---------------------------------------------------------------------- */

/* Adds the lane term, in bytes, to the offsets. */
static void add_lane_term(const struct hg_pass *pass, const struct access *access,
                          uint64_t *offsets)
{
    uint64_t row = pass->first_row;
    uint64_t col = pass->first_col;
    for (uint64_t i = 0; i < pass->count; i++) {
        uint64_t lane = pass->first + i;
        uint64_t term = access->lane == HG_LANE_ROW   ? row
                        : access->lane == HG_LANE_MOD ? lane % access->factor
                                                      : lane / access->factor;
        offsets[i] += term * access->width;
        if (pass->rows_only || ++col >= pass->run->cut.cols) {
            col = 0;
            row++;
        }
    }
}

/* Writes the byte offset of every element down and checks it; false if none is left. */
static bool compute_offsets(struct hg_pass *pass, const struct access *access)
{
    uint64_t *offsets = pass->workspace->offsets;
    const struct hg_addr *addr = &access->step->insn.u.addr;
    const uint64_t *registers = hg_pass_elements(pass, access->step->offset, sizeof(uint64_t));
    uint64_t step = 0;
    uint64_t start = (uint64_t)addr->offset;
    if (access->lane == HG_LANE_STRIDE) {
        step = access->factor * access->width;
        start += pass->first * step;
    }
    pass->kernels->offsets(offsets, registers, start, step, pass->count);
    if (access->lane > HG_LANE_STRIDE) {
        add_lane_term(pass, access, offsets);
    }
    uint64_t inside = 0;
    if (access->bytes >= access->width) {
        inside = pass->kernels->first_above(offsets, access->bytes - access->width, pass->count);
    }
    if (inside < pass->count) {
        fail_bounds(pass, access, inside, offsets[inside]);
    }
    return !pass->failed;
}

/* The offset that all elements share; false if it is outside. */
static bool uniform_offset(struct hg_pass *pass, const struct access *access, uint64_t *offset)
{
    *offset = (uint64_t)access->step->insn.u.addr.offset;
    if (!access->computed) {
        return true;
    }
    *offset += pass->values[access->step->offset].bits;
    if (access->bytes < access->width || *offset > access->bytes - access->width) {
        fail_bounds(pass, access, 0, *offset);
        return false;
    }
    return true;
}

/* ---- loads ----------------------------------------------------------------------------------- */

/* Elements that repeat in runs of FACTOR lanes: element first / factor and on. */
static void load_runs(const struct hg_pass *pass, const struct access *access, const uint8_t *src,
                      uint8_t *dst)
{
    hg_kernel_fill *fill = pass->kernels->fill[hg_log2_bytes(access->width)];
    uint64_t lane = first_lane(pass, access);
    uint64_t index = lane / access->factor;
    uint64_t run_left = access->factor - lane % access->factor;
    for (uint64_t left = pass->count; left > 0; run_left = access->factor) {
        uint64_t count = run_left < left ? run_left : left;
        uint64_t bits = 0;
        memcpy(&bits, src + index * access->width, access->width);
        fill(dst, bits, count);
        dst += count * access->width;
        left -= count;
        index++;
    }
}

/* The first FACTOR elements, over and over. */
static void load_periods(const struct hg_pass *pass, const struct access *access,
                         const uint8_t *src, uint8_t *dst)
{
    uint64_t index = first_lane(pass, access) % access->factor;
    for (uint64_t left = pass->count; left > 0; index = 0) {
        uint64_t run_left = access->factor - index;
        uint64_t count = run_left < left ? run_left : left;
        memcpy(dst, src + index * access->width, count * access->width);
        dst += count * access->width;
        left -= count;
    }
}

/* Addresses in a line, checked at bind. */
static void load_line(struct hg_pass *pass, const struct access *access)
{
    const struct hg_step *step = access->step;
    const uint8_t *src = access->base + step->insn.u.addr.offset;
    uint32_t width = access->width;
    if (access->lane == HG_LANE_STRIDE) {
        src += first_lane(pass, access) * access->factor * width;
        if ((step->flags & HG_STEP_IN_PLACE) != 0) {
            hg_pass_set_elements(pass, step->dst, HG_LEVEL_LANE, width, src);
            return;
        }
    }
    uint8_t *dst = hg_pass_tile(pass, step->dst, access->level, width);
    switch (access->lane) {
    case HG_LANE_STRIDE:
        if (access->factor == 1) {
            memcpy(dst, src, pass->count * width);
        } else {
            pass->kernels->load_stride[hg_log2_bytes(width)](dst, src, access->factor, pass->count);
        }
        break;
    case HG_LANE_MOD:
        load_periods(pass, access, src, dst);
        break;
    case HG_LANE_DIV:
        load_runs(pass, access, src, dst);
        break;
    default: /* ROW */
        hg_pass_spread_rows(pass, dst, src + pass->first_row * width, width);
        break;
    }
}

void hg_pass_load(struct hg_pass *pass, uint32_t pc)
{
    struct access access = describe(pass, pc);
    uint16_t place = access.step->dst;
    if (access.level == HG_LEVEL_LAUNCH) {
        uint64_t offset;
        uint64_t bits = 0;
        if (uniform_offset(pass, &access, &offset)) {
            memcpy(&bits, access.base + offset, access.width);
            hg_pass_set_uniform(pass, place, bits);
        }
    } else if (is_empty(pass, access.level)) {
        hg_pass_tile(pass, place, access.level, access.width);
    } else if (!access.computed) {
        load_line(pass, &access);
    } else if (compute_offsets(pass, &access)) {
        void *dst = hg_pass_tile(pass, place, access.level, access.width);
        pass->kernels->gather[hg_log2_bytes(access.width)](dst, access.base,
                                                           pass->workspace->offsets, pass->count);
    }
}

/* ---- stores ---------------------------------------------------------------------------------- */

void *hg_pass_destination(const struct hg_pass *pass, uint32_t pc)
{
    const struct hg_step *step = &pass->run->code.steps[pc];
    return pass->run->base[step->insn.u.addr.slot] + step->insn.u.addr.offset +
           pass->first * step->bytes;
}

/* Which lanes store where several share an address: the first STEP-th of each. */
struct stored {
    uint64_t first; /* element */
    uint64_t step;
    uint64_t end;
};

static struct stored stored_elements(const struct hg_pass *pass, const struct access *access,
                                     enum hg_level level)
{
    struct stored stored = {0, 1, pass->count};
    uint64_t step = 1;
    if (level == HG_LEVEL_ROW && !pass->rows_only) {
        step = pass->run->cut.cols;
    } else if (access->lane == HG_LANE_DIV) {
        step = access->factor;
    } else if (access->lane == HG_LANE_MOD) {
        uint64_t left = pass->first < access->factor ? access->factor - pass->first : 0;
        stored.end = left < stored.end ? left : stored.end;
    }
    stored.step = step;
    stored.first = pass->rows_only ? 0 : (step - pass->first % step) % step;
    return stored;
}

static void store_line(struct hg_pass *pass, const struct access *access, enum hg_level level,
                       const uint8_t *elements)
{
    uint8_t *dst = access->base + access->step->insn.u.addr.offset;
    uint32_t width = access->width;
    uint64_t lane = first_lane(pass, access);
    if (access->lane == HG_LANE_STRIDE) {
        dst += lane * access->factor * width;
        if (access->factor != 1) {
            pass->kernels->store_stride[hg_log2_bytes(width)](dst, elements, access->factor,
                                                              pass->count);
        } else if (dst != elements) {
            memcpy(dst, elements, pass->count * width);
        }
        return;
    }
    struct stored stored = stored_elements(pass, access, level);
    for (uint64_t i = stored.first; i < stored.end; i += stored.step) {
        uint64_t index = access->lane == HG_LANE_MOD   ? (lane + i) % access->factor
                         : access->lane == HG_LANE_DIV ? (lane + i) / access->factor
                         : pass->rows_only             ? pass->first + i
                                                       : (lane + i) / pass->run->cut.cols;
        memcpy(dst + index * width, elements + i * width, width);
    }
}

static void store_computed(struct hg_pass *pass, const struct access *access, enum hg_level level,
                           const uint8_t *elements)
{
    if (!compute_offsets(pass, access)) {
        return;
    }
    const uint64_t *offsets = pass->workspace->offsets;
    struct stored stored = stored_elements(pass, access, level);
    if (stored.first == 0 && stored.step == 1) {
        pass->kernels->scatter[hg_log2_bytes(access->width)](access->base, offsets, elements,
                                                             stored.end);
        return;
    }
    for (uint64_t i = stored.first; i < stored.end; i += stored.step) {
        memcpy(access->base + offsets[i], elements + i * access->width, access->width);
    }
}

/* What is the same for all lanes is stored once: in a launch, or in a block's own memory. */
static void store_uniform(struct hg_pass *pass, const struct access *access, uint64_t bits)
{
    uint64_t offset;
    bool own = access->step->insn.u.addr.slot == HG_OPERAND_SCRATCH;
    if (uniform_offset(pass, access, &offset) && (pass->owner || own)) {
        memcpy(access->base + offset, &bits, access->width);
    }
}

void hg_pass_store(struct hg_pass *pass, uint32_t pc)
{
    struct access access = describe(pass, pc);
    struct hg_value *value = &pass->values[access.step->a];
    enum hg_level level = access.level > value->level ? access.level : (enum hg_level)value->level;
    if (level == HG_LEVEL_LAUNCH) {
        store_uniform(pass, &access, value->bits);
        return;
    }
    if (is_empty(pass, level)) {
        return;
    }
    if (value->level == HG_LEVEL_LAUNCH && !access.computed && access.lane == HG_LANE_STRIDE &&
        access.factor == 1) {
        pass->kernels->fill[hg_log2_bytes(access.width)](
            access.base + access.step->insn.u.addr.offset +
                first_lane(pass, &access) * access.width,
            value->bits, pass->count);
        return;
    }
    const uint8_t *elements = hg_pass_elements(pass, access.step->a, access.width);
    if (access.computed) {
        store_computed(pass, &access, level, elements);
    } else {
        store_line(pass, &access, level, elements);
    }
}
