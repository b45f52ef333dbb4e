/* SPDX-License-Identifier: MIT */
/*
 * fetch_error.h - why a request failed, in the words of the result message.
 */
#ifndef FETCH_FETCH_ERROR_H
#define FETCH_FETCH_ERROR_H

#include "common/buf.h"
#include "common/net/http_client.h"
#include "common/secrets.h"

struct fetch_error {
	const char *type;       /* "invalid_step", ...; NULL: none */
	const char *hint;       /* what to do, or "" */
	bool is_retryable;      /* follows from type */
	int64_t retry_after_ms; /* -1: the server named none */
	struct buf message;
};

void fetch_error_release(struct fetch_error *e);

/* The request itself is wrong. */
void fetch_error_invalid(struct fetch_error *e, const char *hint, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* The bodies of all requests of a worker were too much together. */
void fetch_error_crowded(struct fetch_error *e, const char *url,
    const struct secrets *secrets);

/*
 * What an ended transfer means. Returns true when it is a success (2xx), else fills *e;
 * url is shown; the secrets (may be NULL) are masked everywhere.
 */
bool fetch_error_judge(struct fetch_error *e, const struct http_result *result,
    const char *url, const struct secrets *secrets);

#endif
