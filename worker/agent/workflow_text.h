/* SPDX-License-Identifier: MIT */
/* workflow_text.h - a workflow as few lines that a model reads easily. */
#ifndef WORKER_AGENT_WORKFLOW_TEXT_H
#define WORKER_AGENT_WORKFLOW_TEXT_H

#include "common/json/json.h"

/*
 * Appends nodes and edges with their indices, as JSON Patch paths need them; nothing
 * when workflow is NULL. A workflow is {nodes, edges}, or a map of nodes with
 * dependents (also under "nodes"), whose edges follow from the dependents.
 */
void workflow_text(struct buf *out, const struct json *workflow);

/* An id: as it is when it is plain, else as a JSON string. */
void workflow_text_word(struct buf *out, const char *s, size_t n);

#endif
