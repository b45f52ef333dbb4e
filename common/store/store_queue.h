/* SPDX-License-Identifier: MIT */
/*
 * store_queue.h - the store as an event loop sees it: requests go to one helper thread,
 * answers come back through a descriptor.
 *
 * The loop thread fills a struct store_request, submits it, and keeps it and all that
 * it points to until its done function was called (by store_queue_drain, on the loop
 * thread). Waiting rows go to the database in batches. While the store is away,
 * requests wait with a growing pause between tries until their deadlines; the thread
 * also looks by itself whether the store is back. All functions but the thread's own
 * work belong to one thread, the loop's.
 */
#ifndef COMMON_STORE_STORE_QUEUE_H
#define COMMON_STORE_STORE_QUEUE_H

#include "common/store/store.h"

enum store_op {
	STORE_OP_PUT,
	STORE_OP_GET_BY_JOB,
	STORE_OP_GET_BY_REF,
	STORE_OP_PLACE,
	STORE_OP_PUT_BLOB,
	STORE_OP_GET_BLOB,
	STORE_OP_CALL,       /* any function that uses the store's database */
	STORE_OP_CALL_LOCAL, /* any function that does not: it runs even while the store
				is away */
	STORE_OP_COUNT
};

const char *store_op_name(enum store_op op);

struct store_request {
	/* filled by the caller */
	enum store_op op;
	/* monotonic: until when a store that is away is waited for; 0: one try,
	   and none while it is known to be away */
	uint64_t deadline_ms;
	void (*done)(struct store_request *r);
	void *arg;    /* the caller's own */
	uint32_t tag; /* whose it is, for options.running; 0: nobody's */

	/* the answer: 0 or a negative errno of the call's own; -EAGAIN when the store
	   was away until the deadline; -ECANCELED when the queue was stopped first */
	int result;
	struct err err;

	/* per operation: what is asked, then what is answered (the caller's to release,
	   also after a failure) */
	union {
		struct {
			const struct store_row *row;
			/* result is 0 for STORED and KEPT, outcome.err.code for
			   REFUSED */
			struct store_outcome outcome;
		} put;
		struct {
			const char *job_id; /* GET_BY_JOB */
			const char *ref;    /* GET_BY_REF */
			const char *owner;  /* GET_BY_REF, or NULL */
			uint64_t max_data;
			struct store_result result;
		} get;
		struct {
			const char *result_id;
			const void *bytes;
			size_t len;
			int fd; /* -1: bytes */
			struct store_place place;
		} place;
		struct {
			const void *bytes;
			size_t len;
			char ref[STORE_REF_MAX];
		} put_blob;
		struct {
			const char *ref;
			size_t max_len;
			char *bytes; /* free() */
			size_t len;
		} get_blob;
		struct {
			/* may run several times while it answers -EAGAIN */
			int (*run)(struct store *store, void *ctx, struct err *err);
			void *ctx;
		} call;
	};

	/* the queue's own */
	struct store_request *next;
	uint64_t not_before_ms;
};

struct store_queue;

struct store_queue_options {
	uint64_t pause_min_ms; /* 0: 50; doubles at every failed try */
	uint64_t pause_max_ms; /* 0: 2,000 */
	uint64_t
	    idle_probe_ms; /* 0: 5,000; so long unasked, it is asked whether it is there */
	uint64_t
	    forget_ms; /* 0: 10,000; so long after a refused write, if none followed,
			       writes count as possible again */
	/* The thread's first call, or NULL; a negative errno does not stop it. */
	int (*begin)(void);
	/* NULL, or set to the tag of the one request that the thread is at; several rows
	   in one statement are nobody's. */
	_Atomic uint32_t *running;
};

/*
 * Starts the helper thread. On success the store is the queue's. options may be NULL. 0
 * or a negative errno.
 */
int store_queue_start(struct store *store, const struct store_queue_options *options,
    struct store_queue **out, struct err *err);

/* Readable when answers wait; for the loop. */
int store_queue_fd(const struct store_queue *q);

void store_queue_submit(struct store_queue *q, struct store_request *r);

/* Calls done for every answer that waits; done may submit again. How many. */
unsigned store_queue_drain(struct store_queue *q);

/*
 * Since when the store, or a part of it, has been away (monotonic ms), 0 when all of it
 * answers. A database that answers reads and refuses writes, and content that cannot be
 * written, are away, too: until a write goes through, or nobody has tried for ten seconds.
 * Before the first contact the store counts as away since the start. Any thread may ask.
 */
uint64_t store_queue_away_since(const struct store_queue *q);

/* Why it was away at the last try that met it so; "" before the first. */
void store_queue_why(struct store_queue *q, char *out, size_t size);

/* Requests submitted and not yet answered. */
unsigned store_queue_waiting(const struct store_queue *q);

/*
 * Goes on for at most grace_ms while requests wait, answers the rest with -ECANCELED,
 * ends the thread, drains, closes the store and frees. A call that is on its way is
 * waited for: its own timeouts bound it. NULL allowed.
 */
void store_queue_stop(struct store_queue *q, uint64_t grace_ms);

#endif
