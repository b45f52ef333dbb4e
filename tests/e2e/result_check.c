/* SPDX-License-Identifier: MIT */
/*
 * result_check.c - the published message, member by member.
 *
 * Owns:   nothing.
 * Called: by end-to-end tests for every result that they see.
 * Fails:  through cr_expect.
 */
#include "config.h"

#include "tests/e2e/result_check.h"

#include "common/clock.h"

#include "tests/e2e/e2e.h"

#include <string.h>

enum {
	TEXT = 1 << JSON_STRING,
	COUNT = 1 << JSON_NUMBER,
	NONE = 1 << JSON_NULL,
	FLAG = 1 << JSON_BOOL,
	LIST = 1 << JSON_ARRAY,
	OBJECT = 1 << JSON_OBJECT,
	MAYBE = 1 << 16 /* may be absent */
};

struct member {
	const char *name;
	unsigned types;
};

/* clang-format off */
static const struct member completed[] = {
	{ "version", TEXT }, { "job_id", TEXT }, { "status", TEXT }, { "result_ref", TEXT },
	{ "result_preview", OBJECT }, { "metadata", OBJECT }, { "completed_at", TEXT },
}, failed[] = {
	{ "version", TEXT }, { "job_id", TEXT }, { "status", TEXT }, { "error", OBJECT },
	{ "metadata", OBJECT }, { "completed_at", TEXT },
}, metadata[] = {
	{ "tool_calls", LIST }, { "tokens_used", COUNT }, { "tokens", OBJECT },
	{ "cost_usd", COUNT }, { "cache_hit", FLAG }, { "execution_time_ms", COUNT },
	{ "queue_ms", COUNT | NONE }, { "llm_model", TEXT | NONE }, { "intent", TEXT | NONE },
	{ "turns", COUNT }, { "attempts", COUNT }, { "message", TEXT | NONE },
	{ "limit_hit", TEXT | NONE },
}, tokens[] = {
	{ "input", COUNT }, { "output", COUNT }, { "cached", COUNT },
}, error[] = {
	{ "type", TEXT }, { "message", TEXT }, { "retryable", FLAG }, { "tool", TEXT | NONE },
	{ "step", TEXT | NONE }, { "suggestions", LIST },
	{ "evidence", TEXT | OBJECT | LIST | MAYBE },
};
/* clang-format on */

static const char *const retryable[] = { "llm_unavailable", "llm_rate_limited",
	"llm_bad_response", "execution_error", "patch_conflict", "timeout",
	"storage_error" };

static const char *
id_of(const struct json *message)
{
	static char id[256];
	const struct json *v = json_get(message, "job_id");

	(void)snprintf(id, sizeof(id), "%.*s", v != NULL ? (int)v->len : 0,
	    v != NULL ? v->text : "");
	return id;
}

static void
check_members(const char *id, const char *what, const struct json *v,
    const struct member *want, size_t n)
{
	uint32_t at = 0;

	cr_assert(json_is(v, JSON_OBJECT), "%s: %s is no object", id, what);
	for (size_t i = 0; i < n; i++) {
		const struct json_member *m = at < v->len ? &v->members[at] : NULL;
		bool is_here = m != NULL && strcmp(m->name, want[i].name) == 0;

		if (!is_here && (want[i].types & MAYBE) != 0)
			continue;
		cr_assert(is_here, "%s: %s has no %s at place %u", id, what,
		    want[i].name, at);
		cr_expect(0 != (want[i].types & 1U << m->value.type),
		    "%s: %s.%s is of type %s", id, what, want[i].name,
		    json_type_name(m->value.type));
		at++;
	}
	cr_expect(at == v->len, "%s: %s has more members than documented", id, what);
}

static size_t
characters(const struct json *text)
{
	size_t n = 0;

	for (uint32_t i = 0; json_is(text, JSON_STRING) && i < text->len; i++)
		n += ((unsigned char)text->text[i] & 0xc0) != 0x80;
	return n;
}

static size_t
bytes_of(const struct json *v)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	json_write(&text, v, JSON_COMPACT);
	return text.len;
}

static void
check_counts(const char *id, const struct json *v)
{
	for (uint32_t i = 0; i < v->len; i++)
		if (v->members[i].value.type == JSON_NUMBER)
			cr_expect(v->members[i].value.text[0] != '-',
			    "%s: %s is negative", id, v->members[i].name);
}

static void
check_metadata(const char *id, const struct json *m)
{
	const struct json *calls = json_get(m, "tool_calls");
	int64_t used = 0, in = 0, out = 0;

	check_members(id, "metadata", m, metadata, ARRAY_LEN(metadata));
	check_members(id, "tokens", json_get(m, "tokens"), tokens, ARRAY_LEN(tokens));
	check_counts(id, m);
	check_counts(id, json_get(m, "tokens"));
	cr_expect(json_int64(json_get(m, "tokens_used"), &used) == 0 &&
		json_int64(json_path(m, "tokens.input", 12), &in) == 0 &&
		json_int64(json_path(m, "tokens.output", 13), &out) == 0 &&
		used == in + out,
	    "%s: tokens_used is no sum", id);
	cr_expect(characters(json_get(m, "message")) <= 4000, "%s: message", id);
	for (uint32_t i = 0; i < calls->len; i++) {
		const struct json *c = &calls->items[i];

		cr_expect(c->len == 2 && json_is(json_get(c, "tool"), JSON_STRING) &&
			json_get(c, "args") != NULL,
		    "%s: call %u is not tool and args", id, i);
		cr_expect(bytes_of(json_get(c, "args")) <= 4096, "%s: args of call %u",
		    id, i);
	}
}

static void
check_error(const char *id, const struct json *e)
{
	const struct json *list = json_get(e, "suggestions");
	bool is_retryable = false;

	check_members(id, "error", e, error, ARRAY_LEN(error));
	for (size_t i = 0; i < ARRAY_LEN(retryable); i++)
		is_retryable |= json_eq_str(json_get(e, "type"), retryable[i]);
	cr_expect(json_is_true(json_get(e, "retryable")) == is_retryable,
	    "%s: retryable", id);
	cr_expect(json_get(e, "message")->len > 0, "%s: an empty message", id);
	cr_expect(characters(json_get(e, "message")) <= 4000, "%s: error.message", id);
	for (uint32_t i = 0; i < list->len; i++)
		cr_expect(json_is(&list->items[i], JSON_STRING) &&
			list->items[i].len > 0,
		    "%s: suggestion %u", id, i);
}

static void
check_preview(const char *id, const struct json *p)
{
	static const struct member dataset[] = { { "type", TEXT },
		{ "row_count", COUNT }, { "sample", LIST } },
				   object[] = { { "type", TEXT }, { "keys", LIST } },
				   text[] = { { "type", TEXT }, { "text", TEXT } };
	const struct json *type = json_get(p, "type");

	if (json_eq_str(type, "dataset")) {
		check_members(id, "dataset", p, dataset, ARRAY_LEN(dataset));
		cr_expect(json_get(p, "sample")->len <= 3, "%s: sample", id);
	} else if (json_eq_str(type, "object")) {
		check_members(id, "object", p, object, ARRAY_LEN(object));
	} else if (json_eq_str(type, "text")) {
		check_members(id, "text", p, text, ARRAY_LEN(text));
		/* 500 and an ellipsis */
		cr_expect(characters(json_get(p, "text")) <= 501, "%s: text", id);
	} else {
		cr_expect(json_eq_str(type, "patch"), "%s: preview.type", id);
	}
	cr_expect(bytes_of(p) <= 8192, "%s: the preview has %zu bytes", id,
	    bytes_of(p));
}

void
result_check(const struct json *message)
{
	bool is_completed = json_eq_str(json_get(message, "status"), "completed");
	const struct json *at = json_get(message, "completed_at");
	const char *id = id_of(message);
	int64_t ms;

	if (is_completed) {
		check_members(id, "message", message, completed, ARRAY_LEN(completed));
		check_preview(id, json_get(message, "result_preview"));
	} else {
		cr_expect(json_eq_str(json_get(message, "status"), "failed"),
		    "%s: status", id);
		check_members(id, "message", message, failed, ARRAY_LEN(failed));
		check_error(id, json_get(message, "error"));
	}
	check_metadata(id, json_get(message, "metadata"));
	cr_expect(json_eq_str(json_get(message, "version"), "1.0"), "%s: version", id);
	cr_expect(clock_parse_iso(at->text, at->len, &ms) == 0 &&
		at->text[at->len - 1] == 'Z',
	    "%s: completed_at", id);
}

/* "restarts" of each child; a jailed child of compute is none of them. */
static void
check_restarts(struct harness *h)
{
	const char *argv[] = { harness_program(h, "agentctl"), "-c",
		harness_conf_path(h), "status", "--json", NULL };
	CLEANUP_BUF struct buf out = BUF_INIT;
	unsigned n = 0;

	cr_expect(eq(int, harness_run(h, argv, &out), 0), "%s", buf_str(&out));
	for (const char *p = buf_str(&out); (p = strstr(p, "\"restarts\":")) != NULL;
	     p++) {
		cr_expect(strtol(p + 11, NULL, 10) == 0, "%s", buf_str(&out));
		n++;
	}
	cr_expect(gt(uint, n, 4), "%s", buf_str(&out));
}

void
result_check_calm(struct harness *h, const char *words)
{
	harness_push_job(h, "the last", "say something", "");
	result_check(harness_expect(h, "the last", "completed"));
	check_restarts(h);
	cr_expect(harness_log_has(h, RESULT_CHECK_SECRET) == false,
	    "the key is logged");
	cr_expect(harness_log_has(h, words) == false, "'%s' is logged", words);
	cr_expect(eq(llong, harness_redis_int(h, "LLEN agent:jobs"), 0));
	harness_stop(h);
}
