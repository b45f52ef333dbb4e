# worker/pipeline: execute_pipeline; pure but for its callbacks, so agentctl links it too.
noinst_LIBRARIES += worker/libpipelinerun.a
worker_libpipelinerun_a_SOURCES = \
	worker/pipeline/facts.h worker/pipeline/facts.c \
	worker/pipeline/shape.h worker/pipeline/shape.c \
	worker/pipeline/pipeline.h worker/pipeline/pipeline.c
worker_libpipelinerun_a_CFLAGS = $(AM_CFLAGS)
