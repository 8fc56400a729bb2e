/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes text into a bounded place and counts what did not fit as well, as snprintf does; private
 * to lib/graph.
 */
#ifndef HG_LIB_GRAPH_TEXT_H
#define HG_LIB_GRAPH_TEXT_H

#include <stddef.h>

#include "lib/base/status.h"

struct hg_text {
    char *text;
    size_t size;
    size_t length; /* of all that was written, the NUL not counted */
};

void hg_text_put(struct hg_text *text, const char *format, ...) HG_PRINTF(2, 3);

#endif
