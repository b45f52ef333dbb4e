# worker: the process that runs jobs.
pkglibexec_PROGRAMS += agent-runner-worker
agent_runner_worker_SOURCES = \
	worker/main.c worker/worker.h \
	worker/loop.h worker/loop.c \
	worker/fiber.h worker/fiber.c \
	worker/redis.h worker/redis.c \
	worker/resolve.c \
	worker/buffers.h worker/buffers.c \
	worker/claim.c \
	worker/providers.h worker/providers.c \
	worker/rate_limit.h worker/rate_limit.c \
	worker/control.h worker/control.c \
	worker/pulse.h worker/pulse.c \
	worker/check.h worker/check.c \
	worker/lane_client.h worker/lane_client.c \
	worker/store_client.c worker/retention.c \
	worker/pipeline_tool.h worker/pipeline_tool.c \
	worker/pipeline_cache.h worker/pipeline_cache.c \
	worker/job_refs.h worker/job_refs.c \
	worker/promotion.h worker/promotion.c \
	worker/found_tools.h worker/found_tools.c \
	worker/job.c worker/job_run.c worker/job_end.c \
	worker/job_session.h worker/job_session.c \
	worker/job_budget.c \
	worker/job_message.h worker/job_message.c \
	worker/job_skim.h worker/job_skim.c \
	worker/result_message.h worker/result_message.c \
	worker/preview.h worker/preview.c
agent_runner_worker_CFLAGS = $(AM_CFLAGS) $(HIREDIS_CFLAGS)
agent_runner_worker_LDADD = \
	worker/libpipelinerun.a common/libpipeline.a worker/libagent.a worker/libtools.a worker/libllm.a worker/agent/libintent.a \
	common/libqueue.a $(HTTP_CLIENT_LIBS) $(ROLE_LIBS) common/libjson_schema.a $(STORE_LIBS) \
	common/libconf.a common/libjson.a common/libcommon.a \
	$(REDIS_LIBS) $(PCRE2_LIBS) $(LIBCONFIG_LIBS) -lm
