/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/exec/kernels.h"

const struct hg_kernels *hg_kernels_now(void)
{
#if defined(__x86_64__)
    switch (hg_cpu_isa_level()) {
    case HG_ISA_AVX512:
        return &hg_kernels_avx512;
    case HG_ISA_AVX2:
        return &hg_kernels_avx2;
    default:
        break;
    }
#endif
    return &hg_kernels_generic;
}
