/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/pool/pages.h"

#include <stdint.h>
#include <sys/mman.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"

void hg_pages_unmap(void *base, size_t size)
{
    if (size != 0) {
        HG_REQUIRE(munmap(base, size) == 0);
    }
}

/* The kernel aligns to pages only: map enough to hold an aligned piece, and cut off both ends. */
static void *map_aligned(size_t size, size_t alignment)
{
    uint64_t total;
    size_t slack = alignment > HG_PAGE_BYTES ? alignment - HG_PAGE_BYTES : 0;
    if (!hg_add_u64(size, slack, &total)) {
        return NULL;
    }
    void *mapped = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) {
        return NULL;
    }
    uint8_t *start = mapped;
    size_t before = -(uintptr_t)start & (alignment - 1);
    hg_pages_unmap(start, before);
    hg_pages_unmap(start + before + size, total - before - size);
    return start + before;
}

void *hg_pages_map(size_t size, size_t alignment, bool huge)
{
    HG_REQUIRE(size != 0 && size % HG_PAGE_BYTES == 0);
    if (hg_alloc_fault_hit()) {
        return NULL;
    }
    void *base = map_aligned(size, alignment);
    if (base == NULL) {
        return NULL;
    }
    /* Clients' data has no place in a dump. Failing, the pages would; so they are not used. */
    if (madvise(base, size, MADV_DONTDUMP) != 0) {
        hg_pages_unmap(base, size);
        return NULL;
    }
    if (huge) {
        /* Advice: kernels without huge pages refuse it. */
        (void)madvise(base, size, MADV_HUGEPAGE);
    }
    return base;
}
