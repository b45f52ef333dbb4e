/* SPDX-License-Identifier: MIT */
/* service.h - the manners that the stand-in programs share: die with the parent, say
 * the port. */
#ifndef TESTS_SUPPORT_SERVICE_H
#define TESTS_SUPPORT_SERVICE_H

#include <stdint.h>

/* SIGKILL when the parent ends; exits at once when it has ended already. */
void service_die_with_parent(void);

/* "listening HOST:PORT" on standard output, flushed: whoever started us waits for
   it. */
void service_announce(const char *host, uint16_t port);

/* A port number of the command line, or exit with the usage status. */
uint16_t service_port(const char *program, const char *text);

/* A count of the command line (milliseconds, rows), or exit with the usage status. */
uint64_t service_number(const char *program, const char *option, const char *text);

#endif
