/* SPDX-License-Identifier: MIT */
/*
 * step_groupby.c - groupby: groups in order of first appearance, and their aggregates.
 *
 * Owns:   nothing; the hash table lives in the run's arena.
 * Called: by run.c through its table.
 * Fails:  with run_fail or run_no_memory.
 */
#include "config.h"

#include "compute/run.h"
#include "compute/value.h"

#include <math.h>
#include <string.h>

enum {
	SLOTS_FIRST = 64
};

/* One aggregate of one group. */
struct cell {
	uint64_t n;    /* values that counted */
	int64_t whole; /* the sum while it is of integers and fits */
	bool is_double;
	double sum, lost;        /* Neumaier: what rounding took from the sum */
	const struct json *best; /* min, max */
};

struct group {
	uint64_t hash;
	const struct json **keys; /* n_by; NULL or null for missing */
	struct cell *cells;       /* n_aggs */
};

struct grouper {
	struct run *run;
	const struct group_args *args;
	struct group *groups; /* in order of first appearance */
	uint32_t n, cap;
	uint32_t *slots; /* group + 1; 0: free */
	uint32_t n_slots;
	uint64_t n_not_numbers;
};

static void
add_double(struct cell *c, double x)
{
	double t = c->sum + x;

	c->lost += fabs(c->sum) >= fabs(x) ? c->sum - t + x : x - t + c->sum;
	c->sum = t;
}

static void
add_number(struct cell *c, const struct json *v)
{
	double x = 0;
	int64_t i, total;

	if (!c->is_double) {
		if (json_is_integer(v) && json_int64(v, &i) == 0 &&
		    !__builtin_add_overflow(c->whole, i, &total)) {
			c->whole = total;
			return;
		}
		c->is_double = true;
		c->sum = (double)c->whole;
	}
	(void)json_double(v, &x);
	add_double(c, x);
}

static void
add_value(struct grouper *g, const struct agg_item *item, struct cell *c,
    const struct json *row)
{
	const struct json *v;

	if (!item->has_field) {
		c->n++;
		return;
	}
	v = field_get(row, &item->field);
	if (value_is_none(v))
		return;
	switch (item->kind) {
	case AGG_SUM:
	case AGG_AVG:
		if (v->type != JSON_NUMBER) {
			g->n_not_numbers++;
			return;
		}
		add_number(c, v);
		break;
	case AGG_MIN:
		if (c->best == NULL || value_compare(v, c->best) < 0)
			c->best = v;
		break;
	case AGG_MAX:
		if (c->best == NULL || value_compare(v, c->best) > 0)
			c->best = v;
		break;
	case AGG_COUNT:
	case AGG_KIND_COUNT:
	default:
		break;
	}
	c->n++;
}

/* ---- groups ---- */

static int
grow_slots(struct grouper *g)
{
	uint32_t n = g->n_slots == 0 ? SLOTS_FIRST : 4 * g->n_slots;
	uint32_t *slots = run_alloc(g->run, n, sizeof(*slots));

	if (slots == NULL)
		return run_no_memory(g->run);
	memset(slots, 0, n * sizeof(*slots));
	for (uint32_t i = 0; i < g->n; i++) {
		uint32_t at = (uint32_t)g->groups[i].hash & (n - 1);

		while (slots[at] != 0)
			at = (at + 1) & (n - 1);
		slots[at] = i + 1;
	}
	g->slots = slots;
	g->n_slots = n;
	return 0;
}

static int
grow_groups(struct grouper *g)
{
	uint32_t cap = g->cap == 0 ? SLOTS_FIRST : 2 * g->cap;
	struct group *groups = run_alloc(g->run, cap, sizeof(*groups));

	if (groups == NULL)
		return run_no_memory(g->run);
	if (g->n > 0)
		memcpy(groups, g->groups, g->n * sizeof(*groups));
	g->groups = groups;
	g->cap = cap;
	return 0;
}

static bool
has_keys(const struct grouper *g, const struct group *group, const struct json *row)
{
	for (size_t i = 0; i < g->args->n_by; i++)
		if (!value_same(group->keys[i], field_get(row, &g->args->by[i])))
			return false;
	return true;
}

static int
add_group(struct grouper *g, uint64_t hash, const struct json *row, uint32_t slot)
{
	const struct group_args *args = g->args;
	const struct json **keys = run_alloc(g->run, args->n_by, sizeof(*keys));
	struct cell *cells = run_alloc(g->run, args->n_aggs, sizeof(*cells));

	if (keys == NULL || cells == NULL)
		return run_no_memory(g->run);
	if (g->n == g->cap && grow_groups(g) < 0)
		return run_no_memory(g->run);
	memset(cells, 0, args->n_aggs * sizeof(*cells));
	for (size_t i = 0; i < args->n_by; i++)
		keys[i] = field_get(row, &args->by[i]);
	g->groups[g->n] = (struct group){ hash, keys, cells };
	g->slots[slot] = ++g->n;
	return 0;
}

static int
find_group(struct grouper *g, const struct json *row, struct group **out)
{
	uint64_t hash = g->run->seed;
	uint32_t at;
	int e;

	if (2 * (uint64_t)g->n >= g->n_slots && (e = grow_slots(g)) < 0)
		return e;
	for (size_t i = 0; i < g->args->n_by; i++)
		hash = value_hash(hash, field_get(row, &g->args->by[i]));
	at = (uint32_t)hash & (g->n_slots - 1);
	for (; g->slots[at] != 0; at = (at + 1) & (g->n_slots - 1)) {
		struct group *group = &g->groups[g->slots[at] - 1];

		if (group->hash == hash && has_keys(g, group, row)) {
			*out = group;
			return 0;
		}
	}
	e = add_group(g, hash, row, at);
	if (e == 0)
		*out = &g->groups[g->n - 1];
	return e;
}

/* ---- results ---- */

static const struct json *
cell_value(struct arena *a, const struct agg_item *item, const struct cell *c)
{
	double sum = c->is_double ? c->sum + c->lost : (double)c->whole;

	if (c->is_double && !isfinite(c->lost))
		sum = c->sum;
	switch (item->kind) {
	case AGG_COUNT:
		return json_new_int(a, (int64_t)c->n);
	case AGG_SUM:
		if (c->n == 0)
			return json_new_null(a);
		return c->is_double ? json_new_double(a, sum)
				    : json_new_int(a, c->whole);
	case AGG_AVG:
		return c->n == 0 ? json_new_null(a)
				 : json_new_double(a, sum / (double)c->n);
	case AGG_MIN:
	case AGG_MAX:
	case AGG_KIND_COUNT:
	default:
		return c->best != NULL ? c->best : json_new_null(a);
	}
}

static struct json_member
member_of(const struct column *name, const struct json *v)
{
	return (struct json_member){ .value = v != NULL
		    ? *v
		    : (struct json){ .type = JSON_NULL },
		.name = name->name,
		.name_len = name->len,
		.name_hash = name->hash };
}

static int
group_row(struct grouper *g, const struct group *group, struct json *out)
{
	const struct group_args *args = g->args;
	size_t n = args->n_by + args->n_aggs;
	struct json_member *m = run_alloc(g->run, n, sizeof(*m));

	if (m == NULL)
		return run_no_memory(g->run);
	for (size_t i = 0; i < args->n_by; i++)
		m[i] = member_of(&args->by[i].key, group->keys[i]);
	for (size_t i = 0; i < args->n_aggs; i++)
		m[args->n_by + i] = member_of(&args->aggs[i].as,
		    cell_value(g->run->arena, &args->aggs[i], &group->cells[i]));
	*out = (struct json){ .type = JSON_OBJECT, .len = (uint32_t)n, .members = m };
	return 0;
}

static int
group_rows(struct grouper *g)
{
	struct json *items = run_alloc(g->run, g->n, sizeof(*items));
	int e = 0;

	if (items == NULL)
		return run_no_memory(g->run);
	for (uint32_t i = 0; e == 0 && i < g->n; i++)
		e = group_row(g, &g->groups[i], &items[i]);
	if (g->n_not_numbers > 0)
		run_note(g->run, "%llu %s not numbers and were skipped in sum and avg",
		    (unsigned long long)g->n_not_numbers,
		    g->n_not_numbers == 1 ? "value is" : "values are");
	return e < 0 ? e : run_set_rows(g->run, items, g->n);
}

int
step_groupby(struct run *r, struct step *s)
{
	struct grouper g = { .run = r, .args = &s->group };
	struct table t;
	int e = run_table(r, r->data, "the input", true, &t);

	for (uint32_t i = 0; e == 0 && i < t.n; i++) {
		struct group *group = NULL;

		e = find_group(&g, &t.rows[i], &group);
		for (size_t k = 0; e == 0 && k < s->group.n_aggs; k++)
			add_value(&g, &s->group.aggs[k], &group->cells[k], &t.rows[i]);
	}
	return e < 0 ? e : group_rows(&g);
}
