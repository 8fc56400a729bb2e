/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tests/mixed/mixed.h"

#define TAG_SHIFT  16
#define COUNT_MASK 0xffffu

uint64_t lane_id(const struct lane *lane, unsigned buffer)
{
    return (uint64_t)lane->number * LANE_BUFFERS + buffer + 1;
}

void lane_init(struct lane *lane, uint32_t number, uint32_t elements)
{
    *lane = (struct lane){.number = number, .elements = elements};
    for (unsigned i = 0; i < LANE_BUFFERS; i++) {
        lane->contents[i] = (struct content){.value = 0, .known = true};
    }
}

uint32_t lane_fresh(struct mixed_client *client)
{
    return (client->number + 1) << TAG_SHIFT | mixed_roll(client, COUNT_MASK + 1);
}

void lane_fill(uint32_t *words, uint32_t count, uint32_t value)
{
    for (uint32_t i = 0; i < count; i++) {
        words[i] = value;
    }
}

void lane_executed(struct lane *lane, bool ok)
{
    const struct content *a = &lane->contents[0];
    const struct content *b = &lane->contents[1];
    lane->contents[2].known = ok && a->known && b->known;
    lane->contents[2].value = a->value > b->value ? a->value : b->value;
}

void lane_check(struct mixed_client *client, const struct lane *lane, unsigned buffer,
                const void *bytes, size_t size)
{
    const struct content *content = &lane->contents[buffer];
    if (size != (size_t)lane->elements * sizeof(uint32_t)) {
        mixed_fail(client, "read of buffer %u: expected %u words, got %zu bytes", buffer,
                   lane->elements, size);
    }
    for (uint32_t i = 0; i < lane->elements; i++) {
        uint32_t word; /* within a message it need not be aligned */
        memcpy(&word, (const uint8_t *)bytes + i * sizeof(word), sizeof(word));
        const bool right = content->known ? word == content->value
                                          : word == 0 || word >> TAG_SHIFT == client->number + 1;
        if (!right) {
            mixed_fail(client, "buffer %u of lane %u: word %u is %08x, expected %08x (%s)", buffer,
                       lane->number, i, word, content->value,
                       content->known ? "exactly" : "or another of this client's");
        }
    }
    mixed_count(&client->progress->checked);
}
