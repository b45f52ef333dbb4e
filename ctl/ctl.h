/* SPDX-License-Identifier: MIT */
/*
 * ctl.h - what every command of agentctl works with.
 *
 * The configuration, Redis and the store are opened when a command first asks for them.
 * The ctl_need_ and ctl_fail functions have told the user by the time they return a
 * status other than CTL_OK; the command just returns it.
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include "common/buf.h"
#include "common/clock.h"
#include "common/conf/conf.h"
#include "common/json/json.h"
#include "common/queue/redis_sync.h"
#include "common/store/store.h"
#include "ctl/command.h"
#include "ctl/status.h"

struct ctl {
	struct ctl_args args;
	bool is_json;        /* --json */
	bool is_terminal;    /* standard output is one */
	bool err_terminal;   /* standard error is one */
	bool has_colour;     /* standard output may be coloured */
	unsigned width;      /* of the terminal; 0: no bound */
	struct arena *arena; /* for the whole command; owned, as all below */
	struct conf *conf;
	struct queue_setup queue;
	bool has_queue;
	struct redis_target *redis_target;
	struct redis_sync *redis;
	struct store *store;
};

/* The commands, each in its file. */
int ctl_run(struct ctl *ctl);
int ctl_submit(struct ctl *ctl);
int ctl_wait(struct ctl *ctl);
int ctl_result(struct ctl *ctl);
int ctl_job(struct ctl *ctl);
int ctl_status(struct ctl *ctl);
int ctl_cancel(struct ctl *ctl);
int ctl_purge(struct ctl *ctl);
int ctl_queue_show(struct ctl *ctl);
int ctl_queue_pause(struct ctl *ctl);
int ctl_queue_resume(struct ctl *ctl);
int ctl_intent(struct ctl *ctl);
int ctl_pipeline(struct ctl *ctl);
int ctl_agents(struct ctl *ctl);
int ctl_budget(struct ctl *ctl);
int ctl_fsck(struct ctl *ctl);
int ctl_dead_list(struct ctl *ctl);
int ctl_dead_show(struct ctl *ctl);
int ctl_dead_retry(struct ctl *ctl);
int ctl_dead_drop(struct ctl *ctl);
int ctl_session_list(struct ctl *ctl);
int ctl_session_show(struct ctl *ctl);
int ctl_session_drop(struct ctl *ctl);
int ctl_tools_list(struct ctl *ctl);
int ctl_tools_show(struct ctl *ctl);
int ctl_tools_publish(struct ctl *ctl);
int ctl_tools_drop(struct ctl *ctl);
int ctl_help(struct ctl *ctl);
int ctl_completion(struct ctl *ctl);

/* What --help shows: everything, a command, or the commands of a first word. */
int ctl_show_help(const struct ctl_args *a);

/* ---- context.c ---- */

void ctl_init(struct ctl *ctl);
void ctl_release(struct ctl *ctl);

const char *ctl_option(const struct ctl *ctl, enum ctl_option_id id); /* NULL: absent */
bool ctl_has(const struct ctl *ctl, enum ctl_option_id id);

int ctl_need_conf(struct ctl *ctl);
/* Even when the file is broken: for looking at a daemon that runs with a former one. */
int ctl_need_conf_anyway(struct ctl *ctl);
int ctl_need_redis(struct ctl *ctl); /* with the queue's keys */
int ctl_need_store(struct ctl *ctl);
/* The same without a word: err says why not. */
int ctl_open_store(struct ctl *ctl, struct err *err);

/* "agentctl: ..." on standard error; returns status. */
int ctl_fail(int status, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The same for a negative errno of Redis, the store or the daemon, with err's text. */
int ctl_fail_code(int code, const struct err *err);
void ctl_warn(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Reads a file, or standard input for "-", of at most max bytes. 0 or negative
   errno. */
int ctl_read_file(const char *path, size_t max, struct buf *out, struct err *err);
/* An argument that may be "-": the text itself or standard input. */
int ctl_read_text(struct ctl *ctl, const char *word, struct buf *out);

/* One queue operation; tells the user why not. */
int ctl_queue(struct ctl *ctl, struct queue_command *c, struct redisReply **reply,
    struct queue_answer *answer);

/* ---- print.c: everything that goes to standard output ---- */

/* Writes the buffer to standard output: CTL_OK, or CTL_FAILED after telling why. */
int ctl_put(struct buf *text);
/* A value: a table when it is a list of objects, else text or indented JSON. */
void ctl_show_value(const struct ctl *ctl, struct buf *out, const struct json *v);
/* "name  value" lines, aligned. NULL value: the line is left out. */
struct ctl_fact {
	const char *name;
	const char *value;
};
void ctl_show_facts(const struct ctl *ctl, struct buf *out,
    const struct ctl_fact *facts, size_t n);
/* "3.2 s", "5 min", "2 h": a duration for people. */
const char *ctl_duration(int64_t ms, char out[32]);

/* A wall time for a table: "2026-01-31T12:00:05Z". */
const char *ctl_second(int64_t wall_ms, char out[CLOCK_ISO_MAX]);

/* The owner, or "(nobody)": jobs without one share it. */
const char *ctl_owner_name(const char *owner);

/* ---- queue.c: the answer to STATS ---- */
void ctl_show_queue(const struct ctl *ctl, struct buf *out,
    const struct queue_answer *a);
void ctl_write_queue(struct json_writer *w, const struct queue_answer *a);

/* ---- progress.c: a line on standard error while something is awaited ---- */

/* Draws only on a terminal. Each call turns the wheel; text must be harmless. */
void progress_show(const struct ctl *ctl, const char *text);
void progress_end(const struct ctl *ctl);
/* From now on SIGINT and SIGTERM print this text and end the process by that signal. */
void progress_on_interrupt(const char *text);

/* ---- result.c ---- */

/* Reads the value of a stored result into the arena; a value that is too long to show
   is -EFBIG. */
int ctl_result_value(struct ctl *ctl, const struct store_result *r,
    const struct json **out, struct err *err);
/* The reference by which a result is fetched. */
void ctl_result_ref(const struct store_result *r, char out[STORE_REF_MAX]);
/* Shows a result message (and its value, when the store can be read): what run, wait
   and result print. Returns the status by the message's status. */
int ctl_show_message(struct ctl *ctl, const char *message, size_t n);

#endif
