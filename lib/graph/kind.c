/* SPDX-License-Identifier: Apache-2.0 */
/* The table of what a node can be. */
#include <string.h>

#include "lib/base/check.h"
#include "lib/graph/graph.h"

/* As nodes.def calls the attributes. */
enum {
    NONE = HG_GRAPH_NONE,
    TYPE = HG_GRAPH_TYPE,
    VALUE = HG_GRAPH_VALUE,
    SHAPE = HG_GRAPH_SHAPE,
    AXES = HG_GRAPH_AXES,
    AXIS = HG_GRAPH_AXIS,
    KEEPDIMS = HG_GRAPH_KEEPDIMS,
    EPS = HG_GRAPH_EPS,
    TEMPERATURE = HG_GRAPH_TEMPERATURE
};

static const struct hg_graph_kind_info kinds[HG_GRAPH_KIND_COUNT] = {
#define HG_NODE(id, name, least, most, class, attributes, summary)                                 \
    {name, least, most, HG_GRAPH_##class, (uint32_t)(attributes), summary},
#include "lib/graph/nodes.def"
#undef HG_NODE
};

const struct hg_graph_kind_info *hg_graph_kind_info(enum hg_graph_kind kind)
{
    HG_REQUIRE(kind < HG_GRAPH_KIND_COUNT);
    return &kinds[kind];
}

enum hg_graph_kind hg_graph_kind_find(const char *name, size_t length)
{
    for (unsigned i = 0; i < HG_GRAPH_KIND_COUNT; i++) {
        if (strlen(kinds[i].name) == length && memcmp(kinds[i].name, name, length) == 0) {
            return (enum hg_graph_kind)i;
        }
    }
    return HG_GRAPH_KIND_COUNT;
}
