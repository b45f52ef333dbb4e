/* SPDX-License-Identifier: MIT */
/*
 * spawn.c - fork and execveat of a program that was opened at the start, and its START.
 *
 * Owns:   nothing between calls; struct spawn_child belongs to the caller.
 * Called: by the supervisor and by agentctl, from their only thread.
 * Fails:  with negative errno and a sentence; half-started children are killed and
 * reaped.
 */
#include "config.h"

#include "common/role/spawn.h"

#include "common/exit_status.h"
#include "common/fault_point.h"
#include "common/lane.h"
#include "common/role/ipc.h"
#include "common/role/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static const char *const program_names[ROLE_COUNT] = {
	[ROLE_GATEWAY] = "agent-runner-gateway",
	[ROLE_SCHEDULER] = "agent-runner-scheduler",
	[ROLE_FETCH] = "agent-runner-fetch",
	[ROLE_COMPUTE] = "agent-runner-compute",
	[ROLE_WORKER] = "agent-runner-worker",
	[ROLE_QUARANTINE] = "agent-runner-worker",
	[ROLE_CHECK] = "agent-runner-worker",
	[ROLE_MIGRATE] = "agent-runner-worker",
};

const char *
spawn_program_name(enum role role)
{
	ASSERT((unsigned)role < ROLE_COUNT);
	return program_names[role];
}

static int
own_folder(char out[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);
	char *slash;

	if (n < 0)
		return -errno;
	out[n] = '\0';
	slash = strrchr(out, '/');
	if (slash == NULL)
		return -ENOENT;
	*slash = '\0';
	return 0;
}

/* An installed and a built program must not mix: the first folder that has it wins. */
static int
open_program(const char *folder, const char *name)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s", folder, name);

	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	if (access(path, X_OK) < 0)
		return -errno;
	n = open(path, O_PATH | O_CLOEXEC);
	return n < 0 ? -errno : n;
}

static int
find_program(const char *own, const char *name, struct err *err)
{
	char beside[PATH_MAX + 32];
	int fd = open_program(own, name);

	if (fd >= 0)
		return fd;
	(void)snprintf(beside, sizeof(beside), "%s/../libexec/agent-runner", own);
	fd = open_program(beside, name);
	if (fd < 0)
		fd = open_program(PKGLIBEXECDIR, name);
	if (fd < 0)
		return err_set(err, fd, "%s: %s (looked in %s, %s and %s)", name,
		    strerror(-fd), own, beside, PKGLIBEXECDIR);
	return fd;
}

int
spawn_open_programs(struct spawn_programs *p, unsigned mask, struct err *err)
{
	char own[PATH_MAX];
	int r = own_folder(own);

	for (int role = 0; role < ROLE_COUNT; role++)
		p->fd[role] = -1;
	if (r < 0)
		return err_set(err, r, "/proc/self/exe: %s", strerror(-r));
	for (int role = 0; role < ROLE_COUNT; role++) {
		if ((mask & 1u << role) == 0 || program_names[role] == NULL)
			continue;
		p->fd[role] = find_program(own, program_names[role], err);
		if (p->fd[role] < 0) {
			r = p->fd[role];
			spawn_close_programs(p);
			return r;
		}
	}
	return 0;
}

void
spawn_close_programs(struct spawn_programs *p)
{
	for (int role = 0; role < ROLE_COUNT; role++) {
		if (p->fd[role] >= 0)
			(void)close(p->fd[role]);
		p->fd[role] = -1;
	}
}

/* From here to child_main: the forked child, which may only exec or _exit. */

static __attribute__((noreturn)) void
child_fails(int control_fd, const char *step, int code)
{
	struct ipc_message msg;
	char text[256];

	(void)snprintf(text, sizeof(text), "%s: %s", step, strerror(code));
	if (control_fd >= 0) {
		ipc_message_text(ipc_message_init(&msg, IPC_FAILED, EXIT_STATUS_FAILURE,
				     0),
		    text, strlen(text));
		(void)ipc_send(control_fd, &msg, NULL, 0);
	} else {
		(void)!write(STDERR_FILENO, text, strlen(text));
	}
	_exit(EXIT_STATUS_FAILURE);
}

/* A stop, a reload and the like reach a role over its socket. A signal that goes to all
   processes of the service at once (a control group, killall) must not take a worker from
   under its jobs, so roles begin with these ignored; the private Redis has no socket. */
static void
reset_signals(bool is_role)
{
	static const int ignored[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1,
		SIGUSR2 };
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL); /* KILL and STOP refuse, rightly */
	for (size_t i = 0; is_role && i < ARRAY_LEN(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Puts the descriptors in their places; *program_fd and *control_fd follow. */
static int
place_descriptors(const struct spawn_request *r, int *program_fd, int *control_fd)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	int program = fcntl(r->program_fd, F_DUPFD_CLOEXEC, 16);
	int control =
	    r->control_fd < 0 ? -1 : fcntl(r->control_fd, F_DUPFD_CLOEXEC, 16);
	int output = r->output_fd < 0 ? -1 : fcntl(r->output_fd, F_DUPFD_CLOEXEC, 16);

	if (null_fd < 0 || program < 0)
		return -errno;
	*program_fd = program;
	*control_fd = control;
	if (dup2(null_fd, STDIN_FILENO) < 0 ||
	    dup2(output >= 0 ? output : STDERR_FILENO, STDOUT_FILENO) < 0 ||
	    (output >= 0 && dup2(output, STDERR_FILENO) < 0) ||
	    (control >= 0 && dup2(control, SPAWN_CONTROL_FD) < 0))
		return -errno;
	if (control >= 0)
		*control_fd = SPAWN_CONTROL_FD;
	if (syscall(SYS_close_range, control >= 0 ? SPAWN_CONTROL_FD + 1 : 3, ~0U,
		CLOSE_RANGE_CLOEXEC) < 0)
		return -errno;
	return 0;
}

static void
raise_nofile(unsigned wanted)
{
	struct rlimit lim;

	if (wanted == 0 || getrlimit(RLIMIT_NOFILE, &lim) < 0)
		return;
	if (wanted > lim.rlim_max && geteuid() == 0)
		lim.rlim_max = wanted;
	lim.rlim_cur = wanted < lim.rlim_max ? wanted : lim.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &lim); /* fewer descriptors, fewer jobs */
}

static __attribute__((noreturn)) void
child_main(const struct spawn_request *r, pid_t parent)
{
	static char *const no_environment[] = { NULL };
	struct err err = ERR_INIT;
	int program_fd = -1, control_fd = r->control_fd, code;

	reset_signals(r->control_fd >= 0);
	code = place_descriptors(r, &program_fd, &control_fd);
	if (code < 0)
		child_fails(control_fd, "descriptors", -code);
	(void)setsid(); /* the terminal's Ctrl-C is for the supervisor */
	raise_nofile(r->nofile);
	code = sandbox_drop_identity(r->uid, r->gid, &err);
	if (code < 0)
		child_fails(control_fd, err_text(&err), -code);
	/* Roles do it again in their sandbox; the private Redis has none. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		child_fails(control_fd, "no_new_privs", errno);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent)
		_exit(EXIT_STATUS_FAILURE);
	if (r->control_fd >= 0)
		FAULT_POINTS_PASS_ON();
	FAULT_POINT(CHILD_EXEC);
	(void)syscall(SYS_execveat, program_fd, "", r->argv, no_environment,
	    AT_EMPTY_PATH);
	child_fails(control_fd, r->argv[0], errno);
}

static int
open_pidfd(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd; /* close-on-exec by birth */
}

pid_t
spawn_process(const struct spawn_request *r, int *pidfd, struct err *err)
{
	pid_t parent = getpid(), pid = fork();
	int fd;

	if (pid < 0)
		return err_set(err, -errno, "fork: %s", strerror(errno));
	if (pid == 0)
		child_main(r, parent);
	fd = open_pidfd(pid); /* the child is not reaped yet, so it is this child */
	if (fd < 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		return err_set(err, fd, "pidfd_open: %s", strerror(-fd));
	}
	*pidfd = fd;
	return pid;
}

static int
send_start(const struct spawn_start *s, int control_fd, int slots_fd, struct err *err)
{
	CLEANUP(closep) int conf_fd = lane_memfd(s->conf_text, s->conf_len);
	struct ipc_message msg;
	int fds[3] = { conf_fd, slots_fd, s->listen_fd };
	int r;

	if (conf_fd < 0)
		return err_set(err, conf_fd, "configuration: %s", strerror(-conf_fd));
	ipc_message_init(&msg, IPC_START, s->flags, 0);
	ipc_message_text(&msg, s->holder, strlen(s->holder));
	r = ipc_send(control_fd, &msg, fds, s->listen_fd >= 0 ? 3 : 2);
	if (r < 0)
		return err_set(err, r, "START: %s", strerror(-r));
	return 0;
}

int
spawn_role(const struct spawn_programs *p, const struct spawn_start *s,
    struct spawn_child *out, struct err *err)
{
	CLEANUP(closep) int slots_fd = -1;
	CLEANUP(closep) int parent_end = -1;
	CLEANUP(closep) int child_end = -1;
	struct spawn_child child = SPAWN_CHILD_INIT;
	char slot[16], name[32];
	char *argv[] = { (char[]){ "agent-runnerd" }, (char[]){ "--role" }, name,
		(char[]){ "--slot" }, slot, NULL };
	struct spawn_request req = { .program_fd = p->fd[s->role],
		.argv = argv,
		.uid = s->uid,
		.gid = s->gid,
		.output_fd = -1,
		.nofile = 65536 };
	int pair[2], r;

	ASSERT(req.program_fd >= 0);
	(void)snprintf(slot, sizeof(slot), "%u", s->slot);
	(void)snprintf(name, sizeof(name), "%s", role_name(s->role));
	r = ipc_pair(pair);
	if (r < 0)
		return err_set(err, r, "socket pair: %s", strerror(-r));
	parent_end = pair[0];
	child_end = req.control_fd = pair[1];
	slots_fd = slot_file_make(&child.slots);
	if (slots_fd < 0)
		return err_set(err, slots_fd, "slot file: %s", strerror(-slots_fd));
	FAULT_POINT(CHILD_START);
	r = send_start(s, parent_end, slots_fd,
	    err); /* waits in the socket for the child */
	FAULT_POINT(CHILD_FORK);
	if (r == 0) {
		child.pid = spawn_process(&req, &child.pidfd, err);
		r = child.pid < 0 ? (int)child.pid : 0;
	}
	FAULT_POINT(CHILD_FORKED);
	if (r < 0) {
		spawn_child_release(&child);
		return r;
	}
	child.control_fd = TAKE_FD(parent_end);
	*out = child;
	return 0;
}

void
spawn_child_release(struct spawn_child *c)
{
	closep(&c->pidfd);
	closep(&c->control_fd);
	slot_file_unmap(c->slots);
	*c = (struct spawn_child)SPAWN_CHILD_INIT;
}
