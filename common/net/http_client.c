/* SPDX-License-Identifier: MIT */
/*
 * http_client.c - clients and transfers: birth, turns, ends.
 *
 * Owns:   struct http_client and every struct http_transfer; transfers with their easy
 *         handles are pooled and set up once.
 * Called: by the loops of workers and fetch.
 * Fails:  a request's failure is its result; only shortage of memory fails a start.
 */
#include "config.h"

#include "common/clock.h"
#include "common/net/http_private.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

static const char *const class_names[HTTP_CLASS_COUNT] = {
	[HTTP_OK] = "ok",
	[HTTP_RESOLVE] = "resolve",
	[HTTP_CONNECT] = "connect",
	[HTTP_TIMEOUT] = "timeout",
	[HTTP_TLS] = "tls",
	[HTTP_BROKEN] = "broken",
	[HTTP_PROTOCOL] = "protocol",
	[HTTP_REDIRECTS] = "redirects",
	[HTTP_TOO_LARGE] = "too_large",
	[HTTP_BAD_URL] = "bad_url",
	[HTTP_FORBIDDEN_URL] = "forbidden_url",
	[HTTP_FORBIDDEN_ADDRESS] = "forbidden_address",
	[HTTP_CANCELLED] = "cancelled",
	[HTTP_INTERNAL] = "internal",
};

const char *
http_class_name(enum http_class c)
{
	ASSERT(c < HTTP_CLASS_COUNT);
	return class_names[c];
}

bool
http_class_is_transient(enum http_class c)
{
	return c == HTTP_RESOLVE || c == HTTP_CONNECT || c == HTTP_TIMEOUT ||
	    c == HTTP_BROKEN;
}

static void
global_init(void)
{
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int
copy_options(struct http_client *c, const struct http_client_options *o)
{
	if (o != NULL)
		c->options = *o;
	c->user_agent = strdup(o != NULL && o->user_agent != NULL
		? o->user_agent
		: "agent-runner/" PACKAGE_VERSION);
	if (c->user_agent == NULL)
		return -ENOMEM;
	c->options.user_agent = c->user_agent;
	if (c->options.ca_file != NULL) {
		c->ca_file = strdup(c->options.ca_file);
		if (c->ca_file == NULL)
			return -ENOMEM;
		c->options.ca_file = c->ca_file;
	}
	if (c->options.buffer_bytes == 0)
		c->options.buffer_bytes = 4096;
	if (c->options.max_connections == 0)
		c->options.max_connections = 256;
	return 0;
}

int
http_client_new(const struct http_client_options *options, struct http_client **out,
    struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	CLEANUP(http_client_freep) struct http_client *c = calloc(1, sizeof(*c));
	int r;

	(void)pthread_once(&once, global_init);
	if (c == NULL)
		return err_set(err, -ENOMEM, "no memory for the HTTP client");
	c->magic = HTTP_CLIENT_MAGIC;
	c->epoll_fd = c->timer_fd = -1;
	TAILQ_INIT(&c->active);
	TAILQ_INIT(&c->failed);
	TAILQ_INIT(&c->idle);
	c->multi = curl_multi_init();
	if (c->multi == NULL || copy_options(c, options) < 0)
		return err_set(err, -ENOMEM, "no memory for the HTTP client");
	r = http_sockets_init(c, err);
	if (r < 0)
		return r;
	(void)curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS,
	    (long)c->options.max_connections);
	(void)curl_multi_setopt(c->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
	    (long)c->options.max_per_host);
	*out = TAKE_PTR(c);
	return 0;
}

static void
transfer_free(struct http_transfer *t)
{
	http_request_release(t);
	buf_release(&t->headers);
	buf_release(&t->answer);
	if (t->easy != NULL)
		curl_easy_cleanup(t->easy);
	t->magic = 0;
	free(t);
}

static struct http_transfer *
transfer_take(struct http_client *c)
{
	struct http_transfer *t = TAILQ_FIRST(&c->idle);

	if (t != NULL) {
		TAILQ_REMOVE(&c->idle, t, entry);
		c->n_idle--;
		return t;
	}
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return NULL;
	t->magic = HTTP_TRANSFER_MAGIC;
	t->client = c;
	t->easy = http_request_easy(t);
	if (t->easy == NULL) {
		transfer_free(t);
		return NULL;
	}
	return t;
}

static void
leave_multi(struct http_transfer *t)
{
	if (!t->is_in_multi)
		return;
	(void)curl_multi_remove_handle(t->client->multi, t->easy);
	t->is_in_multi = false;
	t->client->n_in_multi--;
}

/* Back to the pool; a large buffer does not stay. */
static void
transfer_give_back(struct http_transfer *t)
{
	struct http_client *c = t->client;

	(void)curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, NULL);
	(void)curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, NULL);
	http_request_release(t);
	if (t->answer.cap > HTTP_OTHER_BODY_MAX)
		buf_release(&t->answer);
	if (c->n_idle >= HTTP_IDLE_MAX) {
		transfer_free(t);
		return;
	}
	TAILQ_INSERT_HEAD(&c->idle, t, entry);
	c->n_idle++;
}

static uint32_t
info_ms(CURL *easy, CURLINFO what)
{
	curl_off_t us = 0;

	(void)curl_easy_getinfo(easy, what, &us);
	return us > 0 ? (uint32_t)(us / 1000) : 0;
}

static uint32_t
connect_ms(struct http_transfer *t)
{
	long connections = 0;
	uint32_t tls = info_ms(t->easy, CURLINFO_APPCONNECT_TIME_T);

	(void)curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &connections);
	if (connections == 0)
		return 0;
	return tls > 0 ? tls : info_ms(t->easy, CURLINFO_CONNECT_TIME_T);
}

/* The transfer leaves all lists, its owner is told, and it returns to the pool. */
static void
transfer_end(struct http_transfer *t, enum http_class class)
{
	struct http_client *c = t->client;
	struct http_result result = { .class = class, .transfer = t };
	const char *type = http_answer_find(t, "content-type");

	ASSERT(t->magic == HTTP_TRANSFER_MAGIC);
	leave_multi(t);
	TAILQ_REMOVE(t->failure != HTTP_OK ? &c->failed : &c->active, t, entry);
	c->n_active--;
	result.message = class == HTTP_OK ? "" : t->message;
	result.status = t->status;
	result.body = t->answer;
	memset(&t->answer, 0, sizeof(t->answer));
	result.body_bytes = t->body_bytes;
	result.content_type = type != NULL ? type : "";
	result.url = t->url != NULL ? t->url : "";
	result.redirects = t->redirects;
	result.total_ms = (uint32_t)(clock_mono_ms() - t->started_ms);
	if (t->was_sent) { /* a pooled handle remembers its former request */
		result.connect_ms = connect_ms(t);
		result.first_byte_ms = info_ms(t->easy, CURLINFO_STARTTRANSFER_TIME_T);
	}
	t->done(t->ctx, &result);
	t->answer = result.body;
	transfer_give_back(t);
}

/* Told at the next turn, so that no callback runs inside http_client_start. */
static void
transfer_fail_later(struct http_transfer *t, enum http_class class)
{
	struct http_client *c = t->client;

	leave_multi(t);
	t->failure = class;
	TAILQ_REMOVE(&c->active, t, entry);
	TAILQ_INSERT_TAIL(&c->failed, t, entry);
	http_sockets_wake(c);
}

/* Sends the request as it stands: the first hop or a later one. */
static void
transfer_send(struct http_transfer *t)
{
	struct http_client *c = t->client;

	http_answer_clear(t);
	http_request_apply(t);
	if (curl_multi_add_handle(c->multi, t->easy) != CURLM_OK) {
		(void)snprintf(t->message, sizeof(t->message), "curl takes no request");
		transfer_fail_later(t, HTTP_INTERNAL);
		return;
	}
	t->is_in_multi = t->was_sent = true;
	c->n_in_multi++;
	http_sockets_kick(c);
}

struct http_transfer *
http_client_start(struct http_client *c, const struct http_request *request,
    http_done_fn done, void *ctx)
{
	struct http_transfer *t = transfer_take(c);
	enum http_class class;
	int r;

	ASSERT(c->magic == HTTP_CLIENT_MAGIC);
	if (t == NULL)
		return NULL;
	t->failure = HTTP_OK;
	t->was_sent = false;
	t->done = done;
	t->ctx = ctx;
	http_answer_clear(t);
	r = http_request_copy(t, request);
	if (r == -ENOMEM) {
		transfer_give_back(t);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&c->active, t, entry);
	c->n_active++;
	if (r < 0) {
		(void)snprintf(t->message, sizeof(t->message),
		    "the method or a header cannot be sent");
		transfer_fail_later(t, HTTP_INTERNAL);
		return t;
	}
	class = http_request_check(t);
	if (class != HTTP_OK)
		transfer_fail_later(t, class);
	else
		transfer_send(t);
	return t;
}

void
http_client_cancel(struct http_client *c, struct http_transfer *t)
{
	ASSERT(t->magic == HTTP_TRANSFER_MAGIC && t->client == c);
	(void)snprintf(t->message, sizeof(t->message), "cancelled");
	transfer_end(t, HTTP_CANCELLED);
}

/* curl is done with a hop. */
static void
hop_done(struct http_transfer *t, CURLcode code)
{
	enum http_class class = http_answer_class(t, code);
	int r = 0;

	leave_multi(t);
	if (class == HTTP_OK)
		r = http_request_redirect(t, &class);
	if (r > 0)
		transfer_send(t);
	else
		transfer_end(t, class);
}

static void
tell_failed(struct http_client *c)
{
	struct http_transfer *t;

	while ((t = TAILQ_FIRST(&c->failed)) != NULL)
		transfer_end(t, t->failure);
}

void
http_client_turn(struct http_client *c)
{
	CURLMsg *msg;
	int left;

	ASSERT(c->magic == HTTP_CLIENT_MAGIC);
	http_sockets_turn(c);
	while ((msg = curl_multi_info_read(c->multi, &left)) != NULL) {
		struct http_transfer *t = NULL;

		if (msg->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &t);
		hop_done(t, msg->data.result);
	}
	tell_failed(c);
}

int
http_client_fd(const struct http_client *c)
{
	return c->epoll_fd;
}

size_t
http_client_active(const struct http_client *c)
{
	return c->n_active;
}

void
http_client_free(struct http_client *c)
{
	struct http_transfer *t;

	if (c == NULL)
		return;
	while ((t = TAILQ_FIRST(&c->active)) != NULL)
		http_client_cancel(c, t);
	while ((t = TAILQ_FIRST(&c->failed)) != NULL)
		http_client_cancel(c, t);
	while ((t = TAILQ_FIRST(&c->idle)) != NULL) {
		TAILQ_REMOVE(&c->idle, t, entry);
		transfer_free(t);
	}
	if (c->multi != NULL)
		(void)curl_multi_cleanup(c->multi);
	http_sockets_release(c);
	free(c->user_agent);
	free(c->ca_file);
	c->magic = 0;
	free(c);
}

void
http_client_freep(struct http_client **c)
{
	http_client_free(*c);
}
