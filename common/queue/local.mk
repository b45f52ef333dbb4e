# common/queue: Redis: key names, the scripts (.lua, compiled in), clients, checks.
noinst_LIBRARIES += common/libqueue.a
common_libqueue_a_SOURCES = \
	common/queue/keys.h common/queue/keys.c \
	common/queue/queue_ops.h common/queue/queue_ops.c \
	common/queue/queue_reply.c \
	common/queue/redis_url.h common/queue/redis_url.c \
	common/queue/redis_sync.h common/queue/redis_sync.c \
	common/queue/redis_check.c \
	common/queue/queue_stats.h common/queue/queue_stats.c \
	common/queue/queue_dead.h common/queue/queue_dead.c \
	common/queue/queue_client.h common/queue/queue_client.c \
	common/queue/queue_fsck.h common/queue/queue_fsck.c
nodist_common_libqueue_a_SOURCES = common/queue/scripts_data.c
common_libqueue_a_CFLAGS = $(AM_CFLAGS) $(HIREDIS_CFLAGS)

queue_script_names = register beat adopt begin journal journal_reset finish bury retry \
	release unclaim park resume promote recover cancel dead_payload dead_page dead_retry \
	dead_drop meta pause take refs leftovers purge_due stats survey job_show fsck_job fsck_held fsck_key
queue_lua = \
	common/queue/lib/head.lua common/queue/lib/dead.lua common/queue/lib/publish.lua \
	common/queue/lib/names.lua common/queue/lib/mine.lua common/queue/lib/terminal.lua \
	common/queue/register.lua common/queue/beat.lua common/queue/adopt.lua \
	common/queue/begin.lua common/queue/journal.lua common/queue/journal_reset.lua \
	common/queue/finish.lua common/queue/bury.lua common/queue/retry.lua \
	common/queue/release.lua common/queue/unclaim.lua common/queue/park.lua \
	common/queue/resume.lua common/queue/promote.lua common/queue/recover.lua \
	common/queue/cancel.lua common/queue/dead_payload.lua common/queue/dead_page.lua \
	common/queue/dead_retry.lua common/queue/dead_drop.lua common/queue/meta.lua \
	common/queue/pause.lua common/queue/take.lua common/queue/refs.lua \
	common/queue/leftovers.lua common/queue/purge_due.lua \
	common/queue/stats.lua common/queue/survey.lua common/queue/job_show.lua \
	common/queue/lib/finding.lua common/queue/fsck_job.lua common/queue/fsck_held.lua \
	common/queue/fsck_key.lua
EXTRA_DIST += common/queue/embed.sh $(queue_lua)
CLEANFILES += common/queue/scripts_data.c

common/queue/scripts_data.c: common/queue/embed.sh $(queue_lua) common/queue/local.mk
	$(AM_V_GEN)$(MKDIR_P) common/queue && \
	sh $(srcdir)/common/queue/embed.sh $(srcdir)/common/queue $(queue_script_names) > $@.tmp && \
	mv $@.tmp $@
