/* SPDX-License-Identifier: MIT */
/* lanes.h - who talks to whom: each worker with compute and fetch of its generation. */
#ifndef SUPERVISOR_LANES_H
#define SUPERVISOR_LANES_H

struct child;

/* Called when a child is READY: makes a new lane to each of its partners that is too.
   The receiver of a LANE drops a former one to the same peer and slot. */
void lanes_connect(struct child *c);

#endif
