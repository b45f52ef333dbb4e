/* SPDX-License-Identifier: MIT */
/* test_fetch.c - the inside of the fetch process, from a lane to a server and back. */
#include "config.h"

#include "fetch/fetch.h"

#include "common/json/json.h"
#include "tests/support/http_probe.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

static const struct http_probe_route routes[] = {
	{ "/small", .body = "[1,2,3]",
	    .headers = "Content-Type: application/json\r\nETag: \"e1\"\r\n" },
	{ "/edge", .body = "0123456789abcdef", .repeat = 4096 },
	{ "/large", .body = "0123456789abcdef", .repeat = 16384 },
	{ "/huge", .body = "0123456789abcdef", .repeat = 100000 },
	{ "/empty", .status = 204 },
	{ "/echo", .flags = PROBE_ECHO },
	{ "/echofail", .status = 400, .flags = PROBE_ECHO },
	{ "/missing", .status = 404, .body = "x\xc3\xa9", .repeat = 400 },
	{ "/busy", .status = 429, .headers = "Retry-After: 3\r\n" },
	{ "/broken", .status = 503 },
	{ "/hang", .flags = PROBE_HANG },
	{ "/drip", .body = "abc", .drip_ms = 30 },
	{ "/meta", .status = 302, .headers = "Location: http://169.254.169.254/\r\n" },
	{ "/moved", .status = 301, .headers = "Location: /small\r\n" },
	{ "/away", .status = 302,
	    .headers = "Location: http://localhost:{port}/echo\r\n" },
	{ "/back", .status = 307, .headers = "Location: /away\r\n" },
	{ "/keep", .status = 308, .headers = "Location: /echo?key=s3cr3tkey\r\n" },
	/* what servers do with the query that they were asked with */
	{ "/leak", .status = 302,
	    .headers = "Location: http://localhost:{port}/echo?key=s3cr3tkey\r\n" },
	{ "/leakhex", .status = 302,
	    .headers = "Location: http://localhost:{port}/%733cr3tkey\r\n" },
	{ "/leak64", .status = 302,
	    .headers = "Location: http://localhost:{port}/?r=czNjcjN0a2V5\r\n" },
	{ "/leakuser", .status = 302,
	    .headers = "Location: http://s3cr3tkey@127.0.0.1:{port}/echo\r\n" },
	{ "/file", .status = 302, .headers = "Location: file:///etc/passwd\r\n" },
	{ "/gopher", .status = 302, .headers = "Location: gopher://127.0.0.1/x\r\n" },
	{ "/private", .status = 302, .headers = "Location: http://10.0.0.1/\r\n" },
	{ "/mapped", .status = 302,
	    .headers = "Location: http://[::ffff:169.254.169.254]/\r\n" },
	{ "/decimal", .status = 302, .headers = "Location: http://2852039166/\r\n" },
	{ "/slashes", .status = 302, .headers = "Location: //169.254.169.254/\r\n" },
	{ "/backslash", .status = 302,
	    .headers = "Location: http:\\\\169.254.169.254\\x\r\n" },
	{ "/loop", .status = 302, .headers = "Location: /loop2\r\n" },
	{ "/loop2", .status = 302, .headers = "Location: /loop\r\n" },
	{ "/etag", .headers = "ETag: \"s3cr3tkey\"\r\nContent-Type: s3cr3tkey/x\r\n" },
	{ "/words", .body = "the pa55 of words" },
	{ "/parts", .body = "{\"k\":\"s3cr3tkey\",\"x\":\"0123456789\"}\n",
	    .repeat = 9000, .flags = PROBE_CHUNKED },
};

static struct http_probe *probe;
static struct conf *conf;
static struct fetch fetch;
static struct metrics_page page;
static int lane_fd;

static void
start_fetch(const char *network)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct err err = ERR_INIT;
	int fds[2];

	buf_addf(&text,
	    "network: { timeout_sec = 20; max_body_bytes = 1000000; %s };\n"
	    "auth_profiles: { k = { type = \"api_key\"; query = \"key\"; value = "
	    "\"s3cr3tkey\"; hosts = ( \"127.0.0.1\" ); };\n"
	    " h = { type = \"api_key\"; header = \"X-Key\"; value = "
	    "\"s3cr3tkey\"; hosts = ( \"127.0.0.1\" ); };\n"
	    " b = { type = \"basic\"; username = \"u\"; password = \"s3cr3tkey\"; "
	    "hosts = ( \"127.0.0.1\" ); };\n"
	    " s = { type = \"bearer\"; token = \"pa55\"; hosts = ( \"127.0.0.1\" ); };\n"
	    " t = { type = \"bearer\"; token = \"s3cr3tkey\"; hosts = ( \"127.0.0.1\" "
	    "); }; };\n",
	    network);
	cr_assert(eq(int, conf_read_role(buf_str(&text), text.len, &conf, &err), 0),
	    "%s", err.text);
	cr_assert(eq(int, fetch_init(&fetch, conf, &page, &err), 0), "%s", err.text);
	cr_assert(eq(int, lane_pair(fds), 0));
	lane_fd = fds[0];
	cr_assert(eq(int, lane_add(&fetch, fds[1], 0), 0));
}

static void
setup(void)
{
	char network[200];

	probe = http_probe_start(routes, ARRAY_LEN(routes));
	cr_assert(probe != NULL);
	(void)snprintf(network, sizeof(network),
	    "allow_private = ( \"127.0.0.1:%u\", \"localhost:%u\" );",
	    http_probe_port(probe), http_probe_port(probe));
	start_fetch(network);
}

static void
stop_fetch(void)
{
	fetch_release(&fetch);
	conf_free(conf);
	if (lane_fd >= 0)
		(void)close(lane_fd);
}

static void
teardown(void)
{
	stop_fetch();
	http_probe_stop(probe);
}

TestSuite(fetch, .init = setup, .fini = teardown, .timeout = 60);

static void
nothing_else(void)
{
	cr_assert(false, "no other descriptor is watched");
}

static struct arena *arena;
static const struct json *meta;
static struct lane_data data;
static uint64_t answer_id;

static void
ask(uint64_t id, const char *path, const char *more)
{
	char text[500];

	(void)snprintf(text, sizeof(text), "{\"url\":\"http://127.0.0.1:%u%s\"%s}",
	    http_probe_port(probe), path, more);
	cr_assert(eq(int,
	    lane_send(lane_fd, FETCH_REQUEST, id, text, strlen(text), NULL, 0, -1), 0));
}

static void
wait_answer(void)
{
	static char buffer[LANE_MESSAGE_MAX];
	struct lane_message msg;
	int r = -EAGAIN;

	arena_free(arena);
	arena = arena_new(0);
	for (int i = 0; i < 5000 && r == -EAGAIN; i++) {
		fetch_turn(&fetch, 5, nothing_else);
		r = lane_receive(lane_fd, buffer, &msg);
	}
	cr_assert(eq(int, r, 1));
	cr_expect(eq(int, msg.head.op, FETCH_REQUEST));
	answer_id = msg.head.id;
	cr_assert(json_read(arena, msg.meta, msg.head.meta_len, 0, &meta, NULL) == 0);
	cr_assert(lane_data_open(&msg, &data) == 0);
	if (msg.data_fd >= 0)
		(void)close(msg.data_fd);
}

static void
run(const char *path, const char *more)
{
	ask(7, path, more);
	wait_answer();
	cr_expect(eq(u64, answer_id, 7));
}

static int64_t
number(const char *name)
{
	int64_t v = -1;

	(void)json_int64(json_path(meta, name, strlen(name)), &v);
	return v;
}

static const char *
text_of(const char *name)
{
	const char *text = json_cstr(arena, json_path(meta, name, strlen(name)));

	return text != NULL ? text : "(none)";
}

static bool
is_ok(void)
{
	return json_is_true(json_get(meta, "ok"));
}

Test(fetch, a_small_body_comes_in_the_message)
{
	run("/small", "");
	cr_expect(is_ok());
	cr_expect(eq(i64, number("status"), 200));
	cr_expect(eq(i64, number("bytes"), 7));
	cr_expect_str_eq(text_of("content_type"), "application/json");
	cr_expect_str_eq(text_of("etag"), "\"e1\"");
	cr_expect(not(data.is_mapped));
	cr_expect(eq(sz, data.len, 7));
	cr_expect(eq(int, memcmp(data.bytes, "[1,2,3]", 7), 0));
	cr_expect(
	    eq(u64, page.cell[metric_info(METRIC_FETCH_REQUESTS)->first_cell], 1));
}

Test(fetch, a_large_body_comes_as_a_sealed_file)
{
	run("/edge", "");
	cr_expect(is_ok());
	cr_expect(not(data.is_mapped));
	cr_expect(eq(sz, data.len, 65536));
	run("/large", "");
	cr_expect(is_ok());
	cr_expect(data.is_mapped);
	cr_expect(eq(sz, data.len, 262144));
	cr_expect(eq(int, memcmp(data.bytes + 262128, "0123456789abcdef", 16), 0));
	lane_data_release(&data);
	run("/empty", "");
	cr_expect(is_ok());
	cr_expect(eq(i64, number("status"), 204));
	cr_expect(eq(sz, data.len, 0));
}

/* clang-format off */
static const struct {
	const char *path, *more;
	const char *type;
	bool is_retryable;
	int status;
	const char *says;
} failures[] = {
	{ "/missing", "", "invalid_step", false, 404, "HTTP 404 from http://127.0.0.1" },
	{ "/busy", "", "execution_error", true, 429, "HTTP 429" },
	{ "/broken", "", "execution_error", true, 503, "HTTP 503" },
	{ "/hang", ",\"timeout_ms\":100", "execution_error", true, 0, "" },
	{ "/huge", "", "step_limit", false, 200, "1000000 bytes" },
	{ "/large", ",\"max_bytes\":1000", "step_limit", false, 200, "1000 bytes" },
	{ "/meta", "", "forbidden_address", false, 302, "metadata" },
	{ "/small", ",\"method\":\"BREW\"", "invalid_step", false, 0, "BREW" },
	{ "/small", ",\"auth_profile\":\"x\"", "invalid_step", false, 0, "for 127.0.0.1: k, h" },
};
/* clang-format on */

Test(fetch, failures_are_typed_and_carry_no_data)
{
	for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
		run(failures[i].path, failures[i].more);
		cr_expect(not(is_ok()));
		cr_expect_str_eq(text_of("error.type"), failures[i].type);
		cr_expect(eq(int, json_is_true(json_path(meta, "error.retryable", 15)),
		    failures[i].is_retryable));
		cr_expect(eq(i64, number("status"), failures[i].status));
		cr_expect(strstr(text_of("error.message"), failures[i].says) != NULL,
		    "%s: %s", failures[i].path, text_of("error.message"));
		cr_expect(eq(sz, data.len, 0));
	}
	cr_expect(eq(u64, page.cell[metric_info(METRIC_FETCH_REFUSED)->first_cell], 1));
}

Test(fetch, an_error_shows_the_beginning_of_the_body_and_the_wait)
{
	run("/missing", "");
	cr_expect(lt(sz, strlen(text_of("error.message")), 600));
	cr_expect(strstr(text_of("error.message"), "x\xc3\xa9x\xc3\xa9") != NULL);
	run("/busy", "");
	cr_expect(eq(i64, number("error.retry_after_ms"), 3000));
}

Test(fetch, a_secret_reaches_its_host_and_comes_back_nowhere)
{
	char last[4096];

	run("/echofail", ",\"auth_profile\":\"k\"");
	cr_expect(strstr(http_probe_last(probe, last, sizeof(last)), "key=s3cr3tkey") !=
	    NULL);
	cr_expect(strstr(text_of("error.message"), "s3cr3t") == NULL);
	cr_expect(strstr(text_of("error.message"), "key=[masked]") != NULL, "%s",
	    text_of("error.message"));
	cr_expect(strstr(text_of("url"), "s3cr3t") == NULL, "%s", text_of("url"));
	run("/away", ",\"auth_profile\":\"h\"");
	cr_expect(is_ok());
	cr_expect(strstr(data.bytes, "s3cr3t") == NULL);
	run("/echo", ",\"auth_profile\":\"h\"");
	cr_expect(strstr(http_probe_last(probe, last, sizeof(last)),
		      "X-Key: s3cr3tkey") != NULL);
	cr_expect(strstr(data.bytes, "X-Key: [masked]") != NULL, "%s", data.bytes);
}

/* Where no secret may be: in the request that came last, as it came. */
static const struct {
	const char *path, *profile;
	bool is_followed;
	bool arrives; /* the secret */
	const char *type, *says;
} chains[] = {
	{ "/moved", "h", true, false, NULL, NULL },
	{ "/keep", "h", true, true, NULL, NULL },
	{ "/keep", "k", true, true, NULL, NULL },
	{ "/away", "h", true, false, NULL, NULL },
	{ "/away", "b", true, false, NULL, NULL },
	{ "/away", "t", true, false, NULL, NULL },
	{ "/away", "k", true, false, NULL, NULL },
	{ "/back", "h", true, false, NULL, NULL },
	{ "/leak", "k", false, true, "forbidden_address", "credential in the URL" },
	{ "/leak", "h", false, true, "forbidden_address", "credential in the URL" },
	{ "/leakhex", "k", false, true, "forbidden_address", "credential in the URL" },
	{ "/leak64", "k", false, true, "forbidden_address", "credential in the URL" },
	{ "/leakuser", "k", false, true, "forbidden_address", "user name" },
	{ "/file", "h", false, true, "forbidden_address", "scheme" },
	{ "/gopher", "h", false, true, "forbidden_address", "scheme" },
	{ "/meta", "h", false, true, "forbidden_address", "metadata" },
	{ "/private", "h", false, true, "forbidden_address", "private" },
	{ "/mapped", "h", false, true, "forbidden_address", "metadata" },
	{ "/decimal", "h", false, true, "forbidden_address", "metadata" },
	{ "/slashes", "h", false, true, "forbidden_address", "" },
	{ "/backslash", "h", false, true, "execution_error", "" },
	{ "/loop", "h", false, true, "invalid_step", "redirects" },
};

Test(fetch, a_chain_of_redirects_takes_no_secret_to_another_host)
{
	for (size_t i = 0; i < ARRAY_LEN(chains); i++) {
		char last[4096], more[100];
		bool is_at_end;

		(void)snprintf(more, sizeof(more), ",\"auth_profile\":\"%s\"",
		    chains[i].profile);
		run(chains[i].path, more);
		cr_expect(eq(int, is_ok(), chains[i].is_followed), "%s: %s",
		    chains[i].path, text_of("error.message"));
		(void)http_probe_last(probe, last, sizeof(last));
		is_at_end = strstr(last, "GET /echo") != NULL ||
		    strstr(last, "GET /small") != NULL;
		cr_expect(eq(int, is_at_end, chains[i].is_followed), "%s: %s",
		    chains[i].path, last);
		if (chains[i].is_followed && strcmp(chains[i].path, "/moved") != 0)
			cr_expect(eq(int,
				      strstr(last, "s3cr3tkey") != NULL ||
					  strstr(last, "dTpzM2NyM3RrZXk") != NULL,
				      chains[i].arrives),
			    "%s as %s: %s", chains[i].path, chains[i].profile, last);
		if (chains[i].type != NULL) {
			cr_expect_str_eq(text_of("error.type"), chains[i].type, "%s",
			    chains[i].path);
			cr_expect(strstr(text_of("error.message"), chains[i].says) !=
				NULL,
			    "%s: %s", chains[i].path, text_of("error.message"));
		}
		cr_expect(strstr(text_of("url"), "s3cr3t") == NULL, "%s",
		    text_of("url"));
		cr_expect(strstr(text_of("error.message"), "s3cr3t") == NULL, "%s",
		    text_of("error.message"));
		lane_data_release(&data);
	}
}

/* Another port of the same host is another server. */
Test(fetch, another_port_is_another_server)
{
	static char header[100];
	static struct http_probe_route from[] = { { "/go", .status = 302 } };
	struct http_probe *first;
	char last[4096], network[200], meta_text[200];

	(void)snprintf(header, sizeof(header), "Location: http://127.0.0.1:%u/echo\r\n",
	    http_probe_port(probe));
	from[0].headers = header;
	first = http_probe_start(from, 1);
	cr_assert(first != NULL);
	stop_fetch();
	(void)snprintf(network, sizeof(network),
	    "allow_private = ( \"127.0.0.1:%u\", \"127.0.0.1:%u\" );",
	    http_probe_port(probe), http_probe_port(first));
	start_fetch(network);
	(void)snprintf(meta_text, sizeof(meta_text),
	    "{\"url\":\"http://127.0.0.1:%u/go\",\"auth_profile\":\"h\"}",
	    http_probe_port(first));
	cr_assert(eq(int,
	    lane_send(lane_fd, FETCH_REQUEST, 7, meta_text, strlen(meta_text), NULL, 0,
		-1),
	    0));
	wait_answer();
	cr_expect(is_ok());
	cr_expect(
	    strstr(http_probe_last(first, last, sizeof(last)), "s3cr3tkey") != NULL);
	cr_expect(
	    strstr(http_probe_last(probe, last, sizeof(last)), "s3cr3tkey") == NULL);
	lane_data_release(&data);
	http_probe_stop(first);
}

Test(fetch, no_header_of_an_answer_and_no_piece_of_a_body_brings_a_secret)
{
	run("/etag", ",\"auth_profile\":\"h\"");
	cr_expect_str_eq(text_of("etag"), "\"[masked]\"");
	cr_expect_str_eq(text_of("content_type"), "[masked]/x");
	/* no profile was used: fetch holds the secret all the same */
	run("/parts", "");
	cr_expect(is_ok());
	cr_expect(eq(i64, number("bytes"), (int64_t)data.len));
	cr_expect(eq(sz, data.len,
	    9000 * strlen("{\"k\":\"[masked]\",\"x\":\"0123456789\"}\n")));
	cr_expect(memmem(data.bytes, data.len, "s3cr3t", 6) == NULL);
	lane_data_release(&data);
}

/* What is short may be a word: it is masked for who was sent it only. */
Test(fetch, a_short_secret_is_masked_where_it_was_sent)
{
	run("/words", "");
	cr_expect(memmem(data.bytes, data.len, "pa55", 4) != NULL);
	run("/words", ",\"auth_profile\":\"h\"");
	cr_expect(memmem(data.bytes, data.len, "pa55", 4) != NULL);
	run("/words", ",\"auth_profile\":\"s\"");
	cr_expect(is_ok());
	cr_expect(memmem(data.bytes, data.len, "pa55", 4) == NULL);
	cr_expect(memmem(data.bytes, data.len, "the [masked] of words", 21) != NULL);
}

Test(fetch, keys_of_the_model_itself_are_not_shown_in_errors)
{
	run("/missing?api_key=literal1&page=2", "");
	cr_expect(strstr(text_of("error.message"), "literal1") == NULL, "%s",
	    text_of("error.message"));
	cr_expect(strstr(text_of("error.message"), "page=2") != NULL);
	cr_expect(strstr(text_of("url"), "literal1") == NULL, "%s", text_of("url"));
}

Test(fetch, a_name_without_an_address_is_an_error_that_names_it)
{
	static const char text[] = "{\"url\":\"http://nosuchhost.invalid/\"}";

	cr_assert(eq(int,
	    lane_send(lane_fd, FETCH_REQUEST, 7, text, strlen(text), NULL, 0, -1), 0));
	wait_answer();
	cr_expect_str_eq(text_of("error.type"), "execution_error");
	cr_expect(json_is_true(json_path(meta, "error.retryable", 15)));
	cr_expect(strstr(text_of("error.message"), "nosuchhost.invalid") != NULL, "%s",
	    text_of("error.message"));
}

Test(fetch, redirects_are_followed)
{
	run("/moved", "");
	cr_expect(is_ok());
	cr_expect(eq(i64, number("redirects"), 1));
	cr_expect(strstr(text_of("url"), "/small") != NULL);
}

Test(fetch, a_body_may_come_as_data)
{
	static char large[100000];
	char text[200];

	memset(large, 'z', sizeof(large));
	(void)snprintf(text, sizeof(text),
	    "{\"url\":\"http://127.0.0.1:%u/echo\",\"method\":\"POST\"}",
	    http_probe_port(probe));
	cr_assert(eq(int,
	    lane_send(lane_fd, FETCH_REQUEST, 7, text, strlen(text), "small body", 10,
		-1),
	    0));
	wait_answer();
	cr_expect(strstr(data.bytes, "\r\n\r\nsmall body") != NULL);
	cr_assert(eq(int,
	    lane_send(lane_fd, FETCH_REQUEST, 8, text, strlen(text), large,
		sizeof(large), -1),
	    0));
	wait_answer();
	cr_expect(eq(u64, answer_id, 8));
	cr_expect(gt(sz, data.len, sizeof(large)));
	lane_data_release(&data);
}

Test(fetch, answers_come_as_they_are_ready_and_cancels_are_answered)
{
	ask(1, "/hang", "");
	ask(2, "/small", "");
	wait_answer();
	cr_expect(eq(u64, answer_id, 2));
	cr_assert(
	    eq(int, lane_send(lane_fd, FETCH_CANCEL, 99, NULL, 0, NULL, 0, -1), 0));
	cr_assert(
	    eq(int, lane_send(lane_fd, FETCH_CANCEL, 1, NULL, 0, NULL, 0, -1), 0));
	wait_answer();
	cr_expect(eq(u64, answer_id, 1));
	cr_expect_str_eq(text_of("error.type"), "cancelled");
	cr_expect(eq(sz, fetch.n_jobs, 0));
}

Test(fetch, many_large_answers_wait_for_room_in_the_lane)
{
	for (uint64_t id = 1; id <= 8; id++)
		ask(id, "/edge", "");
	for (int i = 0; i < 200; i++)
		fetch_turn(&fetch, 5, nothing_else);
	for (int i = 0; i < 8; i++) {
		wait_answer();
		cr_expect(eq(sz, data.len, 65536));
	}
	cr_expect(eq(sz, fetch.n_jobs, 0));
}

Test(fetch, bodies_that_are_too_much_together_are_given_up_and_told)
{
	struct lane *lane = TAILQ_FIRST(&fetch.lanes);

	cr_expect(gt(u64, fetch.lane_bytes_max, (uint64_t)1000000), "one always fits");
	fetch.lane_bytes_max = 300000;
	lane->held_bytes = 100000; /* those of other requests, on their way */
	run("/large", "");
	cr_expect(not(is_ok()));
	cr_expect_str_eq(text_of("error.type"), "execution_error");
	cr_expect(json_is_true(json_path(meta, "error.retryable", 15)));
	cr_expect(strstr(text_of("error.message"), "at once") != NULL);
	cr_expect(eq(u64, lane->held_bytes, 100000), "its own are given back");
	run("/small", "");
	cr_expect(is_ok());
	lane->held_bytes = 0;
	run("/large", "");
	cr_expect(is_ok());
	lane_data_release(&data);
	cr_expect(eq(u64, lane->held_bytes, 0));
}

Test(fetch, a_closed_lane_ends_its_requests)
{
	ask(1, "/hang", "");
	for (int i = 0; i < 10; i++)
		fetch_turn(&fetch, 5, nothing_else);
	cr_expect(eq(sz, fetch.n_jobs, 1));
	(void)close(lane_fd);
	lane_fd = -1;
	for (int i = 0; i < 10; i++)
		fetch_turn(&fetch, 5, nothing_else);
	cr_expect(eq(sz, fetch.n_jobs, 0));
	cr_expect_null(TAILQ_FIRST(&fetch.lanes));
}

Test(fetch, garbage_closes_the_lane_and_nothing_else)
{
	cr_assert(eq(int, lane_send(lane_fd, 77, 1, "x", 1, NULL, 0, -1), 0));
	for (int i = 0; i < 10; i++)
		fetch_turn(&fetch, 5, nothing_else);
	cr_expect_null(TAILQ_FIRST(&fetch.lanes));
}

Test(fetch, nothing_private_is_reached_without_an_entry)
{
	stop_fetch();
	start_fetch("allow_ports = ( \"*\" );");
	run("/small", "");
	cr_expect_str_eq(text_of("error.type"), "forbidden_address");
	cr_expect(strstr(text_of("error.message"), "loopback") != NULL);
	cr_expect(eq(uint, http_probe_connections(probe), 0));
}
