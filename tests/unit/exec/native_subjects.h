/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that the native executor has code for, as loops over blocks or as straight-line code. */
#ifndef HG_TESTS_UNIT_EXEC_NATIVE_SUBJECTS_H
#define HG_TESTS_UNIT_EXEC_NATIVE_SUBJECTS_H

#include "support.h"

enum { OPERANDS = 4 };

struct subject {
    const char *name;
    bool direct; /* launched from beginning to end */
    enum hg_dtype types[OPERANDS];
    unsigned outputs; /* the last so many operands */
    unsigned operands;
    const char *text; /* with LOOP and END where the body of a loop over blocks may stand */
};

static const struct subject subjects[] = {
    {"add",
     true,
     {HG_F32, HG_F32, HG_F32},
     1,
     3,
     "LOOP\nldg.f32 r1, [b0 + lane]\nldg.f32 r2, [b1 + lane]\nadd.f32 r3, r1, r2\n"
     "stg.f32 [b2 + lane], r3\nEND\nexit\n"},
    {"scalar operand",
     true,
     {HG_F64, HG_F64, HG_F64},
     1,
     3,
     "LOOP\nldg.f64 r1, [b0 + lane]\nldg.f64 r2, [b1]\nmul.f64 r3, r1, r2\n"
     "stg.f64 [b2 + lane], r3\nEND\nexit\n"},
    {"bias",
     true,
     {HG_F32, HG_F32, HG_F32},
     1,
     3,
     "LOOP\nldg.f32 r1, [b0 + lane]\nldg.f32 r2, [b1 + lane%cols]\nadd.f32 r3, r1, r2\n"
     "stg.f32 [b2 + lane], r3\nEND\nexit\n"},
    {"per row",
     true,
     {HG_F32, HG_F32, HG_F32},
     1,
     3,
     "LOOP\nldg.f32 r1, [b0 + lane]\nldg.f32 r2, [b1 + lane/cols]\nsub.f32 r3, r1, r2\n"
     "stg.f32 [b2 + lane], r3\nEND\nexit\n"},
    {"clip",
     true,
     {HG_F32, HG_F32},
     1,
     2,
     "LOOP\nparam.f32 r1, 3\nparam.f32 r2, 4\nldg.f32 r3, [b0 + lane]\nmax.f32 r3, r3, r1\n"
     "min.f32 r3, r3, r2\nstg.f32 [b1 + lane], r3\nEND\nexit\n"},
    {"halves",
     true,
     {HG_F16, HG_BF16, HG_BF16},
     1,
     3,
     "LOOP\nldg.f16 r1, [b0 + lane]\nldg.bf16 r2, [b1 + lane]\ncvt.f32.f16 r3, r1\n"
     "cvt.f32.bf16 r4, r2\nfma.f32 r5, r3, r4, r3\ncvt.bf16.f32 r6, r5\n"
     "stg.bf16 [b2 + lane], r6\nEND\nexit\n"},
    {"bytes",
     true,
     {HG_I8, HG_U8, HG_F64},
     1,
     3,
     "LOOP\nldg.i8 r1, [b0 + lane]\nldg.u8 r2, [b1 + lane]\ncvt.f64.i8 r3, r1\n"
     "cvt.f64.u8 r4, r2\nmul.f64 r5, r3, r4\nstg.f64 [b2 + lane], r5\nEND\nexit\n"},
    {"spills",
     true,
     {HG_F64, HG_F64},
     1,
     2,
     "LOOP\nldg.f64 r1, [b0 + lane]\npow.f64 r2, r1, r1\nsin.f64 r3, r1\ntan.f64 r4, r2\n"
     "add.f64 r5, r3, r4\nsub.f64 r5, r5, r1\nstg.f64 [b1 + lane], r5\nEND\nexit\n"},
    {"sum",
     true,
     {HG_F32, HG_F32},
     1,
     2,
     "LOOP\nldg.f32 r1, [b0 + lane]\nreduce.add.f32 r2, r1\nEND\nstg.f32 [b1 + row], r2\nexit\n"},
    {"sum of halves",
     true,
     {HG_F16, HG_F16},
     1,
     2,
     "LOOP\nldg.f16 r1, [b0 + lane]\nreduce.add.f16 r2, r1\nEND\nstg.f16 [b1 + row], r2\nexit\n"},
    {"sum of bytes",
     true,
     {HG_U8, HG_U8},
     1,
     2,
     "LOOP\nldg.u8 r1, [b0 + lane]\nreduce.add.u8 r2, r1\nEND\nstg.u8 [b1 + row], r2\nexit\n"},
    {"extremes",
     true,
     {HG_F64, HG_F64, HG_F64},
     2,
     3,
     "LOOP\nldg.f64 r1, [b0 + lane]\nreduce.min.f64 r2, r1\nreduce.max.f64 r3, r1\nEND\n"
     "stg.f64 [b1 + row], r2\nstg.f64 [b2 + row], r3\nexit\n"},
    {"extremes of integers",
     true,
     {HG_I16, HG_I16, HG_I16},
     2,
     3,
     "LOOP\nldg.i16 r1, [b0 + lane]\nreduce.min.i16 r2, r1\nreduce.max.i16 r3, r1\nEND\n"
     "stg.i16 [b1 + row], r2\nstg.i16 [b2 + row], r3\nexit\n"},
    {"product",
     true,
     {HG_F32, HG_F32},
     1,
     2,
     "LOOP\nldg.f32 r1, [b0 + lane]\nreduce.mul.f32 r2, r1\nEND\nstg.f32 [b1 + row], r2\nexit\n"},
    {"sum in a wide body",
     true,
     {HG_F32, HG_F32},
     1,
     2,
     "LOOP\nldg.f32 r1, [b0 + lane]\ncvt.f64.f32 r3, r1\nadd.f64 r3, r3, r3\ncvt.f32.f64 r4, r3\n"
     "reduce.add.f32 r2, r4\nEND\nstg.f32 [b1 + row], r2\nexit\n"},
    {"softmax",
     true,
     {HG_F32, HG_F32},
     1,
     2,
     "LOOP\nldg.f32 r1, [b0 + lane]\nreduce.max.f32 r2, r1\nEND\nLOOP\n"
     "ldg.f32 r3, [b0 + lane]\nsub.f32 r3, r3, r2\nexp.f32 r3, r3\nstg.f32 [b1 + lane], r3\n"
     "reduce.add.f32 r4, r3\nEND\nLOOP\nldg.f32 r5, [b1 + lane]\ndiv.f32 r5, r5, r4\n"
     "stg.f32 [b1 + lane], r5\nEND\nexit\n"},
    {"mean of squares",
     true,
     {HG_F32, HG_F32, HG_F32},
     1,
     3,
     "LOOP\nldg.f32 r1, [b0 + lane]\nldg.f32 r2, [b1 + lane]\nsub.f32 r3, r1, r2\n"
     "mul.f32 r3, r3, r3\nreduce.add.f32 r4, r3\nEND\nparam.u64 r5, 2\ncvt.f32.u64 r6, r5\n"
     "div.f32 r7, r4, r6\nstg.f32 [b2 + row], r7\nexit\n"},
    {"quotients",
     true,
     {HG_I32, HG_I32, HG_I32},
     1,
     3,
     "LOOP\nldg.i32 r1, [b0 + lane]\nldg.i32 r2, [b1 + lane]\nmov_imm.i32 r9, 1\n"
     "or.i32 r2, r2, r9\ndiv.i32 r3, r1, r2\nstg.i32 [b2 + lane], r3\nEND\nexit\n"},
    {"strides",
     false,
     {HG_F32, HG_F64, HG_F64},
     1,
     3,
     "LOOP\nldg.f32 r1, [b0 + lane/3]\nldg.f64 r2, [b1 + lane%7]\nldg.f32 r3, [b0 + lane%1000]\n"
     "cvt.f64.f32 r1, r1\ncvt.f64.f32 r3, r3\nfma.f64 r4, r1, r2, r3\n"
     "stg.f64 [b2 + lane], r4\nEND\nexit\n"},
    {"a register anew",
     true,
     {HG_F32, HG_F32},
     1,
     2,
     "mov_imm.f32 r1, 3\nbar.sync\nldg.f32 r2, [b0 + lane]\nmul.f32 r2, r2, r1\nlog.f32 r3, r1\n"
     "mov_imm.f32 r1, 7\nadd.f32 r4, r1, r3\nreduce.add.f32 r5, r2\nadd.f32 r5, r5, r4\n"
     "mul.f32 r5, r5, r1\nstg.f32 [b1 + row], r5\nexit\n"},
    {"predicates",
     true,
     {HG_F32, HG_U8, HG_U8},
     1,
     3,
     "param.f32 r1, 3\nparam.f32 r2, 4\nsetlt.f32 p0, r1, r2\nsetgt.f32 p1, r1, r2\nLOOP\n"
     "ldg.f32 r3, [b0 + lane]\nreduce.max.f32 r4, r3\nEND\nsetgt.f32 p2, r4, r2\nbar.sync\nLOOP\n"
     "ldg.u8 r5, [b1 + lane]\nmov_imm.u8 r6, 7\nsel.u8 r5, p0, r5, r6\nsel.u8 r6, p1, r5, r6\n"
     "sel.u8 r5, p2, r5, r6\nstg.u8 [b2 + lane], r5\nEND\nexit\n"},
    {"gathered",
     false,
     {HG_U16, HG_U8, HG_F32},
     1,
     3,
     "LOOP\nldg.u16 r1, [b0 + lane]\ncvt.u64.u16 r2, r1\nparam.u64 r3, 0\nmov_imm.u64 r4, 1\n"
     "max.u64 r5, r3, r4\ndiv.u64 r6, r2, r5\nmul.u64 r6, r6, r5\nsub.u64 r2, r2, r6\n"
     "ldg.u8 r7, [b1 + r2]\nadd.u64 r8, r2, r2\nldg.u16 r9, [b0 + r8]\ncvt.f32.u8 r7, r7\n"
     "cvt.f32.u16 r9, r9\nsub.f32 r7, r7, r9\nstg.f32 [b2 + lane], r7\nEND\nexit\n"},
    {"scattered backwards",
     false,
     {HG_I64, HG_F64},
     1,
     2,
     "LOOP\nldg.i64 r1, [b0 + lane]\nparam.u64 r2, 0\nmov_imm.u64 r3, 8\nmul.u64 r4, r2, r3\n"
     "mul.u64 r5, r255, r3\nsub.u64 r4, r4, r5\ncvt.f64.i64 r6, r1\n"
     "stg.f64 [b1: r4 - 8], r6\nEND\nexit\n"},
    {"quotients of 64 bits",
     true,
     {HG_I64, HG_I64, HG_I64},
     1,
     3,
     "LOOP\nldg.i64 r1, [b0 + lane]\nldg.i64 r2, [b1 + lane]\nmov_imm.i64 r9, 1\n"
     "or.i64 r2, r2, r9\ndiv.i64 r3, r1, r2\nneg.i64 r9, r9\ndiv.i64 r4, r1, r9\n"
     "add.i64 r3, r3, r4\nstg.i64 [b2 + lane], r3\nEND\nexit\n"},
    {"every other",
     false,
     {HG_U8, HG_U8},
     1,
     2,
     "LOOP\nldg.u8 r1, [b0 + lane/2]\nldg.u8 r2, [b0 + lane%5]\nadd.u8 r1, r1, r2\n"
     "stg.u8 [b1 + lane], r1\nEND\nexit\n"},
    {"indices",
     true,
     {HG_U64, HG_U64, HG_U64},
     3,
     3,
     "LOOP\nstg.u64 [b0 + lane], r255\nstg.u64 [b1 + lane], r251\nmov.u64 r1, r250\n"
     "stg.u64 [b2 + lane], r1\nEND\nexit\n"},
};

/* TEXT with its loops over blocks, or as straight-line code. */
static inline struct hg_program *build(const char *text, bool loop)
{
    char out[2048];
    size_t used = 0;
    unsigned label = 0;
    for (const char *p = text; *p != '\0'; p++) {
        if (strncmp(p, "LOOP\n", 5) == 0) {
            used +=
                (size_t)(loop ? snprintf(out + used, sizeof out - used, "loop.blocks @l%u\n", label)
                              : 0);
            p += 4;
        } else if (strncmp(p, "END\n", 4) == 0) {
            used += (size_t)(loop ? snprintf(out + used, sizeof out - used, "l%u:\n", label) : 0);
            label++;
            p += 3;
        } else {
            out[used++] = *p;
        }
    }
    out[used] = '\0';
    return program_of(out);
}

#endif
