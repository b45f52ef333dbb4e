/* SPDX-License-Identifier: MIT */
/*
 * redis_url.h - where Redis is, as written in redis.url.
 *
 *   embedded                                 the daemon's own server,
 * {run_dir}/redis.sock redis://[[user]:password@]host[:port][/db]
 *   unix:///path[?db=N][&user=U&password=P]
 *
 * rediss:// and sentinel:// are understood and refused with -EOPNOTSUPP.
 */
#ifndef COMMON_QUEUE_REDIS_URL_H
#define COMMON_QUEUE_REDIS_URL_H

#include "common/err.h"

struct redis_url {
	char *path; /* Unix socket, or NULL: then host and port */
	char *host; /* without the brackets of an IPv6 address */
	int port;
	char *user;     /* "" when none */
	char *password; /* "" when none; secret */
	int db;
};

/* 0 with *out owned by the caller (release); -EINVAL, -EOPNOTSUPP or -ENOMEM. err never
   shows the password. */
int redis_url_parse(const char *url, const char *run_dir, struct redis_url *out,
    struct err *err);
void redis_url_release(struct redis_url *u); /* for CLEANUP; wipes the password */

/* "redis host:6379/0" or "redis /run/x.sock", for messages; cut to size; returns
   out. */
char *redis_url_name(const struct redis_url *u, char *out, size_t size);

#endif
