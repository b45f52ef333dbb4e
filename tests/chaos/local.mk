# tests/chaos: jobs under a seeded schedule of blows, and the books afterwards.
if FAULT_POINTS
check_PROGRAMS += chaos
chaos_SOURCES = tests/chaos/main.c tests/chaos/chaos.h tests/chaos/jobs.c \
	tests/chaos/blows.c tests/chaos/books.c tests/chaos/watch.c \
	tests/e2e/ledger.c tests/e2e/ledger.h tests/e2e/faults.c tests/e2e/faults.h
chaos_CFLAGS = $(AM_CFLAGS) $(HIREDIS_CFLAGS) $(CRYPTO_CFLAGS)
chaos_LDADD = $(HARNESS_LIBS) tests/support/libstandin.a common/libstore.a \
	common/libcommon.a $(CRYPTO_LIBS)
TESTS += tests/chaos/short.sh
endif
EXTRA_DIST += tests/chaos/short.sh
