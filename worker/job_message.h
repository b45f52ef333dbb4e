/* SPDX-License-Identifier: MIT */
/*
 * job_message.h - a job as the producer wrote it: read, checked field by field.
 *
 * Everything points into the payload or the arena given; both must outlive it. Texts
 * are NUL-terminated and never NULL ("" when absent); JSON values are NULL when absent.
 */
#ifndef WORKER_JOB_MESSAGE_H
#define WORKER_JOB_MESSAGE_H

#include "common/error_types.h"
#include "common/json/json.h"

enum {
	JOB_ID_MAX = 200,          /* bytes */
	JOB_TEXT_MAX = 1024,       /* of run_id, node_id and the like */
	JOB_TIMEOUT_DEFAULT = 300, /* seconds of running time */
	JOB_DIGEST_MAX = 65        /* hexadecimal SHA-256 with its NUL */
};

struct job_message {
	const char *job_id;
	const char *run_id;
	const char *node_id;
	const char *workflow_tag;
	const char *owner; /* workflow_owner, else user_id, else "" */
	const char *user_id;
	const char *prompt; /* UTF-8; see prompt_len for texts that hold U+0000 */
	size_t prompt_len;
	const char *agent; /* "workflow" by default */
	const char *session_id;
	const char *traceparent;
	const struct json *current_workflow; /* object */
	const struct json *previous_results; /* array of objects */
	const struct json *workflow_state;   /* object */
	const struct json *output_schema;    /* object */
	int64_t timeout_sec;                 /* as asked; the caller bounds it */
	int64_t retry_count;
	int64_t max_tokens_total;    /* 0: none */
	int64_t created_at_ms;       /* wall clock; -1 when absent */
	char digest[JOB_DIGEST_MAX]; /* of what must be equal in two copies of a job */
};

/* What is wrong with a message that cannot be run. */
struct job_message_fault {
	enum error_type type; /* INVALID_MESSAGE or UNSUPPORTED_VERSION */
	char text[1024];      /* names every bad field */
};

/*
 * Returns 0 with *out; -EINVAL with *fault when the job must fail: then out->job_id,
 * run_id, node_id, owner, retry_count and digest are still what could be read; -ENOMSG
 * with *fault when not even job_id is readable (the payload goes to the dead); -ENOMEM.
 */
int job_message_read(struct arena *a, const char *payload, size_t n,
    struct job_message *out, struct job_message_fault *fault);

/* The producer's fields that prompts and tools use, by the tool's reference: does the
   message itself name this reference (previous_results[].result_ref)? */
bool job_message_names_ref(const struct job_message *m, const char *ref);

#endif
