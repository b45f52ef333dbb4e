/* SPDX-License-Identifier: MIT */
/*
 * harness.c - a private directory, the servers around the daemon, and the daemon's
 * life.
 *
 * Owns:   the directory, every program it started, the guard that cleans up after us.
 * Called: by end-to-end tests and benches.
 * Fails:  through harness_fail, with the last words of all programs.
 */
#include "config.h"

#include "tests/support/harness.h"

#include "common/clock.h"
#include "tests/support/harness_private.h"
#include "tests/support/http_client.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

enum {
	LAST_WORDS = 6000,
	STOP_EXTRA_MS = 10000
};

static void
abort_with(const char *text)
{
	(void)fprintf(stderr, "%s\n", text);
	abort();
}

void (*harness_on_failure)(const char *text) = abort_with;

void
harness_sleep(unsigned ms)
{
	struct timespec t = { .tv_sec = ms / 1000,
		.tv_nsec = (long)(ms % 1000) * 1000000 };

	(void)nanosleep(&t, NULL);
}

/* ---- failing ---- */

static void
add_words(struct buf *text, const struct proc *p)
{
	char how[80];

	if (p->name[0] == '\0')
		return;
	proc_describe(p, how, sizeof(how));
	buf_addf(text, "\n--- %s %s; its last words:\n", p->name, how);
	proc_output(p, text, LAST_WORDS);
}

static void
add_file(struct buf *text, const char *path)
{
	CLEANUP(fclosep) FILE *f = fopen(path, "re");
	char line[1024];

	if (f == NULL)
		return;
	buf_addf(text, "\n--- %s:\n", path);
	while (fgets(line, sizeof(line), f) != NULL)
		buf_adds(text, line);
}

void
harness_fail(struct harness *h, const char *fmt, ...)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	char why[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	(void)proc_has_ended(&h->daemon);
	add_file(&text, h->conf);
	add_words(&text, &h->data);
	add_words(&text, &h->llm);
	add_words(&text, &h->redis_proxy);
	add_words(&text, &h->daemon);
	(void)fprintf(stderr, "%s\n\n*** %s\n", buf_str(&text), why);
	(void)fflush(stderr);
	proc_kill(&h->daemon);
	harness_on_failure(why);
	abort();
}

/* ---- the directory and its guard ---- */

static int
remove_entry(const char *path, const struct stat *st UNUSED, int flag UNUSED,
    struct FTW *ftw UNUSED)
{
	(void)remove(path);
	return 0;
}

static void
remove_dir(const char *dir)
{
	if (getenv("AGENT_RUNNER_KEEP") == NULL)
		(void)nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/*
 * A process that waits for our end and removes the directory: a test that is killed
 * leaves nothing behind either. It holds no other descriptor, so nobody waits for it.
 */
static int
start_guard(const char *dir)
{
	int fds[2];
	pid_t pid;
	char c;

	if (pipe2(fds, O_CLOEXEC) != 0)
		return -1;
	pid = fork();
	if (pid < 0)
		return -1;
	if (pid > 0) {
		(void)close(fds[0]);
		(void)waitpid(pid, NULL, 0);
		return fds[1];
	}
	if (fork() != 0)
		_exit(0); /* the guard itself is nobody's child */
	(void)setsid();
	(void)dup2(fds[0], 0);
	(void)close_range(1, ~0U, 0);
	while (read(0, &c, 1) < 0 && errno == EINTR)
		;
	remove_dir(dir);
	_exit(0);
}

static void
find_build(struct harness *h)
{
	const char *given = getenv("AGENT_RUNNER_BUILD");
	char path[PROC_PATH_MAX + 32], *slash;
	ssize_t n;

	if (given != NULL) {
		(void)snprintf(h->build, sizeof(h->build), "%s", given);
		return;
	}
	n = readlink("/proc/self/exe", h->build, sizeof(h->build) - 1);
	h->build[n > 0 ? n : 0] = '\0';
	while ((slash = strrchr(h->build, '/')) != NULL) {
		*slash = '\0';
		(void)snprintf(path, sizeof(path), "%s/llm-stub", h->build);
		if (access(path, X_OK) == 0)
			return;
	}
	harness_fail(h, "the build directory was not found: set AGENT_RUNNER_BUILD");
}

static void
make_path(struct harness *h, const char *name, char *out, size_t max)
{
	int n = snprintf(out, max, "%s/%s", h->dir, name);

	ASSERT(n > 0 && (size_t)n < max);
}

/* When root runs the test, the daemon gives its processes to this user. */
static const struct passwd *
ordinary_user(void)
{
	return geteuid() == 0 ? getpwnam("nobody") : NULL;
}

static void
make_dir(struct harness *h)
{
	static const char *const names[] = { "run", "state", "agents.d" };
	const struct passwd *pw = ordinary_user();
	char path[PROC_PATH_MAX];

	(void)snprintf(h->dir, sizeof(h->dir), "/tmp/agent-runner-XXXXXX");
	if (mkdtemp(h->dir) == NULL)
		harness_fail(h, "no directory in /tmp: %s", strerror(errno));
	(void)chmod(h->dir, 0755);
	h->guard_fd = start_guard(h->dir);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		make_path(h, names[i], path, sizeof(path));
		if (mkdir(path, 0755) != 0 ||
		    (pw != NULL && chown(path, pw->pw_uid, pw->pw_gid) != 0))
			harness_fail(h, "%s: %s", path, strerror(errno));
	}
	make_path(h, "agent-runner.conf", h->conf, sizeof(h->conf));
}

/* ---- settings ---- */

static void
default_settings(struct harness *h)
{
	struct settings *s = &h->settings;
	const struct passwd *pw = ordinary_user();

	settings_set(s, "service.node", "\"test\"");
	settings_set(s, "service.workers", "2");
	settings_set(s, "service.jobs_per_worker", "8");
	settings_set(s, "service.shutdown_grace_sec", "10");
	settings_setf(s, "service.run_dir", "\"%s/run\"", h->dir);
	settings_setf(s, "service.state_dir", "\"%s/state\"", h->dir);
	settings_set(s, "service.log.level", "\"debug\"");
	settings_set(s, "database.url", "\"sqlite\"");
	settings_setf(s, "agents_dir", "\"%s/agents.d\"", h->dir);
	if (pw != NULL) {
		settings_setf(s, "service.user", "\"%s\"", pw->pw_name);
		settings_setf(s, "service.compute_user", "\"%s\"", pw->pw_name);
	}
}

struct harness *
harness_new(void)
{
	struct harness *h = calloc(1, sizeof(*h));

	ASSERT(h != NULL);
	(void)signal(SIGPIPE, SIG_IGN); /* cut connections are what tests are about */
	h->guard_fd = -1;
	h->llm_timeout_sec = 10;
	h->arena = arena_new(0);
	ASSERT(h->arena != NULL);
	find_build(h);
	make_dir(h);
	default_settings(h);
	return h;
}

void
harness_free(struct harness *h)
{
	if (h == NULL)
		return;
	proc_kill(&h->daemon);
	proc_kill(&h->llm);
	proc_kill(&h->data);
	proc_kill(&h->redis_proxy);
	if (h->redis != NULL)
		redisFree(h->redis);
	redis_server_stop(h->redis_server);
	postgres_server_free(h->postgres);
	settings_release(&h->settings);
	arena_free(h->arena);
	remove_dir(h->dir);
	closep(&h->guard_fd);
	free(h);
}

void
harness_freep(struct harness **h)
{
	harness_free(*h);
}

void
harness_use_postgres(struct harness *h)
{
	h->uses_postgres = true;
}

void
harness_use_embedded_redis(struct harness *h)
{
	h->uses_embedded_redis = true;
}

void
harness_use_redis_proxy(struct harness *h)
{
	h->uses_redis_proxy = true;
}

void
harness_redis_arg(struct harness *h, const char *arg)
{
	ASSERT(h->n_redis_args < HARNESS_ENV_MAX);
	h->redis_args[h->n_redis_args++] = arg;
}

void
harness_talk_to(struct harness *h, const char *redis_socket)
{
	if (h->redis != NULL)
		redisFree(h->redis);
	h->redis = NULL;
	(void)snprintf(h->redis_socket, sizeof(h->redis_socket), "%s", redis_socket);
}

void
harness_use_servers_of(struct harness *h, struct harness *other)
{
	static const char *const shared[] = { "redis.url", "database.url",
		"llm.providers", "network.allow_private", "queue.lease_sec" };

	h->borrows_servers = true;
	for (size_t i = 0; i < ARRAY_LEN(shared); i++) {
		const char *value = settings_get(&other->settings, shared[i]);

		if (value != NULL)
			harness_set(h, shared[i], "%s", value);
	}
	memcpy(h->redis_socket, other->redis_socket, sizeof(h->redis_socket));
	memcpy(h->database_url, other->database_url, sizeof(h->database_url));
	memcpy(h->llm_address, other->llm_address, sizeof(h->llm_address));
	memcpy(h->data_api, other->data_api, sizeof(h->data_api));
}

void
harness_set(struct harness *h, const char *path, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	settings_vsetf(&h->settings, path, fmt, ap);
	va_end(ap);
}

void
harness_unset(struct harness *h, const char *path)
{
	settings_set(&h->settings, path, NULL);
}

const char *
harness_setting(struct harness *h, const char *path)
{
	const char *value = settings_get(&h->settings, path);

	return value != NULL ? value : "";
}

/* An ordinary user may not be able to enter the build tree: it gets copies that it can
   run, and the daemon finds its roles beside itself. */
static void
copy_programs(struct harness *h)
{
	static const char *const names[] = { "agent-runnerd", "agent-runner-worker",
		"agent-runner-compute", "agent-runner-fetch", "agent-runner-scheduler",
		"agent-runner-gateway" };
	char command[2 * PROC_PATH_MAX];

	(void)snprintf(h->bin, sizeof(h->bin), "%.300s/bin", h->dir);
	if (mkdir(h->bin, 0755) < 0)
		harness_fail(h, "%s: %s", h->bin, strerror(errno));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		(void)snprintf(command, sizeof(command), "cp '%.400s/%s' '%s/%s'",
		    h->build, names[i], h->bin, names[i]);
		if (system(command) != 0)
			harness_fail(h, "cannot copy %s", names[i]);
	}
	(void)snprintf(h->daemon_copy, sizeof(h->daemon_copy), "%.300s/%s", h->bin,
	    names[0]);
}

void
harness_unprivileged(struct harness *h)
{
	h->is_unprivileged = true;
	copy_programs(h);
}

void
harness_wrap(struct harness *h, const char *const *argv)
{
	h->wrapper = argv;
}

void
harness_env(struct harness *h, const char *assignment)
{
	ASSERT(h->n_env < HARNESS_ENV_MAX);
	h->env[h->n_env++] = assignment;
}

void
harness_llm_arg(struct harness *h, const char *arg)
{
	ASSERT(h->n_llm_args < HARNESS_ENV_MAX);
	h->llm_args[h->n_llm_args++] = arg;
}

void
harness_llm_timeout(struct harness *h, unsigned seconds)
{
	h->llm_timeout_sec = seconds;
}

void
harness_llm_no_log(struct harness *h)
{
	h->llm_is_silent = true;
}

void
harness_write_file(struct harness *h, const char *name, const char *text)
{
	char path[PROC_PATH_MAX];
	FILE *f;

	make_path(h, name, path, sizeof(path));
	f = fopen(path, "we");
	if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0)
		harness_fail(h, "cannot write %s: %s", path, strerror(errno));
	(void)chmod(path, 0644);
}

void
harness_write_conf(struct harness *h)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	settings_write(&h->settings, &text);
	harness_write_file(h, "agent-runner.conf", buf_str(&text));
}

/* ---- the servers ---- */

const char *
harness_program(struct harness *h, const char *name)
{
	char *out = h->programs[h->n_programs++ % HARNESS_PROGRAM_MAX];

	(void)snprintf(out, PROC_PATH_MAX, "%.400s/%s", h->build, name);
	return out;
}

static void
start_standin(struct harness *h, struct proc *p, const char *name, const char **args,
    char *address, size_t max)
{
	char *argv[32] = { NULL };
	struct err err = ERR_INIT;
	size_t n = 0;

	argv[n++] = (char *)(uintptr_t)harness_program(h, name);
	for (size_t i = 0; args[i] != NULL && n + 1 < ARRAY_LEN(argv); i++)
		argv[n++] = (char *)(uintptr_t)args[i];
	if (proc_start(p, h->dir, name, argv, NULL, &err) < 0 ||
	    proc_wait_line(p, "listening ", address, max, HARNESS_WAIT_MS, &err) < 0)
		harness_fail(h, "%s", err_text(&err));
}

static void
start_data_api(struct harness *h)
{
	const char *args[] = { "--port", "0", NULL };
	char address[64];

	start_standin(h, &h->data, "data-api", args, address, sizeof(address));
	(void)snprintf(h->data_api, sizeof(h->data_api), "http://%s", address);
	if (settings_get(&h->settings, "network.allow_private") == NULL)
		harness_set(h, "network.allow_private", "( \"%s\" )", address);
}

static void
start_llm(struct harness *h)
{
	char log[PROC_PATH_MAX];
	const char *colon = strchr(h->llm_address, ':'); /* it ran before: as it was */
	char port[16];
	const char *args[HARNESS_ENV_MAX + 12] = { "--port", port, "--data-api",
		h->data_api };
	size_t n = 4;

	(void)snprintf(port, sizeof(port), "%s", colon != NULL ? colon + 1 : "0");

	make_path(h, "llm.log", log, sizeof(log));
	if (!h->llm_is_silent) {
		args[n++] = "--log-bodies";
		args[n++] = "--log";
		args[n++] = log;
	}
	for (size_t i = 0; i < h->n_llm_args; i++)
		args[n++] = h->llm_args[i];
	start_standin(h, &h->llm, "llm-stub", args, h->llm_address,
	    sizeof(h->llm_address));
	if (settings_get(&h->settings, "llm.providers") == NULL)
		harness_set(h, "llm.providers",
		    "( { name = \"stub\"; type = \"openai\"; base_url = \"http://%s/v1\"; "
		    "api_key = \"sk-test-0123456789\"; model = \"scripted\"; "
		    "timeout_sec = %u; price_input = 1.0; price_output = 2.0; } )",
		    h->llm_address, h->llm_timeout_sec);
}

void
harness_llm_kill(struct harness *h)
{
	proc_kill(&h->llm);
	(void)unlink(h->llm.output); /* the next one's first words are waited for */
}

void
harness_llm_restart(struct harness *h)
{
	start_llm(h);
}

static void
start_redis_proxy(struct harness *h)
{
	const char *args[] = { "--listen", NULL, "--redis", h->redis_socket,
		"--control", NULL, NULL };
	char listen_path[PROC_PATH_MAX], control[PROC_PATH_MAX], line[64];

	make_path(h, "proxy.sock", listen_path, sizeof(listen_path));
	make_path(h, "proxy.control", control, sizeof(control));
	args[1] = listen_path;
	args[5] = control;
	start_standin(h, &h->redis_proxy, "redis-proxy", args, line, sizeof(line));
	harness_set(h, "redis.url", "\"unix://%s\"", listen_path);
}

static void
start_redis(struct harness *h)
{
	const char *extra[HARNESS_ENV_MAX + 8] = { "--appendonly", "yes",
		"--appendfsync", "always", "--unixsocketperm", "777" };

	if (h->uses_embedded_redis) {
		make_path(h, "run/redis.sock", h->redis_socket,
		    sizeof(h->redis_socket));
		harness_set(h, "redis.url", "\"embedded\"");
		return;
	}
	memcpy(extra + 6, h->redis_args, sizeof(h->redis_args));
	(void)setenv("TMPDIR", h->dir, 1); /* so that it goes with our directory */
	h->redis_server = redis_server_start(extra);
	(void)unsetenv("TMPDIR");
	if (h->redis_server == NULL)
		harness_fail(h, "redis-server did not start");
	(void)chmod(redis_server_dir(h->redis_server), 0755);
	(void)snprintf(h->redis_socket, sizeof(h->redis_socket), "%s",
	    redis_server_socket(h->redis_server));
	if (h->uses_redis_proxy)
		start_redis_proxy(h);
	else if (settings_get(&h->settings, "redis.url") == NULL)
		harness_set(h, "redis.url", "\"%s\"",
		    redis_server_url(h->redis_server));
}

static void
start_database(struct harness *h)
{
	char url[POSTGRES_URL_MAX];
	struct err err = ERR_INIT;

	if (!h->uses_postgres) {
		(void)snprintf(h->database_url, sizeof(h->database_url),
		    "sqlite:%s/state/agent-runner.db", h->dir);
		return;
	}
	if (postgres_server_new_below(h->dir, &h->postgres, &err) < 0 ||
	    postgres_database_new(postgres_server_dir(h->postgres), url, &err) < 0)
		harness_fail(h, "%s", err_text(&err));
	(void)snprintf(h->database_url, sizeof(h->database_url), "%s", url);
	harness_set(h, "database.url", "\"%s\"", url);
}

/* A port that was free a moment ago; the kernel does not give it out again soon. */
static void
choose_http(struct harness *h)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	CLEANUP(closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(sa);

	if (settings_get(&h->settings, "http.listen") != NULL)
		return;
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0 ||
	    getsockname(fd, (struct sockaddr *)&sa, &len) != 0)
		harness_fail(h, "no free port: %s", strerror(errno));
	(void)snprintf(h->http, sizeof(h->http), "127.0.0.1:%u", ntohs(sa.sin_port));
	harness_set(h, "http.listen", "\"%s\"", h->http);
}

void
harness_servers(struct harness *h)
{
	if (!h->borrows_servers) {
		start_data_api(h);
		start_llm(h);
		start_redis(h);
		start_database(h);
	}
	choose_http(h);
	harness_write_conf(h);
}

/* ---- the daemon ---- */

void
harness_launch(struct harness *h)
{
	const char *argv[24];
	const struct passwd *pw = h->is_unprivileged ? ordinary_user() : NULL;
	struct proc_options options = { .env = h->env,
		.uid = pw != NULL ? pw->pw_uid : 0,
		.gid = pw != NULL ? pw->pw_gid : 0 };
	size_t n = 0;
	struct err err = ERR_INIT;
	char name[32];

	for (; h->wrapper != NULL && h->wrapper[n] != NULL; n++)
		argv[n] = h->wrapper[n];
	argv[n++] =
	    h->bin[0] != '\0' ? h->daemon_copy : harness_program(h, "agent-runnerd");
	argv[n++] = "-c";
	argv[n++] = h->conf;
	argv[n] = NULL;
	(void)snprintf(name, sizeof(name), "agent-runnerd.%u", ++h->n_runs);
	h->is_told_to_end = false;
	if (proc_start(&h->daemon, h->dir, name, (char *const *)(uintptr_t)argv,
		&options, &err) < 0)
		harness_fail(h, "%s", err_text(&err));
}

bool
harness_is_ready(struct harness *h)
{
	return http_get(h->http, "/health?ready=1", NULL, NULL) == 200;
}

void
harness_wait_ready(struct harness *h)
{
	uint64_t until = clock_mono_ms() + HARNESS_WAIT_MS;
	CLEANUP_BUF struct buf last = BUF_INIT;

	while (!harness_is_ready(h)) {
		char how[80];

		if (proc_has_ended(&h->daemon)) {
			proc_describe(&h->daemon, how, sizeof(how));
			harness_fail(h, "agent-runnerd %s before it was ready", how);
		}
		if (clock_mono_ms() > until) {
			(void)http_get(h->http, "/health?ready=1", &last, NULL);
			harness_fail(h, "agent-runnerd is not ready: %s",
			    buf_str(&last));
		}
		harness_sleep(5);
	}
}

void
harness_daemon(struct harness *h)
{
	harness_launch(h);
	harness_wait_ready(h);
}

void
harness_start(struct harness *h)
{
	harness_servers(h);
	harness_daemon(h);
}

void
harness_signal(struct harness *h, int signal)
{
	if (h->daemon.pid == 0 || kill(h->daemon.pid, signal) != 0)
		harness_fail(h, "no daemon to send signal %d to", signal);
	if (signal == SIGTERM || signal == SIGINT || signal == SIGQUIT)
		h->is_told_to_end = true;
}

static void
expect_gone(struct harness *h, const struct process *list, size_t n)
{
	uint64_t until = clock_mono_ms() + STOP_EXTRA_MS;

	for (size_t i = 0; i < n; i++)
		while (process_lives(&list[i])) {
			if (clock_mono_ms() > until)
				harness_fail(h, "%s %d (pid %d) outlived the daemon",
				    list[i].role, list[i].slot, (int)list[i].pid);
			harness_sleep(2);
		}
}

void
harness_stop(struct harness *h)
{
	static struct process list[PROCESSES_MAX];
	const char *grace = settings_get(&h->settings, "service.shutdown_grace_sec");
	uint64_t wait_ms = (uint64_t)atoi(grace != NULL ? grace : "30") * 1000;
	size_t n = 0;
	int status;

	if (proc_has_ended(&h->daemon)) {
		if (!h->is_told_to_end)
			harness_fail(h, "agent-runnerd ended before it was told to");
		status = h->daemon.status;
	} else {
		n = processes_below(h->daemon.pid, list);
		status = proc_stop(&h->daemon, SIGTERM, wait_ms + STOP_EXTRA_MS);
	}
	if (status == -ETIMEDOUT)
		harness_fail(h, "agent-runnerd did not stop");
	if (status != 0) {
		char how[80];

		proc_describe(&h->daemon, how, sizeof(how));
		harness_fail(h, "agent-runnerd was told to stop and %s", how);
	}
	expect_gone(h, list, n);
}

void
harness_crash(struct harness *h)
{
	static struct process list[PROCESSES_MAX];
	size_t n = processes_below(h->daemon.pid, list);

	(void)kill(h->daemon.pid, SIGKILL);
	(void)proc_wait(&h->daemon, HARNESS_WAIT_MS);
	expect_gone(h, list, n);
}

struct proc *
harness_proc(struct harness *h)
{
	return &h->daemon;
}

bool
harness_log_has(struct harness *h, const char *text)
{
	CLEANUP_BUF struct buf words = BUF_INIT;

	proc_output(&h->daemon, &words, 16 * 1024 * 1024);
	return strstr(buf_str(&words), text) != NULL;
}

void
harness_wait_log(struct harness *h, const char *text)
{
	uint64_t until = clock_mono_ms() + HARNESS_WAIT_MS;

	while (!harness_log_has(h, text)) {
		if (clock_mono_ms() > until)
			harness_fail(h, "agent-runnerd never said '%s'", text);
		harness_sleep(5);
	}
}

/* ---- children ---- */

size_t
harness_children(struct harness *h, struct process out[PROCESSES_MAX])
{
	return h->daemon.pid == 0 ? 0 : processes_below(h->daemon.pid, out);
}

bool
harness_find_child(struct harness *h, const char *role, int slot, struct process *out)
{
	static struct process list[PROCESSES_MAX];
	size_t n = harness_children(h, list);

	for (size_t i = 0; i < n; i++)
		if (list[i].parent == h->daemon.pid &&
		    strcmp(list[i].role, role) == 0 &&
		    (slot < 0 || list[i].slot == slot)) {
			*out = list[i];
			return true;
		}
	return false;
}

struct process
harness_wait_child(struct harness *h, const char *role, int slot,
    const struct process *former)
{
	uint64_t until = clock_mono_ms() + HARNESS_WAIT_MS;
	struct process p;

	while (!harness_find_child(h, role, slot, &p) ||
	    (former != NULL && p.pid == former->pid && p.started == former->started)) {
		if (clock_mono_ms() > until)
			harness_fail(h, "no new child %s %d came", role, slot);
		harness_sleep(2);
	}
	return p;
}

struct process
harness_kill_child(struct harness *h, const char *role, int slot, int signal)
{
	struct process p;

	if (!harness_find_child(h, role, slot, &p))
		harness_fail(h, "there is no child %s %d", role, slot);
	(void)kill(p.pid, signal);
	return p;
}

/* ---- odds and ends ---- */

void
harness_wait_until(struct harness *h, bool (*holds)(struct harness *h, void *arg),
    void *arg, uint64_t timeout_ms, const char *text)
{
	uint64_t until = clock_mono_ms() + timeout_ms;

	while (!holds(h, arg)) {
		if (clock_mono_ms() > until)
			harness_fail(h, "waited %u ms in vain: %s",
			    (unsigned)timeout_ms, text);
		harness_sleep(5);
	}
}

const char *
harness_dir(struct harness *h)
{
	return h->dir;
}

const char *
harness_conf_path(struct harness *h)
{
	return h->conf;
}

const char *
harness_http_address(struct harness *h)
{
	return h->http;
}

const char *
harness_llm_address(struct harness *h)
{
	return h->llm_address;
}

const char *
harness_data_api(struct harness *h)
{
	return h->data_api;
}

const char *
harness_database_url(struct harness *h)
{
	return h->database_url;
}

const char *
harness_redis_socket(struct harness *h)
{
	return h->redis_socket;
}

struct redis_server *
harness_redis_server(struct harness *h)
{
	return h->redis_server;
}

struct postgres_server *
harness_postgres_server(struct harness *h)
{
	return h->postgres;
}
