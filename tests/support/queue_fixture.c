/* SPDX-License-Identifier: MIT */
/*
 * queue_fixture.c - short words for what tests of the queue do all the time.
 *
 * Owns:   the server, the connection and the last reply.
 * Called: by tests/unit/test_queue_*.c and test_scheduler.c, in the test's own process.
 * Fails:  by cr_assert.
 */
#include "config.h"

#include "tests/support/queue_fixture.h"

#include <criterion/criterion.h>
#include <hiredis.h>
#include <signal.h>
#include <string.h>

void
fixture_init(struct fixture *f)
{
	static char jobs[] = "agent:jobs", results[] = "agent:results", none[] = "";
	struct conf conf = { .queue = { .jobs = jobs,
				 .results_prefix = results,
				 .completion_queue = none,
				 .result_ttl_sec = 86400,
				 .max_attempts = 3,
				 .max_crashes = 3,
				 .lease_sec = 30,
				 .dead_max = 100000 } };
	struct redis_sync_options options = { .run_dir = "" };
	struct err err = ERR_INIT;

	*f = (struct fixture){ 0 };
	if (!redis_server_is_installed())
		cr_skip_test("there is no redis-server");
	(void)signal(SIGPIPE, SIG_IGN);
	f->server = redis_server_start(NULL);
	cr_assert(f->server != NULL, "redis-server starts");
	options.url = redis_server_url(f->server);
	cr_assert(queue_setup_init(&f->setup, &conf) == 0);
	cr_assert(redis_sync_new(&options, &f->redis, &err) == 0, "%s", err.text);
}

void
fixture_release(struct fixture *f)
{
	redis_reply_freep(&f->reply);
	redis_sync_free(f->redis);
	queue_setup_release(&f->setup);
	redis_server_stop(f->server);
}

enum queue_word
run(struct fixture *f, struct queue_command *c)
{
	struct err err = ERR_INIT;
	int r;

	redis_reply_freep(&f->reply);
	r = queue_run(f->redis, c, &f->reply, &f->answer, &err);
	cr_assert(r == 0, "%s: %s", queue_op_name(c->op), err.text);
	return f->answer.word;
}

static void
call(struct fixture *f, const char *const *argv)
{
	const char *texts[16];
	size_t len[16];
	struct err err = ERR_INIT;
	int n = 0;

	redis_reply_freep(&f->reply);
	for (; argv[n] != NULL; n++) {
		texts[n] = argv[n];
		len[n] = strlen(argv[n]);
	}
	cr_assert(redis_sync_command(f->redis, n, texts, len, &f->reply, &err) == 0,
	    "%s: %s", argv[0], err.text);
}

int64_t
call_int(struct fixture *f, const char *const *argv)
{
	call(f, argv);
	return f->reply->type == REDIS_REPLY_INTEGER ? f->reply->integer : -1;
}

const char *
call_text(struct fixture *f, const char *const *argv)
{
	call(f, argv);
	return f->reply->type == REDIS_REPLY_STRING ||
		f->reply->type == REDIS_REPLY_STATUS
	    ? f->reply->str
	    : "";
}

void
do_register(struct fixture *f, const char *holder)
{
	struct queue_command c;

	queue_cmd_register(&c, &f->setup, holder, 1);
	cr_assert(run(f, &c) == QUEUE_OK);
}

void
push(struct fixture *f, const char *payload)
{
	DO(f, "RPUSH", f->setup.jobs, payload);
}

static bool
move(struct fixture *f, const char *from, const char *holder)
{
	CLEANUP_BUF struct buf key = BUF_INIT;

	queue_key_held(&key, holder);
	return TEXT(f, "LMOVE", from, buf_str(&key), "LEFT", "RIGHT")[0] != '\0';
}

bool
claim(struct fixture *f, const char *holder)
{
	return move(f, f->setup.jobs, holder);
}

bool
claim_alone(struct fixture *f, const char *holder)
{
	return move(f, f->setup.alone, holder);
}

enum queue_word
begin_retry(struct fixture *f, const char *holder, const char *payload,
    const char *digest, const char *id, int64_t retry_count)
{
	struct queue_begin b = { .holder = holder,
		.element = queue_text(payload),
		.id = queue_text(id),
		.claim = ++f->next_claim,
		.digest = queue_text(digest),
		.retry_count = retry_count };
	struct queue_command c;

	queue_cmd_begin(&c, &f->setup, &b);
	return run(f, &c);
}

enum queue_word
begin(struct fixture *f, const char *holder, const char *payload, const char *id)
{
	return begin_retry(f, holder, payload, payload, id, 0);
}

enum queue_word
begin_id(struct fixture *f, const char *holder, const char *id)
{
	struct queue_begin b = { .holder = holder,
		.is_id = true,
		.element = queue_text(id),
		.id = queue_text(id),
		.claim = ++f->next_claim };
	struct queue_command c;

	queue_cmd_begin(&c, &f->setup, &b);
	return run(f, &c);
}

int64_t
take(struct fixture *f, const char *holder, const char *payload, const char *id)
{
	push(f, payload);
	cr_assert(claim(f, holder));
	cr_assert(begin(f, holder, payload, id) == QUEUE_OK);
	return f->answer.begin.token;
}

static struct queue_job_ref
ref(const char *holder, const char *id, int64_t token)
{
	return (struct queue_job_ref){ .holder = holder,
		.id = queue_text(id),
		.token = token };
}

enum queue_word
finish(struct fixture *f, const char *holder, const char *id, int64_t token,
    const char *message)
{
	struct queue_job_ref job = ref(holder, id, token);
	struct queue_command c;

	queue_cmd_finish(&c, &f->setup, &job, false, queue_text(message));
	return run(f, &c);
}

enum queue_word
fail(struct fixture *f, const char *holder, const char *id, int64_t token,
    const char *message)
{
	struct queue_job_ref job = ref(holder, id, token);
	struct queue_command c;

	queue_cmd_finish(&c, &f->setup, &job, true, queue_text(message));
	return run(f, &c);
}

enum queue_word
bury(struct fixture *f, const char *holder, const char *id, int64_t token,
    const char *message)
{
	struct queue_job_ref job = ref(holder, id, token);
	struct queue_command c;

	queue_cmd_bury(&c, &f->setup, &job, queue_text(message), queue_text("crashed"),
	    queue_text("signal 11"));
	return run(f, &c);
}

enum queue_word
retry_job(struct fixture *f, const char *holder, const char *id, int64_t token,
    int64_t delay_ms)
{
	struct queue_job_ref job = ref(holder, id, token);
	struct queue_command c;

	queue_cmd_retry(&c, &f->setup, &job, delay_ms, queue_text("timeout"), 1500);
	return run(f, &c);
}

enum queue_word
release_job(struct fixture *f, const char *holder, const char *id, int64_t token,
    int64_t delay_ms)
{
	struct queue_job_ref job = ref(holder, id, token);
	struct queue_command c;

	queue_cmd_release(&c, &f->setup, &job, delay_ms, queue_text("outage"), 10);
	return run(f, &c);
}

enum queue_word
park(struct fixture *f, const char *holder, const char *id, int64_t token)
{
	struct queue_job_ref job = ref(holder, id, token);
	struct queue_command c;

	queue_cmd_park(&c, &f->setup, &job, queue_text("waits for a person"), 0);
	return run(f, &c);
}

enum queue_word
write_journal(struct fixture *f, const char *holder, const char *id, int64_t token,
    int64_t index, const char *record)
{
	struct queue_job_ref job = ref(holder, id, token);
	struct queue_command c;

	queue_cmd_journal(&c, &f->setup, &job, index, queue_text(record), NULL);
	return run(f, &c);
}

enum queue_word
recover_blaming(struct fixture *f, const char *holder, enum queue_blame blame,
    const char *culprit)
{
	struct queue_recover r = { .holder = holder,
		.is_told = true,
		.blame = blame,
		.culprit = queue_text(culprit),
		.evidence = queue_text("signal 11 in step llm"),
		.may_bury = true };
	struct queue_command c;

	queue_cmd_recover(&c, &f->setup, &r);
	return run(f, &c);
}

enum queue_word
recover(struct fixture *f, const char *holder)
{
	return recover_blaming(f, holder, QUEUE_BLAME_NONE, "");
}

enum queue_word
cancel(struct fixture *f, const char *id)
{
	struct queue_command c;

	queue_cmd_cancel(&c, &f->setup, queue_text(id));
	return run(f, &c);
}

const char *
state_of(struct fixture *f, const char *id)
{
	CLEANUP_BUF struct buf key = BUF_INIT;

	queue_key_job(&key, id, strlen(id));
	return TEXT(f, "HGET", buf_str(&key), "state");
}
