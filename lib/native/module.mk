# SPDX-License-Identifier: Apache-2.0
# Only emitted code is meant for one CPU; what is compiled here runs on any, and off x86-64 says no.
$(eval $(call library,native,$(wildcard lib/native/*.c)))
# First calls wait for emission: a twentieth of its time.
$(foreach source,$(wildcard lib/native/*.c),$(eval CFLAGS_$(source:.c=) := -O3))
