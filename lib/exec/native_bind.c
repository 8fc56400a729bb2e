/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What bind.c and alias.c check, for launches whose addresses are few and lie in lines: whether the
 * program's code can do what the launch asks for, its accesses lie inside their operands and do not
 * conflict. Each launch of a small operation comes through here, so it looks at everything once.
 */
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/exec/native_product.h"

/* Beyond, a deadline or a wish to cancel is looked for on the way. */
#define UNWATCHED_BLOCKS 16

struct range {
    uintptr_t first, end;
};

_Static_assert(HG_NATIVE_ACCESSES <= 64, "a bit for each access");

/* Elements that an access spans, by its lane mode. */
struct spans {
    uint64_t elements[HG_LANE_ROW + 1];
};

/* ---- accesses -------------------------------------------------------------------------------- */

/* The memory of ACCESS, whose operand is a class of the boundary pool; false if the launch may not
 * address that. */
static bool find_class(const struct hg_launch *launch, const struct hg_native_access *access,
                       uint64_t end, struct range *range)
{
    const uint32_t class_index = access->offset / HG_CLASS_BYTES;
    range->first = (uintptr_t)launch->boundary_base + access->offset;
    range->end = (uintptr_t)launch->boundary_base + end;
    return launch->boundary_base != NULL && class_index < HG_CLASS_COUNT &&
           end <= (class_index + 1) * (uint64_t)HG_CLASS_BYTES &&
           (launch->boundary_classes[class_index / 64] >> class_index % 64 & 1u) != 0;
}

/* The memory of ACCESS, as alias.c judges it; false if it is not inside its operand. */
static inline bool find_range(const struct hg_launch *launch, const struct hg_native_access *access,
                              const struct spans *spans, struct range *range)
{
    /* Neither wraps: offsets and lanes are bounded far below 2^60. */
    const uint64_t end = access->offset + spans->elements[access->lane] * access->width;
    if (__builtin_expect(access->slot == HG_NATIVE_BOUNDARY, 0)) {
        return find_class(launch, access, end, range);
    }
    const struct hg_operand *operand = &launch->operands[access->slot];
    range->first = (uintptr_t)operand->base + access->offset;
    range->end = (uintptr_t)operand->base + end;
    return end <= operand->bytes && access->written <= operand->writable;
}

/* The memory of a matrix, which ends at MATRIX_END, and stands for all of its operand. */
static bool find_matrix(const struct hg_launch *launch, const struct hg_native_access *access,
                        uint64_t matrix_end, struct range *range)
{
    const struct hg_operand *operand = &launch->operands[access->slot];
    range->first = (uintptr_t)operand->base;
    range->end = range->first + operand->bytes;
    return matrix_end <= operand->bytes;
}

/* Whether a range that is written, as WRITTEN says bit by bit, overlaps another otherwise than
 * element for element. */
static inline bool conflicts(const struct hg_native_access *accesses, unsigned count,
                             const struct range *ranges, uint64_t written)
{
    for (; written != 0; written &= written - 1) {
        const unsigned i = (unsigned)__builtin_ctzll(written);
        const struct range mine = ranges[i];
        for (unsigned j = 0; j < count; j++) {
            if (mine.first >= ranges[j].end || ranges[j].first >= mine.end) {
                continue;
            }
            if (mine.first != ranges[j].first || mine.end != ranges[j].end ||
                accesses[i].width != accesses[j].width || accesses[i].lane != accesses[j].lane ||
                accesses[j].many) {
                return true;
            }
        }
    }
    return false;
}

/* ---- launches -------------------------------------------------------------------------------- */

/* Nobody wants LAUNCH to end early, or it is short and nobody does so yet. */
static bool is_unwatched(const struct hg_launch *launch)
{
    const uint64_t lanes = UNWATCHED_BLOCKS * (uint64_t)launch->program->facts.block_lanes;
    if (launch->cancelled == NULL && launch->deadline_ns == 0) {
        return true;
    }
    return launch->params[HG_PARAM_N] <= lanes &&
           (launch->cancelled == NULL ||
            !atomic_load_explicit(launch->cancelled, memory_order_relaxed)) &&
           (launch->deadline_ns == 0 || hg_clock_now_ns() < launch->deadline_ns);
}

static inline bool is_plain(const struct hg_launch *launch, const struct hg_native_code *code)
{
    const struct hg_code_facts *facts = &launch->program->facts;
    const uint64_t *params = launch->params;
    const uint64_t n = params[HG_PARAM_N];
    uint64_t product;
    if (!code->direct || n - 1 >= (UINT64_C(1) << 48) - 1 ||
        __builtin_mul_overflow(params[HG_PARAM_ROWS], params[HG_PARAM_COLS], &product) ||
        product != n ||
        launch->operand_count != (uint32_t)facts->slot_count + facts->handle_count) {
        return false;
    }
    if (n > facts->block_lanes && (facts->facts & HG_FACT_TOP_LANES) != 0) {
        return false;
    }
    if (params[HG_PARAM_ROWS] > 1 && code->region_count > 1 && !code->row_by_row) {
        return false;
    }
    const struct hg_native_region *first = &code->regions[0];
    if (first->product == HG_NATIVE_WHOLE &&
        (params[HG_PARAM_ROWS] != first->rows || params[HG_PARAM_COLS] != first->cols ||
         launch->fuel != 0)) {
        return false;
    }
    return is_unwatched(launch);
}

/* ENDS: of the first two accesses, which are matrices; NULL where those say so themselves. */
static inline bool bind_accesses(const struct hg_launch *launch, const struct hg_native_code *code,
                                 const uint64_t ends[2], struct hg_native_frame *frame)
{
    const struct hg_native_access *accesses = hg_native_accesses(code);
    const uint64_t *params = launch->params;
    const uint64_t rows = params[HG_PARAM_ROWS];
    const struct spans spans = {{1, params[HG_PARAM_N], params[HG_PARAM_COLS], rows, rows}};
    struct range ranges[HG_NATIVE_ACCESSES];
    const unsigned count = code->access_count;
    uint64_t written = 0;
    for (unsigned i = 0; i < count; i++) {
        const struct hg_native_access *access = &accesses[i];
        if (access->lane == HG_NATIVE_MATRIX) {
            const uint64_t end = ends != NULL && i < 2 ? ends[i] : access->offset;
            if (!find_matrix(launch, access, end, &ranges[i])) {
                return false;
            }
        } else if (!find_range(launch, access, &spans, &ranges[i])) {
            return false;
        }
        written |= (uint64_t)access->written << i;
        frame->base[access->slot] = __builtin_expect(access->slot == HG_NATIVE_BOUNDARY, 0)
                                        ? launch->boundary_base
                                        : launch->operands[access->slot].base;
    }
    frame->params = params;
    frame->fail_lane = HG_NATIVE_NO_FAILURE;
    return !conflicts(accesses, count, ranges, written);
}

bool hg_native_bind(const struct hg_launch *launch, const struct hg_native_code *code,
                    struct hg_native_frame *frame)
{
    return is_plain(launch, code) && bind_accesses(launch, code, NULL, frame);
}

bool hg_native_bind_product(const struct hg_launch *launch, const struct hg_native_code *code,
                            struct hg_product *product, struct hg_native_frame *frame)
{
    uint64_t ends[2];
    return is_plain(launch, code) && hg_native_size_product(launch, code, product, ends) &&
           bind_accesses(launch, code, ends, frame);
}

void hg_native_start_frame(const struct hg_launch *launch, const struct hg_native_code *code,
                           struct hg_native_frame *frame)
{
    const struct hg_native_access *accesses = hg_native_accesses(code);
    for (unsigned i = 0; i < code->access_count; i++) {
        const unsigned slot = accesses[i].slot;
        frame->base[slot] =
            slot == HG_NATIVE_BOUNDARY ? launch->boundary_base : launch->operands[slot].base;
    }
    frame->params = launch->params;
    frame->fail_lane = HG_NATIVE_NO_FAILURE;
}
