/* SPDX-License-Identifier: Apache-2.0 */
/* Key files: what is damaged is noticed, and replacing one leaves the old or the new, whatever
 * happens. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/engine/keyfile.h"
#include "tests/unit/engine/fixture.h"

/* A directory of its own per test. */
struct place {
    char directory[64];
    char path[96];
};

static struct place make_place(void)
{
    struct place place;
    (void)snprintf(place.directory, sizeof place.directory, "/tmp/hologram-keys-XXXXXX");
    assert_non_null(mkdtemp(place.directory));
    (void)snprintf(place.path, sizeof place.path, "%s/keys", place.directory);
    return place;
}

static void remove_place(const struct place *place)
{
    char fresh[128];
    (void)snprintf(fresh, sizeof fresh, "%s.new", place->path);
    (void)unlink(place->path);
    (void)unlink(fresh);
    assert_int_equal(rmdir(place->directory), 0);
}

struct image {
    uint8_t *bytes;
    size_t size;
};

/* A file of COUNT entries, all different. */
static struct image make_image(uint32_t count)
{
    struct image image = {0};
    struct hg_keyfile_entry *entries = hg_calloc(HG_TAG_TEST, count + 1, sizeof *entries);
    assert_non_null(entries);
    for (uint32_t i = 0; i < count; i++) {
        entries[i].key.constant[0] = i;
        entries[i].hits = UINT64_MAX - i;
    }
    test_ok(hg_keyfile_encode(entries, count, &image.bytes, &image.size, &error));
    hg_free(HG_TAG_TEST, entries);
    return image;
}

static void drop_image(struct image *image)
{
    hg_free(HG_TAG_ENGINE, image->bytes);
}

static enum hg_status check(const struct image *image, struct hg_error *error)
{
    const uint8_t *entries_at;
    uint32_t count;
    return hg_keyfile_check(image->bytes, image->size, &entries_at, &count, error);
}

static bool is_in_place(const struct place *place, const struct image *image)
{
    struct image found;
    test_ok(hg_keyfile_read(place->path, &found.bytes, &found.size, &error));
    bool same = found.size == image->size && memcmp(found.bytes, image->bytes, found.size) == 0;
    drop_image(&found);
    return same;
}

static bool has_leftover(const struct place *place)
{
    char fresh[128];
    (void)snprintf(fresh, sizeof fresh, "%s.new", place->path);
    return access(fresh, F_OK) == 0;
}

/* ---- the form -------------------------------------------------------------------------------- */

/* What was encoded comes back, none or many. */
static void entries_come_back(void **state)
{
    (void)state;
    for (uint32_t count = 0; count < 1000; count = count * 3 + 1) {
        struct image image = make_image(count);
        const uint8_t *entries_at;
        uint32_t found;
        test_ok(hg_keyfile_check(image.bytes, image.size, &entries_at, &found, &error));
        assert_int_equal(found, count);
        for (uint32_t i = 0; i < count; i++) {
            struct hg_keyfile_entry entry;
            hg_keyfile_entry_at(entries_at, i, &entry);
            assert_int_equal(entry.key.constant[0], i);
            assert_true(entry.hits == UINT64_MAX - i);
        }
        drop_image(&image);
    }
}

/* No flipped bit is overlooked, wherever it is. */
static void every_bit_counts(void **state)
{
    (void)state;
    struct image image = make_image(2);
    for (size_t bit = 0; bit < image.size * 8; bit++) {
        image.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        struct hg_error error = HG_ERROR_INIT;
        enum hg_status status = check(&image, &error);
        assert_true(status == HG_DATA_LOSS || status == HG_INVALID_ARGUMENT);
        assert_true(error.message[0] != '\0');
        image.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    test_ok(check(&image, &error));
    drop_image(&image);
}

/* Nor is a cut or an addition of any length. */
static void every_byte_counts(void **state)
{
    (void)state;
    struct image image = make_image(2);
    for (size_t size = 0; size < image.size; size++) {
        uint8_t *cut = hg_malloc(HG_TAG_TEST, size); /* exactly, so that reading beyond is seen */
        assert_non_null(cut);
        memcpy(cut, image.bytes, size);
        const struct image part = {cut, size};
        test_fails(check(&part, &error), HG_DATA_LOSS, "key file");
        hg_free(HG_TAG_TEST, cut);
    }
    uint8_t longer[1024] = {0};
    assert_true(image.size + 1 < sizeof longer);
    memcpy(longer, image.bytes, image.size);
    const struct image extended = {longer, image.size + 1};
    test_fails(check(&extended, &error), HG_DATA_LOSS, "longer");
    drop_image(&image);
}

/* Other files, and other versions, are told apart from damage. */
static void foreign_files_are_named(void **state)
{
    (void)state;
    struct image image = make_image(1);
    uint32_t version = 2;
    memcpy(image.bytes + 8, &version, sizeof version);
    test_fails(check(&image, &error), HG_INVALID_ARGUMENT, "another version");
    image.bytes[0] = 'X';
    test_fails(check(&image, &error), HG_INVALID_ARGUMENT, "not a key file");
    drop_image(&image);
}

/* ---- the file -------------------------------------------------------------------------------- */

/* The new one is there after replacing, the old one is not, and nothing else. */
static void replacing_replaces(void **state)
{
    (void)state;
    struct place place = make_place();
    struct image images[2] = {make_image(10), make_image(3)};
    for (int i = 0; i < 4; i++) {
        test_ok(hg_keyfile_replace(place.path, images[i % 2].bytes, images[i % 2].size, &error));
        assert_true(is_in_place(&place, &images[i % 2]));
        assert_false(has_leftover(&place));
    }
    struct stat about;
    assert_int_equal(stat(place.path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    drop_image(&images[0]);
    drop_image(&images[1]);
    remove_place(&place);
}

/* A disk that is full (here: a limit on the size of files) leaves the old file, and says so. */
static void a_full_disk_leaves_the_old(void **state)
{
    (void)state;
    struct place place = make_place();
    struct image small = make_image(3);
    struct image large = make_image(1000);
    test_ok(hg_keyfile_replace(place.path, small.bytes, small.size, &error));
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    const struct rlimit tight = {.rlim_cur = 8192, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    test_fails(hg_keyfile_replace(place.path, large.bytes, large.size, &error),
               HG_RESOURCE_EXHAUSTED, "cannot write");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, handler);
    assert_true(is_in_place(&place, &small));
    assert_false(has_leftover(&place));
    drop_image(&small);
    drop_image(&large);
    remove_place(&place);
}

/* What cannot be written or read is an error with the system's words; links are not followed, and
 * nobody waits for a pipe. */
static void odd_paths_are_refused(void **state)
{
    (void)state;
    struct place place = make_place();
    struct image image = make_image(3);
    struct image found;
    char fresh[128];
    char longest[8192];
    (void)snprintf(fresh, sizeof fresh, "%s.new", place.path);
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    test_fails(hg_keyfile_replace("/nowhere/at/all", image.bytes, image.size, &error), HG_NOT_FOUND,
               "/nowhere/at/all");
    test_fails(hg_keyfile_replace(longest, image.bytes, image.size, &error), HG_INVALID_ARGUMENT,
               "too long");
    test_fails(hg_keyfile_replace(place.directory, image.bytes, image.size, &error), HG_UNAVAILABLE,
               "cannot replace");
    test_fails(hg_keyfile_read(place.path, &found.bytes, &found.size, &error), HG_NOT_FOUND,
               "cannot open");
    test_fails(hg_keyfile_read(place.directory, &found.bytes, &found.size, &error), HG_UNAVAILABLE,
               "is not a file");
    assert_int_equal(symlink("/dev/full", fresh), 0);
    test_fails(hg_keyfile_replace(place.path, image.bytes, image.size, &error), HG_UNAVAILABLE,
               "cannot create");
    assert_int_equal(mkfifo(place.path, 0600), 0);
    test_fails(hg_keyfile_read(place.path, &found.bytes, &found.size, &error), HG_UNAVAILABLE,
               "is not a file");
    drop_image(&image);
    remove_place(&place);
}

/* A process that replaces the file again and again is killed in the midst of it, many times: one of
 * the two images is always there, whole. */
static void kills_leave_one_or_the_other(void **state)
{
    (void)state;
    struct place place = make_place();
    struct image images[2] = {make_image(100), make_image(5000)};
    test_ok(hg_keyfile_replace(place.path, images[0].bytes, images[0].size, &error));
    int seen[2] = {0};
    for (int round = 0; round < 25; round++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            for (int i = 0;; i++) {
                struct hg_error error;
                const struct image *image = &images[i % 2];
                if (hg_keyfile_replace(place.path, image->bytes, image->size, &error) != HG_OK) {
                    _exit(1);
                }
            }
        }
        const struct timespec pause = {.tv_nsec = 1000000 + 700000L * round};
        (void)nanosleep(&pause, NULL);
        int how = 0;
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, &how, 0), child);
        assert_true(WIFSIGNALED(how));
        bool is_first = is_in_place(&place, &images[0]);
        assert_true(is_first || is_in_place(&place, &images[1]));
        seen[is_first ? 0 : 1]++;
    }
    (void)printf("killed 25 times: %d with the one, %d with the other\n", seen[0], seen[1]);
    drop_image(&images[0]);
    drop_image(&images[1]);
    remove_place(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_come_back),     cmocka_unit_test(every_bit_counts),
        cmocka_unit_test(every_byte_counts),     cmocka_unit_test(foreign_files_are_named),
        cmocka_unit_test(replacing_replaces),    cmocka_unit_test(a_full_disk_leaves_the_old),
        cmocka_unit_test(odd_paths_are_refused), cmocka_unit_test(kills_leave_one_or_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
