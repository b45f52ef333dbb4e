/* SPDX-License-Identifier: MIT */
/*
 * queue_reply.c - what Redis answered, as typed structs.
 *
 * Owns:   nothing; an answer points into its reply.
 * Called: by every client of the queue, after each operation.
 * Fails:  by a negative errno: a table translates Redis' error words; a reply of an
 *         unexpected shape is -EPROTO.
 */
#include "config.h"

#include "common/queue/queue_ops.h"

#include <errno.h>
#include <hiredis.h>
#include <string.h>

/* ---- lists ---- */

static bool
is_text(const redisReply *r)
{
	return r->type == REDIS_REPLY_STRING || r->type == REDIS_REPLY_STATUS;
}

static const redisReply *
item(const struct queue_list *l, size_t i)
{
	return i < l->n ? l->reply->element[i] : NULL;
}

struct queue_text
queue_list_text(const struct queue_list *l, size_t i)
{
	const redisReply *r = item(l, i);

	if (r == NULL || !is_text(r))
		return queue_text("");
	return (struct queue_text){ .p = r->str, .n = (size_t)r->len };
}

struct queue_list
queue_list_of(const struct redisReply *reply)
{
	if (reply == NULL || reply->type != REDIS_REPLY_ARRAY)
		return (struct queue_list){ NULL, 0 };
	return (struct queue_list){ reply, reply->elements };
}

int64_t
queue_list_int(const struct queue_list *l, size_t i)
{
	const redisReply *r = item(l, i);

	return r != NULL && r->type == REDIS_REPLY_INTEGER ? r->integer : 0;
}

static struct queue_list
list_of(const redisReply *r)
{
	if (r == NULL || r->type != REDIS_REPLY_ARRAY)
		return (struct queue_list){ 0 };
	return (struct queue_list){ .reply = r, .n = r->elements };
}

struct queue_list
queue_list_list(const struct queue_list *l, size_t i)
{
	return list_of(item(l, i));
}

/* ---- one reader an operation; each gets the items after the word ---- */

struct reader {
	struct queue_list all;
	size_t next;
	bool is_bad;
};

static const redisReply *
take(struct reader *r, int type)
{
	const redisReply *v = item(&r->all, r->next++);

	if (v == NULL ||
	    (v->type != type && !(type == REDIS_REPLY_STRING && is_text(v)))) {
		r->is_bad = true;
		return NULL;
	}
	return v;
}

static int64_t
take_int(struct reader *r)
{
	const redisReply *v = take(r, REDIS_REPLY_INTEGER);

	return v == NULL ? 0 : v->integer;
}

static bool
take_bool(struct reader *r)
{
	return take_int(r) != 0;
}

static struct queue_text
take_text(struct reader *r)
{
	const redisReply *v = take(r, REDIS_REPLY_STRING);

	if (v == NULL)
		return queue_text("");
	return (struct queue_text){ .p = v->str, .n = (size_t)v->len };
}

static struct queue_list
take_list(struct reader *r)
{
	return list_of(take(r, REDIS_REPLY_ARRAY));
}

static void
read_begin(struct reader *r, struct queue_answer *a)
{
	if (a->word == QUEUE_REPUBLISHED) {
		a->publish.is_published = take_bool(r);
		return;
	}
	if (a->word != QUEUE_OK && a->word != QUEUE_CANCELLED && a->word != QUEUE_SPENT)
		return;
	a->begin.token = take_int(r);
	a->begin.attempts = take_int(r);
	a->begin.crashes = take_int(r);
	a->begin.suspicions = take_int(r);
	a->begin.retry_count = take_int(r);
	a->begin.run_ms = take_int(r);
	a->begin.first_ms = take_int(r);
	a->begin.now_ms = take_int(r);
	a->begin.base_token = take_int(r);
	a->begin.is_rerun = take_bool(r);
	a->begin.is_alone = take_bool(r);
	a->begin.has_family = take_bool(r);
	a->begin.asked_ms = take_int(r);
	a->begin.unanswered = take_int(r);
	a->begin.evidence = take_text(r);
	a->begin.payload = take_text(r);
	a->begin.journal = take_list(r);
}

static void
read_limit(struct reader *r, struct queue_answer *a)
{
	a->limit.wait_ms = take_int(r);
}

static void
read_finish(struct reader *r, struct queue_answer *a)
{
	if (a->word == QUEUE_OK)
		a->publish.is_published = take_bool(r);
}

static void
read_journal(struct reader *r, struct queue_answer *a)
{
	if (a->word == QUEUE_FENCED)
		return;
	a->journal.is_cancelled = take_bool(r);
	a->journal.len = take_int(r);
}

static void
read_reserve(struct reader *r, struct queue_answer *a)
{
	bool is_granted = a->word == QUEUE_OK || a->word == QUEUE_ALREADY;
	int64_t whose;

	if (!is_granted && a->word != QUEUE_WAIT && a->word != QUEUE_EXCEEDED)
		return;
	if (is_granted) {
		a->reserve.tokens = take_int(r);
		a->reserve.microusd = take_int(r);
	}
	whose = take_int(r);
	if (whose >= 0 && whose < QUEUE_BUDGET_COUNT)
		a->reserve.budget = (enum queue_budget)whose;
	a->reserve.is_money = take_int(r) == 2;
	if (!is_granted) {
		a->reserve.used = take_int(r);
		a->reserve.cap = take_int(r);
		a->reserve.reserved = take_int(r);
		a->reserve.renews_ms = take_int(r);
	}
}

static void
read_adopt(struct reader *r, struct queue_answer *a)
{
	if (a->word == QUEUE_OK)
		a->adopt.rows = take_list(r);
}

static void
read_beat(struct reader *r, struct queue_answer *a)
{
	a->beat.fenced = take_list(r);
}

static void
read_promote(struct reader *r, struct queue_answer *a)
{
	a->promote.moved = take_int(r);
	a->promote.next_ms = take_int(r);
}

static void
read_recover(struct reader *r, struct queue_answer *a)
{
	if (a->word != QUEUE_OK)
		return;
	a->recover.left = take_int(r);
	a->recover.is_newly_fenced = take_bool(r);
	a->recover.to_jobs = take_int(r);
	a->recover.to_alone = take_int(r);
	a->recover.to_dead = take_int(r);
}

static void
read_state(struct reader *r, struct queue_answer *a)
{
	a->state.what = take_text(r);
}

static void
read_meta(struct reader *r, struct queue_answer *a)
{
	a->state.what = take_text(r);
	a->state.present = take_text(r);
}

static void
read_page(struct reader *r, struct queue_answer *a)
{
	a->page.total = take_int(r);
	a->page.rows = take_list(r);
}

static void
read_stats(struct reader *r, struct queue_answer *a)
{
	a->stats.queued = take_int(r);
	a->stats.held = take_int(r);
	a->stats.delayed = take_int(r);
	a->stats.parked = take_int(r);
	a->stats.alone = take_int(r);
	a->stats.dead = take_int(r);
	a->stats.holders = take_int(r);
	a->stats.now_ms = take_int(r);
	a->stats.head_digest = take_text(r);
	a->stats.head_created_at = take_text(r);
	a->stats.counters = take_list(r);
	a->stats.paused_ms = take_int(r);
	a->stats.paused_by = take_text(r);
}

static void
read_refs(struct reader *r, struct queue_answer *a)
{
	a->scan.cursor = take_text(r);
	a->scan.ids = take_list(r);
}

static void
read_leftovers(struct reader *r, struct queue_answer *a)
{
	a->scan.cursor = take_text(r);
	a->scan.count = take_int(r);
}

static void
read_pause(struct reader *r, struct queue_answer *a)
{
	a->pause.since_ms = take_int(r);
	a->pause.by = take_text(r);
}

static void
read_survey(struct reader *r, struct queue_answer *a)
{
	a->survey.holders = take_list(r);
	a->survey.leftovers = take_list(r);
}

static void
read_job(struct reader *r, struct queue_answer *a)
{
	a->job.ttl_sec = take_int(r);
	a->job.journal_len = take_int(r);
	a->job.results = take_int(r);
	a->job.fields = take_list(r);
}

static void
read_session(struct reader *r, struct queue_answer *a)
{
	a->session.ttl_sec = take_int(r);
	a->session.turns = take_list(r);
}

static void
read_cache(struct reader *r, struct queue_answer *a)
{
	a->cache.text = take_text(r);
}

static void
read_use(struct reader *r, struct queue_answer *a)
{
	a->use.count = take_int(r);
	a->use.is_tool = take_bool(r);
}

static void
read_fsck(struct reader *r, struct queue_answer *a)
{
	a->fsck.rows = take_list(r);
}

static void
read_rights(struct reader *r, struct queue_answer *a)
{
	a->rights.first = take_text(r);
	a->rights.n_refused = take_int(r);
}

static void (*const readers[QUEUE_OP_COUNT])(struct reader *, struct queue_answer *) = {
	[QUEUE_OP_BEAT] = read_beat,
	[QUEUE_OP_ADOPT] = read_adopt,
	[QUEUE_OP_BEGIN] = read_begin,
	[QUEUE_OP_JOURNAL] = read_journal,
	[QUEUE_OP_RESERVE] = read_reserve,
	[QUEUE_OP_LIMIT_TAKE] = read_limit,
	[QUEUE_OP_FINISH] = read_finish,
	[QUEUE_OP_BURY] = read_finish,
	[QUEUE_OP_RESUME] = read_state,
	[QUEUE_OP_PROMOTE] = read_promote,
	[QUEUE_OP_RECOVER] = read_recover,
	[QUEUE_OP_CANCEL] = read_state,
	[QUEUE_OP_DEAD_PAGE] = read_page,
	[QUEUE_OP_DEAD_RETRY] = read_state,
	[QUEUE_OP_DEAD_DROP] = read_state,
	[QUEUE_OP_META] = read_meta,
	[QUEUE_OP_SESSION_READ] = read_session,
	[QUEUE_OP_CACHE_GET] = read_cache,
	[QUEUE_OP_USE] = read_use,
	[QUEUE_OP_PAUSE] = read_pause,
	[QUEUE_OP_REFS] = read_refs,
	[QUEUE_OP_LEFTOVERS] = read_leftovers,
	[QUEUE_OP_STATS] = read_stats,
	[QUEUE_OP_SURVEY] = read_survey,
	[QUEUE_OP_JOB_SHOW] = read_job,
	[QUEUE_OP_FSCK_JOB] = read_fsck,
	[QUEUE_OP_FSCK_HELD] = read_fsck,
	[QUEUE_OP_FSCK_KEY] = read_fsck,
	[QUEUE_OP_RIGHTS] = read_rights,
};

/* ---- errors ---- */

static const struct {
	const char *word;
	int code;
} error_words[] = {
	{ "NOSCRIPT", -ENOENT },
	{ "LOADING", -EAGAIN },
	{ "MISCONF", -EAGAIN },
	{ "OOM", -EAGAIN },
	{ "READONLY", -EAGAIN },
	{ "MASTERDOWN", -EAGAIN },
	{ "BUSY", -EAGAIN },
	{ "NOREPLICAS", -EAGAIN },
	{ "TRYAGAIN", -EAGAIN },
	{ "CLUSTERDOWN", -EAGAIN },
	{ "UNBLOCKED", -EAGAIN },
	{ "NOAUTH", -EACCES },
	{ "WRONGPASS", -EACCES },
	{ "NOPERM", -EACCES },
};

/* NOPERM of a command inside a script */
static const char script_refusal[] = "ERR The user executing the script can't ";

int
queue_reply_error(const struct redisReply *reply, struct err *err)
{
	size_t n;

	if (reply == NULL)
		return err_set(err, -EAGAIN, "Redis is away: the connection was lost");
	if (reply->type != REDIS_REPLY_ERROR)
		return 0;
	n = strcspn(reply->str, " ");
	for (size_t i = 0; i < ARRAY_LEN(error_words); i++) {
		int code = error_words[i].code;

		if (strlen(error_words[i].word) != n ||
		    strncmp(reply->str, error_words[i].word, n) != 0)
			continue;
		return err_set(err, code, "%s%s",
		    code == -EAGAIN ? "Redis is away: " : "", reply->str);
	}
	if (strncmp(reply->str, script_refusal, strlen(script_refusal)) == 0)
		return err_set(err, -EACCES, "%s", reply->str);
	return err_set(err, -EIO, "Redis: %s", reply->str);
}

static int
word_of(const redisReply *reply)
{
	struct queue_list all = list_of(reply);
	struct queue_text t = queue_list_text(&all, 0);

	for (int w = 0; w < QUEUE_WORD_COUNT; w++) {
		const char *name = queue_word_name((enum queue_word)w);

		if (strlen(name) == t.n && memcmp(name, t.p, t.n) == 0)
			return w;
	}
	return -EPROTO;
}

int
queue_parse(enum queue_op op, const struct redisReply *reply, struct queue_answer *out,
    struct err *err)
{
	struct queue_answer a = { 0 };
	struct reader r = { .all = list_of(reply), .next = 1 };
	int word = queue_reply_error(reply, err);

	if (word < 0)
		return word;
	word = word_of(reply);
	if (word < 0)
		return err_set(err, -EPROTO, "Redis: no answer of the script %s",
		    queue_op_name(op));
	a.word = (enum queue_word)word;
	if (readers[op] != NULL)
		readers[op](&r, &a);
	if (r.is_bad)
		return err_set(err, -EPROTO,
		    "Redis: the script %s answered %s in another form",
		    queue_op_name(op), queue_word_name(a.word));
	*out = a;
	return 0;
}
