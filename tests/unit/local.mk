# tests/unit

# --- json, compute, pipeline ---
if HAVE_CRITERION
check_PROGRAMS += test_json
TESTS += test_json
test_json_SOURCES = tests/unit/test_json.c
test_json_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_json_LDADD = common/libjson.a common/libcommon.a $(CRITERION_LIBS) -lm

check_PROGRAMS += test_compute_table
TESTS += test_compute_table
test_compute_table_SOURCES = tests/unit/test_compute_table.c tests/unit/compute_support.c tests/unit/compute_support.h
test_compute_table_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_compute_table_LDADD = $(compute_libs) $(CRITERION_LIBS)
check_PROGRAMS += test_compute_filter
TESTS += test_compute_filter
test_compute_filter_SOURCES = tests/unit/test_compute_filter.c tests/unit/compute_support.c tests/unit/compute_support.h
test_compute_filter_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_compute_filter_LDADD = $(compute_libs) $(CRITERION_LIBS)
check_PROGRAMS += test_compute_group
TESTS += test_compute_group
test_compute_group_SOURCES = tests/unit/test_compute_group.c tests/unit/compute_support.c tests/unit/compute_support.h
test_compute_group_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_compute_group_LDADD = $(compute_libs) $(CRITERION_LIBS)
check_PROGRAMS += test_compute_text
TESTS += test_compute_text
test_compute_text_SOURCES = tests/unit/test_compute_text.c tests/unit/compute_support.c tests/unit/compute_support.h
test_compute_text_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_compute_text_LDADD = $(compute_libs) $(CRITERION_LIBS)
check_PROGRAMS += test_compute_jq
TESTS += test_compute_jq
test_compute_jq_SOURCES = tests/unit/test_compute_jq.c tests/unit/compute_support.c tests/unit/compute_support.h
test_compute_jq_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_compute_jq_LDADD = $(compute_libs) $(CRITERION_LIBS)
endif
# --- end of json, compute, pipeline ---
