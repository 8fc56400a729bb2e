/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/transport/frame.h"

#include <endian.h>
#include <string.h>

#include "lib/base/buf.h"

#define MAGIC_BYTES 4
static const uint8_t magic[MAGIC_BYTES] = {'H', 'G', 'R', 'M'};

static enum hg_frame_state wrong(void)
{
    return HG_FRAME_WRONG;
}

static bool check_magic(const uint8_t *data, size_t size, struct hg_error *error)
{
    const size_t shown = size < MAGIC_BYTES ? size : MAGIC_BYTES;
    if (memcmp(data, magic, shown) == 0) {
        return true;
    }
    uint8_t got[MAGIC_BYTES] = {0};
    memcpy(got, data, shown);
    (void)hg_fail(error, HG_INVALID_ARGUMENT,
                  "frame: bad magic: expected 48 47 52 4d, got %02x %02x %02x %02x", got[0], got[1],
                  got[2], got[3]);
    return false;
}

static bool check_lengths(const struct hg_frame *frame, uint64_t message_bytes_max,
                          uint64_t payload_bytes_max, struct hg_error *error)
{
    if (frame->message_bytes > message_bytes_max) {
        (void)hg_fail(error, HG_RESOURCE_EXHAUSTED,
                      "frame: message too large: expected at most %llu bytes, got %u",
                      (unsigned long long)message_bytes_max, frame->message_bytes);
        return false;
    }
    if (frame->payload_bytes > payload_bytes_max) {
        (void)hg_fail(error, HG_RESOURCE_EXHAUSTED,
                      "frame: payload too large: expected at most %llu bytes, got %llu",
                      (unsigned long long)payload_bytes_max,
                      (unsigned long long)frame->payload_bytes);
        return false;
    }
    return true;
}

static enum hg_frame_state wrong_reserved(struct hg_error *error)
{
    (void)hg_fail(error, HG_INVALID_ARGUMENT, "frame: reserved bytes: expected 0");
    return wrong();
}

/* A header that is not all there, or not right: as soon as a byte is wrong this is said. */
static enum hg_frame_state decode_carefully(const uint8_t *data, size_t size,
                                            struct hg_error *error)
{
    struct hg_reader reader;
    if (!check_magic(data, size, error)) {
        return wrong();
    }
    if (size < 6) {
        return HG_FRAME_PARTIAL;
    }
    hg_reader_init(&reader, data + MAGIC_BYTES, size - MAGIC_BYTES);
    const uint16_t version = hg_read_u16(&reader);
    if (version != HG_FRAME_VERSION) {
        (void)hg_fail(error, HG_UNIMPLEMENTED,
                      "frame: unknown protocol version: expected %d, got %u", HG_FRAME_VERSION,
                      version);
        return wrong();
    }
    return size < HG_FRAME_BYTES ? HG_FRAME_PARTIAL : wrong_reserved(error);
}

/* What a whole header without anything wrong in its fixed part begins with. */
static const uint8_t start[8] = {'H', 'G', 'R', 'M', HG_FRAME_VERSION, 0, 0, 0};

enum hg_frame_state hg_frame_decode(const uint8_t *data, size_t size, uint64_t message_bytes_max,
                                    uint64_t payload_bytes_max, struct hg_frame *frame,
                                    struct hg_error *error)
{
    uint32_t lengths[2]; /* of the message, and reserved */
    if (size < HG_FRAME_BYTES || memcmp(data, start, sizeof(start)) != 0) {
        return decode_carefully(data, size, error);
    }
    memcpy(lengths, data + 8, sizeof(lengths));
    memcpy(&frame->payload_bytes, data + 16, sizeof(frame->payload_bytes));
    frame->message_bytes = le32toh(lengths[0]);
    frame->payload_bytes = le64toh(frame->payload_bytes);
    if (lengths[1] != 0) {
        return wrong_reserved(error);
    }
    return check_lengths(frame, message_bytes_max, payload_bytes_max, error) ? HG_FRAME_COMPLETE
                                                                             : wrong();
}
void hg_frame_encode(uint8_t data[HG_FRAME_BYTES], const struct hg_frame *frame)
{
    const uint32_t lengths[2] = {htole32(frame->message_bytes), 0};
    const uint64_t payload_bytes = htole64(frame->payload_bytes);
    memcpy(data, start, sizeof(start));
    memcpy(data + 8, lengths, sizeof(lengths));
    memcpy(data + 16, &payload_bytes, sizeof(payload_bytes));
}
