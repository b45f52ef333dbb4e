/* SPDX-License-Identifier: MIT */
/*
 * journal.h - the records of a job's conversation: found by turn and call, written with
 * their number. Private to the conversation; conversation.h describes the records.
 */
#ifndef WORKER_AGENT_JOURNAL_H
#define WORKER_AGENT_JOURNAL_H

#include "worker/agent/conversation.h"

enum record_kind {
	RECORD_ANSWER,
	RECORD_INTENT,
	RECORD_TOOL,
	RECORD_END,
	RECORD_OTHER, /* of a later version: passed over */
	RECORD_KIND_COUNT
};

struct record {
	enum record_kind kind;
	unsigned turn, call;
	const struct json *doc;
	bool is_void;
};

struct journal {
	const struct conversation_env *env;
	const struct agent *agent;
	struct record *records; /* the arena's */
	size_t n;
	size_t next_index;
	bool has_rerun; /* the last attempt ended with failed tool calls in this turn */
	unsigned rerun_turn;
};

/* Reads what is there. 0, -EBADMSG for a record that is no JSON object, -ENOMEM. */
int journal_open(struct journal *j, const struct conversation_env *env,
    const struct conversation_job *job, struct arena *a);

/* The record that counts, or NULL. */
const struct json *journal_find(const struct journal *j, enum record_kind kind,
    unsigned turn, unsigned call);

/* Begins a record: {"kind":...,"turn":...,"call":... ; the caller adds members. */
void journal_begin(struct json_writer *w, struct buf *text, enum record_kind kind,
    unsigned turn, unsigned call);

/* Adds what the answers and failed calls of these records cost; records that cannot be
   read are passed over. Returns how many answers there are. */
unsigned journal_spent(struct arena *a, const struct conversation_record *records,
    size_t n, struct llm_usage *usage, uint64_t *cost_microusd);

/* Ends and appends it; the first record also gets what it was made with. What env->append
   answers, or -ENOMEM. */
int journal_append(struct journal *j, struct json_writer *w, const struct buf *text,
    unsigned turn);

/* Members that several kinds share. */
void journal_write_usage(struct json_writer *w, const struct llm_usage *usage,
    uint64_t cost_microusd);
void journal_read_usage(const struct json *doc, struct llm_usage *usage,
    uint64_t *cost_microusd);

#endif
