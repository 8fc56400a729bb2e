/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses: every lane mode and type against plain C, misaligned and in place; computed addresses;
 * scratch, POOL and classes; both executors, every ISA level, several parts.
 */
#include "support.h"

static uint64_t seed = 4711;

struct memory {
    struct region region[4];
    bool writable[4];
    unsigned count;
};

static struct memory memory_of(unsigned count, const size_t *bytes, unsigned written)
{
    struct memory memory = {.count = count};
    for (unsigned i = 0; i < count; i++) {
        memory.region[i] = region_new(bytes[i], i * 3 + 1);
        for (size_t b = 0; b < bytes[i]; b++) {
            memory.region[i].data[b] = (uint8_t)next_random(&seed);
        }
        memory.writable[i] = (written >> i & 1) != 0;
    }
    return memory;
}

static struct memory memory_copy(const struct memory *from)
{
    struct memory memory = *from;
    for (unsigned i = 0; i < from->count; i++) {
        memory.region[i] = region_new(from->region[i].size, i * 3 + 1);
        memcpy(memory.region[i].data, from->region[i].data, from->region[i].size);
    }
    return memory;
}

static void memory_free(struct memory *memory)
{
    for (unsigned i = 0; i < memory->count; i++) {
        region_free(&memory->region[i]);
    }
}

static struct hg_launch memory_launch(const struct hg_program *program, const struct memory *memory,
                                      uint64_t rows, uint64_t cols)
{
    struct hg_launch launch = launch_of(program, rows, cols);
    for (unsigned i = 0; i < memory->count; i++) {
        launch_bind(&launch, &memory->region[i], memory->writable[i]);
    }
    return launch;
}

/* Runs TEXT on a copy of START with each executor and level; all must leave the same bytes, or fail
 * alike. Gives the copy of the reference. */
static struct memory run_everywhere(const char *text, const struct memory *start, uint64_t rows,
                                    uint64_t cols, struct hg_error *outcome)
{
    struct hg_program *program = program_of(text);
    struct memory expected = memory_copy(start);
    struct hg_launch launch = memory_launch(program, &expected, rows, cols);
    launch.executor = HG_EXECUTOR_REFERENCE;
    launch.fuel = 100000;
    *outcome = (struct hg_error)HG_ERROR_INIT;
    enum hg_status status = hg_exec_launch(&launch, outcome);
    for (int run = 0; run < 2 * HG_ISA_LEVEL_COUNT; run++) {
        hg_cpu_limit((enum hg_isa_level)(run / 2));
        struct memory got = memory_copy(start);
        launch = memory_launch(program, &got, rows, cols);
        launch.fuel = 100000;
        struct hg_error error = HG_ERROR_INIT;
        enum hg_status other = run_in_parts(&launch, run % 2 == 0 ? 1 : 4, &error);
        if (other != status || strcmp(error.message, outcome->message) != 0) {
            print_error("%s: \"%s\", expected \"%s\"\nin\n%s", hg_exec_isa_level(), error.message,
                        outcome->message, text);
            fail();
        }
        for (unsigned i = 0; status == HG_OK && i < got.count; i++) {
            if (memcmp(got.region[i].data, expected.region[i].data, got.region[i].size) != 0) {
                print_error("%s, run %d: slot %u differs, %llu x %llu\nin\n%s", hg_exec_isa_level(),
                            run, i, (unsigned long long)rows, (unsigned long long)cols, text);
                fail();
            }
        }
        memory_free(&got);
    }
    hg_cpu_limit(HG_ISA_AVX512);
    hg_program_unref(&program);
    return expected;
}

/* ---- lane modes ------------------------------------------------------------------------------ */

struct lane_case {
    const char *text;
    uint64_t (*element)(uint64_t lane, uint64_t cols);
    bool shared; /* lanes share elements: no store of per-lane values */
};

static uint64_t plain(uint64_t lane, uint64_t cols)
{
    (void)cols;
    return lane;
}
static uint64_t by_three(uint64_t lane, uint64_t cols)
{
    (void)cols;
    return 3 * lane;
}
static uint64_t none(uint64_t lane, uint64_t cols)
{
    (void)lane;
    (void)cols;
    return 0;
}
static uint64_t modulo(uint64_t lane, uint64_t cols)
{
    return lane % cols;
}
static uint64_t divided(uint64_t lane, uint64_t cols)
{
    return lane / cols;
}
static uint64_t modulo7(uint64_t lane, uint64_t cols)
{
    (void)cols;
    return lane % 7;
}
static uint64_t divided7(uint64_t lane, uint64_t cols)
{
    (void)cols;
    return lane / 7;
}

static const struct lane_case lane_cases[] = {
    {"+ lane", plain, false},      {"+ lane*3", by_three, false},  {"", none, true},
    {"+ lane%cols", modulo, true}, {"+ lane/cols", divided, true}, {"+ lane%7", modulo7, true},
    {"+ lane/7", divided7, true},  {"+ row", divided, true},
};

static const uint64_t shapes[][2] = {{1, 1},     {1, 16},   {3, 5},    {16, 64},
                                     {1, 3072},  {5, 700},  {700, 5},  {2, 6145},
                                     {1, 12289}, {4097, 3}, {1, 1025}, {12289, 1}};

/* Loads through every lane mode, of every type, at an odd offset. */
static void loads(void **state)
{
    (void)state;
    for (unsigned type = 0; type < HG_DTYPE_COUNT; type++) {
        enum hg_dtype t = (enum hg_dtype)type;
        for (size_t mode = 0; mode < COUNT_OF(lane_cases); mode++) {
            char text[300];
            snprintf(
                text, sizeof text,
                "loop.blocks @end\nldg.%s r1, [b0 + 5 %s]\nstg.%s [b1 + lane], r1\nend:\nexit\n",
                hg_dtype_name(t), lane_cases[mode].text, hg_dtype_name(t));
            for (size_t s = type % 3; s < COUNT_OF(shapes); s += 3) {
                uint64_t n = shapes[s][0] * shapes[s][1];
                uint64_t last = lane_cases[mode].element(n - 1, shapes[s][1]);
                for (uint64_t lane = 0; lane < n && lane < 20000; lane++) {
                    uint64_t element = lane_cases[mode].element(lane, shapes[s][1]);
                    last = element > last ? element : last;
                }
                /* Exactly as many bytes as the address needs. */
                const size_t bytes[] = {5 + (last + 1) * hg_dtype_bytes(t), n * hg_dtype_bytes(t)};
                struct memory start = memory_of(2, bytes, 2);
                struct hg_error error;
                struct memory end =
                    run_everywhere(text, &start, shapes[s][0], shapes[s][1], &error);
                assert_int_equal(error.status, HG_OK);
                for (uint64_t i = 0; i < n; i++) {
                    uint64_t from = lane_cases[mode].element(i, shapes[s][1]);
                    assert_int_equal(element_at(end.region[1].data, t, i),
                                     element_at(start.region[0].data + 5, t, from));
                }
                memory_free(&start);
                memory_free(&end);
            }
        }
    }
}

/* Stores through every lane mode touch what they should and nothing else. */
static void stores(void **state)
{
    (void)state;
    for (unsigned type = 0; type < HG_DTYPE_COUNT; type++) {
        enum hg_dtype t = (enum hg_dtype)type;
        for (size_t mode = 0; mode < COUNT_OF(lane_cases); mode++) {
            bool row = strcmp(lane_cases[mode].text, "+ row") == 0 ||
                       strcmp(lane_cases[mode].text, "+ lane/cols") == 0;
            char text[300];
            snprintf(text, sizeof text,
                     "loop.blocks @end\nldg.%s r1, [b0 %s]\nstg.%s [b1 + 3 %s], r1\nend:\nexit\n",
                     hg_dtype_name(t),
                     !lane_cases[mode].shared ? "+ lane"
                     : row                    ? "+ row"
                                              : "",
                     hg_dtype_name(t), lane_cases[mode].text);
            for (size_t s = type % 3; s < COUNT_OF(shapes); s += 3) {
                uint64_t n = shapes[s][0] * shapes[s][1];
                uint64_t last = 0;
                for (uint64_t lane = 0; lane < n; lane++) {
                    uint64_t element = lane_cases[mode].element(lane, shapes[s][1]);
                    last = element > last ? element : last;
                }
                const size_t bytes[] = {n * hg_dtype_bytes(t), 3 + (last + 1) * hg_dtype_bytes(t)};
                struct memory start = memory_of(2, bytes, 2);
                struct hg_error error;
                struct memory end =
                    run_everywhere(text, &start, shapes[s][0], shapes[s][1], &error);
                assert_int_equal(error.status, HG_OK);
                struct memory want = memory_copy(&start);
                for (uint64_t i = 0; i < n; i++) {
                    uint64_t from = !lane_cases[mode].shared ? i : row ? i / shapes[s][1] : 0;
                    set_element(want.region[1].data + 3, t,
                                lane_cases[mode].element(i, shapes[s][1]),
                                element_at(start.region[0].data, t, from));
                }
                assert_memory_equal(want.region[1].data, end.region[1].data, bytes[1]);
                memory_free(&start);
                memory_free(&end);
                memory_free(&want);
            }
        }
    }
}

/* Output = input, element for element, unrolled and looped: a loaded register that is used again
 * after the store still holds what was loaded. */
static void in_place(void **state)
{
    (void)state;
    static const char *const text =
        "loop.blocks @end\nldg.i32 r1, [b0 + lane]\nadd.i32 r2, r1, r1\nstg.i32 [b1 + lane], r2\n"
        "mul.i32 r3, r1, r1\nstg.i32 [b2 + lane], r3\nend:\nexit\n";
    struct hg_program *program = program_of(text);
    for (int e = 0; e < 2; e++) {
        struct region a = region_new(20000, 4);
        struct region b = region_new(20000, 0);
        for (uint64_t i = 0; i < 5000; i++) {
            set_element(a.data, HG_I32, i, i);
        }
        struct hg_launch launch = launch_of(program, 1, 5000);
        launch.executor = (enum hg_executor)e;
        launch_bind(&launch, &a, false);
        launch_bind(&launch, &a, true);
        launch_bind(&launch, &b, true);
        launch_ok(&launch);
        for (uint64_t i = 0; i < 5000; i++) {
            assert_int_equal(element_at(a.data, HG_I32, i), 2 * i);
            assert_int_equal(element_at(b.data, HG_I32, i), i * i);
        }
        region_free(&a);
        region_free(&b);
    }
    hg_program_unref(&program);
}

/* ---- computed addresses ---------------------------------------------------------------------- */

/* A gather reads where the register says; an offset beyond the operand fails at the lowest such
 * lane, also when the sum wraps. */
static void gathers(void **state)
{
    (void)state;
    static const char *const text =
        "loop.blocks @end\nldg.u64 r1, [b0 + lane]\nldg.u32 r2, [b1 + r1]\n"
        "stg.u32 [b2 + lane], r2\nend:\nexit\n";
    enum { N = 4000 };
    const size_t bytes[] = {N * 8, 1001, N * 4};
    struct memory start = memory_of(3, bytes, 4);
    for (uint64_t i = 0; i < N; i++) {
        set_element(start.region[0].data, HG_U64, i, next_random(&seed) % 998);
    }
    struct hg_error error;
    struct memory end = run_everywhere(text, &start, 1, N, &error);
    assert_int_equal(error.status, HG_OK);
    for (uint64_t i = 0; i < N; i++) {
        uint64_t offset = element_at(start.region[0].data, HG_U64, i);
        uint32_t want;
        memcpy(&want, start.region[1].data + offset, 4);
        assert_int_equal(element_at(end.region[2].data, HG_U32, i), want);
    }
    memory_free(&end);
    static const uint64_t bad[] = {998, 1001, UINT64_MAX, UINT64_MAX - 3, 1ull << 63};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        set_element(start.region[0].data, HG_U64, 3000 - i, bad[i]);
        end = run_everywhere(text, &start, 1, N, &error);
        assert_int_equal(error.status, HG_OUT_OF_RANGE);
        assert_string_equal(error.detail, HG_DETAIL_OUT_OF_BOUNDS);
        char where[40];
        snprintf(where, sizeof where, "at element %zu ", 3000 - i);
        assert_non_null(strstr(error.message, where));
        memory_free(&end);
    }
    memory_free(&start);
}

/* Of lanes that scatter to one place the highest wins; in a loop, with all rounds of each lane
 * together. */
static void scatters(void **state)
{
    (void)state;
    static const char *const once =
        "loop.blocks @end\nldg.u64 r1, [b0 + lane]\ncvt.u32.u64 r2, r255\nstg.u32 [b1 + r1], r2\n"
        "end:\nexit\n";
    enum { N = 7000 };
    const size_t bytes[] = {N * 8, 400};
    struct memory start = memory_of(2, bytes, 2);
    memset(start.region[1].data, 0, 400);
    for (uint64_t i = 0; i < N; i++) {
        set_element(start.region[0].data, HG_U64, i, next_random(&seed) % 50 * 4);
    }
    struct hg_error error;
    struct memory end = run_everywhere(once, &start, 1, N, &error);
    assert_int_equal(error.status, HG_OK);
    for (uint64_t i = 0; i < 50; i++) {
        uint64_t last = 0;
        for (uint64_t lane = 0; lane < N; lane++) {
            last = element_at(start.region[0].data, HG_U64, lane) == i * 4 ? lane : last;
        }
        assert_int_equal(element_at(end.region[1].data, HG_U32, i), last);
    }
    memory_free(&end);
    static const char *const rounds =
        "mov_imm.u32 r8, 3\nmov_imm.u64 r9, 4\nmov_imm.u32 r7, 1000000\nloop.blocks @end\n"
        "ldg.u64 r1, [b0 + lane]\ncvt.u32.u64 r2, r255\nloop r8, @turn\nstg.u32 [b1 + r1], r2\n"
        "add.u64 r1, r1, r9\nadd.u32 r2, r2, r7\nturn:\nend:\nexit\n";
    end = run_everywhere(rounds, &start, 1, N, &error);
    assert_int_equal(error.status, HG_OK);
    uint32_t want[100] = {0};
    for (uint64_t lane = 0; lane < N; lane++) {
        for (uint32_t turn = 0; turn < 3; turn++) {
            want[element_at(start.region[0].data, HG_U64, lane) / 4 + turn] =
                (uint32_t)lane + turn * 1000000;
        }
    }
    assert_memory_equal(end.region[1].data, want, sizeof want);
    memory_free(&end);
    memory_free(&start);
}

/* Offsets in launch-uniform and row-uniform registers, with lane terms and displacements. */
static void computed(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool fails;
    } cases[] = {
        {"param.u64 r1, 3\nloop.blocks @end\nldg.u8 r2, [b0 + r1 + lane]\nstg.u8 [b1 + lane], r2\n"
         "end:\nexit\n",
         false},
        {"param.u64 r1, 3\nloop.blocks @end\nldg.u16 r2, [b0: r1 - 2]\nstg.u16 [b1 + lane], r2\n"
         "end:\nexit\n",
         false},
        {"param.u64 r1, 3\nloop.blocks @end\nldg.u64 r2, [b0 + r1 + lane]\n"
         "stg.u64 [b1 + lane], r2\nend:\nexit\n",
         true},
        {"loop.blocks @end\nldg.u8 r2, [b0 + r250 + lane%cols]\nstg.u8 [b1 + lane], "
         "r2\nend:\nexit\n",
         false},
        {"loop.blocks @end\nldg.u8 r2, [b0 + r250]\nstg.u8 [b1 + row], r2\nend:\nexit\n", false},
        {"loop.blocks @end\nldg.u8 r2, [b0 + row]\nstg.u8 [b1 + r250], r2\nend:\nexit\n", false},
        {"param.u64 r1, 3\nldg.u8 r2, [b0: r1 - 2]\nstg.u8 [b1 + r1], r2\nexit\n", false},
        {"param.u64 r1, 3\nldg.u8 r2, [b0: r1 - 200]\nstg.u8 [b1 + r1], r2\nexit\n", true},
        {"param.u64 r1, 3\nloop.blocks @end\nmov_imm.u8 r2, 9\nstg.u8 [b1 + r1 + lane], r2\nend:\n"
         "ldg.u8 r3, [b0]\nexit\n",
         false},
        {"param.u64 r1, 3\nloop.blocks @end\nldg.u8 r2, [b0 + row]\nstg.u8 [b1 + r1 + row], r2\n"
         "end:\nexit\n",
         false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct hg_program *program = program_of(cases[i].text);
        for (size_t s = 0; s < COUNT_OF(shapes); s++) {
            uint64_t n = shapes[s][0] * shapes[s][1];
            const size_t bytes[] = {n + 200, n * 8 + 200};
            struct memory start = memory_of(2, bytes, 2);
            struct memory left[2];
            struct hg_error errors[2] = {HG_ERROR_INIT, HG_ERROR_INIT};
            for (int e = 0; e < 2; e++) {
                left[e] = memory_copy(&start);
                struct hg_launch launch =
                    memory_launch(program, &left[e], shapes[s][0], shapes[s][1]);
                launch.params[3] = 7;
                launch.executor = (enum hg_executor)e;
                enum hg_status status = run_in_parts(&launch, 3, &errors[e]);
                if (status != HG_OK && !cases[i].fails) {
                    print_error("%s\nin\n%s", errors[e].message, cases[i].text);
                    fail();
                }
            }
            assert_string_equal(errors[0].message, errors[1].message);
            if (errors[0].status == HG_OK) {
                assert_memory_equal(left[0].region[1].data, left[1].region[1].data, bytes[1]);
            }
            memory_free(&left[0]);
            memory_free(&left[1]);
            memory_free(&start);
        }
        hg_program_unref(&program);
    }
}

/* The last element of an operand, and of POOL memory, can be had; a byte further on fails. */
static void last_bytes(void **state)
{
    (void)state;
    static const char *const texts[] = {
        /* operands of 100 bytes; k3 is the offset */
        "param.u64 r1, 3\nldg.u32 r2, [b0 + r1]\nstg.u32 [b1], r2\nexit\n",
        "param.u64 r1, 3\nldg.u32 r2, [b0]\nstg.u32 [b1 + r1], r2\nexit\n",
        "param.u64 r1, 3\nsub.u64 r2, r255, r255\nadd.u64 r1, r1, r2\nldg.u32 r2, [b0 + r1]\n"
        "stg.u32 [b1 + lane], r2\nexit\n",
        "param.u64 r1, 3\nmov_imm.u64 r9, 100\npool.alloc r8, r9\npool.load.u32 r2, r8, r1\n"
        "ldg.u32 r3, [b0]\nstg.u32 [b1], r2\nexit\n",
        "param.u64 r1, 3\nmov_imm.u64 r9, 100\npool.alloc r8, r9\nsub.u64 r2, r255, r255\n"
        "add.u64 r1, r1, r2\nldg.u32 r3, [b0]\npool.store.u32 r8, r1, r3\n"
        "stg.u32 [b1], r3\nexit\n",
        "param.u64 r1, 3\nmov_imm.u64 r9, 100\npool.alloc r8, r9\nldg.u32 r3, [b0]\n"
        "pool.store.u32 r8, r1, r3\nstg.u32 [b1], r3\nexit\n",
    };
    static uint8_t in[100];
    static uint8_t out[100];
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct hg_program *program = program_of(texts[i]);
        for (int run = 0; run < 4; run++) {
            struct hg_launch launch = launch_of(program, 1, 1);
            launch.executor = (enum hg_executor)(run / 2);
            launch.params[3] = run % 2 == 0 ? 96 : 97;
            launch.operands[0] = (struct hg_operand){in, sizeof in, false};
            launch.operands[1] = (struct hg_operand){out, sizeof out, true};
            launch.operand_count = 2;
            struct hg_error error = HG_ERROR_INIT;
            enum hg_status status = hg_exec_launch(&launch, &error);
            if (status != (run % 2 == 0 ? HG_OK : HG_OUT_OF_RANGE)) {
                print_error("run %d: %s\n%s", run, error.message, texts[i]);
                fail();
            }
        }
        hg_program_unref(&program);
    }
}

/* ---- scratch, POOL --------------------------------------------------------------------------- */

/* Scratch starts each block as zeros and holds what the block stores. */
static void scratch(void **state)
{
    (void)state;
    static const char *const text =
        ".scratch 12292\nloop.blocks @end\nlds.u32 r1, [s + 4 + lane]\nldg.u32 r2, [b0 + lane]\n"
        "add.u32 r1, r1, r2\nsts.u32 [s + 4 + lane], r1\nlds.u32 r3, [s + 4 + lane]\n"
        "stg.u32 [b1 + lane], r3\nend:\nexit\n";
    enum { N = 10000 };
    const size_t bytes[] = {N * 4, N * 4};
    struct memory start = memory_of(2, bytes, 2);
    struct hg_error error;
    struct memory end = run_everywhere(text, &start, 1, N, &error);
    assert_int_equal(error.status, HG_OK);
    assert_memory_equal(start.region[0].data, end.region[1].data, bytes[0]);
    memory_free(&start);
    memory_free(&end);
}

/* At top level scratch and uniform memory outlive a segment, and uniform read-modify-write happens
 * once, whatever the tiles. */
static void across_segments(void **state)
{
    (void)state;
    static const char *const text =
        ".scratch 12288\nldg.u32 r1, [b0 + lane]\nsts.u32 [s + lane], r1\nldg.u32 r5, [b2]\n"
        "mov_imm.u32 r6, 1\nadd.u32 r5, r5, r6\nstg.u32 [b2], r5\nbar.sync\n"
        "lds.u32 r2, [s + lane]\nadd.u32 r2, r2, r5\nstg.u32 [b1 + lane], r2\nexit\n";
    enum { N = 3000 };
    const size_t bytes[] = {N * 4, N * 4, 4};
    struct memory start = memory_of(3, bytes, 6);
    set_element(start.region[2].data, HG_U32, 0, 41);
    struct hg_error error;
    struct memory end = run_everywhere(text, &start, 1, N, &error);
    assert_int_equal(error.status, HG_OK);
    assert_int_equal(element_at(end.region[2].data, HG_U32, 0), 42);
    for (uint64_t i = 0; i < N; i++) {
        assert_int_equal(element_at(end.region[1].data, HG_U32, i),
                         (uint32_t)(element_at(start.region[0].data, HG_U32, i) + 42));
    }
    memory_free(&start);
    memory_free(&end);
}

/* The same without scratch: all lanes, of whatever tile, see one old and one new value. */
static void uniform_update(void **state)
{
    (void)state;
    static const char *const text =
        "ldg.u32 r5, [b2]\nldg.u32 r1, [b0 + lane]\nadd.u32 r1, r1, r5\nmov_imm.u32 r6, 1\n"
        "add.u32 r5, r5, r6\nstg.u32 [b2], r5\nldg.u32 r7, [b2]\nadd.u32 r1, r1, r7\n"
        "stg.u32 [b1 + lane], r1\nexit\n";
    enum { N = 3000 };
    const size_t bytes[] = {N * 4, N * 4, 4};
    struct memory start = memory_of(3, bytes, 6);
    set_element(start.region[2].data, HG_U32, 0, 20);
    struct hg_error error;
    struct memory end = run_everywhere(text, &start, 1, N, &error);
    assert_int_equal(error.status, HG_OK);
    assert_int_equal(element_at(end.region[2].data, HG_U32, 0), 21);
    for (uint64_t i = 0; i < N; i++) {
        assert_int_equal(element_at(end.region[1].data, HG_U32, i),
                         (uint32_t)(element_at(start.region[0].data, HG_U32, i) + 41));
    }
    memory_free(&start);
    memory_free(&end);
}

/* POOL memory is zeroed, per block, bounded and freed with it. */
static void pools(void **state)
{
    (void)state;
    static const char *const text =
        "mov_imm.u64 r9, 32768\nloop.blocks @end\npool.alloc r1, r9\ncvt.u64.u32 r2, r252\n"
        "mov_imm.u32 r7, 3\nshl.u64 r2, r2, r7\nldg.u64 r3, [b0 + lane]\n"
        "pool.load.u64 r4, r1, r2\nadd.u64 r3, r3, r4\npool.store.u64 r1, r2, r3\n"
        "pool.load.u64 r5, r1, r2\nstg.u64 [b1 + lane], r5\nend:\nexit\n";
    enum { N = 4000 };
    const size_t bytes[] = {N * 8, N * 8};
    struct memory start = memory_of(2, bytes, 2);
    struct hg_error error;
    uint64_t before = hg_alloc_live_bytes(HG_TAG_EXEC);
    struct memory end = run_everywhere(text, &start, 1, N, &error);
    assert_int_equal(error.status, HG_OK);
    assert_memory_equal(start.region[0].data, end.region[1].data, bytes[0]);
    memory_free(&end);
    /* Not live, out of bounds, too much. */
    static const struct {
        const char *text;
        enum hg_status status;
    } failing[] = {
        {"mov_imm.u64 r9, 64\npool.alloc r1, r9\npool.free r1\npool.free r1\nldg.u8 r4, [b0]\n"
         "stg.u8 [b1], r4\nexit\n",
         HG_OUT_OF_RANGE},
        {"mov_imm.u64 r9, 64\nmov_imm.u64 r8, 57\npool.alloc r1, r9\npool.load.u64 r2, r1, r8\n"
         "ldg.u8 r4, [b0]\nstg.u8 [b1], r4\nexit\n",
         HG_OUT_OF_RANGE},
        {"mov_imm.u64 r9, 1048577\npool.alloc r1, r9\nldg.u8 r4, [b0]\nstg.u8 [b1], r4\nexit\n",
         HG_RESOURCE_EXHAUSTED},
        {"mov_imm.u64 r9, 1\nmov_imm.u32 r8, 65\nloop r8, @e\npool.alloc r1, r9\ne:\n"
         "ldg.u8 r4, [b0]\nstg.u8 [b1], r4\nexit\n",
         HG_RESOURCE_EXHAUSTED},
        {"mov_imm.u64 r9, 1\nmov_imm.u32 r8, 64\nloop r8, @e\npool.alloc r1, r9\ne:\n"
         "ldg.u8 r4, [b0]\nstg.u8 [b1], r4\nexit\n",
         HG_OK},
    };
    for (size_t i = 0; i < COUNT_OF(failing); i++) {
        end = run_everywhere(failing[i].text, &start, 1, 100, &error);
        assert_int_equal(error.status, failing[i].status);
        memory_free(&end);
    }
    memory_free(&start);
    hg_exec_release_cached();
    assert_true(hg_alloc_live_bytes(HG_TAG_EXEC) <= before);
}

/* ---- classes --------------------------------------------------------------------------------- */

/* Φ addresses reach the classes that the launch may use, up to their last byte. */
static void phi(void **state)
{
    (void)state;
    struct hg_program *program =
        program_of("ldg.u8 r1, [phi(1, 2, 3) + lane]\nstg.u8 [phi(95, 0, 0) + lane], r1\nexit\n");
    struct region pool = region_new(HG_BOUNDARY_BYTES, 0);
    for (size_t i = 0; i < pool.size; i++) {
        pool.data[i] = (uint8_t)(i * 7 + i / 256);
    }
    for (int e = 0; e < 2; e++) {
        struct hg_launch launch = launch_of(program, 1, 12288 - 515);
        launch.executor = (enum hg_executor)e;
        launch.boundary_base = pool.data;
        struct hg_error error = HG_ERROR_INIT;
        launch.boundary_classes[0] = 1u << 1;
        assert_int_equal(hg_exec_launch(&launch, &error), HG_PERMISSION_DENIED);
        assert_non_null(strstr(error.message, "class 95"));
        launch.boundary_classes[1] = 1ull << 31;
        memset(pool.data + 95 * 12288, 0, 12288);
        launch_ok(&launch);
        assert_memory_equal(pool.data + 95 * 12288, pool.data + 12803, 12288 - 515);
        launch.params[HG_PARAM_N] = ++launch.params[HG_PARAM_COLS];
        assert_int_equal(hg_exec_launch(&launch, &error), HG_OUT_OF_RANGE);
        launch.boundary_base = NULL;
        assert_int_equal(hg_exec_launch(&launch, &error), HG_PERMISSION_DENIED);
    }
    hg_program_unref(&program);
    region_free(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads),           cmocka_unit_test(stores),
        cmocka_unit_test(in_place),        cmocka_unit_test(gathers),
        cmocka_unit_test(scatters),        cmocka_unit_test(computed),
        cmocka_unit_test(last_bytes),      cmocka_unit_test(scratch),
        cmocka_unit_test(across_segments), cmocka_unit_test(uniform_update),
        cmocka_unit_test(pools),           cmocka_unit_test(phi),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
