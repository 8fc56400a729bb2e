/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/precompiled.h"

static const struct hg_precompiled *find(const struct hg_key *bare)
{
    for (uint32_t slot = hg_precompiled_hash(bare);; slot++) {
        uint32_t number = hg_precompiled_slots[slot & hg_precompiled_slot_mask];
        if (number == 0) {
            return NULL;
        }
        const struct hg_precompiled *entry = &hg_precompiled_entries[number - 1];
        if (hg_key_equal(&entry->key, bare)) {
            return entry;
        }
    }
}

/* True if the classes of KEY can go into ENTRY's words. A key from a file may say anything. */
static bool has_places(const struct hg_precompiled *entry, const struct hg_key *key)
{
    for (uint32_t i = 0; i < entry->relocation_count; i++) {
        const struct hg_relocation *place =
            &hg_precompiled_relocations[entry->first_relocation + i];
        uint64_t offset = key->operand[place->operand];
        bool is_class = offset < HG_BOUNDARY_BYTES && offset % HG_CLASS_BYTES == 0;
        if (!is_class || (place->shift == 0 && offset == 0)) {
            return false;
        }
    }
    return true;
}

/* True if KEY names a class for operands that the program has, each another: what was verified, was
 * so with operands apart. */
static bool has_classes_apart(const struct hg_key *key)
{
    for (unsigned i = 0; i < HG_KEY_OPERANDS; i++) {
        if (key->mode[i] == HG_OPERAND_NONE) {
            if (key->operand[i] != 0) {
                return false;
            }
            continue;
        }
        for (unsigned j = 0; j < i; j++) {
            if (key->operand[j] == key->operand[i]) {
                return false;
            }
        }
    }
    return true;
}

/* The entry that KEY's program is made from; NULL if there is none. */
static const struct hg_precompiled *entry_of(const struct hg_key *key)
{
    struct hg_key bare;
    hg_precompiled_key(key, &bare);
    const struct hg_precompiled *entry = find(&bare);
    bool fits = entry != NULL &&
                (!hg_key_is_phi(key) || (has_classes_apart(key) && has_places(entry, key)));
    return fits ? entry : NULL;
}

bool hg_precompiled_has(const struct hg_key *key)
{
    return entry_of(key) != NULL;
}

enum hg_status hg_precompiled_make(const struct hg_key *key, struct hg_program **program,
                                   struct hg_error *error)
{
    *program = NULL;
    const struct hg_precompiled *entry = entry_of(key);
    if (entry == NULL) {
        return HG_OK;
    }
    enum hg_status status =
        hg_program_copy_verified(key, &entry->facts, &hg_precompiled_words[entry->first_word],
                                 entry->word_count, program, error);
    for (uint32_t i = 0; status == HG_OK && i < entry->relocation_count; i++) {
        const struct hg_relocation *place =
            &hg_precompiled_relocations[entry->first_relocation + i];
        (*program)->words[place->word] += key->operand[place->operand] << place->shift;
    }
    return status;
}
