/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The language of graphs: NumPy's expressions.
 *
 *     x: f32[n, 784]                       # optional: what an input must be
 *     h = relu(x @ w1 + b1)                # statements end with the line or `;`
 *     y = softmax(h @ w2 + b2, axis=-1)
 *     return y                             # optional: which names are results
 *
 * Names that nothing was assigned to are inputs. Without `return` the results are the names whose
 * value nothing reads; a last expression without a name is the result `result`. Operators and
 * their precedence are Python's: ** , unary - ~ +, * / @, + -, << >>, &, ^, |, and one comparison.
 * `.T`, `.astype(f16)`, `.reshape(2, -1)` and every other function of nodes.def as a method. Inside
 * brackets lines run on. A # starts a comment.
 *
 * Threads: values.
 */
#ifndef HG_LIB_GRAPH_LANGUAGE_H
#define HG_LIB_GRAPH_LANGUAGE_H

#include "lib/graph/graph.h"

#define HG_LANGUAGE_TEXT_MAX  (64u << 10)
#define HG_LANGUAGE_DEPTH_MAX 64 /* brackets and operators inside each other */

/*
 * Parses TEXT (LENGTH bytes) into a graph that the caller destroys. Errors: HG_INVALID_ARGUMENT,
 * "line L, column C: …" (columns count characters from 1); HG_RESOURCE_EXHAUSTED.
 */
HG_MUST_CHECK enum hg_status hg_language_parse(const char *text, size_t length,
                                               struct hg_graph **graph, struct hg_error *error);

#endif
