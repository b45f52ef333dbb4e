# tests/fuzz: libFuzzer targets, built with --enable-fuzzers (clang).
if FUZZERS
noinst_PROGRAMS += fuzz_json
fuzz_json_SOURCES = tests/fuzz/fuzz_json.c
fuzz_json_CFLAGS = $(AM_CFLAGS) -fsanitize=fuzzer
fuzz_json_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_json_LDADD = common/libjson.a common/libcommon.a -lm

noinst_PROGRAMS += fuzz_steps fuzz_read
fuzz_steps_SOURCES = tests/fuzz/fuzz_steps.c
fuzz_steps_CFLAGS = $(AM_CFLAGS) -fsanitize=fuzzer
fuzz_steps_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_steps_LDADD = $(compute_libs)
fuzz_read_SOURCES = tests/fuzz/fuzz_read.c
fuzz_read_CFLAGS = $(AM_CFLAGS) -fsanitize=fuzzer
fuzz_read_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_read_LDADD = $(compute_libs)
endif

if FUZZERS
noinst_PROGRAMS += fuzz_provider fuzz_schema
fuzz_provider_SOURCES = tests/fuzz/fuzz_provider.c
fuzz_provider_CFLAGS = $(AM_CFLAGS) -fsanitize=fuzzer
fuzz_provider_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_provider_LDADD = worker/libllm.a common/libjson.a common/libcommon.a -lm
fuzz_schema_SOURCES = tests/fuzz/fuzz_schema.c
fuzz_schema_CFLAGS = $(AM_CFLAGS) -fsanitize=fuzzer
fuzz_schema_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_schema_LDADD = worker/libagent.a worker/libllm.a common/libjson_schema.a \
	common/libjson.a common/libcommon.a $(PCRE2_LIBS) -lm
endif

# --- url: URLs and entries of network.allow_private, against libcurl's reading
if FUZZERS
noinst_PROGRAMS += fuzz_url
fuzz_url_SOURCES = tests/fuzz/fuzz_url.c
fuzz_url_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS) -fsanitize=fuzzer
fuzz_url_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_url_LDADD = common/libguard.a common/libcommon.a $(CURL_LIBS)
endif
# --- end of url
