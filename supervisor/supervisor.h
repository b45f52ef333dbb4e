/* SPDX-License-Identifier: MIT */
/*
 * supervisor.h - the supervisor's one object, and what its files may not use.
 *
 * One thread, one event loop (events.h). The supervisor may be root: it forks, signals,
 * limits and counts; it reads its own configuration and fixed-size messages of its
 * children, and nothing else that anybody wrote.
 */
#ifndef SUPERVISOR_SUPERVISOR_H
#define SUPERVISOR_SUPERVISOR_H

#include "common/conf/conf.h"
#include "common/err.h"
#include "common/metrics.h"
#include "common/role/control.h"
#include "common/role/spawn.h"
#include "supervisor/child.h"
#include "supervisor/events.h"
#include "supervisor/generation.h"
#include "supervisor/live_set.h"
#include "supervisor/options.h"
#include "supervisor/storm.h"
#include "supervisor/watched_files.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	BOOT_TEXT_MAX = 17,            /* 64 bits in hex */
	FORMER_BOOTS_MAX = 16,         /* whose holders are recovered at once */
	START_LIMIT_MS = 60000,        /* a child that is not READY by then is killed */
	DAEMON_START_LIMIT_MS = 60000, /* -D gives up then, with the last complaint */
	STOP_LIMIT_MS = 5000,   /* from DRAINED, or RELEASE, to the end of a process */
	STUCK_LIMIT_MS = 10000, /* from a stuck row to SIGKILL */
	REDIS_STOP_LIMIT_MS = 10000,
	TICK_MS = 1000
};

enum phase {
	PHASE_CHECK,    /* -t: nothing but the check child */
	PHASE_REDIS,    /* waiting for the private server */
	PHASE_MIGRATE,  /* the short-lived child is at work */
	PHASE_ROLES,    /* children are starting */
	PHASE_RUNNING,  /* all were ready once */
	PHASE_DRAINING, /* workers finish */
	PHASE_CLOSING,  /* the other roles end */
	PHASE_REDIS_STOP,
	PHASE_OVER,
	PHASE_COUNT
};

enum reload_step {
	RELOAD_IDLE,
	RELOAD_CHECKING,
	RELOAD_PROVING,
	RELOAD_STEP_COUNT
};

struct identity {
	bool is_root; /* else: everything runs as the caller */
	uid_t uid, compute_uid;
	gid_t gid, compute_gid;
};

struct supervisor {
	struct options options;
	struct identity identity;
	struct spawn_programs programs;
	struct events *events;
	struct child_list children;
	/* owned: now, next, and those that retire */
	struct generation_list generations;
	struct generation *now;  /* the one that new children belong to */
	struct generation *next; /* being proved by a reload, or NULL */
	unsigned last_generation;
	enum phase phase;
	uint64_t phase_since_ms;
	uint64_t grace_until_ms; /* draining: then RELEASE */
	bool is_released;        /* RELEASE was sent */
	int exit_status;         /* of the daemon */

	char boot[BOOT_TEXT_MAX];
	char former[FORMER_BOOTS_MAX][BOOT_TEXT_MAX];
	unsigned n_former;
	unsigned last_life; /* n of the last holder name; never used twice in a boot */
	int listen_fd;      /* http.listen, bound; -1: no gateway */
	int pid_fd;         /* locked pid file */
	int state_fd;       /* locked state_dir */
	uint64_t started_ms;
	int64_t started_at_ms; /* wall clock */

	struct {
		enum reload_step step;
		bool is_again;      /* asked for during a reload: one more follows */
		struct buf report;  /* what the check child found */
		struct buf changes; /* names of the options that differ */
		bool has_failed;    /* a child of the next generation did */
		unsigned ok, failed;
		int result;
		int64_t at_ms; /* wall clock of the last configuration taken */
		char text[CONTROL_TEXT_MAX];
	} reload;

	struct {
		uint64_t cells[METRICS_CELLS]; /* of lives that are over */
		uint32_t restarts[ROLE_COUNT][CONTROL_SIGNALS];
	} totals;

	struct control_server *control;
	bool is_live_set_old;            /* a scheduler has not got the present one */
	struct death deaths[DEATHS_MAX]; /* the last ones, a ring */
	unsigned n_deaths;
	struct storm storm;
	struct {
		struct watched_files last, tried; /* seen; renewed for */
		uint64_t looked_ms;
	} files;
	char degraded[CONTROL_DEGRADED_MAX]; /* what the kernel lacks; "": nothing */
	uint64_t last_watch_ms, last_notify_ms, quiet_since_ms;
	unsigned migrate_tries;
	uint64_t notify_every_ms; /* systemd's watchdog; 0: none */
	int ready_fd;             /* -D: the parent waits here; -1 */
	bool was_ready;
	char complaint[ERR_TEXT_MAX +
	    64]; /* the last reason why a child did not start */
};

/* One turn of the loop: what is due, then the next event. */
void supervisor_turn(struct supervisor *s);

/* Opens the log that the present configuration names. In the background there is no
   standard error: syslog takes its place once -D has returned. */
int supervisor_open_log(const struct supervisor *s, struct err *err);

/* Frees what is over; ends no process. */
void supervisor_release(struct supervisor *s);

/* What this process must never do; the tools for it do not compile here. */
#pragma GCC poison curl_easy_init curl_easy_perform curl_multi_init
#pragma GCC poison PQconnectdb PQconnectStart PQexec PQexecParams
#pragma GCC poison sqlite3_open sqlite3_open_v2 sqlite3_exec
#pragma GCC poison redisConnect redisConnectUnix redisCommand redisGetReply
#pragma GCC poison json_parse json_tokener_parse json_value json_write
#pragma GCC poison MHD_start_daemon jq_init jq_compile SSL_new SSL_connect
#pragma GCC poison system popen

#endif
