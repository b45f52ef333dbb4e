# ctl: agentctl. The tables, the parser and the printer are a library for the tests.
noinst_LIBRARIES += ctl/libctl.a
ctl_libctl_a_SOURCES = \
	ctl/ctl.h ctl/command.h ctl/status.h ctl/commands.c \
	ctl/args.c ctl/help.c \
	ctl/width.h ctl/width.c \
	ctl/table.h ctl/table.c \
	ctl/context.c ctl/print.c ctl/queue.c ctl/purge.c ctl/progress.c \
	ctl/submit.c ctl/result.c ctl/job.c ctl/status.c \
	   ctl/session.c ctl/tools.c \
	ctl/budget.c \
	ctl/dead.c ctl/fsck.c ctl/intent.c ctl/agents.c ctl/meta.c \
	ctl/helper.h ctl/helper.c ctl/pipeline.c \
	common/queue/redis_reply.h common/queue/redis_reply.c
ctl_libctl_a_CFLAGS = $(AM_CFLAGS) $(HIREDIS_CFLAGS)

# In the order that the linker wants.
CTL_LIBS = ctl/libctl.a worker/libpipelinerun.a worker/libllm.a worker/agent/libintent.a \
	common/libpipeline.a common/libqueue.a common/libstore.a \
	common/libconf.a common/librole.a common/libjson.a common/libcommon.a \
	$(REDIS_LIBS) $(LIBPQ_LIBS) $(SQLITE_LIBS) $(CRYPTO_LIBS) $(LIBCONFIG_LIBS) \
	$(SECCOMP_LIBS) -lm

bin_PROGRAMS += agentctl
agentctl_SOURCES = ctl/main.c
agentctl_LDADD = $(CTL_LIBS)
