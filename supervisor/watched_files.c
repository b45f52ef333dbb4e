/* SPDX-License-Identifier: MIT */
/*
 * watched_files.c - notices that files which the sandbox names were replaced.
 *
 * Owns:   nothing; what a generation saw is in struct generation.
 * Called: when a generation is made, and by the watchdog's tick.
 * Fails:  never: what cannot be looked at counts as not being there.
 *
 * Looking is a statx() of two dozen paths each two seconds: less than watches on all
 * their directories would need, which appear and disappear themselves.
 */
#include "config.h"

#include "supervisor/watched_files.h"

#include "common/log.h"
#include "supervisor/reload.h"
#include "supervisor/supervisor.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum {
	LOOK_EVERY_MS = 2000
};

void
watched_files_look(struct watched_files *out, const struct role_scope *s)
{
	memset(out, 0, sizeof(*out));
	out->n = s->n_paths;
	for (size_t i = 0; i < s->n_paths; i++) {
		struct statx st;

		if (s->paths[i].is_writable ||
		    statx(AT_FDCWD, s->paths[i].path, 0, STATX_INO | STATX_BTIME, &st) <
			0)
			continue;
		out->file[i] = (struct watched_file){
			.dev = (uint64_t)st.stx_dev_major << 32 | st.stx_dev_minor,
			.ino = st.stx_ino,
		};
		if ((st.stx_mask & STATX_BTIME) != 0)
			out->file[i].born_ns =
			    (uint64_t)st.stx_btime.tv_sec * 1000000000 +
			    st.stx_btime.tv_nsec;
	}
}

static bool
is_same(const struct watched_file *a, const struct watched_file *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->born_ns == b->born_ns;
}

bool
watched_files_equal(const struct watched_files *a, const struct watched_files *b)
{
	for (size_t i = 0; i < a->n && i < b->n; i++)
		if (!is_same(&a->file[i], &b->file[i]))
			return false;
	return a->n == b->n;
}

const char *
watched_files_replaced(const struct watched_files *before,
    const struct watched_files *now, const struct role_scope *s)
{
	for (size_t i = 0; i < before->n && i < now->n; i++)
		if (now->file[i].ino != 0 && !is_same(&before->file[i], &now->file[i]))
			return s->paths[i].path;
	return NULL;
}

void
watched_files_tick(struct supervisor *s, uint64_t now_ms)
{
	struct role_scope scope;
	struct watched_files now;
	const char *path;
	bool is_settled;

	if (now_ms - s->files.looked_ms < LOOK_EVERY_MS || s->phase != PHASE_RUNNING)
		return;
	s->files.looked_ms = now_ms;
	role_scope(ROLE_WORKER, s->now->conf, &scope); /* it reads all that others do */
	watched_files_look(&now, &scope);
	is_settled = watched_files_equal(&now, &s->files.last);
	s->files.last = now;
	/* What a renewal was tried for and failed with is not tried again. */
	if (!is_settled || watched_files_equal(&now, &s->files.tried))
		return;
	path = watched_files_replaced(&s->now->files, &now, &scope);
	if (path == NULL || reload_is_busy(s))
		return;
	s->files.tried = now;
	reload_renew(s, path);
}
