/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rpc suite's subjects by name, the rows that each gives, and what stands beside what.
 */
#ifndef HG_TESTS_BENCH_RPC_REPORT_H
#define HG_TESTS_BENCH_RPC_REPORT_H

#include "tests/bench/rpc_contest.h"
#include "tests/bench/rpc_regime.h"

/* In the order of the tables. */
enum subject {
    RAW_64,
    UV,
    UV_AGAIN,
    RAW,
    REDIS,
    PING,
    ADD,
    PREPARED,
    CHAINED,
    RAW_WINDOW,
    RAW_SINGLY,
    UV_WINDOW,
    REDIS_WINDOW,
    PIPELINED,
    PIPELINED_AGAIN,
    PREPARED_PIPELINED,
    BATCH,
    PREPARED_BATCH,
    GRPC_BARE,
    GRPC_HOP,
    GRPC_UNARY,
    GRPC_STREAM,
    SUBJECT_COUNT
};

/* Prints the table of one contest and records its rows. */
void report_contest(const struct contest_subject subjects[SUBJECT_COUNT],
                    const struct contest_result results[SUBJECT_COUNT], enum regime regime,
                    unsigned clients);

#endif
