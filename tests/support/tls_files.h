/* SPDX-License-Identifier: MIT */
/*
 * tls_files.h - a private certificate authority for one test, made by openssl(1).
 *
 * DIR/ca.pem; DIR/server.pem and server.key for localhost and 127.0.0.1; DIR/client.pem
 * and client.key; DIR/other-ca.pem, which has signed none of them. Everybody may read
 * them: they are worth nothing.
 */
#ifndef TESTS_SUPPORT_TLS_FILES_H
#define TESTS_SUPPORT_TLS_FILES_H

#include <stdbool.h>

/* False, with the reason on standard error, when openssl is missing or fails. */
bool tls_files_make(const char *dir);

/* A TCP port on 127.0.0.1 that was free a moment ago; the kernel does not give it out
   again soon. 0: none. */
unsigned short free_port(void);

#endif
