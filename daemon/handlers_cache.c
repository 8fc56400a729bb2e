/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program cache: looking into it, administering it, its keys as a file.
 *
 * What looks through the whole cache is a chore: it runs on a worker, fills the request's reply
 * from the request's arena there, and comes back as any work does. Meanwhile the loop touches
 * neither.
 */
#include <inttypes.h>
#include <string.h>

#include "daemon/handler.h"
#include "daemon/server.h"
#include "lib/base/arena.h"

/* What an answer holds besides a key file or a program's text: generously. */
#define PROFILE_ROOM 64
#define SHOW_ROOM    3072
/* Bytes of one listed program in a message, at most: name, cache, summary, figures, tags. */
#define LISTED_BYTES  (HG_CACHED_NAME_CHARS + HG_KEY_SUMMARY_MAX + 96)
#define LIST_DEFAULT  256
#define TOP_DEFAULT   20
#define LISTED_MAX    1000
#define ESTIMATES_MAX 64
#define ESTIMATES_OWN 5

/* ---- chores ---------------------------------------------------------------------------------- */

typedef void chore_fn(struct hg_request *request);

struct chore {
    struct hg_errand errand;
    chore_fn *work;
};

/* Both on a worker. */
static void run_cb(struct hg_errand *errand)
{
    const struct chore *chore = (const struct chore *)errand;
    chore->work(errand->context);
}

static void done_cb(struct hg_errand *errand)
{
    struct hg_request *request = errand->context;
    hg_completion_push(&request->client->server->completions, request);
}

static enum hg_handled give_to_worker(struct hg_request *request, chore_fn *work)
{
    struct chore *chore = hg_arena_alloc(&request->arena, sizeof(*chore));
    if (chore == NULL) {
        return hg_handled_fail(request, HG_RESOURCE_EXHAUSTED, "out of memory");
    }
    *chore = (struct chore){
        .errand = {.run = run_cb, .done = done_cb, .context = request},
        .work = work,
    };
    if (hg_engine_run_errand(request->client->server->engine, &chore->errand,
                             &request->reply.error) != HG_OK) {
        return hg_handled_done();
    }
    return HG_HANDLED_PENDING;
}

enum hg_handled hg_handle_cache_ended(struct hg_request *request)
{
    (void)request;
    return hg_handled_done();
}

static enum hg_status check_admin(struct hg_request *request)
{
    if (request->client->identity.admin) {
        return HG_OK;
    }
    return hg_fail(&request->reply.error, HG_PERMISSION_DENIED, "%s is for administrators",
                   hg_request_kind_name(request->message.step.kind));
}

static struct hg_engine *engine_of(const struct hg_request *request)
{
    return request->client->server->engine;
}

/* Says, at the end of a chore that failed, which request it was. */
static void name_failure(struct hg_request *request)
{
    if (request->reply.error.status != HG_OK) {
        (void)hg_error_prefix(&request->reply.error, "%s",
                              hg_request_kind_name(request->message.step.kind));
    }
}

static void out_of_memory(struct hg_request *request)
{
    (void)hg_fail(&request->reply.error, HG_RESOURCE_EXHAUSTED, "%s: out of memory",
                  hg_request_kind_name(request->message.step.kind));
}

/* ---- list and top ---------------------------------------------------------------------------- */

/* How many programs to list: what was asked for, as far as it fits into a message. */
static enum hg_status check_count(struct hg_request *request, uint32_t preset, uint32_t *count)
{
    const uint32_t asked = request->message.step.cache.count;
    const uint64_t room = (request->client->message_bytes_max - PROFILE_ROOM) / LISTED_BYTES;
    if (asked > LISTED_MAX) {
        return hg_fail(&request->reply.error, HG_INVALID_ARGUMENT,
                       "%s: count: expected at most %d, got %" PRIu32,
                       hg_request_kind_name(request->message.step.kind), LISTED_MAX, asked);
    }
    *count = asked != 0 ? asked : preset;
    *count = *count < room ? *count : (uint32_t)room;
    return HG_OK;
}

static void list_chore(struct hg_request *request)
{
    const struct hg_cache_args *args = &request->message.step.cache;
    struct hg_reply *reply = &request->reply;
    uint64_t position = args->position;
    uint32_t count = 0;
    if (check_count(request, LIST_DEFAULT, &count) != HG_OK) {
        return;
    }
    struct hg_cached *items = hg_arena_alloc(&request->arena, count * sizeof(*items));
    if (items == NULL) {
        out_of_memory(request);
        return;
    }
    if (hg_engine_cache_list(engine_of(request), args->cache, &position, items, &count,
                             &reply->error) == HG_OK) {
        reply->kind = HG_REQUEST_CACHE_LIST;
        reply->cached = (struct hg_cached_reply){items, count, position};
    }
    name_failure(request);
}

static void top_chore(struct hg_request *request)
{
    const struct hg_cache_args *args = &request->message.step.cache;
    struct hg_reply *reply = &request->reply;
    uint32_t count = 0;
    if (check_count(request, TOP_DEFAULT, &count) != HG_OK) {
        return;
    }
    struct hg_cached *items = hg_arena_alloc(&request->arena, count * sizeof(*items));
    if (items == NULL) {
        out_of_memory(request);
        return;
    }
    if (hg_engine_cache_top(engine_of(request), args->cache, items, &count, &reply->error) ==
        HG_OK) {
        reply->kind = HG_REQUEST_CACHE_TOP;
        reply->cached = (struct hg_cached_reply){.programs = items, .count = count};
    }
    name_failure(request);
}

enum hg_handled hg_handle_cache_list(struct hg_request *request, const struct hg_step *step)
{
    (void)step;
    return give_to_worker(request, list_chore);
}

enum hg_handled hg_handle_cache_top(struct hg_request *request, const struct hg_step *step)
{
    (void)step;
    return give_to_worker(request, top_chore);
}

/* ---- show ------------------------------------------------------------------------------------ */

/* Brings the text into the arena, where the reply's storage is. */
static void keep_code(struct hg_request *request, struct hg_cache_shown *shown)
{
    const uint64_t max = request->client->message_bytes_max - SHOW_ROOM;
    char *copy = NULL;
    if (shown->code != NULL && shown->code_length > max) {
        (void)hg_fail(&request->reply.error, HG_OUT_OF_RANGE,
                      "expected at most %" PRIu64 " bytes of code in one message, got %zu", max,
                      shown->code_length);
    } else if (shown->code != NULL) {
        copy = hg_arena_alloc(&request->arena, shown->code_length + 1);
        if (copy != NULL) {
            memcpy(copy, shown->code, shown->code_length + 1);
        } else {
            (void)hg_fail(&request->reply.error, HG_RESOURCE_EXHAUSTED, "out of memory");
        }
    }
    hg_engine_cache_shown_fini(shown);
    shown->code = copy;
}

static void show_chore(struct hg_request *request)
{
    struct hg_reply *reply = &request->reply;
    struct hg_cache_shown *shown = hg_arena_alloc(&request->arena, sizeof(*shown));
    if (shown == NULL) {
        out_of_memory(request);
        return;
    }
    if (hg_engine_cache_show(engine_of(request), request->message.step.cache.key,
                             request->client->identity.admin, shown, &reply->error) == HG_OK) {
        keep_code(request, shown);
    }
    if (reply->error.status == HG_OK) {
        reply->kind = HG_REQUEST_CACHE_SHOW;
        reply->shown = shown;
    }
    name_failure(request);
}

enum hg_handled hg_handle_cache_show(struct hg_request *request, const struct hg_step *step)
{
    (void)step;
    return give_to_worker(request, show_chore);
}

/* ---- what if --------------------------------------------------------------------------------- */

/* Sizes around that of the cache as it is. */
static void choose_sizes(uint64_t entries_max, uint64_t sizes[ESTIMATES_OWN])
{
    for (unsigned i = 0; i < ESTIMATES_OWN; i++) {
        sizes[i] = (entries_max << i) / 4;
    }
}

/* Of SIZES, in the request's arena. */
static void estimate(struct hg_request *request, const uint64_t *sizes, uint32_t count,
                     uint64_t entries_max)
{
    struct hg_reply *reply = &request->reply;
    struct hg_estimate *estimates = hg_arena_alloc(&request->arena, count * sizeof(*estimates));
    if (estimates == NULL) {
        out_of_memory(request);
        return;
    }
    uint64_t samples = 0;
    for (uint32_t i = 0; i < count; i++) {
        estimates[i].entries = sizes[i];
        estimates[i].hit_ratio = hg_engine_cache_what_if(engine_of(request), sizes[i], &samples);
    }
    reply->kind = HG_REQUEST_CACHE_WHAT_IF;
    reply->what_if = (struct hg_what_if_reply){samples, entries_max, estimates, count};
}

static void what_if_chore(struct hg_request *request)
{
    const struct hg_what_if_args *what_if = &request->message.step.what_if;
    struct hg_cache_totals totals;
    uint64_t own[ESTIMATES_OWN];
    if (what_if->count > ESTIMATES_MAX) {
        (void)hg_fail(&request->reply.error, HG_INVALID_ARGUMENT,
                      "cache_what_if: entries: expected at most %d sizes, got %" PRIu32,
                      ESTIMATES_MAX, what_if->count);
        return;
    }
    hg_engine_cache_totals(engine_of(request), &totals);
    if (what_if->count != 0) {
        estimate(request, what_if->entries, what_if->count, totals.entries_max);
    } else {
        choose_sizes(totals.entries_max, own);
        estimate(request, own, ESTIMATES_OWN, totals.entries_max);
    }
}

enum hg_handled hg_handle_cache_what_if(struct hg_request *request, const struct hg_step *step)
{
    (void)step;
    return give_to_worker(request, what_if_chore);
}

/* ---- administration -------------------------------------------------------------------------- */

static void flush_chore(struct hg_request *request)
{
    const struct hg_cache_args *args = &request->message.step.cache;
    struct hg_reply *reply = &request->reply;
    uint64_t dropped = 0;
    if (hg_engine_cache_drop(engine_of(request), args->cache, args->key, &dropped, &reply->error) ==
        HG_OK) {
        reply->kind = HG_REQUEST_CACHE_FLUSH;
        reply->dropped = dropped;
    }
    name_failure(request);
}

static void pin_chore(struct hg_request *request)
{
    const struct hg_cache_args *args = &request->message.step.cache;
    (void)!hg_engine_cache_pin(engine_of(request), args->key, args->pinned, &request->reply.error);
    name_failure(request);
}

static void reply_profile(struct hg_request *request, const uint8_t *bytes, size_t size)
{
    struct hg_reply *reply = &request->reply;
    const uint64_t max = request->client->message_bytes_max - PROFILE_ROOM;
    if (size > max) {
        (void)hg_fail(&reply->error, HG_OUT_OF_RANGE,
                      "expected at most %" PRIu64 " bytes in one message, got %zu", max, size);
        return;
    }
    uint8_t *copy = hg_arena_alloc(&request->arena, size);
    if (copy == NULL) {
        (void)hg_fail(&reply->error, HG_RESOURCE_EXHAUSTED, "out of memory");
        return;
    }
    memcpy(copy, bytes, size);
    reply->kind = HG_REQUEST_CACHE_PROFILE;
    reply->key_file = (struct hg_bytes){copy, size};
}

static void profile_chore(struct hg_request *request)
{
    uint8_t *bytes;
    size_t size;
    if (hg_engine_profile(engine_of(request), &bytes, &size, &request->reply.error) == HG_OK) {
        reply_profile(request, bytes, size);
        hg_engine_profile_free(bytes);
    }
    name_failure(request);
}

static void warm_chore(struct hg_request *request)
{
    const struct hg_bytes *key_file = &request->message.step.key_file;
    (void)!hg_engine_cache_warm(engine_of(request), key_file->data, key_file->size,
                                &request->reply.error);
    name_failure(request);
}

static enum hg_handled administer(struct hg_request *request, chore_fn *work)
{
    return check_admin(request) == HG_OK ? give_to_worker(request, work) : hg_handled_done();
}

enum hg_handled hg_handle_cache_flush(struct hg_request *request, const struct hg_step *step)
{
    (void)step;
    return administer(request, flush_chore);
}

enum hg_handled hg_handle_cache_pin(struct hg_request *request, const struct hg_step *step)
{
    (void)step;
    return administer(request, pin_chore);
}

enum hg_handled hg_handle_cache_profile(struct hg_request *request, const struct hg_step *step)
{
    (void)step;
    return administer(request, profile_chore);
}

enum hg_handled hg_handle_cache_warm(struct hg_request *request, const struct hg_step *step)
{
    (void)step;
    return administer(request, warm_chore);
}
