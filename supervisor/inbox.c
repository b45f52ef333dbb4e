/* SPDX-License-Identifier: MIT */
/*
 * inbox.c - what a child says over its socket, and what is said to it.
 *
 * Owns:   nothing.
 * Called: by the event loop when a child's socket is readable, and once at its death.
 * Fails:  calmly: a message that is malformed or not allowed now costs the child its
 * life.
 */
#include "config.h"

#include "supervisor/supervisor.h"

#include "common/clock.h"
#include "common/exit_status.h"
#include "common/log.h"
#include "supervisor/walls.h"

#include <errno.h>
#include <string.h>

enum {
	MESSAGES_A_TURN = 64,
	MESSAGES_AT_DEATH = 4096,
	LINGER_MS = 1000
};

int
child_send(struct child *c, enum ipc_type type, uint32_t aux, uint32_t peer,
    const int *fds, int n_fds)
{
	struct ipc_message msg;
	char label[48];
	int r;

	if (c->process.control_fd < 0)
		return -ENOTCONN;
	r = ipc_send(c->process.control_fd, ipc_message_init(&msg, type, aux, peer),
	    fds, n_fds);
	if (r < 0 && r != -EPIPE && r != -ECONNRESET)
		log_warning("%s: %s was not taken: %s", child_label(c, label),
		    ipc_type_name(type), strerror(-r));
	return r;
}

static int
take_log(struct child *c, const struct ipc_message *msg)
{
	if (msg->aux >= LOG_LEVEL_COUNT)
		return -EPROTO;
	log_child_line(role_name(c->role), c->slot, c->process.pid,
	    (enum log_level)msg->aux, msg->text, msg->text_len);
	if (c->report != NULL && msg->aux == LOG_LEVEL_ERROR)
		buf_addf(c->report, "%.*s\n", (int)msg->text_len, msg->text);
	if (c->notes != NULL && msg->aux == LOG_LEVEL_WARNING)
		buf_addf(c->notes, "note: %.*s\n", (int)msg->text_len, msg->text);
	return 0;
}

/* Control characters do not reach logs; log.c sees to that. Here only the end is
   ours. */
static int
take_failed(struct child *c, const struct ipc_message *msg)
{
	size_t n =
	    msg->text_len < sizeof(c->said) ? msg->text_len : sizeof(c->said) - 1;

	memcpy(c->said, msg->text, n);
	c->said[n] = '\0';
	c->said_status = (int)(msg->aux & 0xff);
	if (c->report != NULL && c->said[0] != '\0')
		buf_addf(c->report, "%s\n", c->said);
	return 0;
}

static int
take_alive(struct child *c, const struct ipc_message *msg)
{
	(void)msg;
	c->alive_ms = clock_mono_ms();
	return 0;
}

static int
take_ready(struct child *c, const struct ipc_message *msg)
{
	if (walls_note(c->supervisor, (int32_t)msg->aux) < 0)
		return -EPROTO;
	return lifecycle_take(c, EVENT_READY);
}

static int
take_drained(struct child *c, const struct ipc_message *msg)
{
	(void)msg;
	return lifecycle_take(c, EVENT_DRAINED);
}

static int (*const takers[IPC_TYPE_COUNT])(struct child *,
    const struct ipc_message *) = {
	[IPC_READY] = take_ready,
	[IPC_DRAINED] = take_drained,
	[IPC_ALIVE] = take_alive,
	[IPC_LOG] = take_log,
	[IPC_FAILED] = take_failed,
};

static void
punish(struct child *c, const char *what)
{
	char label[48];

	log_error("%s: sent %s while %s; killing it", child_label(c, label), what,
	    control_state_name(c->state));
	child_event(c, EVENT_WRONG);
}

/* Closed by the child: it is ending, or it is up to something. It gets a moment. */
static void
hung_up(struct child *c)
{
	events_remove(c->supervisor->events, &c->control);
	if (c->due_ms == 0 || c->due_ms > clock_mono_ms() + LINGER_MS)
		c->due_ms = clock_mono_ms() + LINGER_MS;
}

void
child_on_message(void *child, uint32_t what)
{
	struct child *c = child;
	int most = what == 0 ? MESSAGES_AT_DEATH : MESSAGES_A_TURN;

	for (int i = 0; i < most && c->process.control_fd >= 0; i++) {
		int fds[IPC_FDS_MAX];
		struct ipc_message msg;
		int r = ipc_receive(c->process.control_fd, &msg, fds);

		if (r == -EAGAIN)
			return;
		if (r == 0 || r == -ECONNRESET) {
			hung_up(c);
			return;
		}
		if (r < 0) {
			punish(c, "a malformed message");
			return;
		}
		for (int k = 0; k < IPC_FDS_MAX; k++) /* no child's message has any */
			closep(&fds[k]);
		if (takers[msg.type] == NULL || takers[msg.type](c, &msg) < 0) {
			punish(c, ipc_type_name((enum ipc_type)msg.type));
			return;
		}
	}
}
