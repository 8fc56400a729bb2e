/* SPDX-License-Identifier: Apache-2.0 */
/* How long a launch will take on one thread, roughly: for placing work, not for accounting. */
#include "lib/base/check.h"
#include "lib/exec/exec.h"

/*
 * Nanoseconds for 1,024 units of cost (one F32 addition of one lane each), and for 1,024 terms of a
 * product, by ISA level: measured in L1 and L2, see README.md. Work in memory is slower, which
 * matters only far above the sizes where placement is in doubt.
 */
static const uint32_t unit_ns[HG_ISA_LEVEL_COUNT] = {
    [HG_ISA_GENERIC] = 600,
    [HG_ISA_AVX2] = 110,
    [HG_ISA_AVX512] = 70,
};
static const uint32_t term_ns[HG_ISA_LEVEL_COUNT] = {
    [HG_ISA_GENERIC] = 2500,
    [HG_ISA_AVX2] = 30,
    [HG_ISA_AVX512] = 15,
};

/* Binding, dispatch and completion of a launch; and of a row, where rows are run one by one: those
 * of a reduction, those without lanes, which cost nothing else, and those of addresses by rows and
 * columns, unless rows are lanes like others. */
#define LAUNCH_NS 150
#define ROW_NS    20
#define CUT_NS    8

/* A unit of cost of what is run once per row takes so many times as long as one of lanes. */
#define ROW_UNITS 3

/* What facts.cost counts for the terms of a product whose sizes are parameters. */
#define COST_OF_TERMS 64

/* COUNT units of which 1,024 take NS, saturating. */
static uint64_t time_of(uint64_t lanes, uint64_t each, uint32_t ns)
{
    uint64_t count;
    if (!hg_mul_u64(lanes, each, &count) || count > UINT64_MAX / 65536) {
        return UINT64_MAX / 8;
    }
    return count * ns / 1024;
}

uint64_t hg_exec_estimate_ns(const struct hg_program *program,
                             const uint64_t params[HG_PARAM_COUNT])
{
    const struct hg_code_facts *facts = &program->facts;
    enum hg_isa_level level = hg_cpu_isa_level();
    uint64_t lanes = params[HG_PARAM_N];
    uint64_t cost = facts->cost;
    uint64_t ns = LAUNCH_NS;
    /* Of an operation's product whose sizes are parameters, k is the first after n, rows and cols;
     * of others nobody knows. Beside a product of known sizes it may be anything. */
    bool sized = (facts->facts & HG_FACT_MMA) != 0 && facts->mma_cost == 0 &&
                 (facts->params_read >> HG_PARAM_FIRST & 1u);
    if (sized) {
        ns += time_of(lanes, params[HG_PARAM_FIRST], term_ns[level]);
        cost = cost > COST_OF_TERMS ? cost - COST_OF_TERMS : 1;
    }
    ns += time_of(lanes, facts->mma_cost, term_ns[level]);
    ns += time_of(lanes, cost - facts->mma_cost, unit_ns[level]);
    /* What is the same for all rows is computed for each of them again, where these are cut. */
    const uint64_t row_cost = (UINT64_C(1) << facts->row_cost_bits) - 1;
    ns += time_of(params[HG_PARAM_ROWS], row_cost * ROW_UNITS, unit_ns[level]);
    if ((facts->facts & HG_FACT_REDUCE) != 0 || lanes == 0) {
        ns += time_of(params[HG_PARAM_ROWS], ROW_NS, 1024);
    }
    if ((facts->facts & HG_FACT_ROWS) != 0 && params[HG_PARAM_COLS] > 1) {
        ns += time_of(params[HG_PARAM_ROWS], CUT_NS, 1024);
    }
    return ns;
}
