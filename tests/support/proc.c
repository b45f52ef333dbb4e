/* SPDX-License-Identifier: MIT */
/*
 * proc.c - starts, watches and ends the programs of a test.
 *
 * Owns:   the processes that it started, their groups and their output files.
 * Called: by the harness, by server starters and by benches.
 * Fails:  a program that cannot be started is a negative errno with the step's name.
 */
#include "config.h"

#include "tests/support/proc.h"

#include "common/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

static void
pause_ms(unsigned ms)
{
	struct timespec t = { .tv_sec = ms / 1000,
		.tv_nsec = (long)(ms % 1000) * 1000000 };

	(void)nanosleep(&t, NULL);
}

/* In the child: everything by plain calls, since it shares the parent's memory
   image. */
__attribute__((noreturn)) static void
become(char *const argv[], int output, pid_t parent, const struct proc_options *o)
{
	sigset_t none;

	(void)setpgid(0, 0);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	if (dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0)
		_exit(126);
	(void)close_range(3, ~0U, 0);
	if (o != NULL && o->cwd != NULL && chdir(o->cwd) != 0)
		_exit(126);
	if (o != NULL && o->uid != 0 &&
	    (setgroups(0, NULL) != 0 || setresgid(o->gid, o->gid, o->gid) != 0 ||
		setresuid(o->uid, o->uid, o->uid) != 0))
		_exit(126);
	/* Cleared by a change of user, so it comes last; the parent may be gone
	 * already. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(126);
	for (size_t i = 0; o != NULL && o->env != NULL && o->env[i] != NULL; i++) {
		char *copy = strdup(o->env[i]);

		if (copy == NULL || putenv(copy) != 0)
			_exit(126);
	}
	(void)execv(argv[0], argv);
	_exit(127);
}

int
proc_start(struct proc *p, const char *dir, const char *name, char *const argv[],
    const struct proc_options *options, struct err *err)
{
	CLEANUP(closep) int output = -1;
	pid_t parent = getpid(), pid;

	if (access(argv[0], X_OK) != 0)
		return err_set(err, -errno, "cannot run %s", argv[0]);
	(void)memset(p, 0, sizeof(*p));
	(void)snprintf(p->name, sizeof(p->name), "%s", name);
	(void)snprintf(p->output, sizeof(p->output), "%s/%s.out", dir, name);
	output = open(p->output, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (output < 0)
		return err_set(err, -errno, "cannot write %s", p->output);
	pid = fork();
	if (pid < 0)
		return err_set(err, -errno, "cannot fork for %s", name);
	if (pid == 0)
		become(argv, output, parent, options);
	(void)setpgid(pid, pid); /* the child does it, too: whoever comes first */
	p->pid = pid;
	return 0;
}

bool
proc_has_ended(struct proc *p)
{
	int status;

	if (p->pid == 0)
		return true;
	if (waitpid(p->pid, &status, WNOHANG) != p->pid)
		return false;
	p->status = status;
	p->pid = 0;
	return true;
}

int
proc_wait(struct proc *p, uint64_t timeout_ms)
{
	uint64_t until = clock_mono_ms() + timeout_ms;

	while (!proc_has_ended(p)) {
		if (clock_mono_ms() >= until)
			return -ETIMEDOUT;
		pause_ms(2);
	}
	return 0;
}

void
proc_kill(struct proc *p)
{
	if (p->pid == 0)
		return;
	(void)kill(-p->pid, SIGKILL);
	(void)kill(p->pid, SIGKILL);
	(void)waitpid(p->pid, &p->status, 0);
	p->pid = 0;
}

int
proc_stop(struct proc *p, int signal, uint64_t timeout_ms)
{
	pid_t group = p->pid;

	if (p->pid == 0)
		return 0;
	(void)kill(p->pid, signal);
	if (proc_wait(p, timeout_ms) < 0) {
		proc_kill(p);
		return -ETIMEDOUT;
	}
	(void)kill(-group, SIGKILL); /* whatever it left in its group */
	return p->status;
}

void
proc_output(const struct proc *p, struct buf *out, size_t max_bytes)
{
	CLEANUP(closep) int fd = open(p->output, O_RDONLY | O_CLOEXEC);
	off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	off_t from = size > (off_t)max_bytes ? size - (off_t)max_bytes : 0;
	ssize_t n;

	if (size <= 0 || buf_reserve(out, (size_t)(size - from)) != 0)
		return;
	n = pread(fd, out->data + out->len, (size_t)(size - from), from);
	if (n <= 0)
		return;
	out->len += (size_t)n;
	out->data[out->len] = '\0';
}

static bool
find_line(const struct proc *p, const char *prefix, char *out, size_t max)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	size_t n = strlen(prefix);

	proc_output(p, &text, 1024 * 1024);
	for (const char *line = buf_str(&text); *line != '\0';) {
		const char *eol = strchr(line, '\n');

		if (eol == NULL)
			return false;
		if (strncmp(line, prefix, n) == 0) {
			(void)snprintf(out, max, "%.*s", (int)(eol - line - (ssize_t)n),
			    line + n);
			return true;
		}
		line = eol + 1;
	}
	return false;
}

int
proc_wait_line(struct proc *p, const char *prefix, char *out, size_t max,
    uint64_t timeout_ms, struct err *err)
{
	uint64_t until = clock_mono_ms() + timeout_ms;

	while (!find_line(p, prefix, out, max)) {
		if (proc_has_ended(p)) {
			CLEANUP_BUF struct buf words = BUF_INIT;
			char how[64];

			proc_output(p, &words, 600);
			proc_describe(p, how, sizeof(how));
			return err_set(err, -ECHILD, "%s %s: %s", p->name, how,
			    buf_str(&words));
		}
		if (clock_mono_ms() >= until)
			return err_set(err, -ETIMEDOUT,
			    "%s did not say '%s' within %u ms", p->name, prefix,
			    (unsigned)timeout_ms);
		pause_ms(2);
	}
	return 0;
}

void
proc_describe(const struct proc *p, char *out, size_t max)
{
	if (p->pid != 0)
		(void)snprintf(out, max, "runs as pid %d", (int)p->pid);
	else if (WIFSIGNALED(p->status))
		(void)snprintf(out, max, "was killed by signal %d (%s)",
		    WTERMSIG(p->status), strsignal(WTERMSIG(p->status)));
	else
		(void)snprintf(out, max, "ended with status %d",
		    WEXITSTATUS(p->status));
}
