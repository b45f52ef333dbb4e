/* SPDX-License-Identifier: MIT */
/*
 * http_server.h - the small HTTP/1.1 server under the stand-ins of tests and benches.
 *
 * One thread, one epoll loop, keep-alive and pipelining, thousands of connections. A
 * handler answers at once by filling a reply; what takes time (a delay, a slow body, a
 * hang) or breaks (a cut connection) is asked for in the reply and done by the server.
 * It serves test programs on loopback: it is no server for strangers.
 */
#ifndef TESTS_SUPPORT_HTTP_SERVER_H
#define TESTS_SUPPORT_HTTP_SERVER_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HTTP_HEADERS_MAX = 64
};

struct http_header {
	const char *name, *value;
};

struct http_request {
	const char *method; /* "GET", "POST", ... */
	const char *path;   /* before '?', as sent */
	const char *query;  /* after '?', as sent; "" when there is none */
	struct http_header headers[HTTP_HEADERS_MAX];
	size_t n_headers;
	const char *body; /* not terminated */
	size_t body_len;
};

/* The value of the first header of that name (any case), or NULL. */
const char *http_request_header(const struct http_request *rq, const char *name);

/* A parameter of the query, decoded into out; false (out untouched) when there is
   none. */
bool http_request_param(const struct http_request *rq, const char *name, char *out,
    size_t max);

/* clang-format off */
#define HTTP_CUTS(X)                                                                      \
	X(NONE,           "none")                                                         \
	X(BEFORE_HEADERS, "before_headers") /* close without a byte            */         \
	X(MID_HEADERS,    "mid_headers")    /* close inside the response head  */         \
	X(MID_BODY,       "mid_body")       /* close after half of the body    */
/* clang-format on */

enum http_cut {
#define X(name, text) HTTP_CUT_##name,
	HTTP_CUTS(X)
#undef X
	HTTP_CUT_COUNT
};

/* The enum of a text, or -EINVAL. */
int http_cut_parse(const char *text, size_t n);

/* A body that is made while it is sent, in chunked encoding. */
struct http_source {
	/* Appends the next piece; 1 when more will follow, 0 when that was the end. */
	int (*fill)(void *state, struct buf *out);
	void (*free)(void *state); /* NULL: nothing to free */
	void *state;
	uint64_t pause_ms; /* between two pieces */
};

struct http_reply {
	int status;               /* 200 when left 0 */
	const char *content_type; /* application/json when left NULL */
	struct buf headers;       /* further lines, each ended by "\r\n" */
	struct buf body;
	uint64_t delay_ms;  /* before the first byte */
	size_t piece_bytes; /* not 0: send the body in chunks of so many bytes ... */
	uint64_t pause_ms;  /* ... with this pause between them */
	enum http_cut cut;  /* break the connection */
	bool is_hang;       /* never answer; ends when the client leaves */
	bool is_close;      /* close after the answer */
	struct http_source source; /* used instead of body when fill is set */
};

/* "Name: value\r\n" appended to the reply's headers. */
void http_reply_header(struct http_reply *reply, const char *name, const char *value);

struct http_server_stats {
	uint64_t requests;
	uint64_t accepted;
	unsigned connections;
	unsigned waiting; /* requests whose answer has not begun yet */
};

typedef void http_handler(void *ctx, const struct http_request *rq,
    struct http_reply *reply);

struct http_server;

/* Listens on host:port (port 0: a free one, told by http_server_port). 0 or negative
 * errno. */
int http_server_new(const char *host, uint16_t port, http_handler *handler, void *ctx,
    struct http_server **out, struct err *err);
void http_server_free(struct http_server *s);
uint16_t http_server_port(const struct http_server *s);
const struct http_server_stats *http_server_stats(const struct http_server *s);

/* Serves until SIGTERM or SIGINT; on_hup (may be NULL) is called for each SIGHUP. */
int http_server_run(struct http_server *s, void (*on_hup)(void *ctx), struct err *err);

#endif
