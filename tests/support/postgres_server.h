/* SPDX-License-Identifier: MIT */
/*
 * postgres_server.h - a private PostgreSQL for tests: own directory, Unix socket only.
 *
 * It runs as an ordinary user (started by root: as postgres, else nobody) and dies with
 * the process that started it. Durability is switched off: it is for tests.
 */
#ifndef TESTS_SUPPORT_POSTGRES_SERVER_H
#define TESTS_SUPPORT_POSTGRES_SERVER_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	POSTGRES_URL_MAX = 256
};

struct postgres_server;

/* Is PostgreSQL installed? Tests skip what needs it, and say so. */
bool postgres_server_is_installed(void);

/* Makes a cluster and starts it: about half a second. 0 or a negative errno. */
int postgres_server_new(struct postgres_server **out, struct err *err);
/* The same with its directory in parent (short: it holds a socket) instead of /tmp. */
int postgres_server_new_below(const char *parent, struct postgres_server **out,
    struct err *err);
void postgres_server_free(struct postgres_server *s); /* stops, removes; NULL allowed */

/* sig: SIGINT ends its clients and stops, SIGQUIT stops at once as a crash would. */
int postgres_server_stop(struct postgres_server *s, int sig, struct err *err);
int postgres_server_start(struct postgres_server *s, struct err *err); /* again */

/* The directory of its socket, .s.PGSQL.5432. */
const char *postgres_server_dir(const struct postgres_server *s);

/* A new, empty database in the server with that socket directory (so that a test can
   use the server that its runner started); its url. */
int postgres_database_new(const char *dir, char url[POSTGRES_URL_MAX], struct err *err);
/* The url of a database as seen through a socket in another directory (a proxy's). */
void postgres_url(const char *dir, const char *database, char url[POSTGRES_URL_MAX]);

#endif
