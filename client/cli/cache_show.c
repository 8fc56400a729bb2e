/* SPDX-License-Identifier: Apache-2.0 */
/* cache show and what-if. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/cli/cache.h"

const struct argp_option cache_json_options[] = {
    {"json", CACHE_KEY_JSON, NULL, 0, "As JSON", 0},
    {0},
};

/* ---- show ------------------------------------------------------------------------------------ */

static void print_running(const hologram_cache_shown *shown)
{
    char bytes[CLI_TEXT_MAX];
    printf("%-12s %s\n%-12s %s executor, %s", "origin", shown->origin, "run by", shown->executor,
           shown->isa_level);
    if (shown->native_bytes != 0) {
        printf(", %s of native code", cli_bytes_text(shown->native_bytes, bytes));
    }
    putchar('\n');
}

static void print_shown(const hologram_cache_shown *shown)
{
    const hologram_cached_program *program = &shown->program;
    char bytes[CLI_TEXT_MAX];
    printf("%-12s %s\n%-12s %s\n", "key", program->key, "cache", program->cache);
    for (uint32_t i = 0; i < shown->field_count; i++) {
        printf("%-12s %s\n", shown->fields[i].name, shown->fields[i].value);
    }
    print_running(shown);
    printf("%-12s %" PRIu64 "\n", "hits", program->hits);
    printf("%-12s %s%s%s\n", "memory", cli_bytes_text(program->bytes, bytes),
           program->pinned ? ", pinned" : "", program->held ? ", held" : "");
    printf("%-12s %" PRIu32 " instructions, %" PRIu32 " slots, %" PRIu32 " lanes a block\n", "code",
           shown->instructions, shown->slots, shown->block);
    if (shown->withheld) {
        puts("\n(constants and code are for administrators)");
    } else {
        printf("\n%s", shown->code);
    }
}

static json_t *shown_json(const hologram_cache_shown *shown)
{
    json_t *fields = json_object();
    for (uint32_t i = 0; i < shown->field_count; i++) {
        json_object_set_new(fields, shown->fields[i].name, json_string(shown->fields[i].value));
    }
    json_t *json = cache_program_json(&shown->program);
    json_t *more =
        json_pack("{s:o, s:s, s:s, s:s, s:i, s:i, s:i, s:b}", "fields", fields, "origin",
                  shown->origin, "executor", shown->executor, "isa_level", shown->isa_level,
                  "instructions", (int)shown->instructions, "slots", (int)shown->slots, "block",
                  (int)shown->block, "withheld", shown->withheld);
    json_object_set_new(more, "native_bytes", json_integer((json_int_t)shown->native_bytes));
    json_object_set_new(more, "code", shown->withheld ? json_null() : json_string(shown->code));
    json_object_update(json, more);
    json_decref(more);
    return json;
}

int cache_show(struct cache_arguments *arguments)
{
    const hologram_cache_shown *shown;
    int code = CLI_OK;
    if (hologram_cache_show(arguments->cli->client, arguments->operands[0], &shown) !=
        HOLOGRAM_OK) {
        return cli_fail_client(arguments->cli, arguments->operands[0]);
    }
    if (arguments->json) {
        code = cli_print_json(shown_json(shown));
    } else {
        print_shown(shown);
    }
    hologram_cache_shown_free(shown);
    return code;
}

/* ---- what-if --------------------------------------------------------------------------------- */

#define SAMPLES_MIN 300 /* fewer say little */

static void print_estimates(const hologram_cache_estimates *estimates)
{
    printf("%12s  %s\n", "ENTRIES", "HIT RATE");
    for (uint32_t i = 0; i < estimates->count; i++) {
        const hologram_cache_estimate *estimate = &estimates->estimates[i];
        printf("%12" PRIu64 "  %.2f %%%s\n", estimate->entries, 100 * estimate->hit_ratio,
               estimate->entries == estimates->entries_max ? "  (the size it has)" : "");
    }
    printf("\nestimated from %" PRIu64 " samples%s\n", estimates->samples,
           estimates->samples < SAMPLES_MIN ? ": too few to rely on" : "");
}

static json_t *estimates_json(const hologram_cache_estimates *estimates)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < estimates->count; i++) {
        const hologram_cache_estimate *estimate = &estimates->estimates[i];
        json_array_append_new(list,
                              json_pack("{s:I, s:f}", "entries", (json_int_t)estimate->entries,
                                        "hit_ratio", estimate->hit_ratio));
    }
    return json_pack("{s:I, s:I, s:o}", "samples", (json_int_t)estimates->samples, "entries_max",
                     (json_int_t)estimates->entries_max, "estimates", list);
}

/* Sizes from the command line. */
static int parse_sizes(const struct cache_arguments *arguments, uint64_t *sizes)
{
    for (int i = 0; i < arguments->operand_count; i++) {
        if (!cli_parse_u64(arguments->operands[i], &sizes[i])) {
            return cli_fail(CLI_USAGE, "cache what-if: expected a number of entries, got '%s'",
                            arguments->operands[i]);
        }
    }
    return CLI_OK;
}

int cache_what_if(struct cache_arguments *arguments)
{
    uint64_t *sizes = calloc((size_t)arguments->operand_count + 1, sizeof *sizes);
    const hologram_cache_estimates *estimates = NULL;
    int code = sizes ? parse_sizes(arguments, sizes) : cli_fail(CLI_EXHAUSTED, "out of memory");
    if (code == CLI_OK &&
        hologram_cache_what_if(arguments->cli->client, sizes, (uint32_t)arguments->operand_count,
                               &estimates) != HOLOGRAM_OK) {
        code = cli_fail_client(arguments->cli, "cache what-if");
    }
    if (code == CLI_OK && arguments->json) {
        code = cli_print_json(estimates_json(estimates));
    } else if (code == CLI_OK) {
        print_estimates(estimates);
    }
    hologram_cache_estimates_free(estimates);
    free(sizes);
    return code;
}
