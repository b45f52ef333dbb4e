/* SPDX-License-Identifier: MIT */
/*
 * redis_server.c - starts and stops a private redis-server.
 *
 * Owns:   the process and its directory under $TMPDIR.
 * Called: by tests; the server gets SIGKILL when the test dies.
 * Fails:  NULL or false, with the reason on standard error.
 */
#include "config.h"

#include "tests/support/redis_server.h"

#include "common/cleanup.h"
#include "common/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

enum {
	EXTRA_MAX = 32,
	START_MS = 15000
};

struct redis_server {
	pid_t pid; /* 0: not running */
	char *dir, *socket, *url;
	char *extra[EXTRA_MAX + 1]; /* owned copies */
};

const char *redis_server_preload;

bool
redis_server_is_installed(void)
{
	return system("command -v redis-server >/dev/null 2>&1") == 0;
}

static int
remove_entry(const char *path, const struct stat *st UNUSED, int flag UNUSED,
    struct FTW *ftw UNUSED)
{
	(void)remove(path);
	return 0;
}

static void
run_server(const struct redis_server *s, pid_t parent)
{
	const char *argv[EXTRA_MAX + 24] = { "redis-server", "--port", "0",
		"--unixsocket", s->socket, "--dir", s->dir, "--save", "",
		"--appendonly", "no", "--loglevel", "warning" };
	int n = 13, null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; s->extra[i] != NULL; i++)
		argv[n++] = s->extra[i];
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent || null_fd < 0)
		_exit(126);
	(void)dup2(null_fd, 0);
	(void)dup2(null_fd, 1);
	if (redis_server_preload != NULL)
		(void)setenv("LD_PRELOAD", redis_server_preload, 1);
	(void)execvp(argv[0], (char *const *)(uintptr_t)argv);
	_exit(127);
}

static bool
accepts(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	CLEANUP(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const char ping[] = "PING\r\n";
	char answer[8] = "";

	if (fd < 0 || strlen(path) >= sizeof(a.sun_path))
		return false;
	memcpy(a.sun_path, path, strlen(path) + 1);
	return connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
	    write(fd, ping, sizeof(ping) - 1) == (ssize_t)sizeof(ping) - 1 &&
	    read(fd, answer, sizeof(answer)) > 0 &&
	    (answer[0] == '+' || strncmp(answer, "-NOAUTH", 7) == 0);
}

bool
redis_server_restart(struct redis_server *s)
{
	uint64_t deadline = clock_mono_ms() + START_MS;
	pid_t parent = getpid();

	(void)unlink(s->socket);
	s->pid = fork();
	if (s->pid == 0)
		run_server(s, parent);
	if (s->pid < 0) {
		s->pid = 0;
		return false;
	}
	while (!accepts(s->socket)) {
		int status;

		if (waitpid(s->pid, &status, WNOHANG) == s->pid) {
			(void)fprintf(stderr, "redis-server ended at its start (%d)\n",
			    status);
			s->pid = 0;
			return false;
		}
		if (clock_mono_ms() > deadline) {
			(void)fprintf(stderr, "redis-server does not answer\n");
			redis_server_kill(s);
			return false;
		}
		(void)nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
	}
	return true;
}

static char *
make_dir(void)
{
	const char *tmp = getenv("TMPDIR");
	char *dir = NULL;

	/* a socket's path is at most 107 bytes, so a deep TMPDIR is no use */
	if (tmp == NULL || strlen(tmp) > 60)
		tmp = "/tmp";
	if (asprintf(&dir, "%s/ar-redis-XXXXXX", tmp) < 0)
		return NULL;
	if (mkdtemp(dir) == NULL) {
		free(dir);
		return NULL;
	}
	return dir;
}

struct redis_server *
redis_server_start(const char *const *extra)
{
	CLEANUP(redis_server_stopp) struct redis_server *s = calloc(1, sizeof(*s));

	if (s == NULL || (s->dir = make_dir()) == NULL ||
	    asprintf(&s->socket, "%s/redis.sock", s->dir) < 0 ||
	    asprintf(&s->url, "unix://%s", s->socket) < 0)
		return NULL;
	for (int i = 0; extra != NULL && extra[i] != NULL && i < EXTRA_MAX; i++)
		s->extra[i] = strdup(extra[i]);
	if (!redis_server_restart(s))
		return NULL;
	return TAKE_PTR(s);
}

void
redis_server_kill(struct redis_server *s)
{
	if (s->pid <= 0)
		return;
	(void)kill(s->pid, SIGKILL);
	while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
		;
	s->pid = 0;
}

void
redis_server_stop(struct redis_server *s)
{
	if (s == NULL)
		return;
	redis_server_kill(s);
	if (s->dir != NULL)
		(void)nftw(s->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	for (int i = 0; s->extra[i] != NULL; i++)
		free(s->extra[i]);
	free(s->dir);
	free(s->socket);
	free(s->url);
	free(s);
}

void
redis_server_stopp(struct redis_server **s)
{
	redis_server_stop(*s);
}

const char *
redis_server_socket(const struct redis_server *s)
{
	return s->socket;
}

const char *
redis_server_url(const struct redis_server *s)
{
	return s->url;
}

const char *
redis_server_dir(const struct redis_server *s)
{
	return s->dir;
}

void
redis_server_pause(struct redis_server *s, bool is_paused)
{
	(void)kill(s->pid, is_paused ? SIGSTOP : SIGCONT);
}
