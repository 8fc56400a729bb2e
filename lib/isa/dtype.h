/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The twelve element types. Codes are part of the binary form of programs and never change.
 */
#ifndef HG_LIB_ISA_DTYPE_H
#define HG_LIB_ISA_DTYPE_H

#include <stdbool.h>
#include <stdint.h>

/* HG_DTYPE(NAME, code, bytes, text, kind): kind is SINT, UINT or FLOAT. */
#define HG_DTYPE_MAP(HG_DTYPE)                                                                     \
    HG_DTYPE(I8, 0, 1, "i8", SINT)                                                                 \
    HG_DTYPE(I16, 1, 2, "i16", SINT)                                                               \
    HG_DTYPE(I32, 2, 4, "i32", SINT)                                                               \
    HG_DTYPE(I64, 3, 8, "i64", SINT)                                                               \
    HG_DTYPE(U8, 4, 1, "u8", UINT)                                                                 \
    HG_DTYPE(U16, 5, 2, "u16", UINT)                                                               \
    HG_DTYPE(U32, 6, 4, "u32", UINT)                                                               \
    HG_DTYPE(U64, 7, 8, "u64", UINT)                                                               \
    HG_DTYPE(F16, 8, 2, "f16", FLOAT)                                                              \
    HG_DTYPE(BF16, 9, 2, "bf16", FLOAT)                                                            \
    HG_DTYPE(F32, 10, 4, "f32", FLOAT)                                                             \
    HG_DTYPE(F64, 11, 8, "f64", FLOAT)

enum hg_dtype {
#define HG_DTYPE_ENUM(name, code, bytes, text, kind) HG_##name = (code),
    HG_DTYPE_MAP(HG_DTYPE_ENUM)
#undef HG_DTYPE_ENUM
        HG_DTYPE_COUNT = 12
};

/* Sets of types, as bits. */
#define HG_DT(type)  (1u << HG_##type)
#define HG_DT_SINT   (HG_DT(I8) | HG_DT(I16) | HG_DT(I32) | HG_DT(I64))
#define HG_DT_UINT   (HG_DT(U8) | HG_DT(U16) | HG_DT(U32) | HG_DT(U64))
#define HG_DT_INT    (HG_DT_SINT | HG_DT_UINT)
#define HG_DT_HALF   (HG_DT(F16) | HG_DT(BF16))
#define HG_DT_FLOAT  (HG_DT_HALF | HG_DT(F32) | HG_DT(F64))
#define HG_DT_SIGNED (HG_DT_SINT | HG_DT_FLOAT)
#define HG_DT_ALL    (HG_DT_INT | HG_DT_FLOAT)

/* Two bits per type: the logarithm of its size. */
#define HG_DTYPE_LOG2(name, code, bytes, text, kind)                                               \
    | (uint64_t)(((bytes) >> 1) - ((bytes) >> 3)) << (2 * (code))

/* Size of one element in bytes: 1, 2, 4 or 8. TYPE < HG_DTYPE_COUNT. */
static inline uint32_t hg_dtype_bytes(enum hg_dtype type)
{
    const uint64_t logarithms = 0 HG_DTYPE_MAP(HG_DTYPE_LOG2);
    return 1u << (logarithms >> 2 * type & 3u);
}
#undef HG_DTYPE_LOG2

/* "f32" and so on; static. */
const char *hg_dtype_name(enum hg_dtype type);
/* True and the type, or false (TYPE untouched) for an unknown name of LENGTH bytes. */
bool hg_dtype_parse(const char *name, uint32_t length, enum hg_dtype *type);

static inline bool hg_dtype_in(enum hg_dtype type, uint32_t set)
{
    return (set >> type & 1u) != 0;
}

#endif
