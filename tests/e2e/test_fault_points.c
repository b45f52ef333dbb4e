/* SPDX-License-Identifier: MIT */
/*
 * test_fault_points.c - at every named place on the way of a job a process is killed,
 * stopped past its lease, or held up. Each job has one result, none is lost, and no
 * journalled answer is paid for again. No place may stay unhit.
 */
#include "config.h"

#include "common/clock.h"
#include "tests/e2e/e2e.h"
#include "tests/e2e/faults.h"
#include "tests/e2e/ledger.h"

#include <errno.h>
#include <signal.h>

enum {
	LEASE_SEC = 3,
	STOPPED_MS = LEASE_SEC * 1300,
	PATIENCE_MS = 90000,
	JOBS = 2 /* a strike */
};

static struct harness *h;
static struct fault_page *page;
static unsigned long long stored; /* rows that must be there at the end */
static long long letters;         /* dead ones */

/* How a job gets to the place. */
enum way {
	WAY_JOB,     /* two answers, a pipeline between them */
	WAY_POST,    /* the same, with a side effect */
	WAY_RETRY,   /* its tool fails once */
	WAY_BURY,    /* its crashes are spent */
	WAY_RECOVER, /* its worker is killed first */
	WAY_RELEASE, /* the daemon stops before it is done */
	WAY_GARBAGE, /* beside a payload that names no job */
	WAY_PAUSE,   /* claimed when the queue is paused already */
	WAY_TAKE,    /* cancelled in a queue that nobody claims from */
	WAY_RERUN,   /* sent again after its journal led to a failure */
	WAY_SESSION, /* it belongs to one */
	WAY_CUT,     /* its answer costs something and is none */
	WAY_DARK,    /* its provider is away for a while */
	WAY_REDIS    /* the daemon starts its own Redis */
};

/* clang-format off */
static const enum way ways[FAULT_POINT_COUNT] = {
	[FAULT_POINT_REGISTER_SEND]       = WAY_RECOVER,
	[FAULT_POINT_REGISTER_REPLY]      = WAY_RECOVER,
	[FAULT_POINT_ADOPT_SEND]          = WAY_RECOVER,
	[FAULT_POINT_ADOPT_REPLY]         = WAY_RECOVER,
	[FAULT_POINT_UNCLAIM_SEND]        = WAY_PAUSE,
	[FAULT_POINT_UNCLAIM_REPLY]       = WAY_PAUSE,
	[FAULT_POINT_TAKE_SEND]           = WAY_TAKE,
	[FAULT_POINT_TAKE_REPLY]          = WAY_TAKE,
	[FAULT_POINT_PROBE_SEND]          = WAY_DARK,
	[FAULT_POINT_PROBE_REPLY]         = WAY_DARK,
	[FAULT_POINT_RESET_SEND]          = WAY_RERUN,
	[FAULT_POINT_RESET_REPLY]         = WAY_RERUN,
	[FAULT_POINT_SESSION_SEND]        = WAY_SESSION,
	[FAULT_POINT_SESSION_REPLY]       = WAY_SESSION,
	[FAULT_POINT_SETTLE_SEND]         = WAY_CUT,
	[FAULT_POINT_SETTLE_REPLY]        = WAY_CUT,
	[FAULT_POINT_DEAD_SEND]           = WAY_GARBAGE,
	[FAULT_POINT_DEAD_REPLY]          = WAY_GARBAGE,
	[FAULT_POINT_JOURNAL_INTENT_SEND] = WAY_POST,
	[FAULT_POINT_JOURNAL_INTENT_REPLY]= WAY_POST,
	[FAULT_POINT_JOURNAL_END_SEND]    = WAY_RETRY,
	[FAULT_POINT_JOURNAL_END_REPLY]   = WAY_RETRY,
	[FAULT_POINT_RETRY_SEND]          = WAY_RETRY,
	[FAULT_POINT_RETRY_REPLY]         = WAY_RETRY,
	[FAULT_POINT_RELEASE_SEND]        = WAY_RELEASE,
	[FAULT_POINT_RELEASE_REPLY]       = WAY_RELEASE,
	[FAULT_POINT_BURY_SEND]           = WAY_BURY,
	[FAULT_POINT_BURY_REPLY]          = WAY_BURY,
	[FAULT_POINT_LIVE_SET_TAKEN]      = WAY_RECOVER,
	[FAULT_POINT_RECOVER_SEND]        = WAY_RECOVER,
	[FAULT_POINT_RECOVER_REPLY]       = WAY_RECOVER,
	[FAULT_POINT_PROMOTE_SEND]        = WAY_RETRY,
	[FAULT_POINT_PROMOTE_REPLY]       = WAY_RETRY,
	[FAULT_POINT_CHILD_START]         = WAY_RECOVER,
	[FAULT_POINT_CHILD_FORK]          = WAY_RECOVER,
	[FAULT_POINT_CHILD_FORKED]        = WAY_RECOVER,
	[FAULT_POINT_CHILD_EXEC]          = WAY_RECOVER,
	[FAULT_POINT_CHILD_REAPED]        = WAY_RECOVER,
	[FAULT_POINT_LIVE_SET_SEND]       = WAY_RECOVER,
	[FAULT_POINT_LIVE_SET_SENT]       = WAY_RECOVER,
	[FAULT_POINT_REDIS_START]         = WAY_REDIS,
	[FAULT_POINT_REDIS_READY]         = WAY_REDIS,
};
/* clang-format on */

#define PIPELINE(method)                                                          \
 "\"reply\":{\"tool_calls\":[{\"name\":\"execute_pipeline\",\"arguments\":{"      \
 "\"session_id\":\"serial-{{serial}}\",\"pipeline\":[{\"step\":\"http_request\"," \
 "\"url\":\"{{data_api}}/" method                                                 \
 "},{\"step\":\"jq_transform\",\"query\":\".\"}]}}]}}"

/* clang-format off */
static const char rules[] =
    "{\"rules\":["
    "{\"when\":{\"turn\":0,\"prompt_contains\":\"retry\"},"
    PIPELINE("flaky?key={{serial}}&fail=1\"") ","
    "{\"when\":{\"prompt_contains\":\"slow\"},"
    "\"reply\":{\"content\":\"serial-{{serial}}\",\"delay_ms\":2500}},"
    "{\"when\":{\"turn\":0,\"prompt_contains\":\"post\"},"
    PIPELINE("echo\",\"method\":\"POST\"") ","
    "{\"when\":{\"prompt_contains\":\"cut\"},\"fault\":{\"status\":400,\"body\":{"
    "\"error\":{\"message\":\"too many tokens\"},"
    "\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5}}}},"
    "{\"when\":{\"turn\":0}," PIPELINE("users?key={{serial}}\"") ","
    "{\"reply\":{\"content\":\"serial-{{serial}}\"}}]}";
/* clang-format on */

static const char refusal[] =
    "{\"rules\":[{\"reply\":{\"refusal\":\"serial-{{serial}}\"}}]}";
static const char outage[] = "{\"rules\":[{\"fault\":{\"status\":503}}]}";

static const char agent_two_turns[] =
    "tools = ( \"execute_pipeline\" ); finish_tools = ( );\n";

static const char *const words[] = {
	[WAY_JOB] = "go",
	[WAY_POST] = "post",
	[WAY_RETRY] = "retry",
	[WAY_BURY] = "go",
	[WAY_RECOVER] = "go",
	[WAY_RELEASE] = "slow",
	[WAY_GARBAGE] = "go",
	[WAY_REDIS] = "go",
	[WAY_PAUSE] = "go",
	[WAY_TAKE] = "go",
	[WAY_RERUN] = "go",
	[WAY_SESSION] = "go",
	[WAY_CUT] = "cut",
	[WAY_DARK] = "go",
};

/* The error that a job must end with; the others complete. */
static const char *const ends[ARRAY_LEN(words)] = {
	[WAY_BURY] = "crashed",
	[WAY_TAKE] = "cancelled",
	[WAY_CUT] = "llm_length",
};

static void
job_id(enum fault_point point, enum fault_action action, unsigned n, char out[64])
{
	(void)snprintf(out, 64, "%s-%d-%u", fault_point_name(point), (int)action, n);
}

static void
begin(void)
{
	h = e2e_new();
	page = faults_new(h);
	stored = 0;
	letters = 0;
	harness_set(h, "limits.owner_tokens_per_day", "1000000000");
	harness_set(h, "service.workers", "2");
	harness_set(h, "service.shutdown_grace_sec", "1");
	harness_set(h, "queue.lease_sec", "%d", LEASE_SEC);
	harness_set(h, "llm.breaker_failures", "2");
	harness_set(h, "llm.breaker_open_sec", "1");
	harness_set(h, "pipeline.cache_get", "true");
	harness_write_file(h, "agents.d/two.conf", agent_two_turns);
}

/* The model's rate is bounded, so that there is something to take from. */
static void
start(void)
{
	harness_servers(h);
	harness_set(h, "llm.providers",
	    "( { name = \"stub\"; base_url = \"http://%s/v1\"; api_key = \"k\"; model = "
	    "\"scripted\"; timeout_sec = 20; requests_per_minute = 1000000; } )",
	    harness_llm_address(h));
	harness_write_conf(h);
	harness_daemon(h);
	harness_wait_ready(h);
	harness_llm_script(h, rules);
}

static bool
is_struck(struct harness *unused, void *point)
{
	(void)unused;
	return faults_struck(page, *(enum fault_point *)point) > 0;
}

static bool
is_settled(struct harness *unused, void *arg)
{
	redisReply *held = harness_redis(h, "KEYS agent:held:*");
	bool is_so = held->type == REDIS_REPLY_ARRAY && held->elements == 0 &&
	    harness_redis_int(h, "LLEN agent:jobs") == 0 &&
	    harness_redis_int(h, "LLEN agent:jobs:alone") == 0 &&
	    harness_redis_int(h, "ZCARD agent:delayed") == 0;

	(void)unused;
	(void)arg;
	freeReplyObject(held);
	return is_so;
}

static bool
is_dead(struct harness *unused, void *arg)
{
	(void)unused;
	(void)arg;
	return proc_has_ended(harness_proc(h));
}

/* ---- one strike ---- */

static const char pause_and_push[] =
    "redis.call('HSET', 'agent:meta', 'paused_ms', '1', 'paused_by', 'test') "
    "if ARGV[2] == '' then redis.call('PUBLISH', 'agent:pause', '1') end "
    "for i = 2, #ARGV do if ARGV[i] ~= '' then "
    "redis.call('RPUSH', 'agent:jobs', ARGV[i]) end end return 1";
static const char go_on[] =
    "redis.call('HDEL', 'agent:meta', 'paused_ms', 'paused_by') "
    "redis.call('PUBLISH', 'agent:pause', '0') return 1";

static void
run_script(const char *text, const char *arg)
{
	freeReplyObject(harness_redis(h, "EVAL %s 0 x %s", text, arg));
}

static bool
is_unclaimed(struct harness *unused, void *arg)
{
	redisReply *list = harness_redis(h, "CLIENT LIST");
	bool is_so = strstr(list->str, " flags=b ") == NULL;

	(void)unused;
	(void)arg;
	freeReplyObject(list);
	return is_so;
}

static const char *
extra_of(enum way way)
{
	return way == WAY_SESSION
	    ? ",\"agent\":\"two\",\"context\":{\"session_id\":\"s\"}"
	    : way == WAY_RERUN ? ",\"agent\":\"two\",\"retry_count\":1"
			       : ",\"agent\":\"two\"";
}

/* What must have happened before the first job is there. */
static void
prepare(enum fault_point point, enum fault_action action)
{
	char id[64], prompt[96];

	switch (ways[point]) {
	case WAY_GARBAGE:
		harness_push(h, "{\"no\":\"job\"}");
		break;
	case WAY_TAKE:
		run_script(pause_and_push, "");
		harness_wait_until(h, is_unclaimed, NULL, PATIENCE_MS,
		    "nobody claims from a paused queue");
		break;
	case WAY_DARK:
		harness_llm_script(h, outage);
		break;
	case WAY_RERUN:
		harness_llm_script(h, refusal);
		for (unsigned n = 0; n < JOBS; n++) {
			job_id(point, action, n, id);
			(void)snprintf(prompt, sizeof(prompt), "go [%s]", id);
			harness_push_job(h, id, prompt, ",\"agent\":\"two\"");
			(void)harness_result(h, id, PATIENCE_MS);
		}
		harness_llm_script(h, rules);
		break;
	default:
		break;
	}
}

static void
push_one(enum fault_point point, const char *id)
{
	enum way way = ways[point];
	char prompt[96], payload[256];

	(void)snprintf(prompt, sizeof(prompt), "%s [%s]", words[way], id);
	if (way == WAY_BURY)
		freeReplyObject(harness_redis(h, "HSET agent:job:%s crashes 3", id));
	if (way != WAY_PAUSE) {
		harness_push_job(h, id, prompt, extra_of(way));
	} else { /* no worker hears of the pause before it has claimed */
		(void)snprintf(payload, sizeof(payload),
		    "{\"job_id\":\"%s\",\"prompt\":\"%s\",\"agent\":\"two\"}", id,
		    prompt);
		run_script(pause_and_push, payload);
	}
	if (way == WAY_TAKE) {
		freeReplyObject(harness_redis(h, "HSET agent:job:%s cancel 1", id));
		freeReplyObject(harness_redis(h, "PUBLISH agent:cancel %s", id));
	}
}

static void
push(enum fault_point point, enum fault_action action)
{
	char id[64];

	prepare(point, action);
	for (unsigned n = 0; n < JOBS; n++) {
		job_id(point, action, n, id);
		push_one(point, id);
	}
}

/* The trouble that led to the place is over. */
static void
recover_from_way(enum fault_point point)
{
	if (ways[point] == WAY_PAUSE || ways[point] == WAY_TAKE)
		run_script(go_on, "");
	if (ways[point] == WAY_DARK)
		harness_llm_script(h, rules);
}

/* The victim may be the supervisor itself: then the daemon is started again. */
static void
after_strike(enum fault_action action)
{
	pid_t victim = atomic_load(&page->victim);
	bool is_daemon = victim == harness_proc(h)->pid;

	if (action == FAULT_STOP) {
		harness_sleep(STOPPED_MS);
		(void)kill(victim, SIGCONT);
	} else if (action == FAULT_KILL && is_daemon) {
		harness_wait_until(h, is_dead, NULL, PATIENCE_MS, "the daemon's end");
		harness_daemon(h);
	}
}

static void
check_jobs(enum fault_point point, enum fault_action action)
{
	CLEANUP(ledger_freep) struct ledger *l = NULL;
	CLEANUP_BUF struct buf why = BUF_INIT;
	struct ledger_sum sum = { 0 };
	char id[64];

	for (unsigned n = 0; n < JOBS; n++) {
		const struct json *r;
		const char *status, *error;

		job_id(point, action, n, id);
		r = harness_result(h, id, PATIENCE_MS);
		status = text_at(h, r, "status");
		error = text_at(h, r, "error.type");
		stored++;
		if (ends[ways[point]] != NULL)
			cr_expect_str_eq(error, ends[ways[point]], "%s: %s", id, error);
		else if (ways[point] == WAY_POST && strcmp(status, "failed") == 0)
			cr_expect_str_eq(error, "outcome_unknown", "%s: %s", id, error);
		else
			cr_expect_str_eq(status, "completed", "%s: %s", id, error);
	}
	harness_wait_until(h, is_settled, NULL, PATIENCE_MS, "nothing left in Redis");
	if (ways[point] == WAY_GARBAGE)
		letters++;
	if (ways[point] == WAY_BURY)
		letters += JOBS;
	cr_expect(eq(llong, harness_redis_int(h, "LLEN agent:dead"), letters),
	    "%s: dead letters", fault_point_name(point));
	l = ledger_read(h);
	for (unsigned n = 0; n < JOBS; n++) {
		job_id(point, action, n, id);
		cr_expect(eq(llong, harness_redis_int(h, "LLEN agent:results:%s", id),
			      0),
		    "%s has a second result", id);
		ledger_check(l, h, id, &sum, &why);
	}
	cr_expect(eq(uint, sum.repaid, 0), "%s: %s", fault_point_name(point),
	    buf_str(&why));
	harness_clear(h);
}

static void
arm(enum fault_point point, enum fault_action action)
{
	static const char *const texts[FAULT_ACTION_COUNT] = { [FAULT_KILL] = "kill",
		[FAULT_STOP] = "stop",
		[FAULT_DELAY] = "delay=700" };

	for (unsigned a = 0; a < FAULT_ACTION_COUNT; a++)
		atomic_store(&page->struck[point][a], 0);
	faults_arm(h, page, "%s:%s:once%s", fault_point_name(point), texts[action],
	    ways[point] == WAY_RECOVER ? ",LLM_ANSWER:kill:once" : "");
}

/* SIGTERM with a call under way: after the grace the job is handed back. */
static void
stop_and_start(void)
{
	harness_wait_until(h, is_struck, &(enum fault_point){ FAULT_POINT_LLM_SEND },
	    PATIENCE_MS, "a call under way");
	harness_signal(h, SIGTERM);
}

static void
strike(enum fault_point point, enum fault_action action)
{
	bool is_release = ways[point] == WAY_RELEASE;

	arm(point, action);
	if (is_release) { /* the mark of a call under way */
		struct err err = ERR_INIT;

		for (unsigned a = 0; a < FAULT_ACTION_COUNT; a++)
			atomic_store(&page->struck[FAULT_POINT_LLM_SEND][a], 0);
		cr_assert(
		    eq(int, fault_orders_read(page, "LLM_SEND:delay=0", &err), 0));
	}
	push(point, action);
	if (is_release)
		stop_and_start();
	harness_wait_until(h, is_struck, &point, PATIENCE_MS, fault_point_name(point));
	after_strike(action);
	recover_from_way(point);
	if (is_release) {
		harness_wait_until(h, is_dead, NULL, PATIENCE_MS, "the daemon's end");
		faults_disarm(page);
		harness_daemon(h);
	}
	check_jobs(point, action);
	faults_disarm(page);
}

static void
end(void)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	const char *fsck[] = { harness_program(h, "agentctl"), "-c",
		harness_conf_path(h), "fsck", NULL };
	char count[32];

	(void)snprintf(count, sizeof(count), "%llu\n", stored);
	cr_expect_str_eq(harness_sql(h, "SELECT count(*) FROM agent_results"), count);
	cr_expect(eq(int, harness_run(h, fsck, &out), 0), "%s", buf_str(&out));
	harness_stop(h);
	harness_free(h);
}

/* Each place whose number leaves this rest, so that the slow ones can be shared out. */
static void
strike_everywhere(enum fault_action action, unsigned rest, unsigned of)
{
	begin();
	start();
	for (unsigned p = rest; p < FAULT_POINT_COUNT; p += of) {
		if (ways[p] == WAY_REDIS)
			continue;
		strike((enum fault_point)p, action);
		cr_expect(gt(uint, atomic_load(&page->struck[p][action]), 0),
		    "%s was not hit", fault_point_name((enum fault_point)p));
	}
	end();
}

TestSuite(fault_points, .timeout = 900);

/* Most of the time they wait for leases: more at once than there are processors. */
ReportHook(PRE_ALL)(struct criterion_test_set *tests)
{
	(void)tests;
	criterion_options.jobs = 6;
}

Test(fault_points, killed_at_every_place_1)
{
	strike_everywhere(FAULT_KILL, 0, 2);
}

Test(fault_points, killed_at_every_place_2)
{
	strike_everywhere(FAULT_KILL, 1, 2);
}

Test(fault_points, stopped_past_the_lease_at_every_place_1)
{
	strike_everywhere(FAULT_STOP, 0, 3);
}

Test(fault_points, stopped_past_the_lease_at_every_place_2)
{
	strike_everywhere(FAULT_STOP, 1, 3);
}

Test(fault_points, stopped_past_the_lease_at_every_place_3)
{
	strike_everywhere(FAULT_STOP, 2, 3);
}

Test(fault_points, held_up_at_every_place)
{
	strike_everywhere(FAULT_DELAY, 0, 1);
}

/* Each start of the daemon begins with its private server. */
Test(fault_points, struck_while_the_private_redis_starts)
{
	static const enum fault_point points[] = { FAULT_POINT_REDIS_START,
		FAULT_POINT_REDIS_READY };
	static const enum fault_action actions[] = { FAULT_KILL, FAULT_STOP,
		FAULT_DELAY };

	begin();
	harness_use_embedded_redis(h);
	harness_servers(h);
	harness_llm_script(h, rules);
	for (size_t i = 0; i < ARRAY_LEN(points); i++)
		for (size_t a = 0; a < ARRAY_LEN(actions); a++) {
			enum fault_point point = points[i];

			arm(point, actions[a]);
			harness_launch(h);
			harness_wait_until(h, is_struck, &point, PATIENCE_MS,
			    fault_point_name(point));
			after_strike(actions[a]);
			harness_wait_ready(h);
			push(point, actions[a]);
			check_jobs(point, actions[a]);
			faults_disarm(page);
			if (i + 1 < ARRAY_LEN(points) || a + 1 < ARRAY_LEN(actions))
				harness_stop(h);
		}
	end();
}

/* ---- orders as text ---- */

Test(fault_points, orders_are_read_strictly)
{
	static const struct {
		const char *text;
		int want;
	} cases[] = {
		{ "", 0 },
		{ "LLM_SEND:kill", 0 },
		{ "LLM_SEND:delay=5:nth=2:job=a,FINISH_SEND:stop:once", 0 },
		{ "NOWHERE:kill", -EINVAL },
		{ "LLM_SEND", -EINVAL },
		{ "LLM_SEND:explode", -EINVAL },
		{ "LLM_SEND:delay", -EINVAL },
		{ "LLM_SEND:kill=5", -EINVAL },
		{ "LLM_SEND:kill:often", -EINVAL },
		{ "LLM_SEND:kill:nth=x", -EINVAL },
	};
	static struct fault_page own;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = ERR_INIT;

		memset(&own, 0, sizeof(own));
		cr_expect(eq(int, fault_orders_read(&own, cases[i].text, &err),
			      cases[i].want),
		    "'%s'", cases[i].text);
	}
}
