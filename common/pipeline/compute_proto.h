/* SPDX-License-Identifier: MIT */
/*
 * compute_proto.h - what a worker says to compute over their lane, and what it hears.
 *
 * COMPUTE_RUN: meta is a JSON object
 *     steps        list of steps (steps.h); may be empty: the input is only checked and
 *                  written again
 *     first_index  index of steps[0] in the whole pipeline (0), for trace and errors
 *     owner        hash of the job's owner: children are re-used only under the same
 *     format       "json", "csv", "ndjson", "yaml" (JSON, else one YAML document; the
 *                  child is fresh), or "auto" (JSON, else UTF-8 text as a JSON string,
 *                  else refused)
 *     cpu_sec, memory_mb, output_mb, wall_ms    limits of this run; 0: the default
 *                  below
 *     fresh        true: a child of its own (a step carries a program)
 *     inputs       how many COMPUTE_INPUT messages came before with the same id
 *   and data is the input text.
 * COMPUTE_INPUT: a further input of the run that follows; meta {name, format}: a join's
 *   left or right of that name means it. Compute gives no answer to it.
 * COMPUTE_DONE (the answer): meta
 *     {"ok":true,  "trace":[...], "rows":N}         and data is the result's JSON text
 *     {"ok":false, "trace":[...], "error":{index, step, type, reason, hint}}
 *   trace entries: {step, index, rows_in, rows_out, ms, notes[]}. Indices count from 0.
 *   type is invalid_step, step_limit or execution_error. When the trace does not fit
 *   into the meta its notes are left out.
 * COMPUTE_CANCEL: the run of this id ends and is answered with an execution_error
 *   "cancelled"; inputs whose run has not come are forgotten without an answer.
 */
#ifndef COMMON_PIPELINE_COMPUTE_PROTO_H
#define COMMON_PIPELINE_COMPUTE_PROTO_H

enum compute_op {
	COMPUTE_RUN = 1,
	COMPUTE_INPUT = 2,
	COMPUTE_DONE = 3,
	COMPUTE_CANCEL = 4
};

enum {
	COMPUTE_CPU_SEC = 10,
	COMPUTE_MEMORY_MB = 512,
	COMPUTE_OUTPUT_MB = 64,
	COMPUTE_WALL_MS = 60000,
	COMPUTE_INPUTS_MAX = 16, /* beside the run's own */
	COMPUTE_OWNER_MAX = 128
};

#endif
