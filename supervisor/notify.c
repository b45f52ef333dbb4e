/* SPDX-License-Identifier: MIT */
/*
 * notify.c - one datagram to the service manager.
 *
 * Owns:   nothing.
 * Called: at READY, RELOADING, STOPPING and for the watchdog.
 * Fails:  silently: a manager that does not listen is no reason to stop.
 */
#include "config.h"

#include "supervisor/notify.h"

#include "common/cleanup.h"
#include "common/clock.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

void
notify_send(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	CLEANUP(closep) int fd = -1;
	size_t n = path == NULL ? 0 : strlen(path);

	if (n == 0 || n >= sizeof(addr.sun_path))
		return;
	memcpy(addr.sun_path, path, n);
	if (path[0] == '@') /* abstract */
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0)
		(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL,
		    (struct sockaddr *)&addr,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
}

void
notify_reloading(void)
{
	char text[96];

	(void)snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu\n",
	    (unsigned long long)clock_mono_us());
	notify_send(text);
}

/* The grace is the configuration's: the manager's own patience must not be shorter. */
void
notify_stopping(uint64_t most_ms)
{
	char text[128];

	(void)snprintf(text, sizeof(text),
	    "STOPPING=1\nSTATUS=finishing jobs\nEXTEND_TIMEOUT_USEC=%llu\n",
	    (unsigned long long)most_ms * 1000);
	notify_send(text);
}

uint64_t
notify_watchdog_ms(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

	if (usec == NULL || (pid != NULL && strtol(pid, NULL, 10) != (long)getpid()))
		return 0;
	return strtoull(usec, NULL, 10) / 2000;
}
