/* SPDX-License-Identifier: MIT */
/*
 * addr_guard.h - may a stranger's URL be fetched, and may this address be connected to?
 *
 * Pure policy over the network.* options. It is asked twice: for the URL (scheme, port,
 * domain, literal address) before anything is sent, and for each resolved address at
 * connect time, on every hop. Both must say yes.
 *
 * An entry of allow_private is CIDR[:port] or host[:port] (an IPv6 network or address
 * in brackets when a port follows). It opens addresses that are not public: those of
 * the network, or those that exactly this host name resolves to. An entry with a port
 * opens that port only, whether or not allow_ports has it; an entry without one opens
 * the ports of allow_ports.
 */
#ifndef COMMON_NET_ADDR_GUARD_H
#define COMMON_NET_ADDR_GUARD_H

#include "common/err.h"
#include "common/net/ip_addr.h"
#include "common/net/url.h"

#include <stddef.h>

struct addr_guard;

struct addr_guard_rules {
	char *const *domains; /* "*", "example.com", "*.example.com" */
	size_t n_domains;
	char *const *private_entries;
	size_t n_private;
	char *const *ports; /* decimal numbers, or "*" for all */
	size_t n_ports;
};

/* Reads the rules (copied). Returns 0 with *out owned by the caller, -EINVAL with the
   entry named in err, or -ENOMEM. */
int addr_guard_new(const struct addr_guard_rules *rules, struct addr_guard **out,
    struct err *err);
void addr_guard_free(struct addr_guard *g);
void addr_guard_freep(struct addr_guard **g);

/* Before anything is sent. 0, or -EACCES and the reason. */
int addr_guard_check_url(const struct addr_guard *g, const struct url *url,
    struct err *err);

/* At connect time: the address that url's host resolved to, and the port to be used. 0,
   or -EACCES and the reason. */
int addr_guard_check_address(const struct addr_guard *g, const struct url *url,
    const struct ip_addr *address, uint16_t port, struct err *err);

/* One allow_private entry, for the configuration check. 0 or -EINVAL. */
int addr_guard_check_entry(const char *entry, struct err *err);

#endif
