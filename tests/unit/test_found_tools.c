/* SPDX-License-Identifier: MIT */
/*
 * test_found_tools.c - tools that a conversation learns of on the way: offered behind
 * the agent's own, called by name, the same in a replay.
 */
#include "config.h"

#include "worker/agent/conversation.h"
#include "worker/tools/rank.h"
#include "worker/tools/search_tools.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <string.h>

enum {
	JOURNAL_MAX = 32
};

struct world {
	struct conf *conf;
	struct definitions *defs;
	const struct agent *agent;
	const char *calls[4][2]; /* per turn: name, arguments; NULL: words */
	char *offered[4];        /* per turn: the tools in their wire form */
	char last_told[1000];
	char *journal[JOURNAL_MAX];
	size_t n_journal;
	unsigned finds, runs;
};

static int
ask(void *ctx, const struct llm_call *call, struct arena *a, struct llm_answer *out,
    struct llm_account *account, struct llm_error *e)
{
	struct world *w = ctx;
	struct llm_tool_call *c = arena_alloc(a, sizeof(*c));
	size_t turn = 0;

	(void)e;
	for (const struct llm_message *m = call->messages->first; m != NULL;
	     m = m->next) {
		turn += m->role == LLM_ROLE_ASSISTANT;
		if (m->role == LLM_ROLE_TOOL)
			(void)snprintf(w->last_told, sizeof(w->last_told), "%.*s",
			    (int)m->text.len, m->text.s);
	}
	cr_assert(lt(sz, turn, 4));
	free(w->offered[turn]);
	w->offered[turn] =
	    strndup(call->prefixes[0]->tools, call->prefixes[0]->tools_len);
	memset(account, 0, sizeof(*account));
	memset(out, 0, sizeof(*out));
	if (w->calls[turn][0] == NULL) {
		out->text = llm_text_of("that was all");
		return 0;
	}
	*c = (struct llm_tool_call){ llm_text_of("id"), llm_text_of(w->calls[turn][0]),
		llm_text_of(w->calls[turn][1]) };
	out->calls = c;
	out->n_calls = 1;
	out->finish = LLM_FINISH_TOOL_CALLS;
	return 0;
}

static int
append(void *ctx, size_t index, const char *record, size_t n)
{
	struct world *w = ctx;

	cr_assert(eq(sz, index, w->n_journal));
	cr_assert(lt(sz, index, JOURNAL_MAX));
	w->journal[w->n_journal++] = strndup(record, n);
	return 0;
}

static bool
never(void *ctx)
{
	(void)ctx;
	return false;
}

static uint64_t
now_ms(void *ctx)
{
	(void)ctx;
	return 1;
}

static int
run_found(const struct tool_call *call, struct tool_outcome *o)
{
	struct world *w = call->job;

	w->runs++;
	cr_expect_str_eq(call->tool->name, "get_flights");
	o->data.text = strdup("[1]");
	o->data.len = 3;
	return 0;
}

/* The store of this world knows get_flights, and get_0 to get_99. */
static int
find_tool(void *ctx, struct arena *a, const char *name, size_t n, struct tool *out)
{
	struct world *w = ctx;

	w->finds++;
	if (n < 5 || memcmp(name, "get_", 4) != 0)
		return -ENOENT;
	*out = (struct tool){ .name = arena_strndup(a, name, n),
		.description = "finds flights",
		.parameters = "{\"type\":\"object\",\"additionalProperties\":false,"
			      "\"properties\":{\"k\":{\"type\":\"integer\"}}}",
		.flags = TOOL_DATA,
		.run = run_found };
	return 0;
}

static const char *report;

static int
search(const struct tool_call *call, struct tool_outcome *o)
{
	(void)call;
	buf_adds(&o->report, report);
	return 0;
}

static void
world_init(struct world *w)
{
	struct err err = ERR_INIT;

	*w = (struct world){ .n_journal = 0 };
	cr_assert(conf_load(NULL, &w->conf, &err) == 0, "%s", err_text(&err));
	cr_assert(definitions_new(w->conf, &w->defs, NULL, &err) == 0);
	w->agent = definitions_find(w->defs, "workflow", 8);
	search_tools_set(search);
	report =
	    "{\"found\":[{\"kind\":\"agent\",\"name\":\"get_agent\"},{\"kind\":\"tool\","
	    "\"name\":\"get_flights\"},{\"kind\":\"tool\",\"name\":\"gone\"},{\"kind\":"
	    "\"tool\",\"name\":7},{\"kind\":\"tool\",\"name\":\"execute_pipeline\"},7]}";
}

static void
world_free(struct world *w)
{
	for (size_t i = 0; i < w->n_journal; i++)
		free(w->journal[i]);
	for (size_t i = 0; i < ARRAY_LEN(w->offered); i++)
		free(w->offered[i]);
	definitions_free(w->defs);
	conf_free(w->conf);
}

static enum error_type
converse(struct world *w)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	CLEANUP(conversation_result_release) struct conversation_result result;
	struct conversation_record records[JOURNAL_MAX];
	const struct conversation_env env = { .ctx = w,
		.ask = ask,
		.append = append,
		.find_tool = find_tool,
		.is_cancelled = never,
		.now_ms = now_ms,
		.job = w };
	struct conversation_job job = { .job_id = "j",
		.agent = w->agent,
		.records = records,
		.n_records = w->n_journal,
		.next_index = w->n_journal };
	struct llm_message *m = llm_messages_add(a, &job.messages, LLM_ROLE_USER);

	m->text = llm_text_of("flights");
	for (size_t i = 0; i < w->n_journal; i++)
		records[i] = (struct conversation_record){ w->journal[i],
			strlen(w->journal[i]) };
	conversation_result_init(&result);
	cr_assert(eq(int, conversation_run(&env, &job, a, &result), 0));
	return result.is_completed ? ERROR_TYPE_NONE : result.error.type;
}

#define SEARCH                              \
 {                                          \
  "search_tools", "{\"query\":\"flights\"}" \
 }

Test(found_tools, stand_behind_the_agents_own_from_the_next_turn_on)
{
	struct world w;
	size_t n;

	world_init(&w);
	memcpy(w.calls, (const char *[][2]){ SEARCH, { "get_flights", "{\"k\":3}" } },
	    2 * sizeof(w.calls[0]));
	cr_expect(converse(&w) == ERROR_TYPE_NONE);
	cr_expect(eq(uint, w.runs, 1));
	cr_expect(strstr(w.offered[0], "get_flights") == NULL);
	cr_expect(strstr(w.offered[1], "get_flights") != NULL);
	cr_expect(strstr(w.offered[1], "get_agent") == NULL, "agents are no tools");
	/* what providers cache of the beginning is still true */
	for (n = 0; w.offered[0][n] != '\0' && w.offered[0][n] == w.offered[1][n]; n++)
		;
	cr_expect(ge(sz, n + 3, strlen(w.offered[0])), "%s", w.offered[0] + n);
	/* its success ended the job, as that of a pipeline does */
	cr_expect(w.offered[2] == NULL);
	world_free(&w);
}

Test(found_tools, are_called_without_a_search_by_who_knows_the_name)
{
	struct world w;

	world_init(&w);
	memcpy(w.calls, (const char *[][2]){ { "get_flights", "{}" } },
	    sizeof(w.calls[0]));
	cr_expect(converse(&w) == ERROR_TYPE_NONE);
	cr_expect(eq(uint, w.runs, 1));
	world_free(&w);
}

Test(found_tools, that_do_not_exist_are_refused_and_the_others_named)
{
	struct world w;

	world_init(&w);
	memcpy(w.calls, (const char *[][2]){ SEARCH, { "nobodys", "{}" } },
	    2 * sizeof(w.calls[0]));
	cr_expect(converse(&w) == ERROR_TYPE_INVALID_STEP);
	cr_expect(strstr(w.last_told,
		      "there is no tool \"nobodys\"; the tools are: execute_pipeline, "
		      "search_tools, get_flights") != NULL,
	    "%s", w.last_told);
	world_free(&w);
}

Test(found_tools, check_their_arguments_as_all_tools_do)
{
	struct world w;

	world_init(&w);
	memcpy(w.calls, (const char *[][2]){ { "get_flights", "{\"k\":\"many\"}" } },
	    sizeof(w.calls[0]));
	cr_expect(converse(&w) == ERROR_TYPE_INVALID_STEP);
	cr_expect(eq(uint, w.runs, 0));
	world_free(&w);
}

/* The worker dies after the search: the next attempt replays it, and is offered the
   same. */
Test(found_tools, are_offered_again_after_a_replay)
{
	struct world w;

	world_init(&w);
	memcpy(w.calls, (const char *[][2]){ SEARCH }, sizeof(w.calls[0]));
	(void)converse(&w);     /* turn 1 answers in words */
	while (w.n_journal > 2) /* and that answer is lost */
		free(w.journal[--w.n_journal]);
	w.calls[1][0] = "get_flights";
	w.calls[1][1] = "{}";
	free(w.offered[1]);
	w.offered[1] = NULL;
	report = "not asked again";
	cr_expect(converse(&w) == ERROR_TYPE_NONE);
	cr_expect(strstr(w.offered[1], "get_flights") != NULL);
	cr_expect(eq(uint, w.runs, 1));
	world_free(&w);
}

Test(found_tools, are_bounded)
{
	CLEANUP_BUF struct buf many = BUF_INIT;
	struct world w;

	world_init(&w);
	buf_adds(&many, "{\"found\":[");
	for (int i = 0; i < 40; i++)
		buf_addf(&many, "%s{\"kind\":\"tool\",\"name\":\"get_%d\"}",
		    i > 0 ? "," : "", i);
	buf_adds(&many, "]}");
	report = buf_str(&many);
	memcpy(w.calls, (const char *[][2]){ SEARCH }, sizeof(w.calls[0]));
	(void)converse(&w);
	cr_expect(strstr(w.offered[1], "\"get_15\"") != NULL);
	cr_expect(strstr(w.offered[1], "\"get_16\"") == NULL);
	cr_expect(eq(uint, w.finds, 16), "what is not offered is not looked up");
	world_free(&w);
}

Test(found_tools, are_nothing_for_an_agent_without_pipelines)
{
	struct world w;
	struct agent lesser;

	world_init(&w);
	lesser = *w.agent;
	cr_assert(strcmp(lesser.tools[0].tool->name, "execute_pipeline") == 0);
	lesser.tools++;
	lesser.n_tools--;
	w.agent = &lesser;
	memcpy(w.calls, (const char *[][2]){ SEARCH, { "get_flights", "{}" } },
	    2 * sizeof(w.calls[0]));
	cr_expect(converse(&w) == ERROR_TYPE_INVALID_STEP);
	cr_expect(eq(uint, w.finds, 0));
	world_free(&w);
}

/* ---- ranking ---- */

static const struct {
	const char *query;
	const char *best[3]; /* NULL: no more */
} queries[] = {
	{ "cheapest flight", { "cheap_flights", "hotels", NULL } },
	{ "FLIGHTS", { "cheap_flights", "hotels", NULL } },
	{ "hotel", { "hotels", NULL, NULL } },
	{ "the weather of tomorrow", { "weather", NULL, NULL } },
	{ "caf\xc3\xa9", { "caf\xc3\xa9", NULL, NULL } },
	{ "group", { "a_sum", "b_sum", NULL } }, /* equals stay in their order */
	{ "zebra", { NULL, NULL, NULL } },
	{ "", { NULL, NULL, NULL } },
	{ "!!! ,,, ", { NULL, NULL, NULL } },
};

Test(rank, the_best_stand_first)
{
	for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
		struct rank_text texts[] = {
			{ .name = "hotels", .description = "rooms near a flight" },
			{ .name = "cheap_flights", .description = "sort by price" },
			{ .name = "weather", .description = "tomorrow, by town" },
			{ .name = "caf\xc3\xa9", .description = "" },
			{ .name = "a_sum", .description = "group and add" },
			{ .name = "b_sum", .description = "group and add" },
		};
		const char *query = queries[i].query;

		cr_assert(eq(int,
		    rank_texts(texts, ARRAY_LEN(texts), query, strlen(query)), 0));
		for (size_t k = 0; k < 3; k++) {
			if (queries[i].best[k] == NULL) {
				cr_expect(texts[k].score <= 0, "'%s': %s too", query,
				    texts[k].name);
				break;
			}
			cr_expect_str_eq(texts[k].name, queries[i].best[k], "'%s'",
			    query);
			cr_expect(texts[k].score > 0, "'%s'", query);
		}
	}
	cr_expect(eq(int, rank_texts(NULL, 0, "x", 1), 0));
}
