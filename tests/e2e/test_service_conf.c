/* SPDX-License-Identifier: MIT */
/*
 * test_service_conf.c - what -t finds and where, what -T shows, and that no secret is
 * seen anywhere.
 */
#include "config.h"

#include "tests/e2e/e2e.h"

#include "common/exit_status.h"
#include "common/fault_point.h"

#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>

static struct harness *h;

static void
begin(void)
{
	h = e2e_new();
	harness_servers(h);
}

static void
end(void)
{
	harness_free(h);
	h = NULL;
}

TestSuite(service_conf, .init = begin, .fini = end, .timeout = 60);

static int
run(struct buf *out, const char *const *args)
{
	const char *argv[12] = { harness_program(h, "agent-runnerd") };
	size_t n = 1;

	for (; *args != NULL; args++)
		argv[n++] = *args;
	buf_clear(out);
	return harness_run(h, argv, out);
}

/* -t of this text, and of this agent file when there is one. */
static int
check(struct buf *out, const char *text, const char *agent)
{
	static const char *args[] = { "-t", "-c", NULL, NULL };

	args[2] = harness_conf_path(h);
	harness_write_file(h, "agent-runner.conf", text);
	harness_write_file(h, "agents.d/a.conf", agent != NULL ? agent : "");
	return run(out, args);
}

#define SECRET "Zx9secretqQ"
#define USERS "service: { user = \"nobody\"; compute_user = \"daemon\"; };\n"

/* says: parted by '|', each a part of one line of the output. "@" at the beginning
   stands for the configuration file, "%" for the agent's file. */
static const struct {
	const char *text, *agent, *says;
} bad[] = {
	{ "service: {\n  workers = = 4;\n};\n", NULL, "@:2: syntax error" },
	{ "service: { workers = 3;\n workers = 4; };\n", NULL, "@:2: duplicate" },
	{ USERS "nonsense = 1;\nhttp: { lisen = \"\"; };\n", NULL,
	    "@:2: nonsense: unknown option|@:3: http.lisen: unknown option; did you mean "
	    "http.listen?" },
	{ USERS
	    "queue: { lease_sec = 1;\n max_attempts = \"x\";\n dead_max = 1.5; };\n",
	    NULL,
	    "@:2: queue.lease_sec: 1 is out of bounds|@:3: queue.max_attempts: 'x' is "
	    "not|@:4: queue.dead_max: wants a whole number" },
	{ "service: { user = \"nobody\"; compute_user = \"daemon\";\n log: { level = "
	  "\"loud\";\n target = \"x\";\n format = \"xml\"; }; };\n",
	    NULL,
	    "@:2: service.log.level: 'loud'|@:3: service.log.target: 'x'|@:4: "
	    "service.log.format: 'xml'" },
	{ USERS
	    "http: {\n listen = \"0.0.0.0:80\"; };\nredis: {\n url = \"ftp://x\"; };\n",
	    NULL, "@:3: http.listen: 0.0.0.0:80 is not|@:5: redis.url: must be" },
	{ USERS "http: { listen = \"localhost.example:80\";\n token = \"x\"; };\n",
	    NULL, "@:2: http.listen localhost.example:80" },
	{ USERS "http: {\n token = \"file:/nonexistent/token\"; };\n", NULL,
	    "@:3: http.token: cannot open /nonexistent/token" },
	{ USERS
	    "llm: { providers = ( {\n name = \"a b\";\n base_url = \"ftp://\"; },\n {\n "
	    "type = \"soap\"; name = \"q\"; api_key = \"${NO_SUCH_VARIABLE}\"; } ); };\n",
	    NULL,
	    "@:3: llm.providers[0].name: 'a b'|@:4: llm.providers[0].base_url: must|@:6: "
	    "llm.providers[1].type: 'soap'|@:6: llm.providers[1].api_key: environment "
	    "variable NO_SUCH_VARIABLE" },
	{ USERS "auth_profiles: { w = {\n type = \"magic\"; }; };\n", NULL,
	    "@:3: auth_profiles.w.type: 'magic'|@:2: auth_profiles.w.hosts: name" },
	{ USERS
	    "network: { allow_ports = ( 99999 );\n allow_domains = ( \"a b\" ); };\n",
	    NULL, "@:2: network.allow_ports: '99999'" },
	{ USERS "network: {\n allow_private = ( \"10.0.0.0/99\" ); };\n", NULL,
	    "@:3: network.allow_private: '10.0.0.0/99'" },
	{ USERS "agents_dir = \"nowhere\";\n", NULL, "@:2: agents_dir: cannot read" },
	{ USERS "@include \"nothing.conf\"\n", NULL, "@:2: cannot open include" },
	{ USERS "service = 3;\n", NULL, "@:2: duplicate" },
	{ USERS "redis: { program = \"/nonexistent/redis\"; };\n", NULL,
	    "@:2: redis.program" },
	{ USERS "database: { url = \"sqlite:/nonexistent/x.db\"; };\n", NULL,
	    "@:2: database.url: /nonexistent" },
	{ "service: { user = \"nobody\"; compute_user = \"daemon\";\n run_dir = "
	  "\"/etc/passwd/run\";\n state_dir = \"state\"; };\n",
	    NULL, "@:3: service.state_dir: 'state' must be an absolute path" },
	{ "service: { user = \"nobody\"; compute_user = \"daemon\";\n run_dir = "
	  "\"/etc/passwd/run\";\n log: { target = \"file:/nonexistent/x.log\"; }; };\n",
	    NULL,
	    "@:2: service.run_dir: /etc/passwd: Not a directory|@:3: service.log.target: "
	    "/nonexistent" },
	{ "service: { user = \"nobody\"; compute_user = \"daemon\";\n log: { target = "
	  "\"file:/tmp\"; }; };\n",
	    NULL, "@:2: service.log.target: /tmp: Invalid argument" },
	{ USERS, "\n\nwrong = 1;\n", "%:3: wrong: unknown option" },
	{ USERS, "tools = (;\n", "%:1: syntax error" },
	{ USERS, "tools = ( \"x1\",\n \"x2\" );\nfinish_tools = ( \"x3\" );\n",
	    "%:1: agent a: tools: there is no tool \"x1\"|there is no tool \"x2\"|%:3: "
	    "agent a: finish_tools: there is no tool \"x3\"" },
	{ USERS, "providers = ( \"z\" );\ntool_choice = \"maybe\";\n",
	    "%:1: agent a: provider 'z' is not|%:2: agent a: tool_choice 'maybe'" },
	{ USERS, "\nsystem_prompt_file = \"../nothing.txt\";\n",
	    "%:2: system_prompt_file: cannot open" },
	{ USERS, "system_prompt_file = \"../latin1.txt\";\n",
	    "%:1: system_prompt_file: |is not UTF-8 text" },
	{ USERS, "\noutput_schema_file = \"../broken.json\";\n",
	    "%:2: agent a: output_schema_file: " },
	{ USERS,
	    "input_schema_file = \"../keyword.json\";\noutput_schema_file = "
	    "\"../keyword.json\";\n",
	    "%:1: agent a: input_schema_file: /oneOf|%:2: agent a: output_schema_file: "
	    "/oneOf" },
	{ USERS, "\nname = \"a b\";\n", "%:2: agent 'a b': the name must be" },
};

/* '@' and '%' spelled out. */
static void
spell(char *to, size_t size, const char *from, size_t n)
{
	const char *file = *from == '%' ? "agents.d/a.conf" : "agent-runner.conf";

	if (*from == '@' || *from == '%')
		(void)snprintf(to, size, "%s/%s%.*s", harness_dir(h), file, (int)n - 1,
		    from + 1);
	else
		(void)snprintf(to, size, "%.*s", (int)n, from);
}

Test(service_conf, every_fault_is_told_with_its_file_and_line)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	harness_write_file(h, "latin1.txt", "caf\xe9\n");
	harness_write_file(h, "broken.json", "{\"type\": object}");
	harness_write_file(h, "keyword.json", "{\"type\":\"object\",\"oneOf\":[]}");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		cr_expect_eq(check(&out, bad[i].text, bad[i].agent), EXIT_STATUS_CONFIG,
		    "%s%s", bad[i].text, buf_str(&out));
		for (const char *says = bad[i].says; *says != '\0';) {
			size_t n = strcspn(says, "|");
			char want[512];

			spell(want, sizeof(want), says, n);
			cr_expect(strstr(buf_str(&out), want) != NULL,
			    "wanted: %s\ngot: %s", want, buf_str(&out));
			says += n + (says[n] == '|');
		}
		cr_expect(strstr(buf_str(&out), "configuration ok") == NULL);
	}
}

Test(service_conf, more_faults_than_a_message_holds_are_all_told)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	CLEANUP_BUF struct buf out = BUF_INIT;

	buf_adds(&text, USERS);
	for (int i = 0; i < 100; i++)
		buf_addf(&text, "an_option_that_nobody_has_heard_of_%d = 1;\n", i);
	cr_expect_eq(check(&out, buf_str(&text), NULL), EXIT_STATUS_CONFIG);
	cr_expect(strstr(buf_str(&out), "nobody_has_heard_of_0:") != NULL);
	cr_expect(strstr(buf_str(&out), "nobody_has_heard_of_99:") != NULL);
}

Test(service_conf, both_users_are_looked_for)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	const char *text =
	    "service: { user = \"no-such-user\";\n compute_user = \"root\"; "
	    "};\n";

	if (geteuid() != 0)
		cr_skip_test("only root changes user");
	cr_expect_eq(check(&out, text, NULL), EXIT_STATUS_CONFIG);
	cr_expect(strstr(buf_str(&out),
		      "agent-runner.conf:1: service.user: there is no user") != NULL,
	    "%s", buf_str(&out));
	cr_expect(strstr(buf_str(&out),
		      "agent-runner.conf:2: service.compute_user: \"root\" is root") !=
		NULL,
	    "%s", buf_str(&out));
}

Test(service_conf, a_good_file_is_ok_and_remarks_do_not_make_it_bad)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	cr_expect_eq(check(&out, USERS, NULL), 0, "%s", buf_str(&out));
	cr_expect_str_eq(buf_str(&out), "configuration ok\n");
	cr_expect_eq(check(&out, USERS "limits: { step_memory_mb = 900000; };\n",
			 "tools = ( \"execute_pipeline\", \"search_tools\" );\n"),
	    0, "%s", buf_str(&out));
	cr_expect(strstr(buf_str(&out), "note: limits: ") != NULL, "%s", buf_str(&out));
	cr_expect(strstr(buf_str(&out), "configuration ok\n") != NULL);
}

/* Loose permissions are a warning, a file without a secret is a fault; neither shows
   what it holds. */
Test(service_conf, a_secret_file_is_looked_at)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	char text[400], path[300];

	harness_write_file(h, "token", SECRET "\n");
	(void)snprintf(path, sizeof(path), "%s/token", harness_dir(h));
	(void)snprintf(text, sizeof(text), USERS "http: { token = \"file:%s\"; };\n",
	    path);
	cr_assert(eq(int, chmod(path, 0644), 0));
	cr_expect_eq(check(&out, text, NULL), 0, "%s", buf_str(&out));
	cr_expect(strstr(buf_str(&out), "warning: ") != NULL, "%s", buf_str(&out));
	cr_expect(strstr(buf_str(&out), ":2: http.token: ") != NULL, "%s",
	    buf_str(&out));
	cr_expect(strstr(buf_str(&out), "can be read by others") != NULL, "%s",
	    buf_str(&out));
	cr_expect(strstr(buf_str(&out), SECRET) == NULL);
	cr_assert(eq(int, chmod(path, 0600), 0));
	cr_expect_eq(check(&out, text, NULL), 0, "%s", buf_str(&out));
	cr_expect(strstr(buf_str(&out), "warning: ") == NULL, "%s", buf_str(&out));
	harness_write_file(h, "token", "\n");
	cr_expect_eq(check(&out, text, NULL), EXIT_STATUS_CONFIG);
	cr_expect(strstr(buf_str(&out), "token is empty") != NULL, "%s", buf_str(&out));
}

Test(service_conf, files_that_cannot_be_read_are_named)
{
	static const char *const folder[] = { "-t", "-c", "/tmp", NULL };
	static const char *const nothing[] = { "-t", "-c", "/nonexistent.conf", NULL };
	CLEANUP_BUF struct buf out = BUF_INIT;

	cr_expect_eq(run(&out, folder), EXIT_STATUS_CONFIG);
	cr_expect(strstr(buf_str(&out), "cannot read /tmp: Is a directory") != NULL,
	    "%s", buf_str(&out));
	cr_expect_eq(run(&out, nothing), EXIT_STATUS_CONFIG);
	cr_expect(strstr(buf_str(&out),
		      "cannot read /nonexistent.conf: No such file") != NULL,
	    "%s", buf_str(&out));
}

static const struct {
	const char *args[4];
	int status;
	const char *says;
} usages[] = {
	{ { "-x" }, EXIT_STATUS_USAGE, "Try 'agent-runnerd --help'" },
	{ { "word" }, EXIT_STATUS_USAGE, "'word' is no option" },
	{ { "-c" }, EXIT_STATUS_USAGE, "Try 'agent-runnerd --help'" },
	{ { "-t", "-T" }, EXIT_STATUS_USAGE, "one can be done at a time" },
	{ { "--daemon=3" }, EXIT_STATUS_USAGE, "Try 'agent-runnerd --help'" },
	{ { "-V" }, 0, "agent-runnerd " PACKAGE_VERSION FAULT_POINTS_NOTE "\n" },
	{ { "--version" }, 0, "agent-runnerd " PACKAGE_VERSION FAULT_POINTS_NOTE "\n" },
	{ { "-h" }, 0, "usage: agent-runnerd" },
};

Test(service_conf, the_command_line_is_judged)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(usages); i++) {
		cr_expect_eq(run(&out, usages[i].args), usages[i].status, "%s",
		    usages[i].args[0]);
		cr_expect(strstr(buf_str(&out), usages[i].says) != NULL, "%s: %s",
		    usages[i].args[0], buf_str(&out));
	}
}

/* ---- secrets ---- */

/* Every secret that the configuration can hold has this in it. */

static void
add_secrets(void)
{
	char path[256];

	harness_write_file(h, "token", SECRET "1\n");
	(void)snprintf(path, sizeof(path), "\"file:%s/token\"", harness_dir(h));
	harness_set(h, "http.token", "%s", path);
	harness_set(h, "auth_profiles",
	    "{ a = { type = \"api_key\"; header = \"X-Key\"; value = \"" SECRET
	    "2\"; hosts = ( \"a.example\" ); }; b = { type = \"bearer\"; token = \"" SECRET
	    "3\"; hosts = ( \"b.example\" ); }; c = { type = \"basic\"; username = \"u\"; "
	    "password = \"" SECRET "4\"; hosts = ( \"c.example\" ); }; }");
	harness_set(h, "orchestrator.api_url",
	    "\"http://u:" SECRET "5@127.0.0.1:1/api/v1\"");
	harness_env(h, "SERVICE_TEST_KEY=" SECRET "6");
	(void)setenv("SERVICE_TEST_KEY", SECRET "6", 1);
	harness_set(h, "llm.providers",
	    "( { name = \"stub\"; base_url = \"http://%s/v1\"; api_key = "
	    "\"${SERVICE_TEST_KEY}\"; model = \"m\"; timeout_sec = 10; }, { name = "
	    "\"second\"; base_url = \"http://u:" SECRET
	    "7@127.0.0.1:1/v1?api-version=1&api_key=" SECRET "8\"; api_key = \"" SECRET
	    "9\"; model = \"m\"; } )",
	    harness_llm_address(h));
}

Test(service_conf, the_dump_is_complete_and_masked)
{
	const char *args[] = { "-T", "-c", harness_conf_path(h), NULL };
	CLEANUP_BUF struct buf out = BUF_INIT;

	add_secrets();
	harness_set(h, "redis.url", "\"redis://u:" SECRET "@h/0\"");
	harness_set(h, "database.url",
	    "\"postgresql://u:" SECRET "@h/db?password=" SECRET "&connect_timeout=3\"");
	harness_write_conf(h);
	cr_expect_eq(run(&out, args), 0, "%s", buf_str(&out));
	cr_expect(strstr(buf_str(&out), SECRET) == NULL, "%s", buf_str(&out));
	cr_expect(strstr(buf_str(&out), "redis://u:********@h/0") != NULL);
	cr_expect(strstr(buf_str(&out), "&connect_timeout=3") != NULL);
	cr_expect(strstr(buf_str(&out), "?api-version=1&api_key=********") != NULL);
	cr_expect(strstr(buf_str(&out), "max_payload_bytes = ") != NULL,
	    "defaults, too");
}

static bool
file_holds(const char *path, const char *text)
{
	CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	CLEANUP_BUF struct buf all = BUF_INIT;
	char block[65536];
	ssize_t n;

	while (fd >= 0 && (n = read(fd, block, sizeof(block))) > 0)
		buf_add(&all, block, (size_t)n);
	return all.len > 0 && memmem(all.data, all.len, text, strlen(text)) != NULL;
}

/* Files that the service wrote, and must not have written a secret to. */
static void
expect_no_secret_below(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		char path[1024];
		struct stat st;

		(void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (e->d_name[0] == '.' || lstat(path, &st) != 0)
			continue;
		if (S_ISDIR(st.st_mode))
			expect_no_secret_below(path);
		else if (S_ISREG(st.st_mode))
			cr_expect(not(file_holds(path, SECRET)), "%s", path);
	}
	if (d != NULL)
		(void)closedir(d);
}

Test(service_conf, no_secret_is_seen_in_a_process_a_log_a_row_or_a_file)
{
	static struct process list[PROCESSES_MAX];
	char path[300];
	size_t n;

	add_secrets();
	harness_write_conf(h);
	harness_launch(h);
	harness_wait_log(h, " workers of ");
	harness_wait_log(h, "ready after");
	harness_push_job(h, "s1",
	    "fetch flights from NYC to LAX, sort by price, show cheapest 3", "");
	(void)harness_result(h, "s1", HARNESS_WAIT_MS);
	harness_signal(h, SIGHUP);
	harness_wait_log(h, "nothing has changed");
	n = processes_below(harness_proc(h)->pid, list);
	cr_assert(n >= 6);
	for (size_t i = 0; i < n; i++) {
		(void)snprintf(path, sizeof(path), "/proc/%d/cmdline",
		    (int)list[i].pid);
		cr_expect(not(file_holds(path, SECRET)), "%s %s", list[i].role, path);
		(void)snprintf(path, sizeof(path), "/proc/%d/environ",
		    (int)list[i].pid);
		cr_expect(not(file_holds(path, "=")), "%s has an environment",
		    list[i].role);
	}
	harness_stop(h);
	cr_expect(not(harness_log_has(h, SECRET)), "a secret is in the log");
	(void)snprintf(path, sizeof(path), "%s/state", harness_dir(h));
	expect_no_secret_below(path);
	(void)snprintf(path, sizeof(path), "%s/run", harness_dir(h));
	expect_no_secret_below(path);
}
