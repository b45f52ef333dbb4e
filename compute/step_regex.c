/* SPDX-License-Identifier: MIT */
/*
 * step_regex.c - regex_extract: the groups of a pattern become columns.
 *
 * Names: "as" (as many as there are groups; one when there is none), else the groups'
 * own names, else <field>_<number>, or <field>_match for a pattern without groups. A
 * column that the row has already is replaced where it stands. No match gives nulls.
 *
 * Owns:   the compiled pattern, while the step runs.
 * Called: by run.c through its table, in a child of its own.
 * Fails:  with run_fail: a wrong pattern or one that gave up.
 */
#include "config.h"

#include "compute/columns.h"
#include "compute/pattern.h"
#include "compute/run.h"
#include "compute/value.h"

#include <errno.h>
#include <string.h>

enum {
	GROUPS_MAX = 100
};

struct extraction {
	struct pattern *pattern;
	const struct regex_args *args;
	struct column *columns; /* n of them, for groups first .. first+n-1 */
	struct json *values;
	uint32_t n, first;
	uint64_t n_other, n_none; /* rows that hold no text; that did not match */
};

static int
default_name(struct run *r, const struct extraction *x, uint32_t group,
    struct column *out)
{
	const char *name = pattern_group_name(x->pattern, group);
	CLEANUP_BUF struct buf b = BUF_INIT;
	const char *copy;

	if (name != NULL)
		buf_adds(&b, name);
	else if (group == 0)
		buf_addf(&b, "%s_match", x->args->field.key.name);
	else
		buf_addf(&b, "%s_%u", x->args->field.key.name, group);
	copy = buf_status(&b) == 0 ? arena_strndup(r->arena, b.data, b.len) : NULL;
	if (copy == NULL)
		return run_no_memory(r);
	*out = column_of(copy, b.len);
	return 0;
}

static int
name_columns(struct run *r, struct extraction *x)
{
	uint32_t n_groups = pattern_groups(x->pattern);
	int e = 0;

	x->first = n_groups > 0;
	x->n = n_groups > 0 ? n_groups : 1;
	if (x->n > GROUPS_MAX)
		return run_fail(r, FAILURE_INVALID_STEP,
		    "write (?:...) where no column is wanted",
		    "the pattern has %u groups, more than %d", n_groups, GROUPS_MAX);
	if (x->args->n_as > 0 && x->args->n_as != x->n)
		return run_fail(r, FAILURE_INVALID_STEP,
		    "give one name for each group, or write (?:...) for groups without a column",
		    "'as' names %zu columns but the pattern has %u groups",
		    x->args->n_as, n_groups);
	x->columns = run_alloc(r, x->n, sizeof(*x->columns));
	x->values = run_alloc(r, x->n, sizeof(*x->values));
	if (x->columns == NULL || x->values == NULL)
		return run_no_memory(r);
	for (uint32_t i = 0; e == 0 && i < x->n; i++) {
		if (x->args->n_as > 0)
			x->columns[i] = x->args->as[i];
		else
			e = default_name(r, x, x->first + i, &x->columns[i]);
	}
	return e;
}

/* The values of one row's columns into x->values. */
static int
extract(struct run *r, struct extraction *x, const struct json *row)
{
	const struct json *v = field_get(row, &x->args->field);
	int m = 0;

	for (uint32_t i = 0; i < x->n; i++)
		x->values[i] = (struct json){ .type = JSON_NULL };
	if (value_is_none(v))
		return 0;
	if (v->type != JSON_STRING && v->type != JSON_NUMBER) {
		x->n_other++;
		return 0;
	}
	m = pattern_match(r, x->pattern, v->text, v->len);
	if (m < 0)
		return m;
	if (m == 0)
		x->n_none++;
	for (uint32_t i = 0; m > 0 && i < x->n; i++)
		(void)pattern_group(x->pattern, x->first + i, v->text, &x->values[i]);
	return 0;
}

static int
extract_rows(struct run *r, struct extraction *x, const struct table *t)
{
	struct json *items = run_alloc(r, t->n, sizeof(*items));

	if (items == NULL)
		return run_no_memory(r);
	for (uint32_t i = 0; i < t->n; i++) {
		int e = extract(r, x, &t->rows[i]);

		if (e < 0)
			return e;
		if (!columns_put(r->arena, &t->rows[i], x->columns, x->values, x->n,
			&items[i]))
			return run_no_memory(r);
	}
	if (x->n_none > 0)
		run_note(r, "%llu rows did not match", (unsigned long long)x->n_none);
	if (x->n_other > 0)
		run_note(r, "%llu rows hold neither text nor a number in '%.100s'",
		    (unsigned long long)x->n_other, x->args->field.key.name);
	return run_set_rows(r, items, t->n);
}

int
step_regex_extract(struct run *r, struct step *s)
{
	CLEANUP(pattern_freep) struct pattern *p = NULL;
	struct extraction x = { .args = &s->regex };
	struct table t;
	int e = run_table(r, r->data, "the input", true, &t);

	if (e < 0)
		return e;
	e = pattern_new(r, s->regex.pattern, s->regex.pattern_len, &p);
	if (e < 0)
		return e;
	x.pattern = p;
	e = name_columns(r, &x);
	return e < 0 ? e : extract_rows(r, &x, &t);
}
