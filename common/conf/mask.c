/* SPDX-License-Identifier: MIT */
/*
 * mask.c - URLs without their secrets, and all secrets of a configuration.
 *
 * Owns:   nothing; buffer and secrets are the caller's.
 * Called: by -T and whatever else shows or keeps a URL that may carry a secret; by each
 *         role at its start.
 * Fails:  as the buffer does, or for want of memory.
 */
#include "config.h"

#include "common/conf/options.h"

#include <errno.h>
#include <string.h>

/* "a=1&password=2": the values whose names say that they are secrets. */
static void
mask_query(struct buf *out, const char *query)
{
	while (*query != '\0') {
		size_t n = strcspn(query, "&"), name = strcspn(query, "=&");

		if (name < n && secrets_is_name(query, name)) {
			buf_add(out, query, name + 1);
			buf_adds(out, CONF_MASK);
		} else {
			buf_add(out, query, n);
		}
		query += n;
		if (*query == '&')
			buf_addc(out, *query++);
	}
}

/* The password of a URL. One that holds '/', '?' or '#' as they are ends the authority for
   every reader, and is cut off behind what then looks like a port and is none. */
struct password {
	const char *begin, *end; /* NULL: none */
	bool is_cut;
};

static struct password
find_password(const char *url)
{
	struct password p = { NULL, NULL, false };
	const char *authority = strstr(url, "://"), *colon, *port;
	size_t n;

	if (authority == NULL)
		return p;
	authority += 3;
	n = strcspn(authority, "/?#");
	p.end = memrchr(authority, '@', n);
	if (p.end != NULL)
		n = (size_t)(p.end - authority);
	colon = memchr(authority, ':', n);
	if (p.end == NULL && colon != NULL && authority[0] != '[') {
		port = memrchr(authority, ':', n);
		port += 1 + strspn(port + 1, "0123456789");
		p.is_cut = colon == authority || port < authority + n;
		p.end = p.is_cut ? strrchr(authority + n, '@') : NULL;
		p.is_cut = p.end != NULL;
	}
	p.begin = p.end != NULL && colon != NULL ? colon + 1 : NULL;
	return p;
}

bool
conf_url_is_cut(const char *url)
{
	return find_password(url).is_cut;
}

void
conf_mask_url(struct buf *out, const char *url)
{
	const struct password password = find_password(url);
	const char *rest = url, *query;

	if (password.begin != NULL) {
		buf_add(out, url, (size_t)(password.begin - url));
		buf_adds(out, CONF_MASK);
		rest = password.end;
	}
	query = strchr(rest, '?');
	if (query == NULL) {
		buf_adds(out, rest);
		return;
	}
	buf_add(out, rest, (size_t)(query + 1 - rest));
	mask_query(out, query + 1);
}

/* ---- all of them ---- */

/* A part of a URL, as it stands and without its escapes. */
static int
add_url_part(struct secrets *s, const char *part, size_t n)
{
	CLEANUP_BUF struct buf plain = BUF_INIT;
	int r = secrets_add(s, part, n);

	for (size_t i = 0; i < n; i++) {
		unsigned byte;

		if (part[i] == '%' && n - i > 2 &&
		    sscanf(part + i + 1, "%2x", &byte) == 1) {
			buf_addc(&plain, (char)byte);
			i += 2;
		} else {
			buf_addc(&plain, part[i]);
		}
	}
	if (r == 0)
		r = buf_status(&plain);
	if (r == 0)
		r = secrets_add(s, buf_str(&plain), plain.len);
	if (plain.data != NULL)
		explicit_bzero(plain.data, plain.len);
	return r;
}

/* The password of the authority and the members that conf_mask_url masks. */
static int
add_url(struct secrets *s, const char *url)
{
	const struct password password = find_password(url);
	const char *query;
	int r = 0;

	if (password.begin != NULL)
		r = add_url_part(s, password.begin,
		    (size_t)(password.end - password.begin));
	query = strchr(url, '?');
	for (query = query != NULL ? query + 1 : ""; *query != '\0' && r == 0;) {
		size_t n = strcspn(query, "&"), name = strcspn(query, "=&");

		if (name < n && secrets_is_name(query, name))
			r = add_url_part(s, query + name + 1, n - name - 1);
		query += n + (query[n] == '&');
	}
	return r;
}

/* What "Authorization: Basic" carries is base64 of this. */
static int
add_pair(struct secrets *s, const struct conf_auth_profile *p)
{
	CLEANUP_BUF struct buf pair = BUF_INIT;
	int r;

	if (p->password[0] == '\0')
		return 0;
	buf_addf(&pair, "%s:%s", p->username, p->password);
	r = buf_status(&pair);
	if (r == 0)
		r = secrets_add(s, buf_str(&pair), pair.len);
	if (pair.data != NULL)
		explicit_bzero(pair.data, pair.len);
	return r;
}

/* One option of the configuration or of a record in it. */
typedef int (*field_fn)(void *ctx, const struct conf_option *o, char **field);

static int
each_of_record(const struct conf_option *options, size_t n, void *record, field_fn fn,
    void *ctx)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		if (options[i].type == OPT_SECRET || options[i].type == OPT_URL)
			r = fn(ctx, &options[i], conf_field(&options[i], record));
	return r;
}

static int
each_of_records(struct conf *c, const struct conf_record *rec, field_fn fn, void *ctx)
{
	char *v = *(char **)(void *)((char *)c + rec->v_offset);
	size_t n = *(size_t *)(void *)((char *)c + rec->n_offset);
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = each_of_record(rec->options, rec->n_options, v + i * rec->size, fn,
		    ctx);
	return r;
}

static int
each_secret(struct conf *c, field_fn fn, void *ctx)
{
	int r = each_of_record(conf_options, conf_n_options, c, fn, ctx);

	for (size_t i = 0; i < conf_n_records && r == 0; i++)
		r = each_of_records(c, &conf_records[i], fn, ctx);
	return r;
}

static int
add_field(void *ctx, const struct conf_option *o, char **field)
{
	return o->type == OPT_SECRET ? secrets_add(ctx, *field, strlen(*field))
				     : add_url(ctx, *field);
}

/* add_field only looks. */
static struct conf *
walked(const struct conf *c)
{
	const union {
		const struct conf *in;
		struct conf *out;
	} p = { c };

	return p.out;
}

static int
add_records(struct secrets *s, const struct conf *c, const char *name)
{
	for (size_t i = 0; i < conf_n_records; i++)
		if (strcmp(conf_records[i].name, name) == 0)
			return each_of_records(walked(c), &conf_records[i], add_field,
			    s);
	return -EINVAL;
}

static int
add_pairs(struct secrets *s, const struct conf *c)
{
	int r = 0;

	for (size_t i = 0; i < c->n_auth_profiles && r == 0; i++)
		r = add_pair(s, &c->auth_profiles[i]);
	return r;
}

int
conf_secrets(const struct conf *c, struct secrets **out)
{
	CLEANUP(secrets_freep) struct secrets *s = secrets_new();
	int r = s != NULL ? each_secret(walked(c), add_field, s) : -ENOMEM;

	if (r == 0)
		r = add_pairs(s, c);
	if (r < 0)
		return r;
	*out = TAKE_PTR(s);
	return 0;
}

int
conf_provider_secrets(const struct conf *c, struct secrets **out)
{
	CLEANUP(secrets_freep) struct secrets *s = secrets_new();
	int r;

	if (s == NULL)
		return -ENOMEM;
	secrets_ignore_below(s, SECRETS_SURE);
	r = add_records(s, c, "llm.providers");
	if (r < 0)
		return r;
	*out = TAKE_PTR(s);
	return 0;
}

int
conf_profile_secrets(const struct conf *c, const struct conf_auth_profile *used,
    struct secrets **out)
{
	CLEANUP(secrets_freep) struct secrets *s = secrets_new();
	int r;

	if (s == NULL)
		return -ENOMEM;
	secrets_ignore_below(s, SECRETS_SURE);
	r = add_records(s, c, "auth_profiles");
	if (r == 0)
		r = add_pairs(s, c);
	secrets_ignore_below(s, SECRETS_LEAST);
	if (r == 0 && used != NULL)
		r = secrets_add(s, used->value, strlen(used->value));
	if (r == 0 && used != NULL)
		r = secrets_add(s, used->token, strlen(used->token));
	if (r == 0 && used != NULL)
		r = secrets_add(s, used->password, strlen(used->password));
	if (r < 0)
		return r;
	*out = TAKE_PTR(s);
	return 0;
}

static void
blank(char *text)
{
	if (text != NULL)
		explicit_bzero(text, strlen(text));
}

/* Without memory to mask a URL, nothing of it stays. */
static int
blank_field(void *ctx UNUSED, const struct conf_option *o, char **field)
{
	CLEANUP_BUF struct buf masked = BUF_INIT;
	char *text = NULL;

	if (o->type == OPT_URL) {
		conf_mask_url(&masked, *field);
		text = buf_take(&masked, NULL);
	}
	blank(*field);
	if (text != NULL) {
		free(*field);
		*field = text;
	}
	return 0;
}

void
conf_blank_secrets(struct conf *c)
{
	(void)each_secret(c, blank_field, NULL);
}
