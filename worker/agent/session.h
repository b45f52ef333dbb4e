/* SPDX-License-Identifier: MIT */
/*
 * session.h - what one job of a session leaves for the next: its turn.
 *
 * A turn says what was asked, how it ended, which reference and preview the result has,
 * which pipeline made it, and which references the producer gave. Pure: the turns come
 * from Redis and go there with the job's end.
 */
#ifndef WORKER_AGENT_SESSION_H
#define WORKER_AGENT_SESSION_H

#include "common/json/json.h"

enum {
	SESSION_TURN_MAX = 16 * 1024 /* bytes of a turn, about */
};

/* What a turn is made of. */
struct session_job {
	const char *job_id;
	const char *prompt;
	size_t prompt_len;
	const struct json *previous_results; /* of the job's message, or NULL */
};

/*
 * Appends the turn of a job that ended with this result message, as one JSON object; the
 * same job and message give the same bytes. *at_ms: when it ended. 0, -EINVAL when the
 * message cannot be read, or -ENOMEM.
 */
int session_turn_write(struct buf *out, const struct session_job *job,
    const char *message, size_t n, int64_t *at_ms);

/* A session as the model is told of it: {history: [turns], last_result: turn}; NULL when
   there is no turn in it, or memory is short (then the arena has failed). What is no turn
   is left out. The last result is the last one of data; of text when there is no data. */
struct session_text {
	const char *p;
	size_t n;
};
const struct json *session_read(struct arena *a, const struct session_text *turns,
    size_t n);

/* The reference of the last result, or NULL. */
const char *session_last_ref(struct arena *a, const struct json *session);

/* Does the session itself name this reference: as the result of a turn, or as given by
   the producer of one? What a model wrote counts for nothing. */
bool session_names_ref(const struct json *session, const char *ref);

#endif
