/* SPDX-License-Identifier: MIT */
/*
 * step_join.c - join: rows of two tables whose key fields are equal.
 *
 * Result rows come in the left table's order, then the right's. A column of the right
 * whose name the left has too gets "_right" behind it; a key field of the same name on
 * both sides stands once. A left join fills the right's columns with null. Null and
 * missing keys match nothing.
 *
 * Owns:   nothing; the index over the right table lives in the run's arena.
 * Called: by run.c through its table.
 * Fails:  with run_fail or run_no_memory.
 */
#include "config.h"

#include "compute/run.h"
#include "compute/value.h"

#include <string.h>

enum {
	SET_FIRST = 64,
	NONE = 0
};

/* A column of the right table and what becomes of it. */
struct out_column {
	struct column from, as;
	bool is_dropped;
};

/* Names to numbers from 1, open addressing. */
struct name_set {
	struct out_column *v;
	uint32_t n, cap;
	uint32_t *slots;
	uint32_t n_slots;
};

struct joiner {
	struct run *run;
	const struct join_args *args;
	struct table left, right;
	struct name_set left_names, right_names;
	uint32_t *heads; /* by hash: right row + 1 */
	uint32_t *next;  /* by right row: the next right row + 1 of that slot */
	uint64_t *hashes;
	uint32_t mask;
	struct json *items;
	size_t n, cap;
};

/* ---- names ---- */

static bool
is_name(const struct column *c, const char *name, uint32_t len, uint32_t hash)
{
	return c->name == name ||
	    (c->hash == hash && c->len == len && memcmp(c->name, name, len) == 0);
}

static uint32_t
set_find(const struct name_set *s, const char *name, uint32_t len, uint32_t hash)
{
	uint32_t at;

	if (s->n_slots == 0)
		return NONE;
	for (at = hash & (s->n_slots - 1); s->slots[at] != NONE;
	     at = (at + 1) & (s->n_slots - 1))
		if (is_name(&s->v[s->slots[at] - 1].from, name, len, hash))
			return s->slots[at];
	return NONE;
}

static int
set_grow(struct run *r, struct name_set *s)
{
	uint32_t cap = s->cap == 0 ? SET_FIRST : 2 * s->cap;
	struct out_column *v = run_alloc(r, cap, sizeof(*v));
	uint32_t *slots = run_alloc(r, 2 * (size_t)cap, sizeof(*slots));

	if (v == NULL || slots == NULL)
		return run_no_memory(r);
	if (s->n > 0)
		memcpy(v, s->v, s->n * sizeof(*v));
	memset(slots, 0, 2 * (size_t)cap * sizeof(*slots));
	s->v = v;
	s->cap = cap;
	s->slots = slots;
	s->n_slots = 2 * cap;
	for (uint32_t i = 0; i < s->n; i++) {
		uint32_t at = v[i].from.hash & (s->n_slots - 1);

		while (slots[at] != NONE)
			at = (at + 1) & (s->n_slots - 1);
		slots[at] = i + 1;
	}
	return 0;
}

static int
set_add(struct run *r, struct name_set *s, const struct json_member *m)
{
	uint32_t at;

	if (set_find(s, m->name, m->name_len, m->name_hash) != NONE)
		return 0;
	if (s->n == s->cap && set_grow(r, s) < 0)
		return run_no_memory(r);
	at = m->name_hash & (s->n_slots - 1);
	while (s->slots[at] != NONE)
		at = (at + 1) & (s->n_slots - 1);
	s->v[s->n].from = (struct column){ m->name, m->name_len, m->name_hash };
	s->v[s->n].as = s->v[s->n].from;
	s->v[s->n].is_dropped = false;
	s->slots[at] = ++s->n;
	return 0;
}

static int
collect_names(struct run *r, const struct table *t, struct name_set *s)
{
	int e = 0;

	for (uint32_t i = 0; e == 0 && i < t->n; i++)
		for (uint32_t k = 0; e == 0 && k < t->rows[i].len; k++)
			e = set_add(r, s, &t->rows[i].members[k]);
	return e;
}

static bool
is_taken(const struct joiner *j, const struct column *c)
{
	return set_find(&j->left_names, c->name, c->len, c->hash) != NONE;
}

/* Adds "_right" until no other column has the name. */
static int
rename_column(struct joiner *j, struct column *as)
{
	while (is_taken(j, as) ||
	    set_find(&j->right_names, as->name, as->len, as->hash) != NONE) {
		size_t n = as->len + strlen("_right");
		char *name = arena_alloc(j->run->arena, n + 1);

		if (name == NULL)
			return run_no_memory(j->run);
		memcpy(name, as->name, as->len);
		memcpy(name + as->len, "_right", sizeof("_right"));
		*as = column_of(name, n);
	}
	return 0;
}

static bool
is_shared_key(const struct join_args *args, const struct column *c)
{
	for (size_t i = 0; i < args->n_on; i++) {
		const struct column *l = &args->on[i].left.key,
				    *r = &args->on[i].right.key;

		if (is_name(r, c->name, c->len, c->hash) &&
		    is_name(l, r->name, r->len, r->hash))
			return true;
	}
	return false;
}

static int
name_columns(struct joiner *j)
{
	int e = collect_names(j->run, &j->left, &j->left_names);

	if (e == 0)
		e = collect_names(j->run, &j->right, &j->right_names);
	for (uint32_t i = 0; e == 0 && i < j->right_names.n; i++) {
		struct out_column *c = &j->right_names.v[i];

		c->is_dropped = is_shared_key(j->args, &c->from);
		if (!c->is_dropped && is_taken(j, &c->from))
			e = rename_column(j, &c->as);
	}
	return e;
}

/* ---- keys ---- */

/* False when a part of the key is missing or null. */
static bool
hash_key(const struct joiner *j, const struct json *row, bool is_left, uint64_t *out)
{
	uint64_t hash = j->run->seed;

	for (size_t i = 0; i < j->args->n_on; i++) {
		const struct join_on *on = &j->args->on[i];
		const struct json *v = field_get(row, is_left ? &on->left : &on->right);

		if (value_is_none(v))
			return false;
		hash = value_hash(hash, v);
	}
	*out = hash;
	return true;
}

static bool
keys_equal(const struct joiner *j, const struct json *left, const struct json *right)
{
	for (size_t i = 0; i < j->args->n_on; i++)
		if (!json_equal(field_get(left, &j->args->on[i].left),
			field_get(right, &j->args->on[i].right)))
			return false;
	return true;
}

/* Chains of right rows by hash, each in the table's order. */
static int
index_right(struct joiner *j)
{
	uint32_t n = SET_FIRST;

	while (n < j->right.n && n < 1u << 31)
		n *= 2;
	j->mask = n - 1;
	j->heads = run_alloc(j->run, n, sizeof(*j->heads));
	j->next = run_alloc(j->run, j->right.n, sizeof(*j->next));
	j->hashes = run_alloc(j->run, j->right.n, sizeof(*j->hashes));
	if (j->heads == NULL || j->next == NULL || j->hashes == NULL)
		return run_no_memory(j->run);
	memset(j->heads, 0, n * sizeof(*j->heads));
	for (uint32_t i = j->right.n; i > 0; i--) {
		uint32_t *head;

		if (!hash_key(j, &j->right.rows[i - 1], false, &j->hashes[i - 1]))
			continue;
		head = &j->heads[j->hashes[i - 1] & j->mask];
		j->next[i - 1] = *head;
		*head = i;
	}
	return 0;
}

/* ---- rows ---- */

static int
push_row(struct joiner *j, struct json_member *members, uint32_t n)
{
	if (j->n == j->cap) {
		size_t cap = j->cap == 0 ? SET_FIRST : 2 * j->cap;
		struct json *items = run_alloc(j->run, cap, sizeof(*items));

		if (items == NULL)
			return run_no_memory(j->run);
		if (j->n > 0)
			memcpy(items, j->items, j->n * sizeof(*items));
		j->items = items;
		j->cap = cap;
	}
	j->items[j->n++] =
	    (struct json){ .type = JSON_OBJECT, .len = n, .members = members };
	return 0;
}

static struct json_member *
copy_left(struct joiner *j, const struct json *left, size_t more)
{
	struct json_member *m = run_alloc(j->run, left->len + more, sizeof(*m));

	if (m != NULL && left->len > 0)
		memcpy(m, left->members, left->len * sizeof(*m));
	return m;
}

static void
put_member(struct json_member *m, const struct column *name, struct json value)
{
	*m = (struct json_member){ .value = value,
		.name = name->name,
		.name_len = name->len,
		.name_hash = name->hash };
}

static int
push_match(struct joiner *j, const struct json *left, const struct json *right)
{
	struct json_member *m = copy_left(j, left, right->len);
	uint32_t n = left->len;

	if (m == NULL)
		return run_no_memory(j->run);
	for (uint32_t i = 0; i < right->len; i++) {
		const struct json_member *from = &right->members[i];
		uint32_t at = set_find(&j->right_names, from->name, from->name_len,
		    from->name_hash);
		const struct out_column *c = &j->right_names.v[at - 1];

		if (!c->is_dropped)
			put_member(&m[n++], &c->as, from->value);
	}
	return push_row(j, m, n);
}

static int
push_unmatched(struct joiner *j, const struct json *left)
{
	struct json_member *m = copy_left(j, left, j->right_names.n);
	uint32_t n = left->len;

	if (m == NULL)
		return run_no_memory(j->run);
	for (uint32_t i = 0; i < j->right_names.n; i++)
		if (!j->right_names.v[i].is_dropped)
			put_member(&m[n++], &j->right_names.v[i].as,
			    (struct json){ .type = JSON_NULL });
	return push_row(j, m, n);
}

static int
join_row(struct joiner *j, const struct json *left, uint32_t *n_matched)
{
	bool has_match = false;
	uint64_t hash;
	int e = 0;

	if (hash_key(j, left, true, &hash))
		for (uint32_t at = j->heads[hash & j->mask]; e == 0 && at != NONE;
		     at = j->next[at - 1]) {
			if (j->hashes[at - 1] != hash ||
			    !keys_equal(j, left, &j->right.rows[at - 1]))
				continue;
			has_match = true;
			e = push_match(j, left, &j->right.rows[at - 1]);
		}
	*n_matched += has_match;
	if (e == 0 && !has_match && j->args->is_left_join)
		e = push_unmatched(j, left);
	return e;
}

/* ---- sides ---- */

static int
take_side(struct run *r, const char *name, const char *what, struct table *out)
{
	if (name == NULL)
		return run_table(r, r->data, what, true, out);
	for (size_t i = 0; i < r->n_inputs; i++)
		if (strcmp(r->inputs[i].name, name) == 0)
			return run_table(r, r->inputs[i].value, what, true, out);
	return run_fail(r, FAILURE_INVALID_STEP,
	    "use a reference that this job was given",
	    "%s: there is no data for '%.200s'", what, name);
}

int
step_join(struct run *r, struct step *s)
{
	struct joiner j = { .run = r, .args = &s->join };
	uint32_t n_matched = 0;
	int e = take_side(r, s->join.left, "the left side", &j.left);

	if (e == 0)
		e = take_side(r, s->join.right, "the right side", &j.right);
	if (e == 0)
		e = name_columns(&j);
	if (e == 0)
		e = index_right(&j);
	for (uint32_t i = 0; e == 0 && i < j.left.n; i++)
		e = join_row(&j, &j.left.rows[i], &n_matched);
	if (e < 0)
		return e;
	run_note(r, "%u of %u left rows found a match among %u right rows", n_matched,
	    j.left.n, j.right.n);
	return run_set_rows(r, j.items, j.n);
}
