/* SPDX-License-Identifier: MIT */
/*
 * url.h - the parts of an absolute http or https URL that decide where it leads. Pure.
 *
 * The reader is stricter than any HTTP library, so that the host which the policy
 * judged is the host which is connected to: no user-info, no white space, control bytes
 * or backslashes, no escapes or non-ASCII in the authority, no zone ids.
 */
#ifndef COMMON_NET_URL_H
#define COMMON_NET_URL_H

#include "common/buf.h"
#include "common/err.h"
#include "common/net/ip_addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	URL_MAX = 8192,
	URL_HOST_MAX = 253
};

struct url {
	bool is_https;
	bool is_address;             /* the host is an address literal: see address */
	uint16_t port;               /* explicit, or the scheme's */
	char host[URL_HOST_MAX + 1]; /* lower case; no brackets; no trailing dot */
	struct ip_addr address;
	size_t path_at; /* where the path, query or fragment starts in the text */
};

/* Returns 0, or -EINVAL with a sentence that names the fault, *out untouched. */
int url_parse(const char *text, size_t n, struct url *out, struct err *err);

/*
 * May what was sent with a request to `from` also be sent to `to`? The same host with
 * the same scheme and port, or with http raised to https on the default ports.
 */
bool url_keeps_trust(const struct url *from, const struct url *to);

/* "example.com" equals itself, "*.example.com" names below it but not itself, nor any
   address; "*" all; host as in
   struct url, pattern in any case. */
bool url_host_matches(const char *host, const char *pattern);

/* Lower-cases and checks a host (name or address, no brackets) of n bytes as url_parse
   does. Returns 0 or -EINVAL with *out untouched. */
int url_parse_host(const char *text, size_t n, struct url *out, struct err *err);

/* Appends n bytes, those outside A-Za-z0-9-._~ as %XX. */
void url_add_escaped(struct buf *out, const char *text, size_t n);

#endif
