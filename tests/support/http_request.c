/* SPDX-License-Identifier: MIT */
/*
 * http_request.c - finds a whole HTTP/1.1 request in the bytes of a connection.
 *
 * Owns:   nothing; requests point into the caller's bytes.
 * Called: by http_server.c for each read; by handlers for headers and parameters.
 * Fails:  a malformed request is -EINVAL, the server answers 400 and closes.
 */
#include "config.h"

#include "tests/support/http_request.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* The value of a header line inside head, or NULL; *n gets its length. */
static const char *
find_value(const char *head, size_t head_len, const char *name, size_t *n)
{
	size_t name_len = strlen(name);
	const char *end = head + head_len, *line = memchr(head, '\n', head_len);

	while (line != NULL && ++line < end) {
		const char *eol = memchr(line, '\n', (size_t)(end - line));

		if (eol == NULL)
			return NULL;
		if ((size_t)(eol - line) > name_len && line[name_len] == ':' &&
		    strncasecmp(line, name, name_len) == 0) {
			const char *v = line + name_len + 1;

			while (v < eol && (*v == ' ' || *v == '\t'))
				v++;
			while (eol > v && (eol[-1] == '\r' || eol[-1] == ' '))
				eol--;
			*n = (size_t)(eol - v);
			return v;
		}
		line = eol;
	}
	return NULL;
}

static int
read_length(const char *v, size_t n, size_t *out)
{
	size_t len = 0;

	if (n == 0)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (v[i] < '0' || v[i] > '9')
			return -EINVAL;
		len = len * 10 + (size_t)(v[i] - '0');
		if (len > HTTP_BODY_MAX)
			return -E2BIG;
	}
	*out = len;
	return 0;
}

static bool
value_is(const char *v, size_t n, const char *text)
{
	return v != NULL && n == strlen(text) && strncasecmp(v, text, n) == 0;
}

int
http_frame_find(const char *text, size_t n, struct http_frame *frame)
{
	struct http_frame f = { 0 };
	const char *end = memmem(text, n, "\r\n\r\n", 4), *v, *eol;
	size_t v_len = 0;
	bool is_1_0;
	int r;

	if (end == NULL)
		return n > HTTP_HEAD_MAX ? -E2BIG : 0;
	f.head_len = (size_t)(end - text) + 4;
	v = find_value(text, f.head_len, "content-length", &v_len);
	if (v != NULL && (r = read_length(v, v_len, &f.body_len)) < 0)
		return r;
	v = find_value(text, f.head_len, "transfer-encoding", &v_len);
	f.is_chunked = value_is(v, v_len, "chunked");
	v = find_value(text, f.head_len, "expect", &v_len);
	f.wants_continue = value_is(v, v_len, "100-continue");
	eol = memchr(text, '\r', f.head_len);
	is_1_0 = eol - text > 8 && memcmp(eol - 8, "HTTP/1.0", 8) == 0;
	v = find_value(text, f.head_len, "connection", &v_len);
	f.is_close =
	    is_1_0 ? !value_is(v, v_len, "keep-alive") : value_is(v, v_len, "close");
	*frame = f;
	return 1;
}

/* Joins the chunks at text in place. 1 with *body_len and *used, 0: not whole yet. */
static int
join_chunks(char *text, size_t n, bool is_write, size_t *body_len, size_t *used)
{
	size_t at = 0, len = 0;

	for (;;) {
		const char *eol = memmem(text + at, n - at, "\r\n", 2);
		size_t size = 0, digits = 0;

		if (eol == NULL)
			return n - at > 1024 ? -EINVAL : 0;
		for (const char *p = text + at; p < eol && *p != ';'; p++, digits++) {
			static const char hex[] = "0123456789abcdef";
			const char *d = memchr(hex, *p | 0x20, 16);

			if (d == NULL || digits > 7)
				return -EINVAL;
			size = size * 16 + (size_t)(d - hex);
		}
		if (digits == 0)
			return -EINVAL;
		at = (size_t)(eol - text) + 2;
		if (len + size > HTTP_BODY_MAX)
			return -E2BIG;
		if (n - at < size + 2)
			return 0;
		if (is_write)
			memmove(text + len, text + at, size);
		len += size;
		at += size + 2;
		if (size == 0) {
			*body_len = len;
			*used = at;
			return 1;
		}
	}
}

static int
split_request_line(char *line, struct http_request *rq)
{
	char *target = strchr(line, ' '), *version, *query;

	if (target == NULL || target == line)
		return -EINVAL;
	*target++ = '\0';
	version = strchr(target, ' ');
	if (version == NULL || strncmp(version + 1, "HTTP/1.", 7) != 0)
		return -EINVAL;
	*version = '\0';
	query = strchr(target, '?');
	if (query != NULL)
		*query++ = '\0';
	rq->method = line;
	rq->path = target;
	rq->query = query != NULL ? query : "";
	return 0;
}

static int
split_headers(char *head, size_t head_len, struct http_request *rq)
{
	char *end =
	    head + head_len - 2; /* the last header line's "\r\n" lies before it */
	char *eol = memmem(head, head_len, "\r\n", 2), *line = eol + 2;

	if (memchr(head, '\0', head_len) != NULL)
		return -EINVAL;
	*eol = '\0';
	while (line < end) {
		char *colon, *value;

		eol = memmem(line, (size_t)(end - line), "\r\n", 2);
		if (eol == NULL)
			return -EINVAL;
		*eol = '\0';
		colon = strchr(line, ':');
		if (colon == NULL || rq->n_headers == HTTP_HEADERS_MAX)
			return -EINVAL;
		*colon = '\0';
		for (value = colon + 1; *value == ' ' || *value == '\t'; value++)
			;
		rq->headers[rq->n_headers++] = (struct http_header){ line, value };
		line = eol + 2;
	}
	return split_request_line(head, rq);
}

int
http_request_take(char *text, size_t n, const struct http_frame *frame,
    struct http_request *rq, size_t *used)
{
	char *body = text + frame->head_len;
	size_t have = n - frame->head_len, body_used = frame->body_len;
	int r;

	rq->body_len = frame->body_len;
	if (frame->is_chunked) {
		r = join_chunks(body, have, false, &rq->body_len, &body_used);
		if (r <= 0)
			return r;
		(void)join_chunks(body, have, true, &rq->body_len, &body_used);
	} else if (have < frame->body_len) {
		return 0;
	}
	rq->body = body;
	rq->n_headers = 0;
	r = split_headers(text, frame->head_len, rq);
	if (r < 0)
		return r;
	*used = frame->head_len + body_used;
	return 1;
}

const char *
http_request_header(const struct http_request *rq, const char *name)
{
	for (size_t i = 0; i < rq->n_headers; i++)
		if (strcasecmp(rq->headers[i].name, name) == 0)
			return rq->headers[i].value;
	return NULL;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void
url_decode(const char *s, size_t n, char *out, size_t max)
{
	size_t len = 0;

	for (size_t i = 0; i < n && len + 1 < max; i++) {
		int hi = -1, lo = -1;

		if (s[i] == '%' && i + 2 < n) {
			hi = hex_digit(s[i + 1]);
			lo = hex_digit(s[i + 2]);
		}
		if (hi >= 0 && lo >= 0) {
			out[len++] = (char)(hi * 16 + lo);
			i += 2;
		} else {
			out[len++] = s[i] == '+' ? ' ' : s[i];
		}
	}
	out[len] = '\0';
}

bool
http_request_param(const struct http_request *rq, const char *name, char *out,
    size_t max)
{
	size_t name_len = strlen(name);

	for (const char *p = rq->query; *p != '\0';) {
		size_t n = strcspn(p, "&");

		if (n > name_len && p[name_len] == '=' &&
		    strncmp(p, name, name_len) == 0) {
			url_decode(p + name_len + 1, n - name_len - 1, out, max);
			return true;
		}
		p += n + (p[n] == '&');
	}
	return false;
}
