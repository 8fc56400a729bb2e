/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key of a program: exactly what the program bakes in, nothing else.
 *
 * Fixed size, no padding, no pointers: compared and hashed as bytes. What varies from call to call
 * (lengths, scalars, buffers) is a parameter of the launch and not here, unless the specialisation
 * policy `full` bakes it.
 */
#ifndef HG_LIB_PROGRAM_KEY_H
#define HG_LIB_PROGRAM_KEY_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define HG_KEY_OPERANDS 4

enum hg_program_form {
    HG_PROGRAM_UNROLLED,     /* n <= B, operands by slot */
    HG_PROGRAM_LOOP,         /* n > B */
    HG_PROGRAM_UNROLLED_PHI, /* every operand is a class of the boundary pool */
    HG_PROGRAM_LOOP_PHI,
    HG_PROGRAM_FORM_COUNT
};

/* How one operand is addressed: baked, hence in the key. */
enum hg_operand_mode {
    HG_OPERAND_NONE,             /* the operand does not exist */
    HG_OPERAND_LANE,             /* [b + lane] */
    HG_OPERAND_SCALAR,           /* [b]: one element for all lanes */
    HG_OPERAND_ROW_BROADCAST,    /* [b + lane % cols] */
    HG_OPERAND_COLUMN_BROADCAST, /* [b + lane / cols] */
    HG_OPERAND_PER_ROW,          /* [b + row] */
    HG_OPERAND_MATRIX,           /* read by MMA */
    HG_OPERAND_COMPUTED          /* at offsets that the program computes: never in Φ forms */
};

struct hg_key {
    uint16_t cache; /* enum hg_cache_id: which named cache, and with it which builder */
    uint8_t form;   /* enum hg_program_form */
    uint8_t policy; /* HG_KEY_FULL, HG_KEY_FUSED */
    uint8_t type[HG_KEY_OPERANDS]; /* enum hg_dtype per operand */
    uint8_t mode[HG_KEY_OPERANDS]; /* enum hg_operand_mode */
    uint32_t structure; /* the operation's own flags: transposes, beta = 0, in place … */
    uint64_t operand[HG_KEY_OPERANDS]; /* PHI: byte offset in the boundary pool; full: handle */
    uint64_t constant[2];              /* baked constants, as bit patterns */
    uint32_t size[4];                  /* baked sizes: m, n, k of a small product; full: n */
};

#define HG_KEY_FULL  1u /* built under cache.specialize = full */
#define HG_KEY_FUSED 2u /* built under fusion = on */

_Static_assert(sizeof(struct hg_key) == 80, "the key is compared and hashed as bytes: no padding");

static inline void hg_key_init(struct hg_key *key)
{
    memset(key, 0, sizeof *key);
}

static inline bool hg_key_equal(const struct hg_key *a, const struct hg_key *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

#endif
