/* SPDX-License-Identifier: MIT */
/* test_gateway_http.c - the HTTP server over a socket, with stand-ins behind it. */
#include "config.h"

#include "gateway/gateway.h"
#include "gateway/http_server.h"

#include "common/clock.h"
#include "common/json/json.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

static struct conf *conf;
static struct metrics_page page;
static struct gateway gateway;
static struct http_server *server;
static uint16_t port;

/* The stand-in for the queue: keeps the last job, answers as it is told. */
static struct {
	pthread_mutex_t lock;
	char payload[8192];
	unsigned jobs, abandoned;
	int refuse; /* what submit answers */
	bool holds; /* no answer until release() */
	enum wait_outcome outcome;
	wait_done_fn done;
	void *arg;
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int
fake_status(void *ctx UNUSED, struct control_status *out)
{
	memset(out, 0, sizeof(*out));
	out->n_children = 1;
	out->children[0] =
	    (struct control_child){ .role = ROLE_WORKER, .state = CHILD_LIVE };
	return 0;
}

static int
fake_metrics(void *ctx UNUSED, struct control_metrics *out)
{
	memset(out, 0, sizeof(*out));
	return 0;
}

static bool
fake_redis(void *ctx UNUSED, char *why, size_t size)
{
	(void)snprintf(why, size, "redis is away");
	return false;
}

static bool
fake_pause(void *ctx UNUSED, char *text UNUSED, size_t size UNUSED)
{
	return false;
}

static void *
answer_job(void *arg UNUSED)
{
	static const char result[] = "{\"status\":\"completed\"}";

	queue.done(queue.arg, queue.outcome, result, sizeof(result) - 1);
	return NULL;
}

static void
answer_from_a_thread(void)
{
	pthread_t thread;

	(void)pthread_create(&thread, NULL, answer_job, NULL);
	(void)pthread_detach(thread);
}

static int
fake_submit(void *ctx UNUSED, struct chat_job *job, wait_done_fn done, void *arg)
{
	if (queue.refuse != 0)
		return queue.refuse;
	(void)pthread_mutex_lock(&queue.lock);
	(void)snprintf(queue.payload, sizeof(queue.payload), "%s",
	    buf_str(&job->payload));
	queue.jobs++;
	queue.done = done;
	queue.arg = arg;
	(void)pthread_mutex_unlock(&queue.lock);
	if (!queue.holds)
		answer_from_a_thread();
	return 0;
}

static void
fake_abandon(void *ctx UNUSED, const void *arg UNUSED)
{
	queue.abandoned++;
	queue.outcome = WAIT_GONE;
	answer_from_a_thread();
}

static void
start_server(const char *text)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	struct err err = ERR_INIT;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert(eq(int, conf_read_role(text, strlen(text), &conf, &err), 0), "%s",
	    err.text);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert(eq(int, bind(fd, (struct sockaddr *)&a, len), 0));
	cr_assert(eq(int, listen(fd, 64), 0));
	cr_assert(eq(int, getsockname(fd, (struct sockaddr *)&a, &len), 0));
	port = ntohs(a.sin_port);
	gateway = (struct gateway){ conf, &page,
		{ NULL, fake_status, fake_metrics, fake_redis, fake_pause, fake_submit,
		    fake_abandon } };
	cr_assert(eq(int, http_server_start(&gateway, fd, &server, &err), 0), "%s",
	    err.text);
}

static void
setup(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	start_server("http: { listen = \"127.0.0.1:8082\"; request_timeout_sec = 1; "
		     "max_body_bytes = 2000; };");
}

static void
teardown(void)
{
	http_server_stop(server);
	conf_free(conf);
}

TestSuite(gateway_http, .init = setup, .fini = teardown, .timeout = 30);

static int
dial(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert(eq(int, connect(fd, (struct sockaddr *)&a, sizeof(a)), 0));
	return fd;
}

/* Reads until the connection closes, with sweeps in between. */
static int
read_answer(int fd, struct buf *out)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t until = clock_mono_ms() + 10000;
	char bytes[4096];

	while (clock_mono_ms() < until) {
		ssize_t n;

		(void)http_server_sweep(server);
		if (poll(&p, 1, 50) <= 0)
			continue;
		n = recv(fd, bytes, sizeof(bytes), 0);
		if (n <= 0)
			break;
		buf_add(out, bytes, (size_t)n);
	}
	return strncmp(buf_str(out), "HTTP/1.1 ", 9) == 0 ? atoi(out->data + 9) : 0;
}

static int
ask_raw(const char *request, size_t n, struct buf *out)
{
	int fd = dial(), status;

	buf_clear(out);
	(void)send(fd, request, n, MSG_NOSIGNAL);
	status = read_answer(fd, out);
	(void)close(fd);
	return status;
}

static int
ask(const char *method_and_path, const char *headers, const char *body, struct buf *out)
{
	CLEANUP_BUF struct buf request = BUF_INIT;

	buf_addf(&request, "%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s",
	    method_and_path, headers);
	if (body != NULL)
		buf_addf(&request, "Content-Length: %zu\r\n", strlen(body));
	buf_addf(&request, "\r\n%s", body != NULL ? body : "");
	return ask_raw(request.data, request.len, out);
}

/* clang-format off */
static const struct {
	const char *request, *headers, *body;
	int status;
	const char *has;
} pages[] = {
	{ "GET /health", "", NULL, 200, "{\"status\":\"ok\",\"workers\":1,\"version\":" },
	{ "HEAD /health", "", NULL, 200, "Content-Type: application/json" },
	{ "GET /health?ready=1", "", NULL, 503, "\"reasons\":[\"redis is away\"" },
	{ "GET /health?ready=0", "", NULL, 200, "\"ok\"" },
	{ "GET /metrics", "", NULL, 200, "agent_runner_jobs_in_flight 0\n" },
	{ "GET /metrics", "", NULL, 200, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n" },
	{ "GET /", "", NULL, 200, "<!DOCTYPE html>" },
	{ "GET /nowhere", "", NULL, 404, "\"type\":\"not_found\"" },
	{ "GET /health/", "", NULL, 404, "not_found" },
	{ "POST /health", "", "x", 405, "Allow: GET, HEAD\r\n" },
	{ "GET /test/chat?prompt=x", "", NULL, 405, "Allow: POST\r\n" },
	{ "DELETE /", "", NULL, 405, "method_not_allowed" },
	{ "GET /health", "Origin: https://evil.example\r\n", NULL, 403, "forbidden" },
	{ "POST /test/chat?prompt=x", "Sec-Fetch-Site: cross-site\r\n", "", 403, "forbidden" },
	{ "POST /test/chat", "", "", 400, "\\\"prompt\\\" is missing" },
	{ "POST /test/chat", "Content-Type: application/json\r\n", "{\"prompt\":", 400, "no JSON" },
	{ "POST /test/chat", "Content-Type: application/json\r\n", "[1]", 400, "JSON object" },
	{ "POST /test/chat?prompt=x", "", "", 200, "{\"status\":\"completed\"}" },
	{ "POST /test/chat?prompt=x", "", "", 200, "X-Job-Id: " },
};
/* clang-format on */

Test(gateway_http, pages_and_their_errors)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
		int status =
		    ask(pages[i].request, pages[i].headers, pages[i].body, &out);

		cr_expect(eq(int, status, pages[i].status), "%s: %s", pages[i].request,
		    buf_str(&out));
		cr_expect(strstr(buf_str(&out), pages[i].has) != NULL, "%s: %s",
		    pages[i].request, buf_str(&out));
	}
	cr_expect(
	    gt(u64, page.cell[metric_info(METRIC_HTTP_REQUESTS)->first_cell], 10));
}

#define FORM "Content-Type: application/x-www-form-urlencoded\r\n"
#define JSON "Content-Type: application/json; charset=utf-8\r\n"
#define MULTI "Content-Type: multipart/form-data; boundary=XB\r\n"

/* clang-format off */
static const struct {
	const char *request, *headers, *body;
	const char *has;
} prompts[] = {
	{ "POST /test/chat?prompt=a%20b%C3%A9", "", "", "\"prompt\":\"a b\xc3\xa9\"" },
	{ "POST /test/chat", FORM, "prompt=a+b%26c&agent=x", "\"prompt\":\"a b&c\",\"agent\":\"x\"" },
	{ "POST /test/chat?agent=y", FORM, "prompt=z", "\"prompt\":\"z\",\"agent\":\"y\"" },
	{ "POST /test/chat", MULTI, "--XB\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\nm\n\"n\r\n--XB--\r\n", "\"prompt\":\"m\\n\\\"n\"" },
	{ "POST /test/chat", JSON, "{\"prompt\":\"j\",\"timeout_sec\":5}", "\"prompt\":\"j\",\"timeout_sec\":5" },
	{ "POST /test/chat", "", " {\"prompt\":\"bare\"}", "\"prompt\":\"bare\"" },
	{ "POST /test/chat", FORM, "{\"prompt\":\"curl -d\"}", "\"prompt\":\"curl -d\"" },
};
/* clang-format on */

Test(gateway_http, a_prompt_comes_by_query_form_or_json)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(prompts); i++) {
		cr_expect(eq(int,
			      ask(prompts[i].request, prompts[i].headers,
				  prompts[i].body, &out),
			      200),
		    "%zu: %s", i, buf_str(&out));
		cr_expect(strstr(queue.payload, prompts[i].has) != NULL, "%zu: %s", i,
		    queue.payload);
	}
	cr_expect(eq(uint, queue.jobs, ARRAY_LEN(prompts)));
}

static const struct {
	int refuse;
	enum wait_outcome outcome;
	int status;
} outcomes[] = {
	{ -EBUSY, WAIT_RESULT, 503 },
	{ -ESHUTDOWN, WAIT_RESULT, 503 },
	{ -ENOMEM, WAIT_RESULT, 503 },
	{ 0, WAIT_RESULT, 200 },
	{ 0, WAIT_NOT_QUEUED, 503 },
	{ 0, WAIT_UNKNOWN, 502 },
	{ 0, WAIT_LATE, 504 },
	{ 0, WAIT_STOPPED, 503 },
	{ 0, WAIT_GONE, 0 },
};

Test(gateway_http, every_end_of_waiting_is_told)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(outcomes); i++) {
		int status;

		queue.refuse = outcomes[i].refuse;
		queue.outcome = outcomes[i].outcome;
		status = ask("POST /test/chat?prompt=x", "", "", &out);
		cr_expect(eq(int, status, outcomes[i].status), "%zu: %s", i,
		    buf_str(&out));
		if (status == 503)
			cr_expect(strstr(buf_str(&out), "Retry-After: ") != NULL);
	}
}

Test(gateway_http, oversized_requests_get_413_and_431)
{
	CLEANUP_BUF struct buf out = BUF_INIT, big = BUF_INIT;
	static const char chunked[] =
	    "POST /test/chat HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n";

	for (int i = 0; i < 3000; i++)
		buf_addc(&big, 'x');
	cr_expect(eq(int, ask("POST /test/chat", JSON, big.data, &out), 413));
	buf_clear(&big);
	buf_adds(&big, chunked);
	for (int i = 0; i < 300; i++)
		buf_adds(&big, "a\r\n0123456789\r\n");
	buf_adds(&big, "0\r\n\r\n");
	cr_expect(eq(int, ask_raw(big.data, big.len, &out), 413), "%s", buf_str(&out));
	buf_clear(&big);
	buf_adds(&big, "X-Filler: ");
	for (int i = 0; i < 20000; i++)
		buf_addc(&big, 'x');
	buf_adds(&big, "\r\n");
	cr_expect(eq(int, ask("GET /health", big.data, NULL, &out), 431));
	cr_expect(eq(int, ask("GET /health", "", NULL, &out), 200));
}

/* Asks until it is answered so, or for a while. */
static int
ask_until(int wanted, struct buf *out)
{
	uint64_t until = clock_mono_ms() + 10000;
	int status;

	do
		status = ask("POST /test/chat", JSON,
		    "{\"prompt\":\"a text that is not quite as short as it might be\"}",
		    out);
	while (status != wanted && clock_mono_ms() < until);
	return status;
}

Test(gateway_http, bodies_that_never_end_do_not_fill_the_memory)
{
	static const char head[] = "POST /test/chat HTTP/1.1\r\nHost: localhost\r\n"
				   "Content-Length: 2000\r\n\r\n";
	CLEANUP_BUF struct buf out = BUF_INIT;
	char bytes[1999];
	int held[60];

	teardown();
	start_server("http: { listen = \"127.0.0.1:8082\"; request_timeout_sec = 60; "
		     "max_body_bytes = 2000; };");
	memset(bytes, ' ', sizeof(bytes));
	for (size_t i = 0; i < ARRAY_LEN(held); i++) {
		held[i] = dial();
		cr_assert(send(held[i], head, strlen(head), MSG_NOSIGNAL) > 0);
		cr_assert(send(held[i], bytes, sizeof(bytes), MSG_NOSIGNAL) > 0);
	}
	cr_expect(eq(int, ask_until(503, &out), 503), "%s", buf_str(&out));
	cr_expect(strstr(buf_str(&out), "Retry-After: ") != NULL);
	cr_expect(eq(int, ask("GET /health", "", NULL, &out), 200));
	for (size_t i = 0; i < ARRAY_LEN(held); i++)
		(void)close(held[i]);
	cr_expect(eq(int, ask_until(200, &out), 200), "%s", buf_str(&out));
}

static const char *const slow[] = {
	"", "GET /hea", "GET /health HTTP/1.1\r\nHost: loc",
	"POST /test/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc"
};

Test(gateway_http, slow_and_idle_clients_are_cut_off)
{
	for (size_t i = 0; i < ARRAY_LEN(slow); i++) {
		CLEANUP_BUF struct buf out = BUF_INIT;
		uint64_t start = clock_mono_ms();
		int fd = dial();

		(void)send(fd, slow[i], strlen(slow[i]), MSG_NOSIGNAL);
		(void)read_answer(fd, &out);
		cr_expect(lt(u64, clock_mono_ms() - start, 5000), "%zu", i);
		cr_expect(strstr(buf_str(&out), " 200 ") == NULL);
		(void)close(fd);
	}
}

Test(gateway_http, a_byte_now_and_then_holds_no_place)
{
	static const char request[] = "GET /health HTTP/1.1\r\nHost: localhost\r\nX: ";
	struct pollfd p = { .fd = dial(), .events = POLLIN };
	uint64_t start = clock_mono_ms();
	bool is_cut = false;

	(void)send(p.fd, request, sizeof(request) - 1, MSG_NOSIGNAL);
	while (!is_cut && clock_mono_ms() - start < 6000) {
		(void)http_server_sweep(server);
		is_cut = poll(&p, 1, 200) > 0 || send(p.fd, "x", 1, MSG_NOSIGNAL) < 0;
	}
	cr_expect(is_cut);
	cr_expect(lt(u64, clock_mono_ms() - start, 4000));
	(void)close(p.fd);
}

Test(gateway_http, a_client_that_leaves_frees_its_place_and_the_job_goes_on)
{
	static const char request[] =
	    "POST /test/chat?prompt=x HTTP/1.1\r\nHost: localhost\r\n"
	    "Content-Length: 0\r\n\r\n";
	int fd = dial();

	queue.holds = true;
	(void)send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL);
	for (int i = 0; i < 500 && queue.jobs == 0; i++)
		(void)poll(NULL, 0, 10);
	cr_assert(eq(uint, queue.jobs, 1));
	(void)http_server_sweep(server);
	cr_expect(eq(uint, queue.abandoned, 0));
	cr_expect(http_server_is_busy(server));
	(void)close(fd);
	for (int i = 0; i < 500 && http_server_is_busy(server); i++) {
		(void)http_server_sweep(server);
		(void)poll(NULL, 0, 10);
	}
	cr_expect(eq(uint, queue.abandoned, 1));
	cr_expect(not(http_server_is_busy(server)));
}

Test(gateway_http, others_are_served_while_one_waits)
{
	static const char request[] =
	    "POST /test/chat?prompt=x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
	    "Content-Length: 0\r\n\r\n";
	CLEANUP_BUF struct buf out = BUF_INIT;
	int fd = dial();

	queue.holds = true;
	(void)send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL);
	for (int i = 0; i < 500 && queue.jobs == 0; i++)
		(void)poll(NULL, 0, 10);
	/* longer than a request may take to arrive */
	for (int i = 0; i < 15; i++) {
		cr_expect(eq(int, ask("GET /health", "", NULL, &out), 200));
		(void)poll(NULL, 0, 100);
	}
	answer_from_a_thread();
	buf_clear(&out);
	cr_expect(eq(int, read_answer(fd, &out), 200));
	(void)close(fd);
}

Test(gateway_http, without_the_token_only_health_answers)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	teardown();
	start_server("http: { listen = \"127.0.0.1:8082\"; token = \"sesame\"; };");
	cr_expect(eq(int, ask("GET /health", "", NULL, &out), 200));
	cr_expect(eq(int, ask("GET /metrics", "", NULL, &out), 401));
	cr_expect(strstr(out.data, "WWW-Authenticate: Bearer") != NULL);
	cr_expect(eq(int, ask("GET /nowhere", "", NULL, &out), 401));
	cr_expect(eq(int,
	    ask("GET /metrics", "Authorization: Bearer sesame\r\n", NULL, &out), 200));
}
