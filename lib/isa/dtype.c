/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/isa/dtype.h"

#include <string.h>

#include "lib/base/check.h"

struct dtype_info {
    const char *name;
    uint32_t bytes;
};

static const struct dtype_info dtypes[HG_DTYPE_COUNT] = {
#define DTYPE(name, code, bytes, text, kind) [code] = {text, bytes},
    HG_DTYPE_MAP(DTYPE)
#undef DTYPE
};

uint32_t hg_dtype_bytes(enum hg_dtype type)
{
    HG_REQUIRE(type < HG_DTYPE_COUNT);
    return dtypes[type].bytes;
}

const char *hg_dtype_name(enum hg_dtype type)
{
    HG_REQUIRE(type < HG_DTYPE_COUNT);
    return dtypes[type].name;
}

bool hg_dtype_parse(const char *name, uint32_t length, enum hg_dtype *type)
{
    for (uint32_t i = 0; i < HG_DTYPE_COUNT; i++) {
        if (strlen(dtypes[i].name) == length && memcmp(dtypes[i].name, name, length) == 0) {
            *type = (enum hg_dtype)i;
            return true;
        }
    }
    return false;
}
