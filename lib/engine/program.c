/* SPDX-License-Identifier: Apache-2.0 */
/* Users' programs: loading, which is the only way in, and running them. */
#include <inttypes.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/engine/sha256.h"
#include "lib/engine/steps.h"
#include "lib/engine/work.h"

/* Header and checksum of the binary form are far below one page. */
#define BINARY_BYTES_MAX (HG_PROGRAM_WORDS_MAX * 8 + 4096)

/* A program as a session knows it: the shared program and what it names of the session's own. */
struct hg_loaded {
    struct hg_cache_pin pin;
    uint64_t bytes;
    uint64_t classes_read[2]; /* bit sets of boundary classes */
    uint64_t classes_written[2];
    uint64_t handles[HG_SLOT_COUNT_MAX]; /* ids that it bakes in, in the order of their slots */
};

/* ---- loading --------------------------------------------------------------------------------- */

struct binary {
    const struct hg_engine *engine;
    const void *data;
    size_t size;
};

/* The content's digest is the key: equal programs are one, different ones never meet. */
static void key_of(const struct binary *binary, struct hg_key *key)
{
    uint8_t digest[HG_SHA256_BYTES];
    hg_sha256(binary->data, binary->size, digest);
    hg_key_init(key);
    key->cache = HG_CACHE_USER;
    _Static_assert(sizeof key->operand == sizeof digest, "the digest fills the operands' place");
    memcpy(key->operand, digest, sizeof digest);
    key->constant[0] = binary->size;
}

static enum hg_status build_user(const struct hg_key *key, void *context,
                                 struct hg_program **program, struct hg_error *error)
{
    const struct binary *binary = context;
    struct hg_code code = {0};
    struct hg_insn *insns = NULL;
    enum hg_status status =
        hg_code_decode(binary->data, binary->size, &code.header, &insns, &code.insn_count, error);
    if (status != HG_OK) {
        return status;
    }
    code.insns = insns;
    status = hg_program_create(&code, key, program, error);
    hg_free(HG_TAG_PROGRAM, insns);
    if (status == HG_OK) {
        hg_program_ready(binary->engine, key, *program);
    }
    return status;
}

static void note_class(const struct hg_addr *addr, uint64_t classes[2])
{
    if (addr->mode == HG_ADDR_PHI) {
        uint64_t index = (uint64_t)addr->offset / HG_CLASS_BYTES;
        HG_REQUIRE(index < HG_CLASS_COUNT);
        classes[index / 64] |= UINT64_C(1) << (index % 64);
    }
}

static void note_classes(const struct hg_insn *insn, struct hg_loaded *loaded)
{
    switch (insn->op) {
    case HG_OP_LDG:
        note_class(&insn->u.addr, loaded->classes_read);
        break;
    case HG_OP_STG:
        note_class(&insn->u.addr, loaded->classes_written);
        break;
    case HG_OP_MMA:
        note_class(&insn->u.mma.a, loaded->classes_read);
        note_class(&insn->u.mma.b, loaded->classes_read);
        break;
    default:
        break;
    }
}

/* Notes the classes and handles that the program names. */
static enum hg_status note_names(struct hg_loaded *loaded, struct hg_error *error)
{
    const struct hg_program *program = loaded->pin.program;
    const struct hg_code_facts *facts = &program->facts;
    if ((facts->facts & HG_FACT_PHI) == 0 && facts->handle_count == 0) {
        return HG_OK;
    }
    struct hg_insn *insns = hg_malloc(HG_TAG_ENGINE, facts->insn_count * sizeof *insns);
    if (insns == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "out of memory");
    }
    hg_program_unpack(program, insns);
    for (uint32_t i = 0; i < facts->insn_count; i++) {
        note_classes(&insns[i], loaded);
    }
    const struct hg_code code = {
        .header.slot_count = facts->slot_count,
        .insns = insns,
        .insn_count = facts->insn_count,
    };
    HG_REQUIRE(hg_code_handles(&code, loaded->handles) == facts->handle_count);
    hg_free(HG_TAG_ENGINE, insns);
    return HG_OK;
}

/*
 * Loaded programs are pinned, and what is pinned cannot be evicted: all of them together may take
 * half of the cache, so that operations always find room.
 */
static enum hg_status reserve_share(struct hg_engine *engine, uint64_t bytes,
                                    struct hg_error *error)
{
    uint64_t programs =
        atomic_fetch_add_explicit(&engine->loaded_programs, 1, memory_order_relaxed) + 1;
    uint64_t total =
        atomic_fetch_add_explicit(&engine->loaded_bytes, bytes, memory_order_relaxed) + bytes;
    if (programs <= engine->options.cache_entries_max / 2 &&
        total <= engine->options.cache_bytes_max / 2) {
        return HG_OK;
    }
    atomic_fetch_sub_explicit(&engine->loaded_programs, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&engine->loaded_bytes, bytes, memory_order_relaxed);
    return hg_fail(error, HG_RESOURCE_EXHAUSTED,
                   "loaded programs take their half of the program cache already");
}

static void drop_loaded(struct hg_engine *engine, struct hg_loaded *loaded)
{
    atomic_fetch_sub_explicit(&engine->loaded_programs, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&engine->loaded_bytes, loaded->bytes, memory_order_relaxed);
    hg_cache_release(engine->cache, &loaded->pin);
    hg_free(HG_TAG_SESSION, loaded);
}

static enum hg_status check_load(const struct hg_session *session, uint64_t id, size_t size,
                                 struct hg_error *error)
{
    if (id == 0) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "0 is not an id: ids start at 1");
    }
    if (hg_idmap_find(&session->programs, id) != NULL) {
        return hg_fail(error, HG_ALREADY_EXISTS, "a program has id %" PRIu64 " already", id);
    }
    if (session->programs.count >= session->options.programs_max) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "the session may have %u programs",
                       session->options.programs_max);
    }
    if (size > BINARY_BYTES_MAX) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "a program has at most %u bytes, got %zu",
                       (unsigned)BINARY_BYTES_MAX, size);
    }
    return HG_OK;
}

/* Verifies BINARY, or finds it verified, and notes what it names. */
static enum hg_status load(struct hg_engine *engine, struct binary *binary,
                           struct hg_loaded *loaded, struct hg_error *error)
{
    struct hg_key key;
    key_of(binary, &key);
    enum hg_status status =
        hg_cache_acquire(engine->cache, &key, build_user, binary, &loaded->pin, NULL, error);
    if (status != HG_OK) {
        return status;
    }
    loaded->bytes = hg_program_bytes(loaded->pin.program);
    status = note_names(loaded, error);
    if (status == HG_OK) {
        status = reserve_share(engine, loaded->bytes, error);
    }
    if (status != HG_OK) {
        hg_cache_release(engine->cache, &loaded->pin);
    }
    return status;
}

enum hg_status hg_session_load(struct hg_session *session, uint64_t id, const void *binary,
                               size_t size, struct hg_code_facts *facts, struct hg_error *error)
{
    enum hg_status status = check_load(session, id, size, error);
    if (status != HG_OK) {
        return status;
    }
    struct hg_loaded *loaded = hg_calloc(HG_TAG_SESSION, 1, sizeof *loaded);
    if (loaded == NULL || !hg_idmap_reserve(&session->programs)) {
        hg_free(HG_TAG_SESSION, loaded);
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "out of memory");
    }
    status = load(session->engine, &(struct binary){session->engine, binary, size}, loaded, error);
    if (status != HG_OK) {
        hg_free(HG_TAG_SESSION, loaded);
        return status;
    }
    hg_idmap_insert(&session->programs, id, loaded, false);
    if (facts != NULL) {
        *facts = loaded->pin.program->facts;
    }
    return HG_OK;
}

static enum hg_status fail_no_program(uint64_t id, struct hg_error *error)
{
    return hg_fail(error, HG_NOT_FOUND, "no program has id %" PRIu64, id);
}

enum hg_status hg_session_unload(struct hg_session *session, uint64_t id, struct hg_error *error)
{
    struct hg_idmap_entry *entry = hg_idmap_find(&session->programs, id);
    if (entry == NULL) {
        return fail_no_program(id, error);
    }
    struct hg_loaded *loaded = entry->value;
    hg_idmap_remove(&session->programs, entry);
    drop_loaded(session->engine, loaded);
    return HG_OK;
}

void hg_session_unload_all(struct hg_session *session)
{
    uint32_t cursor = 0;
    const struct hg_idmap_entry *entry;
    while ((entry = hg_idmap_each(&session->programs, &cursor)) != NULL) {
        drop_loaded(session->engine, entry->value);
    }
}

/* ---- running --------------------------------------------------------------------------------- */

static enum hg_status check_run(const struct hg_session *session,
                                const struct hg_run_request *request,
                                const struct hg_code_facts *facts, struct hg_error *error)
{
    const uint32_t params_max = HG_PARAM_COUNT - HG_PARAM_FIRST;
    if (request->buffer_count != facts->slot_count) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "it declares %u slots, got %u buffers",
                       facts->slot_count, request->buffer_count);
    }
    if (request->param_count > params_max) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "at most %u parameters can be passed, got %u",
                       params_max, request->param_count);
    }
    if (request->fuel > session->options.fuel_max) {
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "fuel is bounded to %" PRIu64 " per block and segment, got %" PRIu64,
                       session->options.fuel_max, request->fuel);
    }
    return HG_OK;
}

static enum hg_status set_params(const struct hg_run_request *request, struct hg_launch *launch,
                                 struct hg_error *error)
{
    uint64_t rows = request->rows == 0 ? 1 : request->rows;
    uint64_t lanes;
    if (!hg_mul_u64(rows, request->cols, &lanes)) {
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "%" PRIu64 " rows of %" PRIu64 " columns overflow", rows, request->cols);
    }
    memset(launch->params, 0, sizeof launch->params);
    launch->params[HG_PARAM_N] = lanes;
    launch->params[HG_PARAM_ROWS] = rows;
    launch->params[HG_PARAM_COLS] = request->cols;
    if (request->param_count > 0) {
        memcpy(&launch->params[HG_PARAM_FIRST], request->params,
               request->param_count * sizeof request->params[0]);
    }
    return HG_OK;
}

/* Binds the buffer under ID to slot SLOT. */
static enum hg_status bind_slot(const struct hg_session *session, uint64_t id, uint32_t slot,
                                struct hg_launch *launch, struct hg_claims *claims,
                                struct hg_error *error)
{
    const struct hg_idmap_entry *entry = hg_session_find(session, id, error);
    if (entry == NULL) {
        return HG_NOT_FOUND;
    }
    bool writes = (launch->program->facts.slots_written >> slot & 1) != 0;
    if (writes && !entry->flag) {
        return hg_fail(error, HG_PERMISSION_DENIED,
                       "buffer %" PRIu64 " was opened for reading only", id);
    }
    struct hg_buffer *buffer = entry->value;
    launch->operands[slot] = (struct hg_operand){buffer->block.base, buffer->bytes, writes};
    if (slot == 0) {
        launch->first_class = hg_buffer_class(buffer);
    }
    hg_claims_add(claims, buffer, id, writes);
    return HG_OK;
}

static enum hg_status bind_slots(const struct hg_session *session,
                                 const struct hg_run_request *request,
                                 const struct hg_loaded *loaded, struct hg_launch *launch,
                                 struct hg_claims *claims, struct hg_error *error)
{
    const struct hg_code_facts *facts = &launch->program->facts;
    launch->operand_count = (uint32_t)facts->slot_count + facts->handle_count;
    for (uint32_t slot = 0; slot < launch->operand_count; slot++) {
        bool is_handle = slot >= facts->slot_count;
        uint64_t id =
            is_handle ? loaded->handles[slot - facts->slot_count] : request->buffers[slot];
        /* What a program names by itself is a right of the program's, not a slip of the caller's.
         */
        if (is_handle && hg_idmap_find(&session->buffers, id) == NULL) {
            return hg_fail(error, HG_PERMISSION_DENIED,
                           "it names buffer %" PRIu64 ", which the session does not have", id);
        }
        enum hg_status status = bind_slot(session, id, slot, launch, claims, error);
        if (status != HG_OK) {
            return hg_error_prefix(error, "slot b%u", slot);
        }
    }
    return HG_OK;
}

/* Allows the classes that the program names, each of which must be a buffer of the session's. */
static enum hg_status bind_classes(const struct hg_session *session, const struct hg_loaded *loaded,
                                   struct hg_launch *launch, struct hg_claims *claims,
                                   struct hg_error *error)
{
    for (uint32_t i = 0; i < HG_CLASS_COUNT; i++) {
        bool writes = (loaded->classes_written[i / 64] >> (i % 64) & 1) != 0;
        bool reads = (loaded->classes_read[i / 64] >> (i % 64) & 1) != 0;
        if (!reads && !writes) {
            continue;
        }
        if (session->classes[i] == NULL) {
            return hg_fail(error, HG_PERMISSION_DENIED,
                           "it names class %u, which the session does not own", i);
        }
        launch->boundary_classes[i / 64] |= UINT64_C(1) << (i % 64);
        hg_claims_add(claims, session->classes[i], 0, writes);
    }
    return HG_OK;
}

/* Whether the time of a run cannot be known before: with branches and loops, which fuel bounds, and
 * with products whose number of terms may be any parameter. */
static bool is_unpredictable(const struct hg_code_facts *facts)
{
    bool any_terms = (facts->facts & HG_FACT_MMA) != 0 && facts->params_read != 0;
    return (facts->facts & HG_FACT_CONTROL) != 0 || any_terms;
}

static enum hg_status prepare_run(struct hg_session *session, const struct hg_run_request *request,
                                  struct hg_prepared *prepared, struct hg_error *error)
{
    const struct hg_idmap_entry *entry = hg_idmap_find(&session->programs, request->program);
    if (entry == NULL) {
        return fail_no_program(request->program, error);
    }
    const struct hg_loaded *loaded = entry->value;
    const struct hg_code_facts *facts = &loaded->pin.program->facts;
    enum hg_status status = check_run(session, request, facts, error);
    if (status != HG_OK) {
        return status;
    }
    struct hg_launch *launch;
    const struct hg_cache_loan loan = {hg_program_ref(loaded->pin.program), HG_CACHE_COUNTED};
    hg_prepared_add_step(prepared, loan, &launch);
    prepared->must_queue = is_unpredictable(facts);
    launch->fuel = request->fuel == 0 ? session->options.fuel_max : request->fuel;
    status = set_params(request, launch, error);
    if (status == HG_OK) {
        status = bind_slots(session, request, loaded, launch, &prepared->claims, error);
    }
    if (status == HG_OK) {
        status = bind_classes(session, loaded, launch, &prepared->claims, error);
    }
    if (status == HG_OK) {
        status = hg_claims_begin(&prepared->claims, error);
    }
    if (status != HG_OK) {
        return status;
    }
    uint64_t scratch = hg_exec_scratch_bytes(launch->program, launch->params[HG_PARAM_ROWS],
                                             launch->params[HG_PARAM_COLS]);
    return scratch == 0 ? HG_OK : hg_prepared_charge(prepared, scratch, error);
}

enum hg_submitted hg_session_run(struct hg_session *session, const struct hg_run_request *request,
                                 struct hg_task *task)
{
    struct hg_prepared prepared;
    struct hg_launch launch; /* the one step there is */
    hg_task_begin(task);
    task->cache = hg_cache_name(HG_CACHE_USER);
    hg_prepared_init(&prepared, session, task, &launch);
    prepared.label = "program";
    if (prepare_run(session, request, &prepared, &task->error) != HG_OK) {
        (void)hg_error_prefix(&task->error, "program %" PRIu64, request->program);
        hg_prepared_fini(&prepared);
        return HG_TASK_DONE;
    }
    prepared.ready_ticks = hg_task_ticks(task);
    return hg_work_start(&prepared);
}
