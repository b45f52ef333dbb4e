# tests/unit: one Criterion program per module.
if HAVE_CRITERION

unit_cflags = $(AM_CFLAGS) $(CRITERION_CFLAGS)

# --- conf
check_PROGRAMS += test_conf
TESTS += test_conf
test_conf_SOURCES = tests/unit/test_conf.c
test_conf_CFLAGS = $(unit_cflags)
test_conf_LDADD = common/libconf.a common/libcommon.a $(LIBCONFIG_LIBS) $(CRITERION_LIBS)

# --- fiber
check_PROGRAMS += test_fiber
TESTS += test_fiber
test_fiber_SOURCES = tests/unit/test_fiber.c worker/loop.c worker/fiber.c
test_fiber_CFLAGS = $(unit_cflags)
test_fiber_LDADD = common/libcommon.a $(CRITERION_LIBS)

endif
# tests/unit

# --- json, compute, pipeline ---
if HAVE_CRITERION
check_PROGRAMS += test_json
TESTS += test_json
test_json_SOURCES = tests/unit/test_json.c
test_json_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_json_LDADD = common/libjson.a common/libcommon.a $(CRITERION_LIBS) -lm
endif
# --- end of json, compute, pipeline ---

# --- store: results, the CAS, the helper thread's queue
if HAVE_CRITERION
check_PROGRAMS += test_store test_store_queue test_cas
TESTS += test_store test_store_queue test_cas
test_store_SOURCES = tests/unit/test_store.c tests/unit/test_store_faults.c \
	tests/unit/store_fixture.h tests/unit/store_fixture.c
test_store_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_store_LDADD = tests/support/libservers.a $(STORE_LIBS) $(CRITERION_LIBS)

test_store_queue_SOURCES = tests/unit/test_store_queue.c \
	tests/unit/store_fixture.h tests/unit/store_fixture.c
test_store_queue_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_store_queue_LDADD = tests/support/libservers.a $(STORE_LIBS) $(CRITERION_LIBS)

test_cas_SOURCES = tests/unit/test_cas.c
test_cas_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_cas_LDADD = $(STORE_LIBS) $(CRITERION_LIBS)
endif
# --- end of store
