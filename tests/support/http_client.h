/* SPDX-License-Identifier: MIT */
/* http_client.h - one plain HTTP request of a test: to our gateway or to a stand-in. */
#ifndef TESTS_SUPPORT_HTTP_CLIENT_H
#define TESTS_SUPPORT_HTTP_CLIENT_H

#include "common/buf.h"
#include "common/err.h"

#include <stdint.h>

struct http_client_request {
	const char *address; /* "127.0.0.1:8082" */
	const char *method;  /* NULL: GET, or POST when there is a body */
	const char *target;  /* "/health?ready=1" */
	const char *headers; /* further lines, each ended by "\r\n"; NULL: none */
	const char *body;    /* NULL: none */
	size_t body_len;     /* 0: strlen(body) */
	uint64_t timeout_ms; /* 0: 10,000 */
};

/*
 * Sends it on a connection of its own and reads the whole answer. Returns the status
 * with the body appended to *body and the head to *head (each may be NULL), or a
 * negative errno: -ECONNREFUSED, -ETIMEDOUT, -ECONNRESET (cut), -EPROTO (no HTTP).
 */
int http_client(const struct http_client_request *rq, struct buf *head,
    struct buf *body, struct err *err);

/* GET of a target; the body appended. */
int http_get(const char *address, const char *target, struct buf *body,
    struct err *err);

#endif
