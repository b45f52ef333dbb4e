# tests/support

# supervisor: a stand-in for every role program
check_PROGRAMS += fake_role
fake_role_SOURCES = tests/support/fake_role.c
fake_role_CFLAGS = $(AM_CFLAGS)
fake_role_LDADD = common/librole.a common/libconf.a common/libcommon.a $(SECCOMP_LIBS) $(LIBCONFIG_LIBS)
# A kernel that lacks some system calls, for the program that it runs.
noinst_PROGRAMS += without-calls
without_calls_SOURCES = tests/support/without_calls.c
without_calls_CPPFLAGS = $(AM_CPPFLAGS) $(SECCOMP_CFLAGS)
without_calls_LDADD = $(SECCOMP_LIBS) common/libcommon.a

# tests/support: stand-ins and the harness of the tests; nothing here is installed.

# The small HTTP server and the manners that the stand-ins share.
noinst_LIBRARIES += tests/support/libstandin.a
tests_support_libstandin_a_SOURCES = \
	tests/support/http_server.h tests/support/http_server.c \
	tests/support/http_request.h tests/support/http_request.c \
	tests/support/service.h tests/support/service.c

STANDIN_LIBS = tests/support/libstandin.a common/libjson.a common/libcommon.a -lm

noinst_PROGRAMS += llm-stub data-api
llm_stub_SOURCES = \
	tests/support/llm_stub/main.c \
	tests/support/llm_stub/chat.h tests/support/llm_stub/chat.c \
	tests/support/llm_stub/openai.c \
	tests/support/llm_stub/anthropic.c \
	tests/support/llm_stub/strict.c \
	tests/support/llm_stub/script.h tests/support/llm_stub/script.c \
	tests/support/llm_stub/rules.h tests/support/llm_stub/rules.c \
	tests/support/llm_stub/demo.c
llm_stub_LDADD = $(STANDIN_LIBS)

data_api_SOURCES = \
	tests/support/data_api/main.c \
	tests/support/data_api/data.h tests/support/data_api/data.c
data_api_LDADD = $(STANDIN_LIBS)

# Small things that tests of programs need: start, ask, look.
check_LIBRARIES += tests/support/libtesttools.a
tests_support_libtesttools_a_SOURCES = \
	tests/support/proc.h tests/support/proc.c \
	tests/support/processes.h tests/support/processes.c \
	tests/support/settings.h tests/support/settings.c \
	tests/support/sql.h tests/support/sql.c \
	tests/support/http_client.h tests/support/http_client.c
tests_support_libtesttools_a_CFLAGS = $(AM_CFLAGS) $(LIBPQ_CFLAGS) $(SQLITE_CFLAGS)
TESTTOOLS_LIBS = tests/support/libtesttools.a common/libjson.a common/libcommon.a \
	$(LIBPQ_LIBS) $(SQLITE_LIBS)

# Cuts the way between the daemon and Redis on order.
noinst_PROGRAMS += redis-proxy
redis_proxy_SOURCES = \
	tests/support/redis_proxy/main.c \
	tests/support/redis_proxy/resp.h tests/support/redis_proxy/resp.c
redis_proxy_LDADD = tests/support/libstandin.a common/libcommon.a

# The real daemon with real servers around it.
check_LIBRARIES += tests/support/libharness.a
tests_support_libharness_a_SOURCES = \
	tests/support/harness.h tests/support/harness_private.h \
	tests/support/harness.c tests/support/harness_jobs.c \
	tests/support/redis_server.h tests/support/redis_server.c
tests_support_libharness_a_CFLAGS = $(AM_CFLAGS) $(HIREDIS_CFLAGS)
HARNESS_LIBS = tests/support/libharness.a tests/support/libservers.a $(TESTTOOLS_LIBS) \
	$(HIREDIS_LIBS) -lm

# --- queue: a private redis-server, and short words for tests of the queue
if HAVE_CRITERION
check_LIBRARIES += tests/support/libqueuetest.a
tests_support_libqueuetest_a_SOURCES = \
	tests/support/redis_server.h tests/support/redis_server.c \
	tests/support/queue_fixture.h tests/support/queue_fixture.c
tests_support_libqueuetest_a_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
endif
# --- end of queue
# --- store: a private PostgreSQL, and a proxy that cuts connections
noinst_LIBRARIES += tests/support/libservers.a
tests_support_libservers_a_SOURCES = \
	tests/support/postgres_server.h tests/support/postgres_server.c \
	tests/support/cut_proxy.h tests/support/cut_proxy.c
# --- end of store
# -- http_probe: a scripted HTTP server
check_LIBRARIES += tests/support/libhttpprobe.a
tests_support_libhttpprobe_a_SOURCES = tests/support/http_probe.h tests/support/http_probe.c
tests_support_libhttpprobe_a_CFLAGS = $(AM_CFLAGS)
# -- end of http_probe

# A wall clock that a test can set, for a foreign server.
check_DATA += tests/support/clock_shim.so
tests/support/clock_shim.so: $(srcdir)/tests/support/clock_shim.c
	@$(MKDIR_P) $(@D)
	$(AM_V_CC)$(CC) $(CFLAGS) -D_GNU_SOURCE -shared -fPIC -o $@ $(srcdir)/tests/support/clock_shim.c
EXTRA_DIST += tests/support/clock_shim.c
CLEANFILES += tests/support/clock_shim.so
