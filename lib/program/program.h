/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A verified program: immutable, refcounted, one allocation that holds its key, what verification
 * found and the packed instructions; and perhaps native code.
 *
 * Threads: any; programs never change after creation, but for a flag of the cache's.
 * Ownership: shared. Create gives the first reference.
 */
#ifndef HG_LIB_PROGRAM_PROGRAM_H
#define HG_LIB_PROGRAM_PROGRAM_H

#include <stdatomic.h>

#include "lib/isa/code.h"
#include "lib/program/key.h"

/* What runs a program faster than its instructions do: the first member of whatever that is. */
struct hg_program_native {
    void (*destroy)(struct hg_program_native *native);
    uint64_t bytes; /* counted as the program's, so they do not change */
};

struct hg_program {
    struct hg_key key;
    struct hg_code_facts facts;
    _Atomic uint32_t references; /* relaxed up, acq_rel down: the last one frees */
    uint16_t word_count;
    _Atomic bool watched; /* the cache's own: see WATCHED in lib/cache/table.h */
    /* NULL, or set once (release, read with acquire) by whoever comes first. */
    _Atomic(struct hg_program_native *) native;
    uint64_t words[]; /* packed instructions */
};
_Static_assert(sizeof(struct hg_program) == 120, "the median program fits 160 bytes");

/*
 * Verifies CODE and packs it. KEY is copied (may be NULL: all zeros).
 * Errors: HG_INVALID_ARGUMENT from verification, HG_RESOURCE_EXHAUSTED.
 */
HG_MUST_CHECK enum hg_status hg_program_create(const struct hg_code *code, const struct hg_key *key,
                                               struct hg_program **program, struct hg_error *error);
/* A program of packed words that were verified before, with the FACTS that verification gave.
 * Errors: HG_RESOURCE_EXHAUSTED. */
HG_MUST_CHECK enum hg_status hg_program_copy_verified(const struct hg_key *key,
                                                      const struct hg_code_facts *facts,
                                                      const uint64_t *words, uint32_t word_count,
                                                      struct hg_program **program,
                                                      struct hg_error *error);
struct hg_program *hg_program_ref(struct hg_program *program);
/* NULLs *PROGRAM; frees with the last reference. */
void hg_program_unref(struct hg_program **program);

/* Gives PROGRAM its native code, which is destroyed with it, unless it has some already: gives what
 * it has then. */
struct hg_program_native *hg_program_attach(const struct hg_program *program,
                                            struct hg_program_native *native);

/* Bytes of the allocation as the allocator counts them, and of the native code. */
uint64_t hg_program_bytes(const struct hg_program *program);

/* Unpacks into INSNS (room for facts.insn_count). */
void hg_program_unpack(const struct hg_program *program, struct hg_insn *insns);

#endif
