/* SPDX-License-Identifier: MIT */
/*
 * chat_job.c - builds job messages from what came over HTTP.
 *
 * Owns:   the payload of a struct chat_job.
 * Called: by the HTTP server, once a request is complete.
 * Fails:  with -EINVAL and what the client should send; the worker checks all the rest
 *         of the fields, as it does for every producer.
 */
#include "config.h"

#include "gateway/chat_job.h"

#include "common/clock.h"
#include "common/json/json.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

enum {
	ARENA_MAX = 256 * 1024 * 1024
};

void
chat_job_release(struct chat_job *job)
{
	buf_release(&job->payload);
}

static int
draw_id(char id[CHAT_ID_MAX], struct err *err)
{
	unsigned char b[16];

	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		return err_set(err, -EIO, "no random numbers");
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	(void)snprintf(id, CHAT_ID_MAX,
	    "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
	    b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11],
	    b[12], b[13], b[14], b[15]);
	return 0;
}

static void
begin(struct json_writer *w, struct chat_job *job)
{
	char now[CLOCK_ISO_MAX];

	jw_init(w, &job->payload);
	jw_object_begin(w);
	jw_key(w, "version");
	jw_cstr(w, "1.0");
	jw_key(w, "job_id");
	jw_cstr(w, job->id);
	jw_key(w, "created_at");
	jw_cstr(w, clock_iso(clock_wall_ms(), now));
}

static bool
is_ours(const struct json_member *m)
{
	return m->name_len == strlen(m->name) &&
	    (strcmp(m->name, "version") == 0 || strcmp(m->name, "created_at") == 0);
}

static int
copy_job(struct chat_job *job, const struct json *v, struct err *err)
{
	const struct json *prompt = json_get(v, "prompt");
	struct json_writer w;

	if (!json_is(v, JSON_OBJECT))
		return err_set(err, -EINVAL,
		    "the body must be a JSON object with a \"prompt\"");
	if (prompt == NULL)
		prompt = json_get(v, "task");
	if (!json_is(prompt, JSON_STRING) || prompt->len == 0)
		return err_set(err, -EINVAL, "\"prompt\" is missing or no text");
	if (json_get(v, "job_id") != NULL)
		return err_set(err, -EINVAL,
		    "\"job_id\" is chosen by the gateway; push to the queue to choose it");
	if (json_int64(json_get(v, "timeout_sec"), &job->timeout_sec) < 0)
		job->timeout_sec = CHAT_TIMEOUT_SEC;
	begin(&w, job);
	for (size_t i = 0; i < v->len; i++) {
		if (is_ours(&v->members[i]))
			continue;
		jw_key_n(&w, v->members[i].name, v->members[i].name_len);
		jw_value(&w, &v->members[i].value);
	}
	jw_object_end(&w);
	return 0;
}

int
chat_job_from_json(struct chat_job *job, const char *text, size_t n, struct err *err)
{
	CLEANUP(arena_freep) struct arena *arena = arena_new(ARENA_MAX);
	const struct json *v = NULL;
	struct err why = ERR_INIT;
	int r;

	memset(job, 0, sizeof(*job));
	r = draw_id(job->id, err);
	if (r < 0)
		return r;
	if (arena == NULL)
		return err_set(err, -ENOMEM, "no memory for the request");
	if (json_read(arena, text, n, 0, &v, &why) < 0)
		return err_set(err, -EINVAL, "the body is no JSON: %s", err_text(&why));
	r = copy_job(job, v, err);
	return r < 0 ? r : buf_status(&job->payload);
}

static void
add_field(struct json_writer *w, const char *name, const struct buf *value)
{
	if (value->len == 0)
		return;
	jw_key(w, name);
	jw_string(w, buf_str(value), value->len);
}

void
chat_fields_release(struct chat_fields *f)
{
	buf_release(&f->prompt);
	buf_release(&f->agent);
	buf_release(&f->session_id);
}

/* Bytes that are no text would reach the model as other bytes than were sent. */
static int
check_fields(const struct chat_fields *f, struct err *err)
{
	const struct {
		const char *name;
		const struct buf *value;
	} all[] = { { "prompt", &f->prompt }, { "agent", &f->agent },
		{ "session_id", &f->session_id } };

	if (f->prompt.len == 0)
		return err_set(err, -EINVAL,
		    "\"prompt\" is missing: give it in the query, in a form or in a JSON "
		    "object");
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (!json_is_utf8(buf_str(all[i].value), all[i].value->len))
			return err_set(err, -EINVAL,
			    "\"%s\" is not UTF-8: send it in that encoding",
			    all[i].name);
	return 0;
}

int
chat_job_from_fields(struct chat_job *job, const struct chat_fields *f, struct err *err)
{
	struct json_writer w;
	int r;

	memset(job, 0, sizeof(*job));
	r = check_fields(f, err);
	if (r == 0)
		r = draw_id(job->id, err);
	if (r < 0)
		return r;
	job->timeout_sec = CHAT_TIMEOUT_SEC;
	begin(&w, job);
	add_field(&w, "prompt", &f->prompt);
	add_field(&w, "agent", &f->agent);
	if (f->session_id.len > 0) {
		jw_key(&w, "context");
		jw_object_begin(&w);
		add_field(&w, "session_id", &f->session_id);
		jw_object_end(&w);
	}
	jw_object_end(&w);
	return buf_status(&job->payload);
}
