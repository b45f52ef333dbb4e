/* SPDX-License-Identifier: MIT */
/*
 * chat_job.h - the job that a request to /test/chat becomes. Pure, but for its id.
 */
#ifndef GATEWAY_CHAT_JOB_H
#define GATEWAY_CHAT_JOB_H

#include "common/buf.h"
#include "common/err.h"

#include <stdint.h>

enum {
	CHAT_ID_MAX = 37,
	CHAT_TIMEOUT_SEC = 300
};

struct chat_job {
	char id[CHAT_ID_MAX]; /* a random UUID */
	struct buf payload;   /* the job message */
	int64_t timeout_sec;  /* the job's, or the default of jobs */
};

void chat_job_release(struct chat_job *job);

/* What a form or a query says, as bytes that are not checked yet; empty: absent. */
struct chat_fields {
	struct buf prompt, agent, session_id;
};

void chat_fields_release(struct chat_fields *f);

/*
 * From a JSON body: an object with prompt (or task) and any other fields of a job
 * message but job_id. From fields: prompt, agent and session_id.
 * Return 0, or -EINVAL with a sentence for the client.
 */
int chat_job_from_json(struct chat_job *job, const char *text, size_t n,
    struct err *err);
int chat_job_from_fields(struct chat_job *job, const struct chat_fields *f,
    struct err *err);

#endif
