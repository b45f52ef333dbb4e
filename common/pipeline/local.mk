# common/pipeline: what worker and compute agree on: steps and their arguments, protocols.
noinst_LIBRARIES += common/libpipeline.a
common_libpipeline_a_SOURCES = \
	common/pipeline/compute_proto.h \
	common/pipeline/steps.h common/pipeline/steps_private.h \
	common/pipeline/steps.c common/pipeline/steps_args.c common/pipeline/steps_condition.c
common_libpipeline_a_CFLAGS = $(AM_CFLAGS)
