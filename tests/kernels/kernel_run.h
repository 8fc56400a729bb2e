/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call of an operation, run by one executor at one level of the instruction set, on fenced
 * memory. The first run of a case is the reference interpreter's; all others must give its bits
 * (any NaN being any other), or its error, and leave everything else as it was.
 */
#ifndef HG_TESTS_KERNELS_KERNEL_RUN_H
#define HG_TESTS_KERNELS_KERNEL_RUN_H

#include "lib/exec/exec.h"
#include "tests/kernels/fenced.h"
#include "tests/ops/op_call.h"
#include "tests/ops/op_data.h"

/* Longest operand of a case. */
#define KERNEL_BYTES_MAX (8u * 100003 + 4096)

struct kernel_way {
    enum hg_executor executor;
    enum hg_isa_level level;
    bool at_end;     /* operands end at a fence, else they begin at one */
    uint8_t skew;    /* elements between them and it */
    uint8_t workers; /* threads that the run is cut for; its parts run in reverse */
    bool boundary;   /* operands are classes of the boundary pool */
    bool in_place;   /* the output is the memory of input 0 */
};

struct kernel_case {
    struct hg_op_call call;
    uint64_t seed; /* of its contents */
    uint8_t *contents[HG_OP_OPERANDS_MAX];
    size_t bytes[HG_OP_OPERANDS_MAX];
    uint8_t *expected; /* the output, once the reference has run */
    enum hg_status status;
    struct hg_error error;
    struct hg_program *programs[2][HG_PLAN_STEPS_MAX]; /* by whether operands are classes */
};

/* Counted over all cases. */
struct kernel_figures {
    uint64_t cases, runs, programs, failures;
};
extern struct kernel_figures kernel_figures;

/* Bytes between an operand and the fence behind it, 0 but where the machine itself reads too far.
 */
extern size_t kernel_slack_bytes;

/* Faults say what was running, and end the program. */
void kernel_catch_faults(void);
/* Draws contents and runs the reference. */
void kernel_case_init(struct kernel_case *kernel, const struct hg_op_call *call, uint64_t seed);
void kernel_case_fini(struct kernel_case *kernel);
/* Whether the case can be run this way. */
bool kernel_case_allows(const struct kernel_case *kernel, const struct kernel_way *way);
/* Runs it; what is wrong is printed and counted. */
void kernel_case_check(struct kernel_case *kernel, const struct kernel_way *way);

#endif
