# tests/unit: one Criterion program per module.
if HAVE_CRITERION

unit_cflags = $(AM_CFLAGS) $(CRITERION_CFLAGS)

# --- conf
check_PROGRAMS += test_conf
TESTS += test_conf
test_conf_SOURCES = tests/unit/test_conf.c
test_conf_CFLAGS = $(unit_cflags)
test_conf_LDADD = common/libconf.a common/libcommon.a $(LIBCONFIG_LIBS) $(CRITERION_LIBS)

# --- secrets
check_PROGRAMS += test_secrets
TESTS += test_secrets
test_secrets_SOURCES = tests/unit/test_secrets.c
test_secrets_CFLAGS = $(unit_cflags)
test_secrets_LDADD = common/libcommon.a $(CRITERION_LIBS)

# --- fiber
check_PROGRAMS += test_fiber
TESTS += test_fiber
test_fiber_SOURCES = tests/unit/test_fiber.c worker/loop.c worker/fiber.c
test_fiber_CFLAGS = $(unit_cflags)
test_fiber_LDADD = common/libcommon.a $(CRITERION_LIBS)

endif
# tests/unit

# -- net, fetch, gateway
if HAVE_CRITERION
check_PROGRAMS += test_addr_guard test_http_client
TESTS += test_addr_guard test_http_client
test_addr_guard_SOURCES = tests/unit/test_addr_guard.c
test_addr_guard_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_addr_guard_LDADD = common/libguard.a common/libcommon.a $(CRITERION_LIBS)
test_http_client_SOURCES = tests/unit/test_http_client.c
test_http_client_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_http_client_LDADD = tests/support/libhttpprobe.a $(HTTP_CLIENT_LIBS) $(CRITERION_LIBS)
check_PROGRAMS += test_rebinding
TESTS += test_rebinding
test_rebinding_SOURCES = tests/unit/test_rebinding.c
test_rebinding_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_rebinding_LDADD = tests/support/libhttpprobe.a $(HTTP_CLIENT_LIBS) $(CRITERION_LIBS)
check_PROGRAMS += test_fetch_request test_fetch
TESTS += test_fetch_request test_fetch
test_fetch_request_SOURCES = tests/unit/test_fetch_request.c
test_fetch_request_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_fetch_request_LDADD = $(FETCH_LIBS) $(CRITERION_LIBS)
test_fetch_SOURCES = tests/unit/test_fetch.c
test_fetch_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_fetch_LDADD = tests/support/libhttpprobe.a $(FETCH_LIBS) $(CRITERION_LIBS)
check_PROGRAMS += test_gateway_pure test_gateway_http test_gateway_waiters
TESTS += test_gateway_pure test_gateway_http test_gateway_waiters
test_gateway_pure_SOURCES = tests/unit/test_gateway_pure.c
test_gateway_pure_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_gateway_pure_LDADD = $(GATEWAY_LIBS) $(CRITERION_LIBS)
test_gateway_http_SOURCES = tests/unit/test_gateway_http.c
test_gateway_http_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_gateway_http_LDADD = $(GATEWAY_LIBS) $(CRITERION_LIBS)
test_gateway_waiters_SOURCES = tests/unit/test_gateway_waiters.c
test_gateway_waiters_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_gateway_waiters_LDADD = tests/support/libqueuetest.a $(GATEWAY_LIBS) $(CRITERION_LIBS)
endif
# -- end of net, fetch, gateway
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
check_PROGRAMS += test_compute_yaml
TESTS += test_compute_yaml
test_compute_yaml_SOURCES = tests/unit/test_compute_yaml.c tests/unit/compute_support.c tests/unit/compute_support.h
test_compute_yaml_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_compute_yaml_LDADD = $(compute_libs) $(CRITERION_LIBS)
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
check_PROGRAMS += test_compute_jail test_compute_zygote
TESTS += test_compute_jail test_compute_zygote
test_compute_jail_SOURCES = tests/unit/test_compute_jail.c
test_compute_jail_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_compute_jail_LDADD = $(compute_libs) $(CRITERION_LIBS)
test_compute_zygote_SOURCES = tests/unit/test_compute_zygote.c tests/unit/zygote_support.c tests/unit/zygote_support.h
test_compute_zygote_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_compute_zygote_LDADD = $(compute_libs) $(CRITERION_LIBS)
check_PROGRAMS += test_compute_owner
TESTS += test_compute_owner
test_compute_owner_SOURCES = tests/unit/test_compute_owner.c tests/unit/zygote_support.c tests/unit/zygote_support.h
test_compute_owner_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_compute_owner_LDADD = $(compute_libs) $(CRITERION_LIBS)
check_PROGRAMS += test_escape
TESTS += test_escape
EXTRA_DIST += tests/unit/escapes.txt
test_escape_SOURCES = tests/unit/test_escape.c tests/unit/source_file.h
test_escape_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(SECCOMP_CFLAGS)
test_escape_LDADD = $(compute_libs) $(CRITERION_LIBS)
check_PROGRAMS += test_escape_programs
TESTS += test_escape_programs
EXTRA_DIST += tests/unit/escape_programs.tsv
test_escape_programs_SOURCES = tests/unit/test_escape_programs.c tests/unit/zygote_support.c \
	tests/unit/zygote_support.h tests/unit/source_file.h
test_escape_programs_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_escape_programs_LDADD = $(compute_libs) $(CRITERION_LIBS)
check_PROGRAMS += test_pipeline_steps
TESTS += test_pipeline_steps
test_pipeline_steps_SOURCES = tests/unit/test_pipeline_steps.c
test_pipeline_steps_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_pipeline_steps_LDADD = common/libpipeline.a common/libjson.a common/libcommon.a $(CRITERION_LIBS) -lm
endif
# --- end of json, compute, pipeline ---

# --- json_schema, llm, agent ---
if HAVE_CRITERION
check_PROGRAMS += test_json_schema test_llm test_llm_retry test_breaker test_anthropic test_agent test_prompt
TESTS += test_json_schema test_llm test_llm_retry test_breaker test_anthropic test_agent test_prompt
test_anthropic_SOURCES = tests/unit/test_anthropic.c
test_anthropic_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_anthropic_LDADD = worker/libllm.a common/libjson.a common/libcommon.a \
	$(CRITERION_LIBS) -lm
test_llm_retry_SOURCES = tests/unit/test_llm_retry.c
test_llm_retry_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_llm_retry_LDADD = worker/libllm.a common/libjson.a common/libcommon.a \
	$(CRITERION_LIBS) -lm
test_breaker_SOURCES = tests/unit/test_breaker.c
test_breaker_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_breaker_LDADD = worker/libllm.a common/libjson.a common/libcommon.a \
	$(CRITERION_LIBS) -lm
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
test_prompt_SOURCES = tests/unit/test_prompt.c
test_prompt_CFLAGS = $(test_agent_CFLAGS)
test_prompt_LDADD = $(test_agent_LDADD)
endif
# --- end of json_schema, llm, agent ---
# --- queue ---
if HAVE_CRITERION
queue_test_cflags = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
queue_test_libs = tests/support/libqueuetest.a common/libqueue.a common/libcommon.a \
	$(REDIS_LIBS) $(CRITERION_LIBS)
queue_tests =
queue_tests += test_redis_url
queue_tests += test_redis_sync
queue_tests += test_queue_ops
queue_tests += test_queue_recover
queue_tests += test_queue_fsck
queue_tests += test_queue_budget
queue_tests += test_queue_limit
queue_tests += test_queue_operator
queue_tests += test_queue_cache
queue_tests += test_queue_rights
queue_tests += test_man_security
queue_tests += test_scheduler
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
test_queue_cache_SOURCES = tests/unit/test_queue_cache.c
test_queue_cache_CFLAGS = $(queue_test_cflags)
test_queue_cache_LDADD = $(queue_test_libs)
test_queue_limit_SOURCES = tests/unit/test_queue_limit.c
test_queue_limit_CFLAGS = $(queue_test_cflags)
test_queue_limit_LDADD = $(queue_test_libs)
test_queue_budget_SOURCES = tests/unit/test_queue_budget.c
test_queue_budget_CFLAGS = $(queue_test_cflags)
test_queue_budget_LDADD = $(queue_test_libs)
test_queue_operator_SOURCES = tests/unit/test_queue_operator.c
test_queue_operator_CFLAGS = $(queue_test_cflags)
test_queue_operator_LDADD = $(queue_test_libs)
test_queue_rights_SOURCES = tests/unit/test_queue_rights.c
test_queue_rights_CFLAGS = $(queue_test_cflags)
test_queue_rights_LDADD = $(queue_test_libs)
test_man_security_SOURCES = tests/unit/test_man_security.c tests/unit/source_file.h
test_man_security_CFLAGS = $(queue_test_cflags)
test_man_security_LDADD = tests/support/libqueuetest.a common/libqueue.a common/libconf.a \
	common/libcommon.a $(REDIS_LIBS) $(LIBCONFIG_LIBS) $(CRITERION_LIBS)
test_scheduler_SOURCES = tests/unit/test_scheduler.c
test_scheduler_CFLAGS = $(queue_test_cflags)
test_scheduler_LDADD = scheduler/libscheduler.a tests/support/libqueuetest.a \
	common/libqueue.a $(ROLE_LIBS) common/libconf.a common/libcommon.a \
	$(REDIS_LIBS) $(LIBCONFIG_LIBS) $(CRITERION_LIBS) -lm
endif
# --- end of queue ---

# --- sessions, and what pipelines say before they run
if HAVE_CRITERION
check_PROGRAMS += test_session test_pipeline_facts test_pipeline_shape test_found_tools
TESTS += test_session test_pipeline_facts test_pipeline_shape test_found_tools
test_pipeline_shape_SOURCES = tests/unit/test_pipeline_shape.c
test_pipeline_shape_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_pipeline_shape_LDADD = worker/libpipelinerun.a common/libpipeline.a \
	common/libjson_schema.a common/libstore.a common/libjson.a common/libcommon.a \
	$(CRYPTO_LIBS) $(CRITERION_LIBS) $(PCRE2_LIBS) -lm
test_found_tools_SOURCES = tests/unit/test_found_tools.c
test_found_tools_CFLAGS = $(test_agent_CFLAGS)
test_found_tools_LDADD = $(test_agent_LDADD)
test_pipeline_facts_SOURCES = tests/unit/test_pipeline_facts.c
test_pipeline_facts_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_pipeline_facts_LDADD = worker/libpipelinerun.a common/libpipeline.a \
	common/libstore.a common/libjson.a common/libcommon.a $(CRYPTO_LIBS) \
	$(CRITERION_LIBS) -lm
test_session_SOURCES = tests/unit/test_session.c
test_session_CFLAGS = $(queue_test_cflags)
test_session_LDADD = worker/libagent.a $(queue_test_libs) common/libjson.a \
	common/libcommon.a -lm
endif
# --- end of sessions

# --- ctl
if HAVE_CRITERION
check_PROGRAMS += test_ctl
TESTS += test_ctl
test_ctl_SOURCES = tests/unit/test_ctl.c
test_ctl_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_ctl_LDADD = $(CTL_LIBS) $(CRITERION_LIBS)
endif
EXTRA_DIST += tests/unit/test_man_agentctl.sh tests/unit/test_agentctl.sh
TESTS += tests/unit/test_man_agentctl.sh tests/unit/test_agentctl.sh
# --- end of ctl
# --- store: results, the CAS, the helper thread's queue
if HAVE_CRITERION
check_PROGRAMS += test_store test_store_queue test_cas
TESTS += test_store test_store_queue test_cas
test_store_SOURCES = tests/unit/test_store.c tests/unit/test_store_faults.c \
	tests/unit/test_store_tools.c \
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

# --- support: the stand-ins ---
if HAVE_CRITERION
check_PROGRAMS += test_standins
TESTS += test_standins
test_standins_SOURCES = tests/unit/test_standins.c
test_standins_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_standins_LDADD = $(TESTTOOLS_LIBS) $(CRITERION_LIBS) -lm
check_PROGRAMS += test_redis_proxy
TESTS += test_redis_proxy
test_redis_proxy_SOURCES = tests/unit/test_redis_proxy.c
test_redis_proxy_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_redis_proxy_LDADD = $(HARNESS_LIBS) $(CRITERION_LIBS)
endif
# --- end of support ---

# --- man_conf
if HAVE_CRITERION
check_PROGRAMS += test_man_conf
TESTS += test_man_conf
test_man_conf_SOURCES = tests/unit/test_man_conf.c tests/unit/source_file.h
test_man_conf_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_man_conf_LDADD = common/libconf.a common/libcommon.a $(LIBCONFIG_LIBS) $(CRITERION_LIBS)
endif

# --- job_message
if HAVE_CRITERION
check_PROGRAMS += test_job_message
TESTS += test_job_message
test_job_message_SOURCES = tests/unit/test_job_message.c worker/job_message.c worker/job_skim.c worker/preview.c
test_job_message_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_job_message_LDADD = common/libstore.a common/libjson.a common/libcommon.a \
	$(CRYPTO_LIBS) $(CRITERION_LIBS) -lm
endif

# --- role, supervisor ---
if HAVE_CRITERION
role_test_libs = common/librole.a common/libconf.a common/libcommon.a \
	$(SECCOMP_LIBS) $(LIBCONFIG_LIBS) $(CRITERION_LIBS)
check_PROGRAMS += test_ipc test_slot_file test_fault_handler test_metrics test_log test_sandbox \
	test_pidfile test_lifecycle
TESTS += test_ipc test_slot_file test_fault_handler test_metrics test_log test_sandbox \
	test_pidfile test_lifecycle
test_ipc_SOURCES = tests/unit/test_ipc.c
test_ipc_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_ipc_LDADD = $(role_test_libs)
test_fault_handler_SOURCES = tests/unit/test_fault_handler.c
test_fault_handler_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_fault_handler_LDADD = $(role_test_libs) -lpthread
test_slot_file_SOURCES = tests/unit/test_slot_file.c
test_slot_file_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_slot_file_LDADD = $(role_test_libs)
test_metrics_SOURCES = tests/unit/test_metrics.c
test_metrics_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_metrics_LDADD = $(role_test_libs)
test_log_SOURCES = tests/unit/test_log.c
test_log_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_log_LDADD = $(role_test_libs)
test_sandbox_SOURCES = tests/unit/test_sandbox.c
test_sandbox_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(SECCOMP_CFLAGS)
test_sandbox_LDADD = $(role_test_libs)
check_PROGRAMS += test_scope
TESTS += test_scope
test_scope_SOURCES = tests/unit/test_scope.c
test_scope_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_scope_LDADD = $(role_test_libs)
check_PROGRAMS += test_watched_files
TESTS += test_watched_files
test_watched_files_SOURCES = tests/unit/test_watched_files.c
test_watched_files_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_watched_files_LDADD = supervisor/libsupervisor.a $(role_test_libs)
check_PROGRAMS += test_generation
TESTS += test_generation
test_generation_SOURCES = tests/unit/test_generation.c
test_generation_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_generation_LDADD = supervisor/libsupervisor.a $(role_test_libs)
test_pidfile_SOURCES = tests/unit/test_pidfile.c
test_pidfile_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_pidfile_LDADD = supervisor/libsupervisor.a $(role_test_libs)
test_lifecycle_SOURCES = tests/unit/test_lifecycle.c
test_lifecycle_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_lifecycle_LDADD = supervisor/libsupervisor.a $(role_test_libs)
# The daemon over fake roles; runs in the build directory, where the programs are.
check_PROGRAMS += test_supervisor
TESTS += test_supervisor
test_supervisor_SOURCES = tests/unit/test_supervisor.c
test_supervisor_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) -DSOURCE_DIR=\"$(srcdir)\"
test_supervisor_LDADD = $(role_test_libs)
test_supervisor_DEPENDENCIES = agent-runnerd$(EXEEXT) fake_role$(EXEEXT) \
	common/librole.a common/libconf.a common/libcommon.a
endif
# The init script over the daemon over fake roles.
TESTS += tests/unit/test_init_script.sh
EXTRA_DIST += tests/unit/test_init_script.sh
# --- end of role, supervisor ---

# --- pipeline
if HAVE_CRITERION
check_PROGRAMS += test_pipeline
TESTS += test_pipeline
test_pipeline_SOURCES = tests/unit/test_pipeline.c
test_pipeline_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_pipeline_LDADD = worker/libpipelinerun.a common/libpipeline.a worker/libllm.a \
	common/libjson.a common/libcommon.a $(CRITERION_LIBS) -lm
endif

# --- man_protocol
if HAVE_CRITERION
check_PROGRAMS += test_man_protocol
TESTS += test_man_protocol
test_man_protocol_SOURCES = tests/unit/test_man_protocol.c tests/unit/source_file.h
test_man_protocol_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_man_protocol_LDADD = worker/libllm.a common/libcommon.a $(CRITERION_LIBS)

check_PROGRAMS += test_man_metrics
TESTS += test_man_metrics
EXTRA_DIST += tests/unit/alerts.yml
test_man_metrics_SOURCES = tests/unit/test_man_metrics.c tests/unit/source_file.h
test_man_metrics_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_man_metrics_LDADD = $(GATEWAY_LIBS) $(CRITERION_LIBS)
endif

# --- the worker's connections: Redis, lanes, the store's helper thread; its messages
if HAVE_CRITERION
check_PROGRAMS += test_redis_link test_lane_client test_store_client test_result_message
TESTS += test_redis_link test_lane_client test_store_client test_result_message
check_PROGRAMS += test_redis_tls
TESTS += test_redis_tls
test_redis_tls_SOURCES = tests/unit/test_redis_tls.c \
	tests/support/tls_files.h tests/support/tls_files.c \
	worker/loop.c worker/fiber.c worker/redis.c
test_redis_tls_CFLAGS = $(queue_test_cflags)
test_redis_tls_LDADD = tests/support/libqueuetest.a common/libqueue.a common/libconf.a \
	common/libcommon.a $(REDIS_LIBS) $(LIBCONFIG_LIBS) $(CRITERION_LIBS)
test_redis_link_SOURCES = tests/unit/test_redis_link.c \
	worker/loop.c worker/fiber.c worker/redis.c
test_redis_link_CFLAGS = $(queue_test_cflags)
test_redis_link_LDADD = $(queue_test_libs)
test_lane_client_SOURCES = tests/unit/test_lane_client.c \
	worker/loop.c worker/fiber.c worker/lane_client.c
test_lane_client_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_lane_client_LDADD = common/libcommon.a $(CRITERION_LIBS)
test_store_client_SOURCES = tests/unit/test_store_client.c \
	tests/unit/store_fixture.h tests/unit/store_fixture.c \
	worker/loop.c worker/fiber.c worker/store_client.c
test_store_client_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_store_client_LDADD = tests/support/libservers.a $(STORE_LIBS) $(CRITERION_LIBS)
test_result_message_SOURCES = tests/unit/test_result_message.c worker/result_message.c
test_result_message_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_result_message_LDADD = worker/libllm.a common/libjson.a common/libcommon.a \
	$(CRITERION_LIBS) -lm
endif

# --- the small things in common
if HAVE_CRITERION
check_PROGRAMS += test_common test_lane
TESTS += test_common test_lane
test_common_SOURCES = tests/unit/test_common.c
test_common_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_common_LDADD = common/libcommon.a $(CRITERION_LIBS)
test_lane_SOURCES = tests/unit/test_lane.c
test_lane_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_lane_LDADD = common/libcommon.a $(CRITERION_LIBS)
endif

# --- stacks of fibers
if HAVE_CRITERION
check_PROGRAMS += test_stack
TESTS += test_stack
test_stack_SOURCES = tests/unit/test_stack.c worker/loop.c worker/fiber.c worker/preview.c
test_stack_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_stack_LDADD = worker/libpipelinerun.a common/libpipeline.a common/libstore.a \
	worker/libagent.a worker/libtools.a worker/libllm.a common/libconf.a \
	common/libjson_schema.a common/libjson.a common/libcommon.a \
	$(CRITERION_LIBS) $(PCRE2_LIBS) $(LIBCONFIG_LIBS) $(CRYPTO_LIBS) -lm
endif

# --- nothing in job code blocks
TESTS += tests/unit/test_blocking.sh tests/unit/test_no_fault_points.sh
EXTRA_DIST += tests/unit/test_blocking.sh tests/unit/test_no_fault_points.sh

# --- buffers of a worker's jobs
if HAVE_CRITERION
check_PROGRAMS += test_buffers
TESTS += test_buffers
test_buffers_SOURCES = tests/unit/test_buffers.c \
	worker/loop.c worker/fiber.c worker/buffers.c
test_buffers_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS)
test_buffers_LDADD = common/libcommon.a $(CRITERION_LIBS)
endif
