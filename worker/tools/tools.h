/* SPDX-License-Identifier: MIT */
/*
 * tools.h - the table of tools: what the model is told of each and how it is run.
 *
 * A new tool is a file with its row's functions, a JSON file with its parameters, and a
 * row in tools.c.
 */
#ifndef WORKER_TOOLS_TOOLS_H
#define WORKER_TOOLS_TOOLS_H

#include "common/error_types.h"
#include "common/json/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bits: which lanes a tool serves; a lane narrows the tools that are offered. */
enum tool_lane {
	TOOL_LANE_ANY = 0, /* offered always; as a wish: narrow nothing */
	TOOL_LANE_EXECUTE = 1,
	TOOL_LANE_PATCH = 2
};

enum tool_flags {
	TOOL_DATA = 1, /* its outcome's data may become the job's value */
	TOOL_PATCH = 2 /* its outcome becomes the job's value when there is no data */
};

/* JSON text that a tool produced: bytes, or a sealed memory file of len bytes. */
struct tool_data {
	char *text; /* owned; NULL when fd >= 0 or there is none */
	size_t len;
	int fd; /* owned; -1 */
};

#define TOOL_DATA_INIT             \
 {                                 \
  .text = NULL, .len = 0, .fd = -1 \
 }

bool tool_data_is_set(const struct tool_data *d);
void tool_data_release(struct tool_data *d);
void tool_data_move(struct tool_data *to, struct tool_data *from); /* to is released */

/* The bytes, wherever they are; tool_view_release() before the data is. 0 or errno. */
struct tool_view {
	const char *text; /* not terminated */
	size_t len;
	bool is_mapped;
};
int tool_data_open(const struct tool_data *d, struct tool_view *view);
void tool_view_release(struct tool_view *view);

enum {
	TOOL_STEP_MAX = 64,
	TOOL_SUGGESTIONS_MAX = 3
};

/* How a call ended. The caller owns it: tool_outcome_init, then
   tool_outcome_release. */
struct tool_outcome {
	enum error_type error;    /* ERROR_TYPE_NONE: success */
	char step[TOOL_STEP_MAX]; /* failing step: "http_request", or "" */
	struct buf message; /* failure: what went wrong and what to do, for the model */
	struct buf report;  /* success: what the model is told, JSON or plain text */
	struct tool_data data; /* success of a data tool: the data itself */
	char suggestion[TOOL_SUGGESTIONS_MAX][160]; /* for people; "" unused */
	bool has_retry_after;
	uint64_t retry_after_ms;
};

void tool_outcome_init(struct tool_outcome *o);
void tool_outcome_release(struct tool_outcome *o);

/* Sets error and message; returns -EIO so that a failing path is one line. */
int tool_outcome_fail(struct tool_outcome *o, enum error_type type, const char *step,
    const char *fmt, ...) PRINTF_LIKE(4, 5);

/* What a call is run with. job is the worker's own (its lanes, owner, deadline ...). */
struct tool_call {
	struct arena *arena;     /* the job's */
	const struct json *args; /* satisfies the tool's schema */
	const char *key; /* idempotency key: hash of job, turn, call and arguments */
	uint64_t deadline_ms; /* monotonic; 0: none */
	void *job;
	const struct tool *tool; /* the row that is run */
};

struct tool {
	const char *name;
	const char *description;
	const char *parameters; /* JSON Schema text, compiled in */
	unsigned flags;         /* enum tool_flags */
	unsigned lane;          /* enum tool_lane */
	/* Would this call change something outside? NULL: never. */
	bool (*has_side_effects)(const struct json *args);
	/* 0 with *outcome (a failure of the tool is an outcome, too), or -ECANCELED, or
	   another errno when the job itself cannot go on. */
	int (*run)(const struct tool_call *call, struct tool_outcome *outcome);
	const void *ctx; /* of tools that are not in the table: what run needs */
};

const struct tool *tool_find(const char *name, size_t n); /* NULL when there is none */
const struct tool *tool_at(size_t i);                     /* NULL past the end */

/* The names that SPEC knows but that this build does not have: allowed in
   configurations, ignored with a note. */
bool tool_is_reserved(const char *name);

#endif
