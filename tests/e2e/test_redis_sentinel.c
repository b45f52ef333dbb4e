/* SPDX-License-Identifier: MIT */
/*
 * test_redis_sentinel.c - real sentinels move the master under load: every process finds
 * the new one, and what the old one had passed on is done exactly once.
 *
 * AGENT_RUNNER_LONG=1 runs three sentinels of which two must agree, and more failovers.
 */
#include "config.h"

#include "common/clock.h"
#include "tests/e2e/e2e.h"
#include "tests/support/redis_server.h"
#include "tests/support/tls_files.h"

#include <sys/stat.h>

enum {
	JOBS = 24,
	SENTINELS_MAX = 3,
	FAILOVER_MS = 60000
};

/* Two servers, which are master in turn, and those who watch them. */
static struct harness *h;
static unsigned short ports[2], sentinel_ports[SENTINELS_MAX];
static char port_texts[2][8];
static struct redis_server *second;
static struct proc sentinels[SENTINELS_MAX];
static int n_sentinels, master; /* master: index into ports */
static bool is_tls;
static char tls_files[3][PROC_PATH_MAX]; /* certificate, key, authority */

TestSuite(redis_sentinel, .timeout = 600);

static bool
is_long(void)
{
	const char *text = getenv("AGENT_RUNNER_LONG");

	return text != NULL && strcmp(text, "1") == 0;
}

static const char *
sentinel_socket(int i)
{
	static char path[PROC_PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/sentinel%d.sock", harness_dir(h), i);
	return path;
}

static void
start_sentinel(int i)
{
	char name[32], path[PROC_PATH_MAX], text[4096];
	char *argv[] = { (char *)(uintptr_t) "/usr/bin/env",
		(char *)(uintptr_t) "redis-server", path,
		(char *)(uintptr_t) "--sentinel", NULL };
	struct err err = ERR_INIT;

	(void)snprintf(name, sizeof(name), "sentinel%d", i);
	(void)snprintf(text, sizeof(text),
	    "%s %u\nbind 127.0.0.1\ndir %s\nunixsocket %s\n"
	    "sentinel monitor main 127.0.0.1 %u %d\n"
	    "sentinel down-after-milliseconds main 1000\n"
	    "sentinel failover-timeout main 10000\n"
	    "requirepass watchword\nsentinel sentinel-pass watchword\n",
	    is_tls ? "port 0\ntls-port" : "port", sentinel_ports[i], harness_dir(h),
	    sentinel_socket(i), ports[0], n_sentinels / 2 + 1);
	if (is_tls)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text),
		    "tls-replication yes\ntls-auth-clients no\ntls-cert-file %s\n"
		    "tls-key-file %s\ntls-ca-cert-file %s\n",
		    tls_files[0], tls_files[1], tls_files[2]);
	harness_write_file(h, name, text);
	(void)snprintf(path, sizeof(path), "%s/%s", harness_dir(h), name);
	cr_assert(proc_start(&sentinels[i], harness_dir(h), name, argv,
		      &(struct proc_options){ 0 }, &err) == 0,
	    "%s", err_text(&err));
}

static redisReply *
ask_sentinel(int i, const char *command)
{
	redisContext *c = redisConnectUnix(sentinel_socket(i));
	redisReply *reply = NULL;

	if (c != NULL && c->err == 0) {
		freeReplyObject(redisCommand(c, "AUTH watchword"));
		reply = redisCommand(c, command);
	}
	if (c != NULL)
		redisFree(c);
	return reply;
}

/* The sentinel knows the replica and its fellows: only then can it fail over. */
static bool
sentinels_are_ready(struct harness *unused, void *arg)
{
	(void)unused;
	(void)arg;
	for (int i = 0; i < n_sentinels; i++) {
		redisReply *r = ask_sentinel(i, "SENTINEL CKQUORUM main");
		redisReply *replicas = ask_sentinel(i, "SENTINEL REPLICAS main");
		redisReply *others = ask_sentinel(i, "SENTINEL SENTINELS main");
		bool is_ready = r != NULL && r->type == REDIS_REPLY_STATUS &&
		    replicas != NULL && replicas->elements == 1 && others != NULL &&
		    others->elements == (size_t)n_sentinels - 1;

		freeReplyObject(r);
		freeReplyObject(replicas);
		freeReplyObject(others);
		if (!is_ready)
			return false;
	}
	return true;
}

static const char *const tls_options[] = { "--tls-cert-file", tls_files[0],
	"--tls-key-file", tls_files[1], "--tls-ca-cert-file", tls_files[2],
	"--tls-auth-clients", "no", "--tls-replication", "yes" };

static void
make_tls_files(void)
{
	static const char *const names[] = { "server.pem", "server.key", "ca.pem" };

	cr_assert(tls_files_make(harness_dir(h)));
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		(void)snprintf(tls_files[i], sizeof(tls_files[i]), "%s/%s",
		    harness_dir(h), names[i]);
	for (size_t i = 0; i < ARRAY_LEN(tls_options); i++)
		harness_redis_arg(h, tls_options[i]);
	harness_set(h, "redis.ca_file", "\"%s\"", tls_files[2]);
}

static void
begin(void)
{
	const char *extra[24] = { is_tls ? "--tls-port" : "--port", port_texts[1],
		"--bind", "127.0.0.1", "--replicaof", "127.0.0.1", port_texts[0],
		"--appendonly", "yes", "--unixsocketperm", "777",
		"--repl-diskless-sync-delay", "0" };
	CLEANUP_BUF struct buf list = BUF_INIT;

	h = e2e_new();
	if (is_tls) {
		make_tls_files();
		memcpy(extra + 13, tls_options, sizeof(tls_options));
	}
	n_sentinels = is_long() ? SENTINELS_MAX : 1;
	for (int i = 0; i < 2; i++) {
		ports[i] = free_port();
		(void)snprintf(port_texts[i], sizeof(port_texts[i]), "%u", ports[i]);
	}
	harness_redis_arg(h, is_tls ? "--tls-port" : "--port");
	harness_redis_arg(h, port_texts[0]);
	harness_redis_arg(h, "--repl-diskless-sync-delay");
	harness_redis_arg(h, "0");
	buf_addf(&list, "127.0.0.1:%u", free_port()); /* the first one is not there */
	for (int i = 0; i < n_sentinels; i++)
		buf_addf(&list, ",localhost:%u", sentinel_ports[i] = free_port());
	harness_set(h, "redis.url", "\"%s://%s/main\"",
	    is_tls ? "sentinels" : "sentinel", buf_str(&list));
	harness_set(h, "redis.sentinel_password", "\"watchword\"");
	harness_set(h, "queue.lease_sec", "3");
	harness_servers(h);
	second = redis_server_start(extra);
	cr_assert(second != NULL);
	(void)chmod(redis_server_dir(second), 0755);
	for (int i = 0; i < n_sentinels; i++)
		start_sentinel(i);
	harness_wait_until(h, sentinels_are_ready, NULL, FAILOVER_MS,
	    "the sentinels know everybody");
	harness_daemon(h);
}

static void
end(void)
{
	harness_stop(h);
	for (int i = 0; i < n_sentinels; i++)
		proc_kill(&sentinels[i]);
	redis_server_stop(second);
	harness_free(h);
}

static struct redis_server *
server(int i)
{
	return i == 0 ? harness_redis_server(h) : second;
}

static bool
has_moved(struct harness *unused, void *arg)
{
	redisReply *r = harness_redis(h, "ROLE");
	bool is_master = r->type == REDIS_REPLY_ARRAY && r->elements > 0 &&
	    strcmp(r->element[0]->str, "master") == 0;

	(void)unused;
	(void)arg;
	freeReplyObject(r);
	return is_master;
}

static bool
replica_has_all(struct harness *unused, void *arg)
{
	redisReply *r = harness_redis(h, "WAIT 1 100");
	bool has_all = r->type == REDIS_REPLY_INTEGER && r->integer == 1;

	(void)unused;
	(void)arg;
	freeReplyObject(r);
	return has_all;
}

static void
push_some(const char *prefix)
{
	char id[32];

	for (int i = 0; i < JOBS; i++) {
		(void)snprintf(id, sizeof(id), "%s-%d", prefix, i);
		harness_push_job(h, id, "go", "");
	}
}

/* Each has one result, at its first attempt, and nobody is blamed. */
static void
expect_some(const char *prefix)
{
	char id[32];

	for (int i = 0; i < JOBS; i++) {
		const struct json *r;

		(void)snprintf(id, sizeof(id), "%s-%d", prefix, i);
		r = harness_result(h, id, FAILOVER_MS);
		cr_expect_str_eq(text_at(h, r, "status"), "completed", "%s", id);
		cr_expect(eq(i64, int_at(r, "metadata.attempts"), 1), "%s", id);
		cr_expect(harness_redis_int(h, "LLEN agent:results:%s", id) == 0,
		    "%s was published twice", id);
		harness_clear(h);
	}
}

static bool
some_are_done(struct harness *unused, void *arg)
{
	(void)unused;
	(void)arg;
	return harness_redis_int(h, "HGET agent:counters done") > 0;
}

/* We talk to whoever will be master; the daemon must find out by itself. */
static void
expect_the_other_to_be_master(void)
{
	master = 1 - master;
	harness_talk_to(h, redis_server_socket(server(master)));
	harness_wait_until(h, has_moved, NULL, FAILOVER_MS, "the replica is master");
}

static bool
is_replica(struct harness *unused, void *arg)
{
	redisReply *r = ask_sentinel(0, "SENTINEL CKQUORUM main");
	redisReply *replicas = harness_redis(h, "INFO replication");
	bool is_so = r != NULL && r->type == REDIS_REPLY_STATUS &&
	    strstr(replicas->str, "state=online") != NULL;

	(void)unused;
	(void)arg;
	freeReplyObject(r);
	freeReplyObject(replicas);
	return is_so;
}

/* The master dies with half of the jobs done; what it had passed on loses nothing. */
Test(redis_sentinel, the_death_of_the_master_loses_nothing_that_was_replicated)
{
	begin();
	harness_llm_script(h,
	    "{\"rules\":[{\"reply\":{\"content\":\"x\",\"delay_ms\":400}}]}");
	for (int round = 0; round < (is_long() ? 6 : 1); round++) {
		char prefix[16];
		uint64_t start;

		(void)snprintf(prefix, sizeof(prefix), "kill%d", round);
		push_some(prefix);
		harness_wait_until(h, some_are_done, NULL, HARNESS_WAIT_MS,
		    "some jobs are done");
		harness_wait_until(h, replica_has_all, NULL, FAILOVER_MS,
		    "the replica follows");
		redis_server_kill(server(master));
		start = clock_mono_ms();
		expect_the_other_to_be_master();
		cr_log_info("new master after %llu ms",
		    (unsigned long long)(clock_mono_ms() - start));
		expect_some(prefix);
		cr_log_info("all jobs after %llu ms",
		    (unsigned long long)(clock_mono_ms() - start));
		cr_assert(redis_server_restart(server(1 - master)));
		harness_wait_until(h, is_replica, NULL, FAILOVER_MS,
		    "the former master follows");
	}
	end();
}

/* An ordered change, over TLS all around: the old master lives on as a replica and says READONLY. */
Test(redis_sentinel, a_master_that_becomes_a_replica_is_left)
{
	redisReply *r;

	is_tls = true;
	begin();
	harness_llm_script(h,
	    "{\"rules\":[{\"reply\":{\"content\":\"x\",\"delay_ms\":200}}]}");
	push_some("move");
	harness_wait_until(h, some_are_done, NULL, HARNESS_WAIT_MS,
	    "some jobs are done");
	harness_wait_until(h, replica_has_all, NULL, FAILOVER_MS,
	    "the replica follows");
	r = ask_sentinel(0, "SENTINEL FAILOVER main");
	cr_assert(r != NULL && r->type == REDIS_REPLY_STATUS, "%s",
	    r != NULL ? r->str : "no answer");
	freeReplyObject(r);
	expect_the_other_to_be_master();
	expect_some("move");
	end();
}
