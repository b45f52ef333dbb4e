/* SPDX-License-Identifier: MIT */
/*
 * redis_tls.h - what every TLS connection to Redis has in common: whom we trust, who we
 * are, and what name the server must have.
 *
 * The server is always verified: its chain, and its name or address. Made before the
 * sandbox closes the file system; given files are read here and never again.
 */
#ifndef COMMON_QUEUE_REDIS_TLS_H
#define COMMON_QUEUE_REDIS_TLS_H

#include "common/err.h"

struct redis_tls;
struct ssl_st;

struct redis_tls_options {
	const char *ca_file;     /* PEM; "": the system's */
	const char *cert_file;   /* PEM, chain included; "": none */
	const char *key_file;    /* PEM without a passphrase; "": none */
	const char *server_name; /* "": the host's name or address */
};

/* 0, -EINVAL (a file that cannot be used, named with its option) or -ENOMEM. */
int redis_tls_new(const struct redis_tls_options *o, struct redis_tls **out,
    struct err *err);
void redis_tls_free(struct redis_tls *t); /* NULL is fine */

/* A client's end on that descriptor, told whom to expect; NULL for want of memory. host
   is a name or an address. SSL_free is the caller's. */
struct ssl_st *redis_tls_client(struct redis_tls *t, int fd, const char *host);

#endif
