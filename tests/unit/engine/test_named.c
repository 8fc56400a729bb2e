/* SPDX-License-Identifier: Apache-2.0 */
/* Named buffers: owner, group, others; what outlives a session and what comes back. */
#include "tests/unit/engine/fixture.h"

/* A published buffer outlives its session; another of the same user opens it. */
static void names_outlive_sessions(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session *session = test_session(engine, 1000);
    struct hg_engine_stats stats;
    struct hg_buffer_info info;
    float value = 7;
    test_alloc(session, 1, HG_F32, 4);
    test_write(session, 1, &value, 4);
    test_ok(hg_session_publish(session, 1, "models/a.b_c-1", 0600, 1000, &error));
    test_ok(hg_session_info(session, 1, &info, &error));
    assert_string_equal(info.name, "models/a.b_c-1");
    assert_int_equal(info.mode, 0600);
    hg_session_destroy(&session);
    hg_engine_stats(engine, &stats);
    assert_int_equal(stats.buffers, 1);

    session = test_session(engine, 1000);
    test_ok(hg_session_open(session, "models/a.b_c-1", 9, true, &info, &error));
    assert_int_equal(info.id, 9);
    assert_int_equal(info.bytes, 16);
    value = 0;
    test_read(session, 9, &value, 4);
    assert_true(value == 7);
    test_ok(hg_session_unpublish(session, "models/a.b_c-1", &error));
    test_read(session, 9, &value, 4);
    test_fails(hg_session_open(session, "models/a.b_c-1", 10, true, NULL, &error), HG_NOT_FOUND,
               "models/a.b_c-1");
    hg_session_destroy(&session);
    hg_engine_stats(engine, &stats);
    assert_int_equal(stats.buffers, 0);
    hg_engine_destroy(&engine);
}

/* Names and modes that are not allowed, and names that are taken. */
static void wrong_names_are_refused(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session *session = test_session(engine, 1000);
    char long_name[66];
    memset(long_name, 'x', 65);
    long_name[65] = '\0';
    test_alloc(session, 1, HG_F32, 4);
    test_alloc(session, 2, HG_F32, 4);
    test_fails(hg_session_publish(session, 3, "a", 0600, 1000, &error), HG_NOT_FOUND, "id 3");
    test_fails(hg_session_publish(session, 1, "", 0600, 1000, &error), HG_INVALID_ARGUMENT, "1 to");
    test_fails(hg_session_publish(session, 1, long_name, 0600, 1000, &error), HG_INVALID_ARGUMENT,
               "64");
    test_fails(hg_session_publish(session, 1, "a b", 0600, 1000, &error), HG_INVALID_ARGUMENT,
               "A-Z");
    test_fails(hg_session_publish(session, 1, "a", 0700, 1000, &error), HG_INVALID_ARGUMENT,
               "0700");
    test_fails(hg_session_publish(session, 1, "a", 0600, 2000, &error), HG_PERMISSION_DENIED,
               "group 2000");
    long_name[64] = '\0';
    test_ok(hg_session_publish(session, 1, long_name, 0600, 1000, &error));
    test_fails(hg_session_publish(session, 2, long_name, 0600, 1000, &error), HG_ALREADY_EXISTS,
               "taken");
    test_fails(hg_session_publish(session, 1, "b", 0600, 1000, &error), HG_ALREADY_EXISTS,
               "already");
    test_fails(hg_session_open(session, long_name, 2, false, NULL, &error), HG_ALREADY_EXISTS,
               "id 2");
    test_fails(hg_session_unpublish(session, "nothing", &error), HG_NOT_FOUND, "nothing");
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

static void count_visit(const struct hg_buffer_info *info, void *context)
{
    assert_true(info->name[0] != '\0');
    ++*(int *)context;
}

static int count_named(struct hg_session *session)
{
    int count = 0;
    hg_session_list_named(session, count_visit, &count);
    return count;
}

/* Owner's, group's and others' bits apply to whom they name, as with files; what may not be read
 * is as if it were not there. */
static void modes_apply(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    const gid_t shared[] = {3000, 50};
    struct hg_session_options options = test_session_options(1000);
    options.groups = shared;
    options.group_count = 2;
    struct hg_session *owner = test_session_with(engine, &options);
    options.uid = 1001;
    options.gid = 1001;
    struct hg_session *member = test_session_with(engine, &options);
    struct hg_session *other = test_session(engine, 1002);
    test_alloc(owner, 1, HG_F32, 4);
    float value = 1;

    test_ok(hg_session_publish(owner, 1, "private", 0600, 50, &error));
    test_fails(hg_session_open(member, "private", 1, false, NULL, &error), HG_NOT_FOUND, "private");
    test_fails(hg_session_unpublish(member, "private", &error), HG_NOT_FOUND, "private");
    assert_int_equal(count_named(owner), 1);
    assert_int_equal(count_named(member), 0);
    test_ok(hg_session_unpublish(owner, "private", &error));

    test_ok(hg_session_publish(owner, 1, "group", 0640, 50, &error));
    test_fails(hg_session_open(member, "group", 1, true, NULL, &error), HG_PERMISSION_DENIED,
               "only be read");
    test_ok(hg_session_open(member, "group", 1, false, NULL, &error));
    test_read(member, 1, &value, 4);
    test_fails(hg_session_write(member, 1, 0, &value, 4, &error), HG_PERMISSION_DENIED,
               "reading only");
    struct hg_view view;
    test_fails(hg_session_view(member, 1, 0, 4, true, &view, NULL, &error), HG_PERMISSION_DENIED,
               "reading only");
    test_alloc(member, 2, HG_F32, 4);
    test_op(member, "neg", 1, 0, 2);
    test_op_fails(member, "neg", 2, 0, 1, HG_PERMISSION_DENIED, "buffer 1");
    test_fails(hg_session_publish(member, 1, "mine", 0600, 50, &error), HG_PERMISSION_DENIED,
               "user 1000");
    test_fails(hg_session_open(other, "group", 1, false, NULL, &error), HG_NOT_FOUND, "group");
    test_fails(hg_session_unpublish(member, "group", &error), HG_PERMISSION_DENIED, "user 1000");
    test_ok(hg_session_unpublish(owner, "group", &error));

    test_ok(hg_session_publish(owner, 1, "all", 0606, 50, &error));
    test_fails(hg_session_open(member, "all", 3, false, NULL, &error), HG_NOT_FOUND, "all");
    test_ok(hg_session_open(other, "all", 1, true, NULL, &error));
    value = 5;
    test_write(other, 1, &value, 4);
    value = 0;
    test_read(owner, 1, &value, 4);
    assert_true(value == 5);
    hg_session_destroy(&owner);
    hg_session_destroy(&member);
    hg_session_destroy(&other);
    hg_engine_destroy(&engine);
}

static void count_all(const struct hg_buffer_info *info, void *context)
{
    (void)info;
    ++*(int *)context;
}

/* An administrator lists everything and takes names away, but a mode holds for him as well. */
static void administrators_list_and_unpublish(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session_options options = test_session_options(2000);
    options.admin = true;
    struct hg_session *admin = test_session_with(engine, &options);
    struct hg_session *owner = test_session(engine, 1000);
    int count = 0;
    assert_true(hg_session_admin(admin));
    test_alloc(owner, 1, HG_F32, 4);
    test_alloc(owner, 2, HG_F32, 4);
    test_ok(hg_session_publish(owner, 1, "private", 0600, 1000, &error));
    test_ok(hg_session_list_all(admin, count_all, &count, &error));
    assert_int_equal(count, 2);
    assert_int_equal(count_named(admin), 1);
    test_fails(hg_session_open(admin, "private", 1, false, NULL, &error), HG_NOT_FOUND, "private");
    test_fails(hg_session_list_all(owner, count_all, &count, &error), HG_PERMISSION_DENIED,
               "administrator");
    test_ok(hg_session_unpublish(admin, "private", &error));
    assert_int_equal(count_named(owner), 0);
    hg_session_destroy(&admin);
    hg_session_destroy(&owner);
    hg_engine_destroy(&engine);
}

/* Names count against their user over sessions, and named classes against the ration. */
static void names_are_rationed(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session_options options = test_session_options(1000);
    options.buffers_max = 3;
    options.boundary_classes_max = 1;
    options.user_bytes_max = 65536;
    char name[] = "a0";
    for (int i = 0; i < 3; i++) {
        struct hg_session *session = test_session_with(engine, &options);
        name[1] = (char)('0' + i);
        if (i == 0) {
            test_alloc_class(session, 1, HG_F32, 4);
        } else {
            test_alloc(session, 1, HG_F32, 4);
        }
        test_ok(hg_session_publish(session, 1, name, 0600, 1000, &error));
        hg_session_destroy(&session);
    }
    struct hg_session *session = test_session_with(engine, &options);
    test_alloc(session, 1, HG_F32, 4);
    test_fails(hg_session_publish(session, 1, "a3", 0600, 1000, &error), HG_RESOURCE_EXHAUSTED,
               "3 named buffers");
    test_ok(hg_session_unpublish(session, "a1", &error));
    test_alloc_class(session, 2, HG_F32, 4);
    test_fails(hg_session_publish(session, 2, "a3", 0600, 1000, &error), HG_RESOURCE_EXHAUSTED,
               "boundary pool");
    test_ok(hg_session_unpublish(session, "a0", &error));
    test_ok(hg_session_publish(session, 2, "a3", 0600, 1000, &error));
    /* Named buffers still count against their user. */
    struct hg_buffer_spec spec = test_spec(HG_U8, 65536 - 64);
    test_fails(hg_session_alloc(session, 3, &spec, NULL, &error), HG_RESOURCE_EXHAUSTED,
               "user 1000");
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_outlive_sessions),
        cmocka_unit_test(wrong_names_are_refused),
        cmocka_unit_test(modes_apply),
        cmocka_unit_test(administrators_list_and_unpublish),
        cmocka_unit_test(names_are_rationed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
