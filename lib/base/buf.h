/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounded cursors over bytes, little-endian. A read or write past the end sets `failed` and yields
 * zeros; callers check once at the end.
 */
#ifndef HG_LIB_BASE_BUF_H
#define HG_LIB_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hg_reader {
    const uint8_t *data;
    size_t size;
    size_t position;
    bool failed;
};

struct hg_writer {
    uint8_t *data;
    size_t capacity;
    size_t position;
    bool failed;
};

void hg_reader_init(struct hg_reader *reader, const void *data, size_t size);
uint8_t hg_read_u8(struct hg_reader *reader);
uint16_t hg_read_u16(struct hg_reader *reader);
uint32_t hg_read_u32(struct hg_reader *reader);
uint64_t hg_read_u64(struct hg_reader *reader);
/* Borrows SIZE bytes inside the reader's data, or NULL past the end. */
const void *hg_read_bytes(struct hg_reader *reader, size_t size);

void hg_writer_init(struct hg_writer *writer, void *data, size_t capacity);
void hg_write_u8(struct hg_writer *writer, uint8_t value);
void hg_write_u16(struct hg_writer *writer, uint16_t value);
void hg_write_u32(struct hg_writer *writer, uint32_t value);
void hg_write_u64(struct hg_writer *writer, uint64_t value);
void hg_write_bytes(struct hg_writer *writer, const void *data, size_t size);

#endif
