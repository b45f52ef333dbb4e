/* SPDX-License-Identifier: MIT */
/* harness_private.h - what the files of the harness share. */
#ifndef TESTS_SUPPORT_HARNESS_PRIVATE_H
#define TESTS_SUPPORT_HARNESS_PRIVATE_H

#include "tests/support/harness.h"
#include "tests/support/postgres_server.h"
#include "tests/support/redis_server.h"
#include "tests/support/settings.h"

enum {
	HARNESS_ENV_MAX = 16,
	HARNESS_PROGRAM_MAX = 16
};

struct harness {
	char dir[64];              /* of this test, removed at the end */
	char build[PROC_PATH_MAX]; /* where the programs are */
	char conf[PROC_PATH_MAX];
	int guard_fd; /* held open while we live: the guard removes dir at its end */
	bool uses_postgres, uses_embedded_redis, uses_redis_proxy;
	bool borrows_servers;
	struct settings settings;
	const char *env[HARNESS_ENV_MAX + 1];
	size_t n_env;
	bool is_unprivileged;
	char bin[PROC_PATH_MAX], daemon_copy[PROC_PATH_MAX]; /* its programs, or "" */
	const char *const *wrapper;
	const char *llm_args[HARNESS_ENV_MAX + 1];
	size_t n_llm_args;
	unsigned llm_timeout_sec;
	bool llm_is_silent; /* keeps no log */

	const char *redis_args[HARNESS_ENV_MAX + 1];
	size_t n_redis_args;
	struct redis_server *redis_server;
	struct postgres_server *postgres;
	struct proc redis_proxy, llm, data, daemon;
	bool is_told_to_end; /* by a signal: the daemon may be gone at any time */
	unsigned n_runs;     /* of the daemon */
	char redis_socket[PROC_PATH_MAX];
	char database_url[HARNESS_URL_MAX]; /* for sql_run */
	char http[64], llm_address[64], data_api[80];

	redisContext *redis;
	struct arena *arena; /* of what was given out */
	char programs[HARNESS_PROGRAM_MAX][PROC_PATH_MAX];
	unsigned n_programs;
};

/* Keeps a copy in the arena. */
char *harness_keep(struct harness *h, const char *text, size_t n);

#endif
