/* SPDX-License-Identifier: MIT */
/*
 * role.c - a role's first and last words: START, sandbox, READY, DRAINED.
 *
 * Owns:   nothing; struct role_process belongs to the role's main.
 * Called: by the main function of every role program.
 * Fails:  by an exit status, after the reason went to the supervisor.
 */
#include "config.h"

#include "common/role/role.h"

#include "common/exit_status.h"
#include "common/fault_point.h"
#include "common/log.h"
#include "common/role/fault_handler.h"
#include "common/role/sandbox.h"
#include "common/role/scope.h"
#include "common/role/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum {
	START_WAIT_MS = 30000,
	CONF_MAX = 64 << 20
};

static const int role_profiles[ROLE_COUNT] = {
	[ROLE_SUPERVISOR] = -1,
	[ROLE_GATEWAY] = SANDBOX_GATEWAY,
	[ROLE_SCHEDULER] = SANDBOX_SCHEDULER,
	[ROLE_FETCH] = SANDBOX_FETCH,
	[ROLE_COMPUTE] = SANDBOX_COMPUTE,
	[ROLE_WORKER] = SANDBOX_WORKER,
	[ROLE_QUARANTINE] = SANDBOX_WORKER,
	[ROLE_REDIS] = -1,
	[ROLE_CHECK] = SANDBOX_WORKER,
	[ROLE_MIGRATE] = SANDBOX_WORKER,
	[ROLE_CTL] = -1,
};

#ifdef WITH_SANITIZERS
/* A process that is not dumpable cannot look for leaks in itself (that needs
   ptrace). */
static int has_no_leak_check;
int __lsan_is_turned_off(void);

int
__lsan_is_turned_off(void)
{
	return has_no_leak_check;
}
#endif

/* Those of this process, for whatever it says; its only struct role_process owns them. */
static const struct secrets *own_secrets;

static int
send_log(int fd, enum log_level level, const char *text, size_t len)
{
	CLEANUP_BUF struct buf masked = BUF_INIT;
	struct ipc_message msg;

	if (secrets_found(own_secrets, text, len)) {
		secrets_mask(own_secrets, &masked, text, len);
		text = buf_str(&masked);
		len = masked.len;
	}
	ipc_message_text(ipc_message_init(&msg, IPC_LOG, level, 0), text, len);
	return ipc_send(fd, &msg, NULL, 0);
}

static void
send_head(struct role_process *p, enum ipc_type type, uint32_t aux)
{
	struct ipc_message msg;
	int r = ipc_send(p->control_fd, ipc_message_init(&msg, type, aux, 0), NULL, 0);

	if (r == -EAGAIN) { /* full of log lines: this one matters, so wait for room */
		struct pollfd pfd = { p->control_fd, POLLOUT, 0 };

		(void)poll(&pfd, 1, START_WAIT_MS);
		r = ipc_send(p->control_fd, &msg, NULL, 0);
	}
	if (r < 0)
		_exit(EXIT_STATUS_FAILURE); /* no parent, no work */
}

int
role_failed(struct role_process *p, int status, const char *fmt, ...)
{
	struct ipc_message msg;
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	secrets_mask_text(own_secrets, text, sizeof(text));
	ipc_message_text(ipc_message_init(&msg, IPC_FAILED, (uint32_t)status, 0), text,
	    strlen(text));
	if (p->control_fd < 0 || ipc_send(p->control_fd, &msg, NULL, 0) < 0)
		(void)fprintf(stderr, "%s: %s\n", role_name(p->role), text);
	return status;
}

static int
parse_arguments(int argc, char **argv, struct role_process *p)
{
	int role = -EINVAL;
	char *end = NULL;
	unsigned long slot = 0;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--role") == 0)
			role = role_from_name(argv[i + 1]);
		else if (strcmp(argv[i], "--slot") == 0)
			slot = strtoul(argv[i + 1], &end, 10);
		else
			return -EINVAL;
	}
	if (role < 0 || role_profiles[role] < 0 || (end != NULL && *end != '\0') ||
	    slot > UINT16_MAX)
		return -EINVAL;
	p->role = (enum role)role;
	p->slot = (unsigned)slot;
	return 0;
}

static bool
is_control_socket(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	    type == SOCK_SEQPACKET;
}

static int
wait_for_start(struct role_process *p, struct ipc_message *msg, int fds[IPC_FDS_MAX])
{
	struct pollfd pfd = { p->control_fd, POLLIN, 0 };
	int r;

	do
		r = poll(&pfd, 1, START_WAIT_MS);
	while (r < 0 && errno == EINTR);
	if (r <= 0)
		return r < 0 ? -errno : -ETIMEDOUT;
	r = ipc_receive(p->control_fd, msg, fds);
	if (r <= 0)
		return r < 0 ? r : -ECONNRESET;
	return msg->type == IPC_START ? 0 : -EPROTO;
}

static int
read_conf(int fd, struct conf **out, struct err *err)
{
	struct stat st;
	void *text;
	int r;

	if (fstat(fd, &st) < 0)
		return err_set(err, -errno, "configuration: %s", strerror(errno));
	if (st.st_size <= 0 || st.st_size > CONF_MAX)
		return err_set(err, -EPROTO, "configuration of %lld bytes",
		    (long long)st.st_size);
	text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (text == MAP_FAILED)
		return err_set(err, -errno, "configuration: %s", strerror(errno));
	r = conf_read_role(text, (size_t)st.st_size, out, err);
	(void)munmap(text, (size_t)st.st_size);
	return r;
}

static void
take_holder(struct role_process *p, const struct ipc_message *msg)
{
	size_t n =
	    msg->text_len < HOLDER_NAME_MAX ? msg->text_len : HOLDER_NAME_MAX - 1;

	memcpy(p->holder, msg->text, n);
	p->holder[n] = '\0';
}

static void
open_log(struct role_process *p, uint32_t aux)
{
	unsigned level = aux >> SPAWN_LOG_LEVEL_SHIFT & 0xf;

	log_to_parent(send_log, p->control_fd,
	    level > 0 && level <= LOG_LEVEL_COUNT ? (enum log_level)(level - 1)
						  : LOG_LEVEL_INFO);
	if ((aux & SPAWN_EXPLAIN_SANDBOX) != 0)
		sandbox_explain(true);
}

static int
take_start(struct role_process *p, struct err *err)
{
	CLEANUP(closep) int conf_fd = -1;
	CLEANUP(closep) int slots_fd = -1;
	struct ipc_message msg;
	int fds[IPC_FDS_MAX] = { -1, -1, -1, -1 };
	int r = wait_for_start(p, &msg, fds);

	conf_fd = fds[0];
	slots_fd = fds[1];
	p->listen_fd = fds[2];
	if (r < 0)
		return err_set(err, r, "no START from the parent: %s", strerror(-r));
	open_log(p, msg.aux);
	take_holder(p, &msg);
	r = read_conf(conf_fd, &p->conf, err);
	if (r < 0)
		return r;
	r = conf_secrets(p->conf, &p->secrets);
	if (r < 0)
		return err_set(err, r, "no memory for the secrets");
	own_secrets = p->secrets;
	r = slot_file_open(slots_fd, &p->slots);
	if (r == 0)
		r = fault_handler_install(p->slots);
	if (r < 0)
		return err_set(err, r, "slot file: %s", strerror(-r));
	return 0;
}

int
role_start(int argc, char **argv, struct role_process *p)
{
	struct err err = ERR_INIT;

	*p = (struct role_process){ .role = ROLE_CTL,
		.control_fd = -1,
		.listen_fd = -1 };
	if (parse_arguments(argc, argv, p) < 0 ||
	    !is_control_socket(SPAWN_CONTROL_FD)) {
		(void)fprintf(stderr,
		    "%s: this program is started by agent-runnerd and agentctl only\n",
		    argc > 0 ? argv[0] : "agent-runner");
		return EXIT_STATUS_USAGE;
	}
	FAULT_POINTS_ATTACH();
	p->control_fd = SPAWN_CONTROL_FD;
	if (fcntl(p->control_fd, F_SETFD, FD_CLOEXEC) < 0 ||
	    fcntl(p->control_fd, F_SETFL, O_NONBLOCK) < 0)
		return role_failed(p, EXIT_STATUS_FAILURE, "fcntl: %s",
		    strerror(errno));
	(void)signal(SIGPIPE, SIG_IGN); /* every write tells by its result */
	if (take_start(p, &err) < 0)
		return role_failed(p, EXIT_STATUS_PROTOCOL, "%s", err_text(&err));
	return 0;
}

/* A kernel without these rules is told of once, by the supervisor. */
static int
restrict_scope(struct role_process *p, struct err *err)
{
	struct role_scope scope;
	struct sandbox_scope rules;
	int r;

	role_scope(p->role, p->conf, &scope);
	if (scope.any_port != NULL && p->slot == 0)
		log_info("TCP ports are not ruled: %s", scope.any_port);
	rules = role_scope_rules(&scope);
	r = sandbox_scope(&rules, err);
	return r < 0 ? r : 0;
}

/* The parent by the socket, not by getppid(), which says 1 once the parent is gone. */
static pid_t
parent_pid(const struct role_process *p)
{
	struct ucred peer = { .pid = -1 };
	socklen_t len = sizeof(peer);

	(void)getsockopt(p->control_fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	return peer.pid;
}

int
role_sandbox(struct role_process *p)
{
	struct err err = ERR_INIT;
	int r = sandbox_harden(parent_pid(p), &err);

#ifdef WITH_SANITIZERS
	has_no_leak_check = 1;
#endif
	if (r == 0)
		r = restrict_scope(p, &err);
	if (r == 0)
		r = sandbox_filter((enum sandbox_profile)role_profiles[p->role], &err);
	if (r < 0)
		return role_failed(p, EXIT_STATUS_SANDBOX, "%s", err_text(&err));
	return 0;
}

void
role_ready(struct role_process *p)
{
	int landlock = sandbox_landlock();
	struct metrics_page *page = &p->slots->metrics;

	metric_set(page, METRIC_SANDBOX_LANDLOCK, 0,
	    landlock > 0 ? (uint64_t)landlock : 0);
	metric_set(page, METRIC_SANDBOX_DEGRADED, 0, sandbox_lacks(landlock) != NULL);
	send_head(p, IPC_READY, (uint32_t)landlock);
}

void
role_drained(struct role_process *p)
{
	send_head(p, IPC_DRAINED, 0);
}

int
role_next(struct role_process *p, struct ipc_message *msg, int fds[IPC_FDS_MAX])
{
	for (;;) {
		int r = ipc_receive(p->control_fd, msg, fds);

		if (r == -EAGAIN)
			return 0;
		if (r <= 0 || ipc_is_from_child(msg->type))
			_exit(r == 0 ? EXIT_STATUS_OK : EXIT_STATUS_PROTOCOL);
		if (msg->type != IPC_ALIVE_ASK)
			return 1;
		send_head(p, IPC_ALIVE, 0);
	}
}
