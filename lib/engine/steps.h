/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What executing an operation by name and by handle have in common: finding the buffers, and from
 * planned steps to prepared work.
 *
 * Threads: the session's.
 */
#ifndef HG_LIB_ENGINE_STEPS_H
#define HG_LIB_ENGINE_STEPS_H

#include "lib/engine/work.h"

/* A plan of any length, borrowed. */
struct hg_steps {
    const struct hg_plan_step *items;
    uint32_t count;
    uint32_t temp_count;
    const uint64_t *temp_bytes;
    struct hg_cache_handle *handles; /* of each step's key; NULL: look up by key */
};

static inline struct hg_steps hg_steps_of_plan(const struct hg_plan *plan)
{
    return (struct hg_steps){plan->steps, plan->step_count, plan->temp_count, plan->temp_bytes,
                             NULL};
}

/* The operation of a name; NULL after filling ERROR. */
const struct hg_op *hg_request_find_op(const char *name, size_t length, struct hg_error *error);

/* Sets the attributes of CALL, whose operation is set. Errors: INVALID_ARGUMENT (an unknown name,
 * or one that is given twice). */
HG_MUST_CHECK enum hg_status hg_request_set_attributes(struct hg_op_call *call,
                                                       const struct hg_named_attribute *attributes,
                                                       uint32_t count, struct hg_error *error);
/* Sets the operands of CALL, whose operation is set. */
static inline void hg_request_set_operands(struct hg_op_call *call,
                                           struct hg_buffer *const buffers[HG_OP_OPERANDS_MAX])
{
    call->operand_count = (uint8_t)(call->op->inputs + call->op->outputs);
    for (unsigned i = 0; i < call->operand_count; i++) {
        call->operands[i] = buffers[i]->operand;
    }
}

/* Errors: INVALID_ARGUMENT names what OP takes. */
HG_MUST_CHECK enum hg_status hg_request_check_counts(const struct hg_op *op, uint32_t input_count,
                                                     uint32_t output_count, struct hg_error *error);
/*
 * Finds the buffers of OP's operands, inputs first, and notes them in CLAIMS. INPUTS and OUTPUTS
 * hold as many ids as OP takes. Errors: NOT_FOUND, PERMISSION_DENIED.
 */
HG_MUST_CHECK enum hg_status hg_request_find_buffers(const struct hg_session *session,
                                                     const struct hg_op *op, const uint64_t *inputs,
                                                     const uint64_t *outputs,
                                                     struct hg_buffer *buffers[HG_OP_OPERANDS_MAX],
                                                     struct hg_claims *claims,
                                                     struct hg_error *error);
/* What a program that was just built for KEY gets before others have it: native code. */
void hg_program_ready(const struct hg_engine *engine, const struct hg_key *key,
                      const struct hg_program *program);
/* A program for KEY: from the cache, or of those that were built beforehand, or built. HANDLE is
 * the key's, or NULL. This thread returns the loan. */
HG_MUST_CHECK enum hg_status hg_program_borrow(struct hg_engine *engine, const struct hg_key *key,
                                               struct hg_cache_handle *handle,
                                               struct hg_cache_loan *loan,
                                               struct hg_cache_result *result,
                                               struct hg_error *error);

/* Claims, takes temporaries, and finds or builds each step's program and fills its launch. What
 * PREPARED got is given back by hg_prepared_fini also on errors, which tell the operation. */
HG_MUST_CHECK enum hg_status hg_steps_prepare(struct hg_prepared *prepared, const struct hg_op *op,
                                              const struct hg_steps *steps,
                                              struct hg_buffer *const buffers[HG_OP_OPERANDS_MAX],
                                              struct hg_error *error);

#endif
