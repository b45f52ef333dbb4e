/* SPDX-License-Identifier: MIT */
/* notify.h - systemd's readiness protocol, without its library. */
#ifndef SUPERVISOR_NOTIFY_H
#define SUPERVISOR_NOTIFY_H

#include <stdint.h>

/* Sends the state ("READY=1\n...") to $NOTIFY_SOCKET; nothing without one. */
void notify_send(const char *state);
void notify_reloading(void); /* with the clock that Type=notify-reload wants */

void notify_stopping(uint64_t most_ms); /* it may take so long */

/* How often WATCHDOG=1 is due, from $WATCHDOG_USEC (half of it); 0: never. */
uint64_t notify_watchdog_ms(void);

#endif
