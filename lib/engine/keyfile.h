/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of programs with their hits, as a file: what a warm start reads, and what chooses the
 * programs that are built beforehand.
 *
 *     "HGKEYS" 0 0 │ version, bytes of an entry │ fingerprint │ count │ entries … │ SHA-256
 *
 * In this machine's byte order. The fingerprint stands for what numbers in keys mean: the named
 * caches, the types, the key's own form; a file of another fingerprint is of no use here.
 *
 * Threads: values.
 */
#ifndef HG_LIB_ENGINE_KEYFILE_H
#define HG_LIB_ENGINE_KEYFILE_H

#include <stddef.h>

#include "lib/base/status.h"
#include "lib/program/key.h"

struct hg_keyfile_entry {
    struct hg_key key;
    uint64_t hits;
};
_Static_assert(sizeof(struct hg_keyfile_entry) == sizeof(struct hg_key) + 8, "no padding");

#define HG_KEYFILE_ENTRIES_MAX (1u << 20)

/* Bytes from hg_malloc(HG_TAG_ENGINE). COUNT is at most HG_KEYFILE_ENTRIES_MAX. Errors:
 * HG_RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_keyfile_encode(const struct hg_keyfile_entry *entries,
                                               uint32_t count, uint8_t **bytes, size_t *size,
                                               struct hg_error *error);
/*
 * Checks BYTES; on success the entries begin at *ENTRIES_AT, as many as *COUNT, maybe unaligned.
 * Errors: HG_INVALID_ARGUMENT (something else, or of another version or build), HG_DATA_LOSS
 * (damaged).
 */
HG_MUST_CHECK enum hg_status hg_keyfile_check(const uint8_t *bytes, size_t size,
                                              const uint8_t **entries_at, uint32_t *count,
                                              struct hg_error *error);
/* Entry INDEX of what was checked. */
static inline void hg_keyfile_entry_at(const uint8_t *entries_at, uint32_t index,
                                       struct hg_keyfile_entry *entry)
{
    memcpy(entry, entries_at + index * sizeof *entry, sizeof *entry);
}

/* Reads all of the file at PATH into memory from hg_malloc(HG_TAG_ENGINE). Errors: HG_NOT_FOUND,
 * HG_RESOURCE_EXHAUSTED (memory, or larger than any key file), HG_UNAVAILABLE (the system's text).
 */
HG_MUST_CHECK enum hg_status hg_keyfile_read(const char *path, uint8_t **bytes, size_t *size,
                                             struct hg_error *error);
/*
 * Puts BYTES at PATH in place of what was there, at once: a reader finds the old or the new, also
 * after a crash. One caller at a time per path: PATH.new is where it is written first.
 * Errors: HG_RESOURCE_EXHAUSTED (no space, a quota, a limit), HG_UNAVAILABLE (the system's text).
 */
HG_MUST_CHECK enum hg_status hg_keyfile_replace(const char *path, const uint8_t *bytes, size_t size,
                                                struct hg_error *error);

#endif
