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

# --- json_schema, llm, agent ---
if HAVE_CRITERION
check_PROGRAMS += test_json_schema test_llm test_agent
TESTS += test_json_schema test_llm test_agent
test_json_schema_SOURCES = tests/unit/test_json_schema.c
test_json_schema_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_json_schema_LDADD = common/libjson_schema.a common/libjson.a common/libcommon.a \
	$(CRITERION_LIBS) $(PCRE2_LIBS) -lm
test_llm_SOURCES = tests/unit/test_llm.c
test_llm_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_llm_LDADD = worker/libllm.a common/libjson.a common/libcommon.a \
	$(CRITERION_LIBS) -lm
test_agent_SOURCES = tests/unit/test_agent.c
test_agent_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_agent_LDADD = worker/libagent.a worker/libtools.a worker/libllm.a common/libconf.a \
	common/libjson_schema.a common/libjson.a common/libcommon.a \
	$(CRITERION_LIBS) $(PCRE2_LIBS) $(LIBCONFIG_LIBS) -lm
endif
# --- end of json_schema, llm, agent ---
