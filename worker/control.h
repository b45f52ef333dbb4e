/* SPDX-License-Identifier: MIT */
/*
 * control.h - what the supervisor tells a worker, what a worker does about its own age,
 * and the cancels that others publish.
 */
#ifndef WORKER_CONTROL_H
#define WORKER_CONTROL_H

#include "worker/worker.h"

/* Reads every waiting message of the supervisor: lanes, DRAIN, RELEASE. */
void control_turn(struct worker *w);

/* Watches the control socket on the loop. 0 or negative errno. */
int control_watch(struct worker *w);

/* About once a second, with the time since the last call: age and memory bounds; rows
   of jobs that wait for a server that is away. */
void control_tick(struct worker *w, uint64_t elapsed_ms);

/* The exit status when the worker should end now, else -1. */
int control_exit_status(struct worker *w);

/* Subscribes to cancelled ids. 0 or -ENOMEM. */
int cancel_watch_new(struct worker *w);

#endif
