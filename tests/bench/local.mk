# tests/bench: load generators; scripts/bench runs them. Built on demand, never by all.
EXTRA_PROGRAMS += bench_jobs
bench_jobs_SOURCES = tests/bench/bench_jobs.c
bench_jobs_CFLAGS = $(AM_CFLAGS) $(HIREDIS_CFLAGS)
bench_jobs_LDADD = $(HARNESS_LIBS) tests/support/libstandin.a common/libcommon.a
CLEANFILES += bench_jobs
