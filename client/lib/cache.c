/* SPDX-License-Identifier: Apache-2.0 */
/* The program cache: looking into it, administering it. */
#include "client/lib/cache.h"

#include <stddef.h>
#include <string.h>

/* Begins a request whose answer TAKE brings to RESULT. */
static hologram_status begin(hologram_client *client, hg_client_take_fn *take, void *result,
                             hologram_ticket *ticket)
{
    struct hg_client_want want = {.take = take, .result = result};
    return hg_client_begin(client, &want, ticket);
}

hologram_status hologram_cache_programs(hologram_client *client, const char *cache,
                                        uint64_t position, uint32_t count,
                                        const hologram_cache_list **list)
{
    hologram_ticket ticket;
    hologram_status status = begin(client, hg_client_take_cache_list, list, &ticket);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return hg_client_complete(client, ticket,
                              hg_client_put_cache_list(client, ticket, cache, position, count));
}

hologram_status hologram_cache_top(hologram_client *client, const char *cache, uint32_t count,
                                   const hologram_cache_list **list)
{
    hologram_ticket ticket;
    hologram_status status = begin(client, hg_client_take_cache_top, list, &ticket);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return hg_client_complete(client, ticket,
                              hg_client_put_cache_top(client, ticket, cache, count));
}

hologram_status hologram_cache_show(hologram_client *client, const char *key,
                                    const hologram_cache_shown **shown)
{
    hologram_ticket ticket;
    hologram_status status = begin(client, hg_client_take_shown, shown, &ticket);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return hg_client_complete(client, ticket, hg_client_put_cache_show(client, ticket, key));
}

hologram_status hologram_cache_what_if(hologram_client *client, const uint64_t *entries,
                                       uint32_t count, const hologram_cache_estimates **estimates)
{
    hologram_ticket ticket;
    hologram_status status = begin(client, hg_client_take_estimates, estimates, &ticket);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return hg_client_complete(client, ticket,
                              hg_client_put_cache_what_if(client, ticket, entries, count));
}

hologram_status hologram_cache_flush(hologram_client *client, const char *cache, const char *key,
                                     uint64_t *dropped)
{
    hologram_ticket ticket;
    hologram_status status = begin(client, hg_client_take_flushed, dropped, &ticket);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return hg_client_complete(client, ticket,
                              hg_client_put_cache_flush(client, ticket, cache, key));
}

hologram_status hologram_cache_pin(hologram_client *client, const char *key, bool pinned)
{
    hologram_ticket ticket;
    hologram_status status = begin(client, NULL, NULL, &ticket);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return hg_client_complete(client, ticket, hg_client_put_cache_pin(client, ticket, key, pinned));
}

hologram_status hologram_cache_profile(hologram_client *client, const hologram_cache_keys **keys)
{
    hologram_ticket ticket;
    hologram_status status = begin(client, hg_client_take_keys, keys, &ticket);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return hg_client_complete(client, ticket, hg_client_put_cache_profile(client, ticket));
}

hologram_status hologram_cache_warm(hologram_client *client, const void *data, size_t bytes)
{
    hologram_ticket ticket;
    hologram_status status = begin(client, NULL, NULL, &ticket);
    if (status != HOLOGRAM_OK) {
        return status;
    }
    return hg_client_complete(client, ticket,
                              hg_client_put_cache_warm(client, ticket, data, bytes));
}

/* ---- results --------------------------------------------------------------------------------- */

/* The whole of which PART, at OFFSET behind its arena, was given to the caller. The arena's memory
 * holds both. */
static void free_result(const void *part, size_t offset)
{
    if (part) {
        struct hg_client_arena arena;
        memcpy(&arena, (const char *)part - offset, sizeof arena);
        hg_client_arena_free(&arena);
    }
}

void hologram_cache_list_free(const hologram_cache_list *list)
{
    free_result(list, offsetof(struct hg_client_cache_list, list));
}

void hologram_cache_shown_free(const hologram_cache_shown *shown)
{
    free_result(shown, offsetof(struct hg_client_cache_shown, shown));
}

void hologram_cache_estimates_free(const hologram_cache_estimates *estimates)
{
    free_result(estimates, offsetof(struct hg_client_cache_estimates, estimates));
}

void hologram_cache_keys_free(const hologram_cache_keys *keys)
{
    free_result(keys, offsetof(struct hg_client_cache_keys, keys));
}
