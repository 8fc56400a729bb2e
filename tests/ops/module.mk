# SPDX-License-Identifier: Apache-2.0
# Operation tests: every tests/ops/test_*.c is a cmocka program that runs plans on the executors.
# `make check-ops` runs the full matrix of these alone, and the quick one on emulated CPUs.

OPS_TEST_SHARED := tests/ops/op_run.c tests/ops/op_data.c
OPS_TEST_LIBS   := -lcmocka $(JEMALLOC_LIBS) -lm
OPS_TESTS       := $(patsubst tests/ops/%.c,$(O)/tests/op_matrix/%,$(wildcard tests/ops/test_*.c))

define ops_test
$(call program,$(patsubst tests/ops/%.c,tests/op_matrix/%,$(1)),$(1) $(OPS_TEST_SHARED),$(if $(findstring graph,$(1)),graph) ops exec native $(if $(findstring resident,$(1)),cache) program isa pool sched base,$(OPS_TEST_LIBS))
endef
$(foreach test,$(wildcard tests/ops/test_*.c),$(eval $(call ops_test,$(test))))
TESTS += $(OPS_TESTS)

check-ops: $(OPS_TESTS)  ## every operation, type and size against the oracle, here and on emulated CPUs
	@set -e; for test in $^; do HG_FULL=1 $$test; done
	@set -e; for test in $(filter-out %/test_resident,$^); do tests/support/emulated.sh $$test; done
.PHONY: check-ops
