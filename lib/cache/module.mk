# SPDX-License-Identifier: Apache-2.0
$(eval $(call library,cache,$(wildcard lib/cache/*.c)))
