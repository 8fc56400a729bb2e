/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which primitives are computed by which launch, and how; private to lib/graph.
 *
 * A group is one program and one launch over rows x cols lanes. A node is per lane, or per row (the
 * result of a reduction, and what is computed from such results only). Reductions cut a group into
 * segments: a result is there from the segment after on, and a per-lane value of one segment is
 * computed again in a later one if that is cheap, else kept in memory.
 *
 * Groups run in the order of their numbers; a node's inputs are in the same group or in earlier
 * ones.
 *
 * Threads: built by one thread, then read only.
 */
#ifndef HG_LIB_GRAPH_FUSE_H
#define HG_LIB_GRAPH_FUSE_H

#include "lib/graph/access.h"

#define HG_GROUP_NONE UINT32_MAX

enum hg_fusion_rule {
#define HG_FUSION_RULE(id, pattern, guard, result, why) HG_FUSION_RULE_##id,
#include "lib/graph/rules.def"
#undef HG_FUSION_RULE
    HG_FUSION_RULE_COUNT
};
#define HG_FUSION_RULES_ALL ((1u << HG_FUSION_RULE_COUNT) - 1)

struct hg_fusion_rule_info {
    const char *pattern, *guard, *result, *why;
};
const struct hg_fusion_rule_info *hg_fusion_rule_info(enum hg_fusion_rule rule);

enum hg_fused_level { HG_FUSED_LANE, HG_FUSED_ROW };

struct hg_fused_node {
    uint32_t group;     /* HG_GROUP_NONE: a source, a view of one, or nothing needs it */
    uint8_t level;      /* enum hg_fused_level */
    uint8_t rule;       /* by which it joined; HG_FUSION_RULE_COUNT: it started its group */
    uint16_t segment;   /* that computes it */
    uint16_t available; /* from this segment on it may be read */
    bool in_memory;     /* others need it there: an output, another group, a later segment */
    bool needed;
    uint8_t cost; /* of computing it again, saturating */
};

struct hg_group {
    bool product; /* starts with the MATMUL `root` */
    bool decided; /* rows and cols are fixed */
    bool dead;    /* merged into another */
    bool takes;   /* has a TAKE, whose lanes can fail */
    bool reduces; /* has a reduction */
    uint32_t root;
    uint32_t first, last; /* nodes: all of the group's are between */
    uint32_t node_count;  /* a FOLD counts for as many as its parts are, and one */
    uint32_t read_count;  /* of memory, as far as counted: an upper bound */
    uint16_t segments;
    uint64_t lanes, rows, cols;
    const char *reason; /* why it is a group of its own, for people */
};

struct hg_fusion {
    const struct hg_ir *ir;
    uint32_t limit, rules;
    struct hg_fused_node *nodes; /* by node */
    struct hg_group *groups;
    uint32_t group_count;
    uint32_t group_capacity;
};

/* Nodes of a group at most. */
#define HG_FUSION_LIMIT 48

/* Groups the nodes of IR that its outputs need, up to LIMIT in one, by RULES, a set of
 * enum hg_fusion_rule as bits. HG_RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_fuse(const struct hg_ir *ir, uint32_t limit, uint32_t rules,
                                     struct hg_fusion *fusion, struct hg_error *error);
void hg_fusion_fini(struct hg_fusion *fusion);

/* The matrix behind operand INDEX of a MATMUL, and whether it is read transposed. */
uint32_t hg_fusion_operand(const struct hg_ir *ir, const struct hg_ir_node *product, unsigned index,
                           bool *transposed);

/* segment.c: levels, segments and what must be in memory. */
void hg_fusion_assign_segments(struct hg_fusion *fusion);

/* How node USER reads its input I when their shapes broadcast; STRIDED for kinds that read by
 * offsets. */
struct hg_access hg_fusion_access(const struct hg_ir *ir, uint32_t user, unsigned i);

#endif
