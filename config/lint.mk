# SPDX-License-Identifier: Apache-2.0
# `make lint`: formatting, static analysis, and the tree's own rules.

C_SOURCES := $(shell git ls-files '*.c' 2>/dev/null)
C_FORMATTED := $(shell git ls-files '*.c' '*.h' 2>/dev/null)
# Inside the quotes of sh -c below.
LINT_FLAGS = -std=gnu17 -Iclient/include -I$(O)/include $(filter-out -DHG_VERSION%,$(BASE_CPPFLAGS)) \
             -DHG_VERSION=\"$(VERSION)\" -Wall -Wextra -Wshadow -Wconversion

lint: lint-deps  ## clang-format, clang-tidy, cppcheck, the tree's rules, promtool
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@$(MAKE) --no-print-directory lint-format lint-tidy lint-cppcheck lint-tree lint-clang

lint-format:
	@clang-format --dry-run -Werror $(C_FORMATTED)

lint-tidy:
	@printf '%s\n' $(C_SOURCES) | xargs -P $(JOBS) -n 8 sh -c \
	    'clang-tidy --quiet "$$@" -- $(LINT_FLAGS) 2>/dev/null' clang-tidy

lint-cppcheck:
	@cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 -j $(JOBS) \
	    --enable=warning,performance,portability --suppress=missingIncludeSystem \
	    --suppressions-list=config/cppcheck.txt -D__x86_64__ -I. -Iclient/include \
	    $(filter-out tests/%,$(C_SOURCES))

lint-tree:
	@HOLOGRAM_BUILD=$(O) PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m pytest -q -p no:cacheprovider tests/tidy

# clang sees other warnings than gcc does.
lint-clang:
	@printf '%s\n' $(C_SOURCES) | xargs -P $(JOBS) -n 16 sh -c \
	    'for f in "$$@"; do clang -fsyntax-only -Werror -Wstrict-prototypes -Wmissing-prototypes \
	     $(LINT_FLAGS) "$$f" || exit 255; done' clang

.PHONY: lint lint-clang lint-cppcheck lint-format lint-tidy lint-tree
