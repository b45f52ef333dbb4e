# tests/bench: load generators; scripts/bench runs them. Built on demand, never by all.
EXTRA_PROGRAMS += bench_jobs
bench_jobs_SOURCES = tests/bench/bench_jobs.c
bench_jobs_CFLAGS = $(AM_CFLAGS) $(HIREDIS_CFLAGS)
bench_jobs_LDADD = $(HARNESS_LIBS) tests/support/libstandin.a common/libcommon.a
CLEANFILES += bench_jobs
EXTRA_DIST += tests/bench/BASELINE

# Rows a second of each primitive, without lane and jail.
EXTRA_PROGRAMS += bench_compute
bench_compute_SOURCES = tests/bench/bench_compute.c
bench_compute_LDADD = $(compute_libs)
CLEANFILES += bench_compute

# Request to answer over a lane, with the jail around.
EXTRA_PROGRAMS += bench_entry
bench_entry_SOURCES = tests/bench/bench_entry.c
bench_entry_LDADD = $(compute_libs)
CLEANFILES += bench_entry
