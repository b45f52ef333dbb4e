# tests/e2e: Criterion programs over the real daemon and real servers.
if HAVE_CRITERION
e2e_programs = test_e2e_jobs test_e2e_faults test_e2e_agentctl test_e2e_pipelines
check_PROGRAMS += $(e2e_programs)
TESTS += $(e2e_programs)
EXTRA_DIST += tests/e2e/e2e.h

test_e2e_jobs_SOURCES = tests/e2e/test_jobs.c
test_e2e_jobs_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_jobs_LDADD = $(HARNESS_LIBS) $(CRITERION_LIBS)

test_e2e_faults_SOURCES = tests/e2e/test_faults.c
test_e2e_faults_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_faults_LDADD = $(HARNESS_LIBS) $(CRITERION_LIBS)

test_e2e_agentctl_SOURCES = tests/e2e/test_agentctl.c
test_e2e_agentctl_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_agentctl_LDADD = $(HARNESS_LIBS) $(CRITERION_LIBS)

test_e2e_pipelines_SOURCES = tests/e2e/test_pipelines.c
test_e2e_pipelines_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_pipelines_LDADD = $(HARNESS_LIBS) $(CRITERION_LIBS)
endif

# --- the main job, and cuts on the way to Redis
if HAVE_CRITERION
check_PROGRAMS += test_e2e_main_job test_e2e_redis_cuts
TESTS += test_e2e_main_job test_e2e_redis_cuts
test_e2e_main_job_SOURCES = tests/e2e/test_main_job.c
test_e2e_main_job_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_main_job_LDADD = $(HARNESS_LIBS) $(CRITERION_LIBS)
test_e2e_redis_cuts_SOURCES = tests/e2e/test_redis_cuts.c
test_e2e_redis_cuts_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_redis_cuts_LDADD = $(HARNESS_LIBS) $(CRITERION_LIBS)
endif
# --- end of the main job

# --- the service as operations meet it
if HAVE_CRITERION
check_PROGRAMS += test_e2e_service test_e2e_service_conf test_e2e_service_around
TESTS += test_e2e_service test_e2e_service_conf test_e2e_service_around
test_e2e_service_SOURCES = tests/e2e/test_service.c
test_e2e_service_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_service_LDADD = $(HARNESS_LIBS) $(ROLE_LIBS) common/libconf.a common/libcommon.a $(LIBCONFIG_LIBS) $(CRITERION_LIBS)
test_e2e_service_conf_SOURCES = tests/e2e/test_service_conf.c
test_e2e_service_conf_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_service_conf_LDADD = $(HARNESS_LIBS) $(CRITERION_LIBS)
test_e2e_service_around_SOURCES = tests/e2e/test_service_around.c
test_e2e_service_around_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_service_around_LDADD = $(HARNESS_LIBS) $(CRITERION_LIBS)
endif
TESTS += tests/e2e/test_service_init.sh
EXTRA_DIST += tests/e2e/test_service_init.sh
# --- end of the service
# --- hostile clients, jobs, models, data and pipelines
if HAVE_CRITERION
check_PROGRAMS += test_e2e_gateway test_e2e_hostile test_e2e_hostile_llm test_e2e_hostile_data
TESTS += test_e2e_gateway test_e2e_hostile test_e2e_hostile_llm test_e2e_hostile_data
test_e2e_gateway_SOURCES = tests/e2e/test_gateway.c
test_e2e_gateway_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_gateway_LDADD = $(HARNESS_LIBS) $(CRITERION_LIBS)
test_e2e_hostile_SOURCES = tests/e2e/test_hostile.c tests/e2e/result_check.c \
	tests/e2e/result_check.h
test_e2e_hostile_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_hostile_LDADD = $(HARNESS_LIBS) $(CRITERION_LIBS)
test_e2e_hostile_llm_SOURCES = tests/e2e/test_hostile_llm.c tests/e2e/result_check.c \
	tests/e2e/result_check.h tests/support/http_probe.c tests/support/http_probe.h
test_e2e_hostile_llm_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_hostile_llm_LDADD = $(HARNESS_LIBS) $(CRITERION_LIBS) -lpthread
test_e2e_hostile_data_SOURCES = tests/e2e/test_hostile_data.c tests/e2e/result_check.c \
	tests/e2e/result_check.h tests/support/http_probe.c tests/support/http_probe.h
test_e2e_hostile_data_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_hostile_data_LDADD = $(HARNESS_LIBS) $(CRITERION_LIBS) -lpthread
endif
# --- end of the hostile ones
# --- the worker from inside
if HAVE_CRITERION
check_PROGRAMS += test_e2e_worker
TESTS += test_e2e_worker
test_e2e_worker_SOURCES = tests/e2e/test_worker.c
test_e2e_worker_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_worker_LDADD = $(HARNESS_LIBS) $(CRITERION_LIBS)
endif
# --- end of the worker from inside
# --- the queue's promises under fire
if HAVE_CRITERION
EXTRA_DIST += tests/e2e/ledger.h
check_PROGRAMS += test_e2e_kills test_e2e_nodes test_e2e_blame \
	test_e2e_outages
TESTS += test_e2e_kills test_e2e_nodes test_e2e_blame \
	test_e2e_outages
test_e2e_nodes_SOURCES = tests/e2e/test_nodes.c
test_e2e_nodes_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_nodes_LDADD = $(HARNESS_LIBS) $(CRITERION_LIBS)
test_e2e_outages_SOURCES = tests/e2e/test_outages.c
test_e2e_outages_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_outages_LDADD = $(HARNESS_LIBS) $(CRITERION_LIBS)
test_e2e_blame_SOURCES = tests/e2e/test_blame.c
test_e2e_blame_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_blame_LDADD = $(HARNESS_LIBS) $(CRITERION_LIBS)
test_e2e_kills_SOURCES = tests/e2e/test_kills.c tests/e2e/ledger.c
test_e2e_kills_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_kills_LDADD = common/libqueue.a $(HARNESS_LIBS) $(CRITERION_LIBS)
endif
# --- end of the queue's promises
# --- the result store's faults
if HAVE_CRITERION
check_PROGRAMS += test_e2e_store_faults
TESTS += test_e2e_store_faults
test_e2e_store_faults_SOURCES = tests/e2e/test_store_faults.c
test_e2e_store_faults_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS) $(SQLITE_CFLAGS)
test_e2e_store_faults_LDADD = $(HARNESS_LIBS) $(CRITERION_LIBS) $(SQLITE_LIBS) -lpthread
endif
# --- end of the result store's faults
# --- faults at named points: builds that have them, and a proof that others do not
EXTRA_DIST += tests/e2e/faults.h tests/e2e/faults.c tests/e2e/test_culprits.c \
	tests/e2e/test_fault_points.c
if FAULT_POINTS
if HAVE_CRITERION
check_PROGRAMS += test_e2e_culprits test_e2e_fault_points
TESTS += test_e2e_culprits test_e2e_fault_points
test_e2e_culprits_SOURCES = tests/e2e/test_culprits.c tests/e2e/faults.c
test_e2e_culprits_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_culprits_LDADD = $(HARNESS_LIBS) common/libcommon.a $(CRITERION_LIBS)
test_e2e_fault_points_SOURCES = tests/e2e/test_fault_points.c tests/e2e/faults.c \
	tests/e2e/ledger.c
test_e2e_fault_points_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_fault_points_LDADD = $(HARNESS_LIBS) common/libcommon.a $(CRITERION_LIBS)
endif
endif
# --- end of faults at named points
# --- what jobs cost
if HAVE_CRITERION
check_PROGRAMS += test_e2e_budgets
TESTS += test_e2e_budgets
test_e2e_budgets_SOURCES = tests/e2e/test_budgets.c
test_e2e_budgets_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_budgets_LDADD = $(HARNESS_LIBS) common/libcommon.a $(CRITERION_LIBS)
if FAULT_POINTS
test_e2e_budgets_SOURCES += tests/e2e/faults.c
endif
endif
# --- end of what jobs cost
# --- providers that are away
if HAVE_CRITERION
check_PROGRAMS += test_e2e_providers
TESTS += test_e2e_providers
test_e2e_providers_SOURCES = tests/e2e/test_providers.c
test_e2e_providers_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_providers_LDADD = $(HARNESS_LIBS) $(CRITERION_LIBS)
endif
# --- end of the providers
# --- secrets
if HAVE_CRITERION
check_PROGRAMS += test_e2e_secrets
TESTS += test_e2e_secrets
test_e2e_secrets_SOURCES = tests/e2e/test_secrets.c
test_e2e_secrets_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_secrets_LDADD = tests/support/libhttpprobe.a $(HARNESS_LIBS) $(CRITERION_LIBS)
endif
# --- end of secrets
# --- what operators do to jobs
if HAVE_CRITERION
check_PROGRAMS += test_e2e_cancel test_e2e_pause test_e2e_purge
TESTS += test_e2e_cancel test_e2e_pause test_e2e_purge
test_e2e_purge_SOURCES = tests/e2e/test_purge.c
test_e2e_purge_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_purge_LDADD = $(HARNESS_LIBS) $(CRITERION_LIBS)
test_e2e_cancel_SOURCES = tests/e2e/test_cancel.c
test_e2e_cancel_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_cancel_LDADD = $(HARNESS_LIBS) $(CRITERION_LIBS)
test_e2e_pause_SOURCES = tests/e2e/test_pause.c
test_e2e_pause_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_pause_LDADD = $(HARNESS_LIBS) $(CRITERION_LIBS)
endif
# --- end of what operators do
# --- signals under load, stops, a reboot
if FAULT_POINTS
if HAVE_CRITERION
check_PROGRAMS += test_e2e_storms
TESTS += test_e2e_storms
test_e2e_storms_SOURCES = tests/e2e/test_storms.c tests/e2e/faults.c tests/e2e/faults.h
test_e2e_storms_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_storms_LDADD = $(HARNESS_LIBS) $(ROLE_LIBS) common/libconf.a common/libcommon.a $(LIBCONFIG_LIBS) $(CRITERION_LIBS)
endif
endif
# --- more slow clients than places
if HAVE_CRITERION
check_PROGRAMS += test_e2e_gateway_crowd
TESTS += test_e2e_gateway_crowd
test_e2e_gateway_crowd_SOURCES = tests/e2e/test_gateway_crowd.c
test_e2e_gateway_crowd_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_gateway_crowd_LDADD = $(HARNESS_LIBS) $(CRITERION_LIBS)
endif
# --- Redis in other places, and Redis in trouble
if HAVE_CRITERION
EXTRA_DIST += tests/support/acl_rules.h
check_PROGRAMS += test_e2e_redis_tls test_e2e_redis_sentinel test_e2e_redis_faults
TESTS += test_e2e_redis_tls test_e2e_redis_sentinel test_e2e_redis_faults
test_e2e_redis_tls_SOURCES = tests/e2e/test_redis_tls.c \
	tests/support/tls_files.h tests/support/tls_files.c
test_e2e_redis_tls_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_redis_tls_LDADD = $(HARNESS_LIBS) $(CRITERION_LIBS)
test_e2e_redis_sentinel_SOURCES = tests/e2e/test_redis_sentinel.c \
	tests/support/tls_files.h tests/support/tls_files.c
test_e2e_redis_sentinel_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_redis_sentinel_LDADD = $(HARNESS_LIBS) $(CRITERION_LIBS)
test_e2e_redis_faults_SOURCES = tests/e2e/test_redis_faults.c tests/e2e/ledger.c
test_e2e_redis_faults_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_redis_faults_LDADD = $(HARNESS_LIBS) $(CRITERION_LIBS)
endif
# --- end of Redis in trouble
# --- the walls around each process
if HAVE_CRITERION
check_PROGRAMS += test_e2e_walls
TESTS += test_e2e_walls
test_e2e_walls_SOURCES = tests/e2e/test_walls.c
test_e2e_walls_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_walls_LDADD = $(HARNESS_LIBS) $(CRITERION_LIBS)
endif
# --- end of the walls
# --- what belongs to an owner
if HAVE_CRITERION
check_PROGRAMS += test_e2e_owner
TESTS += test_e2e_owner
test_e2e_owner_SOURCES = tests/e2e/test_owner.c tests/e2e/test_owner_cache.c \
	tests/e2e/test_owner_tools.c tests/e2e/test_owner_hostile.c \
	tests/e2e/owner_support.h tests/e2e/owner_support.c
test_e2e_owner_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_owner_LDADD = $(HARNESS_LIBS) $(CRITERION_LIBS)
endif
if FAULT_POINTS
if HAVE_CRITERION
check_PROGRAMS += test_e2e_owner_kills
TESTS += test_e2e_owner_kills
test_e2e_owner_kills_SOURCES = tests/e2e/test_owner_kills.c tests/e2e/faults.c \
	tests/e2e/owner_support.h tests/e2e/owner_support.c
test_e2e_owner_kills_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_owner_kills_LDADD = $(HARNESS_LIBS) common/libcommon.a $(CRITERION_LIBS)
endif
endif
EXTRA_DIST += tests/e2e/test_owner_kills.c
# --- end of what belongs to an owner
# --- the memory of each process
if HAVE_CRITERION
check_PROGRAMS += test_e2e_memory
TESTS += test_e2e_memory
test_e2e_memory_SOURCES = tests/e2e/test_memory.c
test_e2e_memory_CFLAGS = $(AM_CFLAGS) $(CRITERION_CFLAGS) $(HIREDIS_CFLAGS)
test_e2e_memory_LDADD = $(HARNESS_LIBS) $(CRITERION_LIBS)
endif
# --- end of the memory
