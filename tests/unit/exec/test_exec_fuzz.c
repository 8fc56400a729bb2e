/* SPDX-License-Identifier: Apache-2.0 */
/* The quick form of tests/fuzz/fuzz_native.c: random bytes of a fixed seed. */
#include "differ.h"

/* Programs that bytes choose, of all lengths from those that choose nothing. */
static void bytes_choose_programs(void **state)
{
    (void)state;
    uint64_t random = 20240701;
    uint8_t bytes[512];
    for (unsigned i = 0; i < 600; i++) {
        for (size_t b = 0; b < sizeof bytes; b++) {
            bytes[b] = (uint8_t)next_random(&random);
        }
        run_choices(bytes, next_random(&random) % sizeof bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(bytes_choose_programs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
