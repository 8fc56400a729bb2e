/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Marks memory that nobody may touch, for AddressSanitizer: allocators of our own (arena, pools)
 * hide from it otherwise. Both are nothing in builds without it.
 */
#ifndef HG_LIB_BASE_POISON_H
#define HG_LIB_BASE_POISON_H

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define HG_HAS_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HG_HAS_POISON 1
#endif
#endif
#ifndef HG_HAS_POISON
#define HG_HAS_POISON 0
#endif

#if HG_HAS_POISON
#include <sanitizer/asan_interface.h>
#endif

static inline void hg_poison(const void *start, size_t size)
{
#if HG_HAS_POISON
    __asan_poison_memory_region(start, size);
#else
    (void)start;
    (void)size;
#endif
}

static inline void hg_unpoison(const void *start, size_t size)
{
#if HG_HAS_POISON
    __asan_unpoison_memory_region(start, size);
#else
    (void)start;
    (void)size;
#endif
}

#endif
