/* SPDX-License-Identifier: MIT */
/*
 * reload.c - a new configuration replaces the old one, or nothing changes.
 *
 * Owns:   s->next and s->reload.
 * Called: by SIGHUP and the control socket; each turn while one is under way.
 * Fails:  by keeping what runs, and saying why in the log, in STATUS and in the answer.
 *
 * idle -> checking (a child looks at the new configuration as -t does) -> proving (its
 * compute, fetch and first worker start beside the old) -> idle with a new generation:
 * the old workers drain, the old gateway and scheduler end when the new ones are ready,
 * the old compute and fetch when no old worker is left. A generation that still drains
 * from the reload before is waited for, so no more than two ever live.
 */
#include "config.h"

#include "supervisor/reload.h"

#include "common/clock.h"
#include "common/log.h"
#include "supervisor/control_server.h"
#include "supervisor/notify.h"
#include "supervisor/stages.h"
#include "supervisor/supervisor.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

enum {
	PROOF_MASK = 1u << ROLE_COMPUTE | 1u << ROLE_FETCH
};

int
reload_is_busy(const struct supervisor *s)
{
	return s->reload.step != RELOAD_IDLE;
}

static void PRINTF_LIKE(3, 4)
    finish(struct supervisor *s, int result, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(s->reload.text, sizeof(s->reload.text), fmt, ap);
	va_end(ap);
	s->reload.step = RELOAD_IDLE;
	s->reload.result = result;
	if (result < 0) {
		s->reload.failed++;
		log_error("reload: %s; the present configuration stays",
		    s->reload.text);
	} else {
		s->reload.ok++;
		s->reload.at_ms = clock_wall_ms();
		log_info("reload: %s", s->reload.text);
	}
	if (s->phase == PHASE_RUNNING)
		notify_send(result < 0
			? "READY=1\nSTATUS=running; the last reload was refused\n"
			: "READY=1\nSTATUS=running\n");
	control_server_reloaded(s->control);
}

/* Drops what was begun of the next generation. */
static void
drop_next(struct supervisor *s)
{
	struct child *c;

	if (s->next == NULL)
		return;
	TAILQ_FOREACH (c, &s->children, link)
		if (c->generation == s->next) {
			c->on_end = NULL;
			c->report = NULL;
			child_end_now(c);
		}
	s->next->is_retiring = true; /* swept when its last child is gone */
	s->next = NULL;
}

static int
read_next(struct supervisor *s, struct err *err)
{
	int r = generation_load(s->options.conf_path, s->last_generation + 1, &s->next,
	    err);

	if (r < 0)
		return r;
	s->last_generation++;
	generation_warn(s->next);
	TAILQ_INSERT_TAIL(&s->generations, s->next, link);
	buf_clear(&s->reload.changes);
	s->reload.changes.max_len = CONTROL_TEXT_MAX / 2;
	return generation_compare(s->now, s->next, &s->reload.changes, err);
}

/* An unchanged configuration restarts nothing, but gives the broken another chance. */
static void
mend_broken(struct supervisor *s)
{
	struct child *c;

	TAILQ_FOREACH (c, &s->children, link)
		if (c->state == CHILD_BROKEN && c->is_wanted && !c->is_short)
			child_event(c, EVENT_START);
}

static void
check_ended(struct supervisor *s, struct child *c, bool has_succeeded)
{
	struct buf *report = &s->reload.report;

	if (s->reload.step != RELOAD_CHECKING)
		return;
	if (has_succeeded) {
		s->reload.step = RELOAD_PROVING;
		s->reload.has_failed = false;
		return;
	}
	while (report->len > 0 && report->data[report->len - 1] == '\n')
		report->data[--report->len] = '\0';
	drop_next(s);
	finish(s, -EINVAL, "%s",
	    report->len > 0 ? buf_str(report)
			    : "the check of the configuration failed");
	(void)c;
}

static void
begin_check(struct supervisor *s)
{
	struct child *c = child_new(s, s->next, ROLE_CHECK, 0);

	if (c == NULL) {
		drop_next(s);
		finish(s, -ENOMEM, "no memory for the check");
		return;
	}
	buf_clear(&s->reload.report);
	s->reload.report.max_len = CONTROL_TEXT_MAX;
	c->report = &s->reload.report;
	c->on_end = check_ended;
	s->reload.step = RELOAD_CHECKING;
	child_event(c, EVENT_START);
}

static void
begin(struct supervisor *s)
{
	struct err err = ERR_INIT;
	int r;

	log_info("reload: reading %s", s->options.conf_path);
	notify_reloading();
	r = read_next(s, &err);
	if (r > 0) {
		begin_check(s);
		return;
	}
	drop_next(s);
	if (r < 0) {
		finish(s, r, "%s", err_text(&err));
		return;
	}
	mend_broken(s);
	finish(s, 0, "nothing has changed");
}

void
reload_ask(struct supervisor *s)
{
	if (s->phase > PHASE_RUNNING) {
		finish(s, -ESHUTDOWN, "the daemon is stopping");
		return;
	}
	if (s->phase < PHASE_RUNNING || s->reload.step != RELOAD_IDLE) {
		s->reload.is_again = true;
		return;
	}
	begin(s);
}

void
reload_renew(struct supervisor *s, const char *path)
{
	ASSERT(s->phase == PHASE_RUNNING && s->reload.step == RELOAD_IDLE);
	log_warning(
	    "%s was replaced, and the sandbox of running processes knows only the "
	    "former file; starting new ones",
	    path);
	s->next = generation_again(s->now, s->last_generation + 1);
	if (s->next == NULL) {
		finish(s, -ENOMEM, "no memory for new processes");
		return;
	}
	s->last_generation++;
	TAILQ_INSERT_TAIL(&s->generations, s->next, link);
	buf_clear(&s->reload.changes);
	buf_adds(&s->reload.changes, path);
	s->reload.step = RELOAD_PROVING;
	s->reload.has_failed = false;
}

void
reload_child_failed(struct child *c)
{
	struct supervisor *s = c->supervisor;

	if (s->next == NULL || c->generation != s->next)
		return;
	s->reload.has_failed = true;
	(void)snprintf(s->reload.text, sizeof(s->reload.text),
	    "%s/%u of the new "
	    "configuration did not start: %.800s",
	    role_name(c->role), c->slot,
	    c->said[0] != '\0' ? c->said : "it said nothing");
}

static bool
has_retiring(const struct supervisor *s)
{
	const struct child *c;

	TAILQ_FOREACH (c, &s->children, link)
		if (c->generation->is_retiring)
			return true;
	return false;
}

static bool
is_live(const struct supervisor *s, const struct generation *g, enum role role)
{
	const struct child *c;

	TAILQ_FOREACH (c, &s->children, link)
		if (c->generation == g && c->role == role && c->state == CHILD_LIVE)
			return true;
	return false;
}

static void
open_log(struct supervisor *s)
{
	struct err err = ERR_INIT;

	if (supervisor_open_log(s, &err) < 0)
		log_error("%s; the former log stays", err_text(&err));
}

static void
commit(struct supervisor *s)
{
	struct generation *old = s->now;
	struct child *c;

	s->now = s->next;
	s->next = NULL;
	old->is_retiring = true;
	TAILQ_FOREACH (c, &s->children, link)
		if (c->role == ROLE_REDIS) /* no part of it can have changed */
			c->generation = s->now;
	open_log(s);
	stages_start_roles(s, s->now, ~0u, ~0u);
	TAILQ_FOREACH (c, &s->children, link)
		if (c->generation == old && child_is_worker(c))
			child_retire(c);
	finish(s, 0,
	    "generation %u is in use (changed: %s); jobs of generation %u finish as they "
	    "began",
	    s->now->number, buf_str(&s->reload.changes), old->number);
}

static void
prove(struct supervisor *s)
{
	if (s->reload.has_failed) {
		char why[CONTROL_TEXT_MAX];

		(void)snprintf(why, sizeof(why), "%s", s->reload.text);
		drop_next(s);
		finish(s, -ECHILD, "%s", why);
		return;
	}
	if (has_retiring(s))
		return;
	stages_start_roles(s, s->next, PROOF_MASK, 1);
	if (is_live(s, s->next, ROLE_COMPUTE) && is_live(s, s->next, ROLE_FETCH) &&
	    is_live(s, s->next, ROLE_WORKER))
		commit(s);
}

/* The old generation's helpers end when nobody needs them any more. */
static void
retire_helpers(struct supervisor *s)
{
	struct child *c, *w;

	TAILQ_FOREACH (c, &s->children, link) {
		bool has_users = false;

		if (!c->generation->is_retiring || child_is_worker(c) || c->is_short)
			continue;
		TAILQ_FOREACH (w, &s->children, link)
			has_users |=
			    child_is_worker(w) && w->generation == c->generation;
		if (c->role == ROLE_COMPUTE || c->role == ROLE_FETCH
			? !has_users
			: is_live(s, s->now, c->role))
			child_retire(c);
	}
}

void
reload_tick(struct supervisor *s)
{
	if (s->reload.step == RELOAD_PROVING)
		prove(s);
	if (s->phase == PHASE_RUNNING)
		retire_helpers(s);
	if (s->reload.step == RELOAD_IDLE && s->reload.is_again &&
	    s->phase == PHASE_RUNNING) {
		s->reload.is_again = false;
		begin(s);
	}
}

void
reload_abandon(struct supervisor *s)
{
	s->reload.is_again = false;
	if (s->reload.step == RELOAD_IDLE)
		return;
	drop_next(s);
	finish(s, -ESHUTDOWN, "the daemon is stopping");
}
