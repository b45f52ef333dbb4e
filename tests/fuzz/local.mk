# tests/fuzz: libFuzzer targets, built with --enable-fuzzers (clang).
if FUZZERS
noinst_PROGRAMS += fuzz_json
fuzz_json_SOURCES = tests/fuzz/fuzz_json.c
fuzz_json_CFLAGS = $(AM_CFLAGS) -fsanitize=fuzzer
fuzz_json_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_json_LDADD = common/libjson.a common/libcommon.a -lm
endif
