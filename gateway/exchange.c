/* SPDX-License-Identifier: MIT */
/*
 * exchange.c - answers, all with the same manners.
 *
 * Owns:   nothing; bodies are given to the library.
 * Called: by whatever answers a request, in the library's thread.
 * Fails:  with MHD_NO, which closes the connection.
 */
#include "config.h"

#include "gateway/exchange.h"

#include "common/json/json.h"

enum MHD_Result
exchange_send(struct exchange *x, unsigned status, const char *type, struct buf *body,
    const char *name, const char *value)
{
	size_t len = body->len;
	char *bytes = buf_take(body, NULL);
	struct MHD_Response *response;
	enum MHD_Result r;

	if (bytes == NULL)
		return MHD_NO;
	response = MHD_create_response_from_buffer(len, bytes, MHD_RESPMEM_MUST_FREE);
	if (response == NULL) {
		free(bytes);
		return MHD_NO;
	}
	(void)MHD_add_response_header(response, "Content-Type", type);
	(void)MHD_add_response_header(response, "Cache-Control", "no-store");
	(void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	(void)MHD_add_response_header(response, "Content-Security-Policy",
	    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
	if (name != NULL)
		(void)MHD_add_response_header(response, name, value);
	if (x->job_id[0] != '\0')
		(void)MHD_add_response_header(response, "X-Job-Id", x->job_id);
	connections_phase(x->server->connections, x->connection, CONNECTION_SENDING,
	    NULL);
	r = MHD_queue_response(x->mhd, status, response);
	MHD_destroy_response(response);
	return r;
}

enum MHD_Result
exchange_send_json(struct exchange *x, unsigned status, struct buf *body)
{
	return exchange_send(x, status, "application/json", body, NULL, NULL);
}

enum MHD_Result
exchange_send_error(struct exchange *x, unsigned status, const char *type,
    const char *message, const char *name, const char *value)
{
	struct buf body = BUF_INIT;
	struct json_writer w;
	enum MHD_Result r;

	metric_add(x->server->gateway->metrics, METRIC_HTTP_REFUSED, 0, 1);
	jw_init(&w, &body);
	jw_object_begin(&w);
	jw_key(&w, "error");
	jw_object_begin(&w);
	jw_key(&w, "type");
	jw_cstr(&w, type);
	jw_key(&w, "message");
	jw_cstr(&w, message);
	jw_object_end(&w);
	if (x->job_id[0] != '\0') {
		jw_key(&w, "job_id");
		jw_cstr(&w, x->job_id);
	}
	jw_object_end(&w);
	r = exchange_send(x, status, "application/json", &body, name, value);
	buf_release(&body);
	return r;
}
