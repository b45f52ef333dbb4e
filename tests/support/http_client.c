/* SPDX-License-Identifier: MIT */
/*
 * http_client.c - one HTTP request over a socket of its own, "Connection: close".
 *
 * Owns:   the socket for the length of the call.
 * Called: by the harness and by tests.
 * Fails:  with the errno of the step; a cut answer is -ECONNRESET.
 */
#include "config.h"

#include "tests/support/http_client.h"

#include "common/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

static int
parse_address(const char *text, struct sockaddr_in *sa, struct err *err)
{
	char host[64];
	const char *colon = strrchr(text, ':');

	if (colon == NULL || (size_t)(colon - text) >= sizeof(host))
		return err_set(err, -EINVAL, "'%s' is no HOST:PORT", text);
	(void)snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
	*sa = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(colon + 1)) };
	if (inet_pton(AF_INET, host, &sa->sin_addr) != 1)
		return err_set(err, -EINVAL, "'%s' is no IPv4 address", host);
	return 0;
}

static int
wait_for(int fd, short events, uint64_t until)
{
	struct pollfd p = { .fd = fd, .events = events };
	uint64_t now = clock_mono_ms();
	int r;

	if (now >= until)
		return -ETIMEDOUT;
	r = poll(&p, 1, (int)(until - now));
	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	return r == 0 ? -ETIMEDOUT : 0;
}

static int
open_socket(const struct sockaddr_in *sa, uint64_t until, int *out)
{
	CLEANUP(closep)
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(int);
	int r, problem = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) != 0) {
		if (errno != EINPROGRESS)
			return -errno;
		r = wait_for(fd, POLLOUT, until);
		if (r < 0)
			return r;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &len) != 0)
			return -errno;
		if (problem != 0)
			return -problem;
	}
	*out = TAKE_FD(fd);
	return 0;
}

static int
send_all(int fd, const struct buf *text, uint64_t until)
{
	for (size_t sent = 0; sent < text->len;) {
		ssize_t n = send(fd, text->data + sent, text->len - sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			int r = wait_for(fd, POLLOUT, until);

			if (r < 0)
				return r;
			continue;
		}
		if (n < 0)
			return -errno;
		sent += (size_t)n;
	}
	return 0;
}

static int
receive_all(int fd, struct buf *text, uint64_t until)
{
	for (;;) {
		ssize_t n;
		int r = buf_reserve(text, 64 * 1024);

		if (r < 0)
			return r;
		n = recv(fd, text->data + text->len, 64 * 1024, 0);
		if (n == 0)
			return 0;
		if (n < 0 && errno == EAGAIN) {
			r = wait_for(fd, POLLIN, until);
			if (r < 0)
				return r;
			continue;
		}
		if (n < 0)
			return -errno;
		text->len += (size_t)n;
		text->data[text->len] = '\0';
	}
}

static void
write_request(const struct http_client_request *rq, struct buf *out)
{
	const char *method = rq->method;
	size_t n = rq->body == NULL ? 0
	    : rq->body_len > 0      ? rq->body_len
				    : strlen(rq->body);

	if (method == NULL)
		method = rq->body != NULL ? "POST" : "GET";
	buf_addf(out, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", method,
	    rq->target, rq->address);
	if (rq->headers != NULL)
		buf_adds(out, rq->headers);
	if (rq->body != NULL)
		buf_addf(out, "Content-Length: %zu\r\n", n);
	buf_adds(out, "\r\n");
	if (rq->body != NULL)
		buf_add(out, rq->body, n);
}

static int
join_chunks(const char *p, const char *end, struct buf *body)
{
	for (;;) {
		char *after;
		unsigned long n = strtoul(p, &after, 16);
		const char *eol = memmem(p, (size_t)(end - p), "\r\n", 2);

		if (eol == NULL || after == p)
			return -ECONNRESET;
		p = eol + 2;
		if ((size_t)(end - p) < n + 2)
			return n == 0 ? 0 : -ECONNRESET;
		if (n == 0)
			return 0;
		buf_add(body, p, n);
		p += n + 2;
	}
}

static int
split_answer(const struct buf *text, struct buf *head, struct buf *body)
{
	const char *all = buf_str(text), *end = all + text->len, *length;
	const char *blank = memmem(all, text->len, "\r\n\r\n", 4);
	CLEANUP_BUF struct buf h = BUF_INIT, b = BUF_INIT;
	int r = 0;

	if (text->len == 0)
		return -ECONNRESET;
	if (strncmp(all, "HTTP/1.", 7) != 0)
		return -EPROTO;
	if (blank == NULL)
		return -ECONNRESET;
	buf_add(&h, all, (size_t)(blank - all) + 2);
	length = strcasestr(buf_str(&h), "\r\ncontent-length:");
	if (strcasestr(buf_str(&h), "\r\ntransfer-encoding: chunked") != NULL)
		r = join_chunks(blank + 4, end, &b);
	else
		buf_add(&b, blank + 4, (size_t)(end - blank - 4));
	if (length != NULL && b.len < strtoul(length + 17, NULL, 10))
		r = -ECONNRESET;
	if (r < 0)
		return r;
	if (head != NULL)
		buf_add(head, buf_str(&h), h.len);
	if (body != NULL)
		buf_add(body, buf_str(&b), b.len);
	return atoi(all + 9);
}

int
http_client(const struct http_client_request *rq, struct buf *head, struct buf *body,
    struct err *err)
{
	uint64_t until =
	    clock_mono_ms() + (rq->timeout_ms > 0 ? rq->timeout_ms : 10000);
	CLEANUP_BUF struct buf text = BUF_INIT, answer = BUF_INIT;
	CLEANUP(closep) int fd = -1;
	struct sockaddr_in sa;
	int r;

	r = parse_address(rq->address, &sa, err);
	if (r < 0)
		return r;
	write_request(rq, &text);
	r = open_socket(&sa, until, &fd);
	if (r == 0)
		r = send_all(fd, &text, until);
	if (r == 0)
		r = receive_all(fd, &answer, until);
	if (r == 0)
		r = split_answer(&answer, head, body);
	if (r < 0)
		return err_set(err, r, "%s%s: %s", rq->address, rq->target,
		    strerror(-r));
	return r;
}

int
http_get(const char *address, const char *target, struct buf *body, struct err *err)
{
	struct http_client_request rq = { .address = address, .target = target };

	return http_client(&rq, NULL, body, err);
}
