/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The graphs that the engine knows, by content. One that somebody refers to (an id of a session, a
 * name, a request at hand) stays; the others are kept as long as there is room, and those that were
 * not used for longest go first. So do plans, of any graph: they can be made again.
 *
 *     text ──hash──► alias ─┐
 *                           ├─► known graph ─► plans, last used first
 *     nodes, text ─digest───┘
 *
 * Threads: any. One lock (HG_RANK_GRAPHS) guards the table and everything in it but what never
 * changes: a known graph's nodes, a plan.
 */
#ifndef HG_LIB_ENGINE_GRAPH_TABLE_H
#define HG_LIB_ENGINE_GRAPH_TABLE_H

#include "lib/base/mutex.h"
#include "lib/engine/graph_plan.h"
#include "lib/engine/graphs.h"
#include "lib/engine/sha256.h"

#define HG_GRAPH_BUCKETS     1024u
#define HG_GRAPH_PLANS_MAX   8u
#define HG_GRAPH_ALIASES_MAX 4u

struct hg_known_graph;

/* A text that was parsed into a graph, so that it need not be again. */
struct hg_graph_alias {
    struct hg_graph_alias *next; /* in its bucket */
    struct hg_known_graph *known;
    uint64_t hash;
    size_t length;
    char text[];
};

struct hg_known_graph {
    /* These never change. */
    struct hg_graph *graph;
    uint8_t digest[HG_SHA256_BYTES];
    uint32_t input_count;
    uint32_t *inputs; /* their nodes */

    uint32_t references;                  /* pins among them */
    uint32_t pins;                        /* ids of sessions and names */
    struct hg_known_graph *next;          /* in its bucket */
    struct hg_known_graph *newer, *older; /* by last use */
    struct hg_ready_plan *plans[HG_GRAPH_PLANS_MAX];
    uint32_t plan_count;
    uint32_t alias_turn; /* which alias is replaced next */
    struct hg_graph_alias *aliases[HG_GRAPH_ALIASES_MAX];
    uint64_t bytes; /* without plans */
};

struct hg_graph_table {
    struct hg_mutex lock;
    uint64_t seed; /* random, set by the engine: nobody can make many texts meet */
    uint32_t graphs_max;
    uint64_t bytes_max;
    struct hg_known_graph *newest, *oldest;
    uint64_t pinned_bytes;
    struct hg_graph_stats stats;
    struct hg_known_graph *by_digest[HG_GRAPH_BUCKETS];
    struct hg_graph_alias *by_text[HG_GRAPH_BUCKETS];
};

void hg_graph_table_init(struct hg_graph_table *table, uint32_t graphs_max, uint64_t bytes_max);
/* Nobody refers to a graph any more. */
void hg_graph_table_fini(struct hg_graph_table *table);

/* Finds or makes SOURCE's graph and gives a reference. Errors: INVALID_ARGUMENT,
 * RESOURCE_EXHAUSTED.
 */
HG_MUST_CHECK enum hg_status hg_graph_table_open(struct hg_graph_table *table,
                                                 const struct hg_graph_source *source,
                                                 struct hg_known_graph **known,
                                                 struct hg_error *error);
/* A reference to a text's graph if it is known, else NULL. */
struct hg_known_graph *hg_graph_table_find(struct hg_graph_table *table, const char *text,
                                           size_t length);
/* Another reference to KNOWN, which the caller has one to. */
void hg_graph_table_ref(struct hg_graph_table *table, struct hg_known_graph *known);
/* NULLs *KNOWN (may be NULL). */
void hg_graph_table_unref(struct hg_graph_table *table, struct hg_known_graph **known);

/* Another reference for as long as an id or a name is there. What is pinned may fill half of the
 * table, so that there is room for what comes and goes: RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_graph_table_pin(struct hg_graph_table *table,
                                                struct hg_known_graph *known,
                                                struct hg_error *error);
/* NULLs *KNOWN. */
void hg_graph_table_unpin(struct hg_graph_table *table, struct hg_known_graph **known);

/* A reference to KNOWN's plan for WANTED, or NULL. Counts as a use. */
struct hg_ready_plan *hg_graph_table_plan(struct hg_graph_table *table,
                                          struct hg_known_graph *known,
                                          const struct hg_graph_wanted *wanted);
/* A plan was used again without being looked for, of the graph of this digest: counts as a hit, and
 * as a use of the graph if it is still there. */
void hg_graph_table_hit(struct hg_graph_table *table, const uint8_t digest[HG_SHA256_BYTES]);
/* Keeps a plan, which took NS to make, with KNOWN if there is room. */
void hg_graph_table_keep(struct hg_graph_table *table, struct hg_known_graph *known,
                         struct hg_ready_plan *plan, uint64_t ns);

/* A graph of SOURCE that is nobody's yet. Errors: INVALID_ARGUMENT, RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_graph_of_source(const struct hg_graph_source *source,
                                                struct hg_graph **graph, struct hg_error *error);
/* graph_known.c: a graph that is in no table yet; takes GRAPH, also on error. RESOURCE_EXHAUSTED.
 */
HG_MUST_CHECK enum hg_status hg_known_graph_create(struct hg_graph *graph,
                                                   struct hg_known_graph **known,
                                                   struct hg_error *error);
/* One that is in no table. */
void hg_known_graph_destroy(struct hg_known_graph *known);
void hg_known_graph_facts(const struct hg_known_graph *known, struct hg_graph_facts *facts);

#endif
