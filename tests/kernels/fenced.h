/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory between two pages that nothing may touch, and between known bytes. A block lies at either
 * end of it, so that one byte too far on that side is a fault, and the bytes on the other side
 * tell.
 */
#ifndef HG_TESTS_KERNELS_FENCED_H
#define HG_TESTS_KERNELS_FENCED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fenced {
    uint8_t *map;
    size_t map_bytes;
    uint8_t *data; /* the block that was placed last */
    size_t bytes;
};

/* Room for blocks of up to BYTES_MAX bytes and some distance from the fences. Ends the program
 * when memory runs out. */
void fenced_init(struct fenced *fenced, size_t bytes_max);
void fenced_fini(struct fenced *fenced);
/* Places a block of BYTES bytes, DISTANCE bytes behind the first fence or before the last, and
 * fills what is near it with known bytes. */
void fenced_place(struct fenced *fenced, size_t bytes, size_t distance, bool at_end);
/* Whether the known bytes are what they were. */
bool fenced_is_intact(const struct fenced *fenced);

#endif
