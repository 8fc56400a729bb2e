/* SPDX-License-Identifier: Apache-2.0 */
/* A graph as the engine knows it: with its digest and its inputs. */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/engine/graph_table.h"

void hg_known_graph_destroy(struct hg_known_graph *known)
{
    HG_REQUIRE(known != NULL);
    hg_graph_destroy(&known->graph);
    hg_free(HG_TAG_GRAPH, known->inputs);
    hg_free(HG_TAG_GRAPH, known);
}

/* The content: the graph as text, and the names that errors use, which are nobody else's to see. */
static enum hg_status digest_of(const struct hg_graph *graph, uint8_t digest[HG_SHA256_BYTES],
                                struct hg_error *error)
{
    const size_t printed = hg_graph_print(graph, NULL, 0);
    const size_t name_bytes = sizeof graph->nodes[0].name;
    char *text = hg_calloc(HG_TAG_GRAPH, 1, printed + 1 + graph->node_count * name_bytes);
    if (text == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "no memory for a graph");
    }
    (void)hg_graph_print(graph, text, printed + 1);
    size_t size = printed + 1;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const size_t length = strnlen(graph->nodes[i].name, name_bytes - 1) + 1;
        memcpy(text + size, graph->nodes[i].name, length);
        size += length;
    }
    hg_sha256(text, size, digest);
    hg_free(HG_TAG_GRAPH, text);
    return HG_OK;
}

static bool note_inputs(struct hg_known_graph *known)
{
    const struct hg_graph *graph = known->graph;
    known->inputs = hg_malloc(HG_TAG_GRAPH, graph->node_count * sizeof known->inputs[0]);
    for (uint32_t i = 0; known->inputs != NULL && i < graph->node_count; i++) {
        if (graph->nodes[i].kind == HG_GRAPH_KIND_INPUT) {
            known->inputs[known->input_count++] = i;
        }
    }
    return known->inputs != NULL;
}

enum hg_status hg_known_graph_create(struct hg_graph *graph, struct hg_known_graph **known,
                                     struct hg_error *error)
{
    struct hg_known_graph *made = hg_calloc(HG_TAG_GRAPH, 1, sizeof *made);
    if (made == NULL) {
        hg_graph_destroy(&graph);
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "no memory for a graph");
    }
    made->graph = graph;
    enum hg_status status = digest_of(graph, made->digest, error);
    if (status == HG_OK && !note_inputs(made)) {
        status = hg_fail(error, HG_RESOURCE_EXHAUSTED, "no memory for a graph");
    }
    if (status != HG_OK) {
        hg_known_graph_destroy(made);
        return status;
    }
    made->bytes = hg_alloc_block_bytes(made) + hg_alloc_block_bytes(graph) +
                  hg_alloc_block_bytes(graph->nodes) + hg_alloc_block_bytes(made->inputs);
    *known = made;
    return HG_OK;
}

void hg_known_graph_facts(const struct hg_known_graph *known, struct hg_graph_facts *facts)
{
    memcpy(facts->digest, known->digest, sizeof facts->digest);
    facts->nodes = known->graph->node_count;
    facts->input_count = known->input_count;
    facts->output_count = known->graph->output_count;
}
