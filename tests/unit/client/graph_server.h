/* SPDX-License-Identifier: Apache-2.0 */
/* A server that answers requests about graphs and keeps the last of them for the test to look at;
 * a list of nodes, and runs, that have everything which such can have. */
#ifndef HG_TESTS_UNIT_CLIENT_GRAPH_SERVER_H
#define HG_TESTS_UNIT_CLIENT_GRAPH_SERVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/client/fake.h"

#define GRAPH 77
#define GIVEN 4801 /* a buffer that the client has */

struct server;
/* Changes an output before it is sent. */
typedef void spoil_fn(struct server *server, Hologram__V1__GraphOutput *output);

/* What the server does, and the last request that it got. */
struct server {
    struct fake fake;
    spoil_fn *spoil;        /* of answers to runs; NULL: they are right */
    hologram_status status; /* of them; HOLOGRAM_OK: they have a body */
    bool says_nothing;      /* it answers without a body */
    Hologram__V1__Request *request;
};

struct server *server_start(hologram_client **client);
void server_stop(struct server *server, hologram_client **client);

/* One source that is nodes, one that is a text. */
extern const hologram_graph_source from_nodes;
extern const hologram_graph_source from_text;
/* GRAPH must be what `from_nodes` says, field by field. */
void check_list(const Hologram__V1__Graph *graph);

/* A run of GRAPH, or of `from_nodes` if that is 0, with two inputs and three outputs: one that is
 * given, one that is fresh, and one more than the graph has. */
hologram_graph_run make_run(hologram_graph graph, hologram_graph_output outputs[3]);

#endif
