/* SPDX-License-Identifier: MIT */
/*
 * chat.c - /test/chat: a request becomes a job, its result the answer.
 *
 * Owns:   nothing beyond a call; the exchange keeps what waits.
 * Called: by the HTTP server's thread; on_job_done by that of the waiters.
 * Fails:  by an HTTP status; the job, once pushed, goes on whatever happens here.
 */
#include "config.h"

#include "gateway/exchange.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static enum MHD_Result
on_field(void *arg, enum MHD_ValueKind kind UNUSED, const char *key,
    const char *filename UNUSED, const char *type UNUSED, const char *encoding UNUSED,
    const char *bytes, uint64_t offset, size_t n)
{
	struct chat_fields *f = arg;
	struct buf *field = key == NULL      ? NULL
	    : strcmp(key, "prompt") == 0     ? &f->prompt
	    : strcmp(key, "agent") == 0      ? &f->agent
	    : strcmp(key, "session_id") == 0 ? &f->session_id
					     : NULL;

	if (field == NULL)
		return MHD_YES;
	if (offset == 0) /* the last one counts, as in JSON */
		buf_clear(field);
	buf_add(field, bytes, n);
	return MHD_YES;
}

/* The query fills what the form left out. */
static void
add_query(struct exchange *x, const char *name, struct buf *field)
{
	const char *value = NULL;
	size_t n = 0;

	if (field->len == 0 &&
	    MHD_lookup_connection_value_n(x->mhd, MHD_GET_ARGUMENT_KIND, name,
		strlen(name), &value, &n) == MHD_YES &&
	    value != NULL)
		buf_add(field, value, n);
}

static int
job_from_form(struct exchange *x, struct chat_job *job, struct err *err)
{
	CLEANUP(chat_fields_release)
	struct chat_fields f = { BUF_INIT, BUF_INIT, BUF_INIT };
	struct MHD_PostProcessor *form = x->body.len > 0
	    ? MHD_create_post_processor(x->mhd, 4096, on_field, &f)
	    : NULL;

	if (form != NULL) {
		(void)MHD_post_process(form, buf_str(&x->body), x->body.len);
		(void)MHD_destroy_post_processor(form);
	}
	add_query(x, "prompt", &f.prompt);
	add_query(x, "agent", &f.agent);
	add_query(x, "session_id", &f.session_id);
	return chat_job_from_fields(job, &f, err);
}

static bool
is_json(const struct exchange *x)
{
	const char *type =
	    MHD_lookup_connection_value(x->mhd, MHD_HEADER_KIND, "Content-Type");
	size_t at;

	if (type != NULL && strncasecmp(type, "application/json", 16) == 0)
		return true;
	if (type != NULL &&
	    (strncasecmp(type, "application/x-www-form", 22) == 0 ||
		strncasecmp(type, "multipart/", 10) == 0))
		/* curl -d says form whatever it sends: an object is no form */
		return strncasecmp(type, "application/x-www-form", 22) == 0 &&
		    x->body.len > 0 && x->body.data[0] == '{';
	at = strspn(buf_str(&x->body), " \t\r\n");
	return at < x->body.len && x->body.data[at] == '{';
}

/* From the waiters' thread. */
static void
on_job_done(void *arg, enum wait_outcome outcome, const char *text, size_t n)
{
	struct exchange *x = arg;

	x->outcome = outcome;
	buf_add(&x->answer, text, n);
	atomic_store(&x->is_answered, true);
	MHD_resume_connection(x->mhd);
}

static enum MHD_Result
submit(struct exchange *x, struct chat_job *job)
{
	const struct gateway_services *v = &x->server->gateway->services;
	int r;

	(void)snprintf(x->job_id, sizeof(x->job_id), "%s", job->id);
	x->is_submitted = true;
	connections_phase(x->server->connections, x->connection, CONNECTION_WAITING, x);
	MHD_suspend_connection(x->mhd); /* before anybody can resume it */
	r = v->submit(v->ctx, job, on_job_done, x);
	if (r < 0) { /* resumed at once: chat_run is called again and answers */
		x->outcome = r == -ESHUTDOWN ? WAIT_STOPPED : WAIT_NOT_QUEUED;
		x->job_id[0] = '\0';
		buf_adds(&x->answer,
		    r == -EBUSY
			? "as many requests wait for their jobs as http.max_waiting allows; "
			  "come back later, or push to the queue"
			: r == -ESHUTDOWN ? "the gateway is stopping"
					  : "no memory for the request");
		atomic_store(&x->is_answered, true);
		MHD_resume_connection(x->mhd);
	}
	return MHD_YES;
}

static enum MHD_Result
answer_chat(struct exchange *x)
{
	static const char later[] = "the job goes on; its result is stored";

	switch (x->outcome) {
	case WAIT_RESULT:
		return exchange_send_json(x, MHD_HTTP_OK, &x->answer);
	case WAIT_NOT_QUEUED:
		x->job_id[0] = '\0';
		return exchange_send_error(x, MHD_HTTP_SERVICE_UNAVAILABLE,
		    "unavailable", buf_str(&x->answer), "Retry-After", "2");
	case WAIT_LATE:
		return exchange_send_error(x, MHD_HTTP_GATEWAY_TIMEOUT, "timeout",
		    later, NULL, NULL);
	case WAIT_UNKNOWN:
		return exchange_send_error(x, MHD_HTTP_BAD_GATEWAY, "outcome_unknown",
		    buf_str(&x->answer), NULL, NULL);
	case WAIT_STOPPED:
		return exchange_send_error(x, MHD_HTTP_SERVICE_UNAVAILABLE,
		    "unavailable", x->answer.len > 0 ? buf_str(&x->answer) : later,
		    "Retry-After", "2");
	case WAIT_GONE:
		break;
	}
	return MHD_NO; /* nobody reads */
}

enum MHD_Result
chat_run(struct exchange *x)
{
	struct chat_job job = { 0 };
	struct err err = ERR_INIT;
	enum MHD_Result result;
	int r;

	if (x->is_submitted)
		return atomic_load(&x->is_answered) ? answer_chat(x) : MHD_YES;
	r = is_json(x) ? chat_job_from_json(&job, buf_str(&x->body), x->body.len, &err)
		       : job_from_form(x, &job, &err);
	if (r == 0)
		result = submit(x, &job);
	else if (r == -EINVAL)
		result = exchange_send_error(x, MHD_HTTP_BAD_REQUEST, "bad_request",
		    err_text(&err), NULL, NULL);
	else
		result = MHD_NO;
	chat_job_release(&job);
	return result;
}
