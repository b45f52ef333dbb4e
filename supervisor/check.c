/* SPDX-License-Identifier: MIT */
/*
 * check.c - the configuration under a magnifier: -t.
 *
 * Owns:   the report.
 * Called: by main.
 * Fails:  with EXIT_STATUS_CONFIG after all findings are on standard error.
 */
#include "config.h"

#include "supervisor/check.h"

#include "common/exit_status.h"
#include "common/log.h"
#include "supervisor/places.h"
#include "supervisor/supervisor.h"

#include <errno.h>

enum {
	NOBODY = 65534
}; /* for a check by root without the service's users */

struct findings {
	unsigned n_said;
	struct buf text, notes;
	bool is_over, has_succeeded;
};

static struct findings findings;

static void
check_ended(struct supervisor *s, struct child *c, bool has_succeeded)
{
	(void)s;
	findings.is_over = true;
	findings.has_succeeded = has_succeeded;
	if (!has_succeeded && findings.text.len == 0)
		buf_addf(&findings.text, "the check ended with status %d\n",
		    c->said_status);
}

static void
discard(const char *line, size_t len)
{
	(void)line;
	(void)len;
}

static int
run_child(struct supervisor *s, struct err *err)
{
	struct child *c;
	int r = spawn_open_programs(&s->programs, 1u << ROLE_CHECK, err);

	if (r < 0)
		return r;
	c = child_new(s, s->now, ROLE_CHECK, 0);
	if (c == NULL)
		return err_set(err, -ENOMEM, "no memory");
	c->report = &findings.text;
	c->notes = &findings.notes;
	c->on_end = check_ended;
	s->phase = PHASE_CHECK;
	child_event(c, EVENT_START);
	while (!findings.is_over)
		supervisor_turn(s);
	return 0;
}

static void
say(const char *line)
{
	findings.n_said++;
	(void)fprintf(stderr, "%s\n", line);
}

void
check_begin(void)
{
	conf_finding_hook = say;
}

bool
check_has_spoken(void)
{
	return findings.n_said > 0;
}

int
check_configuration(struct supervisor *s)
{
	struct err err = ERR_INIT;
	struct identity starter = { .is_root = true };
	bool has_users, has_places;
	int r;

	has_users = places_identity(s->now->conf, &s->identity, &err) == 0;
	if (!has_users)
		s->identity = (struct identity){ .is_root = true,
			.uid = NOBODY,
			.gid = NOBODY,
			.compute_uid = NOBODY,
			.compute_gid = NOBODY };
	/* Anybody may check what root will start: who may write where is not asked. */
	has_places = places_look(s->now->conf, &starter, &err) == 0;
	for (size_t i = 0; i < s->now->conf->warnings.n; i++)
		(void)fprintf(stderr, "warning: %s\n", s->now->conf->warnings.v[i]);
	conf_finding_hook = NULL;
	log_hook = discard; /* the report says it all */
	r = run_child(s, &err);
	if (r < 0)
		(void)fprintf(stderr, "agent-runnerd: %s\n", err_text(&err));
	(void)fprintf(stderr, "%s%s", buf_str(&findings.text),
	    buf_str(&findings.notes));
	buf_release(&findings.text);
	buf_release(&findings.notes);
	if (r < 0 || !findings.has_succeeded || !has_users || !has_places)
		return EXIT_STATUS_CONFIG;
	(void)printf("configuration ok\n");
	return EXIT_STATUS_OK;
}
