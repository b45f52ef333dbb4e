/* SPDX-License-Identifier: MIT */
/*
 * control.c - drain, release, renewal, lanes, and published cancels.
 *
 * Owns:   the subscription's connection (w->events).
 * Called: by the loop and by the worker's main.
 * Fails:  a descriptor that cannot be attached is closed; the supervisor sends another
 *         when the peer dies.
 */
#include "config.h"

#include "worker/control.h"

#include "common/clock.h"
#include "common/exit_status.h"
#include "common/log.h"
#include "worker/providers.h"

#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <string.h>
#include <sys/epoll.h>

enum {
	EVENTS_SILENCE_MS = 15000,
	OVERDUE = 2, /* times its share of jobs or memory */
	LANE_PATIENCE_MS = 60000
};

static void
drain(struct worker *w)
{
	if (w->is_draining)
		return;
	w->is_draining = true;
	claim_stop(w->claim);
}

static void
release_all(struct worker *w)
{
	struct job *j;

	drain(w);
	TAILQ_FOREACH (j, &w->jobs, link)
		job_stop(j, JOB_STOP_RELEASE);
}

static void
attach_lane(struct worker *w, enum role peer, int fd)
{
	struct lane_client *c = peer == ROLE_FETCH ? w->fetch
	    : peer == ROLE_COMPUTE                 ? w->compute
						   : NULL;

	if (fd < 0)
		return;
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	if (c == NULL || lane_client_attach(c, fd) < 0) {
		log_error("a lane to %s cannot be attached", role_name(peer));
		if (c == NULL)
			(void)close(fd);
	}
}

void
control_turn(struct worker *w)
{
	struct ipc_message msg;
	int fds[IPC_FDS_MAX];

	while (role_next(w->role, &msg, fds) == 1) {
		switch (msg.type) {
		case IPC_LANE:
			attach_lane(w, (enum role)msg.peer, TAKE_FD(fds[0]));
			break;
		case IPC_DRAIN:
			drain(w);
			break;
		case IPC_RELEASE:
			release_all(w);
			break;
		default:
			break;
		}
		for (int i = 0; i < IPC_FDS_MAX; i++)
			closep(&fds[i]);
	}
}

static void
on_control(void *ctx, uint32_t events)
{
	(void)events;
	control_turn(ctx);
}

int
control_watch(struct worker *w)
{
	return loop_watch(w->loop, w->role->control_fd, EPOLLIN, on_control, w);
}

static bool
is_too_big(const struct worker *w)
{
	char text[64] = "";
	unsigned long pages = 0, resident = 0;
	int64_t max = w->conf->service.max_memory_mb;
	ssize_t n;

	if (max == 0 || w->statm_fd < 0)
		return false;
	n = pread(w->statm_fd, text, sizeof(text) - 1, 0);
	if (n <= 0 || sscanf(text, "%lu %lu", &pages, &resident) != 2)
		return false;
	return (int64_t)(resident * (unsigned long)sysconf(_SC_PAGESIZE) >> 20) /
	    OVERDUE >=
	    max;
}

/* The supervisor has workers renewed one by one. Who is far beyond its share while
   others finish their last jobs does not wait for its turn. */
static bool
is_overdue(const struct worker *w)
{
	int64_t max_jobs = w->conf->service.max_jobs;

	/* A bound that a process exceeds from the start must not end it again and
	 * again. */
	return w->jobs_done > 0 &&
	    ((max_jobs > 0 && w->jobs_done / OVERDUE >= (uint64_t)max_jobs) ||
		is_too_big(w));
}

/* Told once when it goes and once when it is back. */
static void
watch_store(struct worker *w)
{
	uint64_t away = store_queue_away_since(w->store);
	char why[256];

	metric_set(worker_metrics(w), METRIC_STORE_UP, 0, away == 0);
	if (away != 0 && w->store_away_ms == 0) {
		store_queue_why(w->store, why, sizeof(why));
		log_warning("result store is away: %s; jobs wait, none is lost", why);
	} else if (away == 0 && w->store_away_ms != 0) {
		log_info("result store is back after %llu s",
		    (unsigned long long)(clock_mono_ms() - w->store_away_ms) / 1000);
	}
	w->store_away_ms = away;
}

/* While a server is away, waiting is all that jobs can do: none of them is stuck. */
static void
pause_deadlines(struct worker *w, uint64_t ms)
{
	const struct job *j;

	TAILQ_FOREACH (j, &w->jobs, link)
		slot_row_pause(w->role->slots, j->row, ms);
}

/* Who waits for a provider's rate limit is not stuck either. */
static void
pause_those_at_limits(struct worker *w, uint64_t ms)
{
	const struct job *j;

	TAILQ_FOREACH (j, &w->jobs, link)
		if (j->is_at_limit)
			slot_row_pause(w->role->slots, j->row, ms);
}

/* A process that dies is replaced, and its lanes with it. A lane that broke while both
   ends live comes back only to a new worker. */
static const char *
lost_lane(const struct worker *w)
{
	uint64_t now = clock_mono_ms(), fetch = lane_client_lost_ms(w->fetch),
		 compute = lane_client_lost_ms(w->compute);

	if (fetch != 0 && now - fetch > LANE_PATIENCE_MS)
		return "fetch";
	return compute != 0 && now - compute > LANE_PATIENCE_MS ? "compute" : NULL;
}

/* ---- cancels that nobody told us ---- */

/* A question whose answer may come when the job is gone. */
struct cancel_question {
	struct worker *worker;
	size_t n;
	char id[QUEUE_ID_MAX];
};

static void
on_cancel_flag(void *ctx, const struct redisReply *reply)
{
	struct cancel_question *q = ctx;

	if (reply == NULL)
		q->worker->must_ask_cancelled = true;
	else if (reply->type == REDIS_REPLY_INTEGER && reply->integer == 1)
		(void)job_cancel(q->worker, q->id, q->n);
	free(q);
}

/* What was cancelled before this subscription, nobody told us. Asked again at the next
   tick when it could not be asked, or the answer was lost. */
static void
ask_cancelled(struct worker *w)
{
	const struct job *j;

	w->must_ask_cancelled = false;
	TAILQ_FOREACH (j, &w->jobs, link) {
		struct cancel_question *q;
		CLEANUP_BUF struct buf key = BUF_INIT;
		const char *argv[] = { "HEXISTS", NULL, "cancel" };
		size_t n = j->is_begun ? strlen(j->msg.job_id) : 0;

		if (n == 0 || n > QUEUE_ID_MAX || (q = malloc(sizeof(*q))) == NULL)
			continue;
		*q = (struct cancel_question){ .worker = w, .n = n };
		memcpy(q->id, j->msg.job_id, n);
		queue_key_job(&key, q->id, n);
		argv[1] = buf_str(&key);
		if (buf_status(&key) != 0 ||
		    redis_link_send(w->redis, 3, argv, NULL, on_cancel_flag, q) < 0) {
			free(q);
			w->must_ask_cancelled = true;
		}
	}
}

/* ---- the tick ---- */

static void
renew(struct worker *w)
{
	w->is_renewing = true;
	drain(w);
}

void
control_tick(struct worker *w, uint64_t elapsed_ms)
{
	const char *lost = lost_lane(w);

	if (store_queue_away_since(w->store) != 0 || redis_link_is_away(w->redis))
		pause_deadlines(w, elapsed_ms);
	watch_store(w);
	if (w->must_ask_cancelled)
		ask_cancelled(w);
	providers_tick(w);
	pause_those_at_limits(w, elapsed_ms);
	if (w->is_draining)
		return;
	claim_look(w->claim);
	retention_tick(w, clock_mono_ms());
	if (is_overdue(w)) {
		log_info("renewing this worker after %llu jobs",
		    (unsigned long long)w->jobs_done);
		renew(w);
	} else if (lost != NULL) {
		log_warning(
		    "the lane to %s is lost and was not replaced; renewing this "
		    "worker",
		    lost);
		renew(w);
	}
}

int
control_exit_status(struct worker *w)
{
	if (w->n_jobs > 0)
		return -1;
	if (w->is_fenced)
		return EXIT_STATUS_FENCED;
	if (!w->is_draining || !claim_is_idle(w->claim))
		return -1;
	return w->is_renewing ? EXIT_STATUS_RENEW : EXIT_STATUS_OK;
}

/* ---- cancels and pauses ---- */

static void
on_cancel(struct worker *w, const char *id, size_t n)
{
	if (!job_cancel(w, id, n))
		claim_cancelled(w->claim, id, n);
}

static void
on_event(void *ctx, const struct redisReply *reply)
{
	struct worker *w = ctx;

	if (reply != NULL && reply->type == REDIS_REPLY_ERROR)
		log_warning(
		    "Redis: SUBSCRIBE %s %s: %s; cancels are seen only between steps",
		    w->setup.cancel_channel, w->setup.pause_channel, reply->str);
	if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 ||
	    reply->element[0]->type != REDIS_REPLY_STRING)
		return;
	if (strcmp(reply->element[0]->str, "subscribe") == 0)
		ask_cancelled(w);
	if (strcmp(reply->element[0]->str, "message") != 0 ||
	    reply->element[1]->type != REDIS_REPLY_STRING ||
	    reply->element[2]->type != REDIS_REPLY_STRING)
		return;
	if (strcmp(reply->element[1]->str, w->setup.pause_channel) == 0)
		claim_set_paused(w->claim, strcmp(reply->element[2]->str, "1") == 0);
	else
		on_cancel(w, reply->element[2]->str, reply->element[2]->len);
}

static void
on_events_up(void *ctx)
{
	struct worker *w = ctx;
	const char *channels[] = { w->setup.cancel_channel, w->setup.pause_channel };

	for (size_t i = 0; i < ARRAY_LEN(channels); i++) {
		const char *argv[] = { "SUBSCRIBE", channels[i] };

		(void)redis_link_send(w->events, 2, argv, NULL, on_event, w);
	}
}

int
cancel_watch_new(struct worker *w)
{
	struct redis_hooks hooks = { .ctx = w, .on_up = on_events_up };

	w->events = redis_link_new(w->loop, w->target, EVENTS_SILENCE_MS, &hooks);
	if (w->events == NULL)
		return -ENOMEM;
	redis_link_set_resolver(w->events, worker_resolve, w);
	return 0;
}
