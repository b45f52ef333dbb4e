/* SPDX-License-Identifier: MIT */
/* pidfile.h - one daemon per pid file, known by a lock and not by a number. */
#ifndef SUPERVISOR_PIDFILE_H
#define SUPERVISOR_PIDFILE_H

#include "common/err.h"

/* Opens, locks, writes our pid. The descriptor holds the lock; -EEXIST when another
   process has it (err names its pid), or another negative errno. */
int pidfile_take(const char *path, struct err *err);

/* Unlinks the file if it is still ours, then gives up the lock. */
void pidfile_drop(const char *path, int fd);

#endif
