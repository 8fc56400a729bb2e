/* SPDX-License-Identifier: Apache-2.0 */
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

const struct hg_op *hg_op_info(enum hg_op_id id)
{
    HG_REQUIRE(id < HG_OP_ID_COUNT);
    return &ops[id];
}

const struct hg_op *hg_op_find(const char *name, size_t length)
{
    for (unsigned id = 0; id < HG_OP_ID_COUNT; id++) {
        if (strlen(ops[id].name) == length && memcmp(ops[id].name, name, length) == 0) {
            return &ops[id];
        }
    }
    return NULL;
}
