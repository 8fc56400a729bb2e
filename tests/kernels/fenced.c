/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/kernels/fenced.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PATTERN    0xa5
#define NEAR_BYTES 512 /* of known bytes on each side, as far as the fence allows */

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

void fenced_init(struct fenced *fenced, size_t bytes_max)
{
    const size_t page = page_bytes();
    const size_t inside = (bytes_max + NEAR_BYTES + page - 1) / page * page;
    fenced->map_bytes = inside + 2 * page;
    fenced->map = mmap(NULL, fenced->map_bytes, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (fenced->map == MAP_FAILED ||
        mprotect(fenced->map + page, inside, PROT_READ | PROT_WRITE) != 0) {
        perror("kernels: fenced memory");
        exit(2);
    }
    fenced->data = fenced->map + page;
    fenced->bytes = 0;
}

void fenced_fini(struct fenced *fenced)
{
    munmap(fenced->map, fenced->map_bytes);
}

/* The known bytes before and behind the block. */
static size_t bytes_before(const struct fenced *fenced)
{
    size_t there = (size_t)(fenced->data - (fenced->map + page_bytes()));
    return there < NEAR_BYTES ? there : NEAR_BYTES;
}

static size_t bytes_behind(const struct fenced *fenced)
{
    const uint8_t *end = fenced->map + fenced->map_bytes - page_bytes();
    size_t there = (size_t)(end - (fenced->data + fenced->bytes));
    return there < NEAR_BYTES ? there : NEAR_BYTES;
}

void fenced_place(struct fenced *fenced, size_t bytes, size_t distance, bool at_end)
{
    const size_t page = page_bytes();
    uint8_t *end = fenced->map + fenced->map_bytes - page;
    fenced->data = at_end ? end - distance - bytes : fenced->map + page + distance;
    fenced->bytes = bytes;
    memset(fenced->data - bytes_before(fenced), PATTERN, bytes_before(fenced));
    memset(fenced->data + bytes, PATTERN, bytes_behind(fenced));
}

static bool are_known(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != PATTERN) {
            return false;
        }
    }
    return true;
}

bool fenced_is_intact(const struct fenced *fenced)
{
    return are_known(fenced->data - bytes_before(fenced), bytes_before(fenced)) &&
           are_known(fenced->data + fenced->bytes, bytes_behind(fenced));
}
