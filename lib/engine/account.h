/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who pays for memory: an account per session, charged together with the session's user (all
 * sessions of a uid and its named buffers). Charges follow the memory: buffers and tasks hold a
 * reference to the account that paid, so it outlives its session if it has to.
 *
 * Threads: any. The list of users and what is marked so below is guarded by the engine's lock.
 */
#ifndef HG_LIB_ENGINE_ACCOUNT_H
#define HG_LIB_ENGINE_ACCOUNT_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/status.h"

struct hg_engine;
struct hg_session_options;

struct hg_user {
    uid_t uid;
    _Atomic uint64_t bytes;  /* heap memory; relaxed, a bound of its own orders nothing */
    _Atomic uint64_t shared; /* buffers of the shared pool; relaxed, as above */
    uint32_t references;     /* accounts; engine's lock */
    uint32_t names;          /* named buffers; engine's lock */
    uint32_t named_classes;  /* of these, in the boundary pool; engine's lock */
    struct hg_user *next;
};

struct hg_account {
    struct hg_engine *engine;
    struct hg_user *user;
    _Atomic uint32_t references;
    _Atomic uint64_t bytes; /* relaxed, as above */
    _Atomic uint64_t classes;
    uint64_t bytes_max;
    uint64_t user_bytes_max;
    uint64_t classes_max;
    uint64_t shared_max; /* of the user */
};

/* Gives the first reference. Errors: HG_RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_account_create(struct hg_engine *engine,
                                               const struct hg_session_options *options,
                                               struct hg_account **account, struct hg_error *error);
struct hg_account *hg_account_ref(struct hg_account *account);
/* NULLs *ACCOUNT. Takes the engine's lock: hold none above it. */
void hg_account_unref(struct hg_account **account);

/* Errors: HG_RESOURCE_EXHAUSTED with the bound that would be passed; nothing is charged then. */
HG_MUST_CHECK enum hg_status hg_account_charge(struct hg_account *account, uint64_t bytes,
                                               struct hg_error *error);
void hg_account_refund(struct hg_account *account, uint64_t bytes);

/* One class of the boundary pool. */
HG_MUST_CHECK enum hg_status hg_account_charge_class(struct hg_account *account,
                                                     struct hg_error *error);
void hg_account_refund_class(struct hg_account *account);

/* One buffer of the shared pool, besides its bytes. */
HG_MUST_CHECK enum hg_status hg_account_charge_shared(struct hg_account *account,
                                                      struct hg_error *error);
void hg_account_refund_shared(struct hg_account *account);

#endif
