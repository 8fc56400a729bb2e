# SPDX-License-Identifier: Apache-2.0
$(eval $(call library,ops,$(wildcard lib/ops/*.c)))
