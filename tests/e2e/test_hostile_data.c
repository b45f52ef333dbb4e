/* SPDX-License-Identifier: MIT */
/*
 * test_hostile_data.c - data of strangers, addresses that lie, and pipelines that a
 * model should not have written.
 *
 * Each ends in the data or the typed failure that its row names, within the limits of
 * a step. They run side by side, so that each is a neighbour of all the others.
 */
#include "config.h"

#include "tests/e2e/e2e.h"
#include "tests/e2e/result_check.h"
#include "tests/support/http_probe.h"

TestSuite(hostile_data, .timeout = 180);

enum {
	WAIT_MS = 60000,
	MIB = 1024 * 1024
};

#define WORDS "the-words-of-the-prompt"
#define TOKEN "the-token-of-the-profile"
#define JSON_TYPE "Content-Type: application/json\r\n"
#define CSV_TYPE "Content-Type: text/csv\r\n"
#define LINES_TYPE "Content-Type: application/x-ndjson\r\n"
#define TO(url) "Location: " url "\r\n"
#define ROWS_10 \
 "{\"a\":9},{\"a\":3},{\"a\":5},{\"a\":1},{\"a\":7},{\"a\":2},{\"a\":8},{\"a\":4},{\"a\":6},{\"a\":0}"
#define ROWS_20 ROWS_10 "," ROWS_10
#define TEXT_40 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static char long_type[20000];
static char deep_json[200001], wide_json[18 * MIB], wide_csv[9 * MIB];

static const struct http_probe_route routes[] = {
	{ .path = "/rows", .headers = JSON_TYPE, .body = "[" ROWS_20 "]" },
	{ .path = "/text",
	    .headers = JSON_TYPE,
	    .body = "[{\"t\":\"" TEXT_40 "!\"},{\"t\":\"" TEXT_40 "!\"}]" },
	{ .path = "/million",
	    .headers = LINES_TYPE,
	    .body = "{\"a\":7}\n{\"a\":3}\n",
	    .repeat = 500000 },
	{ .path = "/same",
	    .headers = LINES_TYPE,
	    .body = "{\"k\":1,\"v\":\"" TEXT_40 "\"}\n",
	    .repeat = 20000 },
	{ .path = "/echo",
	    .flags = PROBE_ECHO,
	    .headers = "Content-Type: text/plain\r\n" },
	/* sizes */
	{ .path = "/bomb", .repeat = 1024UL * MIB, .flags = PROBE_GZIP_BOMB },
	{ .path = "/endless",
	    .body = "[0,0,0,0,0,0,0,0",
	    .repeat = 4 * MIB,
	    .flags = PROBE_CHUNKED },
	{ .path = "/drip", .body = "[0,0,0,0,0,0,0,0]", .drip_ms = 500 },
	{ .path = "/hang", .flags = PROBE_HANG },
	{ .path = "/headers", .flags = PROBE_ENDLESS_HEADERS },
	{ .path = "/cut",
	    .headers = JSON_TYPE,
	    .body = "[0,0,0,0,0,0,0,0]",
	    .flags = PROBE_CUT },
	{ .path = "/headcut",
	    .body = "HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\n",
	    .flags = PROBE_RAW },
	{ .path = "/chunkcut",
	    .headers = JSON_TYPE,
	    .body = "[0,0,0,0,0,0,0,0]",
	    .flags = PROBE_CUT | PROBE_CHUNKED },
	{ .path = "/shut", .flags = PROBE_CLOSE },
	/* shapes */
	{ .path = "/deep", .headers = JSON_TYPE, .body = deep_json },
	{ .path = "/wide.json", .headers = JSON_TYPE, .body = wide_json },
	{ .path = "/wide.csv", .headers = CSV_TYPE, .body = wide_csv },
	{ .path = "/bom.json",
	    .headers = JSON_TYPE,
	    .body = "\xef\xbb\xbf[{\"a\":1}]" },
	{ .path = "/bom.csv",
	    .headers = CSV_TYPE,
	    .body = "\xef\xbb\xbf"
		    "a,b\r\n1,2\r\n" },
	{ .path = "/odd.csv",
	    .headers = CSV_TYPE,
	    .body = "a,\"b \"\"x\"\"\",c\r\n1,\"two\nlines\",\"q\"\"q\"\r\n" },
	{ .path = "/short.csv", .headers = CSV_TYPE, .body = "a,b,c\n1\n1,2,3\n" },
	{ .path = "/long.csv", .headers = CSV_TYPE, .body = "a,b\n1,2,3\n" },
	{ .path = "/open.csv", .headers = CSV_TYPE, .body = "a,b\n1,\"2\n" },
	{ .path = "/twice.csv", .headers = CSV_TYPE, .body = "a,a\n1,2\n" },
	{ .path = "/latin.csv", .headers = CSV_TYPE, .body = "a\n\xe9t\xe9\n" },
	{ .path = "/empty", .headers = JSON_TYPE, .body = "" },
	{ .path = "/half", .headers = JSON_TYPE, .body = "[{\"a\":1},{\"a\":" },
	{ .path = "/nan", .headers = JSON_TYPE, .body = "[NaN]" },
	{ .path = "/surrogate", .headers = JSON_TYPE, .body = "[\"\\ud800\"]" },
	{ .path = "/nul",
	    .headers = JSON_TYPE,
	    .body = "[{\"a\\u0000b\":\"c\\u0000d\"}]" },
	{ .path = "/numbers",
	    .headers = JSON_TYPE,
	    .body =
		"[{\"a\":1e400},{\"a\":-0},{\"a\":123456789012345678901234567890}]" },
	{ .path = "/html", .headers = JSON_TYPE, .body = "<html>no data</html>" },
	{ .path = "/hidden",
	    .headers = "Content-Type: text/html\r\n",
	    .body = "[{\"a\":1}]" },
	{ .path = "/image",
	    .headers = "Content-Type: image/png\r\n",
	    .body = "\x89PNG\r\n\x1a\n\x01\x02\xff" },
	{ .path = "/line.ndjson",
	    .headers = LINES_TYPE,
	    .body = "{\"a\":1}\n{\"a\":\n" },
	{ .path = "/500", .status = 500, .body = "password=hunter2 broke" },
	{ .path = "/204", .status = 204 },
	/* heads */
	{ .path = "/type",
	    .headers = "Content-Type: text/\xff\xfe\x1b[31m; \"x\r\n",
	    .body = "text" },
	{ .path = "/type.long", .headers = long_type, .body = "[1]" },
	{ .path = "/types", .headers = CSV_TYPE JSON_TYPE, .body = "[1]" },
	{ .path = "/gzip.cut",
	    .headers = "Content-Encoding: gzip\r\n",
	    .body = "\x1f\x8b\x08" },
	{ .path = "/gzip.twice",
	    .headers = "Content-Encoding: gzip, gzip, gzip, gzip, gzip, gzip\r\n",
	    .body = "\x1f\x8b\x08" },
	{ .path = "/coding", .headers = "Content-Encoding: rot13\r\n", .body = "[1]" },
	{ .path = "/500.binary",
	    .status = 500,
	    .body = "\xff\xfe\x01\x1b[31m",
	    .repeat = 200 },
	{ .path = "/large.echo",
	    .body = "{\"a\":\"" TOKEN "\"}\n",
	    .repeat = 5000,
	    .headers = LINES_TYPE },
	{ .path = "/500.echo", .status = 500, .flags = PROBE_ECHO },
	{ .path = "/999",
	    .body = "HTTP/1.1 999 \xff\r\nContent-Length: 0\r\n\r\n",
	    .flags = PROBE_RAW },
	{ .path = "/no.reason",
	    .body = "HTTP/1.1 200\r\nContent-Length: 3\r\n\r\n[1]",
	    .flags = PROBE_RAW },
	{ .path = "/lf",
	    .body = "HTTP/1.1 200 OK\nContent-Length: 3\n\n[1]",
	    .flags = PROBE_RAW },
	{ .path = "/two.lengths",
	    .body =
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\n[1]  ",
	    .flags = PROBE_RAW },
	/* elsewhere */
	{ .path = "/loop", .status = 302, .headers = TO("/loop") },
	{ .path = "/to/meta",
	    .status = 302,
	    .headers = TO("http://169.254.169.254/latest/meta-data") },
	{ .path = "/to/localhost",
	    .status = 302,
	    .headers = TO("http://localhost.:1/") },
	{ .path = "/to/six", .status = 307, .headers = TO("http://[::1]:{port}/rows") },
	{ .path = "/to/mapped",
	    .status = 307,
	    .headers = TO("http://[::ffff:127.0.0.1]:1/rows") },
	{ .path = "/to/file", .status = 302, .headers = TO("file:///etc/passwd") },
	{ .path = "/to/user", .status = 302, .headers = TO("http://a:b@10.0.0.1/") },
	{ .path = "/to/rows", .status = 302, .headers = TO("rows") },
	{ .path = "/to/nowhere", .status = 302 },
};

static struct harness *h;
static struct http_probe *probe;

/* A million columns. */
static void
make_bodies(void)
{
	char *json = wide_json, *csv = wide_csv;

	(void)strcpy(long_type, "Content-Type: application/json; x=");
	memset(long_type + strlen(long_type), 'x', 15000);
	(void)strcat(long_type, "\r\n");
	memset(deep_json, '[', 100000);
	memset(deep_json + 100000, ']', 100000);
	json += sprintf(json, "[{\"x\":0");
	csv += sprintf(csv, "x");
	for (int i = 0; i < 1000000; i++) {
		json += sprintf(json, ",\"c%d\":1", i);
		csv += sprintf(csv, ",c%d", i);
	}
	(void)sprintf(json, "}]");
}

static void
start(void)
{
	make_bodies();
	probe = http_probe_start(routes, ARRAY_LEN(routes));
	cr_assert(probe != NULL);
	h = e2e_new();
	harness_set(h, "service.log.level", "\"info\"");
	harness_set(h, "queue.max_attempts", "1");
	harness_set(h, "limits.step_cpu_sec", "2");
	harness_set(h, "limits.step_memory_mb", "256");
	harness_set(h, "limits.step_output_mb", "8");
	harness_set(h, "network.max_body_bytes", "%d", 32 * MIB);
	harness_set(h, "network.timeout_sec", "4");
	harness_set(h, "auth_profiles",
	    "{ probe = { type = \"bearer\"; token = \"" TOKEN
	    "\"; hosts = ( \"127.0.0.1\" ); }; }");
	harness_set(h, "network.allow_private", "( \"127.0.0.1:%u\" )",
	    http_probe_port(probe));
	harness_start(h);
}

static void
stop(void)
{
	cr_expect_str_eq(
	    harness_sql(h,
		"SELECT count(*) FROM agent_results WHERE result_data LIKE '%" TOKEN
		"%' OR message LIKE '%" TOKEN "%' OR trace LIKE '%" TOKEN "%'"),
	    "0\n", "the token of a profile stands in a row");
	result_check_calm(h, WORDS);
	cr_expect(harness_log_has(h, TOKEN) == false);
	harness_free(h);
	http_probe_stop(probe);
}

static const struct row {
	const char *name;
	const char *steps; /* {U}: the probe's address; {x9}: that many letters */
	const char *type;  /* "": completed; NULL: depends on library or resolver */
	const char *want;  /* the value, or a part of the error's message */
} * rows;

#define GET(path) "{\"step\":\"http_request\",\"url\":\"{U}" path "\"}"
#define URL(url) "{\"step\":\"http_request\",\"url\":\"" url "\"}"
#define ON(path, step) GET(path) ",{\"step\":" step "}"
#define JQ(query) ON("/rows", "\"jq_transform\",\"query\":\"" query "\"")

static void
expand(struct buf *out, const char *text)
{
	for (const char *p = text; *p != '\0'; p++) {
		char *after;
		unsigned long n;

		if (strncmp(p, "{U}", 3) == 0) {
			buf_addf(out, "http://127.0.0.1:%u", http_probe_port(probe));
			p += 2;
		} else if (strncmp(p, "{P}", 3) == 0) {
			buf_addf(out, "%u", http_probe_port(probe));
			p += 2;
		} else if (p[0] == '{' && p[1] != '\0' && strchr("x[]", p[1]) != NULL &&
		    p[2] >= '1' && p[2] <= '9') {
			char c = p[1];

			n = strtoul(p + 2, &after, 10);
			while (n-- > 0)
				buf_addc(out, c);
			p = after;
		} else if (strncmp(p, "{T", 2) == 0 && p[2] >= '1' && p[2] <= '9') {
			n = strtoul(p + 2, &after, 10);
			while (n-- > 0)
				buf_adds(out, ",{\"step\":\"top_k\",\"k\":5}");
			p = after;
		} else {
			buf_addc(out, *p);
		}
	}
}

static void
push_rows(size_t n)
{
	CLEANUP_BUF struct buf script = BUF_INIT;

	buf_adds(&script, "{\"rules\":[");
	for (size_t i = 0; i < n; i++) {
		buf_addf(&script,
		    "{\"when\":{\"prompt_contains\":\"#%s#\",\"turn\":0},\"reply\":{"
		    "\"tool_calls\":[{\"name\":\"execute_pipeline\",\"arguments\":{"
		    "\"pipeline\":[",
		    rows[i].name);
		expand(&script, rows[i].steps);
		buf_adds(&script, "]}}]}},");
	}
	buf_adds(&script, "{\"reply\":{\"content\":\"I give up\"}}]}");
	harness_llm_script(h, buf_str(&script));
	for (size_t i = 0; i < n; i++) {
		char prompt[96];

		(void)snprintf(prompt, sizeof(prompt), WORDS " get the data #%s#",
		    rows[i].name);
		harness_push_job(h, rows[i].name, prompt, "");
	}
}

static void
look_at_value(const struct row *row)
{
	char statement[200];
	const char *value;

	(void)snprintf(statement, sizeof(statement),
	    "SELECT result_data FROM agent_results WHERE job_id = '%s'", row->name);
	value = harness_sql(h, statement);
	cr_expect(strncmp(value, row->want, strlen(row->want)) == 0, "%s: %.300s",
	    row->name, value);
}

static void
look_at_error(const struct row *row, const struct json *r)
{
	const char *message = text_at(h, r, "error.message");

	cr_expect(row->want == NULL || strstr(message, row->want) != NULL, "%s: %s",
	    row->name, message);
	cr_expect_str_eq(text_at(h, r, "error.tool"), "execute_pipeline");
	cr_expect(strstr(message, "Hint: ") != NULL ||
		strstr(message, "Correct exactly that") != NULL,
	    "%s: no remedy: %s", row->name, message);
	cr_log_info("%s: %s: %s", row->name, text_at(h, r, "error.type"), message);
}

static void
run_rows(const struct row *list, size_t n)
{
	start();
	rows = list;
	push_rows(n);
	for (size_t i = 0; i < n; i++) {
		const struct json *r = harness_result(h, rows[i].name, WAIT_MS);
		const char *type = text_at(h, r, "error.type");
		CLEANUP_BUF struct buf message = BUF_INIT;

		result_check(r);
		json_write(&message, r, JSON_COMPACT);
		cr_expect(strstr(buf_str(&message), TOKEN) == NULL,
		    "%s tells the token", rows[i].name);
		cr_expect(rows[i].type == NULL || strcmp(type, rows[i].type) == 0,
		    "%s is '%s', not '%s': %s", rows[i].name, type, rows[i].type,
		    text_at(h, r, "error.message"));
		if (type[0] != '\0')
			look_at_error(&rows[i], r);
		else if (rows[i].want != NULL)
			look_at_value(&rows[i]);
		harness_clear(h);
	}
	stop();
}

/* ---- bodies ---- */

static const struct row bodies[] = {
	{ "bomb", GET("/bomb"), "step_limit", "larger than 33554432 bytes" },
	{ "endless", GET("/endless"), "step_limit", "larger than 33554432 bytes" },
	{ "drip", GET("/drip"), "execution_error", NULL },
	{ "hang", GET("/hang"), "execution_error", NULL },
	{ "headers", GET("/headers"), "execution_error", "headers" },
	{ "cut", GET("/cut"), "execution_error", NULL },
	{ "head cut", GET("/headcut"), "execution_error", "head of its answer" },
	{ "chunk cut", GET("/chunkcut"), "execution_error", NULL },
	{ "shut", GET("/shut"), "execution_error", "without an answer" },
	{ "deep", GET("/deep"), "step_limit", "nest" },
	{ "wide json", GET("/wide.json"), "step_limit", NULL },
	{ "wide json counted",
	    ON("/wide.json", "\"table_select\",\"fields\":[\"c999999\"]"), "",
	    "[{\"c999999\":1}]\n" },
	{ "wide csv", GET("/wide.csv"), "invalid_step", "columns" },
	{ "bom json", GET("/bom.json"), "", "[{\"a\":1}]\n" },
	{ "bom csv", GET("/bom.csv"), "", "[{\"a\":1,\"b\":2}]\n" },
	{ "odd csv", GET("/odd.csv"), "",
	    "[{\"a\":1,\"b \\\"x\\\"\":\"two\\nlines\",\"c\":\"q\\\"q\"}]\n" },
	{ "short csv", GET("/short.csv"), "",
	    "[{\"a\":1,\"b\":null,\"c\":null},{\"a\":1,\"b\":2,\"c\":3}]\n" },
	{ "long csv", GET("/long.csv"), "invalid_step", NULL },
	{ "open csv", GET("/open.csv"), "invalid_step", NULL },
	{ "twice csv", GET("/twice.csv"), "", NULL },
	{ "latin csv", GET("/latin.csv"), "invalid_step", "UTF-8" },
	{ "empty", GET("/empty"), "invalid_step", "not JSON" },
	{ "half", GET("/half"), "invalid_step", "not JSON" },
	{ "nan", GET("/nan"), "invalid_step", "not JSON" },
	{ "surrogate", GET("/surrogate"), "invalid_step", "not JSON" },
	{ "nul", GET("/nul"), "", "[{\"a\\u0000b\":\"c\\u0000d\"}]\n" },
	{ "nul jq", ON("/nul", "\"jq_transform\",\"query\":\".\""), "",
	    "[{\"a\\u0000b\":\"c\\u0000d\"}]\n" },
	{ "numbers",
	    ON("/numbers", "\"table_sort\",\"field\":\"a\",\"order\":\"desc\""), "",
	    "[{\"a\":1e400},{\"a\":123456789012345678901234567890},{\"a\":-0}]\n" },
	{ "html", GET("/html"), "invalid_step", "not JSON" },
	{ "hidden", GET("/hidden"), "", "[{\"a\":1}]\n" },
	{ "image", GET("/image"), "invalid_step", NULL },
	{ "line", GET("/line.ndjson"), "invalid_step", "2" },
	{ "500", GET("/500"), "execution_error", "HTTP 500" },
	{ "type", GET("/type"), "", "\"text\"\n" },
	{ "type long", GET("/type.long"), NULL, NULL },
	{ "types", GET("/types"), "", NULL },
	{ "gzip cut", GET("/gzip.cut"), NULL, NULL },
	{ "gzip twice", GET("/gzip.twice"), "execution_error", NULL },
	{ "coding", GET("/coding"), NULL, NULL },
	{ "500 binary", GET("/500.binary"), "execution_error", "HTTP 500" },
	{ "500 echo", GET("/500.echo\",\"auth_profile\":\"probe"), "execution_error",
	    "[masked]" },
	{ "echo", GET("/echo\",\"auth_profile\":\"probe"), "", NULL },
	{ "large echo", GET("/large.echo\",\"auth_profile\":\"probe"), "", NULL },
	{ "999", GET("/999"), "execution_error", "999" },
	{ "no reason", GET("/no.reason"), "", "[1]\n" },
	{ "lf", GET("/lf"), NULL, NULL },
	{ "two lengths", GET("/two.lengths"), NULL, NULL },
	{ "204", GET("/204"), "", "\"\"\n" },
};

Test(hostile_data, bodies)
{
	run_rows(bodies, ARRAY_LEN(bodies));
}

/* ---- addresses ---- */

static const struct row addresses[] = {
	{ "loop", GET("/loop"), "invalid_step", "redirect" },
	{ "to meta", GET("/to/meta"), "forbidden_address", NULL },
	{ "to localhost", GET("/to/localhost"), "forbidden_address", NULL },
	{ "to six", GET("/to/six"), "forbidden_address", NULL },
	{ "to mapped", GET("/to/mapped"), "forbidden_address", NULL },
	{ "to file", GET("/to/file"), "forbidden_address", NULL },
	{ "to user", GET("/to/user"), "forbidden_address", NULL },
	{ "to rows", ON("/to/rows", "\"top_k\",\"k\":0"), "invalid_step", NULL },
	{ "to nowhere", GET("/to/nowhere"), "invalid_step", "302" },
	{ "loopback", URL("http://127.0.0.1/"), "forbidden_address", NULL },
	{ "other port", URL("http://127.0.0.1:22/"), "forbidden_address", NULL },
	{ "localhost", URL("http://localhost/"), "forbidden_address", NULL },
	{ "localhost dot", URL("http://localhost./"), NULL, NULL },
	{ "LOCALHOST", URL("http://LOCALHOST:{P}/rows"), "", NULL },
	{ "hex", URL("http://0x7f.1/"), "forbidden_address", NULL },
	{ "octal", URL("http://0177.0.0.1/"), "forbidden_address", NULL },
	{ "number", URL("http://2130706433/"), "forbidden_address", NULL },
	{ "short", URL("http://127.1/"), "forbidden_address", NULL },
	{ "zero", URL("http://0/"), "forbidden_address", NULL },
	{ "unspecified", URL("http://0.0.0.0/"), "forbidden_address", NULL },
	{ "private", URL("http://10.1.2.3/"), "forbidden_address", NULL },
	{ "carrier", URL("http://100.64.0.1/"), "forbidden_address", NULL },
	{ "link local", URL("http://169.254.169.254/"), "forbidden_address", NULL },
	{ "multicast", URL("http://224.0.0.1/"), "forbidden_address", NULL },
	{ "broadcast", URL("http://255.255.255.255/"), "forbidden_address", NULL },
	{ "six loopback", URL("http://[::1]/"), "forbidden_address", NULL },
	{ "six any", URL("http://[::]/"), "forbidden_address", NULL },
	{ "six mapped", URL("http://[::ffff:127.0.0.1]/"), "forbidden_address", NULL },
	{ "six mapped hex", URL("http://[::ffff:7f00:1]/"), "forbidden_address", NULL },
	{ "six compatible", URL("http://[::127.0.0.1]/"), "forbidden_address", NULL },
	{ "six nat64", URL("http://[64:ff9b::7f00:1]/"), "forbidden_address", NULL },
	{ "six 6to4", URL("http://[2002:7f00:1::]/"), "forbidden_address", NULL },
	{ "six local", URL("http://[fd00::1]/"), "forbidden_address", NULL },
	{ "six link", URL("http://[fe80::1]/"), "forbidden_address", NULL },
	{ "six zone", URL("http://[fe80::1%25lo]/"), "invalid_step", NULL },
	{ "user info", URL("http://user:pass@127.0.0.1:{P}/rows"), "invalid_step",
	    NULL },
	{ "host as user", URL("http://127.0.0.1:{P}@169.254.169.254/"), "invalid_step",
	    NULL },
	{ "wide digits", URL("http://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1/"),
	    "invalid_step", NULL },
	{ "wide dots",
	    URL("http://127\xe3\x80\x82"
		"0\xe3\x80\x82"
		"0\xe3\x80\x82"
		"1/"),
	    "invalid_step", NULL },
	{ "escaped host", URL("http://127%2e0%2e0%2e1/"), "invalid_step", NULL },
	{ "backslashes", URL("http:\\\\\\\\127.0.0.1\\\\"), "invalid_step", NULL },
	{ "no scheme", URL("//127.0.0.1/"), "forbidden_address", NULL },
	{ "NUL", URL("http://127.0.0.1:{P}\\u0000.example/"), "invalid_step", NULL },
	{ "escaped NUL", URL("http://127.0.0.1%00.example/"), "invalid_step", NULL },
	{ "line break", URL("http://127.0.0.1:{P}/rows\\r\\nX-Evil: 1"), "invalid_step",
	    NULL },
	{ "port 0", URL("http://127.0.0.1:0/"), "invalid_step", "port" },
	{ "port 65536", URL("http://127.0.0.1:65536/"), "invalid_step", "port" },
	{ "file", URL("file:///etc/passwd"), "invalid_step", NULL },
	{ "gopher", URL("gopher://127.0.0.1:6379/_FLUSHALL"), "invalid_step", NULL },
	{ "ftp", URL("ftp://127.0.0.1/"), "invalid_step", NULL },
	{ "unix", URL("unix:///run/redis.sock"), "invalid_step", NULL },
	{ "long", URL("http://127.0.0.1:{P}/{x20000}"), "invalid_step", NULL },
	{ "longer", URL("http://127.0.0.1:{P}/{x70000}"), "invalid_step", NULL },
	{ "no url", "{\"step\":\"http_request\"}", "invalid_step", "url" },
	{ "number url", "{\"step\":\"http_request\",\"url\":5}", "invalid_step",
	    "url" },
	/* what goes into a request */
	{ "break in header",
	    ON("/echo", "\"top_k\",\"k\":1") "," GET(
		"/echo\",\"headers\":{\"X-A\":\"a\\r\\nX-Evil: 1"
		"\"},\"method\":\"GET"),
	    "invalid_step", NULL },
	{ "break in name",
	    GET("/echo\",\"headers\":{\"X-A: b\\r\\nX-Evil\":\"1\"},\"method\":\"GET"),
	    "invalid_step", "header" },
	{ "host header",
	    GET("/echo\",\"headers\":{\"Host\":\"evil\"},\"method\":\"GET"),
	    "invalid_step", "Host" },
	{ "length header",
	    GET("/echo\",\"headers\":{\"Content-Length\":\"5\"},\"method\":\"GET"),
	    "invalid_step", "Content-Length" },
	{ "break in params",
	    GET("/echo\",\"params\":{\"a b\\r\\n\":\"c\\r\\nX-Evil: 1\\u0000&d=e\"},\"method\":\"GET"),
	    "",
	    "\"GET /echo?a%20b%0D%0A=c%0D%0AX-Evil%3A%201%00%26d%3De HTTP/1.1\\r\\n" },
	{ "method", GET("/echo\",\"method\":\"GET /x HTTP/1.1\\r\\nX-Evil:"),
	    "invalid_step", "method" },
	{ "trace", GET("/echo\",\"method\":\"TRACE"), "invalid_step", "method" },
	{ "profile", GET("/echo\",\"auth_profile\":\"nobody"), "invalid_step",
	    "nobody" },
};

Test(hostile_data, addresses)
{
	run_rows(addresses, ARRAY_LEN(addresses));
}

/* ---- pipelines ---- */

static const struct row pipelines[] = {
	{ "regex",
	    ON("/text", "\"regex_extract\",\"field\":\"t\",\"pattern\":\"(a+)+$\""),
	    "step_limit", "match limit" },
	{ "regex more",
	    ON("/text", "\"regex_extract\",\"field\":\"t\",\"pattern\":\"(a|a)*b\""),
	    "", NULL },
	{ "regex limits",
	    ON("/text",
		"\"regex_extract\",\"field\":\"t\",\"pattern\":"
		"\"(*LIMIT_MATCH=4000000000)(*NO_JIT)(a+)+$\""),
	    "step_limit", NULL },
	{ "regex size",
	    ON("/text",
		"\"regex_extract\",\"field\":\"t\",\"pattern\":"
		"\"((((a{1,1000}){1,1000}){1,1000}){1,1000})\""),
	    "invalid_step", NULL },
	{ "regex long",
	    ON("/text", "\"regex_extract\",\"field\":\"t\",\"pattern\":\"{x50000}\""),
	    "invalid_step", NULL },
	{ "regex broken",
	    ON("/text", "\"regex_extract\",\"field\":\"t\",\"pattern\":\"(\""),
	    "invalid_step", NULL },
	{ "regex recursion",
	    ON("/text",
		"\"regex_extract\",\"field\":\"t\",\"pattern\":"
		"\"(a(?1)?b?)+$\""),
	    "step_limit", NULL },
	{ "filter regex",
	    ON("/text",
		"\"table_filter\",\"condition\":{\"field\":\"t\",\"op\":\"matches\","
		"\"value\":\"(a+)+$\"}"),
	    "step_limit", NULL },
	/* jq */
	{ "jq loop", JQ("def f: f; f"), "step_limit", NULL },
	{ "jq until", JQ("until(false; .)"), "step_limit", NULL },
	{ "jq memory", JQ("[range(1e9)]"), "step_limit", NULL },
#ifndef WITH_SANITIZERS /* they bound no memory, and let stderr through */
	{ "jq index", JQ("[] | .[1e9] = 1"), "step_limit", NULL },
	{ "jq text", JQ("reduce range(40) as $i (\\\"xxxxxxxx\\\"; . + .)"),
	    "step_limit", NULL },
	{ "jq stderr", JQ("\\\"" WORDS "\\\" | stderr"), "", NULL },
#endif
	{ "jq times", JQ("\\\"x\\\" * 1e10"), "invalid_step", NULL },
	{ "jq output", JQ("range(1e9)"), "step_limit", NULL },
	{ "jq output long", JQ("[range(3000000)]"), "step_limit", NULL },
	{ "jq deep", JQ("reduce range(100000) as $i (0; [.])"), "step_limit",
	    "nested deeper" },
	{ "jq deep text", JQ("[range(100000) | \\\"[\\\"] | add | fromjson"),
	    "invalid_step", NULL },
	{ "jq regex", JQ("\\\"" TEXT_40 "!\\\" | test(\\\"(a+)+$\\\")"), "invalid_step",
	    NULL },
	{ "jq input", JQ("input"), "invalid_step", NULL },
	{ "jq inputs", JQ("[inputs]"), "", "[]\n" },
	{ "jq import", JQ("import \\\"a\\\" as a; ."), "invalid_step", NULL },
	{ "jq include", JQ("include \\\"/etc/passwd\\\"; ."), "invalid_step", NULL },
	{ "jq data", JQ("import \\\"/etc/passwd\\\" as $d; $d"), "invalid_step", NULL },
	{ "jq modulemeta", JQ("\\\"/etc/passwd\\\" | modulemeta"), "invalid_step",
	    NULL },
	{ "jq ENV", JQ("$ENV | keys"), "", "[\"HOME\",\"TZ\"]\n" },
	{ "jq env", JQ("env | keys"), "", "[\"HOME\",\"TZ\"]\n" },
	{ "jq ENV.PATH", JQ("$ENV.PATH"), "", "null\n" },
	{ "jq halt", JQ("halt"), "", NULL },
	{ "jq halt error", JQ("halt_error"), "invalid_step", NULL },
	{ "jq error", JQ("error(\\\"x\\u0000y\\\")"), "invalid_step", NULL },
	{ "jq error null", JQ("error(null)"), "", NULL },
	{ "jq debug", JQ("\\\"" WORDS "\\\" | debug"), "", NULL },
	{ "jq input line", JQ("input_line_number"), "invalid_step", NULL },
	{ "jq implode", JQ("[-1] | implode"), "", NULL },
	{ "jq implode large", JQ("[1114112, 55296] | implode"), "", NULL },
	{ "jq implode text", JQ("[\\\"a\\\"] | implode"), "invalid_step", NULL },
	{ "jq base64", JQ("\\\"====\\\" | @base64d"), NULL, NULL },
	{ "jq infinite", JQ("[infinite, -infinite, nan]"), NULL, NULL },
	{ "jq slices", JQ("[1,2,3] | .[1e300:], .[-1e300:], .[nan:]"),
	    "execution_error", "compute died" },
	{ "jq delpaths", JQ("[1] | delpaths([[1e18]])"), NULL, NULL },
	{ "jq setpath", JQ("setpath([\\\"a\\\", 0]; 1)"), "invalid_step", NULL },
	{ "jq negative", JQ("[1] | .[-5] = 1"), "invalid_step", NULL },
	{ "jq flatten", JQ("[[1]] | flatten(-1)"), "invalid_step", NULL },
	{ "jq range", JQ("[range(0; 1; 1e-9)] | length"), "step_limit", NULL },
	{ "jq strptime", JQ("\\\"x\\\" | strptime(\\\"%s%Z%+%%%\\\")"), "invalid_step",
	    NULL },
	{ "jq strftime", JQ("1e300 | strftime(\\\"%Y\\\")"), "execution_error",
	    "compute died" },
	{ "jq strftime long", JQ("0 | strftime(\\\"%c\\\" * 5000)"), NULL, NULL },
	{ "jq mktime", JQ("[1e300,1,1,1,1,1,1,1] | mktime"), NULL, NULL },
	{ "jq split", JQ("\\\"abc\\\" | split(\\\"\\\"; null)"), NULL, NULL },
	{ "jq ltrim", JQ("[limit(-1; 1, 2)]"), NULL, NULL },
	{ "jq combinations", JQ("[range(60)] | [combinations(9)] | length"),
	    "step_limit", NULL },
	{ "jq syntax", JQ("{{{{"), "invalid_step", NULL },
	{ "jq brackets", JQ("{[10000}"), "invalid_step", NULL },
	{ "jq long", JQ(".{x40000}"), NULL, NULL },
	{ "jq location", JQ("$__loc__"), NULL, NULL },
	{ "jq programs", JQ("$__prog_args"), "invalid_step", NULL },
	{ "jq unknown", JQ("getpid"), "invalid_step", NULL },
	{ "jq sql", JQ("get_search_list"), NULL, NULL },
	{ "jq nothing", JQ("empty"), "", NULL },
	/* tables */
	{ "64 steps", GET("/rows") "{T63}", "",
	    "[{\"a\":9},{\"a\":3},{\"a\":5},{\"a\":1},{\"a\":7}]\n" },
	{ "65 steps", GET("/rows") "{T64}", "invalid_step",
	    "65 steps are more than 64" },
	{ "10000 steps", GET("/rows") "{T10000}", "invalid_step", "more than 64" },
	{ "unknown step", ON("/rows", "\"rm\",\"path\":\"/\""), "invalid_step", "rm" },
	{ "unknown argument", ON("/rows", "\"top_k\",\"k\":1,\"path\":\"/\""),
	    "invalid_step", "it takes k" },
	{ "huge k", ON("/rows", "\"top_k\",\"k\":9223372036854775807"), "", NULL },
	{ "negative k", ON("/rows", "\"top_k\",\"k\":-1"), "invalid_step", "k" },
	{ "sort a million",
	    ON("/million",
		"\"table_sort\",\"field\":\"a\",\"order\":\"asc\"") ",{\"step\":\"top_k\",\"k\":1}",
	    "", "[{\"a\":3}]\n" },
	{ "group a million",
	    ON("/million", "\"groupby\",\"by\":[\"a\"],\"agg\":\"count\""), "",
	    "[{\"a\":7,\"count\":500000},{\"a\":3,\"count\":500000}]\n" },
	{ "no data", "{\"step\":\"top_k\",\"k\":1}", "invalid_step", "no data" },
	{ "no steps", "", "invalid_step", NULL },
	{ "reference",
	    "{\"step\":\"join\",\"left\":\"artifact://../../etc/passwd\",\"right\":"
	    "\"cas://sha256:{x64}\",\"on\":\"k\"}",
	    "invalid_step", NULL },
	{ "date",
	    ON("/text", "\"parse_date\",\"field\":\"t\",\"format\":\"%{x1}%%%n%\""),
	    NULL, NULL },
};

Test(hostile_data, pipelines)
{
	run_rows(pipelines, ARRAY_LEN(pipelines));
}

/* 20,000 rows of one key on both sides are 400 million rows. */
Test(hostile_data, a_join_that_explodes_ends_at_its_limits)
{
	static const struct row same = { "same", GET("/same"), "", NULL };
	static char steps[600];
	const struct row join = { "join", steps, "step_limit", NULL };
	const struct json *r;

	start();
	rows = &same;
	push_rows(1);
	r = harness_expect(h, "same", "completed");
	result_check(r);
	(void)snprintf(steps, sizeof(steps),
	    ON("/same", "\"join\",\"right\":\"%s\",\"on\":\"k\""),
	    text_at(h, r, "result_ref"));
	rows = &join;
	push_rows(1);
	r = harness_result(h, "join", WAIT_MS);
	result_check(r);
	cr_expect_str_eq(text_at(h, r, "error.type"), "step_limit", "%s",
	    text_at(h, r, "error.message"));
	look_at_error(&join, r);
	stop();
}
