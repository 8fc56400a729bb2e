/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which programs are worth building beforehand: those that calls of every operation make, or those
 * that a profile lists.
 *
 * Threads: values.
 */
#ifndef HG_LIB_ENGINE_PRECOMPILE_CALLS_H
#define HG_LIB_ENGINE_PRECOMPILE_CALLS_H

#include "lib/ops/ops.h"

/* KEY may come several times. */
typedef void hg_precompile_visit_fn(const struct hg_key *key, void *context);

/* Every operation × type × form × what attributes and shapes change in the program, as the default
 * policy plans them; not what bakes sizes. */
void hg_precompile_visit_all(hg_precompile_visit_fn *visit, void *context);
/* Errors: as hg_keyfile_read and hg_keyfile_check. */
HG_MUST_CHECK enum hg_status hg_precompile_visit_profile(const char *path,
                                                         hg_precompile_visit_fn *visit,
                                                         void *context, struct hg_error *error);

#endif
