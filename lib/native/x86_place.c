/* SPDX-License-Identifier: Apache-2.0 */
/* Places in code: jumps to them, references to data behind the code, alignment, data. */
#include <string.h>

#include "lib/native/x86_bytes.h"

/* A jump with 32 bits to the place, relative to the jump's end. */
static void put_jump(struct hg_x86 *x, int cc, uint32_t place)
{
    if (!hg_x86_has_room(x)) {
        return;
    }
    uint8_t *p = x->at;
    if (cc < 0) {
        *p++ = 0xe9;
    } else {
        *p++ = 0x0f;
        *p++ = (uint8_t)(0x80 | cc);
    }
    x->at = hg_x86_put32(p, place - (uint32_t)(p + 4 - x->start));
}

uint32_t hg_x86_jump(struct hg_x86 *x)
{
    put_jump(x, -1, 0);
    return hg_x86_here(x);
}

uint32_t hg_x86_jump_if(struct hg_x86 *x, enum hg_x86_cc cc)
{
    put_jump(x, (int)cc, 0);
    return hg_x86_here(x);
}

void hg_x86_land(struct hg_x86 *x, uint32_t jump)
{
    if (!x->is_full) {
        hg_x86_put32(x->start + jump - 4, hg_x86_here(x) - jump);
    }
}

static void jump_back(struct hg_x86 *x, int cc, uint32_t place)
{
    int64_t distance = (int64_t)place - (int64_t)hg_x86_here(x) - 2;
    if (distance != (int8_t)distance) {
        put_jump(x, cc, place);
        return;
    }
    if (hg_x86_has_room(x)) {
        x->at[0] = cc < 0 ? 0xeb : (uint8_t)(0x70 | cc);
        x->at[1] = (uint8_t)distance;
        x->at += 2;
    }
}

void hg_x86_jump_to(struct hg_x86 *x, uint32_t place)
{
    jump_back(x, -1, place);
}

void hg_x86_jump_if_to(struct hg_x86 *x, enum hg_x86_cc cc, uint32_t place)
{
    jump_back(x, (int)cc, place);
}

void hg_x86_refer(struct hg_x86 *x, uint32_t reference, uint32_t offset)
{
    if (x->is_full || x->is_wrong) {
        return;
    }
    uint8_t *field = x->start + (reference >> 1) - (reference & 1) - 4;
    uint32_t relative;
    memcpy(&relative, field, sizeof(relative));
    hg_x86_put32(field, relative + offset);
}

void hg_x86_align(struct hg_x86 *x, uint32_t alignment)
{
    /* The manual's recommended NOPs (volume 2, "NOP"). */
    static const uint8_t nops[9][9] = {
        {0x90},
        {0x66, 0x90},
        {0x0f, 0x1f, 0x00},
        {0x0f, 0x1f, 0x40, 0x00},
        {0x0f, 0x1f, 0x44, 0x00, 0x00},
        {0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00},
        {0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00},
        {0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
        {0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
    };
    uint32_t missing = -hg_x86_here(x) & (alignment - 1);
    for (; missing > 9; missing -= 9) {
        hg_x86_data(x, nops[8], 9);
    }
    if (missing > 0) {
        hg_x86_data(x, nops[missing - 1], missing);
    }
}

void hg_x86_data(struct hg_x86 *x, const void *data, size_t size)
{
    if ((size_t)(x->end - x->at) < size) {
        x->is_full = true;
        x->end = x->at;
        return;
    }
    if (size != 0) {
        memcpy(x->at, data, size);
        x->at += size;
    }
}
