/* SPDX-License-Identifier: MIT */
/*
 * url.c - reads the authority of a URL, and nothing that it does not understand.
 *
 * Owns:   nothing.
 * Called: by the address guard, the HTTP client (each redirect) and the fetch process.
 * Fails:  with -EINVAL and a sentence; the URL itself is never part of it, since its
 *         query may hold a secret.
 */
#include "config.h"

#include "common/net/url.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_host_byte(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    c == '-' || c == '_';
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Labels of 1 to 63 bytes, joined by dots. */
static bool
is_host_name(const char *s, size_t n)
{
	size_t label = 0;

	for (size_t i = 0; i < n; i++) {
		if (s[i] == '.') {
			if (label == 0)
				return false;
			label = 0;
		} else if (!is_host_byte(s[i]) || ++label > 63) {
			return false;
		}
	}
	return label > 0;
}

/* A name whose last label is a number is taken for an IPv4 address by resolvers. */
static bool
ends_in_number(const char *s, size_t n)
{
	size_t at = n;

	while (at > 0 && s[at - 1] != '.')
		at--;
	return at < n && is_digit(s[at]) &&
	    (strspn(s + at, "0123456789") >= n - at || lower(s[at + 1]) == 'x');
}

int
url_parse_host(const char *text, size_t n, struct url *out, struct err *err)
{
	struct url u = *out;
	bool is_dotted = false;

	if (n > 0 && text[n - 1] == '.') {
		is_dotted = true;
		n--;
	}
	if (n == 0)
		return err_set(err, -EINVAL, "the URL has no host");
	if (n > URL_HOST_MAX)
		return err_set(err, -EINVAL, "the host is longer than %d bytes",
		    URL_HOST_MAX);
	for (size_t i = 0; i < n; i++)
		u.host[i] = lower(text[i]);
	u.host[n] = '\0';
	u.is_address = ip_addr_parse(u.host, strlen(u.host), &u.address);
	if (!u.is_address && !is_host_name(u.host, n))
		return err_set(err, -EINVAL,
		    "the host has characters that no host name has (write an "
		    "international name in its xn-- form)");
	if (!u.is_address && ends_in_number(u.host, n)) {
		u.is_address = ip_addr_parse_loose_v4(u.host, n, &u.address);
		if (!u.is_address)
			return err_set(err, -EINVAL, "the host is not a valid address");
	}
	/* "127.0.0.1." is an address to some readers and a name to others. */
	if (u.is_address && is_dotted)
		return err_set(err, -EINVAL, "an address does not end in a dot");
	*out = u;
	return 0;
}

static int
parse_port(const char *s, size_t n, uint16_t *port, struct err *err)
{
	unsigned value = 0;

	for (size_t i = 0; i < n; i++) {
		if (!is_digit(s[i]) || n > 5)
			return err_set(err, -EINVAL,
			    "the port is not a number up to 65535");
		value = value * 10 + (unsigned)(s[i] - '0');
	}
	if (n == 0 || value == 0 || value > 65535)
		return err_set(err, -EINVAL,
		    "the port is not a number from 1 to 65535");
	*port = (uint16_t)value;
	return 0;
}

/* host[:port] or [address][:port] */
static int
parse_authority(const char *s, size_t n, struct url *u, struct err *err)
{
	const char *colon, *close;
	size_t host_len = n;
	int r;

	if (memchr(s, '@', n) != NULL)
		return err_set(err, -EINVAL,
		    "the URL holds a user name or password; use an auth_profile");
	if (n > 0 && s[0] == '[') {
		close = memchr(s, ']', n);
		if (close == NULL || memchr(s, ':', (size_t)(close - s)) == NULL)
			return err_set(err, -EINVAL,
			    "the brackets hold no IPv6 address");
		r = url_parse_host(s + 1, (size_t)(close - s) - 1, u, err);
		if (r < 0)
			return r;
		if (!u->is_address)
			return err_set(err, -EINVAL,
			    "the brackets hold no IPv6 address");
		host_len = (size_t)(close - s) + 1;
		if (host_len == n)
			return 0;
		if (s[host_len] != ':')
			return err_set(err, -EINVAL, "the host is followed by garbage");
		return parse_port(s + host_len + 1, n - host_len - 1, &u->port, err);
	}
	colon = memchr(s, ':', n);
	if (colon != NULL) {
		host_len = (size_t)(colon - s);
		r = parse_port(colon + 1, n - host_len - 1, &u->port, err);
		if (r < 0)
			return r;
	}
	return url_parse_host(s, host_len, u, err);
}

/* The length of "http://" or "https://" at the start, 0 for anything else. */
static size_t
scheme_len(const char *s, size_t n, struct url *u)
{
	if (n >= 8 && strncasecmp(s, "https://", 8) == 0) {
		u->is_https = true;
		u->port = 443;
		return 8;
	}
	if (n >= 7 && strncasecmp(s, "http://", 7) == 0) {
		u->port = 80;
		return 7;
	}
	return 0;
}

int
url_parse(const char *text, size_t n, struct url *out, struct err *err)
{
	struct url u = { 0 };
	size_t start, end;
	int r;

	if (n > URL_MAX)
		return err_set(err, -EINVAL, "the URL is longer than %d bytes",
		    URL_MAX);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c <= ' ' || c == 0x7f || c == '\\')
			return err_set(err, -EINVAL,
			    "the URL holds a blank, control character or backslash at "
			    "byte %zu; escape it as %%%02X",
			    i, c);
	}
	start = scheme_len(text, n, &u);
	if (start == 0)
		return err_set(err, -EINVAL,
		    "the URL's scheme is neither http:// nor https://");
	for (end = start; end < n; end++)
		if (text[end] == '/' || text[end] == '?' || text[end] == '#')
			break;
	r = parse_authority(text + start, end - start, &u, err);
	if (r < 0)
		return r;
	u.path_at = end;
	*out = u;
	return 0;
}

bool
url_keeps_trust(const struct url *from, const struct url *to)
{
	if (strcmp(from->host, to->host) != 0)
		return false;
	if (from->is_https == to->is_https)
		return from->port == to->port;
	return to->is_https && from->port == 80 && to->port == 443;
}

bool
url_host_matches(const char *host, const char *pattern)
{
	size_t host_len = strlen(host), n = strlen(pattern);

	if (strcmp(pattern, "*") == 0)
		return true;
	if (n > 0 && pattern[n - 1] == '.')
		n--;
	if (n > 2 && strncmp(pattern, "*.", 2) == 0) {
		size_t tail = n - 1; /* with its dot */

		return host_len > tail && !ends_in_number(host, host_len) &&
		    strncasecmp(host + host_len - tail, pattern + 1, tail) == 0;
	}
	return n == host_len && strncasecmp(host, pattern, n) == 0;
}

void
url_add_escaped(struct buf *out, const char *text, size_t n)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		if ((is_host_byte((char)c)) || c == '.' || c == '~') {
			buf_addc(out, (char)c);
		} else {
			buf_addc(out, '%');
			buf_addc(out, hex[c >> 4]);
			buf_addc(out, hex[c & 15]);
		}
	}
}
