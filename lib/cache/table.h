/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cache's table: open addressing with linear probing over programs, which hold their own keys.
 * A slot takes twelve bytes. The table is its own clock: the hand walks over the slots.
 *
 * Threads: the caller's lock.
 * Ownership: the table keeps one reference to each program in it.
 */
#ifndef HG_LIB_CACHE_TABLE_H
#define HG_LIB_CACHE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/program/program.h"

#define HG_CACHE_TABLE_ENTRIES_MAX (1u << 30)

struct hg_cache_table {
    struct hg_program **programs; /* NULL where the slot is free */
    uint32_t *tags;               /* hash; its top bit says that the program was used of late */
    uint32_t capacity;            /* power of two, or 0 before the first insert */
    uint32_t count;
    uint32_t hand; /* next slot that eviction looks at */
};

/* Borrows the program of KEY and marks it as used; NULL if there is none. */
struct hg_program *hg_cache_table_find(struct hg_cache_table *table, uint32_t hash,
                                       const struct hg_key *key);
/* Makes room for one more; false when out of memory (the table is as it was). */
HG_MUST_CHECK bool hg_cache_table_reserve(struct hg_cache_table *table);
/* Takes a reference. There must be room and no equal key. */
void hg_cache_table_insert(struct hg_cache_table *table, uint32_t hash, struct hg_program *program);
/* Gives the reference of the program that left: the next from the hand that nobody else refers to
 * and that was not used since the hand last came by. NULL if all are referred to. */
struct hg_program *hg_cache_table_evict(struct hg_cache_table *table);
/* Bytes of the table itself. */
uint64_t hg_cache_table_bytes(const struct hg_cache_table *table);
/* Drops the references and the memory; the table is empty and usable. Gives the number dropped. */
uint64_t hg_cache_table_clear(struct hg_cache_table *table);

#endif
