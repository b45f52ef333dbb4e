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
