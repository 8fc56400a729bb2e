/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a call of an operation in one of the ways in which it can be run, on memory of its own, and
 * checks what every run must keep: inputs and everything behind the output stay as they were.
 */
#ifndef HG_TESTS_OPS_OP_RUN_H
#define HG_TESTS_OPS_OP_RUN_H

#include "lib/exec/exec.h"
#include "lib/ops/ops.h"
#include "tests/ops/op_call.h"
#include "tests/ops/op_data.h"

/* A call with the contents of its operands before it runs. */
struct op_case {
    struct hg_op_call call;
    uint8_t *contents[HG_OP_OPERANDS_MAX];
    uint64_t bytes[HG_OP_OPERANDS_MAX];
};

/* Programs by key, as a cache has them: whoever has the same key runs the same program. */
struct op_programs {
    struct hg_program *programs[512];
    uint32_t count;
};
void op_programs_fini(struct op_programs *programs);

/* One way to run it. */
struct op_way {
    bool boundary; /* operands in the boundary pool, so that Φ forms are used */
    bool unfused;
    bool full;     /* cache.specialize = full */
    bool in_place; /* the output is the memory of the first input of the operation's type */
    enum hg_executor executor;
    uint8_t skew;       /* heap operands start that many elements behind an aligned address */
    uint8_t below_best; /* levels of the instruction set to stay below this CPU's best */
    struct op_programs *programs; /* NULL: programs are built for this run alone */
};

/* Contents are drawn from RANDOM; the output's too, so that beta and "untouched" mean something. */
void op_case_init(struct op_case *op_case, const struct hg_op_call *call, struct op_random *random);
void op_case_fini(struct op_case *op_case);
/* True if the operation may be done in place: elements of one type, as many of them. */
bool op_case_fits_in_place(const struct op_case *op_case);
/* True if every operand fits a boundary class. */
bool op_case_fits_boundary(const struct op_case *op_case);

/* Runs the case and writes the whole output operand to RESULT (bytes[output]). Fails the test if
 * planning, building or running does, or if other memory changed. */
void op_case_run(const struct op_case *op_case, const struct op_way *way, void *result);
/* The same for cases that must fail while running: gives the error. */
enum hg_status op_case_try(const struct op_case *op_case, const struct op_way *way, void *result,
                           struct hg_error *error);
/* Runs the case in every way that there is (the reference executor only if WITH_REFERENCE), with
 * skews and levels spread over them: the first result is judged by the oracle, all others must have
 * its bits, except unfused composites of halves and gelu's steps, which the oracle judges too. */
void op_case_all_ways(const struct op_case *op_case, bool with_reference);
/* Fails the test unless A and B are the same elements; any NaN equals any other. */
void op_case_same(const struct op_case *op_case, const struct op_way *way, const void *a,
                  const void *b);
/* Fails the test unless RESULT is what the oracle expects, and untouched behind it. */
void op_case_right(const struct op_case *op_case, const struct op_way *way, const void *result);

#endif
