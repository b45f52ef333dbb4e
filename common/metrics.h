/* SPDX-License-Identifier: MIT */
/*
 * metrics.h - every number that /metrics shows, by one table.
 *
 * A process counts in its own page (shared memory, one writer); the supervisor adds the
 * pages of all lives; the gateway names them from the same table. Label values that are
 * not fixed (provider, model, role and signal) are small indices into lists that follow
 * from the configuration.
 */
#ifndef COMMON_METRICS_H
#define COMMON_METRICS_H

#include "common/buf.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Over several processes counters, histograms and gauges add up. A level is one fact
   that each process sees for itself (the queue's length, Redis up), also twice while a
   reload replaces who sees it: the greatest counts. */
enum metric_type {
	METRIC_COUNTER,
	METRIC_GAUGE,
	METRIC_LEVEL,
	METRIC_HISTOGRAM
};

/* label: the name of the one label, or NULL; width: how many values it has.
   Histograms have METRIC_BUCKETS buckets per label value, in seconds. */
enum {
	METRIC_BUCKETS = 16,
	METRIC_TARGETS_MAX = 16, /* provider and model pairs, see metrics_target() */
	METRIC_STATUS_ERRORS_MAX = 40, /* completed + one per error type */
	METRIC_BREAKER_OPEN = 2 /* LLM_BREAKER: not asked (1: being tried, 0: asked) */
};

/* clang-format off */
/*      name in C            metric name (agent_runner_...)   type       label          width                     help */
#define METRICS(X)                                                                                                                          \
	X(JOBS_DONE,         "jobs_done_total",               COUNTER,   "status",      METRIC_STATUS_ERRORS_MAX, "Jobs finished, by status and error type") \
	X(JOBS_TAKEN,        "jobs_taken_total",              COUNTER,   NULL,          1,                        "Jobs begun by workers")          \
	X(JOBS_IN_FLIGHT,    "jobs_in_flight",                GAUGE,     NULL,          1,                        "Jobs that workers run now")      \
	X(JOBS_FENCED,       "jobs_fenced_total",             COUNTER,   NULL,          1,                        "Jobs dropped because their holder was fenced") \
	X(JOBS_DUPLICATE,    "jobs_duplicate_total",          COUNTER,   NULL,          1,                        "Copies dropped or answered from the stored result") \
	X(JOBS_RECOVERED,    "jobs_recovered_total",          COUNTER,   NULL,          1,                        "Jobs taken back from dead holders") \
	X(JOBS_RETRIED,      "jobs_retried_total",            COUNTER,   NULL,          1,                        "Attempts that were put off for another try") \
	X(JOBS_PUT_OFF,      "jobs_put_off_total",            COUNTER,   NULL,          1,                        "Jobs handed back uncounted because no provider could be asked") \
	X(JOB_SECONDS,       "job_seconds",                   HISTOGRAM, NULL,          1,                        "Running time of jobs")           \
	X(QUEUE_SECONDS,     "job_queue_seconds",             HISTOGRAM, NULL,          1,                        "Time from created_at to the first begin") \
	X(LLM_SECONDS,       "llm_call_seconds",              HISTOGRAM, "target",      METRIC_TARGETS_MAX,       "LLM calls, by provider and model") \
	X(LLM_CALLS,         "llm_calls_total",               COUNTER,   "target",      METRIC_TARGETS_MAX,       "LLM calls, by provider and model") \
	X(LLM_ERRORS,        "llm_errors_total",              COUNTER,   "target",      METRIC_TARGETS_MAX,       "Failed LLM calls, by provider and model") \
	X(LLM_BREAKER,       "llm_breaker_state",             LEVEL,     "target",      METRIC_TARGETS_MAX,       "Is the provider asked? 0 yes, 1 it is being tried, 2 no") \
	X(TOKENS_INPUT,      "llm_input_tokens_total",        COUNTER,   "target",      METRIC_TARGETS_MAX,       "Input tokens, cached ones included") \
	X(TOKENS_CACHED,     "llm_cached_tokens_total",       COUNTER,   "target",      METRIC_TARGETS_MAX,       "Input tokens that the provider had cached") \
	X(TOKENS_OUTPUT,     "llm_output_tokens_total",       COUNTER,   "target",      METRIC_TARGETS_MAX,       "Output tokens") \
	X(COST_MICROUSD,     "llm_cost_usd_total",            COUNTER,   "target",      METRIC_TARGETS_MAX,       "Cost by the configured prices (counted in millionths)") \
	X(TOOL_CALLS,        "tool_calls_total",              COUNTER,   NULL,          1,                        "Tool calls run")                 \
	X(CACHE_HITS,        "pipeline_cache_hits_total",     COUNTER,   NULL,          1,                        "Pipelines whose result was remembered") \
	X(CACHE_MISSES,      "pipeline_cache_misses_total",   COUNTER,   NULL,          1,                        "Pipelines that may be remembered and had to run") \
	X(TOOLS_PROMOTED,    "tools_promoted_total",          COUNTER,   NULL,          1,                        "Pipelines that became composite tools") \
	X(FETCH_REQUESTS,    "fetch_requests_total",          COUNTER,   NULL,          1,                        "HTTP requests for tools")        \
	X(FETCH_REFUSED,     "fetch_refused_total",           COUNTER,   NULL,          1,                        "Addresses refused by the network guard") \
	X(COMPUTE_RUNS,      "compute_runs_total",            COUNTER,   NULL,          1,                        "Computations in the jail")       \
	X(COMPUTE_KILLED,    "compute_killed_total",          COUNTER,   NULL,          1,                        "Jailed children that hit a limit or died") \
	X(HTTP_REQUESTS,     "http_requests_total",           COUNTER,   NULL,          1,                        "Requests served by the gateway") \
	X(HTTP_REFUSED,      "http_refused_total",            COUNTER,   NULL,          1,                        "Requests refused by the gateway") \
	X(QUEUE_QUEUED,      "queue_queued",                  LEVEL,     NULL,          1,                        "Jobs waiting in the queue")      \
	X(QUEUE_HELD,        "queue_held",                    LEVEL,     NULL,          1,                        "Jobs held by workers of all hosts") \
	X(QUEUE_DELAYED,     "queue_delayed",                 LEVEL,     NULL,          1,                        "Jobs waiting for their next attempt") \
	X(QUEUE_PARKED,      "queue_parked",                  LEVEL,     NULL,          1,                        "Parked jobs")                    \
	X(QUEUE_ALONE,       "queue_alone",                   LEVEL,     NULL,          1,                        "Jobs waiting for the quarantine worker") \
	X(QUEUE_DEAD,        "queue_dead",                    LEVEL,     NULL,          1,                        "Dead letters")                   \
	X(QUEUE_OLDEST_MS,   "queue_oldest_age_seconds",      LEVEL,     NULL,          1,                        "Age of the oldest queued job (counted in ms)") \
	X(QUEUE_PAUSED,      "queue_paused",                  LEVEL,     NULL,          1,                        "1 while an operator has paused the queue") \
	X(REDIS_UP,          "redis_up",                      LEVEL,     NULL,          1,                        "1 when the scheduler reaches Redis") \
	X(REDIS_MAY_EVICT,   "redis_may_evict",               LEVEL,     NULL,          1,                        "1 when Redis' maxmemory-policy lets it throw jobs away") \
	X(STORE_UP,          "store_up",                      LEVEL,     NULL,          1,                        "1 when a worker reaches the result store") \
	X(SANDBOX_LANDLOCK,  "sandbox_landlock_version",      LEVEL,     NULL,          1,                        "Version of the kernel's Landlock; 0: none") \
	X(SANDBOX_DEGRADED,  "sandbox_degraded",              LEVEL,     NULL,          1,                        "1 when the kernel lacks rules that the sandbox asks for")
/* clang-format on */

enum metric {
#define X(id, name, type, label, width, help) METRIC_##id,
	METRICS(X)
#undef X
	METRIC_COUNT
};

enum {
	METRICS_CELLS = 2048,
	METRIC_HISTOGRAM_CELLS = METRIC_BUCKETS + 1
};

struct metrics_page {
	/* counters and gauges: value[label]; histograms, for each label: count per bucket
	   (not cumulative), then sum in us */
	_Atomic uint64_t cell[METRICS_CELLS];
};

struct metric_info {
	const char *name;
	enum metric_type type;
	const char *label;
	unsigned width;
	const char *help;
	unsigned first_cell;
};

const struct metric_info *metric_info(enum metric m);
unsigned metrics_cells(void); /* cells in use, at most METRICS_CELLS */

void metric_add(struct metrics_page *p, enum metric m, unsigned label, uint64_t n);
/* Gauges, and counters that a process counts elsewhere and only shows here. */
void metric_set(struct metrics_page *p, enum metric m, unsigned label, uint64_t v);
void metric_observe(/* histograms only; us: microseconds */
    struct metrics_page *p, enum metric m, unsigned label, uint64_t us);

/* What one cell becomes when another process' value v joins it. */
void metric_merge(enum metric_type type, uint64_t *into, uint64_t v);

/* Adds the counters and histograms of one page to a plain array; gauges and levels, which
   say how things are now, only of the living. */
void metrics_sum(uint64_t *into, const struct metrics_page *page, bool with_gauges);

/* Upper bounds; the last bucket's is +Inf. */
extern const double metric_bucket_sec[METRIC_BUCKETS - 1];

#endif
