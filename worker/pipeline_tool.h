/* SPDX-License-Identifier: MIT */
/* pipeline_tool.h - connects the tool execute_pipeline with this worker's lanes. */
#ifndef WORKER_PIPELINE_TOOL_H
#define WORKER_PIPELINE_TOOL_H

void pipeline_tool_install(void);

#endif
