/* SPDX-License-Identifier: MIT */
/*
 * helper.c - starts, asks and ends one fetch or compute process.
 *
 * Owns:   the process, its control socket and its lane.
 * Called: by pipeline.c.
 * Fails:  with what the process itself said, when it said something.
 */
#include "config.h"

#include "ctl/helper.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/role/ipc.h"
#include "ctl/ctl.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum {
	READY_MS = 30000,
	END_MS = 2000
};

void
helper_init(struct helper *h, enum role role)
{
	memset(h, 0, sizeof(*h));
	for (int i = 0; i < ROLE_COUNT; i++)
		h->programs.fd[i] = -1;
	h->child = (struct spawn_child)SPAWN_CHILD_INIT;
	h->lane_fd = -1;
	h->next_id = 1;
	h->role = role;
}

/* Closing its control socket asks it to end; what does not listen is killed. */
void
helper_release(struct helper *h)
{
	struct pollfd pfd = { h->child.pidfd, POLLIN, 0 };
	pid_t pid = h->child.pid;

	closep(&h->lane_fd);
	h->lane_fd = -1;
	closep(&h->child.control_fd);
	h->child.control_fd = -1;
	if (pid > 0) {
		if (poll(&pfd, 1, END_MS) <= 0)
			(void)syscall(SYS_pidfd_send_signal, h->child.pidfd, SIGKILL,
			    NULL, 0);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	spawn_child_release(&h->child);
	spawn_close_programs(&h->programs);
	free(h->buffer);
	helper_init(h, h->role);
}

/* ---- what the process says ---- */

/* 1: READY came; 0: nothing of weight; -ECONNRESET: it is gone or its start failed. */
static int
hear(struct helper *h)
{
	struct ipc_message msg;
	int fds[IPC_FDS_MAX] = { -1, -1, -1, -1 };
	int r = ipc_receive(h->child.control_fd, &msg, fds);

	if (r == -EAGAIN)
		return 0;
	if (r <= 0)
		return -ECONNRESET;
	for (int i = 0; i < IPC_FDS_MAX; i++)
		closep(&fds[i]);
	if (msg.type == IPC_READY)
		return 1;
	if (msg.type == IPC_LOG && msg.aux <= LOG_LEVEL_WARNING)
		ctl_warn("%s: %.*s", role_name(h->role), (int)msg.text_len, msg.text);
	if (msg.type != IPC_FAILED)
		return 0;
	memcpy(h->why, msg.text, msg.text_len);
	h->why[msg.text_len] = '\0';
	return -ECONNRESET;
}

static int
gone(const struct helper *h, struct err *err)
{
	return err_set(err, -ECONNRESET, "the %s process %s%s", role_name(h->role),
	    h->why[0] != '\0' ? "could not start: " : "died", h->why);
}

static int
wait_ready(struct helper *h, struct err *err)
{
	uint64_t due_ms = clock_mono_ms() + READY_MS;
	int r = 0;

	while (r == 0) {
		struct pollfd pfd = { h->child.control_fd, POLLIN, 0 };
		uint64_t now = clock_mono_ms();

		if (now >= due_ms)
			return err_set(err, -ETIMEDOUT,
			    "the %s process is not ready in time", role_name(h->role));
		if (poll(&pfd, 1, (int)(due_ms - now)) > 0)
			r = hear(h);
	}
	return r < 0 ? gone(h, err) : 0;
}

/* ---- start ---- */

/* As the daemon would run it; without root it runs as the caller. */
static int
choose_user(const struct conf *conf, struct spawn_start *s, struct err *err)
{
	const char *name =
	    s->role == ROLE_COMPUTE ? conf->service.compute_user : conf->service.user;
	const struct passwd *pw;

	s->uid = (uid_t)-1;
	s->gid = (gid_t)-1;
	if (geteuid() != 0)
		return 0;
	pw = getpwnam(name);
	if (pw == NULL || pw->pw_uid == 0)
		pw = getpwnam("nobody");
	if (pw == NULL)
		return err_set(err, -ENOENT,
		    "there is no user \"%s\" to run the %s process as", name,
		    role_name(s->role));
	s->uid = pw->pw_uid;
	s->gid = pw->pw_gid;
	return 0;
}

static int
spawn(struct helper *h, const struct conf *conf, struct err *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct spawn_start start = { .role = h->role, .holder = "", .listen_fd = -1 };
	int r = choose_user(conf, &start, err);

	if (r < 0)
		return r;
	conf_write_role(&text, conf, h->role);
	if (buf_status(&text) < 0)
		return err_set(err, -ENOMEM, "no memory for a process's configuration");
	start.conf_text = buf_str(&text);
	start.conf_len = text.len;
	start.flags = (LOG_LEVEL_WARNING + 1) << SPAWN_LOG_LEVEL_SHIFT;
	return spawn_role(&h->programs, &start, &h->child, err);
}

static int
connect_lane(struct helper *h, struct err *err)
{
	struct ipc_message msg;
	int ends[2];
	int r = lane_pair(ends);

	if (r < 0)
		return err_set(err, r, "socket pair: %s", strerror(-r));
	r = ipc_send(h->child.control_fd,
	    ipc_message_init(&msg, IPC_LANE, 0, ROLE_WORKER), &ends[0], 1);
	(void)close(ends[0]);
	if (r < 0) {
		(void)close(ends[1]);
		return err_set(err, r, "%s: %s", role_name(h->role), strerror(-r));
	}
	h->lane_fd = ends[1];
	return 0;
}

int
helper_start(struct helper *h, const struct conf *conf, struct err *err)
{
	int r;

	if (h->lane_fd >= 0)
		return 0;
	if (h->buffer == NULL)
		h->buffer = malloc(LANE_MESSAGE_MAX);
	if (h->buffer == NULL)
		return err_set(err, -ENOMEM, "no memory for a lane");
	r = spawn_open_programs(&h->programs, 1u << h->role, err);
	if (r == 0)
		r = spawn(h, conf, err);
	if (r == 0)
		r = wait_ready(h, err);
	if (r == 0)
		r = connect_lane(h, err);
	return r;
}

/* ---- calls ---- */

/* Waits for the lane or the control socket; 0 when the time is over. */
static int
wait_lane(struct helper *h, short events, uint64_t due_ms, struct err *err)
{
	struct pollfd pfds[] = { { h->lane_fd, events, 0 },
		{ h->child.control_fd, POLLIN, 0 } };
	uint64_t now = clock_mono_ms();

	if (due_ms <= now)
		return err_set(err, -ETIMEDOUT, "%s did not answer in time",
		    role_name(h->role));
	if (poll(pfds, 2, due_ms - now < 60000 ? (int)(due_ms - now) : 60000) < 0 &&
	    errno != EINTR)
		return err_set(err, -errno, "poll: %s", strerror(errno));
	if (pfds[1].revents != 0 && pfds[0].revents == 0 && hear(h) < 0)
		return gone(h, err);
	return 0;
}

static int
send_parts(struct helper *h, const struct lane_part *parts, size_t n, uint64_t id,
    uint64_t due_ms, struct err *err)
{
	for (size_t i = 0; i < n;) {
		const struct lane_part *p = &parts[i];
		int r = lane_send(h->lane_fd, p->op, id, p->meta, p->meta_len, p->data,
		    p->data_len, p->data_fd);

		if (r == -EPIPE || r == -ECONNRESET)
			return gone(h, err);
		if (r < 0 && r != -EAGAIN)
			return err_set(err, r, "%s: %s", role_name(h->role),
			    strerror(-r));
		if (r == -EAGAIN)
			r = wait_lane(h, POLLOUT, due_ms, err);
		else
			i++;
		if (r < 0)
			return r;
	}
	return 0;
}

/* 1 with the answer, 0 not yet. Late answers to former requests are dropped. */
static int
receive(struct helper *h, uint64_t id, struct lane_reply *out, struct err *err)
{
	struct lane_message msg;
	int r = lane_receive(h->lane_fd, h->buffer, &msg);

	if (r == -EAGAIN)
		return 0;
	if (r <= 0)
		return gone(h, err);
	if (msg.head.id == id) {
		r = lane_reply_take(&msg, out);
		if (r == 0)
			return 1;
	}
	closep(&msg.data_fd);
	return r < 0 ? err_set(err, r, "no memory for an answer") : 0;
}

int
helper_call(struct helper *h, const struct lane_part *parts, size_t n_parts,
    uint16_t cancel_op, uint64_t due_ms, struct lane_reply *out, struct err *err)
{
	uint64_t id = h->next_id++;
	int r = send_parts(h, parts, n_parts, id, due_ms, err);

	while (r == 0) {
		r = receive(h, id, out, err);
		if (r == 0)
			r = wait_lane(h, POLLIN, due_ms, err);
		else if (r > 0)
			return 0;
	}
	if (r == -ETIMEDOUT && cancel_op != 0)
		(void)lane_send(h->lane_fd, cancel_op, id, NULL, 0, NULL, 0, -1);
	return r;
}
