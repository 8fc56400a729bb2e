/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/isa/dtype.h"

#include <string.h>

#include "lib/base/check.h"

static const char *const names[HG_DTYPE_COUNT] = {
#define DTYPE(name, code, bytes, text, kind) [code] = (text),
    HG_DTYPE_MAP(DTYPE)
#undef DTYPE
};

const char *hg_dtype_name(enum hg_dtype type)
{
    HG_REQUIRE(type < HG_DTYPE_COUNT);
    return names[type];
}

bool hg_dtype_parse(const char *name, uint32_t length, enum hg_dtype *type)
{
    for (uint32_t i = 0; i < HG_DTYPE_COUNT; i++) {
        if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0) {
            *type = (enum hg_dtype)i;
            return true;
        }
    }
    return false;
}
