/* SPDX-License-Identifier: MIT */
/*
 * cut_proxy.c - forwards bytes, and cuts once at a chosen request.
 *
 * Owns:   its listening socket, its thread, one pair of connections.
 * Called: by tests of what happens when an answer is lost.
 * Fails:  a peer that goes away ends its pair; the next client is served.
 */
#include "config.h"

#include "tests/support/cut_proxy.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	PIECE = 64 * 1024,
	TAIL = 6,
	ANSWER_MS = 5000,
	QUIET_MS = 50
};

struct cut_proxy {
	struct sockaddr_un listen_address, server_address;
	int listen_fd;
	int stop_pipe[2];
	pthread_t thread;
	pthread_mutex_t lock; /* over the next two */
	char text[64];        /* "" while not armed */
	enum cut_where where;
	atomic_uint cuts;
};

static int
set_address(struct sockaddr_un *a, const char *path)
{
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(a->sun_path))
		return -ENAMETOOLONG;
	(void)strcpy(a->sun_path, path);
	return 0;
}

static bool
send_all(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t done = send(fd, bytes, n, MSG_NOSIGNAL);

		if (done <= 0)
			return false;
		bytes += done;
		n -= (size_t)done;
	}
	return true;
}

/* Is this the request to cut at? Then *where says how, and the proxy is disarmed. */
static bool
is_chosen(struct cut_proxy *p, const char *bytes, size_t n, enum cut_where *where)
{
	bool is_hit;

	(void)pthread_mutex_lock(&p->lock);
	is_hit =
	    p->text[0] != '\0' && memmem(bytes, n, p->text, strlen(p->text)) != NULL;
	if (is_hit) {
		*where = p->where;
		p->text[0] = '\0';
	}
	(void)pthread_mutex_unlock(&p->lock);
	return is_hit;
}

/* The whole answer, which has ended when nothing more comes for a moment. */
static size_t
read_answer(int server, char *bytes, size_t max)
{
	struct pollfd pfd = { .fd = server, .events = POLLIN };
	size_t n = 0;

	while (n < max && poll(&pfd, 1, n == 0 ? ANSWER_MS : QUIET_MS) > 0) {
		ssize_t got = recv(server, bytes + n, max - n, 0);

		if (got <= 0)
			break;
		n += (size_t)got;
	}
	return n;
}

static void
cut(int client, int server, const char *request, size_t n, enum cut_where where)
{
	char answer[PIECE];
	size_t len;

	if (where == CUT_BEFORE || !send_all(server, request, n))
		return;
	len = read_answer(server, answer, sizeof(answer));
	if (where == CUT_INSIDE && len > TAIL)
		(void)send_all(client, answer, len - TAIL);
}

/* Moves what has come in; false when the pair has ended. */
static bool
move(struct cut_proxy *p, int from, int to, bool is_request)
{
	char bytes[PIECE];
	ssize_t n = recv(from, bytes, sizeof(bytes), 0);
	enum cut_where where;

	if (n <= 0)
		return false;
	if (is_request && is_chosen(p, bytes, (size_t)n, &where)) {
		cut(from, to, bytes, (size_t)n, where);
		atomic_fetch_add(&p->cuts, 1);
		return false;
	}
	return send_all(to, bytes, (size_t)n);
}

static bool
serve(struct cut_proxy *p, int client, int server)
{
	struct pollfd fds[3] = { { .fd = p->stop_pipe[0], .events = POLLIN },
		{ .fd = client, .events = POLLIN },
		{ .fd = server, .events = POLLIN } };
	bool goes_on = true;

	while (goes_on) {
		if (poll(fds, 3, -1) < 0)
			continue;
		if (fds[0].revents != 0)
			return false;
		if (fds[1].revents != 0)
			goes_on = move(p, client, server, true);
		if (goes_on && fds[2].revents != 0)
			goes_on = move(p, server, client, false);
	}
	return true;
}

static int
reach_server(const struct cut_proxy *p)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 &&
	    connect(fd, (const struct sockaddr *)&p->server_address,
		sizeof(p->server_address)) < 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

static void *
run(void *arg)
{
	struct cut_proxy *p = arg;
	struct pollfd fds[2] = { { .fd = p->stop_pipe[0], .events = POLLIN },
		{ .fd = p->listen_fd, .events = POLLIN } };
	bool goes_on = true;

	while (goes_on) {
		CLEANUP(closep) int client = -1;
		CLEANUP(closep) int server = -1;

		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents != 0)
			break;
		client = accept4(p->listen_fd, NULL, NULL, SOCK_CLOEXEC);
		server = reach_server(p);
		if (client >= 0 && server >= 0)
			goes_on = serve(p, client, server);
	}
	return NULL;
}

void
cut_proxy_arm(struct cut_proxy *p, const char *text, enum cut_where where)
{
	(void)pthread_mutex_lock(&p->lock);
	(void)snprintf(p->text, sizeof(p->text), "%s", text);
	p->where = where;
	(void)pthread_mutex_unlock(&p->lock);
}

unsigned
cut_proxy_cuts(struct cut_proxy *p)
{
	return atomic_load(&p->cuts);
}

static void
release(struct cut_proxy *p)
{
	closep(&p->listen_fd);
	closep(&p->stop_pipe[0]);
	closep(&p->stop_pipe[1]);
	(void)pthread_mutex_destroy(&p->lock);
	free(p);
}

void
cut_proxy_free(struct cut_proxy *p)
{
	if (p == NULL)
		return;
	(void)!write(p->stop_pipe[1], "x", 1); /* a pipe with room: cannot fail */
	(void)pthread_join(p->thread, NULL);
	(void)unlink(p->listen_address.sun_path);
	release(p);
}

int
cut_proxy_new(const char *listen_path, const char *server_path, struct cut_proxy **out,
    struct err *err)
{
	struct cut_proxy *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return err_set(err, -ENOMEM, "no memory");
	p->listen_fd = p->stop_pipe[0] = p->stop_pipe[1] = -1;
	(void)pthread_mutex_init(&p->lock, NULL);
	if (set_address(&p->listen_address, listen_path) < 0 ||
	    set_address(&p->server_address, server_path) < 0) {
		release(p);
		return err_set(err, -ENAMETOOLONG, "%s", listen_path);
	}
	p->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (p->listen_fd < 0 || pipe2(p->stop_pipe, O_CLOEXEC) < 0 ||
	    bind(p->listen_fd, (const struct sockaddr *)&p->listen_address,
		sizeof(p->listen_address)) < 0 ||
	    listen(p->listen_fd, 8) < 0 ||
	    pthread_create(&p->thread, NULL, run, p) != 0) {
		int r = -errno;

		release(p);
		return err_set(err, r, "%s: %s", listen_path, strerror(-r));
	}
	*out = p;
	return 0;
}
