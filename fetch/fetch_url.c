/* SPDX-License-Identifier: MIT */
/*
 * fetch_url.c - URLs and queries as a model writes them, made into what can be sent.
 *
 * Owns:   nothing.
 * Called: by fetch_request.c.
 * Fails:  with a fetch_error that says what to write instead.
 */
#include "config.h"

#include "fetch/fetch_url.h"

#include "common/net/url.h"

#include <errno.h>
#include <string.h>

bool
fetch_scalar_text(const struct json *v, const char **text, size_t *n)
{
	switch (v->type) {
	case JSON_STRING:
	case JSON_NUMBER:
		*text = v->text;
		*n = v->len;
		return true;
	case JSON_BOOL:
		*text = json_is_true(v) ? "true" : "false";
		*n = strlen(*text);
		return true;
	default:
		return false;
	}
}

static bool
has_scheme(const char *s, size_t n)
{
	for (size_t i = 0; i + 2 < n; i++) {
		char c = s[i];

		if (c == ':')
			return i > 0 && s[i + 1] == '/' && s[i + 2] == '/';
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			(c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.'))
			return false;
	}
	return false;
}

/* Bytes that people write into paths and queries, but that no URL holds unescaped. */
static bool
needs_escape(unsigned char c)
{
	return c >= 0x80 || strchr(" \"<>^`{|}", c) != NULL;
}

int
fetch_url_clean(struct buf *out, const struct json *v, struct fetch_error *e)
{
	const char *s = v->text;
	size_t n = v->len, at = 0;
	bool in_path = false;

	while (n > 0 && strchr(" \t\r\n", s[n - 1]) != NULL && s[n - 1] != '\0')
		n--;
	while (n > 0 && strchr(" \t\r\n", s[0]) != NULL && s[0] != '\0') {
		s++;
		n--;
	}
	if (!has_scheme(s, n))
		buf_adds(out,
		    n >= 2 && s[0] == '/' && s[1] == '/' ? "https:" : "https://");
	else
		at = (size_t)((const char *)memchr(s, ':', n) - s) + 3;
	buf_add(out, s, at);
	for (size_t i = at; i < n && s[i] != '#'; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c < ' ' || c == 0x7f) {
			fetch_error_invalid(e, "write the URL on one line",
			    "the URL holds a control character at byte %zu", i);
			return -EINVAL;
		}
		in_path = in_path || c == '/' || c == '?';
		if (in_path && needs_escape(c))
			url_add_escaped(out, &s[i], 1);
		else
			buf_addc(out, (char)c);
	}
	return 0;
}

static void
add_pair(struct buf *out, const struct json_member *m, const char *text, size_t n)
{
	if (out->len > 0)
		buf_addc(out, '&');
	url_add_escaped(out, m->name, m->name_len);
	buf_addc(out, '=');
	url_add_escaped(out, text, n);
}

static int
add_param(struct buf *out, const struct json_member *m, struct fetch_error *e)
{
	const struct json *items = &m->value;
	size_t n_items = 1;

	if (m->value.type == JSON_ARRAY) {
		items = m->value.items;
		n_items = m->value.len;
	}
	for (size_t i = 0; i < n_items; i++) {
		const char *text;
		size_t n;

		if (items[i].type == JSON_NULL)
			continue;
		if (!fetch_scalar_text(&items[i], &text, &n)) {
			fetch_error_invalid(e,
			    "write nested values as text, or name each as a parameter of "
			    "its own",
			    "params.%.64s holds an %s, which a query cannot carry",
			    m->name, json_type_name(items[i].type));
			return -EINVAL;
		}
		add_pair(out, m, text, n);
	}
	return 0;
}

int
fetch_url_add_pairs(struct buf *out, const struct json *params, struct fetch_error *e)
{
	if (params->type != JSON_OBJECT) {
		fetch_error_invalid(e, "give params as {\"name\": \"value\"}",
		    "params is not an object but %s", json_type_name(params->type));
		return -EINVAL;
	}
	for (size_t i = 0; i < params->len; i++)
		if (add_param(out, &params->members[i], e) < 0)
			return -EINVAL;
	return 0;
}

void
fetch_url_add_query(struct buf *url, const char *pairs)
{
	if (pairs[0] == '\0')
		return;
	if (strchr(buf_str(url), '?') == NULL)
		buf_addc(url, '?');
	else if (url->data[url->len - 1] != '?' && url->data[url->len - 1] != '&')
		buf_addc(url, '&');
	buf_adds(url, pairs);
}
