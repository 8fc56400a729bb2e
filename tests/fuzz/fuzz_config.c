/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration files: accepted ones are within bounds and survive printing and reading. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config.h"
#include "lib/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* All options as text, which the caller frees: what can be compared. */
static char *printed(const struct hg_config *config)
{
    char *text = NULL;
    size_t length = 0;
    FILE *file = open_memstream(&text, &length);
    HG_REQUIRE(file != NULL);
    hg_config_print(config, file);
    HG_REQUIRE(fclose(file) == 0);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hg_config config, again;
    static char *defaults;
    struct hg_error error = HG_ERROR_INIT;
    hg_config_init(&config);
    if (defaults == NULL) {
        defaults = printed(&config);
    }
    const bool accepted =
        hg_config_parse(&config, "fuzz", (const char *)data, size, &error) == HG_OK;
    char *text = printed(&config);
    if (accepted) {
        HG_REQUIRE(config.server_connections_max >= 1 &&
                   config.limits_message_bytes_max <= 1048576);
        hg_config_init(&again);
        HG_REQUIRE(hg_config_parse(&again, "again", text, strlen(text), &error) == HG_OK);
        char *text_again = printed(&again);
        HG_REQUIRE(strcmp(text, text_again) == 0);
        free(text_again);
    } else {
        HG_REQUIRE(error.message[0] != '\0');
        HG_REQUIRE(strcmp(text, defaults) == 0);
    }
    free(text);
    return 0;
}
