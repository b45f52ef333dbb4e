/* SPDX-License-Identifier: MIT */
/*
 * http_server.c - the loop, the connections and the answers of the test HTTP server.
 *
 * Owns:   every struct conn, the timer heap and the descriptors.
 * Called: by llm_stub and data_api; handlers run inside the loop and must not block.
 * Fails:  a broken connection is closed and forgotten; only the listening socket and
 *         epoll themselves can fail http_server_run.
 */
#include "config.h"

#include "tests/support/http_server.h"

#include "common/clock.h"
#include "tests/support/http_request.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

enum {
	EVENTS_MAX = 256,
	READ_BYTES = 16 * 1024,
	NO_TIMER = -1
};

struct conn {
	struct http_server *server;
	int fd;
	int timer;       /* place in the heap, or NO_TIMER */
	uint64_t due_ms; /* when the timer rings */
	struct buf in, out;
	size_t out_sent;
	struct http_frame frame; /* of the request being read; head_len 0: not known */
	struct http_source source;
	bool is_answering;  /* a reply is on its way: do not look at further requests */
	bool is_waiting;    /* its first byte has not been sent */
	bool is_hang;       /* it never will be */
	bool is_close;      /* close when out is sent */
	bool wants_out;     /* EPOLLOUT is registered */
	bool has_continued; /* "100 Continue" was said for this request */
	bool is_dead;       /* freed at the end of the turn */
	struct conn *next_dead;
};

struct http_server {
	int listen_fd, epoll_fd, signal_fd;
	uint16_t port;
	http_handler *handler;
	void *ctx;
	struct conn **heap; /* by due_ms */
	size_t heap_len, heap_cap;
	struct conn *dead;
	struct http_reply reply; /* re-used for each request */
	struct http_server_stats stats;
	bool is_stopping;
};

static const char *const cut_names[HTTP_CUT_COUNT] = {
#define X(name, text) [HTTP_CUT_##name] = text,
	HTTP_CUTS(X)
#undef X
};

static const struct {
	int status;
	const char *phrase;
} phrases[] = {
	{ 200, "OK" },
	{ 201, "Created" },
	{ 204, "No Content" },
	{ 301, "Moved Permanently" },
	{ 302, "Found" },
	{ 304, "Not Modified" },
	{ 307, "Temporary Redirect" },
	{ 308, "Permanent Redirect" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 413, "Content Too Large" },
	{ 429, "Too Many Requests" },
	{ 500, "Internal Server Error" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
	{ 529, "Overloaded" },
};

int
http_cut_parse(const char *text, size_t n)
{
	for (int i = 0; i < HTTP_CUT_COUNT; i++)
		if (strlen(cut_names[i]) == n && memcmp(cut_names[i], text, n) == 0)
			return i;
	return -EINVAL;
}

static const char *
phrase_of(int status)
{
	for (size_t i = 0; i < ARRAY_LEN(phrases); i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return "Status";
}

void
http_reply_header(struct http_reply *reply, const char *name, const char *value)
{
	buf_addf(&reply->headers, "%s: %s\r\n", name, value);
}

/* ---- the timer heap ---- */

static void
heap_place(struct http_server *s, size_t i, struct conn *c)
{
	s->heap[i] = c;
	c->timer = (int)i;
}

static void
heap_up(struct http_server *s, size_t i)
{
	struct conn *c = s->heap[i];

	while (i > 0 && s->heap[(i - 1) / 2]->due_ms > c->due_ms) {
		heap_place(s, i, s->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_place(s, i, c);
}

static void
heap_down(struct http_server *s, size_t i)
{
	struct conn *c = s->heap[i];

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= s->heap_len)
			break;
		if (child + 1 < s->heap_len &&
		    s->heap[child + 1]->due_ms < s->heap[child]->due_ms)
			child++;
		if (s->heap[child]->due_ms >= c->due_ms)
			break;
		heap_place(s, i, s->heap[child]);
		i = child;
	}
	heap_place(s, i, c);
}

static void
timer_set(struct conn *c, uint64_t ms)
{
	struct http_server *s = c->server;

	ASSERT(c->timer == NO_TIMER);
	if (s->heap_len == s->heap_cap) {
		size_t cap = s->heap_cap == 0 ? 256 : s->heap_cap * 2;
		struct conn **heap = realloc(s->heap, cap * sizeof(*heap));

		ASSERT(heap != NULL);
		s->heap = heap;
		s->heap_cap = cap;
	}
	c->due_ms = clock_mono_ms() + ms;
	heap_place(s, s->heap_len++, c);
	heap_up(s, (size_t)c->timer);
}

static void
timer_cancel(struct conn *c)
{
	struct http_server *s = c->server;
	size_t i = (size_t)c->timer;

	if (c->timer == NO_TIMER)
		return;
	c->timer = NO_TIMER;
	s->heap_len--;
	if (i == s->heap_len)
		return;
	heap_place(s, i, s->heap[s->heap_len]);
	heap_down(s, i);
	heap_up(s, (size_t)s->heap[i]->timer);
}

/* ---- connections ---- */

static void
source_drop(struct conn *c)
{
	if (c->source.fill != NULL && c->source.free != NULL)
		c->source.free(c->source.state);
	c->source.fill = NULL;
}

/* Frees at the end of the turn, since an event of this turn may still name it. */
static void
conn_kill(struct conn *c)
{
	struct http_server *s = c->server;

	if (c->is_dead)
		return;
	c->is_dead = true;
	timer_cancel(c);
	source_drop(c);
	if (c->is_waiting)
		s->stats.waiting--;
	s->stats.connections--;
	(void)close(c->fd);
	c->next_dead = s->dead;
	s->dead = c;
}

static void
bury_dead(struct http_server *s)
{
	while (s->dead != NULL) {
		struct conn *c = s->dead;

		s->dead = c->next_dead;
		buf_release(&c->in);
		buf_release(&c->out);
		free(c);
	}
}

static void
want_output(struct conn *c, bool wants)
{
	struct epoll_event ev = { .events = EPOLLIN | (wants ? EPOLLOUT : 0u),
		.data.ptr = c };

	if (c->wants_out == wants)
		return;
	c->wants_out = wants;
	if (epoll_ctl(c->server->epoll_fd, EPOLL_CTL_MOD, c->fd, &ev) != 0)
		conn_kill(c);
}

/* ---- answers ---- */

struct slow_body {
	char *bytes;
	size_t len, sent, piece;
};

static int
slow_body_fill(void *state, struct buf *out)
{
	struct slow_body *b = state;
	size_t n = b->len - b->sent < b->piece ? b->len - b->sent : b->piece;

	buf_add(out, b->bytes + b->sent, n);
	b->sent += n;
	return b->sent < b->len;
}

static void
slow_body_free(void *state)
{
	struct slow_body *b = state;

	free(b->bytes);
	free(b);
}

static void
make_slow(struct http_reply *reply)
{
	struct slow_body *b = calloc(1, sizeof(*b));

	ASSERT(b != NULL);
	b->piece = reply->piece_bytes;
	b->bytes = buf_take(&reply->body, &b->len);
	ASSERT(b->bytes != NULL);
	reply->source =
	    (struct http_source){ slow_body_fill, slow_body_free, b, reply->pause_ms };
}

static void
write_head(struct conn *c, const struct http_reply *r)
{
	int status = r->status == 0 ? 200 : r->status;

	buf_addf(&c->out, "HTTP/1.1 %d %s\r\n", status, phrase_of(status));
	if (status != 204 && status != 304)
		buf_addf(&c->out, "Content-Type: %s\r\n",
		    r->content_type != NULL ? r->content_type : "application/json");
	if (r->headers.len > 0)
		buf_add(&c->out, r->headers.data, r->headers.len);
	if (r->source.fill != NULL)
		buf_adds(&c->out, "Transfer-Encoding: chunked\r\n");
	else if (status != 204 && status != 304)
		buf_addf(&c->out, "Content-Length: %zu\r\n", r->body.len);
	buf_adds(&c->out, c->is_close ? "Connection: close\r\n\r\n" : "\r\n");
}

static void
write_reply(struct conn *c, struct http_reply *r, bool is_head)
{
	size_t head_len;

	c->is_close = c->is_close || r->is_close || r->cut != HTTP_CUT_NONE;
	c->is_hang = r->is_hang;
	if (r->piece_bytes > 0 && r->source.fill == NULL)
		make_slow(r);
	write_head(c, r);
	head_len = c->out.len;
	if (is_head)
		return;
	if (r->source.fill != NULL)
		c->source = r->source;
	else if (r->body.len > 0)
		buf_add(&c->out, r->body.data, r->body.len);
	switch (r->cut) {
	case HTTP_CUT_BEFORE_HEADERS:
		c->out.len = 0;
		break;
	case HTTP_CUT_MID_HEADERS:
		c->out.len = head_len / 2;
		break;
	case HTTP_CUT_MID_BODY:
		c->out.len = head_len + (c->out.len - head_len) / 2;
		break;
	default:
		break;
	}
}

/* The next chunk into out. False when the source has come to its end. */
static bool
refill(struct conn *c)
{
	CLEANUP_BUF struct buf piece = BUF_INIT;
	int more;

	if (c->source.fill == NULL)
		return false;
	more = c->source.fill(c->source.state, &piece);
	c->out.len = c->out_sent = 0;
	if (piece.len > 0) {
		buf_addf(&c->out, "%zx\r\n", piece.len);
		buf_add(&c->out, piece.data, piece.len);
		buf_adds(&c->out, "\r\n");
	}
	if (!more) {
		buf_adds(&c->out, "0\r\n\r\n");
		source_drop(c);
	}
	return true;
}

static void
reply_is_sent(struct conn *c)
{
	if (c->is_close) {
		conn_kill(c);
		return;
	}
	c->is_answering = false;
	c->out.len = c->out_sent = 0;
	if (c->out.cap > 256 * 1024)
		buf_release(&c->out);
	want_output(c, false);
}

/* Sends what there is; sets a timer before the next piece of a slow body. */
static void
conn_send(struct conn *c)
{
	if (c->is_waiting) {
		c->is_waiting = false;
		c->server->stats.waiting--;
	}
	for (;;) {
		while (c->out_sent < c->out.len) {
			ssize_t n = send(c->fd, c->out.data + c->out_sent,
			    c->out.len - c->out_sent, MSG_NOSIGNAL);

			if (n < 0 && errno == EAGAIN) {
				want_output(c, true);
				return;
			}
			if (n < 0) {
				conn_kill(c);
				return;
			}
			c->out_sent += (size_t)n;
		}
		if (!refill(c))
			break;
		if (c->source.pause_ms > 0) {
			want_output(c, false);
			timer_set(c, c->source.pause_ms);
			return;
		}
	}
	reply_is_sent(c);
}

static void
reply_clear(struct http_reply *r)
{
	struct buf headers = r->headers, body = r->body;

	buf_clear(&headers);
	buf_clear(&body);
	*r = (struct http_reply){ .headers = headers, .body = body };
}

static void
answer(struct conn *c, const struct http_request *rq)
{
	struct http_server *s = c->server;

	s->stats.requests++;
	c->is_answering = c->is_waiting = true;
	s->stats.waiting++;
	reply_clear(&s->reply);
	s->handler(s->ctx, rq, &s->reply);
	write_reply(c, &s->reply, strcmp(rq->method, "HEAD") == 0);
	if (c->is_hang)
		return;
	if (s->reply.delay_ms > 0)
		timer_set(c, s->reply.delay_ms);
	else
		conn_send(c);
}

static void
refuse(struct conn *c, int status)
{
	struct http_reply *r = &c->server->reply;

	c->is_answering = c->is_waiting = true;
	c->server->stats.waiting++;
	reply_clear(r);
	r->status = status;
	r->is_close = true;
	buf_adds(&r->body, "{\"error\":{\"message\":\"not an HTTP request\"}}");
	write_reply(c, r, false);
	conn_send(c);
}

/* ---- requests ---- */

static void
say_continue(struct conn *c)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

	if (!c->frame.wants_continue || c->has_continued)
		return;
	c->has_continued = true;
	if (send(c->fd, text, sizeof(text) - 1, MSG_NOSIGNAL) < 0)
		conn_kill(c);
}

/* Answers one request of the input; false when there is no whole one. */
static bool
take_one(struct conn *c)
{
	struct http_request rq;
	size_t used = 0;
	int r = 1;

	if (c->in.len == 0)
		return false;
	if (c->frame.head_len == 0)
		r = http_frame_find(c->in.data, c->in.len, &c->frame);
	if (r > 0)
		r = http_request_take(c->in.data, c->in.len, &c->frame, &rq, &used);
	if (r < 0) {
		refuse(c, r == -E2BIG ? 413 : 400);
		return false;
	}
	if (r == 0) {
		say_continue(c);
		return false;
	}
	c->is_close = c->frame.is_close;
	answer(c, &rq);
	memmove(c->in.data, c->in.data + used, c->in.len - used);
	c->in.len -= used;
	c->frame.head_len = 0;
	c->has_continued = false;
	return true;
}

static void
take_requests(struct conn *c)
{
	while (!c->is_dead && !c->is_answering && take_one(c))
		;
	if (c->in.len == 0 && c->in.cap > 64 * 1024)
		buf_release(&c->in);
}

static void
conn_read(struct conn *c)
{
	for (;;) {
		size_t room = READ_BYTES;
		ssize_t n;

		if (c->frame.head_len != 0 &&
		    c->frame.head_len + c->frame.body_len > c->in.len)
			room = c->frame.head_len + c->frame.body_len - c->in.len;
		if (c->in.len > HTTP_HEAD_MAX + HTTP_BODY_MAX ||
		    buf_reserve(&c->in, room) != 0) {
			conn_kill(c);
			return;
		}
		n = recv(c->fd, c->in.data + c->in.len, room, 0);
		if (n == 0 || (n < 0 && errno != EAGAIN)) {
			conn_kill(c);
			return;
		}
		if (n < 0)
			break;
		c->in.len += (size_t)n;
		if ((size_t)n < room)
			break;
	}
	take_requests(c);
}

static void
accept_all(struct http_server *s)
{
	for (;;) {
		int fd =
		    accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct epoll_event ev = { .events = EPOLLIN };
		struct conn *c;
		int one = 1;

		if (fd < 0)
			return;
		c = calloc(1, sizeof(*c));
		ASSERT(c != NULL);
		c->server = s;
		c->fd = fd;
		c->timer = NO_TIMER;
		ev.data.ptr = c;
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0) {
			(void)close(fd);
			free(c);
			return;
		}
		s->stats.accepted++;
		s->stats.connections++;
	}
}

/* ---- the loop ---- */

static int
ring_timers(struct http_server *s)
{
	uint64_t now = clock_mono_ms();

	while (s->heap_len > 0 && s->heap[0]->due_ms <= now) {
		struct conn *c = s->heap[0];

		timer_cancel(c);
		conn_send(c);
		take_requests(c);
	}
	return s->heap_len == 0 ? -1 : (int)(s->heap[0]->due_ms - now);
}

static void
read_signals(struct http_server *s, void (*on_hup)(void *ctx))
{
	struct signalfd_siginfo info;

	while (read(s->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo != SIGHUP)
			s->is_stopping = true;
		else if (on_hup != NULL)
			on_hup(s->ctx);
	}
}

static void
handle_event(struct http_server *s, const struct epoll_event *ev,
    void (*on_hup)(void *ctx))
{
	struct conn *c = ev->data.ptr;

	if (ev->data.ptr == &s->listen_fd) {
		accept_all(s);
		return;
	}
	if (ev->data.ptr == &s->signal_fd) {
		read_signals(s, on_hup);
		return;
	}
	if (c->is_dead)
		return;
	if (ev->events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		conn_read(c);
	if (!c->is_dead && (ev->events & EPOLLOUT)) {
		conn_send(c);
		take_requests(c);
	}
}

int
http_server_run(struct http_server *s, void (*on_hup)(void *ctx), struct err *err)
{
	struct epoll_event events[EVENTS_MAX];

	while (!s->is_stopping) {
		int wait_ms = ring_timers(s);
		int n;

		bury_dead(s);
		n = epoll_wait(s->epoll_fd, events, EVENTS_MAX, wait_ms);
		if (n < 0 && errno != EINTR)
			return err_set(err, -errno, "epoll_wait failed");
		for (int i = 0; i < n; i++)
			handle_event(s, &events[i], on_hup);
	}
	return 0;
}

static int
listen_on(struct http_server *s, const char *host, uint16_t port, struct err *err)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };
	socklen_t len = sizeof(sa);
	int one = 1;

	if (inet_pton(AF_INET, host, &sa.sin_addr) != 1)
		return err_set(err, -EINVAL, "'%s' is no IPv4 address", host);
	s->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->listen_fd < 0)
		return err_set(err, -errno, "cannot make a socket");
	(void)setsockopt(s->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(s->listen_fd, (struct sockaddr *)&sa, sizeof(sa)) != 0 ||
	    listen(s->listen_fd, 4096) != 0 ||
	    getsockname(s->listen_fd, (struct sockaddr *)&sa, &len) != 0)
		return err_set(err, -errno, "cannot listen on %s:%u", host, port);
	s->port = ntohs(sa.sin_port);
	return 0;
}

static int
watch(struct http_server *s, int fd, void *what)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = what };

	return epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0 ? 0 : -errno;
}

static int
open_loop(struct http_server *s, struct err *err)
{
	struct rlimit files;
	sigset_t set;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files); /* fewer connections, then */
	}
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->signal_fd < 0 || s->epoll_fd < 0 ||
	    watch(s, s->signal_fd, &s->signal_fd) < 0 ||
	    watch(s, s->listen_fd, &s->listen_fd) < 0)
		return err_set(err, -errno, "cannot make the event loop");
	return 0;
}

int
http_server_new(const char *host, uint16_t port, http_handler *handler, void *ctx,
    struct http_server **out, struct err *err)
{
	struct http_server *s = calloc(1, sizeof(*s));
	int r;

	if (s == NULL)
		return err_set(err, -ENOMEM, "no memory for the server");
	s->listen_fd = s->epoll_fd = s->signal_fd = -1;
	s->handler = handler;
	s->ctx = ctx;
	r = listen_on(s, host, port, err);
	if (r == 0)
		r = open_loop(s, err);
	if (r < 0) {
		http_server_free(s);
		return r;
	}
	*out = s;
	return 0;
}

/* Connections that are open stay open: the process ends right after. */
void
http_server_free(struct http_server *s)
{
	if (s == NULL)
		return;
	bury_dead(s);
	closep(&s->listen_fd);
	closep(&s->epoll_fd);
	closep(&s->signal_fd);
	buf_release(&s->reply.headers);
	buf_release(&s->reply.body);
	free(s->heap);
	free(s);
}

uint16_t
http_server_port(const struct http_server *s)
{
	return s->port;
}

const struct http_server_stats *
http_server_stats(const struct http_server *s)
{
	return &s->stats;
}
