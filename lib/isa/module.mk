# SPDX-License-Identifier: Apache-2.0
$(eval $(call library,isa,$(wildcard lib/isa/*.c)))
