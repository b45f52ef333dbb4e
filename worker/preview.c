/* SPDX-License-Identifier: MIT */
/*
 * preview.c - row counts and samples without building the whole value.
 *
 * Owns:   a short-lived arena.
 * Called: once per completed job.
 * Fails:  -EINVAL, -ENOMEM. A preview that would be too long is made again with shorter
 *         strings and fewer rows until it fits.
 */
#include "config.h"

#include "worker/preview.h"

#include <errno.h>
#include <string.h>

/* From the most to the least generous; the last always fits. */
static const struct {
	unsigned string_chars, rows, keys;
} fits[] = {
	{ 256, PREVIEW_SAMPLE, 64 },
	{ 80, PREVIEW_SAMPLE, 64 },
	{ 40, PREVIEW_SAMPLE, 32 },
	{ 40, 1, 32 },
	{ 20, 0, 16 },
};

/* The bytes of the first max code points of a UTF-8 text. */
static size_t
utf8_prefix(const char *s, size_t n, unsigned max)
{
	size_t i = 0;

	for (unsigned chars = 0; i < n && chars < max; chars++) {
		i++;
		while (i < n && ((unsigned char)s[i] & 0xc0) == 0x80)
			i++;
	}
	return i;
}

static void
cut_string(struct buf *out, const char *s, size_t n, unsigned max)
{
	size_t keep = utf8_prefix(s, n, max);
	CLEANUP_BUF struct buf text = BUF_INIT;

	if (keep == n) {
		json_write_string(out, s, n);
		return;
	}
	buf_add(&text, s, keep);
	buf_adds(&text, "\xe2\x80\xa6"); /* U+2026 */
	json_write_string(out, buf_str(&text), text.len);
}

/* A value with its strings cut; depth stops a deep sample from filling the preview. */
static void
write_cut(struct buf *out, const struct json *v, unsigned chars, unsigned depth)
{
	char close = v->type == JSON_ARRAY ? ']' : '}';

	if (v->type == JSON_STRING) {
		cut_string(out, v->text, v->len, chars);
		return;
	}
	if (v->type < JSON_STRING || v->len == 0) {
		json_write(out, v, JSON_COMPACT);
		return;
	}
	if (depth >= 8) {
		json_write_string(out, "\xe2\x80\xa6", 3);
		return;
	}
	buf_addc(out, v->type == JSON_ARRAY ? '[' : '{');
	for (uint32_t i = 0; i < v->len; i++) {
		if (i > 0)
			buf_addc(out, ',');
		if (out->len > PREVIEW_MAX) /* too long in any case: stop early */
			break;
		if (v->type == JSON_OBJECT) {
			cut_string(out, v->members[i].name, v->members[i].name_len,
			    chars);
			buf_addc(out, ':');
			write_cut(out, &v->members[i].value, chars, depth + 1);
		} else {
			write_cut(out, &v->items[i], chars, depth + 1);
		}
	}
	buf_addc(out, close);
}

/* Steps over one element of well-formed JSON: up to the ',' or ']' that ends it. */
static const char *
skip_element(const char *p, const char *end)
{
	unsigned depth = 0;

	for (; p < end; p++) {
		switch (*p) {
		case '"':
			for (p++; p < end && *p != '"'; p++)
				p += *p == '\\';
			break;
		case '[':
		case '{':
			depth++;
			break;
		case ']':
		case '}':
			if (depth == 0)
				return p;
			depth--;
			break;
		case ',':
			if (depth == 0)
				return p;
			break;
		default:
			break;
		}
	}
	return end;
}

static const char *
skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	return p;
}

struct sample {
	const struct json *row[PREVIEW_SAMPLE];
	unsigned rows;
	uint64_t count;
};

static int
scan_array(struct arena *a, const char *p, const char *end, struct sample *s)
{
	struct err e = ERR_INIT;

	p = skip_space(p + 1, end);
	if (p < end && *p == ']')
		return 0;
	while (p < end) {
		const char *next = skip_element(p, end);

		if (s->rows < PREVIEW_SAMPLE) {
			int r = json_read(a, p, (size_t)(next - p), 256,
			    &s->row[s->rows], &e);

			if (r < 0)
				return r;
			s->rows++;
		}
		s->count++;
		if (next >= end)
			return -EINVAL;
		if (*next == ']')
			return 0;
		p = next + 1;
	}
	return -EINVAL;
}

static void
write_dataset(struct buf *out, const struct sample *s, size_t level)
{
	buf_addf(out, "{\"type\":\"dataset\",\"row_count\":%llu,\"sample\":[",
	    (unsigned long long)s->count);
	for (unsigned i = 0; i < s->rows && i < fits[level].rows; i++) {
		if (i > 0)
			buf_addc(out, ',');
		write_cut(out, s->row[i], fits[level].string_chars, 0);
	}
	buf_adds(out, "]}");
}

static void
write_object(struct buf *out, const struct json *v, size_t level)
{
	buf_adds(out, "{\"type\":\"object\",\"keys\":[");
	for (uint32_t i = 0; i < v->len && i < fits[level].keys; i++) {
		if (i > 0)
			buf_addc(out, ',');
		cut_string(out, v->members[i].name, v->members[i].name_len,
		    fits[level].string_chars);
	}
	buf_adds(out, "]}");
}

static void
write_patch(struct buf *out, const struct json *v)
{
	struct json_writer w;

	jw_init(&w, out);
	jw_object_begin(&w);
	jw_key(&w, "type");
	jw_cstr(&w, "patch");
	jw_key(&w, "patch_id");
	jw_value(&w, json_get(v, "patch_id"));
	jw_key(&w, "op_count");
	jw_value(&w, json_get(v, "op_count"));
	jw_object_end(&w);
}

static void
write_text(struct buf *out, const char *s, size_t n)
{
	buf_adds(out, "{\"type\":\"text\",\"text\":");
	cut_string(out, s, n, PREVIEW_TEXT_CHARS);
	buf_addc(out, '}');
}

static void
write_scalar(struct buf *out, const struct json *v)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	if (v->type == JSON_STRING) {
		write_text(out, v->text, v->len);
		return;
	}
	json_write(&text, v, JSON_COMPACT);
	write_text(out, buf_str(&text), text.len);
}

int
preview_write(struct buf *out, const char *json_text, size_t n, enum preview_kind kind)
{
	CLEANUP(arena_freep) struct arena *a = arena_new(0);
	const char *end = json_text + n, *p = skip_space(json_text, end);
	struct sample sample = { .rows = 0 };
	const struct json *v = NULL;
	size_t start = out->len;
	struct err e = ERR_INIT;
	int r;

	if (a == NULL)
		return -ENOMEM;
	if (p < end && *p == '[')
		r = scan_array(a, p, end, &sample);
	else
		r = json_read(a, json_text, n, 256, &v, &e);
	if (r < 0)
		return r;
	for (size_t level = 0; level < ARRAY_LEN(fits); level++) {
		if (out->len > start) { /* the former level was too long */
			out->len = start;
			out->data[start] = '\0';
		}
		if (v == NULL)
			write_dataset(out, &sample, level);
		else if (kind == PREVIEW_PATCH && json_get(v, "patch_id") != NULL)
			write_patch(out, v);
		else if (v->type == JSON_OBJECT)
			write_object(out, v, level);
		else
			write_scalar(out, v);
		if (buf_status(out) != 0)
			return buf_status(out);
		if (out->len - start <= PREVIEW_MAX)
			break;
	}
	return 0;
}
