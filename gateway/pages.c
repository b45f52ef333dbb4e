/* SPDX-License-Identifier: MIT */
/*
 * pages.c - /health, /metrics and the status page: asks around and answers.
 *
 * Owns:   nothing.
 * Called: by the HTTP server's one thread.
 * Fails:  by saying what is not known.
 */
#include "config.h"

#include "gateway/exchange.h"

#include "gateway/metrics_text.h"

#include <string.h>

/* Texts that the facts point to. */
struct texts {
	char why[256];
	char paused[WAITERS_PAUSED_MAX];
};

static void
gather(struct http_server *s, struct health_facts *facts, struct texts *t,
    bool with_metrics)
{
	const struct gateway_services *v = &s->gateway->services;

	*facts = (struct health_facts){ .conf = s->gateway->conf };
	if (v->status(v->ctx, &s->status) == 0)
		facts->status = &s->status;
	if (with_metrics && v->metrics(v->ctx, &s->metrics) == 0)
		facts->metrics = &s->metrics;
	if (!v->redis_is_up(v->ctx, t->why, sizeof(t->why)))
		facts->redis_away = t->why;
	if (v->queue_is_paused(v->ctx, t->paused, sizeof(t->paused)))
		facts->queue_paused = t->paused;
}

enum MHD_Result
page_health(struct exchange *x)
{
	const char *ready =
	    MHD_lookup_connection_value(x->mhd, MHD_GET_ARGUMENT_KIND, "ready");
	struct buf body = BUF_INIT;
	struct health_facts facts;
	bool asks = ready != NULL && strcmp(ready, "0") != 0, is_ready = true;
	struct texts texts;

	gather(x->server, &facts, &texts, asks);
	if (asks)
		is_ready = health_write_ready(&body, &facts);
	else
		health_write(&body, &facts);
	return exchange_send_json(x,
	    is_ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, &body);
}

enum MHD_Result
page_metrics(struct exchange *x)
{
	struct http_server *s = x->server;
	const struct gateway_services *v = &s->gateway->services;
	struct buf body = BUF_INIT;

	if (v->metrics(v->ctx, &s->metrics) < 0)
		return exchange_send_error(x, MHD_HTTP_SERVICE_UNAVAILABLE,
		    "unavailable", "the supervisor does not answer", "Retry-After",
		    "1");
	metrics_text_write(&body, s->gateway->conf, &s->metrics);
	return exchange_send(x, MHD_HTTP_OK, METRICS_CONTENT_TYPE, &body, NULL, NULL);
}

enum MHD_Result
page_status(struct exchange *x)
{
	struct buf body = BUF_INIT;
	struct health_facts facts;
	struct texts texts;

	gather(x->server, &facts, &texts, true);
	health_write_page(&body, x->server->gateway->conf, &facts);
	return exchange_send(x, MHD_HTTP_OK, "text/html; charset=utf-8", &body, NULL,
	    NULL);
}
