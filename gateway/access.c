/* SPDX-License-Identifier: MIT */
/*
 * access.c - keeps other people's web pages and strangers without the token out.
 *
 * Owns:   nothing.
 * Called: for each request, before anything else is done for it.
 * Fails:  closed.
 *
 * The gateway listens on loopback without a token by default, where any page in a
 * browser of this host could reach it: by a name that resolves to 127.0.0.1 (then Host
 * shows that name) or by a plain cross-site request (then Origin or Sec-Fetch-Site
 * shows it).
 */
#include "config.h"

#include "gateway/access.h"

#include "common/net/url.h"

#include <string.h>
#include <strings.h>

/* "host", "host:port", "[address]:port": the host, without brackets. */
static bool
split_host(const char *text, char host[URL_HOST_MAX + 1])
{
	const char *end;
	size_t n;

	if (text[0] == '[') {
		text++;
		end = strchr(text, ']');
		if (end == NULL || (end[1] != '\0' && end[1] != ':'))
			return false;
	} else {
		end = strchr(text, ':');
		if (end == NULL)
			end = text + strlen(text);
		else if (strchr(end + 1, ':') != NULL)
			end =
			    text + strlen(text); /* an IPv6 address without brackets */
	}
	n = (size_t)(end - text);
	if (n > 0 && text[n - 1] == '.')
		n--;
	if (n == 0 || n > URL_HOST_MAX)
		return false;
	memcpy(host, text, n);
	host[n] = '\0';
	return true;
}

static bool
is_same_host(const char *a, const char *b)
{
	struct ip_addr x, y;

	if (strcasecmp(a, b) == 0)
		return true;
	return ip_addr_parse(a, strlen(a), &x) && ip_addr_parse(b, strlen(b), &y) &&
	    x.is_v6 == y.is_v6 && memcmp(x.bytes, y.bytes, x.is_v6 ? 16 : 4) == 0;
}

/* Listening everywhere, any address of this host is right; a name is not an address. */
static bool
is_wildcard_match(const char *listen_host, const char *host)
{
	struct ip_addr listen, a;

	return ip_addr_parse(listen_host, strlen(listen_host), &listen) &&
	    addr_classify(&listen, NULL) == ADDR_UNSPECIFIED &&
	    ip_addr_parse(host, strlen(host), &a);
}

static bool
is_our_host(const struct conf *conf, const char *text)
{
	char host[URL_HOST_MAX + 1], ours[URL_HOST_MAX + 1];

	if (!split_host(text, host))
		return false;
	if (strcasecmp(host, "localhost") == 0)
		return true;
	if (split_host(conf->http.listen, ours) &&
	    (is_same_host(host, ours) || is_wildcard_match(ours, host)))
		return true;
	for (size_t i = 0; i < conf->http.hosts.n; i++)
		if (split_host(conf->http.hosts.v[i], ours) && is_same_host(host, ours))
			return true;
	return false;
}

/* "https://host:port"; "null" and whatever else is foreign. */
static bool
is_our_origin(const struct conf *conf, const char *origin)
{
	const char *host = strstr(origin, "://");

	return host != NULL && strpbrk(host + 3, "/?#@\\") == NULL &&
	    is_our_host(conf, host + 3);
}

bool
access_equal(const char *given, const char *secret)
{
	size_t n = strlen(given), len = strlen(secret);
	unsigned difference = n == len ? 0 : 1;

	for (size_t i = 0; i < n; i++)
		difference |= (unsigned)((unsigned char)given[i] ^
		    (unsigned char)secret[i % (len + 1)]);
	return difference == 0;
}

static bool
has_token(const struct conf *conf, const char *authorization)
{
	if (conf->http.token[0] == '\0')
		return true;
	if (authorization == NULL || strncasecmp(authorization, "Bearer ", 7) != 0)
		return false;
	authorization += 7;
	while (*authorization == ' ')
		authorization++;
	return access_equal(authorization, conf->http.token);
}

enum access_verdict
access_check(const struct conf *conf, const struct access_headers *headers,
    bool is_open)
{
	/* Without Host it is HTTP/1.0, which no browser speaks. */
	if (headers->host != NULL && !is_our_host(conf, headers->host))
		return ACCESS_FOREIGN_HOST;
	if (headers->origin != NULL && !is_our_origin(conf, headers->origin))
		return ACCESS_FOREIGN_ORIGIN;
	if (headers->sec_fetch_site != NULL &&
	    strcasecmp(headers->sec_fetch_site, "cross-site") == 0)
		return ACCESS_FOREIGN_ORIGIN;
	if (!is_open && !has_token(conf, headers->authorization))
		return ACCESS_NO_TOKEN;
	return ACCESS_OK;
}
