# SPDX-License-Identifier: Apache-2.0
$(eval $(call library,sched,$(wildcard lib/sched/*.c)))
