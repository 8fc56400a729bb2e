/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The binary form of a program. All fields little-endian:
 *
 *      0  4  magic "HGPR"             12  4  number of instructions
 *      4  2  version                  16  4  number of words
 *      6  1  declared slots           20  4  CRC-32C of the bytes before it and the words
 *      7  1  0                        24  8  each word
 *      8  4  bytes of scratch
 */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/isa/code.h"

#define MAGIC        0x52504748u /* "HGPR" */
#define VERSION      1
#define HEADER_BYTES 24
#define CRC_AT       20

/* CRC-32C (Castagnoli polynomial, reflected: RFC 3720 appendix B.4), a nibble at a time. */
static uint32_t crc32c(uint32_t crc, const uint8_t *bytes, size_t size)
{
    static const uint32_t table[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
                                       0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
                                       0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                       0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc = crc >> 4 ^ table[(crc ^ bytes[i]) & 15];
        crc = crc >> 4 ^ table[(crc ^ (uint32_t)bytes[i] >> 4) & 15];
    }
    return ~crc;
}

static uint32_t checksum(const uint8_t *bytes, size_t size)
{
    uint32_t crc = crc32c(0, bytes, CRC_AT);
    return crc32c(crc, bytes + HEADER_BYTES, size - HEADER_BYTES);
}

/* Words of CODE together, into *COUNT. */
static enum hg_status count_words(const struct hg_code *code, uint32_t *count,
                                  struct hg_error *error)
{
    if (code->insn_count > HG_PROGRAM_INSNS_MAX) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "a program has at most %d instructions, not %u",
                       HG_PROGRAM_INSNS_MAX, code->insn_count);
    }
    uint32_t total = 0;
    for (uint32_t i = 0; i < code->insn_count; i++) {
        uint64_t words[HG_INSN_WORDS_MAX];
        uint32_t used = hg_insn_pack(&code->insns[i], words);
        if (used == 0) {
            return hg_fail(error, HG_INVALID_ARGUMENT, "instruction %u cannot be packed", i);
        }
        total += used;
    }
    if (total > HG_PROGRAM_WORDS_MAX) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "a program has at most %d words, not %u",
                       HG_PROGRAM_WORDS_MAX, total);
    }
    *count = total;
    return HG_OK;
}

enum hg_status hg_code_encode(const struct hg_code *code, uint8_t **bytes, size_t *size,
                              struct hg_error *error)
{
    uint32_t word_count = 0;
    enum hg_status status = count_words(code, &word_count, error);
    if (status != HG_OK) {
        return status;
    }
    size_t total = HEADER_BYTES + (size_t)word_count * sizeof(uint64_t);
    uint8_t *result = hg_malloc(HG_TAG_PROGRAM, total);
    if (result == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "out of memory while encoding");
    }
    struct hg_writer writer;
    hg_writer_init(&writer, result, total);
    hg_write_u32(&writer, MAGIC);
    hg_write_u16(&writer, VERSION);
    hg_write_u8(&writer, code->header.slot_count);
    hg_write_u8(&writer, 0);
    hg_write_u32(&writer, code->header.scratch_bytes);
    hg_write_u32(&writer, code->insn_count);
    hg_write_u32(&writer, word_count);
    hg_write_u32(&writer, 0);
    for (uint32_t i = 0; i < code->insn_count; i++) {
        uint64_t words[HG_INSN_WORDS_MAX];
        uint32_t used = hg_insn_pack(&code->insns[i], words);
        for (uint32_t word = 0; word < used; word++) {
            hg_write_u64(&writer, words[word]);
        }
    }
    hg_writer_init(&writer, result + CRC_AT, sizeof(uint32_t));
    hg_write_u32(&writer, checksum(result, total));
    *bytes = result;
    *size = total;
    return HG_OK;
}

/* What the fixed part says, checked. */
struct binary_header {
    struct hg_code_header header;
    uint32_t insn_count;
    uint32_t word_count;
};

static enum hg_status read_header(struct hg_reader *reader, size_t size,
                                  struct binary_header *result, struct hg_error *error)
{
    if (size < HEADER_BYTES) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "a program has at least %d bytes, not %zu",
                       HEADER_BYTES, size);
    }
    uint32_t magic = hg_read_u32(reader);
    if (magic != MAGIC) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "not a program: starts with 0x%08x", magic);
    }
    uint32_t version = hg_read_u16(reader);
    if (version != VERSION) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "a program of version %u; %d is understood",
                       version, VERSION);
    }
    result->header.slot_count = hg_read_u8(reader);
    uint32_t zero = hg_read_u8(reader);
    result->header.scratch_bytes = hg_read_u32(reader);
    result->insn_count = hg_read_u32(reader);
    result->word_count = hg_read_u32(reader);
    if (zero != 0 || result->insn_count == 0 || result->insn_count > HG_PROGRAM_INSNS_MAX ||
        result->word_count > HG_PROGRAM_WORDS_MAX || result->word_count < result->insn_count) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "%u instructions in %u words are no program",
                       result->insn_count, result->word_count);
    }
    size_t expected = HEADER_BYTES + (size_t)result->word_count * sizeof(uint64_t);
    if (size != expected) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "a program of %u words has %zu bytes, not %zu",
                       result->word_count, expected, size);
    }
    uint32_t crc = hg_read_u32(reader);
    if (crc != checksum(reader->data, size)) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "the program's checksum does not match");
    }
    return HG_OK;
}

static enum hg_status unpack_all(const uint64_t *words, const struct binary_header *binary,
                                 struct hg_insn *insns, struct hg_error *error)
{
    uint32_t position = 0;
    for (uint32_t i = 0; i < binary->insn_count; i++) {
        if (hg_insn_unpack(words, binary->word_count, &position, &insns[i]) != HG_OK) {
            return hg_fail(error, HG_INVALID_ARGUMENT, "instruction %u: no instruction at word %u",
                           i, position);
        }
    }
    if (position != binary->word_count) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "%u words follow the last instruction",
                       binary->word_count - position);
    }
    return HG_OK;
}

enum hg_status hg_code_decode(const uint8_t *bytes, size_t size, struct hg_code_header *header,
                              struct hg_insn **insns, uint32_t *insn_count, struct hg_error *error)
{
    struct hg_reader reader;
    struct binary_header binary = {{0, 0}, 0, 0};
    hg_reader_init(&reader, bytes, size);
    enum hg_status status = read_header(&reader, size, &binary, error);
    if (status != HG_OK) {
        return status;
    }
    uint64_t *words = hg_malloc(HG_TAG_PROGRAM, binary.word_count * sizeof *words);
    struct hg_insn *result = hg_malloc(HG_TAG_PROGRAM, binary.insn_count * sizeof *result);
    if (words == NULL || result == NULL) {
        status = hg_fail(error, HG_RESOURCE_EXHAUSTED, "out of memory while decoding");
        goto out;
    }
    for (uint32_t i = 0; i < binary.word_count; i++) {
        words[i] = hg_read_u64(&reader);
    }
    status = unpack_all(words, &binary, result, error);
out:
    hg_free(HG_TAG_PROGRAM, words);
    if (status != HG_OK) {
        hg_free(HG_TAG_PROGRAM, result);
        return status;
    }
    *header = binary.header;
    *insns = result;
    *insn_count = binary.insn_count;
    return HG_OK;
}
