/* SPDX-License-Identifier: MIT */
/*
 * store_queue.c - one helper thread that does what would block the loop.
 *
 * Owns:   the thread, the store, and each request between submit and done.
 * Called: by a worker's loop. The thread never touches a request that is finished, the
 *         loop none that is waiting; the lock covers the two lists.
 * Fails:  a request, never the queue. The thread ends by returning: pthread_exit and
 *         pthread_cancel load a library, which the sandbox forbids.
 */
#include "config.h"

#include "common/store/store_queue.h"

#include "common/clock.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	WHY_MAX = 256,
	IDLE_PROBE_MS = 5000,
	FORGET_MS = 10000, /* nobody has tried since: it may be over */
	PAUSE_MIN_MS = 50,
	PAUSE_MAX_MS = 2000
};

struct list {
	struct store_request *first, **end;
};

/* What may be away by itself: a disk that is full refuses writes and answers reads, and
   the content has a disk of its own. */
enum part {
	PART_DATABASE, /* the connection, and reads */
	PART_WRITES,
	PART_CONTENT,
	PART_COUNT
};

struct trouble {
	uint64_t pause_ms;    /* 0: none */
	uint64_t retry_at_ms; /* while there is */
	uint64_t failed_ms;   /* the last try */
	atomic_uint_fast64_t since_ms;
};

struct store_queue {
	struct store *store; /* owned; used by the thread only */
	struct store_queue_options options;
	int event_fd;
	pthread_t thread;
	pthread_mutex_t lock; /* over the next five */
	pthread_cond_t has_work;
	struct list waiting;
	struct list finished;
	uint64_t stop_at_ms;                /* 0: not stopping */
	char why[WHY_MAX];                  /* the last try met a store that is away */
	struct trouble trouble[PART_COUNT]; /* the thread's own, but for since_ms */
	uint64_t answered_ms;               /* the thread's own: the database did */
	atomic_uint unanswered;
};

/* ---- lists ---- */

static void
list_init(struct list *l)
{
	l->first = NULL;
	l->end = &l->first;
}

static void
list_append(struct list *l, struct store_request *r)
{
	r->next = NULL;
	*l->end = r;
	l->end = &r->next;
}

static void
list_prepend(struct list *l, struct store_request *r)
{
	r->next = l->first;
	if (l->first == NULL)
		l->end = &r->next;
	l->first = r;
}

/* Takes out the request that *at points to. */
static struct store_request *
list_take(struct list *l, struct store_request **at)
{
	struct store_request *r = *at;

	*at = r->next;
	if (l->end == &r->next)
		l->end = at;
	r->next = NULL;
	return r;
}

/* ---- operations ---- */

static int
do_get_by_job(struct store *s, struct store_request *r)
{
	return store_get_by_job(s, r->get.job_id, r->get.max_data, &r->get.result,
	    &r->err);
}

static int
do_get_by_ref(struct store *s, struct store_request *r)
{
	return store_get_by_ref(s, r->get.ref, r->get.owner, r->get.max_data,
	    &r->get.result, &r->err);
}

static int
do_place(struct store *s, struct store_request *r)
{
	return store_place(s, r->place.result_id, r->place.bytes, r->place.len,
	    r->place.fd, &r->place.place, &r->err);
}

static int
do_put_blob(struct store *s, struct store_request *r)
{
	return store_put_blob(s, r->put_blob.bytes, r->put_blob.len, r->put_blob.ref,
	    &r->err);
}

static int
do_get_blob(struct store *s, struct store_request *r)
{
	return store_get_blob(s, r->get_blob.ref, r->get_blob.max_len,
	    &r->get_blob.bytes, &r->get_blob.len, &r->err);
}

static int
do_call(struct store *s, struct store_request *r)
{
	return r->call.run(s, r->call.ctx, &r->err);
}

/* Content that is read proves nothing about writing, and a value that stays small is not
   written. */
static bool
is_always(const struct store_request *r)
{
	(void)r;
	return true;
}

static bool
is_placed(const struct store_request *r)
{
	return r->place.place.cas_id[0] != '\0';
}

static void run_puts(struct store_queue *q, struct store_request **batch, size_t n);
static void run_lookups(struct store_queue *q, struct store_request **batch, size_t n);

/* clang-format off */
static const struct op {
	const char *name;
	int (*run)(struct store *s, struct store_request *r);
	/* several that wait at once; NULL: one after the other */
	void (*run_many)(struct store_queue *q, struct store_request **batch, size_t n);
	enum part part;
	bool (*proves)(const struct store_request *r); /* that the part is there; NULL: never */
	bool has_no_part; /* its -EAGAIN is its own affair */
} ops[STORE_OP_COUNT] = {
	[STORE_OP_PUT]         = { "put",        NULL,          run_puts,    PART_WRITES,   is_always, false },
	[STORE_OP_GET_BY_JOB]  = { "get by job", do_get_by_job, run_lookups, PART_DATABASE, is_always, false },
	[STORE_OP_GET_BY_REF]  = { "get by ref", do_get_by_ref, NULL,        PART_DATABASE, is_always, false },
	[STORE_OP_PLACE]       = { "place",      do_place,      NULL,        PART_CONTENT,  is_placed, false },
	[STORE_OP_PUT_BLOB]    = { "put blob",   do_put_blob,   NULL,        PART_CONTENT,  is_always, false },
	[STORE_OP_GET_BLOB]    = { "get blob",   do_get_blob,   NULL,        PART_CONTENT,  NULL,      true  },
	[STORE_OP_CALL]        = { "call",       do_call,       NULL,        PART_DATABASE, is_always, false },
	[STORE_OP_CALL_LOCAL]  = { "local call", do_call,       NULL,        PART_CONTENT,  NULL,      true  },
};
/* clang-format on */

const char *
store_op_name(enum store_op op)
{
	return (unsigned)op < STORE_OP_COUNT ? ops[op].name : "?";
}

/* ---- is the store there? ---- */

static void
clear(struct trouble *t)
{
	t->pause_ms = t->retry_at_ms = 0;
	atomic_store(&t->since_ms, 0);
}

static void
note_answer(struct store_queue *q, enum part part)
{
	clear(&q->trouble[part]);
	if (part == PART_WRITES)
		clear(&q->trouble[PART_DATABASE]);
	if (part != PART_CONTENT)
		q->answered_ms = clock_mono_ms();
}

/* Pauses double up to their bound, less up to a quarter, so that many processes do not
   come back in step. */
static void
note_away(struct store_queue *q, enum part part, const struct err *why)
{
	struct trouble *t = &q->trouble[part];
	uint64_t now = clock_mono_ms(), none = 0;

	t->pause_ms = t->pause_ms == 0 ? q->options.pause_min_ms : t->pause_ms * 2;
	if (t->pause_ms > q->options.pause_max_ms)
		t->pause_ms = q->options.pause_max_ms;
	t->failed_ms = now;
	t->retry_at_ms = now + t->pause_ms - clock_mono_us() % (t->pause_ms / 4 + 1);
	(void)pthread_mutex_lock(&q->lock);
	(void)snprintf(q->why, sizeof(q->why), "%s", err_text(why));
	(void)pthread_mutex_unlock(&q->lock);
	(void)atomic_compare_exchange_strong(&t->since_ms, &none, now);
}

/* Only who writes finds out whether writes go again. When nobody has tried for a while,
   the next one shall. */
static void
forget_old_trouble(struct store_queue *q)
{
	uint64_t now = clock_mono_ms();

	for (enum part part = PART_WRITES; part < PART_COUNT; part++)
		if (q->trouble[part].pause_ms != 0 &&
		    now > q->trouble[part].failed_ms + q->options.forget_ms)
			clear(&q->trouble[part]);
}

static void
probe(struct store_queue *q)
{
	struct err why = ERR_INIT;

	if (store_ping(q->store, &why) == -EAGAIN)
		note_away(q, PART_DATABASE, &why);
	else
		note_answer(q, PART_DATABASE);
}

/* ---- answers ---- */

static void
tell_loop(struct store_queue *q)
{
	const uint64_t one = 1;

	/* fails only when the counter is full, and then the loop has been told */
	(void)!write(q->event_fd, &one, sizeof(one));
}

/* With the lock held. */
static void
answer(struct store_queue *q, struct store_request *r, int result)
{
	bool was_empty = q->finished.first == NULL;

	r->result = result;
	list_append(&q->finished, r);
	if (was_empty)
		tell_loop(q);
}

static void
cancel(struct store_queue *q, struct store_request *r)
{
	(void)err_set(&r->err, -ECANCELED, "the store is being closed");
	answer(q, r, -ECANCELED);
}

/* A try that met a store that is away: the request waits on, if it may. */
static void
settle(struct store_queue *q, struct store_request *r, int result)
{
	uint64_t now = clock_mono_ms();

	(void)pthread_mutex_lock(&q->lock);
	if (result == -EAGAIN && now < r->deadline_ms) {
		r->not_before_ms =
		    ops[r->op].has_no_part ? now + q->options.pause_min_ms : 0;
		list_prepend(&q->waiting, r);
	} else {
		answer(q, r, result);
	}
	(void)pthread_mutex_unlock(&q->lock);
}

/* ---- work ---- */

static int
result_of(const struct store_outcome *o)
{
	switch (o->verdict) {
	case STORE_STORED:
	case STORE_KEPT:
		return 0;
	case STORE_REFUSED:
		return o->err.code;
	default:
		return -EAGAIN;
	}
}

static void
run_puts(struct store_queue *q, struct store_request **batch, size_t n)
{
	struct store_row rows[STORE_BATCH_MAX] = { 0 };
	struct store_outcome outcomes[STORE_BATCH_MAX];
	const struct err *away = NULL;

	for (size_t i = 0; i < n; i++)
		rows[i] = *batch[i]->put.row;
	store_put(q->store, rows, n, outcomes);
	for (size_t i = 0; i < n; i++)
		if (outcomes[i].verdict == STORE_AWAY)
			away = &outcomes[i].err;
	if (away != NULL)
		note_away(q, PART_WRITES, away);
	else
		note_answer(q, PART_WRITES);
	for (size_t i = n; i > 0; i--) { /* backwards: what waits on keeps its order */
		batch[i - 1]->put.outcome = outcomes[i - 1];
		batch[i - 1]->err = outcomes[i - 1].err;
		settle(q, batch[i - 1], result_of(&outcomes[i - 1]));
	}
}

static void
run_one(struct store_queue *q, struct store_request *r)
{
	const struct op *op = &ops[r->op];
	int result = op->run(q->store, r);

	if (!op->has_no_part && result == -EAGAIN)
		note_away(q, op->part, &r->err);
	else if (op->proves != NULL && op->proves(r))
		note_answer(q, op->part);
	settle(q, r, result);
}

static void
show(const struct store_queue *q, uint32_t tag)
{
	if (q->options.running != NULL)
		atomic_store_explicit(q->options.running, tag, memory_order_relaxed);
}

/* Most jobs are new: one question finds out which are, and only the others are read. */
static void
run_lookups(struct store_queue *q, struct store_request **batch, size_t n)
{
	const char *job_ids[STORE_BATCH_MAX];
	bool has_result[STORE_BATCH_MAX];
	struct err why = ERR_INIT;
	int r;

	for (size_t i = 0; i < n; i++)
		job_ids[i] = batch[i]->get.job_id;
	r = store_have_jobs(q->store, job_ids, n, has_result, &why);
	if (r == -EAGAIN)
		note_away(q, PART_DATABASE, &why);
	else if (r == 0)
		note_answer(q, PART_DATABASE);
	for (size_t i = n; i > 0; i--) { /* backwards: what waits on keeps its order */
		struct store_request *one = batch[i - 1];

		if (r == -EAGAIN) {
			one->err = why;
			settle(q, one, r);
		} else if (r == 0 && !has_result[i - 1]) {
			settle(q, one, store_no_result(q->store, &one->err));
		} else { /* also when the question itself was refused */
			show(q, one->tag);
			run_one(q, one);
			show(q, 0);
		}
	}
}

/* When it may be tried; 0: now. */
static uint64_t
due_ms(const struct store_queue *q, const struct store_request *r)
{
	const struct op *op = &ops[r->op];
	uint64_t own = q->trouble[op->part].retry_at_ms,
		 database = q->trouble[PART_DATABASE].retry_at_ms;

	if (op->has_no_part)
		return r->not_before_ms;
	return op->part == PART_WRITES && database > own ? database : own;
}

static bool
is_due(const struct store_queue *q, const struct store_request *r, uint64_t now)
{
	return now >= due_ms(q, r);
}

/* With the lock held: the first request that may run now, and those that may go with it.
   How many. */
static size_t
take_work(struct store_queue *q, struct store_request *batch[STORE_BATCH_MAX])
{
	struct store_request **at = &q->waiting.first;
	uint64_t now = clock_mono_ms();
	size_t n = 0;

	while (*at != NULL && n < STORE_BATCH_MAX) {
		bool fits = n == 0 || (*at)->op == batch[0]->op;

		if (!fits || !is_due(q, *at, now)) {
			at = &(*at)->next;
			continue;
		}
		batch[n++] = list_take(&q->waiting, at);
		if (ops[batch[0]->op].run_many == NULL)
			break;
	}
	return n;
}

/* With the lock held: answers what may not wait any longer for a store that is away. */
static void
expire(struct store_queue *q)
{
	struct store_request **at = &q->waiting.first;
	uint64_t now = clock_mono_ms();

	while (*at != NULL) {
		struct store_request *r = *at;

		if (is_due(q, r, now) || now < r->deadline_ms) {
			at = &r->next;
			continue;
		}
		(void)list_take(&q->waiting, at);
		if (r->err.code == 0) /* it was never tried */
			(void)err_set(&r->err, -EAGAIN, "%s: away for %llu ms",
			    store_name(q->store),
			    (unsigned long long)(now - store_queue_away_since(q)));
		answer(q, r, -EAGAIN);
	}
}

/* When nothing is asked, whether the store is there is found out now and then. */
static uint64_t
probe_at(const struct store_queue *q)
{
	uint64_t retry = q->trouble[PART_DATABASE].retry_at_ms;

	return retry != 0 ? retry : q->answered_ms + q->options.idle_probe_ms;
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* With the lock held: when something will have to be done although nobody calls. */
static uint64_t
next_wake(const struct store_queue *q)
{
	uint64_t wake = probe_at(q);

	for (const struct store_request *r = q->waiting.first; r != NULL; r = r->next)
		wake = earlier(wake, earlier(due_ms(q, r), r->deadline_ms));
	return q->stop_at_ms != 0 ? earlier(wake, q->stop_at_ms) : wake;
}

static void
wait_until(struct store_queue *q, uint64_t wake_ms)
{
	const struct timespec at = { .tv_sec = (time_t)(wake_ms / 1000),
		.tv_nsec = (long)(wake_ms % 1000) * 1000000 };

	if (wake_ms == UINT64_MAX)
		(void)pthread_cond_wait(&q->has_work, &q->lock);
	else
		(void)pthread_cond_timedwait(&q->has_work, &q->lock, &at);
}

enum turn {
	TURN_WORK,
	TURN_PROBE,
	TURN_END
};

/* Sleeps until there is something to do. */
static enum turn
await_turn(struct store_queue *q, struct store_request *batch[STORE_BATCH_MAX],
    size_t *n)
{
	enum turn turn = TURN_WORK;

	(void)pthread_mutex_lock(&q->lock);
	for (;;) {
		if (q->stop_at_ms != 0 &&
		    (q->waiting.first == NULL || clock_mono_ms() >= q->stop_at_ms)) {
			turn = TURN_END;
			break;
		}
		*n = take_work(q, batch);
		if (*n > 0)
			break;
		if (clock_mono_ms() >= probe_at(q)) {
			turn = TURN_PROBE;
			break;
		}
		expire(q);
		wait_until(q, next_wake(q));
	}
	(void)pthread_mutex_unlock(&q->lock);
	return turn;
}

static void *
run(void *arg)
{
	struct store_queue *q = arg;
	struct store_request *batch[STORE_BATCH_MAX];
	enum turn turn;
	size_t n = 0;

	if (q->options.begin != NULL)
		(void)q->options.begin();
	probe(q);
	while ((turn = await_turn(q, batch, &n)) != TURN_END) {
		forget_old_trouble(q);
		show(q, turn == TURN_WORK && n == 1 ? batch[0]->tag : 0);
		if (turn == TURN_PROBE)
			probe(q);
		else if (n > 1 || ops[batch[0]->op].run == NULL)
			ops[batch[0]->op].run_many(q, batch, n);
		else
			run_one(q, batch[0]);
		show(q, 0);
	}
	return NULL;
}

/* ---- the loop's side ---- */

int
store_queue_fd(const struct store_queue *q)
{
	return q->event_fd;
}

void
store_queue_submit(struct store_queue *q, struct store_request *r)
{
	ASSERT((unsigned)r->op < STORE_OP_COUNT && r->done != NULL);
	r->result = 0;
	r->err = (struct err)ERR_INIT;
	r->not_before_ms = 0;
	if (r->op == STORE_OP_GET_BY_JOB || r->op == STORE_OP_GET_BY_REF)
		r->get.result = (struct store_result)STORE_RESULT_INIT;
	if (r->op == STORE_OP_PUT)
		memset(&r->put.outcome, 0, sizeof(r->put.outcome));
	if (r->op == STORE_OP_GET_BLOB)
		r->get_blob.bytes = NULL;
	atomic_fetch_add(&q->unanswered, 1);
	(void)pthread_mutex_lock(&q->lock);
	if (q->stop_at_ms != 0) {
		cancel(q, r);
	} else {
		list_append(&q->waiting, r);
		(void)pthread_cond_signal(&q->has_work);
	}
	(void)pthread_mutex_unlock(&q->lock);
}

unsigned
store_queue_drain(struct store_queue *q)
{
	struct store_request *r, *next;
	struct list taken;
	uint64_t count;
	unsigned n = 0;

	(void)!read(q->event_fd, &count,
	    sizeof(count)); /* nothing to read is no fault */
	(void)pthread_mutex_lock(&q->lock);
	taken = q->finished;
	list_init(&q->finished);
	(void)pthread_mutex_unlock(&q->lock);
	for (r = taken.first; r != NULL; r = next) {
		next = r->next; /* done may free r */
		atomic_fetch_sub(&q->unanswered, 1);
		r->done(r);
		n++;
	}
	return n;
}

uint64_t
store_queue_away_since(const struct store_queue *q)
{
	uint64_t first = 0;

	for (size_t i = 0; i < PART_COUNT; i++) {
		uint64_t since = atomic_load(&q->trouble[i].since_ms);

		if (since != 0 && (first == 0 || since < first))
			first = since;
	}
	return first;
}

void
store_queue_why(struct store_queue *q, char *out, size_t size)
{
	(void)pthread_mutex_lock(&q->lock);
	(void)snprintf(out, size, "%s", q->why);
	(void)pthread_mutex_unlock(&q->lock);
}

unsigned
store_queue_waiting(const struct store_queue *q)
{
	return atomic_load(&q->unanswered);
}

/* ---- birth and death ---- */

static void
release(struct store_queue *q)
{
	closep(&q->event_fd);
	(void)pthread_cond_destroy(&q->has_work);
	(void)pthread_mutex_destroy(&q->lock);
	free(q);
}

static void
init_locks(struct store_queue *q)
{
	pthread_condattr_t attr;

	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&q->has_work, &attr);
	(void)pthread_condattr_destroy(&attr);
	(void)pthread_mutex_init(&q->lock, NULL);
}

/* Signals are the loop thread's business: the helper is born with all of them
   blocked. */
static int
start_thread(struct store_queue *q)
{
	sigset_t all, before;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&q->thread, NULL, run, q);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

int
store_queue_start(struct store *store, const struct store_queue_options *options,
    struct store_queue **out, struct err *err)
{
	struct store_queue *q = calloc(1, sizeof(*q));
	int r;

	if (q == NULL)
		return err_set(err, -ENOMEM, "no memory for the store's queue");
	q->store = store;
	if (options != NULL)
		q->options = *options;
	if (q->options.pause_min_ms == 0)
		q->options.pause_min_ms = PAUSE_MIN_MS;
	if (q->options.pause_max_ms == 0)
		q->options.pause_max_ms = PAUSE_MAX_MS;
	if (q->options.idle_probe_ms == 0)
		q->options.idle_probe_ms = IDLE_PROBE_MS;
	if (q->options.forget_ms == 0)
		q->options.forget_ms = FORGET_MS;
	list_init(&q->waiting);
	list_init(&q->finished);
	init_locks(q);
	atomic_store(&q->trouble[PART_DATABASE].since_ms, clock_mono_ms());
	q->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = q->event_fd < 0 ? -errno : start_thread(q);
	if (r < 0) {
		release(q);
		return err_set(err, r, "the store's helper thread: %s", strerror(-r));
	}
	*out = q;
	return 0;
}

void
store_queue_stop(struct store_queue *q, uint64_t grace_ms)
{
	if (q == NULL)
		return;
	(void)pthread_mutex_lock(&q->lock);
	q->stop_at_ms = clock_mono_ms() + grace_ms;
	(void)pthread_cond_signal(&q->has_work);
	(void)pthread_mutex_unlock(&q->lock);
	(void)pthread_join(q->thread, NULL);
	while (q->waiting.first != NULL)
		cancel(q, list_take(&q->waiting, &q->waiting.first));
	while (store_queue_drain(q) > 0)
		; /* done may submit again, and is told that it is too late */
	store_close(q->store);
	release(q);
}
