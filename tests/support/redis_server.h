/* SPDX-License-Identifier: MIT */
/*
 * redis_server.h - a private redis-server for one test: own directory, Unix socket, no
 * port. It dies with the test.
 */
#ifndef TESTS_SUPPORT_REDIS_SERVER_H
#define TESTS_SUPPORT_REDIS_SERVER_H

#include <stdbool.h>

struct redis_server;

/* A library that every server loads first (clock_shim.so); NULL: none. */
extern const char *redis_server_preload;

/*
 * Starts a server with these extra arguments ("--maxmemory", "10mb", NULL) and waits
 * until it accepts. NULL when redis-server is missing or does not come up (the reason
 * is printed to standard error).
 */
struct redis_server *redis_server_start(const char *const *extra);
void redis_server_stop(struct redis_server *s);   /* kills it, removes its directory */
void redis_server_stopp(struct redis_server **s); /* for CLEANUP */

const char *redis_server_socket(const struct redis_server *s); /* path */
const char *redis_server_url(const struct redis_server *s);    /* "unix:///..." */
const char *redis_server_dir(const struct redis_server *s);

void redis_server_kill(struct redis_server *s);    /* SIGKILL; its files stay */
bool redis_server_restart(struct redis_server *s); /* after kill: same directory */
void redis_server_pause(struct redis_server *s, bool is_paused); /* SIGSTOP, SIGCONT */

/* Is there a redis-server program? Tests skip without one. */
bool redis_server_is_installed(void);

#endif
