/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/graph/text.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "lib/base/check.h"

void hg_text_put(struct hg_text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    bool room = text->length < text->size;
    int length = vsnprintf(room ? text->text + text->length : NULL,
                           room ? text->size - text->length : 0, format, arguments);
    va_end(arguments);
    HG_REQUIRE(length >= 0);
    text->length += (size_t)length;
}
