/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random programs: what the verifier accepts goes through text and bytes and back, and what it says
 * does not depend on how it got the program. HG_TEST_SEED sets the seed, which is printed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/isa/support.h"

#define PROGRAMS   30000
#define INSNS_MOST 24

static uint64_t random_state;

static uint64_t random_bits(void)
{
    /* splitmix64: http://prng.di.unimi.it/splitmix64.c, public domain */
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint32_t below(uint32_t bound)
{
    return (uint32_t)(random_bits() % bound);
}

static bool one_in(uint32_t n)
{
    return below(n) == 0;
}

static struct hg_addr random_addr(uint8_t op)
{
    struct hg_addr addr;
    memset(&addr, 0, sizeof addr);
    bool scratch = op == HG_OP_LDS || op == HG_OP_STS;
    addr.mode = (uint8_t)(scratch ? HG_ADDR_SCRATCH : below(HG_ADDR_SCRATCH));
    if (addr.mode != HG_ADDR_INDIRECT) {
        addr.lane = (uint8_t)(scratch ? below(2) : one_in(2) ? HG_LANE_STRIDE : below(5));
    }
    bool period = addr.lane == HG_LANE_MOD || addr.lane == HG_LANE_DIV;
    if (addr.lane == HG_LANE_STRIDE) {
        addr.factor = !scratch && one_in(4) ? 1 + below(9) : 1;
    } else if (period) {
        addr.factor = one_in(2) ? 0 : 1 + (uint32_t)(random_bits() >> 33);
    }
    if (addr.mode == HG_ADDR_PHI) {
        addr.offset = below(HG_BOUNDARY_BYTES);
    } else if (addr.mode != HG_ADDR_COMPUTED) {
        addr.offset = one_in(2) ? 0 : one_in(4) && !scratch ? 70000 : below(300);
    }
    if (addr.mode == HG_ADDR_INDIRECT && one_in(2)) {
        addr.offset = -addr.offset;
    }
    if (addr.mode != HG_ADDR_PHI && !scratch) {
        addr.slot = (uint8_t)(one_in(8) ? HG_SLOT_HANDLE : below(4));
        addr.handle = addr.slot == HG_SLOT_HANDLE ? random_bits() >> below(64) : 0;
    }
    if (hg_addr_computed(&addr)) {
        addr.reg = (uint8_t)(one_in(3) ? HG_REG_LANE : below(6));
    }
    return addr;
}

static struct hg_mma random_mma(void)
{
    struct hg_mma mma;
    memset(&mma, 0, sizeof mma);
    mma.b.slot = 1;
    mma.flags = (uint8_t)(below(4) | (one_in(2) ? HG_MMA_PARAMS : 0));
    if ((mma.flags & HG_MMA_PARAMS) != 0) {
        mma.m = below(16);
        mma.n = below(16);
        mma.k = below(16);
        mma.lda = below(16);
        mma.ldb = below(16);
        return mma;
    }
    mma.m = below(65);
    mma.n = below(65);
    mma.k = below(65);
    mma.lda = 64 + below(1000);
    mma.ldb = 64 + (uint32_t)(random_bits() >> 33);
    mma.flags |= mma.n == 1 ? HG_MMA_ORDER_DOT : 0;
    return mma;
}

static struct hg_insn random_insn(uint32_t index, uint32_t count)
{
    struct hg_insn insn;
    memset(&insn, 0, sizeof insn);
    insn.op = (uint8_t)(one_in(2) ? below(HG_OP_BRA) : below(HG_OPCODE_COUNT));
    const struct hg_insn_info *info = hg_insn_info(insn.op);
    if (info->types != 0) {
        do {
            /* Few types, so that registers often have the right one. */
            insn.type = (uint8_t)(one_in(8) ? below(HG_DTYPE_COUNT) : one_in(2) ? HG_U32 : HG_F32);
        } while (!hg_dtype_in(insn.type, info->types) && !one_in(50));
        if (!hg_dtype_in(insn.type, info->types)) {
            insn.type = (uint8_t)__builtin_ctz(info->types);
        }
    }
    if (info->form == HG_FORM_CVT) {
        insn.type2 = (uint8_t)(one_in(2) ? HG_U32 : HG_F32);
    } else if (info->form == HG_FORM_SETCC) {
        insn.cond =
            (uint8_t)below(hg_dtype_in(insn.type, HG_DT_UINT) ? HG_COND_COUNT : HG_COND_LTU);
    } else if (info->form == HG_FORM_BRANCH || info->form == HG_FORM_EXIT) {
        insn.pred = (uint8_t)(one_in(2) ? HG_PRED_NONE : below(2));
    }
    for (const char *letter = hg_insn_syntax(insn.op); *letter != '\0'; letter++) {
        switch (*letter) {
        case 'd':
        case 'q':
            insn.dst = (uint8_t)below(6);
            break;
        case 'a':
            insn.a = (uint8_t)below(6);
            break;
        case 'b':
            insn.b = (uint8_t)below(6);
            break;
        case 'c':
            insn.c = (uint8_t)below(6);
            break;
        case 'p':
            insn.pred = (uint8_t)below(2);
            break;
        case 'm':
            insn.u.addr = random_addr(insn.op);
            break;
        case 'i':
            insn.u.imm =
                random_bits() >> below(64) & UINT64_MAX >> (64 - 8 * hg_dtype_bytes(insn.type));
            break;
        case 'k':
            insn.count = (uint16_t)below(insn.op == HG_OP_PARAM ? 16 : 5);
            break;
        case 't':
            insn.target = insn.op == HG_OP_BRA && one_in(4) ? below(count + 1)
                                                            : index + below(count - index + 1);
            break;
        default:
            insn.dst = (uint8_t)below(6);
            insn.u.mma = random_mma();
            break;
        }
    }
    return insn;
}

/* Bytes of a program that verifies, through every form it has. */
static void check_program(const struct hg_code *code, const struct hg_code_facts *facts)
{
    for (uint32_t i = 0; i < code->insn_count; i++) {
        assert_pack_round_trip(&code->insns[i]);
    }
    assert_text_round_trip(code);
    assert_binary_round_trip(code);
    struct hg_code_facts again;
    assert_verifies(code, &again);
    assert_memory_equal(&again, facts, sizeof again);
    assert_in_range(facts->block_lanes, 1536, 12288);
    assert_true(facts->block_lanes != 0 && 12288 % facts->block_lanes == 0);
    assert_true(facts->cost > 0);
}

/* Grown one instruction at a time: one that makes the program wrong is taken back. */
static uint32_t grow_program(struct hg_insn *insns, uint32_t length)
{
    uint32_t count = 0;
    struct hg_code_facts facts;
    for (uint32_t tries = 0; count < length && tries < 8 * length; tries++) {
        insns[count] = random_insn(count, length);
        struct hg_code code = {{4, 16384}, insns, count + 1};
        struct hg_error error = HG_ERROR_INIT;
        if (hg_code_verify(&code, &facts, &error) == HG_OK) {
            count++;
        } else {
            assert_int_equal(error.status, HG_INVALID_ARGUMENT);
            assert_true(strlen(error.message) > 10);
        }
    }
    return count;
}

static void random_programs_go_round(void **state)
{
    (void)state;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < PROGRAMS / 10; i++) {
        struct hg_insn insns[INSNS_MOST];
        uint32_t count = grow_program(insns, 1 + below(INSNS_MOST));
        struct hg_code code = {{4, 16384}, insns, count};
        struct hg_code_facts facts;
        if (count > 0) {
            assert_verifies(&code, &facts);
            check_program(&code, &facts);
        }
        sum += count;
    }
    print_message("%d programs of %llu instructions\n", PROGRAMS / 10, (unsigned long long)sum);
    assert_true(sum > PROGRAMS / 2);
}

/* Whole programs at random, control flow and all: refused or accepted, never anything else. */
static void random_control_goes_round(void **state)
{
    (void)state;
    uint32_t accepted = 0;
    for (uint32_t i = 0; i < PROGRAMS; i++) {
        struct hg_insn insns[INSNS_MOST + 6];
        uint32_t length = 8 + below(INSNS_MOST - 2);
        for (uint32_t r = 0; r < 6; r++) {
            memset(&insns[r], 0, sizeof insns[r]);
            insns[r].op = HG_OP_MOV_IMM;
            insns[r].type = r < 3 ? HG_U32 : r == 3 ? HG_U64 : HG_F32;
            insns[r].dst = (uint8_t)r;
        }
        memset(&insns[6], 0, sizeof insns[6]);
        insns[6].op = HG_OP_SETCC;
        insns[6].type = HG_U32;
        for (uint32_t k = 7; k < length; k++) {
            do {
                insns[k] = random_insn(k, length);
            } while (one_in(3) && insns[k].op < HG_OP_BRA);
        }
        struct hg_code code = {{4, 16384}, insns, length};
        struct hg_code_facts facts;
        struct hg_error error = HG_ERROR_INIT;
        if (hg_code_verify(&code, &facts, &error) == HG_OK) {
            check_program(&code, &facts);
            accepted++;
        } else {
            assert_int_equal(error.status, HG_INVALID_ARGUMENT);
        }
    }
    print_message("%u of %d accepted\n", accepted, PROGRAMS);
    assert_true(accepted > 20);
}

static int seed_random(void **state)
{
    (void)state;
    const char *given = getenv("HG_TEST_SEED");
    random_state = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    print_message("HG_TEST_SEED=%llu\n", (unsigned long long)random_state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_programs_go_round),
        cmocka_unit_test(random_control_goes_round),
    };
    return cmocka_run_group_tests(tests, seed_random, NULL);
}
