/* SPDX-License-Identifier: MIT */
/*
 * json_write.c - values and streams of calls to JSON text.
 *
 * Owns:   nothing; the text goes to the caller's buffer.
 * Called: by everything that sends or stores JSON.
 * Fails:  through the buffer's status only.
 */
#include "config.h"

#include "common/json/json_text.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>

/* ---- bytes ---- */

/* As buf_add, without a call when there is room. */
static inline void
put(struct buf *b, const char *bytes, size_t n)
{
	if (b->status != 0 || b->max_len != 0 || b->cap - b->len <= n) {
		buf_add(b, bytes, n);
		return;
	}
	memcpy(b->data + b->len, bytes, n);
	b->len += n;
	b->data[b->len] = '\0';
}

static inline void
putch(struct buf *b, char c)
{
	put(b, &c, 1);
}

static void
put_escaped(struct buf *b, unsigned char c)
{
	static const char from[] = "\"\\\b\f\n\r\t", into[] = "\"\\bfnrt";
	const char *at = c == 0 ? NULL : strchr(from, c);

	if (at == NULL) {
		buf_addf(b, "\\u%04x", c);
		return;
	}
	putch(b, '\\');
	putch(b, into[at - from]);
}

void
json_write_string(struct buf *out, const char *text, size_t n)
{
	const char *end = text + n;

	putch(out, '"');
	while (text < end) {
		const char *plain = json_plain_end(text, end);
		unsigned len;

		put(out, text, (size_t)(plain - text));
		text = plain;
		if (text == end)
			break;
		if ((unsigned char)*text < 0x80) {
			put_escaped(out, (unsigned char)*text++);
			continue;
		}
		len = json_utf8_len(text, end);
		if (len == 0)
			put(out, "\xef\xbf\xbd", 3);
		else
			put(out, text, len);
		text += len == 0 ? 1 : len;
	}
	putch(out, '"');
}

/* ---- values ---- */

struct form {
	bool is_pretty;
	bool is_canonical; /* names sorted, of duplicates the last */
};

static void write_value(struct buf *out, const struct json *v, const struct form *form,
    unsigned depth);

static void
new_line(struct buf *out, const struct form *form, unsigned depth)
{
	if (!form->is_pretty)
		return;
	putch(out, '\n');
	for (unsigned i = 0; i < depth; i++)
		put(out, "  ", 2);
}

static void
write_text(struct buf *out, const struct json *v)
{
	if ((v->flags & JSON_FLAG_PLAIN) == 0) {
		json_write_string(out, v->text, v->len);
		return;
	}
	putch(out, '"');
	put(out, v->text, v->len);
	putch(out, '"');
}

static void
write_member(struct buf *out, const struct json_member *m, const struct form *form,
    unsigned depth, bool is_first)
{
	if (!is_first)
		putch(out, ',');
	new_line(out, form, depth + 1);
	json_write_string(out, m->name, m->name_len);
	put(out, ": ", form->is_pretty ? 2 : 1);
	write_value(out, &m->value, form, depth + 1);
}

static void
write_sorted(struct buf *out, const struct json *v, const struct form *form,
    unsigned depth)
{
	CLEANUP(freep) const struct json_member **list = calloc(v->len, sizeof(*list));
	bool is_first = true;

	if (list == NULL) {
		out->status = -ENOMEM;
		return;
	}
	for (uint32_t i = 0; i < v->len; i++)
		list[i] = &v->members[i];
	qsort(list, v->len, sizeof(*list), json_member_compare);
	for (uint32_t i = 0; i < v->len; i++) {
		if (i + 1 < v->len && list[i]->name_len == list[i + 1]->name_len &&
		    memcmp(list[i]->name, list[i + 1]->name, list[i]->name_len) == 0)
			continue;
		write_member(out, list[i], form, depth, is_first);
		is_first = false;
	}
}

static void
write_object(struct buf *out, const struct json *v, const struct form *form,
    unsigned depth)
{
	if (v->len == 0) {
		put(out, "{}", 2);
		return;
	}
	putch(out, '{');
	if (form->is_canonical)
		write_sorted(out, v, form, depth);
	else
		for (uint32_t i = 0; i < v->len; i++)
			write_member(out, &v->members[i], form, depth, i == 0);
	new_line(out, form, depth);
	putch(out, '}');
}

static void
write_array(struct buf *out, const struct json *v, const struct form *form,
    unsigned depth)
{
	if (v->len == 0) {
		put(out, "[]", 2);
		return;
	}
	putch(out, '[');
	for (uint32_t i = 0; i < v->len; i++) {
		if (i > 0)
			putch(out, ',');
		new_line(out, form, depth + 1);
		write_value(out, &v->items[i], form, depth + 1);
	}
	new_line(out, form, depth);
	putch(out, ']');
}

static void
write_value(struct buf *out, const struct json *v, const struct form *form,
    unsigned depth)
{
	if (depth > JSON_DEPTH_LIMIT && out->status == 0)
		out->status = -E2BIG;
	if (out->status != 0)
		return;
	switch ((enum json_type)v->type) {
	case JSON_BOOL:
		put(out, v->len != 0 ? "true" : "false", v->len != 0 ? 4 : 5);
		break;
	case JSON_NUMBER:
		put(out, v->text, v->len);
		break;
	case JSON_STRING:
		write_text(out, v);
		break;
	case JSON_ARRAY:
		write_array(out, v, form, depth);
		break;
	case JSON_OBJECT:
		write_object(out, v, form, depth);
		break;
	case JSON_NULL:
	case JSON_TYPE_COUNT:
	default:
		put(out, "null", 4);
		break;
	}
}

void
json_write(struct buf *out, const struct json *v, enum json_style style)
{
	const struct form form = { .is_pretty = style == JSON_PRETTY };

	if (v == NULL)
		put(out, "null", 4);
	else
		write_value(out, v, &form, 0);
}

void
json_write_canonical(struct buf *out, const struct json *v)
{
	const struct form form = { .is_canonical = true };

	if (v == NULL)
		put(out, "null", 4);
	else
		write_value(out, v, &form, 0);
}

/* ---- the streaming writer ---- */

void
jw_init(struct json_writer *w, struct buf *out)
{
	*w = (struct json_writer){ .out = out };
}

/* The comma that belongs before what comes now. */
static void
separate(struct json_writer *w)
{
	uint64_t bit = w->depth == 0 ? 0 : (uint64_t)1 << (w->depth - 1);

	if (w->after_key) {
		w->after_key = false;
		return;
	}
	if ((w->has_item & bit) != 0)
		putch(w->out, ',');
	w->has_item |= bit;
}

static void
open_level(struct json_writer *w, char c)
{
	ASSERT(w->depth < 64);
	separate(w);
	w->has_item &= ~((uint64_t)1 << w->depth);
	w->depth++;
	putch(w->out, c);
}

static void
close_level(struct json_writer *w, char c)
{
	ASSERT(w->depth > 0);
	w->depth--;
	putch(w->out, c);
}

void
jw_object_begin(struct json_writer *w)
{
	open_level(w, '{');
}

void
jw_object_end(struct json_writer *w)
{
	close_level(w, '}');
}

void
jw_array_begin(struct json_writer *w)
{
	open_level(w, '[');
}

void
jw_array_end(struct json_writer *w)
{
	close_level(w, ']');
}

void
jw_key_n(struct json_writer *w, const char *name, size_t n)
{
	separate(w);
	json_write_string(w->out, name, n);
	putch(w->out, ':');
	w->after_key = true;
}

void
jw_key(struct json_writer *w, const char *name)
{
	jw_key_n(w, name, strlen(name));
}

void
jw_string(struct json_writer *w, const char *text, size_t n)
{
	separate(w);
	json_write_string(w->out, text, n);
}

void
jw_cstr(struct json_writer *w, const char *text)
{
	if (text == NULL)
		jw_null(w);
	else
		jw_string(w, text, strlen(text));
}

void
jw_int(struct json_writer *w, int64_t i)
{
	separate(w);
	buf_addf(w->out, "%" PRId64, i);
}

void
jw_uint(struct json_writer *w, uint64_t i)
{
	separate(w);
	buf_addf(w->out, "%" PRIu64, i);
}

void
jw_double(struct json_writer *w, double d)
{
	char text[32];

	if (!isfinite(d)) {
		jw_null(w);
		return;
	}
	separate(w);
	put(w->out, text, json_double_text(d, text));
}

void
jw_bool(struct json_writer *w, bool b)
{
	separate(w);
	buf_adds(w->out, b ? "true" : "false");
}

void
jw_null(struct json_writer *w)
{
	separate(w);
	put(w->out, "null", 4);
}

void
jw_value(struct json_writer *w, const struct json *v)
{
	separate(w);
	json_write(w->out, v, JSON_COMPACT);
}

void
jw_raw(struct json_writer *w, const char *json_text, size_t n)
{
	separate(w);
	put(w->out, json_text, n);
}
