/* SPDX-License-Identifier: MIT */
/*
 * queue_stats.c - counts, one job's fields, cancel and resume, for operators.
 *
 * Owns:   the texts of struct queue_job.
 * Called: by the scheduler's gauges and by agentctl.
 * Fails:  as the client does.
 */
#include "config.h"

#include "common/queue/queue_stats.h"

#include "common/clock.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static void
copy_text(char *out, size_t size, struct queue_text t)
{
	(void)snprintf(out, size, "%.*s", (int)(t.n < size ? t.n : size - 1), t.p);
}

int
queue_stats_read(struct redis_sync *s, const struct queue_setup *q,
    struct queue_stats *out, struct err *err)
{
	CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
	struct queue_command c;
	struct queue_answer a;
	int64_t created_ms;
	int r;

	queue_cmd_stats(&c, q);
	r = queue_run(s, &c, &reply, &a, err);
	if (r < 0)
		return r;
	*out = (struct queue_stats){ .queued = a.stats.queued,
		.held = a.stats.held,
		.delayed = a.stats.delayed,
		.parked = a.stats.parked,
		.alone = a.stats.alone,
		.dead = a.stats.dead,
		.holders = a.stats.holders,
		.oldest_ms = -1,
		.paused_ms = a.stats.paused_ms };
	copy_text(out->paused_by, sizeof(out->paused_by), a.stats.paused_by);
	copy_text(out->head_digest, sizeof(out->head_digest), a.stats.head_digest);
	if (clock_parse_iso(a.stats.head_created_at.p, a.stats.head_created_at.n,
		&created_ms) == 0)
		out->oldest_ms =
		    a.stats.now_ms > created_ms ? a.stats.now_ms - created_ms : 0;
	return 0;
}

/* ---- one job ---- */

static const struct {
	const char *name;
	size_t offset;
} numbers[] = {
	{ "token", offsetof(struct queue_job, token) },
	{ "attempts", offsetof(struct queue_job, attempts) },
	{ "crashes", offsetof(struct queue_job, crashes) },
	{ "suspicions", offsetof(struct queue_job, suspicions) },
	{ "retry_count", offsetof(struct queue_job, retry_count) },
	{ "run_ms", offsetof(struct queue_job, run_ms) },
	{ "first_ms", offsetof(struct queue_job, first_ms) },
	{ "begun_ms", offsetof(struct queue_job, begun_ms) },
	{ "due_ms", offsetof(struct queue_job, due_ms) },
	{ "done_ms", offsetof(struct queue_job, done_ms) },
};

static const struct {
	const char *name;
	size_t offset;
} texts[] = {
	{ "holder", offsetof(struct queue_job, holder) },
	{ "why", offsetof(struct queue_job, why) },
	{ "evidence", offsetof(struct queue_job, evidence) },
};

static bool
is_named(struct queue_text t, const char *name)
{
	return t.n == strlen(name) && memcmp(t.p, name, t.n) == 0;
}

static int
read_field(struct queue_job *j, struct queue_text name, struct queue_text value)
{
	char *at = (char *)j;

	if (is_named(name, "state"))
		copy_text(j->state, sizeof(j->state), value);
	else if (is_named(name, "cancel"))
		j->is_cancelled = true;
	else if (is_named(name, "alone"))
		j->is_alone = is_named(value, "1");
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (is_named(name, numbers[i].name))
			*(int64_t *)(void *)(at + numbers[i].offset) =
			    strtoll(value.p, NULL, 10);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		char **text = (char **)(void *)(at + texts[i].offset);

		if (!is_named(name, texts[i].name))
			continue;
		free(*text);
		*text = strndup(value.p, value.n);
		if (*text == NULL)
			return -ENOMEM;
	}
	return 0;
}

void
queue_job_release(struct queue_job *j)
{
	free(j->holder);
	free(j->why);
	free(j->evidence);
	*j = (struct queue_job){ 0 };
}

int
queue_job_read(struct redis_sync *s, const struct queue_setup *q, struct queue_text id,
    struct queue_job *out, struct err *err)
{
	CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
	CLEANUP(queue_job_release) struct queue_job j = { 0 };
	struct queue_command c;
	struct queue_answer a;
	int r;

	queue_cmd_job_show(&c, q, id);
	r = queue_run(s, &c, &reply, &a, err);
	if (r < 0)
		return r;
	if (a.job.ttl_sec == -2)
		return err_set(err, -ENOENT, "nothing is known of the job %.*s",
		    (int)id.n, id.p);
	j.holder = strdup("");
	j.why = strdup("");
	j.evidence = strdup("");
	r = j.holder == NULL || j.why == NULL || j.evidence == NULL ? -ENOMEM : 0;
	for (size_t i = 0; r == 0 && i + 1 < a.job.fields.n; i += 2)
		r = read_field(&j, queue_list_text(&a.job.fields, i),
		    queue_list_text(&a.job.fields, i + 1));
	if (r < 0)
		return err_set(err, r, "no memory for a job's fields");
	j.ttl_sec = a.job.ttl_sec;
	j.journal_len = a.job.journal_len;
	j.results_waiting = a.job.results;
	*out = j;
	j = (struct queue_job){ 0 };
	return 0;
}

int
queue_cancel(struct redis_sync *s, const struct queue_setup *q, struct queue_text id,
    char state[16], struct err *err)
{
	CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
	struct queue_command c;
	struct queue_answer a;
	int r;

	queue_cmd_cancel(&c, q, id);
	r = queue_run(s, &c, &reply, &a, err);
	if (r < 0)
		return r;
	if (state != NULL)
		copy_text(state, 16, a.state.what);
	if (a.word == QUEUE_FINISHED)
		return err_set(err, -EALREADY, "the job %.*s has ended: it is %.*s",
		    (int)id.n, id.p, (int)a.state.what.n, a.state.what.p);
	return 0;
}

int
queue_resume(struct redis_sync *s, const struct queue_setup *q, struct queue_text id,
    struct err *err)
{
	CLEANUP(redis_reply_freep) struct redisReply *reply = NULL;
	struct queue_command c;
	struct queue_answer a;
	int r;

	queue_cmd_resume(&c, q, id);
	r = queue_run(s, &c, &reply, &a, err);
	if (r < 0 || a.word != QUEUE_GONE)
		return r;
	return err_set(err, -ENOENT, "the job %.*s is not parked", (int)id.n, id.p);
}
