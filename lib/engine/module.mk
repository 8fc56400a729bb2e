# SPDX-License-Identifier: Apache-2.0
# Programs that are there from the start, as constant data: of every operation, or with PROFILE=FILE
# those that a running daemon used (`hologramctl cache profile`).
PRECOMPILED := $(O)/gen/lib/engine/precompiled_table.c
PRECOMPILE  := $(O)/host/precompile
$(eval $(call library,engine,$(wildcard lib/engine/*.c) $(PRECOMPILED)))
$(eval $(call program,host/precompile,$(wildcard lib/engine/precompile/*.c) lib/engine/keyfile.c \
    lib/engine/sha256.c,ops program isa base,$(JEMALLOC_LIBS) -lm))

# Rewritten only when another profile is chosen, so that it causes another table.
$(O)/profile: FORCE
	@mkdir -p $(@D)
	@echo '$(PROFILE)' | cmp -s - $@ || echo '$(PROFILE)' > $@
$(PRECOMPILED): $(PRECOMPILE) $(O)/profile $(PROFILE)
	@mkdir -p $(@D)
	$(say) GEN $@
	$(Q)$(PRECOMPILE) $(if $(PROFILE),--profile $(PROFILE)) > $@

# libhologram-engine: everything under lib/ as one shared library with one header, for use in process.
# Not in sanitizer builds, where libraries lack the symbols of their executable.
ENGINE_SONAME := libhologram-engine.so.0
ENGINE_SHARED := libhologram-engine.so.$(VERSION)
ENGINE_HEADER := $(O)/include/hologram/engine.h
ENGINE_PARTS  := engine graph cache exec native ops sched pool program isa base

# nodelete: threads leave the cache in a destructor, which must still be there when they end.
$(O)/lib/$(ENGINE_SHARED): $(ENGINE_PARTS:%=$(O)/lib/%.a) lib/engine/engine.map
	$(Q)$(CC) $(BASE_LDFLAGS) $(LDFLAGS) -shared -Wl,-soname,$(ENGINE_SONAME) -Wl,-z,defs -Wl,-z,nodelete \
	    -Wl,--version-script=lib/engine/engine.map -o $@ \
	    -Wl,--whole-archive $(O)/lib/engine.a -Wl,--no-whole-archive \
	    -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(JEMALLOC_LIBS) -lm
$(O)/lib/$(ENGINE_SONAME): $(O)/lib/$(ENGINE_SHARED)
	$(Q)ln -sf $(<F) $@
$(O)/lib/libhologram-engine.so: $(O)/lib/$(ENGINE_SONAME)
	$(Q)ln -sf $(<F) $@

$(ENGINE_HEADER): lib/engine/amalgamate.py $(wildcard lib/*/*.h lib/*/*.def)
	@mkdir -p $(@D)
	$(PYTHON) lib/engine/amalgamate.py $@

ifeq ($(SAN),)
LIBRARIES += $(O)/lib/libhologram-engine.so $(ENGINE_HEADER)
INSTALL   += 0644:$(O)/lib/$(ENGINE_SHARED):$(libdir)/$(ENGINE_SHARED) \
             0644:$(ENGINE_HEADER):$(includedir)/hologram/engine.h
LINKS     += $(ENGINE_SHARED):$(libdir)/$(ENGINE_SONAME) \
             $(ENGINE_SONAME):$(libdir)/libhologram-engine.so

# A user's program: the installed header alone, the shared library alone.
$(O)/tests/engine/facade: tests/unit/engine/facade/facade.c $(ENGINE_HEADER) $(O)/lib/libhologram-engine.so
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -Wall -Wextra -Werror -I$(O)/include -o $@ $< \
	    -L$(O)/lib -lhologram-engine -Wl,-rpath,$(abspath $(O))/lib
TESTS += $(O)/tests/engine/facade
endif
