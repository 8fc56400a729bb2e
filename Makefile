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
ifeq ($(origin CC),default)
CC      := gcc
endif
PYTHON  ?= /usr/bin/python3
JOBS    ?= $(shell nproc)

prefix     ?= /usr/local
bindir     ?= $(prefix)/bin
libdir     ?= $(prefix)/lib
includedir ?= $(prefix)/include
datadir    ?= $(prefix)/share
mandir     ?= $(datadir)/man
sysconfdir ?= /etc
unitdir    ?= $(prefix)/lib/systemd/system

include config/build.mk
MODULE_MK := $(sort $(wildcard lib/*/module.mk daemon/module.mk client/module.mk client/*/module.mk \
                               systemd/module.mk tests/module.mk tests/*/module.mk))
# The schema first: others name what it generates in prerequisites, which expand as they are read.
include proto/module.mk $(MODULE_MK)
include config/packages.mk config/install.mk config/lint.mk

help:  ## list the targets
	@echo 'make TARGET [SAN=asan|tsan] [CC=clang] [prefix=/usr/local] [DESTDIR=]'
	@echo
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sort -u | \
	    awk -F':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

all: $(PROGRAMS) $(LIBRARIES)  ## build the daemon, the client library and hologramctl

run: all  ## run the daemon in the foreground on build/run/hologram.sock
	@mkdir -p build/run
	$(O)/bin/hologramd --config config/hologramd.conf --socket build/run/hologram.sock

demo: deps  ## install what is missing, build, classify real digits through a real daemon
	@$(MAKE) --no-print-directory -j$(JOBS) all $(O)/bin/digits
	@tests/demo/run.sh $(O)

test: deps  ## install what is missing, build, run the test suite
	@$(MAKE) --no-print-directory -j$(JOBS) all $(TESTS) $(TEST_TOOLS)
	@$(PYTHON) tests/support/run_tests.py --variant $(VARIANT) --jobs $(JOBS) $(TESTS)

check-all: deps  ## the full matrices of every suite (long)
	@$(MAKE) --no-print-directory -j$(JOBS) all $(TESTS) $(TEST_TOOLS)
	@HG_FULL=1 $(PYTHON) tests/support/run_tests.py --variant $(VARIANT) --jobs $(JOBS) $(TESTS)

asan:  ## the test suite under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(MAKE) --no-print-directory test SAN=asan

tsan:  ## the test suite under ThreadSanitizer
	@$(MAKE) --no-print-directory test SAN=tsan

clean:  ## remove everything that was built
	rm -rf build

-include $(DEPFILES)

.PHONY: all asan check-all clean demo help run test tsan
