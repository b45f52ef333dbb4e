/* SPDX-License-Identifier: MIT */
/* args_view.h - a tool call's arguments as people may see them. */
#ifndef WORKER_AGENT_ARGS_VIEW_H
#define WORKER_AGENT_ARGS_VIEW_H

#include "worker/llm/llm.h"

/*
 * Appends JSON of at most max bytes (at least 64): the arguments with what looks like a
 * secret masked (members and query parameters by their names, credentials in addresses,
 * bearer tokens), what is nested deeper than 32 as "…". Longer ones become {"cut": "first bytes"}; args NULL shows raw, the
 * text that is no JSON, in the same form.
 */
void args_view(struct buf *out, const struct json *args, struct llm_text raw,
    size_t max);

#endif
