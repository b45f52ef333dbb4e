/* SPDX-License-Identifier: MIT */
/*
 * fetch_error.c - from ends of transfers to errors that a model can act upon.
 *
 * Owns:   the message of a struct fetch_error.
 * Called: when a request is read, and when its transfer has ended.
 * Fails:  never; short memory cuts the message.
 */
#include "config.h"

#include "fetch/fetch_error.h"

#include "common/pipeline/fetch_proto.h"

#include <stdarg.h>
#include <string.h>

/* clang-format off */
static const struct {
	enum http_class class;
	const char *type;
	const char *hint;
} classes[] = {
	{ HTTP_RESOLVE,   "execution_error", "check the host name" },
	{ HTTP_CONNECT,   "execution_error", "the server may be down, or listen on another port" },
	{ HTTP_TIMEOUT,   "execution_error", "ask for less, or try again later" },
	{ HTTP_TLS,       "execution_error", "the server's certificate is not trusted here, or it speaks no TLS" },
	{ HTTP_BROKEN,    "execution_error", "try again" },
	{ HTTP_PROTOCOL,  "execution_error", "the server breaks HTTP: check the address, or use another source" },
	{ HTTP_REDIRECTS, "invalid_step", "use the URL that the redirects lead to" },
	{ HTTP_TOO_LARGE, "step_limit", "narrow the request: fewer rows, fewer fields, one page at a time" },
	{ HTTP_BAD_URL,   "invalid_step", "give a URL like https://host/path" },
	{ HTTP_FORBIDDEN_URL,     "forbidden_address", "use another source; the operator decides what may be reached" },
	{ HTTP_FORBIDDEN_ADDRESS, "forbidden_address", "use another source; the operator decides what may be reached" },
	{ HTTP_CANCELLED, "cancelled", "" },
	{ HTTP_INTERNAL,  "internal", "" },
};

/* The first row that holds decides; 0 to 999 is the rest. */
static const struct {
	int from, to;
	const char *type;
	const char *hint;
} statuses[] = {
	{ 401, 401, "invalid_step", "the request needs (other) credentials: use an auth_profile for this host" },
	{ 403, 403, "invalid_step", "the server refuses this request or these credentials" },
	{ 404, 404, "invalid_step", "check the path of the URL" },
	{ 405, 405, "invalid_step", "use the other method" },
	{ 408, 408, "execution_error", "try again" },
	{ 413, 414, "invalid_step", "send less" },
	{ 425, 425, "execution_error", "try again" },
	{ 429, 429, "execution_error", "wait, then try again" },
	{ 300, 399, "invalid_step", "use the URL that the redirect names" },
	{ 400, 499, "invalid_step", "check URL, params and headers" },
	{ 500, 599, "execution_error", "the server failed; try again later" },
	{   0, 999, "execution_error", "the server breaks HTTP: check the address, or use another source" },
};
/* clang-format on */

void
fetch_error_release(struct fetch_error *e)
{
	buf_release(&e->message);
}

static void
set_type(struct fetch_error *e, const char *type, const char *hint)
{
	e->type = type;
	e->hint = hint;
	e->is_retryable = strcmp(type, "execution_error") == 0;
	e->retry_after_ms = -1;
	buf_clear(&e->message);
}

void
fetch_error_invalid(struct fetch_error *e, const char *hint, const char *fmt, ...)
{
	va_list ap;

	set_type(e, "invalid_step", hint);
	va_start(ap, fmt);
	buf_vaddf(&e->message, fmt, ap);
	va_end(ap);
}

void
fetch_error_crowded(struct fetch_error *e, const char *url,
    const struct secrets *secrets)
{
	set_type(e, "execution_error", "ask for less, or try again later");
	secrets_mask(secrets, &e->message, url, strlen(url));
	buf_adds(&e->message,
	    ": too many large answers arrive at once; this one was given up");
}

/* At most FETCH_ERROR_BODY_MAX bytes, not within a character. */
static size_t
shown_length(const char *text, size_t n)
{
	if (n <= FETCH_ERROR_BODY_MAX)
		return n;
	n = FETCH_ERROR_BODY_MAX;
	while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	return n;
}

static void
judge_status(struct fetch_error *e, const struct http_result *r, const char *url,
    const struct secrets *secrets)
{
	size_t i = 0;

	while (r->status < statuses[i].from || r->status > statuses[i].to)
		i++;
	set_type(e, statuses[i].type, statuses[i].hint);
	e->retry_after_ms = http_result_retry_after_ms(r);
	buf_addf(&e->message, "HTTP %d from ", r->status);
	secrets_mask(secrets, &e->message, url, strlen(url));
	if (r->body.len > 0) {
		/* Masked first and cut then, lest half a secret remain. */
		CLEANUP_BUF struct buf body = BUF_INIT;

		secrets_mask(secrets, &body, buf_str(&r->body), r->body.len);
		buf_adds(&e->message, ": ");
		buf_add(&e->message, buf_str(&body),
		    shown_length(buf_str(&body), body.len));
	}
}

bool
fetch_error_judge(struct fetch_error *e, const struct http_result *r, const char *url,
    const struct secrets *secrets)
{
	if (r->class == HTTP_OK) {
		if (r->status >= 200 && r->status <= 299)
			return true;
		judge_status(e, r, url, secrets);
		return false;
	}
	set_type(e, "internal", "");
	for (size_t i = 0; i < ARRAY_LEN(classes); i++)
		if (classes[i].class == r->class)
			set_type(e, classes[i].type, classes[i].hint);
	secrets_mask(secrets, &e->message, url, strlen(url));
	buf_adds(&e->message, ": ");
	secrets_mask(secrets, &e->message, r->message, strlen(r->message));
	return false;
}
