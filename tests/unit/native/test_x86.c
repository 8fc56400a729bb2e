/* SPDX-License-Identifier: Apache-2.0 */
/* What the encoder writes is what binutils' disassembler reads; HG_SEED repeats a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/native/x86.h"

#define ALL_FEATURES (HG_X86_AVX512_FEATURES | HG_X86_HAS(BF16))

/* ---- what x86.def says, as text -------------------------------------------------------------- */

struct shape {
    const char *name, *form, *d, *a, *b, *rm;
    const char *vex, *evex, *tuple, *lengths, *mask, *round;
};

static const struct shape shapes[HG_X86_OP_COUNT] = {
#define HG_X86_ROW(name, form, d, a, b, rm, map, pp, opcode, digit, vex, vw, evex, ew, tuple,      \
                   lengths, mask, round)                                                           \
    {#name, #form, #d, #a, #b, #rm, #vex, #evex, #tuple, #lengths, #mask, #round},
#include "lib/native/x86.def"
#undef HG_X86_ROW
};

static bool is(const char *text, const char *other)
{
    return strcmp(text, other) == 0;
}

/* ---- random choices -------------------------------------------------------------------------- */

static uint64_t seed;
static uint64_t state;

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint32_t below(uint32_t limit)
{
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ z >> 31) % limit);
}

static bool maybe(uint32_t one_in)
{
    return below(one_in) == 0;
}

/* ---- one random instruction, and what a disassembler should make of it ----------------------- */

struct sample {
    const struct shape *shape;
    uint32_t insn; /* with modifiers */
    bool is_evex, is_wide;
    unsigned bits; /* vector length */
    char text[160];
};

static const char *const gpr_names[16] = {"ax", "cx", "dx", "bx", "sp", "bp", "si", "di",
                                          "8",  "9",  "10", "11", "12", "13", "14", "15"};

static void append(struct sample *s, const char *format, ...)
{
    size_t used = strlen(s->text);
    va_list args;
    va_start(args, format);
    vsnprintf(s->text + used, sizeof(s->text) - used, format, args);
    va_end(args);
}

static void append_gpr(struct sample *s, unsigned reg, unsigned bits)
{
    const char *name = gpr_names[reg];
    if (reg >= 8) {
        append(s, "r%s%s", name, bits == 64 ? "" : bits == 32 ? "d" : bits == 16 ? "w" : "b");
    } else if (bits == 8) {
        bool is_letter = name[1] == 'x';
        append(s, "%.*sl", is_letter ? 1 : 2, name);
    } else {
        append(s, "%s%s", bits == 64 ? "r" : bits == 32 ? "e" : "", name);
    }
}

static void append_vector(struct sample *s, unsigned reg, unsigned bits)
{
    append(s, "%cmm%u", bits == 512 ? 'z' : bits == 256 ? 'y' : 'x', reg);
}

static unsigned class_bits(const struct sample *s, const char *class)
{
    unsigned bits = s->bits;
    bits = is(class, "H") ? bits / 2 : is(class, "Q") ? bits / 4 : is(class, "E") ? bits / 8 : bits;
    bits = is(class, "X") ? 128 : is(class, "Y") ? 256 : bits;
    return bits < 128 ? 128 : bits;
}

static bool is_vector(const char *class)
{
    return strchr("VHQEXY", class[0]) != NULL && class[1] == 0;
}

/* A register of CLASS, written after SEPARATOR. */
static unsigned pick_register(struct sample *s, const char *class, const char *separator)
{
    append(s, "%s", separator);
    if (is_vector(class)) {
        unsigned reg = below(s->is_evex ? 32 : 16);
        append_vector(s, reg, class_bits(s, class));
        return reg;
    }
    if (is(class, "K")) {
        unsigned reg = below(8);
        append(s, "k%u", reg);
        return reg;
    }
    unsigned bits = is(class, "G")     ? 32
                    : is(class, "L")   ? 64
                    : is(class, "B")   ? 8
                    : is(class, "H16") ? 16
                    : s->is_wide       ? 64
                                       : 32;
    unsigned reg = below(16);
    append_gpr(s, reg, bits);
    return reg;
}

static int32_t pick_displacement(void)
{
    static const int32_t units[] = {1, 2, 4, 8, 16, 32, 64};
    int32_t unit = units[below(7)];
    switch (below(6)) {
    case 0:
        return 0;
    case 1:
        return (int32_t)below(256) - 128;
    case 2:
        return ((int32_t)below(256) - 128) * unit;
    case 3:
        return (maybe(2) ? 127 + (int32_t)below(2) : -128 - (int32_t)below(2)) * unit;
    case 4:
        return ((int32_t)below(256) - 128) * unit + (int32_t)below(3) - 1;
    default:
        return maybe(8) ? (maybe(2) ? INT32_MAX : INT32_MIN)
                        : (int32_t)(below(UINT32_MAX) & 0xffffff) - 0x800000;
    }
}

static void append_displacement(struct sample *s, int32_t disp)
{
    int64_t wide = disp;
    append(s, "%c0x%" PRIx64, wide < 0 ? '-' : '+', wide < 0 ? -wide : wide);
}

/* A memory operand. INDEX_CLASS is that of a vector index, or NULL. */
static struct hg_x86_mem pick_memory(struct sample *s, const char *separator,
                                     const char *index_class, uint32_t taken)
{
    struct hg_x86_mem m = hg_x86_at(below(16), pick_displacement());
    append(s, "%s", separator);
    bool has_base = !maybe(12);
    if (!has_base) {
        m.base = HG_X86_NO_REGISTER;
    }
    if (index_class != NULL) {
        do {
            m.index = (uint8_t)below(s->is_evex ? 32 : 16);
        } while ((taken >> m.index & 1) != 0);
    } else if (maybe(2)) {
        do {
            m.index = (uint8_t)below(16);
        } while (m.index == HG_X86_RSP);
    }
    m.scale = m.index == HG_X86_NO_REGISTER ? 0 : (uint8_t)below(4);
    if (!has_base && m.index == HG_X86_NO_REGISTER) {
        append(s, "ds:0x%" PRIx64, (uint64_t)(int64_t)m.disp);
        return m;
    }
    append(s, "[");
    if (has_base) {
        append_gpr(s, m.base, 64);
    }
    if (m.index != HG_X86_NO_REGISTER) {
        append(s, has_base ? "+" : "");
        if (index_class != NULL) {
            append_vector(s, m.index, class_bits(s, index_class));
        } else {
            append_gpr(s, m.index, 64);
        }
        append(s, "*%u", 1u << m.scale);
    }
    if (m.disp != 0 || !has_base || (m.base & 7) == HG_X86_RBP) {
        append_displacement(s, m.disp);
    }
    append(s, "]");
    return m;
}

/* The write mask of a destination that was just written. */
static void pick_mask(struct sample *s, bool to_memory)
{
    const char *mask = s->shape->mask;
    if (!s->is_evex || is(mask, "N") || (!is(mask, "KM") && maybe(2))) {
        return;
    }
    unsigned k = 1 + below(7);
    s->insn |= HG_X86_K(k);
    append(s, "{k%u}", k);
    if (is(mask, "KZ") && !to_memory && maybe(2)) {
        s->insn |= HG_X86_ZERO;
        append(s, "{z}");
    }
}

/* Rounding of a register form whose operands were just written. */
static void pick_rounding(struct sample *s)
{
    static const char *const names[] = {"rn", "rd", "ru", "rz"};
    bool has_any = s->bits == 512 || is(s->shape->lengths, "LIG");
    if (!s->is_evex || is(s->shape->round, "N") || !has_any || maybe(2)) {
        return;
    }
    if (is(s->shape->round, "SAE")) {
        s->insn |= HG_X86_SAE;
        append(s, "{sae}");
        return;
    }
    uint32_t mode = below(4);
    s->insn |= HG_X86_ROUND(mode);
    append(s, "{%s-sae}", names[mode]);
}

/* The last operand where it is memory, with a broadcast perhaps. */
static struct hg_x86_mem pick_source(struct sample *s, const char *separator)
{
    const char *tuple = s->shape->tuple;
    bool may_broadcast =
        s->is_evex && (is(tuple, "FV32") || is(tuple, "FV64") || is(tuple, "HV32"));
    if (may_broadcast && maybe(2)) {
        s->insn |= HG_X86_BROADCAST;
        append(s, "%s", separator);
        append(s, "%s BCST ", is(tuple, "FV64") ? "QWORD" : "DWORD");
        separator = "";
    }
    struct hg_x86_mem m = pick_memory(s, separator, NULL, 0);
    /* Where the length shows nowhere else. */
    bool is_shown =
        is(s->shape->d, "V") || !is(s->shape->b, "_") || (is(s->shape->d, "H") && s->bits == 512);
    if ((s->insn & HG_X86_BROADCAST) != 0 && !is_shown) {
        append(s, "{1to%u}", s->bits / (is(tuple, "FV64") ? 64 : 32));
    }
    return m;
}

/* An immediate of a byte. Comparisons have names for small ones. */
static int32_t pick_byte(struct sample *s)
{
    int32_t value = (int32_t)below(256);
    value |= strncmp(s->shape->name, "VCMP", 4) == 0 || strncmp(s->shape->name, "VPCMP", 5) == 0
                 ? 0x80
                 : 0;
    append(s, ",0x%x", (unsigned)value);
    return value;
}

static int32_t pick_immediate(struct sample *s)
{
    int32_t value = maybe(2) ? (int32_t)below(256) - 128 : (int32_t)(below(UINT32_MAX));
    uint64_t shown = s->is_wide ? (uint64_t)(int64_t)value : (uint32_t)value;
    append(s, ",0x%" PRIx64, shown);
    return value;
}

static bool pick_is_memory(const struct sample *s)
{
    const char *rm = s->shape->rm;
    return is(rm, "M") || ((is(rm, "RM") || (is(rm, "RE") && s->is_evex)) && maybe(2));
}

/* Length, encoding and the mnemonic. */
static void begin(struct sample *s, const struct shape *shape)
{
    bool has_vex = !is(shape->vex, "NO");
    bool has_evex = !is(shape->evex, "NO");
    const char *lengths = shape->lengths;
    *s = (struct sample){.shape = shape, .insn = (uint32_t)(shape - shapes), .bits = 128};
    s->is_evex = has_evex && (!has_vex || maybe(2));
    if (is(lengths, "ALL") || is(lengths, "L256UP") || is(lengths, "UP256")) {
        unsigned least = is(lengths, "L256UP") ? 1 : 0;
        unsigned most = s->is_evex && !is(lengths, "UP256") ? 2 : 1;
        s->bits = 128u << (least + below(most - least + 1));
    } else if (!is(lengths, "_") && !is(lengths, "LIG")) {
        s->bits = (unsigned)strtoul(lengths + 1, NULL, 10);
    }
    /* Masks are VEX, with lengths that mean nothing. */
    bool is_vec = is_vector(shape->d) || is_vector(shape->a) || is_vector(shape->b);
    s->insn |= is_vec ? HG_X86_LENGTH(s->bits) : 0;
    s->insn |= s->is_evex ? HG_X86_FORCE_EVEX : 0;
    bool has_w = is(shape->d, "W") || is(shape->a, "W");
    s->is_wide = has_w && maybe(2);
    s->insn |= s->is_wide ? HG_X86_W64 : 0;
    size_t length = strcspn(shape->name, "_");
    for (size_t i = 0; i < length; i++) {
        append(s, "%c", shape->name[i] | 0x20);
    }
    bool is_sized = strncmp(s->text, "movzx", 5) == 0 || strncmp(s->text, "movsx", 5) == 0;
    if (is(shape->name, "MUL1") || is(shape->name, "IMUL1") || is_sized) {
        s->text[strcspn(s->text, "0123456789")] = 0;
    }
}

static void emit_two(struct hg_x86 *x, struct sample *s)
{
    const struct shape *shape = s->shape;
    if (is(shape->form, "MR") && pick_is_memory(s)) {
        struct hg_x86_mem m = pick_memory(s, " ", NULL, 0);
        pick_mask(s, true);
        hg_x86_mr(x, s->insn, m, pick_register(s, shape->a, ","));
        return;
    }
    unsigned d = pick_register(s, shape->d, " ");
    pick_mask(s, false);
    if (is(shape->form, "RM") && pick_is_memory(s)) {
        struct hg_x86_mem m = pick_source(s, ",");
        hg_x86_rm(x, s->insn, d, m);
        return;
    }
    unsigned a = pick_register(s, shape->a, ",");
    pick_rounding(s);
    hg_x86_rr(x, s->insn, d, a);
}

static void emit_three(struct hg_x86 *x, struct sample *s)
{
    const struct shape *shape = s->shape;
    unsigned d = pick_register(s, shape->d, " ");
    pick_mask(s, false);
    if (is(shape->form, "RMV") && pick_is_memory(s)) {
        struct hg_x86_mem m = pick_memory(s, ",", NULL, 0);
        hg_x86_rmr(x, s->insn, d, m, pick_register(s, shape->b, ","));
        return;
    }
    unsigned a = pick_register(s, shape->a, ",");
    if (is(shape->form, "RVM") && pick_is_memory(s)) {
        struct hg_x86_mem m = pick_source(s, ",");
        hg_x86_rrm(x, s->insn, d, a, m);
        return;
    }
    unsigned b = pick_register(s, shape->b, ",");
    pick_rounding(s);
    hg_x86_rrr(x, s->insn, d, a, b);
}

static void emit_two_and_byte(struct hg_x86 *x, struct sample *s)
{
    const struct shape *shape = s->shape;
    bool is_store = is(shape->form, "MRI");
    if (is_store && pick_is_memory(s)) {
        struct hg_x86_mem m = pick_memory(s, " ", NULL, 0);
        pick_mask(s, true);
        unsigned a = pick_register(s, shape->a, ",");
        hg_x86_mri(x, s->insn, m, a, pick_byte(s));
        return;
    }
    unsigned d = pick_register(s, shape->d, " ");
    pick_mask(s, false);
    bool is_short = is(shape->form, "RMI_SHORT");
    if (!is_store && pick_is_memory(s)) {
        struct hg_x86_mem m = pick_source(s, ",");
        hg_x86_rmi(x, s->insn, d, m, is_short ? pick_immediate(s) : pick_byte(s));
        return;
    }
    unsigned a = pick_register(s, shape->a, ",");
    pick_rounding(s);
    hg_x86_rri(x, s->insn, d, a, is_short ? pick_immediate(s) : pick_byte(s));
}

static void emit_three_and_byte(struct hg_x86 *x, struct sample *s)
{
    const struct shape *shape = s->shape;
    bool has_register = is(shape->form, "RVMR");
    unsigned d = pick_register(s, shape->d, " ");
    pick_mask(s, false);
    unsigned a = pick_register(s, shape->a, ",");
    if (pick_is_memory(s)) {
        struct hg_x86_mem m = pick_source(s, ",");
        if (has_register) {
            hg_x86_rrmr(x, s->insn, d, a, m, pick_register(s, shape->d, ","));
        } else {
            hg_x86_rrmi(x, s->insn, d, a, m, pick_byte(s));
        }
        return;
    }
    unsigned b = pick_register(s, shape->b, ",");
    pick_rounding(s);
    if (has_register) {
        hg_x86_rrrr(x, s->insn, d, a, b, pick_register(s, shape->d, ","));
    } else {
        hg_x86_rrri(x, s->insn, d, a, b, pick_byte(s));
    }
}

static void emit_indexed(struct hg_x86 *x, struct sample *s)
{
    const struct shape *shape = s->shape;
    if (is(shape->form, "SCATTER")) {
        struct hg_x86_mem m = pick_memory(s, " ", shape->d, 0);
        pick_mask(s, true);
        hg_x86_mr(x, s->insn, m, pick_register(s, shape->a, ","));
        return;
    }
    unsigned d = pick_register(s, shape->d, " ");
    pick_mask(s, true);
    if (is(shape->form, "GATHER")) {
        hg_x86_rm(x, s->insn, d, pick_memory(s, ",", shape->a, 1u << d));
        return;
    }
    unsigned b = (d + 1 + below(14)) % 16; /* three different registers */
    struct hg_x86_mem m = pick_memory(s, ",", shape->a, 1u << d | 1u << b);
    append(s, ",");
    append_vector(s, b, class_bits(s, shape->b));
    hg_x86_rmr(x, s->insn, d, m, b);
}

static void emit_one(struct hg_x86 *x, struct sample *s)
{
    const struct shape *shape = s->shape;
    if (pick_is_memory(s)) {
        hg_x86_m(x, s->insn, pick_memory(s, " ", NULL, 0));
    } else {
        hg_x86_r(x, s->insn, pick_register(s, shape->d, " "));
    }
    append(s, strstr(shape->name, "_CL") != NULL ? ",cl" : "");
}

static void emit_one_and_immediate(struct hg_x86 *x, struct sample *s)
{
    bool is_byte = is(s->shape->form, "MI8");
    if (pick_is_memory(s)) {
        struct hg_x86_mem m = pick_memory(s, " ", NULL, 0);
        hg_x86_mi(x, s->insn, m, is_byte ? pick_byte(s) : pick_immediate(s));
    } else {
        unsigned r = pick_register(s, s->shape->d, " ");
        hg_x86_ri(x, s->insn, r, is_byte ? pick_byte(s) : pick_immediate(s));
    }
}

static void emit(struct hg_x86 *x, struct sample *s, const struct shape *shape)
{
    const char *form = shape->form;
    begin(s, shape);
    if (is(form, "RM") || is(form, "MR")) {
        emit_two(x, s);
    } else if (is(form, "RVM") || is(form, "RMV")) {
        emit_three(x, s);
    } else if (is(form, "MVR")) {
        struct hg_x86_mem m = pick_memory(s, " ", NULL, 0);
        unsigned a = pick_register(s, shape->a, ",");
        hg_x86_mrr(x, s->insn, m, a, pick_register(s, shape->b, ","));
    } else if (is(form, "RMI") || is(form, "MRI") || is(form, "VMI") || is(form, "RMI_SHORT")) {
        emit_two_and_byte(x, s);
    } else if (is(form, "RVMI") || is(form, "RVMR")) {
        emit_three_and_byte(x, s);
    } else if (strstr(form, "GATHER") != NULL || is(form, "SCATTER")) {
        emit_indexed(x, s);
    } else if (is(form, "M") || is(form, "M_FAR") || is(form, "O")) {
        emit_one(x, s);
    } else if (strncmp(form, "MI", 2) == 0) {
        emit_one_and_immediate(x, s);
    } else {
        hg_x86_0(x, s->insn);
    }
}

/* ---- the disassembler ------------------------------------------------------------------------ */

struct listing {
    FILE *pipe;
    char path[64];
    char line[512];
};

static void listing_open(struct listing *listing, const void *code, size_t size)
{
    char command[256];
    snprintf(listing->path, sizeof(listing->path), "/tmp/hg-x86-XXXXXX");
    int fd = mkstemp(listing->path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, code, size), (ssize_t)size);
    close(fd);
    snprintf(command, sizeof(command),
             "objdump -D -z -b binary -m i386:x86-64 -M intel --no-show-raw-insn %s",
             listing->path);
    listing->pipe = popen(command, "r");
    assert_non_null(listing->pipe);
}

static void listing_close(struct listing *listing)
{
    assert_int_equal(pclose(listing->pipe), 0);
    unlink(listing->path);
}

/* Without the words that only repeat what the opcode says, and without comments; versions differ
 * about a comma before a rounding mode. */
static void normalise(const char *from, char *to)
{
    static const char *const words[] = {"BYTE PTR ",    "WORD PTR ",    "DWORD PTR ",
                                        "QWORD PTR ",   "XMMWORD PTR ", "YMMWORD PTR ",
                                        "ZMMWORD PTR ", "{evex} "};
    while (*from != 0 && *from != '\n' && *from != '#') {
        bool is_word = false;
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
            if (strncmp(from, words[i], strlen(words[i])) == 0) {
                from += strlen(words[i]);
                is_word = true;
                break;
            }
        }
        if (is_word) {
            continue;
        }
        from += from[0] == ',' && from[1] == '{';
        *to++ = *from++;
        while (to[-1] == ' ' && *from == ' ') {
            from++;
        }
    }
    while (to[-1] == ' ') {
        to--;
    }
    *to = 0;
}

/* The next instruction and its address; false at the end. */
static bool listing_next(struct listing *listing, uint64_t *address, char *text)
{
    while (fgets(listing->line, sizeof(listing->line), listing->pipe) != NULL) {
        char *colon = strstr(listing->line, ":\t");
        if (colon != NULL) {
            *address = strtoull(listing->line, NULL, 16);
            normalise(colon + 2, text);
            return true;
        }
    }
    return false;
}

/* ---- cases ----------------------------------------------------------------------------------- */

#define ROUNDS 64

/* Every row, in every form and with every kind of operand, is read by a disassembler as it was
 * meant: mnemonic, registers, mask, broadcast, rounding, displacement, immediate and length. */
static void a_disassembler_reads_what_was_meant(void **unused)
{
    (void)unused;
    const size_t count = (size_t)HG_X86_OP_COUNT * ROUNDS;
    struct sample *samples = calloc(count, sizeof(*samples));
    uint32_t *places = calloc(count, sizeof(*places));
    uint8_t *code = calloc(count, HG_X86_BYTES_MAX);
    assert_true(samples != NULL && places != NULL && code != NULL);
    struct hg_x86 x;
    hg_x86_init(&x, code, count * HG_X86_BYTES_MAX, ALL_FEATURES);
    for (size_t i = 0; i < count; i++) {
        places[i] = hg_x86_here(&x);
        emit(&x, &samples[i], &shapes[i % HG_X86_OP_COUNT]);
        if (x.is_wrong || hg_x86_here(&x) == places[i]) {
            fail_msg("seed %" PRIu64 ": not encoded: %s", seed, samples[i].text);
        }
    }
    size_t size = 0;
    assert_int_equal(hg_x86_fini(&x, &size), HG_OK);

    struct listing listing;
    listing_open(&listing, code, size);
    size_t wrong = 0;
    for (size_t i = 0; i < count && wrong < 20; i++) {
        uint64_t address = 0;
        char text[512] = "nothing";
        bool is_there = listing_next(&listing, &address, text);
        if (!is_there || address != places[i] || !is(text, samples[i].text)) {
            print_error("seed %" PRIu64 ": %s %s at 0x%x: meant '%s', read '%s' at 0x%" PRIx64 "\n",
                        seed, samples[i].shape->name, samples[i].is_evex ? "EVEX" : "VEX",
                        places[i], samples[i].text, text, address);
            wrong++;
        }
        if (!is_there || address != places[i]) {
            break;
        }
    }
    print_message("%zu instructions, %zu bytes, seed %" PRIu64 "\n", count, size, seed);
    assert_int_equal(wrong, 0);
    while (fgets(listing.line, sizeof(listing.line), listing.pipe) != NULL) {
    }
    listing_close(&listing);
    free(code);
    free(places);
    free(samples);
}

/* Asks the disassembler about CODE, which is to read as LINES. */
static void assert_listing(const struct hg_x86 *x, const char *const *lines, size_t count)
{
    size_t size = 0;
    assert_int_equal(hg_x86_fini(x, &size), HG_OK);
    struct listing listing;
    listing_open(&listing, x->start, size);
    for (size_t i = 0; i < count; i++) {
        uint64_t address = 0;
        char text[512] = "";
        assert_true(listing_next(&listing, &address, text));
        assert_string_equal(text, lines[i]);
    }
    uint64_t address = 0;
    char text[512] = "";
    assert_false(listing_next(&listing, &address, text));
    listing_close(&listing);
}

/* Jumps go where they should, forward, far back and near back; forgotten flags are no concern. */
static void jumps_reach_their_places(void **unused)
{
    (void)unused;
    uint8_t code[512];
    struct hg_x86 x;
    hg_x86_init(&x, code, sizeof(code), HG_X86_AVX2_FEATURES);
    uint32_t top = hg_x86_here(&x);
    uint32_t skip = hg_x86_jump_if(&x, HG_X86_CC_LE);
    uint32_t out = hg_x86_jump(&x);
    hg_x86_jump_if_to(&x, HG_X86_CC_NE, top);
    hg_x86_land(&x, skip);
    for (int i = 0; i < 13; i++) { /* 130 bytes */
        hg_x86_load(&x, HG_X86_RAX, UINT64_MAX >> 1);
    }
    hg_x86_jump_to(&x, top);
    hg_x86_jump_if_to(&x, HG_X86_CC_A, top);
    hg_x86_land(&x, out);
    hg_x86_0(&x, HG_X86_RET);
    static const char *const load = "movabs rax,0x7fffffffffffffff";
    const char *const lines[] = {
        "jle 0xd", "jmp 0x9a", "jne 0x0", load, load, load, load,      load,     load,  load,
        load,      load,       load,      load, load, load, "jmp 0x0", "ja 0x0", "ret",
    };
    assert_listing(&x, lines, sizeof(lines) / sizeof(lines[0]));
}

/* Constants come in the shortest way that keeps all 64 bits. */
static void constants_load_in_the_shortest_way(void **unused)
{
    (void)unused;
    uint8_t code[128];
    struct hg_x86 x;
    hg_x86_init(&x, code, sizeof(code), HG_X86_AVX2_FEATURES);
    static const struct {
        unsigned reg;
        uint64_t value;
        uint32_t bytes;
    } loads[] = {
        {HG_X86_RAX, 0, 5},
        {HG_X86_R9, UINT32_MAX, 6},
        {HG_X86_RDX, UINT64_MAX, 7},
        {HG_X86_R15, (uint64_t)INT32_MIN, 7},
        {HG_X86_R12, UINT64_C(0x100000000), 10},
    };
    for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
        uint32_t before = hg_x86_here(&x);
        hg_x86_load(&x, loads[i].reg, loads[i].value);
        assert_int_equal(hg_x86_here(&x) - before, loads[i].bytes);
    }
    const char *const lines[] = {
        "mov eax,0x0",
        "mov r9d,0xffffffff",
        "mov rdx,0xffffffffffffffff",
        "mov r15,0xffffffff80000000",
        "movabs r12,0x100000000",
    };
    assert_listing(&x, lines, 5);
}

/* Data behind the code is found from it, with an immediate after the address and without. */
static void code_refers_to_data_behind_it(void **unused)
{
    (void)unused;
    uint8_t code[128];
    struct hg_x86 x;
    hg_x86_init(&x, code, sizeof(code), HG_X86_AVX512_FEATURES);
    hg_x86_rm(&x, HG_X86_VBROADCASTSS | HG_X86_512, 3, hg_x86_code(0));
    uint32_t first = hg_x86_reference(&x, 0);
    hg_x86_rrmi(&x, HG_X86_VRANGEPS | HG_X86_512, 3, 4, hg_x86_code(0), 7);
    uint32_t second = hg_x86_reference(&x, 1);
    hg_x86_rm(&x, HG_X86_LEA | HG_X86_W64, HG_X86_RAX, hg_x86_code(5));
    hg_x86_refer(&x, first, 0x40);
    hg_x86_refer(&x, second, 0x60);
    const char *const lines[] = {
        "vbroadcastss zmm3,[rip+0x36]",
        "vrangeps zmm3,zmm4,[rip+0x4b],0x7",
        "lea rax,[rip+0xffffffffffffffe9]",
    };
    assert_listing(&x, lines, 3);
}

/* Filling is made of whole instructions, and ends at the alignment from every start. */
static void filling_does_nothing_and_aligns(void **unused)
{
    (void)unused;
    for (uint32_t start = 0; start < 64; start++) {
        uint8_t code[256];
        struct hg_x86 x;
        hg_x86_init(&x, code, sizeof(code), HG_X86_AVX2_FEATURES);
        for (uint32_t i = 0; i < start; i++) {
            hg_x86_0(&x, HG_X86_INT3);
        }
        hg_x86_align(&x, 64);
        assert_int_equal(hg_x86_here(&x) % 64, 0);
        assert_int_equal(hg_x86_here(&x), (start + 63) / 64 * 64);
        for (uint32_t i = start; i < hg_x86_here(&x); i++) {
            assert_int_not_equal(code[i], 0xcc);
        }
    }
}

/* A displacement that is a multiple of what the instruction moves takes one byte. */
static void displacements_are_compressed(void **unused)
{
    (void)unused;
    static const struct {
        uint32_t insn;
        int32_t disp;
        uint32_t bytes;
    } loads[] = {
        {HG_X86_VMOVUPS | HG_X86_512, 0, 6},
        {HG_X86_VMOVUPS | HG_X86_512, 127 * 64, 7},
        {HG_X86_VMOVUPS | HG_X86_512, -128 * 64, 7},
        {HG_X86_VMOVUPS | HG_X86_512, 128 * 64, 10},
        {HG_X86_VMOVUPS | HG_X86_512, 32, 10},
        {HG_X86_VMOVUPS | HG_X86_256 | HG_X86_FORCE_EVEX, 32, 7},
        {HG_X86_VMOVUPS | HG_X86_256, 127, 5},
        {HG_X86_VMOVUPS | HG_X86_256, 128, 8},
        {HG_X86_VCVTPS2PD | HG_X86_512, 32, 7},
        {HG_X86_VCVTPS2PD | HG_X86_512 | HG_X86_BROADCAST, 4, 7},
        {HG_X86_VPMOVZXBQ | HG_X86_512, 8, 7},
    };
    for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
        uint8_t code[32];
        struct hg_x86 x;
        hg_x86_init(&x, code, sizeof(code), HG_X86_AVX512_FEATURES);
        hg_x86_rm(&x, loads[i].insn, 1, hg_x86_at(HG_X86_RDI, loads[i].disp));
        assert_int_equal(hg_x86_here(&x), loads[i].bytes);
    }
}

/* In a buffer of any size nothing is written past the end, nor after what did not fit, and the end
 * says so. */
static void a_full_buffer_stays_within_its_bounds(void **unused)
{
    (void)unused;
    for (size_t size = 0; size < 80; size++) {
        uint8_t code[128];
        memset(code, 0xa5, sizeof(code));
        struct hg_x86 x;
        hg_x86_init(&x, code, size, HG_X86_AVX512_FEATURES);
        uint32_t jump = hg_x86_jump_if(&x, HG_X86_CC_E);
        hg_x86_rm(&x, HG_X86_VBROADCASTSS | HG_X86_512, 3, hg_x86_code(0));
        uint32_t reference = hg_x86_reference(&x, 0);
        hg_x86_load(&x, HG_X86_R9, UINT64_MAX >> 1);
        hg_x86_r(&x, HG_X86_PUSH, HG_X86_R12);
        hg_x86_rrr(&x, HG_X86_VADDPS | HG_X86_512, 1, 2, 3);
        hg_x86_jump_to(&x, 0);
        hg_x86_align(&x, 64);
        hg_x86_0(&x, HG_X86_RET);
        hg_x86_land(&x, jump);
        hg_x86_refer(&x, reference, 0);
        size_t used = 77;
        enum hg_status status = hg_x86_fini(&x, &used);
        assert_int_equal(status, size < 64 + HG_X86_BYTES_MAX ? HG_RESOURCE_EXHAUSTED : HG_OK);
        assert_int_equal(used, status == HG_OK ? 65 : 77);
        for (size_t i = size; i < sizeof(code); i++) {
            assert_int_equal(code[i], 0xa5);
        }
    }
}

/* No row is encoded for a CPU that lacks what it asks for, in none of its forms. */
static void missing_features_are_refused(void **unused)
{
    (void)unused;
    uint8_t code[64];
    struct hg_x86 x;
    for (size_t i = 0; i < (size_t)HG_X86_OP_COUNT * 8; i++) {
        struct sample sample;
        hg_x86_init(&x, code, sizeof(code), HG_X86_HAS(NO));
        emit(&x, &sample, &shapes[i % HG_X86_OP_COUNT]);
        size_t size;
        assert_int_equal(hg_x86_fini(&x, &size), HG_INTERNAL);
        assert_int_equal(hg_x86_here(&x), 0);
    }
    static const uint32_t wants_avx512[] = {
        HG_X86_VADDPS | HG_X86_512,
        HG_X86_VADDPS | HG_X86_K(1),
        HG_X86_VADDPS | HG_X86_ROUND(HG_X86_UP),
        HG_X86_VPANDD,
        HG_X86_KANDW,
        HG_X86_VDPBF16PS,
    };
    for (size_t i = 0; i < sizeof(wants_avx512) / sizeof(wants_avx512[0]); i++) {
        hg_x86_init(&x, code, sizeof(code), HG_X86_AVX2_FEATURES);
        hg_x86_rrr(&x, wants_avx512[i], 1, 2, 3);
        assert_true(x.is_wrong);
    }
    hg_x86_init(&x, code, sizeof(code), HG_X86_AVX2_FEATURES);
    hg_x86_rrr(&x, HG_X86_VADDPS, 1, 2, 16);
    assert_true(x.is_wrong);
}

/* A row called with operands that it does not have is refused. */
static void wrong_operands_are_refused(void **unused)
{
    (void)unused;
    uint8_t code[64];
    for (uint32_t op = 0; op < HG_X86_OP_COUNT; op++) {
        struct hg_x86 x;
        const struct hg_x86_mem m = hg_x86_at(HG_X86_RAX, 0);
        const char *form = shapes[op].form;
        hg_x86_init(&x, code, sizeof(code), ALL_FEATURES);
        if (is(form, "RM") || is(form, "MR")) {
            hg_x86_rrr(&x, op, 1, 2, 3);
        } else if (is(form, "RVM") || is(form, "RMV")) {
            hg_x86_rr(&x, op, 1, 2);
        } else if (is(form, "GATHER") || is(form, "SCATTER") || is(form, "GATHER_V")) {
            hg_x86_rrm(&x, op, 1, 2, m);
        } else {
            hg_x86_rmr(&x, op, 1, m, 2);
        }
        assert_true(x.is_wrong);
        assert_ptr_equal(x.at, x.start);
    }
}

int main(void)
{
    const char *chosen = getenv("HG_SEED");
    seed = chosen != NULL ? strtoull(chosen, NULL, 10) : (uint64_t)time(NULL);
    state = seed;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_disassembler_reads_what_was_meant),
        cmocka_unit_test(jumps_reach_their_places),
        cmocka_unit_test(constants_load_in_the_shortest_way),
        cmocka_unit_test(code_refers_to_data_behind_it),
        cmocka_unit_test(filling_does_nothing_and_aligns),
        cmocka_unit_test(displacements_are_compressed),
        cmocka_unit_test(a_full_buffer_stays_within_its_bounds),
        cmocka_unit_test(missing_features_are_refused),
        cmocka_unit_test(wrong_operands_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
