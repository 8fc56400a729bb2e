/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests and results about graphs. Results own the arena they lie in; what the caller gets is the
 * part behind it.
 */
#ifndef HG_CLIENT_LIB_GRAPH_H
#define HG_CLIENT_LIB_GRAPH_H

#include "client/lib/internal.h"

struct hg_client_graph_info {
    struct hg_client_arena arena;
    hologram_graph_info info;
};

struct hg_client_named_graphs {
    struct hg_client_arena arena;
    hologram_named_graphs list;
};

/* ---- codec_graph.c --------------------------------------------------------------------------- */

hologram_status hg_client_put_load_graph(hologram_client *client, hologram_ticket ticket,
                                         hologram_graph graph, const hologram_graph_source *source);
hologram_status hg_client_put_unload_graph(hologram_client *client, hologram_ticket ticket,
                                           hologram_graph graph);
hologram_status hg_client_put_run_graph(hologram_client *client, hologram_ticket ticket,
                                        const hologram_graph_run *run);
hologram_status hg_client_step_run_graph(hologram_client *client, struct hg_client_bytes *steps,
                                         const hologram_graph_run *run);
hologram_status hg_client_put_explain_graph(hologram_client *client, hologram_ticket ticket,
                                            const hologram_graph_source *source,
                                            const hologram_graph_pattern *inputs,
                                            uint32_t input_count, bool dot);
hologram_status hg_client_put_save_graph(hologram_client *client, hologram_ticket ticket,
                                         hologram_graph graph, const char *name, uint32_t mode,
                                         uint32_t gid);
hologram_status hg_client_put_open_graph(hologram_client *client, hologram_ticket ticket,
                                         const char *name, hologram_graph graph);
hologram_status hg_client_put_remove_graph(hologram_client *client, hologram_ticket ticket,
                                           const char *name);
hologram_status hg_client_put_list_graphs(hologram_client *client, hologram_ticket ticket);

/* codec_hot_graph.c: a run, which was checked, of a loaded graph or of a text. */
hologram_status hg_client_put_hot_run(hologram_client *client, hologram_ticket ticket,
                                      const hologram_graph_run *run);

/* ---- codec_graph_result.c -------------------------------------------------------------------- */

hg_client_take_fn hg_client_take_graph;        /* const hologram_graph_info *; may be NULL */
hg_client_take_fn hg_client_take_graph_run;    /* hologram_graph_run */
hg_client_take_fn hg_client_take_explanation;  /* const char *, of malloc */
hg_client_take_fn hg_client_take_named_graphs; /* const hologram_named_graphs * */

#endif
