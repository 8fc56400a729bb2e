# SPDX-License-Identifier: Apache-2.0
# Units and what they need, installed with the daemon.

INSTALL += 755:$(O)/bin/hologramd:$(bindir)/hologramd \
           644:config/hologramd.conf:$(sysconfdir)/hologram/hologramd.conf \
           644:$(O)/install/systemd/hologramd.service:$(unitdir)/hologramd.service \
           644:$(O)/install/systemd/hologramd.socket:$(unitdir)/hologramd.socket \
           644:systemd/sysusers.d.conf:$(prefix)/lib/sysusers.d/hologram.conf \
           644:systemd/tmpfiles.d.conf:$(prefix)/lib/tmpfiles.d/hologram.conf
