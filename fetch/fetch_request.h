/* SPDX-License-Identifier: MIT */
/*
 * fetch_request.h - a worker's message read, checked and made into an HTTP request.
 * Pure.
 */
#ifndef FETCH_FETCH_REQUEST_H
#define FETCH_FETCH_REQUEST_H

#include "common/conf/conf.h"
#include "common/json/arena.h"
#include "common/net/http_client.h"
#include "common/pipeline/fetch_proto.h"
#include "fetch/auth.h"
#include "fetch/fetch_error.h"

struct fetch_request {
	struct arena *arena; /* owned; most of what http points to */
	struct http_request http;
	struct http_header headers[FETCH_HEADERS_MAX + 4];
	struct buf url;       /* as sent: may hold a key */
	struct buf shown_url; /* without it and others that the model wrote */
	struct buf body;      /* owned, unless the message brought one */
	struct auth_addition auth;
	const struct conf_auth_profile *profile; /* the configuration's; NULL: none */
};

/*
 * meta is the message's; body and body_len its data (NULL: none; must stay as long as
 * the request). Returns 0, or -EINVAL with *e filled, or -ENOMEM. Release in any case.
 */
int fetch_request_read(struct fetch_request *r, const struct conf *conf,
    const char *meta, size_t meta_len, const void *body, size_t body_len,
    struct fetch_error *e);
void fetch_request_release(struct fetch_request *r);

#endif
