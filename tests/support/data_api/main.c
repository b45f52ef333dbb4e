/* SPDX-License-Identifier: MIT */
/*
 * data_api/main.c - the demonstration data API: flights, shop tables, and odd answers.
 *
 * Owns:   the routes and the counters of /flaky.
 * Called: by tests, scripts/quickstart and scripts/bench, as the program data-api.
 * Fails:  a bad command line or an address that is taken ends it with a message.
 */
#include "config.h"

#include "common/exit_status.h"
#include "tests/support/data_api/data.h"
#include "tests/support/http_server.h"
#include "tests/support/service.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

enum {
	PARAM_MAX = 512,
	FLAKY_KEYS = 64
};

static struct {
	char key[64];
	unsigned seen;
} flaky[FLAKY_KEYS];

typedef void route_handler(const struct http_request *rq, struct http_reply *reply);

static void
fail(struct http_reply *reply, int status, const char *message)
{
	struct json_writer w;

	buf_clear(&reply->body);
	reply->status = status;
	reply->content_type = NULL;
	jw_init(&w, &reply->body);
	jw_object_begin(&w);
	jw_key(&w, "error");
	jw_cstr(&w, message);
	jw_object_end(&w);
}

static uint64_t
number_param(const struct http_request *rq, const char *name, uint64_t other)
{
	char text[32];
	char *end;
	unsigned long long n;

	if (!http_request_param(rq, name, text, sizeof(text)))
		return other;
	n = strtoull(text, &end, 10);
	return *end == '\0' && text[0] != '\0' ? n : other;
}

/* ---- flights ---- */

struct trip {
	char origin[PLACE_MAX], dest[PLACE_MAX];
	unsigned count;
};

static void
read_trip(const struct http_request *rq, struct trip *t)
{
	*t = (struct trip){ "NYC", "LAX", 0 };
	(void)http_request_param(rq, "origin", t->origin, sizeof(t->origin));
	(void)http_request_param(rq, "dest", t->dest, sizeof(t->dest));
	t->count = (unsigned)number_param(rq, "count", FLIGHTS_COUNT);
	if (t->count > FLIGHTS_COUNT)
		t->count = FLIGHTS_COUNT;
}

static void
write_flights(struct json_writer *w, const struct trip *t)
{
	jw_array_begin(w);
	for (unsigned i = 0; i < t->count; i++) {
		struct flight f;

		flight_make(&f, t->origin, t->dest, i);
		flight_write_json(w, &f);
	}
	jw_array_end(w);
}

static void
flights_search(const struct http_request *rq, struct http_reply *reply)
{
	struct json_writer w;
	struct trip t;

	if (strstr(rq->query, "origin=") == NULL ||
	    strstr(rq->query, "dest=") == NULL) {
		fail(reply, 400,
		    "origin and dest are required, as in ?origin=NYC&dest=LAX");
		return;
	}
	read_trip(rq, &t);
	jw_init(&w, &reply->body);
	write_flights(&w, &t);
}

static void
flights_wrapped(const struct http_request *rq, struct http_reply *reply)
{
	struct json_writer w;
	struct trip t;

	read_trip(rq, &t);
	jw_init(&w, &reply->body);
	jw_object_begin(&w);
	jw_key(&w, "count");
	jw_uint(&w, t.count);
	jw_key(&w, "flights");
	write_flights(&w, &t);
	jw_object_end(&w);
}

static void
flights_csv(const struct http_request *rq, struct http_reply *reply)
{
	struct trip t;

	read_trip(rq, &t);
	reply->content_type = "text/csv; charset=utf-8";
	buf_adds(&reply->body, flight_csv_header);
	for (unsigned i = 0; i < t.count; i++) {
		struct flight f;

		flight_make(&f, t.origin, t.dest, i);
		flight_write_csv(&reply->body, &f);
	}
}

static void
flights_ndjson(const struct http_request *rq, struct http_reply *reply)
{
	struct trip t;

	read_trip(rq, &t);
	reply->content_type = "application/x-ndjson";
	for (unsigned i = 0; i < t.count; i++) {
		struct json_writer w;
		struct flight f;

		flight_make(&f, t.origin, t.dest, i);
		jw_init(&w, &reply->body);
		flight_write_json(&w, &f);
		buf_addc(&reply->body, '\n');
	}
}

/* ---- tables ---- */

static void
write_table(struct http_reply *reply, void (*table)(struct json_writer *w))
{
	struct json_writer w;

	jw_init(&w, &reply->body);
	table(&w);
}

static void
items_get(const struct http_request *rq UNUSED, struct http_reply *reply)
{
	write_table(reply, items_write);
}

static void
users_get(const struct http_request *rq UNUSED, struct http_reply *reply)
{
	write_table(reply, users_write);
}

static void
orders_get(const struct http_request *rq UNUSED, struct http_reply *reply)
{
	write_table(reply, orders_write);
}

struct big {
	uint64_t next, rows;
};

static int
big_fill(void *state, struct buf *out)
{
	struct big *b = state;
	uint64_t until = b->next + 512;

	if (b->next == 0)
		buf_addc(out, '[');
	for (; b->next < b->rows && b->next < until; b->next++) {
		struct json_writer w;

		if (b->next > 0)
			buf_addc(out, ',');
		jw_init(&w, out);
		big_row_write(&w, b->next);
	}
	if (b->next < b->rows)
		return 1;
	buf_addc(out, ']');
	return 0;
}

static void
big_get(const struct http_request *rq, struct http_reply *reply)
{
	struct big *b = calloc(1, sizeof(*b));

	ASSERT(b != NULL);
	b->rows = number_param(rq, "rows", 1000);
	reply->source =
	    (struct http_source){ big_fill, free, b, number_param(rq, "pause_ms", 0) };
}

/* ---- odd answers ---- */

static void
echo(const struct http_request *rq, struct http_reply *reply)
{
	struct json_writer w;

	jw_init(&w, &reply->body);
	jw_object_begin(&w);
	jw_key(&w, "method");
	jw_cstr(&w, rq->method);
	jw_key(&w, "path");
	jw_cstr(&w, rq->path);
	jw_key(&w, "query");
	jw_cstr(&w, rq->query);
	jw_key(&w, "headers");
	jw_object_begin(&w);
	for (size_t i = 0; i < rq->n_headers; i++) {
		jw_key(&w, rq->headers[i].name);
		jw_cstr(&w, rq->headers[i].value);
	}
	jw_object_end(&w);
	jw_key(&w, "body");
	jw_string(&w, rq->body, rq->body_len);
	jw_object_end(&w);
}

static void
status(const struct http_request *rq, struct http_reply *reply)
{
	int code = atoi(rq->path + strlen("/status/"));
	char text[PARAM_MAX];

	if (code < 100 || code > 599) {
		fail(reply, 400, "no such status");
		return;
	}
	fail(reply, code, "as asked for");
	if (http_request_param(rq, "retry_after", text, 32))
		http_reply_header(reply, "Retry-After", text);
}

static void
slow(const struct http_request *rq, struct http_reply *reply)
{
	reply->delay_ms = number_param(rq, "ms", 1000);
	buf_addf(&reply->body, "[{\"slept_ms\":%llu}]",
	    (unsigned long long)reply->delay_ms);
}

static void
redirect(const struct http_request *rq, struct http_reply *reply)
{
	char to[PARAM_MAX];

	if (!http_request_param(rq, "to", to, sizeof(to)) ||
	    strpbrk(to, "\r\n") != NULL) {
		fail(reply, 400, "to is required");
		return;
	}
	reply->status = (int)number_param(rq, "status", 302);
	http_reply_header(reply, "Location", to);
}

static void
binary(const struct http_request *rq UNUSED, struct http_reply *reply)
{
	reply->content_type = "application/octet-stream";
	for (int i = 0; i < 1024; i++)
		buf_addc(&reply->body, (char)(i * 7));
}

static void
text_get(const struct http_request *rq UNUSED, struct http_reply *reply)
{
	reply->content_type = "text/plain; charset=utf-8";
	buf_adds(&reply->body,
	    "The caf\xc3\xa9 opens at 09:00; order #4711 and #4712 wait.\n");
}

static void
garbage(const struct http_request *rq UNUSED, struct http_reply *reply)
{
	buf_adds(&reply->body, "{\"flights\": [ {\"id\": 1,, \"price\": NaN ");
}

/* Fails so many times for a key, then answers. */
static void
flaky_get(const struct http_request *rq, struct http_reply *reply)
{
	char key[64] = "";
	size_t i;

	(void)http_request_param(rq, "key", key, sizeof(key));
	for (i = 0; i + 1 < FLAKY_KEYS && flaky[i].key[0] != '\0'; i++)
		if (strcmp(flaky[i].key, key) == 0)
			break;
	(void)snprintf(flaky[i].key, sizeof(flaky[i].key), "%s", key);
	if (flaky[i].seen++ < number_param(rq, "fail", 1))
		fail(reply, (int)number_param(rq, "status", 503), "not yet");
	else
		buf_addf(&reply->body, "[{\"seen\":%u}]", flaky[i].seen);
}

/* Answers those who bring the key, as an API behind an auth profile does. */
static void
private_get(const struct http_request *rq, struct http_reply *reply)
{
	const char *key = http_request_header(rq, "X-API-Key");
	const char *auth = http_request_header(rq, "Authorization");

	if ((key != NULL && strcmp(key, "demo-key") == 0) ||
	    (auth != NULL && strcmp(auth, "Bearer demo-token") == 0) ||
	    (auth != NULL && strcmp(auth, "Basic ZGVtbzpzZWNyZXQ=") == 0))
		buf_adds(&reply->body, "[{\"secret\":\"shared\",\"value\":42}]");
	else
		fail(reply, 401, "a key is needed");
}

static void
health(const struct http_request *rq UNUSED, struct http_reply *reply)
{
	buf_adds(&reply->body, "{\"status\":\"ok\"}");
}

/* clang-format off */
static const struct {
	const char *path; /* ends in '/': everything below it */
	route_handler *handler;
	const char *help;
} routes[] = {
	{ "/flights/search",  flights_search,  "?origin=NYC&dest=LAX[&count=N]: an array of flights" },
	{ "/flights/wrapped", flights_wrapped, "the same as {\"count\",\"flights\":[...]}; NYC to LAX unless told otherwise" },
	{ "/flights.csv",     flights_csv,     "the same as CSV" },
	{ "/flights.ndjson",  flights_ndjson,  "the same as JSON lines" },
	{ "/items",           items_get,       "12 things of a shop, with nested attrs" },
	{ "/users",           users_get,       "20 users" },
	{ "/orders",          orders_get,      "60 orders: user_id and item_id join the two above" },
	{ "/big",             big_get,         "?rows=N: so many rows, streamed" },
	{ "/echo",            echo,            "the request as JSON" },
	{ "/status/",         status,          "/status/NNN[?retry_after=S]" },
	{ "/slow",            slow,            "?ms=N: answers late" },
	{ "/redirect",        redirect,        "?to=URL[&status=N]" },
	{ "/flaky",           flaky_get,       "?key=K&fail=N[&status=S]: fails N times, then works" },
	{ "/private",         private_get,     "wants X-API-Key: demo-key, Bearer demo-token or demo:secret" },
	{ "/binary",          binary,          "1024 bytes that are no text" },
	{ "/text",            text_get,        "a line of text" },
	{ "/garbage",         garbage,         "a body that claims to be JSON" },
	{ "/health",          health,          "{\"status\":\"ok\"}" },
};
/* clang-format on */

static void
list_routes(struct http_reply *reply)
{
	struct json_writer w;

	jw_init(&w, &reply->body);
	jw_object_begin(&w);
	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		jw_key(&w, routes[i].path);
		jw_cstr(&w, routes[i].help);
	}
	jw_object_end(&w);
}

static bool
route_matches(const char *route, const char *path)
{
	size_t n = strlen(route);

	return route[n - 1] == '/' ? strncmp(route, path, n) == 0
				   : strcmp(route, path) == 0;
}

static void
serve(void *ctx UNUSED, const struct http_request *rq, struct http_reply *reply)
{
	if (strcmp(rq->path, "/") == 0) {
		list_routes(reply);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(routes); i++)
		if (route_matches(routes[i].path, rq->path)) {
			routes[i].handler(rq, reply);
			return;
		}
	fail(reply, 404, "no such path; GET / lists them");
}

static void
usage(FILE *out)
{
	(void)fprintf(out,
	    "usage: data-api [--listen ADDRESS] [--port N] [--die-with-parent]\n"
	    "Serves the demonstration data; GET / lists the paths. Port 0 (the default)\n"
	    "takes a free one; \"listening ADDRESS:PORT\" is printed when it is ready.\n");
}

static const struct option options[] = {
	{ "listen", required_argument, NULL, 'l' },
	{ "port", required_argument, NULL, 'p' },
	{ "die-with-parent", no_argument, NULL, 'd' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

int
main(int argc, char **argv)
{
	const char *host = "127.0.0.1";
	struct http_server *server = NULL;
	struct err err = ERR_INIT;
	uint16_t port = 0;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1)
		switch (c) {
		case 'l':
			host = optarg;
			break;
		case 'p':
			port = service_port("data-api", optarg);
			break;
		case 'd':
			service_die_with_parent();
			break;
		case 'h':
			usage(stdout);
			return EXIT_STATUS_OK;
		default:
			usage(stderr);
			return EXIT_STATUS_USAGE;
		}
	if (http_server_new(host, port, serve, NULL, &server, &err) == 0) {
		service_announce(host, http_server_port(server));
		(void)http_server_run(server, NULL, &err);
	}
	http_server_free(server);
	if (err.code != 0)
		(void)fprintf(stderr, "data-api: %s\n", err_text(&err));
	return err.code == 0 ? EXIT_STATUS_OK : EXIT_STATUS_FAILURE;
}
