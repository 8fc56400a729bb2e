/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/exec/code.h"

#include "lib/base/alloc.h"
#include "lib/base/check.h"

/* ---- loading --------------------------------------------------------------------------------- */

/* Facts follow from the words and what the header declares. */
static bool same_program(const struct hg_exec_code *code, const struct hg_program *program)
{
    return code->word_count == program->word_count && code->word_count != 0 &&
           memcmp(code->words, program->words, code->word_count * sizeof *code->words) == 0 &&
           code->facts.slot_count == program->facts.slot_count &&
           code->facts.scratch_bytes == program->facts.scratch_bytes;
}

/* Room for the words and the steps of PROGRAM; what was there is lost. */
static enum hg_status reserve(struct hg_exec_code *code, const struct hg_program *program)
{
    size_t words = program->word_count * sizeof *code->words;
    size_t size = words + program->facts.insn_count * sizeof *code->steps;
    code->word_count = 0;
    if (size > code->capacity_bytes) {
        hg_free(HG_TAG_EXEC, code->words);
        code->words = hg_malloc(HG_TAG_EXEC, size);
        code->capacity_bytes = code->words != NULL ? size : 0;
        if (code->words == NULL) {
            return HG_RESOURCE_EXHAUSTED;
        }
    }
    code->steps = (struct hg_step *)(void *)((uint8_t *)code->words + words);
    return HG_OK;
}

static void unpack(struct hg_exec_code *code, const struct hg_program *program)
{
    uint32_t position = 0;
    for (uint32_t i = 0; i < program->facts.insn_count; i++) {
        struct hg_step *step = &code->steps[i];
        memset(step, 0, sizeof *step);
        enum hg_status status =
            hg_insn_unpack(program->words, program->word_count, &position, &step->insn);
        HG_REQUIRE(status == HG_OK);
    }
}

/* ---- operands -------------------------------------------------------------------------------- */

/* The operand number of a baked handle: after the declared slots, in order of first use. */
static uint8_t handle_operand(struct hg_exec_code *code, uint64_t handle)
{
    uint32_t declared = code->facts.slot_count;
    for (uint32_t i = declared; i < code->operand_count; i++) {
        if (code->handles[i] == handle) {
            return (uint8_t)i;
        }
    }
    HG_REQUIRE(code->operand_count < HG_SLOT_COUNT_MAX);
    code->handles[code->operand_count] = handle;
    return (uint8_t)code->operand_count++;
}

static void resolve_address(struct hg_exec_code *code, struct hg_addr *addr)
{
    if (addr->mode == HG_ADDR_PHI) {
        addr->slot = HG_OPERAND_BOUNDARY;
    } else if (addr->mode == HG_ADDR_SCRATCH) {
        addr->slot = HG_OPERAND_SCRATCH;
    } else if (addr->slot == HG_SLOT_HANDLE) {
        addr->slot = handle_operand(code, addr->handle);
    }
    HG_REQUIRE(addr->slot < HG_OPERAND_ALL);
    if (addr->mode == HG_ADDR_INDIRECT) {
        addr->lane = HG_LANE_NONE;
    }
}

static void resolve_operands(struct hg_exec_code *code)
{
    code->operand_count = code->facts.slot_count;
    for (uint32_t i = 0; i < code->facts.insn_count; i++) {
        struct hg_insn *insn = &code->steps[i].insn;
        if (hg_insn_has_addr(insn)) {
            resolve_address(code, &insn->u.addr);
        } else if (insn->op == HG_OP_MMA) {
            resolve_address(code, &insn->u.mma.a);
            resolve_address(code, &insn->u.mma.b);
        }
    }
}

/* ---- places ---------------------------------------------------------------------------------- */

static void widen(uint8_t width[HG_PLACE_MAX], unsigned number, unsigned bytes)
{
    if (width[number] < bytes) {
        width[number] = (uint8_t)bytes;
    }
}

/* The widest use of every register and predicate, 0 where there is none. */
static void find_widths(const struct hg_exec_code *code, uint8_t width[HG_PLACE_MAX])
{
    memset(width, 0, HG_PLACE_MAX);
    for (uint32_t i = 0; i < code->facts.insn_count; i++) {
        struct hg_insn_uses uses;
        hg_insn_uses(&code->steps[i].insn, &uses);
        for (unsigned r = 0; r < uses.read_count; r++) {
            for (unsigned j = 0; j < (r == 0 ? uses.run : 1u); j++) {
                widen(width, uses.reads[r].reg + j, hg_dtype_bytes(uses.reads[r].type));
            }
        }
        if (uses.writes) {
            widen(width, uses.write.reg, hg_dtype_bytes(uses.write.type));
        }
        if (uses.pred_read != HG_PRED_NONE) {
            widen(width, HG_REGISTER_COUNT + uses.pred_read, 1);
        }
        if (uses.pred_write != HG_PRED_NONE) {
            widen(width, HG_REGISTER_COUNT + uses.pred_write, 1);
        }
    }
}

/* Numbers the places and gives the map from registers and predicates to them. */
static void number_places(struct hg_exec_code *code, uint16_t place_of[HG_PLACE_MAX])
{
    uint8_t width[HG_PLACE_MAX];
    find_widths(code, width);
    code->place_count = 0;
    code->width_sum = 0;
    for (unsigned number = 0; number < HG_PLACE_MAX; number++) {
        if (number == HG_REGISTER_COUNT) {
            code->reg_count = code->place_count;
        }
        place_of[number] = HG_PLACE_NONE;
        if (width[number] != 0) {
            place_of[number] = code->place_count;
            code->width[code->place_count++] = width[number];
            code->width_sum += width[number];
        }
    }
    for (unsigned i = 0; i < HG_ARRAY_COUNT(code->special); i++) {
        code->special[i] = place_of[HG_REG_SPECIAL + i];
    }
}

static uint16_t span_of_call(const struct hg_exec_code *code, uint32_t target)
{
    uint32_t i = target;
    while (i + 1 < code->facts.insn_count && code->steps[i].insn.op != HG_OP_RET) {
        i++;
    }
    return (uint16_t)(i - target + 1);
}

static void place_step(struct hg_exec_code *code, struct hg_step *step,
                       const uint16_t place_of[HG_PLACE_MAX])
{
    const struct hg_insn *insn = &step->insn;
    const struct hg_insn_info *info = hg_insn_info(insn->op);
    struct hg_insn_uses uses;
    hg_insn_uses(insn, &uses);
    step->dst = uses.writes                       ? place_of[uses.write.reg]
                : uses.pred_write != HG_PRED_NONE ? place_of[HG_REGISTER_COUNT + uses.pred_write]
                                                  : HG_PLACE_NONE;
    step->a = place_of[insn->a];
    step->b = place_of[insn->b];
    step->c = place_of[insn->c];
    step->pred =
        insn->pred < HG_PREDICATE_COUNT ? place_of[HG_REGISTER_COUNT + insn->pred] : HG_PLACE_NONE;
    step->offset = hg_insn_has_addr(insn) ? place_of[insn->u.addr.reg] : HG_PLACE_NONE;
    step->bytes = info->types != 0 ? (uint8_t)hg_dtype_bytes(insn->type) : 0;
    step->flags = (uint8_t)(((info->flags & HG_INSN_CONTROL) != 0 ? HG_STEP_CONTROL : 0) |
                            ((info->flags & HG_INSN_SEGMENT_END) != 0 ? HG_STEP_SEGMENT_END : 0));
    step->span = insn->op == HG_OP_CALL ? span_of_call(code, insn->target) : 0;
}

static void place_steps(struct hg_exec_code *code, const struct hg_program *program)
{
    uint16_t *place_of = code->place_of;
    number_places(code, place_of);
    for (uint32_t i = 0; i < code->facts.insn_count; i++) {
        place_step(code, &code->steps[i], place_of);
    }
    uint8_t arrays[HG_PLACE_MAX];
    code->row_array_count = hg_exec_row_arrays(program, arrays);
    for (unsigned number = 0; number < HG_PLACE_MAX; number++) {
        if (place_of[number] != HG_PLACE_NONE) {
            code->row_arrays[place_of[number]] = arrays[number];
        }
    }
}

/* ---- copies that can be saved ---------------------------------------------------------------- */

static bool plain_lane(const struct hg_insn *insn)
{
    const struct hg_addr *addr = &insn->u.addr;
    return (addr->mode == HG_ADDR_BUFFER || addr->mode == HG_ADDR_PHI) &&
           addr->lane == HG_LANE_STRIDE && addr->factor == 1;
}

static bool is_store(const struct hg_insn *insn)
{
    return insn->op == HG_OP_STG || insn->op == HG_OP_STS || insn->op == HG_OP_POOL_STORE;
}

/* How STEP uses register REG. A register in shared memory can change between two readings, so what
 * is checked first and used after (divisors, offsets, class indices) needs a copy. */
enum use { USE_NONE, USE_VALUE, USE_CHECKED };

static enum use use_of(const struct hg_step *step, uint8_t reg)
{
    const struct hg_insn *insn = &step->insn;
    struct hg_insn_uses uses;
    hg_insn_uses(insn, &uses);
    enum hg_insn_form form = hg_insn_info(insn->op)->form;
    enum use found = USE_NONE;
    for (unsigned i = 0; i < uses.read_count; i++) {
        unsigned run = i == 0 ? uses.run : 1;
        if (reg < uses.reads[i].reg || reg >= uses.reads[i].reg + run) {
            continue;
        }
        bool divisor = insn->op == HG_OP_DIV && i == 1;
        bool offset =
            hg_insn_has_addr(insn) && i + 1u == uses.read_count && hg_addr_computed(&insn->u.addr);
        bool checked = divisor || offset || form == HG_FORM_CLASS ||
                       (form >= HG_FORM_POOL_ALLOC && form <= HG_FORM_POOL_STORE);
        if (checked) {
            return USE_CHECKED;
        }
        found = USE_VALUE;
    }
    return found;
}

static bool writes_register(const struct hg_step *step, uint8_t reg)
{
    struct hg_insn_uses uses;
    hg_insn_uses(&step->insn, &uses);
    return uses.writes && uses.write.reg == reg;
}

/* Whether a segment ends after step INDEX: at the last of a run of REDUCE, at other barriers,
 * before LOOP.BLOCKS. (At the end of its body too, where per-lane values are dead as well.) */
static bool ends_segment(const struct hg_exec_code *code, uint32_t index)
{
    const struct hg_step *step = &code->steps[index];
    if ((step->flags & HG_STEP_SEGMENT_END) == 0) {
        return step->insn.op == HG_OP_LOOP_BLOCKS;
    }
    return !hg_step_reduces(step) || index + 1 == code->facts.insn_count ||
           !hg_step_reduces(step + 1);
}

/* How far the searches below look; beyond it a copy is made. Programs of operations are shorter. */
#define COPY_WINDOW 64

static uint32_t window_end(const struct hg_exec_code *code, uint32_t at)
{
    uint32_t left = code->facts.insn_count - at;
    return at + (left < COPY_WINDOW ? left : COPY_WINDOW);
}

/* True if what step AT loads is only used before the segment stores anything. */
static bool may_stay(const struct hg_exec_code *code, uint32_t at)
{
    uint8_t reg = code->steps[at].insn.dst;
    bool stored = false;
    uint32_t end = window_end(code, at);
    uint32_t i = at + 1;
    for (; i < end; i++) {
        const struct hg_step *step = &code->steps[i];
        enum use use = use_of(step, reg);
        if (use == USE_CHECKED || (use == USE_VALUE && stored)) {
            return false;
        }
        if (ends_segment(code, i) || writes_register(step, reg)) {
            return true;
        }
        stored |= is_store(&step->insn);
    }
    return i == code->facts.insn_count;
}

/* Instructions that write each element once, after reading the same element of their sources. */
static bool elementwise(const struct hg_insn *insn)
{
    enum hg_insn_form form = hg_insn_info(insn->op)->form;
    return form == HG_FORM_MOV || form == HG_FORM_CVT || form == HG_FORM_BINARY ||
           form == HG_FORM_SHIFT || form == HG_FORM_TERNARY || form == HG_FORM_SEL;
}

/* True if step AT computes what the next stores, and nothing else wants it. */
static bool may_be_direct(const struct hg_exec_code *code, uint32_t at)
{
    const struct hg_insn *insn = &code->steps[at].insn;
    if (!elementwise(insn) || at + 1 >= code->facts.insn_count) {
        return false;
    }
    const struct hg_insn *store = &code->steps[at + 1].insn;
    if (store->op != HG_OP_STG || !plain_lane(store) || store->a != insn->dst ||
        store->type != insn->type) {
        return false;
    }
    uint32_t end = window_end(code, at);
    uint32_t i = at + 2;
    for (; i < end; i++) {
        if (use_of(&code->steps[i], insn->dst) != USE_NONE) {
            return false;
        }
        if (ends_segment(code, i) || writes_register(&code->steps[i], insn->dst)) {
            return true;
        }
    }
    return i >= code->facts.insn_count;
}

static void find_copies(struct hg_exec_code *code)
{
    if ((code->facts.facts & HG_FACT_CONTROL) != 0) {
        return;
    }
    for (uint32_t i = 0; i < code->facts.insn_count; i++) {
        struct hg_step *step = &code->steps[i];
        if (step->insn.op == HG_OP_LDG && plain_lane(&step->insn) && may_stay(code, i)) {
            step->flags |= HG_STEP_IN_PLACE;
        } else if (may_be_direct(code, i)) {
            step->flags |= HG_STEP_DIRECT;
        }
    }
}

/* Whether all that the program computes lane by lane goes from operands to operands. */
static bool stays_in_memory(const struct hg_exec_code *code)
{
    for (uint32_t i = 0; i < code->facts.insn_count; i++) {
        const struct hg_step *step = &code->steps[i];
        uint8_t op = step->insn.op;
        bool uniform = op == HG_OP_MOV_IMM || op == HG_OP_PARAM;
        bool direct = (step->flags & (HG_STEP_IN_PLACE | HG_STEP_DIRECT)) != 0;
        bool store = op == HG_OP_STG && plain_lane(&step->insn);
        bool no_value = (step->flags & (HG_STEP_CONTROL | HG_STEP_SEGMENT_END)) != 0;
        if (!uniform && !direct && !store && !no_value) {
            return false;
        }
    }
    return true;
}

/* ---- order ----------------------------------------------------------------------------------- */

static bool shared_address(const struct hg_addr *addr)
{
    return addr->lane == HG_LANE_NONE || addr->lane == HG_LANE_ROW || hg_addr_computed(addr);
}

/*
 * A block is run tile by tile where that cannot be told from running it at once. It can where what
 * one instruction stores for several lanes is loaded again for several lanes, and where the block
 * has state of its own. What scatters in a loop must be ordered by lane, the rounds of each
 * together.
 */
static void find_order(struct hg_exec_code *code)
{
    uint32_t reduces = 0;
    code->frame_max = 0;
    code->reduce_max = 0;
    uint16_t facts = code->facts.facts;
    bool shared_load = false;
    bool shared_store = false;
    for (uint32_t i = 0; i < code->facts.insn_count; i++) {
        const struct hg_insn *insn = &code->steps[i].insn;
        code->frame_max += insn->op == HG_OP_LOOP || insn->op == HG_OP_CALL;
        reduces = hg_step_reduces(&code->steps[i]) ? reduces + 1 : 0;
        code->reduce_max = reduces > code->reduce_max ? reduces : code->reduce_max;
        if (insn->op == HG_OP_STG) {
            shared_store |= shared_address(&insn->u.addr);
        } else if (insn->op == HG_OP_LDG) {
            shared_load |= shared_address(&insn->u.addr);
        }
    }
    bool own_state = (facts & (HG_FACT_SCRATCH | HG_FACT_POOL)) != 0;
    uint16_t looped_scatter = HG_FACT_LANE_SCATTER | HG_FACT_CONTROL;
    code->lane_by_lane = (facts & looped_scatter) == looped_scatter && !own_state;
    code->one_pass = !code->lane_by_lane && (own_state || (shared_load && shared_store));
}

enum hg_status hg_exec_code_load(struct hg_exec_code *code, const struct hg_program *program)
{
    if (same_program(code, program)) {
        return HG_OK;
    }
    enum hg_status status = reserve(code, program);
    if (status != HG_OK) {
        return status;
    }
    code->facts = program->facts;
    unpack(code, program);
    resolve_operands(code);
    place_steps(code, program);
    find_copies(code);
    find_order(code);
    code->in_memory = stays_in_memory(code);
    memcpy(code->words, program->words, program->word_count * sizeof *code->words);
    code->word_count = program->word_count;
    return HG_OK;
}

void hg_exec_code_fini(struct hg_exec_code *code)
{
    hg_free(HG_TAG_EXEC, code->words);
    memset(code, 0, sizeof *code);
}
