/* SPDX-License-Identifier: MIT */
/* pipeline_tool.h - connects the tool execute_pipeline with this worker's lanes. */
#ifndef WORKER_PIPELINE_TOOL_H
#define WORKER_PIPELINE_TOOL_H

#include "worker/tools/tools.h"

void pipeline_tool_install(void);

/* Runs a pipeline for that call, whose tool is known to the model by that name; args are
   those of execute_pipeline. As struct tool's run. */
int pipeline_tool_run(const struct tool_call *call, const struct json *args,
    const char *name, struct tool_outcome *outcome);

#endif
