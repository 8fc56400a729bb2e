/* SPDX-License-Identifier: Apache-2.0 */
/* The hot way through the codec against the general one: random messages, well formed and not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/codec_hot.h"
#include "daemon/limits.h"
#include "lib/base/check.h"

#define MESSAGES      60000
#define MESSAGE_BYTES 4096

static uint64_t seed = 1;

static uint64_t next_random(void)
{
    /* splitmix64: http://prng.di.unimi.it/splitmix64.c, public domain */
    uint64_t z = seed += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static unsigned below(unsigned bound)
{
    return (unsigned)(next_random() % bound);
}

/* A number of any length. */
static uint64_t number(void)
{
    return next_random() >> below(64);
}

/* ---- messages -----------------------------------------------------------------------------------
 */

struct text {
    uint8_t data[MESSAGE_BYTES];
    size_t size;
};

static void put_byte(struct text *text, uint8_t byte)
{
    if (text->size < sizeof(text->data)) {
        text->data[text->size++] = byte;
    }
}

static void put_varint(struct text *text, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) {
        put_byte(text, (uint8_t)(value | 0x80));
    }
    put_byte(text, (uint8_t)value);
}

static void put_number(struct text *text, unsigned field, uint64_t value)
{
    put_varint(text, field << 3);
    put_varint(text, value);
}

static void put_bytes(struct text *text, unsigned field, const struct text *content)
{
    put_varint(text, field << 3 | 2);
    put_varint(text, content->size);
    for (size_t i = 0; i < content->size; i++) {
        put_byte(text, content->data[i]);
    }
}

static struct text random_name(void)
{
    struct text name = {.size = 0};
    for (unsigned length = below(20); length > 0; length--) {
        put_byte(&name, (uint8_t)(1 + below(255)));
    }
    return name;
}

/* Something that the hot way is not made for: an unknown field of any type. */
static void put_oddity(struct text *text)
{
    const struct text name = random_name();
    const unsigned field = 1 + below(200);
    if (below(2) == 0) {
        put_number(text, field, number());
    } else {
        put_bytes(text, field, &name);
    }
}

/* ODDS: one in how many messages has an oddity at each place; 0: none. */
static bool odd(unsigned odds)
{
    return odds != 0 && below(odds) == 0;
}

static void put_ids(struct text *text, unsigned field, unsigned odds)
{
    struct text packed = {.size = 0};
    for (unsigned count = below(5); count > 0; count--) {
        if (odd(odds)) {
            put_number(text, field, number());
        } else {
            put_varint(&packed, number());
        }
    }
    if (packed.size != 0 || below(2) == 0) {
        put_bytes(text, field, &packed);
    }
}

static struct text random_execute(unsigned odds)
{
    struct text execute = {.size = 0};
    const struct text op = random_name();
    put_bytes(&execute, 1, &op);
    put_ids(&execute, 2, odds);
    put_ids(&execute, 3, odds);
    for (unsigned count = below(3); count > 0; count--) {
        struct text attribute = {.size = 0};
        const struct text name = random_name();
        put_bytes(&attribute, 1, &name);
        put_varint(&attribute, 2u << 3 | 1);
        for (int i = 0; i < 8; i++) {
            put_byte(&attribute, (uint8_t)next_random());
        }
        put_bytes(&execute, 4, &attribute);
    }
    if (odd(odds)) {
        put_oddity(&execute);
    }
    return execute;
}

static struct text random_prepared(unsigned odds)
{
    struct text prepared = {.size = 0};
    if (below(4) != 0) {
        put_varint(&prepared, 1u << 3 | 1);
        for (int i = 0; i < 8; i++) {
            put_byte(&prepared, (uint8_t)next_random());
        }
    }
    put_ids(&prepared, 2, odds);
    put_ids(&prepared, 3, odds);
    if (odd(odds)) {
        put_oddity(&prepared);
    }
    return prepared;
}

/* A write or a read: three fields, the last of which differs. */
static struct text random_transfer(bool write, unsigned odds)
{
    struct text transfer = {.size = 0};
    const struct text data = random_name();
    put_number(&transfer, 1, number());
    put_number(&transfer, 2, number());
    if (write) {
        put_bytes(&transfer, 3, &data);
    } else {
        put_number(&transfer, 3, number());
    }
    if (odd(odds)) {
        put_number(&transfer, 1, number());
    }
    return transfer;
}

static struct text random_batch(unsigned odds)
{
    struct text batch = {.size = 0};
    for (unsigned count = below(4); count > 0; count--) {
        struct text step = {.size = 0};
        const unsigned field = (const unsigned[]){3, 4, 6}[below(3)];
        const struct text body = field == 3   ? random_transfer(true, odds)
                                 : field == 4 ? random_execute(odds)
                                              : random_prepared(odds);
        put_bytes(&step, field, &body);
        if (odd(odds)) {
            put_oddity(&step);
        }
        put_bytes(&batch, 1, &step);
    }
    return batch;
}

static void put_bindings(struct text *text, unsigned field)
{
    for (unsigned count = below(4); count > 0; count--) {
        struct text binding = {.size = 0};
        const struct text name = random_name();
        if (below(4) != 0) {
            put_bytes(&binding, 1, &name);
        }
        put_number(&binding, 2, number());
        put_bytes(text, field, &binding);
    }
}

/* A run of a loaded graph, or of a text, whose fields after the first are one further on. */
static struct text random_run(bool eval, unsigned odds)
{
    struct text run = {.size = 0};
    struct text source = random_name();
    put_byte(&source, 'x');
    if (eval) {
        put_bytes(&run, 1, &source);
    } else {
        put_number(&run, 1, number());
    }
    put_bindings(&run, 2 + eval);
    put_bindings(&run, 3 + eval);
    if (below(2) == 0) {
        put_number(&run, 4 + eval, number());
    }
    if (odd(odds)) {
        put_bindings(&run, 2 + eval);
    }
    if (odd(odds)) {
        put_oddity(&run);
    }
    return run;
}

static void put_body(struct text *request, unsigned odds)
{
    static const unsigned fields[] = {13, 14, 15, 16, 27, 29, 62, 63};
    const unsigned field = fields[below(HG_ARRAY_COUNT(fields))];
    struct text body = {.size = 0};
    if (field == 15) {
        body = random_execute(odds);
    } else if (field == 16) {
        body = random_batch(odds);
    } else if (field == 29) {
        body = random_prepared(odds);
    } else if (field >= 62) {
        body = random_run(field == 63, odds);
    } else if (field != 27) {
        body = random_transfer(field == 13, odds);
    }
    put_bytes(request, field, &body);
}

static struct text random_request(unsigned odds)
{
    struct text request = {.size = 0};
    put_number(&request, 1, number());
    if (below(2) == 0) {
        put_number(&request, 2, number());
    }
    if (below(2) == 0) {
        put_number(&request, 3, number());
    }
    put_body(&request, odds);
    if (odd(odds)) {
        put_oddity(&request);
    }
    if (odd(odds)) {
        put_body(&request, odds);
    }
    if (odd(odds)) {
        put_number(&request, 1 + below(3), number());
    }
    return request;
}

/* ---- equality -----------------------------------------------------------------------------------
 */

static void expect_bytes(const void *hot, size_t hot_size, const void *general, size_t size)
{
    assert_int_equal(hot_size, size);
    if (size != 0) {
        assert_memory_equal(hot, general, size);
    }
}

static void expect_execute(const struct hg_execute_request *hot,
                           const struct hg_execute_request *general)
{
    expect_bytes(hot->op, hot->op_length, general->op, general->op_length);
    assert_int_equal(hot->op[hot->op_length], 0);
    expect_bytes(hot->inputs, hot->input_count * sizeof(uint64_t), general->inputs,
                 general->input_count * sizeof(uint64_t));
    expect_bytes(hot->outputs, hot->output_count * sizeof(uint64_t), general->outputs,
                 general->output_count * sizeof(uint64_t));
    assert_int_equal(hot->attribute_count, general->attribute_count);
    for (uint32_t i = 0; i < hot->attribute_count; i++) {
        expect_bytes(hot->attributes[i].name, hot->attributes[i].name_length,
                     general->attributes[i].name, general->attributes[i].name_length);
        assert_int_equal(hot->attributes[i].bits, general->attributes[i].bits);
    }
}

static void expect_bindings(const struct hg_graph_bind *hot, uint32_t hot_count,
                            const struct hg_graph_bind *general, uint32_t count)
{
    assert_int_equal(hot_count, count);
    for (uint32_t i = 0; i < count; i++) {
        expect_bytes(hot[i].name, hot[i].length, general[i].name, general[i].length);
        assert_int_equal(hot[i].name[hot[i].length], 0);
        assert_int_equal(hot[i].id, general[i].id);
    }
}

static void expect_run(const struct hg_graph_request *hot, const struct hg_graph_request *general)
{
    assert_int_equal(hot->graph, general->graph);
    expect_bytes(hot->source.text, hot->source.length, general->source.text,
                 general->source.length);
    assert_ptr_equal(hot->source.list, general->source.list);
    assert_int_equal(hot->outputs_from, general->outputs_from);
    expect_bindings(hot->inputs, hot->input_count, general->inputs, general->input_count);
    expect_bindings(hot->outputs, hot->output_count, general->outputs, general->output_count);
}

static void expect_step(const struct hg_step *hot, const struct hg_step *general)
{
    assert_int_equal(hot->kind, general->kind);
    switch (hot->kind) {
    case HG_REQUEST_EXECUTE:
        expect_execute(&hot->execute, &general->execute);
        break;
    case HG_REQUEST_EXECUTE_PREPARED:
        assert_int_equal(hot->execute_prepared.handle, general->execute_prepared.handle);
        expect_bytes(hot->execute_prepared.inputs,
                     hot->execute_prepared.input_count * sizeof(uint64_t),
                     general->execute_prepared.inputs,
                     general->execute_prepared.input_count * sizeof(uint64_t));
        expect_bytes(hot->execute_prepared.outputs,
                     hot->execute_prepared.output_count * sizeof(uint64_t),
                     general->execute_prepared.outputs,
                     general->execute_prepared.output_count * sizeof(uint64_t));
        break;
    case HG_REQUEST_WRITE:
        assert_int_equal(hot->write.id, general->write.id);
        assert_int_equal(hot->write.offset, general->write.offset);
        expect_bytes(hot->write.data.data, hot->write.data.size, general->write.data.data,
                     general->write.data.size);
        break;
    case HG_REQUEST_READ:
        assert_int_equal(hot->read.id, general->read.id);
        assert_int_equal(hot->read.offset, general->read.offset);
        assert_int_equal(hot->read.length, general->read.length);
        break;
    case HG_REQUEST_BATCH:
        assert_int_equal(hot->batch.count, general->batch.count);
        for (uint32_t i = 0; i < hot->batch.count; i++) {
            expect_step(&hot->batch.steps[i], &general->batch.steps[i]);
        }
        break;
    case HG_REQUEST_RUN_GRAPH:
    case HG_REQUEST_EVAL:
        expect_run(hot->run_graph, general->run_graph);
        break;
    default:
        assert_int_equal(hot->kind, HG_REQUEST_PING);
    }
}

/* Decodes both ways. Gives whether the hot way took the message; then the general one has to have
 * understood the same. */
static bool decode_both(const struct text *text, bool *valid)
{
    struct hg_arena arenas[2];
    struct hg_message hot = {0};
    struct hg_message general = {0};
    struct hg_error error = HG_ERROR_INIT;
    /* A copy of the exact size, so that a sanitizer sees a read past the end. */
    uint8_t *data = hg_malloc(HG_TAG_TEST, text->size + 1);
    assert_non_null(data);
    uint8_t *exact = data + 1;
    memcpy(exact, text->data, text->size);
    hg_arena_init(&arenas[0], HG_TAG_TEST, HG_ARENA_CHUNK_BYTES, HG_ARENA_BYTES_MAX);
    hg_arena_init(&arenas[1], HG_TAG_TEST, HG_ARENA_CHUNK_BYTES, HG_ARENA_BYTES_MAX);
    const bool taken = hg_codec_decode_hot(exact, text->size, &arenas[0], &hot);
    *valid =
        hg_codec_decode_general(exact, text->size, &arenas[1], &general, &error) == HG_DECODED_OK;
    hg_free(HG_TAG_TEST, data);
    if (taken) {
        assert_true(*valid);
        assert_int_equal(hot.id, general.id);
        assert_int_equal(hot.stream, general.stream);
        assert_int_equal(hot.timeout_us, general.timeout_us);
        expect_step(&hot.step, &general.step);
    } else {
        assert_int_equal(hot.step.kind, HG_REQUEST_NONE);
    }
    hg_arena_fini(&arenas[0]);
    hg_arena_fini(&arenas[1]);
    return taken;
}

/* ---- cases --------------------------------------------------------------------------------------
 */

/* Messages as encoders write them all go the hot way, and mean what the general way says. */
static void plain_messages_go_the_hot_way(void **state)
{
    (void)state;
    for (int i = 0; i < MESSAGES; i++) {
        const struct text text = random_request(0);
        bool valid;
        assert_true(decode_both(&text, &valid));
    }
}

/* Unknown fields, lists that are not packed, fields given twice, second bodies: whichever way they
 * go, they mean the same; many are valid and are left to the general way. */
static void odd_messages_mean_the_same(void **state)
{
    (void)state;
    unsigned taken = 0;
    unsigned left = 0;
    for (int i = 0; i < MESSAGES; i++) {
        const struct text text = random_request(6);
        bool valid;
        if (decode_both(&text, &valid)) {
            taken++;
        } else {
            left += valid;
        }
    }
    assert_in_range(taken, MESSAGES / 20, MESSAGES);
    assert_in_range(left, MESSAGES / 20, MESSAGES);
}

/* Bytes changed, lost and added at random: what the general way refuses the hot one never takes. */
static void broken_messages_are_not_taken(void **state)
{
    (void)state;
    unsigned refused = 0;
    for (int i = 0; i < MESSAGES; i++) {
        struct text text = random_request(12);
        for (unsigned changes = 1 + below(3); changes > 0 && text.size != 0; changes--) {
            const unsigned at = below((unsigned)text.size);
            switch (below(3)) {
            case 0:
                text.data[at] = (uint8_t)next_random();
                break;
            case 1:
                text.data[at] ^= (uint8_t)(1u << below(8));
                break;
            default:
                text.size = at;
                break;
            }
        }
        bool valid;
        (void)decode_both(&text, &valid);
        refused += !valid;
    }
    assert_in_range(refused, MESSAGES / 4, MESSAGES);
}

/* More elements, messages or fields than limits.h allows are not taken, so that the general way
 * says which bound it was. */
static void bounds_hold(void **state)
{
    (void)state;
    const size_t size = 4 * HG_DECODE_MESSAGES_MAX + 64;
    uint8_t *data = hg_malloc(HG_TAG_TEST, size);
    struct hg_message message;
    struct hg_arena arena;
    assert_non_null(data);
    hg_arena_init(&arena, HG_TAG_TEST, HG_ARENA_CHUNK_BYTES, HG_ARENA_BYTES_MAX);
    for (unsigned steps = 2040; steps < 2056; steps++) {
        /* A request, a batch, and for each step itself and its empty execute. */
        const bool allowed = 2 + 2 * steps <= HG_DECODE_MESSAGES_MAX;
        const unsigned body = 4 * steps;
        size_t at = 0;
        data[at++] = 0x82;
        data[at++] = 0x01;
        data[at++] = (uint8_t)(body | 0x80);
        data[at++] = (uint8_t)(body >> 7);
        for (unsigned i = 0; i < steps; i++) {
            static const uint8_t step[] = {0x0a, 2, 0x22, 0};
            memcpy(data + at, step, sizeof(step));
            at += sizeof(step);
        }
        struct hg_error error = HG_ERROR_INIT;
        assert_true(hg_codec_decode_hot(data, at, &arena, &message) == allowed);
        assert_true((hg_codec_decode_general(data, at, &arena, &message, &error) ==
                     HG_DECODED_OK) == allowed);
        hg_arena_reset(&arena);
    }
    hg_arena_fini(&arena);
    hg_free(HG_TAG_TEST, data);
}

/* ---- replies ------------------------------------------------------------------------------------
 */

static uint8_t *reserve(void *context, size_t size)
{
    struct text *text = context;
    assert_in_range(size, 0, sizeof(text->data));
    text->size = size;
    return text->data;
}

static uint8_t *reserve_nothing(void *context, size_t size)
{
    (void)context;
    (void)size;
    return NULL;
}

static struct hg_reply random_reply(void)
{
    static const char *const names[] = {NULL, "", "hit", "precompiled", "scalar_mul"};
    struct hg_reply reply = {.id = below(3) == 0 ? 0 : number()};
    switch (below(4)) {
    case 0:
        reply.kind = HG_REQUEST_EXECUTE;
        reply.execute = (struct hg_execute_reply){
            .cache = names[below(HG_ARRAY_COUNT(names))],
            .outcome = names[below(HG_ARRAY_COUNT(names))],
            .queue_ns = number(),
            .lookup_ns = below(2) * number(),
            .build_ns = below(2) * number(),
            .run_ns = number(),
        };
        break;
    case 1:
        reply.kind = HG_REQUEST_BATCH;
        reply.batch.completed = (uint32_t)number();
        break;
    case 2:
        reply.kind = HG_REQUEST_READ;
        reply.read.length = number();
        reply.read.spec.dtype = (enum hg_dtype)below(HG_DTYPE_COUNT);
        reply.read.spec.rank = (uint8_t)below(HG_RANK_MAX + 1);
        for (unsigned i = 0; i < reply.read.spec.rank; i++) {
            reply.read.spec.shape[i] = below(4) * number();
        }
        break;
    default:
        break;
    }
    return reply;
}

/* Both ways give the same bytes, and the hot one says when there is no memory. */
static void hot_replies_are_the_same_bytes(void **state)
{
    (void)state;
    struct hg_arena arena;
    hg_arena_init(&arena, HG_TAG_TEST, HG_ARENA_CHUNK_BYTES, HG_ARENA_BYTES_MAX);
    for (int i = 0; i < MESSAGES; i++) {
        struct text hot = {.size = 0};
        struct text general = {.size = 0};
        const struct hg_reply reply = random_reply();
        assert_true(hg_codec_is_hot(&reply));
        assert_int_equal(hg_codec_encode_hot(&reply, reserve, &hot), HG_OK);
        assert_int_equal(hg_codec_encode_general(&reply, &arena, reserve, &general), HG_OK);
        expect_bytes(hot.data, hot.size, general.data, general.size);
        assert_int_equal(hg_codec_encode_hot(&reply, reserve_nothing, NULL), HG_RESOURCE_EXHAUSTED);
        hg_arena_reset(&arena);
    }
    hg_arena_fini(&arena);
}

/* A failure has a status to say, so it is not hot, in whatever body. */
static void failures_are_not_hot(void **state)
{
    (void)state;
    const struct hg_reply failed = {.id = 1, .error = {.status = HG_NOT_FOUND}};
    const struct hg_reply step = {.id = 1,
                                  .kind = HG_REQUEST_BATCH,
                                  .batch = {.completed = 1, .failed = {.status = HG_NOT_FOUND}}};
    assert_false(hg_codec_is_hot(&failed));
    assert_false(hg_codec_is_hot(&step));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_messages_go_the_hot_way),
        cmocka_unit_test(odd_messages_mean_the_same),
        cmocka_unit_test(broken_messages_are_not_taken),
        cmocka_unit_test(bounds_hold),
        cmocka_unit_test(hot_replies_are_the_same_bytes),
        cmocka_unit_test(failures_are_not_hot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
