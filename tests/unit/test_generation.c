/* SPDX-License-Identifier: MIT */
/*
 * test_generation.c - what the supervisor keeps of a configuration, and where.
 */
#include "config.h"

#include "supervisor/generation.h"
#include "supervisor/vault.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECRET "a-secret-of-this-test"

static char folder[] = "/tmp/generation-test-XXXXXX";
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

TestSuite(generation, .init = setup, .fini = teardown);

static void
write_file(const char *text)
{
	FILE *f = fopen(path, "w");

	cr_assert(f != NULL);
	(void)fputs(text, f);
	(void)fclose(f);
}

static const char rich[] =
    "service = { name = \"x\"; workers = 3; log = { level = \"debug\"; }; };\n"
    "http = { listen = \"127.0.0.1:1\"; token = \"" SECRET
    "\"; hosts = ( \"a\", \"b\" ); "
    "};\n"
    "redis = { url = \"redis://u:" SECRET "@r:1/2\"; };\n"
    "llm = { providers = ( { name = \"p\"; api_key = \"" SECRET
    "\"; temperature = 0.7; } "
    ");"
    " };\n"
    "network = { allow_ports = ( \"80\", \"8080\" ); };\n"
    "auth_profiles = { w = { type = \"bearer\"; token = \"" SECRET
    "\"; hosts = ( \"h\" ); }; };\n";

Test(generation, what_another_process_read_is_what_the_file_says)
{
	struct generation *loaded = NULL, *here = NULL;
	CLEANUP_BUF struct buf changes = BUF_INIT;
	struct conf *conf = NULL;
	struct err err = ERR_INIT;

	write_file(rich);
	cr_assert_eq(generation_load(path, 7, &loaded, &err), 0, "%s", err_text(&err));
	cr_assert_eq(conf_load(path, &conf, &err), 0);
	cr_assert_eq(generation_new(&conf, 8, &here, &err), 0);
	cr_expect_eq(generation_compare(here, loaded, &changes, &err), 0, "%s",
	    buf_str(&changes));
	cr_expect_str_eq(loaded->conf->path, path);
	cr_expect_eq(loaded->number, 7);
	cr_expect_str_eq(loaded->conf->http.hosts.v[1], "b");
	cr_expect(conf_place_of(loaded->conf, "service.workers") != NULL);
	for (int role = 0; role < ROLE_COUNT; role++)
		cr_expect(loaded->part[role].len == here->part[role].len &&
			memcmp(loaded->part[role].text, here->part[role].text,
			    here->part[role].len) == 0,
		    "%s", role_name((enum role)role));
	generation_free(loaded);
	generation_free(here);
}

Test(generation, keeps_secrets_in_the_parts_alone)
{
	struct generation *g = NULL;
	CLEANUP_BUF struct buf all = BUF_INIT;

	write_file(rich);
	cr_assert_eq(generation_load(path, 1, &g, NULL), 0);
	conf_write_all(&all, g->conf);
	cr_expect(strstr(buf_str(&all), SECRET) == NULL, "%s", buf_str(&all));
	cr_expect(memmem(g->part[ROLE_WORKER].text, g->part[ROLE_WORKER].len, SECRET,
		      strlen(SECRET)) != NULL);
	generation_free(g);
}

Test(generation, says_what_is_wrong_as_the_reader_said_it)
{
	struct generation *g = NULL;
	struct conf *conf = NULL;
	struct err err = ERR_INIT, want = ERR_INIT;

	write_file("service = {\n workers = -1;\n nonsense = 2; };\n");
	cr_assert_lt(conf_load(path, &conf, &want), 0);
	cr_expect_eq(generation_load(path, 1, &g, &err), want.code);
	cr_expect_str_eq(err.text, want.text);
	cr_expect(g == NULL);
	cr_expect_lt(generation_load("/nonexistent/x", 1, &g, &err), 0);
}

/* A second generation of the same configuration outlives the first. */
Test(generation, shares_configuration_and_secrets_with_the_one_it_renews)
{
	struct generation *g = NULL, *again;

	write_file(rich);
	cr_assert_eq(generation_load(path, 1, &g, NULL), 0);
	again = generation_again(g, 2);
	cr_assert(again != NULL);
	cr_expect_eq(again->number, 2);
	generation_free(g);
	cr_expect_str_eq(again->conf->service.name, "x");
	cr_expect(memmem(again->part[ROLE_FETCH].text, again->part[ROLE_FETCH].len,
		      SECRET, strlen(SECRET)) != NULL);
	generation_free(again);
}

Test(generation, the_vault_is_empty_in_a_forked_process)
{
	char *p = vault_map(100);
	int status = 0;
	pid_t pid;

	cr_assert(p != NULL);
	memcpy(p, SECRET, sizeof(SECRET));
	pid = fork();
	if (pid == 0)
		_exit(p[0] != '\0' || p[5] != '\0');
	cr_assert(pid > 0 && waitpid(pid, &status, 0) == pid);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	cr_expect_str_eq(p, SECRET);
	vault_unmap(p, 100);
}

Test(generation, a_hidden_environment_can_still_be_asked)
{
	char *variable, name[] = "AGENT_RUNNER_TEST_X=" SECRET;

	cr_assert_eq(putenv(name), 0);
	variable = strchr(name, '=') + 1;
	vault_hide_environment();
	cr_expect_str_eq(getenv("AGENT_RUNNER_TEST_X"), SECRET);
	cr_expect_str_empty(variable, "where it was it is no more");
}
