/* SPDX-License-Identifier: MIT */
/*
 * fetch_proto.h - what workers ask the fetch process over a lane (common/lane.h).
 *
 * FETCH_REQUEST: meta is a JSON object; the answer has the same op and id.
 *
 *   url           string; without a scheme it is https
 *   method        GET (default) or POST; with any_method also PUT, PATCH, DELETE, HEAD
 *   params        object: GET, HEAD, DELETE: the query (arrays repeat, null is left
 *                 out); else the JSON body (any JSON value), or a form when the
 *                 Content-Type header says application/x-www-form-urlencoded
 *   headers       object of text, number or boolean
 *   auth_profile  name of a profile of the configuration
 *   timeout_ms    at most network.timeout_sec, which is also the default
 *   max_bytes     at most network.max_body_bytes, which is also the default
 *   any_method    true for callers that name methods themselves (OpenAPI)
 *
 * The data of the message, if there is any, is the body, byte for byte; params then go
 * to the query whatever the method. A body needs its Content-Type header.
 *
 * The answer's meta, and the body as the answer's data when ok is true:
 *
 *   ok, status, content_type, etag (when the server sent one), url (of the last hop,
 *   credentials masked), redirects, bytes, ms,
 *   error { type, message, hint, retryable, retry_after_ms (when the server named it) }
 *
 * type is an error type of the result message: invalid_step, execution_error,
 * step_limit, forbidden_address, cancelled, internal. A status that is not 2xx is an
 * error: 408, 425, 429 and 5xx execution_error, else invalid_step; message then has its
 * first 500 bytes.
 *
 * FETCH_CANCEL: no meta, no data; id is that of the request, which is answered with
 * "cancelled" (an id that is not under way is ignored).
 */
#ifndef COMMON_PIPELINE_FETCH_PROTO_H
#define COMMON_PIPELINE_FETCH_PROTO_H

enum fetch_op {
	FETCH_REQUEST = 1,
	FETCH_CANCEL = 2
};

enum {
	FETCH_ERROR_BODY_MAX = 500, /* bytes of a failed answer in the message */
	FETCH_HEADERS_MAX = 64
};

#endif
