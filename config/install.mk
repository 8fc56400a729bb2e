# SPDX-License-Identifier: Apache-2.0
# Installation: INSTALL holds mode:source:destination, LINKS holds target:link. Both DESTDIR and the
# directories of the top Makefile apply. Templates (*.in) get their @variables@ replaced.

# What Prometheus and Grafana are given.
INSTALL += 0644:config/prometheus/hologram.rules.yml:$(datadir)/hologram/hologram.rules.yml \
           0644:config/grafana/hologram-program-cache.json:$(datadir)/hologram/hologram-program-cache.json

TEMPLATE := s|@bindir@|$(bindir)|g; s|@libdir@|$(libdir)|g; s|@includedir@|$(includedir)|g; \
            s|@prefix@|$(prefix)|g; s|@sysconfdir@|$(sysconfdir)|g; s|@version@|$(VERSION)|g

$(O)/install/%: %.in $(O)/install/template
	@mkdir -p $(@D)
	$(Q)sed -f $(O)/install/template $< > $@

# Rewritten only when a directory changes, so that another prefix makes other files.
$(O)/install/template: FORCE
	@mkdir -p $(@D)
	@echo '$(TEMPLATE)' | cmp -s - $@ || echo '$(TEMPLATE)' > $@

install: all $(foreach entry,$(INSTALL),$(word 2,$(subst :, ,$(entry))))  ## install under $(DESTDIR)$(prefix)
	@set -e; for entry in $(INSTALL); do \
	    IFS=: read -r mode source destination <<< "$$entry"; \
	    install -D -m "$$mode" "$$source" "$(DESTDIR)$$destination"; \
	done
	@set -e; for entry in $(LINKS); do \
	    IFS=: read -r target link <<< "$$entry"; ln -sfn "$$target" "$(DESTDIR)$$link"; \
	done

# Directories that others share stay.
uninstall:  ## remove what install put there
	@for entry in $(INSTALL); do \
	    IFS=: read -r mode source destination <<< "$$entry"; rm -f "$(DESTDIR)$$destination"; \
	done
	@for entry in $(LINKS); do IFS=: read -r target link <<< "$$entry"; rm -f "$(DESTDIR)$$link"; done
	@for entry in $(INSTALL); do \
	    IFS=: read -r mode source destination <<< "$$entry"; directory=$${destination%/*}; \
	    if [ "$${directory##*/}" = hologram ] && [ -d "$(DESTDIR)$$directory" ]; then \
	        rmdir --ignore-fail-on-non-empty "$(DESTDIR)$$directory"; \
	    fi; \
	done

dist:  ## build/hologramd-VERSION.tar.gz from what is committed
	@mkdir -p build
	git archive --format=tar.gz --prefix=hologramd-$(VERSION)/ -o build/hologramd-$(VERSION).tar.gz HEAD
	@echo build/hologramd-$(VERSION).tar.gz

.PHONY: dist install uninstall
