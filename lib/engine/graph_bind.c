/* SPDX-License-Identifier: Apache-2.0 */
/* From the names of a run's request to the buffers of its session. */
#include <inttypes.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/engine/graph_run.h"

_Static_assert(HG_GRAPH_BINDINGS_MAX <= HG_CLAIMS_MAX, "a run claims all its buffers together");
_Static_assert(HG_RANK_MAX == HG_GRAPH_RANK_MAX, "what a graph gives fits a buffer");

static const char *input_name(const struct hg_graph_bound *bound, uint32_t index)
{
    return bound->known->graph->nodes[bound->known->inputs[index]].name;
}

static bool is_called(const struct hg_graph_bind *bind, const char *name)
{
    return strlen(name) == bind->length && memcmp(bind->name, name, bind->length) == 0;
}

/* As much of a client's name as an error shows. */
static int shown(const struct hg_graph_bind *bind)
{
    return bind->length < HG_GRAPH_NAME_MAX ? (int)bind->length : HG_GRAPH_NAME_MAX;
}

typedef const char *name_fn(const struct hg_graph_bound *bound, uint32_t index);

/* Fills IDS, one for each of COUNT names, from ITEMS; those that none names stay 0. */
static enum hg_status match(const struct hg_graph_bound *bound, const char *what, name_fn *name_of,
                            uint32_t count, const struct hg_graph_bind *items, uint32_t item_count,
                            uint64_t *ids)
{
    memset(ids, 0, count * sizeof ids[0]);
    for (uint32_t i = 0; i < item_count; i++) {
        uint32_t index = 0;
        if (items[i].length == 0 && name_of == hg_graph_output_name) {
            continue; /* for one that is not named */
        }
        while (index < count && !is_called(&items[i], name_of(bound, index))) {
            index++;
        }
        if (index == count) {
            return hg_fail(bound->error, HG_INVALID_ARGUMENT, "it has no %s '%.*s'", what,
                           shown(&items[i]), items[i].name);
        }
        if (items[i].id == 0) {
            return hg_fail(bound->error, HG_INVALID_ARGUMENT,
                           "%s %s: 0 is not an id: ids start at 1", what, name_of(bound, index));
        }
        if (ids[index] != 0) {
            return hg_fail(bound->error, HG_INVALID_ARGUMENT, "%s %s is bound twice", what,
                           name_of(bound, index));
        }
        ids[index] = items[i].id;
    }
    return HG_OK;
}

enum hg_status hg_graph_bind_inputs(struct hg_graph_bound *bound)
{
    const struct hg_graph_request *request = bound->request;
    const uint32_t count = bound->known->input_count;
    if (count + bound->known->graph->output_count > HG_GRAPH_BINDINGS_MAX) {
        return hg_fail(bound->error, HG_INVALID_ARGUMENT,
                       "a run binds at most %d inputs and outputs, it has %" PRIu32,
                       HG_GRAPH_BINDINGS_MAX, count + bound->known->graph->output_count);
    }
    if (match(bound, "input", input_name, count, request->inputs, request->input_count,
              bound->input_ids) != HG_OK) {
        return bound->error->status;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (bound->input_ids[i] == 0) {
            return hg_fail(bound->error, HG_INVALID_ARGUMENT, "input %s is not bound",
                           input_name(bound, i));
        }
        const struct hg_idmap_entry *entry =
            hg_session_find(bound->session, bound->input_ids[i], bound->error);
        if (entry == NULL) {
            return hg_error_prefix(bound->error, "input %s", input_name(bound, i));
        }
        bound->inputs[i] = entry->value;
    }
    return HG_OK;
}

/* Notes which of the inputs are in the memory of output INDEX; two outputs never are one. */
static enum hg_status find_shared(struct hg_graph_bound *bound, uint32_t index)
{
    const struct hg_buffer *buffer = bound->outputs[index];
    for (uint32_t i = 0; buffer != NULL && i < bound->known->input_count; i++) {
        if (bound->inputs[i] == buffer) {
            bound->shared[i] = index;
        }
    }
    for (uint32_t i = 0; i < index; i++) {
        if (bound->output_ids[i] == bound->output_ids[index] ||
            (buffer != NULL && bound->outputs[i] == buffer)) {
            return hg_fail(bound->error, HG_INVALID_ARGUMENT,
                           "outputs %s and %s are one buffer, %" PRIu64,
                           hg_graph_output_name(bound, i), hg_graph_output_name(bound, index),
                           bound->output_ids[index]);
        }
    }
    return HG_OK;
}

/* Finds output INDEX's buffer, if there is one already. */
static enum hg_status find_output(struct hg_graph_bound *bound, uint32_t index)
{
    const uint64_t id = bound->output_ids[index];
    const struct hg_idmap_entry *entry = hg_idmap_find(&bound->session->buffers, id);
    bound->outputs[index] = entry != NULL ? entry->value : NULL;
    if (entry != NULL && !entry->flag) {
        return hg_fail(bound->error, HG_PERMISSION_DENIED,
                       "output %s: buffer %" PRIu64 " was opened for reading only",
                       hg_graph_output_name(bound, index), id);
    }
    return find_shared(bound, index);
}

/* The id of the next binding without a name from *AT on; 0 if there is none. */
static uint64_t next_unnamed(const struct hg_graph_request *request, uint32_t *at)
{
    while (*at < request->output_count) {
        const struct hg_graph_bind *bind = &request->outputs[(*at)++];
        if (bind->length == 0) {
            return bind->id;
        }
    }
    return 0;
}

enum hg_status hg_graph_bind_outputs(struct hg_graph_bound *bound)
{
    const struct hg_graph_request *request = bound->request;
    uint64_t next = request->outputs_from;
    uint32_t unnamed = 0;
    memset(bound->shared, 0xff, bound->known->input_count * sizeof bound->shared[0]);
    if (match(bound, "output", hg_graph_output_name, bound->known->graph->output_count,
              request->outputs, request->output_count, bound->output_ids) != HG_OK) {
        return bound->error->status;
    }
    for (uint32_t i = 0; i < bound->known->graph->output_count; i++) {
        if (bound->output_ids[i] == 0) {
            bound->output_ids[i] = next_unnamed(request, &unnamed);
        }
        if (bound->output_ids[i] == 0 && next == 0) {
            return hg_fail(bound->error, HG_INVALID_ARGUMENT, "output %s is not bound",
                           hg_graph_output_name(bound, i));
        }
        if (bound->output_ids[i] == 0) {
            bound->output_ids[i] = next++;
        }
        enum hg_status status = find_output(bound, i);
        if (status != HG_OK) {
            return status;
        }
    }
    return HG_OK;
}

struct hg_graph_binding hg_graph_look_at(const struct hg_buffer *buffer)
{
    HG_REQUIRE(buffer != NULL);
    struct hg_graph_binding binding = {.type = buffer->spec.dtype,
                                       .shape = {.rank = buffer->spec.rank}};
    memcpy(binding.shape.size, buffer->spec.shape,
           buffer->spec.rank * sizeof binding.shape.size[0]);
    return binding;
}

enum hg_status hg_graph_check_outputs(const struct hg_graph_bound *bound,
                                      const struct hg_ready_plan *plan)
{
    char wanted[HG_IR_SHAPE_TEXT];
    char got[HG_IR_SHAPE_TEXT];
    for (uint32_t i = 0; i < plan->output_count; i++) {
        const struct hg_graph_binding *output = &plan->outputs[i];
        if (bound->outputs[i] == NULL) {
            continue;
        }
        const struct hg_graph_binding there = hg_graph_look_at(bound->outputs[i]);
        if (there.type != output->type || !hg_ir_shape_equal(&there.shape, &output->shape)) {
            return hg_fail(bound->error, HG_INVALID_ARGUMENT,
                           "output %s: expected %s%s, buffer %" PRIu64 " is %s%s",
                           hg_graph_output_name(bound, i), hg_dtype_name(output->type),
                           hg_ir_shape_text(&output->shape, wanted), bound->output_ids[i],
                           hg_dtype_name(there.type), hg_ir_shape_text(&there.shape, got));
        }
    }
    return HG_OK;
}
