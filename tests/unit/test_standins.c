/* SPDX-License-Identifier: MIT */
/*
 * test_standins.c - the scripted LLM server and the data API say what tests rely on.
 *
 * Each test starts the real program on a free port; it dies with the test.
 */
#include "config.h"

#include "common/clock.h"
#include "common/json/json.h"
#include "tests/support/http_client.h"
#include "tests/support/proc.h"
#include "tests/support/settings.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#define TOOL                                                           \
 "{\"type\":\"function\",\"function\":{\"name\":\"execute_pipeline\"," \
 "\"parameters\":{\"type\":\"object\"}}}"
#define USER(text) "{\"role\":\"user\",\"content\":\"" text "\"}"
#define CALL(id)                                                          \
 "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"" id \
 "\",\"type\":\"function\",\"function\":{\"name\":\"execute_pipeline\","  \
 "\"arguments\":\"{}\"}}]}"
#define ANSWER(id, text) \
 "{\"role\":\"tool\",\"tool_call_id\":\"" id "\",\"content\":\"" text "\"}"
#define BODY(messages, more) "{\"model\":\"m\",\"messages\":[" messages "]" more "}"

static char dir[] = "/tmp/standins-XXXXXX";
static char address[64];
static struct proc server;
static struct arena *arena;

static void
start(const char *program, const char *option, const char *value)
{
	char path[PROC_PATH_MAX], *slash;
	char *argv[] = { path, (char *)(uintptr_t)option, (char *)(uintptr_t)value,
		NULL };
	struct err err = ERR_INIT;
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 32);

	cr_assert(n > 0);
	path[n] = '\0';
	slash = strrchr(path, '/');
	(void)snprintf(slash, 32, "/%s", program);
	cr_assert(mkdtemp(dir) != NULL);
	arena = arena_new(0);
	cr_assert(proc_start(&server, dir, program, argv, NULL, &err) == 0, "%s",
	    err.text);
	cr_assert(proc_wait_line(&server, "listening ", address, sizeof(address), 10000,
		      &err) == 0,
	    "%s", err.text);
}

static void
start_llm(void)
{
	start("llm-stub", "--data-api", "http://data");
}

static void
start_data(void)
{
	start("data-api", NULL, NULL);
}

static void
stop(void)
{
	int status = proc_stop(&server, SIGTERM, 10000);

	(void)unlink(server.output);
	(void)rmdir(dir);
	arena_free(arena);
	cr_expect(status == 0, "SIGTERM must end it cleanly, not with %x", status);
}

static int
post(const char *target, const char *body, struct buf *out)
{
	struct http_client_request rq = { .address = address,
		.target = target,
		.headers = "Content-Type: application/json\r\n",
		.body = body };

	return http_client(&rq, NULL, out, NULL);
}

/* The answer to a chat request as JSON. */
static const struct json *
chat(const char *body, int *status)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	const struct json *v = NULL;
	char *copy;

	*status = post("/v1/chat/completions", body, &out);
	copy = arena_strndup(arena, buf_str(&out), out.len);
	if (*status > 0)
		cr_assert(json_read(arena, copy, out.len, 0, &v, NULL) == 0, "%s",
		    copy);
	return v;
}

static const char *
said(const struct json *answer, const char *path)
{
	const struct json *message =
	    json_get(&json_get(answer, "choices")->items[0], "message");
	const char *text = json_cstr(arena, json_path(message, path, strlen(path)));

	return text != NULL ? text : "";
}

/* ---- the protocol checker ---- */

static const struct {
	const char *body;
	const char *complaint;
} refused[] = {
	{ "{", "could not parse the JSON body" },
	{ "[]", "must be a JSON object" },
	{ "{\"messages\":[" USER("x") "]}", "model" },
	{ "{\"model\":\"m\",\"messages\":[]}", "non-empty array" },
	{ BODY("{\"role\":\"robot\",\"content\":\"x\"}", ""), "messages.role" },
	{ BODY("{\"role\":\"user\"}", ""), "'content'" },
	{ BODY("{\"role\":\"user\",\"content\":7}", ""), "'content'" },
	{ BODY(ANSWER("c1", "y"), ""), "must be a response to a preceeding message" },
	{ BODY(USER("x") "," CALL("c1") "," ANSWER("c2", "y"), ""),
	    "must be a response" },
	{ BODY(USER("x") "," CALL("c1"), ""), "must be followed by tool messages" },
	{ BODY(USER("x") "," CALL("c1") "," USER("y"), ""),
	    "must be followed by tool" },
	{ BODY("{\"role\":\"assistant\",\"tool_calls\":[]}", ""), "too short" },
	{ BODY(USER("x"), ",\"tools\":[]"), "Invalid 'tools'" },
	{ BODY(USER("x"), ",\"tools\":[" TOOL "," TOOL "]"), "two of one name" },
	{ BODY(USER("x"),
	      ",\"tools\":[{\"type\":\"function\",\"function\":"
	      "{\"name\":\"a b\"}}]"),
	    "does not match" },
	{ BODY(USER("x"),
	      ",\"tools\":[{\"type\":\"function\",\"function\":"
	      "{\"name\":\"a\",\"parameters\":{\"type\":\"array\"}}}]"),
	    "type: \"object\"" },
	{ BODY(USER("x"),
	      ",\"tools\":[{\"type\":\"function\",\"function\":"
	      "{\"name\":\"a\",\"strict\":true,\"parameters\":"
	      "{\"type\":\"object\",\"properties\":{}}}}]"),
	    "additionalProperties" },
	{ BODY(USER("x"),
	      ",\"tools\":[{\"type\":\"function\",\"function\":"
	      "{\"name\":\"a\",\"strict\":true,\"parameters\":{\"type\":"
	      "\"object\",\"additionalProperties\":false,\"required\":[],"
	      "\"properties\":{\"b\":{\"type\":\"string\"}}}}}]"),
	    "Missing 'b'" },
	{ BODY(USER("x"), ",\"tool_choice\":\"auto\""), "only allowed when 'tools'" },
	{ BODY(USER("x"), ",\"temperature\":3"), "temperature" },
	{ BODY(USER("x"), ",\"max_tokens\":0"), "max_tokens" },
	{ BODY(USER("x"), ",\"max_tokenz\":5"), "Unrecognized request argument" },
	{ BODY(USER("x"), ",\"stream\":true"), "does not stream" },
};

Test(llm_stub, refuses_what_the_real_server_refuses, .init = start_llm, .fini = stop)
{
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		int status;
		const struct json *v = chat(refused[i].body, &status);
		const char *text =
		    json_cstr(arena, json_get(json_get(v, "error"), "message"));

		cr_expect(eq(int, status, 400), "%s", refused[i].body);
		cr_expect(text != NULL && strstr(text, refused[i].complaint) != NULL,
		    "%s: %s", refused[i].body, text);
	}
}

/* ---- the demonstration ---- */

#define FETCH(from, to)                                               \
 "{\"step\":\"http_request\",\"url\":\"http://data/flights/search\"," \
 "\"method\":\"GET\",\"params\":{\"origin\":\"" from "\",\"dest\":\"" to "\"}}"
#define SORT(field, order) \
 "{\"step\":\"table_sort\",\"field\":\"" field "\",\"order\":\"" order "\"}"
#define TOP(k) "{\"step\":\"top_k\",\"k\":" #k "}"
#define FILTER(field, op, value)                                                  \
 "{\"step\":\"table_filter\",\"condition\":{\"field\":\"" field "\",\"op\":\"" op \
 "\",\"value\":" #value "}}"

static const struct {
	const char *prompt;
	const char *pipeline; /* NULL: a plain answer */
} prompts[] = {
	{ "fetch flights from NYC to LAX, sort by price, show cheapest 3",
	    FETCH("NYC", "LAX") "," SORT("price", "asc") "," TOP(3) },
	{ "Show me the top 10 flights from New York to San Francisco, sorted by duration.",
	    FETCH("New York", "San Francisco") "," SORT("duration_min", "asc") "," TOP(
		10) },
	{ "flights from Oslo to Rome under $300 sorted by price descending",
	    FETCH("Oslo", "Rome") "," FILTER("price", "<", 300) "," SORT("price",
		"desc") },
	{ "the 5 fastest flights BOS to SFO that cost less than 250.50",
	    FETCH("BOS", "SFO") "," FILTER("price", "<", 250.5) "," SORT("duration_min",
		"asc") "," TOP(5) },
	{ "fetch flights, sort by price, top 3",
	    FETCH("NYC", "LAX") "," SORT("price", "asc") "," TOP(3) },
	{ "fetch flights from NYC to LAX", FETCH("NYC", "LAX") },
	{ "from here to there, top 9\\n\\n## Task\\nflights from A to B",
	    FETCH("A", "B") },
	{ "process the data", NULL },
	{ "", NULL },
};

Test(llm_stub, plays_the_demonstration, .init = start_llm, .fini = stop)
{
	for (size_t i = 0; i < ARRAY_LEN(prompts); i++) {
		char body[2048], want[2048] = "";
		const struct json *v;
		int status;

		(void)snprintf(body, sizeof(body),
		    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}],"
		    "\"tools\":[" TOOL "]}",
		    prompts[i].prompt);
		if (prompts[i].pipeline != NULL)
			(void)snprintf(want, sizeof(want), "{\"pipeline\":[%s]}",
			    prompts[i].pipeline);
		v = chat(body, &status);
		cr_assert(eq(int, status, 200), "%s", prompts[i].prompt);
		cr_expect_str_eq(said(v, "tool_calls.0.function.arguments"), want, "%s",
		    prompts[i].prompt);
		cr_expect(strlen(said(v, "content")) == 0 || strlen(want) == 0);
	}
}

Test(llm_stub, concludes_from_tool_results, .init = start_llm, .fini = stop)
{
	int status;

	cr_expect(
	    strstr(said(chat(BODY(USER("flights from A to B, cheapest 3") "," CALL(
				      "c1") "," ANSWER("c1", "3 rows"),
				 ""),
			    &status),
		       "content"),
		"3 flights from A to B") != NULL);
	cr_expect(strstr(said(chat(BODY(USER("flights") "," CALL("c1") "," ANSWER("c1",
					    "Error: step 0, http_request: 503"),
				       ""),
				  &status),
			     "content"),
		      "could not get the data") != NULL);
}

Test(llm_stub, writes_arguments_by_the_strict_rules, .init = start_llm, .fini = stop)
{
	static const char tools[] =
	    ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
	    "\"execute_pipeline\",\"strict\":true,\"parameters\":{\"type\":\"object\","
	    "\"additionalProperties\":false,\"required\":[\"input_ref\",\"pipeline\"],"
	    "\"properties\":{\"input_ref\":{\"type\":[\"string\",\"null\"]},\"pipeline\":"
	    "{\"type\":\"array\",\"items\":{\"type\":\"object\",\"additionalProperties\":"
	    "false,\"required\":[\"step\",\"url\",\"method\",\"params\"],\"properties\":{"
	    "\"step\":{\"type\":\"string\"},\"url\":{\"type\":[\"string\",\"null\"]},"
	    "\"method\":{\"type\":[\"string\",\"null\"]},\"params\":{\"type\":[\"array\","
	    "\"null\"],\"items\":{\"type\":\"object\",\"additionalProperties\":false,"
	    "\"required\":[\"name\",\"value\"],\"properties\":{\"name\":{\"type\":"
	    "\"string\"},\"value\":{\"type\":\"string\"}}}}}}}}}}}]";
	char body[4096];
	int status;

	(void)snprintf(body, sizeof(body), BODY(USER("flights from A to B"), "%s"),
	    tools);
	cr_expect_str_eq(said(chat(body, &status), "tool_calls.0.function.arguments"),
	    "{\"input_ref\":null,\"pipeline\":[{\"step\":\"http_request\",\"url\":"
	    "\"http://data/flights/search\",\"method\":\"GET\",\"params\":[{\"name\":"
	    "\"origin\",\"value\":\"A\"},{\"name\":\"dest\",\"value\":\"B\"}]}]}");
}

/* ---- scripts and faults ---- */

static void
load(const char *script)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	cr_assert(eq(int, post("/stub/script", script, &out), 200), "%s",
	    buf_str(&out));
}

Test(llm_stub, answers_by_the_first_rule_that_holds, .init = start_llm, .fini = stop)
{
	int status;

	load(
	    "[{\"when\":{\"prompt_contains\":\"one\",\"times\":1},\"reply\":{\"content\":"
	    "\"first\",\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7,"
	    "\"cached_tokens\":3}}},"
	    "{\"when\":{\"prompt_regex\":\"^one$\",\"turn\":0},\"reply\":{\"content\":"
	    "\"{{prompt}} of {{data_api}}\"}},"
	    "{\"when\":{\"tool_result_contains\":\"rows\"},\"reply\":{\"tool_calls\":["
	    "{\"name\":\"a\",\"arguments\":\"{garbage\"},{\"name\":\"b\",\"arguments\":"
	    "{\"x\":\"{{tool_result}}\"}}]}}]");
	cr_expect_str_eq(said(chat(BODY(USER("one"), ""), &status), "content"),
	    "first");
	cr_expect_str_eq(said(chat(BODY(USER("one"), ""), &status), "content"),
	    "one of http://data");
	cr_expect_str_eq(said(chat(BODY(USER("x") "," CALL(
					    "c1") "," ANSWER("c1", "\\\"2\\\" rows"),
				       ""),
				  &status),
			     "tool_calls.1.function.arguments"),
	    "{\"x\":\"\\\"2\\\" rows\"}");
	cr_expect_str_eq(
	    said(chat(BODY(USER("x") "," CALL("c1") "," ANSWER("c1", "rows"), ""),
		     &status),
		"tool_calls.0.function.arguments"),
	    "{garbage");
}

static const struct {
	const char *fault;
	int want; /* status or negative errno */
} faults[] = {
	{ "{\"status\":429,\"headers\":{\"Retry-After\":\"3\"}}", 429 },
	{ "{\"status\":500,\"body\":\"oops\"}", 500 },
	{ "{\"cut\":\"before_headers\"}", -ECONNRESET },
	{ "{\"cut\":\"mid_headers\"}", -ECONNRESET },
	{ "{\"cut\":\"mid_body\"}", -ECONNRESET },
	{ "{\"hang\":true}", -ETIMEDOUT },
	{ "{\"delay_ms\":60}", 200 },
	{ "{\"piece_bytes\":20,\"pause_ms\":1}", 200 },
	{ "{\"garble\":true}", 200 },
};

Test(llm_stub, breaks_as_the_script_wants, .init = start_llm, .fini = stop)
{
	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		CLEANUP_BUF struct buf head = BUF_INIT, body = BUF_INIT;
		struct http_client_request rq = { .address = address,
			.target = "/x/v1/chat/completions",
			.body = BODY(USER("x"), ""),
			.headers = "Content-Type: application/json\r\n",
			.timeout_ms = 400 };
		char script[256];
		uint64_t before = clock_mono_ms();

		(void)snprintf(script, sizeof(script), "[{\"fault\":%s}]",
		    faults[i].fault);
		load(script);
		cr_expect(eq(int, http_client(&rq, &head, &body, NULL), faults[i].want),
		    "%s", faults[i].fault);
		if (faults[i].want == 429)
			cr_expect(strstr(buf_str(&head), "Retry-After: 3\r\n") != NULL);
		if (strstr(faults[i].fault, "delay") != NULL)
			cr_expect(clock_mono_ms() - before >= 59);
	}
}

Test(llm_stub, refuses_a_bad_script_and_keeps_the_old, .init = start_llm, .fini = stop)
{
	static const char *const bad[] = { "{", "[{}]",
		"[{\"when\":{\"prmpt\":\"x\"},\"reply\":{}}]",
		"[{\"reply\":{\"contents\":\"x\"}}]",
		"[{\"fault\":{\"cut\":\"soon\"}}]",
		"[{\"when\":{\"prompt_regex\":\"(\"},\"reply\":{}}]",
		"{\"rules\":[],\"otherwise\":\"x\"}" };
	int status;

	load("[{\"reply\":{\"content\":\"kept\"}}]");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CLEANUP_BUF struct buf out = BUF_INIT;

		cr_expect(eq(int, post("/stub/script", bad[i], &out), 400), "%s",
		    bad[i]);
	}
	cr_expect_str_eq(said(chat(BODY(USER("x"), ""), &status), "content"), "kept");
}

/* ---- the data API ---- */

static const struct json *
get(const char *target)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	const struct json *v = NULL;
	char *copy;

	cr_assert(eq(int, http_get(address, target, &out, NULL), 200), "%s", target);
	copy = arena_strndup(arena, buf_str(&out), out.len);
	cr_assert(json_read(arena, copy, out.len, 0, &v, NULL) == 0, "%s", copy);
	return v;
}

Test(data_api, flights_are_always_the_same_and_prices_differ, .init = start_data,
    .fini = stop)
{
	const struct json *one = get("/flights/search?origin=NYC&dest=LAX");
	const struct json *two = get("/flights/wrapped?dest=lax&origin=nyc");

	cr_assert(one->len >= 50);
	cr_expect(json_equal(one, json_get(two, "flights")));
	for (uint32_t i = 0; i < one->len; i++)
		for (uint32_t k = i + 1; k < one->len; k++)
			cr_expect(json_equal(json_get(&one->items[i], "price"),
				      json_get(&one->items[k], "price")) == false);
}

static const struct {
	const char *target;
	int want;
} targets[] = {
	{ "/flights/search?origin=NYC", 400 },
	{ "/nowhere", 404 },
	{ "/status/503", 503 },
	{ "/status/204", 204 },
	{ "/redirect?to=/items", 302 },
	{ "/private", 401 },
	{ "/flaky?key=a&fail=1", 503 },
	{ "/flaky?key=a&fail=1", 200 },
	{ "/binary", 200 },
	{ "/big?rows=20000", 200 },
};

Test(data_api, answers_with_the_status_asked_for, .init = start_data, .fini = stop)
{
	for (size_t i = 0; i < ARRAY_LEN(targets); i++)
		cr_expect(eq(int, http_get(address, targets[i].target, NULL, NULL),
			      targets[i].want),
		    "%s", targets[i].target);
	cr_expect(eq(u32, get("/big?rows=3000")->len, 3000));
	cr_expect(eq(u32, get("/users")->len, 20));
	cr_expect(eq(u32, get("/orders")->len, 60));
}

/* ---- settings ---- */

Test(settings, make_libconfig_groups)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct settings s = { .n = 0 };

	settings_set(&s, "service.workers", "2");
	settings_set(&s, "agents_dir", "\"x\"");
	settings_set(&s, "queue.lease_sec", "6");
	settings_setf(&s, "service.log.level", "\"%s\"", "info");
	settings_set(&s, "service.workers", "3");
	settings_set(&s, "queue.lease_sec", NULL);
	settings_write(&s, &out);
	cr_expect_str_eq(buf_str(&out),
	    "agents_dir = \"x\";\nservice: {\n  workers = 3;\n  log: {\n    level = "
	    "\"info\";\n  };\n};\n");
	settings_release(&s);
}
