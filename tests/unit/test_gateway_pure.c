/* SPDX-License-Identifier: MIT */
/* test_gateway_pure.c - who may ask, what a request becomes, what is answered. */
#include "config.h"

#include "common/json/json.h"
#include "gateway/access.h"
#include "gateway/chat_job.h"
#include "gateway/health.h"
#include "gateway/metrics_text.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <string.h>
#include <sys/wait.h>

static struct conf *
conf_of(const char *text)
{
	struct conf *conf = NULL;
	struct err err = ERR_INIT;

	cr_assert(eq(int, conf_read_role(text, strlen(text), &conf, &err), 0), "%s",
	    err.text);
	return conf;
}

#define LISTEN(address) \
 "http: { listen = \"" address "\"; hosts = ( \"runner.example\" ); };"
#define TOKEN "http: { listen = \"127.0.0.1:8082\"; token = \"sesame\"; };"

/* clang-format off */
static const struct {
	const char *conf;
	const char *host, *origin, *site, *authorization;
	enum access_verdict want;
} accesses[] = {
	{ LISTEN("127.0.0.1:8082"), "127.0.0.1:8082", NULL, NULL, NULL, ACCESS_OK },
	{ LISTEN("127.0.0.1:8082"), "127.0.0.1", NULL, NULL, NULL, ACCESS_OK },
	{ LISTEN("127.0.0.1:8082"), "localhost:9999", NULL, NULL, NULL, ACCESS_OK },
	{ LISTEN("127.0.0.1:8082"), "LocalHost.", NULL, NULL, NULL, ACCESS_OK },
	{ LISTEN("127.0.0.1:8082"), "runner.example", NULL, NULL, NULL, ACCESS_OK },
	{ LISTEN("127.0.0.1:8082"), NULL, NULL, NULL, NULL, ACCESS_OK },
	{ LISTEN("127.0.0.1:8082"), "", NULL, NULL, NULL, ACCESS_FOREIGN_HOST },
	{ LISTEN("127.0.0.1:8082"), "evil.example", NULL, NULL, NULL, ACCESS_FOREIGN_HOST },
	{ LISTEN("127.0.0.1:8082"), "evil.example:8082", NULL, NULL, NULL, ACCESS_FOREIGN_HOST },
	{ LISTEN("127.0.0.1:8082"), "localhost.evil.example", NULL, NULL, NULL, ACCESS_FOREIGN_HOST },
	{ LISTEN("127.0.0.1:8082"), "127.0.0.1.evil.example", NULL, NULL, NULL, ACCESS_FOREIGN_HOST },
	{ LISTEN("127.0.0.1:8082"), "10.0.0.1", NULL, NULL, NULL, ACCESS_FOREIGN_HOST },
	{ LISTEN("127.0.0.1:8082"), "[::1]:8082", NULL, NULL, NULL, ACCESS_FOREIGN_HOST },
	{ LISTEN("127.0.0.1:8082"), "x.runner.example", NULL, NULL, NULL, ACCESS_FOREIGN_HOST },
	{ LISTEN("[::1]:8082"), "[::1]:8082", NULL, NULL, NULL, ACCESS_OK },
	{ LISTEN("[::1]:8082"), "[0:0::1]", NULL, NULL, NULL, ACCESS_OK },
	{ LISTEN("[::1]:8082"), "[::1", NULL, NULL, NULL, ACCESS_FOREIGN_HOST },
	{ LISTEN("0.0.0.0:8082"), "10.1.2.3:8082", NULL, NULL, NULL, ACCESS_OK },
	{ LISTEN("0.0.0.0:8082"), "evil.example", NULL, NULL, NULL, ACCESS_FOREIGN_HOST },
	{ LISTEN("127.0.0.1:8082"), "localhost", "http://localhost:8082", NULL, NULL, ACCESS_OK },
	{ LISTEN("127.0.0.1:8082"), "localhost", "https://runner.example", NULL, NULL, ACCESS_OK },
	{ LISTEN("127.0.0.1:8082"), "localhost", "https://evil.example", NULL, NULL, ACCESS_FOREIGN_ORIGIN },
	{ LISTEN("127.0.0.1:8082"), "localhost", "https://evil.example/localhost", NULL, NULL, ACCESS_FOREIGN_ORIGIN },
	{ LISTEN("127.0.0.1:8082"), "localhost", "https://a@localhost", NULL, NULL, ACCESS_FOREIGN_ORIGIN },
	{ LISTEN("127.0.0.1:8082"), "localhost", "null", NULL, NULL, ACCESS_FOREIGN_ORIGIN },
	{ LISTEN("127.0.0.1:8082"), "localhost", "", NULL, NULL, ACCESS_FOREIGN_ORIGIN },
	{ LISTEN("127.0.0.1:8082"), "localhost", NULL, "cross-site", NULL, ACCESS_FOREIGN_ORIGIN },
	{ LISTEN("127.0.0.1:8082"), "localhost", NULL, "same-origin", NULL, ACCESS_OK },
	{ LISTEN("127.0.0.1:8082"), "localhost", NULL, "none", NULL, ACCESS_OK },
	{ TOKEN, "localhost", NULL, NULL, NULL, ACCESS_NO_TOKEN },
	{ TOKEN, "localhost", NULL, NULL, "Bearer sesame", ACCESS_OK },
	{ TOKEN, "localhost", NULL, NULL, "bearer  sesame", ACCESS_OK },
	{ TOKEN, "localhost", NULL, NULL, "Bearer sesam", ACCESS_NO_TOKEN },
	{ TOKEN, "localhost", NULL, NULL, "Bearer sesamee", ACCESS_NO_TOKEN },
	{ TOKEN, "localhost", NULL, NULL, "Bearer ", ACCESS_NO_TOKEN },
	{ TOKEN, "localhost", NULL, NULL, "Basic sesame", ACCESS_NO_TOKEN },
	{ TOKEN, "localhost", NULL, NULL, "sesame", ACCESS_NO_TOKEN },
	{ TOKEN, "evil.example", NULL, NULL, "Bearer sesame", ACCESS_FOREIGN_HOST },
};
/* clang-format on */

Test(access, only_our_names_our_pages_and_the_token)
{
	for (size_t i = 0; i < ARRAY_LEN(accesses); i++) {
		struct conf *conf = conf_of(accesses[i].conf);
		const struct access_headers h = { accesses[i].host, accesses[i].origin,
			accesses[i].site, accesses[i].authorization };

		cr_expect(eq(int, access_check(conf, &h, false), accesses[i].want),
		    "%zu: Host %s Origin %s Authorization %s", i,
		    h.host != NULL ? h.host : "-", h.origin != NULL ? h.origin : "-",
		    h.authorization != NULL ? h.authorization : "-");
		if (accesses[i].want == ACCESS_NO_TOKEN)
			cr_expect(eq(int, access_check(conf, &h, true), ACCESS_OK));
		conf_free(conf);
	}
}

static const struct {
	const char *given, *secret;
	bool want;
} equals[] = {
	{ "abc", "abc", true },
	{ "", "", true },
	{ "abc", "abd", false },
	{ "abc", "abcabc", false },
	{ "abcabc", "abc", false },
	{ "", "abc", false },
	{ "abc", "", false },
};

Test(access, comparing_without_shortcuts_still_compares)
{
	for (size_t i = 0; i < ARRAY_LEN(equals); i++)
		cr_expect(eq(int, access_equal(equals[i].given, equals[i].secret),
		    equals[i].want));
}

/* ---- jobs ---- */

static const struct json *
payload(struct arena *arena, const struct chat_job *job)
{
	const struct json *v = NULL;
	struct err err = ERR_INIT;

	cr_assert(eq(int,
		      json_read(arena, buf_str(&job->payload), job->payload.len, 0, &v,
			  &err),
		      0),
	    "%s", err.text);
	return v;
}

Test(chat_job, json_fields_pass_and_ours_are_ours)
{
	static const char text[] =
	    "{\"prompt\":\"hi \\u0000 \xc3\xa9\",\"version\":\"9\",\"agent\":\"a\","
	    "\"timeout_sec\":7,\"created_at\":\"x\",\"output_schema\":{\"n\":1.50}}";
	CLEANUP(arena_freep) struct arena *arena = arena_new(0);
	struct chat_job job;
	const struct json *v;

	cr_assert(eq(int, chat_job_from_json(&job, text, sizeof(text) - 1, NULL), 0));
	v = payload(arena, &job);
	cr_expect(json_eq_str(json_get(v, "job_id"), job.id));
	cr_expect(eq(sz, strlen(job.id), 36));
	cr_expect(json_eq_str(json_get(v, "version"), "1.0"));
	cr_expect(json_eq_str(json_get(v, "agent"), "a"));
	cr_expect(eq(uint, json_get(v, "prompt")->len, 7));
	cr_expect(not(json_eq_str(json_get(v, "created_at"), "x")));
	cr_expect(strstr(buf_str(&job.payload), "{\"n\":1.50}") != NULL);
	cr_expect(eq(i64, job.timeout_sec, 7));
	cr_expect(eq(uint, v->len, 7));
	chat_job_release(&job);
}

static const struct {
	const char *text, *says;
} bad_bodies[] = {
	{ "", "no JSON" },
	{ "{", "no JSON" },
	{ "[]", "JSON object" },
	{ "{}", "\"prompt\"" },
	{ "{\"prompt\":\"\"}", "\"prompt\"" },
	{ "{\"prompt\":5}", "\"prompt\"" },
	{ "{\"prompt\":\"x\",\"job_id\":\"y\"}", "\"job_id\"" },
};

Test(chat_job, what_is_missing_is_named)
{
	for (size_t i = 0; i < ARRAY_LEN(bad_bodies); i++) {
		struct err err = ERR_INIT;
		struct chat_job job;

		cr_expect(eq(int,
			      chat_job_from_json(&job, bad_bodies[i].text,
				  strlen(bad_bodies[i].text), &err),
			      -EINVAL),
		    "%s", bad_bodies[i].text);
		cr_expect(strstr(err.text, bad_bodies[i].says) != NULL, "%s", err.text);
		chat_job_release(&job);
	}
}

/* With a name that ends at its U+0000, a client could choose the id of its job. */
Test(chat_job, a_name_with_a_nul_stays_another_name)
{
	static const char body[] = "{\"prompt\":\"x\",\"job_id\\u0000\":\"mine\"}";
	CLEANUP(arena_freep) struct arena *arena = arena_new(0);
	struct chat_job job;

	cr_assert(eq(int, chat_job_from_json(&job, body, sizeof(body) - 1, NULL), 0));
	cr_expect(json_eq_str(json_get(payload(arena, &job), "job_id"), job.id));
	chat_job_release(&job);
}

Test(chat_job, task_is_an_old_name_and_fields_make_a_job_too)
{
	CLEANUP(arena_freep) struct arena *arena = arena_new(0);
	struct chat_fields good = { BUF_INIT, BUF_INIT, BUF_INIT }, empty = good,
			   no_text = good;
	struct chat_job a, b;
	const struct json *v;

	buf_adds(&good.prompt, "say \"hi\"");
	buf_adds(&good.session_id, "s1");
	buf_adds(&no_text.prompt, "\xff\xfe");
	cr_assert(eq(int, chat_job_from_json(&a, "{\"task\":\"x\"}", 12, NULL), 0));
	cr_expect(json_eq_str(json_get(payload(arena, &a), "task"), "x"));
	cr_assert(eq(int, chat_job_from_fields(&b, &good, NULL), 0));
	v = payload(arena, &b);
	cr_expect(json_eq_str(json_get(v, "prompt"), "say \"hi\""));
	cr_expect(json_get(v, "agent") == NULL);
	cr_expect(json_eq_str(json_path(v, "context.session_id", 18), "s1"));
	cr_expect(strcmp(a.id, b.id) != 0);
	cr_expect(eq(i64, b.timeout_sec, 300));
	chat_job_release(&a);
	chat_job_release(&b);
	cr_expect(eq(int, chat_job_from_fields(&b, &empty, NULL), -EINVAL));
	cr_expect(eq(int, chat_job_from_fields(&b, &no_text, NULL), -EINVAL));
	chat_fields_release(&good);
	chat_fields_release(&no_text);
}

/* ---- health ---- */

static struct control_status status;
static struct control_metrics metrics;

static void
fill(void)
{
	static const enum role roles[] = { ROLE_REDIS, ROLE_COMPUTE, ROLE_FETCH,
		ROLE_SCHEDULER, ROLE_GATEWAY, ROLE_WORKER, ROLE_WORKER };

	memset(&status, 0, sizeof(status));
	memset(&metrics, 0, sizeof(metrics));
	for (size_t i = 0; i < ARRAY_LEN(roles); i++)
		status.children[i] = (struct control_child){ .role = roles[i],
			.state = CHILD_LIVE,
			.pid = 100,
			.is_alive = 1 };
	status.n_children = ARRAY_LEN(roles);
	metrics.cells[metric_info(METRIC_STORE_UP)->first_cell] = 2;
}

Test(health, the_plain_answer_has_three_fields)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct health_facts facts = { .status = &status };

	fill();
	health_write(&out, &facts);
	cr_expect_str_eq(out.data,
	    "{\"status\":\"ok\",\"workers\":2,\"version\":\"" PACKAGE_VERSION "\"}");
}

Test(health, every_reason_not_to_be_ready_is_told)
{
	struct health_facts facts = { .status = &status, .metrics = &metrics };
	CLEANUP_BUF struct buf out = BUF_INIT;

	fill();
	cr_expect(health_write_ready(&out, &facts), "%s", buf_str(&out));
	buf_clear(&out);
	status.children[2].state = CHILD_BROKEN;
	status.children[5].state = status.children[6].state = CHILD_STARTING;
	status.is_draining = 1;
	facts.redis_away = "redis is away: \"why\"";
	cr_expect(not(health_write_ready(&out, &facts)));
	cr_expect_str_eq(out.data,
	    "{\"status\":\"unready\",\"reasons\":[\"redis is away: \\\"why\\\"\","
	    "\"the daemon is stopping\",\"no worker is live\","
	    "\"the fetch process is not live\"],\"workers\":2,\"version\":\"" PACKAGE_VERSION
	    "\"}");
	buf_clear(&out);
	fill();
	metrics.cells[metric_info(METRIC_STORE_UP)->first_cell] = 0;
	facts.redis_away = NULL;
	cr_expect(not(health_write_ready(&out, &facts)));
	cr_expect(strstr(out.data, "result store") != NULL);
	buf_clear(&out);
	fill();
	status.is_starting = 1;
	cr_expect(not(health_write_ready(&out, &facts)));
	cr_expect(strstr(out.data, "the daemon is starting") != NULL);
	buf_clear(&out);
	fill();
	status.paused_ms = 29001;
	cr_expect(not(health_write_ready(&out, &facts)));
	cr_expect(strstr(out.data, "no jobs are taken for 30 s") != NULL);
	buf_clear(&out);
	fill();
	status.children[5].is_alive = status.children[6].is_alive = 0;
	cr_expect(not(health_write_ready(&out, &facts)));
	cr_expect(strstr(out.data, "no worker is live") != NULL);
	buf_clear(&out);
	fill();
	facts.queue_paused = "the queue is paused since noon by ann@host";
	cr_expect(not(health_write_ready(&out, &facts)));
	cr_expect(strstr(out.data,
		      "[\"the queue is paused since noon by ann@host\"]") != NULL);
	buf_clear(&out);
	facts.status = NULL;
	cr_expect(not(health_write_ready(&out, &facts)));
	cr_expect(strstr(out.data, "supervisor does not answer") != NULL);
}

/* An agent whose providers all rest makes the daemon unready; one that has another
   provider, or one that is being tried, does not. */
Test(health, says_which_agent_has_no_provider_to_ask)
{
	static const struct {
		uint64_t first, second;
		bool is_ready;
	} cases[] = { { 0, 0, true }, { METRIC_BREAKER_OPEN, 0, true },
		{ METRIC_BREAKER_OPEN, 1, true },
		{ METRIC_BREAKER_OPEN, METRIC_BREAKER_OPEN, false } };
	struct conf *conf =
	    conf_of("llm: { providers = ( { name = \"a\"; }, "
		    "{ name = \"b\"; } ); }; agents = ( { name = \"workflow\"; } );");
	struct health_facts facts = { .status = &status,
		.metrics = &metrics,
		.conf = conf };
	unsigned cell = metric_info(METRIC_LLM_BREAKER)->first_cell;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_BUF struct buf out = BUF_INIT;

		fill();
		metrics.cells[cell] = cases[i].first;
		metrics.cells[cell + 1] = cases[i].second;
		cr_expect(health_write_ready(&out, &facts) == cases[i].is_ready, "%zu",
		    i);
		if (!cases[i].is_ready)
			cr_expect(strstr(buf_str(&out),
				      "no provider of agent workflow can be asked") !=
				NULL,
			    "%zu: %s", i, buf_str(&out));
	}
	conf_free(conf);
}

Test(health, the_page_escapes_what_it_shows)
{
	struct conf *conf =
	    conf_of("service: { name = \"<b>&\\\"\"; node = \"n1\"; };");
	struct health_facts facts = { .status = &status, .metrics = &metrics };
	CLEANUP_BUF struct buf out = BUF_INIT;

	fill();
	health_write_page(&out, conf, &facts);
	cr_expect(strstr(out.data, "&lt;b&gt;&amp;&quot;") != NULL);
	cr_expect(strstr(out.data, "<b>") == NULL);
	cr_expect(strstr(out.data, "src=") == NULL);
	cr_expect(strstr(out.data, "scheduler") != NULL);
	conf_free(conf);
}

Test(health, the_page_says_what_is_wrong_in_words)
{
	struct conf *conf = conf_of("llm: { providers = ( { name = \"p<1>\"; type = "
				    "\"openai\"; model = \"m1\"; } ); }; "
				    "agents = ( { name = \"workflow\"; } );");
	struct health_facts facts = { .status = &status,
		.metrics = &metrics,
		.conf = conf,
		.queue_paused = "the queue is paused by <me>" };
	CLEANUP_BUF struct buf out = BUF_INIT;

	fill();
	(void)snprintf(status.degraded, sizeof(status.degraded), "no <walls>");
	metrics.cells[metric_info(METRIC_LLM_BREAKER)->first_cell] = 2;
	health_write_page(&out, conf, &facts);
	cr_expect(
	    strstr(out.data, "<li>the queue is paused by &lt;me&gt;</li>") != NULL);
	cr_expect(strstr(out.data, "<li>no provider of agent workflow") != NULL);
	cr_expect(
	    strstr(out.data, "The sandbox is degraded: no &lt;walls&gt;.") != NULL);
	cr_expect(strstr(out.data,
		      "<td>p&lt;1&gt;</td><td>m1</td><td class=\"bad\">resting</td>") !=
	    NULL);
	cr_expect(strstr(out.data, "<td>other</td>") == NULL);
	conf_free(conf);
}

/* ---- metrics ---- */

#define PROVIDERS                                                    \
 "llm: { providers = ( { name = \"open\\\"ai\"; type = \"openai\"; " \
 "base_url = \"http://h/v1\"; model = \"m1\"; } ); };"

static void
write_sample(struct buf *out)
{
	struct conf *conf = conf_of(PROVIDERS);

	fill();
	for (unsigned i = 0; i < metrics_cells(); i++)
		metrics.cells[i] = i + 1;
	metrics.cells[metric_info(METRIC_COST_MICROUSD)->first_cell] = 1500000;
	metrics.cells[metric_info(METRIC_QUEUE_OLDEST_MS)->first_cell] = 2500;
	metrics.restarts[ROLE_WORKER][9] = 3;
	metrics.reload_ok = 1;
	metrics.started_at_ms = metrics.reloaded_at_ms = 1700000000123;
	(void)snprintf(metrics.version, sizeof(metrics.version), "0.1.0");
	metrics_text_write(out, conf, &metrics);
	conf_free(conf);
}

static const char *const lines[] = {
	"agent_runner_llm_cost_usd_total{provider=\"open\\\"ai\",model=\"m1\"} 1.5\n",
	"agent_runner_queue_oldest_age_seconds 2.5\n",
	"agent_runner_restarts_total{role=\"worker\",signal=\"9\"} 3\n",
	"agent_runner_jobs_done_total{status=\"completed\",error_type=\"\"} 1\n",
	"agent_runner_jobs_done_total{status=\"failed\",error_type=\"invalid_message\"} 2\n",
	"agent_runner_reload_success 1\n",
	"agent_runner_start_timestamp_seconds 1700000000.123\n",
	"agent_runner_build_info{version=\"0.1.0\"} 1\n",
	"# TYPE agent_runner_job_seconds histogram\n",
	"agent_runner_job_seconds_bucket{le=\"0.005\"} ",
	"agent_runner_job_seconds_bucket{le=\"+Inf\"} ",
	"agent_runner_llm_call_seconds_bucket{provider=\"open\\\"ai\",model=\"m1\",le=\"0.5\"} ",
	"agent_runner_llm_call_seconds_count{provider=\"other\",model=\"other\"} ",
};

Test(metrics_text, names_labels_and_units_are_spelled_out)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	write_sample(&out);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		cr_expect(strstr(out.data, lines[i]) != NULL, "%s", lines[i]);
	cr_expect(strstr(out.data, "status=\"failed\",error_type=\"\"") == NULL);
}

Test(metrics_text, promtool_has_nothing_to_say)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	char said[4096];
	size_t n;
	FILE *p, *f;
	char name[] = "/tmp/test-metrics-XXXXXX", command[200];
	int fd;

	if (system("command -v promtool >/dev/null 2>&1") != 0)
		cr_skip_test("promtool is not installed");
	write_sample(&out);
	fd = mkstemp(name);
	cr_assert(ge(int, fd, 0));
	f = fdopen(fd, "w");
	cr_assert(f != NULL);
	cr_assert(eq(sz, fwrite(out.data, 1, out.len, f), out.len));
	(void)fclose(f);
	(void)snprintf(command, sizeof(command), "promtool check metrics <%s 2>&1",
	    name);
	p = popen(command, "r");
	cr_assert(p != NULL);
	n = fread(said, 1, sizeof(said) - 1, p);
	said[n] = '\0';
	cr_expect(eq(int, pclose(p), 0), "%s", said);
	cr_expect(eq(sz, n, 0), "%s", said);
	(void)unlink(name);
}
