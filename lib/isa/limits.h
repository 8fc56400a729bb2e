/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes that the instruction set fixes. */
#ifndef HG_LIB_ISA_LIMITS_H
#define HG_LIB_ISA_LIMITS_H

#include <stdint.h>

#define HG_REGISTER_COUNT  256
#define HG_PREDICATE_COUNT 16
#define HG_REG_ROW         250 /* U64, read-only specials from here on */
#define HG_REG_COLUMN      251 /* U64 */
#define HG_REG_BLOCK_LANE  252 /* U32 */
#define HG_REG_BLOCK       253 /* U32 */
#define HG_REG_BLOCK_SIZE  254 /* U32 */
#define HG_REG_LANE        255 /* U64 */
#define HG_REG_SPECIAL     250

#define HG_SLOT_COUNT_MAX 16 /* declared operand slots and baked handles together */
#define HG_PARAM_COUNT    16
#define HG_PARAM_N        0
#define HG_PARAM_ROWS     1
#define HG_PARAM_COLS     2
#define HG_PARAM_FIRST    3

#define HG_CLASS_COUNT       96
#define HG_CLASS_PAGES       48
#define HG_PAGE_BYTES        256
#define HG_CLASS_BYTES       12288
#define HG_BOUNDARY_BYTES    (HG_CLASS_COUNT * HG_CLASS_BYTES)
#define HG_BLOCK_BYTES       12288 /* a block: this many bytes of the widest per-lane type */
#define HG_PHASE_MODULUS     768
#define HG_LEAF_LANES        1536 /* REDUCE: elements per leaf */
#define HG_CALL_DEPTH_MAX    256
#define HG_MMA_IMMEDIATE_MAX 64

#define HG_ADDR_OFFSET_MAX ((int64_t)1 << 47) /* constant byte offset of an address */
#define HG_TEXT_BYTES_MAX  (1u << 20)         /* a program's text */
#define HG_LABEL_BYTES_MAX 64                 /* a label's name */

#define HG_PROGRAM_INSNS_MAX 4096 /* of a user's program */
#define HG_PROGRAM_WORDS_MAX 16384
#define HG_SCRATCH_BYTES_MAX 65536   /* LDS/STS scratch of a block */
#define HG_POOL_BYTES_MAX    1048576 /* POOL memory of a block */
#define HG_POOL_HANDLES_MAX  64

#endif
