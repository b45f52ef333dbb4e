/* SPDX-License-Identifier: MIT */
/*
 * options.c - every option of the configuration, in one table per record.
 *
 * Owns:   the tables; records are owned by their struct conf.
 * Called: by reading, writing, comparing and freeing of configurations.
 * Fails:  only for want of memory.
 */
#include "config.h"

#include "common/conf/options.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define MiB (1024 * 1024)
#define AT(field) offsetof(struct conf, field)

const char *const conf_type_names[OPT_TYPE_COUNT] = {
	[OPT_STRING] = "string",
	[OPT_SECRET] = "secret",
	[OPT_URL] = "url",
	[OPT_TEXT] = "text",
	[OPT_BOOL] = "boolean",
	[OPT_INT] = "integer",
	[OPT_FLOAT] = "number",
	[OPT_LIST] = "list",
};

/* clang-format off */
const struct conf_option conf_options[] = {
	/* name, type, place, default, min, max, roles, reloadable, help */
	{ "service.name", OPT_STRING, AT(service.name), "agent-runner", 0, 0, TO_ALL, true,
	  "name that logs, metrics and /health show" },
	{ "service.node", OPT_STRING, AT(service.node), "", 0, 0, TO_ALL, false,
	  "name of this host in the queue's protocol (empty: the host name); unique among the hosts that share a Redis" },
	{ "service.workers", OPT_INT, AT(service.workers), "4", 1, 256, TO_ALL, true,
	  "worker processes" },
	{ "service.jobs_per_worker", OPT_INT, AT(service.jobs_per_worker), "32", 1, 1024, TO_ALL, true,
	  "jobs that one worker runs at a time; 1 gives every job its own process" },
	{ "service.max_jobs", OPT_INT, AT(service.max_jobs), "100000", 0, INT64_MAX, TO_WORKERS, true,
	  "jobs after which a worker is renewed; 0: never" },
	{ "service.max_memory_mb", OPT_INT, AT(service.max_memory_mb), "2048", 0, 1 << 20, TO_WORKERS, true,
	  "resident MiB beyond which a worker is renewed between jobs; 0: never" },
	{ "service.user", OPT_STRING, AT(service.user), "agent-runner", 0, 0, TO_ALL, false,
	  "user of all processes but compute, when started by root" },
	{ "service.compute_user", OPT_STRING, AT(service.compute_user), "agent-runner-compute", 0, 0, TO_ALL, false,
	  "user of the compute processes, when started by root" },
	{ "service.run_dir", OPT_STRING, AT(service.run_dir), "/run/agent-runner", 0, 0, TO_ALL, false,
	  "directory of the pid file, the control socket and the private Redis' socket" },
	{ "service.state_dir", OPT_STRING, AT(service.state_dir), "/var/lib/agent-runner", 0, 0, TO_ALL, false,
	  "directory of the embedded database, large results and the private Redis' data" },
	{ "service.shutdown_grace_sec", OPT_INT, AT(service.shutdown_grace_sec), "30", 0, 3600, TO_ALL, true,
	  "seconds that running jobs may take to finish at a shutdown; the rest is handed back" },
	{ "service.log.target", OPT_STRING, AT(service.log.target), "stderr", 0, 0, TO_ALL, true,
	  "stderr, syslog, or file:PATH" },
	{ "service.log.level", OPT_STRING, AT(service.log.level), "info", 0, 0, TO_ALL, true,
	  "error, warning, info or debug" },
	{ "service.log.format", OPT_STRING, AT(service.log.format), "text", 0, 0, TO_ALL, true,
	  "text, or json for one JSON object a line" },
	{ "http.listen", OPT_STRING, AT(http.listen), "127.0.0.1:8082", 0, 0, TO_GATEWAY, false,
	  "address and port of /health, /metrics and /test/chat (empty: no gateway)" },
	{ "http.token", OPT_SECRET, AT(http.token), "", 0, 0, TO_GATEWAY, true,
	  "bearer token for all but /health; needed beyond loopback" },
	{ "http.hosts", OPT_LIST, AT(http.hosts), "", 0, 0, TO_GATEWAY, true,
	  "further host names that a request's Host header may show" },
	{ "http.max_waiting", OPT_INT, AT(http.max_waiting), "16", 1, 1024, TO_GATEWAY, true,
	  "requests to /test/chat that may wait for their result at a time" },
	{ "http.request_timeout_sec", OPT_INT, AT(http.request_timeout_sec), "10", 1, 3600, TO_GATEWAY, true,
	  "seconds a client may take to send its whole request" },
	{ "http.max_body_bytes", OPT_INT, AT(http.max_body_bytes), "1048576", 1024, 64 * MiB, TO_GATEWAY, true,
	  "longest request body" },
	{ "redis.url", OPT_URL, AT(redis.url), "embedded", 0, 0, TO_REDIS_USERS | TO_CHECK, false,
	  "embedded; redis://[USER:PASSWORD@]HOST:PORT/DB, or rediss:// over TLS; unix:///PATH; or sentinel://[USER:PASSWORD@]HOST:PORT[,HOST:PORT...]/MASTER[/DB], or sentinels:// over TLS" },
	{ "redis.ca_file", OPT_STRING, AT(redis.ca_file), "", 0, 0, TO_REDIS_USERS | TO_CHECK, false,
	  "certificates (PEM) that the server's must lead to (empty: the system's)" },
	{ "redis.cert_file", OPT_STRING, AT(redis.cert_file), "", 0, 0, TO_REDIS_USERS | TO_CHECK, false,
	  "our certificate and its chain (PEM), for a server that asks for one" },
	{ "redis.key_file", OPT_STRING, AT(redis.key_file), "", 0, 0, TO_REDIS_USERS | TO_CHECK, false,
	  "our certificate's key (PEM, without a passphrase), readable by service.user only" },
	{ "redis.server_name", OPT_STRING, AT(redis.server_name), "", 0, 0, TO_REDIS_USERS | TO_CHECK, false,
	  "name that the server's certificate must carry (empty: the host's name or address)" },
	{ "redis.sentinel_user", OPT_STRING, AT(redis.sentinel_user), "", 0, 0, TO_REDIS_USERS, false,
	  "user at the sentinels (empty: the default one)" },
	{ "redis.sentinel_password", OPT_SECRET, AT(redis.sentinel_password), "", 0, 0, TO_REDIS_USERS, false,
	  "password at the sentinels (empty: they want none)" },
	{ "redis.allow_eviction", OPT_BOOL, AT(redis.allow_eviction), "false", 0, 0, TO_REDIS_USERS, true,
	  "start although the server may evict keys (jobs may then be lost)" },
	{ "redis.wait_aof", OPT_BOOL, AT(redis.wait_aof), "false", 0, 0, TO_GATEWAY, true,
	  "a push is acknowledged only when the server's append-only file holds it (Redis 7.2; older ones are not waited for)" },
	{ "redis.program", OPT_STRING, AT(redis.program), "redis-server", 0, 0, 1U << ROLE_REDIS, false,
	  "server program of the embedded mode, by path or name" },
	{ "database.url", OPT_URL, AT(database.url), "sqlite", 0, 0, TO_STORE_USERS, false,
	  "sqlite (a file under state_dir), sqlite:PATH, or postgresql://..." },
	{ "database.migrate", OPT_BOOL, AT(database.migrate), "true", 0, 0, TO_STORE_USERS, false,
	  "bring the schema up to date at the start; false only checks it" },
	{ "queue.jobs", OPT_STRING, AT(queue.jobs), "agent:jobs", 0, 0, TO_REDIS_USERS, false,
	  "list from which jobs are taken" },
	{ "queue.results_prefix", OPT_STRING, AT(queue.results_prefix), "agent:results", 0, 0, TO_REDIS_USERS, false,
	  "results go to the list PREFIX:JOB_ID" },
	{ "queue.result_ttl_sec", OPT_INT, AT(queue.result_ttl_sec), "86400", 1, INT32_MAX, TO_REDIS_USERS, true,
	  "seconds until an unread result list expires" },
	{ "queue.completion_queue", OPT_STRING, AT(queue.completion_queue), "", 0, 0, TO_REDIS_USERS, false,
	  "list that gets a copy of every result message (empty: none)" },
	{ "queue.lease_sec", OPT_INT, AT(queue.lease_sec), "30", 3, 3600, TO_REDIS_USERS, true,
	  "seconds without a beat after which another host's worker counts as dead" },
	{ "queue.max_attempts", OPT_INT, AT(queue.max_attempts), "3", 1, 100, TO_REDIS_USERS, true,
	  "attempts for a job that fails with a retryable error" },
	{ "queue.max_crashes", OPT_INT, AT(queue.max_crashes), "3", 1, 100, TO_REDIS_USERS, true,
	  "crashes of its worker after which a job is buried" },
	{ "queue.max_payload_bytes", OPT_INT, AT(queue.max_payload_bytes), "1048576", 1024, 256 * MiB, TO_REDIS_USERS, true,
	  "longest job message" },
	{ "queue.max_age_sec", OPT_INT, AT(queue.max_age_sec), "0", 0, INT32_MAX, TO_REDIS_USERS, true,
	  "seconds a job may wait before it fails instead of running; 0: no bound" },
	{ "queue.dead_max", OPT_INT, AT(queue.dead_max), "100000", 1, INT32_MAX, TO_REDIS_USERS, true,
	  "dead letters that are kept" },
	{ "llm.breaker_failures", OPT_INT, AT(llm.breaker_failures), "5", 0, 10000, TO_WORKERS, true,
	  "failures in a row after which a provider is left alone for a while; 0: never" },
	{ "llm.breaker_open_sec", OPT_INT, AT(llm.breaker_open_sec), "5", 1, 3600, TO_WORKERS, true,
	  "seconds until a provider that failed is tried again; doubled up to eight times while it goes on failing" },
	{ "llm.breaker_refused_sec", OPT_INT, AT(llm.breaker_refused_sec), "60", 1, 86400, TO_WORKERS, true,
	  "seconds until a provider that refused the key, or wants payment, is tried again" },
	{ "llm.batch_share", OPT_FLOAT, AT(llm.batch_share), "0.8", 0, 1, TO_WORKERS, true,
	  "share of a rate limit that agents of class batch may use while interactive jobs wait" },
	{ "sessions.ttl_sec", OPT_INT, AT(sessions.ttl_sec), "86400", 1, INT32_MAX, TO_WORKERS, true,
	  "seconds after its last job in which a session is forgotten" },
	{ "sessions.max_turns", OPT_INT, AT(sessions.max_turns), "20", 1, 200, TO_WORKERS, true,
	  "jobs that a session remembers, the last ones" },
	{ "pipeline.cache_ttl_sec", OPT_INT, AT(pipeline.cache_ttl_sec), "3600", 0, INT32_MAX, TO_WORKERS, true,
	  "seconds that a pipeline's result is remembered; 0: not at all" },
	{ "pipeline.cache_get", OPT_BOOL, AT(pipeline.cache_get), "false", 0, 0, TO_WORKERS, true,
	  "remember also what pipelines made of answers to GET" },
	{ "pipeline.promote_after", OPT_INT, AT(pipeline.promote_after), "2", 0, 1000000, TO_WORKERS, true,
	  "jobs of an owner after which a pipeline becomes a tool; 0: never" },
	{ "orchestrator.api_url", OPT_URL, AT(orchestrator.api_url), "", 0, 0, TO_WORKERS, true,
	  "base URL of the orchestrator API, up to /api/v1 (empty: none)" },
	{ "storage.max_inline_bytes", OPT_INT, AT(storage.max_inline_bytes), "10485760", 1024, 1024 * MiB, TO_WORKERS, true,
	  "results of this size or more go to the content-addressed store" },
	{ "storage.cas", OPT_STRING, AT(storage.cas), "directory", 0, 0, TO_STORE_USERS, false,
	  "content-addressed store: directory (under state_dir)" },
	{ "storage.retention_days", OPT_INT, AT(storage.retention_days), "0", 0, 36500, TO_WORKERS, true,
	  "days that results are kept; 0: for ever" },
	{ "network.allow_domains", OPT_LIST, AT(network.allow_domains), "*", 0, 0, TO_FETCH | TO_CHECK, true,
	  "hosts that tools may reach: NAME, *.NAME or *" },
	{ "network.allow_private", OPT_LIST, AT(network.allow_private), "", 0, 0, TO_FETCH | TO_CHECK, true,
	  "exceptions from the address guard: CIDR[:port] or host[:port]" },
	{ "network.allow_ports", OPT_LIST, AT(network.allow_ports), "80 443", 0, 0, TO_FETCH | TO_CHECK, true,
	  "ports that tools may reach; (\"*\") lifts the rule" },
	{ "network.max_body_bytes", OPT_INT, AT(network.max_body_bytes), "104857600", 1024, 2047LL * MiB, TO_FETCH | TO_WORKERS, true,
	  "longest body that a tool may fetch, after decompression" },
	{ "network.max_redirects", OPT_INT, AT(network.max_redirects), "5", 0, 50, TO_FETCH, true,
	  "redirects that a tool's request follows" },
	{ "network.timeout_sec", OPT_INT, AT(network.timeout_sec), "30", 1, 3600, TO_FETCH | TO_WORKERS, true,
	  "seconds for one request of a tool" },
	{ "limits.step_cpu_sec", OPT_INT, AT(limits.step_cpu_sec), "10", 1, 3600, TO_ALL, true,
	  "CPU seconds for the computation of one pipeline" },
	{ "limits.step_memory_mb", OPT_INT, AT(limits.step_memory_mb), "512", 16, 1 << 20, TO_ALL, true,
	  "memory for the computation of one pipeline" },
	{ "limits.step_output_mb", OPT_INT, AT(limits.step_output_mb), "64", 1, 2047, TO_ALL, true,
	  "longest result of the computation of one pipeline" },
	{ "limits.compute_children", OPT_INT, AT(limits.compute_children), "0", 0, 1024, TO_ALL, true,
	  "computations that run at a time; 0: one per core" },
	{ "limits.worker_buffer_mb", OPT_INT, AT(limits.worker_buffer_mb), "256", 16, 1 << 20, TO_ALL, true,
	  "bytes of results that one worker holds at a time" },
	{ "limits.max_turns", OPT_INT, AT(limits.max_turns), "10", 1, 1000, TO_WORKERS, true,
	  "model calls of one job" },
	{ "limits.max_tokens_per_job", OPT_INT, AT(limits.max_tokens_per_job), "200000", 1, INT64_MAX, TO_WORKERS, true,
	  "input and output tokens of one job" },
	{ "limits.max_timeout_sec", OPT_INT, AT(limits.max_timeout_sec), "3600", 1, 7 * 86400, TO_ALL, true,
	  "bound of a job's timeout_sec" },
	{ "limits.budget_usd_per_job", OPT_FLOAT, AT(limits.budget_usd_per_job), "0", 0, 0, TO_WORKERS, true,
	  "USD of one job, unless its agent says otherwise; 0: no bound" },
	{ "limits.owner_usd_per_day", OPT_FLOAT, AT(limits.owner_usd_per_day), "0", 0, 0, TO_WORKERS, true,
	  "USD of all jobs of one owner in a day (UTC); 0: no bound" },
	{ "limits.owner_tokens_per_day", OPT_INT, AT(limits.owner_tokens_per_day), "0", 0, INT64_MAX, TO_WORKERS, true,
	  "input and output tokens of all jobs of one owner in a day (UTC); 0: no bound" },
	{ "agents_dir", OPT_STRING, AT(agents_dir), "agents.d", 0, 0, 1U << ROLE_CHECK, true,
	  "directory of agent definitions, relative to this file" },
};
const size_t conf_n_options = ARRAY_LEN(conf_options);

#define P(field) offsetof(struct conf_provider, field)
static const struct conf_option provider_options[] = {
	{ "name", OPT_STRING, P(name), "", 0, 0, TO_WORKERS | TO_GATEWAY, true, "name that agents and metrics use" },
	{ "type", OPT_STRING, P(type), "openai", 0, 0, TO_WORKERS, true, "wire protocol: openai or anthropic" },
	{ "base_url", OPT_URL, P(base_url), "https://api.openai.com/v1", 0, 0, TO_WORKERS, true, "API address up to the version; a query may follow" },
	{ "api_key", OPT_SECRET, P(api_key), "", 0, 0, TO_WORKERS, true, "key (empty: none is sent)" },
	{ "model", OPT_STRING, P(model), "gpt-4o", 0, 0, TO_WORKERS | TO_GATEWAY, true, "model, unless the agent names one" },
	{ "temperature", OPT_FLOAT, P(temperature), "0.1", 0, 2, TO_WORKERS, true, "sampling temperature; negative: not sent" },
	{ "max_tokens", OPT_INT, P(max_tokens), "4000", 1, 10000000, TO_WORKERS, true, "output tokens of one call" },
	{ "timeout_sec", OPT_INT, P(timeout_sec), "30", 1, 3600, TO_WORKERS, true, "seconds for one call, repeats included" },
	{ "price_input", OPT_FLOAT, P(price_input), "0", 0, 0, TO_WORKERS, true, "USD per million input tokens; 0: as llm.prices says" },
	{ "price_output", OPT_FLOAT, P(price_output), "0", 0, 0, TO_WORKERS, true, "USD per million output tokens; 0: as llm.prices says" },
	{ "price_cached", OPT_FLOAT, P(price_cached), "0", 0, 0, TO_WORKERS, true, "USD per million cached input tokens" },
	{ "strict", OPT_BOOL, P(strict), "false", 0, 0, TO_WORKERS, true, "send tool schemas under the provider's strict rules" },
	{ "requests_per_minute", OPT_INT, P(requests_per_minute), "0", 0, 1000000000, TO_WORKERS, true, "requests to each model, all hosts together; 0: no bound but the provider's" },
	{ "tokens_per_minute", OPT_INT, P(tokens_per_minute), "0", 0, 1000000000000, TO_WORKERS, true, "tokens of each model, all hosts together; 0: no bound but the provider's" },
};

#define T(field) offsetof(struct conf_price, field)
static const struct conf_option price_options[] = {
	{ "model", OPT_STRING, T(model), "", 0, 0, TO_WORKERS, true, "a model's name; a trailing * stands for any ending, and the longest name that fits wins" },
	{ "input", OPT_FLOAT, T(input), "0", 0, 0, TO_WORKERS, true, "USD per million input tokens" },
	{ "output", OPT_FLOAT, T(output), "0", 0, 0, TO_WORKERS, true, "USD per million output tokens" },
	{ "cached", OPT_FLOAT, T(cached), "-1", 0, 1000000, TO_WORKERS, true, "USD per million cached input tokens; negative: as input" },
};

#define A(field) offsetof(struct conf_auth_profile, field)
static const struct conf_option auth_profile_options[] = {
	{ "name", OPT_STRING, A(name), "", 0, 0, TO_WORKERS | TO_FETCH, true, "the group's name" },
	{ "type", OPT_STRING, A(type), "", 0, 0, TO_WORKERS | TO_FETCH, true, "api_key, bearer or basic" },
	{ "header", OPT_STRING, A(header), "", 0, 0, TO_FETCH, true, "api_key: name of the header" },
	{ "query", OPT_STRING, A(query), "", 0, 0, TO_FETCH, true, "api_key: name of the query parameter" },
	{ "value", OPT_SECRET, A(value), "", 0, 0, TO_FETCH, true, "api_key: the key" },
	{ "token", OPT_SECRET, A(token), "", 0, 0, TO_FETCH, true, "bearer: the token" },
	{ "username", OPT_STRING, A(username), "", 0, 0, TO_FETCH, true, "basic: the user" },
	{ "password", OPT_SECRET, A(password), "", 0, 0, TO_FETCH, true, "basic: the password" },
	{ "hosts", OPT_LIST, A(hosts), "", 0, 0, TO_WORKERS | TO_FETCH, true, "hosts that may see the secret" },
	{ "idempotent", OPT_BOOL, A(idempotent), "false", 0, 0, TO_WORKERS | TO_FETCH, true, "POST may be repeated after an unknown outcome" },
};

#define G(field) offsetof(struct conf_agent, field)
static const struct conf_option agent_options[] = {
	{ "name", OPT_STRING, G(name), "", 0, 0, TO_WORKERS | TO_GATEWAY, true, "name in the job's agent field (default: the file's)" },
	{ "description", OPT_STRING, G(description), "", 0, 0, TO_WORKERS, true, "what it is for" },
	{ "providers", OPT_LIST, G(providers), "", 0, 0, TO_WORKERS | TO_GATEWAY, true, "names of llm.providers in the order of trial (empty: all)" },
	{ "model", OPT_STRING, G(model), "", 0, 0, TO_WORKERS | TO_GATEWAY, true, "model (empty: the provider's)" },
	{ "system_prompt", OPT_TEXT, G(system_prompt), "", 0, 0, TO_WORKERS, true, "system_prompt_file: file of the system prompt" },
	{ "tools", OPT_LIST, G(tools), "", 0, 0, TO_WORKERS, true, "tools that the model is offered" },
	{ "finish_tools", OPT_LIST, G(finish_tools), "", 0, 0, TO_WORKERS, true, "tools whose success ends the job" },
	{ "input_schema", OPT_TEXT, G(input_schema), "", 0, 0, TO_WORKERS, true, "input_schema_file: JSON Schema of the input" },
	{ "output_schema", OPT_TEXT, G(output_schema), "", 0, 0, TO_WORKERS, true, "output_schema_file: JSON Schema of the answer" },
	{ "limits.max_turns", OPT_INT, G(max_turns), "0", 0, 1000, TO_WORKERS, true, "model calls; 0: limits.max_turns" },
	{ "limits.max_tokens", OPT_INT, G(max_tokens), "0", 0, INT64_MAX, TO_WORKERS, true, "tokens of a job; 0: limits.max_tokens_per_job" },
	{ "limits.timeout_sec", OPT_INT, G(timeout_sec), "0", 0, 7 * 86400, TO_WORKERS, true, "bound of the job's timeout_sec; 0: none of its own" },
	{ "limits.budget_usd", OPT_FLOAT, G(budget_usd), "0", 0, 0, TO_WORKERS, true, "USD of a job; 0: limits.budget_usd_per_job" },
	{ "tool_choice", OPT_STRING, G(tool_choice), "auto", 0, 0, TO_WORKERS, true, "auto, required or none" },
	{ "temperature", OPT_FLOAT, G(temperature), "-1", 0, 2, TO_WORKERS, true, "sampling temperature; negative: the provider's" },
	{ "class", OPT_STRING, G(class), "interactive", 0, 0, TO_WORKERS, true, "interactive, or batch: gives way to interactive jobs at rate limits" },
};

const struct conf_record conf_records[] = {
	{ "llm.providers", provider_options, ARRAY_LEN(provider_options), sizeof(struct conf_provider),
	  AT(llm.providers), AT(llm.n_providers), false, false },
	{ "llm.prices", price_options, ARRAY_LEN(price_options), sizeof(struct conf_price),
	  AT(llm.prices), AT(llm.n_prices), false, false },
	{ "auth_profiles", auth_profile_options, ARRAY_LEN(auth_profile_options), sizeof(struct conf_auth_profile),
	  AT(auth_profiles), AT(n_auth_profiles), true, false },
	{ "agents", agent_options, ARRAY_LEN(agent_options), sizeof(struct conf_agent),
	  AT(agents), AT(n_agents), false, true },
};
const size_t conf_n_records = ARRAY_LEN(conf_records);
/* clang-format on */

const struct conf_option *
conf_option_find(const struct conf_option *options, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
	return NULL;
}

/* Splits the words of a default into a list. */
static int
list_from_words(struct conf_list *list, const char *words)
{
	while (*words != '\0') {
		size_t n = strcspn(words, " ");
		char **v = realloc(list->v, (list->n + 1) * sizeof(*v));

		if (v == NULL)
			return -ENOMEM;
		list->v = v;
		v[list->n] = strndup(words, n);
		if (v[list->n] == NULL)
			return -ENOMEM;
		list->n++;
		words += n;
		words += strspn(words, " ");
	}
	return 0;
}

static int
set_default(const struct conf_option *o, void *field)
{
	switch (o->type) {
	case OPT_STRING:
	case OPT_SECRET:
	case OPT_URL:
	case OPT_TEXT:
		*(char **)field = strdup(o->def);
		return *(char **)field != NULL ? 0 : -ENOMEM;
	case OPT_BOOL:
		*(bool *)field = strcmp(o->def, "true") == 0;
		return 0;
	case OPT_INT:
		*(int64_t *)field = strtoll(o->def, NULL, 10);
		return 0;
	case OPT_FLOAT:
		*(double *)field = strtod(o->def, NULL);
		return 0;
	case OPT_LIST:
		return list_from_words(field, o->def);
	case OPT_TYPE_COUNT:
		break;
	}
	return -EINVAL;
}

int
conf_record_defaults(const struct conf_option *options, size_t n, void *record)
{
	for (size_t i = 0; i < n; i++) {
		int r = set_default(&options[i], conf_field(&options[i], record));

		if (r < 0)
			return r;
	}
	return 0;
}

static void
wipe_and_free(char *s)
{
	if (s != NULL)
		explicit_bzero(s, strlen(s));
	free(s);
}

static void
list_release(struct conf_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->v[i]);
	free(list->v);
}

void
conf_record_release(const struct conf_option *options, size_t n, void *record)
{
	for (size_t i = 0; i < n; i++) {
		void *field = conf_field(&options[i], record);

		switch (options[i].type) {
		case OPT_STRING:
		case OPT_TEXT:
			free(*(char **)field);
			break;
		case OPT_SECRET:
		case OPT_URL:
			wipe_and_free(*(char **)field);
			break;
		case OPT_LIST:
			list_release(field);
			break;
		default:
			break;
		}
	}
}

void *
conf_record_add(struct conf *c, const struct conf_record *r)
{
	char **v = (char **)(void *)((char *)c + r->v_offset);
	size_t *n = (size_t *)(void *)((char *)c + r->n_offset);
	char *grown = realloc(*v, (*n + 1) * r->size);
	void *record;

	if (grown == NULL)
		return NULL;
	*v = grown;
	record = grown + *n * r->size;
	memset(record, 0, r->size);
	(*n)++;
	return conf_record_defaults(r->options, r->n_options, record) == 0 ? record
									   : NULL;
}

void
conf_free(struct conf *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < conf_n_records; i++) {
		const struct conf_record *r = &conf_records[i];
		char *v = *(char **)(void *)((char *)c + r->v_offset);
		size_t n = *(size_t *)(void *)((char *)c + r->n_offset);

		for (size_t k = 0; k < n; k++)
			conf_record_release(r->options, r->n_options, v + k * r->size);
		free(v);
	}
	conf_record_release(conf_options, conf_n_options, c);
	list_release(&c->places);
	list_release(&c->warnings);
	free(c->path);
	free(c);
}

void
conf_freep(struct conf **c)
{
	conf_free(*c);
	*c = NULL;
}

static const char *const role_names[ROLE_COUNT] = {
	[ROLE_SUPERVISOR] = "supervisor",
	[ROLE_GATEWAY] = "gateway",
	[ROLE_SCHEDULER] = "scheduler",
	[ROLE_FETCH] = "fetch",
	[ROLE_COMPUTE] = "compute",
	[ROLE_WORKER] = "worker",
	[ROLE_QUARANTINE] = "quarantine",
	[ROLE_REDIS] = "redis",
	[ROLE_CHECK] = "check",
	[ROLE_MIGRATE] = "migrate",
	[ROLE_CTL] = "ctl",
};

const char *
role_name(enum role role)
{
	return (unsigned)role < ROLE_COUNT ? role_names[role] : "unknown";
}

int
role_from_name(const char *name)
{
	for (int i = 0; i < ROLE_COUNT; i++)
		if (strcmp(role_names[i], name) == 0)
			return i;
	return -EINVAL;
}

size_t
conf_option_count(void)
{
	size_t n = conf_n_options;

	for (size_t i = 0; i < conf_n_records; i++)
		n += conf_records[i].n_options;
	return n;
}

struct conf_option_info
conf_option_at(size_t i)
{
	static char name[128]; /* documentation and tests only, one thread */
	const struct conf_option *o = NULL;
	const char *prefix = "";

	if (i < conf_n_options) {
		o = &conf_options[i];
	} else {
		i -= conf_n_options;
		for (size_t k = 0; k < conf_n_records;
		     i -= conf_records[k++].n_options) {
			if (i >= conf_records[k].n_options)
				continue;
			o = &conf_records[k].options[i];
			prefix = conf_records[k].name;
			break;
		}
	}
	ASSERT(o != NULL);
	(void)snprintf(name, sizeof(name), "%s%s%s%s", prefix,
	    prefix[0] != '\0' ? "." : "", o->name, o->type == OPT_TEXT ? "_file" : "");
	return (struct conf_option_info){ .name = name,
		.type = conf_type_names[o->type],
		.help = o->help,
		.def = o->def,
		.min = o->min,
		.max = o->max,
		.is_reloadable = o->is_reloadable,
		.is_secret = o->type == OPT_SECRET || o->type == OPT_URL };
}

const struct conf_agent *
conf_agent_find(const struct conf *c, const char *name, size_t n)
{
	for (size_t i = 0; i < c->n_agents; i++)
		if (strlen(c->agents[i].name) == n &&
		    memcmp(c->agents[i].name, name, n) == 0)
			return &c->agents[i];
	return NULL;
}

const struct conf_provider *
conf_provider_find(const struct conf *c, const char *name)
{
	for (size_t i = 0; i < c->llm.n_providers; i++)
		if (strcmp(c->llm.providers[i].name, name) == 0)
			return &c->llm.providers[i];
	return NULL;
}
