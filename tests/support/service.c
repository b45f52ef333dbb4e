/* SPDX-License-Identifier: MIT */
/*
 * service.c - the manners that the stand-in programs share.
 *
 * Owns:   nothing.
 * Called: by the mains of llm_stub, data_api and redis_proxy.
 * Fails:  a bad command line ends the program with the usage status.
 */
#include "config.h"

#include "tests/support/service.h"

#include "common/cleanup.h"
#include "common/exit_status.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>

void
service_die_with_parent(void)
{
	pid_t parent = getppid();

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		exit(EXIT_STATUS_FAILURE);
}

void
service_announce(const char *host, uint16_t port)
{
	(void)printf("listening %s:%u\n", host, port);
	(void)fflush(stdout);
}

uint64_t
service_number(const char *program, const char *option, const char *text)
{
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno != 0 || *end != '\0' || *text < '0' || *text > '9') {
		(void)fprintf(stderr, "%s: %s wants a number, not '%s'\n", program,
		    option, text);
		exit(EXIT_STATUS_USAGE);
	}
	return n;
}

uint16_t
service_port(const char *program, const char *text)
{
	uint64_t n = service_number(program, "--port", text);

	if (n > UINT16_MAX) {
		(void)fprintf(stderr, "%s: --port: %s is no port\n", program, text);
		exit(EXIT_STATUS_USAGE);
	}
	return (uint16_t)n;
}
