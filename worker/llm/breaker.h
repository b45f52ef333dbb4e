/* SPDX-License-Identifier: MIT */
/*
 * breaker.h - whether a provider is worth asking: closed, open, half-open. Pure: time
 * is an argument, monotonic milliseconds.
 *
 * It opens after so many failures in a row, or when a whole call with its repeats failed
 * and nobody who asked later was answered: one job need not pay for finding out. That
 * happens at most once a minute, so that the failures of one bad request stay its own.
 * While it is open nobody asks. After its time one
 * caller at a time may try (half-open): an answer closes it, a failure opens it for
 * twice as long, up to a bound. A provider that refuses us (key, payment) stays closed
 * to us for longer.
 */
#ifndef WORKER_LLM_BREAKER_H
#define WORKER_LLM_BREAKER_H

#include "worker/llm/llm.h"

enum {
	BREAKER_DOUBLINGS_MAX = 3,            /* of the time that it stays open */
	BREAKER_OPEN_MAX_MS = 60 * 60 * 1000, /* whatever a provider asks for */
	BREAKER_TRIP_EVERY_MS = 60 * 1000,
	BREAKER_DOUBT_MS = 250 /* who asked within that time may have asked before */
};

enum breaker_state {
	BREAKER_CLOSED,
	BREAKER_HALF_OPEN, /* its time is over: somebody may try, or tries */
	BREAKER_OPEN,
	BREAKER_STATE_COUNT
};

struct breaker_rules {
	unsigned failures;   /* in a row; 0: the breaker never opens */
	uint64_t open_ms;    /* the first time */
	uint64_t refused_ms; /* after refusals: key, payment */
};

struct breaker {                /* zeroed: closed */
	unsigned failures;      /* in a row */
	unsigned doublings;     /* of open_ms, next time */
	uint64_t open_until_ms; /* 0: closed */
	uint64_t opened_ms;     /* when it opened last */
	uint64_t answered_ms;   /* when the latest question was put that was answered */
	uint64_t tripped_ms;    /* when one call alone opened it; 0: never */
	const void *prober;     /* who tries now; NULL: nobody */
	enum error_type cause;  /* of the last failure */
};

const char *breaker_state_name(enum breaker_state state); /* "half-open" */
enum breaker_state breaker_state(const struct breaker *b, uint64_t now_ms);

/* May this caller ask? When half-open a yes makes it the one that tries. */
bool breaker_may_ask(struct breaker *b, uint64_t now_ms, const void *caller);

/* The caller will not ask after all, or is done with the provider. */
void breaker_leave(struct breaker *b, const void *caller);

/* What an exchange that began then came to (ERROR_TYPE_NONE: an answer; e NULL then).
   Returns true when the state changed. */
bool breaker_note(struct breaker *b, const struct breaker_rules *rules, uint64_t now_ms,
    uint64_t began_ms, enum error_type type, const struct llm_error *e);

/* A call that began then failed for good, all its repeats included. */
bool breaker_gave_up(struct breaker *b, const struct breaker_rules *rules,
    uint64_t now_ms, uint64_t began_ms, const struct llm_error *e);

/* Refused for a reason that time does not heal: nobody need wait for it. */
bool breaker_is_refused(const struct breaker *b);

#endif
