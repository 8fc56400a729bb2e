# SPDX-License-Identifier: Apache-2.0
# Only emitted code is meant for one CPU; what is compiled here runs on any, and off x86-64 says no.
$(eval $(call library,native,$(wildcard lib/native/*.c)))
