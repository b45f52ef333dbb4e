/* SPDX-License-Identifier: MIT */
/*
 * output.c - a value as JSON text: in memory while it is small, else into a file.
 *
 * The items of the outermost list or object are written one by one, so that the text of
 * a large table is never in memory as a whole.
 *
 * Owns:   o->pending; the descriptor is the caller's.
 * Called: by the jailed child after the last step.
 * Fails:  with negative errno.
 */
#include "config.h"

#include "compute/output.h"

#include <errno.h>
#include <unistd.h>

enum {
	FLUSH_BYTES = 256 * 1024
};

static int
flush(struct output *o)
{
	size_t done = 0;

	while (done < o->pending.len) {
		ssize_t n = write(o->fd, o->pending.data + done, o->pending.len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	o->file_bytes += done;
	buf_clear(&o->pending);
	return 0;
}

/* After each piece: the bounds, and what is due for the file. */
static int
settle(struct output *o, bool is_last)
{
	size_t due = is_last ? (o->file_bytes > 0 ? 0 : o->inline_max)
			     : o->inline_max + FLUSH_BYTES;

	if (buf_status(&o->pending) < 0)
		return buf_status(&o->pending);
	if (o->file_bytes + o->pending.len > o->max)
		return -EFBIG;
	return o->fd >= 0 && o->pending.len > due ? flush(o) : 0;
}

static int
write_items(struct output *o, const struct json *v)
{
	int e = 0;

	buf_addc(&o->pending, '[');
	for (uint32_t i = 0; e == 0 && i < v->len; i++) {
		if (i > 0)
			buf_addc(&o->pending, ',');
		json_write(&o->pending, &v->items[i], JSON_COMPACT);
		e = settle(o, false);
	}
	buf_addc(&o->pending, ']');
	return e;
}

static int
write_members(struct output *o, const struct json *v)
{
	int e = 0;

	buf_addc(&o->pending, '{');
	for (uint32_t i = 0; e == 0 && i < v->len; i++) {
		const struct json_member *m = &v->members[i];

		if (i > 0)
			buf_addc(&o->pending, ',');
		json_write_string(&o->pending, m->name, m->name_len);
		buf_addc(&o->pending, ':');
		json_write(&o->pending, &m->value, JSON_COMPACT);
		e = settle(o, false);
	}
	buf_addc(&o->pending, '}');
	return e;
}

int
output_value(struct output *o, const struct json *v)
{
	int e = 0;

	if (json_is(v, JSON_ARRAY))
		e = write_items(o, v);
	else if (json_is(v, JSON_OBJECT))
		e = write_members(o, v);
	else
		json_write(&o->pending, v, JSON_COMPACT);
	return e < 0 ? e : settle(o, true);
}
