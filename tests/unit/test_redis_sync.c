/* SPDX-License-Identifier: MIT */
/*
 * test_redis_sync.c - the blocking client: credentials, time limits, loss and return of
 * the server, and the checks at a start.
 */
#include "config.h"

#include "common/clock.h"
#include "common/queue/queue_client.h"
#include "tests/support/queue_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <hiredis.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct fixture f;

static void
setup(void)
{
	fixture_init(&f);
}

static void
teardown(void)
{
	fixture_release(&f);
}

TestSuite(redis_sync, .init = setup, .fini = teardown, .timeout = 60);

static int
ping(struct redis_sync *s, struct err *err)
{
	CLEANUP(redis_reply_freep) redisReply *reply = NULL;

	return redis_sync_call(s, &reply, err, "PING", NULL);
}

static struct redis_sync *
client(const char *url, uint64_t command_ms)
{
	struct redis_sync_options o = { .url = url,
		.run_dir = "",
		.command_ms = command_ms,
		.connect_ms = 500 };
	struct redis_sync *s = NULL;
	struct err err = ERR_INIT;

	cr_assert(redis_sync_new(&o, &s, &err) == 0, "%s", err.text);
	return s;
}

static void
nap(uint64_t ms)
{
	(void)nanosleep(&(struct timespec){ .tv_sec = (time_t)(ms / 1000),
			    .tv_nsec = (long)(ms % 1000) * 1000000 },
	    NULL);
}

Test(redis_sync, a_lost_server_is_away_and_comes_back_as_a_new_epoch)
{
	struct err err = ERR_INIT;
	uint64_t epoch;
	int tries = 0;

	cr_assert(ping(f.redis, &err) == 0);
	epoch = redis_sync_epoch(f.redis);
	cr_expect(epoch == 1);
	redis_server_kill(f.server);
	cr_expect(ping(f.redis, &err) == -EAGAIN, "%s", err.text);
	cr_expect(!redis_sync_is_up(f.redis));
	cr_expect(ping(f.redis, &err) == -EAGAIN);
	cr_expect(redis_sync_wait_ms(f.redis) > 0);
	cr_assert(redis_server_restart(f.server));
	while (ping(f.redis, &err) != 0 && tries++ < 100)
		nap(50);
	cr_expect(redis_sync_is_up(f.redis));
	cr_expect(redis_sync_epoch(f.redis) == epoch + 1);
}

Test(redis_sync, a_silent_server_costs_no_more_than_the_time_limit)
{
	struct redis_sync *s = client(redis_server_url(f.server), 200);
	struct err err = ERR_INIT;
	uint64_t before;

	cr_assert(ping(s, &err) == 0);
	redis_server_pause(f.server, true);
	before = clock_mono_ms();
	cr_expect(ping(s, &err) == -EAGAIN);
	cr_expect(clock_mono_ms() - before < 5000);
	cr_expect(strstr(err.text, "no answer in time") != NULL, "%s", err.text);
	redis_server_pause(f.server, false);
	nap(60);
	cr_expect(ping(s, &err) == 0, "%s", err.text);
	redis_sync_free(s);
}

Test(redis_sync, the_time_limit_holds_after_a_reconnection_too)
{
	struct redis_sync *s = client(redis_server_url(f.server), 200);
	struct err err = ERR_INIT;
	uint64_t before;

	cr_assert(ping(s, &err) == 0);
	redis_sync_close(s);
	cr_assert(ping(s, &err) == 0);
	redis_server_pause(f.server, true);
	before = clock_mono_ms();
	cr_expect(ping(s, &err) == -EAGAIN);
	cr_expect(clock_mono_ms() - before < 5000);
	redis_server_pause(f.server, false);
	redis_sync_free(s);
}

Test(redis_sync, credentials_and_database_are_sent)
{
	char url[300];
	struct redis_sync *s;
	struct err err = ERR_INIT;
	CLEANUP(redis_reply_freep) redisReply *reply = NULL;

	DO(&f, "ACL", "SETUSER", "u", "on", ">p@ss", "~*", "+@all", "&*");
	DO(&f, "CONFIG", "SET", "requirepass", "default word");
	(void)snprintf(url, sizeof(url), "%s?user=u&password=p%%40ss&db=3",
	    redis_server_url(f.server));
	s = client(url, 0);
	cr_assert(redis_sync_call(s, &reply, &err, "SET", "k", "v", NULL) == 0, "%s",
	    err.text);
	redis_sync_free(s);
	DO(&f, "SELECT", "3");
	cr_expect_str_eq(TEXT(&f, "GET", "k"), "v");
	(void)snprintf(url, sizeof(url), "%s?password=default%%20word",
	    redis_server_url(f.server));
	s = client(url, 0);
	cr_expect(ping(s, &err) == 0, "%s", err.text);
	redis_sync_free(s);
	(void)snprintf(url, sizeof(url), "%s?password=wrong",
	    redis_server_url(f.server));
	s = client(url, 0);
	cr_expect(ping(s, &err) == -EACCES, "%s", err.text);
	cr_expect(strstr(err.text, "wrong") == NULL);
	redis_sync_free(s);
}

static const struct {
	const char *text;
	int want;
} errors[] = {
	{ "LOADING Redis is loading the dataset in memory", -EAGAIN },
	{ "MISCONF Redis is configured to save RDB snapshots", -EAGAIN },
	{ "OOM command not allowed when used memory > 'maxmemory'.", -EAGAIN },
	{ "READONLY You can't write against a read only replica.", -EAGAIN },
	{ "MASTERDOWN Link with MASTER is down", -EAGAIN },
	{ "BUSY Redis is busy running a script.", -EAGAIN },
	{ "NOREPLICAS Not enough good replicas to write.", -EAGAIN },
	{ "NOSCRIPT No matching script. Please use EVAL.", -ENOENT },
	{ "NOAUTH Authentication required.", -EACCES },
	{ "NOPERM this user has no permissions", -EACCES },
	{ "BUSYGROUP no", -EIO },
	{ "ERR unknown command", -EIO },
	{ "WRONGTYPE Operation against a key", -EIO },
};

Test(redis_sync, error_words_are_translated)
{
	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		char text[100];
		redisReply reply = { .type = REDIS_REPLY_ERROR, .str = text };
		struct err err = ERR_INIT;

		(void)snprintf(text, sizeof(text), "%s", errors[i].text);
		cr_expect(queue_reply_error(&reply, &err) == errors[i].want, "%s",
		    text);
		cr_expect(err.code == errors[i].want);
	}
	cr_expect(queue_reply_error(NULL, NULL) == -EAGAIN);
}

Test(redis_sync, a_full_server_is_away_and_loses_nothing)
{
	struct queue_command c;
	struct queue_job_ref job = { "n.b.0.1", queue_text("j"), 1 };
	struct err err = ERR_INIT;

	do_register(&f, "n.b.0.1");
	cr_assert(take(&f, "n.b.0.1", "{p}", "j") == 1);
	DO(&f, "CONFIG", "SET", "maxmemory", "1");
	queue_cmd_journal(&c, &f.setup, &job, 0, queue_text("record"), NULL);
	redis_reply_freep(&f.reply);
	cr_expect(queue_run(f.redis, &c, &f.reply, &f.answer, &err) == -EAGAIN, "%s",
	    err.text);
	DO(&f, "CONFIG", "SET", "maxmemory", "0");
	cr_expect(run(&f, &c) == QUEUE_OK);
	DO(&f, "CONFIG", "SET", "maxmemory", "1");
	queue_cmd_finish(&c, &f.setup, &job, false, queue_text("m"));
	redis_reply_freep(&f.reply);
	if (queue_run(f.redis, &c, &f.reply, &f.answer, &err) == 0) {
		/* a script that has begun to write goes on to its end */
		cr_expect(f.answer.word == QUEUE_OK);
	} else {
		cr_expect(err.code == -EAGAIN, "%s", err.text);
		cr_expect_str_eq(state_of(&f, "j"), "held");
	}
}

Test(redis_sync, replies_of_another_shape_are_refused)
{
	redisReply word = { .type = REDIS_REPLY_STRING,
		.str = (char[]){ "OK" },
		.len = 2 };
	redisReply *items[] = { &word };
	redisReply array = { .type = REDIS_REPLY_ARRAY,
		.elements = 1,
		.element = items };
	redisReply nil = { .type = REDIS_REPLY_NIL };
	struct queue_answer a = { .word = QUEUE_GONE };

	cr_expect(queue_parse(QUEUE_OP_BEGIN, &array, &a, NULL) == -EPROTO);
	cr_expect(queue_parse(QUEUE_OP_BEGIN, &nil, &a, NULL) == -EPROTO);
	word.str = (char[]){ "HA" };
	cr_expect(queue_parse(QUEUE_OP_RETRY, &array, &a, NULL) == -EPROTO);
	cr_expect(a.word == QUEUE_GONE);
	word.str = (char[]){ "OK" };
	cr_expect(queue_parse(QUEUE_OP_RETRY, &array, &a, NULL) == 0);
	cr_expect(a.word == QUEUE_OK);
}

/* ---- checks at a start ---- */

Test(redis_sync, an_evicting_server_is_refused_unless_allowed)
{
	struct err err = ERR_INIT, warning = ERR_INIT;

	cr_expect(queue_check_server(f.redis, false, &warning, &err) == 0, "%s",
	    err.text);
	cr_expect(strstr(warning.text, "append-only") != NULL, "%s", warning.text);
	DO(&f, "CONFIG", "SET", "appendonly", "yes");
	cr_expect(queue_check_server(f.redis, false, &warning, &err) == 0);
	cr_expect_str_eq(warning.text, "");
	DO(&f, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
	cr_expect(queue_check_server(f.redis, false, &warning, &err) == -EINVAL);
	cr_expect(strstr(err.text, "redis.allow_eviction") != NULL, "%s", err.text);
	cr_expect(queue_check_server(f.redis, true, NULL, &err) == 0);
}

Test(redis_sync, a_cluster_is_refused)
{
	static const char *const cluster[] = { "--cluster-enabled", "yes", NULL };
	struct redis_server *server = redis_server_start(cluster);
	struct err err = ERR_INIT;
	struct redis_sync *s;

	if (server == NULL)
		cr_skip_test("this redis-server runs no cluster without a port");
	s = client(redis_server_url(server), 0);
	cr_expect(queue_check_server(s, false, NULL, &err) == -EPROTONOSUPPORT, "%s",
	    err.text);
	redis_sync_free(s);
	redis_server_stop(server);
}

Test(redis_sync, a_queue_belongs_to_one_store)
{
	struct err err = ERR_INIT;

	cr_expect(queue_meta_check(f.redis, &f.setup, "", &err) == 0, "%s", err.text);
	cr_expect(queue_meta_check(f.redis, &f.setup, "store-1", &err) == 0);
	cr_expect(queue_meta_check(f.redis, &f.setup, "store-1", &err) == 0);
	cr_expect(queue_meta_check(f.redis, &f.setup, "", &err) == 0);
	cr_expect(queue_meta_check(f.redis, &f.setup, "store-2", &err) == -EEXIST);
	cr_expect(strstr(err.text, "store-1") != NULL, "%s", err.text);
	DO(&f, "HSET", "agent:meta", "protocol", "999");
	cr_expect(queue_meta_check(f.redis, &f.setup, "store-1", &err) == -EEXIST);
}

Test(redis_sync, queue_names_change_only_while_nobody_works)
{
	struct err err = ERR_INIT;

	cr_expect(queue_meta_check(f.redis, &f.setup, "", &err) == 0);
	free(f.setup.jobs);
	f.setup.jobs = strdup("other:jobs");
	cr_expect(queue_meta_check(f.redis, &f.setup, "", &err) == 0);
	do_register(&f, "n.b.0.1");
	free(f.setup.jobs);
	f.setup.jobs = strdup("third:jobs");
	cr_expect(queue_meta_check(f.redis, &f.setup, "", &err) == -EEXIST);
	cr_expect(strstr(err.text, "other:jobs") != NULL, "%s", err.text);
}

/* ---- WAITAOF, by a stand-in for the servers that know it ---- */

static const struct {
	const char *name, *info, *waitaof; /* replies */
	int want;
	unsigned n_waits;
} waits[] = {
	{ "an old server", "*1\r\n*-1\r\n", "-ERR unknown command\r\n", 0, 0 },
	{ "written", "*1\r\n*1\r\n$7\r\nwaitaof\r\n", "*2\r\n:1\r\n:0\r\n", 0, 2 },
	{ "not in time", "*1\r\n*1\r\n$7\r\nwaitaof\r\n", "*2\r\n:0\r\n:0\r\n", -EAGAIN,
	    2 },
	{ "no such file", "*1\r\n*1\r\n$7\r\nwaitaof\r\n",
	    "-ERR WAITAOF cannot be used when appendonly is disabled.\r\n", -EIO, 2 },
};

/* Answers one client by the first word of each of its commands; ends with it. Its
   status is how often WAITAOF came. */
static void
stand_in(int listen_fd, size_t n)
{
	int fd = accept(listen_fd, NULL, NULL);
	char text[4096];
	ssize_t got;
	unsigned n_waits = 0;

	while ((got = read(fd, text, sizeof(text) - 1)) > 0) {
		const char *answer = ":1\r\n";

		text[got] = '\0';
		if (strstr(text, "\r\nPING\r\n") != NULL)
			answer = "+PONG\r\n";
		if (strstr(text, "\r\nCOMMAND\r\n") != NULL) {
			answer = waits[n].info;
		} else if (strstr(text, "\r\nWAITAOF\r\n") != NULL) {
			answer = waits[n].waitaof;
			n_waits++;
		}
		if (write(fd, answer, strlen(answer)) < 0)
			break;
	}
	_exit((int)n_waits);
}

Test(redis_sync, a_push_waits_for_the_file_where_the_server_can_tell)
{
	const struct queue_text payload = { "{}", 2 };

	f.setup.wait_aof = true;
	cr_expect(queue_submit(f.redis, &f.setup, payload, NULL) == 0);
	for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
		struct sockaddr_un a = { .sun_family = AF_UNIX };
		int fd = socket(AF_UNIX, SOCK_STREAM, 0), status = -1;
		char url[128];
		struct redis_sync *s;
		struct err err = ERR_INIT;
		pid_t pid;

		(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s/stand-in.%zu",
		    redis_server_dir(f.server), i);
		cr_assert(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
		    listen(fd, 1) == 0);
		pid = fork();
		if (pid == 0)
			stand_in(fd, i);
		(void)close(fd);
		(void)snprintf(url, sizeof(url), "unix://%s", a.sun_path);
		s = client(url, 2000);
		for (int k = 0; k < 2; k++)
			cr_expect(queue_submit(s, &f.setup, payload, &err) ==
				waits[i].want,
			    "%s: %s", waits[i].name, err.text);
		redis_sync_free(s);
		cr_assert(waitpid(pid, &status, 0) == pid);
		cr_expect(status == (int)waits[i].n_waits << 8, "%s: %x", waits[i].name,
		    (unsigned)status);
	}
}
