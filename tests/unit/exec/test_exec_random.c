/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random verified programs: the block and the native executor, at each ISA level and cut into
 * parts, give the bits and the failures of the reference interpreter. The seed is printed; HG_SEED
 * sets it, HG_PROGRAMS the number of programs.
 */
#include "differ.h"

#include "lib/exec/run.h"
#include "lib/native/native.h"

static bool may_fail(const struct hg_native_code *code)
{
    bool can = false;
    for (uint32_t i = 0; i < code->region_count; i++) {
        can |= code->regions[i].run != NULL && code->regions[i].can_fail;
    }
    return can;
}

static void random_programs(void **state)
{
    (void)state;
    const char *given = getenv("HG_SEED");
    const char *number = getenv("HG_PROGRAMS");
    seed = given != NULL ? strtoull(given, NULL, 0) : 1;
    unsigned wanted = number != NULL ? (unsigned)strtoul(number, NULL, 0) : 400;
    print_message("HG_SEED=%llu\n", (unsigned long long)seed);
    struct region inputs[INPUTS];
    fill_inputs(inputs);
    unsigned refused = 0;
    unsigned ended = 0;
    unsigned direct = 0;
    unsigned emitted = 0;
    unsigned failing = 0;
    for (unsigned made = 0; made < wanted;) {
        static struct generator g;
        gen_program(&g);
        struct hg_code code = {{INPUTS + OUTPUTS, 0}, g.insns, g.count};
        struct hg_program *program = NULL;
        struct hg_error error = HG_ERROR_INIT;
        if (hg_program_create(&code, NULL, &program, &error) != HG_OK) {
            refused++;
            assert_true(refused < 20 * wanted + 100);
            continue;
        }
        uint64_t params[HG_PARAM_COUNT];
        choose_shape(program, params);
        ended += check_program(&g, program, inputs, params);
        const struct hg_native_code *code_of = hg_native_code_of(program, HG_FP_IEEE);
        emitted += code_of != NULL;
        failing += code_of != NULL && may_fail(code_of);
        direct += code_of != NULL && code_of->direct;
        made++;
        hg_program_unref(&program);
    }
    print_message("%u of %u ended well, %u more were refused by the verifier\n", ended, wanted,
                  refused);
    print_message("%u had native code that may fail in %u, %u were launched directly\n", emitted,
                  failing, direct);
    assert_true(ended > wanted / 2);
    assert_true(!hg_native_available() ||
                (emitted > wanted / 4 && failing > wanted / 10 && direct > wanted / 40));
    for (unsigned i = 0; i < INPUTS; i++) {
        region_free(&inputs[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_programs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
