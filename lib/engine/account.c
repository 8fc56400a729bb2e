/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/account.h"

#include <inttypes.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/engine/internal.h"

/* Adds AMOUNT unless that passes MAX. */
static bool bounded_add(_Atomic uint64_t *figure, uint64_t amount, uint64_t max)
{
    uint64_t value = atomic_load_explicit(figure, memory_order_relaxed);
    do {
        if (value > max || amount > max - value) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(figure, &value, value + amount,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

static void subtract(_Atomic uint64_t *figure, uint64_t amount)
{
    uint64_t before = atomic_fetch_sub_explicit(figure, amount, memory_order_relaxed);
    HG_REQUIRE(before >= amount);
}

/* Engine's lock held. Gives a reference; NULL when out of memory. */
static struct hg_user *find_or_add_user(struct hg_engine *engine, uid_t uid)
{
    struct hg_user *user = engine->users;
    while (user != NULL && user->uid != uid) {
        user = user->next;
    }
    if (user == NULL) {
        user = hg_calloc(HG_TAG_SESSION, 1, sizeof *user);
        if (user == NULL) {
            return NULL;
        }
        user->uid = uid;
        user->next = engine->users;
        engine->users = user;
    }
    user->references++;
    return user;
}

/* Engine's lock held. */
static void drop_user(struct hg_engine *engine, struct hg_user *user)
{
    if (--user->references > 0) {
        return;
    }
    HG_REQUIRE(atomic_load_explicit(&user->bytes, memory_order_relaxed) == 0);
    struct hg_user **link = &engine->users;
    while (*link != user) {
        link = &(*link)->next;
    }
    *link = user->next;
    hg_free(HG_TAG_SESSION, user);
}

enum hg_status hg_account_create(struct hg_engine *engine, const struct hg_session_options *options,
                                 struct hg_account **account, struct hg_error *error)
{
    struct hg_account *fresh = hg_calloc(HG_TAG_SESSION, 1, sizeof *fresh);
    if (fresh == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "session: out of memory");
    }
    hg_mutex_lock(&engine->lock);
    fresh->user = find_or_add_user(engine, options->uid);
    hg_mutex_unlock(&engine->lock);
    if (fresh->user == NULL) {
        hg_free(HG_TAG_SESSION, fresh);
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "session: out of memory");
    }
    fresh->engine = engine;
    fresh->bytes_max = options->bytes_max;
    fresh->user_bytes_max = options->user_bytes_max;
    fresh->classes_max = options->boundary_classes_max;
    fresh->shared_max = options->shared_buffers_max;
    atomic_init(&fresh->references, 1);
    *account = fresh;
    return HG_OK;
}

struct hg_account *hg_account_ref(struct hg_account *account)
{
    /* Relaxed: the caller has a reference already. */
    atomic_fetch_add_explicit(&account->references, 1, memory_order_relaxed);
    return account;
}

void hg_account_unref(struct hg_account **account)
{
    struct hg_account *dropped = *account;
    *account = NULL;
    /* Release pairs with the acquire of the last unref: every charge happens before the free. */
    if (atomic_fetch_sub_explicit(&dropped->references, 1, memory_order_acq_rel) > 1) {
        return;
    }
    HG_REQUIRE(atomic_load_explicit(&dropped->bytes, memory_order_relaxed) == 0);
    struct hg_engine *engine = dropped->engine;
    hg_mutex_lock(&engine->lock);
    drop_user(engine, dropped->user);
    hg_mutex_unlock(&engine->lock);
    hg_free(HG_TAG_SESSION, dropped);
}

enum hg_status hg_account_charge(struct hg_account *account, uint64_t bytes, struct hg_error *error)
{
    if (!bounded_add(&account->bytes, bytes, account->bytes_max)) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED,
                       "%" PRIu64 " bytes more would pass the session's bound of %" PRIu64
                       " (in use: %" PRIu64 ")",
                       bytes, account->bytes_max,
                       atomic_load_explicit(&account->bytes, memory_order_relaxed));
    }
    struct hg_user *user = account->user;
    if (!bounded_add(&user->bytes, bytes, account->user_bytes_max)) {
        subtract(&account->bytes, bytes);
        return hg_fail(error, HG_RESOURCE_EXHAUSTED,
                       "%" PRIu64 " bytes more would pass the bound of %" PRIu64
                       " of user %lu (in use: %" PRIu64 ")",
                       bytes, account->user_bytes_max, (unsigned long)user->uid,
                       atomic_load_explicit(&user->bytes, memory_order_relaxed));
    }
    return HG_OK;
}

void hg_account_refund(struct hg_account *account, uint64_t bytes)
{
    subtract(&account->user->bytes, bytes);
    subtract(&account->bytes, bytes);
}

enum hg_status hg_account_charge_class(struct hg_account *account, struct hg_error *error)
{
    if (!bounded_add(&account->classes, 1, account->classes_max)) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED,
                       "the session may have %" PRIu64 " classes of the boundary pool",
                       account->classes_max);
    }
    return HG_OK;
}

void hg_account_refund_class(struct hg_account *account)
{
    subtract(&account->classes, 1);
}

enum hg_status hg_account_charge_shared(struct hg_account *account, struct hg_error *error)
{
    if (!bounded_add(&account->user->shared, 1, account->shared_max)) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "user %lu may have %" PRIu64 " shared buffers",
                       (unsigned long)account->user->uid, account->shared_max);
    }
    return HG_OK;
}

void hg_account_refund_shared(struct hg_account *account)
{
    subtract(&account->user->shared, 1);
}
