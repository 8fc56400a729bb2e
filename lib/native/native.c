/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compilation of a program: its regions, found as the executor finds them, each lowered and
 * written behind the one before, then put into the arena together.
 *
 * Not emitted, so run another way: regions with control flow, scratch, POOL, class
 * arithmetic, computed addresses, and what the emitter's other files refuse.
 */
#include "lib/native/native.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/check.h"
#include "lib/native/arena.h"
#include "lib/native/compiler.h"
#include "lib/native/mma.h"

/* Whether control goes through the text, but for loops. A body that exits may be one
 * that does not run: then the program goes on behind it. */
static bool goes_straight(const struct hg_compiler *compiler)
{
    uint32_t loops_end = 0;
    for (uint32_t i = 0; i < compiler->insn_count; i++) {
        const struct hg_insn *insn = &compiler->insns[i];
        if (insn->op == HG_OP_BRA || insn->op == HG_OP_CALL || insn->op == HG_OP_RET ||
            (insn->op == HG_OP_EXIT && (insn->pred != HG_PRED_NONE || i < loops_end))) {
            return false;
        }
        if (insn->op == HG_OP_LOOP) {
            loops_end = insn->target > loops_end ? insn->target : loops_end;
        }
    }
    return true;
}

/* ---- regions --------------------------------------------------------------------------------- */

static bool ends_segment(const struct hg_insn *insn)
{
    return (hg_insn_info((enum hg_opcode)insn->op)->flags & HG_INSN_SEGMENT_END) != 0;
}

/* The segment from FIRST on, which ends at LIMIT at the latest. Gives where the next one starts. */
static uint32_t add_region(struct hg_compiler *compiler, uint32_t first, uint32_t limit,
                           bool blocks)
{
    uint32_t end = first;
    while (end < limit && !ends_segment(&compiler->insns[end]) &&
           compiler->insns[end].op != HG_OP_LOOP_BLOCKS && compiler->insns[end].op != HG_OP_EXIT) {
        end++;
    }
    uint32_t after = end;
    while (after < limit && hg_insn_reduces(&compiler->insns[after])) {
        after++;
    }
    uint32_t index = compiler->region_count++;
    compiler->extents[index].first = first;
    compiler->extents[index].end = end;
    compiler->extents[index].reduces = after - end;
    compiler->extents[index].blocks = blocks;
    bool barrier = after == end && end < limit && ends_segment(&compiler->insns[end]);
    return barrier ? after + 1 : after;
}

/* False if there are too many. */
static bool find_regions(struct hg_compiler *compiler)
{
    uint32_t pc = 0;
    while (pc < compiler->insn_count && compiler->insns[pc].op != HG_OP_EXIT) {
        if (compiler->region_count == HG_NATIVE_REGIONS) {
            return false;
        }
        const struct hg_insn *insn = &compiler->insns[pc];
        if (insn->op == HG_OP_LOOP_BLOCKS) {
            (void)add_region(compiler, pc + 1, insn->target, true);
            pc = insn->target;
        } else {
            pc = add_region(compiler, pc, compiler->insn_count, false);
        }
    }
    return true;
}

/* Whether a region after INDEX may read register REG, or predicate PRED if that is one, as region
 * INDEX leaves it. */
static bool read_later(const struct hg_compiler *compiler, uint32_t index, uint8_t reg,
                       uint8_t pred)
{
    for (uint32_t i = compiler->extents[index].end; i < compiler->insn_count; i++) {
        const struct hg_insn_uses *uses = &compiler->uses[i];
        if (pred != HG_PRED_NONE) {
            if (uses->pred_read == pred || uses->pred_write == pred) {
                return uses->pred_read == pred;
            }
            continue;
        }
        for (unsigned r = 0; r < uses->read_count; r++) {
            unsigned run = r == 0 ? uses->run : 1;
            if (reg >= uses->reads[r].reg && reg < uses->reads[r].reg + run) {
                return true;
            }
        }
        if (uses->writes && uses->write.reg == reg && !compiler->extents[index].blocks) {
            return false;
        }
    }
    return false;
}

/* ---- a region -------------------------------------------------------------------------------- */

/* Notes V, of REG with BYTES, as an output, if it is uniform: others are dead. */
static void add_output(struct hg_compiler *compiler, uint32_t index, uint8_t reg, unsigned bytes,
                       hg_val v)
{
    struct hg_emit *emit = &compiler->emit;
    struct hg_emit_region *region = &compiler->regions[index];
    if (v == HG_VAL_NONE || (emit->ops[v].flags & HG_VOP_UNIFORM) == 0) {
        return; /* NONE: in a loop that does not run */
    }
    if (region->output_count == HG_NATIVE_VALUES) {
        emit->failed = true;
        return;
    }
    bool row = (emit->ops[v].flags & HG_VOP_ROW) != 0;
    unsigned width = bytes == 0 ? hg_emit_mask_width(emit) : (unsigned)__builtin_ctz(bytes);
    if (bytes == 0) {
        v = hg_emit_select(emit, width, v, hg_emit_const(emit, width, 1),
                           hg_emit_const(emit, width, 0));
    }
    region->outputs[region->output_count] =
        (struct hg_native_value){reg, (uint8_t)bytes, row ? HG_LEVEL_ROW : HG_LEVEL_LAUNCH};
    region->by_row |= row;
    (void)hg_emit_op(emit, HG_VOP_OUTPUT, width, region->output_count++, v, HG_VAL_NONE,
                     HG_VAL_NONE);
}

/* Uniform values and predicates that the region computes and a later one reads. */
static void add_outputs(struct hg_compiler *compiler, uint32_t index, struct hg_lower *lower)
{
    uint64_t written[HG_REGISTER_COUNT / 64] = {0}; /* a bit for each; the last writer counts */
    uint32_t preds_written = 0;
    for (uint32_t i = compiler->extents[index].end; i-- > compiler->extents[index].first;) {
        const struct hg_insn_uses *uses = &compiler->uses[i];
        const uint8_t reg = uses->write.reg;
        const uint8_t pred = uses->pred_write;
        if (pred != HG_PRED_NONE && (preds_written >> pred & 1u) == 0) {
            preds_written |= 1u << pred;
            if (read_later(compiler, index, 0, pred)) {
                add_output(compiler, index, pred, 0, lower->preds[pred]);
            }
        }
        if (uses->writes && (written[reg / 64] >> reg % 64 & 1) == 0 &&
            read_later(compiler, index, reg, HG_PRED_NONE)) {
            written[reg / 64] |= UINT64_C(1) << reg % 64;
            add_output(compiler, index, reg, hg_dtype_bytes((enum hg_dtype)uses->write.type),
                       lower->regs[reg]);
        }
    }
}

/* What is uniform is done again for every stretch: once only if nothing of it can be seen. */
static bool repeats_well(const struct hg_emit *emit)
{
    bool loads = emit->one_loads || emit->row_loads;
    return !(emit->one_stores && loads) && !(emit->row_stores && loads && emit->region->has_lanes);
}

static void lower_region(struct hg_compiler *compiler, uint32_t index)
{
    struct hg_emit_region *region = &compiler->regions[index];
    uint32_t first = compiler->extents[index].first;
    uint32_t end = compiler->extents[index].end;
    uint32_t after = end + compiler->extents[index].reduces;
    struct hg_lower lower; /* a kilobyte, of which little is touched */
    lower.emit = &compiler->emit;
    lower.uses = compiler->uses;
    lower.row_level = compiler->rows.regs;
    lower.row_preds = compiler->rows.preds;
    lower.slot_count = compiler->program->facts.slot_count;
    lower.handle_count = compiler->handle_count;
    lower.loops = 0;
    lower.multiplies_cols = false;
    lower.pc = first;
    memset(lower.regs, 0xff, sizeof lower.regs);
    memset(lower.preds, 0xff, sizeof lower.preds);
    memcpy(lower.handle, compiler->handles, compiler->handle_count * sizeof *lower.handle);
    struct hg_emit *emit = &compiler->emit;
    hg_emit_init(emit, compiler->level, compiler->mode,
                 hg_lower_lanes(compiler->insns, first, after, compiler->level), region);
    emit->form = compiler->form;
    if (first < end && compiler->insns[first].op == HG_OP_MMA) {
        hg_mma_lower(&lower, &compiler->insns[first++]);
    }
    hg_lower_insns(&lower, compiler->insns, first, end);
    for (uint32_t pc = end; pc < after && !emit->failed; pc++) {
        hg_lower_reduce(&lower, &compiler->insns[pc]);
    }
    if (!emit->failed && !compiler->extents[index].blocks && index + 1 < compiler->region_count) {
        add_outputs(compiler, index, &lower);
    }
    for (uint16_t i = 0; i < emit->op_count; i++) {
        region->by_row |= (emit->ops[i].flags & HG_VOP_ROW) != 0;
    }
    emit->failed |= !repeats_well(emit);
    if (region->product != HG_NATIVE_NO_PRODUCT) {
        hg_mma_check(emit, &compiler->insns[compiler->extents[index].first]);
    }
}

/* The bytes of the region's function; 0 if there is none. */
static size_t write_region(struct hg_compiler *compiler, uint32_t index, uint8_t *buffer,
                           size_t size)
{
    struct hg_emit *emit = &compiler->emit;
    const struct hg_insn *first = &compiler->insns[compiler->extents[index].first];
    if (compiler->tile_start != HG_EVERY_REGION) {
        return hg_mma_emit_tiles(emit, first, compiler->tile, buffer, size);
    }
    if (emit->region->product == HG_NATIVE_WHOLE) {
        return hg_mma_emit_whole(emit, first, buffer, size);
    }
    return hg_emit_code(emit, buffer, size);
}

static void emit_region(struct hg_compiler *compiler, uint32_t index)
{
    struct hg_emit_region *region = &compiler->regions[index];
    region->has_lanes = region->by_row = region->can_fail = region->hops = false;
    region->fuel = 0;
    region->reduce_count = region->input_count = region->output_count = 0;
    region->product = HG_NATIVE_NO_PRODUCT;
    region->rows = region->cols = 0;
    compiler->offsets[index] = SIZE_MAX;
    bool wanted = compiler->tile_start == HG_EVERY_REGION ||
                  compiler->tile_start == compiler->extents[index].first;
    if (!wanted) {
        return;
    }
    lower_region(compiler, index);
    if (compiler->emit.failed) {
        region->product = HG_NATIVE_NO_PRODUCT;
        return;
    }
    if (region->product == HG_NATIVE_TILES && compiler->tile_start == HG_EVERY_REGION) {
        compiler->emitted++; /* each tile when it is wanted */
        return;
    }
    size_t start = (compiler->used + 15) / 16 * 16;
    size_t bytes =
        start < HG_COMPILER_BYTES
            ? write_region(compiler, index, compiler->bytes + start, HG_COMPILER_BYTES - start)
            : 0;
    if (bytes != 0) {
        memset(compiler->bytes + compiler->used, 0xcc, start - compiler->used);
        compiler->offsets[index] = start;
        compiler->used = start + bytes;
        compiler->emitted++;
    }
}

/* ---- all ------------------------------------------------------------------------------------- */

static enum hg_status finish(struct hg_compiler *compiler, struct hg_native_code **out)
{
    bool direct = hg_compiler_is_direct(compiler);
    compiler->access_count = direct ? compiler->access_count : 0;
    compiler->has_mma &= direct;
    struct hg_native_code *code = hg_malloc(HG_TAG_EXEC, hg_compiler_code_size(compiler));
    if (code == NULL) {
        return HG_RESOURCE_EXHAUSTED;
    }
    code->text = NULL; /* of tiles that are not wanted yet */
    enum hg_status status = compiler->used == 0
                                ? HG_OK
                                : hg_code_arena_put(hg_code_arena_shared(), compiler->bytes,
                                                    compiler->used, &code->text);
    if (status != HG_OK) {
        hg_free(HG_TAG_EXEC, code);
        return status;
    }
    code->level = (uint8_t)compiler->level;
    code->mode = (uint8_t)compiler->mode;
    code->bytes = (uint32_t)compiler->used;
    code->direct = direct;
    code->row_by_row = !hg_compiler_stores_one(compiler);
    hg_compiler_pack(compiler, code);
    *out = code;
    return HG_OK;
}

/* With the region that starts at START alone, as TILE; or every region, in FORM. */
static enum hg_status compile(const struct hg_program *program, enum hg_isa_level level,
                              enum hg_fp_mode mode, uint32_t start, struct hg_native_tile tile,
                              enum hg_native_form form, struct hg_native_code **code)
{
    *code = NULL;
    const struct hg_code_facts *facts = &program->facts;
    if (facts->insn_count > HG_COMPILER_INSNS || level < HG_ISA_AVX2 ||
        hg_code_arena_shared() == NULL) {
        return HG_OK;
    }
    struct hg_compiler compiler;
    compiler.program = program;
    compiler.level = level;
    compiler.mode = mode;
    compiler.tile_start = start;
    compiler.tile = tile;
    compiler.form = form;
    compiler.insn_count = facts->insn_count;
    compiler.region_count = compiler.emitted = 0;
    compiler.has_mma = false;
    compiler.used = 0;
    hg_rows_init(&compiler.rows);
    hg_program_unpack(program, compiler.insns);
    for (uint32_t i = 0; i < compiler.insn_count; i++) {
        hg_insn_uses(&compiler.insns[i], &compiler.uses[i]);
    }
    struct hg_code wide = {{facts->slot_count, 0}, compiler.insns, facts->insn_count};
    compiler.handle_count = facts->handle_count == 0 ? 0 : hg_code_handles(&wide, compiler.handles);
    if (!goes_straight(&compiler) || !find_regions(&compiler)) {
        return HG_OK;
    }
    for (uint32_t i = 0; i < compiler.region_count; i++) {
        emit_region(&compiler, i);
        uint32_t after = compiler.extents[i].end + compiler.extents[i].reduces;
        hg_rows_follow(&compiler.rows, compiler.insns, compiler.uses, compiler.extents[i].first,
                       after);
    }
    return compiler.emitted == 0 ? HG_OK : finish(&compiler, code);
}

enum hg_status hg_native_compile_form(const struct hg_program *program, enum hg_isa_level level,
                                      enum hg_fp_mode mode, enum hg_native_form form,
                                      struct hg_native_code **code)
{
    return compile(program, level, mode, HG_EVERY_REGION, (struct hg_native_tile){0}, form, code);
}

enum hg_status hg_native_compile(const struct hg_program *program, enum hg_isa_level level,
                                 enum hg_fp_mode mode, struct hg_native_code **code)
{
    return hg_native_compile_form(program, level, mode, HG_NATIVE_PLAIN, code);
}

enum hg_status hg_native_compile_tile(const struct hg_program *program, enum hg_isa_level level,
                                      enum hg_fp_mode mode, uint32_t start,
                                      struct hg_native_tile tile, struct hg_native_code **code)
{
    return compile(program, level, mode, start, tile, HG_NATIVE_PLAIN, code);
}

uint64_t hg_native_bytes(const struct hg_native_code *code)
{
    return hg_alloc_block_bytes(code) + hg_code_arena_bytes(code->bytes);
}

void hg_native_destroy(struct hg_native_code **code)
{
    struct hg_native_code *dropped = *code;
    *code = NULL;
    if (dropped != NULL) {
        if (dropped->text != NULL) {
            hg_code_arena_drop(hg_code_arena_shared(), dropped->text, dropped->bytes);
        }
        hg_free(HG_TAG_EXEC, dropped);
    }
}
