/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's peak: fused multiply-adds of F32 in registers, more of them at once than the units
 * can have in flight. */
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "tests/bench/gemm_subjects.h"

#define CHAINS 24
#define TURNS  2000

/* The formatter would find another place for these each time it looks. */
/* clang-format off */
#define EACH_CHAIN(X) \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) \
    X(12) X(13) X(14) X(15) X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23)
/* clang-format on */

#if defined(__x86_64__)
/* TURNS times a multiply-add of each chain; of zeros, for denormals are slow. */
static void turns_512(void)
{
#define CLEAR(i) "vpxord %%zmm" #i ", %%zmm" #i ", %%zmm" #i "\n\t"
#define FMA(i)   "vfmadd231ps %%zmm30, %%zmm31, %%zmm" #i "\n\t"
    __asm__ volatile(EACH_CHAIN(CLEAR) CLEAR(30)
                         CLEAR(31) "mov %0, %%ecx\n\t"
                                   "1:\n\t" EACH_CHAIN(FMA) "sub $1, %%ecx\n\t"
                                                            "jnz 1b\n\t"
                                                            "vzeroupper\n\t"
                     :
                     : "i"(TURNS)
                     : "ecx", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
                       "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
#undef FMA
#undef CLEAR
}

/* Twelve chains in sixteen registers, each twice a turn. */
static void turns_256(void)
{
#define FMA(i) "vfmadd231ps %%ymm14, %%ymm15, %%ymm" #i "\n\t"
#define TWELVE                                                                                     \
    FMA(0)                                                                                         \
    FMA(1) FMA(2) FMA(3) FMA(4) FMA(5) FMA(6) FMA(7) FMA(8) FMA(9) FMA(10) FMA(11)
    __asm__ volatile("vzeroall\n\t"
                     "mov %0, %%ecx\n\t"
                     "1:\n\t" TWELVE TWELVE "sub $1, %%ecx\n\t"
                     "jnz 1b\n\t"
                     "vzeroupper\n\t"
                     :
                     : "i"(TURNS)
                     : "ecx", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
                       "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
#undef TWELVE
#undef FMA
}
#else
static void turns_512(void)
{
}
static void turns_256(void)
{
}
#endif

uint64_t gemm_now_ns(unsigned threads)
{
    struct timespec now;
    clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

struct runner {
    double ms;
    double gflops;
    unsigned threads;
};

static void *run(void *argument)
{
    struct runner *runner = argument;
    bool wide = __builtin_cpu_supports("avx512f") != 0;
    void (*turns)(void) = wide ? turns_512 : turns_256;
    double flops = (wide ? 16.0 : 8.0) * 2.0 * CHAINS * TURNS;
    double done = 0;
    uint64_t start = gemm_now_ns(runner->threads);
    uint64_t now;
    do {
        turns();
        done += flops;
        now = gemm_now_ns(runner->threads);
    } while ((double)(now - start) < runner->ms * 1e6);
    runner->gflops = done / (double)(now - start);
    return NULL;
}

double gemm_peak(unsigned threads, double ms)
{
    struct runner runners[2] = {{ms, 0, threads}, {ms, 0, threads}};
    pthread_t other;
    bool two = threads > 1 && pthread_create(&other, NULL, run, &runners[1]) == 0;
    (void)run(&runners[0]);
    if (two) {
        pthread_join(other, NULL);
    }
    return runners[0].gflops + (two ? runners[1].gflops : 0);
}
