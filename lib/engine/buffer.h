/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A buffer: a block of a pool with a type and a shape, referred to by ids of sessions, by a name,
 * and by tasks and views in flight; and what may be done to it at the same time.
 *
 * Threads: any. A buffer's memory is touched only under a claim.
 */
#ifndef HG_LIB_ENGINE_BUFFER_H
#define HG_LIB_ENGINE_BUFFER_H

#include "lib/engine/account.h"
#include "lib/engine/engine.h"

#define HG_NAME_BYTES_MAX 64
#define HG_USE_CONSTANT   (INT32_C(1) << 30)

struct hg_buffer {
    struct hg_engine *engine;
    struct hg_account *account; /* that paid */
    struct hg_block block;
    _Atomic int read_fd; /* of a shared block, opened for reading only at its first need; else -1 */
    _Atomic bool unzeroed; /* the memory still holds what its last owner wrote: settle it first */
    struct hg_buffer_spec spec;
    uint64_t bytes;         /* of the elements */
    uint64_t charged_bytes; /* to the account */
    uint64_t session_id;    /* of the session that made it */
    _Atomic uint32_t references;
    /* Claims: number of readers, or -1 for a writer; with HG_USE_CONSTANT for good there are only
     * readers. One word, so that nobody becomes a writer while it becomes constant. */
    _Atomic int32_t use;
    /* Some other session may have it or get it: it was published once. Relaxed: set by the session
     * that made the buffer, on its own thread, before the name is to be found. */
    _Atomic bool is_shared;
    /* Panels of a constant; linked under the lock of the engine's table of them. */
    _Atomic(struct hg_packed *) packed;
    /* As planning wants it; its handle is never used again for another buffer. */
    struct hg_op_operand operand;

    /* Guarded by the engine's lock. */
    gid_t gid;
    uint32_t mode;
    char name[HG_NAME_BYTES_MAX + 1]; /* "" = not published */
};

/* Allocates a buffer that reads as zeros, charged to ACCOUNT, and gives the first reference.
 * Errors: as hg_session_alloc. */
HG_MUST_CHECK enum hg_status hg_buffer_create(struct hg_account *account,
                                              const struct hg_buffer_spec *spec,
                                              uint64_t session_id, gid_t gid,
                                              struct hg_buffer **buffer, struct hg_error *error);
/* The same in somebody else's memfd; takes FD, also on error. Errors: as hg_session_adopt. */
HG_MUST_CHECK enum hg_status hg_buffer_adopt(struct hg_account *account,
                                             const struct hg_buffer_spec *spec, int fd,
                                             uint64_t session_id, gid_t gid,
                                             struct hg_buffer **buffer, struct hg_error *error);
struct hg_buffer *hg_buffer_ref(struct hg_buffer *buffer);
/* NULLs *BUFFER. With the last reference the memory goes back: hold no lock. */
void hg_buffer_unref(struct hg_buffer **buffer);

/* Claims the memory for reading (shared) or writing (alone); false if that conflicts. */
HG_MUST_CHECK bool hg_buffer_claim(struct hg_buffer *buffer, bool writes);
void hg_buffer_unclaim(struct hg_buffer *buffer, bool writes);
/* True if a claim would conflict with nothing. For a buffer that is not shared, on its session's
 * thread, this is as good as a claim until the thread goes on: no other thread takes one.
 * Acquire pairs with the release in unclaim: what the last user wrote is seen. */
static inline bool hg_buffer_is_free_for(const struct hg_buffer *buffer, bool writes)
{
    int32_t use = atomic_load_explicit(&buffer->use, memory_order_acquire);
    return use == 0 || (use > 0 && !writes);
}

/* Nobody may write it any more. Acquire pairs with the freeze: what was written before is seen. */
static inline bool hg_buffer_is_constant(const struct hg_buffer *buffer)
{
    int32_t use = atomic_load_explicit(&buffer->use, memory_order_acquire);
    return use > 0 && (use & HG_USE_CONSTANT) != 0;
}
/* Makes it so; false if somebody writes it now. */
HG_MUST_CHECK bool hg_buffer_freeze(struct hg_buffer *buffer);

static inline bool hg_buffer_is_shared(const struct hg_buffer *buffer)
{
    return atomic_load_explicit(&buffer->is_shared, memory_order_relaxed);
}

/* True if hg_buffer_settle would have to zero memory. Acquire pairs with the release in settle: the
 * zeros are seen. */
static inline bool hg_buffer_is_unsettled(const struct hg_buffer *buffer)
{
    return atomic_load_explicit(&buffer->unzeroed, memory_order_acquire);
}
/* Makes sure that what nobody wrote reads as zeros. Needs a claim. */
void hg_buffer_settle(struct hg_buffer *buffer);
/* Copies into the buffer; needs a claim for writing. The range lies inside. */
void hg_buffer_write(struct hg_buffer *buffer, uint64_t offset, const void *data, uint64_t length);

/* Class of the boundary pool, or -1. */
static inline int hg_buffer_class(const struct hg_buffer *buffer)
{
    return buffer->operand.boundary_class;
}
/* Engine's lock held. */
void hg_buffer_describe(const struct hg_buffer *buffer, uint64_t id, struct hg_buffer_info *info);

#endif
