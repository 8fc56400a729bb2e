/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/rpc_report.h"

#include <math.h>
#include <stdio.h>

#include "tests/bench/bench.h"

#define NONE SUBJECT_COUNT

/* What stands beside each subject, and whether its first figure is a rate. */
static const struct {
    enum subject baseline;
    bool by_rate;
} styles[SUBJECT_COUNT] = {
    [RAW_64] = {NONE, false},
    [UV] = {NONE, false},
    [UV_AGAIN] = {UV, false},
    [RAW] = {UV, false},
    [REDIS] = {UV, false},
    [PING] = {UV, false},
    [ADD] = {UV, false},
    [PREPARED] = {UV, false},
    [CHAINED] = {RAW_64, false},
    [RAW_WINDOW] = {NONE, true},
    [RAW_SINGLY] = {RAW_WINDOW, true},
    [UV_WINDOW] = {RAW_WINDOW, true},
    [REDIS_WINDOW] = {RAW_WINDOW, true},
    [PIPELINED] = {RAW_WINDOW, true},
    [PIPELINED_AGAIN] = {PIPELINED, true},
    [PREPARED_PIPELINED] = {RAW_WINDOW, true},
    [BATCH] = {RAW_WINDOW, true},
    [PREPARED_BATCH] = {RAW_WINDOW, true},
    [GRPC_BARE] = {NONE, false},
    [GRPC_HOP] = {GRPC_BARE, false},
    [GRPC_UNARY] = {GRPC_HOP, false},
    [GRPC_STREAM] = {GRPC_UNARY, true},
};

/* Where the rows of one contest go: what their names end with. */
struct place {
    char suffix[40];
};

static void record(const struct place *place, const char *name, const char *what, double value,
                   const char *unit, double baseline, double ratio)
{
    char row[112];
    snprintf(row, sizeof row, "%s%s%s", name, what, place->suffix);
    bench_record(row, value, unit, baseline, ratio);
}

/* A time, or CPU time: less is better. */
static void record_time(const struct place *place, const char *name, const char *what, double value,
                        const char *unit, double baseline)
{
    record(place, name, what, value, unit, baseline, value / baseline);
}

static void record_rate(const struct place *place, const char *name, const char *what, double value,
                        double baseline)
{
    record(place, name, what, value, "ops/s", baseline, baseline / value);
}

/* OWN beside BESIDE, whose figures are NaN if there is nothing to stand beside. */
static void report_subject(const struct place *place, const char *name, bool by_rate,
                           struct contest_result own, struct contest_result beside)
{
    const double ratio = by_rate ? beside.rate / own.rate : own.p50_us / beside.p50_us;
    printf("%-44s %9.2f %9.2f %10.2f %11.0f %8.3f %8.3f", name, own.p50_us, own.p99_us, own.p999_us,
           own.rate, own.client_cpu_us, own.server_cpu_us);
    if (!isnan(ratio)) {
        printf(" %8.3f", ratio);
    }
    printf("\n");
    record_rate(place, name, by_rate ? "" : " rate", own.rate, beside.rate);
    record_time(place, name, " p50", own.p50_us, "us", beside.p50_us);
    record_time(place, name, " p99", own.p99_us, "us", beside.p99_us);
    record_time(place, name, " p99.9", own.p999_us, "us", beside.p999_us);
    record_time(place, name, " CPU client", own.client_cpu_us, "us/op", beside.client_cpu_us);
    record_time(place, name, " CPU server", own.server_cpu_us, "us/op", beside.server_cpu_us);
}

/* ---- targets --------------------------------------------------------------------------------- */

static void target_line(const struct place *place, const char *name, double value, const char *unit,
                        double bound, double ratio)
{
    printf("  %-58s %12.2f %-5s  bound %12.2f  %6.3f %s\n", name, value, unit, bound, ratio,
           ratio <= 1 ? "met" : "MISSED");
    record(place, name, "", value, unit, bound, ratio);
}

static void target_time(const struct place *place, const char *name, double value, double bound)
{
    target_line(place, name, value, "us", bound, value / bound);
}

static void target_rate(const struct place *place, const char *name, double value, double bound)
{
    target_line(place, name, value, "ops/s", bound, bound / value);
}

/* What a chain takes beyond a round trip: for one client that has the daemon to itself. */
static void report_chain(const struct place *place,
                         const struct contest_result results[SUBJECT_COUNT])
{
    const double floor = results[RAW_64].p50_us;
    target_time(place, "target: 100 chained adds p50 <= raw 64 B + 60 us", results[CHAINED].p50_us,
                floor + 60);
    target_time(place, "target: 100 chained adds p50 over raw 64 B",
                results[CHAINED].p50_us - floor, 60);
}

/* What we hold ourselves to, each as a bound that the figures of this contest give. */
static void report_targets(const struct place *place,
                           const struct contest_result results[SUBJECT_COUNT], bool has_redis)
{
    const double redis_best = fmax(results[REDIS].rate, results[REDIS_WINDOW].rate);
    target_time(place, "target: vector_add(256) p50 <= 1.5 libuv echo", results[ADD].p50_us,
                1.5 * results[UV].p50_us);
    target_rate(place, "target: pipelined >= 0.6 raw, one send a window", results[PIPELINED].rate,
                0.6 * results[RAW_WINDOW].rate);
    target_rate(place, "target: pipelined >= 0.6 raw, one send a message", results[PIPELINED].rate,
                0.6 * results[RAW_SINGLY].rate);
    if (has_redis) {
        target_rate(place, "target: pipelined >= 0.8 Redis GET pipelined 64",
                    results[PIPELINED].rate, 0.8 * results[REDIS_WINDOW].rate);
    }
    target_rate(place, "target: batch >= 1 M/s or 1.5 Redis's best", results[BATCH].rate,
                has_redis ? fmin(1e6, 1.5 * redis_best) : 1e6);
    target_time(place, "target: grpc unary p50 <= 1.15 echo one hop", results[GRPC_UNARY].p50_us,
                1.15 * results[GRPC_HOP].p50_us);
    target_rate(place, "target: grpc session stream >= 5 grpc unary", results[GRPC_STREAM].rate,
                5 * results[GRPC_UNARY].rate);
}

static void report_beside_bare(const struct place *place,
                               const struct contest_result results[SUBJECT_COUNT])
{
    const double ours = results[GRPC_UNARY].p50_us;
    const double bare = results[GRPC_BARE].p50_us;
    printf("  %-58s %12.2f us     bare  %12.2f  %6.3f\n", "grpc unary p50 vs bare echo", ours, bare,
           ours / bare);
    record_time(place, "grpc unary p50 vs bare echo", "", ours, "us", bare);
}

void report_contest(const struct contest_subject subjects[SUBJECT_COUNT],
                    const struct contest_result results[SUBJECT_COUNT], enum regime regime,
                    unsigned clients)
{
    static const struct contest_result nothing = {NAN, NAN, NAN, NAN, NAN, NAN};
    struct place place;
    char many[24] = "";
    if (clients > 1) {
        snprintf(many, sizeof many, ", %u clients", clients);
    }
    snprintf(place.suffix, sizeof place.suffix, "%s%s", many, regime_suffix(regime));
    printf("\nregime: %s; clients: %u\n%-44s %9s %9s %10s %11s %8s %8s %8s\n", regime_name(regime),
           clients, "", "p50 us", "p99 us", "p99.9 us", "ops/s", "client", "server", "ratio");
    printf("%-44s %9s %9s %10s %11s %17s\n", "", "", "", "", "", "CPU us an op");
    for (enum subject subject = 0; subject < SUBJECT_COUNT; subject++) {
        const enum subject baseline = styles[subject].baseline;
        if (subjects[subject].name != NULL) {
            report_subject(&place, subjects[subject].name, styles[subject].by_rate,
                           results[subject], baseline != NONE ? results[baseline] : nothing);
        }
    }
    report_targets(&place, results, subjects[REDIS].name != NULL);
    if (clients == 1) {
        report_chain(&place, results);
    }
    report_beside_bare(&place, results);
    fflush(stdout);
}
