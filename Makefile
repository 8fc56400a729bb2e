# SPDX-License-Identifier: Apache-2.0
# hologramd: the only interface to building, testing and installing. `make help` lists the targets.
#
# Non-recursive: every directory that builds something has a module.mk, read below. All output goes
# under build/: build/release, and build/asan, build/tsan, build/fuzz for the other variants (SAN=).

.DEFAULT_GOAL := all
SHELL := /bin/bash
.DELETE_ON_ERROR:
.SUFFIXES:

VERSION := 0.1.0
SAN     ?=
VARIANT := $(if $(SAN),$(SAN),release)
O       := build/$(VARIANT)
CC      ?= gcc
ifeq ($(origin CC),default)
CC      := gcc
endif
PYTHON  ?= /usr/bin/python3

prefix     ?= /usr/local
bindir     ?= $(prefix)/bin
libdir     ?= $(prefix)/lib
includedir ?= $(prefix)/include
mandir     ?= $(prefix)/share/man
sysconfdir ?= /etc
unitdir    ?= $(prefix)/lib/systemd/system

include config/build.mk
MODULE_MK := $(sort $(wildcard lib/*/module.mk proto/module.mk daemon/module.mk client/module.mk \
                               client/*/module.mk config/module.mk tests/module.mk tests/*/module.mk))
include $(MODULE_MK)

all: $(PROGRAMS) $(LIBRARIES)  ## build the daemon, the client library and hologramctl

clean:  ## remove everything that was built
	rm -rf build

-include $(DEPFILES)

.PHONY: all clean
