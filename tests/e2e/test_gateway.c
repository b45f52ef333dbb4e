/* SPDX-License-Identifier: MIT */
/*
 * test_gateway.c - the gateway of the running daemon against well and badly behaved
 * clients.
 *
 * Requests are written byte by byte, because what is tested is what no library sends.
 */
#include "config.h"

#include "tests/e2e/e2e.h"

#include "common/clock.h"
#include "tests/support/http_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

TestSuite(gateway, .timeout = 120);

enum {
	REQUEST_TIMEOUT_SEC = 2,
	BODY_MAX = 65536,
	MAX_WAITING = 3,
	CUT_MS = 20000, /* within this a connection that must be cut is cut */
	CROWD = 300
};

static struct harness *h;

static void
start(const char *token)
{
	h = e2e_new();
	harness_set(h, "http.request_timeout_sec", "%d", REQUEST_TIMEOUT_SEC);
	harness_set(h, "http.max_body_bytes", "%d", BODY_MAX);
	harness_set(h, "http.max_waiting", "%d", MAX_WAITING);
	harness_set(h, "http.hosts", "( \"jobs.example\" )");
	if (token != NULL)
		harness_set(h, "http.token", "\"%s\"", token);
	harness_start(h);
}

static void
stop(void)
{
	harness_stop(h);
	harness_free(h);
}

/* ---- raw connections ---- */

static int
dial(void)
{
	const char *address = harness_http_address(h);
	struct sockaddr_in a = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a.sin_port = htons((uint16_t)atoi(strchr(address, ':') + 1));
	cr_assert(eq(int, connect(fd, (struct sockaddr *)&a, sizeof(a)), 0), "%s",
	    strerror(errno));
	return fd;
}

/* The server may close at any byte: that is no failure here. */
static void
say(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t w = send(fd, bytes, n, MSG_NOSIGNAL);

		if (w <= 0)
			return;
		bytes += w;
		n -= (size_t)w;
	}
}

static void
says(int fd, const char *text)
{
	say(fd, text, strlen(text));
}

/* All until the server closes; false when it does not within ms. */
static bool
read_to_end(int fd, struct buf *out, uint64_t ms)
{
	uint64_t until = clock_mono_ms() + ms;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		uint64_t now = clock_mono_ms();
		char bytes[8192];
		ssize_t n;

		if (now >= until || poll(&p, 1, (int)(until - now)) <= 0)
			return false;
		n = recv(fd, bytes, sizeof(bytes), 0);
		if (n <= 0)
			return true;
		buf_add(out, bytes, (size_t)n);
	}
}

static bool
read_until(int fd, struct buf *out, const char *text, uint64_t ms)
{
	uint64_t until = clock_mono_ms() + ms;

	while (strstr(buf_str(out), text) == NULL) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		uint64_t now = clock_mono_ms();
		char bytes[8192];
		ssize_t n;

		if (now >= until || poll(&p, 1, (int)(until - now)) <= 0)
			return false;
		n = recv(fd, bytes, sizeof(bytes), 0);
		if (n <= 0)
			return false;
		buf_add(out, bytes, (size_t)n);
	}
	return true;
}

static unsigned
count(const struct buf *text, const char *what)
{
	unsigned n = 0;

	for (const char *p = buf_str(text); (p = strstr(p, what)) != NULL; p++)
		n++;
	return n;
}

static int
status_of(const struct buf *text)
{
	return text->len > 12 && strncmp(text->data, "HTTP/1.", 7) == 0
	    ? atoi(text->data + 9)
	    : 0;
}

/* ---- shapes of requests ---- */

#define HOST "Host: localhost\r\n"
#define NEXT "GET /smuggled HTTP/1.1\r\n" HOST "\r\n"
#define CHAT "POST /test/chat HTTP/1.1\r\n" HOST

static const struct shape {
	const char *name, *request;
	int status, or_status; /* 0: the connection is closed without a word */
	bool may_go_on; /* the bytes after the request are a request of their own */
} shapes[] = {
	/* who may ask */
	{ "our host", "GET /health HTTP/1.1\r\nHost: localhost:1\r\n\r\n", 200, 200,
	    true },
	{ "a host of the configuration",
	    "GET /health HTTP/1.1\r\nHost: JOBS.example\r\n\r\n", 200, 200, true },
	{ "a foreign host", "GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403,
	    403, true },
	{ "a name before ours",
	    "GET /health HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n", 403, 403,
	    true },
	{ "user info before ours",
	    "GET /health HTTP/1.1\r\nHost: evil@localhost\r\n\r\n", 403, 403, true },
	{ "no host", "GET /health HTTP/1.1\r\n\r\n", 400, 400, false },
	{ "an empty host", "GET /health HTTP/1.1\r\nHost:\r\n\r\n", 403, 400, true },
	{ "two hosts", "GET /health HTTP/1.1\r\n" HOST "Host: evil.example\r\n\r\n",
	    400, 403, false },
	{ "HTTP/1.0 without a host", "GET /health HTTP/1.0\r\n\r\n", 200, 200, false },
	{ "a foreign origin",
	    "GET /metrics HTTP/1.1\r\n" HOST "Origin: https://evil.example\r\n\r\n",
	    403, 403, true },
	{ "a null origin", "GET /health HTTP/1.1\r\n" HOST "Origin: null\r\n\r\n", 403,
	    403, true },
	{ "our origin",
	    "GET /health HTTP/1.1\r\n" HOST "Origin: http://localhost:8082\r\n\r\n",
	    200, 200, true },
	{ "two origins",
	    "GET /health HTTP/1.1\r\n" HOST
	    "Origin: http://localhost\r\nOrigin: https://evil.example\r\n\r\n",
	    403, 400, true },
	{ "a cross-site fetch",
	    "GET /health HTTP/1.1\r\n" HOST "Sec-Fetch-Site: cross-site\r\n\r\n", 403,
	    403, true },
	{ "a same-site fetch of another name",
	    "GET /health HTTP/1.1\r\n" HOST "Sec-Fetch-Site: CROSS-SITE\r\n\r\n", 403,
	    403, true },
	{ "a same-origin fetch",
	    "GET /health HTTP/1.1\r\n" HOST "Sec-Fetch-Site: same-origin\r\n\r\n", 200,
	    200, true },
	/* what may be asked */
	{ "an unknown page", "GET /nothing HTTP/1.1\r\n" HOST "\r\n", 404, 404, true },
	{ "a page beside a page", "GET /health/../metrics HTTP/1.1\r\n" HOST "\r\n",
	    404, 404, true },
	{ "an escaped slash", "GET /%2e%2e/etc/passwd HTTP/1.1\r\n" HOST "\r\n", 404,
	    404, true },
	{ "a NUL in the path", "GET /health%00 HTTP/1.1\r\n" HOST "\r\n", 404, 200,
	    true },
	{ "an absolute address",
	    "GET http://evil.example/health HTTP/1.1\r\n" HOST "\r\n", 404, 400, true },
	{ "another method", "DELETE /health HTTP/1.1\r\n" HOST "\r\n", 405, 405, true },
	{ "an invented method", "FETCHALL /test/chat HTTP/1.1\r\n" HOST "\r\n", 405,
	    405, true },
	{ "part of a method", "ET /health HTTP/1.1\r\n" HOST "\r\n", 405, 405, true },
	{ "a read of the chat", "GET /test/chat?prompt=x HTTP/1.1\r\n" HOST "\r\n", 405,
	    405, true },
	{ "CONNECT", "CONNECT 169.254.169.254:80 HTTP/1.1\r\n" HOST "\r\n", 404, 405,
	    true },
	{ "TRACE", "TRACE / HTTP/1.1\r\n" HOST "\r\n", 405, 405, true },
	{ "OPTIONS", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 404, 405, true },
	/* what is too much */
	{ "a declared body that is too long",
	    CHAT "Content-Length: 1000000000\r\n\r\n{\"prompt\":", 413, 413, false },
	{ "the same with a question",
	    CHAT "Expect: 100-continue\r\nContent-Length: 1000000000\r\n\r\n", 413, 413,
	    false },
	{ "a body of more than 64 bits",
	    CHAT "Content-Length: 99999999999999999999999\r\n\r\n", 413, 400, false },
	/* smuggling */
	{ "two lengths", CHAT "Content-Length: 0\r\nContent-Length: 35\r\n\r\n" NEXT,
	    400, 400, false },
	{ "the same length twice",
	    CHAT "Content-Length: 0\r\nContent-Length: 0\r\n\r\n" NEXT, 400, 400,
	    false },
	{ "a list of lengths", CHAT "Content-Length: 0, 35\r\n\r\n" NEXT, 400, 400,
	    false },
	{ "a length with a sign", CHAT "Content-Length: +0\r\n\r\n" NEXT, 400, 400,
	    false },
	{ "a negative length", CHAT "Content-Length: -1\r\n\r\n" NEXT, 400, 400,
	    false },
	{ "a hexadecimal length", CHAT "Content-Length: 0x0\r\n\r\n" NEXT, 400, 400,
	    false },
	{ "an empty length", CHAT "Content-Length:\r\n\r\n" NEXT, 400, 400, false },
	{ "length and chunks",
	    CHAT
	    "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" NEXT,
	    400, 400, false },
	{ "chunks and length",
	    CHAT
	    "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" NEXT,
	    400, 400, false },
	{ "two codings",
	    CHAT "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n"
		 "0\r\n\r\n" NEXT,
	    400, 400, false },
	{ "a list of codings",
	    CHAT "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" NEXT, 400, 501,
	    false },
	{ "chunks, then identity",
	    CHAT "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" NEXT, 400, 501,
	    false },
	{ "an unknown coding", CHAT "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" NEXT,
	    400, 501, false },
	{ "a coding with a vertical tab",
	    CHAT "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n" NEXT, 400, 501,
	    false },
	{ "a space before the colon",
	    CHAT "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" NEXT, 400, 400, false },
	{ "a folded coding",
	    CHAT
	    "Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" NEXT,
	    400, 400, false },
	{ "a chunk of a negative size",
	    CHAT "Transfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n" NEXT, 400, 0,
	    false },
	{ "a chunk of more than 64 bits",
	    CHAT "Transfer-Encoding: chunked\r\n\r\n"
		 "fffffffffffffffff\r\nx\r\n0\r\n\r\n" NEXT,
	    400, 413, false },
	{ "a chunk without an end",
	    CHAT "Transfer-Encoding: chunked\r\n\r\n1\r\nxyz\r\n0\r\n\r\n" NEXT, 400, 0,
	    false },
	{ "a body with a read",
	    "GET /health HTTP/1.1\r\n" HOST "Content-Length: 35\r\n\r\n" NEXT, 200, 200,
	    true },
	/* no HTTP */
	{ "TLS", "\x16\x03\x01\x02\x01\x01\xfc\x03\x03\r\n\r\n", 400, 0, false },
	{ "another protocol", "*1\r\n$8\r\nFLUSHALL\r\n\r\n\r\n", 400, 0, false },
	{ "another version", "GET /health HTTP/3.7\r\n" HOST "\r\n", 505, 400, false },
	{ "HTTP/2 with prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, 400,
	    false },
	{ "no version", "GET /health\r\n\r\n", 400, 505, false },
	{ "a header without a colon",
	    "GET /health HTTP/1.1\r\n" HOST "nonsense\r\n\r\n", 400, 400, false },
};

/* All at once: a connection that must be cut is cut while others are looked at. */
Test(gateway, every_shape_of_a_request_gets_its_answer_and_no_other)
{
	static int fds[ARRAY_LEN(shapes)];

	start(NULL);
	harness_llm_script(h, "{\"rules\":[{\"reply\":{\"content\":\"hi\"}}]}");
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		fds[i] = dial();
		says(fds[i], shapes[i].request);
	}
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		const struct shape *s = &shapes[i];
		CLEANUP_BUF struct buf out = BUF_INIT;
		bool is_closed = read_to_end(fds[i], &out, CUT_MS);
		int status = status_of(&out);

		cr_expect(is_closed, "%s: not closed", s->name);
		cr_expect(status == s->status || status == s->or_status,
		    "%s: %d instead of %d: %.600s", s->name, status, s->status,
		    buf_str(&out));
		/* the library's own pages have no type, and their head comes twice */
		cr_expect(le(uint, count(&out, "\r\nContent-Type: "), 1), "%s: %s",
		    s->name, buf_str(&out));
		cr_expect(status == 404 || count(&out, "not_found") == 0, "%s",
		    s->name);
		(void)close(fds[i]);
	}
	cr_expect(eq(llong, harness_llm_stat(h, "answers"), 0), "nothing became a job");
	stop();
}

Test(gateway, what_is_too_long_is_refused_and_what_is_slow_is_cut)
{
	CLEANUP_BUF struct buf head = BUF_INIT, chunks = BUF_INIT, line = BUF_INIT;
	int fds[3], slow[3], status[3];

	start(NULL);
	buf_adds(&head, "GET /health HTTP/1.1\r\n" HOST);
	for (int i = 0; i < 600; i++)
		buf_addf(&head, "X-Filler-%d: 0123456789012345678901234567890\r\n", i);
	buf_adds(&head, "\r\n");
	buf_adds(&line, "GET /");
	for (int i = 0; i < 4000; i++)
		buf_adds(&line, "aaaaaaaa");
	buf_adds(&line, " HTTP/1.1\r\n" HOST "\r\n");
	buf_adds(&chunks, CHAT "Transfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < BODY_MAX / 16 + 16; i++)
		buf_adds(&chunks, "10\r\n0123456789abcdef\r\n");
	buf_adds(&chunks, "0\r\n\r\n");
	for (size_t i = 0; i < ARRAY_LEN(slow); i++)
		slow[i] = dial();
	says(slow[0], "GET /health HTT"); /* a head that never ends */
	says(slow[1], CHAT "Content-Length: 100\r\n\r\n{\"pro"); /* a body likewise */
	/* slow[2] says nothing at all */
	for (int i = 0; i < 3; i++)
		fds[i] = dial();
	say(fds[0], buf_str(&head), head.len);
	say(fds[1], buf_str(&line), line.len);
	say(fds[2], buf_str(&chunks), chunks.len);
	for (int i = 0; i < 3; i++) {
		CLEANUP_BUF struct buf out = BUF_INIT;

		cr_expect(read_until(fds[i], &out, "\r\n\r\n", CUT_MS));
		status[i] = status_of(&out);
	}
	cr_expect(eq(int, status[0], 431));
	cr_expect(status[1] == 414 || status[1] == 431, "%d", status[1]);
	cr_expect(eq(int, status[2], 413));
	for (size_t i = 0; i < ARRAY_LEN(slow); i++) {
		CLEANUP_BUF struct buf last = BUF_INIT;

		cr_expect(read_to_end(slow[i], &last, CUT_MS), "%zu is not cut", i);
		(void)close(slow[i]);
	}
	for (int i = 0; i < 3; i++)
		(void)close(fds[i]);
	cr_expect(harness_is_ready(h));
	stop();
}

Test(gateway, a_crowd_is_served_and_idle_connections_are_let_go)
{
	static int fds[CROWD];
	unsigned served = 0, let_go = 0;

	start(NULL);
	for (int i = 0; i < CROWD; i++) {
		fds[i] = dial();
		says(fds[i], "GET /health HTTP/1.1\r\n" HOST "\r\n");
	}
	/* keep-alive: they stay open until their time is over, which makes room for the
	   next ones */
	for (int i = 0; i < CROWD; i++) {
		CLEANUP_BUF struct buf out = BUF_INIT;

		let_go += read_to_end(fds[i], &out, CUT_MS);
		served += status_of(&out) == 200;
		(void)close(fds[i]);
	}
	cr_expect(eq(uint, let_go, CROWD));
	cr_expect(ge(uint, served, MAX_WAITING + 100), "%u served", served);
	harness_wait_ready(h);
	stop();
}

Test(gateway, pipelined_requests_are_answered_in_their_order)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	const char *a, *b, *c;
	int fd;

	start(NULL);
	harness_llm_script(h,
	    "{\"rules\":[{\"reply\":{\"content\":\"hi\",\"delay_ms\":200}}]}");
	fd = dial();
	says(fd,
	    CHAT "Content-Type: application/json\r\nContent-Length: 14\r\n\r\n"
		 "{\"prompt\":\"p\"}"
		 "GET /nothing HTTP/1.1\r\n" HOST "\r\n"
		 "GET /health HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
	cr_expect(read_to_end(fd, &out, CUT_MS));
	a = strstr(buf_str(&out), "\"status\":\"completed\"");
	b = strstr(buf_str(&out), "not_found");
	c = strstr(buf_str(&out), "\"status\":\"ok\"");
	cr_expect(a != NULL && b != NULL && c != NULL && a < b && b < c, "%s",
	    buf_str(&out));
	(void)close(fd);
	stop();
}

/* ---- the chat ---- */

/* In requests {n} is the length of the body. */
static const struct chat_case {
	const char *name, *target, *type, *body;
	int status;
	const char *says;   /* in the answer */
	const char *prompt; /* what the model is asked; NULL: it is not */
} chats[] = {
	{ "query", "/test/chat?prompt=one+%C3%A9%26", NULL, "", 200,
	    "\"status\":\"completed\"", "one \xc3\xa9&" },
	{ "form", "/test/chat", "application/x-www-form-urlencoded",
	    "agent=workflow&prompt=two%20%3D+2", 200, "\"status\":\"completed\"",
	    "two = 2" },
	{ "form over query", "/test/chat?prompt=query",
	    "application/x-www-form-urlencoded", "prompt=form", 200,
	    "\"status\":\"completed\"", "form" },
	{ "form twice", "/test/chat", "application/x-www-form-urlencoded",
	    "prompt=first&prompt=second", 200, "\"status\":\"completed\"", "second" },
	{ "multipart without an end", "/test/chat", "multipart/form-data; boundary=XX",
	    "--XX\r\nContent-Disposition: form-data; name=\"prompt\"\r\n", 400,
	    "prompt", NULL },
	{ "multipart without a boundary", "/test/chat", "multipart/form-data",
	    "--XX\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\nx\r\n--XX--\r\n",
	    400, "prompt", NULL },
	{ "multipart", "/test/chat", "multipart/form-data; boundary=XX",
	    "--XX\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\nthree\r\n"
	    "lines\r\n--XX--\r\n",
	    200, "\"status\":\"completed\"", "three\r\nlines" },
	{ "JSON", "/test/chat", "application/json",
	    "{\"prompt\":\"four\",\"timeout_sec\":20,\"run_id\":\"r\"}", 200,
	    "\"status\":\"completed\"", "four" },
	{ "JSON that says form", "/test/chat", "application/x-www-form-urlencoded",
	    "{\"prompt\":\"five\"}", 200, "\"status\":\"completed\"", "five" },
	{ "a NUL in the query", "/test/chat?prompt=six%00seven", NULL, "", 200,
	    "\"status\":\"completed\"", "six\\u0000seven" },
	{ "a NUL in a form", "/test/chat", "application/x-www-form-urlencoded",
	    "prompt=eight%00nine", 200, "\"status\":\"completed\"",
	    "eight\\u0000nine" },
	{ "text that is no UTF-8", "/test/chat?prompt=%ff%fe", NULL, "", 400, "UTF-8",
	    NULL },
	{ "nothing", "/test/chat", NULL, "", 400, "prompt", NULL },
	{ "an empty prompt", "/test/chat?prompt=", NULL, "", 400, "prompt", NULL },
	{ "no object", "/test/chat", "application/json", "[1]", 400, "object", NULL },
	{ "no JSON", "/test/chat", "application/json", "{\"prompt\":", 400, "JSON",
	    NULL },
	{ "a prompt that is no text", "/test/chat", "application/json",
	    "{\"prompt\":5}", 400, "prompt", NULL },
	{ "an id of its own", "/test/chat", "application/json",
	    "{\"prompt\":\"p\",\"job_id\":\"mine\"}", 400, "job_id", NULL },
	{ "an id behind a NUL", "/test/chat", "application/json",
	    "{\"prompt\":\"ten\",\"job_id\\u0000\":\"mine\"}", 200,
	    "\"status\":\"completed\"", "ten" },
	{ "a bad field", "/test/chat", "application/json",
	    "{\"prompt\":\"p\",\"timeout_sec\":\"soon\"}", 200, "timeout_sec", NULL },
	{ "an unknown agent", "/test/chat?prompt=p&agent=nobody", NULL, "", 200,
	    "unknown_agent", NULL },
};

static int
chat(const struct chat_case *c, const char *more, struct buf *head, struct buf *body)
{
	CLEANUP_BUF struct buf headers = BUF_INIT;
	struct http_client_request rq = { .address = harness_http_address(h),
		.method = "POST",
		.target = c->target,
		.body = c->body,
		.timeout_ms = CUT_MS };
	struct err err = ERR_INIT;
	int status;

	if (c->type != NULL)
		buf_addf(&headers, "Content-Type: %s\r\n", c->type);
	buf_adds(&headers, more);
	rq.headers = buf_str(&headers);
	status = http_client(&rq, head, body, &err);
	cr_expect(gt(int, status, 0), "%s: %s", c->name, err_text(&err));
	return status;
}

Test(gateway, a_prompt_arrives_as_it_was_sent_or_is_refused)
{
	start(NULL);
	harness_llm_script(h, "{\"rules\":[{\"reply\":{\"content\":\"hi\"}}]}");
	for (size_t i = 0; i < ARRAY_LEN(chats); i++) {
		const struct chat_case *c = &chats[i];
		CLEANUP_BUF struct buf body = BUF_INIT, asked = BUF_INIT,
				       want = BUF_INIT;
		long long before = harness_llm_stat(h, "answers");
		int status = chat(c, "", NULL, &body);
		const struct json *log;

		cr_expect(eq(int, status, c->status), "%s: %s", c->name,
		    buf_str(&body));
		cr_expect(strstr(buf_str(&body), c->says) != NULL, "%s: %s", c->name,
		    buf_str(&body));
		cr_expect(eq(llong, harness_llm_stat(h, "answers") - before,
			      c->prompt != NULL),
		    "%s", c->name);
		log = harness_llm_log(h);
		if (c->prompt == NULL || log->len == 0)
			continue;
		json_write(&asked, json_get(&log->items[log->len - 1], "prompt"),
		    JSON_COMPACT);
		if (strstr(c->prompt, "\\u") == NULL)
			json_write_string(&want, c->prompt, strlen(c->prompt));
		else
			buf_addf(&want, "\"%s\"", c->prompt);
		cr_expect_str_eq(buf_str(&asked), buf_str(&want), "%s", c->name);
		harness_clear(h);
	}
	cr_expect(eq(llong, harness_redis_int(h, "EXISTS agent:job:mine"), 0));
	stop();
}

Test(gateway, without_the_token_only_health_answers)
{
	static const struct {
		const char *header;
		int status;
	} tokens[] = {
		{ "", 401 },
		{ "Authorization: Bearer\r\n", 401 },
		{ "Authorization: Bearer \r\n", 401 },
		{ "Authorization: Bearer s3cre\r\n", 401 },
		{ "Authorization: Bearer s3crett\r\n", 401 },
		{ "Authorization: Bearer S3CRET\r\n", 401 },
		{ "Authorization: Basic s3cret\r\n", 401 },
		{ "Authorization: Bearer x\r\nAuthorization: Bearer s3cret\r\n", 401 },
		{ "Authorization: bearer s3cret\r\n", 200 },
		{ "Authorization: Bearer s3cret\r\n", 200 },
	};
	static const char *const targets[] = { "/metrics", "/" };

	start("s3cret");
	for (size_t i = 0; i < ARRAY_LEN(tokens); i++)
		for (size_t k = 0; k < ARRAY_LEN(targets); k++) {
			CLEANUP_BUF struct buf head = BUF_INIT, body = BUF_INIT;
			struct http_client_request rq = { .address =
							      harness_http_address(h),
				.target = targets[k],
				.headers = tokens[i].header };
			struct err err = ERR_INIT;
			int status = http_client(&rq, &head, &body, &err);

			cr_expect(status == tokens[i].status || status == 400,
			    "%s %s: %d", targets[k], tokens[i].header, status);
			if (status == 401)
				cr_expect(strstr(buf_str(&head),
					      "WWW-Authenticate: Bearer") != NULL);
			cr_expect(strstr(buf_str(&body), "s3cret") == NULL);
		}
	{
		CLEANUP_BUF struct buf body = BUF_INIT;

		cr_expect(eq(int, chat(&chats[0], "", NULL, &body), 401));
		cr_expect(eq(int,
		    http_get(harness_http_address(h), "/health", NULL, NULL), 200));
		cr_expect(harness_log_has(h, "s3cret") == false);
	}
	stop();
}

/* ---- waiting ---- */

static bool
in_flight(struct harness *hh, void *arg)
{
	return harness_llm_stat(hh, "answers") >= *(long long *)arg;
}

Test(gateway, those_who_wait_are_few_and_the_next_is_told_when_to_come_back)
{
	static const char ask[] = CHAT "Content-Length: 14\r\n\r\n{\"prompt\":\"p\"}";
	static int fds[MAX_WAITING];
	CLEANUP_BUF struct buf head = BUF_INIT, body = BUF_INIT;
	const struct json *v;
	long long want = MAX_WAITING;

	start(NULL);
	harness_llm_script(h,
	    "{\"rules\":[{\"reply\":{\"content\":\"hi\",\"delay_ms\":3000}}]}");
	for (int i = 0; i < MAX_WAITING; i++) {
		fds[i] = dial();
		says(fds[i], ask);
	}
	harness_wait_until(h, in_flight, &want, CUT_MS, "the jobs run");
	cr_expect(eq(int, chat(&chats[0], "", &head, &body), 503), "%s",
	    buf_str(&body));
	cr_expect(strstr(buf_str(&head), "Retry-After: ") != NULL, "%s",
	    buf_str(&head));
	cr_expect(strstr(buf_str(&body), "http.max_waiting") != NULL, "%s",
	    buf_str(&body));
	cr_expect(harness_is_ready(h), "others are served meanwhile");
	/* the client leaves, its job goes on and its place is free again */
	(void)close(fds[0]);
	for (int i = 1; i < MAX_WAITING; i++) {
		CLEANUP_BUF struct buf out = BUF_INIT;

		cr_expect(read_until(fds[i], &out, "completed_at", CUT_MS), "%s",
		    buf_str(&out));
		cr_expect(eq(int, status_of(&out), 200));
		(void)close(fds[i]);
	}
	while (strcmp(harness_sql(h, "SELECT count(*) FROM agent_results"), "3\n") != 0)
		harness_sleep(10);
	buf_clear(&body);
	cr_expect(eq(int, chat(&chats[0], "", NULL, &body), 200));
	v = harness_llm_stats(h);
	cr_expect(eq(i64, int_at(v, "answers"), 4));
	stop();
}

/* ---- health and metrics ---- */

static double
metric(const char *name)
{
	CLEANUP_BUF struct buf body = BUF_INIT;
	const char *at;
	size_t n = strlen(name);

	cr_assert(eq(int, harness_http(h, "GET", "/metrics", NULL, &body), 200));
	for (at = strstr(buf_str(&body), name); at != NULL; at = strstr(at + 1, name))
		if ((at == body.data || at[-1] == '\n') && at[n] == ' ')
			return atof(at + n);
	return -1;
}

static void
promtool(void)
{
	CLEANUP_BUF struct buf body = BUF_INIT, out = BUF_INIT;
	char file[300];
	const char *argv[] = { "/bin/sh", "-c", NULL, NULL };
	CLEANUP_BUF struct buf line = BUF_INIT;

	cr_assert(eq(int, harness_http(h, "GET", "/metrics", NULL, &body), 200));
	harness_write_file(h, "metrics.txt", buf_str(&body));
	(void)snprintf(file, sizeof(file), "%s/metrics.txt", harness_dir(h));
	buf_addf(&line,
	    "command -v promtool >/dev/null || exit 0; promtool check metrics <%s",
	    file);
	argv[2] = buf_str(&line);
	cr_expect(eq(int, harness_run(h, argv, &out), 0), "%s", buf_str(&out));
}

Test(gateway, metrics_move_with_jobs_and_are_clean)
{
	static const struct {
		const char *name;
		double rise;
	} moves[] = {
		{ "agent_runner_jobs_done_total{status=\"completed\",error_type=\"\"}",
		    2 },
		{ "agent_runner_jobs_done_total{status=\"failed\",error_type=\"llm_auth\"}",
		    1 },
		{ "agent_runner_llm_input_tokens_total{provider=\"stub\",model=\"scripted\"}",
		    22 },
		{ "agent_runner_job_seconds_count", 3 },
	};
	double before[ARRAY_LEN(moves)];
	CLEANUP_BUF struct buf body = BUF_INIT;

	start(NULL);
	promtool();
	harness_llm_script(h,
	    "{\"rules\":[{\"when\":{\"prompt_contains\":\"bad\"},\"fault\":{\"status\":401}},"
	    "{\"reply\":{\"content\":\"hi\",\"usage\":{\"prompt_tokens\":11,"
	    "\"completion_tokens\":7}}}]}");
	for (size_t i = 0; i < ARRAY_LEN(moves); i++)
		before[i] = metric(moves[i].name);
	for (int i = 0; i < 3; i++) {
		char id[16];

		(void)snprintf(id, sizeof(id), "m%d", i);
		harness_push_job(h, id, i == 2 ? "bad" : "good",
		    ",\"user_id\":\"ann-of-the-owners\"");
		(void)harness_result(h, id, CUT_MS);
	}
	for (size_t i = 0; i < ARRAY_LEN(moves); i++) {
		uint64_t until = clock_mono_ms() + CUT_MS;
		double now = -1;

		cr_expect(ge(dbl, before[i], 0), "there is no %s", moves[i].name);
		while (now != before[i] + moves[i].rise && clock_mono_ms() < until)
			now = metric(moves[i].name);
		cr_expect(ieee_ulp_eq(dbl, now, before[i] + moves[i].rise, 4), "%s",
		    moves[i].name);
	}
	promtool();
	(void)harness_http(h, "GET", "/metrics", NULL, &body);
	cr_expect(strstr(buf_str(&body), "ann-of") == NULL, "the owner is no label");
	stop();
}

Test(gateway, health_says_what_is_and_readiness_why_not)
{
	CLEANUP_BUF struct buf body = BUF_INIT;
	uint64_t until = clock_mono_ms() + CUT_MS;
	int status = 200;

	start(NULL);
	cr_expect(eq(int, harness_http(h, "GET", "/health", NULL, &body), 200));
	cr_expect(strstr(buf_str(&body),
		      "\"status\":\"ok\",\"workers\":2,\"version\":\"") != NULL,
	    "%s", buf_str(&body));
	harness_signal(h, SIGSTOP); /* the supervisor does not answer any more */
	while (status == 200 && clock_mono_ms() < until) {
		buf_clear(&body);
		status = harness_http(h, "GET", "/health?ready=1", NULL, &body);
	}
	harness_signal(h, SIGCONT);
	cr_expect(eq(int, status, 503));
	cr_expect(strstr(buf_str(&body), "\"status\":\"unready\",\"reasons\":[\"") !=
		NULL,
	    "%s", buf_str(&body));
	harness_wait_ready(h);
	stop();
}
