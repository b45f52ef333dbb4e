/* SPDX-License-Identifier: MIT */
/*
 * http_client.h - many HTTP requests at once, on anybody's event loop, over libcurl.
 *
 * A client owns one pool of connections and ONE descriptor: watch it for input and call
 * http_client_turn() when it is readable. Nothing here blocks. Two clients share
 * nothing, so each level of trust has a client of its own.
 *
 * Always: TLS verified, no proxy, http and https only, bodies counted after
 * decompression, one deadline over all hops. Redirects are off unless max_redirects
 * says otherwise; they are followed here, hop by hop, so that the guard sees each of
 * them.
 */
#ifndef COMMON_NET_HTTP_CLIENT_H
#define COMMON_NET_HTTP_CLIENT_H

#include "common/buf.h"
#include "common/err.h"
#include "common/secrets.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct addr_guard;
struct http_client;
struct http_transfer; /* one request under way; gone once its callback has been called
		       */

enum http_class {
	HTTP_OK,            /* an answer came, whatever its status */
	HTTP_RESOLVE,       /* the host name has no address, or DNS did not answer */
	HTTP_CONNECT,       /* nobody answers at the address */
	HTTP_TIMEOUT,       /* a deadline passed */
	HTTP_TLS,           /* no trusted TLS connection */
	HTTP_BROKEN,        /* the connection broke before the answer was whole */
	HTTP_PROTOCOL,      /* the answer is not HTTP */
	HTTP_REDIRECTS,     /* more of them than max_redirects */
	HTTP_TOO_LARGE,     /* the body passed max_body_bytes */
	HTTP_BAD_URL,       /* not a URL that can be fetched */
	HTTP_FORBIDDEN_URL, /* the guard refused scheme, domain or port */
	HTTP_FORBIDDEN_ADDRESS, /* the guard refused every address, or a literal one */
	HTTP_CANCELLED,         /* by http_client_cancel */
	HTTP_INTERNAL,          /* memory, or a fault of ours */
	HTTP_CLASS_COUNT
};

const char *http_class_name(enum http_class c); /* "ok", "connect", ... */

/* Is it worth trying again (the request never got, or may not get, a whole answer)? */
bool http_class_is_transient(enum http_class c);

enum http_version {
	HTTP_VERSION_AUTO, /* HTTP/2 where TLS offers it, else 1.1 */
	HTTP_VERSION_1_1,
	/* As AUTO, but a request waits for a connection that is being made, to share it
	   if it turns out to be HTTP/2. For https hosts that are known to speak it: a
	   server that says nothing keeps the others waiting for its first answer. */
	HTTP_VERSION_SHARED
};

struct http_header {
	const char *name;
	const char *value; /* "" sends the header with an empty value */
	bool is_auth;      /* not sent on to another host when a redirect leads there */
};

struct http_client_options {
	size_t buffer_bytes;      /* receive buffer of each transfer; 0: 4096 */
	unsigned max_connections; /* in the pool, idle ones too; 0: 256 */
	unsigned max_per_host;    /* 0: no bound */
	const char *user_agent;   /* NULL: "agent-runner/VERSION" */
	const char *ca_file;      /* NULL: the system's bundle */
	/* Judges every URL and every address of this client, whose connections
	   therefore never serve anybody else. Outlives the client; NULL: no guard. */
	const struct addr_guard *guard;
};

struct http_request {
	const char *method; /* NULL: GET, or POST when there is a body */
	const char *url;
	const struct http_header *headers;
	size_t n_headers;
	const void *body; /* must stay until the callback */
	size_t body_len;
	uint32_t timeout_ms;         /* for all hops together; 0: 30,000 */
	uint32_t connect_timeout_ms; /* 0: 10,000 */
	size_t max_body_bytes;       /* of a 2xx answer; 0: 16 MiB */
	unsigned max_redirects;      /* 0: the redirect itself is the answer */
	enum http_version version;
	/* A redirect to another origin is refused when its URL holds one of these: servers
	   copy the query they were asked with. Outlive the transfer; may be NULL. */
	const struct secrets *secrets;
	/* Takes the 2xx body instead of result->body, piece by piece, with the ctx of
	   http_client_start; less than 0 ends the transfer (HTTP_INTERNAL). It must not
	   call this interface. May be NULL. */
	int (*on_body)(void *ctx, const char *bytes, size_t n);
};

/* Text and buffers live until the callback returns; take the body with buf_take. */
struct http_result {
	enum http_class class;
	const char *message;      /* a sentence when class is not HTTP_OK, else "" */
	int status;               /* of the last answer seen; 0: none */
	struct buf body;          /* for a status that is not 2xx: the first 64 KiB */
	size_t body_bytes;        /* received, those given to on_body too */
	const char *content_type; /* "" when none */
	const char *url;          /* of the last hop */
	unsigned redirects;
	uint32_t total_ms;
	uint32_t connect_ms; /* until the connection of the last hop stood; 0: reused */
	uint32_t first_byte_ms;               /* of the last hop */
	const struct http_transfer *transfer; /* for http_result_header */
};

/* The value of a header of the answer, by name in any case, or NULL. Of several, the
   last one. The first 16 KiB of headers are kept. */
const char *http_result_header(const struct http_result *result, const char *name);

/* Each of the kept headers, in the order in which they came. */
void http_result_headers(const struct http_result *result,
    void (*each)(void *ctx, const char *name, const char *value), void *ctx);

/*
 * The wait that the answer asks for: retry-after-ms, Retry-After in seconds or as a
 * date; -1 when it names none. Bounded to one day.
 */
int64_t http_result_retry_after_ms(const struct http_result *result);

typedef void (*http_done_fn)(void *ctx, struct http_result *result);

/* options may be NULL. Returns 0 with *out, or negative errno. */
int http_client_new(const struct http_client_options *options, struct http_client **out,
    struct err *err);

/* Cancels what is under way (callbacks are called) and frees. */
void http_client_free(struct http_client *c);
void http_client_freep(struct http_client **c);

int http_client_fd(const struct http_client *c); /* readable: call http_client_turn */

/* Does what is ready and calls the callbacks of finished transfers. Never blocks. */
void http_client_turn(struct http_client *c);

/*
 * Starts a request; everything but the body is copied. done is called exactly once,
 * from http_client_turn or http_client_cancel, never from here. NULL when memory is
 * short.
 */
struct http_transfer *http_client_start(struct http_client *c,
    const struct http_request *request, http_done_fn done, void *ctx);

/* Ends a transfer now: its callback is called with HTTP_CANCELLED before this
   returns. */
void http_client_cancel(struct http_client *c, struct http_transfer *t);

size_t http_client_active(const struct http_client *c); /* transfers under way */

#endif
