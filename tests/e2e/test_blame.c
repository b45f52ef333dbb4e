/* SPDX-License-Identifier: MIT */
/*
 * test_blame.c - a job that takes its worker down again and again: alone after the
 * third suspicion, buried with the evidence after the tenth, its neighbours unharmed;
 * then an operator sends it back.
 */
#include "config.h"

#include "common/clock.h"
#include "tests/e2e/e2e.h"

#include <signal.h>

enum {
	NEIGHBOURS = 20
};

static struct harness *h;

static const char rules[] =
    "{\"rules\":[{\"when\":{\"prompt_contains\":\"deadly\"},\"reply\":{\"content\":\"x\","
    "\"delay_ms\":8000}},{\"reply\":{\"content\":\"x\",\"delay_ms\":200}}]}";

static const char harmless[] = "{\"rules\":[{\"reply\":{\"content\":\"cured\"}}]}";

static void
field(const char *name, char out[128])
{
	redisReply *reply = harness_redis(h, "HGET agent:job:deadly %s", name);

	(void)snprintf(out, 128, "%s",
	    reply->type == REDIS_REPLY_STRING ? reply->str : "");
	freeReplyObject(reply);
}

/* The process of a holder NODE.BOOT.SLOT.LIFE: the quarantine worker has its own slot.
 */
static bool
kill_holder(const char *role)
{
	struct process p;

	for (int slot = 0; slot < 2; slot++)
		if (harness_find_child(h, role, slot, &p))
			(void)kill(p.pid, SIGKILL);
	return true;
}

struct seen {
	char token[128];
};

static bool
is_begun_again(struct harness *unused, void *arg)
{
	struct seen *seen = arg;
	char state[128], token[128];

	(void)unused;
	field("state", state);
	field("token", token);
	if (strcmp(state, "held") != 0 || strcmp(token, seen->token) == 0)
		return false;
	(void)snprintf(seen->token, sizeof(seen->token), "%s", token);
	return true;
}

static bool
is_quarantine(struct harness *unused, void *is_wanted)
{
	struct process p;

	(void)unused;
	return harness_find_child(h, "quarantine", -1, &p) == (is_wanted != NULL);
}

static long long
suspicions(void)
{
	char text[128];

	field("suspicions", text);
	return atoll(text);
}

static bool
has_suspicions(struct harness *unused, void *n)
{
	(void)unused;
	return suspicions() >= *(long long *)n;
}

static void
strike(struct seen *seen, const char *role, long long want)
{
	harness_wait_until(h, is_begun_again, seen, HARNESS_WAIT_MS,
	    "the deadly job is begun");
	(void)kill_holder(role);
	harness_wait_until(h, has_suspicions, &want, HARNESS_WAIT_MS,
	    "it is suspected");
}

static int
dead(const char *verb, const char *name, struct buf *out)
{
	const char *argv[] = { harness_program(h, "agentctl"), "-c",
		harness_conf_path(h), "--json", "dead", verb, name, NULL };

	return harness_run(h, argv, out);
}

static void
expect_letter(void)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	cr_expect(eq(int, dead("list", NULL, &out), 0));
	cr_expect(strstr(buf_str(&out), "\"job_id\":\"deadly\"") != NULL, "%s",
	    buf_str(&out));
	cr_expect(strstr(buf_str(&out), "\"reason\":\"crashed\"") != NULL, "%s",
	    buf_str(&out));
	buf_clear(&out);
	cr_expect(eq(int, dead("show", "deadly", &out), 0), "%s", buf_str(&out));
	cr_expect(strstr(buf_str(&out), "deadly deeds") != NULL, "%s", buf_str(&out));
	buf_clear(&out);
	cr_expect(eq(int, dead("retry", "deadly", &out), 0), "%s", buf_str(&out));
}

Test(blame, a_deadly_job_is_put_alone_and_buried_and_its_neighbours_are_not,
    .timeout = 120)
{
	struct seen seen = { "" };
	const struct json *r;
	char id[32];

	h = e2e_new();
	harness_set(h, "queue.lease_sec", "3");
	harness_start(h);
	harness_llm_script(h, rules);
	harness_push_job(h, "deadly", "deadly deeds", "");
	for (int i = 0; i < NEIGHBOURS; i++) {
		(void)snprintf(id, sizeof(id), "n%d", i);
		harness_push_job(h, id, "go", "");
	}
	for (long long n = 1; n <= 3; n++)
		strike(&seen, "worker", n);
	harness_wait_until(h, is_quarantine, h, HARNESS_WAIT_MS,
	    "a worker for those alone");
	strike(&seen, "quarantine", 4);
	/* the way from the fifth to the ninth is the same, and long */
	harness_wait_until(h, is_begun_again, &seen, HARNESS_WAIT_MS,
	    "the deadly job is begun");
	freeReplyObject(harness_redis(h, "HSET agent:job:deadly suspicions 9"));
	(void)kill_holder("quarantine");
	r = harness_expect(h, "deadly", "failed");
	cr_expect_str_eq(text_at(h, r, "error.type"), "crashed");
	cr_expect(strstr(text_at(h, r, "error.message"), "10 suspicions") != NULL, "%s",
	    text_at(h, r, "error.message"));
	for (int i = 0; i < NEIGHBOURS; i++) {
		(void)snprintf(id, sizeof(id), "n%d", i);
		(void)harness_expect(h, id, "completed");
	}
	cr_expect(eq(llong, harness_redis_int(h, "LLEN agent:dead"), 1));
	harness_llm_script(h, harmless);
	expect_letter();
	r = harness_expect(h, "deadly", "completed");
	cr_expect(eq(llong, harness_redis_int(h, "LLEN agent:dead"), 0));
	cr_expect_str_eq(
	    harness_sql(h, "SELECT status FROM agent_results WHERE job_id = 'deadly'"),
	    "completed\n");
	harness_wait_until(h, is_quarantine, NULL, HARNESS_WAIT_MS,
	    "nobody alone, no worker for them");
	harness_stop(h);
	harness_free(h);
}
