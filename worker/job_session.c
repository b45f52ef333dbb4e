/* SPDX-License-Identifier: MIT */
/*
 * job_session.c - the session between Redis and a job.
 *
 * Owns:   nothing beyond the call; what was read lives in the job's arena.
 * Called: before the first question to the model, and with the job's end.
 * Fails:  reading as redis_op; writing never: it is a part of finish.
 *
 * The key holds the owner, so a session id of somebody else is just a session that does
 * not exist. The turn goes into the session in the script that ends the job: there is no
 * moment at which the one is done and the other is not.
 */
#include "config.h"

#include "worker/job_session.h"

#include "common/fault_point.h"
#include "common/log.h"
#include "worker/agent/session.h"

#include <errno.h>
#include <string.h>

/* The part of the answer that dies with the reply. */
static void
copy_turns(void *ctx, const struct queue_answer *answer)
{
	struct job *j = ctx;
	const struct queue_list *list = &answer->session.turns;
	struct session_text *turns =
	    arena_alloc(j->arena, (list->n + 1) * sizeof(*turns));
	size_t n = 0;

	for (size_t i = 0; turns != NULL && i < list->n; i++) {
		struct queue_text t = queue_list_text(list, i);

		turns[n].p = arena_strndup(j->arena, t.p, t.n);
		turns[n].n = t.n;
		if (turns[n].p != NULL)
			n++;
	}
	j->session = turns != NULL ? session_read(j->arena, turns, n) : NULL;
}

int
job_session_read(struct job *j, struct err *err)
{
	CLEANUP_BUF struct buf key = BUF_INIT;
	struct worker *w = j->worker;
	struct queue_command cmd;
	struct queue_answer answer;
	int r;

	j->session = NULL;
	if (j->msg.session_id[0] == '\0')
		return 0;
	queue_key_session(&key, j->msg.owner, j->msg.session_id);
	if (buf_status(&key) != 0)
		return -ENOMEM;
	queue_cmd_session_read(&cmd, &w->setup,
	    (struct queue_text){ buf_str(&key), key.len });
	FAULT_POINT_OF(SESSION_SEND, j->msg.job_id);
	r = redis_op(w->redis, &cmd, copy_turns, j, &answer, 0, err);
	FAULT_POINT_OF(SESSION_REPLY, j->msg.job_id);
	return r == 0 && arena_failed(j->arena) ? -ENOMEM : r;
}

void
job_turn_release(struct job_turn *t)
{
	buf_release(&t->key);
	buf_release(&t->turn);
}

void
job_turn_add(struct job_turn *t, struct job *j, const char *message, size_t n,
    struct queue_command *cmd)
{
	const struct session_job about = { j->msg.job_id, j->msg.prompt,
		j->msg.prompt_len, j->msg.previous_results };
	int r;

	if (j->fault_status < 0 || j->msg.session_id[0] == '\0')
		return;
	queue_key_session(&t->key, j->msg.owner, j->msg.session_id);
	r = session_turn_write(&t->turn, &about, message, n, &t->command.at_ms);
	if (r == 0)
		r = buf_status(&t->key);
	if (r < 0) {
		log_warning("job %s: its session is not told of it: %s", j->msg.job_id,
		    strerror(-r));
		return;
	}
	t->command.key = (struct queue_text){ buf_str(&t->key), t->key.len };
	t->command.turn = (struct queue_text){ buf_str(&t->turn), t->turn.len };
	t->command.ttl_sec = j->worker->conf->sessions.ttl_sec;
	t->command.max_turns = j->worker->conf->sessions.max_turns;
	queue_cmd_add_session(cmd, &t->command);
}
