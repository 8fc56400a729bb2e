/* SPDX-License-Identifier: Apache-2.0 */
/* The program cache's messages. */
#include "client/lib/cache.h"
#include "client/lib/codec.h"

#define REQUEST(type)  HOLOGRAM__V1__REQUEST__BODY_##type
#define RESPONSE(type) HOLOGRAM__V1__RESPONSE__BODY_##type

/* ---- requests -------------------------------------------------------------------------------- */

static char *text_of(const char *text)
{
    return (char *)(text ? text : "");
}

hologram_status hg_client_put_cache_list(hologram_client *client, hologram_ticket ticket,
                                         const char *cache, uint64_t position, uint32_t count)
{
    Hologram__V1__CacheList body = HOLOGRAM__V1__CACHE_LIST__INIT;
    body.cache = text_of(cache);
    body.position = position;
    body.count = count;
    return hg_client_put_body(client, ticket, REQUEST(CACHE_LIST), &body);
}

hologram_status hg_client_put_cache_top(hologram_client *client, hologram_ticket ticket,
                                        const char *cache, uint32_t count)
{
    Hologram__V1__CacheTop body = HOLOGRAM__V1__CACHE_TOP__INIT;
    body.cache = text_of(cache);
    body.count = count;
    return hg_client_put_body(client, ticket, REQUEST(CACHE_TOP), &body);
}

hologram_status hg_client_put_cache_show(hologram_client *client, hologram_ticket ticket,
                                         const char *key)
{
    Hologram__V1__CacheShow body = HOLOGRAM__V1__CACHE_SHOW__INIT;
    body.key = text_of(key);
    return hg_client_put_body(client, ticket, REQUEST(CACHE_SHOW), &body);
}

hologram_status hg_client_put_cache_flush(hologram_client *client, hologram_ticket ticket,
                                          const char *cache, const char *key)
{
    Hologram__V1__CacheFlush body = HOLOGRAM__V1__CACHE_FLUSH__INIT;
    body.cache = text_of(cache);
    body.key = text_of(key);
    return hg_client_put_body(client, ticket, REQUEST(CACHE_FLUSH), &body);
}

hologram_status hg_client_put_cache_pin(hologram_client *client, hologram_ticket ticket,
                                        const char *key, bool pinned)
{
    Hologram__V1__CachePin body = HOLOGRAM__V1__CACHE_PIN__INIT;
    body.key = text_of(key);
    body.pinned = pinned;
    return hg_client_put_body(client, ticket, REQUEST(CACHE_PIN), &body);
}

hologram_status hg_client_put_cache_what_if(hologram_client *client, hologram_ticket ticket,
                                            const uint64_t *entries, uint32_t count)
{
    Hologram__V1__CacheWhatIf body = HOLOGRAM__V1__CACHE_WHAT_IF__INIT;
    body.n_entries = count;
    body.entries = (uint64_t *)entries;
    return hg_client_put_body(client, ticket, REQUEST(CACHE_WHAT_IF), &body);
}

hologram_status hg_client_put_cache_profile(hologram_client *client, hologram_ticket ticket)
{
    Hologram__V1__CacheProfile body = HOLOGRAM__V1__CACHE_PROFILE__INIT;
    return hg_client_put_body(client, ticket, REQUEST(CACHE_PROFILE), &body);
}

hologram_status hg_client_put_cache_warm(hologram_client *client, hologram_ticket ticket,
                                         const void *data, size_t bytes)
{
    Hologram__V1__CacheWarm body = HOLOGRAM__V1__CACHE_WARM__INIT;
    body.profile.len = bytes;
    body.profile.data = (uint8_t *)data;
    return hg_client_put_body(client, ticket, REQUEST(CACHE_WARM), &body);
}

/* ---- results --------------------------------------------------------------------------------- */

static hologram_status no_memory(hologram_error *error)
{
    return hg_client_error(error, HOLOGRAM_RESOURCE_EXHAUSTED, "out of memory in the client");
}

/* Hands the client's arena, in which the result was built, to the result. */
static void take_arena(hologram_client *client, struct hg_client_arena *arena)
{
    *arena = client->arena;
    client->arena = (struct hg_client_arena){0};
}

static void fill_program(const Hologram__V1__CachedProgram *from, hologram_cached_program *program)
{
    *program = (hologram_cached_program){.key = from->key,
                                         .cache = from->cache,
                                         .summary = from->summary,
                                         .hits = from->hits,
                                         .bytes = from->bytes,
                                         .pinned = from->pinned,
                                         .held = from->held};
}

static hologram_status take_programs(hologram_client *client,
                                     Hologram__V1__CachedProgram *const *from, size_t count,
                                     uint64_t position, const hologram_cache_list **result,
                                     hologram_error *error)
{
    struct hg_client_cache_list *whole = hg_client_arena_array(&client->arena, 1, sizeof *whole);
    hologram_cached_program *programs =
        hg_client_arena_array(&client->arena, count, sizeof *programs);
    if (!whole || !programs) {
        return no_memory(error);
    }
    for (size_t i = 0; i < count; i++) {
        fill_program(from[i], &programs[i]);
    }
    whole->list = (hologram_cache_list){programs, (uint32_t)count, position};
    take_arena(client, &whole->arena);
    *result = &whole->list;
    return HOLOGRAM_OK;
}

hologram_status hg_client_take_cache_list(hologram_client *client,
                                          const struct hg_client_reply *reply, void *result,
                                          hologram_error *error)
{
    const Hologram__V1__Response *response;
    hologram_status status = hg_client_expect(reply, RESPONSE(CACHE_LIST), &response, error);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    const Hologram__V1__CacheListResult *from = response->cache_list;
    return take_programs(client, from->programs, from->n_programs, from->position, result, error);
}

hologram_status hg_client_take_cache_top(hologram_client *client,
                                         const struct hg_client_reply *reply, void *result,
                                         hologram_error *error)
{
    const Hologram__V1__Response *response;
    hologram_status status = hg_client_expect(reply, RESPONSE(CACHE_TOP), &response, error);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    const Hologram__V1__CacheTopResult *from = response->cache_top;
    return take_programs(client, from->programs, from->n_programs, 0, result, error);
}

static const hologram_key_field *list_fields(struct hg_client_arena *arena,
                                             const Hologram__V1__CacheShowResult *from)
{
    hologram_key_field *fields = hg_client_arena_array(arena, from->n_fields, sizeof *fields);
    for (size_t i = 0; fields && i < from->n_fields; i++) {
        fields[i] = (hologram_key_field){from->fields[i]->name, from->fields[i]->value};
    }
    return fields;
}

hologram_status hg_client_take_shown(hologram_client *client, const struct hg_client_reply *reply,
                                     void *result, hologram_error *error)
{
    const Hologram__V1__Response *response;
    hologram_status status = hg_client_expect(reply, RESPONSE(CACHE_SHOW), &response, error);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    const Hologram__V1__CacheShowResult *from = response->cache_show;
    if (!from->program) {
        return hg_client_error(error, HOLOGRAM_INTERNAL, "the server shows no program");
    }
    struct hg_client_cache_shown *whole = hg_client_arena_array(&client->arena, 1, sizeof *whole);
    const hologram_key_field *fields = list_fields(&client->arena, from);
    if (!whole || !fields) {
        return no_memory(error);
    }
    whole->shown = (hologram_cache_shown){.fields = fields,
                                          .field_count = (uint32_t)from->n_fields,
                                          .instructions = from->instructions,
                                          .slots = from->slots,
                                          .block = from->block,
                                          .origin = from->origin,
                                          .executor = from->executor,
                                          .isa_level = from->isa_level,
                                          .code = from->code,
                                          .withheld = from->withheld,
                                          .native_bytes = from->native_bytes};
    fill_program(from->program, &whole->shown.program);
    take_arena(client, &whole->arena);
    *(const hologram_cache_shown **)result = &whole->shown;
    return HOLOGRAM_OK;
}

hologram_status hg_client_take_estimates(hologram_client *client,
                                         const struct hg_client_reply *reply, void *result,
                                         hologram_error *error)
{
    const Hologram__V1__Response *response;
    hologram_status status = hg_client_expect(reply, RESPONSE(CACHE_WHAT_IF), &response, error);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    const Hologram__V1__CacheWhatIfResult *from = response->cache_what_if;
    struct hg_client_cache_estimates *whole =
        hg_client_arena_array(&client->arena, 1, sizeof *whole);
    hologram_cache_estimate *list =
        hg_client_arena_array(&client->arena, from->n_estimates, sizeof *list);
    if (!whole || !list) {
        return no_memory(error);
    }
    for (size_t i = 0; i < from->n_estimates; i++) {
        list[i] =
            (hologram_cache_estimate){from->estimates[i]->entries, from->estimates[i]->hit_ratio};
    }
    whole->estimates = (hologram_cache_estimates){list, (uint32_t)from->n_estimates, from->samples,
                                                  from->entries_max};
    take_arena(client, &whole->arena);
    *(const hologram_cache_estimates **)result = &whole->estimates;
    return HOLOGRAM_OK;
}

hologram_status hg_client_take_flushed(hologram_client *client, const struct hg_client_reply *reply,
                                       void *result, hologram_error *error)
{
    (void)client;
    const Hologram__V1__Response *response;
    hologram_status status = hg_client_expect(reply, RESPONSE(CACHE_FLUSH), &response, error);
    if (status == HOLOGRAM_OK && result) {
        *(uint64_t *)result = response->cache_flush->dropped;
    }
    return status;
}

hologram_status hg_client_take_keys(hologram_client *client, const struct hg_client_reply *reply,
                                    void *result, hologram_error *error)
{
    const Hologram__V1__Response *response;
    hologram_status status = hg_client_expect(reply, RESPONSE(CACHE_PROFILE), &response, error);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    struct hg_client_cache_keys *whole = hg_client_arena_array(&client->arena, 1, sizeof *whole);
    if (!whole) {
        return no_memory(error);
    }
    const ProtobufCBinaryData *profile = &response->cache_profile->profile;
    whole->keys = (hologram_cache_keys){profile->data, profile->len};
    take_arena(client, &whole->arena);
    *(const hologram_cache_keys **)result = &whole->keys;
    return HOLOGRAM_OK;
}
