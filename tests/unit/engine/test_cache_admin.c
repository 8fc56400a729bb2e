/* SPDX-License-Identifier: Apache-2.0 */
/* Asking about the cache, and administering it, through the engine. */
#include <pthread.h>
#include <stdio.h>

#include "lib/native/native.h"
#include "tests/unit/engine/fixture.h"

#define ITEMS 64

struct setting {
    struct hg_engine *engine;
    struct hg_session *session;
};

/* An engine in which vector_add ran once, relu three times more, and fill with a constant. */
static struct setting setting_with_traffic(void)
{
    struct setting setting = {.engine = test_engine()};
    setting.session = test_session(setting.engine, 1000);
    for (uint64_t id = 1; id <= 3; id++) {
        test_alloc(setting.session, id, HG_F32, 16);
    }
    test_op(setting.session, "vector_add", 1, 2, 3);
    for (int i = 0; i < 4; i++) {
        test_op(setting.session, "relu", 1, 0, 3);
    }
    struct hg_named_attribute value = {.name = "value", .name_length = 5, .bits = 0x40400000};
    const uint64_t output = 3;
    const struct hg_execute_request fill = {.op = "fill",
                                            .op_length = 4,
                                            .outputs = &output,
                                            .output_count = 1,
                                            .attributes = &value,
                                            .attribute_count = 1};
    struct hg_task task = {.allow_inline = true};
    assert_int_equal(hg_session_execute_wait(setting.session, &fill, &task), HG_OK);
    return setting;
}

static void setting_end(struct setting *setting)
{
    hg_session_destroy(&setting->session);
    hg_engine_destroy(&setting->engine);
}

/* Everything of CACHE, at once. */
static uint32_t list(struct hg_engine *engine, const char *cache, struct hg_cached *items)
{
    uint64_t position = 0;
    uint32_t count = ITEMS;
    test_ok(hg_engine_cache_list(engine, cache, &position, items, &count, &error));
    assert_int_equal(position, count < ITEMS ? 0 : position);
    return count;
}

static struct hg_cached only(struct hg_engine *engine, const char *cache)
{
    struct hg_cached items[ITEMS];
    assert_int_equal(list(engine, cache, items), 1);
    return items[0];
}

/* Pages of one list everything once; a page from beyond the end is empty and the last. */
static void lists_come_in_pages(void **state)
{
    (void)state;
    struct setting setting = setting_with_traffic();
    struct hg_cached items[ITEMS];
    assert_int_equal(list(setting.engine, "", items), 3);
    uint64_t position = 0;
    uint32_t listed = 0;
    do {
        struct hg_cached item;
        uint32_t count = 1;
        test_ok(hg_engine_cache_list(setting.engine, "", &position, &item, &count, &error));
        if (count > 0) {
            assert_string_equal(item.name, items[listed].name);
            assert_int_equal(strlen(item.name), HG_CACHED_NAME_CHARS);
            listed++;
        }
    } while (position != 0);
    assert_int_equal(listed, 3);
    position = UINT64_MAX;
    uint32_t count = ITEMS;
    test_ok(hg_engine_cache_list(setting.engine, "", &position, items, &count, &error));
    assert_int_equal(count, 0);
    assert_int_equal(position, 0);
    setting_end(&setting);
}

/* One cache's programs can be listed alone; a cache that is not there is named. */
static void lists_know_caches(void **state)
{
    (void)state;
    struct setting setting = setting_with_traffic();
    struct hg_cached item = only(setting.engine, "vector_add");
    assert_string_equal(item.cache, "vector_add");
    assert_string_equal(item.summary, "f32[lane] f32[lane] f32[lane]; unrolled");
    assert_true(item.bytes > 0);
    assert_false(item.is_pinned);
    struct hg_cached items[ITEMS];
    assert_int_equal(list(setting.engine, "tanh", items), 0);
    uint64_t position = 0;
    uint32_t count = ITEMS;
    test_fails(hg_engine_cache_list(setting.engine, "vector_ad", &position, items, &count, &error),
               HG_NOT_FOUND, "cache: there is none called 'vector_ad'");
    setting_end(&setting);
}

/* The most used come first, and no more than were asked for. */
static void top_is_ordered(void **state)
{
    (void)state;
    struct setting setting = setting_with_traffic();
    struct hg_cached items[ITEMS];
    uint32_t count = 1;
    test_ok(hg_engine_cache_top(setting.engine, "", items, &count, &error));
    assert_int_equal(count, 1);
    assert_string_equal(items[0].cache, "relu");
    assert_int_equal(items[0].hits, 3);
    count = 0;
    test_ok(hg_engine_cache_top(setting.engine, "", items, &count, &error));
    assert_int_equal(count, 0);
    count = ITEMS;
    test_fails(hg_engine_cache_top(setting.engine, "?", items, &count, &error), HG_NOT_FOUND,
               "'?'");
    setting_end(&setting);
}

static const char *field(const struct hg_cache_shown *shown, const char *name)
{
    for (uint32_t i = 0; i < shown->field_count; i++) {
        if (strcmp(shown->fields[i].name, name) == 0) {
            return shown->fields[i].text;
        }
    }
    return NULL;
}

/* A program is shown in words and as text; the beginning of its name is enough. */
static void programs_are_shown(void **state)
{
    (void)state;
    struct setting setting = setting_with_traffic();
    struct hg_cached item = only(setting.engine, "vector_add");
    struct hg_cache_shown shown;
    char prefix[13];
    (void)snprintf(prefix, sizeof prefix, "%.12s", item.name);
    test_ok(hg_engine_cache_show(setting.engine, prefix, false, &shown, &error));
    assert_string_equal(shown.item.name, item.name);
    assert_string_equal(field(&shown, "form"), "unrolled");
    assert_string_equal(field(&shown, "policy"), "structure");
    assert_string_equal(field(&shown, "operand 1"), "f32, lane");
    assert_null(field(&shown, "operand 3"));
    assert_string_equal(shown.origin, "precompiled");
    assert_string_equal(shown.executor, hg_native_available() ? "native" : "block");
    assert_non_null(strstr(shown.code, "add.f32"));
    assert_int_equal(strlen(shown.code), shown.code_length);
    assert_int_equal(shown.item.hits, item.hits);
    hg_engine_cache_shown_fini(&shown);
    setting_end(&setting);
}

/* What a key bakes, and code that has it, is shown only to who may see values. */
static void values_are_kept_back(void **state)
{
    (void)state;
    struct setting setting = setting_with_traffic();
    struct hg_cached item = only(setting.engine, "fill");
    struct hg_cache_shown shown;
    test_ok(hg_engine_cache_show(setting.engine, item.name, false, &shown, &error));
    assert_null(field(&shown, "constant 0"));
    assert_null(shown.code);
    hg_engine_cache_shown_fini(&shown);
    test_ok(hg_engine_cache_show(setting.engine, item.name, true, &shown, &error));
    assert_string_equal(field(&shown, "constant 0"), "0x40400000");
    assert_non_null(shown.code);
    hg_engine_cache_shown_fini(&shown);

    test_load(setting.session, 9, ".slots 1\nldg.f32 r1, [b0 + lane]\nexit\n");
    item = only(setting.engine, "user");
    assert_true(item.is_held);
    test_ok(hg_engine_cache_show(setting.engine, item.name, false, &shown, &error));
    assert_string_equal(shown.origin, "loaded");
    assert_null(shown.code);
    assert_null(field(&shown, "sha256"));
    hg_engine_cache_shown_fini(&shown);
    test_ok(hg_engine_cache_show(setting.engine, item.name, true, &shown, &error));
    assert_int_equal(strlen(field(&shown, "sha256")), 64);
    assert_non_null(strstr(shown.code, "ldg.f32"));
    hg_engine_cache_shown_fini(&shown);
    setting_end(&setting);
}

/* Names that are none, of nothing, or of several are refused, each in its own words. */
static void wrong_names_are_refused(void **state)
{
    (void)state;
    struct setting setting = setting_with_traffic();
    struct hg_cache_shown shown;
    static const char *const malformed[] = {"", "abc", "zzzz", "ABCD", "12 34", "../../etc"};
    for (size_t i = 0; i < HG_ARRAY_COUNT(malformed); i++) {
        test_fails(hg_engine_cache_show(setting.engine, malformed[i], true, &shown, &error),
                   HG_INVALID_ARGUMENT, "expected 4 to 64 of the digits 0-9 a-f");
        test_fails(hg_engine_cache_pin(setting.engine, malformed[i], true, &error),
                   HG_INVALID_ARGUMENT, "key: expected");
    }
    char absent[HG_CACHED_NAME_CHARS + 1];
    (void)snprintf(absent, sizeof absent, "%s", only(setting.engine, "relu").name);
    absent[HG_CACHED_NAME_CHARS - 1] = absent[HG_CACHED_NAME_CHARS - 1] == '0' ? '1' : '0';
    test_fails(hg_engine_cache_show(setting.engine, absent, true, &shown, &error), HG_NOT_FOUND,
               "no cached program's key begins with");
    char longer[HG_CACHED_NAME_CHARS + 2];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    uint64_t dropped = 0;
    test_fails(hg_engine_cache_drop(setting.engine, "", longer, &dropped, &error),
               HG_INVALID_ARGUMENT, "key: expected");
    setting_end(&setting);
}

/* Everything, one cache, or one program is dropped; what is pinned stays until it is unpinned. */
static void programs_are_dropped(void **state)
{
    (void)state;
    struct setting setting = setting_with_traffic();
    struct hg_engine *engine = setting.engine;
    struct hg_cached item = only(engine, "relu");
    uint64_t dropped = 0;
    test_ok(hg_engine_cache_pin(engine, item.name, true, &error));
    assert_true(only(engine, "relu").is_pinned);
    test_fails(hg_engine_cache_drop(engine, "", item.name, &dropped, &error),
               HG_FAILED_PRECONDITION, "pinned");
    test_ok(hg_engine_cache_drop(engine, "relu", "", &dropped, &error));
    assert_int_equal(dropped, 0);
    test_ok(hg_engine_cache_drop(engine, "vector_add", "", &dropped, &error));
    assert_int_equal(dropped, 1);
    test_ok(hg_engine_cache_drop(engine, "", "", &dropped, &error));
    assert_int_equal(dropped, 1);
    test_ok(hg_engine_cache_pin(engine, item.name, false, &error));
    test_ok(hg_engine_cache_drop(engine, "", item.name, &dropped, &error));
    assert_int_equal(dropped, 1);
    test_fails(hg_engine_cache_drop(engine, "no", "", &dropped, &error), HG_NOT_FOUND, "'no'");
    struct hg_cache_totals totals;
    hg_engine_cache_totals(engine, &totals);
    assert_int_equal(totals.entries, 0);
    test_op(setting.session, "vector_add", 1, 2, 3);
    struct hg_cache_region_stats stats;
    hg_engine_cache_stats(engine, HG_CACHE_VECTOR_ADD, &stats);
    assert_int_equal(stats.misses_by_reason[HG_CACHE_MISS_FLUSHED], 1);
    setting_end(&setting);
}

struct waiting {
    struct hg_errand errand;
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    int calls;
    pthread_t thread;
};

static void errand_run(struct hg_errand *errand)
{
    struct waiting *waiting = errand->context;
    pthread_mutex_lock(&waiting->mutex); /* whoever waits looks at it meanwhile */
    waiting->calls++;
    waiting->thread = pthread_self();
    pthread_mutex_unlock(&waiting->mutex);
}

static void errand_done(struct hg_errand *errand)
{
    struct waiting *waiting = errand->context;
    pthread_mutex_lock(&waiting->mutex);
    waiting->calls += 10;
    pthread_cond_signal(&waiting->ended);
    pthread_mutex_unlock(&waiting->mutex);
}

/* An errand runs once, on another thread, and says that it is done. */
static void errands_run_on_workers(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct waiting waiting = {.mutex = PTHREAD_MUTEX_INITIALIZER,
                              .ended = PTHREAD_COND_INITIALIZER};
    waiting.errand =
        (struct hg_errand){.run = errand_run, .done = errand_done, .context = &waiting};
    test_ok(hg_engine_run_errand(engine, &waiting.errand, &error));
    pthread_mutex_lock(&waiting.mutex);
    while (waiting.calls < 11) {
        pthread_cond_wait(&waiting.ended, &waiting.mutex);
    }
    pthread_mutex_unlock(&waiting.mutex);
    assert_int_equal(waiting.calls, 11);
    assert_false(pthread_equal(waiting.thread, pthread_self()));
    hg_engine_destroy(&engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_come_in_pages),  cmocka_unit_test(lists_know_caches),
        cmocka_unit_test(top_is_ordered),       cmocka_unit_test(programs_are_shown),
        cmocka_unit_test(values_are_kept_back), cmocka_unit_test(wrong_names_are_refused),
        cmocka_unit_test(programs_are_dropped), cmocka_unit_test(errands_run_on_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
