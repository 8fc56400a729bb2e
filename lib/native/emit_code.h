/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the emitter's last pass: registers and bytes.
 *
 *     emit_code.c   the function: prologue, loops, epilogue
 *     emit_regs.c   which value is in which register
 *     emit_vop.c    one operation after the other
 *     emit_memory.c memory in lines, constants and parameters
 *     emit_avx2.c   those that AVX2 has another way for
 *     emit_sums.c   accumulators
 *     emit_lane.c   those that go lane by lane, or may fail
 *
 * General registers: rdi the frame, rax the lane in the stretch, rcx how many are left, rdx and r11
 * what is needed for a moment, the others pointers of streams. k1 is the mask of the lanes of a
 * vector that exist; k2 to k7 are masks that the program computes. With AVX2 masks are vectors of
 * the width that was compared, and the lanes that exist are two vectors (tail_mask).
 */
#ifndef HG_LIB_NATIVE_EMIT_CODE_H
#define HG_LIB_NATIVE_EMIT_CODE_H

#include "lib/native/emit.h"
#include "lib/native/x86.h"

#define HG_NO_REG 0xff

#define HG_TAIL_MASK   1u /* k1 */
#define HG_SPARE_MASK  2u /* k2: of checks and gathers, never allocated */
#define HG_FIRST_MASK  3u
#define HG_MASK_END    8u
#define HG_TAIL_MASKS  4u
#define HG_CODE_REFERS 768

/* A memory operand whose constant gets its place at the end; or one of these. */
#define HG_REFER_INDEX HG_VAL_NONE                 /* 0, 1, 2 … */
#define HG_REFER_MASKS (uint16_t)(HG_VAL_NONE - 1) /* ones, then zeros: eight each of 4 bytes */
struct hg_code_refer {
    uint32_t reference;
    hg_val value;
};

struct hg_code_gen {
    struct hg_emit *emit;
    struct hg_x86 x;
    uint16_t at;     /* the operation at hand */
    bool in_body;    /* in the loop, else in front of it */
    bool masked;     /* lanes are those of k1 */
    uint8_t copy;    /* of the unrolled loop */
    uint8_t unroll;  /* copies */
    uint32_t locked; /* vector registers that the operation at hand reads or that never change */
    uint32_t kept;   /* of those, what never changes in the loop */
    uint32_t free;   /* vector registers */
    uint32_t free_masks;
    hg_val holds[32]; /* what a vector register has */
    uint8_t spill_count;
    uint8_t spill_base;                   /* of those, from in front of the loop */
    uint8_t sum_first[HG_NATIVE_REDUCES]; /* registers of accumulators */
    uint8_t sum_count[HG_NATIVE_REDUCES]; /* 0: they are in the frame */
    uint8_t pointer[HG_EMIT_STREAMS];     /* general register of a stream */
    /* Of products: registers that the tile's sums take, and the one that the vector at hand is in
     * (HG_NO_REG: it lies in the frame's tile, at rcx). */
    bool is_product;
    uint8_t held;
    uint8_t sum;
    /* AVX2: masks of the lanes that exist, by log2 of the bytes of an element; or HG_NO_REG. */
    uint8_t tail_mask[HG_TAIL_MASKS];
    uint32_t lengths[4]; /* modifiers of vectors, by log2 of the bytes of an element */
    bool failed;
    uint16_t refer_count;
    struct hg_code_refer refers[HG_CODE_REFERS];
    uint8_t reg[HG_EMIT_OPS];           /* of a value: vector or mask register */
    uint8_t slot[HG_EMIT_OPS];          /* 1 + its place in frame->spills, or 0 */
    uint8_t kind[HG_EMIT_OPS];          /* HG_USED_* */
    uint16_t last_body[HG_EMIT_OPS];    /* last operation of the loop that reads it */
    uint16_t last_uniform[HG_EMIT_OPS]; /* last one in front of the loop */
};

#define HG_USED_IN_BODY 1u /* a uniform value that the loop reads */
#define HG_KEPT_IN_REG  2u /* and that stays in its register */

/* ---- emit_code.c ----------------------------------------------------------------------------- */

/* Fills GEN for EMIT; its bytes go to BUFFER. */
void hg_code_init(struct hg_code_gen *gen, struct hg_emit *emit, uint8_t *buffer, size_t size);
/* Gives streams their registers, and saves those that are the caller's; all, if SAVES_ALL. */
void hg_code_enter(struct hg_code_gen *gen, bool saves_all);
/* Pointers to the elements of the lane and the column in the frame; rax and rdx are clobbered. */
void hg_code_load_pointers(struct hg_code_gen *gen);
/* What is uniform. */
void hg_code_front(struct hg_code_gen *gen);
/* The other operations, for a vector. */
void hg_code_body(struct hg_code_gen *gen);
/* Makes the mask of a vector of which only rcx lanes are there. */
void hg_code_last_lanes(struct hg_code_gen *gen);
/* Gives the length of the function, with its constants; 0 if it has failed. */
size_t hg_code_leave(struct hg_code_gen *gen, bool saves_all);

/* ---- emit_regs.c ----------------------------------------------------------------------------- */

/* Decides what stays in registers over the loop. */
void hg_regs_plan(struct hg_code_gen *gen);
/* Puts constants into the registers that they stay in over the loop. */
void hg_regs_hold_constants(struct hg_code_gen *gen);
/* Forgets what is in registers, but for what is kept. */
void hg_regs_restart(struct hg_code_gen *gen);
/* A free vector register, if need be by putting something away. */
unsigned hg_regs_take(struct hg_code_gen *gen);
unsigned hg_regs_take_mask(struct hg_code_gen *gen);
/* The register that V is in, or comes into; it stays until the operation's end. */
unsigned hg_regs_fetch(struct hg_code_gen *gen, hg_val v); /* that has none yet */
static inline unsigned hg_regs_of(struct hg_code_gen *gen, hg_val v)
{
    unsigned r = gen->reg[v];
    if (r == HG_NO_REG) {
        return hg_regs_fetch(gen, v);
    }
    gen->locked |= 1u << r;
    return r;
}
unsigned hg_regs_mask_of(struct hg_code_gen *gen, hg_val v);
/* Whether V, which has no register, can be read from memory; as one element for all lanes if
 * BROADCAST says so. */
bool hg_regs_is_away(const struct hg_code_gen *gen, hg_val v, bool may_broadcast, bool *broadcast);
/* Its address; a constant's is noted right after the instruction, by hg_regs_refer. */
struct hg_x86_mem hg_regs_memory(const struct hg_code_gen *gen, hg_val v);
void hg_regs_refer(struct hg_code_gen *gen, hg_val v, unsigned trailing);
/* Whether the operation at hand is the last to read V. */
bool hg_regs_dies_in_front(const struct hg_code_gen *gen, hg_val v);
static inline bool hg_regs_dies(const struct hg_code_gen *gen, hg_val v)
{
    if (gen->in_body) {
        return gen->last_body[v] == gen->at && (gen->kind[v] & HG_KEPT_IN_REG) == 0;
    }
    return hg_regs_dies_in_front(gen, v);
}
/* Gives back the registers of the operation's sources that die; unlocks the others. */
void hg_regs_release(struct hg_code_gen *gen);
/* V, the operation's value, is in vector register R; a mask in R. */
void hg_regs_define(struct hg_code_gen *gen, hg_val v, unsigned r);
void hg_regs_define_mask(struct hg_code_gen *gen, hg_val v, unsigned r);

static inline bool hg_code_has_masks(const struct hg_code_gen *gen)
{
    return gen->emit->level == HG_ISA_AVX512;
}

/* ---- emit_avx2.c, emit_avx2_memory.c --------------------------------------------------------- */

/* Emits the operation gen->at if AVX2 does it otherwise than AVX-512; false if not. */
bool hg_avx2_vop(struct hg_code_gen *gen);
void hg_avx2_load(struct hg_code_gen *gen, unsigned width, unsigned d, struct hg_x86_mem memory);
void hg_avx2_store(struct hg_code_gen *gen, unsigned width, unsigned a, struct hg_x86_mem memory);
/* A whole vector, which may be short: nothing else is touched. */
void hg_avx2_load_whole(struct hg_code_gen *gen, unsigned width, unsigned d,
                        struct hg_x86_mem memory);
void hg_avx2_store_whole(struct hg_code_gen *gen, unsigned width, unsigned a,
                         struct hg_x86_mem memory);
/* Registers for tail_mask, where the region needs them; and their values: all lanes, or those that
 * rcx counts (with rdx and r11 to compute). */
void hg_avx2_take_masks(struct hg_code_gen *gen);
void hg_avx2_all_lanes(struct hg_code_gen *gen);
void hg_avx2_last_lanes(struct hg_code_gen *gen);
/* The same for as many as r11 says. */
void hg_avx2_set_lanes(struct hg_code_gen *gen);
void hg_avx2_accumulate(struct hg_code_gen *gen, unsigned index, unsigned acc, unsigned r,
                        uint32_t length, bool masked);

/* ---- emit_sums.c ----------------------------------------------------------------------------- */

/* How many registers accumulators take, before others are given. */
void hg_sums_plan(struct hg_code_gen *gen);
/* In front of the loop: their start. */
void hg_sums_start(struct hg_code_gen *gen);
/* The vector at hand, R, to those of REDUCE number INDEX. */
void hg_sums_add(struct hg_code_gen *gen, unsigned index, unsigned r);
/* Behind a vector: the next one's. */
void hg_sums_rotate(struct hg_code_gen *gen);
/* Behind the loop: folded, to the frame. */
void hg_sums_store(struct hg_code_gen *gen);

/* ---- emit_lane.c ----------------------------------------------------------------------------- */

/* Emits the operation gen->at, which works lane by lane on computed addresses or may fail. INSN is
 * its instruction where it has one. */
void hg_lane_vop(struct hg_code_gen *gen, uint32_t insn);
/* Whether OP can be emitted only where the lanes that exist are known. */
static inline bool hg_lane_needs_mask(unsigned op)
{
    return op == HG_VOP_CHECK || op == HG_VOP_BOUND || op == HG_VOP_FETCH || op == HG_VOP_SCATTER;
}
/* D = the least offset outside of an operand. */
void hg_lane_limit(struct hg_code_gen *gen, const struct hg_vop *vop, unsigned d);

/* ---- emit_memory.c --------------------------------------------------------------------------- */

/* D = what the operation of form SOURCE gives. */
void hg_code_source(struct hg_code_gen *gen, const struct hg_vop *vop, unsigned d);
/* A to the stream of STORE; of STOREU, by the stretch that has the first of the lanes. */
void hg_code_store(struct hg_code_gen *gen, const struct hg_vop *vop, unsigned a);
void hg_code_store_one(struct hg_code_gen *gen, const struct hg_vop *vop, unsigned a);

/* ---- emit_vop.c ------------------------------------------------------------------------------ */

/* log2 of the bytes of an element of mask or value V's operation gives the length of its vector. */
static inline uint32_t hg_code_length(const struct hg_code_gen *gen, unsigned width)
{
    return gen->lengths[width];
}
/* The element at MEMORY into all lanes of R. */
void hg_code_broadcast(struct hg_code_gen *gen, unsigned width, unsigned r,
                       struct hg_x86_mem memory);
/* Emits the operation gen->at. */
void hg_code_vop(struct hg_code_gen *gen);
/* ACC = ACC op R as the REDUCE number INDEX has it, for the lanes that exist if MASKED. */
void hg_code_accumulate(struct hg_code_gen *gen, unsigned index, unsigned acc, unsigned r,
                        uint32_t length, bool masked);
/* The operation of a REDUCE on two vectors, but for MIN and MAX of floats with AVX2. */
enum hg_vop_code hg_code_reduce_op(const struct hg_emit_reduce *reduce);
/* The instruction of OP for elements of WIDTH, or HG_X86_OP_COUNT. */
uint32_t hg_code_insn(enum hg_vop_code op, unsigned width);

#endif
