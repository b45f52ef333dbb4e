/* SPDX-License-Identifier: MIT */
/*
 * observer.c - one row for each registered holder of any host.
 *
 * Owns:   the rows and their texts.
 * Called: by the scheduler's turn.
 * Fails:  only for want of memory; a row that is missing is seen anew next round.
 */
#include "config.h"

#include "scheduler/observer.h"

#include <errno.h>
#include <string.h>

/* A holder of this boot that no set has ever named gets this long: its set may still be
   on its way. */
enum {
	UNNAMED_MS = 3000
};

struct row {
	char *holder, *beat;
	uint64_t since_ms; /* this beat was first seen */
	uint64_t first_ms; /* the holder was first seen */
	uint64_t round;
	bool was_named; /* by any set as live */
};

struct observer {
	uint64_t lease_ms, epoch, now_ms, round;
	struct row *rows;
	size_t n, cap;
};

struct observer *
observer_new(uint64_t lease_ms)
{
	struct observer *o = calloc(1, sizeof(*o));

	if (o != NULL)
		o->lease_ms = lease_ms;
	return o;
}

static void
row_release(struct row *row)
{
	free(row->holder);
	free(row->beat);
}

void
observer_free(struct observer *o)
{
	if (o == NULL)
		return;
	for (size_t i = 0; i < o->n; i++)
		row_release(&o->rows[i]);
	free(o->rows);
	free(o);
}

void
observer_freep(struct observer **o)
{
	observer_free(*o);
}

void
observer_round(struct observer *o, uint64_t epoch, uint64_t now_ms)
{
	bool was_awake = o->round > 0 && now_ms - o->now_ms <= o->lease_ms / 3;

	o->round++;
	if (epoch != o->epoch || !was_awake)
		for (size_t i = 0; i < o->n; i++)
			o->rows[i].since_ms = now_ms;
	o->epoch = epoch;
	o->now_ms = now_ms;
}

static struct row *
find(struct observer *o, const char *holder)
{
	for (size_t i = 0; i < o->n; i++)
		if (strcmp(o->rows[i].holder, holder) == 0)
			return &o->rows[i];
	return NULL;
}

static int
add(struct observer *o, const char *holder, const char *beat)
{
	struct row row = { .since_ms = o->now_ms,
		.first_ms = o->now_ms,
		.round = o->round };

	if (o->n == o->cap) {
		size_t cap = o->cap == 0 ? 16 : o->cap * 2;
		struct row *rows = reallocarray(o->rows, cap, sizeof(*rows));

		if (rows == NULL)
			return -ENOMEM;
		o->rows = rows;
		o->cap = cap;
	}
	row.holder = strdup(holder);
	row.beat = strdup(beat);
	if (row.holder == NULL || row.beat == NULL) {
		row_release(&row);
		return -ENOMEM;
	}
	o->rows[o->n++] = row;
	return 0;
}

int
observer_see(struct observer *o, const char *holder, const char *beat)
{
	struct row *row = find(o, holder);
	char *copy;

	if (row == NULL)
		return add(o, holder, beat);
	row->round = o->round;
	if (strcmp(row->beat, beat) == 0)
		return 0;
	copy = strdup(beat);
	if (copy == NULL)
		return -ENOMEM;
	free(row->beat);
	row->beat = copy;
	row->since_ms = o->now_ms;
	return 0;
}

void
observer_end(struct observer *o)
{
	size_t kept = 0;

	for (size_t i = 0; i < o->n; i++) {
		if (o->rows[i].round == o->round)
			o->rows[kept++] = o->rows[i];
		else
			row_release(&o->rows[i]);
	}
	o->n = kept;
}

static enum verdict
judge_ours(const struct observer *o, struct row *row, const struct live_set *set)
{
	if (live_set_has(set, row->holder)) {
		row->was_named = true;
		return VERDICT_LIVE;
	}
	if (live_set_is_former(set, row->holder))
		return VERDICT_FORMER;
	if (row->was_named || live_set_death_of(set, row->holder) != NULL ||
	    o->now_ms - row->first_ms >= UNNAMED_MS)
		return VERDICT_TOLD;
	return VERDICT_LIVE;
}

static enum verdict
judge(const struct observer *o, struct row *row, const struct live_set *set)
{
	if (set != NULL && live_set_is_ours(set, row->holder))
		return judge_ours(o, row, set);
	return o->now_ms - row->since_ms >= o->lease_ms ? VERDICT_EXPIRED
							: VERDICT_LIVE;
}

const char *
observer_next_dead(struct observer *o, const struct live_set *set, size_t *cursor,
    enum verdict *verdict, const char **beat)
{
	while (*cursor < o->n) {
		struct row *row = &o->rows[(*cursor)++];

		*verdict = judge(o, row, set);
		if (*verdict == VERDICT_LIVE)
			continue;
		*beat = row->beat;
		return row->holder;
	}
	return NULL;
}
