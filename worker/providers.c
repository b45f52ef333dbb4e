/* SPDX-License-Identifier: MIT */
/*
 * providers.c - a breaker and a rate limit for each pair of provider and model.
 *
 * Owns:   struct providers.
 * Called: by jobs around their questions to a model, by claim.c, once a second.
 * Fails:  never after the start.
 */
#include "config.h"

#include "worker/providers.h"

#include "common/clock.h"
#include "common/log.h"
#include "worker/llm/breaker.h"
#include "worker/rate_limit.h"

#include <errno.h>
#include <string.h>

enum {
	UNANSWERED_MAX = 10
};

struct provider {
	const struct llm_target *target; /* the first agent's; others name the same */
	struct breaker breaker;
	struct rate_limit rate;
	struct llm_error last; /* why it is not asked */
};

struct providers {
	struct breaker_rules rules;
	struct provider *at;
	size_t n;
	size_t n_open; /* breakers that are not closed */
};

static struct provider *
find(const struct providers *p, const struct llm_target *t)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->at[i].target->provider == t->provider &&
		    strcmp(p->at[i].target->model, t->model) == 0)
			return &p->at[i];
	return NULL;
}

static int
add(struct providers *p, const struct llm_target *t)
{
	struct provider *new = &p->at[p->n++];

	new->target = t;
	return rate_limit_init(&new->rate, t);
}

void
providers_free(struct providers *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->n; i++)
		rate_limit_release(&p->at[i].rate);
	free(p->at);
	free(p);
}

int
providers_new(struct worker *w)
{
	struct providers *p = calloc(1, sizeof(*p));
	const struct agent *a;
	size_t n = 0;

	if (p == NULL)
		return -ENOMEM;
	for (size_t i = 0; (a = definitions_at(w->agents, i)) != NULL; i++)
		n += a->n_targets;
	p->at = calloc(n + 1, sizeof(*p->at));
	if (p->at == NULL) {
		free(p);
		return -ENOMEM;
	}
	for (size_t i = 0; (a = definitions_at(w->agents, i)) != NULL; i++)
		for (size_t t = 0; t < a->n_targets; t++)
			if (find(p, &a->targets[t]) == NULL &&
			    add(p, &a->targets[t]) < 0) {
				providers_free(p);
				return -ENOMEM;
			}
	p->rules = (struct breaker_rules){
		.failures = (unsigned)w->conf->llm.breaker_failures,
		.open_ms = (uint64_t)w->conf->llm.breaker_open_sec * 1000,
		.refused_ms = (uint64_t)w->conf->llm.breaker_refused_sec * 1000,
	};
	w->providers = p;
	return 0;
}

/* ---- states ---- */

static void
show(struct worker *w, const struct provider *p)
{
	metric_set(worker_metrics(w), METRIC_LLM_BREAKER, p->target->metrics_target,
	    breaker_state(&p->breaker, clock_mono_ms()));
}

static void
changed(struct worker *w, struct provider *p, const struct llm_error *e)
{
	const struct llm_target *t = p->target;
	uint64_t now = clock_mono_ms();
	size_t n_open = 0;

	for (size_t i = 0; i < w->providers->n; i++)
		n_open += w->providers->at[i].breaker.open_until_ms != 0;
	w->providers->n_open = n_open;
	show(w, p);
	if (e == NULL) {
		log_info("provider %s, model %s: answers again", t->provider->name,
		    t->model);
		claim_probed(w->claim, p->rate.name);
		claim_wake(w->claim);
		return;
	}
	p->last = *e;
	claim_look_soon(w->claim);
	log_warning(
	    "provider %s, model %s: not asked for %llu ms after %u failures: %s",
	    t->provider->name, t->model,
	    (unsigned long long)(p->breaker.open_until_ms - now), p->breaker.failures,
	    e->text);
}

enum rest {
	READY,
	RESTING,
	REFUSED /* by every provider, for good as far as a job is concerned */
};

/* wait_ms: until the first of them may be tried; last: why it was not. */
static enum rest
rest_of(const struct worker *w, const struct agent *a, uint64_t *wait_ms,
    const struct llm_error **last)
{
	uint64_t now = clock_mono_ms(), due = UINT64_MAX;
	bool may_heal = false;

	if (a == NULL || a->n_targets == 0 || w->providers->n_open == 0)
		return READY;
	for (size_t i = 0; i < a->n_targets; i++) {
		const struct provider *p = find(w->providers, &a->targets[i]);
		const struct breaker *b = &p->breaker;

		if (breaker_state(b, now) == BREAKER_CLOSED)
			return READY;
		*last = &p->last;
		if (breaker_is_refused(b))
			continue;
		may_heal = true;
		if (b->open_until_ms < due)
			due = b->open_until_ms;
	}
	*wait_ms = may_heal && due > now ? due - now : 0;
	return may_heal ? RESTING : REFUSED;
}

/* The provider of which the rest ended first. */
static void
find_due(const struct providers *p, const char **due, int64_t *sec)
{
	uint64_t now = clock_mono_ms(), first = UINT64_MAX;

	*due = NULL;
	for (size_t i = 0; i < p->n; i++) {
		const struct breaker *b = &p->at[i].breaker;

		if (breaker_state(b, now) != BREAKER_HALF_OPEN ||
		    b->open_until_ms >= first)
			continue;
		first = b->open_until_ms;
		*due = p->at[i].rate.name;
		*sec = (int64_t)((b->open_until_ms - b->opened_ms + 999) / 1000);
	}
}

bool
providers_are_dark(struct worker *w, const char **due, int64_t *sec)
{
	const struct agent *a;

	if (w->providers->n_open == 0)
		return false;
	for (size_t i = 0; (a = definitions_at(w->agents, i)) != NULL; i++) {
		const struct llm_error *last;
		uint64_t wait_ms = 0;

		if (rest_of(w, a, &wait_ms, &last) != RESTING)
			return false;
	}
	find_due(w->providers, due, sec);
	return true;
}

void
providers_tick(struct worker *w)
{
	for (size_t i = 0; w->providers->n_open > 0 && i < w->providers->n; i++)
		show(w, &w->providers->at[i]);
}

/* ---- one call ---- */

bool
providers_may_ask(struct job *j, const struct llm_target *t)
{
	struct provider *p = find(j->worker->providers, t);

	return breaker_may_ask(&p->breaker, clock_mono_ms(), j);
}

int
providers_reserve(struct job *j, const struct llm_target *t, uint64_t tokens,
    uint64_t *waited_ms, struct llm_error *e)
{
	struct provider *p = find(j->worker->providers, t);

	return rate_limit_reserve(j, &p->rate, tokens, waited_ms, e);
}

void
providers_note(struct job *j, const struct llm_exchange *x)
{
	struct worker *w = j->worker;
	struct provider *p = find(w->providers, x->target);

	uint64_t now = clock_mono_ms();

	if (breaker_note(&p->breaker, &w->providers->rules, now, now - x->us / 1000,
		x->error, x->failure))
		changed(w, p, x->failure);
	rate_limit_note(j, &p->rate, x);
}

/* The next provider's answer, if there is one, stands beside this in the row's trace. */
static void
keep_reason(struct job *j, const struct llm_target *t, const struct llm_error *e)
{
	struct json_writer w;

	log_debug("job %s: provider %s, model %s: %s", j->msg.job_id, t->provider->name,
	    t->model, e->text);
	if (!e->tries_next)
		return;
	buf_adds(&j->trace, j->trace.len > 0 ? "," : "");
	jw_init(&w, &j->trace);
	jw_object_begin(&w);
	jw_key(&w, "provider");
	jw_cstr(&w, t->provider->name);
	jw_key(&w, "error");
	jw_cstr(&w, error_type_name(e->type));
	jw_key(&w, "message");
	jw_cstr(&w, e->text);
	jw_object_end(&w);
}

void
providers_gave_up(struct job *j, const struct llm_target *t, uint64_t began_us,
    const struct llm_error *e)
{
	struct worker *w = j->worker;
	struct provider *p = find(w->providers, t);

	keep_reason(j, t, e);
	if (breaker_gave_up(&p->breaker, &w->providers->rules, clock_mono_ms(),
		began_us / 1000, e))
		changed(w, p, e);
}

/* Other jobs were refused; to ask once more would change nothing. */
static void
tell_refusal(struct llm_error *e, const struct llm_error *last)
{
	(void)llm_error_set(e, last->type, last->http_status, "%s", last->text);
}

/*
 * Is it still an outage to this job, which has asked in vain? A request that no provider
 * can digest looks like one to whoever asks it, and would wait for ever: its failures
 * count once it was passed over UNANSWERED_MAX times, each time by answers to others.
 */
static bool
is_passed_over(struct job *j)
{
	const struct providers *p = j->worker->providers;

	j->vain = ANSWERS_NOBODY;
	for (size_t i = 0; j->asked_before_ms != 0 && i < j->agent->n_targets; i++)
		if (find(p, &j->agent->targets[i])->breaker.answered_ms >
		    j->asked_before_ms)
			j->vain = ANSWERS_OTHERS;
	return j->vain == ANSWERS_OTHERS && j->unanswered >= UNANSWERED_MAX;
}

void
providers_judge(struct job *j, const struct llm_account *paid, struct llm_error *e)
{
	struct providers *p = j->worker->providers;
	const struct llm_error *last = NULL;
	uint64_t wait_ms = 0;
	enum rest rest;

	for (size_t i = 0; p->n_open > 0 && i < p->n; i++)
		breaker_leave(&p->at[i].breaker, j);
	if (e == NULL)
		return;
	rest = rest_of(j->worker, j->agent, &wait_ms, &last);
	if (rest == REFUSED && paid->exchanges == 0)
		tell_refusal(e, last);
	if (rest != RESTING || !error_type_is_retryable(e->type))
		return;
	if (paid->exchanges > 0 && is_passed_over(j))
		return;
	e->is_outage = e->has_retry_after = true;
	e->retry_after_ms = wait_ms;
}
