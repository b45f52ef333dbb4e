/* SPDX-License-Identifier: MIT */
/*
 * live_set.c - writes and reads the text of LIVE_SET.
 *
 * Owns:   a read set's copy of the text; the names point into it.
 * Called: by the supervisor (put) and the scheduler (read).
 * Fails:  a line that is not in the table is -EPROTO.
 */
#include "config.h"

#include "common/role/live_set.h"

#include <errno.h>
#include <string.h>

/* ---- writing ---- */

static void
put_word(struct buf *out, const char *word)
{
	for (; *word != '\0'; word++)
		buf_addc(out, *word == '\t' || *word == '\n' ? ' ' : *word);
}

static void
put_line(struct buf *out, const char *kind, const char *word)
{
	buf_adds(out, kind);
	buf_addc(out, ' ');
	put_word(out, word);
	buf_addc(out, '\n');
}

void
live_set_put_node(struct buf *out, const char *node, const char *boot)
{
	buf_adds(out, "node ");
	put_word(out, node);
	buf_addc(out, ' ');
	put_word(out, boot);
	buf_addc(out, '\n');
}

void
live_set_put_former(struct buf *out, const char *boot)
{
	put_line(out, "former", boot);
}

void
live_set_put_live(struct buf *out, const char *holder)
{
	put_line(out, "live", holder);
}

void
live_set_put_dead(struct buf *out, const char *holder, const char *blame,
    const char *job_id, const char *evidence)
{
	const char *const words[] = { holder, blame, job_id, evidence };

	buf_adds(out, "dead");
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		buf_addc(out, i == 0 ? ' ' : '\t');
		put_word(out, words[i]);
	}
	buf_addc(out, '\n');
}

/* ---- reading ---- */

/* Room for one more: lines bound the number of names, so each array has that size. */
static int
make_room(struct live_set *s, size_t lines)
{
	s->former = calloc(lines, sizeof(*s->former));
	s->live = calloc(lines, sizeof(*s->live));
	s->dead = calloc(lines, sizeof(*s->dead));
	return s->former == NULL || s->live == NULL || s->dead == NULL ? -ENOMEM : 0;
}

static int
read_node(struct live_set *s, char *rest)
{
	char *blank = strrchr(rest, ' '); /* a boot id has no blank */

	if (s->node != NULL || blank == NULL || blank == rest || blank[1] == '\0')
		return -EPROTO;
	*blank = '\0';
	s->node = rest;
	s->boot = blank + 1;
	return 0;
}

static int
read_former(struct live_set *s, char *rest)
{
	s->former[s->n_former++] = rest;
	return *rest != '\0' ? 0 : -EPROTO;
}

static int
read_live(struct live_set *s, char *rest)
{
	s->live[s->n_live++] = rest;
	return *rest != '\0' ? 0 : -EPROTO;
}

static int
read_dead(struct live_set *s, char *rest)
{
	struct live_set_death *d = &s->dead[s->n_dead++];
	const char **const fields[] = { &d->holder, &d->blame, &d->job_id,
		&d->evidence };

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		*fields[i] = strsep(&rest, "\t");
		if (*fields[i] == NULL)
			return -EPROTO;
	}
	return *d->holder != '\0' && rest == NULL ? 0 : -EPROTO;
}

static const struct {
	const char *kind;
	int (*read)(struct live_set *s, char *rest);
} kinds[] = {
	{ "node ", read_node },
	{ "former ", read_former },
	{ "live ", read_live },
	{ "dead ", read_dead },
};

static int
read_line(struct live_set *s, char *line)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		size_t n = strlen(kinds[i].kind);

		if (strncmp(line, kinds[i].kind, n) != 0)
			continue;
		if (s->node == NULL && kinds[i].read != read_node)
			return -EPROTO;
		return kinds[i].read(s, line + n);
	}
	return -EPROTO;
}

int
live_set_read(const char *text, size_t n, struct live_set *out, struct err *err)
{
	CLEANUP(live_set_release) struct live_set s = { .text = strndup(text, n) };
	size_t lines = 1;
	char *rest, *line;

	for (size_t i = 0; i < n; i++)
		lines += text[i] == '\n' ? 1 : 0;
	if (s.text == NULL || make_room(&s, lines) < 0)
		return err_set(err, -ENOMEM, "no memory for the set of live holders");
	if (strlen(s.text) != n || n == 0 || s.text[n - 1] != '\n')
		return err_set(err, -EPROTO, "live set: not a text of lines");
	s.text[n - 1] = '\0';
	rest = s.text;
	for (size_t i = 1; (line = strsep(&rest, "\n")) != NULL; i++)
		if (read_line(&s, line) < 0)
			return err_set(err, -EPROTO, "live set: line %zu is wrong", i);
	*out = s;
	s = (struct live_set){ 0 };
	return 0;
}

void
live_set_release(struct live_set *s)
{
	free(s->text);
	free(s->former);
	free(s->live);
	free(s->dead);
	*s = (struct live_set){ 0 };
}

/* ---- looking ---- */

bool
live_set_has(const struct live_set *s, const char *holder)
{
	for (size_t i = 0; i < s->n_live; i++)
		if (strcmp(s->live[i], holder) == 0)
			return true;
	return false;
}

const struct live_set_death *
live_set_death_of(const struct live_set *s, const char *holder)
{
	for (size_t i = 0; i < s->n_dead; i++)
		if (strcmp(s->dead[i].holder, holder) == 0)
			return &s->dead[i];
	return NULL;
}

/* "NODE.BOOT.": a node's name may hold dots, so it is compared, not looked for. */
static bool
is_of_boot(const struct live_set *s, const char *holder, const char *boot)
{
	size_t node_n = strlen(s->node), boot_n = strlen(boot);

	return strncmp(holder, s->node, node_n) == 0 && holder[node_n] == '.' &&
	    strncmp(holder + node_n + 1, boot, boot_n) == 0 &&
	    holder[node_n + 1 + boot_n] == '.';
}

bool
live_set_is_former(const struct live_set *s, const char *holder)
{
	for (size_t i = 0; i < s->n_former; i++)
		if (is_of_boot(s, holder, s->former[i]))
			return true;
	return false;
}

bool
live_set_is_ours(const struct live_set *s, const char *holder)
{
	return is_of_boot(s, holder, s->boot) || live_set_is_former(s, holder);
}
