# SPDX-License-Identifier: Apache-2.0
# libhologram (shared and static), hologramctl, and what belongs to them.

# proto/module.mk is read later.
CLIENT_PROTO   := $(O)/gen/proto/hologram/v1/hologram.pb-c
CLIENT_SOURCES := $(wildcard client/lib/*.c)
CLIENT_SONAME  := libhologram.so.0
CLIENT_SHARED  := libhologram.so.$(VERSION)
CLIENT_OBJECTS := $(call objects,$(CLIENT_SOURCES) $(CLIENT_PROTO).c)

$(eval $(call library,client,$(CLIENT_SOURCES)))
# Codecs include generated code.
$(patsubst %.c,$(O)/obj/%.o,$(wildcard client/lib/codec*.c)): | $(CLIENT_PROTO).h

# With the generated code inside; sanitizers need symbols of the executable.
$(O)/lib/$(CLIENT_SHARED): $(CLIENT_OBJECTS) client/libhologram.map
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE_LDFLAGS) $(LDFLAGS) -shared -Wl,-soname,$(CLIENT_SONAME) \
	    -Wl,--version-script=client/libhologram.map $(if $(SAN),,-Wl,-z,defs) \
	    -o $@ $(CLIENT_OBJECTS) -lprotobuf-c
$(O)/lib/$(CLIENT_SONAME): $(O)/lib/$(CLIENT_SHARED)
	$(Q)ln -sf $(<F) $@
$(O)/lib/libhologram.so: $(O)/lib/$(CLIENT_SONAME)
	$(Q)ln -sf $(<F) $@

# One object, in which everything but the interface is local: no name of ours can meet another's.
$(O)/lib/libhologram.a: $(CLIENT_OBJECTS)
	@mkdir -p $(@D)
	$(Q)ld -r -o $(@:.a=.o) $^
	$(Q)objcopy --localize-hidden $(@:.a=.o)
	$(Q)rm -f $@ && ar rcs $@ $(@:.a=.o)

LIBRARIES += $(O)/lib/libhologram.so $(O)/lib/libhologram.a

# All but main as an archive, for tests.
$(eval $(call library,cli,$(filter-out client/cli/main.c,$(wildcard client/cli/*.c))))
$(eval $(call program,bin/hologramctl,client/cli/main.c,cli client proto isa base,-lprotobuf-c -ljansson -lncursesw -ltinfo $(JEMALLOC_LIBS) -lm))
PROGRAMS += $(O)/bin/hologramctl

INSTALL += 0644:$(O)/lib/$(CLIENT_SHARED):$(libdir)/$(CLIENT_SHARED) \
           0644:$(O)/lib/libhologram.a:$(libdir)/libhologram.a \
           0644:client/include/hologram/hologram.h:$(includedir)/hologram/hologram.h \
           0644:$(O)/install/client/hologram.pc:$(libdir)/pkgconfig/hologram.pc \
           0755:$(O)/bin/hologramctl:$(bindir)/hologramctl \
           0644:client/cli/hologramctl.bash:$(datadir)/bash-completion/completions/hologramctl \
           0644:client/man/hologramctl.1:$(mandir)/man1/hologramctl.1 \
           0644:client/man/hologramd.8:$(mandir)/man8/hologramd.8
LINKS   += $(CLIENT_SHARED):$(libdir)/$(CLIENT_SONAME) \
           $(CLIENT_SONAME):$(libdir)/libhologram.so
