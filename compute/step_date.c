/* SPDX-License-Identifier: MIT */
/*
 * step_date.c - parse_date: a field's text as an ISO 8601 time in UTC.
 *
 * What cannot be read becomes null and is counted in the trace.
 *
 * Owns:   nothing.
 * Called: by run.c through its table.
 * Fails:  with run_no_memory.
 */
#include "config.h"

#include "compute/columns.h"
#include "compute/iso_date.h"
#include "compute/run.h"
#include "compute/value.h"

#include <string.h>

enum {
	DATE_TEXT_MAX = 256
};

struct parsing {
	const struct date_args *args;
	uint64_t n_bad;
	char first_bad[80];
};

static bool
read_instant(const struct date_args *args, const struct json *v, struct instant *out)
{
	char text[DATE_TEXT_MAX];

	if (v->type != JSON_STRING && v->type != JSON_NUMBER)
		return false;
	if (args->format == NULL)
		return iso_date_read(v->text, v->len, out);
	if (v->len >= sizeof(text) || memchr(v->text, '\0', v->len) != NULL)
		return false;
	memcpy(text, v->text, v->len);
	text[v->len] = '\0';
	return strptime_read(text, args->format, out);
}

static bool
parse_value(struct run *r, struct parsing *p, const struct json *row, struct json *out)
{
	const struct json *v = field_get(row, &p->args->field);
	char text[ISO_DATE_MAX];
	struct instant t;
	size_t n = 0;

	*out = (struct json){ .type = JSON_NULL };
	if (value_is_none(v))
		return true;
	if (read_instant(p->args, v, &t))
		n = iso_date_write(&t, text);
	if (n == 0) {
		if (p->n_bad++ == 0 &&
		    (v->type == JSON_STRING || v->type == JSON_NUMBER))
			(void)snprintf(p->first_bad, sizeof(p->first_bad), "%.*s",
			    (int)(v->len < 60 ? v->len : 60), v->text);
		return true;
	}
	*out = (struct json){ .type = JSON_STRING,
		.len = (uint32_t)n,
		.text = arena_strndup(r->arena, text, n) };
	return out->text != NULL;
}

int
step_parse_date(struct run *r, struct step *s)
{
	struct parsing p = { .args = &s->date };
	struct json *items;
	struct table t;
	int e = run_table(r, r->data, "the input", true, &t);

	if (e < 0)
		return e;
	items = run_alloc(r, t.n, sizeof(*items));
	if (items == NULL)
		return run_no_memory(r);
	for (uint32_t i = 0; i < t.n; i++) {
		struct json v;

		if (!parse_value(r, &p, &t.rows[i], &v) ||
		    !columns_put(r->arena, &t.rows[i], &s->date.as, &v, 1, &items[i]))
			return run_no_memory(r);
	}
	if (p.n_bad > 0)
		run_note(r,
		    "%llu values of '%.100s' could not be read as %s and are null "
		    "now, the first: '%s'",
		    (unsigned long long)p.n_bad, s->date.field.key.name,
		    s->date.format != NULL ? s->date.format : "an ISO 8601 date",
		    p.first_bad);
	return run_set_rows(r, items, t.n);
}
