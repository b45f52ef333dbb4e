/* SPDX-License-Identifier: MIT */
/*
 * store_fixture.c - one PostgreSQL per test program, one database and directory per
 * test.
 *
 * Owns:   the server, in the runner; a fixture's directory and store, in a test.
 * Called: by the tests of the store and of its queue.
 * Fails:  the test.
 */
#include "config.h"

#include "tests/unit/store_fixture.h"

#include <criterion/hooks.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>

static struct postgres_server *server;

ReportHook(PRE_ALL)(struct criterion_test_set *tests)
{
	struct err err = ERR_INIT;

	(void)tests;
	if (!postgres_server_is_installed())
		return;
	if (postgres_server_new(&server, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	(void)setenv("FIXTURE_POSTGRES", postgres_server_dir(server), 1);
}

ReportHook(POST_ALL)(struct criterion_global_stats *stats)
{
	(void)stats;
	postgres_server_free(server);
	server = NULL;
}

const char *
fixture_postgres_dir(void)
{
	return getenv("FIXTURE_POSTGRES");
}

void
fixture_dir(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	(void)strcpy(f->dir, "/tmp/agent-runner-store-XXXXXX");
	cr_assert(ne(ptr, mkdtemp(f->dir), NULL));
	f->options.max_inline_bytes = FIXTURE_INLINE;
}

void
fixture_reopen(struct fixture *f)
{
	struct err err = ERR_INIT;

	store_close(f->store);
	f->store = NULL;
	cr_assert(eq(int, store_open(f->url, f->dir, &f->options, &f->store, &err), 0),
	    "%s", err.text);
}

void
fixture_open(struct fixture *f, const char *kind)
{
	struct err err = ERR_INIT;

	fixture_dir(f);
	(void)strcpy(f->url, kind);
	if (strcmp(kind, "postgresql") == 0)
		cr_assert(
		    eq(int, postgres_database_new(fixture_postgres_dir(), f->url, &err),
			0),
		    "%s", err.text);
	fixture_reopen(f);
}

void
fixture_init(struct fixture *f, const char *kind)
{
	struct err err = ERR_INIT;

	fixture_open(f, kind);
	cr_assert(eq(int, store_migrate(f->store, STORE_MIGRATE_APPLY, NULL, &err), 0),
	    "%s", err.text);
}

static int
remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	(void)remove(path);
	return 0;
}

void
fixture_release(struct fixture *f)
{
	store_close(f->store);
	(void)nftw(f->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- the test's own statements ---- */

struct sql *
fixture_session(const struct fixture *f)
{
	const struct sql_options options = { 5000, 10000, 0 };
	struct err err = ERR_INIT;
	struct sql *s = NULL;
	char path[128];
	int r;

	(void)snprintf(path, sizeof(path), "%s/agent-runner.db", f->dir);
	r = strcmp(f->url, "sqlite") == 0
	    ? sql_sqlite.open(path, &options, &s, &err)
	    : sql_postgresql.open(f->url, &options, &s, &err);
	cr_assert(eq(int, r, 0), "%s", err.text);
	return s;
}

void
fixture_run(struct sql *s, const char *text)
{
	struct err err = ERR_INIT;

	cr_assert(eq(int, s->driver->script(s, text, 10000, &err), 0), "%s: %s", text,
	    err.text);
}

static int
take_number(void *arg, const struct sql_value *columns, size_t n)
{
	(void)n;
	if (columns[0].type != SQL_NULL)
		*(int64_t *)arg = strtoll(columns[0].text, NULL, 10);
	return 0;
}

int64_t
fixture_number(struct sql *s, const char *select)
{
	char name[16]; /* the same for the same literal */
	const struct sql_statement st = { name, select };
	struct err err = ERR_INIT;
	int64_t number = -1;

	(void)snprintf(name, sizeof(name), "t%x", (unsigned)(uintptr_t)select);
	cr_assert(
	    eq(int, s->driver->query(s, &st, NULL, 0, take_number, &number, NULL, &err),
		0),
	    "%s: %s", select, err.text);
	return number;
}

/* ---- rows ---- */

struct store_row *
fixture_row(struct fixture_row *r, const char *job_id, const char *message)
{
	cr_assert(eq(int, store_new_id(r->result_id), 0));
	r->row = (struct store_row){ .result_id = r->result_id,
		.job_id = job_id,
		.run_id = "run-1",
		.node_id = "node-1",
		.owner = "alice",
		.status = "completed",
		.message = { message, strlen(message) },
		.llm_model = "model-1",
		.token = 1,
		.completed_at_ms = 1700000000123 };
	return &r->row;
}

void
fixture_data(struct store_row *row, const char *json)
{
	row->data = (struct store_text){ json, strlen(json) };
}

enum store_verdict
fixture_put(struct store *store, const struct store_row *row, struct store_outcome *o)
{
	struct store_outcome own;
	enum store_verdict verdict;

	store_put(store, row, 1, o != NULL ? o : &own);
	verdict = o != NULL ? o->verdict : own.verdict;
	if (o == NULL)
		store_outcome_release(&own);
	return verdict;
}
