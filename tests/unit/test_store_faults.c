/* SPDX-License-Identifier: MIT */
/*
 * test_store_faults.c - servers that stop, connections that are cut, disks that are
 * full.
 */
#include "config.h"

#include "tests/support/cut_proxy.h"
#include "tests/unit/store_fixture.h"

#include "common/clock.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

static void
need_postgres(void)
{
	if (fixture_postgres_dir() == NULL)
		cr_skip_test("PostgreSQL is not installed");
}

/* ---- a server that stops and comes back ---- */

/* A cluster of the test's own, so that no other test loses its server. */
static struct postgres_server *
own_server(struct fixture *f)
{
	struct postgres_server *s = NULL;
	struct err err = ERR_INIT;

	fixture_dir(f);
	cr_assert(eq(int, postgres_server_new(&s, &err), 0), "%s", err.text);
	cr_assert(eq(int, postgres_database_new(postgres_server_dir(s), f->url, &err),
		      0),
	    "%s", err.text);
	fixture_reopen(f);
	cr_assert(eq(int, store_migrate(f->store, STORE_MIGRATE_APPLY, NULL, &err), 0),
	    "%s", err.text);
	return s;
}

Test(store_postgresql, a_server_that_stops_is_away_and_is_found_again)
{
	static const int signals[] = { SIGINT, SIGQUIT };
	struct postgres_server *server;
	struct store_result got = STORE_RESULT_INIT;
	struct fixture_row r;
	struct fixture f;
	struct store_outcome o;
	struct err err = ERR_INIT;

	need_postgres();
	server = own_server(&f);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		fixture_row(&r, i == 0 ? "job-0" : "job-1", "{}");
		cr_assert(eq(int, postgres_server_stop(server, signals[i], &err), 0),
		    "%s", err.text);
		cr_expect(eq(int, fixture_put(f.store, &r.row, &o), STORE_AWAY));
		cr_expect(eq(int, o.err.code, -EAGAIN), "%s", o.err.text);
		cr_expect(eq(int, store_ping(f.store, &err), -EAGAIN));
		cr_assert(eq(int, postgres_server_start(server, &err), 0), "%s",
		    err.text);
		cr_expect(eq(int, fixture_put(f.store, &r.row, NULL), STORE_STORED));
		/* stopped and started between two calls: the next one does not
		   notice */
		cr_assert(eq(int, postgres_server_stop(server, signals[i], &err), 0));
		cr_assert(eq(int, postgres_server_start(server, &err), 0), "%s",
		    err.text);
		cr_expect(eq(int,
			      store_get_by_job(f.store, r.row.job_id, 1, &got, &err),
			      0),
		    "%s", err.text);
	}
	store_result_release(&got);
	fixture_release(&f);
	postgres_server_free(server);
}

/* ---- a backend that is killed while its statement waits for a lock ---- */

struct killer {
	struct sql *watcher; /* sees who waits */
	struct sql *locker;  /* holds the table */
	bool has_killed;
};

static void *
kill_the_waiting(void *arg)
{
	struct killer *k = arg;
	uint64_t deadline = clock_mono_ms() + 8000;

	while (!k->has_killed && clock_mono_ms() < deadline) {
		k->has_killed = fixture_number(k->watcher,
				    "SELECT count(pg_terminate_backend(pid)) FROM"
				    " pg_stat_activity WHERE wait_event_type = 'Lock'"
				    " AND datname = current_database()") > 0;
		(void)usleep(10000);
	}
	fixture_run(k->locker, "ROLLBACK");
	return NULL;
}

Test(store_postgresql,
    a_backend_killed_before_its_commit_is_replaced_and_the_row_stored)
{
	struct killer k = { 0 };
	struct fixture_row r;
	struct fixture f;
	struct store_outcome o;
	pthread_t thread;

	need_postgres();
	fixture_init(&f, "postgresql");
	k.watcher = fixture_session(&f);
	k.locker = fixture_session(&f);
	fixture_run(k.locker, "BEGIN; LOCK TABLE agent_results IN EXCLUSIVE MODE");
	fixture_row(&r, "job", "{}");
	cr_assert(eq(int, pthread_create(&thread, NULL, kill_the_waiting, &k), 0));
	cr_expect(eq(int, fixture_put(f.store, &r.row, &o), STORE_STORED), "%s",
	    o.err.text);
	store_outcome_release(&o);
	(void)pthread_join(thread, NULL);
	cr_expect(k.has_killed);
	cr_expect(eq(i64,
	    fixture_number(k.watcher, "SELECT count(*) FROM agent_results"), 1));
	k.watcher->driver->close(k.watcher);
	k.locker->driver->close(k.locker);
	fixture_release(&f);
}

Test(store_postgresql, a_table_that_stays_locked_is_away_in_time)
{
	struct sql *locker;
	struct fixture_row r;
	struct fixture f;
	uint64_t begun;

	need_postgres();
	fixture_init(&f, "postgresql");
	f.options.statement_timeout_ms = 200;
	fixture_reopen(&f);
	locker = fixture_session(&f);
	fixture_run(locker, "BEGIN; LOCK TABLE agent_results IN EXCLUSIVE MODE");
	fixture_row(&r, "job", "{}");
	begun = clock_mono_ms();
	cr_expect(eq(int, fixture_put(f.store, &r.row, NULL), STORE_AWAY));
	cr_expect(lt(u64, clock_mono_ms() - begun, 8000));
	fixture_run(locker, "ROLLBACK");
	cr_expect(eq(int, fixture_put(f.store, &r.row, NULL), STORE_STORED));
	locker->driver->close(locker);
	fixture_release(&f);
}

/* ---- an answer that is lost on its way back ---- */

/* A fixture that reaches its database through a proxy. */
static struct cut_proxy *
behind_proxy(struct fixture *f)
{
	struct cut_proxy *proxy = NULL;
	struct err err = ERR_INIT;
	char listen_path[128], server_path[128], database[64];

	(void)snprintf(listen_path, sizeof(listen_path), "%s/.s.PGSQL.5432", f->dir);
	(void)snprintf(server_path, sizeof(server_path), "%s/.s.PGSQL.5432",
	    fixture_postgres_dir());
	cr_assert(eq(int, cut_proxy_new(listen_path, server_path, &proxy, &err), 0),
	    "%s", err.text);
	(void)snprintf(database, sizeof(database), "%.*s",
	    (int)strcspn(strstr(f->url, "@/") + 2, "?"), strstr(f->url, "@/") + 2);
	postgres_url(f->dir, database, f->url);
	fixture_reopen(f);
	return proxy;
}

static const enum cut_where wheres[] = { CUT_BEFORE, CUT_AFTER, CUT_INSIDE };

/* The statement is its own transaction, so cutting at it cuts at its commit. */
Test(store_postgresql, an_answer_lost_in_mid_commit_is_resolved_by_reading_back)
{
	struct cut_proxy *proxy;
	struct sql *session;
	struct fixture f;

	need_postgres();
	fixture_init(&f, "postgresql");
	session = fixture_session(&f);
	proxy = behind_proxy(&f);
	for (unsigned i = 0; i < ARRAY_LEN(wheres); i++) {
		struct fixture_row older, newer;
		struct store_outcome o;
		char job[16];

		(void)snprintf(job, sizeof(job), "job-%u", i);
		fixture_row(&older, job, "\"failed\"");
		older.row.status = "failed";
		cr_assert(
		    eq(int, fixture_put(f.store, &older.row, NULL), STORE_STORED));
		fixture_row(&newer, job, "\"done\"");
		newer.row.token = 2;
		cut_proxy_arm(proxy, "put.1", wheres[i]);
		cr_expect(eq(int, fixture_put(f.store, &newer.row, &o), STORE_STORED),
		    "cut %u: %s", i, o.err.text);
		cr_expect(eq(uint, cut_proxy_cuts(proxy), 2 * i + 1));
		cr_expect(eq(str, o.message, (char[]){ "\"done\"" }));
		store_outcome_release(&o);
		/* the same where what is lost is the reading back */
		cut_proxy_arm(proxy, "back.1", wheres[i]);
		cr_expect(eq(int, fixture_put(f.store, &newer.row, &o), STORE_STORED));
		cr_expect(eq(uint, cut_proxy_cuts(proxy), 2 * i + 2));
		store_outcome_release(&o);
	}
	cr_expect(
	    eq(i64, fixture_number(session, "SELECT count(*) FROM agent_results"), 3));
	cut_proxy_free(proxy);
	session->driver->close(session);
	fixture_release(&f);
}

Test(store_postgresql, a_row_of_another_wins_although_our_answer_was_lost)
{
	struct fixture_row ours, theirs;
	struct cut_proxy *proxy;
	struct store *direct;
	struct store_outcome o;
	struct fixture f;

	need_postgres();
	fixture_init(&f, "postgresql");
	direct = TAKE_PTR(f.store);
	proxy = behind_proxy(&f);
	fixture_row(&ours, "job", "\"ours\"");
	fixture_row(&theirs, "job", "\"theirs\"");
	theirs.row.token = 2;
	cr_assert(eq(int, fixture_put(direct, &theirs.row, NULL), STORE_STORED));
	cut_proxy_arm(proxy, "put.1", CUT_AFTER);
	cr_expect(eq(int, fixture_put(f.store, &ours.row, &o), STORE_KEPT));
	cr_expect(eq(str, o.message, (char[]){ "\"theirs\"" }));
	store_outcome_release(&o);
	store_close(direct);
	cut_proxy_free(proxy);
	fixture_release(&f);
}

Test(store_postgresql, a_migration_cut_in_mid_commit_is_whole_at_the_next_try)
{
	for (size_t i = 0; i < ARRAY_LEN(wheres); i++) {
		struct cut_proxy *proxy;
		struct fixture f;
		struct err err = ERR_INIT;
		unsigned applied = 99;

		need_postgres();
		fixture_open(&f, "postgresql");
		proxy = behind_proxy(&f);
		cut_proxy_arm(proxy, "COMMIT", wheres[i]);
		cr_expect(
		    eq(int, store_migrate(f.store, STORE_MIGRATE_APPLY, &applied, &err),
			-EAGAIN),
		    "%s", err.text);
		cr_expect(eq(uint, cut_proxy_cuts(proxy), 1));
		cr_expect(
		    eq(int, store_migrate(f.store, STORE_MIGRATE_APPLY, &applied, &err),
			0),
		    "%s", err.text);
		cr_expect(eq(uint, applied,
		    wheres[i] == CUT_BEFORE ? store_schema_version() : 0));
		cut_proxy_free(proxy);
		fixture_release(&f);
	}
}

/* ---- what an operator may get wrong ---- */

Test(store_postgresql, a_database_that_is_not_utf8_is_refused)
{
	struct sql *session;
	struct fixture f;
	struct err err = ERR_INIT;

	need_postgres();
	fixture_open(&f, "postgresql");
	session = fixture_session(&f);
	fixture_run(session,
	    "CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0"
	    " LC_COLLATE 'C' LC_CTYPE 'C'");
	postgres_url(fixture_postgres_dir(), "ascii", f.url);
	fixture_reopen(&f);
	cr_expect(
	    eq(int, store_migrate(f.store, STORE_MIGRATE_APPLY, NULL, &err), -ENOTSUP));
	cr_expect(ne(ptr, strstr(err.text, "UTF8"), NULL), "%s", err.text);
	session->driver->close(session);
	fixture_release(&f);
}

BOTH(a_schema_that_is_missing_is_no_fault_of_the_row)
{
	struct sql *session = fixture_session(f);
	struct fixture_row r;
	struct store_outcome o;

	fixture_run(session, "DROP TABLE agent_results");
	fixture_row(&r, "job", "{}");
	cr_expect(eq(int, fixture_put(f->store, &r.row, &o), STORE_AWAY));
	cr_expect(eq(int, o.err.code, -ENODATA), "%s", o.err.text);
	session->driver->close(session);
}

Test(store_postgresql, a_server_that_is_not_there_is_away)
{
	struct store *store = NULL;
	struct err err = ERR_INIT;

	cr_assert(eq(int,
	    store_open("postgresql:///x?host=/nonexistent", "/tmp", NULL, &store, &err),
	    0));
	cr_expect(eq(int, store_ping(store, &err), -EAGAIN));
	cr_expect(eq(ptr, strchr(err.text, '\n'), NULL));
	store_close(store);
}

/* ---- SQLite: full, locked, gone ---- */

Test(store_sqlite, a_full_disk_is_away_until_there_is_room)
{
	enum {
		ROWS = 200,
		LEN = FIXTURE_INLINE - 1
	};
	struct store_row rows[STORE_BATCH_MAX];
	struct store_outcome o;
	struct fixture_row r;
	struct fixture f;
	char data[LEN + 1];
	enum store_verdict verdict = STORE_STORED;

	memset(data, 'x', LEN);
	data[0] = data[LEN - 1] = '"';
	data[LEN] = '\0';
	fixture_init(&f, "sqlite");
	f.options.sqlite_max_pages = 60;
	fixture_reopen(&f);
	for (int i = 0; i < ROWS && verdict == STORE_STORED; i++) {
		char job[16];

		(void)snprintf(job, sizeof(job), "job-%d", i);
		fixture_data(fixture_row(&r, job, "{}"), data);
		verdict = fixture_put(f.store, &r.row, &o);
		store_outcome_release(&o);
		rows[0] = r.row;
	}
	cr_assert(eq(int, verdict, STORE_AWAY));
	f.options.sqlite_max_pages = 0;
	fixture_reopen(&f);
	rows[0].job_id = "last";
	cr_expect(eq(int, fixture_put(f.store, &rows[0], NULL), STORE_STORED));
	fixture_release(&f);
}

Test(store_sqlite, a_file_that_stays_locked_is_away)
{
	struct sql *locker;
	struct fixture_row r;
	struct fixture f;
	struct store_outcome o;

	fixture_init(&f, "sqlite");
	f.options.statement_timeout_ms = 100;
	fixture_reopen(&f);
	locker = fixture_session(&f);
	fixture_run(locker, "BEGIN IMMEDIATE");
	fixture_row(&r, "job", "{}");
	cr_expect(eq(int, fixture_put(f.store, &r.row, &o), STORE_AWAY));
	cr_expect(eq(int, o.err.code, -EAGAIN), "%s", o.err.text);
	fixture_run(locker, "ROLLBACK");
	cr_expect(eq(int, fixture_put(f.store, &r.row, NULL), STORE_STORED));
	locker->driver->close(locker);
	fixture_release(&f);
}

Test(store_sqlite, a_directory_that_is_not_there_is_away)
{
	struct store *store = NULL;
	struct err err = ERR_INIT;

	cr_assert(
	    eq(int, store_open("sqlite", "/nonexistent/dir", NULL, &store, &err), 0));
	cr_expect(eq(int, store_ping(store, &err), -EAGAIN));
	cr_expect(ne(ptr, strstr(err.text, "/nonexistent/dir"), NULL), "%s", err.text);
	store_close(store);
}
