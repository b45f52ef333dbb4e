/* SPDX-License-Identifier: MIT */
/*
 * generation.c - a configuration parted by role, its secrets in one locked region.
 *
 * Owns:   struct generation: the configuration without secrets, the region with them.
 * Called: at the start and at each reload.
 * Fails:  for want of memory. Locking is a wish: where limits forbid it, swap is not
 * ruled out, and everything else holds.
 */
#include "config.h"

#include "supervisor/generation.h"

#include "common/log.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

static char *
map_vault(size_t len)
{
	char *p =
	    mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	(void)mlock(p, len); /* RLIMIT_MEMLOCK may be small */
	(void)madvise(p, len, MADV_DONTDUMP);
	(void)madvise(p, len, MADV_WIPEONFORK);
	return p;
}

static void
write_parts(const struct conf *conf, struct buf *text, size_t end[ROLE_COUNT])
{
	for (int role = 0; role < ROLE_COUNT; role++) {
		conf_write_role(text, conf, (enum role)role);
		end[role] = text->len;
	}
}

static int
fill(struct generation *g, struct err *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	size_t end[ROLE_COUNT], begin = 0;
	int r;

	write_parts(g->conf, &text, end);
	r = buf_status(&text);
	if (r == 0) {
		g->vault_len = text.len + 1;
		g->vault = map_vault(g->vault_len);
		r = g->vault == NULL ? -ENOMEM : 0;
	}
	if (r == 0)
		memcpy(g->vault, text.data, text.len);
	if (text.data != NULL)
		explicit_bzero(text.data, text.len);
	if (r < 0)
		return err_set(err, r, "no memory for the configuration");
	for (int role = 0; role < ROLE_COUNT; role++) {
		g->part[role].text = g->vault + begin;
		g->part[role].len = end[role] - begin;
		begin = end[role];
	}
	conf_blank_secrets(g->conf);
	return 0;
}

/* Before any of its processes makes its sandbox. */
static void
look_at_files(struct generation *g)
{
	struct role_scope scope;

	role_scope(ROLE_WORKER, g->conf, &scope);
	watched_files_look(&g->files, &scope);
}

int
generation_new(struct conf **conf, unsigned number, struct generation **out,
    struct err *err)
{
	CLEANUP(generation_freep) struct generation *g = calloc(1, sizeof(*g));
	CLEANUP(conf_freep) struct conf *taken = TAKE_PTR(*conf);
	int r;

	if (g != NULL)
		g->users = calloc(1, sizeof(*g->users));
	if (g == NULL || g->users == NULL)
		return err_set(err, -ENOMEM, "no memory for the configuration");
	*g->users = 1;
	g->conf = TAKE_PTR(taken);
	g->number = number;
	look_at_files(g);
	r = fill(g, err);
	if (r < 0)
		return r;
	*out = TAKE_PTR(g);
	return 0;
}

struct generation *
generation_again(const struct generation *old, unsigned number)
{
	struct generation *g = malloc(sizeof(*g));

	if (g == NULL)
		return NULL;
	*g = *old;
	g->number = number;
	g->is_retiring = false;
	(*g->users)++;
	look_at_files(g);
	return g;
}

void
generation_free(struct generation *g)
{
	if (g == NULL)
		return;
	if (g->users != NULL && --*g->users > 0) {
		free(g);
		return;
	}
	free(g->users);
	if (g->vault != NULL) {
		explicit_bzero(g->vault, g->vault_len);
		(void)munmap(g->vault, g->vault_len);
	}
	conf_free(g->conf);
	free(g);
}

void
generation_freep(struct generation **g)
{
	generation_free(*g);
}

void
generation_warn(const struct generation *g)
{
	for (size_t i = 0; i < g->conf->warnings.n; i++)
		log_warning("%s", g->conf->warnings.v[i]);
}

/* What conf no longer holds. The check's part is left out: it says in which lines
   settings stand, which changes nothing. */
static bool
secrets_differ(const struct generation *a, const struct generation *b)
{
	for (int role = 0; role < ROLE_COUNT; role++)
		if (role != ROLE_CHECK &&
		    (a->part[role].len != b->part[role].len ||
			memcmp(a->part[role].text, b->part[role].text,
			    a->part[role].len) != 0))
			return true;
	return false;
}

int
generation_compare(const struct generation *old_one, const struct generation *new_one,
    struct buf *changes, struct err *err)
{
	int r = conf_compare(old_one->conf, new_one->conf, changes, err);

	if (r != 0 || !secrets_differ(old_one, new_one))
		return r;
	buf_adds(changes, "a secret");
	return 1;
}
