/* SPDX-License-Identifier: MIT */
/*
 * llm_stub/main.c - the scripted LLM server: command line, routes, log, counters.
 *
 * POST {any prefix}/chat/completions answers by the script and the demonstration;
 * GET {any prefix}/models lists a model; GET /stub/stats tells the counters; POST
 * /stub/script replaces the rules; POST /stub/reset zeroes the counters.
 *
 * Owns:   the script, the log, the counters.
 * Called: by tests, scripts/quickstart and scripts/bench, as the program llm-stub.
 * Fails:  a bad command line or script ends it with a message; at SIGHUP a bad script
 * is told and the old one stays.
 */
#include "config.h"

#include "common/clock.h"
#include "common/exit_status.h"
#include "tests/support/llm_stub/script.h"
#include "tests/support/service.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <strings.h>

enum {
	CACHE_SLOTS = 256,
	CACHE_MIN_TOKENS = 1024,
	CACHE_STEP_TOKENS = 128,
	PROMPT_SHOWN_MAX = 300 /* bytes, in the log */
};

struct stub {
	const char *host, *script_path, *data_api, *api_key, *log_path;
	uint16_t port;
	uint64_t delay_ms;
	bool logs_bodies;
	FILE *log;
	struct script *script;
	struct arena *arena; /* of the request in hand */
	struct http_server *server;
	uint64_t n_answers, n_refused, n_faults, next_id;
	int64_t prompt_tokens, completion_tokens, cached_tokens;
	unsigned max_waiting;
	uint64_t cache[CACHE_SLOTS]; /* hashes of prefixes that were sent before */
};

/* Eight bytes at a step: thousands of long prefixes a second are told apart. */
static uint64_t
hash_bytes(const char *data, size_t n)
{
	uint64_t h = 14695981039346656037u ^ n;

	for (size_t i = 0; i < n; i += sizeof(h)) {
		uint64_t word = 0;

		memcpy(&word, data + i, n - i < sizeof(word) ? n - i : sizeof(word));
		h = (h ^ word) * 1099511628211u;
		h ^= h >> 32; /* else high bits never reach low ones */
	}
	return h;
}

/* ---- tokens ---- */

/* The real server caches prefixes of 1024 tokens and more, in steps of 128. A prefix is
   taken for its system text here, a token for four bytes. */
static int64_t
cached_tokens(struct stub *s, const struct chat *chat)
{
	const struct chat_message *first = chat->messages;
	uint64_t h, *slot;
	int64_t tokens;

	if (chat->n_messages == 0 || first->role != CHAT_SYSTEM)
		return 0;
	tokens = (int64_t)first->text.len / 4;
	if (tokens < CACHE_MIN_TOKENS)
		return 0;
	h = hash_bytes(first->text.data, first->text.len);
	slot = &s->cache[h % CACHE_SLOTS];
	if (*slot != h) {
		*slot = h;
		return 0;
	}
	return tokens - tokens % CACHE_STEP_TOKENS;
}

static void
count_tokens(struct stub *s, const struct chat *chat, struct chat_reply *r)
{
	size_t said = r->content.len;
	int64_t cached = cached_tokens(s, chat);

	for (size_t i = 0; i < r->n_calls; i++)
		said += r->calls[i].arguments.len + 16;
	if (r->prompt_tokens < 0)
		r->prompt_tokens = (int64_t)chat->rq->body_len / 4;
	if (r->completion_tokens < 0)
		r->completion_tokens = (int64_t)said / 4 + 1;
	if (r->cached_tokens < 0)
		r->cached_tokens =
		    cached < r->prompt_tokens ? cached : r->prompt_tokens;
	s->prompt_tokens += r->prompt_tokens;
	s->completion_tokens += r->completion_tokens;
	s->cached_tokens += r->cached_tokens;
}

/* ---- the log ---- */

static void
log_headers(struct json_writer *w, const struct http_request *rq)
{
	jw_key(w, "headers");
	jw_object_begin(w);
	for (size_t i = 0; i < rq->n_headers; i++) {
		const char *name = rq->headers[i].name, *value = rq->headers[i].value;

		jw_key(w, name);
		if (strcasecmp(name, "authorization") == 0 ||
		    strcasecmp(name, "api-key") == 0 ||
		    strcasecmp(name, "x-api-key") == 0)
			jw_cstr(w, "***");
		else
			jw_cstr(w, value);
	}
	jw_object_end(w);
}

static void
log_digest(struct json_writer *w, const char *name, const struct json *v)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	char hex[24];

	if (v == NULL)
		return;
	json_write(&text, v, JSON_COMPACT);
	(void)snprintf(hex, sizeof(hex), "%016llx",
	    (unsigned long long)hash_bytes(buf_str(&text), text.len));
	jw_key(w, name);
	jw_cstr(w, hex);
}

static void
log_chat(struct json_writer *w, const struct chat *chat)
{
	jw_key(w, "model");
	jw_string(w, chat->model.data, chat->model.len);
	jw_key(w, "turn");
	jw_uint(w, chat->turn);
	jw_key(w, "serial");
	jw_uint(w, chat->serial);
	jw_key(w, "prompt");
	jw_string(w, chat->prompt.data,
	    chat->prompt.len < PROMPT_SHOWN_MAX ? chat->prompt.len : PROMPT_SHOWN_MAX);
	jw_key(w, "messages");
	jw_uint(w, chat->n_messages);
	jw_key(w, "tools");
	jw_uint(w, chat->n_tools);
	log_digest(w, "messages_digest", json_get(chat->body, "messages"));
	log_digest(w, "tools_digest", json_get(chat->body, "tools"));
	if (chat->n_messages > 0 && chat->messages[0].role == CHAT_SYSTEM)
		log_digest(w, "system_digest", json_get(chat->body, "messages")->items);
}

/* One line a request, in one write, so that a reader never sees half of one. */
static void
log_request(struct stub *s, const struct http_request *rq, const struct chat *chat,
    int status, const char *rule, const char *message)
{
	CLEANUP_BUF struct buf line = BUF_INIT;
	struct json_writer w;
	char now[CLOCK_ISO_MAX];

	if (s->log == NULL)
		return;
	jw_init(&w, &line);
	jw_object_begin(&w);
	jw_key(&w, "time");
	jw_cstr(&w, clock_iso(clock_wall_ms(), now));
	jw_key(&w, "mono_ms");
	jw_uint(&w, clock_mono_ms());
	jw_key(&w, "path");
	jw_cstr(&w, rq->path);
	jw_key(&w, "status");
	jw_int(&w, status);
	jw_key(&w, "rule");
	jw_cstr(&w, rule);
	if (message != NULL) {
		jw_key(&w, "message");
		jw_cstr(&w, message);
	}
	if (chat->body != NULL)
		log_chat(&w, chat);
	log_headers(&w, rq);
	if (s->logs_bodies) {
		jw_key(&w, "body");
		jw_string(&w, rq->body, rq->body_len);
	}
	jw_object_end(&w);
	buf_addc(&line, '\n');
	(void)fwrite(buf_str(&line), 1, line.len, s->log);
	(void)fflush(s->log);
}

/* ---- answers ---- */

static void
send_error(const struct wire *wire, struct http_reply *reply, int status,
    const char *message, const char *param)
{
	reply->status = status;
	wire->write_error(&reply->body, status, message, param);
}

static void
send_headers(const struct json *headers, struct chat *chat, struct http_reply *reply)
{
	for (uint32_t i = 0; json_is(headers, JSON_OBJECT) && i < headers->len; i++) {
		const struct json_member *m = &headers->members[i];

		buf_addf(&reply->headers, "%s: ", m->name);
		if (json_is(&m->value, JSON_STRING))
			buf_add(&reply->headers, m->value.text, m->value.len);
		else
			json_write(&reply->headers, &m->value, JSON_COMPACT);
		buf_adds(&reply->headers, "\r\n");
	}
	(void)chat;
}

static void
garble(struct buf *body)
{
	for (size_t i = body->len / 3; i < body->len; i += 7)
		body->data[i] = (char)(0x80 | body->data[i]);
}

static void
send_outcome(struct stub *s, const struct wire *wire, struct chat *chat,
    struct outcome *o, struct http_reply *reply)
{
	if (o->status != 0 && o->body.data != NULL) {
		reply->status = o->status;
		buf_add(&reply->body, o->body.data, o->body.len);
	} else if (o->status != 0) {
		send_error(wire, reply, o->status,
		    o->message != NULL ? o->message : "a fault of the script", NULL);
	} else {
		count_tokens(s, chat, &o->reply);
		wire->write(&reply->body, chat, &o->reply, chat->serial);
		s->n_answers++;
	}
	if (o->status != 0 || o->is_hang || o->cut != HTTP_CUT_NONE || o->is_garbled)
		s->n_faults++;
	if (o->is_garbled)
		garble(&reply->body);
	send_headers(o->headers, chat, reply);
	reply->delay_ms = o->delay_ms > 0 ? o->delay_ms : s->delay_ms;
	reply->cut = o->cut;
	reply->is_hang = o->is_hang;
	reply->piece_bytes = o->piece_bytes;
	reply->pause_ms = o->pause_ms;
}

static bool
key_is_right(const struct stub *s, const struct http_request *rq)
{
	const char *auth = http_request_header(rq, "Authorization");
	const char *key = http_request_header(rq, "api-key");

	if (key == NULL)
		key = http_request_header(rq, "x-api-key");

	if (s->api_key == NULL)
		return true;
	if (key != NULL && strcmp(key, s->api_key) == 0)
		return true;
	return auth != NULL && strncmp(auth, "Bearer ", 7) == 0 &&
	    strcmp(auth + 7, s->api_key) == 0;
}

/* 0 with the chat filled, or the status of a refusal with its words in err. */
static int
read_chat(struct stub *s, const struct wire *wire, struct chat *chat,
    const char **param, struct err *err)
{
	const struct http_request *rq = chat->rq;
	const char *type = http_request_header(rq, "Content-Type");
	const struct json *body = NULL;

	if (!key_is_right(s, rq)) {
		(void)err_set(err, -EACCES, "Incorrect API key provided.");
		return 401;
	}
	if (type == NULL || strncasecmp(type, "application/json", 16) != 0) {
		(void)err_set(err, -EINVAL,
		    "the content type must be application/json");
		return 400;
	}
	if (json_read(chat->arena, rq->body, rq->body_len, 256, &body, err) < 0) {
		(void)err_prefix(err, -EINVAL,
		    "We could not parse the JSON body of your "
		    "request");
		return 400;
	}
	return wire->read(chat, body, param, err);
}

static void
serve_chat(struct stub *s, const struct wire *wire, const struct http_request *rq,
    struct http_reply *reply)
{
	struct chat chat = { .arena = s->arena, .rq = rq, .serial = ++s->next_id };
	struct outcome outcome = { .status = 0 };
	struct err err = ERR_INIT;
	const char *param = NULL;
	char id[32];
	int status;

	(void)snprintf(id, sizeof(id), "req_%llu", (unsigned long long)s->next_id);
	http_reply_header(reply, "x-request-id", id);
	status = read_chat(s, wire, &chat, &param, &err);
	if (status != 0) {
		s->n_refused++;
		send_error(wire, reply, status, err_text(&err), param);
		log_request(s, rq, &chat, status, "refused", err_text(&err));
		return;
	}
	script_run(s->script, &chat, &outcome);
	send_outcome(s, wire, &chat, &outcome, reply);
	log_request(s, rq, &chat, outcome.status != 0 ? outcome.status : 200,
	    outcome.rule, NULL);
	if (http_server_stats(s->server)->waiting > s->max_waiting)
		s->max_waiting = http_server_stats(s->server)->waiting;
}

/* ---- other routes ---- */

static void
serve_models(struct http_reply *reply)
{
	buf_adds(&reply->body,
	    "{\"object\":\"list\",\"data\":[{\"id\":\"scripted\",\"object\":\"model\","
	    "\"created\":0,\"owned_by\":\"agent-runner\"}]}");
}

static void
member(struct json_writer *w, const char *name, int64_t value)
{
	jw_key(w, name);
	jw_int(w, value);
}

static void
serve_stats(struct stub *s, struct http_reply *reply)
{
	const struct http_server_stats *h = http_server_stats(s->server);
	struct json_writer w;

	jw_init(&w, &reply->body);
	jw_object_begin(&w);
	member(&w, "answers", (int64_t)s->n_answers);
	member(&w, "refused", (int64_t)s->n_refused);
	member(&w, "faults", (int64_t)s->n_faults);
	member(&w, "http_requests", (int64_t)h->requests);
	member(&w, "accepted", (int64_t)h->accepted);
	member(&w, "connections", h->connections);
	member(&w, "waiting", h->waiting - 1); /* this request is not one of them */
	member(&w, "max_waiting", s->max_waiting);
	member(&w, "prompt_tokens", s->prompt_tokens);
	member(&w, "completion_tokens", s->completion_tokens);
	member(&w, "cached_tokens", s->cached_tokens);
	jw_object_end(&w);
}

static void
serve_script(struct stub *s, const struct http_request *rq, struct http_reply *reply)
{
	struct err err = ERR_INIT;

	if (script_load_text(s->script, rq->body, rq->body_len, &err) < 0)
		send_error(wire_default(), reply, 400, err_text(&err), "script");
	else
		buf_adds(&reply->body, "{\"ok\":true}");
}

static void
serve_reset(struct stub *s, struct http_reply *reply)
{
	s->n_answers = s->n_refused = s->n_faults = 0;
	s->prompt_tokens = s->completion_tokens = s->cached_tokens = 0;
	s->max_waiting = 0;
	buf_adds(&reply->body, "{\"ok\":true}");
}

static bool
ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && strcmp(text + n - m, end) == 0;
}

static void
serve(void *ctx, const struct http_request *rq, struct http_reply *reply)
{
	struct stub *s = ctx;
	const struct wire *wire = wire_find(rq->path);
	bool is_post = strcmp(rq->method, "POST") == 0;

	arena_clear(s->arena);
	if (wire != NULL && is_post)
		serve_chat(s, wire, rq, reply);
	else if (wire != NULL)
		send_error(wire, reply, 405, "only POST is allowed here", NULL);
	else if (ends_with(rq->path, "/models"))
		serve_models(reply);
	else if (strcmp(rq->path, "/stub/stats") == 0)
		serve_stats(s, reply);
	else if (strcmp(rq->path, "/stub/script") == 0 && is_post)
		serve_script(s, rq, reply);
	else if (strcmp(rq->path, "/stub/reset") == 0 && is_post)
		serve_reset(s, reply);
	else
		send_error(wire_default(), reply, 404, "no such path", NULL);
}

static void
reload(void *ctx)
{
	struct stub *s = ctx;
	struct err err = ERR_INIT;

	if (s->script_path != NULL &&
	    script_load_file(s->script, s->script_path, &err) < 0)
		(void)fprintf(stderr, "llm-stub: %s; the former one stays\n",
		    err_text(&err));
}

/* ---- the command line ---- */

static void
usage(FILE *out)
{
	(void)fprintf(out,
	    "usage: llm-stub [options]\n"
	    "A scripted stand-in for an LLM server (OpenAI Chat Completions, Anthropic\n"
	    "Messages).\n"
	    "  --listen ADDRESS    IPv4 address to listen on (127.0.0.1)\n"
	    "  --port N            port; 0 takes a free one (the default)\n"
	    "  --script FILE       rules; read again at SIGHUP\n"
	    "  --data-api URL      what {{data_api}} stands for\n"
	    "  --api-key KEY       refuse requests that do not bring it\n"
	    "  --delay-ms N        wait before each answer\n"
	    "  --log FILE          a JSON line for each request\n"
	    "  --log-bodies        with the request bodies\n"
	    "  --die-with-parent   end when the starting process ends\n"
	    "\"listening ADDRESS:PORT\" is printed when it is ready.\n");
}

static const struct option options[] = {
	{ "listen", required_argument, NULL, 'l' },
	{ "port", required_argument, NULL, 'p' },
	{ "script", required_argument, NULL, 's' },
	{ "data-api", required_argument, NULL, 'a' },
	{ "api-key", required_argument, NULL, 'k' },
	{ "delay-ms", required_argument, NULL, 'm' },
	{ "log", required_argument, NULL, 'o' },
	{ "log-bodies", no_argument, NULL, 'b' },
	{ "die-with-parent", no_argument, NULL, 'd' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static void
read_option(struct stub *s, int c)
{
	switch (c) {
	case 'l':
		s->host = optarg;
		break;
	case 'p':
		s->port = service_port("llm-stub", optarg);
		break;
	case 's':
		s->script_path = optarg;
		break;
	case 'a':
		s->data_api = optarg;
		break;
	case 'k':
		s->api_key = optarg;
		break;
	case 'm':
		s->delay_ms = service_number("llm-stub", "--delay-ms", optarg);
		break;
	case 'o':
		s->log_path = optarg;
		break;
	case 'b':
		s->logs_bodies = true;
		break;
	case 'd':
		service_die_with_parent();
		break;
	case 'h':
		usage(stdout);
		exit(EXIT_STATUS_OK);
	default:
		usage(stderr);
		exit(EXIT_STATUS_USAGE);
	}
}

static int
start(struct stub *s, struct err *err)
{
	int r;

	s->script = script_new(s->data_api);
	s->arena = arena_new(0);
	if (s->arena == NULL)
		return err_set(err, -ENOMEM, "no memory");
	if (s->script_path != NULL) {
		r = script_load_file(s->script, s->script_path, err);
		if (r < 0)
			return r;
	}
	if (s->log_path != NULL && (s->log = fopen(s->log_path, "ae")) == NULL)
		return err_set(err, -errno, "cannot open the log %s", s->log_path);
	return http_server_new(s->host, s->port, serve, s, &s->server, err);
}

int
main(int argc, char **argv)
{
	struct stub s = { .host = "127.0.0.1" };
	struct err err = ERR_INIT;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1)
		read_option(&s, c);
	if (start(&s, &err) == 0) {
		service_announce(s.host, http_server_port(s.server));
		(void)http_server_run(s.server, reload, &err);
	}
	if (err.code != 0)
		(void)fprintf(stderr, "llm-stub: %s\n", err_text(&err));
	http_server_free(s.server);
	script_free(s.script);
	arena_free(s.arena);
	fclosep(&s.log);
	return err.code == 0 ? EXIT_STATUS_OK : EXIT_STATUS_FAILURE;
}
