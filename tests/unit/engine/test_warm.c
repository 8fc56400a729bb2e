/* SPDX-License-Identifier: Apache-2.0 */
/* What one engine has cached another one finds, if it is told to; and no file can keep it from
 * starting. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/engine/keyfile.h"
#include "tests/unit/engine/fixture.h"

/* ---- helpers --------------------------------------------------------------------------------- */

/* A name for a file that is not there yet. */
static void make_path(char path[64])
{
    (void)snprintf(path, 64, "/tmp/hologram-warm-XXXXXX");
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    (void)close(descriptor);
    assert_int_equal(unlink(path), 0);
}

static void write_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static struct hg_engine_stats stats_of(struct hg_engine *engine)
{
    struct hg_engine_stats stats;
    hg_engine_stats(engine, &stats);
    return stats;
}

static void wait_for_warming(struct hg_engine *engine)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    for (int i = 0; i < 20000 && stats_of(engine).is_warming; i++) {
        (void)nanosleep(&pause, NULL);
    }
    assert_false(stats_of(engine).is_warming);
}

static struct hg_engine *restored_engine(const struct hg_engine_options *options, const char *path)
{
    struct hg_engine *engine = test_engine_with(options);
    test_ok(hg_engine_cache_restore(engine, path, &error));
    wait_for_warming(engine);
    return engine;
}

/* Products of SIDE x SIDE: sizes are baked up to 64, so each side is a key of its own. */
static enum hg_cache_outcome multiply(struct hg_session *session, uint64_t side)
{
    const struct hg_buffer_spec spec = {.dtype = HG_F32, .rank = 2, .shape = {side, side}};
    for (uint64_t id = 1; id <= 3; id++) {
        test_ok(hg_session_alloc(session, id, &spec, NULL, &error));
    }
    struct hg_task task = {0};
    if (test_run_op(session, "gemm", 1, 2, 3, &task) != HG_OK) {
        fail_msg("%s", task.error.message);
    }
    for (uint64_t id = 1; id <= 3; id++) {
        test_ok(hg_session_free(session, id, &error));
    }
    return task.outcome;
}

/* Entries of a profile. */
static uint32_t profile(struct hg_engine *engine, struct hg_keyfile_entry *entries, uint32_t max)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    const uint8_t *entries_at;
    uint32_t count = 0;
    test_ok(hg_engine_profile(engine, &bytes, &size, &error));
    test_ok(hg_keyfile_check(bytes, size, &entries_at, &count, &error));
    for (uint32_t i = 0; i < count && i < max; i++) {
        hg_keyfile_entry_at(entries_at, i, &entries[i]);
    }
    hg_engine_profile_free(bytes);
    return count;
}

static uint32_t profile_count(struct hg_engine *engine)
{
    return profile(engine, NULL, 0);
}

/* ---- from one engine to the next ------------------------------------------------------------- */

/* What was cached is a hit at the first call after a restart; what was not is not. */
static void a_restart_is_warm(void **state)
{
    (void)state;
    char path[64];
    make_path(path);
    const struct hg_engine_options options = test_engine_options();
    struct hg_engine *engine = test_engine_with(&options);
    struct hg_session *session = test_session(engine, 1000);
    for (uint64_t side = 1; side <= 50; side++) {
        assert_true(multiply(session, side) != HG_CACHE_HIT);
    }
    test_ok(hg_engine_cache_save(engine, path, &error));
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);

    engine = restored_engine(&options, path);
    session = test_session(engine, 1000);
    assert_int_equal(stats_of(engine).warmed, 50);
    for (uint64_t side = 1; side <= 50; side++) {
        assert_int_equal(multiply(session, side), HG_CACHE_HIT);
    }
    assert_int_equal(multiply(session, 51), HG_CACHE_BUILD);
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
    assert_int_equal(unlink(path), 0);
}

/* The hottest keys come first; hits of the last process count half, and when they are used up and
 * nobody has asked since, the key is forgotten. */
static void hits_fade(void **state)
{
    (void)state;
    char path[64];
    make_path(path);
    struct hg_keyfile_entry entries[3] = {{.hits = 1}, {.hits = 4}, {.hits = 0}};
    const struct hg_engine_options options = test_engine_options();
    struct hg_engine *engine = test_engine_with(&options);
    struct hg_session *session = test_session(engine, 1000);
    for (uint64_t side = 1; side <= 3; side++) {
        (void)multiply(session, side);
    }
    struct hg_keyfile_entry keys[3] = {0};
    assert_int_equal(profile(engine, keys, 3), 3);
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
    for (int i = 0; i < 3; i++) {
        entries[i].key = keys[i].key;
    }
    uint8_t *bytes = NULL;
    size_t size = 0;
    test_ok(hg_keyfile_encode(entries, 3, &bytes, &size, &error));
    write_file(path, bytes, size);
    hg_free(HG_TAG_ENGINE, bytes);

    static const uint64_t left[] = {2, 1}; /* of 4 hits; those of 1 and 0 are gone at once */
    for (int restart = 0; restart < 2; restart++) {
        engine = restored_engine(&options, path);
        struct hg_keyfile_entry found[3] = {0};
        assert_int_equal(profile(engine, found, 3), 1);
        assert_true(hg_key_equal(&found[0].key, &entries[1].key));
        assert_int_equal(found[0].hits, left[restart]);
        test_ok(hg_engine_cache_save(engine, path, &error));
        hg_engine_destroy(&engine);
    }
    engine = restored_engine(&options, path);
    assert_int_equal(profile_count(engine), 0);
    hg_engine_destroy(&engine);
    assert_int_equal(unlink(path), 0);
}

/* Users' programs and baked handles mean nothing elsewhere: they are not saved. */
static void only_portable_keys_are_saved(void **state)
{
    (void)state;
    struct hg_engine_options options = test_engine_options();
    options.specialize_full = true;
    struct hg_engine *engine = test_engine_with(&options);
    struct hg_session *session = test_session(engine, 1000);
    (void)multiply(session, 4);
    test_load(session, 1, ".slots 1\nldg.f32 r1, [b0 + lane]\nexit\n");
    assert_int_equal(profile_count(engine), 0);
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

/* Warming stops at three quarters of the bounds, and evicts nothing. */
static void warming_leaves_room(void **state)
{
    (void)state;
    char path[64];
    make_path(path);
    struct hg_engine_options options = test_engine_options();
    struct hg_engine *engine = test_engine_with(&options);
    struct hg_session *session = test_session(engine, 1000);
    for (uint64_t side = 1; side <= 64; side++) {
        (void)multiply(session, side);
    }
    assert_int_equal(profile_count(engine), 64);
    test_ok(hg_engine_cache_save(engine, path, &error));
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
    options.cache_entries_max = 64;
    engine = restored_engine(&options, path);
    struct hg_cache_region_stats stats;
    hg_engine_cache_stats(engine, HG_CACHE_GEMM, &stats);
    assert_int_equal(stats.entries, 48);
    assert_int_equal(stats.evictions, 0);
    hg_engine_destroy(&engine);
    assert_int_equal(unlink(path), 0);
}

/* A running engine can be given a profile too; what is wrong with it is said at once. */
static void a_profile_warms(void **state)
{
    (void)state;
    struct hg_engine *from = test_engine();
    struct hg_session *session = test_session(from, 1000);
    (void)multiply(session, 7);
    uint8_t *bytes = NULL;
    size_t size = 0;
    test_ok(hg_engine_profile(from, &bytes, &size, &error));
    hg_session_destroy(&session);
    hg_engine_destroy(&from);

    struct hg_engine *to = test_engine();
    session = test_session(to, 1000);
    test_fails(hg_engine_cache_warm(to, bytes, size - 1, &error), HG_DATA_LOSS, "truncated");
    test_fails(hg_engine_cache_warm(to, (const uint8_t *)"", 0, &error), HG_DATA_LOSS, "short");
    test_ok(hg_engine_cache_warm(to, bytes, size, &error));
    wait_for_warming(to);
    assert_int_equal(multiply(session, 7), HG_CACHE_HIT);
    hg_session_destroy(&session);
    hg_engine_destroy(&to);
    hg_engine_profile_free(bytes);
}

/* An engine may go while it is warming, and a save in the midst of it is refused. */
static void destroying_ends_warming(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    char path[64];
    make_path(path);
    struct hg_keyfile_entry *entries = hg_calloc(HG_TAG_TEST, COUNT, sizeof *entries);
    assert_non_null(entries);
    for (uint64_t i = 0; i < COUNT; i++) { /* fill's programs bake the value */
        entries[i] = (struct hg_keyfile_entry){
            .key = {.cache = HG_CACHE_FILL,
                    .type = {HG_F64},
                    .mode = {HG_OPERAND_LANE},
                    .constant = {i + 2}},
            .hits = 1,
        };
    }
    uint8_t *bytes = NULL;
    size_t size = 0;
    test_ok(hg_keyfile_encode(entries, COUNT, &bytes, &size, &error));
    write_file(path, bytes, size);
    for (int round = 0; round < 10; round++) {
        struct hg_engine *engine = test_engine();
        test_ok(hg_engine_cache_restore(engine, path, &error));
        struct hg_error error;
        enum hg_status status = hg_engine_cache_save(engine, path, &error);
        assert_true(status == HG_FAILED_PRECONDITION || status == HG_OK);
        hg_engine_destroy(&engine);
    }
    hg_free(HG_TAG_ENGINE, bytes);
    hg_free(HG_TAG_TEST, entries);
    assert_int_equal(unlink(path), 0);
}

/* ---- files that are no good ------------------------------------------------------------------ */

/* Lines that the engine wrote to stderr while restoring PATH. */
static int count_lines(const char *path)
{
    char log[64];
    make_path(log);
    (void)fflush(stderr);
    int saved = dup(STDERR_FILENO);
    FILE *file = fopen(log, "wb+");
    assert_true(saved >= 0 && file != NULL);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);

    const struct hg_engine_options options = test_engine_options();
    struct hg_engine *engine = restored_engine(&options, path);
    struct hg_session *session = test_session(engine, 1000);
    (void)multiply(session, 3); /* it works all the same */
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);

    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    (void)close(saved);
    rewind(file);
    int lines = 0;
    for (int c; (c = fgetc(file)) != EOF;) {
        lines += c == '\n';
    }
    (void)fclose(file);
    assert_int_equal(unlink(log), 0);
    return lines;
}

/* One line about a damaged, truncated, foreign or unreadable file; none about one that is not
 * there. The engine works. */
static void bad_files_are_one_line(void **state)
{
    (void)state;
    char path[64];
    make_path(path);
    assert_int_equal(count_lines(path), 0);

    struct hg_keyfile_entry entry = {.hits = 3};
    uint8_t *bytes = NULL;
    size_t size = 0;
    test_ok(hg_keyfile_encode(&entry, 1, &bytes, &size, &error));
    write_file(path, bytes, size - 40);
    assert_int_equal(count_lines(path), 1);
    bytes[60] ^= 4;
    write_file(path, bytes, size);
    assert_int_equal(count_lines(path), 1);
    write_file(path, "#!/bin/sh\nexit 0\n", 17);
    assert_int_equal(count_lines(path), 1);
    write_file(path, "", 0);
    assert_int_equal(count_lines(path), 1);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(count_lines("/tmp"), 1);
    hg_free(HG_TAG_ENGINE, bytes);
}

/* Keys that name no cache, a user's program, or what no plan makes, in a file that is right
 * otherwise: passed over. */
static void bad_keys_are_passed_over(void **state)
{
    (void)state;
    char path[64];
    make_path(path);
    struct hg_keyfile_entry entries[5];
    memset(entries, 0, sizeof entries);
    entries[0].key.cache = UINT16_MAX;
    entries[1].key.cache = HG_CACHE_USER;
    entries[2].key.type[0] = 77;
    entries[3].key.form = HG_PROGRAM_UNROLLED_PHI;
    entries[3].key.operand[0] = UINT64_MAX;
    entries[4].key.policy = HG_KEY_FULL;
    uint8_t *bytes = NULL;
    size_t size = 0;
    test_ok(hg_keyfile_encode(entries, 5, &bytes, &size, &error));
    write_file(path, bytes, size);
    hg_free(HG_TAG_ENGINE, bytes);
    const struct hg_engine_options options = test_engine_options();
    struct hg_engine *engine = restored_engine(&options, path);
    assert_int_equal(stats_of(engine).warmed, 0);
    hg_engine_destroy(&engine);
    assert_int_equal(unlink(path), 0);
}

/* A save that fails leaves the engine and the old file as they are. */
static void a_failed_save_is_harmless(void **state)
{
    (void)state;
    char path[64];
    make_path(path);
    struct hg_engine *engine = test_engine();
    struct hg_session *session = test_session(engine, 1000);
    (void)multiply(session, 1);
    test_ok(hg_engine_cache_save(engine, path, &error));
    for (uint64_t side = 2; side <= 64; side++) {
        (void)multiply(session, side);
    }
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    const struct rlimit tight = {.rlim_cur = 1024, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    test_fails(hg_engine_cache_save(engine, path, &error), HG_RESOURCE_EXHAUSTED, "cannot write");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, handler);
    test_fails(hg_engine_cache_save(engine, "/nowhere/at/all", &error), HG_NOT_FOUND, "nowhere");
    assert_int_equal(multiply(session, 64), HG_CACHE_HIT);
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);

    const struct hg_engine_options options = test_engine_options();
    engine = restored_engine(&options, path);
    assert_int_equal(stats_of(engine).warmed, 1);
    hg_engine_destroy(&engine);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_restart_is_warm),
        cmocka_unit_test(hits_fade),
        cmocka_unit_test(only_portable_keys_are_saved),
        cmocka_unit_test(warming_leaves_room),
        cmocka_unit_test(a_profile_warms),
        cmocka_unit_test(destroying_ends_warming),
        cmocka_unit_test(bad_files_are_one_line),
        cmocka_unit_test(bad_keys_are_passed_over),
        cmocka_unit_test(a_failed_save_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
