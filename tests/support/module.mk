# SPDX-License-Identifier: Apache-2.0
# Tools of the integration tests.
$(eval $(call program,tests/support/confine,tests/support/confine.c,,))
TEST_TOOLS += $(O)/tests/support/confine
