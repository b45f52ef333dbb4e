/* SPDX-License-Identifier: MIT */
/*
 * test_redis_tls.c - both clients over TLS against a real server: it is verified always,
 * by its chain and by its name, and it may ask for our certificate.
 */
#include "config.h"

#include "common/clock.h"
#include "common/queue/redis_sync.h"
#include "common/queue/redis_target.h"
#include "tests/support/redis_server.h"
#include "tests/support/tls_files.h"
#include "worker/redis.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <hiredis.h>
#include <signal.h>
#include <string.h>

enum {
	PATIENCE_MS = 30000,
	BIG = 3 * 1024 * 1024
};

static char dir[] = "/tmp/ar-redis-tls-XXXXXX";
static struct redis_server *server;
static unsigned short port;

static void
setup(void)
{
	char number[16], cert[64], key[64], ca[64];

	(void)signal(SIGPIPE, SIG_IGN);
	if (!redis_server_is_installed())
		cr_skip_test("redis-server is not installed");
	cr_assert(mkdtemp(dir) != NULL && tls_files_make(dir));
	port = free_port();
	(void)snprintf(number, sizeof(number), "%u", port);
	(void)snprintf(cert, sizeof(cert), "%s/server.pem", dir);
	(void)snprintf(key, sizeof(key), "%s/server.key", dir);
	(void)snprintf(ca, sizeof(ca), "%s/ca.pem", dir);
	server = redis_server_start((const char *const[]){ "--tls-port", number,
	    "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", ca,
	    "--tls-auth-clients", "optional", NULL });
	cr_assert(server != NULL);
}

static void
teardown(void)
{
	char command[128];

	redis_server_stop(server);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	cr_expect(system(command) == 0);
}

TestSuite(redis_tls, .init = setup, .fini = teardown, .timeout = 120);

/* What the test configures; texts in place of {DIR} and the port. */
struct wish {
	const char *host; /* of the URL */
	const char *ca, *cert, *key, *server_name;
};

static const char *
below(const char *name)
{
	static char text[4][128];
	static unsigned next;
	char *out = text[next++ % 4];

	out[0] = '\0';
	if (name != NULL)
		(void)snprintf(out, sizeof(text[0]), "%s/%s", dir, name);
	return out;
}

static int
target_of(const struct wish *w, struct redis_target **out, struct err *err)
{
	struct conf *conf = NULL;
	char text[1024];
	int r;

	(void)snprintf(text, sizeof(text),
	    "redis: { url = \"rediss://%s:%u/0\"; ca_file = \"%s\"; cert_file = \"%s\"; "
	    "key_file = \"%s\"; server_name = \"%s\"; };",
	    w->host, port, below(w->ca), below(w->cert), below(w->key),
	    w->server_name != NULL ? w->server_name : "");
	cr_assert(eq(int, conf_read_role(text, strlen(text), &conf, err), 0));
	r = redis_target_from_conf(conf, out, err);
	conf_free(conf);
	return r;
}

static const struct {
	struct wish wish;
	int want;
	const char *text; /* in the reason */
} cases[] = {
	{ { "localhost", "ca.pem", NULL, NULL, NULL }, 0, "" },
	{ { "127.0.0.1", "ca.pem", NULL, NULL, NULL }, 0, "" },
	{ { "127.0.0.1", "ca.pem", "client.pem", "client.key", "localhost" }, 0, "" },
	{ { "localhost", "other-ca.pem", NULL, NULL, NULL }, -EACCES,
	    "certificate is refused" },
	{ { "localhost", NULL, NULL, NULL, NULL }, -EACCES, "certificate is refused" },
	{ { "127.0.0.1", "ca.pem", NULL, NULL, "redis.example" }, -EACCES,
	    "hostname mismatch" },
	{ { "127.0.0.1", "ca.pem", NULL, NULL, "127.0.0.2" }, -EACCES,
	    "IP address mismatch" },
};

Test(redis_tls, the_server_is_verified)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(redis_target_freep) struct redis_target *target = NULL;
		CLEANUP(redis_sync_freep) struct redis_sync *s = NULL;
		struct redis_sync_options o = { 0 };
		struct err err = ERR_INIT;

		cr_assert(target_of(&cases[i].wish, &target, &err) == 0, "%s",
		    err.text);
		o.target = target;
		cr_assert(redis_sync_new(&o, &s, &err) == 0);
		cr_expect(redis_sync_connect(s, &err) == cases[i].want, "%zu: %s", i,
		    err.text);
		cr_expect(strstr(err.text, cases[i].text) != NULL, "%zu: %s", i,
		    err.text);
	}
}

static const struct {
	struct wish wish;
	const char *text;
} files[] = {
	{ { "h", "missing.pem", NULL, NULL, NULL }, "redis.ca_file: " },
	{ { "h", "openssl.log", NULL, NULL, NULL }, "redis.ca_file: " },
	{ { "h", "ca.pem", "client.pem", NULL, NULL }, "redis.key_file: " },
	{ { "h", "ca.pem", "server.ext", "client.key", NULL }, "redis.cert_file: " },
	{ { "h", "ca.pem", "client.pem", "server.key", NULL }, "redis.key_file: " },
	{ { "h", "ca.pem", "client.pem", "missing", NULL }, "redis.key_file: " },
};

Test(redis_tls, a_file_that_cannot_be_used_is_named_with_its_option)
{
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct redis_target *target = NULL;
		struct err err = ERR_INIT;

		cr_expect(target_of(&files[i].wish, &target, &err) == -EINVAL);
		cr_expect(target == NULL);
		cr_expect(strncmp(err.text, files[i].text, strlen(files[i].text)) == 0,
		    "%zu: %s", i, err.text);
	}
}

static int
big_value_comes_back(struct redis_sync *s, struct err *err)
{
	CLEANUP(redis_reply_freep) redisReply *reply = NULL;
	CLEANUP(freep) char *big = malloc(BIG);
	const char *set[] = { "SET", "big", big }, *get[] = { "GET", "big" };
	size_t len[] = { 3, 3, BIG };
	int r;

	cr_assert(big != NULL);
	for (size_t i = 0; i < BIG; i++)
		big[i] = (char)(i * 31 >> 3);
	r = redis_sync_command(s, 3, set, len, &reply, err);
	redis_reply_freep(&reply);
	if (r == 0)
		r = redis_sync_command(s, 2, get, len, &reply, err);
	if (r == 0)
		cr_expect(reply->len == BIG && memcmp(reply->str, big, BIG) == 0);
	return r;
}

Test(redis_tls, values_of_many_records_pass_and_a_certificate_can_be_demanded)
{
	const struct wish with = { "localhost", "ca.pem", "client.pem", "client.key",
		NULL };
	const struct wish without = { "localhost", "ca.pem", NULL, NULL, NULL };
	CLEANUP(redis_target_freep) struct redis_target *target = NULL;
	CLEANUP(redis_target_freep) struct redis_target *nobody = NULL;
	CLEANUP(redis_sync_freep) struct redis_sync *s = NULL;
	CLEANUP(redis_sync_freep) struct redis_sync *stranger = NULL;
	CLEANUP(redis_reply_freep) redisReply *reply = NULL;
	struct redis_sync_options o = { 0 };
	struct err err = ERR_INIT;

	cr_assert(target_of(&with, &target, &err) == 0);
	cr_assert(target_of(&without, &nobody, &err) == 0);
	o.target = target;
	cr_assert(redis_sync_new(&o, &s, &err) == 0);
	o.target = nobody;
	cr_assert(redis_sync_new(&o, &stranger, &err) == 0);
	cr_expect(big_value_comes_back(s, &err) == 0, "%s", err.text);
	cr_expect(redis_sync_connect(stranger, &err) == 0, "%s", err.text);
	redis_sync_close(stranger);
	cr_assert(redis_sync_call(s, &reply, &err, "CONFIG", "SET", "tls-auth-clients",
		      "yes", NULL) == 0,
	    "%s", err.text);
	redis_sync_close(s);
	cr_expect(redis_sync_connect(s, &err) == 0, "%s", err.text);
	cr_expect(redis_sync_connect(stranger, &err) == -EAGAIN);
	cr_expect(strstr(err.text, "certificate required") != NULL, "%s", err.text);
}

/* ---- the worker's client ---- */

struct stage {
	struct loop *loop;
	struct redis_link *link;
	unsigned ups, downs, answers;
	char why[256];
};

static void
on_up(void *ctx)
{
	((struct stage *)ctx)->ups++;
}

static void
on_down(void *ctx, const char *why)
{
	struct stage *s = ctx;

	s->downs++;
	(void)snprintf(s->why, sizeof(s->why), "%s", why);
}

static void
on_big(void *ctx, const struct redisReply *reply)
{
	struct stage *s = ctx;

	s->answers++;
	cr_expect(
	    reply != NULL && reply->type == REDIS_REPLY_STRING && reply->len == BIG);
}

static void
turn_until(struct stage *s, const unsigned *flag, unsigned n)
{
	uint64_t end = clock_mono_ms() + PATIENCE_MS;

	while (*flag < n) {
		cr_assert(lt(u64, clock_mono_ms(), end));
		cr_assert(eq(int, loop_turn(s->loop, 20), 0));
	}
}

static void
stage_begin(struct stage *s, const struct redis_target *target)
{
	const struct redis_hooks hooks = { .ctx = s,
		.on_up = on_up,
		.on_down = on_down };

	*s = (struct stage){ .loop = loop_new() };
	s->link = redis_link_new(s->loop, target, PATIENCE_MS, &hooks);
	redis_link_start(s->link);
}

static void
stage_end(struct stage *s)
{
	redis_link_free(s->link);
	loop_free(s->loop);
}

Test(redis_tls, pipelined_commands_pass_and_a_restart_is_survived)
{
	const struct wish wish = { "127.0.0.1", "ca.pem", "client.pem", "client.key",
		NULL };
	CLEANUP(redis_target_freep) struct redis_target *target = NULL;
	CLEANUP(freep) char *big = calloc(1, BIG);
	const char *echo[] = { "ECHO", big };
	const size_t len[] = { 4, BIG };
	struct err err = ERR_INIT;
	struct stage s;

	cr_assert(target_of(&wish, &target, &err) == 0, "%s", err.text);
	stage_begin(&s, target);
	turn_until(&s, &s.ups, 1);
	for (int i = 0; i < 5; i++)
		cr_assert(redis_link_send(s.link, 2, echo, len, on_big, &s) == 0);
	turn_until(&s, &s.answers, 5);
	redis_server_kill(server);
	turn_until(&s, &s.downs, 1);
	cr_assert(redis_server_restart(server));
	turn_until(&s, &s.ups, 2);
	stage_end(&s);
}

Test(redis_tls, the_loop_refuses_a_strange_server_and_says_why)
{
	const struct wish wish = { "127.0.0.1", "other-ca.pem", NULL, NULL, NULL };
	CLEANUP(redis_target_freep) struct redis_target *target = NULL;
	struct err err = ERR_INIT;
	struct stage s;

	cr_assert(target_of(&wish, &target, &err) == 0, "%s", err.text);
	stage_begin(&s, target);
	turn_until(&s, &s.downs, 2);
	cr_expect(eq(uint, s.ups, 0));
	cr_expect(strstr(s.why, "certificate is refused") != NULL, "%s", s.why);
	stage_end(&s);
}
