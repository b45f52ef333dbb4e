/* SPDX-License-Identifier: MIT */
/* execute_pipeline.h - the row of the fast lane's tool. */
#ifndef WORKER_TOOLS_EXECUTE_PIPELINE_H
#define WORKER_TOOLS_EXECUTE_PIPELINE_H

#include "worker/tools/tools.h"

#define EXECUTE_PIPELINE_NAME "execute_pipeline"

extern const char execute_pipeline_parameters[]; /* generated from the JSON file */
extern const char execute_pipeline_description[];

/* True when a step is a POST. */
bool execute_pipeline_has_side_effects(const struct json *args);

/*
 * The seam to the pipeline: set once at start by the worker, before the first job.
 * Until then the tool answers "internal".
 */
typedef int (
    *execute_pipeline_fn)(const struct tool_call *call, struct tool_outcome *outcome);
void execute_pipeline_set(execute_pipeline_fn run);

int execute_pipeline_run(const struct tool_call *call, struct tool_outcome *outcome);

#endif
