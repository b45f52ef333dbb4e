/* SPDX-License-Identifier: MIT */
/*
 * store_put.c - rows into the store, and what the store then says about them.
 *
 * Owns:   nothing beyond a call; the statements' texts stay with the store.
 * Called: with up to STORE_BATCH_MAX rows, by the helper thread.
 * Fails:  per row. A statement is one transaction and may run twice: the second time it
 *         meets its own rows, which do not yield to an equal token. So after a lost
 *         connection the same statement is sent again, which waits for a commit that is
 *         still under way, and what counts is what is read back afterwards.
 */
#include "config.h"

#include "common/store/store_private.h"

#include "common/clock.h"
#include "common/fault_point.h"

#include <errno.h>
#include <string.h>

enum {
	PUT_COLUMNS = 20,
	GROUP_BYTES_MAX = 8 * 1024 * 1024 /* one statement; a longer row goes alone */
};

static const char *const columns[PUT_COLUMNS] = { "result_id", "job_id", "run_id",
	"node_id", "owner", "status", "message", "result_data", "cas_id", "s3_ref",
	"error", "tool_calls", "trace", "tokens_used", "cache_hit", "execution_time_ms",
	"llm_model", "token", "retry_count", "completed_at" };

static const char *const verdict_names[STORE_VERDICT_COUNT] = { "stored", "kept",
	"refused", "away" };

const char *
store_verdict_name(enum store_verdict v)
{
	return (unsigned)v < STORE_VERDICT_COUNT ? verdict_names[v] : "?";
}

void
store_outcome_release(struct store_outcome *o)
{
	free(o->message);
	memset(o, 0, sizeof(*o));
}

/* ---- statements ---- */

/* What a row says of itself; for take_truth. */
#define TRUTH "job_id, result_id, status, token, message"

static void
add_tuple(struct buf *text, size_t row)
{
	buf_adds(text, row == 0 ? " VALUES (" : ", (");
	for (size_t i = 0; i < PUT_COLUMNS; i++)
		buf_addf(text, "%s$%zu", i == 0 ? "" : ", ", row * PUT_COLUMNS + i + 1);
	buf_addc(text, ')');
}

static char *
make_put_text(size_t rows)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	buf_adds(&text, "INSERT INTO agent_results (");
	for (size_t i = 0; i < PUT_COLUMNS; i++)
		buf_addf(&text, "%s%s", i == 0 ? "" : ", ", columns[i]);
	buf_addc(&text, ')');
	for (size_t i = 0; i < rows; i++)
		add_tuple(&text, i);
	buf_adds(&text,
	    " ON CONFLICT (job_id) DO UPDATE SET created_at = excluded.created_at");
	for (size_t i = 0; i < PUT_COLUMNS; i++)
		if (strcmp(columns[i], "job_id") != 0)
			buf_addf(&text, ", %s = excluded.%s", columns[i], columns[i]);
	buf_adds(&text,
	    " WHERE agent_results.status = 'failed'"
	    " AND excluded.token > agent_results.token RETURNING " TRUTH);
	return buf_take(&text, NULL);
}

static char *
make_read_back_text(size_t rows)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	buf_adds(&text, "SELECT " TRUTH " FROM agent_results WHERE job_id IN (");
	for (size_t i = 0; i < rows; i++)
		buf_addf(&text, "%s$%zu", i == 0 ? "" : ", ", i + 1);
	buf_addc(&text, ')');
	return buf_take(&text, NULL);
}

/* A text per number of rows, made once. NULL when memory is short. */
static const char *
text_for(char *texts[STORE_BATCH_MAX], size_t rows, char *(*make)(size_t))
{
	if (texts[rows - 1] == NULL)
		texts[rows - 1] = make(rows);
	return texts[rows - 1];
}

/* ---- one group: rows of different jobs in one statement ---- */

/* What a row becomes on its way: its value may have moved to the CAS. */
struct putting {
	const struct store_row *row;
	struct store_outcome *outcome;
	struct store_text data;
	const char *cas_id;
	char own_cas_id[CAS_ID_MAX];
	bool is_done; /* the outcome stands */
};

struct group {
	struct putting *items[STORE_BATCH_MAX];
	size_t n;
};

static void
decide(struct putting *p, enum store_verdict verdict, const struct err *err)
{
	p->outcome->verdict = verdict;
	if (err != NULL)
		p->outcome->err = *err;
	p->is_done = true;
}

static void
decide_all(struct group *g, enum store_verdict verdict, const struct err *err)
{
	for (size_t i = 0; i < g->n; i++)
		if (!g->items[i]->is_done)
			decide(g->items[i], verdict, err);
}

static struct sql_value
text_value(struct store_text t)
{
	return sql_bytes(t.text, t.len);
}

static void
fill_params(struct sql_value *v, const struct putting *p,
    char completed_at[CLOCK_ISO_MAX])
{
	const struct store_row *row = p->row;
	const struct sql_value values[PUT_COLUMNS] = { sql_word(row->result_id),
		sql_word(row->job_id), sql_word(row->run_id), sql_word(row->node_id),
		sql_word(row->owner), sql_word(row->status), text_value(row->message),
		text_value(p->data), sql_word(p->cas_id), sql_word(row->s3_ref),
		text_value(row->error), text_value(row->tool_calls),
		text_value(row->trace), sql_int(row->tokens_used),
		sql_bool(row->cache_hit), sql_int(row->execution_time_ms),
		sql_word(row->llm_model), sql_int(row->token),
		sql_int(row->retry_count),
		sql_word(clock_iso(row->completed_at_ms, completed_at)) };

	memcpy(v, values, sizeof(values));
}

static struct putting *
find_job(const struct group *g, const struct sql_value *job_id)
{
	for (size_t i = 0; i < g->n; i++)
		if (strcmp(g->items[i]->row->job_id, job_id->text) == 0)
			return g->items[i];
	return NULL;
}

/* Columns as TRUTH names them. */
static int
take_truth(void *arg, const struct sql_value *column, size_t n)
{
	struct putting *p = find_job(arg, &column[0]);
	struct store_outcome *o;
	char *message = NULL;
	int r;

	ASSERT(n == 5);
	if (p == NULL) /* a collation that calls other texts equal */
		return 0;
	r = sql_copy(&column[4], true, &message, NULL);
	if (r < 0)
		return r;
	o = p->outcome;
	free(o->message); /* of a read that broke off half-way */
	o->message = message;
	o->message_len = column[4].len;
	sql_copy_to(&column[1], o->result_id, sizeof(o->result_id));
	sql_copy_to(&column[2], o->status, sizeof(o->status));
	o->token = sql_number_of(&column[3]);
	decide(p,
	    strcmp(o->result_id, p->row->result_id) == 0 ? STORE_STORED : STORE_KEPT,
	    NULL);
	return 0;
}

/* What was read belongs to a transaction that did not end well. */
static void
forget(struct group *g)
{
	for (size_t i = 0; i < g->n; i++) {
		store_outcome_release(g->items[i]->outcome);
		g->items[i]->is_done = false;
	}
}

/* Rows that were inserted or replaced tell their truth at once; others stay
   undecided. */
static int
insert_once(struct store *store, struct group *g, const struct sql_statement *st,
    const struct sql_value *params, struct err *err)
{
	int r;

	r = store->sql->driver->query(store->sql, st, params, g->n * PUT_COLUMNS,
	    take_truth, g, NULL, err);
	if (r < 0)
		forget(g);
	return r;
}

static int
insert_group(struct store *store, struct group *g, struct err *err)
{
	struct sql_value params[STORE_BATCH_MAX * PUT_COLUMNS];
	char times[STORE_BATCH_MAX][CLOCK_ISO_MAX];
	struct sql_statement st = { .text = text_for(store->put_text, g->n,
					make_put_text) };
	char name[16];
	int r;

	if (st.text == NULL)
		return err_set(err, -ENOMEM, "no memory for a statement");
	(void)snprintf(name, sizeof(name), "put.%u", (unsigned)g->n);
	st.name = name;
	for (size_t i = 0; i < g->n; i++)
		fill_params(params + i * PUT_COLUMNS, g->items[i], times[i]);
	r = insert_once(store, g, &st, params, err);
	if (r == -EAGAIN && store->sql->was_lost)
		r = insert_once(store, g, &st, params, err);
	return r;
}

static bool
is_decided(const struct group *g)
{
	for (size_t i = 0; i < g->n; i++)
		if (!g->items[i]->is_done)
			return false;
	return true;
}

/* The truth about rows that were there before. */
static int
read_back(struct store *store, struct group *g, struct err *err)
{
	struct sql_value params[STORE_BATCH_MAX];
	struct sql_statement st = { .text = text_for(store->read_back_text, g->n,
					make_read_back_text) };
	char name[16];

	if (st.text == NULL)
		return err_set(err, -ENOMEM, "no memory for a statement");
	(void)snprintf(name, sizeof(name), "back.%u", (unsigned)g->n);
	st.name = name;
	for (size_t i = 0; i < g->n; i++)
		params[i] = sql_word(g->items[i]->row->job_id);
	return store_query(store, &st, params, g->n, take_truth, g, NULL, err);
}

/* Errors that speak of the row; all others speak of the store. */
static bool
is_refusal(int r)
{
	return r == -EINVAL || r == -EFBIG || r == -EEXIST;
}

static void
put_group(struct store *store, struct group *g)
{
	struct err err = ERR_INIT;
	int r;

	if (g->n == 0)
		return;
	r = insert_group(store, g, &err);
	FAULT_POINT_OF(ROW_WRITTEN, g->items[0]->row->job_id);
	if (is_refusal(r) && g->n > 1) {
		for (size_t i = 0; i < g->n; i++)
			put_group(store,
			    &(struct group){ .items = { g->items[i] }, .n = 1 });
		return;
	}
	if (is_refusal(r)) {
		decide_all(g, STORE_REFUSED, &err);
		return;
	}
	if (r == 0 && is_decided(g))
		return;
	if (r == 0)
		r = read_back(store, g, &err);
	if (r == 0)
		(void)err_set(&err, -EAGAIN, "%s: the row is gone again",
		    store_name(store));
	decide_all(g, STORE_AWAY, &err);
}

/* ---- the batch ---- */

static int
check_row(const struct store_row *row, struct err *err)
{
	if (!store_is_id(row->result_id))
		return err_set(err, -EINVAL, "'%.40s' is no result id", row->result_id);
	if (strcmp(row->status, "completed") != 0 && strcmp(row->status, "failed") != 0)
		return err_set(err, -EINVAL, "'%.40s' is no status", row->status);
	if (row->message.text == NULL)
		return err_set(err, -EINVAL, "a row without its message");
	if (row->cas_id != NULL && !cas_is_id(row->cas_id))
		return err_set(err, -EINVAL, "'%.80s' is no content id", row->cas_id);
	return 0;
}

/* Checks the row and moves a long value to the CAS. */
static void
prepare_row(struct store *store, struct putting *p)
{
	struct err err = ERR_INIT;
	int r;

	p->data = p->row->data;
	p->cas_id = p->row->cas_id;
	r = check_row(p->row, &err);
	if (r == 0 && p->data.text != NULL &&
	    p->data.len >= store->options.max_inline_bytes) {
		r = cas_put(store->cas, p->data.text, p->data.len, p->own_cas_id, &err);
		p->cas_id = p->own_cas_id;
		p->data = (struct store_text){ NULL, 0 };
	}
	if (r < 0)
		decide(p, is_refusal(r) ? STORE_REFUSED : STORE_AWAY, &err);
}

static size_t
bytes_of(const struct putting *p)
{
	return p->row->message.len + p->data.len + p->row->error.len +
	    p->row->tool_calls.len + p->row->trace.len;
}

static bool
is_same_job(const struct putting *a, const struct putting *b)
{
	return strcmp(a->row->job_id, b->row->job_id) == 0;
}

/* By job, then as given. */
static int
by_job(const void *a, const void *b)
{
	const struct putting *const *pa = a;
	const struct putting *const *pb = b;
	int order = strcmp((*pa)->row->job_id, (*pb)->row->job_id);

	return order != 0 ? order : (*pa > *pb) - (*pa < *pb);
}

/*
 * Rows go in the order of their job ids: two workers that store the same jobs then wait
 * for each other instead of deadlocking. One statement must not name a job twice, so a
 * second row of the same job opens the next group.
 */
static void
put_all(struct store *store, struct putting **items, size_t n)
{
	struct group g = { .n = 0 };
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++) {
		size_t more = bytes_of(items[i]);

		if (g.n > 0 &&
		    (bytes + more > GROUP_BYTES_MAX ||
			is_same_job(g.items[g.n - 1], items[i]))) {
			put_group(store, &g);
			g.n = bytes = 0;
		}
		g.items[g.n++] = items[i];
		bytes += more;
	}
	put_group(store, &g);
}

void
store_put(struct store *store, const struct store_row *rows, size_t n,
    struct store_outcome *outcomes)
{
	struct putting puttings[STORE_BATCH_MAX];
	struct putting *open[STORE_BATCH_MAX];
	size_t n_open = 0;

	ASSERT(n >= 1 && n <= STORE_BATCH_MAX);
	memset(outcomes, 0, n * sizeof(outcomes[0]));
	for (size_t i = 0; i < n; i++) {
		struct putting *p = &puttings[i];

		*p = (struct putting){ .row = &rows[i], .outcome = &outcomes[i] };
		prepare_row(store, p);
		if (!p->is_done)
			open[n_open++] = p;
	}
	qsort(open, n_open, sizeof(open[0]), by_job);
	put_all(store, open, n_open);
}

int
store_settle(struct store *store, const char *job_id, int64_t token, struct err *err)
{
	static const struct sql_statement st = { "put.settle",
		"UPDATE agent_results SET token = $1 WHERE job_id = $2 AND status = 'failed' "
		"AND token < $1" };
	const struct sql_value params[] = { sql_int(token), sql_word(job_id) };

	return store_query(store, &st, params, 2, NULL, NULL, NULL, err);
}

/* ---- values that are placed before their row ---- */

static int
length_of(size_t len, int fd, uint64_t *out, struct err *err)
{
	off_t end;

	if (fd < 0) {
		*out = len;
		return 0;
	}
	end = lseek(fd, 0, SEEK_END);
	if (end < 0)
		return err_set(err, -errno, "length of the value: %s", strerror(errno));
	*out = (uint64_t)end;
	return 0;
}

bool
store_place_inline(const char *result_id, uint64_t len, size_t max_inline,
    struct store_place *out)
{
	if (len >= max_inline)
		return false;
	*out = (struct store_place){ "", "" };
	(void)snprintf(out->ref, sizeof(out->ref), "artifact://%s", result_id);
	return true;
}

int
store_place(struct store *store, const char *result_id, const void *bytes, size_t len,
    int fd, struct store_place *out, struct err *err)
{
	struct store_place place = { "", "" };
	uint64_t total = 0;
	int r;

	if (!store_is_id(result_id))
		return err_set(err, -EINVAL, "'%.40s' is no result id", result_id);
	r = length_of(len, fd, &total, err);
	if (r < 0)
		return r;
	if (store_place_inline(result_id, total, store->options.max_inline_bytes, out))
		return 0;
	r = fd >= 0 ? cas_put_fd(store->cas, fd, place.cas_id, err)
		    : cas_put(store->cas, bytes, len, place.cas_id, err);
	if (r < 0)
		return r;
	(void)snprintf(place.ref, sizeof(place.ref), "cas://%.80s", place.cas_id);
	*out = place;
	return 0;
}
