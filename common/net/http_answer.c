/* SPDX-License-Identifier: MIT */
/*
 * http_answer.c - what arrives: headers, body, and what curl says at the end.
 *
 * Owns:   headers and answer of a transfer.
 * Called: by curl through the callbacks, by http_client.c at the end.
 * Fails:  by ending the transfer, with a flag that says why.
 */
#include "config.h"

#include "common/clock.h"
#include "common/net/http_private.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static bool
is_success(int status)
{
	return status >= 200 && status <= 299;
}

void
http_answer_clear(struct http_transfer *t)
{
	buf_clear(&t->headers);
	buf_clear(&t->answer);
	t->status = 0;
	t->header_bytes = t->body_bytes = 0;
	t->is_too_large = t->has_enough = false;
	t->has_sink_failed = t->has_too_many_headers = t->has_head = false;
	t->addresses_refused = t->addresses_tried = 0;
	t->curl_text[0] = '\0';
}

/* "HTTP/1.1 200 OK" begins an answer: after 100 Continue a second one follows. */
static void
begin_answer(struct http_transfer *t, const char *line, size_t n)
{
	const char *blank = memchr(line, ' ', n);
	int status = 0;

	if (blank != NULL)
		for (const char *p = blank + 1; p < line + n && p < blank + 4; p++)
			if (*p >= '0' && *p <= '9')
				status = status * 10 + (*p - '0');
	t->status = status;
	t->has_head = false;
	buf_clear(&t->headers);
}

size_t
http_answer_header(char *line, size_t size, size_t n, void *arg)
{
	struct http_transfer *t = arg;
	size_t bytes = size * n, len = bytes;
	const char *colon, *value;

	t->header_bytes += bytes;
	if (t->header_bytes > HTTP_HEADERS_READ_MAX) {
		t->has_too_many_headers = true;
		return 0;
	}
	if (len > 5 && memcmp(line, "HTTP/", 5) == 0) {
		begin_answer(t, line, len);
		return bytes;
	}
	while (len > 0 &&
	    (line[len - 1] == '\r' || line[len - 1] == '\n' || line[len - 1] == ' '))
		len--;
	t->has_head |= len == 0;
	colon = memchr(line, ':', len);
	if (colon == NULL || memchr(line, '\0', len) != NULL || t->body_bytes > 0 ||
	    t->headers.len + len + 2 > HTTP_HEADERS_KEPT_MAX)
		return bytes;
	value = colon + 1;
	while (value < line + len && (*value == ' ' || *value == '\t'))
		value++;
	buf_add(&t->headers, line, (size_t)(colon - line));
	buf_addc(&t->headers, '\0');
	buf_add(&t->headers, value, (size_t)(line + len - value));
	buf_addc(&t->headers, '\0');
	return bytes;
}

/* Of what is no success only the beginning is wanted, whatever its length. */
static size_t
keep_beginning(struct http_transfer *t, const char *bytes, size_t n)
{
	size_t room = HTTP_OTHER_BODY_MAX - t->answer.len;

	buf_add(&t->answer, bytes, n < room ? n : room);
	if (n <= room)
		return n;
	t->has_enough = true;
	return 0;
}

size_t
http_answer_body(char *bytes, size_t size, size_t n, void *arg)
{
	struct http_transfer *t = arg;
	size_t len = size * n;

	if (len == 0)
		return 0;
	t->body_bytes += len;
	if (!is_success(t->status))
		return keep_beginning(t, bytes, len);
	if (t->body_bytes > t->max_body_bytes) {
		t->is_too_large = true;
		return 0;
	}
	if (t->on_body != NULL) {
		t->has_sink_failed = t->on_body(t->ctx, bytes, len) < 0;
		return t->has_sink_failed ? 0 : len;
	}
	buf_add(&t->answer, bytes, len);
	if (buf_status(&t->answer) == 0)
		return len;
	t->has_sink_failed = true;
	return 0;
}

const char *
http_answer_find(const struct http_transfer *t, const char *name)
{
	const char *found = NULL, *p = buf_str(&t->headers);
	const char *end = p + t->headers.len;

	while (p < end) {
		const char *value = p + strlen(p) + 1;

		if (strcasecmp(p, name) == 0)
			found = value;
		p = value + strlen(value) + 1;
	}
	return found;
}

const char *
http_result_header(const struct http_result *result, const char *name)
{
	return result->transfer != NULL ? http_answer_find(result->transfer, name)
					: NULL;
}

void
http_result_headers(const struct http_result *result,
    void (*each)(void *ctx, const char *name, const char *value), void *ctx)
{
	const struct http_transfer *t = result->transfer;
	const char *p = t != NULL ? buf_str(&t->headers) : NULL;
	const char *end = t != NULL ? p + t->headers.len : NULL;

	while (p < end) {
		const char *value = p + strlen(p) + 1;

		each(ctx, p, value);
		p = value + strlen(value) + 1;
	}
}

/* A whole or decimal number of units, as ms; -1 when text is none. */
static int64_t
number_as_ms(const char *text, double unit_ms)
{
	char *end;
	double v;

	if (text == NULL || *text < '0' || *text > '9')
		return -1;
	v = strtod(text, &end);
	if (*end != '\0')
		return -1;
	v *= unit_ms;
	return v > 86400e3 ? 86400000 : (int64_t)v;
}

int64_t
http_result_retry_after_ms(const struct http_result *result)
{
	const char *text = http_result_header(result, "retry-after-ms");
	int64_t ms = number_as_ms(text, 1);
	time_t date;

	if (ms >= 0)
		return ms;
	text = http_result_header(result, "retry-after");
	ms = number_as_ms(text, 1000);
	if (ms >= 0 || text == NULL)
		return ms;
	date = curl_getdate(text, NULL);
	if (date < 0)
		return -1;
	ms = (int64_t)date * 1000 - clock_wall_ms();
	return ms < 0 ? 0 : ms > 86400000 ? 86400000 : ms;
}

/* clang-format off */
static const struct {
	CURLcode code;
	enum http_class class;
	const char *text; /* NULL: curl's own */
} curl_codes[] = {
	{ CURLE_OK,                       HTTP_OK,        "" },
	{ CURLE_COULDNT_RESOLVE_HOST,     HTTP_RESOLVE,   NULL },
	{ CURLE_COULDNT_CONNECT,          HTTP_CONNECT,   NULL },
	{ CURLE_OPERATION_TIMEDOUT,       HTTP_TIMEOUT,   NULL },
	{ CURLE_FILESIZE_EXCEEDED,        HTTP_TOO_LARGE, NULL },
	{ CURLE_SSL_CONNECT_ERROR,        HTTP_TLS,       NULL },
	{ CURLE_PEER_FAILED_VERIFICATION, HTTP_TLS,       NULL },
	{ CURLE_SSL_CERTPROBLEM,          HTTP_TLS,       NULL },
	{ CURLE_SSL_CIPHER,               HTTP_TLS,       NULL },
	{ CURLE_SSL_CACERT_BADFILE,       HTTP_TLS,       NULL },
	{ CURLE_SSL_ISSUER_ERROR,         HTTP_TLS,       NULL },
	{ CURLE_SSL_INVALIDCERTSTATUS,    HTTP_TLS,       NULL },
	{ CURLE_USE_SSL_FAILED,           HTTP_TLS,       NULL },
	{ CURLE_GOT_NOTHING,              HTTP_BROKEN,    "the server closed the connection without an answer" },
	{ CURLE_PARTIAL_FILE,             HTTP_BROKEN,    NULL },
	{ CURLE_SEND_ERROR,               HTTP_BROKEN,    NULL },
	{ CURLE_RECV_ERROR,               HTTP_BROKEN,    NULL },
	{ CURLE_HTTP2,                    HTTP_BROKEN,    NULL },
	{ CURLE_HTTP2_STREAM,             HTTP_BROKEN,    NULL },
	{ CURLE_UNSUPPORTED_PROTOCOL,     HTTP_PROTOCOL,  "the answer is not HTTP" },
	{ CURLE_WEIRD_SERVER_REPLY,       HTTP_PROTOCOL,  "the answer is not HTTP" },
	{ CURLE_BAD_CONTENT_ENCODING,     HTTP_PROTOCOL,  "the body is not in the encoding that its header names" },
	{ CURLE_WRITE_ERROR,              HTTP_PROTOCOL,  NULL },
	{ CURLE_URL_MALFORMAT,            HTTP_BAD_URL,   NULL },
};
/* clang-format on */

static void
say(struct http_transfer *t, const char *text)
{
	(void)snprintf(t->message, sizeof(t->message), "%s", text);
}

/* What curl cannot know, because our callbacks ended the transfer. */
static bool
class_by_flag(struct http_transfer *t, CURLcode code, enum http_class *class)
{
	bool is_oversize = t->is_too_large || code == CURLE_FILESIZE_EXCEEDED;

	if (t->has_enough ||
	    (is_oversize && t->status != 0 && !is_success(t->status))) {
		*class = HTTP_OK;
		return true;
	}
	if (is_oversize) {
		(void)snprintf(t->message, sizeof(t->message),
		    "the body is larger than %zu bytes", t->max_body_bytes);
		*class = HTTP_TOO_LARGE;
		return true;
	}
	if (t->has_sink_failed) {
		say(t, "no memory for the body");
		*class = HTTP_INTERNAL;
		return true;
	}
	if (t->has_too_many_headers) {
		say(t, "the answer's headers are too large");
		*class = HTTP_PROTOCOL;
		return true;
	}
	if (code == CURLE_OK && !t->has_head) { /* curl finds that an empty body */
		say(t, "the server closed the connection in the head of its answer");
		*class = HTTP_BROKEN;
		return true;
	}
	if (code != CURLE_OK && t->addresses_refused > 0 && t->addresses_tried == 0) {
		(void)snprintf(t->message, sizeof(t->message), "%s", t->refusal);
		*class = HTTP_FORBIDDEN_ADDRESS;
		return true;
	}
	return false;
}

enum http_class
http_answer_class(struct http_transfer *t, CURLcode code)
{
	enum http_class class = HTTP_INTERNAL;
	const char *text = NULL;

	t->message[0] = '\0';
	if (class_by_flag(t, code, &class))
		return class;
	for (size_t i = 0; i < ARRAY_LEN(curl_codes); i++) {
		if (curl_codes[i].code == code) {
			class = curl_codes[i].class;
			text = curl_codes[i].text;
			break;
		}
	}
	if (text == NULL)
		text =
		    t->curl_text[0] != '\0' ? t->curl_text : curl_easy_strerror(code);
	say(t, text);
	return class;
}
