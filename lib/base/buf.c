/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/buf.h"

#include <endian.h>
#include <string.h>

#include "lib/base/check.h"

/* What an empty cursor points at, so that no arithmetic is done on NULL. */
static const uint8_t nothing[1];

void hg_reader_init(struct hg_reader *reader, const void *data, size_t size)
{
    HG_REQUIRE(data != NULL || size == 0);
    *reader = (struct hg_reader){.data = data != NULL ? data : nothing, .size = size};
}

const void *hg_read_bytes(struct hg_reader *reader, size_t size)
{
    if (reader->failed || size > reader->size - reader->position) {
        reader->failed = true;
        return NULL;
    }
    const uint8_t *bytes = reader->data + reader->position;
    reader->position += size;
    return bytes;
}

/* Copies SIZE bytes, or leaves VALUE as it is (zero). */
static void read_into(struct hg_reader *reader, void *value, size_t size)
{
    const void *bytes = hg_read_bytes(reader, size);
    if (bytes != NULL) {
        memcpy(value, bytes, size);
    }
}

uint8_t hg_read_u8(struct hg_reader *reader)
{
    uint8_t value = 0;
    read_into(reader, &value, sizeof value);
    return value;
}

uint16_t hg_read_u16(struct hg_reader *reader)
{
    uint16_t value = 0;
    read_into(reader, &value, sizeof value);
    return le16toh(value);
}

uint32_t hg_read_u32(struct hg_reader *reader)
{
    uint32_t value = 0;
    read_into(reader, &value, sizeof value);
    return le32toh(value);
}

uint64_t hg_read_u64(struct hg_reader *reader)
{
    uint64_t value = 0;
    read_into(reader, &value, sizeof value);
    return le64toh(value);
}

void hg_writer_init(struct hg_writer *writer, void *data, size_t capacity)
{
    HG_REQUIRE(data != NULL || capacity == 0);
    *writer = (struct hg_writer){.data = data, .capacity = capacity};
}

void hg_write_bytes(struct hg_writer *writer, const void *data, size_t size)
{
    if (writer->failed || size > writer->capacity - writer->position) {
        writer->failed = true;
        return;
    }
    if (size != 0) {
        memcpy(writer->data + writer->position, data, size);
        writer->position += size;
    }
}

void hg_write_u8(struct hg_writer *writer, uint8_t value)
{
    hg_write_bytes(writer, &value, sizeof value);
}

void hg_write_u16(struct hg_writer *writer, uint16_t value)
{
    uint16_t little = htole16(value);
    hg_write_bytes(writer, &little, sizeof little);
}

void hg_write_u32(struct hg_writer *writer, uint32_t value)
{
    uint32_t little = htole32(value);
    hg_write_bytes(writer, &little, sizeof little);
}

void hg_write_u64(struct hg_writer *writer, uint64_t value)
{
    uint64_t little = htole64(value);
    hg_write_bytes(writer, &little, sizeof little);
}
