/* SPDX-License-Identifier: MIT */
/*
 * http_probe.c - the scripted HTTP server of the tests.
 *
 * Owns:   its listening socket and threads; a thread for each connection.
 * Called: by unit tests of everything that speaks HTTP outwards.
 * Fails:  by closing the connection; what a test then sees is the test's matter.
 */
#include "config.h"

#include "tests/support/http_probe.h"

#include "common/buf.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

enum {
	PROBE_CONNECTIONS_MAX = 512,
	PROBE_REQUEST_MAX = 1 << 20
};

struct http_probe {
	const struct http_probe_route *routes;
	size_t n_routes;
	int listen_fd;
	uint16_t port;
	pthread_t acceptor;
	pthread_t threads[PROBE_CONNECTIONS_MAX];
	int fds[PROBE_CONNECTIONS_MAX];
	atomic_uint n_threads, n_requests;
	atomic_bool is_stopping;
	pthread_mutex_t lock;
	struct buf last;
};

struct connection {
	struct http_probe *probe;
	int fd;
};

static void
pause_ms(struct http_probe *p, unsigned ms)
{
	struct timespec tick = { 0, 5000000 };

	for (unsigned slept = 0; slept < ms && !p->is_stopping; slept += 5)
		(void)nanosleep(&tick, NULL);
}

static int
send_all(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t w = send(fd, bytes, n, MSG_NOSIGNAL);

		if (w <= 0)
			return -1;
		bytes += w;
		n -= (size_t)w;
	}
	return 0;
}

/* Reads one request into in; what follows it (pipelining) is not supported. */
static int
read_request(int fd, struct buf *in)
{
	size_t need = 0;

	buf_clear(in);
	for (;;) {
		char bytes[8192];
		ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
		const char *end, *length;

		if (n <= 0 || in->len > PROBE_REQUEST_MAX)
			return -1;
		buf_add(in, bytes, (size_t)n);
		end = strstr(buf_str(in), "\r\n\r\n");
		if (end == NULL)
			continue;
		length = strcasestr(buf_str(in), "\r\ncontent-length:");
		need = (size_t)(end - in->data) + 4;
		if (length != NULL && length < end)
			need += strtoul(length + 17, NULL, 10);
		if (in->len >= need)
			return 0;
	}
}

struct bits {
	struct buf *out;
	unsigned value, n;
};

static void
put_bits(struct bits *b, unsigned value, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		b->value |= ((value >> i) & 1u) << b->n;
		if (++b->n == 8) {
			buf_addc(b->out, (char)b->value);
			b->value = b->n = 0;
		}
	}
}

/* One zero, then "258 bytes from one back" in fixed codes: 13 bits for 258 bytes. */
static void
gzip_bomb(struct buf *out, size_t bytes)
{
	static const char head[10] = { 0x1f, (char)0x8b, 8, 0, 0, 0, 0, 0, 0, 3 };
	struct bits b = { .out = out };

	buf_add(out, head, sizeof(head));
	put_bits(&b, 1, 1); /* last block */
	put_bits(&b, 1, 2); /* fixed codes */
	put_bits(&b, 0x0c,
	    8); /* literal 0: 00110000, sent most significant bit first */
	for (size_t n = 0; n < bytes; n += 258) {
		put_bits(&b, 0xa3, 8); /* length 258: 11000101, likewise */
		put_bits(&b, 0, 5);    /* distance 1 */
	}
	put_bits(&b, 0, 7); /* end of block */
	put_bits(&b, 0, 7);
	buf_add(out, "\0\0\0\0\0\0\0\0", 8);
}

static void
add_headers(struct buf *out, const struct http_probe *p, const char *headers)
{
	const char *at;

	if (headers == NULL)
		return;
	while ((at = strstr(headers, "{port}")) != NULL) {
		buf_add(out, headers, (size_t)(at - headers));
		buf_addf(out, "%u", p->port);
		headers = at + 6;
	}
	buf_adds(out, headers);
}

static int
send_body(struct http_probe *p, int fd, const struct http_probe_route *r,
    const struct buf *body)
{
	size_t n = r->flags & PROBE_CUT ? body->len / 2 : body->len;

	if (r->flags & PROBE_CHUNKED) {
		for (size_t at = 0; at < n; at += 4096) {
			size_t piece = n - at < 4096 ? n - at : 4096;
			char head[32];

			(void)snprintf(head, sizeof(head), "%zx\r\n", piece);
			if (send_all(fd, head, strlen(head)) < 0 ||
			    send_all(fd, body->data + at, piece) < 0 ||
			    send_all(fd, "\r\n", 2) < 0)
				return -1;
		}
		return r->flags & PROBE_CUT ? -1 : send_all(fd, "0\r\n\r\n", 5);
	}
	if (r->drip_ms == 0)
		return send_all(fd, buf_str(body), n) < 0 || (r->flags & PROBE_CUT) ? -1
										    : 0;
	for (size_t i = 0; i < n && !p->is_stopping; i++) {
		if (send_all(fd, body->data + i, 1) < 0)
			return -1;
		pause_ms(p, r->drip_ms);
	}
	return 0;
}

static int
endless_headers(struct http_probe *p, int fd)
{
	static const char line[] =
	    "X-Filler: 0123456789012345678901234567890123456789\r\n";

	if (send_all(fd, "HTTP/1.1 200 OK\r\n", 17) < 0)
		return -1;
	while (!p->is_stopping)
		if (send_all(fd, line, sizeof(line) - 1) < 0)
			return -1;
	return -1;
}

static int
answer(struct http_probe *p, int fd, const struct http_probe_route *r,
    const struct buf *request)
{
	CLEANUP_BUF struct buf head = BUF_INIT, body = BUF_INIT;
	size_t times = r->repeat != 0 ? r->repeat : 1;

	pause_ms(p, r->delay_ms);
	if (r->flags & PROBE_HANG) {
		while (!p->is_stopping)
			pause_ms(p, 1000);
		return -1;
	}
	if (r->flags & PROBE_CLOSE)
		return -1;
	if (r->flags & PROBE_ENDLESS_HEADERS)
		return endless_headers(p, fd);
	if (r->flags & PROBE_ECHO)
		buf_add(&body, request->data, request->len);
	else if (r->flags & PROBE_GZIP_BOMB)
		gzip_bomb(&body, r->repeat);
	else
		for (size_t i = 0; i < times && r->body != NULL; i++)
			buf_adds(&body, r->body);
	if (r->flags & PROBE_RAW)
		return send_all(fd, buf_str(&body), body.len) < 0 ? -1 : -1;
	buf_addf(&head, "HTTP/1.1 %d Probe\r\n", r->status != 0 ? r->status : 200);
	add_headers(&head, p, r->headers);
	if (r->flags & PROBE_GZIP_BOMB)
		buf_adds(&head, "Content-Encoding: gzip\r\n");
	if (r->flags & PROBE_CHUNKED)
		buf_adds(&head, "Transfer-Encoding: chunked\r\n\r\n");
	else
		buf_addf(&head, "Content-Length: %zu\r\n\r\n", body.len);
	if (send_all(fd, buf_str(&head), head.len) < 0)
		return -1;
	return send_body(p, fd, r, &body);
}

static const struct http_probe_route *
find_route(const struct http_probe *p, const char *request)
{
	static const struct http_probe_route none = { .status = 404,
		.body = "no route" };
	const char *path = strchr(request, ' ');
	size_t n;

	if (path == NULL)
		return &none;
	path++;
	n = strcspn(path, " ?");
	for (size_t i = 0; i < p->n_routes; i++)
		if (strlen(p->routes[i].path) == n &&
		    memcmp(p->routes[i].path, path, n) == 0)
			return &p->routes[i];
	return &none;
}

static void *
serve(void *arg)
{
	struct connection c = *(struct connection *)arg;
	CLEANUP_BUF struct buf request = BUF_INIT;
	struct http_probe *p = c.probe;

	free(arg);
	while (!p->is_stopping && read_request(c.fd, &request) == 0) {
		(void)pthread_mutex_lock(&p->lock);
		buf_clear(&p->last);
		buf_add(&p->last, request.data, request.len);
		(void)pthread_mutex_unlock(&p->lock);
		p->n_requests++;
		if (answer(p, c.fd, find_route(p, buf_str(&request)), &request) < 0)
			break;
	}
	(void)shutdown(c.fd,
	    SHUT_RDWR); /* closed by http_probe_stop, so no number comes back */
	return NULL;
}

static void *
accept_all(void *arg)
{
	struct http_probe *p = arg;

	while (!p->is_stopping && p->n_threads < PROBE_CONNECTIONS_MAX) {
		struct connection *c;
		int fd = accept4(p->listen_fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			break;
		c = malloc(sizeof(*c));
		if (c == NULL) {
			(void)close(fd);
			break;
		}
		*c = (struct connection){ p, fd };
		p->fds[p->n_threads] = fd;
		if (pthread_create(&p->threads[p->n_threads], NULL, serve, c) == 0)
			p->n_threads++;
	}
	return NULL;
}

struct http_probe *
http_probe_start(const struct http_probe_route *routes, size_t n)
{
	struct http_probe *p = calloc(1, sizeof(*p));
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);

	if (p == NULL)
		return NULL;
	p->routes = routes;
	p->n_routes = n;
	(void)pthread_mutex_init(&p->lock, NULL);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	p->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (p->listen_fd < 0 || bind(p->listen_fd, (struct sockaddr *)&a, len) < 0 ||
	    listen(p->listen_fd, 128) < 0 ||
	    getsockname(p->listen_fd, (struct sockaddr *)&a, &len) < 0 ||
	    pthread_create(&p->acceptor, NULL, accept_all, p) != 0) {
		free(p);
		return NULL;
	}
	p->port = ntohs(a.sin_port);
	return p;
}

void
http_probe_stop(struct http_probe *p)
{
	if (p == NULL)
		return;
	p->is_stopping = true;
	(void)shutdown(p->listen_fd, SHUT_RDWR);
	(void)pthread_join(p->acceptor, NULL);
	(void)close(p->listen_fd);
	for (unsigned i = 0; i < p->n_threads; i++)
		(void)shutdown(p->fds[i], SHUT_RDWR);
	for (unsigned i = 0; i < p->n_threads; i++) {
		(void)pthread_join(p->threads[i], NULL);
		(void)close(p->fds[i]);
	}
	buf_release(&p->last);
	(void)pthread_mutex_destroy(&p->lock);
	free(p);
}

uint16_t
http_probe_port(const struct http_probe *p)
{
	return p->port;
}

unsigned
http_probe_requests(struct http_probe *p)
{
	return p->n_requests;
}

unsigned
http_probe_connections(struct http_probe *p)
{
	return p->n_threads;
}

char *
http_probe_last(struct http_probe *p, char *out, size_t size)
{
	(void)pthread_mutex_lock(&p->lock);
	(void)snprintf(out, size, "%s", buf_str(&p->last));
	(void)pthread_mutex_unlock(&p->lock);
	return out;
}
