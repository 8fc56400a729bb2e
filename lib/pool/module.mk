# SPDX-License-Identifier: Apache-2.0
$(eval $(call library,pool,$(wildcard lib/pool/*.c)))
