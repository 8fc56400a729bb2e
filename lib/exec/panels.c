/* SPDX-License-Identifier: Apache-2.0 */
/* Packs the right operand of products. */
#include "lib/exec/panels.h"

#include <string.h>

#include "lib/base/check.h"
#include "lib/exec/kernels.h"

/* Packing reads short pieces far apart, which the CPU does not foresee. */
#define PREFETCHED_TERMS 10u

/* Elements that are widened at a time. */
#define PIECE 256u

bool hg_panels_same(const struct hg_panels_shape *a, const struct hg_panels_shape *b)
{
    return a->type == b->type && a->slot == b->slot && a->trans == b->trans &&
           a->terms == b->terms && a->cols == b->cols && a->step == b->step && a->width == b->width;
}

/* ---- sizes ----------------------------------------------------------------------------------- */

static uint32_t cell_bytes(const struct hg_panels_shape *shape)
{
    return shape->type == HG_F64 ? 8 : 4;
}

/* Cells of a column: pairs are complete. */
static uint64_t cells(const struct hg_panels_shape *shape)
{
    return shape->terms + (shape->type == HG_BF16 ? shape->terms % 2 : 0);
}

uint64_t hg_panel_bytes(const struct hg_panels_shape *shape)
{
    uint64_t bytes;
    return hg_mul_u64(cells(shape), shape->width * cell_bytes(shape), &bytes) ? bytes : UINT64_MAX;
}

uint64_t hg_panels_bytes(const struct hg_panels_shape *shape)
{
    uint64_t count = shape->cols / shape->width + (shape->cols % shape->width != 0);
    uint64_t bytes;
    return hg_mul_u64(hg_panel_bytes(shape), count, &bytes) ? bytes : UINT64_MAX;
}

uint64_t hg_panels_extent(const struct hg_panels_shape *shape)
{
    uint64_t lines = shape->trans ? shape->cols : shape->terms;
    uint64_t line = shape->trans ? shape->terms : shape->cols;
    uint64_t end;
    if (lines == 0 || line == 0) {
        return 0;
    }
    bool fits = hg_mul_u64(lines - 1, shape->step, &end) && hg_add_u64(end, line, &end) &&
                hg_mul_u64(end, hg_dtype_bytes(shape->type), &end);
    return fits ? end : UINT64_MAX;
}

/* ---- packing --------------------------------------------------------------------------------- */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* COUNT columns of a term, of which FROM is the first. */
static void read_term(const struct hg_panels_shape *shape, const struct hg_kernels *kernels,
                      const uint8_t *from, uint64_t count, uint8_t *line)
{
    uint32_t bytes = hg_dtype_bytes(shape->type);
    uint64_t apart = shape->trans ? shape->step : 1;
    if (!hg_dtype_in(shape->type, HG_DT_HALF)) {
        if (apart == 1) {
            memcpy(line, from, count * bytes);
        } else {
            kernels->load_stride[hg_log2_bytes(bytes)](line, from, apart, count);
        }
        return;
    }
    uint16_t piece[PIECE];
    for (uint64_t done = 0; done < count; done += PIECE) {
        uint64_t some = least(count - done, PIECE);
        const uint8_t *source = from + done * apart * bytes;
        if (apart != 1) {
            kernels->load_stride[1](piece, source, apart, some);
            source = (const uint8_t *)piece;
        }
        kernels->convert[0][HG_F32][shape->type](line + done * sizeof(float), source, some);
    }
}

/* The panel of COUNT columns from COL on. */
static void pack_panel(const struct hg_panels_shape *shape, const struct hg_kernels *kernels,
                       const uint8_t *operand, uint64_t col, uint64_t count, uint8_t *panel)
{
    uint32_t bytes = hg_dtype_bytes(shape->type);
    uint64_t line_bytes = shape->width * cell_bytes(shape);
    uint64_t used_bytes = count * cell_bytes(shape);
    uint64_t term_step = (shape->trans ? 1 : shape->step) * bytes;
    bool pairs = shape->type == HG_BF16;
    const uint8_t *from = operand + col * (shape->trans ? shape->step : 1) * bytes;
    if (pairs && shape->terms % 2 != 0) {
        memset(panel + (shape->terms - 1) * line_bytes, 0, line_bytes);
    }
    for (uint64_t term = 0; term < shape->terms; term++) {
        const uint8_t *ahead = from + PREFETCHED_TERMS * term_step;
        __builtin_prefetch(ahead);
        __builtin_prefetch(ahead + 64);
        uint8_t *line = panel + (pairs ? term ^ 1 : term) * line_bytes;
        read_term(shape, kernels, from, count, line);
        memset(line + used_bytes, 0, line_bytes - used_bytes);
        from += term_step;
    }
}

void hg_panels_pack_some(const struct hg_panels_shape *shape, const void *operand, uint64_t first,
                         uint64_t count, uint8_t *data)
{
    const struct hg_kernels *kernels = hg_kernels_now();
    uint64_t bytes = hg_panel_bytes(shape);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t col = (first + i) * shape->width;
        HG_REQUIRE(col < shape->cols);
        pack_panel(shape, kernels, operand, col, least(shape->width, shape->cols - col),
                   data + i * bytes);
    }
}

void hg_panels_pack(const struct hg_panels_shape *shape, const void *operand, uint8_t *data)
{
    uint64_t count = shape->cols / shape->width + (shape->cols % shape->width != 0);
    hg_panels_pack_some(shape, operand, 0, count, data);
}
