/* SPDX-License-Identifier: MIT */
/*
 * test_scope.c - what each role may reach, from real configurations.
 *
 * Each case is written to a file, read as the supervisor reads it, parted by role as the
 * children get it: so a port that is in no role's part cannot be in its scope.
 */
#include "config.h"

#include "common/role/scope.h"

#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/scope-test-XXXXXX";
static char path[64];

static void
setup(void)
{
	cr_assert(mkdtemp(folder) != NULL);
	(void)snprintf(path, sizeof(path), "%s/x.conf", folder);
}

static void
teardown(void)
{
	(void)unlink(path);
	(void)rmdir(folder);
}

TestSuite(scope, .init = setup, .fini = teardown);

/* The role's part, read as the role reads it. */
static struct conf *
part_of(const char *text, enum role role)
{
	CLEANUP(conf_freep) struct conf *whole = NULL;
	CLEANUP_BUF struct buf part = BUF_INIT;
	struct conf *c = NULL;
	struct err err = ERR_INIT;
	FILE *f = fopen(path, "w");

	cr_assert(f != NULL);
	(void)fputs(text, f);
	(void)fclose(f);
	cr_assert_eq(conf_load(path, &whole, &err), 0, "%s: %s", text, err_text(&err));
	conf_write_role(&part, whole, role);
	cr_assert_eq(conf_read_role(part.data, part.len, &c, &err), 0, "%s",
	    err_text(&err));
	return c;
}

/* "53 6379" in ascending order, "any" when ports are not ruled. */
static const char *
ports_of(const char *text, enum role role)
{
	static char out[512];
	static struct role_scope s;
	CLEANUP(conf_freep) struct conf *c = part_of(text, role);
	struct sandbox_scope rules;
	size_t n = 0;

	role_scope(role, c, &s);
	rules = role_scope_rules(&s);
	out[0] = '\0';
	if (!rules.rules_connect)
		return "any";
	for (unsigned port = 1; port <= UINT16_MAX; port++)
		for (size_t i = 0; i < rules.n_ports; i++)
			if (rules.ports[i] == port)
				n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%u",
				    n > 0 ? " " : "", port);
	return out;
}

#define PROVIDER(url) \
 "llm = { providers = ( { name = \"p\"; base_url = \"" url "\"; } ); };\n"
#define REDIS(url) "redis = { url = \"" url "\"; };\n"
#define DATABASE(url) "database = { url = \"" url "\"; };\n"
#define PORTS(list) "network = { allow_ports = ( " list " ); };\n"

/* clang-format off */
static const struct {
	const char *text;
	/* gateway and scheduler, fetch, worker and quarantine, migrate */
	const char *redis_users, *fetch, *worker, *migrate;
} cases[] = {
	{ "", "", "53 80 443", "53 443", "" },
	{ REDIS("unix:///run/redis.sock"), "", "53 80 443", "53 443", "" },
	{ REDIS("redis://r.example/1"), "53 6379", "53 80 443", "53 443 6379", "" },
	{ REDIS("rediss://r.example"), "53 6379", "53 80 443", "53 443 6379", "" },
	{ REDIS("sentinel://a:1,b:2/mymaster"), "any", "53 80 443", "any", "" },
	{ REDIS("sentinels://u:p@a/mymaster/3"), "any", "53 80 443", "any", "" },
	{ REDIS("redis://u:p%40:1@[::1]:7000/0"), "53 7000", "53 80 443", "53 443 7000", "" },
	{ DATABASE("postgresql://u:secret@db.example/x"), "", "53 80 443", "53 443 5432", "53 5432" },
	{ DATABASE("postgres://a:1111,b,[fe80::1]:2222/x"), "", "53 80 443", "53 443 1111 2222 5432", "53 1111 2222 5432" },
	{ DATABASE("postgresql:///x?host=/run/postgresql"), "", "53 80 443", "53 443", "" },
	{ DATABASE("postgresql://%2Frun%2Fpostgresql/x"), "", "53 80 443", "53 443", "" },
	{ DATABASE("postgresql:///x?host=a,b&port=1111,2222"), "", "53 80 443", "53 443 1111 2222 5432", "53 1111 2222 5432" },
	{ DATABASE("postgresql://a/x?hostaddr=::1"), "", "53 80 443", "53 443 5432", "53 5432" },
	{ DATABASE("postgresql://a/?service=prod"), "", "53 80 443", "any", "any" },
	{ PROVIDER("http://127.0.0.1:8000/v1"), "", "53 80 443", "53 8000", "" },
	{ PROVIDER("https://u:p@api.example/v1?x=http://y:1"), "", "53 80 443", "53 443", "" },
	{ "orchestrator = { api_url = \"http://o.example:8081/api/v1\"; };", "", "53 80 443", "53 443 8081", "" },
	{ PORTS("\"8080\""), "", "53 8080", "53 443", "" },
	{ PORTS("\"*\""), "", "any", "53 443", "" },
	{ "network = { allow_private = ( \"10.0.0.0/8\", \"h:81\", \"[fd00::]/8:82\", \"fd01::/16\", \"::1\" ); };",
	  "", "53 80 81 82 443", "53 443", "" },
};
/* clang-format on */

Test(scope, each_role_reaches_the_ports_of_its_own_servers)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct {
			enum role role;
			const char *want;
		} wants[] = { { ROLE_GATEWAY, cases[i].redis_users },
			{ ROLE_SCHEDULER, cases[i].redis_users },
			{ ROLE_FETCH, cases[i].fetch }, { ROLE_COMPUTE, "" },
			{ ROLE_WORKER, cases[i].worker },
			{ ROLE_QUARANTINE, cases[i].worker },
			{ ROLE_MIGRATE, cases[i].migrate }, { ROLE_CHECK, "" } };

		for (size_t k = 0; k < ARRAY_LEN(wants); k++) {
			const char *got = ports_of(cases[i].text, wants[k].role);

			cr_expect_str_eq(got, wants[k].want, "%s with '%s': '%s'",
			    role_name(wants[k].role), cases[i].text, got);
		}
	}
}

/* Schemes that this file was not told of. */
Test(scope, what_cannot_be_derived_is_not_ruled)
{
	static const char *const urls[] = { "gopher://x:70", "redis+new://x:70" };
	struct role_scope s;

	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		CLEANUP(conf_freep) struct conf *c = part_of("", ROLE_SCHEDULER);

		free(c->redis.url);
		c->redis.url = strdup(urls[i]);
		role_scope(ROLE_SCHEDULER, c, &s);
		cr_expect(s.any_port != NULL, "%s", urls[i]);
		cr_expect(!role_scope_rules(&s).rules_connect);
	}
}

static bool
has_path(const struct role_scope *s, const char *p, bool is_writable)
{
	for (size_t i = 0; i < s->n_paths; i++)
		if (strcmp(s->paths[i].path, p) == 0)
			return s->paths[i].is_writable == is_writable;
	return false;
}

Test(scope, files_of_the_database_url_can_be_read)
{
	CLEANUP(conf_freep)
	struct conf *c =
	    part_of(DATABASE("postgresql://h/x?sslmode=verify-full"
			     "&sslrootcert=/etc/pg/ca%20x.pem&sslcert=rel.pem"
			     "&passfile=%2Fetc%2Fpg%2Fpass#frag"),
		ROLE_WORKER);
	struct role_scope s;

	role_scope(ROLE_WORKER, c, &s);
	cr_expect(has_path(&s, "/etc/pg/ca x.pem", false));
	cr_expect(has_path(&s, "/etc/pg/pass", false));
	cr_expect(!has_path(&s, "rel.pem", false));
}

Test(scope, certificates_of_redis_are_watched)
{
	CLEANUP(conf_freep)
	struct conf *c = part_of("redis = { url = \"rediss://r/0\"; ca_file = "
				 "\"/etc/r/ca.pem\"; };\n",
	    ROLE_SCHEDULER);
	struct role_scope s;

	role_scope(ROLE_SCHEDULER, c, &s);
	cr_expect(has_path(&s, "/etc/r/ca.pem", false));
}

Test(scope, only_who_stores_may_write)
{
	static const char text[] =
	    "service = { state_dir = \"/var/lib/x\"; };\n" DATABASE(
		"sqlite:/srv/db/a.db");

	for (int role = ROLE_GATEWAY; role < ROLE_COUNT; role++) {
		bool stores = role == ROLE_WORKER || role == ROLE_QUARANTINE ||
		    role == ROLE_MIGRATE;
		CLEANUP(conf_freep) struct conf *c = part_of(text, (enum role)role);
		struct role_scope s;

		role_scope((enum role)role, c, &s);
		cr_expect_eq(has_path(&s, "/var/lib/x", true), stores, "%s",
		    role_name((enum role)role));
		cr_expect_eq(has_path(&s, "/srv/db", true), stores);
		for (size_t i = 0; !stores && i < s.n_paths; i++)
			cr_expect(!s.paths[i].is_writable ||
			    strcmp(s.paths[i].path, "/dev/null") == 0);
		if (role == ROLE_COMPUTE)
			cr_expect_eq(s.n_paths, 0);
	}
}

Test(scope, what_a_landlock_version_lacks_is_told)
{
	static const struct {
		int version;
		const char *lacks;
	} versions[] = { { -38, "files" }, { -95, "files" }, { 1, "TCP ports" },
		{ 3, "TCP ports" }, { 4, "signals" }, { 5, "signals" }, { 6, NULL },
		{ 7, NULL } };

	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		const char *got = sandbox_lacks(versions[i].version);

		cr_expect(versions[i].lacks == NULL
			? got == NULL
			: got != NULL && strstr(got, versions[i].lacks) == got,
		    "%d: %s", versions[i].version, got != NULL ? got : "nothing");
	}
}
