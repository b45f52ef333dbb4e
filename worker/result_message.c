/* SPDX-License-Identifier: MIT */
/*
 * result_message.c - writes result messages, members in the documented order.
 *
 * Owns:   nothing; appends to the caller's buffer.
 * Called: once per finished job, before the row is stored.
 * Fails:  as the buffer does.
 */
#include "config.h"

#include "worker/result_message.h"

#include <string.h>

enum {
	MESSAGE_TEXT_CHARS = 4000
};

/* A text of at most max code points, cut with an ellipsis. */
static void
write_text(struct json_writer *w, const char *s, size_t n, unsigned max)
{
	CLEANUP_BUF struct buf cut = BUF_INIT;
	size_t i = 0;

	for (unsigned chars = 0; i < n && chars < max; chars++) {
		i++;
		while (i < n && ((unsigned char)s[i] & 0xc0) == 0x80)
			i++;
	}
	if (i == n) {
		jw_string(w, s, n);
		return;
	}
	/* the ellipsis is one of the characters allowed */
	do
		i--;
	while (i > 0 && ((unsigned char)s[i] & 0xc0) == 0x80);
	buf_add(&cut, s, i);
	buf_adds(&cut, "\xe2\x80\xa6");
	jw_string(w, buf_str(&cut), cut.len);
}

static void
write_calls(struct json_writer *w, const struct conversation_result *r)
{
	jw_array_begin(w);
	for (const struct conversation_tool_call *c = r != NULL ? r->calls : NULL;
	     c != NULL; c = c->next) {
		jw_object_begin(w);
		jw_key(w, "tool");
		jw_string(w, c->tool.s, c->tool.len);
		jw_key(w, "args");
		jw_raw(w, c->args.s, c->args.len);
		jw_object_end(w);
	}
	jw_array_end(w);
}

static void
write_tokens(struct json_writer *w, const struct llm_usage *u)
{
	jw_key(w, "tokens_used");
	jw_uint(w, u->input + u->output);
	llm_usage_write(w, "tokens", u);
}

static void
write_metadata(struct json_writer *w, const struct result_facts *f)
{
	static const struct conversation_result nothing;
	const struct conversation_result *r = f->result != NULL ? f->result : &nothing;

	jw_key(w, "metadata");
	jw_object_begin(w);
	jw_key(w, "tool_calls");
	write_calls(w, r);
	write_tokens(w, &r->usage);
	jw_key(w, "cost_usd");
	jw_double(w, (double)r->cost_microusd / 1e6);
	jw_key(w, "cache_hit");
	jw_bool(w, r->usage.cached > 0);
	jw_key(w, "execution_time_ms");
	jw_uint(w, f->execution_ms);
	jw_key(w, "queue_ms");
	if (f->queue_ms >= 0)
		jw_int(w, f->queue_ms);
	else
		jw_null(w);
	jw_key(w, "llm_model");
	jw_cstr(w, f->model[0] != '\0' ? f->model : NULL);
	jw_key(w, "intent");
	jw_cstr(w, f->intent[0] != '\0' ? f->intent : NULL);
	jw_key(w, "turns");
	jw_uint(w, r->turns);
	jw_key(w, "attempts");
	jw_uint(w, f->attempts);
	jw_key(w, "message");
	if (r->message.len > 0)
		write_text(w, r->message.s, r->message.len, MESSAGE_TEXT_CHARS);
	else
		jw_null(w);
	jw_key(w, "limit_hit");
	jw_cstr(w, r->limit_hit);
	jw_object_end(w);
}

static void
write_head(struct json_writer *w, const struct result_facts *f, const char *status)
{
	jw_object_begin(w);
	jw_key(w, "version");
	jw_cstr(w, "1.0");
	jw_key(w, "job_id");
	jw_cstr(w, f->job_id);
	jw_key(w, "status");
	jw_cstr(w, status);
}

static void
write_tail(struct json_writer *w, const struct result_facts *f)
{
	char iso[CLOCK_ISO_MAX];

	write_metadata(w, f);
	jw_key(w, "completed_at");
	jw_cstr(w, clock_iso(f->completed_at_ms, iso));
	jw_object_end(w);
}

static void
write_error(struct json_writer *w, const struct result_facts *f)
{
	jw_object_begin(w);
	jw_key(w, "type");
	jw_cstr(w, error_type_name(f->error.type));
	jw_key(w, "message");
	write_text(w, f->error.message, strlen(f->error.message), MESSAGE_TEXT_CHARS);
	jw_key(w, "retryable");
	jw_bool(w, error_type_is_retryable(f->error.type));
	jw_key(w, "tool");
	jw_cstr(w, f->error.tool[0] != '\0' ? f->error.tool : NULL);
	jw_key(w, "step");
	jw_cstr(w, f->error.step[0] != '\0' ? f->error.step : NULL);
	jw_key(w, "suggestions");
	jw_array_begin(w);
	for (size_t i = 0; i < TOOL_SUGGESTIONS_MAX && f->error.suggestions[i] != NULL;
	     i++)
		jw_cstr(w, f->error.suggestions[i]);
	jw_array_end(w);
	if (f->error.evidence != NULL && f->error.evidence[0] != '\0') {
		jw_key(w, "evidence");
		jw_raw(w, f->error.evidence, strlen(f->error.evidence));
	}
	jw_object_end(w);
}

void
result_message_completed(struct buf *out, const struct result_facts *f)
{
	struct json_writer w;

	jw_init(&w, out);
	write_head(&w, f, "completed");
	jw_key(&w, "result_ref");
	jw_cstr(&w, f->result_ref);
	jw_key(&w, "result_preview");
	jw_raw(&w, f->preview, strlen(f->preview));
	write_tail(&w, f);
}

void
result_message_failed(struct buf *out, const struct result_facts *f)
{
	struct json_writer w;

	jw_init(&w, out);
	write_head(&w, f, "failed");
	jw_key(&w, "error");
	write_error(&w, f);
	write_tail(&w, f);
}

void
result_message_tool_calls(struct buf *out, const struct conversation_result *r)
{
	struct json_writer w;

	jw_init(&w, out);
	write_calls(&w, r);
}

void
result_message_error(struct buf *out, const struct result_facts *f)
{
	struct json_writer w;

	jw_init(&w, out);
	write_error(&w, f);
}
