/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/native/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <linux/memfd.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/base/mutex.h"
#include "lib/native/x86.h"

#ifndef MFD_EXEC /* since Linux 6.3: memory files may be mapped to run even if the system's        \
                    default is another */
#define MFD_EXEC 0x0010U
#endif

#define TRAP 0xcc /* int3: a stray jump into unused space stops */
/* Dropped space is made usable in batches of this size, or when there is no other. */
#define PENDING_BYTES_MAX (128u << 10)
/* An arena that is empty again gives back the memory beyond this. */
#define KEPT_BYTES ((size_t)1 << 20)

struct hg_code_arena {
    size_t size; /* of this */
    uint8_t *writable;
    uint8_t *runnable; /* the same memory */
    uint64_t bytes;
    bool can_reuse;
    /* Guards what follows. Rank NATIVE: programs are freed under other locks. */
    struct hg_mutex mutex;
    uint32_t granules;
    uint32_t top;    /* granules from here on are free */
    uint32_t cursor; /* at most top: where the next search begins */
    uint32_t used, pending;
    uint64_t puts, refusals, barriers;
    uint64_t *taken;   /* a bit per granule: used or pending */
    uint64_t *dropped; /* a bit per granule: pending */
    uint64_t bits[];
};

/* ---- bits ------------------------------------------------------------------------------------ */

static void set_bits(uint64_t *bits, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count;) {
        uint32_t in_word = 64 - i % 64;
        uint32_t part = count - (i - first) < in_word ? count - (i - first) : in_word;
        bits[i / 64] |= (part == 64 ? UINT64_MAX : (UINT64_C(1) << part) - 1) << i % 64;
        i += part;
    }
}

static bool all_set(const uint64_t *bits, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++) {
        if ((bits[i / 64] >> i % 64 & 1) == 0) {
            return false;
        }
    }
    return true;
}

/* The first bit from FROM on that is VALUE; END if there is none below. */
static uint32_t next_bit(const uint64_t *bits, uint32_t from, uint32_t end, bool value)
{
    while (from < end) {
        uint64_t word = (value ? bits[from / 64] : ~bits[from / 64]) >> from % 64;
        if (word != 0) {
            uint32_t found = from + (uint32_t)__builtin_ctzll(word);
            return found < end ? found : end;
        }
        from = (from / 64 + 1) * 64;
    }
    return end;
}

/* COUNT clear bits in FIRST .. END-1; END if there are not so many in a row. */
static uint32_t find_clear(const uint64_t *bits, uint32_t first, uint32_t end, uint32_t count)
{
    while (end - first >= count) {
        uint32_t start = next_bit(bits, first, end, false);
        if (end - start < count) {
            break;
        }
        uint32_t stop = next_bit(bits, start, start + count, true);
        if (stop == start + count) {
            return start;
        }
        first = stop;
    }
    return end;
}

/* ---- mapping --------------------------------------------------------------------------------- */

static long membarrier(int command)
{
    return syscall(SYS_membarrier, command, 0, 0);
}

static enum hg_status refused(struct hg_error *error, const char *what)
{
    return hg_fail(error, HG_UNIMPLEMENTED, "native code: %s: %s", what, strerror(errno));
}

static int open_memory(uint64_t bytes)
{
    int fd = memfd_create("hologram-code", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
    if (fd < 0 && errno == EINVAL) {
        fd = memfd_create("hologram-code", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    }
    if (fd < 0) {
        return -1;
    }
    if (ftruncate(fd, (off_t)bytes) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static enum hg_status map(struct hg_code_arena *arena, struct hg_error *error)
{
    if (hg_alloc_fault_hit()) {
        errno = ENOMEM;
        return refused(error, "no memory file");
    }
    int fd = open_memory(arena->bytes);
    if (fd < 0) {
        return refused(error, "no memory file");
    }
    enum hg_status status = HG_OK;
    void *writable = mmap(NULL, arena->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    void *runnable = mmap(NULL, arena->bytes, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    if (writable == MAP_FAILED || runnable == MAP_FAILED) {
        status = refused(error, runnable == MAP_FAILED ? "no executable mapping" : "no mapping");
        if (writable != MAP_FAILED) {
            munmap(writable, arena->bytes);
        }
        if (runnable != MAP_FAILED) {
            munmap(runnable, arena->bytes);
        }
    } else {
        arena->writable = writable;
        arena->runnable = runnable;
        /* A child has no business here, and a core dump needs the bytes once. Advice only. */
        (void)madvise(writable, arena->bytes, MADV_DONTFORK);
        (void)madvise(writable, arena->bytes, MADV_DONTDUMP);
    }
    close(fd); /* the mappings keep the memory, and nobody else can open it */
    return status;
}

/* Runs code that gives NUMBER, written into the first granule. */
static uint32_t run_number(struct hg_code_arena *arena, uint32_t number)
{
    struct hg_x86 x;
    uint32_t (*function)(void);
    hg_x86_init(&x, arena->writable, HG_CODE_GRANULE, HG_X86_HAS(BASE));
    hg_x86_load(&x, HG_X86_RAX, number);
    hg_x86_0(&x, HG_X86_RET);
    memcpy(&function, &arena->runnable, sizeof(function)); /* C has no cast for this */
    return function();
}

/*
 * Whether space may be used again. The kernel may refuse the membarrier; and an emulator that
 * translates code may not notice what is written through the other mapping (QEMU's user mode does
 * not), so it is tried. The first granule stays unused if the old code is what runs.
 */
static bool can_reuse(struct hg_code_arena *arena)
{
#if defined(__x86_64__)
    if (membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE) != 0 ||
        run_number(arena, 1) != 1 || membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE) != 0 ||
        run_number(arena, 2) != 2) {
        arena->top = arena->cursor = 1;
        return false;
    }
    memset(arena->writable, TRAP, HG_CODE_GRANULE);
    return true;
#else
    (void)arena;
    return false;
#endif
}

enum hg_status hg_code_arena_new(uint64_t bytes_max, struct hg_code_arena **arena,
                                 struct hg_error *error)
{
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    const uint64_t limit = (uint64_t)UINT32_MAX / 2 * HG_CODE_GRANULE;
    if (bytes_max == 0 || bytes_max > limit) {
        return hg_fail(error, HG_INVALID_ARGUMENT, "native code: %llu bytes: expected 1 to %llu",
                       (unsigned long long)bytes_max, (unsigned long long)limit);
    }
    const uint64_t bytes = (bytes_max + page - 1) / page * page;
    const size_t words = (size_t)(bytes / HG_CODE_GRANULE / 64);
    /* Mapped, as the code is: zeros, and pages only where there is code. */
    const size_t size = sizeof(struct hg_code_arena) + 2 * words * sizeof(uint64_t);
    struct hg_code_arena *created = MAP_FAILED;
    if (!hg_alloc_fault_hit()) {
        created = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    if (created == MAP_FAILED) {
        return hg_fail(error, HG_RESOURCE_EXHAUSTED, "native code: no memory for its arena");
    }
    created->size = size;
    created->bytes = bytes;
    created->granules = (uint32_t)(bytes / HG_CODE_GRANULE);
    created->taken = created->bits;
    created->dropped = created->bits + words;
    enum hg_status status = map(created, error);
    if (status != HG_OK) {
        munmap(created, size);
        return status;
    }
    created->can_reuse = can_reuse(created);
    hg_mutex_init(&created->mutex, HG_RANK_NATIVE);
    *arena = created;
    return HG_OK;
}

void hg_code_arena_destroy(struct hg_code_arena **arena)
{
    struct hg_code_arena *destroyed = *arena;
    *arena = NULL;
    if (destroyed == NULL) {
        return;
    }
    HG_REQUIRE(destroyed->used == 0);
    munmap(destroyed->writable, destroyed->bytes);
    munmap(destroyed->runnable, destroyed->bytes);
    hg_mutex_fini(&destroyed->mutex);
    munmap(destroyed, destroyed->size);
}

/* ---- space ----------------------------------------------------------------------------------- */

/* All is free: the pages go back to the system. If it will not have them, they stay. */
static void give_back_pages(struct hg_code_arena *arena)
{
    const size_t used = (size_t)arena->top * HG_CODE_GRANULE;
    if (used > KEPT_BYTES) {
        (void)madvise(arena->writable + KEPT_BYTES, used - KEPT_BYTES, MADV_REMOVE);
    }
    arena->top = 0;
}

/* Makes dropped space usable. With the lock: it takes some microseconds, once in a batch. */
static void recycle(struct hg_code_arena *arena)
{
    if (arena->pending == 0 || !arena->can_reuse) {
        return;
    }
    /* The kernel accepted the registration, so it knows the command. */
    HG_REQUIRE(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE) == 0);
    arena->barriers++;
    arena->pending = 0;
    for (uint32_t i = 0; i < (arena->top + 63) / 64; i++) {
        arena->taken[i] &= ~arena->dropped[i];
        arena->dropped[i] = 0;
    }
    if (arena->used == 0) {
        give_back_pages(arena);
    }
    arena->cursor = 0;
}

/* COUNT granules in a row: a hole behind the last ones given, else on top. A hole before them is
 * looked for only when there is no top left; each recycling begins at the first. */
static bool find(const struct hg_code_arena *arena, uint32_t count, uint32_t *first)
{
    const uint32_t top = arena->top;
    uint32_t found = find_clear(arena->taken, arena->cursor, top, count);
    if (found == top && arena->granules - top < count) {
        found = find_clear(arena->taken, 0, top, count);
        if (found == top) {
            return false;
        }
    }
    *first = found;
    return true;
}

static bool take(struct hg_code_arena *arena, uint32_t count, uint32_t *first)
{
    if ((uint64_t)arena->pending * HG_CODE_GRANULE >= PENDING_BYTES_MAX) {
        recycle(arena);
    }
    if (!find(arena, count, first)) {
        recycle(arena);
        if (!find(arena, count, first)) {
            return false;
        }
    }
    set_bits(arena->taken, *first, count);
    arena->cursor = *first + count;
    arena->top = arena->cursor > arena->top ? arena->cursor : arena->top;
    arena->used += count;
    return true;
}

enum hg_status hg_code_arena_put(struct hg_code_arena *arena, const void *code, size_t size,
                                 void **where)
{
    uint32_t first = 0;
    HG_REQUIRE(size != 0);
    const uint64_t bytes = hg_code_arena_bytes(size);
    hg_mutex_lock(&arena->mutex);
    bool has_room = !hg_alloc_fault_hit() && bytes <= arena->bytes &&
                    take(arena, (uint32_t)(bytes / HG_CODE_GRANULE), &first);
    if (has_room) {
        arena->puts++;
    } else {
        arena->refusals++;
    }
    hg_mutex_unlock(&arena->mutex);
    if (!has_room) {
        return HG_RESOURCE_EXHAUSTED;
    }
    /* Without the lock: nobody else has this space. */
    const size_t offset = (size_t)first * HG_CODE_GRANULE;
    memcpy(arena->writable + offset, code, size);
    memset(arena->writable + offset + size, TRAP, (size_t)bytes - size);
    *where = arena->runnable + offset;
    return HG_OK;
}

void hg_code_arena_drop(struct hg_code_arena *arena, void *where, size_t size)
{
    const uint64_t bytes = hg_code_arena_bytes(size);
    const size_t offset = (size_t)((uint8_t *)where - arena->runnable);
    HG_REQUIRE(size != 0 && offset % HG_CODE_GRANULE == 0 && offset < arena->bytes &&
               bytes <= arena->bytes - offset);
    const uint32_t first = (uint32_t)(offset / HG_CODE_GRANULE);
    const uint32_t count = (uint32_t)(bytes / HG_CODE_GRANULE);
    memset(arena->writable + offset, TRAP, (size_t)bytes);
    hg_mutex_lock(&arena->mutex);
    HG_REQUIRE(all_set(arena->taken, first, count));
    HG_REQUIRE(next_bit(arena->dropped, first, first + count, true) == first + count);
    set_bits(arena->dropped, first, count);
    arena->used -= count;
    arena->pending += count;
    hg_mutex_unlock(&arena->mutex);
}

void hg_code_arena_read(struct hg_code_arena *arena, struct hg_code_arena_stats *stats)
{
    hg_mutex_lock(&arena->mutex);
    *stats = (struct hg_code_arena_stats){
        .bytes_max = arena->bytes,
        .used_bytes = (uint64_t)arena->used * HG_CODE_GRANULE,
        .pending_bytes = (uint64_t)arena->pending * HG_CODE_GRANULE,
        .puts = arena->puts,
        .refusals = arena->refusals,
        .barriers = arena->barriers,
        .reuses = arena->can_reuse,
    };
    hg_mutex_unlock(&arena->mutex);
}
