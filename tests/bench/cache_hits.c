/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a hit costs, by one thread and by two at once: independent lookups in turn, and a chain in
 * which each lookup needs the result of the one before. Beside it the same keys in what the seed
 * used (a chained hash map behind a readers-writer lock, with reference counts) and in liburcu's
 * lock-free hash table; and the hash of a key and one comparison alone, which no lookup can do
 * without: as calls of the two functions, and in line in one.
 *
 * All subjects take turns in slices of a fraction of a millisecond; the median slice is printed.
 */
#define URCU_INLINE_SMALL_FUNCTIONS
#define RCU_QSBR
#include <urcu/urcu-qsbr.h>

#include <urcu/rculfhash.h>

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/cache/hash.h"
#include "tests/bench/bench.h"
#include "tests/bench/cache_parts.h"

enum { LOOKUPS = 20000, SLICES = 150, KEYS_MAX = 32768 };

/* A node of the two baselines' maps. */
struct node {
    struct cds_lfht_node lfht;
    struct node *next; /* in a bucket of the locked map */
    _Atomic uint32_t references;
    struct hg_program *program;
};

static struct {
    struct hg_cache *cache;
    struct hg_cache_seed seed;
    hg_cache_floor_fn *floor;
    uint32_t key_count;
    struct hg_key *keys;
    struct hg_program **programs;
    uint32_t *successor; /* of a chain through all keys, in random order */
    struct hg_cache_handle *handles;
    struct node *nodes;
    struct node **buckets;
    uint32_t bucket_mask;
    pthread_rwlock_t lock;
    struct cds_lfht *lfht;
} world;

/* ---- the subjects: each makes LOOKUPS lookups -------------------------------------------------
 */

typedef uint64_t slice_fn(void);

/* Every subject's loop: I goes through all keys in turn; what it needs of the world is at hand. */
#define FOR_EACH_LOOKUP(i)                                                                         \
    for (uint32_t left = LOOKUPS, i = 0, end = world.key_count; left > 0;                          \
         left--, i = i + 1 == end ? 0 : i + 1)

static uint64_t hash_then_compare(void)
{
    const struct hg_key *keys = world.keys;
    struct hg_program *const *programs = world.programs;
    uint64_t sum = 0;
    FOR_EACH_LOOKUP(i)
    {
        sum += hg_cache_hash(&world.seed, &keys[i]) + hg_key_equal(&keys[i], &programs[i]->key);
    }
    return sum;
}

static uint64_t hash_and_compare_in_line(void)
{
    const struct hg_key *keys = world.keys;
    struct hg_program *const *programs = world.programs;
    hg_cache_floor_fn *both = world.floor;
    uint64_t sum = 0;
    FOR_EACH_LOOKUP(i)
    {
        sum += both(&world.seed, &keys[i], &programs[i]->key);
    }
    return sum;
}

static uint64_t borrow(void)
{
    struct hg_cache *cache = world.cache;
    const struct hg_key *keys = world.keys;
    uint64_t sum = 0;
    FOR_EACH_LOOKUP(i)
    {
        struct hg_cache_loan loan;
        HG_REQUIRE(hg_cache_borrow(cache, &keys[i], bench_cache_build, NULL, &loan, NULL, NULL) ==
                   HG_OK);
        sum += loan.program->word_count;
        hg_cache_return(&loan);
    }
    return sum;
}

static uint64_t borrow_chain(void)
{
    uint32_t i = 0;
    for (uint32_t n = 0; n < LOOKUPS; n++) {
        struct hg_cache_loan loan;
        HG_REQUIRE(hg_cache_borrow(world.cache, &world.keys[i], bench_cache_build, NULL, &loan,
                                   NULL, NULL) == HG_OK);
        /* The program's key names its number; the successor depends on what was found. */
        i = world.successor[loan.program->key.size[0]];
        hg_cache_return(&loan);
    }
    return i;
}

/* By one thread: handles belong to one. */
static uint64_t borrow_handle(void)
{
    struct hg_cache *cache = world.cache;
    struct hg_cache_handle *handles = world.handles;
    uint64_t sum = 0;
    FOR_EACH_LOOKUP(i)
    {
        struct hg_cache_loan loan;
        HG_REQUIRE(hg_cache_borrow_handle(cache, &handles[i], bench_cache_build, NULL, &loan, NULL,
                                          NULL) == HG_OK);
        sum += loan.program->word_count;
        hg_cache_return(&loan);
    }
    return sum;
}

static uint64_t acquire(void)
{
    struct hg_cache *cache = world.cache;
    const struct hg_key *keys = world.keys;
    uint64_t sum = 0;
    FOR_EACH_LOOKUP(i)
    {
        struct hg_cache_pin pin;
        HG_REQUIRE(hg_cache_acquire(cache, &keys[i], bench_cache_build, NULL, &pin, NULL, NULL) ==
                   HG_OK);
        sum += pin.program->word_count;
        hg_cache_release(cache, &pin);
    }
    return sum;
}

static uint64_t locked_map(void)
{
    const struct hg_key *keys = world.keys;
    uint64_t sum = 0;
    FOR_EACH_LOOKUP(i)
    {
        uint64_t hash = hg_cache_hash(&world.seed, &keys[i]);
        HG_REQUIRE(pthread_rwlock_rdlock(&world.lock) == 0);
        struct node *node = world.buckets[hash & world.bucket_mask];
        while (!hg_key_equal(&node->program->key, &keys[i])) {
            node = node->next;
        }
        atomic_fetch_add_explicit(&node->references, 1, memory_order_relaxed);
        HG_REQUIRE(pthread_rwlock_unlock(&world.lock) == 0);
        sum += node->program->word_count;
        atomic_fetch_sub_explicit(&node->references, 1, memory_order_acq_rel);
    }
    return sum;
}

static int matches(struct cds_lfht_node *node, const void *key)
{
    return hg_key_equal(&caa_container_of(node, struct node, lfht)->program->key, key);
}

/* Without a count, protected by QSBR: its thread has to announce that it holds nothing. */
static uint64_t lock_free_map(void)
{
    const struct hg_key *keys = world.keys;
    struct cds_lfht *lfht = world.lfht;
    uint64_t sum = 0;
    urcu_qsbr_register_thread();
    FOR_EACH_LOOKUP(i)
    {
        struct cds_lfht_iter found;
        uint64_t hash = hg_cache_hash(&world.seed, &keys[i]);
        urcu_qsbr_read_lock();
        cds_lfht_lookup(lfht, hash, matches, &keys[i], &found);
        struct cds_lfht_node *node = cds_lfht_iter_get_node(&found);
        sum += caa_container_of(node, struct node, lfht)->program->word_count;
        urcu_qsbr_read_unlock();
        urcu_qsbr_quiescent_state();
    }
    urcu_qsbr_unregister_thread();
    return sum;
}

enum subject {
    CALLS,
    FLOOR,
    BORROW,
    CHAIN,
    HANDLE,
    ACQUIRE,
    LOCKED,
    LOCK_FREE,
    BORROW_BY_TWO,
    ACQUIRE_BY_TWO,
    LOCKED_BY_TWO,
    LOCK_FREE_BY_TWO,
    SUBJECTS
};

static const struct {
    slice_fn *slice;
    bool by_two;
} subjects[SUBJECTS] = {
    [CALLS] = {hash_then_compare, false}, [FLOOR] = {hash_and_compare_in_line, false},
    [BORROW] = {borrow, false},           [CHAIN] = {borrow_chain, false},
    [HANDLE] = {borrow_handle, false},    [ACQUIRE] = {acquire, false},
    [LOCKED] = {locked_map, false},       [LOCK_FREE] = {lock_free_map, false},
    [BORROW_BY_TWO] = {borrow, true},     [ACQUIRE_BY_TWO] = {acquire, true},
    [LOCKED_BY_TWO] = {locked_map, true}, [LOCK_FREE_BY_TWO] = {lock_free_map, true},
};

/* ---- the world ------------------------------------------------------------------------------- */

static void *allocate(size_t count, size_t size)
{
    void *block = calloc(count, size);
    HG_REQUIRE(block != NULL);
    return block;
}

static void fill_maps(void)
{
    world.bucket_mask = 2 * KEYS_MAX - 1;
    world.nodes = allocate(world.key_count, sizeof *world.nodes);
    world.buckets = allocate(world.bucket_mask + 1, sizeof(struct node *));
    HG_REQUIRE(pthread_rwlock_init(&world.lock, NULL) == 0);
    world.lfht = cds_lfht_new_flavor(KEYS_MAX, KEYS_MAX, 2 * KEYS_MAX, 0, &urcu_qsbr_flavor, NULL);
    HG_REQUIRE(world.lfht != NULL);
    urcu_qsbr_register_thread();
    for (uint32_t i = 0; i < world.key_count; i++) {
        struct node *node = &world.nodes[i];
        uint64_t hash = hg_cache_hash(&world.seed, &world.keys[i]);
        node->program = world.programs[i];
        node->next = world.buckets[hash & world.bucket_mask];
        world.buckets[hash & world.bucket_mask] = node;
        cds_lfht_node_init(&node->lfht);
        cds_lfht_add(world.lfht, hash, &node->lfht);
    }
    urcu_qsbr_unregister_thread();
}

/* One cycle through all keys (S. Sattolo, Information Processing Letters 22:6, 1986). */
static void make_chain(void)
{
    uint64_t random = 1;
    for (uint32_t i = 0; i < world.key_count; i++) {
        world.successor[i] = i;
    }
    for (uint32_t i = world.key_count - 1; i > 0; i--) {
        uint32_t j = (uint32_t)(bench_cache_random(&random) % i);
        uint32_t swapped = world.successor[i];
        world.successor[i] = world.successor[j];
        world.successor[j] = swapped;
    }
}

static void create_world(uint32_t key_count)
{
    struct hg_error error = HG_ERROR_INIT;
    memset(&world, 0, sizeof world);
    world.cache = bench_cache_new(2 * KEYS_MAX);
    HG_REQUIRE(hg_cache_seed_init(&world.seed, &error) == HG_OK);
    hg_cache_floor_fn *by_aes = hg_cache_floor_by_aes();
    world.floor = by_aes != NULL ? by_aes : hg_cache_floor_portable;
    world.key_count = key_count;
    world.keys = allocate(key_count, sizeof *world.keys);
    world.programs = allocate(key_count, sizeof(void *));
    world.successor = allocate(key_count, sizeof *world.successor);
    world.handles = allocate(key_count, sizeof *world.handles);
    for (uint32_t i = 0; i < key_count; i++) {
        struct hg_cache_pin pin;
        world.keys[i] = bench_cache_key(i);
        HG_REQUIRE(hg_cache_acquire(world.cache, &world.keys[i], bench_cache_build, NULL, &pin,
                                    NULL, &error) == HG_OK);
        world.programs[i] = pin.program; /* kept until the end */
        hg_cache_handle_init(world.cache, &world.keys[i], &world.handles[i]);
    }
    make_chain();
    fill_maps();
}

static void destroy_world(void)
{
    urcu_qsbr_register_thread();
    for (uint32_t i = 0; i < world.key_count; i++) {
        HG_REQUIRE(cds_lfht_del(world.lfht, &world.nodes[i].lfht) == 0);
        struct hg_cache_pin pin = {world.programs[i]};
        hg_cache_release(world.cache, &pin);
    }
    urcu_qsbr_synchronize_rcu();
    urcu_qsbr_unregister_thread();
    HG_REQUIRE(cds_lfht_destroy(world.lfht, NULL) == 0);
    HG_REQUIRE(pthread_rwlock_destroy(&world.lock) == 0);
    hg_cache_destroy(&world.cache);
    free(world.buckets);
    free(world.nodes);
    free(world.handles);
    free(world.successor);
    free(world.programs);
    free(world.keys);
}

/* ---- measuring ------------------------------------------------------------------------------- */

static volatile uint64_t sink;

static double time_slice(slice_fn *slice)
{
    uint64_t start_ns = bench_now_ns();
    sink += slice();
    return (double)(bench_now_ns() - start_ns) / LOOKUPS;
}

/* The second thread, which lives as long as one world does: its slice begins with ours. */
static struct {
    pthread_t thread;
    pthread_barrier_t start;
    pthread_barrier_t end;
    slice_fn *slice; /* NULL: end */
    double ns;
} partner;

static void *run_partner(void *arg)
{
    (void)arg;
    for (;;) {
        (void)pthread_barrier_wait(&partner.start);
        if (partner.slice == NULL) {
            return NULL;
        }
        partner.ns = time_slice(partner.slice);
        (void)pthread_barrier_wait(&partner.end);
    }
}

static double time_by_two(slice_fn *slice)
{
    partner.slice = slice;
    (void)pthread_barrier_wait(&partner.start);
    double own_ns = time_slice(slice);
    (void)pthread_barrier_wait(&partner.end);
    return (own_ns + partner.ns) / 2;
}

static void measure(double medians[SUBJECTS])
{
    static double ns[SUBJECTS][SLICES];
    HG_REQUIRE(pthread_barrier_init(&partner.start, NULL, 2) == 0);
    HG_REQUIRE(pthread_barrier_init(&partner.end, NULL, 2) == 0);
    HG_REQUIRE(pthread_create(&partner.thread, NULL, run_partner, NULL) == 0);
    for (size_t slice = 0; slice < SLICES; slice++) {
        for (size_t i = 0; i < SUBJECTS; i++) {
            ns[i][slice] =
                subjects[i].by_two ? time_by_two(subjects[i].slice) : time_slice(subjects[i].slice);
        }
    }
    partner.slice = NULL;
    (void)pthread_barrier_wait(&partner.start);
    HG_REQUIRE(pthread_join(partner.thread, NULL) == 0);
    HG_REQUIRE(pthread_barrier_destroy(&partner.start) == 0);
    HG_REQUIRE(pthread_barrier_destroy(&partner.end) == 0);
    for (size_t i = 0; i < SUBJECTS; i++) {
        medians[i] = bench_median(ns[i], SLICES);
    }
}

static void row(const char *what, uint32_t keys, double value, double baseline)
{
    char name[80];
    (void)snprintf(name, sizeof name, "%s, %u programs", what, keys);
    bench_row(name, value, "ns", baseline, isnan(baseline) ? NAN : value / baseline);
}

/* The number of programs that the rows without a number speak of. */
#define KEYS_NAMED 1000

static void measure_world(uint32_t keys, struct bench_cache_costs *costs)
{
    double ns[SUBJECTS];
    create_world(keys);
    measure(ns);
    destroy_world();
    if (keys == KEYS_NAMED) {
        costs->hit_ns = ns[BORROW];
        bench_row("hit hot 1 thread", ns[BORROW], "ns", ns[CALLS], ns[BORROW] / ns[CALLS]);
        bench_row("hit hot 2 threads", ns[BORROW_BY_TWO], "ns", ns[BORROW],
                  ns[BORROW_BY_TWO] / ns[BORROW]);
    }
    row("hit hot 1 thread / hash, compare", keys, ns[BORROW], ns[CALLS]);
    row("hit hot 1 thread / both in line", keys, ns[BORROW], ns[FLOOR]);
    row("hit hot 2 threads / 1 thread", keys, ns[BORROW_BY_TWO], ns[BORROW]);
    row("prepared handle / hit", keys, ns[HANDLE], ns[BORROW]);
    row("hit / rwlock map", keys, ns[BORROW], ns[LOCKED]);
    row("hit / rwlock map, 2 threads", keys, ns[BORROW_BY_TWO], ns[LOCKED_BY_TWO]);
    row("hit / cds_lfht", keys, ns[BORROW], ns[LOCK_FREE]);
    row("hit / cds_lfht, 2 threads", keys, ns[BORROW_BY_TWO], ns[LOCK_FREE_BY_TWO]);
    row("counted pin / hit", keys, ns[ACQUIRE], ns[BORROW]);
    row("counted pin, 2 threads / 1 thread", keys, ns[ACQUIRE_BY_TWO], ns[ACQUIRE]);
    row("dependent chain / hit", keys, ns[CHAIN], ns[BORROW]);
}

void bench_cache_hits(struct bench_cache_costs *costs)
{
    measure_world(100, costs);
    measure_world(KEYS_NAMED, costs);
    measure_world(KEYS_MAX, costs);
}
