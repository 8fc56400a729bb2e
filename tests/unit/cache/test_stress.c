/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Twenty-four threads do everything at once: borrow, hold, acquire, prepare, evict, flush, pin,
 * list, fail to build. Every program is the right one and whole while it is used; the figures add
 * up; and afterwards memory is what it was, so each program was freed exactly once.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/cache/programs.h"

enum { THREADS = 24, CALLS = 3000, KEYS = 200, ENTRIES = 64, HANDLES = 8 };

struct worker {
    struct hg_cache *cache;
    uint64_t random;
    uint64_t lookups;
    uint64_t failed;
    struct hg_key handle_keys[HANDLES];
    struct hg_cache_handle handles[HANDLES];
    pthread_t thread;
    const char *complaint;
};

/* xorshift64 (G. Marsaglia, Journal of Statistical Software 8:14, 2003). */
static uint32_t draw(struct worker *worker)
{
    worker->random ^= worker->random << 13;
    worker->random ^= worker->random >> 7;
    worker->random ^= worker->random << 17;
    return (uint32_t)(worker->random >> 20);
}

static void check(struct worker *worker, bool condition, const char *complaint)
{
    if (!condition && worker->complaint == NULL) {
        worker->complaint = complaint;
    }
}

/* Programs have as many constants as their key says, so that a freed one shows. */
static uint32_t constants_of(uint64_t number)
{
    return (uint32_t)(number % 9);
}

static void check_program(struct worker *worker, const struct hg_program *program,
                          const struct hg_key *key)
{
    check(worker, hg_key_equal(&program->key, key), "another key's program");
    check(worker, program->facts.insn_count == constants_of(key->constant[0]) + 1,
          "a program that is not whole");
}

static struct hg_key draw_key(struct worker *worker)
{
    uint32_t number = draw(worker) % KEYS;
    return test_key((uint16_t)(number % TEST_REGIONS), number);
}

/* One in twenty builds fails. */
static struct test_build draw_build(struct worker *worker, const struct hg_key *key)
{
    return (struct test_build){
        .constants = constants_of(key->constant[0]),
        .fail_with = draw(worker) % 20 == 0 ? HG_UNIMPLEMENTED : HG_OK,
    };
}

static bool count(struct worker *worker, enum hg_status status)
{
    worker->lookups++;
    worker->failed += status != HG_OK;
    check(worker, status == HG_OK || status == HG_UNIMPLEMENTED, "a lookup failed");
    return status == HG_OK;
}

/* Half of them wait for builds in progress, the others build for themselves meanwhile. */
static enum hg_status borrow(struct worker *worker, const struct hg_key *key,
                             struct test_build *build, struct hg_cache_loan *loan)
{
    if (draw(worker) % 2 == 0) {
        return hg_cache_borrow(worker->cache, key, test_build_program, build, loan, NULL, NULL);
    }
    *loan = hg_cache_lend(worker->cache, key);
    return loan->program != NULL
               ? HG_OK
               : hg_cache_borrow_missing(worker->cache, key, test_build_program, test_build_program,
                                         build, loan, NULL, NULL);
}

static void borrow_two(struct worker *worker)
{
    struct hg_cache_loan loans[2];
    struct hg_key keys[2];
    bool lent[2];
    for (int i = 0; i < 2; i++) {
        keys[i] = draw_key(worker);
        struct test_build build = draw_build(worker, &keys[i]);
        lent[i] = count(worker, borrow(worker, &keys[i], &build, &loans[i]));
    }
    for (int i = 1; i >= 0; i--) {
        if (!lent[i]) {
            continue;
        }
        check_program(worker, loans[i].program, &keys[i]);
        if (draw(worker) % 4 == 0) {
            hg_cache_hold(&loans[i]);
            check_program(worker, loans[i].program, &keys[i]);
        }
        hg_cache_return(&loans[i]);
    }
}

static void acquire(struct worker *worker)
{
    struct hg_key key = draw_key(worker);
    struct test_build build = draw_build(worker, &key);
    struct hg_cache_pin pin;
    if (count(worker, hg_cache_acquire(worker->cache, &key, test_build_program, &build, &pin, NULL,
                                       NULL))) {
        check_program(worker, pin.program, &key);
        hg_cache_release(worker->cache, &pin);
    }
}

static void use_handle(struct worker *worker)
{
    struct hg_cache_handle *handle = &worker->handles[draw(worker) % HANDLES];
    struct test_build build = draw_build(worker, handle->key);
    struct hg_cache_loan loan;
    if (count(worker, hg_cache_borrow_handle(worker->cache, handle, test_build_program, &build,
                                             &loan, NULL, NULL))) {
        check_program(worker, loan.program, handle->key);
        hg_cache_return(&loan);
    }
}

static void administer(struct worker *worker)
{
    struct hg_cache_entry entries[16];
    struct hg_key key = draw_key(worker);
    struct hg_cache_pin pin;
    uint64_t position = draw(worker) % 64;
    switch (draw(worker) % 32) {
    case 0:
        hg_cache_flush(worker->cache);
        break;
    case 1:
        hg_cache_reclaim(worker->cache);
        break;
    case 2:
    case 3:
        check(worker, hg_cache_top(worker->cache, HG_CACHE_EVERY_REGION, entries, 16) <= 16, "top");
        break;
    case 4:
    case 5:
        check(worker, hg_cache_list(worker->cache, &position, entries, 16) <= 16, "list");
        break;
    case 6:
        /* Few enough that the cache always has something to evict. */
        key.constant[0] %= 8;
        key.cache = (uint16_t)(key.constant[0] % TEST_REGIONS);
        (void)!hg_cache_set_pinned(worker->cache, &key, draw(worker) % 2 == 0, NULL);
        break;
    case 7:
        (void)hg_cache_what_if(worker->cache, 32, NULL);
        break;
    default:
        if (hg_cache_peek(worker->cache, &key, &entries[0], &pin, NULL) == HG_OK) {
            check_program(worker, pin.program, &key);
            hg_cache_release(worker->cache, &pin);
        }
        break;
    }
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    for (int i = 0; i < HANDLES; i++) {
        worker->handle_keys[i] = draw_key(worker);
        hg_cache_handle_init(worker->cache, &worker->handle_keys[i], &worker->handles[i]);
    }
    for (int i = 0; i < CALLS; i++) {
        switch (draw(worker) % 8) {
        case 0:
            acquire(worker);
            break;
        case 1:
        case 2:
            use_handle(worker);
            break;
        case 3:
            administer(worker);
            break;
        default:
            borrow_two(worker);
            break;
        }
    }
    return NULL;
}

static void check_figures(const struct hg_cache *cache, uint64_t lookups)
{
    uint64_t answered = 0;
    uint64_t entries = 0;
    for (uint16_t region = 0; region < TEST_REGIONS; region++) {
        struct hg_cache_region_stats stats = test_region(cache, region);
        answered += stats.hits + stats.misses;
        entries += stats.entries;
        assert_true(stats.builds + stats.build_failures <= stats.misses);
    }
    assert_int_equal(answered, lookups);
    assert_int_equal(entries, hg_cache_entries(cache));
    assert_true(entries <= ENTRIES);
}

static void run_threads(void)
{
    uint64_t before = hg_alloc_live_bytes_all();
    struct hg_cache *cache = test_cache(ENTRIES, 1u << 20);
    static struct worker workers[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.cache = cache, .random = i + 1};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    uint64_t lookups = 0;
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        if (workers[i].complaint != NULL) {
            fail_msg("%s", workers[i].complaint);
        }
        lookups += workers[i].lookups;
        assert_true(workers[i].failed < workers[i].lookups);
    }
    check_figures(cache, lookups);
    hg_cache_reclaim(cache);
    assert_int_equal(hg_cache_retired_bytes(cache), 0);
    hg_cache_destroy(&cache);
    assert_int_equal(hg_alloc_live_bytes_all(), before);
}

/* Makes membarrier(2) fail for this process, as older kernels and strict filters do. */
static bool refuse_membarrier(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof filter / sizeof filter[0], .filter = filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 &&
           syscall(SYS_membarrier, 0, 0, 0) == -1 && errno == ENOSYS;
}

static void without_membarrier(void **state)
{
    (void)state;
    run_threads();
}

/* The same where the kernel has no membarrier and readers run a fence. In a child, which has not
 * used the cache before: what the kernel has is found out once. */
static void serves_without_membarrier(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct CMUnitTest tests[] = {cmocka_unit_test(without_membarrier)};
        _exit(refuse_membarrier() ? cmocka_run_group_tests(tests, NULL, NULL) : 99);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 99) {
        print_message("this system allows no filter: not tested\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void serves_many_threads(void **state)
{
    (void)state;
    run_threads();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serves_without_membarrier),
        cmocka_unit_test(serves_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
