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

#include "common/log.h"
#include "gateway/access.h"
#include "gateway/exchange.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

enum {
	CONNECTION_BYTES = 16 * 1024, /* line and headers: beyond it 431 */
	CONNECTIONS_EXTRA = 1024,     /* beside those that may wait for a job */
	BODIES_EXTRA = 32,            /* whole ones, likewise */
};

static const struct route routes[] = {
	{ "/health", "GET, HEAD", true, page_health },
	{ "/metrics", "GET, HEAD", false, page_metrics },
	{ "/", "GET, HEAD", false, page_status },
	{ "/test/chat", "POST", false, chat_run },
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

/*
 * The library takes the first header of a name and lets chunks win over a length; a
 * proxy before us may choose otherwise and so see other requests than we do. Whatever
 * can be read in two ways is refused.
 */
struct framing {
	unsigned hosts, lengths, codings, origins, tokens;
	bool is_coding_unknown, has_body;
};

static enum MHD_Result
note_header(void *arg, enum MHD_ValueKind kind UNUSED, const char *name,
    const char *value)
{
	struct framing *f = arg;
	const struct {
		const char *name;
		unsigned *count;
	} once[] = { { "Host", &f->hosts }, { "Content-Length", &f->lengths },
		{ "Transfer-Encoding", &f->codings }, { "Origin", &f->origins },
		{ "Authorization", &f->tokens } };

	for (size_t i = 0; i < ARRAY_LEN(once); i++)
		*once[i].count += strcasecmp(name, once[i].name) == 0;
	/* the library reads a folded value as a part of its name */
	f->is_coding_unknown |=
	    strncasecmp(name, "Transfer-Encoding", 17) == 0 && strlen(name) > 17;
	f->is_coding_unknown |=
	    strncasecmp(name, "Content-Length", 14) == 0 && strlen(name) > 14;
	if (strcasecmp(name, "Transfer-Encoding") == 0)
		f->is_coding_unknown |=
		    value == NULL || strcasecmp(value, "chunked") != 0;
	if (strcasecmp(name, "Content-Length") == 0)
		f->has_body |= value == NULL || strcmp(value, "0") != 0;
	return MHD_YES;
}

/* NULL, or why the request is not looked at. */
static const char *
framing_fault(const struct framing *f)
{
	if (f->lengths > 1 || f->codings > 1 || (f->lengths > 0 && f->codings > 0))
		return "the length of the body is told in two ways: send one "
		       "Content-Length, or chunks";
	if (f->is_coding_unknown)
		return "the only Transfer-Encoding here is chunked";
	if (f->hosts > 1 || f->origins > 1 || f->tokens > 1)
		return "Host, Origin and Authorization may stand once";
	return NULL;
}

static enum MHD_Result
send_too_large(struct exchange *x)
{
	return exchange_send_error(x, MHD_HTTP_CONTENT_TOO_LARGE, "payload_too_large",
	    "the body is larger than http.max_body_bytes", NULL, NULL);
}

/* Judges head and path. MHD_YES with x->route set when
   the request may go on; else it has been answered. */
static enum MHD_Result
admit(struct exchange *x, const char *path, const char *method)
{
	const struct access_headers h = { .host = header(x->mhd, "Host"),
		.origin = header(x->mhd, "Origin"),
		.sec_fetch_site = header(x->mhd, "Sec-Fetch-Site"),
		.authorization = header(x->mhd, "Authorization") };
	const struct route *route = find_route(path);

	x->is_judged = true;
	metric_add(x->server->gateway->metrics, METRIC_HTTP_REQUESTS, 0, 1);
	switch (access_check(x->server->gateway->conf, &h,
	    route != NULL && route->is_open)) {
	case ACCESS_FOREIGN_HOST:
		return exchange_send_error(x, MHD_HTTP_FORBIDDEN, "forbidden",
		    "the Host header shows another name than this server's (http.hosts)",
		    NULL, NULL);
	case ACCESS_FOREIGN_ORIGIN:
		return exchange_send_error(x, MHD_HTTP_FORBIDDEN, "forbidden",
		    "requests from other sites' pages are not answered", NULL, NULL);
	case ACCESS_NO_TOKEN:
		return exchange_send_error(x, MHD_HTTP_UNAUTHORIZED, "unauthorized",
		    "the token of http.token is needed: send Authorization: Bearer TOKEN",
		    "WWW-Authenticate", "Bearer");
	case ACCESS_OK:
		break;
	}
	if (route == NULL)
		return exchange_send_error(x, MHD_HTTP_NOT_FOUND, "not_found",
		    "there is no such page; there are /, /health, /metrics and /test/chat",
		    NULL, NULL);
	if (!allows(route, method))
		return exchange_send_error(x, MHD_HTTP_METHOD_NOT_ALLOWED,
		    "method_not_allowed",
		    "this page has other methods: see the Allow header", "Allow",
		    route->methods);
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
	/* the head is here: the body has time of its own, whatever was idle before */
	connections_phase(s->connections, x->connection, CONNECTION_RECEIVING, NULL);
	return x;
}

/*
 * A request that announces a body is judged before it is read; the library closes the
 * connection when it is refused, so that its body is never taken for a request. One
 * without is judged when it is complete, and the connection lives on.
 */
static enum MHD_Result
begin(struct exchange *x, const char *path, const char *method)
{
	struct framing f = { 0 };
	const char *fault;

	(void)MHD_get_connection_values(x->mhd, MHD_HEADER_KIND, note_header, &f);
	fault = framing_fault(&f);
	if (fault != NULL) {
		x->is_judged = true;
		metric_add(x->server->gateway->metrics, METRIC_HTTP_REQUESTS, 0, 1);
		return exchange_send_error(x, MHD_HTTP_BAD_REQUEST, "bad_request",
		    fault, "Connection", "close");
	}
	return f.has_body || f.codings > 0 ? admit(x, path, method) : MHD_YES;
}

/* Of what is too much, for one or for all together, nothing is kept. */
static void
take_body(struct exchange *x, const char *bytes, size_t n)
{
	const struct conf *conf = x->server->gateway->conf;
	uint64_t max = (uint64_t)conf->http.max_body_bytes;
	uint64_t max_all = max * (uint64_t)(conf->http.max_waiting + BODIES_EXTRA);
	size_t before = x->body.len;

	x->is_too_large |= x->body.len + n > max;
	x->is_crowded_out |= x->server->body_bytes + n > max_all;
	if (!x->is_too_large && !x->is_crowded_out) {
		buf_add(&x->body, bytes, n);
		x->server->body_bytes += x->body.len - before;
		return;
	}
	x->server->body_bytes -= before;
	buf_release(&x->body);
}

static enum MHD_Result
on_request(void *arg, struct MHD_Connection *mhd, const char *path, const char *method,
    const char *version UNUSED, const char *bytes, size_t *n, void **ctx)
{
	struct exchange *x = *ctx;

	if (x == NULL) {
		x = exchange_new(arg, mhd);
		*ctx = x;
		return x != NULL ? begin(x, path, method) : MHD_NO;
	}
	if (!x->is_judged) {
		enum MHD_Result r = admit(x, path, method);

		if (r != MHD_YES || x->route == NULL)
			return r;
	}
	if (x->route == NULL)
		return MHD_YES; /* answered already */
	if (*n > 0) {
		take_body(x, bytes, *n);
		*n = 0; /* swallowed, so that the answer can be given */
		return MHD_YES;
	}
	if (x->is_too_large)
		return send_too_large(x);
	if (x->is_crowded_out)
		return exchange_send_error(x, MHD_HTTP_SERVICE_UNAVAILABLE,
		    "unavailable",
		    "too many large requests at once; come back later, or push to the "
		    "queue",
		    "Retry-After", "2");
	if (!x->is_submitted) /* it has sent all; the time that we take is ours */
		connections_phase(x->server->connections, x->connection,
		    CONNECTION_SENDING, NULL);
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
	s->body_bytes -= x->body.len;
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
	unsigned max = (unsigned)gateway->conf->http.max_waiting + CONNECTIONS_EXTRA;

	if (s != NULL)
		s->connections = connections_new(timeout_sec * 1000, max);
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
	    on_connection, s, MHD_OPTION_CONNECTION_LIMIT, max,
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
