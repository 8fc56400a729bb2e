# SPDX-License-Identifier: Apache-2.0
$(eval $(call program,bin/digits,client/examples/digits.c,client proto,-lprotobuf-c))
$(O)/obj/client/examples/digits.o: CPPFLAGS += -Iclient/include
