# SPDX-License-Identifier: Apache-2.0
# The mixed load: a program that tests/integration/test_mixed.py starts against a daemon.

MIXED_SOURCES := $(wildcard tests/mixed/*.c)
$(eval $(call program,tests/mixed/load,$(MIXED_SOURCES),proto,-lgrpc -lgpr -lprotobuf-c))
$(MIXED_SOURCES:%.c=$(O)/obj/%.o): | $(PROTO_H)
TEST_TOOLS += $(O)/tests/mixed/load

check-mixed: all $(O)/tests/mixed/load  ## 100 clients with 10,000 requests each, killed and late at random
	HG_FULL=1 HOLOGRAM_BUILD=$(O) $(PYTHON) -m pytest -q -s -p no:cacheprovider tests/integration/test_mixed.py
.PHONY: check-mixed
