/* SPDX-License-Identifier: MIT */
/*
 * test_queue_rights.c - the list of commands, the scripts, and the rules that
 * agent-runner.conf(5) shows say the same; a missing rule is found at the start.
 */
#include "config.h"

#include "common/queue/queue_rights.h"
#include "tests/support/acl_rules.h"
#include "tests/support/queue_fixture.h"
#include "tests/unit/source_file.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <errno.h>
#include <hiredis.h>
#include <string.h>

TestSuite(queue_rights, .timeout = 60);

static bool
is_listed(const char *command, size_t n)
{
	for (const char *line = queue_rights; *line != '\0';
	     line = strchr(line, '\n') + 1)
		if (strncmp(line, command, n) == 0 &&
		    (line[n] == ' ' || line[n] == '\n'))
			return true;
	return false;
}

Test(queue_rights, every_command_of_a_script_is_in_the_list)
{
	static const char mark[] = "call('";
	unsigned n_calls = 0;

	for (int op = 0; op < QUEUE_OP_COUNT; op++) {
		const char *p = queue_scripts[op].text;

		for (; (p = strstr(p, mark)) != NULL; n_calls++) {
			size_t n = strcspn(p += strlen(mark), "'");

			cr_expect(is_listed(p, n), "%s calls %.*s",
			    queue_scripts[op].name, (int)n, p);
		}
	}
	cr_expect(n_calls > 100);
}

/* "client|id" for "CLIENT ID" */
static void
rule_of(const char *line, char *out, size_t max)
{
	size_t n = strcspn(line, " \n"), m;

	(void)snprintf(out, max, "+%.*s", (int)n, line);
	if (strncmp(line, "CLIENT ", 7) == 0) {
		m = strcspn(line + n + 1, " \n");
		(void)snprintf(out, max, "+%.*s|%.*s", (int)n, line, (int)m,
		    line + n + 1);
	}
	for (char *p = out; *p != '\0'; p++)
		*p = (char)tolower(*p);
}

Test(queue_rights, the_page_grants_what_is_listed_and_nothing_else)
{
	CLEANUP(freep) char *page = read_source("man/agent-runner.conf.5");
	const char *argv[ACL_WORDS_MAX];
	int n = acl_rules(page, argv), n_granted = 0;
	char rule[64];

	for (const char *line = queue_rights; *line != '\0';
	     line = strchr(line, '\n') + 1) {
		bool is_granted = false;

		rule_of(line, rule, sizeof(rule));
		if (strncmp(line, "RPUSH RESULT", 12) == 0 ||
		    strncmp(line, "RPUSH COMPLETION", 16) == 0)
			continue; /* the same command on another key */
		for (int i = 0; i < n; i++)
			is_granted |= strcmp(argv[i], rule) == 0;
		cr_expect(is_granted, "%s is not on the page", rule);
		n_granted++;
	}
	for (int i = 0; i < n; i++)
		n_granted -= argv[i][0] == '+';
	cr_expect(n_granted == 0, "the page grants %d more", -n_granted);
}

/* A client as that user. */
static struct redis_sync *
client_as(struct fixture *f, const char *user)
{
	struct redis_sync_options o = { 0 };
	struct redis_sync *s = NULL;
	struct err err = ERR_INIT;
	char url[300];

	(void)snprintf(url, sizeof(url), "%s?user=%s&password=PASSWORD",
	    redis_server_url(f->server), user);
	o.url = url;
	o.run_dir = "";
	cr_assert(redis_sync_new(&o, &s, &err) == 0, "%s", err.text);
	return s;
}

static void
make_user(struct fixture *f, const char *name, int n, const char **rules,
    const char *without)
{
	CLEANUP(redis_reply_freep) redisReply *reply = NULL;
	const char *argv[ACL_WORDS_MAX + 4] = { "ACL", "SETUSER", name, "reset" };
	size_t len[ACL_WORDS_MAX + 4];
	struct err err = ERR_INIT;
	int argc = 4;

	for (int i = 2; i < n; i++) /* after "user agent-runner" */
		if (without == NULL || strcmp(rules[i], without) != 0)
			argv[argc++] = rules[i];
	for (int i = 0; i < argc; i++)
		len[i] = strlen(argv[i]);
	cr_assert(redis_sync_command(f->redis, argc, argv, len, &reply, &err) == 0,
	    "%s", err.text);
}

Test(queue_rights, a_missing_rule_is_found_and_named)
{
	CLEANUP(freep) char *page = read_source("man/agent-runner.conf.5");
	CLEANUP(fixture_release) struct fixture f;
	const char *rules[ACL_WORDS_MAX];
	int n = acl_rules(page, rules);

	fixture_init(&f);
	make_user(&f, "all", n, rules, NULL);
	{
		CLEANUP(redis_sync_freep) struct redis_sync *s = client_as(&f, "all");
		struct err err = ERR_INIT;

		cr_expect(queue_check_server(s, false, NULL, &err) == 0, "%s",
		    err.text);
		cr_expect(queue_check_rights(s, &f.setup, &err) == 0, "%s", err.text);
		cr_expect(queue_meta_check(s, &f.setup, "store", &err) == 0, "%s",
		    err.text);
	}
	for (int i = 2; i < n; i++) {
		CLEANUP(redis_sync_freep) struct redis_sync *s = NULL;
		struct err err = ERR_INIT;
		char name[32];

		if (rules[i][0] != '+' && rules[i][0] != '~' && rules[i][0] != '&')
			continue;
		if (strcmp(rules[i], "+ping") == 0 ||
		    strncmp(rules[i], "+eval", 5) == 0)
			continue; /* refused earlier, in Redis' own words */
		(void)snprintf(name, sizeof(name), "u%d", i);
		make_user(&f, name, n, rules, rules[i]);
		s = client_as(&f, name);
		cr_expect(queue_check_rights(s, &f.setup, &err) == -EACCES,
		    "without %s: %s", rules[i], err.text);
		cr_expect(rules[i][0] != '+' ||
			strcasestr(err.text,
			    strcspn(rules[i], "|") < strlen(rules[i])
				? "client"
				: rules[i] + 1) != NULL,
		    "without %s: %s", rules[i], err.text);
		cr_expect(strstr(err.text, "PASSWORD") == NULL);
	}
}

Test(queue_rights, a_refusal_inside_a_script_is_no_fault_of_the_job)
{
	CLEANUP(freep) char *page = read_source("man/agent-runner.conf.5");
	CLEANUP(fixture_release) struct fixture f;
	CLEANUP(redis_sync_freep) struct redis_sync *s = NULL;
	const char *rules[ACL_WORDS_MAX];
	struct err err = ERR_INIT;
	int n = acl_rules(page, rules);

	fixture_init(&f);
	make_user(&f, "u", n, rules, "+hset");
	s = client_as(&f, "u");
	cr_expect(queue_meta_check(s, &f.setup, "store", &err) == -EACCES, "%s",
	    err.text);
}
