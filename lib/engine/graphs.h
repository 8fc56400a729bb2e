/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Graphs in the engine: many operations as one request.
 *
 *     hg_session_load_graph(session, 7, &source, …)      text or nodes, under an id of the client's
 *     hg_session_run_graph(session, &request, task)       with buffers for its inputs and outputs
 *     hg_session_run_graph(… request.graph = 0 …)         both in one: source and buffers
 *
 * Graphs are kept process-wide by content, so the same one from any client is planned once, and
 * programs are shared by their words between all graphs. What nobody refers to is kept as long as
 * there is room. For inputs of types and sizes that a graph was not run with before it is planned;
 * of a large graph that happens on a worker.
 *
 * Threads, ownership and errors: as in engine.h.
 */
#ifndef HG_LIB_ENGINE_GRAPHS_H
#define HG_LIB_ENGINE_GRAPHS_H

#include "lib/engine/engine.h"

/* Buffers of one run, inputs and outputs together. */
#define HG_GRAPH_BINDINGS_MAX 112

/* A graph as nodes: the sizes of inputs may name symbols (HG_GRAPH_SIZE_SYMBOL of their number). */
struct hg_graph_list {
    const struct hg_graph_node *nodes;
    uint32_t node_count;
    uint32_t output_count;
    const struct hg_graph_output *outputs;
    const char *const *symbols;
    uint32_t symbol_count;
};

/* A graph as text (lib/graph/language.h), or, where TEXT is NULL, as nodes. */
struct hg_graph_source {
    const char *text;
    size_t length;
    const struct hg_graph_list *list;
};

/* What a graph takes and gives, for whoever loads it. */
struct hg_graph_facts {
    uint8_t digest[32]; /* of its content: equal graphs have equal ones */
    uint32_t nodes;
    uint32_t input_count;
    uint32_t output_count;
};

/* Keeps a graph under ID. FACTS may be NULL. Errors: INVALID_ARGUMENT (of a text with line and
 * column, of nodes with the node), ALREADY_EXISTS, RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_session_load_graph(struct hg_session *session, uint64_t id,
                                                   const struct hg_graph_source *source,
                                                   struct hg_graph_facts *facts,
                                                   struct hg_error *error);
/* Forgets ID; runs in flight go on. NOT_FOUND. */
HG_MUST_CHECK enum hg_status hg_session_unload_graph(struct hg_session *session, uint64_t id,
                                                     struct hg_error *error);
/* The name of input or output INDEX of a loaded graph, in the order of their first use; "" if there
 * is none. Borrowed until the graph is unloaded. */
const char *hg_session_graph_input(const struct hg_session *session, uint64_t id, uint32_t index);
const char *hg_session_graph_output(const struct hg_session *session, uint64_t id, uint32_t index);

/* ---- running --------------------------------------------------------------------------------- */

/* NAME of an input or an output is the buffer ID. */
struct hg_graph_bind {
    const char *name; /* LENGTH bytes, borrowed */
    size_t length;
    uint64_t id;
};

struct hg_graph_request {
    uint64_t graph; /* the id of a loaded graph, or 0: */
    struct hg_graph_source source;
    const struct hg_graph_bind *inputs;
    uint32_t input_count;
    uint32_t output_count;
    /* An output whose id is none yet becomes a heap buffer of the right type and shape. Without a
     * name: the next of the outputs that none names; there may be more of these than outputs. */
    const struct hg_graph_bind *outputs;
    /* Outputs that are not named get the ids from this one on, in their order; 0: all are named. */
    uint64_t outputs_from;
};

/* One output of a run. */
struct hg_graph_made {
    char name[HG_GRAPH_NAME_MAX + 1];
    uint64_t id;
    bool made; /* by the run: the id was none before */
    enum hg_dtype dtype;
    uint8_t rank;
    uint64_t shape[HG_RANK_MAX];
};

struct hg_graph_result {
    struct hg_graph_made *outputs; /* the caller's: room for CAPACITY */
    uint32_t capacity;             /* hg_graph_result_capacity of the request, or more */
    uint32_t output_count;         /* of the graph, once the run began */
    uint64_t arena_bytes;          /* that the values between its launches took */
    uint32_t launches;
    /* Nothing ran: a large graph was planned on a worker meanwhile. Submit the request again. */
    bool again;
};

/* How many outputs a run of REQUEST may have. */
static inline uint32_t hg_graph_result_capacity(const struct hg_graph_request *request)
{
    return request->outputs_from != 0 || request->output_count > HG_GRAPH_OUTPUTS_MAX
               ? HG_GRAPH_OUTPUTS_MAX
               : request->output_count;
}

/*
 * Runs a graph. As hg_session_execute; REQUEST with all it points to, and RESULT, are borrowed
 * until the task is done. Where the run fails after it began, buffers that it made (`made`) are
 * there and their content is unspecified: free them.
 * Statuses besides those: INVALID_ARGUMENT names the input or output, or the node; in all of them
 * nothing was made.
 */
HG_MUST_CHECK enum hg_submitted hg_session_run_graph(struct hg_session *session,
                                                     const struct hg_graph_request *request,
                                                     struct hg_graph_result *result,
                                                     struct hg_task *task);
/* Submits and blocks until the end; submits again where that is asked for, and frees what a failed
 * run made. */
HG_MUST_CHECK enum hg_status hg_session_run_graph_wait(struct hg_session *session,
                                                       const struct hg_graph_request *request,
                                                       struct hg_graph_result *result,
                                                       struct hg_task *task);
/* Frees what a run that failed made. */
void hg_session_graph_failed(struct hg_session *session, struct hg_graph_result *result);

/* ---- explaining ------------------------------------------------------------------------------ */

struct hg_graph_pattern {
    const char *name; /* of an input; LENGTH bytes */
    size_t length;
    struct hg_operand_pattern operand; /* with its shape */
};

struct hg_graph_explain_request {
    const struct hg_graph_source *source;
    const struct hg_graph_pattern *inputs;
    uint32_t input_count;
    bool dot; /* a picture for graphviz's dot instead */
};

/* Plans a graph for operands of these types and shapes and gives the explanation; free with
 * hg_engine_graph_text_free. May take long. Any thread. */
HG_MUST_CHECK enum hg_status hg_engine_graph_explain(const struct hg_graph_explain_request *request,
                                                     char **text, size_t *length,
                                                     struct hg_error *error);
void hg_engine_graph_text_free(char *text);

/* ---- named graphs ---------------------------------------------------------------------------- */

/* Gives the graph under ID a name, as hg_session_publish gives buffers: it outlives the session.
 * Of MODE only the bits for reading matter. */
HG_MUST_CHECK enum hg_status hg_session_save_graph(struct hg_session *session, uint64_t id,
                                                   const char *name, uint32_t mode, gid_t gid,
                                                   struct hg_error *error);
/* Keeps the named graph under ID. A name that may not be read is NOT_FOUND, like one that is not
 * there. */
HG_MUST_CHECK enum hg_status hg_session_open_graph(struct hg_session *session, const char *name,
                                                   uint64_t id, struct hg_graph_facts *facts,
                                                   struct hg_error *error);
/* Owner or administrator. NOT_FOUND, PERMISSION_DENIED. */
HG_MUST_CHECK enum hg_status hg_session_remove_graph(struct hg_session *session, const char *name,
                                                     struct hg_error *error);

struct hg_named_graph_info {
    char name[65];
    uid_t uid;
    gid_t gid;
    uint32_t mode;
    struct hg_graph_facts facts;
};
typedef void hg_graph_visit_fn(const struct hg_named_graph_info *info, void *context);
/* The named graphs that the session may read (an administrator: all), ascending by name. VISIT
 * must not call the engine. */
void hg_session_list_graphs(struct hg_session *session, hg_graph_visit_fn *visit, void *context);

/* ---- figures --------------------------------------------------------------------------------- */

struct hg_graph_stats {
    uint32_t graphs; /* known */
    uint32_t pinned; /* of these, loaded or named */
    uint32_t plans;
    uint64_t bytes;
    uint64_t plan_hits; /* runs that found their plan */
    uint64_t planned;   /* plans made since the start, and the time that took */
    uint64_t plan_ns;
    uint64_t planned_in[HG_HISTOGRAM_BUCKETS]; /* by duration, as in lib/base/metric.h */
    uint64_t evicted;                          /* graphs that had to make room */
};
void hg_engine_graph_stats(struct hg_engine *engine, struct hg_graph_stats *stats);

#endif
