/* SPDX-License-Identifier: MIT */
/*
 * job.c - agentctl job and cancel: one job as the queue knows it.
 *
 * Owns:   nothing.
 * Called: by main.c.
 * Fails:  a job that neither the queue nor the store knows is CTL_NOT_FOUND, for cancel
 *         none: an id may be cancelled before its job comes.
 */
#include "config.h"

#include "common/clock.h"
#include "common/queue/queue_stats.h"
#include "ctl/ctl.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

enum kind {
	KIND_NUMBER,
	KIND_TIME,
	KIND_DURATION
};

/* The numbers of struct queue_job that people ask for, in this order. */
static const struct {
	const char *name;  /* for programs */
	const char *label; /* for people; NULL: not shown */
	enum kind kind;
	size_t offset;
} numbers[] = {
#define ROW(name, label, kind)                         \
 {                                                     \
#  name, label, kind, offsetof(struct queue_job, name) \
 }
	ROW(token, "token", KIND_NUMBER),
	ROW(attempts, "attempts", KIND_NUMBER),
	ROW(crashes, "crashes", KIND_NUMBER),
	ROW(suspicions, "suspicions", KIND_NUMBER),
	ROW(retry_count, "retry count", KIND_NUMBER),
	ROW(first_ms, "first begun", KIND_TIME),
	ROW(begun_ms, "last begun", KIND_TIME),
	ROW(due_ms, "due", KIND_TIME),
	ROW(done_ms, "ended", KIND_TIME),
	ROW(run_ms, "ran", KIND_DURATION),
	ROW(journal_len, "journal records", KIND_NUMBER),
	ROW(results_waiting, "results waiting", KIND_NUMBER),
	ROW(ttl_sec, NULL, KIND_NUMBER),
#undef ROW
};

static int64_t
number_of(const struct queue_job *j, size_t row)
{
	int64_t i;

	memcpy(&i, (const char *)j + numbers[row].offset, sizeof(i));
	return i;
}

/* NULL for a time that never was and a duration of nothing. */
static const char *
render(struct ctl *ctl, int64_t i, enum kind kind)
{
	char text[CLOCK_ISO_MAX];

	if (kind != KIND_NUMBER && i <= 0)
		return NULL;
	if (kind == KIND_TIME)
		(void)clock_iso(i, text);
	else if (kind == KIND_DURATION)
		(void)ctl_duration(i, text);
	else
		(void)snprintf(text, sizeof(text), "%lld", (long long)i);
	return arena_strndup(ctl->arena, text, strlen(text));
}

static const char *
or_none(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

static void
show_job(struct ctl *ctl, struct buf *out, const struct queue_job *j)
{
	struct ctl_fact facts[ARRAY_LEN(numbers) + 8] = {
		{ "job", ctl->args.words[0] },
		{ "state", j->state[0] != '\0' ? j->state : "not begun" },
		{ "holder", or_none(j->holder) },
		{ "cancelled", j->is_cancelled ? "yes" : NULL },
		{ "runs alone", j->is_alone ? "yes" : NULL },
		{ "why", or_none(j->why) },
		{ "evidence", or_none(j->evidence) },
	};
	char expires[32];
	size_t n = 7;

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (numbers[i].label != NULL)
			facts[n++] = (struct ctl_fact){ numbers[i].label,
				render(ctl, number_of(j, i), numbers[i].kind) };
	if (j->ttl_sec >= 0)
		facts[n++] = (struct ctl_fact){ "forgotten in",
			ctl_duration(j->ttl_sec * 1000, expires) };
	ctl_show_facts(ctl, out, facts, n);
}

static void
write_text(struct json_writer *w, const char *name, const char *text)
{
	jw_key(w, name);
	jw_cstr(w, text);
}

static void
write_job(struct ctl *ctl, struct buf *out, const struct queue_job *j)
{
	struct json_writer w;

	jw_init(&w, out);
	jw_object_begin(&w);
	write_text(&w, "job_id", ctl->args.words[0]);
	write_text(&w, "state", j->state);
	write_text(&w, "holder", j->holder);
	write_text(&w, "why", j->why);
	write_text(&w, "evidence", j->evidence);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		jw_key(&w, numbers[i].name);
		jw_int(&w, number_of(j, i));
	}
	jw_key(&w, "is_cancelled");
	jw_bool(&w, j->is_cancelled);
	jw_key(&w, "is_alone");
	jw_bool(&w, j->is_alone);
	jw_object_end(&w);
	buf_addc(out, '\n');
}

/* ---- a job that only the store knows ---- */

static void
write_stored(struct buf *out, const struct store_result *r, const char *ref)
{
	struct json_writer w;

	jw_init(&w, out);
	jw_object_begin(&w);
	write_text(&w, "job_id", r->job_id);
	write_text(&w, "state",
	    strcmp(r->status, "completed") == 0 ? "done" : "failed");
	write_text(&w, "result_ref", ref);
	write_text(&w, "owner", r->owner);
	jw_key(&w, "token");
	jw_int(&w, r->token);
	jw_key(&w, "done_ms");
	jw_int(&w, r->completed_at_ms);
	jw_object_end(&w);
	buf_addc(out, '\n');
}

static void
show_stored(struct ctl *ctl, struct buf *out, const struct store_result *r,
    const char *ref)
{
	const struct ctl_fact facts[] = {
		{ "job", r->job_id },
		{ "state", strcmp(r->status, "completed") == 0 ? "done" : "failed" },
		{ "token", render(ctl, r->token, KIND_NUMBER) },
		{ "ended", render(ctl, r->completed_at_ms, KIND_TIME) },
		{ "owner", or_none(r->owner) },
		{ "result", ref },
	};

	ctl_show_facts(ctl, out, facts, ARRAY_LEN(facts));
}

static int
look_in_store(struct ctl *ctl)
{
	CLEANUP(store_result_release) struct store_result r = STORE_RESULT_INIT;
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct err err = ERR_INIT;
	char ref[STORE_REF_MAX];
	int code, status = ctl_need_store(ctl);

	if (status != CTL_OK)
		return status;
	code = store_get_by_job(ctl->store, ctl->args.words[0], 0, &r, &err);
	if (code == -ENOENT)
		return ctl_fail(CTL_NOT_FOUND,
		    "job %s does not exist, or has not been begun", ctl->args.words[0]);
	if (code < 0)
		return ctl_fail_code(code, &err);
	ctl_result_ref(&r, ref);
	if (ctl->is_json)
		write_stored(&out, &r, ref);
	else
		show_stored(ctl, &out, &r, ref);
	return ctl_put(&out);
}

int
ctl_job(struct ctl *ctl)
{
	CLEANUP(queue_job_release) struct queue_job job = { .state = "" };
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct err err = ERR_INIT;
	int r = ctl_need_redis(ctl);

	if (r != CTL_OK)
		return r;
	r = queue_job_read(ctl->redis, &ctl->queue, queue_text(ctl->args.words[0]),
	    &job, &err);
	if (r == -ENOENT)
		return look_in_store(ctl);
	if (r < 0)
		return ctl_fail_code(r, &err);
	if (ctl->is_json)
		write_job(ctl, &out, &job);
	else
		show_job(ctl, &out, &job);
	return ctl_put(&out);
}

/* ---- cancel ---- */

/* What became of the wish to cancel one job. */
enum wish {
	WISH_RUNNING, /* its worker was told */
	WISH_WAITING, /* it stood in the queue, or somewhere else to wait */
	WISH_UNSEEN,  /* nothing is known of the id; should it come, it ends at once */
	WISH_ENDED,   /* too late */
	WISH_COUNT
};

static const struct {
	const char *name; /* for programs */
	const char *text; /* for people */
} wishes[WISH_COUNT] = {
	[WISH_RUNNING] = { "stopping", "is stopped" },
	[WISH_WAITING] = { "cancelled", "ends without running" },
	[WISH_UNSEEN] = { "unseen",
	    "is not known here; if it comes, it ends without running" },
	[WISH_ENDED] = { "ended", "has ended already" },
};

/* Redis forgets ended jobs after a time; the store does not. A store that cannot be asked
   keeps nobody from cancelling. */
static bool
has_ended_long_ago(struct ctl *ctl, const char *id)
{
	CLEANUP(store_result_release) struct store_result r = STORE_RESULT_INIT;
	CLEANUP(queue_job_release) struct queue_job job = { .state = "" };
	struct err err = ERR_INIT;

	return queue_job_read(ctl->redis, &ctl->queue, queue_text(id), &job, &err) ==
	    -ENOENT &&
	    ctl_open_store(ctl, &err) == CTL_OK &&
	    store_get_by_job(ctl->store, id, 0, &r, &err) == 0;
}

/* state: where the job was. 0, or a negative errno. */
static int
cancel_one(struct ctl *ctl, const char *id, enum wish *wish, char state[16],
    struct err *err)
{
	int r;

	*wish = WISH_ENDED;
	state[0] = '\0';
	if (has_ended_long_ago(ctl, id))
		return 0;
	r = queue_cancel(ctl->redis, &ctl->queue, queue_text(id), state, err);
	if (r == -EALREADY)
		return 0;
	if (r == 0)
		*wish = strcmp(state, "held") == 0 ? WISH_RUNNING
		    : state[0] != '\0'             ? WISH_WAITING
						   : WISH_UNSEEN;
	return r;
}

static void
write_wish(struct ctl *ctl, struct buf *out, const char *id, enum wish wish,
    const char *state)
{
	struct json_writer w;

	if (!ctl->is_json && wish == WISH_ENDED) {
		ctl_warn("job %s %s", id, wishes[wish].text);
		return;
	}
	if (!ctl->is_json) {
		buf_addf(out, "job %s %s\n", id, wishes[wish].text);
		return;
	}
	jw_init(&w, out);
	jw_object_begin(&w);
	write_text(&w, "job_id", id);
	write_text(&w, "state", state);
	write_text(&w, "cancel", wishes[wish].name);
	jw_object_end(&w);
	buf_addc(out, '\n');
}

/* All are tried; a job that has ended makes the status CTL_FAILED. */
int
ctl_cancel(struct ctl *ctl)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	int status = ctl_need_redis(ctl), shown;

	if (status != CTL_OK)
		return status;
	for (size_t i = 0; i < ctl->args.n_words; i++) {
		const char *id = ctl->args.words[i];
		struct err err = ERR_INIT;
		enum wish wish;
		char state[16];
		int r = cancel_one(ctl, id, &wish, state, &err);

		if (r < 0) {
			status = ctl_fail_code(r, &err);
			break;
		}
		if (wish == WISH_ENDED)
			status = CTL_FAILED;
		write_wish(ctl, &out, id, wish, state);
	}
	shown = ctl_put(&out);
	return status != CTL_OK ? status : shown;
}
