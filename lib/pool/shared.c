/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/pool/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/pool/pages.h"

/* Keeps sums from wrapping; off_t is signed. */
#define CAPACITY_MAX ((uint64_t)INT64_MAX / 2)
/* st_blocks counts these, whatever the file system (stat(3type)). */
#define STAT_BLOCK_BYTES 512
/* Owner only: who was given a descriptor for reading shall not open it anew for writing by way of
 * /proc/self/fd. A memfd's mode is 0777 (memfd_create, mm/memfd.c). */
#define FILE_MODE 0600

uint64_t hg_shared_capacity(uint64_t bytes)
{
    if (bytes > CAPACITY_MAX) {
        return 0;
    }
    return hg_div_up_u64(bytes == 0 ? 1 : bytes, HG_PAGE_BYTES) * HG_PAGE_BYTES;
}

/* What nobody can write any more is mapped privately: a shared mapping of a sealed memfd, even one
 * for reading, is refused before Linux 6.7 (mm/mmap.c), and of pages that never change a private
 * one shows the same, without a copy. */
static enum hg_status map(int fd, uint64_t capacity, bool read_only, void **base)
{
    if (hg_alloc_fault_hit()) {
        errno = ENOMEM;
        return HG_RESOURCE_EXHAUSTED;
    }
    void *mapped = mmap(NULL, capacity, read_only ? PROT_READ : PROT_READ | PROT_WRITE,
                        read_only ? MAP_PRIVATE : MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) {
        return HG_RESOURCE_EXHAUSTED;
    }
    /* Clients' data has no place in a dump. Failing, the pages would; so they are not used. */
    if (madvise(mapped, capacity, MADV_DONTDUMP) != 0) {
        hg_pages_unmap(mapped, capacity);
        return HG_RESOURCE_EXHAUSTED;
    }
    if (capacity >= HG_HUGE_PAGE_BYTES) {
        /* Advice: kernels without huge pages for shared memory refuse it. */
        (void)madvise(mapped, capacity, MADV_HUGEPAGE);
    }
    *base = mapped;
    return HG_OK;
}

/* ---- ours ------------------------------------------------------------------------------------ */

/* F_SEAL_SEAL keeps the others from F_SEAL_WRITE and F_SEAL_FUTURE_WRITE, under which the hole
 * could not be punched (fcntl(2)). */
static int create_sealed(uint64_t capacity)
{
    if (hg_alloc_fault_hit()) {
        errno = ENOMEM;
        return -1;
    }
    int fd = memfd_create("hologram", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return -1;
    }
    if (fchmod(fd, FILE_MODE) == 0 && ftruncate(fd, (off_t)capacity) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0) {
        return fd;
    }
    int code = errno;
    close(fd);
    errno = code;
    return -1;
}

enum hg_status hg_shared_create(uint64_t capacity, struct hg_block *block, struct hg_error *error)
{
    void *base = NULL;
    int fd = create_sealed(capacity);
    if (fd < 0 || map(fd, capacity, false, &base) != HG_OK) {
        int code = errno;
        if (fd >= 0) {
            close(fd);
        }
        return hg_fail(error, HG_RESOURCE_EXHAUSTED,
                       "shared pool: the system has no memory for %" PRIu64 " bytes: %s", capacity,
                       strerror(code));
    }
    *block = (struct hg_block){
        .base = base, .bytes = capacity, .kind = HG_POOL_SHARED, .zeroed = true, .fd = fd};
    return HG_OK;
}

/* ---- somebody else's ------------------------------------------------------------------------- */

static enum hg_status refuse(struct hg_error *error, const char *reason)
{
    return hg_fail(error, HG_INVALID_ARGUMENT, "shared pool: %s", reason);
}

/* What its owner gave up; *READ_ONLY: to write it. F_SEAL_WRITE is what the kernel adds only while
 * no mapping can write, and never takes back; F_SEAL_FUTURE_WRITE leaves the mappings that there
 * are, and nobody can ask whether there are any (fcntl(2)). */
static enum hg_status check_seals(int seals, int flags, bool *read_only, struct hg_error *error)
{
    if ((seals & F_SEAL_SHRINK) == 0) {
        return refuse(error, "expected a memfd sealed against shrinking (F_SEAL_SHRINK)");
    }
    *read_only = (seals & F_SEAL_WRITE) != 0;
    if (!*read_only && (seals & F_SEAL_FUTURE_WRITE) != 0) {
        return refuse(error,
                      "expected a memfd that may be written, or is sealed with F_SEAL_WRITE, "
                      "got one with F_SEAL_FUTURE_WRITE, under which old mappings write");
    }
    if (!*read_only && (flags & O_ACCMODE) != O_RDWR) {
        return refuse(error, "expected a memfd open for reading and writing");
    }
    if ((flags & O_ACCMODE) == O_WRONLY) {
        return refuse(error, "expected a memfd open for reading");
    }
    return HG_OK;
}

/* What kind of file it is, and what its owner gave up. Only memory has seals, and a file of tmpfs
 * cannot be sealed, so what passes is a memfd: no access to it waits for anybody. */
static enum hg_status check_kind(int fd, bool *read_only, struct hg_error *error)
{
    struct statfs system;
    int seals = fcntl(fd, F_GET_SEALS);
    int flags = fcntl(fd, F_GETFL);
    if (seals < 0 || flags < 0 || fstatfs(fd, &system) != 0) {
        return refuse(error, "expected a memfd, got a descriptor of another kind");
    }
    /* Its pages are reserved when they are mapped or never: a touch may raise SIGBUS. */
    if (system.f_type == HUGETLBFS_MAGIC) {
        return refuse(error, "expected a memfd of ordinary pages, got one on hugetlbfs");
    }
    return check_seals(seals, flags, read_only, error);
}

/* Its pages must be there: those that a first touch made here would count as ours, and stay. */
static enum hg_status check_size(int fd, uint64_t bytes, struct hg_error *error)
{
    struct stat file;
    if (fstat(fd, &file) != 0) {
        return refuse(error, "the memfd has no size");
    }
    if ((uint64_t)file.st_size < bytes) {
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "shared pool: expected a memfd of at least %" PRIu64 " bytes, got %" PRIu64,
                       bytes, (uint64_t)file.st_size);
    }
    uint64_t there = (uint64_t)file.st_blocks * STAT_BLOCK_BYTES;
    if (there < (uint64_t)file.st_size) {
        return hg_fail(error, HG_INVALID_ARGUMENT,
                       "shared pool: expected a memfd without holes (fallocate fills them), got "
                       "%" PRIu64 " of %" PRIu64 " bytes",
                       there, (uint64_t)file.st_size);
    }
    return HG_OK;
}

enum hg_status hg_shared_adopt(int fd, uint64_t bytes, uint64_t capacity, struct hg_block *block,
                               struct hg_error *error)
{
    void *base = NULL;
    bool read_only = false;
    enum hg_status status = check_kind(fd, &read_only, error);
    if (status == HG_OK) {
        status = check_size(fd, bytes, error);
    }
    if (status == HG_OK) {
        status = map(fd, capacity, read_only, &base);
        if (status != HG_OK) {
            (void)hg_fail(error, status, "shared pool: cannot map %" PRIu64 " bytes: %s", capacity,
                          strerror(errno));
        }
    }
    if (status != HG_OK) {
        close(fd);
        return status;
    }
    *block = (struct hg_block){.base = base,
                               .bytes = capacity,
                               .kind = HG_POOL_SHARED,
                               .zeroed = true,
                               .fd = fd,
                               .adopted = true,
                               .read_only = read_only};
    return HG_OK;
}

void hg_shared_release(const struct hg_block *block)
{
    if (!block->adopted) {
        /* Cannot fail: it is a memfd, ours, and sealed against what would forbid it. */
        (void)fallocate(block->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                        (off_t)block->bytes);
    }
    hg_pages_unmap(block->base, block->bytes);
    close(block->fd);
}
