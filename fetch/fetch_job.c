/* SPDX-License-Identifier: MIT */
/*
 * fetch_job.c - one request: read, sent, judged, answered.
 *
 * Owns:   struct fetch_job.
 * Called: by lane.c for each message, by the HTTP client at the end.
 * Fails:  never without an answer, unless the lane itself is gone.
 */
#include "config.h"

#include "fetch/fetch.h"

#include "common/clock.h"
#include "common/fault_point.h"
#include "common/json/json.h"
#include "common/log.h"

#include <errno.h>
#include <string.h>

void
fetch_job_free(struct fetch_job *job)
{
	if (job == NULL)
		return;
	job->fetch->n_jobs--;
	job->lane->held_bytes -= job->held_bytes;
	fetch_request_release(&job->request);
	lane_data_release(&job->data);
	free(job->data_copy);
	body_sink_release(&job->sink);
	fetch_error_release(&job->error);
	buf_release(&job->answer);
	free(job);
}

static void
write_error(struct json_writer *w, const struct fetch_error *e)
{
	jw_key(w, "error");
	jw_object_begin(w);
	jw_key(w, "type");
	jw_cstr(w, e->type);
	jw_key(w, "message");
	jw_string(w, buf_str(&e->message), e->message.len);
	jw_key(w, "hint");
	jw_cstr(w, e->hint);
	jw_key(w, "retryable");
	jw_bool(w, e->is_retryable);
	if (e->retry_after_ms >= 0) {
		jw_key(w, "retry_after_ms");
		jw_int(w, e->retry_after_ms);
	}
	jw_object_end(w);
}

static void
write_masked(struct json_writer *w, const char *name, const struct fetch_job *job,
    const char *text)
{
	CLEANUP_BUF struct buf masked = BUF_INIT;

	secrets_mask(job->secrets, &masked, text, strlen(text));
	jw_key(w, name);
	jw_string(w, buf_str(&masked), masked.len);
}

/* Where the last hop led, without keys that only their names tell. */
static void
write_url(struct json_writer *w, const struct fetch_job *job, const char *url)
{
	CLEANUP_BUF struct buf shown = BUF_INIT;

	conf_mask_url(&shown, url);
	write_masked(w, "url", job, buf_str(&shown));
}

/* result NULL: nothing was sent. */
static void
write_answer(struct fetch_job *job, const struct http_result *result)
{
	const char *etag = result != NULL ? http_result_header(result, "etag") : NULL;
	struct json_writer w;

	jw_init(&w, &job->answer);
	jw_object_begin(&w);
	jw_key(&w, "ok");
	jw_bool(&w, job->error.type == NULL);
	jw_key(&w, "status");
	jw_int(&w, result != NULL ? result->status : 0);
	if (result != NULL) {
		write_masked(&w, "content_type", job, result->content_type);
		write_url(&w, job, result->url);
		if (etag != NULL)
			write_masked(&w, "etag", job, etag);
		jw_key(&w, "redirects");
		jw_uint(&w, result->redirects);
	}
	jw_key(&w, "bytes");
	jw_uint(&w, job->sink.bytes);
	jw_key(&w, "ms");
	jw_uint(&w, clock_mono_ms() - job->started_ms);
	if (job->error.type != NULL)
		write_error(&w, &job->error);
	jw_object_end(&w);
}

static void
answer(struct fetch_job *job, const struct http_result *result)
{
	struct fetch *f = job->fetch;

	if (job->error.type != NULL) {
		if (strcmp(job->error.type, "forbidden_address") == 0)
			metric_add(f->metrics, METRIC_FETCH_REFUSED, 0, 1);
		body_sink_release(&job->sink);
		body_sink_init(&job->sink, job->secrets);
	}
	write_answer(job, result);
	FAULT_POINT(FETCH_DONE);
	log_debug("fetch %llu of worker %u: %s, %llu bytes, %llu ms",
	    (unsigned long long)job->id, job->lane->slot,
	    job->error.type != NULL ? job->error.type : "ok",
	    (unsigned long long)job->sink.bytes,
	    (unsigned long long)(clock_mono_ms() - job->started_ms));
	lane_answer(job->lane, job);
}

static void
on_done(void *ctx, struct http_result *result)
{
	struct fetch_job *job = ctx;

	job->transfer = NULL;
	if (job->is_crowded_out)
		fetch_error_crowded(&job->error, buf_str(&job->request.shown_url),
		    job->secrets);
	else if (fetch_error_judge(&job->error, result,
		     buf_str(&job->request.shown_url), job->secrets) &&
	    body_sink_seal(&job->sink) < 0) {
		struct http_result failed = { .class = HTTP_INTERNAL,
			.message = "the body could not be sealed" };

		(void)fetch_error_judge(&job->error, &failed,
		    buf_str(&job->request.shown_url), job->secrets);
	}
	answer(job, result);
}

static int
on_body(void *ctx, const char *bytes, size_t n)
{
	struct fetch_job *job = ctx;

	/* a small file unpacks to a large body: as many as ask at once do not fill memory */
	job->is_crowded_out = job->lane->held_bytes + n > job->fetch->lane_bytes_max;
	if (job->is_crowded_out)
		return -ENOBUFS;
	job->lane->held_bytes += n;
	job->held_bytes += n;
	return body_sink_add(&job->sink, bytes, n);
}

static void
out_of_memory(struct fetch_job *job)
{
	static const struct http_result failed = { .class = HTTP_INTERNAL,
		.message = "no memory for this request" };

	(void)fetch_error_judge(&job->error, &failed, "http_request", NULL);
	answer(job, NULL);
}

/* The message's data as one piece of memory that stays. */
static int
keep_data(struct fetch_job *job, struct lane_message *msg)
{
	CLEANUP(closep) int fd = TAKE_FD(msg->data_fd);
	struct lane_message kept = *msg;
	char *copy;

	if (msg->head.data_len == 0)
		return 0;
	if (fd >= 0) {
		kept.data_fd = fd;
		return lane_data_open(&kept, &job->data);
	}
	copy = malloc(msg->head.data_len);
	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, msg->data, msg->head.data_len);
	job->data_copy = copy;
	job->data = (struct lane_data){ .bytes = copy, .len = msg->head.data_len };
	return 0;
}

void
fetch_job_start(struct lane *lane, struct lane_message *msg)
{
	struct fetch *f = lane->fetch;
	struct fetch_job *job = calloc(1, sizeof(*job));
	int r;

	FAULT_POINT(FETCH_TAKEN);
	if (job == NULL) {
		if (msg->data_fd >= 0)
			(void)close(msg->data_fd);
		lane->is_dead = true; /* an unanswered request must not look alive */
		return;
	}
	f->n_jobs++;
	job->fetch = f;
	job->lane = lane;
	job->id = msg->head.id;
	job->started_ms = clock_mono_ms();
	job->secrets = fetch_secrets(f, NULL);
	body_sink_init(&job->sink, job->secrets);
	TAILQ_INSERT_TAIL(&lane->running, job, entry);
	metric_add(f->metrics, METRIC_FETCH_REQUESTS, 0, 1);
	r = keep_data(job, msg);
	if (r == 0)
		r = fetch_request_read(&job->request, f->conf, msg->meta,
		    msg->head.meta_len, job->data.bytes, job->data.len, &job->error);
	if (r == -EINVAL && job->error.type != NULL) {
		answer(job, NULL);
		return;
	}
	job->request.http.on_body = on_body;
	job->secrets = fetch_secrets(f, job->request.profile);
	job->sink.masked.secrets = job->request.http.secrets = job->secrets;
	if (r == 0)
		job->transfer =
		    http_client_start(f->client, &job->request.http, on_done, job);
	if (job->transfer == NULL)
		out_of_memory(job);
}

void
fetch_job_cancel(struct fetch_job *job)
{
	if (job->transfer != NULL)
		http_client_cancel(job->fetch->client, job->transfer);
}
