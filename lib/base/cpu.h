/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this CPU can do, and the floating-point mode of a thread.
 *
 * Threads: detection runs once; hg_cpu_limit before other threads start. The floating-point mode is
 * the calling thread's own.
 */
#ifndef HG_LIB_BASE_CPU_H
#define HG_LIB_BASE_CPU_H

#include <stdbool.h>
#include <stdint.h>

/* Levels for which kernels are compiled, each including those before it. */
enum hg_isa_level {
    HG_ISA_GENERIC, /* the architecture's baseline */
    HG_ISA_AVX2,    /* AVX2, FMA, F16C, BMI1, BMI2 */
    HG_ISA_AVX512,  /* AVX-512 F, BW, DQ, VL, CD */
    HG_ISA_LEVEL_COUNT
};

/* The best level that CPU and operating system allow, not above the limit. */
enum hg_isa_level hg_cpu_isa_level(void);
/* Caps the level (for tests and the `isa_level` option). */
void hg_cpu_limit(enum hg_isa_level level);
/* "generic", "avx2", "avx512". */
const char *hg_isa_level_name(enum hg_isa_level level);
/* True and the level, or false for an unknown name. */
bool hg_isa_level_parse(const char *name, enum hg_isa_level *level);
/* True if the CPU has fused multiply-add (then C's fma() is one instruction in AVX2 objects). */
bool hg_cpu_has_fma(void);
/* CPUs this process may run on, at least 1. */
uint32_t hg_cpu_count(void);
/* A pause for spin loops. */
void hg_cpu_relax(void);
/* True if hg_cpu_ticks counts at one rate, whatever the CPU's frequency and sleep. */
bool hg_cpu_has_steady_ticks(void);
/* The CPU's time-stamp counter, read where the instruction stands: nothing waits for what is before
 * it. 0 on architectures without one. */
static inline uint64_t hg_cpu_ticks(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return 0;
#endif
}

enum hg_fp_mode {
    HG_FP_IEEE, /* denormals honoured */
    HG_FP_FTZ   /* denormal inputs and results are flushed to zero */
};

/* Sets the calling thread's mode (rounding to nearest, all exceptions masked) and gives back an
 * opaque value for hg_fp_restore. Wrap every run of a program in this pair. */
uint32_t hg_fp_enter(enum hg_fp_mode mode);
void hg_fp_restore(uint32_t saved);

#endif
