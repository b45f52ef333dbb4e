/* SPDX-License-Identifier: MIT */
/*
 * test_supervisor.c - the real agent-runnerd over fake role programs: start, crash,
 * drain, reload, watchdog, background, control socket.
 *
 * Each test has a folder of its own with copies of the programs, since the daemon looks
 * for its roles beside itself. Waiting is for a condition, with a generous bound.
 */
#include "config.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/exit_status.h"
#include "common/role/control.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

enum {
	PATIENCE_MS = 20000
};

static char folder[] = "/tmp/supervisor-test-XXXXXX";
static char conf_path[64], log_path[64], socket_path[108], program[64];
static pid_t daemon_pid = -1;
static struct control_status status;
static struct control_metrics metrics;

static void
copy(const char *from, const char *to_name)
{
	char to[PATH_MAX], block[65536];
	CLEANUP(closep) int in = open(from, O_RDONLY);
	CLEANUP(closep) int out = -1;
	ssize_t n;

	(void)snprintf(to, sizeof(to), "%s/%s", folder, to_name);
	if (link(from, to) == 0)
		return;
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	cr_assert(in >= 0 && out >= 0, "%s: %s", from, strerror(errno));
	while ((n = read(in, block, sizeof(block))) > 0)
		cr_assert(write(out, block, (size_t)n) == n);
}

static void
begin(void)
{
	static const char *const roles[] = { "agent-runner-worker",
		"agent-runner-gateway", "agent-runner-scheduler", "agent-runner-fetch",
		"agent-runner-compute" };

	cr_assert(mkdtemp(folder) != NULL);
	cr_assert(chmod(folder, 0755) == 0);
	copy("agent-runnerd", "agent-runnerd");
	for (size_t i = 0; i < ARRAY_LEN(roles); i++)
		copy("fake_role", roles[i]);
	(void)snprintf(conf_path, sizeof(conf_path), "%s/conf", folder);
	(void)snprintf(log_path, sizeof(log_path), "%s/log", folder);
	(void)snprintf(program, sizeof(program), "%s/agent-runnerd", folder);
	(void)snprintf(socket_path, sizeof(socket_path), "%s/run/control.sock", folder);
}

static pid_t
pid_in_file(void)
{
	char path[128], text[32] = "";
	CLEANUP(closep) int fd = -1;

	(void)snprintf(path, sizeof(path), "%s/run/agent-runnerd.pid", folder);
	fd = open(path, O_RDONLY);
	return fd >= 0 && read(fd, text, sizeof(text) - 1) > 0
	    ? (pid_t)strtol(text, NULL, 10)
	    : -1;
}

static void
end(void)
{
	char command[128];
	pid_t background = pid_in_file();

	if (daemon_pid > 0) {
		(void)kill(daemon_pid, SIGKILL); /* its children die with it */
		(void)waitpid(daemon_pid, NULL, 0);
		if (background == daemon_pid)
			background = -1;
	}
	if (background > 1) /* a test of -D failed half-way */
		(void)kill(background, SIGKILL);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	(void)!system(command);
}

TestSuite(supervisor, .init = begin, .fini = end, .timeout = 120);

/* name: the behaviours; more: further settings of the service group; rest: other
 * groups. */
static void
configure(const char *name, const char *more, const char *rest)
{
	FILE *f = fopen(conf_path, "w");

	cr_assert(f != NULL);
	(void)fprintf(f,
	    "service: { name = \"x %s\"; user = \"daemon\"; compute_user = \"nobody\";\n"
	    "  run_dir = \"%s/run\"; state_dir = \"%s/state\"; %s };\n",
	    name, folder, folder, more);
	if (strstr(rest, "http") == NULL)
		(void)fprintf(f, "http: { listen = \"127.0.0.1:0\"; };\n");
	if (strstr(rest, "redis") == NULL)
		(void)fprintf(f, "redis: { url = \"unix:///nowhere\"; };\n");
	(void)fprintf(f, "%s\n", rest);
	cr_assert(fclose(f) == 0);
}

static pid_t
run(const char *const *arguments)
{
	char *argv[16] = { program, (char[]){ "-c" }, conf_path };
	pid_t parent = getpid(), pid = fork();
	int n = 3;

	if (pid != 0)
		return pid;
	for (; *arguments != NULL; arguments++)
		argv[n++] = strdup(*arguments);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(9);
	(void)dup2(open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0644), STDERR_FILENO);
	(void)dup2(STDERR_FILENO, STDOUT_FILENO);
	(void)execv(program, argv);
	_exit(9);
}

static int
wait_for_end(pid_t pid)
{
	int st;

	cr_assert(waitpid(pid, &st, 0) == pid);
	return WIFEXITED(st) ? WEXITSTATUS(st) : -WTERMSIG(st);
}

static int
run_to_end(const char *const *arguments)
{
	return wait_for_end(run(arguments));
}

static const char *const no_arguments[] = { "-v", NULL };

static void
start(void)
{
	daemon_pid = run(no_arguments);
}

static int
stop(int sig)
{
	pid_t pid = daemon_pid;

	daemon_pid = -1;
	cr_assert(kill(pid, sig) == 0);
	return wait_for_end(pid);
}

static const char *
log_text(void)
{
	static char text[1 << 20];
	CLEANUP(closep) int fd = open(log_path, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static bool
says(const char *words)
{
	return strstr(log_text(), words) != NULL;
}

/* Waits until the condition holds; status is fresh whenever it is asked. */
static bool
wait_until(bool (*holds)(const void *arg), const void *arg)
{
	uint64_t until_ms = clock_mono_ms() + PATIENCE_MS;

	do {
		if (control_status(socket_path, 1000, &status, NULL) < 0)
			memset(&status, 0, sizeof(status));
		if (holds(arg))
			return true;
		(void)poll(NULL, 0, 10);
	} while (clock_mono_ms() < until_ms);
	(void)fprintf(stderr, "%s", log_text());
	return false;
}

static const struct control_child *
child(enum role role, unsigned slot)
{
	for (unsigned i = 0; i < status.n_children; i++)
		if (status.children[i].role == role && status.children[i].slot == slot)
			return &status.children[i];
	return NULL;
}

static bool
all_live(const void *arg)
{
	unsigned live = 0;

	for (unsigned i = 0; i < status.n_children; i++)
		live += status.children[i].state == CHILD_LIVE &&
		    status.children[i].generation == status.generation;
	return live == *(const unsigned *)arg && live == status.n_children;
}

static bool
log_says(const void *words)
{
	return says(words);
}

static bool
worker_restarted(const void *arg)
{
	const struct control_child *c = child(ROLE_WORKER, 0);

	return c != NULL && c->restarts >= *(const unsigned *)arg;
}

static bool
reload_is_over(const void *arg)
{
	return status.pid != 0 && !status.is_reloading &&
	    status.reloads_ok + status.reloads_failed == *(const unsigned *)arg;
}

static const unsigned SIX = 6, FIVE = 5, ONE = 1, TWO = 2, THREE = 3, FOUR = 4;

Test(supervisor, starts_all_roles_and_ends_them_in_order)
{
	configure("", "workers = 2;", "");
	start();
	cr_assert(wait_until(all_live, &SIX));
	cr_expect_eq(status.generation, 1);
	cr_expect_eq(status.pid, daemon_pid);
	cr_expect_eq(status.is_unprivileged, geteuid() != 0);
	cr_expect_str_eq(status.version, PACKAGE_VERSION);
	cr_expect(child(ROLE_WORKER, 1)->pid > 0 && child(ROLE_WORKER, 1)->is_alive);
	cr_expect(wait_until(log_says, "lane to worker/1"));
	cr_expect(wait_until(log_says, "lane to compute/0"));
	cr_expect(wait_until(log_says, "lane to fetch/0"));
	cr_expect(wait_until(log_says, "live set: node"));
	cr_expect_eq(stop(SIGTERM), 0);
	cr_expect(access(socket_path, F_OK) < 0, "the socket is removed");
	cr_expect(strstr(strstr(log_text(), "worker/0["), "compute/0[") != NULL);
}

static uid_t
owner_of_process(pid_t pid)
{
	char path[64];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/%ld", (long)pid);
	return stat(path, &st) == 0 ? st.st_uid : (uid_t)-1;
}

static bool
field_of_process(pid_t pid, const char *line)
{
	char path[64], text[4096] = "";
	CLEANUP(closep) int fd = -1;

	(void)snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
	fd = open(path, O_RDONLY);
	return fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 &&
	    strstr(text, line) != NULL;
}

Test(supervisor, children_have_no_environment_and_no_privileges)
{
	char path[64], block[64];
	int fd;

	configure("", "workers = 1;", "");
	start();
	cr_assert(wait_until(all_live, &FIVE));
	for (unsigned i = 0; i < status.n_children; i++) {
		pid_t pid = status.children[i].pid;

		cr_expect(field_of_process(pid, "NoNewPrivs:\t1"));
		if (geteuid() == 0)
			cr_expect(field_of_process(pid, "CapEff:\t0000000000000000"));
#ifndef WITH_SANITIZERS
		cr_expect(field_of_process(pid, "Seccomp:\t2"));
#endif
		(void)snprintf(path, sizeof(path), "/proc/%ld/environ", (long)pid);
		fd = open(path, O_RDONLY);
		if (geteuid() == 0)
			cr_expect_eq(read(fd, block, sizeof(block)), 0);
		closep(&fd);
		(void)owner_of_process;
	}
}

Test(supervisor, a_crashing_worker_is_restarted_ever_more_slowly_and_its_job_is_named)
{
	configure("worker:crash", "workers = 1;", "");
	start();
	cr_assert(wait_until(worker_restarted, &FOUR));
	cr_expect(says("killed by signal 11"));
	cr_expect(says("starting again"));
	cr_expect(says("next start in 100 ms"));
	cr_expect(says("next start in 200 ms"));
	cr_expect(says("next start in 400 ms"));
	cr_expect(wait_until(log_says, "culprit job-1 signal 11"),
	    "the scheduler hears of it");
	cr_assert(control_metrics(socket_path, 1000, &metrics, NULL) == 0);
	cr_expect(metrics.restarts[ROLE_WORKER][SIGSEGV] >= 3);
	cr_expect_eq(stop(SIGTERM), 0);
}

static bool
is_paused(const void *arg)
{
	(void)arg;
	return status.paused_ms > 0;
}

Test(supervisor, job_after_job_that_crashes_makes_the_node_pause)
{
	configure("worker:storm", "workers = 2;", "");
	start();
	cr_assert(wait_until(is_paused, NULL));
	cr_expect(status.paused_ms > 20000);
	cr_expect(says("takes no jobs for 30 s"));
	cr_expect_eq(stop(SIGTERM), 0);
}

Test(supervisor, a_worker_that_ends_before_it_is_ready_backs_off_too)
{
	configure("worker:early", "workers = 1;", "");
	start();
	cr_assert(wait_until(worker_restarted, &THREE));
	cr_expect(says("ended with status 1"));
	cr_expect_eq(stop(SIGTERM), 0);
}

Test(supervisor, a_worker_that_asks_for_a_new_life_gets_it_at_once_and_its_counts_stay)
{
	unsigned cell = metric_info(METRIC_JOBS_DONE)->first_cell;

	configure("worker:renew", "workers = 1;", "");
	start();
	cr_assert(wait_until(worker_restarted, &THREE));
	cr_expect(!says("next start"));
	cr_assert(control_metrics(socket_path, 1000, &metrics, NULL) == 0);
	cr_expect(metrics.cells[cell] >= 3);
	cr_expect_eq(stop(SIGTERM), 0);
}

Test(supervisor, a_role_that_refuses_its_configuration_ends_the_start)
{
	configure("scheduler:refuse", "workers = 1;", "");
	cr_expect_eq(run_to_end(no_arguments), EXIT_STATUS_CONFIG);
	cr_expect(says("told to refuse"));
}

Test(supervisor, a_store_that_refuses_ends_the_start)
{
	configure("migrate:refuse", "", "");
	cr_expect_eq(run_to_end(no_arguments), EXIT_STATUS_CONFIG);
	cr_expect(says("result store: told to refuse"));
}

Test(supervisor, a_store_that_is_away_is_tried_again)
{
	configure("migrate:away", "", "");
	start();
	cr_assert(wait_until(log_says, "next try in 2000 ms"));
	cr_expect_eq(stop(SIGTERM), 0);
}

static const struct {
	const char *behaviour, *said;
} wrong_messages[] = {
	{ "worker:garbage", "sent a malformed message while" },
	{ "worker:twice", "sent READY while" },
};

Test(supervisor, a_wrong_message_costs_the_sender_its_life_only)
{
	for (size_t i = 0; i < ARRAY_LEN(wrong_messages); i++) {
		configure(wrong_messages[i].behaviour, "workers = 1;", "");
		start();
		cr_assert(wait_until(worker_restarted, &TWO));
		cr_expect(says(wrong_messages[i].said));
		cr_expect_eq(stop(SIGTERM), 0);
	}
}

Test(supervisor, jobs_that_do_not_finish_in_time_are_handed_back)
{
	uint64_t begun;

	configure("worker:busy", "workers = 1; shutdown_grace_sec = 1;", "");
	start();
	cr_assert(wait_until(all_live, &FIVE));
	begun = clock_mono_ms();
	cr_expect_eq(stop(SIGTERM), 0);
	cr_expect(clock_mono_ms() - begun >= 900);
	cr_expect(says("jobs handed back"));
}

Test(supervisor, a_second_request_to_stop_ends_the_grace)
{
	configure("worker:busy", "workers = 1; shutdown_grace_sec = 3600;", "");
	start();
	cr_assert(wait_until(all_live, &FIVE));
	cr_assert(kill(daemon_pid, SIGTERM) == 0);
	cr_assert(wait_until(log_says, "stopping: "));
	cr_expect_eq(stop(SIGTERM), 0);
	cr_expect(says("jobs handed back"));
}

Test(supervisor, sigquit_asks_nobody)
{
	configure("worker:busy", "workers = 1; shutdown_grace_sec = 3600;", "");
	start();
	cr_assert(wait_until(all_live, &FIVE));
	cr_expect_eq(stop(SIGQUIT), 0);
	cr_expect(!says("jobs handed back"));
}

Test(supervisor, a_stuck_job_costs_its_worker_its_life)
{
	configure("worker:stuck", "workers = 1;", "");
	start();
	cr_assert(wait_until(worker_restarted, &ONE));
	cr_expect(says("1 of 1 jobs past their deadline"));
	cr_expect(wait_until(log_says, "culprit job-1 signal 9"));
	cr_expect_eq(stop(SIGTERM), 0);
}

/* It waits for a server that is away: however long that takes, it is not stuck. */
Test(supervisor, a_job_that_waits_out_an_outage_is_not_stuck)
{
	configure("worker:paused", "workers = 1;", "");
	start();
	cr_assert(wait_until(all_live, &FIVE));
	(void)poll(NULL, 0, 2500); /* more than two looks of the watchdog */
	cr_expect(!says("past their deadline"));
	cr_expect_eq(stop(SIGTERM), 0);
}

Test(supervisor, a_silent_worker_leaves_the_live_set_and_is_replaced)
{
	configure("worker:silent", "workers = 1;", "queue: { lease_sec = 3; };");
	start();
	cr_assert(wait_until(worker_restarted, &ONE));
	cr_expect(says("no sign of life for a lease"));
	cr_expect_eq(stop(SIGQUIT), 0);
}

static bool
worker_is_lost(const void *arg)
{
	const struct control_child *c = child(ROLE_WORKER, 0);

	(void)arg;
	return c != NULL && !c->is_alive;
}

Test(supervisor, a_stopped_worker_is_not_live_after_the_lease)
{
	configure("", "workers = 1;", "queue: { lease_sec = 3; };");
	start();
	cr_assert(wait_until(all_live, &FIVE));
	cr_assert(kill(child(ROLE_WORKER, 0)->pid, SIGSTOP) == 0);
	cr_assert(wait_until(worker_is_lost, NULL));
	cr_expect_eq(stop(SIGQUIT), 0);
}

static void
reload(unsigned count)
{
	cr_assert(kill(daemon_pid, SIGHUP) == 0);
	cr_assert(wait_until(reload_is_over, &count));
}

Test(supervisor, an_unchanged_configuration_restarts_nothing)
{
	int32_t pid;

	configure("", "workers = 1;", "");
	start();
	cr_assert(wait_until(all_live, &FIVE));
	pid = child(ROLE_WORKER, 0)->pid;
	reload(1);
	cr_expect_str_eq(status.reload_text, "nothing has changed");
	cr_expect_eq(status.reload_result, 0);
	cr_expect_eq(status.generation, 1);
	cr_expect_eq(child(ROLE_WORKER, 0)->pid, pid);
	cr_expect_eq(stop(SIGTERM), 0);
}

Test(supervisor, a_reload_replaces_every_worker_and_keeps_busy_ones)
{
	configure("worker:busy", "workers = 1;", "");
	start();
	cr_assert(wait_until(all_live, &FIVE));
	configure("", "workers = 3;", "");
	reload(1);
	cr_expect_eq(status.reload_result, 0);
	cr_expect_eq(status.generation, 2);
	cr_expect_eq(child(ROLE_WORKER, 0)->state, CHILD_DRAINING, "has a job still");
	cr_expect_eq(child(ROLE_WORKER, 0)->generation, 1);
	cr_assert(kill(child(ROLE_WORKER, 0)->pid, SIGKILL) == 0);
	{
		static const unsigned seven = 7;

		cr_expect(wait_until(all_live, &seven), "the old generation is gone");
	}
	cr_expect_eq(stop(SIGTERM), 0);
}

Test(supervisor, a_secret_alone_is_a_change)
{
	configure("", "workers = 1;",
	    "llm: { providers = ( { name = \"a\"; api_key = \"one\"; } ); };");
	start();
	cr_assert(wait_until(all_live, &FIVE));
	configure("", "workers = 1;",
	    "llm: { providers = ( { name = \"a\"; api_key = \"two\"; } ); };");
	reload(1);
	cr_expect_eq(status.generation, 2);
	cr_expect_eq(stop(SIGTERM), 0);
	cr_expect(!says("\"one\"") && !says("\"two\""));
}

static const struct {
	const char *claim, *name, *more, *rest, *said;
} refused_reloads[] = {
	{ "a syntax error", "", "workers = = 3;", "", "conf:" },
	{ "an unknown key", "", "wrokers = 3;", "", "wrokers" },
	{ "an option that is fixed", "", "node = \"other\";", "", "service.node" },
	{ "a check that fails", "check:refuse", "workers = 1;", "", "told to refuse" },
	{ "a worker that refuses", "worker:refuse", "workers = 1;", "",
	    "told to refuse" },
	{ "a worker that dies", "worker:early", "workers = 1;", "", "worker/0" },
	{ "a compute that dies", "compute:early", "workers = 1;", "", "compute/0" },
};

Test(supervisor, a_refused_reload_changes_nothing_and_says_why)
{
	int32_t pid;

	configure("", "workers = 1;", "");
	start();
	cr_assert(wait_until(all_live, &FIVE));
	pid = child(ROLE_WORKER, 0)->pid;
	for (unsigned i = 0; i < ARRAY_LEN(refused_reloads); i++) {
		configure(refused_reloads[i].name, refused_reloads[i].more,
		    refused_reloads[i].rest);
		reload(i + 1);
		cr_expect_lt(status.reload_result, 0, "%s", refused_reloads[i].claim);
		cr_expect(strstr(status.reload_text, refused_reloads[i].said) != NULL,
		    "%s: %s", refused_reloads[i].claim, status.reload_text);
		cr_expect(wait_until(all_live, &FIVE), "%s", refused_reloads[i].claim);
		cr_expect_eq(child(ROLE_WORKER, 0)->pid, pid, "%s",
		    refused_reloads[i].claim);
		cr_expect_eq(status.generation, 1);
	}
	cr_expect_eq(stop(SIGTERM), 0);
}

Test(supervisor, control_socket_answers_reload_with_its_result)
{
	struct control_answer head;
	struct err err = ERR_INIT;

	configure("", "workers = 1;", "");
	start();
	cr_assert(wait_until(all_live, &FIVE));
	cr_expect_eq(control_ask(socket_path, CONTROL_PING, 1000, &head, NULL, 0, &err),
	    0);
	configure("check:refuse", "workers = 1;", "");
	cr_expect_eq(control_ask(socket_path, CONTROL_RELOAD, 10000, &head, NULL, 0,
			 &err),
	    -EINVAL);
	cr_expect(strstr(err.text, "first finding") != NULL, "%s", err.text);
	configure("", "workers = 2;", "");
	cr_expect_eq(control_ask(socket_path, CONTROL_RELOAD, 10000, &head, NULL, 0,
			 &err),
	    0);
	cr_expect(strstr(head.text, "generation") != NULL);
	cr_expect_eq(control_ask(socket_path, CONTROL_DRAIN, 1000, &head, NULL, 0,
			 &err),
	    0);
	cr_expect_eq(wait_for_end(daemon_pid), 0);
	daemon_pid = -1;
	cr_expect_eq(control_ask(socket_path, CONTROL_PING, 1000, &head, NULL, 0, &err),
	    -ENOENT);
	cr_expect(strstr(err.text, "not running") != NULL);
}

static int
drain_as_the_service(void)
{
	struct control_answer head;
	pid_t pid = fork();

	if (pid == 0) {
		int r;

		if (setgid(1) < 0 || setuid(1) < 0) /* daemon */
			_exit(200);
		r = control_ask(socket_path, CONTROL_PING, 1000, &head, NULL, 0, NULL);
		if (r == 0)
			r = control_ask(socket_path, CONTROL_DRAIN, 1000, &head, NULL,
			    0, NULL);
		_exit(r == -EPERM ? 0 : 1);
	}
	return wait_for_end(pid);
}

Test(supervisor, the_services_own_user_may_look_but_not_command)
{
	if (geteuid() != 0)
		cr_skip_test("needs two users");
	configure("", "workers = 1;", "");
	start();
	cr_assert(wait_until(all_live, &FIVE));
	cr_expect_eq(drain_as_the_service(), 0);
	cr_expect_eq(stop(SIGTERM), 0);
}

Test(supervisor, malformed_requests_lose_their_connection_only)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char block[64] = "x";
	int fd;

	configure("", "workers = 1;", "");
	start();
	cr_assert(wait_until(all_live, &FIVE));
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", socket_path);
	for (size_t len = 1; len < sizeof(block); len++) {
		fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
		cr_assert(connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
		cr_assert(send(fd, block, len, MSG_NOSIGNAL) == (ssize_t)len);
		cr_expect_eq(recv(fd, block, sizeof(block), 0), 0);
		(void)close(fd);
	}
	cr_expect(wait_until(all_live, &FIVE));
	cr_expect_eq(stop(SIGTERM), 0);
}

Test(supervisor, who_holds_connections_keeps_nobody_out)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct control_answer head;
	int held[200], n_cut = 0;

	configure("", "workers = 1;", "");
	start();
	cr_assert(wait_until(all_live, &FIVE));
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", socket_path);
	for (size_t i = 0; i < ARRAY_LEN(held); i++) {
		held[i] = socket(AF_UNIX, SOCK_SEQPACKET, 0);
		cr_assert(
		    connect(held[i], (struct sockaddr *)&addr, sizeof(addr)) == 0);
	}
	cr_expect_eq(control_ask(socket_path, CONTROL_PING, PATIENCE_MS, &head, NULL, 0,
			 NULL),
	    0);
	for (size_t i = 0; i < ARRAY_LEN(held); i++) {
		char byte;

		n_cut += recv(held[i], &byte, 1, MSG_DONTWAIT) == 0;
		(void)close(held[i]);
	}
	cr_expect_eq(n_cut, (int)ARRAY_LEN(held) - 63, "only as many as need be");
	cr_expect_eq(stop(SIGTERM), 0);
}

Test(supervisor, checks_and_shows_its_configuration)
{
	static const char *const
	    test[] = { "-t", NULL },
	    *const dump[] = { "-T", NULL }, *const version[] = { "-V", NULL },
	    *const wrong[] = { "--wrong", NULL }, *const help[] = { "--help", NULL };

	configure("", "",
	    "llm: { providers = ( { name = \"a\"; api_key = \"hidden\"; } ); };");
	cr_expect_eq(run_to_end(test), 0);
	cr_expect(says("configuration ok"));
	cr_expect_eq(run_to_end(dump), 0);
	cr_expect(says("lease_sec = 30") && says("********") && !says("hidden"));
	cr_expect_eq(run_to_end(version), 0);
	cr_expect(says("agent-runnerd " PACKAGE_VERSION));
	cr_expect_eq(run_to_end(help), 0);
	cr_expect(says("--pid-file"));
	cr_expect_eq(run_to_end(wrong), EXIT_STATUS_USAGE);
	configure("check:refuse", "", "");
	cr_expect_eq(run_to_end(test), EXIT_STATUS_CONFIG);
	cr_expect(says("first finding\ntold to refuse\n"));
	configure("", "wrokers = 1;", "");
	cr_expect_eq(run_to_end(test), EXIT_STATUS_CONFIG);
	cr_expect(says("conf:2: service.wrokers"), "%s", log_text());
	(void)unlink(conf_path);
	cr_expect_eq(run_to_end(test), EXIT_STATUS_CONFIG);
}

/* Each long option of --help has its place in the manual page. */
Test(supervisor, every_option_is_in_the_manual)
{
	static const char *const help[] = { "--help", NULL };
	const char *srcdir = getenv("srcdir");
	char path[PATH_MAX], page[32768] = "";
	const char *text;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/man/agent-runnerd.8",
	    srcdir != NULL ? srcdir : SOURCE_DIR);
	fd = open(path, O_RDONLY);
	cr_assert(fd >= 0 && read(fd, page, sizeof(page) - 1) > 0, "%s", path);
	closep(&fd);
	configure("", "", "");
	cr_assert_eq(run_to_end(help), 0);
	text = log_text();
	for (const char *at = strstr(text, ", --"); at != NULL;
	     at = strstr(at + 1, ", --")) {
		char words[64];

		(void)snprintf(words, sizeof(words), "Fl -%.*s",
		    (int)strcspn(at + 4, " "), at + 4);
		cr_expect(strstr(page, words) != NULL, "%s", words);
	}
}

static bool
is_gone(const void *arg)
{
	return kill(*(const pid_t *)arg, 0) < 0;
}

Test(supervisor, in_the_background_only_when_ready)
{
	static const char *const background[] = { "-D", NULL };
	pid_t pid;

	(void)prctl(PR_SET_CHILD_SUBREAPER, 1); /* so that nothing outlives this test */
	configure("", "workers = 1;", "");
	cr_assert_eq(run_to_end(background), 0);
	cr_expect(control_status(socket_path, 1000, &status, NULL) == 0);
	cr_expect(all_live(&FIVE), "it returned before all were ready");
	pid = pid_in_file();
	cr_assert(pid > 1 && pid == status.pid);
	cr_expect_eq(run_to_end(background), EXIT_STATUS_FAILURE,
	    "one daemon at a time");
	cr_expect(says("running already"));
	cr_assert(kill(pid, SIGTERM) == 0);
	cr_expect_eq(wait_for_end(pid), 0);
	cr_expect(wait_until(is_gone, &pid));
	cr_expect(pid_in_file() == -1, "the pid file is removed");
	configure("worker:refuse", "workers = 1;", "");
	cr_expect_eq(run_to_end(background), EXIT_STATUS_CONFIG);
	cr_expect(says("agent-runnerd: worker/0: told to refuse"), "%s", log_text());
}

Test(supervisor, tells_the_service_manager)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	CLEANUP(closep) int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	CLEANUP_BUF struct buf heard = BUF_INIT;
	char block[256];
	ssize_t n;

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/notify", folder);
	cr_assert(bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	(void)setenv("NOTIFY_SOCKET", addr.sun_path, 1);
	(void)setenv("WATCHDOG_USEC", "200000", 1);
	configure("", "workers = 1;", "");
	start();
	cr_assert(wait_until(all_live, &FIVE));
	reload(1);
	(void)poll(NULL, 0, 300);
	cr_expect_eq(stop(SIGTERM), 0);
	while ((n = recv(fd, block, sizeof(block), MSG_DONTWAIT)) > 0)
		buf_add(&heard, block, (size_t)n);
	cr_expect(strstr(buf_str(&heard), "READY=1") != NULL);
	cr_expect(strstr(buf_str(&heard), "RELOADING=1\nMONOTONIC_USEC=") != NULL);
	cr_expect(strstr(buf_str(&heard), "WATCHDOG=1") != NULL);
	cr_expect(strstr(buf_str(&heard), "STOPPING=1") != NULL);
}

Test(supervisor, logs_go_to_a_file_that_is_reopened)
{
	char more[256], path[128], rotated[140];

	(void)snprintf(path, sizeof(path), "%s/service.log", folder);
	(void)snprintf(rotated, sizeof(rotated), "%s.1", path);
	(void)snprintf(more, sizeof(more),
	    "workers = 1; log = { target = \"file:%s\"; format = \"json\"; };", path);
	configure("", more, "");
	start();
	cr_assert(wait_until(all_live, &FIVE));
	cr_assert(rename(path, rotated) == 0);
	cr_assert(kill(daemon_pid, SIGUSR1) == 0);
	cr_expect_eq(stop(SIGTERM), 0);
	cr_expect(access(path, F_OK) == 0);
}

Test(supervisor, former_boots_are_remembered)
{
	char path[128], text[512] = "", first[32] = "";
	int fd;

	configure("", "workers = 1;", "");
	(void)snprintf(path, sizeof(path), "%s/state/boot", folder);
	for (int i = 0; i < 3; i++) {
		start();
		cr_assert(wait_until(all_live, &FIVE));
		if (i == 0)
			(void)snprintf(first, sizeof(first), "%.16s", status.boot);
		else
			cr_expect(wait_until(log_says, "former "));
		cr_expect_eq(stop(SIGQUIT), 0);
	}
	fd = open(path, O_RDONLY);
	cr_assert(fd >= 0 && read(fd, text, sizeof(text) - 1) == 3 * 17);
	closep(&fd);
	cr_expect(strstr(text, first) == text + 2 * 17);
}

static bool
redis_is_back(const void *arg)
{
	const struct control_child *c = child(ROLE_REDIS, 0);

	return c != NULL && c->state == CHILD_LIVE && c->pid != *(const int32_t *)arg;
}

Test(supervisor, the_private_redis_is_started_first_restarted_and_stopped_last)
{
	int32_t pid;

	if (access("/usr/bin/redis-server", X_OK) < 0)
		cr_skip_test("no redis-server here");
	configure("", "workers = 1;", "redis: { url = \"embedded\"; };");
	start();
	cr_assert(wait_until(all_live, &SIX));
	cr_expect_eq(status.children[0].role, ROLE_REDIS);
	pid = child(ROLE_REDIS, 0)->pid;
	cr_assert(kill(pid, SIGKILL) == 0);
	cr_expect(wait_until(redis_is_back, &pid));
	configure("", "workers = 2;", "redis: { url = \"embedded\"; };");
	pid = child(ROLE_REDIS, 0)->pid;
	reload(1);
	cr_expect_eq(status.generation, 2);
	cr_expect_eq(child(ROLE_REDIS, 0)->pid, pid, "a reload leaves it alone");
	cr_expect_eq(stop(SIGTERM), 0);
	cr_expect(strstr(strstr(log_text(), "stopping:"), "redis/0[") >
	    strstr(strstr(log_text(), "stopping:"), "scheduler/0["));
}

/* What it says to one command of one word. */
static void
ask_redis(const char *command, char *answer, size_t size)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	CLEANUP(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ssize_t n;

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/run/redis.sock",
	    folder);
	cr_assert(connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0, "%s: %s",
	    addr.sun_path, strerror(errno));
	cr_assert(dprintf(fd, "%s\r\n", command) > 0);
	n = read(fd, answer, size - 1);
	cr_assert(n > 0);
	answer[n] = '\0';
}

Test(supervisor, the_private_redis_opens_no_way_out_of_the_sandbox)
{
	static const char *const left_out[] = { "MODULE LIST", "DEBUG JMAP",
		"REPLICAOF 127.0.0.1 1", "SLAVEOF 127.0.0.1 1",
		"MIGRATE 127.0.0.1 1 key 0 1" };
	char answer[512];

	if (access("/usr/bin/redis-server", X_OK) < 0)
		cr_skip_test("no redis-server here");
	configure("", "workers = 1;", "redis: { url = \"embedded\"; };");
	start();
	cr_assert(wait_until(all_live, &SIX));
	for (size_t i = 0; i < ARRAY_LEN(left_out); i++) {
		ask_redis(left_out[i], answer, sizeof(answer));
		cr_expect(strncmp(answer, "-ERR unknown command", 20) == 0, "%s: %s",
		    left_out[i], answer);
	}
	ask_redis("PING", answer, sizeof(answer));
	cr_expect_str_eq(answer, "+PONG\r\n");
	cr_expect_eq(stop(SIGTERM), 0);
}

Test(supervisor, children_do_not_outlive_a_killed_daemon)
{
	pid_t worker;

	configure("", "workers = 1;", "");
	start();
	cr_assert(wait_until(all_live, &FIVE));
	worker = child(ROLE_WORKER, 0)->pid;
	cr_expect_eq(stop(SIGKILL), -SIGKILL);
	cr_expect(wait_until(is_gone, &worker));
}

Test(supervisor, as_root_it_wants_its_users)
{
	FILE *f;

	if (geteuid() != 0)
		cr_skip_test("needs root");
	f = fopen(conf_path, "w");
	cr_assert(f != NULL);
	(void)fprintf(f,
	    "service: { user = \"no-such-user\"; run_dir = \"%s/run\"; state_dir = "
	    "\"%s/state\"; };",
	    folder, folder);
	(void)fclose(f);
	cr_expect_eq(run_to_end(no_arguments), EXIT_STATUS_CONFIG);
	cr_expect(says("there is no user \"no-such-user\"; make it with: useradd"));
}
