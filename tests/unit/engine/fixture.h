/* SPDX-License-Identifier: Apache-2.0 */
/* An engine with one or two sessions, and shorthands for requests. */
#ifndef HG_TESTS_UNIT_ENGINE_FIXTURE_H
#define HG_TESTS_UNIT_ENGINE_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/engine/engine.h"

/* Small and without spinning: tests share two cores. */
static inline struct hg_engine_options test_engine_options(void)
{
    struct hg_engine_options options;
    hg_engine_options_init(&options);
    options.workers = 2;
    options.spin_us = 0;
    options.heap_bytes_max = 256 << 20;
    options.lock_boundary = false;
    return options;
}

static inline struct hg_engine *test_engine_with(const struct hg_engine_options *options)
{
    struct hg_engine *engine = NULL;
    struct hg_error error = HG_ERROR_INIT;
    if (hg_engine_create(options, &engine, &error) != HG_OK) {
        fail_msg("%s", error.message);
    }
    return engine;
}

static inline struct hg_engine *test_engine(void)
{
    struct hg_engine_options options = test_engine_options();
    return test_engine_with(&options);
}

static inline struct hg_session_options test_session_options(uid_t uid)
{
    struct hg_session_options options;
    hg_session_options_init(&options);
    options.uid = uid;
    options.gid = uid;
    return options;
}

static inline struct hg_session *test_session_with(struct hg_engine *engine,
                                                   const struct hg_session_options *options)
{
    struct hg_session *session = NULL;
    struct hg_error error = HG_ERROR_INIT;
    if (hg_session_create(engine, options, &session, &error) != HG_OK) {
        fail_msg("%s", error.message);
    }
    return session;
}

static inline struct hg_session *test_session(struct hg_engine *engine, uid_t uid)
{
    struct hg_session_options options = test_session_options(uid);
    return test_session_with(engine, &options);
}

/* The steps below must succeed; what went wrong is shown. */
#define test_ok(call)                                                                              \
    do {                                                                                           \
        struct hg_error error = HG_ERROR_INIT;                                                     \
        if ((call) != HG_OK) {                                                                     \
            fail_msg("%s: %s", hg_status_name(error.status), error.message);                       \
        }                                                                                          \
    } while (0)

/* The call (which uses `error`) must fail with STATUS and a text that contains PART. */
#define test_fails(call, expected, part)                                                           \
    do {                                                                                           \
        struct hg_error error = HG_ERROR_INIT;                                                     \
        assert_string_equal(hg_status_name(call), hg_status_name(expected));                       \
        assert_int_equal(error.status, expected);                                                  \
        if (strstr(error.message, part) == NULL) {                                                 \
            fail_msg("expected '%s' in: %s", part, error.message);                                 \
        }                                                                                          \
    } while (0)

static inline struct hg_buffer_spec test_spec(enum hg_dtype type, uint64_t elements)
{
    return (struct hg_buffer_spec){.dtype = type, .rank = 1, .shape = {elements}};
}

static inline void test_alloc(struct hg_session *session, uint64_t id, enum hg_dtype type,
                              uint64_t elements)
{
    struct hg_buffer_spec spec = test_spec(type, elements);
    test_ok(hg_session_alloc(session, id, &spec, NULL, &error));
}

static inline void test_alloc_class(struct hg_session *session, uint64_t id, enum hg_dtype type,
                                    uint64_t elements)
{
    struct hg_buffer_spec spec = test_spec(type, elements);
    spec.pool = HG_POOL_BOUNDARY;
    test_ok(hg_session_alloc(session, id, &spec, NULL, &error));
}

static inline void test_write(struct hg_session *session, uint64_t id, const void *data,
                              uint64_t bytes)
{
    test_ok(hg_session_write(session, id, 0, data, bytes, &error));
}

static inline void test_read(struct hg_session *session, uint64_t id, void *data, uint64_t bytes)
{
    test_ok(hg_session_read(session, id, 0, data, bytes, &error));
}

/* Fills an F32 buffer with START, START + STEP … */
static inline void test_fill(struct hg_session *session, uint64_t id, uint64_t elements,
                             float start, float step)
{
    float chunk[256];
    for (uint64_t i = 0; i < elements; i += HG_ARRAY_COUNT(chunk)) {
        uint64_t count =
            elements - i < HG_ARRAY_COUNT(chunk) ? elements - i : HG_ARRAY_COUNT(chunk);
        for (uint64_t j = 0; j < count; j++) {
            chunk[j] = start + step * (float)(i + j);
        }
        test_ok(hg_session_write(session, id, i * sizeof chunk[0], chunk, count * sizeof chunk[0],
                                 &error));
    }
}

/* A request with up to three operands, the last of which is the output. */
struct test_request {
    struct hg_execute_request request;
    uint64_t inputs[2];
    uint64_t outputs[1];
};

static inline const struct hg_execute_request *
test_request(struct test_request *storage, const char *op, uint64_t a, uint64_t b, uint64_t c)
{
    *storage = (struct test_request){.inputs = {a, b}, .outputs = {c}};
    storage->request = (struct hg_execute_request){
        .op = op,
        .op_length = strlen(op),
        .inputs = storage->inputs,
        .input_count = b == 0 ? 1 : 2,
        .outputs = storage->outputs,
        .output_count = 1,
    };
    return &storage->request;
}

/* c = op(a, b), or op(a) where B is 0, in place if it is small; the task tells how it went. */
static inline enum hg_status test_run_op(struct hg_session *session, const char *op, uint64_t a,
                                         uint64_t b, uint64_t c, struct hg_task *task)
{
    struct test_request storage;
    task->allow_inline = true;
    return hg_session_execute_wait(session, test_request(&storage, op, a, b, c), task);
}

static inline void test_op(struct hg_session *session, const char *op, uint64_t a, uint64_t b,
                           uint64_t c)
{
    struct hg_task task = {0};
    if (test_run_op(session, op, a, b, c, &task) != HG_OK) {
        fail_msg("%s: %s", hg_status_name(task.error.status), task.error.message);
    }
}

/* The operation must fail with STATUS and a text that contains PART. */
static inline void test_op_fails(struct hg_session *session, const char *op, uint64_t a, uint64_t b,
                                 uint64_t c, enum hg_status status, const char *part)
{
    struct hg_task task = {0};
    assert_string_equal(hg_status_name(test_run_op(session, op, a, b, c, &task)),
                        hg_status_name(status));
    if (strstr(task.error.message, part) == NULL) {
        fail_msg("expected '%s' in: %s", part, task.error.message);
    }
}

/* A program of TEXT in its binary form; free with hg_free(HG_TAG_PROGRAM). */
static inline uint8_t *test_assemble(const char *text, size_t *size)
{
    struct hg_code code = {0};
    struct hg_insn *insns = NULL;
    struct hg_error error = HG_ERROR_INIT;
    uint8_t *bytes = NULL;
    if (hg_assemble(text, strlen(text), &code.header, &insns, &code.insn_count, &error) != HG_OK) {
        fail_msg("%s", error.message);
    }
    code.insns = insns;
    if (hg_code_encode(&code, &bytes, size, &error) != HG_OK) {
        fail_msg("%s", error.message);
    }
    hg_free(HG_TAG_PROGRAM, insns);
    return bytes;
}

static inline void test_load(struct hg_session *session, uint64_t id, const char *text)
{
    size_t size = 0;
    uint8_t *bytes = test_assemble(text, &size);
    test_ok(hg_session_load(session, id, bytes, size, NULL, &error));
    hg_free(HG_TAG_PROGRAM, bytes);
}

#endif
