/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/engine/sha256.h"
#include "lib/ops/ops.h"

/* To be raised when a key of the same form comes to mean something else. */
#define VERSION 1u

struct header {
    char magic[8];
    uint32_t version;
    uint32_t entry_bytes;
    uint64_t fingerprint;
    uint64_t count;
};
static const char magic[8] = "HGKEYS";

#define FILE_BYTES_MAX                                                                             \
    (sizeof(struct header) + HG_KEYFILE_ENTRIES_MAX * sizeof(struct hg_keyfile_entry) +            \
     HG_SHA256_BYTES)

/* ---- the form -------------------------------------------------------------------------------- */

/* FNV-1a (Fowler, Noll, Vo), 64 bits, with the text's end. */
static uint64_t mix_text(uint64_t hash, const char *text)
{
    do {
        hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
    } while (*text++ != '\0');
    return hash;
}

static uint64_t fingerprint(void)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (unsigned i = 0; i < HG_CACHE_COUNT; i++) {
        hash = mix_text(hash, hg_cache_name((enum hg_cache_id)i));
    }
    for (unsigned i = 0; i < HG_DTYPE_COUNT; i++) {
        hash = mix_text(hash, hg_dtype_name((enum hg_dtype)i));
    }
    return hash;
}

enum hg_status hg_keyfile_encode(const struct hg_keyfile_entry *entries, uint32_t count,
                                 uint8_t **bytes, size_t *size, struct hg_error *error)
{
    HG_REQUIRE(count <= HG_KEYFILE_ENTRIES_MAX);
    struct header header = {.version = VERSION,
                            .entry_bytes = sizeof *entries,
                            .fingerprint = fingerprint(),
                            .count = count};
    memcpy(header.magic, magic, sizeof magic);
    size_t body = sizeof header + count * sizeof *entries;
    uint8_t *encoded = hg_malloc(HG_TAG_ENGINE, body + HG_SHA256_BYTES);
    if (encoded == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "key file: out of memory");
    }
    memcpy(encoded, &header, sizeof header);
    if (count > 0) {
        memcpy(encoded + sizeof header, entries, count * sizeof *entries);
    }
    hg_sha256(encoded, body, encoded + body);
    *bytes = encoded;
    *size = body + HG_SHA256_BYTES;
    return HG_OK;
}

enum hg_status hg_keyfile_check(const uint8_t *bytes, size_t size, const uint8_t **entries_at,
                                uint32_t *count, struct hg_error *error)
{
    struct header header;
    if (size < sizeof header + HG_SHA256_BYTES) {
        return hg_fail(error, HG_DATA_LOSS, "key file: too short");
    }
    memcpy(&header, bytes, sizeof header);
    if (memcmp(header.magic, magic, sizeof magic) != 0) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "not a key file");
    }
    if (header.version != VERSION || header.entry_bytes != sizeof(struct hg_keyfile_entry)) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "key file: of another version");
    }
    size_t body = size - HG_SHA256_BYTES;
    if (header.count > HG_KEYFILE_ENTRIES_MAX ||
        body != sizeof header + header.count * sizeof(struct hg_keyfile_entry)) {
        return hg_fail(error, HG_DATA_LOSS, "key file: truncated, or longer than it says");
    }
    uint8_t digest[HG_SHA256_BYTES];
    hg_sha256(bytes, body, digest);
    if (memcmp(digest, bytes + body, sizeof digest) != 0) {
        return hg_fail(error, HG_DATA_LOSS, "key file: damaged");
    }
    if (header.fingerprint != fingerprint()) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "key file: of a build with other operations");
    }
    *entries_at = bytes + sizeof header;
    *count = (uint32_t)header.count;
    return HG_OK;
}

/* ---- the file -------------------------------------------------------------------------------- */

/* What the last call failed with, about PATH. */
static enum hg_status fail_system(struct hg_error *error, const char *action, const char *path)
{
    int number = errno;
    bool full = number == ENOSPC || number == EDQUOT || number == EFBIG || number == ENOMEM;
    enum hg_status status = number == ENOENT ? HG_NOT_FOUND
                            : full           ? HG_RESOURCE_EXHAUSTED
                                             : HG_UNAVAILABLE;
    return hg_fail(error, status, "cannot %s '%s': %s", action, path, strerror(number));
}

/* SIZE bytes of DESCRIPTOR, or as many as there are; -1 with errno. */
static ssize_t read_all(int descriptor, uint8_t *bytes, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got = read(descriptor, bytes + done, size - done);
        if (got == 0) {
            break;
        }
        if (got < 0 && errno != EINTR) {
            return -1;
        }
        done += got > 0 ? (size_t)got : 0;
    }
    return (ssize_t)done;
}

static enum hg_status read_open(int descriptor, const char *path, uint8_t **bytes, size_t *size,
                                struct hg_error *error)
{
    struct stat about;
    if (fstat(descriptor, &about) != 0) {
        return fail_system(error, "read", path);
    }
    if (!S_ISREG(about.st_mode)) {
        return hg_fail(error, HG_UNAVAILABLE, "'%s' is not a file", path);
    }
    if ((uint64_t)about.st_size > FILE_BYTES_MAX) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "'%s' is larger than any key file", path);
    }
    uint8_t *content = hg_malloc(HG_TAG_ENGINE, (size_t)about.st_size);
    if (content == NULL) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "key file: out of memory");
    }
    ssize_t got = read_all(descriptor, content, (size_t)about.st_size);
    if (got < 0) {
        enum hg_status status = fail_system(error, "read", path);
        hg_free(HG_TAG_ENGINE, content);
        return status;
    }
    *bytes = content;
    *size = (size_t)got;
    return HG_OK;
}

enum hg_status hg_keyfile_read(const char *path, uint8_t **bytes, size_t *size,
                               struct hg_error *error)
{
    /* Whatever it is, opening it waits for nobody: only a file is read. */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (descriptor < 0) {
        return fail_system(error, "open", path);
    }
    enum hg_status status = read_open(descriptor, path, bytes, size, error);
    (void)close(descriptor);
    return status;
}

static bool write_all(int descriptor, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t put = write(descriptor, bytes, size);
        if (put < 0 && errno != EINTR) {
            return false;
        }
        if (put > 0) {
            bytes += put;
            size -= (size_t)put;
        }
    }
    return true;
}

/* A new file with BYTES, on the disk. */
static enum hg_status write_new(const char *path, const uint8_t *bytes, size_t size,
                                struct hg_error *error)
{
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (descriptor < 0) {
        return fail_system(error, "create", path);
    }
    bool written = write_all(descriptor, bytes, size) && fsync(descriptor) == 0;
    enum hg_status status = written ? HG_OK : fail_system(error, "write", path);
    if (close(descriptor) != 0 && status == HG_OK) {
        status = fail_system(error, "write", path);
    }
    return status;
}

/* So that the new name is on the disk too. What cannot be synced is no reason to fail: the name is
 * in place, and after a crash either file will do. */
static void sync_directory(const char *path)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    memcpy(directory, path, length);
    memcpy(directory + length, length == 0 ? "." : "", length == 0 ? 2 : 1);
    int descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor >= 0) {
        (void)fsync(descriptor);
        (void)close(descriptor);
    }
}

enum hg_status hg_keyfile_replace(const char *path, const uint8_t *bytes, size_t size,
                                  struct hg_error *error)
{
    char fresh[PATH_MAX];
    int length = snprintf(fresh, sizeof fresh, "%s.new", path);
    if (length < 0 || (size_t)length >= sizeof fresh) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "key file: the path is too long");
    }
    enum hg_status status = write_new(fresh, bytes, size, error);
    if (status == HG_OK && rename(fresh, path) != 0) {
        status = fail_system(error, "replace", path);
    }
    if (status != HG_OK) {
        (void)unlink(fresh);
        return status;
    }
    sync_directory(path);
    return HG_OK;
}
