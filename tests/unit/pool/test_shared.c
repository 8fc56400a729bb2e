/* SPDX-License-Identifier: Apache-2.0 */
/* Shared blocks: what the holder of a descriptor may do harms nobody, and nothing stays with it. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/pool/pool.h"

#define KIB 1024ull
#define MIB (1024 * KIB)

static struct hg_pool *make_pool(uint64_t heap_bytes_max)
{
    const struct hg_pool_options options = {heap_bytes_max, false};
    struct hg_pool *pool = NULL;
    assert_int_equal(hg_pool_create(&options, &pool, NULL), HG_OK);
    return pool;
}

static void end_pool(struct hg_pool *pool)
{
    hg_pool_destroy(&pool);
    assert_int_equal(hg_alloc_live_bytes(HG_TAG_POOL), 0);
}

static struct hg_block acquire(struct hg_pool *pool, uint64_t bytes)
{
    struct hg_block block = {0};
    assert_int_equal(hg_pool_acquire(pool, HG_POOL_SHARED, bytes, true, &block, NULL), HG_OK);
    assert_int_equal(block.kind, HG_POOL_SHARED);
    assert_true(block.zeroed && !block.adopted);
    return block;
}

static blkcnt_t blocks_of(int fd)
{
    struct stat file;
    assert_int_equal(fstat(fd, &file), 0);
    return file.st_blocks;
}

static uint64_t used(const struct hg_pool *pool)
{
    struct hg_pool_stats stats;
    hg_pool_stats(pool, &stats);
    return stats.bytes_used[HG_POOL_SHARED];
}

/* A memfd of SIZE bytes with SEALS, filled with 7 unless SPARSE. */
static int make_memfd(size_t size, unsigned flags, int seals, bool sparse)
{
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    if (!sparse) {
        static uint8_t page[4096];
        memset(page, 7, sizeof page);
        for (size_t at = 0; at < size; at += sizeof page) {
            size_t part = size - at < sizeof page ? size - at : sizeof page;
            assert_int_equal(pwrite(fd, page, part, (off_t)at), part);
        }
    }
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

/* A block is whole pages of zeros, the memory behind its descriptor, and counted. */
static void a_block_is_a_memfd(void **state)
{
    (void)state;
    struct hg_pool *pool = make_pool(MIB);
    struct hg_block block = acquire(pool, 5000);
    assert_int_equal(block.bytes, 8192);
    assert_int_equal(used(pool), 8192);
    uint8_t *theirs = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, block.fd, 0);
    assert_ptr_not_equal(theirs, MAP_FAILED);
    assert_int_equal(theirs[4999], 0);
    memset(theirs, 5, 8192);
    assert_int_equal(((uint8_t *)block.base)[4999], 5);
    munmap(theirs, 8192);
    hg_pool_release(pool, &block);
    assert_int_equal(used(pool), 0);
    end_pool(pool);
}

/* A holder can neither change the size nor add seals, so nothing that it does raises SIGBUS here or
 * keeps the pages from being given back. */
static void the_size_is_sealed(void **state)
{
    (void)state;
    struct hg_pool *pool = make_pool(MIB);
    struct hg_block block = acquire(pool, 64 * KIB);
    int theirs = dup(block.fd);
    assert_int_equal(ftruncate(theirs, 4096), -1);
    assert_int_equal(ftruncate(theirs, 128 * KIB), -1);
    assert_int_equal(fcntl(theirs, F_ADD_SEALS, F_SEAL_WRITE), -1);
#ifdef F_SEAL_FUTURE_WRITE
    assert_int_equal(fcntl(theirs, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), -1);
#endif
    memset(block.base, 9, 64 * KIB);
    hg_pool_release(pool, &block);
    close(theirs);
    end_pool(pool);
}

/* A hole that a holder punches reads as zeros and can be written again. */
static void holes_are_zeros(void **state)
{
    (void)state;
    struct hg_pool *pool = make_pool(MIB);
    struct hg_block block = acquire(pool, 64 * KIB);
    uint8_t *bytes = block.base;
    memset(bytes, 9, 64 * KIB);
    assert_int_equal(fallocate(block.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 8192),
                     0);
    assert_int_equal(bytes[4095], 9);
    assert_int_equal(bytes[4096], 0);
    assert_int_equal(bytes[12287], 0);
    bytes[4096] = 1;
    assert_int_equal(bytes[4096], 1);
    hg_pool_release(pool, &block);
    end_pool(pool);
}

/* Who kept the descriptor, even mapped, has no page of it after the release. */
static void a_kept_descriptor_is_empty(void **state)
{
    (void)state;
    struct hg_pool *pool = make_pool(16 * MIB);
    for (uint64_t bytes = 1; bytes <= 4 * MIB; bytes *= 16) {
        struct hg_block block = acquire(pool, bytes);
        int theirs = dup(block.fd);
        size_t size = block.bytes;
        uint8_t *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, theirs, 0);
        assert_ptr_not_equal(mapped, MAP_FAILED);
        memset(mapped, 9, size);
        assert_true(blocks_of(theirs) > 0);
        hg_pool_release(pool, &block);
        assert_int_equal(blocks_of(theirs), 0);
        assert_int_equal(mapped[size - 1], 0);
        munmap(mapped, size);
        close(theirs);
    }
    end_pool(pool);
}

/* Heap and shared memory share one bound, to the byte. */
static void the_bound_is_the_heaps(void **state)
{
    (void)state;
    struct hg_error error = HG_ERROR_INIT;
    struct hg_pool *pool = make_pool(MIB);
    struct hg_block heap, none;
    assert_int_equal(hg_pool_acquire(pool, HG_POOL_HEAP, 512 * KIB, false, &heap, NULL), HG_OK);
    uint64_t left = MIB - heap.bytes;
    assert_int_equal(hg_pool_acquire(pool, HG_POOL_SHARED, left + 1, false, &none, &error),
                     HG_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(error.message, "shared pool: "));
    struct hg_block block = acquire(pool, left);
    assert_int_equal(hg_pool_acquire(pool, HG_POOL_HEAP, 1, false, &none, &error),
                     HG_RESOURCE_EXHAUSTED);
    assert_int_equal(hg_pool_acquire(pool, HG_POOL_SHARED, UINT64_MAX, false, &none, &error),
                     HG_RESOURCE_EXHAUSTED);
    hg_pool_release(pool, &block);
    hg_pool_release(pool, &heap);
    end_pool(pool);
}

/* Shared blocks take a quarter of the process's descriptors and no more. */
static void descriptors_are_rationed(void **state)
{
    (void)state;
    struct hg_error error = HG_ERROR_INIT;
    struct hg_block blocks[16], none;
    struct rlimit before, few;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 64;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    struct hg_pool *pool = make_pool(MIB);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    for (size_t i = 0; i < HG_ARRAY_COUNT(blocks); i++) {
        blocks[i] = acquire(pool, 1);
    }
    assert_int_equal(hg_pool_acquire(pool, HG_POOL_SHARED, 1, false, &none, &error),
                     HG_RESOURCE_EXHAUSTED);
    assert_string_equal(error.message, "shared pool: all 16 descriptors are in use");
    for (size_t i = 0; i < HG_ARRAY_COUNT(blocks); i++) {
        hg_pool_release(pool, &blocks[i]);
    }
    end_pool(pool);
}

/* Somebody's own memfd keeps its content, here and after the release. */
static void adopted_memory_keeps_its_content(void **state)
{
    (void)state;
    struct hg_pool *pool = make_pool(MIB);
    struct hg_block block;
    int fd = make_memfd(10000, 0, F_SEAL_SHRINK, false);
    assert_int_equal(hg_pool_adopt(pool, dup(fd), 10000, &block, NULL), HG_OK);
    assert_true(block.adopted && !block.read_only);
    assert_int_equal(block.bytes, 12288);
    assert_int_equal(used(pool), 12288);
    assert_int_equal(((uint8_t *)block.base)[9999], 7);
    ((uint8_t *)block.base)[0] = 8;
    hg_pool_release(pool, &block);
    uint8_t start[2];
    assert_int_equal(pread(fd, start, 2, 0), 2);
    assert_int_equal(start[0], 8);
    assert_int_equal(start[1], 7);
    close(fd);
    end_pool(pool);
}

/* One that is sealed against writing is there to be read, also by way of a descriptor that can do
 * no more. */
static void sealed_memory_is_read_only(void **state)
{
    (void)state;
    struct hg_pool *pool = make_pool(MIB);
    int fd = make_memfd(10000, 0, F_SEAL_SHRINK | F_SEAL_WRITE, false);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const int given[] = {dup(fd), open(path, O_RDONLY | O_CLOEXEC)};
    for (size_t i = 0; i < HG_ARRAY_COUNT(given); i++) {
        struct hg_block block;
        assert_int_equal(hg_pool_adopt(pool, given[i], 10000, &block, NULL), HG_OK);
        assert_true(block.adopted && block.read_only);
        assert_int_equal(((uint8_t *)block.base)[9999], 7);
        hg_pool_release(pool, &block);
    }
    close(fd);
    end_pool(pool);
}

static void refuses(struct hg_pool *pool, int fd, uint64_t bytes, const char *text)
{
    struct hg_error error = HG_ERROR_INIT;
    struct hg_block block;
    assert_int_equal(hg_pool_adopt(pool, fd, bytes, &block, &error), HG_INVALID_ARGUMENT);
    assert_string_equal(error.message, text);
    assert_int_equal(fcntl(fd, F_GETFD), -1); /* taken, so closed */
    assert_int_equal(used(pool), 0);
}

/* What is no memfd, or could shrink, or is too small, or would fault, is refused and closed. */
static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct hg_pool *pool = make_pool(MIB);
    const char *kind = "shared pool: expected a memfd, got a descriptor of another kind";
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    close(ends[1]);
    refuses(pool, ends[0], 1, kind);
    refuses(pool, open("/dev/zero", O_RDWR | O_CLOEXEC), 1, kind);
    refuses(pool, make_memfd(4096, 0, 0, false), 4096,
            "shared pool: expected a memfd sealed against shrinking (F_SEAL_SHRINK)");
    refuses(pool, make_memfd(4096, 0, F_SEAL_SHRINK, false), 4097,
            "shared pool: expected a memfd of at least 4097 bytes, got 4096");
    refuses(pool, make_memfd(8192, 0, F_SEAL_SHRINK, true), 4096,
            "shared pool: expected a memfd without holes (fallocate fills them), got 0 of 8192 "
            "bytes");
    refuses(pool, make_memfd(4096, 0, F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE, false), 4096,
            "shared pool: expected a memfd that may be written, or is sealed with F_SEAL_WRITE, "
            "got one with F_SEAL_FUTURE_WRITE, under which old mappings write");
    char path[64];
    int writable = make_memfd(4096, 0, F_SEAL_SHRINK, false);
    snprintf(path, sizeof path, "/proc/self/fd/%d", writable);
    refuses(pool, open(path, O_RDONLY | O_CLOEXEC), 4096,
            "shared pool: expected a memfd open for reading and writing");
    close(writable);
    int sealed = make_memfd(4096, 0, F_SEAL_SHRINK | F_SEAL_WRITE, false);
    snprintf(path, sizeof path, "/proc/self/fd/%d", sealed);
    refuses(pool, open(path, O_WRONLY | O_CLOEXEC), 4096,
            "shared pool: expected a memfd open for reading");
    close(sealed);
    end_pool(pool);
}

/* A memfd of huge pages is refused whether or not the machine has any: nothing touches it. */
static void hugetlbfs_is_refused(void **state)
{
    (void)state;
    struct hg_pool *pool = make_pool(MIB);
    int fd = memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);
    if (fd < 0) {
        end_pool(pool);
        skip();
    }
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    refuses(pool, fd, 1, "shared pool: expected a memfd of ordinary pages, got one on hugetlbfs");
    end_pool(pool);
}

/* Each step fails once: a status, nothing counted, no descriptor left. */
static void failures_leave_nothing(void **state)
{
    (void)state;
    struct hg_pool *pool = make_pool(MIB);
    int probe = dup(0);
    close(probe);
    for (uint64_t skip = 0; skip < 2; skip++) {
        struct hg_block block;
        hg_alloc_fault_set(skip, true);
        assert_int_equal(hg_pool_acquire(pool, HG_POOL_SHARED, 1, false, &block, NULL),
                         HG_RESOURCE_EXHAUSTED);
        hg_alloc_fault_clear();
    }
    int fd = make_memfd(4096, 0, F_SEAL_SHRINK, false);
    struct hg_block block;
    hg_alloc_fault_set(0, true);
    assert_int_equal(hg_pool_adopt(pool, fd, 4096, &block, NULL), HG_RESOURCE_EXHAUSTED);
    hg_alloc_fault_clear();
    assert_int_equal(used(pool), 0);
    int next = dup(0);
    assert_int_equal(next, probe);
    close(next);
    end_pool(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_is_a_memfd),
        cmocka_unit_test(the_size_is_sealed),
        cmocka_unit_test(holes_are_zeros),
        cmocka_unit_test(a_kept_descriptor_is_empty),
        cmocka_unit_test(the_bound_is_the_heaps),
        cmocka_unit_test(descriptors_are_rationed),
        cmocka_unit_test(adopted_memory_keeps_its_content),
        cmocka_unit_test(sealed_memory_is_read_only),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(hugetlbfs_is_refused),
        cmocka_unit_test(failures_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
