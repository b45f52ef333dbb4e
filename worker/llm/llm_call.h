/* SPDX-License-Identifier: MIT */
/*
 * llm_call.h - one question to a model: the agent's providers in order, repeats inside
 * the call's deadline, and an account of what was paid.
 *
 * The network, the clock and chance come through the environment. http and sleep_ms
 * look synchronous; in a worker they let other jobs run meanwhile.
 */
#ifndef WORKER_LLM_LLM_CALL_H
#define WORKER_LLM_LLM_CALL_H

#include "common/conf/prices.h"
#include "common/secrets.h"
#include "worker/llm/provider.h"
#include "worker/llm/retry.h"

enum {
	LLM_BODY_MAX = 16 * 1024 * 1024
}; /* of an answer */

struct llm_http_request {
	const char *url;
	const struct llm_headers *headers; /* content-type is among them */
	const char *body;
	size_t body_len;
	uint64_t timeout_ms; /* whole exchange */
	size_t max_body_bytes;
};

struct llm_http_response {
	int status;
	struct buf body;              /* released by llm_call */
	struct llm_wait_headers wait; /* fill with llm_wait_note() */
};

/* One provider of an agent, ready to be asked. Pointers are the definition's. */
struct llm_target {
	const struct llm_provider_type *type;
	const struct conf_provider *provider;
	const char *model;
	double temperature;      /* NAN: not sent */
	unsigned metrics_target; /* label of the LLM metrics */
	struct token_price price;
};

/* What one HTTP exchange came to: for metrics, the breaker and the rate limits. */
struct llm_exchange {
	const struct llm_target *target;
	enum error_type error;           /* ERROR_TYPE_NONE: an answer */
	const struct llm_error *failure; /* NULL: an answer, or cancelled */
	const struct llm_wait_headers *headers;
	uint64_t us;
	struct llm_usage usage;
	uint64_t cost_microusd;
};

struct llm_call_env {
	void *ctx;
	/* POST. 0 with *res, or -ETIMEDOUT, -ECANCELED (the job was cancelled), -EFBIG
	   (body over the cap), or another errno for a connection that failed. */
	int (*http)(void *ctx, const struct llm_http_request *req,
	    struct llm_http_response *res, struct err *err);
	int (*sleep_ms)(void *ctx, uint64_t ms); /* 0 or -ECANCELED */
	uint64_t (*now_us)(void *ctx);           /* monotonic */
	int64_t (*wall_ms)(void *ctx);
	double (*random)(void *ctx); /* [0,1) */
	/* Optional, before each exchange. False: the breaker is open, go to the next
	   provider. */
	bool (*may_ask)(void *ctx, const struct llm_target *target);
	/*
	 * Optional, after may_ask: waits until the rate limit has room for that many
	 * tokens. 0 with *waited_ms, which is taken from nobody's time; -ECANCELED; or
	 * -EIO with *e when that would take too long.
	 */
	int (*reserve)(void *ctx, const struct llm_target *target, uint64_t tokens,
	    uint64_t *waited_ms, struct llm_error *e);
	/* Optional. Told after each exchange. */
	void (*note)(void *ctx, const struct llm_exchange *exchange);
	/* Optional. Told when a provider's turn, which began then, is over in vain. */
	void (*gave_up)(void *ctx, const struct llm_target *target, uint64_t began_us,
	    const struct llm_error *e);
	/* Masked in what providers answer: one may quote its key. May be NULL. */
	const struct secrets *secrets;
};

struct llm_call {
	const struct llm_target *targets;
	const struct llm_prefix *const *prefixes; /* one per target */
	size_t n_targets;
	const struct llm_messages *messages;
	int64_t max_tokens; /* bound for the answer beside the provider's; 0: none */
	enum llm_tool_choice tool_choice;
	bool takes_silence;   /* an answer without a word will do: all is said */
	uint64_t deadline_ms; /* the job's, monotonic; 0: none */
};

/* What was paid, failures included, and who answered (or failed last). */
struct llm_account {
	struct llm_usage usage;
	uint64_t cost_microusd;
	unsigned exchanges;
	size_t target; /* index into targets */
};

/*
 * Returns 0 with *out in the arena; -EIO with *e (the last provider's error, or the
 * most telling one when several failed); -ECANCELED. *account is filled in every case.
 * A deadline of the job that passes gives ERROR_TYPE_TIMEOUT.
 */
int llm_call(const struct llm_call_env *env, const struct llm_call *call,
    struct arena *a, struct llm_answer *out, struct llm_account *account,
    struct llm_error *e);

#endif
