/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which values may be row-uniform and survive the end of a segment: those need an array over rows.
 * Told from the text, without regard to the order of execution, so on the safe side.
 */
#include "lib/base/check.h"
#include "lib/exec/code.h"

#define NO_SEGMENT UINT32_MAX

struct flow {
    bool may_be_row[HG_PLACE_MAX];
    bool crosses[HG_PLACE_MAX];
    bool computed[HG_PLACE_MAX];    /* by other than REDUCE, outside LOOP.BLOCKS */
    uint32_t segment[HG_PLACE_MAX]; /* that first touched it, or NO_SEGMENT */
    bool changed;
};

static unsigned predicate(uint8_t pred)
{
    return HG_REGISTER_COUNT + pred;
}

static bool is_reduce(const struct hg_insn *insn)
{
    return insn->op >= HG_OP_REDUCE_ADD && insn->op <= HG_OP_REDUCE_MUL;
}

/* Whether a value made by INSN may differ from row to row. */
static bool row_result(const struct flow *flow, const struct hg_insn *insn,
                       const struct hg_insn_uses *uses)
{
    if (is_reduce(insn) || (hg_insn_has_addr(insn) && insn->u.addr.lane == HG_LANE_ROW)) {
        return true;
    }
    if (uses->pred_read != HG_PRED_NONE && flow->may_be_row[predicate(uses->pred_read)]) {
        return true;
    }
    for (unsigned i = 0; i < uses->read_count; i++) {
        unsigned run = i == 0 ? uses->run : 1;
        for (unsigned j = 0; j < run; j++) {
            if (flow->may_be_row[uses->reads[i].reg + j]) {
                return true;
            }
        }
    }
    return false;
}

static void touch(struct flow *flow, unsigned place, uint32_t segment)
{
    if (flow->segment[place] == NO_SEGMENT) {
        flow->segment[place] = segment;
    } else if (flow->segment[place] != segment) {
        flow->crosses[place] = true;
    }
}

static void write_place(struct flow *flow, unsigned place, bool row, bool computed,
                        uint32_t segment)
{
    touch(flow, place, segment);
    flow->computed[place] |= computed;
    if (row && !flow->may_be_row[place]) {
        flow->may_be_row[place] = true;
        flow->changed = true;
    }
}

static void visit(struct flow *flow, const struct hg_insn *insn, bool in_body, uint32_t segment)
{
    struct hg_insn_uses uses;
    hg_insn_uses(insn, &uses);
    bool row = row_result(flow, insn, &uses);
    for (unsigned i = 0; i < uses.read_count; i++) {
        unsigned run = i == 0 ? uses.run : 1;
        for (unsigned j = 0; j < run; j++) {
            touch(flow, uses.reads[i].reg + j, segment);
        }
    }
    if (uses.pred_read != HG_PRED_NONE) {
        touch(flow, predicate(uses.pred_read), segment);
    }
    bool computed = !is_reduce(insn) && !in_body;
    if (uses.writes) {
        write_place(flow, uses.write.reg, row, computed, segment);
    }
    if (uses.pred_write != HG_PRED_NONE) {
        write_place(flow, predicate(uses.pred_write), row, computed, segment);
    }
}

/* One reading of the program. Segments are numbered by text; the borders of a LOOP.BLOCKS body
 * count, because values are put away there as well. */
static void pass(struct flow *flow, const struct hg_program *program)
{
    uint32_t position = 0;
    uint32_t segment = 0;
    uint32_t body_end = UINT32_MAX;
    for (uint32_t i = 0; i < program->facts.insn_count; i++) {
        struct hg_insn insn;
        enum hg_status status =
            hg_insn_unpack(program->words, program->word_count, &position, &insn);
        HG_REQUIRE(status == HG_OK);
        if (i == body_end) {
            segment++;
            body_end = UINT32_MAX;
        }
        visit(flow, &insn, i < body_end && body_end != UINT32_MAX, segment);
        if ((hg_insn_info(insn.op)->flags & HG_INSN_SEGMENT_END) != 0) {
            segment++;
        } else if (insn.op == HG_OP_LOOP_BLOCKS) {
            segment++;
            body_end = insn.target;
        }
    }
}

uint32_t hg_exec_row_arrays(const struct hg_program *program, uint8_t arrays[HG_PLACE_MAX])
{
    memset(arrays, 0, HG_PLACE_MAX);
    uint16_t facts = program->facts.facts;
    if ((facts & (HG_FACT_REDUCE | HG_FACT_LOOP_BLOCKS)) == 0 &&
        program->facts.segment_count <= 1) {
        return 0;
    }
    struct flow flow = {.changed = true};
    memset(flow.segment, 0xff, sizeof flow.segment);
    flow.may_be_row[HG_REG_ROW] = true;
    while (flow.changed) {
        flow.changed = false;
        pass(&flow, program);
    }
    uint32_t count = 0;
    for (unsigned place = 0; place < HG_PLACE_MAX; place++) {
        bool special = place >= HG_REG_SPECIAL && place < HG_REGISTER_COUNT;
        /* With jumps the order of the text says nothing about what runs in which segment. */
        bool crossing = flow.crosses[place] || (facts & HG_FACT_CONTROL) != 0;
        if (flow.may_be_row[place] && crossing && !special) {
            arrays[place] = flow.computed[place] || (facts & HG_FACT_CONTROL) != 0 ? 2 : 1;
        }
        count += arrays[place];
    }
    return count;
}
