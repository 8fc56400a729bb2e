/* SPDX-License-Identifier: Apache-2.0 */
/* From the description of a step to its key and launch parameters. */
#include "lib/base/check.h"
#include "lib/ops/plan.h"

/* What stands for the handle of temporary i in keys under specialize_full: no buffer has it. */
#define TEMP_HANDLE(i) (UINT64_MAX - (uint64_t)(i))

enum hg_status hg_plan_temp(struct hg_planner *planner, uint64_t elements, enum hg_dtype type)
{
    struct hg_plan *plan = planner->plan;
    HG_REQUIRE(plan->temp_count < HG_PLAN_TEMPS_MAX);
    uint64_t bytes;
    if (!hg_mul_u64(elements, hg_dtype_bytes(type), &bytes)) {
        return hg_plan_refuse(planner, HG_RESOURCE_EXHAUSTED,
                              "a temporary of %llu elements is more than can be",
                              (unsigned long long)elements);
    }
    plan->temp_bytes[plan->temp_count++] = bytes;
    return HG_OK;
}

static bool is_temp(const struct hg_step_operand *operand)
{
    return operand->source >= HG_PLAN_TEMP;
}

/* Φ iff every operand is in the boundary pool and fits a class, as the first system chose; classes
 * have no computed offsets. */
static bool all_in_boundary(const struct hg_planner *planner, const struct hg_step *step)
{
    for (unsigned i = 0; i < step->operand_count; i++) {
        if (is_temp(&step->operands[i]) || step->operands[i].mode == HG_OPERAND_COMPUTED) {
            return false;
        }
        const struct hg_op_operand *operand = &planner->call->operands[step->operands[i].source];
        if (operand->boundary_class < 0 ||
            operand->elements > HG_CLASS_BYTES / hg_dtype_bytes(operand->type)) {
            return false;
        }
    }
    return true;
}

/* A block of the widest type: what no program needs a loop for. */
#define BLOCK_LANES_MIN (HG_BLOCK_BYTES / 8)

static enum hg_program_form choose_form(const struct hg_key *key, bool phi, uint64_t lanes)
{
    if (lanes <= BLOCK_LANES_MIN || lanes <= hg_op_block_lanes(key)) {
        return phi ? HG_PROGRAM_UNROLLED_PHI : HG_PROGRAM_UNROLLED;
    }
    return phi ? HG_PROGRAM_LOOP_PHI : HG_PROGRAM_LOOP;
}

static uint64_t handle_of(const struct hg_planner *planner, const struct hg_step_operand *operand)
{
    return is_temp(operand) ? TEMP_HANDLE(operand->source - HG_PLAN_TEMP)
                            : planner->call->operands[operand->source].handle;
}

/* What is baked beyond types and modes: classes, or under specialize_full handles and sizes. */
static void bake(const struct hg_planner *planner, const struct hg_step *step, bool phi,
                 struct hg_key *key)
{
    bool full = planner->call->policy.specialize_full;
    key->constant[0] = step->constant;
    memcpy(key->size, step->size, sizeof step->size);
    for (unsigned i = 0; (phi || full) && i < step->operand_count; i++) {
        const struct hg_step_operand *operand = &step->operands[i];
        if (phi) {
            int class = planner->call->operands[operand->source].boundary_class;
            key->operand[i] = (uint64_t) class * HG_CLASS_BYTES;
        } else {
            key->operand[i] = handle_of(planner, operand);
        }
    }
    if (full) {
        key->policy |= HG_KEY_FULL;
        key->constant[0] |= step->divisor; /* losses have no other constant */
        key->constant[1] = step->rows * step->cols;
    }
}

/* Where operand I of the step, whose handle the program bakes, stands in the list: with an earlier
 * one of the same handle, or behind all. */
static unsigned place_of_handle(const struct hg_step *step, const struct hg_plan_step *planned,
                                unsigned i)
{
    for (unsigned j = 0; j < i; j++) {
        if (planned->key.operand[j] == planned->key.operand[i]) {
            unsigned at = 0;
            while (planned->operand[at] != step->operands[j].source) {
                at++;
            }
            return at;
        }
    }
    return planned->operand_count;
}

/* Lists what the step touches; of baked handles each once, in the order of first use, for that is
 * how they are bound. */
static void list_operands(const struct hg_step *step, struct hg_plan_step *planned)
{
    bool handles = (planned->key.policy & HG_KEY_FULL) != 0;
    planned->operand_count = 0;
    for (unsigned i = 0; i < step->operand_count; i++) {
        unsigned at = handles ? place_of_handle(step, planned, i) : i;
        if (at == planned->operand_count) {
            planned->operand[at] = step->operands[i].source;
            planned->writes[at] = false;
            planned->operand_count++;
        }
        planned->writes[at] |= step->operands[i].writes;
    }
}

void hg_plan_step(struct hg_planner *planner, const struct hg_step *step)
{
    struct hg_plan *plan = planner->plan;
    HG_REQUIRE(plan->step_count < HG_PLAN_STEPS_MAX);
    /* Filled in place, each part once. */
    struct hg_plan_step *planned = &plan->steps[plan->step_count++];
    struct hg_key *key = &planned->key;
    *key = (struct hg_key){
        .cache = (uint16_t)step->cache,
        .policy = step->fused ? HG_KEY_FUSED : 0,
        .structure = step->structure,
    };
    for (unsigned i = 0; i < step->operand_count; i++) {
        key->type[i] = step->operands[i].type;
        key->mode[i] = step->operands[i].mode;
    }
    /* Both are products of sizes that operands hold: checked before. */
    uint64_t lanes = step->rows * step->cols;
    bool phi = planner->call->policy.phi && all_in_boundary(planner, step);
    key->form = (uint8_t)choose_form(key, phi, lanes);
    bake(planner, step, phi, key);
    list_operands(step, planned);
    uint64_t *params = planned->params;
    params[HG_PARAM_N] = lanes;
    params[HG_PARAM_ROWS] = step->rows;
    params[HG_PARAM_COLS] = step->cols;
    memcpy(&params[HG_PARAM_FIRST], step->scalars, sizeof step->scalars);
    memset(&params[HG_PARAM_FIRST + HG_STEP_SCALARS_MAX], 0,
           (HG_PARAM_COUNT - HG_PARAM_FIRST - HG_STEP_SCALARS_MAX) * sizeof params[0]);
}
