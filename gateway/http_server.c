/* SPDX-License-Identifier: MIT */
/*
 * http_server.c - requests in, answers out.
 *
 * Owns:   struct http_server with the library's daemon, and a struct exchange for each
 *         request under way.
 * Called: by the library's one thread; answers of jobs come from the waiters' thread.
 * Fails:  by an HTTP status with a JSON body that says what to do.
 *
 * A request that waits for its job is suspended: the library then neither reads, times
 * out nor notices a client that leaves (main's sweep does).
 */
#include "config.h"

#include "gateway/http_server.h"

#include "common/json/json.h"
#include "common/log.h"
#include "gateway/access.h"
#include "gateway/connections.h"
#include "gateway/metrics_text.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <strings.h>

enum {
	CONNECTION_BYTES = 16 * 1024, /* line and headers: beyond it 431 */
	CONNECTIONS_EXTRA = 128,      /* beside those that may wait for a job */
	FORM_FIELD_MAX = 16
};

struct http_server {
	struct gateway *gateway;
	struct MHD_Daemon *daemon; /* owned */
	struct connections *connections;
	struct control_status status;   /* scratch of the one thread */
	struct control_metrics metrics; /* likewise */
};

struct exchange {
	struct http_server *server;
	struct MHD_Connection *mhd;
	struct connection *connection;
	const struct route *route;
	struct buf body;
	bool is_too_large;
	/* Written by the waiters' thread before is_answered is set. */
	atomic_bool is_answered;
	bool is_submitted;
	enum wait_outcome outcome;
	struct buf answer;
	char job_id[CHAT_ID_MAX];
};

typedef enum MHD_Result (*route_fn)(struct exchange *x);

struct route {
	const char *path;
	const char *methods; /* as the Allow header has them */
	bool is_open;        /* no token needed */
	route_fn run;
};

/* ---- answers ---- */

static enum MHD_Result
send_bytes(struct exchange *x, unsigned status, const char *type, struct buf *body,
    const char *name, const char *value)
{
	size_t len = body->len;
	char *bytes = buf_take(body, NULL);
	struct MHD_Response *response;
	enum MHD_Result r;

	if (bytes == NULL)
		return MHD_NO;
	response = MHD_create_response_from_buffer(len, bytes, MHD_RESPMEM_MUST_FREE);
	if (response == NULL) {
		free(bytes);
		return MHD_NO;
	}
	(void)MHD_add_response_header(response, "Content-Type", type);
	(void)MHD_add_response_header(response, "Cache-Control", "no-store");
	(void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	(void)MHD_add_response_header(response, "Content-Security-Policy",
	    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
	if (name != NULL)
		(void)MHD_add_response_header(response, name, value);
	if (x->job_id[0] != '\0')
		(void)MHD_add_response_header(response, "X-Job-Id", x->job_id);
	connections_phase(x->server->connections, x->connection, CONNECTION_SENDING,
	    NULL);
	r = MHD_queue_response(x->mhd, status, response);
	MHD_destroy_response(response);
	return r;
}

static enum MHD_Result
send_json(struct exchange *x, unsigned status, struct buf *body)
{
	return send_bytes(x, status, "application/json", body, NULL, NULL);
}

/* {"error":{"type":...,"message":...},"job_id":...} with one more header, if named */
static enum MHD_Result
send_error(struct exchange *x, unsigned status, const char *type, const char *message,
    const char *name, const char *value)
{
	struct buf body = BUF_INIT;
	struct json_writer w;
	enum MHD_Result r;

	metric_add(x->server->gateway->metrics, METRIC_HTTP_REFUSED, 0, 1);
	jw_init(&w, &body);
	jw_object_begin(&w);
	jw_key(&w, "error");
	jw_object_begin(&w);
	jw_key(&w, "type");
	jw_cstr(&w, type);
	jw_key(&w, "message");
	jw_cstr(&w, message);
	jw_object_end(&w);
	if (x->job_id[0] != '\0') {
		jw_key(&w, "job_id");
		jw_cstr(&w, x->job_id);
	}
	jw_object_end(&w);
	r = send_bytes(x, status, "application/json", &body, name, value);
	buf_release(&body);
	return r;
}

/* ---- what is known ---- */

static void
gather(struct http_server *s, struct health_facts *facts, char why[256],
    bool with_metrics)
{
	const struct gateway_services *v = &s->gateway->services;

	*facts = (struct health_facts){ 0 };
	if (v->status(v->ctx, &s->status) == 0)
		facts->status = &s->status;
	if (with_metrics && v->metrics(v->ctx, &s->metrics) == 0)
		facts->metrics = &s->metrics;
	if (!v->redis_is_up(v->ctx, why, 256))
		facts->redis_away = why;
}

static enum MHD_Result
run_health(struct exchange *x)
{
	const char *ready =
	    MHD_lookup_connection_value(x->mhd, MHD_GET_ARGUMENT_KIND, "ready");
	struct buf body = BUF_INIT;
	struct health_facts facts;
	bool asks = ready != NULL && strcmp(ready, "0") != 0, is_ready = true;
	char why[256];

	gather(x->server, &facts, why, asks);
	if (asks)
		is_ready = health_write_ready(&body, &facts);
	else
		health_write(&body, &facts);
	return send_json(x, is_ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE,
	    &body);
}

static enum MHD_Result
run_metrics(struct exchange *x)
{
	struct http_server *s = x->server;
	const struct gateway_services *v = &s->gateway->services;
	struct buf body = BUF_INIT;

	if (v->metrics(v->ctx, &s->metrics) < 0)
		return send_error(x, MHD_HTTP_SERVICE_UNAVAILABLE, "unavailable",
		    "the supervisor does not answer", "Retry-After", "1");
	metrics_text_write(&body, s->gateway->conf, &s->metrics);
	return send_bytes(x, MHD_HTTP_OK, METRICS_CONTENT_TYPE, &body, NULL, NULL);
}

static enum MHD_Result
run_page(struct exchange *x)
{
	struct buf body = BUF_INIT;
	struct health_facts facts;
	char why[256];

	gather(x->server, &facts, why, true);
	health_write_page(&body, x->server->gateway->conf, &facts);
	return send_bytes(x, MHD_HTTP_OK, "text/html; charset=utf-8", &body, NULL,
	    NULL);
}

/* ---- /test/chat ---- */

struct fields {
	struct buf prompt, agent, session_id;
};

static enum MHD_Result
on_field(void *arg, enum MHD_ValueKind kind UNUSED, const char *key,
    const char *filename UNUSED, const char *type UNUSED, const char *encoding UNUSED,
    const char *bytes, uint64_t offset UNUSED, size_t n)
{
	struct fields *f = arg;

	if (key == NULL)
		return MHD_YES;
	if (strcmp(key, "prompt") == 0)
		buf_add(&f->prompt, bytes, n);
	else if (strcmp(key, "agent") == 0)
		buf_add(&f->agent, bytes, n);
	else if (strcmp(key, "session_id") == 0)
		buf_add(&f->session_id, bytes, n);
	return MHD_YES;
}

/* The query fills what the form left out. */
static void
add_query(struct exchange *x, const char *name, struct buf *field)
{
	const char *value =
	    MHD_lookup_connection_value(x->mhd, MHD_GET_ARGUMENT_KIND, name);

	if (field->len == 0 && value != NULL)
		buf_adds(field, value);
}

static int
job_from_form(struct exchange *x, struct chat_job *job, struct err *err)
{
	struct fields f = { BUF_INIT, BUF_INIT, BUF_INIT };
	struct MHD_PostProcessor *form = x->body.len > 0
	    ? MHD_create_post_processor(x->mhd, 4096, on_field, &f)
	    : NULL;
	int r;

	if (form != NULL) {
		(void)MHD_post_process(form, buf_str(&x->body), x->body.len);
		(void)MHD_destroy_post_processor(form);
	}
	add_query(x, "prompt", &f.prompt);
	add_query(x, "agent", &f.agent);
	add_query(x, "session_id", &f.session_id);
	r = chat_job_from_fields(job, buf_str(&f.prompt), buf_str(&f.agent),
	    buf_str(&f.session_id), err);
	buf_release(&f.prompt);
	buf_release(&f.agent);
	buf_release(&f.session_id);
	return r;
}

static bool
is_json(const struct exchange *x)
{
	const char *type =
	    MHD_lookup_connection_value(x->mhd, MHD_HEADER_KIND, "Content-Type");
	size_t at;

	if (type != NULL && strncasecmp(type, "application/json", 16) == 0)
		return true;
	if (type != NULL &&
	    (strncasecmp(type, "application/x-www-form", 22) == 0 ||
		strncasecmp(type, "multipart/", 10) == 0))
		/* curl -d says form whatever it sends: an object is no form */
		return strncasecmp(type, "application/x-www-form", 22) == 0 &&
		    x->body.len > 0 && x->body.data[0] == '{';
	at = strspn(buf_str(&x->body), " \t\r\n");
	return at < x->body.len && x->body.data[at] == '{';
}

/* From the waiters' thread. */
static void
on_job_done(void *arg, enum wait_outcome outcome, const char *text, size_t n)
{
	struct exchange *x = arg;

	x->outcome = outcome;
	buf_add(&x->answer, text, n);
	atomic_store(&x->is_answered, true);
	MHD_resume_connection(x->mhd);
}

static enum MHD_Result
submit(struct exchange *x, struct chat_job *job)
{
	const struct gateway_services *v = &x->server->gateway->services;
	int r;

	(void)snprintf(x->job_id, sizeof(x->job_id), "%s", job->id);
	x->is_submitted = true;
	connections_phase(x->server->connections, x->connection, CONNECTION_WAITING, x);
	MHD_suspend_connection(x->mhd); /* before anybody can resume it */
	r = v->submit(v->ctx, job, on_job_done, x);
	if (r < 0) { /* resumed at once: run_chat is called again and answers */
		x->outcome = r == -ESHUTDOWN ? WAIT_STOPPED : WAIT_NOT_QUEUED;
		x->job_id[0] = '\0';
		buf_adds(&x->answer,
		    r == -EBUSY           ? "too many requests wait for their jobs"
			: r == -ESHUTDOWN ? "the gateway is stopping"
					  : "no memory for the request");
		atomic_store(&x->is_answered, true);
		MHD_resume_connection(x->mhd);
	}
	return MHD_YES;
}

static enum MHD_Result
answer_chat(struct exchange *x)
{
	static const char later[] = "the job goes on; its result is stored";

	switch (x->outcome) {
	case WAIT_RESULT:
		return send_json(x, MHD_HTTP_OK, &x->answer);
	case WAIT_NOT_QUEUED:
		x->job_id[0] = '\0';
		return send_error(x, MHD_HTTP_SERVICE_UNAVAILABLE, "unavailable",
		    buf_str(&x->answer), "Retry-After", "2");
	case WAIT_LATE:
		return send_error(x, MHD_HTTP_GATEWAY_TIMEOUT, "timeout", later, NULL,
		    NULL);
	case WAIT_UNKNOWN:
		return send_error(x, MHD_HTTP_BAD_GATEWAY, "outcome_unknown",
		    buf_str(&x->answer), NULL, NULL);
	case WAIT_STOPPED:
		return send_error(x, MHD_HTTP_SERVICE_UNAVAILABLE, "unavailable",
		    x->answer.len > 0 ? buf_str(&x->answer) : later, "Retry-After",
		    "2");
	case WAIT_GONE:
		break;
	}
	return MHD_NO; /* nobody reads */
}

static enum MHD_Result
run_chat(struct exchange *x)
{
	struct chat_job job = { 0 };
	struct err err = ERR_INIT;
	enum MHD_Result result;
	int r;

	if (x->is_submitted)
		return atomic_load(&x->is_answered) ? answer_chat(x) : MHD_YES;
	r = is_json(x) ? chat_job_from_json(&job, buf_str(&x->body), x->body.len, &err)
		       : job_from_form(x, &job, &err);
	if (r == 0)
		result = submit(x, &job);
	else if (r == -EINVAL)
		result = send_error(x, MHD_HTTP_BAD_REQUEST, "bad_request",
		    err_text(&err), NULL, NULL);
	else
		result = MHD_NO;
	chat_job_release(&job);
	return result;
}

/* ---- requests ---- */

static const struct route routes[] = {
	{ "/health", "GET, HEAD", true, run_health },
	{ "/metrics", "GET, HEAD", false, run_metrics },
	{ "/", "GET, HEAD", false, run_page },
	{ "/test/chat", "POST", false, run_chat },
};

static const struct route *
find_route(const char *path)
{
	for (size_t i = 0; i < ARRAY_LEN(routes); i++)
		if (strcmp(routes[i].path, path) == 0)
			return &routes[i];
	return NULL;
}

static bool
allows(const struct route *route, const char *method)
{
	const char *at = strstr(route->methods, method);
	size_t n = strlen(method);

	return at != NULL && (at == route->methods || at[-1] == ' ') &&
	    (at[n] == '\0' || at[n] == ',');
}

static const char *
header(struct MHD_Connection *mhd, const char *name)
{
	return MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, name);
}

static bool
declares_too_much(const struct exchange *x)
{
	const char *length = header(x->mhd, "Content-Length");

	return length != NULL &&
	    strtoull(length, NULL, 10) >
	    (unsigned long long)x->server->gateway->conf->http.max_body_bytes;
}

static enum MHD_Result
send_too_large(struct exchange *x)
{
	return send_error(x, MHD_HTTP_CONTENT_TOO_LARGE, "payload_too_large",
	    "the body is larger than http.max_body_bytes", NULL, NULL);
}

/* Judges head and path before any of the body is read. MHD_YES with x->route set when
   the request may go on; else it has been answered. */
static enum MHD_Result
admit(struct exchange *x, const char *path, const char *method)
{
	const struct access_headers h = { .host = header(x->mhd, "Host"),
		.origin = header(x->mhd, "Origin"),
		.sec_fetch_site = header(x->mhd, "Sec-Fetch-Site"),
		.authorization = header(x->mhd, "Authorization") };
	const struct route *route = find_route(path);

	metric_add(x->server->gateway->metrics, METRIC_HTTP_REQUESTS, 0, 1);
	switch (access_check(x->server->gateway->conf, &h,
	    route != NULL && route->is_open)) {
	case ACCESS_FOREIGN_HOST:
		return send_error(x, MHD_HTTP_FORBIDDEN, "forbidden",
		    "the Host header shows another name than this server's (http.hosts)",
		    NULL, NULL);
	case ACCESS_FOREIGN_ORIGIN:
		return send_error(x, MHD_HTTP_FORBIDDEN, "forbidden",
		    "requests from other sites' pages are not answered", NULL, NULL);
	case ACCESS_NO_TOKEN:
		return send_error(x, MHD_HTTP_UNAUTHORIZED, "unauthorized",
		    "a bearer token is needed", "WWW-Authenticate", "Bearer");
	case ACCESS_OK:
		break;
	}
	if (route == NULL)
		return send_error(x, MHD_HTTP_NOT_FOUND, "not_found",
		    "there is no such page", NULL, NULL);
	if (!allows(route, method))
		return send_error(x, MHD_HTTP_METHOD_NOT_ALLOWED, "method_not_allowed",
		    "this page has other methods", "Allow", route->methods);
	if (declares_too_much(x))
		return send_too_large(x);
	x->route = route;
	return MHD_YES;
}

static struct exchange *
exchange_new(struct http_server *s, struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct exchange *x;

	if (info == NULL || info->socket_context == NULL)
		return NULL;
	x = calloc(1, sizeof(*x));
	if (x == NULL)
		return NULL;
	x->server = s;
	x->mhd = mhd;
	x->connection = info->socket_context;
	return x;
}

static enum MHD_Result
on_request(void *arg, struct MHD_Connection *mhd, const char *path, const char *method,
    const char *version UNUSED, const char *bytes, size_t *n, void **ctx)
{
	struct exchange *x = *ctx;

	if (x == NULL) {
		x = exchange_new(arg, mhd);
		*ctx = x;
		return x != NULL ? admit(x, path, method) : MHD_NO;
	}
	if (x->route == NULL)
		return MHD_YES; /* answered already */
	if (*n > 0) {
		size_t max = (size_t)x->server->gateway->conf->http.max_body_bytes;

		if (x->body.len + *n > max)
			x->is_too_large = true;
		else
			buf_add(&x->body, bytes, *n);
		*n = 0; /* swallowed, so that the answer can be given */
		return MHD_YES;
	}
	if (x->is_too_large)
		return send_too_large(x);
	return x->route->run(x);
}

static void
on_completed(void *arg, struct MHD_Connection *mhd UNUSED, void **ctx,
    enum MHD_RequestTerminationCode why UNUSED)
{
	struct http_server *s = arg;
	struct exchange *x = *ctx;

	if (x == NULL)
		return;
	*ctx = NULL;
	connections_phase(s->connections, x->connection, CONNECTION_RECEIVING, NULL);
	buf_release(&x->body);
	buf_release(&x->answer);
	free(x);
}

static void
on_connection(void *arg, struct MHD_Connection *mhd, void **socket_ctx,
    enum MHD_ConnectionNotificationCode what)
{
	struct http_server *s = arg;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *info =
		    MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);

		*socket_ctx = info != NULL
		    ? connections_add(s->connections, info->connect_fd)
		    : NULL;
	} else if (*socket_ctx != NULL) {
		connections_remove(s->connections, *socket_ctx);
		*socket_ctx = NULL;
	}
}

static void PRINTF_LIKE(2, 0)
    on_library_message(void *arg UNUSED, const char *fmt, va_list ap)
{
	char text[512];

	(void)vsnprintf(text, sizeof(text), fmt, ap);
	text[strcspn(text, "\n")] = '\0';
	log_debug("http: %s", text);
}

int
http_server_start(struct gateway *gateway, int listen_fd, struct http_server **out,
    struct err *err)
{
	struct http_server *s = calloc(1, sizeof(*s));
	unsigned timeout_sec = (unsigned)gateway->conf->http.request_timeout_sec;

	if (s != NULL)
		s->connections = connections_new(timeout_sec * 1000);
	if (s == NULL || s->connections == NULL) {
		free(s);
		(void)close(listen_fd);
		return err_set(err, -ENOMEM, "no memory for the HTTP server");
	}
	s->gateway = gateway;
	s->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD |
		MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG,
	    0, NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER,
	    on_library_message, NULL, MHD_OPTION_LISTEN_SOCKET, listen_fd,
	    MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_NOTIFY_CONNECTION,
	    on_connection, s, MHD_OPTION_CONNECTION_LIMIT,
	    (unsigned)(gateway->conf->http.max_waiting + CONNECTIONS_EXTRA),
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
	    MHD_OPTION_CONNECTION_TIMEOUT, timeout_sec + 5,
	    MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
	    MHD_OPTION_END);
	if (s->daemon == NULL) {
		int r = errno != 0 ? -errno : -EIO;

		connections_free(s->connections);
		free(s);
		(void)close(listen_fd);
		return err_set(err, r, "the HTTP server does not start: %s",
		    strerror(-r));
	}
	*out = s;
	return 0;
}

static void
client_gone(void *arg, const void *exchange)
{
	struct http_server *s = arg;
	const struct gateway_services *v = &s->gateway->services;

	v->abandon(v->ctx, exchange);
}

uint32_t
http_server_sweep(struct http_server *s)
{
	return connections_sweep(s->connections, client_gone, s);
}

bool
http_server_is_busy(struct http_server *s)
{
	return connections_busy(s->connections) > 0;
}

void
http_server_quiesce(struct http_server *s)
{
	int fd = MHD_quiesce_daemon(s->daemon);

	if (fd >= 0)
		(void)close(fd);
}

void
http_server_stop(struct http_server *s)
{
	if (s == NULL)
		return;
	MHD_stop_daemon(s->daemon);
	connections_free(s->connections);
	free(s);
}
