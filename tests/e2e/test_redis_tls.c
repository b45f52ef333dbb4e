/* SPDX-License-Identifier: MIT */
/*
 * test_redis_tls.c - the whole daemon, sandboxes on, over TLS with a client certificate
 * and as a user with exactly the rules that agent-runner.conf(5) shows.
 */
#include "config.h"

#include "tests/e2e/e2e.h"
#include "tests/support/acl_rules.h"
#include "tests/support/tls_files.h"
#include "tests/unit/source_file.h"

#include <signal.h>

enum {
	JOBS = 24
};

static struct harness *h;
static char port[16], paths[5][PROC_PATH_MAX];

TestSuite(redis_tls, .timeout = 180);

static void
begin(void)
{
	static const char *const names[] = { "server.pem", "server.key", "ca.pem",
		"client.pem", "client.key" };
	static const char *const options[] = { "--tls-cert-file", "--tls-key-file",
		"--tls-ca-cert-file" };

	h = e2e_new();
	cr_assert(tls_files_make(harness_dir(h)));
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		(void)snprintf(paths[i], sizeof(paths[i]), "%s/%s", harness_dir(h),
		    names[i]);
	(void)snprintf(port, sizeof(port), "%u", free_port());
	harness_redis_arg(h, "--tls-port");
	harness_redis_arg(h, port);
	harness_redis_arg(h, "--tls-auth-clients");
	harness_redis_arg(h, "yes");
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		harness_redis_arg(h, options[i]);
		harness_redis_arg(h, paths[i]);
	}
	harness_set(h, "queue.lease_sec", "3");
	harness_set(h, "redis.url", "\"rediss://agent-runner:PASSWORD@localhost:%s/0\"",
	    port);
	harness_set(h, "redis.ca_file", "\"%s\"", paths[2]);
	harness_set(h, "redis.cert_file", "\"%s\"", paths[3]);
	harness_set(h, "redis.key_file", "\"%s\"", paths[4]);
}

static void
make_user(const char *without)
{
	CLEANUP(freep) char *page = read_source("man/agent-runner.conf.5");
	const char *rules[ACL_WORDS_MAX];
	const char *argv[ACL_WORDS_MAX + 4] = { "ACL", "SETUSER", "agent-runner",
		"reset" };
	int n = acl_rules(page, rules), argc = 4;

	for (int i = 2; i < n; i++)
		if (without == NULL || strcmp(rules[i], without) != 0)
			argv[argc++] = rules[i];
	harness_redis_argv(h, argc, argv);
}

static void
agentctl(const char *command, const char *argument)
{
	const char *argv[] = { harness_program(h, "agentctl"), "-c",
		harness_conf_path(h), command, argument, NULL };
	CLEANUP_BUF struct buf out = BUF_INIT;

	cr_expect(harness_run(h, argv, &out) == 0, "%s: %s", command, buf_str(&out));
}

static bool
some_are_asked(struct harness *unused, void *arg)
{
	(void)unused;
	(void)arg;
	return harness_llm_stat(h, "answers") >= JOBS / 2;
}

static bool
one_is_delayed(struct harness *unused, void *arg)
{
	(void)unused;
	(void)arg;
	return harness_redis_int(h, "ZCARD agent:delayed") == 1;
}

static void
expect_all(void)
{
	char id[16];

	for (int i = 0; i < JOBS; i++) {
		(void)snprintf(id, sizeof(id), "j%d", i);
		(void)harness_expect(h, id, "completed");
		harness_clear(h);
	}
}

/* Retries, a killed worker, a cancel, the gateway, agentctl: every script is used. */
Test(redis_tls, carries_everything_as_the_user_of_the_page)
{
	CLEANUP_BUF struct buf body = BUF_INIT;
	const struct json *r;
	char id[16];
	redisReply *denied;

	begin();
	harness_servers(h);
	make_user(NULL);
	harness_daemon(h);
	harness_llm_script(h,
	    "{\"rules\":[{\"when\":{\"prompt_contains\":\"later\"},\"fault\":{\"status\":429,"
	    "\"body\":\"busy\",\"headers\":{\"Retry-After\":\"60\"}}},"
	    "{\"reply\":{\"content\":\"x\",\"delay_ms\":300}}]}");
	for (int i = 0; i < JOBS; i++) {
		(void)snprintf(id, sizeof(id), "j%d", i);
		harness_push_job(h, id, "go", "");
	}
	harness_wait_until(h, some_are_asked, NULL, HARNESS_WAIT_MS, "jobs run");
	(void)harness_kill_child(h, "worker", 0, SIGKILL);
	(void)harness_kill_child(h, "scheduler", -1, SIGKILL);
	expect_all();
	cr_expect(eq(int,
	    harness_http(h, "POST", "/test/chat?prompt=hello", NULL, &body), 200));
	/* last: a provider that says 429 rests */
	harness_push_job(h, "delayed", "later", "");
	harness_wait_until(h, one_is_delayed, NULL, HARNESS_WAIT_MS,
	    "the job is delayed");
	agentctl("cancel", "delayed");
	r = harness_expect(h, "delayed", "failed");
	cr_expect_str_eq(text_at(h, r, "error.type"), "cancelled");
	agentctl("status", NULL);
	agentctl("fsck", NULL);
	agentctl("dead", "list");
	denied = harness_redis(h, "ACL LOG");
	cr_expect(denied->elements == 0, "something was refused: %s by %s",
	    denied->elements > 0 ? denied->element[0]->element[5]->str : "",
	    denied->elements > 0 ? denied->element[0]->element[3]->str : "");
	freeReplyObject(denied);
	cr_expect(harness_log_has(h, "PASSWORD") == false, "the password was logged");
	harness_stop(h);
	harness_free(h);
}

static const struct {
	const char *name, *without, *password, *host, *text;
} refusals[] = {
	{ "a missing rule", "+hset", "PASSWORD", "localhost", "HSET agent:meta" },
	{ "no rule for INFO", "+info", "PASSWORD", "localhost", "'info'" },
	{ "a wrong password", NULL, "hush-hush", "localhost",
	    "credentials are refused: WRONGPASS" },
	{ "a wrong host name", NULL, "hush-hush", "[::ffff:127.0.0.1]",
	    "certificate is refused" },
};

/* Each is a start of its own; the log is kept over all of them. */
Test(redis_tls, who_is_refused_hears_why_at_the_start)
{
	begin();
	harness_servers(h);
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		make_user(refusals[i].without);
		harness_set(h, "redis.url", "\"rediss://agent-runner:%s@%s:%s/0\"",
		    refusals[i].password, refusals[i].host, port);
		harness_write_conf(h);
		harness_launch(h);
		cr_expect(proc_wait(harness_proc(h), HARNESS_WAIT_MS) == 0,
		    "%s: it goes on", refusals[i].name);
		cr_expect(harness_proc(h)->status == 78 << 8, "%s: status %x",
		    refusals[i].name, (unsigned)harness_proc(h)->status);
		cr_expect(harness_log_has(h, refusals[i].text), "%s", refusals[i].name);
	}
	cr_expect(harness_log_has(h, "PASSWORD") == false &&
		harness_log_has(h, "hush-hush") == false,
	    "the password was logged");
	harness_free(h);
}
