/* SPDX-License-Identifier: MIT */
/*
 * claim.c - moves elements from the queue to this holder's list, and never loses one.
 *
 * Owns:   the claim connection, and nothing that it has handed to a job.
 * Called: by the loop; claim_wake by jobs that end.
 * Fails:  never for good. After each connection, after a claim that ended in anything
 * but a reply, and every few seconds, the held list is compared with the jobs in hand,
 * and what is in the list but not in hand is adopted.
 *
 * A claim is one BLMOVE; while it hits, LMOVEs follow in a pipeline, doubling up to the
 * free places, and the first miss goes back to BLMOVE.
 *
 * While an operator has paused the queue nothing is claimed. The flag is read on every new
 * connection before the first claim, published when it changes, and asked for each second;
 * begin refuses whatever was faster.
 */
#include "config.h"

#include "common/clock.h"
#include "common/fault_point.h"
#include "common/log.h"
#include "worker/providers.h"
#include "worker/worker.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <string.h>

enum {
	BLOCK_SEC = 5,
	SILENCE_MS = (BLOCK_SEC + 10) * 1000,
	ADOPT_EVERY_MS = 5000,
	PAUSE_MS = 200,
	ADOPT_PAGE = 256,
	PROBE_EVERY_MS = 1000,
	TAKE_MOST = 32 /* cancelled jobs at once, beyond the places */
};

struct claim {
	struct worker *worker;
	struct redis_link *link;
	struct buf held;     /* key of the held list */
	long long client_id; /* of the connection, for CLIENT UNBLOCK; 0: unknown */
	unsigned in_flight;  /* moves without a reply */
	unsigned burst;      /* LMOVEs to send next; 0: BLMOVE */
	bool is_adopting, must_adopt, is_ready, is_stopping;
	bool is_queue_paused; /* by an operator, or not known yet */
	bool is_taking;       /* a cancelled job is being taken */
	bool is_paused; /* after an error of the server: until the timer's next turn */
	struct loop_timer adopt_timer;
	bool was_down;
	bool is_asking_probe;
	uint64_t probe_until_ms; /* this worker is the one that tries the providers */
	uint64_t probe_next_ms;  /* another one does: ask again then */
};

static void adopt_begin(struct claim *c);
static void claim_next(struct claim *c);
static void want_probe(struct claim *c);

/* Suspects run one at a time, so that nobody else dies with them. */
static bool
is_quarantine(const struct worker *w)
{
	return w->role->role == ROLE_QUARANTINE;
}

static unsigned
free_places(const struct claim *c)
{
	const struct worker *w = c->worker;
	unsigned max =
	    is_quarantine(w) ? 1 : (unsigned)w->conf->service.jobs_per_worker;
	const char *due;
	int64_t sec;

	if (providers_are_dark(c->worker, &due, &sec)) /* one job may try */
		return due != NULL && c->probe_until_ms > clock_mono_ms() &&
		    w->n_probes == 0 && c->in_flight == 0 && w->n_jobs < max;
	return w->n_jobs + c->in_flight < max ? max - w->n_jobs - c->in_flight : 0;
}

static bool
may_claim(const struct claim *c)
{
	return c->is_ready && !c->is_stopping && !c->is_paused && !c->is_queue_paused &&
	    !c->worker->is_fenced && !store_client_is_long_away(c->worker);
}

static void
take(struct claim *c, const char *bytes, size_t n)
{
	char *element = c->is_stopping ? NULL : malloc(n + 1);

	if (element == NULL) { /* it stays in the held list: adoption deals with it */
		c->must_adopt = true;
		return;
	}
	memcpy(element, bytes, n);
	element[n] = '\0';
	if (job_new(c->worker, element, n, is_quarantine(c->worker)) < 0)
		c->must_adopt = true;
}

static void
pause_for_a_moment(struct claim *c)
{
	c->is_paused = true;
	(void)loop_timer_set(c->worker->loop, &c->adopt_timer,
	    clock_mono_ms() + PAUSE_MS);
}

static void
on_move(void *ctx, const struct redisReply *reply)
{
	struct claim *c = ctx;

	c->in_flight--;
	if (reply == NULL) {
		c->must_adopt = true;
		return; /* on_up goes on */
	}
	if (reply->type == REDIS_REPLY_STRING) {
		FAULT_POINT(CLAIM_REPLY);
		take(c, reply->str, reply->len);
		if (c->in_flight == 0)
			c->burst = c->burst > 0 ? c->burst * 2 : 1;
	} else if (reply->type == REDIS_REPLY_NIL) {
		c->burst = 0;
	} else { /* an error: LOADING, READONLY, a key of a wrong type ... */
		if (!c->is_paused && reply->type == REDIS_REPLY_ERROR)
			log_warning("claim: %s; trying again", reply->str);
		c->must_adopt = true;
		pause_for_a_moment(c);
		c->burst = 0;
	}
	claim_next(c);
}

static void
send_move(struct claim *c, bool is_blocking)
{
	char timeout[8];
	const struct queue_setup *q = &c->worker->setup;
	const char *argv[] = { is_blocking ? "BLMOVE" : "LMOVE",
		is_quarantine(c->worker) ? q->alone : q->jobs, buf_str(&c->held),
		"LEFT", "RIGHT", timeout };

	FAULT_POINT(CLAIM_SEND);
	(void)snprintf(timeout, sizeof(timeout), "%d", BLOCK_SEC);
	if (redis_link_send(c->link, is_blocking ? 6 : 5, argv, NULL, on_move, c) == 0)
		c->in_flight++;
}

static void
claim_next(struct claim *c)
{
	unsigned places = free_places(c), n;

	if (c->in_flight > 0 || c->is_adopting)
		return;
	if (c->must_adopt && c->is_ready && !c->is_paused) {
		adopt_begin(c);
		return;
	}
	if (may_claim(c) && places == 0)
		want_probe(c);
	if (!may_claim(c) || places == 0)
		return;
	n = c->burst < places ? c->burst : places;
	if (n == 0)
		send_move(c, true);
	for (unsigned i = 0; i < n; i++)
		send_move(c, false);
}

void
claim_wake(struct claim *c)
{
	claim_next(c);
}

/* ---- all providers rest: one worker of all claims one job to try ---- */

static void
ask_probe(void *ctx)
{
	struct claim *c = ctx;
	struct worker *w = c->worker;
	struct queue_command cmd;
	struct queue_answer answer = { .word = QUEUE_BUSY };
	struct err e = ERR_INIT;
	const char *due = NULL;
	int64_t sec = 0;
	uint64_t now = clock_mono_ms();
	int r;

	c->probe_next_ms = now + PROBE_EVERY_MS;
	if (providers_are_dark(w, &due, &sec) && due != NULL) {
		queue_cmd_probe(&cmd, &w->setup, due, w->role->holder, sec);
		FAULT_POINT(PROBE_SEND);
		r = redis_op(w->redis, &cmd, NULL, NULL, &answer, now + PROBE_EVERY_MS,
		    &e);
		FAULT_POINT(PROBE_REPLY);
		if (r == 0 && answer.word != QUEUE_BUSY)
			c->probe_until_ms = now + (uint64_t)sec * 1000;
	}
	c->is_asking_probe = false;
	claim_next(c);
}

static void
want_probe(struct claim *c)
{
	uint64_t now = clock_mono_ms();
	const char *due = NULL;
	int64_t sec;

	if (c->is_asking_probe || now < c->probe_until_ms || now < c->probe_next_ms ||
	    c->worker->n_probes > 0 || !providers_are_dark(c->worker, &due, &sec) ||
	    due == NULL)
		return;
	c->is_asking_probe = fiber_start(c->worker->fibers, ask_probe, c) != NULL;
}

static void
on_probe_over(void *ctx, const struct redisReply *reply)
{
	(void)ctx;
	(void)reply;
}

void
claim_probed(struct claim *c, const char *provider)
{
	CLEANUP_BUF struct buf key = BUF_INIT;
	const char *argv[] = { "DEL", NULL };

	c->probe_until_ms = 0;
	queue_key_probe(&key, provider);
	argv[1] = buf_str(&key);
	if (buf_status(&key) == 0)
		(void)redis_link_send(c->worker->redis, 2, argv, NULL, on_probe_over,
		    c);
}

void
claim_look_soon(struct claim *c)
{
	(void)loop_timer_set(c->worker->loop, &c->adopt_timer,
	    clock_mono_ms() + PAUSE_MS);
}

void
claim_missed(struct claim *c)
{
	if (c->is_stopping) /* else the timer finds it, with a pause between tries */
		c->must_adopt = true;
}

/* ---- adoption: what stands in the held list and is in nobody's hand ---- */

struct adoption {
	struct claim *claim;
	struct { /* copies of the list's elements */
		char *bytes;
		size_t n;
		bool is_id;
	} * rows;
	size_t n_rows, cap_rows;
	bool has_failed;
};

static void
copy_rows(void *ctx, const struct queue_answer *answer)
{
	struct adoption *a = ctx;

	if (answer->word != QUEUE_OK)
		return;
	for (size_t i = 0; i < answer->adopt.rows.n; i++) {
		struct queue_list row = queue_list_list(&answer->adopt.rows, i);
		struct queue_text text = queue_list_text(&row, 1);

		if (a->n_rows == a->cap_rows) {
			size_t cap = a->cap_rows > 0 ? a->cap_rows * 2 : 64;
			void *rows = realloc(a->rows, cap * sizeof(*a->rows));

			if (rows == NULL) {
				a->has_failed = true;
				return;
			}
			a->rows = rows;
			a->cap_rows = cap;
		}
		a->rows[a->n_rows].bytes = malloc(text.n + 1);
		if (a->rows[a->n_rows].bytes == NULL) {
			a->has_failed = true;
			return;
		}
		memcpy(a->rows[a->n_rows].bytes, text.p, text.n);
		a->rows[a->n_rows].bytes[text.n] = '\0';
		a->rows[a->n_rows].n = text.n;
		a->rows[a->n_rows].is_id = queue_list_int(&row, 0) == 1;
		a->n_rows++;
	}
}

/* Does the job stand for that element? A begun job's element is its id. */
static bool
stands_for(const struct job *j, const char *bytes, size_t n, bool is_id)
{
	if (is_id || j->is_id)
		return j->msg.job_id != NULL
		    ? strlen(j->msg.job_id) == n && memcmp(j->msg.job_id, bytes, n) == 0
		    : j->element_len == n && memcmp(j->element, bytes, n) == 0;
	return j->element_len == n && memcmp(j->element, bytes, n) == 0;
}

/* Strikes the one row that the job stands for: its id if that is there, else its
   payload, of which a copy may have come meanwhile. */
static void
strike_row_of(struct adoption *a, const struct job *j)
{
	for (int want_id = 1; want_id >= 0; want_id--)
		for (size_t i = 0; i < a->n_rows; i++)
			if (a->rows[i].bytes != NULL && a->rows[i].is_id == want_id &&
			    stands_for(j, a->rows[i].bytes, a->rows[i].n,
				a->rows[i].is_id)) {
				free(TAKE_PTR(a->rows[i].bytes));
				return;
			}
}

/*
 * The id of a job in hand is no stray, even when that job stood for another element:
 * the list moves while it is read, and shows a job's payload on one page and its id on
 * the next. To begin it again would take it from ourselves.
 */
static bool
is_in_hand(const struct worker *w, const char *id, size_t n)
{
	const struct job *j;

	TAILQ_FOREACH (j, &w->jobs, link)
		if (j->msg.job_id != NULL && strlen(j->msg.job_id) == n &&
		    memcmp(j->msg.job_id, id, n) == 0)
			return true;
	return false;
}

static bool
is_stray(const struct adoption *a, size_t i)
{
	return a->rows[i].bytes != NULL &&
	    !(a->rows[i].is_id &&
		is_in_hand(a->claim->worker, a->rows[i].bytes, a->rows[i].n));
}

/* Starts jobs for elements that no job in hand stands for. Every job stands for one. */
static void
adopt_strays(struct adoption *a)
{
	struct worker *w = a->claim->worker;
	const struct job *j;

	TAILQ_FOREACH (j, &w->jobs, link)
		strike_row_of(a, j);
	for (size_t i = 0; i < a->n_rows; i++) {
		if (!is_stray(a, i) || w->is_draining)
			continue;
		if (job_new(w, TAKE_PTR(a->rows[i].bytes), a->rows[i].n,
			a->rows[i].is_id) < 0)
			a->has_failed = true;
	}
}

int
claim_hand_back(struct worker *w, const char *element, size_t n, bool is_id)
{
	struct queue_command cmd;
	struct queue_answer answer;
	struct err e = ERR_INIT;
	int r;

	queue_cmd_unclaim(&cmd, &w->setup, w->role->holder,
	    (struct queue_text){ element, n }, is_id);
	FAULT_POINT(UNCLAIM_SEND);
	r = redis_op(w->redis, &cmd, NULL, NULL, &answer, 0, &e);
	FAULT_POINT(UNCLAIM_REPLY);
	return r;
}

/* While draining: hands back what is in nobody's hand. */
static void
return_strays(struct adoption *a)
{
	struct worker *w = a->claim->worker;

	for (size_t i = 0; i < a->n_rows; i++)
		if (is_stray(a, i))
			(void)claim_hand_back(w, a->rows[i].bytes, a->rows[i].n,
			    a->rows[i].is_id);
}

static void
adopt_run(void *ctx)
{
	struct claim *c = ctx;
	struct worker *w = c->worker;
	struct adoption a = { .claim = c };
	struct queue_answer answer = { .word = QUEUE_OK };
	struct err e = ERR_INIT;
	int r = 0;

	c->must_adopt = false;
	for (size_t from = 0; r == 0 && answer.word == QUEUE_OK; from = a.n_rows) {
		struct queue_command cmd;

		queue_cmd_adopt(&cmd, &w->setup, w->role->holder, from, ADOPT_PAGE);
		FAULT_POINT(ADOPT_SEND);
		r = redis_op(w->redis, &cmd, copy_rows, &a, &answer, 0, &e);
		FAULT_POINT(ADOPT_REPLY);
		if (a.has_failed || a.n_rows < from + ADOPT_PAGE)
			break;
	}
	if (r < 0 || a.has_failed) {
		a.has_failed = true;
	} else if (answer.word == QUEUE_FENCED) {
		worker_fenced(w);
	} else {
		adopt_strays(&a);
		if (w->is_draining)
			return_strays(&a);
	}
	for (size_t i = 0; i < a.n_rows; i++)
		free(a.rows[i].bytes);
	free(a.rows);
	c->is_adopting = false;
	if (a.has_failed) { /* a reconnection meanwhile is no failure: again at once */
		c->must_adopt = true;
		pause_for_a_moment(c);
	}
	claim_next(c);
}

/* Looks at the held list only while no move is on its way: what moves is in no hand. */
static void
adopt_begin(struct claim *c)
{
	c->is_adopting = fiber_start(c->worker->fibers, adopt_run, c) != NULL;
}

static void
on_held_len(void *ctx, const struct redisReply *reply)
{
	struct claim *c = ctx;

	if (reply != NULL && reply->type == REDIS_REPLY_INTEGER &&
	    (unsigned long long)reply->integer > c->worker->n_jobs)
		c->must_adopt = true;
}

static void
on_beat(void *ctx, const struct redisReply *reply)
{
	struct claim *c = ctx;

	if (reply != NULL && reply->type == REDIS_REPLY_NIL)
		worker_fenced(c->worker);
}

/* ---- a cancelled job that nobody claims ---- */

struct taking {
	struct claim *claim;
	size_t n;
	char id[QUEUE_ID_MAX];
};

static void
take_run(void *ctx)
{
	struct taking *t = ctx;
	struct claim *c = t->claim;
	struct worker *w = c->worker;
	struct queue_answer answer = { .word = QUEUE_OK };
	struct err e = ERR_INIT;
	int r = 0;

	for (int i = 0; r == 0 && answer.word == QUEUE_OK && i < TAKE_MOST; i++) {
		struct queue_command cmd;

		queue_cmd_take(&cmd, &w->setup, w->role->holder,
		    (struct queue_text){ t->id, t->n });
		FAULT_POINT(TAKE_SEND);
		r = redis_op(w->redis, &cmd, NULL, NULL, &answer, 0, &e);
		FAULT_POINT(TAKE_REPLY);
		if (r < 0 || answer.word == QUEUE_OK) /* adoption brings it in hand */
			c->must_adopt = true;
		t->n = 0; /* then those whose messages came meanwhile */
	}
	free(t);
	c->is_taking = false;
	if (r == 0 && answer.word == QUEUE_FENCED)
		worker_fenced(w);
	claim_next(c);
}

/* Who waits in a BLMOVE has it already, or will have it at once. */
void
claim_cancelled(struct claim *c, const char *id, size_t n)
{
	struct taking *t;

	if (c->in_flight > 0 || c->is_taking || !c->is_ready || c->is_stopping ||
	    c->worker->is_fenced || is_quarantine(c->worker) || n > QUEUE_ID_MAX)
		return;
	t = malloc(sizeof(*t));
	if (t == NULL)
		return;
	*t = (struct taking){ .claim = c, .n = n };
	memcpy(t->id, id, n);
	c->is_taking = fiber_start(c->worker->fibers, take_run, t) != NULL;
	if (!c->is_taking)
		free(t);
}

/*
 * A move may be served for a connection that is long dead: look every few seconds. Who
 * is fenced and idle hears of it here, before it claims what it cannot begin.
 */
static void
look(struct claim *c)
{
	const char *len[] = { "LLEN", buf_str(&c->held) };
	const char *beat[] = { "ZSCORE", c->worker->setup.holders,
		c->worker->role->holder };

	(void)redis_link_send(c->worker->redis, 3, beat, NULL, on_beat, c);
	if (!c->must_adopt && !c->is_stopping)
		(void)redis_link_send(c->worker->redis, 2, len, NULL, on_held_len, c);
}

static void
on_adopt_timer(void *ctx)
{
	struct claim *c = ctx;
	bool was_paused = c->is_paused;
	const char *due;
	int64_t sec;

	c->is_paused = false;
	claim_next(c);
	look(c);
	(void)loop_timer_set(c->worker->loop, &c->adopt_timer,
	    clock_mono_ms() +
		(was_paused || c->must_adopt || store_client_is_long_away(c->worker) ||
			    providers_are_dark(c->worker, &due, &sec)
			? PAUSE_MS
			: ADOPT_EVERY_MS));
}

/* ---- the connection ---- */

static void
on_client_id(void *ctx, const struct redisReply *reply)
{
	struct claim *c = ctx;

	if (reply != NULL && reply->type == REDIS_REPLY_INTEGER)
		c->client_id = reply->integer;
}

static void
on_pause_flag(void *ctx, const struct redisReply *reply)
{
	if (reply != NULL && reply->type == REDIS_REPLY_INTEGER)
		claim_set_paused(ctx, reply->integer != 0);
}

static void
ask_paused(struct claim *c, struct redis_link *link)
{
	const char *argv[] = { "HEXISTS", c->worker->setup.meta, "paused_ms" };

	(void)redis_link_send(link, 3, argv, NULL, on_pause_flag, c);
}

/* Messages may be missed. */
void
claim_look(struct claim *c)
{
	if (!c->is_ready)
		return;
	ask_paused(c, c->worker->redis);
	if (c->is_queue_paused || free_places(c) == 0)
		claim_cancelled(c, "", 0);
}

static void
on_up(void *ctx)
{
	struct claim *c = ctx;
	const char *argv[] = { "CLIENT", "ID" };

	if (c->was_down)
		log_info("claim connection to Redis is back");
	c->was_down = false;
	c->client_id = 0;
	c->is_queue_paused = true;
	(void)redis_link_send(c->link, 2, argv, NULL, on_client_id, c);
	ask_paused(c, c->link);
	c->is_ready = true;
	c->must_adopt = true;
	claim_next(c);
}

static void
on_down(void *ctx, const char *why)
{
	struct claim *c = ctx;

	if (!c->was_down)
		log_warning("claim connection to Redis: %s; trying again", why);
	c->was_down = true;
	c->is_ready = false;
	c->client_id = 0;
	c->burst = 0;
}

int
claim_new(struct worker *w, struct err *err)
{
	struct claim *c = calloc(1, sizeof(*c));
	struct redis_hooks hooks = { .ctx = c, .on_up = on_up, .on_down = on_down };

	if (c == NULL)
		return err_set(err, -ENOMEM, "no memory");
	c->worker = w;
	c->adopt_timer = (struct loop_timer){ .fn = on_adopt_timer, .ctx = c };
	queue_key_held(&c->held, w->role->holder);
	c->link = redis_link_new(w->loop, w->target, SILENCE_MS, &hooks);
	if (c->link == NULL || buf_status(&c->held) != 0) {
		claim_free(c);
		return err_set(err, -ENOMEM, "no memory");
	}
	redis_link_set_resolver(c->link, worker_resolve, w);
	w->claim = c;
	return 0;
}

void
claim_free(struct claim *c)
{
	if (c == NULL)
		return;
	loop_timer_cancel(c->worker->loop, &c->adopt_timer);
	redis_link_free(c->link);
	buf_release(&c->held);
	free(c);
}

void
claim_start(struct claim *c)
{
	redis_link_start(c->link);
	on_adopt_timer(c);
}

static void
on_unblocked(void *ctx, const struct redisReply *reply)
{
	(void)ctx;
	(void)reply;
}

/* An open BLMOVE is answered with nothing. */
static void
let_go(struct claim *c)
{
	char id[24];
	const char *argv[] = { "CLIENT", "UNBLOCK", id };

	if (c->in_flight == 0 || c->client_id == 0)
		return;
	(void)snprintf(id, sizeof(id), "%lld", c->client_id);
	(void)redis_link_send(c->worker->redis, 3, argv, NULL, on_unblocked, c);
}

void
claim_set_paused(struct claim *c, bool is_paused)
{
	if (c->is_queue_paused == is_paused)
		return;
	c->is_queue_paused = is_paused;
	if (is_paused)
		let_go(c);
	else
		claim_next(c);
}

void
claim_stop(struct claim *c)
{
	if (c->is_stopping)
		return;
	c->is_stopping = true;
	c->must_adopt =
	    true; /* one last look at the list, once the moves are answered */
	let_go(c);
	c->is_paused = false;
	claim_next(c);
	(void)loop_timer_set(c->worker->loop, &c->adopt_timer,
	    clock_mono_ms() + PAUSE_MS);
}

bool
claim_is_idle(const struct claim *c)
{
	return c->in_flight == 0 && !c->is_adopting && !c->is_asking_probe &&
	    !c->is_taking && (!c->must_adopt || !c->is_ready);
}
