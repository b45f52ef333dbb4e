/* SPDX-License-Identifier: MIT */
/*
 * conf.h - the whole configuration as one typed tree.
 *
 * One table (conf_options.c) lists every scalar option: name, type, default, unit,
 * bounds, roles, reloadable, help; parser, -T, the man page test and the parts handed
 * to roles come from it. Strings are never NULL ("" is unset); lists are {v, n}. A
 * struct conf is immutable after loading and owned by who loaded it.
 */
#ifndef COMMON_CONF_CONF_H
#define COMMON_CONF_CONF_H

#include "common/buf.h"
#include "common/err.h"
#include "common/secrets.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The processes, as bits of the mask that says whose part an option is. */
enum role {
	ROLE_SUPERVISOR,
	ROLE_GATEWAY,
	ROLE_SCHEDULER,
	ROLE_FETCH,
	ROLE_COMPUTE,
	ROLE_WORKER,
	ROLE_QUARANTINE,
	ROLE_REDIS,
	ROLE_CHECK,
	ROLE_MIGRATE,
	ROLE_CTL, /* agentctl, not a child */
	ROLE_COUNT
};

const char *role_name(enum role role); /* "supervisor", "gateway", ... */
int role_from_name(const char *name);  /* enum role or -EINVAL */

struct conf_list {
	char **v;
	size_t n;
};

struct conf_provider {
	char *name;
	char *type;     /* "openai" (a table in worker/llm lists the types) */
	char *base_url; /* without a trailing slash */
	char *api_key;  /* secret; "" sends no Authorization header */
	char *model;
	double temperature;  /* NAN: not sent (negative in the file) */
	int64_t max_tokens;  /* answer bound for one call */
	int64_t timeout_sec; /* whole call, repeats included */
	double price_input;  /* USD per million tokens; see prices.h */
	double price_output;
	double price_cached;
	bool strict; /* tool schemas follow the strict rules */
	int64_t
	    requests_per_minute; /* of each model, all hosts together; 0: no bound */
	int64_t tokens_per_minute;
};

struct conf_price {
	char *model;  /* a trailing '*': every model that begins so */
	double input; /* USD per million tokens */
	double output;
	double cached; /* negative: as input */
};

struct conf_auth_profile {
	char *name;
	char *type;   /* api_key | bearer | basic */
	char *header; /* api_key: header or query, one of the two */
	char *query;
	char *value;    /* secret */
	char *token;    /* secret, bearer */
	char *username; /* basic */
	char *password; /* secret, basic */
	struct conf_list hosts;
	bool idempotent; /* POST may be repeated after an unknown outcome */
};

struct conf_agent {
	char *name;
	char *description;
	struct conf_list providers; /* empty: all, in their order */
	char *model;                /* "": the provider's */
	char *system_prompt; /* text of system_prompt_file, or "" for the built-in */
	struct conf_list tools;
	struct conf_list finish_tools;
	char *input_schema;  /* JSON text or "" */
	char *output_schema; /* JSON text or "" */
	int64_t max_turns;   /* 0: limits.max_turns */
	int64_t max_tokens;  /* whole job; 0: limits.max_tokens_per_job */
	int64_t timeout_sec; /* 0: the job's */
	double budget_usd;   /* 0: limits.budget_usd_per_job */
	char *tool_choice;   /* auto | required | none */
	double temperature;  /* NAN: the provider's */
	char *class;         /* interactive | batch */
};

struct conf {
	char *path; /* the file it was read from, "" for built-in defaults */

	struct {
		char *name;
		char *node; /* never "" after loading: the host name by default */
		int64_t workers;
		int64_t jobs_per_worker;
		int64_t max_jobs; /* jobs after which a worker is renewed; 0: never */
		int64_t max_memory_mb; /* resident size after which a worker is renewed;
					  0: never */
		char *user;
		char *compute_user;
		char *run_dir;
		char *state_dir;
		int64_t shutdown_grace_sec;
		struct {
			char *target; /* stderr | syslog | file:PATH */
			char *level;  /* error | warning | info | debug */
			char *format; /* text | json */
		} log;
	} service;
	struct {
		char *listen; /* host:port; "" = no gateway */
		char *token;  /* secret */
		struct conf_list hosts;
		int64_t max_waiting;         /* /test/chat requests waiting at once */
		int64_t request_timeout_sec; /* to send the whole request */
		int64_t max_body_bytes;
	} http;
	struct {
		char *
		    url; /* secret (may hold a password); "embedded" = private server */
		char *ca_file, *cert_file, *key_file; /* PEM; "" = none */
		char *server_name;                    /* "" = the host's */
		char *sentinel_user;
		char *sentinel_password; /* secret */
		bool allow_eviction;
		bool wait_aof; /* producers wait for the append-only file */
		char *program; /* redis-server to run in embedded mode */
	} redis;
	struct {
		char *url; /* secret */
		bool migrate;
	} database;
	struct {
		char *jobs;
		char *results_prefix;
		int64_t result_ttl_sec;
		char *completion_queue;
		int64_t lease_sec;
		int64_t max_attempts;
		int64_t max_crashes;
		int64_t max_payload_bytes;
		int64_t max_age_sec;
		int64_t dead_max;
	} queue;
	struct {
		int64_t ttl_sec;
		int64_t max_turns;
	} sessions;
	struct {
		int64_t cache_ttl_sec; /* 0: no cache */
		bool cache_get;        /* also pipelines that fetch by GET */
		int64_t promote_after; /* jobs; 0: no tools are made */
	} pipeline;
	struct {
		struct conf_provider *providers;
		size_t n_providers;
		int64_t breaker_failures; /* in a row; 0: no breaker */
		int64_t breaker_open_sec;
		int64_t breaker_refused_sec; /* after a refusal of key or payment */
		double batch_share; /* of a rate limit, while interactive jobs wait */
		struct conf_price *prices;
		size_t n_prices;
	} llm;
	struct {
		char *api_url;
	} orchestrator;
	struct {
		int64_t max_inline_bytes;
		char *cas; /* directory */
		int64_t retention_days;
	} storage;
	struct {
		struct conf_list allow_domains;
		struct conf_list allow_private; /* CIDR[:port] or host[:port] */
		struct conf_list allow_ports;   /* decimal numbers or "*" */
		int64_t max_body_bytes;
		int64_t max_redirects;
		int64_t timeout_sec; /* one tool request */
	} network;
	struct {
		int64_t step_cpu_sec;
		int64_t step_memory_mb;
		int64_t step_output_mb;
		int64_t compute_children; /* 0: one per core */
		int64_t worker_buffer_mb;
		int64_t max_turns;
		int64_t max_tokens_per_job;
		int64_t max_timeout_sec;
		double budget_usd_per_job;    /* 0: none; micro-USD are not split */
		double owner_usd_per_day;     /* 0: none */
		int64_t owner_tokens_per_day; /* 0: none */
	} limits;
	struct conf_auth_profile *auth_profiles;
	size_t n_auth_profiles;
	char *agents_dir;
	struct conf_agent *agents; /* always contains "workflow" */
	size_t n_agents;
	struct conf_list
	    places; /* of settings, see conf_finding_at; the check role has them */
	struct conf_list warnings; /* about the file: "FILE:LINE: key: what" */
};

/*
 * Reads path (NULL: built-in defaults only), with @include, ${NAME}, ${NAME:-default},
 * file:PATH and credential:NAME resolved, and agents_dir's *.conf with the files they name. Unknown
 * keys and values out of bounds are refused: err says "FILE:LINE: key: what; remedy".
 * Returns 0 with *out owned by the caller, or negative errno.
 */
int conf_load(const char *path, struct conf **out, struct err *err);

/*
 * The same for who looks at a running service, whose file may be broken by now: *out is
 * set also when the result is negative (but for -ENOMEM), with what could be read of the
 * file and defaults for the rest. Not for running jobs.
 */
int conf_load_anyway(const char *path, struct conf **out, struct err *err);

/* Reads what conf_write_role wrote: no expansion, no files. */
int conf_read_role(const char *text, size_t n, struct conf **out, struct err *err);

/*
 * Adds one finding to err, newline-joined, keeping the first code; returns code. With a
 * key ("service.user", "agents[0].tools") and a known place it begins with FILE:LINE.
 */
int conf_finding(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);
int conf_finding_at(const struct conf *c, struct err *err, int code, const char *key,
    const char *fmt, ...) PRINTF_LIKE(5, 6);

/* "FILE:LINE", "FILE", or NULL when that is not known. */
const char *conf_place_of(const struct conf *c, const char *key);

/* Gets every finding whole as soon as it is made: a struct err holds a few only. */
extern void (*conf_finding_hook)(const char *line);

void conf_free(struct conf *c);
void conf_freep(struct conf **c);

/* The effective configuration as libconfig text, secrets shown as "********". */
void conf_write_masked(struct buf *out, const struct conf *c);

#define CONF_MASK "********"

/* Appends the URL with the password of its authority, and the values of query members
   that are named as secrets, masked. */
void conf_mask_url(struct buf *out, const char *url);

/* Does a '/', '?' or '#' that is not escaped cut its password off? */
bool conf_url_is_cut(const char *url);

/* Every secret that the configuration holds, URLs' passwords included, for masking what
   this process says. 0 with *out owned by the caller, or -ENOMEM. */
int conf_secrets(const struct conf *c, struct secrets **out);

/* What may come back from those who were sent it. Of providers: their keys, for models'
   answers. Of profiles: all, for what strangers answer; short ones (SECRETS_SURE) only of
   the profile that the request used (NULL: none). */
int conf_provider_secrets(const struct conf *c, struct secrets **out);
int conf_profile_secrets(const struct conf *c, const struct conf_auth_profile *used,
    struct secrets **out);

/* Overwrites them all where they stand; URLs stay, masked. */
void conf_blank_secrets(struct conf *c);

/* Every option as it is, and what stands where; conf_read_role reads it again. For who has
   the file read by another process. */
void conf_write_all(struct buf *out, const struct conf *c);

/* As conf_write_masked, with real secrets, but only those options that belong to the role. */
void conf_write_role(struct buf *out, const struct conf *c, enum role role);

/*
 * Compares two configurations. Returns 0 when equal, 1 when they differ in reloadable
 * options only, -EPERM when others differ (err names them, each with its line). changes
 * may be NULL; else the names of all that differ are appended, parted by commas.
 */
int conf_compare(const struct conf *old_conf, const struct conf *new_conf,
    struct buf *changes, struct err *err);

const struct conf_agent *conf_agent_find(const struct conf *c, const char *name,
    size_t n);
const struct conf_provider *conf_provider_find(const struct conf *c, const char *name);

/* For tests and documentation: every option by its dotted name. */
struct conf_option_info {
	const char *name; /* "queue.lease_sec" */
	const char *type; /* "string", "integer", ... */
	const char *help;
	const char *def;  /* text of the default; lists: words parted by blanks */
	int64_t min, max; /* integers: inclusive bounds */
	bool is_reloadable;
	bool is_secret;
};
size_t conf_option_count(void);
struct conf_option_info conf_option_at(size_t i);

/* The path that agentctl and the daemon use without -c: $AGENT_RUNNER_CONF or the
   installed default. */
const char *conf_default_path(void);

#endif
