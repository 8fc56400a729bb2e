/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/check.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void hg_check_failed(const char *file, int line, const char *condition)
{
    /* stderr is unbuffered, so the text is out before the abort. */
    (void)fprintf(stderr, "%s:%d: check failed: %s\n", file, line, condition);
    abort();
}
