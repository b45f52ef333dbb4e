/* SPDX-License-Identifier: MIT */
/* test_conf.c - the configuration: reading, refusing, masking, parting by role. */
#include "config.h"

#include "common/conf/conf.h"
#include "common/conf/prices.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

static char dir[] = "/tmp/test_conf.XXXXXX";

static void
make_dir(void)
{
	cr_assert(mkdtemp(dir) != NULL);
}

static void
remove_dir(void)
{
	char cmd[64];

	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	cr_assert(eq(int, system(cmd), 0));
}

TestSuite(conf, .init = make_dir, .fini = remove_dir);

static const char *
file(const char *name, const char *text)
{
	static char path[4][128];
	static int next;
	char *p = path[next++ % 4];
	FILE *f;

	(void)snprintf(p, 128, "%s/%s", dir, name);
	f = fopen(p, "w");
	cr_assert(f != NULL);
	fputs(text, f);
	fclose(f);
	return p;
}

Test(conf, without_a_file_every_option_has_its_default)
{
	struct conf *c = NULL;
	struct err e = ERR_INIT;

	cr_assert(eq(int, conf_load(NULL, &c, &e), 0), "%s", e.text);
	cr_expect(eq(i64, c->service.workers, 4));
	cr_expect(eq(i64, c->service.jobs_per_worker, 32));
	cr_expect_str_eq(c->http.listen, "127.0.0.1:8082");
	cr_expect_str_eq(c->redis.url, "embedded");
	cr_expect(eq(i64, c->storage.max_inline_bytes, 10485760));
	cr_expect(eq(sz, c->network.allow_ports.n, 2));
	cr_expect(eq(sz, c->llm.n_providers, 1));
	cr_expect(conf_agent_find(c, "workflow", 8) != NULL);
	cr_expect(c->service.node[0] != '\0');
	conf_free(c);
}

static const struct {
	const char *text;
	const char *want; /* part of the message */
} refusals[] = {
	{ "servce: { workers = 2; };", "unknown option" },
	{ "service: { wokers = 2; };", "did you mean service.workers?" },
	{ "\n\nservice: { workers = 0; };",
	    "x.conf:3: service.workers: 0 is out of bounds" },
	{ "service: { workers = \"many\"; };", "not a whole number" },
	{ "service: { log = { level = \"loud\"; }; };",
	    "error, warning, info or debug" },
	{ "service: { workers = 2", "x.conf:1" },
	{ "redis: { url = \"http://x\"; };", "redis.url" },
	{ "redis: { url = \"sentinel:x\"; };", "must be embedded" },
	{ "redis: { url = \"redis://:pa/ss@h\"; };", "write %2F, %3F or %23" },
	{ "database: { url = \"postgres://u:p?ss@h/d\"; };",
	    "database.url: the password" },
	{ "http: { listen = \"0.0.0.0:80\"; };", "http.token" },
	{ "http: { token = \"${AR_TEST_UNSET}\"; };", "AR_TEST_UNSET is not set" },
	{ "http: { token = \"file:/nonexistent\"; };", "cannot open /nonexistent" },
	{ "llm: { providers = ( { name = \"a\"; type = \"x\"; } ); };",
	    "must be openai" },
	{ "llm: { providers = ( { name = \"a\"; }, { name = \"a\"; } ); };", "twice" },
	{ "llm: { providers = { }; };", "a list of groups" },
	{ "auth_profiles: { p = { type = \"bearer\"; token = \"t\"; }; };", "hosts" },
	{ "agents = ( );", "unknown option" },
	{ "agents_dir = \"nowhere\";", "cannot read" },
	{ "network: { allow_ports = ( 0 ); };", "allow_ports" },
	{ "service: { node = \"a.b\"; };", "service.node" },
	{ "llm: { prices = ( { input = 1; } ); };",
	    "prices[0].model: must not be empty" },
	{ "llm: { prices = ( { model = \"m\"; },\n { model = \"m\"; } ); };",
	    "x.conf:2: llm.prices[1].model: 'm' stands twice" },
	{ "llm: { prices = ( { model = \"m\"; input = -1; } ); };", "out of bounds" },
	{ "limits: {\n owner_usd_per_day = 1; };",
	    "x.conf:2: limits.owner_usd_per_day: a budget in USD cannot hold for models "
	    "without a price: gpt-4o (openai)" },
	{ "limits: { budget_usd_per_job = 0.01; }; llm: { prices = ( { model = \"gpt-4\"; "
	  "input = 1; output = 1; } ); };",
	    "limits.budget_usd_per_job: a budget" },
	{ "limits: { owner_usd_per_day = 1; }; llm: { providers = ( { name = \"a\"; "
	  "price_input = 1; }, { name = \"b\"; model = \"x\"; } ); };",
	    "price: x (b);" },
};

Test(conf, what_is_wrong_is_named_with_its_place)
{
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		struct conf *c = NULL;
		struct err e = ERR_INIT;

		cr_expect(lt(int, conf_load(file("x.conf", refusals[i].text), &c, &e),
			      0),
		    "%s", refusals[i].text);
		cr_expect(c == NULL);
		cr_expect(strstr(e.text, refusals[i].want) != NULL, "'%s' gave '%s'",
		    refusals[i].text, e.text);
	}
}

Test(conf, several_findings_are_told_at_once)
{
	struct conf *c = NULL;
	struct err e = ERR_INIT;

	cr_expect(lt(int,
	    conf_load(file("x.conf", "queue: { lease_sec = 1; max_attempts = 0; };"),
		&c, &e),
	    0));
	cr_expect(strstr(e.text, "lease_sec") != NULL &&
	    strstr(e.text, "max_attempts") != NULL);
}

static const char full[] =
    "service: { workers = \"${AR_TEST_WORKERS:-3}\"; };\n"
    "http: { token = \"${AR_TEST_TOKEN}\"; };\n"
    "redis: { url = \"redis://u:sesame@h:1/2\"; };\n"
    "database: { url = \"postgresql://u:sesame@h/d?password=sesame\"; };\n"
    "llm: { providers = ( { name = \"p\"; base_url = \"http://h/v1/\"; api_key = \"sesame\";"
    " model = \"m\"; temperature = -1; } ); };\n"
    "auth_profiles: { w = { type = \"api_key\"; header = \"X\"; value = \"sesame\"; hosts = ( \"h\" ); }; };\n";

Test(conf, secrets_are_masked_for_people)
{
	struct conf *c = NULL;
	struct err e = ERR_INIT;
	CLEANUP_BUF struct buf b = BUF_INIT;

	setenv("AR_TEST_TOKEN", "sesame", 1);
	cr_assert(eq(int, conf_load(file("x.conf", full), &c, &e), 0), "%s", e.text);
	cr_expect(eq(i64, c->service.workers, 3));
	cr_expect_str_eq(c->http.token, "sesame");
	cr_expect_str_eq(c->llm.providers[0].base_url, "http://h/v1");
	cr_expect(isnan(c->llm.providers[0].temperature));
	conf_write_masked(&b, c);
	cr_expect(strstr(buf_str(&b), "sesame") == NULL, "%s", buf_str(&b));
	cr_expect(strstr(buf_str(&b), "********") != NULL);
	conf_free(c);
}

/* Which role may know which secret; the rest must not hold the word at all. */
static const struct {
	enum role role;
	bool http_token, redis, database, api_key, profile;
} shares[] = {
	{ ROLE_GATEWAY, true, true, false, false, false },
	{ ROLE_SCHEDULER, false, true, false, false, false },
	{ ROLE_FETCH, false, false, false, false, true },
	{ ROLE_COMPUTE, false, false, false, false, false },
	{ ROLE_WORKER, false, true, true, true, false },
	{ ROLE_MIGRATE, false, false, true, false, false },
	{ ROLE_CHECK, false, false, false, false, false },
};

Test(conf, each_role_gets_its_own_secrets_and_no_others)
{
	struct conf *c = NULL;
	struct err e = ERR_INIT;

	setenv("AR_TEST_TOKEN", "sesame", 1);
	cr_assert(eq(int, conf_load(file("x.conf", full), &c, &e), 0), "%s", e.text);
	for (size_t i = 0; i < ARRAY_LEN(shares); i++) {
		CLEANUP_BUF struct buf b = BUF_INIT;
		struct conf *part = NULL;

		conf_write_role(&b, c, shares[i].role);
		cr_assert(eq(int, conf_read_role(buf_str(&b), b.len, &part, &e), 0),
		    "%s: %s", role_name(shares[i].role), e.text);
		cr_expect(eq(i64, part->service.workers, 3));
		cr_expect(eq(int, strcmp(part->http.token, "sesame") == 0,
		    shares[i].http_token));
		cr_expect(eq(int, strstr(part->redis.url, "sesame") != NULL,
		    shares[i].redis));
		cr_expect(eq(int, strstr(part->database.url, "sesame") != NULL,
		    shares[i].database));
		cr_expect(eq(int,
		    part->llm.n_providers > 0 &&
			strcmp(part->llm.providers[0].api_key, "sesame") == 0,
		    shares[i].api_key));
		cr_expect(eq(int,
		    part->n_auth_profiles > 0 &&
			strcmp(part->auth_profiles[0].value, "sesame") == 0,
		    shares[i].profile));
		if (!shares[i].http_token && !shares[i].redis && !shares[i].database &&
		    !shares[i].api_key && !shares[i].profile)
			cr_expect(strstr(buf_str(&b), "sesame") == NULL);
		conf_free(part);
	}
	conf_free(c);
}

Test(conf, agents_are_read_with_the_files_they_name)
{
	struct conf *c = NULL, *part = NULL;
	struct err e = ERR_INIT;
	const struct conf_agent *a;
	CLEANUP_BUF struct buf b = BUF_INIT;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/agents.d", dir);
	cr_assert(eq(int, mkdir(path, 0755), 0));
	file("agents.d/quick.txt", "Say \"yes\".\n\tAlways; \\ € ${X}\n");
	file("agents.d/quick.conf",
	    "description = \"d\"; system_prompt_file = \"quick.txt\"; tools = ( \"a\" );"
	    "limits: { max_turns = 2; budget_usd = 0.5; };");
	cr_assert(eq(int, conf_load(file("x.conf", ""), &c, &e), 0), "%s", e.text);
	cr_assert(eq(sz, c->warnings.n, 1));
	cr_expect(strstr(c->warnings.v[0],
		      "quick.conf:1: agent quick: limits.budget_usd") &&
		strstr(c->warnings.v[0], "gpt-4o (openai)"),
	    "%s", c->warnings.v[0]);
	conf_free(c);
	cr_assert(eq(int,
		      conf_load(file("x.conf",
				    "llm: { prices = ( { model = \"gpt-4o\"; "
				    "input = 2.5; output = 10; } ); };"),
			  &c, &e),
		      0),
	    "%s", e.text);
	conf_write_role(&b, c, ROLE_WORKER);
	cr_assert(eq(int, conf_read_role(buf_str(&b), b.len, &part, &e), 0), "%s",
	    e.text);
	cr_expect(part->llm.n_prices == 1 && part->llm.n_providers == 1);
	cr_expect(eq(dbl, part->llm.prices[0].cached, -1));
	a = conf_agent_find(part, "quick", 5);
	cr_assert(a != NULL);
	cr_expect_str_eq(a->system_prompt, "Say \"yes\".\n\tAlways; \\ € ${X}\n");
	cr_expect(eq(i64, a->max_turns, 2));
	cr_expect(eq(dbl, a->budget_usd, 0.5));
	cr_expect(isnan(a->temperature));
	cr_expect(conf_agent_find(part, "workflow", 8) != NULL);
	conf_free(part);
	conf_free(c);
}

Test(conf, comparing_tells_reloadable_from_fixed)
{
	struct conf *a = NULL, *b = NULL, *d = NULL;
	CLEANUP_BUF struct buf changes = BUF_INIT;
	struct err e = ERR_INIT;

	cr_assert(eq(int, conf_load(file("a.conf", ""), &a, &e), 0), "%s", e.text);
	cr_assert(eq(int,
	    conf_load(file("b.conf",
			  "service: {\n workers = 9; };\nllm: { providers = ( { name = "
			  "\"openai\"; max_tokens = 7; } ); };"),
		&b, &e),
	    0));
	cr_assert(eq(int,
	    conf_load(
		file("d.conf",
		    "queue: {\n jobs = \"other\"; };\nredis: { url = \"redis://h\"; };"),
		&d, &e),
	    0));
	cr_expect(eq(int, conf_compare(a, a, NULL, &e), 0));
	cr_expect(eq(int, conf_compare(a, b, &changes, &e), 1));
	cr_expect(eq(int, conf_compare(a, d, NULL, &e), -EPERM));
	cr_expect_str_eq(buf_str(&changes), "service.workers, llm.providers");
	cr_expect(strstr(e.text, "d.conf:2: queue.jobs cannot be") != NULL, "%s",
	    e.text);
	cr_expect(strstr(e.text, "d.conf:3: redis.url cannot be") != NULL, "%s",
	    e.text);
	conf_free(a);
	conf_free(b);
	conf_free(d);
}

Test(conf, every_option_is_described_once)
{
	for (size_t i = 0; i < conf_option_count(); i++) {
		struct conf_option_info o = conf_option_at(i);
		char name[128];

		cr_expect(o.help[0] != '\0', "%s", o.name);
		(void)snprintf(name, sizeof(name), "%s", o.name);
		for (size_t k = 0; k < i; k++)
			cr_expect(strcmp(conf_option_at(k).name, name) != 0, "%s",
			    name);
	}
}

Test(conf, the_default_agents_dir_may_be_missing_even_when_it_is_written_down)
{
	struct conf *c = NULL;
	struct err e = ERR_INIT;

	cr_assert(eq(int,
		      conf_load(file("x.conf", "agents_dir = \"agents.d\";"), &c, &e),
		      0),
	    "%s", e.text);
	cr_expect(eq(sz, c->n_agents, 1));
	conf_free(c);
}

static const struct {
	const char *token; /* as written between quotes */
	const char *want;  /* part of the refusal when it begins with '!' */
} expansions[] = {
	{ "plain", "plain" },
	{ "${AR_TEST_SET}", "value" },
	{ "a${AR_TEST_SET}b${AR_TEST_SET}", "avaluebvalue" },
	{ "${AR_TEST_SET:-other}", "value" },
	{ "${AR_TEST_UNSET:-other}", "other" },
	{ "${AR_TEST_UNSET:-}x", "x" },
	{ "${AR_TEST_EMPTY:-other}", "other" },
	{ "${AR_TEST_EMPTY}x", "x" },
	{ "$${AR_TEST_SET}", "${AR_TEST_SET}" },
	{ "$AR_TEST_SET and $", "$AR_TEST_SET and $" },
	{ "${AR_TEST_REFERENCE}", "${AR_TEST_SET}" }, /* once, not again */
	{ "${AR_TEST_SET", "!must be followed by" },
	{ "${AR_TEST_SET:-x", "!without '}'" },
	{ "${}", "!must be followed by" },
	{ "${1A}", "!must be followed by" },
	{ "${A B}", "!must be followed by" },
	{ "${A:+x}", "!must be followed by" },
	{ "${AR_TEST_UNSET}", "!AR_TEST_UNSET is not set" },
};

Test(conf, references_to_the_environment_are_expanded_once)
{
	(void)setenv("AR_TEST_SET", "value", 1);
	(void)setenv("AR_TEST_EMPTY", "", 1);
	(void)setenv("AR_TEST_REFERENCE", "${AR_TEST_SET}", 1);
	(void)unsetenv("AR_TEST_UNSET");
	for (size_t i = 0; i < ARRAY_LEN(expansions); i++) {
		const char *want = expansions[i].want;
		struct conf *c = NULL;
		struct err e = ERR_INIT;
		char text[256];
		int r;

		(void)snprintf(text, sizeof(text), "http: { token = \"%s\"; };",
		    expansions[i].token);
		r = conf_load(file("x.conf", text), &c, &e);
		if (want[0] == '!') {
			cr_expect(lt(int, r, 0), "%s", expansions[i].token);
			cr_expect(strstr(e.text, want + 1) != NULL, "'%s' gave '%s'",
			    expansions[i].token, e.text);
			continue;
		}
		cr_assert(eq(int, r, 0), "'%s': %s", expansions[i].token, e.text);
		cr_expect(strcmp(c->http.token, want) == 0, "'%s' gave '%s'",
		    expansions[i].token, c->http.token);
		conf_free(c);
	}
}

static const struct {
	const char *number; /* as written */
	int64_t want;       /* -1: refused */
} numbers[] = {
	{ "4", 4 },
	{ "0x10", 16 },
	{ "5L", 5 },
	{ "\"7\"", 7 },
	{ "\"1024\"", -1 }, /* out of bounds */
	{ "1024", -1 },
	{ "-1", -1 },
	{ "\"-1\"", -1 },
	{ "4.0", -1 },
	{ "\"4x\"", -1 },
	{ "\"\"", -1 },
	{ "\"99999999999999999999\"", -1 },
	{ "true", -1 },
	{ "( 4 )", -1 },
};

Test(conf, a_whole_number_is_one_and_within_its_bounds)
{
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		struct conf *c = NULL;
		struct err e = ERR_INIT;
		char text[128];
		int r;

		(void)snprintf(text, sizeof(text), "service: { workers = %s; };",
		    numbers[i].number);
		r = conf_load(file("x.conf", text), &c, &e);
		cr_expect(r == 0 ? numbers[i].want >= 0 : numbers[i].want < 0, "%s: %s",
		    numbers[i].number, e.text);
		if (r == 0)
			cr_expect(eq(i64, c->service.workers, numbers[i].want), "%s",
			    numbers[i].number);
		conf_free(c);
	}
}

Test(conf, a_secret_in_a_file_loses_its_last_line_end_only)
{
	struct conf *c = NULL;
	struct err e = ERR_INIT;
	char text[256];

	(void)snprintf(text, sizeof(text), "http: { token = \"file:%s\"; };",
	    file("token", "two words\n"));
	cr_assert(eq(int, conf_load(file("x.conf", text), &c, &e), 0), "%s", e.text);
	cr_expect(strcmp(c->http.token, "two words") == 0, "'%s'", c->http.token);
	conf_free(c);
}

static const struct {
	const char *value; /* of http.token; %s is the directory */
	const char *content;
	mode_t mode;
	const char *want;    /* the token; NULL: refused */
	const char *says;    /* the refusal, with the option and the file */
	const char *warning; /* NULL: none */
} secret_files[] = {
	{ "file:%s/s", "sesame\n", 0600, "sesame", NULL, NULL },
	{ "file:%s/s", "sesame\r\n\n", 0600, "sesame", NULL, NULL },
	{ "file:%s/s", "sesame", 0640, "sesame", NULL, "/s can be read by others" },
	{ "file:%s/s", "sesame", 0604, "sesame", NULL, "(mode 0604)" },
	{ "file:%s/s", "abc", 0600, "abc", NULL, "shorter than 4 bytes" },
	{ "file:%s/s", "", 0600, NULL, "/s is empty", NULL },
	{ "file:%s/s", "\n\n", 0600, NULL, "/s is empty", NULL },
	{ "file:%s/s", "sesame\nopen\n", 0600, NULL, "/s holds more than one line",
	    NULL },
	{ "file:%s/none", "", 0600, NULL, "cannot open", NULL },
	{ "credential:s", "sesame\n", 0400, "sesame", NULL, NULL },
	/* an access list shows as bits of the group */
	{ "credential:s", "sesame\n", 0440, "sesame", NULL, NULL },
	{ "credential:s", "sesame\n", 0444, "sesame", NULL,
	    "/s can be read by others" },
	{ "credential:s", "", 0400, NULL, "/s is empty", NULL },
	{ "credential:none", "", 0400, NULL, "/none: No such file", NULL },
	{ "credential:", "", 0400, NULL, "does not name a credential", NULL },
	{ "credential:../x", "", 0400, NULL, "does not name a credential", NULL },
	{ "credential:..", "", 0400, NULL, "does not name a credential", NULL },
};

Test(conf, a_secret_stands_in_a_file_or_is_a_credential)
{
	(void)setenv("CREDENTIALS_DIRECTORY", dir, 1);
	for (size_t i = 0; i < ARRAY_LEN(secret_files); i++) {
		const char *path = file("s", secret_files[i].content);
		struct conf *c = NULL;
		struct err e = ERR_INIT;
		char value[256], text[300];
		int r;

		cr_assert(eq(int, chmod(path, secret_files[i].mode), 0));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		(void)snprintf(value, sizeof(value), secret_files[i].value, dir);
#pragma GCC diagnostic pop
		(void)snprintf(text, sizeof(text), "\nhttp: { token = \"%s\"; };",
		    value);
		r = conf_load(file("x.conf", text), &c, &e);
		(void)unlink(path);
		if (secret_files[i].want == NULL) {
			cr_expect(eq(int, r, -EINVAL), "%s", value);
			cr_expect(strstr(e.text, "x.conf:2: http.token: ") != NULL,
			    "%s", e.text);
			cr_expect(strstr(e.text, secret_files[i].says) != NULL, "%s",
			    e.text);
			continue;
		}
		cr_assert(eq(int, r, 0), "%s", e.text);
		cr_expect_str_eq(c->http.token, secret_files[i].want);
		cr_expect(eq(sz, c->warnings.n, secret_files[i].warning != NULL), "%zu",
		    i);
		if (c->warnings.n > 0 && secret_files[i].warning != NULL) {
			cr_expect(strstr(c->warnings.v[0], secret_files[i].warning) !=
				NULL,
			    "%s", c->warnings.v[0]);
			cr_expect(
			    strstr(c->warnings.v[0], "x.conf:2: http.token: ") != NULL);
			cr_expect(strstr(c->warnings.v[0], "sesame") == NULL);
		}
		conf_free(c);
	}
}

Test(conf, a_credential_needs_a_service_manager_that_gives_it)
{
	struct conf *c = NULL;
	struct err e = ERR_INIT;

	(void)unsetenv("CREDENTIALS_DIRECTORY");
	cr_expect(eq(int,
	    conf_load(file("x.conf", "http: { token = \"credential:t\"; };"), &c, &e),
	    -EINVAL));
	cr_expect(strstr(e.text, "LoadCredential=t:") != NULL, "%s", e.text);
}

/* URLs of every kind of server, and what of them must be found again. */
static const struct {
	const char *url;
	const char *secret; /* NULL: none is in it */
} urls[] = {
	{ "redis://u:sesame@h:1/2", "sesame" },
	{ "redis://:sesame@h", "sesame" },
	{ "redis://u:ses%40me@h", "ses@me" },
	{ "redis://u:ses%40me@h", "ses%40me" },
	{ "redis://h:1/2", NULL },
	{ "redis://user@h:1/2", NULL },
	{ "redis://h/?password=sesame&db=3", "sesame" },
	{ "redis://h/?db=3&api_key=sesame", "sesame" },
	{ "redis://h/?keyword=sesame", NULL },
};

/* What people see of them. */
static const struct {
	const char *url, *shown;
	bool is_cut;
} shown_urls[] = {
	{ "redis://u:sesame@h:1/2", "redis://u:********@h:1/2", false },
	{ "redis://:ses/ame@h:1", "redis://:********@h:1", true },
	{ "redis://:12/34@h:1", "redis://:********@h:1", true },
	{ "postgres://u:ses?ame@h/d", "postgres://u:********@h/d", true },
	{ "postgres://u:1s#es@me@h/d", "postgres://u:********@h/d", true },
	{ "http://h:80/@user", "http://h:80/@user", false },
	{ "http://h/a:b@user", "http://h/a:b@user", false },
	{ "http://[::1]:80/@user", "http://[::1]:80/@user", false },
	{ "http://[::1]/@user", "http://[::1]/@user", false },
	{ "postgres://a:1,b:2/d?application_name=x@y",
	    "postgres://a:1,b:2/d?application_name=x@y", false },
	{ "unix:///run/a:b@c", "unix:///run/a:b@c", false },
};

Test(conf, a_password_that_was_not_escaped_is_masked_and_told)
{
	for (size_t i = 0; i < ARRAY_LEN(shown_urls); i++) {
		CLEANUP_BUF struct buf b = BUF_INIT;

		conf_mask_url(&b, shown_urls[i].url);
		cr_expect_str_eq(buf_str(&b), shown_urls[i].shown);
		cr_expect(eq(int, conf_url_is_cut(shown_urls[i].url),
			      shown_urls[i].is_cut),
		    "%s", shown_urls[i].url);
	}
}

Test(conf, the_secrets_of_urls_are_among_all_secrets)
{
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		CLEANUP(conf_freep) struct conf *c = NULL;
		CLEANUP(secrets_freep) struct secrets *s = NULL;
		struct err e = ERR_INIT;
		char text[300];

		(void)snprintf(text, sizeof(text), "redis: { url = \"%s\"; };",
		    urls[i].url);
		cr_assert(eq(int, conf_load(file("x.conf", text), &c, &e), 0), "%s",
		    e.text);
		cr_assert(eq(int, conf_secrets(c, &s), 0));
		if (urls[i].secret == NULL)
			cr_expect(eq(sz, secrets_count(s), 0), "%s", urls[i].url);
		else
			cr_expect(secrets_found(s, urls[i].secret,
				      strlen(urls[i].secret)),
			    "%s", urls[i].url);
	}
}

/* Every option that is called a secret, whatever record it stands in. */
Test(conf, all_secrets_are_found_and_none_stays_when_blanked)
{
	struct conf *c = NULL;
	struct err e = ERR_INIT;
	CLEANUP(secrets_freep) struct secrets *s = NULL;
	CLEANUP_BUF struct buf b = BUF_INIT;

	setenv("AR_TEST_TOKEN", "sesame", 1);
	cr_assert(eq(int, conf_load(file("x.conf", full), &c, &e), 0), "%s", e.text);
	cr_assert(eq(int, conf_secrets(c, &s), 0));
	cr_expect(secrets_found(s, "sesame", 6));
	conf_blank_secrets(c);
	for (int role = 0; role < ROLE_COUNT; role++)
		conf_write_role(&b, c, (enum role)role);
	cr_expect(strstr(buf_str(&b), "sesame") == NULL, "%s", buf_str(&b));
	cr_expect(strstr(buf_str(&b), "postgresql://u:" CONF_MASK "@h/d") != NULL, "%s",
	    buf_str(&b));
	conf_free(c);
}

static const char parties[] =
    "database: { url = \"postgresql://u:databasepass@h/d\"; };\n"
    "llm: { providers = ( { name = \"p\"; base_url = \"http://u:urlpassword@h/v1\"; api_key = "
    "\"provider-key\"; }, { name = \"q\"; api_key = \"ollama\"; } ); };\n"
    "auth_profiles: { w = { type = \"api_key\"; header = \"X\"; value = \"profile-key\"; hosts = "
    "( \"h\" ); }; b = { type = \"basic\"; username = \"u\"; password = \"admin\"; hosts = ( "
    "\"h\" ); }; };\n";

static const struct {
	const char *text;
	bool of_all, of_providers, of_strangers, of_basic;
} shown[] = {
	{ "databasepass", true, false, false, false },
	{ "urlpassword", true, true, false, false },
	{ "provider-key", true, true, false, false },
	{ "profile-key", true, false, true, true },
	/* words: masked where they were sent, and in what this process says */
	{ "ollama", true, false, false, false },
	{ "admin", true, false, false, true },
	{ "nothing of ours", false, false, false, false },
};

Test(conf, what_may_come_back_is_what_was_sent)
{
	CLEANUP(conf_freep) struct conf *c = NULL;
	CLEANUP(secrets_freep) struct secrets *all = NULL;
	CLEANUP(secrets_freep) struct secrets *providers = NULL;
	CLEANUP(secrets_freep) struct secrets *strangers = NULL;
	CLEANUP(secrets_freep) struct secrets *basic = NULL;
	struct err e = ERR_INIT;

	cr_assert(eq(int, conf_load(file("x.conf", parties), &c, &e), 0), "%s", e.text);
	cr_assert(eq(int, conf_secrets(c, &all), 0));
	cr_assert(eq(int, conf_provider_secrets(c, &providers), 0));
	cr_assert(eq(int, conf_profile_secrets(c, NULL, &strangers), 0));
	cr_assert(eq(int, conf_profile_secrets(c, &c->auth_profiles[1], &basic), 0));
	for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
		const char *t = shown[i].text;
		size_t n = strlen(t);

		cr_expect(eq(int, secrets_found(all, t, n), shown[i].of_all), "%s", t);
		cr_expect(eq(int, secrets_found(providers, t, n),
			      shown[i].of_providers),
		    "%s", t);
		cr_expect(eq(int, secrets_found(strangers, t, n),
			      shown[i].of_strangers),
		    "%s", t);
		cr_expect(eq(int, secrets_found(basic, t, n), shown[i].of_basic), "%s",
		    t);
	}
}

Test(conf, an_included_file_is_read_from_beside_the_first_and_named_in_findings)
{
	struct conf *c = NULL;
	struct err e = ERR_INIT;

	(void)file("part.conf", "service: { workers = 9; };\n");
	cr_assert(eq(int,
		      conf_load(file("x.conf", "@include \"part.conf\"\nhttp: { };\n"),
			  &c, &e),
		      0),
	    "%s", e.text);
	cr_expect(eq(i64, c->service.workers, 9));
	conf_free(TAKE_PTR(c));
	(void)file("part.conf", "\nservice: { wrkrs = 9; };\n");
	cr_expect(
	    lt(int, conf_load(file("x.conf", "@include \"part.conf\"\n"), &c, &e), 0));
	cr_expect(strstr(e.text, "part.conf:2") != NULL, "%s", e.text);
	cr_expect(lt(int,
	    conf_load(file("x.conf", "@include \"missing.conf\"\n"), &c, &e), 0));
}

/* ---- prices ---- */

static const char priced[] =
    "llm: { providers = ( { name = \"a\"; model = \"gpt-4o\"; },\n"
    " { name = \"own\"; model = \"gpt-4o\"; price_input = 1; price_output = 2; } );\n"
    " prices = ( { model = \"*\"; input = 9; output = 9; },\n"
    "  { model = \"gpt-4*\"; input = 3; output = 4; },\n"
    "  { model = \"gpt-4o\"; input = 2.5; output = 10; cached = 1.25; },\n"
    "  { model = \"gpt-4o*\"; input = 5; output = 6; cached = 0; },\n"
    "  { model = \"llama\"; input = 0; output = 0; } ); };";

static const struct {
	const char *provider, *model;
	double input, output, cached;
} price_cases[] = {
	{ "a", "gpt-4o", 2.5, 10, 1.25 }, /* the exact name wins */
	{ "a", "gpt-4o-mini", 5, 6, 0 },  /* then the longest that fits */
	{ "a", "gpt-4-turbo", 3, 4, 3 },  /* cached as input when nothing is said */
	{ "a", "gpt-4", 3, 4, 3 },        /* the star stands for nothing, too */
	{ "a", "claude", 9, 9, 9 },       /* any model */
	{ "a", "llama", 0, 0, 0 },        /* known, and free */
	{ "own", "gpt-4o", 1, 2, 1 },     /* the provider's own prices win */
};

Test(conf, a_model_s_price_is_the_provider_s_own_or_the_best_fit_of_the_table)
{
	struct conf *c = NULL;
	struct err e = ERR_INIT;

	cr_assert(eq(int, conf_load(file("x.conf", priced), &c, &e), 0), "%s", e.text);
	for (size_t i = 0; i < ARRAY_LEN(price_cases); i++) {
		struct token_price p;

		cr_expect(
		    conf_price_find(c, conf_provider_find(c, price_cases[i].provider),
			price_cases[i].model, &p));
		cr_expect(p.input == price_cases[i].input &&
			p.output == price_cases[i].output &&
			p.cached == price_cases[i].cached,
		    "%s: %g %g %g", price_cases[i].model, p.input, p.output, p.cached);
	}
	conf_free(c);
}

Test(conf, a_model_without_a_price_is_not_known_to_be_free)
{
	struct conf *c = NULL;
	struct err e = ERR_INIT;
	struct token_price p = { 7, 7, 7 };

	cr_assert(eq(int,
	    conf_load(file("x.conf",
			  "llm: { prices = ( { model = \"free\"; } ); };\n"
			  "limits: { owner_tokens_per_day = 5; };"),
		&c, &e),
	    0));
	cr_expect(not(conf_price_find(c, &c->llm.providers[0], "freedom", &p)));
	cr_expect(p.input == 0 && p.output == 0 && p.cached == 0);
	cr_expect(conf_price_find(c, &c->llm.providers[0], "free", &p));
	conf_free(c);
}

Test(conf, the_table_of_prices_is_written_in_one_group_with_the_providers)
{
	struct conf *c = NULL;
	struct err e = ERR_INIT;
	CLEANUP_BUF struct buf masked = BUF_INIT;
	const char *first;

	cr_assert(eq(int, conf_load(file("x.conf", priced), &c, &e), 0), "%s", e.text);
	conf_write_masked(&masked, c);
	first = strstr(buf_str(&masked), "llm = {");
	cr_assert(first != NULL);
	cr_expect(strstr(first + 1, "llm = {") == NULL, "%s", first);
	cr_expect(strstr(first, "prices = (") != NULL, "%s", first);
	conf_free(c);
}
