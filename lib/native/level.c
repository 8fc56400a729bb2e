/* SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>

#include "lib/native/arena.h"
#include "lib/native/native.h"

/* Process-wide state, relaxed: set before programs are built, and any level's code is right. */
static _Atomic unsigned limit = HG_ISA_LEVEL_COUNT - 1;

void hg_native_limit(enum hg_isa_level level)
{
    atomic_store_explicit(&limit, level, memory_order_relaxed);
}

enum hg_isa_level hg_native_level(void)
{
    unsigned level = hg_cpu_isa_level();
    unsigned most = atomic_load_explicit(&limit, memory_order_relaxed);
    level = level < most ? level : most;
    return level >= HG_ISA_AVX2 && hg_code_arena_shared() != NULL ? (enum hg_isa_level)level
                                                                  : HG_ISA_GENERIC;
}

bool hg_native_available(void)
{
    return hg_native_level() != HG_ISA_GENERIC;
}
