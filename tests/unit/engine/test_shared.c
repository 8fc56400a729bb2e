/* SPDX-License-Identifier: Apache-2.0 */
/* Shared buffers: who gets which descriptor, who pays, and what others' writes can do to a run. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/engine/fixture.h"

#define USER  1000
#define OTHER 1001

static struct hg_buffer_spec shared_spec(enum hg_dtype type, uint64_t elements)
{
    struct hg_buffer_spec spec = test_spec(type, elements);
    spec.pool = HG_POOL_SHARED;
    return spec;
}

static void alloc_shared(struct hg_session *session, uint64_t id, enum hg_dtype type,
                         uint64_t elements)
{
    struct hg_buffer_spec spec = shared_spec(type, elements);
    test_ok(hg_session_alloc(session, id, &spec, NULL, &error));
}

static struct hg_descriptor descriptor_of(struct hg_session *session, uint64_t id)
{
    struct hg_descriptor descriptor;
    test_ok(hg_session_descriptor(session, id, &descriptor, &error));
    return descriptor;
}

static void *map(int fd, size_t size, int protection)
{
    void *memory = mmap(NULL, size, protection, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    return memory;
}

/* What others write is what an operation reads, and what it computes is what they read. */
static void runs_work_in_place(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session *session = test_session(engine, USER);
    alloc_shared(session, 1, HG_F32, 1000);
    alloc_shared(session, 2, HG_F32, 1000);
    struct hg_descriptor in = descriptor_of(session, 1);
    struct hg_descriptor out = descriptor_of(session, 2);
    float *x = map(in.fd, 4096, PROT_READ | PROT_WRITE);
    const float *y = map(out.fd, 4096, PROT_READ);
    for (int i = 0; i < 1000; i++) {
        x[i] = (float)i;
    }
    const uint64_t inputs[] = {1, 1};
    const uint64_t outputs[] = {2};
    const struct hg_execute_request request = {.op = "vector_add",
                                               .op_length = 10,
                                               .inputs = inputs,
                                               .input_count = 2,
                                               .outputs = outputs,
                                               .output_count = 1};
    struct hg_task task = {.allow_inline = true};
    assert_int_equal(hg_session_execute_wait(session, &request, &task), HG_OK);
    for (int i = 0; i < 1000; i++) {
        assert_true(y[i] == 2.0f * (float)i);
    }
    munmap(x, 4096);
    munmap((void *)(uintptr_t)y, 4096);
    hg_descriptor_release(&in);
    hg_descriptor_release(&out);
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

/* Shared memory is charged in whole pages, and until the descriptor on its way is let go. */
static void quota_is_not_escaped(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session_options options = test_session_options(USER);
    options.bytes_max = 8192;
    struct hg_session *session = test_session_with(engine, &options);
    alloc_shared(session, 1, HG_U8, 1);
    alloc_shared(session, 2, HG_U8, 4096);
    struct hg_buffer_spec spec = shared_spec(HG_U8, 1);
    test_fails(hg_session_alloc(session, 3, &spec, NULL, &error), HG_RESOURCE_EXHAUSTED,
               "4096 bytes more would pass the session's bound of 8192 (in use: 8192)");
    struct hg_descriptor held = descriptor_of(session, 1);
    test_ok(hg_session_free(session, 1, &error));
    test_fails(hg_session_alloc(session, 3, &spec, NULL, &error), HG_RESOURCE_EXHAUSTED,
               "in use: 8192");
    int kept = dup(held.fd);
    assert_int_equal(pwrite(kept, "x", 1, 0), 1);
    hg_descriptor_release(&held);
    struct stat file;
    assert_int_equal(fstat(kept, &file), 0);
    assert_int_equal(file.st_blocks, 0);
    close(kept);
    test_ok(hg_session_alloc(session, 3, &spec, NULL, &error));
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

/* A user has so many shared buffers over all sessions, published ones included. */
static void users_are_rationed(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session_options options = test_session_options(USER);
    options.shared_buffers_max = 2;
    struct hg_session *first = test_session_with(engine, &options);
    struct hg_session *second = test_session_with(engine, &options);
    alloc_shared(first, 1, HG_U8, 1);
    test_ok(hg_session_publish(first, 1, "kept", 0600, USER, &error));
    hg_session_destroy(&first);
    alloc_shared(second, 1, HG_U8, 1);
    struct hg_buffer_spec spec = shared_spec(HG_U8, 1);
    test_fails(hg_session_alloc(second, 2, &spec, NULL, &error), HG_RESOURCE_EXHAUSTED,
               "user 1000 may have 2 shared buffers");
    test_ok(hg_session_unpublish(second, "kept", &error));
    test_ok(hg_session_alloc(second, 2, &spec, NULL, &error));
    hg_session_destroy(&second);
    hg_engine_destroy(&engine);
}

/* Who opens a buffer for reading gets a descriptor that cannot be mapped for writing; who may write
 * gets one that can. */
static void descriptors_have_the_rights_of_the_opening(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session *owner = test_session(engine, USER);
    struct hg_session *reader = test_session(engine, OTHER);
    alloc_shared(owner, 1, HG_U8, 100);
    test_ok(hg_session_publish(owner, 1, "data", 0644, USER, &error));
    test_fails(hg_session_open(reader, "data", 5, true, NULL, &error), HG_PERMISSION_DENIED,
               "may only be read");
    test_ok(hg_session_open(reader, "data", 5, false, NULL, &error));
    struct hg_descriptor theirs = descriptor_of(reader, 5);
    struct hg_descriptor ours = descriptor_of(owner, 1);
    assert_int_equal(fcntl(theirs.fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, theirs.fd, 0),
                     MAP_FAILED);
    const uint8_t *seen = map(theirs.fd, 4096, PROT_READ);
    uint8_t *written = map(ours.fd, 4096, PROT_READ | PROT_WRITE);
    written[99] = 42;
    assert_int_equal(seen[99], 42);
    struct stat file;
    assert_int_equal(fstat(theirs.fd, &file), 0);
    assert_int_equal(file.st_mode & 07777, 0600); /* others cannot open it anew by /proc */
    struct hg_descriptor again = descriptor_of(reader, 5);
    assert_int_equal(again.fd, theirs.fd);
    munmap(written, 4096);
    munmap((void *)(uintptr_t)seen, 4096);
    hg_descriptor_release(&again);
    hg_descriptor_release(&theirs);
    hg_descriptor_release(&ours);
    hg_session_destroy(&reader);
    hg_session_destroy(&owner);
    hg_engine_destroy(&engine);
}

static int make_memfd(size_t size, int seals)
{
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(posix_fallocate(fd, 0, (off_t)size), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

/* A client's memfd is a buffer like others, charged, and the client's again afterwards. Every way
 * to fail closes the descriptor. */
static void adopting(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session_options options = test_session_options(USER);
    options.bytes_max = 8192;
    struct hg_session *session = test_session_with(engine, &options);
    struct hg_buffer_spec spec = test_spec(HG_F32, 2048);
    struct hg_buffer_info info;
    int fd = make_memfd(8192, F_SEAL_SHRINK);
    float value = 2.5f;
    assert_int_equal(pwrite(fd, &value, sizeof value, 4), sizeof value);
    test_ok(hg_session_adopt(session, 1, &spec, dup(fd), &info, &error));
    assert_int_equal(info.spec.pool, HG_POOL_SHARED);
    assert_int_equal(info.bytes, 8192);
    float seen[2];
    test_read(session, 1, seen, sizeof seen);
    assert_true(seen[1] == 2.5f);

    struct {
        uint64_t id;
        struct hg_buffer_spec spec;
        int fd;
        enum hg_status status;
        const char *text;
    } cases[] = {
        {1, spec, make_memfd(8192, F_SEAL_SHRINK), HG_ALREADY_EXISTS, "1"},
        {2, spec, make_memfd(8192, F_SEAL_SHRINK), HG_RESOURCE_EXHAUSTED, "in use: 8192"},
        {3, test_spec((enum hg_dtype)99, 1), make_memfd(8192, F_SEAL_SHRINK), HG_INVALID_ARGUMENT,
         "unknown type"},
    };
    for (size_t i = 0; i < HG_ARRAY_COUNT(cases); i++) {
        test_fails(
            hg_session_adopt(session, cases[i].id, &cases[i].spec, cases[i].fd, NULL, &error),
            cases[i].status, cases[i].text);
        assert_int_equal(fcntl(cases[i].fd, F_GETFD), -1);
    }
    test_ok(hg_session_free(session, 1, &error));
    test_fails(hg_session_adopt(session, 4, &spec, make_memfd(8192, 0), NULL, &error),
               HG_INVALID_ARGUMENT, "buffer 4: shared pool: expected a memfd sealed");
    assert_int_equal(pread(fd, &value, sizeof value, 4), sizeof value);
    assert_true(value == 2.5f);
    close(fd);
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
}

/* Writes zeros, ones and -1 all over the divisors until it is killed. */
static pid_t start_hammer(int fd, size_t bytes)
{
    pid_t child = fork();
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when the test fails */
        volatile int32_t *divisors = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        uint32_t random = 1;
        for (;;) {
            random = random * 1664525u + 1013904223u;
            divisors[(random >> 8) % (bytes / 4)] = (int32_t)(random >> 4 & 3) - 1;
            divisors[(random >> 8) % (bytes / 4)] = 1;
        }
    }
    assert_true(child > 0);
    return child;
}

/* Divisors that change from 1 to 0 and -1 while they are divided by (-2^31 / -1 traps as well):
 * each run ends well or with DIVISION_BY_ZERO, whichever executor it is and wherever it runs. */
static void a_hammered_divisor_traps_nobody(void **state)
{
    (void)state;
    for (unsigned executor = 0; executor < 2; executor++) {
        struct hg_engine_options options = test_engine_options();
        options.executor = executor == 0 ? HG_EXECUTOR_BLOCK : HG_EXECUTOR_REFERENCE;
        struct hg_engine *engine = test_engine_with(&options);
        struct hg_session *session = test_session(engine, USER);
        uint64_t elements = 20000;
        alloc_shared(session, 1, HG_I32, elements);
        alloc_shared(session, 2, HG_I32, elements);
        alloc_shared(session, 3, HG_I32, elements);
        struct hg_descriptor a = descriptor_of(session, 1);
        struct hg_descriptor b = descriptor_of(session, 2);
        for (uint64_t i = 0; i < elements; i++) {
            const int32_t dividend = INT32_MIN, divisor = 1;
            assert_int_equal(pwrite(a.fd, &dividend, 4, (off_t)i * 4), 4);
            assert_int_equal(pwrite(b.fd, &divisor, 4, (off_t)i * 4), 4);
        }
        pid_t hammer = start_hammer(b.fd, elements * 4);
        const uint64_t inputs[] = {1, 2};
        const uint64_t outputs[] = {3};
        const struct hg_execute_request request = {.op = "vector_div",
                                                   .op_length = 10,
                                                   .inputs = inputs,
                                                   .input_count = 2,
                                                   .outputs = outputs,
                                                   .output_count = 1};
        unsigned divided = 0, by_zero = 0;
        /* The hammer may be late on a busy machine. */
        for (unsigned run = 0; run < 600 || (by_zero == 0 && run < 100000); run++) {
            struct hg_task task = {.allow_inline = run % 2 == 0};
            if (hg_session_execute_wait(session, &request, &task) == HG_OK) {
                divided++;
                continue;
            }
            assert_string_equal(task.error.detail, "DIVISION_BY_ZERO");
            by_zero++;
        }
        assert_true(divided + by_zero >= 600);
        assert_true(by_zero > 0);
        int status;
        assert_int_equal(kill(hammer, SIGKILL), 0);
        assert_int_equal(waitpid(hammer, &status, 0), hammer);
        assert_int_equal(WTERMSIG(status), SIGKILL);
        hg_descriptor_release(&a);
        hg_descriptor_release(&b);
        hg_session_destroy(&session);
        hg_engine_destroy(&engine);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_work_in_place),
        cmocka_unit_test(quota_is_not_escaped),
        cmocka_unit_test(users_are_rationed),
        cmocka_unit_test(descriptors_have_the_rights_of_the_opening),
        cmocka_unit_test(adopting),
        cmocka_unit_test(a_hammered_divisor_traps_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
