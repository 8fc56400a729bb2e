# SPDX-License-Identifier: Apache-2.0
# libFuzzer targets: tests/fuzz/fuzz_<name>.c, built in the variant SAN=fuzz. Corpora grow under
# build/fuzz/corpus; what a target finds is kept under build/fuzz/found.

FUZZ_SECONDS ?= 60
FUZZ ?= $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_ARCHIVES := cli client $(DAEMON_ARCHIVES)
FUZZ_LIBS_native := -lcmocka
FUZZ_LIBS := -fsanitize=fuzzer $(DAEMON_LIBS)

$(O)/obj/tests/fuzz/fuzz_client.o: | $(O)/gen/proto/hologram/v1/hologram.pb-c.h

ifeq ($(SAN),fuzz)
define fuzz_target
$(call program,fuzz/fuzz_$(1),tests/fuzz/fuzz_$(1).c,$(FUZZ_ARCHIVES),$(FUZZ_LIBS) $(FUZZ_LIBS_$(1)))
endef
$(foreach target,$(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c)),$(eval $(call fuzz_target,$(target))))
endif

fuzz: lint-deps  ## every fuzz target for FUZZ_SECONDS each (FUZZ=name for one)
	@$(MAKE) --no-print-directory -j$(JOBS) SAN=fuzz $(FUZZ:%=build/fuzz/fuzz/fuzz_%)
	@set -e; for target in $(FUZZ); do \
	    mkdir -p build/fuzz/corpus/$$target build/fuzz/found; \
	    seeds=$$(test -d tests/fuzz/seeds/$$target && echo tests/fuzz/seeds/$$target || true); \
	    echo "fuzz_$$target: $(FUZZ_SECONDS) s"; \
	    build/fuzz/fuzz/fuzz_$$target -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 \
	        -verbosity=0 -print_final_stats=1 -artifact_prefix=build/fuzz/found/$$target- \
	        build/fuzz/corpus/$$target $$seeds 2>&1 | grep -E 'executed_units|ERROR|SUMMARY|artifact' ; \
	    test $${PIPESTATUS[0]} -eq 0 ; \
	done
.PHONY: fuzz
