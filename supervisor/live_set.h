/* SPDX-License-Identifier: MIT */
/*
 * live_set.h - which holders live: boot ids, the file of former boots, LIVE_SET.
 *
 * The scheduler recovers each holder of this node and boot that the set does not name,
 * so a set that is late is a delay, and a set that lacks a living worker costs it its
 * jobs.
 */
#ifndef SUPERVISOR_LIVE_SET_H
#define SUPERVISOR_LIVE_SET_H

#include "common/buf.h"
#include "common/err.h"

#include "common/role/ipc.h"
#include "common/role/slot_file.h"

#include <sys/resource.h>

struct supervisor;
struct child;

enum {
	DEATHS_MAX = 64,
	DEATH_TEXT_MAX = 128,
	EVIDENCE_MAX = 384
};

enum blame {
	BLAME_NONE,
	BLAME_CULPRIT,
	BLAME_PAYLOAD, /* culprit is its SHA-1 */
	BLAME_UNKNOWN,
	BLAME_COUNT
};

struct death {
	char holder[HOLDER_NAME_MAX];
	enum blame blame;
	char culprit[SLOT_JOB_ID_MAX]; /* job id or SHA-1, "" when nobody is known */
	char evidence[EVIDENCE_MAX]; /* signal, role, step, tool, tokens, CPU, memory */
};

/* Draws this boot's id, reads the former ones from state_dir/boot and writes the
   file. */
int live_set_begin(struct supervisor *s, struct err *err);

/* The text that goes to the scheduler, in the form of common/role/live_set.h. */
void live_set_write(struct buf *out, const struct supervisor *s);

/* Sends it to every scheduler that is READY; tried again by the tick when one was
   full. */
void live_set_send(struct supervisor *s);

/* The set has changed: it is sent by the next tick. */
void live_set_mark(struct supervisor *s);

/* A worker's life is over: notes whom to blame for it (nobody, a job, unknown). */
void live_set_bury(struct supervisor *s, const struct child *c, int wait_status,
    const struct rusage *used);

/* "signal 31 (Bad system call) by the refused system call 41", "exit status 3". */
void live_set_tell_end(const struct child *c, int wait_status,
    char out[DEATH_TEXT_MAX]);

/* The row of the job that ran when the life ended, or that is past its deadline; by the
   word of the fault handler if it left one. */
bool live_set_culprit(const struct child *c, int wait_status, struct slot_row *out);

#endif
