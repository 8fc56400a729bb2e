/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/bench.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct row {
    char name[112];
    char unit[16];
    double value;
    double baseline; /* NaN: none */
    double ratio;
};

static struct {
    const char *suite;
    struct row *rows;
    size_t count;
    size_t capacity;
} report;

static uint64_t read_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t bench_now_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

uint64_t bench_thread_ns(void)
{
    return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

double bench_quantile(double *values, size_t count, double fraction)
{
    qsort(values, count, sizeof *values, compare_doubles);
    size_t index = (size_t)(fraction * (double)count);
    return values[index < count ? index : count - 1];
}

double bench_median(double *values, size_t count)
{
    return bench_quantile(values, count, 0.5);
}

void bench_begin(const char *suite)
{
    report.suite = suite;
    report.count = 0;
    printf("%-44s %14s %-6s %14s %8s\n", suite, "value", "", "baseline", "ratio");
}

void bench_record(const char *name, double value, const char *unit, double baseline, double ratio)
{
    if (report.count == report.capacity) {
        report.capacity = report.capacity == 0 ? 64 : 2 * report.capacity;
        report.rows = realloc(report.rows, report.capacity * sizeof *report.rows);
        if (report.rows == NULL) {
            fprintf(stderr, "bench: out of memory for %zu rows\n", report.capacity);
            exit(1);
        }
    }
    struct row *row = &report.rows[report.count++];
    snprintf(row->name, sizeof row->name, "%s", name);
    snprintf(row->unit, sizeof row->unit, "%s", unit);
    row->value = value;
    row->baseline = baseline;
    row->ratio = ratio;
}

void bench_row(const char *name, double value, const char *unit, double baseline, double ratio)
{
    bench_record(name, value, unit, baseline, ratio);
    if (isnan(baseline)) {
        printf("%-44s %14.3f %-6s\n", name, value, unit);
    } else {
        printf("%-44s %14.3f %-6s %14.3f %8.3f\n", name, value, unit, baseline, ratio);
    }
    fflush(stdout);
}

void bench_plain(const char *name, double value, const char *unit)
{
    bench_row(name, value, unit, NAN, NAN);
}

/* The far end of the round trip: sends back what it gets until the other side closes. */
static void echo_until_closed(int fd)
{
    char bytes[64];
    while (recv(fd, bytes, sizeof bytes, MSG_WAITALL) == (ssize_t)sizeof bytes) {
        if (send(fd, bytes, sizeof bytes, MSG_NOSIGNAL) != (ssize_t)sizeof bytes) {
            break;
        }
    }
    _exit(0);
}

/* Both sides on the core that runs this now: apart, whether the other core halts would decide. */
static double round_trip_us(void)
{
    enum { TRIPS = 2000 };
    cpu_set_t before, here;
    static double times[TRIPS];
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) {
        return NAN;
    }
    CPU_ZERO(&here);
    CPU_SET((size_t)sched_getcpu(), &here);
    sched_getaffinity(0, sizeof before, &before);
    sched_setaffinity(0, sizeof here, &here);
    pid_t child = fork();
    if (child == 0) {
        close(pair[0]);
        echo_until_closed(pair[1]);
    }
    close(pair[1]);
    char bytes[64] = {0};
    for (int trip = 0; trip < TRIPS; trip++) {
        uint64_t start = bench_now_ns();
        if (send(pair[0], bytes, sizeof bytes, MSG_NOSIGNAL) < 0 ||
            recv(pair[0], bytes, sizeof bytes, MSG_WAITALL) < 0) {
            break;
        }
        times[trip] = (double)(bench_now_ns() - start) / 1e3;
    }
    close(pair[0]);
    waitpid(child, NULL, 0);
    sched_setaffinity(0, sizeof before, &before);
    return bench_median(times, TRIPS);
}

static double copy_us(void)
{
    enum { COPIES = 500, BYTES = 65536 };
    static double times[COPIES];
    static char from[BYTES], to[BYTES];
    for (int copy = 0; copy < COPIES; copy++) {
        memset(from, copy, 64);
        uint64_t start = bench_now_ns();
        memcpy(to, from, BYTES);
        __asm__ volatile("" ::"r"(to) : "memory");
        times[copy] = (double)(bench_now_ns() - start) / 1e3;
    }
    return bench_median(times, COPIES);
}

void bench_floors(void)
{
    bench_plain("floor: unix socket round trip 64 B", round_trip_us(), "us");
    bench_plain("floor: memcpy 64 KiB", copy_us(), "us");
}

static void print_number(FILE *file, const char *key, double value)
{
    if (isfinite(value)) {
        fprintf(file, ", \"%s\": %.9g", key, value);
    } else {
        fprintf(file, ", \"%s\": null", key);
    }
}

int bench_end(void)
{
    char path[128];
    mkdir("build", 0777);
    mkdir("build/bench", 0777);
    snprintf(path, sizeof path, "build/bench/%s.json", report.suite);
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        perror(path);
        return 1;
    }
    fprintf(file, "[\n");
    for (size_t i = 0; i < report.count; i++) {
        const struct row *row = &report.rows[i];
        fprintf(file, "  {\"name\": \"%s\", \"unit\": \"%s\"", row->name, row->unit);
        print_number(file, "value", row->value);
        print_number(file, "baseline", row->baseline);
        print_number(file, "ratio", row->ratio);
        fprintf(file, "}%s\n", i + 1 < report.count ? "," : "");
    }
    fprintf(file, "]\n");
    free(report.rows);
    report.rows = NULL;
    report.capacity = 0;
    printf("%s\n", path);
    return fclose(file) == 0 ? 0 : 1;
}
