/* SPDX-License-Identifier: MIT */
/*
 * result_message.h - the message that is stored with a result and published.
 */
#ifndef WORKER_RESULT_MESSAGE_H
#define WORKER_RESULT_MESSAGE_H

#include "common/buf.h"
#include "common/clock.h"
#include "worker/agent/conversation.h"

/* What is known of a job when its message is written; C strings may be "" but not
   NULL. */
struct result_facts {
	const char *job_id;
	const char *result_ref; /* completed only */
	const char *preview;    /* JSON text; completed only */
	const char *intent;     /* "execute", ... or "" */
	const char *model;
	unsigned attempts; /* this one included */
	uint64_t execution_ms;
	int64_t queue_ms; /* -1: unknown */
	int64_t completed_at_ms;
	/* NULL: the conversation never began */
	const struct conversation_result *result;
	struct { /* failed only */
		enum error_type type;
		const char *message;
		const char *tool;
		const char *step;
		const char *suggestions[TOOL_SUGGESTIONS_MAX]; /* NULL: no more */
		const char *evidence; /* JSON text for a crash, or "" */
	} error;
};

void result_message_completed(struct buf *out, const struct result_facts *f);
void result_message_failed(struct buf *out, const struct result_facts *f);

/* The columns of the row that repeat a part of the message: JSON texts. */
void result_message_tool_calls(struct buf *out, const struct conversation_result *r);
void result_message_error(struct buf *out, const struct result_facts *f);

#endif
