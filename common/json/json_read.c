/* SPDX-License-Identifier: MIT */
/*
 * json_read.c - the strict reader: RFC 8259 text to arena values, without recursion.
 *
 * Owns:   a scratch stack while it reads: the items of all open containers, copied into
 *         the arena when theirs closes.
 * Called: by everything that receives JSON, on a job's small stack too.
 * Fails:  -EINVAL with the byte, -E2BIG, -ENOMEM; *out is untouched then.
 */
#include "config.h"

#include "common/json/json_text.h"

#include <errno.h>
#include <limits.h>

enum {
	SCRATCH_FIRST = 1024,
	FRAMES_FIRST = 64
};

struct frame {
	size_t start; /* offset of the first item in the scratch stack */
	uint32_t n;
	bool is_object;
};

struct reader {
	struct arena *arena;
	const char *start, *p, *end;
	struct err *err;
	struct frame *frames;
	unsigned depth, max_depth;
	char *scratch; /* items of open arrays, members of open objects */
	size_t top, cap;
	char *owned; /* scratch once it has left the first, on-stack piece */
};

static int
bad(struct reader *r, const char *what)
{
	return err_set(r->err, -EINVAL, "%s at byte %zu", what,
	    (size_t)(r->p - r->start));
}

static int
no_memory(struct reader *r)
{
	return err_set(r->err, -ENOMEM, "no memory for a JSON text of %zu bytes",
	    (size_t)(r->end - r->start));
}

static inline void
skip_blanks(struct reader *r)
{
	while (r->p < r->end &&
	    (*r->p == ' ' || *r->p == '\n' || *r->p == '\r' || *r->p == '\t'))
		r->p++;
}

/* ---- the scratch stack ---- */

static int
scratch_grow(struct reader *r, size_t n)
{
	size_t cap = 2 * r->cap + n;
	char *bigger = realloc(r->owned, cap);

	if (bigger == NULL)
		return no_memory(r);
	if (r->owned == NULL)
		memcpy(bigger, r->scratch, r->top);
	r->scratch = r->owned = bigger;
	r->cap = cap;
	return 0;
}

static inline void *
scratch_push(struct reader *r, size_t n)
{
	void *p;

	if (r->cap - r->top < n && scratch_grow(r, n) != 0)
		return NULL;
	p = r->scratch + r->top;
	r->top += n;
	return p;
}

/* ---- strings ---- */

static char *
put_utf8(char *to, uint32_t c)
{
	if (c < 0x80) {
		*to++ = (char)c;
		return to;
	}
	if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
	} else {
		if (c < 0x10000) {
			*to++ = (char)(0xe0 | c >> 12);
		} else {
			*to++ = (char)(0xf0 | c >> 18);
			*to++ = (char)(0x80 | (c >> 12 & 0x3f));
		}
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
	}
	*to++ = (char)(0x80 | (c & 0x3f));
	return to;
}

/* Four hexadecimal digits at p, or -1. */
static int32_t
hex4(const char *p, const char *end)
{
	int32_t v = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int c = (unsigned char)p[i];
		int low = c | 0x20;

		if (c >= '0' && c <= '9')
			v = v * 16 + (c - '0');
		else if (low >= 'a' && low <= 'f')
			v = v * 16 + (low - 'a' + 10);
		else
			return -1;
	}
	return v;
}

/* r->p is at the backslash of a \u escape. */
static int
read_code_point(struct reader *r, char **to)
{
	int32_t c = hex4(r->p + 2, r->end), low;

	if (c < 0)
		return bad(r, "\\u without four hexadecimal digits");
	if (c >= 0xdc00 && c <= 0xdfff)
		return bad(r, "a lone surrogate escape");
	if (c >= 0xd800 && c <= 0xdbff) {
		if (r->end - r->p < 12 || r->p[6] != '\\' || r->p[7] != 'u')
			return bad(r, "a lone surrogate escape");
		low = hex4(r->p + 8, r->end);
		if (low < 0xdc00 || low > 0xdfff)
			return bad(r, "a lone surrogate escape");
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		r->p += 6;
	}
	*to = put_utf8(*to, (uint32_t)c);
	r->p += 6;
	return 0;
}

/* r->p is at a backslash; writes what it stands for. */
static int
read_escape(struct reader *r, char **to)
{
	static const char meanings[UCHAR_MAX + 1] = { ['"'] = '"',
		['\\'] = '\\',
		['/'] = '/',
		['b'] = '\b',
		['f'] = '\f',
		['n'] = '\n',
		['r'] = '\r',
		['t'] = '\t' };
	char meaning;

	if (r->end - r->p < 2)
		return bad(r, "the text ends within a string");
	if (r->p[1] == 'u')
		return read_code_point(r, to);
	meaning = meanings[(unsigned char)r->p[1]];
	if (meaning == '\0')
		return bad(r, "an unknown escape in a string");
	*(*to)++ = meaning;
	r->p += 2;
	return 0;
}

/* The end of the string's text at p: the closing quote, wherever escapes are. */
static const char *
closing_quote(const char *p, const char *end)
{
	while ((p = json_plain_end(p, end)) < end && *p != '"')
		p += *p == '\\' && end - p > 1 ? 2 : 1;
	return p < end ? p : NULL;
}

/* A string with at least one escape: unescaped into the arena. begin: after its
   quote. */
static int
read_escaped(struct reader *r, const char *begin, const char **text, size_t *n)
{
	const char *quote = closing_quote(r->p, r->end);
	char *copy, *to;
	int e;

	if (quote == NULL)
		return bad(r, "a string without its closing quote");
	copy = arena_alloc(r->arena, (size_t)(quote - begin) + 1);
	if (copy == NULL)
		return no_memory(r);
	memcpy(copy, begin, (size_t)(r->p - begin));
	to = copy + (r->p - begin);
	while (*r->p != '"') {
		const char *plain = json_plain_end(r->p, quote);
		unsigned len;

		memcpy(to, r->p, (size_t)(plain - r->p));
		to += plain - r->p;
		r->p = plain;
		if (*r->p == '"')
			break;
		if (*r->p == '\\') {
			e = read_escape(r, &to);
			if (e < 0)
				return e;
			continue;
		}
		len = (unsigned char)*r->p < 0x80 ? 0 : json_utf8_len(r->p, quote);
		if (len == 0)
			return bad(r,
			    (unsigned char)*r->p < 0x20
				? "a control character in a string"
				: "bytes that are not UTF-8");
		memcpy(to, r->p, len);
		to += len;
		r->p += len;
	}
	*to = '\0';
	*text = copy;
	*n = (size_t)(to - copy);
	r->p++;
	return 0;
}

/* r->p is at the opening quote. *is_plain: the text stands in the input. */
static int
read_string(struct reader *r, const char **text, size_t *n, bool *is_plain)
{
	const char *begin = ++r->p;

	for (;;) {
		unsigned len;

		r->p = json_plain_end(r->p, r->end);
		if (r->p == r->end)
			return bad(r, "a string without its closing quote");
		if (*r->p == '"')
			break;
		if (*r->p == '\\') {
			*is_plain = false;
			return read_escaped(r, begin, text, n);
		}
		if ((unsigned char)*r->p < 0x20)
			return bad(r, "a control character in a string");
		len = json_utf8_len(r->p, r->end);
		if (len == 0)
			return bad(r, "bytes that are not UTF-8");
		r->p += len;
	}
	*is_plain = true;
	*text = begin;
	*n = (size_t)(r->p - begin);
	r->p++;
	return 0;
}

/* ---- scalars ---- */

static int
read_number(struct reader *r, struct json *v)
{
	bool is_integer;
	const char *q = json_number_end(r->p, r->end, &is_integer);

	if (q == NULL)
		return bad(r, "a malformed number");
	if ((size_t)(q - r->p) > UINT32_MAX)
		return err_set(r->err, -E2BIG, "a number of 4 GiB");
	*v = (struct json){ .type = JSON_NUMBER,
		.flags = is_integer ? JSON_FLAG_INTEGER : 0,
		.len = (uint32_t)(q - r->p),
		.text = r->p };
	r->p = q;
	return 0;
}

static int
read_word(struct reader *r, const char *word, size_t n, struct json *v,
    struct json value)
{
	if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0)
		return bad(r, "an unknown word");
	r->p += n;
	*v = value;
	return 0;
}

static int
read_string_value(struct reader *r, struct json *v)
{
	const char *text;
	size_t n;
	bool is_plain;
	int e = read_string(r, &text, &n, &is_plain);

	if (e < 0)
		return e;
	if (n > UINT32_MAX)
		return err_set(r->err, -E2BIG, "a string of 4 GiB");
	*v = (struct json){ .type = JSON_STRING,
		.flags = is_plain ? JSON_FLAG_PLAIN : 0,
		.len = (uint32_t)n,
		.text = text };
	return 0;
}

static int
read_scalar(struct reader *r, struct json *v)
{
	switch (*r->p) {
	case '"':
		return read_string_value(r, v);
	case 't':
		return read_word(r, "true", 4, v,
		    (struct json){ .type = JSON_BOOL, .len = 1 });
	case 'f':
		return read_word(r, "false", 5, v, (struct json){ .type = JSON_BOOL });
	case 'n':
		return read_word(r, "null", 4, v, (struct json){ .type = JSON_NULL });
	case '-':
	case '0' ... '9':
		return read_number(r, v);
	default:
		return bad(r, "a value is missing or malformed");
	}
}

/* ---- containers ---- */

/* A name, its colon, and an empty member on the scratch stack. */
static int
read_name(struct reader *r)
{
	const char *text, *name;
	struct json_member *m;
	uint32_t hash;
	bool is_plain;
	size_t n;
	int e;

	skip_blanks(r);
	if (r->p == r->end || *r->p != '"')
		return bad(r, "an object's key is missing");
	e = read_string(r, &text, &n, &is_plain);
	if (e < 0)
		return e;
	if (n > UINT32_MAX)
		return err_set(r->err, -E2BIG, "a key of 4 GiB");
	skip_blanks(r);
	if (r->p == r->end || *r->p != ':')
		return bad(r, "a colon is missing after an object's key");
	r->p++;
	hash = json_name_hash(text, n);
	name = arena_intern(r->arena, text, n, hash);
	m = scratch_push(r, sizeof(*m));
	if (name == NULL || m == NULL)
		return no_memory(r);
	m->name = name;
	m->name_len = (uint32_t)n;
	m->name_hash = hash;
	return 0;
}

static int
open_container(struct reader *r)
{
	if (r->depth == r->max_depth)
		return err_set(r->err, -E2BIG,
		    "more than %u levels of nesting at byte %zu", r->max_depth,
		    (size_t)(r->p - r->start));
	r->frames[r->depth++] =
	    (struct frame){ .start = r->top, .is_object = *r->p == '{' };
	r->p++;
	skip_blanks(r);
	return 0;
}

/* Moves the innermost container's items into the arena; *v becomes the container. */
static int
close_container(struct reader *r, struct json *v)
{
	struct frame *f = &r->frames[--r->depth];
	size_t bytes = r->top - f->start;
	void *items = NULL;

	if (bytes > 0) {
		items = arena_alloc(r->arena, bytes);
		if (items == NULL)
			return no_memory(r);
		memcpy(items, r->scratch + f->start, bytes);
	}
	r->top = f->start;
	r->p++;
	*v = (struct json){ .type = f->is_object ? JSON_OBJECT : JSON_ARRAY,
		.len = f->n,
		.items = items };
	return 0;
}

static int
attach(struct reader *r, struct frame *f, const struct json *v)
{
	struct json *item;

	if (f->n == UINT32_MAX)
		return err_set(r->err, -E2BIG, "more than 2^32-1 items");
	f->n++;
	if (f->is_object) { /* the member stands on top since its name was read */
		item = (struct json *)(void *)(r->scratch + r->top -
		    sizeof(struct json_member));
	} else {
		item = scratch_push(r, sizeof(*item));
		if (item == NULL)
			return -ENOMEM;
	}
	*item = *v;
	return 0;
}

/*
 * Gives a finished value to its container, and that to its own while they close.
 * Returns 1 when another value follows, 0 when *v is the whole, or an error.
 */
static int
settle(struct reader *r, struct json *v)
{
	while (r->depth > 0) {
		struct frame *f = &r->frames[r->depth - 1];
		int e = attach(r, f, v);

		if (e < 0)
			return e;
		skip_blanks(r);
		if (r->p == r->end)
			return bad(r, "the text ends within a container");
		if (*r->p == ',') {
			r->p++;
			e = f->is_object ? read_name(r) : 0;
			return e < 0 ? e : 1;
		}
		if (*r->p != (f->is_object ? '}' : ']'))
			return bad(r, "a comma or the container's end is missing");
		e = close_container(r, v);
		if (e < 0)
			return e;
	}
	return 0;
}

/* One step down: 1 when a container was opened that has content, 0 with *v, or
   error. */
static int
read_one(struct reader *r, struct json *v)
{
	char closer = *r->p == '{' ? '}' : ']';
	int e;

	if (*r->p != '{' && *r->p != '[')
		return read_scalar(r, v);
	e = open_container(r);
	if (e < 0)
		return e;
	if (r->p < r->end && *r->p == closer)
		return close_container(r, v);
	e = closer == '}' ? read_name(r) : 0;
	return e < 0 ? e : 1;
}

static int
read_tree(struct reader *r, struct json *v)
{
	int e;

	do {
		skip_blanks(r);
		if (r->p == r->end)
			return bad(r, "the text ends where a value should stand");
		e = read_one(r, v);
		if (e == 0)
			e = settle(r, v);
	} while (e == 1);
	return e;
}

static int
read_with_frames(struct reader *r, const struct json **out)
{
	char first[SCRATCH_FIRST] __attribute__((aligned(16)));
	struct json v, *root;
	int e;

	r->scratch = first;
	r->cap = sizeof(first);
	e = read_tree(r, &v);
	free(TAKE_PTR(r->owned));
	if (e < 0)
		return e;
	root = arena_alloc(r->arena, sizeof(*root));
	if (root == NULL)
		return no_memory(r);
	*root = v;
	*out = root;
	return 0;
}

int
json_read_prefix(struct arena *a, const char *text, size_t n, unsigned depth,
    const struct json **out, size_t *used, struct err *err)
{
	CLEANUP(freep) struct frame *many = NULL;
	struct frame few[FRAMES_FIRST];
	struct reader r = { .arena = a,
		.start = text,
		.p = text,
		.end = text + n,
		.err = err };
	int e;

	r.max_depth = depth == 0 ? JSON_DEPTH_MAX : depth;
	if (r.max_depth > JSON_DEPTH_LIMIT)
		r.max_depth = JSON_DEPTH_LIMIT;
	r.frames = few;
	if (r.max_depth > FRAMES_FIRST) {
		many = calloc(r.max_depth, sizeof(*many));
		if (many == NULL)
			return no_memory(&r);
		r.frames = many;
	}
	e = read_with_frames(&r, out);
	if (e == 0)
		*used = (size_t)(r.p - text);
	return e;
}

int
json_read(struct arena *a, const char *text, size_t n, unsigned depth,
    const struct json **out, struct err *err)
{
	struct reader r = { .start = text, .end = text + n, .err = err };
	const struct json *v = NULL;
	size_t used = 0;
	int e = json_read_prefix(a, text, n, depth, &v, &used, err);

	if (e < 0)
		return e;
	r.p = text + used;
	skip_blanks(&r);
	if (r.p != r.end)
		return bad(&r, "more text after the value");
	*out = v;
	return 0;
}
