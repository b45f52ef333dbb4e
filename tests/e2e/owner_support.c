/* SPDX-License-Identifier: MIT */
/*
 * owner_support.c - the daemon with a model that does as the prompt says.
 *
 * Owns:   the one harness of the test that runs.
 * Called: by the tests of what belongs to whom.
 * Fails:  as the harness does.
 */
#include "config.h"

#include "tests/e2e/owner_support.h"

struct harness *h;
static struct buf bodies = BUF_INIT; /* what the models were sent */

void
owner_start(void)
{
	h = e2e_new();
	harness_llm_arg(h, "--log-bodies");
	harness_set(h, "sessions.ttl_sec", "600");
	harness_set(h, "sessions.max_turns", "3");
	harness_start(h);
}

void
owner_stop(void)
{
	harness_stop(h);
	harness_free(h);
}

void
rule(struct buf *rules, const char *name, const char *tool, const char *arguments)
{
	buf_addf(rules,
	    "{\"when\":{\"prompt_contains\":\"#%s#\",\"turn\":0},\"reply\":{\"tool_calls\":"
	    "[{\"name\":\"%s\",\"arguments\":%s}]}},",
	    name, tool, arguments);
}

void
script(struct buf *rules)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	buf_addf(&text, "{\"rules\":[%s{\"reply\":{\"content\":\"that was all\"}}]}",
	    buf_str(rules));
	harness_llm_script(h, buf_str(&text));
	buf_release(rules);
}

const struct json *
run(const char *id, const char *rule_name, const char *owner, const char *session)
{
	char prompt[64], extra[400];

	(void)snprintf(prompt, sizeof(prompt), "show the data of #%s#", rule_name);
	(void)snprintf(extra, sizeof(extra),
	    ",\"workflow_owner\":\"%s\",\"context\":{\"session_id\":\"%s\"}", owner,
	    session);
	harness_push_job(h, id, prompt, extra);
	return harness_result(h, id, 60000);
}

bool
was_sent(const char *text)
{
	const struct json *log = harness_llm_log(h);

	buf_clear(&bodies);
	json_write(&bodies, log, JSON_COMPACT);
	return strstr(buf_str(&bodies), text) != NULL;
}

void
expect_completed(const struct json *r)
{
	cr_expect_str_eq(text_at(h, r, "status"), "completed", "%s: %s",
	    text_at(h, r, "error.type"), text_at(h, r, "error.message"));
}

void
expect_refused(const struct json *r, const char *type, const char *what)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	cr_expect_str_eq(text_at(h, r, "status"), "failed", "%s", what);
	cr_expect_str_eq(text_at(h, r, "error.type"), type, "%s: %s", what,
	    text_at(h, r, "error.message"));
	json_write(&text, r, JSON_COMPACT);
	cr_expect(strstr(buf_str(&text), MARKER) == NULL, "%s", what);
}
