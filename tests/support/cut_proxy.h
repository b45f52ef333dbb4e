/* SPDX-License-Identifier: MIT */
/*
 * cut_proxy.h - a proxy between two Unix sockets that cuts the connection at the worst
 * moment: after a request was passed on and before its answer came back.
 *
 * One thread, one connection at a time; it forwards everything until an armed text is
 * seen in a client's bytes.
 */
#ifndef TESTS_SUPPORT_CUT_PROXY_H
#define TESTS_SUPPORT_CUT_PROXY_H

#include "common/err.h"

enum cut_where {
	CUT_BEFORE, /* the request does not reach the server */
	CUT_AFTER,  /* the server has answered; nothing of the answer comes back */
	CUT_INSIDE  /* the answer comes back but for its last six bytes (PostgreSQL's
		       ReadyForQuery) */
};

struct cut_proxy;

/* Listens at `listen_path`, forwards to `server_path`. 0 or a negative errno. */
int cut_proxy_new(const char *listen_path, const char *server_path,
    struct cut_proxy **out, struct err *err);
void cut_proxy_free(struct cut_proxy *p); /* NULL allowed */

/* The next request that contains text is the one to cut at; only once. */
void cut_proxy_arm(struct cut_proxy *p, const char *text, enum cut_where where);
unsigned cut_proxy_cuts(struct cut_proxy *p); /* how many times it has cut */

#endif
