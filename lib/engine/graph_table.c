/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/graph_table.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"

void hg_graph_table_init(struct hg_graph_table *table, uint32_t graphs_max, uint64_t bytes_max)
{
    hg_mutex_init(&table->lock, HG_RANK_GRAPHS);
    table->graphs_max = graphs_max;
    table->bytes_max = bytes_max;
}

/* ---- by text and by content ------------------------------------------------------------------ */

/* Multiplies into 128 bits and folds, word by word; both factors depend on the seed. */
static uint64_t hash_text(uint64_t seed, const char *text, size_t length)
{
    uint64_t hash = seed ^ length;
    for (size_t at = 0; at < length; at += sizeof(uint64_t)) {
        const size_t left = length - at;
        uint64_t word = 0;
        memcpy(&word, text + at, left < sizeof word ? left : sizeof word);
        const unsigned __int128 product =
            (unsigned __int128)(hash ^ word) * ((seed | 1) ^ (uint64_t)at << 32);
        hash = (uint64_t)product ^ (uint64_t)(product >> 64);
    }
    return hash ^ hash >> 32;
}

static struct hg_graph_alias **text_bucket(struct hg_graph_table *table, uint64_t hash)
{
    return &table->by_text[hash % HG_GRAPH_BUCKETS];
}

static struct hg_known_graph **digest_bucket(struct hg_graph_table *table,
                                             const uint8_t digest[HG_SHA256_BYTES])
{
    uint64_t word;
    memcpy(&word, digest, sizeof word);
    return &table->by_digest[word % HG_GRAPH_BUCKETS];
}

static struct hg_graph_alias *find_alias(struct hg_graph_table *table, uint64_t hash,
                                         const char *text, size_t length)
{
    struct hg_graph_alias *alias = *text_bucket(table, hash);
    while (alias != NULL && (alias->hash != hash || alias->length != length ||
                             memcmp(alias->text, text, length) != 0)) {
        alias = alias->next;
    }
    return alias;
}

static struct hg_known_graph *find_digest(struct hg_graph_table *table,
                                          const uint8_t digest[HG_SHA256_BYTES])
{
    struct hg_known_graph *known = *digest_bucket(table, digest);
    while (known != NULL && memcmp(known->digest, digest, HG_SHA256_BYTES) != 0) {
        known = known->next;
    }
    return known;
}

/* ---- the order of last use ------------------------------------------------------------------- */

static void unlink_use(struct hg_graph_table *table, struct hg_known_graph *known)
{
    *(known->newer != NULL ? &known->newer->older : &table->newest) = known->older;
    *(known->older != NULL ? &known->older->newer : &table->oldest) = known->newer;
}

static void link_newest(struct hg_graph_table *table, struct hg_known_graph *known)
{
    known->newer = NULL;
    known->older = table->newest;
    *(known->older != NULL ? &known->older->newer : &table->oldest) = known;
    table->newest = known;
}

static void touch(struct hg_graph_table *table, struct hg_known_graph *known)
{
    if (table->newest != known) {
        unlink_use(table, known);
        link_newest(table, known);
    }
}

/* ---- references ------------------------------------------------------------------------------ */

void hg_graph_table_ref(struct hg_graph_table *table, struct hg_known_graph *known)
{
    hg_mutex_lock(&table->lock);
    known->references++;
    hg_mutex_unlock(&table->lock);
}

void hg_graph_table_unref(struct hg_graph_table *table, struct hg_known_graph **known)
{
    if (*known != NULL) {
        hg_mutex_lock(&table->lock);
        HG_REQUIRE((*known)->references > 0);
        (*known)->references--;
        hg_mutex_unlock(&table->lock);
        *known = NULL;
    }
}

enum hg_status hg_graph_table_pin(struct hg_graph_table *table, struct hg_known_graph *known,
                                  struct hg_error *error)
{
    enum hg_status status = HG_OK;
    hg_mutex_lock(&table->lock);
    if (known->pins == 0 && (table->stats.pinned >= table->graphs_max / 2 ||
                             table->pinned_bytes + known->bytes > table->bytes_max / 2)) {
        status = hg_fail(error, HG_RESOURCE_EXHAUSTED,
                         "loaded and named graphs take their half of the room for graphs already");
    } else {
        if (known->pins++ == 0) {
            table->stats.pinned++;
            table->pinned_bytes += known->bytes;
        }
        known->references++;
    }
    hg_mutex_unlock(&table->lock);
    return status;
}

void hg_graph_table_unpin(struct hg_graph_table *table, struct hg_known_graph **known)
{
    struct hg_known_graph *dropped = *known;
    *known = NULL;
    hg_mutex_lock(&table->lock);
    HG_REQUIRE(dropped->pins > 0 && dropped->references > 0);
    dropped->references--;
    if (--dropped->pins == 0) {
        table->stats.pinned--;
        table->pinned_bytes -= dropped->bytes;
    }
    hg_mutex_unlock(&table->lock);
}

/* ---- making room ----------------------------------------------------------------------------- */

static void drop_plan(struct hg_graph_table *table, struct hg_known_graph *known, uint32_t index)
{
    struct hg_ready_plan *plan = known->plans[index];
    known->plan_count--;
    memmove(&known->plans[index], &known->plans[index + 1],
            (known->plan_count - index) * sizeof(struct hg_ready_plan *));
    table->stats.plans--;
    table->stats.bytes -= plan->bytes;
    hg_ready_plan_unref(&plan);
}

static void drop_plans(struct hg_graph_table *table, struct hg_known_graph *known)
{
    while (known->plan_count > 0) {
        drop_plan(table, known, known->plan_count - 1);
    }
}

static void remove_alias(struct hg_graph_table *table, struct hg_graph_alias *alias)
{
    struct hg_graph_alias **at = text_bucket(table, alias->hash);
    while (*at != alias) {
        at = &(*at)->next;
    }
    *at = alias->next;
}

/* The bytes of KNOWN itself change by CHANGE. */
static void count_bytes(struct hg_graph_table *table, struct hg_known_graph *known, int64_t change)
{
    known->bytes += (uint64_t)change;
    table->stats.bytes += (uint64_t)change;
    if (known->pins > 0) {
        table->pinned_bytes += (uint64_t)change;
    }
}

static void drop_alias(struct hg_graph_table *table, struct hg_known_graph *known, uint32_t index)
{
    struct hg_graph_alias *alias = known->aliases[index];
    if (alias != NULL) {
        known->aliases[index] = NULL;
        remove_alias(table, alias);
        count_bytes(table, known, -(int64_t)hg_alloc_block_bytes(alias));
        hg_free(HG_TAG_GRAPH, alias);
    }
}

static void drop_known(struct hg_graph_table *table, struct hg_known_graph *known)
{
    struct hg_known_graph **at = digest_bucket(table, known->digest);
    while (*at != known) {
        at = &(*at)->next;
    }
    *at = known->next;
    drop_plans(table, known);
    for (uint32_t i = 0; i < HG_GRAPH_ALIASES_MAX; i++) {
        drop_alias(table, known, i);
    }
    unlink_use(table, known);
    table->stats.graphs--;
    table->stats.bytes -= known->bytes;
    hg_known_graph_destroy(known);
}

static bool has_room(const struct hg_graph_table *table, uint32_t graphs, uint64_t bytes)
{
    return table->stats.graphs + graphs <= table->graphs_max &&
           bytes <= table->bytes_max - (table->stats.bytes < table->bytes_max ? table->stats.bytes
                                                                              : table->bytes_max);
}

/* Lets go of what was not used for longest until GRAPHS more with BYTES fit. False if they do not
 * even so. */
static bool make_room(struct hg_graph_table *table, uint32_t graphs, uint64_t bytes)
{
    struct hg_known_graph *known = table->oldest;
    while (known != NULL && !has_room(table, graphs, bytes)) {
        struct hg_known_graph *newer = known->newer;
        if (known->references == 0) {
            drop_known(table, known);
            table->stats.evicted++;
        } else {
            drop_plans(table, known);
        }
        known = newer;
    }
    return has_room(table, graphs, bytes);
}

void hg_graph_table_fini(struct hg_graph_table *table)
{
    while (table->oldest != NULL) {
        HG_REQUIRE(table->oldest->references == 0);
        drop_known(table, table->oldest);
    }
    hg_mutex_fini(&table->lock);
}

/* ---- opening --------------------------------------------------------------------------------- */

/* Takes FRESH into the table. The lock is held. */
static enum hg_status insert(struct hg_graph_table *table, struct hg_known_graph *fresh,
                             struct hg_error *error)
{
    if (!make_room(table, 1, fresh->bytes)) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "there is no room for a graph of %llu bytes",
                       (unsigned long long)fresh->bytes);
    }
    struct hg_known_graph **bucket = digest_bucket(table, fresh->digest);
    fresh->next = *bucket;
    *bucket = fresh;
    link_newest(table, fresh);
    table->stats.graphs++;
    table->stats.bytes += fresh->bytes;
    return HG_OK;
}

/* Remembers that TEXT is KNOWN, which the caller refers to; without memory or room it is parsed
 * again the next time. The lock is held. */
static void add_alias(struct hg_graph_table *table, struct hg_known_graph *known, uint64_t hash,
                      const char *text, size_t length)
{
    if (find_alias(table, hash, text, length) != NULL) {
        return; /* another thread was as fast */
    }
    struct hg_graph_alias *alias = hg_malloc(HG_TAG_GRAPH, sizeof *alias + length);
    if (alias == NULL) {
        return;
    }
    const uint64_t bytes = hg_alloc_block_bytes(alias);
    if (!make_room(table, 0, bytes)) {
        hg_free(HG_TAG_GRAPH, alias);
        return;
    }
    const uint32_t index = known->alias_turn++ % HG_GRAPH_ALIASES_MAX;
    drop_alias(table, known, index);
    alias->known = known;
    alias->hash = hash;
    alias->length = length;
    memcpy(alias->text, text, length);
    alias->next = *text_bucket(table, hash);
    *text_bucket(table, hash) = alias;
    known->aliases[index] = alias;
    count_bytes(table, known, (int64_t)bytes);
}

static struct hg_known_graph *find_text(struct hg_graph_table *table, uint64_t hash,
                                        const char *text, size_t length)
{
    hg_mutex_lock(&table->lock);
    const struct hg_graph_alias *alias = find_alias(table, hash, text, length);
    struct hg_known_graph *known = alias != NULL ? alias->known : NULL;
    if (known != NULL) {
        known->references++;
        touch(table, known);
    }
    hg_mutex_unlock(&table->lock);
    return known;
}

struct hg_known_graph *hg_graph_table_find(struct hg_graph_table *table, const char *text,
                                           size_t length)
{
    return find_text(table, hash_text(table->seed, text, length), text, length);
}

enum hg_status hg_graph_table_open(struct hg_graph_table *table,
                                   const struct hg_graph_source *source,
                                   struct hg_known_graph **known, struct hg_error *error)
{
    uint64_t hash = 0;
    if (source->text != NULL) {
        hash = hash_text(table->seed, source->text, source->length);
        *known = find_text(table, hash, source->text, source->length);
        if (*known != NULL) {
            return HG_OK;
        }
    }
    struct hg_graph *graph = NULL;
    struct hg_known_graph *fresh = NULL;
    enum hg_status status = hg_graph_of_source(source, &graph, error);
    if (status == HG_OK) {
        status = hg_known_graph_create(graph, &fresh, error);
    }
    if (status != HG_OK) {
        return status;
    }
    HG_REQUIRE(fresh != NULL);
    hg_mutex_lock(&table->lock);
    struct hg_known_graph *found = find_digest(table, fresh->digest);
    if (found == NULL) {
        status = insert(table, fresh, error);
        found = status == HG_OK ? fresh : NULL;
    }
    if (found != NULL) {
        found->references++;
        touch(table, found);
    }
    if (found != NULL && source->text != NULL) {
        add_alias(table, found, hash, source->text, source->length);
    }
    hg_mutex_unlock(&table->lock);
    if (found != fresh) {
        hg_known_graph_destroy(fresh);
    }
    *known = found;
    return status;
}

/* ---- plans ----------------------------------------------------------------------------------- */

/* The lock is held. */
static struct hg_ready_plan *find_plan(struct hg_known_graph *known,
                                       const struct hg_graph_wanted *wanted)
{
    for (uint32_t i = 0; i < known->plan_count; i++) {
        struct hg_ready_plan *plan = known->plans[i];
        if (hg_ready_plan_fits(plan, wanted)) {
            memmove(&known->plans[1], &known->plans[0], i * sizeof(struct hg_ready_plan *));
            known->plans[0] = plan;
            return plan;
        }
    }
    return NULL;
}

struct hg_ready_plan *hg_graph_table_plan(struct hg_graph_table *table,
                                          struct hg_known_graph *known,
                                          const struct hg_graph_wanted *wanted)
{
    hg_mutex_lock(&table->lock);
    touch(table, known);
    struct hg_ready_plan *plan = find_plan(known, wanted);
    plan = plan != NULL ? hg_ready_plan_ref(plan) : NULL;
    table->stats.plan_hits += plan != NULL ? 1 : 0;
    hg_mutex_unlock(&table->lock);
    return plan;
}

void hg_graph_table_hit(struct hg_graph_table *table, const uint8_t digest[HG_SHA256_BYTES])
{
    hg_mutex_lock(&table->lock);
    struct hg_known_graph *known = find_digest(table, digest);
    if (known != NULL) {
        touch(table, known);
    }
    table->stats.plan_hits++;
    hg_mutex_unlock(&table->lock);
}

void hg_graph_table_keep(struct hg_graph_table *table, struct hg_known_graph *known,
                         struct hg_ready_plan *plan, uint64_t ns)
{
    struct hg_graph_wanted wanted = {.count = plan->wanted_words};
    memcpy(wanted.words, plan->wanted, plan->wanted_words * sizeof wanted.words[0]);
    hg_mutex_lock(&table->lock);
    table->stats.planned++;
    table->stats.plan_ns += ns;
    table->stats.planned_in[ns <= HG_HISTOGRAM_FIRST_NS ? 0 : hg_histogram_later_bucket(ns)]++;
    touch(table, known);
    if (find_plan(known, &wanted) == NULL && make_room(table, 0, plan->bytes)) {
        if (known->plan_count == HG_GRAPH_PLANS_MAX) {
            drop_plan(table, known, HG_GRAPH_PLANS_MAX - 1);
        }
        memmove(&known->plans[1], &known->plans[0],
                known->plan_count * sizeof(struct hg_ready_plan *));
        known->plans[0] = hg_ready_plan_ref(plan);
        known->plan_count++;
        table->stats.plans++;
        table->stats.bytes += plan->bytes;
    }
    hg_mutex_unlock(&table->lock);
}
