# SPDX-License-Identifier: Apache-2.0
# The kernel harness: a quick round in `make test`; `make check-kernels` runs the whole of it here,
# then quick rounds on emulated CPUs, one with AVX2 and one without AVX. KERNELS_ARGS may name one
# operation. QEMU 7.2 reads 16 bytes where vfmadd132ss has 4, and 32 where vmaskmovps has fewer: there
# the fences are further away.

KERNELS_CHECK := $(O)/tests/kernels/check_kernels

$(eval $(call program,tests/kernels/check_kernels,$(wildcard tests/kernels/*.c) tests/ops/op_data.c,ops exec native program isa pool sched base,$(JEMALLOC_LIBS) -lm))
TESTS += $(KERNELS_CHECK)

KERNELS_QEMU := qemu-x86_64
KERNELS_CPUS := Haswell Westmere

check-kernels: $(KERNELS_CHECK)  ## every kernel against the interpreter, here and on emulated CPUs
	@HG_FULL=1 $(KERNELS_CHECK) $(KERNELS_ARGS)
	@command -v $(KERNELS_QEMU) >/dev/null || echo 'no $(KERNELS_QEMU): no emulated CPUs'
	@set -o pipefail; command -v $(KERNELS_QEMU) >/dev/null || exit 0; \
	for cpu in $(KERNELS_CPUS); do \
	    echo "on an emulated $$cpu"; HG_SLACK_BYTES=64 $(KERNELS_QEMU) -cpu $$cpu \
	        $(KERNELS_CHECK) $(KERNELS_ARGS) 2>&1 | { grep -v "TCG doesn't" || true; } || exit 1; \
	done
.PHONY: check-kernels
