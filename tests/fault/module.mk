# SPDX-License-Identifier: Apache-2.0
# Fault sweeps: every tests/fault/test_*.c is a cmocka program that fails each allocation of what it
# calls in turn.

FAULT_ARCHIVES := engine graph cache exec native ops sched pool program isa base
FAULT_LIBS     := -lcmocka $(JEMALLOC_LIBS) -lm

define fault_test
$(call program,$(patsubst %.c,%,$(1)),$(1),$(FAULT_ARCHIVES),$(FAULT_LIBS))
TESTS += $(O)/$(patsubst %.c,%,$(1))
endef
$(foreach test,$(wildcard tests/fault/test_*.c),$(eval $(call fault_test,$(test))))
