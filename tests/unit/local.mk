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

# --- intent
EXTRA_DIST += tests/unit/intent_prompts.tsv
if HAVE_CRITERION
check_PROGRAMS += test_intent
TESTS += test_intent
test_intent_SOURCES = tests/unit/test_intent.c
test_intent_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_intent_LDADD = worker/agent/libintent.a common/libjson.a common/libcommon.a $(CRITERION_LIBS) -lm
endif
# --- end of intent
# --- queue ---
if HAVE_CRITERION
queue_test_cflags = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
queue_test_libs = tests/support/libqueuetest.a common/libqueue.a common/libcommon.a \
	$(HIREDIS_LIBS) $(CRITERION_LIBS)
queue_tests = test_redis_url test_redis_sync test_queue_ops test_queue_recover \
	test_queue_fsck test_queue_operator
check_PROGRAMS += $(queue_tests)
TESTS += $(queue_tests)
test_redis_url_SOURCES = tests/unit/test_redis_url.c
test_redis_url_CFLAGS = $(queue_test_cflags)
test_redis_url_LDADD = $(queue_test_libs)
test_redis_sync_SOURCES = tests/unit/test_redis_sync.c
test_redis_sync_CFLAGS = $(queue_test_cflags)
test_redis_sync_LDADD = $(queue_test_libs)
test_queue_ops_SOURCES = tests/unit/test_queue_ops.c
test_queue_ops_CFLAGS = $(queue_test_cflags)
test_queue_ops_LDADD = $(queue_test_libs)
test_queue_recover_SOURCES = tests/unit/test_queue_recover.c
test_queue_recover_CFLAGS = $(queue_test_cflags)
test_queue_recover_LDADD = $(queue_test_libs)
test_queue_fsck_SOURCES = tests/unit/test_queue_fsck.c
test_queue_fsck_CFLAGS = $(queue_test_cflags)
test_queue_fsck_LDADD = $(queue_test_libs)
test_queue_operator_SOURCES = tests/unit/test_queue_operator.c
test_queue_operator_CFLAGS = $(queue_test_cflags)
test_queue_operator_LDADD = $(queue_test_libs)
endif
# --- end of queue ---

# --- ctl
if HAVE_CRITERION
check_PROGRAMS += test_ctl
TESTS += test_ctl
test_ctl_SOURCES = tests/unit/test_ctl.c
test_ctl_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_ctl_LDADD = $(CTL_LIBS) $(CRITERION_LIBS)
endif
# --- end of ctl
