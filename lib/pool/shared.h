/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared memory, for this directory only: a memfd per block, mapped here and, by whoever gets the
 * descriptor, elsewhere. What the others may do to it: read and write at any time, punch holes
 * (which then read as zeros), keep it for ever. What they may not: change its size.
 *
 * Threads: every function may be called from any thread.
 */
#ifndef HG_LIB_POOL_SHARED_H
#define HG_LIB_POOL_SHARED_H

#include <stdint.h>

#include "lib/pool/pool.h"

/* The bytes that a block for BYTES has: whole pages; 0 if none can be that large. */
uint64_t hg_shared_capacity(uint64_t bytes);

/* Fills BLOCK with a new memfd of CAPACITY bytes, sealed against every change of size and against
 * further seals. Errors: HG_RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_shared_create(uint64_t capacity, struct hg_block *block,
                                              struct hg_error *error);
/* Maps the first CAPACITY bytes, of which BYTES are wanted, of somebody else's memfd; takes FD,
 * also on error. Errors: HG_INVALID_ARGUMENT says which condition it does not meet;
 * HG_RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_shared_adopt(int fd, uint64_t bytes, uint64_t capacity,
                                             struct hg_block *block, struct hg_error *error);
/* Unmaps and closes. What was made here is emptied first: who kept the descriptor keeps no pages.
 */
void hg_shared_release(const struct hg_block *block);

#endif
