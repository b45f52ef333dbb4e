/* SPDX-License-Identifier: MIT */
/* http_request.h - how the server finds a whole request in the bytes of a
   connection. */
#ifndef TESTS_SUPPORT_HTTP_REQUEST_H
#define TESTS_SUPPORT_HTTP_REQUEST_H

#include "tests/support/http_server.h"

enum {
	HTTP_HEAD_MAX = 64 * 1024,
	HTTP_BODY_MAX = 64 * 1024 * 1024
};

struct http_frame {
	size_t head_len;     /* through the empty line; 0: head not complete yet */
	size_t body_len;     /* announced; 0 with is_chunked */
	bool is_chunked;     /* Transfer-Encoding: chunked */
	bool wants_continue; /* Expect: 100-continue */
	bool is_close;       /* Connection: close, or HTTP/1.0 without keep-alive */
};

/*
 * Looks at n bytes. 1 with *frame when the head is there, 0 when more is needed, or
 * a negative errno: -EINVAL for what is no request, -E2BIG for a head or body too
 * large.
 */
int http_frame_find(const char *text, size_t n, struct http_frame *frame);

/*
 * Takes the request of that frame out of text (which is written to: names and values
 * are ended by NULs, chunks joined). 1 with *rq and *used, 0 when the body is not whole
 * yet, negative errno when it is malformed. *rq points into text.
 */
int http_request_take(char *text, size_t n, const struct http_frame *frame,
    struct http_request *rq, size_t *used);

#endif
