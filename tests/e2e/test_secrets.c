/* SPDX-License-Identifier: MIT */
/*
 * test_secrets.c - a distinct secret in every option that may hold one, jobs that
 * succeed, fail and have servers echo what they were sent, and then a look at everything
 * that the service has said, stored, or shows in /proc.
 */
#include "config.h"

#include "tests/e2e/e2e.h"

#include "tests/support/http_client.h"
#include "tests/support/http_probe.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

TestSuite(secrets, .timeout = 240);

enum {
	WAIT_MS = 60000
};

/* What is planted. The odd bytes are those that forms write in other ways. */
static const struct {
	const char *where, *text;
} planted[] = {
	{ "http.token", "gate-TOKEN-1f7c9d" },
	{ "redis.url", "redisPASS2e8b4a" },
	{ "database.url", "dataPASS3d6f1c" },
	{ "llm api_key", "sk-stub-4Ab9Zq7Lw2" },
	{ "second llm api_key", "sk-other-5Xy8Pm3Kd" },
	{ "base_url of the third", "urlPASS6h2j8n" },
	{ "orchestrator.api_url", "orchPASS7t5v3x" },
	{ "header profile", "head/KEY+8w=4&r\\\"6" },
	{ "query profile", "query/KEY 9e+1&z%25" },
	{ "bearer profile", "bearer-TOKEN-0q3n7" },
	{ "basic profile", "basicPASS1m5k9s" },
};

enum {
	HTTP_TOKEN,
	REDIS_PASSWORD,
	DATABASE_PASSWORD,
	LLM_KEY,
	OTHER_KEY,
	OTHER_URL,
	ORCHESTRATOR,
	HEADER_KEY,
	QUERY_KEY,
	BEARER_TOKEN,
	BASIC_PASSWORD
};

/* ---- forms, written here once more: the test does not trust the filter ---- */

static void
add_base64(struct buf *out, const char *text)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t n = strlen(text) / 3 * 3; /* what follows does not change these */

	for (size_t i = 0; i < n; i += 3) {
		unsigned v = (unsigned)(unsigned char)text[i] << 16 |
		    (unsigned)(unsigned char)text[i + 1] << 8 |
		    (unsigned)(unsigned char)text[i + 2];

		for (int shift = 18; shift >= 0; shift -= 6)
			buf_addc(out, digits[v >> shift & 63]);
	}
}

static void
add_percent(struct buf *out, const char *text, const char *fmt_hex)
{
	for (const char *p = text; *p != '\0'; p++) {
		unsigned char c = (unsigned char)*p;

		if ((c >= '0' && c <= '9') ||
		    ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-')
			buf_addc(out, *p);
		else
			buf_addf(out, "%%%c%c", fmt_hex[c >> 4], fmt_hex[c & 15]);
	}
}

static void
expect_absent(const char *where, const char *bytes, size_t n, const char *what,
    const struct buf *form)
{
	const char *at = n > 0 ? memmem(bytes, n, form->data, form->len) : NULL;

	cr_expect(at == NULL, "%s holds the secret of %s as '%s'", where, what,
	    buf_str(form));
}

/* No part of the text may hold any planted secret in any form. */
static void
expect_clean(const char *where, const char *bytes, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(planted); i++) {
		struct buf forms[8] = { 0 };
		const char *text = planted[i].text;
		size_t k = 0;

		buf_adds(&forms[0], text);
		add_percent(&forms[1], text, "0123456789ABCDEF");
		add_percent(&forms[2], text, "0123456789abcdef");
		add_base64(&forms[3], text);
		json_write_string(&forms[4], text, strlen(text));
		forms[4].data[--forms[4].len] = '\0'; /* without its quotes */
		memmove(forms[4].data, forms[4].data + 1, forms[4].len);
		forms[4].len--;
		for (const char *p = text; *p != '\0'; p++)
			buf_addf(&forms[5], "%02x", (unsigned char)*p);
		/* as JSON in JSON: a tool's result in a model's message */
		json_write_string(&forms[6], buf_str(&forms[4]), forms[4].len);
		forms[6].data[--forms[6].len] = '\0';
		memmove(forms[6].data, forms[6].data + 1, forms[6].len);
		forms[6].len--;
		buf_adds(&forms[7],
		    i == BASIC_PASSWORD ? "dTpiYXNpY1BBU1Mx"
					: text); /* "u:basicPASS1" */
		for (k = 0; k < ARRAY_LEN(forms); k++) {
			expect_absent(where, bytes, n, planted[i].where, &forms[k]);
			buf_release(&forms[k]);
		}
	}
}

/* ---- the world ---- */

static const struct http_probe_route routes[] = {
	{ "/echo", .flags = PROBE_ECHO },
	{ "/refuse", .status = 403, .flags = PROBE_ECHO },
	{ "/broken", .status = 500, .flags = PROBE_ECHO },
	{ "/away", .status = 302,
	    .headers = "Location: http://localhost:{port}/echo\r\n" },
	{ "/leak", .status = 302,
	    .headers =
		"Location: http://localhost:{port}/echo?t=bearer-TOKEN-0q3n7\r\n" },
};

static struct harness *h;
static struct http_probe *probe;

static void
write_secret_file(const char *name, const char *text)
{
	char path[300];

	harness_write_file(h, name, text);
	(void)snprintf(path, sizeof(path), "%s/%s", harness_dir(h), name);
	cr_assert(eq(int, chmod(path, 0600), 0));
}

static void
plant_in_servers(void)
{
	const char *db = harness_database_url(h);
	redisReply *reply;

	reply = harness_redis(h, "ACL SETUSER ar on >%s ~* &* +@all",
	    planted[REDIS_PASSWORD].text);
	cr_assert(reply != NULL && reply->type != REDIS_REPLY_ERROR);
	freeReplyObject(reply);
	harness_set(h, "redis.url", "\"unix://%s?user=ar&password=%s\"",
	    harness_redis_socket(h), planted[REDIS_PASSWORD].text);
	harness_set(h, "database.url", "\"%s%cpassword=%s\"", db,
	    strchr(db, '?') != NULL ? '&' : '?', planted[DATABASE_PASSWORD].text);
}

static void
plant(void)
{
	static char key[100], credentials[300];

	(void)snprintf(key, sizeof(key), "AR_TEST_LLM_KEY=%s", planted[LLM_KEY].text);
	harness_env(h, key);
	(void)snprintf(credentials, sizeof(credentials), "CREDENTIALS_DIRECTORY=%s",
	    harness_dir(h));
	harness_env(h, credentials);
	write_secret_file("http-token", planted[HTTP_TOKEN].text);
	write_secret_file("head-key", planted[HEADER_KEY].text);
	write_secret_file("query-key", planted[QUERY_KEY].text);
	harness_set(h, "http.token", "\"file:%s/http-token\"", harness_dir(h));
	plant_in_servers();
	harness_set(h, "orchestrator.api_url", "\"http://u:%s@127.0.0.1:1/api/v1\"",
	    planted[ORCHESTRATOR].text);
	harness_set(h, "llm.providers",
	    "( { name = \"stub\"; base_url = \"http://%s/v1\"; api_key = "
	    "\"${AR_TEST_LLM_KEY}\"; model = \"m\"; timeout_sec = 10; }, { name = "
	    "\"second\"; base_url = \"http://%s/v1\"; api_key = \"%s\"; model = \"m\"; "
	    "timeout_sec = 10; }, { name = \"third\"; base_url = "
	    "\"http://u:%s@127.0.0.1:1/v1\"; model = \"m\"; } )",
	    harness_llm_address(h), harness_llm_address(h), planted[OTHER_KEY].text,
	    planted[OTHER_URL].text);
	harness_set(h, "auth_profiles",
	    "{ head = { type = \"api_key\"; header = \"X-Weather-Key\"; value = "
	    "\"credential:head-key\"; hosts = ( \"127.0.0.1\" ); }; query = { type = "
	    "\"api_key\"; query = \"appid\"; value = \"credential:query-key\"; hosts = ( "
	    "\"127.0.0.1\" ); }; bear = { type = \"bearer\"; token = \"%s\"; hosts = ( "
	    "\"127.0.0.1\" ); }; basic = { type = \"basic\"; username = \"u\"; password = "
	    "\"%s\"; hosts = ( \"127.0.0.1\" ); }; }",
	    planted[BEARER_TOKEN].text, planted[BASIC_PASSWORD].text);
	harness_set(h, "network.allow_private",
	    "( \"127.0.0.1:%u\", \"localhost:%u\" )", http_probe_port(probe),
	    http_probe_port(probe));
}

static void
start(void)
{
	probe = http_probe_start(routes, ARRAY_LEN(routes));
	cr_assert(probe != NULL);
	h = e2e_new();
	harness_use_postgres(h);
	harness_llm_arg(h, "--log-bodies");
	harness_set(h, "service.log.level", "\"debug\"");
	harness_set(h, "queue.max_attempts", "1");
	/* the model sees what the tool said, and then speaks */
	harness_write_file(h, "agents.d/workflow.conf",
	    "name = \"workflow\"; tools = ( \"execute_pipeline\" ); providers = ( "
	    "\"stub\" );");
	harness_write_file(h, "agents.d/lost.conf",
	    "name = \"lost\"; tools = ( \"execute_pipeline\" ); providers = ( \"second\" "
	    ");");
	harness_servers(h);
	plant();
	harness_write_conf(h);
	harness_daemon(h);
}

static void
stop(void)
{
	harness_free(h);
	http_probe_stop(probe);
}

/* ---- what happens ---- */

static const char *const profiles[] = { "head", "query", "bear", "basic" };
static const char *const paths[] = { "echo", "refuse", "broken", "away", "leak" };

/* A job for each profile and path, and what providers may do with a key. */
static void
script(void)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	buf_adds(&text, "{\"rules\":[");
	for (size_t i = 0; i < ARRAY_LEN(profiles); i++)
		for (size_t k = 0; k < ARRAY_LEN(paths); k++)
			buf_addf(&text,
			    "{\"when\":{\"prompt_contains\":\"#%s-%s#\",\"turn\":0},\"reply\":"
			    "{\"tool_calls\":[{\"name\":\"execute_pipeline\",\"arguments\":{"
			    "\"session_id\":\"s\",\"pipeline\":[{\"step\":\"http_request\","
			    "\"url\":\"http://127.0.0.1:%u/%s\",\"auth_profile\":\"%s\"}]}}]}},",
			    profiles[i], paths[k], http_probe_port(probe), paths[k],
			    profiles[i]);
	buf_addf(&text,
	    "{\"when\":{\"prompt_contains\":\"#quoted#\"},\"fault\":{\"status\":401,"
	    "\"body\":{\"error\":{\"message\":\"Incorrect API key provided: %s\"}}}},",
	    planted[LLM_KEY].text);
	buf_addf(&text,
	    "{\"when\":{\"prompt_contains\":\"#lost#\"},\"fault\":{\"status\":403,"
	    "\"body\":{\"error\":{\"message\":\"no access with %s\"}}}},",
	    planted[OTHER_KEY].text);
	buf_addf(&text,
	    "{\"when\":{\"prompt_contains\":\"#echoed#\"},\"reply\":{\"content\":\"you sent "
	    "Authorization: Bearer %s\"}},",
	    planted[LLM_KEY].text);
	buf_adds(&text, "{\"reply\":{\"content\":\"that is all\"}}]}");
	harness_llm_script(h, buf_str(&text));
}

static const struct {
	const char *id, *extra, *status;
} others[] = {
	{ "quoted", "", "failed" },
	{ "echoed", "", "completed" },
	{ "lost", ",\"agent\":\"lost\"", "failed" },
};

static void
expect_clean_value(const char *where, const struct json *v)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	json_write(&text, v, JSON_COMPACT);
	expect_clean(where, buf_str(&text), text.len);
}

static void
run_jobs(void)
{
	char id[64], prompt[100];

	for (size_t i = 0; i < ARRAY_LEN(profiles) * ARRAY_LEN(paths); i++) {
		(void)snprintf(id, sizeof(id), "%s-%s", profiles[i / ARRAY_LEN(paths)],
		    paths[i % ARRAY_LEN(paths)]);
		(void)snprintf(prompt, sizeof(prompt), "show the data of #%s#", id);
		harness_push_job(h, id, prompt, "");
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		(void)snprintf(prompt, sizeof(prompt), "show #%s#", others[i].id);
		harness_push_job(h, others[i].id, prompt, others[i].extra);
	}
	for (size_t i = 0; i < ARRAY_LEN(profiles) * ARRAY_LEN(paths); i++) {
		(void)snprintf(id, sizeof(id), "%s-%s", profiles[i / ARRAY_LEN(paths)],
		    paths[i % ARRAY_LEN(paths)]);
		expect_clean_value(id, harness_result(h, id, WAIT_MS));
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		const struct json *r = harness_result(h, others[i].id, WAIT_MS);

		cr_expect_str_eq(text_at(h, r, "status"), others[i].status, "%s: %s",
		    others[i].id, text_at(h, r, "error.message"));
		expect_clean_value(others[i].id, r);
	}
}

/* ---- what is left ---- */

static bool
file_into(struct buf *out, const char *path)
{
	CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char block[65536];
	ssize_t n;

	while (fd >= 0 && (n = read(fd, block, sizeof(block))) > 0)
		buf_add(out, block, (size_t)n);
	return fd >= 0;
}

static void
look_below(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		CLEANUP_BUF struct buf all = BUF_INIT;
		char path[1024];
		struct stat st;

		(void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (e->d_name[0] == '.' || lstat(path, &st) != 0)
			continue;
		if (S_ISDIR(st.st_mode))
			look_below(path);
		else if (S_ISREG(st.st_mode) && file_into(&all, path))
			expect_clean(path, buf_str(&all), all.len);
	}
	if (d != NULL)
		(void)closedir(d);
}

static void
add_reply(struct buf *out, const redisReply *reply)
{
	if (reply->str != NULL)
		buf_add(out, reply->str, reply->len);
	buf_addc(out, '\n');
	for (size_t i = 0; i < reply->elements; i++)
		add_reply(out, reply->element[i]);
}

/* Every key whole, journals and dead letters among them. */
static void
look_into_redis(void)
{
	static const struct {
		const char *type, *command;
	} ways[] = { { "string", "GET %s" }, { "list", "LRANGE %s 0 -1" },
		{ "hash", "HGETALL %s" }, { "set", "SMEMBERS %s" },
		{ "zset", "ZRANGE %s 0 -1" } };
	CLEANUP_BUF struct buf all = BUF_INIT;
	redisReply *keys = harness_redis(h, "KEYS *");

	cr_assert(keys != NULL && keys->elements > 10, "journals are there");
	for (size_t i = 0; i < keys->elements; i++) {
		redisReply *type = harness_redis(h, "TYPE %s", keys->element[i]->str);

		for (size_t k = 0; k < ARRAY_LEN(ways); k++) {
			redisReply *value;

			if (strcmp(type->str, ways[k].type) != 0)
				continue;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			value =
			    harness_redis(h, ways[k].command, keys->element[i]->str);
#pragma GCC diagnostic pop
			add_reply(&all, value);
			freeReplyObject(value);
		}
		freeReplyObject(type);
	}
	freeReplyObject(keys);
	cr_expect(memmem(all.data, all.len, "[masked]", 8) != NULL,
	    "what was echoed has been there");
	expect_clean("Redis", all.data, all.len);
}

static void
look_at_programs(void)
{
	static const char *const runs[][6] = {
		{ "agent-runnerd", "-T", "-c", NULL },
		{ "agent-runnerd", "-t", "-c", NULL },
		{ "agentctl", "status", "--json", "-c", NULL },
		{ "agentctl", "status", "-c", NULL },
		{ "agentctl", "agents", "--json", "-c", NULL },
		{ "agentctl", "dead", "list", "--json", "-c", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
		CLEANUP_BUF struct buf out = BUF_INIT;
		const char *argv[8] = { harness_program(h, runs[i][0]) };
		size_t n = 1;

		for (; runs[i][n] != NULL; n++)
			argv[n] = runs[i][n];
		argv[n] = harness_conf_path(h);
		(void)harness_run(h, argv, &out);
		cr_expect(out.len > 0 || i == 5, "%s says something", runs[i][1]);
		expect_clean(runs[i][1], buf_str(&out), out.len);
	}
}

static void
look_at_http(void)
{
	static const char *const targets[] = { "/metrics", "/health", "/health?ready=1",
		"/", "/nothing" };
	char header[100];

	(void)snprintf(header, sizeof(header), "Authorization: Bearer %s\r\n",
	    planted[HTTP_TOKEN].text);
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		CLEANUP_BUF struct buf head = BUF_INIT, body = BUF_INIT;
		struct http_client_request rq = { .address = harness_http_address(h),
			.target = targets[i],
			.headers = header };

		cr_expect(gt(int, http_client(&rq, &head, &body, NULL), 0));
		expect_clean(targets[i], buf_str(&body), body.len);
		expect_clean(targets[i], buf_str(&head), head.len);
	}
}

static void
look_at_process(pid_t pid, const char *role)
{
	static const char *const files[] = { "cmdline", "environ", "status", "comm",
		"limits" };
	CLEANUP_BUF struct buf limits = BUF_INIT;
	char path[100];
	struct stat st;

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		CLEANUP_BUF struct buf text = BUF_INIT;

		(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, files[i]);
		if (!file_into(&text, path))
			continue; /* a jailed child that has ended */
		expect_clean(path, buf_str(&text), text.len);
		if (strcmp(files[i], "environ") == 0)
			cr_expect(memchr(buf_str(&text), '=', text.len) == NULL,
			    "%s shows an environment", role);
		if (strcmp(files[i], "limits") == 0)
			buf_add(&limits, buf_str(&text), text.len);
	}
	if (strcmp(role, "redis") == 0 || limits.len == 0)
		return;
	cr_expect(strstr(buf_str(&limits), "Max core file size        0 ") != NULL,
	    "%s may leave a core: %s", role, buf_str(&limits));
	/* what is not dumpable belongs to root in /proc, whoever runs it */
	(void)snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	if (stat(path, &st) == 0)
		cr_expect(eq(int, (int)st.st_uid, 0), "%s is dumpable", role);
}

static void
look_at_processes(void)
{
	static struct process list[PROCESSES_MAX];
	size_t n = harness_children(h, list);

	cr_assert(n >= 5);
	look_at_process(harness_proc(h)->pid, "supervisor");
	for (size_t i = 0; i < n; i++)
		look_at_process(list[i].pid, list[i].role);
}

/* The model's context: all that the stand-in was ever sent. */
static void
look_at_model(void)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	const struct json *log = harness_llm_log(h);

	json_write(&text, log, JSON_COMPACT);
	cr_expect(memmem(buf_str(&text), text.len, "[masked]", 8) != NULL,
	    "the model has seen what servers echoed");
	expect_clean("the model's context", buf_str(&text), text.len);
}

Test(secrets, none_of_any_option_is_seen_anywhere)
{
	CLEANUP_BUF struct buf log = BUF_INIT;
	char path[300];

	start();
	script();
	run_jobs();
	harness_signal(h, SIGHUP);
	harness_wait_log(h, "nothing has changed");
	look_at_processes();
	look_at_http();
	look_at_programs();
	look_at_model();
	look_into_redis();
	expect_clean("agent_results",
	    harness_sql(h,
		"SELECT CAST(result_data AS text), error, message, trace, "
		"tool_calls, llm_model, owner FROM agent_results"),
	    strlen(harness_sql(h,
		"SELECT CAST(result_data AS text), error, message, "
		"trace, tool_calls, llm_model, owner FROM "
		"agent_results")));
	harness_stop(h);
	proc_output(harness_proc(h), &log, 64u << 20);
	cr_expect(gt(sz, log.len, 1000));
	expect_clean("the log", buf_str(&log), log.len);
	(void)snprintf(path, sizeof(path), "%s/state", harness_dir(h));
	look_below(path);
	(void)snprintf(path, sizeof(path), "%s/run", harness_dir(h));
	look_below(path);
	stop();
}

/* A job that happens to name the worker's own key: its log line, and a failure whose
   message quotes it. */
Test(secrets, a_worker_says_none_of_its_own)
{
	char extra[100], line[100];
	const struct json *r;

	start();
	script();
	(void)snprintf(extra, sizeof(extra), ",\"agent\":\"%s\"",
	    planted[LLM_KEY].text);
	harness_push_job(h, "quoting", "do it", extra);
	r = harness_expect(h, "quoting", "failed");
	cr_expect_str_eq(text_at(h, r, "error.type"), "unknown_agent");
	cr_expect(strstr(text_at(h, r, "error.message"), "[masked]") != NULL, "%s",
	    text_at(h, r, "error.message"));
	cr_expect(
	    strstr(text_at(h, r, "error.message"), planted[LLM_KEY].text) == NULL);
	(void)snprintf(line, sizeof(line), "%s-id", planted[LLM_KEY].text);
	harness_push_job(h, line, "say it", "");
	(void)harness_expect(h, line, "completed");
	harness_wait_log(h, "job [masked]-id owner=");
	cr_expect(not(harness_log_has(h, planted[LLM_KEY].text)));
	harness_stop(h);
	stop();
}
