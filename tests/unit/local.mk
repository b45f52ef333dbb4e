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
check_PROGRAMS += test_json_schema test_llm
TESTS += test_json_schema test_llm
test_json_schema_SOURCES = tests/unit/test_json_schema.c
test_json_schema_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_json_schema_LDADD = common/libjson_schema.a common/libjson.a common/libcommon.a \
	$(CRITERION_LIBS) $(PCRE2_LIBS) -lm
test_llm_SOURCES = tests/unit/test_llm.c
test_llm_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_llm_LDADD = worker/libllm.a common/libjson.a common/libcommon.a \
	$(CRITERION_LIBS) -lm
endif
# --- end of json_schema, llm, agent ---
