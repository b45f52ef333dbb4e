/* SPDX-License-Identifier: MIT */
/*
 * buf.c - the growing byte buffer.
 *
 * Owns:   b->data.
 * Called: by every writer of text or messages.
 * Fails:  stickily: after the first failure appends are no-ops, buf_status() tells.
 */
#include "config.h"

#include "common/buf.h"

#include <errno.h>
#include <string.h>

void
buf_release(struct buf *b)
{
	size_t max_len = b->max_len;

	free(b->data);
	memset(b, 0, sizeof(*b));
	b->max_len = max_len;
}

void
buf_clear(struct buf *b)
{
	b->len = 0;
	b->status = 0;
	if (b->data != NULL)
		b->data[0] = '\0';
}

int
buf_status(const struct buf *b)
{
	return b->status;
}

const char *
buf_str(const struct buf *b)
{
	return b->data != NULL ? b->data : "";
}

char *
buf_take(struct buf *b, size_t *len)
{
	char *data;

	if (b->status == 0 && b->data == NULL)
		(void)buf_reserve(b, 1);
	if (b->status != 0)
		return NULL;
	if (len != NULL)
		*len = b->len;
	data = TAKE_PTR(b->data);
	b->len = b->cap = 0;
	return data;
}

enum {
	CAP_LEAST = 128,
	CAP_SMALL = 4096 /* up to here doubled, then grown by half */
};

static size_t
next_cap(size_t cap)
{
	if (cap < CAP_LEAST)
		return CAP_LEAST;
	return cap < CAP_SMALL ? cap * 2 : cap + cap / 2;
}

int
buf_reserve(struct buf *b, size_t more)
{
	size_t want, cap;
	char *data;

	if (b->status != 0)
		return b->status;
	if (__builtin_add_overflow(b->len, more, &want) || want > SIZE_MAX - 1 ||
	    (b->max_len != 0 && want > b->max_len))
		return b->status = -EFBIG;
	if (want + 1 <= b->cap)
		return 0;
	cap = next_cap(b->cap);
	if (cap < want + 1)
		cap = want + 1;
	data = realloc(b->data, cap);
	if (data == NULL)
		return b->status = -ENOMEM;
	if (b->data == NULL)
		data[0] = '\0';
	b->data = data;
	b->cap = cap;
	return 0;
}

void
buf_add(struct buf *b, const void *bytes, size_t n)
{
	if (buf_reserve(b, n) != 0)
		return;
	if (n > 0)
		memcpy(b->data + b->len, bytes, n);
	b->len += n;
	b->data[b->len] = '\0';
}

void
buf_adds(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

void
buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void
buf_vaddf(struct buf *b, const char *fmt, va_list ap)
{
	size_t room = b->status == 0 ? b->cap - b->len : 0;
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(room > 0 ? b->data + b->len : NULL, room, fmt, again);
	va_end(again);
	if (n < 0) {
		b->status = -EINVAL;
	} else if (buf_reserve(b, (size_t)n) == 0) {
		if ((size_t)n >= room) /* did not fit */
			(void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
		b->len += (size_t)n;
		return;
	}
	if (room > 0) /* nothing was added */
		b->data[b->len] = '\0';
}

void
buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(b, fmt, ap);
	va_end(ap);
}
