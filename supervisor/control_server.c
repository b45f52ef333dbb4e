/* SPDX-License-Identifier: MIT */
/*
 * control_server.c - answers fixed requests with fixed answers.
 *
 * Owns:   the listening socket and its connections.
 * Called: by the event loop; by reload.c when an answer is due.
 * Fails:  a wrong or impatient peer loses its connection, nothing else. When all places
 *         are taken, who has said nothing for longest makes room: nobody keeps an
 *         operator out by holding connections.
 */
#include "config.h"

#include "supervisor/control_server.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/role/control.h"
#include "supervisor/hub.h"
#include "supervisor/reload.h"
#include "supervisor/stages.h"
#include "supervisor/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>

enum {
	CONNECTIONS_MAX = 64
};

struct connection {
	TAILQ_ENTRY(connection) link;
	struct control_server *server;
	struct event_source source;
	struct ucred peer;
	bool waits_for_reload;
};

struct control_server {
	struct supervisor *supervisor;
	struct event_source listener;
	char path[108];
	unsigned n_connections;
	TAILQ_HEAD(, connection) connections;
};

static void
hang_up(struct connection *k)
{
	struct control_server *cs = k->server;

	events_remove(cs->supervisor->events, &k->source);
	(void)close(k->source.fd);
	TAILQ_REMOVE(&cs->connections, k, link);
	cs->n_connections--;
	free(k);
}

/* The connection ends when the answer does not go out at once. */
static void
answer(struct connection *k, enum control_type type, int result, const char *text,
    void *body, size_t body_len)
{
	struct control_answer head = { .version = CONTROL_VERSION,
		.type = (uint16_t)type,
		.result = result,
		.body_len = (uint32_t)body_len };
	struct iovec iov[2] = { { &head, sizeof(head) }, { body, body_len } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = body_len > 0 ? 2 : 1 };

	(void)snprintf(head.text, sizeof(head.text), "%s", text);
	if (sendmsg(k->source.fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		hang_up(k);
}

static void
describe(const struct child *c, struct control_child *out, uint64_t now_ms)
{
	*out = (struct control_child){ .role = c->role,
		.slot = c->slot,
		.state = c->state,
		.pid = child_has_process(c) ? c->process.pid : 0,
		.generation = c->generation->number,
		.jobs_in_flight = child_jobs_in_flight(c),
		.restarts = c->restarts,
		.is_alive = child_has_process(c) && !c->is_silent,
		.jobs_done = c->process.slots == NULL
		    ? 0
		    : atomic_load_explicit(&c->process.slots->jobs_done,
			  memory_order_relaxed),
		.uptime_ms = child_has_process(c) ? now_ms - c->started_ms : 0 };
}

static void
fill_status(const struct supervisor *s, struct control_status *st)
{
	uint64_t now_ms = clock_mono_ms();
	const struct child *c;

	(void)snprintf(st->version, sizeof(st->version), "%s", PACKAGE_VERSION);
	(void)snprintf(st->node, sizeof(st->node), "%s", s->now->conf->service.node);
	(void)snprintf(st->boot, sizeof(st->boot), "%s", s->boot);
	st->pid = getpid();
	st->generation = s->now->number;
	st->is_draining = s->phase >= PHASE_DRAINING;
	st->is_starting = s->phase < PHASE_RUNNING;
	st->is_unprivileged = !s->identity.is_root;
	st->is_reloading = (uint32_t)reload_is_busy(s);
	st->reloads_ok = s->reload.ok;
	st->reloads_failed = s->reload.failed;
	st->reload_result = s->reload.result;
	st->started_at_ms = s->started_at_ms;
	st->reloaded_at_ms = s->reload.at_ms;
	st->uptime_ms = now_ms - s->started_ms;
	(void)snprintf(st->reload_text, sizeof(st->reload_text), "%s", s->reload.text);
	(void)snprintf(st->degraded, sizeof(st->degraded), "%s", s->degraded);
	if (storm_until_ms(s) > now_ms)
		st->paused_ms = storm_until_ms(s) - now_ms;
	TAILQ_FOREACH (c, &s->children, link)
		if (st->n_children < CONTROL_CHILDREN_MAX)
			describe(c, &st->children[st->n_children++], now_ms);
}

static void
on_ping(struct connection *k)
{
	answer(k, CONTROL_PING, 0, "", NULL, 0);
}

static void
on_status(struct connection *k)
{
	CLEANUP(freep) struct control_status *st = calloc(1, sizeof(*st));

	if (st == NULL) {
		answer(k, CONTROL_STATUS, -ENOMEM, "", NULL, 0);
		return;
	}
	fill_status(k->server->supervisor, st);
	answer(k, CONTROL_STATUS, 0, "", st,
	    offsetof(struct control_status, children) +
		st->n_children * sizeof(st->children[0]));
}

static void
on_metrics(struct connection *k)
{
	struct control_metrics m;

	hub_snapshot(k->server->supervisor, &m);
	answer(k, CONTROL_METRICS, 0, "", &m, sizeof(m));
}

static void
on_drain(struct connection *k)
{
	stages_drain(k->server->supervisor);
	answer(k, CONTROL_DRAIN, 0, "running jobs finish, then the daemon ends", NULL,
	    0);
}

static void
on_reload(struct connection *k)
{
	k->waits_for_reload = true; /* the answer may come before this returns */
	reload_ask(k->server->supervisor);
}

static void (*const handlers[CONTROL_TYPE_COUNT])(struct connection *) = {
	[CONTROL_PING] = on_ping,
	[CONTROL_STATUS] = on_status,
	[CONTROL_METRICS] = on_metrics,
	[CONTROL_DRAIN] = on_drain,
	[CONTROL_RELOAD] = on_reload,
};

void
control_server_reloaded(struct control_server *cs)
{
	struct connection *k, *next;

	if (cs == NULL || cs->supervisor->reload.is_again)
		return; /* one more follows: its result is the one that was asked for */
	for (k = TAILQ_FIRST(&cs->connections); k != NULL; k = next) {
		next = TAILQ_NEXT(k, link);
		if (!k->waits_for_reload)
			continue;
		k->waits_for_reload = false;
		answer(k, CONTROL_RELOAD, cs->supervisor->reload.result,
		    cs->supervisor->reload.text, NULL, 0);
	}
}

/* A child that was taken over must not stop the daemon, even when all run as one
   user. */
static bool
is_own_child(const struct supervisor *s, pid_t pid)
{
	const struct child *c;

	TAILQ_FOREACH (c, &s->children, link)
		if (c->process.pid == pid)
			return true;
	return false;
}

static bool
may_command(const struct connection *k)
{
	return (k->peer.uid == 0 || k->peer.uid == geteuid()) &&
	    !is_own_child(k->server->supervisor, k->peer.pid);
}

static void
on_request(void *connection, uint32_t what)
{
	struct connection *k = connection;
	struct control_request bytes, req;
	ssize_t got =
	    recv(k->source.fd, &bytes, sizeof(bytes), MSG_DONTWAIT | MSG_TRUNC);

	(void)what;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got < 0 || control_request_read(&bytes, (size_t)got, &req) < 0) {
		hang_up(k);
		return;
	}
	if (control_is_privileged((enum control_type)req.type) && !may_command(k)) {
		log_warning("control: %s by process %ld of user %ld refused",
		    control_type_name((enum control_type)req.type), (long)k->peer.pid,
		    (long)k->peer.uid);
		answer(k, (enum control_type)req.type, -EPERM,
		    "only root and the daemon's own user may do that", NULL, 0);
		return;
	}
	handlers[req.type](k);
}

/* The list is in the order of arrival, and an answer is given at once: who is still there
   asked for a reload, or idles. */
static void
make_room(struct control_server *cs)
{
	struct connection *k;

	if (cs->n_connections < CONNECTIONS_MAX)
		return;
	TAILQ_FOREACH (k, &cs->connections, link)
		if (!k->waits_for_reload) {
			hang_up(k);
			return;
		}
}

static void
on_connection(void *server, uint32_t what)
{
	struct control_server *cs = server;
	CLEANUP(closep)
	int fd = accept4(cs->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	CLEANUP(freep) struct connection *k = NULL;
	socklen_t len = sizeof(struct ucred);

	(void)what;
	if (fd < 0)
		return;
	make_room(cs);
	if (cs->n_connections >= CONNECTIONS_MAX)
		return;
	k = calloc(1, sizeof(*k));
	if (k == NULL || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &k->peer, &len) < 0)
		return;
	k->server = cs;
	k->source = (struct event_source){ .fd = fd, .on_event = on_request, .arg = k };
	if (events_add(cs->supervisor->events, &k->source) < 0)
		return;
	(void)TAKE_FD(fd);
	TAILQ_INSERT_TAIL(&cs->connections, k, link);
	cs->n_connections++;
	k = NULL;
}

static int
listen_at(const char *path, const struct identity *who, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	CLEANUP(closep)
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask;
	int r;

	if (fd < 0)
		return err_set(err, -errno, "socket: %s", strerror(errno));
	memcpy(addr.sun_path, path, strlen(path) + 1);
	(void)unlink(path); /* the pid file's lock says that nobody listens there */
	mask = umask(0117); /* born as 0660 */
	r = bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
	(void)umask(mask);
	if (r == 0 && who->is_root &&
	    fchownat(AT_FDCWD, path, who->uid, who->gid, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	if (r == 0 && listen(fd, CONNECTIONS_MAX) < 0)
		r = -errno;
	if (r < 0)
		return err_set(err, r, "%s: %s", path, strerror(-r));
	return TAKE_FD(fd);
}

int
control_server_open(struct supervisor *s, struct err *err)
{
	CLEANUP(freep) struct control_server *cs = calloc(1, sizeof(*cs));
	int fd, r;

	if (cs == NULL)
		return err_set(err, -ENOMEM, "no memory for the control socket");
	r = control_path(s->now->conf->service.run_dir, cs->path);
	if (r < 0)
		return err_set(err, r, "service.run_dir is too long for a socket");
	fd = listen_at(cs->path, &s->identity, err);
	if (fd < 0)
		return fd;
	cs->supervisor = s;
	TAILQ_INIT(&cs->connections);
	cs->listener =
	    (struct event_source){ .fd = fd, .on_event = on_connection, .arg = cs };
	r = events_add(s->events, &cs->listener);
	if (r < 0) {
		(void)close(fd);
		return err_set(err, r, "%s: %s", cs->path, strerror(-r));
	}
	s->control = TAKE_PTR(cs);
	return 0;
}

void
control_server_close(struct control_server *cs)
{
	if (cs == NULL)
		return;
	while (!TAILQ_EMPTY(&cs->connections))
		hang_up(TAILQ_FIRST(&cs->connections));
	events_remove(cs->supervisor->events, &cs->listener);
	(void)close(cs->listener.fd);
	(void)unlink(cs->path);
	free(cs);
}
