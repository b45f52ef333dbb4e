# fetch: HTTP out for tools, behind the address guard.
pkglibexec_PROGRAMS += agent-runner-fetch
noinst_LIBRARIES += fetch/libfetch.a
fetch_libfetch_a_SOURCES = \
	common/pipeline/fetch_proto.h \
	fetch/fetch.h fetch/fetch.c \
	fetch/auth.h fetch/auth.c \
	fetch/fetch_error.h fetch/fetch_error.c \
	fetch/fetch_request.h fetch/fetch_request.c \
	fetch/fetch_url.h fetch/fetch_url.c \
	fetch/body_sink.c fetch/fetch_job.c fetch/lane_io.c
fetch_libfetch_a_CFLAGS = $(AM_CFLAGS)
FETCH_LIBS = fetch/libfetch.a $(ROLE_LIBS) common/libconf.a common/libjson.a $(HTTP_CLIENT_LIBS) \
	$(LIBCONFIG_LIBS) -lm
agent_runner_fetch_SOURCES = fetch/main.c
agent_runner_fetch_CFLAGS = $(AM_CFLAGS)
agent_runner_fetch_LDADD = $(FETCH_LIBS)
