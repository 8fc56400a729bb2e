/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/program/program.h"

#include "lib/base/alloc.h"
#include "lib/base/check.h"

static uint32_t packed_words(const struct hg_code *code)
{
    uint64_t words[HG_INSN_WORDS_MAX];
    uint32_t total = 0;
    for (uint32_t i = 0; i < code->insn_count; i++) {
        total += hg_insn_pack(&code->insns[i], words);
    }
    return total;
}

static void pack(const struct hg_code *code, uint64_t *words)
{
    uint64_t one[HG_INSN_WORDS_MAX];
    for (uint32_t i = 0; i < code->insn_count; i++) {
        uint32_t count = hg_insn_pack(&code->insns[i], one);
        memcpy(words, one, count * sizeof *one);
        words += count;
    }
}

/* A program but for its words, of which there are WORD_COUNT; NULL, and ERROR says so, when memory
 * is out. */
static struct hg_program *create(const struct hg_key *key, const struct hg_code_facts *facts,
                                 uint32_t word_count, struct hg_error *error)
{
    /* Verification bounds the instructions, so neither the sum nor the product can overflow. */
    size_t size = sizeof(struct hg_program) + word_count * sizeof(uint64_t);
    struct hg_program *created = hg_malloc(HG_TAG_PROGRAM, size);
    if (created == NULL) {
        (void)hg_fail(error, HG_RESOURCE_EXHAUSTED, "program: no memory for %zu bytes", size);
        return NULL;
    }
    if (key != NULL) {
        created->key = *key;
    } else {
        hg_key_init(&created->key);
    }
    created->facts = *facts;
    atomic_init(&created->references, 1);
    atomic_init(&created->native, NULL);
    HG_REQUIRE(word_count <= UINT16_MAX);
    created->word_count = (uint16_t)word_count;
    atomic_init(&created->watched, false);
    return created;
}

enum hg_status hg_program_create(const struct hg_code *code, const struct hg_key *key,
                                 struct hg_program **program, struct hg_error *error)
{
    struct hg_code_facts facts;
    enum hg_status status = hg_code_verify(code, &facts, error);
    if (status != HG_OK) {
        return status;
    }
    struct hg_program *created = create(key, &facts, packed_words(code), error);
    if (created == NULL) {
        return HG_RESOURCE_EXHAUSTED;
    }
    pack(code, created->words);
    *program = created;
    return HG_OK;
}

enum hg_status hg_program_copy_verified(const struct hg_key *key, const struct hg_code_facts *facts,
                                        const uint64_t *words, uint32_t word_count,
                                        struct hg_program **program, struct hg_error *error)
{
    struct hg_program *created = create(key, facts, word_count, error);
    if (created == NULL) {
        return HG_RESOURCE_EXHAUSTED;
    }
    memcpy(created->words, words, word_count * sizeof *words);
    *program = created;
    return HG_OK;
}

struct hg_program *hg_program_ref(struct hg_program *program)
{
    /* Relaxed: whoever calls holds a reference already, so the program cannot go meanwhile. */
    uint32_t before = atomic_fetch_add_explicit(&program->references, 1, memory_order_relaxed);
    HG_REQUIRE(before != 0 && before != UINT32_MAX);
    return program;
}

void hg_program_unref(struct hg_program **program)
{
    struct hg_program *dropped = *program;
    *program = NULL;
    if (dropped == NULL) {
        return;
    }
    /* Release pairs with the acquire of the last unref: every use happens before the free. */
    uint32_t before = atomic_fetch_sub_explicit(&dropped->references, 1, memory_order_acq_rel);
    HG_REQUIRE(before != 0);
    if (before == 1) {
        struct hg_program_native *native =
            atomic_load_explicit(&dropped->native, memory_order_acquire);
        if (native != NULL) {
            native->destroy(native);
        }
        hg_free(HG_TAG_PROGRAM, dropped);
    }
}

struct hg_program_native *hg_program_attach(const struct hg_program *program,
                                            struct hg_program_native *native)
{
    /* Programs are const to those who run them; this word is not part of what they are. */
    struct hg_program *mutable = (struct hg_program *)(uintptr_t)program;
    struct hg_program_native *found = NULL;
    if (atomic_compare_exchange_strong_explicit(&mutable->native, &found, native,
                                                memory_order_acq_rel, memory_order_acquire)) {
        return native;
    }
    return found;
}

uint64_t hg_program_bytes(const struct hg_program *program)
{
    const struct hg_program_native *native =
        atomic_load_explicit(&program->native, memory_order_acquire);
    return hg_alloc_block_bytes(program) + (native != NULL ? native->bytes : 0);
}

void hg_program_unpack(const struct hg_program *program, struct hg_insn *insns)
{
    uint32_t position = 0;
    for (uint32_t i = 0; i < program->facts.insn_count; i++) {
        enum hg_status status =
            hg_insn_unpack(program->words, program->word_count, &position, &insns[i]);
        HG_REQUIRE(status == HG_OK);
    }
    HG_REQUIRE(position == program->word_count);
}
