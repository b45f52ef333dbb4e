# common/queue: Redis: key names, the scripts (.lua, compiled in), clients, checks.
noinst_LIBRARIES += common/libqueue.a
common_libqueue_a_SOURCES = \
	common/queue/keys.h common/queue/keys.c \
	common/queue/queue_ops.h common/queue/queue_ops.c \
	common/queue/queue_reply.c \
	common/queue/redis_url.h common/queue/redis_url.c \
	common/queue/redis_tls.h common/queue/redis_tls.c \
	common/queue/redis_stream.h common/queue/redis_stream.c \
	common/queue/redis_conn.h common/queue/redis_conn.c \
	common/queue/redis_target.h common/queue/redis_target.c \
	common/queue/redis_dial.h common/queue/redis_dial.c \
	common/queue/redis_sync.h common/queue/redis_sync.c \
	common/queue/redis_check.c \
	common/queue/queue_rights.h common/queue/queue_rights.c \
	common/queue/queue_stats.h common/queue/queue_stats.c \
	common/queue/queue_dead.h common/queue/queue_dead.c \
	common/queue/queue_client.h common/queue/queue_client.c \
	common/queue/queue_budget.h common/queue/queue_budget.c \
	common/queue/queue_fsck.h common/queue/queue_fsck.c
nodist_common_libqueue_a_SOURCES = common/queue/scripts_data.c
common_libqueue_a_CFLAGS = $(AM_CFLAGS) $(HIREDIS_CFLAGS) $(OPENSSL_CFLAGS)
REDIS_LIBS = $(HIREDIS_LIBS) $(OPENSSL_LIBS)

# One a line, in the order of enum queue_op.
queue_script_names =
queue_script_names += register
queue_script_names += beat
queue_script_names += adopt
queue_script_names += begin
queue_script_names += journal
queue_script_names += journal_reset
queue_script_names += reserve
queue_script_names += settle
queue_script_names += limit_take
queue_script_names += limit_note
queue_script_names += probe
queue_script_names += spawn
queue_script_names += finish
queue_script_names += bury
queue_script_names += retry
queue_script_names += release
queue_script_names += unclaim
queue_script_names += park
queue_script_names += resume
queue_script_names += promote
queue_script_names += recover
queue_script_names += cancel
queue_script_names += dead_payload
queue_script_names += dead_page
queue_script_names += dead_retry
queue_script_names += dead_drop
queue_script_names += meta
queue_script_names += session_read
queue_script_names += cache_get
queue_script_names += cache_put
queue_script_names += use
queue_script_names += pause
queue_script_names += take
queue_script_names += refs
queue_script_names += leftovers
queue_script_names += purge_due
queue_script_names += stats
queue_script_names += survey
queue_script_names += job_show
queue_script_names += fsck_job
queue_script_names += fsck_held
queue_script_names += fsck_key
queue_script_names += rights
queue_lua = $(queue_script_names:%=common/queue/%.lua)
queue_lua += common/queue/lib/budget.lua
queue_lua += common/queue/lib/dead.lua
queue_lua += common/queue/lib/delay.lua
queue_lua += common/queue/lib/finding.lua
queue_lua += common/queue/lib/head.lua
queue_lua += common/queue/lib/limit.lua
queue_lua += common/queue/lib/mine.lua
queue_lua += common/queue/lib/names.lua
queue_lua += common/queue/lib/outstanding.lua
queue_lua += common/queue/lib/publish.lua
queue_lua += common/queue/lib/session.lua
queue_lua += common/queue/lib/terminal.lua
EXTRA_DIST += common/queue/embed.sh $(queue_lua)
CLEANFILES += common/queue/scripts_data.c

common/queue/scripts_data.c: common/queue/embed.sh $(queue_lua) common/queue/local.mk
	$(AM_V_GEN)$(MKDIR_P) common/queue && \
	sh $(srcdir)/common/queue/embed.sh $(srcdir)/common/queue $(queue_script_names) > $@.tmp && \
	mv $@.tmp $@
