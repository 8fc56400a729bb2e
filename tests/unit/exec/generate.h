/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random programs, most of which verify. Choices come from bytes, for as long as there are any
 * (fuzzing), and from a seeded generator.
 */
#ifndef HG_TESTS_UNIT_EXEC_GENERATE_H
#define HG_TESTS_UNIT_EXEC_GENERATE_H

#include "tests/unit/exec/support.h"

enum { REGISTERS = 14, PREDICATES = 4, INPUTS = 4, OUTPUTS = 8, INSNS = 120 };
#define INPUT_BYTES 65536

static uint64_t seed;
static const uint8_t *choices;
static size_t choice_count;

static uint32_t below(uint32_t bound)
{
    if (choice_count > 1) {
        uint32_t choice = (uint32_t)(choices[0] | choices[1] << 8);
        choices += 2;
        choice_count -= 2;
        return choice % bound;
    }
    return (uint32_t)(next_random(&seed) % bound);
}

static bool chance(uint32_t percent)
{
    return below(100) < percent;
}

/* ---- what has been generated ----------------------------------------------------------------- */

enum { ABSENT = 255 };

struct generator {
    struct hg_insn insns[INSNS];
    uint32_t count;
    uint8_t type[REGISTERS]; /* of what each register holds, or ABSENT */
    enum hg_level level[REGISTERS];
    bool predicate[PREDICATES];
    enum hg_level predicate_level[PREDICATES];
    bool in_blocks; /* in a LOOP.BLOCKS body */
    bool in_loop;   /* in the body of a LOOP: types and presence must stay */
    bool plain;     /* mostly what has native code: few types, most addresses in lines */
    uint8_t palette[3];
    unsigned outputs;
    enum hg_dtype output_type[OUTPUTS];
    bool written_in_body[REGISTERS];
    bool predicate_in_body[PREDICATES];
};

static enum hg_dtype any_type(const struct generator *g)
{
    return (enum hg_dtype)(g->plain ? g->palette[below(3)] : below(HG_DTYPE_COUNT));
}

static void emit(struct generator *g, struct hg_insn insn)
{
    g->insns[g->count++] = insn;
}

/* A register that holds a TYPE in SET, or -1. */
static int source(const struct generator *g, uint32_t set)
{
    int found = -1;
    uint32_t seen = 0;
    for (int r = 0; r < REGISTERS; r++) {
        if (g->type[r] != ABSENT && hg_dtype_in((enum hg_dtype)g->type[r], set) &&
            below(++seen) == 0) {
            found = r;
        }
    }
    return found;
}

/* A register for a result of TYPE and LEVEL; in a loop only one that holds such already. */
static int target(struct generator *g, enum hg_dtype type, enum hg_level level)
{
    int r = (int)below(REGISTERS);
    for (int tries = 0; g->in_loop && tries < REGISTERS; tries++) {
        if (g->type[r] == type && g->level[r] == HG_LEVEL_LANE) {
            return r;
        }
        r = (r + 1) % REGISTERS;
    }
    if (g->in_loop) {
        return -1;
    }
    g->type[r] = (uint8_t)type;
    g->level[r] = level;
    g->written_in_body[r] |= g->in_blocks;
    return r;
}

static enum hg_level level_of(const struct generator *g, int a, int b, int c)
{
    enum hg_level level = HG_LEVEL_LAUNCH;
    const int regs[] = {a, b, c};
    for (int i = 0; i < 3; i++) {
        if (regs[i] >= 0 && g->level[regs[i]] > level) {
            level = g->level[regs[i]];
        }
    }
    return level;
}

/* ---- instructions ---------------------------------------------------------------------------- */

static void gen_load(struct generator *g)
{
    static const uint8_t modes[] = {HG_LANE_STRIDE, HG_LANE_STRIDE, HG_LANE_STRIDE, HG_LANE_NONE,
                                    HG_LANE_MOD,    HG_LANE_DIV,    HG_LANE_ROW};
    struct hg_insn insn = {.op = HG_OP_LDG, .type = (uint8_t)any_type(g)};
    struct hg_addr *addr = &insn.u.addr;
    addr->slot = (uint8_t)below(INPUTS);
    addr->lane = modes[below(COUNT_OF(modes))];
    addr->factor = addr->lane == HG_LANE_STRIDE ? (chance(g->plain ? 95 : 80) ? 1 : 2)
                   : addr->lane == HG_LANE_NONE || addr->lane == HG_LANE_ROW ? 0
                   : chance(g->plain ? 90 : 60)                              ? 0
                                                                             : 1 + below(9);
    addr->offset = chance(50) ? 0 : below(33);
    enum hg_level level = addr->lane == HG_LANE_NONE  ? HG_LEVEL_LAUNCH
                          : addr->lane == HG_LANE_ROW ? HG_LEVEL_ROW
                                                      : HG_LEVEL_LANE;
    int dst = target(g, (enum hg_dtype)insn.type, level);
    if (dst >= 0) {
        insn.dst = (uint8_t)dst;
        emit(g, insn);
    }
}

static void gen_constant(struct generator *g)
{
    struct hg_insn insn = {.op = HG_OP_MOV_IMM, .type = (uint8_t)any_type(g)};
    insn.u.imm = random_element((enum hg_dtype)insn.type, &seed);
    if (chance(15)) {
        insn.op = HG_OP_PARAM;
        insn.count = (uint16_t)below(HG_PARAM_COUNT);
    }
    int dst = target(g, (enum hg_dtype)insn.type, HG_LEVEL_LAUNCH);
    if (dst >= 0) {
        insn.dst = (uint8_t)dst;
        emit(g, insn);
    }
}

/* COUNT sources of one type that OP takes. */
static void gen_plain(struct generator *g, enum hg_opcode op, unsigned count)
{
    const struct hg_insn_info *info = hg_insn_info(op);
    int regs[3] = {-1, -1, -1};
    regs[0] = source(g, info->types);
    if (regs[0] < 0) {
        return;
    }
    uint32_t set = 1u << g->type[regs[0]];
    for (unsigned i = 1; i < count; i++) {
        regs[i] = source(g, info->form == HG_FORM_SHIFT ? HG_DT(U32) : set);
        if (regs[i] < 0) {
            return;
        }
    }
    struct hg_insn insn = {.op = (uint8_t)op, .type = g->type[regs[0]]};
    insn.a = (uint8_t)regs[0];
    insn.b = (uint8_t)(regs[1] < 0 ? 0 : regs[1]);
    insn.c = (uint8_t)(regs[2] < 0 ? 0 : regs[2]);
    enum hg_level level = level_of(g, regs[0], regs[1], regs[2]);
    int dst = target(g, (enum hg_dtype)insn.type, level);
    if (dst >= 0) {
        insn.dst = (uint8_t)dst;
        emit(g, insn);
    }
}

static void gen_arithmetic(struct generator *g)
{
    for (;;) {
        enum hg_opcode op = (enum hg_opcode)below(HG_OPCODE_COUNT);
        enum hg_insn_form form = hg_insn_info(op)->form;
        unsigned count = form == HG_FORM_MOV                               ? 1
                         : form == HG_FORM_TERNARY                         ? 3
                         : form == HG_FORM_BINARY || form == HG_FORM_SHIFT ? 2
                                                                           : 0;
        /* Integer division mostly fails soon: a little of it is enough. */
        if (count != 0 && (op != HG_OP_DIV || chance(10))) {
            gen_plain(g, op, count);
            return;
        }
    }
}

static void gen_convert(struct generator *g)
{
    int a = source(g, HG_DT_ALL);
    if (a < 0) {
        return;
    }
    struct hg_insn insn = {.op = HG_OP_CVT, .type = (uint8_t)any_type(g), .a = (uint8_t)a};
    insn.type2 = g->type[a];
    int dst = target(g, (enum hg_dtype)insn.type, g->level[a]);
    if (dst >= 0) {
        insn.dst = (uint8_t)dst;
        emit(g, insn);
    }
}

static void gen_special(struct generator *g)
{
    static const struct {
        uint8_t reg, type;
        enum hg_level level;
    } specials[] = {
        {HG_REG_ROW, HG_U64, HG_LEVEL_ROW},           {HG_REG_COLUMN, HG_U64, HG_LEVEL_LANE},
        {HG_REG_BLOCK_LANE, HG_U32, HG_LEVEL_LANE},   {HG_REG_BLOCK, HG_U32, HG_LEVEL_LANE},
        {HG_REG_BLOCK_SIZE, HG_U32, HG_LEVEL_LAUNCH}, {HG_REG_LANE, HG_U64, HG_LEVEL_LANE}};
    unsigned i = below(COUNT_OF(specials));
    if (g->plain && i >= 2 && i <= 4) {
        return; /* what depends on blocks */
    }
    struct hg_insn insn = {.op = HG_OP_MOV, .type = specials[i].type, .a = specials[i].reg};
    int dst = target(g, (enum hg_dtype)insn.type, specials[i].level);
    if (dst >= 0) {
        insn.dst = (uint8_t)dst;
        emit(g, insn);
    }
}

static void gen_compare(struct generator *g)
{
    int a = source(g, HG_DT_ALL);
    if (a < 0 || g->in_loop) {
        return;
    }
    int b = source(g, 1u << g->type[a]);
    struct hg_insn insn = {.op = HG_OP_SETCC, .type = g->type[a], .a = (uint8_t)a, .b = (uint8_t)b};
    insn.cond = (uint8_t)below(6);
    insn.dst = (uint8_t)below(PREDICATES);
    g->predicate[insn.dst] = true;
    g->predicate_level[insn.dst] = level_of(g, a, b, -1);
    g->predicate_in_body[insn.dst] |= g->in_blocks;
    emit(g, insn);
}

static void gen_select(struct generator *g)
{
    unsigned p = below(PREDICATES);
    int a = source(g, HG_DT_ALL);
    if (a < 0 || !g->predicate[p]) {
        return;
    }
    int b = source(g, 1u << g->type[a]);
    struct hg_insn insn = {
        .op = HG_OP_SEL, .type = g->type[a], .a = (uint8_t)a, .b = (uint8_t)b, .pred = (uint8_t)p};
    enum hg_level level = level_of(g, a, b, -1);
    level = g->predicate_level[p] > level ? g->predicate_level[p] : level;
    int dst = target(g, (enum hg_dtype)insn.type, level);
    if (dst >= 0) {
        insn.dst = (uint8_t)dst;
        emit(g, insn);
    }
}

static void gen_reduce_regs(struct generator *g)
{
    int a = source(g, HG_DT_ALL);
    if (a < 0) {
        return;
    }
    unsigned count = 1;
    enum hg_level level = g->level[a];
    while (a + (int)count < REGISTERS && g->type[a + (int)count] == g->type[a] && chance(80)) {
        level = g->level[a + (int)count] > level ? g->level[a + (int)count] : level;
        count++;
    }
    struct hg_insn insn = {.op = (uint8_t)(HG_OP_REDUCE_REGS_ADD + below(4)),
                           .type = g->type[a],
                           .a = (uint8_t)a,
                           .count = (uint16_t)count};
    int dst = target(g, (enum hg_dtype)insn.type, level);
    if (dst >= 0) {
        insn.dst = (uint8_t)dst;
        emit(g, insn);
    }
}

/* A register with byte offsets: some other, or a special one, & MASK, which is mostly in bounds. -1
 * if there is none.
 */
static int gen_offset(struct generator *g, uint64_t mask, enum hg_level *level)
{
    static const uint8_t specials[] = {HG_REG_LANE, HG_REG_COLUMN, HG_REG_ROW};
    int reg = source(g, HG_DT(U64));
    if (g->in_loop || g->count + 5 > INSNS) {
        return -1;
    }
    if (reg < 0 || chance(30)) {
        reg = specials[below(3)];
    }
    int bits = target(g, HG_U64, HG_LEVEL_LAUNCH);
    if (bits == reg) {
        return -1;
    }
    struct hg_insn imm = {.op = HG_OP_MOV_IMM, .type = HG_U64, .dst = (uint8_t)bits};
    imm.u.imm = chance(80) ? mask : mask | 131072;
    emit(g, imm);
    *level = reg < REGISTERS ? g->level[reg] : reg == HG_REG_ROW ? HG_LEVEL_ROW : HG_LEVEL_LANE;
    int offset = target(g, HG_U64, *level);
    if (offset == bits) {
        return -1;
    }
    emit(g, (struct hg_insn){.op = HG_OP_AND,
                             .type = HG_U64,
                             .dst = (uint8_t)offset,
                             .a = (uint8_t)reg,
                             .b = (uint8_t)bits});
    return offset;
}

/* The lane term of a computed address, mostly none; gives the level that it has. */
static enum hg_level gen_lane_term(struct hg_addr *addr, bool stores)
{
    static const uint8_t modes[] = {HG_LANE_NONE,   HG_LANE_NONE, HG_LANE_NONE, HG_LANE_STRIDE,
                                    HG_LANE_STRIDE, HG_LANE_MOD,  HG_LANE_DIV,  HG_LANE_ROW};
    addr->lane = modes[below(stores ? 5 : COUNT_OF(modes))];
    switch (addr->lane) {
    case HG_LANE_STRIDE:
        addr->factor = 1 + below(2);
        return HG_LEVEL_LANE;
    case HG_LANE_MOD:
    case HG_LANE_DIV:
        addr->factor = below(4);
        return HG_LEVEL_LANE;
    case HG_LANE_ROW:
        return HG_LEVEL_ROW;
    default:
        return HG_LEVEL_LAUNCH;
    }
}

static void gen_gather(struct generator *g)
{
    enum hg_level level;
    int offset = gen_offset(g, 4095, &level);
    if (offset < 0) {
        return;
    }
    struct hg_insn insn = {.op = HG_OP_LDG, .type = (uint8_t)any_type(g)};
    insn.u.addr.mode = HG_ADDR_COMPUTED;
    insn.u.addr.slot = (uint8_t)below(INPUTS);
    insn.u.addr.reg = (uint8_t)offset;
    if (chance(20)) { /* a displacement: sometimes below 0, which is far outside */
        insn.u.addr.mode = HG_ADDR_INDIRECT;
        insn.u.addr.offset = (int64_t)below(64) - (chance(10) ? 8 : 0);
    } else {
        enum hg_level term = gen_lane_term(&insn.u.addr, false);
        level = term > level ? term : level;
    }
    insn.dst = (uint8_t)target(g, (enum hg_dtype)insn.type, level);
    emit(g, insn);
}

/* To offsets that are multiples of all widths, so that what is compared are elements. */
static void gen_scatter(struct generator *g)
{
    enum hg_level level;
    if (g->outputs == OUTPUTS || !chance(40)) {
        return;
    }
    int offset = gen_offset(g, 4088, &level);
    int a = source(g, HG_DT_ALL);
    if (offset < 0 || a < 0) {
        return;
    }
    struct hg_insn insn = {.op = HG_OP_STG, .type = g->type[a], .a = (uint8_t)a};
    insn.u.addr.mode = HG_ADDR_COMPUTED;
    insn.u.addr.slot = (uint8_t)(INPUTS + g->outputs);
    insn.u.addr.reg = (uint8_t)offset;
    (void)gen_lane_term(&insn.u.addr, true);
    g->output_type[g->outputs++] = (enum hg_dtype)g->type[a];
    emit(g, insn);
}

static void gen_store(struct generator *g)
{
    int a = source(g, HG_DT_ALL);
    if (a < 0 || g->outputs == OUTPUTS || g->in_loop) {
        return;
    }
    struct hg_insn insn = {.op = HG_OP_STG, .type = g->type[a], .a = (uint8_t)a};
    insn.u.addr.slot = (uint8_t)(INPUTS + g->outputs);
    insn.u.addr.offset = below(9);
    uint8_t lane = HG_LANE_STRIDE;
    if (g->level[a] == HG_LEVEL_ROW && chance(50)) {
        lane = HG_LANE_ROW;
    } else if (g->level[a] == HG_LEVEL_LAUNCH && chance(60)) {
        lane = g->plain ? HG_LANE_NONE : (uint8_t)below(HG_LANE_ROW + 1);
    }
    insn.u.addr.lane = lane;
    insn.u.addr.factor = lane == HG_LANE_STRIDE                       ? (chance(90) ? 1 : 2)
                         : lane == HG_LANE_MOD || lane == HG_LANE_DIV ? below(4)
                                                                      : 0;
    g->output_type[g->outputs++] = (enum hg_dtype)g->type[a];
    emit(g, insn);
}

static void gen_one(struct generator *g)
{
    static void (*const makers[])(struct generator *) = {
        gen_load,       gen_load,    gen_constant, gen_arithmetic, gen_arithmetic,
        gen_arithmetic, gen_convert, gen_select,   gen_compare,    gen_reduce_regs,
        gen_gather,     gen_scatter, gen_special,  gen_store,
    };
    makers[below(COUNT_OF(makers))](g);
}

/* A LOOP of few rounds around a few instructions. */
static void gen_loop(struct generator *g)
{
    int count = target(g, HG_U32, HG_LEVEL_LAUNCH);
    struct hg_insn imm = {.op = HG_OP_MOV_IMM, .type = HG_U32, .dst = (uint8_t)count};
    imm.u.imm = below(4);
    emit(g, imm);
    uint32_t at = g->count;
    emit(g, (struct hg_insn){.op = HG_OP_LOOP, .a = (uint8_t)count});
    g->in_loop = true;
    for (unsigned i = 0; i < 4; i++) {
        gen_one(g);
    }
    g->in_loop = false;
    if (g->count == at + 1) {
        g->count = at; /* an empty body is refused */
        return;
    }
    g->insns[at].target = g->count;
}

static void gen_body(struct generator *g, unsigned length)
{
    for (unsigned i = 0; i < length && g->count < INSNS - 24; i++) {
        if (chance(5)) {
            gen_loop(g);
        } else {
            gen_one(g);
        }
    }
}

static void gen_reduce(struct generator *g)
{
    uint8_t used[3] = {0};
    unsigned count = 1 + (chance(30) ? below(2) : 0);
    for (unsigned i = 0; i < count; i++) {
        int a = source(g, HG_DT_ALL);
        uint8_t dst = (uint8_t)below(REGISTERS);
        bool twice = a < 0 || (i > 0 && used[0] == dst);
        if (twice || (i > 0 && used[0] == a)) {
            continue;
        }
        used[i] = dst;
        emit(g, (struct hg_insn){.op = (uint8_t)(HG_OP_REDUCE_ADD + below(4)),
                                 .type = g->type[a],
                                 .a = (uint8_t)a,
                                 .dst = dst});
        g->type[dst] = g->type[a];
        g->level[dst] = HG_LEVEL_ROW;
    }
}

/* Per-lane values are dead behind a segment; behind LOOP.BLOCKS all that its body wrote. */
static void end_segment(struct generator *g, bool body, uint32_t start)
{
    bool result[REGISTERS] = {false};
    for (uint32_t i = g->count; i-- > start;) {
        if (g->insns[i].op < HG_OP_REDUCE_ADD || g->insns[i].op > HG_OP_REDUCE_MUL) {
            break;
        }
        result[g->insns[i].dst] = true;
    }
    for (int r = 0; r < REGISTERS; r++) {
        bool dead = g->level[r] == HG_LEVEL_LANE || (body && g->written_in_body[r]);
        if (dead && !result[r]) {
            g->type[r] = ABSENT;
        }
        g->written_in_body[r] = false;
    }
    for (int p = 0; p < PREDICATES; p++) {
        if (g->predicate_level[p] == HG_LEVEL_LANE || (body && g->predicate_in_body[p])) {
            g->predicate[p] = false;
        }
        g->predicate_in_body[p] = false;
    }
}

/* A body may not read what it writes later: it must not exist when the body starts. */
static void gen_blocks(struct generator *g)
{
    struct generator before = *g;
    uint32_t at = g->count;
    emit(g, (struct hg_insn){.op = HG_OP_LOOP_BLOCKS});
    g->in_blocks = true;
    gen_body(g, 3 + below(14));
    if (chance(60)) {
        gen_reduce(g);
    }
    g->in_blocks = false;
    g->insns[at].target = g->count;
    if (g->count == at + 1) {
        *g = before;
        return;
    }
    end_segment(g, true, at);
}

static void gen_program(struct generator *g)
{
    memset(g, 0, sizeof *g);
    memset(g->type, ABSENT, sizeof g->type);
    for (int r = 0; r < REGISTERS; r++) {
        g->level[r] = HG_LEVEL_LANE;
    }
    g->plain = chance(60);
    for (unsigned i = 0; i < 3; i++) {
        g->palette[i] = (uint8_t)(chance(50) ? HG_F32 : below(HG_DTYPE_COUNT));
    }
    unsigned segments = 1 + below(4);
    bool top = chance(50);
    for (unsigned s = 0; s < segments; s++) {
        uint32_t start = g->count;
        if (!top && chance(70)) {
            gen_blocks(g);
            continue;
        }
        gen_body(g, 2 + below(12));
        if (top && chance(50)) {
            gen_reduce(g);
        } else {
            emit(g, (struct hg_insn){.op = HG_OP_BAR_SYNC});
        }
        end_segment(g, false, start);
    }
    gen_store(g);
    emit(g, (struct hg_insn){.op = HG_OP_EXIT, .pred = HG_PRED_NONE});
}

#endif
