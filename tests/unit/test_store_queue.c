/* SPDX-License-Identifier: MIT */
/* test_store_queue.c - requests, batches, outages and the end of the helper thread. */
#include "config.h"

#include "tests/unit/store_fixture.h"

#include "common/clock.h"
#include "common/store/store_queue.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

enum {
	PATIENCE_MS = 20000,
	ROWS = 50
};

static unsigned answered;

static void
count_answer(struct store_request *r)
{
	(void)r;
	answered++;
}

/* Turns the loop until so many answers have come. */
static void
await_answers(struct store_queue *q, unsigned n)
{
	uint64_t deadline = clock_mono_ms() + PATIENCE_MS;
	struct pollfd pfd = { .fd = store_queue_fd(q), .events = POLLIN };

	while (answered < n) {
		cr_assert(lt(u64, clock_mono_ms(), deadline), "%u of %u answers",
		    answered, n);
		if (poll(&pfd, 1, 100) > 0)
			(void)store_queue_drain(q);
	}
}

static struct store_queue *
start(struct fixture *f)
{
	const struct store_queue_options options = { .pause_min_ms = 5,
		.pause_max_ms = 40 };
	struct store_queue *q = NULL;
	struct err err = ERR_INIT;

	cr_assert(eq(int, store_queue_start(f->store, &options, &q, &err), 0), "%s",
	    err.text);
	f->store = NULL; /* the queue's now */
	answered = 0;
	return q;
}

static void
await_back(struct store_queue *q)
{
	uint64_t deadline = clock_mono_ms() + PATIENCE_MS;

	while (store_queue_away_since(q) != 0) {
		cr_assert(lt(u64, clock_mono_ms(), deadline));
		(void)usleep(1000);
	}
}

static struct store_request
request(enum store_op op)
{
	return (struct store_request){ .op = op,
		.deadline_ms = clock_mono_ms() + PATIENCE_MS,
		.done = count_answer };
}

BOTH(rows_go_through_in_batches_and_come_back_one_by_one)
{
	static struct store_request requests[ROWS];
	static struct fixture_row rows[ROWS];
	struct sql *session = fixture_session(f);
	struct store_queue *q = start(f);
	char jobs[ROWS][16];

	for (int i = 0; i < ROWS; i++) {
		(void)snprintf(jobs[i], sizeof(jobs[i]), "job-%d", i);
		fixture_row(&rows[i], jobs[i], jobs[i]);
		if (i == 20)
			rows[i].row.message = (struct store_text){ "\xff\xff", 2 };
		requests[i] = request(STORE_OP_PUT);
		requests[i].put.row = &rows[i].row;
		store_queue_submit(q, &requests[i]);
	}
	cr_expect(eq(uint, store_queue_waiting(q), ROWS));
	await_answers(q, ROWS);
	cr_expect(eq(uint, store_queue_waiting(q), 0));
	for (int i = 0; i < ROWS; i++) {
		struct store_outcome *o = &requests[i].put.outcome;

		cr_expect(eq(int, requests[i].result, i == 20 ? -EINVAL : 0), "%s",
		    requests[i].err.text);
		cr_expect(eq(int, o->verdict, i == 20 ? STORE_REFUSED : STORE_STORED));
		if (i != 20)
			cr_expect(eq(str, o->message, jobs[i]));
		store_outcome_release(o);
	}
	cr_expect(eq(i64, fixture_number(session, "SELECT count(*) FROM agent_results"),
	    ROWS - 1));
	store_queue_stop(q, 0);
	session->driver->close(session);
}

/* Looked up together, more than one question holds; each hears of its own job. */
BOTH(lookups_that_wait_together_are_told_apart)
{
	static struct store_request requests[ROWS];
	struct fixture_row rows[3];
	struct store_queue *q;
	char jobs[ROWS][16];

	for (int i = 0; i < ROWS; i++)
		(void)snprintf(jobs[i], sizeof(jobs[i]), "job-%d", i);
	for (int i = 0; i < 3; i++) /* 0, 17, 34: in different batches */
		cr_assert(eq(int,
		    fixture_put(f->store,
			fixture_row(&rows[i], jobs[17 * i], jobs[17 * i]), NULL),
		    STORE_STORED));
	q = start(f);
	for (int i = 0; i < ROWS; i++) {
		requests[i] = request(STORE_OP_GET_BY_JOB);
		requests[i].get.job_id = jobs[i];
		store_queue_submit(q, &requests[i]);
	}
	await_answers(q, ROWS);
	for (int i = 0; i < ROWS; i++) {
		bool is_there = i % 17 == 0 && i < 3 * 17;

		cr_expect(eq(int, requests[i].result, is_there ? 0 : -ENOENT), "%s: %s",
		    jobs[i], requests[i].err.text);
		if (is_there)
			cr_expect(eq(str, requests[i].get.result.message, jobs[i]));
		else
			cr_expect(requests[i].get.result.message == NULL &&
			    strstr(requests[i].err.text, "no such result") != NULL);
		store_result_release(&requests[i].get.result);
	}
	store_queue_stop(q, 0);
}

static int
answer_42(struct store *store, void *ctx, struct err *err)
{
	(void)err;
	*(unsigned *)ctx += 42;
	return store_name(store)[0] != '\0' ? 42 : -EIO;
}

BOTH(every_operation_has_its_way_through)
{
	static struct store_request put, by_job, by_ref, place, put_blob, get_blob,
	    call, none;
	struct store_queue *q = start(f);
	struct fixture_row r;
	char text[FIXTURE_INLINE + 1], ref[STORE_REF_MAX];
	unsigned sum = 0;

	memset(text, 'v', FIXTURE_INLINE);
	text[0] = text[FIXTURE_INLINE - 1] = '"';
	text[FIXTURE_INLINE] = '\0';
	fixture_data(fixture_row(&r, "job", "{}"), text);
	place = request(STORE_OP_PLACE);
	place.place.result_id = r.result_id;
	place.place.bytes = text;
	place.place.len = FIXTURE_INLINE;
	place.place.fd = -1;
	store_queue_submit(q, &place);
	put = request(STORE_OP_PUT);
	put.put.row = &r.row;
	store_queue_submit(q, &put);
	put_blob = request(STORE_OP_PUT_BLOB);
	put_blob.put_blob.bytes = "journal";
	put_blob.put_blob.len = 7;
	store_queue_submit(q, &put_blob);
	call = request(STORE_OP_CALL);
	call.call.run = answer_42;
	call.call.ctx = &sum;
	store_queue_submit(q, &call);
	await_answers(q, 4);
	cr_expect(eq(int, call.result, 42));
	cr_expect(eq(uint, sum, 42));
	cr_expect(eq(int, put.result, 0), "%s", put.err.text);

	by_job = request(STORE_OP_GET_BY_JOB);
	by_job.get.job_id = "job";
	store_queue_submit(q, &by_job);
	none = request(STORE_OP_GET_BY_JOB);
	none.get.job_id = "none";
	store_queue_submit(q, &none);
	by_ref = request(STORE_OP_GET_BY_REF);
	by_ref.get.ref = place.place.place.ref;
	by_ref.get.max_data = SIZE_MAX;
	store_queue_submit(q, &by_ref);
	get_blob = request(STORE_OP_GET_BLOB);
	(void)strcpy(ref, put_blob.put_blob.ref);
	get_blob.get_blob.ref = ref;
	get_blob.get_blob.max_len = 100;
	store_queue_submit(q, &get_blob);
	await_answers(q, 8);
	cr_expect(eq(int, by_job.result, 0));
	cr_expect(eq(str, by_job.get.result.message, (char[]){ "{}" }));
	cr_expect(eq(int, none.result, -ENOENT));
	cr_expect(eq(int, by_ref.result, 0), "%s", by_ref.err.text);
	cr_expect(eq(sz, by_ref.get.result.data_len, FIXTURE_INLINE));
	cr_expect(eq(str, get_blob.get_blob.bytes, (char[]){ "journal" }));
	store_outcome_release(&put.put.outcome);
	store_result_release(&by_job.get.result);
	store_result_release(&by_ref.get.result);
	free(get_blob.get_blob.bytes);
	store_queue_stop(q, 0);
}

/* ---- outages ---- */

/* A lock on the SQLite file is an outage that the test can begin and end at will. */
struct outage {
	struct fixture f;
	struct sql *locker;
	struct store_queue *q;
};

static void
outage_init(struct outage *o)
{
	fixture_init(&o->f, "sqlite");
	o->f.options.statement_timeout_ms = 20;
	fixture_reopen(&o->f);
	o->locker = fixture_session(&o->f);
	o->q = start(&o->f);
	await_back(o->q);
	fixture_run(o->locker, "BEGIN EXCLUSIVE");
}

static void
outage_release(struct outage *o)
{
	store_queue_stop(o->q, 0);
	o->locker->driver->close(o->locker);
	fixture_release(&o->f);
}

Test(store_queue, a_row_waits_for_a_store_that_is_away)
{
	static struct store_request put, local, late;
	struct fixture_row r, r2;
	struct outage o;
	unsigned sum = 0;

	outage_init(&o);
	put = request(STORE_OP_PUT);
	put.put.row = fixture_row(&r, "job", "{}");
	store_queue_submit(o.q, &put);
	while (store_queue_away_since(o.q) == 0)
		(void)usleep(1000);
	/* what needs no database goes on */
	local = request(STORE_OP_CALL_LOCAL);
	local.call.run = answer_42;
	local.call.ctx = &sum;
	store_queue_submit(o.q, &local);
	await_answers(o.q, 1);
	cr_expect(eq(uint, sum, 42));
	/* and what may not wait is told so */
	late = request(STORE_OP_PUT);
	late.deadline_ms = clock_mono_ms() + 60;
	late.put.row = fixture_row(&r2, "late", "{}");
	store_queue_submit(o.q, &late);
	await_answers(o.q, 2);
	cr_expect(eq(int, late.result, -EAGAIN));
	cr_expect(ne(int, late.err.text[0], 0));
	cr_expect(eq(uint, store_queue_waiting(o.q), 1));
	fixture_run(o.locker, "ROLLBACK");
	await_answers(o.q, 3);
	cr_expect(eq(int, put.result, 0), "%s", put.err.text);
	cr_expect(eq(int, put.put.outcome.verdict, STORE_STORED));
	await_back(o.q);
	store_outcome_release(&put.put.outcome);
	store_outcome_release(&late.put.outcome);
	outage_release(&o);
}

/* A full disk: reads are answered all the time, and say nothing about writes. */
Test(store_queue, writes_that_are_refused_are_away_although_reads_answer)
{
	static struct store_request put, get, place;
	const struct store_queue_options options = { .pause_min_ms = 5,
		.pause_max_ms = 40,
		.idle_probe_ms = 10 };
	struct fixture_row r;
	struct fixture f;
	struct sql *locker;
	struct store_queue *q = NULL;
	struct err err = ERR_INIT;

	fixture_init(&f, "sqlite");
	f.options.statement_timeout_ms = 20;
	fixture_reopen(&f);
	locker = fixture_session(&f);
	cr_assert(eq(int, store_queue_start(f.store, &options, &q, &err), 0));
	f.store = NULL;
	answered = 0;
	await_back(q);
	fixture_run(locker, "BEGIN IMMEDIATE"); /* readers go on beside it */
	put = request(STORE_OP_PUT);
	put.put.row = fixture_row(&r, "job", "{}");
	store_queue_submit(q, &put);
	while (store_queue_away_since(q) == 0)
		(void)usleep(1000);
	for (unsigned i = 1; i <= 5; i++) {
		get = request(STORE_OP_GET_BY_JOB);
		get.get.job_id = "nobody";
		store_queue_submit(q, &get);
		await_answers(q, i);
		cr_expect(eq(int, get.result, -ENOENT));
		(void)usleep(20000); /* probes answer, too */
		cr_expect(ne(u64, store_queue_away_since(q), 0));
	}
	/* a value that stays small touches no content */
	place = request(STORE_OP_PLACE);
	place.place.result_id = r.result_id;
	place.place.bytes = "1";
	place.place.len = 1;
	place.place.fd = -1;
	store_queue_submit(q, &place);
	await_answers(q, 6);
	cr_expect(ne(u64, store_queue_away_since(q), 0));
	fixture_run(locker, "ROLLBACK");
	await_answers(q, 7);
	cr_expect(eq(int, put.result, 0), "%s", put.err.text);
	await_back(q);
	store_outcome_release(&put.put.outcome);
	store_queue_stop(q, 0);
	locker->driver->close(locker);
	fixture_release(&f);
}

/* Nobody waits to write any more: the next one shall try. */
Test(store_queue, trouble_that_nobody_meets_is_forgotten)
{
	static struct store_request put;
	const struct store_queue_options options = { .pause_min_ms = 5,
		.pause_max_ms = 10,
		.idle_probe_ms = 10,
		.forget_ms = 100 };
	struct fixture_row r;
	struct fixture f;
	struct sql *locker;
	struct store_queue *q = NULL;
	struct err err = ERR_INIT;

	fixture_init(&f, "sqlite");
	f.options.statement_timeout_ms = 20;
	fixture_reopen(&f);
	locker = fixture_session(&f);
	cr_assert(eq(int, store_queue_start(f.store, &options, &q, &err), 0));
	f.store = NULL;
	answered = 0;
	await_back(q);
	fixture_run(locker, "BEGIN IMMEDIATE");
	put = request(STORE_OP_PUT);
	put.deadline_ms = clock_mono_ms() + 50;
	put.put.row = fixture_row(&r, "job", "{}");
	store_queue_submit(q, &put);
	await_answers(q, 1);
	cr_expect(eq(int, put.result, -EAGAIN));
	cr_expect(ne(u64, store_queue_away_since(q), 0));
	await_back(q);
	fixture_run(locker, "ROLLBACK");
	store_outcome_release(&put.put.outcome);
	store_queue_stop(q, 0);
	locker->driver->close(locker);
	fixture_release(&f);
}

BOTH(content_that_cannot_be_written_waits)
{
	static struct store_request blob;
	struct store_queue *q = start(f);
	char path[300];
	int fd;

	/* a file stands where the directory should be */
	(void)snprintf(path, sizeof(path), "%s/cas", f->dir);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	cr_assert(ge(int, fd, 0));
	(void)close(fd);
	await_back(q);
	blob = request(STORE_OP_PUT_BLOB);
	blob.put_blob.bytes = "blob";
	blob.put_blob.len = 4;
	store_queue_submit(q, &blob);
	while (store_queue_away_since(q) == 0)
		(void)usleep(1000);
	cr_assert(eq(int, unlink(path), 0));
	await_answers(q, 1);
	cr_expect(eq(int, blob.result, 0), "%s", blob.err.text);
	await_back(q);
	store_queue_stop(q, 0);
}

Test(store_queue, a_queue_that_stops_answers_everything)
{
	static struct store_request puts[3];
	struct fixture_row rows[3];
	struct outage o;

	outage_init(&o);
	for (int i = 0; i < 3; i++) {
		puts[i] = request(STORE_OP_PUT);
		puts[i].put.row = fixture_row(&rows[i],
		    i == 0       ? "a"
			: i == 1 ? "b"
				 : "c",
		    "{}");
		store_queue_submit(o.q, &puts[i]);
	}
	outage_release(&o); /* stops with no grace */
	cr_expect(eq(uint, answered, 3));
	for (int i = 0; i < 3; i++) {
		cr_expect(eq(int, puts[i].result, -ECANCELED));
		store_outcome_release(&puts[i].put.outcome);
	}
}

static void
submit_again(struct store_request *r)
{
	if (answered++ == 0)
		store_queue_submit(r->arg, r);
}

Test(store_queue, a_queue_that_stops_finishes_what_it_can_within_its_grace)
{
	static struct store_request put;
	struct fixture_row r;
	struct fixture f;
	struct store_queue *q;

	fixture_init(&f, "sqlite");
	q = start(&f);
	put = request(STORE_OP_PUT);
	put.put.row = fixture_row(&r, "job", "{}");
	store_queue_submit(q, &put);
	store_queue_stop(q, 5000);
	cr_expect(eq(uint, answered, 1));
	cr_expect(eq(int, put.result, 0));
	store_outcome_release(&put.put.outcome);
	fixture_release(&f);
}

Test(store_queue, what_is_submitted_while_it_stops_is_told_that_it_is_too_late)
{
	static struct store_request call;
	struct fixture f;
	struct store_queue *q;
	unsigned sum = 0;

	fixture_init(&f, "sqlite");
	q = start(&f);
	call = request(STORE_OP_CALL);
	call.call.run = answer_42;
	call.call.ctx = &sum;
	call.done = submit_again;
	call.arg = q;
	store_queue_submit(q, &call);
	store_queue_stop(q, 5000);
	cr_expect(eq(uint, answered, 2));
	cr_expect(eq(uint, sum, 42));
	cr_expect(eq(int, call.result, -ECANCELED));
	fixture_release(&f);
}

Test(store_queue, a_store_that_was_never_there_is_away_from_the_start)
{
	struct store_queue *q = NULL;
	struct store *store = NULL;
	struct err err = ERR_INIT;
	uint64_t begun = clock_mono_ms();

	cr_assert(eq(int, store_open("sqlite", "/nonexistent", NULL, &store, &err), 0));
	cr_assert(eq(int, store_queue_start(store, NULL, &q, &err), 0));
	(void)usleep(100000);
	cr_expect(ge(u64, store_queue_away_since(q), begun));
	store_queue_stop(q, 0);
}

Test(store_queue, a_server_that_restarts_loses_no_row)
{
	static struct store_request puts[ROWS];
	static struct fixture_row rows[ROWS];
	struct postgres_server *server = NULL;
	struct err err = ERR_INIT;
	struct sql *session;
	struct store_queue *q;
	struct fixture f;
	char jobs[ROWS][16];

	if (fixture_postgres_dir() == NULL)
		cr_skip_test("PostgreSQL is not installed");
	fixture_dir(&f);
	cr_assert(eq(int, postgres_server_new(&server, &err), 0), "%s", err.text);
	cr_assert(eq(int,
	    postgres_database_new(postgres_server_dir(server), f.url, &err), 0));
	fixture_reopen(&f);
	cr_assert(eq(int, store_migrate(f.store, STORE_MIGRATE_APPLY, NULL, &err), 0));
	q = start(&f);
	for (int i = 0; i < ROWS; i++) {
		(void)snprintf(jobs[i], sizeof(jobs[i]), "job-%d", i);
		puts[i] = request(STORE_OP_PUT);
		puts[i].put.row = fixture_row(&rows[i], jobs[i], jobs[i]);
		store_queue_submit(q, &puts[i]);
		if (i == ROWS / 2)
			cr_assert(
			    eq(int, postgres_server_stop(server, SIGQUIT, &err), 0));
	}
	(void)usleep(50000);
	cr_assert(eq(int, postgres_server_start(server, &err), 0), "%s", err.text);
	await_answers(q, ROWS);
	for (int i = 0; i < ROWS; i++) {
		cr_expect(eq(int, puts[i].result, 0), "%s", puts[i].err.text);
		store_outcome_release(&puts[i].put.outcome);
	}
	session = fixture_session(&f);
	cr_expect(eq(i64, fixture_number(session, "SELECT count(*) FROM agent_results"),
	    ROWS));
	session->driver->close(session);
	store_queue_stop(q, 0);
	fixture_release(&f);
	postgres_server_free(server);
}

Test(store_queue, every_operation_has_a_name)
{
	for (int i = 0; i < STORE_OP_COUNT; i++)
		cr_expect(ne(str, (char *)(uintptr_t)store_op_name((enum store_op)i),
		    (char[]){ "?" }));
}
