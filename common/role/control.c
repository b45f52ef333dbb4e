/* SPDX-License-Identifier: MIT */
/*
 * control.c - names of the control protocol, and its client side.
 *
 * Owns:   a connection for the time of one question.
 * Called: by the gateway and agentctl; the names by the supervisor too.
 * Fails:  with negative errno and a sentence that names the socket.
 */
#include "config.h"

#include "common/role/control.h"

#include "common/clock.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

static const char *const state_names[CHILD_STATE_COUNT] = {
	[CHILD_EMPTY] = "empty",
	[CHILD_WAITING] = "waiting",
	[CHILD_STARTING] = "starting",
	[CHILD_LIVE] = "live",
	[CHILD_DRAINING] = "draining",
	[CHILD_STOPPING] = "stopping",
	[CHILD_KILLED] = "killed",
	[CHILD_BROKEN] = "broken",
	[CHILD_GONE] = "gone",
};

static const struct {
	const char *name;
	bool is_privileged;
} types[CONTROL_TYPE_COUNT] = {
#define X(name, privileged) { #name, (privileged) != 0 },
	CONTROL_REQUESTS(X)
#undef X
};

const char *
control_state_name(enum child_state state)
{
	return (unsigned)state < CHILD_STATE_COUNT ? state_names[state] : "?";
}

const char *
control_type_name(enum control_type type)
{
	return (unsigned)type < CONTROL_TYPE_COUNT ? types[type].name : "?";
}

bool
control_is_privileged(enum control_type type)
{
	return (unsigned)type >= CONTROL_TYPE_COUNT || types[type].is_privileged;
}

int
control_request_read(const void *bytes, size_t n, struct control_request *out)
{
	struct control_request req;

	if (n != sizeof(req))
		return -EPROTO;
	memcpy(&req, bytes, sizeof(req));
	if (req.version != CONTROL_VERSION || req.type >= CONTROL_TYPE_COUNT)
		return -EPROTO;
	*out = req;
	return 0;
}

int
control_path(const char *run_dir, char out[108])
{
	int n = snprintf(out, 108, "%s/control.sock", run_dir);

	return n < 0 || n >= 108 ? -ENAMETOOLONG : 0;
}

static int
dial(const char *path, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	CLEANUP(closep) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	size_t n = strlen(path);

	if (fd < 0)
		return err_set(err, -errno, "socket: %s", strerror(errno));
	if (n >= sizeof(addr.sun_path))
		return err_set(err, -ENAMETOOLONG, "%s: too long for a socket", path);
	memcpy(addr.sun_path, path, n + 1);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return err_set(err, -errno, "%s: %s", path,
		    errno == ENOENT || errno == ECONNREFUSED
			? "agent-runnerd is not running"
			: strerror(errno));
	return TAKE_FD(fd);
}

static int
wait_readable(int fd, uint64_t until_ms)
{
	struct pollfd pfd = { fd, POLLIN, 0 };
	uint64_t now;
	int r;

	do {
		now = clock_mono_ms();
		r = poll(&pfd, 1, now >= until_ms ? 0 : (int)(until_ms - now));
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return r == 0 ? -ETIMEDOUT : 0;
}

/* Returns the body's length or negative errno. */
static int
receive_answer(int fd, enum control_type type, struct control_answer *head, void *body,
    size_t body_max)
{
	struct iovec iov[2] = { { head, sizeof(*head) }, { body, body_max } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = body_max > 0 ? 2 : 1 };
	ssize_t got;

	do
		got = recvmsg(fd, &m, 0);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	if (got == 0)
		return -ECONNRESET;
	if ((m.msg_flags & MSG_TRUNC) != 0 || (size_t)got < sizeof(*head) ||
	    head->version != CONTROL_VERSION || head->type != type ||
	    head->body_len != (size_t)got - sizeof(*head))
		return -EPROTO;
	head->text[CONTROL_TEXT_MAX - 1] = '\0';
	return (int)head->body_len;
}

static int
ask(const char *socket_path, enum control_type type, uint32_t wait_ms,
    struct control_answer *head, void *body, size_t body_max, struct err *err)
{
	struct control_request req = { .version = CONTROL_VERSION,
		.type = (uint16_t)type };
	uint64_t until_ms = clock_mono_ms() + wait_ms;
	CLEANUP(closep) int fd = dial(socket_path, err);
	int r;

	if (fd < 0)
		return fd;
	if (send(fd, &req, sizeof(req), MSG_NOSIGNAL) < 0)
		return err_set(err, -errno, "%s: %s", socket_path, strerror(errno));
	r = wait_readable(fd, until_ms);
	if (r == 0)
		r = receive_answer(fd, type, head, body, body_max);
	if (r < 0)
		return err_set(err, r, "%s: no answer to %s: %s", socket_path,
		    control_type_name(type), strerror(-r));
	if (head->result < 0)
		return err_set(err, head->result, "%s",
		    head->text[0] != '\0' ? head->text : strerror(-head->result));
	return r;
}

int
control_ask(const char *socket_path, enum control_type type, uint32_t wait_ms,
    struct control_answer *head, void *body, size_t body_max, struct err *err)
{
	int r = ask(socket_path, type, wait_ms, head, body, body_max, err);

	return r < 0 ? r : 0;
}

int
control_status(const char *socket_path, uint32_t wait_ms, struct control_status *out,
    struct err *err)
{
	struct control_answer head;
	size_t fixed = offsetof(struct control_status, children);
	int r =
	    ask(socket_path, CONTROL_STATUS, wait_ms, &head, out, sizeof(*out), err);

	if (r < 0)
		return r;
	if ((size_t)r < fixed || out->n_children > CONTROL_CHILDREN_MAX ||
	    (size_t)r != fixed + out->n_children * sizeof(out->children[0]))
		return err_set(err, -EPROTO, "%s: a status of %d bytes", socket_path,
		    r);
	return 0;
}

int
control_metrics(const char *socket_path, uint32_t wait_ms, struct control_metrics *out,
    struct err *err)
{
	struct control_answer head;
	int r =
	    ask(socket_path, CONTROL_METRICS, wait_ms, &head, out, sizeof(*out), err);

	if (r < 0)
		return r;
	if ((size_t)r != sizeof(*out))
		return err_set(err, -EPROTO, "%s: metrics of %d bytes", socket_path, r);
	return 0;
}
