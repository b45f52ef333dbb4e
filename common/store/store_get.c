/* SPDX-License-Identifier: MIT */
/*
 * store_get.c - results out of the store: by job, by reference, as a list; and blobs.
 *
 * Owns:   nothing beyond a call; what a struct store_result holds is its owner's.
 * Called: for duplicates of a job, for references in prompts, by agentctl.
 * Fails:  with *out untouched. A value is looked for in the row, then in the CAS, then
 * in S3 (which this store cannot read: -EAGAIN would lie, so -ENOENT says where).
 */
#include "config.h"

#include "common/store/store_private.h"

#include "common/clock.h"

#include <errno.h>
#include <string.h>

void
store_result_release(struct store_result *r)
{
	char *owned[] = { r->job_id, r->run_id, r->node_id, r->owner, r->message,
		r->error, r->cas_id, r->s3_ref, r->llm_model, r->data };

	for (size_t i = 0; i < ARRAY_LEN(owned); i++)
		free(owned[i]);
	if (r->data_fd >= 0)
		(void)close(r->data_fd);
	*r = (struct store_result)STORE_RESULT_INIT;
}

/* ---- columns ---- */

/* Kinds of columns, by where they go. */
enum kind {
	KIND_TEXT,
	KIND_OPTIONAL,
	KIND_NUMBER,
	KIND_TIME
};

/* clang-format off */
static const struct column {
	const char *name;
	enum kind kind;
	size_t offset;
} columns[] = {
	{ "job_id",            KIND_TEXT,     offsetof(struct store_result, job_id) },
	{ "run_id",            KIND_TEXT,     offsetof(struct store_result, run_id) },
	{ "node_id",           KIND_TEXT,     offsetof(struct store_result, node_id) },
	{ "owner",             KIND_TEXT,     offsetof(struct store_result, owner) },
	{ "llm_model",         KIND_TEXT,     offsetof(struct store_result, llm_model) },
	{ "error",             KIND_OPTIONAL, offsetof(struct store_result, error) },
	{ "cas_id",            KIND_OPTIONAL, offsetof(struct store_result, cas_id) },
	{ "s3_ref",            KIND_OPTIONAL, offsetof(struct store_result, s3_ref) },
	{ "tokens_used",       KIND_NUMBER,   offsetof(struct store_result, tokens_used) },
	{ "execution_time_ms", KIND_NUMBER,   offsetof(struct store_result, execution_time_ms) },
	{ "token",             KIND_NUMBER,   offsetof(struct store_result, token) },
	{ "retry_count",       KIND_NUMBER,   offsetof(struct store_result, retry_count) },
	{ "created_at",        KIND_TIME,     offsetof(struct store_result, created_at_ms) },
	{ "completed_at",      KIND_TIME,     offsetof(struct store_result, completed_at_ms) },
};
/* clang-format on */

/* Behind the table's columns. */
enum {
	AT_RESULT_ID = ARRAY_LEN(columns),
	AT_STATUS,
	AT_CACHE_HIT,
	AT_MESSAGE,
	AT_DATA,
	COLUMNS_TOTAL
};

enum extent {
	WITHOUT_TEXTS,
	WITHOUT_DATA,
	WITH_DATA
};

static void
add_columns(struct buf *text, const struct sql_driver *d, enum extent extent)
{
	for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
		bool is_time = columns[i].kind == KIND_TIME;

		buf_adds(text, i == 0 ? "SELECT " : ", ");
		buf_adds(text, is_time ? d->iso_before : "");
		buf_adds(text, columns[i].name);
		buf_adds(text, is_time ? d->iso_after : "");
	}
	buf_addf(text, ", result_id, status, cache_hit, %s, %s FROM agent_results ",
	    extent == WITHOUT_TEXTS ? "''" : "message",
	    extent == WITH_DATA ? "result_data" : "NULL");
}

static int
take_column(const struct column *c, const struct sql_value *v, struct store_result *r)
{
	void *field = (char *)r + c->offset;

	switch (c->kind) {
	case KIND_TEXT:
		return sql_copy(v, true, field, NULL);
	case KIND_OPTIONAL:
		return sql_copy(v, false, field, NULL);
	case KIND_NUMBER:
		*(int64_t *)field = sql_number_of(v);
		return 0;
	case KIND_TIME:
		if (v->type != SQL_NULL) /* unreadable: stays 0, unknown */
			(void)clock_parse_iso(v->text, v->len, field);
		return 0;
	}
	return 0;
}

static int
take_row(const struct sql_value *v, size_t n, struct store_result *r)
{
	int status = 0;

	ASSERT(n == COLUMNS_TOTAL);
	for (size_t i = 0; i < ARRAY_LEN(columns) && status == 0; i++)
		status = take_column(&columns[i], &v[i], r);
	sql_copy_to(&v[AT_RESULT_ID], r->result_id, sizeof(r->result_id));
	sql_copy_to(&v[AT_STATUS], r->status, sizeof(r->status));
	r->cache_hit = sql_is_true(&v[AT_CACHE_HIT]);
	if (status == 0)
		status = sql_copy(&v[AT_MESSAGE], true, &r->message, &r->message_len);
	if (status == 0)
		status = sql_copy(&v[AT_DATA], false, &r->data, &r->data_len);
	return status;
}

/* ---- one result ---- */

struct finding {
	struct store_result result;
	bool is_found;
};

static int
take_result(void *arg, const struct sql_value *v, size_t n)
{
	struct finding *f = arg;

	store_result_release(&f->result); /* of a read that broke off half-way */
	f->is_found = true;
	return take_row(v, n, &f->result);
}

static int
open_data(struct store *store, struct store_result *r, uint64_t max_data,
    struct err *err)
{
	uint64_t len;
	int status;

	if (r->data != NULL && r->data_len > max_data)
		return err_set(err, -EFBIG, "the value has %zu bytes, %llu are allowed",
		    r->data_len, (unsigned long long)max_data);
	if (r->data != NULL || (r->cas_id == NULL && r->s3_ref == NULL))
		return 0;
	if (r->cas_id == NULL)
		return err_set(err, -ENOENT,
		    "the value is in S3 (%s), which is not configured", r->s3_ref);
	status = cas_get_fd(store->cas, r->cas_id, max_data, &r->data_fd, &len, err);
	if (status == 0)
		r->data_len = (size_t)len;
	return status;
}

int
store_no_result(const struct store *store, struct err *err)
{
	return err_set(err, -ENOENT, "%s: no such result", store_name(store));
}

/* What to look for: the end of the statement, and its parameters. */
struct query {
	const char *name[2]; /* without and with the value */
	const char *where;
	const struct sql_value *params;
	size_t n_params;
};

static int
find(struct store *store, const struct query *q, uint64_t max_data,
    struct store_result *out, struct err *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct finding f = { .result = STORE_RESULT_INIT };
	bool with_data = max_data > 0;
	struct sql_statement st = { .name = q->name[with_data] };
	int r;

	add_columns(&text, store->sql->driver, with_data ? WITH_DATA : WITHOUT_DATA);
	buf_adds(&text, q->where);
	if (buf_status(&text) < 0)
		return err_set(err, -ENOMEM, "no memory for a statement");
	st.text = text.data;
	r = store_query(store, &st, q->params, q->n_params, take_result, &f, NULL, err);
	if (r == 0 && !f.is_found)
		r = store_no_result(store, err);
	if (r == 0 && with_data)
		r = open_data(store, &f.result, max_data, err);
	if (r < 0) {
		store_result_release(&f.result);
		return r;
	}
	store_result_release(out);
	*out = f.result;
	return 0;
}

int
store_get_by_job(struct store *store, const char *job_id, uint64_t max_data,
    struct store_result *out, struct err *err)
{
	const struct sql_value param = sql_word(job_id);
	const struct query q = { { "job", "job.data" }, "WHERE job_id = $1", &param,
		1 };

	return find(store, &q, max_data, out, err);
}

/* ---- several jobs ---- */

static int
take_answers(void *arg, const struct sql_value *v, size_t n)
{
	bool *has_result = arg;

	for (size_t i = 0; i < n; i++)
		has_result[i] = sql_is_true(&v[i]);
	return 0;
}

/* A column a job: each is looked up by the key, whatever a planner thinks of lists. */
int
store_have_jobs(struct store *store, const char *const *job_ids, size_t n,
    bool *has_result, struct err *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct sql_value params[STORE_BATCH_MAX];
	char name[16];
	struct sql_statement st = { .name = name };

	ASSERT(n > 0 && n <= STORE_BATCH_MAX);
	for (size_t i = 0; i < n; i++) {
		params[i] = sql_word(job_ids[i]);
		buf_addf(&text,
		    "%s EXISTS (SELECT 1 FROM agent_results WHERE job_id = $%zu)",
		    i == 0 ? "SELECT" : ",", i + 1);
	}
	if (buf_status(&text) < 0)
		return err_set(err, -ENOMEM, "no memory for a statement");
	(void)snprintf(name, sizeof(name), "have.%zu", n);
	st.text = text.data;
	return store_query(store, &st, params, n, take_answers, has_result, NULL, err);
}

/* ---- by reference ---- */

/* The part of ref behind the scheme, or NULL. */
static const char *
behind(const char *ref, const char *scheme)
{
	size_t n = strlen(scheme);

	return strncmp(ref, scheme, n) == 0 ? ref + n : NULL;
}

int
store_get_by_ref(struct store *store, const char *ref, const char *owner,
    uint64_t max_data, struct store_result *out, struct err *err)
{
	const char *artifact = behind(ref, "artifact://");
	const char *cas = behind(ref, "cas://");
	const struct sql_value params[] = { sql_word(artifact != NULL ? artifact : cas),
		sql_word(owner != NULL ? owner : "") };
	const struct query by_id = { { "id", "id.data" }, "WHERE result_id = $1",
		params, 1 };
	const struct query by_cas = { { "cas", "cas.data" },
		"WHERE cas_id = $1 ORDER BY CASE WHEN owner = $2 THEN 0 ELSE 1 END,"
		" agent_results.created_at LIMIT 1",
		params, 2 };

	if (artifact != NULL && store_is_id(artifact))
		return find(store, &by_id, max_data, out, err);
	if (cas != NULL && cas_is_id(cas))
		return find(store, &by_cas, max_data, out, err);
	return err_set(err, -EINVAL, "'%.100s' is no reference to a result", ref);
}

/* ---- lists ---- */

struct listing {
	store_list_fn *on_row;
	void *arg;
};

static int
take_listed(void *arg, const struct sql_value *v, size_t n)
{
	struct listing *l = arg;
	struct store_result result = STORE_RESULT_INIT;
	int r;

	r = take_row(v, n, &result);
	if (r == 0)
		r = l->on_row(l->arg, &result);
	store_result_release(&result);
	return r < 0 ? r : 0;
}

int
store_list(struct store *store, const struct store_filter *filter,
    store_list_fn *on_row, void *arg, struct err *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct listing l = { on_row, arg };
	const char *wanted[] = { filter->owner, filter->status, filter->run_id };
	struct sql_value params[2 * ARRAY_LEN(wanted) + 1];
	struct sql_statement st = { .name = "list" };
	size_t n = 0;

	/* a flag and a value for each condition: one statement serves every filter */
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		params[n++] = sql_int(wanted[i] == NULL);
		params[n++] = sql_word(wanted[i] != NULL ? wanted[i] : "");
	}
	params[n++] = sql_int(filter->limit != 0 ? filter->limit : 100);
	add_columns(&text, store->sql->driver, WITHOUT_TEXTS);
	buf_adds(&text,
	    "WHERE ($1 = 1 OR owner = $2) AND ($3 = 1 OR status = $4)"
	    " AND ($5 = 1 OR run_id = $6)"
	    " ORDER BY agent_results.created_at DESC, result_id LIMIT $7");
	if (buf_status(&text) < 0)
		return err_set(err, -ENOMEM, "no memory for a statement");
	st.text = text.data;
	/* not tried again on a lost connection: the caller has seen rows by then */
	return store->sql->driver->query(store->sql, &st, params, n, take_listed, &l,
	    NULL, err);
}

/* ---- blobs ---- */

int
store_put_blob(struct store *store, const void *bytes, size_t len,
    char ref[STORE_REF_MAX], struct err *err)
{
	char id[CAS_ID_MAX];
	int r;

	r = cas_put(store->cas, bytes, len, id, err);
	if (r == 0)
		(void)snprintf(ref, STORE_REF_MAX, "cas://%s", id);
	return r;
}

int
store_get_blob(struct store *store, const char *ref, size_t max_len, char **bytes,
    size_t *len, struct err *err)
{
	const char *id = behind(ref, "cas://");

	if (id == NULL)
		return err_set(err, -EINVAL, "'%.100s' is no reference to a blob", ref);
	return cas_get(store->cas, id, max_len, bytes, len, err);
}
