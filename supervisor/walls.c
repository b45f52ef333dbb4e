/* SPDX-License-Identifier: MIT */
/*
 * walls.c - which walls of the sandbox the kernel lacks: told once, shown always.
 *
 * Owns:   s->degraded.
 * Called: when a child is ready.
 * Fails:  -EPROTO for a number that no kernel answers.
 */
#include "config.h"

#include "supervisor/walls.h"

#include "common/log.h"
#include "common/role/sandbox.h"
#include "supervisor/supervisor.h"

#include <errno.h>
#include <string.h>

enum {
	VERSION_MAX = 1000,
	ERRNO_MAX = 4095
};

int
walls_note(struct supervisor *s, int landlock)
{
	const char *lacks;

	if (landlock > VERSION_MAX || landlock < -ERRNO_MAX)
		return -EPROTO;
	lacks = landlock == 0 ? NULL : sandbox_lacks(landlock);
	if (lacks == NULL || s->degraded[0] != '\0')
		return 0;
	if (landlock < 0)
		(void)snprintf(s->degraded, sizeof(s->degraded),
		    "no Landlock (errno %d, %s): %s", -landlock, strerror(-landlock),
		    lacks);
	else
		(void)snprintf(s->degraded, sizeof(s->degraded), "Landlock %d: %s",
		    landlock, lacks);
	log_warning("this kernel has %s; going on with the other walls", s->degraded);
	return 0;
}
