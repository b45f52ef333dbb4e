# tests/support

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
