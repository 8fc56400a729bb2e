/* SPDX-License-Identifier: Apache-2.0 */
/* How long a launch will take on one thread, roughly: for placing work, not for accounting. */
#include "lib/base/check.h"
#include "lib/exec/exec.h"

/*
 * Nanoseconds for 1,024 units of cost (one F32 addition of one lane each), by ISA level: measured
 * on tiles in L1 and L2, see README.md. Work in memory is slower, which matters only far above the
 * sizes where placement is in doubt.
 */
static const uint32_t ns_per_1024[HG_ISA_LEVEL_COUNT] = {
    [HG_ISA_GENERIC] = 600,
    [HG_ISA_AVX2] = 110,
    [HG_ISA_AVX512] = 70,
};

/* Binding, dispatch and completion of a launch; and of a row of a reduction. */
#define LAUNCH_NS 150
#define ROW_NS    20

uint64_t hg_exec_estimate_ns(const struct hg_program *program,
                             const uint64_t params[HG_PARAM_COUNT])
{
    const struct hg_code_facts *facts = &program->facts;
    uint64_t cost = facts->cost;
    if ((facts->facts & HG_FACT_MMA) != 0 && (facts->params_read >> HG_PARAM_FIRST & 1u) != 0) {
        /* Of a product whose sizes are parameters, k is the first after n, rows and cols. */
        cost = cost > params[HG_PARAM_FIRST] ? cost : params[HG_PARAM_FIRST];
    }
    uint64_t units;
    uint64_t rows_ns;
    if (!hg_mul_u64(params[HG_PARAM_N], cost, &units) ||
        !hg_mul_u64(params[HG_PARAM_ROWS], ROW_NS, &rows_ns) || units > UINT64_MAX / 1024 ||
        rows_ns > UINT64_MAX / 2) {
        return UINT64_MAX / 2;
    }
    uint64_t lanes_ns = units / 1024 * ns_per_1024[hg_cpu_isa_level()] +
                        units % 1024 * ns_per_1024[hg_cpu_isa_level()] / 1024;
    bool reduces = (facts->facts & HG_FACT_REDUCE) != 0;
    return LAUNCH_NS + lanes_ns + (reduces ? rows_ns : 0);
}
