/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/exec/classes.h"

#include "lib/isa/limits.h"

/* What flipping e1, e2, e3 and e6 is worth; e7 is worth 3 and has no edge. */
static const uint8_t flips[] = {48, 24, 12, 6};

uint8_t hg_class_mirror(uint8_t class_index)
{
    if (class_index >= HG_CLASS_COUNT) {
        return HG_NO_CLASS;
    }
    return (uint8_t)(class_index / 6 * 6 + (class_index % 6 + 3) % 6);
}

bool hg_class_is_unity(uint8_t class_index)
{
    return class_index == 1 || class_index == 4;
}

uint32_t hg_class_degree(uint8_t class_index)
{
    if (class_index >= HG_CLASS_COUNT) {
        return 0;
    }
    /* d = 0 has two neighbours in its line, the ends have one. */
    return class_index % 3 == 1 ? 6 : 5;
}

static bool is_edge(uint8_t a, uint8_t b)
{
    uint8_t low = a < b ? a : b;
    uint8_t high = a < b ? b : a;
    for (unsigned i = 0; i < sizeof flips; i++) {
        if (high - low == flips[i] && low / flips[i] % 2 == 0) {
            return true;
        }
    }
    return high - low == 1 && low / 3 == high / 3;
}

uint8_t hg_class_neighbour(uint8_t class_index, uint32_t index)
{
    if (index >= hg_class_degree(class_index)) {
        return HG_NO_CLASS;
    }
    uint32_t rank = 0;
    for (uint8_t other = 0; other < HG_CLASS_COUNT; other++) {
        if (is_edge(class_index, other) && rank++ == index) {
            return other;
        }
    }
    return HG_NO_CLASS;
}

uint64_t hg_class_offset(uint8_t class_index, uint32_t page, uint32_t byte)
{
    return (uint64_t)class_index * HG_CLASS_BYTES + (uint64_t)page * HG_PAGE_BYTES + byte;
}
