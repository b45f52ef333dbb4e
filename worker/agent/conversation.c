/* SPDX-License-Identifier: MIT */
/*
 * conversation.c - the loop of one job: the model's answers, the journal.
 *
 * Owns:   struct conversation while it runs; the value and texts of the result are
 *         handed to the caller.
 * Called: once per attempt of a job, in its fiber.
 * Fails:  with a failed result for everything that a producer should hear of; with a
 *         negative errno only when the job is no longer ours or memory is short.
 */
#include "config.h"

#include "worker/agent/conversation_private.h"

#include "common/fault_point.h"

#include <errno.h>
#include <math.h>
#include <string.h>

void
conversation_result_init(struct conversation_result *r)
{
	memset(r, 0, sizeof(*r));
	r->value.fd = -1;
}

void
conversation_result_release(struct conversation_result *r)
{
	tool_data_release(&r->value);
}

/* ---- answers ---- */

static void
account(struct conversation *c, const struct llm_usage *usage, uint64_t cost_microusd)
{
	llm_usage_add(&c->result->usage, usage);
	c->result->cost_microusd += cost_microusd;
}

static int
journal_answer(struct conversation *c, const struct llm_answer *answer,
    const struct llm_account *paid)
{
	const struct llm_target *t = &c->agent->targets[paid->target];
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct json_writer w;
	int r;

	journal_begin(&w, &text, RECORD_ANSWER, c->turn, 0);
	jw_key(&w, "provider");
	jw_cstr(&w, t->provider->name);
	jw_key(&w, "model");
	jw_cstr(&w, t->model);
	jw_key(&w, "answer");
	llm_answer_write(&w, answer);
	if (c->narrowed_by != NULL) {
		jw_key(&w, "narrowed_by");
		jw_cstr(&w, c->narrowed_by);
	}
	journal_write_usage(&w, &paid->usage, paid->cost_microusd);
	c->result->provider = llm_text_of(t->provider->name);
	c->result->model =
	    answer->model.len > 0 ? answer->model : llm_text_of(t->model);
	FAULT_POINT_OF(JOURNAL_ANSWER_SEND, c->job->job_id);
	r = journal_append(&c->journal, &w, &text, c->turn);
	FAULT_POINT_OF(JOURNAL_ANSWER_REPLY, c->job->job_id);
	return r;
}

static void
tell_error(struct conversation_error *out, const struct llm_error *e)
{
	memset(out, 0, sizeof(*out));
	out->has_retry_after = e->has_retry_after;
	out->retry_after_ms = e->retry_after_ms;
	out->type = e->type;
	(void)snprintf(out->text, sizeof(out->text), "%s", e->text);
}

/* The journal needs no record of it: the attempt goes on where it stands. */
static int
put_off(struct conversation *c, const struct llm_error *e)
{
	tell_error(&c->result->error, e);
	c->result->is_put_off = true;
	return CONVERSATION_OVER;
}

static int
failed_call(struct conversation *c, const struct llm_error *e)
{
	if (e->is_outage)
		return put_off(c, e);
	if (e->type == ERROR_TYPE_TIMEOUT ||
	    (c->job->deadline_ms != 0 &&
		c->env->now_ms(c->env->ctx) >= c->job->deadline_ms))
		return conversation_limit(c, "timeout", ERROR_TYPE_TIMEOUT,
		    "the job's time is over: %s", e->text);
	if (e->type == ERROR_TYPE_LLM_LENGTH)
		return conversation_limit(c, "context_length", e->type, "%s", e->text);
	tell_error(&c->result->error, e);
	return conversation_fail_as(c, &c->result->error);
}

static int
ask(struct conversation *c, int64_t max_tokens, struct llm_answer *answer)
{
	CLEANUP(freep) struct llm_error *e = calloc(1, sizeof(*e));
	struct llm_account paid = { .exchanges = 0 };
	const struct llm_call call = { .targets = c->agent->targets,
		.prefixes = (const struct llm_prefix *const *)(c->prefixes != NULL
			? c->prefixes
			: c->agent->prefixes[c->offer]),
		.n_targets = c->agent->n_targets,
		.messages = &c->job->messages,
		.max_tokens = max_tokens,
		.takes_silence = c->has_failed || conversation_in_hand(c) != VALUE_NONE,
		/* a forced call on every turn could never end in words */
		.tool_choice =
		    c->turn == 0 || c->agent->tool_choice != LLM_TOOL_CHOICE_REQUIRED
		    ? c->agent->tool_choice
		    : LLM_TOOL_CHOICE_AUTO,
		.deadline_ms = c->job->deadline_ms };
	int r;

	if (e == NULL)
		return -ENOMEM;
	r = c->env->ask(c->env->ctx, &call, c->arena, answer, &paid, e);
	account(c, &paid.usage, paid.cost_microusd);
	if (r == 0) {
		c->result->paid++;
		return journal_answer(c, answer, &paid);
	}
	llm_usage_add(&c->loose, &paid.usage);
	c->loose_cost += paid.cost_microusd;
	return r == -EIO ? failed_call(c, e) : r;
}

static int
replay_answer(struct conversation *c, const struct json *doc, struct llm_answer *answer)
{
	const struct json *provider = json_get_typed(doc, "provider", JSON_STRING);
	const struct json *model = json_get_typed(doc, "model", JSON_STRING);
	int r = llm_answer_read(c->arena, json_get(doc, "answer"), answer);

	if (r < 0)
		return r == -EINVAL ? -EBADMSG : r;
	c->narrowed_by = budget_limit_of(json_get(doc, "narrowed_by"));
	if (provider != NULL)
		c->result->provider =
		    (struct llm_text){ provider->text, provider->len };
	if (answer->model.len > 0)
		c->result->model = answer->model;
	else if (model != NULL)
		c->result->model = (struct llm_text){ model->text, model->len };
	c->result->replayed++;
	return 0;
}

static int
next_answer(struct conversation *c, struct llm_answer *answer)
{
	uint64_t bytes = budget_request_bytes(c);
	const struct json *doc;
	int64_t bound = 0;
	int r;

	c->turn = c->result->turns;
	doc = journal_find(&c->journal, RECORD_ANSWER, c->turn, 0);
	if (doc != NULL) {
		r = replay_answer(c, doc, answer);
	} else {
		r = budget_next_call(c, bytes, &bound);
		if (r == 0)
			r = ask(c, bound, answer);
	}
	if (r != 0)
		return r;
	budget_note_call(c, bytes, answer);
	c->result->turns++;
	return 0;
}

/* ---- what the model said, for its own memory ---- */

/* Some servers read the arguments of earlier calls as JSON and fail when they are
   none. */
static int
repair_arguments(struct arena *a, const struct llm_tool_call *from,
    struct llm_tool_call *to)
{
	CLEANUP(arena_freep) struct arena *scratch = arena_new(0);
	CLEANUP_BUF struct buf text = BUF_INIT;
	const struct json *v = NULL;
	struct json_writer w;

	*to = *from;
	if (scratch == NULL)
		return -ENOMEM;
	if (from->arguments.len > 0 &&
	    json_read(scratch, from->arguments.s, from->arguments.len, 0, &v, NULL) ==
		0)
		return 0;
	jw_init(&w, &text);
	jw_object_begin(&w);
	if (from->arguments.len > 0) {
		jw_key(&w, "not_valid_json");
		jw_string(&w, from->arguments.s,
		    from->arguments.len < 500 ? from->arguments.len : 500);
	}
	jw_object_end(&w);
	to->arguments = llm_text_dup(a, buf_str(&text), text.len);
	return to->arguments.s != NULL ? 0 : -ENOMEM;
}

static int
remember(struct conversation *c, const struct llm_answer *answer)
{
	struct llm_message *m =
	    llm_messages_add(c->arena, &c->job->messages, LLM_ROLE_ASSISTANT);
	struct llm_tool_call *calls = NULL;

	if (m == NULL)
		return -ENOMEM;
	m->text = answer->text;
	if (answer->n_calls > 0) {
		calls = arena_alloc(c->arena, answer->n_calls * sizeof(*calls));
		if (calls == NULL)
			return -ENOMEM;
	}
	for (size_t i = 0; i < answer->n_calls; i++) {
		int r = repair_arguments(c->arena, &answer->calls[i], &calls[i]);

		if (r < 0)
			return r;
	}
	m->calls = calls;
	m->n_calls = answer->n_calls;
	return 0;
}

/* ---- the loop ---- */

static int
turn(struct conversation *c)
{
	struct llm_answer answer;
	int r = next_answer(c, &answer);

	if (r == 0)
		r = remember(c, &answer);
	if (r != 0)
		return r;
	if (answer.n_calls > 0 && answer.finish == LLM_FINISH_TOOL_CALLS)
		return conversation_tools(c, &answer);
	return conversation_final(c, &answer);
}

/* What the journal has paid for: the answers, those of ways that were left included, and
   the failed calls of former attempts. */
static void
account_former(struct conversation *c)
{
	for (size_t i = 0; i < c->journal.n; i++) {
		struct llm_usage usage;
		uint64_t cost;

		journal_read_usage(c->journal.records[i].doc, &usage, &cost);
		account(c, &usage, cost);
	}
}

static int
loop(struct conversation *c)
{
	int r = journal_open(&c->journal, c->env, c->job, c->arena);

	if (r < 0)
		return r;
	account_former(c);
	while (r == 0)
		r = turn(c);
	if (r == -ECANCELED)
		r = conversation_fail(c, ERROR_TYPE_CANCELLED, "the job was cancelled");
	return r;
}

int
conversation_run(const struct conversation_env *env, struct conversation_job *job,
    struct arena *a, struct conversation_result *result)
{
	struct conversation *c = arena_alloc(a, sizeof(*c));
	int r;

	if (c == NULL)
		return -ENOMEM;
	memset(c, 0, sizeof(*c));
	c->env = env;
	c->job = job;
	c->agent = job->agent;
	c->output_schema =
	    job->output_schema != NULL ? job->output_schema : job->agent->output_schema;
	c->arena = a;
	c->result = result;
	c->last_call = &result->calls;
	c->offer = agent_offer_for(job->agent, job->lane);
	c->data.fd = c->patch.fd = -1;
	r = loop(c);
	if (r == CONVERSATION_OVER && arena_failed(a))
		r = -ENOMEM;
	result->next_index = c->journal.next_index;
	conversation_forget_found(c);
	tool_data_release(&c->data);
	tool_data_release(&c->patch);
	return r == CONVERSATION_OVER ? 0 : r;
}
