/* SPDX-License-Identifier: MIT */
/*
 * jobs.c - the jobs of a chaos run: their kinds, their messages, how each may end.
 *
 * Owns:   the table of kinds and the model's rules for them.
 * Called: by the run, which submits, and by the books, which ask what was right.
 * Fails:  a push that Redis refuses is told to the caller, who tries again.
 */
#include "config.h"

#include "tests/chaos/chaos.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum {
	COPY_ONE_IN = 4,
	OLD_COPY_ONE_IN = 8,
	RECENT = 20,
	ENDS_MAX = 4
};

/* Every answer names its request, for the ledger. */
#define SERIAL "serial-{{serial}}"
#define PIPELINE(steps)                                                                   \
 "\"tool_calls\":[{\"name\":\"execute_pipeline\",\"arguments\":{\"session_id\":\"" SERIAL \
 "\",\"pipeline\":[" steps "]}}]"

static const char rules[] =
    "{\"rules\":["
    "{\"when\":{\"prompt_contains\":\"retry\",\"times\":4},\"fault\":{\"status\":503,"
    "\"body\":\"busy\",\"headers\":{\"Retry-After\":\"0\"}}},"
    "{\"when\":{\"prompt_contains\":\"tool\",\"turn\":0},\"reply\":{\"delay_ms\":50," PIPELINE(
	"{\"step\":\"http_request\",\"url\":\"{{data_api}}/slow?ms=100\"}") "}},"
									    "{\"when\":{\"prompt_contains\":\"data\",\"turn\":0},\"reply\":{\"delay_ms\":20," PIPELINE(
										"{\"step\":\"http_request\",\"url\":\"{{data_api}}/orders\"},"
										"{\"step\":\"groupby\",\"by\":[\"user_id\"],\"agg\":\"count\"},"
										"{\"step\":\"jq_transform\",\"query\":\"sort_by(.user_id)\"}") "}},"
																	       "{\"when\":{\"prompt_contains\":\"large\",\"turn\":0},\"reply\":{\"delay_ms\":20," PIPELINE(
																		   "{\"step\":\"http_request\",\"url\":\"{{data_api}}/big?rows=2000\"}") "}},"
																											 "{\"when\":{\"prompt_contains\":\"refused\"},\"reply\":{\"refusal\":\"" SERIAL
																											 "\"}},"
																											 "{\"when\":{\"prompt_contains\":\"cancelled\"},\"reply\":{\"content\":\"" SERIAL
																											 "\",\"delay_ms\":700}},"
																											 "{\"reply\":{\"content\":\"" SERIAL
																											 "\",\"delay_ms\":80}}]}";

static const struct kind {
	const char *name;
	const char *extra;          /* members of the message */
	const char *ends[ENDS_MAX]; /* types of error that are right; "": completed */
	bool has_copies;            /* pushed more than once */
	bool is_cancelled;          /* at a drawn time after its push */
	bool has_no_prompt;
} kinds[] = {
	{ .name = "text", .extra = "", .ends = { "" } },
	{ .name = "tool", .extra = ",\"agent\":\"two\"", .ends = { "" } },
	{ .name = "copy", .extra = "", .ends = { "" }, .has_copies = true },
	{ .name = "retry", .extra = "", .ends = { "", "llm_unavailable" } },
	{ .name = "data", .extra = "", .ends = { "" } },
	{ .name = "large", .extra = "", .ends = { "" } },
	{ .name = "refused", .extra = "", .ends = { "llm_refused" } },
	{ .name = "cancelled",
	    .extra = "",
	    .ends = { "", "cancelled" },
	    .is_cancelled = true },
	{ .name = "poison", .extra = "", .ends = { "crashed" } },
	{ .name = "session",
	    .extra = ",\"workflow_owner\":\"ann\",\"context\":{\"session_id\":\"s\"}",
	    .ends = { "" } },
	{ .name = "bulk", .extra = ",\"agent\":\"bulk\"", .ends = { "" } },
	{ .name = "invalid",
	    .extra = "",
	    .ends = { "invalid_message" },
	    .has_no_prompt = true },
};

/* How often each kind comes: text and tools most. */
static const unsigned char turns[] = { 0, 1, 2, 3, 9, 4, 0, 1, 2, 10, 5, 1, 0, 6, 1, 9,
	4, 7, 0, 1, 11, 0, 10, 1, 2, 3, 4, 0, 1, 9, 2, 5, 1, 0, 10, 6, 1, 4, 7, 0, 1,
	8 };

/* From this number on all are of the first kind. */
static unsigned n_mixed = UINT_MAX;

void
jobs_stay_plain(const struct chaos *c)
{
	n_mixed = c->n_jobs;
}

static const struct kind *
kind_of(unsigned i)
{
	if (i >= n_mixed)
		return &kinds[0];
	return &kinds[turns[i % ARRAY_LEN(turns)]];
}

/* Poison jobs make a system call that no role may make, wherever they run. */
void
jobs_configure(struct chaos *c)
{
	struct harness *h = c->h;

	c->faults = faults_new(h);
	c->redis_ahead_sec = faults_redis_clock(h);
	faults_arm(h, c->faults, "LLM_ANSWER:refused:job=poison");
	harness_set(h, "llm.breaker_open_sec", "1");
	harness_set(h, "storage.max_inline_bytes", "20000");
	/* caps that no run reaches: all reserve and take before each call */
	harness_set(h, "limits.owner_tokens_per_day", "1000000000");
	harness_set(h, "pipeline.cache_get", "true");
	harness_write_file(h, "agents.d/two.conf",
	    "tools = ( \"execute_pipeline\" ); finish_tools = ( );\n");
	harness_write_file(h, "agents.d/bulk.conf",
	    "class = \"batch\"; tools = ( \"execute_pipeline\" );\n");
}

void
jobs_script(struct harness *h)
{
	harness_llm_script(h, rules);
}

void
jobs_script_outage(struct harness *h, unsigned status)
{
	char text[128];

	(void)snprintf(text, sizeof(text),
	    "{\"rules\":[{\"fault\":{\"status\":%u,\"body\":\"outage\"}}]}", status);
	harness_llm_script(h, text);
}

void
job_name(unsigned i, char out[JOB_NAME_MAX])
{
	(void)snprintf(out, JOB_NAME_MAX, "%s-%u", kind_of(i)->name, i);
}

long
job_number(const struct chaos *c, const char *name, size_t n)
{
	char own[JOB_NAME_MAX];
	const char *dash = memrchr(name, '-', n);
	unsigned long i;

	if (dash == NULL || dash + 1 == name + n || !isdigit((unsigned char)dash[1]))
		return -1;
	i = strtoul(dash + 1, NULL, 10);
	if (i >= c->n_jobs)
		return -1;
	job_name((unsigned)i, own);
	return strlen(own) == n && memcmp(own, name, n) == 0 ? (long)i : -1;
}

bool
job_push(struct chaos *c, unsigned i)
{
	const struct kind *k = kind_of(i);
	char id[JOB_NAME_MAX], text[256];
	redisReply *reply;
	bool is_taken;

	job_name(i, id);
	if (k->has_no_prompt)
		(void)snprintf(text, sizeof(text),
		    "{\"version\":\"1.0\",\"job_id\":\"%s\"}", id);
	else
		(void)snprintf(text, sizeof(text),
		    "{\"version\":\"1.0\",\"job_id\":\"%s\",\"prompt\":\"%s [%s]\"%s}",
		    id, k->name, id, k->extra);
	reply = harness_redis(c->h, "RPUSH agent:jobs %s", text);
	is_taken = reply->type == REDIS_REPLY_INTEGER;
	freeReplyObject(reply);
	if (is_taken)
		c->pushes[i] = PUSH_DONE;
	return is_taken;
}

static void
cancel(struct chaos *c, unsigned i)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	char id[JOB_NAME_MAX];
	const char *argv[] = { harness_program(c->h, "agentctl"), "-c",
		harness_conf_path(c->h), "cancel", id, NULL };

	job_name(i, id);
	(void)harness_run(c->h, argv, &out); /* it may have ended, Redis may be away */
}

static void
make_room(struct chaos *c, unsigned n)
{
	if (n <= c->pushes_cap)
		return;
	c->pushes_cap = n * 2;
	c->pushes = realloc(c->pushes, c->pushes_cap);
	ASSERT(c->pushes != NULL);
}

/* What else comes with the job of that number: further copies, the end of an older one. */
static void
submit_beside(struct chaos *c, unsigned i)
{
	struct draws d = draws_of(c->o->seed, 1, i);
	unsigned old;

	if (kind_of(i)->has_copies && draw(&d, COPY_ONE_IN) == 0)
		(void)job_push(c, i);
	old = draw(&d, i + 1);
	if (draw(&d, OLD_COPY_ONE_IN) == 0 && kind_of(old)->has_copies)
		(void)job_push(c, old);
	old = i - (i < RECENT ? i : draw(&d, RECENT));
	if (kind_of(old)->is_cancelled && draw(&d, 4) == 0)
		cancel(c, old);
}

void
jobs_submit(struct chaos *c, unsigned until)
{
	make_room(c, until);
	while (c->n_jobs < until) {
		unsigned i = c->n_jobs++;

		c->pushes[i] = PUSH_DUE;
		if (!job_push(c, i))
			c->refused++;
		submit_beside(c, i);
	}
}

void
jobs_submit_refused(struct chaos *c)
{
	for (unsigned i = 0; i < c->n_jobs; i++)
		if (c->pushes[i] == PUSH_DUE && !job_push(c, i))
			harness_fail(c->h, "Redis does not take job %u", i);
}

bool
job_may_end(unsigned i, const char *error_type)
{
	const struct kind *k = kind_of(i);

	for (size_t e = 0; e < ENDS_MAX && k->ends[e] != NULL; e++)
		if (strcmp(k->ends[e], error_type) == 0)
			return true;
	return false;
}

bool
job_is_innocent(unsigned i)
{
	return !job_may_end(i, "crashed");
}
