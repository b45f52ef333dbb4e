/* SPDX-License-Identifier: MIT */
/*
 * worker.h - what the parts of one worker process share.
 *
 * One struct worker per process, one struct job per element in hand. Everything runs on
 * the loop's thread; the store's driver alone runs on the helper thread.
 */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include "common/net/http_client.h"
#include "common/queue/keys.h"
#include "common/role/role.h"
#include "common/store/store_queue.h"
#include "worker/agent/definitions.h"
#include "worker/fiber.h"
#include "worker/job_message.h"
#include "worker/lane_client.h"
#include "worker/redis.h"

#include <sys/queue.h>

enum {
	JOB_CLASS_NAME_MAX = 32
};

/* Why a job must leave its way before its end. */
enum job_stop {
	JOB_RUNS,
	JOB_STOP_CANCEL,  /* somebody cancelled it */
	JOB_STOP_RELEASE, /* the worker must go: hand it back uncounted */
	JOB_STOP_FENCED   /* no longer ours: forget it */
};

/* What stands reserved in the job's hash, of budgets that it shares. */
enum job_reserved {
	RESERVED_NOTHING,
	RESERVED,          /* a call is under way */
	RESERVED_AND_SPENT /* it was answered: the answer's record settles it */
};

struct worker;

/* When a call failed and all providers rest: whose fault may it be? */
enum job_answers {
	ANSWERS_NOT_ASKED,
	ANSWERS_NOBODY, /* was answered, as far as this worker knows */
	ANSWERS_OTHERS, /* were, since this job asked in vain the last time */
};

struct job {
	struct worker *worker;
	struct fiber *fiber; /* NULL once it has ended */
	unsigned row;        /* in the slot file */
	TAILQ_ENTRY(job) link;

	char *element; /* owned: what stands in the held list, byte for byte */
	size_t element_len;
	bool is_id;     /* the element is an id, not a payload */
	bool is_begun;  /* begin was answered: the id stands in the held list */
	uint64_t claim; /* number of this element in this holder's life */

	struct arena *arena;
	char *payload; /* owned when is_id; else NULL: the element is the payload */
	size_t payload_len;
	struct job_message msg;
	const struct job_message_fault *fault; /* arena; of a status that is not 0 */
	int fault_status;                      /* of job_message_read */

	int64_t token;
	int64_t attempts; /* before this one */
	int64_t crashes, suspicions;
	int64_t run_ms_before;
	int64_t queue_ms; /* -1: unknown */
	int64_t age_ms; /* since it was created, or first begun when that is not said */
	int64_t base_token;
	int64_t unanswered;       /* vain questions while others were answered */
	uint64_t asked_before_ms; /* monotonic: its last vain one of all; 0: none */
	enum job_answers vain;    /* of its present attempt */
	bool is_rerun;
	bool has_family; /* a budget that the job shares with its parent or children */
	enum job_reserved reserved;
	struct queue_spent spent;
	char *evidence; /* owned: of the last crash, or NULL */
	/* arena: the journal as begin answered it */
	struct conversation_record *records;
	size_t n_records;

	uint64_t started_ms; /* monotonic; moves on while a server is away */
	uint64_t deadline_ms;
	uint64_t tokens;            /* spent, former attempts included */
	uint64_t buffer_bytes;      /* data that it holds now; buffers.h */
	uint64_t kept_bytes;        /* of these, the last pipeline's result */
	uint64_t *talk_deadline_ms; /* the conversation's copy of it, or NULL */
	uint64_t proved_ms;         /* the holder was not fenced then */
	struct buf trace; /* of the pipelines that ran: members of a JSON array */
	const struct json *session; /* arena: session_read(), or NULL */
	const struct agent *agent;
	const char *intent;
	enum job_stop stop;
	char rate_call[HOLDER_NAME_MAX +
	    24];             /* what it took of a rate limit; "": nothing */
	bool is_at_limit;    /* waits for room in one */
	bool is_probe;       /* claimed to try whether the providers are back */
	bool is_cancel_told; /* it was cancelled before begin's answer was here */
	bool is_ending;      /* its result is decided: a cancel comes too late */
};

TAILQ_HEAD(job_list, job);

struct claim;
struct providers;

struct worker {
	struct role_process *role;
	const struct conf *conf;
	struct loop *loop;
	struct fibers *fibers;
	struct queue_setup setup;
	struct redis_target *target;
	struct redis_link *redis;  /* operations, pipelined */
	struct redis_link *events; /* subscription to cancels */
	struct claim *claim;
	struct store_queue *store;
	struct http_client *http;
	struct secrets *llm_secrets; /* masked in models' answers */
	struct lane_client *fetch, *compute;
	struct definitions *agents;
	struct providers *providers; /* providers.h */
	struct job_list jobs;
	unsigned n_jobs;
	unsigned n_probes; /* jobs that try whether the providers are back */
	unsigned rows_used[SLOT_ROWS / 32 + 1]; /* bits */
	uint64_t buffer_bytes;                  /* data that all jobs hold; buffers.h */
	uint64_t next_claim;
	uint64_t next_rate_call;
	uint64_t jobs_done;
	uint64_t store_away_ms; /* since then, as the log was told; 0: it answers */
	int statm_fd;           /* /proc/self/statm, opened before the sandbox; -1 */
	/* hashes of owner and shape of pipelines that are tools already */
	uint64_t known_tools[256];
	bool is_draining;        /* takes no more work */
	bool must_ask_cancelled; /* somebody may have been cancelled unheard */
	bool is_renewing; /* draining by itself: reached max_jobs or its memory bound */
	bool is_fenced;
	bool is_cleaning;      /* retention.c's fiber is at work */
	uint64_t clean_due_ms; /* its next look */
};

/* Logging of a job's one info line and of trouble: see log.h; here only the metrics. */
struct metrics_page *worker_metrics(struct worker *w);

/* ---- retention.c: storage.retention_days; each second ---- */
void retention_tick(struct worker *w, uint64_t now_ms);

/* ---- resolve.c: a redis_resolve_fn; ctx is the worker, whose store queue runs ---- */
void worker_resolve(void *ctx, const char *host, unsigned n, redis_found_fn *found,
    void *arg);

/* ---- claim.c: takes elements from the queue and starts their jobs ---- */
int claim_new(struct worker *w, struct err *err);
void claim_free(struct claim *c);
void claim_start(struct claim *c);
void claim_wake(struct claim *c); /* a place became free */
/* That provider answers again: others need not wait for their turn to try. */
void claim_probed(struct claim *c, const char *provider);
/* What may be claimed has changed, and changes again by time alone. */
void claim_look_soon(struct claim *c);
/* A job ended without begin's answer: its element may still stand in the held list. */
void claim_missed(struct claim *c);
/* Gives an element of the held list that is in nobody's hand back to the queue. As
   redis_op. */
int claim_hand_back(struct worker *w, const char *element, size_t n, bool is_id);
/* The queue was paused (an open BLMOVE is let go), or goes on. */
void claim_set_paused(struct claim *c, bool is_paused);
void claim_look(struct claim *c); /* each second: a message may have been missed */
/* Somebody cancelled a job that is not in hand: ends it if nobody else can. */
void claim_cancelled(struct claim *c, const char *id, size_t n);
/* Ends claiming: lets the open BLMOVE go and hands back what came meanwhile. is_idle is
   true from then on. */
void claim_stop(struct claim *c);
bool claim_is_idle(const struct claim *c);

/* ---- job.c: one job's way ---- */
/* Takes ownership of element. 0, or -ENOMEM with element freed (the held list keeps it,
   a later adoption brings it back). */
int job_new(struct worker *w, char *element, size_t n, bool is_id);
void job_stop(struct job *j, enum job_stop why);
/* Somebody cancelled it. False: no job of that id is in hand. */
bool job_cancel(struct worker *w, const char *id, size_t n);
void worker_fenced(struct worker *w); /* drops every job; the process will end */
/* The job whose fiber runs waited so long for a server that was away: that is not its
   running time, and its deadline moves. */
void job_waited(struct worker *w, uint64_t ms);
/*
 * Before what costs money or changes something outside: is the job still ours? Asks
 * Redis when this process may have been stopped past its lease meanwhile. 0, -ESTALE
 * when the holder is fenced, or another errno.
 */
int job_prove(struct job *j);

/* ---- job_budget.c: the budgets that a job shares with others ---- */
struct conversation_cost;
struct conversation_refusal;
/* As conversation_env.reserve. */
int job_budget_reserve(struct job *j, unsigned turn, struct conversation_cost *cost,
    struct conversation_refusal *why);
/* The call is over. With an answer, its record is to settle what it cost
   (job_budget_spent); else that is settled here. */
void job_budget_paid(struct job *j, const struct llm_account *paid, bool is_answered);
/* For the next record of the journal; NULL: nothing to settle. */
const struct queue_spent *job_budget_spent(const struct job *j);

/* Under which name and token the queue knows it. */
static inline struct queue_job_ref
job_ref(const struct job *j)
{
	return (struct queue_job_ref){ j->worker->role->holder,
		queue_text(j->msg.job_id), j->token };
}

/* ---- job_run.c: from begun to a conversation's result ---- */
struct conversation_result;
/* What the journal says that former attempts have cost; records that cannot be read are
   left out. */
void job_spent(struct job *j, struct conversation_result *spent);
int job_converse(struct job *j, struct conversation_result *result, struct err *err);

/*
 * ---- job_end.c: from a result to an empty place in the held list ----
 * Each returns 0 when the queue no longer holds the job here, -ESTALE when it was
 * fenced, or another errno when the job is still held.
 */
int job_complete(struct job *j, struct conversation_result *result);
int job_fail_with(struct job *j, struct conversation_result *result); /* or retry */
int job_fail(struct job *j, enum error_type type, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
int job_bury(struct job *j); /* its counters are spent */
int job_publish_stored(struct job *j, const struct store_result *row);
/* The row is of a burial that broke off before its dead letter was filed. */
int job_bury_stored(struct job *j, const struct store_result *row);
/* Uncounted, to the head of the queue, or due after a delay. */
int job_release(struct job *j, int64_t delay_ms, const char *why);
/* The attempt broke off for a reason of our own (memory, a bug, a broken record). That
   counts, so that what breaks every time comes to an end, as a failed result. */
int job_broke(struct job *j, const char *why);

/*
 * ---- store_client.c: the helper thread's operations, as a fiber sees them ----
 * A store that is away is waited for until due_ms (0: for ever). 0, -ECANCELED when the
 * job was stopped while the store was away, -ETIMEDOUT, or the store's own error. A
 * store_result is initialised by the caller and changes only on success; its former
 * content is released then.
 */
int store_client_watch(struct worker *w); /* after store_queue_start */
/* Away for so long that no more jobs should be claimed, and none begin to cost. */
bool store_client_is_long_away(const struct worker *w);
/* A read by job that goes on while the job does something else. Every begin needs its
   end, which waits (not for ever: a store that is away gives -EAGAIN). */
struct store_lookup {
	struct store_request request;
	struct wait *wait; /* NULL: nobody waits yet */
	bool is_done;
};
void store_client_lookup_begin(struct worker *w, const char *job_id,
    struct store_lookup *l);
int store_client_lookup_end(struct store_lookup *l, struct store_result *out,
    struct err *err);

int store_client_put(struct worker *w, const struct store_row *row,
    struct store_outcome *out, uint64_t due_ms, struct err *err);
int store_client_get_by_job(struct worker *w, const char *job_id, uint64_t max_data,
    struct store_result *out, uint64_t due_ms, struct err *err);
int store_client_get_by_ref(struct worker *w, const char *ref, const char *owner,
    uint64_t max_data, struct store_result *out, uint64_t due_ms, struct err *err);
/* store_settle, then the row as it is now. */
int store_client_settle(struct worker *w, const char *job_id, int64_t token,
    struct store_result *out, uint64_t due_ms, struct err *err);
int store_client_place(struct worker *w, const char *result_id, const void *bytes,
    size_t len, int fd, struct store_place *out, uint64_t due_ms, struct err *err);
/* Runs a function on the helper thread; it may run several times while it answers
   -EAGAIN. */
int store_client_call(struct worker *w,
    int (*run)(struct store *store, void *ctx, struct err *err), void *ctx,
    uint64_t due_ms, struct err *err);
int store_client_put_blob(struct worker *w, const void *bytes, size_t len,
    char ref[STORE_REF_MAX], uint64_t due_ms, struct err *err);
int store_client_get_blob(struct worker *w, const char *ref, size_t max_len,
    char **bytes, size_t *len, uint64_t due_ms, struct err *err);

#endif
