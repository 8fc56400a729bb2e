/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Differential: the bytes choose a program, a shape and a mode; whatever verifies gives the same
 * bits and failures by the reference interpreter, the block executor and native code, at each
 * level. What it finds it prints as text, and ends.
 */
#include "tests/unit/exec/differ.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    run_choices(data, size);
    return 0;
}
