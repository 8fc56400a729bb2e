/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>

#include "lib/base/check.h"
#include "lib/ops/ops.h"
#include "lib/ops/plan.h"

static const struct {
    const char *name;
    const char *help;
} caches[HG_CACHE_COUNT] = {
#define HG_CACHE(id, cache_name, cache_help) [HG_CACHE_##id] = {cache_name, cache_help},
#include "lib/ops/caches.def"
#undef HG_CACHE
};

/* Shorthands of ops.def. */
#define IN(operand_name)                                                                           \
    {                                                                                              \
        .name = (operand_name), .output = false                                                    \
    }
#define OUT(operand_name)                                                                          \
    {                                                                                              \
        .name = (operand_name), .output = true                                                     \
    }
/* Operands with types of their own, and those of results of comparisons and of indices. */
#define IN_OF(operand_name, set)                                                                   \
    {                                                                                              \
        .name = (operand_name), .output = false, .types = (set)                                    \
    }
#define OUT_OF(operand_name, set)                                                                  \
    {                                                                                              \
        .name = (operand_name), .output = true, .types = (set)                                     \
    }
#define ATTRIBUTE_N                                                                                \
    {                                                                                              \
        .name = "n", .kind = HG_ATTRIBUTE_SIZE,                                                    \
        .summary = "Elements to work on; default: those of the first operand.",                    \
    }
#define ATTRIBUTE_COLS                                                                             \
    {                                                                                              \
        .name = "cols", .kind = HG_ATTRIBUTE_SIZE,                                                 \
        .summary = "Elements of a row; 0 (default) = one row of n.",                               \
    }

static const struct hg_op ops[HG_OP_ID_COUNT] = {
#define HG_OP(id, ...) [HG_OP_ID_##id] = {__VA_ARGS__},
#include "lib/ops/ops.def"
#undef HG_OP
};

const char *hg_cache_name(enum hg_cache_id id)
{
    HG_REQUIRE(id < HG_CACHE_COUNT);
    return caches[id].name;
}

const char *hg_cache_help(enum hg_cache_id id)
{
    HG_REQUIRE(id < HG_CACHE_COUNT);
    return caches[id].help;
}

bool hg_cache_is_unfused(enum hg_cache_id id)
{
    return strstr(hg_cache_help(id), "(fusion = off)") != NULL;
}

enum hg_cache_id hg_cache_find(const char *name)
{
    unsigned id = 0;
    while (id < HG_CACHE_COUNT && strcmp(caches[id].name, name) != 0) {
        id++;
    }
    return (enum hg_cache_id)id;
}

const struct hg_op *hg_op_info(enum hg_op_id id)
{
    HG_REQUIRE(id < HG_OP_ID_COUNT);
    return &ops[id];
}

uint32_t hg_op_operand_types(const struct hg_op *op, unsigned operand, enum hg_dtype type)
{
    const struct hg_op_operand_info *info = &op->operands[operand];
    if (info->types != 0) {
        return info->types;
    }
    bool widens = info->output && op->wide_output && hg_dtype_in(type, HG_DT_HALF);
    return 1u << type | (widens ? HG_DT(F32) : 0u);
}

enum hg_dtype hg_op_operand_type(const struct hg_op *op, unsigned operand, enum hg_dtype type)
{
    uint32_t types = hg_op_operand_types(op, operand, type);
    if (hg_dtype_in(type, types)) {
        return type;
    }
    unsigned first = 0;
    while (!hg_dtype_in((enum hg_dtype)first, types)) {
        first++;
    }
    return (enum hg_dtype)first;
}

/* ---- by name --------------------------------------------------------------------------------- */

/* Four times as many slots as names: most searches look at one. */
#define SLOT_COUNT      256
#define NAME_LENGTH_MIN 2
/* 2^64 over the golden ratio: spreads whatever it multiplies. */
#define SLOT_FACTOR UINT64_C(0x9e3779b97f4a7c15)
_Static_assert(SLOT_COUNT >= 2 * HG_OP_ID_COUNT, "searches must end");

struct slot {
    uint8_t length; /* of the name; 0 = free */
    uint8_t id;
};

/* Process-wide state: where each name is; written once, by whoever asks first. */
static struct slot slots[SLOT_COUNT];
static pthread_once_t slots_once = PTHREAD_ONCE_INIT;

/* Of the length and the characters at both ends, which tell almost all names apart. */
static uint32_t slot_of(const char *name, size_t length)
{
    uint64_t bits = length | (uint64_t)(uint8_t)name[0] << 8 | (uint64_t)(uint8_t)name[1] << 16 |
                    (uint64_t)(uint8_t)name[length - 2] << 24 |
                    (uint64_t)(uint8_t)name[length - 1] << 32;
    return (uint32_t)(bits * SLOT_FACTOR >> 56);
}
_Static_assert(SLOT_COUNT == 1 << (64 - 56), "the product's high bits number the slots");

static void fill_slots(void)
{
    for (unsigned id = 0; id < HG_OP_ID_COUNT; id++) {
        size_t length = strlen(ops[id].name);
        HG_REQUIRE(length >= NAME_LENGTH_MIN && length <= UINT8_MAX);
        uint32_t slot = slot_of(ops[id].name, length);
        while (slots[slot].length != 0) {
            slot = (slot + 1) % SLOT_COUNT;
        }
        slots[slot] = (struct slot){(uint8_t)length, (uint8_t)id};
    }
}

const struct hg_op *hg_op_find(const char *name, size_t length)
{
    (void)pthread_once(&slots_once, fill_slots); /* fails for no valid argument */
    if (length < NAME_LENGTH_MIN) {
        return NULL;
    }
    for (uint32_t slot = slot_of(name, length); slots[slot].length != 0;
         slot = (slot + 1) % SLOT_COUNT) {
        const struct hg_op *op = &ops[slots[slot].id];
        if (slots[slot].length == length && memcmp(op->name, name, length) == 0) {
            return op;
        }
    }
    return NULL;
}
