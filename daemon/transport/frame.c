/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/transport/frame.h"

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

enum hg_frame_state hg_frame_decode(const uint8_t *data, size_t size, uint64_t message_bytes_max,
                                    uint64_t payload_bytes_max, struct hg_frame *frame,
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
    if (size < HG_FRAME_BYTES) {
        return HG_FRAME_PARTIAL;
    }
    const uint16_t reserved = hg_read_u16(&reader);
    frame->message_bytes = hg_read_u32(&reader);
    const uint32_t reserved_too = hg_read_u32(&reader);
    frame->payload_bytes = hg_read_u64(&reader);
    if (reserved != 0 || reserved_too != 0) {
        (void)hg_fail(error, HG_INVALID_ARGUMENT, "frame: reserved bytes: expected 0");
        return wrong();
    }
    return check_lengths(frame, message_bytes_max, payload_bytes_max, error) ? HG_FRAME_COMPLETE
                                                                             : wrong();
}

void hg_frame_encode(uint8_t data[HG_FRAME_BYTES], const struct hg_frame *frame)
{
    struct hg_writer writer;
    hg_writer_init(&writer, data, HG_FRAME_BYTES);
    hg_write_bytes(&writer, magic, MAGIC_BYTES);
    hg_write_u16(&writer, HG_FRAME_VERSION);
    hg_write_u16(&writer, 0);
    hg_write_u32(&writer, frame->message_bytes);
    hg_write_u32(&writer, 0);
    hg_write_u64(&writer, frame->payload_bytes);
}
