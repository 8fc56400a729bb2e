/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration files: accepted ones are within bounds and survive printing and reading. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config.h"
#include "lib/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hg_config config, before, again;
    struct hg_error error = HG_ERROR_INIT;
    hg_config_init(&config);
    before = config;
    if (hg_config_parse(&config, "fuzz", (const char *)data, size, &error) != HG_OK) {
        HG_REQUIRE(error.message[0] != '\0');
        HG_REQUIRE(memcmp(&config, &before, sizeof(config)) == 0);
        return 0;
    }
    HG_REQUIRE(config.server_connections_max >= 1 && config.limits_message_bytes_max <= 1048576);
    char *text = NULL;
    size_t length = 0;
    FILE *file = open_memstream(&text, &length);
    HG_REQUIRE(file != NULL);
    hg_config_print(&config, file);
    fclose(file);
    hg_config_init(&again);
    HG_REQUIRE(hg_config_parse(&again, "again", text, length, &error) == HG_OK);
    HG_REQUIRE(memcmp(&config, &again, sizeof(config)) == 0);
    free(text);
    return 0;
}
