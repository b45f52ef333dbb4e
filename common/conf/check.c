/* SPDX-License-Identifier: MIT */
/*
 * check.c - what a configuration must satisfy beyond the type of each value.
 *
 * Owns:   nothing.
 * Called: by conf_load, so that no process ever sees a configuration that fails here.
 * Fails:  with every finding, newline-joined.
 */
#include "config.h"

#include "common/conf/options.h"
#include "common/conf/prices.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

struct checker {
	const struct conf *conf;
	struct err *err;
	int status;
};

/* key: whose line the finding names; the text says the key itself. */
#define BAD(ck, key, ...) \
 ((ck)->status = conf_finding_at((ck)->conf, (ck)->err, -EINVAL, key, __VA_ARGS__))

static bool
is_one_of(const char *s, const char *const *set, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(s, set[i]) == 0)
			return true;
	return false;
}

static bool
has_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static bool
is_name(const char *s, const char *more)
{
	char set[128];

	(void)snprintf(set, sizeof(set), "%s%s", NAME_CHARS, more);
	return s[0] != '\0' && strlen(s) <= 64 && s[strspn(s, set)] == '\0';
}

static void
check_absolute(struct checker *ck, const char *key, const char *path)
{
	if (path[0] != '/')
		BAD(ck, key, "%s: '%s' must be an absolute path", key, path);
}

static void
check_service(struct checker *ck, const struct conf *c)
{
	static const char *const levels[] = { "error", "warning", "info", "debug" };
	static const char *const formats[] = { "text", "json" };
	const char *target = c->service.log.target;

	if (!is_name(c->service.node, ""))
		BAD(ck, "service.node",
		    "service.node: '%s' must be 1 to 64 letters, digits, '-' or '_'",
		    c->service.node);
	if (!is_one_of(c->service.log.level, levels, ARRAY_LEN(levels)))
		BAD(ck, "service.log.level",
		    "service.log.level: '%s' must be error, warning, info or debug",
		    c->service.log.level);
	if (!is_one_of(c->service.log.format, formats, ARRAY_LEN(formats)))
		BAD(ck, "service.log.format",
		    "service.log.format: '%s' must be text or json",
		    c->service.log.format);
	if (strcmp(target, "stderr") != 0 && strcmp(target, "syslog") != 0 &&
	    !(has_prefix(target, "file:/") && target[6] != '\0'))
		BAD(ck, "service.log.target",
		    "service.log.target: '%s' must be stderr, syslog or file:/PATH",
		    target);
	check_absolute(ck, "service.run_dir", c->service.run_dir);
	check_absolute(ck, "service.state_dir", c->service.state_dir);
	if (strlen(c->service.run_dir) > 80)
		BAD(ck, "service.run_dir",
		    "service.run_dir: longer than 80 bytes, the sockets in it would not "
		    "fit a socket address; choose a shorter path");
}

/* Splits "host:port" or "[v6]:port"; 0 when it is neither. */
static int
listen_parts(const char *listen, char host[256], int *port)
{
	const char *colon = strrchr(listen, ':');
	size_t n;
	char *end;
	long p;

	if (colon == NULL)
		return -EINVAL;
	n = (size_t)(colon - listen);
	if (n >= 2 && listen[0] == '[' && listen[n - 1] == ']') {
		listen++;
		n -= 2;
	}
	p = strtol(colon + 1, &end, 10);
	if (n == 0 || n > 255 || end == colon + 1 || *end != '\0' || p < 0 || p > 65535)
		return -EINVAL;
	memcpy(host, listen, n);
	host[n] = '\0';
	*port = (int)p;
	return 0;
}

static void
check_http(struct checker *ck, const struct conf *c)
{
	char host[256];
	int port;
	bool is_loopback;

	if (c->http.listen[0] == '\0')
		return;
	if (listen_parts(c->http.listen, host, &port) < 0) {
		BAD(ck, "http.listen", "http.listen: '%s' must be ADDRESS:PORT",
		    c->http.listen);
		return;
	}
	is_loopback = has_prefix(host, "127.") || strcmp(host, "::1") == 0 ||
	    strcmp(host, "localhost") == 0;
	if (!is_loopback && c->http.token[0] == '\0')
		BAD(ck, "http.listen",
		    "http.listen: %s is not a loopback address; set http.token, or listen "
		    "on 127.0.0.1",
		    c->http.listen);
}

static const char *const redis_schemes[] = { "redis://", "rediss://", "unix://",
	"sentinel://", "sentinels://" };

/* Whoever reads such a URL later would tell a part of the password as a wrong port. */
static void
check_password(struct checker *ck, const char *key, const char *url)
{
	if (conf_url_is_cut(url))
		BAD(ck, key,
		    "%s: the password holds '/', '?' or '#'; write %%2F, %%3F or %%23",
		    key);
}

static void
check_servers(struct checker *ck, const struct conf *c)
{
	const char *redis = c->redis.url, *db = c->database.url;

	bool is_known = strcmp(redis, "embedded") == 0;

	for (size_t i = 0; i < ARRAY_LEN(redis_schemes); i++)
		is_known |= has_prefix(redis, redis_schemes[i]);
	if (!is_known)
		BAD(ck, "redis.url",
		    "redis.url: must be embedded, redis://, rediss://, unix://, "
		    "sentinel:// or sentinels://...");
	if (strcmp(db, "sqlite") != 0 && !has_prefix(db, "sqlite:") &&
	    !has_prefix(db, "postgresql://") && !has_prefix(db, "postgres://"))
		BAD(ck, "database.url",
		    "database.url: must be sqlite, sqlite:PATH or postgresql://...");
	check_password(ck, "redis.url", redis);
	check_password(ck, "database.url", db);
	check_password(ck, "orchestrator.api_url", c->orchestrator.api_url);
	if (strcmp(c->storage.cas, "directory") != 0)
		BAD(ck, "storage.cas",
		    "storage.cas: '%s' is not supported by this version; use directory",
		    c->storage.cas);
	if (c->queue.jobs[0] == '\0')
		BAD(ck, "queue.jobs", "queue.jobs: must not be empty");
	if (c->queue.results_prefix[0] == '\0')
		BAD(ck, "queue.results_prefix",
		    "queue.results_prefix: must not be empty");
}

/* The key of one option of a record, by a format for the record and the option's name.
 */
struct key {
	char text[160];
};

PRINTF_LIKE(1, 2)
static struct key
key_of(const char *fmt, ...)
{
	struct key key;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(key.text, sizeof(key.text), fmt, ap);
	va_end(ap);
	return key;
}

/* What is wrong with one option of a record, after its whole key. */
#define BAD_IN(ck, of, fmt, ...)                                  \
 do {                                                             \
  const struct key bad_key = of;                                  \
                                                                  \
  BAD(ck, bad_key.text, "%s: " fmt, bad_key.text, ##__VA_ARGS__); \
 } while (0)

static void
check_provider(struct checker *ck, const struct conf *c, size_t i)
{
	static const char *const types[] = { "openai", "anthropic" };
	struct conf_provider *p = &c->llm.providers[i];
	size_t n = strlen(p->base_url);

	while (n > 0 && p->base_url[n - 1] == '/')
		p->base_url[--n] = '\0';
	if (!is_name(p->name, "."))
		BAD_IN(ck, key_of("llm.providers[%zu].name", i),
		    "'%s' must be 1 to 64 letters, digits, '-', '_' or '.'", p->name);
	for (size_t k = 0; k < i; k++)
		if (strcmp(p->name, c->llm.providers[k].name) == 0)
			BAD_IN(ck, key_of("llm.providers[%zu].name", i),
			    "'%s' stands twice", p->name);
	if (!is_one_of(p->type, types, ARRAY_LEN(types)))
		BAD_IN(ck, key_of("llm.providers[%zu].type", i),
		    "'%s' must be openai or anthropic", p->type);
	if (!has_prefix(p->base_url, "https://") && !has_prefix(p->base_url, "http://"))
		BAD_IN(ck, key_of("llm.providers[%zu].base_url", i),
		    "must begin with https:// or http://");
	if (p->model[0] == '\0')
		BAD_IN(ck, key_of("llm.providers[%zu].model", i), "must not be empty");
}

/* Which value options a type of profile needs, and which it must not have. */
static void
check_profile(struct checker *ck, const struct conf_auth_profile *p)
{
	if (strcmp(p->type, "api_key") == 0) {
		if ((p->header[0] != '\0') == (p->query[0] != '\0'))
			BAD_IN(ck, key_of("auth_profiles.%s", p->name),
			    "api_key wants either header or query");
	} else if (strcmp(p->type, "bearer") != 0 && strcmp(p->type, "basic") != 0) {
		BAD_IN(ck, key_of("auth_profiles.%s.type", p->name),
		    "'%s' must be api_key, bearer or basic", p->type);
	}
	if (p->hosts.n == 0)
		BAD_IN(ck, key_of("auth_profiles.%s.hosts", p->name),
		    "name the hosts that may see this secret, as in hosts = ( "
		    "\"api.example.com\" )");
}

static void
check_agent(struct checker *ck, const struct conf *c, size_t i)
{
	static const char *const choices[] = { "auto", "required", "none" };
	static const char *const classes[] = { "interactive", "batch" };
	const struct conf_agent *a = &c->agents[i];

	if (!is_name(a->name, "."))
		BAD(ck, key_of("agents[%zu].name", i).text,
		    "agent '%s': the name must be 1 to 64 letters, digits, '-', '_' or "
		    "'.'",
		    a->name);
	for (size_t k = 0; k < i; k++)
		if (strcmp(a->name, c->agents[k].name) == 0)
			BAD(ck, key_of("agents[%zu].name", i).text,
			    "agent %s is defined twice", a->name);
	for (size_t k = 0; k < a->providers.n; k++)
		if (conf_provider_find(c, a->providers.v[k]) == NULL)
			BAD(ck, key_of("agents[%zu].providers", i).text,
			    "agent %s: provider '%s' is not in llm.providers", a->name,
			    a->providers.v[k]);
	if (!is_one_of(a->tool_choice, choices, ARRAY_LEN(choices)))
		BAD(ck, key_of("agents[%zu].tool_choice", i).text,
		    "agent %s: tool_choice '%s' must be auto, required or none",
		    a->name, a->tool_choice);
	if (!is_one_of(a->class, classes, ARRAY_LEN(classes)))
		BAD(ck, key_of("agents[%zu].class", i).text,
		    "agent %s: class '%s' must be interactive or batch", a->name,
		    a->class);
}

static void
check_ports(struct checker *ck, const struct conf_list *ports)
{
	for (size_t i = 0; i < ports->n; i++) {
		char *end;
		long p = strtol(ports->v[i], &end, 10);

		if (strcmp(ports->v[i], "*") == 0)
			continue;
		if (end == ports->v[i] || *end != '\0' || p < 1 || p > 65535)
			BAD(ck, "network.allow_ports",
			    "network.allow_ports: '%s' must be 1 to 65535 or \"*\"",
			    ports->v[i]);
	}
}

int
conf_check(const struct conf *c, struct err *err)
{
	struct checker ck = { .conf = c, .err = err };

	check_service(&ck, c);
	check_http(&ck, c);
	check_servers(&ck, c);
	for (size_t i = 0; i < c->llm.n_providers; i++)
		check_provider(&ck, c, i);
	check_ports(&ck, &c->network.allow_ports);
	for (size_t i = 0; i < c->n_auth_profiles; i++)
		check_profile(&ck, &c->auth_profiles[i]);
	for (size_t i = 0; i < c->n_agents; i++)
		check_agent(&ck, c, i);
	if (conf_check_prices(c, err) < 0)
		ck.status = -EINVAL;
	return ck.status;
}
