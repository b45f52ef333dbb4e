/* SPDX-License-Identifier: MIT */
/*
 * addr_guard.c - the address and URL policy.
 *
 * Owns:   struct addr_guard; immutable once made.
 * Called: by fetch for the URL, by the HTTP client for each redirect and each connect.
 * Fails:  closed: what no rule allows is -EACCES with the reason and the option to look
 * at.
 */
#include "config.h"

#include "common/net/addr_guard.h"

#include <errno.h>
#include <string.h>

struct private_entry {
	bool is_network;
	struct ip_addr net;
	unsigned bits;
	char host[URL_HOST_MAX + 1]; /* when !is_network */
	uint16_t port;               /* 0: those of allow_ports */
};

struct addr_guard {
	char **domains;
	size_t n_domains;
	struct private_entry *entries;
	size_t n_entries;
	bool all_ports;
	uint16_t *ports;
	size_t n_ports;
};

static int
parse_number(const char *s, size_t n, unsigned max, unsigned *out)
{
	unsigned value = 0;

	if (n == 0 || n > 5)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -EINVAL;
		value = value * 10 + (unsigned)(s[i] - '0');
	}
	if (value > max)
		return -EINVAL;
	*out = value;
	return 0;
}

static int
parse_entry_port(const char *s, size_t n, struct private_entry *e)
{
	unsigned port;

	if (parse_number(s, n, 65535, &port) < 0 || port == 0)
		return -EINVAL;
	e->port = (uint16_t)port;
	return 0;
}

/* network or host of n bytes, without port and brackets */
static int
parse_entry_target(const char *s, size_t n, struct private_entry *e)
{
	const char *slash = memchr(s, '/', n);
	size_t len = slash != NULL ? (size_t)(slash - s) : n;
	static const struct ip_addr mapped = { .is_v6 = true,
		.bytes = { [10] = 0xff, [11] = 0xff } };
	struct url host = { 0 };
	struct ip_addr inner;

	e->is_network = ip_addr_parse(s, len, &e->net);
	if (!e->is_network) {
		if (slash != NULL || url_parse_host(s, n, &host, NULL) < 0 ||
		    host.is_address)
			return -EINVAL;
		memcpy(e->host, host.host, sizeof(e->host));
		return 0;
	}
	e->bits = e->net.is_v6 ? 128 : 32;
	if (slash != NULL &&
	    parse_number(slash + 1, n - len - 1, e->bits, &e->bits) < 0)
		return -EINVAL;
	/* Addresses are judged unwrapped, so ::ffff:10.0.0.0/104 is kept as
	   10.0.0.0/8. */
	if (e->net.is_v6 && e->bits >= 96 && ip_addr_in_prefix(&e->net, &mapped, 96)) {
		(void)addr_classify(&e->net, &inner);
		e->net = inner;
		e->bits -= 96;
	}
	return 0;
}

static int
parse_entry(const char *s, struct private_entry *e)
{
	size_t n = strlen(s);
	const char *colon = strchr(s, ':');
	const char *close;

	memset(e, 0, sizeof(*e));
	if (s[0] == '[') {
		close = strchr(s, ']');
		if (close == NULL ||
		    parse_entry_target(s + 1, (size_t)(close - s) - 1, e) < 0 ||
		    !e->is_network)
			return -EINVAL;
		if (close[1] == '\0')
			return 0;
		return close[1] == ':'
		    ? parse_entry_port(close + 2, strlen(close + 2), e)
		    : -EINVAL;
	}
	if (colon != NULL && strchr(colon + 1, ':') == NULL) { /* one colon: a port */
		if (parse_entry_port(colon + 1, strlen(colon + 1), e) < 0)
			return -EINVAL;
		n = (size_t)(colon - s);
	}
	return parse_entry_target(s, n, e);
}

int
addr_guard_check_entry(const char *entry, struct err *err)
{
	struct private_entry e;

	if (parse_entry(entry, &e) < 0)
		return err_set(err, -EINVAL,
		    "network.allow_private: '%.100s' is neither CIDR[:port] nor "
		    "host[:port] (an IPv6 network with a port: [fd00::/8]:8080)",
		    entry);
	return 0;
}

static int
read_domains(struct addr_guard *g, const struct addr_guard_rules *rules,
    struct err *err)
{
	g->domains = calloc(rules->n_domains + 1, sizeof(*g->domains));
	if (g->domains == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < rules->n_domains; i++) {
		const char *d = rules->domains[i];
		const char *name = strncmp(d, "*.", 2) == 0 ? d + 2 : d;
		struct url host = { 0 };

		if (strcmp(d, "*") != 0 &&
		    url_parse_host(name, strlen(name), &host, NULL) < 0)
			return err_set(err, -EINVAL,
			    "network.allow_domains: '%.100s' is neither a host name, "
			    "*.NAME nor *",
			    d);
		g->domains[g->n_domains] = strdup(d);
		if (g->domains[g->n_domains++] == NULL)
			return -ENOMEM;
	}
	return 0;
}

static int
read_entries(struct addr_guard *g, const struct addr_guard_rules *rules,
    struct err *err)
{
	g->entries = calloc(rules->n_private + 1, sizeof(*g->entries));
	if (g->entries == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < rules->n_private; i++) {
		int r = addr_guard_check_entry(rules->private_entries[i], err);

		if (r < 0)
			return r;
		(void)parse_entry(rules->private_entries[i],
		    &g->entries[g->n_entries++]);
	}
	return 0;
}

static int
read_ports(struct addr_guard *g, const struct addr_guard_rules *rules, struct err *err)
{
	g->ports = calloc(rules->n_ports + 1, sizeof(*g->ports));
	if (g->ports == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < rules->n_ports; i++) {
		const char *p = rules->ports[i];
		unsigned port;

		if (strcmp(p, "*") == 0) {
			g->all_ports = true;
			continue;
		}
		if (parse_number(p, strlen(p), 65535, &port) < 0 || port == 0)
			return err_set(err, -EINVAL,
			    "network.allow_ports: '%.100s' is neither a port number nor *",
			    p);
		g->ports[g->n_ports++] = (uint16_t)port;
	}
	return 0;
}

int
addr_guard_new(const struct addr_guard_rules *rules, struct addr_guard **out,
    struct err *err)
{
	CLEANUP(addr_guard_freep) struct addr_guard *g = calloc(1, sizeof(*g));
	int r;

	if (g == NULL)
		return err_set(err, -ENOMEM, "no memory for the network guard");
	r = read_domains(g, rules, err);
	if (r == 0)
		r = read_entries(g, rules, err);
	if (r == 0)
		r = read_ports(g, rules, err);
	if (r == -ENOMEM)
		return err_set(err, r, "no memory for the network guard");
	if (r < 0)
		return r;
	*out = TAKE_PTR(g);
	return 0;
}

void
addr_guard_free(struct addr_guard *g)
{
	if (g == NULL)
		return;
	for (size_t i = 0; i < g->n_domains; i++)
		free(g->domains[i]);
	free(g->domains);
	free(g->entries);
	free(g->ports);
	free(g);
}

void
addr_guard_freep(struct addr_guard **g)
{
	addr_guard_free(*g);
}

static bool
port_is_listed(const struct addr_guard *g, uint16_t port)
{
	for (size_t i = 0; i < g->n_ports; i++)
		if (g->ports[i] == port)
			return true;
	return g->all_ports;
}

static bool
domain_is_listed(const struct addr_guard *g, const char *host)
{
	for (size_t i = 0; i < g->n_domains; i++)
		if (url_host_matches(host, g->domains[i]))
			return true;
	return false;
}

/* Does an entry speak of this host or address and open this port? A NULL address: may
   be, as far as can be said before the host is resolved. */
static bool
entry_opens(const struct addr_guard *g, const struct private_entry *e, const char *host,
    const struct ip_addr *address, uint16_t port)
{
	if (e->port != 0 ? e->port != port : !port_is_listed(g, port))
		return false;
	if (!e->is_network)
		return strcmp(e->host, host) == 0;
	return address == NULL || ip_addr_in_prefix(address, &e->net, e->bits);
}

static bool
any_entry_opens(const struct addr_guard *g, const char *host,
    const struct ip_addr *address, uint16_t port)
{
	for (size_t i = 0; i < g->n_entries; i++)
		if (entry_opens(g, &g->entries[i], host, address, port))
			return true;
	return false;
}

int
addr_guard_check_url(const struct addr_guard *g, const struct url *url, struct err *err)
{
	if (!domain_is_listed(g, url->host))
		return err_set(err, -EACCES,
		    "the host %s is not in the list of allowed domains "
		    "(network.allow_domains)",
		    url->host);
	if (url->is_address)
		return addr_guard_check_address(g, url, &url->address, url->port, err);
	if (!port_is_listed(g, url->port) &&
	    !any_entry_opens(g, url->host, NULL, url->port))
		return err_set(err, -EACCES,
		    "port %u of %s is not allowed (network.allow_ports)", url->port,
		    url->host);
	return 0;
}

int
addr_guard_check_address(const struct addr_guard *g, const struct url *url,
    const struct ip_addr *address, uint16_t port, struct err *err)
{
	char text[IP_ADDR_TEXT_MAX];
	struct ip_addr judged;
	enum addr_class class = addr_classify(address, &judged);

	if (class == ADDR_PUBLIC && port_is_listed(g, port))
		return 0;
	if (any_entry_opens(g, url->host, &judged, port))
		return 0;
	if (class == ADDR_PUBLIC)
		return err_set(err, -EACCES,
		    "port %u of %s is not allowed (network.allow_ports)", port,
		    url->host);
	return err_set(err, -EACCES,
	    "%s leads to the %s address %s, port %u, which is not allowed "
	    "(network.allow_private)",
	    url->host, addr_class_name(class), ip_addr_text(&judged, text), port);
}
