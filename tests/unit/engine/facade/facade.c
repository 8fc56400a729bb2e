/* SPDX-License-Identifier: Apache-2.0 */
/* The engine as its users get it: one header, one shared library. Adds two vectors; exits with 0 if
 * the sum is right. */
#include <hologram/engine.h>
#include <stdio.h>

static int complain(const char *what, const struct hg_error *error)
{
    (void)fprintf(stderr, "%s: %s\n", what, error->message);
    return 1;
}

static int add(struct hg_session *session)
{
    struct hg_error error = HG_ERROR_INIT;
    const struct hg_buffer_spec spec = {.dtype = HG_F32, .rank = 1, .shape = {4}};
    const float a[4] = {1, 2, 3, 4};
    float sum[4] = {0};
    for (uint64_t id = 1; id <= 2; id++) {
        if (hg_session_alloc(session, id, &spec, NULL, &error) != HG_OK ||
            hg_session_write(session, id, 0, a, sizeof a, &error) != HG_OK) {
            return complain("buffer", &error);
        }
    }
    const uint64_t inputs[] = {1, 2};
    const uint64_t output = 2;
    const struct hg_execute_request request = {
        .op = "vector_add",
        .op_length = sizeof "vector_add" - 1,
        .inputs = inputs,
        .input_count = 2,
        .outputs = &output,
        .output_count = 1,
    };
    struct hg_task task = {.allow_inline = true};
    if (hg_session_execute_wait(session, &request, &task) != HG_OK) {
        return complain("vector_add", &task.error);
    }
    if (hg_session_read(session, 2, 0, sum, sizeof sum, &error) != HG_OK) {
        return complain("read", &error);
    }
    return sum[0] == 2 && sum[3] == 8 ? 0 : 1;
}

int main(void)
{
    struct hg_error error = HG_ERROR_INIT;
    struct hg_engine_options options;
    struct hg_session_options session_options;
    struct hg_engine *engine = NULL;
    struct hg_session *session = NULL;
    hg_engine_options_init(&options);
    options.lock_boundary = false;
    if (hg_engine_create(&options, &engine, &error) != HG_OK) {
        return complain("engine", &error);
    }
    hg_session_options_init(&session_options);
    if (hg_session_create(engine, &session_options, &session, &error) != HG_OK) {
        return complain("session", &error);
    }
    int status = add(session);
    hg_session_destroy(&session);
    hg_engine_destroy(&engine);
    return status;
}
