/* SPDX-License-Identifier: MIT */
/*
 * access.h - who may ask at all: Host, Origin, Sec-Fetch-Site and the bearer token.
 * Pure.
 */
#ifndef GATEWAY_ACCESS_H
#define GATEWAY_ACCESS_H

#include "common/conf/conf.h"

#include <stdbool.h>

enum access_verdict {
	ACCESS_OK,
	ACCESS_FOREIGN_HOST,   /* 403: a name that is not ours, as in DNS rebinding */
	ACCESS_FOREIGN_ORIGIN, /* 403: a page of somebody else */
	ACCESS_NO_TOKEN        /* 401 */
};

/* The headers that decide; NULL when a request has none of that name. */
struct access_headers {
	const char *host;
	const char *origin;
	const char *sec_fetch_site;
	const char *authorization;
};

/* is_open: the page is for everybody who passes the other checks (/health). */
enum access_verdict access_check(const struct conf *conf,
    const struct access_headers *headers, bool is_open);

/* Equal texts? The time depends on the length of given only. */
bool access_equal(const char *given, const char *secret);

#endif
