/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doors: the calls of each method that are posted to C core before they come.
 *
 * C core of Debian is built with its assertions, one of which looks for each event's tag in a list
 * of all that are out: what is posted in advance costs every call a little, so few are. An arrival
 * that leaves a door with less than half of its calls posts another at once; else that waits until
 * a call is over, when the queue thread has nothing better to do and the loop does not contend for
 * C core's locks. A call that finds none posted waits inside C core for the next.
 *
 * Failure modes: without memory a door is short of calls until the next call is over or the next
 * sweep, whichever comes first.
 */
#include <string.h>

#include "daemon/transport/grpc_core.h"
#include "daemon/transport/grpc_send.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"

/* Calls kept for reuse. AddressSanitizer sees more if each is allocated afresh. */
#ifdef __SANITIZE_ADDRESS__
#define SPARES_MAX 0
#else
#define SPARES_MAX 256
#endif
/* How long a door that ran out of memory waits before it tries again. */
#define RETRY_NS (100 * HG_NS_PER_MS)

/* ---- spare calls --------------------------------------------------------------------------------
 */

void hg_grpc_spares_put(struct hg_grpc_spares *spares, struct hg_grpc_call *call)
{
    if (atomic_fetch_add_explicit(&spares->count, 1, memory_order_relaxed) + 1 > SPARES_MAX) {
        atomic_fetch_sub_explicit(&spares->count, 1, memory_order_relaxed);
        hg_free(HG_TAG_TRANSPORT, call);
        return;
    }
    struct hg_grpc_call *top = atomic_load_explicit(&spares->top, memory_order_relaxed);
    do {
        call->next = top;
        /* Release: pairs with the acquire in take_spare. */
    } while (!atomic_compare_exchange_weak_explicit(&spares->top, &top, call, memory_order_release,
                                                    memory_order_relaxed));
}

/* Queue thread, or nobody else is left. */
static struct hg_grpc_call *take_spare(struct hg_grpc_spares *spares)
{
    if (spares->kept == NULL) {
        spares->kept = atomic_exchange_explicit(&spares->top, NULL, memory_order_acquire);
    }
    struct hg_grpc_call *call = spares->kept;
    if (call != NULL) {
        spares->kept = call->next;
        atomic_fetch_sub_explicit(&spares->count, 1, memory_order_relaxed);
    }
    return call;
}

void hg_grpc_spares_fini(struct hg_grpc_spares *spares)
{
    struct hg_grpc_call *call;
    while ((call = take_spare(spares)) != NULL) {
        hg_free(HG_TAG_TRANSPORT, call);
    }
}

/* ---- posting ------------------------------------------------------------------------------------
 */

static void request_call(struct hg_grpc_call *call)
{
    struct hg_grpc *grpc = call->grpc;
    void *tag = hg_grpc_tag_start(&call->arrived_tag);
    grpc_call_error code;
    if (call->method != NULL) {
        code = grpc_server_request_registered_call(grpc->core, call->door->registered, &call->core,
                                                   &call->deadline, &call->metadata,
                                                   call->method->streams_in ? NULL : &call->payload,
                                                   grpc->queue.core, grpc->queue.core, tag);
    } else {
        code = grpc_server_request_call(grpc->core, &call->core, &call->details, &call->metadata,
                                        grpc->queue.core, grpc->queue.core, tag);
    }
    HG_REQUIRE(code == GRPC_CALL_OK);
}

/* Counts a call that is about to be posted; false if WANTED are. */
static bool reserve(struct hg_grpc_door *door, uint32_t wanted)
{
    /* Relaxed: a count, that orders nothing. */
    uint32_t posted = atomic_load_explicit(&door->posted, memory_order_relaxed);
    while (posted < wanted) {
        if (atomic_compare_exchange_weak_explicit(&door->posted, &posted, posted + 1,
                                                  memory_order_relaxed, memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

/* Posts until WANTED calls are; with SPARES (queue thread) out of what is kept. */
static bool fill(struct hg_grpc_door *door, uint32_t wanted, struct hg_grpc_spares *spares)
{
    struct hg_grpc *grpc = door->grpc;
    /* Acquire: pairs with the release when the server stops. */
    while (!atomic_load_explicit(&grpc->stopping, memory_order_acquire) && reserve(door, wanted)) {
        struct hg_grpc_call *call = spares != NULL ? take_spare(spares) : NULL;
        if (call == NULL) {
            call = hg_malloc(HG_TAG_TRANSPORT, sizeof(*call));
        }
        if (call == NULL) {
            atomic_fetch_sub_explicit(&door->posted, 1, memory_order_relaxed);
            return false;
        }
        hg_grpc_call_init(call, door);
        request_call(call);
    }
    return true;
}

bool hg_grpc_doors_open(struct hg_grpc *grpc)
{
    bool posted = true;
    for (size_t i = 0; i < grpc->door_count; i++) {
        posted = posted && fill(&grpc->doors[i], grpc->calls_posted, NULL);
    }
    return posted;
}

void hg_grpc_door_passed(struct hg_grpc_door *door)
{
    struct hg_grpc *grpc = door->grpc;
    atomic_fetch_sub_explicit(&door->posted, 1, memory_order_relaxed);
    if (!fill(door, (grpc->calls_posted + 1) / 2, &grpc->spares) &&
        !atomic_exchange_explicit(&grpc->short_told, true, memory_order_relaxed)) {
        hg_grpc_post(&grpc->queue, &grpc->short_event);
    }
}

void hg_grpc_door_refill(struct hg_grpc_door *door)
{
    (void)fill(door, door->grpc->calls_posted, &door->grpc->spares);
}

void hg_grpc_doors_short(struct hg_grpc_event *event)
{
    struct hg_grpc *grpc = HG_GRPC_OF(struct hg_grpc, short_event, event);
    /* A door that comes to be short from here on says so again. */
    atomic_store_explicit(&grpc->short_told, false, memory_order_relaxed);
    grpc->doors_short = true;
    hg_server_due(grpc->server, hg_clock_now_ns() + RETRY_NS);
}

uint64_t hg_grpc_doors_sweep(struct hg_grpc *grpc, uint64_t now_ns)
{
    grpc->doors_short = grpc->doors_short && !hg_grpc_doors_open(grpc);
    return grpc->doors_short ? now_ns + RETRY_NS : UINT64_MAX;
}
