/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ISA binaries: whatever decodes encodes to the same bytes, whether it verifies or not. The
 * checksum is made right first, for no fuzzer finds that.
 */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/isa/code.h"

#define CHECKSUM_AT    20
#define CHECKSUM_BYTES 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* CRC-32C of all but the checksum (RFC 3720 appendix B.4). */
static uint32_t checksum(const uint8_t *bytes, size_t size)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        if (i - CHECKSUM_AT < CHECKSUM_BYTES) {
            continue;
        }
        crc ^= bytes[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
        }
    }
    return ~crc;
}

static void check_decoded(const struct hg_code *code, const uint8_t *bytes, size_t size)
{
    uint8_t *again;
    size_t again_size;
    struct hg_code_facts facts;
    struct hg_error error = HG_ERROR_INIT;
    HG_REQUIRE(hg_code_encode(code, &again, &again_size, &error) == HG_OK);
    HG_REQUIRE(again_size == size);
    HG_REQUIRE(memcmp(again, bytes, size) == 0);
    hg_free(HG_TAG_PROGRAM, again);
    /* Text of what was not verified need not assemble, but writing it is safe. */
    (void)hg_disassemble(code, NULL, 0);
    if (hg_code_verify(code, &facts, &error) == HG_OK) {
        HG_REQUIRE(facts.block_lanes != 0 && HG_BLOCK_BYTES % facts.block_lanes == 0);
    } else {
        HG_REQUIRE(error.status == HG_INVALID_ARGUMENT && error.message[0] != '\0');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hg_code code;
    struct hg_insn *insns;
    struct hg_error error = HG_ERROR_INIT;
    uint8_t *bytes = hg_malloc(HG_TAG_TEST, size);
    HG_REQUIRE(bytes != NULL);
    if (size > 0) {
        memcpy(bytes, data, size);
    }
    if (size >= CHECKSUM_AT + CHECKSUM_BYTES) {
        uint32_t crc = checksum(bytes, size);
        for (unsigned i = 0; i < CHECKSUM_BYTES; i++) {
            bytes[CHECKSUM_AT + i] = (uint8_t)(crc >> 8 * i);
        }
    }
    if (hg_code_decode(bytes, size, &code.header, &insns, &code.insn_count, &error) == HG_OK) {
        code.insns = insns;
        check_decoded(&code, bytes, size);
        hg_free(HG_TAG_PROGRAM, insns);
    }
    hg_free(HG_TAG_TEST, bytes);
    return 0;
}
