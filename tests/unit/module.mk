# SPDX-License-Identifier: Apache-2.0
# Unit tests: every tests/unit/<module>/test_*.c is a cmocka program of its own, linked against the
# module it tests and those that the module may use, so that the layering holds at link time too.

UNIT_ARCHIVES_base    := base
UNIT_ARCHIVES_isa     := isa base
UNIT_ARCHIVES_program := program isa base
UNIT_ARCHIVES_native  := native program isa base
UNIT_ARCHIVES_ops     := ops program isa base
UNIT_ARCHIVES_graph   := graph ops exec native program isa pool sched base
UNIT_ARCHIVES_pool    := pool base
UNIT_ARCHIVES_sched   := sched base
UNIT_ARCHIVES_cache   := cache program isa base
UNIT_ARCHIVES_exec    := exec native program isa pool sched base
UNIT_ARCHIVES_engine  := engine graph cache exec native ops sched pool program isa base
UNIT_ARCHIVES_client  := client_fake cli client proto isa base
UNIT_LIBS := -lcmocka $(JEMALLOC_LIBS) -lmpfr -lgmp -lm

# The client's tests have a server that misbehaves, and make its allocations fail.
UNIT_LIBS_client := -lprotobuf-c -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
$(eval $(call library,client_fake,tests/unit/client/fake.c tests/unit/client/graph_server.c))
$(patsubst %.c,$(O)/obj/%.o,$(wildcard tests/unit/client/*.c)): | $(O)/gen/proto/hologram/v1/hologram.pb-c.h

define unit_test
$(call program,tests/$(patsubst tests/unit/%.c,%,$(1)),$(1),$(UNIT_ARCHIVES_$(patsubst tests/unit/%/,%,$(dir $(1)))),$(UNIT_LIBS) $(UNIT_LIBS_$(patsubst tests/unit/%/,%,$(dir $(1)))))
TESTS += $(O)/tests/$(patsubst tests/unit/%.c,%,$(1))
endef
$(foreach test,$(wildcard tests/unit/*/test_*.c),$(eval $(call unit_test,$(test))))

# `make unit-<module>` builds and runs one module's tests.
unit-%: ;
	@$(MAKE) --no-print-directory unit-run MODULE=$*
unit-run: $(filter $(O)/tests/$(MODULE)/%,$(TESTS))
	@set -e; for test in $^; do $$test; done
.PHONY: unit-run
