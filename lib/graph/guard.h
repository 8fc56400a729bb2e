/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guards of rules.def; private to fuse.c and guard.c. They change nothing.
 *
 * Threads: pure functions.
 */
#ifndef HG_LIB_GRAPH_GUARD_H
#define HG_LIB_GRAPH_GUARD_H

#include "lib/graph/fuse.h"

static inline bool hg_ir_is_source(const struct hg_ir *ir, uint32_t index)
{
    uint8_t kind = ir->nodes[index].kind;
    return kind == HG_GRAPH_KIND_INPUT || kind == HG_GRAPH_KIND_LITERAL;
}

static inline bool hg_fusion_has_rule(const struct hg_fusion *fusion, enum hg_fusion_rule rule)
{
    return (fusion->rules >> rule & 1u) != 0;
}

static inline void hg_group_decide(struct hg_group *group, uint64_t rows, uint64_t cols)
{
    group->decided = true;
    group->rows = rows;
    group->cols = cols;
}

/* A reduction's rows and the elements of one. */
void hg_fusion_extent(const struct hg_ir *ir, uint32_t index, uint64_t *rows, uint64_t *cols);
/* Whether a value of GROUP at LEVEL can be read by lanes (or rows) with ACCESS. */
bool hg_fusion_is_readable(const struct hg_group *group, uint8_t level, bool by_lanes,
                           const struct hg_access *access);

struct hg_fusion_choice {
    enum hg_fusion_rule rule;
    enum hg_fused_level level;
    const char *reason; /* against it; NULL: it fits */
};
/* What the rules say about node INDEX in group NUMBER, in their order; the first that fits. */
struct hg_fusion_choice hg_fusion_try(const struct hg_fusion *fusion, uint32_t index,
                                      uint32_t number);
/* Whether A's nodes may become those of B, which runs later, for a node at END that needs both. */
bool hg_fusion_can_merge(const struct hg_fusion *fusion, uint32_t a, uint32_t b, uint32_t end);

#endif
