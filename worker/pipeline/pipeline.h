/* SPDX-License-Identifier: MIT */
/*
 * pipeline.h - execute_pipeline: checks a whole pipeline, then runs it, step by step.
 *
 * Steps with I/O go to fetch, runs of the others to compute, both over lanes; data
 * passes between them as memory files, unread here. Pure but for the callbacks, which
 * look synchronous: in a worker other jobs run meanwhile, in agentctl they just wait.
 */
#ifndef WORKER_PIPELINE_PIPELINE_H
#define WORKER_PIPELINE_PIPELINE_H

#include "common/error_types.h"
#include "common/json/json.h"
#include "common/lane.h"

#include <stdbool.h>
#include <stdint.h>

enum pipeline_peer {
	PIPELINE_FETCH,
	PIPELINE_COMPUTE
};

/* Bytes, or a sealed memory file; owned by who holds the struct. */
struct pipeline_data {
	char *bytes; /* NULL when fd >= 0 */
	uint64_t len;
	int fd;             /* -1 */
	const char *format; /* "json", "csv", "ndjson", "auto": a static text */
};

#define PIPELINE_DATA_INIT   \
 {                           \
  .fd = -1, .format = "json" \
 }
void pipeline_data_release(struct pipeline_data *d); /* may be used again */

struct pipeline_limits {
	int64_t cpu_sec, memory_mb, output_mb; /* of one run of compute steps */
	int64_t fetch_timeout_ms;
};

struct pipeline_env {
	void *ctx;
	/* One request over a lane, as lane_call() of the worker. */
	int (*call)(void *ctx, enum pipeline_peer peer, const struct lane_part *parts,
	    size_t n_parts, uint16_t cancel_op, uint64_t due_ms, struct lane_reply *out,
	    struct err *err);
	/* The data behind a reference: 0; -EACCES when it is somebody else's; -ENOENT;
	   -EFBIG; -ECANCELED; another errno when the store is at fault. NULL: there are
	   no references here. */
	int (*resolve)(void *ctx, const char *ref, struct pipeline_data *out,
	    struct err *err);
	uint64_t (*now_ms)(void *ctx); /* monotonic */
	const char *owner; /* hash of the owner, for the re-use of jailed children */
	struct pipeline_limits limits;
};

enum {
	PIPELINE_TEXT_MAX = 900
};

/* The caller owns it: pipeline_result_init, then pipeline_result_release. */
struct pipeline_result {
	enum error_type error; /* ERROR_TYPE_NONE: success */
	int64_t index;         /* of the failing step from 0; -1: none */
	char step[32];         /* its name, or "" */
	char reason[PIPELINE_TEXT_MAX];
	char hint[PIPELINE_TEXT_MAX];
	bool has_retry_after;
	uint64_t retry_after_ms;
	struct pipeline_data data; /* success: JSON text */
	int64_t rows;              /* success: of the data; -1 unknown */
	const struct json *trace;  /* array, in the arena; steps that were done */
};

void pipeline_result_init(struct pipeline_result *r);
void pipeline_result_release(struct pipeline_result *r);

/*
 * Runs args = {session_id, pipeline[], input_ref}. input: data for the first step in
 * the place of input_ref, or NULL. due_ms: monotonic, 0 for none. Returns 0 with
 * *result (a failed step is a result, too), -ECANCELED, or -ENOMEM.
 */
int pipeline_run(const struct pipeline_env *env, struct arena *a,
    const struct json *args, const struct pipeline_data *input, uint64_t due_ms,
    struct pipeline_result *result);

#endif
