/* SPDX-License-Identifier: MIT */
/*
 * harness_jobs.c - pushes jobs, waits for results, looks into Redis, rows and the
 * stand-in.
 *
 * Owns:   the connection to Redis and the arena of what was given out.
 * Called: by end-to-end tests and benches.
 * Fails:  through harness_fail.
 */
#include "config.h"

#include "tests/support/harness.h"

#include "common/clock.h"
#include "tests/support/harness_private.h"
#include "tests/support/http_client.h"
#include "tests/support/sql.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

enum {
	PIECE_MS = 60000
};

char *
harness_keep(struct harness *h, const char *text, size_t n)
{
	char *copy = arena_strndup(h->arena, text, n);

	ASSERT(copy != NULL);
	return copy;
}

void
harness_clear(struct harness *h)
{
	arena_clear(h->arena);
}

static const struct json *
parse(struct harness *h, const char *text, size_t n)
{
	const struct json *v = NULL;
	struct err err = ERR_INIT;

	if (json_read(h->arena, harness_keep(h, text, n), n, 0, &v, &err) < 0)
		harness_fail(h, "no JSON (%s): %.*s", err_text(&err), (int)n, text);
	return v;
}

/* ---- Redis ---- */

static redisContext *
connection(struct harness *h)
{
	uint64_t until = clock_mono_ms() + HARNESS_WAIT_MS;
	struct timeval limit = { .tv_sec = HARNESS_WAIT_MS / 1000 + 100 };

	while (h->redis == NULL || h->redis->err != 0) {
		if (h->redis != NULL)
			redisFree(h->redis);
		h->redis = redisConnectUnix(h->redis_socket);
		if (h->redis != NULL && h->redis->err == 0)
			break;
		if (clock_mono_ms() > until)
			harness_fail(h, "cannot connect to Redis at %s",
			    h->redis_socket);
		harness_sleep(10);
	}
	(void)redisSetTimeout(h->redis, limit);
	return h->redis;
}

static bool
is_starting(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_ERROR &&
	    strncmp(reply->str, "LOADING", 7) == 0;
}

/* A server that is being restarted is asked again until it answers. */
static redisReply *
command(struct harness *h, const char *fmt, va_list ap)
{
	uint64_t until = clock_mono_ms() + HARNESS_WAIT_MS;

	for (;;) {
		redisReply *reply;
		va_list again;

		va_copy(again, ap);
		reply = redisvCommand(connection(h), fmt, again);
		va_end(again);
		if (reply != NULL && !is_starting(reply))
			return reply;
		if (clock_mono_ms() > until)
			harness_fail(h, "Redis did not answer: %s",
			    reply != NULL ? reply->str : h->redis->errstr);
		if (reply != NULL)
			freeReplyObject(reply);
		harness_sleep(10);
	}
}

redisReply *
harness_redis(struct harness *h, const char *fmt, ...)
{
	redisReply *reply;
	va_list ap;

	va_start(ap, fmt);
	reply = command(h, fmt, ap);
	va_end(ap);
	return reply;
}

void
harness_redis_argv(struct harness *h, int argc, const char **argv)
{
	redisReply *reply = redisCommandArgv(connection(h), argc, argv, NULL);

	if (reply == NULL || reply->type == REDIS_REPLY_ERROR)
		harness_fail(h, "Redis %s: %s", argv[0],
		    reply != NULL ? reply->str : h->redis->errstr);
	freeReplyObject(reply);
}

long long
harness_redis_int(struct harness *h, const char *fmt, ...)
{
	redisReply *reply;
	long long n;
	va_list ap;

	va_start(ap, fmt);
	reply = command(h, fmt, ap);
	va_end(ap);
	if (reply->type == REDIS_REPLY_ERROR)
		harness_fail(h, "Redis: %s", reply->str);
	n = reply->type == REDIS_REPLY_INTEGER  ? reply->integer
	    : reply->type == REDIS_REPLY_STRING ? atoll(reply->str)
						: -1;
	freeReplyObject(reply);
	return n;
}

/* ---- jobs ---- */

void
harness_push(struct harness *h, const char *json)
{
	if (harness_redis_int(h, "RPUSH agent:jobs %s", json) < 1)
		harness_fail(h, "RPUSH did not work");
}

void
harness_push_job(struct harness *h, const char *job_id, const char *prompt,
    const char *extra)
{
	CLEANUP_BUF struct buf text = BUF_INIT;

	buf_adds(&text, "{\"version\":\"1.0\",\"job_id\":");
	json_write_string(&text, job_id, strlen(job_id));
	buf_adds(&text, ",\"prompt\":");
	json_write_string(&text, prompt, strlen(prompt));
	buf_addf(&text, "%s}", extra);
	harness_push(h, buf_str(&text));
}

const struct json *
harness_try_result(struct harness *h, const char *job_id, uint64_t timeout_ms)
{
	char seconds[32];
	const struct json *v = NULL;
	redisReply *reply;

	(void)snprintf(seconds, sizeof(seconds), "%llu.%03u",
	    (unsigned long long)(timeout_ms / 1000), (unsigned)(timeout_ms % 1000));
	reply = harness_redis(h, "BLPOP agent:results:%s %s", job_id, seconds);
	if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2)
		v = parse(h, reply->element[1]->str, reply->element[1]->len);
	else if (reply->type == REDIS_REPLY_ERROR)
		harness_fail(h, "Redis: %s", reply->str);
	freeReplyObject(reply);
	return v;
}

const struct json *
harness_result(struct harness *h, const char *job_id, uint64_t timeout_ms)
{
	uint64_t until = clock_mono_ms() + timeout_ms, now;
	const struct json *v = NULL;

	/* in pieces that the connection's own limit lets through */
	while (v == NULL && (now = clock_mono_ms()) < until)
		v = harness_try_result(h, job_id,
		    until - now < PIECE_MS ? until - now : PIECE_MS);
	if (v == NULL)
		harness_fail(h, "no result of job %s within %u ms", job_id,
		    (unsigned)timeout_ms);
	return v;
}

const struct json *
harness_expect(struct harness *h, const char *job_id, const char *status)
{
	const struct json *v = harness_result(h, job_id, HARNESS_WAIT_MS);

	if (!json_eq_str(json_get(v, "job_id"), job_id) ||
	    !json_eq_str(json_get(v, "status"), status)) {
		CLEANUP_BUF struct buf text = BUF_INIT;

		json_write(&text, v, JSON_PRETTY);
		harness_fail(h, "job %s is not %s: %s", job_id, status, buf_str(&text));
	}
	return v;
}

/* ---- rows, HTTP, the stand-in ---- */

const char *
harness_sql(struct harness *h, const char *statement)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct err err = ERR_INIT;

	if (sql_run(h->database_url, statement, &out, &err) < 0)
		harness_fail(h, "%s: %s", statement, err_text(&err));
	return harness_keep(h, buf_str(&out), out.len);
}

const struct json *
harness_value(struct harness *h, const char *job_id)
{
	char statement[512];
	const char *text;
	size_t n;

	(void)snprintf(statement, sizeof(statement),
	    "SELECT result_data FROM agent_results WHERE job_id = '%s'", job_id);
	text = harness_sql(h, statement);
	n = strlen(text);
	if (n == 0)
		return NULL;
	return parse(h, text, n - 1);
}

int
harness_http(struct harness *h, const char *method, const char *target,
    const char *body, struct buf *out)
{
	struct http_client_request rq = { .address = h->http,
		.method = method,
		.target = target,
		.body = body,
		.timeout_ms = HARNESS_WAIT_MS,
		.headers = body != NULL ? "Content-Type: application/json\r\n" : NULL };
	struct err err = ERR_INIT;
	int status = http_client(&rq, NULL, out, &err);

	if (status < 0)
		harness_fail(h, "%s", err_text(&err));
	return status;
}

static const struct json *
ask_llm(struct harness *h, const char *target, const char *body)
{
	struct http_client_request rq = { .address = h->llm_address,
		.target = target,
		.body = body };
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct err err = ERR_INIT;
	int status = http_client(&rq, NULL, &out, &err);

	if (status != 200)
		harness_fail(h, "llm-stub %s: %s%s", target, err_text(&err),
		    buf_str(&out));
	return parse(h, buf_str(&out), out.len);
}

const struct json *
harness_llm_stats(struct harness *h)
{
	return ask_llm(h, "/stub/stats", NULL);
}

long long
harness_llm_stat(struct harness *h, const char *name)
{
	int64_t n = -1;

	(void)json_int64(json_get(harness_llm_stats(h), name), &n);
	return n;
}

void
harness_llm_script(struct harness *h, const char *json)
{
	(void)ask_llm(h, "/stub/script", json);
}

void
harness_llm_reset(struct harness *h)
{
	(void)ask_llm(h, "/stub/reset", "{}");
}

const struct json *
harness_llm_log(struct harness *h)
{
	struct json_builder *list = json_array_begin(h->arena);
	char path[PROC_PATH_MAX];
	CLEANUP(freep) char *line = NULL;
	CLEANUP(fclosep) FILE *f = NULL;
	size_t cap = 0;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/llm.log", h->dir);
	f = fopen(path, "re");
	while (f != NULL && (n = getline(&line, &cap, f)) > 0)
		json_array_add(list, parse(h, line, (size_t)n));
	return json_end(list);
}

const char *
harness_proxy(struct harness *h, const char *fmt, ...)
{
	CLEANUP(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = HARNESS_WAIT_MS / 1000 };
	CLEANUP_BUF struct buf order = BUF_INIT, answer = BUF_INIT;
	char piece[4096];
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&order, fmt, ap);
	va_end(ap);
	buf_addc(&order, '\n');
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s/proxy.control", h->dir);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
	    send(fd, order.data, order.len, MSG_NOSIGNAL) != (ssize_t)order.len)
		harness_fail(h, "redis-proxy does not listen: %s", strerror(errno));
	while (answer.len == 0 || answer.data[answer.len - 1] != '\n') {
		ssize_t n = recv(fd, piece, sizeof(piece), 0);

		if (n <= 0)
			harness_fail(h, "redis-proxy did not answer '%s'", fmt);
		buf_add(&answer, piece, (size_t)n);
	}
	return harness_keep(h, answer.data, answer.len - 1);
}

int
harness_run(struct harness *h, const char *const *argv, struct buf *out)
{
	struct proc p;
	struct err err = ERR_INIT;

	if (proc_start(&p, h->dir, "run", (char *const *)(uintptr_t)argv, NULL, &err) <
	    0)
		harness_fail(h, "%s", err_text(&err));
	if (proc_wait(&p, HARNESS_WAIT_MS) < 0) {
		proc_kill(&p);
		harness_fail(h, "%s did not end", argv[0]);
	}
	proc_output(&p, out, 1024 * 1024);
	(void)unlink(p.output);
	return WIFEXITED(p.status) ? WEXITSTATUS(p.status) : -1;
}
