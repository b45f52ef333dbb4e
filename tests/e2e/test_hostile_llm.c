/* SPDX-License-Identifier: MIT */
/*
 * test_hostile_llm.c - models and providers that answer anything at all.
 *
 * Each answer ends in the typed result that the table names; the jobs run side by side,
 * so that each is a neighbour of all the others.
 */
#include "config.h"

#include "tests/e2e/e2e.h"
#include "tests/e2e/result_check.h"
#include "tests/support/http_probe.h"

TestSuite(hostile_llm, .timeout = 120);

enum {
	WAIT_MS = 40000,
	PROVIDER_SEC = 3,
	STRANGE_SEC = 12,  /* enough for 20 MB on a busy machine */
	LABOUR_MS = 15000, /* side by side, on a slow and busy machine */
	MIB = 1024 * 1024
};

#define WORDS "the-words-of-the-prompt"

static struct harness *h;

static void
start(const char *more_providers)
{
	h = e2e_new();
	harness_set(h, "service.log.level", "\"info\"");
	harness_set(h, "queue.max_attempts", "1");
	harness_set(h, "llm.breaker_failures",
	    "0"); /* each answer is judged by itself */
	harness_servers(h);
	harness_set(h, "llm.providers",
	    "( { name = \"stub\"; type = \"openai\"; base_url = \"http://%s/v1\"; "
	    "api_key = \"" RESULT_CHECK_SECRET "\"; model = \"scripted\"; "
	    "timeout_sec = %d; price_input = 1.0; price_output = 2.0; }%s )",
	    harness_llm_address(h), PROVIDER_SEC, more_providers);
	harness_write_file(h, "agents.d/workflow.conf",
	    "name = \"workflow\"; providers = ( \"stub\" ); tools = ( "
	    "\"execute_pipeline\" ); finish_tools = ( \"execute_pipeline\" );");
	harness_write_conf(h);
	harness_daemon(h);
}

static void
stop(void)
{
	result_check_calm(h, WORDS);
	harness_free(h);
}

/* ---- answers ---- */

#define FAULT "\"fault\":{"
#define BODY FAULT "\"body\":"
#define CHOICE(message, reason) \
 BODY "{\"choices\":[{\"message\":{" message "},\"finish_reason\":" reason "}]}}"
#define CALL(name, arguments)                                                   \
 CHOICE("\"content\":null,\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\"," \
	"\"function\":{\"name\":" name ",\"arguments\":" arguments "}}]",       \
     "\"tool_calls\"")
#define TEXT(usage) \
 BODY "{\"choices\":[{\"message\":{\"content\":\"fine\"}}],\"usage\":" usage "}}"
#define ERROR(status, error) \
 FAULT "\"status\":" status ",\"body\":{\"error\":" error "}}"
#define LIMITED(headers) FAULT "\"status\":429,\"headers\":{" headers "}}"

static const struct answer {
	const char *name, *rule, *type, *says;
	int64_t tokens; /* -1: any */
} answers[] = {
	/* what is no answer */
	{ "garbage", BODY "\"!\\u0001{{[[\"}", "llm_bad_response", NULL, 0 },
	{ "empty", BODY "\"\"}", "llm_bad_response", "empty", 0 },
	{ "number", BODY "5}", "llm_bad_response", NULL, 0 },
	{ "list", BODY "[]}", "llm_bad_response", NULL, 0 },
	{ "null", BODY "\"null\"}", "llm_bad_response", NULL, 0 },
	{ "half", BODY "\"{\\\"choices\\\":[{\\\"message\\\":{\\\"content\\\":\\\"x\"}",
	    "llm_bad_response", NULL, 0 },
	{ "garbled", FAULT "\"garble\":true}", "llm_bad_response", NULL, -1 },
	{ "surrogate",
	    BODY
	    "\"{\\\"choices\\\":[{\\\"message\\\":{\\\"content\\\":\\\"\\\\ud800\\\"}}]}\"}",
	    "llm_bad_response", "surrogate", 0 },
	{ "html",
	    FAULT "\"status\":502,\"body\":\"<html><style>x{}</style><body>Bad "
		  "<b>gateway</b></body></html>\"}",
	    "llm_unavailable", "Bad gateway", 0 },
	{ "cut before", FAULT "\"cut\":\"before_headers\"}", "llm_unavailable", NULL,
	    0 },
	{ "cut in headers", FAULT "\"cut\":\"mid_headers\"}", "llm_unavailable", NULL,
	    0 },
	{ "cut in body", FAULT "\"cut\":\"mid_body\"}", "llm_unavailable", NULL, 0 },
	{ "hang", FAULT "\"hang\":true}", "llm_unavailable", "no answer within 3 s",
	    0 },
	{ "drip", FAULT "\"piece_bytes\":1,\"pause_ms\":100}", "llm_unavailable",
	    "no answer within 3 s", 0 },
	{ "slow", FAULT "\"piece_bytes\":64,\"pause_ms\":5}", "", NULL, -1 },
	/* statuses */
	{ "201",
	    FAULT "\"status\":201,\"body\":{\"choices\":[{\"message\":{\"content\":"
		  "\"x\"}}]}}",
	    "", NULL, 0 },
	{ "204", FAULT "\"status\":204,\"body\":\"\"}", "llm_bad_response", NULL, 0 },
	{ "302",
	    FAULT "\"status\":302,\"headers\":{\"Location\":\"http://127.0.0.1:1/\"},"
		  "\"body\":\"\"}",
	    "llm_unavailable", "base_url", 0 },
	{ "429 seconds", LIMITED("\"Retry-After\":\"1\""), "llm_rate_limited", NULL,
	    0 },
	{ "429 date", LIMITED("\"Retry-After\":\"Fri, 31 Dec 2099 23:59:59 GMT\""),
	    "llm_rate_limited", NULL, 0 },
	{ "429 past date", LIMITED("\"Retry-After\":\"Sun, 06 Nov 1994 08:49:37 GMT\""),
	    "llm_rate_limited", NULL, 0 },
	{ "429 ms", LIMITED("\"retry-after-ms\":\"250\""), "llm_rate_limited", NULL,
	    0 },
	{ "429 ages", LIMITED("\"Retry-After\":\"99999999999999999999\""),
	    "llm_rate_limited", NULL, 0 },
	{ "429 nonsense", LIMITED("\"Retry-After\":\"-5 minutes\""), "llm_rate_limited",
	    NULL, 0 },
	{ "429 reset",
	    LIMITED("\"x-ratelimit-remaining-requests\":\"0\","
		    "\"x-ratelimit-reset-requests\":\"6m0s\""),
	    "llm_rate_limited", NULL, 0 },
	{ "quota",
	    ERROR("429",
		"{\"message\":\"You exceeded your current quota\",\"code\":"
		"\"insufficient_quota\"}"),
	    "llm_quota_exhausted", "quota", 0 },
	{ "401",
	    ERROR("401",
		"{\"message\":\"Incorrect API key: " RESULT_CHECK_SECRET "\"}"),
	    "llm_auth", "API key: [masked]", 0 },
	{ "403", FAULT "\"status\":403,\"body\":\"\"}", "llm_auth", NULL, 0 },
	{ "404", FAULT "\"status\":404,\"body\":\"{\"}", "llm_auth", NULL, 0 },
	{ "400 length",
	    ERROR("400",
		"{\"message\":\"This model's maximum context length is "
		"8192 tokens\",\"code\":\"context_length_exceeded\"}"),
	    "llm_length", "8192", 0 },
	{ "413", FAULT "\"status\":413,\"body\":\"too large\"}", "llm_length", NULL,
	    0 },
	{ "400", ERROR("400", "{\"message\":\"no\"}"), "llm_refused", "no", 0 },
	{ "422", ERROR("422", "[{\"loc\":[\"body\"]}]"), "llm_refused", NULL, 0 },
	{ "500", ERROR("500", "5"), "llm_unavailable", NULL, 0 },
	{ "503", FAULT "\"status\":503,\"body\":\"\"}", "llm_unavailable", NULL, 0 },
	{ "529",
	    FAULT "\"status\":529,\"body\":{\"type\":\"error\",\"error\":{\"type\":"
		  "\"overloaded_error\",\"message\":\"Overloaded\"}}}",
	    "llm_unavailable", "Overloaded", 0 },
	{ "error in 200",
	    BODY "{\"error\":{\"message\":\"busy\",\"code\":\"server_error\"}}}",
	    "llm_unavailable", "busy", 0 },
	/* what is half an answer */
	{ "no choices", BODY "{\"id\":\"x\"}}", "llm_bad_response", "choices", 0 },
	{ "empty choices", BODY "{\"choices\":[]}}", "llm_bad_response", "choices", 0 },
	{ "object of choices", BODY "{\"choices\":{}}}", "llm_bad_response", "choices",
	    0 },
	{ "null choice", BODY "{\"choices\":[null]}}", "llm_bad_response", "message",
	    0 },
	{ "no message", BODY "{\"choices\":[{}]}}", "llm_bad_response", "message", 0 },
	{ "null message", BODY "{\"choices\":[{\"message\":null}]}}",
	    "llm_bad_response", "message", 0 },
	{ "nothing said", CHOICE("\"content\":null", "\"stop\""), "llm_bad_response",
	    "neither text nor tool calls", 0 },
	{ "empty text", CHOICE("\"content\":\"\"", "\"stop\""), "llm_bad_response",
	    "neither text nor tool calls", 0 },
	{ "number said", CHOICE("\"content\":7", "\"stop\""), "llm_bad_response", NULL,
	    0 },
	{ "calls promised",
	    CHOICE("\"content\":null,\"tool_calls\":[]", "\"tool_calls\""),
	    "llm_bad_response", NULL, 0 },
	{ "calls as object",
	    CHOICE("\"content\":\"x\",\"tool_calls\":{}", "\"tool_calls\""), "", NULL,
	    0 },
	{ "parts",
	    CHOICE("\"content\":[{\"type\":\"text\",\"text\":\"a\"},5,{\"text\":7},"
		   "{\"text\":\"b\"}]",
		"null"),
	    "", NULL, 0 },
	{ "NUL text", CHOICE("\"content\":\"a\\u0000b\\u001b[31m\"", "\"stop\""), "",
	    NULL, 0 },
	{ "strange end", CHOICE("\"content\":\"x\"", "\"because\""), "", NULL, 0 },
	{ "number end", CHOICE("\"content\":\"x\"", "5"), "", NULL, 0 },
	{ "length", CHOICE("\"content\":\"half an ans\"", "\"length\""), "llm_length",
	    NULL, 0 },
	{ "filter", CHOICE("\"content\":\"\"", "\"content_filter\""), "llm_refused",
	    "filter", 0 },
	{ "refusal",
	    CHOICE("\"content\":null,\"refusal\":\"I cannot help with that\"",
		"\"stop\""),
	    "llm_refused", "I cannot help", 0 },
	{ "refusal object", CHOICE("\"content\":\"x\",\"refusal\":{}", "\"stop\""), "",
	    NULL, 0 },
	/* usage */
	{ "usage missing", BODY "{\"choices\":[{\"message\":{\"content\":\"x\"}}]}}",
	    "", NULL, 0 },
	{ "usage null", TEXT("null"), "", NULL, 0 },
	{ "usage text", TEXT("\"much\""), "", NULL, 0 },
	{ "usage negative", TEXT("{\"prompt_tokens\":-5,\"completion_tokens\":-1}"), "",
	    NULL, 0 },
	{ "usage fraction", TEXT("{\"prompt_tokens\":1.5,\"completion_tokens\":3}"), "",
	    NULL, 3 },
	{ "usage absurd",
	    TEXT("{\"prompt_tokens\":9223372036854775807,\"completion_tokens\":"
		 "9223372036854775807}"),
	    "", NULL, 2000000000 },
	{ "usage more absurd",
	    TEXT("{\"prompt_tokens\":1e30,\"completion_tokens\":99999999999999999999}"),
	    "", NULL, -1 },
	{ "usage cached absurd",
	    TEXT(
		"{\"prompt_tokens\":5,\"completion_tokens\":1,\"prompt_tokens_details\":"
		"{\"cached_tokens\":1000000}}"),
	    "", NULL, 6 },
	{ "model huge",
	    BODY "{\"model\":\"{x1000000}\",\"choices\":[{\"message\":{\"content\":"
		 "\"x\"}}]}}",
	    "", NULL, 0 },
	{ "model NUL",
	    BODY "{\"model\":\"a\\u0000b\\ud83d\\ude00\",\"choices\":[{\"message\":"
		 "{\"content\":\"x\"}}]}}",
	    "", NULL, 0 },
	{ "model list",
	    BODY "{\"model\":[],\"choices\":[{\"message\":{\"content\":\"x\"}}]}}", "",
	    NULL, 0 },
	/* calls */
	{ "unknown tool", CALL("\"format_disk\"", "\"{}\""), "invalid_step",
	    "there is no tool \"format_disk\"; the tools are: execute_pipeline", -1 },
	{ "NUL tool", CALL("\"execute_pipeline\\u0000x\"", "\"{}\""), "invalid_step",
	    "there is no tool", -1 },
	{ "no name", CALL("\"\"", "\"{}\""), "llm_bad_response", "without a name", -1 },
	{ "null name", CALL("null", "\"{}\""), "llm_bad_response", "without a name",
	    -1 },
	{ "no function",
	    CHOICE("\"content\":null,\"tool_calls\":[{\"id\":\"a\"}]",
		"\"tool_calls\""),
	    "llm_bad_response", "without a name", -1 },
	{ "half arguments", CALL("\"execute_pipeline\"", "\"{\\\"pipeline\\\":[\""),
	    "invalid_step", "not valid JSON", -1 },
	{ "no arguments", CALL("\"execute_pipeline\"", "\"\""), "invalid_step",
	    "pipeline", -1 },
	{ "null arguments", CALL("\"execute_pipeline\"", "null"), "invalid_step",
	    "pipeline", -1 },
	{ "list arguments", CALL("\"execute_pipeline\"", "\"[1,2]\""), "invalid_step",
	    "schema", -1 },
	{ "object arguments", CALL("\"execute_pipeline\"", "{\"pipeline\":5}"),
	    "invalid_step", "pipeline", -1 },
	{ "deep arguments", CALL("\"execute_pipeline\"", "\"{[64}{]64}\""),
	    "invalid_step", NULL, -1 },
	{ "deeper arguments", CALL("\"execute_pipeline\"", "\"{[65}{]65}\""),
	    "invalid_step", "64", -1 },
	{ "deepest arguments", CALL("\"execute_pipeline\"", "\"{[100000}\""),
	    "invalid_step", "64", -1 },
	{ "deep member",
	    CALL("\"execute_pipeline\"",
		"\"{\\\"x\\\":{[62}\\\"password=abc\\\"{]62}}\""),
	    "invalid_step", NULL, -1 },
	{ "huge arguments",
	    CALL("\"execute_pipeline\"", "\"{\\\"pipeline\\\":\\\"{x1000000}\\\"}\""),
	    "limit_exceeded", "the last tool error was invalid_step", -1 },
	{ "large arguments",
	    CALL("\"execute_pipeline\"", "\"{\\\"pipeline\\\":\\\"{x100000}\\\"}\""),
	    "invalid_step", NULL, -1 },
	{ "huge name", CALL("\"{x100000}\"", "\"{}\""), "invalid_step",
	    "there is no tool", -1 },
	{ "quotes",
	    CALL("\"execute_pipeline\"", "\"{\\\"pipeline\\\":\\\"{q3000}\\\"}\""),
	    "invalid_step", NULL, -1 },
	{ "fifty calls", "{calls50}", "invalid_step", NULL, -1 },
	{ "too many calls", "{calls65}", "llm_bad_response", "more tool calls", -1 },
	{ "the same id", "{calls3}", "invalid_step", NULL, -1 },
	{ "deep body", BODY "\"{\\\"choices\\\":{[100000}\"}", "llm_bad_response", NULL,
	    0 },
	{ "long text", CHOICE("\"content\":\"{x1000000}\"", "\"stop\""), "", NULL, 0 },
};

/* {x9}: that many letters; {q9}: quotes, escaped twice; {[9} and {]9}: brackets;
   {calls9}: an answer with that many bad calls, all of one id. */
static void
expand(struct buf *out, const char *rule)
{
	static const struct {
		const char *mark, *text;
	} marks[] = { { "{x", "x" }, { "{q", "\\\\\\\"" }, { "{[", "[" },
		{ "{]", "]" } };

	for (const char *p = rule; *p != '\0';) {
		char *after = NULL;
		unsigned long n = 0;

		for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
			if (strncmp(p, marks[i].mark, 2) != 0 || p[2] < '0' ||
			    p[2] > '9')
				continue;
			n = strtoul(p + 2, &after, 10);
			while (n-- > 0)
				buf_adds(out, marks[i].text);
		}
		if (after == NULL && strncmp(p, "{calls", 6) == 0) {
			n = strtoul(p + 6, &after, 10);
			buf_adds(out,
			    BODY "{\"choices\":[{\"message\":{\"tool_calls\":[");
			for (unsigned long i = 0; i < n; i++)
				buf_addf(out,
				    "%s{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":"
				    "\"execute_pipeline\",\"arguments\":\"{\\\"n\\\":%lu}\"}}",
				    i > 0 ? "," : "", i);
			buf_adds(out, "]}}]}}");
		}
		if (after != NULL) {
			p = after + 1;
			continue;
		}
		buf_addc(out, *p++);
	}
}

static void
script_answers(void)
{
	CLEANUP_BUF struct buf script = BUF_INIT;

	buf_adds(&script, "{\"rules\":[");
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		buf_addf(&script,
		    "{\"when\":{\"prompt_contains\":\"#%s#\",\"turn\":0},",
		    answers[i].name);
		expand(&script, answers[i].rule);
		buf_adds(&script, "},");
	}
	buf_adds(&script, "{\"reply\":{\"content\":\"I give up\"}}]}");
	harness_llm_script(h, buf_str(&script));
}

Test(hostile_llm, every_answer_ends_in_its_typed_result)
{
	start("");
	script_answers();
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		char prompt[80];

		(void)snprintf(prompt, sizeof(prompt), WORDS " #%s#", answers[i].name);
		harness_push_job(h, answers[i].name, prompt, "");
	}
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		const struct answer *a = &answers[i];
		const struct json *r = harness_result(h, a->name, WAIT_MS);
		CLEANUP_BUF struct buf text = BUF_INIT;

		result_check(r);
		json_write(&text, r, JSON_COMPACT);
		cr_expect_str_eq(text_at(h, r, "error.type"), a->type, "%s: %.300s",
		    a->name, text_at(h, r, "error.message"));
		if (a->says != NULL)
			cr_expect(strstr(text_at(h, r, "error.message"), a->says) !=
				NULL,
			    "%s: %s", a->name, text_at(h, r, "error.message"));
		if (a->tokens >= 0)
			cr_expect(eq(i64, int_at(r, "metadata.tokens_used"), a->tokens),
			    "%s", a->name);
		cr_expect(text.len < 300000, "%s: a message of %zu bytes", a->name,
		    text.len);
		if (strncmp(a->type, "llm_", 4) == 0)
			cr_expect(json_path(r, "error.suggestions", 17)->len > 0,
			    "%s: no remedy", a->name);
		cr_expect(strstr(buf_str(&text), RESULT_CHECK_SECRET) == NULL, "%s",
		    a->name);
		harness_clear(h);
	}
	stop();
}

/* ---- models that do not stop ---- */

Test(hostile_llm, a_model_that_does_not_stop_is_stopped)
{
	static const char call[] =
	    "\"reply\":{\"content\":\"once more\",\"tool_calls\":[{\"name\":"
	    "\"execute_pipeline\",\"arguments\":\"{\\\"n\\\":%s}\"}]}}";
	CLEANUP_BUF struct buf script = BUF_INIT;
	const struct json *r;

	start("");
	buf_adds(&script, "{\"rules\":[{\"when\":{\"prompt_contains\":\"#same#\"},");
	buf_addf(&script, call, "1");
	buf_adds(&script, ",{\"when\":{\"prompt_contains\":\"#other#\"},");
	buf_addf(&script, call, "{{turn}}");
	buf_adds(&script, ",{\"when\":{\"prompt_contains\":\"#big#\"},");
	buf_addf(&script, call, "1,\\\"usage\\\":{{turn}}");
	buf_adds(&script, ",{\"reply\":{\"content\":\"fine\"}}]}");
	harness_llm_script(h, buf_str(&script));
	harness_push_job(h, "same", WORDS "#same#", "");
	harness_push_job(h, "other", WORDS "#other#", "");
	harness_push_job(h, "big", WORDS "#big#", ",\"max_tokens_total\":9000");
	r = harness_expect(h, "same", "failed");
	result_check(r);
	cr_expect_str_eq(text_at(h, r, "error.type"), "loop_detected");
	cr_expect_str_eq(text_at(h, r, "error.tool"), "execute_pipeline");
	r = harness_expect(h, "other", "failed");
	result_check(r);
	cr_expect_str_eq(text_at(h, r, "error.type"), "limit_exceeded");
	cr_expect_str_eq(text_at(h, r, "metadata.limit_hit"), "max_turns");
	cr_expect(eq(i64, int_at(r, "metadata.turns"), 10));
	cr_expect(strstr(text_at(h, r, "error.message"), "last tool error") != NULL,
	    "%s", text_at(h, r, "error.message"));
	r = harness_expect(h, "big", "failed");
	result_check(r);
	cr_expect_str_eq(text_at(h, r, "error.type"), "limit_exceeded");
	cr_expect_str_eq(text_at(h, r, "metadata.limit_hit"), "max_tokens");
	stop();
}

/* ---- work for the worker itself ---- */

/* {m9TEXT}: the text that many times. */
static void
repeat(struct buf *out, const char *text)
{
	for (const char *p = text; *p != '\0'; p++) {
		char *piece;
		unsigned long n;
		size_t len;

		if (p[0] != '{' || p[1] != 'm' || p[2] < '0' || p[2] > '9') {
			buf_addc(out, *p);
			continue;
		}
		n = strtoul(p + 2, &piece, 10);
		len = strcspn(piece, "~");
		while (n-- > 0)
			buf_add(out, piece, len);
		p = piece + len;
	}
}

#define ARGS(text) "{\"name\":\"execute_pipeline\",\"arguments\":\"" text "\"}"

/* {m9TEXT~ in all three. */
static const struct {
	const char *name, *prompt, *extra, *reply;
} labours[] = {
	{ "always", "{m100000always ~", "", "\"content\":\"x\"" },
	{ "dots", "{m900000.~", "", "\"content\":\"x\"" },
	{ "marks", "{m200000, \\\"~", "", "\"content\":\"x\"" },
	{ "accents", "{m400000\xc3\xa9~", "", "\"content\":\"x\"" },
	{ "lines", "{m400000\\n~", "", "\"content\":\"x\"" },
	{ "results", "p",
	    ",\"context\":{\"previous_results\":[{\"node_id\":\"n\"}{m20000,{\"node_id\":\"n\","
	    "\"result_ref\":\"r\"}~]}",
	    "\"content\":\"x\"" },
	{ "state", "p", ",\"context\":{\"workflow_state\":{\"a\":0{m90000,\"b\":1~}}",
	    "\"content\":\"x\"" },
	{ "nodes", "p",
	    ",\"current_workflow\":{\"nodes\":[{\"id\":\"a\"}{m20000,{\"id\":\"b\"}~],\"edges\":["
	    "{\"from\":\"a\",\"to\":\"b\"}{m15000,{\"from\":\"a\",\"to\":\"b\"}~]}",
	    "\"content\":\"x\"" },
	{ "equals", "p", "",
	    "\"tool_calls\":[" ARGS("{\\\"x\\\":\\\"{m1000000=~\\\"}") "]" },
	{ "raw equals", "p", "", "\"tool_calls\":[" ARGS("{m1000000=~") "]" },
	{ "bearers", "p", "",
	    "\"tool_calls\":[" ARGS(
		"{\\\"x\\\":\\\"{m100000bearer ~{m100000sk-~\\\"}") "]" },
	{ "users", "p", "",
	    "\"tool_calls\":[" ARGS("{\\\"x\\\":\\\"{m200000://a~\\\"}") "]" },
	{ "members", "p", "",
	    "\"tool_calls\":[" ARGS("{\\\"a\\\":1{m100000,\\\"token\\\":1~}") "]" },
	{ "enum", "p",
	    ",\"output_schema\":{\"type\":\"array\",\"items\":{\"enum\":[1{m100000,1~]}}",
	    "\"content\":\"[2{m100000,2~]\"" },
	{ "enum last", "p",
	    ",\"output_schema\":{\"type\":\"array\",\"items\":{\"enum\":[1{m100000,1~,2]}}",
	    "\"content\":\"[2{m100000,2~]\"" },
	{ "required", "p",
	    ",\"output_schema\":{\"type\":\"object\",\"required\":[\"z\"{m50000,\"a\"~]}",
	    "\"content\":\"{\\\"b\\\":1{m50000,\\\"c\\\":1~}\"" },
	{ "pattern", "p",
	    ",\"output_schema\":{\"type\":\"array\",\"items\":{\"type\":\"string\",\"pattern\":"
	    "\"^(a?){17}a{17}$\"}}",
	    "\"content\":\"[\\\"\\\"{m20000,\\\"aaaaaaaaaaaaaaaaa\\\"~]\"" },
	{ "fences", "p", "", "\"content\":\"{m300000```~\"" },
};

/* Each may take its time, but none so much that the jobs beside it notice. */
Test(hostile_llm, nothing_that_is_said_keeps_a_worker_busy)
{
	CLEANUP_BUF struct buf script = BUF_INIT;

	start("");
	buf_adds(&script, "{\"rules\":[");
	for (size_t i = 0; i < ARRAY_LEN(labours); i++) {
		buf_addf(&script,
		    "{\"when\":{\"prompt_contains\":\"#%s#\"%s},\"reply\":{",
		    labours[i].name,
		    strstr(labours[i].extra, "output_schema") != NULL ? ""
								      : ",\"turn\":0");
		repeat(&script, labours[i].reply);
		buf_adds(&script, "}},");
	}
	buf_adds(&script, "{\"reply\":{\"content\":\"I give up\"}}]}");
	harness_llm_script(h, buf_str(&script));
	for (size_t i = 0; i < ARRAY_LEN(labours); i++) {
		CLEANUP_BUF struct buf job = BUF_INIT;

		buf_addf(&job, "{\"job_id\":\"%s\",\"prompt\":\"" WORDS " #%s# ",
		    labours[i].name, labours[i].name);
		repeat(&job, labours[i].prompt);
		buf_addc(&job, '"');
		repeat(&job, labours[i].extra);
		buf_addc(&job, '}');
		harness_push(h, buf_str(&job));
	}
	for (size_t i = 0; i < ARRAY_LEN(labours); i++) {
		const struct json *r = harness_result(h, labours[i].name, WAIT_MS);

		result_check(r);
		cr_expect(lt(i64, int_at(r, "metadata.execution_time_ms"), LABOUR_MS),
		    "%s", labours[i].name);
		harness_clear(h);
	}
	stop();
}

/* The words beside the call of a finishing tool become the message. */
Test(hostile_llm, long_words_beside_the_data_are_cut_between_characters)
{
	CLEANUP_BUF struct buf script = BUF_INIT;
	const struct json *r, *m;

	start("");
	buf_adds(&script,
	    "{\"rules\":[{\"when\":{\"prompt_contains\":\"#data#\"},\"reply\":{\"content\":\"");
	for (int i = 0; i < 5000; i++)
		buf_adds(&script, "\xf0\x9f\x98\x80");
	buf_adds(&script,
	    "\",\"tool_calls\":[{\"name\":\"execute_pipeline\",\"arguments\":{\"pipeline\":"
	    "[{\"step\":\"http_request\",\"url\":\"{{data_api}}/orders\"}]}}]}},"
	    "{\"reply\":{\"content\":\"fine\"}}]}");
	harness_llm_script(h, buf_str(&script));
	harness_push_job(h, "data", WORDS "#data#", "");
	r = harness_expect(h, "data", "completed");
	result_check(r);
	m = json_path(r, "metadata.message", 16);
	cr_assert(json_is(m, JSON_STRING));
	cr_expect(eq(uint, m->len, 3999 * 4 + 3), "3,999 and an ellipsis");
	stop();
}

/* ---- providers that speak no HTTP to speak of ---- */

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
#define OK_BODY "{\"choices\":[{\"message\":{\"content\":\"fine\"}}]}"
#define V1 "/chat/completions"

static char essay[12 * MIB]; /* text of the model, longer than what is stored inline */

static const struct http_probe_route routes[] = {
	{ .path = "/essay" V1, .body = essay },
	{ .path = "/bytes" V1,
	    .body = "{\"choices\":[{\"message\":{\"content\":\"\xff\xfe\"}}]}" },
	{ .path = "/large" V1, .body = "0123456789", .repeat = 2 * MIB },
	{ .path = "/chunks" V1,
	    .body = "[[[[[[[[[[",
	    .repeat = 2 * MIB,
	    .flags = PROBE_CHUNKED },
	{ .path = "/bomb" V1, .repeat = 1024UL * MIB, .flags = PROBE_GZIP_BOMB },
	{ .path = "/headers" V1, .flags = PROBE_ENDLESS_HEADERS },
	{ .path = "/close" V1, .flags = PROBE_CLOSE },
	{ .path = "/nohttp" V1,
	    .body = "220 mail.example ESMTP\r\n",
	    .flags = PROBE_RAW },
	{ .path = "/old" V1, .body = OK_BODY, .flags = PROBE_RAW },
	{ .path = "/long" V1,
	    .body = OK_HEAD "Content-Length: 5000000000\r\n\r\n" OK_BODY,
	    .flags = PROBE_RAW },
	{ .path = "/negative" V1,
	    .body = OK_HEAD "Content-Length: -5\r\n\r\n" OK_BODY,
	    .flags = PROBE_RAW },
	{ .path = "/until" V1,
	    .body = OK_HEAD "Connection: close\r\n\r\n" OK_BODY,
	    .flags = PROBE_RAW },
	{ .path = "/again" V1,
	    .body = "HTTP/1.1 100 Continue\r\n\r\n",
	    .repeat = 1000,
	    .flags = PROBE_RAW },
	{ .path = "/status" V1,
	    .body = "HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n",
	    .flags = PROBE_RAW },
	{ .path = "/chunk" V1,
	    .body = OK_HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\n" OK_BODY,
	    .flags = PROBE_RAW },
	{ .path = "/away" V1,
	    .status = 307,
	    .headers = "Location: http://127.0.0.1:{port}/thief\r\n" },
	{ .path = "/thief", .body = OK_BODY },
	{ .path = "/coding" V1,
	    .headers = "Content-Encoding: gzip\r\n",
	    .body = OK_BODY },
	{ .path = "/drip" V1, .body = OK_BODY, .drip_ms = 1000 },
};

static const struct {
	const char *name, *type;
} strange[] = {
	{ "essay", "" },
	{ "bytes", "llm_bad_response" },
	{ "large", "llm_bad_response" },
	{ "chunks", "llm_bad_response" },
	{ "bomb", "llm_bad_response" },
	{ "headers", "llm_unavailable" },
	{ "close", "llm_unavailable" },
	{ "nohttp", "llm_unavailable" },
	{ "old", "llm_unavailable" },
	{ "long", "llm_bad_response" },
	{ "negative", "llm_unavailable" },
	{ "until", "" },
	{ "again", "llm_unavailable" },
	{ "status", "llm_bad_response" },
	{ "chunk", "llm_unavailable" },
	{ "away", "llm_unavailable" },
	{ "coding", "llm_unavailable" },
	{ "drip", "llm_unavailable" },
};

Test(hostile_llm, a_provider_that_breaks_http_is_a_typed_failure)
{
	struct http_probe *probe = http_probe_start(routes, ARRAY_LEN(routes));
	static const char essay_begin[] = "{\"choices\":[{\"message\":{\"content\":\"",
			  reference[] = "cas://sha256:";
	CLEANUP_BUF struct buf providers = BUF_INIT;
	static char last[65536];

	cr_assert(probe != NULL);
	memset(essay, 'x', sizeof(essay) - 4);
	memcpy(essay, essay_begin, strlen(essay_begin));
	memcpy(essay + sizeof(essay) - 6, "\"}}]}", 6);
	for (size_t i = 0; i < ARRAY_LEN(strange); i++)
		buf_addf(&providers,
		    ", { name = \"%s\"; type = \"openai\"; base_url = "
		    "\"http://127.0.0.1:%u/%s\"; api_key = \"" RESULT_CHECK_SECRET
		    "\"; model = \"m\"; timeout_sec = %d; }",
		    strange[i].name, http_probe_port(probe), strange[i].name,
		    STRANGE_SEC);
	h = NULL;
	/* an agent each */
	start(buf_str(&providers));
	for (size_t i = 0; i < ARRAY_LEN(strange); i++) {
		char name[64], text[160];

		(void)snprintf(name, sizeof(name), "agents.d/%s.conf", strange[i].name);
		(void)snprintf(text, sizeof(text),
		    "name = \"%s\"; providers = ( \"%s\" ); tools = ( "
		    "\"execute_pipeline\" );",
		    strange[i].name, strange[i].name);
		harness_write_file(h, name, text);
	}
	harness_stop(h);
	harness_daemon(h);
	harness_llm_script(h, "{\"rules\":[{\"reply\":{\"content\":\"fine\"}}]}");
	for (size_t i = 0; i < ARRAY_LEN(strange); i++) {
		char extra[64];

		(void)snprintf(extra, sizeof(extra), ",\"agent\":\"%s\"",
		    strange[i].name);
		harness_push_job(h, strange[i].name, WORDS, extra);
	}
	for (size_t i = 0; i < ARRAY_LEN(strange); i++) {
		const struct json *r = harness_result(h, strange[i].name, WAIT_MS);

		result_check(r);
		cr_expect_str_eq(text_at(h, r, "error.type"), strange[i].type, "%s: %s",
		    strange[i].name, text_at(h, r, "error.message"));
		if (strcmp(strange[i].name, "essay") == 0)
			cr_expect(strncmp(text_at(h, r, "result_ref"), reference,
				      strlen(reference)) == 0);
		if (strange[i].type[0] != '\0')
			cr_expect(text_at(h, r, "error.message")[0] != '\0');
		cr_log_info("%s: %s", strange[i].name, text_at(h, r, "error.message"));
	}
	cr_expect(strstr(http_probe_last(probe, last, sizeof(last)), "/thief") == NULL);
	stop();
	http_probe_stop(probe);
}
