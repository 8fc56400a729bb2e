# SPDX-License-Identifier: Apache-2.0
# The kernel harness: a quick round in `make test`; `make check-kernels` runs the whole of it here,
# then quick rounds on emulated CPUs. KERNELS_ARGS may name one operation.

KERNELS_CHECK := $(O)/tests/kernels/check_kernels

$(eval $(call program,tests/kernels/check_kernels,$(wildcard tests/kernels/*.c) tests/ops/op_data.c,ops exec native program isa pool sched base,$(JEMALLOC_LIBS) -lm))
TESTS += $(KERNELS_CHECK)

check-kernels: $(KERNELS_CHECK)  ## every kernel against the interpreter, here and on emulated CPUs
	@HG_FULL=1 $(KERNELS_CHECK) $(KERNELS_ARGS)
	@tests/support/emulated.sh $(KERNELS_CHECK) $(KERNELS_ARGS)
.PHONY: check-kernels
