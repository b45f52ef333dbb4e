/* SPDX-License-Identifier: MIT */
/*
 * job_message.c - reads a job's JSON and names every field that is wrong.
 *
 * Owns:   nothing; texts live in the caller's arena.
 * Called: by the job, before begin.
 * Fails:  -EINVAL when the job must fail, -ENOMSG when it has no readable id.
 */
#include "config.h"

#include "worker/job_message.h"

#include "common/clock.h"
#include "common/store/digest.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

struct job_reader {
	struct arena *arena;
	const struct json *root;
	struct job_message *out;
	struct job_message_fault *fault;
	bool is_bad;
};

PRINTF_LIKE(2, 3)
static void
bad(struct job_reader *rd, const char *fmt, ...)
{
	static const char more[] = "; and more";
	char *text = rd->fault->text;
	size_t used = strlen(text), room = sizeof(rd->fault->text) - sizeof(more);
	char one[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(one, sizeof(one), fmt, ap);
	va_end(ap);
	if (used + strlen(one) + 2 < room)
		(void)snprintf(text + used, room - used, "%s%s", used > 0 ? "; " : "",
		    one);
	else if (used < sizeof(more) ||
	    strcmp(text + used - (sizeof(more) - 1), more) != 0)
		memcpy(text + used, more, sizeof(more));
	if (!rd->is_bad)
		rd->fault->type = ERROR_TYPE_INVALID_MESSAGE;
	rd->is_bad = true;
}

/* A member that is there and not null. */
static const struct json *
present(const struct json *object, const char *name)
{
	const struct json *v = json_get(object, name);

	return json_is(v, JSON_NULL) ? NULL : v;
}

/* Control characters: C0, DEL and, in UTF-8, C1 (RFC 20, ISO 6429). */
static bool
has_control(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c < 0x20 || c == 0x7f)
			return true;
		if (c == 0xc2 && i + 1 < n && (unsigned char)s[i + 1] < 0xa0)
			return true;
	}
	return false;
}

static const char *
read_job_id(struct job_reader *rd)
{
	const struct json *v = present(rd->root, "job_id");
	const char *id;

	if (v == NULL) {
		bad(rd, "job_id is missing");
		return NULL;
	}
	if (!json_is(v, JSON_STRING)) {
		bad(rd, "job_id must be text, not %s", json_type_name(v->type));
		return NULL;
	}
	if (v->len == 0 || v->len > JOB_ID_MAX) {
		bad(rd, "job_id must have 1 to %d bytes, not %u", JOB_ID_MAX, v->len);
		return NULL;
	}
	if (has_control(v->text, v->len)) {
		bad(rd, "job_id must not hold control characters");
		return NULL;
	}
	id = json_cstr(rd->arena, v);
	return id;
}

/* A short text without control characters; "" when absent or bad. */
static const char *
read_text(struct job_reader *rd, const struct json *object, const char *path,
    const char *name)
{
	const struct json *v = present(object, name);
	const char *s;

	if (v == NULL)
		return "";
	if (!json_is(v, JSON_STRING)) {
		bad(rd, "%s%s must be text, not %s", path, name,
		    json_type_name(v->type));
		return "";
	}
	if (v->len > JOB_TEXT_MAX || has_control(v->text, v->len)) {
		bad(rd, "%s%s must have at most %d bytes and no control characters",
		    path, name, JOB_TEXT_MAX);
		return "";
	}
	s = json_cstr(rd->arena, v);
	return s != NULL ? s : "";
}

static const struct json *
read_typed(struct job_reader *rd, const struct json *object, const char *path,
    const char *name, enum json_type type)
{
	const struct json *v = present(object, name);

	if (v != NULL && !json_is(v, type)) {
		bad(rd, "%s%s must be an %s, not %s", path, name, json_type_name(type),
		    json_type_name(v->type));
		return NULL;
	}
	return v;
}

static int64_t
read_integer(struct job_reader *rd, const char *name, int64_t min, int64_t absent)
{
	const struct json *v = present(rd->root, name);
	int64_t i = absent;

	if (v == NULL)
		return absent;
	if (json_int64(v, &i) < 0 || i < min) {
		bad(rd, "%s must be a whole number of at least %lld", name,
		    (long long)min);
		return absent;
	}
	return i;
}

/* Whole seconds; a fraction counts as a begun one. */
static int64_t
read_timeout(struct job_reader *rd)
{
	const struct json *v = present(rd->root, "timeout_sec");
	double sec = 0;

	if (v == NULL)
		return JOB_TIMEOUT_DEFAULT;
	if (json_double(v, &sec) < 0 || !(sec > 0)) {
		bad(rd, "timeout_sec must be a number above 0");
		return JOB_TIMEOUT_DEFAULT;
	}
	return sec > 1e9 ? 1000000000 : (int64_t)ceil(sec);
}

/* RFC 3339; a time without a zone is taken as UTC. */
static int64_t
read_created_at(struct job_reader *rd)
{
	const struct json *v = present(rd->root, "created_at");
	char text[64];
	int64_t ms;

	if (v == NULL)
		return -1;
	if (json_is(v, JSON_STRING) && v->len + 2 < sizeof(text)) {
		if (clock_parse_iso(v->text, v->len, &ms) == 0)
			return ms;
		(void)snprintf(text, sizeof(text), "%.*sZ", (int)v->len, v->text);
		if (clock_parse_iso(text, strlen(text), &ms) == 0)
			return ms;
	}
	bad(rd, "created_at must be a date-time such as 2026-01-31T12:00:00Z");
	return -1;
}

static void
read_version(struct job_reader *rd)
{
	const struct json *v = present(rd->root, "version");

	if (v == NULL)
		return;
	if (!json_is(v, JSON_STRING) || v->len == 0 || v->len > 16 ||
	    has_control(v->text, v->len)) {
		bad(rd, "version must be text such as \"1.0\"");
		return;
	}
	if (v->text[0] == '1' && (v->len == 1 || v->text[1] == '.'))
		return;
	bad(rd, "version %.*s is not supported; this service reads 1.x", (int)v->len,
	    v->text);
	rd->fault->type = ERROR_TYPE_UNSUPPORTED_VERSION;
}

static void
read_prompt(struct job_reader *rd)
{
	const struct json *v = present(rd->root, "prompt");
	const char *name = "prompt";

	if (v == NULL) {
		v = present(rd->root, "task");
		name = v != NULL ? "task" : "prompt";
	}
	if (v == NULL) {
		bad(rd, "prompt is missing");
	} else if (!json_is(v, JSON_STRING)) {
		bad(rd, "%s must be text, not %s", name, json_type_name(v->type));
	} else if (v->len == 0) {
		bad(rd, "%s must not be empty", name);
	} else {
		rd->out->prompt = arena_strndup(rd->arena, v->text, v->len);
		rd->out->prompt_len = v->len;
	}
}

static void
read_previous_results(struct job_reader *rd, const struct json *context)
{
	const struct json *list =
	    read_typed(rd, context, "context.", "previous_results", JSON_ARRAY);

	for (uint32_t i = 0; list != NULL && i < list->len; i++) {
		const struct json *item = &list->items[i];
		char path[64];

		(void)snprintf(path, sizeof(path), "context.previous_results[%u].", i);
		if (!json_is(item, JSON_OBJECT)) {
			bad(rd, "context.previous_results[%u] must be an object", i);
			continue;
		}
		(void)read_text(rd, item, path, "node_id");
		(void)read_text(rd, item, path, "result_ref");
	}
	rd->out->previous_results = list;
}

static void
read_context(struct job_reader *rd)
{
	const struct json *context =
	    read_typed(rd, rd->root, "", "context", JSON_OBJECT);

	rd->out->session_id = read_text(rd, context, "context.", "session_id");
	rd->out->workflow_state =
	    read_typed(rd, context, "context.", "workflow_state", JSON_OBJECT);
	read_previous_results(rd, context);
}

static void
read_owner(struct job_reader *rd)
{
	const char *owner = read_text(rd, rd->root, "", "workflow_owner");

	rd->out->user_id = read_text(rd, rd->root, "", "user_id");
	rd->out->owner = owner[0] != '\0' ? owner : rd->out->user_id;
}

/*
 * Two copies of a job may differ in when and for the how manyth time they were sent,
 * but not in what they ask: the digest covers the other fields in canonical form.
 */
static int
message_digest(struct job_reader *rd)
{
	static const char *const left_out[] = { "retry_count", "created_at",
		"traceparent" };
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct json_builder *b = json_object_begin(rd->arena);

	for (uint32_t i = 0; i < rd->root->len; i++) {
		const struct json_member *m = &rd->root->members[i];
		bool is_left_out = false;

		for (size_t k = 0; k < ARRAY_LEN(left_out); k++)
			is_left_out |= m->name_len == strlen(left_out[k]) &&
			    memcmp(m->name, left_out[k], m->name_len) == 0;
		if (!is_left_out)
			json_object_add_n(b, m->name, m->name_len, &m->value);
	}
	json_write_canonical(&text, json_end(b));
	if (buf_status(&text) != 0)
		return buf_status(&text);
	return digest_of(buf_str(&text), text.len, rd->out->digest);
}

int
job_message_read(struct arena *a, const char *payload, size_t n,
    struct job_message *out, struct job_message_fault *fault)
{
	struct job_reader rd = { .arena = a, .out = out, .fault = fault };
	struct err e = ERR_INIT;
	int r;

	*out = (struct job_message){ .run_id = "",
		.node_id = "",
		.workflow_tag = "",
		.owner = "",
		.user_id = "",
		.prompt = "",
		.agent = "workflow",
		.session_id = "",
		.traceparent = "",
		.timeout_sec = JOB_TIMEOUT_DEFAULT,
		.created_at_ms = -1 };
	*fault = (struct job_message_fault){ .type = ERROR_TYPE_NONE };
	r = json_read(a, payload, n, 0, &rd.root, &e);
	if (r == -ENOMEM)
		return r;
	if (r < 0 || !json_is(rd.root, JSON_OBJECT)) {
		bad(&rd, "%s%s", r < 0 ? "not JSON: " : "a job must be a JSON object",
		    r < 0 ? e.text : "");
		return -ENOMSG;
	}
	out->job_id = read_job_id(&rd);
	if (out->job_id == NULL)
		return arena_failed(a) ? -ENOMEM : -ENOMSG;
	read_version(&rd);
	out->run_id = read_text(&rd, rd.root, "", "run_id");
	out->node_id = read_text(&rd, rd.root, "", "node_id");
	out->workflow_tag = read_text(&rd, rd.root, "", "workflow_tag");
	out->traceparent = read_text(&rd, rd.root, "", "traceparent");
	read_owner(&rd);
	read_prompt(&rd);
	read_context(&rd);
	if (present(rd.root, "agent") != NULL)
		out->agent = read_text(&rd, rd.root, "", "agent");
	out->current_workflow =
	    read_typed(&rd, rd.root, "", "current_workflow", JSON_OBJECT);
	out->output_schema = read_typed(&rd, rd.root, "", "output_schema", JSON_OBJECT);
	out->timeout_sec = read_timeout(&rd);
	out->retry_count = read_integer(&rd, "retry_count", 0, 0);
	out->max_tokens_total = read_integer(&rd, "max_tokens_total", 1, 0);
	out->created_at_ms = read_created_at(&rd);
	r = message_digest(&rd);
	if (r < 0 || arena_failed(a) || out->prompt == NULL)
		return -ENOMEM;
	return rd.is_bad ? -EINVAL : 0;
}

bool
job_message_names_ref(const struct job_message *m, const char *ref)
{
	for (uint32_t i = 0;
	     m->previous_results != NULL && i < m->previous_results->len; i++)
		if (json_eq_str(json_get(&m->previous_results->items[i], "result_ref"),
			ref))
			return true;
	return false;
}
