/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/buffer.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/engine/internal.h"
#include "lib/engine/packed.h"

/* What an empty buffer costs: the pools give no smaller block. */
#define BLOCK_BYTES_MIN 64

static enum hg_status check_spec(const struct hg_buffer_spec *spec, uint64_t *elements,
                                 uint64_t *bytes, struct hg_error *error)
{
    if ((unsigned)spec->dtype >= HG_DTYPE_COUNT) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "unknown type %u", (unsigned)spec->dtype);
    }
    if (spec->rank > HG_RANK_MAX) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "rank %u is above the limit of %u", spec->rank,
                       (unsigned)HG_RANK_MAX);
    }
    if ((unsigned)spec->pool >= HG_POOL_KIND_COUNT) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "unknown pool %u", (unsigned)spec->pool);
    }
    uint64_t product = 1;
    bool fits = true;
    bool empty = false;
    for (unsigned i = 0; i < spec->rank; i++) {
        empty |= spec->shape[i] == 0;
        fits = fits && hg_mul_u64(product, spec->shape[i], &product);
    }
    uint64_t size = 0;
    /* A dimension of 0 makes the product 0 wherever it stands. */
    if (empty) {
        product = 0;
        fits = true;
    }
    if (!fits || !hg_mul_u64(product, hg_dtype_bytes(spec->dtype), &size) || size > INT64_MAX) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "the product of the shape overflows");
    }
    *elements = product;
    *bytes = size;
    return HG_OK;
}

/* A class of the boundary pool, within the session's ration. */
static enum hg_status take_class(struct hg_account *account, uint64_t bytes, struct hg_block *block,
                                 struct hg_error *error)
{
    enum hg_status status = hg_account_charge_class(account, error);
    if (status != HG_OK) {
        return status;
    }
    status = hg_pool_acquire(account->engine->pool, HG_POOL_BOUNDARY, bytes, false, block, error);
    if (status != HG_OK) {
        hg_account_refund_class(account);
    }
    return status;
}

static enum hg_status take_heap(struct hg_account *account, uint64_t bytes, uint64_t *charged_bytes,
                                struct hg_block *block, struct hg_error *error)
{
    uint64_t charge = bytes < BLOCK_BYTES_MIN ? BLOCK_BYTES_MIN : bytes;
    enum hg_status status = hg_account_charge(account, charge, error);
    if (status != HG_OK) {
        return status;
    }
    status = hg_pool_acquire(account->engine->pool, HG_POOL_HEAP, bytes, true, block, error);
    if (status != HG_OK) {
        hg_account_refund(account, charge);
        return status;
    }
    *charged_bytes = charge;
    return HG_OK;
}

/* A block of the shared pool; FD is the client's memfd, which is taken, or -1 for one of ours. */
static enum hg_status take_shared(struct hg_buffer *buffer, int fd, struct hg_error *error)
{
    struct hg_account *account = buffer->account;
    struct hg_pool *pool = buffer->engine->pool;
    uint64_t pages = hg_div_up_u64(buffer->bytes == 0 ? 1 : buffer->bytes, HG_POOL_PAGE_BYTES);
    uint64_t charge = pages * HG_POOL_PAGE_BYTES; /* sizes of buffers are far from overflow */
    enum hg_status status = hg_account_charge_shared(account, error);
    if (status != HG_OK) {
        goto close_fd;
    }
    status = hg_account_charge(account, charge, error);
    if (status != HG_OK) {
        goto refund_shared;
    }
    status = fd >= 0 ? hg_pool_adopt(pool, fd, buffer->bytes, &buffer->block, error)
                     : hg_pool_acquire(pool, HG_POOL_SHARED, buffer->bytes, false, &buffer->block,
                                       error);
    if (status == HG_OK) {
        buffer->charged_bytes = charge;
        return HG_OK;
    }
    fd = -1; /* the pool has taken it */
    hg_account_refund(account, charge);

refund_shared:
    hg_account_refund_shared(account);
close_fd:
    if (fd >= 0) {
        close(fd);
    }
    return status;
}

/* FD as in take_shared. */
static enum hg_status take_block(struct hg_buffer *buffer, int fd, struct hg_error *error)
{
    if (buffer->spec.pool == HG_POOL_SHARED) {
        return take_shared(buffer, fd, error);
    }
    if (buffer->spec.pool == HG_POOL_BOUNDARY) {
        bool fallback = buffer->spec.boundary_fallback;
        enum hg_status status =
            take_class(buffer->account, buffer->bytes, &buffer->block, fallback ? NULL : error);
        if (status == HG_OK || !fallback) {
            return status;
        }
    }
    return take_heap(buffer->account, buffer->bytes, &buffer->charged_bytes, &buffer->block, error);
}

/* Returns block and charges. */
static void give_block_back(struct hg_buffer *buffer)
{
    enum hg_pool_kind kind = buffer->block.kind;
    int read_fd = atomic_load_explicit(&buffer->read_fd, memory_order_relaxed);
    if (read_fd >= 0) {
        close(read_fd);
    }
    hg_pool_release(buffer->engine->pool, &buffer->block);
    if (kind == HG_POOL_BOUNDARY) {
        hg_account_refund_class(buffer->account);
        return;
    }
    if (kind == HG_POOL_SHARED) {
        hg_account_refund_shared(buffer->account);
    }
    hg_account_refund(buffer->account, buffer->charged_bytes);
}

static void describe_operand(struct hg_buffer *buffer, uint64_t elements)
{
    const struct hg_block *block = &buffer->block;
    struct hg_op_operand *operand = &buffer->operand;
    operand->type = buffer->spec.dtype;
    operand->rank = buffer->spec.rank;
    memcpy(operand->shape, buffer->spec.shape, sizeof operand->shape);
    operand->elements = elements;
    operand->base = block->base;
    operand->handle =
        atomic_fetch_add_explicit(&buffer->engine->last_serial, 1, memory_order_relaxed) + 1;
    operand->boundary_class = block->kind == HG_POOL_BOUNDARY ? block->class_index : -1;
}

/* Allocates a buffer; FD as in take_shared. */
static enum hg_status make_buffer(struct hg_account *account, const struct hg_buffer_spec *spec,
                                  int fd, struct hg_buffer **buffer, struct hg_error *error)
{
    uint64_t elements = 0;
    uint64_t bytes = 0;
    enum hg_status status = check_spec(spec, &elements, &bytes, error);
    if (status != HG_OK) {
        goto close_fd;
    }
    struct hg_buffer *fresh = hg_calloc(HG_TAG_SESSION, 1, sizeof *fresh);
    if (fresh == NULL) {
        status = hg_fail(error, HG_RESOURCE_EXHAUSTED, "out of memory");
        goto close_fd;
    }
    fresh->engine = account->engine;
    fresh->account = account;
    fresh->spec = *spec;
    fresh->bytes = bytes;
    atomic_init(&fresh->references, 1);
    atomic_init(&fresh->read_fd, -1);
    status = take_block(fresh, fd, error);
    if (status != HG_OK) {
        hg_free(HG_TAG_SESSION, fresh);
        return status;
    }
    fresh->spec.pool = fresh->block.kind;
    atomic_init(&fresh->unzeroed, !fresh->block.zeroed);
    atomic_init(&fresh->use, fresh->block.read_only ? HG_USE_CONSTANT : 0);
    hg_account_ref(account);
    struct hg_engine *engine = account->engine;
    describe_operand(fresh, elements);
    atomic_fetch_add_explicit(&engine->buffers, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&engine->buffer_bytes, bytes, memory_order_relaxed);
    *buffer = fresh;
    return HG_OK;

close_fd:
    if (fd >= 0) {
        close(fd);
    }
    return status;
}

enum hg_status hg_buffer_create(struct hg_account *account, const struct hg_buffer_spec *spec,
                                uint64_t session_id, gid_t gid, struct hg_buffer **buffer,
                                struct hg_error *error)
{
    enum hg_status status = make_buffer(account, spec, -1, buffer, error);
    if (status == HG_OK) {
        (*buffer)->session_id = session_id;
        (*buffer)->gid = gid;
    }
    return status;
}

enum hg_status hg_buffer_adopt(struct hg_account *account, const struct hg_buffer_spec *spec,
                               int fd, uint64_t session_id, gid_t gid, struct hg_buffer **buffer,
                               struct hg_error *error)
{
    struct hg_buffer_spec shared = *spec;
    shared.pool = HG_POOL_SHARED;
    enum hg_status status = make_buffer(account, &shared, fd, buffer, error);
    if (status == HG_OK) {
        (*buffer)->session_id = session_id;
        (*buffer)->gid = gid;
    }
    return status;
}

struct hg_buffer *hg_buffer_ref(struct hg_buffer *buffer)
{
    /* Relaxed: the caller has a reference already, or the lock under which one is kept. */
    atomic_fetch_add_explicit(&buffer->references, 1, memory_order_relaxed);
    return buffer;
}

void hg_buffer_unref(struct hg_buffer **buffer)
{
    struct hg_buffer *dropped = *buffer;
    *buffer = NULL;
    /* Release pairs with the acquire of the last unref: every use happens before the free. */
    if (atomic_fetch_sub_explicit(&dropped->references, 1, memory_order_acq_rel) > 1) {
        return;
    }
    const int32_t use = atomic_load_explicit(&dropped->use, memory_order_relaxed);
    HG_REQUIRE(use == 0 || use == HG_USE_CONSTANT);
    hg_packed_forget(dropped);
    struct hg_engine *engine = dropped->engine;
    atomic_fetch_sub_explicit(&engine->buffers, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&engine->buffer_bytes, dropped->bytes, memory_order_relaxed);
    give_block_back(dropped);
    hg_account_unref(&dropped->account);
    hg_free(HG_TAG_SESSION, dropped);
}

/* Acquire pairs with the release in unclaim: what the last user wrote is seen. */
bool hg_buffer_claim(struct hg_buffer *buffer, bool writes)
{
    int32_t use = atomic_load_explicit(&buffer->use, memory_order_relaxed);
    do {
        if (use < 0 || (writes && use > 0) || (use | HG_USE_CONSTANT) == INT32_MAX) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&buffer->use, &use, writes ? -1 : use + 1,
                                                    memory_order_acquire, memory_order_relaxed));
    return true;
}

void hg_buffer_unclaim(struct hg_buffer *buffer, bool writes)
{
    atomic_fetch_add_explicit(&buffer->use, writes ? 1 : -1, memory_order_release);
}

bool hg_buffer_freeze(struct hg_buffer *buffer)
{
    if (!hg_buffer_claim(buffer, false)) {
        return false;
    }
    hg_buffer_settle(buffer); /* what nobody wrote is zeros from now on */
    /* Release pairs with the acquire of hg_buffer_is_constant. */
    (void)atomic_fetch_or_explicit(&buffer->use, HG_USE_CONSTANT, memory_order_release);
    hg_buffer_unclaim(buffer, false);
    return true;
}

void hg_buffer_settle(struct hg_buffer *buffer)
{
    if (!hg_buffer_is_unsettled(buffer)) {
        return;
    }
    /* Two readers may come here at once; the pool leaves at most 2 MiB unzeroed. */
    hg_mutex_lock(&buffer->engine->zero_lock);
    if (hg_buffer_is_unsettled(buffer)) {
        hg_pool_zero(&buffer->block);
        atomic_store_explicit(&buffer->unzeroed, false, memory_order_release);
    }
    hg_mutex_unlock(&buffer->engine->zero_lock);
}

void hg_buffer_write(struct hg_buffer *buffer, uint64_t offset, const void *data, uint64_t length)
{
    if (length == 0) {
        return;
    }
    bool whole = length == buffer->bytes;
    if (!whole) {
        hg_buffer_settle(buffer);
    }
    memcpy((uint8_t *)buffer->block.base + offset, data, length);
    if (whole) {
        /* Relaxed: the claim is for writing, and its end releases. */
        atomic_store_explicit(&buffer->unzeroed, false, memory_order_relaxed);
    }
}

void hg_buffer_describe(const struct hg_buffer *buffer, uint64_t id, struct hg_buffer_info *info)
{
    info->id = id;
    info->spec = buffer->spec;
    info->bytes = buffer->bytes;
    info->boundary_class = hg_buffer_class(buffer);
    const int32_t use = atomic_load_explicit(&buffer->use, memory_order_relaxed);
    info->constant = use > 0 && (use & HG_USE_CONSTANT) != 0;
    info->busy = use != 0 && use != HG_USE_CONSTANT;
    memcpy(info->name, buffer->name, sizeof info->name);
    info->uid = buffer->account->user->uid;
    info->gid = buffer->gid;
    info->mode = buffer->mode;
    info->session_id = buffer->session_id;
}
