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
	SENTINEL_PORT = 26379,
	REDIS_DB_MAX = 65535
};

void
redis_url_release(struct redis_url *u)
{
	if (u->password != NULL)
		explicit_bzero(u->password, strlen(u->password));
	for (size_t i = 0; i < u->n_sentinels; i++)
		free(u->sentinels[i].name);
	free(u->path);
	free(u->host.name);
	free(u->master);
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
	if (u->password[0] == '\0')
		return err_set(err, -EINVAL,
		    "redis.url: %s has no password; write user:password@ (an unset "
		    "variable in its place?)",
		    u->user[0] != '\0' ? "the user" : "':'");
	return 0;
}

/* host, host:port or [address]:port in n bytes. */
static int
parse_host(struct redis_host *h, const char *s, size_t n, int default_port,
    struct err *err)
{
	const char *end = s + n, *port = NULL;

	if (n > 0 && *s == '[') {
		const char *close = memchr(s, ']', n);

		if (close == NULL || (close + 1 < end && close[1] != ':'))
			return err_set(err, -EINVAL, "redis.url: '[' without ']'");
		h->name = strndup(s + 1, (size_t)(close - s - 1));
		if (close + 1 < end)
			port = close + 2;
	} else {
		const char *colon = memchr(s, ':', n);

		h->name = strndup(s, colon == NULL ? n : (size_t)(colon - s));
		if (colon != NULL)
			port = colon + 1;
	}
	if (h->name == NULL)
		return err_set(err, -ENOMEM, "no memory for redis.url");
	if (h->name[0] == '\0')
		return err_set(err, -EINVAL,
		    "redis.url: no host; write redis://host:6379/0");
	h->port = default_port;
	if (port != NULL)
		h->port = number(port, (size_t)(end - port), 65535);
	if (h->port <= 0)
		return err_set(err, -EINVAL, "redis.url: the port must be 1 to 65535");
	return 0;
}

/* What stands before the '@'; *rest and *n then lack it. */
static int
take_credentials(struct redis_url *u, const char **rest, size_t *n, struct err *err)
{
	const char *at = memrchr(*rest, '@', *n);
	int r;

	if (at == NULL)
		return 0;
	r = parse_credentials(u, *rest, (size_t)(at - *rest), err);
	*n -= (size_t)(at + 1 - *rest);
	*rest = at + 1;
	return r;
}

static int
parse_tcp(struct redis_url *u, const char *rest, struct err *err)
{
	size_t n = strcspn(rest, "/?");
	const char *tail = rest + n;
	int r = take_credentials(u, &rest, &n, err);

	if (r < 0)
		return r;
	if (*tail == '/' && tail[1] != '\0')
		u->db = number(tail + 1, strlen(tail + 1), REDIS_DB_MAX);
	if (*tail == '?' || u->db < 0)
		return err_set(err, -EINVAL,
		    "redis.url: after the host only /NUMBER may follow");
	return parse_host(&u->host, rest, n, REDIS_PORT, err);
}

static int
parse_tls(struct redis_url *u, const char *rest, struct err *err)
{
	u->is_tls = true;
	return parse_tcp(u, rest, err);
}

/* "/master" or "/master/db" */
static int
parse_master(struct redis_url *u, const char *tail, struct err *err)
{
	size_t n = *tail == '/' ? strcspn(tail + 1, "/?") : 0;
	const char *db;

	if (n == 0 || set_text(&u->master, tail + 1, n) < 0)
		return err_set(err, -EINVAL,
		    "redis.url: the master's name is missing; write "
		    "sentinel://host:26379,host:26379/master/0");
	db = tail + 1 + n;
	if (*db == '/' && db[1] != '\0')
		u->db = number(db + 1, strlen(db + 1), REDIS_DB_MAX);
	if (*db == '?' || u->db < 0)
		return err_set(err, -EINVAL,
		    "redis.url: after the master's name only /NUMBER may follow");
	return 0;
}

static int
parse_sentinel(struct redis_url *u, const char *rest, struct err *err)
{
	size_t n = strcspn(rest, "/?");
	const char *tail = rest + n;
	int r = take_credentials(u, &rest, &n, err);

	if (r == 0)
		r = parse_master(u, tail, err);
	for (const char *p = rest; r == 0 && p <= rest + n;) {
		const char *comma = memchr(p, ',', (size_t)(rest + n - p));
		const char *end = comma != NULL ? comma : rest + n;

		if (u->n_sentinels == REDIS_SENTINELS_MAX)
			return err_set(err, -EINVAL,
			    "redis.url: more than %d sentinels", REDIS_SENTINELS_MAX);
		r = parse_host(&u->sentinels[u->n_sentinels++], p, (size_t)(end - p),
		    SENTINEL_PORT, err);
		p = end + 1;
	}
	return r;
}

static int
parse_sentinel_tls(struct redis_url *u, const char *rest, struct err *err)
{
	u->is_tls = true;
	return parse_sentinel(u, rest, err);
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
	static const struct {
		const char *prefix;
		int (*read)(struct redis_url *u, const char *rest, struct err *err);
	} schemes[] = {
		{ "redis://", parse_tcp },
		{ "rediss://", parse_tls },
		{ "unix://", parse_unix },
		{ "sentinel://", parse_sentinel },
		{ "sentinels://", parse_sentinel_tls },
	};

	if (strcmp(url, "embedded") == 0)
		return parse_embedded(u, run_dir, err);
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		size_t n = strlen(schemes[i].prefix);

		if (strncmp(url, schemes[i].prefix, n) == 0)
			return schemes[i].read(u, url + n, err);
	}
	return err_set(err, -EINVAL,
	    "redis.url: must be \"embedded\", redis://, rediss://, unix://, "
	    "sentinel:// or sentinels://");
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
	else if (u->master != NULL)
		(void)snprintf(out, size, "redis %s of sentinel %s:%d", u->master,
		    u->sentinels[0].name, u->sentinels[0].port);
	else
		(void)snprintf(out, size, "redis %s:%d/%d", u->host.name, u->host.port,
		    u->db);
	return out;
}
