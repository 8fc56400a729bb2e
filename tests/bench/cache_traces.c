/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which keys stay: hit rates of the cache and of three policies, simulated, on traces whose keys
 * are drawn or recorded; and what is left of a working set after a scan.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "tests/bench/bench.h"
#include "tests/bench/cache_parts.h"
#include "tests/bench/cache_policy.h"

enum { KEYS = 4096, CALLS = 200000, KEYS_MAX = KEYS + CALLS };

/* tests/data/README.md says how they were recorded. */
static const char demo_path[] = "tests/data/cache_demo_trace.txt";
static const char mixed_path[] = "tests/data/cache_mixed_trace.txt";

struct trace {
    uint32_t *calls;
    uint32_t count;
    uint32_t keys;     /* that it is made of, those of scans not counted */
    uint32_t keys_max; /* every key is below this */
    bool shifts;       /* what is hot changes */
};

/* ---- traces ---------------------------------------------------------------------------------- */

static struct trace new_trace(uint32_t count, uint32_t keys)
{
    struct trace trace = {
        .calls = calloc(count, sizeof(uint32_t)), .count = count, .keys = keys, .keys_max = keys};
    HG_REQUIRE(trace.calls != NULL);
    return trace;
}

/* Key k is drawn with a probability in proportion to (k + 1)^-exponent. */
static struct trace zipf(double exponent)
{
    static double below[KEYS];
    double sum = 0;
    for (uint32_t k = 0; k < KEYS; k++) {
        sum += pow(k + 1, -exponent);
        below[k] = sum;
    }
    struct trace trace = new_trace(CALLS, KEYS);
    uint64_t random = 88172645463325252u;
    for (uint32_t i = 0; i < CALLS; i++) {
        double wanted = (double)(bench_cache_random(&random) >> 11) * 0x1p-53 * sum;
        uint32_t low = 0;
        for (uint32_t high = KEYS - 1; low < high;) {
            uint32_t middle = (low + high) / 2;
            if (below[middle] < wanted) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        trace.calls[i] = low;
    }
    return trace;
}

/* Every tenth stretch of 2,000 calls asks for keys that never come again. */
static struct trace zipf_and_scan(void)
{
    struct trace trace = zipf(0.9);
    for (uint32_t i = 0; i < CALLS; i++) {
        if (i / 2000 % 10 == 9) {
            trace.calls[i] = trace.keys_max++;
        }
    }
    return trace;
}

/* Every tenth of the calls draws from other keys: what was hot is cold at once. */
static struct trace shifting_zipf(void)
{
    struct trace trace = zipf(0.9);
    trace.shifts = true;
    for (uint32_t i = 0; i < CALLS; i++) {
        trace.calls[i] = (trace.calls[i] + i / (CALLS / 10) * (KEYS / 10)) % KEYS;
    }
    return trace;
}

/* All keys in turn, 1.2 times as many as there is room for. */
static struct trace loop(uint32_t size)
{
    uint32_t keys = size + size / 5 + 1;
    struct trace trace = new_trace(CALLS, keys);
    for (uint32_t i = 0; i < CALLS; i++) {
        trace.calls[i] = i % keys;
    }
    return trace;
}

/* What a daemon was asked for. Empty if the file cannot be read. */
static struct trace recorded(const char *path)
{
    struct trace trace = new_trace(CALLS, 0);
    trace.count = 0;
    FILE *file = fopen(path, "r");
    char word[32];
    bool is_comment = false;
    while (file != NULL && trace.count < CALLS && fscanf(file, "%31s", word) == 1) {
        char *end;
        unsigned long key = strtoul(word, &end, 10);
        if (*end == '\0' && !is_comment && key < KEYS) {
            trace.calls[trace.count++] = (uint32_t)key;
            trace.keys = key >= trace.keys ? (uint32_t)key + 1 : trace.keys;
        } else if (word[0] == '#') {
            is_comment = fscanf(file, "%*[^\n]") == EOF;
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    trace.keys_max = trace.keys;
    return trace;
}

/* ---- hit rates ------------------------------------------------------------------------------- */

static double simulate(enum policy policy, const struct trace *trace, uint32_t size)
{
    struct policy_cache *cache = policy_new(policy, size, trace->keys_max);
    uint64_t hits = 0;
    for (uint32_t i = 0; i < trace->count; i++) {
        hits += policy_access(cache, trace->calls[i]);
    }
    policy_destroy(&cache);
    return (double)hits / trace->count;
}

static bool use(struct hg_cache *cache, uint32_t number)
{
    struct hg_key key = bench_cache_key(number);
    struct hg_cache_loan loan;
    struct hg_cache_result result;
    HG_REQUIRE(hg_cache_borrow(cache, &key, bench_cache_build, NULL, &loan, &result, NULL) ==
               HG_OK);
    hg_cache_return(&loan);
    return result.outcome == HG_CACHE_HIT;
}

static double replay(const struct trace *trace, uint32_t size)
{
    struct hg_cache *cache = bench_cache_new(size);
    uint64_t hits = 0;
    for (uint32_t i = 0; i < trace->count; i++) {
        hits += use(cache, trace->calls[i]);
    }
    hg_cache_destroy(&cache);
    return (double)hits / trace->count;
}

/* Shares that both are 0 are as good as each other. */
static double compare(double best, double value)
{
    return best == 0 ? 1 : best / value;
}

/* Over all traces but those whose hot keys change, for which the policy was not chosen. */
static double worst = 1;

static void compare_policies(const char *name, const struct trace *trace, uint32_t size)
{
    double rates[POLICY_COUNT];
    double best = 0;
    char label[80];
    for (int i = 0; i < POLICY_COUNT; i++) {
        rates[i] = 100 * simulate((enum policy)i, trace, size);
        best = rates[i] > best ? rates[i] : best;
        (void)snprintf(label, sizeof label, "%s, room for %u: %s", name, size,
                       policy_name((enum policy)i));
        bench_plain(label, rates[i], "%");
    }
    double own = 100 * replay(trace, size);
    (void)snprintf(label, sizeof label, "%s, room for %u: cache / best", name, size);
    bench_row(label, own, "%", best, compare(best, own));
    worst = !trace->shifts && compare(best, own) > worst ? compare(best, own) : worst;
}

static const double shares[] = {0.01, 0.02, 0.05, 0.10, 0.20, 0.50};

static void compare_sizes(const char *name, struct trace trace)
{
    uint32_t last = 0;
    for (size_t i = 0; i < HG_ARRAY_COUNT(shares); i++) {
        uint32_t size = (uint32_t)ceil(shares[i] * trace.keys);
        if (size != last && trace.count > 0) {
            compare_policies(name, &trace, size);
        }
        last = size;
    }
    free(trace.calls);
}

static void compare_loops(void)
{
    for (size_t i = 0; i < HG_ARRAY_COUNT(shares); i++) {
        uint32_t size = (uint32_t)(shares[i] * KEYS);
        struct trace trace = loop(size);
        compare_policies("loop 1.2x", &trace, size);
        free(trace.calls);
    }
}

/* ---- a scan ---------------------------------------------------------------------------------- */

enum { HOT = 256, ROOM = 512, SCAN = 100 * ROOM };

/* What of a hot set that was used often is there after a scan of a hundred times the room, during
 * which nothing of it was used. */
static void survive_scan(void)
{
    struct hg_cache *cache = bench_cache_new(ROOM);
    double left[POLICY_COUNT + 1] = {0};
    struct policy_cache *policies[POLICY_COUNT];
    for (int i = 0; i < POLICY_COUNT; i++) {
        policies[i] = policy_new((enum policy)i, ROOM, HOT + SCAN);
    }
    for (uint32_t call = 0; call < 10 * HOT + SCAN; call++) {
        uint32_t key = call < 10 * HOT ? call % HOT : call - 9 * HOT;
        for (int i = 0; i < POLICY_COUNT; i++) {
            (void)policy_access(policies[i], key);
        }
        (void)use(cache, key);
    }
    for (uint32_t key = 0; key < HOT; key++) {
        struct hg_key hot = bench_cache_key(key);
        struct hg_cache_entry entry;
        for (int i = 0; i < POLICY_COUNT; i++) {
            left[i] += 100.0 / HOT * policy_holds(policies[i], key);
        }
        left[POLICY_COUNT] +=
            100.0 / HOT * (hg_cache_peek(cache, &hot, &entry, NULL, NULL) == HG_OK);
    }
    for (int i = 0; i < POLICY_COUNT; i++) {
        char label[80];
        (void)snprintf(label, sizeof label, "hot set left after a scan: %s",
                       policy_name((enum policy)i));
        bench_plain(label, left[i], "%");
        policy_destroy(&policies[i]);
    }
    bench_plain("hot set left after a scan: cache", left[POLICY_COUNT], "%");
    hg_cache_destroy(&cache);
}

void bench_cache_traces(void)
{
    compare_sizes("zipf 0.7", zipf(0.7));
    compare_sizes("zipf 0.9", zipf(0.9));
    compare_sizes("zipf 1.1", zipf(1.1));
    compare_loops();
    compare_sizes("zipf 0.9, scans", zipf_and_scan());
    compare_sizes("zipf 0.9, shifting", shifting_zipf());
    compare_sizes("demo", recorded(demo_path));
    compare_sizes("mixed clients", recorded(mixed_path));
    bench_row("cache / best of three, worst of the traces", 100 / worst, "%", 100, worst);
    survive_scan();
}
