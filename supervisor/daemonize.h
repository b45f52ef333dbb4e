/* SPDX-License-Identifier: MIT */
/* daemonize.h - into the background, with a foreground that learns how it went. */
#ifndef SUPERVISOR_DAEMONIZE_H
#define SUPERVISOR_DAEMONIZE_H

#include "common/err.h"

/*
 * Forks twice. Returns only in the daemon, with the descriptor for daemonize_report in
 * *ready_fd; the caller's process waits for that report, prints its text and exits with
 * its status. Negative errno when the first fork fails.
 */
int daemonize(int *ready_fd, struct err *err);

/* Tells the waiting process once and closes the descriptor; nothing when it is -1. With
   status 0 the daemon also lets go of the terminal. */
void daemonize_report(int *ready_fd, int status, const char *text);

#endif
