/* SPDX-License-Identifier: MIT */
/*
 * main.c - the worker process, and the short-lived check and migrate roles.
 *
 * Owns:   the struct worker.
 * Called: by the supervisor, through fork and execveat.
 * Fails:  a configuration or server that refuses us for good ends the process with
 *         EXIT_STATUS_CONFIG and a sentence; a server that is away is waited for.
 */
#include "config.h"

#include "common/clock.h"
#include "common/exit_status.h"
#include "common/fault_point.h"
#include "common/log.h"
#include "common/queue/queue_rights.h"
#include "common/queue/redis_sync.h"
#include "common/role/fault_handler.h"
#include "common/store/migrate_run.h"
#include "common/store/store_conf.h"
#include "worker/check.h"
#include "worker/control.h"
#include "worker/found_tools.h"
#include "worker/pipeline_tool.h"
#include "worker/providers.h"
#include "worker/pulse.h"
#include "worker/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>

enum {
	OPS_SILENCE_MS = 15000,
	AWAY_WAIT_MS = 200,
	TICK_MS = 1000,
	IDLE_STACKS = 64,
	FETCHES_AT_A_TIME = 256,
	ANSWER_BUFFER_BYTES = 2048 /* of each call under way; answers are short */
};

/* ---- check and migrate ---- */

static void
log_lines(const char *text)
{
	while (*text != '\0') {
		size_t n = strcspn(text, "\n");

		log_warning("%.*s", (int)n, text);
		text += n + (text[n] == '\n');
	}
}

static bool has_findings;

static void
log_finding(const char *line)
{
	has_findings = true;
	log_error("%s", line);
}

static int
check_main(struct role_process *p)
{
	CLEANUP(conf_freep) struct conf *conf UNUSED = p->conf; /* freed at the end */
	CLEANUP_BUF struct buf notes = BUF_INIT;
	struct err err = ERR_INIT;
	int status, redis;

	conf_finding_hook = log_finding;
	redis = check_redis(p->conf, &err); /* reads files */
	status = role_sandbox(p);
	if (status != 0)
		return status;
	if (check_conf(p->conf, &notes, &err) < 0 || redis < 0)
		return role_failed(p, EXIT_STATUS_CONFIG, "%s",
		    has_findings ? "" : err_text(&err));
	log_lines(buf_str(&notes));
	role_ready(p);
	return EXIT_STATUS_OK;
}

static int
migrate_main(struct role_process *p)
{
	struct err err = ERR_INIT;
	int status = role_sandbox(p), r;

	if (status != 0)
		return status;
	r = migrate_run(p->conf, &err);
	if (r < 0)
		return role_failed(p, migrate_exit_status(r), "%s", err_text(&err));
	role_ready(p);
	return EXIT_STATUS_OK;
}

/* ---- what needs open permissions ---- */

static void
seed_random(void)
{
	long seed = 0;

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		seed = (long)clock_mono_us();
	srand48(seed);
}

static void
on_http(void *ctx, uint32_t events)
{
	(void)events;
	http_client_turn(ctx);
}

static int
open_network(struct worker *w, struct err *err)
{
	struct http_client_options options = {
		.max_connections = (unsigned)w->conf->service.jobs_per_worker + 16,
		.buffer_bytes = ANSWER_BUFFER_BYTES
	};
	int r = http_client_new(&options, &w->http, err);

	if (r < 0)
		return r;
	r = loop_watch(w->loop, http_client_fd(w->http), EPOLLIN, on_http, w->http);
	return r < 0 ? err_set(err, r, "epoll: %s", strerror(-r)) : 0;
}

static void
on_redis_away(void *ctx, uint64_t ms)
{
	job_waited(ctx, ms);
}

static void
on_refusal(void *ctx, const char *why)
{
	const struct worker *w = ctx;

	if (why != NULL)
		log_warning("%s: %s; jobs wait, none is lost", w->target->name, why);
	else
		log_info("%s takes operations again", w->target->name);
}

static int
prepare(struct worker *w, struct err *err)
{
	struct redis_hooks hooks = { .ctx = w,
		.on_refusal = on_refusal,
		.on_waited = on_redis_away };
	int r;

	w->loop = loop_new();
	w->fibers = w->loop != NULL ? fibers_new(w->loop, IDLE_STACKS) : NULL;
	w->fetch = w->loop != NULL
	    ? lane_client_new(w->loop, "fetch", FETCHES_AT_A_TIME)
	    : NULL;
	w->compute = w->loop != NULL
	    ? lane_client_new(w->loop, "compute", LANE_WAITING_MAX)
	    : NULL;
	if (w->fibers == NULL || w->fetch == NULL || w->compute == NULL)
		return err_set(err, -ENOMEM, "no memory");
	fibers_show_tag(w->fibers, &w->role->slots->running_row);
	r = redis_target_from_conf(w->conf, &w->target, err);
	if (r == 0)
		r = queue_setup_init(&w->setup, w->conf);
	if (r == 0)
		r = definitions_new(w->conf, &w->agents, NULL, err);
	if (r == 0 && providers_new(w) < 0)
		return err_set(err, -ENOMEM, "no memory");
	if (r == 0)
		r = open_network(w, err);
	if (r == 0)
		r = claim_new(w, err);
	if (r < 0)
		return r;
	w->redis = redis_link_new(w->loop, w->target, OPS_SILENCE_MS, &hooks);
	if (w->redis == NULL || cancel_watch_new(w) < 0)
		return err_set(err, -ENOMEM, "no memory");
	redis_link_set_resolver(w->redis, worker_resolve, w);
	w->statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	return 0;
}

/* ---- the servers: wait while they are away, end when they refuse us ---- */

static bool
is_refusal(int r)
{
	return r < 0 && r != -EAGAIN;
}

static int
check_store(struct store *store, char id[STORE_ID_MAX], struct err *err)
{
	int r = store_migrate(store, STORE_MIGRATE_CHECK, NULL, err);

	return r < 0 ? r : store_id(store, id, err);
}

/* Is this Redis fit, and ours? Registers the holder, so that claims may begin. */
static int
meet_redis(struct worker *w, struct redis_sync *s, const char *id, struct err *err)
{
	struct redisReply *reply = NULL;
	struct queue_command cmd;
	struct queue_answer answer;
	struct err warning = ERR_INIT;
	uint64_t beat = 0;
	int r = redis_sync_connect(s, err);

	if (r == 0)
		/* eviction is the scheduler's to judge, at the start: a worker that is
		   replaced later must not be refused for it */
		r = queue_check_server(s, true, &warning, err);
	if (r == 0)
		r = queue_check_rights(s, &w->setup, err);
	if (r == 0)
		r = queue_meta_check(s, &w->setup, id, err);
	if (r < 0)
		return r;
	if (warning.text[0] != '\0' && w->role->slot == 0)
		log_warning("%s", warning.text);
	if (getrandom(&beat, sizeof(beat), 0) != sizeof(beat))
		beat = clock_mono_us();
	queue_cmd_register(&cmd, &w->setup, w->role->holder, beat >> 12);
	FAULT_POINT(REGISTER_SEND);
	r = queue_run(s, &cmd, &reply, &answer, err);
	if (r < 0)
		return r;
	FAULT_POINT(REGISTER_REPLY);
	redis_reply_freep(&reply);
	if (answer.word != QUEUE_OK && answer.word != QUEUE_ALREADY)
		return err_set(err, -EEXIST, "the holder %s is known to Redis already",
		    w->role->holder);
	return 0;
}

/* Tries until it works, is refused, or the supervisor wants the worker to go. */
static int
meet_servers(struct worker *w, struct store *store, struct err *err)
{
	struct redis_sync_options options = { .target = w->target };
	CLEANUP(redis_sync_freep) struct redis_sync *s = NULL;
	char id[STORE_ID_MAX];
	bool has_warned = false;
	int r = redis_sync_new(&options, &s, err);

	while (r == 0 && !w->is_draining) {
		r = check_store(store, id, err);
		if (r == 0)
			r = meet_redis(w, s, id, err);
		if (r == 0 || is_refusal(r))
			return r;
		if (!has_warned)
			log_warning("%s; waiting for it", err_text(err));
		has_warned = true;
		(void)poll(NULL, 0, AWAY_WAIT_MS);
		w->role->slots->heartbeat_ms = clock_mono_ms();
		control_turn(w);
		r = 0;
	}
	return r;
}

/* ---- the loop ---- */

static int
serve(struct worker *w)
{
	uint64_t last_tick = clock_mono_ms();
	int status;

	while ((status = control_exit_status(w)) < 0) {
		int r = loop_turn(w->loop, 500);

		if (r < 0) {
			log_error("epoll: %s", strerror(-r));
			return EXIT_STATUS_FAILURE;
		}
		w->role->slots->heartbeat_ms = loop_now(w->loop);
		if (loop_now(w->loop) >= last_tick + TICK_MS) {
			control_tick(w, loop_now(w->loop) - last_tick);
			last_tick = loop_now(w->loop);
		}
	}
	log_debug("the deepest stack of a job was %zu of %d bytes",
	    fibers_deepest_stack(w->fibers), FIBER_STACK_BYTES);
	if (w->is_draining && !w->is_renewing)
		role_drained(w->role);
	return status;
}

/* The helper thread says, as the loop does, whose operation it is at. */
static int
start_store(struct worker *w, struct store *store, struct err *err)
{
	struct store_queue_options options = { .begin = fault_handler_join_helper,
		.running = &w->role->slots->helper_row };

	return store_queue_start(store, &options, &w->store, err);
}

static int
worker_main(struct role_process *p)
{
	struct worker w = { .role = p, .conf = p->conf, .statm_fd = -1 };
	struct store *store = NULL;
	struct err err = ERR_INIT;
	int status, r;

	TAILQ_INIT(&w.jobs);
	seed_random();
	pipeline_tool_install();
	found_tools_install();
	r = conf_provider_secrets(p->conf, &w.llm_secrets);
	if (r == 0)
		r = store_open_conf(p->conf, &store, &err);
	if (r == 0)
		r = prepare(&w, &err);
	if (r < 0)
		return role_failed(p, EXIT_STATUS_CONFIG, "%s", err_text(&err));
	status = role_sandbox(p);
	if (status != 0)
		return status;
	r = meet_servers(&w, store, &err);
	if (r < 0)
		return role_failed(p, EXIT_STATUS_CONFIG, "%s", err_text(&err));
	if (w.is_draining) {
		role_drained(p);
		return EXIT_STATUS_OK;
	}
	r = start_store(&w, store, &err);
	if (r == 0)
		r = store_client_watch(&w);
	if (r == 0)
		r = control_watch(&w);
	if (r < 0)
		return role_failed(p, EXIT_STATUS_FAILURE, "%s", err_text(&err));
	r = pulse_start(p->slots, (uint32_t)p->conf->queue.lease_sec * 1000 / 8, &err);
	if (r < 0)
		return role_failed(p, EXIT_STATUS_FAILURE, "%s", err_text(&err));
	redis_link_start(w.redis);
	redis_link_start(w.events);
	claim_start(w.claim);
	/* It was met just now; a probe of its own tells the thread a moment later. */
	metric_set(worker_metrics(&w), METRIC_STORE_UP, 0, 1);
	role_ready(p);
	return serve(&w);
}

int
main(int argc, char **argv)
{
	struct role_process p;
	int status = role_start(argc, argv, &p);

	if (status != 0)
		return status;
	(void)signal(SIGPIPE, SIG_IGN);
	switch (p.role) {
	case ROLE_CHECK:
		return check_main(&p);
	case ROLE_MIGRATE:
		return migrate_main(&p);
	case ROLE_WORKER:
	case ROLE_QUARANTINE:
		return worker_main(&p);
	default:
		return role_failed(&p, EXIT_STATUS_USAGE, "this program is not a %s",
		    role_name(p.role));
	}
}
