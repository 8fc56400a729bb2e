/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/cpu.h"

#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/check.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <xmmintrin.h>
#else
#include <fenv.h>
#endif

static const char *const level_names[HG_ISA_LEVEL_COUNT] = {
    [HG_ISA_GENERIC] = "generic",
    [HG_ISA_AVX2] = "avx2",
    [HG_ISA_AVX512] = "avx512",
};

/*
 * Process-wide state: what was detected (+ 1; 0 until then) and the cap. Relaxed: detection gives
 * the same answer in every thread, so it does not matter whose is stored.
 */
static _Atomic unsigned detected_plus_one;
static _Atomic unsigned limit = HG_ISA_LEVEL_COUNT - 1;

#if defined(__x86_64__)

/* Intel SDM vol. 2A, CPUID: leaf 1 ECX, leaf 7 subleaf 0 EBX. */
#define LEAF1_ECX_FMA     (1u << 12)
#define LEAF1_ECX_OSXSAVE (1u << 27)
#define LEAF1_ECX_AVX     (1u << 28)
#define LEAF1_ECX_F16C    (1u << 29)
#define LEAF7_EBX_BMI1    (1u << 3)
#define LEAF7_EBX_AVX2    (1u << 5)
#define LEAF7_EBX_BMI2    (1u << 8)
#define LEAF7_EBX_F       (1u << 16)
#define LEAF7_EBX_DQ      (1u << 17)
#define LEAF7_EBX_CD      (1u << 28)
#define LEAF7_EBX_BW      (1u << 30)
#define LEAF7_EBX_VL      (1u << 31)
/* Intel SDM vol. 3B §18.17.1: the invariant TSC. */
#define LEAF_POWER            0x80000007u
#define LEAF_POWER_EDX_STEADY (1u << 8)
/* Intel SDM vol. 1 §13.3: the state that the system saves. SSE, AVX; opmask and both ZMM halves. */
#define XCR0_AVX    0x06u
#define XCR0_AVX512 0xe6u

struct features {
    unsigned leaf1_ecx;
    unsigned leaf7_ebx;
    unsigned xcr0;
};

static bool has_all(unsigned word, unsigned bits)
{
    return (word & bits) == bits;
}

static struct features read_features(void)
{
    struct features found = {0, 0, 0};
    unsigned eax, ebx, ecx, edx;
    if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0) {
        found.leaf1_ecx = ecx;
    }
    if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0) {
        found.leaf7_ebx = ebx;
    }
    if (has_all(found.leaf1_ecx, LEAF1_ECX_OSXSAVE)) {
        unsigned high;
        __asm__ volatile("xgetbv" : "=a"(found.xcr0), "=d"(high) : "c"(0));
    }
    return found;
}

static enum hg_isa_level detect(void)
{
    struct features found = read_features();
    if (!has_all(found.xcr0, XCR0_AVX) ||
        !has_all(found.leaf1_ecx, LEAF1_ECX_AVX | LEAF1_ECX_FMA | LEAF1_ECX_F16C) ||
        !has_all(found.leaf7_ebx, LEAF7_EBX_AVX2 | LEAF7_EBX_BMI1 | LEAF7_EBX_BMI2)) {
        return HG_ISA_GENERIC;
    }
    if (!has_all(found.xcr0, XCR0_AVX512) ||
        !has_all(found.leaf7_ebx,
                 LEAF7_EBX_F | LEAF7_EBX_DQ | LEAF7_EBX_CD | LEAF7_EBX_BW | LEAF7_EBX_VL)) {
        return HG_ISA_AVX2;
    }
    return HG_ISA_AVX512;
}

bool hg_cpu_has_fma(void)
{
    struct features found = read_features();
    return has_all(found.xcr0, XCR0_AVX) && has_all(found.leaf1_ecx, LEAF1_ECX_AVX | LEAF1_ECX_FMA);
}

void hg_cpu_relax(void)
{
    _mm_pause();
}

bool hg_cpu_has_steady_ticks(void)
{
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid(LEAF_POWER, &eax, &ebx, &ecx, &edx) != 0 &&
           has_all(edx, LEAF_POWER_EDX_STEADY);
}

/* Intel SDM vol. 1 §10.2.3. Reset value: round to nearest, all six exceptions masked. */
#define MXCSR_DEFAULT 0x1f80u
#define MXCSR_FTZ     0x8000u
#define MXCSR_DAZ     0x0040u
#define MXCSR_FLAGS   0x003fu

uint32_t hg_fp_enter(enum hg_fp_mode mode)
{
    uint32_t saved = _mm_getcsr();
    uint32_t wanted = MXCSR_DEFAULT | (mode == HG_FP_FTZ ? MXCSR_FTZ | MXCSR_DAZ : 0);
    /* A write costs more than a read, and the flags of past operations steer nothing. */
    if ((saved & ~MXCSR_FLAGS) != wanted) {
        _mm_setcsr(wanted);
    }
    return saved;
}

void hg_fp_restore(uint32_t saved)
{
    if (((_mm_getcsr() ^ saved) & ~MXCSR_FLAGS) != 0) {
        _mm_setcsr(saved);
    }
}

#else /* other architectures: baseline kernels, and denormals are always honoured */

static enum hg_isa_level detect(void)
{
    return HG_ISA_GENERIC;
}

bool hg_cpu_has_fma(void)
{
#if defined(__aarch64__)
    return true;
#else
    return false;
#endif
}

void hg_cpu_relax(void)
{
#if defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

bool hg_cpu_has_steady_ticks(void)
{
    return false;
}

uint32_t hg_fp_enter(enum hg_fp_mode mode)
{
    (void)mode;
    int saved = fegetround();
    (void)fesetround(FE_TONEAREST);
    return (uint32_t)saved;
}

void hg_fp_restore(uint32_t saved)
{
    (void)fesetround((int)saved);
}

#endif

enum hg_isa_level hg_cpu_isa_level(void)
{
    unsigned found = atomic_load_explicit(&detected_plus_one, memory_order_relaxed);
    if (found == 0) {
        found = (unsigned)detect() + 1;
        atomic_store_explicit(&detected_plus_one, found, memory_order_relaxed);
    }
    unsigned cap = atomic_load_explicit(&limit, memory_order_relaxed);
    return (enum hg_isa_level)(found - 1 < cap ? found - 1 : cap);
}

void hg_cpu_limit(enum hg_isa_level level)
{
    HG_REQUIRE(level < HG_ISA_LEVEL_COUNT);
    atomic_store_explicit(&limit, (unsigned)level, memory_order_relaxed);
}

const char *hg_isa_level_name(enum hg_isa_level level)
{
    HG_REQUIRE(level < HG_ISA_LEVEL_COUNT);
    return level_names[level];
}

bool hg_isa_level_parse(const char *name, enum hg_isa_level *level)
{
    for (unsigned i = 0; i < HG_ISA_LEVEL_COUNT; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *level = (enum hg_isa_level)i;
            return true;
        }
    }
    return false;
}

uint32_t hg_cpu_count(void)
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
        int count = CPU_COUNT(&allowed);
        return count > 0 ? (uint32_t)count : 1;
    }
    /* The set is too small for machines above CPU_SETSIZE CPUs. */
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (uint32_t)online : 1;
}
