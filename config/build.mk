# SPDX-License-Identifier: Apache-2.0
# Compiler flags, variants, and the rules that every module.mk uses.

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
            -Wimplicit-fallthrough -Werror
# -ffp-contract=off: a multiplication followed by an addition must round twice (lib/isa/README.md).
BASE_CFLAGS := -std=gnu17 -O2 -g -fPIC -fvisibility=hidden -fno-strict-aliasing -ffp-contract=off \
               -fno-math-errno -pthread $(WARNINGS)
BASE_CPPFLAGS := -I. -I$(O)/gen -D_GNU_SOURCE -DHG_VERSION='"$(VERSION)"'
BASE_LDFLAGS := -pthread

ifeq ($(SAN),asan)
BASE_CFLAGS   += -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
BASE_CPPFLAGS += -DHG_NO_JEMALLOC -DHG_DEBUG_LOCKS
BASE_LDFLAGS  += -fsanitize=address,undefined
else ifeq ($(SAN),tsan)
BASE_CFLAGS   += -fsanitize=thread -fno-omit-frame-pointer
BASE_CPPFLAGS += -DHG_NO_JEMALLOC -DHG_DEBUG_LOCKS
BASE_LDFLAGS  += -fsanitize=thread
else ifeq ($(SAN),fuzz)
CC            := clang
BASE_CFLAGS   += -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
BASE_CPPFLAGS += -DHG_NO_JEMALLOC
BASE_LDFLAGS  += -fsanitize=address,undefined
else ifneq ($(SAN),)
$(error SAN must be empty, asan, tsan or fuzz)
endif

JEMALLOC_LIBS = $(if $(SAN),,-ljemalloc)

# V=1 shows whole commands.
Q   := $(if $(V),,@)
say := @$(if $(V),:,printf '  %-4s%s\n')

# Filled by the module.mk files.
PROGRAMS  :=
LIBRARIES :=
DEPFILES  :=
TESTS     :=
TEST_TOOLS :=

# $(call objects,sources): the object of each C file. Generated sources live under $(O)/gen.
objects = $(patsubst %.c,$(O)/obj/%.o,$(patsubst $(O)/gen/%,gen/%,$(1)))

# $(call library,archive,sources): a static archive for use inside the tree.
define library
DEPFILES += $$(patsubst %.o,%.d,$$(call objects,$(2)))
$(O)/lib/$(1).a: $$(call objects,$(2))
	@mkdir -p $$(@D)
	$$(Q)rm -f $$@ && ar rcs $$@ $$^
endef

# $(call program,path,sources,archives,libraries): an executable under $(O).
define program
DEPFILES += $$(patsubst %.o,%.d,$$(call objects,$(2)))
$(O)/$(1): $$(call objects,$(2)) $$(patsubst %,$(O)/lib/%.a,$(3))
	@mkdir -p $$(@D)
	$$(say) LD $$@
	$$(Q)$$(CC) $$(BASE_LDFLAGS) $$(LDFLAGS) -o $$@ $$(call objects,$(2)) \
	    -Wl,--start-group $$(patsubst %,$(O)/lib/%.a,$(3)) -Wl,--end-group $(4)
endef

# Flags of one object: CFLAGS_<path without .c>, set by a module.mk.
$(O)/obj/%.o: %.c $(O)/flags
	@mkdir -p $(@D)
	$(say) CC $@
	$(Q)$(CC) $(BASE_CPPFLAGS) $(CPPFLAGS) $(BASE_CFLAGS) $(CFLAGS) $(CFLAGS_$*) -MMD -MP -c -o $@ $<

# Generated code is compiled without the warnings that we ask of our own.
$(O)/obj/gen/%.o: $(O)/gen/%.c $(O)/flags
	@mkdir -p $(@D)
	$(say) CC $@
	$(Q)$(CC) $(BASE_CPPFLAGS) $(CPPFLAGS) $(filter-out -W%,$(BASE_CFLAGS)) $(CFLAGS) -MMD -MP -c -o $@ $<

# Rewritten only when the compiler or its flags change, so that they cause a rebuild.
FLAGS_NOW := $(CC) $(BASE_CPPFLAGS) $(CPPFLAGS) $(BASE_CFLAGS) $(CFLAGS) $(BASE_LDFLAGS) $(LDFLAGS)
$(O)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(FLAGS_NOW))' | cmp -s - $@ || echo '$(subst ','\'',$(FLAGS_NOW))' > $@
FORCE:
.PHONY: FORCE

# Files to install: mode:source:destination, and links: target:link. See config/install.mk.
INSTALL :=
LINKS   :=
