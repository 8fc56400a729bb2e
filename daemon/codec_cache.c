/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/codec_cache.h"

#include "daemon/codec_protobuf.h"
#include "proto/hologram/v1/hologram.pb-c.h"

#define REQUEST(body)  HOLOGRAM__V1__REQUEST__BODY_##body
#define RESPONSE(body) HOLOGRAM__V1__RESPONSE__BODY_##body

/* ---- requests -------------------------------------------------------------------------------- */

bool hg_codec_convert_cache(const Hologram__V1__Request *wire, struct hg_step *step)
{
    struct hg_cache_args *cache = &step->cache;
    switch (wire->body_case) {
    case REQUEST(CACHE_PROFILE):
        step->kind = HG_REQUEST_CACHE_PROFILE;
        return true;
    case REQUEST(CACHE_WARM):
        step->kind = HG_REQUEST_CACHE_WARM;
        step->key_file = (struct hg_bytes){.data = wire->cache_warm->profile.data,
                                           .size = wire->cache_warm->profile.len};
        return true;
    case REQUEST(CACHE_LIST):
        step->kind = HG_REQUEST_CACHE_LIST;
        *cache = (struct hg_cache_args){.cache = wire->cache_list->cache,
                                        .key = "",
                                        .position = wire->cache_list->position,
                                        .count = wire->cache_list->count};
        return true;
    case REQUEST(CACHE_TOP):
        step->kind = HG_REQUEST_CACHE_TOP;
        *cache = (struct hg_cache_args){
            .cache = wire->cache_top->cache, .key = "", .count = wire->cache_top->count};
        return true;
    case REQUEST(CACHE_SHOW):
        step->kind = HG_REQUEST_CACHE_SHOW;
        *cache = (struct hg_cache_args){.cache = "", .key = wire->cache_show->key};
        return true;
    case REQUEST(CACHE_FLUSH):
        step->kind = HG_REQUEST_CACHE_FLUSH;
        *cache = (struct hg_cache_args){.cache = wire->cache_flush->cache,
                                        .key = wire->cache_flush->key};
        return true;
    case REQUEST(CACHE_PIN):
        step->kind = HG_REQUEST_CACHE_PIN;
        *cache = (struct hg_cache_args){
            .cache = "", .key = wire->cache_pin->key, .pinned = wire->cache_pin->pinned != 0};
        return true;
    case REQUEST(CACHE_WHAT_IF):
        step->kind = HG_REQUEST_CACHE_WHAT_IF;
        step->what_if = (struct hg_what_if_args){wire->cache_what_if->entries,
                                                 (uint32_t)wire->cache_what_if->n_entries};
        return true;
    default:
        return false;
    }
}

/* ---- replies --------------------------------------------------------------------------------- */

static void fill_program(const struct hg_cached *program, Hologram__V1__CachedProgram *wire)
{
    hologram__v1__cached_program__init(wire);
    wire->key = hg_codec_borrow(program->name);
    wire->cache = hg_codec_borrow(program->cache);
    wire->summary = hg_codec_borrow(program->summary);
    wire->hits = program->hits;
    wire->bytes = program->bytes;
    wire->pinned = program->is_pinned;
    wire->held = program->is_held;
}

/* Rows of REPLY's programs in ARENA; NULL when out of memory. */
static Hologram__V1__CachedProgram **fill_programs(const struct hg_cached_reply *reply,
                                                   struct hg_arena *arena)
{
    /* One more than none: an empty list is no lack of memory. */
    const size_t count = (size_t)reply->count + 1;
    Hologram__V1__CachedProgram *programs = hg_arena_alloc(arena, count * sizeof(*programs));
    Hologram__V1__CachedProgram **rows =
        hg_arena_alloc(arena, count * sizeof(Hologram__V1__CachedProgram *));
    if (programs == NULL || rows == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < reply->count; i++) {
        fill_program(&reply->programs[i], &programs[i]);
        rows[i] = &programs[i];
    }
    return rows;
}

static enum hg_status fill_list(const struct hg_cached_reply *reply, struct hg_arena *arena,
                                Hologram__V1__Response *wire)
{
    Hologram__V1__CacheListResult *result = hg_arena_alloc(arena, sizeof(*result));
    Hologram__V1__CachedProgram **rows = fill_programs(reply, arena);
    if (result == NULL || rows == NULL) {
        return HG_RESOURCE_EXHAUSTED;
    }
    hologram__v1__cache_list_result__init(result);
    result->programs = rows;
    result->n_programs = reply->count;
    result->position = reply->position;
    wire->body_case = RESPONSE(CACHE_LIST);
    wire->cache_list = result;
    return HG_OK;
}

static enum hg_status fill_top(const struct hg_cached_reply *reply, struct hg_arena *arena,
                               Hologram__V1__Response *wire)
{
    Hologram__V1__CacheTopResult *result = hg_arena_alloc(arena, sizeof(*result));
    Hologram__V1__CachedProgram **rows = fill_programs(reply, arena);
    if (result == NULL || rows == NULL) {
        return HG_RESOURCE_EXHAUSTED;
    }
    hologram__v1__cache_top_result__init(result);
    result->programs = rows;
    result->n_programs = reply->count;
    wire->body_case = RESPONSE(CACHE_TOP);
    wire->cache_top = result;
    return HG_OK;
}

/* Storage of one answer to show. */
struct show_row {
    Hologram__V1__CacheShowResult result;
    Hologram__V1__CachedProgram program;
    Hologram__V1__KeyField fields[HG_KEY_FIELDS_MAX];
    Hologram__V1__KeyField *rows[HG_KEY_FIELDS_MAX];
};

static enum hg_status fill_show(const struct hg_cache_shown *shown, struct hg_arena *arena,
                                Hologram__V1__Response *wire)
{
    struct show_row *row = hg_arena_alloc(arena, sizeof(*row));
    if (row == NULL) {
        return HG_RESOURCE_EXHAUSTED;
    }
    hologram__v1__cache_show_result__init(&row->result);
    fill_program(&shown->item, &row->program);
    for (uint32_t i = 0; i < shown->field_count; i++) {
        hologram__v1__key_field__init(&row->fields[i]);
        row->fields[i].name = hg_codec_borrow(shown->fields[i].name);
        row->fields[i].value = hg_codec_borrow(shown->fields[i].text);
        row->rows[i] = &row->fields[i];
    }
    row->result.program = &row->program;
    row->result.n_fields = shown->field_count;
    row->result.fields = row->rows;
    row->result.origin = hg_codec_borrow(shown->origin);
    row->result.executor = hg_codec_borrow(shown->executor);
    row->result.isa_level = hg_codec_borrow(shown->isa_level);
    row->result.instructions = shown->facts.insn_count;
    row->result.slots = shown->facts.slot_count;
    row->result.block = shown->facts.block_lanes;
    row->result.code = shown->code != NULL ? shown->code : hg_codec_borrow("");
    row->result.withheld = shown->code == NULL;
    row->result.native_bytes = shown->native_bytes;
    wire->body_case = RESPONSE(CACHE_SHOW);
    wire->cache_show = &row->result;
    return HG_OK;
}

static enum hg_status fill_flush(uint64_t dropped, struct hg_arena *arena,
                                 Hologram__V1__Response *wire)
{
    Hologram__V1__CacheFlushResult *result = hg_arena_alloc(arena, sizeof(*result));
    if (result == NULL) {
        return HG_RESOURCE_EXHAUSTED;
    }
    hologram__v1__cache_flush_result__init(result);
    result->dropped = dropped;
    wire->body_case = RESPONSE(CACHE_FLUSH);
    wire->cache_flush = result;
    return HG_OK;
}

static enum hg_status fill_what_if(const struct hg_what_if_reply *reply, struct hg_arena *arena,
                                   Hologram__V1__Response *wire)
{
    Hologram__V1__CacheWhatIfResult *result = hg_arena_alloc(arena, sizeof(*result));
    Hologram__V1__CacheEstimate *estimates =
        hg_arena_alloc(arena, reply->count * sizeof(*estimates));
    Hologram__V1__CacheEstimate **rows =
        hg_arena_alloc(arena, reply->count * sizeof(Hologram__V1__CacheEstimate *));
    if (result == NULL || estimates == NULL || rows == NULL) {
        return HG_RESOURCE_EXHAUSTED;
    }
    hologram__v1__cache_what_if_result__init(result);
    for (uint32_t i = 0; i < reply->count; i++) {
        hologram__v1__cache_estimate__init(&estimates[i]);
        estimates[i].entries = reply->estimates[i].entries;
        estimates[i].hit_ratio = reply->estimates[i].hit_ratio;
        rows[i] = &estimates[i];
    }
    result->samples = reply->samples;
    result->entries_max = reply->entries_max;
    result->n_estimates = reply->count;
    result->estimates = rows;
    wire->body_case = RESPONSE(CACHE_WHAT_IF);
    wire->cache_what_if = result;
    return HG_OK;
}

static enum hg_status fill_profile(const struct hg_bytes *key_file, struct hg_arena *arena,
                                   Hologram__V1__Response *wire)
{
    union {
        const uint8_t *in;
        uint8_t *out;
    } cast = {.in = key_file->data};
    Hologram__V1__CacheProfileResult *result = hg_arena_alloc(arena, sizeof(*result));
    if (result == NULL) {
        return HG_RESOURCE_EXHAUSTED;
    }
    hologram__v1__cache_profile_result__init(result);
    result->profile = (ProtobufCBinaryData){key_file->size, cast.out};
    wire->body_case = RESPONSE(CACHE_PROFILE);
    wire->cache_profile = result;
    return HG_OK;
}

enum hg_status hg_codec_fill_cache(const struct hg_reply *reply, struct hg_arena *arena,
                                   Hologram__V1__Response *wire)
{
    switch (reply->kind) {
    case HG_REQUEST_CACHE_LIST:
        return fill_list(&reply->cached, arena, wire);
    case HG_REQUEST_CACHE_TOP:
        return fill_top(&reply->cached, arena, wire);
    case HG_REQUEST_CACHE_SHOW:
        return fill_show(reply->shown, arena, wire);
    case HG_REQUEST_CACHE_FLUSH:
        return fill_flush(reply->dropped, arena, wire);
    case HG_REQUEST_CACHE_WHAT_IF:
        return fill_what_if(&reply->what_if, arena, wire);
    default:
        return fill_profile(&reply->key_file, arena, wire);
    }
}
