/* SPDX-License-Identifier: MIT */
/*
 * read.c - input text to values: JSON, NDJSON, or whichever it is.
 *
 * Owns:   nothing.
 * Called: by answer.c before the first step.
 * Fails:  with run_fail: what was wrong, and where.
 */
#include "config.h"

#include "compute/read.h"

#include <errno.h>
#include <string.h>

int
format_from_name(const struct json *name)
{
	static const char *const names[FORMAT_COUNT] = { [FORMAT_JSON] = "json",
		[FORMAT_CSV] = "csv",
		[FORMAT_NDJSON] = "ndjson",
		[FORMAT_AUTO] = "auto",
		[FORMAT_YAML] = "yaml" };

	for (int i = 0; i < FORMAT_COUNT; i++)
		if (json_eq_str(name, names[i]))
			return i;
	return -EINVAL;
}

static int
fail_reading(struct run *r, int code, const char *what, const struct err *err)
{
	if (code == -ENOMEM)
		return run_no_memory(r);
	if (code == -E2BIG)
		return run_fail(r, FAILURE_STEP_LIMIT, "ask for flatter or less data",
		    "the %s of the input cannot be worked on: %s", what, err_text(err));
	return run_fail(r, FAILURE_INVALID_STEP, "look at what the address answers",
	    "the input is not %s: %s", what, err_text(err));
}

static const char *
skip_mark(const char *text, size_t *n)
{
	if (*n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		*n -= 3;
		return text + 3;
	}
	return text;
}

static int
read_json(struct run *r, const char *text, size_t n, const struct json **out)
{
	struct err err = ERR_INIT;
	int e;

	text = skip_mark(text, &n);
	e = json_read(r->arena, text, n, RUN_DEPTH_MAX, out, &err);
	return e < 0 ? fail_reading(r, e, "JSON", &err) : 0;
}

static bool
is_blank_line(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\r'))
		p++;
	return p == end;
}

static int
read_ndjson(struct run *r, const char *text, size_t n, const struct json **out)
{
	struct json_builder *list = json_array_begin(r->arena);
	const char *end = text + n;

	for (size_t line = 1; text < end; line++) {
		const char *nl = memchr(text, '\n', (size_t)(end - text));
		const char *stop = nl != NULL ? nl : end;
		struct err err = ERR_INIT;
		const struct json *v;
		int e;

		if (!is_blank_line(text, stop)) {
			e = json_read(r->arena, text, (size_t)(stop - text),
			    RUN_DEPTH_MAX, &v, &err);
			if (e < 0) {
				(void)err_prefix(&err, e, "line %zu", line);
				return fail_reading(r, e, "NDJSON", &err);
			}
			json_array_add(list, v);
		}
		text = nl != NULL ? nl + 1 : end;
	}
	*out = json_end(list);
	return *out == NULL ? run_no_memory(r) : 0;
}

static int
read_text(struct run *r, const char *text, size_t n, const struct json **out)
{
	if (n > UINT32_MAX || memchr(text, '\0', n) != NULL || !json_is_utf8(text, n))
		return run_fail(r, FAILURE_INVALID_STEP,
		    "only JSON, CSV, NDJSON and UTF-8 text can be worked on",
		    "the input is binary, or text that is not UTF-8");
	*out = json_new_string(r->arena, text, n);
	return *out == NULL ? run_no_memory(r) : 0;
}

/* Text that begins as JSON values do and yet is none is more likely broken JSON. */
static int
read_auto(struct run *r, const char *text, size_t n, const struct json **out)
{
	struct err err = ERR_INIT;
	int e;

	text = skip_mark(text, &n);
	e = json_read(r->arena, text, n, RUN_DEPTH_MAX, out, &err);
	if (e == 0)
		return 0;
	if (e != -EINVAL)
		return fail_reading(r, e, "JSON", &err);
	e = read_text(r, text, n, out);
	if (e == 0)
		run_note(r, "the input is not JSON (%s) and is taken as text",
		    err_text(&err));
	return e;
}

/* JSON is read much faster, and by stricter rules, than as the YAML that it also is. */
static int
read_json_or_yaml(struct run *r, const char *text, size_t n, const struct json **out)
{
	const char *first = text;
	size_t left = n;

	first = skip_mark(first, &left);
	while (left > 0 && strchr(" \t\r\n", *first) != NULL && *first != '\0') {
		first++;
		left--;
	}
	if (left > 0 && (*first == '{' || *first == '[') &&
	    json_read(r->arena, first, left, JSON_DEPTH_MAX, out, NULL) == 0)
		return 0;
	return read_yaml(r, text, n, out);
}

int
read_input(struct run *r, enum input_format format, const char *text, size_t n,
    const struct json **out)
{
	static int (*const readers[FORMAT_COUNT])(struct run *, const char *, size_t,
	    const struct json **) = {
		[FORMAT_JSON] = read_json,
		[FORMAT_CSV] = read_csv,
		[FORMAT_NDJSON] = read_ndjson,
		[FORMAT_AUTO] = read_auto,
		[FORMAT_YAML] = read_json_or_yaml,
	};
	int e;

	if (text == NULL)
		text = "";
	r->failure.step = "";
	e = readers[format](r, text, n, out);
	if (e == 0 && arena_failed(r->arena))
		return run_no_memory(r);
	return e;
}
