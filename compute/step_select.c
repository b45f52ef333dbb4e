/* SPDX-License-Identifier: MIT */
/*
 * step_select.c - table_select: rows of exactly the columns asked for.
 *
 * Owns:   nothing.
 * Called: by run.c through its table.
 * Fails:  with run_no_memory.
 */
#include "config.h"

#include "compute/run.h"

static struct json_member
member_of(const struct json *row, const struct select_item *item)
{
	const struct json *v = field_get(row, &item->from);

	return (struct json_member){ .value = v != NULL
		    ? *v
		    : (struct json){ .type = JSON_NULL },
		.name = item->as.name,
		.name_len = item->as.len,
		.name_hash = item->as.hash };
}

int
step_table_select(struct run *r, struct step *s)
{
	const struct select_args *args = &s->select;
	struct json *items;
	struct table t;
	int e = run_table(r, r->data, "the input", true, &t);

	if (e < 0)
		return e;
	items = run_alloc(r, t.n, sizeof(*items));
	if (items == NULL)
		return run_no_memory(r);
	for (uint32_t i = 0; i < t.n; i++) {
		struct json_member *members = run_alloc(r, args->n, sizeof(*members));

		if (members == NULL)
			return run_no_memory(r);
		for (size_t k = 0; k < args->n; k++)
			members[k] = member_of(&t.rows[i], &args->v[k]);
		items[i] = (struct json){ .type = JSON_OBJECT,
			.len = (uint32_t)args->n,
			.members = members };
	}
	return run_set_rows(r, items, t.n);
}
