/* SPDX-License-Identifier: MIT */
/*
 * redis_url.h - where Redis is, as written in redis.url.
 *
 *   embedded               the daemon's own server, {run_dir}/redis.sock
 *   redis://[[user]:password@]host[:port][/db]
 *   unix:///path[?db=N][&user=U&password=P]
 *   rediss://...           as redis://, over TLS
 *   sentinel://[[user]:password@]host[:port][,host[:port]...]/master[/db]
 *                          the master that these sentinels name; user and password are
 *                          the master's
 *   sentinels://...        the same, TLS to the sentinels and to the master
 */
#ifndef COMMON_QUEUE_REDIS_URL_H
#define COMMON_QUEUE_REDIS_URL_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	REDIS_SENTINELS_MAX = 16
};

struct redis_host {
	char *name; /* or address, without the brackets of IPv6 */
	int port;
};

struct redis_url {
	char *path;             /* Unix socket, or NULL: then host or sentinels */
	struct redis_host host; /* name NULL: there is none */
	struct redis_host sentinels[REDIS_SENTINELS_MAX];
	size_t n_sentinels;
	char *master;   /* as the sentinels call it; NULL without them */
	char *user;     /* "" when none */
	char *password; /* "" when none; secret */
	int db;
	bool is_tls;
};

/* 0 with *out owned by the caller (release); -EINVAL or -ENOMEM. err never shows the
   password. */
int redis_url_parse(const char *url, const char *run_dir, struct redis_url *out,
    struct err *err);
void redis_url_release(struct redis_url *u); /* for CLEANUP; wipes the password */

/* "redis host:6379/0", "redis /run/x.sock" or "redis master of sentinel host:26379",
   for messages; cut to size; returns out. */
char *redis_url_name(const struct redis_url *u, char *out, size_t size);

#endif
