/* SPDX-License-Identifier: MIT */
/*
 * exchange.h - one request and its answer, as the files of the HTTP server share it.
 */
#ifndef GATEWAY_EXCHANGE_H
#define GATEWAY_EXCHANGE_H

#include "gateway/connections.h"
#include "gateway/gateway.h"
#include "gateway/http_server.h"

#include <microhttpd.h>
#include <stdatomic.h>

struct http_server {
	struct gateway *gateway;
	struct MHD_Daemon *daemon; /* owned */
	struct connections *connections;
	uint64_t body_bytes;            /* of all requests, of the one thread */
	struct control_status status;   /* scratch of the one thread */
	struct control_metrics metrics; /* likewise */
};

struct exchange {
	struct http_server *server;
	struct MHD_Connection *mhd;
	struct connection *connection;
	const struct route *route;
	struct buf body;
	bool is_judged; /* admitted, or answered already */
	bool is_too_large;
	bool is_crowded_out; /* the bodies of all were too much together */
	/* Written by the waiters' thread before is_answered is set. */
	atomic_bool is_answered;
	bool is_submitted;
	enum wait_outcome outcome;
	struct buf answer;
	char job_id[CHAT_ID_MAX];
};

typedef enum MHD_Result (*route_fn)(struct exchange *x);

struct route {
	const char *path;
	const char *methods; /* as the Allow header has them */
	bool is_open;        /* no token needed */
	route_fn run;
};

/* exchange.c: each queues the answer and takes the body. Another header may be
   named. */
enum MHD_Result exchange_send(struct exchange *x, unsigned status, const char *type,
    struct buf *body, const char *name, const char *value);
enum MHD_Result exchange_send_json(struct exchange *x, unsigned status,
    struct buf *body);
/* {"error":{"type":...,"message":...},"job_id":...} */
enum MHD_Result exchange_send_error(struct exchange *x, unsigned status,
    const char *type, const char *message, const char *name, const char *value);

/* pages.c and chat.c: what the routes run */
enum MHD_Result page_health(struct exchange *x);
enum MHD_Result page_metrics(struct exchange *x);
enum MHD_Result page_status(struct exchange *x);
enum MHD_Result chat_run(struct exchange *x);

#endif
