/* SPDX-License-Identifier: MIT */
/*
 * test_faults.c - what is injected must cost time only: no job lost, none published
 * twice, no journalled answer paid twice.
 */
#include "config.h"

#include "tests/e2e/e2e.h"
#include "tests/support/redis_server.h"

#include <signal.h>

TestSuite(faults, .timeout = 300);

static struct harness *h;

static void
begin(void)
{
	h = e2e_new();
	harness_set(h, "queue.lease_sec", "3");
}

static void
stop(void)
{
	harness_stop(h);
	harness_free(h);
}

/* Two model calls with a slow fetch between them: every boundary has a window. */
static const char two_turns[] =
    "{\"rules\":[{\"when\":{\"turn\":0},\"reply\":{\"delay_ms\":%d,\"tool_calls\":[{\"name\":"
    "\"execute_pipeline\",\"arguments\":{\"session_id\":\"s\",\"pipeline\":[{\"step\":"
    "\"http_request\",\"url\":\"{{data_api}}/slow?ms=%d\"}]}}]}},"
    "{\"reply\":{\"delay_ms\":%d,\"content\":\"done\"}}]}";

static const char agent_two_turns[] =
    "tools = ( \"execute_pipeline\" ); finish_tools = ( );\n";

static void
script(int first_ms, int fetch_ms, int second_ms)
{
	char text[1024];

	(void)snprintf(text, sizeof(text), two_turns, first_ms, fetch_ms, second_ms);
	harness_llm_script(h, text);
}

/* The windows in which a worker is killed, by the delays that open them. */
static const struct {
	const char *name;
	int first_ms, fetch_ms, second_ms;
	int asked;         /* the window opens when the model was asked so often ... */
	int kill_after_ms; /* ... and the kill comes so much later */
	int answers;       /* that the model gives in all */
} boundaries[] = {
	{ "before the first answer", 1500, 0, 0, 1, 200, 3 },
	{ "first answer journalled, tool running", 0, 1500, 0, 1, 700, 2 },
	{ "tool outcome journalled, second call", 0, 0, 1500, 2, 200, 3 },
};

Test(faults, a_killed_worker_loses_nothing_at_any_boundary_of_the_journal)
{
	begin();
	harness_set(h, "service.workers",
	    "1"); /* else the second takes over, and dies */
	harness_write_file(h, "agents.d/two.conf", agent_two_turns);
	harness_start(h);
	for (size_t i = 0; i < ARRAY_LEN(boundaries); i++) {
		long long before, started = harness_llm_stat(h, "answers");
		struct process dead;
		const struct json *r;
		char id[32];

		(void)snprintf(id, sizeof(id), "kill%zu", i);
		script(boundaries[i].first_ms, boundaries[i].fetch_ms,
		    boundaries[i].second_ms);
		harness_push_job(h, id, "go", ",\"agent\":\"two\"");
		do {
			usleep(10000);
			before = harness_llm_stat(h, "answers");
		} while (before < started + boundaries[i].asked);
		usleep((useconds_t)boundaries[i].kill_after_ms * 1000);
		dead = harness_kill_child(h, "worker", 0, SIGKILL);
		r = harness_result(h, id, 20000);
		cr_expect_str_eq(text_at(h, r, "status"), "completed", "%s",
		    boundaries[i].name);
		cr_expect(eq(llong, harness_llm_stat(h, "answers") - started,
			      boundaries[i].answers),
		    "%s", boundaries[i].name);
		(void)harness_wait_child(h, "worker", 0, &dead);
	}
	cr_expect_str_eq(harness_sql(h, "SELECT count(*) FROM agent_results"), "3\n");
	stop();
}

Test(faults, a_crash_of_the_whole_service_is_made_good_at_the_next_start)
{
	const struct json *r;

	begin();
	harness_write_file(h, "agents.d/two.conf", agent_two_turns);
	harness_start(h);
	script(0, 3000, 0);
	harness_push_job(h, "boot1", "go", ",\"agent\":\"two\"");
	while (harness_llm_stat(h, "answers") == 0)
		usleep(10000);
	usleep(500000);
	harness_crash(h);
	harness_daemon(h);
	r = harness_result(h, "boot1", 20000);
	cr_expect_str_eq(text_at(h, r, "status"), "completed");
	cr_expect(eq(llong, harness_llm_stat(h, "answers"), 2));
	stop();
}

Test(faults, a_drain_hands_jobs_back_uncounted)
{
	const struct json *r;

	begin();
	harness_set(h, "service.shutdown_grace_sec", "1");
	harness_start(h);
	harness_llm_script(h,
	    "{\"rules\":[{\"when\":{\"times\":1},\"reply\":{\"content\":\"a\",\"delay_ms\":"
	    "30000}},{\"reply\":{\"content\":\"b\"}}]}");
	harness_push_job(h, "drain1", "go", "");
	while (harness_llm_stat(h, "answers") == 0)
		usleep(10000);
	harness_stop(h);
	cr_expect(eq(llong, harness_redis_int(h, "LLEN agent:jobs"), 1));
	harness_daemon(h);
	r = harness_expect(h, "drain1", "completed");
	cr_expect(eq(i64, int_at(r, "metadata.attempts"), 1));
	stop();
}

Test(faults, a_worker_stopped_past_its_lease_is_fenced)
{
	struct process stopped[2];
	const struct json *r;

	begin();
	harness_start(h);
	harness_llm_script(h,
	    "{\"rules\":[{\"when\":{\"times\":1},\"reply\":{\"content\":\"late\",\"delay_ms\":"
	    "2000}},{\"reply\":{\"content\":\"in time\"}}]}");
	harness_push_job(h, "fence1", "go", "");
	while (harness_llm_stat(h, "answers") == 0)
		usleep(10000);
	for (int slot = 0; slot < 2; slot++)
		stopped[slot] = harness_kill_child(h, "worker", slot, SIGSTOP);
	usleep(5000000);
	for (int slot = 0; slot < 2; slot++)
		(void)kill(stopped[slot].pid, SIGCONT);
	r = harness_result(h, "fence1", 30000);
	cr_expect_str_eq(text_at(h, r, "status"), "completed");
	usleep(1000000);
	cr_expect(harness_try_result(h, "fence1", 1000) == NULL, "published twice");
	cr_expect_str_eq(harness_sql(h, "SELECT count(*) FROM agent_results"), "1\n");
	stop();
}

Test(faults, a_restart_of_redis_is_survived)
{
	struct process former;
	char id[32];

	begin();
	harness_use_embedded_redis(h);
	harness_start(h);
	harness_llm_script(h,
	    "{\"rules\":[{\"reply\":{\"content\":\"x\",\"delay_ms\":200}}]}");
	for (int i = 0; i < 40; i++) {
		(void)snprintf(id, sizeof(id), "redis%d", i);
		harness_push_job(h, id, "go", "");
	}
	usleep(300000);
	former = harness_kill_child(h, "redis", -1, SIGKILL);
	(void)harness_wait_child(h, "redis", -1, &former);
	harness_wait_ready(h);
	for (int i = 0; i < 40; i++) {
		(void)snprintf(id, sizeof(id), "redis%d", i);
		(void)harness_expect(h, id, "completed");
		harness_clear(h);
	}
	cr_expect_str_eq(harness_sql(h, "SELECT count(*) FROM agent_results"), "40\n");
	stop();
}

static const char *const roles[] = { "fetch", "compute", "scheduler", "gateway" };

Test(faults, a_killed_role_is_back_and_jobs_go_on)
{
	begin();
	harness_start(h);
	for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
		struct process former = harness_kill_child(h, roles[i], -1, SIGKILL);
		char id[32];

		(void)harness_wait_child(h, roles[i], -1, &former);
		(void)snprintf(id, sizeof(id), "role%zu", i);
		harness_push_job(h, id,
		    "fetch flights from NYC to LAX, sort by price, show cheapest 3",
		    "");
		(void)harness_expect(h, id, "completed");
	}
	stop();
}
