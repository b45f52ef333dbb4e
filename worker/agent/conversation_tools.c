/* SPDX-License-Identifier: MIT */
/*
 * conversation_tools.c - the tool calls of one answer: check, run or replay, tell.
 *
 * Owns:   the outcome of the call in hand, and which call was made how often.
 * Called: by the loop for every answer that holds calls.
 * Fails:  a tool's failure is told to the model; only the journal, cancellation and
 *         shortness of memory stop the conversation from here.
 */
#include "config.h"

#include "worker/agent/conversation_private.h"

#include "common/fault_point.h"
#include "common/fnv.h"
#include "worker/agent/args_view.h"
#include "worker/llm/strict_schema.h"
#include "worker/tools/execute_pipeline.h"

#include <errno.h>
#include <string.h>

enum {
	TOLD_MAX = 16 * 1024, /* bytes of a tool's report that the model gets */
	NAME_SHOWN_MAX = 80
};

/* One call of the answer in hand. */
struct run {
	struct conversation *c;
	unsigned index;
	const struct llm_tool_call *call;
	const struct agent_tool *tool; /* NULL: unknown */
	const struct json *args;       /* NULL: unreadable */
	char key[33];
	struct tool_outcome outcome;
	uint64_t ms;
};

static int
shown(struct llm_text t)
{
	size_t n = t.len > NAME_SHOWN_MAX ? NAME_SHOWN_MAX : t.len;

	while (n > 0 && n < t.len && ((unsigned char)t.s[n] & 0xC0) == 0x80)
		n--;
	return (int)n;
}

/* ---- the same call again ---- */

/* Name and canonical arguments, or their raw text when they are no JSON. */
static int
hash_call(struct run *run, const char *job_id, char out[33])
{
	CLEANUP_BUF struct buf args = BUF_INIT;
	struct fnv f;

	if (run->args != NULL)
		json_write_canonical(&args, run->args);
	else
		buf_add(&args, run->call->arguments.s, run->call->arguments.len);
	if (buf_status(&args) != 0)
		return buf_status(&args);
	fnv_init(&f);
	if (job_id != NULL) {
		unsigned place[2] = { run->c->turn, run->index };

		fnv_adds(&f, job_id);
		fnv_add(&f, place, sizeof(place));
	}
	fnv_add(&f, run->call->name.s, run->call->name.len);
	fnv_add(&f, "", 1);
	fnv_add(&f, buf_str(&args), args.len);
	fnv_hex(&f, out);
	return 0;
}

static int
count_call(struct run *run)
{
	struct conversation *c = run->c;
	struct seen_call *s;
	char hash[33];
	int r = hash_call(run, NULL, hash);

	if (r < 0)
		return r;
	for (s = c->seen; s != NULL && strcmp(s->hash, hash) != 0; s = s->next)
		;
	if (s == NULL) {
		s = arena_alloc(c->arena, sizeof(*s));
		if (s == NULL)
			return -ENOMEM;
		memcpy(s->hash, hash, sizeof(hash));
		s->times = 0;
		s->next = c->seen;
		c->seen = s;
	}
	if (++s->times < SAME_CALL_MAX)
		return 0;
	/* a call that keeps succeeding has left its data in hand: that is not lost */
	if (!c->has_failed && conversation_in_hand(c) != VALUE_NONE)
		return conversation_limit(c, "loop_detected", ERROR_TYPE_LOOP_DETECTED,
		    "%s", "the same call again");
	r = conversation_fail(c, ERROR_TYPE_LOOP_DETECTED,
	    "the model made the same call of %.*s with the same arguments %d times%s%s",
	    shown(run->call->name), run->call->name.s, SAME_CALL_MAX,
	    c->failed.text[0] != '\0' ? "; the last tool error was: " : "",
	    c->failed.text);
	(void)snprintf(c->result->error.tool, sizeof(c->result->error.tool), "%.*s",
	    shown(run->call->name), run->call->name.s);
	return r;
}

/* ---- checking ---- */

static void
refuse_unknown(struct run *run)
{
	const struct agent *a = run->c->agent;
	CLEANUP_BUF struct buf known = BUF_INIT;

	for (size_t i = 0; i < a->n_tools; i++)
		if (agent_offers(a, run->c->offer, &a->tools[i]))
			buf_addf(&known, "%s%s", known.len > 0 ? ", " : "",
			    a->tools[i].tool->name);
	for (size_t i = 0; i < run->c->n_found; i++)
		buf_addf(&known, ", %s", run->c->found[i].tool->name);
	(void)tool_outcome_fail(&run->outcome, ERROR_TYPE_INVALID_STEP, "",
	    "there is no tool \"%.*s\"; the tools are: %s. Use one of them, or answer in "
	    "words.",
	    shown(run->call->name), run->call->name.s,
	    known.len > 0 ? buf_str(&known) : "none");
}

/* False, with the outcome saying why, when the arguments will not do. */
static bool
check_args(struct run *run, struct json_schema_errors *errors)
{
	CLEANUP_BUF struct buf what = BUF_INIT;

	if (json_schema_check(run->tool->schema, run->args, errors) == 0)
		return true;
	json_schema_errors_write(&what, errors);
	(void)tool_outcome_fail(&run->outcome, ERROR_TYPE_INVALID_STEP, "",
	    "the arguments of %s do not fit its schema: %s. Correct exactly that and call "
	    "again.",
	    run->tool->tool->name, buf_str(&what));
	return false;
}

static int
read_args(struct run *run)
{
	struct llm_text t = run->call->arguments;
	CLEANUP(freep) struct err *err = calloc(1, sizeof(*err));
	int r;

	if (err == NULL)
		return -ENOMEM;
	if (t.len == 0)
		t = llm_text_of("{}");
	r = json_read(run->c->arena, t.s, t.len, 0, &run->args, err);
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		run->args = NULL;
		(void)tool_outcome_fail(&run->outcome, ERROR_TYPE_INVALID_STEP, "",
		    "the arguments are not valid JSON (%s). Send one JSON object.",
		    err_text(err));
	}
	return 0;
}

/* 0 with an outcome that fails, or 1 when the call fits its tool. */
static int
check_call(struct run *run)
{
	CLEANUP(freep) struct json_schema_errors *errors = NULL;

	run->tool =
	    agent_tool_find(run->c->agent, run->call->name.s, run->call->name.len);
	if (run->tool == NULL) {
		int r = conversation_find(run->c, run->call->name.s,
		    run->call->name.len, &run->tool);

		if (r < 0)
			return r;
	}
	if (run->tool == NULL) {
		refuse_unknown(run);
		return 0;
	}
	if (run->args == NULL)
		return 0;
	run->args = strict_args_restore(run->c->arena,
	    json_schema_source(run->tool->schema), run->args);
	errors = malloc(sizeof(*errors));
	if (errors == NULL || run->args == NULL)
		return -ENOMEM;
	return check_args(run, errors) ? 1 : 0;
}

/* ---- the journal ---- */

static int
journal_tool(struct run *run)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct json_writer w;
	int r;

	journal_begin(&w, &text, RECORD_TOOL, run->c->turn, run->index);
	jw_key(&w, "tool");
	jw_cstr(&w, run->tool->tool->name);
	jw_key(&w, "key");
	jw_cstr(&w, run->key);
	outcome_write(&w, run->c->env, &run->outcome, run->ms);
	FAULT_POINT_OF(JOURNAL_TOOL_SEND, run->c->job->job_id);
	r = journal_append(&run->c->journal, &w, &text, run->c->turn);
	FAULT_POINT_OF(JOURNAL_TOOL_REPLY, run->c->job->job_id);
	return r;
}

static int
journal_intent(struct run *run)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct json_writer w;
	int r;

	journal_begin(&w, &text, RECORD_INTENT, run->c->turn, run->index);
	jw_key(&w, "tool");
	jw_cstr(&w, run->tool->tool->name);
	jw_key(&w, "key");
	jw_cstr(&w, run->key);
	FAULT_POINT_OF(JOURNAL_INTENT_SEND, run->c->job->job_id);
	r = journal_append(&run->c->journal, &w, &text, run->c->turn);
	FAULT_POINT_OF(JOURNAL_INTENT_REPLY, run->c->job->job_id);
	return r;
}

/* 1 when the whole outcome stands in the journal, 0 when its data is lost. */
static int
replay(struct run *run, const struct json *doc)
{
	int r = outcome_read_data(run->c->env, doc, &run->outcome.data);

	if (r == 1)
		outcome_read(doc, &run->outcome, &run->ms);
	return r;
}

/* ---- running ---- */

static bool
has_side_effects(const struct run *run)
{
	return run->tool->tool->has_side_effects != NULL &&
	    run->tool->tool->has_side_effects(run->args);
}

static int
run_now(struct run *run, const struct tool_call *call)
{
	const struct conversation_env *env = run->c->env;
	const struct tool *tool = run->tool->tool;
	uint64_t began = env->now_ms(env->ctx);
	int r = env->run_tool != NULL
	    ? env->run_tool(env->ctx, tool, call, &run->outcome)
	    : tool->run(call, &run->outcome);

	run->ms = env->now_ms(env->ctx) - began;
	return r;
}

static struct tool_call
call_of(const struct run *run)
{
	const struct conversation *c = run->c;

	return (struct tool_call){ .arena = c->arena,
		.args = run->args,
		.key = run->key,
		.deadline_ms = c->job->deadline_ms,
		.job = c->env->job,
		.tool = run->tool->tool };
}

/* Side effects: the journal says first what will be tried. When it says so already, the
   call may or may not have taken effect: ask, and never just try again. */
static int
run_effect(struct run *run, const struct tool_call *call)
{
	struct conversation *c = run->c;
	int r;

	if (journal_find(&c->journal, RECORD_INTENT, c->turn, run->index) == NULL) {
		r = journal_intent(run);
		return r < 0 ? r : run_now(run, call);
	}
	if (c->env->resolve != NULL) {
		r = c->env->resolve(c->env->ctx, run->tool->tool, call, &run->outcome);
		return r == 1 ? run_now(run, call) : r;
	}
	(void)tool_outcome_fail(&run->outcome, ERROR_TYPE_OUTCOME_UNKNOWN, "",
	    "an earlier run of this call was interrupted; whether it took effect is not "
	    "known, and it was not repeated");
	return 0;
}

static int
run_live(struct run *run)
{
	struct conversation *c = run->c;
	const struct tool_call call = call_of(run);
	int r = conversation_may_go_on(c);

	if (r != 0)
		return r;
	r = has_side_effects(run) ? run_effect(run, &call) : run_now(run, &call);
	if (r < 0)
		return r;
	if (arena_failed(c->arena) || buf_status(&run->outcome.message) != 0 ||
	    buf_status(&run->outcome.report) != 0)
		return -ENOMEM;
	return journal_tool(run);
}

/* Runs a call that the journal knows the outcome of already. */
static int
run_known(struct run *run)
{
	struct conversation *c = run->c;
	const struct tool_call call = call_of(run);
	int r = conversation_may_go_on(c);

	return r == 0 ? run_now(run, &call) : r;
}

/* A failed call of the last attempt gets another chance; a second failure leaves the
   journal as it is, so that the answers after it need not be paid again. */
static int
run_again(struct run *run, const struct json *doc)
{
	int r = run_known(run);

	if (r != 0)
		return r;
	if (run->outcome.error == ERROR_TYPE_NONE)
		return journal_tool(run);
	tool_outcome_release(&run->outcome);
	tool_outcome_init(&run->outcome);
	r = replay(run, doc);
	return r < 0 ? r : 0;
}

/* The data was not kept: make it anew. What the model was told stands, and so do its
   answers to it, unless the call fails now. */
static int
run_for_data(struct run *run, const struct json *doc)
{
	struct tool_data data = TOOL_DATA_INIT;
	int r;

	if (has_side_effects(run)) {
		(void)tool_outcome_fail(&run->outcome, ERROR_TYPE_OUTCOME_UNKNOWN, "",
		    "the call was made, but its data is lost");
		return journal_tool(run);
	}
	r = run_known(run);
	if (r != 0)
		return r;
	if (run->outcome.error != ERROR_TYPE_NONE)
		return journal_tool(run);
	tool_data_move(&data, &run->outcome.data);
	tool_outcome_release(&run->outcome);
	tool_outcome_init(&run->outcome);
	outcome_read(doc, &run->outcome, &run->ms);
	tool_data_move(&run->outcome.data, &data);
	return 0;
}

static bool
deserves_rerun(const struct run *run, const struct json *doc)
{
	const struct journal *j = &run->c->journal;
	const struct json *error = json_get_typed(doc, "error", JSON_STRING);

	return j->has_rerun && j->rerun_turn == run->c->turn && error != NULL &&
	    error_type_is_retryable(error_type_from_name(error->text, error->len)) &&
	    !has_side_effects(run);
}

static int
run_or_replay(struct run *run)
{
	const struct json *doc =
	    journal_find(&run->c->journal, RECORD_TOOL, run->c->turn, run->index);
	int r;

	if (doc == NULL)
		return run_live(run);
	if (deserves_rerun(run, doc))
		return run_again(run, doc);
	r = replay(run, doc);
	return r == 0 ? run_for_data(run, doc) : r < 0 ? r : 0;
}

/* ---- calls of a former run, by tools of now ---- */

/* What was run stands, also when its tool is gone meanwhile, or another. */
static int
recall(struct run *run, const struct json *doc)
{
	int r;

	tool_outcome_release(&run->outcome);
	tool_outcome_init(&run->outcome);
	r = replay(run, doc);
	if (r == 0)
		(void)tool_outcome_fail(&run->outcome, ERROR_TYPE_INVALID_STEP, "",
		    "the call was made, but its data is lost, and its tool is no longer "
		    "what it was");
	return r < 0 ? r : 0;
}

/* A call that was refused and answered to is not made now that it would do: what the
   model answered is paid for. */
static bool
was_refused(const struct run *run)
{
	const struct journal *j = &run->c->journal;
	unsigned turn = run->c->turn;

	return journal_find(j, RECORD_ANSWER, turn + 1, 0) != NULL &&
	    journal_find(j, RECORD_TOOL, turn, run->index) == NULL &&
	    journal_find(j, RECORD_INTENT, turn, run->index) == NULL;
}

static int
refuse_again(struct run *run)
{
	(void)tool_outcome_fail(&run->outcome, ERROR_TYPE_INVALID_STEP, "",
	    "%.*s did not take these arguments, or was not there, when it was called",
	    shown(run->call->name), run->call->name.s);
	return 0;
}

/* ---- telling ---- */

static void
set_failed(struct run *run)
{
	struct conversation_error *e = &run->c->failed;
	const struct tool_outcome *o = &run->outcome;

	memset(e, 0, sizeof(*e));
	e->type = o->error;
	(void)snprintf(e->text, sizeof(e->text), "%s", buf_str(&o->message));
	(void)snprintf(e->tool, sizeof(e->tool), "%.*s", shown(run->call->name),
	    run->call->name.s);
	memcpy(e->step, o->step, sizeof(e->step));
	memcpy(e->suggestion, o->suggestion, sizeof(e->suggestion));
	e->has_retry_after = o->has_retry_after;
	e->retry_after_ms = o->retry_after_ms;
}

static void
write_told(struct run *run, struct buf *text)
{
	const struct tool_outcome *o = &run->outcome;
	size_t n = o->report.len;

	if (o->error != ERROR_TYPE_NONE) {
		buf_addf(text, "ERROR %s%s%s: %s", error_type_name(o->error),
		    o->step[0] != '\0' ? " at " : "", o->step, buf_str(&o->message));
		return;
	}
	if (n > TOLD_MAX) {
		n = TOLD_MAX;
		while (n > 0 && ((unsigned char)o->report.data[n] & 0xC0) == 0x80)
			n--;
	}
	buf_add(text, n > 0 ? buf_str(&o->report) : "done", n > 0 ? n : 4);
	if (n < o->report.len)
		buf_adds(text, "\xE2\x80\xA6 (shortened)");
}

static int
tell_model(struct run *run)
{
	struct conversation *c = run->c;
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct llm_message *m =
	    llm_messages_add(c->arena, &c->job->messages, LLM_ROLE_TOOL);

	if (m == NULL)
		return -ENOMEM;
	write_told(run, &text);
	m->call_id = run->call->id;
	m->tool = run->call->name;
	m->is_error = run->outcome.error != ERROR_TYPE_NONE;
	m->text = llm_text_dup(c->arena, buf_str(&text), text.len);
	return m->text.s != NULL ? 0 : -ENOMEM;
}

/* For the result's metadata. */
static int
list_call(struct run *run)
{
	struct conversation *c = run->c;
	struct conversation_tool_call *at = arena_alloc(c->arena, sizeof(*at));
	CLEANUP_BUF struct buf args = BUF_INIT;

	if (at == NULL)
		return -ENOMEM;
	args_view(&args, run->args, run->call->arguments, CONVERSATION_ARGS_MAX);
	memset(at, 0, sizeof(*at));
	at->tool =
	    (struct llm_text){ run->call->name.s, (size_t)shown(run->call->name) };
	at->args = llm_text_dup(c->arena, buf_str(&args), args.len);
	at->error = run->outcome.error;
	at->ms = run->ms;
	*c->last_call = at;
	c->last_call = &at->next;
	c->result->n_calls++;
	return at->args.s != NULL && buf_status(&args) == 0 ? 0 : -ENOMEM;
}

/* Of a tool that is gone, too: what is not built in was a found pipeline. */
static const struct tool *
known_tool(const struct run *run)
{
	return run->tool != NULL ? run->tool->tool
				 : tool_find(run->call->name.s, run->call->name.len);
}

static unsigned
flags_of(const struct run *run)
{
	const struct tool *tool = known_tool(run);

	return tool != NULL ? tool->flags : TOOL_DATA;
}

/* A found pipeline ends a job as execute_pipeline does. */
static bool
ends_job(const struct run *run)
{
	const struct agent_tool *tool = run->tool;

	if (tool == NULL && known_tool(run) == NULL)
		tool = agent_tool_find(run->c->agent, EXECUTE_PIPELINE_NAME,
		    strlen(EXECUTE_PIPELINE_NAME));
	return tool != NULL && tool->ends_job;
}

static void
take_data(struct run *run)
{
	struct conversation *c = run->c;
	unsigned flags = flags_of(run);

	if (!tool_data_is_set(&run->outcome.data))
		return;
	if ((flags & TOOL_DATA) != 0)
		tool_data_move(&c->data, &run->outcome.data);
	else if ((flags & TOOL_PATCH) != 0)
		tool_data_move(&c->patch, &run->outcome.data);
}

static int
settle(struct run *run)
{
	int r = list_call(run);

	if (r < 0)
		return r;
	if (run->outcome.error != ERROR_TYPE_NONE) {
		set_failed(run);
	} else {
		take_data(run);
		if (run->tool != NULL)
			r = conversation_searched(run->c, run->tool->tool,
			    &run->outcome.report);
	}
	return r < 0 ? r : tell_model(run);
}

/* ---- one call, all calls ---- */

static int
make_call(struct run *run)
{
	int r = hash_call(run, run->c->job->job_id, run->key);

	return r < 0 ? r : run_or_replay(run);
}

static int
one_call(struct run *run)
{
	const struct json *doc =
	    journal_find(&run->c->journal, RECORD_TOOL, run->c->turn, run->index);
	int r = read_args(run);

	if (r == 0)
		r = count_call(run);
	if (r != 0)
		return r;
	r = check_call(run);
	if (r == 0 && doc != NULL)
		r = recall(run, doc);
	else if (r == 1)
		r = was_refused(run) ? refuse_again(run) : make_call(run);
	return r != 0 ? r : settle(run);
}

int
conversation_tools(struct conversation *c, const struct llm_answer *answer)
{
	bool has_failed = false, has_ended = false;
	enum value_kind kind;

	for (size_t i = 0; i < answer->n_calls; i++) {
		struct run run = { .c = c,
			.index = (unsigned)i,
			.call = &answer->calls[i] };
		int r;

		tool_outcome_init(&run.outcome);
		r = one_call(&run);
		if (run.outcome.error != ERROR_TYPE_NONE)
			has_failed = true;
		else if (ends_job(&run))
			has_ended = true;
		tool_outcome_release(&run.outcome);
		if (r == -ECANCELED)
			return conversation_fail(c, ERROR_TYPE_CANCELLED,
			    "the job was cancelled");
		if (r != 0)
			return r;
	}
	c->has_failed = has_failed;
	if (has_failed || !has_ended)
		return 0;
	kind = conversation_in_hand(c);
	return kind == VALUE_NONE ? 0 : conversation_complete(c, kind, answer->text);
}
