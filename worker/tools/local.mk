# worker/tools: a file per tool, its parameters as JSON, one table of all.
noinst_LIBRARIES += worker/libtools.a
worker_libtools_a_SOURCES = \
	worker/tools/tools.h worker/tools/tools.c \
	worker/tools/execute_pipeline.h worker/tools/execute_pipeline.c \
	worker/tools/search_tools.h worker/tools/search_tools.c \
	worker/tools/rank.h worker/tools/rank.c
nodist_worker_libtools_a_SOURCES = worker/tools/parameters.c
worker_libtools_a_CFLAGS = $(AM_CFLAGS)

EXTRA_DIST += worker/embed.sh worker/tools/execute_pipeline.json worker/tools/search_tools.json
CLEANFILES += worker/tools/parameters.c
worker/tools/parameters.c: worker/embed.sh worker/tools/execute_pipeline.json \
		worker/tools/search_tools.json
	$(AM_V_GEN)$(MKDIR_P) worker/tools && \
	sh $(srcdir)/worker/embed.sh \
		$(srcdir)/worker/tools/execute_pipeline.json execute_pipeline_parameters \
		$(srcdir)/worker/tools/search_tools.json search_tools_parameters \
		> $@.tmp && mv $@.tmp $@
