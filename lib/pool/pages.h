/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages from the system, for this directory only: they read as zeros and stay out of core dumps.
 *
 * Threads: every function may be called from any thread.
 */
#ifndef HG_LIB_POOL_PAGES_H
#define HG_LIB_POOL_PAGES_H

#include <stdbool.h>
#include <stddef.h>

/* Also the granularity of SIZE below; what all Linux systems that we know of divide. */
#define HG_PAGE_BYTES      4096
#define HG_HUGE_PAGE_BYTES (2u << 20)

/* SIZE is a multiple of HG_PAGE_BYTES, ALIGNMENT a power of two. HUGE asks for huge pages, which is
 * advice. NULL when the system refuses. */
void *hg_pages_map(size_t size, size_t alignment, bool huge);
/* BASE and SIZE may be any part of what was mapped. */
void hg_pages_unmap(void *base, size_t size);

#endif
