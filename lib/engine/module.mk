# SPDX-License-Identifier: Apache-2.0
$(eval $(call library,engine,$(wildcard lib/engine/*.c)))
