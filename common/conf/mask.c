/* SPDX-License-Identifier: MIT */
/*
 * mask.c - URLs without their secrets.
 *
 * Owns:   nothing; the buffer is the caller's.
 * Called: by -T and whatever else shows or keeps a URL that may carry a secret.
 * Fails:  as the buffer does.
 */
#include "config.h"

#include "common/conf/options.h"

#include <string.h>

static bool
is_secret_name(const char *name, size_t n)
{
	static const char *const parts[] = { "pass", "secret", "token", "key", "sig",
		"auth" };

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		for (size_t at = 0; at + strlen(parts[i]) <= n; at++)
			if (strncasecmp(name + at, parts[i], strlen(parts[i])) == 0)
				return true;
	return false;
}

/* "a=1&password=2": the values whose names say that they are secrets. */
static void
mask_query(struct buf *out, const char *query)
{
	while (*query != '\0') {
		size_t n = strcspn(query, "&"), name = strcspn(query, "=&");

		if (name < n && is_secret_name(query, name)) {
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

void
conf_mask_url(struct buf *out, const char *url)
{
	const char *authority = strstr(url, "://"), *rest = url, *query;

	if (authority != NULL) {
		size_t n = strcspn(authority + 3, "/?#");
		const char *at = memrchr(authority + 3, '@', n);
		const char *colon = at == NULL
		    ? NULL
		    : memchr(authority + 3, ':', (size_t)(at - authority - 3));

		if (colon != NULL) {
			buf_add(out, url, (size_t)(colon + 1 - url));
			buf_adds(out, CONF_MASK);
			rest = at;
		}
	}
	query = strchr(rest, '?');
	if (query == NULL) {
		buf_adds(out, rest);
		return;
	}
	buf_add(out, rest, (size_t)(query + 1 - rest));
	mask_query(out, query + 1);
}
