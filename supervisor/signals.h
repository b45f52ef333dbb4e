/* SPDX-License-Identifier: MIT */
/* signals.h - signals as events; there is no handler in this process. */
#ifndef SUPERVISOR_SIGNALS_H
#define SUPERVISOR_SIGNALS_H

#include "common/err.h"

struct supervisor;

/* Blocks the signals that the daemon knows and reads them from a descriptor. */
int signals_open(struct supervisor *s, struct err *err);
void signals_close(struct supervisor *s);

/* Waits for all that have ended: children of the table, and orphans that came to us. */
void signals_reap(struct supervisor *s);

#endif
