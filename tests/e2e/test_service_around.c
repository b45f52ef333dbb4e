/* SPDX-License-Identifier: MIT */
/*
 * test_service_around.c - the daemon and what is around it: an ordinary user, PID 1 of
 * a container, a service manager, log files, a store that goes away.
 */
#include "config.h"

#include "tests/e2e/e2e.h"

#include "common/clock.h"
#include "common/role/control.h"
#include "tests/support/postgres_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

static struct harness *h;

static void
begin(void)
{
	h = e2e_new();
}

static void
end(void)
{
	harness_free(h);
	h = NULL;
}

TestSuite(service_around, .init = begin, .fini = end, .timeout = 120);

static void
answer(const char *text, unsigned delay_ms)
{
	char script[256];

	(void)snprintf(script, sizeof(script),
	    "{\"rules\":[{\"reply\":{\"content\":\"%s\",\"delay_ms\":%u}}]}", text,
	    delay_ms);
	harness_llm_script(h, script);
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

/* ---- users ---- */

static uid_t
owner_of(pid_t pid)
{
	char path[64];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	return stat(path, &st) == 0 ? st.st_uid : (uid_t)-1;
}

Test(service_around, an_ordinary_user_runs_all_of_it_and_status_says_so)
{
	static struct process list[PROCESSES_MAX];
	const char *argv[] = { harness_program(h, "agentctl"), "-c",
		harness_conf_path(h), "status", NULL };
	CLEANUP_BUF struct buf out = BUF_INIT;
	const struct passwd *pw = geteuid() == 0 ? getpwnam("nobody") : NULL;
	uid_t wanted = pw != NULL ? pw->pw_uid : geteuid();
	size_t n;

	harness_unprivileged(h);
	harness_use_embedded_redis(h);
	harness_unset(h, "service.user");
	harness_unset(h, "service.compute_user");
	harness_start(h);
	harness_push_job(h, "user1",
	    "fetch flights from NYC to LAX, sort by price, show cheapest 3", "");
	(void)harness_expect(h, "user1", "completed");
	n = harness_children(h, list);
	cr_assert(n >= 7);
	for (size_t i = 0; i < n; i++)
		cr_expect(owner_of(list[i].pid) == wanted ||
			owner_of(list[i].pid) == 0 /* not dumpable: root's in /proc */,
		    "%s", list[i].role);
	cr_expect_eq(harness_run(h, argv, &out), 0, "%s", buf_str(&out));
	cr_expect(strstr(buf_str(&out), "started without root") != NULL, "%s",
	    buf_str(&out));
	harness_stop(h);
}

static long
status_number(pid_t pid, const char *field)
{
	char path[64], line[256];
	long value = -1;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, field, strlen(field)) == 0)
			value = strtol(line + strlen(field), NULL, 10);
	if (f != NULL)
		(void)fclose(f);
	return value;
}

Test(service_around, root_gives_every_process_its_user)
{
	static struct process list[PROCESSES_MAX];
	const struct passwd *user = getpwnam("daemon"), *compute = getpwnam("nobody");
	char state[128];
	size_t n;

	if (geteuid() != 0 || user == NULL || compute == NULL)
		cr_skip_test("only root changes user");
	harness_use_embedded_redis(h);
	harness_set(h, "service.user", "\"%s\"", user->pw_name);
	harness_set(h, "service.compute_user", "\"%s\"", compute->pw_name);
	(void)snprintf(state, sizeof(state), "%s/of-root/state", harness_dir(h));
	harness_set(h, "service.state_dir", "\"%s\"", state); /* the daemon makes it */
	harness_start(h);
	harness_wait_log(h, " workers of "); /* all of them, not one */
	n = harness_children(h, list);
	for (size_t i = 0; i < n; i++) {
		bool is_compute = strcmp(list[i].role, "compute") == 0;

		if (list[i].parent != harness_proc(h)->pid)
			continue;
		cr_expect(eq(long, status_number(list[i].pid, "Uid:"),
			      (long)(is_compute ? compute : user)->pw_uid),
		    "%s", list[i].role);
		cr_expect(eq(long, status_number(list[i].pid, "NoNewPrivs:"), 1), "%s",
		    list[i].role);
	}
	harness_stop(h);
}

/* ---- PID 1 ---- */

static bool
can_unshare(void)
{
	static const char *const argv[] = { "/usr/bin/unshare", "--fork", "--pid",
		"--mount-proc", "/bin/true", NULL };
	CLEANUP_BUF struct buf out = BUF_INIT;

	return access(argv[0], X_OK) == 0 && harness_run(h, argv, &out) == 0;
}

static bool
find_by_role(const char *role, struct process *out)
{
	static struct process list[PROCESSES_MAX];
	size_t n = processes_below(harness_proc(h)->pid, list);

	for (size_t i = 0; i < n; i++)
		if (strncmp(list[i].role, role, strlen(role)) == 0) {
			*out = list[i];
			return true;
		}
	return false;
}

Test(service_around, as_process_1_it_reaps_orphans_and_stops_on_sigterm)
{
	/* The shell leaves an orphan and becomes the daemon. */
	static const char *const wrapper[] = { "/usr/bin/unshare", "--fork", "--pid",
		"--mount-proc", "--kill-child", "/bin/sh", "-c",
		"(sleep 1 &) ; exec \"$@\"", "sh", NULL };
	static struct process list[PROCESSES_MAX];
	struct process daemon, orphan;
	uint64_t until = clock_mono_ms() + HARNESS_WAIT_MS;
	const struct json *r;

	if (geteuid() != 0 || !can_unshare())
		cr_skip_test("no namespaces here");
	harness_wrap(h, wrapper);
	harness_use_embedded_redis(h);
	harness_start(h);
	cr_assert(find_by_role("agent-runnerd", &daemon));
	if (find_by_role("sleep", &orphan))
		while (process_lives(&orphan) && clock_mono_ms() < until)
			harness_sleep(20);
	answer("in time", 700);
	harness_push_job(h, "one1", "go", "");
	wait_answers(1);
	(void)processes_below(daemon.pid, list);
	cr_assert(kill(daemon.pid, SIGTERM) == 0);
	cr_assert(proc_wait(harness_proc(h), HARNESS_WAIT_MS) == 0);
	cr_expect(harness_proc(h)->status == 0, "PID 1 ended with %x",
	    (unsigned)harness_proc(h)->status);
	cr_expect(harness_log_has(h, "orphan"), "the orphan was not reaped");
	harness_daemon(h);
	r = harness_expect(h, "one1", "completed");
	cr_expect(eq(i64, int_at(r, "metadata.attempts"), 1));
	cr_assert(find_by_role("agent-runnerd", &daemon));
	cr_assert(kill(daemon.pid, SIGTERM) == 0);
	cr_expect(proc_wait(harness_proc(h), HARNESS_WAIT_MS) == 0);
}

/* ---- a service manager ---- */

static void
hear(int fd, struct buf *heard)
{
	char block[512];
	ssize_t n;

	while ((n = recv(fd, block, sizeof(block), MSG_DONTWAIT)) > 0)
		buf_add(heard, block, (size_t)n);
}

static void
wait_heard(int fd, struct buf *heard, const char *text)
{
	uint64_t until = clock_mono_ms() + HARNESS_WAIT_MS;

	for (hear(fd, heard); strstr(buf_str(heard), text) == NULL; hear(fd, heard)) {
		cr_assert(clock_mono_ms() < until, "never heard %s in: %s", text,
		    buf_str(heard));
		harness_sleep(5);
	}
}

Test(service_around, the_service_manager_hears_of_every_stage)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	CLEANUP(closep) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	CLEANUP_BUF struct buf heard = BUF_INIT;
	char env[160];

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/notify",
	    harness_dir(h));
	cr_assert(bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	(void)snprintf(env, sizeof(env), "NOTIFY_SOCKET=%s", addr.sun_path);
	harness_env(h, env);
	harness_env(h, "WATCHDOG_USEC=200000");
	harness_servers(h);
	harness_launch(h);
	wait_heard(fd, &heard, "READY=1");
	cr_expect(harness_is_ready(h), "READY came before jobs could run");
	wait_heard(fd, &heard, "WATCHDOG=1");
	buf_clear(&heard);
	harness_set(h, "service.workers", "3");
	harness_write_conf(h);
	harness_signal(h, SIGHUP);
	wait_heard(fd, &heard, "RELOADING=1\nMONOTONIC_USEC=");
	wait_heard(fd, &heard, "READY=1\nSTATUS=running");
	buf_clear(&heard);
	harness_set(h, "queue.jobs", "\"other\"");
	harness_write_conf(h);
	harness_signal(h, SIGHUP);
	wait_heard(fd, &heard, "READY=1\nSTATUS=running; the last reload was refused");
	buf_clear(&heard);
	answer("x", 500);
	harness_push_job(h, "sd1", "go", "");
	wait_answers(1);
	harness_signal(h, SIGTERM);
	wait_heard(fd, &heard, "STOPPING=1\nSTATUS=finishing jobs");
	wait_heard(fd, &heard, "WATCHDOG=1"); /* or the manager would kill the drain */
	cr_expect(proc_wait(harness_proc(h), HARNESS_WAIT_MS) == 0);
}

/* ---- logs ---- */

static size_t
count_lines(const char *path, const char *with, bool must_be_json)
{
	CLEANUP(arena_freep) struct arena *arena = arena_new(0);
	CLEANUP(freep) char *line = NULL;
	CLEANUP(fclosep) FILE *f = fopen(path, "re");
	size_t cap = 0, n = 0;
	ssize_t len;

	while (f != NULL && (len = getline(&line, &cap, f)) > 0) {
		const struct json *v = NULL;

		n += strstr(line, with) != NULL;
		if (!must_be_json)
			continue;
		cr_assert(json_read(arena, line, (size_t)len, 0, &v, NULL) == 0, "%s",
		    line);
		cr_expect(json_is(json_get(v, "time"), JSON_STRING) &&
		    json_is(json_get(v, "level"), JSON_STRING) &&
		    json_is(json_get(v, "role"), JSON_STRING) &&
		    json_is(json_get(v, "pid"), JSON_NUMBER) &&
		    json_is(json_get(v, "message"), JSON_STRING));
		arena_clear(arena);
	}
	return n;
}

static bool
file_has(struct harness *hh UNUSED, void *arg)
{
	const char *const *want = arg; /* path, text */

	return count_lines(want[0], want[1], false) > 0;
}

static void
wait_file(const char *path, const char *text)
{
	const char *want[] = { path, text };

	harness_wait_until(h, file_has, want, HARNESS_WAIT_MS, text);
}

Test(service_around, a_json_log_file_is_reopened_and_every_line_is_an_object)
{
	char path[128], rotated[140], cut[64];

	(void)snprintf(path, sizeof(path), "%s/service.log", harness_dir(h));
	(void)snprintf(rotated, sizeof(rotated), "%s.1", path);
	harness_set(h, "service.log.target", "\"file:%s\"", path);
	harness_set(h, "service.log.format", "\"json\"");
	harness_start(h);
	/* text that would break a line, or the JSON, if it came through as it is */
	harness_push_job(h, "log\xc3\xa9\"\\quoted", "say \"hello\"\n", "");
	(void)harness_result(h, "log\xc3\xa9\"\\quoted", HARNESS_WAIT_MS);
	wait_file(path, "quoted");
	cr_assert(rename(path, rotated) == 0);
	harness_signal(h, SIGUSR1);
	wait_file(path, "logs reopened");
	harness_push_job(h, "after", "say hello", "");
	(void)harness_expect(h, "after", "completed");
	(void)snprintf(cut, sizeof(cut), "job after");
	wait_file(path, cut);
	harness_stop(h);
	cr_expect(count_lines(rotated, "ready after", true) > 0);
	cr_expect(count_lines(path, "stopped", true) > 0);
	cr_expect(count_lines(rotated, cut, true) == 0, "written to the old file");
}

/* ---- a store that goes away ---- */

static bool
has_health(struct harness *hh, void *text)
{
	CLEANUP_BUF struct buf body = BUF_INIT;

	return harness_http(hh, "GET", "/health?ready=1", NULL, &body) == 503 &&
	    strstr(buf_str(&body), text) != NULL;
}

Test(service_around, a_store_that_is_away_makes_unready_and_costs_no_attempt)
{
	struct err err = ERR_INIT;
	const struct json *r;

	harness_use_postgres(h);
	harness_start(h);
	answer("x", 300);
	harness_push_job(h, "store1", "go", "");
	wait_answers(1);
	cr_assert(postgres_server_stop(harness_postgres_server(h), SIGQUIT, &err) == 0);
	harness_wait_until(h, has_health, (char[]){ "result store" }, HARNESS_WAIT_MS,
	    "the word that the store is away");
	cr_assert(postgres_server_start(harness_postgres_server(h), &err) == 0);
	harness_wait_ready(h);
	r = harness_expect(h, "store1", "completed");
	cr_expect(eq(i64, int_at(r, "metadata.attempts"), 1));
	cr_expect(eq(llong, harness_llm_stat(h, "answers"), 1), "paid twice");
	harness_stop(h);
}
