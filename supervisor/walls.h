/* SPDX-License-Identifier: MIT */
/*
 * walls.h - which walls of the sandbox the kernel lacks.
 */
#ifndef SUPERVISOR_WALLS_H
#define SUPERVISOR_WALLS_H

struct supervisor;

/* What a child says of its Landlock when it is ready (0: it has no sandbox). The first
   lack is logged, once, and shown in STATUS. -EPROTO for what no kernel answers. */
int walls_note(struct supervisor *s, int landlock);

#endif
