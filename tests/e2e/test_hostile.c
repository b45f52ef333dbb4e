/* SPDX-License-Identifier: MIT */
/*
 * test_hostile.c - what strangers may push on the list of jobs.
 *
 * Every payload ends as a result of the right type or as a dead letter, whatever its
 * bytes; the jobs beside it complete, and no worker dies.
 */
#include "config.h"

#include "tests/e2e/e2e.h"
#include "tests/e2e/result_check.h"

#include <unistd.h>

TestSuite(hostile, .timeout = 120);

enum {
	WAIT_MS = 30000,
	KIB = 1024,
	MIB = 1024 * 1024
};

#define WORDS "the-words-of-the-prompt"

static struct harness *h;

static void
start(bool with_postgres)
{
	h = e2e_new();
	harness_set(h, "service.log.level", "\"info\"");
	harness_set(h, "queue.max_attempts", "1");
	if (with_postgres)
		harness_use_postgres(h);
	harness_start(h);
	harness_llm_script(h, "{\"rules\":[{\"reply\":{\"content\":\"done\"}}]}");
}

static void
stop(void)
{
	result_check_calm(h, WORDS);
	harness_free(h);
}

/* ---- payloads ---- */

static void
push(const struct buf *payload)
{
	redisReply *reply =
	    harness_redis(h, "RPUSH agent:jobs %b", payload->data, payload->len);

	cr_assert(reply != NULL && reply->type == REDIS_REPLY_INTEGER);
	freeReplyObject(reply);
}

static void
add_times(struct buf *out, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_adds(out, text);
}

/* {I}: the job's id; {[N]}, {]N}: that many brackets; {"N}: N bytes of text. */
static void
expand(struct buf *out, const char *text, size_t n, const char *id)
{
	for (const char *p = text, *end = text + n; p < end; p++) {
		char *after;
		size_t times;

		if (*p != '{' || p + 2 >= end || strchr("I[]\"", p[1]) == NULL ||
		    (p[1] == '"' && (p[2] < '0' || p[2] > '9'))) {
			buf_addc(out, *p);
			continue;
		}
		if (p[1] == 'I') {
			buf_adds(out, id);
			p += 2;
			continue;
		}
		times = strtoul(p + 2, &after, 10);
		add_times(out, p[1] == '"' ? "x" : p[1] == '[' ? "[" : "]", times);
		p = after;
	}
}

#define JOB "{\"job_id\":\"{I}\",\"prompt\":\"" WORDS "\""

static const struct payload {
	const char *text;
	size_t n;         /* 0: strlen */
	const char *type; /* "": completed; NULL: a dead letter */
	const char *says; /* in the error's message */
} payloads[] = {
	{ JOB "}", 0, "", NULL },
	/* depth: the object itself is the first level */
	{ JOB ",\"x\":{[62}{]62}}", 0, "", NULL },
	{ JOB ",\"x\":{[63}{]63}}", 0, "", NULL },
	{ JOB ",\"x\":{[64}{]64}}", 0, NULL, "64" },
	{ JOB ",\"x\":{[65}{]65}}", 0, NULL, "64" },
	{ JOB ",\"x\":{[100000}{]100000}}", 0, NULL, "64" },
	{ "{[100000}", 0, NULL, "64" },
	/* duplicate names: the last one counts */
	{ "{\"job_id\":\"other\",\"prompt\":5,\"prompt\":\"" WORDS
	  "\",\"job_id\":\"{I}\"}",
	    0, "", NULL },
	{ "{\"prompt\":\"" WORDS "\",\"prompt\":7,\"job_id\":\"{I}\"}", 0,
	    "invalid_message", "prompt must be text" },
	{ JOB ",\"job_id\\u0000\":\"other\"}", 0, "", NULL },
	/* text */
	{ JOB ",\"x\":\"\\ud800\"}", 0, NULL, "surrogate" },
	{ JOB ",\"x\":\"\\udc00\\ud800\"}", 0, NULL, "surrogate" },
	{ "{\"job_id\":\"{I}\",\"prompt\":\"\\ud83d\\ude00\\u0000\\uffff\"}", 0, "",
	    NULL },
	{ JOB ",\"x\":\"\xff\"}", 0, NULL, "UTF-8" },
	{ JOB ",\"x\":\"\xed\xa0\x80\"}", 0, NULL, "UTF-8" },
	{ JOB ",\"x\":\"\xc0\xaf\"}", 0, NULL, "UTF-8" },
	{ JOB ",\"x\":\"a\tb\"}", 0, NULL, "control" },
	{ "\xef\xbb\xbf" JOB "}", 0, NULL, NULL },
	{ JOB "}\0", sizeof(JOB "}"), NULL, NULL },
	{ JOB ",\"x\":NaN}", 0, NULL, NULL },
	{ JOB ",}", 0, NULL, NULL },
	{ JOB "} {}", 0, NULL, NULL },
	{ JOB, 0, NULL, NULL },
	{ "\"{I}\"", 0, NULL, "object" },
	{ "", 0, NULL, NULL },
	/* U+0000 where a name or an id is meant */
	{ JOB ",\"run_id\":\"a\\u0000b\"}", 0, "invalid_message", "run_id" },
	{ JOB ",\"node_id\":\"a\\u0000b\"}", 0, "invalid_message", "node_id" },
	{ JOB ",\"workflow_tag\":\"a\\u0000b\"}", 0, "invalid_message",
	    "workflow_tag" },
	{ JOB ",\"workflow_owner\":\"a\\u0000b\"}", 0, "invalid_message",
	    "workflow_owner" },
	{ JOB ",\"user_id\":\"a\\u0000b\"}", 0, "invalid_message", "user_id" },
	{ JOB ",\"agent\":\"workflow\\u0000b\"}", 0, "invalid_message", "agent" },
	{ JOB ",\"traceparent\":\"a\\u0000b\"}", 0, "invalid_message", "traceparent" },
	{ JOB ",\"version\":\"1.0\\u0000\"}", 0, "invalid_message", "version" },
	{ JOB ",\"created_at\":\"2026-01-01T00:00:00Z\\u0000\"}", 0, "invalid_message",
	    "created_at" },
	{ JOB ",\"context\":{\"session_id\":\"a\\u0000b\"}}", 0, "invalid_message",
	    "context.session_id" },
	{ JOB ",\"context\":{\"previous_results\":[{\"node_id\":\"a\\u0000\"}]}}", 0,
	    "invalid_message", "context.previous_results[0].node_id" },
	{ JOB ",\"context\":{\"workflow_state\":{\"a\\u0000\":\"b\\u0000\"}}}", 0, "",
	    NULL },
	{ JOB ",\"current_workflow\":{\"nodes\":[{\"id\":\"\\u0000\"}],\"edges\":[]}}",
	    0, "", NULL },
	{ JOB ",\"user_id\":\"a\\u0085b\"}", 0, "invalid_message", "user_id" },
	{ JOB ",\"user_id\":\"{\"1025}\"}", 0, "invalid_message", "user_id" },
	/* types */
	{ JOB ",\"context\":[]}", 0, "invalid_message", "context must be" },
	{ JOB ",\"context\":{\"previous_results\":{}}}", 0, "invalid_message",
	    "context.previous_results" },
	{ JOB ",\"context\":{\"previous_results\":[5]}}", 0, "invalid_message",
	    "context.previous_results[0]" },
	{ JOB ",\"current_workflow\":\"w\"}", 0, "invalid_message",
	    "current_workflow" },
	{ JOB ",\"output_schema\":true}", 0, "invalid_message", "output_schema" },
	{ JOB ",\"output_schema\":{\"type\":\"strange\"}}", 0, "invalid_message",
	    "output_schema" },
	{ JOB ",\"output_schema\":{\"type\":\"string\",\"pattern\":\"(\"}}", 0,
	    "invalid_message", "output_schema" },
	{ JOB ",\"agent\":\"../../etc/passwd\"}", 0, "unknown_agent",
	    "agentctl agents" },
	{ JOB ",\"agent\":\"%s%n\"}", 0, "unknown_agent", "%s%n" },
	{ JOB ",\"agent\":\"\"}", 0, "unknown_agent", NULL },
	{ "{\"job_id\":\"{I}\",\"prompt\":\"\"}", 0, "invalid_message", "prompt" },
	{ "{\"job_id\":\"{I}\"}", 0, "invalid_message", "prompt" },
	/* versions */
	{ JOB ",\"version\":\"1.99\"}", 0, "", NULL },
	{ JOB ",\"version\":\"2\"}", 0, "unsupported_version", "1.x" },
	{ JOB ",\"version\":\"1.x\\u001b[31m\"}", 0, "invalid_message", "version" },
	{ JOB ",\"version\":1.0}", 0, "invalid_message", "version" },
	{ JOB ",\"version\":\"10.0\"}", 0, "unsupported_version", "10.0" },
	/* numbers */
	{ JOB ",\"timeout_sec\":0}", 0, "invalid_message", "timeout_sec" },
	{ JOB ",\"timeout_sec\":-1}", 0, "invalid_message", "timeout_sec" },
	{ JOB ",\"timeout_sec\":1e400}", 0, "", NULL },
	{ JOB ",\"timeout_sec\":99999999999999999999999999}", 0, "", NULL },
	{ JOB ",\"timeout_sec\":\"5\"}", 0, "invalid_message", "timeout_sec" },
	{ JOB ",\"retry_count\":-1}", 0, "invalid_message", "retry_count" },
	{ JOB ",\"retry_count\":1.5}", 0, "invalid_message", "retry_count" },
	{ JOB ",\"retry_count\":9223372036854775808}", 0, "invalid_message",
	    "retry_count" },
	{ JOB ",\"retry_count\":1e300}", 0, "invalid_message", "retry_count" },
	{ JOB ",\"retry_count\":9223372036854775807}", 0, "", NULL },
	{ JOB ",\"max_tokens_total\":0}", 0, "invalid_message", "max_tokens_total" },
	{ JOB ",\"max_tokens_total\":9223372036854775807}", 0, "", NULL },
	{ JOB ",\"max_tokens_total\":9223372036854775808}", 0, "invalid_message",
	    "max_tokens_total" },
	{ JOB ",\"max_tokens_total\":1}", 0, "limit_exceeded", NULL },
	{ JOB ",\"created_at\":\"9999-12-31T23:59:59Z\"}", 0, "", NULL },
	{ JOB ",\"created_at\":\"0000-00-00T99:99:99Z\"}", 0, "invalid_message",
	    "created_at" },
	{ JOB ",\"created_at\":5}", 0, "invalid_message", "created_at" },
	/* everything at once */
	{ "{\"job_id\":\"{I}\",\"prompt\":1,\"version\":2,\"run_id\":3,\"node_id\":4,"
	  "\"workflow_tag\":5,\"workflow_owner\":6,\"user_id\":7,\"agent\":8,"
	  "\"current_workflow\":9,\"context\":10,\"timeout_sec\":[],\"retry_count\":[],"
	  "\"created_at\":[],\"output_schema\":[],\"max_tokens_total\":[],"
	  "\"traceparent\":[]}",
	    0, "invalid_message", "max_tokens_total" },
};

static void
look_at(const struct payload *p, const char *id, const struct json *r)
{
	const char *type = text_at(h, r, "error.type");

	result_check(r);
	cr_expect(strcmp(type, p->type) == 0, "%s is %s, not '%s': %.80s (%s)", id,
	    type, p->type, p->text, text_at(h, r, "error.message"));
	if (p->says != NULL)
		cr_expect(strstr(text_at(h, r, "error.message"), p->says) != NULL,
		    "%.80s: %s", p->text, text_at(h, r, "error.message"));
}

static void
payloads_with(void)
{
	unsigned dead = 0;

	for (size_t i = 0; i < ARRAY_LEN(payloads); i++) {
		const struct payload *p = &payloads[i];
		CLEANUP_BUF struct buf text = BUF_INIT;
		char id[32];

		(void)snprintf(id, sizeof(id), "p%zu", i);
		expand(&text, p->text, p->n > 0 ? p->n : strlen(p->text), id);
		push(&text);
	}
	for (size_t i = 0; i < ARRAY_LEN(payloads); i++) {
		char id[32];

		(void)snprintf(id, sizeof(id), "p%zu", i);
		dead += payloads[i].type == NULL;
		if (payloads[i].type != NULL)
			look_at(&payloads[i], id, harness_result(h, id, WAIT_MS));
		harness_clear(h);
	}
	cr_expect(eq(llong, harness_redis_int(h, "LLEN agent:dead"), dead));
	cr_expect(eq(llong, harness_redis_int(h, "EXISTS agent:job:other"), 0));
}

Test(hostile, payloads_end_as_results_or_dead_letters_sqlite)
{
	start(false);
	payloads_with();
	stop();
}

Test(hostile, payloads_end_as_results_or_dead_letters_postgresql)
{
	start(true);
	payloads_with();
	stop();
}

/* ---- sizes ---- */

/* A payload of exactly n bytes, made of filler in an unknown field. */
static void
sized(struct buf *out, const char *id, size_t n, const char *open, const char *filler,
    const char *close)
{
	buf_addf(out, "{\"job_id\":\"%s\",\"prompt\":\"" WORDS "\",\"x\":%s", id, open);
	while (out->len + strlen(filler) + strlen(close) + 1 <= n)
		buf_adds(out, filler);
	while (out->len + strlen(close) + 1 < n)
		buf_addc(out, open[0] == '"' ? 'x' : ' ');
	buf_addf(out, "%s}", close);
	cr_assert(eq(sz, out->len, n));
}

static const struct {
	const char *id;
	size_t n;
	const char *open, *filler, *close, *type;
} sizes[] = {
	{ "one less", MIB - 1, "\"", "xxxxxxxxxxxxxxxx", "\"", "" },
	{ "exactly", MIB, "\"", "xxxxxxxxxxxxxxxx", "\"", "" },
	{ "one more", MIB + 1, "\"", "xxxxxxxxxxxxxxxx", "\"", "payload_too_large" },
	{ "20 MB of text", 20 * MIB, "\"", "0123456789012345678901234567890123456789",
	    "\"", "payload_too_large" },
	{ "20 MB of numbers", 20 * MIB, "[0", ",0,0,0,0,0,0,0,0", "]",
	    "payload_too_large" },
	{ "20 MB of objects", 20 * MIB, "[{}", ",{\"a\":{}},{\"b\":{}}", "]",
	    "payload_too_large" },
	{ "70 MB", 70 * MIB, "[0", ",0,0,0,0,0,0,0,0", "]", "payload_too_large" },
};

Test(hostile, payloads_over_the_cap_fail_by_name_whatever_they_hold)
{
	start(false);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		CLEANUP_BUF struct buf text = BUF_INIT;

		sized(&text, sizes[i].id, sizes[i].n, sizes[i].open, sizes[i].filler,
		    sizes[i].close);
		push(&text);
	}
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		const struct json *r = harness_result(h, sizes[i].id, WAIT_MS);

		result_check(r);
		cr_expect_str_eq(text_at(h, r, "error.type"), sizes[i].type, "%s: %s",
		    sizes[i].id, text_at(h, r, "error.message"));
		if (sizes[i].type[0] != '\0')
			cr_expect(strstr(text_at(h, r, "error.message"),
				      "queue.max_payload_bytes") != NULL);
	}
	cr_expect(eq(llong, harness_redis_int(h, "LLEN agent:dead"), 0));
	stop();
}

/* ---- ids ---- */

static const char *const good_ids[] = { " ", "a b", "'", "\"", "\\", "a:b",
	"agent:job:x", "agent:results:", ":", "::", "*", "?", "[a-z]", "{tag}", "a{b}c",
	"%s%n%x", "$(reboot)", "`id`", "; DROP TABLE agent_results; --", "' OR '1'='1",
	"../../etc/passwd", "null", "0", "-1", "\xc3\xa9t\xc3\xa9", "\xe2\x80\xa8",
	"\xf0\x9f\x98\x80", "e\xcc\x81",
	("\xe2\x80\xae"
	 "rtl"),
	"\xef\xbf\xbf", "<script>", "KEYS[1]", "fenced", "--help" };

static const struct {
	const char *id; /* as it stands in the JSON text */
	const char *says;
} bad_ids[] = {
	{ "\"\"", "1 to 200 bytes" },
	{ "\"a\\u0000b\"", "control characters" },
	{ "\"a\\nb\"", "control characters" },
	{ "\"a\\rb\"", "control characters" },
	{ "\"a\\u001bb\"", "control characters" },
	{ "\"a\\u007fb\"", "control characters" },
	{ "\"a\\u0085b\"", "control characters" },
	{ "null", "missing" },
	{ "5", "must be text" },
	{ "[\"a\"]", "must be text" },
};

static void
push_id(const char *id)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	buf_adds(&text, "{\"prompt\":\"" WORDS "\",\"job_id\":");
	json_write_string(&text, id, strlen(id));
	buf_addc(&text, '}');
	push(&text);
}

static void
ids_with(void)
{
	char long_id[202];
	redisReply *list;

	memset(long_id, 'x', sizeof(long_id));
	long_id[200] = '\0';
	push_id(long_id);
	for (size_t i = 0; i < ARRAY_LEN(good_ids); i++)
		push_id(good_ids[i]);
	for (size_t i = 0; i < ARRAY_LEN(good_ids); i++)
		result_check(harness_expect(h, good_ids[i], "completed"));
	result_check(harness_expect(h, long_id, "completed"));
	cr_expect_str_eq(harness_sql(h,
			     "SELECT count(DISTINCT job_id) FROM agent_results "
			     "WHERE status = 'completed'"),
	    "35\n");
	for (size_t i = 0; i < ARRAY_LEN(bad_ids); i++) {
		CLEANUP_BUF struct buf text = BUF_INIT;

		buf_addf(&text, "{\"prompt\":\"" WORDS "\",\"job_id\":%s}",
		    bad_ids[i].id);
		push(&text);
	}
	long_id[200] = 'x';
	long_id[201] = '\0';
	push_id(long_id);
	while (
	    harness_redis_int(h, "LLEN agent:dead") < (long long)ARRAY_LEN(bad_ids) + 1)
		harness_sleep(5);
	list = harness_redis(h, "LRANGE agent:dead 0 -1");
	for (size_t i = 0; i < ARRAY_LEN(bad_ids); i++) {
		bool is_said = false;

		for (size_t k = 0; k < list->elements; k++)
			is_said |=
			    strstr(list->element[k]->str, bad_ids[i].says) != NULL;
		cr_expect(is_said, "%s", bad_ids[i].says);
	}
	freeReplyObject(list);
}

Test(hostile, an_id_may_be_any_text_without_control_characters_sqlite)
{
	start(false);
	ids_with();
	stop();
}

Test(hostile, an_id_may_be_any_text_without_control_characters_postgresql)
{
	start(true);
	ids_with();
	stop();
}

/* ---- rows ---- */

/* The published bytes, taken from the list; they live until the next call. */
static const char *
published(const char *id)
{
	static char text[65536];
	redisReply *reply = harness_redis(h, "BLPOP agent:results:%s 30", id);

	cr_assert(reply->type == REDIS_REPLY_ARRAY, "%s", id);
	(void)snprintf(text, sizeof(text), "%s", reply->element[1]->str);
	freeReplyObject(reply);
	return text;
}

static const char *
column(const char *id, const char *expression)
{
	char statement[400];

	(void)snprintf(statement, sizeof(statement),
	    "SELECT %s FROM agent_results WHERE job_id = '%s'", expression, id);
	return harness_sql(h, statement);
}

static bool
holds(const char *id, const char *condition)
{
	char expression[250];

	(void)snprintf(expression, sizeof(expression),
	    "CASE WHEN %s THEN 'yes' ELSE 'no' END", condition);
	return strcmp(column(id, expression), "yes\n") == 0;
}

/* A JSON column stands in the message, byte for byte. */
static void
check_part(const char *id, const char *raw, const char *name)
{
	CLEANUP_BUF struct buf want = BUF_INIT;
	const char *value = column(id, name);

	buf_addf(&want, "\"%s\":%.*s", name, (int)strcspn(value, "\n"), value);
	cr_expect(strstr(raw, buf_str(&want)) != NULL, "%s: %s", id, buf_str(&want));
}

static void
check_row(const char *id, bool is_completed, const char *facts)
{
	const char *raw = published(id);
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	CLEANUP_BUF struct buf want = BUF_INIT;
	const struct json *r = NULL;

	cr_assert(eq(int, json_read(a, raw, strlen(raw), 0, &r, NULL), 0), "%s", raw);
	result_check(r);
	buf_addf(&want, "%s\n", raw);
	cr_expect_str_eq(column(id, "message"), buf_str(&want), "%s", id);
	cr_expect_str_eq(
	    column(id,
		"run_id || '/' || node_id || '/' || owner || '/' || status || "
		"'/' || retry_count || '/' || llm_model"),
	    facts, "%s", id);
	buf_clear(&want);
	buf_addf(&want, "%s/%s\n", text_at(h, r, "metadata.tokens_used"),
	    text_at(h, r, "metadata.execution_time_ms"));
	cr_expect_str_eq(column(id, "tokens_used || '/' || execution_time_ms"),
	    buf_str(&want), "%s", id);
	cr_expect(holds(id,
	    json_is_true(json_path(r, "metadata.cache_hit", 18)) ? "cache_hit"
								 : "NOT cache_hit"));
	cr_expect(holds(id, "token > 0 AND s3_ref IS NULL AND cas_id IS NULL"));
	cr_expect(holds(id, "created_at IS NOT NULL AND completed_at IS NOT NULL"));
	check_part(id, raw, "tool_calls");
	if (!is_completed) {
		check_part(id, raw, "error");
		cr_expect(holds(id, "result_data IS NULL"));
		return;
	}
	buf_clear(&want);
	buf_addf(&want, "%s\n", text_at(h, r, "result_ref"));
	cr_expect_str_eq(column(id, "'artifact://' || result_id"), buf_str(&want));
	cr_expect(holds(id, "result_data IS NOT NULL AND error IS NULL"));
}

static const char row_rules[] =
    "{\"rules\":[{\"when\":{\"prompt_contains\":\"#data#\"},\"reply\":{\"content\":"
    "\"here\",\"tool_calls\":[{\"name\":\"execute_pipeline\",\"arguments\":{\"pipeline\":["
    "{\"step\":\"http_request\",\"url\":\"{{data_api}}/orders\",\"headers\":{\"X-Api-Key\":"
    "\"the-key-of-the-model\"}}]}}],\"usage\":{\"prompt_tokens\":100,"
    "\"completion_tokens\":5,\"cached_tokens\":64}}},"
    "{\"when\":{\"prompt_contains\":\"#tool#\",\"turn\":0},\"reply\":{\"tool_calls\":[{"
    "\"name\":\"execute_pipeline\",\"arguments\":{\"pipeline\":[{\"step\":\"top_k\",\"k\":1}]"
    "}}]}},"
    "{\"when\":{\"prompt_contains\":\"#auth#\"},\"fault\":{\"status\":401}},"
    "{\"reply\":{\"content\":\"words \\u0000 and \\\"quotes\\\"\"}}]}";

static void
rows_with(void)
{
	static const char who[] =
	    ",\"run_id\":\"r\\\"1\",\"node_id\":\"n\",\"user_id\":\"u\","
	    "\"workflow_owner\":\"w \\u00e9\",\"retry_count\":3";

	harness_llm_script(h, row_rules);
	harness_push_job(h, "r-text", WORDS, who);
	harness_push_job(h, "r-data", WORDS " get the data #data#", who);
	harness_push_job(h, "r-tool", WORDS " get the data #tool#", who);
	harness_push_job(h, "r-auth", WORDS "#auth#", who);
	harness_push_job(h, "r-bad", WORDS, ",\"user_id\":\"u\",\"timeout_sec\":0");
	check_row("r-text", true, "r\"1/n/w \xc3\xa9/completed/3/scripted\n");
	check_row("r-data", true, "r\"1/n/w \xc3\xa9/completed/3/scripted\n");
	check_row("r-tool", false, "r\"1/n/w \xc3\xa9/failed/3/scripted\n");
	check_row("r-auth", false, "r\"1/n/w \xc3\xa9/failed/3/\n");
	check_row("r-bad", false, "//u/failed/0/\n");
	cr_expect_str_eq(column("r-text", "result_data"),
	    "\"words \\u0000 and \\\"quotes\\\"\"\n");
	cr_expect(strstr(column("r-data", "message"), "the-key-of-the-model") == NULL,
	    "secrets are masked");
	cr_expect(strstr(column("r-data", "trace"), "http_request") != NULL);
	cr_expect(
	    harness_log_has(h, "job r-text owner=\"w \xc3\xa9\" status=completed"));
	cr_expect(strstr(column("r-data", "message"), "\"message\":\"here\"") != NULL);
}

Test(hostile, rows_repeat_the_published_message_sqlite)
{
	start(false);
	rows_with();
	stop();
}

Test(hostile, rows_repeat_the_published_message_postgresql)
{
	start(true);
	rows_with();
	stop();
}

/* ---- keys of another type ---- */

/* Somebody's key stands where the job's keys belong. The job waits until it is gone, and
   so does nothing else. */
Test(hostile, a_key_of_another_type_harms_only_its_job)
{
	static const char *const keys[] = { "agent:results:t0", "agent:job:t1",
		"agent:journal:t2" };
	char id[16];

	start(false);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		freeReplyObject(harness_redis(h, "SET %s squatter", keys[i]));
		(void)snprintf(id, sizeof(id), "t%zu", i);
		harness_push_job(h, id, WORDS, "");
	}
	harness_push_job(h, "beside", WORDS, "");
	result_check(harness_expect(h, "beside", "completed"));
	harness_sleep(2000);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		freeReplyObject(harness_redis(h, "DEL %s", keys[i]));
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		(void)snprintf(id, sizeof(id), "t%zu", i);
		result_check(harness_result(h, id, WAIT_MS));
	}
	stop();
}
