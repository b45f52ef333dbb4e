/* SPDX-License-Identifier: MIT */
/* test_agentctl.c - the commands of agentctl against a running service. */
#include "config.h"

#include "tests/e2e/e2e.h"

#include <stdarg.h>

TestSuite(agentctl, .timeout = 120);

static struct harness *h;

static void
start(void)
{
	h = e2e_new();
	harness_start(h);
}

static void
stop(void)
{
	harness_stop(h);
	harness_free(h);
}

/* Runs `agentctl -c CONF ARGS...`; the output (both streams) replaces out's content. */
__attribute__((sentinel)) static int
ctl(struct buf *out, ...)
{
	const char *argv[24] = { harness_program(h, "agentctl"), "-c",
		harness_conf_path(h) };
	size_t n = 3;
	va_list ap;

	va_start(ap, out);
	while ((argv[n] = va_arg(ap, const char *)) != NULL)
		n++;
	va_end(ap);
	buf_clear(out);
	return harness_run(h, argv, out);
}

static bool
says(const struct buf *out, const char *text)
{
	return strstr(buf_str(out), text) != NULL;
}

Test(agentctl, run_prints_the_flights_as_a_table_and_their_reference)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	start();
	cr_expect(
	    eq(int,
		ctl(&out, "run",
		    "fetch flights from NYC to LAX, sort by price, show cheapest 3",
		    NULL),
		0),
	    "%s", buf_str(&out));
	cr_expect(says(&out, "price") && says(&out, "airline"), "%s", buf_str(&out));
	cr_expect(says(&out, "artifact://"), "%s", buf_str(&out));
	cr_expect(
	    eq(int, ctl(&out, "run", "--json", "--agent", "nobody", "x", NULL), 1));
	cr_expect(says(&out, "unknown_agent"), "%s", buf_str(&out));
	stop();
}

Test(agentctl, a_job_is_followed_from_submit_to_its_stored_value)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	CLEANUP_BUF struct buf message = BUF_INIT;
	struct arena *a = arena_new(0);
	const struct json *v = NULL;

	start();
	harness_llm_script(h,
	    "{\"rules\":[{\"reply\":{\"content\":\"42\",\"delay_ms\":300}}]}");
	cr_expect(eq(int,
	    ctl(&out, "submit", "--job-id", "s1", "--owner", "ann", "hi", NULL), 0));
	cr_expect_str_eq(buf_str(&out), "s1\n");
	while (harness_redis_int(h, "EXISTS agent:job:s1") == 0)
		usleep(5000); /* before it is begun nobody knows it */
	cr_expect(eq(int, ctl(&out, "job", "s1", "--json", NULL), 0), "%s",
	    buf_str(&out));
	cr_expect(eq(int,
		      ctl(&message, "wait", "s1", "--timeout", "20", "--json", NULL),
		      0),
	    "%s", buf_str(&message));
	cr_assert(eq(int, json_read(a, buf_str(&message), message.len, 0, &v, NULL), 0),
	    "%s", buf_str(&message));
	cr_expect_str_eq(text_at(h, v, "status"), "completed");
	cr_expect(eq(int, ctl(&out, "result", "s1", "--raw", NULL), 0));
	cr_expect(strncmp(buf_str(&out), "\"42\"", 4) == 0, "%s", buf_str(&out));
	cr_expect(eq(int,
	    ctl(&out, "result", text_at(h, v, "result_ref"), "--raw", NULL), 0));
	cr_expect(strncmp(buf_str(&out), "\"42\"", 4) == 0, "%s", buf_str(&out));
	cr_expect(eq(int, ctl(&out, "job", "s1", NULL), 0));
	cr_expect(says(&out, "done"), "%s", buf_str(&out));
	/* the message is still there for the program that waits for it */
	cr_expect(harness_try_result(h, "s1", 2000) != NULL);
	arena_free(a);
	stop();
}

static const struct {
	const char *argv[4];
	int want;
	const char *says;
} statuses[] = {
	{ { "result", "nosuchjob" }, 3, "nosuchjob" },
	{ { "job", "nosuchjob" }, 3, "nosuchjob" },
	{ { "result", "artifact://00000000-0000-4000-8000-000000000000" }, 3, "" },
	{ { "wait", "nosuchjob", "--timeout=1" }, 4, "" },
	{ { "agents", "nosuchagent" }, 3, "nosuchagent" },
	{ { "runn" }, 2, "run" },
	{ { "run" }, 2, "PROMPT" },
	{ { "result", "x", "--nonsense" }, 2, "nonsense" },
	{ { "fsck" }, 0, "" },
	{ { "status" }, 0, "worker" },
	{ { "agents" }, 0, "workflow" },
	{ { "intent", "always notify admin" }, 0, "patch" },
	{ { "dead", "list" }, 0, "" },
};

Test(agentctl, every_exit_status_means_what_its_page_says)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	start();
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		const char *const *a = statuses[i].argv;

		cr_expect(eq(int,
			      ctl(&out, a[0], a[1], a[1] != NULL ? a[2] : NULL, NULL),
			      statuses[i].want),
		    "%s %s: %s", a[0], a[1] != NULL ? a[1] : "", buf_str(&out));
		cr_expect(says(&out, statuses[i].says), "%s: %s", a[0], buf_str(&out));
	}
	harness_stop(h);
	cr_expect(eq(int, ctl(&out, "status", NULL), 69), "%s", buf_str(&out));
	harness_free(h);
}

Test(agentctl, dead_letters_are_listed_shown_retried_and_dropped)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	start();
	harness_llm_script(h,
	    "{\"rules\":[{\"reply\":{\"content\":\"x\",\"delay_ms\":800}}]}");
	harness_push_job(h, "c1", "one thing", "");
	while (harness_llm_stat(h, "answers") == 0)
		usleep(10000);
	harness_push_job(h, "c1", "another thing", "");
	harness_push(h, "garbage");
	(void)harness_expect(h, "c1", "completed");
	while (harness_redis_int(h, "LLEN agent:dead") < 2)
		usleep(20000);
	cr_expect(eq(int, ctl(&out, "dead", "list", NULL), 0));
	cr_expect(says(&out, "job_id_conflict") && says(&out, "invalid_message"), "%s",
	    buf_str(&out));
	cr_expect(eq(int, ctl(&out, "dead", "show", "c1", NULL), 0), "%s",
	    buf_str(&out));
	cr_expect(says(&out, "another thing"), "%s", buf_str(&out));
	cr_expect(eq(int, ctl(&out, "dead", "drop", "c1", NULL), 0), "%s",
	    buf_str(&out));
	cr_expect(eq(llong, harness_redis_int(h, "LLEN agent:dead"), 1));
	cr_expect(eq(int, ctl(&out, "dead", "drop", "--all", NULL), 0));
	cr_expect(eq(llong, harness_redis_int(h, "LLEN agent:dead"), 0));
	cr_expect(eq(int, ctl(&out, "dead", "show", "c1", NULL), 3));
	stop();
}

Test(agentctl, a_pipeline_runs_without_a_job)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	char file[300], input[300];

	start();
	harness_write_file(h, "p.json",
	    "{\"pipeline\":[{\"step\":\"table_filter\",\"condition\":{\"field\":\"a\",\"op\":"
	    "\">\",\"value\":1}},{\"step\":\"table_sort\",\"field\":\"a\",\"order\":\"desc\"}]}");
	harness_write_file(h, "in.json", "[{\"a\":1},{\"a\":2},{\"a\":3}]");
	(void)snprintf(file, sizeof(file), "%s/p.json", harness_dir(h));
	(void)snprintf(input, sizeof(input), "%s/in.json", harness_dir(h));
	cr_expect(eq(int, ctl(&out, "pipeline", file, "--input", input, "--json", NULL),
		      0),
	    "%s", buf_str(&out));
	cr_expect(says(&out, "[{\"a\":3},{\"a\":2}]"), "%s", buf_str(&out));
	cr_expect(says(&out, "\"rows_out\":2"), "%s", buf_str(&out));
	stop();
}
