/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/transport/grpc_descriptor.h"

#include <string.h>

#include "daemon/transport/grpc_wire.h"
#include "lib/base/check.h"

/* Written by proto/module.mk. */
extern const unsigned char hg_descriptors[];
extern const size_t hg_descriptors_size;

/* Field numbers of google/protobuf/descriptor.proto. */
enum {
    SET_FILE = 1,
    FILE_NAME = 1,
    FILE_PACKAGE = 2,
    FILE_DEPENDENCY = 3,
    FILE_MESSAGE = 4,
    FILE_ENUM = 5,
    FILE_SERVICE = 6,
    MESSAGE_NAME = 1,
    MESSAGE_NESTED = 3,
    MESSAGE_ENUM = 4,
    SERVICE_METHOD = 2
};
/* Enums, services and methods have their name there as messages do. */
#define ANY_NAME MESSAGE_NAME

void hg_descriptors_load(struct hg_descriptors *set)
{
    struct hg_wire wire = hg_wire_of((struct hg_bytes){hg_descriptors, hg_descriptors_size});
    struct hg_wire_field field;
    set->count = 0;
    while (hg_wire_next(&wire, &field)) {
        HG_REQUIRE(field.number == SET_FILE && set->count < HG_DESCRIPTOR_FILES_MAX);
        set->files[set->count++] = field.bytes;
    }
    HG_REQUIRE(!wire.failed);
}

static bool equals(struct hg_bytes bytes, const char *text)
{
    return bytes.size == strlen(text) && memcmp(bytes.data, text, bytes.size) == 0;
}

int hg_descriptors_file(const struct hg_descriptors *set, const char *name)
{
    for (size_t i = 0; i < set->count; i++) {
        if (equals(hg_wire_find(set->files[i], FILE_NAME), name)) {
            return (int)i;
        }
    }
    return -1;
}

/* What of SYMBOL follows PREFIX and a dot; "" if they are the same, NULL if they differ. */
static const char *strip(const char *symbol, struct hg_bytes prefix)
{
    if (prefix.size == 0 || strncmp(symbol, (const char *)prefix.data, prefix.size) != 0) {
        return NULL;
    }
    const char *rest = symbol + prefix.size;
    if (*rest == '.' && rest[1] != '\0') {
        return rest + 1;
    }
    return *rest == '\0' ? rest : NULL;
}

static bool defines_child(struct hg_bytes parent, uint32_t number, const char *symbol);

/* True if ITEM, which is a PARENT's field NUMBER in a file, is what SYMBOL names, or holds it. */
static bool defines(struct hg_bytes item, const char *symbol)
{
    const char *rest = strip(symbol, hg_wire_find(item, ANY_NAME));
    if (rest == NULL) {
        return false;
    }
    /* A service's methods stand where a message has its fields, which have names too. */
    return *rest == '\0' || defines_child(item, MESSAGE_NESTED, rest) ||
           defines_child(item, MESSAGE_ENUM, rest) || defines_child(item, SERVICE_METHOD, rest);
}

static bool defines_child(struct hg_bytes parent, uint32_t number, const char *symbol)
{
    struct hg_wire wire = hg_wire_of(parent);
    struct hg_wire_field field;
    while (hg_wire_next(&wire, &field)) {
        if (field.number == number && field.type == HG_WIRE_BYTES && defines(field.bytes, symbol)) {
            return true;
        }
    }
    return false;
}

int hg_descriptors_symbol(const struct hg_descriptors *set, const char *symbol)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct hg_bytes file = set->files[i];
        const char *rest = strip(symbol, hg_wire_find(file, FILE_PACKAGE));
        if (rest != NULL &&
            (defines_child(file, FILE_MESSAGE, rest) || defines_child(file, FILE_ENUM, rest) ||
             defines_child(file, FILE_SERVICE, rest))) {
            return (int)i;
        }
    }
    return -1;
}

/* Marks what file INDEX imports. */
static void mark_imports(const struct hg_descriptors *set, int index, bool *wanted)
{
    struct hg_wire wire = hg_wire_of(set->files[index]);
    struct hg_wire_field field;
    while (hg_wire_next(&wire, &field)) {
        for (size_t i = 0; field.number == FILE_DEPENDENCY && i < set->count; i++) {
            const struct hg_bytes name = hg_wire_find(set->files[i], FILE_NAME);
            wanted[i] = wanted[i] || (name.size == field.bytes.size &&
                                      memcmp(name.data, field.bytes.data, name.size) == 0);
        }
    }
}

size_t hg_descriptors_closure(const struct hg_descriptors *set, int index, struct hg_bytes *files)
{
    bool wanted[HG_DESCRIPTOR_FILES_MAX] = {false};
    size_t count = 0;
    wanted[index] = true;
    /* A file stands behind those that it imports. */
    for (int i = index; i >= 0; i--) {
        if (wanted[i]) {
            mark_imports(set, i, wanted);
        }
    }
    for (size_t i = 0; i < set->count; i++) {
        if (wanted[i]) {
            files[count++] = set->files[i];
        }
    }
    return count;
}
