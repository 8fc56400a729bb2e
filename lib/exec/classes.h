/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Class arithmetic: the graph of the 96 classes of the boundary pool. A class is
 * 48*e1 + 24*e2 + 12*e3 + 6*e6 + 3*e7 + (d + 1) with e in {0, 1} and d in {-1, 0, 1}. Edges flip
 * one of e1, e2, e3, e6, or move d between 0 and +-1.
 *
 * Threads: pure functions.
 */
#ifndef HG_LIB_EXEC_CLASSES_H
#define HG_LIB_EXEC_CLASSES_H

#include <stdbool.h>
#include <stdint.h>

#define HG_NO_CLASS 255

/* The class with e7 flipped; HG_NO_CLASS for none. */
uint8_t hg_class_mirror(uint8_t class_index);
bool hg_class_is_unity(uint8_t class_index);
/* 5 or 6; 0 for no class. */
uint32_t hg_class_degree(uint8_t class_index);
/* The neighbour of rank INDEX, ascending; HG_NO_CLASS beyond the last. */
uint8_t hg_class_neighbour(uint8_t class_index, uint32_t index);
/* class * 12288 + page * 256 + byte. */
uint64_t hg_class_offset(uint8_t class_index, uint32_t page, uint32_t byte);

#endif
