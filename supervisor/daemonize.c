/* SPDX-License-Identifier: MIT */
/*
 * daemonize.c - the double fork of -D and the pipe between its two ends.
 *
 * Owns:   the pipe.
 * Called: by main before the pid file, the boot id and the first child exist.
 * Fails:  the waiting process ends with status 1 when the daemon dies without a word.
 */
#include "config.h"

#include "supervisor/daemonize.h"

#include "common/exit_status.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct report {
	int status;
	char text[ERR_TEXT_MAX];
};

static __attribute__((noreturn)) void
wait_for_report(int fd, pid_t middle)
{
	struct report r = { .status = EXIT_STATUS_FAILURE };
	ssize_t got;

	(void)waitpid(middle, NULL, 0);
	do
		got = read(fd, &r, sizeof(r));
	while (got < 0 && errno == EINTR);
	if (got != (ssize_t)sizeof(r)) {
		(void)fprintf(stderr,
		    "agent-runnerd: the daemon died before it was ready\n");
		_exit(EXIT_STATUS_FAILURE);
	}
	r.text[sizeof(r.text) - 1] = '\0';
	for (char *rest = r.text, *line; (line = strsep(&rest, "\n")) != NULL;)
		if (line[0] != '\0')
			(void)fprintf(stderr, "agent-runnerd: %s\n", line);
	_exit(r.status);
}

static void
point_at_null(int fd, int flags)
{
	int null_fd = open("/dev/null", flags | O_CLOEXEC);

	if (null_fd >= 0)
		(void)dup2(null_fd, fd);
	closep(&null_fd);
}

int
daemonize(int *ready_fd, struct err *err)
{
	int ends[2];
	pid_t pid;

	(void)fflush(NULL);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(err, -errno, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		return err_set(err, -errno, "fork: %s", strerror(errno));
	if (pid > 0) {
		(void)close(ends[1]);
		wait_for_report(ends[0], pid);
	}
	(void)setsid();
	pid = fork(); /* no longer a session leader: no terminal can become ours */
	if (pid != 0)
		_exit(pid < 0 ? EXIT_STATUS_FAILURE : EXIT_STATUS_OK);
	(void)close(ends[0]);
	(void)!chdir("/");
	point_at_null(STDIN_FILENO, O_RDONLY);
	*ready_fd = ends[1];
	return 0;
}

void
daemonize_report(int *ready_fd, int status, const char *text)
{
	struct report r = { .status = status };

	if (*ready_fd < 0)
		return;
	(void)snprintf(r.text, sizeof(r.text), "%s", text);
	(void)!write(*ready_fd, &r, sizeof(r)); /* less than a pipe holds */
	(void)close(*ready_fd);
	*ready_fd = -1;
	if (status == EXIT_STATUS_OK) {
		point_at_null(STDOUT_FILENO, O_WRONLY);
		point_at_null(STDERR_FILENO, O_WRONLY);
	}
}
