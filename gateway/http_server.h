/* SPDX-License-Identifier: MIT */
/*
 * http_server.h - the HTTP side of the gateway, over libmicrohttpd.
 */
#ifndef GATEWAY_HTTP_SERVER_H
#define GATEWAY_HTTP_SERVER_H

#include "common/err.h"
#include "gateway/gateway.h"

struct http_server;

/* Takes listen_fd. The gateway must outlive the server. 0 or negative errno. */
int http_server_start(struct gateway *gateway, int listen_fd, struct http_server **out,
    struct err *err);

/* To be called every few hundred milliseconds: cuts off slow clients. */
uint32_t http_server_sweep(struct http_server *s);

/* Is any request waiting for its job, or its answer being sent? */
bool http_server_is_busy(struct http_server *s);

/* Takes no new connections from now on. */
void http_server_quiesce(struct http_server *s);

/* All submitted jobs must have been answered. */
void http_server_stop(struct http_server *s);

#endif
