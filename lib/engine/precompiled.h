/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that were built and verified when the engine was: constant data, generated into
 * $(O)/gen/lib/engine/precompiled_table.c by precompile/main.c. A miss of the cache looks here
 * before it builds.
 *
 *     key ─ without boundary classes ─► slot ─► entry: facts, words, where the classes go
 *
 * Programs whose operands are in the boundary pool differ in their classes only, so one entry
 * stands for all of them: the words have zeros there, and a list of places.
 *
 * Threads: constants.
 */
#ifndef HG_LIB_ENGINE_PRECOMPILED_H
#define HG_LIB_ENGINE_PRECOMPILED_H

#include "lib/program/program.h"

/* Adds the class offset of an operand, shifted, to a word. */
struct hg_relocation {
    uint16_t word; /* of the program */
    uint8_t operand;
    uint8_t shift; /* 40: the field of a load or store; 0: a word of MMA, there unless 0 */
};

struct hg_precompiled {
    struct hg_key key; /* without classes */
    struct hg_code_facts facts;
    uint32_t first_word;
    uint32_t first_relocation;
    uint16_t word_count;
    uint16_t relocation_count;
};

/* The generated table: entries, by open addressing over slots of entry number + 1. */
extern const struct hg_precompiled hg_precompiled_entries[];
extern const uint32_t hg_precompiled_count;
extern const uint64_t hg_precompiled_words[];
extern const struct hg_relocation hg_precompiled_relocations[];
extern const uint32_t hg_precompiled_slots[];
extern const uint32_t hg_precompiled_slot_mask;

static inline bool hg_key_is_phi(const struct hg_key *key)
{
    return key->form == HG_PROGRAM_UNROLLED_PHI || key->form == HG_PROGRAM_LOOP_PHI;
}

/* KEY as entries have it. */
static inline void hg_precompiled_key(const struct hg_key *key, struct hg_key *bare)
{
    *bare = *key;
    if (hg_key_is_phi(key)) {
        memset(bare->operand, 0, sizeof bare->operand);
    }
}

/* Where the search for a bare key begins, before the mask. The constant is 2^64 over the golden
 * ratio; the table is fixed, so nothing here has to be secret. */
static inline uint32_t hg_precompiled_hash(const struct hg_key *bare)
{
    uint64_t words[sizeof *bare / sizeof(uint64_t)];
    uint64_t hash = 0;
    memcpy(words, bare, sizeof words);
    for (unsigned i = 0; i < sizeof *bare / sizeof(uint64_t); i++) {
        hash = (hash ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 32;
    }
    return (uint32_t)hash;
}

/* Gives a program of KEY's entry; NULL in *PROGRAM if there is none. Errors:
 * HG_RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status
hg_precompiled_make(const struct hg_key *key, struct hg_program **program, struct hg_error *error);

/* True if building KEY's program means copying it from here. */
bool hg_precompiled_has(const struct hg_key *key);

#endif
