/* SPDX-License-Identifier: MIT */
/*
 * redis_url.c - reads redis.url.
 *
 * Owns:   the strings of struct redis_url.
 * Called: by both Redis clients, at start.
 * Fails:  with a sentence that names the part at fault and never the password.
 */
#include "config.h"

#include "common/queue/redis_url.h"

#include <errno.h>
#include <string.h>

enum {
	REDIS_PORT = 6379,
	REDIS_DB_MAX = 65535
};

void
redis_url_release(struct redis_url *u)
{
	if (u->password != NULL)
		explicit_bzero(u->password, strlen(u->password));
	free(u->path);
	free(u->host);
	free(u->user);
	free(u->password);
	*u = (struct redis_url){ 0 };
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The n bytes with %XX decoded; NULL when a % is wrong, gives NUL, or memory is
   short. */
static char *
decode(const char *s, size_t n)
{
	CLEANUP(freep) char *out = malloc(n + 1);
	size_t len = 0;

	if (out == NULL)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		char c = s[i];

		if (c == '%') {
			int high = i + 2 < n ? hex_value(s[i + 1]) : -1;
			int low = i + 2 < n ? hex_value(s[i + 2]) : -1;

			if (high < 0 || low < 0 || (high == 0 && low == 0))
				return NULL;
			c = (char)(high * 16 + low);
			i += 2;
		}
		out[len++] = c;
	}
	out[len] = '\0';
	return TAKE_PTR(out);
}

/* A decimal number of n bytes in 0..max, or -EINVAL. */
static int
number(const char *s, size_t n, int max)
{
	int v = 0;

	if (n == 0 || n > 9)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -EINVAL;
		v = v * 10 + (s[i] - '0');
	}
	return v <= max ? v : -EINVAL;
}

static int
set_text(char **field, const char *s, size_t n)
{
	char *text = decode(s, n);

	if (text == NULL)
		return -EINVAL;
	free(*field);
	*field = text;
	return 0;
}

static int
parse_credentials(struct redis_url *u, const char *s, size_t n, struct err *err)
{
	const char *colon = memchr(s, ':', n);
	size_t user_n = colon == NULL ? n : (size_t)(colon - s);
	int r = set_text(&u->user, s, user_n);

	if (r == 0 && colon != NULL)
		r = set_text(&u->password, colon + 1, n - user_n - 1);
	/* redis://secret@host would send the password as a user's name */
	if (r < 0 || colon == NULL)
		return err_set(err, -EINVAL,
		    "redis.url: credentials must be user:password or :password, "
		    "with special characters as %%XX");
	return 0;
}

static int
parse_host(struct redis_url *u, const char *s, size_t n, struct err *err)
{
	const char *end = s + n, *port = NULL;

	if (n > 0 && *s == '[') {
		const char *close = memchr(s, ']', n);

		if (close == NULL || (close + 1 < end && close[1] != ':'))
			return err_set(err, -EINVAL, "redis.url: '[' without ']'");
		u->host = strndup(s + 1, (size_t)(close - s - 1));
		if (close + 1 < end)
			port = close + 2;
	} else {
		const char *colon = memchr(s, ':', n);

		u->host = strndup(s, colon == NULL ? n : (size_t)(colon - s));
		if (colon != NULL)
			port = colon + 1;
	}
	if (u->host == NULL)
		return err_set(err, -ENOMEM, "no memory for redis.url");
	if (u->host[0] == '\0')
		return err_set(err, -EINVAL,
		    "redis.url: no host; write redis://host:6379/0");
	u->port = REDIS_PORT;
	if (port != NULL)
		u->port = number(port, (size_t)(end - port), 65535);
	if (u->port <= 0)
		return err_set(err, -EINVAL, "redis.url: the port must be 1 to 65535");
	return 0;
}

static int
parse_tcp(struct redis_url *u, const char *rest, struct err *err)
{
	size_t n = strcspn(rest, "/?");
	const char *tail = rest + n, *at = memrchr(rest, '@', n);

	if (at != NULL) {
		int r = parse_credentials(u, rest, (size_t)(at - rest), err);

		if (r < 0)
			return r;
		n -= (size_t)(at + 1 - rest);
		rest = at + 1;
	}
	if (*tail == '/' && tail[1] != '\0')
		u->db = number(tail + 1, strlen(tail + 1), REDIS_DB_MAX);
	if (*tail == '?' || u->db < 0)
		return err_set(err, -EINVAL,
		    "redis.url: after the host only /NUMBER may follow");
	return parse_host(u, rest, n, err);
}

static int
parse_option(struct redis_url *u, const char *s, size_t n)
{
	const char *eq = memchr(s, '=', n);
	size_t name_n = eq == NULL ? n : (size_t)(eq - s), value_n = n - name_n;

	if (eq == NULL)
		return -EINVAL;
	value_n--;
	if (name_n == 2 && memcmp(s, "db", 2) == 0)
		return (u->db = number(eq + 1, value_n, REDIS_DB_MAX)) < 0 ? -EINVAL
									   : 0;
	if (name_n == 4 && memcmp(s, "user", 4) == 0)
		return set_text(&u->user, eq + 1, value_n);
	if (name_n == 8 && memcmp(s, "password", 8) == 0)
		return set_text(&u->password, eq + 1, value_n);
	return -EINVAL;
}

static int
parse_unix(struct redis_url *u, const char *rest, struct err *err)
{
	size_t n = strcspn(rest, "?");
	const char *p = rest + n;

	if (*rest != '/')
		return err_set(err, -EINVAL,
		    "redis.url: the socket's path must be absolute: unix:///path");
	if (set_text(&u->path, rest, n) < 0)
		return err_set(err, -EINVAL, "redis.url: a wrong %% in the path");
	while (*p != '\0') {
		size_t len = strcspn(++p, "&");

		if (parse_option(u, p, len) < 0)
			return err_set(err, -EINVAL,
			    "redis.url: after the path may follow ?db=NUMBER, user=, password=");
		p += len;
	}
	return 0;
}

static int
parse_embedded(struct redis_url *u, const char *run_dir, struct err *err)
{
	if (asprintf(&u->path, "%s/redis.sock", run_dir) < 0) {
		u->path = NULL;
		return err_set(err, -ENOMEM,
		    "no memory for the path of the Redis socket");
	}
	return 0;
}

static int
parse(const char *url, const char *run_dir, struct redis_url *u, struct err *err)
{
	if (strcmp(url, "embedded") == 0)
		return parse_embedded(u, run_dir, err);
	if (strncmp(url, "redis://", 8) == 0)
		return parse_tcp(u, url + 8, err);
	if (strncmp(url, "unix://", 7) == 0)
		return parse_unix(u, url + 7, err);
	if (strncmp(url, "rediss://", 9) == 0 || strncmp(url, "sentinel://", 11) == 0)
		return err_set(err, -EOPNOTSUPP,
		    "redis.url: TLS and Sentinel are not supported; use redis:// or "
		    "unix:// (a local stunnel serves TLS)");
	return err_set(err, -EINVAL,
	    "redis.url must be \"embedded\", redis://host:port/db or unix:///path");
}

int
redis_url_parse(const char *url, const char *run_dir, struct redis_url *out,
    struct err *err)
{
	CLEANUP(redis_url_release)
	struct redis_url u = { .user = strdup(""), .password = strdup("") };
	int r;

	if (u.user == NULL || u.password == NULL)
		return err_set(err, -ENOMEM, "no memory for redis.url");
	r = parse(url, run_dir, &u, err);
	if (r < 0)
		return r;
	*out = u;
	u = (struct redis_url){ 0 };
	return 0;
}

char *
redis_url_name(const struct redis_url *u, char *out, size_t size)
{
	if (u->path != NULL)
		(void)snprintf(out, size, "redis %s", u->path);
	else
		(void)snprintf(out, size, "redis %s:%d/%d", u->host, u->port, u->db);
	return out;
}
