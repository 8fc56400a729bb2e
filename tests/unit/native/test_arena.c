/* SPDX-License-Identifier: Apache-2.0 */
/* Code space: what is put runs, no page is writable and executable, dropped space waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/native/arena.h"
#include "lib/native/perfmap.h"
#include "lib/native/x86.h"

typedef uint32_t number_fn(void);

/* Code of SIZE bytes (at least 16) that gives NUMBER. */
static void write_code(uint8_t *code, size_t size, uint32_t number)
{
    struct hg_x86 x;
    hg_x86_init(&x, code, 64, HG_X86_HAS(BASE));
    hg_x86_load(&x, HG_X86_RAX, number);
    hg_x86_0(&x, HG_X86_RET);
    memset(x.at, 0x90, size - hg_x86_here(&x));
}

static void *put(struct hg_code_arena *arena, size_t size, uint32_t number)
{
    uint8_t code[8192];
    void *where = NULL;
    assert_true(size <= sizeof(code));
    write_code(code, size, number);
    return hg_code_arena_put(arena, code, size, &where) == HG_OK ? where : NULL;
}

/* POSIX lets an address be a function; ISO C has no word for it. */
static uint32_t call(void *where)
{
    number_fn *fn;
    memcpy(&fn, &where, sizeof(fn));
    return fn();
}

static struct hg_code_arena *new_arena(uint64_t bytes)
{
    struct hg_code_arena *arena = NULL;
    struct hg_error error = HG_ERROR_INIT;
    if (hg_code_arena_new(bytes, &arena, &error) != HG_OK) {
        fail_msg("%s", error.message);
    }
    return arena;
}

static struct hg_code_arena_stats read_stats(struct hg_code_arena *arena)
{
    struct hg_code_arena_stats stats;
    hg_code_arena_read(arena, &stats);
    return stats;
}

/* An arena whose space can be used again; skips the test where the system has no such. */
static struct hg_code_arena *new_reusing_arena(uint64_t bytes)
{
    struct hg_code_arena *arena = new_arena(bytes);
    if (read_stats(arena).reuses == 0) {
        hg_code_arena_destroy(&arena);
        skip();
    }
    return arena;
}

/* What is put is run, at addresses that do not overlap, and the figures say what it takes. */
static void code_runs(void **state)
{
    (void)state;
    struct hg_code_arena *arena = new_arena(1 << 20);
    void *places[200];
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < 200; i++) {
        places[i] = put(arena, 64 + 7 * i, i);
        assert_non_null(places[i]);
        assert_int_equal((uintptr_t)places[i] % HG_CODE_GRANULE, 0);
        bytes += hg_code_arena_bytes(64 + 7 * i);
    }
    for (uint32_t i = 0; i < 200; i++) {
        assert_int_equal(call(places[i]), i);
    }
    struct hg_code_arena_stats stats = read_stats(arena);
    assert_int_equal(stats.used_bytes, bytes);
    assert_int_equal(stats.puts, 200);
    assert_int_equal(stats.refusals, 0);
    assert_int_equal(stats.bytes_max, 1 << 20);
    for (uint32_t i = 0; i < 200; i++) {
        hg_code_arena_drop(arena, places[i], 64 + 7 * i);
    }
    assert_int_equal(read_stats(arena).used_bytes, 0);
    hg_code_arena_destroy(&arena);
    assert_null(arena);
}

/* No mapping of this process is writable and executable, and none of the file is private. */
static void no_page_is_writable_and_executable(void **state)
{
    (void)state;
    struct hg_code_arena *arena = new_arena(1 << 20);
    void *where = put(arena, 64, 7);
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    unsigned writable = 0;
    unsigned runnable = 0;
    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps) != NULL) {
        char mode[5];
        assert_int_equal(sscanf(line, "%*s %4s", mode), 1);
        assert_false(mode[1] == 'w' && mode[2] == 'x');
        if (strstr(line, "hologram-code") != NULL) {
            writable += mode[1] == 'w';
            runnable += mode[2] == 'x';
        }
    }
    fclose(maps);
    assert_int_equal(writable, 1);
    assert_int_equal(runnable, 1);
    hg_code_arena_drop(arena, where, 64);
    hg_code_arena_destroy(&arena);
}

/* Dropped code is overwritten with traps at once, and its space is given again only after a
 * membarrier. */
static void dropped_space_waits_for_a_barrier(void **state)
{
    (void)state;
    struct hg_code_arena *arena = new_reusing_arena(4096);
    void *places[64];
    for (uint32_t i = 0; i < 64; i++) {
        places[i] = put(arena, 64, i);
        assert_non_null(places[i]);
    }
    assert_null(put(arena, 64, 1));
    assert_int_equal(read_stats(arena).barriers, 0);
    hg_code_arena_drop(arena, places[10], 64);
    assert_int_equal(read_stats(arena).pending_bytes, 64);
    uint8_t byte;
    memcpy(&byte, places[10], 1);
    assert_int_equal(byte, 0xcc);
    assert_ptr_equal(put(arena, 64, 99), places[10]);
    assert_int_equal(call(places[10]), 99);
    assert_int_equal(read_stats(arena).barriers, 1);
    for (uint32_t i = 0; i < 64; i++) {
        assert_int_equal(call(places[i]), i == 10 ? 99 : i);
        hg_code_arena_drop(arena, places[i], 64);
    }
    hg_code_arena_destroy(&arena);
}

/* A full arena refuses and says so in its figures; what does not fit at all is refused too. */
static void a_full_arena_refuses(void **state)
{
    (void)state;
    struct hg_code_arena *arena = new_reusing_arena(8192);
    void *first = put(arena, 4096, 1);
    void *second = put(arena, 4096, 2);
    assert_non_null(second);
    assert_null(put(arena, 16, 3));
    assert_int_equal(read_stats(arena).refusals, 1);
    hg_code_arena_drop(arena, first, 4096);
    assert_null(put(arena, 8192, 3));
    assert_int_equal(read_stats(arena).refusals, 2);
    assert_int_equal(call(second), 2);
    hg_code_arena_drop(arena, second, 4096);
    hg_code_arena_destroy(&arena);
}

/* Any pattern of sizes, lives and deaths leaves every live code what it was, and loses nothing. */
static void space_is_not_lost_or_shared(void **state)
{
    (void)state;
    enum { SLOTS = 300 };
    struct hg_code_arena *arena = new_reusing_arena(160 << 10);
    static struct {
        void *where;
        size_t size;
        uint32_t number;
    } slots[SLOTS];
    unsigned seed = 12345;
    uint64_t used = 0;
    memset(slots, 0, sizeof(slots));
    for (uint32_t turn = 0; turn < 20000; turn++) {
        seed = seed * 1103515245 + 12345;
        unsigned i = seed >> 8 & 0xffff;
        i %= SLOTS;
        if (slots[i].where != NULL) {
            assert_int_equal(call(slots[i].where), slots[i].number);
            hg_code_arena_drop(arena, slots[i].where, slots[i].size);
            used -= hg_code_arena_bytes(slots[i].size);
            slots[i].where = NULL;
        } else {
            slots[i].size = 64 + (seed >> 20) % 1500;
            slots[i].number = turn;
            slots[i].where = put(arena, slots[i].size, turn);
            used += slots[i].where != NULL ? hg_code_arena_bytes(slots[i].size) : 0;
        }
        if (turn % 500 == 0) {
            assert_int_equal(read_stats(arena).used_bytes, used);
        }
    }
    for (uint32_t i = 0; i < SLOTS; i++) {
        if (slots[i].where != NULL) {
            assert_int_equal(call(slots[i].where), slots[i].number);
            hg_code_arena_drop(arena, slots[i].where, slots[i].size);
        }
    }
    struct hg_code_arena_stats stats = read_stats(arena);
    print_message("%llu puts, %llu refused, %llu barriers\n", (unsigned long long)stats.puts,
                  (unsigned long long)stats.refusals, (unsigned long long)stats.barriers);
    assert_int_equal(stats.used_bytes, 0);
    /* All of it is there again, in one piece. */
    for (uint32_t i = 0; i < 20; i++) {
        slots[i].where = put(arena, 8192, i);
        assert_non_null(slots[i].where);
    }
    for (uint32_t i = 0; i < 20; i++) {
        hg_code_arena_drop(arena, slots[i].where, 8192);
    }
    hg_code_arena_destroy(&arena);
}

struct churn {
    struct hg_code_arena *arena;
    uint32_t base;
};

static void *churn(void *argument)
{
    const struct churn *mine = argument;
    void *kept[16] = {NULL};
    for (uint32_t i = 0; i < 2000; i++) {
        void **slot = &kept[i % 16];
        if (*slot != NULL) {
            if (call(*slot) != mine->base + i - 16) {
                return "wrong code";
            }
            hg_code_arena_drop(mine->arena, *slot, 64 + (i - 16) % 700);
        }
        *slot = put(mine->arena, 64 + i % 700, mine->base + i);
        if (*slot == NULL) {
            return "no room";
        }
    }
    for (uint32_t i = 2000 - 16; i < 2000; i++) {
        hg_code_arena_drop(mine->arena, kept[i % 16], 64 + i % 700);
    }
    return NULL;
}

/* Threads put, run and drop at the same time, and each finds its own code. */
static void threads_share_an_arena(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    struct hg_code_arena *arena = new_reusing_arena(512 << 10);
    pthread_t threads[THREADS];
    struct churn churns[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        churns[i] = (struct churn){arena, i * 10000};
        assert_int_equal(pthread_create(&threads[i], NULL, churn, &churns[i]), 0);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        if (result != NULL) {
            fail_msg("%s", (const char *)result);
        }
    }
    assert_int_equal(read_stats(arena).used_bytes, 0);
    hg_code_arena_destroy(&arena);
}

/* An arena for which there is no memory is not made, put without room says so, and nothing of
 * either is left. */
static void failures_leave_nothing_behind(void **state)
{
    (void)state;
    uint64_t before = hg_alloc_live_bytes_all();
    for (uint64_t skip = 0; skip < 2; skip++) {
        struct hg_code_arena *arena = NULL;
        struct hg_error error = HG_ERROR_INIT;
        hg_alloc_fault_set(skip, false);
        assert_int_not_equal(hg_code_arena_new(1 << 16, &arena, &error), HG_OK);
        hg_alloc_fault_clear();
        assert_null(arena);
        assert_non_null(strstr(error.message, "native code"));
    }
    struct hg_code_arena *arena = new_arena(1 << 16);
    hg_alloc_fault_set(0, false);
    assert_null(put(arena, 64, 1));
    hg_alloc_fault_clear();
    assert_int_equal(read_stats(arena).refusals, 1);
    assert_int_equal(read_stats(arena).used_bytes, 0);
    hg_code_arena_destroy(&arena);
    struct hg_error error = HG_ERROR_INIT;
    assert_int_equal(hg_code_arena_new(0, &arena, &error), HG_INVALID_ARGUMENT);
    assert_int_equal(hg_code_arena_new(UINT64_MAX, &arena, &error), HG_INVALID_ARGUMENT);
    assert_int_equal(hg_alloc_live_bytes_all(), before);
}

/* The process's arena is one, whoever asks, and a later wish for another size changes nothing. */
static void the_process_has_one_arena(void **state)
{
    (void)state;
    assert_int_equal(hg_code_arena_start(1 << 20, NULL), HG_OK);
    struct hg_code_arena *arena = hg_code_arena_shared();
    assert_non_null(arena);
    assert_int_equal(hg_code_arena_start(2 << 20, NULL), HG_OK);
    assert_ptr_equal(hg_code_arena_shared(), arena);
    assert_int_equal(read_stats(arena).bytes_max, 1 << 20);
}

/* The map of names has a line for each piece of code, whatever its name holds. */
static void the_perf_map_names_code(void **state)
{
    (void)state;
    char path[64];
    char text[1024];
    char long_name[600];
    snprintf(path, sizeof(path), "/tmp/perf-%ld.map", (long)getpid());
    memset(long_name, 'x', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = 0;
    hg_perf_map_add(text, 1, "before it is open");
    assert_int_equal(hg_perf_map_open(NULL), HG_OK);
    assert_int_equal(hg_perf_map_open(NULL), HG_OK);
    hg_perf_map_add((const void *)0x1000, 0x20, "gelu.f32");
    hg_perf_map_add((const void *)0x1040, 0x40, "two\nlines");
    hg_perf_map_add((const void *)0x1080, 0x40, long_name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    unlink(path);
    text[size] = 0;
    assert_int_equal(strncmp(text, "1000 20 gelu.f32\n1040 40 two lines\n1080 40 xxx", 46), 0);
    assert_int_equal(text[size - 1], '\n');
    assert_true(size < 320);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(code_runs),
        cmocka_unit_test(no_page_is_writable_and_executable),
        cmocka_unit_test(dropped_space_waits_for_a_barrier),
        cmocka_unit_test(a_full_arena_refuses),
        cmocka_unit_test(space_is_not_lost_or_shared),
        cmocka_unit_test(threads_share_an_arena),
        cmocka_unit_test(failures_leave_nothing_behind),
        cmocka_unit_test(the_process_has_one_arena),
        cmocka_unit_test(the_perf_map_names_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
