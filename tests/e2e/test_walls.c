/* SPDX-License-Identifier: MIT */
/*
 * test_walls.c - the walls of the running daemon: what a poorer kernel lacks is told and
 * shown, and the service works all the same.
 */
#include "config.h"

#include "tests/e2e/e2e.h"

#include "common/clock.h"
#include "common/exit_status.h"
#include "tests/support/postgres_server.h"

#include <errno.h>
#include <sys/wait.h>

TestSuite(walls, .timeout = 180);

static const char prompt[] =
    "fetch flights from NYC to LAX, sort by price, show cheapest 3";

static unsigned
count_log(struct harness *h, const char *text)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	const char *at;
	unsigned n = 0;

	proc_output(harness_proc(h), &out, 4 << 20);
	at = buf_str(&out);
	while ((at = strstr(at, text)) != NULL) {
		at += strlen(text);
		n++;
	}
	return n;
}

/* The daemon will run where this call answers this errno. */
static struct harness *
new_without(const char *call, int error)
{
	static char code[16], program[PROC_PATH_MAX];
	static const char *wrapper[] = { program, code, NULL, "--", NULL };
	struct harness *h = e2e_new();

	wrapper[2] = call;
	(void)snprintf(code, sizeof(code), "%d", error);
	(void)snprintf(program, sizeof(program), "%s",
	    harness_program(h, "without-calls"));
	harness_wrap(h, wrapper);
	return h;
}

static void
expect_page(struct harness *h, const char *target, const char *text, bool wanted)
{
	CLEANUP_BUF struct buf body = BUF_INIT;

	cr_assert_eq(harness_http(h, "GET", target, NULL, &body), 200);
	cr_expect_eq(strstr(buf_str(&body), text) != NULL, wanted, "%s: %s", target,
	    buf_str(&body));
}

static void
expect_status(struct harness *h, const char *text)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	const char *argv[] = { harness_program(h, "agentctl"), "-c",
		harness_conf_path(h), "status", NULL };

	cr_assert_eq(harness_run(h, argv, &out), 0, "%s", buf_str(&out));
	cr_expect(strstr(buf_str(&out), text) != NULL, "'%s' is not in %s", text,
	    buf_str(&out));
}

static void
expect_degraded(int error)
{
	struct harness *h = new_without("landlock_create_ruleset", error);
	char text[64];

	harness_start(h);
	(void)snprintf(text, sizeof(text), "no Landlock (errno %d, ", error);
	cr_expect_eq(count_log(h, text), 1, "told %u times", count_log(h, text));
	expect_status(h, text);
	expect_page(h, "/health", text, true);
	expect_page(h, "/health?ready=1", text, true);
	expect_page(h, "/metrics", "\nagent_runner_sandbox_degraded 1\n", true);
	expect_page(h, "/metrics", "\nagent_runner_sandbox_landlock_version 0\n", true);
	harness_push_job(h, "degraded", prompt, "");
	(void)harness_expect(h, "degraded", "completed");
	harness_stop(h);
	harness_free(h);
}

Test(walls, a_kernel_built_without_landlock_is_told_once_and_shown)
{
	expect_degraded(ENOSYS);
}

Test(walls, a_kernel_that_has_landlock_switched_off_is_told_once_and_shown)
{
	expect_degraded(EOPNOTSUPP);
}

static bool
has_ended(struct harness *h, void *arg)
{
	(void)arg;
	return proc_has_ended(harness_proc(h));
}

/* No child could ever be started there. */
Test(walls, a_kernel_that_cannot_hold_processes_is_refused_with_its_reason)
{
	static const char *const calls[] = { "pidfd_open", "close_range" };

	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		CLEANUP(harness_freep)
		struct harness *h = new_without(calls[i], ENOSYS);
		int status;

		harness_servers(h);
		harness_launch(h);
		harness_wait_until(h, has_ended, NULL, 60000, "the daemon gives up");
		cr_expect(harness_log_has(h, calls[i]), "%s", calls[i]);
		cr_expect(harness_log_has(h, "Linux 5.9 or later is needed"));
		status = harness_proc(h)->status;
		cr_expect_eq(WIFEXITED(status) ? WEXITSTATUS(status) : -1,
		    EXIT_STATUS_CONFIG);
	}
}

/* With what this machine's kernel has: the page and the metric agree. */
Test(walls, nothing_is_called_degraded_that_is_not)
{
	CLEANUP(harness_freep) struct harness *h = e2e_new();
	CLEANUP_BUF struct buf body = BUF_INIT;
	bool is_degraded;

	harness_start(h);
	cr_assert_eq(harness_http(h, "GET", "/metrics", NULL, &body), 200);
	is_degraded =
	    strstr(buf_str(&body), "\nagent_runner_sandbox_degraded 1\n") != NULL;
	expect_page(h, "/health", "\"degraded\"", is_degraded);
	cr_expect_eq(count_log(h, "going on with the other walls") > 0, is_degraded);
	harness_stop(h);
}

/* ---- files that are replaced under the sandbox ---- */

static void
replace(struct harness *h, const char *name, const char *text)
{
	char from[PROC_PATH_MAX], to[PROC_PATH_MAX];

	harness_write_file(h, "new", text);
	(void)snprintf(from, sizeof(from), "%.400s/new", harness_dir(h));
	(void)snprintf(to, sizeof(to), "%.400s/%s", harness_dir(h), name);
	cr_assert_eq(rename(from, to), 0);
}

static bool
has_log(struct harness *h, void *text)
{
	return harness_log_has(h, text);
}

/* A renewal that comes a second time would come within a few looks. */
static bool
looked_often(struct harness *h, void *since)
{
	(void)h;
	return clock_mono_ms() - *(uint64_t *)since > 5000;
}

Test(walls, processes_are_renewed_when_a_file_of_their_sandbox_is_replaced)
{
	CLEANUP(harness_freep) struct harness *h = e2e_new();
	struct process worker, fetch, gateway;
	char path[PROC_PATH_MAX];
	uint64_t since;

	if (!postgres_server_is_installed())
		cr_skip_test("PostgreSQL is not installed");
	harness_use_postgres(h);
	harness_llm_timeout(h, 60);
	harness_servers(h);
	harness_write_file(h, "root.pem", "the first");
	harness_set(h, "database.url", "\"%s%csslrootcert=%s/root.pem\"",
	    harness_database_url(h),
	    strchr(harness_database_url(h), '?') != NULL ? '&' : '?', harness_dir(h));
	harness_write_conf(h);
	harness_daemon(h);
	harness_llm_script(h,
	    "{\"rules\":[{\"reply\":{\"content\":\"x\",\"delay_ms\":12000}}]}");
	harness_push_job(h, "slow", "say something", "");
	worker = harness_wait_child(h, "worker", 0, NULL);
	fetch = harness_wait_child(h, "fetch", 0, NULL);
	gateway = harness_wait_child(h, "gateway", 0, NULL);

	/* in place: the same file, the rule still holds */
	harness_write_file(h, "root.pem", "the first, longer");
	replace(h, "root.pem", "the second");
	harness_wait_until(h, has_log, (char[]){ "/root.pem was replaced" }, 60000,
	    "the supervisor notices the new file");
	harness_wait_until(h, has_log, (char[]){ "generation 2 is in use" }, 60000,
	    "new processes");
	(void)harness_wait_child(h, "worker", 0, &worker);
	(void)harness_wait_child(h, "fetch", 0, &fetch);
	(void)harness_wait_child(h, "gateway", 0, &gateway);
	(void)harness_expect(h, "slow", "completed"); /* under what it began with */
	cr_expect_eq(count_log(h, "was replaced, and the sandbox"), 1);

	/* gone is not replaced; there again is */
	(void)snprintf(path, sizeof(path), "%.400s/root.pem", harness_dir(h));
	cr_assert_eq(unlink(path), 0);
	since = clock_mono_ms();
	harness_wait_until(h, looked_often, &since, 60000, "time");
	cr_expect_eq(count_log(h, "was replaced, and the sandbox"), 1);
	replace(h, "root.pem", "the third");
	harness_wait_until(h, has_log, (char[]){ "generation 3 is in use" }, 60000,
	    "new processes again");
	harness_push_job(h, "last", "say something", "");
	(void)harness_expect(h, "last", "completed");
	harness_stop(h);
}
