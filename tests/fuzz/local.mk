# tests/fuzz: one target per parser of foreign bytes. With --enable-fuzzers (clang) they are
# libFuzzer programs; else driver.c feeds them their corpus, as tests.
if FUZZERS
fuzz_flags = -fsanitize=fuzzer
fuzz_driver =
else
fuzz_flags =
fuzz_driver = tests/fuzz/driver.c
endif
fuzz_cflags = $(AM_CFLAGS) $(fuzz_flags) -DFUZZ_CORPUS=\"$(abs_top_srcdir)/tests/fuzz/corpus\"
fuzz_ldflags = $(AM_LDFLAGS) $(fuzz_flags)
fuzz_targets = fuzz_json fuzz_steps fuzz_read fuzz_yaml fuzz_compute fuzz_pipeline fuzz_provider fuzz_schema fuzz_job \
	fuzz_conf fuzz_slots fuzz_messages fuzz_redis fuzz_fetch fuzz_url fuzz_redirect fuzz_secrets
fuzz_targets += fuzz_shape
EXTRA_DIST += tests/fuzz/corpus tests/fuzz/driver.c
if FUZZERS
noinst_PROGRAMS += $(fuzz_targets)
else
check_PROGRAMS += $(fuzz_targets)
TESTS += $(fuzz_targets)
endif

print-fuzz-targets:
	@echo $(fuzz_targets)

fuzz_json_SOURCES = tests/fuzz/fuzz_json.c $(fuzz_driver)
fuzz_json_CFLAGS = $(fuzz_cflags)
fuzz_json_LDFLAGS = $(fuzz_ldflags)
fuzz_json_LDADD = common/libjson.a common/libcommon.a -lm
fuzz_steps_SOURCES = tests/fuzz/fuzz_steps.c $(fuzz_driver)
fuzz_steps_CFLAGS = $(fuzz_cflags)
fuzz_steps_LDFLAGS = $(fuzz_ldflags)
fuzz_steps_LDADD = $(compute_libs)
fuzz_read_SOURCES = tests/fuzz/fuzz_read.c $(fuzz_driver)
fuzz_read_CFLAGS = $(fuzz_cflags)
fuzz_read_LDFLAGS = $(fuzz_ldflags)
fuzz_read_LDADD = $(compute_libs)
fuzz_yaml_SOURCES = tests/fuzz/fuzz_yaml.c $(fuzz_driver)
fuzz_yaml_CFLAGS = $(fuzz_cflags)
fuzz_yaml_LDFLAGS = $(fuzz_ldflags)
fuzz_yaml_LDADD = $(compute_libs)
fuzz_compute_SOURCES = tests/fuzz/fuzz_compute.c $(fuzz_driver)
fuzz_compute_CFLAGS = $(fuzz_cflags)
fuzz_compute_LDFLAGS = $(fuzz_ldflags)
fuzz_compute_LDADD = $(compute_libs)
fuzz_pipeline_SOURCES = tests/fuzz/fuzz_pipeline.c $(fuzz_driver)
fuzz_pipeline_CFLAGS = $(fuzz_cflags)
fuzz_pipeline_LDFLAGS = $(fuzz_ldflags)
fuzz_pipeline_LDADD = worker/libpipelinerun.a common/libpipeline.a worker/libllm.a \
	common/libjson.a common/libcommon.a -lm
fuzz_provider_SOURCES = tests/fuzz/fuzz_provider.c $(fuzz_driver)
fuzz_provider_CFLAGS = $(fuzz_cflags)
fuzz_provider_LDFLAGS = $(fuzz_ldflags)
fuzz_provider_LDADD = worker/libllm.a common/libjson.a common/libcommon.a -lm
fuzz_schema_SOURCES = tests/fuzz/fuzz_schema.c $(fuzz_driver)
fuzz_schema_CFLAGS = $(fuzz_cflags)
fuzz_schema_LDFLAGS = $(fuzz_ldflags)
fuzz_schema_LDADD = worker/libagent.a worker/libllm.a common/libjson_schema.a \
	common/libjson.a common/libcommon.a $(PCRE2_LIBS) -lm
fuzz_job_SOURCES = tests/fuzz/fuzz_job.c worker/job_message.c worker/job_skim.c worker/preview.c $(fuzz_driver)
fuzz_job_CFLAGS = $(fuzz_cflags)
fuzz_job_LDFLAGS = $(fuzz_ldflags)
fuzz_job_LDADD = common/libstore.a common/libjson.a common/libcommon.a $(CRYPTO_LIBS) -lm
fuzz_conf_SOURCES = tests/fuzz/fuzz_conf.c $(fuzz_driver)
fuzz_conf_CFLAGS = $(fuzz_cflags)
fuzz_conf_LDFLAGS = $(fuzz_ldflags)
fuzz_conf_LDADD = common/libconf.a common/libcommon.a $(LIBCONFIG_LIBS)
fuzz_slots_SOURCES = tests/fuzz/fuzz_slots.c $(fuzz_driver)
fuzz_slots_CFLAGS = $(fuzz_cflags)
fuzz_slots_LDFLAGS = $(fuzz_ldflags)
fuzz_slots_LDADD = $(ROLE_LIBS) common/libconf.a common/libcommon.a $(LIBCONFIG_LIBS)
fuzz_messages_SOURCES = tests/fuzz/fuzz_messages.c $(fuzz_driver)
fuzz_messages_CFLAGS = $(fuzz_cflags)
fuzz_messages_LDFLAGS = $(fuzz_ldflags)
fuzz_messages_LDADD = $(ROLE_LIBS) common/libconf.a common/libcommon.a $(LIBCONFIG_LIBS)
fuzz_redis_SOURCES = tests/fuzz/fuzz_redis.c $(fuzz_driver)
fuzz_redis_CFLAGS = $(fuzz_cflags) $(HIREDIS_CFLAGS)
fuzz_redis_LDFLAGS = $(fuzz_ldflags)
fuzz_redis_LDADD = common/libqueue.a common/libconf.a common/libjson.a common/libcommon.a \
	$(HIREDIS_LIBS) $(LIBCONFIG_LIBS) $(CRYPTO_LIBS) -lm
fuzz_fetch_SOURCES = tests/fuzz/fuzz_fetch.c $(fuzz_driver)
fuzz_fetch_CFLAGS = $(fuzz_cflags)
fuzz_fetch_LDFLAGS = $(fuzz_ldflags)
fuzz_fetch_LDADD = $(FETCH_LIBS)
fuzz_url_SOURCES = tests/fuzz/fuzz_url.c $(fuzz_driver)
fuzz_url_CFLAGS = $(fuzz_cflags) $(CURL_CFLAGS)
fuzz_url_LDFLAGS = $(fuzz_ldflags)
fuzz_url_LDADD = common/libguard.a common/libcommon.a $(CURL_LIBS)
fuzz_redirect_SOURCES = tests/fuzz/fuzz_redirect.c $(fuzz_driver)
fuzz_redirect_CFLAGS = $(fuzz_cflags) $(CURL_CFLAGS)
fuzz_redirect_LDFLAGS = $(fuzz_ldflags)
fuzz_redirect_LDADD = $(HTTP_CLIENT_LIBS)
fuzz_secrets_SOURCES = tests/fuzz/fuzz_secrets.c $(fuzz_driver)
fuzz_secrets_CFLAGS = $(fuzz_cflags)
fuzz_secrets_LDFLAGS = $(fuzz_ldflags)
fuzz_secrets_LDADD = common/libcommon.a
fuzz_shape_SOURCES = tests/fuzz/fuzz_shape.c $(fuzz_driver)
fuzz_shape_CFLAGS = $(fuzz_cflags)
fuzz_shape_LDFLAGS = $(fuzz_ldflags)
fuzz_shape_LDADD = worker/libpipelinerun.a worker/libagent.a common/libpipeline.a \
	common/libjson_schema.a common/libstore.a common/libjson.a common/libcommon.a \
	$(PCRE2_LIBS) $(CRYPTO_LIBS) -lm
