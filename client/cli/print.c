/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays for people: nested rows, columns aligned, long dimensions cut in the middle. */
#include <stdio.h>
#include <string.h>

#include "client/cli/cli.h"

#define WHOLE_ELEMENTS_MAX 1000 /* larger arrays are cut */
#define EDGE               3    /* elements shown at each end of a cut dimension */

struct printer {
    const hologram_buffer_spec *spec;
    const void *data;
    bool cut;
    int width; /* of the widest value shown; 0 while measuring */
    int measured;
};

static void print_value(struct printer *printer, uint64_t index)
{
    char text[CLI_TEXT_MAX];
    hologram_dtype dtype = printer->spec->dtype;
    cli_value_text(dtype, cli_load_bits(dtype, printer->data, index), text);
    if (printer->width == 0) {
        int length = (int)strlen(text);
        printer->measured = length > printer->measured ? length : printer->measured;
        return;
    }
    printf("%*s", printer->width, text);
}

static void print_text(const struct printer *printer, const char *text)
{
    if (printer->width != 0) {
        fputs(text, stdout);
    }
}

static void print_separator(const struct printer *printer, uint32_t dimension)
{
    if (dimension + 1 == printer->spec->rank) {
        print_text(printer, ", ");
        return;
    }
    print_text(printer, ",\n");
    for (uint32_t i = 0; i <= dimension; i++) {
        print_text(printer, " ");
    }
}

/* Rows below DIMENSION from element FIRST on. Depth is bounded by HOLOGRAM_RANK_MAX. */
static void print_rows(struct printer *printer, uint32_t dimension, uint64_t first,
                       uint64_t elements)
{
    const hologram_buffer_spec *spec = printer->spec;
    if (dimension == spec->rank) {
        print_value(printer, first);
        return;
    }
    uint64_t count = spec->shape[dimension];
    uint64_t each = count == 0 ? 0 : elements / count;
    print_text(printer, "[");
    for (uint64_t i = 0; i < count; i++) {
        if (i > 0) {
            print_separator(printer, dimension);
        }
        if (printer->cut && count > 2 * EDGE && i == EDGE) {
            print_text(printer, "...");
            i = count - EDGE - 1;
            continue;
        }
        print_rows(printer, dimension + 1, first + i * each, each);
    }
    print_text(printer, "]");
}

void cli_print_array(const hologram_buffer_spec *spec, const void *data, bool all)
{
    uint64_t elements = 0;
    if (!cli_elements(spec, &elements)) {
        return;
    }
    struct printer printer = {
        .spec = spec, .data = data, .cut = !all && elements > WHOLE_ELEMENTS_MAX};
    print_rows(&printer, 0, 0, elements);
    printer.width = printer.measured > 0 ? printer.measured : 1;
    print_rows(&printer, 0, 0, elements);
    putchar('\n');
}
