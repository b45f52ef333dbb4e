# scheduler: the queue's keeper: beats, recovery, delayed jobs, gauges.
pkglibexec_PROGRAMS += agent-runner-scheduler
noinst_LIBRARIES += scheduler/libscheduler.a
scheduler_libscheduler_a_SOURCES = \
	scheduler/observer.h scheduler/observer.c \
	scheduler/scheduler.h scheduler/scheduler.c
scheduler_libscheduler_a_CFLAGS = $(AM_CFLAGS)
SCHEDULER_LIBS = scheduler/libscheduler.a common/libqueue.a $(ROLE_LIBS) common/libconf.a \
	common/libcommon.a $(REDIS_LIBS) $(LIBCONFIG_LIBS) -lm
agent_runner_scheduler_SOURCES = scheduler/main.c
agent_runner_scheduler_CFLAGS = $(AM_CFLAGS)
agent_runner_scheduler_LDADD = $(SCHEDULER_LIBS)
