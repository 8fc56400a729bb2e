/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program cache's requests and results. Results own the arena they lie in; what the caller gets
 * is the part behind it.
 */
#ifndef HG_CLIENT_LIB_CACHE_H
#define HG_CLIENT_LIB_CACHE_H

#include "client/lib/internal.h"

struct hg_client_cache_list {
    struct hg_client_arena arena;
    hologram_cache_list list;
};

struct hg_client_cache_shown {
    struct hg_client_arena arena;
    hologram_cache_shown shown;
};

struct hg_client_cache_estimates {
    struct hg_client_arena arena;
    hologram_cache_estimates estimates;
};

struct hg_client_cache_keys {
    struct hg_client_arena arena;
    hologram_cache_keys keys;
};

/* ---- codec_cache.c --------------------------------------------------------------------------- */

/* Texts may be NULL: that is empty. */
hologram_status hg_client_put_cache_list(hologram_client *client, hologram_ticket ticket,
                                         const char *cache, uint64_t position, uint32_t count);
hologram_status hg_client_put_cache_top(hologram_client *client, hologram_ticket ticket,
                                        const char *cache, uint32_t count);
hologram_status hg_client_put_cache_show(hologram_client *client, hologram_ticket ticket,
                                         const char *key);
hologram_status hg_client_put_cache_flush(hologram_client *client, hologram_ticket ticket,
                                          const char *cache, const char *key);
hologram_status hg_client_put_cache_pin(hologram_client *client, hologram_ticket ticket,
                                        const char *key, bool pinned);
hologram_status hg_client_put_cache_what_if(hologram_client *client, hologram_ticket ticket,
                                            const uint64_t *entries, uint32_t count);
hologram_status hg_client_put_cache_profile(hologram_client *client, hologram_ticket ticket);
hologram_status hg_client_put_cache_warm(hologram_client *client, hologram_ticket ticket,
                                         const void *data, size_t bytes);

hg_client_take_fn hg_client_take_cache_list; /* const hologram_cache_list * */
hg_client_take_fn hg_client_take_cache_top;  /* the same */
hg_client_take_fn hg_client_take_shown;      /* const hologram_cache_shown * */
hg_client_take_fn hg_client_take_estimates;  /* const hologram_cache_estimates * */
hg_client_take_fn hg_client_take_flushed;    /* uint64_t */
hg_client_take_fn hg_client_take_keys;       /* const hologram_cache_keys * */

#endif
