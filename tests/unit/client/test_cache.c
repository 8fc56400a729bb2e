/* SPDX-License-Identifier: Apache-2.0 */
/* The program cache's functions against a server that answers as a test wants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/client/fake.h"

#define SWEEP_MAX      100
#define RESPONSE(type) HOLOGRAM__V1__RESPONSE__BODY_##type

static bool answer_list(struct fake *fake, const Hologram__V1__Request *request)
{
    Hologram__V1__CachedProgram program = HOLOGRAM__V1__CACHED_PROGRAM__INIT;
    Hologram__V1__CachedProgram *rows[] = {&program, &program};
    Hologram__V1__CacheListResult result = HOLOGRAM__V1__CACHE_LIST_RESULT__INIT;
    Hologram__V1__Response response = HOLOGRAM__V1__RESPONSE__INIT;
    program.key = "abcd";
    program.cache = request->cache_list->cache;
    program.summary = "summary";
    program.hits = request->cache_list->count;
    program.pinned = true;
    result.n_programs = 2;
    result.programs = rows;
    result.position = request->cache_list->position + 1;
    response.id = request->id;
    response.body_case = RESPONSE(CACHE_LIST);
    response.cache_list = &result;
    return fake_send(fake, &response, NULL, 0);
}

static bool answer_show(struct fake *fake, const Hologram__V1__Request *request)
{
    Hologram__V1__CachedProgram program = HOLOGRAM__V1__CACHED_PROGRAM__INIT;
    Hologram__V1__KeyField field = HOLOGRAM__V1__KEY_FIELD__INIT;
    Hologram__V1__KeyField *fields[] = {&field};
    Hologram__V1__CacheShowResult result = HOLOGRAM__V1__CACHE_SHOW_RESULT__INIT;
    Hologram__V1__Response response = HOLOGRAM__V1__RESPONSE__INIT;
    program.key = request->cache_show->key;
    field.name = "form";
    field.value = "loop";
    result.program = fake->context != NULL ? NULL : &program;
    result.n_fields = 1;
    result.fields = fields;
    result.code = "exit\n";
    response.id = request->id;
    response.body_case = RESPONSE(CACHE_SHOW);
    response.cache_show = &result;
    return fake_send(fake, &response, NULL, 0);
}

static bool answer_what_if(struct fake *fake, const Hologram__V1__Request *request)
{
    Hologram__V1__CacheEstimate estimate = HOLOGRAM__V1__CACHE_ESTIMATE__INIT;
    Hologram__V1__CacheEstimate *rows[] = {&estimate};
    Hologram__V1__CacheWhatIfResult result = HOLOGRAM__V1__CACHE_WHAT_IF_RESULT__INIT;
    Hologram__V1__Response response = HOLOGRAM__V1__RESPONSE__INIT;
    estimate.entries = request->cache_what_if->entries[0];
    estimate.hit_ratio = 0.5;
    result.n_estimates = 1;
    result.estimates = rows;
    result.samples = 7;
    response.id = request->id;
    response.body_case = RESPONSE(CACHE_WHAT_IF);
    response.cache_what_if = &result;
    return fake_send(fake, &response, NULL, 0);
}

static bool answer_profile(struct fake *fake, const Hologram__V1__Request *request)
{
    uint8_t keys[] = {1, 2, 3};
    Hologram__V1__CacheProfileResult result = HOLOGRAM__V1__CACHE_PROFILE_RESULT__INIT;
    Hologram__V1__Response response = HOLOGRAM__V1__RESPONSE__INIT;
    result.profile = (ProtobufCBinaryData){sizeof keys, keys};
    response.id = request->id;
    response.body_case = RESPONSE(CACHE_PROFILE);
    response.cache_profile = &result;
    return fake_send(fake, &response, NULL, 0);
}

static bool answer_flush(struct fake *fake, const Hologram__V1__Request *request)
{
    Hologram__V1__CacheFlushResult result = HOLOGRAM__V1__CACHE_FLUSH_RESULT__INIT;
    Hologram__V1__Response response = HOLOGRAM__V1__RESPONSE__INIT;
    /* Which of the two was said, and that the other was not. */
    result.dropped = strlen(request->cache_flush->cache) * 100 + strlen(request->cache_flush->key);
    response.id = request->id;
    response.body_case = RESPONSE(CACHE_FLUSH);
    response.cache_flush = &result;
    return fake_send(fake, &response, NULL, 0);
}

static bool answer(struct fake *fake, const Hologram__V1__Request *request)
{
    switch (request->body_case) {
    case HOLOGRAM__V1__REQUEST__BODY_CACHE_LIST:
        return answer_list(fake, request);
    case HOLOGRAM__V1__REQUEST__BODY_CACHE_SHOW:
        return answer_show(fake, request);
    case HOLOGRAM__V1__REQUEST__BODY_CACHE_WHAT_IF:
        return answer_what_if(fake, request);
    case HOLOGRAM__V1__REQUEST__BODY_CACHE_PROFILE:
        return answer_profile(fake, request);
    case HOLOGRAM__V1__REQUEST__BODY_CACHE_FLUSH:
        return answer_flush(fake, request);
    default:
        return fake_ok(fake, request);
    }
}

/* What is asked and what is answered comes through; results outlive the client. */
static void answers_come_through(void **state)
{
    (void)state;
    struct fake *fake = calloc(1, sizeof *fake);
    hologram_client *client;
    const hologram_cache_list *list;
    const hologram_cache_shown *shown;
    const hologram_cache_estimates *estimates;
    const hologram_cache_keys *keys;
    const uint64_t size = 12;
    uint64_t dropped;
    fake_connect(fake, answer, NULL, &client);
    assert_int_equal(hologram_cache_programs(client, "relu", 8, 5, &list), HOLOGRAM_OK);
    assert_int_equal(hologram_cache_show(client, "beef", &shown), HOLOGRAM_OK);
    assert_int_equal(hologram_cache_what_if(client, &size, 1, &estimates), HOLOGRAM_OK);
    assert_int_equal(hologram_cache_profile(client, &keys), HOLOGRAM_OK);
    assert_int_equal(hologram_cache_flush(client, NULL, "beef", &dropped), HOLOGRAM_OK);
    assert_int_equal(dropped, 4);
    assert_int_equal(hologram_cache_flush(client, "gelu", NULL, &dropped), HOLOGRAM_OK);
    assert_int_equal(dropped, 400);
    assert_int_equal(hologram_cache_flush(client, NULL, NULL, NULL), HOLOGRAM_OK);
    assert_int_equal(hologram_cache_pin(client, "beef", true), HOLOGRAM_OK);
    assert_int_equal(hologram_cache_warm(client, "keys", 4), HOLOGRAM_OK);
    hologram_close(&client);
    fake_join(fake);
    assert_int_equal(list->count, 2);
    assert_int_equal(list->position, 9);
    assert_string_equal(list->programs[1].cache, "relu");
    assert_int_equal(list->programs[1].hits, 5);
    assert_true(list->programs[1].pinned && !list->programs[1].held);
    assert_string_equal(shown->program.key, "beef");
    assert_string_equal(shown->fields[0].value, "loop");
    assert_string_equal(shown->code, "exit\n");
    assert_int_equal(estimates->estimates[0].entries, 12);
    assert_true(estimates->estimates[0].hit_ratio == 0.5);
    assert_int_equal(estimates->samples, 7);
    assert_int_equal(keys->bytes, 3);
    assert_memory_equal(keys->data, "\1\2\3", 3);
    hologram_cache_list_free(list);
    hologram_cache_shown_free(shown);
    hologram_cache_estimates_free(estimates);
    hologram_cache_keys_free(keys);
    hologram_cache_list_free(NULL);
    free(fake);
}

/* A server that shows nothing, or answers something else, is told from one that answers. */
static void wrong_answers_are_errors(void **state)
{
    (void)state;
    struct fake *fake = calloc(1, sizeof *fake);
    hologram_client *client;
    const hologram_cache_shown *shown;
    const hologram_cache_list *list;
    fake_connect(fake, answer, fake, &client);
    assert_int_equal(hologram_cache_show(client, "beef", &shown), HOLOGRAM_INTERNAL);
    assert_non_null(strstr(hologram_last_error(client)->message, "shows no program"));
    assert_int_equal(hologram_cache_top(client, NULL, 1, &list), HOLOGRAM_INTERNAL);
    assert_int_equal(hologram_ping(client), HOLOGRAM_OK);
    hologram_close(&client);
    fake_join(fake);
    free(fake);
}

static hologram_status ask_everything(hologram_client *client)
{
    const hologram_cache_list *list = NULL;
    const hologram_cache_shown *shown = NULL;
    const hologram_cache_estimates *estimates = NULL;
    const hologram_cache_keys *keys = NULL;
    const uint64_t size = 12;
    hologram_status status = hologram_cache_programs(client, NULL, 0, 0, &list);
    status = status == HOLOGRAM_OK ? hologram_cache_show(client, "beef", &shown) : status;
    status = status == HOLOGRAM_OK ? hologram_cache_what_if(client, &size, 1, &estimates) : status;
    status = status == HOLOGRAM_OK ? hologram_cache_profile(client, &keys) : status;
    hologram_cache_list_free(list);
    hologram_cache_shown_free(shown);
    hologram_cache_estimates_free(estimates);
    hologram_cache_keys_free(keys);
    return status;
}

/* Each allocation failing in turn is an error of its own, and nothing leaks or breaks. */
static void out_of_memory_is_an_error(void **state)
{
    (void)state;
    bool failed = true;
    uint64_t skip = 0;
    for (; failed && skip < SWEEP_MAX; skip++) {
        struct fake *fake = calloc(1, sizeof *fake);
        hologram_client *client;
        fake_connect(fake, answer, NULL, &client);
        fake_fail_allocations(skip);
        hologram_status status = ask_everything(client);
        failed = fake_allocations_failed();
        assert_int_equal(status, failed ? HOLOGRAM_RESOURCE_EXHAUSTED : HOLOGRAM_OK);
        hologram_close(&client);
        fake_join(fake);
        free(fake);
    }
    assert_in_range(skip, 3, SWEEP_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_come_through),
        cmocka_unit_test(wrong_answers_are_errors),
        cmocka_unit_test(out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
