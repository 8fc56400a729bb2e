# SPDX-License-Identifier: Apache-2.0
# The Python package, for `make install`. Debian's Python looks in pythondir for both prefixes.

ifneq ($(filter install uninstall,$(MAKECMDGOALS)),)
PYTHON_VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
pythondir ?= $(if $(filter /usr,$(prefix)),/usr/lib/python3,$(prefix)/lib/python$(PYTHON_VERSION))/dist-packages
INSTALL += $(foreach file,$(wildcard client/python/hologram/*.py) client/python/hologram/py.typed,\
             0644:$(file):$(pythondir)/hologram/$(notdir $(file)))
endif
