/* SPDX-License-Identifier: MIT */
/*
 * waiters.c - pushes jobs and hands their results to those who wait.
 *
 * Owns:   struct waiters, its thread and its Redis connection.
 * Called: by the HTTP server's thread (submit, abandon) and by main (close, stop).
 * Fails:  by an outcome for each who waits. A result that was popped while the
 * connection broke is lost to the client, not to the store: the answer names the job
 * id.
 *
 * BLPOP over all lists that somebody waits for gives a result at once; it is asked for
 * short spells, because who comes meanwhile joins only at the next one.
 */
#include "config.h"

#include "gateway/waiters.h"

#include "common/clock.h"
#include "common/queue/keys.h"
#include "common/queue/queue_client.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#define SPELL_SEC "0.05" /* one BLPOP */

enum {
	IDLE_MS = 1000, /* between two looks at Redis when nobody waits */
	GRACE_SEC = 60, /* beyond the job's own time: it may have to queue */
	PAUSE_AWAY_MS = 100,
	WAITING_HARD_MAX = 1024
};

struct waiter {
	TAILQ_ENTRY(waiter) entry;
	struct chat_job job; /* payload until it is pushed */
	struct buf key;      /* of its result list */
	uint64_t deadline_ms;
	bool is_gone, is_pushed;
	wait_done_fn done;
	void *ctx;
};

TAILQ_HEAD(waiter_list, waiter);

struct waiters {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	bool has_thread, is_closed, is_stopping, is_ending;
	struct waiter_list list; /* all who wait; under the lock */
	size_t n, max;
	bool is_up;
	char why[256];
	char paused[WAITERS_PAUSED_MAX]; /* "": the queue is not paused */
	uint64_t look_due_ms;            /* of the thread */

	struct queue_setup queue; /* constant */
	struct redis_sync *redis; /* of the thread */
	int64_t max_timeout_sec;
};

static void
waiter_free(struct waiter *v)
{
	if (v == NULL)
		return;
	chat_job_release(&v->job);
	buf_release(&v->key);
	free(v);
}

/* Leaves the list, then is told, without the lock. */
static void
finish(struct waiters *w, struct waiter *v, enum wait_outcome outcome, const char *text,
    size_t n)
{
	(void)pthread_mutex_lock(&w->lock);
	TAILQ_REMOVE(&w->list, v, entry);
	w->n--;
	(void)pthread_mutex_unlock(&w->lock);
	v->done(v->ctx, outcome, text, n);
	waiter_free(v);
}

static void
note_redis(struct waiters *w, int r, const struct err *err)
{
	(void)pthread_mutex_lock(&w->lock);
	w->is_up = r == 0;
	(void)snprintf(w->why, sizeof(w->why), "%.250s", r == 0 ? "" : err_text(err));
	(void)pthread_mutex_unlock(&w->lock);
}

static void
push(struct waiters *w, struct waiter *v)
{
	const struct queue_text payload = { buf_str(&v->job.payload),
		v->job.payload.len };
	struct err err = ERR_INIT;
	int r = redis_sync_connect(w->redis, &err);

	note_redis(w, r, &err);
	if (r < 0) {
		finish(w, v, WAIT_NOT_QUEUED, err_text(&err), strlen(err_text(&err)));
		return;
	}
	r = queue_submit(w->redis, &w->queue, payload, &err);
	if (r < 0) {
		note_redis(w, r, &err);
		finish(w, v, r == -EAGAIN ? WAIT_UNKNOWN : WAIT_NOT_QUEUED,
		    err_text(&err), strlen(err_text(&err)));
		return;
	}
	v->is_pushed = true;
	buf_release(&v->job.payload);
}

static enum wait_outcome
outcome_of(const struct waiters *w, const struct waiter *v)
{
	if (w->is_stopping)
		return v->is_pushed ? WAIT_STOPPED : WAIT_NOT_QUEUED;
	return v->is_gone ? WAIT_GONE : WAIT_LATE;
}

/* The first that holds; the list may change at any time, so each look starts anew. */
static struct waiter *
next_due(struct waiters *w, enum wait_outcome *outcome)
{
	uint64_t now = clock_mono_ms();
	struct waiter *v;

	(void)pthread_mutex_lock(&w->lock);
	TAILQ_FOREACH (v, &w->list, entry) {
		*outcome = outcome_of(w, v);
		if (w->is_stopping || (v->is_gone && v->is_pushed) ||
		    now >= v->deadline_ms)
			break;
	}
	(void)pthread_mutex_unlock(&w->lock);
	return v;
}

static struct waiter *
next_unpushed(struct waiters *w)
{
	struct waiter *v;

	(void)pthread_mutex_lock(&w->lock);
	TAILQ_FOREACH (v, &w->list, entry)
		if (!v->is_pushed)
			break;
	(void)pthread_mutex_unlock(&w->lock);
	return v;
}

static struct waiter *
find_by_key(struct waiters *w, struct queue_text key)
{
	struct waiter *v;

	(void)pthread_mutex_lock(&w->lock);
	TAILQ_FOREACH (v, &w->list, entry)
		if (v->key.len == key.n && memcmp(v->key.data, key.p, key.n) == 0)
			break;
	(void)pthread_mutex_unlock(&w->lock);
	return v;
}

static int
list_keys(struct waiters *w, const char **argv, size_t *argvlen)
{
	int argc = 1;
	struct waiter *v;

	argv[0] = "BLPOP";
	(void)pthread_mutex_lock(&w->lock);
	TAILQ_FOREACH (v, &w->list, entry) {
		if (!v->is_pushed || argc > WAITING_HARD_MAX)
			continue;
		argv[argc] = buf_str(&v->key); /* stays: this thread alone frees it */
		argvlen[argc++] = v->key.len;
	}
	(void)pthread_mutex_unlock(&w->lock);
	argv[argc] = SPELL_SEC;
	argvlen[0] = strlen(argv[0]);
	argvlen[argc] = strlen(SPELL_SEC);
	return argc + 1;
}

static void
pause_ms(unsigned ms)
{
	struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000L };

	(void)nanosleep(&t, NULL);
}

/* One spell of waiting for results. */
static void
wait_for_results(struct waiters *w)
{
	CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
	const char *argv[WAITING_HARD_MAX + 2];
	size_t argvlen[WAITING_HARD_MAX + 2];
	int argc = list_keys(w, argv, argvlen);
	struct err err = ERR_INIT;
	struct queue_list pair;
	struct queue_text text;
	struct waiter *v;
	int r;

	if (argc == 2)
		return;
	r = redis_sync_command(w->redis, argc, argv, argvlen, &reply, &err);
	note_redis(w, r, &err);
	if (r < 0) {
		pause_ms(PAUSE_AWAY_MS); /* those who wait have their deadlines */
		return;
	}
	pair = queue_list_of(reply);
	v = find_by_key(w, queue_list_text(&pair, 0));
	text = queue_list_text(&pair, 1);
	if (v != NULL)
		finish(w, v, WAIT_RESULT, text.p, text.n);
}

static void
note_pause(struct waiters *w, const struct queue_list *fields)
{
	struct queue_text since = queue_list_text(fields, 0);
	struct queue_text by = queue_list_text(fields, 1);
	char iso[CLOCK_ISO_MAX];

	(void)pthread_mutex_lock(&w->lock);
	w->paused[0] = '\0';
	if (since.n > 0)
		(void)snprintf(w->paused, sizeof(w->paused),
		    "the queue is paused since %s by %.*s",
		    clock_iso(strtoll(since.p, NULL, 10), iso), (int)by.n, by.p);
	(void)pthread_mutex_unlock(&w->lock);
}

/* For /health: does Redis answer, and is the queue paused? */
static void
look(struct waiters *w)
{
	CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
	struct err err = ERR_INIT;
	struct queue_list fields;
	int r = redis_sync_call(w->redis, &reply, &err, "HMGET", w->queue.meta,
	    "paused_ms", "paused_by", NULL);

	w->look_due_ms = clock_mono_ms() + IDLE_MS;
	note_redis(w, r, &err);
	if (r < 0)
		return;
	fields = queue_list_of(reply);
	note_pause(w, &fields);
}

/* Nobody waits: a look at Redis now and then. */
static void
idle(struct waiters *w)
{
	struct timespec until;

	look(w);
	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += IDLE_MS / 1000;
	(void)pthread_mutex_lock(&w->lock);
	if (w->n == 0 && !w->is_ending)
		(void)pthread_cond_timedwait(&w->wake, &w->lock, &until);
	(void)pthread_mutex_unlock(&w->lock);
}

static void *
run(void *arg)
{
	struct waiters *w = arg;

	for (;;) {
		enum wait_outcome outcome;
		struct waiter *v;
		bool is_ending;

		while ((v = next_due(w, &outcome)) != NULL)
			finish(w, v, outcome, "", 0);
		while ((v = next_unpushed(w)) != NULL)
			push(w, v);
		(void)pthread_mutex_lock(&w->lock);
		is_ending = w->is_ending && w->n == 0;
		(void)pthread_mutex_unlock(&w->lock);
		if (is_ending)
			return NULL;
		if (waiters_count(w) == 0)
			idle(w);
		else
			wait_for_results(w);
		if (clock_mono_ms() >= w->look_due_ms)
			look(w);
	}
}

static int
start_thread(struct waiters *w, struct err *err)
{
	pthread_condattr_t attr;
	int r;

	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&w->wake, &attr);
	(void)pthread_condattr_destroy(&attr);
	r = pthread_create(&w->thread, NULL, run, w);
	if (r != 0)
		return err_set(err, -r, "a thread for Redis: %s", strerror(r));
	w->has_thread = true;
	return 0;
}

int
waiters_new(const struct conf *conf, const struct redis_target *target,
    struct waiters **out, struct err *err)
{
	const struct redis_sync_options options = { .target = target };
	struct waiters *w = calloc(1, sizeof(*w));
	int r;

	if (w == NULL)
		return err_set(err, -ENOMEM, "no memory for the waiting requests");
	(void)pthread_mutex_init(&w->lock, NULL);
	TAILQ_INIT(&w->list);
	w->max = (size_t)conf->http.max_waiting;
	w->max_timeout_sec = conf->limits.max_timeout_sec;
	(void)snprintf(w->why, sizeof(w->why), "redis was not asked yet");
	r = queue_setup_init(&w->queue, conf);
	if (r < 0)
		(void)err_set(err, r, "no memory for the waiting requests");
	if (r == 0)
		r = redis_sync_new(&options, &w->redis, err);
	if (r == 0)
		r = start_thread(w, err);
	if (r < 0) {
		waiters_free(w);
		return r;
	}
	*out = w;
	return 0;
}

void
waiters_free(struct waiters *w)
{
	if (w == NULL)
		return;
	(void)pthread_mutex_lock(&w->lock);
	w->is_closed = w->is_stopping = w->is_ending = true;
	(void)pthread_mutex_unlock(&w->lock);
	if (w->has_thread) {
		(void)pthread_cond_signal(&w->wake);
		(void)pthread_join(w->thread, NULL);
	}
	redis_sync_free(w->redis);
	queue_setup_release(&w->queue);
	(void)pthread_mutex_destroy(&w->lock);
	free(w);
}

static uint64_t
deadline_of(const struct waiters *w, int64_t timeout_sec)
{
	if (timeout_sec <= 0 || timeout_sec > w->max_timeout_sec)
		timeout_sec = w->max_timeout_sec;
	return clock_mono_ms() + (uint64_t)(timeout_sec + GRACE_SEC) * 1000;
}

int
waiters_submit(struct waiters *w, struct chat_job *job, wait_done_fn done, void *ctx)
{
	struct waiter *v = calloc(1, sizeof(*v));
	int r = 0;

	if (v == NULL)
		return -ENOMEM;
	v->done = done;
	v->ctx = ctx;
	v->deadline_ms = deadline_of(w, job->timeout_sec);
	queue_key_result(&v->key, &w->queue, job->id, strlen(job->id));
	r = buf_status(&v->key);
	(void)pthread_mutex_lock(&w->lock);
	if (r == 0 && w->is_closed)
		r = -ESHUTDOWN;
	if (r == 0 && w->n >= w->max)
		r = -EBUSY;
	if (r == 0) {
		v->job = *job;
		memset(&job->payload, 0, sizeof(job->payload));
		TAILQ_INSERT_TAIL(&w->list, v, entry);
		w->n++;
		v = NULL;
		(void)pthread_cond_signal(&w->wake);
	}
	(void)pthread_mutex_unlock(&w->lock);
	waiter_free(v);
	return r;
}

void
waiters_abandon(struct waiters *w, const void *ctx)
{
	struct waiter *v;

	(void)pthread_mutex_lock(&w->lock);
	TAILQ_FOREACH (v, &w->list, entry)
		if (v->ctx == ctx)
			v->is_gone = true;
	(void)pthread_mutex_unlock(&w->lock);
}

void
waiters_close(struct waiters *w)
{
	(void)pthread_mutex_lock(&w->lock);
	w->is_closed = true;
	(void)pthread_mutex_unlock(&w->lock);
}

void
waiters_stop(struct waiters *w)
{
	(void)pthread_mutex_lock(&w->lock);
	w->is_closed = w->is_stopping = true;
	(void)pthread_mutex_unlock(&w->lock);
}

size_t
waiters_count(struct waiters *w)
{
	size_t n;

	(void)pthread_mutex_lock(&w->lock);
	n = w->n;
	(void)pthread_mutex_unlock(&w->lock);
	return n;
}

bool
waiters_redis_is_up(struct waiters *w, char *why, size_t size)
{
	bool is_up;

	(void)pthread_mutex_lock(&w->lock);
	is_up = w->is_up;
	(void)snprintf(why, size, "%s", w->why);
	(void)pthread_mutex_unlock(&w->lock);
	return is_up;
}

bool
waiters_queue_is_paused(struct waiters *w, char *text, size_t size)
{
	(void)pthread_mutex_lock(&w->lock);
	(void)snprintf(text, size, "%s", w->paused);
	(void)pthread_mutex_unlock(&w->lock);
	return text[0] != '\0';
}
