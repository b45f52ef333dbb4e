/* SPDX-License-Identifier: MIT */
/*
 * retention.c - storage.retention_days: once an hour, one worker of all hosts cleans up.
 *
 * Owns:   one fiber while it works.
 * Called: by the worker's tick.
 * Fails:  by leaving the rest to the next hour; jobs notice nothing but short statements
 *         of other kinds on the helper thread.
 *
 * Who may is decided in Redis, so that hosts neither repeat nor disturb each other. The
 * work goes in pieces of some rows or a 256th of the content, with pauses between.
 */
#include "config.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/store/cas_refs.h"
#include "worker/worker.h"

#include <errno.h>
#include <string.h>

enum {
	HOUR_MS = 3600 * 1000,
	LOOK_EVERY_MS = 60000,
	PAUSE_MS = 20,
	PATIENCE_MS = 60000 /* for one piece, when the store is away */
};

struct cleaning {
	struct worker *worker;
	struct store_purge what;
	struct store_purge_count count;
	struct cas_refs refs;
	int64_t marks;
	bool is_over; /* of the rows */
	unsigned shelf;
	char cursor[24];
	int status; /* of a copy */
};

/* ---- in Redis ---- */

static void
copy_refs(void *ctx, const struct queue_answer *a)
{
	struct cleaning *c = ctx;

	for (size_t i = 0; c->status == 0 && i < a->scan.ids.n; i++) {
		struct queue_text id = queue_list_text(&a->scan.ids, i);

		c->status = cas_refs_add(&c->refs, id.p, id.n);
	}
	(void)snprintf(c->cursor, sizeof(c->cursor), "%.*s", (int)a->scan.cursor.n,
	    a->scan.cursor.p);
}

static void
copy_marks(void *ctx, const struct queue_answer *a)
{
	struct cleaning *c = ctx;

	c->marks += a->scan.count;
	(void)snprintf(c->cursor, sizeof(c->cursor), "%.*s", (int)a->scan.cursor.n,
	    a->scan.cursor.p);
}

static int
scan(struct cleaning *c, bool is_for_refs, struct err *err)
{
	struct worker *w = c->worker;
	int r = 0;

	(void)strcpy(c->cursor, "0");
	do {
		struct queue_answer answer;
		struct queue_command cmd;

		if (is_for_refs)
			queue_cmd_refs(&cmd, &w->setup, c->cursor);
		else
			queue_cmd_leftovers(&cmd, &w->setup, c->cursor,
			    (int64_t)c->what.older_than_ms, false);
		r = redis_op(w->redis, &cmd, is_for_refs ? copy_refs : copy_marks, c,
		    &answer, clock_mono_ms() + PATIENCE_MS, err);
		if (r == 0)
			r = c->status;
	} while (r == 0 && !w->is_draining && strcmp(c->cursor, "0") != 0);
	return r;
}

static bool
is_our_turn(struct worker *w)
{
	struct queue_answer answer;
	struct queue_command cmd;
	struct err e = ERR_INIT;

	queue_cmd_purge_due(&cmd, &w->setup, HOUR_MS);
	return redis_op(w->redis, &cmd, NULL, NULL, &answer,
		   clock_mono_ms() + PATIENCE_MS, &e) == 0 &&
	    answer.word == QUEUE_OK;
}

/* ---- in the store: on the helper thread ---- */

static int
take_rows(struct store *store, void *ctx, struct err *err)
{
	struct cleaning *c = ctx;

	return store_purge_rows(store, &c->what, &c->count, &c->is_over, err);
}

static int
take_shelf(struct store *store, void *ctx, struct err *err)
{
	struct cleaning *c = ctx;

	return store_purge_shelf(store, &c->what, c->shelf, &c->count, err);
}

static int
piece(struct cleaning *c, int (*run)(struct store *, void *, struct err *),
    struct err *err)
{
	int r =
	    store_client_call(c->worker, run, c, clock_mono_ms() + PATIENCE_MS, err);

	return r == 0 ? fiber_sleep_until(clock_mono_ms() + PAUSE_MS) : r;
}

static int
clean(struct cleaning *c, struct err *err)
{
	const struct worker *w = c->worker;
	int r = scan(c, true, err);

	while (r == 0 && !w->is_draining && !c->is_over)
		r = piece(c, take_rows, err);
	for (; r == 0 && !w->is_draining && c->shelf < STORE_SHELVES; c->shelf++)
		r = piece(c, take_shelf, err);
	return r == 0 && !w->is_draining ? scan(c, false, err) : r;
}

static void
retention_run(void *ctx)
{
	struct cleaning *c = ctx;
	struct worker *w = c->worker;
	struct err err = ERR_INIT;
	int r;

	if (is_our_turn(w)) {
		r = clean(c, &err);
		if (r < 0)
			log_warning("retention: %s; the rest goes in an hour",
			    err_text(&err));
		log_info("retention: removed %llu results older than %lld days, %llu "
			 "large values and journal records (%llu bytes), %lld marks of "
			 "jobs that never came",
		    (unsigned long long)c->count.rows,
		    (long long)w->conf->storage.retention_days,
		    (unsigned long long)c->count.blobs,
		    (unsigned long long)c->count.blob_bytes, (long long)c->marks);
	}
	cas_refs_release(&c->refs);
	free(c);
	w->is_cleaning = false;
}

void
retention_tick(struct worker *w, uint64_t now_ms)
{
	struct cleaning *c;

	if (w->conf->storage.retention_days == 0 || w->role->role != ROLE_WORKER ||
	    w->role->slot != 0 || w->is_cleaning || w->is_draining ||
	    now_ms < w->clean_due_ms)
		return;
	w->clean_due_ms = now_ms + LOOK_EVERY_MS;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return;
	c->worker = w;
	c->what = (struct store_purge){
		.older_than_ms =
		    (uint64_t)w->conf->storage.retention_days * 24 * HOUR_MS,
		.is_kept = cas_refs_has,
		.kept_arg = &c->refs,
	};
	w->is_cleaning = fiber_start(w->fibers, retention_run, c) != NULL;
	if (!w->is_cleaning)
		free(c);
}
