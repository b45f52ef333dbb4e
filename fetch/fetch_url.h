/* SPDX-License-Identifier: MIT */
/*
 * fetch_url.h - URLs and queries as a model writes them. Pure.
 */
#ifndef FETCH_FETCH_URL_H
#define FETCH_FETCH_URL_H

#include "common/buf.h"
#include "common/json/json.h"
#include "fetch/fetch_error.h"

/* A scalar's text: a string's bytes, a number as written, true or false. False for
   null, arrays and objects. */
bool fetch_scalar_text(const struct json *v, const char **text, size_t *n);

/* Appends the URL trimmed, with its scheme, without its fragment, and with everything
   escaped that may be escaped in path and query. Host and port stay as they are:
   url_parse judges them. 0 or -EINVAL. */
int fetch_url_clean(struct buf *out, const struct json *text, struct fetch_error *e);

/* Appends "a=1&b=2&b=3" from an object of scalars and lists of scalars. 0 or
   -EINVAL. */
int fetch_url_add_pairs(struct buf *out, const struct json *params,
    struct fetch_error *e);

/* Puts pairs behind the URL's query, or makes it one. */
void fetch_url_add_query(struct buf *url, const char *pairs);

#endif
