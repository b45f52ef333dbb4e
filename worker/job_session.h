/* SPDX-License-Identifier: MIT */
/*
 * job_session.h - a job's session: read at its start, told of its end.
 */
#ifndef WORKER_JOB_SESSION_H
#define WORKER_JOB_SESSION_H

#include "worker/worker.h"

/* Reads the session that the message names into j->session (NULL when it names none, or
   that one is empty or over). 0 or what redis_op says. */
int job_session_read(struct job *j, struct err *err);

/* The turn that a result message makes; lives until its release, after the command was
   sent. */
struct job_turn {
	struct buf key, turn;
	struct queue_session_turn command;
};

#define JOB_TURN_INIT               \
 {                                  \
  .key = BUF_INIT, .turn = BUF_INIT \
 }
void job_turn_release(struct job_turn *t);

/* Adds it to a finish or a bury. A turn that cannot be made is logged and left out: the
   result is worth more than the memory of it. */
void job_turn_add(struct job_turn *t, struct job *j, const char *message, size_t n,
    struct queue_command *cmd);

#endif
