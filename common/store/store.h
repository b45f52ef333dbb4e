/* SPDX-License-Identifier: MIT */
/*
 * store.h - where results live: one interface over SQLite and PostgreSQL, and the CAS.
 *
 * Calls are synchronous and may block (network, fsync): they belong to the worker's
 * helper thread (store_queue.h), to agentctl and to the migrate role, never to job
 * code. A struct store is used by one thread at a time. It connects at its first call
 * and again, by itself, after a connection was lost.
 *
 * Errors, the same for both drivers:
 *   -EAGAIN   the store is away (connection lost or refused, server stopping, too many
 *             connections, disk full, locked, serialisation): the same call may work
 *             later
 *   -EINVAL   the row or argument was refused for what it says; -EFBIG: for its size
 *   -EEXIST   a unique key is taken by another row
 *   -ENOENT   nothing there
 *   -ENODATA  the schema is behind this program; -ENOTSUP: it is ahead
 *   -EBADMSG  bytes read from the CAS are not those that were written
 *   -EACCES, -EIO, -ENOMEM as usual
 */
#ifndef COMMON_STORE_STORE_H
#define COMMON_STORE_STORE_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;
struct cas;

enum {
	STORE_BATCH_MAX = 16,  /* rows in one store_put */
	STORE_ID_MAX = 37,     /* UUID text with its NUL */
	STORE_REF_MAX = 96,    /* "artifact://..." or "cas://sha256:..." with its NUL */
	STORE_STATUS_MAX = 16, /* "completed", "failed" */
	STORE_INLINE_DEFAULT = 10485760
};

struct store_options {
	uint64_t connect_timeout_ms; /* 0: 5,000 */
	/* 0: 10,000; also how long SQLite waits for a lock */
	uint64_t statement_timeout_ms;
	size_t max_inline_bytes;  /* 0: STORE_INLINE_DEFAULT; values of that size or
				     more go to the CAS */
	int64_t sqlite_max_pages; /* 0: no bound; for tests of a full disk */
};

/*
 * url: "sqlite" (the file agent-runner.db in state_dir), "sqlite:PATH", or
 * "postgresql://..." / "postgres://...". Checks the url and opens the CAS directory's
 * name only: nothing is read or connected yet. options may be NULL. Returns 0 with *out
 * owned by the caller, -EINVAL for a url that is none, or -ENOMEM.
 */
int store_open(const char *url, const char *state_dir,
    const struct store_options *options, struct store **out, struct err *err);
void store_close(struct store *store); /* NULL allowed */
void store_closep(struct store **store);

const char *store_name(
    const struct store *store);             /* "sqlite PATH", "postgresql host/db" */
struct cas *store_cas(struct store *store); /* stays the store's */

/* One cheap round trip: 0, or why not. */
int store_ping(struct store *store, struct err *err);

/* ---- schema ---- */

enum store_migrate_mode {
	STORE_MIGRATE_CHECK, /* read only: is the schema what this program needs? */
	STORE_MIGRATE_APPLY /* bring it there, in one transaction, one process at a time
			     */
};

/*
 * 0 when the schema is now current (*applied, if not NULL, counts what was done),
 * -ENODATA when CHECK finds migrations missing, -ENOTSUP when the database is newer
 * than we are.
 */
int store_migrate(struct store *store, enum store_migrate_mode mode, unsigned *applied,
    struct err *err);
unsigned store_schema_version(void); /* what this program needs */

/* The UUID drawn when the schema was made: -ENODATA when there is none yet. */
int store_id(struct store *store, char out[STORE_ID_MAX], struct err *err);

/* ---- writing ---- */

/* A random UUID (version 4) of our own. 0 or a negative errno. */
int store_new_id(char out[STORE_ID_MAX]);
bool store_is_id(const char *text);

struct store_text {
	const char *text; /* NULL: SQL NULL; else UTF-8 of len bytes, not necessarily
			     terminated */
	size_t len;
};

/* One result. C strings are never NULL but where said; nothing here is kept. */
struct store_row {
	const char *result_id; /* drawn once per attempt to store: a repeated put with
				  the same id recognises its own row */
	const char *job_id;
	const char *run_id;        /* "" when absent */
	const char *node_id;       /* "" when absent */
	const char *owner;         /* "" when absent */
	const char *status;        /* "completed" or "failed" */
	struct store_text message; /* the published message, byte for byte */
	struct store_text data;  /* the value's JSON text; moved to the CAS when it has
				    max_inline_bytes or more */
	const char *cas_id;      /* NULL, or "sha256:<hex>" of a value placed before */
	const char *s3_ref;      /* NULL, or where the value is in S3 */
	struct store_text error; /* JSON */
	struct store_text tool_calls; /* JSON */
	struct store_text trace;      /* JSON */
	int64_t tokens_used;
	bool cache_hit;
	int64_t execution_time_ms;
	const char *llm_model; /* "" when no model was asked */
	int64_t token; /* of the queue's claim: a failed row yields to a higher one */
	int64_t retry_count;
	int64_t completed_at_ms; /* wall clock */
};

enum store_verdict {
	STORE_STORED,  /* the row in the store is this one */
	STORE_KEPT,    /* another row was there and stays: publish ITS message */
	STORE_REFUSED, /* this row can never be stored as it is: err says why */
	STORE_AWAY,    /* not known to be stored: put the same row again later */
	STORE_VERDICT_COUNT
};

const char *store_verdict_name(enum store_verdict v);

struct store_outcome {
	enum store_verdict verdict;
	struct err err; /* REFUSED and AWAY */
	/* STORED and KEPT: what the row says, read back from the store */
	char result_id[STORE_ID_MAX];
	char status[STORE_STATUS_MAX];
	int64_t token;
	char *message; /* owned, NUL-terminated after message_len bytes */
	size_t message_len;
};

void store_outcome_release(struct store_outcome *o); /* may be used again */

/*
 * Stores n rows (1 to STORE_BATCH_MAX) and fills one outcome each (any former content
 * is not released). A row replaces a former one of its job only if that one is "failed"
 * and has a lower token. Good rows land although others in the batch are refused. A
 * connection lost half-way, even in mid-COMMIT, is made again and the truth read back.
 */
void store_put(struct store *store, const struct store_row *rows, size_t n,
    struct store_outcome *outcomes);

/*
 * Before a stored failure is published once more: gives its row this token if its own is
 * lower, so that a late writer with a token between the two is refused. What the row says
 * stays; read it again afterwards, it may be a completed one by now. 0, also when there
 * is no such row.
 */
int store_settle(struct store *store, const char *job_id, int64_t token,
    struct err *err);

/*
 * Decides where a value goes before its message is written: one with max_inline_bytes
 * or more is put into the CAS now (cas_id filled, reference "cas://..."), a smaller one
 * will travel in the row (cas_id "", reference "artifact://<result_id>"). Bytes come
 * from memory, or, with fd >= 0, from that file's beginning to its end (stays open).
 */
struct store_place {
	char ref[STORE_REF_MAX];
	char cas_id[STORE_REF_MAX];
};
/* The same for a value of less than max_inline bytes, without a store; false for others. */
bool store_place_inline(const char *result_id, uint64_t len, size_t max_inline,
    struct store_place *out);
int store_place(struct store *store, const char *result_id, const void *bytes,
    size_t len, int fd, struct store_place *out, struct err *err);

/* ---- reading ---- */

struct store_result {
	char result_id[STORE_ID_MAX];
	char *job_id, *run_id, *node_id, *owner; /* owned, never NULL once read */
	char status[STORE_STATUS_MAX];
	char *message; /* owned */
	size_t message_len;
	char *error;     /* owned JSON text or NULL */
	char *cas_id;    /* owned or NULL */
	char *s3_ref;    /* owned or NULL */
	char *llm_model; /* owned, "" when none */
	int64_t tokens_used, execution_time_ms, token, retry_count;
	bool cache_hit;
	int64_t created_at_ms, completed_at_ms; /* wall clock; 0 when unknown */
	/* the value, when it was asked for: inline bytes, or a sealed memory file */
	char *data; /* owned or NULL */
	size_t data_len;
	int data_fd; /* owned or -1: verified copy of the CAS content, data_len bytes */
};

#define STORE_RESULT_INIT \
 {                        \
  .data_fd = -1           \
 }
void store_result_release(struct store_result *r); /* may be used again */

/*
 * Reads the result of a job. max_data 0 leaves the value out; else a longer value is
 * -EFBIG. Returns 0, -ENOENT, or another error with *out untouched. *out must be
 * initialised; on success its former content is released.
 */
int store_get_by_job(struct store *store, const char *job_id, uint64_t max_data,
    struct store_result *out, struct err *err);

/*
 * Which of n jobs (1 to STORE_BATCH_MAX) have a result: one question instead of one for
 * each. On success has_result[i] says it of job_ids[i]; 0 or a negative errno.
 */
int store_have_jobs(struct store *store, const char *const *job_ids, size_t n,
    bool *has_result, struct err *err);
/* What store_get_by_job answers when it finds none: -ENOENT. */
int store_no_result(const struct store *store, struct err *err);

/*
 * The same by "artifact://<result_id>" or "cas://sha256:<hex>". Several owners may have
 * stored equal content: a row of `owner` is preferred (NULL: any); out->owner says
 * whose was found, and the caller judges. A digest that no row names is -ENOENT,
 * whether or not the CAS has it.
 */
int store_get_by_ref(struct store *store, const char *ref, const char *owner,
    uint64_t max_data, struct store_result *out, struct err *err);

struct store_filter {
	const char *owner;  /* NULL: all */
	const char *status; /* NULL: all */
	const char *run_id; /* NULL: all */
	unsigned limit;     /* 0: 100 */
};

/* Newest first, without messages and values. A negative answer of on_row stops and is
   returned. */
typedef int store_list_fn(void *arg, const struct store_result *r);
int store_list(struct store *store, const struct store_filter *filter,
    store_list_fn *on_row, void *arg, struct err *err);

/* What is to go. */
struct store_purge {
	uint64_t older_than_ms; /* results created longer ago */
	const char *owner;      /* NULL: of all */
	const char *status;     /* NULL: both */
	bool is_dry_run;        /* only count */
	/* Is that content ("sha256:...") named by something outside of the store, such as
	   a journal? 1, 0 or a negative errno. NULL: nothing is. */
	int (*is_kept)(void *arg, const char *cas_id);
	void *kept_arg;
};
struct store_purge_count {
	uint64_t rows, row_bytes; /* bytes as the database stores them */
	uint64_t blobs, blob_bytes;
};
enum {
	STORE_SHELVES = 256
};

/*
 * Removes results, then CAS content that no row and nobody else names and that is at least
 * two days old. *count is what was (dry run: would be) removed, also after a failure.
 */
int store_purge(struct store *store, const struct store_purge *what,
    struct store_purge_count *count, struct err *err);
/* The same in pieces, each short, which add to *count: rows until is_over, then every
   shelf from 0. */
int store_purge_rows(struct store *store, const struct store_purge *what,
    struct store_purge_count *count, bool *is_over, struct err *err);
int store_purge_shelf(struct store *store, const struct store_purge *what,
    unsigned shelf, struct store_purge_count *count, struct err *err);

/* ---- blobs: journal records that are too long for Redis ---- */

/* ref becomes "cas://sha256:<hex>". */
int store_put_blob(struct store *store, const void *bytes, size_t len,
    char ref[STORE_REF_MAX], struct err *err);
/* *bytes is the caller's (free()), NUL-terminated after *len. */
int store_get_blob(struct store *store, const char *ref, size_t max_len, char **bytes,
    size_t *len, struct err *err);

#endif
