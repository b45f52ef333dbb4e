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
