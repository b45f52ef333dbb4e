/* SPDX-License-Identifier: MIT */
/*
 * journal.c - the records of one job: read at the start, appended as it goes on.
 *
 * Owns:   the list of records while a conversation runs.
 * Called: by the conversation only.
 * Fails:  with the code of env->append, which the conversation hands on unchanged.
 */
#include "config.h"

#include "worker/agent/journal.h"

#include <errno.h>
#include <string.h>

static const char *const kinds[] = {
	[RECORD_ANSWER] = "answer",
	[RECORD_INTENT] = "intent",
	[RECORD_TOOL] = "tool",
	[RECORD_END] = "end",
	[RECORD_OTHER] = "other",
};
_Static_assert(ARRAY_LEN(kinds) == RECORD_KIND_COUNT, "every kind has a name");

/* ---- reading ---- */

static unsigned
number_of(const struct json *doc, const char *name)
{
	int64_t i = 0;

	return json_int64(json_get(doc, name), &i) == 0 && i > 0 && i < 1000000
	    ? (unsigned)i
	    : 0;
}

static int
read_record(struct arena *a, const struct conversation_record *from, struct record *out)
{
	memset(out, 0, sizeof(*out));
	if (json_read(a, from->text, from->len, 0, &out->doc, NULL) < 0 ||
	    !json_is(out->doc, JSON_OBJECT))
		return -EBADMSG;
	out->kind = RECORD_OTHER;
	for (unsigned k = 0; k < RECORD_OTHER; k++)
		if (json_eq_str(json_get(out->doc, "kind"), kinds[k]))
			out->kind = (enum record_kind)k;
	out->turn = number_of(out->doc, "turn");
	out->call = number_of(out->doc, "call");
	return 0;
}

static bool
has_turn(const struct record *r)
{
	return r->kind == RECORD_ANSWER || r->kind == RECORD_INTENT ||
	    r->kind == RECORD_TOOL;
}

/* A record of turn t leaves the way that went on after an earlier turn t. */
static void
leave_old_way(struct journal *j, unsigned turn)
{
	for (size_t i = 0; i < j->n; i++)
		if (has_turn(&j->records[i]) && j->records[i].turn > turn)
			j->records[i].is_void = true;
}

static bool
is_retryable_error(const struct json *doc)
{
	const struct json *name = json_get_typed(doc, "error", JSON_STRING);

	return name != NULL &&
	    error_type_is_retryable(error_type_from_name(name->text, name->len));
}

/* Only the last turn that ran tools is tried again: what came before was answered
   to. */
static void
find_rerun(struct journal *j)
{
	bool is_last = true;

	if (j->n == 0 || j->records[j->n - 1].kind != RECORD_END)
		return;
	for (size_t i = j->n; i-- > 0;) {
		const struct record *r = &j->records[i];

		if (r->is_void || r->kind != RECORD_TOOL)
			continue;
		if (is_last)
			j->rerun_turn = r->turn;
		is_last = false;
		if (r->turn == j->rerun_turn && is_retryable_error(r->doc))
			j->has_rerun = true;
	}
}

int
journal_open(struct journal *j, const struct conversation_env *env,
    const struct conversation_job *job, struct arena *a)
{
	memset(j, 0, sizeof(*j));
	j->env = env;
	j->agent = job->agent;
	j->next_index = job->next_index;
	if (job->n_records == 0)
		return 0;
	j->records = arena_alloc(a, job->n_records * sizeof(*j->records));
	if (j->records == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < job->n_records; i++) {
		int r = read_record(a, &job->records[i], &j->records[i]);

		if (r < 0)
			return r;
		if (has_turn(&j->records[i]))
			leave_old_way(j, j->records[i].turn);
		j->n++;
	}
	find_rerun(j);
	return 0;
}

const struct json *
journal_find(const struct journal *j, enum record_kind kind, unsigned turn,
    unsigned call)
{
	for (size_t i = j->n; i-- > 0;) {
		const struct record *r = &j->records[i];

		if (!r->is_void && r->kind == kind && r->turn == turn &&
		    r->call == call)
			return r->doc;
	}
	return NULL;
}

/* ---- writing ---- */

void
journal_begin(struct json_writer *w, struct buf *text, enum record_kind kind,
    unsigned turn, unsigned call)
{
	jw_init(w, text);
	jw_object_begin(w);
	jw_key(w, "kind");
	jw_cstr(w, kinds[kind]);
	if (kind == RECORD_END)
		return;
	jw_key(w, "turn");
	jw_uint(w, turn);
	jw_key(w, "call");
	jw_uint(w, call);
}

/* What the conversation is made with: a member of its first record. */
static void
write_origin(struct json_writer *w, const struct agent *agent)
{
	jw_key(w, "origin");
	jw_object_begin(w);
	jw_key(w, "version");
	jw_cstr(w, PACKAGE_VERSION);
	jw_key(w, "agent");
	jw_cstr(w, agent->conf->name);
	jw_key(w, "model");
	jw_cstr(w, agent->n_targets > 0 ? agent->targets[0].model : NULL);
	jw_key(w, "prompt_hash");
	jw_cstr(w, agent->prompt_hash);
	jw_object_end(w);
}

int
journal_append(struct journal *j, struct json_writer *w, const struct buf *text,
    unsigned turn)
{
	int r;

	if (j->next_index == 0)
		write_origin(w, j->agent);
	jw_object_end(w);
	if (buf_status(text) != 0)
		return buf_status(text);
	r = j->env->append(j->env->ctx, j->next_index, buf_str(text), text->len);
	if (r < 0 && r != -ECANCELED)
		return r;
	j->next_index++;
	leave_old_way(j, turn);
	return r;
}

void
journal_write_usage(struct json_writer *w, const struct llm_usage *usage,
    uint64_t cost_microusd)
{
	llm_usage_write(w, "usage", usage);
	jw_key(w, "cost_microusd");
	jw_uint(w, cost_microusd);
}

static uint64_t
count_of(const struct json *v, const char *name)
{
	int64_t i = 0;

	return json_int64(json_get(v, name), &i) == 0 && i > 0 ? (uint64_t)i : 0;
}

void
journal_read_usage(const struct json *doc, struct llm_usage *usage,
    uint64_t *cost_microusd)
{
	const struct json *u = json_get(doc, "usage");

	usage->input = count_of(u, "input");
	usage->output = count_of(u, "output");
	usage->cached = count_of(u, "cached");
	*cost_microusd = count_of(doc, "cost_microusd");
}

unsigned
journal_spent(struct arena *a, const struct conversation_record *records, size_t n,
    struct llm_usage *usage, uint64_t *cost_microusd)
{
	unsigned answers = 0;

	for (size_t i = 0; i < n; i++) {
		struct llm_usage of_record;
		struct record record;
		uint64_t cost;

		if (read_record(a, &records[i], &record) < 0)
			continue;
		journal_read_usage(record.doc, &of_record, &cost);
		llm_usage_add(usage, &of_record);
		*cost_microusd += cost;
		answers += record.kind == RECORD_ANSWER;
	}
	return answers;
}
