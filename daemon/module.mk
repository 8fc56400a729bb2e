# SPDX-License-Identifier: Apache-2.0
# The daemon: everything but main as archive `daemon`, so that fuzz targets and tests can link it.

DAEMON_SOURCES  := $(filter-out daemon/main.c,$(wildcard daemon/*.c daemon/transport/*.c daemon/http/*.c))
DAEMON_ARCHIVES := daemon engine graph cache exec native ops sched pool program isa proto grpc_proto base
DAEMON_LIBS     := -luv -lgrpc -lgpr -lprotobuf-c -lmicrohttpd -linih -lsystemd $(JEMALLOC_LIBS) -lm

$(eval $(call library,daemon,$(DAEMON_SOURCES)))
$(eval $(call program,bin/hologramd,daemon/main.c,$(DAEMON_ARCHIVES),$(DAEMON_LIBS)))
# Codecs include generated code.
$(patsubst %.c,$(O)/obj/%.o,$(wildcard daemon/codec*.c)): | $(PROTO_H)
$(patsubst %.c,$(O)/obj/%.o,$(wildcard daemon/transport/*codec*.c)): | $(GRPC_PROTO_H)

PROGRAMS += $(O)/bin/hologramd

UNIT_ARCHIVES_daemon := $(DAEMON_ARCHIVES)
UNIT_LIBS_daemon     := $(DAEMON_LIBS)
$(patsubst %.c,$(O)/obj/%.o,$(wildcard tests/unit/daemon/*.c)): | $(PROTO_H)
