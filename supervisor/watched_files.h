/* SPDX-License-Identifier: MIT */
/*
 * watched_files.h - notices that files which the sandbox names were replaced.
 *
 * A Landlock rule belongs to the file that was there when it was made: once
 * /etc/resolv.conf or a bundle of certificates is replaced by rename, no living process
 * can read the new one. libcurl also keeps the bundle that it read. So each generation
 * remembers which files there were, and is renewed when they are others.
 */
#ifndef SUPERVISOR_WATCHED_FILES_H
#define SUPERVISOR_WATCHED_FILES_H

#include "common/role/scope.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which file stands behind each of a list of paths. */
struct watched_files {
	size_t n;
	struct watched_file {
		uint64_t dev, ino; /* 0 and 0: there is none */
		uint64_t born_ns;  /* as far as known: numbers are given out again */
	} file[SCOPE_PATHS_MAX];
};

/* Those of the scope that are only read. */
void watched_files_look(struct watched_files *out, const struct role_scope *s);

bool watched_files_equal(const struct watched_files *a, const struct watched_files *b);

/*
 * The first path behind which another file stands now than before, or one where there
 * was none; NULL when there is no such. A file that is gone is not missed: who replaces
 * it has not finished yet, and there is nothing to be read.
 */
const char *watched_files_replaced(const struct watched_files *before,
    const struct watched_files *now, const struct role_scope *s);

struct supervisor;

/* Once a second: looks now and then, and asks for a renewal once the files have stayed
   as they are from one look to the next. */
void watched_files_tick(struct supervisor *s, uint64_t now_ms);

#endif
