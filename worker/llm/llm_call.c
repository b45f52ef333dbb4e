/* SPDX-License-Identifier: MIT */
/*
 * llm_call.c - one question: providers in order, repeats, deadlines, what was paid.
 *
 * Owns:   request bodies and response bodies while a call runs.
 * Called: by the conversation, in a job's fiber: the callbacks may let others run.
 * Fails:  with a typed error after every provider had its turn; -ECANCELED at once.
 */
#include "config.h"

#include "worker/llm/llm_call.h"

#include "worker/llm/answer_part.h"
#include "worker/llm/prices.h"

#include <errno.h>
#include <string.h>

enum {
	PROVIDER_TIMEOUT_MS = 60000, /* when the configuration sets none */
	BYTES_PER_TOKEN = 4,         /* of a request, roughly */
	FRAME_BYTES = 96             /* around a message's or a call's texts */
};

struct caller {
	const struct llm_call_env *env;
	const struct llm_call *call;
	struct arena *arena;
	struct llm_answer *out;
	struct llm_account *account;
	struct llm_error *e;
	size_t target;
	uint64_t deadline_us; /* of this provider's turn */
	uint64_t waited_us;   /* for rate limits: moves the job's deadline */
	bool is_last_of_job;  /* the job's deadline comes before the provider's */
};

static const struct llm_target *
target_of(const struct caller *c)
{
	return &c->call->targets[c->target];
}

static uint64_t
left_ms(const struct caller *c)
{
	uint64_t now = c->env->now_us(c->env->ctx);

	return now < c->deadline_us ? (c->deadline_us - now) / 1000 : 0;
}

static void
set_deadline(struct caller *c)
{
	int64_t sec = target_of(c)->provider->timeout_sec;
	uint64_t own = c->env->now_us(c->env->ctx) +
	    1000 * (sec > 0 ? (uint64_t)sec * 1000 : PROVIDER_TIMEOUT_MS);
	uint64_t job = c->call->deadline_ms * 1000;

	job += job != 0 ? c->waited_us : 0;
	c->is_last_of_job = job != 0 && job <= own;
	c->deadline_us = c->is_last_of_job ? job : own;
}

static int64_t
answer_bound(const struct caller *c)
{
	int64_t own = target_of(c)->provider->max_tokens, job = c->call->max_tokens;

	if (own <= 0 || job <= 0)
		return own > 0 ? own : job;
	return own < job ? own : job;
}

static int
too_late(struct caller *c)
{
	const struct conf_provider *p = target_of(c)->provider;

	if (c->is_last_of_job) {
		(void)llm_error_set(c->e, ERROR_TYPE_TIMEOUT, 0,
		    "the job's time was over before %s answered", p->name);
		c->e->tries_next = c->e->may_repeat = false;
		return -EIO;
	}
	return llm_error_set(c->e, ERROR_TYPE_LLM_UNAVAILABLE, 0,
	    "%s: no answer within %lld s", p->name,
	    (long long)(p->timeout_sec > 0 ? p->timeout_sec
					   : PROVIDER_TIMEOUT_MS / 1000));
}

static int
transport_failed(struct caller *c, int r, const struct err *err)
{
	const char *name = target_of(c)->provider->name;

	if (r == -ECANCELED)
		return r;
	if (r == -ETIMEDOUT)
		return too_late(c);
	if (r == -EFBIG)
		return llm_error_set(c->e, ERROR_TYPE_LLM_BAD_RESPONSE, 0,
		    "%s: the answer is larger than %d bytes", name, LLM_BODY_MAX);
	return llm_error_set(c->e, ERROR_TYPE_LLM_UNAVAILABLE, 0, "%s: %s", name,
	    err->text[0] != '\0' ? err->text : strerror(-r));
}

/* A provider, or a proxy before it, that quotes the key back must not bring it into a
   result, a log or the next request. */
static void
mask_body(const struct secrets *secrets, struct buf *body)
{
	struct buf masked = BUF_INIT;

	if (!secrets_found(secrets, buf_str(body), body->len))
		return;
	secrets_mask(secrets, &masked, buf_str(body), body->len);
	buf_release(body);
	*body = masked;
}

static void
settle(struct caller *c, enum error_type error, const struct llm_wait_headers *headers,
    uint64_t us)
{
	struct llm_exchange x = {
		.target = target_of(c),
		.error = error,
		.failure = error != ERROR_TYPE_NONE && error != ERROR_TYPE_CANCELLED
		    ? c->e
		    : NULL,
		.headers = headers,
		.us = us,
		.usage = c->out->usage,
		.cost_microusd =
		    llm_cost_microusd(&target_of(c)->price, &c->out->usage),
	};

	c->account->exchanges++;
	c->account->cost_microusd += x.cost_microusd;
	llm_usage_add(&c->account->usage, &x.usage);
	if (c->env->note != NULL)
		c->env->note(c->env->ctx, &x);
}

static int
read_response(struct caller *c, int r, const struct err *err,
    struct llm_http_response *res)
{
	const struct llm_target *t = target_of(c);
	uint64_t wait;

	if (r < 0)
		return transport_failed(c, r, err);
	mask_body(c->env->secrets, &res->body);
	r = t->type->answer(c->arena, res->status, buf_str(&res->body), res->body.len,
	    c->out, c->e);
	if (r == 0 && !c->call->takes_silence && llm_answer_is_silent(c->out))
		r = llm_part_bad(c->e, res->status,
		    "it holds neither text nor tool calls");
	if (r == 0)
		return 0;
	if (llm_wait_asked(&res->wait, c->env->wall_ms(c->env->ctx), &wait)) {
		c->e->has_retry_after = true;
		c->e->retry_after_ms = wait;
	}
	if (strcmp(res->wait.should_retry, "false") == 0)
		c->e->may_repeat = false;
	return r;
}

/* One exchange over the network. */
static int
exchange(struct caller *c, const struct llm_http_request *req)
{
	struct llm_http_response *res = calloc(1, sizeof(*res));
	struct err *err = calloc(1, sizeof(*err));
	uint64_t began = c->env->now_us(c->env->ctx);
	int r;

	memset(c->out, 0, sizeof(*c->out));
	if (res == NULL || err == NULL) {
		r = llm_error_set(c->e, ERROR_TYPE_INTERNAL, 0, "no memory for a call");
	} else {
		res->body.max_len = req->max_body_bytes;
		r = c->env->http(c->env->ctx, req, res, err);
		r = read_response(c, r, err, res);
		settle(c,
		    r == 0                ? ERROR_TYPE_NONE
			: r == -ECANCELED ? ERROR_TYPE_CANCELLED
					  : c->e->type,
		    &res->wait, c->env->now_us(c->env->ctx) - began);
		buf_release(&res->body);
	}
	free(res);
	free(err);
	return r;
}

static bool
may_ask(const struct caller *c)
{
	return c->env->may_ask == NULL || c->env->may_ask(c->env->ctx, target_of(c));
}

/* Room in the provider's rate limit for the request and the longest answer to it. */
static int
reserve(struct caller *c, const struct llm_http_request *req)
{
	uint64_t tokens = req->body_len / BYTES_PER_TOKEN, waited_ms = 0;
	int64_t bound = answer_bound(c);
	int r;

	if (c->env->reserve == NULL)
		return 0;
	tokens += bound > 0 ? (uint64_t)bound : 0;
	r = c->env->reserve(c->env->ctx, target_of(c), tokens, &waited_ms, c->e);
	c->waited_us += waited_ms * 1000;
	c->deadline_us += waited_ms * 1000;
	return r;
}

/* The same provider until it answers, refuses for good, or its turn is over. */
static int
repeat(struct caller *c, struct llm_http_request *req)
{
	for (unsigned repeats = 0;; repeats++) {
		uint64_t delay = 0;
		int r = reserve(c, req);

		if (r < 0)
			return r;
		req->timeout_ms = left_ms(c);
		if (req->timeout_ms == 0)
			return too_late(c);
		r = exchange(c, req);
		if (r != -EIO)
			return r;
		if (!llm_retry_decide(c->e, repeats, left_ms(c),
			c->env->random(c->env->ctx), &delay))
			return r;
		r = c->env->sleep_ms(c->env->ctx, delay);
		if (r < 0)
			return r;
		if (!may_ask(c)) /* others found out meanwhile that it is away */
			return -EIO;
	}
}

/* About what the request will take, so that its long texts are not moved as it grows, and
   no job that waits holds much more than it sends. */
static size_t
request_bytes(const struct llm_prefix *prefix, const struct llm_messages *messages)
{
	size_t n = prefix->head_len + prefix->tools_len + FRAME_BYTES;

	for (const struct llm_message *m = messages->first; m != NULL; m = m->next) {
		n += m->text.len + FRAME_BYTES;
		for (size_t i = 0; i < m->n_calls; i++)
			n += m->calls[i].arguments.len + FRAME_BYTES;
	}
	return n + n / 16; /* escapes */
}

static int
ask_target(struct caller *c)
{
	const struct llm_target *t = target_of(c);
	const struct llm_params params = { t->model, t->temperature, answer_bound(c),
		c->call->tool_choice };
	CLEANUP(llm_headers_release) struct llm_headers headers = { .n = 0 };
	CLEANUP_BUF struct buf url = BUF_INIT;
	CLEANUP_BUF struct buf body = BUF_INIT;
	struct llm_http_request req = { .max_body_bytes = LLM_BODY_MAX };

	t->type->url(&url, t->provider);
	(void)buf_reserve(&body,
	    request_bytes(c->call->prefixes[c->target], c->call->messages));
	t->type->request(&body, c->call->prefixes[c->target], c->call->messages,
	    &params);
	if (t->type->headers(&headers, t->provider) < 0 || buf_status(&url) != 0 ||
	    buf_status(&body) != 0)
		return llm_error_set(c->e, ERROR_TYPE_INTERNAL, 0,
		    "no memory for a request");
	req.url = buf_str(&url);
	req.headers = &headers;
	req.body = buf_str(&body);
	req.body_len = body.len;
	return repeat(c, &req);
}

/* Of several failures the one that another attempt may repair says most. */
static void
keep_telling(struct llm_error *best, const struct llm_error *e, size_t nth)
{
	if (nth == 0 ||
	    (error_type_is_retryable(e->type) && !error_type_is_retryable(best->type)))
		*best = *e;
	else if (e->has_retry_after && best->has_retry_after &&
	    e->retry_after_ms < best->retry_after_ms)
		best->retry_after_ms = e->retry_after_ms;
}

static int
ask_all(struct caller *c, struct llm_error *best)
{
	size_t failed = 0;

	for (c->target = 0; c->target < c->call->n_targets; c->target++) {
		uint64_t began_us = c->env->now_us(c->env->ctx);
		int r;

		if (!may_ask(c))
			continue;
		set_deadline(c);
		c->account->target = c->target;
		r = ask_target(c);
		if (r != -EIO)
			return r;
		if (c->env->gave_up != NULL)
			c->env->gave_up(c->env->ctx, target_of(c), began_us, c->e);
		keep_telling(best, c->e, failed++);
		if (!c->e->tries_next)
			break;
	}
	if (failed == 0)
		(void)llm_error_set(best, ERROR_TYPE_LLM_UNAVAILABLE, 0,
		    c->call->n_targets == 0
			? "no provider is configured"
			: "every provider of this agent failed lately and rests");
	return -EIO;
}

int
llm_call(const struct llm_call_env *env, const struct llm_call *call, struct arena *a,
    struct llm_answer *out, struct llm_account *account, struct llm_error *e)
{
	struct llm_error best = { .type = ERROR_TYPE_NONE };
	struct caller c = { .env = env,
		.call = call,
		.arena = a,
		.out = out,
		.account = account,
		.e = e };
	int r;

	memset(account, 0, sizeof(*account));
	memset(out, 0, sizeof(*out));
	r = ask_all(&c, &best);
	if (r == -EIO)
		*e = best;
	return r;
}
