# SPDX-License-Identifier: Apache-2.0
# The kernels are one body compiled per ISA level; each object is chosen at run time only on a CPU
# that has what its flags ask for. -fno-trapping-math changes no value (no exception flag is read)
# and lets selects become masks. clang warns of loops that it was asked to vectorise and did not,
# which checks between the loads and stores of a sanitizer make impossible.
EXEC_X86     := $(filter x86_64%,$(shell $(CC) -dumpmachine))
EXEC_LEVELS  := lib/exec/kernels_avx2.c lib/exec/kernels_avx512.c
EXEC_SOURCES := $(filter-out $(if $(EXEC_X86),,$(EXEC_LEVELS)),$(wildcard lib/exec/*.c))

EXEC_KERNEL_CFLAGS := -O3 -fno-trapping-math $(if $(SAN),-Wno-pass-failed)
CFLAGS_lib/exec/kernels_generic := $(EXEC_KERNEL_CFLAGS)
CFLAGS_lib/exec/kernels_avx2    := $(EXEC_KERNEL_CFLAGS) -mavx2 -mfma -mf16c -mbmi -mbmi2
CFLAGS_lib/exec/kernels_avx512  := $(EXEC_KERNEL_CFLAGS) -mavx2 -mfma -mf16c -mbmi -mbmi2 -mavx512f \
    -mavx512bw -mavx512dq -mavx512vl -mavx512cd -mprefer-vector-width=512

$(eval $(call library,exec,$(EXEC_SOURCES)))
