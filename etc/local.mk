# etc: example configuration; the agent definitions go where examples go, so that an
# installation never writes over an edited one.
agentsdir = $(pkgdatadir)/agents.d
promptsdir = $(pkgdatadir)/prompts
dist_agents_DATA = etc/agents.d/workflow.conf
dist_prompts_DATA = etc/prompts/workflow.txt
dist_pkgdata_DATA = etc/agent-runner.conf etc/agent-runner.rules.yml

# --- service: init script, systemd unit and its friends
EXTRA_DIST += etc/agent-runner.init.in etc/agent-runner.service.in \
	etc/agent-runner.logrotate etc/agent-runner.sysusers etc/agent-runner.tmpfiles
CLEANFILES += etc/agent-runner.init etc/agent-runner.service

service_subst = sed \
	-e 's|@sbindir[@]|$(sbindir)|g' -e 's|@sysconfdir[@]|$(sysconfdir)|g' \
	-e 's|@pkgconfdir[@]|$(pkgconfdir)|g'
etc/agent-runner.init: $(srcdir)/etc/agent-runner.init.in Makefile
	$(AM_V_GEN)$(MKDIR_P) etc && $(service_subst) $(srcdir)/etc/agent-runner.init.in > $@.tmp && \
	chmod +x $@.tmp && mv $@.tmp $@
etc/agent-runner.service: $(srcdir)/etc/agent-runner.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) etc && $(service_subst) $(srcdir)/etc/agent-runner.service.in > $@.tmp && \
	mv $@.tmp $@

# Below the prefix: an install into a home directory or a package root touches nothing else.
systemunitdir = $(prefix)/lib/systemd/system
nodist_systemunit_DATA = etc/agent-runner.service

# Files whose installed name is not their own.
install-data-hook:
	$(MKDIR_P) $(DESTDIR)$(pkgconfdir)/agents.d
	test -e $(DESTDIR)$(pkgconfdir)/agent-runner.conf || \
		$(INSTALL_DATA) $(srcdir)/etc/agent-runner.conf $(DESTDIR)$(pkgconfdir)/agent-runner.conf
	$(MKDIR_P) $(DESTDIR)$(sysconfdir)/init.d $(DESTDIR)$(sysconfdir)/logrotate.d \
		$(DESTDIR)$(prefix)/lib/sysusers.d $(DESTDIR)$(prefix)/lib/tmpfiles.d
	$(INSTALL_SCRIPT) etc/agent-runner.init $(DESTDIR)$(sysconfdir)/init.d/agent-runner
	$(INSTALL_DATA) $(srcdir)/etc/agent-runner.logrotate $(DESTDIR)$(sysconfdir)/logrotate.d/agent-runner
	$(INSTALL_DATA) $(srcdir)/etc/agent-runner.sysusers $(DESTDIR)$(prefix)/lib/sysusers.d/agent-runner.conf
	$(INSTALL_DATA) $(srcdir)/etc/agent-runner.tmpfiles $(DESTDIR)$(prefix)/lib/tmpfiles.d/agent-runner.conf
# An edited configuration stays.
uninstall-hook:
	cmp -s $(srcdir)/etc/agent-runner.conf $(DESTDIR)$(pkgconfdir)/agent-runner.conf && \
		rm -f $(DESTDIR)$(pkgconfdir)/agent-runner.conf || :
	rmdir $(DESTDIR)$(pkgconfdir)/agents.d $(DESTDIR)$(pkgconfdir) 2>/dev/null || :
	rm -f $(DESTDIR)$(sysconfdir)/init.d/agent-runner $(DESTDIR)$(sysconfdir)/logrotate.d/agent-runner \
		$(DESTDIR)$(prefix)/lib/sysusers.d/agent-runner.conf \
		$(DESTDIR)$(prefix)/lib/tmpfiles.d/agent-runner.conf
all-local: etc/agent-runner.init
# --- end of service
