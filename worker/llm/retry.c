/* SPDX-License-Identifier: MIT */
/*
 * retry.c - reading what a provider says about waiting, and deciding whether to repeat.
 *
 * Owns:   nothing.
 * Called: by llm_call after each exchange.
 * Fails:  never; header values that make no sense count as absent.
 */
#include "config.h"

#include "worker/llm/retry.h"

#include "common/clock.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum {
	WAIT_MAX_MS = 24 * 3600 * 1000,
	EPOCH_SEC_DIGITS = 9, /* from 1973 on */
	EPOCH_MS_DIGITS = 13,
	NEAR_PART = 5 /* a fifth of the limit is left: it is near */
};

static const struct {
	const char *name;
	size_t offset, size;
} headers[] = {
#define ROW(name, field)                               \
 {                                                     \
  name, offsetof(struct llm_wait_headers, field),      \
      sizeof(((struct llm_wait_headers *)NULL)->field) \
 }
	ROW("retry-after", retry_after),
	ROW("retry-after-ms", retry_after_ms),
	ROW("x-ratelimit-reset-requests", reset_requests),
	ROW("x-ratelimit-reset-tokens", reset_tokens),
	ROW("x-ratelimit-remaining-requests", remaining_requests),
	ROW("x-ratelimit-remaining-tokens", remaining_tokens),
	ROW("anthropic-ratelimit-requests-reset", reset_requests),
	ROW("anthropic-ratelimit-tokens-reset", reset_tokens),
	ROW("anthropic-ratelimit-requests-remaining", remaining_requests),
	ROW("anthropic-ratelimit-tokens-remaining", remaining_tokens),
	ROW("x-ratelimit-limit-requests", limit_requests),
	ROW("x-ratelimit-limit-tokens", limit_tokens),
	ROW("anthropic-ratelimit-requests-limit", limit_requests),
	ROW("anthropic-ratelimit-tokens-limit", limit_tokens),
	ROW("anthropic-ratelimit-input-tokens-reset", reset_input),
	ROW("anthropic-ratelimit-input-tokens-remaining", remaining_input),
	ROW("anthropic-ratelimit-input-tokens-limit", limit_input),
	ROW("anthropic-ratelimit-output-tokens-reset", reset_output),
	ROW("anthropic-ratelimit-output-tokens-remaining", remaining_output),
	ROW("anthropic-ratelimit-output-tokens-limit", limit_output),
	ROW("x-should-retry", should_retry),
#undef ROW
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void
llm_wait_note(struct llm_wait_headers *h, const char *name, size_t name_len,
    const char *value, size_t value_len)
{
	while (value_len > 0 && is_blank(value[0])) {
		value++;
		value_len--;
	}
	while (value_len > 0 && is_blank(value[value_len - 1]))
		value_len--;
	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		char *field = (char *)h + headers[i].offset;

		if (strlen(headers[i].name) != name_len ||
		    strncasecmp(headers[i].name, name, name_len) != 0)
			continue;
		if (value_len >= headers[i].size ||
		    memchr(value, '\0', value_len) != NULL)
			return;
		memcpy(field, value, value_len);
		field[value_len] = '\0';
	}
}

/* ---- reading times ---- */

/* Digits with an optional fraction: thousandths of it. False when none stands at *s. */
static bool
read_thousandths(const char **s, uint64_t *out)
{
	uint64_t whole = 0, scale = 100, part = 0;
	const char *p = *s;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		whole = whole * 10 + (uint64_t)(*p - '0');
		if (whole > WAIT_MAX_MS)
			whole = WAIT_MAX_MS;
	}
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9'; p++, scale /= 10)
			part += (uint64_t)(*p - '0') * scale;
	*s = p;
	*out = whole * 1000 + part;
	return true;
}

static bool
read_plain(const char *s, uint64_t unit_ms, uint64_t *ms)
{
	uint64_t t;

	if (!read_thousandths(&s, &t) || *s != '\0')
		return false;
	*ms = t * unit_ms / 1000;
	return true;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" and the two older forms. */
static bool
read_http_date(const char *s, int64_t wall_ms, uint64_t *ms)
{
	static const char *const forms[] = { "%a, %d %b %Y %H:%M:%S GMT",
		"%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y" };

	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		struct tm tm = { 0 };
		const char *end = strptime(s, forms[i], &tm);
		int64_t at;

		if (end == NULL || *end != '\0')
			continue;
		at = (int64_t)timegm(&tm) * 1000;
		*ms = at > wall_ms ? (uint64_t)(at - wall_ms) : 0;
		return true;
	}
	return false;
}

static bool
read_iso(const char *s, int64_t wall_ms, uint64_t *ms)
{
	int64_t at;

	if (clock_parse_iso(s, strlen(s), &at) < 0)
		return false;
	*ms = at > wall_ms ? (uint64_t)(at - wall_ms) : 0;
	return true;
}

/* Seconds or milliseconds since 1970: no wait is written with so many digits. */
static bool
read_epoch(const char *s, int64_t wall_ms, uint64_t *ms)
{
	size_t n = strspn(s, "0123456789");
	int64_t at;

	if (n < EPOCH_SEC_DIGITS || n > EPOCH_MS_DIGITS || s[0] == '0' ||
	    (s[n] != '\0' && s[n] != '.'))
		return false;
	at = strtoll(s, NULL, 10);
	if (n < EPOCH_MS_DIGITS)
		at *= 1000;
	*ms = at > wall_ms ? (uint64_t)(at - wall_ms) : 0;
	return true;
}

/* "1s", "6m0s", "1h2m3.5s", "250ms", or plain seconds. */
static bool
read_duration(const char *s, uint64_t *ms)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} units[] = { { "ms", 1 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 } };
	uint64_t sum = 0, t;

	if (read_plain(s, 1000, ms))
		return true;
	while (*s != '\0') {
		size_t u = 0;

		if (!read_thousandths(&s, &t))
			return false;
		while (u < ARRAY_LEN(units) &&
		    strncmp(s, units[u].name, strlen(units[u].name)) != 0)
			u++;
		if (u == ARRAY_LEN(units))
			return false;
		s += strlen(units[u].name);
		sum += t * units[u].ms / 1000;
		if (sum > WAIT_MAX_MS)
			sum = WAIT_MAX_MS;
	}
	*ms = sum;
	return sum > 0;
}

/* A span or a moment, as the reset of a limit. */
static bool
read_time(const char *s, int64_t wall_ms, uint64_t *ms)
{
	return read_epoch(s, wall_ms, ms) || read_duration(s, ms) ||
	    read_iso(s, wall_ms, ms);
}

/* Only an empty bucket makes us wait for its reset. */
static bool
read_reset(const char *remaining, const char *reset, int64_t wall_ms, uint64_t *ms)
{
	if (remaining[0] == '\0' || strspn(remaining, "0") != strlen(remaining))
		return false;
	return read_time(reset, wall_ms, ms);
}

static bool
asked(const struct llm_wait_headers *h, int64_t wall_ms, uint64_t *ms)
{
	uint64_t requests = 0, tokens = 0;
	bool has_requests, has_tokens;

	if (read_plain(h->retry_after_ms, 1, ms) ||
	    read_epoch(h->retry_after, wall_ms, ms) ||
	    read_plain(h->retry_after, 1000, ms) ||
	    read_http_date(h->retry_after, wall_ms, ms))
		return true;
	has_requests =
	    read_reset(h->remaining_requests, h->reset_requests, wall_ms, &requests);
	has_tokens = read_reset(h->remaining_tokens, h->reset_tokens, wall_ms, &tokens);
	if (!has_requests && !has_tokens)
		return false;
	*ms = requests > tokens ? requests : tokens;
	return true;
}

bool
llm_wait_asked(const struct llm_wait_headers *h, int64_t wall_ms, uint64_t *ms)
{
	uint64_t wait;

	if (!asked(h, wall_ms, &wait))
		return false;
	*ms = wait < WAIT_MAX_MS ? wait : WAIT_MAX_MS;
	return true;
}

/* ---- limits ---- */

static bool
read_count(const char *s, uint64_t *out)
{
	size_t n = strspn(s, "0123456789");

	if (n == 0 || n > 15 || s[n] != '\0')
		return false;
	*out = strtoull(s, NULL, 10);
	return true;
}

static struct llm_limit
read_limit(const char *limit, const char *remaining, const char *reset, int64_t wall_ms)
{
	struct llm_limit l = { .is_known = false };

	if (!read_count(limit, &l.limit) || l.limit == 0 ||
	    !read_count(remaining, &l.remaining))
		return l;
	l.is_known = true;
	if (!read_time(reset, wall_ms, &l.full_ms))
		l.full_ms = 0;
	return l;
}

static bool
is_tighter(const struct llm_limit *a, const struct llm_limit *b)
{
	if (!a->is_known || !b->is_known)
		return a->is_known;
	return (double)a->remaining / (double)a->limit <
	    (double)b->remaining / (double)b->limit;
}

void
llm_limits_read(const struct llm_wait_headers *h, int64_t wall_ms,
    struct llm_limit *requests, struct llm_limit *tokens)
{
	const struct llm_limit parts[] = {
		read_limit(h->limit_input, h->remaining_input, h->reset_input, wall_ms),
		read_limit(h->limit_output, h->remaining_output, h->reset_output,
		    wall_ms),
	};

	*requests = read_limit(h->limit_requests, h->remaining_requests,
	    h->reset_requests, wall_ms);
	*tokens =
	    read_limit(h->limit_tokens, h->remaining_tokens, h->reset_tokens, wall_ms);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (is_tighter(&parts[i], tokens))
			*tokens = parts[i];
}

bool
llm_limit_is_near(const struct llm_limit *l)
{
	return l->is_known && l->remaining < l->limit / NEAR_PART;
}

/* ---- deciding ---- */

static uint64_t
jitter_bound_ms(enum error_type type, unsigned nth)
{
	uint64_t base = type == ERROR_TYPE_LLM_RATE_LIMITED ? LLM_LIMITED_BASE_MS
							    : LLM_REPEAT_BASE_MS;
	uint64_t bound = base << nth;

	return bound < LLM_REPEAT_CAP_MS ? bound : LLM_REPEAT_CAP_MS;
}

bool
llm_retry_decide(const struct llm_error *e, unsigned repeats, uint64_t left_ms,
    double random, uint64_t *delay_ms)
{
	uint64_t bound, delay;

	if (!e->may_repeat || repeats >= LLM_REPEATS_MAX)
		return false;
	bound = jitter_bound_ms(e->type, repeats);
	delay = (uint64_t)((double)bound * random);
	if (e->has_retry_after) /* never earlier than asked, and not all at once */
		delay += e->retry_after_ms;
	if (delay >= left_ms)
		return false;
	*delay_ms = delay;
	return true;
}

uint64_t
llm_attempt_delay_ms(bool has_asked, uint64_t asked_ms, uint64_t nth, double random)
{
	uint64_t bound = (uint64_t)LLM_ATTEMPT_BASE_MS << (nth < 16 ? nth : 16);

	if (bound > LLM_ATTEMPT_CAP_MS)
		bound = LLM_ATTEMPT_CAP_MS;
	if (!has_asked)
		return (uint64_t)(random * (double)bound);
	if (bound < LLM_ATTEMPT_SPREAD_MS)
		bound = LLM_ATTEMPT_SPREAD_MS;
	if (asked_ms > LLM_ATTEMPT_ASKED_MAX_MS)
		asked_ms = LLM_ATTEMPT_ASKED_MAX_MS;
	return asked_ms + (uint64_t)(random * (double)bound);
}

uint64_t
llm_put_off_ms(uint64_t wait_ms, double random)
{
	uint64_t spread =
	    wait_ms > LLM_PUT_OFF_SPREAD_MS ? wait_ms : LLM_PUT_OFF_SPREAD_MS;

	return wait_ms + (uint64_t)((double)spread * random);
}
