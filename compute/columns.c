/* SPDX-License-Identifier: MIT */
/*
 * columns.c - a row with some of its columns set.
 *
 * Owns:   nothing.
 * Called: by regex_extract and parse_date for each row.
 * Fails:  with false when the arena is exhausted.
 */
#include "config.h"

#include "compute/columns.h"

#include <string.h>

bool
columns_put(struct arena *a, const struct json *row, const struct column *columns,
    const struct json *values, size_t n, struct json *out)
{
	struct json_member *m = arena_alloc(a, (row->len + n) * sizeof(*m));
	uint32_t len = row->len;

	if (m == NULL)
		return false;
	if (len > 0)
		memcpy(m, row->members, len * sizeof(*m));
	for (size_t i = 0; i < n; i++) {
		const struct column *c = &columns[i];
		const struct json *old = json_get_hashed(row, c->name, c->len, c->hash);

		/* members begin with their value */
		if (old != NULL)
			m[(const struct json_member *)(const void *)old - row->members]
			    .value = values[i];
		else
			m[len++] = (struct json_member){ .value = values[i],
				.name = c->name,
				.name_len = c->len,
				.name_hash = c->hash };
	}
	*out = (struct json){ .type = JSON_OBJECT, .len = len, .members = m };
	return true;
}
