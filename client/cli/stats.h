/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics as text, for `stats` and `top`. Threads: one. */
#ifndef HG_CLIENT_CLI_STATS_H
#define HG_CLIENT_CLI_STATS_H

#include "client/cli/cli.h"

/* Everything; ALL: also caches that were never asked. */
void cli_print_stats(const hologram_stats *stats, bool all);
/* The sum over all caches. */
void cli_sum_caches(const hologram_stats *stats, hologram_cache_stats *sum);
/* "99.20 %", or "-" when the cache was never asked. */
const char *cli_rate_text(uint64_t hits, uint64_t misses, char text[CLI_TEXT_MAX]);

#endif
