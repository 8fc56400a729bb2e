/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sequence of instructions on its way to being a program: what the assembler and the builders
 * give and the verifier takes; verification; text; the binary form.
 *
 * Threads: values.
 */
#ifndef HG_LIB_ISA_CODE_H
#define HG_LIB_ISA_CODE_H

#include "lib/isa/insn.h"

/* What a program declares. */
struct hg_code_header {
    uint8_t slot_count;     /* operand slots b0 .. b(slot_count-1) */
    uint32_t scratch_bytes; /* LDS/STS scratch per block */
};

/* INSNS is borrowed. */
struct hg_code {
    struct hg_code_header header;
    const struct hg_insn *insns;
    uint32_t insn_count;
};

/* Facts that verification establishes; everything an executor or the engine needs to know without
 * looking at the instructions again. */
#define HG_FACT_LOOP_BLOCKS  0x01u /* has a LOOP.BLOCKS body */
#define HG_FACT_TOP_LANES    0x02u /* has per-lane code outside LOOP.BLOCKS: n must be <= B */
#define HG_FACT_REDUCE       0x04u
#define HG_FACT_MMA          0x08u
#define HG_FACT_LANE_SCATTER 0x10u /* per-lane computed store: one worker, ascending lanes */
#define HG_FACT_SCRATCH      0x20u
#define HG_FACT_POOL         0x40u
#define HG_FACT_COMPUTED     0x80u /* has addresses that need checks while running */
#define HG_FACT_PHI          0x100u
#define HG_FACT_CONTROL      0x200u /* BRA, LOOP, CALL: not straight-line */
#define HG_FACT_CAN_FAIL     0x400u /* integer DIV, computed addresses: may fail while running */
#define HG_FACT_ROWS         0x800u /* has addresses by rows and columns: lane%cols, lane/cols, row */

struct hg_code_facts {
    uint32_t scratch_bytes;
    uint32_t cost : 24;    /* estimated cost of one lane in units of one F32 add, at least 1, */
    uint32_t mma_cost : 8; /*   and what of it are terms of products of known sizes, up to 255 */
    uint16_t insn_count;
    uint16_t block_lanes; /* B */
    uint16_t facts;       /* HG_FACT_* */
    uint16_t slots_read;  /* one bit per slot (handles follow the declared slots) */
    uint16_t slots_written;
    uint16_t params_read;    /* one bit per launch parameter, as PARAM or as a size of MMA */
    uint16_t slot_count : 5; /* declared */
    uint16_t
        handle_count : 5; /* distinct baked handles, in order of first use: slots after these */
    uint16_t row_cost_bits : 6; /* bits of the cost of what is not run lane by lane: see cost */
    uint8_t segment_count;      /* segments that hold more than a LOOP.BLOCKS */
    uint8_t reduce_count;       /* registers that hold one value per row when a segment ends (REDUCE
                                   destinations and what is computed from them): launch scratch of
                                   rows * 8 bytes each */
};

/*
 * The only gate to execution: checks CODE against every rule of the instruction set and fills
 * FACTS. Errors: HG_INVALID_ARGUMENT with the instruction's index and what is wrong;
 * HG_RESOURCE_EXHAUSTED (only programs with branches or of more than 64 instructions need memory).
 */
HG_MUST_CHECK enum hg_status hg_code_verify(const struct hg_code *code, struct hg_code_facts *facts,
                                            struct hg_error *error);

/* How often an instruction has to run, which follows from how far its operands vary. */
enum hg_level {
    HG_LEVEL_LAUNCH, /* the same for all lanes: once per launch (in LOOP.BLOCKS: once per block) */
    HG_LEVEL_ROW,    /* the same for the lanes of a row: once per row */
    HG_LEVEL_LANE    /* once per lane; MMA and REDUCE too */
};

/*
 * As hg_code_verify; also puts the enum hg_level of each instruction into LEVELS (room for
 * insn_count). The level of instructions that are never reached is HG_LEVEL_LAUNCH.
 */
HG_MUST_CHECK enum hg_status hg_code_levels(const struct hg_code *code, uint8_t *levels,
                                            struct hg_code_facts *facts, struct hg_error *error);

/* Lanes of a block of verified CODE; 0 if CODE does not verify. */
uint32_t hg_block_lanes(const struct hg_code *code);

/*
 * The distinct handles that CODE bakes in, in order of first use: their slots follow the declared
 * ones in this order. Gives their number; of more than HG_SLOT_COUNT_MAX, that many are stored and
 * HG_SLOT_COUNT_MAX + 1 is given.
 */
uint8_t hg_code_handles(const struct hg_code *code, uint64_t handles[HG_SLOT_COUNT_MAX]);

/*
 * Assembles TEXT (LENGTH bytes, UTF-8). On success *INSNS is an array from
 * hg_malloc(HG_TAG_PROGRAM) that the caller frees, and HEADER holds what `.slots` and `.scratch`
 * declared (slots default to one more than the highest used). Does not verify. Errors:
 * HG_INVALID_ARGUMENT, "line L, column C: …"; HG_RESOURCE_EXHAUSTED.
 */
HG_MUST_CHECK enum hg_status hg_assemble(const char *text, size_t length,
                                         struct hg_code_header *header, struct hg_insn **insns,
                                         uint32_t *insn_count, struct hg_error *error);

/*
 * Writes CODE, which was verified, decoded or assembled, as text; of verified code the text
 * assembles to the same code. At most SIZE bytes are written, the final NUL included. Returns the
 * length that it needs without the NUL, as snprintf does.
 */
size_t hg_disassemble(const struct hg_code *code, char *text, size_t size);

/*
 * The binary form: magic, version, header, packed words, checksum (README.md). Encode gives bytes
 * from hg_malloc(HG_TAG_PROGRAM). Decode gives instructions as hg_assemble does; it checks form,
 * not meaning: hg_code_verify follows.
 */
HG_MUST_CHECK enum hg_status hg_code_encode(const struct hg_code *code, uint8_t **bytes,
                                            size_t *size, struct hg_error *error);
HG_MUST_CHECK enum hg_status hg_code_decode(const uint8_t *bytes, size_t size,
                                            struct hg_code_header *header, struct hg_insn **insns,
                                            uint32_t *insn_count, struct hg_error *error);

#endif
