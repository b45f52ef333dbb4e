/* SPDX-License-Identifier: MIT */
/*
 * queue_fixture.h - a queue on a private Redis, and short ways to push, claim and look,
 * for the tests of the queue. A failure of Redis itself ends the test.
 */
#ifndef TESTS_SUPPORT_QUEUE_FIXTURE_H
#define TESTS_SUPPORT_QUEUE_FIXTURE_H

#include "common/queue/redis_sync.h"
#include "tests/support/redis_server.h"

struct fixture {
	struct redis_server *server;
	struct redis_sync *redis;
	struct queue_setup setup;
	struct redisReply *reply; /* of the last run: answer points into it */
	struct queue_answer answer;
	uint64_t next_claim;
};

/* Skips the test when there is no redis-server. */
void fixture_init(struct fixture *f);
void fixture_release(struct fixture *f); /* for CLEANUP */

/* Runs a command that a queue_cmd_X() filled in; must not fail. */
enum queue_word run(struct fixture *f, struct queue_command *c);

/* A plain command of texts, ended by NULL (sent by the macros below). */
int64_t call_int(struct fixture *f, const char *const *argv);
const char *call_text(struct fixture *f, const char *const *argv); /* "" for nil */
#define INT(f, ...) call_int(f, (const char *const[]){ __VA_ARGS__, NULL })
#define TEXT(f, ...) call_text(f, (const char *const[]){ __VA_ARGS__, NULL })
#define DO(f, ...) ((void)call_int(f, (const char *const[]){ __VA_ARGS__, NULL }))

void do_register(struct fixture *f, const char *holder);
void push(struct fixture *f, const char *payload);
/* LMOVE jobs (or alone) -> held; false when the queue is empty. */
bool claim(struct fixture *f, const char *holder);
bool claim_alone(struct fixture *f, const char *holder);

/* begin of a raw payload, its text being the digest, with a new claim number */
enum queue_word begin(struct fixture *f, const char *holder, const char *payload,
    const char *id);
enum queue_word begin_retry(struct fixture *f, const char *holder, const char *payload,
    const char *digest, const char *id, int64_t retry_count);
enum queue_word begin_id(struct fixture *f, const char *holder, const char *id);
/* push, claim, begin: must answer OK; gives the token */
int64_t take(struct fixture *f, const char *holder, const char *payload,
    const char *id);

enum queue_word finish(struct fixture *f, const char *holder, const char *id,
    int64_t token, const char *message);
enum queue_word fail(struct fixture *f, const char *holder, const char *id,
    int64_t token, const char *message);
enum queue_word bury(struct fixture *f, const char *holder, const char *id,
    int64_t token, const char *message);
enum queue_word retry_job(struct fixture *f, const char *holder, const char *id,
    int64_t token, int64_t delay_ms);
enum queue_word release_job(struct fixture *f, const char *holder, const char *id,
    int64_t token, int64_t delay_ms);
enum queue_word park(struct fixture *f, const char *holder, const char *id,
    int64_t token);
enum queue_word write_journal(struct fixture *f, const char *holder, const char *id,
    int64_t token, int64_t index, const char *record);
enum queue_word recover(struct fixture *f, const char *holder);
enum queue_word recover_blaming(struct fixture *f, const char *holder,
    enum queue_blame blame, const char *culprit);
enum queue_word cancel(struct fixture *f, const char *id);

const char *state_of(struct fixture *f, const char *id); /* "" when there is no job */

#endif
