/* SPDX-License-Identifier: MIT */
/* test_job_message.c - jobs as producers write them, well and badly. */
#include "config.h"

#include "worker/job_message.h"
#include "worker/job_skim.h"
#include "worker/preview.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <string.h>

static const struct {
	const char *json;
	int want;
	enum error_type type;
	const char *names; /* parts of the message, parted by '|' */
} cases[] = {
	{ "{\"job_id\":\"j\",\"prompt\":\"p\"}", 0, ERROR_TYPE_NONE, "" },
	{ "{\"job_id\":\"j\",\"task\":\"p\"}", 0, ERROR_TYPE_NONE, "" },
	{ " {\"job_id\":\"j\",\"prompt\":\"p\",\"version\":\"1.9\",\"x\":{}} ", 0,
	    ERROR_TYPE_NONE, "" },
	{ "{\"job_id\":\"j\",\"prompt\":\"p\",\"run_id\":null,\"context\":null}", 0,
	    ERROR_TYPE_NONE, "" },
	{ "", -ENOMSG, ERROR_TYPE_INVALID_MESSAGE, "not JSON" },
	{ "{\"job_id\":\"j\"", -ENOMSG, ERROR_TYPE_INVALID_MESSAGE, "not JSON" },
	{ "[1]", -ENOMSG, ERROR_TYPE_INVALID_MESSAGE, "object" },
	{ "{\"prompt\":\"p\"}", -ENOMSG, ERROR_TYPE_INVALID_MESSAGE,
	    "job_id is missing" },
	{ "{\"job_id\":7,\"prompt\":\"p\"}", -ENOMSG, ERROR_TYPE_INVALID_MESSAGE,
	    "job_id" },
	{ "{\"job_id\":\"\",\"prompt\":\"p\"}", -ENOMSG, ERROR_TYPE_INVALID_MESSAGE,
	    "job_id" },
	{ "{\"job_id\":\"a\\nb\",\"prompt\":\"p\"}", -ENOMSG,
	    ERROR_TYPE_INVALID_MESSAGE, "control" },
	{ "{\"job_id\":\"a\\u0085b\",\"prompt\":\"p\"}", -ENOMSG,
	    ERROR_TYPE_INVALID_MESSAGE, "control" },
	{ "{\"job_id\":\"j\"}", -EINVAL, ERROR_TYPE_INVALID_MESSAGE,
	    "prompt is missing" },
	{ "{\"job_id\":\"j\",\"prompt\":\"\"}", -EINVAL, ERROR_TYPE_INVALID_MESSAGE,
	    "empty" },
	{ "{\"job_id\":\"j\",\"prompt\":\"p\",\"version\":\"2.0\"}", -EINVAL,
	    ERROR_TYPE_UNSUPPORTED_VERSION, "2.0" },
	{ "{\"job_id\":\"j\",\"prompt\":1,\"timeout_sec\":0,\"retry_count\":-1,"
	  "\"created_at\":\"soon\",\"context\":[],\"current_workflow\":1}",
	    -EINVAL, ERROR_TYPE_INVALID_MESSAGE,
	    "prompt|timeout_sec|retry_count|created_at|context|current_workflow" },
	{ "{\"job_id\":\"j\",\"prompt\":\"p\",\"context\":{\"previous_results\":[1,"
	  "{\"result_ref\":2}],\"session_id\":3}}",
	    -EINVAL, ERROR_TYPE_INVALID_MESSAGE,
	    "previous_results[0]|previous_results[1].result_ref|session_id" },
	{ "{\"job_id\":\"j\",\"prompt\":\"p\",\"run_id\":\"a\\u0000b\"}", -EINVAL,
	    ERROR_TYPE_INVALID_MESSAGE, "run_id" },
};

Test(job_message, bad_fields_are_all_named)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena *a = arena_new(0);
		struct job_message m;
		struct job_message_fault f;
		char names[256], *save = NULL;
		int r =
		    job_message_read(a, cases[i].json, strlen(cases[i].json), &m, &f);

		cr_expect(eq(int, r, cases[i].want), "%s: %s", cases[i].json, f.text);
		cr_expect(eq(int, f.type, cases[i].type), "%s", cases[i].json);
		(void)snprintf(names, sizeof(names), "%s", cases[i].names);
		for (char *p = strtok_r(names, "|", &save); p != NULL;
		     p = strtok_r(NULL, "|", &save))
			cr_expect(strstr(f.text, p) != NULL, "'%s' lacks '%s'", f.text,
			    p);
		arena_free(a);
	}
}

Test(job_message, every_field_arrives)
{
	static const char json[] =
	    "{\"version\":\"1.0\",\"job_id\":\"j\",\"run_id\":\"r\",\"node_id\":\"n\","
	    "\"workflow_tag\":\"t\",\"workflow_owner\":\"o\",\"user_id\":\"u\",\"prompt\":\"p\","
	    "\"context\":{\"previous_results\":[{\"node_id\":\"x\",\"result_ref\":"
	    "\"artifact://1\"}],\"workflow_state\":{\"a\":1},\"session_id\":\"s\"},"
	    "\"timeout_sec\":1.5,\"retry_count\":2,\"created_at\":\"2026-01-01T00:00:00\","
	    "\"agent\":\"g\",\"output_schema\":{},\"max_tokens_total\":9,\"traceparent\":\"00\"}";
	struct arena *a = arena_new(0);
	struct job_message m;
	struct job_message_fault f;

	cr_assert(eq(int, job_message_read(a, json, strlen(json), &m, &f), 0), "%s",
	    f.text);
	cr_expect_str_eq(m.owner, "o");
	cr_expect_str_eq(m.session_id, "s");
	cr_expect_str_eq(m.agent, "g");
	cr_expect(eq(i64, m.timeout_sec, 2));
	cr_expect(eq(i64, m.retry_count, 2));
	cr_expect(eq(i64, m.created_at_ms, 1767225600000));
	cr_expect(eq(i64, m.max_tokens_total, 9));
	cr_expect(m.output_schema != NULL && m.workflow_state != NULL);
	cr_expect(job_message_names_ref(&m, "artifact://1"));
	cr_expect(not(job_message_names_ref(&m, "artifact://2")));
	arena_free(a);
}

/* Copies differ in time and count only; anything else is another job. */
Test(job_message, the_digest_tells_copies_from_other_jobs)
{
	static const char *const texts[] = {
		"{\"job_id\":\"j\",\"prompt\":\"p\"}",
		("{\"prompt\":\"p\", \"job_id\":\"j\",\"retry_count\":3,\"created_at\":"
		 "\"2026-01-01T00:00:00Z\"}"),
		"{\"job_id\":\"j\",\"prompt\":\"q\"}",
	};
	struct job_message m[3];

	for (size_t i = 0; i < 3; i++) {
		struct arena *a = arena_new(0);
		struct job_message_fault f;

		cr_assert(eq(int,
		    job_message_read(a, texts[i], strlen(texts[i]), &m[i], &f), 0));
		arena_free(a);
	}
	cr_expect_str_eq(m[0].digest, m[1].digest);
	cr_expect_str_neq(m[0].digest, m[2].digest);
}

static const struct {
	const char *value;
	const char *want;
} previews[] = {
	{ "[]", "{\"type\":\"dataset\",\"row_count\":0,\"sample\":[]}" },
	{ "[1,[2,3],{\"a\":\"x,]\\\"\"},4]",
	    "{\"type\":\"dataset\",\"row_count\":4,\"sample\":[1,[2,3],{\"a\":\"x,]\\\"\"}]}" },
	{ "{\"b\":1,\"a\":{}}", "{\"type\":\"object\",\"keys\":[\"b\",\"a\"]}" },
	{ "\"hello\"", "{\"type\":\"text\",\"text\":\"hello\"}" },
	{ "1.10", "{\"type\":\"text\",\"text\":\"1.10\"}" },
	{ "null", "{\"type\":\"text\",\"text\":\"null\"}" },
};

Test(preview, shows_each_kind_of_value)
{
	for (size_t i = 0; i < ARRAY_LEN(previews); i++) {
		CLEANUP_BUF struct buf b = BUF_INIT;

		cr_assert(eq(int,
		    preview_write(&b, previews[i].value, strlen(previews[i].value),
			PREVIEW_DATA),
		    0));
		cr_expect_str_eq(buf_str(&b), previews[i].want);
	}
}

Test(preview, stays_below_its_bound_whatever_the_value)
{
	CLEANUP_BUF struct buf value = BUF_INIT;
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct arena *a = arena_new(0);
	const struct json *v = NULL;

	buf_adds(&value, "[");
	for (int row = 0; row < 5; row++) {
		buf_adds(&value, row > 0 ? ",{" : "{");
		for (int i = 0; i < 300; i++)
			buf_addf(&value, "%s\"key%d\":\"%0500d\"", i > 0 ? "," : "", i,
			    i);
		buf_adds(&value, "}");
	}
	buf_adds(&value, "]");
	cr_assert(
	    eq(int, preview_write(&b, buf_str(&value), value.len, PREVIEW_DATA), 0));
	cr_expect(le(sz, b.len, PREVIEW_MAX));
	cr_assert(eq(int, json_read(a, buf_str(&b), b.len, 0, &v, NULL), 0));
	cr_expect(strstr(buf_str(&b), "\"row_count\":5") != NULL);
	arena_free(a);
}

Test(preview, refuses_what_is_not_json)
{
	static const char *const bad[] = { "[1", "", "[1 2]", "{\"a\"" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CLEANUP_BUF struct buf b = BUF_INIT;

		cr_expect(lt(int,
			      preview_write(&b, bad[i], strlen(bad[i]), PREVIEW_DATA),
			      0),
		    "%s", bad[i]);
	}
}

/* ---- payloads that are too long ---- */

static const struct {
	const char *payload, *want;
} skims[] = {
	{ "{\"job_id\":\"a\",\"prompt\":\"p\"}", "{\"job_id\":\"a\"}" },
	{ " { \"x\" : [ \"}\\\"]\", {\"job_id\":\"no\"} ] , \"job_id\" : \"a\\\"b\" } ",
	    "{\"job_id\" : \"a\\\"b\" }" },
	{ "{\"job_id\":1,\"job_id\":\"b\",\"user_id\":null}",
	    "{\"job_id\":1,\"job_id\":\"b\",\"user_id\":null}" },
	{ "{\"job_id\":\"a\",\"x\":[[[[[[", "{\"job_id\":\"a\"}" },
	{ "{\"job_id\":\"a\",\"x\":\"", "{\"job_id\":\"a\"}" },
	{ "{\"job_id\":\"a", "{}" },
	{ "{\"job_id\"", "{}" },
	{ "{\"x\":]}", "{}" },
	{ "{}", "{}" },
	{ "{", "{}" },
	{ "[1]", "{}" },
	{ "", "{}" },
	{ "   ", "{}" },
	{ "\\", "{}" },
	{ "{\"\\", "{}" },
};

Test(job_skim, keeps_who_sent_it_and_steps_over_the_rest)
{
	for (size_t i = 0; i < ARRAY_LEN(skims); i++) {
		size_t n = strlen(skims[i].payload);
		char *exact = malloc(n + 1); /* bounds are the sanitizer's matter */
		CLEANUP_BUF struct buf out = BUF_INIT;

		memcpy(exact, skims[i].payload, n);
		job_skim(exact, n, &out);
		cr_expect_str_eq(buf_str(&out), skims[i].want);
		free(exact);
	}
}

Test(job_message, more_bad_fields_than_there_is_room_for_are_said_to_be_more)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	struct job_message_fault fault;
	struct job_message m;

	buf_adds(&text,
	    "{\"job_id\":\"j\",\"prompt\":\"p\",\"context\":"
	    "{\"previous_results\":[0");
	for (int i = 0; i < 100; i++)
		buf_adds(&text, ",0");
	buf_adds(&text, "]}}");
	cr_expect(eq(int, job_message_read(a, buf_str(&text), text.len, &m, &fault),
	    -EINVAL));
	cr_expect(lt(sz, strlen(fault.text), sizeof(fault.text)));
	cr_expect_str_eq(fault.text + strlen(fault.text) - 10, "; and more");
}
