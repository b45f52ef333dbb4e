/* SPDX-License-Identifier: MIT */
/*
 * fetch_request.c - what a model wrote, made into a request that does what it meant.
 *
 * Owns:   everything in a struct fetch_request but profile and the message's data.
 * Called: once for each FETCH_REQUEST.
 * Fails:  with a fetch_error that says which argument is wrong and what to write
 * instead.
 */
#include "config.h"

#include "fetch/fetch_request.h"

#include "common/json/json.h"
#include "common/net/url.h"
#include "common/secrets.h"
#include "fetch/fetch_url.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

enum {
	ARENA_MAX = 4 * 1024 * 1024,
	VALUE_MAX = 16 * 1024
};

static const struct method {
	const char *name;
	bool is_usual;   /* of http_request; the others need any_method */
	bool takes_body; /* params are the body, not the query */
} methods[] = {
	{ "GET", true, false },
	{ "POST", true, true },
	{ "PUT", false, true },
	{ "PATCH", false, true },
	{ "DELETE", false, false },
	{ "HEAD", false, false },
};

/* The connection's own business, or ways to smuggle a second request. */
static const char *const refused_headers[] = { "host", "content-length",
	"transfer-encoding", "connection", "keep-alive", "upgrade", "te", "trailer",
	"expect", "proxy-authorization", "proxy-connection", "accept-encoding" };

/* Names of headers that are taken for credentials at redirects, beside all that
   secrets_is_name knows: none of them is missed elsewhere. */
static const char *const secret_words[] = { "auth", "token", "key", "session" };

static bool
is_in(const char *const *list, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcasecmp(list[i], name) == 0)
			return true;
	return false;
}

static bool
looks_secret(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(secret_words); i++)
		if (strcasestr(name, secret_words[i]) != NULL)
			return true;
	return secrets_is_name(name, strlen(name));
}

static int
read_url(struct fetch_request *r, const struct json *meta, struct url *url,
    struct fetch_error *e)
{
	const struct json *v = json_get_typed(meta, "url", JSON_STRING);
	struct err err = ERR_INIT;

	if (v == NULL || v->len == 0) {
		fetch_error_invalid(e, "give a URL like https://host/path",
		    "url is missing");
		return -EINVAL;
	}
	if (fetch_url_clean(&r->url, v, e) < 0)
		return -EINVAL;
	if (url_parse(buf_str(&r->url), r->url.len, url, &err) < 0) {
		fetch_error_invalid(e, "give a URL like https://host/path", "url: %s",
		    err_text(&err));
		return -EINVAL;
	}
	return 0;
}

/* ---- headers ---- */

static const char *
header_value(const struct fetch_request *r, const char *name)
{
	for (size_t i = 0; i < r->http.n_headers; i++)
		if (strcasecmp(r->headers[i].name, name) == 0)
			return r->headers[i].value;
	return NULL;
}

static void
add_header(struct fetch_request *r, const char *name, const char *value, bool is_auth)
{
	ASSERT(r->http.n_headers < ARRAY_LEN(r->headers));
	r->headers[r->http.n_headers++] = (struct http_header){ name, value, is_auth };
}

static bool
is_token(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] <= ' ' || s[i] >= 0x7f ||
		    strchr("()<>@,;:\\\"/[]?={}", s[i]) != NULL)
			return false;
	return n > 0;
}

static bool
has_control(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (((unsigned char)s[i] < ' ' && s[i] != '\t') || s[i] == 0x7f)
			return true;
	return false;
}

static int
read_header(struct fetch_request *r, const struct json_member *m, struct fetch_error *e)
{
	const char *text, *name, *value;
	size_t n;

	if (!is_token(m->name, m->name_len)) {
		fetch_error_invalid(e, "", "headers: '%.64s' is no header name",
		    m->name);
		return -EINVAL;
	}
	if (is_in(refused_headers, ARRAY_LEN(refused_headers), m->name)) {
		fetch_error_invalid(e, "leave it out; it is set by the client",
		    "headers: %s cannot be set", m->name);
		return -EINVAL;
	}
	if (m->value.type == JSON_NULL)
		return 0;
	if (!fetch_scalar_text(&m->value, &text, &n) || n > VALUE_MAX ||
	    has_control(text, n)) {
		fetch_error_invalid(e, "give one line of text",
		    "headers.%s is not a text without line breaks", m->name);
		return -EINVAL;
	}
	name = arena_strndup(r->arena, m->name, m->name_len);
	value = arena_strndup(r->arena, text, n);
	if (name == NULL || value == NULL)
		return -ENOMEM;
	add_header(r, name, value, looks_secret(name));
	return 0;
}

static int
read_headers(struct fetch_request *r, const struct json *meta, struct fetch_error *e)
{
	const struct json *headers = json_get(meta, "headers");

	if (headers == NULL || headers->type == JSON_NULL)
		return 0;
	if (headers->type != JSON_OBJECT || headers->len > FETCH_HEADERS_MAX) {
		fetch_error_invalid(e, "give headers as {\"Name\": \"value\"}",
		    "headers is not an object of at most %d members",
		    FETCH_HEADERS_MAX);
		return -EINVAL;
	}
	for (size_t i = 0; i < headers->len; i++) {
		int s = read_header(r, &headers->members[i], e);

		if (s < 0)
			return s;
	}
	return 0;
}

/* ---- method, body, profile ---- */

static int
read_method(const struct json *meta, struct fetch_request *r, const struct method **out,
    struct fetch_error *e)
{
	const struct json *v = json_get(meta, "method");
	bool any = json_is_true(json_get(meta, "any_method"));
	const char *name = "GET";

	if (v != NULL && v->type != JSON_NULL)
		name = json_cstr(r->arena, v);
	for (size_t i = 0; name != NULL && i < ARRAY_LEN(methods); i++) {
		if (strcasecmp(methods[i].name, name) != 0 ||
		    (!any && !methods[i].is_usual))
			continue;
		*out = &methods[i];
		r->http.method = methods[i].name;
		return 0;
	}
	fetch_error_invalid(e, "use GET or POST", "method '%.16s' is not supported",
	    name != NULL ? name : "?");
	return -EINVAL;
}

static int
read_body(struct fetch_request *r, const struct json *params, struct fetch_error *e)
{
	const char *type = header_value(r, "content-type");

	if (type != NULL &&
	    strncasecmp(type, "application/x-www-form-urlencoded", 33) == 0) {
		if (fetch_url_add_pairs(&r->body, params, e) < 0)
			return -EINVAL;
	} else {
		json_write(&r->body, params, JSON_COMPACT);
		if (type == NULL)
			add_header(r, "Content-Type", "application/json", false);
	}
	r->http.body = buf_str(&r->body);
	r->http.body_len = r->body.len;
	return buf_status(&r->body);
}

static int
read_params(struct fetch_request *r, const struct json *meta,
    const struct method *method, struct fetch_error *e)
{
	const struct json *params = json_get(meta, "params");
	CLEANUP_BUF struct buf pairs = BUF_INIT;

	if (params == NULL || params->type == JSON_NULL)
		return 0;
	if (method->takes_body && r->http.body == NULL)
		return read_body(r, params, e);
	if (fetch_url_add_pairs(&pairs, params, e) < 0)
		return -EINVAL;
	fetch_url_add_query(&r->url, buf_str(&pairs));
	return buf_status(&pairs);
}

/* The profile's header takes the place of one that the model wrote. */
static void
remove_header(struct fetch_request *r, const char *name)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->http.n_headers; i++)
		if (strcasecmp(r->headers[i].name, name) != 0)
			r->headers[kept++] = r->headers[i];
	r->http.n_headers = kept;
}

static int
read_profile(struct fetch_request *r, const struct conf *conf, const struct json *meta,
    const struct url *url, struct fetch_error *e)
{
	const struct json *v = json_get(meta, "auth_profile");
	const char *name;
	struct err err = ERR_INIT;

	if (v == NULL || v->type == JSON_NULL ||
	    (v->type == JSON_STRING && v->len == 0))
		return 0;
	name = json_cstr(r->arena, v);
	if (name == NULL) {
		fetch_error_invalid(e, "", "auth_profile is not a name");
		return -EINVAL;
	}
	if (auth_find(conf, name, url, &r->profile, &err) < 0 ||
	    auth_apply(r->profile, &r->auth, &err) < 0) {
		fetch_error_invalid(e, "use a profile that is allowed for this host",
		    "%s", err_text(&err));
		return -EINVAL;
	}
	fetch_url_add_query(&r->url, buf_str(&r->auth.query));
	if (r->auth.header_name.len > 0) {
		remove_header(r, buf_str(&r->auth.header_name));
		add_header(r, buf_str(&r->auth.header_name),
		    buf_str(&r->auth.header_value), true);
	}
	return 0;
}

static int64_t
bounded(const struct json *meta, const char *name, int64_t max)
{
	int64_t v;

	if (json_int64(json_get(meta, name), &v) < 0 || v <= 0 || v > max)
		return max;
	return v;
}

static int
read_all(struct fetch_request *r, const struct conf *conf, const struct json *meta,
    struct fetch_error *e)
{
	const struct method *method = NULL;
	struct url url;
	int s = read_method(meta, r, &method, e);

	if (s == 0)
		s = read_url(r, meta, &url, e);
	if (s == 0)
		s = read_headers(r, meta, e);
	if (s == 0)
		s = read_params(r, meta, method, e);
	if (s < 0)
		return s;
	conf_mask_url(&r->shown_url, buf_str(&r->url));
	s = read_profile(r, conf, meta, &url, e);
	if (s < 0)
		return s;
	if (r->url.len > URL_MAX) {
		fetch_error_invalid(e, "use POST, or fewer parameters",
		    "the URL with its parameters is longer than %d bytes", URL_MAX);
		return -EINVAL;
	}
	if (header_value(r, "accept") == NULL)
		add_header(r, "Accept", "application/json, text/csv;q=0.9, */*;q=0.5",
		    false);
	return buf_status(&r->url) < 0 ? -ENOMEM : 0;
}

int
fetch_request_read(struct fetch_request *r, const struct conf *conf, const char *meta,
    size_t meta_len, const void *body, size_t body_len, struct fetch_error *e)
{
	const struct json *v = NULL;
	struct err err = ERR_INIT;
	int s;

	memset(r, 0, sizeof(*r));
	r->arena = arena_new(ARENA_MAX);
	if (r->arena == NULL)
		return -ENOMEM;
	if (json_read(r->arena, meta, meta_len, 0, &v, &err) < 0 ||
	    v->type != JSON_OBJECT) {
		fetch_error_invalid(e, "", "the request is no JSON object: %s",
		    err.text);
		return -EINVAL;
	}
	r->http.body = body;
	r->http.body_len = body_len;
	r->http.headers = r->headers;
	r->http.max_redirects = (unsigned)conf->network.max_redirects;
	r->http.timeout_ms =
	    (uint32_t)bounded(v, "timeout_ms", conf->network.timeout_sec * 1000);
	r->http.max_body_bytes =
	    (size_t)bounded(v, "max_bytes", conf->network.max_body_bytes);
	s = read_all(r, conf, v, e);
	if (s < 0)
		return s;
	r->http.url = buf_str(&r->url);
	return 0;
}

void
fetch_request_release(struct fetch_request *r)
{
	arena_free(r->arena);
	buf_release(&r->url);
	buf_release(&r->shown_url);
	buf_release(&r->body);
	auth_addition_release(&r->auth);
}
