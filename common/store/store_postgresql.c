/* SPDX-License-Identifier: MIT */
/*
 * store_postgresql.c - the PostgreSQL driver; the only file that knows libpq-fe.h.
 *
 * Owns:   one connection and the names prepared on it.
 * Called: through struct sql_driver. Everything goes by libpq's non-blocking calls and
 *         poll() under a deadline, since libpq itself knows none for reading.
 * Fails:  by SQLSTATE (table below). An answer counts only when the server has said
 * that it is ready again: CommandComplete comes before the commit is known to hold.
 *         Whatever ends the connection is -EAGAIN, and the next call connects anew.
 */
#include "config.h"

#include "common/store/sql.h"

#include "common/buf.h"
#include "common/clock.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <string.h>

enum {
	STATEMENTS_MAX = 96,
	NAME_MAX_LEN = 16,
	PARAMS_MAX = 512,
	COLUMNS_MAX = 32,
	NUMBER_MAX = 24,
	GRACE_MS = 2000 /* the server's own timeout comes first */
};

struct postgresql {
	struct sql base;
	char *url;
	char *label; /* "postgresql HOST/DATABASE" */
	struct sql_options options;
	PGconn *conn; /* NULL while not connected */
	char prepared[STATEMENTS_MAX][NAME_MAX_LEN];
	size_t n_prepared;
};

/* ---- errors ---- */

/* The longest prefix that fits wins, so classes stand behind their members. */
static const struct {
	char state[6];
	int code;
	/* connect anew, though libpq may still call the connection good */
	bool is_lost;
} errors[] = {
	{ "23505", -EEXIST, false }, /* unique_violation */
	{ "54000", -EFBIG,
	    false },              /* program_limit_exceeded: an index entry, a value */
	{ "54", -EINVAL, false }, /* too deep, too many columns */
	{ "22", -EINVAL, false }, /* data exception: no JSON, no UTF-8 */
	{ "23", -EINVAL, false }, /* integrity constraint */
	{ "57014", -EAGAIN, false }, /* query_canceled: statement_timeout */
	{ "57", -EAGAIN, true },     /* admin shutdown, crash, starting up */
	{ "08", -EAGAIN, true },     /* connection exception */
	{ "53", -EAGAIN, false },   /* disk full, out of memory, too many connections */
	{ "58", -EAGAIN, false },   /* the server's own input and output */
	{ "40", -EAGAIN, false },   /* serialisation failure, deadlock */
	{ "55", -EAGAIN, false },   /* lock_not_available, object in use */
	{ "25006", -EAGAIN, true }, /* read-only: this is no longer the primary */
	{ "25", -EAGAIN, true },    /* transaction state that we did not expect */
	{ "26", -EAGAIN, true },    /* our prepared statement is gone (a pooler) */
	{ "0A000", -EAGAIN, true }, /* cached plan must not change result type */
	{ "42501", -EACCES, false },  /* insufficient_privilege */
	{ "42P01", -ENODATA, false }, /* undefined_table: not migrated */
	{ "42703", -ENODATA, false }, /* undefined_column */
	{ "28", -EACCES, false },     /* authorization */
};

static void
disconnect(struct postgresql *p)
{
	PQfinish(p->conn); /* NULL is allowed */
	p->conn = NULL;
	p->n_prepared = 0;
}

/* libpq's messages are several lines long and end in one; ours are one line. */
static int
fail_text(struct postgresql *p, int code, const char *text, struct err *err)
{
	char line[ERR_TEXT_MAX];
	size_t n;

	(void)snprintf(line, sizeof(line), "%s", text);
	n = strlen(line);
	while (n > 0 && strchr("\n ", line[n - 1]) != NULL)
		line[--n] = '\0';
	for (char *c = line; *c != '\0'; c++)
		if (*c == '\n' || *c == '\t')
			*c = ' ';
	return err_set(err, code, "%s: %s", p->label, line);
}

static int
lose(struct postgresql *p, const char *text, struct err *err)
{
	int r = fail_text(p, -EAGAIN, text, err);

	disconnect(p);
	p->base.was_lost = true;
	return r;
}

static int
fail_result(struct postgresql *p, const PGresult *res, struct err *err)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	char line[ERR_TEXT_MAX];
	int code = -EIO;

	if (state == NULL) /* libpq's own: the connection broke */
		return lose(p, PQresultErrorMessage(res), err);
	(void)snprintf(line, sizeof(line), "%s (%s)", text != NULL ? text : "error",
	    state);
	for (size_t i = 0; i < ARRAY_LEN(errors); i++)
		if (strncmp(errors[i].state, state, strlen(errors[i].state)) == 0) {
			if (errors[i].is_lost)
				return lose(p, line, err);
			code = errors[i].code;
			break;
		}
	return fail_text(p, code, line, err);
}

/* ---- waiting ---- */

/* Until one of the events or the deadline (0: none). 0, or -ETIMEDOUT. */
static int
wait_for(struct postgresql *p, short events, uint64_t deadline_ms)
{
	struct pollfd pfd = { .fd = PQsocket(p->conn), .events = events };
	int wait_ms, r;

	do {
		uint64_t now = clock_mono_ms();

		wait_ms = deadline_ms == 0 ? -1
		    : deadline_ms > now    ? (int)(deadline_ms - now)
					   : 0;
		r = poll(&pfd, 1, wait_ms);
	} while (r < 0 && errno == EINTR);
	return r > 0 ? 0 : -ETIMEDOUT;
}

static int
flush(struct postgresql *p, uint64_t deadline_ms, struct err *err)
{
	int r;

	while ((r = PQflush(p->conn)) == 1) {
		if (wait_for(p, POLLIN | POLLOUT, deadline_ms) < 0)
			return lose(p, "no progress in sending before the deadline",
			    err);
		/* both ends may be full: what comes in must be read meanwhile */
		if (PQconsumeInput(p->conn) != 1)
			return lose(p, PQerrorMessage(p->conn), err);
	}
	return r < 0 ? lose(p, PQerrorMessage(p->conn), err) : 0;
}

static int
next_result(struct postgresql *p, uint64_t deadline_ms, PGresult **res, struct err *err)
{
	while (PQisBusy(p->conn)) {
		if (wait_for(p, POLLIN, deadline_ms) < 0)
			return lose(p, "no answer before the deadline", err);
		if (PQconsumeInput(p->conn) != 1)
			return lose(p, PQerrorMessage(p->conn), err);
	}
	*res = PQgetResult(p->conn);
	return 0;
}

static void
clearp(PGresult **res)
{
	PQclear(*res);
}

static bool
is_good(const PGresult *res)
{
	ExecStatusType status = PQresultStatus(res);

	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

/*
 * Sends what is buffered and reads to the end of the answer. The last good result is
 * given to the caller; the first error wins over it.
 */
static int
finish(struct postgresql *p, uint64_t timeout_ms, PGresult **out, struct err *err)
{
	uint64_t deadline =
	    timeout_ms == 0 ? 0 : clock_mono_ms() + timeout_ms + GRACE_MS;
	CLEANUP(clearp) PGresult *bad = NULL;
	CLEANUP(clearp) PGresult *good = NULL;
	int r;

	r = flush(p, deadline, err);
	while (r == 0) {
		CLEANUP(clearp) PGresult *res = NULL;

		r = next_result(p, deadline, &res, err);
		if (r < 0 || res == NULL)
			break;
		if (!is_good(res)) {
			if (bad == NULL)
				bad = TAKE_PTR(res);
			continue;
		}
		PQclear(good);
		good = TAKE_PTR(res);
	}
	if (r < 0)
		return r;
	if (bad != NULL)
		return fail_result(p, bad, err);
	if (PQstatus(p->conn) != CONNECTION_OK || good == NULL)
		return lose(p, PQerrorMessage(p->conn), err);
	if (out != NULL)
		*out = TAKE_PTR(good);
	return 0;
}

/* ---- the connection ---- */

static void
ignore_notice(void *arg, const PGresult *res)
{
	(void)arg;
	(void)res;
}

static int
configure(struct postgresql *p, struct err *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	unsigned long long ms = p->options.statement_timeout_ms;

	buf_addf(&text,
	    "SET statement_timeout = %llu; SET lock_timeout = %llu;"
	    "SET idle_in_transaction_session_timeout = '10min';"
	    "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD';",
	    ms, ms);
	/* a result that was answered must be on the disk; stricter settings are left
	 * alone */
	buf_adds(&text,
	    "SELECT set_config('synchronous_commit', 'on', false)"
	    " WHERE current_setting('synchronous_commit') = 'off'");
	if (buf_status(&text) < 0)
		return err_set(err, -ENOMEM, "%s: no memory", p->label);
	if (PQsendQuery(p->conn, text.data) != 1)
		return lose(p, PQerrorMessage(p->conn), err);
	return finish(p, p->options.statement_timeout_ms, NULL, err);
}

static PGconn *
begin_connect(struct postgresql *p)
{
	char tcp_timeout[NUMBER_MAX];
	/* what stands before dbname may be overridden by the url, what follows may
	   not */
	const char *keywords[] = { "fallback_application_name", "tcp_user_timeout",
		"target_session_attrs", "dbname", "gssencmode", "client_encoding",
		NULL };
	const char *values[] = { "agent-runner", tcp_timeout, "read-write", p->url,
		"disable", "UTF8", NULL };

	(void)snprintf(tcp_timeout, sizeof(tcp_timeout), "%llu",
	    (unsigned long long)(p->options.statement_timeout_ms + GRACE_MS));
	return PQconnectStartParams(keywords, values, 1);
}

static int
poll_connect(struct postgresql *p, struct err *err)
{
	uint64_t deadline = clock_mono_ms() + p->options.connect_timeout_ms;
	PostgresPollingStatusType state = PGRES_POLLING_WRITING;

	while (state != PGRES_POLLING_OK) {
		short events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT;

		if (wait_for(p, events, deadline) < 0)
			return lose(p, "not connected before the deadline", err);
		state = PQconnectPoll(p->conn);
		if (state == PGRES_POLLING_FAILED)
			return lose(p, PQerrorMessage(p->conn), err);
	}
	return 0;
}

static int
connect_now(struct postgresql *p, struct err *err)
{
	int r;

	p->base.was_lost = false;
	if (p->conn != NULL && PQstatus(p->conn) == CONNECTION_OK)
		return 0;
	disconnect(p);
	p->conn = begin_connect(p);
	if (p->conn == NULL)
		return err_set(err, -ENOMEM, "%s: no memory", p->label);
	if (PQstatus(p->conn) == CONNECTION_BAD)
		return lose(p, PQerrorMessage(p->conn), err);
	(void)PQsetNoticeReceiver(p->conn, ignore_notice, NULL);
	r = poll_connect(p, err);
	if (r < 0)
		return r;
	if (PQsetnonblocking(p->conn, 1) != 0)
		return lose(p, PQerrorMessage(p->conn), err);
	r = configure(p, err);
	if (r < 0)
		disconnect(p); /* never half configured */
	return r;
}

/* ---- statements ---- */

static int
prepare(struct postgresql *p, const struct sql_statement *st, struct err *err)
{
	int r;

	for (size_t i = 0; i < p->n_prepared; i++)
		if (strcmp(p->prepared[i], st->name) == 0)
			return 0;
	ASSERT(p->n_prepared < STATEMENTS_MAX && strlen(st->name) < NAME_MAX_LEN);
	if (PQsendPrepare(p->conn, st->name, st->text, 0, NULL) != 1)
		return lose(p, PQerrorMessage(p->conn), err);
	r = finish(p, p->options.statement_timeout_ms, NULL, err);
	if (r == 0)
		(void)strcpy(p->prepared[p->n_prepared++], st->name);
	return r;
}

/* libpq's arrays for one execution. */
struct params {
	const char *values[PARAMS_MAX];
	int lengths[PARAMS_MAX];
	int formats[PARAMS_MAX]; /* 1: bytes of a known length, 0: text up to its NUL */
	char numbers[PARAMS_MAX][NUMBER_MAX];
};

static void
set_param(struct params *a, size_t i, const struct sql_value *v)
{
	a->formats[i] = v->type == SQL_BYTES;
	a->lengths[i] = (int)v->len;
	switch (v->type) {
	case SQL_NULL:
		a->values[i] = NULL;
		return;
	case SQL_WORD:
	case SQL_BYTES:
		a->values[i] = v->text;
		return;
	case SQL_INT:
		(void)snprintf(a->numbers[i], NUMBER_MAX, "%lld", (long long)v->number);
		a->values[i] = a->numbers[i];
		return;
	case SQL_BOOL:
		a->values[i] = v->number != 0 ? "t" : "f";
		return;
	}
}

static int
send_query(struct postgresql *p, const struct sql_statement *st,
    const struct sql_value *params, size_t n, struct err *err)
{
	CLEANUP(freep) struct params *a = malloc(sizeof(*a));

	ASSERT(n <= PARAMS_MAX);
	if (a == NULL)
		return err_set(err, -ENOMEM, "%s: no memory", p->label);
	for (size_t i = 0; i < n; i++) {
		if (params[i].len > INT32_MAX)
			return err_set(err, -EFBIG, "%s: parameter %zu is too long",
			    p->label, i + 1);
		set_param(a, i, &params[i]);
	}
	if (PQsendQueryPrepared(p->conn, st->name, (int)n, a->values, a->lengths,
		a->formats, 0) != 1)
		return lose(p, PQerrorMessage(p->conn), err);
	return 0;
}

static int
give_rows(struct postgresql *p, const PGresult *res, sql_row_fn *on_row, void *arg,
    struct err *err)
{
	struct sql_value columns[COLUMNS_MAX];
	int n = PQnfields(res);

	ASSERT(n <= COLUMNS_MAX);
	for (int row = 0; row < PQntuples(res); row++) {
		int r;

		for (int i = 0; i < n; i++) {
			bool is_null = PQgetisnull(res, row, i) == 1;

			columns[i].type = is_null ? SQL_NULL : SQL_BYTES;
			columns[i].text = is_null ? NULL : PQgetvalue(res, row, i);
			columns[i].len = (size_t)PQgetlength(res, row, i);
			columns[i].number = 0;
		}
		r = on_row(arg, columns, (size_t)n);
		if (r < 0)
			return err_set(err, r, "%s: %s", p->label, strerror(-r));
	}
	return 0;
}

static int
pg_query(struct sql *base, const struct sql_statement *st,
    const struct sql_value *params, size_t n_params, sql_row_fn *on_row, void *arg,
    uint64_t *changed, struct err *err)
{
	struct postgresql *p = (struct postgresql *)base;
	CLEANUP(clearp) PGresult *res = NULL;
	int r;

	r = connect_now(p, err);
	if (r == 0)
		r = prepare(p, st, err);
	if (r == 0)
		r = send_query(p, st, params, n_params, err);
	if (r == 0)
		r = finish(p, p->options.statement_timeout_ms, &res, err);
	if (r < 0)
		return r;
	if (changed != NULL)
		*changed = strtoull(PQcmdTuples(res), NULL, 10);
	return on_row != NULL ? give_rows(p, res, on_row, arg, err) : 0;
}

static int
pg_script(struct sql *base, const char *text, uint64_t timeout_ms, struct err *err)
{
	struct postgresql *p = (struct postgresql *)base;
	int r;

	r = connect_now(p, err);
	if (r < 0)
		return r;
	if (PQsendQuery(p->conn, text) != 1)
		return lose(p, PQerrorMessage(p->conn), err);
	return finish(p, timeout_ms, NULL, err);
}

/* ---- birth and death ---- */

static void
pg_close(struct sql *base)
{
	struct postgresql *p = (struct postgresql *)base;

	disconnect(p);
	if (p->url != NULL)
		explicit_bzero(p->url, strlen(p->url)); /* it may hold a password */
	free(p->url);
	free(p->label);
	free(p);
}

static const char *
pg_describe(const struct sql *base)
{
	return ((const struct postgresql *)base)->label;
}

static void
conninfo_freep(PQconninfoOption **o)
{
	PQconninfoFree(*o);
}

static const char *
option_of(const PQconninfoOption *o, const char *keyword)
{
	for (; o->keyword != NULL; o++)
		if (strcmp(o->keyword, keyword) == 0)
			return o->val != NULL ? o->val : "";
	return "";
}

/* Reads the url for its form and for a label without the password. */
static int
read_url(struct postgresql *p, const char *url, struct err *err)
{
	CLEANUP(conninfo_freep) PQconninfoOption *o = NULL;
	char *text = NULL;

	o = PQconninfoParse(url, &text);
	if (o == NULL) {
		PQfreemem(text); /* quotes the url, password and all: not for a log */
		return err_set(err, -EINVAL,
		    "database.url is no valid postgresql:// url");
	}
	if (asprintf(&p->label, "postgresql %s/%s", option_of(o, "host"),
		option_of(o, "dbname")) < 0) {
		p->label = NULL;
		return err_set(err, -ENOMEM, "no memory for the result store");
	}
	p->url = strdup(url);
	return p->url != NULL ? 0
			      : err_set(err, -ENOMEM, "no memory for the result store");
}

static int
pg_open(const char *target, const struct sql_options *options, struct sql **out,
    struct err *err)
{
	struct postgresql *p = calloc(1, sizeof(*p));
	int r;

	if (p == NULL)
		return err_set(err, -ENOMEM, "no memory for the result store");
	p->base.driver = &sql_postgresql;
	p->options = *options;
	r = read_url(p, target, err);
	if (r < 0) {
		pg_close(&p->base);
		return r;
	}
	*out = &p->base;
	return 0;
}

const struct sql_driver sql_postgresql = {
	.name = "postgresql",
	.open = pg_open,
	.close = pg_close,
	.describe = pg_describe,
	.script = pg_script,
	.query = pg_query,
	/* the key is an arbitrary constant of ours; the lock ends with the
	   transaction */
	.begin_alone =
	    "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0;"
	    "SELECT pg_advisory_xact_lock(4927140935527641);",
	.table_exists = "SELECT 1 WHERE to_regclass($1) IS NOT NULL",
	.fit_to_use =
	    "SELECT 'the database encoding is ' || current_setting('server_encoding')"
	    " || '; create it with ENCODING ''UTF8'''"
	    " WHERE current_setting('server_encoding') <> 'UTF8'",
	.iso_before = "to_char(",
	.iso_after = " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')",
	.row_bytes =
	    "(pg_column_size(message) + coalesce(pg_column_size(result_data), 0)"
	    " + coalesce(pg_column_size(trace), 0))",
};
