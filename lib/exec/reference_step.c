/* SPDX-License-Identifier: Apache-2.0 */
/* What each instruction does to one lane, or row, or launch. */
#include <inttypes.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/exec/classes.h"
#include "lib/exec/memory.h"
#include "lib/exec/reference.h"

static const struct hg_step *step_at(const struct hg_ref *ref, uint32_t pc)
{
    return &ref->run->code.steps[pc];
}

static uint64_t low_bits(uint64_t bits, uint32_t bytes)
{
    return bits & UINT64_MAX >> (64 - 8 * bytes);
}

static enum hg_level higher(enum hg_level a, enum hg_level b)
{
    return a > b ? a : b;
}

static enum hg_level level_of(const struct hg_ref *ref, uint16_t place)
{
    return ref->values[place].level;
}

/* ---- instances ------------------------------------------------------------------------------- */

static bool alu(struct hg_ref *ref, uint32_t pc, enum hg_level level, struct hg_ref_at at,
                uint64_t *result)
{
    (void)level;
    const struct hg_step *step = step_at(ref, pc);
    struct hg_insn_uses uses;
    hg_insn_uses(&step->insn, &uses);
    const uint16_t places[3] = {step->a, step->b, step->c};
    uint64_t source[3] = {0, 0, 0};
    for (unsigned i = 0; i < uses.read_count && i < 3; i++) {
        source[i] = hg_ref_read(ref, places[i], at);
    }
    bool integer = hg_dtype_in((enum hg_dtype)step->insn.type, HG_DT_INT);
    if (step->insn.op == HG_OP_DIV && integer && source[1] == 0) {
        hg_run_fail_division(ref->run, at.lane, pc);
        return false;
    }
    *result = hg_ref_eval(&step->insn, source[0], source[1], source[2], ref->run->ftz);
    return true;
}

static bool convert(struct hg_ref *ref, uint32_t pc, enum hg_level level, struct hg_ref_at at,
                    uint64_t *result)
{
    (void)level;
    const struct hg_step *step = step_at(ref, pc);
    *result = hg_ref_convert((enum hg_dtype)step->insn.type, (enum hg_dtype)step->insn.type2,
                             hg_ref_read(ref, step->a, at), ref->run->ftz);
    return true;
}

static bool compare(struct hg_ref *ref, uint32_t pc, enum hg_level level, struct hg_ref_at at,
                    uint64_t *result)
{
    (void)level;
    const struct hg_step *step = step_at(ref, pc);
    *result =
        hg_ref_compare((enum hg_cond)step->insn.cond, (enum hg_dtype)step->insn.type,
                       hg_ref_read(ref, step->a, at), hg_ref_read(ref, step->b, at), ref->run->ftz);
    return true;
}

static bool choose(struct hg_ref *ref, uint32_t pc, enum hg_level level, struct hg_ref_at at,
                   uint64_t *result)
{
    (void)level;
    const struct hg_step *step = step_at(ref, pc);
    bool first = hg_ref_read(ref, step->pred, at) != 0;
    *result = hg_ref_read(ref, first ? step->a : step->b, at);
    return true;
}

static bool constant(struct hg_ref *ref, uint32_t pc, enum hg_level level, struct hg_ref_at at,
                     uint64_t *result)
{
    (void)level;
    (void)at;
    const struct hg_step *step = step_at(ref, pc);
    uint64_t bits =
        step->insn.op == HG_OP_PARAM ? ref->run->launch.params[step->insn.count] : step->insn.u.imm;
    *result = low_bits(bits, step->bytes);
    return true;
}

static bool reduce_regs(struct hg_ref *ref, uint32_t pc, enum hg_level level, struct hg_ref_at at,
                        uint64_t *result)
{
    (void)level;
    const struct hg_step *step = step_at(ref, pc);
    uint64_t registers[HG_REGISTER_COUNT];
    for (unsigned i = 0; i < step->insn.count; i++) {
        registers[i] = hg_ref_read(ref, (uint16_t)(step->a + i), at);
    }
    *result = hg_ref_reduce_regs(&step->insn, registers, ref->run->ftz);
    return true;
}

static bool product(struct hg_ref *ref, uint32_t pc, enum hg_level level, struct hg_ref_at at,
                    uint64_t *result)
{
    (void)level;
    (void)pc;
    uint64_t n = ref->run->product.n;
    *result = hg_ref_product(ref->run, at.lane / n, at.lane % n);
    return true;
}

static bool class_result(struct hg_ref *ref, uint32_t pc, enum hg_level level, struct hg_ref_at at,
                         uint64_t *result)
{
    (void)level;
    const struct hg_step *step = step_at(ref, pc);
    struct hg_insn_uses uses;
    hg_insn_uses(&step->insn, &uses);
    const uint16_t places[3] = {step->a, step->b, step->c};
    uint64_t source[3] = {0, 0, 0};
    HG_REQUIRE(uses.read_count <= HG_ARRAY_COUNT(places));
    for (unsigned i = 0; i < uses.read_count; i++) {
        source[i] = hg_ref_read(ref, places[i], at);
    }
    uint8_t class_index = (uint8_t)source[0];
    int first_class = ref->run->launch.first_class;
    switch (step->insn.op) {
    case HG_OP_CLS_GET:
        *result = first_class >= 0 ? (uint64_t)first_class : 0;
        break;
    case HG_OP_MIRROR:
        *result = hg_class_mirror(class_index);
        break;
    case HG_OP_UNITY_TEST:
        *result = hg_class_is_unity(class_index);
        break;
    case HG_OP_NBR_COUNT:
        *result = hg_class_degree(class_index);
        break;
    case HG_OP_NBR_GET:
        *result = hg_class_neighbour(class_index, (uint32_t)source[1]);
        break;
    case HG_OP_BOUND_MAP:
        *result = hg_class_offset(class_index, (uint32_t)source[1], (uint32_t)source[2]);
        break;
    case HG_OP_PHASE_GET:
        *result = ref->phase;
        break;
    case HG_OP_PHASE_ADV:
        ref->phase = (uint32_t)((ref->phase + source[0]) % HG_PHASE_MODULUS);
        break;
    default: /* RES.ACCUM */
        break;
    }
    return true;
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* Where an instance of a load or store goes; NULL if it fails. */
static uint8_t *locate(struct hg_ref *ref, uint32_t pc, enum hg_level level, struct hg_ref_at at)
{
    const struct hg_step *step = step_at(ref, pc);
    const struct hg_addr *addr = &step->insn.u.addr;
    struct hg_run *run = ref->run;
    bool scratch = addr->slot == HG_OPERAND_SCRATCH;
    uint8_t *base = scratch ? ref->memory->scratch : run->base[addr->slot];
    uint64_t bytes = scratch ? ref->memory->scratch_bytes : run->bytes[addr->slot];
    uint64_t lane = scratch ? at.lane - ref->start : at.lane;
    uint64_t element = 0;
    switch (addr->lane) {
    case HG_LANE_STRIDE:
        element = lane * addr->factor;
        break;
    case HG_LANE_MOD:
        element = lane % hg_run_factor(run, addr);
        break;
    case HG_LANE_DIV:
        element = lane / hg_run_factor(run, addr);
        break;
    case HG_LANE_ROW:
        element = at.row;
        break;
    default:
        break;
    }
    (void)level;
    uint64_t offset = (uint64_t)addr->offset + element * step->bytes;
    if (hg_addr_computed(addr)) {
        offset += hg_ref_read(ref, step->offset, at);
    }
    if (bytes < step->bytes || offset > bytes - step->bytes) {
        hg_run_fail_bounds(run, at.lane, pc, offset);
        return NULL;
    }
    return base + offset;
}

static bool load(struct hg_ref *ref, uint32_t pc, enum hg_level level, struct hg_ref_at at,
                 uint64_t *result)
{
    const uint8_t *from = locate(ref, pc, level, at);
    if (from != NULL) {
        memcpy(result, from, step_at(ref, pc)->bytes);
    }
    return from != NULL;
}

/* Of the instances that share an address, the first one stores. */
static bool stores(const struct hg_ref *ref, uint32_t pc, enum hg_level level, struct hg_ref_at at)
{
    const struct hg_addr *addr = &step_at(ref, pc)->insn.u.addr;
    if (level == HG_LEVEL_LAUNCH) {
        return ref->owner || addr->slot == HG_OPERAND_SCRATCH;
    }
    if (level == HG_LEVEL_ROW) {
        return ref->rows_only || at.lane == at.row * ref->run->cut.cols;
    }
    if (addr->lane == HG_LANE_MOD) {
        return at.lane < hg_run_factor(ref->run, addr);
    }
    return addr->lane != HG_LANE_DIV || at.lane % hg_run_factor(ref->run, addr) == 0;
}

static bool store(struct hg_ref *ref, uint32_t pc, enum hg_level level, struct hg_ref_at at,
                  uint64_t *result)
{
    (void)result;
    const struct hg_step *step = step_at(ref, pc);
    uint8_t *to = locate(ref, pc, level, at);
    if (to == NULL) {
        return false;
    }
    if (stores(ref, pc, level, at)) {
        uint64_t image = hg_ref_read(ref, step->a, at);
        memcpy(to, &image, step->bytes);
    }
    return true;
}

static enum hg_level address_level(const struct hg_ref *ref, const struct hg_step *step)
{
    const struct hg_addr *addr = &step->insn.u.addr;
    enum hg_level level = addr->lane == HG_LANE_NONE  ? HG_LEVEL_LAUNCH
                          : addr->lane == HG_LANE_ROW ? HG_LEVEL_ROW
                                                      : HG_LEVEL_LANE;
    return hg_addr_computed(addr) ? higher(level, level_of(ref, step->offset)) : level;
}

/* ---- POOL ------------------------------------------------------------------------------------ */

static bool pool_alloc(struct hg_ref *ref, uint32_t pc, enum hg_level level, struct hg_ref_at at,
                       uint64_t *result)
{
    (void)level;
    uint64_t bytes = hg_ref_read(ref, step_at(ref, pc)->a, at);
    if (hg_block_pool_alloc(ref->memory, bytes, result) == HG_OK) {
        return true;
    }
    hg_run_fail(ref->run, at.lane, pc, HG_RESOURCE_EXHAUSTED, NULL,
                "no pool memory for %" PRIu64 " bytes: a block has %d bytes and %d handles", bytes,
                HG_POOL_BYTES_MAX, HG_POOL_HANDLES_MAX);
    return false;
}

static bool find_pool(struct hg_ref *ref, uint32_t pc, struct hg_ref_at at, uint8_t **base,
                      uint64_t *bytes)
{
    uint64_t handle = hg_ref_read(ref, step_at(ref, pc)->a, at);
    if (hg_block_pool_find(ref->memory, handle, base, bytes)) {
        return true;
    }
    hg_run_fail(ref->run, at.lane, pc, HG_OUT_OF_RANGE, HG_DETAIL_OUT_OF_BOUNDS,
                "no pool memory has handle %" PRIu64, handle);
    return false;
}

static bool pool_free(struct hg_ref *ref, uint32_t pc, enum hg_level level, struct hg_ref_at at,
                      uint64_t *result)
{
    (void)level;
    (void)result;
    uint8_t *base;
    uint64_t bytes;
    return find_pool(ref, pc, at, &base, &bytes) &&
           hg_block_pool_free(ref->memory, hg_ref_read(ref, step_at(ref, pc)->a, at));
}

static bool pool_access(struct hg_ref *ref, uint32_t pc, enum hg_level level, struct hg_ref_at at,
                        uint64_t *result)
{
    (void)level;
    const struct hg_step *step = step_at(ref, pc);
    uint8_t *base;
    uint64_t bytes;
    if (!find_pool(ref, pc, at, &base, &bytes)) {
        return false;
    }
    uint64_t offset = hg_ref_read(ref, step->b, at);
    if (bytes < step->bytes || offset > bytes - step->bytes) {
        hg_run_fail_bounds(ref->run, at.lane, pc, offset);
        return false;
    }
    if (step->insn.op == HG_OP_POOL_LOAD) {
        memcpy(result, base + offset, step->bytes);
    } else {
        uint64_t image = hg_ref_read(ref, step->c, at);
        memcpy(base + offset, &image, step->bytes);
    }
    return true;
}

/* ---- dispatch -------------------------------------------------------------------------------- */

/* The highest level of an instruction's sources. */
static enum hg_level source_level(const struct hg_ref *ref, const struct hg_step *step)
{
    struct hg_insn_uses uses;
    hg_insn_uses(&step->insn, &uses);
    const uint16_t places[3] = {step->a, step->b, step->c};
    enum hg_level level = HG_LEVEL_LAUNCH;
    for (unsigned i = 0; i < uses.read_count && i < 3; i++) {
        for (unsigned j = 0; j < (i == 0 ? uses.run : 1u); j++) {
            level = higher(level, level_of(ref, (uint16_t)(places[i] + j)));
        }
    }
    if (uses.pred_read != HG_PRED_NONE) {
        level = higher(level, level_of(ref, step->pred));
    }
    return level;
}

static bool burn_product(struct hg_ref *ref, uint32_t pc)
{
    const struct hg_product *p = &ref->run->product;
    uint64_t cost;
    if (!hg_mul_u64(p->m, p->n, &cost) || !hg_mul_u64(cost, p->k, &cost)) {
        cost = UINT64_MAX;
    }
    if (ref->rows_only || hg_walk_burn(&ref->walk, cost / 4096)) {
        return true;
    }
    hg_run_fail_fuel(ref->run, ref->first, pc);
    ref->failed = true;
    return false;
}

void hg_ref_step(struct hg_ref *ref, uint32_t pc)
{
    const struct hg_step *step = step_at(ref, pc);
    enum hg_level level =
        hg_insn_has_addr(&step->insn) ? address_level(ref, step) : source_level(ref, step);
    switch (hg_insn_info((enum hg_opcode)step->insn.op)->form) {
    case HG_FORM_LOAD:
        hg_ref_each(ref, pc, level, step->dst, step->bytes, load);
        break;
    case HG_FORM_STORE:
        hg_ref_each(ref, pc, higher(level, level_of(ref, step->a)), HG_PLACE_NONE, 0, store);
        break;
    case HG_FORM_IMM:
    case HG_FORM_PARAM:
        hg_ref_each(ref, pc, HG_LEVEL_LAUNCH, step->dst, step->bytes, constant);
        break;
    case HG_FORM_CVT:
        hg_ref_each(ref, pc, level, step->dst, step->bytes, convert);
        break;
    case HG_FORM_SETCC:
        hg_ref_each(ref, pc, level, step->dst, 1, compare);
        break;
    case HG_FORM_SEL:
        hg_ref_each(ref, pc, level, step->dst, step->bytes, choose);
        break;
    case HG_FORM_REDUCE_REGS:
        hg_ref_each(ref, pc, level, step->dst, step->bytes, reduce_regs);
        break;
    case HG_FORM_MMA:
        if (burn_product(ref, pc)) {
            hg_ref_each(ref, pc, HG_LEVEL_LANE, step->dst, step->bytes < 4 ? 4 : step->bytes,
                        product);
        }
        break;
    case HG_FORM_POOL_ALLOC:
        hg_ref_each(ref, pc, HG_LEVEL_LAUNCH, step->dst, 8, pool_alloc);
        break;
    case HG_FORM_POOL_FREE:
        hg_ref_each(ref, pc, HG_LEVEL_LAUNCH, HG_PLACE_NONE, 0, pool_free);
        break;
    case HG_FORM_POOL_LOAD:
        hg_ref_each(ref, pc, level_of(ref, step->b), step->dst, step->bytes, pool_access);
        break;
    case HG_FORM_POOL_STORE:
        hg_ref_each(ref, pc, level_of(ref, step->b), HG_PLACE_NONE, 0, pool_access);
        break;
    case HG_FORM_CLASS: {
        struct hg_insn_uses uses;
        hg_insn_uses(&step->insn, &uses);
        uint32_t bytes = uses.writes ? hg_dtype_bytes((enum hg_dtype)uses.write.type) : 1;
        hg_ref_each(ref, pc, level, step->dst, bytes, class_result);
        break;
    }
    default:
        hg_ref_each(ref, pc, level, step->dst, step->bytes, alu);
        break;
    }
}
