/* SPDX-License-Identifier: MIT */
/*
 * queue_ops.c - the queue's operations as argument vectors.
 *
 * Owns:   nothing; a struct queue_command borrows its texts.
 * Called: by the worker's loop and by the synchronous client.
 * Fails:  never; too many arguments is a bug (ASSERT).
 */
#include "config.h"

#include "common/queue/queue_ops.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *
queue_op_name(enum queue_op op)
{
	return (unsigned)op < QUEUE_OP_COUNT ? queue_scripts[op].name : "unknown";
}

const char *
queue_word_name(enum queue_word word)
{
	static const char *const names[] = {
#define X(name) #name,
		QUEUE_WORDS(X)
#undef X
	};

	return (unsigned)word < QUEUE_WORD_COUNT ? names[word] : "unknown";
}

struct queue_text
queue_text(const char *s)
{
	return (struct queue_text){ .p = s == NULL ? "" : s,
		.n = s == NULL ? 0 : strlen(s) };
}

/* ---- building ---- */

static void
add(struct queue_command *c, const char *p, size_t n)
{
	ASSERT(c->argc < QUEUE_ARGS_MAX);
	c->argv[c->argc] = n == 0 ? "" : p;
	c->argvlen[c->argc] = n;
	c->argc++;
}

static void
add_text(struct queue_command *c, struct queue_text t)
{
	add(c, t.p, t.n);
}

static void
add_str(struct queue_command *c, const char *s)
{
	add_text(c, queue_text(s));
}

static void
add_bool(struct queue_command *c, bool b)
{
	add(c, b ? "1" : "0", 1);
}

static void
add_int(struct queue_command *c, int64_t i)
{
	char *text = c->numbers[c->n_numbers];

	ASSERT(c->n_numbers < QUEUE_NUMBERS_MAX);
	c->n_numbers++;
	add(c, text, (size_t)snprintf(text, sizeof(c->numbers[0]), "%" PRId64, i));
}

static void
start(struct queue_command *c, const struct queue_setup *q, enum queue_op op)
{
	c->op = op;
	c->argc = 0;
	c->n_numbers = 0;
	add_str(c, "EVALSHA");
	add(c, queue_scripts[op].sha, 40);
	add_str(c, "1");
	add_str(c, q->jobs);
	add_str(c, QUEUE_PREFIX);
	add_str(c, q->results_prefix);
}

static void
start_job(struct queue_command *c, const struct queue_setup *q, enum queue_op op,
    const struct queue_job_ref *job)
{
	start(c, q, op);
	add_str(c, job->holder);
	add_text(c, job->id);
	add_int(c, job->token);
}

static void
add_spent(struct queue_command *c, const struct queue_spent *spent)
{
	add_int(c, spent->turn);
	add_int(c, spent->tokens);
	add_int(c, spent->microusd);
}

void
queue_command_as_eval(struct queue_command *c)
{
	const struct queue_script *script = &queue_scripts[c->op];

	c->argv[0] = "EVAL";
	c->argvlen[0] = 4;
	c->argv[1] = script->text;
	c->argvlen[1] = script->len;
}

void
queue_command_load(struct queue_command *c, enum queue_op op)
{
	c->op = op;
	c->argc = 0;
	c->n_numbers = 0;
	add_str(c, "SCRIPT");
	add_str(c, "LOAD");
	add(c, queue_scripts[op].text, queue_scripts[op].len);
}

/* ---- one function an operation; the order of arguments stands in each script ---- */

void
queue_cmd_register(struct queue_command *c, const struct queue_setup *q,
    const char *holder, uint64_t beat)
{
	start(c, q, QUEUE_OP_REGISTER);
	add_str(c, holder);
	add_int(c, (int64_t)beat);
}

void
queue_cmd_beat(struct queue_command *c, const struct queue_setup *q, uint64_t beat,
    const char *holders, size_t n)
{
	start(c, q, QUEUE_OP_BEAT);
	add_int(c, (int64_t)beat);
	add(c, holders, n);
}

void
queue_cmd_adopt(struct queue_command *c, const struct queue_setup *q,
    const char *holder, uint64_t from, uint64_t count)
{
	start(c, q, QUEUE_OP_ADOPT);
	add_str(c, holder);
	add_int(c, (int64_t)from);
	add_int(c, (int64_t)count);
}

void
queue_cmd_begin(struct queue_command *c, const struct queue_setup *q,
    const struct queue_begin *b)
{
	start(c, q, QUEUE_OP_BEGIN);
	add_str(c, b->holder);
	add_bool(c, b->is_id);
	add_text(c, b->element);
	add_text(c, b->id);
	add_int(c, (int64_t)b->claim);
	add_text(c, b->digest);
	add_int(c, b->retry_count);
	add_int(c, b->min_token);
	add_int(c, q->max_attempts);
	add_int(c, q->max_crashes);
	add_int(c, QUEUE_MAX_SUSPICIONS);
	add_int(c, q->result_ttl_sec);
	add_str(c, q->completion_queue);
}

void
queue_cmd_journal(struct queue_command *c, const struct queue_setup *q,
    const struct queue_job_ref *job, int64_t index, struct queue_text record,
    const struct queue_spent *spent)
{
	start_job(c, q, QUEUE_OP_JOURNAL, job);
	add_int(c, index);
	add_text(c, record);
	if (spent != NULL)
		add_spent(c, spent);
	else
		add_str(c, "");
}

void
queue_cmd_reserve(struct queue_command *c, const struct queue_setup *q,
    const struct queue_job_ref *job, const struct queue_reserve *r)
{
	start_job(c, q, QUEUE_OP_RESERVE, job);
	add_int(c, r->turn);
	add_text(c, r->owner);
	add_int(c, r->day_tokens);
	add_int(c, r->day_microusd);
	add_int(c, r->want_tokens);
	add_int(c, r->want_microusd);
	add_int(c, r->least_tokens);
	add_int(c, r->least_microusd);
}

void
queue_cmd_settle(struct queue_command *c, const struct queue_setup *q,
    const struct queue_job_ref *job, const struct queue_spent *spent)
{
	start_job(c, q, QUEUE_OP_SETTLE, job);
	add_spent(c, spent);
}

static void
add_told(struct queue_command *c, const struct queue_told *t)
{
	add_int(c, t->limit);
	add_int(c, t->remaining);
	add_int(c, t->full_ms);
}

void
queue_cmd_limit_take(struct queue_command *c, const struct queue_setup *q,
    const struct queue_limit *limit, uint64_t tokens)
{
	start(c, q, QUEUE_OP_LIMIT_TAKE);
	add_str(c, limit->name);
	add_text(c, limit->call);
	add_int(c, (int64_t)tokens);
	add_bool(c, limit->is_batch);
	add_int(c, limit->batch_permille);
	add_int(c, limit->requests_per_minute);
	add_int(c, limit->tokens_per_minute);
}

void
queue_cmd_limit_note(struct queue_command *c, const struct queue_setup *q,
    const struct queue_limit *limit, uint64_t used_tokens,
    const struct queue_told *requests, const struct queue_told *tokens,
    uint64_t closed_ms)
{
	start(c, q, QUEUE_OP_LIMIT_NOTE);
	add_str(c, limit->name);
	add_text(c, limit->call);
	add_int(c, (int64_t)used_tokens);
	add_int(c, limit->batch_permille);
	add_int(c, limit->requests_per_minute);
	add_int(c, limit->tokens_per_minute);
	add_told(c, requests);
	add_told(c, tokens);
	add_int(c, (int64_t)closed_ms);
}

void
queue_cmd_probe(struct queue_command *c, const struct queue_setup *q,
    const char *provider, const char *holder, int64_t sec)
{
	start(c, q, QUEUE_OP_PROBE);
	add_str(c, provider);
	add_str(c, holder);
	add_int(c, sec);
}

void
queue_cmd_spawn(struct queue_command *c, const struct queue_setup *q,
    const struct queue_job_ref *job, const struct queue_spawn *s)
{
	start_job(c, q, QUEUE_OP_SPAWN, job);
	add_text(c, s->child);
	add_text(c, s->payload);
	add_int(c, s->cap_tokens);
	add_int(c, s->cap_microusd);
	add_int(c, s->used_tokens);
	add_int(c, s->used_microusd);
}

void
queue_cmd_journal_reset(struct queue_command *c, const struct queue_setup *q,
    const struct queue_job_ref *job)
{
	start_job(c, q, QUEUE_OP_JOURNAL_RESET, job);
}

void
queue_cmd_finish(struct queue_command *c, const struct queue_setup *q,
    const struct queue_job_ref *job, bool is_failed, struct queue_text message)
{
	start_job(c, q, QUEUE_OP_FINISH, job);
	add_str(c, is_failed ? "failed" : "done");
	add_text(c, message);
	add_int(c, q->result_ttl_sec);
	add_str(c, q->completion_queue);
}

void
queue_cmd_bury(struct queue_command *c, const struct queue_setup *q,
    const struct queue_job_ref *job, struct queue_text message,
    struct queue_text reason, struct queue_text detail)
{
	start_job(c, q, QUEUE_OP_BURY, job);
	add_text(c, message);
	add_int(c, q->result_ttl_sec);
	add_str(c, q->completion_queue);
	add_text(c, reason);
	add_text(c, detail);
}

void
queue_cmd_add_session(struct queue_command *c, const struct queue_session_turn *t)
{
	ASSERT(c->op == QUEUE_OP_FINISH || c->op == QUEUE_OP_BURY);
	add_text(c, t->key);
	add_text(c, t->turn);
	add_int(c, t->at_ms);
	add_int(c, t->ttl_sec);
	add_int(c, t->max_turns);
}

void
queue_cmd_session_read(struct queue_command *c, const struct queue_setup *q,
    struct queue_text key)
{
	start(c, q, QUEUE_OP_SESSION_READ);
	add_text(c, key);
}

void
queue_cmd_cache_get(struct queue_command *c, const struct queue_setup *q,
    struct queue_text key)
{
	start(c, q, QUEUE_OP_CACHE_GET);
	add_text(c, key);
}

void
queue_cmd_cache_put(struct queue_command *c, const struct queue_setup *q,
    struct queue_text key, struct queue_text text, int64_t ttl_sec)
{
	start(c, q, QUEUE_OP_CACHE_PUT);
	add_text(c, key);
	add_text(c, text);
	add_int(c, ttl_sec);
}

void
queue_cmd_use(struct queue_command *c, const struct queue_setup *q,
    struct queue_text key, struct queue_text job_id, int64_t ttl_sec, bool is_mark)
{
	start(c, q, QUEUE_OP_USE);
	add_text(c, key);
	add_text(c, job_id);
	add_int(c, ttl_sec);
	add_bool(c, is_mark);
}

void
queue_cmd_retry(struct queue_command *c, const struct queue_setup *q,
    const struct queue_job_ref *job, int64_t delay_ms, struct queue_text why,
    int64_t ran_ms)
{
	start_job(c, q, QUEUE_OP_RETRY, job);
	add_int(c, delay_ms);
	add_text(c, why);
	add_int(c, ran_ms);
}

void
queue_cmd_release(struct queue_command *c, const struct queue_setup *q,
    const struct queue_job_ref *job, int64_t delay_ms, struct queue_text why,
    int64_t ran_ms)
{
	start_job(c, q, QUEUE_OP_RELEASE, job);
	add_int(c, delay_ms);
	add_text(c, why);
	add_int(c, ran_ms);
}

void
queue_cmd_add_unanswered(struct queue_command *c, bool are_others_answered)
{
	ASSERT(c->op == QUEUE_OP_RELEASE);
	add_bool(c, are_others_answered);
}

void
queue_cmd_unclaim(struct queue_command *c, const struct queue_setup *q,
    const char *holder, struct queue_text element, bool is_id)
{
	start(c, q, QUEUE_OP_UNCLAIM);
	add_str(c, holder);
	add_text(c, element);
	add_bool(c, is_id);
}

void
queue_cmd_park(struct queue_command *c, const struct queue_setup *q,
    const struct queue_job_ref *job, struct queue_text why, int64_t ran_ms)
{
	start_job(c, q, QUEUE_OP_PARK, job);
	add_text(c, why);
	add_int(c, ran_ms);
}

void
queue_cmd_resume(struct queue_command *c, const struct queue_setup *q,
    struct queue_text id)
{
	start(c, q, QUEUE_OP_RESUME);
	add_text(c, id);
}

void
queue_cmd_promote(struct queue_command *c, const struct queue_setup *q)
{
	start(c, q, QUEUE_OP_PROMOTE);
}

static const char *const blames[QUEUE_BLAME_COUNT] = {
	[QUEUE_BLAME_NONE] = "none",
	[QUEUE_BLAME_CULPRIT] = "culprit",
	[QUEUE_BLAME_PAYLOAD] = "payload",
	[QUEUE_BLAME_UNKNOWN] = "unknown",
};

const char *
queue_blame_name(enum queue_blame blame)
{
	return blames[blame];
}

void
queue_cmd_recover(struct queue_command *c, const struct queue_setup *q,
    const struct queue_recover *r)
{
	start(c, q, QUEUE_OP_RECOVER);
	add_str(c, r->holder);
	add_bool(c, r->is_told);
	add_str(c, r->seen_beat);
	add_str(c, blames[r->blame]);
	add_text(c, r->culprit);
	add_text(c, r->evidence);
	add_int(c, q->max_crashes);
	add_int(c, QUEUE_MAX_SUSPICIONS);
	add_bool(c, r->may_bury);
}

void
queue_cmd_cancel(struct queue_command *c, const struct queue_setup *q,
    struct queue_text id)
{
	start(c, q, QUEUE_OP_CANCEL);
	add_text(c, id);
}

void
queue_cmd_dead_payload(struct queue_command *c, const struct queue_setup *q,
    const char *holder, struct queue_text raw, struct queue_text reason,
    struct queue_text detail)
{
	start(c, q, QUEUE_OP_DEAD_PAYLOAD);
	add_str(c, holder);
	add_text(c, raw);
	add_text(c, reason);
	add_text(c, detail);
}

void
queue_cmd_dead_page(struct queue_command *c, const struct queue_setup *q, uint64_t from,
    uint64_t count)
{
	start(c, q, QUEUE_OP_DEAD_PAGE);
	add_int(c, (int64_t)from);
	add_int(c, (int64_t)count);
}

void
queue_cmd_dead_retry(struct queue_command *c, const struct queue_setup *q,
    struct queue_text element)
{
	start(c, q, QUEUE_OP_DEAD_RETRY);
	add_text(c, element);
}

void
queue_cmd_dead_drop(struct queue_command *c, const struct queue_setup *q,
    struct queue_text element)
{
	start(c, q, QUEUE_OP_DEAD_DROP);
	add_text(c, element);
}

void
queue_cmd_meta(struct queue_command *c, const struct queue_setup *q,
    const char *store_id)
{
	start(c, q, QUEUE_OP_META);
	add_int(c, QUEUE_PROTOCOL);
	add_str(c, store_id);
}

void
queue_cmd_rights(struct queue_command *c, const struct queue_setup *q,
    const char *lines)
{
	start(c, q, QUEUE_OP_RIGHTS);
	add_str(c, lines);
	add_str(c, q->completion_queue);
}

void
queue_cmd_pause(struct queue_command *c, const struct queue_setup *q, bool is_paused,
    const char *by)
{
	start(c, q, QUEUE_OP_PAUSE);
	add_bool(c, is_paused);
	add_str(c, by);
}

void
queue_cmd_take(struct queue_command *c, const struct queue_setup *q, const char *holder,
    struct queue_text id)
{
	start(c, q, QUEUE_OP_TAKE);
	add_str(c, holder);
	add_text(c, id);
}

void
queue_cmd_refs(struct queue_command *c, const struct queue_setup *q, const char *cursor)
{
	start(c, q, QUEUE_OP_REFS);
	add_str(c, cursor);
}

void
queue_cmd_leftovers(struct queue_command *c, const struct queue_setup *q,
    const char *cursor, int64_t age_ms, bool is_dry_run)
{
	start(c, q, QUEUE_OP_LEFTOVERS);
	add_str(c, cursor);
	add_int(c, age_ms);
	add_bool(c, is_dry_run);
}

void
queue_cmd_purge_due(struct queue_command *c, const struct queue_setup *q,
    int64_t every_ms)
{
	start(c, q, QUEUE_OP_PURGE_DUE);
	add_int(c, every_ms);
}

void
queue_cmd_stats(struct queue_command *c, const struct queue_setup *q)
{
	start(c, q, QUEUE_OP_STATS);
}

void
queue_cmd_survey(struct queue_command *c, const struct queue_setup *q)
{
	start(c, q, QUEUE_OP_SURVEY);
}

void
queue_cmd_job_show(struct queue_command *c, const struct queue_setup *q,
    struct queue_text id)
{
	start(c, q, QUEUE_OP_JOB_SHOW);
	add_text(c, id);
}

void
queue_cmd_fsck_job(struct queue_command *c, const struct queue_setup *q, bool repair,
    struct queue_text id)
{
	start(c, q, QUEUE_OP_FSCK_JOB);
	add_bool(c, repair);
	add_text(c, id);
	add_int(c, q->result_ttl_sec);
}

void
queue_cmd_fsck_held(struct queue_command *c, const struct queue_setup *q, bool repair,
    struct queue_text holder)
{
	start(c, q, QUEUE_OP_FSCK_HELD);
	add_bool(c, repair);
	add_text(c, holder);
}

void
queue_cmd_fsck_key(struct queue_command *c, const struct queue_setup *q, bool repair,
    const char *kind, struct queue_text key, struct queue_text id)
{
	start(c, q, QUEUE_OP_FSCK_KEY);
	add_bool(c, repair);
	add_str(c, kind);
	add_text(c, key);
	add_text(c, id);
	add_int(c, q->result_ttl_sec);
}
