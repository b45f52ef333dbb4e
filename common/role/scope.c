/* SPDX-License-Identifier: MIT */
/*
 * scope.c - which files and TCP ports a role needs, from its part of the configuration.
 *
 * Owns:   nothing; struct role_scope is the caller's.
 * Called: by role_sandbox for the own role, and by the supervisor, which watches the
 *         files for replacement.
 * Fails:  never. Where a port cannot be known beforehand no port is ruled, and the scope
 *         says why: the address guard of fetch and the servers' own passwords remain.
 */
#include "config.h"

#include "common/role/scope.h"

#include <string.h>
#include <strings.h>

/* What a role talks to, and what it touches. */
enum reach {
	REACH_REDIS = 1 << 0,
	REACH_DATABASE = 1 << 1,
	REACH_PROVIDERS = 1 << 2,
	REACH_ORCHESTRATOR = 1 << 3,
	REACH_STRANGERS = 1 << 4, /* network.allow_ports, ports of allow_private */
	REACH_NAMES = 1 << 5,     /* resolver and TLS files; DNS over TCP if any port */
	REACH_STATE = 1 << 6,     /* writes state_dir and the folder of the database */
};

/* clang-format off */
static const unsigned reaches[ROLE_COUNT] = {
	[ROLE_GATEWAY]    = REACH_REDIS | REACH_NAMES, /* its socket was bound before */
	[ROLE_SCHEDULER]  = REACH_REDIS | REACH_NAMES,
	[ROLE_FETCH]      = REACH_STRANGERS | REACH_NAMES,
	[ROLE_COMPUTE]    = 0,
	[ROLE_WORKER]     = REACH_REDIS | REACH_DATABASE | REACH_PROVIDERS | REACH_ORCHESTRATOR |
			    REACH_NAMES | REACH_STATE,
	[ROLE_QUARANTINE] = REACH_REDIS | REACH_DATABASE | REACH_PROVIDERS | REACH_ORCHESTRATOR |
			    REACH_NAMES | REACH_STATE,
	[ROLE_CHECK]      = REACH_NAMES,
	[ROLE_MIGRATE]    = REACH_DATABASE | REACH_NAMES | REACH_STATE,
};

static const struct {
	const char *scheme;
	uint16_t port; /* when the URL names none; 0: no TCP */
	const char *any_port;
} schemes[] = {
	{ "http", 80, NULL },
	{ "https", 443, NULL },
	{ "postgres", 5432, NULL },
	{ "postgresql", 5432, NULL },
	{ "redis", 6379, NULL },
	{ "rediss", 6379, NULL },
	{ "sentinel", 26379, "Sentinel says where the server is" },
	{ "sentinels", 26379, "Sentinel says where the server is" },
	{ "unix", 0, NULL },
};

/* Members of a database URL that name a file which libpq opens at each connection. */
static const char *const file_members[] = {
	"passfile", "sslcert", "sslcrl", "sslcrldir", "sslkey", "sslrootcert",
};
/* clang-format on */

enum {
	PORT_DNS = 53 /* answers that are too long for a datagram */
};

static void
add_port(struct role_scope *s, unsigned long port)
{
	if (port == 0 || port > UINT16_MAX)
		return;
	for (size_t i = 0; i < s->n_ports; i++)
		if (s->ports[i] == port)
			return;
	if (s->n_ports == SCOPE_PORTS_MAX)
		s->any_port = "there are too many";
	else
		s->ports[s->n_ports++] = (uint16_t)port;
}

static void
add_path(struct role_scope *s, const char *path, bool is_writable)
{
	ASSERT(s->n_paths < SCOPE_PATHS_MAX);
	s->paths[s->n_paths++] = (struct sandbox_path){ path, is_writable };
}

/* ---- URLs ---- */

/* A decimal number that is the whole text; 0 when it is none. */
static unsigned long
number(const char *text, size_t n)
{
	unsigned long v = 0;

	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9' || v > UINT16_MAX)
			return 0;
		v = 10 * v + (unsigned long)(text[i] - '0');
	}
	return v;
}

/* HOST, HOST:PORT, [ADDRESS]:PORT, or nothing or a path for a local socket. */
static void
add_host(struct role_scope *s, const char *host, size_t n, uint16_t standard)
{
	const char *colon = memrchr(host, ':', n), *bracket = memrchr(host, ']', n);

	if (n == 0 || host[0] == '/' || host[0] == '%')
		return;
	if (colon == NULL || (bracket != NULL && colon < bracket) ||
	    colon + 1 == host + n)
		add_port(s, standard);
	else
		add_port(s, number(colon + 1, (size_t)(host + n - colon - 1)));
}

/* Several hosts, or several ports, are parted by commas. */
static void
add_hosts(struct role_scope *s, const char *text, size_t n, uint16_t standard)
{
	while (n > 0) {
		const char *comma = memchr(text, ',', n);
		size_t len = comma != NULL ? (size_t)(comma - text) : n;

		add_host(s, text, len, standard);
		len += comma != NULL;
		text += len;
		n -= len;
	}
}

static int
hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *p = c == '\0' ? NULL : strchr(digits, c | 0x20);

	return p == NULL ? -1 : (int)(p - digits);
}

/* The path behind its escapes; what is no absolute path is left out. */
static void
add_file(struct role_scope *s, const char *text, size_t n)
{
	size_t k = 0;
	char *out;

	if (s->n_texts >= SCOPE_TEXTS_MAX || n >= PATH_MAX)
		return;
	out = s->texts[s->n_texts];
	for (size_t i = 0; i < n; i++) {
		bool is_escape = text[i] == '%' && i + 2 < n &&
		    hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0;

		out[k++] = is_escape
		    ? (char)(hex_digit(text[i + 1]) << 4 | hex_digit(text[i + 2]))
		    : text[i];
		i += is_escape ? 2 : 0;
	}
	out[k] = '\0';
	if (out[0] != '/' || strlen(out) != k)
		return;
	s->n_texts++;
	add_path(s, out, false);
}

/* libpq: members of the query override the authority; both are taken. */
static void
add_member(struct role_scope *s, const char *name, size_t name_len, const char *value,
    size_t n, uint16_t standard)
{
#define IS(word) (name_len == strlen(word) && memcmp(name, word, name_len) == 0)
	if (IS("service"))
		s->any_port = "a service file says where the database is";
	else if (IS("host") || IS("hostaddr"))
		add_port(s, n > 0 && value[0] != '/' && value[0] != '%' ? standard : 0);
	else if (IS("port"))
		for (size_t i = 0; i < n;) {
			size_t len = strcspn(value + i, ",&#");

			len = len < n - i ? len : n - i;
			add_port(s, number(value + i, len));
			i += len + 1;
		}
	for (size_t i = 0; i < ARRAY_LEN(file_members); i++)
		if (IS(file_members[i]))
			add_file(s, value, n);
#undef IS
}

static void
add_query(struct role_scope *s, const char *query, uint16_t standard)
{
	while (*query != '\0' && *query != '#') {
		size_t len = strcspn(query, "&#"), name = strcspn(query, "=&#");

		if (name < len)
			add_member(s, query, name, query + name + 1, len - name - 1,
			    standard);
		query += len;
		query += *query == '&';
	}
}

static void
add_url(struct role_scope *s, const char *url)
{
	const char *rest = strstr(url, "://"), *at, *query;
	size_t i = 0, n;

	if (rest == NULL)
		return; /* "", embedded, sqlite: nothing over TCP */
	while (i < ARRAY_LEN(schemes) &&
	    (strlen(schemes[i].scheme) != (size_t)(rest - url) ||
		strncasecmp(url, schemes[i].scheme, (size_t)(rest - url)) != 0))
		i++;
	if (i == ARRAY_LEN(schemes)) {
		s->any_port = "a URL's scheme is not known here";
		return;
	}
	if (schemes[i].any_port != NULL)
		s->any_port = schemes[i].any_port;
	if (schemes[i].port == 0)
		return;
	rest += 3;
	n = strcspn(rest, "/?#");
	at = memrchr(rest, '@', n);
	if (at != NULL) {
		n -= (size_t)(at + 1 - rest);
		rest = at + 1;
	}
	/* libpq takes a query without a host for one of a local socket. */
	add_hosts(s, rest, n, schemes[i].port);
	query = rest + n + strcspn(rest + n, "?#");
	if (*query == '?' && schemes[i].scheme[0] == 'p')
		add_query(s, query + 1, schemes[i].port);
}

/* ---- the groups of the configuration ---- */

/* "10.0.0.0/8:8080", "[::1]:80", "host:81": the port; 0 when the entry names none. */
static unsigned long
port_of(const char *entry)
{
	const char *colon = strrchr(entry, ':');

	if (colon == NULL ||
	    (strchr(entry, ':') != colon && strchr(entry, ']') == NULL))
		return 0;
	return number(colon + 1, strlen(colon + 1));
}

static void
add_strangers(struct role_scope *s, const struct conf *c)
{
	for (size_t i = 0; i < c->network.allow_ports.n; i++) {
		const char *v = c->network.allow_ports.v[i];

		if (strcmp(v, "*") == 0)
			s->any_port = "network.allow_ports holds *";
		else
			add_port(s, number(v, strlen(v)));
	}
	for (size_t i = 0; i < c->network.allow_private.n; i++)
		add_port(s, port_of(c->network.allow_private.v[i]));
}

/* SQLite writes its journal beside the file: the folder it is in. */
static void
add_sqlite_folder(struct role_scope *s, const char *url)
{
	char *out, *slash;

	if (strncmp(url, "sqlite:", 7) != 0 || url[7] != '/' ||
	    strlen(url) >= PATH_MAX || s->n_texts >= SCOPE_TEXTS_MAX)
		return;
	out = s->texts[s->n_texts];
	(void)snprintf(out, PATH_MAX, "%s", url + 7);
	slash = strrchr(out, '/');
	slash[slash == out] = '\0';
	s->n_texts++;
	add_path(s, out, true);
}

/* They are read before the sandbox stands; named, so that their replacement is noticed
   and new processes read the new ones. */
static void
add_redis_files(struct role_scope *s, const struct conf *c)
{
	const char *const files[] = { c->redis.ca_file, c->redis.cert_file };

	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (files[i][0] == '/')
			add_path(s, files[i], false);
}

void
role_scope(enum role role, const struct conf *c, struct role_scope *out)
{
	unsigned what = reaches[role];
	size_t n = 0;
	const struct sandbox_path *network = sandbox_network_paths(&n);

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; (what & REACH_NAMES) != 0 && i < n; i++)
		add_path(out, network[i].path, network[i].is_writable);
	if ((what & REACH_STATE) != 0) {
		add_path(out, c->service.state_dir, true);
		add_sqlite_folder(out, c->database.url);
	}
	if ((what & REACH_REDIS) != 0) {
		add_url(out, c->redis.url);
		add_redis_files(out, c);
	}
	if ((what & REACH_DATABASE) != 0)
		add_url(out, c->database.url);
	for (size_t i = 0; (what & REACH_PROVIDERS) != 0 && i < c->llm.n_providers; i++)
		add_url(out, c->llm.providers[i].base_url);
	if ((what & REACH_ORCHESTRATOR) != 0)
		add_url(out, c->orchestrator.api_url);
	if ((what & REACH_STRANGERS) != 0)
		add_strangers(out, c);
	if (out->n_ports > 0)
		add_port(out, PORT_DNS);
}

struct sandbox_scope
role_scope_rules(const struct role_scope *s)
{
	return (struct sandbox_scope){ .paths = s->paths,
		.n_paths = s->n_paths,
		.ports = s->ports,
		.n_ports = s->n_ports,
		.rules_connect = s->any_port == NULL };
}
