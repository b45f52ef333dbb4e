/* SPDX-License-Identifier: MIT */
/* watchdog.h - who is alive, whose job is past its deadline, who has earned a new
   life. */
#ifndef SUPERVISOR_WATCHDOG_H
#define SUPERVISOR_WATCHDOG_H

#include <stdint.h>

struct supervisor;

/* Once a second. */
void watchdog_tick(struct supervisor *s, uint64_t now_ms);

#endif
