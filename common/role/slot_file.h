/* SPDX-License-Identifier: MIT */
/*
 * slot_file.h - what a child shows of itself in shared memory: heartbeat, jobs,
 * metrics.
 *
 * One sealed memory file per life of a child, made by the supervisor before the child
 * runs, mapped writable by the child and read-only by the supervisor, which copies,
 * checks every field and clamps deadlines. A child can lie only about itself.
 */
#ifndef COMMON_ROLE_SLOT_FILE_H
#define COMMON_ROLE_SLOT_FILE_H

#include "common/metrics.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SLOT_ROWS = 1024,
	SLOT_JOB_ID_MAX = 208,
	SLOT_STEP_MAX = 40,
	SLOT_TOOL_MAX = 40
};

struct slot_row {
	_Atomic uint32_t seq; /* odd while the child writes (a sequence lock) */
	uint32_t in_use;
	uint32_t is_payload;  /* not begun yet: job_id is the payload's SHA-1 in hex */
	uint64_t started_ms;  /* monotonic */
	uint64_t deadline_ms; /* monotonic: paused_ms past it the row is stuck */
	uint64_t paused_ms;   /* the job waited so long for servers that were away */
	uint64_t tokens;      /* spent on the job so far, former attempts included */
	char job_id[SLOT_JOB_ID_MAX];
	char step[SLOT_STEP_MAX]; /* "begin", "llm", "tool", "store" */
	char tool[SLOT_TOOL_MAX]; /* the last that ran, or "" */
};

struct slot_file {
	uint32_t magic, version;
	_Atomic uint64_t heartbeat_ms; /* monotonic time of the last turn of the loop */
	_Atomic uint64_t
	    pulse_ms; /* of the thread that runs no jobs; 0: there is none */
	_Atomic uint32_t running_row; /* row + 1 of the job that runs now; 0: none */
	_Atomic uint32_t helper_row;  /* the same for the helper thread's operation */
	_Atomic uint64_t fault;       /* what the fault handler noted; 0: nothing */
	_Atomic uint32_t jobs_in_flight;
	_Atomic uint64_t jobs_done; /* since this life began */
	struct metrics_page metrics;
	struct slot_row rows[SLOT_ROWS];
};

enum {
	SLOT_FILE_MAGIC = 0x41525346,
	SLOT_FILE_VERSION = 4
};

/* A fault in one word, so that one store notes it. */
struct slot_fault {
	int row;     /* of the job that ran; -1: no job did */
	int signal;  /* which one */
	int refused; /* SIGSYS: number of the system call; -1: another signal */
};

uint64_t slot_fault_pack(const struct slot_fault *fault);

/*
 * Supervisor's side: a new memory file sealed against resizing, mapped read-only at
 * *map (slot_file_unmap). Returns its descriptor or negative errno.
 */
int slot_file_make(const struct slot_file **map);
void slot_file_unmap(const struct slot_file *map); /* NULL allowed; either side */

/* Child's side: maps the received descriptor (stays the caller's). 0, -EPROTO when it
   is not a sealed slot file of this version, or negative errno. */
int slot_file_open(int fd, struct slot_file **out);

/* Child's side: row 0..SLOT_ROWS-1. Texts are cut to fit. */
void slot_row_set(struct slot_file *f, unsigned row, const char *job_id, size_t id_len,
    const char *step, uint64_t started_ms, uint64_t deadline_ms);
/* A payload that is read for the first time, named by its SHA-1. */
void slot_row_payload(struct slot_file *f, unsigned row, const char *sha1,
    uint64_t started_ms);
void slot_row_step(struct slot_file *f, unsigned row, const char *step);
/* The step "tool", and which one. */
void slot_row_tool(struct slot_file *f, unsigned row, const char *tool);
void slot_row_tokens(struct slot_file *f, unsigned row, uint64_t tokens);
/* The job waits for a server that is away: its deadline moves by ms. */
void slot_row_pause(struct slot_file *f, unsigned row, uint64_t ms);
void slot_row_clear(struct slot_file *f, unsigned row);

/* Supervisor's side: a checked copy (texts terminated, control characters replaced);
   false when the row is free or was being written. */
bool slot_row_copy(const struct slot_file *f, unsigned row, struct slot_row *out);

/* Supervisor's side: what the fault handler noted, each field within its bounds; false
   when it noted nothing. */
bool slot_file_fault(const struct slot_file *f, struct slot_fault *out);

#endif
