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
