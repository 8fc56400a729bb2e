/* SPDX-License-Identifier: Apache-2.0 */
/* The code object: its header, and behind it what is known of the regions. */
#include <string.h>

#include "lib/native/compiler.h"

size_t hg_compiler_code_size(const struct hg_compiler *compiler)
{
    size_t size = sizeof(struct hg_native_code) +
                  (compiler->has_mma ? sizeof(struct hg_native_mma) : 0) +
                  compiler->region_count * sizeof(struct hg_native_region) +
                  compiler->access_count * sizeof(struct hg_native_access);
    for (uint32_t i = 0; i < compiler->region_count; i++) {
        const struct hg_emit_region *region = &compiler->regions[i];
        unsigned values = region->input_count + region->output_count;
        size += region->reduce_count * sizeof(struct hg_native_reduce) +
                values * sizeof(struct hg_native_value);
    }
    return size;
}

void hg_compiler_pack(const struct hg_compiler *compiler, struct hg_native_code *code)
{
    unsigned reduces = 0;
    unsigned values = 0;
    for (uint32_t i = 0; i < compiler->region_count; i++) {
        reduces += compiler->regions[i].reduce_count;
    }
    code->region_count = (uint8_t)compiler->region_count;
    code->access_count = compiler->access_count;
    code->reduce_count = (uint8_t)reduces;
    uint8_t *access = (uint8_t *)(code->regions + compiler->region_count);
    code->has_mma = compiler->has_mma;
    if (code->has_mma) {
        memcpy(access, &compiler->mma, sizeof compiler->mma);
        access += sizeof compiler->mma;
    }
    uint8_t *reduce = access + compiler->access_count * sizeof *compiler->accesses;
    uint8_t *value = reduce + reduces * sizeof(struct hg_native_reduce);
    memcpy(access, compiler->accesses, (size_t)(reduce - access));
    reduces = 0;
    for (uint32_t i = 0; i < compiler->region_count; i++) {
        const struct hg_emit_region *from = &compiler->regions[i];
        struct hg_native_region *to = &code->regions[i];
        *to = (struct hg_native_region){.start = (uint16_t)compiler->extents[i].first,
                                        .fuel = from->fuel,
                                        .first_value = (uint16_t)values,
                                        .first_reduce = (uint8_t)reduces,
                                        .reduce_count = from->reduce_count,
                                        .input_count = from->input_count,
                                        .output_count = from->output_count,
                                        .has_lanes = from->has_lanes,
                                        .by_row = from->by_row,
                                        .can_fail = from->can_fail,
                                        .hops = from->hops,
                                        .product = from->product,
                                        .rows = from->rows,
                                        .cols = from->cols};
        if (compiler->offsets[i] != SIZE_MAX) {
            void *entry = (uint8_t *)code->text + compiler->offsets[i];
            memcpy(&to->run, &entry, sizeof entry); /* C has no cast for this */
        }
        memcpy(reduce + reduces * sizeof *from->reduces, from->reduces,
               from->reduce_count * sizeof *from->reduces);
        memcpy(value + values * sizeof *from->inputs, from->inputs,
               from->input_count * sizeof *from->inputs);
        values += from->input_count;
        memcpy(value + values * sizeof *from->outputs, from->outputs,
               from->output_count * sizeof *from->outputs);
        values += from->output_count;
        reduces += from->reduce_count;
    }
}
