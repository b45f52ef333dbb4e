/* SPDX-License-Identifier: MIT */
/*
 * test_owner_tools.c - pipelines that become tools of their owner: found by search_tools,
 * called by name, and by nobody else until they are published.
 */
#include "config.h"

#include "tests/e2e/owner_support.h"
#include "tests/support/postgres_server.h"

#include <signal.h>

TestSuite(owner_tools, .timeout = 240);

#define FLIGHTS(count, under)                                                         \
 "{\"pipeline\":[{\"step\":\"http_request\",\"url\":\"{{data_api}}/flights/search\"," \
 "\"params\":{\"origin\":\"NYC\",\"dest\":\"LAX\",\"count\":" count                   \
 "}},{\"step\":\"table_filter\",\"condition\":{\"field\":\"price\",\"op\":\"<\","     \
 "\"value\":" under "}},{\"step\":\"top_k\",\"k\":2,\"field\":\"price\",\"order\":"   \
 "\"asc\"}]}"

/* The name of the only tool of that owner; fails when there is none or there are more. */
static const char *
tool_of(const char *owner)
{
	static char name[100];
	char sql[128];

	(void)snprintf(sql, sizeof(sql),
	    "SELECT name FROM composite_tools WHERE owner = '%s'", owner);
	(void)snprintf(name, sizeof(name), "%s", harness_sql(h, sql));
	cr_assert(strchr(name, '\n') != NULL, "'%s' has no tool", owner);
	cr_assert(strchr(name, '\n')[1] == '\0', "several tools: %s", name);
	*strchr(name, '\n') = '\0';
	return name;
}

static long long
n_tools(void)
{
	return strtoll(harness_sql(h, "SELECT count(*) FROM composite_tools"), NULL,
	    10);
}

/* Two jobs of bob use the same pipeline with other literals: now it is a tool. */
static const char *
promoted(void)
{
	struct buf rules = BUF_INIT;

	rule(&rules, "one", "execute_pipeline", FLIGHTS("20", "900"));
	rule(&rules, "two", "execute_pipeline", FLIGHTS("10", "700.5"));
	script(&rules);
	expect_completed(run("one", "one", "bob", ""));
	cr_expect(eq(i64, n_tools(), 0), "used once");
	expect_completed(run("two", "two", "bob", ""));
	return tool_of("bob");
}

static int
ctl(struct buf *out, const char *const *words)
{
	const char *argv[16] = { harness_program(h, "agentctl"), "-c",
		harness_conf_path(h) };
	size_t n = 3;

	while (*words != NULL && n < ARRAY_LEN(argv) - 1)
		argv[n++] = *words++;
	buf_clear(out);
	return harness_run(h, argv, out);
}
#define CTL(out, ...) ctl(out, (const char *const[]){ __VA_ARGS__, NULL })

Test(owner_tools, a_pipeline_that_is_used_again_becomes_a_tool)
{
	const char *name;

	owner_start();
	name = promoted();
	cr_expect(strncmp(name, "get_", 4) == 0 && strstr(name, "filter_top_") != NULL,
	    "%s", name);
	cr_expect_str_eq(harness_sql(h,
			     "SELECT owner, uses, is_common FROM composite_tools"),
	    "bob\t2\t0\n");
	/* its literals are parameters, those of the last use their defaults */
	cr_expect_str_eq(harness_sql(h, "SELECT parameters FROM composite_tools"),
	    "[{\"name\":\"origin\",\"type\":\"string\",\"default\":\"NYC\",\"description\":"
	    "\"parameter of the request\"},{\"name\":\"dest\",\"type\":\"string\",\"default\":"
	    "\"LAX\",\"description\":\"parameter of the request\"},{\"name\":\"count\",\"type\":"
	    "\"number\",\"default\":10,\"description\":\"parameter of the request\"},{\"name\":"
	    "\"price\",\"type\":\"number\",\"default\":700.5,\"description\":\"what the field is "
	    "compared with\"},{\"name\":\"k\",\"type\":\"integer\",\"default\":2,\"description\":"
	    "\"how many rows to keep\"}]\n");
	owner_stop();
}

Test(owner_tools, one_job_that_repeats_itself_makes_no_tool)
{
	struct buf rules = BUF_INIT;

	owner_start();
	buf_addf(&rules,
	    "{\"when\":{\"prompt_contains\":\"#twice#\",\"turn\":0},\"reply\":{\"tool_calls\":"
	    "[{\"name\":\"execute_pipeline\",\"arguments\":%s},{\"name\":\"execute_pipeline\","
	    "\"arguments\":%s}]}},",
	    FLIGHTS("20", "900"), FLIGHTS("10", "900"));
	script(&rules);
	expect_completed(run("t1", "twice", "bob", ""));
	cr_expect(eq(i64, n_tools(), 0));
	/* the uses of two owners are not added up */
	rule(&rules, "one", "execute_pipeline", FLIGHTS("20", "900"));
	script(&rules);
	expect_completed(run("t2", "one", "ann", ""));
	expect_completed(run("t3", "one", "", ""));
	cr_expect(eq(i64, n_tools(), 0));
	expect_completed(run("t4", "one", "ann", ""));
	cr_expect(eq(i64, n_tools(), 1));
	owner_stop();
}

Test(owner_tools, what_looks_like_a_secret_makes_no_tool)
{
	static const char *const pipelines[] = {
		"{\"pipeline\":[{\"step\":\"http_request\",\"url\":\"{{data_api}}/items\","
		"\"params\":{\"api_key\":\"abc\"}}]}",
		"{\"pipeline\":[{\"step\":\"http_request\",\"url\":\"{{data_api}}/items?token=abc\"}]}",
		"{\"pipeline\":[{\"step\":\"http_request\",\"url\":\"{{data_api}}/items\","
		"\"params\":{\"appid\":\"d41d8cd98f00b204e9800998ecf8427e\"}}]}",
		"{\"pipeline\":[{\"step\":\"http_request\",\"url\":\"{{data_api}}/items\","
		"\"headers\":{\"X-Auth\":\"Bearer abcdefghijklmnopqrstuvwxyz\"}}]}",
		"{\"pipeline\":[{\"step\":\"http_request\",\"url\":\"{{data_api}}/items\"},{\"step\":"
		"\"jq_transform\",\"query\":\"[{k: \\\"sk-abcdefghijklmnop0123456789\\\"}]\"}]}",
		"{\"pipeline\":[{\"step\":\"http_request\",\"url\":\"{{data_api}}/echo\",\"method\":"
		"\"POST\",\"params\":{\"a\":1}}]}", /* no secret, but it changes things */
	};
	struct buf rules = BUF_INIT;
	char name[16], id[16];

	owner_start();
	for (size_t i = 0; i < ARRAY_LEN(pipelines); i++) {
		(void)snprintf(name, sizeof(name), "p%zu", i);
		rule(&rules, name, "execute_pipeline", pipelines[i]);
	}
	script(&rules);
	for (size_t i = 0; i < 3 * ARRAY_LEN(pipelines); i++) {
		(void)snprintf(name, sizeof(name), "p%zu", i % ARRAY_LEN(pipelines));
		(void)snprintf(id, sizeof(id), "j%zu", i);
		expect_completed(run(id, name, "bob", ""));
	}
	cr_expect(eq(i64, n_tools(), 0), "%s",
	    harness_sql(h, "SELECT template FROM composite_tools"));
	owner_stop();
}

/* First a search, then a call of what it found; offered tells in the second turn. */
static void
script_search(const char *tool, const char *args)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	buf_addf(&text,
	    "{\"rules\":[{\"when\":{\"prompt_contains\":\"#search#\",\"turn\":0},\"reply\":"
	    "{\"tool_calls\":[{\"name\":\"search_tools\",\"arguments\":{\"query\":"
	    "\"the cheapest flight\"}}]}},{\"name\":\"offered\",\"when\":{\"prompt_contains\":"
	    "\"#search#\",\"turn\":1,\"tool_offered\":\"%s\"},\"reply\":{\"tool_calls\":[{\"name\":"
	    "\"%s\",\"arguments\":%s}]}},{\"when\":{\"prompt_contains\":\"#call#\",\"turn\":0},"
	    "\"reply\":{\"tool_calls\":[{\"name\":\"%s\",\"arguments\":%s}]}},{\"reply\":"
	    "{\"content\":\"that was all\"}}]}",
	    tool, tool, args, tool, args);
	harness_llm_script(h, buf_str(&text));
}

static void
search_and_call(bool is_strict)
{
	char name[100];
	const struct json *v;

	h = e2e_new();
	harness_llm_arg(h, "--log-bodies");
	harness_servers(h);
	if (is_strict)
		harness_set(h, "llm.providers",
		    "( { name = \"stub\"; base_url = \"http://%s/v1\"; strict = true; } )",
		    harness_llm_address(h));
	harness_write_conf(h);
	harness_daemon(h);
	(void)snprintf(name, sizeof(name), "%s", promoted());
	script_search(name, "{\"count\":30,\"k\":3,\"price\":100000}");
	expect_completed(run("s1", "search", "bob", ""));
	v = harness_value(h, "s1");
	cr_assert(json_is(v, JSON_ARRAY));
	cr_expect(eq(u32, v->len, 3));
	cr_expect(was_sent("\"rule\":\"offered\""));
	/* and without a search, by a model that remembers the name; literals left out */
	script_search(name, "{}");
	expect_completed(run("s2", "call", "bob", ""));
	v = harness_value(h, "s2");
	cr_expect(json_is(v, JSON_ARRAY) && v->len <= 2);
	cr_expect_str_eq(harness_sql(h, "SELECT uses FROM composite_tools"), "4\n");
	cr_expect(eq(i64, harness_llm_stat(h, "refused"), 0));
	owner_stop();
}

Test(owner_tools, a_tool_is_found_and_called_by_name)
{
	search_and_call(false);
}

/* The stand-in refuses what breaks the strict rules: what was found keeps them, too. */
Test(owner_tools, a_tool_is_found_and_called_under_the_strict_rules)
{
	search_and_call(true);
}

/* Each way that a model of another owner has to bob's tool. */
Test(owner_tools, the_tool_of_another_owner_is_not_there)
{
	static const char *const others[] = { "ann", "", "bob:", "BOB" };
	char name[100], id[16];

	owner_start();
	(void)snprintf(name, sizeof(name), "%s", promoted());
	script_search(name, "{}");
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		const struct json *r;

		(void)snprintf(id, sizeof(id), "c%zu", i);
		expect_refused(run(id, "call", others[i], ""), "invalid_step",
		    others[i]);
		harness_llm_reset(h);
		(void)snprintf(id, sizeof(id), "s%zu", i);
		r = run(id, "search", others[i], "");
		expect_completed(r);
		cr_expect_str_eq(text_at(h, r, "metadata.turns"), "2");
	}
	cr_expect(not(was_sent("\"rule\":\"offered\"")));
	cr_expect(was_sent("{\\\\\\\"found\\\\\\\":[]}"), "nothing was found");
	cr_expect_str_eq(harness_sql(h, "SELECT uses FROM composite_tools"), "2\n");
	owner_stop();
}

Test(owner_tools, the_operator_publishes_hides_and_drops_a_tool)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	char name[100];

	owner_start();
	(void)snprintf(name, sizeof(name), "%s", promoted());
	script_search(name, "{\"k\":1}");
	cr_expect(eq(int, CTL(&out, "tools", "list", "--json"), 0));
	cr_expect(strstr(buf_str(&out), name) != NULL, "%s", buf_str(&out));
	cr_expect(eq(int, CTL(&out, "tools", "show", name, "--owner", "bob"), 0));
	cr_expect(strstr(buf_str(&out), "flights/search") != NULL, "%s", buf_str(&out));
	cr_expect(ne(int, CTL(&out, "tools", "show", name, "--owner", "ann"), 0));
	cr_expect(ne(int, CTL(&out, "tools", "publish", name, "--owner", "ann"), 0));
	cr_expect(eq(int, CTL(&out, "tools", "publish", name, "--owner", "bob"), 0));
	expect_completed(run("p1", "search", "ann", ""));
	expect_completed(run("p2", "call", "", ""));
	cr_expect(eq(int,
	    CTL(&out, "tools", "publish", name, "--owner", "bob", "--undo"), 0));
	expect_refused(run("p3", "call", "ann", ""), "invalid_step", "hidden again");
	cr_expect(ne(int, CTL(&out, "tools", "drop", name, "--owner", "ann"), 0));
	cr_expect(eq(int, CTL(&out, "tools", "drop", name, "--owner", "bob"), 0));
	expect_refused(run("p4", "call", "bob", ""), "invalid_step", "dropped");
	owner_stop();
}

/* A common tool works with what is the caller's: not with its maker's data. */
Test(owner_tools, a_common_tool_reads_for_who_calls_it)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct buf rules = BUF_INIT;
	char ref[128], args[300], name[100];

	owner_start();
	rule(&rules, "make", "execute_pipeline", MAKE_PRIVATE);
	script(&rules);
	(void)snprintf(ref, sizeof(ref), "%s",
	    text_at(h, run("b0", "make", "bob", ""), "result_ref"));
	(void)snprintf(args, sizeof(args),
	    "{\"input_ref\":\"%s\",\"pipeline\":[{\"step\":\"top_k\",\"k\":2}]}", ref);
	rule(&rules, "top", "execute_pipeline", args);
	script(&rules);
	expect_completed(run("b1", "top", "bob", ""));
	expect_completed(run("b2", "top", "bob", ""));
	(void)snprintf(name, sizeof(name), "%s",
	    harness_sql(h, "SELECT name FROM composite_tools"));
	name[strcspn(name, "\n")] = '\0';
	cr_expect(strncmp(name, "top_", 4) == 0, "%s", name);
	cr_expect_str_eq(
	    harness_sql(h,
		"SELECT count(*) FROM composite_tools WHERE template LIKE '%%artifact%%' "
		"OR parameters LIKE '%%artifact%%'"),
	    "0\n", "the reference is a parameter without a default");
	cr_expect(eq(int, CTL(&out, "tools", "publish", name, "--owner", "bob"), 0));
	script_search(name, "{}");
	expect_refused(run("a1", "call", "ann", ""), "invalid_step", "no input_ref");
	(void)snprintf(args, sizeof(args), "{\"input_ref\":\"%s\"}", ref);
	script_search(name, args);
	expect_refused(run("a2", "call", "ann", ""), "forbidden_reference", "bob's");
	expect_completed(run("b3", "call", "bob", ""));
	owner_stop();
}

static bool
has_asked(struct harness *unused, void *arg)
{
	(void)unused;
	(void)arg;
	return harness_llm_stat(h, "max_waiting") > 0;
}

static bool
has_answered(struct harness *unused, void *arg)
{
	(void)unused;
	(void)arg;
	return harness_llm_stat(h, "answers") > 0;
}

/* While the database is away a tool is not gone: the call waits for it. */
Test(owner_tools, an_outage_does_not_make_a_tool_unknown)
{
	struct postgres_server *pg;
	struct err err = ERR_INIT;
	CLEANUP_BUF struct buf text = BUF_INIT;
	char name[100];

	if (!postgres_server_is_installed())
		cr_skip_test("PostgreSQL is not installed");
	h = e2e_new();
	harness_use_postgres(h);
	harness_start(h);
	(void)snprintf(name, sizeof(name), "%s", promoted());
	buf_addf(&text,
	    "{\"rules\":[{\"when\":{\"prompt_contains\":\"#call#\",\"turn\":0},\"reply\":"
	    "{\"delay_ms\":2000,\"tool_calls\":[{\"name\":\"%s\",\"arguments\":{}}]}},"
	    "{\"reply\":{\"content\":\"that was all\"}}]}",
	    name);
	harness_llm_script(h, buf_str(&text));
	harness_llm_reset(h);
	harness_push_job(h, "o1", "the #call#", ",\"workflow_owner\":\"bob\"");
	harness_wait_until(h, has_asked, NULL, 60000, "the model is asked");
	pg = harness_postgres_server(h);
	cr_assert(postgres_server_stop(pg, SIGINT, &err) == 0, "%s", err_text(&err));
	harness_wait_until(h, has_answered, NULL, 60000,
	    "the model has called the tool");
	harness_wait_log(h, "result store is away");
	cr_assert(postgres_server_start(pg, &err) == 0, "%s", err_text(&err));
	expect_completed(harness_result(h, "o1", 120000));
	owner_stop();
}
