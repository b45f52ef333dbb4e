/* SPDX-License-Identifier: MIT */
/*
 * test_man_security.c - agent-runner-security(7) names every role, tells who gets which
 * secret as the table of options does, and shows rules for a producer that hold.
 */
#include "config.h"

#include "tests/support/queue_fixture.h"
#include "tests/unit/source_file.h"

#include "common/conf/options.h"

#include <criterion/criterion.h>
#include <hiredis.h>
#include <string.h>

TestSuite(man_security, .timeout = 60);

#define PAGE "man/agent-runner-security.7"

/* The lines between two marks, which the page must have. */
static char *
part_of(const char *page, const char *from, const char *to)
{
	const char *p = strstr(page, from), *end;

	cr_assert(p != NULL, "%s", from);
	p += strlen(from);
	end = strstr(p, to);
	cr_assert(end != NULL, "%s", to);
	return strndup(p, (size_t)(end - p) + 1);
}

/* Is the role one of the names of an item ".It worker , quarantine"? */
static bool
has_item(const char *part, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = part; (p = strstr(p, "\n.It ")) != NULL;) {
		const char *end = strchr(p += 5, '\n');

		while (p < end) {
			size_t n = strcspn(p, " ,\n");

			if (n == len && memcmp(p, name, n) == 0)
				return true;
			p += n;
			p += strspn(p, " ,");
		}
	}
	return false;
}

Test(man_security, every_role_is_told_of_and_what_is_lost_with_it)
{
	CLEANUP(freep) char *page = read_source(PAGE);
	CLEANUP(freep) char *does = part_of(page, "\n.Sh PROCESSES", "\n.Ss ");
	CLEANUP(freep) char *lost = part_of(page, "\n.Sh FOOTHOLDS", "\n.Sh ");

	for (int role = 0; role < ROLE_COUNT; role++) {
		const char *name = role_name((enum role)role);

		if (role ==
		    ROLE_CTL) /* a command of a user, not a process of the service */
			continue;
		cr_expect(has_item(does, name), "PROCESSES does not name %s", name);
		cr_expect(has_item(lost, name), "FOOTHOLDS does not name %s", name);
	}
	cr_expect(!has_item(does, "butler"));
}

/* ---- secrets by process ---- */

enum {
	COLUMNS_MAX = ROLE_COUNT
};

struct secrets_table {
	char *text;
	enum role columns[COLUMNS_MAX];
	unsigned n_columns;
	unsigned named; /* bits of roles with a column */
};

/* The next cell of a row; NULL after the last. */
static const char *
cell(const char *p, char *out, size_t max)
{
	size_t n = strcspn(p, " \n");

	(void)snprintf(out, max, "%.*s", (int)n, p);
	p += n;
	return strncmp(p, " Ta ", 4) == 0 ? p + 4 : NULL;
}

static void
read_columns(struct secrets_table *t)
{
	const char *p = strstr(t->text, "\n.It option Ta ");
	char name[32];

	cr_assert(p != NULL);
	for (p += strlen("\n.It option Ta "); p != NULL;) {
		int role;

		p = cell(p, name, sizeof(name));
		role = role_from_name(name);
		cr_assert(role >= 0, "no role '%s'", name);
		t->columns[t->n_columns++] = (enum role)role;
		t->named |= 1U << role;
	}
}

static void
expect_row(const struct secrets_table *t, const char *record,
    const struct conf_option *o)
{
	const unsigned no_process = 1U << ROLE_CTL | 1U << ROLE_SUPERVISOR;
	/* where there is a private Redis, redis.url says "embedded" */
	const unsigned no_secret = 1U << ROLE_REDIS;
	char head[128], word[16];
	const char *p;

	(void)snprintf(head, sizeof(head), "\n.It %s%s%s Ta ", record,
	    record[0] != '\0' ? "." : "", o->name);
	p = strstr(t->text, head);
	cr_expect(p != NULL, "no row '%s'", head + 5);
	if (p == NULL)
		return;
	p += strlen(head);
	for (unsigned i = 0; i < t->n_columns; i++) {
		bool gets = (o->roles & 1U << t->columns[i]) != 0;

		cr_assert(p != NULL, "%s: too few cells", head + 5);
		p = cell(p, word, sizeof(word));
		cr_expect_str_eq(word, gets ? "yes" : "no", "%s: %s", head + 5,
		    role_name(t->columns[i]));
	}
	cr_expect(((o->roles & 1U << ROLE_WORKER) != 0) ==
		((o->roles & 1U << ROLE_QUARANTINE) != 0),
	    "%s: quarantine is not as worker", head + 5);
	cr_expect((o->roles &
		      ~(t->named | no_process | no_secret | 1U << ROLE_QUARANTINE)) ==
		0,
	    "%s goes to a role without a column", head + 5);
}

static unsigned
expect_rows(const struct secrets_table *t, const char *record,
    const struct conf_option *options, size_t n)
{
	unsigned n_secrets = 0;

	for (size_t i = 0; i < n; i++)
		if (options[i].type == OPT_SECRET || options[i].type == OPT_URL) {
			expect_row(t, record, &options[i]);
			n_secrets++;
		}
	return n_secrets;
}

Test(man_security, secrets_go_where_the_table_says_and_nowhere_else)
{
	CLEANUP(freep) char *page = read_source(PAGE);
	CLEANUP(freep) char *text = part_of(page, "\n.Ss Secrets by process", "\n.Sh ");
	struct secrets_table t = { .text = text };
	unsigned n, n_rows = 0;

	read_columns(&t);
	n = expect_rows(&t, "", conf_options, conf_n_options);
	for (size_t i = 0; i < conf_n_records; i++)
		n += expect_rows(&t, conf_records[i].name, conf_records[i].options,
		    conf_records[i].n_options);
	for (const char *p = text; (p = strstr(p, "\n.It ")) != NULL; p++)
		n_rows++;
	cr_expect(n == n_rows - 1 && n >= 10, "%u secrets, %u rows", n, n_rows - 1);
}

/* ---- the producer's rules ---- */

enum {
	WORDS_MAX = 32
};

/* "(~agent:jobs +rpush)" is one word for Redis. */
static int
producer_rules(char *page, const char *argv[WORDS_MAX])
{
	char *line = strstr(page, "\nuser producer "), *end;
	int n = 0;

	cr_assert(line != NULL);
	end = strstr(line, "\n.Ed");
	cr_assert(end != NULL);
	*end = '\0';
	for (char *p = line + strlen("\nuser producer "); *p != '\0';) {
		size_t len = *p == '(' ? strcspn(p, ")") + 1 : strcspn(p, " \n");

		cr_assert(n < WORDS_MAX);
		argv[n] = p;
		p += len;
		if (*p != '\0')
			*p++ = '\0';
		p += strspn(p, " \n");
		n += strcmp(argv[n], "\\e") != 0;
	}
	return n;
}

static bool
is_refused(redisContext *c, const char *command, const char *key, const char *arg)
{
	CLEANUP(redis_reply_freep) redisReply *reply = NULL;
	const char *argv[] = { command, key, arg };

	reply = redisCommandArgv(c, arg != NULL ? 3 : 2, argv, NULL);
	cr_assert(reply != NULL, "%s", c->errstr);
	if (reply->type != REDIS_REPLY_ERROR)
		return false;
	cr_expect(strncmp(reply->str, "NOPERM", 6) == 0, "%s %s: %s", command, key,
	    reply->str);
	return true;
}

static const struct {
	const char *command, *key, *arg;
	bool is_granted;
} tries[] = {
	{ "RPUSH", "agent:jobs", "{}", true },
	{ "LPOP", "agent:results:j1", NULL, true },
	{ "BLPOP", "agent:results:j1", "0.01", true },
	{ "LPOP", "agent:jobs", NULL, false },
	{ "BLPOP", "agent:jobs", "0.01", false },
	{ "RPUSH", "agent:results:j1", "{}", false },
	{ "RPUSH", "agent:held:x", "{}", false },
	{ "LPUSH", "agent:jobs", "{}", false },
	{ "HGETALL", "agent:job:j1", NULL, false },
	{ "GET", "agent:meta", NULL, false },
	{ "DEL", "agent:jobs", NULL, false },
	{ "EVAL", "return 1", "0", false },
	{ "KEYS", "*", NULL, false },
	{ "CONFIG", "GET", "dir", false },
};

Test(man_security, a_producer_can_push_and_take_results_and_no_more)
{
	CLEANUP(freep) char *page = read_source(PAGE);
	CLEANUP(fixture_release) struct fixture f;
	CLEANUP(redis_reply_freep) redisReply *reply = NULL;
	const char *argv[WORDS_MAX + 4] = { "ACL", "SETUSER", "producer" };
	struct err err = ERR_INIT;
	size_t len[WORDS_MAX + 4];
	int argc = 3 + producer_rules(page, argv + 3);
	redisContext *c;

	fixture_init(&f);
	for (int i = 0; i < argc; i++)
		len[i] = strlen(argv[i]);
	cr_assert(redis_sync_command(f.redis, argc, argv, len, &reply, &err) == 0 &&
		reply->type != REDIS_REPLY_ERROR,
	    "%s %s", err.text, reply != NULL ? reply->str : "");
	c = redisConnectUnix(redis_server_socket(f.server));
	cr_assert(c != NULL && c->err == 0);
	cr_assert(!is_refused(c, "AUTH", "producer", "PASSWORD"));
	for (size_t i = 0; i < ARRAY_LEN(tries); i++)
		cr_expect(is_refused(c, tries[i].command, tries[i].key, tries[i].arg) !=
			tries[i].is_granted,
		    "%s %s", tries[i].command, tries[i].key);
	redisFree(c);
}
