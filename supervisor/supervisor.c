/* SPDX-License-Identifier: MIT */
/*
 * supervisor.c - one turn of the loop: what is due, what is over, the next event.
 *
 * Owns:   the lists of children and generations.
 * Called: by main.c and check.c until they have seen enough.
 * Fails:  never; epoll on our own descriptors does not fail but by a bug.
 */
#include "config.h"

#include "supervisor/supervisor.h"

#include "common/clock.h"
#include "common/log.h"
#include "supervisor/notify.h"
#include "supervisor/reload.h"
#include "supervisor/stages.h"
#include "supervisor/watchdog.h"

#include <string.h>

enum {
	REDIS_LOOK_MS = 10
};

static void
end_child(struct child *c, bool has_succeeded)
{
	void (*on_end)(struct supervisor *, struct child *, bool) = c->on_end;

	c->on_end = NULL;
	if (on_end != NULL)
		on_end(c->supervisor, c, has_succeeded);
}

/* A short-lived role that failed is over as well; others stay in the table as
   broken. */
static void
sweep_children(struct supervisor *s)
{
	struct child *c, *next;

	for (c = TAILQ_FIRST(&s->children); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		if (c->state == CHILD_BROKEN && c->is_short) {
			end_child(c, false);
			if (c->state == CHILD_BROKEN)
				child_event(c, EVENT_LEFT);
		} else if (c->state == CHILD_GONE) {
			end_child(c, true);
		}
		if (c->state == CHILD_GONE) {
			next = TAILQ_NEXT(c, link); /* on_end may have added some */
			child_free(c);
		}
	}
}

static void
sweep_generations(struct supervisor *s)
{
	struct generation *g, *next;

	for (g = TAILQ_FIRST(&s->generations); g != NULL; g = next) {
		const struct child *c;
		bool has_children = false;

		next = TAILQ_NEXT(g, link);
		TAILQ_FOREACH (c, &s->children, link)
			has_children |= c->generation == g;
		if (g == s->now || g == s->next || has_children)
			continue;
		TAILQ_REMOVE(&s->generations, g, link);
		generation_free(g);
	}
}

static void
earlier(uint64_t *at_ms, uint64_t other_ms)
{
	if (other_ms != 0 && other_ms < *at_ms)
		*at_ms = other_ms;
}

static uint64_t
next_due_ms(const struct supervisor *s, uint64_t now_ms)
{
	uint64_t at_ms = s->last_watch_ms + TICK_MS;
	const struct child *c;

	TAILQ_FOREACH (c, &s->children, link) {
		earlier(&at_ms, c->due_ms);
		if (c->role == ROLE_REDIS && c->state == CHILD_STARTING)
			earlier(&at_ms, now_ms + REDIS_LOOK_MS);
		if (c->state == CHILD_GONE)
			return now_ms;
	}
	if (s->notify_every_ms > 0)
		earlier(&at_ms, s->last_notify_ms + s->notify_every_ms);
	return at_ms;
}

static void
do_what_is_due(struct supervisor *s, uint64_t now_ms)
{
	struct child *c;

	TAILQ_FOREACH (c, &s->children, link)
		child_tick(c, now_ms);
	if (now_ms - s->last_watch_ms >= TICK_MS)
		watchdog_tick(s, now_ms);
	sweep_children(s);
	stages_tick(s);
	reload_tick(s);
	sweep_generations(s);
	if (s->is_live_set_old)
		live_set_send(s);
	if (s->notify_every_ms > 0 &&
	    now_ms - s->last_notify_ms >= s->notify_every_ms) {
		s->last_notify_ms = now_ms;
		notify_send("WATCHDOG=1\n");
	}
}

void
supervisor_turn(struct supervisor *s)
{
	uint64_t now_ms = clock_mono_ms(), due_ms;
	int r;

	do_what_is_due(s, now_ms);
	if (s->phase == PHASE_OVER)
		return;
	due_ms = next_due_ms(s, now_ms);
	r = events_turn(s->events, due_ms > now_ms ? (int)(due_ms - now_ms) : 0);
	ASSERT(r == 0);
}

int
supervisor_open_log(const struct supervisor *s, struct err *err)
{
	const struct conf *c = s->now->conf;
	bool has_stderr = !s->options.is_daemon || !s->was_ready;
	struct log_settings settings = { .target = c->service.log.target,
		.level = c->service.log.level,
		.format = c->service.log.format,
		.verbose = s->options.verbose,
		.file_uid = s->identity.uid,
		.file_gid = s->identity.gid };

	if (!has_stderr && strcmp(settings.target, "stderr") == 0)
		settings.target = "syslog";
	return log_open(&settings, err);
}

void
supervisor_release(struct supervisor *s)
{
	struct child *c;
	struct generation *g;

	while ((c = TAILQ_FIRST(&s->children)) != NULL) {
		spawn_child_release(&c->process);
		child_free(c);
	}
	while ((g = TAILQ_FIRST(&s->generations)) != NULL) {
		TAILQ_REMOVE(&s->generations, g, link);
		generation_free(g);
	}
	spawn_close_programs(&s->programs);
	buf_release(&s->reload.report);
	buf_release(&s->reload.changes);
	events_free(s->events);
	s->events = NULL;
}
