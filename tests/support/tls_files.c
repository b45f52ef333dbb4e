/* SPDX-License-Identifier: MIT */
/*
 * tls_files.c - certificates for tests.
 *
 * Owns:   nothing; the files are the caller's directory's.
 * Called: by tests of TLS.
 * Fails:  false, with what openssl said on standard error.
 */
#include "config.h"

#include "tests/support/tls_files.h"

#include "common/cleanup.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static const char script[] =
    "cd '%s' && exec 2>openssl.log && set -e\n"
    "new='openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2'\n"
    "for ca in ca other-ca; do\n"
    "  $new -x509 -keyout $ca.key -out $ca.pem -subj /CN=$ca\n"
    "done\n"
    "echo subjectAltName=DNS:localhost,IP:127.0.0.1 >server.ext\n"
    "echo subjectAltName=DNS:client >client.ext\n"
    "for who in server client; do\n"
    "  $new -keyout $who.key -out $who.csr -subj /CN=$who\n"
    "  openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca.key -CAcreateserial \\\n"
    "    -days 2 -extfile $who.ext -out $who.pem\n"
    "done\n"
    "chmod 644 *.pem *.key\n";

bool
tls_files_make(const char *dir)
{
	CLEANUP(freep) char *command = NULL;

	if (asprintf(&command, script, dir) < 0)
		return false;
	if (system(command) == 0)
		return true;
	(void)fprintf(stderr, "no certificates: see %s/openssl.log\n", dir);
	return false;
}

unsigned short
free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	CLEANUP(closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(a);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) != 0)
		return 0;
	return ntohs(a.sin_port);
}
