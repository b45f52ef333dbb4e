/* SPDX-License-Identifier: MIT */
/*
 * job.c - agentctl job and cancel: one job as the queue knows it.
 *
 * Owns:   nothing.
 * Called: by main.c.
 * Fails:  a job that neither the queue nor the store knows is CTL_NOT_FOUND.
 */
#include "config.h"

#include "common/clock.h"
#include "ctl/ctl.h"

#include <errno.h>
#include <string.h>

enum kind {
	KIND_TEXT,
	KIND_NUMBER,
	KIND_TIME,
	KIND_DURATION
};

/* The fields of the job's hash that people ask for, in this order. */
static const struct {
	const char *field;
	const char *label;
	enum kind kind;
} known[] = {
	{ "state", "state", KIND_TEXT },
	{ "holder", "holder", KIND_TEXT },
	{ "token", "token", KIND_NUMBER },
	{ "attempts", "attempts", KIND_NUMBER },
	{ "crashes", "crashes", KIND_NUMBER },
	{ "suspicions", "suspicions", KIND_NUMBER },
	{ "retry_count", "retry count", KIND_NUMBER },
	{ "first_ms", "first begun", KIND_TIME },
	{ "begun_ms", "last begun", KIND_TIME },
	{ "due_ms", "due", KIND_TIME },
	{ "done_ms", "ended", KIND_TIME },
	{ "run_ms", "ran before", KIND_DURATION },
	{ "cancel", "cancelled", KIND_TIME },
	{ "why", "waits because", KIND_TEXT },
	{ "evidence", "evidence", KIND_TEXT },
};

static const char *
find_field(struct ctl *ctl, const struct queue_list *fields, const char *name)
{
	for (size_t i = 0; i + 1 < fields->n; i += 2) {
		struct queue_text key = queue_list_text(fields, i);
		struct queue_text value = queue_list_text(fields, i + 1);

		if (key.n == strlen(name) && memcmp(key.p, name, key.n) == 0)
			return arena_strndup(ctl->arena, value.p, value.n);
	}
	return NULL;
}

/* The text for people; NULL stays NULL. */
static const char *
render(struct ctl *ctl, const char *value, enum kind kind)
{
	char text[CLOCK_ISO_MAX];

	if (value == NULL || value[0] == '\0')
		return NULL;
	if (kind == KIND_TIME)
		(void)clock_iso(strtoll(value, NULL, 10), text);
	else if (kind == KIND_DURATION)
		(void)ctl_duration(strtoll(value, NULL, 10), text);
	else
		return value;
	return arena_strndup(ctl->arena, text, strlen(text));
}

static int
show_job(struct ctl *ctl, const struct queue_answer *a)
{
	struct ctl_fact facts[ARRAY_LEN(known) + 4] = { { "job", ctl->args.words[0] } };
	CLEANUP_BUF struct buf out = BUF_INIT;
	char journal[24], results[24], expires[32];
	size_t n = 1;

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		facts[n++] = (struct ctl_fact){ known[i].label,
			render(ctl, find_field(ctl, &a->job.fields, known[i].field),
			    known[i].kind) };
	(void)snprintf(journal, sizeof(journal), "%lld", (long long)a->job.journal_len);
	(void)snprintf(results, sizeof(results), "%lld", (long long)a->job.results);
	facts[n++] = (struct ctl_fact){ "journal records", journal };
	facts[n++] = (struct ctl_fact){ "results waiting", results };
	if (a->job.ttl_sec >= 0)
		facts[n++] = (struct ctl_fact){ "forgotten in",
			ctl_duration(a->job.ttl_sec * 1000, expires) };
	ctl_show_facts(&out, facts, n);
	return ctl_put(&out);
}

static bool
is_number_field(const struct queue_text *name)
{
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (known[i].kind != KIND_TEXT && strlen(known[i].field) == name->n &&
		    memcmp(known[i].field, name->p, name->n) == 0)
			return true;
	return false;
}

static void
write_field(struct json_writer *w, struct queue_text name, struct queue_text value)
{
	CLEANUP_BUF struct buf key = BUF_INIT;
	struct json number = { .type = JSON_NUMBER };
	int64_t i;

	buf_add(&key, name.p, name.n);
	jw_key(w, buf_str(&key));
	number.text = value.p;
	number.len = (uint32_t)value.n;
	if (is_number_field(&name) && json_int64(&number, &i) == 0)
		jw_int(w, i);
	else
		jw_string(w, value.p, value.n);
}

static int
write_job(struct ctl *ctl, const struct queue_answer *a)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct json_writer w;

	jw_init(&w, &out);
	jw_object_begin(&w);
	jw_key(&w, "job_id");
	jw_cstr(&w, ctl->args.words[0]);
	for (size_t i = 0; i + 1 < a->job.fields.n; i += 2)
		write_field(&w, queue_list_text(&a->job.fields, i),
		    queue_list_text(&a->job.fields, i + 1));
	jw_key(&w, "journal_len");
	jw_int(&w, a->job.journal_len);
	jw_key(&w, "results_waiting");
	jw_int(&w, a->job.results);
	jw_key(&w, "ttl_sec");
	jw_int(&w, a->job.ttl_sec);
	jw_object_end(&w);
	buf_addc(&out, '\n');
	return ctl_put(&out);
}

/* The queue has forgotten the job, or never had it: what does the store say? */
static int
show_stored(struct ctl *ctl)
{
	struct store_result r = STORE_RESULT_INIT;
	CLEANUP_BUF struct buf out = BUF_INIT;
	char ref[STORE_REF_MAX], ended[CLOCK_ISO_MAX];
	struct err err = ERR_INIT;
	struct json_writer w;
	int code, status = ctl_need_store(ctl);

	if (status != CTL_OK)
		return status;
	code = store_get_by_job(ctl->store, ctl->args.words[0], 0, &r, &err);
	if (code == -ENOENT)
		return ctl_fail(CTL_NOT_FOUND,
		    "job %s has not been begun, or does not exist", ctl->args.words[0]);
	if (code < 0)
		return ctl_fail_code(code, &err);
	ctl_result_ref(&r, ref);
	(void)clock_iso(r.completed_at_ms, ended);
	if (ctl->is_json) {
		const char *const names[] = { "job_id", "state", "result_ref",
			"owner" };
		const char *const values[] = { r.job_id, r.status, ref, r.owner };

		jw_init(&w, &out);
		jw_object_begin(&w);
		for (size_t i = 0; i < ARRAY_LEN(names); i++) {
			jw_key(&w, names[i]);
			jw_cstr(&w, values[i]);
		}
		jw_key(&w, "done_ms");
		jw_int(&w, r.completed_at_ms);
		jw_object_end(&w);
		buf_addc(&out, '\n');
	} else {
		const struct ctl_fact facts[] = { { "job", r.job_id },
			{ "state", r.status }, { "ended", ended }, { "result", ref },
			{ "owner", r.owner[0] != '\0' ? r.owner : NULL } };

		ctl_show_facts(&out, facts, ARRAY_LEN(facts));
	}
	store_result_release(&r);
	return ctl_put(&out);
}

int
ctl_job(struct ctl *ctl)
{
	CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
	struct queue_answer answer;
	struct queue_command c;
	int r = ctl_need_redis(ctl);

	if (r != CTL_OK)
		return r;
	queue_cmd_job_show(&c, &ctl->queue, queue_text(ctl->args.words[0]));
	r = ctl_queue(ctl, &c, &reply, &answer);
	if (r != CTL_OK)
		return r;
	if (answer.job.fields.n == 0)
		return show_stored(ctl);
	return ctl->is_json ? write_job(ctl, &answer) : show_job(ctl, &answer);
}

int
ctl_cancel(struct ctl *ctl)
{
	CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
	CLEANUP_BUF struct buf out = BUF_INIT;
	const char *id = ctl->args.words[0];
	struct queue_answer answer;
	struct queue_command c;
	struct json_writer w;
	bool was_ended;
	int r = ctl_need_redis(ctl);

	if (r != CTL_OK)
		return r;
	queue_cmd_cancel(&c, &ctl->queue, queue_text(id));
	r = ctl_queue(ctl, &c, &reply, &answer);
	if (r != CTL_OK)
		return r;
	was_ended = answer.word == QUEUE_FINISHED;
	if (ctl->is_json) {
		jw_init(&w, &out);
		jw_object_begin(&w);
		jw_key(&w, "job_id");
		jw_cstr(&w, id);
		jw_key(&w, "is_cancelled");
		jw_bool(&w, !was_ended);
		jw_key(&w, "state");
		jw_string(&w, answer.state.what.p, answer.state.what.n);
		jw_object_end(&w);
		buf_addc(&out, '\n');
	} else if (!was_ended) {
		buf_addf(&out, "job %s will end as cancelled (it was %.*s)\n", id,
		    answer.state.what.n > 0 ? (int)answer.state.what.n : 13,
		    answer.state.what.n > 0 ? answer.state.what.p : "not begun yet");
	}
	if (was_ended && !ctl->is_json)
		return ctl_fail(CTL_FAILED, "job %s has ended already (%.*s)", id,
		    (int)answer.state.what.n, answer.state.what.p);
	r = ctl_put(&out);
	return was_ended ? CTL_FAILED : r;
}
