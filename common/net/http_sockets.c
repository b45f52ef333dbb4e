/* SPDX-License-Identifier: MIT */
/*
 * http_sockets.c - the client's epoll set and timer, under curl's socket_action.
 *
 * Owns:   epoll_fd, timer_fd and the table of sockets.
 * Called: by http_client.c, and by curl through the callbacks.
 * Fails:  a refused address is a bad socket to curl, with the reason in the transfer.
 *
 * A registration in the epoll set outlives the request: an idle connection stays in it
 * until an event arrives that nobody waits for, which is the peer closing. An epoll set
 * nested in another one is readable whenever it has events, so the owner's loop watches
 * one descriptor whatever happens in here.
 */
#include "config.h"

#include "common/net/http_private.h"

#include "common/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>

enum {
	EVENTS_AT_ONCE = 64
};

static struct http_socket *
socket_at(struct http_client *c, int fd)
{
	size_t n = c->n_sockets > 0 ? c->n_sockets : 64;
	struct http_socket *more;

	if ((size_t)fd < c->n_sockets)
		return &c->sockets[fd];
	while (n <= (size_t)fd)
		n *= 2;
	more = realloc(c->sockets, n * sizeof(*more));
	if (more == NULL)
		return NULL;
	memset(more + c->n_sockets, 0, (n - c->n_sockets) * sizeof(*more));
	c->sockets = more;
	c->n_sockets = n;
	return &c->sockets[fd];
}

static int
set_registration(struct http_client *c, int fd, struct http_socket *s, uint8_t events)
{
	struct epoll_event ev = { .events = events, .data = { .fd = fd } };
	int op = events == 0 ? EPOLL_CTL_DEL
	    : s->registered  ? EPOLL_CTL_MOD
			     : EPOLL_CTL_ADD;

	if (s->registered == events)
		return 0;
	s->registered = events;
	if (epoll_ctl(c->epoll_fd, op, fd, &ev) == 0 || op == EPOLL_CTL_DEL)
		return 0;
	/* The table was wrong about a number that came back: set it right. */
	op = errno == EEXIST ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	if (epoll_ctl(c->epoll_fd, op, fd, &ev) == 0)
		return 0;
	s->registered = 0;
	return -1;
}

/* curl: wait for this on that socket. */
static int
on_socket(CURL *easy UNUSED, curl_socket_t fd, int what, void *arg, void *unused UNUSED)
{
	struct http_client *c = arg;
	struct http_socket *s = socket_at(c, fd);

	if (s == NULL)
		return -1;
	s->wanted = 0;
	if (what == CURL_POLL_REMOVE)
		return s->is_ours ? 0 : set_registration(c, fd, s, 0);
	if (what & CURL_POLL_IN)
		s->wanted |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		s->wanted |= EPOLLOUT;
	return set_registration(c, fd, s, s->wanted);
}

static void
arm(struct http_client *c, uint64_t at_ms)
{
	struct itimerspec when = { 0 };

	if (c->armed_ms != 0 && c->armed_ms <= at_ms)
		return; /* fires early enough, and is then set again */
	when.it_value.tv_sec = (time_t)(at_ms / 1000);
	when.it_value.tv_nsec = (long)(at_ms % 1000) * 1000000L + 1;
	if (timerfd_settime(c->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) == 0)
		c->armed_ms = at_ms > 0 ? at_ms : 1;
}

/* curl: act on timeouts after ms, or never. */
static int
on_timer(CURLM *multi UNUSED, long ms, void *arg)
{
	struct http_client *c = arg;

	if (ms < 0) {
		c->due_ms = 0;
		return 0;
	}
	c->due_ms = clock_mono_ms() + (uint64_t)ms;
	if (ms > 0)
		arm(c, c->due_ms);
	return 0;
}

void
http_sockets_wake(struct http_client *c)
{
	arm(c, 1);
}

void
http_sockets_kick(struct http_client *c)
{
	int running = -1;

	/* A timeout action may ask for the next one at once; two or three follow a
	 * start. */
	for (int i = 0; i < 8; i++) {
		if (c->due_ms == 0 || c->due_ms > clock_mono_ms())
			break;
		c->due_ms = 0;
		(void)curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0,
		    &running);
	}
	if (c->due_ms != 0)
		arm(c, c->due_ms);
	if (running >= 0 && (size_t)running < c->n_in_multi)
		http_sockets_wake(c);
}

static void
on_timer_fd(struct http_client *c)
{
	uint64_t fired;

	(void)!read(c->timer_fd, &fired,
	    sizeof(fired)); /* empty when set again meanwhile */
	c->armed_ms = 0;
	if (c->due_ms != 0 && c->due_ms <= clock_mono_ms()) {
		int running;

		c->due_ms = 0;
		(void)curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0,
		    &running);
	}
	if (c->due_ms != 0)
		arm(c, c->due_ms);
}

static void
on_event(struct http_client *c, int fd, uint32_t events)
{
	struct http_socket *s = socket_at(c, fd);
	int running, what = 0;

	if (s == NULL)
		return;
	if (s->wanted == 0) {
		(void)set_registration(c, fd, s, 0);
		return;
	}
	if (events & EPOLLIN)
		what |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		what |= CURL_CSELECT_OUT;
	if (events & (EPOLLERR | EPOLLHUP))
		what |= CURL_CSELECT_ERR;
	(void)curl_multi_socket_action(c->multi, fd, what, &running);
}

void
http_sockets_turn(struct http_client *c)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int n = epoll_wait(c->epoll_fd, events, EVENTS_AT_ONCE, 0);

	for (int i = 0; i < n; i++) {
		if (events[i].data.fd == c->timer_fd)
			on_timer_fd(c);
		else
			on_event(c, events[i].data.fd, events[i].events);
	}
	if (c->due_ms != 0)
		arm(c, c->due_ms);
}

/*
 * Every address that curl is about to connect to passes here, whatever it was made
 * from: a name, an odd way to write a number, a redirect. This is where the guard
 * decides.
 */
curl_socket_t
http_socket_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct http_transfer *t = arg;
	struct http_client *c = t->client;
	struct http_socket *s;
	struct err why = ERR_INIT;
	struct ip_addr ip;
	uint16_t port;
	int fd;

	ASSERT(t->magic == HTTP_TRANSFER_MAGIC);
	if (purpose != CURLSOCKTYPE_IPCXN)
		return CURL_SOCKET_BAD;
	if (c->options.guard != NULL) {
		if (!ip_addr_from_sockaddr(&address->addr, address->addrlen, &ip,
			&port) ||
		    addr_guard_check_address(c->options.guard, &t->target, &ip, port,
			&why) < 0) {
			(void)snprintf(t->refusal, sizeof(t->refusal), "%.300s",
			    err_text(&why));
			t->addresses_refused++;
			return CURL_SOCKET_BAD;
		}
	}
	t->addresses_tried++;
	fd = socket(address->family, address->socktype | SOCK_CLOEXEC,
	    address->protocol);
	if (fd < 0)
		return CURL_SOCKET_BAD;
	s = socket_at(c, fd);
	if (s == NULL) {
		(void)close(fd);
		return CURL_SOCKET_BAD;
	}
	*s = (struct http_socket){ .is_ours = true };
	return fd;
}

int
http_socket_close(void *arg, curl_socket_t fd)
{
	struct http_client *c = arg;
	struct http_socket *s = socket_at(c, fd);

	if (s != NULL)
		*s = (struct http_socket){ 0 };
	return close(fd); /* leaves the epoll set by itself */
}

int
http_sockets_init(struct http_client *c, struct err *err)
{
	struct epoll_event ev = { .events = EPOLLIN };

	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	c->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (c->epoll_fd < 0 || c->timer_fd < 0)
		return err_set(err, -errno, "HTTP client: %s", strerror(errno));
	ev.data.fd = c->timer_fd;
	if (epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, c->timer_fd, &ev) < 0)
		return err_set(err, -errno, "HTTP client: %s", strerror(errno));
	(void)curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	(void)curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
	(void)curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	(void)curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
	return 0;
}

void
http_sockets_release(struct http_client *c)
{
	if (c->epoll_fd >= 0)
		(void)close(c->epoll_fd);
	if (c->timer_fd >= 0)
		(void)close(c->timer_fd);
	free(c->sockets);
}
