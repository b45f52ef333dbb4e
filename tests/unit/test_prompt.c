/* SPDX-License-Identifier: MIT */
/* test_prompt.c - what models are told: definitions, system text, jobs, tool
   schemas. */
#include "config.h"

#include "common/conf/targets.h"
#include "worker/agent/conversation.h"
#include "worker/agent/prompt.h"
#include "worker/agent/workflow_text.h"
#include "worker/llm/strict_schema.h"
#include "worker/tools/execute_pipeline.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#define expect_str(got, want) \
 cr_expect(strcmp(got, want) == 0, "'%s' is not '%s'", got, want)
#define expect_has(text, part) \
 cr_expect(strstr(text, part) != NULL, "'%s' does not hold '%s'", text, part)

static const struct json *
read_json(struct arena *a, const char *text)
{
	const struct json *v = NULL;
	struct err err = ERR_INIT;

	cr_assert(json_read(a, text, strlen(text), 0, &v, &err) == 0, "%s: %s", text,
	    err_text(&err));
	return v;
}

/* ---- the system text ---- */

static bool
has_patch(const void *ctx, const char *name, size_t n)
{
	return ctx != NULL && n == 14 && memcmp(name, "patch_workflow", n) == 0;
}

Test(prompt, parts_follow_the_tools)
{
	static const char own[] =
	    "a\n@tool patch_workflow\nb\n@end\n@without patch_workflow\n"
	    "c\n@end\nd @tool e";
	CLEANUP(freep) char *with = prompt_system_text(own, has_patch, own);
	CLEANUP(freep) char *without = prompt_system_text(own, has_patch, NULL);

	expect_str(with, "a\nb\nd @tool e");
	expect_str(without, "a\nc\nd @tool e");
}

Test(prompt, the_built_in_text_names_all_node_types_and_no_absent_tool)
{
	static const char *const types[] = { "function", "http", "conditional", "loop",
		"parallel", "transform", "aggregate", "filter", "agent", "hitl" };
	CLEANUP(freep) char *without = prompt_system_text("", has_patch, NULL);
	CLEANUP(freep) char *with = prompt_system_text("", has_patch, "");

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		char row[32];

		(void)snprintf(row, sizeof(row), "\n- %s: ", types[i]);
		expect_has(without, row);
	}
	cr_expect(strstr(without, "patch_workflow") == NULL);
	cr_expect(strstr(with, "patch_workflow") != NULL);
	cr_expect(strstr(with, "\n@") == NULL && strstr(without, "\n@") == NULL);
	cr_expect(strlen(without) > 4096, "long enough for providers to cache it");
}

/* ---- definitions ---- */

Test(definitions, the_built_in_agent_is_ready_and_silent_about_what_it_lacks)
{
	CLEANUP_BUF struct buf notes = BUF_INIT;
	struct definitions *d = NULL;
	struct conf *conf = NULL;
	struct err err = ERR_INIT;
	const struct agent *a;

	cr_assert(conf_load(NULL, &conf, &err) == 0, "%s", err_text(&err));
	cr_assert(definitions_new(conf, &d, &notes, &err) == 0, "%s", err_text(&err));
	a = definitions_find(d, "workflow", 8);
	cr_assert(a != NULL);
	cr_expect(definitions_find(d, "workflo", 7) == NULL);
	cr_expect(agent_tool_find(a, "execute_pipeline", 16) != NULL);
	cr_expect(agent_tool_find(a, "execute_pipeline", 16)->ends_job);
	cr_expect(a->max_turns == 10 && a->max_tokens == 200000);
	cr_expect(agent_offer_for(a, TOOL_LANE_EXECUTE) == AGENT_OFFER_EXECUTE);
	cr_expect(buf_str(&notes)[0] == '\0', "no file can be mended: %s",
	    buf_str(&notes));
	if (tool_find("patch_workflow", 14) == NULL) {
		cr_expect(agent_offer_for(a, TOOL_LANE_PATCH) == AGENT_OFFER_ALL,
		    "a lane without a tool narrows nothing");
	}
	definitions_free(d);
	conf_free(conf);
}

Test(definitions, a_thousand_builds_give_the_same_bytes)
{
	struct conf *conf = NULL;
	char hash[33] = "";

	cr_assert(conf_load(NULL, &conf, NULL) == 0);
	for (int i = 0; i < 1000; i++) {
		struct definitions *d = NULL;
		const struct agent *a;

		cr_assert(definitions_new(conf, &d, NULL, NULL) == 0);
		a = definitions_at(d, 0);
		if (i == 0)
			memcpy(hash, a->prefixes[AGENT_OFFER_ALL][0]->hash,
			    sizeof(hash));
		cr_assert(strcmp(hash, a->prefixes[AGENT_OFFER_ALL][0]->hash) == 0);
		definitions_free(d);
	}
	conf_free(conf);
}

static const struct {
	const char *field;
	size_t offset;
	const char *value, *says;
} faults[] = {
	{ "tools", offsetof(struct conf_agent, tools), "hammer",
	    "agent workflow: tools: there is no tool \"hammer\"" },
	{ "finish_tools", offsetof(struct conf_agent, finish_tools), "hammer",
	    "agent workflow: finish_tools: there is no tool \"hammer\"" },
	{ "providers", offsetof(struct conf_agent, providers), "nobody",
	    "agent workflow: providers: there is no provider \"nobody\"" },
};

Test(definitions, name_the_agent_and_the_field_at_fault)
{
	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		char *names[] = { (char *)(uintptr_t)faults[i].value };
		struct definitions *d = NULL;
		struct conf *conf = NULL;
		struct err err = ERR_INIT;
		struct conf_list *list, kept;

		cr_assert(conf_load(NULL, &conf, NULL) == 0);
		list = (struct conf_list *)(void *)((char *)&conf->agents[0] +
		    faults[i].offset);
		kept = *list;
		*list = (struct conf_list){ names, 1 };
		cr_expect(definitions_new(conf, &d, NULL, &err) == -EINVAL);
		cr_expect(d == NULL);
		expect_str(err.text, faults[i].says);
		*list = kept;
		conf_free(conf);
	}
}

Test(definitions, a_schema_outside_the_subset_is_refused)
{
	char schema[] = "{\"anyOf\":[]}", none[] = "";
	struct definitions *d = NULL;
	struct conf *conf = NULL;
	struct err err = ERR_INIT;
	char *kept;

	cr_assert(conf_load(NULL, &conf, NULL) == 0);
	kept = conf->agents[0].output_schema;
	conf->agents[0].output_schema = schema;
	cr_expect(definitions_new(conf, &d, NULL, &err) == -ENOTSUP);
	expect_str(err.text,
	    "agent workflow: output_schema_file: /anyOf: keyword is not supported");
	conf->agents[0].output_schema = kept != NULL ? kept : none;
	conf_free(conf);
}

Test(targets, are_numbered_by_the_configuration)
{
	struct conf *conf = NULL;
	struct conf_target t;

	cr_assert(conf_load(NULL, &conf, NULL) == 0);
	cr_expect(conf_target_index(conf, conf->llm.providers[0].name,
		      conf->llm.providers[0].model) == 0);
	cr_expect(conf_target_index(conf, "x", "y") == 15);
	cr_expect(conf_target_at(conf, 0, &t));
	expect_str(t.model, conf->llm.providers[0].model);
	cr_expect(!conf_target_at(conf, 1, &t));
	cr_expect(conf_target_at(conf, 15, &t));
	expect_str(t.provider, "other");
	conf_free(conf);
}

/* ---- the job's message ---- */

static char *
told(struct arena *a, const struct prompt_input *in)
{
	struct llm_messages list = { NULL, NULL, 0 };

	cr_assert(prompt_messages(a, in, &list) == 0);
	cr_assert(list.n == 1 && list.first->role == LLM_ROLE_USER);
	return arena_strndup(a, list.first->text.s, list.first->text.len);
}

Test(prompt, a_bare_job_is_its_prompt)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	struct prompt_input in = { .prompt = llm_text_of("show me flights") };

	expect_str(told(a, &in), "show me flights");
}

Test(prompt, a_job_in_a_workflow_knows_its_place)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	struct prompt_input in = {
		.prompt = llm_text_of("cheapest 3"),
		.node_id = llm_text_of("agent_analyze"),
		.run_id = llm_text_of("run-1"),
		.workflow_tag = llm_text_of("main"),
		.workflow_owner = llm_text_of("s d\nutt"),
		.session_id = llm_text_of("sess-1"),
		.current_workflow = read_json(a,
		    "{\"nodes\":[{\"id\":\"fetch\",\"type\":\"http\",\"config\":{\"url\":\"u\"}},"
		    "{\"id\":\"agent_analyze\",\"type\":\"agent\"}],\"edges\":[{\"from\":\"fetch\","
		    "\"to\":\"agent_analyze\",\"condition\":\"output.n > 1\"}]}"),
		.previous_results = read_json(a,
		    "[{\"node_id\":\"fetch\",\"result_ref\":\"artifact://1\",\"preview\":{"
		    "\"count\":150}}]"),
		.workflow_state = read_json(a, "{\"current_step\":5}"),
		.session = read_json(a,
		    "{\"history\":[{\"prompt\":\"old\",\"result_ref\":\"artifact://0\",\"pipeline\":"
		    "[\"top_k\"]},{\"prompt\":\"bad\",\"error\":{\"type\":\"timeout\"}}],"
		    "\"last_result\":{\"result_ref\":\"artifact://2\"}}"),
		.output_schema = read_json(a, "{\"type\":\"object\"}"),
	};

	expect_str(told(a, &in),
	    "## Current workflow\nnodes:\n- /nodes/0: fetch type http config {\"url\":\"u\"}\n"
	    "- /nodes/1: agent_analyze type agent\nedges:\n"
	    "- /edges/0: fetch -> agent_analyze if \"output.n > 1\"\n\n"
	    "## Where you are\ncurrent node id: agent_analyze\nworkflow_tag: main\n"
	    "workflow_owner: \"s d\\nutt\"\nrun id: run-1\nsession_id: sess-1\n"
	    "workflow state: {\"current_step\":5}\n\n"
	    "## Results of earlier nodes (use their references as input_ref)\n"
	    "- node fetch: artifact://1 preview {\"count\":150}\n\n"
	    "## The session so far\nearlier in this session, oldest first:\n- asked: old\n"
	    "  by execute_pipeline: [\"top_k\"]\n  result: - artifact://0\n- asked: bad\n"
	    "  it failed: timeout\nthe session's last result (\"those\", \"them\", \"it\"):\n"
	    "- artifact://2\n\n"
	    "## Final answer\nThe final answer must be one JSON value that satisfies this JSON "
	    "Schema. Call tools first if you need them; then answer with the JSON value alone.\n"
	    "{\"type\":\"object\"}\n\n"
	    "## Task\ncheapest 3");
}

Test(prompt, a_map_of_nodes_shows_edges_by_their_dependents)
{
	static const char *const forms[] = {
		"{\"a\":{\"type\":\"http\",\"dependents\":[\"b\",\"c\"]},\"b\":{\"type\":\"agent\"}}",
		"{\"nodes\":{\"a\":{\"type\":\"http\",\"dependents\":[\"b\",\"c\"]},\"b\":{\"type\":"
		"\"agent\"}}}",
	};

	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		CLEANUP(arena_freep) struct arena *a = arena_new(0);
		CLEANUP_BUF struct buf out = BUF_INIT;

		workflow_text(&out, read_json(a, forms[i]));
		expect_str(buf_str(&out),
		    "## Current workflow\nnodes:\n- /nodes/a: a type http\n- /nodes/b: b type "
		    "agent\nedges:\n- a -> b, c\n\n");
	}
}

Test(prompt, malformed_surroundings_do_no_harm)
{
	static const char *const odd[] = { "{\"nodes\":[1,null,{}],\"edges\":[1]}",
		"{}", "{\"nodes\":3}", "{\"nodes\":[],\"edges\":{}}", "{\"a\":1}" };

	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		CLEANUP(arena_freep) struct arena *a = arena_new(0);
		struct prompt_input in = { .prompt = llm_text_of("p"),
			.current_workflow = read_json(a, odd[i]),
			.previous_results = read_json(a, "[1,{},{\"preview\":null}]"),
			.session =
			    read_json(a, "{\"history\":[1,{\"prompt\":\"x\"}]}") };

		expect_has(told(a, &in), "## Task\np");
	}
}

/* ---- execute_pipeline ---- */

static struct json_schema *
pipeline_schema(void)
{
	const struct tool *tool = tool_find("execute_pipeline", 16);
	struct json_schema *s = NULL;
	struct err err = ERR_INIT;

	cr_assert(json_schema_compile_text(tool->parameters, strlen(tool->parameters),
		      &s, &err) == 0,
	    "%s", err_text(&err));
	return s;
}

static void
check_example(const struct json_schema *s, const char *line, size_t n)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	CLEANUP_BUF struct buf text = BUF_INIT;
	CLEANUP_BUF struct buf why = BUF_INIT;
	struct json_schema_errors errors;
	const struct json *v = NULL;
	bool is_step = n > 8 && memcmp(line, "{\"step\":", 8) == 0;
	size_t used = 0;

	cr_assert(json_read_prefix(a, line, n, 0, &v, &used, NULL) == 0, "%.*s", (int)n,
	    line);
	buf_addf(&text, is_step ? "{\"pipeline\":[%.*s]}" : "%.*s", (int)used, line);
	v = read_json(a, buf_str(&text));
	if (json_schema_check(s, v, &errors) != 0) {
		json_schema_errors_write(&why, &errors);
		cr_expect(false, "%s: %s", buf_str(&text), buf_str(&why));
	}
}

Test(execute_pipeline, every_example_of_the_prompt_satisfies_the_schema)
{
	static const char *const begins[] = { "{\"step\":", "{\"pipeline\":",
		"{\"input_ref\":" };
	CLEANUP(json_schema_freep) struct json_schema *s = pipeline_schema();
	const char *prompt = prompt_builtin();
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_LEN(begins); i++)
		for (const char *at = strstr(prompt, begins[i]); at != NULL;
		     at = strstr(at + 1, begins[i])) {
			if (at > prompt && (at[-1] == '[' || at[-1] == ','))
				continue; /* inside another example */
			check_example(s, at, strcspn(at, "\n"));
			n++;
		}
	cr_expect(n >= 13, "%u", n);
}

static const struct {
	const char *args;
	const char *path; /* NULL: fine */
} pipelines[] = {
	{ "{\"session_id\":\"s\",\"pipeline\":[{\"step\":\"top_k\",\"k\":3}]}", NULL },
	{ "{\"pipeline\":[{\"step\":\"table_filter\",\"condition\":{\"field\":\"a\",\"op\":\"in\","
	  "\"value\":[1,\"x\",null]}}]}",
	    NULL },
	{ "{\"pipeline\":[{\"step\":\"join\",\"right\":\"cas://x\",\"on\":{\"left\":\"a\",\"right\":"
	  "\"b\"},\"how\":\"left\"}]}",
	    NULL },
	{ "{}", "/pipeline" },
	{ "{\"pipeline\":{}}", "/pipeline" },
	{ "{\"pipeline\":[{}]}", "/pipeline/0/step" },
	{ "{\"pipeline\":[{\"step\":\"top_k\",\"k\":0}]}", "/pipeline/0/k" },
	{ "{\"pipeline\":[{\"step\":\"drop_table\"}]}", "/pipeline/0/step" },
	{ "{\"pipeline\":[{\"step\":\"top_k\",\"k\":\"3\"}]}", "/pipeline/0/k" },
	{ "{\"pipeline\":[],\"verbose\":true}", "/verbose" },
};

Test(execute_pipeline, schema)
{
	CLEANUP(json_schema_freep) struct json_schema *s = pipeline_schema();

	for (size_t i = 0; i < ARRAY_LEN(pipelines); i++) {
		CLEANUP(arena_freep) struct arena *a = arena_new(0);
		struct json_schema_errors errors = { .n = 0 };

		(void)json_schema_check(s, read_json(a, pipelines[i].args), &errors);
		if (pipelines[i].path == NULL)
			cr_expect(errors.n == 0, "%s", pipelines[i].args);
		else
			expect_str(errors.at[0].path, pipelines[i].path);
	}
}

Test(execute_pipeline, only_a_post_has_effects)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);

	cr_expect(!execute_pipeline_has_side_effects(read_json(a,
	    "{\"pipeline\":[{\"step\":\"http_request\",\"method\":\"get\"},{}]}")));
	cr_expect(execute_pipeline_has_side_effects(read_json(a,
	    "{\"pipeline\":[{\"step\":\"http_request\",\"method\":\"POST\"}]}")));
	cr_expect(!execute_pipeline_has_side_effects(read_json(a, "{}")));
}

/* ---- strict rules ---- */

static const struct {
	const char *plain, *strict;
} stricts[] = {
	{ "{\"type\":\"object\",\"required\":[\"a\"],\"properties\":{\"a\":{\"type\":"
	  "\"string\",\"description\":\"d\",\"default\":\"x\"},\"b\":{\"type\":\"integer\","
	  "\"minimum\":1}}}",
	    "{\"type\":\"object\",\"properties\":{\"a\":{\"description\":\"d\",\"type\":"
	    "\"string\"},\"b\":{\"type\":[\"integer\",\"null\"],\"minimum\":1}},\"required\":["
	    "\"a\",\"b\"],\"additionalProperties\":false}" },
	{ "{\"type\":\"object\",\"properties\":{\"m\":{\"type\":\"string\",\"enum\":[\"x\"]}}}",
	    "{\"type\":\"object\",\"properties\":{\"m\":{\"type\":[\"string\",\"null\"],"
	    "\"enum\":[\"x\",null]}},\"required\":[\"m\"],\"additionalProperties\":false}" },
	{ "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}",
	    "{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"name\":{"
	    "\"type\":\"string\"},\"value\":{\"type\":\"string\"}},\"required\":[\"name\","
	    "\"value\"],\"additionalProperties\":false}}" },
	{ "{\"type\":[\"string\",\"array\"],\"items\":{\"type\":\"string\"}}",
	    "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"items\":{\"type\":"
	    "\"string\"}}]}" },
};

Test(strict_schema, closes_objects_and_requires_everything)
{
	for (size_t i = 0; i < ARRAY_LEN(stricts); i++) {
		CLEANUP(arena_freep) struct arena *a = arena_new(0);
		CLEANUP_BUF struct buf out = BUF_INIT;

		cr_expect(
		    strict_schema_write(&out, read_json(a, stricts[i].plain)) == 0);
		expect_str(buf_str(&out), stricts[i].strict);
	}
}

/* What providers check: objects closed, all properties required, nothing left open. */
static void
check_strict(const struct json *s)
{
	const struct json *p = json_get(s, "properties"), *any = json_get(s, "anyOf");

	cr_expect(json_get(s, "type") != NULL || any != NULL);
	if (json_eq_str(json_get(s, "type"), "object")) {
		cr_assert(p != NULL);
		cr_expect(json_is(json_get(s, "additionalProperties"), JSON_BOOL) &&
		    !json_is_true(json_get(s, "additionalProperties")));
		cr_expect(json_get(s, "required")->len == p->len);
		for (uint32_t i = 0; i < p->len; i++)
			check_strict(&p->members[i].value);
	}
	if (json_eq_str(json_get(s, "type"), "array"))
		check_strict(json_get(s, "items"));
	for (uint32_t i = 0; any != NULL && i < any->len; i++)
		check_strict(&any->items[i]);
}

Test(strict_schema, every_tool_can_be_sent_strict)
{
	for (size_t i = 0; tool_at(i) != NULL; i++) {
		CLEANUP(arena_freep) struct arena *a = arena_new(0);
		CLEANUP_BUF struct buf out = BUF_INIT;

		cr_assert(strict_schema_write(&out,
			      read_json(a, tool_at(i)->parameters)) == 0);
		check_strict(read_json(a, buf_str(&out)));
	}
}

/* Every level a list of types and a map: what the writer nests deepest for. */
Test(strict_schema, too_deep_a_schema_is_refused)
{
	for (unsigned levels = 1; levels <= 20; levels++) {
		CLEANUP(arena_freep) struct arena *a = arena_new(0);
		CLEANUP_BUF struct buf text = BUF_INIT;
		CLEANUP_BUF struct buf out = BUF_INIT;

		for (unsigned i = 0; i < levels; i++)
			buf_adds(&text,
			    "{\"type\":[\"object\",\"string\",\"null\"],"
			    "\"additionalProperties\":");
		buf_adds(&text, "{}");
		for (unsigned i = 0; i < levels; i++)
			buf_addc(&text, '}');
		cr_expect(strict_schema_write(&out, read_json(a, buf_str(&text))) ==
			(levels <= 10 ? 0 : -E2BIG),
		    "%u levels", levels);
	}
}

static const struct {
	const char *args, *want;
} restored[] = {
	{ "{\"session_id\":null,\"pipeline\":[{\"step\":\"http_request\",\"url\":\"u\","
	  "\"k\":null,\"params\":[{\"name\":\"from\",\"value\":\"NYC\"}],\"headers\":[],"
	  "\"condition\":null}]}",
	    "{\"pipeline\":[{\"step\":\"http_request\",\"url\":\"u\",\"params\":{\"from\":"
	    "\"NYC\"},\"headers\":[]}]}" },
	{ "{\"pipeline\":[{\"step\":\"table_filter\",\"condition\":{\"all\":[[{\"name\":"
	  "\"field\",\"value\":\"a\"},{\"name\":\"op\",\"value\":\"==\"},{\"name\":\"value\","
	  "\"value\":null}]],\"any\":null,\"not\":null,\"field\":null,\"op\":null}}]}",
	    "{\"pipeline\":[{\"step\":\"table_filter\",\"condition\":{\"all\":[{\"field\":\"a\","
	    "\"op\":\"==\",\"value\":null}]}}]}" },
	{ "{\"pipeline\":[{\"step\":null}],\"x\":null}",
	    "{\"pipeline\":[{\"step\":null}],\"x\":null}" },
	{ "{\"pipeline\":[{\"step\":\"top_k\",\"k\":1.0}]}",
	    "{\"pipeline\":[{\"step\":\"top_k\",\"k\":1.0}]}" },
	{ "[1]", "[1]" },
};

Test(strict_schema, arguments_find_their_way_back)
{
	const char *schema = tool_find("execute_pipeline", 16)->parameters;

	for (size_t i = 0; i < ARRAY_LEN(restored); i++) {
		CLEANUP(arena_freep) struct arena *a = arena_new(0);
		CLEANUP_BUF struct buf out = BUF_INIT;

		json_write(&out,
		    strict_args_restore(a, read_json(a, schema),
			read_json(a, restored[i].args)),
		    JSON_COMPACT);
		expect_str(buf_str(&out), restored[i].want);
	}
}

/* ---- small stacks ---- */

#ifndef WITH_SANITIZERS /* their frames are larger */
static void *
deep_work(void *unused)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	CLEANUP_BUF struct buf schema = BUF_INIT;
	CLEANUP_BUF struct buf value = BUF_INIT;
	CLEANUP(json_schema_freep) struct json_schema *s = NULL;
	struct json_schema_errors *errors = calloc(1, sizeof(*errors));
	const struct json *v = NULL;

	for (int i = 0; i < 30; i++) {
		buf_adds(&schema, "{\"items\":");
		buf_adds(&value, "[");
	}
	buf_adds(&schema, "{\"pattern\":\"^(a|b)+$\"}");
	buf_adds(&value, "\"ababababc\"");
	for (int i = 0; i < 30; i++) {
		buf_adds(&schema, "}");
		buf_adds(&value, "]");
	}
	if (json_schema_compile_text(buf_str(&schema), schema.len, &s, NULL) == 0 &&
	    json_read(a, buf_str(&value), value.len, 0, &v, NULL) == 0 &&
	    json_schema_check(s, v, errors) == -EBADMSG && errors->n == 1) {
		struct prompt_input in = { .prompt = llm_text_of("p"),
			.current_workflow = v,
			.workflow_state = v };
		struct llm_messages list = { NULL, NULL, 0 };

		if (prompt_messages(a, &in, &list) == 0)
			unused = a;
	}
	free(errors);
	return unused;
}

Test(stack, schemas_and_prompts_fit_a_job_s)
{
	pthread_attr_t attr;
	pthread_t thread;
	void *answer = NULL;

	cr_assert(pthread_attr_init(&attr) == 0);
	cr_assert(pthread_attr_setstacksize(&attr, 64 * 1024) == 0);
	cr_assert(pthread_create(&thread, &attr, deep_work, NULL) == 0);
	cr_assert(pthread_join(thread, &answer) == 0);
	cr_expect(answer != NULL);
	(void)pthread_attr_destroy(&attr);
}
#endif
