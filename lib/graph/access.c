/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/graph/access.h"

/* Size of SOURCE's axis that stands at AXIS of TARGET: shapes are aligned at their last axes. */
static uint64_t aligned_size(const struct hg_ir_shape *source, const struct hg_ir_shape *target,
                             unsigned axis)
{
    unsigned missing = (unsigned)(target->rank - source->rank);
    return axis < missing ? 1 : source->size[axis - missing];
}

struct hg_access hg_access_of(const struct hg_ir_shape *source, const struct hg_ir_shape *target)
{
    uint64_t present = 1;  /* product of the axes that the source has */
    uint64_t repeated = 1; /* of those that it repeats along */
    bool repeated_last = false;
    unsigned changes = 0; /* from one to the other, from the first axis on */
    bool first = true;
    for (unsigned i = 0; i < target->rank; i++) {
        if (target->size[i] == 1) {
            continue;
        }
        bool repeats = aligned_size(source, target, i) == 1;
        changes += !first && repeats != repeated_last ? 1 : 0;
        repeated_last = repeats;
        first = false;
        if (repeats) {
            repeated *= target->size[i];
        } else {
            present *= target->size[i];
        }
    }
    if (repeated == 1) {
        return (struct hg_access){HG_ACCESS_LANE, 0};
    }
    if (present == 1) {
        return (struct hg_access){HG_ACCESS_SCALAR, 0};
    }
    if (changes > 1 || present == 0 || repeated == 0) {
        return (struct hg_access){HG_ACCESS_STRIDED, 0};
    }
    return repeated_last ? (struct hg_access){HG_ACCESS_DIV, repeated}
                         : (struct hg_access){HG_ACCESS_MOD, present};
}

void hg_access_strides(const struct hg_ir_shape *source, const struct hg_ir_shape *target,
                       uint64_t strides[HG_GRAPH_RANK_MAX])
{
    uint64_t stride = 1;
    for (unsigned i = target->rank; i-- > 0;) {
        uint64_t size = aligned_size(source, target, i);
        strides[i] = size == 1 ? 0 : stride;
        stride *= size;
    }
}
