/* SPDX-License-Identifier: Apache-2.0 */
/* Read sections: what holds a stamp up and what does not, and records of threads. */
#include "lib/cache/epoch.h"

#include <pthread.h>

#include "lib/base/mutex.h"
#include "tests/unit/cache/programs.h"

/* A thread that goes in and out as it is told. */
struct visitor {
    pthread_t thread;
    struct hg_mutex mutex;
    struct hg_condition changed;
    bool wants_inside;
    bool wants_end;
    bool is_inside;
    bool has_record;
};

static void *visit(void *arg)
{
    struct visitor *visitor = arg;
    struct hg_cache_section *opened = NULL;
    hg_mutex_lock(&visitor->mutex);
    while (!visitor->wants_end) {
        if (visitor->wants_inside != visitor->is_inside) {
            if (visitor->wants_inside) {
                visitor->has_record = hg_epoch_enter(&opened) != NULL;
            } else {
                hg_epoch_leave(opened);
            }
            visitor->is_inside = visitor->wants_inside;
            hg_cond_broadcast(&visitor->changed);
        }
        hg_cond_wait(&visitor->changed, &visitor->mutex);
    }
    hg_mutex_unlock(&visitor->mutex);
    return NULL;
}

static void start(struct visitor *visitor)
{
    *visitor = (struct visitor){0};
    hg_mutex_init(&visitor->mutex, HG_RANK_LOOP);
    hg_cond_init(&visitor->changed);
    assert_int_equal(pthread_create(&visitor->thread, NULL, visit, visitor), 0);
}

static void tell(struct visitor *visitor, bool inside)
{
    hg_mutex_lock(&visitor->mutex);
    visitor->wants_inside = inside;
    hg_cond_broadcast(&visitor->changed);
    while (visitor->is_inside != inside) {
        hg_cond_wait(&visitor->changed, &visitor->mutex);
    }
    hg_mutex_unlock(&visitor->mutex);
}

static void end(struct visitor *visitor)
{
    hg_mutex_lock(&visitor->mutex);
    visitor->wants_end = true;
    hg_cond_broadcast(&visitor->changed);
    hg_mutex_unlock(&visitor->mutex);
    assert_int_equal(pthread_join(visitor->thread, NULL), 0);
    hg_cond_fini(&visitor->changed);
    hg_mutex_fini(&visitor->mutex);
}

/* A stamp passes at once if nobody is inside, and not before those that were inside have left. */
static void a_section_holds_its_stamp_up(void **state)
{
    (void)state;
    struct visitor visitor;
    start(&visitor);
    uint64_t first = hg_epoch_advance();
    assert_true(hg_epoch_passed() >= first);
    tell(&visitor, true);
    assert_true(hg_epoch_passed() >= first);
    uint64_t second = hg_epoch_advance();
    assert_true(second > first);
    assert_true(hg_epoch_passed() < second);
    assert_true(hg_epoch_passed() < second);
    tell(&visitor, false);
    assert_true(hg_epoch_passed() >= second);
    end(&visitor);
}

/* Who entered after the stamp was given does not hold it up. */
static void later_sections_do_not_matter(void **state)
{
    (void)state;
    struct visitor early;
    struct visitor late;
    start(&early);
    start(&late);
    tell(&early, true);
    uint64_t stamp = hg_epoch_advance();
    tell(&late, true);
    assert_true(hg_epoch_passed() < stamp);
    tell(&early, false);
    assert_true(hg_epoch_passed() >= stamp);
    tell(&late, false);
    end(&early);
    end(&late);
}

/* An inner section opens nothing, and the outer one goes on to hold the stamp up after it. */
static void sections_nest(void **state)
{
    (void)state;
    struct hg_cache_section *outer;
    struct hg_cache_section *inner;
    assert_non_null(hg_epoch_enter(&outer));
    assert_non_null(outer);
    uint64_t stamp = hg_epoch_advance();
    assert_non_null(hg_epoch_enter(&inner));
    assert_null(inner);
    hg_epoch_leave(inner);
    assert_true(hg_epoch_passed() < stamp);
    hg_epoch_leave(outer);
    assert_true(hg_epoch_passed() >= stamp);
}

/* Threads give their records back as they end: many more than there are records, one after the
 * other, all get one. */
static void records_come_back(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * HG_EPOCH_READERS_MAX; i++) {
        struct visitor visitor;
        start(&visitor);
        tell(&visitor, true);
        assert_true(visitor.has_record);
        tell(&visitor, false);
        end(&visitor);
    }
}

/* Of more threads at the same time than there are records, the last go without. */
static void records_run_out(void **state)
{
    (void)state;
    enum { MORE = HG_EPOCH_READERS_MAX + 3 };
    static struct visitor visitors[MORE];
    int with_record = 0;
    for (int i = 0; i < MORE; i++) {
        start(&visitors[i]);
        tell(&visitors[i], true);
        with_record += visitors[i].has_record;
    }
    /* This thread may have one as well. */
    assert_true(with_record >= HG_EPOCH_READERS_MAX - 1 && with_record <= HG_EPOCH_READERS_MAX);
    for (int i = 0; i < MORE; i++) {
        tell(&visitors[i], false);
        end(&visitors[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_section_holds_its_stamp_up),
        cmocka_unit_test(later_sections_do_not_matter),
        cmocka_unit_test(sections_nest),
        cmocka_unit_test(records_come_back),
        cmocka_unit_test(records_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
