/* SPDX-License-Identifier: MIT */
/*
 * queue_ops.h - the operations of the queue's protocol, for any Redis client.
 *
 * One Lua script per operation. queue_cmd_X() fills a struct queue_command (EVALSHA,
 * key, arguments) that the caller sends in its own way; queue_parse() turns the reply
 * into a typed answer. Every operation may be sent twice: after a lost connection the
 * caller sends the same command again. NOSCRIPT (-ENOENT from queue_parse) is answered
 * by queue_command_as_eval() and sending again; every other "Redis is away" is -EAGAIN.
 *
 * Texts in a command and in an answer are borrowed: those of a command must live until
 * it is sent, those of an answer live as long as the reply.
 */
#ifndef COMMON_QUEUE_QUEUE_OPS_H
#define COMMON_QUEUE_QUEUE_OPS_H

#include "common/err.h"
#include "common/queue/keys.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* clang-format off */
#define QUEUE_OPS(X)                                                                         \
	/*  op              called by */                                                     \
	X(REGISTER)      /* worker: before any claim                                      */ \
	X(BEAT)          /* scheduler: the live holders of its node                       */ \
	X(ADOPT)         /* worker: what stands in its own held list                      */ \
	X(BEGIN)         /* worker: starts a job that it has claimed                      */ \
	X(JOURNAL)       /* worker: one record                                            */ \
	X(JOURNAL_RESET) /* worker: a job that runs again starts from its beginning       */ \
	X(RESERVE)       /* worker: of shared budgets, before a model call                */ \
	X(SETTLE)        /* worker: a call that brought no answer to journal              */ \
	X(LIMIT_TAKE)    /* worker: of a provider's rate, before a call                   */ \
	X(LIMIT_NOTE)    /* worker: what the call used and its provider told              */ \
	X(PROBE)         /* worker: one of all tries whether a provider is back           */ \
	X(SPAWN)         /* worker: a job that draws on the budget of this one            */ \
	X(FINISH)        /* worker: done or failed, message published                     */ \
	X(BURY)          /* worker: dead, message published, dead letter filed            */ \
	X(RETRY)         /* worker: a failed attempt, next one after a delay              */ \
	X(RELEASE)       /* worker: handed back, nothing counted                          */ \
	X(UNCLAIM)       /* worker: handed back, being in nobody's hand                  */ \
	X(PARK)          /* worker: put aside                                             */ \
	X(RESUME)        /* anybody: a parked job goes on                                 */ \
	X(PROMOTE)       /* scheduler: what is due                                        */ \
	X(RECOVER)       /* scheduler: a dead holder's jobs                               */ \
	X(CANCEL)        /* anybody                                                       */ \
	X(DEAD_PAYLOAD)  /* worker: a payload without a readable id                       */ \
	X(DEAD_PAGE)     /* operator: list                                                */ \
	X(DEAD_RETRY)    /* operator                                                      */ \
	X(DEAD_DROP)     /* operator                                                      */ \
	X(META)          /* start check: protocol number, store id, queue names           */ \
	X(SESSION_READ)  /* worker, operator: a session's turns                           */ \
	X(CACHE_GET)     /* worker: a text that is kept for a while                       */ \
	X(CACHE_PUT)     /* worker                                                        */ \
	X(USE)           /* worker: one more job used a shape of pipeline                 */ \
	X(PAUSE)         /* operator: nobody begins a job, or everybody again            */ \
	X(TAKE)          /* worker without a free place: a cancelled job in the queue     */ \
	X(REFS)          /* purge: content that journals name, a part a call              */ \
	X(LEFTOVERS)     /* purge: marks of jobs that never came, a part a call           */ \
	X(PURGE_DUE)     /* worker: one of all may clean up                               */ \
	X(STATS)         /* scheduler, operator: how many are where                       */ \
	X(SURVEY)        /* scheduler: holders, beats, what fenced ones still hold        */ \
	X(JOB_SHOW)      /* operator: one job                                             */ \
	X(FSCK_JOB)      /* operator: is one job where its state says?                    */ \
	X(FSCK_HELD)     /* operator: one holder's list                                   */ \
	X(FSCK_KEY)      /* operator: any other key                                       */ \
	X(RIGHTS)        /* start check: which commands Redis refuses to this user         */
/* clang-format on */

enum queue_op {
#define X(name) QUEUE_OP_##name,
	QUEUE_OPS(X)
#undef X
	QUEUE_OP_COUNT
};

/* The leading word of every answer. */
/* clang-format off */
#define QUEUE_WORDS(X)                                                                       \
	X(OK)          /* done                                                            */ \
	X(ALREADY)     /* this call's own earlier success                                 */ \
	X(FENCED)      /* no longer yours (the holder or the token): drop the job         */ \
	X(GONE)        /* what the call was about is no longer there: drop it             */ \
	X(DUPLICATE)   /* begin: the same job is under way elsewhere; the copy is dropped */ \
	X(CONFLICT)    /* begin: same id, other content; the copy is a dead letter now    */ \
	X(REPUBLISHED) /* begin: finished before; its message is on the list              */ \
	X(CANCELLED)   /* begin: yours, but cancelled: finish it as failed "cancelled"    */ \
	X(PAUSED)      /* begin: the queue is paused; hand it back, claim no more         */ \
	X(SPENT)       /* begin: yours, but its counters are spent: bury it, do not run   */ \
	X(MISMATCH)    /* journal: the journal has another length or record               */ \
	X(WAIT)        /* reserve: others have reserved the rest and may give it back;    */ \
		       /* limit_take: the bucket is empty                                 */ \
	X(EXCEEDED)    /* reserve: that budget is spent                                   */ \
	X(ALIVE)       /* recover: the beat has changed, it is not dead                   */ \
	X(FINISHED)    /* cancel, dead_retry: it has ended already                        */ \
	X(BUSY)        /* dead_retry: the job is on its way already; probe: another tries */ \
	X(OTHER)       /* meta: this Redis serves another store, protocol or queue        */
/* clang-format on */

enum queue_word {
#define X(name) QUEUE_##name,
	QUEUE_WORDS(X)
#undef X
	QUEUE_WORD_COUNT
};

const char *queue_op_name(enum queue_op op);       /* "begin" */
const char *queue_word_name(enum queue_word word); /* "FENCED" */

struct queue_script {
	const char *name;
	const char *sha; /* 40 hex digits of SHA-1, as EVALSHA wants it */
	const char *text;
	size_t len;
};
extern const struct queue_script queue_scripts[QUEUE_OP_COUNT];

struct queue_text {
	const char *p;
	size_t n;
};
struct queue_text queue_text(const char *s); /* NULL gives the empty text */

/* ---- commands ---- */

enum {
	QUEUE_ARGS_MAX = 24,
	QUEUE_NUMBERS_MAX = 12
};

struct queue_command { /* points into itself: do not copy or move */
	enum queue_op op;
	int argc;
	const char *argv[QUEUE_ARGS_MAX];
	size_t argvlen[QUEUE_ARGS_MAX];
	char numbers[QUEUE_NUMBERS_MAX][24]; /* private: decimal arguments */
	int n_numbers;
};

/* The same command as EVAL with the script's text, after NOSCRIPT. */
void queue_command_as_eval(struct queue_command *c);

/* "SCRIPT LOAD text" for one operation, to warm a new connection. */
void queue_command_load(struct queue_command *c, enum queue_op op);

void queue_cmd_register(struct queue_command *c, const struct queue_setup *q,
    const char *holder, uint64_t beat); /* beat < 2^53 */
void queue_cmd_beat(struct queue_command *c, const struct queue_setup *q, uint64_t beat,
    const char *holders, size_t n); /* names, one a line */
void queue_cmd_adopt(struct queue_command *c, const struct queue_setup *q,
    const char *holder, uint64_t from, uint64_t count);

struct queue_begin {
	const char *holder;
	bool is_id; /* element is an id (quarantine, adopted), not a payload */
	struct queue_text element; /* what stands in the held list, byte for byte */
	struct queue_text id;      /* with is_id the same as element */
	uint64_t claim; /* this element's number in this holder's life: the same
			   number for the same call sent again, never for another */
	/* of the content that must not differ between copies: leave out
	   retry_count and created_at; "" with is_id */
	struct queue_text digest;
	int64_t retry_count; /* the payload's */
	int64_t min_token;   /* 0; or the token of a stored failed row that the result
				must replace: call again with it, gives a higher one */
};
void queue_cmd_begin(struct queue_command *c, const struct queue_setup *q,
    const struct queue_begin *b);

struct queue_job_ref {
	const char *holder;
	struct queue_text id;
	int64_t token; /* from begin */
};
/* What the call of a turn cost, for the budgets of which it had reserved. */
struct queue_spent {
	unsigned turn;
	int64_t tokens, microusd;
};
/* spent: NULL when nothing was reserved. */
void queue_cmd_journal(struct queue_command *c, const struct queue_setup *q,
    const struct queue_job_ref *job, int64_t index, struct queue_text record,
    const struct queue_spent *spent);

struct queue_reserve {
	unsigned turn; /* one reservation a job: an earlier turn's is given back */
	struct queue_text owner;
	int64_t day_tokens, day_microusd;     /* the owner's caps; 0: none */
	int64_t want_tokens, want_microusd;   /* what the call costs at most */
	int64_t least_tokens, least_microusd; /* with less there is no point in it */
};
void queue_cmd_reserve(struct queue_command *c, const struct queue_setup *q,
    const struct queue_job_ref *job, const struct queue_reserve *r);
void queue_cmd_settle(struct queue_command *c, const struct queue_setup *q,
    const struct queue_job_ref *job, const struct queue_spent *spent);

/* The rate at which one provider may be asked, by all hosts together. */
struct queue_limit {
	const char *name;       /* of the bucket: provider and model */
	struct queue_text call; /* a name for this call that no other has */
	bool is_batch;
	unsigned batch_permille; /* that batch calls may use while others wait */
	int64_t requests_per_minute, tokens_per_minute; /* configured; 0: none */
};

struct queue_told { /* by the provider; -1: nothing */
	int64_t limit, remaining, full_ms;
};

void queue_cmd_limit_take(struct queue_command *c, const struct queue_setup *q,
    const struct queue_limit *limit, uint64_t tokens);
void queue_cmd_limit_note(struct queue_command *c, const struct queue_setup *q,
    const struct queue_limit *limit, uint64_t used_tokens,
    const struct queue_told *requests, const struct queue_told *tokens,
    uint64_t closed_ms);

void queue_cmd_probe(struct queue_command *c, const struct queue_setup *q,
    const char *provider, const char *holder, int64_t sec);

/* A child of the job. After the first one the job draws on the shared budget as well and
   must reserve before its own calls. */
struct queue_spawn {
	struct queue_text child, payload;
	int64_t cap_tokens, cap_microusd; /* of the job, for itself and all below it */
	int64_t used_tokens, used_microusd; /* by the job so far */
};
void queue_cmd_spawn(struct queue_command *c, const struct queue_setup *q,
    const struct queue_job_ref *job, const struct queue_spawn *s);
void queue_cmd_journal_reset(struct queue_command *c, const struct queue_setup *q,
    const struct queue_job_ref *job);
/* message: as read back from the store's row. */
void queue_cmd_finish(struct queue_command *c, const struct queue_setup *q,
    const struct queue_job_ref *job, bool is_failed, struct queue_text message);
void queue_cmd_bury(struct queue_command *c, const struct queue_setup *q,
    const struct queue_job_ref *job, struct queue_text message,
    struct queue_text reason, struct queue_text detail);

/* The turn that a job's end adds to its session; a copy of that end adds none. */
struct queue_session_turn {
	struct queue_text key;  /* queue_key_session() */
	struct queue_text turn; /* a JSON object with job_id and at_ms */
	int64_t at_ms;          /* the same number */
	int64_t ttl_sec;
	int64_t max_turns;
};
/* To be added to a finish or a bury, before it is sent. */
void queue_cmd_add_session(struct queue_command *c, const struct queue_session_turn *t);
void queue_cmd_session_read(struct queue_command *c, const struct queue_setup *q,
    struct queue_text key);
void queue_cmd_cache_get(struct queue_command *c, const struct queue_setup *q,
    struct queue_text key);
void queue_cmd_cache_put(struct queue_command *c, const struct queue_setup *q,
    struct queue_text key, struct queue_text text, int64_t ttl_sec);
/* key: of queue_key_cache(); is_mark: the shape is a tool now. */
void queue_cmd_use(struct queue_command *c, const struct queue_setup *q,
    struct queue_text key, struct queue_text job_id, int64_t ttl_sec, bool is_mark);
/* ran_ms: running time of this attempt, added to the job's (begin answers the sum). */
void queue_cmd_retry(struct queue_command *c, const struct queue_setup *q,
    const struct queue_job_ref *job, int64_t delay_ms, struct queue_text why,
    int64_t ran_ms);
void queue_cmd_release(struct queue_command *c, const struct queue_setup *q,
    const struct queue_job_ref *job, int64_t delay_ms, struct queue_text why,
    int64_t ran_ms); /* delay 0: to the head of the queue */
/* To be added to a release: the job has asked its providers in vain; others were answered
   since its vain question before that. */
void queue_cmd_add_unanswered(struct queue_command *c, bool are_others_answered);
void queue_cmd_unclaim(struct queue_command *c, const struct queue_setup *q,
    const char *holder, struct queue_text element, bool is_id);
void queue_cmd_park(struct queue_command *c, const struct queue_setup *q,
    const struct queue_job_ref *job, struct queue_text why, int64_t ran_ms);
void queue_cmd_resume(struct queue_command *c, const struct queue_setup *q,
    struct queue_text id);
void queue_cmd_promote(struct queue_command *c, const struct queue_setup *q);

enum queue_blame {
	QUEUE_BLAME_NONE,
	QUEUE_BLAME_CULPRIT,
	QUEUE_BLAME_PAYLOAD,
	QUEUE_BLAME_UNKNOWN,
	QUEUE_BLAME_COUNT
};

const char *queue_blame_name(enum queue_blame blame); /* "culprit" */

struct queue_recover {
	const char *holder;
	bool is_told; /* the supervisor says that it is dead */
	/* not told: the beat as SURVEY answered it, a lease ago */
	const char *seen_beat;
	enum queue_blame blame;     /* NONE after an orderly end */
	struct queue_text culprit;  /* CULPRIT: id; PAYLOAD: SHA-1 in hex */
	struct queue_text evidence; /* "signal 11 in step llm, ...", for people */
	bool may_bury; /* false while a storm lasts: payloads are not made dead letters
			*/
};
void queue_cmd_recover(struct queue_command *c, const struct queue_setup *q,
    const struct queue_recover *r);
void queue_cmd_cancel(struct queue_command *c, const struct queue_setup *q,
    struct queue_text id);
void queue_cmd_dead_payload(struct queue_command *c, const struct queue_setup *q,
    const char *holder, struct queue_text raw, struct queue_text reason,
    struct queue_text detail);
void queue_cmd_dead_page(struct queue_command *c, const struct queue_setup *q,
    uint64_t from, uint64_t count);
void queue_cmd_dead_retry(struct queue_command *c, const struct queue_setup *q,
    struct queue_text element);
void queue_cmd_dead_drop(struct queue_command *c, const struct queue_setup *q,
    struct queue_text element);
void queue_cmd_rights(struct queue_command *c, const struct queue_setup *q,
    const char *lines);
void queue_cmd_meta(struct queue_command *c, const struct queue_setup *q,
    const char *store_id); /* "": this process knows no store */
/* by: who paused, for people; "" with is_paused false. */
void queue_cmd_pause(struct queue_command *c, const struct queue_setup *q,
    bool is_paused, const char *by);
/* OK: the payload of that cancelled job ("": of any) stands in the holder's list now;
   GONE: it is not at the head of the queue. */
void queue_cmd_take(struct queue_command *c, const struct queue_setup *q,
    const char *holder, struct queue_text id);
/* cursor: "0" first, then as answered, until it is "0" again. */
void queue_cmd_refs(struct queue_command *c, const struct queue_setup *q,
    const char *cursor);
void queue_cmd_leftovers(struct queue_command *c, const struct queue_setup *q,
    const char *cursor, int64_t age_ms, bool is_dry_run);
void queue_cmd_purge_due(struct queue_command *c, const struct queue_setup *q,
    int64_t every_ms);
void queue_cmd_stats(struct queue_command *c, const struct queue_setup *q);
void queue_cmd_survey(struct queue_command *c, const struct queue_setup *q);
void queue_cmd_job_show(struct queue_command *c, const struct queue_setup *q,
    struct queue_text id);
void queue_cmd_fsck_job(struct queue_command *c, const struct queue_setup *q,
    bool repair, struct queue_text id);
void queue_cmd_fsck_held(struct queue_command *c, const struct queue_setup *q,
    bool repair, struct queue_text holder);
void queue_cmd_fsck_key(struct queue_command *c, const struct queue_setup *q,
    bool repair, const char *kind, struct queue_text key, struct queue_text id);

/* ---- answers ---- */

struct redisReply;

/* An array inside the answer; its items are read with queue_list_*(). */
struct queue_list {
	const struct redisReply *reply; /* NULL: empty */
	size_t n;
};
struct queue_text queue_list_text(const struct queue_list *l,
    size_t i);                                                /* "" if none */
int64_t queue_list_int(const struct queue_list *l, size_t i); /* 0 if none */
struct queue_list queue_list_list(const struct queue_list *l, size_t i);
/* The items of a plain command's reply; empty when it is no array. */
struct queue_list queue_list_of(const struct redisReply *reply);

/* Whose budget a RESERVE met. */
enum queue_budget {
	QUEUE_BUDGET_NONE,
	QUEUE_BUDGET_OWNER,  /* the owner's day */
	QUEUE_BUDGET_FAMILY, /* of the job that delegated it; cap 0: it is gone */
	QUEUE_BUDGET_COUNT
};

struct queue_answer {
	enum queue_word word;
	union {
		struct { /* BEGIN: OK, CANCELLED, SPENT */
			int64_t token;
			int64_t attempts, crashes,
			    suspicions; /* counted before this begin */
			int64_t retry_count;
			int64_t run_ms;     /* running time of earlier attempts */
			int64_t first_ms;   /* wall time of the first begin */
			int64_t now_ms;     /* the server's wall time */
			int64_t base_token; /* a stored row with a token up to this one
					       belongs to an earlier, failed run: it is
					       superseded */
			bool is_rerun;      /* runs again after a failure (base_token is
					  set) with the journal of the run that failed */
			bool is_alone;      /* runs in quarantine */
			bool has_family; /* draws on a budget that other jobs share */
			int64_t
			    asked_ms; /* server's wall time of its last vain question;
					     0: none */
			int64_t unanswered; /* vain ones while others were answered */
			struct queue_text evidence; /* of the last crash or suspicion */
			struct queue_text payload;  /* with is_id: the job's payload */
			struct queue_list journal;  /* texts, in order */
		} begin;
		struct {                   /* BEGIN: REPUBLISHED; FINISH, BURY: OK */
			bool is_published; /* false: one still waited on the list */
		} publish;
		struct { /* JOURNAL: OK, ALREADY, MISMATCH */
			bool is_cancelled;
			int64_t len;
		} journal;
		struct {                          /* RESERVE */
			int64_t tokens, microusd; /* OK, ALREADY: granted */
			enum queue_budget
			    budget;    /* that was tight; NONE: all granted */
			bool is_money; /* in millionths, else in tokens */
			int64_t used, cap, reserved; /* WAIT, EXCEEDED */
			int64_t renews_ms;           /* the server's wall time */
		} reserve;
		struct {                 /* LIMIT_TAKE */
			int64_t wait_ms; /* WAIT: ask again then */
		} limit;
		struct { /* ADOPT: lists of {is_id, element} */
			struct queue_list rows;
		} adopt;
		struct { /* BEAT: texts */
			struct queue_list fenced;
		} beat;
		struct { /* PROMOTE */
			int64_t moved;
			int64_t next_ms; /* 0: call again now; -1: none waits */
		} promote;
		struct {              /* RECOVER: OK */
			int64_t left; /* elements: call again until 0 */
			bool is_newly_fenced;
			int64_t to_jobs, to_alone, to_dead;
		} recover;
		struct { /* CANCEL, DEAD_RETRY, RESUME: state before; META: OTHER */
			struct queue_text what;
			struct queue_text present; /* META */
		} state;
		struct { /* DEAD_PAGE: {element, id, reason, detail, at_ms, payload,
			    name} */
			int64_t total;
			struct queue_list rows;
		} page;
		struct { /* STATS */
			int64_t queued, held, delayed, parked, alone, dead, holders;
			int64_t now_ms;
			struct queue_text head_digest, head_created_at;
			struct queue_list counters; /* name, value, name, ... */
			int64_t paused_ms;          /* wall time; 0: not paused */
			struct queue_text paused_by;
		} stats;
		struct { /* REFS, LEFTOVERS */
			struct queue_text cursor;
			struct queue_list ids; /* REFS */
			int64_t count;         /* LEFTOVERS */
		} scan;
		struct { /* PAUSE: since when and by whom it is, or was, paused */
			int64_t since_ms;
			struct queue_text by;
		} pause;
		struct {                           /* SURVEY */
			struct queue_list holders; /* name, beat, name, ... */
			struct queue_list leftovers;
		} survey;
		struct {                 /* JOB_SHOW */
			int64_t ttl_sec; /* -2: no such job; -1: no expiry */
			int64_t journal_len, results;
			struct queue_list fields; /* name, value, ... */
		} job;
		struct {                         /* RIGHTS */
			struct queue_text first; /* with its arguments; "" */
			int64_t n_refused;
		} rights;
		struct {                 /* SESSION_READ: texts, oldest first */
			int64_t ttl_sec; /* -2: there is none */
			struct queue_list turns;
		} session;
		struct { /* CACHE_GET: "" when there is none */
			struct queue_text text;
		} cache;
		struct { /* USE */
			int64_t count;
			bool is_tool;
		} use;
		struct { /* FSCK_*: lists of {severity, what, remedy, is_repaired} */
			struct queue_list rows;
		} fsck;
	};
};

/*
 * Reads a reply to an operation. 0 with *out filled; else what queue_reply_error says,
 * or -EPROTO when the reply has another shape than the script answers.
 */
int queue_parse(enum queue_op op, const struct redisReply *reply,
    struct queue_answer *out, struct err *err);

/*
 * 0 when the reply is no error; -ENOENT for NOSCRIPT; -EAGAIN when Redis is away
 * (LOADING, MISCONF, OOM, READONLY, MASTERDOWN, BUSY, NOREPLICAS, TRYAGAIN,
 * CLUSTERDOWN, or no reply at all): try again later, the job is not to blame; -EACCES
 * for NOAUTH, WRONGPASS, NOPERM; else -EIO.
 */
int queue_reply_error(const struct redisReply *reply, struct err *err);

#endif
