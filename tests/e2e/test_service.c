/* SPDX-License-Identifier: MIT */
/*
 * test_service.c - the daemon as operations meet it, with its real roles: start, stop,
 * reload, renewal, watchdog, signals, health.
 */
#include "config.h"

#include "tests/e2e/e2e.h"

#include "common/clock.h"
#include "common/exit_status.h"
#include "common/role/control.h"
#include "tests/support/redis_server.h"

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

static struct harness *h;
static struct control_status status;

static pid_t
pid_in_file(void)
{
	char path[128], text[32] = "";
	CLEANUP(closep) int fd = -1;

	(void)snprintf(path, sizeof(path), "%s/run/agent-runnerd.pid", harness_dir(h));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && read(fd, text, sizeof(text) - 1) > 0
	    ? (pid_t)strtol(text, NULL, 10)
	    : -1;
}

static void
begin(void)
{
	h = e2e_new();
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1); /* of what goes to the background */
}

/* A test that failed half-way leaves no daemon in the background. */
static void
end(void)
{
	pid_t pid = h != NULL ? pid_in_file() : -1;

	if (pid > 1 && harness_proc(h)->pid != pid)
		(void)kill(pid, SIGKILL);
	harness_free(h);
	h = NULL;
}

TestSuite(service, .init = begin, .fini = end, .timeout = 120);

/* ---- helpers ---- */

static int
look(void)
{
	char path[108];

	(void)snprintf(path, sizeof(path), "%s/run/control.sock", harness_dir(h));
	return control_status(path, 2000, &status, NULL);
}

static unsigned
count_live(enum role role)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < status.n_children; i++)
		n += status.children[i].role == role &&
		    status.children[i].state == CHILD_LIVE;
	return n;
}

/* Answers as of now, of the control socket or NULL. */
static bool
has_children(struct harness *hh UNUSED, void *n_workers)
{
	return look() == 0 && count_live(ROLE_WORKER) == *(unsigned *)n_workers &&
	    status.n_children == *(unsigned *)n_workers + 4;
}

static void
wait_workers(unsigned n)
{
	harness_wait_until(h, has_children, &n, HARNESS_WAIT_MS, "that many workers");
}

struct reload_wait {
	unsigned ok, failed;
};

static bool
has_reloaded(struct harness *hh UNUSED, void *arg)
{
	const struct reload_wait *w = arg;

	return look() == 0 && status.is_reloading == 0 && status.reloads_ok >= w->ok &&
	    status.reloads_failed >= w->failed;
}

/* SIGHUP, and waits for its outcome. */
static void
reload(bool is_good)
{
	struct reload_wait w;

	cr_assert(look() == 0);
	w.ok = status.reloads_ok + is_good;
	w.failed = status.reloads_failed + !is_good;
	harness_write_conf(h);
	harness_signal(h, SIGHUP);
	harness_wait_until(h, has_reloaded, &w, HARNESS_WAIT_MS, "the reload's end");
}

static void
wait_answers(long long n)
{
	uint64_t until = clock_mono_ms() + HARNESS_WAIT_MS;

	while (harness_llm_stat(h, "answers") < n) {
		cr_assert(clock_mono_ms() < until, "the model was not asked");
		harness_sleep(5);
	}
}

/* Replies that take this long, with this text. */
static void
answer(const char *text, unsigned delay_ms)
{
	char script[256];

	(void)snprintf(script, sizeof(script),
	    "{\"rules\":[{\"reply\":{\"content\":\"%s\",\"delay_ms\":%u}}]}", text,
	    delay_ms);
	harness_llm_script(h, script);
}

/* Runs agent-runnerd with the configuration and these arguments to its end. */
static int
daemon_run(struct buf *out, const char *const *args)
{
	const char *argv[12] = { harness_program(h, "agent-runnerd"), "-c",
		harness_conf_path(h) };
	size_t n = 3;

	for (; *args != NULL; args++)
		argv[n++] = *args;
	buf_clear(out);
	return harness_run(h, argv, out);
}

static bool
is_gone(struct harness *hh UNUSED, void *pid)
{
	return kill(*(pid_t *)pid, 0) != 0 ||
	    waitpid(*(pid_t *)pid, NULL, WNOHANG) == *(pid_t *)pid;
}

static void
wait_gone(pid_t pid)
{
	harness_wait_until(h, is_gone, &pid, HARNESS_WAIT_MS, "the daemon's end");
}

static bool
has_health(struct harness *hh, void *text)
{
	CLEANUP_BUF struct buf body = BUF_INIT;

	return harness_http(hh, "GET", "/health?ready=1", NULL, &body) == 503 &&
	    strstr(buf_str(&body), text) != NULL;
}

static long long
count_rows(void)
{
	return atoll(harness_sql(h, "SELECT count(*) FROM agent_results"));
}

/* ---- start ---- */

static const char *const background[] = { "-D", NULL };

Test(service, a_background_start_returns_when_jobs_can_run_and_stops_clean)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	char sock[128];
	pid_t pid;

	harness_servers(h);
	cr_assert_eq(daemon_run(&out, background), 0, "%s", buf_str(&out));
	cr_expect(harness_is_ready(h), "it returned before it was ready");
	cr_expect(look() == 0 && status.pid == pid_in_file());
	harness_push_job(h, "bg1", "say hello", "");
	(void)harness_expect(h, "bg1", "completed");
	pid = pid_in_file();
	cr_assert(kill(pid, SIGTERM) == 0);
	wait_gone(pid);
	(void)snprintf(sock, sizeof(sock), "%s/run/control.sock", harness_dir(h));
	cr_expect(access(sock, F_OK) != 0 && pid_in_file() == -1,
	    "socket and pid file stay behind");
}

Test(service, a_second_start_is_refused_and_names_the_first)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	static const char *const foreground[] = { NULL };
	char pid[48], other[128];
	const char *const elsewhere[] = { "-p", other, NULL };

	harness_start(h);
	(void)snprintf(other, sizeof(other), "%s/run/other.pid", harness_dir(h));
	(void)snprintf(pid, sizeof(pid), "running already (process %d)",
	    (int)harness_proc(h)->pid);
	cr_expect_eq(daemon_run(&out, foreground), EXIT_STATUS_FAILURE);
	cr_expect(strstr(buf_str(&out), pid) != NULL, "%s", buf_str(&out));
	cr_expect_eq(daemon_run(&out, background), EXIT_STATUS_FAILURE);
	cr_expect(strstr(buf_str(&out), pid) != NULL, "%s", buf_str(&out));
	cr_expect_eq(daemon_run(&out, elsewhere), EXIT_STATUS_FAILURE);
	cr_expect(strstr(buf_str(&out), "another agent-runnerd uses it") != NULL, "%s",
	    buf_str(&out));
	cr_expect(look() == 0 && status.pid == harness_proc(h)->pid,
	    "its control socket was taken");
	cr_expect(harness_is_ready(h), "the first one was disturbed");
	harness_stop(h);
}

Test(service, what_a_killed_daemon_left_behind_is_taken_over)
{
	harness_use_embedded_redis(h);
	harness_start(h);
	harness_crash(h);
	cr_expect(pid_in_file() > 0, "a stale pid file is what this is about");
	harness_daemon(h);
	cr_expect_eq(pid_in_file(), harness_proc(h)->pid);
	harness_push_job(h, "stale1", "say hello", "");
	(void)harness_expect(h, "stale1", "completed");
	harness_stop(h);
}

/* What stands in the way of a start, with its status and its words. */
static const struct {
	const char *setting, *value; /* "{DIR}" is the test's directory */
	int status;
	const char *says;
} failures[] = {
	{ "http.listen", "\"127.0.0.1:1x\"", EXIT_STATUS_CONFIG, "http.listen" },
	{ "http.listen", "\"203.0.113.1:80\"", EXIT_STATUS_CONFIG, "http.token" },
	{ "service.run_dir", "\"/proc/nothing/here\"", EXIT_STATUS_CONFIG,
	    "service.run_dir" },
	{ "database.url", "\"sqlite:/nonexistent/folder/x.db\"", EXIT_STATUS_CONFIG,
	    "/nonexistent/folder" },
	{ "redis.program", "\"/nonexistent/redis\"", EXIT_STATUS_CONFIG,
	    "/nonexistent/redis" },
	{ "network.allow_private", "( \"10.0.0.0/99\" )", EXIT_STATUS_CONFIG,
	    "network.allow_private" },
	{ "service.user", "\"no-such-user\"", EXIT_STATUS_CONFIG, "no-such-user" },
};

Test(service, a_start_that_fails_in_the_background_says_why_and_leaves_nothing)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	harness_servers(h);
	for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
		if (strcmp(failures[i].setting, "service.user") == 0 && geteuid() != 0)
			continue;
		if (strcmp(failures[i].setting, "redis.program") == 0)
			harness_set(h, "redis.url", "\"embedded\"");
		harness_set(h, failures[i].setting, "%s", failures[i].value);
		harness_write_conf(h);
		cr_expect_eq(daemon_run(&out, background), failures[i].status, "%s: %s",
		    failures[i].setting, buf_str(&out));
		cr_expect(strstr(buf_str(&out), failures[i].says) != NULL, "%s: %s",
		    failures[i].setting, buf_str(&out));
		cr_expect_eq(pid_in_file(), -1, "%s", failures[i].setting);
		if (strcmp(failures[i].setting, "service.run_dir") == 0)
			harness_set(h, "service.run_dir", "\"%s/run\"", harness_dir(h));
		else if (strcmp(failures[i].setting, "http.listen") == 0)
			harness_set(h, "http.listen", "\"\"");
		else
			harness_unset(h, failures[i].setting);
	}
}

Test(service, a_port_that_is_taken_is_named)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	harness_servers(h);
	harness_set(h, "http.listen", "\"%s\"",
	    harness_data_api(h) + strlen("http://"));
	harness_write_conf(h);
	cr_expect_eq(daemon_run(&out, background), EXIT_STATUS_FAILURE);
	cr_expect(strstr(buf_str(&out), "Address already in use") != NULL, "%s",
	    buf_str(&out));
	cr_expect(strstr(buf_str(&out), "http.listen") != NULL, "%s", buf_str(&out));
	cr_expect_eq(pid_in_file(), -1);
}

Test(service, works_without_a_gateway)
{
	unsigned two = 2;

	harness_set(h, "http.listen", "\"\"");
	harness_servers(h);
	harness_launch(h);
	while (look() != 0 || count_live(ROLE_WORKER) != two)
		harness_sleep(5);
	harness_push_job(h, "nogw", "say hello", "");
	(void)harness_expect(h, "nogw", "completed");
	cr_expect(not(harness_find_child(h, "gateway", -1, NULL)));
	cr_expect(look() == 0 && status.n_children == 5);
	/* a reload must not wait for a gateway either */
	harness_set(h, "service.workers", "3");
	reload(true);
	cr_expect(status.reload_result == 0, "%s", status.reload_text);
	harness_stop(h);
}

/* ---- stop ---- */

/* Whatever stage of the start a stop meets, it ends all of it, soon. */
Test(service, a_stop_in_the_middle_of_a_start_is_obeyed)
{
	static struct process list[PROCESSES_MAX];

	harness_use_embedded_redis(h);
	harness_servers(h);
	for (unsigned ms = 0; ms < 150; ms += 10) {
		uint64_t until = clock_mono_ms() + HARNESS_WAIT_MS;
		size_t n;

		harness_launch(h);
		while (pid_in_file() != harness_proc(h)->pid) {
			cr_assert(clock_mono_ms() < until);
			harness_sleep(1);
		}
		harness_sleep(ms);
		n = harness_children(h, list);
		harness_signal(h, ms % 20 == 0 ? SIGTERM : SIGQUIT);
		cr_assert(proc_wait(harness_proc(h), HARNESS_WAIT_MS) == 0, "%u ms",
		    ms);
		cr_expect(harness_proc(h)->status == 0, "%u ms: %x", ms,
		    (unsigned)harness_proc(h)->status);
		for (size_t i = 0; i < n; i++)
			while (process_lives(&list[i]) && clock_mono_ms() < until)
				harness_sleep(2);
		cr_expect(pid_in_file() == -1, "%u ms", ms);
	}
	harness_daemon(h);
	harness_push_job(h, "mid1", "say hello", "");
	(void)harness_expect(h, "mid1", "completed");
	harness_stop(h);
}

Test(service, sigterm_lets_a_busy_job_finish)
{
	const struct json *r;

	harness_start(h);
	answer("in time", 1500);
	harness_push_job(h, "busy1", "go", "");
	wait_answers(1);
	harness_stop(h);
	r = harness_try_result(h, "busy1", 1000);
	cr_assert(r != NULL, "a running job was not finished");
	cr_expect_str_eq(text_at(h, r, "status"), "completed");
	cr_expect(eq(i64, int_at(r, "metadata.attempts"), 1));
}

Test(service, a_signal_to_every_process_of_the_service_is_one_to_the_daemon)
{
	static struct process list[PROCESSES_MAX];
	const struct json *r;
	size_t n;

	harness_use_embedded_redis(h);
	harness_start(h);
	answer("in time", 1500);
	harness_push_job(h, "group1", "go", "");
	wait_answers(1);
	n = processes_below(harness_proc(h)->pid, list);
	for (size_t i = 0; i < n; i++)
		(void)kill(list[i].pid, SIGTERM);
	harness_stop(h);
	cr_expect_str_eq(
	    harness_sql(h, "SELECT status FROM agent_results WHERE job_id = 'group1'"),
	    "completed\n", "the workers did not survive");
	harness_daemon(h);
	r = harness_expect(h, "group1", "completed");
	cr_expect(eq(i64, int_at(r, "metadata.attempts"), 1));
	cr_expect(eq(llong, harness_llm_stat(h, "answers"), 1));
	harness_stop(h);
}

Test(service, sigquit_ends_at_once_and_the_next_start_runs_the_job_uncounted)
{
	uint64_t began;
	const struct json *r;

	harness_use_embedded_redis(h);
	harness_start(h);
	harness_llm_script(h,
	    "{\"rules\":[{\"when\":{\"times\":1},\"reply\":{\"content\":\"a\",\"delay_ms\":"
	    "30000}},{\"reply\":{\"content\":\"b\"}}]}");
	harness_push_job(h, "quit1", "go", "");
	wait_answers(1);
	began = clock_mono_ms();
	harness_signal(h, SIGQUIT);
	cr_assert(proc_wait(harness_proc(h), 5000) == 0);
	cr_expect(clock_mono_ms() - began < 4000, "at once");
	cr_expect(harness_proc(h)->status == 0);
	harness_daemon(h);
	r = harness_expect(h, "quit1", "completed");
	cr_expect(eq(i64, int_at(r, "metadata.attempts"), 1));
	cr_expect(not(harness_log_has(h, "suspect")));
	harness_stop(h);
}

/* No role takes its time when nothing is left to do. */
Test(service, an_idle_service_stops_within_a_moment)
{
	uint64_t began;

	harness_start(h);
	harness_push_job(h, "idle1",
	    "fetch flights from NYC to LAX, sort by price, show cheapest 3", "");
	(void)harness_expect(h, "idle1", "completed");
	began = clock_mono_ms();
	harness_stop(h);
	/* a tenth of the grace: nobody waited for it, or for a tick of seconds */
	cr_expect(clock_mono_ms() - began < 3000, "it took %u ms",
	    (unsigned)(clock_mono_ms() - began));
}

/* ---- reload ---- */

Test(service, an_unchanged_configuration_restarts_nothing)
{
	static struct process before[PROCESSES_MAX];
	size_t n;

	harness_start(h);
	n = harness_children(h, before);
	cr_assert(n >= 6);
	reload(true);
	cr_expect_str_eq(status.reload_text, "nothing has changed");
	/* text that moves settings to other lines changes none of them */
	harness_set(h, "service.name", "\n\n  # a comment\n\"agent-runner\"");
	reload(true);
	cr_expect_str_eq(status.reload_text, "nothing has changed");
	for (size_t i = 0; i < n; i++)
		cr_expect(process_lives(&before[i]), "%s was restarted",
		    before[i].role);
	harness_stop(h);
}

Test(service, workers_become_more_and_fewer)
{
	harness_start(h);
	harness_set(h, "service.workers", "4");
	reload(true);
	cr_expect(strstr(status.reload_text, "(changed: service.workers)") != NULL,
	    "%s", status.reload_text);
	wait_workers(4);
	harness_set(h, "service.workers", "1");
	reload(true);
	wait_workers(1);
	harness_push_job(h, "one1", "say hello", "");
	(void)harness_expect(h, "one1", "completed");
	harness_stop(h);
}

Test(service, a_running_job_finishes_under_the_old_and_the_next_begins_under_the_new)
{
	const struct json *r;

	harness_start(h);
	answer("slow", 2000);
	harness_push_job(h, "old1", "go", "");
	wait_answers(1);
	harness_write_file(h, "agents.d/fresh.conf",
	    "tools = ( \"execute_pipeline\" ); model = \"brand-new\";\n");
	reload(true);
	cr_expect(status.reload_result == 0, "%s", status.reload_text);
	cr_expect(harness_try_result(h, "old1", 10) == NULL,
	    "the reload waited for the job");
	answer("quick", 0);
	harness_push_job(h, "new1", "go", ",\"agent\":\"fresh\"");
	r = harness_expect(h, "new1", "completed");
	cr_expect_str_eq(text_at(h, r, "metadata.llm_model"), "brand-new");
	r = harness_expect(h, "old1", "completed");
	cr_expect_str_eq(text_at(h, r, "metadata.llm_model"), "scripted");
	cr_expect(eq(i64, int_at(r, "metadata.attempts"), 1));
	wait_workers(2);
	harness_stop(h);
}

static int
agentctl(struct buf *out, const char *const *args)
{
	const char *argv[12] = { harness_program(h, "agentctl"), "-c",
		harness_conf_path(h) };
	size_t n = 3;

	for (; *args != NULL; args++)
		argv[n++] = *args;
	buf_clear(out);
	return harness_run(h, argv, out);
}

/* What a reload refuses, and the words that agentctl status has for it. */
static const struct {
	const char *setting, *value, *says;
} refusals[] = {
	{ "service.log.level", "\"loud\"", "service.log.level" },
	{ "redis.url", "\"redis://127.0.0.1:1/0\"", "redis.url" },
	{ "queue.jobs", "\"other:jobs\"", "queue.jobs" },
	{ "service.state_dir", "\"/tmp/elsewhere\"", "service.state_dir" },
	{ "http.listen", "\"127.0.0.1:1\"", "http.listen" },
	{ "network.allow_private", "( \"10.0.0.0/99\" )", "network.allow_private" },
	{ "llm.providers", "( { name = \"x\"; base_url = \"gopher://\"; } )",
	    "base_url" },
};

Test(service, a_refused_reload_changes_nothing_and_status_tells_why)
{
	static const char *const show[] = { "status", NULL };
	static struct process before[PROCESSES_MAX];
	CLEANUP_BUF struct buf out = BUF_INIT;
	size_t n;

	harness_start(h);
	n = harness_children(h, before);
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		char kept[512];

		(void)snprintf(kept, sizeof(kept), "%s",
		    harness_setting(h, refusals[i].setting));
		harness_set(h, refusals[i].setting, "%s", refusals[i].value);
		reload(false);
		cr_expect(status.reload_result < 0);
		cr_expect(strstr(status.reload_text, refusals[i].says) != NULL,
		    "%s: %s", refusals[i].setting, status.reload_text);
		if (kept[0] != '\0')
			harness_set(h, refusals[i].setting, "%s", kept);
		else
			harness_unset(h, refusals[i].setting);
		harness_write_conf(h);
		cr_expect_eq(agentctl(&out, show), 0, "%s", buf_str(&out));
		cr_expect(strstr(buf_str(&out), refusals[i].says) != NULL, "%s: %s",
		    refusals[i].setting, buf_str(&out));
	}
	for (size_t i = 0; i < n; i++)
		cr_expect(process_lives(&before[i]), "%s was restarted",
		    before[i].role);
	harness_write_file(h, "agents.d/bad.conf", "tools = ( \"nonsense\" );\n");
	reload(false);
	cr_expect(strstr(status.reload_text, "bad.conf:1: agent bad: tools") != NULL,
	    "%s", status.reload_text);
	/* with the broken file in place, too */
	harness_write_file(h, "agents.d/bad.conf", "tools = (;\n");
	cr_expect_eq(agentctl(&out, show), 0, "%s", buf_str(&out));
	cr_expect(strstr(buf_str(&out), "refused: ") != NULL &&
		strstr(buf_str(&out), "there is no tool \"nonsense\"") != NULL,
	    "%s", buf_str(&out));
	harness_push_job(h, "still1", "say hello", "");
	(void)harness_expect(h, "still1", "completed");
	harness_stop(h);
}

Test(service, many_requests_to_reload_become_few_and_lose_no_job)
{
	char id[32], text[64];

	harness_start(h);
	answer("x", 100);
	for (int i = 0; i < 60; i++) {
		(void)snprintf(id, sizeof(id), "many%d", i);
		harness_push_job(h, id, "go", "");
		(void)snprintf(text, sizeof(text), "name = \"v\"; max_turns = %d;\n",
		    i);
		if (i % 3 == 0) {
			harness_set(h, "limits.max_turns", "%d", 10 + i);
			harness_write_conf(h);
			harness_signal(h, SIGHUP);
		}
	}
	for (int i = 0; i < 60; i++) {
		const struct json *r;

		(void)snprintf(id, sizeof(id), "many%d", i);
		r = harness_expect(h, id, "completed");
		cr_expect(eq(i64, int_at(r, "metadata.attempts"), 1), "%s", id);
		harness_clear(h);
	}
	wait_workers(2);
	cr_expect(look() == 0 && status.is_reloading == 0);
	cr_expect(status.generation >= 2 && status.generation <= 12,
	    "20 requests made %u generations", status.generation - 1);
	cr_expect(eq(llong, count_rows(), 60));
	harness_stop(h);
}

/* ---- renewal and watchdog ---- */

static bool
was_renewed(struct harness *hh UNUSED, void *arg UNUSED)
{
	if (look() == 0)
		for (uint32_t i = 0; i < status.n_children; i++)
			if (status.children[i].role == ROLE_WORKER &&
			    status.children[i].restarts > 0)
				return true;
	return false;
}

Test(service, workers_are_renewed_after_max_jobs_and_no_job_is_lost)
{
	enum {
		JOBS = 200
	};
	char id[32];

	harness_set(h, "service.max_jobs", "20");
	harness_start(h);
	answer("x", 100);
	for (int i = 0; i < JOBS; i++) {
		(void)snprintf(id, sizeof(id), "renew%d", i);
		harness_push_job(h, id, "go", "");
	}
	for (int i = 0; i < JOBS; i++) {
		const struct json *r;

		(void)snprintf(id, sizeof(id), "renew%d", i);
		r = harness_expect(h, id, "completed");
		cr_expect(eq(i64, int_at(r, "metadata.attempts"), 1), "%s", id);
		harness_clear(h);
	}
	harness_wait_until(h, was_renewed, NULL, HARNESS_WAIT_MS, "a renewed worker");
	cr_expect(eq(llong, count_rows(), JOBS));
	cr_expect(eq(llong, harness_llm_stat(h, "answers"), JOBS));
	harness_stop(h);
}

/* The bound is below what any worker needs: it is renewed after its job, not before it
   could take one, again and again. */
Test(service, a_worker_beyond_its_memory_is_renewed_between_jobs)
{
	struct process former;
	char id[32];

	harness_set(h, "service.workers", "1");
	harness_set(h, "service.max_memory_mb", "2");
	harness_start(h);
	former = harness_wait_child(h, "worker", 0, NULL);
	for (int i = 0; i < 3; i++) {
		(void)snprintf(id, sizeof(id), "mem%d", i);
		harness_push_job(h, id, "say hello", "");
		(void)harness_expect(h, id, "completed");
		former = harness_wait_child(h, "worker", 0, &former);
	}
	harness_sleep(1500); /* two ticks in which nothing may happen */
	cr_expect(process_lives(&former), "renewed without a job");
	harness_stop(h);
}

Test(service, a_worker_stuck_past_a_jobs_deadline_is_killed_and_the_job_named)
{
	struct process stuck;
	const struct json *r;

	harness_set(h, "service.workers", "1");
	harness_start(h);
	harness_llm_script(h,
	    "{\"rules\":[{\"when\":{\"times\":1},\"reply\":{\"content\":\"a\",\"delay_ms\":"
	    "30000}},{\"reply\":{\"content\":\"b\"}}]}");
	harness_push_job(h, "stuck1", "go", ",\"timeout_sec\":2");
	wait_answers(1);
	stuck = harness_kill_child(h, "worker", 0, SIGSTOP);
	(void)harness_wait_child(h, "worker", 0, &stuck);
	harness_wait_log(h, "past their deadline");
	r = harness_result(h, "stuck1", HARNESS_WAIT_MS);
	cr_expect(text_at(h, r, "status")[0] != '\0');
	cr_expect(harness_log_has(h, "stuck1"), "the log does not name the job");
	harness_stop(h);
}

Test(service, an_outage_is_no_reason_to_call_a_job_stuck)
{
	struct process worker;
	const struct json *r;

	harness_set(h, "service.workers", "1");
	harness_start(h);
	worker = harness_wait_child(h, "worker", 0, NULL);
	answer("x", 500);
	harness_push_job(h, "outage1", "go", ",\"timeout_sec\":1");
	wait_answers(1);
	redis_server_kill(harness_redis_server(h));
	harness_sleep(13000); /* past its deadline and what it may take to end */
	cr_assert(redis_server_restart(harness_redis_server(h)));
	r = harness_expect(h, "outage1", "completed");
	cr_expect(eq(i64, int_at(r, "metadata.attempts"), 1));
	cr_expect(process_lives(&worker), "its worker was killed");
	harness_stop(h);
}

/* ---- health ---- */

Test(service, health_tells_what_is_away)
{
	CLEANUP_BUF struct buf body = BUF_INIT;

	harness_start(h);
	redis_server_kill(harness_redis_server(h));
	harness_wait_until(h, has_health, (char[]){ "edis" }, HARNESS_WAIT_MS,
	    "the word that Redis is away");
	cr_expect(harness_http(h, "GET", "/health", NULL, &body) == 200,
	    "alive is not ready");
	cr_assert(redis_server_restart(harness_redis_server(h)));
	harness_wait_ready(h);
	harness_push_job(h, "back1", "say hello", "");
	(void)harness_expect(h, "back1", "completed");
	harness_stop(h);
}

static bool
metric_is(struct harness *hh, void *line)
{
	CLEANUP_BUF struct buf body = BUF_INIT;

	return harness_http(hh, "GET", "/metrics", NULL, &body) == 200 &&
	    strstr(buf_str(&body), line) != NULL;
}

Test(service, several_workers_and_a_reload_do_not_add_up_what_is_one_thing)
{
	harness_set(h, "service.workers", "4");
	harness_start(h);
	harness_wait_until(h, metric_is, (char[]){ "\nagent_runner_store_up 1\n" },
	    HARNESS_WAIT_MS, "store_up 1");
	harness_wait_until(h, metric_is, (char[]){ "\nagent_runner_redis_up 1\n" },
	    HARNESS_WAIT_MS, "redis_up 1");
	harness_wait_until(h, metric_is,
	    (char[]){ "\nagent_runner_reload_success 1\n" }, HARNESS_WAIT_MS,
	    "reload_success 1");
	harness_stop(h);
}
