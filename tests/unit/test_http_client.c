/* SPDX-License-Identifier: MIT */
/* test_http_client.c - requests over a server that answers well or badly on purpose. */
#include "config.h"

#include "common/net/http_client.h"

#include "common/net/addr_guard.h"
#include "tests/support/http_probe.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

static const struct http_probe_route routes[] = {
	{ "/plain", .body = "{\"a\":1}",
	    .headers = "Content-Type: application/json\r\nETag: \"v1\"\r\n" },
	{ "/echo", .flags = PROBE_ECHO },
	{ "/hop3", .status = 302, .headers = "Location: /hop2\r\n" },
	{ "/hop2", .status = 301, .headers = "Location: hop1?x=1\r\n" },
	{ "/hop1", .status = 303,
	    .headers = "Location: http://127.0.0.1:{port}/echo\r\n" },
	{ "/loop", .status = 302, .headers = "Location: /loop\r\n" },
	{ "/away", .status = 307,
	    .headers = "Location: http://localhost:{port}/echo\r\n" },
	{ "/same", .status = 308, .headers = "Location: /echo\r\n" },
	{ "/file", .status = 302, .headers = "Location: file:///etc/passwd\r\n" },
	{ "/meta", .status = 302,
	    .headers = "Location: http://169.254.169.254/latest\r\n" },
	{ "/user", .status = 302,
	    .headers = "Location: http://a:b@127.0.0.1:{port}/echo\r\n" },
	{ "/big", .body = "0123456789abcdef", .repeat = 4096 },
	{ "/bigchunked", .body = "0123456789abcdef", .repeat = 4096,
	    .flags = PROBE_CHUNKED },
	{ "/bomb", .repeat = 50 << 20, .flags = PROBE_GZIP_BOMB },
	{ "/hang", .flags = PROBE_HANG },
	{ "/drip", .body = "0123456789", .drip_ms = 200 },
	{ "/garbage", .body = "this is no HTTP at all\r\n\r\n", .flags = PROBE_RAW },
	{ "/close", .flags = PROBE_CLOSE },
	{ "/cut", .body = "0123456789", .flags = PROBE_CUT },
	{ "/headcut", .body = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n",
	    .flags = PROBE_RAW },
	{ "/headers", .flags = PROBE_ENDLESS_HEADERS },
	{ "/teapot", .status = 418, .body = "short and stout" },
	{ "/bigerror", .status = 500, .body = "0123456789abcdef", .repeat = 16384 },
	{ "/busy", .status = 429, .headers = "Retry-After: 7\r\n" },
	{ "/busyms", .status = 429,
	    .headers = "Retry-After: 7\r\nretry-after-ms: 1500\r\n" },
	{ "/continue",
	    .body =
		"HTTP/1.1 103 Early\r\nX-Old: 1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
	    .flags = PROBE_RAW },
	{ "/slow", .body = "ok", .delay_ms = 100 },
};

static struct http_probe *probe;
static struct http_client *client;
static struct addr_guard *guard;

struct outcome {
	bool is_done;
	unsigned calls;
	enum http_class class;
	int status;
	char message[400], url[400], type[100], etag[20];
	struct buf body;
	size_t body_bytes;
	int64_t retry_ms;
	unsigned redirects;
};

static void
on_done(void *ctx, struct http_result *r)
{
	struct outcome *o = ctx;
	const char *etag = http_result_header(r, "etag");

	o->is_done = true;
	o->calls++;
	o->class = r->class;
	o->status = r->status;
	o->redirects = r->redirects;
	o->body_bytes = r->body_bytes;
	o->retry_ms = http_result_retry_after_ms(r);
	(void)snprintf(o->message, sizeof(o->message), "%s", r->message);
	(void)snprintf(o->url, sizeof(o->url), "%s", r->url);
	(void)snprintf(o->type, sizeof(o->type), "%s", r->content_type);
	(void)snprintf(o->etag, sizeof(o->etag), "%s", etag != NULL ? etag : "");
	buf_release(&o->body);
	buf_add(&o->body, buf_str(&r->body), r->body.len);
}

static void
turn(int timeout_ms)
{
	struct pollfd p = { .fd = http_client_fd(client), .events = POLLIN };

	if (poll(&p, 1, timeout_ms) > 0)
		http_client_turn(client);
}

static void
wait_for(struct outcome *o)
{
	for (int i = 0; i < 2000 && !o->is_done; i++)
		turn(20000);
	cr_assert(o->is_done);
}

static void
make_client(const char *entry)
{
	static char star[] = "*";
	char text[64], *stars[] = { star }, *entries[] = { text };
	struct addr_guard_rules rules = { stars, 1, entries, entry != NULL, stars, 1 };
	struct http_client_options options = { 0 };

	(void)snprintf(text, sizeof(text), "%s", entry != NULL ? entry : "");
	cr_assert(addr_guard_new(&rules, &guard, NULL) == 0);
	options.guard = guard;
	cr_assert(http_client_new(&options, &client, NULL) == 0);
}

static void
setup(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	probe = http_probe_start(routes, ARRAY_LEN(routes));
	cr_assert(probe != NULL);
	make_client("127.0.0.0/8");
}

static void
teardown(void)
{
	http_client_free(client);
	addr_guard_free(guard);
	http_probe_stop(probe);
}

static char *
url_of(const char *path)
{
	static char text[200];

	(void)snprintf(text, sizeof(text), "http://127.0.0.1:%u%s",
	    http_probe_port(probe), path);
	return text;
}

static struct outcome
run(const char *path, struct http_request request)
{
	struct outcome o = { 0 };

	request.url = strncmp(path, "http", 4) == 0 ? path : url_of(path);
	cr_assert(http_client_start(client, &request, on_done, &o) != NULL);
	cr_assert(not(o.is_done), "no callback inside start");
	wait_for(&o);
	cr_expect(eq(uint, o.calls, 1));
	cr_expect(eq(sz, http_client_active(client), 0));
	return o;
}

TestSuite(http_client, .init = setup, .fini = teardown, .timeout = 60);

Test(http_client, a_get_brings_body_type_and_headers)
{
	struct outcome o = run("/plain", (struct http_request){ 0 });

	cr_expect(eq(int, o.class, HTTP_OK), "%s", o.message);
	cr_expect(eq(int, o.status, 200));
	cr_expect_str_eq(o.body.data, "{\"a\":1}");
	cr_expect_str_eq(o.type, "application/json");
	cr_expect_str_eq(o.etag, "\"v1\"");
	cr_expect(eq(str, o.url, url_of("/plain")));
	buf_release(&o.body);
}

Test(http_client, a_connection_is_used_again)
{
	for (int i = 0; i < 5; i++) {
		struct outcome o = run("/plain", (struct http_request){ 0 });

		cr_expect(eq(int, o.class, HTTP_OK), "%s", o.message);
		buf_release(&o.body);
	}
	cr_expect(eq(uint, http_probe_connections(probe), 1));
	cr_expect(eq(uint, http_probe_requests(probe), 5));
}

Test(http_client, a_post_sends_body_and_headers_and_no_expect)
{
	const struct http_header headers[] = { { "X-One", "1", false },
		{ "X-Empty", "", false },
		{ "Content-Type", "application/json", false } };
	struct outcome o = run("/echo",
	    (struct http_request){ .body = "[1,2]",
		.body_len = 5,
		.headers = headers,
		.n_headers = 3 });

	cr_expect(eq(int, o.class, HTTP_OK), "%s", o.message);
	cr_expect(strncmp(o.body.data, "POST /echo HTTP/1.1\r\n", 21) == 0);
	cr_expect(strstr(o.body.data, "\r\nX-One: 1\r\n") != NULL);
	cr_expect(strstr(o.body.data, "\r\nX-Empty:") != NULL);
	cr_expect(
	    strstr(o.body.data, "\r\nContent-Type: application/json\r\n") != NULL);
	cr_expect(strstr(o.body.data, "Expect") == NULL);
	cr_expect(strstr(o.body.data, "\r\n\r\n[1,2]") != NULL);
	buf_release(&o.body);
	/* the pooled handle keeps nothing of it */
	o = run("/echo", (struct http_request){ 0 });
	cr_expect(strncmp(o.body.data, "GET /echo HTTP/1.1\r\n", 20) == 0);
	cr_expect(strstr(o.body.data, "X-One") == NULL);
	buf_release(&o.body);
}

static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE" };

Test(http_client, any_method_with_and_without_a_body)
{
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		for (int with_body = 0; with_body < 2; with_body++) {
			struct outcome o = run("/echo",
			    (struct http_request){ .method = methods[i],
				.body = with_body ? "xyz" : NULL,
				.body_len = with_body ? 3 : 0 });
			size_t n = strlen(methods[i]);

			cr_expect(eq(int, o.class, HTTP_OK), "%s", o.message);
			cr_expect(strncmp(o.body.data, methods[i], n) == 0 &&
			    o.body.data[n] == ' ');
			cr_expect(eq(int, strstr(o.body.data, "\r\n\r\nxyz") != NULL,
			    with_body));
			buf_release(&o.body);
		}
	}
}

Test(http_client, a_redirect_is_the_answer_unless_asked_for)
{
	struct outcome o = run("/hop3", (struct http_request){ 0 });

	cr_expect(eq(int, o.class, HTTP_OK));
	cr_expect(eq(int, o.status, 302));
	cr_expect(eq(uint, o.redirects, 0));
	buf_release(&o.body);
}

Test(http_client, redirects_are_followed_and_change_the_method)
{
	const struct http_header headers[] = { { "Content-Type", "text/plain",
	    false } };
	struct outcome o = run("/hop3",
	    (struct http_request){ .max_redirects = 5,
		.body = "b",
		.body_len = 1,
		.headers = headers,
		.n_headers = 1 });

	cr_expect(eq(int, o.class, HTTP_OK), "%s", o.message);
	cr_expect(eq(uint, o.redirects, 3));
	cr_expect(strncmp(o.body.data, "GET /echo ", 10) == 0);
	cr_expect(strcasestr(o.body.data, "content-type") == NULL);
	cr_expect(eq(str, o.url, url_of("/echo")));
	buf_release(&o.body);
	o = run("/same",
	    (struct http_request){ .max_redirects = 5, .body = "b", .body_len = 1 });
	cr_expect(strncmp(o.body.data, "POST /echo ", 11) == 0);
	cr_expect(strstr(o.body.data, "\r\n\r\nb") != NULL);
	buf_release(&o.body);
}

Test(http_client, credentials_do_not_go_to_another_host)
{
	const struct http_header headers[] = { { "X-API-Key", "secret1", true },
		{ "authorization", "secret2", false }, { "X-Plain", "kept", false } };
	struct http_request request = { .max_redirects = 2,
		.headers = headers,
		.n_headers = 3 };
	struct outcome o = run("/away", request);

	cr_expect(eq(int, o.class, HTTP_OK), "%s", o.message);
	cr_expect(strstr(o.body.data, "Host: localhost") != NULL);
	cr_expect(strstr(o.body.data, "secret") == NULL, "%s", o.body.data);
	cr_expect(strstr(o.body.data, "X-Plain: kept") != NULL);
	buf_release(&o.body);
	o = run("/same", request);
	cr_expect(strstr(o.body.data, "secret1") != NULL);
	cr_expect(strstr(o.body.data, "secret2") != NULL);
	buf_release(&o.body);
}

static const struct {
	const char *path;
	struct http_request request;
	enum http_class class;
	int status;
	const char *says;
} failures[] = {
	{ "/loop", { .max_redirects = 3 }, HTTP_REDIRECTS, 302,
	    "more than 3 redirects" },
	{ "/file", { .max_redirects = 3 }, HTTP_FORBIDDEN_URL, 302, "scheme" },
	{ "/user", { .max_redirects = 3 }, HTTP_FORBIDDEN_URL, 302, "user name" },
	{ "/meta", { .max_redirects = 3 }, HTTP_FORBIDDEN_ADDRESS, 302, "metadata" },
	{ "/big", { .max_body_bytes = 65535 }, HTTP_TOO_LARGE, 200, "65535" },
	{ "/bigchunked", { .max_body_bytes = 65535 }, HTTP_TOO_LARGE, 200, "65535" },
	{ "/bomb", { .max_body_bytes = 1 << 20 }, HTTP_TOO_LARGE, 200, "1048576" },
	{ "/hang", { .timeout_ms = 100 }, HTTP_TIMEOUT, 0, "" },
	{ "/drip", { .timeout_ms = 300 }, HTTP_TIMEOUT, 200, "" },
	{ "/garbage", { 0 }, HTTP_PROTOCOL, 0, "not HTTP" },
	{ "/close", { 0 }, HTTP_BROKEN, 0, "" },
	{ "/cut", { 0 }, HTTP_BROKEN, 200, "" },
	{ "/headcut", { 0 }, HTTP_BROKEN, 200, "" },
	{ "/headers", { 0 }, HTTP_PROTOCOL, 200, "headers are too large" },
	{ "http://127.0.0.1:1/", { 0 }, HTTP_CONNECT, 0, "" },
	{ "http://nosuchhost.invalid/", { 0 }, HTTP_RESOLVE, 0, "" },
	{ "http://10.0.0.1/", { 0 }, HTTP_FORBIDDEN_ADDRESS, 0, "private" },
	{ "http://[::1]/", { 0 }, HTTP_FORBIDDEN_ADDRESS, 0, "loopback" },
	{ "http:///", { 0 }, HTTP_BAD_URL, 0, "no host" },
	{ "http://a b/", { 0 }, HTTP_BAD_URL, 0, "blank" },
	{ "/plain", { .method = "GET / HTTP/1.1" }, HTTP_INTERNAL, 0, "method" },
};

Test(http_client, failures_have_a_class_and_a_sentence)
{
	for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
		struct outcome o = run(failures[i].path, failures[i].request);

		cr_expect(eq(int, o.class, failures[i].class), "%s: %s: %s",
		    failures[i].path, http_class_name(o.class), o.message);
		cr_expect(eq(int, o.status, failures[i].status), "%s",
		    failures[i].path);
		cr_expect(o.message[0] != '\0');
		cr_expect(strstr(o.message, failures[i].says) != NULL, "%s: %s",
		    failures[i].path, o.message);
		buf_release(&o.body);
	}
}

Test(http_client, a_status_is_an_answer_and_its_body_is_bounded)
{
	struct outcome o = run("/teapot", (struct http_request){ 0 });

	cr_expect(eq(int, o.class, HTTP_OK));
	cr_expect(eq(int, o.status, 418));
	cr_expect_str_eq(o.body.data, "short and stout");
	buf_release(&o.body);
	o = run("/bigerror", (struct http_request){ .max_body_bytes = 100000 });
	cr_expect(eq(int, o.class, HTTP_OK), "%s", o.message);
	cr_expect(eq(int, o.status, 500));
	cr_expect(le(sz, o.body.len, 64 * 1024));
	buf_release(&o.body);
	o = run("/continue", (struct http_request){ 0 });
	cr_expect(eq(int, o.status, 200));
	cr_expect_str_eq(o.body.data, "hi");
	buf_release(&o.body);
}

Test(http_client, retry_after_is_read_in_all_its_forms)
{
	struct outcome o = run("/busy", (struct http_request){ 0 });

	cr_expect(eq(i64, o.retry_ms, 7000));
	buf_release(&o.body);
	o = run("/busyms", (struct http_request){ 0 });
	cr_expect(eq(i64, o.retry_ms, 1500));
	buf_release(&o.body);
	o = run("/plain", (struct http_request){ 0 });
	cr_expect(eq(i64, o.retry_ms, -1));
	buf_release(&o.body);
}

/* Odd ways to write 127.0.0.1 and names that resolve to it, all without an entry. */
static const char *const ways_in[] = { "http://127.0.0.1:%u/plain",
	"http://localhost:%u/plain", "http://0x7f.1:%u/plain",
	"http://2130706433:%u/plain", "http://0:%u/plain",
	"http://[::ffff:127.0.0.1]:%u/plain", "http://127.1:%u/plain",
	"http://LOCALHOST:%u/plain", "http://[::]:%u/plain",
	"http://0.0.0.0:%u/plain" };

Test(http_client, the_guard_stands_at_every_way_in)
{
	http_client_free(client);
	addr_guard_free(guard);
	make_client(NULL);
	for (size_t i = 0; i < ARRAY_LEN(ways_in); i++) {
		struct outcome o;
		char url[100];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		(void)snprintf(url, sizeof(url), ways_in[i], http_probe_port(probe));
#pragma GCC diagnostic pop
		o = run(url, (struct http_request){ 0 });
		cr_expect(eq(int, o.class, HTTP_FORBIDDEN_ADDRESS), "%s: %s: %s", url,
		    http_class_name(o.class), o.message);
		buf_release(&o.body);
	}
	cr_expect(eq(uint, http_probe_connections(probe), 0));
}

Test(http_client, many_at_once)
{
	enum {
		N = 60
	};
	struct outcome o[N] = { 0 };
	struct http_request request = { .url = url_of("/slow") };
	bool all = false;

	for (int i = 0; i < N; i++)
		cr_assert(http_client_start(client, &request, on_done, &o[i]) != NULL);
	cr_expect(eq(sz, http_client_active(client), N));
	for (int t = 0; t < 5000 && !all; t++) {
		turn(5000);
		all = true;
		for (int i = 0; i < N; i++)
			all = all && o[i].is_done;
	}
	for (int i = 0; i < N; i++) {
		cr_expect(eq(int, o[i].class, HTTP_OK), "%s", o[i].message);
		cr_expect(eq(uint, o[i].calls, 1));
		buf_release(&o[i].body);
	}
}

Test(http_client, cancelling_tells_once_and_at_once)
{
	struct http_request hang = { .url = url_of("/hang") }, bad = { .url = "x" };
	struct outcome o = { 0 }, p = { 0 }, q = { 0 };
	struct http_transfer *t = http_client_start(client, &hang, on_done, &o);

	turn(100);
	http_client_cancel(client, t);
	cr_expect(eq(int, o.class, HTTP_CANCELLED));
	cr_expect(eq(uint, o.calls, 1));
	t = http_client_start(client, &bad, on_done, &p);
	http_client_cancel(client, t);
	cr_expect(eq(int, p.class, HTTP_CANCELLED));
	cr_assert(http_client_start(client, &hang, on_done, &q) != NULL);
	turn(100);
	http_client_free(TAKE_PTR(client));
	cr_expect(eq(int, q.class, HTTP_CANCELLED));
	buf_release(&o.body);
	buf_release(&p.body);
	buf_release(&q.body);
}

static size_t sunk;

static int
sink(void *ctx UNUSED, const char *bytes UNUSED, size_t n)
{
	sunk += n;
	return sunk > 50000 ? -ENOSPC : 0;
}

Test(http_client, a_sink_takes_the_body_and_may_end_it)
{
	struct outcome o = run("/plain", (struct http_request){ .on_body = sink });

	cr_expect(eq(sz, sunk, 7));
	cr_expect(eq(sz, o.body.len, 0));
	cr_expect(eq(sz, o.body_bytes, 7));
	buf_release(&o.body);
	o = run("/big", (struct http_request){ .on_body = sink });
	cr_expect(eq(int, o.class, HTTP_INTERNAL));
	buf_release(&o.body);
}

Test(http_client, an_idle_connection_that_closes_makes_no_noise)
{
	struct outcome o = run("/cut", (struct http_request){ 0 });
	struct pollfd p = { .fd = http_client_fd(client), .events = POLLIN };
	int turns = 0;

	buf_release(&o.body);
	o = run("/plain", (struct http_request){ 0 });
	buf_release(&o.body);
	http_probe_stop(TAKE_PTR(probe)); /* closes the kept connection */
	while (turns < 100 && poll(&p, 1, 50) > 0) {
		http_client_turn(client);
		turns++;
	}
	cr_expect(lt(int, turns, 20), "%d turns", turns);
}

Test(http_client, every_class_has_a_name)
{
	for (int c = 0; c < HTTP_CLASS_COUNT; c++)
		cr_expect(http_class_name((enum http_class)c) != NULL);
}
