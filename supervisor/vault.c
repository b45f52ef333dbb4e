/* SPDX-License-Identifier: MIT */
/*
 * vault.c - where the supervisor keeps secrets.
 *
 * Owns:   the environment, once it was moved.
 * Called: at the start, and for each generation.
 * Fails:  for want of memory. Locking is a wish: where limits forbid it, swap is not
 *         ruled out, and everything else holds.
 */
#include "config.h"

#include "supervisor/vault.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char *
map_locked(size_t len)
{
	char *p =
	    mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	(void)mlock(p, len); /* RLIMIT_MEMLOCK may be small */
	(void)madvise(p, len, MADV_DONTDUMP);
	return p;
}

char *
vault_map(size_t len)
{
	char *p = map_locked(len);

	if (p != NULL)
		(void)madvise(p, len, MADV_WIPEONFORK);
	return p;
}

void
vault_unmap(char *p, size_t len)
{
	if (p == NULL)
		return;
	explicit_bzero(p, len);
	(void)munmap(p, len);
}

void
vault_hide_environment(void)
{
	size_t len = 0;
	char *at;

	for (char **e = environ; e != NULL && *e != NULL; e++)
		len += strlen(*e) + 1;
	at = len > 0 ? map_locked(len) : NULL; /* a forked reader asks for it, too */
	for (char **e = environ; at != NULL && *e != NULL; e++) {
		size_t n = strlen(*e) + 1;

		memcpy(at, *e, n);
		explicit_bzero(*e, n - 1);
		*e = at;
		at += n;
	}
}
