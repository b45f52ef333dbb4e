/* SPDX-License-Identifier: MIT */
/*
 * generation.h - one configuration as its children get it.
 *
 * The parts for the roles hold secrets. They stand in one locked mapping that is left
 * out of core dumps and wiped in forked children; the struct conf beside it keeps none.
 */
#ifndef SUPERVISOR_GENERATION_H
#define SUPERVISOR_GENERATION_H

#include "common/conf/conf.h"
#include "common/err.h"
#include "supervisor/watched_files.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

struct generation {
	TAILQ_ENTRY(generation) link;
	unsigned number;   /* 1, 2, ... */
	struct conf *conf; /* owned with the other users; secrets are blanked */
	char *vault;       /* likewise; a mapping, all parts one after the other */
	size_t vault_len;
	struct {
		const char *text;
		size_t len;
	} part[ROLE_COUNT];
	unsigned *users;            /* generations that share conf and vault */
	bool is_retiring;           /* replaced; gone when its last child is */
	struct watched_files files; /* that its sandboxes were made with */
};

TAILQ_HEAD(generation_list, generation);

/* Reads the file in a process of its own, so that no secret touches our heap. */
int generation_load(const char *path, unsigned number, struct generation **out,
    struct err *err);

/* For a process that ends soon. Takes the configuration over (NULL is left in *conf) in any case. */
int generation_new(struct conf **conf, unsigned number, struct generation **out,
    struct err *err);
void generation_warn(const struct generation *g); /* logs what is odd about its file */
/* The same configuration and secrets, for new processes; NULL for want of memory. */
struct generation *generation_again(const struct generation *g, unsigned number);
void generation_free(struct generation *g);
void generation_freep(struct generation **g);

/* As conf_compare, secrets included: 0 equal, 1 reloadable differences (their names are
   appended to changes), -EPERM. */
int generation_compare(const struct generation *old_one,
    const struct generation *new_one, struct buf *changes, struct err *err);

#endif
