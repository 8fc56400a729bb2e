/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/completion.h"

enum hg_status hg_completions_init(struct hg_completions *completions, struct hg_loop *loop,
                                   hg_loop_fn *fn, void *context, struct hg_error *error)
{
    atomic_init(&completions->top, NULL);
    return hg_wake_create(loop, fn, context, &completions->wake, error);
}

void hg_completions_fini(struct hg_completions *completions)
{
    hg_wake_close(&completions->wake);
}

void hg_completion_push(struct hg_completions *completions, struct hg_request *request)
{
    struct hg_wake *wake = completions->wake;
    struct hg_request *top = atomic_load_explicit(&completions->top, memory_order_relaxed);
    do {
        request->next = top;
        /* Release: pairs with the acquire in take, so the loop sees the task's outcome. */
    } while (!atomic_compare_exchange_weak_explicit(&completions->top, &top, request,
                                                    memory_order_release, memory_order_relaxed));
    /* Who finds the stack empty wakes the loop; the others ride along. */
    if (top == NULL) {
        hg_wake_send(wake);
    }
}

struct hg_request *hg_completions_take(struct hg_completions *completions)
{
    struct hg_request *newest =
        atomic_exchange_explicit(&completions->top, NULL, memory_order_acquire);
    struct hg_request *oldest = NULL;
    while (newest != NULL) {
        struct hg_request *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}
