/* SPDX-License-Identifier: MIT */
/*
 * test_store_faults.c - the result store stops, breaks off, fills up or lies: finished
 * results are kept and stored later, no answer of the model is paid twice, no attempt is
 * spent, and what can never be stored comes to an end.
 */
#include "config.h"

#include "common/clock.h"
#include "tests/e2e/e2e.h"
#include "tests/support/cut_proxy.h"
#include "tests/support/postgres_server.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/stat.h>

enum {
	WORKERS = 2,
	PLACES = 8, /* of a worker */
	WAIT_MS = 90000
};

TestSuite(store_faults, .timeout = 240);

static struct harness *h;
static int n_pushed;

static void
begin(bool with_postgres)
{
	h = e2e_new();
	n_pushed = 0;
	if (with_postgres)
		harness_use_postgres(h);
	harness_set(h, "queue.lease_sec", "3");
}

static void
start(unsigned answer_ms)
{
	char text[128];

	harness_start(h);
	harness_wait_log(h, "worker/0: ready");
	harness_wait_log(h, "worker/1: ready");
	(void)snprintf(text, sizeof(text),
	    "{\"rules\":[{\"reply\":{\"content\":\"x\",\"delay_ms\":%u}}]}", answer_ms);
	harness_llm_script(h, text);
}

static void
end(void)
{
	harness_stop(h);
	harness_free(h);
}

static void
push_some(int n)
{
	char id[32];

	for (int i = 0; i < n; i++) {
		(void)snprintf(id, sizeof(id), "j%d", n_pushed++);
		harness_push_job(h, id, "go", "");
	}
}

/* Each completed at its first attempt, stored once, paid once. */
static void
expect_all(void)
{
	char id[32], count[16];

	for (int i = 0; i < n_pushed; i++) {
		const struct json *r;

		(void)snprintf(id, sizeof(id), "j%d", i);
		r = harness_result(h, id, WAIT_MS);
		cr_assert_str_eq(text_at(h, r, "status"), "completed", "%s: %s", id,
		    text_at(h, r, "error.message"));
		cr_expect(eq(i64, int_at(r, "metadata.attempts"), 1), "%s", id);
		harness_clear(h);
	}
	(void)snprintf(count, sizeof(count), "%d\n", n_pushed);
	cr_expect_str_eq(harness_sql(h, "SELECT count(*) FROM agent_results"), count);
	cr_expect(eq(llong, harness_llm_stat(h, "answers"), n_pushed));
}

/* ---- conditions ---- */

static bool
model_is_asked(struct harness *unused, void *n)
{
	(void)unused;
	return harness_llm_stat(h, "answers") >= *(long long *)n;
}

static void
wait_asked(long long n)
{
	harness_wait_until(h, model_is_asked, &n, WAIT_MS, "the model is asked");
}

static bool
is_unready(struct harness *unused, void *arg)
{
	CLEANUP_BUF struct buf body = BUF_INIT;

	(void)unused;
	(void)arg;
	return harness_http(h, "GET", "/health?ready=1", NULL, &body) == 503 &&
	    strstr(buf_str(&body), "no worker reaches the result store") != NULL;
}

static bool
is_ready(struct harness *unused, void *arg)
{
	(void)unused;
	(void)arg;
	return harness_is_ready(h);
}

static bool
store_is_down(struct harness *unused, void *arg)
{
	CLEANUP_BUF struct buf body = BUF_INIT;

	(void)unused;
	(void)arg;
	return harness_http(h, "GET", "/metrics", NULL, &body) == 200 &&
	    strstr(buf_str(&body), "\nagent_runner_store_up 0\n") != NULL;
}

/* The outage is known, and older than the five seconds after which nobody claims. */
static void
wait_for_patience(void)
{
	harness_wait_until(h, is_unready, NULL, WAIT_MS, "health knows of the outage");
	harness_wait_until(h, store_is_down, NULL, WAIT_MS, "so do the metrics");
	harness_sleep(7000);
}

static unsigned
count_in_log(const char *text)
{
	CLEANUP_BUF struct buf log = BUF_INIT;
	unsigned n = 0;

	proc_output(harness_proc(h), &log, 16 * 1024 * 1024);
	for (const char *at = buf_str(&log); (at = strstr(at, text)) != NULL; at++)
		n++;
	return n;
}

/* ---- PostgreSQL goes and comes ---- */

Test(store_faults, restarts_of_postgresql_under_load)
{
	static const int signals[] = { SIGINT, SIGQUIT };
	struct postgres_server *pg;
	struct err err = ERR_INIT;

	begin(true);
	start(150);
	pg = harness_postgres_server(h);
	for (int i = 0; i < 8; i++) {
		push_some(20);
		wait_asked(n_pushed - 15);
		cr_assert(postgres_server_stop(pg, signals[i % 2], &err) == 0, "%s",
		    err_text(&err));
		cr_assert(postgres_server_start(pg, &err) == 0, "%s", err_text(&err));
	}
	expect_all();
	end();
}

Test(store_faults, backends_are_killed_at_random)
{
	long long kills = 0;

	begin(true);
	start(50);
	for (int i = 0; i < 60; i++) {
		push_some(5);
		kills += atoll(harness_sql(h,
		    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
		    " WHERE application_name = 'agent-runner'"));
		harness_clear(h);
		harness_sleep((unsigned)(i * 7919 % 40));
	}
	expect_all();
	cr_expect(gt(llong, kills, 20));
	end();
}

/* The answer to a commit is lost before, after and within: what counts is read back. */
Test(store_faults, connections_are_cut_in_mid_commit)
{
	static const enum cut_where wheres[] = { CUT_BEFORE, CUT_AFTER, CUT_INSIDE };
	char listen_path[300], server_path[300], url[POSTGRES_URL_MAX], database[64];
	struct cut_proxy *proxy = NULL;
	struct err err = ERR_INIT;
	const char *name;

	begin(true);
	harness_set(h, "service.workers", "1"); /* the proxy serves one connection */
	harness_servers(h);
	(void)snprintf(listen_path, sizeof(listen_path), "%s/.s.PGSQL.5432",
	    harness_dir(h));
	(void)snprintf(server_path, sizeof(server_path), "%s/.s.PGSQL.5432",
	    postgres_server_dir(harness_postgres_server(h)));
	cr_assert(cut_proxy_new(listen_path, server_path, &proxy, &err) == 0, "%s",
	    err_text(&err));
	(void)chmod(listen_path, 0777);
	name = strstr(harness_database_url(h), "@/") + 2;
	(void)snprintf(database, sizeof(database), "%.*s", (int)strcspn(name, "?"),
	    name);
	postgres_url(harness_dir(h), database, url);
	harness_set(h, "database.url", "\"%s\"", url);
	harness_write_conf(h);
	harness_daemon(h);
	harness_llm_script(h, "{\"rules\":[{\"reply\":{\"content\":\"x\"}}]}");
	for (unsigned i = 0; i < 12; i++) {
		const struct json *r;
		char id[32];

		cut_proxy_arm(proxy, "put.1", wheres[i % ARRAY_LEN(wheres)]);
		push_some(1);
		(void)snprintf(id, sizeof(id), "j%u", i);
		r = harness_expect(h, id, "completed");
		cr_expect(eq(i64, int_at(r, "metadata.attempts"), 1), "%s", id);
		cr_expect(eq(uint, cut_proxy_cuts(proxy), i + 1));
	}
	cr_expect_str_eq(harness_sql(h, "SELECT count(*) FROM agent_results"), "12\n");
	cr_expect(eq(llong, harness_llm_stat(h, "answers"), 12));
	end();
	cut_proxy_free(proxy);
}

/* Nobody takes more than there are places, and what was finished is kept. */
static void
expect_no_more_than_the_places(void)
{
	long long asked = harness_llm_stat(h, "answers");

	cr_expect(le(llong, asked, WORKERS * PLACES));
	cr_expect(eq(llong,
	    harness_redis_int(h, "LLEN agent:jobs") +
		harness_redis_int(h, "ZCARD agent:delayed"),
	    n_pushed - asked));
	harness_sleep(1000);
	cr_expect(eq(llong, harness_llm_stat(h, "answers"), asked));
}

Test(store_faults, refused_for_longer_than_anybody_waits)
{
	struct postgres_server *pg;
	struct err err = ERR_INIT;

	begin(true);
	start(1500);
	pg = harness_postgres_server(h);
	push_some(40);
	wait_asked(WORKERS * PLACES);
	cr_assert(postgres_server_stop(pg, SIGINT, &err) == 0, "%s", err_text(&err));
	wait_for_patience();
	expect_no_more_than_the_places();
	cr_assert(postgres_server_start(pg, &err) == 0, "%s", err_text(&err));
	expect_all();
	harness_wait_until(h, is_ready, NULL, WAIT_MS, "ready again");
	cr_expect(le(uint, count_in_log("result store is away"), WORKERS));
	end();
}

/* ---- a disk is full ---- */

/* Reads go on; every write is refused, as by a full disk. */
Test(store_faults, writes_are_refused_by_a_full_disk)
{
	begin(true);
	start(1000);
	(void)harness_sql(h,
	    "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
	    "RAISE EXCEPTION 'could not extend file: No space left on device' "
	    "USING ERRCODE = '53100'; END $$");
	(void)harness_sql(h,
	    "CREATE TRIGGER full_disk BEFORE INSERT ON agent_results"
	    " FOR EACH ROW EXECUTE FUNCTION full_disk()");
	push_some(40);
	wait_for_patience();
	expect_no_more_than_the_places();
	(void)harness_sql(h, "DROP TRIGGER full_disk ON agent_results");
	expect_all();
	harness_wait_until(h, is_ready, NULL, WAIT_MS, "ready again");
	cr_expect(le(uint, count_in_log("result store is away"), WORKERS));
	end();
}

/* A small disk of this test's own; it goes with the process. False: not allowed here. */
static bool
mount_small(const char *path, const char *size)
{
	char options[32];

	(void)snprintf(options, sizeof(options), "size=%s,mode=0777", size);
	return unshare(CLONE_NEWNS) == 0 &&
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    (mkdir(path, 0777) == 0 || errno == EEXIST) &&
	    mount("tmpfs", path, "tmpfs", 0, options) == 0;
}

/* A file that leaves no byte free. */
static void
fill_disk(const char *path)
{
	CLEANUP(closep) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	char piece[4096] = "";

	cr_assert(fd >= 0);
	while (write(fd, piece, sizeof(piece)) > 0)
		;
	cr_assert(eq(int, errno, ENOSPC));
}

static void
full_state_disk(const char *more)
{
	char path[300];

	begin(false);
	(void)snprintf(path, sizeof(path), "%s/state", harness_dir(h));
	if (!mount_small(path, "6m")) {
		harness_free(h);
		cr_skip_test("no right to mount a small disk");
	}
	harness_set(h, "storage.max_inline_bytes", "1024");
	start(500);
	if (more != NULL)
		harness_llm_script(h, more);
	(void)snprintf(path, sizeof(path), "%s/state/junk", harness_dir(h));
	push_some(4);
	wait_asked(1);
	fill_disk(path);
	push_some(30);
	wait_for_patience();
	cr_expect(le(llong, harness_llm_stat(h, "answers"), 4 + 2 * WORKERS * PLACES));
	cr_assert(unlink(path) == 0);
	expect_all();
	harness_wait_until(h, is_ready, NULL, WAIT_MS, "ready again");
	end();
}

Test(store_faults, a_full_disk_under_sqlite)
{
	full_state_disk(NULL);
}

/* Every result is large: it goes to the content first. */
Test(store_faults, a_full_disk_under_large_values)
{
	full_state_disk(
	    "{\"rules\":[{\"reply\":{\"tool_calls\":[{\"name\":\"execute_pipeline\","
	    "\"arguments\":{\"session_id\":\"s\",\"pipeline\":[{\"step\":\"http_request\","
	    "\"url\":\"{{data_api}}/users\"}]}}],\"delay_ms\":500}}]}");
}

/* A real disk under PostgreSQL's table, full to the last page. */
Test(store_faults, a_full_disk_under_postgresql)
{
	char path[300], statement[400];
	struct stat owner;

	begin(true);
	(void)snprintf(path, sizeof(path), "%s/small", harness_dir(h));
	if (!mount_small(path, "4m")) {
		harness_free(h);
		cr_skip_test("no right to mount a small disk");
	}
	(void)snprintf(path, sizeof(path), "%s/small/space", harness_dir(h));
	start(500);
	cr_assert(stat(postgres_server_dir(harness_postgres_server(h)), &owner) == 0);
	cr_assert(
	    mkdir(path, 0700) == 0 && chown(path, owner.st_uid, owner.st_gid) == 0);
	(void)snprintf(statement, sizeof(statement),
	    "CREATE TABLESPACE small LOCATION '%s'", path);
	(void)harness_sql(h, statement);
	(void)harness_sql(h, "ALTER TABLE agent_results SET TABLESPACE small");
	(void)snprintf(path, sizeof(path), "%s/small/junk", harness_dir(h));
	fill_disk(path);
	push_some(60);
	wait_for_patience();
	cr_expect(lt(llong, harness_llm_stat(h, "answers"), 60));
	cr_assert(unlink(path) == 0);
	expect_all();
	harness_wait_until(h, is_ready, NULL, WAIT_MS, "ready again");
	(void)harness_sql(h, "ALTER TABLE agent_results SET TABLESPACE pg_default");
	end();
}

Test(store_faults, a_locked_sqlite_file)
{
	sqlite3 *locker = NULL;
	char path[300];

	begin(false);
	start(1000);
	(void)snprintf(path, sizeof(path), "%s",
	    harness_database_url(h) + strlen("sqlite:"));
	cr_assert(
	    sqlite3_open_v2(path, &locker, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK);
	cr_assert(
	    sqlite3_exec(locker, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK);
	push_some(40);
	wait_for_patience();
	expect_no_more_than_the_places();
	cr_assert(sqlite3_exec(locker, "ROLLBACK", NULL, NULL, NULL) == SQLITE_OK);
	(void)sqlite3_close(locker);
	expect_all();
	end();
}

/* ---- a row that nobody can store ---- */

Test(store_faults, a_row_that_is_refused_ends_and_spares_its_batch)
{
	const struct json *r;

	begin(true);
	start(700); /* so that many rows go in one statement */
	(void)harness_sql(h,
	    "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
	    "IF NEW.job_id = 'poison' THEN RAISE EXCEPTION 'invalid input syntax' USING "
	    "ERRCODE = '22P02'; END IF; RETURN NEW; END $$");
	(void)harness_sql(h,
	    "CREATE TRIGGER poison BEFORE INSERT ON agent_results"
	    " FOR EACH ROW EXECUTE FUNCTION poison()");
	push_some(7);
	harness_push_job(h, "poison", "go", "");
	r = harness_expect(h, "poison", "failed");
	cr_expect_str_eq(text_at(h, r, "error.type"), "storage_error");
	cr_expect(strstr(text_at(h, r, "error.message"), "invalid input") != NULL, "%s",
	    text_at(h, r, "error.message"));
	cr_expect(eq(i64, int_at(r, "metadata.attempts"), 1));
	wait_asked(8);
	/* and nothing of it is left */
	cr_expect(eq(llong, harness_redis_int(h, "ZCARD agent:delayed"), 0));
	for (int i = 0; i < n_pushed; i++) {
		char id[32];

		(void)snprintf(id, sizeof(id), "j%d", i);
		(void)harness_expect(h, id, "completed");
	}
	cr_expect(eq(llong, harness_llm_stat(h, "answers"), 8));
	end();
}

/* ---- the content directory ---- */

static char damaged_path[512];

static const char large_results[] =
    "{\"rules\":[{\"reply\":{\"tool_calls\":[{\"name\":\"execute_pipeline\",\"arguments\":{"
    "\"session_id\":\"s\",\"pipeline\":[{\"step\":\"http_request\","
    "\"url\":\"{{data_api}}/big?rows=100\"}]}}],\"delay_ms\":500}}]}";

Test(store_faults, content_that_cannot_be_written_is_kept)
{
	char path[300];

	begin(false);
	harness_set(h, "storage.max_inline_bytes", "1024");
	start(0);
	harness_llm_script(h, large_results);
	(void)snprintf(path, sizeof(path), "%s/state/cas", harness_dir(h));
	cr_assert(mkdir(path, 0555) == 0);
	push_some(40);
	wait_for_patience();
	expect_no_more_than_the_places();
	cr_assert(chmod(path, 0777) == 0);
	expect_all();
	harness_wait_until(h, is_ready, NULL, WAIT_MS, "ready again");
	end();
}

static int
find_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	if (type == FTW_F)
		(void)snprintf(damaged_path, sizeof(damaged_path), "%s", path);
	return 0;
}

/* One bit of the only content. */
static void
damage_content(void)
{
	CLEANUP(closep) int fd = -1;
	char path[300], byte;

	(void)snprintf(path, sizeof(path), "%s/state/cas", harness_dir(h));
	damaged_path[0] = '\0';
	cr_assert(nftw(path, find_file, 8, FTW_PHYS) == 0 && damaged_path[0] != '\0');
	fd = open(damaged_path, O_RDWR | O_CLOEXEC);
	cr_assert(fd >= 0 && pread(fd, &byte, 1, 1000) == 1);
	byte ^= 1;
	cr_assert(pwrite(fd, &byte, 1, 1000) == 1);
}

Test(store_faults, a_damaged_value_is_never_given_out)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	const char *result[] = { NULL, "-c", NULL, "result", "--raw", NULL, NULL };
	const struct json *r;
	char script[600], ref[128];

	begin(false);
	harness_set(h, "storage.max_inline_bytes", "1024");
	start(0);
	harness_llm_script(h, large_results);
	push_some(1);
	r = harness_expect(h, "j0", "completed");
	(void)snprintf(ref, sizeof(ref), "%s", text_at(h, r, "result_ref"));
	cr_assert(strncmp(ref, "cas://", 6) == 0, "%s", ref);
	damage_content();
	/* to a person */
	result[0] = harness_program(h, "agentctl");
	result[2] = harness_conf_path(h);
	result[5] = ref;
	cr_expect(ne(int, harness_run(h, result, &out), 0));
	cr_expect(strstr(buf_str(&out), "damaged") != NULL && out.len < 600, "%.600s",
	    buf_str(&out));
	/* to a job */
	(void)snprintf(script, sizeof(script),
	    "{\"rules\":[{\"when\":{\"turn\":0},\"reply\":{\"tool_calls\":[{\"name\":"
	    "\"execute_pipeline\",\"arguments\":{\"session_id\":\"s\",\"input_ref\":\"%s\","
	    "\"pipeline\":[{\"step\":\"top_k\",\"k\":1}]}}]}},"
	    "{\"reply\":{\"content\":\"no\"}}]}",
	    ref);
	harness_llm_script(h, script);
	harness_push_job(h, "reader", "go", "");
	r = harness_result(h, "reader", WAIT_MS);
	cr_expect_str_eq(text_at(h, r, "error.type"), "storage_error");
	cr_expect(strstr(text_at(h, r, "error.message"), "damaged") != NULL, "%s",
	    text_at(h, r, "error.message"));
	end();
}

static bool
has_record(struct harness *unused, void *arg)
{
	(void)unused;
	(void)arg;
	return harness_redis_int(h, "LLEN agent:journal:long") >= 1;
}

/* A record of the journal that is too long for Redis stands in the content. */
Test(store_faults, a_damaged_journal_fails_the_job)
{
	CLEANUP_BUF struct buf script = BUF_INIT;
	const struct json *r;

	begin(false);
	start(0);
	buf_adds(&script, "{\"rules\":[{\"reply\":{\"content\":\"");
	for (int i = 0; i < 40 * 1024; i++)
		buf_addc(&script, 'x');
	buf_adds(&script,
	    "\",\"tool_calls\":[{\"name\":\"execute_pipeline\",\"arguments\":{"
	    "\"session_id\":\"s\",\"pipeline\":[{\"step\":\"http_request\","
	    "\"url\":\"{{data_api}}/slow?ms=60000\"}]}}]}}]}");
	harness_llm_script(h, buf_str(&script));
	harness_push_job(h, "long", "go", "");
	harness_wait_until(h, has_record, NULL, WAIT_MS, "the answer is journalled");
	damage_content();
	(void)harness_kill_child(h, "worker", 0, SIGKILL);
	(void)harness_kill_child(h, "worker", 1, SIGKILL);
	r = harness_result(h, "long", WAIT_MS);
	cr_expect_str_eq(text_at(h, r, "error.type"), "storage_error");
	cr_expect(strstr(text_at(h, r, "error.message"), "damaged") != NULL, "%s",
	    text_at(h, r, "error.message"));
	cr_expect(eq(llong, harness_llm_stat(h, "answers"), 1)); /* nor paid again */
	end();
}
