# supervisor: agent-runnerd. Everything but main is a library, so that tests can link it.
noinst_LIBRARIES += supervisor/libsupervisor.a
supervisor_libsupervisor_a_SOURCES = \
	supervisor/supervisor.h supervisor/supervisor.c \
	supervisor/check.h supervisor/check.c \
	supervisor/child.h supervisor/child.c \
	supervisor/control_server.h supervisor/control_server.c \
	supervisor/daemonize.h supervisor/daemonize.c \
	supervisor/events.h supervisor/events.c \
	supervisor/generation.h supervisor/generation.c \
	supervisor/hub.h supervisor/hub.c \
	supervisor/inbox.c \
	supervisor/lanes.h supervisor/lanes.c \
	supervisor/lifecycle.c \
	supervisor/live_set.h supervisor/live_set.c \
	supervisor/notify.h supervisor/notify.c \
	supervisor/options.h supervisor/options.c \
	supervisor/pidfile.h supervisor/pidfile.c \
	supervisor/places.h supervisor/places.c \
	supervisor/redis.h supervisor/redis.c \
	supervisor/reload.h supervisor/reload.c \
	supervisor/signals.h supervisor/signals.c \
	supervisor/stages.h supervisor/stages.c \
	supervisor/storm.h supervisor/storm.c \
	supervisor/vault.h supervisor/vault.c \
	supervisor/walls.h supervisor/walls.c \
	supervisor/watchdog.h supervisor/watchdog.c \
	supervisor/watched_files.h supervisor/watched_files.c
supervisor_libsupervisor_a_CFLAGS = $(AM_CFLAGS)

sbin_PROGRAMS += agent-runnerd
agent_runnerd_SOURCES = supervisor/main.c
agent_runnerd_CFLAGS = $(AM_CFLAGS)
agent_runnerd_LDADD = supervisor/libsupervisor.a common/librole.a common/libconf.a \
	common/libcommon.a $(SECCOMP_LIBS) $(LIBCONFIG_LIBS)
