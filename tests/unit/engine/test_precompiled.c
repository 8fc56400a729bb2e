/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that are there from the start are those that would have been built, for less. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/engine/keyfile.h"
#include "lib/engine/precompiled.h"
#include "tests/unit/engine/fixture.h"

/* What the table gives for KEY; NULL for nothing. */
static struct hg_program *make(const struct hg_key *key)
{
    struct hg_program *program = NULL;
    test_ok(hg_precompiled_make(key, &program, &error));
    return program;
}

static void assert_same_program(const struct hg_program *a, const struct hg_program *b)
{
    const struct hg_code_facts *x = &a->facts;
    const struct hg_code_facts *y = &b->facts;
    assert_true(hg_key_equal(&a->key, &b->key));
    assert_int_equal(a->word_count, b->word_count);
    assert_memory_equal(a->words, b->words, a->word_count * sizeof a->words[0]);
    assert_int_equal(x->block_lanes, y->block_lanes);
    assert_int_equal(x->facts, y->facts);
    assert_int_equal(x->slots_read, y->slots_read);
    assert_int_equal(x->slots_written, y->slots_written);
    assert_int_equal(x->params_read, y->params_read);
    assert_int_equal(x->slot_count, y->slot_count);
    assert_int_equal(x->handle_count, y->handle_count);
    assert_int_equal(x->segment_count, y->segment_count);
    assert_int_equal(x->reduce_count, y->reduce_count);
    assert_int_equal(x->scratch_bytes, y->scratch_bytes);
    assert_int_equal(x->insn_count, y->insn_count);
    assert_int_equal(x->cost, y->cost);
    assert_int_equal(x->mma_cost, y->mma_cost);
    assert_int_equal(x->row_cost_bits, y->row_cost_bits);
}

/* KEY's program from the table is what building gives, bit by bit. */
static void check_key(const struct hg_key *key)
{
    struct hg_program *built = NULL;
    struct hg_program *made = make(key);
    test_ok(hg_op_build(key, &built, &error));
    assert_non_null(made);
    assert_same_program(made, built);
    hg_program_unref(&made);
    hg_program_unref(&built);
}

/* With operands in classes FIRST, FIRST + STEP … */
static struct hg_key with_classes(const struct hg_key *bare, unsigned first, unsigned step)
{
    struct hg_key key = *bare;
    for (unsigned i = 0; i < HG_KEY_OPERANDS && key.mode[i] != HG_OPERAND_NONE; i++) {
        key.operand[i] = (uint64_t)(first + i * step) % HG_CLASS_COUNT * HG_CLASS_BYTES;
    }
    return key;
}

/* Every program of the table, those of the boundary pool in several sets of classes. */
static void entries_are_what_would_be_built(void **state)
{
    (void)state;
    static const unsigned classes[][2] = {{1, 1}, {95, 94}, {7, 40}};
    unsigned phi_count = 0;
    for (uint32_t i = 0; i < hg_precompiled_count; i++) {
        const struct hg_key *bare = &hg_precompiled_entries[i].key;
        if (!hg_key_is_phi(bare)) {
            check_key(bare);
            continue;
        }
        phi_count++;
        for (size_t j = 0; j < HG_ARRAY_COUNT(classes); j++) {
            const struct hg_key key = with_classes(bare, classes[j][0], classes[j][1]);
            check_key(&key);
        }
    }
    (void)printf("%u programs, %u of them for the boundary pool\n", hg_precompiled_count,
                 phi_count);
}

/* Class 0 has no place in the words of a product, and operands in one class were not verified: such
 * keys are built, or refused, instead. */
static void what_does_not_fit_is_left_to_building(void **state)
{
    (void)state;
    unsigned left = 0;
    for (uint32_t i = 0; i < hg_precompiled_count; i++) {
        const struct hg_key *bare = &hg_precompiled_entries[i].key;
        const struct hg_key key = with_classes(bare, 5, 0);
        if (hg_key_is_phi(bare) && bare->mode[1] != HG_OPERAND_NONE) {
            assert_null(make(&key));
        }
    }
    for (uint32_t i = 0; i < hg_precompiled_count; i++) {
        const struct hg_key *bare = &hg_precompiled_entries[i].key;
        const struct hg_key key = with_classes(bare, 0, 1);
        struct hg_program *made = hg_key_is_phi(bare) ? make(&key) : NULL;
        if (made != NULL) {
            check_key(&key);
        } else if (hg_key_is_phi(bare)) {
            assert_true(bare->cache == HG_CACHE_GEMM || bare->cache == HG_CACHE_MATVEC ||
                        bare->cache == HG_CACHE_LINEAR);
            left++;
        }
        hg_program_unref(&made);
    }
    assert_true(left > 0 || hg_precompiled_count < 1000);
}

/* Keys that no plan makes have no program here either, whatever else in them is right. */
static void spoilt_keys_are_refused(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < hg_precompiled_count; i++) {
        const struct hg_key good = with_classes(&hg_precompiled_entries[i].key, 3, 1);
        if (!hg_key_is_phi(&good)) {
            struct hg_key key = hg_precompiled_entries[i].key;
            key.operand[0] = 1;
            assert_null(make(&key));
            continue;
        }
        static const uint64_t offsets[] = {1, HG_CLASS_BYTES + 8, HG_BOUNDARY_BYTES, UINT64_MAX};
        for (size_t j = 0; j < HG_ARRAY_COUNT(offsets); j++) {
            struct hg_key key = good;
            key.operand[0] = offsets[j];
            assert_null(make(&key));
        }
        struct hg_key key = good;
        key.operand[HG_KEY_OPERANDS - 1] = HG_CLASS_BYTES;
        if (key.mode[HG_KEY_OPERANDS - 1] == HG_OPERAND_NONE) {
            assert_null(make(&key));
        }
    }
}

/* The first call of each operation and type on a cold engine says `precompiled`, the next `hit`;
 * sizes that are baked are built. The cache counts the one like the other. */
static void cold_calls_find_them(void **state)
{
    (void)state;
    struct hg_engine *engine = test_engine();
    struct hg_session *session = test_session(engine, 1000);
    uint64_t id = 1;
    for (unsigned type = 0; type < HG_DTYPE_COUNT; type++, id += 3) {
        test_alloc(session, id, (enum hg_dtype)type, 300);
        test_alloc(session, id + 1, (enum hg_dtype)type, 300);
        test_alloc(session, id + 2, (enum hg_dtype)type, 300);
        struct hg_task task = {0};
        assert_int_equal(test_run_op(session, "vector_add", id, id + 1, id + 2, &task), HG_OK);
        assert_string_equal(hg_cache_outcome_name(task.outcome), "precompiled");
        assert_int_equal(test_run_op(session, "vector_add", id, id + 1, id + 2, &task), HG_OK);
        assert_string_equal(hg_cache_outcome_name(task.outcome), "hit");
    }
    struct hg_cache_region_stats stats;
    struct hg_engine_stats all;
    hg_engine_cache_stats(engine, HG_CACHE_VECTOR_ADD, &stats);
    hg_engine_stats(engine, &all);
    assert_int_equal(stats.entries, HG_DTYPE_COUNT);
    assert_int_equal(stats.builds, HG_DTYPE_COUNT);
    assert_int_equal(all.precompiled, HG_DTYPE_COUNT);
    assert_true(stats.bytes >= HG_DTYPE_COUNT * sizeof(struct hg_program));

    const struct hg_buffer_spec matrix = {.dtype = HG_F32, .rank = 2, .shape = {5, 5}};
    for (uint64_t i = 100; i < 103; i++) {
        test_ok(hg_session_alloc(session, i, &matrix, NULL, &error));
    }
    struct hg_task task = {0};
    assert_int_equal(test_run_op(session, "gemm", 100, 101, 102, &task), HG_OK);
    assert_string_equal(hg_cache_outcome_name(task.outcome), "build");

    hg_session_destroy(&session);
    uint64_t bytes = hg_alloc_live_bytes(HG_TAG_PROGRAM);
    assert_int_equal(hg_engine_cache_flush(engine), HG_DTYPE_COUNT + 1);
    hg_engine_destroy(&engine);
    assert_true(bytes > 0);
    assert_int_equal(hg_alloc_live_bytes(HG_TAG_PROGRAM), 0);
}

/* ---- cost ------------------------------------------------------------------------------------ */

enum { ROUNDS = 200 };

/* Least nanoseconds of one making, or building, of all programs with slots; each on average. */
static double least_ns(bool precompiled)
{
    double least = 1e12;
    for (int round = 0; round < ROUNDS / 20; round++) {
        uint64_t start_ns = hg_clock_now_ns();
        unsigned count = 0;
        for (uint32_t i = 0; i < hg_precompiled_count; i++) {
            const struct hg_key *key = &hg_precompiled_entries[i].key;
            if (hg_key_is_phi(key)) {
                continue;
            }
            struct hg_program *program = NULL;
            if (precompiled) {
                program = make(key);
            } else {
                test_ok(hg_op_build(key, &program, &error));
            }
            hg_program_unref(&program);
            count++;
        }
        double each = (double)(hg_clock_now_ns() - start_ns) / (count == 0 ? 1 : count);
        least = each < least ? each : least;
    }
    return least;
}

/* Taking a program from the table costs less than half of building it. */
static void they_cost_less_than_building(void **state)
{
    (void)state;
    double made_ns = least_ns(true);
    double built_ns = least_ns(false);
    (void)printf("precompiled %.0f ns, built %.0f ns\n", made_ns, built_ns);
    assert_true(hg_precompiled_count == 0 || made_ns * 2 < built_ns);
}

/* ---- the build step -------------------------------------------------------------------------- */

/* Where the build put the tool: ../../host beside this test. */
static void tool_path(char *path, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", path, size - 1);
    assert_true(length > 0 && (size_t)length < size - 1);
    path[length] = '\0';
    for (int i = 0; i < 3; i++) {
        char *slash = strrchr(path, '/');
        assert_non_null(slash);
        *slash = '\0';
    }
    size_t used = strlen(path);
    (void)snprintf(path + used, size - used, "/host/precompile");
}

/* The first line of what the tool writes for the key file at PATH. */
static void first_line(const char *path, char *line, size_t size)
{
    char tool[512];
    char command[1200];
    tool_path(tool, sizeof tool);
    (void)snprintf(command, sizeof command, "'%s' --profile '%s' 2>&1", tool, path);
    FILE *output = popen(command, "r"); /* NOLINT(cert-env33-c): paths of this test's own */
    assert_non_null(output);
    assert_non_null(fgets(line, (int)size, output));
    while (fgetc(output) != EOF) {
    }
    (void)pclose(output);
}

/* A profile chooses what is built beforehand: its keys, baked sizes and all, and nothing else. */
static void a_profile_chooses(void **state)
{
    (void)state;
    struct hg_keyfile_entry entries[3] = {{.hits = 9}, {.hits = 5}, {.hits = 1}};
    const struct hg_op *op = hg_op_find("gemm", 4);
    for (uint64_t i = 0; i < 3; i++) {
        struct hg_op_call call = {.op = op, .operand_count = 3, .policy = {.fusion = true}};
        for (unsigned j = 0; j < 3; j++) {
            uint64_t side = 16 + i;
            call.operands[j] =
                (struct hg_op_operand){.type = HG_F32,
                                       .rank = 2,
                                       .shape = {side, side},
                                       .elements = side * side,
                                       .base = (const void *)((uintptr_t)(j + 1) << 20),
                                       .boundary_class = -1};
        }
        struct hg_plan plan;
        test_ok(hg_op_plan(&call, &plan, &error));
        entries[i].key = plan.steps[0].key;
    }
    uint8_t *bytes = NULL;
    size_t size = 0;
    test_ok(hg_keyfile_encode(entries, 3, &bytes, &size, &error));
    char path[] = "/tmp/hologram-profile-XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0 && write(descriptor, bytes, size) == (ssize_t)size);
    char line[256];
    first_line(path, line, sizeof line);
    assert_non_null(strstr(line, "; 3 programs."));
    assert_int_equal(ftruncate(descriptor, (off_t)size - 1), 0);
    first_line(path, line, sizeof line);
    assert_non_null(strstr(line, "truncated"));
    (void)close(descriptor);
    (void)unlink(path);
    hg_free(HG_TAG_ENGINE, bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_what_would_be_built),
        cmocka_unit_test(what_does_not_fit_is_left_to_building),
        cmocka_unit_test(spoilt_keys_are_refused),
        cmocka_unit_test(cold_calls_find_them),
        cmocka_unit_test(they_cost_less_than_building),
        cmocka_unit_test(a_profile_chooses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
