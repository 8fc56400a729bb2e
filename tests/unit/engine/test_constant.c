/* SPDX-License-Identifier: Apache-2.0 */
/* Constant buffers: who makes them so, and that nothing writes one afterwards. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/engine/async.h"

#define USER   1000
#define OTHER  1001
#define ROUNDS 200

#define CONSTANT "buffer 1 is constant"

/* Buffer 1 is constant and holds 1, 2, 3, 4; buffer 2 is not. */
struct setting {
    struct hg_engine *engine;
    struct hg_session *session;
};

static struct setting begin(void)
{
    struct setting setting = {.engine = test_engine()};
    setting.session = test_session(setting.engine, USER);
    test_alloc(setting.session, 1, HG_F32, 4);
    test_alloc(setting.session, 2, HG_F32, 4);
    test_fill(setting.session, 1, 4, 1, 1);
    test_ok(hg_session_freeze(setting.session, 1, &error));
    return setting;
}

/* The content is what it was: nothing has come through. */
static void end(struct setting *setting)
{
    float values[4];
    test_read(setting->session, 1, values, sizeof values);
    for (int i = 0; i < 4; i++) {
        assert_true(values[i] == (float)(i + 1));
    }
    hg_session_destroy(&setting->session);
    hg_engine_destroy(&setting->engine);
}

/* Every way to write a buffer names it and is refused; reading, again freezing and freeing go on.
 */
static void nothing_writes_it(void **state)
{
    (void)state;
    struct setting setting = begin();
    struct hg_session *session = setting.session;
    const float value = 9;
    struct hg_view view;
    test_ok(hg_session_freeze(session, 1, &error));
    test_fails(hg_session_write(session, 1, 0, &value, 4, &error), HG_PERMISSION_DENIED, CONSTANT);
    test_fails(hg_session_view(session, 1, 0, 4, true, &view, NULL, &error), HG_PERMISSION_DENIED,
               CONSTANT);
    test_op_fails(session, "vector_add", 2, 2, 1, HG_PERMISSION_DENIED, CONSTANT);
    test_op_fails(session, "vector_add", 1, 1, 1, HG_PERMISSION_DENIED, CONSTANT);
    test_op(session, "vector_add", 1, 1, 2);
    test_ok(hg_session_view(session, 1, 0, 0, false, &view, NULL, &error));
    test_op(session, "vector_add", 1, 1, 2);
    hg_view_release(&view);
    test_fails(hg_session_freeze(session, 7, &error), HG_NOT_FOUND, "id 7");
    end(&setting);
}

/* A call that came again and again ends to do so once its output is constant. */
static void repeats_see_it(void **state)
{
    (void)state;
    struct setting setting = begin();
    struct hg_repeat *repeat = hg_repeat_create();
    struct hg_task task = {.allow_inline = true, .repeat = repeat};
    struct test_request storage;
    struct hg_error reason = HG_ERROR_INIT;
    const struct hg_execute_request *request = test_request(&storage, "vector_add", 1, 1, 2);
    assert_int_equal(hg_session_execute_wait(setting.session, request, &task), HG_OK);
    assert_int_equal(hg_session_repeat(setting.session, repeat, NULL, &reason), HG_REPEAT_RAN);
    test_ok(hg_session_freeze(setting.session, 2, &error));
    assert_int_equal(hg_session_repeat(setting.session, repeat, NULL, &reason), HG_REPEAT_NOT);
    test_op_fails(setting.session, "vector_add", 1, 1, 2, HG_PERMISSION_DENIED,
                  "buffer 2 is constant");
    hg_repeat_destroy(&repeat);
    end(&setting);
}

/* Prepared operations, users' programs (by slot and by class) and graphs are refused as well. */
static void no_kind_of_work_writes_it(void **state)
{
    (void)state;
    struct setting setting = begin();
    struct hg_session *session = setting.session;
    const struct hg_operand_pattern operands[] = {
        {.dtype = HG_F32}, {.dtype = HG_F32}, {.dtype = HG_F32}};
    const struct hg_prepare_request prepare = {
        .op = "vector_add", .op_length = 10, .operands = operands, .operand_count = 3};
    const uint64_t inputs[] = {2, 2};
    const uint64_t outputs[] = {1};
    struct hg_execute_prepared_request prepared = {
        .inputs = inputs, .input_count = 2, .outputs = outputs, .output_count = 1};
    struct hg_task task = {.allow_inline = true};
    test_ok(hg_session_prepare(session, &prepare, &prepared.handle, &error));
    assert_int_equal(hg_session_execute_prepared_wait(session, &prepared, &task),
                     HG_PERMISSION_DENIED);
    assert_non_null(strstr(task.error.message, CONSTANT));

    size_t size;
    uint8_t *bytes =
        test_assemble(".slots 1\ncvt.f32.u64 r1, r255\nstg.f32 [b0 + lane], r1\nexit\n", &size);
    test_ok(hg_session_load(session, 5, bytes, size, NULL, &error));
    hg_free(HG_TAG_PROGRAM, bytes);
    const struct hg_run_request run = {
        .program = 5, .buffers = outputs, .buffer_count = 1, .cols = 4};
    assert_int_equal(hg_session_run_wait(session, &run, &task), HG_PERMISSION_DENIED);
    assert_non_null(strstr(task.error.message, CONSTANT));

    const char *text = "y = x + x";
    struct hg_graph_made made[1];
    struct hg_graph_result result = {.outputs = made, .capacity = 1};
    const struct hg_graph_bind in = {"x", 1, 2};
    const struct hg_graph_bind out = {"y", 1, 1};
    const struct hg_graph_request graph = {.source = {text, strlen(text), NULL},
                                           .inputs = &in,
                                           .input_count = 1,
                                           .outputs = &out,
                                           .output_count = 1};
    assert_int_equal(hg_session_run_graph_wait(session, &graph, &result, &task),
                     HG_PERMISSION_DENIED);
    assert_non_null(strstr(task.error.message, CONSTANT));
    end(&setting);
}

/* A program that addresses a class of the boundary pool by itself cannot write a constant one. */
static void classes_are_kept_too(void **state)
{
    (void)state;
    struct setting setting = begin();
    struct hg_session *session = setting.session;
    struct hg_buffer_info info;
    char text[128];
    size_t size;
    test_alloc_class(session, 3, HG_F32, 4);
    test_ok(hg_session_freeze(session, 3, &error));
    test_ok(hg_session_info(session, 3, &info, &error));
    snprintf(text, sizeof text, "mov_imm.f32 r1, 3\nstg.f32 [Φ(%d, 0, 4)], r1\nexit\n",
             info.boundary_class);
    uint8_t *bytes = test_assemble(text, &size);
    test_ok(hg_session_load(session, 5, bytes, size, NULL, &error));
    hg_free(HG_TAG_PROGRAM, bytes);
    struct hg_task task = {.allow_inline = true};
    const struct hg_run_request run = {.program = 5, .cols = 1};
    assert_int_equal(hg_session_run_wait(session, &run, &task), HG_PERMISSION_DENIED);
    snprintf(text, sizeof text, "the buffer in class %d is constant", info.boundary_class);
    assert_non_null(strstr(task.error.message, text));
    end(&setting);
}

/* Only the owner freezes, whoever has opened it; nobody opens a constant for writing, and who had
 * done so before cannot write. */
static void owner_alone_decides(void **state)
{
    (void)state;
    struct setting setting = begin();
    struct hg_session *other = test_session(setting.engine, OTHER);
    struct hg_buffer_info info;
    const float value = 9;
    test_ok(hg_session_publish(setting.session, 2, "shared", 0666, USER, &error));
    test_ok(hg_session_open(other, "shared", 1, true, &info, &error));
    assert_false(info.constant);
    test_fails(hg_session_freeze(other, 1, &error), HG_PERMISSION_DENIED,
               "buffer 1 belongs to user 1000");
    test_ok(hg_session_freeze(setting.session, 2, &error));
    test_fails(hg_session_write(other, 1, 0, &value, 4, &error), HG_PERMISSION_DENIED, CONSTANT);
    test_op_fails(other, "vector_add", 1, 1, 1, HG_PERMISSION_DENIED, CONSTANT);
    test_fails(hg_session_open(other, "shared", 2, true, NULL, &error), HG_PERMISSION_DENIED,
               "'shared' is constant");
    test_ok(hg_session_open(other, "shared", 2, false, &info, &error));
    assert_true(info.constant && !info.busy);
    hg_session_destroy(&other);
    end(&setting);
}

/* While something writes the buffer it cannot be frozen; while something reads it, it can. */
static void work_in_flight(void **state)
{
    (void)state;
    struct setting setting = begin();
    struct hg_view view;
    test_ok(hg_session_view(setting.session, 2, 0, 4, true, &view, NULL, &error));
    test_fails(hg_session_freeze(setting.session, 2, &error), HG_FAILED_PRECONDITION,
               "buffer 2 is in use");
    hg_view_release(&view);
    test_ok(hg_session_view(setting.session, 2, 0, 4, false, &view, NULL, &error));
    test_ok(hg_session_freeze(setting.session, 2, &error));
    hg_view_release(&view);
    end(&setting);
}

/* What nobody wrote is zeros, also where the pool had left a freed buffer's bytes. */
static void never_written_is_zeros(void **state)
{
    (void)state;
    struct setting setting = begin();
    const uint64_t elements = 1 << 18;
    float first = 1;
    for (uint64_t id = 8; id < 10; id++) {
        test_alloc(setting.session, id, HG_F32, elements);
        if (id == 8) {
            test_fill(setting.session, id, elements, 1, 0);
            test_ok(hg_session_free(setting.session, id, &error));
        }
    }
    test_ok(hg_session_freeze(setting.session, 9, &error));
    test_read(setting.session, 9, &first, sizeof first);
    assert_true(first == 0);
    end(&setting);
}

static int make_memfd(size_t size, int seals)
{
    const float value = 2.5f;
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(posix_fallocate(fd, 0, (off_t)size), 0);
    assert_int_equal(pwrite(fd, &value, sizeof value, 0), sizeof value);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

/* Shared memory is refused, as its clients may write; what is sealed against that is constant from
 * the start, computes as any buffer, and is written by nothing here. */
static void shared_memory_needs_a_seal(void **state)
{
    (void)state;
    struct setting setting = begin();
    struct hg_session *session = setting.session;
    struct hg_buffer_spec spec = test_spec(HG_F32, 4);
    struct hg_buffer_info info;
    const float value = 9;
    float sum = 0;
    spec.pool = HG_POOL_SHARED;
    test_ok(hg_session_alloc(session, 3, &spec, NULL, &error));
    test_fails(hg_session_freeze(session, 3, &error), HG_INVALID_ARGUMENT, "buffer 3 is shared");
    test_ok(hg_session_adopt(session, 4, &spec, make_memfd(4096, F_SEAL_SHRINK), &info, &error));
    assert_false(info.constant);
    test_fails(hg_session_freeze(session, 4, &error), HG_INVALID_ARGUMENT, "F_SEAL_WRITE");
    test_fails(hg_session_adopt(session, 5, &spec,
                                make_memfd(4096, F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE), NULL,
                                &error),
               HG_INVALID_ARGUMENT, "F_SEAL_FUTURE_WRITE");
    test_ok(hg_session_adopt(session, 5, &spec, make_memfd(4096, F_SEAL_SHRINK | F_SEAL_WRITE),
                             &info, &error));
    assert_true(info.constant);
    test_ok(hg_session_freeze(session, 5, &error));
    test_op(session, "vector_add", 5, 5, 2);
    test_read(session, 2, &sum, sizeof sum);
    assert_true(sum == 5);
    test_fails(hg_session_write(session, 5, 0, &value, 4, &error), HG_PERMISSION_DENIED,
               "buffer 5 is constant");
    test_op_fails(session, "vector_add", 2, 2, 5, HG_PERMISSION_DENIED, "buffer 5 is constant");
    test_ok(hg_session_free(session, 5, &error));
    end(&setting);
}

/* ---- two threads ----------------------------------------------------------------------------- */

struct writer {
    struct hg_engine *engine;
    pthread_barrier_t *start;
};

/* Writes until it is refused; what it wrote last before that is all that may be there. */
static void *write_on(void *context)
{
    const struct writer *writer = context;
    struct hg_session *session = test_session(writer->engine, USER);
    struct hg_error reason = HG_ERROR_INIT;
    uint32_t value = 0;
    uint32_t found = 0;
    test_ok(hg_session_open(session, "contested", 1, true, NULL, &error));
    pthread_barrier_wait(writer->start);
    enum hg_status status;
    do {
        value++;
        status = hg_session_write(session, 1, 0, &value, sizeof value, &reason);
    } while (status == HG_OK || status == HG_FAILED_PRECONDITION);
    assert_int_equal(status, HG_PERMISSION_DENIED);
    test_read(session, 1, &found, sizeof found);
    assert_true(found < value);
    hg_session_destroy(&session);
    return NULL;
}

/* Freezing while another session writes: either is first, and afterwards nothing is written. */
static void freezing_against_a_writer(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session *session = test_session(engine, USER);
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, 2);
    for (int round = 0; round < ROUNDS; round++) {
        struct hg_error reason = HG_ERROR_INIT;
        struct writer writer = {engine, &start};
        pthread_t thread;
        uint32_t before;
        uint32_t after;
        test_alloc(session, 1, HG_U32, 1);
        test_ok(hg_session_publish(session, 1, "contested", 0600, USER, &error));
        assert_int_equal(pthread_create(&thread, NULL, write_on, &writer), 0);
        pthread_barrier_wait(&start);
        while (hg_session_freeze(session, 1, &reason) == HG_FAILED_PRECONDITION) {
        }
        test_read(session, 1, &before, sizeof before);
        pthread_join(thread, NULL);
        test_read(session, 1, &after, sizeof after);
        assert_int_equal(before, after);
        test_ok(hg_session_unpublish(session, "contested", &error));
        test_ok(hg_session_free(session, 1, &error));
    }
    pthread_barrier_destroy(&start);
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_writes_it),         cmocka_unit_test(repeats_see_it),
        cmocka_unit_test(no_kind_of_work_writes_it), cmocka_unit_test(classes_are_kept_too),
        cmocka_unit_test(owner_alone_decides),       cmocka_unit_test(work_in_flight),
        cmocka_unit_test(never_written_is_zeros),    cmocka_unit_test(shared_memory_needs_a_seal),
        cmocka_unit_test(freezing_against_a_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
