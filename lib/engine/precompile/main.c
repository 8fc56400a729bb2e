/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the table of programs that the engine has from the start (../precompiled.h) as C to
 * stdout:
 *
 *     precompile                   every operation with every type and form; sizes are not baked
 *     precompile --profile FILE    what a key file of a running daemon lists, nothing else
 *
 * Runs on the building machine, as a step of the build.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/engine/precompile/calls.h"
#include "lib/engine/precompiled.h"

#define RELOCATIONS_MAX 64

/* One entry to be, with words and places of its own. */
struct item {
    struct hg_precompiled entry;
    uint64_t words[HG_PROGRAM_WORDS_MAX];
    struct hg_relocation relocations[RELOCATIONS_MAX];
};

/* What was written so far. */
struct table {
    struct hg_precompiled *entries;
    uint32_t count;
    uint32_t capacity;
    uint64_t *words;
    uint32_t word_count;
    uint32_t word_capacity;
    struct hg_relocation *relocations;
    uint32_t relocation_count;
    uint32_t relocation_capacity;
};

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "precompile: %s\n", what);
    exit(1);
}

/* Room for ADDED more items of BYTES bytes; an array even for none. */
static void *grow(void *items, uint32_t count, uint32_t added, uint32_t *capacity, size_t bytes)
{
    while (items == NULL || count + added > *capacity) {
        *capacity = *capacity == 0 ? 1024 : *capacity * 2;
        items = hg_realloc(HG_TAG_ENGINE, items, *capacity * bytes);
        if (items == NULL) {
            die("out of memory");
        }
    }
    return items;
}

static bool has_key(const struct table *table, const struct hg_key *bare)
{
    for (uint32_t i = 0; i < table->count; i++) {
        if (hg_key_equal(&table->entries[i].key, bare)) {
            return true;
        }
    }
    return false;
}

/* ---- one program ----------------------------------------------------------------------------- */

/* KEY's program with its operands in classes FIRST, FIRST + 1 …; NULL if there is none. */
static struct hg_program *build_with_classes(const struct hg_key *bare, unsigned first)
{
    struct hg_key key = *bare;
    struct hg_program *program = NULL;
    for (unsigned i = 0; hg_key_is_phi(bare) && i < HG_KEY_OPERANDS; i++) {
        key.operand[i] =
            key.mode[i] == HG_OPERAND_NONE ? 0 : (uint64_t)(first + i) * HG_CLASS_BYTES;
    }
    return hg_op_build(&key, &program, NULL) == HG_OK ? program : NULL;
}

#define FIELD_AT                                                                                   \
    40 /* of the class offset in a load or store; all bits from here on are its own                \
        */

/* How a word that differs from one program to the other holds the class of an operand: as the field
 * of a load or store, or as a word of MMA's. False if it does not. */
static bool find_place(uint64_t one, uint64_t other, unsigned first_one, unsigned first_other,
                       struct hg_relocation *place)
{
    bool is_field = (one ^ other) << (64 - FIELD_AT) == 0;
    uint8_t shift = is_field ? FIELD_AT : 0;
    for (unsigned i = 0; i < HG_KEY_OPERANDS; i++) {
        if (one >> shift == (uint64_t)(first_one + i) * HG_CLASS_BYTES &&
            other >> shift == (uint64_t)(first_other + i) * HG_CLASS_BYTES) {
            *place = (struct hg_relocation){.operand = (uint8_t)i, .shift = shift};
            return true;
        }
    }
    return false;
}

/* Finds the places of classes as what differs between two programs, and takes them out of the
 * words. False if something else differs. */
static bool relocate(struct item *item, const struct hg_program *one,
                     const struct hg_program *other, unsigned first_one, unsigned first_other)
{
    item->entry.relocation_count = 0;
    for (uint32_t i = 0; i < one->word_count; i++) {
        item->words[i] = one->words[i];
        if (one->words[i] == other->words[i]) {
            continue;
        }
        struct hg_relocation place;
        if (item->entry.relocation_count == RELOCATIONS_MAX ||
            !find_place(one->words[i], other->words[i], first_one, first_other, &place)) {
            return false;
        }
        place.word = (uint16_t)i;
        item->words[i] -= (uint64_t)(first_one + place.operand) * HG_CLASS_BYTES << place.shift;
        item->relocations[item->entry.relocation_count++] = place;
    }
    return true;
}

/* Builds BARE's program; false if it has none, or one that cannot be moved to other classes. */
static bool make_item(const struct hg_key *bare, struct item *item)
{
    enum {
        ONE = 3,
        OTHER = 40
    }; /* any two, far enough apart that no operand has another's class */
    struct hg_program *one = build_with_classes(bare, ONE);
    struct hg_program *other = build_with_classes(bare, OTHER);
    bool made = one != NULL && other != NULL && one->word_count == other->word_count &&
                one->word_count <= HG_PROGRAM_WORDS_MAX && relocate(item, one, other, ONE, OTHER);
    if (made) {
        item->entry.key = *bare;
        item->entry.facts = one->facts;
        item->entry.word_count = (uint16_t)one->word_count;
    }
    hg_program_unref(&one);
    hg_program_unref(&other);
    return made;
}

static void add_item(struct table *table, const struct item *item)
{
    struct hg_precompiled entry = item->entry;
    entry.first_word = table->word_count;
    entry.first_relocation = table->relocation_count;
    table->words = grow(table->words, table->word_count, entry.word_count, &table->word_capacity,
                        sizeof *table->words);
    memcpy(table->words + table->word_count, item->words, entry.word_count * sizeof *item->words);
    table->word_count += entry.word_count;
    table->relocations = grow(table->relocations, table->relocation_count, entry.relocation_count,
                              &table->relocation_capacity, sizeof *table->relocations);
    memcpy(table->relocations + table->relocation_count, item->relocations,
           entry.relocation_count * sizeof *item->relocations);
    table->relocation_count += entry.relocation_count;
    table->entries =
        grow(table->entries, table->count, 1, &table->capacity, sizeof *table->entries);
    table->entries[table->count++] = entry;
}

static void add_key(const struct hg_key *key, void *context)
{
    static struct item item; /* large; there is one thread */
    struct table *table = context;
    struct hg_key bare;
    hg_precompiled_key(key, &bare);
    if (!has_key(table, &bare) && make_item(&bare, &item)) {
        add_item(table, &item);
    }
}

/* ---- as C ------------------------------------------------------------------------------------ */

static void print_key(const struct hg_key *key)
{
    (void)printf("{%u, %u, %u, {%u, %u, %u, %u}, {%u, %u, %u, %u}, %uu, ", key->cache, key->form,
                 key->policy, key->type[0], key->type[1], key->type[2], key->type[3], key->mode[0],
                 key->mode[1], key->mode[2], key->mode[3], key->structure);
    (void)printf("{%" PRIu64 "u, %" PRIu64 "u, %" PRIu64 "u, %" PRIu64 "u}, {%" PRIu64 "u, %" PRIu64
                 "u}, {%uu, %uu, %uu, %uu}}",
                 key->operand[0], key->operand[1], key->operand[2], key->operand[3],
                 key->constant[0], key->constant[1], key->size[0], key->size[1], key->size[2],
                 key->size[3]);
}

static void print_entry(const struct hg_precompiled *entry)
{
    const struct hg_code_facts *facts = &entry->facts;
    (void)printf("    {");
    print_key(&entry->key);
    (void)printf(",\n     {.block_lanes = %u, .facts = %u, .slots_read = %u, .slots_written = %u,"
                 " .params_read = %u, .slot_count = %u, .handle_count = %u, .segment_count = %u,"
                 " .reduce_count = %u, .scratch_bytes = %u, .insn_count = %u,"
                 " .cost = %u, .mma_cost = %u, .row_cost_bits = %u},\n",
                 facts->block_lanes, facts->facts, facts->slots_read, facts->slots_written,
                 facts->params_read, facts->slot_count, facts->handle_count, facts->segment_count,
                 facts->reduce_count, facts->scratch_bytes, facts->insn_count, facts->cost,
                 facts->mma_cost, facts->row_cost_bits);
    (void)printf("     %u, %u, %u, %u},\n", entry->first_word, entry->first_relocation,
                 entry->word_count, entry->relocation_count);
}

/* Arrays in C have at least one element; none is looked at if there are no entries. */
static void print_data(const struct table *table)
{
    (void)printf("const struct hg_precompiled hg_precompiled_entries[] = {\n");
    for (uint32_t i = 0; i < table->count; i++) {
        print_entry(&table->entries[i]);
    }
    (void)printf("%s};\nconst uint32_t hg_precompiled_count = %u;\n",
                 table->count == 0 ? "    {.word_count = 0},\n" : "", table->count);
    (void)printf("const uint64_t hg_precompiled_words[] = {\n");
    for (uint32_t i = 0; i < table->word_count; i++) {
        (void)printf("%s0x%" PRIx64 "u,%s", i % 8 == 0 ? "    " : " ", table->words[i],
                     i % 8 == 7 ? "\n" : "");
    }
    (void)printf("    0,\n};\nconst struct hg_relocation hg_precompiled_relocations[] = {\n");
    for (uint32_t i = 0; i < table->relocation_count; i++) {
        const struct hg_relocation *place = &table->relocations[i];
        (void)printf("    {%u, %u, %u},\n", place->word, place->operand, place->shift);
    }
    (void)printf("    {0, 0, 0},\n};\n");
}

/* At most half of the slots are taken, so that searches end, and soon. */
static void print_slots(const struct table *table)
{
    uint32_t capacity = 2;
    while (capacity < 2 * table->count) {
        capacity *= 2;
    }
    uint32_t *slots = hg_calloc(HG_TAG_ENGINE, capacity, sizeof *slots);
    if (slots == NULL) {
        die("out of memory");
    }
    for (uint32_t i = 0; i < table->count; i++) {
        uint32_t slot = hg_precompiled_hash(&table->entries[i].key) & (capacity - 1);
        while (slots[slot] != 0) {
            slot = (slot + 1) & (capacity - 1);
        }
        slots[slot] = i + 1;
    }
    (void)printf("const uint32_t hg_precompiled_slot_mask = %u;\n", capacity - 1);
    (void)printf("const uint32_t hg_precompiled_slots[] = {\n");
    for (uint32_t i = 0; i < capacity; i++) {
        (void)printf("%s%u,%s", i % 16 == 0 ? "    " : " ", slots[i], i % 16 == 15 ? "\n" : "");
    }
    (void)printf("};\n");
    hg_free(HG_TAG_ENGINE, slots);
}

int main(int argc, char **argv)
{
    struct table table = {0};
    if (argc == 3 && strcmp(argv[1], "--profile") == 0) {
        struct hg_error error = HG_ERROR_INIT;
        if (hg_precompile_visit_profile(argv[2], add_key, &table, &error) != HG_OK) {
            die(error.message);
        }
    } else if (argc == 1) {
        hg_precompile_visit_all(add_key, &table);
    } else {
        die("usage: precompile [--profile FILE]");
    }
    (void)printf("/* Generated by lib/engine/precompile; %u programs. */\n"
                 "#include \"lib/engine/precompiled.h\"\n\n",
                 table.count);
    print_data(&table);
    print_slots(&table);
    hg_free(HG_TAG_ENGINE, table.entries);
    hg_free(HG_TAG_ENGINE, table.words);
    hg_free(HG_TAG_ENGINE, table.relocations);
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        die("cannot write");
    }
    return 0;
}
