# SPDX-License-Identifier: Apache-2.0
$(eval $(call library,graph,$(wildcard lib/graph/*.c)))
