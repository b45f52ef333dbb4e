/* SPDX-License-Identifier: MIT */
/*
 * test_agent.c - conversations over a scripted model, scripted tools and a journal in
 * memory that can break at any record; prompts; definitions; what people see of
 * arguments.
 */
#include "config.h"

#include "worker/agent/args_view.h"
#include "worker/agent/conversation.h"
#include "worker/agent/prompt.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#define expect_str(got, want) \
 cr_expect(strcmp(got, want) == 0, "'%s' is not '%s'", got, want)
#define expect_has(text, part) \
 cr_expect(strstr(text, part) != NULL, "'%s' does not hold '%s'", text, part)

enum {
	JOURNAL_MAX = 200,
	SCRIPT_MAX = 32
};

/* ---- the scripted world ---- */

/* One answer of the model. */
struct said {
	const char *text;
	const char *calls[4][2]; /* name, arguments */
	enum llm_finish finish;  /* LLM_FINISH_TOOL_CALLS follows from calls */
	const char *refusal;
	enum error_type error; /* the call fails */
	struct llm_usage usage;
	bool waits; /* the call fails at the job's deadline */
};

struct world {
	const struct said *script;
	size_t n_script;
	struct agent agent;
	struct agent_tool tools[3];
	struct llm_target target;
	struct conf_provider provider;
	struct conf_agent conf;
	struct llm_prefix prefix;
	struct llm_prefix *prefixes[1];
	char *journal[JOURNAL_MAX];
	size_t n_journal;
	size_t break_at;   /* append number that breaks, 0: none */
	bool breaks_after; /* the record is written, the reply is lost */
	int break_code;
	unsigned appends;          /* since the last run began */
	unsigned paid[SCRIPT_MAX]; /* per turn */
	unsigned fetches, changes, flaky_runs;
	bool flaky_works;
	bool is_cancelled;
	uint64_t now_ms;
	struct llm_text last_user, last_tool;
	enum llm_tool_choice choice;
	bool takes_silence; /* of the last call */
	int64_t max_tokens;
	unsigned cancel_after_asks;
	char kept[8][65536];
	unsigned n_kept;
	bool keeps;
	unsigned resolved;
	int resolve_as; /* -1: no resolver */
	bool reserves;
	unsigned n_reserves, refuse_at; /* 0: never */
	int refuse_with;                /* 0: -EDQUOT */
	int64_t grant_tokens;           /* 0: all */
	struct conversation_cost asked;
};

static size_t
turn_of(const struct llm_call *call)
{
	size_t n = 0;

	for (const struct llm_message *m = call->messages->first; m != NULL;
	     m = m->next)
		n += m->role == LLM_ROLE_ASSISTANT;
	return n;
}

static void
put_answer(struct arena *a, const struct said *s, size_t turn, struct llm_answer *out)
{
	struct llm_tool_call *calls = arena_alloc(a, 4 * sizeof(*calls));

	memset(out, 0, sizeof(*out));
	out->text = llm_text_of(s->text);
	out->refusal = llm_text_of(s->refusal);
	out->finish = s->finish;
	out->usage = s->usage;
	out->model = llm_text_of("fake-1");
	for (size_t i = 0; i < 4 && s->calls[i][0] != NULL; i++) {
		char id[32];

		calls[i].id = llm_text_dup(a, id,
		    (size_t)snprintf(id, sizeof(id), "t%zuc%zu", turn, i));
		calls[i].name = llm_text_of(s->calls[i][0]);
		calls[i].arguments = llm_text_of(s->calls[i][1]);
		out->n_calls = i + 1;
		if (s->finish == LLM_FINISH_STOP)
			out->finish = LLM_FINISH_TOOL_CALLS;
	}
	out->calls = calls;
}

static int
world_ask(void *ctx, const struct llm_call *call, struct arena *a,
    struct llm_answer *out, struct llm_account *account, struct llm_error *e)
{
	struct world *w = ctx;
	size_t turn = turn_of(call);
	const struct said *s;

	cr_assert(turn < w->n_script, "the model is asked %zu times", turn + 1);
	s = &w->script[turn];
	w->paid[turn]++;
	w->choice = call->tool_choice;
	w->takes_silence = call->takes_silence;
	w->max_tokens = call->max_tokens;
	for (const struct llm_message *m = call->messages->first; m != NULL;
	     m = m->next) {
		if (m->role == LLM_ROLE_USER)
			w->last_user = m->text;
		if (m->role == LLM_ROLE_TOOL)
			w->last_tool = m->text;
	}
	w->now_ms += 100;
	memset(account, 0, sizeof(*account));
	account->usage = s->usage;
	account->cost_microusd = s->usage.input + 2 * s->usage.output;
	if (w->cancel_after_asks != 0 && --w->cancel_after_asks == 0)
		w->is_cancelled = true;
	if (s->waits)
		w->now_ms = call->deadline_ms;
	if (s->error != ERROR_TYPE_NONE)
		return llm_error_set(e, s->error, 0, "scripted failure");
	put_answer(a, s, turn, out);
	return 0;
}

static int
world_reserve(void *ctx, unsigned turn, struct conversation_cost *cost,
    struct conversation_refusal *why)
{
	struct world *w = ctx;

	(void)turn;
	w->asked = *cost;
	why->limit = "owner_budget_usd";
	if (++w->n_reserves == w->refuse_at) {
		(void)snprintf(why->text, sizeof(why->text),
		    "the owner's day is spent");
		return w->refuse_with != 0 ? w->refuse_with : -EDQUOT;
	}
	if (w->grant_tokens > 0)
		cost->tokens = w->grant_tokens;
	return 0;
}

static int
world_append(void *ctx, size_t index, const char *record, size_t n)
{
	struct world *w = ctx;

	w->appends++;
	if (w->break_at != 0 && w->appends == w->break_at && !w->breaks_after)
		return w->break_code;
	cr_assert(index == w->n_journal, "index %zu, journal has %zu", index,
	    w->n_journal);
	cr_assert(w->n_journal < JOURNAL_MAX);
	w->journal[w->n_journal++] = strndup(record, n);
	if (w->break_at != 0 && w->appends == w->break_at)
		return w->break_code;
	return 0;
}

static bool
world_is_cancelled(void *ctx)
{
	return ((struct world *)ctx)->is_cancelled;
}

static uint64_t
world_now(void *ctx)
{
	return ((struct world *)ctx)->now_ms;
}

static int
world_keep(void *ctx, const struct tool_data *data, char *ref, size_t ref_max)
{
	struct world *w = ctx;
	struct tool_view view;

	if (!w->keeps)
		return -ENOSYS;
	cr_assert(tool_data_open(data, &view) == 0);
	(void)snprintf(w->kept[w->n_kept], sizeof(w->kept[0]), "%.*s", (int)view.len,
	    view.text);
	tool_view_release(&view);
	(void)snprintf(ref, ref_max, "kept://%u", w->n_kept++);
	return 0;
}

static int
world_load(void *ctx, const char *ref, struct tool_data *data)
{
	struct world *w = ctx;
	unsigned i;

	cr_assert(sscanf(ref, "kept://%u", &i) == 1 && i < w->n_kept);
	data->text = strdup(w->kept[i]);
	data->len = strlen(w->kept[i]);
	return 0;
}

static int
world_resolve(void *ctx, const struct tool *tool, const struct tool_call *call,
    struct tool_outcome *outcome)
{
	struct world *w = ctx;

	(void)tool;
	(void)call;
	w->resolved++;
	if (w->resolve_as == 0)
		buf_adds(&outcome->report, "it had worked");
	return w->resolve_as;
}

/* ---- scripted tools ---- */

static void
set_data(struct tool_outcome *o, const char *text)
{
	o->data.text = strdup(text);
	o->data.len = strlen(text);
}

/* {"n":N} gives [N]; "big" gives that many blanks in a string; "fail" names an
   error. */
static int
run_fetch(const struct tool_call *call, struct tool_outcome *o)
{
	struct world *w = call->job;
	const struct json *fail = json_get(call->args, "fail");
	int64_t n = 0, big = 0;
	char text[32];

	w->fetches++;
	cr_expect(strlen(call->key) == 32);
	if (fail != NULL) {
		(void)tool_outcome_fail(o, error_type_from_name(fail->text, fail->len),
		    "http_request", "it failed; try another address");
		(void)snprintf(o->suggestion[0], sizeof(o->suggestion[0]),
		    "look again");
		return 0;
	}
	(void)json_int64(json_get(call->args, "n"), &n);
	if (json_int64(json_get(call->args, "big"), &big) == 0) {
		o->data.text = malloc((size_t)big + 3);
		memset(o->data.text, ' ', (size_t)big + 2);
		o->data.text[0] = o->data.text[big + 1] = '"';
		o->data.text[big + 2] = '\0';
		o->data.len = (size_t)big + 2;
	} else {
		(void)snprintf(text, sizeof(text), "[%lld]", (long long)n);
		set_data(o, text);
	}
	buf_addf(&o->report, "got %lld", (long long)n);
	return 0;
}

static int
run_change(const struct tool_call *call, struct tool_outcome *o)
{
	struct world *w = call->job;

	w->changes++;
	set_data(o, "{\"patch_id\":\"p1\"}");
	buf_adds(&o->report, "changed");
	return 0;
}

static bool
always(const struct json *args)
{
	(void)args;
	return true;
}

static int
run_flaky(const struct tool_call *call, struct tool_outcome *o)
{
	struct world *w = call->job;

	w->flaky_runs++;
	if (!w->flaky_works) {
		(void)tool_outcome_fail(o, ERROR_TYPE_EXECUTION_ERROR, "http_request",
		    "connection refused");
		return 0;
	}
	set_data(o, "{\"ok\":true}");
	return 0;
}

static const struct tool fake_tools[] = {
	{ "fetch", "d",
	    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"n\":{\"type\":"
	    "\"integer\",\"minimum\":0},\"fail\":{\"type\":\"string\"},\"big\":{\"type\":"
	    "\"integer\"},\"api_key\":{\"type\":\"string\"}}}",
	    TOOL_DATA, TOOL_LANE_EXECUTE, NULL, run_fetch, NULL },
	{ "change", "d", "{\"type\":\"object\"}", TOOL_PATCH, TOOL_LANE_PATCH, always,
	    run_change, NULL },
	{ "flaky", "d", "{\"type\":\"object\"}", TOOL_DATA, TOOL_LANE_EXECUTE, NULL,
	    run_flaky, NULL },
};

static char provider_name[] = "fake", model_name[] = "fake-model",
	    agent_name[] = "tester";

static struct world *
world_new(const struct said *script, size_t n)
{
	struct world *w = calloc(1, sizeof(*w));

	w->script = script;
	w->n_script = n;
	w->provider =
	    (struct conf_provider){ .name = provider_name, .max_tokens = 1000 };
	w->target = (struct llm_target){ .provider = &w->provider,
		.model = model_name,
		.temperature = NAN };
	w->conf.name = agent_name;
	w->prefixes[0] = &w->prefix;
	w->agent = (struct agent){ .conf = &w->conf,
		.tools = w->tools,
		.n_tools = 3,
		.targets = &w->target,
		.n_targets = 1,
		.max_turns = 10,
		.max_tokens = 100000,
		.prompt_hash = "0123" };
	for (unsigned o = 0; o < AGENT_OFFER_COUNT; o++)
		w->agent.prefixes[o] = w->prefixes;
	for (size_t i = 0; i < 3; i++) {
		w->tools[i].tool = &fake_tools[i];
		cr_assert(json_schema_compile_text(fake_tools[i].parameters,
			      strlen(fake_tools[i].parameters), &w->tools[i].schema,
			      NULL) == 0);
	}
	w->now_ms = 1000;
	w->resolve_as = -1;
	w->break_code = -ESTALE;
	return w;
}

static void
world_free(struct world *w)
{
	for (size_t i = 0; i < 3; i++)
		json_schema_free(w->tools[i].schema);
	for (size_t i = 0; i < w->n_journal; i++)
		free(w->journal[i]);
	free(w);
}

struct outcome {
	int r;
	struct arena *arena;
	struct conversation_result result;
};

static struct outcome
run(struct world *w, uint64_t deadline_ms, const char *schema, int64_t max_tokens)
{
	struct conversation_env env = { .ctx = w,
		.reserve = w->reserves ? world_reserve : NULL,
		.ask = world_ask,
		.append = world_append,
		.resolve = w->resolve_as >= 0 ? world_resolve : NULL,
		.keep = world_keep,
		.load = world_load,
		.is_cancelled = world_is_cancelled,
		.now_ms = world_now,
		.job = w };
	struct outcome out = { .arena = arena_new(0) };
	struct conversation_record records[JOURNAL_MAX];
	struct json_schema *compiled = NULL;
	struct conversation_job job = { .job_id = "job-1",
		.agent = &w->agent,
		.records = records,
		.n_records = w->n_journal,
		.next_index = w->n_journal,
		.deadline_ms = deadline_ms,
		.max_tokens_total = max_tokens };
	struct llm_message *m =
	    llm_messages_add(out.arena, &job.messages, LLM_ROLE_USER);

	m->text = llm_text_of("do it");
	for (size_t i = 0; i < w->n_journal; i++)
		records[i] = (struct conversation_record){ w->journal[i],
			strlen(w->journal[i]) };
	if (schema != NULL) {
		cr_assert(json_schema_compile_text(schema, strlen(schema), &compiled,
			      NULL) == 0);
		job.output_schema = compiled;
	}
	w->appends = 0;
	conversation_result_init(&out.result);
	out.r = conversation_run(&env, &job, out.arena, &out.result);
	cr_expect(out.r < 0 || out.result.next_index == w->n_journal);
	json_schema_free(compiled);
	return out;
}

static void
outcome_release(struct outcome *o)
{
	conversation_result_release(&o->result);
	arena_free(o->arena);
}

static const char *
value_of(const struct outcome *o)
{
	return o->result.value.text != NULL ? o->result.value.text : "";
}

#define WORLD(...)                                    \
 static const struct said script[] = { __VA_ARGS__ }; \
 struct world *w = world_new(script, ARRAY_LEN(script))
#define SAYS(words)                      \
 {                                       \
  .text = (words), .usage = { 10, 5, 2 } \
 }
#define CALLS(name, args)                            \
 {                                                   \
  .calls = { { name, args } }, .usage = { 10, 5, 2 } \
 }

/* ---- the loop ---- */

Test(conversation, a_text_answer_is_a_json_string)
{
	WORLD(SAYS("he said \"hi\""));
	struct outcome o = run(w, 0, NULL, 0);

	cr_expect(o.r == 0 && o.result.is_completed);
	cr_expect(o.result.value_kind == VALUE_TEXT);
	expect_str(value_of(&o), "\"he said \\\"hi\\\"\"");
	cr_expect(o.result.turns == 1 && o.result.usage.input == 10 &&
	    o.result.cost_microusd == 20);
	expect_has(w->journal[0], "\"kind\":\"answer\"");
	expect_has(w->journal[0], "\"prompt_hash\":\"0123\"");
	outcome_release(&o);
	world_free(w);
}

Test(conversation, data_of_the_last_successful_call_is_the_value)
{
	WORLD(CALLS("fetch", "{\"n\":1}"), CALLS("fetch", "{\"n\":2}"),
	    SAYS("two it is"));
	struct outcome o = run(w, 0, NULL, 0);

	cr_expect(o.result.is_completed && o.result.value_kind == VALUE_DATA);
	expect_str(value_of(&o), "[2]");
	cr_expect(o.result.message.len == 9);
	cr_expect(o.result.n_calls == 2 && o.result.turns == 3);
	outcome_release(&o);
	world_free(w);
}

Test(conversation, silence_after_data_or_a_failure_is_an_end)
{
	WORLD(CALLS("fetch", "{\"n\":3}"), SAYS(""));
	struct outcome o = run(w, 0, NULL, 0);

	cr_expect(w->takes_silence);
	cr_expect(o.result.is_completed);
	cr_expect_str_eq(value_of(&o), "[3]");
	outcome_release(&o);
	world_free(w);
}

Test(conversation, silence_at_the_beginning_says_nothing)
{
	WORLD(SAYS("hello"));
	struct outcome o = run(w, 0, NULL, 0);

	cr_expect(!w->takes_silence);
	outcome_release(&o);
	world_free(w);
}

Test(conversation, a_patch_is_the_value_unless_there_is_data)
{
	WORLD(CALLS("change", "{}"), SAYS("done"));
	struct outcome o = run(w, 0, NULL, 0);

	cr_expect(o.result.value_kind == VALUE_PATCH);
	expect_str(value_of(&o), "{\"patch_id\":\"p1\"}");
	outcome_release(&o);
	world_free(w);
}

Test(conversation, a_finish_tool_ends_the_job_without_another_call)
{
	WORLD(CALLS("fetch", "{\"n\":7}"));
	struct outcome o;

	w->tools[0].ends_job = true;
	o = run(w, 0, NULL, 0);
	cr_expect(o.result.is_completed && o.result.turns == 1);
	expect_str(value_of(&o), "[7]");
	outcome_release(&o);
	world_free(w);
}

Test(conversation, all_calls_of_an_answer_run_and_one_failure_keeps_it_going)
{
	WORLD({ .calls = { { "fetch", "{\"n\":1}" },
		    { "fetch", "{\"fail\":\"execution_error\"}" },
		    { "fetch", "{\"n\":3}" } } },
	    CALLS("fetch", "{\"n\":4}"));
	struct outcome o;

	w->tools[0].ends_job = true;
	o = run(w, 0, NULL, 0);
	cr_expect(o.result.is_completed && w->fetches == 4 && o.result.turns == 2);
	expect_str(value_of(&o), "[4]");
	outcome_release(&o);
	world_free(w);
}

Test(conversation, a_tool_error_is_told_and_can_be_repaired)
{
	WORLD(CALLS("fetch", "{\"fail\":\"invalid_step\"}"),
	    CALLS("fetch", "{\"n\":1}"), SAYS("ok"));
	struct outcome o = run(w, 0, NULL, 0);

	cr_expect(o.result.is_completed);
	outcome_release(&o);
	world_free(w);
}

Test(conversation, a_tool_error_that_stands_fails_the_job)
{
	WORLD(CALLS("fetch", "{\"fail\":\"forbidden_address\"}"), SAYS("I could not"));
	struct outcome o = run(w, 0, NULL, 0);

	cr_expect(!o.result.is_completed);
	cr_expect(o.result.error.type == ERROR_TYPE_FORBIDDEN_ADDRESS);
	expect_str(o.result.error.tool, "fetch");
	expect_str(o.result.error.step, "http_request");
	expect_str(o.result.error.suggestion[0], "look again");
	expect_has(o.result.error.text, "it failed");
	cr_expect(strncmp(w->last_tool.s,
		      "ERROR forbidden_address at http_request: it failed", 50) == 0);
	outcome_release(&o);
	world_free(w);
}

static const struct {
	const char *name, *args, *says;
} bad_calls[] = {
	{ "nothing", "{}",
	    "there is no tool \"nothing\"; the tools are: fetch, change, flaky" },
	{ "fetch", "{\"n\":", "not valid JSON" },
	{ "fetch", "[1]", "the value: must be object, not array" },
	{ "fetch", "{\"n\":-1}", "/n: must be at least 0" },
	{ "fetch", "{\"m\":1}", "/m: is not known here; known: n, fail, big" },
};

Test(conversation, bad_calls_are_told_with_their_place)
{
	for (size_t i = 0; i < ARRAY_LEN(bad_calls); i++) {
		const struct said script[] = { CALLS(bad_calls[i].name,
						   bad_calls[i].args),
			CALLS("fetch", "{\"n\":1}"), SAYS("ok") };
		struct world *w = world_new(script, 3);
		struct outcome o;

		o = run(w, 0, NULL, 0);
		cr_expect(o.result.is_completed && w->fetches == 1);
		cr_expect(o.result.calls->error == ERROR_TYPE_INVALID_STEP);
		outcome_release(&o);
		world_free(w);

		w = world_new(script, 3);
		w->agent.max_turns = 1;
		o = run(w, 0, NULL, 0);
		cr_expect(o.result.error.type == ERROR_TYPE_LIMIT_EXCEEDED);
		expect_has(o.result.error.text, bad_calls[i].says);
		outcome_release(&o);
		world_free(w);
	}
}

Test(conversation, the_same_call_three_times_is_a_loop)
{
	WORLD(CALLS("fetch", "{\"n\":1,\"big\":5}"),
	    CALLS("fetch", "{\"big\":5, \"n\":1}"),
	    CALLS("fetch", " {\"n\":1,\"big\":5}"));
	struct outcome o = run(w, 0, NULL, 0);

	/* it succeeded each time: what is in hand is kept */
	cr_expect(o.result.is_completed && o.result.value_kind == VALUE_DATA);
	expect_str(o.result.limit_hit, "loop_detected");
	cr_expect(w->fetches == 2);
	outcome_release(&o);
	world_free(w);
}

Test(conversation, the_same_failing_call_three_times_fails_the_job)
{
	WORLD(CALLS("fetch", "{\"m\":1}"), CALLS("fetch", "{\"m\":1}"),
	    CALLS("fetch", " {\"m\":1}"));
	struct outcome o = run(w, 0, NULL, 0);

	cr_expect(
	    !o.result.is_completed && o.result.error.type == ERROR_TYPE_LOOP_DETECTED);
	expect_str(o.result.error.tool, "fetch");
	outcome_release(&o);
	world_free(w);
}

Test(conversation, sixty_calls_in_one_answer_are_all_run)
{
	static const struct said script[] = { SAYS("x") };
	struct world *w = world_new(script, 1);
	struct arena *a = arena_new(0);
	struct llm_tool_call *calls = arena_alloc(a, 60 * sizeof(*calls));
	char text[32];
	struct llm_answer answer = { .calls = calls,
		.n_calls = 60,
		.finish = LLM_FINISH_TOOL_CALLS };
	CLEANUP_BUF struct buf rec = BUF_INIT;
	struct json_writer jw;
	struct outcome o;

	for (int i = 0; i < 60; i++) {
		calls[i].id =
		    llm_text_dup(a, text, (size_t)snprintf(text, 32, "c%d", i));
		calls[i].name = llm_text_of("fetch");
		calls[i].arguments =
		    llm_text_dup(a, text, (size_t)snprintf(text, 32, "{\"n\":%d}", i));
	}
	w->journal[w->n_journal++] = strdup("{\"kind\":\"later\"}");
	buf_adds(&rec, "{\"kind\":\"answer\",\"turn\":0,\"answer\":");
	jw_init(&jw, &rec);
	llm_answer_write(&jw, &answer);
	buf_adds(&rec, "}");
	w->journal[w->n_journal++] = strdup(buf_str(&rec));
	w->script = (const struct said[]){ SAYS("unused"), SAYS("all") };
	w->n_script = 2;
	o = run(w, 0, NULL, 0);
	cr_expect(o.result.is_completed && w->fetches == 60 && o.result.n_calls == 60);
	expect_str(value_of(&o), "[59]");
	outcome_release(&o);
	arena_free(a);
	world_free(w);
}

/* ---- limits ---- */

Test(limits, turns_with_data_complete_and_without_fail)
{
	WORLD(CALLS("fetch", "{\"n\":1}"), CALLS("fetch", "{\"n\":2}"));
	struct outcome o;

	w->agent.max_turns = 2;
	o = run(w, 0, NULL, 0);
	cr_expect(o.result.is_completed);
	expect_str(o.result.limit_hit, "max_turns");
	expect_str(value_of(&o), "[2]");
	outcome_release(&o);
	world_free(w);
}

Test(limits, turns_without_data_fail)
{
	WORLD(CALLS("fetch", "{\"fail\":\"step_limit\"}"));
	struct outcome o;

	w->agent.max_turns = 1;
	o = run(w, 0, NULL, 0);
	cr_expect(o.result.error.type == ERROR_TYPE_LIMIT_EXCEEDED);
	expect_str(o.result.limit_hit, "max_turns");
	expect_has(o.result.error.text, "the last tool error was step_limit");
	expect_str(o.result.error.step, "http_request");
	outcome_release(&o);
	world_free(w);
}

Test(limits, tokens_are_checked_before_each_call_and_bound_the_answer)
{
	WORLD({ .calls = { { "fetch", "{\"n\":1}" } }, .usage = { 100, 50, 0 } },
	    { .calls = { { "fetch", "{\"n\":2}" } }, .usage = { 200, 5, 0 } });
	struct outcome o = run(w, 0, NULL, 500);

	/* 150 are used, the next request has the last one's 100 and some more */
	cr_expect(w->max_tokens > 200 && w->max_tokens < 250, "%lld",
	    (long long)w->max_tokens);
	cr_expect(o.result.is_completed);
	expect_str(o.result.limit_hit, "max_tokens");
	cr_expect(o.result.turns == 2);
	outcome_release(&o);
	world_free(w);
}

/* English and JSON have four bytes a token: a job that fits is not refused by a guess for
   something denser. */
Test(limits, a_small_job_that_fits_is_run)
{
	WORLD({ .text = "fine", .usage = { 2700, 20, 0 } });
	struct outcome o;

	w->prefix.head_len = 4 * 2800;
	o = run(w, 0, NULL, 3000);
	cr_expect(o.result.is_completed, "%s", o.result.error.text);
	outcome_release(&o);
	world_free(w);
	w = world_new(script, 1);
	w->prefix.head_len = 4 * 2800;
	w->agent.budget_usd = 0.003;
	w->target.price = (struct token_price){ 1, 2, 1 };
	o = run(w, 0, NULL, 0);
	cr_expect(o.result.is_completed, "%s", o.result.error.text);
	outcome_release(&o);
	world_free(w);
}

Test(limits, a_request_that_alone_passes_the_tokens_is_not_sent)
{
	WORLD(CALLS("fetch", "{\"fail\":\"invalid_step\"}"));
	struct outcome o;

	w->prefix.head_len = 4 * 500;
	o = run(w, 0, NULL, 500);
	cr_expect(o.result.error.type == ERROR_TYPE_LIMIT_EXCEEDED);
	expect_has(o.result.error.text, "the next call takes about 5");
	cr_expect(w->paid[0] == 0 && o.result.turns == 0);
	outcome_release(&o);
	world_free(w);
}

Test(limits, an_answer_cut_by_the_job_s_tokens_is_that_limit)
{
	WORLD({ .text = "half an ans",
	    .finish = LLM_FINISH_LENGTH,
	    .usage = { 80, 20, 0 } });
	struct outcome o = run(w, 0, NULL, 100);

	cr_expect(o.result.error.type == ERROR_TYPE_LIMIT_EXCEEDED);
	expect_str(o.result.limit_hit, "max_tokens");
	outcome_release(&o);
	world_free(w);
}

Test(limits, money_without_data_fails_before_the_call_that_would_pass_it)
{
	WORLD({ .calls = { { "fetch", "{\"fail\":\"invalid_step\"}" } },
	    .usage = { 900, 0, 0 } });
	struct outcome o;

	w->agent.budget_usd = 0.000910;
	w->target.price = (struct token_price){ 1, 2, 1 };
	o = run(w, 0, NULL, 0);
	cr_expect(o.result.error.type == ERROR_TYPE_BUDGET_EXCEEDED);
	expect_str(o.result.limit_hit, "budget_usd");
	expect_has(o.result.error.text, "cost 0.000900 of its 0.000910 USD");
	cr_expect(w->max_tokens > 400 && w->max_tokens < 455, "%lld",
	    (long long)w->max_tokens);
	outcome_release(&o);
	world_free(w);
}

Test(limits, money_with_data_completes)
{
	WORLD({ .calls = { { "fetch", "{\"n\":1}" } }, .usage = { 900, 0, 0 } });
	struct outcome o;

	w->agent.budget_usd = 0.000910;
	w->target.price = (struct token_price){ 1, 2, 1 };
	o = run(w, 0, NULL, 0);
	cr_expect(o.result.is_completed);
	expect_str(o.result.limit_hit, "budget_usd");
	expect_str(value_of(&o), "[1]");
	outcome_release(&o);
	world_free(w);
}

Test(limits, a_provider_that_does_not_count_is_taken_by_the_length_of_its_words)
{
	static char words[3000];
	const struct said script[] = { { .text = words,
	    .calls = { { "fetch", "{\"fail\":\"invalid_step\"}" } } } };
	struct world *w;
	struct outcome o;

	memset(words, 'w', sizeof(words) - 1);
	w = world_new(script, 1);
	w->agent.budget_usd = 0.002700;
	w->target.price = (struct token_price){ 1, 2, 1 };
	o = run(w, 0, NULL, 0);
	expect_str(o.result.limit_hit, "budget_usd");
	cr_expect(w->paid[0] == 1);
	outcome_release(&o);
	world_free(w);
	w = world_new(script, 1);
	o = run(w, 0, NULL, 1700);
	expect_str(o.result.limit_hit, "max_tokens");
	cr_expect(w->paid[0] == 1);
	outcome_release(&o);
	world_free(w);
}

Test(limits, the_dearest_provider_of_the_agent_counts)
{
	WORLD(SAYS("unused"));
	struct llm_target targets[2] = { w->target, w->target };
	struct llm_prefix *prefixes[2] = { &w->prefix, &w->prefix };
	struct outcome o;

	targets[1].price = (struct token_price){ 1000, 0, 1000 };
	w->agent.targets = targets;
	w->agent.n_targets = 2;
	for (unsigned i = 0; i < AGENT_OFFER_COUNT; i++)
		w->agent.prefixes[i] = prefixes;
	w->agent.budget_usd = 0.005; /* 5 tokens of that one */
	o = run(w, 0, NULL, 0);
	cr_expect(o.result.error.type == ERROR_TYPE_BUDGET_EXCEEDED);
	cr_expect(w->paid[0] == 0);
	outcome_release(&o);
	world_free(w);
}

/* ---- budgets that others draw on, too ---- */

Test(limits, a_shared_budget_is_asked_for_the_most_that_a_call_can_cost)
{
	WORLD(SAYS("fine"));
	struct outcome o;

	w->reserves = true;
	w->target.price = (struct token_price){ 1, 2, 1 };
	o = run(w, 0, NULL, 0);
	cr_expect(o.result.is_completed);
	cr_expect(w->asked.tokens > 1000 && w->asked.tokens < 1030, "%lld",
	    (long long)w->asked.tokens);
	cr_expect(w->asked.microusd == w->asked.tokens + 1000);
	cr_expect(w->asked.least_microusd == w->asked.least_tokens + 16);
	cr_expect(w->max_tokens == 0, "all was granted");
	outcome_release(&o);
	world_free(w);
}

Test(limits, a_shared_budget_that_is_spent_fails_or_completes)
{
	WORLD(CALLS("fetch", "{\"n\":1}"), SAYS("unused"));
	struct outcome o;

	w->reserves = true;
	w->refuse_at = 2;
	o = run(w, 0, NULL, 0);
	cr_expect(o.result.is_completed);
	expect_str(o.result.limit_hit, "owner_budget_usd");
	expect_str(value_of(&o), "[1]");
	outcome_release(&o);
	world_free(w);
	w = world_new(script, 1);
	w->reserves = true;
	w->refuse_at = 1;
	o = run(w, 0, NULL, 0);
	cr_expect(o.result.error.type == ERROR_TYPE_BUDGET_EXCEEDED);
	expect_str(o.result.error.text, "the owner's day is spent");
	expect_str(o.result.limit_hit, "owner_budget_usd");
	cr_expect(w->paid[0] == 0);
	outcome_release(&o);
	world_free(w);
}

Test(limits, a_shared_budget_that_has_less_bounds_the_answer_also_when_replayed)
{
	WORLD({ .text = "half an ans",
	    .finish = LLM_FINISH_LENGTH,
	    .usage = { 80, 20, 0 } });
	struct outcome o;

	w->reserves = true;
	w->grant_tokens = 60;
	for (int again = 0; again < 2; again++) {
		o = run(w, 0, NULL, 0);
		cr_expect(o.result.error.type == ERROR_TYPE_BUDGET_EXCEEDED);
		expect_str(o.result.limit_hit, "owner_budget_usd");
		cr_expect(w->max_tokens > 40 && w->max_tokens < 60);
		cr_expect(w->paid[0] == 1);
		outcome_release(&o);
	}
	world_free(w);
}

Test(limits, time_that_ends_while_waiting_for_a_shared_budget_is_a_timeout)
{
	WORLD(SAYS("unused"));
	struct outcome o;

	w->reserves = true;
	w->refuse_at = 1;
	w->refuse_with = -ETIMEDOUT;
	o = run(w, 5000, NULL, 0);
	cr_expect(o.result.error.type == ERROR_TYPE_TIMEOUT);
	expect_str(o.result.limit_hit, "timeout");
	outcome_release(&o);
	world_free(w);
}

Test(limits, time_without_data_is_a_timeout)
{
	WORLD(CALLS("flaky", "{}"),
	    { .error = ERROR_TYPE_LLM_UNAVAILABLE, .waits = true });
	struct outcome o = run(w, 5000, NULL, 0);

	cr_expect(!o.result.is_completed && o.result.error.type == ERROR_TYPE_TIMEOUT);
	expect_str(o.result.limit_hit, "timeout");
	outcome_release(&o);
	world_free(w);
}

Test(limits, time_with_data_completes)
{
	WORLD(CALLS("fetch", "{\"n\":1}"),
	    { .error = ERROR_TYPE_TIMEOUT, .waits = true });
	struct outcome o = run(w, 5000, NULL, 0);

	cr_expect(o.result.is_completed);
	expect_str(o.result.limit_hit, "timeout");
	expect_str(value_of(&o), "[1]");
	outcome_release(&o);
	world_free(w);
}

Test(limits, a_long_answer)
{
	WORLD({ .text = "and so", .finish = LLM_FINISH_LENGTH });
	struct outcome o = run(w, 0, NULL, 0);

	cr_expect(o.result.error.type == ERROR_TYPE_LLM_LENGTH);
	cr_expect(strlen(o.result.error.suggestion[0]) > 0);
	outcome_release(&o);
	world_free(w);
}

Test(conversation, refusals_and_filters_fail)
{
	static const struct said scripts[] = {
		{ .refusal = "I will not" },
		{ .text = "x", .finish = LLM_FINISH_CONTENT_FILTER },
	};

	for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
		struct world *w = world_new(&scripts[i], 1);
		struct outcome o = run(w, 0, NULL, 0);

		cr_expect(o.result.error.type == ERROR_TYPE_LLM_REFUSED);
		outcome_release(&o);
		world_free(w);
	}
}

Test(conversation, cancellation_ends_before_the_next_call)
{
	WORLD(CALLS("fetch", "{\"n\":1}"));
	struct outcome o;

	w->cancel_after_asks = 1;
	o = run(w, 0, NULL, 0);
	cr_expect(o.r == 0 && o.result.error.type == ERROR_TYPE_CANCELLED);
	cr_expect(w->fetches == 0);
	outcome_release(&o);
	world_free(w);
}

Test(conversation, a_forced_tool_choice_is_forced_once)
{
	WORLD(CALLS("fetch", "{\"n\":1}"), SAYS("ok"));
	struct outcome o;

	w->agent.tool_choice = LLM_TOOL_CHOICE_REQUIRED;
	o = run(w, 0, NULL, 0);
	cr_expect(o.result.is_completed && w->choice == LLM_TOOL_CHOICE_AUTO);
	outcome_release(&o);
	world_free(w);
}

/* ---- output schemas ---- */

#define SCHEMA \
 "{\"type\":\"object\",\"required\":[\"price\"],\"properties\":{\"price\":{\"type\":\"number\"}}}"

Test(output_schema, the_object_is_the_value_as_it_was_written)
{
	WORLD(SAYS("```json\n{\"price\": 1.50, \"a\":1}\n```"));
	struct outcome o = run(w, 0, SCHEMA, 0);

	cr_expect(o.result.is_completed && o.result.value_kind == VALUE_OBJECT);
	expect_str(value_of(&o), "{\"price\": 1.50, \"a\":1}");
	outcome_release(&o);
	world_free(w);
}

Test(output_schema, violations_are_told_twice_with_their_path)
{
	WORLD(SAYS("{}"), SAYS("{\"price\":\"9\"}"), SAYS("{\"price\":9}"));
	struct outcome o = run(w, 0, SCHEMA, 0);

	cr_expect(o.result.is_completed);
	cr_expect(memmem(w->last_user.s, w->last_user.len, "/price: must be number",
		      22) != NULL);
	outcome_release(&o);
	world_free(w);
}

Test(output_schema, the_third_violation_fails)
{
	WORLD(SAYS("no"), SAYS("still no"), SAYS("{\"price\":null}"));
	struct outcome o = run(w, 0, SCHEMA, 0);

	cr_expect(o.result.error.type == ERROR_TYPE_SCHEMA_VIOLATION);
	expect_has(o.result.error.text, "/price: must be number, not null");
	outcome_release(&o);
	world_free(w);
}

Test(output_schema, data_that_does_not_satisfy_it_ends_nothing)
{
	WORLD(CALLS("fetch", "{\"n\":1}"), SAYS("{\"price\":1}"));
	struct outcome o;

	w->tools[0].ends_job = true;
	o = run(w, 0, SCHEMA, 0);
	cr_expect(o.result.is_completed && o.result.turns == 2);
	expect_str(value_of(&o), "{\"price\":1}");
	outcome_release(&o);
	world_free(w);
}

Test(output_schema, data_that_satisfies_it_is_the_value)
{
	WORLD(CALLS("flaky", "{}"));
	struct outcome o;

	w->tools[2].ends_job = true;
	w->flaky_works = true;
	o = run(w, 0, "{\"required\":[\"ok\"]}", 0);
	cr_expect(o.result.is_completed && o.result.value_kind == VALUE_OBJECT);
	expect_str(value_of(&o), "{\"ok\":true}");
	outcome_release(&o);
	world_free(w);
}

/* ---- the journal ---- */

static const struct said long_script[] = {
	CALLS("fetch", "{\"n\":1}"),
	{ .calls = { { "fetch", "{\"n\":2}" },
	      { "fetch", "{\"fail\":\"invalid_step\"}" } },
	    .usage = { 20, 1, 0 } },
	CALLS("fetch", "{\"big\":20000}"),
	CALLS("nonsense", "{}"),
	CALLS("fetch", "{\"n\":5}"),
	{ .text = "the end", .usage = { 30, 3, 3 } },
};

static void
describe(struct buf *out, const struct outcome *o)
{
	const struct conversation_result *r = &o->result;

	buf_addf(out, "%d %d %d %s|%.*s|%s|%s|%llu %llu %llu %llu|%u|%zu|%.*s", o->r,
	    r->is_completed, (int)r->value_kind, value_of(o), (int)r->message.len,
	    r->message.s != NULL ? r->message.s : "", error_type_name(r->error.type),
	    r->error.text, (unsigned long long)r->usage.input,
	    (unsigned long long)r->usage.output, (unsigned long long)r->usage.cached,
	    (unsigned long long)r->cost_microusd, r->turns, r->n_calls,
	    (int)r->model.len, r->model.s);
	for (const struct conversation_tool_call *c = r->calls; c != NULL; c = c->next)
		buf_addf(out, "|%.*s(%.*s) %s", (int)c->tool.len, c->tool.s,
		    (int)c->args.len, c->args.s, error_type_name(c->error));
}

/* Breaks at every record, before and after it is written, and resumes. */
static void
break_everywhere(const struct said *script, size_t n, bool keeps)
{
	CLEANUP_BUF struct buf whole = BUF_INIT;
	struct world *w = world_new(script, n);
	struct outcome o;
	size_t n_records;

	w->keeps = keeps;
	w->flaky_works = true;
	o = run(w, 0, NULL, 0);
	describe(&whole, &o);
	n_records = w->n_journal;
	outcome_release(&o);
	world_free(w);
	for (size_t at = 1; at <= n_records; at++) {
		for (int after = 0; after < 2; after++) {
			CLEANUP_BUF struct buf resumed = BUF_INIT;
			unsigned again = 0;

			w = world_new(script, n);
			w->keeps = keeps;
			w->flaky_works = true;
			w->resolve_as = 1;
			w->break_at = at;
			w->breaks_after = after == 1;
			o = run(w, 0, NULL, 0);
			cr_expect(o.r == -ESTALE, "%zu: %d", at, o.r);
			outcome_release(&o);
			w->break_at = 0;
			o = run(w, 0, NULL, 0);
			describe(&resumed, &o);
			expect_str(buf_str(&resumed), buf_str(&whole));
			for (size_t t = 0; t < n; t++)
				again += w->paid[t] > 1;
			/* only an answer that never reached the journal is paid
			   again */
			cr_expect(again <= (after == 0 ? 1U : 0U), "%zu: %u", at,
			    again);
			outcome_release(&o);

			/* and a finished journal replays for nothing */
			CLEANUP_BUF struct buf third = BUF_INIT;
			unsigned fetches = w->fetches;

			o = run(w, 0, NULL, 0);
			describe(&third, &o);
			expect_str(buf_str(&third), buf_str(&whole));
			cr_expect(o.result.paid == 0);
			cr_expect(!keeps || w->fetches == fetches);
			outcome_release(&o);
			world_free(w);
		}
	}
}

Test(journal, resumes_at_every_boundary_without_paying_twice)
{
	break_everywhere(long_script, ARRAY_LEN(long_script), true);
}

Test(journal, resumes_also_where_large_data_was_not_kept)
{
	break_everywhere(long_script, ARRAY_LEN(long_script), false);
}

Test(journal, an_effect_is_announced_before_it_is_tried)
{
	WORLD(CALLS("change", "{}"), SAYS("done"));
	struct outcome o = run(w, 0, NULL, 0);

	expect_has(w->journal[1], "\"kind\":\"intent\"");
	expect_has(w->journal[2], "\"kind\":\"tool\"");
	outcome_release(&o);
	world_free(w);
}

Test(journal, an_intent_without_outcome_is_not_simply_repeated)
{
	WORLD(CALLS("change", "{}"), SAYS("I do not know"));
	struct outcome o;

	w->break_at = 3; /* the outcome's record */
	o = run(w, 0, NULL, 0);
	cr_expect(o.r == -ESTALE && w->changes == 1);
	outcome_release(&o);
	w->break_at = 0;
	o = run(w, 0, NULL, 0);
	cr_expect(w->changes == 1);
	cr_expect(o.result.error.type == ERROR_TYPE_OUTCOME_UNKNOWN);
	outcome_release(&o);
	world_free(w);
}

Test(journal, an_intent_without_outcome_can_be_resolved)
{
	WORLD(CALLS("change", "{}"), SAYS("fine"));
	struct outcome o;

	w->break_at = 3;
	o = run(w, 0, NULL, 0);
	outcome_release(&o);
	w->break_at = 0;
	w->resolve_as = 0;
	o = run(w, 0, NULL, 0);
	cr_expect(w->changes == 1 && w->resolved == 1 && o.result.is_completed);
	outcome_release(&o);
	world_free(w);
}

/* Breaks after the nth record and goes on from there, once change has been made. */
static struct outcome
resumed_after(struct world *w, unsigned nth, void (*change)(struct world *w))
{
	struct outcome o;

	w->break_at = nth;
	w->breaks_after = true;
	o = run(w, 0, NULL, 0);
	cr_assert(o.r == -ESTALE && w->n_journal == nth);
	outcome_release(&o);
	w->break_at = 0;
	change(w);
	return run(w, 0, NULL, 0);
}

static void
lose_fetch(struct world *w)
{
	w->agent.tools = w->tools + 1;
	w->agent.n_tools = 2;
}

static void
fetch_wants_more(struct world *w)
{
	static const char schema[] = "{\"type\":\"object\",\"required\":[\"more\"]}";

	json_schema_free(w->tools[0].schema);
	cr_assert(json_schema_compile_text(schema, strlen(schema), &w->tools[0].schema,
		      NULL) == 0);
}

static void
gain_fetch(struct world *w)
{
	w->agent.tools = w->tools;
	w->agent.n_tools = 3;
}

Test(journal, what_a_tool_did_stands_when_the_tool_is_gone_or_another)
{
	static void (*const changes[])(
	    struct world * w) = { lose_fetch, fetch_wants_more };

	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		WORLD(CALLS("fetch", "{\"n\":7}"), SAYS("done"));
		struct outcome o = resumed_after(w, 2, changes[i]);

		cr_expect(o.r == 0 && o.result.is_completed, "%zu: %s", i,
		    o.result.error.text);
		cr_expect_str_eq(value_of(&o), "[7]");
		cr_expect(w->fetches == 1 && w->paid[0] == 1 && w->paid[1] == 1);
		cr_expect(w->last_tool.len == 5); /* "got 7" */
		outcome_release(&o);
		world_free(w);
	}
}

Test(journal, a_call_that_was_refused_and_answered_to_is_not_made_later)
{
	WORLD(CALLS("fetch", "{\"n\":7}"), CALLS("flaky", "{}"), SAYS("done"));
	struct outcome o;

	lose_fetch(w);
	w->flaky_works = true;
	o = resumed_after(w, 2, gain_fetch);
	cr_expect(o.r == 0 && o.result.is_completed, "%s", o.result.error.text);
	cr_expect(w->paid[1] == 1, "its answer stands in the journal");
	cr_expect(w->fetches == 0);
	outcome_release(&o);
	world_free(w);
}

Test(journal, the_next_attempt_runs_the_failed_call_again)
{
	WORLD(CALLS("flaky", "{}"), SAYS("it is down"));
	struct outcome o = run(w, 0, NULL, 0);

	cr_expect(o.result.error.type == ERROR_TYPE_EXECUTION_ERROR);
	expect_has(w->journal[w->n_journal - 1], "\"kind\":\"end\"");
	outcome_release(&o);

	/* it fails again: nothing is paid for hearing so */
	o = run(w, 0, NULL, 0);
	cr_expect(o.result.error.type == ERROR_TYPE_EXECUTION_ERROR);
	cr_expect(w->flaky_runs == 2 && w->paid[0] == 1 && w->paid[1] == 1);
	outcome_release(&o);

	/* it works: the old answer about the failure is void */
	w->flaky_works = true;
	w->tools[2].ends_job = true;
	o = run(w, 0, NULL, 0);
	cr_expect(o.result.is_completed && w->flaky_runs == 3);
	expect_str(value_of(&o), "{\"ok\":true}");
	cr_expect(w->paid[0] == 1 && w->paid[1] == 1);
	cr_expect(o.result.usage.input == 20 && o.result.cost_microusd == 40,
	    "a void answer was paid, too");
	outcome_release(&o);

	/* and a crash after that replays the new way */
	o = run(w, 0, NULL, 0);
	cr_expect(o.result.is_completed && w->flaky_runs == 3 && o.result.paid == 0);
	cr_expect(o.result.usage.input == 20 && o.result.cost_microusd == 40);
	outcome_release(&o);
	world_free(w);
}

Test(journal, failed_calls_of_former_attempts_are_accounted_for)
{
	WORLD({ .error = ERROR_TYPE_LLM_BAD_RESPONSE, .usage = { 100, 10, 0 } });
	static const struct said better[] = { SAYS("ok") };
	struct outcome o = run(w, 0, NULL, 0);

	cr_expect(o.result.error.type == ERROR_TYPE_LLM_BAD_RESPONSE);
	outcome_release(&o);
	w->script = better;
	o = run(w, 0, NULL, 0);
	cr_expect(o.result.is_completed && o.result.usage.input == 110);
	outcome_release(&o);
	world_free(w);
}

Test(journal, cancellation_by_the_journal_is_a_result)
{
	WORLD(CALLS("fetch", "{\"n\":1}"));
	struct outcome o;

	w->break_at = 1;
	w->breaks_after = true;
	w->break_code = -ECANCELED;
	o = run(w, 0, NULL, 0);
	cr_expect(o.r == 0 && o.result.error.type == ERROR_TYPE_CANCELLED);
	cr_expect(w->fetches == 0);
	outcome_release(&o);
	world_free(w);
}

Test(journal, a_record_that_is_no_json_stops_the_job)
{
	WORLD(SAYS("x"));
	struct outcome o;

	w->journal[w->n_journal++] = strdup("{\"kind\":");
	o = run(w, 0, NULL, 0);
	cr_expect(o.r == -EBADMSG);
	outcome_release(&o);
	world_free(w);
}

Test(journal, records_of_a_later_version_are_passed_over)
{
	WORLD(SAYS("x"));
	struct outcome o;

	w->journal[w->n_journal++] = strdup("{\"kind\":\"later\"}");
	w->journal[w->n_journal++] = strdup("{\"kind\":\"dream\",\"turn\":0}");
	o = run(w, 0, NULL, 0);
	cr_expect(o.r == 0 && o.result.is_completed);
	outcome_release(&o);
	world_free(w);
}

#ifndef WITH_SANITIZERS /* their frames are larger */
static void *
on_a_small_stack(void *world)
{
	struct outcome o = run(world, 0, SCHEMA, 0);
	bool is_good = o.r == 0 && o.result.is_completed && o.result.turns == 6;

	outcome_release(&o);
	return is_good ? world : NULL;
}

Test(stack, a_conversation_fits_a_job_s)
{
	static const struct said script[] = {
		CALLS("fetch", "{\"n\":1}"),
		CALLS("fetch",
		    "{\"n\":-1,\"x\":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]}"),
		CALLS("fetch", "{\"big\":20000}"),
		CALLS("change", "{}"),
		SAYS("{\"price\":\"no\"}"),
		SAYS("{\"price\":1}"),
	};
	struct world *w = world_new(script, ARRAY_LEN(script));
	pthread_attr_t attr;
	pthread_t thread;
	void *answer = NULL;

	cr_assert(pthread_attr_init(&attr) == 0);
	cr_assert(pthread_attr_setstacksize(&attr, 64 * 1024) == 0);
	cr_assert(pthread_create(&thread, &attr, on_a_small_stack, w) == 0);
	cr_assert(pthread_join(thread, &answer) == 0);
	cr_expect(answer != NULL);
	(void)pthread_attr_destroy(&attr);
	world_free(w);
}
#endif

/* ---- arguments as people see them ---- */

static const struct {
	const char *args, *want;
} views[] = {
	{ "{\"a\":1.50}", "{\"a\":1.50}" },
	{ "{\"api_key\":\"k\",\"X-API-Key\":\"k\",\"token\":12}",
	    "{\"api_key\":\"***\",\"X-API-Key\":\"***\",\"token\":\"***\"}" },
	{ "{\"headers\":{\"Authorization\":\"Bearer abcdefgh\",\"Accept\":\"x\"}}",
	    "{\"headers\":{\"Authorization\":\"***\",\"Accept\":\"x\"}}" },
	{ "{\"url\":\"https://u:p@h/x?q=1&apikey=s3cret&b=2#f\"}",
	    "{\"url\":\"https://***@h/x?q=1&apikey=***&b=2#f\"}" },
	{ "{\"url\":\"h/x?access_token=abc\"}", "{\"url\":\"h/x?access_token=***\"}" },
	{ "[\"say bearer 0123456789abcdef now\"]", "[\"say bearer *** now\"]" },
	{ "[\"key sk-0123456789abcdef0123 x\"]", "[\"key *** x\"]" },
	{ "{\"max_tokens\":5,\"session_id\":\"s\"}",
	    "{\"max_tokens\":5,\"session_id\":\"s\"}" },
	{ "[\"a basic question = yes\"]", "[\"a basic question = yes\"]" },
	{ "[\"Basic dTpzM2NyM3RrZXk=, x\"]", "[\"Basic ***, x\"]" },
	{ "[\"use AKIAIOSFODNN7EXAMPLE here\"]", "[\"use *** here\"]" },
	{ "[\"(ghp_0123456789abcdefghij0123456789abcdef)\"]", "[\"(***)\"]" },
	{ "[\"xoxb-1234567890-abcdefgh\"]", "[\"***\"]" },
	{ "[\"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl ok\"]",
	    "[\"*** ok\"]" },
	{ "[\"a task-0123456789abcdef0123 x\"]",
	    "[\"a task-0123456789abcdef0123 x\"]" },
	{ "[\"Asia and Europe together\"]", "[\"Asia and Europe together\"]" },
	{ "{\"Cookie\":\"a=b\",\"x-auth-key\":\"k\",\"passphrase\":\"p\"}",
	    "{\"Cookie\":\"***\",\"x-auth-key\":\"***\",\"passphrase\":\"***\"}" },
};

Test(args_view, masks_what_looks_secret)
{
	for (size_t i = 0; i < ARRAY_LEN(views); i++) {
		CLEANUP(arena_freep) struct arena *a = arena_new(0);
		CLEANUP_BUF struct buf out = BUF_INIT;
		const struct json *v = NULL;

		cr_assert(json_read(a, views[i].args, strlen(views[i].args), 0, &v,
			      NULL) == 0);
		args_view(&out, v, llm_text_of(views[i].args), 4096);
		expect_str(buf_str(&out), views[i].want);
	}
}

/* The message around them is read by readers that stop at 64 levels. */
Test(args_view, what_is_nested_deeply_is_left_out)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	CLEANUP_BUF struct buf in = BUF_INIT, out = BUF_INIT;
	const struct json *v;

	for (int i = 0; i < JSON_DEPTH_MAX; i++)
		buf_adds(&in, "[");
	for (int i = 0; i < JSON_DEPTH_MAX; i++)
		buf_adds(&in, "]");
	cr_assert(json_read(a, buf_str(&in), in.len, 0, &v, NULL) == 0);
	args_view(&out, v, (struct llm_text){ NULL, 0 }, 4096);
	cr_expect(json_read(a, buf_str(&out), out.len, 40, &v, NULL) == 0, "%s",
	    buf_str(&out));
}

Test(args_view, is_valid_json_within_its_bound)
{
	for (size_t n = 1; n < 9000; n += 211) {
		CLEANUP(arena_freep) struct arena *a = arena_new(0);
		CLEANUP_BUF struct buf in = BUF_INIT;
		CLEANUP_BUF struct buf out = BUF_INIT;
		CLEANUP_BUF struct buf raw = BUF_INIT;
		const struct json *v = NULL;

		buf_adds(&in, "[\"");
		for (size_t i = 0; i < n; i++)
			buf_adds(&in, i % 2 != 0 ? "\\\"" : "\xC3\xA9");
		buf_adds(&in, "\"]");
		cr_assert(json_read(a, buf_str(&in), in.len, 0, &v, NULL) == 0);
		args_view(&out, v, (struct llm_text){ NULL, 0 }, 4096);
		cr_expect(out.len <= 4096);
		cr_expect(json_read(a, buf_str(&out), out.len, 0, &v, NULL) == 0);
		args_view(&raw, NULL, (struct llm_text){ in.data, in.len }, 4096);
		cr_expect(raw.len <= 4096);
		cr_expect(json_read(a, buf_str(&raw), raw.len, 0, &v, NULL) == 0);
	}
}
