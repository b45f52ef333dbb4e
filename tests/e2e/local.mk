# tests/e2e: Criterion programs over the real daemon and real servers.
if HAVE_CRITERION
e2e_programs = test_e2e_jobs test_e2e_faults
check_PROGRAMS += $(e2e_programs)
TESTS += $(e2e_programs)
EXTRA_DIST += tests/e2e/e2e.h

test_e2e_jobs_SOURCES = tests/e2e/test_jobs.c
test_e2e_jobs_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_jobs_LDADD = $(HARNESS_LIBS) $(CRITERION_LIBS)

test_e2e_faults_SOURCES = tests/e2e/test_faults.c
test_e2e_faults_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_faults_LDADD = $(HARNESS_LIBS) $(CRITERION_LIBS)
endif
