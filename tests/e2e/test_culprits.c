/* SPDX-License-Identifier: MIT */
/*
 * test_culprits.c - who is to blame for a worker's death: jobs that fault are found,
 * run alone, and die with the evidence; their neighbours are charged nothing; and a
 * release that faults with every job buries none.
 */
#include "config.h"

#include "tests/e2e/e2e.h"
#include "tests/e2e/faults.h"

#include <sys/syscall.h>

#define TEXT_OF(x) #x
#define TEXT_OF_VALUE(x) TEXT_OF(x)
/* What fault points call when they are told to be refused. */
#define REFUSED "by the refused system call " TEXT_OF_VALUE(__NR_sched_getscheduler)

enum {
	INNOCENTS = 31,
	PATIENCE_MS = 90000
};

static struct harness *h;
static struct fault_page *page;

/* Slow enough that all are in flight when the first of them faults. */
static const char rules[] =
    "{\"rules\":[{\"when\":{\"prompt_contains\":\"tool\",\"turn\":0},\"reply\":{"
    "\"tool_calls\":[{\"name\":\"execute_pipeline\",\"arguments\":{\"session_id\":\"s\","
    "\"pipeline\":[{\"step\":\"http_request\",\"url\":\"{{data_api}}/users\"},{\"step\":"
    "\"top_k\",\"k\":2}]}}],\"usage\":{\"prompt_tokens\":30,\"completion_tokens\":5}}},"
    "{\"when\":{\"prompt_contains\":\"slow\"},\"reply\":{\"content\":\"x\",\"delay_ms\":"
    "500,\"usage\":{\"prompt_tokens\":30,\"completion_tokens\":5}}},"
    "{\"reply\":{\"content\":\"x\"}}]}";

static const char agent_two_turns[] =
    "tools = ( \"execute_pipeline\" ); finish_tools = ( );\n";

static void
begin(unsigned workers, unsigned jobs_per_worker)
{
	h = e2e_new();
	page = faults_new(h);
	harness_set(h, "service.workers", "%u", workers);
	harness_set(h, "service.jobs_per_worker", "%u", jobs_per_worker);
	harness_write_file(h, "agents.d/two.conf", agent_two_turns);
	harness_start(h);
	harness_llm_script(h, rules);
}

static void
end(void)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	const char *fsck[] = { harness_program(h, "agentctl"), "-c",
		harness_conf_path(h), "fsck", NULL };

	cr_expect(eq(int, harness_run(h, fsck, &out), 0), "%s", buf_str(&out));
	harness_stop(h);
	harness_free(h);
}

static void
push_innocents(unsigned n)
{
	char id[32];

	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(id, sizeof(id), "innocent-%u", i);
		harness_push_job(h, id, "slow", "");
	}
}

static void
expect_uncharged(const char *id)
{
	const struct json *r = harness_result(h, id, PATIENCE_MS);

	cr_expect_str_eq(text_at(h, r, "status"), "completed");
	cr_expect(eq(llong, int_at(r, "metadata.attempts"), 1));
	cr_expect(eq(llong, harness_redis_int(h, "HEXISTS agent:job:%s crashes", id),
		      0),
	    "%s was charged with a crash", id);
	cr_expect(eq(llong, harness_redis_int(h, "HEXISTS agent:job:%s suspicions", id),
		      0),
	    "%s was suspected", id);
}

static void
expect_innocents(unsigned n)
{
	char id[32];

	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(id, sizeof(id), "innocent-%u", i);
		expect_uncharged(id);
	}
}

/* The result and the dead letter say all of these. */
static void
expect_evidence(const char *id, const char *const *words)
{
	const struct json *r = harness_result(h, id, PATIENCE_MS);
	redisReply *letters = harness_redis(h, "LRANGE agent:dead 0 -1");
	const char *letter = NULL;
	char quoted[64];

	(void)snprintf(quoted, sizeof(quoted), "\"job_id\":\"%s\"", id);
	for (size_t i = 0; i < letters->elements; i++)
		if (strstr(letters->element[i]->str, quoted) != NULL)
			letter = letters->element[i]->str;
	cr_assert(letter != NULL, "no dead letter of %s", id);
	cr_expect_str_eq(text_at(h, r, "status"), "failed");
	cr_expect_str_eq(text_at(h, r, "error.type"), "crashed");
	for (; *words != NULL; words++) {
		cr_expect(strstr(text_at(h, r, "error.message"), *words) != NULL,
		    "%s: '%s' is not in: %s", id, *words,
		    text_at(h, r, "error.message"));
		cr_expect(strstr(letter, *words) != NULL, "%s: '%s' is not in: %s", id,
		    *words, letter);
	}
	freeReplyObject(letters);
}

TestSuite(culprits, .timeout = 300);

Test(culprits, a_poison_job_dies_with_evidence_and_31_innocents_complete)
{
	static const char *const words[] = { "3 crashes", "signal 11", "in quarantine",
		"step llm", "tokens spent", "s CPU", "MiB", NULL };

	begin(1, INNOCENTS + 1);
	faults_arm(h, page, "LLM_ANSWER:segv:job=poison");
	push_innocents(INNOCENTS / 2);
	harness_push_job(h, "poison", "go", "");
	push_innocents(INNOCENTS);
	expect_evidence("poison", words);
	expect_innocents(INNOCENTS);
	cr_expect(eq(uint, faults_struck(page, FAULT_POINT_LLM_ANSWER), 3));
	cr_expect(eq(llong, harness_redis_int(h, "LLEN agent:dead"), 1));
	end();
}

/* Each kind of fault, each at another step. */
static const struct {
	const char *job, *order, *prompt;
	const char *words[6];
} kinds[] = {
	{ "abort-1", "FETCH_SEND:abort:job=abort", "tool",
	    { "signal 6", "step tool, tool execute_pipeline" } },
	{ "deep-1", "LLM_SEND:overflow:job=deep", "go", { "signal 11", "step llm" } },
	{ "call-1", "JOURNAL_TOOL_SEND:refused:job=call", "tool",
	    { "signal 31", REFUSED, "step tool, tool execute_pipeline",
		"35 tokens spent", "35 tokens were spent" } },
	{ "never-1", "TOOL_END:never:job=never", "tool",
	    { "signal 31", "tool execute_pipeline" } },
	/* not even its burial survives it: the third does without the store */
	{ "grave-1", "STORE_SEND:abort:job=grave", "go", { "5 crashes", "signal 6" } },
};

Test(culprits, every_kind_of_fault_names_its_job_and_its_step)
{
	begin(1, 8);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		faults_arm(h, page, "%s", kinds[i].order);
		harness_push_job(h, "innocent-0", "slow", "");
		harness_push_job(h, kinds[i].job, kinds[i].prompt,
		    ",\"agent\":\"two\"");
		expect_evidence(kinds[i].job, kinds[i].words);
		expect_uncharged("innocent-0");
		freeReplyObject(harness_redis(h, "DEL agent:job:innocent-0"));
		(void)harness_sql(h,
		    "DELETE FROM agent_results WHERE job_id = 'innocent-0'");
		harness_clear(h);
	}
	end();
}

/* The helper thread works for the job whose row it writes. The row is there before the
   crash, so the next attempt publishes it. */
Test(culprits, a_fault_of_the_helper_thread_is_its_jobs)
{
	begin(1, 8);
	faults_arm(h, page, "ROW_WRITTEN:segv:job=helper");
	push_innocents(4);
	harness_push_job(h, "helper-1", "go", "");
	(void)harness_result(h, "helper-1", PATIENCE_MS);
	cr_expect(eq(uint, faults_struck(page, FAULT_POINT_ROW_WRITTEN), 1));
	cr_expect(
	    eq(llong, harness_redis_int(h, "HGET agent:job:helper-1 crashes"), 1));
	expect_innocents(4);
	harness_wait_log(h, "the job that ran was helper-1");
	end();
}

static bool
are_begun(struct harness *unused, void *arg)
{
	(void)unused;
	(void)arg;
	return harness_redis_int(h,
		   "EXISTS agent:job:innocent-0 agent:job:innocent-1 "
		   "agent:job:innocent-2 agent:job:innocent-3") == 4;
}

/* In the loop no job runs: all are suspects, and none is charged with a crash. */
Test(culprits, a_fault_outside_of_every_job_has_no_culprit)
{
	char id[32];

	begin(1, 8);
	push_innocents(4);
	harness_wait_until(h, are_begun, NULL, PATIENCE_MS, "four jobs begun");
	faults_arm(h, page, "CLAIM_REPLY:segv:once");
	harness_push_job(h, "another", "slow", "");
	cr_expect_str_eq(text_at(h, harness_result(h, "another", PATIENCE_MS),
			     "status"),
	    "completed");
	for (unsigned i = 0; i < 4; i++) {
		(void)snprintf(id, sizeof(id), "innocent-%u", i);
		(void)harness_result(h, id, PATIENCE_MS);
		cr_expect(eq(llong,
		    harness_redis_int(h, "HEXISTS agent:job:%s crashes", id), 0));
	}
	cr_expect(eq(uint, faults_struck(page, FAULT_POINT_CLAIM_REPLY), 1));
	cr_expect_not(harness_log_has(h, "the job that ran was"));
	end();
}

/* It holds up its neighbour until that one's deadline has passed; the daemon kills the
   worker, and not the neighbour is charged. */
Test(culprits, a_job_that_never_lets_go_is_named_and_not_who_waits_for_it)
{
	h = e2e_new();
	page = faults_new(h);
	harness_set(h, "service.workers", "1");
	harness_set(h, "queue.lease_sec", "120");
	harness_start(h);
	harness_llm_script(h, rules);
	faults_arm(h, page, "LLM_ANSWER:delay=600000:once:job=greedy");
	harness_push_job(h, "innocent-0", "slow", ",\"timeout_sec\":3");
	harness_push_job(h, "greedy", "go", "");
	expect_uncharged("innocent-0");
	cr_expect_str_eq(text_at(h, harness_result(h, "greedy", PATIENCE_MS), "status"),
	    "completed");
	cr_expect(eq(llong, harness_redis_int(h, "HGET agent:job:greedy crashes"), 1));
	harness_wait_log(h, "the job that ran was greedy");
	end();
}

static bool
is_struck(struct harness *unused, void *point)
{
	(void)unused;
	return faults_struck(page, *(enum fault_point *)point) > 0;
}

/* Every role has the handler; the log says which call it was that no list has. */
Test(culprits, a_refused_call_of_any_role_is_named_in_the_log)
{
	static struct {
		enum fault_point point;
		const char *role;
	} roles[] = {
		{ FAULT_POINT_FETCH_TAKEN, "fetch" },
		{ FAULT_POINT_COMPUTE_TAKEN, "compute" },
		{ FAULT_POINT_BEAT_SEND, "scheduler" },
	};
	char id[32], line[160];

	begin(1, 8);
	for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
		(void)snprintf(id, sizeof(id), "tool-%zu", i);
		faults_arm(h, page, "%s:refused:once",
		    fault_point_name(roles[i].point));
		harness_push_job(h, id, "tool", ",\"agent\":\"two\"");
		harness_wait_until(h, is_struck, &roles[i].point, PATIENCE_MS, id);
		(void)snprintf(line, sizeof(line),
		    "%s/0[%d]: killed by signal 31 (Bad system call) " REFUSED,
		    roles[i].role, (int)atomic_load(&page->victim));
		harness_wait_log(h, line);
		cr_expect_str_eq(text_at(h, harness_result(h, id, PATIENCE_MS),
				     "status"),
		    "completed");
		harness_clear(h);
	}
	end();
}

static bool
has_a_letter(struct harness *unused, void *arg)
{
	(void)unused;
	(void)arg;
	return harness_redis_int(h, "LLEN agent:dead") == 1;
}

/* It faults while it is read, among others that are read in the same turn. */
Test(culprits, a_payload_that_faults_before_its_begin_is_found_among_many)
{
	char id[32];

	begin(1, 16);
	faults_arm(h, page, "JOB_PARSED:segv:job=raw");
	for (unsigned i = 0; i < 8; i++) {
		(void)snprintf(id, sizeof(id), "innocent-%u", i);
		harness_push_job(h, id, "go", "");
		if (i == 4)
			harness_push_job(h, "raw-1", "go", "");
	}
	expect_innocents(8);
	harness_wait_until(h, has_a_letter, NULL, PATIENCE_MS, "a dead letter");
	cr_expect(eq(uint, faults_struck(page, FAULT_POINT_JOB_PARSED), 3));
	cr_expect(eq(llong, harness_redis_int(h, "EXISTS agent:poison"), 0));
	end();
}

/* As when the kernel is short of memory: nobody knows whose doing it was. */
Test(culprits, an_unknown_killer_is_suspected_then_alone_then_buried)
{
	static const char *const words[] = { "0 crashes and 10 suspicions", "signal 9",
		"in quarantine", "MiB", NULL };

	begin(1, 8);
	faults_arm(h, page, "LLM_ANSWER:kill:job=killer");
	harness_push_job(h, "killer", "go", "");
	push_innocents(4);
	expect_evidence("killer", words);
	cr_expect(eq(uint, faults_struck(page, FAULT_POINT_LLM_ANSWER), 10));
	for (unsigned i = 0; i < 4; i++) {
		char id[32];

		(void)snprintf(id, sizeof(id), "innocent-%u", i);
		cr_expect_str_eq(text_at(h, harness_result(h, id, PATIENCE_MS),
				     "status"),
		    "completed");
	}
	cr_expect(eq(llong, harness_redis_int(h, "LLEN agent:dead"), 1));
	end();
}

static bool
says_paused(struct harness *unused, void *arg)
{
	CLEANUP_BUF struct buf body = BUF_INIT;
	int status = harness_http(h, "GET", "/health?ready=1", NULL, &body);

	(void)unused;
	(void)arg;
	return status == 503 &&
	    strstr(buf_str(&body), "job after job takes its worker down") != NULL;
}

/* A bad release: every job faults. Five culprits, and the node takes none for a while;
   nobody is buried, and when the fault is gone all complete. */
Test(culprits, a_storm_of_culprits_stops_the_node_and_buries_nobody)
{
	enum {
		JOBS = 12
	};
	char id[32];

	begin(5, 1);
	faults_arm(h, page, "LLM_SEND:segv:job=storm");
	for (unsigned i = 0; i < JOBS; i++) {
		(void)snprintf(id, sizeof(id), "storm-%u", i);
		harness_push_job(h, id, "go", "");
	}
	harness_wait_until(h, says_paused, NULL, PATIENCE_MS,
	    "/health?ready=1 says that the node takes no jobs");
	cr_expect(harness_log_has(h, "this node takes no jobs for 30 s"));
	faults_disarm(page);
	cr_expect(eq(llong, harness_redis_int(h, "LLEN agent:dead"), 0));
	for (unsigned i = 0; i < JOBS; i++) {
		(void)snprintf(id, sizeof(id), "storm-%u", i);
		cr_expect_str_eq(text_at(h, harness_result(h, id, PATIENCE_MS),
				     "status"),
		    "completed");
	}
	harness_wait_log(h, "the storm is over");
	harness_wait_ready(h);
	cr_expect(eq(llong, harness_redis_int(h, "LLEN agent:dead"), 0));
	end();
}

/* Each takes the quarantine process down twice; who waits behind them does not wait for
   a back-off that grows, and burials are no sign of health. */
Test(culprits, many_deadly_jobs_are_buried_one_after_the_other)
{
	enum {
		DEADLY = 8
	};
	char id[32];

	begin(2, 4);
	faults_arm(h, page, "LLM_ANSWER:segv:job=deadly");
	for (unsigned i = 0; i < DEADLY; i++) {
		(void)snprintf(id, sizeof(id), "deadly-%u", i);
		harness_push_job(h, id, "go", "");
		/* one that is finished between two culprits: no storm */
		(void)snprintf(id, sizeof(id), "innocent-%u", i);
		harness_push_job(h, id, "go", "");
		expect_uncharged(id);
	}
	for (unsigned i = 0; i < DEADLY; i++) {
		(void)snprintf(id, sizeof(id), "deadly-%u", i);
		cr_expect_str_eq(text_at(h, harness_result(h, id, PATIENCE_MS),
				     "error.type"),
		    "crashed");
	}
	cr_expect(
	    eq(int, harness_log_has(h, "quarantine/0: next start in 1600 ms"), 0));
	cr_expect(eq(uint, faults_struck(page, FAULT_POINT_LLM_ANSWER), 3 * DEADLY));
	end();
}
