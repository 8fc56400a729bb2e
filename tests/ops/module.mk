# SPDX-License-Identifier: Apache-2.0
# Operation tests: every tests/ops/test_*.c is a cmocka program that runs plans on the executors. The
# full matrix runs with HG_FULL=1 (make check-all).

OPS_TEST_SHARED := tests/ops/op_run.c tests/ops/op_data.c
OPS_TEST_LIBS   := -lcmocka $(JEMALLOC_LIBS) -lm

define ops_test
$(call program,$(patsubst %.c,%,$(1)),$(1) $(OPS_TEST_SHARED),ops cache exec program isa pool sched base,$(OPS_TEST_LIBS))
TESTS += $(O)/$(patsubst %.c,%,$(1))
endef
$(foreach test,$(wildcard tests/ops/test_*.c),$(eval $(call ops_test,$(test))))
