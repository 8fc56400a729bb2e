/* SPDX-License-Identifier: Apache-2.0 */
/* A log line has its fixed form, hides nothing dangerous, and is limited per call site. */
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"

static uint64_t now_ns = 5 * HG_NS_PER_S;

static uint64_t frozen_clock(void)
{
    return now_ns;
}

/* stderr goes to a pipe while lines are caught; it is large enough for all that a case writes. */
static char caught[16384];
static int catch_read_end;
static int catch_saved_stderr;

static void catch_start(void)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    catch_read_end = ends[0];
    catch_saved_stderr = dup(STDERR_FILENO);
    assert_true(catch_saved_stderr >= 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    assert_int_equal(close(ends[1]), 0);
}

static const char *catch_stop(void)
{
    (void)dup2(catch_saved_stderr, STDERR_FILENO);
    (void)close(catch_saved_stderr);
    size_t used = 0;
    ssize_t count;
    while ((count = read(catch_read_end, caught + used, sizeof caught - 1 - used)) > 0) {
        used += (size_t)count;
    }
    caught[used] = '\0';
    (void)close(catch_read_end);
    return caught;
}

static int set_up(void **state)
{
    (void)state;
    hg_clock_replace(frozen_clock);
    hg_log_set_level(HG_LOG_DEBUG);
    hg_log_set_journal(true);
    return 0;
}

/* Every kind of field, in the order given, under the level's priority. */
static void line_has_its_form(void **state)
{
    (void)state;
    catch_start();
    HG_LOG_WARN(SESSION, "frame too large", HG_U64("bytes", UINT64_MAX), HG_I64("delta", -3),
                HG_F64("ratio", 0.5), HG_STR("peer", "uid:7"));
    HG_LOG_ERROR(POOL, "no fields");
    assert_string_equal(catch_stop(),
                        "<4>warn session: frame too large bytes=18446744073709551615 delta=-3 "
                        "ratio=0.5 peer=uid:7\n"
                        "<3>error pool: no fields\n");
}

/* Values that could forge lines or drive a terminal are quoted and escaped. */
static void values_are_escaped(void **state)
{
    (void)state;
    catch_start();
    HG_LOG_INFO(HTTP, "x", HG_STR("a", "b c"), HG_STR("d", "q\"\\\n<3>\x1b[31m\xff"),
                HG_STR("e", ""), HG_STR("f", NULL), HG_STR("g", "h=i"));
    assert_string_equal(catch_stop(), "<6>info http: x a=\"b c\" "
                                      "d=\"q\\\"\\\\\\n<3>\\x1b[31m\\xff\" e=\"\" f=\"\" "
                                      "g=\"h=i\"\n");
}

/* Without the journal a line begins with the time in UTC. */
static void plain_lines_begin_with_the_time(void **state)
{
    (void)state;
    hg_log_set_journal(false);
    catch_start();
    HG_LOG_DEBUG(MAIN, "started");
    const char *line = catch_stop();
    regex_t form;
    assert_int_equal(regcomp(&form,
                             "^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]"
                             "\\.[0-9]{3}Z debug main: started\n$",
                             REG_EXTENDED | REG_NOSUB),
                     0);
    assert_int_equal(regexec(&form, line, 0, NULL, 0), 0);
    regfree(&form);
}

/* Lines below the level are dropped, and their fields are not even evaluated. */
static void level_is_a_threshold(void **state)
{
    (void)state;
    uint64_t evaluated = 0;
    hg_log_set_level(HG_LOG_ERROR);
    assert_int_equal(hg_log_level(), HG_LOG_ERROR);
    catch_start();
    HG_LOG_WARN(MAIN, "below", HG_U64("n", ++evaluated));
    HG_LOG_ERROR(MAIN, "at", HG_U64("n", ++evaluated));
    HG_LOG_FATAL(MAIN, "above", HG_U64("n", ++evaluated));
    assert_string_equal(catch_stop(), "<3>error main: at n=1\n<2>fatal main: above n=2\n");
}

/* Each level's name is parsed, and nothing else. */
static void level_names(void **state)
{
    (void)state;
    const char *const names[] = {"debug", "info", "warn", "error", "fatal"};
    for (unsigned i = 0; i < 5; i++) {
        enum hg_log_level level = HG_LOG_DEBUG;
        assert_true(hg_log_level_parse(names[i], &level));
        assert_int_equal(level, i);
    }
    enum hg_log_level level = HG_LOG_WARN;
    assert_false(hg_log_level_parse("WARN", &level));
    assert_false(hg_log_level_parse("warning", &level));
    assert_int_equal(level, HG_LOG_WARN);
}

static unsigned count_lines(const char *text)
{
    unsigned lines = 0;
    for (; *text != '\0'; text++) {
        lines += *text == '\n';
    }
    return lines;
}

static void log_from_one_site(unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        HG_LOG_INFO(LISTENER, "again");
    }
}

/* One site gets ten lines a second; what was held back is counted in its next line, once. */
static void burst_is_limited(void **state)
{
    (void)state;
    catch_start();
    log_from_one_site(35);
    assert_int_equal(count_lines(catch_stop()), 10);
    catch_start();
    HG_LOG_INFO(LISTENER, "another site is not concerned");
    assert_int_equal(count_lines(catch_stop()), 1);
    now_ns += HG_NS_PER_S;
    catch_start();
    log_from_one_site(2);
    assert_string_equal(catch_stop(), "<6>info listener: again held_back=25\n"
                                      "<6>info listener: again\n");
}

/* Fatal lines pass whatever came before. */
static void fatal_lines_always_pass(void **state)
{
    (void)state;
    catch_start();
    for (int i = 0; i < 20; i++) {
        HG_LOG_FATAL(MAIN, "end");
    }
    assert_int_equal(count_lines(catch_stop()), 20);
}

/* A value longer than a line is cut off; the line still ends, and the next one is whole. */
static void long_lines_are_cut(void **state)
{
    (void)state;
    char value[5000];
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    catch_start();
    HG_LOG_INFO(MAIN, "long", HG_STR("value", value));
    HG_LOG_INFO(MAIN, "next");
    const char *text = catch_stop();
    assert_int_equal(count_lines(text), 2);
    assert_int_equal(strchr(text, '\n') - text, 2047);
    assert_string_equal(strchr(text, '\n') + 1, "<6>info main: next\n");
}

/* A stderr that nobody reads loses the line and nothing else. */
static void write_errors_are_survived(void **state)
{
    (void)state;
    int saved = dup(STDERR_FILENO);
    assert_true(saved >= 0);
    (void)close(STDERR_FILENO);
    HG_LOG_ERROR(MAIN, "lost");
    assert_int_equal(errno, EBADF);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    (void)close(saved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(line_has_its_form, set_up),
        cmocka_unit_test_setup(values_are_escaped, set_up),
        cmocka_unit_test_setup(plain_lines_begin_with_the_time, set_up),
        cmocka_unit_test_setup(level_is_a_threshold, set_up),
        cmocka_unit_test_setup(level_names, set_up),
        cmocka_unit_test_setup(burst_is_limited, set_up),
        cmocka_unit_test_setup(fatal_lines_always_pass, set_up),
        cmocka_unit_test_setup(long_lines_are_cut, set_up),
        cmocka_unit_test_setup(write_errors_are_survived, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
