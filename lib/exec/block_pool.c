/* SPDX-License-Identifier: Apache-2.0 */
/* POOL and class arithmetic: rare, so one element after the other. */
#include <string.h>

#include "lib/base/check.h"
#include "lib/exec/block.h"
#include "lib/exec/classes.h"
#include "lib/exec/memory.h"

/* ---- POOL ------------------------------------------------------------------------------------ */

static void fail_at(struct hg_pass *pass, uint32_t pc, uint64_t element, uint64_t offset)
{
    hg_run_fail_bounds(pass->run, hg_pass_lane(pass, element), pc, offset);
    hg_pass_cut(pass, element);
}

static void pool_alloc(struct hg_pass *pass, uint32_t pc)
{
    const struct hg_step *step = &pass->run->code.steps[pc];
    uint64_t handle;
    uint64_t bytes = pass->values[step->a].bits;
    if (hg_block_pool_alloc(pass->memory, bytes, &handle) != HG_OK) {
        hg_run_fail(pass->run, hg_pass_lane(pass, 0), pc, HG_RESOURCE_EXHAUSTED, NULL,
                    "no pool memory for %llu bytes: a block has %d bytes and %d handles",
                    (unsigned long long)bytes, HG_POOL_BYTES_MAX, HG_POOL_HANDLES_MAX);
        hg_pass_cut(pass, 0);
        return;
    }
    hg_pass_set_uniform(pass, step->dst, handle);
}

/* Offsets of POOL.LOAD and POOL.STORE: of all elements, checked; true if any are left. */
static bool pool_offsets(struct hg_pass *pass, uint32_t pc, uint64_t bytes,
                         const uint64_t **offsets)
{
    const struct hg_step *step = &pass->run->code.steps[pc];
    *offsets = hg_pass_elements(pass, step->b, sizeof(uint64_t));
    uint64_t inside = 0;
    if (bytes >= step->bytes) {
        inside = pass->kernels->first_above(*offsets, bytes - step->bytes, pass->count);
    }
    if (inside < pass->count) {
        fail_at(pass, pc, inside, (*offsets)[inside]);
    }
    return !pass->failed;
}

static void pool_load(struct hg_pass *pass, uint32_t pc, const uint8_t *base, uint64_t bytes)
{
    const struct hg_step *step = &pass->run->code.steps[pc];
    const struct hg_value *offset = &pass->values[step->b];
    enum hg_level level = (enum hg_level)offset->level;
    const uint64_t *offsets;
    if (level == HG_LEVEL_LAUNCH) {
        uint64_t bits = 0;
        if (bytes < step->bytes || offset->bits > bytes - step->bytes) {
            fail_at(pass, pc, 0, offset->bits);
            return;
        }
        memcpy(&bits, base + offset->bits, step->bytes);
        hg_pass_set_uniform(pass, step->dst, bits);
    } else if (level == HG_LEVEL_LANE && pass->rows_only) {
        hg_pass_tile(pass, step->dst, level, step->bytes);
    } else if (pool_offsets(pass, pc, bytes, &offsets)) {
        /* The destination may be the register of the offsets. */
        memcpy(pass->workspace->offsets, offsets, pass->count * sizeof *offsets);
        void *dst = hg_pass_tile(pass, step->dst, level, step->bytes);
        pass->kernels->gather[hg_log2_bytes(step->bytes)](dst, base, pass->workspace->offsets,
                                                          pass->count);
    }
}

static void pool_store(struct hg_pass *pass, uint32_t pc, uint8_t *base, uint64_t bytes)
{
    const struct hg_step *step = &pass->run->code.steps[pc];
    const struct hg_value *offset = &pass->values[step->b];
    const uint64_t *offsets;
    if (offset->level == HG_LEVEL_LAUNCH) {
        if (bytes < step->bytes || offset->bits > bytes - step->bytes) {
            fail_at(pass, pc, 0, offset->bits);
            return;
        }
        memcpy(base + offset->bits, &pass->values[step->c].bits, step->bytes);
    } else if (!(offset->level == HG_LEVEL_LANE && pass->rows_only) &&
               pool_offsets(pass, pc, bytes, &offsets)) {
        const void *elements = hg_pass_elements(pass, step->c, step->bytes);
        pass->kernels->scatter[hg_log2_bytes(step->bytes)](base, offsets, elements, pass->count);
    }
}

void hg_pass_pool(struct hg_pass *pass, uint32_t pc)
{
    const struct hg_step *step = &pass->run->code.steps[pc];
    uint64_t handle = pass->values[step->a].bits;
    uint8_t *base;
    uint64_t bytes;
    if (step->insn.op == HG_OP_POOL_ALLOC) {
        pool_alloc(pass, pc);
    } else if (!hg_block_pool_find(pass->memory, handle, &base, &bytes)) {
        hg_run_fail(pass->run, hg_pass_lane(pass, 0), pc, HG_OUT_OF_RANGE, HG_DETAIL_OUT_OF_BOUNDS,
                    "no pool memory has handle %llu", (unsigned long long)handle);
        hg_pass_cut(pass, 0);
    } else if (step->insn.op == HG_OP_POOL_FREE) {
        (void)!hg_block_pool_free(pass->memory, handle);
    } else if (step->insn.op == HG_OP_POOL_LOAD) {
        pool_load(pass, pc, base, bytes);
    } else {
        pool_store(pass, pc, base, bytes);
    }
}

/* ---- class arithmetic ------------------------------------------------------------------------ */

/* The result for one element, from its sources' bits. */
static uint64_t class_result(const struct hg_pass *pass, uint8_t op, const uint64_t source[3])
{
    uint8_t class_index = (uint8_t)source[0];
    switch (op) {
    case HG_OP_CLS_GET: {
        int first = pass->run->launch.first_class;
        return first >= 0 ? (uint64_t)first : 0;
    }
    case HG_OP_MIRROR:
        return hg_class_mirror(class_index);
    case HG_OP_UNITY_TEST:
        return hg_class_is_unity(class_index);
    case HG_OP_NBR_COUNT:
        return hg_class_degree(class_index);
    case HG_OP_NBR_GET:
        return hg_class_neighbour(class_index, (uint32_t)source[1]);
    case HG_OP_PHASE_GET:
        return pass->phase;
    default: /* BOUND.MAP */
        return hg_class_offset(class_index, (uint32_t)source[1], (uint32_t)source[2]);
    }
}

/* The sources of all elements side by side, and the results where the last of them are no longer
 * needed. */
static void class_elements(struct hg_pass *pass, const struct hg_step *step,
                           const struct hg_insn_uses *uses, uint32_t dst_bytes)
{
    const uint16_t places[3] = {step->a, step->b, step->c};
    const uint8_t *sources[3];
    uint32_t widths[3];
    enum hg_level level = HG_LEVEL_LAUNCH;
    HG_REQUIRE(uses->read_count <= HG_ARRAY_COUNT(places));
    for (unsigned i = 0; i < uses->read_count; i++) {
        enum hg_level other = (enum hg_level)pass->values[places[i]].level;
        level = other > level ? other : level;
        widths[i] = hg_dtype_bytes((enum hg_dtype)uses->reads[i].type);
    }
    uint64_t source[3] = {0, 0, 0};
    if (level == HG_LEVEL_LAUNCH) {
        for (unsigned i = 0; i < uses->read_count; i++) {
            source[i] = pass->values[places[i]].bits;
        }
        hg_pass_set_uniform(pass, step->dst, class_result(pass, step->insn.op, source));
        return;
    }
    if (level == HG_LEVEL_LANE && pass->rows_only) {
        hg_pass_tile(pass, step->dst, level, dst_bytes);
        return;
    }
    for (unsigned i = 0; i < uses->read_count; i++) {
        sources[i] = hg_pass_elements(pass, places[i], widths[i]);
    }
    uint8_t *results = pass->workspace->temporary[0];
    for (uint64_t e = 0; e < pass->count; e++) {
        for (unsigned i = 0; i < uses->read_count; i++) {
            memcpy(&source[i], sources[i] + e * widths[i], widths[i]);
        }
        uint64_t result = class_result(pass, step->insn.op, source);
        memcpy(results + e * dst_bytes, &result, dst_bytes);
    }
    memcpy(hg_pass_tile(pass, step->dst, level, dst_bytes), results, pass->count * dst_bytes);
}

void hg_pass_class(struct hg_pass *pass, uint32_t pc)
{
    const struct hg_step *step = &pass->run->code.steps[pc];
    if (step->insn.op == HG_OP_PHASE_ADV) {
        uint64_t by = pass->values[step->a].bits;
        pass->phase = (uint32_t)((pass->phase + by) % HG_PHASE_MODULUS);
        return;
    }
    if (step->insn.op == HG_OP_RES_ACCUM) {
        return; /* checked by the verifier, and without effect */
    }
    struct hg_insn_uses uses;
    hg_insn_uses(&step->insn, &uses);
    uint32_t bytes = uses.writes ? hg_dtype_bytes((enum hg_dtype)uses.write.type) : (uint32_t)1;
    class_elements(pass, step, &uses, bytes);
}
