/* SPDX-License-Identifier: MIT */
/*
 * harness.h - the real daemon with real servers around it, for one end-to-end test.
 *
 * harness_new makes a private directory; harness_use_* and harness_set say what differs
 * from the defaults; harness_start starts Redis, PostgreSQL when wanted, the scripted
 * LLM and the data API, writes the configuration, starts agent-runnerd and waits until
 * it is ready. Everything dies with the test process, and the directory goes, too.
 *
 * Functions without a result do not fail: they print what went wrong with the last
 * words of all programs and end the test through harness_on_failure. Every wait has a
 * deadline. Default configuration: 2 workers of 8 jobs, Redis on a Unix socket, SQLite,
 * HTTP on a free port, one provider "stub", the data API allowed, log level debug.
 */
#ifndef TESTS_SUPPORT_HARNESS_H
#define TESTS_SUPPORT_HARNESS_H

#include "common/json/json.h"
#include "tests/support/proc.h"
#include "tests/support/processes.h"

#include <hiredis.h>

enum {
	HARNESS_URL_MAX = 300,
	HARNESS_WAIT_MS = 20000
};

struct harness;

/* How a failure ends the test; abort() unless a test program sets it (to
 * cr_assert(false, ...)). */
extern void (*harness_on_failure)(const char *text);

struct harness *harness_new(void);
void harness_free(struct harness *h); /* kills what runs; NULL is fine */
void harness_freep(struct harness **h);

/* ---- before harness_start ---- */

void harness_use_postgres(struct harness *h);
void harness_use_embedded_redis(struct harness *h);
void harness_use_redis_proxy(struct harness *h); /* then harness_proxy */
/* A further argument for redis-server, kept by the caller. The daemon reaches the server
   by its socket, unless redis.url was set before. */
void harness_redis_arg(struct harness *h, const char *arg);
/* From now on we talk to the server at that socket (the daemon goes its own way). */
void harness_talk_to(struct harness *h, const char *redis_socket);
/* Another daemon around the servers of one that was started; it ends before that one.
   What differs (node, database) is set afterwards. */
void harness_use_servers_of(struct harness *h, struct harness *other);
/* A dotted setting with its libconfig value: "queue.lease_sec", "%d". Works later, too:
   harness_write_conf and a SIGHUP bring it to the daemon. */
void harness_set(struct harness *h, const char *path, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
void harness_unset(struct harness *h, const char *path);
const char *harness_setting(struct harness *h, const char *path); /* "": not set */
void harness_write_conf(struct harness *h);
/* A file in the directory, such as agents.d/NAME.conf; "{DIR}" is not replaced. */
void harness_write_file(struct harness *h, const char *name, const char *text);
/* The daemon runs as the ordinary user, also when the test is root's. */
void harness_unprivileged(struct harness *h);
/* A program before agent-runnerd: its path and arguments, NULL at the end, kept by the
   caller. The daemon's process is then below harness_proc's. */
void harness_wrap(struct harness *h, const char *const *argv);
/* A further environment variable for the daemon, "NAME=value". */
void harness_env(struct harness *h, const char *assignment);
/* A further argument for llm-stub. */
void harness_llm_arg(struct harness *h, const char *arg);
void harness_llm_timeout(struct harness *h, unsigned seconds); /* of the provider; 10 */
void harness_llm_no_log(
    struct harness *h); /* for benches; harness_llm_log is empty then */

/* ---- the daemon ---- */

void harness_start(struct harness *h);   /* servers, then the daemon, then readiness */
void harness_servers(struct harness *h); /* only what stands around the daemon */
void harness_daemon(struct harness *h);  /* the daemon; waits until it is ready */
void harness_launch(struct harness *h);  /* the daemon; waits for nothing */
void harness_wait_ready(struct harness *h);
bool harness_is_ready(struct harness *h);
void harness_signal(struct harness *h, int signal);
/* SIGTERM; must exit with 0 within the grace and leave no process behind. */
void harness_stop(struct harness *h);
/* SIGKILL to the daemon alone; waits until its children are gone, too. */
void harness_crash(struct harness *h);
struct proc *harness_proc(struct harness *h); /* of the daemon */
/* Waits until its output holds the text (from the beginning of the run). */
void harness_wait_log(struct harness *h, const char *text);
bool harness_log_has(struct harness *h, const char *text);

/* ---- jobs ---- */

/* RPUSH to queue.jobs of a whole message. */
void harness_push(struct harness *h, const char *json);
/* A message with these fields; extra is more members, ",\"timeout_sec\":5" or "". */
void harness_push_job(struct harness *h, const char *job_id, const char *prompt,
    const char *extra);
/* The published result, taken from its list; it lives until the next harness_clear. */
const struct json *harness_result(struct harness *h, const char *job_id,
    uint64_t timeout_ms);
/* The same, NULL when none came in time. */
const struct json *harness_try_result(struct harness *h, const char *job_id,
    uint64_t timeout_ms);
/* harness_result, and status must be as said ("completed"). */
const struct json *harness_expect(struct harness *h, const char *job_id,
    const char *status);
void harness_clear(struct harness *h); /* forgets results and texts given out */

/* ---- looking ---- */

/* A Redis command; nil, errors and texts come back as a reply to be freed. A lost
   connection is made again. */
redisReply *harness_redis(struct harness *h, const char *fmt, ...);
void harness_redis_argv(struct harness *h, int argc,
    const char **argv); /* must not fail */
long long harness_redis_int(struct harness *h, const char *fmt, ...);
/* Rows as lines with tabs; lives until harness_clear. */
const char *harness_sql(struct harness *h, const char *statement);
/* The stored value of a job as JSON (inline ones); NULL: no row. */
const struct json *harness_value(struct harness *h, const char *job_id);
/* A request to the gateway: the status, body appended. */
int harness_http(struct harness *h, const char *method, const char *target,
    const char *body, struct buf *out);
const struct json *harness_llm_stats(struct harness *h);
long long harness_llm_stat(struct harness *h, const char *name);
/* Nobody listens at its address; later the same again, without rules. */
void harness_llm_kill(struct harness *h);
void harness_llm_restart(struct harness *h);
void harness_llm_reset(struct harness *h);                    /* zeroes the counters */
void harness_llm_script(struct harness *h, const char *json); /* new rules, at once */
/* The JSON lines of llm-stub's log, as an array. */
const struct json *harness_llm_log(struct harness *h);

const char *harness_dir(struct harness *h);
const char *harness_conf_path(struct harness *h);
const char *harness_llm_address(struct harness *h); /* "127.0.0.1:PORT" of llm-stub */
const char *harness_http_address(struct harness *h);
const char *harness_data_api(struct harness *h); /* "http://127.0.0.1:PORT" */
const char *harness_database_url(struct harness *h);
const char *harness_redis_socket(struct harness *h);
/* Path of a program of the build tree ("agentctl"). */
const char *harness_program(struct harness *h, const char *name);
/* Runs a program to its end: exit status (-1: killed), output appended. */
int harness_run(struct harness *h, const char *const *argv, struct buf *out);

/* ---- servers and children ---- */

/* An order to redis-proxy ("arm after 3 role=worker"); its answer without the newline,
   which lives until harness_clear. redis_proxy/main.c lists the orders. */
const char *harness_proxy(struct harness *h, const char *fmt, ...) PRINTF_LIKE(2, 3);

struct redis_server *harness_redis_server(struct harness *h);
struct postgres_server *harness_postgres_server(struct harness *h);

/* The child of that role and slot; slot -1: any. False when there is none. */
bool harness_find_child(struct harness *h, const char *role, int slot,
    struct process *out);
size_t harness_children(struct harness *h, struct process out[PROCESSES_MAX]);
/* Waits until there is one whose life is not that of *former (may be NULL). */
struct process harness_wait_child(struct harness *h, const char *role, int slot,
    const struct process *former);
/* Signals the child of that role and slot; returns which life that was. */
struct process harness_kill_child(struct harness *h, const char *role, int slot,
    int signal);

/* Waits until the condition holds; text says what was waited for when it does not. */
void harness_wait_until(struct harness *h, bool (*holds)(struct harness *h, void *arg),
    void *arg, uint64_t timeout_ms, const char *text);

void harness_sleep(unsigned ms);

/* Ends the test with this text and everybody's last words. */
__attribute__((noreturn)) void harness_fail(struct harness *h, const char *fmt, ...)
    PRINTF_LIKE(2, 3);

#endif
