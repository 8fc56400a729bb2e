/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans for people: what became one program and why not more, what each program is, what moves.
 *
 * Threads: pure functions of plans, which are only read.
 */
#ifndef HG_LIB_GRAPH_EXPLAIN_H
#define HG_LIB_GRAPH_EXPLAIN_H

#include "lib/graph/plan.h"

/*
 * Writes the explanation of PLAN of GRAPH; SINGLE is the same graph's plan without fusion, for
 * comparison. As snprintf: at most SIZE bytes, the final NUL included; gives the length needed.
 */
size_t hg_graph_explain(const struct hg_graph *graph, const struct hg_graph_plan *plan,
                        const struct hg_graph_plan *single, char *text, size_t size);

/* The same as a picture for graphviz's dot: a cluster per program. */
size_t hg_graph_dot(const struct hg_graph *graph, const struct hg_graph_plan *plan, char *text,
                    size_t size);

#endif
