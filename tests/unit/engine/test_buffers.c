/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions' buffers: ids, shapes, access, views, quotas, and memory that changes its owner. */
#include <stdlib.h>

#include "lib/engine/idmap.h"
#include "lib/native/native.h"
#include "tests/unit/engine/fixture.h"

/* A fresh buffer reads as zeros, what is written is read back, and info tells what it is. */
static void alloc_write_read(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session *session = test_session(engine, 1000);
    struct hg_buffer_spec spec = {.dtype = HG_F64, .rank = 2, .shape = {3, 5}};
    struct hg_buffer_info info;
    test_ok(hg_session_alloc(session, 42, &spec, &info, &error));
    assert_int_equal(info.id, 42);
    assert_int_equal(info.bytes, 120);
    assert_int_equal(info.boundary_class, -1);
    assert_int_equal(info.uid, 1000);
    assert_int_equal(info.session_id, hg_session_id(session));
    assert_string_equal(info.name, "");
    assert_false(info.busy);
    double values[15];
    test_read(session, 42, values, sizeof values);
    for (size_t i = 0; i < HG_ARRAY_COUNT(values); i++) {
        assert_true(values[i] == 0);
    }
    const double two = 2;
    double back = 0;
    test_ok(hg_session_write(session, 42, 112, &two, sizeof two, &error));
    test_ok(hg_session_read(session, 42, 112, &back, sizeof back, &error));
    assert_true(back == two);
    test_ok(hg_session_free(session, 42, &error));
    test_fails(hg_session_info(session, 42, &info, &error), HG_NOT_FOUND, "id 42");
    hg_session_destroy(&session);
    assert_null(session);
    hg_engine_destroy(&engine);
    assert_null(engine);
}

/* Each wrong request gets its own status and a text that names what was wrong. */
static void wrong_requests_are_named(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session *session = test_session(engine, 1000);
    uint8_t bytes[16] = {0};
    struct hg_buffer_spec spec = test_spec(HG_F32, 10);
    test_alloc(session, 7, HG_F32, 10);
    test_fails(hg_session_alloc(session, 0, &spec, NULL, &error), HG_INVALID_ARGUMENT,
               "start at 1");
    test_fails(hg_session_alloc(session, 7, &spec, NULL, &error), HG_ALREADY_EXISTS, "id 7");
    spec.rank = 9;
    test_fails(hg_session_alloc(session, 8, &spec, NULL, &error), HG_INVALID_ARGUMENT, "rank 9");
    spec = (struct hg_buffer_spec){.dtype = HG_F32, .rank = 2, .shape = {1u << 31, UINT64_MAX / 4}};
    test_fails(hg_session_alloc(session, 8, &spec, NULL, &error), HG_INVALID_ARGUMENT, "overflows");
    spec = test_spec(HG_F64, UINT64_MAX / 8);
    test_fails(hg_session_alloc(session, 8, &spec, NULL, &error), HG_INVALID_ARGUMENT, "overflows");
    spec = test_spec((enum hg_dtype)12, 1);
    test_fails(hg_session_alloc(session, 8, &spec, NULL, &error), HG_INVALID_ARGUMENT, "type 12");
    spec = test_spec(HG_F32, 1);
    spec.pool = (enum hg_pool_kind)7;
    test_fails(hg_session_alloc(session, 8, &spec, NULL, &error), HG_INVALID_ARGUMENT, "pool 7");
    test_fails(hg_session_free(session, 8, &error), HG_NOT_FOUND, "id 8");
    test_fails(hg_session_read(session, 7, 30, bytes, 11, &error), HG_OUT_OF_RANGE,
               "buffer 7: offset 30 and length 11 pass its size of 40 bytes");
    test_fails(hg_session_write(session, 7, 41, bytes, 0, &error), HG_OUT_OF_RANGE, "offset 41");
    test_fails(hg_session_write(session, 7, UINT64_MAX, bytes, 2, &error), HG_OUT_OF_RANGE,
               "buffer 7");
    test_ok(hg_session_write(session, 7, 40, bytes, 0, &error));
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

/* A dimension of 0, wherever it stands, gives a buffer without elements. */
static void empty_buffers_are_buffers(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session *session = test_session(engine, 1000);
    struct hg_buffer_spec spec = {.dtype = HG_F64, .rank = 3, .shape = {UINT64_MAX, UINT64_MAX, 0}};
    struct hg_buffer_info info;
    test_ok(hg_session_alloc(session, 1, &spec, &info, &error));
    assert_int_equal(info.bytes, 0);
    spec = (struct hg_buffer_spec){.dtype = HG_F64, .rank = 0};
    test_ok(hg_session_alloc(session, 2, &spec, &info, &error));
    assert_int_equal(info.bytes, 8);
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

/* A view claims its buffer: writing alone, reading together with other readers. */
static void views_claim_their_buffer(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session *session = test_session(engine, 1000);
    float value = 3;
    test_alloc(session, 1, HG_F32, 100);
    test_alloc(session, 2, HG_F32, 100);
    struct hg_view writing;
    struct hg_buffer_info info;
    test_ok(hg_session_view(session, 1, 4, 8, true, &writing, &info, &error));
    assert_int_equal(writing.length, 8);
    assert_true(info.busy);
    test_fails(hg_session_read(session, 1, 0, &value, 4, &error), HG_FAILED_PRECONDITION,
               "buffer 1");
    test_op_fails(session, "neg", 1, 0, 2, HG_FAILED_PRECONDITION, "buffer 1");
    memcpy(writing.data, &value, sizeof value);
    hg_view_release(&writing);
    assert_null(writing.buffer);
    hg_view_release(&writing);

    struct hg_view reading;
    test_ok(hg_session_view(session, 1, 4, 0, false, &reading, NULL, &error));
    assert_int_equal(reading.length, 396);
    float seen;
    memcpy(&seen, reading.data, sizeof seen);
    assert_true(seen == 3);
    test_op(session, "neg", 1, 0, 2);
    test_op_fails(session, "neg", 2, 0, 1, HG_FAILED_PRECONDITION, "buffer 1");
    test_fails(hg_session_write(session, 1, 0, &value, 4, &error), HG_FAILED_PRECONDITION,
               "buffer 1");
    /* The memory stays as long as the view, whatever happens to the id. */
    test_ok(hg_session_free(session, 1, &error));
    memcpy(&seen, reading.data, sizeof seen);
    assert_true(seen == 3);
    hg_view_release(&reading);
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

/* Bounds on bytes (session and user), on the number of buffers and on classes are kept. */
static void quotas_are_kept(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session_options options = test_session_options(1000);
    options.bytes_max = 8192;
    options.user_bytes_max = 12288;
    options.buffers_max = 3;
    options.boundary_classes_max = 1;
    struct hg_session *one = test_session_with(engine, &options);
    struct hg_session *two = test_session_with(engine, &options);
    struct hg_buffer_spec spec = test_spec(HG_U8, 8192);
    test_alloc(one, 1, HG_U8, 8192);
    test_fails(hg_session_alloc(one, 2, &(struct hg_buffer_spec){.dtype = HG_U8}, NULL, &error),
               HG_RESOURCE_EXHAUSTED, "buffer 2: 64 bytes more would pass the session's bound");
    test_fails(hg_session_alloc(two, 1, &spec, NULL, &error), HG_RESOURCE_EXHAUSTED, "user 1000");
    test_alloc(two, 1, HG_U8, 4096);
    struct hg_session *other = test_session(engine, 1001);
    test_alloc(other, 1, HG_U8, 8192);

    test_alloc_class(one, 2, HG_U8, 5);
    spec.pool = HG_POOL_BOUNDARY;
    spec.shape[0] = 5;
    test_fails(hg_session_alloc(one, 3, &spec, NULL, &error), HG_RESOURCE_EXHAUSTED, "1 classes");
    test_ok(hg_session_free(one, 2, &error));
    test_alloc_class(one, 3, HG_U8, 5);
    test_ok(hg_session_free(one, 1, &error));
    test_alloc(one, 4, HG_U8, 1);
    test_alloc(one, 5, HG_U8, 1);
    test_fails(hg_session_alloc(one, 6, &spec, NULL, &error), HG_RESOURCE_EXHAUSTED, "3 buffers");
    hg_session_destroy(&one);
    hg_session_destroy(&two);
    hg_session_destroy(&other);
    hg_engine_destroy(&engine);
}

/* The boundary pool refuses what does not fit a class, unless heap memory will do. */
static void boundary_falls_back_when_asked(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session *session = test_session(engine, 1000);
    struct hg_buffer_spec spec = test_spec(HG_U8, 12289);
    struct hg_buffer_info info;
    spec.pool = HG_POOL_BOUNDARY;
    test_fails(hg_session_alloc(session, 1, &spec, NULL, &error), HG_INVALID_ARGUMENT, "12288");
    spec.boundary_fallback = true;
    test_ok(hg_session_alloc(session, 1, &spec, &info, &error));
    assert_int_equal(info.spec.pool, HG_POOL_HEAP);
    assert_int_equal(info.boundary_class, -1);
    spec.shape[0] = 12288;
    test_ok(hg_session_alloc(session, 2, &spec, &info, &error));
    assert_int_equal(info.spec.pool, HG_POOL_BOUNDARY);
    assert_true(info.boundary_class >= 0 && info.boundary_class < 96);
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

static void check_zeros(struct hg_session *session, uint64_t id, uint64_t bytes)
{
    struct hg_view view;
    test_ok(hg_session_view(session, id, 0, 0, false, &view, NULL, &error));
    assert_int_equal(view.length, bytes);
    for (uint64_t i = 0; i < bytes; i++) {
        if (view.data[i] != 0) {
            fail_msg("byte %llu of %llu holds %#x", (unsigned long long)i,
                     (unsigned long long)bytes, view.data[i]);
        }
    }
    hg_view_release(&view);
}

/* Allocates, writes a pattern everywhere, frees: what follows finds dirty memory if anything does.
 */
static void soil(struct hg_session *session, enum hg_pool_kind pool, uint64_t bytes)
{
    uint8_t *secret = malloc(bytes);
    assert_non_null(secret);
    memset(secret, 0xa5, bytes);
    for (uint64_t id = 1; id <= 8; id++) {
        struct hg_buffer_spec spec = test_spec(HG_U8, bytes);
        spec.pool = pool;
        test_ok(hg_session_alloc(session, id, &spec, NULL, &error));
        test_write(session, id, secret, bytes);
    }
    for (uint64_t id = 1; id <= 8; id++) {
        test_ok(hg_session_free(session, id, &error));
    }
    free(secret);
}

/* A freed buffer's bytes are never seen by the next owner: in every pool, at sizes of every kind,
 * also when the first use is a partial write or an operation. */
static void freed_bytes_are_never_seen(void **state)
{
    (void)state;
    static const struct {
        enum hg_pool_kind pool;
        uint64_t bytes;
    } cases[] = {
        {HG_POOL_BOUNDARY, 12288}, {HG_POOL_BOUNDARY, 100}, {HG_POOL_HEAP, 100},
        {HG_POOL_HEAP, 40000},     {HG_POOL_HEAP, 300000},  {HG_POOL_HEAP, 1000000},
        {HG_POOL_HEAP, 2000000},   {HG_POOL_HEAP, 3000000},
    };
    struct hg_engine *engine = test_engine();
    struct hg_session *one = test_session(engine, 1000);
    struct hg_session *two = test_session(engine, 1001);
    for (size_t i = 0; i < HG_ARRAY_COUNT(cases); i++) {
        uint64_t bytes = cases[i].bytes;
        struct hg_buffer_spec spec = test_spec(HG_U8, bytes);
        spec.pool = cases[i].pool;
        soil(one, cases[i].pool, bytes);
        for (uint64_t id = 1; id <= 8; id++) {
            test_ok(hg_session_alloc(two, id, &spec, NULL, &error));
        }
        check_zeros(two, 1, bytes);
        /* 2: a write of one byte in the middle. */
        test_ok(hg_session_write(two, 2, bytes / 2, "\0", 1, &error));
        check_zeros(two, 2, bytes);
        /* 3, 4 and 5: the first use is an operation. */
        test_op(two, "vector_add", 3, 4, 5);
        check_zeros(two, 5, bytes);
        check_zeros(two, 3, bytes);
        /* 6: an output of which only a part is computed. */
        const struct hg_named_attribute n = {"n", 1, 10};
        struct test_request storage;
        struct hg_task task = {0};
        (void)test_request(&storage, "copy", 7, 0, 6);
        storage.request.attributes = &n;
        storage.request.attribute_count = 1;
        assert_int_equal(hg_session_execute_wait(two, &storage.request, &task), HG_OK);
        check_zeros(two, 6, bytes);
        /* 8: a view for writing that writes nothing. */
        struct hg_view view;
        test_ok(hg_session_view(two, 8, 0, bytes, true, &view, NULL, &error));
        hg_view_release(&view);
        check_zeros(two, 8, bytes);
        for (uint64_t id = 1; id <= 8; id++) {
            test_ok(hg_session_free(two, id, &error));
        }
    }
    hg_session_destroy(&one);
    hg_session_destroy(&two);
    hg_engine_destroy(&engine);
}

static void append_id(const struct hg_buffer_info *info, void *context)
{
    uint64_t *ids = context;
    ids[++ids[0]] = info->id;
}

/* The listing is ascending by id, whatever the order of allocation, across many ids. */
static void list_is_ascending(void **state)
{
    (void)state;
    enum { COUNT = 600 };
    struct hg_engine *engine = test_engine();
    struct hg_session *session = test_session(engine, 1000);
    static uint64_t ids[COUNT + 1];
    ids[0] = 0;
    for (uint64_t i = 0; i < COUNT; i++) {
        test_alloc(session, (i * 7919 % COUNT + 1) * 1000003, HG_U8, 1);
    }
    hg_session_list(session, append_id, ids);
    assert_int_equal(ids[0], COUNT);
    for (uint64_t i = 1; i <= COUNT; i++) {
        assert_int_equal(ids[i], i * 1000003);
    }
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

/* Against a model: ids come and go, and the map finds exactly those that are there. */
static void idmap_agrees_with_a_model(void **state)
{
    (void)state;
    enum { IDS = 500 };
    static bool present[IDS + 1];
    memset(present, 0, sizeof present);
    struct hg_idmap map;
    uint32_t random = 99;
    uint32_t count = 0;
    int value = 0;
    hg_idmap_init(&map, 0x9e3779b97f4a7c15);
    assert_null(hg_idmap_find(&map, 0));
    for (int step = 0; step < 20000; step++) {
        random = random * 1664525u + 1013904223u; /* Numerical Recipes' generator */
        uint64_t id = (random >> 8) % IDS + 1;
        struct hg_idmap_entry *entry = hg_idmap_find(&map, id);
        assert_int_equal(entry != NULL, present[id]);
        if (entry != NULL) {
            assert_int_equal(entry->flag, id % 2);
            hg_idmap_remove(&map, entry);
            count--;
        } else {
            assert_true(hg_idmap_reserve(&map));
            hg_idmap_insert(&map, id, &value, id % 2 != 0);
            count++;
        }
        present[id] = !present[id];
        assert_int_equal(map.count, count);
    }
    hg_idmap_fini(&map);
}

/* When sessions end, every byte is back where it came from. */
static void destroy_gives_everything_back(void **state)
{
    (void)state;
    uint64_t before = hg_alloc_live_bytes_all();
    struct hg_engine *engine = test_engine();
    uint64_t idle = hg_alloc_live_bytes(HG_TAG_SESSION);
    struct hg_engine_stats stats;
    for (uid_t uid = 1000; uid < 1010; uid++) {
        struct hg_session *session = test_session(engine, uid);
        for (uint64_t id = 1; id < 100; id++) {
            test_alloc(session, id, HG_F32, id * 100);
        }
        for (uint64_t id = 100; id < 110; id++) {
            test_alloc_class(session, id, HG_F32, 10);
        }
        hg_engine_stats(engine, &stats);
        assert_int_equal(stats.sessions, 1);
        assert_int_equal(stats.buffers, 109);
        assert_int_equal(stats.buffer_bytes, 99 * 50 * 100 * 4 + 10 * 40);
        assert_int_equal(stats.pool.blocks[HG_POOL_BOUNDARY], 10);
        hg_session_destroy(&session);
        hg_engine_stats(engine, &stats);
        assert_int_equal(stats.sessions, 0);
        assert_int_equal(stats.buffers, 0);
        assert_int_equal(stats.buffer_bytes, 0);
        assert_int_equal(stats.pool.blocks[HG_POOL_HEAP], 0);
        assert_int_equal(stats.pool.blocks[HG_POOL_BOUNDARY], 0);
        assert_int_equal(hg_alloc_live_bytes(HG_TAG_SESSION), idle);
    }
    assert_int_equal(stats.workers, 2);
    assert_string_equal(stats.executor, hg_native_available() ? "native" : "block");
    hg_engine_destroy(&engine);
    assert_int_equal(hg_alloc_live_bytes_all(), before);
}

/* Options out of range are refused by name. */
static void options_are_checked(void **state)
{
    (void)state;
    struct hg_engine *engine = NULL;
    struct hg_engine_options options = test_engine_options();
    options.workers = 65;
    test_fails(hg_engine_create(&options, &engine, &error), HG_INVALID_ARGUMENT,
               "workers must be 0 to 64, got 65");
    options = test_engine_options();
    options.queue_depth = 0;
    test_fails(hg_engine_create(&options, &engine, &error), HG_INVALID_ARGUMENT, "queue_depth");
    options = test_engine_options();
    options.cache_entries_max = 1;
    test_fails(hg_engine_create(&options, &engine, &error), HG_INVALID_ARGUMENT, "cache_entries");
    options = test_engine_options();
    options.inline_max_ns = UINT64_MAX;
    test_fails(hg_engine_create(&options, &engine, &error), HG_INVALID_ARGUMENT, "inline_max_ns");
    options = test_engine_options();
    options.executor = HG_EXECUTOR_COUNT;
    test_fails(hg_engine_create(&options, &engine, &error), HG_INVALID_ARGUMENT, "executor");
    options = test_engine_options();
    options.native_bytes_max = 0;
    test_fails(hg_engine_create(&options, &engine, &error), HG_INVALID_ARGUMENT,
               "native_bytes_max");
    assert_null(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alloc_write_read),
        cmocka_unit_test(wrong_requests_are_named),
        cmocka_unit_test(empty_buffers_are_buffers),
        cmocka_unit_test(views_claim_their_buffer),
        cmocka_unit_test(quotas_are_kept),
        cmocka_unit_test(boundary_falls_back_when_asked),
        cmocka_unit_test(freed_bytes_are_never_seen),
        cmocka_unit_test(list_is_ascending),
        cmocka_unit_test(idmap_agrees_with_a_model),
        cmocka_unit_test(destroy_gives_everything_back),
        cmocka_unit_test(options_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
