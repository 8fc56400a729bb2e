/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/cache_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"

struct hg_key bench_cache_key(uint64_t number)
{
    struct hg_key key;
    hg_key_init(&key);
    key.cache = (uint16_t)(number % HG_CACHE_COUNT);
    key.form = (uint8_t)(number % HG_PROGRAM_FORM_COUNT);
    key.type[0] = key.type[1] = (uint8_t)(number % 10);
    key.mode[0] = key.mode[1] = HG_OPERAND_LANE;
    key.operand[0] = number % 96 * 12288;
    key.size[0] = (uint32_t)number;
    return key;
}

enum hg_status bench_cache_build(const struct hg_key *key, void *context,
                                 struct hg_program **program, struct hg_error *error)
{
    (void)context;
    const struct hg_insn insn = {.op = HG_OP_EXIT, .pred = HG_PRED_NONE};
    const struct hg_code code = {.insns = &insn, .insn_count = 1};
    return hg_program_create(&code, key, program, error);
}

struct hg_cache *bench_cache_new(uint64_t entries_max)
{
    const struct hg_cache_options options = {
        .region_count = HG_CACHE_COUNT, .entries_max = entries_max, .bytes_max = 1u << 30};
    struct hg_cache *cache = NULL;
    struct hg_error error = HG_ERROR_INIT;
    if (hg_cache_create(&options, &cache, &error) != HG_OK) {
        (void)fprintf(stderr, "bench_cache: %s\n", error.message);
        exit(1);
    }
    return cache;
}

struct hg_launch bench_cache_launch(const struct hg_plan_step *step, const struct hg_op_call *call,
                                    const struct hg_program *program, uint8_t *boundary)
{
    struct hg_launch launch = {.program = program, .first_class = -1, .boundary_base = boundary};
    launch.operand_count = program->facts.slot_count;
    for (uint32_t i = 0; i < step->operand_count; i++) {
        unsigned index = step->operand[i];
        HG_REQUIRE(index < call->operand_count);
        const struct hg_op_operand *operand = &call->operands[index];
        int class_index = operand->boundary_class;
        if (class_index >= 0) {
            launch.boundary_classes[class_index / 64] |= UINT64_C(1) << (class_index % 64);
            launch.first_class = i == 0 ? class_index : launch.first_class;
        }
        if (i < launch.operand_count) {
            launch.operands[i] = (struct hg_operand){
                .base = (void *)(uintptr_t)operand->base, /* NOLINT(performance-no-int-to-ptr) */
                .bytes = operand->elements * hg_dtype_bytes(operand->type),
                .writable = step->writes[i],
            };
        }
    }
    memcpy(launch.params, step->params, sizeof launch.params);
    return launch;
}

uint64_t bench_cache_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}
