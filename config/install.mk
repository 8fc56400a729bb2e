# SPDX-License-Identifier: Apache-2.0
# Installation: INSTALL holds mode:source:destination, LINKS holds target:link. Both DESTDIR and the
# directories of the top Makefile apply. Templates (*.in) get their @variables@ replaced.

$(O)/install/%: %.in Makefile
	@mkdir -p $(@D)
	$(Q)sed -e 's|@bindir@|$(bindir)|g; s|@libdir@|$(libdir)|g; s|@includedir@|$(includedir)|g' \
	    -e 's|@prefix@|$(prefix)|g; s|@sysconfdir@|$(sysconfdir)|g; s|@version@|$(VERSION)|g' $< > $@

install: all $(foreach entry,$(INSTALL),$(word 2,$(subst :, ,$(entry))))  ## install under $(DESTDIR)$(prefix)
	@set -e; for entry in $(INSTALL); do \
	    IFS=: read -r mode source destination <<< "$$entry"; \
	    install -D -m "$$mode" "$$source" "$(DESTDIR)$$destination"; \
	done
	@set -e; for entry in $(LINKS); do \
	    IFS=: read -r target link <<< "$$entry"; ln -sfn "$$target" "$(DESTDIR)$$link"; \
	done

uninstall:  ## remove what install put there
	@for entry in $(INSTALL); do \
	    IFS=: read -r mode source destination <<< "$$entry"; rm -f "$(DESTDIR)$$destination"; \
	done
	@for entry in $(LINKS); do IFS=: read -r target link <<< "$$entry"; rm -f "$(DESTDIR)$$link"; done

dist:  ## build/hologramd-VERSION.tar.gz from what is committed
	@mkdir -p build
	git archive --format=tar.gz --prefix=hologramd-$(VERSION)/ -o build/hologramd-$(VERSION).tar.gz HEAD
	@echo build/hologramd-$(VERSION).tar.gz

.PHONY: dist install uninstall
