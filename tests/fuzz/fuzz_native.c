/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Differential: the bytes choose a program, a shape and a mode; whatever verifies gives the same
 * bits and failures by the reference interpreter, the block executor and native code, at each
 * level. What it finds it prints as text, and ends.
 */
#include "tests/unit/exec/generate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct region inputs[INPUTS];
    if (inputs[0].data == NULL) {
        seed = 1;
        fill_inputs(inputs);
    }
    seed = size; /* what the bytes leave open */
    choices = data;
    choice_count = size;
    static struct generator g;
    gen_program(&g);
    struct hg_code code = {{INPUTS + OUTPUTS, 0}, g.insns, g.count};
    struct hg_program *program = NULL;
    struct hg_error error = HG_ERROR_INIT;
    if (hg_program_create(&code, NULL, &program, &error) != HG_OK) {
        return 0;
    }
    uint64_t params[HG_PARAM_COUNT];
    choose_shape(program, params);
    (void)check_program(&g, program, inputs, params);
    hg_program_unref(&program);
    return 0;
}
