/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packed instructions (the table is in README.md). Word 0 is op:8 type:4 more:4 dst:8 a:8 b:8 c:8
 * x:16 from the lowest bit; what rarely fits follows in extension words. Each thing has exactly one
 * packed form, which unpacking enforces, so that equal programs have equal words.
 */
#include <string.h>

#include "lib/base/check.h"
#include "lib/isa/insn.h"

/* Places in word 0. */
enum {
    AT_TYPE = 8,
    AT_MORE = 12, /* source type of CVT, condition of SETCC, lane mode of addresses, flags of MMA */
    AT_DST = 16,
    AT_A = 24,
    AT_B = 32,
    AT_C = 40,
    AT_X = 48
};

/* Lane mode of a load or store in `more`: the mode, and a bit when a factor word follows. */
#define MORE_LANE_MASK   7u
#define MORE_LANE_FACTOR 8u

/* Byte a of a load or store: the address mode and which words follow. */
#define ADDR_MODE_MASK   7u
#define ADDR_OFFSET_WORD 8u

/* Byte c of MMA: kinds of its two addresses; the high half is m when sizes are parameters. */
#define MMA_A_PHI         1u
#define MMA_A_OFFSET_WORD 2u
#define MMA_B_PHI         4u
#define MMA_B_OFFSET_WORD 8u

#define SIZE_BITS 16 /* of m, n, k as immediates */

static uint64_t field(uint64_t word, unsigned at, unsigned bits)
{
    return word >> at & ((UINT64_C(1) << bits) - 1);
}

static uint64_t type_mask(unsigned type)
{
    return UINT64_MAX >> (64 - 8 * hg_dtype_bytes(type));
}

/* The factor that needs no word. */
static uint32_t plain_factor(unsigned lane)
{
    return lane == HG_LANE_STRIDE ? 1 : 0;
}

static bool lane_has_factor(unsigned lane)
{
    return lane == HG_LANE_STRIDE || lane == HG_LANE_MOD || lane == HG_LANE_DIV;
}

/* Writing: words are appended; a field that does not fit makes the whole not representable. */
struct packer {
    uint64_t *words;
    uint32_t count;
    bool failed;
};

static void put(struct packer *packer, unsigned at, unsigned bits, uint64_t value)
{
    if (value >> bits != 0) {
        packer->failed = true;
        return;
    }
    packer->words[0] |= value << at;
}

static void append(struct packer *packer, uint64_t word)
{
    packer->words[packer->count++] = word;
}

static void pack_addr(struct packer *packer, const struct hg_addr *addr)
{
    bool slotted = addr->mode != HG_ADDR_PHI && addr->mode != HG_ADDR_SCRATCH;
    bool wide_offset = addr->offset < 0 || addr->offset > UINT16_MAX;
    if (addr->mode == HG_ADDR_PHI) {
        /* 21 bits always fit beside the lane mode, in c and x; others are no Φ address. */
        packer->failed |= addr->offset < 0 || addr->offset >= HG_BOUNDARY_BYTES;
        put(packer, AT_C, 24, (uint64_t)addr->offset & 0xffffff);
        wide_offset = false;
    } else {
        put(packer, AT_X, 16, wide_offset ? 0 : (uint64_t)addr->offset);
    }
    packer->failed |= addr->mode > HG_ADDR_SCRATCH || addr->lane > HG_LANE_ROW;
    bool factor = lane_has_factor(addr->lane) && addr->factor != plain_factor(addr->lane);
    put(packer, AT_MORE, 4, (addr->lane & MORE_LANE_MASK) | (factor ? MORE_LANE_FACTOR : 0));
    put(packer, AT_A, 8, (addr->mode & ADDR_MODE_MASK) | (wide_offset ? ADDR_OFFSET_WORD : 0));
    if (slotted) {
        put(packer, AT_B, 8, addr->slot);
    }
    if (hg_addr_computed(addr)) {
        put(packer, AT_C, 8, addr->reg);
    }
    if (factor) {
        append(packer, addr->factor);
    }
    if (wide_offset) {
        append(packer, (uint64_t)addr->offset);
    }
    if (slotted && addr->slot == HG_SLOT_HANDLE) {
        append(packer, addr->handle);
    }
}

static void pack_mma_addr(struct packer *packer, const struct hg_addr *addr, unsigned slot_at,
                          unsigned phi_flag, unsigned offset_flag)
{
    bool phi = addr->mode == HG_ADDR_PHI;
    packer->failed |= (!phi && addr->mode != HG_ADDR_BUFFER) || addr->lane != HG_LANE_NONE;
    packer->failed |= phi && (addr->offset < 0 || addr->offset >= HG_BOUNDARY_BYTES);
    put(packer, slot_at, 8, phi ? 0 : addr->slot);
    put(packer, AT_C, 4, (phi ? phi_flag : 0) | (addr->offset != 0 ? offset_flag : 0));
    if (addr->offset != 0) {
        append(packer, (uint64_t)addr->offset);
    }
    if (!phi && addr->slot == HG_SLOT_HANDLE) {
        append(packer, addr->handle);
    }
}

static void pack_mma(struct packer *packer, const struct hg_mma *mma)
{
    put(packer, AT_MORE, 4, mma->flags);
    pack_mma_addr(packer, &mma->a, AT_A, MMA_A_PHI, MMA_A_OFFSET_WORD);
    pack_mma_addr(packer, &mma->b, AT_B, MMA_B_PHI, MMA_B_OFFSET_WORD);
    if ((mma->flags & HG_MMA_PARAMS) != 0) {
        put(packer, AT_C + 4, 4, mma->m);
        put(packer, AT_X, 4, mma->n);
        put(packer, AT_X + 4, 4, mma->k);
        put(packer, AT_X + 8, 4, mma->lda);
        put(packer, AT_X + 12, 4, mma->ldb);
        return;
    }
    packer->failed |= (mma->m | mma->n | mma->k) >> SIZE_BITS != 0;
    append(packer, mma->m | (uint64_t)mma->n << SIZE_BITS | (uint64_t)mma->k << 2 * SIZE_BITS);
    append(packer, mma->lda | (uint64_t)mma->ldb << 32);
}

static void pack_imm(struct packer *packer, const struct hg_insn *insn)
{
    uint64_t imm = insn->u.imm & type_mask(insn->type);
    bool wide = imm > UINT32_MAX;
    put(packer, AT_A, 1, wide);
    if (wide) {
        append(packer, imm);
    } else {
        put(packer, AT_B, 32, imm);
    }
}

/* The operands that are fields of word 0, by the letters of hg_insn_syntax. */
static void pack_operand(struct packer *packer, const struct hg_insn *insn, char letter)
{
    switch (letter) {
    case 'd':
    case 'q':
        put(packer, AT_DST, 8, insn->dst);
        break;
    case 'a':
        /* A stored value stands where a loaded one does: the rest of the word is the address. */
        put(packer, hg_insn_has_addr(insn) ? AT_DST : AT_A, 8, insn->a);
        break;
    case 'b':
        put(packer, AT_B, 8, insn->b);
        break;
    case 'c':
        put(packer, AT_C, 8, insn->c);
        break;
    case 'p':
        put(packer, AT_C, 8, insn->pred);
        break;
    case 'k':
        put(packer, AT_X, 16, insn->count);
        break;
    case 't':
        put(packer, AT_X, 16, insn->target);
        break;
    case 'm':
        pack_addr(packer, &insn->u.addr);
        break;
    case 'i':
        pack_imm(packer, insn);
        break;
    default: /* x */
        put(packer, AT_DST, 8, insn->dst);
        pack_mma(packer, &insn->u.mma);
        break;
    }
}

uint32_t hg_insn_pack(const struct hg_insn *insn, uint64_t words[HG_INSN_WORDS_MAX])
{
    if (insn->op >= HG_OPCODE_COUNT) {
        return 0;
    }
    const struct hg_insn_info *info = hg_insn_info(insn->op);
    struct packer packer = {.words = words, .count = 1};
    words[0] = insn->op;
    if (info->types != 0) {
        if (insn->type >= HG_DTYPE_COUNT) {
            return 0;
        }
        put(&packer, AT_TYPE, 4, insn->type);
    }
    if (info->form == HG_FORM_CVT) {
        packer.failed |= insn->type2 >= HG_DTYPE_COUNT;
        put(&packer, AT_MORE, 4, insn->type2);
    } else if (info->form == HG_FORM_SETCC) {
        packer.failed |= insn->cond >= HG_COND_COUNT;
        put(&packer, AT_MORE, 4, insn->cond);
    } else if (info->form == HG_FORM_BRANCH || info->form == HG_FORM_EXIT) {
        put(&packer, AT_C, 8, insn->pred);
    }
    for (const char *letter = hg_insn_syntax(insn->op); *letter != '\0'; letter++) {
        pack_operand(&packer, insn, *letter);
    }
    return packer.failed ? 0 : packer.count;
}

/* Reading: `rest` is word 0 without the fields taken so far; anything left over is no instruction.
 */
struct unpacker {
    const uint64_t *words;
    uint32_t count;
    uint32_t position;
    uint64_t rest;
    bool failed;
};

static uint64_t take(struct unpacker *unpacker, unsigned at, unsigned bits)
{
    uint64_t value = field(unpacker->rest, at, bits);
    unpacker->rest ^= value << at;
    return value;
}

static uint64_t next(struct unpacker *unpacker)
{
    if (unpacker->position == unpacker->count) {
        unpacker->failed = true;
        return 0;
    }
    return unpacker->words[unpacker->position++];
}

static void unpack_addr(struct unpacker *unpacker, struct hg_addr *addr)
{
    uint64_t more = take(unpacker, AT_MORE, 4);
    uint64_t kind = take(unpacker, AT_A, 4);
    addr->lane = (uint8_t)(more & MORE_LANE_MASK);
    addr->mode = (uint8_t)(kind & ADDR_MODE_MASK);
    unpacker->failed |= addr->lane > HG_LANE_ROW || addr->mode > HG_ADDR_SCRATCH;
    bool slotted = addr->mode != HG_ADDR_PHI && addr->mode != HG_ADDR_SCRATCH;
    if (slotted) {
        addr->slot = (uint8_t)take(unpacker, AT_B, 8);
    }
    if (addr->mode == HG_ADDR_PHI) {
        addr->offset = (int64_t)take(unpacker, AT_C, 24);
        unpacker->failed |= addr->offset >= HG_BOUNDARY_BYTES || (kind & ADDR_OFFSET_WORD) != 0;
    } else if ((kind & ADDR_OFFSET_WORD) == 0) {
        addr->offset = (int64_t)take(unpacker, AT_X, 16);
    }
    if (hg_addr_computed(addr)) {
        addr->reg = (uint8_t)take(unpacker, AT_C, 8);
    }
    addr->factor = plain_factor(addr->lane);
    if ((more & MORE_LANE_FACTOR) != 0) {
        uint64_t factor = next(unpacker);
        unpacker->failed |= factor > UINT32_MAX || factor == addr->factor;
        unpacker->failed |= !lane_has_factor(addr->lane);
        addr->factor = (uint32_t)factor;
    }
    if ((kind & ADDR_OFFSET_WORD) != 0) {
        uint64_t offset = next(unpacker);
        unpacker->failed |= offset <= UINT16_MAX;
        addr->offset = (int64_t)offset;
    }
    if (slotted && addr->slot == HG_SLOT_HANDLE) {
        addr->handle = next(unpacker);
    }
}

static void unpack_mma_addr(struct unpacker *unpacker, struct hg_addr *addr, unsigned slot_at,
                            bool phi, bool offset_word)
{
    addr->mode = phi ? HG_ADDR_PHI : HG_ADDR_BUFFER;
    addr->lane = HG_LANE_NONE;
    if (!phi) {
        addr->slot = (uint8_t)take(unpacker, slot_at, 8);
    }
    if (offset_word) {
        uint64_t offset = next(unpacker);
        unpacker->failed |= offset == 0 || (phi && offset >= HG_BOUNDARY_BYTES);
        addr->offset = (int64_t)offset;
    }
    if (!phi && addr->slot == HG_SLOT_HANDLE) {
        addr->handle = next(unpacker);
    }
}

static void unpack_mma(struct unpacker *unpacker, struct hg_mma *mma)
{
    uint64_t kinds = take(unpacker, AT_C, 4);
    mma->flags = (uint8_t)take(unpacker, AT_MORE, 4);
    unpack_mma_addr(unpacker, &mma->a, AT_A, (kinds & MMA_A_PHI) != 0,
                    (kinds & MMA_A_OFFSET_WORD) != 0);
    unpack_mma_addr(unpacker, &mma->b, AT_B, (kinds & MMA_B_PHI) != 0,
                    (kinds & MMA_B_OFFSET_WORD) != 0);
    if ((mma->flags & HG_MMA_PARAMS) != 0) {
        mma->m = (uint32_t)take(unpacker, AT_C + 4, 4);
        mma->n = (uint32_t)take(unpacker, AT_X, 4);
        mma->k = (uint32_t)take(unpacker, AT_X + 4, 4);
        mma->lda = (uint32_t)take(unpacker, AT_X + 8, 4);
        mma->ldb = (uint32_t)take(unpacker, AT_X + 12, 4);
        return;
    }
    uint64_t sizes = next(unpacker);
    uint64_t leading = next(unpacker);
    unpacker->failed |= sizes >> 3 * SIZE_BITS != 0;
    mma->m = (uint32_t)field(sizes, 0, SIZE_BITS);
    mma->n = (uint32_t)field(sizes, SIZE_BITS, SIZE_BITS);
    mma->k = (uint32_t)field(sizes, 2 * SIZE_BITS, SIZE_BITS);
    mma->lda = (uint32_t)leading;
    mma->ldb = (uint32_t)(leading >> 32);
}

static void unpack_imm(struct unpacker *unpacker, struct hg_insn *insn)
{
    if (take(unpacker, AT_A, 1) != 0) {
        insn->u.imm = next(unpacker);
        unpacker->failed |= insn->u.imm <= UINT32_MAX;
    } else {
        insn->u.imm = take(unpacker, AT_B, 32);
    }
    unpacker->failed |= (insn->u.imm & ~type_mask(insn->type)) != 0;
}

static void unpack_operand(struct unpacker *unpacker, struct hg_insn *insn, char letter)
{
    switch (letter) {
    case 'd':
    case 'q':
        insn->dst = (uint8_t)take(unpacker, AT_DST, 8);
        break;
    case 'a':
        insn->a = (uint8_t)take(unpacker, hg_insn_has_addr(insn) ? AT_DST : AT_A, 8);
        break;
    case 'b':
        insn->b = (uint8_t)take(unpacker, AT_B, 8);
        break;
    case 'c':
        insn->c = (uint8_t)take(unpacker, AT_C, 8);
        break;
    case 'p':
        insn->pred = (uint8_t)take(unpacker, AT_C, 8);
        break;
    case 'k':
        insn->count = (uint16_t)take(unpacker, AT_X, 16);
        break;
    case 't':
        insn->target = (uint32_t)take(unpacker, AT_X, 16);
        break;
    case 'm':
        unpack_addr(unpacker, &insn->u.addr);
        break;
    case 'i':
        unpack_imm(unpacker, insn);
        break;
    default: /* x */
        insn->dst = (uint8_t)take(unpacker, AT_DST, 8);
        unpack_mma(unpacker, &insn->u.mma);
        break;
    }
}

enum hg_status hg_insn_unpack(const uint64_t *words, uint32_t count, uint32_t *position,
                              struct hg_insn *insn)
{
    struct unpacker unpacker = {.words = words, .count = count, .position = *position};
    unpacker.rest = next(&unpacker);
    struct hg_insn result;
    memset(&result, 0, sizeof result);
    uint64_t op = take(&unpacker, 0, 8);
    if (unpacker.failed || op >= HG_OPCODE_COUNT) {
        return HG_INVALID_ARGUMENT;
    }
    result.op = (uint8_t)op;
    const struct hg_insn_info *info = hg_insn_info(result.op);
    if (info->types != 0) {
        result.type = (uint8_t)take(&unpacker, AT_TYPE, 4);
        if (result.type >= HG_DTYPE_COUNT) {
            return HG_INVALID_ARGUMENT;
        }
    }
    if (info->form == HG_FORM_CVT) {
        result.type2 = (uint8_t)take(&unpacker, AT_MORE, 4);
        unpacker.failed |= result.type2 >= HG_DTYPE_COUNT;
    } else if (info->form == HG_FORM_SETCC) {
        result.cond = (uint8_t)take(&unpacker, AT_MORE, 4);
        unpacker.failed |= result.cond >= HG_COND_COUNT;
    } else if (info->form == HG_FORM_BRANCH || info->form == HG_FORM_EXIT) {
        result.pred = (uint8_t)take(&unpacker, AT_C, 8);
    }
    for (const char *letter = hg_insn_syntax(result.op); *letter != '\0'; letter++) {
        unpack_operand(&unpacker, &result, *letter);
    }
    if (unpacker.failed || unpacker.rest != 0) {
        return HG_INVALID_ARGUMENT;
    }
    *insn = result;
    *position = unpacker.position;
    return HG_OK;
}
